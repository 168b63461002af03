"""format.py - a second implementation of evlog-format(5), as a witness for the C code.

Reads head, segments, block headers, filters, indexes and seek tables byte by byte, computes
the Merkle tree of RFC 6962, seals segments itself, and damages logs in every way that a
loop can reach.  Each check is a function `check_...`, which format.bats runs as `python3
format.py ...` in an empty directory with the tools in PATH; it fails by an assertion.
"all" runs all of them; EVLOG_STEP=N takes every N-th case of the long loops, 1 all of them.
"""

import base64
import ctypes
import fcntl
import hashlib
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

NONE = 2**64 - 1  # in a segment header without a predecessor
TIME_MIN, TIME_MAX = -(2**63), 2**63 - 1
SLOT = 2048
F_OFD_SETLK = 37
CORES = os.cpu_count() or 2
# sanitizers make it three times slower, and gcov twice
SANITIZED = os.environ.get("EVLOG_BUILD", "").rstrip("/").endswith("/san")
STEP = int(os.environ.get("EVLOG_STEP", "37" if SANITIZED else "17" if os.environ.get("COVERAGE") else "5"))
# LeakSanitizer cannot work under strace
UNLEAKY = ["env", f"ASAN_OPTIONS={os.environ.get('ASAN_OPTIONS', '')}:detect_leaks=0"]

# ---- Running the tools ----


def run(*argv, data=b""):
    p = subprocess.run(argv, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return p.returncode, p.stdout, p.stderr.decode(errors="replace")


def must(status, *argv, data=b""):
    got, out, err = run(*argv, data=data)
    assert got == status, f"{' '.join(argv)}: status {got}, not {status}\n{err}"
    return out


def cat(log, *options):
    return run("evcat", *options, log)


def event(n, text=""):
    return b'{"type":"T","id":"%d","source":"/","data":{"n":%d,"text":"%s"}}\n' % (
        n,
        n,
        text.encode(),
    )


def append(log, first, count, *options, status=0):
    """One evappend, one commit.  Returns what --ack printed."""
    data = b"".join(event(n) for n in range(first, first + count))
    out = must(status, "evappend", "--ack", *options, log, data=data)
    return [json.loads(line) for line in out.splitlines()]


def build(log, commits, *options):
    """A log of commits of 1, 2, 1, 2, ... events, each by its own evappend.  Returns head
    as it was after each commit."""
    return build_kept(log, commits, *options)[0]


def build_kept(log, commits, *options):
    """The same; also returns each segment as it was before it was sealed."""
    heads, unsealed, n = [], {}, 1
    for i in range(commits):
        count = 1 + i % 2
        append(log, n, count, *options)
        n += count
        heads.append(read(log, "head"))
        name = segments(log)[-1]
        unsealed[name] = read(log, name)
    names = segments(log)
    assert [n for n in names if is_sealed(read(log, n))] == names[:-1], "not all are sealed"
    return heads, unsealed


def is_sealed(p):
    return bool(u32(p, 20) & 2)


def unseal(log, unsealed):
    """Restores the segments as they were before they were sealed."""
    for name, data in unsealed.items():
        write(log, name, data)


def numbers(lines):
    """The n of each event; checks their seqs."""
    out = []
    for i, line in enumerate(lines.splitlines()):
        e = json.loads(line)
        assert int(e["seq"]) == i + 1, f"seq {e['seq']} where {i + 1} must come"
        out.append(e["data"]["n"])
    return out


# ---- Files ----


def read(log, name):
    with open(os.path.join(log, name), "rb") as f:
        return f.read()


def write(log, name, data):
    with open(os.path.join(log, name), "wb") as f:
        f.write(data)


def segments(log):
    return sorted(n for n in os.listdir(log) if n.endswith(".ndjson.zst"))


def snapshot(log):
    return {name: read(log, name) for name in os.listdir(log)}


def restore(log, files):
    for name in os.listdir(log):
        if name not in files:
            os.unlink(os.path.join(log, name))
    for name, data in files.items():
        write(log, name, data)


# ---- XXH3 ----


def xxh3(data):
    if not hasattr(xxh3, "f"):
        lib = ctypes.CDLL("libxxhash.so.0")
        lib.XXH3_64bits.restype = ctypes.c_uint64
        lib.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
        xxh3.f = lib.XXH3_64bits
    return xxh3.f(bytes(data), len(data))


def checked(data):
    """The bytes with the last eight replaced by the checksum of those before."""
    return data[:-8] + struct.pack("<Q", xxh3(data[:-8]))


# ---- zstd ----


def unpack(frame, size):
    """The lines of a frame whose content must have `size` bytes."""
    if not hasattr(unpack, "f"):
        lib = ctypes.CDLL("libzstd.so.1")
        unpack.f = lib.ZSTD_decompress
        unpack.f.restype = ctypes.c_size_t
        unpack.f.argtypes = [ctypes.c_char_p, ctypes.c_size_t] * 2
    out = ctypes.create_string_buffer(size + 1)
    got = unpack.f(out, size + 1, bytes(frame), len(frame))
    assert got == size, f"a frame that is not of {size} bytes: {got}"
    return out.raw[:size]


def pack(raw):
    """A frame of these lines, with content size and checksum."""
    return must(0, "zstd", "-cq", f"--stream-size={len(raw)}", data=raw)


# ---- RFC 6962 ----


def sha(data):
    return hashlib.sha256(data).digest()


def leaf(line, flags=0):
    """The leaf of a line in a block with these flags."""
    if flags & 4 and re.match(rb'"leafhash":"[0-9a-f]{64}",', line[66:]):
        return bytes.fromhex(line[78:142].decode())
    return sha(b"\0" + line)


def tree(hashes):
    """Section 2.1 to the letter: split at the largest power of two below n."""
    if not hashes:
        return sha(b"")
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return sha(b"\1" + tree(hashes[:k]) + tree(hashes[k:]))


def root(lines):
    return tree([leaf(line) for line in lines])


def peaks(hashes):
    """Roots of the perfect subtrees, largest first."""
    out, at, n = [], 0, len(hashes)
    for bit in reversed(range(n.bit_length())):
        if n >> bit & 1:
            out.append(tree(hashes[at : at + (1 << bit)]))
            at += 1 << bit
    return out


def frontier(lines):
    return peaks([leaf(line) for line in lines])


# ---- The bytes of evlog-format(5) ----


def u16(p, at):
    return struct.unpack_from("<H", p, at)[0]


def u32(p, at):
    return struct.unpack_from("<I", p, at)[0]


def u64(p, at):
    return struct.unpack_from("<Q", p, at)[0]


def i64(p, at):
    return struct.unpack_from("<q", p, at)[0]


def slot_parse(p):
    assert len(p) == SLOT and p[:8] == b"evlogHD2", "no slot of head"
    assert u64(p, SLOT - 8) == xxh3(p[: SLOT - 8]), "checksum of a slot of head"
    hashes = u32(p, 108)
    assert not any(p[144 + 32 * hashes : SLOT - 8]), "what is unused in a slot is zero"
    return {
        "generation": u64(p, 8),
        "log_id": p[16:32],
        "boot_id": p[32:48],
        "epoch": u64(p, 48),
        "segment": u64(p, 56),
        "committed": u64(p, 64),
        "durable": u64(p, 72),
        "last_block": u64(p, 80),
        "last_seq": u64(p, 88),
        "last_logtime": i64(p, 96),
        "flags": u32(p, 104),
        "root": p[112:144],
        "frontier": [p[144 + 32 * i : 176 + 32 * i] for i in range(hashes)],
    }


def head_parse(p):
    """Both slots, the newer one first."""
    assert len(p) == 2 * SLOT, "size of head"
    slots = [slot_parse(p[:SLOT]), slot_parse(p[SLOT:])]
    for i, s in enumerate(slots):
        assert s["generation"] % 2 == i, "a slot holds every other generation"
    slots.sort(key=lambda s: -s["generation"])
    assert slots[0]["generation"] == slots[1]["generation"] + 1
    return slots


def segment_parse(p):
    """Header and blocks of a segment; every byte must be accounted for."""
    size = u32(p, 4) + 8
    assert u32(p, 0) == 0x184D2A5D and p[8:16] == b"evlogSEG", "no segment header"
    assert u64(p, size - 8) == xxh3(p[: size - 8]), "checksum of the segment header"
    version = u32(p, 16)
    hashes = (128 if version == 1 else 160) + 32 * u64(p, 88).bit_count()
    h = {
        "size": size,
        "version": version,
        "flags": u32(p, 20),
        "log_id": p[24:40],
        "first_seq": u64(p, 40),
        "epoch": u64(p, 48),
        "last_logtime": i64(p, 56),
        "previous": u64(p, 64),
        "previous_size": u64(p, 72),
        "previous_block": u64(p, 80),
        "before": u64(p, 88),
        "root": p[96:128],
        "lineage": bytes(32) if version == 1 else p[128:160],
        "frontier": [p[i : i + 32] for i in range(128 if version == 1 else 160, hashes, 32)],
        "sealed": is_sealed(p),
        "seal": hashes,
        "end": len(p),
    }
    h["extensions"] = extensions_parse(p[hashes + (56 if h["sealed"] else 0) : size - 8])
    assert version > 1 or not h["extensions"], "a header of version 1 has no extensions"
    if h["sealed"]:
        h.update({"end": u64(p, hashes), "last_block": u64(p, hashes + 8)})
        h.update({"last_seq": u64(p, hashes + 16), "last_root": p[hashes + 24 : hashes + 56]})
    at, blocks = size, []
    while at < h["end"]:
        b = block_parse(p, at)
        at = b["end"]
        blocks.append(b)
    assert at == h["end"], "a segment ends with a block"
    if h["sealed"]:
        seal_parse(p, h, blocks)
    else:
        for b in blocks:
            kinds = [kind for kind, _ in b["extensions"]]
            if set(kinds) <= {4} and b["flags"] & 2:
                continue  # of a stream
            assert [k for k in kinds if k != 7] in ([6], [6, 5], [6, 4], [6, 5, 4]), f"extensions {kinds}"
            x = b["extensions"][0][1]
            assert u32(x, 0) in (FILTERED, FILTERED_ONCE), "the kinds of a filter"
            assert x[4:] == bloom(b["events"], u32(x, 0)), "the filter of a block"
        if version > 1 and not all(b["flags"] & 2 for b in blocks):
            summaries_parse(blocks)
    return h, blocks


SPAN = 256 << 10


def summary(b):
    """The summary in a block, or None."""
    return ([x for kind, x in b["extensions"] if kind == 7] + [None])[0]


def summaries_parse(blocks):
    """Checks that only the first block in each span has a summary, and that it is one of those
    before.  It may have none, if those could not be read."""
    since = []
    for before, b in zip([None, *blocks], blocks):
        if before and before["offset"] // SPAN != b["offset"] // SPAN:
            lines = [e for s in since for e in s["events"]] if len(since) >= 64 else []
            want = struct.pack("<II", b["offset"] - since[0]["offset"], FILTERED) + bloom(lines)
            assert summary(b) in (want, None), f"the summary at {b['offset']}"
            since = []
        else:
            assert summary(b) is None, f"a summary at {b['offset']}"
        since.append(b)


def extensions_parse(p):
    """Types and contents of the extensions of a header."""
    out = []
    while p:
        n = u32(p, 4)
        assert n <= len(p) - 8 and u16(p, 2) == 0, "an extension"
        out.append((u16(p, 0), p[8 : 8 + n]))
        p = p[8 + n :]
    return out


RAW, DENSE = 128 << 10, 1 << 20  # lines are gathered into blocks of these sizes


def gather(now, raw_size, packed_size):
    """The size to gather after a block of these sizes, for which it was `now`."""
    if raw_size < RAW // 2:
        return now
    return DENSE if raw_size // packed_size >= 12 else RAW


def seal_parse(p, h, blocks):
    """Checks what is special in a sealed segment: the end in its header, that there are
    only whole commits with small blocks merged, and the index and seek table after them, to
    the last byte."""
    last = blocks[-1]
    assert h["flags"] & ~4 == 2 and h["last_block"] == last["offset"]
    assert h["last_seq"] == last["first_seq"] + last["count"] - 1
    assert h["last_root"] == last["root"], "root of a sealed segment"
    assert last["flags"] & 1, "a segment ends with a whole commit"
    before, seq = 0, h["first_seq"]
    for b in blocks:
        assert (b["flags"] & ~5, b["synced_upto"]) == (0, b["offset"]), "all of it is synced"
        assert b["offset"] - b["back"] == before and b["first_seq"] == seq
        assert b["segment"] == h["first_seq"] and b["log_id"] == h["log_id"]
        before, seq = b["offset"], seq + b["count"]
    size = RAW
    for a, b in zip(blocks, blocks[1:]):
        full = a["raw_size"] >= size // 2 or a["raw_size"] + b["raw_size"] > size
        full = full or (a["flags"] ^ b["flags"]) & 4
        assert full, "small blocks are merged"
        size = gather(size, a["raw_size"], a["packed_size"])
        assert a["epoch"] <= b["epoch"]
    kept = {}
    for b in blocks:
        mine = [cursor_key(x) for _, x in b["extensions"]]
        assert all(kind == 4 for kind, _ in b["extensions"]) and len(mine) == len(set(mine))
        kept.update((cursor_key(x), x) for _, x in b["extensions"])
    cursors = [x for kind, x in h["extensions"] if kind == 4]
    assert len(cursors) == len({cursor_key(x) for x in cursors}), "a cursor of each name"
    kinds = [kind for kind, _ in h["extensions"]]
    assert kinds in ([4] * len(cursors), [4] * len(cursors) + [8]), kinds  # 8: unless one before is not sealed
    assert kept.items() <= {cursor_key(x): x for x in cursors}.items(), "its header has the latest"
    frames = [(h["size"], 0)]
    for b in blocks:
        frames += [(b["frame"] - b["offset"], 0), (b["packed_size"], b["raw_size"])]
    at = h["end"]
    h["index"] = at
    size = index_parse(p[at:], h, blocks)
    frames.append((size, 0))
    at += size
    h["seek"] = at
    assert u32(p, at) == 0x184D2A5E and u32(p, at + 4) == 8 * len(frames) + 9
    for i, frame in enumerate(frames):
        got = (u32(p, at + 8 + 8 * i), u32(p, at + 12 + 8 * i))
        assert got == frame, f"frame {i} of the seek table: {got}, not {frame}"
    foot = p[at + 8 + 8 * len(frames) :]
    assert foot == struct.pack("<IBI", len(frames), 0, 0x8F92EAB1), "a file ends with its seek table"


def index_parse(p, h, blocks):
    """Checks every field of the index at p against the blocks.  Returns its size."""
    n, size = len(blocks), u32(p, 4) + 8
    assert u32(p, 0) == 0x184D2A5C and p[8:16] == b"evlogIDX", "no index"
    assert (u32(p, 16), u32(p, 20), u32(p, 48)) == (3, 0, n), "version, flags and blocks of the index"
    assert p[24:40] == h["log_id"] and u64(p, 40) == h["first_seq"]
    assert u32(p, 52) in (FILTERED, FILTERED_ONCE), "the kinds of an index"
    table = 72 + 48 * n
    assert u64(p, table) == xxh3(p[:table]), "checksum of the index"
    for i, b in enumerate(blocks):
        e = 72 + 48 * i
        names = ("first_logtime", "last_logtime", "least_time", "greatest_time")
        assert (u64(p, e), u64(p, e + 8)) == (b["offset"], b["first_seq"])
        assert [i64(p, e + 16 + 8 * j) for j in range(4)] == [b[x] for x in names]
    bits, rows = index_rows([bloom(b["events"], u32(p, 52)) for b in blocks], h["end"], u64(p, table))
    assert u64(p, 56) == bits, "how many bits the filters have"
    assert p[table + 8 : table + 8 + len(rows)] == rows, "the rows"
    h["rows"] = table + 8
    last = blocks[-1]["first_seq"] + blocks[-1]["count"] - 1
    assert u64(p, 64) == last // 256 - h["before"] // 256, "how many tiles there are"
    at = table + 8 + len(rows)
    h["tiles"] = b"".join(p[x : min(x + 512, size - 8)] for x in range(at, size, 520))
    assert p[at:size] == tile_groups(h["tiles"], u64(p, table)), "the tiles"
    return size


def tile_groups(tiles, table_sum):
    """Tiles in groups of 16, each with its checksum."""
    out = b""
    for g in range(0, len(tiles), 512):
        x = tiles[g : g + 512]
        out += x + struct.pack("<Q", (xxh3(x) + g // 512 + table_sum) % 2**64)
    return out


def resized(filter, size):
    """The bits of a filter of another size."""
    bits, out = int.from_bytes(filter, "little"), 0
    for at in range(0, max(len(filter), size), len(filter)):
        out |= bits << 8 * (at % size)
    while out >> 8 * size:
        out = out & (1 << 8 * size) - 1 | out >> 8 * size
    return out


def index_rows(filters, end, table_sum):
    """Transposes these filters into rows.  Returns how many bits, and so rows, an index
    that begins at `end` has, and the groups of rows."""
    size = max(8, max(map(len, filters)))
    having = [f for f in filters if f]

    def fit(half):
        return 64 * sum(resized(f, half).bit_count() > 4 * half for f in having) <= len(having)

    while size > 8 and (size * len(filters) > max(sum(map(len, filters)), end // 64) or fit(size // 2)):
        size //= 2
    rows = [0] * (8 * size)
    for k, f in enumerate(filters):
        for i in range(8 * max(len(f), size)):
            bit = i % (8 * len(f)) if f else 0
            if not f or f[bit // 8] >> bit % 8 & 1:
                rows[i % len(rows)] |= 1 << k
    width = (len(filters) + 7) // 8
    group = 1
    while group < len(rows) and group * width < 512:
        group *= 2
    out = b""
    for g in range(len(rows) // group):
        x = b"".join(row.to_bytes(width, "little") for row in rows[g * group : (g + 1) * group])
        out += x + struct.pack("<Q", (xxh3(x) + g + table_sum) % 2**64)
    return len(rows), out


KINDS = ("type", "subject", "source", "id", "causationid", "correlationid", ("due",), ("due", "cancels"))
FILTERED = 0xB7  # all kinds but ids, and 6
FILTERED_ONCE = 0x77  # before there was kind 7


def bloom(lines, kinds=FILTERED):
    """The filter of the keys of these lines."""
    events = [json.loads(line) for line in lines]
    keys = {key_of(e, kind) for e in events for kind in range(len(KINDS)) if kinds >> kind & 1} - {0}
    size = 8 if keys else 0
    while size < min(2 * len(keys), 32768):
        size *= 2
    out = bytearray(size)
    for key in keys:
        for i in range(8):
            bit = ((key & 0xFFFFFFFF) + i * (key >> 32 | 1)) % (8 * size)
            out[bit // 8] |= 1 << bit % 8
    return bytes(out)


def key_of(e, kind):
    """The key of this kind that an event has; 0: none."""
    name = KINDS[kind]
    if isinstance(name, tuple):  # the presence of one of these
        text = b"" if set(name) & set(e) else None
    else:
        text = e[name].encode() if isinstance(e.get(name), str) else None
    return 0 if text is None else (xxh3(text) + kind) % 2**64 or 1


def segment_filter(events):
    """The filter of a segment in a catalogue, as a number, and how many bits it has."""
    keys = {key_of(e, kind) for e in events for kind in range(len(KINDS)) if FILTERED >> kind & 1} - {0}
    size = 8
    while size < 2 * len(keys) and 2 * size <= max(8, len(events)):
        size *= 2
    bits = 0
    for key in keys:
        for i in range(8):
            bits |= 1 << ((key & 0xFFFFFFFF) + i * (key >> 32 | 1)) % (8 * size)
    return bits, 8 * size


def packed(values, width, pages):
    """Appends the bodies of pages of numbers of `width` bits to a list."""
    each = 1016 * 8 // width
    for at in range(0, len(values), each):
        pages.append(sum(v << i * width for i, v in enumerate(values[at : at + each])).to_bytes(1016, "little"))


def id_pages(ids, block_bits):
    """The bodies of pages of these fingerprints and blocks, and in which page each is."""
    low = max(g for g in range(38) if len(ids) << g <= 1 << 37)
    pages, where = [], []
    for f, block in ids:
        fits = pages and 56 + len(pages[-1]) + (f - pages[-1][0][0] >> low) + 1 + (low + block_bits) * (len(pages[-1]) + 1) <= 8128
        if not fits:
            pages.append([])
        pages[-1].append((f, block))
        where.append(len(pages) - 1)
    bodies = []
    for page in pages:
        base = page[0][0]
        bits = len(page) | base << 16
        for i, (f, block) in enumerate(page):
            bits |= 1 << 56 + i + (f - base >> low)
            bits |= ((f - base) % 2**low | block << low) << 8128 - (i + 1) * (low + block_bits)
        bodies.append(bits.to_bytes(1016, "little"))
    return bodies, where


def catalogue(log, names):
    """The bytes of the catalogue of these segments."""
    entries, filters, ids, base = b"", [], [], 0
    for name in names:
        p = read(log, name)
        h, blocks = segment_parse(p)
        events = [json.loads(line) for b in blocks for line in b["events"]]
        entries += struct.pack("<QQQqqqqII", h["first_seq"], h["last_seq"], len(p), blocks[0]["first_logtime"],
                               blocks[-1]["last_logtime"], min(b["least_time"] for b in blocks),
                               max(b["greatest_time"] for b in blocks), len(blocks), 0)  # fmt: skip
        entries += blocks[-1]["root"]
        filters.append(segment_filter(events))
        for b in blocks:
            for line in b["events"]:
                e = json.loads(line)
                if key_of(e, 3):
                    ids.append((key_of(e, 3) >> 29 << 2 | key_of(e, 2) >> 62, base))
            base += 1
    ids.sort()
    bucket = block = 0
    while len(ids) >> bucket + 1 >= 128:
        bucket += 1
    while base > 1 << block:
        block += 1
    rows = max(size for _, size in filters)
    bodies, where = id_pages(ids, block)
    p = b"evlogCAT" + struct.pack("<IIQQIIQQIIII", 2, 0, u64(entries, 0), u64(entries, len(entries) - 88), len(names),
                                  FILTERED, rows, len(ids), len(names), bucket, block, len(bodies)) + entries  # fmt: skip
    pages = []
    row = [sum((f >> r % size & 1) << i for i, (f, size) in enumerate(filters)) for r in range(rows)]
    packed(row, len(names), pages)
    before = [sum(f >> 37 - bucket < k for f, _ in ids) for k in range(2**bucket + 1)]
    packed([([*where, len(bodies)])[n] for n in before], 32, pages)
    return catalogue_with(p, pages + bodies)


def catalogues(log):
    return sorted(f for f in os.listdir(log) if f.endswith(".catalogue"))


def catalogue_log(log):
    """A log with catalogues of 16 segments and of one; returns its lines."""
    for i in range(18):
        events = []
        for n in range(60 * i + 1, 60 * i + 61):
            e = {"type": "T%d" % (n % 5), "subject": "s%d" % (n // 8), "id": "i%d" % (n % 500), "source": "/%d" % (n % 3)}
            e.update({"due": 1} if n % 7 == 0 else {}, data=[n] * (n % 40), time="2026-11-%02dT00:00:00Z" % (1 + n // 60))
            e.update({"id": "\u00e9/%d" % n, "correlationid": "c%d" % n} if n % 11 == 0 else {})
            events.append(json.dumps(e))
        must(0, "evappend", "--quiet", "--segment-size", "1", log, data="\n".join(events).encode())
    return selected(log)


def selected(log, *options):
    return must(0, "evcat", *options, log).splitlines()


def check_catalogue():
    """The bytes of catalogues, which the tools make as evlog-format(5) says."""
    catalogue_log("a.evlog")
    made, names = catalogues("a.evlog"), segments("a.evlog")
    assert len(made) == 2 and len(names) == 18
    assert read("a.evlog", made[0]) == catalogue("a.evlog", names[:16]), "of 16 segments"
    assert read("a.evlog", made[1]) == catalogue("a.evlog", names[16:17]), "of one segment"


def catalogue_pages(p):
    """Its header, and the bodies of its pages."""
    size = 72 + 96 * u32(p, 32)
    return p[:size], [p[at : at + 1016] for at in range(size + 8, len(p), 1024)]


def catalogue_with(header, pages):
    """The same with right checksums."""
    total = xxh3(header[:68] + bytes(4) + header[72:])
    out = header + struct.pack("<Q", xxh3(header))
    for i, body in enumerate(pages):
        out += body + struct.pack("<Q", (xxh3(body) + i + total) % 2**64)
    return out


def check_catalogue_lies():
    """A catalogue that lies, with right checksums: nothing that was not asked for, nothing
    twice, no crash, and with --no-index the truth."""
    lines = catalogue_log("a.evlog")
    asked = (("-s", "s5"), ("-s", "s90", "-s", "s91"), ("--id", "i44"), ("--id", "i7", "--id", "none"), ("-t", "T1", "-r"),
             ("-n", "3", "-s", "s20"), ("-E", "--since", "2026-11-08T00:00:00Z", "--until", "2026-11-09T00:00:00Z"))  # fmt: skip
    truth = [selected("a.evlog", *q) for q in asked]
    assert all(truth) and len(lines) == 1080
    name = catalogues("a.evlog")[0]
    right = read("a.evlog", name)
    header, pages = catalogue_pages(right)
    assert catalogue_with(header, pages) == right

    def lie(p, what):
        write("a.evlog", name, p)
        for q, want in zip(asked, truth):
            code, out, err = run("evcat", *q, "a.evlog")
            got = out.splitlines()
            assert code in (0, 65), (what, q, code, err)
            rest = iter(want)
            assert all(line in rest for line in got), (what, q)
            assert selected("a.evlog", "--no-index", *q) == want, (what, q)
        must(0, "evappend", "--dedup", "--quiet", "a.evlog", data=b"")

    fields = [(at, n) for at in (32, 36, 56, 60, 64, 68) for n in (0, 1, 2, 15, 17, 255, 256, 257, 2**31, 2**32 - 1)]
    for at, n in some(fields, 2):
        lie(catalogue_with(header[:at] + struct.pack("<I", n) + header[at + 4 :], pages), (at, n))
    wide = (0, 1, 2, 3, 2**27, 2**28, 2**32, 2**53, 2**63, 2**64 - 1)
    fields = [(at, n) for at in (16, 24, 40, 48, 72, 80, 88, 96, 104, 112, 120, 128, 168, 176) for n in wide]
    for at, n in some(fields, 3):
        lie(catalogue_with(header[:at] + struct.pack("<Q", n) + header[at + 8 :], pages), (at, n))
    bodies = [(i, body) for i, p in enumerate(pages) for body in (bytes(1016), b"\xff" * 1016, p[::-1], p[4:] + p[:4], pages[i - 1])]
    for i, body in some(bodies, 1):
        lie(catalogue_with(header, pages[:i] + [body] + pages[i + 1 :]), ("page", i))

    def done_without(p, what):
        """What the checksums tell is not believed at all, so that nothing is left out."""
        write("a.evlog", name, p)
        for q, want in zip(asked, truth):
            assert selected("a.evlog", *q) == want, (what, q)
        must(0, "evappend", "--dedup", "--quiet", "a.evlog", data=b"")

    for at in [*some(range(0, len(header), 5), 3), *some(range(len(header), len(right), 7), 23)]:
        done_without(flipped(right, at), ("flip", at))
    for n in (0, 71, 72, len(header), len(right) - 1024, len(right) - 1):
        done_without(right[:n], ("cut", n))
    write("a.evlog", name, right)
    assert [selected("a.evlog", *q) for q in asked] == truth


def bytes_read(*options):
    """How many bytes evcat reads of its files for this."""
    asan = "ASAN_OPTIONS=" + os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    must(0, "env", asan, "strace", "-f", "-qq", "-e", "trace=pread64", "-o", "calls", "evcat", *options, "a.evlog")
    return sum(int(n) for n in re.findall(rb"pread64\(.* = (\d+)", read(".", "calls")))


def check_summary():
    """Summaries of small blocks: their bytes; searches with and without them; and those that
    lie, with right checksums."""
    noise = random.Random(7)
    for i in range(230):
        e = {"type": "T%d" % (i % 3), "subject": "s%d" % (i // 2), "source": "/x"}
        e["data"] = base64.b64encode(noise.randbytes(3000)).decode()
        must(0, "evappend", "--quiet", "a.evlog", data=json.dumps(e).encode())
    big = [json.dumps({"type": "Big", "data": base64.b64encode(noise.randbytes(90000)).decode()}) for _ in range(8)]
    must(0, "evappend", "--quiet", "a.evlog", data="\n".join(big).encode())
    must(0, "evappend", "--quiet", "a.evlog", data=b'{"type":"T1","subject":"s3"}')
    name = segments("a.evlog")[0]
    right = read("a.evlog", name)
    h, blocks = segment_parse(right)
    having = [b for before, b in zip(blocks, blocks[1:]) if before["offset"] // SPAN != b["offset"] // SPAN]
    assert all(summary(b) for b in having)
    assert [len(summary(b)) > 8 for b in having] == [True] * 3 + [False] * (len(having) - 3) and len(having) > 4
    subjects = ("s0", "s3", "s60", "s114", "none")
    asked = [q for s in subjects for q in (("-s", s), ("-s", s, "-r"), ("-s", s, "-n1"), ("-s", s, "--from", "70"))]
    asked += [("-t", "Big"), ("-t", "Big", "-r"), ("-t", "T1", "-r")]
    truth = [selected("a.evlog", "--no-index", *q) for q in asked]
    assert [selected("a.evlog", *q) for q in asked] == truth and sum(map(len, truth)) > 40
    assert bytes_read("-s", "none") < len(right) / 3, "small blocks are gone over"

    def lie(b, content, what):
        extensions = b"".join(
            struct.pack("<HHI", kind, 0, len(x)) + x
            for kind, x in ((k, content if k == 7 else x) for k, x in b["extensions"])
        )
        header = right[b["offset"] : b["offset"] + 160] + extensions
        assert len(header) + 8 == b["frame"] - b["offset"]
        header += struct.pack("<Q", xxh3(header))
        write("a.evlog", name, right[: b["offset"]] + header + right[b["frame"] :])
        for q, want in zip(asked, truth):
            code, out, err = run("evcat", *q, "a.evlog")
            rest = iter(want)
            assert code in (0, 65), (what, q, code, err)
            assert all(line in rest for line in out.splitlines()), (what, q)
            assert selected("a.evlog", "--no-index", *q) == want, (what, q)

    for b in having[1:3]:
        s, other = summary(b), having[0]["offset"]
        nothing = bytes(len(s) - 8)
        far = (0, 1, 7, 168, b["offset"], b["offset"] - h["size"], b["offset"] - other - 1, 2**31, 2**32 - 1)
        lies = [(struct.pack("<I", d) + rest, ("distance", d)) for d in far for rest in (s[4:], s[4:8] + nothing)]
        lies += [(s[:4] + struct.pack("<I", k) + s[8:], ("kinds", k)) for k in (0, 2**32 - 1)]
        for content, what in some(lies, 1) + [(s[:8] + nothing, "nothing")]:
            lie(b, content, what)
    write("a.evlog", name, right)
    assert [selected("a.evlog", *q) for q in asked] == truth


def block_parse(p, at):
    size = u32(p, at + 4) + 8
    h = p[at : at + size]
    assert u32(h, 0) == 0x184D2A5B and h[8:16] == b"evlogBLK", f"no block at {at}"
    assert u64(h, size - 8) == xxh3(h[: size - 8]), "checksum of a block header"
    b = {
        "offset": at,
        "frame": at + size,
        "end": at + size + u32(h, 72),
        "version": u32(h, 16),
        "flags": u32(h, 20),
        "log_id": h[24:40],
        "segment": u64(h, 40),
        "epoch": u64(h, 48),
        "first_seq": u64(h, 56),
        "count": u32(h, 64),
        "raw_size": u32(h, 68),
        "packed_size": u32(h, 72),
        "back": u32(h, 76),
        "packed_hash": u64(h, 80),
        "first_logtime": i64(h, 88),
        "last_logtime": i64(h, 96),
        "least_time": i64(h, 104),
        "greatest_time": i64(h, 112),
        "synced_upto": u64(h, 120),
        "root": h[128:160],
    }
    frame = p[b["frame"] : b["end"]]
    assert len(frame) == b["packed_size"], "a frame is whole"
    assert xxh3(frame) == b["packed_hash"], "checksum of a frame"
    b["bytes"] = frame
    b["raw"] = unpack(frame, b["raw_size"])
    b["events"] = b["raw"].splitlines()
    assert len(b["events"]) == b["count"] and b["raw"].endswith(b"\n"), "lines of a block"
    b["extensions"] = extensions_parse(h[160:-8])
    return b


def micros(text):
    """Converts RFC 3339 with six digits and Z to microseconds, without going through a
    float."""
    import datetime

    t = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
    d = t - datetime.datetime(1970, 1, 1)
    return (d.days * 86400 + d.seconds) * 10**6 + d.microseconds


def block_check(b, seen, leaves):
    """Checks one block against its lines; `seen`: what came before."""
    raw = must(0, "zstd", "-dcq", data=b["bytes"])
    lines = raw.splitlines()
    events = [json.loads(x) for x in lines]
    times = [micros(e["time"]) for e in events if "time" in e]
    assert b["version"] == 2 and b["raw_size"] == len(raw) and b["count"] == len(lines)
    assert b["bytes"][4] & 4, "a frame has a content checksum"
    assert b["bytes"][4] & 0xE0, "and a content size"
    assert b["log_id"] == seen["log_id"] and b["segment"] == seen["segment"]
    assert b["first_seq"] == len(leaves) + 1
    assert [int(e["seq"]) for e in events] == list(
        range(b["first_seq"], b["first_seq"] + b["count"])
    )
    assert b["first_logtime"] == micros(events[0]["logtime"])
    assert b["last_logtime"] == micros(events[-1]["logtime"])
    assert b["least_time"] == min(times, default=TIME_MAX)
    assert b["greatest_time"] == max(times, default=TIME_MIN)
    assert b["offset"] - b["back"] == seen["last_block"]
    if not seen["sealed"]:
        assert b["synced_upto"] == seen["synced"], "attests what was committed before"
    leaves += lines
    assert b["root"] == root(leaves), "root of a block header"
    seen["last_block"] = b["offset"]
    if b["flags"] & 1:
        seen["synced"] = b["end"]


def check_layout():
    """Every field of head, segment headers and block headers: of each segment as it was
    before it was sealed, and as it is afterwards."""
    options = ["--segment-size", "1000"]
    must(0, "evappend", "a.evlog")
    s = slot_parse(read("a.evlog", "head")[:SLOT])
    assert (s["last_seq"], s["committed"], s["last_block"]) == (0, 168, 0)
    assert s["root"] == sha(b"") and s["last_logtime"] == TIME_MIN
    _, unsealed = build_kept("a.evlog", 9, *options)
    dated = (
        b'{"type":"T","time":"2026-11-23T05:00:00.5Z","data":{"n":14}}\n'
        b'{"type":"T","time":"1969-12-31T23:59:59.000001Z","subject":"caf\\u00e9","data":{"n":15}}\n'
        b'{"type":"T","data":{"n":16}}\n'
    )
    dated = dated.replace(b"00.5Z", b"00.500000Z")
    ack = json.loads(must(0, "evappend", "--ack", *options, "a.evlog", data=dated))
    bulk = b"".join(
        event(n, "x" * 1000).replace(b'"type":"T"', b'"type":"T","subject":"s%d"' % (n // 2))
        for n in range(17, 3017)
    )
    must(0, "evappend", "--atomic", "a.evlog", data=bulk)
    boot = open("/proc/sys/kernel/random/boot_id").read().strip().replace("-", "")
    name = segments("a.evlog")[-1]
    unsealed[name] = read("a.evlog", name)

    leaves, previous, marks = [], (NONE, NONE, NONE), []
    assert len(unsealed) >= 3 and sorted(unsealed) == segments("a.evlog"), list(unsealed)
    for name, p in sorted(unsealed.items()):
        h, blocks = segment_check(name, p, leaves)
        assert (h["previous"], h["previous_size"], h["previous_block"]) == previous
        marks += [b["flags"] for b in blocks]
        previous = (h["first_seq"], len(p), blocks[-1]["offset"])
    assert marks[:10] == [1] * 10, "each small commit is one block"
    assert len(marks) == 37, "3.4 MB are 27 blocks"
    assert marks[10:] == [0] * 26 + [1], "the last block of a commit, and only it, is marked"
    assert max(len(b["extensions"][0][1]) for b in blocks) > 100, "a filter of many subjects"

    new, old = head_parse(read("a.evlog", "head"))
    assert (new["segment"], new["committed"], new["last_block"]) == previous
    assert new["durable"] == new["committed"] and new["flags"] == 0
    assert new["last_seq"] == len(leaves) == 3016 and old["last_seq"] == 16
    assert new["root"] == root(leaves) and new["frontier"] == frontier(leaves)
    assert new["last_logtime"] == micros(json.loads(leaves[-1])["logtime"])
    assert new["boot_id"].hex() == boot and new["log_id"] == h["log_id"]
    assert old["root"].hex() == ack["root"] == root(leaves[:16]).hex()
    assert len(set(h["log_id"])) > 4, "a log id is random"

    append("a.evlog", 3017, 1, *options)
    again, before = [], None
    for name, p in sorted(unsealed.items()):
        q = read("a.evlog", name)
        h, blocks = segment_check(name, q, again)
        assert h["sealed"], "with a successor, it is sealed"
        assert q == seal(p, blocks, before), "what is sealed is what it was, told anew"
        before = q
    assert again == leaves and len(blocks) == 5, "small blocks are merged, up to 1 MiB as they are dense"


def tiles_of(n, hashes):
    """The roots of each aligned 256 leaves that are completed after the first n."""
    return [tree(hashes[256 * k : 256 * k + 256]) for k in range(n // 256, len(hashes) // 256)]


def segment_check(name, p, leaves):
    """Checks a segment and its content after these lines."""
    h, blocks = segment_parse(p)
    hashes = [leaf(line) for line in leaves + [line for b in blocks for line in b["events"]]]
    tiles = [x for b in blocks for kind, x in b["extensions"] if kind == 5]
    assert (h["tiles"] if h["sealed"] else b"".join(tiles)) == b"".join(tiles_of(len(leaves), hashes))
    assert name == "%016d.ndjson.zst" % h["first_seq"]
    assert (h["version"], h["flags"], h["epoch"]) == (2, 2 if h["sealed"] else 0, 1)
    assert h["first_seq"] == h["before"] + 1 == len(leaves) + 1
    assert h["root"] == root(leaves) and h["frontier"] == frontier(leaves)
    assert h["lineage"] == (leaf(leaves[0]) if leaves else bytes(32))
    assert h["last_logtime"] == (
        micros(json.loads(leaves[-1])["logtime"]) if leaves else TIME_MIN
    )
    seen = {
        "log_id": h["log_id"],
        "segment": h["first_seq"],
        "last_block": 0,
        "synced": h["size"],
        "sealed": h["sealed"],
    }
    for b in blocks:
        block_check(b, seen, leaves)
    return h, blocks


# ---- A second implementation of sealing ----


def cursor_key(x):
    """Name and lineage of a cursor."""
    return x[16:48] + x[100 : 100 + u32(x, 96)]


def seal(p, made=(), before=None):
    """The segment p sealed.  Takes the frames of `made` where they hold the same lines,
    because the bytes of a frame depend on the version of zstd.  before: the sealed segment
    before it."""
    h, blocks = segment_parse(p)
    frames = {b["raw"]: b["bytes"] for b in made}
    out, gathered, cursors, size = [], [], {}, RAW
    if before:
        cursors = {cursor_key(x): x for kind, x in segment_parse(before)[0]["extensions"] if kind == 4}

    def put(source, raw, frame):
        nonlocal size
        out.append((source, raw, frame))
        size = gather(size, len(raw), len(frame))

    def flush():
        if gathered:
            raw = b"".join(b["raw"] for b in gathered)
            put(list(gathered), raw, frames.get(raw) or pack(raw))
            gathered.clear()

    for b in blocks:
        for kind, x in b["extensions"]:
            if kind == 4:
                cursors.pop(cursor_key(x), None)
                cursors[cursor_key(x)] = x
        if sum(g["raw_size"] for g in gathered) + b["raw_size"] > size:
            flush()
        if gathered or b["raw_size"] < size // 2:
            gathered.append(b)
        else:
            put([b], b["raw"], b["bytes"])
    flush()
    extensions = b"".join(struct.pack("<HHI", 4, 0, len(x)) + x for x in cursors.values())
    extensions += struct.pack("<HHI", 8, 0, 0)
    tiles = b"".join(x for b in blocks for kind, x in b["extensions"] if kind == 5)
    return sealed_file(p[: h["size"]], h, out, extensions, tiles)


def sealed_file(header, h, merged, extensions, tiles):
    at = last_block = h["size"] + 56 + len(extensions)
    table, filters, seek, body = b"", [], [(at, 0)], b""
    for i, (source, raw, frame) in enumerate(merged):
        moved = {}
        for b in source:
            for kind, x in b["extensions"]:
                if kind == 4:
                    moved.pop(cursor_key(x), None)
                    moved[cursor_key(x)] = x
        more = b"".join(struct.pack("<HHI", 4, 0, len(x)) + x for x in moved.values())
        times = (
            source[0]["first_logtime"],
            source[-1]["last_logtime"],
            min(b["least_time"] for b in source),
            max(b["greatest_time"] for b in source),
        )
        count, first = sum(b["count"] for b in source), source[0]["first_seq"]
        back = at - last_block if i else at
        head = struct.pack("<II8sII16s", 0x184D2A5B, 160 + len(more), b"evlogBLK", 2, source[-1]["flags"] & 5, h["log_id"])
        head += struct.pack("<QQQ", h["first_seq"], source[-1]["epoch"], first)
        head += struct.pack("<IIIIQ", count, len(raw), len(frame), back, xxh3(frame))
        head += struct.pack("<qqqqQ", *times, at) + source[-1]["root"] + more
        body += checked(head + bytes(8)) + frame
        table += struct.pack("<QQqqqq", at, first, *times)
        filters.append(bloom(raw.splitlines()))
        seek += [(len(head) + 8, 0), (len(frame), len(raw))]
        last_block, at = at, at + len(head) + 8 + len(frame)
    last = merged[-1][0][-1]
    top = header[:-8] + struct.pack("<QQQ", at, last_block, last["first_seq"] + last["count"] - 1)
    top = bytearray(top + last["root"] + extensions + bytes(8))
    struct.pack_into("<I", top, 4, len(top) - 8)
    struct.pack_into("<I", top, 20, 2)
    bits, rows = index_rows(filters, at, 0)
    size = 72 + len(table) + 8 + len(rows) + len(tile_groups(tiles, 0))
    index = struct.pack("<II8sII16s", 0x184D2A5C, size - 8, b"evlogIDX", 3, 0, h["log_id"])
    index += struct.pack("<QIIQQ", h["first_seq"], len(merged), FILTERED, bits, len(tiles) // 32)
    index = checked(index + table + bytes(8))
    total = u64(index, len(index) - 8)
    index += index_rows(filters, at, total)[1] + tile_groups(tiles, total)
    seek.append((len(index), 0))
    index += struct.pack("<II", 0x184D2A5E, 8 * len(seek) + 9)
    index += b"".join(struct.pack("<II", *x) for x in seek)
    return checked(bytes(top)) + body + index + struct.pack("<IBI", len(seek), 0, 0x8F92EAB1)


def check_root():
    """The root of --ack after each commit, for every size from 1 to 40 and some larger
    ones."""
    # the roots of no leaf and of one empty leaf, known from elsewhere
    assert root([]).hex().startswith("e3b0c44298fc1c149afbf4c8996fb924")
    assert root([b""]).hex().startswith("6e340b9cffb37a989ca544e6bb780a2c")
    sizes = [1] * 40 + [7, 16, 1, 64, 500]
    names, n = [], 1
    for i, size in enumerate(sizes):
        names.append(f"in{i}")
        with open(names[-1], "wb") as f:
            for _ in range(size):
                f.write(event(n))
                n += 1
    out, roots = b"", {}
    for name in names:
        out += must(0, "evappend", "--ack", "--segment-size", "4000", "a.evlog", name)
        b = segment_parse(read("a.evlog", segments("a.evlog")[-1]))[1][-1]
        roots[b["first_seq"] + b["count"] - 1] = b["root"].hex()
    acks = [json.loads(x) for x in out.splitlines()]
    lines = must(0, "evcat", "a.evlog").splitlines()
    assert [a["to"] - a["from"] + 1 for a in acks] == sizes
    for name in segments("a.evlog"):
        for b in segment_parse(read("a.evlog", name))[1]:
            seq = b["first_seq"] + b["count"] - 1
            assert b["root"] == root(lines[:seq]), f"root of a block that ends with {seq}"
    for a in acks:
        want = root(lines[: a["to"]]).hex()
        assert a["root"] == want, f"root after {a['to']}"
        assert roots[a["to"]] == want, f"root in the block header before {a['to']}"
    assert head_parse(read("a.evlog", "head"))[0]["root"].hex() == want
    # a root depends on the lines, not on the blocks
    must(0, "evappend", "--replica", "b.evlog", data=must(0, "evcat", "a.evlog"))
    assert head_parse(read("b.evlog", "head"))[0]["root"].hex() == want


def check_unsynced():
    """--no-sync sets the flags of head and block, and attests nothing."""
    append("a.evlog", 1, 1)
    sure = head_parse(read("a.evlog", "head"))[0]["committed"]
    append("a.evlog", 2, 1, "--no-sync")
    append("a.evlog", 3, 1, "--no-sync")
    h = head_parse(read("a.evlog", "head"))[0]
    blocks = segment_parse(read("a.evlog", segments("a.evlog")[0]))[1]
    assert h["flags"] == 2 and h["durable"] == sure < h["committed"]
    assert [b["flags"] for b in blocks] == [1, 3, 3]
    assert [b["synced_upto"] for b in blocks] == [168, sure, sure]
    append("a.evlog", 4, 1)
    h = head_parse(read("a.evlog", "head"))[0]
    assert h["flags"] == 0 and h["durable"] == h["committed"], "a sync covers them all"


# ---- A second implementation of appending ----


def stamped(seq, members, leafhash=None):
    """A stored line; with leafhash, one that is only that leaf."""
    stamp = b'{"seq":"%016d","logtime":"2026-11-01T00:00:00.%06dZ",' % (seq, seq)
    return stamp + (b'"leafhash":"%s",' % leafhash.hex().encode() if leafhash else b"") + members


def numbered(n):
    return b'"specversion":"1.0","id":"e%d","source":"/shop","type":"T%d","subject":"order-%d","data":{"n":%d}}' % (
        n, n % 3, n % 7, n)  # fmt: skip


def log_make(log, segments_in):
    """Writes a log.  Each segment is a dict with "blocks", pairs of flags and lines, and
    possibly "id", "epoch", "flags" and "extensions" (of its header).  Returns the leaves."""
    os.makedirs(log)
    leaves, previous, first, boot = [], (NONE, NONE, NONE), 1, bytes.fromhex("00000000111142228333444444444444")

    def logtime():
        return micros("2026-11-01T00:00:00.%06dZ" % len(leaves)) if leaves else TIME_MIN

    for spec in segments_in:
        sid, epoch = spec.get("id", b"of this segment."), spec.get("epoch", 1)
        extensions = b"".join(struct.pack("<HHI", kind, 0, len(x)) + x for kind, x in spec.get("extensions", []))
        hashes = peaks(leaves)
        size = 168 + 32 * len(hashes) + len(extensions)
        head = struct.pack("<II8sII16s", 0x184D2A5D, size - 8, b"evlogSEG", 2, spec.get("flags", 0), sid)
        head += struct.pack("<QQqQQQQ", first, epoch, logtime(), *previous, len(leaves)) + tree(leaves)
        head += (leaves[0] if leaves else bytes(32)) + b"".join(hashes) + extensions
        out, last = checked(head + bytes(8)), 0
        for flags, lines in spec["blocks"]:
            raw = b"".join(line + b"\n" for line in lines)
            frame, at, begun = pack(raw), len(out), len(leaves)
            x = struct.pack("<I", FILTERED) + bloom(lines)
            filtered = struct.pack("<HHI", 6, 0, len(x)) + x
            leaves += [leaf(line, flags) for line in lines]
            times = (micros("2026-11-01T00:00:00.%06dZ" % (begun + 1)), logtime())
            b = struct.pack("<II8sII16s", 0x184D2A5B, 160 + len(filtered), b"evlogBLK", 2, 1 | flags, sid)
            b += struct.pack("<QQQIIII", first, epoch, begun + 1, len(lines), len(raw), len(frame), at - last)
            b += struct.pack("<QqqqqQ", xxh3(frame), *times, TIME_MAX, TIME_MIN, at) + tree(leaves) + filtered
            out += checked(b + bytes(8)) + frame
            last = at
        write(log, "%016d.ndjson.zst" % first, out)
        slot = struct.pack("<16s16sQQQQQQqII", sid, boot, epoch, first, len(out), len(out), last, len(leaves), logtime(),
                           0, len(peaks(leaves)))  # fmt: skip
        slot += tree(leaves) + b"".join(peaks(leaves))
        previous, first = (first, len(out), last), len(leaves) + 1
    write(log, "head", b"".join(
        checked((b"evlogHD2" + struct.pack("<Q", n) + slot).ljust(SLOT, b"\0")) for n in (2, 1)))  # fmt: skip
    return leaves


def log_leaves(log):
    """A log in which the content of two lines has been removed, and another line only looks
    like that."""
    removed = {n: leaf(stamped(n, numbered(n))) for n in (5, 6)}
    fake = stamped(2, numbered(2), sha(b"not a leaf"))
    lines = [stamped(n, numbered(n)) for n in range(1, 13)]
    lines[1] = fake
    for n, gone in removed.items():
        lines[n - 1] = stamped(n, b'"type":"T%d","subject":"order-%d"}' % (n % 3, n % 7), gone)
    blocks = [(0, lines[:4]), (4, lines[4:7]), (0, lines[7:10]), (0, lines[10:])]
    leaves = log_make(log, [{"blocks": blocks}])
    whole = [leaf(stamped(n, numbered(n))) for n in range(1, 13)]
    whole[1] = leaf(fake)
    assert leaves == whole, "the tree is that of the lines that were there"
    return lines, leaves


def log_trimmed(log):
    """A log that begins with event 9, with a cursor of what was removed."""
    lines = [stamped(n, numbered(n)) for n in range(1, 25)]
    cursor = b"id of the source" + sha(b"lineage") + struct.pack("<QQ", 7, 1) + sha(b"root") + struct.pack("<I", 3) + b"one"
    cursor += struct.pack("<HHIqQ", 2, 0, 16, 10**15, 6)
    spec = [{"blocks": [(0, lines[i : i + 4]), (0, lines[i + 4 : i + 8])]} for i in (0, 8, 16)]
    spec[1].update({"flags": 4, "extensions": [(4, cursor), (8, b"")]})
    leaves = log_make(log, spec)
    os.unlink(f"{log}/{segments(log)[0]}")
    return lines[8:], leaves


def check_tiles():
    """The root after any event, from tiles and a few lines: in the active segment and in a
    sealed one, whether or not it begins with a whole tile."""
    n = 1
    for count in 300, 1000, 700, 1, 255, 1, 1, 600:
        must(0, "evappend", "--atomic", "a.evlog", data=subjects(n, count))
        n += count
    hashes = [leaf(x) for x in must(0, "evcat", "a.evlog").splitlines()]
    seqs = [1, 255, 256, 257, 511, 512, 513, 767, 768, 769, 1023, 1024, 1280, 1999, 2000, 2048, 2049, 2257, n - 1]
    for seq in seqs:
        fits("a.evlog", seq, hashes)
    for count in 900, 1, 1200:
        must(0, "evappend", "--atomic", "--segment-size", "1", "a.evlog", data=subjects(n, count))
        n += count
    hashes = [leaf(x) for x in must(0, "evcat", "a.evlog").splitlines()]
    assert sum(segment_parse(read("a.evlog", x))[0]["sealed"] for x in segments("a.evlog")) == 3
    for seq in seqs + [3072, 3073, 3200, 3300, 3760, 3841, n - 2]:
        fits("a.evlog", seq, hashes)


def check_stream():
    """evcat -o zst from any event on is the log from there: with its roots, cursors, and lines
    that are only their leaves."""
    argv = ["evrun", "-q", "--batch", "10", "--checkpoint", "c", "--emit", "a.evlog", "in.evlog", "--", "sed", 's/"id":"/&x/']
    for n in range(3):
        must(0, "evappend", "in.evlog", data=subjects(1 + 40 * n, 40))
        must(0, *argv)
        must(0, "evappend", "--segment-size", "1", "a.evlog", data=subjects(1000 + 300 * n, 300))
    rng = random.Random(5)
    for options in ["--atomic"], ["--atomic", "--segment-size", "1"]:
        noise = b"".join(event(n, rng.randbytes(400).hex()) for n in range(1000))
        must(0, "evappend", *options, "a.evlog", data=noise)
    lines = must(0, "evcat", "a.evlog").splitlines()
    hashes = [leaf(x) for x in lines]
    ends, every = set(), set()
    for name in segments("a.evlog"):
        for b in segment_parse(read("a.evlog", name))[1]:
            every.add(b["first_seq"] + b["count"] - 1)
            ends |= {max(every)} if b["flags"] & 1 else set()
    assert len(every) > len(ends) + 5, "some commits have several blocks, in a sealed segment, too"
    want = [x for name in segments("a.evlog") for b in segment_parse(read("a.evlog", name))[1] for k, x in b["extensions"] if k == 4]
    assert len(want) >= 3 and len(segments("a.evlog")) > 3
    for first in 1, 2, 5, 40, 41, 42, 257, 341, 500, 700, len(lines):
        log = f"from{first}.evlog"
        os.mkdir(log)
        name = "%016d.ndjson.zst" % first
        p = must(0, "evcat", "-o", "zst", "--from", str(first), "a.evlog")
        write(log, name, p)
        h, blocks = segment_parse(p)
        assert (h["first_seq"], h["flags"]) == (first, 4 if first > 1 else 0)
        assert h["lineage"] == (hashes[0] if first > 1 else bytes(32))
        assert h["root"] == tree(hashes[: first - 1]) and h["frontier"] == peaks(hashes[: first - 1])
        for b in blocks:
            last = b["first_seq"] + b["count"] - 1
            assert b["root"] == tree(hashes[:last])
            assert not b["flags"] & 1 or last in ends, f"{last} is not the end of a commit"
        assert must(0, "zstd", "-dcq", f"{log}/{name}").splitlines() == lines[first - 1 :]
        kept = [x for kind, x in h["extensions"] if kind == 4] + [x for b in blocks for kind, x in b["extensions"]]
        assert kept and kept[-1] == want[-1], "the latest cursor is in it"
        assert all(x in want for x in kept)
        # as a log, it goes on
        append(log, 5000, 1)
        assert cat(log, "-q")[1].splitlines()[:-1] == lines[first - 1 :]
        if first > 1:
            fits(log, first - 1, hashes)
        fits(log, len(lines), hashes)
        os.path.exists("lost") and os.unlink("lost")
        shutil.copy("c", "c.kept")
        os.unlink("c")
        must(0, *[log if x == "a.evlog" else x for x in argv])
        assert not re.search(rb'"id":"x', cat(log, "-q", "--from", str(len(lines) + 1))[1]), "nothing is emitted twice"
        os.replace("c.kept", "c")
    # with gaps, it is an extract
    mine = [x for x in lines[3:] if b'"subject": "s1"' in x]
    p = must(0, "evcat", "-o", "zst", "--from", "4", "-s", "s1", "a.evlog")
    assert int(mine[0][8:24]) > 4 and u32(p, 20) == 1


def log_ids(log):
    """A log that was forked twice: each segment has an id of its own, and a higher epoch."""
    lines = [stamped(n, numbered(n)) for n in range(1, 25)]
    spec = [{"blocks": [(0, lines[i : i + 4]), (0, lines[i + 4 : i + 8])]} for i in (0, 8, 16)]
    for i in range(3):
        spec[i].update({"id": b"id of segment  %d" % i, "epoch": i + 1})
    return lines, log_make(log, spec)


def golden():
    """Writes the golden logs of which no tool writes the like yet into the current folder."""
    log_leaves("leaves.evlog")
    log_trimmed("trimmed.evlog")
    log_ids("ids.evlog")


def root_at(log, seq):
    """The root that a consumer records after this event."""
    pos = f"{log}.pos"
    if os.path.exists(pos):
        os.unlink(pos)
    must(0, "evrun", "-q", "--checkpoint", pos, "--to", str(seq), log, "--", "cat")
    with open(pos) as f:
        x = json.load(f)
    assert x["seq"] == seq, x
    return x["root"], x["lineage"]


def fits(log, seq, hashes):
    """The log has this root at this seq, and is refused with another one.  Without a frontier,
    the root must be computed from what the log has."""
    for good in True, False:
        value = tree(hashes[:seq]) if good else sha(b"no root")
        with open(f"{log}.place", "w") as f:
            json.dump({"log": "00" * 16, "seq": seq, "root": value.hex()}, f)
        status, _, err = run("evrun", "--status", "--checkpoint", f"{log}.place", log)
        assert status == (0 if good else 76), f"{log} at {seq}: {status}, {err}"


def same_everywhere(log, lines, leaves):
    """The log has these lines, forwards and backwards, from each on, and these roots."""
    first = int(lines[0][8:24])
    whole = b"".join(line + b"\n" for line in lines)
    assert cat(log)[:2] == (0, whole), cat(log)
    assert must(0, "evcat", "-r", log).splitlines() == lines[::-1]
    assert run("zstdcat", *(f"{log}/{n}" for n in segments(log) if n >= "%016d" % first))[1] == whole
    for i, line in enumerate(lines):
        assert must(0, "evcat", "--from", str(first + i), "-c", "1", log) == line + b"\n"
        assert root_at(log, first + i) == (tree(leaves[: first + i]).hex(), leaves[0].hex())
        fits(log, first + i, leaves)
    assert cat(log, "--salvage")[1] == whole


def grown(log, lines, leaves, many=1):
    """Appends, seals and reindexes; returns lines and leaves."""
    for _ in range(many):
        out = must(0, "evappend", "--ack", "--segment-size", "1", log, data=event(len(leaves) + 1))
        line = must(0, "evcat", "-n", "1", log)[:-1]
        lines, leaves = lines + [line], leaves + [leaf(line)]
        assert json.loads(out)["root"] == tree(leaves).hex()
    must(0, "evappend", "--reindex", log)
    return lines, leaves


def check_leaves():
    """Lines that are only their leaves: all tools read them, and all roots are those of the
    lines that were there, also when the segment is sealed, copied as a stream and restored."""
    lines, leaves = log_leaves("a.evlog")
    same_everywhere("a.evlog", lines, leaves)
    must(0, "evappend", "a.evlog", data=b"")
    lines, leaves = grown("a.evlog", lines, leaves, 2)
    h, blocks = segment_parse(read("a.evlog", segments("a.evlog")[0]))
    assert h["sealed"] and [(b["flags"], b["count"]) for b in blocks] == [(1, 4), (5, 3), (1, 5)], "not merged"
    same_everywhere("a.evlog", lines, leaves)
    os.unlink("a.evlog/head")
    assert cat("a.evlog")[:2] == (65, b"".join(x + b"\n" for x in lines))
    lines, leaves = grown("a.evlog", lines, leaves)
    same_everywhere("a.evlog", lines, leaves)
    # a stream keeps the flag
    os.mkdir("b.evlog")
    write("b.evlog", f"{1:016d}.ndjson.zst", must(0, "evcat", "-o", "zst", "a.evlog"))
    assert root_at("b.evlog", 7)[0] == tree(leaves[:7]).hex() if cat("b.evlog")[0] == 0 else True
    must(0, "evappend", "b.evlog", data=event(99))
    _, blocks = segment_parse(read("b.evlog", segments("b.evlog")[0]))
    assert tree(leaves) in [b["root"] for b in blocks]
    # plain lines do not carry it
    status, _, err = run("evappend", "--replica", "c.evlog", data=must(0, "evcat", "a.evlog"))
    assert status == 65 and "replicate evcat -o zst instead" in err, f"{status}: {err}"
    for bad in b"g", b"A":  # it must be exactly of this form
        odd = stamped(1, numbered(1), sha(b"x")).replace(sha(b"x").hex().encode(), bad * 64)
        assert log_make(f"odd{ord(bad)}.evlog", [{"blocks": [(4, [odd])]}]) == [sha(b"\0" + odd)]
        assert root_at(f"odd{ord(bad)}.evlog", 1)[0] == sha(b"\0" + odd).hex()


def check_many_cursors():
    """More cursors than a new header has room for: nothing leaves one out silently."""
    def named(n):
        cursor = b"id of the source" + sha(b"lineage") + struct.pack("<QQ", 7, 1) + sha(b"root")
        return 4, cursor + struct.pack("<I", 5) + b"%05d" % n

    for count, status in (1000, 0), (6000, 65):
        lines = [stamped(n, numbered(n)) for n in range(1, 25)]
        spec = [{"blocks": [(0, lines[i : i + 4]), (0, lines[i + 4 : i + 8])]} for i in (0, 8, 16)]
        spec[1]["extensions"] = [named(n) for n in range(count)]
        log = f"{count}.evlog"
        log_make(log, spec)
        got, out, err = cat(log, "-o", "zst", "--from", "20")
        assert got == status and ("more cursors than fit" in err) == bool(status), f"{count}: {got}: {err}"
        assert bool(out) == (status == 0)
        if out:
            assert [x for x, _ in segment_parse(out)[0]["extensions"]] == [4] * count + [8]
        err = run("evappend", "--reindex", log)[2]
        assert ("more cursors than fit" in err) == bool(status), err
        assert must(0, "evcat", log) == b"".join(line + b"\n" for line in lines)


def check_trimmed():
    """A log whose first events were removed on purpose."""
    lines, leaves = log_trimmed("a.evlog")
    whole = b"".join(line + b"\n" for line in lines)
    status, out, err = cat("a.evlog")
    assert (status, out) == (0, whole) and "begins with event 9" in err, err
    assert cat("a.evlog", "-q")[2] == "" and cat("a.evlog", "--from", "9")[2] == ""
    assert "begins with event 9" in cat("a.evlog", "-r")[2] and cat("a.evlog", "-r", "-c", "2")[2] == ""
    for n, told in (1, True), (8, True), (9, False), (12, False):
        for options in ["--since"], ["-r", "--since"]:
            status, out, err = cat("a.evlog", *options, "2026-11-01T00:00:00.%06dZ" % n)
            assert (status, "begins with event 9" in err) == (0, told), f"{options} {n}: {err}"
    for options, want in ((), 76), (("-k", "subject", "-j", "2"), 76), (("--snapshot", "s"), 76):
        status, out, err = run("evfold", *options, "n=count", "a.evlog")
        assert status == want and bool(out) == (want == 0), f"{options}: {status}: {err}"
        assert want == 0 or "begins with event 9" in err, err
    lines, leaves = grown("a.evlog", lines, leaves, 2)
    kinds = [[kind for kind, _ in segment_parse(read("a.evlog", n))[0]["extensions"]] for n in segments("a.evlog")]
    assert kinds == [[4, 8]] * 3 + [[]], "the cursor goes on from header to header"
    h = segment_parse(read("a.evlog", segments("a.evlog")[0]))[0]
    assert h["flags"] == 6 and h["lineage"] == leaves[0]
    for i, line in enumerate(lines):
        assert must(0, "evcat", "--from", str(9 + i), "-c", "1", "a.evlog") == line + b"\n"
        assert root_at("a.evlog", 9 + i) == (tree(leaves[: 9 + i]).hex(), leaves[0].hex())
    # a place before the start is refused, one at the start fits
    for seq, want in (7, 76), (8, 0):
        place = {"log": "00" * 16, "seq": seq, "root": tree(leaves[:seq]).hex()}
        with open("c.pos", "w") as f:
            json.dump(place, f)
        status, out, err = run("evrun", "--checkpoint", "c.pos", "a.evlog", "--", "wc", "-l")
        assert status == want, f"{seq}: {status}: {err}"
        assert want == 0 or "begins with event 9; event 8 has been removed" in err, err
    # valid without head; and while the removal is under way
    os.unlink("a.evlog/head")
    assert cat("a.evlog")[:2] == (65, b"".join(x + b"\n" for x in lines))
    append("a.evlog", 50, 1)
    log_trimmed("b.evlog")
    junk = read("b.evlog", segments("b.evlog")[1])
    write("b.evlog", f"{5:016d}.ndjson.zst", junk)
    assert cat("b.evlog")[:2] == (0, whole), "what comes before the start does not count"
    assert must(0, "evcat", "-r", "b.evlog").splitlines()[-1] == whole.splitlines()[0]
    # a log that has lost its first segment is another matter
    build("c.evlog", 9, "--segment-size", "1")
    os.unlink(f"c.evlog/{segments('c.evlog')[0]}")
    assert cat("c.evlog")[0] == 65


def check_ids():
    """The segments of a forked log have ids of their own; its roots are one chain."""
    lines, leaves = log_ids("a.evlog")
    same_everywhere("a.evlog", lines, leaves)
    lines, leaves = grown("a.evlog", lines, leaves, 2)
    ids = [segment_parse(read("a.evlog", n))[0]["log_id"] for n in segments("a.evlog")]
    assert ids == [b"id of segment  %d" % i for i in (0, 1, 2, 2, 2)], ids
    same_everywhere("a.evlog", lines, leaves)
    must(0, "evdiff", "a.evlog", "a.evlog")
    # a segment of a log that went another way, sealed or not
    for sealed in False, True:
        other = [stamped(n, numbered(n + (100 if n > 4 else 0))) for n in range(1, 25)]
        spec = [{"blocks": [(0, other[i : i + 4]), (0, other[i + 4 : i + 8])]} for i in (0, 8, 16)]
        log_make(f"o{sealed}.evlog", spec)
        mine = log_ids(f"b{sealed}.evlog")[0]
        if sealed:
            must(0, "evappend", "--reindex", f"o{sealed}.evlog")
            must(0, "evappend", "--reindex", f"b{sealed}.evlog")
        name = segments(f"o{sealed}.evlog")[1]
        write(f"b{sealed}.evlog", name, read(f"o{sealed}.evlog", name))
        for options in [], ["--from", "10"], ["--from", "18"], ["-r"], ["--from", "12", "-c", "1"]:
            status, out, err = cat(f"b{sealed}.evlog", *options)
            assert all(x in mine for x in out.splitlines()) or status == 65, f"{sealed} {options}: {status}: {err}"
        assert cat(f"b{sealed}.evlog")[0] == 65


# ---- Damage in loops ----


class Lab:
    """Copies of a log, one for each worker, that are damaged and restored."""

    def __init__(self, log, workers=2 * CORES):
        self.files = snapshot(log)
        self.pool = ThreadPoolExecutor(workers)
        self.local = threading.local()
        self.made = 0
        self.lock = threading.Lock()
        self.tried = 0

    def directory(self):
        if not hasattr(self.local, "path"):
            with self.lock:
                self.made += 1
                self.local.path = f"lab{self.made}.evlog"
            shutil.rmtree(self.local.path, ignore_errors=True)
            os.mkdir(self.local.path)
        return self.local.path

    def each(self, cases, check):
        """Runs check(log, case) for every case, each on an intact copy."""

        def one(case):
            log = self.directory()
            restore(log, self.files)
            try:
                check(log, case)
            except AssertionError as e:
                return f"{case}: {e}"
            return None

        cases = list(cases)
        if SANITIZED and STEP > 1:  # a part of each long list
            cases = cases[:: max(1, min(4, len(cases) // 16))]
        bad = [x for x in self.pool.map(one, cases) if x]
        assert not bad, "\n".join([f"{len(bad)} of {len(cases)} fail:"] + bad[:5])
        self.pool.shutdown()


def some(cases, step):
    """Every N-th case for N times the step of the others; all if that is 1."""
    return list(cases)[:: 1 if STEP == 1 else step * STEP]


def flipped(data, at):
    p = bytearray(data)
    p[at] ^= 1 << at % 8
    return bytes(p)


def reads(log, status, *options):
    """What evcat prints; checks its status, and that it changed nothing."""
    before = snapshot(log)
    got, out, err = cat(log, *options)
    assert got == status, f"evcat {options}: status {got}, not {status}: {err}"
    assert snapshot(log) == before, "a reader changed the log"
    return out, err


def refuses(log):
    """evappend must append nothing, change nothing, and exit with status 65."""
    before = snapshot(log)
    status, out, err = run("evappend", "--ack", log, data=event(99))
    assert (status, out) == (65, b""), f"evappend: status {status}: {err}"
    assert snapshot(log) == before, "a refusing evappend changed the log"
    return err


def layout_of(log, before=True):
    """For each segment: the size of its header, its blocks, and the lines of each block, and
    all those before it."""
    lines = must(0, "evcat", log).splitlines(keepends=True)
    out = []
    for name in segments(log):
        h, blocks = segment_parse(read(log, name))
        for b in blocks:
            first = b["first_seq"] - 1
            b["lines"] = b"".join(lines[first : first + b["count"]])
            b["before"] = b"".join(lines[:first]) if before else None
        out.append((name, h, blocks))
    return b"".join(lines), out


def stops(log, name, low, high, before, *options):
    """evcat must print what comes before, name an offset in [low, high], and exit with
    status 65."""
    out, err = reads(log, 65, *options)
    assert out == before, f"{len(out)} bytes, not {len(before)}: {err}"
    m = re.search(re.escape(name) + r": damaged at byte (\d+) \(events (\d+) (?:to|and)", err)
    assert m, f"does not say where: {err}"
    assert low <= int(m.group(1)) <= high, f"not in [{low}, {high}]: {err}"
    seq = before.count(b"\n") + 1
    assert int(m.group(2)) == seq, f"not event {seq}: {err}"


def check_flips():
    """A flipped bit in every byte of a segment's blocks and header."""
    build("a.evlog", 3)
    _, [(name, h, blocks)] = layout_of("a.evlog")

    def check(log, at):
        write(log, name, flipped(read(log, name), at))
        if at < h["size"]:
            stops(log, name, 0, h["size"], b"")
        else:
            b = next(b for b in blocks if at < b["end"])
            stops(log, name, b["offset"], b["end"], b["before"])

    Lab("a.evlog").each(range(0, blocks[-1]["end"], STEP), check)


def check_flips_salvaged():
    """--salvage around a flipped bit in every byte of a segment."""
    build("a.evlog", 3)
    whole, [(name, h, blocks)] = layout_of("a.evlog")

    def check(log, at):
        write(log, name, flipped(read(log, name), at))
        out, err = reads(log, 65, "--salvage")
        hit = [b for b in blocks if b["offset"] <= at < b["end"]]
        want = b"".join(b["lines"] for b in blocks if b not in hit)
        # the lines of a block may be delivered if only its header is damaged, or a bit of
        # its frame that does not matter: the frame has a checksum of its own
        assert out in (want, whole), f"salvaged {out!r}"
        assert "damaged at byte" in err, err

    Lab("a.evlog").each(some(range(blocks[-1]["end"]), 2), check)


def check_flips_segments():
    """A flipped bit in the middle one of three segments: everything before it is printed.
    Before and after sealing."""
    _, unsealed = build_kept("a.evlog", 6, "--segment-size", "600")
    flip_middle()
    unseal("a.evlog", unsealed)
    flip_middle()


def flip_middle():
    whole, layout = layout_of("a.evlog")
    assert len(layout) == 3, [x[0] for x in layout]
    name, h, blocks = layout[1]
    before = blocks[0]["before"]

    def check(log, at):
        write(log, name, flipped(read(log, name), at))
        if at < h["size"]:
            stops(log, name, 0, h["size"], before)
        else:
            b = next(b for b in blocks if at < b["end"])
            stops(log, name, b["offset"], b["end"], b["before"])
        out, _ = reads(log, 65, "--salvage")
        hit = [b for b in blocks if b["offset"] <= at < b["end"]]
        want = [b["lines"] for _, _, s in layout for b in s if b not in hit]
        assert out in (b"".join(want), whole), f"salvaged {out!r}"

    cases = list(range(h["size"])) + [b["offset"] + 90 for b in blocks]
    cases += [b["frame"] + 20 for b in blocks]
    Lab("a.evlog").each(cases, check)


def check_flips_head():
    """A flipped bit in every byte of head."""
    build("a.evlog", 4)
    whole = must(0, "evcat", "a.evlog")

    def check(log, at):
        write(log, "head", flipped(read(log, "head"), at))
        out, err = reads(log, 65)
        assert out == whole, f"{len(out)} bytes, not {len(whole)}: {err}"
        assert "/head" in err, err

    used = 144 + 32 * 2  # then zeros and the checksum
    cases = list(range(used)) + some(range(used, SLOT - 8), 7)
    cases += range(SLOT - 8, SLOT)
    # a reader retries for 100 ms, in case a writer is active, so run many at once
    Lab("a.evlog", 80).each([slot * SLOT + at for slot in (0, 1) for at in cases], check)


def check_last_half():
    """-n with one damaged slot of head: the events, and status 65, as without -n."""
    build("a.evlog", 4)
    lines = must(0, "evcat", "a.evlog").splitlines(keepends=True)

    def check(log, case):
        slot, n = case
        write(log, "head", flipped(read(log, "head"), slot * SLOT + 20))
        out, err = reads(log, 65, "-n", str(n))
        assert out == b"".join(lines[-n:]), f"{len(out)} bytes: {err}"

    Lab("a.evlog").each([(s, n) for s in (0, 1) for n in (2, 6, 100)], check)


def check_flips_head_mended():
    """Each field of each slot damaged: the next append loses nothing and repairs head."""
    build("a.evlog", 4)
    whole = must(0, "evcat", "a.evlog")
    fields = [0, 8, 16, 32, 48, 56, 64, 72, 80, 88, 96, 104, 108, 112, 144, 176, 300]

    def check(log, at):
        write(log, "head", flipped(read(log, "head"), at))
        ack = append(log, 7, 1)
        assert ack[0]["from"] == ack[0]["to"] == 7, ack
        out, _ = reads(log, 0)
        assert out.startswith(whole) and numbers(out) == list(range(1, 8))
        head_parse(read(log, "head"))

    Lab("a.evlog").each([s * SLOT + f for s in (0, 1) for f in fields + [2040]], check)


def last_two(log):
    """Where the last two blocks begin and end."""
    whole, layout = layout_of(log)
    name, _, blocks = layout[-1]
    return whole, name, blocks[-2:]


def check_truncated():
    """Truncated at every byte of the last two blocks, with the head that attests them."""
    build("a.evlog", 4)
    whole, name, (x, y) = last_two("a.evlog")

    def check(log, at):
        os.truncate(os.path.join(log, name), at)
        b = x if at < x["end"] else y
        stops(log, name, b["offset"], at, b["before"])
        err = refuses(log)
        assert name in err and "damaged at byte" in err, err

    Lab("a.evlog").each(range(x["offset"], y["end"], STEP), check)


def check_torn():
    """The same truncations, but head does not record the two blocks: they were not
    acknowledged."""
    heads = build("a.evlog", 4)
    whole, name, (x, y) = last_two("a.evlog")
    committed = x["before"]

    def check(log, at):
        path = os.path.join(log, name)
        write(log, "head", heads[1])
        tail = read(log, name)[x["offset"] : at]
        os.truncate(path, at)
        keep = y if at >= x["end"] else x  # whole commits are kept
        good, end = (keep["before"], keep["offset"]) if at < y["end"] else (whole, at)
        out, err = reads(log, 0)
        assert (out, err) == (good, ""), f"more or less than whole commits: {err}"
        with open(os.path.join(log, "head"), "r+b") as f:  # as if somebody were writing
            fcntl.fcntl(f, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
            out, err = reads(log, 0)
        assert (out, err) == (committed, ""), f"more or less than committed: {err}"
        n = good.count(b"\n") + 1
        status, out, err = run("evappend", "--ack", log, data=event(n))
        assert status == 0, f"evappend: {status}: {err}"
        assert json.loads(out)["from"] == n, f"{out}, not {n}"
        aside = [f for f in os.listdir(log) if f.startswith("torn-")]
        if end < at:
            assert aside == [f"torn-{name[:16]}-{end}"], aside
            assert read(log, aside[0]) == tail[end - x["offset"] :], "the torn bytes"
            assert aside[0] in err and err.count("\n") == 1, err
            epochs = [h["epoch"] for h in head_parse(read(log, "head"))]
            assert epochs[0] > head_parse(heads[1])[0]["epoch"], "the epoch is raised"
        else:
            assert aside == [] and err == "", f"{aside} {err}"
        out, _ = reads(log, 0)
        assert out.startswith(good) and numbers(out) == list(range(1, n + 1))
        head_parse(read(log, "head"))
        segment_parse(read(log, name))

    Lab("a.evlog").each([*range(x["offset"], y["end"], STEP), y["end"]], check)


def check_torn_zeros():
    """A tail of zeros, of noise, of half a commit: cut off and set aside."""
    heads = build("a.evlog", 3)
    name = segments("a.evlog")[0]
    whole = must(0, "evcat", "a.evlog")
    bulk = b"".join(event(n, "x" * 1000) for n in range(5, 345))
    must(0, "evappend", "--atomic", "a.evlog", data=bulk)
    big = read("a.evlog", name)
    *_, a, b, c = segment_parse(big)[1]
    assert [x["flags"] for x in (a, b, c)] == [0, 0, 1]
    write("a.evlog", "head", heads[-1])
    start = a["offset"]
    tails = {
        "zeros": bytes(3000),
        "a few zeros": bytes(5),
        "noise": b"".join(sha(b"%d" % i) for i in range(200)),
        "two blocks of a commit without its last": big[start : b["end"]],
        "one block and a half": big[start : b["end"] - 1],
        "a hole of zeros before a good block": big[start : a["offset"] + 200]
        + bytes(a["end"] - a["offset"] - 200)
        + big[a["end"] :],
    }

    def check(log, case):
        write(log, name, big[:start] + tails[case])
        out, _ = reads(log, 0)
        assert out == whole
        status, out, err = run("evappend", "--ack", log, data=event(5))
        assert status == 0, f"{status}: {err}"
        assert json.loads(out)["from"] == 5, out
        assert read(log, f"torn-{name[:16]}-{start}") == tails[case]
        out, _ = reads(log, 0)
        assert numbers(out) == [1, 2, 3, 4, 5]

    Lab("a.evlog").each(tails, check)


def check_torn_creation():
    """A segment whose creation was interrupted at any byte: set aside, and nothing is lost."""
    roll = ["--segment-size", "1"]
    append("a.evlog", 1, 1, *roll)
    files = snapshot("a.evlog")
    append("a.evlog", 2, 1, *roll)
    name = segments("a.evlog")[1]
    p = read("a.evlog", name)
    header = p[: segment_parse(p)[0]["size"]]
    restore("a.evlog", files)  # as it was before its second segment

    def check(log, n):
        write(log, name, header[:n])
        out, _ = reads(log, 0)
        assert numbers(out) == [1]
        append(log, 2, 1, *roll)
        append(log, 3, 1, *roll)
        out, _ = reads(log, 0)
        assert numbers(out) == [1, 2, 3] and len(segments(log)) == 3

    Lab("a.evlog").each(some(range(len(header) + 1), 3) + [len(header)], check)


def check_attested():
    """Head does not record the last three commits.  A flipped bit anywhere in the first of
    them is damage, because a later header says that it was synced: no append, no cut."""
    heads = build("a.evlog", 5)
    whole, layout = layout_of("a.evlog")
    name, _, blocks = layout[0]
    x, y, z = blocks[2:]

    def check(log, case):
        at, end = case
        write(log, "head", heads[1])
        write(log, name, flipped(read(log, name), at)[:end])
        refuses(log)

    spots = range(x["offset"], x["end"], 3)
    cases = [(at, z["end"]) for at in spots]  # all are there
    cases += [(at, z["offset"]) for at in spots]  # the last one was never written
    cases += [(at, z["end"] - 1) for at in spots]  # the last one is torn
    cases += [(at, y["end"] - 1) for at in spots[::5]]  # only a header attests it
    Lab("a.evlog").each(cases, check)


# ---- Sealed segments ----


def subjects(first, count, pad=""):
    """Events with types and subjects, some of which must be escaped."""
    names = ["s%d" % i for i in range(9)] + ['q"t', "caf\u00e9", "", "\u2028"]
    out = []
    for n in range(first, first + count):
        e = {"type": "T%d" % (n % 5), "id": str(n), "source": "/", "data": {"n": n, "text": pad}}
        if n % 6:
            e["subject"] = names[n * n % 13]
        out.append(json.dumps(e).encode() + b"\n")
    return b"".join(out)


def selects(log, lines):
    """Any selection, forwards and backwards, must give the same as a search of all lines.
    lines: those that evcat prints of the log."""
    events = [(json.loads(x), x) for x in lines.splitlines(True)]
    names = sorted({e["subject"] for e, _ in events if "subject" in e} | {"none"})
    cases = [(["-s", x], lambda e, x=x: e.get("subject") == x) for x in names if x]
    for t in "T", "T3", "none":
        cases.append((["-t", t], lambda e, t=t: e["type"] == t))
    cases.append((["-s", "s1", "-t", "T1"], lambda e: (e.get("subject"), e["type"]) == ("s1", "T1")))
    for n in {1, 2, len(events) // 2, len(events)}:
        cases.append((["--from", str(n)], lambda e, n=n: int(e["seq"]) >= n))
        cases.append((["--to", str(n)], lambda e, n=n: int(e["seq"]) <= n))
    for options, wanted in cases:
        want = [x for e, x in events if wanted(e)]
        assert reads(log, 0, *options) == (b"".join(want), ""), options
        assert reads(log, 0, "-r", *options)[0] == b"".join(want[::-1]), ("-r", options)


def check_index():
    """The index of many blocks with filters of all sizes, repeated or (if few are large)
    made smaller; no wanted event may be skipped."""
    index_of("a.evlog", 700, [1, 3, 40, 300, 10**6, 1, 10**6, 20], lambda bits, largest: bits == largest)
    index_of("c.evlog", 300, [40] * 20 + [10**6], lambda bits, largest: 2 * bits == largest)
    index_of("b.evlog", 20, [1] * 30 + [10**6, 10**6, 20], lambda bits, largest: 64 < bits < largest)


def index_of(log, noise, subjects_in, right):
    rng = random.Random(7)
    lines, n = [], 0
    for few in subjects_in:
        for _ in range(1400):
            n += 1
            data = {"n": n, "noise": rng.randbytes(noise).hex()}
            e = {"type": "T%d" % rng.randrange(min(few, 200)), "id": str(n), "source": "/", "data": data}
            e["subject"] = "s%d" % rng.randrange(few)
            e["source"] = "/%d" % rng.randrange(min(few, 50))
            lines.append(json.dumps(e).encode() + b"\n")
    must(0, "evappend", log, data=b"".join(lines))
    append(log, n + 1, 1, "--segment-size", "1")
    whole, layout = layout_of(log, before=False)
    assert [h["sealed"] for _, h, _ in layout] == [True, False]
    sizes = [8 * len(bloom(b["events"])) for b in layout[0][2]]
    bits = u64(read(log, layout[0][0]), layout[0][1]["index"] + 56)
    assert len(sizes) > 30 and min(sizes) < bits and right(bits, max(sizes)), (bits, sizes)
    events = [(json.loads(x), x) for x in whole.splitlines(True)]
    names = ["none", "s0", "s1", "s2", "s19", "s299"] + [e["subject"] for e, _ in events[3:n:4000]]
    for name in names:
        want = b"".join(x for e, x in events if e.get("subject") == name)
        assert reads(log, 0, "-s", name) == (want, ""), name
        assert reads(log, 0, "-r", "-n", "2", "-s", name)[0] == b"".join(want.splitlines(True)[:-3:-1]), name
    for name in "/0", "/2", "/49", "/50":
        want = b"".join(x for e, x in events if e["source"] == name)
        assert reads(log, 0, "--source", name) == (want, ""), name
        want = [x for e, x in events if e["source"] == name and e.get("subject") == "s1"]
        assert reads(log, 0, "-r", "--source", name, "-s", "s1")[0] == b"".join(want[::-1]), name
    for name in "T0", "T2", "T39", "T150", "T200":
        want = b"".join(x for e, x in events if e["type"] == name)
        assert reads(log, 0, "-t", name) == (want, ""), name
        want = b"".join(x for e, x in events if e["type"] == name and e.get("subject") in ("s1", "s2"))
        assert reads(log, 0, "-t", name, "-s", "s1", "-s", "s2") == (want, ""), name


def check_flips_sealed():
    """A flipped bit in every byte of a sealed segment, the middle one of three."""
    for n in range(4):
        must(0, "evappend", "--segment-size", "600", "a.evlog", data=subjects(1 + 8 * n, 8))
    whole, layout = layout_of("a.evlog")
    name, h, blocks = layout[1]
    assert len(layout) >= 3 and h["sealed"], [x[0] for x in layout]
    good = read("a.evlog", name)
    mine = [x for x in whole.splitlines(True) if json.loads(x).get("subject") == "s1"]

    def check(log, at):
        write(log, name, flipped(good, at))
        if at < h["size"]:
            stops(log, name, 0, h["size"], blocks[0]["before"])
        elif at < h["end"]:
            b = next(b for b in blocks if at < b["end"])
            stops(log, name, b["offset"], b["end"], b["before"])
        else:
            assert reads(log, 0) == (whole, ""), "the index is no part of the log"
            assert reads(log, 0, "-s", "s1") == (b"".join(mine), ""), "-s without an index"
            assert reads(log, 0, "-r", "-s", "s1") == (b"".join(mine[::-1]), "")
            assert must(0, "evappend", "--reindex", log) == b""
            assert read(log, name) == good, "--reindex makes it as it was"

    assert len(mine) > 2
    Lab("a.evlog").each(range(0, len(good), STEP), check)


def check_cuts_sealed():
    """A sealed segment truncated at every byte: if bytes before the end in its header are
    missing, that is damage; if only those after it are, it is not."""
    for n in range(4):
        must(0, "evappend", "--segment-size", "600", "a.evlog", data=subjects(1 + 8 * n, 8))
    whole, layout = layout_of("a.evlog")
    name, h, blocks = layout[1]
    good = read("a.evlog", name)

    def check(log, at):
        write(log, name, good[:at] + (b"" if at < len(good) else b"more"))
        if at < h["end"]:
            out, err = reads(log, 65)
            assert out == blocks[0]["before"] and name in err, err
            assert read(log, name) == good[:at]
            assert must(0, "evappend", "-q", log, data=event(99)) == b""
            assert run("evappend", "--reindex", log)[0] == 65
            assert read(log, name) == good[:at], "what is damaged is not sealed"
        else:
            assert reads(log, 0) == (whole, "")
            selects(log, whole) if at % 50 == 0 else None
            assert must(0, "evappend", "--reindex", log) == b""
            assert read(log, name) == good, "--reindex makes it as it was"

    assert len(blocks) == 1
    Lab("a.evlog").each(some(range(len(good)), 3) + [h["end"] - 1, h["end"], len(good)], check)


def sealed_here():
    """A log whose full segments were sealed by this file, with frames of the zstd tool,
    five blocks in the first of them.  Returns its lines."""
    many = ((40, 1), (60, 9000), (700, 900), (80, 11000), (7, 1), (8, 1), (9, 1))
    n, unsealed = 1, {}
    for i, (count, pad) in enumerate(many):
        roll = ["--segment-size", "1"] if i > 4 else []
        must(0, "evappend", "--atomic", *roll, "a.evlog", data=subjects(n, count, "x" * pad))
        n += count
        name = segments("a.evlog")[-1]
        unsealed[name] = read("a.evlog", name)
    lines = must(0, "evcat", "a.evlog")
    for name in segments("a.evlog")[:-1]:
        p = read("a.evlog", name)
        assert p == seal(unsealed[name], segment_parse(p)[1]), "and those of evappend, sealed alike"
        write("a.evlog", name, seal(unsealed[name]))
    return lines


def check_sealed_here():
    """Segments sealed by another program, this one, are read like those of evappend."""
    lines = sealed_here()
    files = snapshot("a.evlog")
    layout = layout_of("a.evlog")
    assert layout[0] == lines and reads("a.evlog", 0, "-v") == (lines, "")
    shape = [(h["sealed"], [b["count"] for b in blocks]) for _, h, blocks in layout[1]]
    assert shape == [(True, [40, 14, 530, 282, 21]), (True, [8]), (False, [9])], shape
    paths = [f"a.evlog/{name}" for name in segments("a.evlog")]
    assert must(0, "zstd", "-dcq", *paths) == lines
    selects("a.evlog", lines)
    must(0, "evappend", "--reindex", "a.evlog")
    kept = {k: v for k, v in snapshot("a.evlog").items() if not k.endswith(".catalogue")}
    assert kept == {k: files[k] for k in kept}, "there was nothing to mend"
    # an index of another segment, or an invalid one, is ignored
    name, h, _ = layout[1][0]
    p = files[name]
    for at, value in ((16, b"\1"), (24, b"another log id.."), (40, b"\2")):
        x = p[h["index"] : h["seek"]]
        table, *rest = index_apart(x)
        x = index_checked(table[:at] + value + table[at + len(value) :], *rest)
        write("a.evlog", name, p[: h["index"]] + x + p[h["seek"] :])
        selects("a.evlog", lines)
        assert "because the index of a segment is damaged or missing" in reads("a.evlog", 0, "-v", "-s", "s1")[1], at
    write("a.evlog", name, p)
    assert reads("a.evlog", 0, "-v", "-s", "s1")[1] == ""
    append("a.evlog", 905, 1)
    assert reads("a.evlog", 0)[0].startswith(lines)


def index_checked(table, groups, tiles):
    """An index with this table (without checksum), these groups of rows and these tiles, with
    correct checksums."""
    more = sum(len(x) + 8 for x in groups) + len(tile_groups(tiles, 0))
    table = struct.pack("<II", u32(table, 0), len(table) + more) + table[8:]
    table = checked(table + bytes(8))
    total = u64(table, len(table) - 8)
    rows = b"".join(x + struct.pack("<Q", (xxh3(x) + g + total) % 2**64) for g, x in enumerate(groups))
    return table + rows + tile_groups(tiles, total)


def index_apart(x):
    """Splits an index into its table, its groups of rows and its tiles."""
    table = 72 + 48 * u32(x, 48)
    width, group = (u32(x, 48) + 7) // 8, 1
    while group < u64(x, 56) and group * width < 512:
        group *= 2
    size = group * width
    end = table + 8 + u64(x, 56) // group * (size + 8)
    groups = [x[at : at + size] for at in range(table + 8, end, size + 8)]
    return x[:table], groups, b"".join(x[at : min(at + 512, len(x) - 8)] for at in range(end, len(x), 520))


def index_with(p, h, i=None, n=None, rows=None, tiles=None, count=None, **fields):
    """A sealed segment whose index has changed fields in entry i, or n entries, or another
    number of bits, or other rows, tiles or number of tiles, with correct checksums."""
    at = {"offset": 0, "first_seq": 8}
    table, groups, kept = index_apart(p[h["index"] : h["seek"]])
    table = bytearray(table)
    if "bits" in fields:
        struct.pack_into("<Q", table, 56, fields.pop("bits"))
    for name, value in fields.items():
        struct.pack_into("<Q", table, 72 + 48 * i + at[name], value % 2**64)
    if n is not None:
        table = (table + bytes(48 * 9))[: 72 + 48 * n]
        struct.pack_into("<I", table, 48, n)
    if rows:
        groups = [rows(x) for x in groups]
    kept = tiles(kept) if tiles else kept
    struct.pack_into("<Q", table, 64, len(kept) // 32 if count is None else count)
    return p[: h["index"]] + index_checked(bytes(table), groups, kept) + p[h["seek"] :]


def seal_with(p, h, **fields):
    """A sealed segment with a changed header and a correct checksum."""
    at = {"end": 0, "last_block": 8, "last_seq": 16, "last_root": 24}
    x = bytearray(p[: h["size"]])
    for name, value in fields.items():
        kind = "32s" if name == "last_root" else "<Q"
        struct.pack_into(kind, x, h["seal"] + at[name], value)
    return checked(bytes(x)) + p[h["size"] :]


def check_sealed_lies():
    """Headers and indexes of sealed segments with false content and correct checksums:
    never an event twice, out of order or from another place, never a crash or a hang."""
    lines = sealed_here()
    whole = lines.splitlines(True)
    name, h, blocks = layout_of("a.evlog")[1][0]
    p = read("a.evlog", name)
    b, last = blocks[1], blocks[-1]
    index_bits = u64(p, h["index"] + 56)
    cases = {
        "end, one less": seal_with(p, h, end=h["end"] - 1),
        "end, one more": seal_with(p, h, end=h["end"] + 1),
        "end, a block less": seal_with(p, h, end=last["offset"], last_block=b["offset"]),
        "end of the file": seal_with(p, h, end=len(p)),
        "end beyond it": seal_with(p, h, end=2**40),
        "end beyond all": seal_with(p, h, end=2**64 - 1),
        "last block": seal_with(p, h, last_block=b["offset"]),
        "no last block": seal_with(p, h, last_block=0),
        "last block inside": seal_with(p, h, last_block=h["end"] - 1),
        "last seq less": seal_with(p, h, last_seq=h["last_seq"] - 1),
        "last seq more": seal_with(p, h, last_seq=h["last_seq"] + 1),
        "last seq, none": seal_with(p, h, last_seq=0),
        "index of one": index_with(p, h, n=1),
        "index of none": index_with(p, h, n=0),
        "index of more": index_with(p, h, n=len(blocks) + 3),
        "offset more": index_with(p, h, 1, offset=b["offset"] + 1),
        "offset of another": index_with(p, h, 1, offset=blocks[2]["offset"]),
        "offset of the header": index_with(p, h, 1, offset=0),
        "offset behind all": index_with(p, h, 1, offset=h["end"]),
        "offset beyond": index_with(p, h, 1, offset=-1),
        "first seq more": index_with(p, h, 1, first_seq=b["first_seq"] + 1),
        "first seq less": index_with(p, h, 1, first_seq=b["first_seq"] - 1),
        "first seq, none": index_with(p, h, 1, first_seq=0),
        "first seq again": index_with(p, h, 2, first_seq=blocks[0]["first_seq"]),
        "first seq beyond": index_with(p, h, 1, first_seq=-1),
        "bits, none": index_with(p, h, bits=0),
        "bits of a byte": index_with(p, h, bits=8),
        "bits, half": index_with(p, h, bits=index_bits // 2),
        "bits, twice": index_with(p, h, bits=index_bits * 2),
        "bits, far more": index_with(p, h, bits=2**31),
        "bits, no power of two": index_with(p, h, bits=index_bits - 1),
        "bits beyond": index_with(p, h, bits=2**32),
        "bits beyond all": index_with(p, h, bits=2**63),
        "tiles of zeros": index_with(p, h, tiles=lambda x: bytes(len(x))),
        "tiles, one less": index_with(p, h, tiles=lambda x: x[32:]),
        "tiles, one more": index_with(p, h, tiles=lambda x: x + bytes(32)),
        "tiles, exchanged": index_with(p, h, tiles=lambda x: x[32:64] + x[:32] + x[64:]),
        "tiles, many": index_with(p, h, count=2**59),
        "tiles beyond all": index_with(p, h, count=2**64 - 1),
        "rows, a byte less": index_with(p, h, rows=lambda x: x[:-1]),
        "rows of ones": index_with(p, h, rows=lambda x: b"\xff" * len(x)),
        "rows of zeros": index_with(p, h, rows=lambda x: bytes(len(x))),
    }

    def check(log, case):
        write(log, name, cases[case])
        for options in ([], ["-s", "s1"], ["-t", "T3"], ["--from", str(b["first_seq"] + 3)]):
            for way in [], ["-r"]:
                argv = ["timeout", "5", "evcat", *way, *options, log]
                status, out, err = run(*argv)
                assert status in (0, 65), f"{argv}: {status}: {err}"
                got = [int(json.loads(x)["seq"]) for x in out.splitlines()]
                assert all(x == whole[n - 1] for n, x in zip(got, out.splitlines(True))), argv
                assert got == sorted(set(got), reverse=bool(way)), f"{argv}: twice, or not in order"
                if "end" in case and not options and not way:
                    assert status == 65, f"{argv}: {status}"
        if "tiles" in case:
            for seq in 767, 768, 800, 880:
                fits(log, seq, [leaf(x[:-1]) for x in whole[:seq]])

    assert len(blocks) >= 3
    Lab("a.evlog").each(cases, check)


def check_sealed_leftover():
    """What an interrupted sealing left under its temporary name: a part, garbage, or, if a
    power cut interrupted the rename, the segment itself."""
    for n in range(3):
        must(0, "evappend", "--segment-size", "600", "a.evlog", data=subjects(1 + 8 * n, 8))
    whole, layout = layout_of("a.evlog")
    name, h, _ = layout[0]
    good = read("a.evlog", name)
    assert h["sealed"]

    def check(log, case):
        write(log, name, good[:-20])  # so that it is sealed again
        left = os.path.join(log, f"seal-{name[:16]}")
        if case == "itself":
            os.link(os.path.join(log, name), left)
        elif case == "a folder":
            os.mkdir(left)
        elif case == "a link":
            os.symlink("head", left)
        else:
            write(log, left[len(log) + 1 :], b"junk" * 3000 if case == "junk" else good[:300])
        status, _, err = run("evappend", "--reindex", log)
        assert must(0, "evcat", log) == whole, err
        head_parse(read(log, "head"))
        if case in ("a folder", "a link"):
            assert status and "seal-" in err, f"{status}: {err}"
            os.rmdir(left) if case == "a folder" else os.unlink(left)
        else:
            assert (status, err) == (0, "") and not os.path.exists(left)
            assert read(log, name) == good

    Lab("a.evlog").each(["a part", "junk", "itself", "a folder", "a link"], check)


def check_sealed_epochs():
    """Blocks of several epochs, and of --no-sync, merged: the epoch is that of the last
    one, and everything counts as synced."""
    build("a.evlog", 2)
    head, name = read("a.evlog", "head"), segments("a.evlog")[0]
    append("a.evlog", 4, 1)
    os.truncate(f"a.evlog/{name}", os.path.getsize(f"a.evlog/{name}") - 3)
    write("a.evlog", "head", head)
    append("a.evlog", 4, 1)
    append("a.evlog", 5, 1, "--no-sync")
    before = read("a.evlog", name)
    _, blocks = segment_parse(before)
    assert [(b["epoch"], b["flags"]) for b in blocks] == [(1, 1), (1, 1), (2, 1), (2, 3)]
    append("a.evlog", 6, 1, "--segment-size", "1")
    after = read("a.evlog", name)
    _, blocks = segment_parse(after)
    assert [b["epoch"] for b in blocks] == [2] and after == seal(before, blocks)
    out, err = reads("a.evlog", 0)
    assert numbers(out) == [1, 2, 3, 4, 5, 6], err
    append("a.evlog", 7, 1)


def check_sealed_cursors():
    """Of the cursors in a segment, the latest of each name and log is kept."""
    append("a.evlog", 1, 12)
    append("other.evlog", 1, 4)
    say = ["--", "sed", "s/.*/{\"type\":\"Out\"}/"]
    for log, name in ("a", "c1"), ("other", "c2"), ("a", "c3"):
        for to in "4", "8", "12":
            argv = ["evrun", "-q", "--batch", "2", "--to", to, "--checkpoint", name]
            must(0, *argv, "--emit", "out.evlog", f"{log}.evlog", *say)
    name = segments("out.evlog")[0]
    before = read("out.evlog", name)
    _, blocks = segment_parse(before)
    cursors = [x for b in blocks for kind, x in b["extensions"] if kind == 4]
    assert len(cursors) > 6, "each commit has one"
    append("out.evlog", 1, 1, "--segment-size", "1")
    after = read("out.evlog", name)
    h, blocks = segment_parse(after)
    assert h["sealed"] and after == seal(before, blocks)
    kept = {x[100:]: u64(x, 48) for kind, x in h["extensions"] if kind == 4}
    assert sorted(kept.values()) == [4, 12, 12] and len(kept) == 3, kept
    append("out.evlog", 2, 1, "--segment-size", "1")
    again = segment_parse(read("out.evlog", segments("out.evlog")[1]))[0]
    assert again["extensions"] == h["extensions"], "the next header has them, too"


# ---- Heads and segments of another log or another time ----


def sizes(log):
    return {name: len(data) for name, data in snapshot(log).items()}


def twins():
    """Two logs with exactly the same sizes, so that only identities distinguish them: the
    events differ in the order of two letters."""
    options = ["--segment-size", "600"]
    must(0, "evappend", "a.evlog")
    must(0, "evappend", "b.evlog")
    for n in range(1, 7):
        must(0, "evappend", *options, "a.evlog", data=event(n, "qx"))
        line = must(0, "evcat", "--from", str(n), "a.evlog").replace(b"qx", b"xq")
        must(0, "evappend", "--replica", *options, "b.evlog", data=line)
    assert sizes("b.evlog") == sizes("a.evlog"), "not of the same sizes"
    a, b = must(0, "evcat", "a.evlog"), must(0, "evcat", "b.evlog")
    assert a != b and a == b.replace(b"xq", b"qx") and len(segments("a.evlog")) == 3


def check_head_missing():
    """No head, an empty one, one of zeros: everything is printed, with status 65; the next
    append writes a new one."""
    build("a.evlog", 6, "--segment-size", "600")
    whole = must(0, "evcat", "a.evlog")

    def check(log, case):
        if case is None:
            os.unlink(os.path.join(log, "head"))
        else:
            write(log, "head", bytes(case))
        out, err = reads(log, 65)
        assert out == whole and "/head" in err, err
        status, out, err = run("evappend", "--ack", log, data=event(10))
        assert status == 0 and json.loads(out)["from"] == 10, f"{status} {out} {err}"
        assert "head" in err, err
        out, _ = reads(log, 0)
        assert out.startswith(whole) and numbers(out) == list(range(1, 11))
        head_parse(read(log, "head"))

    Lab("a.evlog").each([None, 0, 100, 2048, 4096], check)


def check_head_missing_torn():
    """Head is lost and the last append is torn as well: all whole commits are kept."""
    build("a.evlog", 4)
    whole, name, (_, y) = last_two("a.evlog")

    def check(log, at):
        os.unlink(os.path.join(log, "head"))
        os.truncate(os.path.join(log, name), at)
        out, err = reads(log, 65)
        assert out == y["before"], err
        n = out.count(b"\n") + 1
        status, out, err = run("evappend", "--ack", log, data=event(n))
        assert status == 0 and json.loads(out)["from"] == n, f"{status} {out} {err}"
        out, _ = reads(log, 0)
        assert numbers(out) == list(range(1, n + 1))

    Lab("a.evlog").each(range(y["offset"], y["end"], 7), check)


def check_head_missing_sealed():
    """No head, and the last segment is sealed, as in an archive: it ends the log, and the
    next append starts another segment; if it is damaged, nothing is appended."""
    build("a.evlog", 8, "--segment-size", "600")
    os.unlink("a.evlog/head")
    os.unlink(os.path.join("a.evlog", segments("a.evlog")[-1]))
    status, whole, err = cat("a.evlog")
    name = segments("a.evlog")[-1]
    good = read("a.evlog", name)
    h, blocks = segment_parse(good)
    n = whole.count(b"\n") + 1
    assert status == 65 and h["sealed"] and n == h["last_seq"] + 1, err

    def check(log, at):
        if at is not None:
            write(log, name, flipped(good, at) if at >= 0 else good[:at])
        if at is not None and at % len(good) < h["end"]:
            before = snapshot(log)
            status, out, err = run("evappend", "--ack", log, data=event(99))
            assert (status, out) == (65, b"") and name in err, f"evappend: {status}: {err}"
            after = {x: p for x, p in snapshot(log).items() if x != "head"}  # an empty one
            assert after == before, "a refusing evappend changed the log"
            return
        out, _ = reads(log, 65)
        assert out == whole
        assert append(log, n, 1)[0]["from"] == n
        assert segments(log)[-1] == f"{n:016d}.ndjson.zst", "a new segment"
        out, _ = reads(log, 0)
        assert out.startswith(whole) and numbers(out) == list(range(1, n + 1))
        must(0, "evappend", "--reindex", log)
        assert read(log, name) == good

    cuts = [-1, h["end"] - len(good), *range(h["end"] - len(good) - 1, h["size"] - len(good), -9)]
    cases = [None, h["end"], len(good) - 1, *cuts, *range(0, h["end"], 7)]
    Lab("a.evlog").each(cases, check)


def check_head_missing_unattested():
    """No head and nothing that attests anything: no append, and nothing is changed."""
    build("a.evlog", 1)
    name = segments("a.evlog")[0]
    os.unlink("a.evlog/head")
    p = read("a.evlog", name)
    write("a.evlog", name, flipped(p, 168 + 100))
    status, out, err = run("evappend", "a.evlog", data=event(2))
    assert status == 65, f"{status}: {err}"
    assert read("a.evlog", name) == flipped(p, 168 + 100)
    assert segments("a.evlog") == [name], "a new segment"


def check_head_stale():
    """Every older head put back: everything is read unless somebody is writing, and the
    next append finds it.  With sealed segments, and as they were before."""
    heads, unsealed = build_kept("a.evlog", 8, "--segment-size", "900")
    heads_stale(heads)
    unseal("a.evlog", unsealed)
    heads_stale(heads)


def heads_stale(heads):
    whole, layout = layout_of("a.evlog")
    n = whole.count(b"\n") + 1
    assert len(layout) >= 3
    seals = {h["first_seq"]: h["last_seq"] for _, h, _ in layout if h["sealed"]}

    def check(log, i):
        write(log, "head", heads[i])
        out, _ = reads(log, 0)
        assert out == whole
        with open(os.path.join(log, "head"), "r+b") as f:
            fcntl.fcntl(f, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
            out, _ = reads(log, 0)
        old = head_parse(heads[i])[0]
        # a sealed segment records in its own header how far it goes
        assert len(numbers(out)) == seals.get(old["segment"], old["last_seq"])
        assert whole.startswith(out)
        status, out, err = run("evappend", "--ack", log, data=event(n))
        assert status == 0 and json.loads(out)["from"] == n, f"{status} {out} {err}"
        out, _ = reads(log, 0)
        assert out.startswith(whole) and numbers(out) == list(range(1, n + 1))
        assert not [f for f in os.listdir(log) if f.startswith("torn-")]

    Lab("a.evlog").each(range(len(heads)), check)


def check_head_stale_damaged():
    """A stale head names the first segment, whose end is cut off although the header of the
    second attests all of it: no append."""
    heads, unsealed = build_kept("a.evlog", 8, "--segment-size", "900")

    def check(log, at):
        write(log, "head", heads[0])
        os.truncate(os.path.join(log, name), at)
        refuses(log)

    for _ in range(2):  # sealed: its own header attests it; then before it was sealed
        name, _, blocks = layout_of("a.evlog")[1][0]
        last = blocks[-1]
        Lab("a.evlog").each(range(last["offset"], last["end"], 11), check)
        unseal("a.evlog", unsealed)


def check_head_stale_other():
    """A stale head names the segment before the last, whose header names another one as its
    predecessor."""
    heads, unsealed = build_kept("a.evlog", 8, "--segment-size", "600")
    names = segments("a.evlog")
    before = int(names[-2][:16])
    stale = [h for h in heads if head_parse(h)[0]["segment"] == before][-1]
    for _ in range(2):  # sealed, and before it was sealed
        p = read("a.evlog", names[-1])
        size = u32(p, 4) + 8
        header = checked(p[:64] + struct.pack("<Q", int(names[0][:16])) + p[72:size])
        write("a.evlog", names[-1], header + p[size:])
        write("a.evlog", "head", stale)
        err = refuses("a.evlog")
        assert "the segment before it is a different one" in err, err
        reads("a.evlog", 65)
        unseal("a.evlog", unsealed)


def check_head_foreign():
    """The head of another log with exactly the same sizes."""
    twins()
    whole, files = must(0, "evcat", "a.evlog"), snapshot("a.evlog")
    write("a.evlog", "head", read("b.evlog", "head"))
    refuses("a.evlog")
    out, err = reads("a.evlog", 65)
    assert whole.startswith(out), "bytes that are not this log's"
    # one slot of each log: the newer one is from this log
    mine, other = files["head"], read("b.evlog", "head")
    i = head_parse(mine)[0]["generation"] % 2
    half = [other[:SLOT], other[SLOT:]]
    half[i] = mine[i * SLOT : (i + 1) * SLOT]
    write("a.evlog", "head", half[0] + half[1])
    out, err = reads("a.evlog", 65)
    assert out == whole and "/head: " in err, err
    write("a.evlog", "head", files["head"])
    assert must(0, "evcat", "a.evlog") == whole


def missing(mode):
    """Each of four segments missing in turn, sealed and before they were sealed."""
    _, unsealed = build_kept("a.evlog", 8, "--segment-size", "600")
    missing_each(mode)
    unseal("a.evlog", unsealed)
    missing_each(mode)


def missing_each(mode):
    whole, layout = layout_of("a.evlog")
    assert len(layout) == 4
    files = snapshot("a.evlog")

    def check(log, i):
        name, _, blocks = layout[i]
        os.unlink(os.path.join(log, name))
        first, last = blocks[0]["first_seq"], blocks[-1]["first_seq"] + blocks[-1]["count"] - 1
        told = f"{log}/{name} is missing (events {first} to {last})"
        before = b"".join(b["lines"] for _, _, s in layout[:i] for b in s)
        behind = b"".join(b["lines"] for _, _, s in layout[i + 1 :] for b in s)
        if mode == "forwards":
            out, err = reads(log, 65)
            assert out == before, f"{len(out)} bytes, not {len(before)}: {err}"
            assert told in err, err
        elif mode == "salvaged":
            out, err = reads(log, 65, "--salvage")
            assert out == before + behind, f"{len(out)} bytes: {err}"
            assert told in err, err
        elif mode == "backwards":
            out, err = reads(log, 65, "--reverse")
            want = b"".join(reversed(behind.splitlines(keepends=True)))
            assert out == want, f"{len(out)} bytes, not {len(want)}: {err}"
            assert told in err, err
        elif i >= 2:  # the active segment, and the one that its header names
            err = refuses(log)
            assert f"{log}/{name} " in err and "is missing" in err, err
        else:
            status, out, err = run("evappend", "--ack", log, data=event(13))
            assert status in (0, 65), f"evappend: {status}: {err}"
            for other, _, _ in layout:
                if other not in (name, layout[3][0]):
                    assert read(log, other) == files[other], f"{other} was changed"

    Lab("a.evlog").each(range(4), check)


def check_segment_missing():
    missing("forwards")


def check_segment_missing_salvaged():
    missing("salvaged")


def check_segment_missing_backwards():
    missing("backwards")


def check_segment_missing_append():
    missing("append")


def check_segments_exchanged():
    """Two segments of one log exchanged, and each one replaced by another log's of the same
    name and size."""
    twins()
    whole, layout = layout_of("a.evlog")
    names = [x[0] for x in layout]
    other = snapshot("b.evlog")

    def check(log, case):
        i, j = case
        if j is None:
            write(log, names[i], other[names[i]])
        else:
            x, y = read(log, names[i]), read(log, names[j])
            write(log, names[i], y)
            write(log, names[j], x)
        first = i if j is None else min(i, j)
        want = b"".join(b["lines"] for _, _, s in layout[:first] for b in s)
        out, err = reads(log, 65)
        assert out == want, f"{len(out)} bytes, not {len(want)}: {err}"
        out, err = reads(log, 65, "--reverse")
        back = b"".join(reversed(whole.splitlines(keepends=True)))
        assert back.startswith(out), "bytes that are not this log's"
        if len(names) - 1 in case:
            refuses(log)

    last = range(len(names))
    cases = [(i, None) for i in last] + [(i, j) for i in last for j in last if i < j]
    Lab("a.evlog").each(cases, check)


# ---- Forged slots and headers ----


def check_segment_missing_uneven():
    """The segment before a missing one is read to its own end."""
    for i, count in enumerate((200, 1, 30)):
        log = f"{i}.evlog"
        append(log, 1, 90, "--segment-size", "1")
        first = f"{1:016d}.ndjson.zst"
        unsealed = {first: read(log, first)}
        append(log, 91, count, "--segment-size", "1")
        append(log, 91 + count, 1, "--segment-size", "1")
        os.unlink(f"{log}/{91:016d}.ndjson.zst")
        assert numbers(reads(log, 65)[0]) == list(range(1, 91))
        unseal(log, unsealed)
        assert numbers(reads(log, 65)[0]) == list(range(1, 91))


def check_back_lies():
    """The distance back of a block skips one: a reader that goes backwards notices."""
    build("a.evlog", 4)
    _, [(name, _, blocks)] = layout_of("a.evlog")
    p = read("a.evlog", name)
    behind = b"".join(reversed(blocks[3]["lines"].splitlines(True)))
    far = blocks[3]["offset"] - blocks[1]["offset"]
    write("a.evlog", name, block_with(p, blocks[3], back=far))
    out, err = reads("a.evlog", 65, "-r")
    assert out == behind and "events are missing after this block" in err, err


def check_tail_lies():
    """A whole block after head's end that does not continue the log is not part of it."""
    heads = build("a.evlog", 3)
    whole, [(name, _, blocks)] = layout_of("a.evlog")
    p = read("a.evlog", name)
    last = blocks[-1]
    for why, fields in {
        "does not continue": {"first_seq": last["first_seq"] + 1},
        "does not continue the": {"epoch": 0},
        "root does not match": {"root": bytes(32)},
    }.items():
        write("a.evlog", name, block_with(p, last, **fields))
        write("a.evlog", "head", heads[1])
        status, _, err = run("evappend", "a.evlog", data=event(9))
        assert status == 65 and why in err, f"{fields}: {status}: {err}"
        if "root" not in fields:  # readers do not compute roots
            out, err = reads("a.evlog", 65)
            assert out == last["before"] and why in err, f"{fields}: {err}"


def check_successor_junk():
    """A file longer than any header is not an interrupted creation."""
    append("a.evlog", 1, 3)
    whole, _ = reads("a.evlog", 0)
    write("a.evlog", f"{4:016d}.ndjson.zst", bytes(range(1, 251)) * 20)
    out, err = reads("a.evlog", 65)
    assert out == whole and "the segment header is missing" in err, err
    refuses("a.evlog")
    # nor is a short one with a block
    os.unlink(f"a.evlog/{4:016d}.ndjson.zst")
    head = read("a.evlog", "head")
    unsealed = {n: read("a.evlog", n) for n in segments("a.evlog")}
    append("a.evlog", 4, 1, "--segment-size", "1")
    name = segments("a.evlog")[1]
    write("a.evlog", name, flipped(read("a.evlog", name), 60))
    write("a.evlog", "head", head)
    for _ in range(2):
        out, err = reads("a.evlog", 65)
        assert out == whole and "checksum of the segment header" in err, err
        refuses("a.evlog")
        unseal("a.evlog", unsealed)


def check_fork():
    """The next segment of a copy that has diverged: not part of this log."""
    append("a.evlog", 1, 3)
    shutil.copytree("a.evlog", "o.evlog")
    append("a.evlog", 4, 1)
    for _ in range(200):  # of the same size, so that only the root differs
        shutil.rmtree("b.evlog", ignore_errors=True)
        shutil.copytree("o.evlog", "b.evlog")
        append("b.evlog", 9, 1)
        if sizes("a.evlog") == sizes("b.evlog"):
            break
    whole, _ = reads("a.evlog", 0)
    head = read("a.evlog", "head")
    unsealed = {n: read("a.evlog", n) for n in segments("a.evlog")}
    for log in "a.evlog", "b.evlog":
        append(log, 5, 1, "--segment-size", "1")
    name = segments("b.evlog")[1]
    write("a.evlog", name, read("b.evlog", name))
    newer = read("a.evlog", "head")
    for _ in range(2):
        write("a.evlog", "head", newer)
        out, err = reads("a.evlog", 65)
        assert out == whole and "does not continue the log" in err, err
        write("a.evlog", "head", head)
        out, err = reads("a.evlog", 65)
        assert out == whole and "does not continue the log" in err, err
        refuses("a.evlog")
        unseal("a.evlog", unsealed)


def check_head_lies():
    """Head records more events than there are: the log must not seem to end normally."""
    append("a.evlog", 1, 1)
    write("a.evlog", "head", head_with(read("a.evlog", "head"), last_seq=2))
    out, err = reads("a.evlog", 65)
    assert numbers(out) == [1] and "events are missing at the end" in err, err


def check_segment_renamed():
    """A segment under the name of another: reported, whichever way a reader gets to it."""
    _, unsealed = build_kept("a.evlog", 8, "--segment-size", "600")
    _, layout = layout_of("a.evlog")
    name, h, _ = layout[2]
    wrong = h["first_seq"] + 1
    other = f"{wrong:016d}.ndjson.zst"
    os.rename(f"a.evlog/{name}", f"a.evlog/{other}")
    for _ in range(2):
        for options in [], ["--from", str(wrong)], ["-r"], ["--salvage"]:
            _, err = reads("a.evlog", 65, *options)
        assert "the header belongs to another segment" in reads("a.evlog", 65)[1]
        unsealed[other] = unsealed.pop(name, None) or unsealed[other]
        unseal("a.evlog", unsealed)


def slot_with(p, **fields):
    """A slot with some fields changed and a correct checksum."""
    at = {"boot_id": 32, "flags": 104, "committed": 64, "durable": 72, "generation": 8}
    at["last_seq"] = 88
    p = bytearray(p)
    for name, value in fields.items():
        v = value if isinstance(value, bytes) else None
        v = v or struct.pack("<I" if name == "flags" else "<Q", value)
        p[at[name] : at[name] + len(v)] = v
    return checked(bytes(p))


def head_with(p, **fields):
    return slot_with(p[:SLOT], **fields) + slot_with(p[SLOT:], **fields)


def segment_write(log, name, p):
    """Replaces the active segment, and says in head where it ends now."""
    write(log, name, p)
    write(log, "head", head_with(read(log, "head"), committed=len(p), durable=len(p)))


def check_poisoned():
    """A poisoned segment is never appended to: a new one records where it ended."""
    poisoned(False)


def check_poisoned_plain():
    """zstdcat of such a log prints what was committed, and nothing else."""
    poisoned(True)


def poisoned(plainly):
    build("a.evlog", 3)
    name = segments("a.evlog")[0]
    whole, good = must(0, "evcat", "a.evlog"), read("a.evlog", name)
    head = read("a.evlog", "head")
    append("a.evlog", 5, 1)  # written, and then its sync failed
    tail = read("a.evlog", name)

    tails = {"nothing": good, "a whole block": tail, "a torn block": tail[:-1]}

    def check(log, case):
        p = tails[case]
        write(log, "head", head_with(head, flags=1))
        write(log, name, p)
        out, _ = reads(log, 0)
        assert out == whole, "poison hides nothing that was committed"
        kept = f"{log}.{name}"  # the file itself, whatever takes over its name
        if os.path.exists(kept):
            os.unlink(kept)
        os.link(os.path.join(log, name), kept)
        status, out, err = run("evappend", "--ack", log, data=event(5))
        assert status == 0 and json.loads(out)["from"] == 5, f"{status} {out} {err}"
        assert segments(log) == [name, "0000000000000005.ndjson.zst"]
        with open(kept, "rb") as f:
            left = f.read()
        assert left[: len(good)] == good, "the poisoned segment was changed"
        assert len(left) <= len(p), "the poisoned segment has grown"
        h, blocks = segment_parse(read(log, name))
        assert h["sealed"] and b"".join(b["raw"] for b in blocks) == whole, "sealed as it was"
        h, _ = segment_parse(read(log, segments(log)[1]))
        assert (h["previous"], h["previous_size"]) == (1, len(good))
        append(log, 6, 1)
        out, _ = reads(log, 0)
        assert out.startswith(whole) and numbers(out) == list(range(1, 7))
        assert len(segments(log)) == 2 and head_parse(read(log, "head"))[0]["flags"] == 0
        if plainly:
            paths = [os.path.join(log, s) for s in segments(log)]
            assert must(0, "zstd", "-dcq", *paths) == out, "what was never acknowledged"

    Lab("a.evlog").each(tails, check)


def check_poisoned_chain():
    """Segments after a poisoned one, and a head older than they are: none is overwritten,
    sealed or not."""
    build("a.evlog", 2)  # three events
    first = segments("a.evlog")[0]
    good, head = read("a.evlog", first), read("a.evlog", "head")
    append("a.evlog", 99, 1)  # written, and then its sync failed
    tail = read("a.evlog", first)
    write("a.evlog", first, good)
    write("a.evlog", "head", head_with(head, flags=1))
    kept = {}
    for n in range(4, 8):  # one segment each
        append("a.evlog", n, 1, "--segment-size", "1")
        name = segments("a.evlog")[-1]
        kept[name] = read("a.evlog", name)
    names, whole = segments("a.evlog"), must(0, "evcat", "a.evlog")
    assert len(names) == 5 and numbers(whole) == list(range(1, 8))

    def check(log, case):
        sealed, poisoned = case
        if not sealed:
            unseal(log, kept)
        write(log, first, poisoned)
        write(log, "head", head_with(head, flags=1))
        for options in [], ["--reverse"]:
            out, err = reads(log, 0, *options)
            assert sorted(out.splitlines()) == whole.splitlines(), err
        acks = append(log, 8, 1, "--segment-size", "1")
        assert acks[0]["from"] == 8, acks
        append(log, 9, 1)
        out, _ = reads(log, 0)
        assert out.startswith(whole) and numbers(out) == list(range(1, 10))
        assert head_parse(read(log, "head"))[0]["flags"] == 0
        paths = [os.path.join(log, s) for s in segments(log)]
        assert must(0, "zstd", "-dcq", *paths) == out, "what was never acknowledged"

    Lab("a.evlog").each([(s, p) for s in (False, True) for p in (good, tail, tail[:-3])], check)
    for gone in names[1:-1]:
        restored = snapshot("a.evlog")
        write("a.evlog", "head", head_with(head, flags=1))
        unseal("a.evlog", kept)
        os.unlink(f"a.evlog/{gone}")
        out, err = reads("a.evlog", 65)
        assert f"{gone} is missing" in err and whole.startswith(out), err
        _, err = reads("a.evlog", 65, "--reverse")
        assert f"{gone} is missing" in err, err
        assert f"{gone} is missing" in refuses("a.evlog")
        restore("a.evlog", restored)


def check_poisoned_empty_older():
    """The segment that replaced a poisoned one without events has some, and head is older
    than it."""
    must(0, "evappend", "a.evlog")
    name = segments("a.evlog")[0]
    head = head_with(read("a.evlog", "head"), flags=1)
    write("a.evlog", "head", head)
    append("a.evlog", 1, 2)
    whole = must(0, "evcat", "a.evlog")
    append("b.evlog", 1, 1)
    for boot in (None, b"another boot id!"):
        write("a.evlog", "head", head_with(head, boot_id=boot) if boot else head)
        out, _ = reads("a.evlog", 0)
        assert out == whole, "acknowledged events are not read"
        append("a.evlog", whole.count(b"\n") + 1, 1)
        out, _ = reads("a.evlog", 0)
        assert out.startswith(whole) and numbers(out) == list(range(1, whole.count(b"\n") + 2))
        assert segments("a.evlog") == [name]
        whole = out


def check_poisoned_empty():
    """A poisoned segment without any event."""
    must(0, "evappend", "a.evlog")
    name = segments("a.evlog")[0]
    old = os.stat(f"a.evlog/{name}").st_ino
    write("a.evlog", "head", head_with(read("a.evlog", "head"), flags=1))
    append("a.evlog", 1, 1)
    assert os.stat(f"a.evlog/{name}").st_ino != old, "the poisoned file is still in use"
    assert os.stat("a.evlog/torn-0000000000000001-0.1").st_ino == old, "it is kept"
    append("a.evlog", 2, 1)
    assert numbers(must(0, "evcat", "a.evlog")) == [1, 2]


def check_rebooted():
    """After a power cut, head may be older than what was acknowledged."""
    rebooted(["whole", "torn"])


def check_rebooted_damaged():
    """The same, and a block after head's end is damaged: no append."""
    rebooted(["bad at the end", "offset", "frame"], "append")


def check_rebooted_damaged_read():
    """A reader must not take that for a normal end either."""
    rebooted(["bad at the end", "offset", "frame"], "read")


def rebooted(cases, mode=None):
    heads = build("a.evlog", 5)
    whole, layout = layout_of("a.evlog")
    name, _, blocks = layout[0]
    n = whole.count(b"\n") + 1
    old = head_with(heads[1], boot_id=b"another boot id!")
    y, z = blocks[-2:]
    p = read("a.evlog", name)

    def check(log, case):
        write(log, "head", old)
        if case == "whole":
            out, _ = reads(log, 0)
            assert out == whole, "readers count whole commits that head did not learn of"
            append(log, n, 1)
            out, _ = reads(log, 0)
            assert numbers(out) == list(range(1, n + 1))
        elif case == "torn":
            write(log, name, p[:-5])
            out, _ = reads(log, 0)
            assert out == z["before"]
            status, _, err = run("evappend", log, data=event(z["first_seq"]))
            assert status == 0, f"{status}: {err}"
            assert "power cut" in err and "acknowledged commit" in err, err
            out, _ = reads(log, 0)
            assert numbers(out) == list(range(1, z["first_seq"] + 1))
        else:
            # damaged, complete in length, no zero sector; or attested by a later header
            at = z["frame"] + 30 if case == "bad at the end" else blocks[2][case]
            write(log, name, flipped(p, at))
            hit = next(b for b in blocks if at < b["end"])
            if mode == "append":
                refuses(log)
            else:
                stops(log, name, hit["offset"], hit["end"], hit["before"])

    Lab("a.evlog").each(cases, check)


def check_rebooted_segments_read():
    """After a power cut, head names an older segment, and a later one is damaged or
    missing: the log must never seem to end normally."""
    rebooted_segments("read")


def check_rebooted_segments_append():
    """The same: no append, which would use seqs twice."""
    rebooted_segments("append")


def rebooted_segments(mode):
    heads, unsealed = build_kept("a.evlog", 8, "--segment-size", "600")
    whole, layout = layout_of("a.evlog")
    old = head_with(heads[0], boot_id=b"another boot id!")
    write("a.evlog", "head", old)
    assert must(0, "evcat", "a.evlog") == whole
    rebooted_each(mode, layout)
    unseal("a.evlog", unsealed)
    assert must(0, "evcat", "a.evlog") == whole
    rebooted_each(mode, layout_of("a.evlog")[1])


def rebooted_each(mode, layout):

    def check(log, case):
        i, at = case
        name, h, blocks = layout[i]
        p = read(log, name)
        if at == "missing":
            os.unlink(os.path.join(log, name))
            want = blocks[0]["before"]
        elif at == "header":
            write(log, name, flipped(p, 60))
            want = blocks[0]["before"]
        elif at == "cut":
            write(log, name, p[: h["end"] - 1])
            want = blocks[-1]["before"]
        else:
            write(log, name, flipped(p, blocks[-1]["offset"] + 60))
            want = blocks[-1]["before"]
        if mode == "append":
            refuses(log)
            return
        out, err = reads(log, 65)
        assert out == want, f"{len(out)} bytes, not {len(want)}: {err}"

    kinds = ["missing", "header", "cut", "block"]
    Lab("a.evlog").each([(i, k) for i in (1, 2) for k in kinds] + [(0, "cut")], check)


def check_rebooted_unfinished():
    """After a power cut, a segment whose creation was interrupted is not damage, forwards
    or backwards, and neither is a head that is behind, for a follower."""
    heads = build("a.evlog", 4)
    whole, _ = reads("a.evlog", 0)
    n = whole.count(b"\n")
    write("a.evlog", "head", head_with(heads[1], boot_id=b"another boot id!"))
    write("a.evlog", f"{n + 1:016d}.ndjson.zst", b"")
    for options in [], ["-n", str(n)], ["--salvage"], ["--follow", "-c", str(n)]:
        out, err = reads("a.evlog", 0, *options)
        assert (out, err) == (whole, ""), f"{options}: {err}"
    out, _ = reads("a.evlog", 0, "-r")
    assert out.splitlines() == whole.splitlines()[::-1]
    p = subprocess.Popen(["evcat", "-f", "-c", str(n + 1), "a.evlog"], stdout=subprocess.PIPE)
    time.sleep(0.3)
    append("a.evlog", n + 1, 1)
    out = p.communicate(timeout=20)[0]
    assert p.returncode == 0 and out.startswith(whole) and out.count(b"\n") == n + 1


def check_rebooted_unsynced():
    """--no-sync, then a power cut that took some of it: readers and writers report it."""
    append("a.evlog", 1, 2)
    size = os.path.getsize(os.path.join("a.evlog", segments("a.evlog")[0]))
    append("a.evlog", 3, 2, "--no-sync")
    os.truncate(os.path.join("a.evlog", segments("a.evlog")[0]), size)
    write("a.evlog", "head", head_with(read("a.evlog", "head"), boot_id=b"another boot id!"))
    out, err = reads("a.evlog", 65)
    assert numbers(out) == [1, 2]
    assert "events 3 to 4 were appended with --no-sync and lost" in err, err
    status, _, err = run("evappend", "a.evlog", data=event(3))
    assert status == 0 and "events 3 to 4 were appended with --no-sync and lost" in err, err
    out, _ = reads("a.evlog", 0)
    assert numbers(out) == [1, 2, 3]


def check_headless():
    """Without head, whatever else is damaged, everything before the damage is read."""
    build("a.evlog", 8, "--segment-size", "600")
    whole, layout = layout_of("a.evlog")
    name, _, blocks = layout[-1]
    os.unlink("a.evlog/head")
    write("a.evlog", name, flipped(read("a.evlog", name), 60))
    out, err = reads("a.evlog", 65)
    assert out == blocks[0]["before"], err
    # and if the beginning is lost, the rest can be read from its first seq on
    build("b.evlog", 8, "--segment-size", "600")
    whole, layout = layout_of("b.evlog")
    os.unlink(os.path.join("b.evlog", layout[0][0]))
    first = layout[1][1]["first_seq"]
    out, err = reads("b.evlog", 0, "--from", str(first))
    assert out == b"".join(whole.splitlines(True)[first - 1 :]), err
    reads("b.evlog", 65, "--from", str(first - 1))


def check_follower():
    """A log replaced under its follower: status 76, and no events of the other one."""
    for case in "another", "fork", "emptied", "older":
        build("a.evlog", 2)
        shutil.copytree("a.evlog", "b.evlog")
        append("a.evlog", 4, 1)
        p = subprocess.Popen(
            ["evcat", "-f", "a.evlog"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        time.sleep(0.3)
        if case == "another":
            shutil.rmtree("b.evlog")
            build("b.evlog", 6)
        elif case != "older":
            append("b.evlog", 44, 3)
        files = {"head": read("b.evlog", "head")}
        if case != "emptied":
            files.update({n: read("b.evlog", n) for n in segments("b.evlog")})
        for n in segments("a.evlog"):
            if case == "emptied":
                os.unlink(os.path.join("a.evlog", n))
        for n in sorted(files):  # in place, with head last
            if n != "head":
                write("a.evlog", n, files[n])
        write("a.evlog", "head", files["head"])
        out, err = p.communicate(timeout=20)
        assert p.returncode == 76, f"{case}: {p.returncode}, {err}"
        assert numbers(out) == [1, 2, 3, 4], case
        shutil.rmtree("a.evlog")
        shutil.rmtree("b.evlog")


def check_follower_sealed():
    """A log replaced under its follower by a fork with sealed segments: the same files
    rewritten, or other files under their names."""
    for way in "in place", "by name":
        append("a.evlog", 1, 3)
        shutil.copytree("a.evlog", "b.evlog")
        append("a.evlog", 4, 1)
        append("b.evlog", 44, 2)
        append("b.evlog", 46, 1, "--segment-size", "1")
        p = subprocess.Popen(
            ["evcat", "-f", "a.evlog"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        time.sleep(0.3)
        for n in [*segments("b.evlog"), "head"]:
            if way == "by name" and n != "head":
                write("a.evlog", "new", read("b.evlog", n))
                os.rename("a.evlog/new", f"a.evlog/{n}")
            else:
                write("a.evlog", n, read("b.evlog", n))
        out, err = p.communicate(timeout=20)
        assert p.returncode in (65, 76), f"{way}: {p.returncode}, {err}"
        assert numbers(out) == [1, 2, 3, 4], way
        shutil.rmtree("a.evlog")
        shutil.rmtree("b.evlog")


def check_follower_empty():
    """The same while there was nothing to follow yet."""
    for case, status in ("another", 76), ("emptied", 65):
        must(0, "evappend", "a.evlog")
        shutil.copytree("a.evlog", "b.evlog")
        if case == "another":
            shutil.rmtree("b.evlog")
        append("b.evlog", 1, 2)
        p = subprocess.Popen(
            ["evcat", "-f", "a.evlog"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        time.sleep(0.3)
        name = segments("a.evlog")[0]
        if case == "another":
            write("a.evlog", name, read("b.evlog", name))
        else:
            os.unlink(f"a.evlog/{name}")
        write("a.evlog", "head", read("b.evlog", "head"))
        out, err = p.communicate(timeout=20)
        assert (p.returncode, out) == (status, b""), f"{case}: {p.returncode}, {err}"
        shutil.rmtree("a.evlog")
        shutil.rmtree("b.evlog")


def check_follower_undone():
    """A commit that a follower may have read, and that its writer cut off again: another
    one is then in its place."""
    append("a.evlog", 1, 1)
    name = segments("a.evlog")[0]
    size, head = len(read("a.evlog", name)), read("a.evlog", "head")
    append("a.evlog", 22, 1)
    with open("a.evlog/head", "r+b") as f:
        f.write(head)
        f.flush()
        fcntl.fcntl(f, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
        argv = ["timeout", "20", "evcat", "-f", "-c", "2", "a.evlog"]
        p = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.3)
        os.truncate(f"a.evlog/{name}", size)
    append("a.evlog", 33, 1)
    out, err = p.communicate()
    assert (p.returncode, numbers(out)) == (0, [1, 33]), f"{p.returncode}, {err}"


def check_no_blocks():
    """A segment without blocks, though its successor says where it ends, is not sealed."""
    append("a.evlog", 1, 1)
    append("a.evlog", 2, 1, "--segment-size", "1")
    first, second = segments("a.evlog")
    p, q = segment_parse(read("a.evlog", first))[0], bytearray(read("a.evlog", second))
    write("a.evlog", first, header_without_seal(read("a.evlog", first), p))
    struct.pack_into("<QQ", q, 72, len(read("a.evlog", first)), 0)
    size = u32(q, 4) + 8
    write("a.evlog", second, checked(bytes(q[:size])) + bytes(q[size:]))
    status, _, err = run("evappend", "--reindex", "a.evlog")
    assert status == 65 and "it has no blocks" in err, f"{status}: {err}"
    assert sorted(os.listdir("a.evlog")) == sorted([first, second, "head", "lock"])


def header_without_seal(p, h):
    """The header of a sealed segment as it was before, and nothing after it."""
    x = bytearray(p[: h["seal"]] + bytes(8)) if h["sealed"] else bytearray(p[: h["size"]])
    struct.pack_into("<I", x, 4, len(x) - 8)
    struct.pack_into("<I", x, 20, 0)
    return checked(bytes(x))


def check_lines():
    """A block whose lines are not those that its header promises, with correct checksums."""
    append("a.evlog", 1, 3)
    name = segments("a.evlog")[0]
    p = read("a.evlog", name)
    b = segment_parse(p)[1][0]
    lines = must(0, "zstd", "-dcq", data=b["bytes"]).splitlines(True)
    for case, raw in {
        "an empty line": b"\n".join([lines[0], b"", *lines[1:]]),
        "one less": lines[0] + lines[1],
        "one twice": lines[0] + lines[1] + lines[1],
        "exchanged": lines[0] + lines[2] + lines[1],
        "cut off": (lines[0] + lines[1] + lines[2])[:-1],
    }.items():
        frame = must(0, "zstd", "-cq", "--stream-size", str(len(raw)), data=raw)
        h = bytearray(p[b["offset"] : b["frame"]])
        h[68:76] = struct.pack("<II", len(raw), len(frame))
        h[80:88] = struct.pack("<Q", xxh3(frame))
        write("a.evlog", name, p[: b["offset"]] + checked(bytes(h)) + frame)
        size = len(h) + len(frame) + b["offset"]
        old = head_with(read("a.evlog", "head"), committed=size, durable=size)
        write("a.evlog", "head", old)
        status, out, err = cat("a.evlog")
        assert (status, out) == (65, b"") and "do not match its header" in err, (case, err)


def block_with(p, b, **fields):
    """The segment with a changed header of block b and a correct checksum."""
    at = {"version": 16, "flags": 20, "count": 64, "raw_size": 68, "packed_size": 72}
    at.update({"first_seq": 56, "segment": 40, "log_id": 24, "epoch": 48})
    at.update({"first_logtime": 88, "size": 4, "back": 76, "root": 128})
    h = bytearray(p[b["offset"] : b["frame"]])
    for name, value in fields.items():
        wide = name in ("first_seq", "segment", "epoch", "first_logtime")
        kind = {"log_id": "16s", "root": "32s"}.get(name, "<Q" if wide else "<I")
        struct.pack_into(kind, h, at[name], value)
    return p[: b["offset"]] + checked(bytes(h)) + p[b["frame"] :]


def check_refused():
    """Unknown flags and versions, and false sizes, with correct checksums."""
    build("a.evlog", 4)
    _, [(name, h, blocks)] = layout_of("a.evlog")
    b = blocks[2]
    p = read("a.evlog", name)
    cases = {
        "flag": {"flags": 1 | 8},
        "last flag": {"flags": 1 | 1 << 15},
        "version": {"version": 3},
        "no event": {"count": 0},
        "too many": {"count": 2**32 - 1},
        "raw size": {"raw_size": b["raw_size"] + 1},
        "raw size of 1 GiB": {"raw_size": 1 << 30},
        "raw size of 4 GiB": {"raw_size": 2**32 - 1},
        "packed size": {"packed_size": b["packed_size"] - 1},
        "packed size over the end": {"packed_size": 2**32 - 1},
        "seq": {"first_seq": b["first_seq"] + 1},
        "seq again": {"first_seq": b["first_seq"] - 1},
        "segment": {"segment": 2},
        "log": {"log_id": b"of another log.."},
        "epoch": {"epoch": 0},
        "logtimes": {"first_logtime": 2**62},
        "length": {"size": 8},
    }

    def check(log, case):
        write(log, name, block_with(p, b, **cases[case]))
        if "flag" in case or case == "version":
            out, err = reads(log, 65)
            assert out == b["before"], f"{len(out)} bytes, not {len(b['before'])}: {err}"
            assert name in err and "newer evlog" in err, err
        else:
            stops(log, name, b["offset"], b["end"], b["before"])
        reads(log, 65, "--salvage")
        if "GiB" in case and not SANITIZED:  # nor is memory allocated for a false size
            must(65, "bash", "-c", f"ulimit -v 200000; evcat {log}")

    Lab("a.evlog").each(cases, check)
    if not SANITIZED:  # a frame of 2 GiB, in a file that is as large
        write("a.evlog", name, block_with(p, b, packed_size=1 << 31))
        os.truncate(f"a.evlog/{name}", 1 << 32)
        head = read("a.evlog", "head")
        write("a.evlog", "head", head_with(head, committed=1 << 32, durable=1 << 32))
        must(65, "bash", "-c", "ulimit -v 200000; evcat a.evlog")
        write("a.evlog", "head", head)
    bad = bytearray(p[: h["size"]])
    for kind, at, value in (
        ("<I", 16, 3),  # version
        ("<I", 20, 2),  # flags: sealed, but without an end
        ("<I", 20, 1),
        ("<I", 20, 8),
        ("<Q", 40, 2),  # first seq
        ("<Q", 88, 1),  # events before it: more hashes than there are
        ("<Q", 88, 2**60),
        ("<Q", 88, 2**63 - 1),
        ("16s", 24, b"of another log.."),
    ):
        q = bytearray(bad)
        struct.pack_into(kind, q, at, value)
        write("a.evlog", name, checked(bytes(q)) + p[h["size"] :])
        assert reads("a.evlog", 65)[0] == b""
        assert run("evappend", "a.evlog", data=event(9))[0] == 65
    q = bytearray(p[: h["size"] - 8] + bytes(64))  # with the size of a sealed header, but not one
    struct.pack_into("<I", q, 4, len(q) - 8)
    write("a.evlog", name, checked(bytes(q)) + p[h["size"] :])
    assert reads("a.evlog", 65)[0] == b""
    write("a.evlog", name, p)
    write("a.evlog", "head", head_with(read("a.evlog", "head"), flags=8))
    assert "newer evlog" in reads("a.evlog", 65)[1], "an unknown flag in head"


def check_extension():
    """A block header extension of unknown type is skipped."""
    append("a.evlog", 1, 2)
    name = segments("a.evlog")[0]
    p = read("a.evlog", name)
    b = segment_parse(p)[1][0]
    whole = must(0, "evcat", "a.evlog")
    h = bytearray(p[b["offset"] : b["frame"] - 8])
    more = struct.pack("<HHI", 999, 0, 5) + b"hello"
    struct.pack_into("<I", h, 4, len(h) + len(more))
    h = checked(bytes(h) + more + bytes(8))
    segment_write("a.evlog", name, p[: b["offset"]] + h + p[b["frame"] :])
    assert reads("a.evlog", 0)[0] == whole
    append("a.evlog", 3, 1)
    assert numbers(reads("a.evlog", 0)[0]) == [1, 2, 3]
    must(0, "zstd", "-tq", f"a.evlog/{name}")
    for lie in struct.pack("<HHI", 999, 0, 6), struct.pack("<HHI", 999, 0, 2**32 - 1), b"12345":
        h = bytearray(p[b["offset"] : b["frame"] - 8])
        more = lie + b"hello"
        struct.pack_into("<I", h, 4, len(h) + len(more))
        segment_write("a.evlog", name, p[: b["offset"]] + checked(bytes(h) + more + bytes(8)) + p[b["frame"] :])
        out, err = reads("a.evlog", 65)
        assert out == b"" and "impossible extensions" in err, err
    # what a newer evlog wrote is not called damaged, however it looks
    lie = struct.pack("<HHI", 0x8000, 0, 0) + b"12345"
    h = bytearray(p[b["offset"] : b["frame"] - 8])
    struct.pack_into("<I", h, 4, len(h) + len(lie))
    segment_write("a.evlog", name, p[: b["offset"]] + checked(bytes(h) + lie + bytes(8)) + p[b["frame"] :])
    out, err = reads("a.evlog", 65)
    assert out == b"" and "newer evlog" in err, err


def header_with(p, h, extensions, **fields):
    """A segment header with other flags or version, and with these extensions."""
    x = bytearray(p[: h["size"] - 8] + extensions + bytes(8))
    struct.pack_into("<I", x, 4, len(x) - 8)
    for name, value in fields.items():
        struct.pack_into("<I", x, {"version": 16, "flags": 20}[name], value)
    return checked(bytes(x))


# What a program of this version does with features that it does not know, by the bit of a
# flag, or by the type of an extension.
CLASSES = {
    "refused": ([15, 8], [0x8000, 0xFFFF]),
    "read": ([17, 23], [0x4000, 0x7FFF]),
    "ignored": ([24, 31], [999, 0x3FFF]),
}


def check_features():
    """Flags and extensions that do not exist yet: in head, in the headers of a segment and of
    a block.  They are read and appended to, only read, or refused, but never damage."""

    def head_flag(log, bit, _):
        build(log, 3)
        write(log, "head", head_with(read(log, "head"), flags=1 << bit))

    def segment_flag(log, bit, _):
        build(log, 3)
        name = segments(log)[0]
        p = read(log, name)
        h = segment_parse(p)[0]
        write(log, name, header_with(p, h, b"", flags=1 << bit) + p[h["size"] :])

    def segment_extension(log, _, kind):
        must(0, "evappend", log)
        name = segments(log)[0]
        p = read(log, name)
        h = segment_parse(p)[0]
        segment_write(log, name, header_with(p, h, struct.pack("<HHI", kind, 0, 3) + b"new"))

    def block_flag(log, bit, _):
        build(log, 3)
        name = segments(log)[0]
        p = read(log, name)
        write(log, name, block_with(p, segment_parse(p)[1][1], flags=1 | 1 << bit))

    def block_extension(log, _, kind):
        append(log, 1, 2)
        name = segments(log)[0]
        p = read(log, name)
        b = segment_parse(p)[1][0]
        x = bytearray(p[b["offset"] : b["frame"] - 8])
        x += struct.pack("<HHI", kind, 0, 3) + b"new" + bytes(8)
        struct.pack_into("<I", x, 4, len(x) - 8)
        segment_write(log, name, p[: b["offset"]] + checked(bytes(x)) + p[b["frame"] :])

    def version(log, _, __):
        build(log, 3)
        name = segments(log)[0]
        p = read(log, name)
        write(log, name, block_with(p, segment_parse(p)[1][0], version=3))

    makers = [head_flag, segment_flag, segment_extension, block_flag, block_extension]
    for i, (verdict, bits_and_kinds) in enumerate(CLASSES.items()):
        for make in makers + ([version] if verdict == "refused" else []):
            for bit, kind in zip(*bits_and_kinds):
                log = f"{make.__name__}-{bit}.evlog"
                make(log, bit, kind)
                what = f"{make.__name__} {bit} {kind:#x}"
                status, out, err = cat(log)
                assert "damaged" not in err and "torn" not in err, f"{what}: {err}"
                assert status == (65 if verdict == "refused" else 0), f"{what}: {status}: {err}"
                if status:
                    assert "needs a newer evlog" in err, f"{what}: {err}"
                else:
                    assert run("zstdcat", *(f"{log}/{n}" for n in segments(log)))[1] == out, what
                early = make in (block_flag, block_extension, version)
                if verdict == "ignored" or early:
                    # whoever appends does not look at blocks that head says are committed
                    append(log, 4, 1)
                else:
                    assert "needs a newer evlog" in refuses(log), what
                if verdict == "ignored" or (early and verdict == "read"):
                    assert len(must(0, "evcat", log)) > len(out), what
                    append(log, 5, 1, "--segment-size", "1")
                if early and verdict == "read":
                    before = snapshot(log)
                    status, _, err = run("evappend", "--reindex", log)
                    assert status == 65 and "newer evlog" in err, f"{what}: {status}: {err}"
                    assert {**snapshot(log), **before} == snapshot(log), f"{what}: rewritten"
    # evlog 0.1 had no classes: any other flag in its head is of a newer version
    for bit in (3, 15, 16, 31):
        log = f"old-{bit}.evlog"
        shutil.copytree(os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden/0.1/plain.evlog"), log)
        p = bytearray(read(log, "head"))
        for slot in (0, SLOT):
            assert p[slot + 7] == ord("1")
            struct.pack_into("<I", p, slot + 104, u32(p, slot + 104) | 1 << bit)
            struct.pack_into("<Q", p, slot + SLOT - 8, xxh3(bytes(p[slot : slot + SLOT - 8])))
        write(log, "head", bytes(p))
        status, out, err = cat(log)
        assert status == 65 and not out and "needs a newer evlog" in err, f"flag {bit}: {status}: {err}"
        write(log, "lock", b"")  # which every writer makes before it looks further
        assert "needs a newer evlog" in refuses(log), f"flag {bit}"


def check_copy():
    """A log that is marked as a copy takes only what is replicated."""
    append("a.evlog", 1, 2)
    write("a.evlog", "head", head_with(read("a.evlog", "head"), flags=1 << 16))
    before = snapshot("a.evlog")
    status, _, err = run("evappend", "a.evlog", data=event(3))
    assert status == 77 and "a copy of another log" in err, f"{status}: {err}"
    assert snapshot("a.evlog") == before
    assert len(reads("a.evlog", 0)[0].splitlines()) == 2
    append("b.evlog", 1, 2)
    must(0, "evappend", "--replica", "c.evlog", data=must(0, "evcat", "a.evlog"))
    append("c.evlog", 3, 1)
    must(0, "evappend", "--replica", "a.evlog", data=must(0, "evcat", "c.evlog"))
    assert numbers(must(0, "evcat", "a.evlog")) == [1, 2, 3]
    for s in head_parse(read("a.evlog", "head")):
        assert s["flags"] == 1 << 16, "it stays a copy"
    must(0, "evappend", "--replica", "--segment-size", "1", "a.evlog", data=must(0, "evcat", "c.evlog"))
    assert run("evappend", "a.evlog", data=event(4))[0] == 77
    for name in ("copy.evlog", "d.evlog"):
        shutil.copytree("a.evlog", name)
    must(1, "evappend", "--promote", "--expect", "99", "a.evlog", data=event(4))
    must(77, "evappend", "a.evlog", data=event(4))  # it stays a copy
    must(0, "evappend", "--promote", "a.evlog")  # it takes the place of the log
    assert numbers(must(0, "evcat", "a.evlog")) == [1, 2, 3]
    must(0, "evappend", "a.evlog", data=event(4))
    must(0, "evappend", "--promote", "d.evlog", data=event(4))
    must(0, "evappend", "--promote", "--segment-size", "1", "d.evlog", data=event(5))
    assert numbers(must(0, "evcat", "d.evlog")) == [1, 2, 3, 4, 5]
    for log in ("a.evlog", "d.evlog"):
        assert max(head_parse(read(log, "head")), key=lambda s: s["generation"])["flags"] == 0
    must(64, "evappend", "--promote", "--replica", "d.evlog")
    must(66, "evappend", "--promote", "none.evlog", data=event(1))


def check_lock():
    """A program that may only read a log cannot keep its writers waiting; one of evlog 0.1,
    which locks head, can."""
    append("a.evlog", 1, 1)
    assert os.stat("a.evlog/lock").st_mode & 0o777 == 0o600, "for those who may write head"
    os.chmod("a.evlog/head", 0o664)
    os.unlink("a.evlog/lock")
    append("a.evlog", 2, 1)
    assert os.stat("a.evlog/lock").st_mode & 0o777 == 0o660
    lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 0, 0, 0)
    for name, mode, kind, status in (
        ("head", os.O_RDONLY, fcntl.F_RDLCK, 0),
        ("head", os.O_RDWR, fcntl.F_WRLCK, 75),
        ("lock", os.O_RDWR, fcntl.F_WRLCK, 75),
        ("lock", os.O_RDWR, fcntl.F_RDLCK, 75),
    ):
        fd = os.open(f"a.evlog/{name}", mode)
        lock = struct.pack("hhqqi4x", kind, 0, 0, 0, 0)
        fcntl.fcntl(fd, F_OFD_SETLK, lock)
        append("a.evlog", 3, 1, "--wait", "0.2", status=status)
        reads("a.evlog", 0)
        os.close(fd)
    # a lock that was removed and made again is another file
    p = subprocess.Popen(["evappend", "--ack", "a.evlog"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for n in range(4, 7):
        p.stdin.write(event(n))
        p.stdin.flush()
        assert p.stdout.readline()
        os.unlink("a.evlog/lock")
        append("a.evlog", 100 + n, 1)
    p.stdin.close()
    assert p.wait() == 0
    assert len(reads("a.evlog", 0)[0].splitlines()) == 3 + 6


# ---- Promises that only system calls can show ----


def check_order():
    """--ack and head come after the sync of what was written, commit by commit."""
    append("a.evlog", 1, 1)
    names = []
    for i in range(4):
        names.append(f"in{i}")
        write(".", names[-1], event(2 + i))
    for options in ([], ["--strict"]):
        calls = "pwrite64,fdatasync,fsync,write"
        trace = [*UNLEAKY, "strace", "-qq", "-y", "-A", "-o", "calls", "-e", f"trace={calls}"]
        write(".", "calls", b"")
        out = b"".join(
            must(0, *trace, "evappend", "--ack", *options, "a.evlog", name) for name in names
        )
        assert out.count(b"\n") == 4
        seen = []
        for x in read(".", "calls").decode().splitlines():
            m = re.match(r"(\w+)\(\d+<([^>]*)>", x)
            what = "segment" if m[2].endswith(".zst") else os.path.basename(m[2])
            sync = m[1] in ("fdatasync", "fsync")
            seen.append(("sync " if sync else "") + (what if what in ("segment", "head") else "out"))
        commit = ["segment", "sync segment", "head"]
        commit += ["sync head", "out"] if options else ["out"]
        assert seen == commit * 4, seen


def check_full():
    """A file that must not grow any more: status 74, nothing of the commit remains, and
    once there is room again the log can be used."""
    import resource

    build("a.evlog", 3)
    whole = must(0, "evcat", "a.evlog")
    name = segments("a.evlog")[0]
    size = len(read("a.evlog", name))
    text = "".join(sha(b"%d" % i).hex() for i in range(40000))
    data = b"".join(event(5 + i, text[i * 50000 : i * 50000 + 400000]) for i in range(40))

    def check(log, room):
        before = snapshot(log)
        limit = max(size, 2 * SLOT) + room
        p = subprocess.run(
            ["evappend", "--ack", "--atomic", log],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )
        assert (p.returncode, p.stdout) == (74, b""), f"{p.returncode}: {p.stderr}"
        assert snapshot(log) == before, "something of the commit stayed"
        append(log, 5, 1)
        out, _ = reads(log, 0)
        assert out.startswith(whole) and numbers(out) == [1, 2, 3, 4, 5]

    Lab("a.evlog", 1).each([0, 100, 168, 300, 100000, 1000000], check)


# ---- Many at once ----


def check_crowd():
    """Eight evappends at once on one log, event by event and in streams."""
    writers, singles, stream = 8, 12, 200
    acks, lock, failures = [], threading.Lock(), []

    def one(w, options, events):
        data = b"".join(
            b'{"type":"T","subject":"w%d","data":{"n":%d}}\n' % (w, n) for n in events
        )
        status, out, err = run("evappend", "--ack", *options, "a.evlog", data=data)
        with lock:
            acks.extend(json.loads(x) for x in out.splitlines())
            if status or err:
                failures.append((status, err))

    def streamed(w, options, events):
        argv = ["evappend", "--ack", *options, "a.evlog"]
        p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for n in events:
            p.stdin.write(b'{"type":"T","subject":"w%d","data":{"n":%d}}\n' % (w, n))
            if n % 5 == 0:
                p.stdin.flush()
        p.stdin.close()
        out = p.stdout.read()
        with lock:
            acks.extend(json.loads(x) for x in out.splitlines())
            if p.wait():
                failures.append(p.returncode)

    def writer(w):
        options = ["--segment-size", "5000"]
        for n in range(singles):
            one(w, options, [n])
        streamed(w, options, range(singles, singles + stream))
        one(w, options + ["--atomic"], range(singles + stream, singles + stream + 50))

    threads = [threading.Thread(target=writer, args=(w,)) for w in range(writers)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures
    total = writers * (singles + stream + 50)
    lines = must(0, "evcat", "a.evlog").splitlines()
    events = [json.loads(x) for x in lines]
    assert [int(e["seq"]) for e in events] == list(range(1, total + 1))
    times = [e["logtime"] for e in events]
    assert times == sorted(times), "logtime goes backwards"
    for w in range(writers):
        mine = [e["data"]["n"] for e in events if e["subject"] == f"w{w}"]
        assert mine == list(range(singles + stream + 50)), f"writer {w}"
    acks.sort(key=lambda a: a["from"])
    at = 0
    for a in acks:
        assert a["from"] == at + 1 and a["to"] >= a["from"], f"{a} behind {at}"
        at = a["to"]
    assert at == total, "the acknowledged ranges cover the log"
    for a in acks[:: max(1, len(acks) // 12)] + acks[-1:]:
        assert a["root"] == root(lines[: a["to"]]).hex(), f"root at {a['to']}"
    leftovers = [f for f in os.listdir(".") if f.startswith("a.evlog.")]
    assert not leftovers, f"left behind by the creation: {leftovers}"


def all_checks():
    """Runs each check in a folder of its own, until one fails; the slow ones last."""

    def one(name):
        with tempfile.TemporaryDirectory() as folder:
            argv = [sys.executable, os.path.abspath(__file__), name]
            return subprocess.run(argv, cwd=folder, capture_output=True, check=False).returncode

    names = [name[6:] for name in globals() if name.startswith("check_")]
    names.sort(key=lambda name: name in ("summary", "catalogue_lies", "index"))
    with ThreadPoolExecutor(CORES) as pool:
        running = {pool.submit(one, name): name for name in names}
        for done in as_completed(running):
            if done.result():
                pool.shutdown(wait=False, cancel_futures=True)
                raise AssertionError(f"{running[done]}: {done.result()}")


if __name__ == "__main__":
    try:
        if sys.argv[1] in ("all", "golden"):
            all_checks() if sys.argv[1] == "all" else golden()
        else:
            globals()["check_" + sys.argv[1]]()
    except AssertionError as e:
        import traceback

        traceback.print_exc(limit=-2)
        sys.exit(1)
