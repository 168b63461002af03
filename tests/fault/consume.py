"""consume.py - kills the consumers of a pipeline at random; each event must still have
exactly one output.

    in.evlog -- double, --batch 7 --> mid.evlog -- copy, -j 3 --> out.evlog
                                                \\-- what copy refuses --> dead.evlog

Kills both consumers, the commands that they run, and the appending process.  The logs have
small segments.  Run in an empty directory with the tools in PATH.  EVLOG_KILLS: at least
this many kills; EVLOG_SEED repeats a run."""

import collections
import json
import os
import random
import signal
import subprocess
import sys
import time

SEED = int(os.environ.get("EVLOG_SEED", "0")) or int(time.time())
KILLS = int(os.environ.get("EVLOG_KILLS", "100"))
KEYS = 9

DOUBLE = """
import json, sys
for line in sys.stdin:
    e = json.loads(line)
    for twin in "ab":
        print(json.dumps({"type": "Mid", "subject": e["subject"], "data": {"n": e["data"]["n"], "twin": twin}}))
"""
COPY = """
import json, sys
lines = [json.loads(line) for line in sys.stdin]
if any(e["data"]["n"] % 97 == 0 and e["data"]["twin"] == "b" for e in lines):
    sys.exit(3)
for e in lines:
    print(json.dumps({"type": "Out", "subject": e["subject"], "data": e["data"]}))
"""


class Consumer:
    def __init__(self, *argv):
        self.argv = argv
        self.start()

    def start(self):
        self.p = subprocess.Popen(["evrun", "-q", "-f", "--retry", "0", *self.argv], stderr=subprocess.PIPE)

    def children(self):
        out = subprocess.run(["pgrep", "-P", str(self.p.pid)], capture_output=True, text=True, check=False)
        return [int(x) for x in out.stdout.split()]

    def kill(self, rng):
        """Kills the consumer, or a command that it runs, which then counts as a failed
        batch."""
        victims = self.children()
        if rng.random() < 0.3 and victims:
            try:
                os.kill(rng.choice(victims), signal.SIGKILL)
            except ProcessLookupError:
                return 0
            return 1
        self.p.kill()
        self.stop(1, -signal.SIGKILL)
        self.start()
        return 1

    def revive(self):
        """Restarts a consumer that stopped because its command was killed and it has no
        dead letters."""
        if self.p.poll() is not None:
            self.stop(1, -signal.SIGKILL)
            self.start()

    def stop(self, *fair):
        err = self.p.stderr.read().decode()
        status = self.p.wait()
        assert status in (0, *fair), f"{self.argv[:4]}: status {status}: {err}"


def events(log):
    out = subprocess.run(["evcat", log], stdout=subprocess.PIPE, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def append(rng, n, count):
    """Appends some events; the process is sometimes killed, so only some of them arrive."""
    data = "".join(json.dumps({"type": "In", "id": str(i), "subject": f"s{i % KEYS}", "data": {"n": i}}) + "\n"
                   for i in range(n, n + count))
    p = subprocess.Popen(["evappend", "--dedup", "--segment-size", "20000", "in.evlog"], stdin=subprocess.PIPE,
                         stderr=subprocess.DEVNULL)
    p.stdin.write(data.encode())
    if rng.random() < 0.2:
        p.kill()
    try:
        p.stdin.close()
    except BrokenPipeError:
        pass
    return p.wait() == 0


def reached(path):
    try:
        with open(path, encoding="utf-8") as f:
            return json.load(f)["seq"]
    except (FileNotFoundError, json.JSONDecodeError):
        return 0


def last(log):
    return int(json.loads(subprocess.run(["evcat", "-n", "1", log], capture_output=True, check=True).stdout)["seq"])


def drain(c, log, checkpoint):
    """Waits until a consumer has reached the end of its log."""
    end = time.time() + 60
    while reached(checkpoint) < last(log):
        c.revive()
        assert time.time() < end, f"{checkpoint} stays at {reached(checkpoint)} of {last(log)}"
        time.sleep(0.05)


def main():
    rng = random.Random(SEED)
    for name, text in (("double", DOUBLE), ("copy", COPY)):
        with open(name, "w", encoding="utf-8") as f:
            f.write(text)
    while not append(rng, 0, 10):
        pass
    subprocess.run(["evappend", "mid.evlog"], input=b"", check=True)
    first = Consumer("--batch", "7", "--checkpoint", "1.pos", "--emit", "mid.evlog", "in.evlog", "--",
                     "python3", "-S", "double")
    second = Consumer("-j", "3", "--batch", "20", "--checkpoint", "2.pos", "--emit", "out.evlog",
                      "--dead-letter", "dead.evlog", "mid.evlog", "--", "python3", "-S", "copy")
    n, kills = 10, 0
    while kills < KILLS:
        count = rng.randint(1, 12)
        if n < 4 * KILLS and append(rng, n, count):
            n += count
        time.sleep(rng.expovariate(1 / 0.02))
        kills += rng.choice([first, second]).kill(rng)
        first.revive()
        second.revive()
    while not append(rng, n, 5):
        pass
    n += 5
    for c, *what in ((first, "in.evlog", "1.pos"), (second, "mid.evlog", "2.pos")):
        drain(c, *what)
        c.p.send_signal(signal.SIGTERM)
        c.stop()
    judge(n, kills)


def judge(n, kills):
    assert [e["data"]["n"] for e in events("in.evlog")] == list(range(n))
    mid = [(e["data"]["n"], e["data"]["twin"]) for e in events("mid.evlog")]
    assert mid == [(i, t) for i in range(n) for t in "ab"], "mid.evlog lacks, doubles or reorders"
    out = [(e["data"]["n"], e["data"]["twin"]) for e in events("out.evlog")]
    dead = [(e["data"]["event"]["data"]["n"], e["data"]["event"]["data"]["twin"]) for e in events("dead.evlog")]
    count = collections.Counter(out)
    doubled = sum(k > 1 for k in count.values())
    # an event whose command was killed may be in both: set aside, and processed later
    twice = collections.Counter(dead)
    lost = [x for x in mid if x not in count and x not in twice]
    assert not lost, f"lost: {lost[:5]}"
    assert doubled == 0, f"doubled: {[x for x, k in count.items() if k > 1][:5]}"
    assert max(twice.values(), default=0) <= 1, "a letter came twice"
    assert all(x in twice for x in mid if x[0] % 97 == 0 and x[1] == "b")
    for key in range(KEYS):
        mine = [x for x in out if x[0] % KEYS == key]
        assert mine == sorted(mine), f"s{key} is out of order"
    print(f"kills {kills}\nevents {n}\nemitted {len(mid) + len(out)}\nletters {len(dead)}\nlost 0\ndoubled 0")


if __name__ == "__main__":
    try:
        main()
    except AssertionError as e:
        print(f"EVLOG_SEED={SEED}: {e}")
        sys.exit(1)
