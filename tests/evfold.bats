# evfold: reducers, keys, exact numbers.
load common
setup() {
	common_setup
	orders | evappend a.evlog
}

fold() { evfold "$@"; }

@test "without a reducer the data is merged" {
	run -0 evfold a.evlog
	assert_output '{"customer":"bob","amount":0.2,"reason":"no credit"}'
	run -0 evfold -k subject a.evlog
	assert_output '{"key":"order-17","seq":5,"state":{"customer":"ada","amount":0.2}}
{"key":"order-18","seq":4,"state":{"customer":"bob","amount":0.1,"reason":"no credit"}}'
}

@test "standard input, a log, a file and several of them give the same" {
	want=$(evfold n='count()' 's=sum(data.amount)' a.evlog)
	evcat a.evlog >a.ndjson
	[ "$want" = "$(evcat a.evlog | evfold n='count()' 's=sum(data.amount)')" ]
	[ "$want" = "$(evfold n='count()' 's=sum(data.amount)' a.ndjson)" ]
	[ "$want" = "$(evfold n='count()' 's=sum(data.amount)' - <a.ndjson)" ]
	[ "$want" = "$(evfold n='count()' 's=sum(data.amount)' <(head -n 2 a.ndjson) <(tail -n 3 a.ndjson))" ]
}

@test "every reducer, on values of every kind" {
	evappend --type T b.evlog <<-'EOF'
		{"n":3,"s":"b","o":{"x":1},"t":"2026-01-01T00:00:00Z"}
		{"n":1.10,"s":"a","o":{"y":[1]},"t":"2026-01-01T00:30:00+01:00"}
		{"n":1e1,"s":"c","t":"2025-12-31T23:45:00Z"}
		{"s":"a","o":null}
	EOF
	while IFS=$'\t' read -r reducer want; do
		run -0 evfold -q "x=$reducer" b.evlog
		assert_output "{\"x\":$want}"
	done <<-'EOF'
		count	4
		count()	4
		count(data.n)	3
		count(data.o)	2
		sum(data.n)	14.1
		min(data.n)	1.10
		max(data.n)	1e1
		avg(data.n)	4.7
		first(data.n)	3
		last(data.n)	1e1
		list(data.n)	[3,1.10,1e1]
		list(data.s)	["b","a","c","a"]
		set(data.s)	["b","a","c"]
		min(data.s)	"a"
		max(data.s)	"c"
		min(data.t)	"2026-01-01T00:30:00+01:00"
		max(data.t)	"2026-01-01T00:00:00Z"
		merge(data.o)	null
		first(data.o)	{"x":1}
		sum(data.none)	0
		avg(data.none)	null
		min(data.none)	null
		first(data.none)	null
		list(data.none)	[]
		set(data.none)	[]
		merge(data.none)	null
		patch(data.none)	null
		first(/data/o/x)	1
		last(data.o.y.0)	1
	EOF
}

@test "sums are exact decimals" {
	printf '%s\n' 0.1 0.2 | evappend --type T c.evlog
	run -0 evfold 's=sum(data)' c.evlog
	assert_output '{"s":0.3}'
	printf '%s\n' 1e30 1 -1e30 9007199254740993 | evappend --type T d.evlog
	run -0 evfold 's=sum(data)' d.evlog
	assert_output '{"s":9007199254740994}'
	seq 1 1000 | sed 's/$/.01/' | evappend --type T e.evlog
	run -0 evfold 's=sum(data)' 'a=avg(data)' e.evlog
	assert_output '{"s":500510,"a":500.51}'
}

@test "set knows equal values by value" {
	printf '%s\n' 1 1.0 '"a"' '"\u0061"' '{"a":1,"b":2}' '{"b":2.0,"a":1}' '[1]' '["1"]' | evappend --type T s.evlog
	run -0 evfold 's=set(data)' s.evlog
	assert_output '{"s":[1,"a",{"a":1,"b":2},[1],["1"]]}'
}

@test "patch applies RFC 6902, all of it or nothing" {
	evappend --type T p.evlog <<-'EOF'
		[{"op":"add","path":"","value":{"n":1}}]
		[{"op":"add","path":"/m","value":2},{"op":"test","path":"/n","value":9}]
		[{"op":"replace","path":"/n","value":2}]
	EOF
	run -0 --separate-stderr evfold 's=patch(data)' p.evlog
	assert_output '{"s":{"n":2}}'
	[ "$stderr" = "evfold: skipped: 1 value that a reducer cannot use" ]
	run -65 evfold --strict 's=patch(data)' p.evlog
	assert_output "evfold: event 2: s: a \"test\" operation failed"
}

@test "filters limit a reducer: equal, globs, not equal, several, any path" {
	while IFS=$'\t' read -r reducer want; do
		run -0 evfold "x=$reducer" a.evlog
		assert_output "{\"x\":$want}"
	done <<-'EOF'
		count{type=PaymentCaptured}	2
		count{type=Order*}	3
		count{type!=Order*}	2
		sum(data.amount){type=PaymentCaptured,subject=order-17}	39.31
		count{data.customer=ada}	1
		count{data.customer!=ada}	4
		count{data.amount=39.11}	2
	EOF
}

@test "-k takes any path; lines are sorted by key; events without one are counted aside" {
	run -0 --separate-stderr evfold -k data.customer n=count a.evlog
	assert_output '{"key":"ada","seq":1,"state":{"n":1}}
{"key":"bob","seq":2,"state":{"n":1}}'
	[ "$stderr" = "evfold: skipped: 3 events without a key" ]
	run -65 evfold --strict -k data.customer n=count a.evlog
	assert_output "evfold: event 3 has no value at the key's path"
	printf '%s\n' '{"k":10}' '{"k":9}' '{"k":1e1}' '{"k":"x\u0041"}' '{"k":"xA"}' '{"k":true}' '{"k":null}' '{"k":[1]}' |
		evappend --type T k.evlog
	run -0 --separate-stderr evfold -k data.k n=count k.evlog
	assert_output '{"key":"xA","seq":5,"state":{"n":2}}
{"key":10,"seq":3,"state":{"n":2}}
{"key":9,"seq":2,"state":{"n":1}}
{"key":true,"seq":6,"state":{"n":1}}'
	evfold -q -k data.k n=count k.evlog | LC_ALL=C sort -c
}

@test "a key is one whatever its notation, also beyond what decimals hold" {
	while read -r one other key; do
		printf '{"data":{"k":%s}}\n' "$one" "$other" >in
		for fold in "-k data.k n=count()" "-k data.k -p p.lua" "n=set(data.k)"; do
			echo 'on["*"] = function(s) s.n = (s.n or 0) + 1 end' >p.lua
			# shellcheck disable=SC2086 # words
			run -0 evfold $fold in
			case $fold in
			-k*) assert_output "{\"key\":$key,\"seq\":null,\"state\":{\"n\":2}}" ;;
			*) assert_output "{\"n\":[$one]}" ;;
			esac
		done
	done <<-'EOF'
		1 1.0 1
		100 1E+2 100
		-0 0e7 0
		"caf\u00e9" "café" "café"
		"\u0022\/" "\"/" "\"/"
		1e20000 10E19999 1e20000
		-0.5e-10001 -5e-10002 -5e-10002
		1e0000020000 0.1e+20001 1e20000
	EOF
	run -0 evfold -k data < <(printf '{"data":%s}\n' 1e20000 1e20001 1e2000000000 1e20000000000 1e20000000001)
	assert_equal "${#lines[@]}" 5
}

@test "an empty input has an empty state" {
	evappend empty.evlog </dev/null
	run -0 evfold n=count 's=sum(data)' empty.evlog
	assert_output '{"n":0,"s":0}'
	run -0 evfold -k subject n=count empty.evlog
	assert_output ""
	run -0 evfold empty.evlog
	assert_output null
}

@test "what a reducer cannot use is passed over and counted, or with --strict named" {
	printf '%s\n' 5 '"x"' '[1]' 1e99999 | evappend --type T w.evlog
	run -0 --separate-stderr evfold 's=sum(data)' w.evlog
	assert_output '{"s":5}'
	[ "$stderr" = "evfold: skipped: 3 values that a reducer cannot use" ]
	run -65 evfold --strict 's=sum(data)' w.evlog
	assert_output "evfold: event 2: s: not a number"
	run -0 --separate-stderr evfold 's=min(data)' w.evlog
	assert_output '{"s":5}'
	run -65 evfold --strict 's=sum(data.x)' w.evlog
	assert_output "evfold: event 1: s: no value at its path"
}

@test "damage gives no state at all: half of one would pass for a whole" {
	cp -r a.evlog d.evlog
	damage d.evlog/0000000000000001.ndjson.zst 400
	run -65 --separate-stderr evfold n=count d.evlog
	assert_output ""
	run -65 --separate-stderr bash -c '{ evcat a.evlog; echo bad; } | evfold n=count'
	assert_output ""
}

@test "a word is a reducer with parentheses, a brace or a name; alone it is a file" {
	for file in count last sum merge x=y count.ndjson 'cuont(data)' n.count; do
		echo '{"type":"T","data":{"n":7}}' >"$file"
		run -0 evfold 'n=last(data.n)' "$file" </dev/null
		assert_output '{"n":7}'
		run -0 evfold "$file" </dev/null
		assert_output '{"n":7}'
	done
	for reducer in 'count()' 'count{type=T}' 'count(data)'; do
		run -0 evfold "$reducer" count
		assert_output '{"count":1}'
	done
	run -0 evfold n=count x=count 'last=last(data.n)' last
	assert_output '{"n":1,"x":1,"last":7}'
	echo '{"data":8}' >n=count
	run -0 evfold 'n=last(data)' ./n=count
	assert_output '{"n":8}'
}

@test "wrong reducers say what is wrong, and where" {
	while IFS=$'\t' read -r reducer message; do
		run -64 evfold "$reducer" a.evlog
		assert_output --partial "$message"
	done <<-'EOF'
		x=sum	at character 6: this function needs a path in parentheses, such as sum(data.amount)
		x=sum(data	at character 11: ')' is missing
		x=summ(data)	at character 3: unknown function; use count, sum
		x=count{type>}	at character 14: less and greater need a number
		x=count{type=a	'}' is missing
		x=sum(a)y	at character 9: unexpected text after the reducer
		x=sum(a..b)	a..b: not a path
	EOF
	while IFS=$'\t' read -r file message; do
		run -66 evfold n=count "$file" a.evlog
		assert_output "evfold: $message"
	done <<-'EOF'
		count	count: no such file; did you mean count()?
		last	last: no such file; did you mean last(PATH)?
		merge	merge: no such file; did you mean merge(PATH)?
		x=cuont	neither a file nor a valid reducer: x=cuont: at character 3: unknown function; use count, sum, min, max, avg, first, last, list, set, merge or patch
		summ(data)	neither a file nor a valid reducer: summ(data): at character 1: unknown function; use count, sum, min, max, avg, first, last, list, set, merge or patch
		x=y.evlog	x=y.evlog: No such file or directory
		counts	counts: No such file or directory
		n.count	n.count: No such file or directory
	EOF
	run -64 evfold n=count n=count a.evlog
	assert_output --partial "there is already a reducer named n"
	run -64 evfold -k a..b a.evlog
	run -64 evfold -o nonsense a.evlog
	run -66 evfold nothere.evlog
}

@test "a state of 20,000 members and 20,000 keys is no trouble" {
	seq 1 20000 | awk '{printf "{\"m%d\":%d,\"m%d\":null}\n", $1, $1, $1 - 10000}' | evappend --type T m.evlog
	run -0 bash -c 'evfold m.evlog | jq length'
	assert_output 10000
	run -0 bash -c 'seq 1 20000 | evappend --type T k2.evlog; evfold -k data n=count k2.evlog | wc -l'
	assert_output 20000
}

@test "numbers of absurd length cost nothing, and those beyond 10,000 digits are passed over" {
	printf '{"a":1}\n{"a":1e-10000}\n' >f
	run -0 timeout 5 evfold 'avg(a)' f
	assert_output '{"avg":0.5}'
	printf '{"a":%s}\n{"a":2}\n' "$(head -c 1000000 /dev/zero | tr '\0' 7)" >g
	run -0 --separate-stderr timeout 5 evfold 'sum(a)' g
	assert_output '{"sum":2}'
	[[ $stderr == *"skipped: 1 value"* ]]
}

@test "a patch cannot make a bomb by copying, nor nest deeper than an event" {
	python3 - >bomb <<-'PY'
		import json
		ops = [{"op": "replace", "path": "", "value": []}] + 40 * [{"op": "copy", "from": "", "path": "/-"}]
		print(json.dumps({"data": ops}))
	PY
	run -0 --separate-stderr timeout 20 evfold 'patch(data)' bomb
	assert_output '{"patch":null}'
	[[ $stderr == *"skipped: 1 value"* ]]
	python3 - >deep <<-'PY'
		import json
		ops = [{"op": "replace", "path": "", "value": {}}] + 3000 * [{"op": "copy", "from": "", "path": "/a"}]
		print(json.dumps({"data": ops}))
		for n in 510, 512, 513:
		    v = 1
		    for _ in range(n - 500): v = [v]
		    print(json.dumps({"data": [{"op": "replace", "path": "", "value": {}}] +
		        [{"op": "add", "path": "/a" * i, "value": {}} for i in range(1, 500)] +
		        [{"op": "add", "path": "/a" * 500, "value": v}]}))
	PY
	run -65 timeout 20 evfold --strict 'patch(data)' deep
	assert_output --partial "nested more than 512 levels deep"
	run -0 --separate-stderr timeout 20 evfold 'patch(data)' deep
	[[ $stderr == *"skipped: 2 values"* ]]
	evfold 'patch(data)' deep 2>&1 | grep -c '\[\[\[\[\[\[\[\[\[\[\[\[1'
}

# many_blocks N: makes a log of N blocks, some of which hold several commits.
many_blocks() {
	for ((i = 0; i < $1; i++)); do numbered $((i % 7 * 30 + 1)) $((i * 1000)); done | evappend --no-sync --linger 0 many.evlog
	for ((i = 0; i < $1; i++)); do numbered $((i % 7 * 30 + 1)) $((i * 1000)) | evappend --no-sync many.evlog; done
}

@test "the bytes are the same whatever the number of threads" {
	many_blocks 40
	cat >p.lua <<-'LUA'
		function init(key) return { n = 0, sum = decimal(0), key = key } end
		on["*"] = function(s, e) s.n = s.n + 1; s.sum = s.sum + e.data.n; s.last = e.data; s.id = (s.id or "") .. e.id:sub(-1) end
	LUA
	all=('n=count()' 's=sum(data.n)' 'a=avg(data.n)' 'lo=min(data.n)' 'hi=max(id)' 'f=first(id)' 'l=last(data)' 'li=list(data.n)' 'se=set(type)' 'm=merge(data)' 'odd=count{type=T1}')
	for options in '' '-k subject' '-k data.n' '-k data' '-k type'; do
		evfold -j 1 -q $options "${all[@]}" many.evlog >want
		evfold -j 1 -q $options -p p.lua many.evlog >want.lua
		for j in 2 3 8; do
			evfold -j $j -q $options "${all[@]}" many.evlog | cmp - want
			evfold -j $j -q $options -p p.lua many.evlog | cmp - want.lua
			evcat many.evlog | evfold -j $j -q $options "${all[@]}" | cmp - want
		done
	done
	run -0 evfold -k data -j 4 'n=count()' many.evlog
	assert_output --regexp 'skipped: [0-9]+ events without a key'
	for j in 1 3; do evfold -k subject -j $j -p p.lua --snapshot s$j many.evlog >/dev/null; done
	cmp s1 s3
	numbered 50 7 | evappend many.evlog
	evfold -j 1 -k subject -p p.lua many.evlog >want
	evfold -j 4 -k subject -p p.lua --snapshot s3 many.evlog | cmp - want
}

@test "with several threads the first error in the log's order is said, and the first stop counts" {
	many_blocks 12
	n=$(evcat many.evlog | wc -l)
	for at in $((n / 2)) $((n / 2 + 40)) $((n - 3)); do
		echo "on['*'] = function(s, e) if tonumber(e.seq) >= $at then error('at ' .. tonumber(e.seq)) end end" >e.lua
		echo "on['*'] = function(s, e) if tonumber(e.seq) >= $at then stop() end end" >s.lua
		for j in 1 2 5; do
			run -65 evfold -j $j -k data.n -p e.lua many.evlog
			assert_output "evfold: event $at: e.lua:1: at $at"
			run -0 evfold -j $j -k data.n -p s.lua many.evlog
			assert_output "$(evcat --from "$at" -c 1 many.evlog)"
		done
	done
	printf '{"type":"T","subject":"s%d","data":{"n":"x"}}\n' 1 2 3 4 5 | evappend many.evlog
	for j in 1 4; do
		run -65 evfold -j $j --strict -k subject 's=sum(data.n)' many.evlog
		assert_output "evfold: event $((n + 1)): s: not a number"
	done
}

# bench/check.py folds with Python's decimal and compares digit by digit.
@test "each reducer says what decimals in Python say: of orders, and of what is hard to fold" {
	run -0 harness bench/check.py shop 1000
	assert_output "1000 events, 4256 values"
	run -0 harness bench/check.py odd 2000
	assert_output "2000 events, 9810 values"
}

@test "each reducer says of the Windows events what decimals in Python say" {
	corpora
	run -0 harness bench/check.py windows "$EVLOG_CORPORA/windows-security-events.zip" 1000
	assert_output "1000 events, 10780 values"
}

@test "and so it is of all Windows events, and of many others" {
	slow
	corpora
	run -0 harness bench/check.py shop 8000
	run -0 harness bench/check.py odd 8000
	run -0 harness bench/check.py windows "$EVLOG_CORPORA/windows-security-events.zip"
	assert_output "40569 events, 50600 values"
}

@test "min and max compare times by all their digits, also from a snapshot, a table, and threads" {
	for t in 30.6817015 30.681701001 30.68170100000000001 30.681701999 30.68170199899 \\u00330.6817019999 29.9; do
		echo "{\"type\":\"T\",\"subject\":\"s\",\"time\":\"2018-06-11T14:37:30Z\",\"data\":{\"t\":\"2018-06-11T14:37:${t}Z\"}}"
	done >t.ndjson
	reducers=('a=min(data.t){data.t!=*:29.9Z}' 'z=max(data.t)' 'l=min(data.t)')
	want='{"a":"2018-06-11T14:37:30.68170100000000001Z","z":"2018-06-11T14:37:\u00330.6817019999Z","l":"2018-06-11T14:37:29.9Z"}'
	evappend t.evlog t.ndjson
	for operand in t.ndjson t.evlog; do
		for j in 1 3; do
			run -0 evfold -j $j "${reducers[@]}" "$operand"
			assert_output "$want"
		done
	done
	tac t.ndjson >r.ndjson
	run -0 evfold "${reducers[@]}" r.ndjson
	assert_output "$want"
	while read -r line; do
		echo "$line" | evappend s.evlog
		evfold --snapshot snap "${reducers[@]}" s.evlog >got
		evfold -k subject -o sqlite:t.db --columns "${reducers[@]}" s.evlog
	done <t.ndjson
	run -0 cat got
	assert_output "$want"
	run -0 sqlite3 t.db "select a, z, l from state"
	assert_output "2018-06-11T14:37:30.68170100000000001Z|2018-06-11T14:37:30.6817019999Z|2018-06-11T14:37:29.9Z"
}

@test "a reducer whose path, or filter's path, met nothing in any event is told of; --strict refuses it" {
	numbered 2000 | evappend m.evlog
	for j in 1 4; do
		for key in '' '-k subject'; do
			for reducer in 'sum(data.amount)' 'n=count{data.m=1}' 'x=count(nothing)' 'last(data.n){kind=a}'; do
				# shellcheck disable=SC2086 # words
				run -0 --separate-stderr evfold -j $j $key "$reducer" 'ok=max(data.n)' m.evlog
				assert_equal "$stderr" "evfold: $reducer: no value at its path in any of 2000 events"
				# shellcheck disable=SC2086
				run -65 --separate-stderr evfold --strict -j $j $key "$reducer" m.evlog
				assert_output ""
			done
			# shellcheck disable=SC2086
			run -0 --separate-stderr evfold -j $j $key 'sum(data.n)' 'n=count{data.n!=1}' 'count()' m.evlog
			[ -z "$stderr" ]
		done
	done
	run -0 --separate-stderr evfold -k nothing 'n=count()' m.evlog
	assert_equal "$stderr" "evfold: skipped: 2000 events without a key"
	run -65 evfold --strict -k nothing 'n=count()' m.evlog
	run -0 --separate-stderr evfold 'sum(data.n)' </dev/null
	[ -z "$stderr" ]
}

@test "keys and values that were chosen to meet in one place of a table cost no more than others" {
	harness fault/forge.py flood 20000 >flood.ndjson
	[ "$(wc -l <flood.ndjson)" -eq 20000 ]
	run -0 timeout 10 bash -c "ulimit -t 2; evfold -j1 -k data.k 'n=count()' flood.ndjson | wc -l"
	assert_output 20000
	run -0 timeout 10 bash -c "ulimit -t 2; evfold -j1 's=set(data.k)' flood.ndjson | tr , '\n' | wc -l"
	assert_output 20000
}

@test "numbers with large exponents as keys do not become long ones" {
	for n in 1e9990 10e9989 1E+9990; do echo "{\"type\":\"T\",\"data\":{\"n\":$n}}"; done >in
	run -0 evfold -k data.n 'n=count()' in
	assert_output '{"key":1e9990,"seq":null,"state":{"n":3}}'
}

@test "changes continue from a snapshot, with any number of threads" {
	event() { echo "{\"type\":\"a\",\"subject\":\"s$(($1 % 8))\"}"; }
	for i in {1..40}; do event "$i"; done | evappend a.evlog
	evfold -k subject --snapshot s1 'n=count()' a.evlog >/dev/null
	cp s1 s4
	for i in {1..8}; do event "$i"; done | evappend a.evlog
	for j in 1 4; do
		evfold -j $j -k subject -o changes --snapshot s$j 'n=count()' a.evlog >changes$j
		assert_equal "$(jq -c .state.n changes$j | sort -u)" 6
	done
	cmp changes1 changes4
	cmp s1 s4
}

@test "a patch changes a value, and copies none of it: many of them on a large one take no longer" {
	awk 'BEGIN {
		printf "{\"type\":\"T\",\"data\":[{\"op\":\"add\",\"path\":\"\",\"value\":{\"a\":[],\"b\":{\"x\":[0"
		for (i = 0; i < 3000; i++) printf ",\"y\""
		print "]}}}]}"
		for (i = 0; i < 10000; i++)
			print "{\"type\":\"T\",\"data\":[{\"op\":\"add\",\"path\":\"/a/-\",\"value\":" i "}," \
				"{\"op\":\"move\",\"from\":\"/b\",\"path\":\"/c\"},{\"op\":\"move\",\"from\":\"/c\",\"path\":\"/b\"}]}"
	}' >grow.ndjson
	run -0 bash -c "ulimit -t 4; evfold -j1 'p=patch(data)' grow.ndjson | tr , '\n' | wc -l"
	assert_output 13001
}

@test "a line that is no JSON is refused by any number of threads, and changes nothing for the next" {
	forge() { # first lines, each followed by 200 good ones
		python3 - "$BATS_TEST_DIRNAME" "$@" <<-'END'
			import sys
			sys.path.insert(0, sys.argv[1])
			import format as F
			bloom = F.bloom
			F.bloom = lambda lines, *a: bloom([b'{"type":"x","subject":"s","source":"s","id":"i"}'], *a)
			good = b'"type":"x ","data":5,"b":7}'
			for i, bad in enumerate(sys.argv[2:]):
			    lines = [F.stamped(k + 1, m) for k, m in enumerate([bad.encode()] + [good] * 200)]
			    F.log_make(f"h{i}.evlog", [{"blocks": [(0, lines[k:k + 4]) for k in range(0, len(lines), 4)]}])
		END
	}
	forge '"type""x","data":1,"b":1}' '"data"1,"type":"x","b":1}' '"type" "x","data":1}' '"type":,"data":1}'
	for i in 0 1 2 3; do
		for j in 1 2 3; do
			run -65 evfold -j$j n=count 's=sum(data)' 't=sum(b)' h$i.evlog
			assert_output --partial "event 1: not valid JSON"
		done
	done
}

@test "members may be written in another way than in the event before" {
	printf '{"type":"t","data":%s,"longenough":"for a guess to be tried"}\n' 1 ' 2' '3 ' 4 '  5' >f.ndjson
	echo '{"type" : "t" , "data" : 6}' >>f.ndjson
	echo '{"data":7,"type":"t"}' >>f.ndjson
	echo '{"typ":"x","type":"t","dat":9,"data":8}' >>f.ndjson
	evappend -q w.evlog f.ndjson
	for j in 1 3; do
		run -0 evfold -j$j 's=sum(data)' 't=count{type=t}' w.evlog
		assert_output '{"s":36,"t":8}'
		run -0 evfold -j$j -k type 'l=list(data)' f.ndjson
		assert_output --partial '[1,2,3,4,5,6,7,8]'
	done
}

@test "blanks before an event in a file are no reason to refuse it" {
	printf '  {"data":1}\n\t{"data":2}\n' >f.ndjson
	for j in 1 3; do
		run -0 evfold -j$j 's=sum(data)' f.ndjson
		assert_output '{"s":3}'
	done
	run -0 evcat -w 'data=2' f.ndjson
	assert_output --partial '"data":2'
}

@test "keys that begin alike for long cost no more than others" {
	python3 -c "
p = 'a' * 2000000
for c in 'bcd': print('{\"type\":\"t\",\"source\":\"s\",\"subject\":\"%s\"}' % (p + c + p))" | evappend -q p.evlog
	run -0 bash -c "ulimit -t 20; evfold -k subject n=count p.evlog | wc -l"
	assert_output 3
}

@test "threads report what comes first: an error, a stop or damage" {
	numbered 40000 | evappend -q a.evlog
	echo 'on["*"] = function(s, e) s.n = (s.n or 0) + 1 if s.n > 90 then stop() end end' >stop.lua
	# the frame of one block, and the header of a later one
	python3 - a.evlog/*.zst <<-'END'
		import sys
		p = sys.argv[1]
		b = bytearray(open(p, "rb").read())
		at = [i for i in range(len(b)) if b.startswith(b"evlogBLK", i)]
		b[at[5] + 40] ^= 1
		open(p, "wb").write(b)
		b[at[2] + 1000] ^= 1
		open("twice", "wb").write(b)
	END
	cp -r a.evlog b.evlog
	cp twice b.evlog/0000000000000001.ndjson.zst
	for fold in "n=count a.evlog" "n=count b.evlog" "--strict s=sum(subject) a.evlog"; do
		# shellcheck disable=SC2086 # words
		run -65 evfold -j1 $fold
		one=$output
		for j in 2 3 5; do
			# shellcheck disable=SC2086
			run -65 evfold -j$j $fold
			assert_equal "$output" "$one"
		done
	done
	run -0 evfold -j1 -k subject -p stop.lua a.evlog
	one=$output
	for j in 2 3; do
		run -0 evfold -j$j -k subject -p stop.lua a.evlog
		assert_equal "$output" "$one"
	done
}
