"""same.py exact|cents|double OURS PEER: checks that both have the same rows, in any order.

In our rows, the state is next to the key, and what the log stamped is ignored.  Numbers are
compared exactly, rounded to cents, or as doubles."""
import json
import sys
from decimal import Decimal

NUMBER = {
    "exact": lambda text: str(Decimal(text).normalize()),
    "cents": lambda text: f"{Decimal(text):.2f}",
    "double": lambda text: repr(float(text)),
}


def rows(path, number):
    for line in open(path, encoding="utf-8"):
        row = json.loads(line, parse_float=number, parse_int=number)
        if isinstance(row, dict):
            row.update(row.pop("state", {}))
            row.pop("seq", None)
            row.pop("logtime", None)
        yield json.dumps(row, sort_keys=True)


how, ours, peer = sys.argv[1:]
mine = sorted(rows(ours, NUMBER[how]))
sys.exit(not mine or mine != sorted(rows(peer, NUMBER[how])))
