"""rot.py KIB STEP - a log of 32 segments and KIB in all, damaged in every way.

Flips every bit and reads from its segment on; for fewer bits, and as many file lengths,
reads the whole log, backwards, and with --salvage (rot.c, on all cores).  Then zeroes
sectors, fills them with noise, swaps them, and takes them from an older copy of the same
log.  All damage must be reported, everything before it printed, and no byte changed; except
that damage to the indexes of sealed segments is not damage to the log.

STEP 0: every bit of every byte, and the rest for one bit of every 16th byte; N: one bit of
every N-th byte, and of every 4N-th.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile

from oracle import event, must, run
from power import BUILD, SECTOR, SEED, Probe
from format import read, segment_parse, segments, write

CORES = os.cpu_count() or 2


def build(log, kib, folder):
    """A log of commits of one to five events, in 32 segments."""
    rng, n, size = random.Random(1), 0, 0
    while size < kib * 1024:
        names = []
        for i in range(40):
            count = rng.randint(1, 5)
            names.append(f"{folder}/in{i}")
            with open(names[-1], "wb") as f:
                f.writelines(event("rot", n + j, rng.choice((10, 400, 3000))) for j in range(count))
            n += count
        for name in names:
            must(["evappend", "--no-sync", "--segment-size", str(kib * 32), log, name], ".")
            size = sum(os.path.getsize(os.path.join(log, s)) for s in segments(log))
            if size >= kib * 1024:
                break
    must(["evappend", log, "/dev/null"], ".")


def ranges(log, whole):
    """The byte ranges of every header, block and head; see rot.c."""
    ends = [0]
    for line in whole.splitlines(True):
        ends.append(ends[-1] + len(line))
    out = [("head", 0, 4096, 0, 0, 0, 0, 0)]
    for name in segments(log):
        h, blocks = segment_parse(read(log, name))
        at = ends[h["first_seq"] - 1]
        out.append((name, 0, h["size"], at, at, h["first_seq"], at, 0))
        for b in blocks:
            first = ends[b["first_seq"] - 1]
            last = ends[b["first_seq"] - 1 + b["count"]]
            out.append((name, b["offset"], b["end"], first, last, h["first_seq"], at, 0))
        if h["sealed"]:
            out.append((name, h["end"], len(read(log, name)), last, last, h["first_seq"], at, 1))
    assert sum(r[7] for r in out) == len(segments(log)) - 1, "all but the last are sealed"
    return out


def dealt(items, hands):
    return [items[i::hands] for i in range(hands)]


def loops(log, all_ranges, folder, modes):
    """Runs rot on each core; returns {mode: how many}, and what was wrong."""
    tried, bad = {}, []
    for mode, step in modes:
        jobs = []
        for i, part in enumerate(dealt(all_ranges, CORES)):
            copy = f"{folder}/copy{i}"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(log, copy)
            with open(f"{copy}.ranges", "w") as f:
                kept = [r for r in part if mode != "cuts" or r[0] != "head"]
                f.writelines("%s %d %d %d %d %d %d %d\n" % r for r in kept)
            argv = [f"{BUILD}/fault-rot", mode, copy, f"{copy}.ranges", str(step)]
            jobs.append((copy, subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)))
        for copy, p in jobs:
            lines = p.communicate()[0].splitlines()
            tried[mode] = tried.get(mode, 0) + sum(int(x[6:]) for x in lines if x.startswith("tried"))
            wrong = [x for x in lines if not x.startswith(("tried", "wrong 0"))]
            bad += [f"{mode}: {x}" for x in wrong]
            if p.returncode not in (0, 1):
                bad.append(f"{mode}: rot ended with {p.returncode}")
            for name in os.listdir(log):
                if read(copy, name) != read(log, name):
                    bad.append(f"{mode}: {name} was changed by a reader")
    return tried, bad


def sectors(log, older, whole, probe, rng, rounds):
    """Sectors that are not what was written; some damage can only be seen by missing
    events."""
    files = {n: read(log, n) for n in segments(log) + ["head"]}
    old = {n: read(older, n) for n in os.listdir(older)}
    ends = {n: segment_parse(p)[0]["end"] for n, p in files.items() if n != "head"}
    tried, bad = 0, []
    for _ in range(rounds):
        name = rng.choice(list(files))
        data = files[name]
        count = (len(data) + SECTOR - 1) // SECTOR
        i, j = rng.randrange(count), rng.randrange(count)
        a, b = data[i * SECTOR :][:SECTOR], data[j * SECTOR :][:SECTOR]
        kind = rng.choice(("zero", "noise", "swap", "twice", "older"))
        new = {
            "zero": bytes(len(a)),
            "noise": rng.randbytes(len(a)),
            "swap": b[: len(a)].ljust(len(a), b"\0"),
            "twice": b[: len(a)].ljust(len(a), b"\0"),
            "older": old.get(name, b"")[i * SECTOR :][: len(a)].ljust(len(a), b"\0"),
        }[kind]
        p = data[: i * SECTOR] + new + data[i * SECTOR + len(a) :]
        if kind == "swap":
            p = p[: j * SECTOR] + a[: len(b)].ljust(len(b), b"\0") + p[j * SECTOR + len(b) :]
        if p == data:
            continue
        write(log, name, p)
        code, out, text = probe.ask(b"read", log.encode())
        tried += 1
        if p[: ends.get(name)] == data[: ends.get(name)] and name != "head":
            if (code, out) != (0, whole):  # the index was hit
                bad.append(f"{kind} sector {i} ({j}) of {name}: {code}, {len(out)} bytes: {text}")
        elif code != -3 or not whole.startswith(out) or out[-1:] not in (b"", b"\n"):
            bad.append(f"{kind} sector {i} ({j}) of {name}: {code}, {len(out)} bytes: {text}")
        if read(log, name) != p:
            bad.append(f"{kind} sector {i} of {name}: changed by a reader")
        write(log, name, data)
    return tried, bad


def main():
    kib, step = int(sys.argv[1]), int(sys.argv[2])
    folder = tempfile.mkdtemp(prefix="evlog-rot.", dir="/dev/shm")
    try:
        log = f"{folder}/log"
        build(log, kib // 2, folder)
        shutil.copytree(log, f"{folder}/older")
        shutil.rmtree(log)
        build(log, kib, folder)
        whole = run(["evcat", log])[1]
        every = ranges(log, whole)
        few = 4 * step or 16
        modes = [("near", step), *((m, few) for m in ("flips", "cuts", "salvage", "reverse"))]
        tried, bad = loops(log, every, folder, modes)
        n, more = sectors(log, f"{folder}/older", whole, Probe(), random.Random(SEED), 16000 // few)
        tried["sectors"], bad = n, bad + more
    finally:
        shutil.rmtree(folder)
    for kind, n in tried.items():
        print(f"{kind} {n}")
    print(f"broken {len(bad)}")
    print("\n".join(bad[:40]))
    sys.exit(1 if bad or not all(tried.values()) else 0)


if __name__ == "__main__":
    main()
