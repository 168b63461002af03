# evrun --emit appends what COMMAND prints exactly once; and --upcast.
load common
setup() { common_setup; }

double='{type: "Out", subject, data: {n: (.data.n * 2)}}'

@test "lines that COMMAND prints are events, completed, with the place in the same commit" {
	numbered 25 | evappend a.evlog
	evrun --batch 10 --checkpoint c --emit b.evlog a.evlog -- jq -c "$double"
	evcat -o data b.evlog | jq .n | cmp - <(seq 2 2 50)
	evcat b.evlog | jq -es 'all(.specversion == "1.0" and .source == "/b" and .type == "Out")'
	assert_equal "$(jq .emitted.seq c)" 25
	zstd -t -q b.evlog/*.zst
	evrun --checkpoint c --emit b.evlog a.evlog -- jq -c "$double"
	assert_equal "$(evcat b.evlog | wc -l)" 25
}

@test "causationid and correlationid come from the cause" {
	printf '%s\n' '{"type":"A","id":"1"}' '{"type":"A","id":"2","correlationid":"c0"}' |
		evappend a.evlog
	evrun --batch 1 --checkpoint c --emit b.evlog a.evlog -- jq -c '{type: "B"}'
	run -0 jq -c '[.causationid, .correlationid]' <(evcat b.evlog)
	assert_output "$(printf '["1","1"]\n["2","c0"]')"
	# of several only if the line says so
	evrun --checkpoint d --emit d.evlog a.evlog -- jq -c \
		'{type: "B"}, {type: "C", causationid: .id}, {type: "D", causationid: .id, correlationid: "own"}, {type: "E", causationid: "x"}'
	run -0 jq -c '[.type, .causationid, .correlationid]' <(evcat --from 5 d.evlog)
	assert_output "$(printf '["B",null,null]\n["C","2","c0"]\n["D","2","own"]\n["E","x",null]')"
}

@test "a line that is no event is a failure, and nothing of the run is appended" {
	numbered 3 | evappend a.evlog
	run -1 evrun --retry 0 --checkpoint c --emit b.evlog a.evlog -- \
		jq -c 'if .data.n == 2 then {no: "type"} else {type: "B", data: .data.n} end'
	assert_output --partial "its output: line:1:1: type: missing; to wrap other JSON as an event, use --type or --type-from"
	assert_output --partial ", at event 2"
	evcat -o data b.evlog | cmp - <(echo 1)
	run -0 evrun -q --retry 0 --checkpoint c --dead-letter d.evlog --emit b.evlog a.evlog -- \
		jq -c 'if .data.n == 2 then {no: "type"} else {type: "B", data: .data.n} end'
	evcat -o data b.evlog | cmp - <(printf '1\n3\n')
	assert_equal "$(evcat d.evlog | wc -l)" 1
}

@test "without its checkpoint a consumer goes on where the log says, and says so" {
	numbered 20 | evappend a.evlog
	evrun --to 12 --checkpoint c --emit b.evlog a.evlog -- jq -c "$double"
	numbered 5 | evappend b.evlog
	rm c
	run -0 evrun --checkpoint c --emit b.evlog a.evlog -- jq -c "$double"
	assert_output --partial "continuing after event 12"
	evcat -t Out -o data b.evlog | jq .n | cmp - <(seq 2 2 40)
}

@test "a log that has lost what was emitted into it is refused with 76" {
	numbered 5 | evappend a.evlog
	evrun --checkpoint c --emit b.evlog a.evlog -- jq -c "$double"
	cp -r b.evlog old.evlog
	numbered 5 6 | evappend a.evlog
	evrun --checkpoint c --emit b.evlog a.evlog -- jq -c "$double"
	rm -r b.evlog
	mv old.evlog b.evlog
	run -76 evrun --checkpoint c --emit b.evlog a.evlog -- jq -c "$double"
	assert_output --partial "b.evlog: an older copy of the log: it ends before event 10"
}

@test "two consumers of one name, log and output: the second is refused" {
	numbered 5 | evappend a.evlog
	mkdir x y
	evrun --batch 1 --checkpoint x/c --emit b.evlog a.evlog -- sh -c \
		"if [ \$EVLOG_FROM = 3 ] && [ ! -e once ]; then touch once
		 evrun --checkpoint y/c --emit b.evlog a.evlog -- jq -c '$double' 2>&1; fi >/dev/null; jq -c '$double'" \
		>out 2>&1 || status=$?
	assert_equal "$status" 76
	grep -q "another consumer named c has already appended" out
	evcat -o data b.evlog | jq .n | cmp - <(seq 2 2 10)
}

@test "--reset-to makes it emit again" {
	numbered 5 | evappend a.evlog
	evrun --checkpoint c --emit b.evlog a.evlog -- jq -c "$double"
	evrun --checkpoint c --reset-to 4 a.evlog
	evrun --checkpoint c --emit b.evlog a.evlog -- jq -c "$double"
	evcat -o data b.evlog | jq .n | cmp - <(printf '2\n4\n6\n8\n10\n8\n10\n')
}

@test "killed 60 times, a pipeline of consumers loses and doubles nothing" {
	EVLOG_KILLS=60 EVLOG_SEED=1 harness fault/consume.py
}

@test "killed 150 times, a pipeline of consumers loses and doubles nothing" {
	slow
	EVLOG_KILLS=150 harness fault/consume.py
}

# ---- Upcasting ----

old_events() {
	printf '%s\n' '{"type":"v1","id":"1","data":{"price":"39.11"}}' \
		'{"type":"v2","id":"2","data":{"amount":12345678901234567890.5}}' \
		'{"type":"other","id":"3","data":1.50}' '{"type":"pair","id":"4"}' '{"type":"gone","id":"5"}' |
		evappend a.evlog
	cat >u.lua <<-'E'
		upcast.v1 = function(e) e.type = "v2"; e.data = {amount = decimal(e.data.price)}; return e end
		upcast.v2 = function(e) e.type = "Order"; return e end
		upcast.pair = function(e) return {{type = "left", data = 1}, {type = "right", data = 2}} end
		upcast.gone = function(e) return nil end
	E
}

@test "rules are chained; an event may become several, or none" {
	old_events
	run -0 jq -cr '[.seq[-1:], .type, .id] | @tsv' <(evcat --upcast u.lua a.evlog)
	assert_output "$(printf '1\tOrder\t1\n2\tOrder\t2\n3\tother\t3\n4\tleft\t4\n4\tright\t4/2')"
	run -0 evcat --upcast u.lua -t Order -o data a.evlog
	assert_output "$(printf '{"amount":39.11}\n{"amount":12345678901234567890.5}')"
	evcat --upcast u.lua -t other a.evlog | cmp - <(evcat -t other a.evlog)
	evcat --upcast u.lua -r a.evlog | jq -r .type | cmp - <(printf '%s\n' right left other Order Order)
	evcat --upcast u.lua a.evlog | cut -c 1-66 | cmp - <(evcat --to 4 a.evlog | cut -c 1-66 | sed 4p)
	evreplay --upcast u.lua a.evlog | cmp - <(evcat --upcast u.lua a.evlog)
	evcat a.evlog | evcat --upcast u.lua - | cmp - <(evcat --upcast u.lua a.evlog)
	evfold --upcast u.lua -k type n=count a.evlog | jq -c '[.key, .state.n]' |
		cmp - <(printf '["%s",%d]\n' Order 2 left 1 other 1 right 1)
}

@test "a loop, a bad result, an error: 65, naming the event, behind what came before" {
	old_events
	for rule in 'upcast.v2 = function(e) e.type = "v1"; return e end' \
		'upcast.v2 = function(e) return 7 end' 'upcast.v2 = function(e) return {} end' \
		'upcast.v2 = function(e) error("no") end' 'upcast.v2 = function(e) e.type = 3; return e end'; do
		echo "$rule; upcast.v1 = function(e) e.type = 'v2'; return e end" >bad.lua
		run -65 --separate-stderr evcat --upcast bad.lua a.evlog
		assert_output ""
		[[ $stderr == "evcat: event 1: "* ]]
		evappend b.evlog < <(evcat -t other a.evlog; evcat -t v1 a.evlog)
		run -65 --separate-stderr evcat --upcast bad.lua b.evlog
		assert_equal "${#lines[@]}" 1
		rm -r b.evlog
	done
	for bad in '' 'upcast = 3' 'upcast[1] = print' 'upcast.x = 1' 'syntax'; do
		echo "$bad" >bad.lua
		run -65 evcat --upcast bad.lua a.evlog
	done
}

# A rule for *, the events, and type, id and data of the result.
@test 'upcast["*"] is for types without a rule of their own, once an event' {
	while IFS='|' read -r rules in out; do
		printf 'upcast["*"] = function(e) %s\n' "$rules" >u.lua
		tr ' ' '\n' <<<"$in" >lines
		run -0 jq -cr '"\(.type):\(.id):\(.data)"' <(evcat --upcast u.lua lines)
		assert_output "$(tr ' ' '\n' <<<"$out")"
		rm -rf a.evlog
		jq -c '.source = "/s"' lines | evappend a.evlog
		for tool in evcat evreplay; do
			run -0 jq -cr '"\(.type):\(.id):\(.data)"' <($tool --upcast u.lua a.evlog)
			assert_output "$(tr ' ' '\n' <<<"$out")"
		done
		run -0 evfold --upcast u.lua 't=list(type)' a.evlog
		assert_output "$(jq -cn --arg t "$out" '{t: [$t | split(" ")[] | split(":")[0]]}')"
	done <<-'END'
		e.data = 1; return e end|{"type":"A","id":"1"} {"type":"B","id":"2","data":7}|A:1:1 B:2:1
		e.type = "x." .. e.type; return e end|{"type":"A","id":"1"} {"type":"x.A","id":"2"}|x.A:1:null x.x.A:2:null
		e.data = 1; return e end; upcast.A = function(e) e.data = 2; return e end|{"type":"A","id":"1"} {"type":"B","id":"2"}|A:1:2 B:2:1
		e.data = (e.data or 0) + 1; return e end; upcast.A = function(e) e.type = "B"; e.data = 10; return e end|{"type":"A","id":"1"} {"type":"B","id":"2"}|B:1:11 B:2:1
		e.type = e.type:upper(); return e end; upcast.A = function(e) e.data = 3; return e end|{"type":"a","id":"1"} {"type":"b","id":"2"}|A:1:3 B:2:null
		return { e, { type = "Audit" } } end|{"type":"A","id":"1"}|A:1:null Audit:1/2:null
		e.type = "C"; return e end; upcast.C = function(e) e.type = "D"; e.data = 1; return e end|{"type":"A","id":"1"} {"type":"E","id":"2"}|D:1:1 D:2:1
	END
	# nothing is left
	echo 'upcast["*"] = function(e) end; upcast.B = function(e) return e end' >u.lua
	run -0 jq -r .type <(evcat --upcast u.lua - < <(printf '{"type":"%s"}\n' A B C))
	assert_output B
	# a circle is one through * too, and a loop ends
	echo 'upcast["*"] = function(e) e.type = "B"; return e end; upcast.B = function(e) e.type = "A"; return e end' >u.lua
	run -65 evcat --upcast u.lua - <<<'{"type":"A"}'
	assert_output --partial "the rules form a loop: B becomes A again"
	# its way is shown
	echo 'upcast["*"] = function(e) e.type = "x." .. e.type; return e end; upcast.A = function(e) e.type = "B"; return e end' >u.lua
	printf '{"type":"%s"}\n' A B | evappend l.evlog
	run -0 evreplay --upcast u.lua --upcast-lint l.evlog
	assert_output "         1  ok    A > B > x.B
         1  ok    B > x.B"
	# objects without a type, which evfold takes
	echo 'upcast["*"] = function(e) e.v = (e.v or 0) + 1; return e end' >u.lua
	run -0 evfold --upcast u.lua 'v=list(v)' 't=list(type)' < <(printf '%s\n' '{"v":1}' '{"type":3}' '{"type":"A"}' '{"type":null,"v":5}')
	assert_output '{"v":[2,1,1,6],"t":[3,"A",null]}'
	echo 'upcast["*"] = function(e) return { { v = 1 }, { v = 2, type = "A" } } end' >u.lua
	run -0 evfold --upcast u.lua 'v=list(v)' <<<'{"w":1}'
	assert_output '{"v":[1,2]}'
}

@test "an array of a rule's with holes or other members loses no event: it is refused" {
	for result in '{ e, nil, e }' '{ [1] = e, [3] = e }' '{ e, x = e }' '{ [2] = e }' '{ x = e }' 'array{ [2] = e }'; do
		for type in A '*'; do
			echo "upcast['$type'] = function(e) return $result end" >u.lua
			run -65 evcat --upcast u.lua - <<<'{"type":"A"}'
			assert_output "evcat: an event without seq: the rule for A returned a table that is neither an event (it has no type) nor an array of events"
		done
	done
}

@test "backwards, and with -n, an upcaster that fails hides no later event" {
	echo 'upcast.T = function(e) if e.data.n == 3 then error("no", 0) end return e end' >u.lua
	printf '{"type":"T","data":{"n":%d}}\n' 1 2 3 4 5 | evappend a.evlog
	run -65 --separate-stderr evcat -r --upcast u.lua -o data a.evlog
	assert_output $'{"n":5}\n{"n":4}'
	assert_equal "$stderr" "evcat: event 3: no"
	run -0 evcat -n 2 --upcast u.lua -o data a.evlog
	assert_output $'{"n":4}\n{"n":5}'
	run -65 --separate-stderr evcat -n 3 --upcast u.lua -o data a.evlog
	assert_output $'{"n":4}\n{"n":5}'
	assert_equal "$stderr" "evcat: event 3: no"
}

@test "--upcast-lint shows each type's way, and what fails, with status 1" {
	old_events
	run -0 evreplay --upcast u.lua --upcast-lint a.evlog
	assert_output "         1  ok    v1 > v2 > Order
         1  ok    v2 > Order
         1  ok    other
         1  ok    pair > left,  > right
         1  ok    gone > nothing"
	echo 'upcast.v1 = function(e) return e.data.x.y end' >bad.lua
	run -1 evreplay --upcast bad.lua --upcast-lint a.evlog
	assert_line --regexp '^ +1  FAIL  v1: .*bad.lua:1: .*\(first at event 1\)'
}

@test "a snapshot is of its upcasters too" {
	old_events
	evfold --upcast u.lua --snapshot s -k type n=count a.evlog >/dev/null
	evappend a.evlog <<<'{"type":"pair"}'
	evfold --upcast u.lua --snapshot s -k type n=count a.evlog | cmp - <(evfold --upcast u.lua -k type n=count a.evlog)
	echo '-- changed' >>u.lua
	run -76 evfold --upcast u.lua --snapshot s -k type n=count a.evlog
	run -76 evfold --snapshot s -k type n=count a.evlog
}

@test "the cause of an emitted event does not depend on the size of the batch" {
	printf '%s\n' '{"type":"A","id":"1"}' '{"type":"A","id":"2","correlationid":"c0"}' '{"type":"A","id":"caf\u00e9"}' |
		evappend a.evlog
	n=0
	causes() { # EXPECTED OPTIONS... -- FILTER
		want=$1 batch=$2 filter=$3 n=$((n + 1))
		shift 3
		run -0 --separate-stderr evrun --batch "$batch" --checkpoint "c$n" --emit "b$n.evlog" "$@" a.evlog -- jq -c "$filter"
		assert_equal "$(evcat "b$n.evlog" | jq -c '[.causationid, .correlationid]' | xargs)" "$want"
	}
	# a promise of a line for each: the one by its place
	for batch in 1 2 3; do
		causes '[1,1] [2,c0] [café,café]' $batch '{type: "B"}' --line-by-line
		[ -z "$stderr" ]
		# a line's own cause first
		causes '[café,café] [café,café] [café,café]' 3 '{type: "B", causationid: "café"}' --line-by-line
		# the line names one of the batch, however it is written
		causes '[café,café] [2,c0] [x,null]' 3 '{type: "B", causationid: (if .id == "1" then "café" elif .id == "2" then "2" else "x" end)}'
		[ -z "$stderr" ]
	done
	causes '[null,null] [null,null] [null,null]' 3 '{type: "B"}'
	assert_equal "$stderr" "evrun: 3 emitted events could not be assigned a cause; see --line-by-line"
	# an event that is only passed on has not caused itself
	for batch in 1 3; do
		causes '[null,null] [null,c0] [null,null]' $batch '.'
		causes '[null,null] [null,c0] [null,null]' $batch '.' --line-by-line
	done
}

@test "--line-by-line: more lines, or fewer, than events are a failure of the run" {
	numbered 6 | evappend a.evlog
	for filter in 'select(.data.n != 4) | {type: "B"}' '{type: "B"}, (select(.data.n == 4) | {type: "C"})'; do
		rm -rf c b.evlog d.evlog
		run -1 evrun --retry 0 --checkpoint c --emit b.evlog --line-by-line a.evlog -- jq -c "$filter"
		assert_output --partial "for 1 event (--line-by-line needs one for each), at event 4"
		run -0 evrun -q --retry 0 --checkpoint c --emit b.evlog --line-by-line --dead-letter d.evlog a.evlog -- jq -c "$filter"
		assert_equal "$(evcat -t B b.evlog | jq -r .causationid | xargs)" "1 2 3 5 6"
	done
	run -0 evrun --checkpoint e --emit e.evlog --line-by-line a.evlog -- \
		jq -r 'if .data.n == 4 then "" else ({type: "B"} | tojson) end'
	assert_equal "$(evcat e.evlog | jq -r .causationid | xargs)" "1 2 3 5 6"
	run -64 evrun --line-by-line a.evlog -- cat
}

@test "a round that emits more than a commit holds is split, and nothing is doubled" {
	numbered 20 | evappend a.evlog
	big='{type: "B", subject, data: {n: .data.n, pad: ("x" * 4000000)}}'
	run -0 evrun -q -j 4 --batch 10 --checkpoint c --emit b.evlog a.evlog -- jq -c "$big"
	assert_equal "$(jq .seq c)" 20
	evcat -o data b.evlog | jq .n | sort -n | cmp - <(seq 20)
	for s in s0 s1 s2 s3 s4 s5 s6; do
		evcat -s $s -o data b.evlog | jq .n | sort -nc || fail "$s is not in order"
	done
	# one event alone that emits too much is one that fails
	echo '{"type":"T"}' | evappend z.evlog
	run -1 evrun --retry 0 --checkpoint z --emit y.evlog z.evlog -- sh -c \
		'cat >/dev/null; yes "{\"type\":\"a\"}" | head -n 500000'
	assert_output --partial "its output: more than 64 MiB of events, at event 1"
	# nor is one whose lines are in several parts tried for ever
	echo 'upcast["T"] = function(e)
		local lines = {}
		for i = 1, 8 do lines[i] = {type = "T", subject = "s" .. i} end
		return lines
	end' >many.lua
	echo '{"type":"after"}' | evappend z.evlog
	replay=(timeout --foreground -k 1 60 evrun -q -j 4 --retry 0 --upcast many.lua --checkpoint m --emit x.evlog)
	run -1 "${replay[@]}" z.evlog -- jq -c '{type: "B", data: ("x" * 9000000)}'
	assert_output --partial "its output: more than 64 MiB of events, at event 1"
	run -0 "${replay[@]}" --dead-letter dead.evlog z.evlog -- jq -c 'if .type == "T" then {type: "B", data: ("x" * 9000000)} else . end'
	assert_equal "$(evcat dead.evlog | jq -c '[.data.event.seq, .data.reason]')" \
		'["0000000000000001","its output: more than 64 MiB of events"]'
	assert_equal "$(evcat x.evlog | jq -r .type)" after
}

@test "a round is done when its last pass ends with the lines of its last event" {
	[ -z "${SAN:-}${COVERAGE:-}" ] || skip "it makes 70 MB"
	printf '%s\n' '{"type":"T","data":10}' '{"type":"T","data":30}' | evappend a.evlog
	echo 'upcast.T = function(e)
		if e.data == 10 then return e end
		return { {type = "T", subject = "a", data = 30}, {type = "T", subject = "b", data = 30} }
	end' >two.lua
	run -0 timeout --foreground -k 1 60 evrun -q -j 2 --upcast two.lua --checkpoint c --emit b.evlog a.evlog -- \
		jq -c '.data as $n | range($n) | {type: "B", data: {n: $n, pad: ("x" * 1000000)}}'
	assert_equal "$(evcat -o data b.evlog | jq .n | sort | uniq -c | xargs)" "10 10 60 30"
}

@test "--reset-to makes it emit again, even if the checkpoint of an earlier reset was lost" {
	numbered 5 | evappend a.evlog
	for times in 1 2 3; do
		rm -f c
		evrun -q --checkpoint c --reset-to 1 a.evlog
		evrun -q --checkpoint c --emit out.evlog a.evlog -- jq -c '{type, subject}'
		assert_equal "$(evcat out.evlog | wc -l)" $((5 * times))
	done
}

@test "a command that prints too much is told so, whether it has ended or not" {
	numbered 1 | evappend a.evlog
	for after in true 'sleep 20'; do
		rm -rf dead.evlog
		run -0 timeout 15 evrun -q --retry 0 --checkpoint c.$((++n)) --emit out.evlog --dead-letter dead.evlog \
			a.evlog -- sh -c "head -c 63000000 /dev/zero; $after"
		assert_equal "$(evcat -o data dead.evlog | jq -r .reason)" "its output: more than 60 MiB"
	done
}
