"""disaster.py - loses everything at random moments, restores it, and goes on.

Orders are appended while a consumer emits into a second log, a durable process emits into a
third one, a table and a snapshot follow, and points are made all the time.  At a random moment
every process is killed, and the logs, the checkpoint, the table and the snapshot are removed.
Now and then, a log gives up its oldest events, which are then read from the backups.
They are restored from their newest points; the producer sends again, with --dedup, what it is not
sure of, and all go on.  At the end nothing may be missing or doubled, and the states must equal
those that Python computes.

A log that consumers write to must not be ahead of the log that they read.  So each round backs up
first the logs that are written to, with the checkpoint, then the one that is read; and of the
former, the newest points are restored that are not newer than the one of the latter.

Run in an empty directory with the tools in PATH.  EVLOG_DISASTERS: how many (10).  EVLOG_SEED
repeats a run, as far as the machine allows."""

import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

DISASTERS = int(os.environ.get("EVLOG_DISASTERS", "10"))
SEED = int(os.environ.get("EVLOG_SEED", "0")) or int(time.time())
BATCH = 5
SUBJECTS = 7

PROCESS = """function on.Order(s, e)
  s.n = (s.n or 0) + 1
  emit{type="Counted", subject=e.subject, data={n=e.data.n, nth=s.n}}
end
"""
KEPT = {"out": ["c.pos"], "proc": [], "in": ["read.db", "f.snap"]}  # in the order of the backups


def must(*argv, data=None, fair=(0,)):
    p = subprocess.run(argv, input=data, capture_output=True, timeout=60, check=False)
    assert p.returncode in fair, f"{' '.join(argv)}: status {p.returncode}: {p.stderr.decode()}"
    return p.stdout


def order(n):
    return b'{"type":"Order","subject":"s%d","id":"o%d","source":"/shop","data":{"n":%d}}\n' % (n % SUBJECTS, n, n)


def through(argv, log="in"):
    """Has a log read through its backups, which have what was removed from it."""
    return [x for a in argv for x in ((f"{a}.dest", a) if a == log and os.path.exists(f"{a}.dest/points") else (a,))]


def raw(log):
    return must(*through(("evcat", "-q", log), log)).splitlines() if os.path.exists(log) else []


def lines(log):
    return [e for e in map(json.loads, raw(log)) if e["type"] != "org.evlog.trimmed"]


CONSUMER = ("evrun", "-q", "--batch", "7", "--checkpoint", "c.pos", "--emit", "out", "in", "--",
            "jq", "-nc", 'inputs | select(.type == "Order") | {type: "Seen", subject, data: {n: .data.n}}')  # fmt: skip
READERS = {
    "consumer": CONSUMER,
    "process": ("evfold", "-q", "-k", "subject", "-p", "process.lua", "-o", "log:proc", "in"),
    "table": ("evfold", "-q", "-k", "subject", "-o", "sqlite:read.db", "n=count()", "sum=sum(data.n)", "in"),
    "snapshot": ("evfold", "-q", "-k", "subject", "--snapshot", "f.snap", "n=count()", "sum=sum(data.n)", "in"),
}


class Shop:
    """Everything that runs until the disaster."""

    def __init__(self, next_order):
        self.next, self.acked, self.ended, self.failed = next_order, next_order, threading.Event(), []
        self.running, self.lock = set(), threading.Lock()
        self.threads = [threading.Thread(target=self.loop, args=(self.produce,)),
                        threading.Thread(target=self.loop, args=(self.back_up,))]  # fmt: skip
        self.threads += [threading.Thread(target=self.loop, args=(self.read, name)) for name in READERS]
        for t in self.threads:
            t.start()

    def run(self, argv, data=None):
        """Runs a command.  None: it was killed by the disaster."""
        with self.lock:
            if self.ended.is_set():
                return None
            p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
            self.running.add(p)
        out, err = p.communicate(data)
        with self.lock:
            self.running.discard(p)
        if self.ended.is_set():
            return None
        # a database that is being written to for long, or a checkpoint in use: again
        assert p.returncode in (0, 75), f"{' '.join(argv)}: status {p.returncode}: {err.decode()}"
        return out if p.returncode == 0 else b""

    def loop(self, what, *args):
        try:
            while not self.ended.is_set():
                what(*args)
        except AssertionError as e:
            self.failed.append(str(e))

    def produce(self):
        data = b"".join(order(n) for n in range(self.next, self.next + BATCH))
        if self.run(("evappend", "-q", "--dedup", "--segment-size", "3000", "in"), data) is not None:
            self.next += BATCH
        time.sleep(0.02)

    def read(self, name):
        self.run(through(READERS[name]))
        time.sleep(0.02)

    def back_up(self):
        for log, names in KEPT.items():
            kept = [x for name in names if os.path.exists(name) for x in ("--with", name)]
            if not os.path.exists(log):
                continue
            end = self.run(("evcat", "-q", "-n", "1", log))
            trim = ("--trim-before", str(int(end[8:24]) - 60)) if end and int(end[8:24]) > 100 and random.random() < 0.2 else ()
            self.run(("evbackup", "-q", *trim, *kept, log, f"{log}.dest"))
        time.sleep(0.05)

    def disaster(self):
        with self.lock:
            self.ended.set()
            for p in self.running:
                try:
                    os.killpg(p.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        for t in self.threads:
            t.join()
        assert not self.failed, self.failed[0]


def newest(log, before=None):
    """The newest point of a log that is not newer than another one."""
    points = sorted((n for n in os.listdir(f"{log}.dest/points") if n.endswith(".tar")), key=lambda n: n.split("-")[1])
    if before:
        points = [n for n in points if n.split("-")[1] <= before]
    return points[-1] if points else None


def restore():
    """Removes everything, and restores it.  Returns the last event of the log."""
    for name in os.listdir("."):
        if not name.endswith((".dest", ".lua")):
            shutil.rmtree(name) if os.path.isdir(name) else os.unlink(name)
    point = newest("in")
    for log in KEPT:
        at = newest(log, point.split("-")[1]) if os.path.exists(f"{log}.dest") else None
        if at:
            must("evrestore", "-q", "--with", ".", "--point", at, f"{log}.dest", log)
        elif os.path.exists(f"{log}.dest"):  # what is made anew is another log
            shutil.rmtree(f"{log}.dest")
    return int(point[:16])


def judge(last):
    """All that was sent is there once, and so is what follows from it."""
    orders = [e["data"]["n"] for e in lines("in")]
    assert sorted(orders) == list(range(last)), f"{len(orders)} orders, {len(set(orders))} different, of {last}"
    seen = [e["data"]["n"] for e in lines("out")]
    assert seen == orders, f"the consumer emitted {len(seen)} for {len(orders)}"
    nth, want = collections.Counter(), []
    for n in orders:
        nth[n % SUBJECTS] += 1
        want.append((n, nth[n % SUBJECTS]))
    got = [(e["data"]["n"], e["data"]["nth"]) for e in lines("proc")]
    assert got == want, f"the process emitted {len(got)} for {len(want)}: {[x for x in zip(got, want) if x[0] != x[1]][:3]}"
    states = {f's{i}': {"n": nth[i], "sum": sum(n for n in orders if n % SUBJECTS == i)} for i in nth}
    folded = {s["key"]: s["state"] for s in map(json.loads, must(*through(READERS["snapshot"])).splitlines())}
    assert folded == states, "the snapshot has other states"
    table = must("sqlite3", "read.db", "select json_group_object(key, json(state)) from (select key, state from state)")
    assert {json.loads(k) if k.startswith('"') else k: v for k, v in json.loads(table).items()} == states, f"the table has other states: {table}"


def main():
    rng = random.Random(SEED)
    with open("process.lua", "w", encoding="utf-8") as f:
        f.write(PROCESS)
    must("evappend", "-q", "in", data=b"".join(order(n) for n in range(BATCH)))
    must("evbackup", "-q", "in", "in.dest")
    start, lost, repeated = BATCH, 0, 0
    for i in range(DISASTERS):
        shop = Shop(start)
        time.sleep(rng.uniform(0.2, 1.2))
        shop.disaster()
        before = raw("in")
        kept = restore()
        after = raw("in")
        assert after == before[: len(after)] and len(after) == kept, "what is restored is not what was there"
        must("evrestore", "--drill", "--log", "in", "in.dest")
        lost += len(before) - kept
        kept = len(lines("in"))  # orders, from now on
        # the producer begins early enough, whatever was lost
        start = max(0, kept - rng.randint(0, 3) * BATCH) // BATCH * BATCH
        repeated += kept - start
    last = start + 20 * BATCH
    for n in range(start, last, BATCH):
        must("evappend", "-q", "--dedup", "in", data=b"".join(order(m) for m in range(n, n + BATCH)))
    for argv in READERS.values():
        must(*through(argv))
    judge(last)
    trimmed = sum(b"org.evlog.trimmed" in line for log in KEPT for line in raw(log))
    print(f"disasters {DISASTERS}\ntrimmed {trimmed}\nevents {last}\nafter the last point {lost}\nsent again {repeated}\nlost 0\ndoubled 0")


if __name__ == "__main__":
    try:
        main()
    except AssertionError as e:
        print(f"EVLOG_SEED={SEED}: {e}")
        sys.exit(1)
