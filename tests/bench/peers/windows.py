"""Count, first and last time, and highest record number by EventID."""
import json
import sys

states = {}
for line in open(sys.argv[1], encoding="utf-8"):
    event = json.loads(line)
    time, record = event["@timestamp"], event["RecordNumber"]
    state = states.setdefault(event["EventID"], {"n": 0, "from": time, "to": time, "record": record})
    state["n"] += 1
    state["from"] = min(state["from"], time)
    state["to"] = max(state["to"], time)
    state["record"] = max(state["record"], record)
for key, state in states.items():
    print(json.dumps({"key": key, **state}))
