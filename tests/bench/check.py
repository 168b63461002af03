#!/usr/bin/env python3
"""check.py shop N | odd N | windows FILE [N]: checks what evfold(1) computes, with a second
implementation of the reducers in Python's decimal.

Folds N events of the benchmark, N events with values that are hard to fold, or those of a
file of Windows events, with every reducer over every path, in one group and by key.  evfold
must print the same: keys and members in this order, strings by meaning, numbers digit for
digit.

Each path is handled by one process, two at a time, so that a million events fit into
memory: for other paths only a count is kept.  That takes 5.5 GiB, and eight minutes of one
core."""
import functools
import itertools
import json
import multiprocessing
import os
import random
import re
import subprocess
import sys
import tempfile
import zipfile
from datetime import datetime, timezone
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, setcontext
from typing import NamedTuple

EXACT = Context(prec=100_000, Emax=MAX_EMAX, Emin=MIN_EMIN)  # for sums
HERE = os.path.dirname(os.path.abspath(__file__))
TIME = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


class Different(Exception):
    """evfold prints something else."""


class Number(str):
    """A number as it was written."""
    __slots__ = ()


def parse(text):
    return json.loads(text, parse_float=Number, parse_int=Number)


def plain(number):
    text = format(number.normalize(), "f")
    return Number("0" if number == 0 else text)


def write(value):
    """The text of a value as evfold prints it, except for escapes and white space."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{write(v)}" for k, v in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def same(value):
    """A text that is the same for two values if they mean the same."""
    if isinstance(value, Number):
        return plain(Decimal(value))
    if isinstance(value, list):
        return "[" + ",".join(map(same, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(sorted(f"{json.dumps(k)}:{same(v)}" for k, v in value.items())) + "}"
    return json.dumps(value)


# ---- Values: what reducers need to know is computed once for each value ----


def moment(value):
    """The time that a string means, or None."""
    found = TIME.fullmatch(value)
    if not found:
        return None
    seconds, fraction, zone = found.groups()
    zone = "+00:00" if zone in "Zz" else zone
    return datetime.fromisoformat(seconds.upper() + zone).astimezone(timezone.utc), Decimal(fraction or 0)


class Value:
    """The value at a path."""
    __slots__ = ("value", "text", "same", "number", "string", "moment")

    def __init__(self, value, text):
        self.value, self.text, self.same = value, text.encode(), same(value)
        self.number = Decimal(value) if isinstance(value, Number) else None
        self.string = value if isinstance(value, str) and self.number is None else None
        self.moment = None if self.string is None else moment(value)


def value_of(known, value):
    """A Value; the same object for scalars that are written the same."""
    text = write(value)
    if isinstance(value, (dict, list)):
        return Value(value, text)
    if text not in known:
        known[text] = Value(value, text)
    return known[text]


# ---- Reducers: from all values at a path, in order, to the result in UTF-8 ----


def total(values):
    return sum((v.number for v in values if v.number is not None), Decimal(0))


def average(values):
    n = sum(v.number is not None for v in values)
    if n == 0:
        return b"null"
    mean = total(values)
    whole = len(str(abs(int(mean / n))))
    return plain(Context(prec=max(34, whole), Emax=MAX_EMAX, Emin=MIN_EMIN).divide(mean, n)).encode()


def extreme(which):
    """The first value determines what is compared: numbers, times, or other strings."""
    def reducer(values):
        first = next((v for v in values if isinstance(v.value, str)), None)
        if first is None:
            return b"null"
        if first.number is not None:
            return which((v for v in values if v.number is not None), key=lambda v: v.number).text
        if first.moment:
            return which((v for v in values if v.moment), key=lambda v: v.moment).text
        return which((v for v in values if v.string is not None), key=lambda v: v.string.encode()).text
    return reducer


def listed(values):
    return b"[" + b",".join([v.text for v in values]) + b"]"


def distinct(values):
    seen = {}
    for v in values:
        seen.setdefault(v.same, v)
    return listed(seen.values())


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


def count(values):
    return b"%d" % sum(v.value is not None for v in values)


REDUCERS = {
    "count": count,
    "sum": lambda values: plain(total(values)).encode(),
    "min": extreme(min),
    "max": extreme(max),
    "avg": average,
    "first": lambda values: values[0].text if values else b"null",
    "last": lambda values: values[-1].text if values else b"null",
    "list": listed,
    "set": distinct,
    "merge": lambda values: write(functools.reduce(merged, (v.value for v in values), None)).encode(),
}

# ---- Folds ----


def steps_of(path):
    return path[1:].split("/") if path[0] == "/" else path.split(".")


def find(value, steps):
    """The values at a path: none, or one."""
    for step in steps:
        if isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return []
    return [value]


def key_of(event, steps):
    """The text of an event's key, or None if it has none."""
    (key,) = find(event, steps) or [None]
    return None if key is None or isinstance(key, (list, dict)) else same(key)


class Column(NamedTuple):
    """For each event: the value at one path or None, whether the other paths have more than
    null, and its keys."""
    values: list
    met: dict
    keys: dict


def read(events, wrapped):
    """Yields the events of a file.  Parses many at once, so that they share names."""
    with open(events, encoding="utf-8") as lines:
        while batch := list(itertools.islice(lines, 1000)):
            for event in parse("[" + ",".join(batch) + "]"):
                yield {"data": event} if wrapped else event


def column(events, path, others, keys):
    steps, known = steps_of(path), {}
    others, by = ({p: steps_of(p) for p in which} for which in (others, keys))
    found = Column([], {p: [] for p in others}, {p: [] for p in by})
    for event in events:
        there = find(event, steps)
        found.values.append(value_of(known, there[0]) if there else None)
        for p, way in others.items():
            found.met[p].append(find(event, way) not in ([], [None]))
        for p, way in by.items():
            found.keys[p].append(key_of(event, way))
    return found


def grouped(found, key):
    """The numbers of the events of each key, sorted by the text of the key."""
    groups = {}
    for i, group in enumerate(found.keys[key]):
        if group is not None:
            groups.setdefault(group, []).append(i)
    return sorted(groups.items(), key=lambda item: write(parse(item[0])).encode())


def state_of(found, which):
    values = [found.values[i] for i in which if found.values[i]]
    members = [(name, reducer(values)) for name, reducer in REDUCERS.items()]
    members += [(f"met{k}", b"%d" % sum(met[i] for i in which)) for k, met in enumerate(found.met.values())]
    texts = [piece for name, text in members for piece in (b",", f'"{name}":'.encode(), text)]
    return b"".join([b"{", *texts[1:], b"}"])


def fold(found, key):
    """What evfold must print: the state, or a line for each key."""
    if not key:
        yield state_of(found, range(len(found.values)))
        return
    for group, which in grouped(found, key):
        head = f'{{"key":{write(parse(group))},"seq":{which[-1] + 1},"state":'
        yield head.encode() + state_of(found, which) + b"}"


def evfold(log, path, others, key):
    """Yields the lines that evfold prints."""
    reducers = [f"{name}({path})" for name in REDUCERS]
    reducers += [f"met{k}=count({other})" for k, other in enumerate(others)]
    with subprocess.Popen(["evfold", "-q", *(["-k", key] if key else []), *reducers, log],
                          stdout=subprocess.PIPE) as made:
        for line in made.stdout:
            yield line[:-1]
    if made.returncode:
        raise Different(f"evfold: {made.returncode}")


def agree(what, got, want):
    """Whether two texts mean the same, even if they differ."""
    got, want = write(parse((got or b"null").decode())), (want or b"null").decode()
    at = len(os.path.commonprefix([got, want]))
    if at < max(len(got), len(want)):
        start = max(0, at - 500)
        raise Different(f"{what}: evfold says, from character {start} on,\n{got[start:at + 500]}\n"
                        f"instead of\n{want[start:at + 500]}")


def check(log, events, wrapped, path, others, keys):
    """Counts the values that are the same; stops at the first that is not."""
    n, found = 0, column(read(events, wrapped), path, others, keys)
    for key in [None, *keys]:
        for got, want in itertools.zip_longest(evfold(log, path, others, key), fold(found, key)):
            if got != want:
                agree(f"{path} by {key}", got, want)
            n += len(REDUCERS) + len(others)
    return n


# ---- Events: lines, options of evappend, how an event is read, paths and keys ----

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
    """Random events with any value, a number, and a value that may be unfit as a key."""
    rng = random.Random(n)

    def one(values):
        return values[rng.getrandbits(32) * len(values) >> 32]

    for i in range(n):
        number = f"{rng.getrandbits(one([1, 8, 64, 150]))}e{one([-40, -3, -2, 0, 0, 7])}"
        yield (f'{{"type":"T","subject":"{i % 9}","data":{{"any":{one(ODD)},"n":{one(["", "-"])}{number},'
               f'"few":{one(ODD[:7])},"k":{one(ODD)}}}}}\n')


def shop(n):
    with subprocess.Popen([HERE + "/events", str(n)], stdout=subprocess.PIPE, encoding="utf-8") as made:
        yield from made.stdout


def windows(path, n):
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as lines:
        for line in itertools.islice(lines, n):
            yield line.decode()


def main(what, *args):
    if what == "shop":
        lines, options = shop(int(args[0])), []
        paths = ["data", "time", "data.items", "data.customer", "data.amount", "data.items.1.qty", "type"]
        keys = ["subject", "data.items.0.qty", "/data/address/city"]
    elif what == "odd":
        lines, options = odd(int(args[0])), []
        paths = ["data.any", "data.n", "data.few", "data.any.b", "data.any.0", "data"]
        keys = ["subject", "data.any", "data.k", "data.few"]
    else:
        lines, options = windows(args[0], int(args[1]) if len(args) > 1 else None), ["--type-from", "Channel"]
        paths = ["data." + name for name in ("EventID", "Keywords", "RecordNumber", "Version", "EventTime",
                 "UtcTime", "ProcessId", "tags", "ERROR_EVT_UNRESOLVED", "Image")] + ["/data/@timestamp"]
        keys = ["data.Hostname", "data.EventID", "data.Task"]
    with tempfile.TemporaryDirectory() as folder:
        log, events = folder + "/a.evlog", folder + "/events.ndjson"
        with open(events, "w", encoding="utf-8") as out:
            out.writelines(lines)
        subprocess.run(["evappend", *options, log, events], check=True)
        work = [(log, events, bool(options), path, [p for p in paths if p != path], keys) for path in paths]
        with multiprocessing.Pool(2, setcontext, [EXACT], maxtasksperchild=1) as pool:
            n = sum(pool.starmap(check, work, chunksize=1))
        print(f"{sum(1 for _ in open(events, 'rb'))} events, {n} values")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Different as e:
        sys.exit(str(e))
