"""mutate.py [FILTER] - disables each check of the reading and recovery code in turn.

Each line of `mutants` is built in a copy of the tree, and one of the tests should fail.  A
mutant that no test notices shows code that is not tested: exit status 1.  FILTER: only
lines that contain it.
"""

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
CORES = os.cpu_count() or 2

# The tests, quickest first; each runs in an empty folder.
NOTICERS = [
    ("rot", "python3 $TESTS/fault/rot.py 24 17"),
    ("power", "python3 $TESTS/fault/power.py 2000"),
    ("format", "EVLOG_STEP=40 python3 $TESTS/format.py all"),
    ("forged", "python3 $TESTS/fault/forge.py kinds"),
    ("kills", "EVLOG_FAULT_STEP=12 python3 $TESTS/fault/calls.py kills"),
    ("boot", "cd $TESTS && bats -f 'after a restart|stays sound|miss the same' format.bats"),
    ("poison", "cd $TESTS && bats -f 'a sync that fails|a commit that' fault.bats"),
    ("hostile", "cd $TESTS && bats hostile.bats"),
    ("read", "cd $TESTS && bats evcat.bats"),
    ("append", "cd $TESTS && bats evappend.bats"),
    ("fold", "cd $TESTS && bats evfold.bats"),
    ("diff", "cd $TESTS && bats evdiff.bats"),
    ("process", "cd $TESTS && bats process.bats"),
    ("replica", "cd $TESTS && bats replica.bats"),
    ("catalogue", "cd $TESTS && bats catalogue.bats"),
    ("stream", "EVLOG_KILLS=2 python3 $TESTS/fault/kill.py stream"),
    ("flips", "EVLOG_STEP=3 python3 $TESTS/format.py flips_sealed"),
    ("lies", "EVLOG_STEP=2 python3 $TESTS/format.py catalogue_lies"),
    ("errors", "EVLOG_FAULT_STEP=80 python3 $TESTS/fault/calls.py errors"),
]

# Which of them is tried first for a file whose path contains this.
FIRST = [
    ("catalogue", "catalogue"),
    ("scope", "catalogue"),
    ("dedup", "catalogue"),
    ("carr", "replica"),
    ("fold/", "fold"),
    ("packed", "fold"),
    ("replica", "replica"),
    ("origin", "replica"),
    ("seal", "format"),
    ("salvage", "hostile"),
    ("recover/", "power"),
]


# What noticed the last mutant of a file is tried first for the next one.
last = {}


def noticers(path):
    first = [last[path]] if path in last else [name for part, name in FIRST if part in path][:1]
    return sorted(NOTICERS, key=lambda n: n[0] not in first)


def mutants():
    with open(os.path.join(HERE, "mutants")) as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                path, rest = line.rstrip("\n").split(": ", 1)
                yield path, *rest.split(" => ", 1)


def mutated(text, code, mutant):
    pattern = r"\s+".join(re.escape(w) for w in code.split())
    found = list(re.finditer(pattern, text))
    assert len(found) == 1, f"stands there {len(found)} times"
    return text[: found[0].start()] + mutant + text[found[0].end() :]


def noticed(copy, path=""):
    """Which test noticed; None: none did."""
    env = dict(os.environ, EVLOG_BUILD=f"{copy}/build", PYTHONDONTWRITEBYTECODE="1",
               PATH=f"{copy}/build:{os.environ['PATH']}", EVLOG_SEED="7", TESTS=f"{copy}/tests")  # fmt: skip
    for name, command in noticers(path):
        room = tempfile.mkdtemp(dir=copy)
        p = subprocess.Popen(["bash", "-c", command], cwd=room, env=env,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             stdin=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
        try:
            status = p.wait(600)
        except subprocess.TimeoutExpired:  # a mutant that hangs is noticed
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()
            return "hang"
        finally:
            shutil.rmtree(room, ignore_errors=True)
        if status:
            last[path] = name
            return name
    return None


class Copy:
    """A copy of the tree in which mutants are built."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="evlog-mutants.")
        parts = [f"{TREE}/{n}" for n in ("lib", "bin", "tests", "Makefile", "man", "samples")]
        subprocess.run(["cp", "-r", *parts, self.path], check=True)
        self.make()

    def make(self):
        subprocess.run(["make", "-s", "-C", self.path, "tools", "build/fault-rot",
                        "build/fault-probe", "build/fault-shim.so"],
                       check=True, stderr=subprocess.DEVNULL)  # fmt: skip

    def try_one(self, path, code, mutant):
        """Which test noticed; None: none did."""
        file = os.path.join(self.path, path)
        with open(file) as f:
            text = f.read()
        try:
            with open(file, "w") as f:
                f.write(mutated(text, code, mutant))
            self.make()
            return noticed(self.path, path)
        finally:
            with open(file, "w") as f:
                f.write(text)


def work(copies, todo):
    """Tries one mutant in a free copy."""
    path, code, mutant = todo
    what, begun, copy = f"{path}: {code}", time.time(), copies.get()
    try:
        by = copy.try_one(path, code, mutant)
    except (AssertionError, subprocess.SubprocessError) as e:  # it cannot be built
        by, what = None, f"{what} ({e})"
    copies.put(copy)
    print(f"{by or 'NOBODY':8} {time.time() - begun:4.0f} s  {what}", flush=True)
    return None if by else what


def main():
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    todo = [m for m in mutants() if wanted in f"{m[0]}: {m[1]}"]
    made = [Copy() for _ in range(CORES)]
    copies = queue.Queue()
    for copy in made:
        copies.put(copy)
    try:
        by = noticed(made[0].path)
        assert by is None, f"{by} finds fault with the code as it is"
        with ThreadPoolExecutor(CORES) as pool:
            alive = [what for what in pool.map(lambda m: work(copies, m), todo) if what]
    finally:
        for copy in made:
            shutil.rmtree(copy.path)
    print(f"mutants {len(todo)}")
    print(f"alive {len(alive)}")
    for what in alive:
        print(what)
    sys.exit(1 if alive or not todo else 0)


if __name__ == "__main__":
    main()
