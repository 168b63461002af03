"""kill.py random|stream|crowd - kills evappend at any time; the log must stay sound.

Run in an empty directory with the tools in PATH.  The exit status is the verdict, and a
failed assertion says what is broken.  EVLOG_KILLS: at least this many kills; EVLOG_SEED
repeats a run.
"""

import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from format import cat, must, read, root, run, segment_parse, segments  # noqa: E402
from oracle import sealed_but_last, whole  # noqa: E402

SEED = int(os.environ.get("EVLOG_SEED", "0")) or int(time.time())
KILLS = int(os.environ.get("EVLOG_KILLS", "204"))


def line(source, n, pad):
    return b'{"type":"T","id":"%d","source":"/%s","data":{"n":%d,"pad":"%s"}}\n' % (
        n,
        source.encode(),
        n,
        b"x" * pad,
    )


def events_of(log):
    """The committed events as a reader sees them now; checks that seqs have no gaps and
    status 0."""
    status, out, err = cat(log)
    assert (status, err) == (0, ""), f"evcat: status {status}: {err}"
    lines = out.splitlines()
    events = [json.loads(x) for x in lines]
    seqs = [int(e["seq"]) for e in events]
    assert seqs == list(range(1, len(seqs) + 1)), "seqs have gaps, or come twice"
    return lines, [(e["source"], e["data"]["n"]) for e in events]


# ---- kill -9 at any time ----


class Victim:
    """An evappend --ack whose standard input we write."""

    def __init__(self, rng, log, name, options, count, pad, chunk, pause):
        self.name, self.count, self.acks = name, count, []
        argv = ["evappend", "--ack", *options, log]
        self.p = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.feeder = threading.Thread(target=self.feed, args=(rng, pad, chunk, pause))
        self.feeder.start()

    def feed(self, rng, pad, chunk, pause):
        n = 0
        try:
            while n < self.count:
                more = min(self.count - n, rng.randint(1, chunk))
                data = b"".join(line(self.name, n + i, pad) for i in range(more))
                self.p.stdin.write(data)
                self.p.stdin.flush()
                n += more
                if pause:
                    time.sleep(rng.random() * pause)
        except BrokenPipeError:
            pass
        try:
            self.p.stdin.close()
        except BrokenPipeError:
            pass

    def end(self):
        out, err = self.p.stdout.read(), self.p.stderr.read().decode()
        status = self.p.wait()
        self.feeder.join()
        # a line of --ack is one write, so a line never arrives in part
        self.acks = [json.loads(x) for x in out.splitlines()]
        assert status in (0, -signal.SIGKILL), f"status {status}: {err}"
        return status


def rounds_check(log, victim, before, atomic):
    """After the kill, the log must have its earlier events, then this victim's first k
    events."""
    lines, events = events_of(log)
    assert lines[: len(before)] == before, "what was there before has changed"
    mine = events[len(before) :]
    want = [(f"/{victim.name}", n) for n in range(len(mine))]
    assert mine == want, f"not the first {len(mine)} events in order"
    acked = len(before)
    for a in victim.acks:
        assert a["from"] == acked + 1 and a["to"] >= a["from"], f"{a} behind {acked}"
        acked = a["to"]
    assert len(lines) >= acked, f"acknowledged up to {acked}, there are {len(lines)}"
    if victim.acks and acked < 1000:
        a = random.choice(victim.acks)
        assert a["root"] == root(lines[: a["to"]]).hex(), f"root of {a}"
    if atomic:
        assert len(mine) in (0, victim.count), f"{len(mine)} of one commit"
    return lines


def commits_check(log, before, after):
    """Events that were not acknowledged must be there by whole commits."""
    ends, seq = set(), 0
    for name in segments(log):
        for b in segment_parse(read(log, name))[1]:
            seq = b["first_seq"] + b["count"] - 1
            if b["flags"] & 1:
                ends.add(seq)
    assert after == 0 or after in ends, f"the end {after} is no end of a commit"


def check_random():
    rng = random.Random(SEED)
    killed = settled = kept = rolled = i = 0
    log = None
    # on a busy machine, fewer of them get as far as starting another segment
    while (killed < KILLS or rolled < 3) and i < 4 * KILLS:
        i += 1
        if i % 6 == 1:  # start a new log now and then, so that its creation is killed, too
            log = f"log{i}.evlog"
        atomic = dedup = False
        options, pad, chunk, count, pause = [], 20, 4, 400, 0.003
        kind = i % 6
        if kind == 1:
            options, pad = ["--segment-size", "3000"], 200
        elif kind == 2:
            options, atomic, count, pad, pause = ["--atomic"], True, 40, 200000, 0
        elif kind == 3:
            options, dedup = ["--dedup", "--segment-size", "8000"], True
        elif kind == 4:
            options, chunk, count, pad, pause = [], 100, 800, 9000, 0
        elif kind == 5:
            options = ["--strict"] if i % 12 == 5 else ["--no-sync", "--linger", "2"]
        before = events_of(log)[0] if os.path.exists(log) else []
        v = Victim(rng, log, f"v{i}", options, count, pad, chunk, pause)
        time.sleep(rng.random() * 0.06)
        v.p.kill()
        where = f"round {i} (kind {kind}, EVLOG_SEED={SEED})"
        try:
            killed += v.end() != 0
            if not os.path.exists(log):
                assert not v.acks, "acknowledged, and there is no log"
                continue
            lines = rounds_check(log, v, before, atomic)
            # the next append must work and lose nothing
            status, out, err = run(
                "evappend", "--ack", log, data=line(f"n{i}", 0, 1)
            )
            assert status == 0, f"the next append: status {status}: {err}"
            settled += "bytes of an unfinished append" in err
            ack = json.loads(out)
            after, events = events_of(log)
            assert ack["from"] == ack["to"] == len(after) == len(events)
            assert events[-1] == (f"/n{i}", 0)
            mine = events[len(before) : -1]
            kept += len(mine) > sum(a["to"] + 1 - a["from"] for a in v.acks)
            assert mine == [(f"/v{i}", n) for n in range(len(mine))]
            assert after[: len(lines)] == lines, "the next append took something away"
            if atomic:
                assert len(mine) in (0, v.count), f"{len(mine)} of one commit"
            if len(after) < 1000:
                assert ack["root"] == root(after).hex()
            commits_check(log, len(before), len(after) - 1)
            assert whole(log)[1]["root"].hex() == ack["root"]
            must(0, "evappend", "--reindex", log)
            assert sealed_but_last(log), "not all is sealed"
            assert whole(log)[0] == after, "sealed, it is not the same"
            if dedup:
                # send everything again, like a client that got no answer: each event must
                # be there once
                again = b"".join(line(f"v{i}", n, pad) for n in range(v.count))
                must(0, "evappend", *options, log, data=again)
                _, events = events_of(log)
                mine = [e for e in events if e[0] == f"/v{i}"]
                assert mine == [(f"/v{i}", n) for n in range(v.count)], "once each"
            rolled = max(rolled, len(segments(log)))
        except AssertionError as e:
            raise AssertionError(f"{where}: {e}") from e
    print(f"kills {killed}\ntorn {settled}\nkept {kept}\nsegments {rolled}")
    assert killed >= KILLS, f"only {killed} were killed"
    assert rolled > 2, "no segment was rolled"
    assert settled + kept > 0, "no kill came at an interesting moment"


class Reader(Victim):
    """An evappend --ack of a file, which reads while it commits."""

    def __init__(self, name, count, *argv):
        self.name, self.count, self.acks = name, count, []
        self.p = subprocess.Popen(
            ["evappend", "--ack", *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.feeder = threading.Thread(target=lambda: None)
        self.feeder.start()


def check_stream():
    """Commits of many blocks, encoded by several threads while the next lines are checked."""
    rng = random.Random(SEED)
    count, killed, acked = 40000, 0, 0
    with open("many", "wb") as f:
        for n in range(count):
            f.write(line("many", n, 0)[:-3] + b',"noise":"%s"}}\n' % rng.randbytes(400).hex().encode())
    for i in range(4 * KILLS):
        log = f"log{i}.evlog"
        size = rng.choice(["2M", "9M", "64M"])
        v = Reader("many", count, "-j", "4", "--segment-size", size, log, "many")
        if i % 2:  # after the first acknowledgement
            select.select([v.p.stdout], [], [], 60)
        time.sleep(rng.random() * (0.1 if i % 2 else 0.3))
        v.p.kill()
        try:
            killed += v.end() != 0
            if not os.path.exists(log):
                assert not v.acks, "acknowledged, and there is no log"
                continue
            lines = rounds_check(log, v, [], False)
            if v.acks:
                acked += 1
                assert v.acks[-1]["root"] == root(lines[: v.acks[-1]["to"]]).hex()
            must(0, "evappend", "-q", f"--dedup={count}", log, "many")
            commits_check(log, 0, len(lines))
            after, events = events_of(log)
            assert after[: len(lines)] == lines, "the next append took something away"
            assert events == [("/many", n) for n in range(count)], "once each"
            must(0, "evappend", "--reindex", log)
            assert sealed_but_last(log), "not all is sealed"
            assert whole(log)[0] == after, "sealed, it is not the same"
        except AssertionError as e:
            raise AssertionError(f"round {i} ({size}, EVLOG_SEED={SEED}): {e}") from e
        shutil.rmtree(log)
        if killed >= KILLS:
            break
    print(f"kills {killed}\nacknowledged {acked}")
    assert killed >= KILLS and acked, f"{killed} were killed, {acked} had acknowledged"


def check_crowd():
    """Kills one of three; the others must neither wait for it nor lose anything."""
    rng = random.Random(SEED)
    for i in range(20):
        log = f"log{i}.evlog"
        must(0, "evappend", log, data=line("first", 0, 1))
        follower = subprocess.Popen(["evcat", "-f", log], stdout=subprocess.PIPE)
        followed = []
        reading = threading.Thread(target=lambda f=follower, to=followed: to.extend(f.stdout))
        reading.start()
        options = ["--segment-size", "6000", "--wait", "20"]
        vs = [Victim(rng, log, f"v{j}", options, 120, 50, 4, 0.001) for j in range(3)]
        time.sleep(rng.random() * 0.08)
        vs[0].p.kill()
        ended = [v.end() for v in vs]
        assert ended[1:] == [0, 0], f"round {i}, EVLOG_SEED={SEED}: {ended}"
        lines, events = events_of(log)
        for v in vs:
            mine = [e for e in events if e[0] == f"/{v.name}"]
            want = [(f"/{v.name}", n) for n in range(len(mine))]
            assert mine == want, f"round {i}, EVLOG_SEED={SEED}: {v.name}: {mine}"
            if v is not vs[0]:
                assert len(mine) == v.count
            for a in v.acks:
                for e in events[a["from"] - 1 : a["to"]]:
                    assert e[0] == f"/{v.name}", f"{a} has an event of {e[0]}"
        must(0, "evappend", log, data=line("z", 0, 1))
        must(0, "evappend", "--reindex", log)
        assert sealed_but_last(log), "not all is sealed"
        whole(log)
        # a reader that followed all the time must have seen the same
        want = must(0, "evcat", log).splitlines(True)
        for _ in range(200):
            if len(followed) >= len(want):
                break
            time.sleep(0.05)
        follower.kill()
        reading.join()
        assert followed == want, f"a follower saw {len(followed)} of {len(want)}"


if __name__ == "__main__":
    try:
        globals()["check_" + sys.argv[1]]()
    except AssertionError:
        import traceback

        traceback.print_exc(limit=-2)
        sys.exit(1)
