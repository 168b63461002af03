#!/usr/bin/env python3
"""Runs random programs in Lua with evfold and --upcast.

usage: programs.py BUILD [COUNT [SEED [FOLDER]]]

Each program comes from a grammar that aims at the limits of the sandbox: metamethods,
nested pcall and xpcall, functions that work long internally, decimals, emit, state in
variables, sort with inconsistent comparisons, iterators that are kept too long.  It is run
twice with one thread, once with three, and as a rule of --upcast.  It must end in time with
status 0, 1 or 65, use at most 256 MiB of memory, and give the same output each time.  A
program that fails this is left in FOLDER.
"""
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 2
MEMORY = 256 << 20

EVENTS = "".join(
    '{"type":"%s","id":"%d","seq":"%016d","subject":"s%d","data":%s}\n' % (
        "TUV"[n % 3], n, n + 1, n % 5, data)
    for n, data in enumerate([
        '{"v":1e5,"l":[1,2.5,"x",null]}', '{"v":0.1,"big":12345678901234567890123}',
        '[[[[[]]]],{"a":{}}]', '"\\u00e9\\u0000"', 'null', '[]', '{"l":[3,1,2]}',
        '{"$decimal":1}', '1e-400', '{"deep":' + "[" * 100 + "]" * 100 + "}"]))


class Grammar:
    """Generates the parts of a program; `depth` limits how much more may be nested."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.depth = 0

    def one(self, *choices):
        return self.random.choice(choices)

    def below(self, make, leaf):
        if self.depth > 4:
            return leaf
        self.depth += 1
        try:
            return make()
        finally:
            self.depth -= 1

    def number(self):
        return self.one("0", "1", "-1", "2", "7", "1.5", "1e15", "1e308", "1/0", "0/0", "1<<62",
                        "1<<31", "math.mininteger", "math.maxinteger", "100000", "1000", "-0.0")

    def text(self):
        return self.one('""', '"a"', '"%d+"', '"\\0\\xff"', '"a,b,,c"', 'e.type', 'tostring(e)',
                        f'string.rep("ab", {self.one("3", "1000", "100000", "1 << 25")})',
                        '("x"):rep(40)', '"1e9999"', '"%"', '"%5"', '"aaaaaaaaaaaaaaaaaaaaaaaaab"')

    def pattern(self):
        pieces = ("a", ".", "%a", "[^b]", "[%w_]", "(.)", "()", "%1", "%b()", "%f[%w]", "^", "$",
                  "(", ")", "[", "%", "x?", ".-", ".*", "%s+", "a-", "b*")
        return '"' + "".join(self.one(*pieces) for _ in range(self.random.randint(0, 7))) + '"'

    def variable(self):
        return self.one("a", "b", "c", "s", "e", "e.data", "s.x", "up", "tab", "shared", "null")

    def value(self):
        return self.below(lambda: self.one(
            self.number, self.text, self.variable, self.table, self.call, self.decimal,
            self.function, self.binary, self.variable, self.number)(), "1")

    def decimal(self):
        return f'decimal({self.one(self.number(), self.text(), chr(34) + self.one("0.1", "1e9999", "1e-9999", "9" * 60, "-5") + chr(34))})'

    def binary(self):
        return f'({self.value()} {self.one("+", "-", "*", "/", "//", "%", "^", "..", "==", "<", "<=", "and", "or", "~=", "&", "<<")} {self.value()})'

    def table(self):
        fields = [self.one(self.value(), f"{self.one('x', 'y', '__index', 'type')} = {self.value()}",
                           f"[{self.one(self.number(), self.text())}] = {self.value()}")
                  for _ in range(self.random.randint(0, 4))]
        body = "{" + ", ".join(fields) + "}"
        return self.one(body, body, "array" + body,
                        f"setmetatable({body}, {self.metatable()})")

    def metatable(self):
        names = self.random.sample(
            ["__index", "__newindex", "__len", "__call", "__eq", "__lt", "__le", "__concat",
             "__tostring", "__pairs", "__close", "__name", "__add", "__unm", "__gc", "__mode",
             "__metatable", "__div"], self.random.randint(1, 4))
        return "{" + ", ".join(f"{n} = {self.one(self.function(), self.value())}" for n in names) + "}"

    def function(self):
        return self.below(lambda: f"function({self.one('...', 'a', 'a, b', '')}) {self.block(3)} return {self.value()} end",
                          "function(...) return ... end")

    def call(self):
        v, n, t, f = self.value, self.number, self.text, self.function
        return self.one(
            lambda: f"pcall({self.one(f(), v())}, {v()})",
            lambda: f"xpcall({f()}, {self.one(f(), 'error', 'print', 'tostring')}, {v()})",
            lambda: f"string.rep({t()}, {n()}, {t()})",
            lambda: f"string.{self.one('find', 'match')}({t()}, {self.pattern()}, {self.one(n(), '1')})",
            lambda: f"string.gsub({t()}, {self.pattern()}, {self.one(t(), f(), self.table(), chr(34) + '%1%0' + chr(34))})",
            lambda: f'string.format({self.one(t(), chr(34) + self.one("%s %d", "%99.99f", "%q", "%5.1s", "%x", "%p", "%c%c", "%i") + chr(34))}, {v()}, {v()})',
            lambda: f"string.{self.one('byte', 'sub', 'lower', 'reverse', 'len', 'char', 'pack', 'unpack', 'packsize')}({t()}, {n()}, {n()})",
            lambda: f"table.{self.one('insert', 'remove', 'concat', 'unpack', 'sort', 'pack')}({self.one(v(), self.table())}, {self.one(n(), f())})",
            lambda: f"table.move({self.table()}, {n()}, {n()}, {n()})",
            lambda: f"select({self.one(n(), chr(34) + '#' + chr(34))}, table.unpack({self.table()}, {n()}, {n()}))",
            lambda: f"utf8.{self.one('char', 'len', 'codepoint', 'offset')}({self.one(t(), n())}, {n()})",
            lambda: f"{self.one('next', 'rawlen', 'rawget', 'tostring', 'tonumber', 'ipairs', 'pairs', 'type', 'array', 'getmetatable', 'math.floor', 'math.type')}({v()}, {v()})",
            lambda: f"emit({{type = {t()}, data = {v()}}})",
            lambda: f"({v()}):round({n()})",
            lambda: f"rawset({v()}, {v()}, {v()})",
            lambda: f"error({v()})",
            lambda: f"({v()})({v()})",
            lambda: "stop()" if self.random.random() < 0.1 else "f(1)",
        )()

    def statement(self):
        return self.below(self.any_statement, "s.n = (s.n or 0) + 1")

    def any_statement(self):
        v = self.value
        return self.one(
            lambda: f"{self.one('a', 'b', 'c', 's.x', 's.y', 's[1]', 'e.x', 'up', 'tab.x', 'glob', 'e.data')} = {v()}",
            lambda: f"local {self.one('a', 'b', 'c')} = {v()}",
            lambda: f"local {self.one('a', 'b')} <close> = setmetatable({{}}, {{__close = {self.function()}}})",
            lambda: f"local _ = {self.call()}",
            lambda: f"for i = 1, {self.one('3', '10', '1000', '1e7', self.number())} do {self.block(2)} end",
            lambda: f"for k, v in {self.one('pairs', 'ipairs', 'next,')} {'(' + v() + ')'} do {self.block(2)} end",
            lambda: f"for k in string.gmatch({self.text()}, {self.pattern()}) do {self.block(2)} end",
            lambda: f"while {v()} do {self.block(2)} {self.one('break', '')} end",
            lambda: f"if {v()} then {self.block(2)} end",
            lambda: f"s.z = pcall({self.function()})",
            lambda: "s.n = (s.n or 0) + 1",
            lambda: f"repeat {self.block(2)} until {v()}",
            lambda: f"a = {self.one('a', 'b', 's', 'tab')} .. {v()}",
        )()

    def block(self, most):
        lines = " ; ".join(self.statement() for _ in range(self.random.randint(0, most)))
        return f"do {lines} end"

    def program(self, table):
        top = [f"local up = {self.value()}", f"local tab = {self.table()}", f"shared = {self.table()}"]
        # loading must not fail every time, so what it makes is tried first
        top = ["local function f(x) return x end", "local a, b, c, s, e = nil, nil, nil, {}, {data = {}}"] + [
            line if self.random.random() < 0.3 else line.split("=")[0] + "= " + self.one("1", "{1, 2}", "{x = {}}", '"k"', "nil", "function(...) return ... end")
            for line in top]
        heads = {"on": "function(s, e)", "upcast": "function(e) local s = {}"}
        for name in ("T", "*") if self.random.random() < 0.5 else ("*",):
            end = self.one("", "return s", f"return {self.value()}") if table == "on" else self.one(
                "return e", 'e.type = "W" return e', "return {e, e}", "return nil", f"return {self.value()}")
            top.append(f'{table}["{name}"] = {heads[table]} {self.block(5)} do {end} end end')
        return "\n".join(top) + "\n"


def limits():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(argv, sanitized):
    """Status, output, and what went wrong."""
    tail = ["/usr/bin/time", "-q", "-f", "\n%M", *argv]
    slow = SECONDS * (10 if sanitized else 1)
    try:
        done = subprocess.run(tail, capture_output=True, timeout=slow * 5, preexec_fn=limits, check=False)
    except subprocess.TimeoutExpired:
        return None, b"", "no end"
    errors, _, kilobytes = done.stderr.rstrip(b"\n").rpartition(b"\n")
    wrong = ""
    if done.returncode not in (0, 1, 65):
        wrong = f"status {done.returncode}: {errors.decode(errors='replace')[:500]}"
    elif not sanitized and int(kilobytes) * 1024 > MEMORY:
        wrong = f"{kilobytes.decode()} KB of memory"
    return done.returncode, done.stdout + errors, wrong


def attempt(build, folder, grammar_seed, sanitized):
    """What is wrong with a program; empty: nothing."""
    g = Grammar(grammar_seed)
    fold, upcast = folder / "fold.lua", folder / "upcast.lua"
    fold.write_text(g.program("on"))
    upcast.write_text(g.program("upcast"))
    events = folder / "events"
    common = [f"{build}/evfold", "--lua-memory", "64M", "-k", "subject", "-o", g.one("state", "state", "events", "changes")]
    first = run([*common, "-j1", "-p", fold, events], sanitized)
    again = run([*common, "-j1", "-p", fold, events], sanitized)
    three = run([*common, "-j3", "-p", fold, events], sanitized)
    rules = [run([f"{build}/evcat", "--upcast", upcast, events], sanitized) for _ in range(2)]
    for r in (first, again, three, *rules):
        if r[2]:
            return r[2]
    if b"processor time" in first[1] + again[1] + three[1] + rules[0][1] + rules[1][1]:
        return ""  # which event it is depends on the processor
    if first != again or rules[0] != rules[1]:
        return "another output at the second run"
    if first != three:
        return "another output with three threads"
    return ""


def main():
    build = Path(sys.argv[1]).resolve()
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    sanitized = build.name == "san"
    bad = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(sys.argv[4] if len(sys.argv) > 4 else name)
        folder.mkdir(exist_ok=True)
        (folder / "events").write_text(EVENTS)
        for n in range(seed, seed + count):
            wrong = attempt(build, folder, n, sanitized)
            if wrong:
                bad += 1
                print(f"program {n}: {wrong}", flush=True)
                for kind in ("fold", "upcast"):
                    (folder / f"{kind}.lua").rename(folder / f"{kind}-{n}.lua")
    print(f"programs {2 * count}\nruns {5 * count}\nfailed {bad}")
    sys.exit(bad != 0)


main()
