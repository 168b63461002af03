"""cuts.py ROUNDS - real power cuts: shuts a file system down while evappend writes.

Each round makes a file system in a file, mounts it, and shuts it down in the middle of
appends (FS_IOC_SHUTDOWN without flushing the journal), which leaves on disk what a power
cut would.  Then it mounts the file system again and checks the log.  Uses ext4, and XFS if
available.  Needs root and a loop device; otherwise it says so and is skipped (status 77).
"""

import fcntl
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

from oracle import event, must, numbered, root, run, sealed_but_last
from power import SEED

SHUTDOWN, NOLOGFLUSH = 0x8004587D, 2
KINDS = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"]}


class Disk:
    def __init__(self, kind, folder):
        self.kind, self.image, self.at = kind, f"{folder}/{kind}.img", f"{folder}/{kind}"
        os.makedirs(self.at, exist_ok=True)
        with open(self.image, "wb") as f:
            f.truncate((320 if kind == "xfs" else 48) << 20)
        must([*KINDS[kind], self.image], ".")

    def mount(self):
        must(["mount", "-o", "loop", "-t", self.kind, self.image, self.at], ".")

    def umount(self):
        must(["umount", self.at], ".")

    def shutdown(self):
        fd = os.open(self.at, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        finally:
            os.close(fd)


def usable(folder):
    """The kinds of file systems that can be made, mounted and shut down here."""
    kinds = []
    for kind in KINDS:
        try:
            disk = Disk(kind, folder)
            disk.mount()
            try:
                disk.shutdown()
                kinds.append(kind)
            finally:
                disk.umount()
        except (AssertionError, OSError) as e:
            print(f"no {kind}: {str(e).strip()[:120]}")
    return kinds


def appends(rng, log, start, options, single):
    """Starts one evappend for a stream of events, or one for each event; returns the
    process."""
    pad = rng.choice((10, 300, 5000))
    if single:
        script = 'while IFS= read -r line; do printf "%s\\n" "$line" | evappend --ack "$@" || exit; done'
        argv = ["bash", "-c", script, "bash", *options, log]
    else:
        argv = ["evappend", "--ack", *options, log]
    p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    feeder = f"import sys,time\nsys.path.insert(0,{os.path.dirname(os.path.abspath(__file__))!r})\nfrom oracle import event\nn={start}\nwhile True:\n sys.stdout.buffer.write(event('cut',n,{pad})); sys.stdout.flush(); n+=1; time.sleep({rng.choice((0, 0.001))})\n"
    p.feeder = subprocess.Popen(
        [sys.executable, "-c", feeder], stdout=p.stdin, stderr=subprocess.DEVNULL
    )
    p.stdin.close()
    return p


def cut(rng, disk, known):
    """One round: everything acknowledged before the cut must be there after it."""
    disk.mount()
    log = f"{disk.at}/log"
    options = rng.choice(([], ["--strict"], ["--segment-size", "20000"], ["--segment-size", "2000"]))
    p = appends(rng, log, len(known), options, rng.random() < 0.3)
    time.sleep(rng.random() * 0.4 + 0.1)
    disk.shutdown()
    p.feeder.kill()
    p.feeder.wait()
    acks = [json.loads(x) for x in p.stdout.read().splitlines() if x.endswith(b"}")]
    p.wait()
    disk.umount()
    disk.mount()
    acked = max([len(known)] + [a["to"] for a in acks])
    lines = []
    if os.path.exists(log):
        status, out, err = run(["evcat", log])
        assert status == 0 or "/head: " in err, f"evcat: {status}: {err}"
        lines = out.splitlines()
    assert lines[: len(known)] == known, "what was there before has changed"
    assert len(lines) >= acked, f"{acked} acknowledged, {len(lines)} there"
    found = numbered(lines)
    assert found == [("/cut", n) for n in range(len(found))], "not what was sent, in order"
    if acks and len(lines) < 3000:
        a = acks[-1]
        assert root(lines[: a["to"]]).hex() == a["root"], "another root"
    status, out, err = run(["evappend", "--ack", log], event("cut", len(lines)))
    assert status == 0, f"the next append: {status}: {err}"
    after = run(["evcat", log])[1].splitlines()
    assert after[:-1] == lines and len(after) == len(lines) + 1
    must(["evappend", "--reindex", log], ".")
    assert sealed_but_last(log), "not all is sealed"
    assert run(["evcat", log])[1].splitlines() == after, "sealed, it is not the same"
    disk.umount()
    return after, acked - len(known), len(lines) - acked


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    rng = random.Random(SEED)
    folder = tempfile.mkdtemp(prefix="evlog-cuts.")
    done, acked, unacked, bad = 0, 0, 0, []
    try:
        kinds = usable(folder)
        if not kinds:
            print("skipped: no file system can be made and mounted here (root and loop devices)")
            sys.exit(77)
        for kind in kinds:
            disk, known = Disk(kind, folder), []
            for i in range(rounds // len(kinds)):
                if i % 12 == 11:
                    disk, known = Disk(kind, folder), []
                try:
                    known, a, u = cut(rng, disk, known)
                    acked, unacked = acked + a, unacked + u
                except AssertionError as e:
                    bad.append(f"{kind}, round {i}, EVLOG_SEED={SEED}: {e}")
                    if os.path.ismount(disk.at):
                        disk.umount()
                    disk, known = Disk(kind, folder), []
                done += 1
            print(f"{kind} {rounds // len(kinds)}")
    finally:
        for kind in KINDS:
            if os.path.ismount(f"{folder}/{kind}"):
                subprocess.run(["umount", "-l", f"{folder}/{kind}"], check=False)
        shutil.rmtree(folder)
    print(f"cuts {done}")
    print(f"acknowledged {acked}")
    print(f"kept {unacked}")
    print(f"broken {len(bad)}")
    print("\n".join(bad[:20]))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
