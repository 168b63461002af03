"""patch.py - pairs of states, and whether evdiff's patch turns one into the other.

    patch.py pairs SEED N        prints N pairs A<TAB>B of JSON texts, one of them empty
                                 if a key is only in A or only in B
    patch.py evfold <PAIRS       the patches of evdiff, applied by evfold, must give B
    patch.py jsonpatch <PAIRS    the same, applied by python3-jsonpatch
    patch.py json <PAIRS         -o json must report the same places, with their values

It fails by an assertion.
"""

import decimal
import json
import random
import subprocess
import sys

# ---- Pairs: values are texts, because 1 and 1.0 are two texts of one value ----

NAMES = ["", "a", "b", "c", "~", "/", "~1", "~01", "a/b", '"', "\\", "\n", "\x7f", " ", "é", "日本",
         "😀", "0", "1", "01", "-", "key", "\u2028"]
SCALARS = ["null", "true", "false", "0", "-0", "0.0", "1", "1.0", "10e-1", "1E0", "-1", "0.1", "1e-7",
           "9007199254740992", "9007199254740993", "9007199254740993.0", "123456789012345678901234567890",
           '""', '"a"', '"\\u0061"', '"1"', '"é"', '"\\u00e9"', '"\\ud83d\\ude00"', '"\\n/~"', "[]", "{}"]


def name(r):
    return json.dumps(r.choice(NAMES), ensure_ascii=r.random() < 0.5)


def value(r, depth=0):
    """A text, a list of values, or a tuple of (name, value), since names may occur twice."""
    kind = r.random() * (1 if depth < 4 else 0.3)
    if kind < 0.3:
        return r.choice(SCALARS)
    size = r.randrange(6)
    if kind < 0.6:
        return [value(r, depth + 1) for _ in range(size)]
    return tuple((name(r), value(r, depth + 1)) for _ in range(size))


def altered(r, v, depth=0):
    if r.random() < 0.08:
        return value(r, depth)
    if isinstance(v, str):
        return v if r.random() < 0.8 else r.choice(SCALARS)
    kept = [x for x in v if r.random() < 0.85]
    if isinstance(v, list):
        out = [altered(r, x, depth + 1) for x in kept]
        while r.random() < 0.3:
            out.insert(r.randrange(len(out) + 1), value(r, depth + 1))
        return out
    out = [(k, altered(r, x, depth + 1)) for k, x in kept]
    while r.random() < 0.3:
        out.append((name(r), value(r, depth + 1)))
    r.shuffle(out)
    return tuple(out)


def text(v):
    if isinstance(v, list):
        return "[" + ",".join(map(text, v)) + "]"
    if isinstance(v, tuple):
        return "{" + ", ".join(k + ":" + text(x) for k, x in v) + "}"
    return v


def pairs(seed, n):
    r = random.Random(int(seed))
    for _ in range(int(n)):
        a = value(r)
        b = altered(r, a)
        only = r.random()
        print("" if only < 0.03 else text(a), "" if only > 0.97 else text(b), sep="\t")


# ---- Running evdiff ----


def load(t):
    return json.loads(t, parse_float=decimal.Decimal)


def same(a, b):
    """Compares by value, as evdiff does: true is not 1."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and a == b


def run(*argv, status=0, data=None):
    p = subprocess.run(argv, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    assert p.returncode == status, f"{argv}: status {p.returncode}\n{p.stderr}"
    return p.stdout.split("\n")[:-1]


def states():
    """{key: (A, B)} of the pairs, which are also written to the files a and b."""
    given = {}
    with open("a", "w", encoding="utf-8") as a, open("b", "w", encoding="utf-8") as b:
        for i, line in enumerate(sys.stdin):
            key = "%06d" % i
            given[key] = line.rstrip("\n").split("\t")
            for f, state in zip((a, b), given[key]):
                if state:
                    f.write('{"key":"%s","seq":1,"state":%s}\n' % (key, state))
    return given


def differences(form):
    """{key: [line...]}"""
    said = {}
    for line in run("evdiff", "-o", form, "a", "b", status=1):
        said.setdefault(load(line)["key"], []).append(line)
    assert list(said) == sorted(said)
    return said


def patches(given):
    """(key, A, B, patch) of keys in both; the other patches are known."""
    said = differences("patch")
    for key, (a, b) in given.items():
        lines = said.get(key, [])
        assert len(lines) <= 1, lines
        if not a or not b:
            op = '{"op":"add","path":"","value":%s}' % b if b else '{"op":"remove","path":""}'
            assert lines == ['{"key":"%s","patch":[%s]}' % (key, op)], lines
            continue
        assert bool(lines) != same(load(a), load(b)), (a, b, lines)
        if lines:
            yield key, a, b, lines[0][len('{"key":"000000","patch":') : -1]


# ---- The claims ----


def applied_by_evfold():
    """Applies each patch with one fold over two events per key: A, and the patch."""
    events, want = [], {}
    for key, a, b, patch in patches(states()):
        for ops in '[{"op":"add","path":"","value":%s}]' % a, patch:
            events.append('{"type":"T","subject":"%s","data":%s}\n' % (key, ops))
        want[key] = b
    lines = run("evfold", "--strict", "-k", "subject", "s=patch(data)", data="".join(events))
    assert len(lines) == len(want)
    for got in map(load, lines):
        assert same(got["state"]["s"], load(want[got["key"]])), (got, want[got["key"]])


def applied_by_jsonpatch():
    import jsonpatch

    for _, a, b, patch in patches(states()):
        # it takes "-" for the end of an array even if it is the name of a member
        if any(op["op"] == "replace" and op["path"].endswith("/-") for op in load(patch)):
            continue
        got = jsonpatch.JsonPatch(load(patch)).apply(load(a))
        assert same(got, load(b)), (a, b, patch, got)


def at(v, pointer):
    for step in pointer.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        v = v[int(step) if isinstance(v, list) else step]
    return v


def told_by_json():
    given = states()
    patched = {key: load(patch) for key, _, _, patch in patches(given)}
    for key, lines in differences("json").items():
        pair = dict(zip("ab", given[key]))
        if not pair["a"] or not pair["b"]:
            side = "a" if pair["a"] else "b"
            assert lines == ['{"key":"%s","%s":%s}' % (key, side, pair[side])], lines
            continue
        lines = [load(line) for line in lines]
        assert [x["path"] for x in lines] == [op["path"] for op in patched[key]], (lines, patched[key])
        for x in lines:
            assert x.keys() & {"a", "b"}, x
            for side in x.keys() & {"a", "b"}:
                assert same(x[side], at(load(pair[side]), x["path"])), (x, pair)


{"pairs": pairs, "evfold": applied_by_evfold, "jsonpatch": applied_by_jsonpatch, "json": told_by_json}[
    sys.argv[1]
](*sys.argv[2:])
