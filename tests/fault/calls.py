"""calls.py [WHAT...] - kills each tool at each of its system calls, sends it SIGTERM there, and
makes each call fail.

WHAT is kills, signals, errors or memory (default: all four); W=NAME runs only that workload.
EVLOG_FAULT_STEP=N tries every N-th fault of each list (default 1: all), or every (8 N +
1)-th for consumers and evtrace, whose runs are long, and every (3 N + 1)-th for evdue,
which syncs often, and for backups.
The shim counts calls from main() on.  Each trial runs in a fresh copy of the workload's folder,
so trials are independent and run on all cores.  Exit status 1 and a message if anything is broken.
"""

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from oracle import (APPENDS, BACKUPS, CONSUMES, FORKS, PROCESSES, SHIM, SINKS, TRIMS, Backup, Consume, Due, Fork, Process, Reshard, Sink, acknowledged,
                    clean, consumed, divided, events, forked, must, old, backed_up, processed, run, sunk, survived)  # fmt: skip

STEP = int(os.environ.get("EVLOG_FAULT_STEP", "1"))
CORES = os.cpu_count() or 2
ERRORS = ["EIO", "ENOSPC", "EDQUOT", "EINTR", "EMFILE", "ENOMEM", "short"]


PROGRAM = """
function init(key) return { n = 0, sum = decimal(0), seen = array{} } end
on["*"] = function(s, e)
	s.n, s.sum, s.last = s.n + 1, s.sum + e.data.n, e.data
	for k in pairs(s) do s.seen[#s.seen % 3 + 1] = k end
end
"""


UPCAST = """
upcast.T = function(e)
	local t = {}
	for word in e.data.pad:gmatch("%x%x") do t[#t + 1] = word:gsub("a", { a = "A" }) end
	table.sort(t, function(a, b) return a < b end)
	table.insert(t, 1, "first")
	for k, v in pairs(e.data) do t[#t + 1] = k end
	e.data = { words = array(t), n = decimal("1.5") * e.data.n, text = table.concat(t, ","), big = decimal(10) }
	e.type = "U"
	return { e, { type = "V", id = e.id .. "v", source = e.source, data = e.data } }
end
"""


RULES = """
check.T = function(e)
	if e.data.n < 0 then error("less than nothing") end
	return #e.data.pad > 0
end
"""


# What the program says of given events; the fourth case is wrong on purpose.
CASES = b"""{"name":"one","when":{"type":"T","data":{"n":1}},"state":{"n":1,"sum":1,"seen":["n"],"last":{"n":1}}}
{"given":[{"type":"T","data":{"n":1}},{"type":"T","data":{"n":2.5}}],"when":{"type":"U","data":{"n":3}},"then":[]}
{"name":"no number","when":{"type":"T","data":{"n":"x"}},"error":"arithmetic"}
{"name":"wrong","when":{"type":"T","data":{"n":1}},"then":[{"type":"Other"}]}
"""


def story():
    """Events that cause one another; some causes are missing, and two go round."""
    for n in range(24):
        e = {"type": f"T{n % 4}", "id": f"e{n}", "causationid": f"e{n * 2 // 3}", "correlationid": f"e{n % 2}"}
        if n % 7 == 6:
            e["causationid"] = "gone"
        yield json.dumps(e).encode() + b"\n"


def patches():
    """Events whose data are JSON Patches that use every operation; the states grow."""
    for n in range(6):
        value = {"list": list(range(n)), "text": "x" * n, **{f"m{i}": i for i in range(9 if n == 5 else n)}}
        ops = [
            {"op": "add", "path": f"/k{n}", "value": value}, {"op": "copy", "from": f"/k{n}", "path": "/copy"},
            {"op": "test", "path": "/copy", "value": value}, {"op": "add", "path": "/copy/list/0", "value": "first"},
            {"op": "replace", "path": "/copy/text", "value": n}, {"op": "move", "from": "/copy", "path": "/moved"},
            {"op": "replace", "path": "/moved/list/0", "value": "\u00e9\n"}, {"op": "remove", "path": "/moved/list/0"},
        ]  # fmt: skip
        if n == 4:  # one that fails at its end and is undone
            ops.append({"op": "remove", "path": "/none"})
        yield json.dumps({"type": "P", "subject": f"s{n % 2}", "id": str(n), "data": ops}).encode() + b"\n"


class Read:
    """A reader of a log with several segments.  It must print everything, or say why not."""

    def __init__(self, name, argv, prefix=True, data=None):
        self.name, self.command, self.prefix, self.data = name, argv, prefix, data

    def prepare(self, folder):
        os.makedirs(folder)
        with open(f"{folder}/more", "wb") as f:
            f.write(events("more", 0, 40, 300))
        for i in range(4):
            with open(f"{folder}/old{i}", "wb") as f:
                f.write(events("old", i * 5, 5, 50))
        for argv in old(*[f"old{i}" for i in range(4)], options=("--segment-size", "600")):
            must(argv, folder)
        must(["evappend", "other", "more"], folder)
        with open(f"{folder}/program.lua", "w") as f:
            f.write(PROGRAM)
        with open(f"{folder}/upcast.lua", "w") as f:
            f.write(UPCAST)
        with open(f"{folder}/patches", "wb") as f:
            f.writelines(patches())
        with open(f"{folder}/check.lua", "w") as f:
            f.write(RULES)
        with open(f"{folder}/cases", "wb") as f:
            f.write(CASES)
        lines = list(story())
        for i in range(0, len(lines), 8):
            must(["evappend", "--segment-size", "600", "story"], folder, b"".join(lines[i : i + 8]))
        for name, logs in (("before", ["log"]), ("after", ["log", "patches"])):
            with open(f"{folder}/{name}", "wb") as f:
                f.write(must(["evfold", "-j1", "-k", "subject", *STATES, *logs], folder))
        with open(f"{folder}/shuffled", "wb") as f:
            f.writelines(reversed(must(["evfold", "-j1", "-k", "id", *STATES, "more"], folder).splitlines(keepends=True)))
        for argv in (["zstd", "-q"], ["gzip", "-nk"], ["xz", "-k"], ["tar", "-cf", "more.tar"]):
            must([*argv, "more"], folder)
        status, self.full, err = run(self.command, self.data, cwd=folder)
        assert status in (0, 1), f"{self.name}: {err}"
        self.right = status

    def argv(self):
        return self.command

    def plain(self, out):
        """The output without the parts that differ between runs."""
        return run(["zstd", "-dcq"], out)[1] if self.name == "packed" else out


STATES = ["l=list(data)", "m=merge(data)", "f=first(data)"]

READS = [
    Read("cat", ["evcat", "log"]),
    Read("reverse", ["evcat", "-r", "log"]),
    Read("last", ["evcat", "-n", "7", "log"]),
    Read("from", ["evcat", "--from", "12", "log"]),
    Read("since", ["evcat", "--since", "yesterday", "log"]),
    Read("subject", ["evcat", "-s", "s1", "log"]),
    Read("follow", ["evcat", "-f", "-c", "20", "log"]),
    Read("merge",  ["evcat", "--merge", "log", "other"]),
    Read("salvage", ["evcat", "--salvage", "log"]),
    Read("file", ["evcat", "more.zst"]),
    Read("gzip", ["evcat", "more.gz"]),
    Read("xz", ["evcat", "more.xz"]),
    Read("tar", ["evcat", "more.tar"]),
    Read("packed", ["evcat", "-o", "zst", "log"], prefix=False),
    Read("replay", ["evreplay", "--speed", "0", "log"]),
    Read("fold", ["evfold", "-j1", "--key", "subject", "n=count()", "s=sum(data.n)", "log"], prefix=False),
    Read("threads", ["evfold", "-j3", "--key", "subject", "n=count()", "s=sum(data.n)", "log"], prefix=False),
    Read("program", ["evfold", "-j1", "--key", "subject", "-p", "program.lua", "log"], prefix=False),
    Read("snapshot", ["evfold", "-j1", "--snapshot", "snap", "n=count()", "a=avg(data.n)", "log"], prefix=False),
    Read("table", ["evfold", "-j1", "-k", "subject", "-o", "sqlite:db", "n=count()", "log"]),
    Read("fold-pipe", ["evfold", "n=count()"], prefix=False, data=events("pipe", 0, 20)),
    Read("diff", ["evdiff", "log", "other"], prefix=False),
    Read("reducers", ["evfold", "-j1", *STATES, "s=set(data.pad)", "x=max(data.pad)", "a=avg(data.n){subject!=s1}", "log"], prefix=False),
    Read("patches", ["evfold", "-j1", "-k", "subject", "patch(data)", "patches"], prefix=False),
    Read("upcast", ["evcat", "--upcast", "upcast.lua", "log"]),
    Read("pretty", ["evcat", "-o", "pretty", "-n", "3", "log"]),
    Read("states", ["evdiff", "before", "after"], prefix=False),
    Read("state-patches", ["evdiff", "-o", "patch", "before", "after"], prefix=False),
    Read("rows", ["evdiff", "-o", "json", "shuffled", "before"], prefix=False),
    Read("checked", ["evcat", "--check", "check.lua", "log"]),
    Read("cases", ["evfold", "--test", "cases", "-k", "subject", "-p", "program.lua"], prefix=False),
    Read("trace", ["evtrace", "e5", "story", "log"], prefix=False),
    Read("trace-all", ["evtrace", "-o", "json", "--no-index", "7", "story"], prefix=False),
    Read("trace-dot", ["evtrace", "-o", "dot", "e9", "story"], prefix=False),
    Read("trace-mermaid", ["evtrace", "-o", "mermaid", "--depth", "2", "e9", "log", "story"], prefix=False),
    Read("where", ["evcat", "-w", "data.n>=12,subject=s1", "log"]),
    Read("where-long", ["evcat", "-w", f"data.n>={10**60},data.n<{10**70}", "log"]),
    Read("by-id", ["evdiff", "--by-id", "log", "other"], prefix=False),
]


# ---- One trial ----


def trial(w, made, env, folder):
    """Runs the workload once in a fresh folder.  Returns its status, output and message,
    how many calls it made, and the name of the call that was hit."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder)
    report = f"{folder}.report"
    full = dict(os.environ, TMPDIR=folder, LD_PRELOAD=SHIM, FAULT_REPORT=report, **env)
    try:
        status, out, err = run(w.argv(), w.data, folder, full)
    except subprocess.TimeoutExpired:
        return "hangs", b"", "", 0, "?"
    if not os.path.exists(report):
        return status, out, err, 0, "crashed"
    with open(report) as f:
        count, *hit = f.read().split()
    os.unlink(report)
    return status, out, err, int(count), hit[0] if hit else None


def judge(w, what, status, out, err, folder):
    """What is wrong with a trial, or None."""
    fair = (-9,) if what.startswith("kill") else (w.right, 73, 74)
    if what == "short":
        fair = (w.right,)
    if what == "term":  # some tools end in their own way, and some by the signal
        fair = (w.right, 0, 75, -15)
    done = status == w.right and what != "term"
    sqlite = "sqlite:" in " ".join(w.argv()) or "due.db" in w.argv()
    if what == "EIO" and sqlite:
        fair = (*fair, 65)  # SQLite reports a page that it cannot read as malformed
    if sqlite:
        # if SQLite cannot lock, it waits for a minute and then reports "busy"
        fair = (*fair, 75, "hangs")
    if isinstance(w, Backup):  # evlog-unpack meets the fault, too; what cannot be looked at is not there
        fair = (*fair, 65, 69, 75)
    if status not in fair:
        return f"status {status}: {err}"
    if status != "hangs" and status > 0 and status != w.right and not err:
        return "fails without a word"
    if isinstance(w, Read):
        if status == w.right and w.plain(out) != w.plain(w.full):
            return "status says success, but the output is not all of it"
        if not w.full.startswith(out) and w.prefix:
            return "the output is no beginning of the right one"
        return None
    consumer = isinstance(w, Consume)
    if isinstance(w, Process):
        try:
            processed(w, folder, done)
            return clean(folder)
        except (AssertionError, ValueError, KeyError, OSError, subprocess.TimeoutExpired) as e:
            return f"(status {status}) {e} [{err.strip()}]"
    if isinstance(w, Backup):
        try:
            return backed_up(w, folder, out, done, err)
        except (AssertionError, ValueError, KeyError, OSError, subprocess.TimeoutExpired) as e:
            return f"(status {status}) {e} [{err.strip()}]"
    if isinstance(w, (Sink, Fork)):
        try:
            return forked(w, folder, done) if isinstance(w, Fork) else sunk(w, folder)
        except (AssertionError, ValueError, KeyError, OSError, subprocess.TimeoutExpired) as e:
            return f"(status {status}) {e} [{err.strip()}]"
    if not consumer and w.commits and status == w.right and what != "memory" and acknowledged(out) < len(w.sure) + sum(w.commits):
        return f"status 0, and not all is acknowledged: {out}"
    try:
        if isinstance(w, Reshard):
            divided(w, folder)
        elif consumer:
            consumed(w, folder, out, done)
        else:
            survived(w, folder, out, early=what == "memory")
        clean(folder)
    except (AssertionError, ValueError, KeyError, OSError, subprocess.TimeoutExpired) as e:
        return f"(status {status}) {e} [{err.strip()}]"
    return None


def calls_made(w, made, folder, memory):
    env = {"FAULT_CLASS": "memory"} if memory else {}
    status, _, err, count, _ = trial(w, made, env, folder)
    assert status == w.right, f"{w.name}: undisturbed, status {status}: {err}"
    return count


def faults(w, made, folder, kinds):
    """Yields (what, environment) for every trial of this workload."""
    n = calls_made(w, made, folder, False)
    for at in range(1, n + 1):
        if "kills" in kinds and not isinstance(w, Read):
            yield "kill", {"FAULT_AT": str(at), "FAULT_DO": "kill"}
            yield "killed", {"FAULT_AT": str(at), "FAULT_DO": "killed"}
        if "signals" in kinds and not isinstance(w, Read):
            yield "term", {"FAULT_AT": str(at), "FAULT_DO": "term"}
        for name in ERRORS if "errors" in kinds else ():
            do = name if name == "short" else str(getattr(errno, name))
            yield name, {"FAULT_AT": str(at), "FAULT_DO": do}
            # SQLite waits a minute if it cannot lock
            if name not in ("EINTR", "short") and "db" not in " ".join(w.argv()):
                yield name, {"FAULT_AT": str(at), "FAULT_DO": do, "FAULT_STICKY": "1"}
    if "memory" in kinds:
        for at in range(1, calls_made(w, made, folder, True) + 1):
            env = {"FAULT_AT": str(at), "FAULT_DO": str(errno.ENOMEM), "FAULT_CLASS": "memory"}
            yield "memory", env
            yield "memory", dict(env, FAULT_STICKY="1")


def campaign(kinds, top):
    tried, bad = {}, []

    def one(job):
        w, made, i, what, env = job
        folder = f"{top}/{w.name}.{i}"
        status, out, err, _, hit = trial(w, made, env, folder)
        if hit:
            wrong = judge(w, what, status, out, err, folder)
            kind = what if what in ("kill", "killed", "term", "memory") else "error"
            tried[kind] = tried.get(kind, 0) + 1
            if wrong:
                sticky = " on" if "FAULT_STICKY" in env else ""
                bad.append(f"{w.name}: {what} at {env['FAULT_AT']}{sticky} ({hit}): {wrong}")
        shutil.rmtree(folder, ignore_errors=True)

    for w in [w for w in APPENDS + CONSUMES + [Reshard()] + PROCESSES + SINKS + FORKS + BACKUPS + TRIMS + READS if os.environ.get("W", w.name) == w.name]:
        made = f"{top}/{w.name}"
        w.prepare(made)
        jobs = list(faults(w, made, f"{top}/{w.name}.0", kinds))
        factor = 8 if isinstance(w, Consume) and not isinstance(w, Reshard) or "evtrace" in w.argv() else 3 if isinstance(w, (Due, Backup)) else 0
        step = STEP * factor + 1 if factor and STEP > 1 else STEP  # odd: both kinds of kills
        offset = sum(map(ord, w.name)) % step
        jobs = [(w, made, i, *job) for i, job in enumerate(jobs) if i % step == offset]
        with ThreadPoolExecutor(CORES) as pool:
            list(pool.map(one, jobs))
    return tried, bad


def main():
    kinds = sys.argv[1:] or ["kills", "signals", "errors", "memory"]
    top = tempfile.mkdtemp(prefix="evlog-calls.")
    try:
        tried, bad = campaign(kinds, top)
    finally:
        shutil.rmtree(top)
    for kind, n in sorted(tried.items()):
        print(f"{kind} {n}")
    print(f"broken {len(bad)}")
    for text in bad[:40]:
        print(text)
    sys.exit(1 if bad or not tried else 0)


if __name__ == "__main__":
    main()
