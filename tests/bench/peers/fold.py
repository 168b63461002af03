"""Count, exact sum and last value by subject, like evfold -k subject."""
import json
import sys
from decimal import Decimal

states = {}
for line in open(sys.argv[1], encoding="utf-8"):
    event = json.loads(line, parse_float=Decimal)
    state = states.setdefault(event["subject"], {"n": 0, "s": Decimal(0), "l": None})
    state["n"] += 1
    state["s"] += event["data"]["amount"]
    state["l"] = event["time"]
for key, state in states.items():
    print(f'{{"key":{json.dumps(key)},"n":{state["n"]},"s":{state["s"]},"l":{json.dumps(state["l"])}}}')
