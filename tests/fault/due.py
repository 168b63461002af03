"""due.py STEPS - evdue under a clock that is set back and forth, kills, lost and old
checkpoints, and a log that is restored to an older state; then due.py race.

An event that waits must be delivered once, never before its time, and not at all if it was
cancelled first.  What is right is computed here from what was appended.  EVLOG_SEED: another
history.  Exit status 1 and a message if anything is broken.
"""

import contextlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timezone

from oracle import SHIM, must, run

SPAN = 3600  # seconds within which events become due


def stamp(t):
    return datetime.fromtimestamp(t, timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def events_of(folder, log):
    if not os.path.exists(f"{folder}/{log}"):
        return []
    return [json.loads(line) for line in must(["evcat", log], folder).splitlines()]


class History:
    def __init__(self, folder, rng):
        self.folder, self.rng = folder, rng
        self.clock = 0  # seconds by which the clock is shifted
        self.due = {}  # id: when; of all that waited or waits
        self.cancelled = set()  # ids that must never be delivered
        self.delivered = set()
        self.copies = []  # of the log of deliveries, and what it had
        self.n = 0
        self.counts = dict.fromkeys(("runs", "kills", "cancels", "restores", "steps back"), 0)

    def now(self):
        return time.time() + self.clock

    def shifted(self, argv, data=None, **more):
        env = dict(os.environ, LD_PRELOAD=SHIM, FAULT_CLOCK=str(self.clock), **more)
        return run(argv, data, self.folder, env)

    def append(self):
        lines, cancels = [], []
        for _ in range(self.rng.choice((1, 3, 40))):
            self.n += 1
            e = {"type": "T", "id": f"t{self.n}", "data": {"n": self.n}}
            if self.rng.random() < 0.5:
                due = self.now() + self.rng.uniform(-SPAN / 8, SPAN)
                e["due"] = stamp(due)
                self.due[e["id"]] = moment(e["due"])
            if self.rng.random() < 0.3 and self.due:
                e["cancels"] = self.rng.choice(sorted(self.due))
                cancels.append((e["id"], e["cancels"]))
            lines.append(json.dumps(e).encode())
        status, _, err = self.shifted(["evappend", "-q", "--segment-size", "20K", "log"], b"\n".join(lines) + b"\n")
        assert status == 0, err
        waits = set(self.due) - self.delivered
        seen = {e["id"]: e for e in events_of(self.folder, "log")}
        for by, what in cancels:
            if what in waits and what in seen and int(seen[what]["seq"]) < int(seen[by]["seq"]):
                if moment(seen[by]["logtime"]) < self.due[what]:
                    self.cancelled.add(what)
                    self.counts["cancels"] += 1

    def set_clock(self):
        step = self.rng.uniform(-SPAN / 2, SPAN) if self.rng.random() < 0.5 else SPAN / 20
        self.counts["steps back"] += step < 0
        self.clock += int(step)

    def deliver(self, kill=True):
        argv = ["evdue", "--emit", "out", "log"]
        if self.rng.random() < 0.6:
            argv[1:1] = ["--checkpoint", "due.db"]
        more = {}
        if kill and self.rng.random() < 0.5:
            more = {"FAULT_AT": str(int(self.rng.uniform(1, 300))), "FAULT_DO": self.rng.choice(("kill", "killed"))}
        status, _, err = self.shifted(argv, **more)
        self.counts["runs"] += 1
        self.counts["kills"] += status == -9
        assert status in ((0, -9) if more else (0,)), f"status {status}: {err}"
        self.look()
        if status == 0:
            left = {e["id"] for e in self.listed(argv)}
            late = {i for i in left if self.due[i] <= self.now() - 1}
            behind = {i for i in left if self.due[i] > self.now()}
            assert not late or behind, f"due, and not delivered: {late}"

    def listed(self, argv):
        status, out, err = self.shifted([argv[0], "--list", *[a for a in argv[1:]]])
        assert status == 0, err
        lines = [json.loads(line) for line in out.splitlines()]
        waits = set(self.due) - self.delivered - self.cancelled
        assert {e["id"] for e in lines} == waits, f"listed {len(lines)}, waiting {len(waits)}"
        return lines

    def look(self):
        """Compares what has been delivered with what may have been."""
        found = events_of(self.folder, "out")
        ids = [e["id"] for e in found]
        assert len(set(ids)) == len(ids), "delivered twice"
        for e in found:
            i = e["causationid"]
            assert e["id"] == i + "/due" and "due" not in e and e["correlationid"] == i and e["data"]["n"] == int(i[1:])
            assert i not in self.cancelled, f"{i} was cancelled"
            assert i in self.delivered or self.due[i] <= self.now(), f"{i} is early"
        self.delivered = {e["causationid"] for e in found}

    def lose(self):
        """A checkpoint is lost or old; or the log of deliveries is, which forgets them."""
        what, db = self.rng.random(), f"{self.folder}/due.db"
        if what < 0.3:
            for end in ("", "-wal", "-shm"):
                if os.path.exists(db + end):
                    os.unlink(db + end)
        elif what < 0.5 and os.path.exists(db):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self.folder}/old.db")
            with contextlib.closing(sqlite3.connect(db)) as c:
                c.execute("VACUUM INTO ?", [f"{self.folder}/old.db"])
        elif what < 0.7 and os.path.exists(f"{self.folder}/old.db"):
            for end in ("-wal", "-shm"):
                if os.path.exists(db + end):
                    os.unlink(db + end)
            shutil.copy(f"{self.folder}/old.db", db)
        elif what < 0.85 and os.path.exists(f"{self.folder}/out"):
            shutil.copytree(f"{self.folder}/out", f"{self.folder}/copy{len(self.copies)}")
            self.copies.append(set(self.delivered))
        elif self.copies:
            k = self.rng.randrange(len(self.copies))
            shutil.rmtree(f"{self.folder}/out")
            shutil.copytree(f"{self.folder}/copy{k}", f"{self.folder}/out")
            # what is delivered again may have been cancelled since
            again = self.delivered - self.copies[k]
            self.delivered = set(self.copies[k])
            self.counts["restores"] += 1
            seen = {e["id"]: e for e in events_of(self.folder, "log")}
            for e in seen.values():
                i = e.get("cancels")
                if i in again and int(seen[i]["seq"]) < int(e["seq"]) and moment(e["logtime"]) < self.due[i]:
                    self.cancelled.add(i)

    def end(self):
        self.clock += 3 * SPAN + int(max([0, *(t - self.now() for t in self.due.values())]))
        self.deliver(kill=False)
        self.deliver(kill=False)
        left = set(self.due) - self.delivered - self.cancelled
        assert not left, f"never delivered: {sorted(left)}"
        assert not self.delivered & self.cancelled


def history(steps):
    rng = random.Random(int(os.environ.get("EVLOG_SEED") or time.time_ns()))
    with tempfile.TemporaryDirectory(prefix="evlog-due.") as folder:
        h = History(folder, rng)
        for _ in range(steps):
            rng.choices((h.append, h.set_clock, h.deliver, h.lose), (4, 2, 5, 1))[0]() if h.n else h.append()
        h.end()
        print(f"events {h.n}\ndelivered {len(h.delivered)}\ncancelled {len(h.cancelled)}")
        for name, n in h.counts.items():
            print(f"{name} {n}")


def race():
    """Events that are cancelled at about the time when they are due."""
    rng = random.Random(int(os.environ.get("EVLOG_SEED") or time.time_ns()))
    with tempfile.TemporaryDirectory(prefix="evlog-due.") as folder:
        took = time.time()
        must(["evappend", "-q", "log"], folder, b'{"type":"first"}\n')
        took = time.time() - took
        evdue = subprocess.Popen(["evdue", "-f", "--emit", "out", "log"], cwd=folder)
        begun, due = time.time() + 0.3, {}
        lines = []
        for n in range(300):
            due[f"t{n}"] = begun + rng.uniform(0, 3)
            lines.append(json.dumps({"type": "T", "id": f"t{n}", "due": stamp(due[f"t{n}"])}).encode())
        must(["evappend", "-q", "log"], folder, b"\n".join(lines) + b"\n")

        def cancel(mine):
            for i in sorted(mine, key=due.get):
                time.sleep(max(0, due[i] - time.time() + rng.uniform(-0.04 - 3 * took, 0)))
                must(["evappend", "-q", "log"], folder, json.dumps({"type": "C", "cancels": i}).encode() + b"\n")

        # as many as can be appended in that time
        chosen = rng.sample(sorted(due), max(6, min(150, int(4 / took))))
        threads = [threading.Thread(target=cancel, args=(chosen[k::3],)) for k in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        time.sleep(max(0, begun + 3.5 - time.time()))
        evdue.terminate()
        assert evdue.wait() == 0
        found = events_of(folder, "log")
        waits = {e["id"]: moment(e["due"]) for e in found if "due" in e}
        cancelled = {e["cancels"] for e in found if "cancels" in e and moment(e["logtime"]) < waits[e["cancels"]]}
        got = [e["causationid"] for e in events_of(folder, "out")]
        assert len(set(got)) == len(got), "delivered twice"
        assert set(got) == set(waits) - cancelled, f"wrong: {set(got) ^ (set(waits) - cancelled)}"
        late = [moment(e["logtime"]) - waits[e["causationid"]] for e in events_of(folder, "out")]
        assert min(late) >= 0, "early"
        print(f"delivered {len(got)}\ncancelled {len(cancelled)}\nmedian late ms {sorted(late)[len(late) // 2] * 1000:.1f}")


if __name__ == "__main__":
    try:
        race() if sys.argv[1] == "race" else history(int(sys.argv[1]))
    except AssertionError as e:
        print(e)
        sys.exit(1)
