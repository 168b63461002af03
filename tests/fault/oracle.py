"""oracle.py - what must be true of a log after a fault, whatever the fault was.

A workload prepares a log, and then runs one command on it with a fault in the middle.
Afterwards survived() reads the log as a user would, appends to it, and checks it byte by
byte against what was acknowledged and what was sent.  format.py, which reads
evlog-format(5) independently of the C code, is the witness.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from format import head_parse, is_sealed, leaf, read, root, segment_parse, segments, u32, write  # noqa: E402

SHIM = os.path.join(os.environ.get("EVLOG_BUILD", "build"), "fault-shim.so")


def run(argv, data=None, cwd=None, env=None):
    p = subprocess.run(
        argv, input=data, cwd=cwd, env=env, close_fds=False, capture_output=True,
        stdin=subprocess.DEVNULL if data is None else None, timeout=10,
    )  # fmt: skip
    return p.returncode, p.stdout, p.stderr.decode(errors="replace")


def must(argv, cwd, data=None):
    status, out, err = run(argv, data, cwd)
    assert status == 0, f"{' '.join(argv)}: status {status}: {err}"
    return out


def event(source, n, pad=5):
    text = hashlib.shake_128(b"%d" % n).hexdigest(pad // 2).encode()
    return b'{"type":"T","subject":"s%d","id":"%d","source":"/%s","data":{"n":%d,"pad":"%s"}}\n' % (
        n % 3, n, source.encode(), n, text,
    )  # fmt: skip


def events(source, first, count, pad=5):
    return b"".join(event(source, n, pad) for n in range(first, first + count))


# ---- Workloads that append ----

BAD = b'{"type":"T","n":01}\n'
SMALL = ("--segment-size", "500")


class Append:
    """A log made by `before`, the commands to run one after the other, and `argv` with a
    fault in it; `commits`: how many events each of its commits has."""

    def __init__(self, name, options, commits, before=(), files=None, spoil=None, **more):
        self.name, self.options, self.commits = name, options, commits
        self.before, self.spoil = before, spoil
        self.data = more.get("data")
        self.mended = more.get("mended", False)  # status 65 until the next append
        self.unnamed = more.get("unnamed", False)  # the name of the last segment is not synced
        self.script = more.get("script")
        self.loose = more.get("script") is not None
        self.kept = more.get("kept", 0)  # events that may be there without an acknowledgement
        self.right = more.get("right", 0)  # the status without a fault
        self.inputs = files if files is not None else [f"in{i}" for i in range(len(commits))]

    def prepare(self, folder, pad=5):
        """Makes the folder that each trial copies."""
        os.makedirs(folder)
        n = 0
        pad = 360000 if self.name == "atomic" else pad
        for i, count in enumerate(self.commits):
            with open(f"{folder}/in{i}", "wb") as f:
                f.write(events("in", n, count, pad))
            n += count
        for i in range(3):
            with open(f"{folder}/old{i}", "wb") as f:
                f.write(event("old", i, max(pad, 200)))
        with open(f"{folder}/bad", "wb") as f:
            f.write(BAD)
        with open(f"{folder}/check.lua", "w") as f:
            f.write("check.T = function(e) return e.data.n >= 0 and #e.data.pad > 0 end\n")
        for argv in self.before:
            must(argv, folder)
        if self.spoil:
            self.spoil(folder)
        self.data = self.data(folder) if callable(self.data) else self.data
        log = f"{folder}/log"
        self.sure = []
        if os.path.exists(log):
            self.sure = run(["evcat", log])[1].splitlines()
        return folder

    def argv(self):
        if self.script:
            return ["bash", "-c", self.script]
        ack = [] if "--reindex" in self.options else ["--ack"]
        return ["evappend", *ack, *self.options, "log", *self.inputs]


def tear(folder):
    """Cuts off the end of the last append, which head does not record."""
    log = f"{folder}/log"
    head = read(log, "head")
    must(["evappend", "log", "old2"], folder)
    name = os.path.join(log, segments(log)[-1])
    os.truncate(name, os.path.getsize(name) - 7)
    with open(os.path.join(log, "head"), "wb") as f:
        f.write(head)


def begin_segment(folder):
    """A writer died after it created a segment and before it synced the name."""
    env = dict(os.environ, LD_PRELOAD=SHIM, FAULT_NAME="fsync", FAULT_AT="1", FAULT_DO="kill")
    status, _, err = run(["evappend", *SMALL, "log", "old2"], None, folder, env)
    assert status == -9 and len(segments(f"{folder}/log")) > 1, err


def forget(folder):
    """The last append is whole, but head does not record it."""
    log = f"{folder}/log"
    head = read(log, "head")
    must(["evappend", "log", "old2"], folder)
    with open(os.path.join(log, "head"), "wb") as f:
        f.write(head)


def unsealed(folder):
    """Full segments that are not sealed, because their writers died first."""
    log, was = f"{folder}/log", {}
    for i in range(3):
        must(["evappend", *SMALL, "log", f"old{i}"], folder)
        name = segments(log)[-1]
        was[name] = read(log, name)
    for name, data in was.items():
        write(log, name, data)
    assert len(was) > 2 and not any(map(is_sealed, was.values()))


def poison(folder):
    """A sync failed, three segments followed, and then the later records of head were lost,
    so that it still says that the first segment is poisoned."""
    log = f"{folder}/log"
    env = dict(os.environ, LD_PRELOAD=SHIM, FAULT_NAME="fdatasync", FAULT_AT="1", FAULT_DO="5")
    status, _, err = run(["evappend", "log", "old2"], None, folder, env)
    assert status == 74, err
    head = read(log, "head")
    for i in range(3):
        must(["evappend", *SMALL, "log", f"old{i}"], folder)
    assert len(segments(log)) == 4
    write(log, "head", head)


def poison_empty(folder):
    """The same for a segment without events, which another one has replaced."""
    log = f"{folder}/log"
    must(["evappend", "log"], folder, b"")
    env = dict(os.environ, LD_PRELOAD=SHIM, FAULT_NAME="fdatasync", FAULT_AT="1", FAULT_DO="5")
    status, _, err = run(["evappend", "log", "old2"], None, folder, env)
    assert status == 74, err
    head = read(log, "head")
    must(["evappend", "log", "old0"], folder)
    write(log, "head", head)


def replica(folder):
    """What evcat prints of another log with the same beginning."""
    shutil.copytree(f"{folder}/log", f"{folder}/leader")
    must(["evappend", "leader", "in0"], folder)
    out = must(["evcat", "--from", "2", "leader"], folder)
    shutil.rmtree(f"{folder}/leader")
    return out


def old(*names, options=()):
    return [["evappend", *options, "log", name] for name in names]


APPENDS = [
    Append("single", [], [1]),
    Append("new", SMALL, [2, 2, 2, 2, 2]),
    Append("append", [], [2, 2], old("old0")),
    Append("roll", SMALL, [2, 2], old("old0", "old1", options=SMALL)),
    Append("torn", SMALL, [2, 2, 2], old("old0", "old1", options=SMALL), spoil=tear),
    Append("torn-over", [], [2, 2], old("old0"), spoil=tear),
    Append("unnamed", SMALL, [2, 2], old("old0", "old1", options=SMALL),
           spoil=begin_segment, unnamed=True),
    Append("poisoned", SMALL, [2, 2], old("old0", "old1"), spoil=poison),
    Append("poisoned-empty", [], [2, 2], spoil=poison_empty),
    Append("unacknowledged", [], [2], old("old0"), spoil=forget, kept=1),
    Append("lost", [], [2, 2], old("old0", "old1"), mended=True,
           spoil=lambda f: os.unlink(f"{f}/log/head")),
    Append("strict", ["--strict"], [2, 2], old("old0")),
    Append("no-sync", ["--no-sync"], [2, 2], old("old0")),
    Append("atomic", ["--atomic"], [4], old("old0")),
    Append("expect", ["--expect", "1"], [2], old("old0")),
    Append("expect-subject", ["--expect-subject", "s1=2"], [2], old("old0", "old1")),
    Append("dedup", ["--dedup"], [2, 2], old("old0"), files=["old0", "in0", "in1"]),
    Append("reject", ["--reject", "aside"], [2, 2], old("old0"),
           files=["in0", "bad", "in1"], right=65),
    Append("check", ["--check", "check.lua"], [2, 2], old("old0")),
    Append("text", ["--text"], [2, 2], old("old0")),
    Append("seal", ["--reindex"], [], spoil=unsealed),
    Append("seal-roll", SMALL, [2, 2], spoil=unsealed),
    Append("replica", ["--replica"], [4], old("old0"), files=["-"], data=replica),
]  # fmt: skip


# A sync that fails, and what another process then appends.  For power.py only.
UNSYNCED = Append(
    "sync-failed", [], [2, 2, 2], old("old0"),
    script=f"""
    export LD_PRELOAD={SHIM}
    FAULT_NAME=fdatasync FAULT_AT=1 FAULT_DO=5 evappend --ack log in0 2>/dev/null
    evappend --ack log in1 && evappend --ack log in2""",
)  # fmt: skip


# ---- Workloads that consume ----

SENT = 12  # events, of each log
POISON = 7  # the event that a command may refuse

# TELL prints a line for each event; REFUSE does so, too, but fails at the poison.
TELL = r"""{ match($0, /"n":[0-9]+/); print "{\"type\":\"Out\",\"data\":{" substr($0, RSTART, RLENGTH) "}}" }"""
REFUSE = f'/"n":{POISON},/ {{ exit 3 }} {TELL}'


class Consume:
    """evrun with a checkpoint, and a command that prints a line for each event."""

    right = 0
    data = None

    def __init__(self, name, options, program=TELL, before=(), skips=()):
        self.name, self.options, self.program, self.before = name, options, program, before
        self.logs = ["log", "log2"] if "-m" in options else ["log"]
        self.everything = [n for n in range(SENT * len(self.logs)) if n not in skips]
        self.emits = "--emit" in options
        self.alone = "-j" not in options
        self.dead = [POISON] if "--dead-letter" in options else []

    def prepare(self, folder):
        os.makedirs(folder)
        for i in range(4):
            for k, log in enumerate(self.logs):
                lines = events("in", k * SENT + i * 3, 3, 50)
                must(["evappend", "--segment-size", "600", log], folder, lines)
        with open(f"{folder}/old0", "wb") as f:
            f.write(events("in", 0, 3, 50))
        for argv in self.before:
            must(argv, folder)
        self.bytes = [bytes_of(f"{folder}/{log}") for log in self.logs]

    def argv(self):
        return ["evrun", "-q", "--retry", "1", "--backoff", "1ms", "--checkpoint", "pos", *self.options,
                *self.logs, "--", "awk", self.program]  # fmt: skip


CONSUMES = [
    Consume("consume", ["--batch", "4"]),
    Consume("consume-some", ["--batch", "8", "-s", "s0", "-s", "s2"], skips=range(1, SENT, 3)),
    Consume("consume-logs", ["-m", "--batch", "5"]),
    Consume("consume-logs-two", ["-m", "--batch", "2", "-j", "2"]),
    Consume("consume-two", ["--batch", "2", "-j", "2"]),
    Consume("consume-letters", ["--batch", "4", "--dead-letter", "dead"], REFUSE),
    Consume("emit", ["--batch", "4", "--emit", "out"]),
    Consume("emit-two", ["--batch", "2", "-j", "2", "--emit", "out"], before=[["evappend", "out", "old0"]]),
    Consume("emit-letters", ["--batch", "4", "--emit", "out", "--dead-letter", "dead"], REFUSE),
]  # fmt: skip


class Reshard(Consume):
    """Two receivers, each at a place of its own, become three."""

    def __init__(self):
        super().__init__("reshard", ["--emit", "out", "-j"])

    def prepare(self, folder):
        super().prepare(folder)
        for shard, to in (("1/2", "4"), ("2/2", "9")):
            must(self.receiver(shard, "--to", to), folder)

    def receiver(self, shard, *options):
        return ["evrun", "--shard", shard, "--checkpoint", "c-%.pos", "--batch", "2", "--emit", "out", *options,
                "log", "--", "awk", TELL]  # fmt: skip

    def argv(self):
        return ["evrun", "--reshard", "3", "--checkpoint", "c-%.pos", "--emit", "out", "log"]


def divided(w, folder):
    """After the fault, whoever can go on does; the same command again completes the division; and
    each event was told once."""
    for shard in ("1/2", "1/3"):
        status, _, err = run(w.receiver(shard, "--to", "10"), None, folder)
        assert status in (0, 76), f"receiver {shard}: status {status}: {err}"
    must(w.argv(), folder)
    for shard in ("1/2", "2/2"):
        status, _, err = run(w.receiver(shard), None, folder)
        assert status == 76, f"an old receiver goes on: status {status}: {err}"
    for shard in ("2/3", "3/3", "1/3"):
        must(w.receiver(shard), folder)
    numbers = told(w, folder, None)
    assert sorted(numbers) == w.everything, f"not once: {numbers}"
    in_order(w, numbers, "told")
    whole(f"{folder}/out")


# ---- Folds that are kept ----

UPCAST = f"upcast.T = function(e) if e.data.n == {POISON} then error('poison') end; return e end"


class Sink:
    """evfold with a table or a snapshot, and an upcaster that fails in the middle of a
    block: what is recorded must be what was folded."""

    right = 65
    data = None

    def __init__(self, name, options):
        self.name, self.options = name, options

    def prepare(self, folder):
        os.makedirs(folder)
        for i, first in enumerate((0, 4, 12)):
            with open(f"{folder}/old{i}", "wb") as f:
                f.write(events("in", first, (4, 8, 4)[i], 50))
        for argv in old("old0", "old1", "old2", options=("--segment-size", "600")):
            must(argv, folder)
        with open(f"{folder}/u.lua", "w") as f:
            f.write(UPCAST)

    def argv(self):
        return ["evfold", "-j1", "-k", "subject", "--upcast", "u.lua", *self.options, "n=count()", "log"]


SINKS = [
    Sink("sink-table", ["-o", "sqlite:db"]),
    Sink("sink-columns", ["-o", "sqlite:db", "--columns"]),
    Sink("sink-follow", ["-f", "-o", "sqlite:db"]),
    Sink("sink-snapshot", ["--snapshot", "snap"]),
]  # fmt: skip


def kept(folder):
    """The seq up to which a fold is recorded, and how many events it has counted."""
    if os.path.exists(f"{folder}/snap"):
        lines = [json.loads(line) for line in read(folder, "snap").splitlines()]
        return lines[0]["seq"], sum(line["state"]["n"] for line in lines[1:-1])
    if not os.path.exists(f"{folder}/db"):
        return 0, 0
    db = sqlite3.connect(f"{folder}/db")
    try:
        seq = db.execute("SELECT max(seq) FROM evlog_positions").fetchone()[0]
        return seq, sum(json.loads(row[0])["n"] for row in db.execute("SELECT state FROM state"))
    except sqlite3.OperationalError:
        return 0, 0
    finally:
        db.close()


def sunk(w, folder):
    """After the fault, and after the same command again: nothing may be recorded that was
    not folded, and nothing folded twice."""
    for again in range(3):
        seq, counted = kept(folder)
        assert seq == counted <= POISON, f"recorded up to {seq}, counted {counted}, the event that fails is {POISON + 1}"
        status, _, err = run(w.argv(), None, folder)
        assert status == 65 and "poison" in err, f"again: status {status}: {err}"
    w_at = kept(folder)[0]
    assert w_at == POISON or "snap" in w.name, f"again: recorded up to {w_at} only"


# ---- Forks ----


class Fork:
    """evfork, at the end of a log with sealed and other segments, or at an event inside."""

    right = 0
    data = None

    def __init__(self, name, at):
        self.name, self.at = name, at

    def prepare(self, folder):
        os.makedirs(folder)
        for i in range(4):
            with open(f"{folder}/old{i}", "wb") as f:
                f.write(events("old", i * 5, 5, 50))
        for argv in old("old0", "old1", "old2", options=("--segment-size", "600")) + old("old3"):
            must(argv, folder)
        self.full = must(["evcat", "log"], folder).splitlines(keepends=True)
        self.before = contents(f"{folder}/log")

    def argv(self):
        return ["evfork", "--at", str(self.at), "log", "fork"]


FORKS = [Fork("fork", 20), Fork("fork-inside", 8), Fork("fork-active", 18)]


def contents(log):
    return {name: read(log, name) for name in os.listdir(log)}


def forked(w, folder, done):
    """The log is as it was.  The fork is not there, or whole; then it goes on by itself, and
    the log still is as it was."""
    assert contents(f"{folder}/log") == w.before, "the log was changed"
    there = os.path.exists(f"{folder}/fork")
    assert there or not done, "status 0, and there is no fork"
    for left in os.listdir(folder):
        if left.startswith("fork.new-"):
            shutil.rmtree(f"{folder}/{left}")
    if not there:
        must(w.argv(), folder)
    for i in range(3):
        want = b"".join(w.full[: w.at])
        got = must(["evcat", "fork"], folder)
        assert got.startswith(want) and got.count(b"\n") == w.at + i, f"the fork has {got!r}"
        must(["evappend", "--segment-size", "1", "fork"], folder, b'{"type":"New"}')
    must(["evappend", "--reindex", "fork"], folder)
    assert contents(f"{folder}/log") == w.before, "the log was changed by its fork"


# ---- Backups ----


class Backup:
    """evbackup and evrestore, of a log with sealed and other segments."""

    right = 0
    data = None

    def __init__(self, name, command):
        self.name, self.command = name, command

    def prepare(self, folder):
        os.makedirs(folder)
        for i in range(5):
            with open(f"{folder}/old{i}", "wb") as f:
                f.write(events("old", i * 5, 5, 50))
        with open(f"{folder}/pos", "wb") as f:
            f.write(b"a place")
        db = sqlite3.connect(f"{folder}/x.sqlite")
        db.execute("create table t(a)")
        db.execute("insert into t values(1)")
        db.commit()
        db.close()
        for argv in old("old0", "old1", "old2", options=("--segment-size", "600")) + old("old3"):
            must(argv, folder)
        if self.name != "backup-first":
            must(["evbackup", "--with", "pos", "--with", "x.sqlite", "log", "dest"], folder)
            must(["evappend", "log", "old4"], folder)
        if "restore" in self.name:
            must(["evbackup", "--with", "pos", "--with", "x.sqlite", "log", "dest"], folder)
        self.full = must(["evcat", "log"], folder).splitlines(keepends=True)
        self.before = contents(f"{folder}/log")
        self.store = tree(f"{folder}/dest")

    def argv(self):
        return self.command


WITH = ["--with", "pos", "--with", "x.sqlite"]
BACKUPS = [
    Backup("backup-first", ["evbackup", *WITH, "log", "dest"]),
    Backup("backup-more", ["evbackup", *WITH, "log", "dest"]),
    Backup("backup-keep", ["evbackup", "--keep", "1", "--grace", "0", "log", "dest"]),
    Backup("backup-tar", ["evbackup", "-o", "tar", "log"]),
    Backup("restore", ["evrestore", "--with", "saved", "dest", "new"]),
    Backup("restore-part", ["evrestore", "--to", "8", "dest", "new"]),
    Backup("restore-drill", ["evrestore", "--drill", "--check", 'evcat "$1" >/dev/null', "dest", "new"]),
]


class Repair(Backup):
    """evrestore --repair of segments, from the backup or from a replica.  The last of them
    has lost a part of its content, the others of their headers."""

    def __init__(self, name, segments, command):
        super().__init__(name, ["evrestore", "--repair", *command])
        self.segments = segments

    def prepare(self, folder):
        super().prepare(folder)
        must(["evappend", "--replica", "copy"], folder, b"".join(self.full))
        names = sorted(n for n in os.listdir(f"{folder}/log") if n.endswith(".zst"))
        for nth in self.segments:
            with open(f"{folder}/log/{names[nth]}", "r+b") as f:
                f.seek(100 if nth != self.segments[-1] else len(read(f"{folder}/log", names[nth])) * 2 // 3)
                f.write(b"damage")


BACKUPS += [
    Repair("restored-segment", (1,), ["dest", "log"]),
    Repair("restored-middle", (1,), ["--from-log", "copy", "log"]),
    Repair("restored-row", (0, 1, -1), ["--from-log", "copy", "log"]),
    Repair("restored-last", (-1,), ["--from-log", "copy", "log"]),
]


def repaired(w, folder, done, said):
    """The log is whole if the repair says so; the next one completes it."""
    whole = b"".join(w.full)
    left = [n for n in os.listdir(folder) if n.startswith("log.repair-")]
    assert not (done and left) or "cannot be removed" in said, f"{left} is left"
    status, out, _ = run(["evcat", "log"], None, folder)
    assert whole.startswith(out) and (out == whole or status == 65), f"status {status}, and the log has {out!r}"
    assert not done or status == 0, "it is not repaired"
    must(w.argv(), folder)
    assert must(["evcat", "log"], folder) == whole
    must(["evappend", "log"], folder, b'{"type":"New"}')
    must(["evappend", "--reindex", "log"], folder)
    assert must(["evcat", "log"], folder).startswith(whole)


def tree(top):
    """The files below a folder, with their contents."""
    found = {}
    for where, _, names in os.walk(top):
        for name in names:
            with open(os.path.join(where, name), "rb") as f:
                found[os.path.relpath(os.path.join(where, name), top)] = f.read()
    return found


def restored(w, folder, point, want):
    shutil.rmtree(f"{folder}/r", ignore_errors=True)
    must(["evrestore", "-q", "--point", point, "dest", "r"], folder)
    got = must(["evcat", "r"], folder)
    assert got == b"".join(w.full[:want]), f"{point} has {got!r}"


def backed_up(w, folder, out, done, said):
    """As it says for Trim and Repair; else: the log is as it was.  Each point can be restored, and the next backup is whole.  A
    restored log is not there, or whole; what it was made of is left only if a fault hit the
    removal, too, which is said."""
    if isinstance(w, Trim):
        return trimmed(w, folder, done)
    if isinstance(w, Repair):
        return repaired(w, folder, done, said)
    assert contents(f"{folder}/log") == w.before, "the log was changed"
    if w.name == "backup-tar":
        with open(f"{folder}/log.tar", "wb") as f:
            f.write(out)
        if done:
            assert must(["evcat", "log.tar"], folder) == b"".join(w.full), "the tar file has something else"
        return
    if w.name.startswith("restore"):
        assert tree(f"{folder}/dest") == w.store, "the backup was changed"
        left = [n for n in os.listdir(folder) if n.startswith("new.new-")]
        assert not (done and left), f"{left} is left"
        there = os.path.exists(f"{folder}/new")
        drill = "--drill" in w.command
        assert not (there and drill), "a drill leaves its log"
        assert there or drill or not done, "status 0, and there is no log"
        if there:
            want = w.full[:8] if "--to" in w.command else w.full
            assert must(["evcat", "new"], folder) == b"".join(want), "the log is not what was asked for"
            must(["evappend", "new"], folder, b'{"type":"New"}')
        if done and not drill and "--with" in w.command:
            assert sorted(os.listdir(f"{folder}/saved")) == ["pos", "x.sqlite"]
        return
    if os.path.exists(f"{folder}/dest/points"):
        points = sorted(n for n in os.listdir(f"{folder}/dest/points") if n.endswith(".tar"))
        for point in points:
            restored(w, folder, point, int(point[:16]))
        assert not done or int(points[-1][:16]) == len(w.full), "status 0, and there is no new point"
        new = {n: p for n, p in tree(f"{folder}/dest").items() if "/.new-" not in n}
        for name, content in w.store.items():
            keeps = "backup-keep" == w.name
            assert keeps or new.get(name) == content, f"{name} was changed"
    must(["evbackup", "-q", "log", "dest"], folder)
    must(["evrestore", "--drill", "--log", "log", "dest", "r2"], folder)


class Trim(Backup):
    """evbackup --trim-before, of a log to which a consumer appends, too."""

    def prepare(self, folder):
        os.makedirs(folder)
        for i in range(6):
            with open(f"{folder}/old{i}", "wb") as f:
                f.write(events("old", i * 4, 4, 50))
        must(["evappend", "src", "old0"], folder)
        self.consume(folder)
        for i in range(1, 6):
            must(["evappend", "--segment-size", "1", "log", f"old{i}"], folder)
        for before in (() if self.name == "trim-first" else ("7",)):
            must(["evbackup", "-q", "--trim-before", before, "log", "dest"], folder)
        argv = ["evcat", *(["dest"] if os.path.exists(f"{folder}/dest") else []), "log"]
        self.full = must(argv, folder)
        self.trims = self.full.count(TRIMMED)

    def consume(self, folder):
        if os.path.exists(f"{folder}/c"):
            os.unlink(f"{folder}/c")
        must(["evrun", "-q", "--checkpoint", "c", "--emit", "log", "src", "--", "jq", "-c", "{type:\"Out\"}"], folder)


TRIMMED = b"org.evlog.trimmed"
TRIMS = [
    Trim("trim-first", ["evbackup", "--trim-before", "14", "log", "dest"]),
    Trim("trim-more", ["evbackup", "--trim-before", "18", "log", "dest"]),
    Trim("trim-all", ["evbackup", "--trim-before", "26", "log", "dest"]),
    Trim("trim-drop", ["evbackup", "--drop-trimmed", "--keep", "2", "--grace", "0", "--trim-before", "18", "log", "dest"]),
]


def begins(folder):
    return int(must(["evcat", "-q", "--count", "1", "log"], folder)[8:24])


def trimmed(w, folder, done):
    """The log and the backups together have all that there was, and only then what trimming
    adds; after another call, everything is as if there had been no fault."""

    def whole(says):
        both = ["dest"] if os.path.exists(f"{folder}/dest/points") and begins(folder) > 1 else []
        dropped = w.name == "trim-drop"
        got = must(["evcat", "-q", *([] if dropped else both), "log"], folder)
        want = w.full if not dropped else w.full[w.full.index(got[:66]) :]
        assert got.startswith(want), f"{says}: there is {got!r}"
        rest = got[len(want) :].splitlines()
        assert len(rest) <= 1 and all(TRIMMED in line for line in rest), f"{says}: {rest} came"
        return rest

    before = begins(folder)
    rest = whole("after the fault")
    must(w.command, folder)
    assert begins(folder) >= before
    assert len(whole("after another call")) == 1 or not rest
    first = begins(folder)
    # a file for sealing what stays is used again
    left = [n for n in os.listdir(f"{folder}/log") if n.removeprefix("seal-")[:16].isdigit() and int(n.removeprefix("seal-")[:16]) < first]
    assert not left, f"{left} is left"
    if w.name != "trim-drop":
        must(["evrestore", "--drill", "--log", "log", "dest", "r2"], folder)
    w.consume(folder)  # which knows from its cursor that it has done everything
    whole("after the consumer")
    must(["evappend", "log"], folder, b'{"type":"New"}')


# ---- Durable processes ----

SAGA = """function on.T(s, e)
  s.n = (s.n or 0) + 1
  emit{type="Out", subject=e.subject, data={n=e.data.n, nth=s.n}}
  if e.data.n == %d then error("refused") end
  if s.n %% 2 == 0 then emit{type="Pair", subject=e.subject, data={n=e.data.n}} end
end""" % (POISON - 1)


def process(*options):
    return ["evfold", "-q", "-k", "subject", "-p", "saga.lua", "-o", "log:out", *options, "log"]


class Process:
    """evfold with a program that emits into a log, perhaps with letters and a snapshot."""

    right = 0
    data = None

    def __init__(self, name, options, before=()):
        self.name, self.options, self.before = name, options, before
        self.dead = [POISON - 1] if "--dead-letter" in options else []

    def prepare(self, folder):
        os.makedirs(folder)
        for i in range(4):
            with open(f"{folder}/old{i}", "wb") as f:
                f.writelines(e for e in events("in", i * 3, 3, 50).splitlines(keepends=True)
                             if self.dead or f'"n":{POISON - 1},'.encode() not in e)  # fmt: skip
        with open(f"{folder}/saga.lua", "w") as f:
            f.write(SAGA)
        must(["evappend", "--segment-size", "600", "log", "old0"], folder)
        for argv in self.before:
            must(argv, folder)
        for argv in old("old1", "old2", "old3", options=("--segment-size", "600")):
            must(argv, folder)

    def argv(self):
        return process(*self.options)

    def expected(self, folder):
        return process_expected(folder)

    def emitted(self, folder):
        return emitted(folder, "out"), refused(folder)


class Due(Process):
    """evdue, which appends what is due."""

    def __init__(self, name, options, before=False):
        super().__init__(name, options)
        self.again = before

    def prepare(self, folder):
        os.makedirs(folder)
        for i in range(3):
            lines = [{"type": "T", "id": f"t{n}", "data": {"n": n}} for n in range(4 * i, 4 * i + 4)]
            for e in lines:
                n = e["data"]["n"]
                e |= {"due": "2200-01-01T00:00:00Z" if n % 4 == 1 else f"20{(n * 7) % 11 + 10}-01-01T00:00:00Z"}
                e |= {"cancels": f"t{n - 1}"} if n % 4 == 2 else {}
            data = "".join(json.dumps(e) + "\n" for e in lines).encode()
            must(["evappend", "--segment-size", "600", "log"], folder, data)
            if self.again and i == 0:
                must(self.argv(), folder)

    def argv(self):
        return ["evdue", *self.options, "--emit", "out", "log"]

    def expected(self, folder):
        """What is due, in the order of due times; but what is due before what an earlier run
        has delivered, first, as it was appended."""
        due = [(e["due"], int(e["seq"]), e["id"]) for e in stored(f"{folder}/log") if e["due"] < "2100"]
        first = sorted(d for d in due if self.again and d[1] <= 4)
        late = sorted((d for d in due if first and d[1] > 4 and d < first[-1]), key=lambda d: d[1])
        rest = sorted(d for d in due if d not in first and d not in late)
        return [i for _, _, i in first + late + rest], []

    def emitted(self, folder):
        found = stored(f"{folder}/out")
        assert all(e["id"] == e["causationid"] + "/due" for e in found)
        return [e["causationid"] for e in found], []


PROCESSES = [
    Process("process", []),
    Process("process-on", [], before=[process()]),
    Process("process-snapshot", ["--snapshot", "snap"], before=[process("--snapshot", "snap")]),
    Process("process-letters", ["--dead-letter", "dead", "--snapshot", "snap"], before=[process("--dead-letter", "dead")]),
    Due("due", []),
    Due("due-on", ["--checkpoint", "due.db"], before=True),
]


def emitted(folder, log):
    """What a process has appended: id, cause and data of each event."""
    return [(e["id"], e["causationid"], e["correlationid"], e["subject"], e["data"]) for e in stored(f"{folder}/{log}")]


def process_expected(folder):
    """What the program emits, computed here."""
    lines = [json.loads(x) for x in must(["evcat", "log"], folder).splitlines()]
    name = "saga.lua/" + leaf(must(["evcat", "--to", "1", "log"], folder).splitlines()[0]).hex()[:16]
    count, out, dead = {}, [], []
    for e in lines:
        nth, n, subject, seq = count.get(e["subject"], 0) + 1, e["data"]["n"], e["subject"], int(e["seq"])
        if n == POISON - 1:
            dead.append(n)
            continue
        count[subject] = nth
        out.append((f"{name}/{seq}/1", e["id"], e["id"], subject, {"n": n, "nth": nth}))
        if nth % 2 == 0:
            out.append((f"{name}/{seq}/2", e["id"], e["id"], subject, {"n": n}))
    return out, dead


def processed(w, folder, done):
    """After the fault: what is there is the beginning of what must be, and the same command
    completes it, once and again.  done: the status said that nothing was left."""
    expected, dead = w.expected(folder)
    seen, _ = w.emitted(folder)
    assert seen == expected[: len(seen)], f"emitted {seen}"
    assert not done or seen == expected, f"status 0, and {len(seen)} of {len(expected)} are there"
    for _ in range(2):
        status, _, err = run(w.argv(), None, folder)
        assert status == 0, f"again: status {status}: {err}"
        assert w.emitted(folder) == (expected, dead), f"again: {w.emitted(folder)}"
    whole(f"{folder}/out")


# ---- Afterwards ----


def acknowledged(out):
    """The seqs that --ack printed, without an incomplete last line."""
    acked = 0
    for line in out.splitlines(keepends=True):
        if line.endswith(b"\n"):
            acked = max(acked, json.loads(line)["to"])
    return acked


def numbered(lines):
    """(source, n) of each event; seqs must have no gap."""
    found = [json.loads(line) for line in lines]
    seqs = [int(e["seq"]) for e in found]
    assert seqs == list(range(1, len(seqs) + 1)), "seqs have gaps, or come twice"
    sent = [json.loads(e["data"]) | {"seq": e["seq"]} if e["type"] == "text" else e for e in found]
    return [(e["source"], e["data"]["n"]) for e in sent]


def whole(log):
    """A log at rest: every byte of every file is accounted for, and zstdcat agrees."""
    names = segments(log)
    paths = [os.path.join(log, n) for n in names]
    plain = must(["zstd", "-dcq", *paths], ".")
    must(["zstd", "-tq", *paths], ".")
    assert plain == must(["evcat", log], "."), "zstdcat and evcat differ"
    for n in names:
        segment_parse(read(log, n))
    head = head_parse(read(log, "head"))[0]
    assert head["flags"] == 0
    assert head["last_seq"] == plain.count(b"\n")
    assert head["committed"] == len(read(log, names[-1]))
    return plain.splitlines(), head


def sealed_but_last(log):
    """All segments are sealed except the active one."""
    seals = [is_sealed(read(log, n)) for n in segments(log)]
    return seals == [True] * (len(seals) - 1) + [False]


def ends(w, n):
    """Whether the log can contain `n` of a workload's events: whole commits only."""
    at = 0
    for count in w.commits:
        if at == n:
            return True
        at += count
    return at == n


def survived(w, folder, out, early=False):
    """After the fault: what was there before, and what was acknowledged, must be there, and
    the rest by whole commits; and the next append must work.  early: not all of the input
    was read, and what was read may be a commit of its own."""
    log = f"{folder}/log"
    acked = max(len(w.sure), acknowledged(out))
    if not os.path.exists(log):
        assert acked == 0, "acknowledged, and there is no log"
        must(["evappend", "log"], folder, data=event("next", 0))
        return
    status, seen, err = run(["evcat", log])
    told = w.mended and "/head: " in err or not os.path.exists(f"{log}/head")
    assert status == 0 or status == 65 and told, f"evcat: {status}: {err}"
    lines = seen.splitlines()
    assert lines[: len(w.sure)] == w.sure, "what was there before has changed"
    assert len(lines) >= acked, f"{acked} acknowledged, {len(lines)} there"
    status, next_out, err = run(["evappend", "--ack", log], event("next", 0))
    assert status == 0, f"the next append: status {status}: {err}"
    after, head = whole(log)
    found = numbered(after)
    assert after[: len(lines)] == lines, "the next append took something away"
    assert found[-1] == ("/next", 0)
    mine = [e for e in found[len(w.sure) : -1]]
    if w.right == 65 and acked > len(w.sure) + w.commits[0]:
        put = read(folder, "aside").splitlines()
        text = base64.b64decode(json.loads(put[0])["text"]) if put else None
        assert text == BAD.strip(), "events behind a bad line are acknowledged, and it is gone"
    if w.kept or w.spoil:  # an append that was not acknowledged may be whole
        mine = mine[1:] if mine and mine[0] == ("/old", 2) else mine
    assert mine == [("/in", n) for n in range(len(mine))], f"not in order: {mine}"
    early = early and not {"--atomic", "--expect", "--expect-subject"} & set(w.options)
    assert early or ends(w, len(mine)), f"{len(mine)} events are no whole commits"
    assert json.loads(next_out)["root"] == root(after).hex() == head["root"].hex()
    must(["evappend", "--reindex", "log"], folder)
    assert sealed_but_last(log), "not all is sealed"
    assert not [n for n in os.listdir(log) if n.startswith("seal-")], "a file is left over"
    assert whole(log)[0] == after, "sealed, it is not the same"


def bytes_of(log):
    return {name: read(log, name) for name in sorted(os.listdir(log))}


def stored(log):
    """The events of a log that a consumer appends to, without those from before it."""
    if not os.path.exists(log):
        return []
    status, seen, err = run(["evcat", log])
    assert status == 0, f"evcat {log}: {status}: {err}"
    return [e for e in map(json.loads, seen.splitlines()) if e["source"] != "/in"]


def told(w, folder, out):
    """The numbers of the events whose output is there, without an incomplete last line."""
    if w.emits:
        return [e["data"]["n"] for e in stored(f"{folder}/out")]
    return [json.loads(x)["data"]["n"] for x in out.splitlines(keepends=True) if x.endswith(b"\n")]


def refused(folder):
    return [e["data"]["event"]["data"]["n"] for e in stored(f"{folder}/dead")]


def reached(w, folder):
    """How many events of each log the checkpoint says have been processed."""
    try:
        text = read(folder, "pos")
    except FileNotFoundError:
        text = ""
    if not text:  # it was created for its lock
        return [0] * len(w.logs)
    mark = json.loads(text)
    return [place["seq"] for place in mark.get("places", [mark])]


def in_order(w, numbers, what):
    """The events of a log, or of one subject in it, n % 3, are in order."""
    for k in range(3 * len(w.logs)):
        part = [n for n in numbers if n // SENT == k // 3 and (w.alone or n % 3 == k % 3)]
        assert part == sorted(part), f"{what} not in order: {numbers}"


def consumed(w, folder, out, done):
    """After the fault: the checkpoint must not be ahead of what was processed, and the same
    command must process the rest: everything at least once, and what it emits, and dead
    letters, exactly once.  done: the status said that nothing was left."""
    everything, at, end = w.everything, reached(w, folder), [SENT] * len(w.logs)
    first, letters = told(w, folder, out), refused(folder)
    behind = {n for n in everything if n % SENT < at[n // SENT]}
    assert behind <= {*first, *letters}, f"the checkpoint is ahead, at {at}: {first} {letters}"
    assert not done or at == end, f"status 0, and the checkpoint is at {at}"
    status, out, err = run(w.argv(), None, folder)
    assert status == 0, f"again: status {status}: {err}"
    again, letters = told(w, folder, out), refused(folder)
    assert reached(w, folder) == end, f"again: the checkpoint is at {reached(w, folder)}"
    assert letters == w.dead, f"dead letters: {letters}"
    if w.emits:
        assert sorted([*again, *letters]) == everything, f"not exactly once: {again}"
        in_order(w, again, "emitted")
        whole(f"{folder}/out")
    else:
        assert {*first, *again, *letters} == {*everything}, f"not dealt with: {first}, then {again}"
        assert behind.isdisjoint(again), f"dealt with behind the checkpoint, at {at}: {again}"
        if not w.dead:
            in_order(w, first, "the first time")
            in_order(w, again, "again")
    if w.dead:
        whole(f"{folder}/dead")
    assert [bytes_of(f"{folder}/{log}") for log in w.logs] == w.bytes, "a log that was read has changed"


def clean(folder):
    for name in os.listdir(folder):
        if re.match(r"log\.new-", name):
            shutil.rmtree(os.path.join(folder, name))


__all__ = [n for n in dir() if not n.startswith("_")] + ["u32"]
