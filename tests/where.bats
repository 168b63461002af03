# -w: selecting by content, in every tool that reads, and in the braces of reducers.

load common
setup() {
	common_setup
}

# One event for each kind of value, at data.v; the last ones have none.
values() {
	cat <<-'END'
		5
		5.0
		-5
		50e-1
		5.00000000000000000000000000000000000001
		"5"
		"five"
		"a,b"
		"a\u002cb"
		"*"
		""
		"=<>!{}()"
		"\"q\""
		"2026-01-01T00:00:00Z"
		"2026-01-01T01:00:00+01:00"
		"2026-01-01T00:00:00.0000001Z"
		"2025-12-31T23:59:60Z"
		"2026-01-01"
		true
		false
		null
		[5]
		{"w":5}
	END
}

@test "each operator with each kind of value, against Python" {
	[ "${SAN:-}" != thread ] || skip "one thread compares"
	values | sed 's/.*/{"type":"V","data":{"v":&}}/' | evappend -q a.evlog
	printf '{"type":"W","data":{}}\n{"type":"W"}\n{"type":"W","data":5}\n' | evappend -q a.evlog
	python3 - <<'END'
import datetime, decimal, fnmatch, itertools, json, re, subprocess
decimal.getcontext().prec = 100
events = [(line, json.loads(line, parse_float=decimal.Decimal, parse_int=decimal.Decimal))
          for line in subprocess.run(["evcat", "a.evlog"], capture_output=True, check=True).stdout.splitlines()]
TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:)(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$")

def moment(text):
    m = TIME.match(text)
    if not m:
        return None
    t = datetime.datetime.fromisoformat(m[1] + "T" + m[2] + "00" + (m[5] if m[5] != "Z" else "+00:00"))
    return decimal.Decimal(int(t.timestamp())) + int(m[3]) + decimal.Decimal("0" + (m[4] or ""))

def number(v):
    return v if isinstance(v, decimal.Decimal) else None

def raw(line):
    return re.search(r'"v":(.*?)}}$', line.decode())[1]

MISSING = object()

def holds(line, v, op, kind, value):
    if op in ("", "!"):
        return (v is not MISSING) == (op == "")
    if v is MISSING:
        return op == "!="
    if kind == "number":
        a, b = number(v), decimal.Decimal(value)
    elif kind == "time":
        a, b = moment(v) if isinstance(v, str) else None, moment(value)
    elif kind == "text":
        a, b = v if isinstance(v, str) else None, value
    else:
        a, b = fnmatch.fnmatchcase(v if isinstance(v, str) else raw(line), value), True
    if a is None:
        return None  # of another kind
    return {"=": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]

numbers = ["5", "5.000", "-5", "4.9999", "5.00000000000000000000000000000000000001", "0.5e1"]
times = ["2026-01-01T00:00:00Z", "2025-12-31T23:00:00-01:00", "2026-01-01T00:00:00.00000009Z"]
texts = ["5", "a,b", "*", "", '"q"', "=<>!{}()", "2026-01-01T00:00:00Z"]
globs = ["5*", "*", "five", "f?ve", "[a-f]*", "[!f]*", "", "true", "null", "x"]
cases = [("", "none", ""), ("!", "none", "")]
cases += itertools.product(("=", "!=", "<", "<=", ">", ">="), ("number",), numbers)
cases += itertools.product(("=", "!=", "<", "<=", ">", ">="), ("time",), times)
cases += itertools.product(("=", "!="), ("text",), texts)
cases += itertools.product(("=", "!="), ("glob",), globs)
for op, kind, value in cases:
    shown = json.dumps(value) if kind == "text" else value
    for path in ("data.v", "/data/v", '"data.v"'):
        filter = f"!{path}" if op == "!" else f"{path}{op}{shown}"
        told = []
        for line, e in events:
            d = e.get("data")
            told.append(holds(line, d["v"] if isinstance(d, dict) and "v" in d else MISSING, op, kind, value))
        want = [line for (line, _), t in zip(events, told) if t]
        for options in ([], ["-r"], ["-n", "1000"], ["-m"]) if path == "data.v" else ([],):
            p = subprocess.run(["evcat", *options, "-w", filter, "a.evlog"], capture_output=True)
            assert p.returncode == 0, (filter, p.stderr)
            got = p.stdout.splitlines()
            assert got == (want[::-1] if "-r" in options else want), (filter, options, got, want)
            other = sum(t is None for t in told)
            assert (b"%d value" % other in p.stderr) == (other > 0), (filter, options, other, p.stderr)
        p = subprocess.run(["evfold", "count(){" + filter + "}", "a.evlog"], capture_output=True)
        assert p.stdout == b'{"count":%d}\n' % len(want), (filter, p)
print(len(cases), "cases")
END
}

@test "conditions add up; spaces around them do not count" {
	seq 100 | sed 's/.*/{"type":"N","subject":"s &","data":{"n":&}}/' | evappend -q a.evlog
	for w in "-w data.n>10,data.n<=12" "-w data.n>10 -w data.n<=12"; do
		# shellcheck disable=SC2086
		run -0 evcat -o data $w a.evlog
		assert_output $'{"n":11}\n{"n":12}'
	done
	run -0 evcat -o data -w ' data.n >= 99 , subject = s 100 ' a.evlog
	assert_output '{"n":100}'
	run -0 evcat -o data -w 'seq=7' a.evlog
	assert_output '{"n":7}'
	run -0 evcat -o data -w 'seq>98,seq<1e2' a.evlog
	assert_output '{"n":99}'
	run -0 evcat -o data -t N -s 's 5' -w 'data.n=5' a.evlog
	assert_output '{"n":5}'
	run -0 evfold 'n=sum(data.n){ data.n > 98 }' a.evlog
	assert_output '{"n":199}'
}

@test "what is not a filter is refused, and the message says where" {
	echo '{"type":"N"}' | evappend -q a.evlog
	while read -r at filter; do
		run -64 evcat -w "$filter" a.evlog
		assert_output --partial "at character $at: "
	done <<-'END'
		1 =5
		2 !
		2 !=5
		3 a==5
		3 a=<5
		4 a=b<c
		3 a=(b)
		4 a=b{c
		3 a>b
		3 a>"5"
		3 a="b
		5 a=5,
		6 a="b"c
		2 a)
		3 !a=5
		1 ,a
		3 a>
		3 a<2026-01-01
	END
	run -64 evcat -w '' a.evlog
	run -64 evfold 'count(){a=5' a.evlog
	assert_output --partial "'}' is missing"
	run -64 evfold 'count(){a>b}' a.evlog
	run -64 evrun -w 'a>b' a.evlog -- cat
}

@test "a path that no event has is told of, and so are values of another kind" {
	printf '{"type":"N","data":{"n":%s}}\n' 1 '"1"' '"2"' null | evappend -q a.evlog
	run -0 --separate-stderr evcat -w data.m=1 a.evlog
	assert_equal "$stderr" "evcat: --where: no event has anything at data.m"
	run -0 --separate-stderr evcat -n 1 -w data.m=1 a.evlog
	assert_equal "$stderr" "evcat: --where: no event has anything at data.m"
	run -0 --separate-stderr evcat -o data -w 'data.n>0' a.evlog
	assert_equal "$output" '{"n":1}'
	assert_equal "$stderr" "evcat: --where: 3 values of another kind could not be compared"
	run -0 --separate-stderr evcat -q -w 'data.n>0' a.evlog
	assert_equal "$stderr" ""
	run -0 --separate-stderr evcat -w '!data.m' -c 1 a.evlog
	assert_equal "$stderr" ""
	run -0 --separate-stderr evfold 'count(){data.n>0}' a.evlog
	assert_equal "$stderr" "evfold: skipped: 3 values that a reducer cannot use"
	run -65 evfold --strict 'count(){data.n>0}' a.evlog
	assert_output --partial "event 2: count: a value of another kind"
}

@test "a consumer selects by content, and its checkpoint knows by which" {
	seq 20 | sed 's/.*/{"type":"N","data":{"n":&}}/' | evappend -q a.evlog
	run -0 evrun --checkpoint c -w 'data.n>15' a.evlog -- jq -c .data.n
	assert_output "$(seq 16 20)"
	seq 21 25 | sed 's/.*/{"type":"N","data":{"n":&}}/' | evappend -q a.evlog
	run -0 evrun --checkpoint c -w 'data.n>15' a.evlog -- jq -c .data.n
	assert_output "$(seq 21 25)"
	run -76 evrun --checkpoint c -w 'data.n>16' a.evlog -- jq -c .data.n
	run -76 evrun --checkpoint c a.evlog -- jq -c .data.n
	# with an upcaster, it applies to what the events become
	echo 'upcast.N = function(e) e.data.n = e.data.n * 10 return e end' >up.lua
	run -0 evrun --upcast up.lua -w 'data.n>=240' a.evlog -- jq -c .data.n
	assert_output $'240\n250'
	run -0 evcat --upcast up.lua -o data -w 'data.n>=240' a.evlog
	assert_output $'{"n":240}\n{"n":250}'
	# what cannot be compared is told of, as by evcat
	for upcast in "" "--upcast up.lua"; do
		# shellcheck disable=SC2086
		run -0 --separate-stderr evrun $upcast -w 'type>5' a.evlog -- cat
		assert_equal "$stderr" "evrun: --where: 25 values of another kind could not be compared"
		# shellcheck disable=SC2086
		run -0 --separate-stderr evrun $upcast -w nothing a.evlog -- cat
		assert_equal "$stderr" "evrun: --where: no event has anything at nothing"
	done
	run -0 --separate-stderr evcat -w 'data.m=1' a.evlog a.evlog
	assert_equal "$stderr" "evcat: --where: no event has anything at data.m"
}

@test "a fold whose filter has another meaning than in evlog 0.1 does not go on from its snapshot" {
	seq 5 | sed 's/.*/{"type":"N","data":{"n":&}}/' | evappend -q a.evlog
	evfold --snapshot s 'count(){type=N}' a.evlog
	evfold --snapshot s 'count(){type=N}' a.evlog
	run -0 evfold --snapshot t 'count(){data.n=3}' a.evlog
	assert_output '{"count":1}'
	# as evlog 0.1 wrote them: with the hash of the reducer's text alone
	as_before() { # FILE REDUCER
		sed -i "1s/\"fold\":\"[0-9a-f]*\"/\"fold\":\"$(printf 'reducer %s\n' "$2" | sha256sum | cut -d ' ' -f 1)\"/" "$1"
	}
	as_before s 'count(){type=N}'
	run -0 evfold --snapshot s 'count(){type=N}' a.evlog
	as_before t 'count(){data.n=3}'
	run -76 evfold --snapshot t 'count(){data.n=3}' a.evlog
	assert_output --partial "use --rebuild"
}

@test "extracts: a compressed stream of what a filter selects has gaps" {
	seq 50 | sed 's/.*/{"type":"N","data":{"n":&}}/' | evappend -q a.evlog
	evcat -o zst -w 'data.n>40' a.evlog >part.ndjson.zst
	run -0 evcat -o data part.ndjson.zst
	assert_equal "${#lines[@]}" 10
	run -76 evappend --replica b.evlog part.ndjson.zst
	# even if there are none yet
	evcat -o zst -w 'data.n<=10' a.evlog >part.ndjson.zst
	assert_equal "$(od -An -tu1 -j20 -N1 part.ndjson.zst | tr -d ' ')" 1
}

@test "with several threads, the same lines and the same counts" {
	python3 - <<'END' | evappend -q a.evlog
import base64, json, random
r = random.Random(7)
for n in range(3000):
    v = r.choice([n, str(n), n / 8, None])
    print(json.dumps({"type": "T%d" % (n % 3), "subject": "s%d" % (n % 7), "data": {"v": v, "noise": base64.b64encode(r.randbytes(900)).decode()}}))
END
	for options in "-w data.v>1500" "-w data.v>1500 -c 100" "-w data.v<400 -n 20" "-w data.v!=5 -t T1 --from 700 --to 2100" \
		"-w data.v=1e3" "-w data.v -s s3" "-w data.x=1" "-w subject=s2,data.v>=1000 -r"; do
		# shellcheck disable=SC2086
		evcat -j 1 $options a.evlog >want 2>want.err
		# shellcheck disable=SC2086
		evcat -j 4 $options a.evlog >got 2>got.err
		cmp want got
		[[ $options == *-c* ]] || cmp want.err got.err # blocks are read ahead
	done
	[ -s want ]
}

@test "what the indexes and the names of segments rule out changes no answer" {
	local i
	for i in {0..11}; do
		seq $((40 * i + 1)) $((40 * i + 40)) | awk '{
			printf "{\"type\":\"T%d\",\"subject\":\"s%d\",\"id\":\"%d\",", $1 % 5, $1 % 11, $1
			if ($1 % 4 == 0) printf "\"time\":\"2026-11-%02dT%02d:00:00%s\",", $1 % 28 + 1, $1 % 24, $1 % 3 ? "Z" : ".0000004+02:00"
			if ($1 % 9 == 0 && $1 > 240) printf "\"due\":%d,", $1
			if ($1 % 6 == 0) printf "\"causationid\":%s,", ($1 == 300 ? "true" : $1 % 12 || $1 > 100 ? "\"" $1 - 1 "\"" : "\"true\"")
			if ($1 % 7 == 0) printf "\"correlationid\":\"c%d\",", $1 % 3
			printf "\"data\":%d}\n", $1 }' | evappend -q --segment-size 1 a.evlog
	done
	middle=$(evcat --from 250 -c 1 a.evlog | cut -c 38-64)
	for filter in seq=7 seq=7.0 'seq>=300,seq<305' 'seq>478' 'seq<3' seq=0 seq=-1 seq=1.5 'seq<=1e2,seq>98' seq=99999 \
		"logtime>=$middle" "logtime>$middle" "logtime<$middle" "logtime=$middle,data<245" "logtime<=$middle,data>270" \
		'time>2026-11-20T10:00:00Z' 'time<=2026-11-03T22:00:00Z' time=2026-11-09T08:00:00Z \
		time=2026-11-13T10:00:00.0000004Z 'time<2026-11-13T10:00:00.0000004Z,time>=2026-11-13T10:00:00Z' \
		type=T3 'type="T3"' type=T9 'type=T*,subject=s4' 'subject=s3,seq<100' id=77 'id="77"' id=nosuch 'id="77",type=T2' \
		due 'due>400' '!due,seq<20' 'due!=9' due=18 causationid=5 'causationid="5"' causationid=true 'causationid="true"' \
		causationid correlationid=c1 'correlationid!=c1' 'type!=T1,seq>470' '/type=T2' '"type"=T2' type/x=1; do
		for order in "" -r "-n 3" "-c 2"; do
			# shellcheck disable=SC2086
			evcat -q $order -w "$filter" a.evlog >got
			# shellcheck disable=SC2086
			evcat -q $order --no-index -w "$filter" a.evlog | cmp - got || fail "$order $filter"
		done
		wc -l <got >>counts
	done
	[ "$(sort -u counts | wc -l)" -ge 3 ] # of all sizes
	# and it is found without reading the rest
	for filter in seq=7 "logtime>=$middle,logtime<=$middle"; do
		traced -f -e trace=openat -o calls evcat -q -w "$filter" a.evlog >/dev/null
		[ "$(grep -c ndjson.zst calls)" -le 8 ] || fail "$filter: $(grep -c ndjson.zst calls)"
	done
}

@test "what is ruled out by the name alone does not hold: random events, many filters" {
	# braces look at the value at each path, without searching for names first
	cat >make.py <<-'END'
		import json, random
		r = random.Random(7)
		names = ["n", "m", "nn", "a", "data", "é", "0", 'q"', ",", ":"]
		def scalar():
		    return r.choice([r.randrange(-3, 9), r.choice(["1.0", "5e0", "0.5", "-0"]), '"n"', '"5"', '"n\\":5"',
		        '"\\u0035"', "null", "true", '"x: 5"', '"2026-01-02T03:04:05Z"', '"2026-01-02T05:04:05+02:00"'])
		def name():
		    n = r.choice(names)
		    return r.choice(['"\\u006e"', '"n"']) if n == "n" else json.dumps(n, ensure_ascii=r.random() < 0.5)
		def value(depth):
		    kind = r.random()
		    blank = r.choice(["", "", " ", "\t ", "\r"])
		    if depth and kind < 0.6:
		        return "{" + ",".join(f"{name()}{blank}:{blank}{value(depth - 1)}" for _ in range(r.randrange(4))) + "}"
		    if depth and kind < 0.7:
		        return "[" + ",".join(str(value(depth - 1)) for _ in range(r.randrange(3))) + "]"
		    return scalar()
		print('{"type":"T","id":"first","data":{"n":5,"m":{"n":"n","é":1},"é":5,"a":[{"n":5}],"0":5}}')
		for i in range(1500):
		    print(f'{{"type":"T","id":"{i}","data":{value(3)}}}')
		print('{"type":"T","id":"blanks","data":{"n"\r:\r5,"nn":"q",",":5}}')
	END
	python3 make.py >in
	evappend a.evlog in
	local filter some=0
	while IFS= read -r filter; do
		evcat -q -w "$filter" a.evlog | jq -r .id >got
		evfold -q "n=list(id){$filter}" a.evlog | jq -r '.n[]?' >want
		cmp got want || fail "$filter"
		some=$((some + $(wc -l <got)))
	done <<-'END'
		data.n=5
		data.n="5"
		data.n>=5
		data.n<0
		data.n!=5
		data.m.n=n
		data.m.n="n"
		data.a.0.n=5
		data.a.0=5
		data.0=5
		data.é=5
		data."é"<=1
		"data.q\""=5
		data.nn>2026-01-02T03:04:04Z
		"data.,"=5
		data.n=2026-01-02T03:04:05Z
		data.n=*
		data.nn=?
		data.n<=1,data.m>0
		!data.n
		data.n
	END
	[ $some -gt 300 ]
}
