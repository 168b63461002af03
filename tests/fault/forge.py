"""forge.py COUNT [FIRST] - reads forged logs: false content with correct checksums.

Log number N depends on the seed N alone: one to four segments, sealed or not, with filters,
cursors and indexes, built from evlog-format(5) with the functions of format.py.  Then one
or two fields of head, a segment header, a seal, a block header, an extension, an index or a
seek table, or a frame, or a line, are set to an extreme or a plausible false value, and all
checksums are corrected.  Tools are run on copies of it.  Each must finish in time and
within its memory, without a signal or a sanitizer's report; leave the lock free; change
nothing if it only reads; and deliver only lines that the log contains, each once and in
order.

forge.py flood COUNT: prints events whose keys collide in a hash table without a seed.

forge.py line FOLDER TEXT: makes a log of four events in which the stamp of the third is
followed by TEXT, which may be no JSON.

forge.py kinds [NAME...]: logs of known kinds, each with the verdict that it must get.

EVLOG_FORGE_ALL=1: run every tool on each log, not just six.  EVLOG_FORGE_KEEP=FOLDER: keep
failing cases there.
"""

import ctypes
import fcntl
import itertools
import json
import os
import random
import re
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time

from oracle import read, u32, write
from format import (
    F_OFD_SETLK, FILTERED, NONE, SANITIZED, SLOT, TIME_MAX, TIME_MIN, bloom, checked, index_rows, micros,
    sha, xxh3,
)  # fmt: skip

SECONDS = float(os.environ.get("EVLOG_FORGE_SECONDS", "10" if SANITIZED else "2"))
MIB = 256
STATUSES = {0, 1, 65, 66, 73, 74, 75, 76, 77}
BOOT = bytes.fromhex(open("/proc/sys/kernel/random/boot_id").read().strip().replace("-", ""))


# ---- zstd ----


ZSTD = ctypes.CDLL("libzstd.so.1")


def pack(raw, sized=True):
    """A frame with content size and checksum, as a writer makes it."""
    z = ZSTD
    for f in ("ZSTD_compressBound", "ZSTD_compress2", "ZSTD_CCtx_setParameter"):
        getattr(z, f).restype = ctypes.c_size_t
    z.ZSTD_createCCtx.restype = z.ZSTD_compressBound.restype = ctypes.c_void_p
    context = ctypes.c_void_p(z.ZSTD_createCCtx())
    z.ZSTD_CCtx_setParameter(context, 100, 1)
    z.ZSTD_CCtx_setParameter(context, 201, 1)
    z.ZSTD_CCtx_setParameter(context, 200, sized)
    room = len(raw) + len(raw) // 128 + 1024
    out = ctypes.create_string_buffer(room)
    n = z.ZSTD_compress2(
        context, out, ctypes.c_size_t(room), ctypes.c_char_p(raw), ctypes.c_size_t(len(raw))
    )
    z.ZSTD_freeCCtx(context)
    return out.raw[:n]


# ---- A sound log ----


class Tree:
    """RFC 6962 with a frontier, because logs may be long; format.py computes it from the
    text."""

    def __init__(self, n=0, hashes=()):
        self.n, self.hashes = n, list(hashes)

    def add(self, line):
        h, n = sha(b"\0" + line), self.n
        while n & 1:
            h, n = sha(b"\1" + self.hashes.pop() + h), n >> 1
        self.hashes.append(h)
        self.n += 1

    def copy(self):
        return Tree(self.n, self.hashes)

    def root(self):
        if not self.hashes:
            return sha(b"")
        h = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            h = sha(b"\1" + left + h)
        return h

    def frontier(self):
        return b"".join(self.hashes)


def stamp(seq, at=0):
    t = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1795410000 + at // 10**6))
    return b'{"seq":"%016d","logtime":"%s.%06dZ",' % (seq, t.encode(), at % 10**6)


def event(rng, seq):
    pad = "".join(rng.choices("0123456789abcdef", k=rng.choice((0, 20, 300))))
    more = (b'"causationid":"%d",' % (seq // 2), b'"due":"2026-11-0%dT00:00:00Z",' % (1 + seq % 7), b'"cancels":"%d",' % (seq - 2), b"")[seq % 4]
    return b'"specversion":"1.0","id":"%d","source":"/x","type":"T%d","subject":"s%d","time":"2026-11-0%dT00:00:00Z",%s"data":{"n":%d,"pad":"%s"}}' % (
        seq, seq % 2, seq % 3, 1 + seq % 9, more, seq, pad.encode(),
    )  # fmt: skip


def extension(kind, data):
    return struct.pack("<HHI", kind, 0, len(data)) + data


def cursor(name, seq, generation=0, version=1):
    if version == 1:
        return extension(2, b"R" * 16 + struct.pack("<QQ", seq, generation) + bytes(32) + name)
    x = b"R" * 16 + b"L" * 32 + struct.pack("<QQ", seq, generation) + bytes(32) + struct.pack("<I", len(name)) + name
    return extension(4, x + (extension(2, struct.pack("<QQ", 10**15, seq)) if seq % 2 else b""))


class Block:
    def __init__(self, lines, **more):
        self.lines = lines  # with stamps, without newlines
        self.__dict__.update({"cursors": b"", "frame": None, "raw": None, "filtered": True}, **more)


class Log:
    """A log as bytes: self.files has its files, self.parts the offset of each structure."""

    log_id = bytes(range(100, 116))

    def __init__(self, segments, sealed, modes):
        self.files, self.parts, self.lines, self.states = {}, [], [], []
        self.tree, self.modes, self.lineage = Tree(), modes, bytes(32)
        self.version = modes.get("version", 1)
        previous, last_time = (NONE, NONE, NONE), TIME_MIN
        for i, blocks in enumerate(segments):
            seal = sealed[i] and i + 1 < len(segments)
            previous, last_time = self.segment(blocks, previous, last_time, seal)
        self.head()

    def part(self, name, kind, at, size):
        self.parts.append((name, kind, at, size))

    def segment_header(self, previous, last_time, seal=None):
        first, tree = self.tree.n + 1, self.tree.frontier()
        p = struct.pack("<II8sII16s", 0x184D2A5D, 0, b"evlogSEG", self.version, 2 if seal else 0, self.log_id)
        p += struct.pack("<QQq", first, self.modes.get("epoch", 1), last_time) + struct.pack("<QQQQ", *previous, first - 1)
        p += self.tree.root() + (self.lineage if self.version > 1 and self.tree.n else b"")
        p += (bytes(32) if self.version > 1 and not self.tree.n else b"") + tree
        p += struct.pack("<QQQ", *seal[:3]) + seal[3] if seal else b""
        p += self.modes.get("header", b"") if seal and self.version > 1 else b""
        p = bytearray(p + self.modes.get("more", b"") + bytes(8))
        struct.pack_into("<I", p, 4, len(p) - 8)
        return checked(bytes(p))

    def segment(self, blocks, previous, last_time, seal):
        first, tree, before = self.tree.n + 1, self.tree.copy(), last_time
        name = "%016d.ndjson.zst" % first
        size = len(self.segment_header(previous, last_time, (0, 0, 0, bytes(32)) if seal else None))
        body, last, table, filters, seek = b"", 0, [], [], [(size, 0)]
        at, places = size, []
        for b in blocks:
            header, frame, times = self.block(b, first, at, last)
            places.append((at, len(header), len(frame)))
            table.append(struct.pack("<QQqqqq", at, self.tree.n + 1, *times))
            filters.append(bloom(b.lines) if b.filtered else b"")
            seek += [(len(header), 0), (len(frame), len(b.raw))]
            for line in b.lines:
                if self.tree.n == 0:
                    self.lineage = sha(b"\0" + line)
                self.tree.add(line)
            # the root of a block is the one after it
            header = bytearray(header)
            header[128:160] = self.tree.root()
            body += checked(bytes(header)) + frame
            last, at, last_time = at, at + len(header) + len(frame), times[1]
        last_seq, end_root = self.tree.n, self.tree.root()
        after, self.tree = self.tree, tree
        seal_of = (at, last, last_seq, end_root) if seal else None
        header = self.segment_header(previous, before, seal_of)
        self.tree = after
        data = header + body
        self.part(name, "segment", 0, size)
        for place in places:
            self.part(name, "block", place[0], place[1])
        if seal:
            data = self.index(name, data, first, table, filters, seek)
        self.files[name] = data
        end = at if seal else len(data)
        self.states.append((first, end, last, last_seq, last_time, self.tree.copy()))
        self.lines += [line for b in blocks for line in b.lines]
        return (first, end, last), last_time

    def block(self, b, first, at, last):
        seq, lines = self.tree.n + 1, b.lines
        b.raw = b.raw if b.raw is not None else b"".join(x + b"\n" for x in lines)
        frame = b.frame(b.raw) if b.frame else pack(b.raw)
        more = b.cursors
        if b.filtered:
            kinds = b"" if self.version == 1 else struct.pack("<I", FILTERED)
            more = extension(3 if self.version == 1 else 6, kinds + bloom(lines)) + more
        logtimes = [time_of(lines[0]), time_of(lines[-1])]
        times = (*logtimes, *event_times(lines))
        p = struct.pack("<II8sII16s", 0x184D2A5B, 160 + len(more), b"evlogBLK", self.version, 1, self.log_id)
        p += struct.pack("<QQQ", first, self.modes.get("epoch", 1), seq)
        p += struct.pack("<IIIIQ", len(lines), len(b.raw), len(frame), at - last, xxh3(frame))
        return checked(p + struct.pack("<qqqqQ", *times, at) + bytes(32) + more + bytes(8)), frame, times

    def index(self, name, data, first, table, filters, seek):
        end = len(data)
        bits, rows = index_rows(filters, end, 0)
        size = (56 if self.version == 1 else 72) + 48 * len(table) + 8 + len(rows)
        if self.version == 1:
            p = struct.pack("<II8sII16s", 0x184D2A5C, size - 8, b"evlogIDX", 2, len(table), self.log_id)
            p += struct.pack("<QQ", first, bits)
        else:
            p = struct.pack("<II8sII16s", 0x184D2A5C, size - 8, b"evlogIDX", 3, 0, self.log_id)
            p += struct.pack("<QIIQQ", first, len(table), FILTERED, bits, 0)
        p = checked(p + b"".join(table) + bytes(8))
        p += index_rows(filters, end, u64_at(p, len(p) - 8))[1]
        self.part(name, "index", end, len(p))
        seek.append((len(p), 0))
        s = struct.pack("<II", 0x184D2A5E, 8 * len(seek) + 9)
        s += b"".join(struct.pack("<II", *x) for x in seek)
        s += struct.pack("<IBI", len(seek), 0, 0x8F92EAB1)
        self.part(name, "seek", end + len(p), len(s))
        return data + p + s

    def slot(self, generation, first, end, last, last_seq, last_time, tree):
        boot = b"another boot id." if self.modes["boot"] else BOOT
        p = struct.pack("<8sQ16s16s", b"evlogHD%d" % self.version, generation, self.log_id, boot)
        p += struct.pack("<Q", self.modes.get("epoch", 1))
        p += struct.pack("<QQQQQq", first, end, self.modes.get("durable", end), last, last_seq, last_time)
        p += struct.pack("<II", self.modes["flags"], len(tree.hashes)) + tree.root() + tree.frontier()
        return checked(p.ljust(SLOT, b"\0"))

    def head(self):
        """Writes head for the last segment, or for the first, as may happen after a power
        cut."""
        state = self.states[0 if self.modes["old"] else -1]
        slots = [self.slot(g, *state) for g in (4, 3)]
        if not self.modes["lost"]:
            self.files["head"] = b"".join(slots)
            for i in range(2):
                self.part("head", "slot", i * SLOT, SLOT)

    def put(self, folder):
        os.makedirs(folder)
        for name, data in self.files.items():
            write(folder, name, data)


def u64_at(p, at):
    return struct.unpack_from("<Q", p, at)[0]


def time_of(line):
    try:
        return micros(line[37:64].decode())
    except (ValueError, UnicodeDecodeError):
        return 1795410000 * 10**6


def event_times(lines):
    times = []
    for line in lines:
        m = re.search(rb'"time":"([^"]*)Z"', line)
        try:
            times.append(micros((m[1] + b".000000Z").decode()) if m else None)
        except ValueError:
            pass
    times = [t for t in times if t is not None]
    return min(times, default=TIME_MAX), max(times, default=TIME_MIN)


# ---- Lies ----

FIELDS = {
    "segment": {
        "size": (4, "I"), "version": (16, "I"), "flags": (20, "I"), "log_id": (24, "Q"),
        "first_seq": (40, "Q"), "epoch": (48, "Q"), "last_logtime": (56, "Q"),
        "previous": (64, "Q"), "previous_size": (72, "Q"), "previous_block": (80, "Q"),
        "before": (88, "Q"), "root": (96, "Q"), "frontier": (128, "Q"),
        "seal_end": (-64, "Q"), "seal_block": (-56, "Q"), "seal_last_seq": (-48, "Q"),
        "seal_root": (-40, "Q"), "lineage": (128, "Q"), "frontier_2": (160, "Q"),
        "extension_type": (-36, "H"), "extension_size": (-32, "I"), "field_size": (-28, "I"),
    },
    "block": {
        "size": (4, "I"), "version": (16, "I"), "flags": (20, "I"), "log_id": (24, "Q"),
        "segment": (40, "Q"), "epoch": (48, "Q"), "first_seq": (56, "Q"), "count": (64, "I"),
        "raw_size": (68, "I"), "packed_size": (72, "I"), "back": (76, "I"),
        "packed_hash": (80, "Q"), "first_logtime": (88, "Q"), "last_logtime": (96, "Q"),
        "least_time": (104, "Q"), "greatest_time": (112, "Q"), "synced": (120, "Q"),
        "root": (128, "Q"), "extension_type": (160, "H"), "extension_size": (164, "I"),
        "extension": (168, "Q"), "cursor": (-40, "Q"), "last_extension_size": (-16, "I"),
    },
    "slot": {
        "generation": (8, "Q"), "log_id": (16, "Q"), "boot_id": (32, "Q"), "epoch": (48, "Q"),
        "segment": (56, "Q"), "committed": (64, "Q"), "durable": (72, "Q"),
        "last_block": (80, "Q"), "last_seq": (88, "Q"), "last_logtime": (96, "Q"),
        "flags": (104, "I"), "hashes": (108, "I"), "root": (112, "Q"), "frontier": (144, "Q"),
    },
    "index": {
        "size": (4, "I"), "version": (16, "I"), "blocks": (20, "I"), "log_id": (24, "Q"),
        "first_seq": (40, "Q"), "bits": (48, "Q"), "bits_3": (56, "Q"), "blocks_3": (48, "I"),
        "kinds": (52, "I"), "tiles": (64, "Q"),
    },
    "seek": {"size": (4, "I"), "entry": (8, "I"), "frames": (-9, "I"), "descriptor": (-5, "I")},
}  # fmt: skip

ENTRY = {"offset": 0, "first_seq": 8, "first_logtime": 16, "last_logtime": 24, "least": 32, "greatest": 40}


def plausible(log):
    """Numbers that occur in this log: offsets, sizes and seqs."""
    out = [s[0] for s in log.states] + [s[1] for s in log.states] + [s[2] for s in log.states]
    out += [len(p) for p in log.files.values()] + [at for _, _, at, _ in log.parts]
    return out + list(range(log.tree.n + 2))


def lie(rng, log, value, bits):
    top = 2**bits
    kind = rng.randrange(4)
    if kind == 0:
        v = rng.choice((0, 1, top - 1, top - 2, top // 2, top // 2 - 1, 2**53, 2**53 - 1, 2**31, 2**32 - 1, 2**30))
    elif kind == 1:
        v = value + rng.choice((-1, 1, -2, 2, -8, 8, -168, 168, 2**32, -(2**32), 2**63))
    elif kind == 2:
        v = -rng.choice((value, 168, 136, 8, 160, 2**20, value + 168, value + 8))
    else:
        v = rng.choice(plausible(log)) + rng.choice((0, 0, 0, 1, -1))
    return v % top


def mutate(rng, log):
    """Changes one thing, and returns a description of it."""
    name, kind, at, size = rng.choice([x for x in log.parts if rng.random() < 0.5] or log.parts)
    p = bytearray(log.files[name])
    field = rng.choice(list(FIELDS[kind]))
    offset, form = FIELDS[kind][field]
    old_index = kind == "index" and u32(p, at + 16) == 2
    if kind == "index" and rng.random() < 0.7:
        i = rng.randrange(u32(p, at + (20 if old_index else 48)) or 1)
        field = rng.choice(list(ENTRY))
        offset, form = (56 if old_index else 72) + 48 * i + ENTRY[field], "Q"
    offset += at + (size if offset < 0 else 0)
    width = struct.calcsize("<" + form)
    if offset < at or offset + width > at + size:
        return None
    old = struct.unpack_from("<" + form, p, offset)[0]
    new = lie(rng, log, old, 8 * width)
    struct.pack_into("<" + form, p, offset, new)
    log.files[name] = rechecked(p, kind, at, size)
    if kind == "slot" and rng.random() < 0.8:  # both slots, or the intact one would be used
        other = SLOT - at
        struct.pack_into("<" + form, p, offset - at + other, new)
        log.files[name] = rechecked(p, kind, other, size)
    return f"{name} {kind} at {at}: {field} {old} -> {new}"


def rechecked(p, kind, at, size):
    """The bytes with the checksums of this part corrected."""
    if kind == "index":
        old = u32(p, at + 16) == 2
        n = u32(p, at + (20 if old else 48))
        table = (56 if old else 72) + 48 * n
        if table + 8 <= size:
            total = xxh3(p[at : at + table])
            struct.pack_into("<Q", p, at + table, total)
            width, bits, group = (n + 7) // 8, u64_at(p, at + (48 if old else 56)), 1
            while n and group < bits and group * width < 512:
                group *= 2
            start, g = at + table + 8, 0
            while n and start + group * width + 8 <= at + size:
                row = p[start : start + group * width]
                struct.pack_into("<Q", p, start + group * width, (xxh3(row) + g + total) % 2**64)
                start, g = start + group * width + 8, g + 1
    elif kind != "seek":
        struct.pack_into("<Q", p, at + size - 8, xxh3(p[at : at + size - 8]))
    return bytes(p)


HUGE = b"9" * 90000


def line_lie(rng, seq):
    """A line that evappend never writes; it may or may not be JSON."""
    rest = event(rng, seq)
    head = b'"specversion":"1.0","id":"1","source":"/x","type":"T",'
    sound = [
        stamp(seq) + head + b'"data":{"n":1e9990}}',
        stamp(seq) + head + b'"data":{"n":-1e-9990}}',
        stamp(seq) + head + b'"data":{"n":1e99999999999}}',
        stamp(seq) + head + b'"data":{"n":' + HUGE + b"}}",
        stamp(seq) + head + b'"data":{"n":0.' + HUGE + b"}}",
        stamp(seq) + head + b'"data":' + b"[" * 400 + b"]" * 400 + b"}",
        stamp(seq) + b'"type":"A","type":"B","subject":"a","subject":"b","id":"1","id":"2"}',
        stamp(seq) + b'"type":7,"subject":[],"id":{},"source":null,"time":false}',
        stamp(seq) + b'"specversion":"1.0","id":"","source":"","type":"","time":"9999-12-31T23:59:60Z"}',
        stamp(seq) + b'"id":"1","seq":"1","logtime":"x","type":"T"}',
        stamp(seq) + b'"id":"a","due":"2020-01-01T00:00:00Z","cancels":"a\\u0000","causationid":"a"}',
        stamp(seq) + b'"id":"","due":"","cancels":"","causationid":"","correlationid":""}',
        stamp(seq) + b'"due":"2020-01-01T00:00:00Z","due":7,"id":"x","id":7}',
        stamp(seq) + head + b'"data":"' + b"\\u0000" * 300 + b'"}',
        b'{"seq":"%016d","logtime":"9999-12-31T23:59:59.999999Z",' % seq + rest,
        b'{"seq":"%016d","logtime":"1970-01-01T00:00:00.000000Z",' % seq + rest,
    ]
    bad = [
        stamp(seq) + head + b'"data":[',
        stamp(seq) + head + b'"due":"2020-01-01T00:00:00Z","cancels":"1","data":[',
        stamp(seq) + b'"specversion":"1.0","id":"1","source":"/x","type":"',
        stamp(seq) + b'"type":"T","data":',
        stamp(seq) + head + b'"data":' + b"[" * 100000 + b"]" * 100000 + b"}",
        stamp(seq) + head + b'"data":' + b'{"a":' * 100000 + b"1" + b"}" * 100000 + b"}",
        stamp(seq) + b'"',
        stamp(seq) + b"}",
        stamp(seq) + b"\xff\xfe\xed\xa0\x80}",
        stamp(seq) + head + b'"data":"\xed\xa0\x80"}',
        stamp(seq) + head + b'"data":"\\ud800"}',
        stamp(seq) + head + b'"data":"\\',
        stamp(seq) + head + b'"data":1e}',
        stamp(seq) + head + b'"data":-}',
        stamp(seq) + head + b'"data":nul}',
        stamp(seq) + bytes(30) + b"}",
        b'{"seq":"%016d","logtime":"xxxx-11-23T05:00:00.000000Z",' % seq + rest,
        b'{"seq":"%016d"' % seq + b" " * 60,
        b'{"seq":"%016d","logtime":"2026-11-23T05:00:00.000000Z"}' % seq + b"    ",
    ]
    foreign = [  # no stamp, or a foreign one
        rest.ljust(70),
        stamp(seq + 1) + rest,
        stamp(0) + rest,
        stamp(seq)[:60],
        b"",
        b"\0" * 100,
    ]
    pool = rng.choice([sound, foreign, bad])
    return rng.choice(pool)


def frame_lie(rng, raw):
    """A frame that evappend never writes, for lines of this size."""
    sound = pack(raw)
    return rng.choice((
        sound[:-4],
        sound + sound,
        sound + struct.pack("<II", 0x184D2A50, 4) + b"abcd",
        struct.pack("<II", 0x184D2A50, len(sound)) + sound,
        *(struct.pack("<I", 0xFD2FB520 + v) + sound[4:] for v in range(1, 8)),
        struct.pack("<I", 0xFD2FB51E) + sound[4:],
        sound[:4] + bytes([sound[4] & ~0xE4]) + sound[5:],
        bytes(len(sound)),
        sound[:9] + bytes(rng.randrange(256) for _ in range(len(sound) - 9)),
        struct.pack("<IBI", 0xFD2FB528, 0xA4, len(raw)) + struct.pack("<I", len(raw) << 3 | 1)[:3] + raw + bytes(4),
        struct.pack("<IBI", 0xFD2FB528, 0xA0, len(raw)) + struct.pack("<I", len(raw) << 3 | 3)[:3] + b"x",
        struct.pack("<IBQ", 0xFD2FB528, 0xE0, 2**40) + struct.pack("<I", 1 << 3 | 3)[:3] + b"x",
    ))  # fmt: skip


def make(seed):
    """Makes log number `seed`; returns it and what was changed."""
    rng = random.Random(seed)
    lies, segments, seq = [], [], 1
    wrong = rng.choice(("field",) * 6 + ("line", "frame", "fields"))
    version = seed % 2 + 1
    for _ in range(rng.randint(1, 4)):
        blocks = []
        for _ in range(rng.choice((1, 1, 2, 5, 12))):
            lines = [stamp(seq + i, seq + i) + event(rng, seq + i) for i in range(rng.randint(1, 3))]
            names = [cursor(b"c%d" % rng.randrange(3), seq, version=version) for _ in range(rng.choice((0, 0, 1, 2)))]
            blocks.append(Block(lines, cursors=b"".join(names), filtered=rng.random() < 0.9))
            seq += len(lines)
        segments.append(blocks)
    if wrong == "line":
        b = rng.choice(rng.choice(segments))
        i = rng.randrange(len(b.lines))
        b.lines[i] = line_lie(rng, int(b.lines[i][8:24]))
        lies.append(f"line {b.lines[i][:100]!r} of {len(b.lines[i])}")
        b.filtered = False
    elif wrong == "frame":
        b = rng.choice(rng.choice(segments))
        b.frame = lambda raw: frame_lie(rng, raw)
        lies.append("frame")
    sealed = [rng.random() < 0.6 for _ in segments]
    modes = {name: rng.random() < 0.15 for name in ("boot", "lost", "old")}
    modes["version"] = version
    if rng.random() < 0.5:
        modes["header"] = b"".join(cursor(b"c%d" % i, i, version=2) for i in range(rng.randrange(3))) + extension(8, b"")
    modes["flags"] = rng.choice((0,) * 8 + (1, 2))
    if rng.random() < 0.1:
        modes["durable"] = 0
    try:
        log = Log(segments, sealed, modes)
    except ValueError:  # a line that our own filter code cannot parse
        for b in (b for blocks in segments for b in blocks):
            b.filtered = b.filtered and all(b'"seq"' in x for x in b.lines)
        for blocks in segments:
            for b in blocks:
                b.filtered = False
        log = Log(segments, sealed, modes)
    for _ in range({"field": 1, "fields": 3}.get(wrong, 0)):
        told = None
        while not told:
            told = mutate(rng, log)
        lies.append(told)
    lies.append(str({k: v for k, v in modes.items() if v}) + f" sealed {sealed}")
    return log, lies


# ---- The tools ----

NEW = b'{"type":"New","subject":"s1","source":"/new","id":"new"}\n'

# Name, command, data, order of its lines (1, -1; 0: none), whether it writes.
TOOLS = [
    ("cat", ["evcat", "log"], 1),
    ("reverse", ["evcat", "-r", "log"], -1),
    ("last", ["evcat", "-n", "2", "log"], 1),
    ("from", ["evcat", "--from", "3", "log"], 1),
    ("since", ["evcat", "--since", "2026-11-23T05:00:00.000004Z", "log"], 1),
    ("until", ["evcat", "-r", "--until", "2026-11-23T05:00:00.000008Z", "log"], -1),
    ("subject", ["evcat", "-s", "s1", "log"], 1),
    ("subject-back", ["evcat", "-r", "-s", "s2", "log"], -1),
    ("subject-threads", ["evcat", "-j", "2", "-s", "s1", "log"], 1),
    ("type", ["evcat", "-t", "T1", "log"], 1),
    ("type-last", ["evcat", "-t", "T1", "-n", "3", "log"], 1),
    ("salvage", ["evcat", "--salvage", "log"], 1),
    ("salvage-back", ["evcat", "--salvage", "-r", "log"], -1),
    ("event-time", ["evcat", "-E", "--since", "2026-11-03", "log"], 1),
    ("zst", ["evcat", "-o", "zst", "log"], 0),
    ("zst-part", ["evcat", "-o", "zst", "--from", "2", "log"], 0),
    ("data", ["evcat", "-o", "data", "log"], 0),
    ("fold", ["evfold", "n=count()", "s=sum(data.n)", "l=last(data)", "m=merge(data)", "x=max(data.n)", "log"], 0),
    ("fold-key", ["evfold", "-j", "2", "-k", "subject", "n=count()", "s=set(data.n)", "log"], 0),
    ("fold-value", ["evfold", "-k", "data.n", "n=count()", "log"], 0),
    ("fold-table", ["evfold", "-j", "1", "-k", "subject", "-o", "sqlite:out.db", "n=count()", "log"], 0),
    ("fold-snapshot", ["evfold", "--snapshot", "snap", "n=count()", "log"], 0),
    ("replay", ["evrun", "-q", "--checkpoint", "pos", "log", "--", "cat"], 1),
    ("status", ["evrun", "--status", "--checkpoint", "pos", "log"], 0),
    ("emit", ["evrun", "-q", "--checkpoint", "pos", "--emit", "made", "log", "--", "cat"], 0),
    ("diff", ["evdiff", "log", "sound"], 0),
    ("diff-back", ["evdiff", "sound", "log"], 0),
    ("due", ["evdue", "log"], 0),
    ("due-list", ["evdue", "--list", "log"], 0),
    ("due-emit", ["evdue", "--emit", "log", "--checkpoint", "due.db", "log"], b""),
    ("fork", ["evfork", "log", "fork"], 0),
    ("fork-at", ["evfork", "--at", "2", "log", "fork"], 0),
    ("trace", ["evtrace", "2", "log", "sound"], 0),
    ("trace-id", ["evtrace", "--no-index", "1", "sound", "log"], 0),
    ("check", ["evcat", "--check", "check.lua", "log"], 0),
    ("append", ["evappend", "log"], NEW),
    ("append-ack", ["evappend", "--ack", "--segment-size", "1", "log"], NEW),
    ("append-expect", ["evappend", "--expect-subject", "s1=4", "log"], NEW),
    ("append-dedup", ["evappend", "--dedup", "log"], NEW),
    ("append-reindex", ["evappend", "--reindex", "log"], b""),
    ("append-replica", ["evappend", "--replica", "log"], "REPLICA"),
    ("append-cursor", ["evrun", "-q", "--checkpoint", "pos", "--emit", "log", "sound", "--", "cat"], NEW),
]  # fmt: skip


def limits():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 28, 1 << 28))


def launch(argv, data, folder):
    """Runs a tool: status, output, errors, MiB at most, seconds."""
    begun = time.monotonic()
    with open(f"{folder}/out", "wb+") as out, open(f"{folder}/err", "wb+") as err:
        with open(f"{folder}/in", "wb") as f:
            f.write(data)
        stdin = open(f"{folder}/in", "rb")
        # a separate process, so that its memory can be measured
        p = subprocess.Popen(argv, cwd=folder, stdin=stdin, stdout=out, stderr=err, preexec_fn=limits)
        stdin.close()
        while True:
            pid, status, used = os.wait4(p.pid, os.WNOHANG)
            if pid or time.monotonic() - begun > SECONDS:
                break
            time.sleep(0.001)
        if not pid:
            p.kill()
            _, status, used = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        spent = time.monotonic() - begun
        return p.returncode, out.read(1 << 26), err.read().decode(errors="replace"), used.ru_maxrss >> 10, spent


def lock_is_free(log):
    try:
        with open(f"{log}/head", "r+b") as f:
            fcntl.fcntl(f, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True


def contents(log):
    return {name: read(log, name) for name in sorted(os.listdir(log))}


def delivered(out, order, held):
    """What is wrong with the lines that a reader delivered."""
    before = None
    for line in out.splitlines(keepends=True) if held is not None else ():
        if line.rstrip(b"\n") not in held or not line.endswith(b"\n"):
            return f"a line that the log does not hold: {line[:200]!r}"
        if not line[8:24].isdigit():
            return f"a line without a stamp: {line[:200]!r}"
        seq = int(line[8:24]) * order
        if before is not None and seq <= before:
            return f"seq {abs(seq)} after {abs(before)}"
        before = seq
    return None


def judge(tool, result, log, before, held):
    """What is wrong with the behaviour of a tool, or None."""
    name, _, order = tool
    status, out, err, mib, seconds = result
    reads = isinstance(order, int)
    if "Sanitizer" in err or "runtime error" in err:
        return f"a sanitizer's report\n{err[:3000]}"
    if seconds > SECONDS:
        return f"no verdict in {SECONDS} seconds"
    if status not in STATUSES:
        return f"status {status}: {err[:500]}"
    if status and not err and not (status == 1 and name.startswith("diff")):
        return f"status {status}, and no word why"
    if not SANITIZED and mib > MIB:
        return f"{mib} MiB"
    if not lock_is_free(log):
        return "the lock is held"
    if reads and before is not None and contents(log) != before:
        return "a reader changed the log"
    return delivered(out, order, held) if reads and order else None


def fork_judge(status, at, folder, held):
    """What is wrong with a fork: it must be what the log is, as far as that can be read."""
    left = [name for name in os.listdir(folder) if name.startswith("fork")]
    if status:  # whatever lies may be refused, even if evcat has no use for it
        return f"status {status}, and {left} is there" if left else None
    whole, out, _, _, _ = launch(["evcat", *(["--to", str(at)] if at else []), "log"], b"", folder)
    status, copy, err, _, _ = launch(["evcat", "fork"], b"", folder)
    if whole == 0 and (status != 0 or copy != out):
        return f"the log can be read, but its fork is another one: {status}: {err[:500]}"
    return delivered(copy, 1, held)


def try_log(seed, folder, tools, figures):
    """Runs tools on log number `seed`.  Returns what is wrong, if anything."""
    log, lies = make(seed)
    held = set(log.lines)
    log.put(f"{folder}/forged")
    replica = b"".join(x + b"\n" for x in log.lines)
    sound = Log([[Block([stamp(i, i) + event(random.Random(1), i)])] for i in (1, 2)], [True, True],
                {"boot": False, "lost": False, "old": False, "flags": 0})  # fmt: skip
    sound.put(f"{folder}/sound")
    with open(f"{folder}/check.lua", "w", encoding="ascii") as f:
        f.write('check["*"] = function(e) return e.data.n % 2 == 0, "odd" end')
    before = contents(f"{folder}/forged")
    for tool in tools:
        shutil.rmtree(f"{folder}/log", ignore_errors=True)
        shutil.rmtree(f"{folder}/fork", ignore_errors=True)
        shutil.copytree(f"{folder}/forged", f"{folder}/log")
        data = tool[2] if isinstance(tool[2], bytes) else replica if tool[2] == "REPLICA" else b""
        result = launch(tool[1], data, folder)
        figures["runs"] += 1
        figures["refused"] += result[0] != 0
        wrong = judge(tool, result, f"{folder}/log", before, held)
        if tool[0].startswith("fork"):
            wrong = wrong or fork_judge(result[0], 2 if tool[0] == "fork-at" else 0, folder, held)
        if wrong:
            return f"log {seed}, {tool[0]}: {wrong}\n  {'; '.join(lies)}\n  {' '.join(tool[1])}"
    return None


# ---- Kinds ----
#
# What chance would seldom find: a log, the tools that it is for, and what they must end
# with; `lines`: the seqs that must come, whatever stands beside the blocks.

PLAIN = {"version": 2, "boot": False, "lost": False, "old": False, "flags": 0}


def plain(counts, sealed=False, modes=PLAIN):
    """An intact log; for each segment, the number of blocks with one event each."""
    seq, segments, rng = 1, [], random.Random(7)
    for n in counts:
        segments.append([Block([stamp(seq + i) + event(rng, seq + i)]) for i in range(n)])
        seq += n
    return Log(segments, [sealed] * len(segments), modes)


def put_field(log, name, kind, nth, field, value):
    """Sets one field of the nth structure of its kind in a file."""
    at, size = [(at, size) for n, k, at, size in log.parts if (n, k) == (name, kind)][nth]
    offset, form = FIELDS[kind][field]
    p = bytearray(log.files[name])
    struct.pack_into("<" + form, p, at + offset + (size if offset < 0 else 0), value)
    log.files[name] = rechecked(p, kind, at, size)


def names_of(log):
    return sorted(n for n in log.files if n != "head")


def kind_wrap():
    """The successor says that the last block of its predecessor is at 2^64 - 168."""
    log = plain([1, 1])
    put_field(log, names_of(log)[1], "segment", 0, "previous_block", 2**64 - 168)
    return log, {"cat": 65, "reverse": 65, "last": 65, "append-expect": 65, "append-cursor": 65}


def kind_frontier():
    """A header that is too small for the hashes that it must have."""
    log = plain([1, 1], modes=PLAIN | {"lost": True})
    first, name = names_of(log)
    for field, value in (("before", 2**52 - 1), ("first_seq", 2**52)):
        put_field(log, name, "segment", 0, field, value)
    log.files["%016d.ndjson.zst" % 2**52] = log.files.pop(name)
    del log.files[first]
    return log, {"cat": 65, "reverse": 65, "append": 65}


def kind_older():
    """A header of the first version with extensions, which came later."""
    log = plain([1], modes=PLAIN | {"version": 1, "more": extension(7, b"")})
    return log, {"cat": 65, "reverse": 65, "append": 65}


def kind_overlong():
    """An extension of a header that is longer than the header."""
    log = plain([1], modes=PLAIN | {"more": struct.pack("<HHI", 7, 0, 64)})
    return log, {"cat": 65, "reverse": 65, "append": 65}


def kind_newer():
    """A header of a newer evlog, in which fields have other meanings: that is no damage."""
    log = plain([1, 1])
    for field, value in (("flags", 1 << 15), ("before", 2**60), ("epoch", 2**60)):
        put_field(log, names_of(log)[1], "segment", 0, field, value)
    log.said = "needs a newer evlog"
    return log, {"cat": 65, "reverse": 65, "append": 65}


def kind_sizeless():
    """A frame that does not say how long its content is."""
    line = stamp(1) + event(random.Random(1), 1)
    log = Log([[Block([line], frame=lambda raw: pack(raw, False))]], [False], PLAIN)
    return log, {"cat": 65, "fold": 65, "append-dedup": 65}


def kind_self():
    """A header that names its own segment as predecessor."""
    log = plain([1, 1])
    put_field(log, names_of(log)[1], "segment", 0, "previous", 2)
    return log, {"cat": 65, "reverse": 65, "append": 65, "append-cursor": 65}


def kind_seal():
    """A sealed segment whose seal gives its header as its last block."""
    log = plain([2, 1], True)
    put_field(log, names_of(log)[0], "segment", 0, "seal_block", 0)
    return log, {"cat": 65, "reverse": 65, "append-cursor": 65}


def kind_gap():
    """A block in the middle of a segment that is not sealed has another seq."""
    log = plain([3, 1])
    put_field(log, names_of(log)[0], "block", 1, "first_seq", 7)
    return log, {"cat": 65, "reverse": 65, "fork": 65}


def kind_round():
    """An index in which the entry of a later block points back to an earlier one."""
    log = plain([8, 1], True)
    name = names_of(log)[0]
    at, size = [(at, size) for n, kind, at, size in log.parts if (n, kind) == (name, "index")][0]
    p = bytearray(log.files[name])
    entries = [p[at + 56 + 48 * i : at + 104 + 48 * i] for i in range(8)]
    for i, (offset, seq) in enumerate([(0, 0), (1, 0), (2, 0), (3, 0), (2, 0), (3, 3), (6, 0), (7, 0)]):
        struct.pack_into("<Q", p, at + 56 + 48 * i, u64_at(entries[offset], 0))
        struct.pack_into("<Q", p, at + 64 + 48 * i, u64_at(entries[seq], 8))
    log.files[name] = rechecked(p, "index", at, size)
    return log, {"subject": 0, "subject-back": 0, "type": 0, "type-last": 0, "subject-threads": 0}


def kind_epoch():
    """An epoch that cannot be raised, and a tail that must be cut off."""
    log = plain([1], modes=PLAIN | {"epoch": 2**53 - 1})
    log.files[names_of(log)[0]] += b"x" * 100
    return log, {"append": 65, "cat": 0}


def kind_many():
    """Very many segments after the one that an older head names."""
    log = plain([1] * 1500, modes=PLAIN | {"old": True})
    return log, {"append": 0, "cat": 0, "reverse": 0}


def kind_cursors():
    """Very many cursors, each with another name."""
    blocks = [
        Block([stamp(i + 1) + event(random.Random(1), i + 1)],
              cursors=b"".join(cursor(b"%08d" % (700 * i + k), 2, version=2) for k in range(400)), filtered=False)
        for i in range(300)
    ]  # fmt: skip
    log = Log([blocks, [Block([stamp(301) + event(random.Random(1), 301)])]], [False] * 2, PLAIN)
    return log, {"append-reindex": 65, "cat": 0, "append-cursor": 0}


def header_like(size, checksum):
    """Bytes like a block header, but of another log or with a wrong checksum."""
    p = struct.pack("<II8sII16s", 0x184D2A5B, size - 8, b"evlogBLK", 1, 1, Log.log_id)
    p += struct.pack("<QQQIIIIQ", 1, 1, 2, 1, 500, 100, 200, 7) + struct.pack("<qqqqQ", 1, 2, 3, 4, 5)
    p += bytes(32) + struct.pack("<HHI", 9, 0, size - 176)
    return p + b"x" * checksum


def tail(name, bytes_of, **statuses):
    def kind():
        log = plain([1], modes=PLAIN | {"boot": True})
        log.files[names_of(log)[0]] += bytes_of()
        return log, statuses

    kind.__doc__ = name
    return kind


kind_tags = tail("The tag of a block header, over and over.", lambda: b"evlogBLK" * (1 << 18), cat=0, salvage=0)
kind_headers = tail(
    "Block headers, the one in the other, with wrong checksums.",
    lambda: header_like(60000, 0) * (1 << 13), cat=0, append=0,
)  # fmt: skip


def kind_frames():
    """Very many false frames after a damaged block header."""
    log = plain([2])
    name = names_of(log)[0]
    p = bytearray(log.files[name])
    at = [at for n, kind, at, _ in log.parts if kind == "block"][0]
    p[at + 20] ^= 0xFF
    log.files[name] = bytes(p) + struct.pack("<IBI", 0xFD2FB528, 0xA4, 1 << 29) * (1 << 18)
    return log, {"salvage": 65, "cat": 65}


def kind_sparse():
    """A segment of one tebibyte that is all hole."""
    log = plain([2], modes=PLAIN | {"boot": True})
    log.sparse = 1 << 40
    return log, {"cat": 0, "salvage": 0, "reverse": 0, "zst": 0}


def kind_sparse_damaged():
    """The same after damage."""
    log = plain([2])
    name = names_of(log)[0]
    p = bytearray(log.files[name])
    p[200] ^= 1
    log.files[name] = bytes(p)
    log.sparse = 1 << 40
    return log, {"cat": 65, "salvage": 65}


def kind_bomb():
    """A few kilobytes that decompress to 256 MiB."""
    huge = stamp(1) + b'"specversion":"1.0","id":"1","source":"/x","type":"T","data":"'
    huge += b"x" * (256 << 20) + b'"}'
    log = Log([[Block([huge])], [Block([stamp(2) + event(random.Random(1), 2)])]], [False] * 2, PLAIN)
    tools = "cat reverse fold replay diff append-dedup".split()
    return log, {name: 65 for name in tools} | {"append-reindex": 0}


def kind_large():
    """A line of 60 MiB, which is within the limit."""
    huge = stamp(1) + b'"specversion":"1.0","id":"1","source":"/x","type":"T","data":"'
    huge += b"x" * (60 << 20) + b'"}'
    return Log([[Block([huge])]], [False], PLAIN), {"cat": 0, "reverse": 0, "salvage": 0, "fold-key": 0}


def kind_claimed():
    """A line that claims to be the next segment's first event."""
    lines = [stamp(n) + event(random.Random(n), n) for n in (1, 2, 3, 4)]
    lines[1] = stamp(3) + event(random.Random(2), 2)
    segments = [[Block(lines[:1])], [Block(lines[1:2], filtered=False)], [Block(lines[2:3]), Block(lines[3:])]]
    return Log(segments, [False] * 3, PLAIN), {"cat": 65, "salvage": 65, "salvage-back": 65}


def kind_timeless():
    """A line with a seq but no logtime."""
    line = stamp(1)[:25] + b" " * 60
    log = Log([[Block([line], filtered=False)]], [False], PLAIN)
    log.checkpoint = {"log": Log.log_id.hex(), "seq": 0, "root": sha(b"").hex(), "frontier": []}
    log.checkpoint |= {"selection": {}, "written": "2026-11-29T00:00:00.000000Z"}
    return log, {"status": 0, "cat": 0}


def kind_legacy():
    """A frame of an old zstd format, which the library may be built to read."""
    line = stamp(1) + event(random.Random(1), 1)
    frame = struct.pack("<I", 0xFD2FB527) + pack(line + b"\n")[4:]
    log = Log([[Block([line], frame=lambda raw: frame)]], [False], PLAIN)
    return log, {"cat": 65, "fold": 65, "append-dedup": 65}


def try_kind(name, folder, figures):
    log, statuses = globals()["kind_" + name]()
    log.put(f"{folder}/forged")
    if getattr(log, "sparse", 0):
        os.truncate(f"{folder}/forged/{names_of(log)[0]}", log.sparse)
    if getattr(log, "checkpoint", None):
        with open(f"{folder}/pos", "w") as f:
            json.dump(log.checkpoint, f)
    said = getattr(log, "said", "")
    plain([2]).put(f"{folder}/sound")
    large = sum(map(len, log.lines)) > 1 << 24 or getattr(log, "sparse", 0)
    held, out = None if large else set(log.lines), []
    before = None if large else contents(f"{folder}/forged")
    del log  # memory held here would be counted as that of the tools
    for tool in TOOLS:
        if tool[0] not in statuses:
            continue
        shutil.rmtree(f"{folder}/log", ignore_errors=True)
        subprocess.run(["cp", "-r", "--sparse=always", f"{folder}/forged", f"{folder}/log"], check=True)
        data = tool[2] if isinstance(tool[2], bytes) else b""
        result = launch(tool[1], data, folder)
        figures["runs"] += 1
        wrong = None
        if statuses[tool[0]] != result[0]:
            wrong = f"status {result[0]}, not {statuses[tool[0]]}: {result[2][:3000]}"
        elif said not in result[2]:
            wrong = f"says {result[2][:3000]}"
        wrong = judge(tool, result, f"{folder}/log", before, held) or wrong
        if wrong:
            out.append(f"{name}, {tool[0]}: {wrong}")
    return out


def kinds(*wanted):
    figures, broken = {"runs": 0}, 0
    for name in wanted or [x[5:] for x in globals() if x.startswith("kind_")]:
        with tempfile.TemporaryDirectory() as folder:
            for wrong in try_kind(name, folder, figures):
                broken += 1
                print(wrong, flush=True)
    print("kinds", figures["runs"])
    return 1 if broken else 0


# ---- Hash flooding ----


def flood(count):
    """Events with different data.k, all with the same XXH3 for seed 0.  In each of two
    stripes of 64 bytes, one lane is chosen so that it adds only its own content, and the
    sum is constant."""
    ctypes.CDLL("libxxhash.so.0")
    path = next(x.split()[-1] for x in open("/proc/self/maps") if "libxxhash" in x)
    library = open(path, "rb").read()
    at = library.find(bytes.fromhex("b8fe6c3923a44bbe7c01812cf721ad1cded46de98390"))
    secret = library[at : at + 192]
    printable = range(0x30, 0x5B)
    for last in range(0x30, 0x4A):
        for c, b, a in itertools.product(printable, repeat=3):
            x, y = bytes((a, b, c, last)), bytes((0x8B - a, 0x8B - b, 0x8B - c, 0x10D - last))
            if not 0xC3 <= y[3] <= 0xDF or b"\\" in x or b"\\" in y or b'"' in y:
                continue
            key = bytearray(b'"' + b"a" * 798 + b'"')
            key[672:680] = x + secret[116:120]
            key[224:232] = y + secret[60:64]
            print('{"type":"T","data":{"k":%s}}' % key.decode())
            count -= 1
            if count == 0:
                return


# ---- A line of one's own ----


def line(folder, text):
    """One block, without a filter, which cannot be made for such a line."""
    lines = [x.rstrip(b"\n") for x in plain([4]).lines]
    lines[2] = stamp(3) + text.encode()
    Log([[Block(lines, filtered=False)]], [False], PLAIN).put(folder)


def some(seed):
    if os.environ.get("EVLOG_FORGE_ALL"):
        return TOOLS
    return random.Random(seed).sample(TOOLS, 6)


def main(count, first=1):
    figures, broken, seen = {"logs": 0, "runs": 0, "refused": 0}, 0, {}
    keep = os.environ.get("EVLOG_FORGE_KEEP")
    for seed in range(first, first + count):
        with tempfile.TemporaryDirectory() as folder:
            wrong = try_log(seed, folder, some(seed), figures)
            if wrong:
                broken += 1
                print(wrong, flush=True)
                if keep:
                    shutil.rmtree(f"{keep}/{seed}", ignore_errors=True)
                    shutil.copytree(folder, f"{keep}/{seed}")
        figures["logs"] += 1
    for name, n in figures.items():
        print(name, n)
    return 1 if broken else 0


if __name__ == "__main__":
    if sys.argv[1] == "flood":
        sys.exit(flood(int(sys.argv[2])))
    if sys.argv[1] == "line":
        sys.exit(line(*sys.argv[2:]))
    if sys.argv[1] == "kinds":
        sys.exit(kinds(*sys.argv[2:]))
    sys.exit(main(*map(int, sys.argv[1:])))
