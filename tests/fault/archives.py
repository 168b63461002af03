"""archives.py COUNT [SEED] - reads damaged compressed files and archives.

For each kind that the tools recognise, makes COUNT copies with one to sixteen changes: a
bit flipped, a byte or a number set to an extreme, bytes removed, doubled or cut off; more
of them in the first 64 bytes than elsewhere.  Every tool must finish in time and within its
memory, without a signal or a sanitizer's report, and print only whole lines.

EVLOG_KEEP=FOLDER: keep failing cases there.
"""

import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time

BUILD = os.environ["EVLOG_BUILD"]
SANITIZED = os.path.basename(BUILD.rstrip("/")) == "san"
SECONDS = 10 if SANITIZED else 2
MIB = 256
KINDS = [
    ("zip", ""), ("7zip", ""), ("ustar", ""), ("pax", ""), ("gnutar", ""), ("ustar", "gzip"), ("pax", "zstd"),
    ("raw", "gzip"), ("raw", "zstd"), ("raw", "xz"), ("raw", "bzip2"), ("raw", "lz4"),
    ("raw", "lzip"), ("raw", "lzma"), ("raw", "compress"),
]  # fmt: skip
TOOLS = [
    ["evcat"], ["evcat", "--salvage"], ["evcat", "-r"], ["evcat", "-n", "1"],
    ["evappend", "-q", "LOG"], ["evfold", "-q", "count()"], ["evdiff", "-q", "SOUND"],
]  # fmt: skip
LINES = b"".join(
    b'{"type":"T","id":"%d","data":{"n":%d,"s":"%s"}}\n' % (i, i, b"abc" * (i % 9)) for i in range(60)
)
ONES, ZEROES = b"\xff", b"\0"


def changed(rng, p):
    """The bytes with some random changes."""
    p = bytearray(p)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(p)) if rng.random() < 0.5 else rng.randrange(min(len(p), 64))
        how, n = rng.randrange(7), rng.randrange(1, 64)
        if how == 0:
            p[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            p[at] = rng.choice((0, 255, 0x7F, 0x80))
        elif how == 2:
            p[at : at + 4] = rng.choice((ONES * 4, ZEROES * 4, ONES * 3 + b"\x7f", ZEROES * 3 + b"\x80"))
        elif how == 3:
            p[at : at + 8] = rng.choice((ONES * 8, ZEROES * 8, ONES * 7 + b"\x7f"))
        elif how == 4:
            del p[at : at + n]
        elif how == 5:
            p[at:at] = p[at : at + n]
        else:
            del p[at + 1 :]
        p = p or bytearray(b"x")
    return bytes(p)


def limits():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not SANITIZED:
        resource.setrlimit(resource.RLIMIT_AS, (2 * MIB << 20, 2 * MIB << 20))


def verdict(argv):
    """What is wrong with a tool's behaviour, and its status."""
    begun = time.monotonic()
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=limits)
    try:
        out, errors = child.communicate(timeout=5 * SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return "no end", None
    status, words = child.returncode, errors.decode(errors="replace")
    if "Sanitizer" in words or "runtime error" in words:
        return f"a sanitizer's report\n{words[:3000]}", status
    if status not in ((0, 1, 65) if "evdiff" in argv[0] else (0, 65)):
        return f"status {status}: {words[:500]}", status
    if status == 65 and not words:
        return "status 65, and no word why", status
    if time.monotonic() - begun > SECONDS:
        return f"no verdict in {SECONDS} seconds", status
    if "evcat" in argv[0] and "--salvage" not in argv and out and not (
        out.endswith(b"\n") and all(x.startswith(b'{"') for x in out.splitlines())
    ):  # fmt: skip
        return f"no lines of events: {out[:200]!r}", status
    return None, status


def main(count, seed=1):
    rng, figures, broken = random.Random(seed), {"archives": 0, "refused": 0}, 0
    keep = os.environ.get("EVLOG_KEEP")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([f"{BUILD}/evappend", "-q", f"{folder}/sound"], input=LINES, check=True)
        for form, codec in KINDS:
            made = subprocess.run([f"{BUILD}/flips", "make", form, codec, f"{folder}/whole"], input=LINES, check=False)
            if made.returncode == 3:
                print(f"# {form} {codec}: libarchive cannot make it here")
                continue
            with open(f"{folder}/whole", "rb") as f:
                whole = f.read()
            os.remove(f"{folder}/whole")
            for n in range(count):
                with open(f"{folder}/changed", "wb") as f:
                    f.write(changed(rng, whole))
                tool = rng.choice(TOOLS)
                names = {"LOG": f"{folder}/log", "SOUND": f"{folder}/sound"}
                argv = [f"{BUILD}/{tool[0]}", *(names.get(x, x) for x in tool[1:]), f"{folder}/changed"]
                wrong, status = verdict(argv)
                figures["archives"] += 1
                figures["refused"] += status == 65
                shutil.rmtree(f"{folder}/log", ignore_errors=True)
                if wrong:
                    broken += 1
                    print(f"{form} {codec} {n}, {' '.join(tool)}: {wrong}", flush=True)
                    if keep:
                        shutil.copy(f"{folder}/changed", f"{keep}/{form}-{codec}-{n}")
    for name, n in figures.items():
        print(name, n)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
