# evfold -o log: processes whose state is folded, and whose events are appended exactly once.
load common
setup() {
	common_setup
	cat >saga.lua <<-'END'
		function on.OrderCreated(s, e)
		    s.n = (s.n or 0) + 1
		    emit{type="Reserve", subject=e.subject, data={nth=s.n}}
		    emit{type="Note", data={of=e.subject}}
		end
		function on.Broken(s, e)
		    s.n = 1000
		    emit{type="Half"}
		    error("broken")
		end
	END
}

# orders N [FROM]: N orders of three customers
orders() {
	seq "${2:-1}" $((${2:-1} + $1 - 1)) |
		awk '{ printf "{\"type\":\"OrderCreated\",\"subject\":\"c%d\",\"id\":\"o%d\",\"time\":\"2026-11-01T00:00:00Z\"}\n", $1 % 3, $1 }'
}

saga() { evfold -k subject -p saga.lua -o log:out.evlog "$@"; }
out() { evcat "${1:-out.evlog}" | jq -c 'del(.seq, .logtime)'; }

@test "what a program emits is appended once, with ids and causes, whatever is run again" {
	orders 7 | evappend a.evlog
	run -0 saga a.evlog
	assert_output ""
	evfold --snapshot s n='count()' a.evlog
	lineage=$(head -1 s | jq -r .lineage | cut -c 1-16)
	out >first
	run -0 head -2 first
	assert_output "{\"specversion\":\"1.0\",\"source\":\"/out\",\"id\":\"saga.lua/$lineage/1/1\",\"causationid\":\"o1\",\"correlationid\":\"o1\",\"data\":{\"nth\":1},\"subject\":\"c1\",\"type\":\"Reserve\"}
{\"specversion\":\"1.0\",\"source\":\"/out\",\"id\":\"saga.lua/$lineage/1/2\",\"causationid\":\"o1\",\"correlationid\":\"o1\",\"data\":{\"of\":\"c1\"},\"type\":\"Note\"}"
	[ "$(wc -l <first)" -eq 14 ]
	for i in 1 2 3; do
		saga a.evlog
		out | cmp - first
	done
	orders 3 8 | evappend a.evlog
	saga a.evlog
	run -0 evcat -o data -t Reserve out.evlog
	assert_output "$(printf '{"nth":%d}\n' 1 1 1 2 2 2 3 3 3 4)"
	# another name: another process, with ids of its own
	saga --name again a.evlog
	[ "$(evcat out.evlog | jq -r .id | sort -u | wc -l)" -eq 40 ]
	saga a.evlog
	[ "$(evcat out.evlog | wc -l)" -eq 40 ]
}

@test "an emitted event's own id, causationid and correlationid stay" {
	cat >own.lua <<-'END'
		function on.OrderCreated(s, e)
		    emit{type="A", id="mine-" .. e.id}
		    emit{type="B", causationid="x", correlationid="y"}
		    emit{type="C"}
		end
	END
	{
		orders 1
		echo '{"type":"OrderCreated","id":"b","correlationid":"whole"}'
	} | evappend a.evlog
	evfold -p own.lua -o log:out.evlog a.evlog
	evcat out.evlog | jq -c '[(.id | sub("/.*/"; "/")), .causationid, .correlationid]' >got
	diff got - <<-'END'
		["mine-o1","o1","o1"]
		["own.lua/2","x","y"]
		["own.lua/3","o1","o1"]
		["mine-b","b","whole"]
		["own.lua/2","x","y"]
		["own.lua/3","b","whole"]
	END
}

@test "the state is there again after a restart, with and without a snapshot" {
	for options in '' '--snapshot snap'; do
		rm -rf ./*.evlog snap
		for i in 1 5 9 20; do
			orders 4 $i | evappend a.evlog
			# shellcheck disable=SC2086
			saga $options a.evlog
		done
		cp -r a.evlog b.evlog
		evfold -k subject -p saga.lua -o log:whole.evlog b.evlog
		diff <(out | jq -c 'del(.source)') <(out whole.evlog | jq -c 'del(.source)')
	done
	# what is before the snapshot is not read any more
	printf 'junk' | dd of="$(ls a.evlog/*.zst | head -1)" bs=1 seek=150 conv=notrunc 2>/dev/null
	run -65 saga --name other a.evlog
}

@test "a snapshot counts only if LOG has all that was emitted before it" {
	orders 5 | evappend a.evlog
	saga --snapshot snap a.evlog
	cp -r out.evlog old.evlog
	orders 5 6 | evappend a.evlog
	saga --snapshot snap a.evlog
	out >want
	rm -r out.evlog
	mv old.evlog out.evlog
	run -0 saga --snapshot snap a.evlog
	assert_output --partial "evfold: snap: "
	assert_output --partial "; folding from the first event instead"
	out | cmp - want
	run -0 saga --snapshot snap a.evlog
	assert_output ""
	# LOG is lost: the same events with the same ids
	rm -r out.evlog
	run -0 saga --snapshot snap a.evlog
	out | cmp - want
	# a snapshot that says nothing of it
	evfold -k subject -p saga.lua --snapshot other a.evlog >/dev/null
	rm -r out.evlog
	run -0 saga --snapshot other a.evlog
	assert_output "evfold: other: made with a different program, reducers or key; folding from the first event instead"
	out | cmp - want
}

@test "a changed program, key or upcaster is refused, unless it is accepted" {
	orders 5 | evappend a.evlog
	saga a.evlog
	out >want
	orders 2 6 | evappend a.evlog
	sed 's/nth=s.n/nth=10*s.n/' saga.lua >new.lua
	echo 'upcast.OrderCreated = function(e) return e end' >up.lua
	for options in '-k subject -p new.lua' '-k id -p saga.lua' '-k subject -p saga.lua --upcast up.lua'; do
		# shellcheck disable=SC2086
		run -76 evfold $options --name saga.lua -o log:out.evlog a.evlog
		assert_output "evfold: out.evlog: saga.lua has appended with a different program, key, upcaster or limits, up to event 5; use --accept-change to continue after that event with this one"
		out | cmp - want
	done
	run -0 evfold -k subject -p new.lua --name saga.lua --accept-change -o log:out.evlog a.evlog
	out | sed -n 1,10p | cmp - want
	run -0 evcat --from 11 -o data -t Reserve out.evlog
	assert_output "$(printf '{"nth":%d}\n' 20 30)"
	# it counts from then on
	orders 1 8 | evappend a.evlog
	run -76 saga a.evlog
	run -0 evfold -k subject -p new.lua --name saga.lua -o log:out.evlog a.evlog
	# a consumer of that name is no process
	evrun --checkpoint taken --emit out.evlog --line-by-line a.evlog -- jq -c '{type: "X"}'
	run -76 saga --name taken a.evlog
}

@test "another input than the one that was folded is refused" {
	orders 5 | evappend a.evlog
	orders 5 9 | evappend b.evlog
	evcat -o zst a.evlog | evappend --replica copy.evlog
	evcat -o zst --to 3 a.evlog | evappend --replica short.evlog
	saga a.evlog
	run -0 saga copy.evlog
	run -76 saga short.evlog
	{
		evcat --to 4 a.evlog
		orders 1 77
	} | evappend fork.evlog
	run -0 saga b.evlog # another log, and another cursor
	[ "$(evcat out.evlog | wc -l)" -eq 20 ]
}

@test "LOG may be the log that is folded" {
	cat >chain.lua <<-'END'
		function on.OrderCreated(s, e) emit{type="Reserved", subject=e.subject} end
		function on.Reserved(s, e) emit{type="Paid", subject=e.subject} end
		function on.Paid(s, e) emit{type="Done", subject=e.subject} end
	END
	orders 4 | evappend a.evlog
	for want in 'OrderCreated 4 Reserved 4' 'OrderCreated 4 Paid 4 Reserved 4' 'Done 4 OrderCreated 4 Paid 4 Reserved 4' 'Done 4 OrderCreated 4 Paid 4 Reserved 4'; do
		evfold -k subject -p chain.lua -o log:a.evlog a.evlog
		assert_equal "$(evcat a.evlog | jq -r .type | sort | uniq -c | awk '{ print $2, $1 }' | xargs)" "$want"
	done
	# each is caused by the one before it, and all belong together
	run -0 bash -c "evcat a.evlog -t Done | jq -r .correlationid | xargs"
	assert_output "o1 o2 o3 o4"
	evfold -f -k subject -p chain.lua -o log:a.evlog a.evlog 3>&- &
	orders 3 5 | evappend a.evlog
	for i in {1..100}; do
		[ "$(evcat -t Done a.evlog | wc -l)" = 7 ] && break
		sleep 0.05
	done
	kill $!
	wait $! || fail "status $?"
	[ "$(evcat -t Done a.evlog | wc -l)" -eq 7 ]
	[ "$(evcat a.evlog | wc -l)" -eq 28 ]
}

@test "killed at any time and started again, a process that follows loses and repeats nothing" {
	: >a
	evappend a.evlog <a
	{
		for i in {1..40}; do
			orders 5 $((5 * i)) | evappend a.evlog
			sleep 0.02
		done
		touch ended
	} 3>&- &
	n=0
	while [ ! -e ended ]; do
		timeout --foreground -s KILL "0.$((RANDOM % 4))$((RANDOM % 9 + 1))" evfold -f -k subject -p saga.lua --snapshot snap -o log:out.evlog a.evlog || :
		n=$((n + 1))
	done 3>&-
	wait
	saga --snapshot snap a.evlog
	evfold -k subject -p saga.lua --name saga.lua -o log:whole.evlog a.evlog
	diff <(out | jq -c 'del(.source)') <(out whole.evlog | jq -c 'del(.source)')
	[ "$(evcat out.evlog | wc -l)" -eq 400 ]
	[ "$n" -gt 3 ]
}

@test "an event that the program fails at: a letter, once, and its state is as before" {
	{
		orders 3
		echo '{"type":"Broken","subject":"c1","id":"bad"}'
		orders 3 4
	} | evappend --atomic a.evlog # one block
	run -65 saga a.evlog
	assert_output --partial "event 4: saga.lua:9: broken"
	[ "$(evcat out.evlog | wc -l)" -eq 6 ]
	run -0 saga --dead-letter dead.evlog a.evlog
	assert_output "evfold: 1 event that the program failed on; see dead.evlog"
	run -0 saga --dead-letter dead.evlog a.evlog
	assert_output ""
	run -0 evcat -o data -t Reserve out.evlog
	assert_output "$(printf '{"nth":%d}\n' 1 1 1 2 2 2)"
	evcat dead.evlog | jq -c '[.type, .subject, .causationid, .data.command, .data.event.id]' | diff - <(echo '["evlog.deadletter","c1","bad",["saga.lua"],"bad"]')
	run -0 evreplay --dead-letters dead.evlog
	assert_output --partial '"id":"bad"'
	# its output is as unacceptable as an error
	echo 'function on.OrderCreated(s, e) s.n = (s.n or 0) + 1; emit{type="X", time=e.id}; end' >time.lua
	run -65 evfold -k subject -p time.lua -o log:t.evlog a.evlog
	run -0 evfold -q -k subject -p time.lua -o log:t.evlog --dead-letter d.evlog --snapshot snap a.evlog
	[ "$(evcat d.evlog | wc -l)" -eq 6 ]
	[ "$(evcat t.evlog | wc -l)" -eq 0 ]
	run -0 grep -c state snap
	assert_output 1
}

@test "used-up memory ends a process, with letters too" {
	echo 'function on.T1(s, e) s[#s + 1] = string.rep(e.id, 200000) end; on.T2 = on.T1; on.T0 = on.T1' >big.lua
	numbered 200 1000 | evappend a.evlog
	run -65 evfold -p big.lua --lua-memory 20M -o log:out.evlog --dead-letter d.evlog a.evlog
	assert_output --regexp 'event [0-9]+: the program needs more than [0-9]+ bytes of memory$'
	[ ! -e d.evlog ] || [ "$(evcat d.evlog | wc -l)" -eq 0 ]
	run -65 evfold -p big.lua --lua-memory 20M --skip-errors skipped a.evlog
	[ ! -s skipped ]
}

@test "an upcaster may make several events of one: all have ids of their own" {
	cat >up.lua <<-'END'
		upcast.OrderCreated = function(e)
		    local a, b = {}, {}
		    for k, v in pairs(e) do a[k] = v; b[k] = v end
		    a.type = "Part"
		    b.type = "Part"
		    return {a, b}
		end
	END
	echo 'function on.Part(s, e) emit{type="Seen", data=e.id}; emit{type="Seen", data=e.id} end' >part.lua
	orders 3 | evappend a.evlog
	for i in 1 2; do
		evfold -p part.lua --upcast up.lua -o log:out.evlog a.evlog
		run -0 bash -c "evcat out.evlog | jq -r '.id + \" \" + .data' | sed 's,/[^/]*/,/,'"
		assert_output "$(printf 'part.lua/%s\n' '1/1 o1' '1/2 o1' '1/3 o1/2' '1/4 o1/2' '2/1 o2' '2/2 o2' '2/3 o2/2' '2/4 o2/2' '3/1 o3' '3/2 o3' '3/3 o3/2' '3/4 o3/2')"
	done
}

@test "much that is emitted is committed in between; too much at one event is its error" {
	echo 'function on.T(s, e) for i = 1, e.data.n do emit{type="X", data=string.rep("x", e.data.size)} end end' >many.lua
	for i in {1..40}; do echo '{"type":"T","data":{"n":20,"size":50000}}'; done | evappend a.evlog
	evfold -p many.lua --lua-steps 1000000000 -o log:out.evlog a.evlog
	[ "$(evcat out.evlog | wc -l)" -eq 800 ]
	for i in 1 2; do
		evfold -p many.lua --lua-steps 1000000000 -o log:out.evlog a.evlog
		[ "$(evcat out.evlog | jq -r .id | sort -u | wc -l)" -eq 800 ]
	done
	echo '{"type":"T","data":{"n":60,"size":1000000}}' | evappend a.evlog
	run -65 evfold -p many.lua --lua-steps 1000000000 -o log:out.evlog a.evlog
	assert_output --partial "event 41: emits more than 48 MiB"
	run -0 evfold -q -p many.lua --lua-steps 1000000000 -o log:out.evlog --dead-letter dead.evlog a.evlog
	[ "$(evcat dead.evlog | wc -l)" -eq 1 ]
}

@test "stop() ends a process after the event at which it is called" {
	echo 'function on.OrderCreated(s, e) emit{type="Seen", data=e.id}; if e.id == "o3" then stop() end end' >stop.lua
	orders 5 | evappend a.evlog
	for i in 1 2; do
		run -0 evfold -p stop.lua -o log:out.evlog a.evlog
		run -0 evcat -o data out.evlog
		assert_output "$(printf '"o%d"\n' 1 2 3)"
	done
}

@test "an empty log, and one that gets its first event while it is followed" {
	evappend a.evlog </dev/null
	saga a.evlog
	[ "$(evcat out.evlog | wc -l)" -eq 0 ]
	evfold -f -k subject -p saga.lua -o log:out.evlog a.evlog 3>&- &
	orders 2 | evappend a.evlog
	for i in {1..100}; do
		[ "$(evcat out.evlog | wc -l)" = 4 ] && break
		sleep 0.05
	done
	kill $!
	wait $! || fail "status $?"
	saga a.evlog
	[ "$(evcat out.evlog | wc -l)" -eq 4 ]
	run -0 bash -c "evcat out.evlog | jq -r .id | grep -c 'saga.lua/[0-9a-f]\{16\}/[12]/[12]'"
	assert_output 4
	run -1 grep -q 'saga.lua/0000000000000000' <(evcat out.evlog)
}

@test "of two processes with one name, one is refused" {
	orders 3 | evappend a.evlog
	saga a.evlog
	evfold -f -k subject -p saga.lua -o log:out.evlog a.evlog 2>err 3>&- &
	one=$!
	sleep 0.3
	traced -o /dev/null -e trace=fdatasync -e inject=fdatasync:delay_exit=300000 evfold -f -k subject -p saga.lua -o log:out.evlog a.evlog 2>err2 3>&- &
	two=$!
	sleep 0.5
	orders 3 4 | evappend a.evlog
	sleep 1.5
	kill $one $two 2>/dev/null || :
	wait
	assert_equal "$(cat err err2 | grep -c 'another consumer named saga.lua has already appended')" 1
	[ "$(evcat out.evlog | jq -r .id | sort -u | wc -l)" -eq 12 ]
	[ "$(evcat out.evlog | wc -l)" -eq 12 ]
}

@test "options that make no sense for a process are refused" {
	orders 3 | evappend a.evlog
	evcat a.evlog >file
	echo 'upcast.OrderCreated = function(e) return e end' >up.lua
	while read -r options; do
		# shellcheck disable=SC2086
		run -64 evfold $options
	done <<-'END'
		-o log:out.evlog a.evlog
		-p saga.lua -o log: a.evlog
		-p saga.lua -o log:out.evlog file
		-p saga.lua -o log:out.evlog a.evlog a.evlog
		-p saga.lua -o log:out.evlog
		-p saga.lua -o log:out.evlog --skip-errors x a.evlog
		-p saga.lua -o log:out.evlog --columns a.evlog
		-p saga.lua -o log:out.evlog --dead-letter d.evlog --upcast up.lua a.evlog
		-p saga.lua -o log:out.evlog --dead-letter d.evlog --strict a.evlog
		-p saga.lua --name x a.evlog
		-p saga.lua --accept-change a.evlog
		-p saga.lua --dead-letter d.evlog a.evlog
		-p saga.lua -o events --dead-letter d.evlog a.evlog
		-p saga.lua -o log:out.evlog --name= a.evlog
		-p saga.lua -o log:out.evlog --rebuild a.evlog
	END
	run -64 evfold -p saga.lua -o log:out.evlog --name "$(printf '%0300d' 1)" a.evlog
	run -66 evfold -p saga.lua -o log:out.evlog none.evlog
	assert_output "evfold: none.evlog: No such file or directory"
	[ ! -e out.evlog ]
}

@test "a signal in the middle of a block: what is recorded is what was folded" {
	numbered 3000 | evappend a.evlog
	cat >slow.lua <<-'END'
		upcast["*"] = function(e)
		    for i = 1, 3000 do local x = i * i end
		    return e
		end
	END
	echo 'on["*"] = function(s, e) s.n = (s.n or 0) + 1; emit{type="N", data=s.n} end' >count.lua
	for to in '--snapshot s n=count()' '-o sqlite:t.db n=count()' '-p count.lua -o log:out.evlog --snapshot p'; do
		for after in 0.02 0.1 0.3; do
			status=0
			# shellcheck disable=SC2086
			timeout --foreground --preserve-status $after evfold -q -f --upcast slow.lua $to a.evlog || status=$?
			[ $status = 0 ] || [ $status = 143 ] # before it has begun
		done
		# shellcheck disable=SC2086
		run -0 evfold -q --upcast slow.lua $to a.evlog
	done
	evfold -q --upcast slow.lua --snapshot s 'n=count()' a.evlog | diff - <(echo '{"n":3000}')
	run -0 sqlite3 t.db 'SELECT state FROM state'
	assert_output '{"n":3000}'
	evcat -o data out.evlog | cmp - <(seq 3000)
}

@test "after damage in the log that is folded, its events before that are done, and it continues once it is mended" {
	for n in 1 2 3 4 5 6; do numbered 1 $n | evappend a.evlog; done
	cp -r a.evlog whole.evlog
	echo 'on["*"] = function(s, e) emit{type="N", data=e.data.n} end' >each.lua
	segment=$(ls a.evlog/*.zst)
	size=$(stat -c %s "$segment")
	for at in $((size / 2)) $((size - 20)); do
		rm -rf a.evlog out.evlog
		cp -r whole.evlog a.evlog
		printf '\377\377' | dd of="$segment" bs=1 seek=$at conv=notrunc 2>/dev/null
		run -65 evfold -p each.lua -o log:out.evlog a.evlog
		n=$(evcat out.evlog | wc -l)
		[ "$n" -ge 2 ]
		[ "$n" -lt 6 ]
		run -65 evfold -p each.lua -o log:out.evlog a.evlog
		rm -r a.evlog
		cp -r whole.evlog a.evlog
		run -0 evfold -p each.lua -o log:out.evlog a.evlog
		evcat -o data out.evlog | cmp - <(seq 6)
	done
}

@test "a snapshot of another process, or without its letters, is not used" {
	{
		orders 3
		echo '{"type":"Broken","subject":"c1","id":"bad"}'
	} | evappend a.evlog
	saga --dead-letter dead.evlog --snapshot snap -q a.evlog
	run -0 saga --name other --dead-letter dead.evlog --snapshot snap a.evlog
	assert_line "evfold: snap: it does not say what other has emitted; folding from the first event instead"
	[ "$(evcat out.evlog | wc -l)" -eq 12 ]
	[ "$(evcat dead.evlog | wc -l)" -eq 2 ]
	rm -r dead.evlog
	run -0 saga --name other --dead-letter dead.evlog --snapshot snap a.evlog
	assert_line --partial "evfold: snap: dead.evlog: "
	[ "$(evcat dead.evlog | wc -l)" -eq 1 ]
	[ "$(evcat out.evlog | wc -l)" -eq 12 ]
	run -0 saga --name other --snapshot snap a.evlog --dead-letter new.evlog
	[ "$(evcat new.evlog | wc -l)" -eq 1 ]
}

@test "letters: not for LOG itself, and never trusted beyond what they are of" {
	{
		orders 2
		echo '{"type":"Broken","subject":"c1","id":"bad"}'
		orders 2 3
	} | evappend a.evlog
	ln -s out.evlog link.evlog
	for dead in out.evlog ./out.evlog link.evlog; do
		run -64 saga --dead-letter $dead a.evlog
		assert_output --partial "dead letters need a log of their own"
	done
	[ "$(evcat out.evlog | wc -l)" -eq 0 ]
	run -64 evrun --checkpoint c --emit out.evlog --dead-letter link.evlog a.evlog -- cat
	[ "$(evcat out.evlog | wc -l)" -eq 0 ]
	# other limits may make other events fail
	saga -q --dead-letter dead.evlog a.evlog
	run -76 saga --dead-letter dead.evlog --lua-steps 5000 a.evlog
	assert_output --partial "a different program, key, upcaster or limits"
	# a changed program: its letters count anew
	sed 's/Broken/OrderCreated/' saga.lua >worse.lua
	run -76 evfold -k subject -p worse.lua --name saga.lua -o log:none.evlog --dead-letter dead.evlog a.evlog
	run -0 evfold -q -k subject -p worse.lua --name saga.lua -o log:out.evlog --dead-letter dead.evlog --accept-change a.evlog
	[ "$(evcat dead.evlog | wc -l)" -eq 5 ]
	# the log was restored to before the event that failed, and went another way
	evcat -o zst --to 2 a.evlog | evappend --replica b.evlog
	orders 2 80 | evappend b.evlog
	run -76 saga --dead-letter dead.evlog b.evlog
}

@test "a name that no id can have is refused; a process and a consumer do not mistake each other" {
	orders 2 | evappend a.evlog
	for name in $'a\nb' $'\001' $'\xff' $'x\177'; do
		run -64 saga --name "$name" a.evlog
	done
	saga --name 'Größe "1"/x' a.evlog
	evcat -c 1 out.evlog | jq -r .id | grep -qE '^Größe "1"/x/[0-9a-f]{16}/1/1$'
	saga --name pos a.evlog
	run -76 evrun --checkpoint pos --emit out.evlog a.evlog -- jq -nc 'inputs | {type: "X"}'
	assert_output "evrun: out.evlog: pos is the name of a process of evfold there; choose another name for the checkpoint"
}

@test "emit: what is no id or cause is refused as what it is" {
	orders 1 | evappend a.evlog
	for member in 'id=1' 'correlationid={}'; do
		echo "function on.OrderCreated(s, e) emit{type='X', $member} end" >odd.lua
		run -65 evfold -p odd.lua -o log:"${member%%=*}".evlog a.evlog
		assert_output --partial "${member%%=*}"
		refute_output --partial twice
	done
}

@test "a snapshot of another input than there is now is not used" {
	orders 3 | evappend a.evlog
	saga a.evlog
	evcat -o zst a.evlog | evappend --replica old.evlog
	echo '{"type":"Nothing"}' | evappend a.evlog # no cursor is written for it
	saga --snapshot snap a.evlog
	orders 2 50 | evappend old.evlog
	run -0 saga --snapshot snap old.evlog
	assert_output --partial "evfold: snap: "
	assert_output --partial "; folding from the first event instead"
	run -0 evcat -t Reserve -o data out.evlog
	assert_output "$(printf '{"nth":%d}\n' 1 1 1 2 2)"
}

@test "what an upcaster makes of one event is emitted together, or not at all" {
	echo 'upcast.Two = function(e) return {{type="Big"}, {type="Bad"}} end' >two.lua
	cat >part.lua <<-'END'
		function on.Big(s, e) for i = 1, 20 do emit{type="X", data=string.rep("x", 1000000)} end end
		function on.Bad(s, e) error("no") end
	END
	echo '{"type":"Two"}' | evappend a.evlog
	run -65 evfold -p part.lua --upcast two.lua -o log:out.evlog a.evlog
	[ "$(evcat out.evlog | wc -l)" -eq 0 ]
}

@test "a state in a snapshot that needs too much memory is the snapshot's fault" {
	echo 'function on.T(s, e) s.big = string.rep("x", 3000000) end' >big.lua
	echo '{"type":"T"}' | evappend a.evlog
	evfold -p big.lua --snapshot snap a.evlog >/dev/null
	run -65 evfold -p big.lua --lua-memory 1M --snapshot snap a.evlog
	assert_output --partial "snap: line 2: the program needs more than"
	assert_output --partial "use --rebuild to create it again"
}

@test "letters count only if the log that is folded is the one that they are of" {
	{
		orders 2
		echo '{"type":"Broken","subject":"c1","id":"bad"}'
	} | evappend a.evlog
	echo 'function on.Broken() error("no") end' >broken.lua
	evcat -o zst --to 2 a.evlog | evappend --replica b.evlog
	evfold -q -p broken.lua -o log:out.evlog --dead-letter dead.evlog a.evlog
	{
		orders 1 80
		echo '{"type":"Broken","subject":"c1","id":"worse"}'
	} | evappend b.evlog
	run -76 evfold -p broken.lua -o log:out.evlog --dead-letter dead.evlog b.evlog
}

@test "of several events that are emitted at once, one that is refused takes the others back" {
	cat >half.lua <<-'END'
		function on.OrderCreated(s, e)
		    emit{type="Good"}
		    emit{type="Bad", time="yesterday"}
		end
		function on.Other(s, e) emit{type="Good"} end
	END
	{
		orders 2
		echo '{"type":"Other","id":"x"}'
	} | evappend a.evlog
	evfold -q -p half.lua -o log:out.evlog --dead-letter dead.evlog a.evlog
	run -0 bash -c "evcat out.evlog | jq -r .causationid"
	assert_output x
	[ "$(evcat dead.evlog | wc -l)" -eq 2 ]
}

@test "a program that fails: what it emitted before is appended, and its error is said" {
	numbered 3 | evappend a.evlog
	cat >p.lua <<-'END'
		on["*"] = function(s, e)
			if e.id == "3" then error("boom") end
			emit{type = "Out", data = {of = e.id}}
		end
	END
	run -65 evfold -p p.lua -o log:out.evlog a.evlog
	assert_output --partial "evfold: event 3: p.lua:2: boom"
	assert_equal "$(evcat out.evlog | jq -r .data.of | xargs)" "1 2"
	# out of memory, which no dead letter can help
	cat >p.lua <<-'END'
		on["*"] = function(s, e)
			s[e.id] = ("x"):rep(400000)
			emit{type = "Out", data = {of = e.id}}
		end
	END
	run -65 evfold -p p.lua --lua-memory 1000000 --dead-letter dead.evlog -o log:more.evlog a.evlog
	assert_output --partial "memory"
	assert_equal "$(evcat more.evlog | jq -r .data.of | xargs)" "1"
	[ ! -e dead.evlog ] || [ "$(evcat dead.evlog | wc -l)" = 0 ]
}
