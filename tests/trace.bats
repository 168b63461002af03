# evtrace: causes and effects of an event, across logs.
load common
setup() { common_setup; }

# event TYPE ID [CAUSE [CORRELATION]]
event() {
	echo "{\"type\":\"$1\",\"id\":\"$2\"${3:+,\"causationid\":\"$3\"}${4:+,\"correlationid\":\"$4\"}}"
}
shape() { sed -E 's/[+-][0-9.]+ (us|ms|s|min|h|d)/+T/; s/20[0-9-]+T[0-9:.]+Z/TIME/'; }

@test "the tree of causes and effects, across logs, in the order of time" {
	{ event Ordered o1; event Other x; } | evappend a.evlog
	event Reserved r1 o1 o1 | evappend b.evlog
	{ event Paid p1 r1 o1; event Reserved r2 o1 o1; event Shipped s1 p1 o1; event Mailed m1 p1; } | evappend a.evlog
	run -0 evtrace p1 a.evlog b.evlog
	assert_equal "$(shape <<<"$output")" "Ordered  a.evlog:1  TIME
├─ Reserved  b.evlog:1  +T
│  └─ Paid  a.evlog:3  +T  <--
│     ├─ Shipped  a.evlog:5  +T
│     └─ Mailed  a.evlog:6  +T
└─ Reserved  a.evlog:4  +T"
	# the same tree, whichever event is asked for
	for e in o1 r1 1 4 m1 '"s1"'; do
		evtrace "$e" a.evlog b.evlog | sed 's/  <--//' | cmp - <(sed 's/  <--//' <<<"$output")
	done
	evtrace 1 b.evlog a.evlog | grep -q 'Reserved.*<--'
	run -0 evtrace x a.evlog b.evlog
	assert_equal "$(shape <<<"$output")" "Other  a.evlog:2  TIME  <--"
	run -1 evtrace nobody a.evlog b.evlog
	assert_output "evtrace: nobody: no such event"
	run -1 evtrace 99 a.evlog b.evlog
	assert_output "evtrace: 99: no such event"
	event Number 17 | evappend a.evlog
	evtrace '"17"' a.evlog | grep -q '^Number'
}

@test "what belongs to the story, but whose cause is missing, is there too" {
	{ event A a; event B b a s; event C c gone s; event D d c; event E e gone2 other; } | evappend a.evlog
	run -0 --separate-stderr evtrace d a.evlog
	assert_equal "$(shape <<<"$output")" "C  a.evlog:3  TIME  (caused by gone, which is not shown)
└─ D  a.evlog:4  +T  <--"
	assert_equal "$stderr" "evtrace: gone, the cause of event 3 of a.evlog, is not there"
	run -0 --separate-stderr evtrace c a.evlog
	assert_equal "$(shape <<<"$output")" "A  a.evlog:1  TIME
└─ B  a.evlog:2  +T
C  a.evlog:3  TIME  <--  (caused by gone, which is not shown)
└─ D  a.evlog:4  +T"
	evtrace -q b a.evlog | grep -q '^C .*gone, which is not shown'
}

@test "loops end, and are told" {
	{ event Self s s; event A a b; event B b a; event C c c1; event D c1 c2; event E c2 c1; } | evappend a.evlog
	for e in s a b c c1 c2; do
		run -0 --separate-stderr timeout 10 evtrace $e a.evlog
		assert_regex "$stderr" 'is among its own (causes|effects)'
		[ "$(grep -c -- '<--' <<<"$output")" = 1 ]
	done
	assert_equal "$(evtrace -q c a.evlog | wc -l)" 3
}

@test "depth and count bound it, and that is told" {
	for i in $(seq 50); do event T "$i" "$((i - 1))"; done | evappend a.evlog
	for i in $(seq 51 90); do event U "$i" 25; done | evappend a.evlog
	run -0 --separate-stderr evtrace --depth 3 '"25"' a.evlog
	assert_equal "$(jq -sc 'length' < <(evtrace -qo json --depth 3 '"25"' a.evlog))" 4
	assert_line --index 3 --partial "<--"
	assert_equal "$stderr" "evtrace: there are earlier causes; --depth shows more of them
evtrace: there are further effects; --depth shows more of them"
	run -0 --separate-stderr evtrace '"25"' a.evlog
	assert_equal "${#lines[@]}" 90
	run -0 --separate-stderr evtrace -c 60 '"25"' a.evlog
	assert_equal "${#lines[@]} $stderr" "60 evtrace: 0, the cause of event 1 of a.evlog, is not there
evtrace: there are more than 60 events; --count shows more of them"
	evtrace -q -c 1 '"1"' a.evlog | grep -q 'T  a.evlog:1'
	# with an exact limit, nothing is missing
	run -0 evtrace -q -c 90 --depth 50 '"25"' a.evlog
	assert_equal "${#lines[@]}" 90
}

@test "of several events with the id of a cause, it is the last one before the effect" {
	event A a | evappend a.evlog
	event B b a | evappend a.evlog
	event A2 a | evappend b.evlog
	event C c a | evappend a.evlog
	run -0 --separate-stderr evtrace -q c a.evlog b.evlog
	assert_equal "$(shape <<<"${lines[0]}")" "A2  b.evlog:1  TIME"
	run -0 --separate-stderr evtrace a a.evlog b.evlog
	assert_equal "$stderr" "evtrace: 2 events have the id a; this is about event 1 of a.evlog"
}

@test "an effect belongs to one of several events with the id of its cause" {
	# in commits of their own, and in one
	{ event x1 x; event e1 e1 x; event x2 x; event e2 e2 x; } >events
	evappend one.evlog events
	while read -r line; do evappend many.evlog <<<"$line"; done <events
	for log in one.evlog many.evlog; do
		for n in 1 2; do
			run -0 evtrace "e$n" $log
			assert_equal "$(shape <<<"$output")" "x$n  $log:$((2 * n - 1))  TIME
└─ e$n  $log:$((2 * n))  +T  <--"
		done
	done
	# a copy that has its own id as its cause
	event k k | evappend a.evlog
	event k k k | evappend b.evlog
	run -0 --separate-stderr evtrace 1 b.evlog a.evlog
	assert_equal "$stderr" ""
	assert_equal "$(shape <<<"$output")" "k  a.evlog:1  TIME
└─ k  b.evlog:1  +T  <--"
	# logs in any order; and two of the same time: the one in the log of the effect
	event y1 y | evappend d.evlog
	event z z y | evappend d.evlog
	event y2 y | evappend e.evlog
	evtrace z e.evlog d.evlog | sed -n 1p | grep -q '^y1'
	stamped() { echo "{\"seq\":\"000000000000000$1\",\"logtime\":\"2026-11-01T00:00:0$2.000000Z\",\"specversion\":\"1.0\",\"source\":\"/x\",\"type\":\"$3\",\"id\":\"$4\"${5:+,\"causationid\":\"$5\"}}"; }
	{ stamped 1 1 here t; stamped 2 2 effect u t; } | evappend --replica f.evlog
	stamped 1 1 there t | evappend --replica g.evlog
	for logs in "f.evlog g.evlog" "g.evlog f.evlog"; do
		# shellcheck disable=SC2086
		evtrace -q u $logs | sed -n 1p | grep -q '^here'
	done
	# few are shown, but connected
	for i in 1 2 3 4 5; do event C "c$i" "c$((i - 1))"; done | evappend c.evlog
	run -0 evtrace -q -c 3 c5 c.evlog
	assert_equal "$(shape <<<"$output")" "C  c.evlog:1  TIME  (caused by c0, which is not shown)
└─ C  c.evlog:2  +T
   └─ C  c.evlog:3  +T"
}

@test "random stories are as computed here" {
	cat >check.py <<-'END'
		import json, random, subprocess, sys
		rng = random.Random(int(sys.argv[1]))
		logs = ["a.evlog", "b.evlog", "c.evlog"]
		ids, n = [], 0
		for _ in range(30):
		    lines = []
		    log = rng.choice(logs)
		    for _ in range(rng.randrange(1, 12)):
		        e = {"type": "T", "id": f"i{n}"}
		        if ids and rng.random() < 0.8:
		            e["causationid"] = rng.choice(ids[-20:] + ["gone"])
		        if rng.random() < 0.3:
		            e["correlationid"] = rng.choice(("s1", "s2", "i0", "i5"))
		        n += 1
		        ids.append(e["id"])
		        lines.append(json.dumps(e))
		    subprocess.run(["evappend", "-q", "--segment-size", "300", log], input="\n".join(lines).encode(), check=True)
		events = {}
		for log in logs:
		    out = subprocess.run(["evcat", log], capture_output=True).stdout
		    for line in out.splitlines():
		        e = json.loads(line)
		        events[e["id"]] = e | {"log": log}
		for asked in rng.sample(sorted(events), int(sys.argv[2])):
		    top = asked
		    while events[top].get("causationid") in events:
		        top = events[top]["causationid"]
		    def below(tops):
		        found = set(tops)
		        while True:
		            more = {i for i, e in events.items() if e.get("causationid") in found} - found
		            if not more:
		                return found
		            found |= more
		    story = events[asked].get("correlationid", asked)
		    same = {i for i, e in events.items() if e.get("correlationid") == story or i == story}
		    while True:  # and their causes
		        more = {events[i].get("causationid") for i in same} & set(events) - same
		        if not more:
		            break
		        same |= more
		    want = below(below([top]) | same)
		    for more in ([], ["--no-index"]):
		        out = subprocess.run(["evtrace", "-q", "-o", "json", *more, asked, *logs], capture_output=True, check=True).stdout
		        got = [json.loads(line) for line in out.splitlines()]
		        assert [g["id"] for g in got if g.get("asked")] == [asked]
		        assert {g["id"] for g in got} == want and len(got) == len(want), (asked, {g["id"] for g in got} ^ want)
		        way = []  # the ids above, by depth
		        for g in got:
		            way[g["depth"]:] = [g["id"]]
		            if g["depth"]:
		                assert g["causationid"] == way[-2] and "after" in g
		            else:
		                assert g.get("causationid") not in {x["id"] for x in got}
	END
	for s in 1 $([ "${SAN:-}${COVERAGE:-}" ] || echo 2 3); do
		rm -rf ./*.evlog
		python3 check.py "$s" "$([ "${SAN:-}${COVERAGE:-}" ] && echo 6 || echo 25)"
	done
}

@test "the forms, whatever is in the texts" {
	evappend a.evlog <<-'END'
		{"type":"A \"quoted\" [x] <b> | {y} \\n","id":"a","subject":"`back` #1; & (p)"}
		{"type":"B","id":"b","causationid":"a","subject":"\u00e9"}
	END
	evtrace -o json a a.evlog | jq -se '.[0].type == "A \"quoted\" [x] <b> | {y} \\n" and .[1].causationid == "a" and .[0].asked and (.[1].after == 0)'
	run -0 evtrace -o dot a a.evlog
	assert_line '  n0 [label="A&#32;&#34;quoted&#34;&#32;&#91;x&#93;&#32;&#60;b&#62;&#32;&#124;&#32;&#123;y&#125;&#32;&#92;n\n&#96;back&#96;&#32;&#35;1&#59;&#32;&#38;&#32;&#40;p&#41;\na.evlog:1",style=bold];'
	assert_line '  n0 -> n1 [label="+0 us"];'
	run -0 evtrace -o mermaid a a.evlog
	assert_line --index 0 "flowchart TD"
	assert_line '  n0 -->|"+0 us"| n1'
	# color, and control characters, which only a raw log can have, on a terminal
	assert_equal "$(evtrace --color always b a.evlog | grep -c $'\e\[1;36mB')" 1
	! evtrace b a.evlog | grep -q $'\e'
}

@test "cost follows the answer: of many segments, few are read" {
	for i in $(seq 30); do
		seq 40 | awk -v i="$i" '{
			cause = $1 > 1 ? ",\"causationid\":\"" i "-" $1 - 1 "\"" : ""
			data = ""
			for (k = 0; k < 300; k++) data = data int(1e6 * rand())
			print "{\"type\":\"T" $1 "\",\"id\":\"" i "-" $1 "\"" cause ",\"data\":\"" data "\"}"
		}' | evappend -q --segment-size 1 a.evlog
	done
	run -0 evtrace 7-20 a.evlog
	assert_equal "${#lines[@]}" 40
	command -v strace >/dev/null || return 0
	[ -z "${SAN:-}${COVERAGE:-}" ] || return 0
	for o in --max-line=64M --no-index; do
		traced -f -e trace=pread64 -o calls evtrace -q "$o" 7-20 a.evlog >/dev/null
		awk '{ n += $NF } END { print n }' calls >>counts
	done
	cat counts
	(($(sed -n 1p counts) * 3 < $(sed -n 2p counts)))
}

@test "bad use" {
	event A a | evappend a.evlog
	run -64 evtrace
	run -64 evtrace a
	run -64 evtrace "" a.evlog
	run -64 evtrace -o svg a a.evlog
	run -64 evtrace 0 a.evlog
	run -64 evtrace --depth 0 a a.evlog
	run -66 evtrace a no.evlog
	run -66 evtrace a a.evlog no.evlog
	evcat a.evlog >file
	run -66 evtrace a file
	run -66 evtrace a -
	event A b | evappend --segment-size 1 a.evlog
	event A c | evappend --segment-size 1 a.evlog
	damage a.evlog/0000000000000001.ndjson.zst 420
	run -65 evtrace a a.evlog
}
