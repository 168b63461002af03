"""power.py [STATES] - the disk states that a power cut may leave, each read and appended
to.

Each workload is run once under the shim, which records everything that changes a file, in
order, and what was synced and acknowledged in between.  A power cut can come after any of
these.  What was synced by then is on the disk.  Of the rest, any part may be: directory
entries up to some point, and of each file any of the 512-byte sectors written since its
last sync, with any length that the file had meanwhile.  STATES: how many different states
to try in all (default 3000); EVLOG_SEED repeats a run.

What must be true: evcat prints everything acknowledged, and of the rest whole commits; it
exits with status 0, unless both records of head are torn; the next append succeeds, loses
nothing, and everything is normal again; and segments that are not sealed by then can be
sealed, which does not change what is read.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

from oracle import (
    APPENDS, BACKUPS, SHIM, TRIMS, UNSYNCED, acknowledged, backed_up, ends, event, numbered, root, run, sealed_but_last, segments, tear, tree,
)  # fmt: skip
from format import SLOT, head_parse, read, slot_parse

SEED = int(os.environ.get("EVLOG_SEED", "0")) or int(time.time())
SECTOR = 512
PAD = 12000  # bytes of an event that compress badly, so that a commit is many sectors
BUILD = os.environ.get("EVLOG_BUILD", "build")
STORES = ("backup-more", "backup-keep", "restored-middle", "restored-last", "trim-more", "trim-all")


# ---- What was recorded ----


def recorded(path, below):
    """(op, offset, data, path, path2) of each record, with paths relative to `below`."""
    with open(path, "rb") as f:
        trace = f.read()
    at, ops = 0, []
    while at < len(trace):
        end = trace.index(b"\n", at)
        op, offset, length, a, b = trace[at:end].decode().split("\t")
        data = trace[end + 1 : end + 1 + int(length)]
        at = end + 1 + int(length)
        ops.append((op, int(offset), data, os.path.relpath(a, below) if a else "",
                    os.path.relpath(b, below) if b else ""))  # fmt: skip
    return ops


# ---- A disk ----


class Inode:
    """A file: what is on the disk for certain, and what was done to it since."""

    def __init__(self, data=b""):
        self.durable, self.pending, self.doubtful = data, [], 0

    def versions(self):
        """The contents that it has had since it was synced, oldest first."""
        out = [self.durable]
        for change in self.pending:
            out.append(changed(out[-1], change))
        return out

    def now(self):
        return self.versions()[-1]

    def synced(self):
        """What a sync makes durable: except what an earlier sync failed to write, because
        the kernel has marked those pages clean.  The size stays."""
        data = self.durable
        for change in self.pending[self.doubtful :]:
            data = changed(data, change)
        return data.ljust(len(self.now()) if self.doubtful else 0, b"\0")


def changed(data, change):
    kind, offset, p = change
    if kind == "truncate":
        return data[:offset].ljust(offset, b"\0")
    return data[:offset].ljust(offset, b"\0") + p + data[offset + len(p) :]


class Directory:
    """Names: those on the disk for certain, and what was done to them since."""

    def __init__(self):
        self.durable, self.pending = {}, []

    def at(self, n):
        names = dict(self.durable)
        for name, node in self.pending[:n]:
            if node is None:
                names.pop(name, None)
            else:
                names[name] = node
        return names

    def now(self):
        return self.at(len(self.pending))

    def synced(self):
        return self.now()



class Disk:
    def __init__(self, folder):
        self.top = Directory()
        for dir_path, _, names in os.walk(folder):
            if dir_path != folder:
                self.made(os.path.relpath(dir_path, folder))
            for name in names:
                with open(os.path.join(dir_path, name), "rb") as f:
                    data = f.read()
                path = os.path.relpath(os.path.join(dir_path, name), folder)
                self.made(os.path.dirname(path)).durable[name] = Inode(data)

    def forget_sync(self, path, size):
        """Treats what the file has after its first `size` bytes as written but not synced."""
        d, name = self.place(path)
        node = d.now()[name]
        node.pending = [("write", size, node.durable[size:])]
        node.durable = node.durable[:size]

    def forget_name(self, path):
        d, name = self.place(path)
        d.pending = [(name, d.durable.pop(name))]

    def made(self, path):
        if not path:
            return self.top
        return self.top.durable.setdefault(path, Directory())

    def directory(self, path):
        return self.top if path in ("", ".") else self.top.now()[path]

    def place(self, path):
        return self.directory(os.path.dirname(path)), os.path.basename(path)

    def do(self, op, offset, data, path, path2):
        if op in ("create", "mkdir"):
            d, name = self.place(path)
            d.pending.append((name, Inode() if op == "create" else Directory()))
        elif op in ("write", "truncate"):
            d, name = self.place(path)
            d.now()[name].pending.append((op, offset, data))
        elif op == "append":
            d, name = self.place(path)
            node = d.now()[name]
            node.pending.append(("write", len(node.now()), data))
        elif op == "sync":
            self.sync(path)
        elif op == "unsynced":
            d, name = self.place(path)
            node = d.now()[name]
            node.doubtful = len(node.pending)
        elif op in ("rename", "link"):
            d, name = self.place(path)
            to, new = self.place(path2)
            to.pending.append((new, d.now()[name]))
            if op == "rename":
                d.pending.append((name, None))
        elif op == "unlink":
            d, name = self.place(path)
            d.pending.append((name, None))
        elif op != "ack":
            raise ValueError(op)

    def sync(self, path):
        node = self.top
        if path not in ("", "."):
            d, name = self.place(path)
            node = self.top.now().get(path) or d.now()[name]
        node.durable, node.pending = node.synced(), []
        node.doubtful = 0


# ---- What a cut may leave of it ----


def torn(rng, versions):
    """One content that a file may have after the cut."""
    if len(versions) == 1:
        return versions[0]
    how = rng.randrange(7)
    if how < 2:
        return versions[-how]
    # writes may be reordered: any version of any sector
    size = len(rng.choice(versions))
    chance = rng.choice((0.1, 0.5, 0.9))
    cut, lone = rng.randrange(size // SECTOR + 1), rng.randrange(size // SECTOR + 1)
    out = []
    for i in range((size + SECTOR - 1) // SECTOR):
        if how == 2:  # everything up to some sector, then nothing
            pick = versions[-1] if i < cut else versions[0]
        elif how == 3:  # all except one
            pick = versions[-1] if i != lone else versions[0]
        elif how == 4:  # only one
            pick = versions[-1] if i == lone else versions[0]
        elif how == 5:
            pick = versions[-1] if rng.random() < chance else versions[0]
        else:
            pick = rng.choice(versions)
        out.append(pick[i * SECTOR : (i + 1) * SECTOR].ljust(SECTOR, b"\0"))
    return b"".join(out)[:size]


def names_left(rng, directory):
    n = len(directory.pending)
    return directory.at(rng.choice((0, n, rng.randrange(n + 1))))


def left(rng, disk, versions):
    """{name: content} of the log after a cut; None: there is none.  `versions`: those of
    each inode, as far as they are known."""
    log = names_left(rng, disk.top).get("log")
    if log is None:
        return None
    state = {}
    for name, inode in names_left(rng, log).items():
        if inode not in versions:
            versions[inode] = inode.versions()
        state[name] = torn(rng, versions[inode])
    return state


def fingerprint(acked, state):
    h = hashlib.blake2b(b"%d %d" % (acked, state is None), digest_size=16)
    for name, data in sorted((state or {}).items()):
        h.update(b"%s %d " % (name.encode(), len(data)))
        h.update(data)
    return h.digest()


# ---- Looking at it ----


class Probe:
    def __init__(self):
        self.p = subprocess.Popen(
            [os.path.join(BUILD, "fault-probe")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, *words):
        self.p.stdin.write(b" ".join(words) + b"\n")
        self.p.stdin.flush()
        code, size, text = self.p.stdout.readline().split(b" ", 2)
        return int(code), self.p.stdout.read(int(size)), text.decode().strip()


def slots_torn(state):
    """How many records of head are not whole."""
    bad, head = 0, state.get("head", b"").ljust(2 * SLOT, b"\0")
    for slot in head[:SLOT], head[SLOT:]:
        try:
            slot_parse(slot)
        except AssertionError:
            bad += 1
    return bad


def kept_aside(torn, name, data):
    segment, offset, tail = torn
    if name == segment:
        return data[offset : offset + len(tail)] == tail
    return name.startswith("torn-") and data == tail


def check(probe, w, full, state, acked, log):
    """What is wrong with how the tools treat this state, or None."""
    path = log.encode()
    shutil.rmtree(log, ignore_errors=True)
    if state is None:
        return "acknowledged, and there is no log" if acked else None
    os.mkdir(log)
    for name, data in state.items():
        with open(os.path.join(log, name), "wb") as f:
            f.write(data)
    code, out, text = probe.ask(b"read", path)
    lost = "lost when the machine restarted" in text
    if code and not (slots_torn(state) == 2 and "/head: " in text) and not lost:
        return f"falsely called damaged: {code}: {text}"
    if w.torn and not any(kept_aside(w.torn, name, data) for name, data in state.items()):
        return "the torn bytes were cut, and are not aside"
    n, sure = out.count(b"\n"), b"".join(full.splitlines(True)[:acked])
    if n < acked or not out.startswith(sure):
        return f"{acked} acknowledged, {n} there"
    if w.loose:  # what was not acknowledged may be in another commit
        full = out
    if not full.startswith(out) or out[-1:] not in (b"", b"\n"):
        return "what is read was never written so"
    if not ends(w, n - len(w.sure)) and not (w.kept and ends(w, n - len(w.sure) - w.kept)):
        return f"{n} events are no whole commits"
    code, ack, text = probe.ask(b"append", path, event("next", 0).rstrip())
    if code:
        return f"the next append fails: {code}: {text}"
    code, after, text = probe.ask(b"read", path)
    lines = after.splitlines()
    if code:
        return f"after the next append: {code}: {text}"
    code, _, text = probe.ask(b"seal", path)
    if code or probe.ask(b"read", path)[:2] != (0, after):
        return f"sealed, it is not the same: {code}: {text}"
    if not sealed_but_last(log):
        return "not all is sealed"
    if not after.startswith(out) or not full.startswith(b"".join(after.splitlines(True)[:-1])):
        return "the next append took something away"
    if numbered(lines)[-1] != ("/next", 0):
        return "the next append is not there"
    if len(lines) < 40 and ack.decode() != f"{len(lines)} {len(lines)} {root(lines).hex()}":
        return f"the next append says {ack}"
    return None


# ---- Recording ----


def run_recorded(w, top, prepare):
    """Runs the workload once, as after another boot.  Returns its folder as it was before
    and as it is then, and its records."""
    before, after = f"{top}/{w.name}", f"{top}/{w.name}.run"
    boot = f"{top}/boot"
    with open(boot, "w") as f:
        f.write("11111111-2222-3333-4444-555555555555\n")
    shim = {"LD_PRELOAD": SHIM, "FAULT_BOOT": boot}
    os.environ.update(shim)
    prepare(before)
    shutil.copytree(before, after)
    env = dict(os.environ, FAULT_TRACE=f"{top}/trace", FAULT_BELOW=after)
    status, _, err = run(w.argv(), w.data, after, env)
    for name in shim:
        del os.environ[name]
    assert status == w.right, f"{w.name}: {err}"
    ops = recorded(f"{top}/trace", after)
    os.unlink(f"{top}/trace")
    return before, after, ops


# ---- Backups, and what they let a log give up ----


def tree_left(rng, disk, versions):
    """{path: content} of everything after a cut; None for a folder."""
    state = {}
    for folder, entry in names_left(rng, disk.top).items():
        if not isinstance(entry, Directory):
            continue
        state[folder] = None
        for name, inode in names_left(rng, entry).items():
            if inode not in versions:
                versions[inode] = inode.versions()
            state[f"{folder}/{name}"] = torn(rng, versions[inode])
    return state


def tree_make(top, state, files):
    shutil.rmtree(top, ignore_errors=True)
    for path, data in sorted({**files, **state}.items(), key=lambda x: (x[1] is not None, x[0])):
        if data is None:
            os.makedirs(f"{top}/{path}", exist_ok=True)
            continue
        with open(f"{top}/{path}", "wb") as f:
            f.write(data)


def campaign_store(w, wanted, top, rng, bad):
    before, _, ops = run_recorded(w, top, w.prepare)
    files = {name: data for name, data in tree(before).items() if "/" not in name}
    folder, seen, turn, misses = f"{top}/state", set(), 0, 0
    while len(seen) < wanted and misses < 40 * wanted:
        disk = Disk(before)
        k = turn % (len(ops) + 1)
        turn += 1
        for op in ops[:k]:
            disk.do(*op)
        versions = {}
        for _ in range(max(2, wanted // (2 * len(ops)))):
            state = tree_left(rng, disk, versions)
            digest = hashlib.blake2b(repr(sorted(state.items(), key=str)).encode(), digest_size=16).digest()
            misses += 1
            if digest in seen or len(seen) == wanted:
                continue
            seen.add(digest)
            tree_make(folder, state, files)
            try:
                backed_up(w, folder, b"", k == len(ops), "")
            except (AssertionError, ValueError, KeyError, OSError, subprocess.TimeoutExpired) as e:
                cut = ops[k - 1][:2] + ops[k - 1][3:] if k else "the start"
                bad.append(f"{w.name}: cut behind record {k} ({cut}): {e}")
                if os.environ.get("EVLOG_KEEP"):
                    tree_make(f"{os.environ['EVLOG_KEEP']}/{w.name}.{len(seen)}", state, files)
    return len(seen), len(ops)


# ---- The campaign ----


def record(w, top):
    """Runs the workload once.  Returns its folder as it was before, its records, and all
    lines of the log at its end."""

    def prepare(before):
        w.prepare(before, PAD)
        w.torn = None
        if w.spoil is tear:
            name = segments(f"{before}/log")[-1]
            offset = head_parse(read(f"{before}/log", "head"))[0]["committed"]
            w.torn = name, offset, read(f"{before}/log", name)[offset:]
        if w.kept:  # what its writer did not sync is not certain
            w.sure = w.sure[: -w.kept]

    before, after, ops = run_recorded(w, top, prepare)
    return before, ops, run(["evcat", f"{after}/log"])[1]


def campaign(w, wanted, top, probe, rng, bad):
    before, ops, full = record(w, top)
    log, tried, misses, turn, seen = f"{top}/state", 0, 0, 0, set()
    while tried < wanted and misses < 40 * wanted:
        disk, acked = Disk(before), len(w.sure)
        if w.unnamed:
            disk.forget_name(f"log/{segments(f'{before}/log')[-1]}")
        if w.kept:  # a writer died between its write and its sync
            head = head_parse(read(f"{before}/log", "head"))[0]
            disk.forget_sync(f"log/{segments(f'{before}/log')[-1]}", head["committed"])
        # each cut in turn, then random ones; a state is the log as it may be found
        # afterwards
        k = turn % (len(ops) + 1)
        turn += 1
        for op in ops[:k]:
            disk.do(*op)
            if op[0] == "ack" and w.name != "no-sync":
                acked = max(acked, acknowledged(op[2]))
        if w.right == 65 and acked > len(w.sure) + w.commits[0]:
            aside = disk.top.durable.get("aside")
            if not aside or not aside.durable.endswith(b"\n"):
                bad.append(f"{w.name}: record {k}: what was put aside may be lost")
        versions = {}
        for _ in range(max(4, wanted // (2 * len(ops)))):
            state = left(rng, disk, versions)
            digest = fingerprint(acked, state)
            misses += 1
            if digest in seen:
                continue
            seen.add(digest)
            tried += 1
            if tried > wanted:
                break
            wrong = check(probe, w, full, state, acked, log)
            if wrong:
                cut = ops[k - 1][:2] + ops[k - 1][3:] if k else "the start"
                bad.append(f"{w.name}: cut behind record {k} ({cut}): {wrong}")
                if os.environ.get("EVLOG_KEEP"):
                    shutil.copytree(log, f"{os.environ['EVLOG_KEEP']}/{w.name}.{tried}")
    return tried, len(ops)


def main():
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    rng = random.Random(SEED)
    top = tempfile.mkdtemp(prefix="evlog-power.", dir="/dev/shm")
    tried, bad, cuts = 0, [], 0
    try:
        probe = Probe()
        todo = [w for w in (*APPENDS, UNSYNCED) if os.environ.get("W", w.name) == w.name]
        stores = [w for w in (*BACKUPS, *TRIMS) if w.name in STORES and os.environ.get("W", w.name) == w.name]
        for w in stores:  # each state takes some runs of the tools
            n, k = campaign_store(w, max(10, wanted // 300), top, rng, bad)
            tried += n
            cuts += k + 1
            print(w.name, n, k)
        wanted += tried
        for i, w in enumerate(todo):
            n, k = campaign(w, (wanted - tried) // (len(todo) - i), top, probe, rng, bad)
            tried += n
            cuts += k + 1
            print(w.name, n, k)
    finally:
        shutil.rmtree(top)
    print(f"cuts {cuts}")
    print(f"states {tried}")
    print(f"broken {len(bad)}")
    for text in bad[:40]:
        print(text)
    if bad:
        print(f"EVLOG_SEED={SEED}")
    sys.exit(1 if bad or not tried else 0)


if __name__ == "__main__":
    main()
