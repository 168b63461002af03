"""saga.py - runs the saga of the samples, by broker and by mediator, and kills every
processor at random: all orders must end correctly, and the same way in both.

The scripts run unchanged, with other orders.  The evrun, evdue and evfold that they find are this
file: it runs the real one, kills it or one of the processes of its command, and starts it
again, until the script ends it.  Run in an empty directory with the tools in PATH.  EVLOG_ORDERS:
how many; EVLOG_BATCH: events per run; EVLOG_PAUSE: average seconds between two kills of a
processor at first, which become more, so that a slow machine gets to the end; EVLOG_KILLS: at
least this many for each processor; EVLOG_SEED repeats a run."""

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
PAUSE = float(os.environ.get("EVLOG_PAUSE", "0.02"))
KILLS = int(os.environ.get("EVLOG_KILLS", "10"))
LIMIT = 60 + ORDERS / 4
SEED = int(os.environ.get("EVLOG_SEED", "0")) or int(time.time())
SAMPLES = pathlib.Path(__file__).resolve().parents[2] / "samples"
PROCESSORS = {"broker": ["credit.lua", "stock.lua", "order.lua", "pay.pos", "evdue"],
              "mediator": ["mediator.lua", "credit.lua", "stock.lua", "pay.pos", "order.pos", "evdue"]}
TOOLS = ("evrun", "evdue", "evfold")
LATE = "2026-01-01T00:00:00Z"  # nobody can pay by then
SOON = 3  # seconds

# What happens to an order, by how it ends.  A timer is there when it is started, with its due
# time, and again when the time has come.
PATHS = {
    "broker": {
        "approved": "OrderCreated CreditReserved StockReserved PaymentRequested PaymentTimedOut(due) PaymentCaptured "
                    "TimerStopped OrderApproved",
        "poor": "OrderCreated CreditLimitExceeded OrderCancelled",
        "none": "OrderCreated CreditReserved OutOfStock CreditReleased OrderCancelled",
        "unpaid": "OrderCreated CreditReserved StockReserved PaymentRequested PaymentTimedOut(due) PaymentTimedOut "
                  "PaymentFailed StockReleased CreditReleased OrderCancelled",
    },
    "mediator": {
        "approved": "OrderCreated ReserveCredit ReserveStock CreditReserved StockReserved RequestPayment PaymentTimedOut(due) "
                    "PaymentCaptured StopTimer ApproveOrder OrderApproved",
        "poor": "OrderCreated ReserveCredit ReserveStock CreditLimitExceeded StockReserved ReleaseStock StockReleased "
                "CancelOrder OrderCancelled",
        "none": "OrderCreated ReserveCredit ReserveStock CreditReserved OutOfStock ReleaseCredit CreditReleased "
                "CancelOrder OrderCancelled",
        "unpaid": "OrderCreated ReserveCredit ReserveStock CreditReserved StockReserved RequestPayment PaymentTimedOut(due) "
                  "PaymentTimedOut ReleaseStock StockReleased ReleaseCredit CreditReleased CancelOrder OrderCancelled",
    },
}  # fmt: skip


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
    """Plays a tool of the scripts."""
    real = os.path.join(os.environ["EVLOG_REAL"], tool)
    if not {"-f", "-qf"} & set(argv):
        os.execv(real, [tool, *argv])
    if tool == "evrun":
        argv = ["--batch", BATCH, "--backoff", "10ms", *argv]
    option = {"evrun": "--checkpoint", "evfold": "-p"}.get(tool)
    checkpoint = argv[argv.index(option) + 1] if option else tool
    rng = random.Random(f"{SEED} {os.getcwd()} {checkpoint}")
    ended, told, p, killed = [], set(), None, 0

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
                    p.wait(rng.expovariate(1 / PAUSE) * (1 + killed / 10))
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
                    killed += 1
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
    # what is cancelled gives back credit, at any time: only where that decides nothing
    limits = {f"c{i}": Decimal(rng.randint(0, 60_000)) / 100 for i in range(40)}
    rich = {f"rich{i}": Decimal(1_000_000) for i in range(20)}
    left, outcome, orders = dict(limits), {}, []
    for i in range(ORDERS):
        kind = rng.choice(("paid", "paid", "none", "unpaid"))
        order, amount = f"order-{i}", Decimal(rng.randint(1, 9_000)) / 100
        customer = rng.choice(list(limits if kind == "paid" else rich))
        if kind == "paid":
            kind = "approved" if amount <= left[customer] else "poor"
            left[customer] -= amount if kind == "approved" else 0
        orders.append((order, customer, amount, kind))
        outcome[order] = (kind, customer, amount)
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + SOON))
    payby = {"unpaid": [LATE, soon]}
    data = [{"type": "OrderCreated", "subject": o, "data": {
        "customer": c, "amount": "AMOUNT", "item": "lamp" if kind == "none" else rng.choice(("book", "pen")),
        "pays": kind != "unpaid", "payby": rng.choice(payby.get(kind, ["2200-01-01T00:00:00Z"]))}} for o, c, _, kind in orders]
    return [f'{{"type":"CustomerRegistered","subject":"{c}","data":{{"customer":"{c}","limit":{x}}}}}\n'
            for c, x in (limits | rich).items()] + \
           [f'{{"type":"ItemStocked","subject":"{i}","data":{{"item":"{i}","count":{ORDERS}}}}}\n' for i in ("book", "pen")], \
           [json.dumps(e).replace('"AMOUNT"', str(x)) + "\n" for e, (_, _, x, _) in zip(data, orders)], outcome


def events(log):
    out = subprocess.run(["evcat", log], stdout=subprocess.PIPE, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def judge(topology, logs, outcome):
    with open(f"{topology}/states.ndjson", encoding="utf-8") as f:
        states = {line["key"]: line["state"] for line in (json.loads(text, parse_float=Decimal) for text in f)}
    want = {o: ("approved" if kind == "approved" else "cancelled", *x) for o, (kind, *x) in outcome.items()}
    got = {order: (s["status"], s["customer"], s["amount"]) for order, s in states.items()}
    assert got == want, f"{topology}: {[x for x in want.items() if got.get(x[0]) != x[1]][:3]}"
    assert not [s for s in states.values() if s["odd"]], f"{topology}: something is odd"

    happened = [e for log in logs for e in events(f"{topology}/{log}") if e["subject"].startswith("order-")]
    paths = collections.defaultdict(list)
    for e in happened:
        paths[e["subject"]].append(e["type"] + "(due)" * ("due" in e))
    for order, (kind, *_) in outcome.items():
        path = PATHS[topology][kind].split()
        assert sorted(paths[order]) == sorted(path), f"{topology}: {order} ({kind}): {paths[order]}"

    begun = {e["subject"]: e["id"] for e in happened if e["type"] == "OrderCreated"}
    stray = [e for e in happened if e["type"] != "OrderCreated" and e["correlationid"] != begun[e["subject"]]]
    assert not stray, f"{topology}: not of its order's story: {stray[:3]}"
    assert len({e["id"] for e in happened}) == len(happened), f"{topology}: an id comes twice"


def main():
    rng = random.Random(SEED)
    customers, placed, outcome = generate(rng)
    shutil.copytree(SAMPLES, "samples")
    for file, lines in (("customers", customers), ("placed", placed)):
        with open(f"samples/orders/{file}.ndjson", "w", encoding="utf-8") as f:
            f.writelines(lines)
    os.mkdir("bin")
    for tool in TOOLS:
        with open(f"bin/{tool}", "w", encoding="utf-8") as f:
            f.write(f'#!/bin/sh\nexec {sys.executable} -S {os.path.abspath(__file__)} supervise {tool} "$@"\n')
        os.chmod(f"bin/{tool}", 0o755)
    # LeakSanitizer waits for a child for ever if that child is killed
    asan = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    env = {**os.environ, "EVLOG_REAL": os.path.dirname(shutil.which("evrun")), "EVLOG_SEED": str(SEED),
           "PATH": f"{os.getcwd()}/bin:{os.environ['PATH']}", "ASAN_OPTIONS": asan}
    print(f"orders {ORDERS}")
    for kind, n in sorted(collections.Counter(x[0] for x in outcome.values()).items()):
        print(f"{kind} {n}")
    commands = 0
    for topology, logs in (("broker", ["shop.evlog"]), ("mediator", ["events.evlog", "commands.evlog"])):
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
        commands += sum(n for x, n in what.items() if x not in TOOLS)
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
