#!/usr/bin/env python3
"""check.py shop N | odd N | windows FILE [N]: what evfold(1) says about reducers, told a
second time in Python's decimal, so that the C code is not its own witness.

Folds N events of the benchmark, N made of values that are hard to fold, or those of a file
of Windows events, with every reducer over every path, for all and by key.  evfold must say
the same: keys and members in this order, strings by their meaning, numbers digit for digit."""
import functools
import itertools
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import zipfile
from datetime import datetime, timezone
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, setcontext

setcontext(Context(prec=100_000, Emax=MAX_EMAX, Emin=MIN_EMIN))  # sums are exact
HERE = os.path.dirname(os.path.abspath(__file__))
TIME = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


class Number(str):
    """A number as it was written."""


def parse(text):
    return json.loads(text, parse_float=Number, parse_int=Number)


def plain(number):
    text = format(number.normalize(), "f")
    return Number("0" if number == 0 else text)


def write(value):
    """A text that two values share if they print the same."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{write(v)}" for k, v in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def same(value):
    """A text that two values share if they mean the same."""
    if isinstance(value, Number):
        return plain(Decimal(value))
    if isinstance(value, list):
        return "[" + ",".join(map(same, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(sorted(f"{json.dumps(k)}:{same(v)}" for k, v in value.items())) + "}"
    return json.dumps(value)


# ---- Reducers: of all values that stood at a path, in order ----


def numbers(values):
    return [Decimal(v) for v in values if isinstance(v, Number)]


def average(values):
    found = numbers(values)
    if not found:
        return None
    whole = len(str(abs(int(sum(found) / len(found)))))
    return plain(Context(prec=max(34, whole), Emax=MAX_EMAX, Emin=MIN_EMIN).divide(sum(found), len(found)))


def moment(value):
    """The time that a string means, or None."""
    found = TIME.fullmatch(value)
    if not found:
        return None
    seconds, fraction, zone = found.groups()
    zone = "+00:00" if zone in "Zz" else zone
    return datetime.fromisoformat(seconds.upper() + zone).astimezone(timezone.utc), Decimal(fraction or 0)


def extreme(which):
    """The first value says what is compared: numbers, times, or other strings."""
    def reducer(values):
        values = [v for v in values if isinstance(v, str)]
        if not values:
            return None
        strings = [v for v in values if not isinstance(v, Number)]
        if isinstance(values[0], Number):
            return which((v for v in values if isinstance(v, Number)), key=Decimal)
        if moment(values[0]):
            return which((v for v in strings if moment(v)), key=moment)
        return which(strings, key=str.encode)
    return reducer


def distinct(values):
    seen = {}
    for value in values:
        seen.setdefault(same(value), value)
    return list(seen.values())


def merged(target, patch):
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merged(target.get(name), value)
    return target


REDUCERS = {
    "count": lambda values: Number(sum(v is not None for v in values)),
    "sum": lambda values: plain(sum(numbers(values), Decimal(0))),
    "min": extreme(min),
    "max": extreme(max),
    "avg": average,
    "first": lambda values: values[0] if values else None,
    "last": lambda values: values[-1] if values else None,
    "list": list,
    "set": distinct,
    "merge": lambda values: functools.reduce(merged, values, None),
}

# ---- Folds ----


def find(value, path):
    """What stands at a path: none, or one."""
    for step in path[1:].split("/") if path[0] == "/" else path.split("."):
        if isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return []
    return [value]


def key_of(event, path):
    """The text of an event's key, or None if it has none."""
    (key,) = find(event, path) or [None]
    return None if key is None or isinstance(key, (list, dict)) else same(key)


def fold(events, paths, key):
    """What evfold prints: the state, or a line for each key, sorted by the key's text."""
    last, groups = {}, {} if key else {"": {path: [] for path in paths}}
    for seq, event in enumerate(events, 1):
        group = key_of(event, key) if key else ""
        if group is not None:
            last[group] = seq
            values = groups.setdefault(group, {path: [] for path in paths})
            for path in paths:
                values[path] += find(event, path)
    for group in sorted(groups, key=lambda text: write(parse(text)).encode() if key else text):
        state = {f"{name}{i}": reducer(groups[group][path])
                 for i, path in enumerate(paths) for name, reducer in REDUCERS.items()}
        yield {"key": parse(group), "seq": Number(last[group]), "state": state} if key else state


def evfold(log, paths, key):
    reducers = [f"{name}{i}={name}({path})" for i, path in enumerate(paths) for name in REDUCERS]
    done = subprocess.run(["evfold", "-q", *(["-k", key] if key else []), *reducers, log],
                          stdout=subprocess.PIPE, check=True)
    return map(parse, done.stdout.decode().splitlines())


def compare(log, events, paths, keys):
    """How many values are the same; ends with the first that is not."""
    n = 0
    for key in [None, *keys]:
        for got, want in itertools.zip_longest(evfold(log, paths, key), fold(events, paths, key)):
            if write(got) != write(want):
                sys.exit(f"by {key}: evfold says\n{write(got)}\ninstead of\n{write(want)}")
            n += len(want["state"] if key else want)
    return n


# ---- Events: the lines, the options of evappend, how an event is read, paths and keys ----

ODD = [
    *"0 -0 1 1.0 1.10 -1e0 1e30 -1e30 0.1 0.2 1E-30 9007199254740993 123456789e-4 0e9 -0.000".split(),
    *("9" * n for n in (18, 19, 20, 36, 37, 38, 60)), *("0." + "6" * n for n in (17, 33, 34, 35, 50)),
    *("5" + "0" * n + end for n in (32, 33, 34) for end in (".5", "1.5", ".51")), "1e-400", "-2.5e400", "170141183460469231731687303715884105727",
    '""', '"a"', '"\\u0061"', '"\\u00e9"', '"é"', '"\\ud83d\\ude00"', '"a\\/\\n\\"b"', '"\\u0000"', '"1"',
    '"2026-01-01T00:00:00Z"', '"2026-01-01T00:30:00+01:00"', '"2025-12-31T19:00:00.000001-05:00"',
    "null", "true", "false", "[]", "[1,2.0]", "[1.0,2]", "{}", '{"a":1,"b":null}', '{"b":{"c":1.50},"a":2}',
    '{"b":{"c":null,"d":[{}]}}', '{"b":1e1}', '{"a":1.00,"b":null}',
]


def odd(n):
    """Events with any value, a number, and a value that may be no key, at random."""
    rng = random.Random(n)

    def one(values):
        return values[rng.getrandbits(32) * len(values) >> 32]

    for i in range(n):
        number = f"{rng.getrandbits(one([1, 8, 64, 150]))}e{one([-40, -3, -2, 0, 0, 7])}"
        yield (f'{{"type":"T","subject":"{i % 9}","data":{{"any":{one(ODD)},"n":{one(["", "-"])}{number},'
               f'"few":{one(ODD[:7])},"k":{one(ODD)}}}}}\n')


def shop(n):
    with subprocess.Popen([HERE + "/events", str(n)], stdout=subprocess.PIPE, encoding="utf-8") as made:
        return list(made.stdout)


def windows(path, n):
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as lines:
        return [line.decode() for line in itertools.islice(lines, n)]


def main(what, *args):
    if what == "shop":
        lines, options = shop(int(args[0])), []
        paths = ["data.amount", "time", "data.customer", "data.items", "data.items.1.qty", "data", "type"]
        keys = ["subject", "data.items.0.qty", "/data/address/city"]
    elif what == "odd":
        lines, options = list(odd(int(args[0]))), []
        paths = ["data.any", "data.n", "data.few", "data.any.b", "data.any.0", "data"]
        keys = ["subject", "data.any", "data.k", "data.few"]
    else:
        lines, options = windows(args[0], int(args[1]) if len(args) > 1 else None), ["--type-from", "Channel"]
        paths = ["data." + name for name in ("EventID", "Keywords", "RecordNumber", "Version", "EventTime",
                 "UtcTime", "ProcessId", "tags", "ERROR_EVT_UNRESOLVED", "Image")] + ["/data/@timestamp"]
        keys = ["data.Hostname", "data.EventID", "data.Task"]
    events = [{"data": parse(line)} if options else parse(line) for line in lines]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["evappend", *options, folder + "/a.evlog"], input="".join(lines).encode(), check=True)
        print(f"{len(events)} events, {compare(folder + '/a.evlog', events, paths, keys)} values")


if __name__ == "__main__":
    main(*sys.argv[1:])
