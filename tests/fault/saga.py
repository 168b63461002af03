"""saga.py - runs the saga of the samples, by broker and by mediator, and kills every
processor at random: all orders must end correctly, and the same way in both.

The scripts run unchanged, with other orders.  The evrun and the evfold that they find are this
file: it runs the real one, kills it or one of the processes of its command, and starts it
again, until the script ends it.  Run in an empty directory with the tools in PATH.  EVLOG_ORDERS:
how many; EVLOG_BATCH: events per run; EVLOG_PAUSE: average seconds between two kills of a
processor; EVLOG_KILLS: at least this many for each processor; EVLOG_SEED repeats a run."""

import collections
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time
from decimal import Decimal

ORDERS = int(os.environ.get("EVLOG_ORDERS", "1000"))
BATCH = os.environ.get("EVLOG_BATCH", "10")
PAUSE = float(os.environ.get("EVLOG_PAUSE", "0.1"))
KILLS = int(os.environ.get("EVLOG_KILLS", "10"))
LIMIT = 60 + ORDERS / 4
SEED = int(os.environ.get("EVLOG_SEED", "0")) or int(time.time())
SAMPLES = pathlib.Path(__file__).resolve().parents[2] / "samples"
PROCESSORS = {"broker": ["credit.lua", "order.pos"],
              "mediator": ["to-credit.pos", "to-order.pos", "credit.lua", "order.pos"]}


def at_work(pid):
    """All processes that a process has started, and those that they have started."""
    try:
        for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
            yield from at_work(child)
            if pathlib.Path(f"/proc/{child}/cmdline").read_bytes():  # not one that has exited
                yield int(child)
    except (FileNotFoundError, ProcessLookupError):
        pass


def victim(rng, pid):
    """The tool, or, if it soon starts a command, one process of that."""
    if rng.random() < 0.5:
        end = time.monotonic() + 0.05
        while not (found := list(at_work(pid))) and time.monotonic() < end:
            time.sleep(0.0005)
        if found:
            time.sleep(rng.uniform(0, 0.01))
            return rng.choice(list(at_work(pid)) or [pid])
    return pid


def name(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except (FileNotFoundError, ProcessLookupError):
        return "?"


def supervise(tool, argv):
    """Plays the evrun or the evfold of the scripts."""
    real = os.path.join(os.environ["EVLOG_REAL"], tool)
    if "-f" not in argv:
        os.execv(real, [tool, *argv])
    if tool == "evrun":
        argv = ["--batch", BATCH, "--backoff", "10ms", *argv]
    checkpoint = argv[argv.index("--checkpoint" if tool == "evrun" else "-p") + 1]
    rng = random.Random(f"{SEED} {os.getcwd()} {checkpoint}")
    ended, told, p = [], set(), None

    def tell():
        """Signals it once: a second SIGTERM would not let it finish."""
        if p and p.pid not in told:
            told.add(p.pid)
            p.terminate()

    def end(*_):
        ended.append(True)
        tell()

    signal.signal(signal.SIGTERM, end)
    with open("kills", "a", encoding="utf-8") as kills:
        while True:
            p = subprocess.Popen([real, *argv])
            fair = {1}  # its command was killed once too often
            while p.poll() is None and not ended:
                try:
                    p.wait(rng.expovariate(1 / PAUSE))
                except subprocess.TimeoutExpired:
                    whom = victim(rng, p.pid)
                    what = name(whom)
                    if ended:
                        break
                    if whom == p.pid:
                        fair.add(-signal.SIGKILL)
                    try:
                        os.kill(whom, signal.SIGKILL)
                    except ProcessLookupError:
                        continue
                    print(checkpoint, what, file=kills, flush=True)
            if ended:
                tell()
                fair = fair - {1} | {0}
                fair.add(-signal.SIGTERM)  # it has only just started
            status = p.wait()
            if status not in fair:
                print(checkpoint, f"status {status}", file=kills, flush=True)
                os.killpg(0, signal.SIGTERM)
                return 1
            if ended:
                return 0


def generate(rng):
    """The input of the scripts, and the expected result."""
    limits = {f"c{i}": Decimal(rng.randint(0, 60_000)) / 100 for i in range(40)}
    orders = [(f"order-{i}", rng.choice(list(limits)), Decimal(rng.randint(1, 9_000)) / 100) for i in range(ORDERS)]
    left, outcome = dict(limits), {}
    for order, customer, amount in orders:
        fits = amount <= left[customer]
        left[customer] -= amount if fits else 0
        outcome[order] = ("approved" if fits else "cancelled", customer, amount)
    return [f'{{"type":"CustomerRegistered","subject":"{c}","data":{{"customer":"{c}","limit":{x}}}}}\n'
            for c, x in limits.items()], \
           [f'{{"type":"OrderCreated","subject":"{o}","data":{{"customer":"{c}","amount":{x}}}}}\n'
            for o, c, x in orders], outcome


def events(log):
    out = subprocess.run(["evcat", log], stdout=subprocess.PIPE, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def judge(topology, logs, outcome):
    with open(f"{topology}/states.ndjson", encoding="utf-8") as f:
        states = {line["key"]: line["state"] for line in (json.loads(text, parse_float=Decimal) for text in f)}
    got = {order: (s["status"], s["customer"], s["amount"]) for order, s in states.items()}
    assert got == outcome, f"{topology}: {[x for x in outcome.items() if got.get(x[0]) != x[1]][:3]}"
    assert not [s for s in states.values() if s["odd"]], f"{topology}: something is odd"

    happened = [e for log in logs for e in events(f"{topology}/{log}")
                if e["type"] not in ("CustomerRegistered", "RegisterCustomer")]
    kinds = {"broker": [("Order", "Created"), ("Credit", ""), ("Order", "ed")],
             "mediator": [("Order", "Created"), ("Reserve", ""), ("Credit", ""), ("A C", "Order"), ("Order", "ed")]}
    count = collections.Counter((e["subject"], e["type"]) for e in happened)
    lost = sum(len(kinds[topology]) - k for k in collections.Counter(s for s, _ in count).values())
    doubled = sum(k - 1 for k in count.values())
    assert len(happened) == len(kinds[topology]) * ORDERS and not lost and not doubled, \
        f"{topology}: lost {lost}, doubled {doubled}"

    begun = {e["subject"]: e["id"] for e in happened if e["type"] == "OrderCreated"}
    stray = [e for e in happened if e["type"] != "OrderCreated" and e["correlationid"] != begun[e["subject"]]]
    assert not stray, f"{topology}: not of its order's story: {stray[:3]}"


def main():
    rng = random.Random(SEED)
    customers, placed, outcome = generate(rng)
    shutil.copytree(SAMPLES, "samples")
    for file, lines in (("customers", customers), ("placed", placed)):
        with open(f"samples/orders/{file}.ndjson", "w", encoding="utf-8") as f:
            f.writelines(lines)
    os.mkdir("bin")
    for tool in ("evrun", "evfold"):
        with open(f"bin/{tool}", "w", encoding="utf-8") as f:
            f.write(f'#!/bin/sh\nexec {sys.executable} -S {os.path.abspath(__file__)} supervise {tool} "$@"\n')
        os.chmod(f"bin/{tool}", 0o755)
    # LeakSanitizer waits for a child for ever if that child is killed
    asan = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    env = {**os.environ, "EVLOG_REAL": os.path.dirname(shutil.which("evrun")), "EVLOG_SEED": str(SEED),
           "PATH": f"{os.getcwd()}/bin:{os.environ['PATH']}", "ASAN_OPTIONS": asan}
    print(f"orders {ORDERS}\napproved {sum(x[0] == 'approved' for x in outcome.values())}")
    commands = 0
    for topology, logs in (("broker", ["shop.evlog"]), ("mediator", ["events.evlog", "credit.evlog", "order.evlog"])):
        with open(f"{topology}.out", "w", encoding="utf-8") as out:
            script = subprocess.Popen([f"samples/orders/{topology}", topology], env=env, stdout=out,
                                      stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status = script.wait(LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(script.pid, signal.SIGTERM)
            status = "none: it hangs"
        with open(f"{topology}/kills", encoding="utf-8") as f:
            kills = [line.split(maxsplit=1) for line in f.read().splitlines()]
        odd = [x for x in kills if x[1].startswith("status")]
        assert not odd, f"{topology}: {odd}"
        assert status == 0, f"{topology}: status {status}"
        judge(topology, logs, outcome)
        whom = collections.Counter(p for p, _ in kills)
        what = collections.Counter(x for _, x in kills)
        assert all(whom[p] >= KILLS for p in PROCESSORS[topology]), f"{topology}: too few kills: {whom}"
        commands += sum(what.values()) - what["evrun"] - what["evfold"]
        print(f"{topology} kills {len(kills)}")
    assert commands >= KILLS, f"too few commands killed: {commands}"
    differs = subprocess.run(["evdiff", "broker/states.ndjson", "mediator/states.ndjson"], check=False).returncode
    assert differs == 0, f"broker and mediator differ: evdiff says {differs}"
    print(f"commands killed {commands}\nlost 0\ndoubled 0")


if __name__ == "__main__":
    if sys.argv[1:2] == ["supervise"]:
        sys.exit(supervise(sys.argv[2], sys.argv[3:]))
    try:
        main()
    except AssertionError as e:
        print(f"EVLOG_SEED={SEED}: {e}")
        sys.exit(1)
