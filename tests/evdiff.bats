# evdiff: two logs, two states.
load common
setup() {
	common_setup
	orders | evappend a.evlog
}

@test "a log and its replica are the same: 0, and nothing said" {
	evcat a.evlog | evappend --replica b.evlog
	run -0 evdiff a.evlog b.evlog
	assert_output ""
	run -0 evdiff a.evlog <(evcat b.evlog)
	run -0 evdiff - b.evlog < <(evcat a.evlog)
}

@test "where two logs part, then what is only in A and only in B: 1" {
	evcat a.evlog | evappend --replica b.evlog
	echo '{"type":"A","id":"a","source":"/"}' | evappend a.evlog
	printf '%s\n' '{"type":"B","id":"b","source":"/"}' '{"type":"C","id":"c","source":"/"}' | evappend b.evlog
	run -1 evdiff a.evlog b.evlog
	assert_line --index 0 "= the same up to 5"
	assert_line --index 1 "< $(evcat -n 1 a.evlog)"
	assert_line --index 2 "> $(evcat --from 6 --to 6 b.evlog)"
	assert_line --index 3 "> $(evcat --from 7 b.evlog)"
	assert_equal ${#lines[@]} 4
	run -1 evdiff -o stat a.evlog b.evlog
	assert_output "same 5
only in A 1
only in B 2
the same up to 5"
	run -1 evdiff -q a.evlog b.evlog
	assert_output ""
	# files and pipes give the same verdict
	run -1 evdiff -o stat <(evcat a.evlog) <(evcat b.evlog)
	assert_output --partial "same 5
only in A 1"
}

@test "the common prefix is found by roots: little is read of logs that part at the end" {
	command -v strace >/dev/null || skip "no strace"
	"$BATS_TEST_DIRNAME/bench/events" 60000 >in # compresses badly, so that headers are read and not blocks
	evappend big.evlog in
	evcat big.evlog | evappend --replica copy.evlog
	echo '{"type":"A"}' | evappend big.evlog
	traced -e trace=pread64 -o trace evdiff big.evlog copy.evlog >/dev/null || [ $? = 1 ]
	read=$(awk '{ n += $NF } END { print n }' trace)
	size=$(cat big.evlog/*.zst copy.evlog/*.zst | wc -c)
	[ "$read" -lt $((size / 4 + 1600000)) ] || fail "$read bytes of $size were read"
	run -1 evdiff -o stat big.evlog copy.evlog
	assert_output --partial "the same up to 60000"
}

@test "a difference in the middle is found, whatever the blocks" {
	numbered 3000 | evappend x.evlog
	evcat x.evlog | sed '1500s/"n":1500/"n":9999/' >changed
	evappend --replica y.evlog changed
	run -1 evdiff x.evlog y.evlog
	assert_line --index 0 "= the same up to 1499"
	assert_equal ${#lines[@]} 3
	run -1 evdiff -o stat x.evlog y.evlog
	assert_output "same 2999
only in A 1
only in B 1
the same up to 1499"
	# the same with other blocks
	while mapfile -t -n 300 part && [ ${#part[@]} -gt 0 ]; do
		printf '%s\n' "${part[@]}" | evappend --replica z.evlog
	done <changed
	run -0 evdiff y.evlog z.evlog
	run -1 evdiff -o stat x.evlog z.evlog
	assert_output --partial "the same up to 1499"
}

@test "--by-id compares events whatever their seq and logtime" {
	{ orders | tac; } | evappend --source /a b.evlog
	orders | evappend --source /a c.evlog
	run -0 evdiff --by-id b.evlog c.evlog
	run -1 evdiff b.evlog c.evlog
	echo '{"type":"New","id":"n"}' | evappend --source /a c.evlog
	run -1 evdiff --by-id b.evlog c.evlog
	assert_output "> $(evcat -n 1 c.evlog)"
	run -1 evdiff --by-id <(evcat c.evlog) <(evcat b.evlog)
	assert_output "< $(evcat -n 1 c.evlog)"
	run -1 evdiff --by-id -o stat b.evlog c.evlog
	assert_output "same 5
only in A 0
only in B 1"
	# twice in one, once in the other
	orders | head -n 1 | evappend --source /a b.evlog
	run -1 evdiff --by-id -o stat b.evlog c.evlog
	assert_output "same 5
only in A 1
only in B 1"
}

@test "two states: keys only in one, and what changed inside the others" {
	evcat --to 2 a.evlog | evfold -k subject >before
	{ evcat a.evlog; echo '{"type":"T","subject":"order-20","data":{"a/b":[1,{"c":2}]}}'; } | evfold -k subject >after
	run -1 evdiff before after
	assert_output '~ "order-17" /amount: 39.11 -> 0.2
~ "order-18" /reason: (none) -> "no credit"
+ "order-20" {"a/b":[1,{"c":2}]}'
	run -1 evdiff after before
	assert_line '- "order-20" {"a/b":[1,{"c":2}]}'
	run -1 evdiff -o stat before after
	assert_output 'same 0
only in A 0
only in B 1
changed 2'
	run -0 evdiff before before
	run -0 evdiff before <(cat before)
}

@test "states are compared by value: numbers, escapes, the order of members" {
	echo '{"key":"k","seq":1,"state":{"n":1.0,"s":"A","o":{"x":1,"y":2}}}' >x
	echo '{"key":"k","seq":9,"state":{"o":{"y":2,"x":1e0},"s":"\u0041","n":1}}' >y
	run -0 evdiff x y
	echo '{"key":"k","seq":9,"state":{"o":{"y":2,"x":[1,2]},"s":"\u0041","a/~b":null}}' >z
	run -1 evdiff x z
	assert_output '~ "k" /a~1~0b: (none) -> null
~ "k" /n: 1.0 -> (none)
~ "k" /o/x: 1 -> [1,2]'
}

@test "a single state without keys is compared too" {
	echo '{"n":1,"l":[1,2,3]}' >x
	echo '{"n":2,"l":[9]}' >y
	run -1 evdiff x y
	assert_output '~ /l/0: 1 -> 9
~ /l/2: 3 -> (none)
~ /l/1: 2 -> (none)
~ /n: 1 -> 2'
	echo 5 >x
	echo 6 >y
	run -1 evdiff x y
	assert_output '~ 5 -> 6'
}

@test "what cannot be compared is refused" {
	evfold -k subject a.evlog >state
	run -65 evdiff a.evlog state
	assert_output --partial "one has events, the other states"
	run -64 evdiff a.evlog
	run -64 evdiff --by-id state state
	run -64 evdiff - -
	run -66 evdiff a.evlog nothere
	run -65 evdiff state <(echo bad)
}

@test "an empty log, an empty file" {
	evappend e.evlog </dev/null
	run -0 evdiff e.evlog /dev/null
	run -1 evdiff e.evlog a.evlog
	assert_line --index 0 "= the same up to 0"
	run -0 evdiff /dev/null /dev/null
}

@test "damage met on the way is 65, not a difference" {
	evcat a.evlog | evappend --replica b.evlog
	echo '{"type":"A"}' | evappend a.evlog
	at=$(stat -c %s b.evlog/0000000000000001.ndjson.zst)
	echo '{"type":"B"}' | evappend b.evlog
	damage b.evlog/0000000000000001.ndjson.zst $((at + 200))
	header=$(($(od -An -tu4 -j $((at + 4)) -N 4 b.evlog/0000000000000001.ndjson.zst) + 8))
	run -65 evdiff a.evlog b.evlog
	assert_output --partial "damaged at byte $((at + header)) (events 6 to 6): the checksum of a block does not match"
}

@test "--by-id compares thousands of events, in whatever order" {
	numbered 3001 | sed 's/^{/&"time":"2026-11-01T00:00:00Z","source":"x",/' >n
	head -n 3000 n | evappend x.evlog
	head -n 3000 n | sort -r | evappend y.evlog
	run -0 evdiff --by-id x.evlog y.evlog
	tail -n 1 n | evappend y.evlog
	head -n 2 n | sed 's/"id":"/&x/' | evappend x.evlog
	run -1 evdiff --by-id x.evlog y.evlog
	assert_equal "$(cut -c 1 <<<"$output" | xargs)" "> < <"
	assert_line --regexp '^>.*"id":"3001"'
}

@test "a newline in a member's name forges no line" {
	echo '{"a\n- \"x\\ 1":1}' >x
	echo '{}' >y
	run -1 evdiff x y
	assert_output '~ /a\n- \"x\\ 1: 1 -> (none)'
}

# ---- As JSON, and as a patch ----

@test "-o json of two logs: the stored line of each event only in A or only in B" {
	evcat a.evlog | evappend --replica b.evlog
	echo '{"type":"A","id":"a","source":"/"}' | evappend a.evlog
	printf '%s\n' '{"type":"B","id":"b","source":"/"}' '{"type":"C","id":"c","source":"/"}' | evappend b.evlog
	run -1 evdiff -o json a.evlog b.evlog
	assert_output "{\"a\":$(evcat -n 1 a.evlog)}
{\"b\":$(evcat --from 6 --to 6 b.evlog)}
{\"b\":$(evcat --from 7 b.evlog)}"
	run -1 evdiff --by-id -o json b.evlog a.evlog
	assert_output "{\"b\":$(evcat -n 1 a.evlog)}
{\"a\":$(evcat --from 6 --to 6 b.evlog)}
{\"a\":$(evcat --from 7 b.evlog)}"
	run -0 evdiff -o json a.evlog a.evlog
	assert_output ""
}

@test "-o json and -o patch of two states without keys: each change, and the patch alone" {
	while IFS=$'\t' read -r a b json patch; do
		run -1 evdiff -o json <(printf %s "$a") <(printf %s "$b")
		assert_output "${json// | /$'\n'}"
		run -1 evdiff -o patch <(printf %s "$a") <(printf %s "$b")
		assert_output "$patch"
		for form in json patch; do
			run -0 evdiff -o $form <(printf %s "$a") <(printf %s "$a")
			assert_output ""
		done
	done <<-'EOF'
		1	2	{"path":"","a":1,"b":2}	[{"op":"replace","path":"","value":2}]
		[1]	{"0":1}	{"path":"","a":[1],"b":{"0":1}}	[{"op":"replace","path":"","value":{"0":1}}]
		{"n":1.0,"m":1}	{"n": 1.50, "m":1e0}	{"path":"/n","a":1.0,"b":1.50}	[{"op":"replace","path":"/n","value":1.50}]
		{"n":9007199254740992}	{"n":9007199254740993}	{"path":"/n","a":9007199254740992,"b":9007199254740993}	[{"op":"replace","path":"/n","value":9007199254740993}]
		{"n":null}	{}	{"path":"/n","a":null}	[{"op":"remove","path":"/n"}]
		{}	{"n":null}	{"path":"/n","b":null}	[{"op":"add","path":"/n","value":null}]
		{"":{"":1}}	{"":{"":{}}}	{"path":"//","a":1,"b":{}}	[{"op":"replace","path":"//","value":{}}]
		{"a/~b":1}	{"a/~b":[ 1 ]}	{"path":"/a~1~0b","a":1,"b":[ 1 ]}	[{"op":"replace","path":"/a~1~0b","value":[ 1 ]}]
		{"\"\\\n\u0001é":1}	{}	{"path":"/\"\\\n\u0001é","a":1}	[{"op":"remove","path":"/\"\\\n\u0001é"}]
		{"l":[1,2,3,4]}	{"l":[1,5]}	{"path":"/l/1","a":2,"b":5} | {"path":"/l/3","a":4} | {"path":"/l/2","a":3}	[{"op":"replace","path":"/l/1","value":5},{"op":"remove","path":"/l/3"},{"op":"remove","path":"/l/2"}]
		[[]]	[[1,2]]	{"path":"/0/0","b":1} | {"path":"/0/1","b":2}	[{"op":"add","path":"/0/0","value":1},{"op":"add","path":"/0/1","value":2}]
		{"a":1,"a":2,"b":3,"b":4}	{"a":1}	{"path":"/a","a":2,"b":1} | {"path":"/b","a":4}	[{"op":"replace","path":"/a","value":1},{"op":"remove","path":"/b"}]
	EOF
}

@test "-o json and -o patch of two states by keys: keys as they stand, and those only in one" {
	printf '{"key":%s,"seq":1,"state":%s}\n' '"a\/"' '{"n":[1,2]}' '"b"' 1 '"c"' '"é\u0001"' >x
	printf '{"key":%s,"seq":9,"state":%s}\n' '"a\/"' '{"n":[2]}' '"b"' 1.0 '"d"' '{"x": 1}' >y
	run -1 evdiff -o json x y
	assert_output '{"key":"a\/","path":"/n/0","a":1,"b":2}
{"key":"a\/","path":"/n/1","a":2}
{"key":"c","a":"é\u0001"}
{"key":"d","b":{"x": 1}}'
	run -1 evdiff -o patch x y
	assert_output '{"key":"a\/","patch":[{"op":"replace","path":"/n/0","value":2},{"op":"remove","path":"/n/1"}]}
{"key":"c","patch":[{"op":"remove","path":""}]}
{"key":"d","patch":[{"op":"add","path":"","value":{"x": 1}}]}'
	for form in json patch; do
		run -0 evdiff -o $form x x
		assert_output ""
		run -1 evdiff -q -o $form x y
		assert_output ""
		run -1 evdiff --color=always -o $form x y
		refute_output --partial $'\x1b'
	done
}

@test "-o patch is refused for events, and no other form is known" {
	cp -r a.evlog b.evlog
	evcat a.evlog >events
	for pair in "a.evlog b.evlog" "a.evlog /dev/null" "/dev/null events" "events events"; do
		# shellcheck disable=SC2086
		run -64 evdiff -o patch $pair
		assert_output "evdiff: --output patch is only for states, but these are events"
	done
	run -64 evdiff -o xml a.evlog b.evlog
	assert_line --index 0 "evdiff: --output xml: must be text, json, patch or stat"
	run -0 evdiff -o patch /dev/null /dev/null
}

@test "where an error comes after a difference, the patches before it are whole lines" {
	printf '%s\n' '[1]' '[1]' '[' >x
	printf '%s\n' '[2]' '[]' 1 >y
	run -65 --separate-stderr evdiff -o patch x y
	assert_output '[{"op":"replace","path":"/0","value":2}]
[{"op":"remove","path":"/0"}]'
}

@test "keys are the same if their values are, however they are written and wherever they stand" {
	while read -r one other; do
		printf '{"key":%s,"state":{"n":1}}\n' "$one" >x
		printf '{"key":%s,"state":{"n":1.0}}\n' "$other" >y
		run -0 evdiff x y || fail "$one $other"
		assert_output ""
		run -0 evdiff -o stat - y <x
		assert_line "same 1"
		# among others, each file sorted by its bytes
		for f in x y; do
			{ printf '{"key":%s,"state":{"n":1}}\n' '"caf"' '"cafz"' '"A"' '"z"' '"~"' 7 5 '"caf\u0001"' '{"~":1}' '[2]' null; cat $f; } |
				LC_ALL=C sort >$f.all
		done
		run -0 evdiff x.all y.all
		run -0 evdiff <(cat x.all) <(cat y.all)
		run -0 evdiff <(shuf x.all) <(tac y.all)
		run -0 evdiff -q <(tac x.all) y.all
		sed '/"cafz"/d; s/^{"key":5,"state":.*/{"key":5,"state":{}}/' y.all >z
		for way in "x.all z" "<(tac x.all) <(shuf z)"; do
			run -1 bash -c "evdiff $way"
			assert_output - <<-'END'
				- "cafz" {"n":1}
				~ 5 /n: 1 -> (none)
			END
		done
	done <<-'END'
		"caf\u00e9" "café"
		"\u0041b" "Ab"
		"\ud83d\ude00" "😀"
		"a\/b" "a/b"
		"\u000a" "\n"
		1 1.0
		1 1e0
		-0 0.0e5
		1000 1E3
		12345678901234567890 1234567890123456789.0e1
		1e20000 10.0E19999
		1e-20000 0.1e-19999
		[1,"\u0061"] [1.0,"a"]
		{"\u0061":1,"b":[2]} {"b":[2.0],"a":1}
		{"a":1,"a":2} {"a":2}
		true true
	END
	for pair in '1 2' '"1" 1' '"true" true' '1e20000 1e20001' '1e400000000 1e40000000000' '12345678901234567890 12345678901234567891' '"é" "e\u0301"'; do
		read -r one other <<<"$pair"
		run -1 evdiff -o stat <(echo "{\"key\":$one,\"state\":1}") <(echo "{\"key\":$other,\"state\":1}")
		assert_line "same 0"
	done
}

@test "a key that is twice in a file is an error, however it is written" {
	for keys in '1 1' '1 1.0' '1.0 "x" 1' '"a" "b" "\u0061"' '"b" "c" "a" "b"'; do
		# shellcheck disable=SC2086 # words
		printf '{"key":%s,"state":1}\n' $keys >x
		echo '{"key":0,"state":1}' >y
		for way in "x y" "y x" "<(cat x) y"; do
			run -65 --separate-stderr bash -c "evdiff $way"
			assert_output ""
			[[ $stderr =~ :[1-9]:1:\ the\ key\ .*\ is\ already\ in\ line\ [1-9]$ ]]
		done
	done
	# where a member is twice in a line, the last counts
	run -0 evdiff <(echo '{"key":1,"state":5,"key":2,"state":6}') <(echo '{"key":2,"state":6}')
}

@test "two operands of one process are read in turns" {
	mkfifo a b
	seq -f '{"key":%.0f,"state":1}' 100000 200000 | timeout 20 tee a b >/dev/null &
	run -0 timeout 20 evdiff <(cat a) <(cat b)
}

@test "what -o json and -o patch show on a terminal is the same JSON" {
	command -v script >/dev/null || skip "no script(1)"
	printf '{"key":"k\xc2\x9b","state":{"n\xe2\x80\xae":"v\x7f","\\u001b":["\xc2\x85"]}}\n' >x
	printf '{"key":"k\xc2\x9b","state":{}}\n' >y
	for form in json patch; do
		evdiff -o $form y x >want || [ $? = 1 ]
		script -qec "evdiff -o $form y x" /dev/null </dev/null | tr -d '\r' >shown || true
		run ! cmp -s want shown
		cmp <(jq -c . want) <(jq -c . shown)
	done
}

# patched WITNESS: evdiff's patches turn A into B, for each pair on standard input.
patched() {
	[ "$1" != jsonpatch ] || python3 -c 'import jsonpatch' 2>/dev/null || skip "no python3-jsonpatch"
	run -0 harness patch.py "$1"
}

@test "a patch turns A into B, for random pairs: applied by evfold" {
	harness patch.py pairs 1 2000 >pairs
	patched evfold <pairs
}

@test "a patch turns A into B, for random pairs: applied by python3-jsonpatch" {
	harness patch.py pairs 2 2000 >pairs
	patched jsonpatch <pairs
}

@test "-o json tells of the places that a patch changes, and of what stands there in A and B" {
	harness patch.py pairs 3 2000 >pairs
	patched json <pairs
}

@test "RFC 6902: a patch of its examples' targets gives what they become" {
	rfc6902 | grep -v $'\terror$' | cut -f 1,3 >pairs
	patched evfold <pairs
	patched jsonpatch <pairs
}

@test "json-patch-tests: a patch of their documents gives what they expect" {
	corpora
	cases=$EVLOG_CORPORA/json-patch-tests
	[ -d "$cases" ] || skip "no json-patch-tests"
	jq -r '.[] | select(has("doc") and has("expected") and (.disabled | not)) |
		"\(.doc | tojson)\t\(.expected | tojson)"' "$cases"/*tests.json >pairs
	patched evfold <pairs
	patched jsonpatch <pairs
}

@test "--ignore compares what is left of events" {
	# each line: the status, A, B, and what is ignored
	while IFS='|' read -r want a b ignored; do
		printf '{"specversion":"1.0","type":"T",%s}\n' "$a" >a
		printf '{"specversion":"1.0","type":"T",%s}\n' "$b" >b
		options=()
		for path in $ignored; do options+=(--ignore "$path"); done
		got=0
		evdiff -q "${options[@]}" a b || got=$?
		assert_equal "$got $a $b $ignored" "$want $a $b $ignored"
	done <<-'END'
		0|"id":"1","n":1|"id":"2","n":1|id
		1|"id":"1","n":1|"id":"2","n":2|id
		0|"id":"1","n":1|"id":"2","n":2|id n
		0|"id":"1"|"x":1|id x
		1|"id":"1"|"x":1|id
		0|"data":{"at":1,"n":2}|"data":{"at":9,"n":2}|data.at
		0|"data":{"at":1,"n":2}|"data":{"at":9,"n":2}|/data/at
		1|"data":{"at":1,"n":2}|"data":{"at":9,"n":3}|data.at
		0|"data":{"at":1,"n":2}|"data":{"n":2}|data.at
		0|"data":{"at":1}|"data":{}|data.at
		1|"data":{"at":1}|"x":1|data.at x
		0|"data":{"at":1}|"data":7|data
		1|"data":{"at":1}|"data":7|data.at
		0|"a.b":1|"a.b":2|/a.b
		1|"a":{"b":1}|"a":{"b":2}|/a.b
		0|"a":{"b":{"c":1,"d":2}}|"a":{"b":{"c":3,"d":2}}|a.b.c
		0|"\u0069d":"1"|"id":"2"|id
		1|"l":[{"at":1}]|"l":[{"at":2}]|l.at
		0|"l":[{"at":1,"n":1}]|"l":[{"at":2,"n":1}]|l.0.at
		1|"l":[{"at":1,"n":1},{"at":1}]|"l":[{"at":2,"n":1},{"at":2}]|l.0.at
		0|"l":[{"at":1,"n":1},{"at":1}]|"l":[{"at":2,"n":1},{"at":2}]|l.0.at l.1.at
		0|"l":[1,2,3]|"l":[1,9,3]|l.1
		0|"l":[7]|"l":[]|l.0
		1|"l":[]|"l":{}|l.0
	END
	run -0 evdiff --ignore time <(echo '{"specversion":"1.0","type":"T","time":"2026-11-01T00:00:00Z"}') <(echo '{"specversion":"1.0","type":"T","time":"2026-11-02T00:00:00Z"}')
	assert_output ""
}

@test "--ignore: stamps do not count, nor the order; what no event has is named" {
	numbered 5 | evappend x.evlog
	for n in 4 2 5 1 3; do numbered 1 $n | jq -c '.id = "x" + .id'; done | evappend y.evlog
	run -0 evdiff --ignore id --ignore source x.evlog y.evlog
	assert_output ""
	run -1 --separate-stderr evdiff --ignore source --ignore data.none --ignore nothing -o stat x.evlog y.evlog
	assert_output "$(printf 'same 0\nonly in A 5\nonly in B 5')"
	assert_equal "$stderr" "evdiff: --ignore: no event has anything at data.none
evdiff: --ignore: no event has anything at nothing"
	# what is in something that is ignored is there, too
	run -0 --separate-stderr evdiff --ignore id --ignore source --ignore data --ignore data.n x.evlog y.evlog
	assert_equal "$stderr" ""
	run -1 evdiff --ignore id --ignore source x.evlog <(evcat x.evlog; evcat --from 5 x.evlog)
	assert_equal "$(echo "$output" | cut -c 1 | xargs)" ">"
	for bad in '' a..b /a~2; do
		run -64 evdiff --ignore "$bad" x.evlog y.evlog
	done
	# shellcheck disable=SC2046
	run -64 evdiff $(printf -- '--ignore a%d ' {1..65}) x.evlog y.evlog
	evfold -k subject n='count()' x.evlog >state
	run -64 evdiff --ignore id state state
	assert_output "evdiff: --ignore is only for events, but these are states"
	printf '{"specversion":"1.0","type":"T"}\n{"type":\n' >broken
	run -65 evdiff --ignore id x.evlog broken
}

@test "memory does not grow with the number of keys" {
	[ -z "$SAN" ] || skip "sanitizers take memory"
	# with gcov, two minutes would say nothing more
	count=$([ "${COVERAGE:-}" ] && echo 20000 || echo 200000)
	states() {
		seq -f '%06.0f' "$count" | awk -v n="$1" -v pad="$(printf '%500s' '')" '
			{ print "{\"key\":\"" $0 "\",\"seq\":1,\"state\":{\"n\":" n ",\"pad\":\"" pad "\"}}" }'
	}
	for form in text json patch stat; do
		status=0
		(ulimit -v 80000; evdiff -o $form <(states 1) <(states 2) >said) || status=$?
		assert_equal "$form $status $(wc -l <said)" "$form 1 $([ $form = stat ] && echo 4 || echo "$count")"
	done
}
