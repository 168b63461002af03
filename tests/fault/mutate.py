"""mutate.py [FILTER] - each check of the reading and recovery code disabled in turn.

Every line of `mutants` is built in a copy of the tree, and the harness is expected to
notice.  What nobody notices is not tested: exit status 1.  FILTER: only lines that
contain it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))

# What looks, the quickest first; all run in the copy.
NOTICERS = [
    ("rot", "python3 rot.py 24 17"),
    ("power", "python3 power.py 1000"),
    ("format", "EVLOG_STEP=40 python3 ../format.py all"),
    ("kills", "EVLOG_FAULT_STEP=12 python3 calls.py kills"),
    ("poison", "cd .. && bats -f 'a sync that fails' fault.bats"),
    ("hostile", "cd .. && bats hostile.bats"),
    ("read", "cd .. && bats evcat.bats"),
    ("append", "cd .. && bats evappend.bats"),
    ("errors", "EVLOG_FAULT_STEP=80 python3 calls.py errors"),
]


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


def noticed(copy):
    """Who noticed, and how long it took; None: nobody."""
    env = dict(os.environ, EVLOG_BUILD=f"{copy}/build", PYTHONDONTWRITEBYTECODE="1",
               PATH=f"{copy}/build:{os.environ['PATH']}", EVLOG_SEED="7")  # fmt: skip
    for name, command in NOTICERS:
        p = subprocess.run(["bash", "-c", command], cwd=f"{copy}/tests/fault", env=env,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           stdin=subprocess.DEVNULL, timeout=600)  # fmt: skip
        if p.returncode:
            return name
    return None


def main():
    copy = tempfile.mkdtemp(prefix="evlog-mutants.")
    make = ["make", "-s", "-C", copy, "-j2", "tools", "build/fault-rot", "build/fault-probe",
            "build/fault-shim.so"]  # fmt: skip
    killed, alive = 0, []
    try:
        subprocess.run(["cp", "-r", *(f"{TREE}/{n}" for n in ("lib", "bin", "tests", "Makefile", "man", "samples")), copy], check=True)
        subprocess.run(make, check=True)
        assert noticed(copy) is None, "the harness finds fault with the code as it is"
        for path, code, mutant in mutants():
            what = f"{path}: {code}"
            if len(sys.argv) > 1 and sys.argv[1] not in what:
                continue
            file, begun = os.path.join(copy, path), time.time()
            with open(file) as f:
                text = f.read()
            try:
                with open(file, "w") as f:
                    f.write(mutated(text, code, mutant))
                subprocess.run(make, check=True, stderr=subprocess.DEVNULL)
                by = noticed(copy)
            except (AssertionError, subprocess.SubprocessError) as e:
                by = None
                what += f" ({e})"
            with open(file, "w") as f:
                f.write(text)
            print(f"{by or 'NOBODY':8} {time.time() - begun:4.0f} s  {what}", flush=True)
            killed += by is not None
            if by is None:
                alive.append(what)
    finally:
        shutil.rmtree(copy)
    print(f"mutants {killed + len(alive)}")
    print(f"alive {len(alive)}")
    for what in alive:
        print(what)
    sys.exit(1 if alive or not killed else 0)


if __name__ == "__main__":
    main()
