"""same.py exact|cents|double OURS PEER: whether both have the same rows, in any order.

Of ours the state stands beside the key, and what the log stamped does not count.  Numbers
are compared exactly, rounded to cents, or as the doubles that they stand for."""
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
