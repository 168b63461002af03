# evrun: batches, checkpoints, failures, order.
load common
setup() { common_setup; }

# Has ended, or is a zombie that nobody waits for.
is_dead() { ! [ -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"; }

seq_of() { jq .seq "$1"; }

@test "COMMAND gets the events in batches, byte for byte, and is told about them" {
	numbered 25 | evappend a.evlog
	run -0 --separate-stderr evrun -v --batch 10 a.evlog -- sh -c \
		'echo "$EVLOG_FROM $EVLOG_TO $EVLOG_COUNT $EVLOG_ATTEMPT $EVLOG_SHARD $EVLOG_WORKER" >>env; cat'
	assert_equal "$stderr" "evrun: 25 events processed in 3 runs"
	evrun --batch 10 a.evlog -- cat | cmp - <(evcat a.evlog)
	printf '1 10 10 1 1/1 1\n11 20 10 1 1/1 1\n21 25 5 1 1/1 1\n' | cmp - env
	run -0 evrun --batch 1 a.evlog -- wc -l
	assert_equal "$(sort -u <<<"$output" | xargs)" 1
}

@test "selections, files and pipes feed a COMMAND too" {
	numbered 25 | evappend a.evlog
	evrun -s s3 --from 4 a.evlog -- jq .data.n | cmp - <(printf '10\n17\n24\n')
	evcat a.evlog | evrun --batch 7 - -- cat | cmp - <(evcat a.evlog)
	printf '{"type":"x"}\n{"type":"y"}\n' | evrun --batch 1 - -- wc -l |
		cmp - <(printf '1\n1\n')
}

@test "a COMMAND that reads nothing, or not all, has dealt with the batch if it says 0" {
	numbered 5000 | evappend a.evlog
	evrun --checkpoint c a.evlog -- true
	assert_equal "$(seq_of c)" 5000
	run -0 evrun a.evlog -- head -n 1
	assert_equal "${#lines[@]}" 5
}

@test "a checkpoint says how far it came, and the next run goes on there" {
	numbered 25 | evappend a.evlog
	evrun --checkpoint c a.evlog -- cat >one
	numbered 5 26 | evappend a.evlog
	evrun --checkpoint c a.evlog -- cat >>one
	evrun --checkpoint c a.evlog -- cat >>one
	evcat a.evlog | cmp - one
	run -0 jq -c '[.seq, (.log | length), (.root | length), (.frontier | length)]' c
	assert_output '[30,32,64,4]'
	printf '{"type":"end"}\n' | evappend --ack a.evlog >ack
	evrun --checkpoint c a.evlog -- true
	assert_equal "$(jq -r .root c)" "$(jq -r .root ack)"
}

@test "a checkpoint moves over events that are filtered out" {
	numbered 100 | evappend a.evlog
	evrun --checkpoint c -s none a.evlog -- false
	assert_equal "$(seq_of c)" 100
	evrun --checkpoint d -s s1 --to 40 a.evlog -- true
	assert_equal "$(seq_of d)" 40
	evrun --checkpoint d --accept-change -E --since 2020-01-01 a.evlog -- true
	assert_equal "$(seq_of d)" 100
}

@test "the root in a checkpoint is that of the log, wherever it stands in a block" {
	numbered 40 | evappend a.evlog
	for n in 1 2 3 7 8 20 31 39 40; do
		evrun --batch 1 --to $n --checkpoint c a.evlog -- true
		assert_equal "$(jq -r .root c)" \
			"$(evcat --to $n a.evlog | evappend --replica --ack b$n.evlog | jq -r .root)"
	done
}

@test "a checkpoint of another log, an older one, or one that went another way: 76" {
	numbered 30 | evappend a.evlog
	cp -r a.evlog old.evlog
	numbered 10 31 | evappend a.evlog
	evrun --to 35 --checkpoint c a.evlog -- true
	numbered 40 | evappend b.evlog
	run -76 evrun --checkpoint c b.evlog -- false
	assert_output --partial "not the same log: its first event is another one"
	run -76 evrun --checkpoint c old.evlog -- false
	assert_output --partial "ends before event 35"
	numbered 30 91 | evappend old.evlog
	run -76 evrun --checkpoint c old.evlog -- false
	assert_output --partial "the log has diverged: its events up to 35 are not those recorded earlier"
	jq '.seq = 34 | del(.frontier)' c >d
	run -76 evrun --checkpoint d a.evlog -- false
	evrun --checkpoint c a.evlog -- jq .data.n | cmp - <(seq 36 40)
}

@test "a file that is no checkpoint is refused, and left as it is" {
	numbered 3 | evappend a.evlog
	for text in 'x' '{}' '[1]' '{"log":"00","seq":1,"root":""}' '{"log":12,"seq":1}'; do
		echo "$text" >c
		run -65 evrun --checkpoint c a.evlog -- true
		assert_output --partial "not a checkpoint"
		assert_equal "$(cat c)" "$text"
	done
	evrun --checkpoint good a.evlog -- true
	for member in '"generation":-1' '"generation":"1"' '"generation":1.5' '"generation":18446744073709551616' \
		'"generation":null' '"part":1' '"part":null' "\"part\":\"$(printf %0300d 0)\""; do
		sed "s|^{|{$member,|" good >c
		cp c before
		run -65 evrun --checkpoint c a.evlog -- true
		assert_output --partial "not a checkpoint"
		run -65 evrun --checkpoint c --reset-to 1 a.evlog
		run -65 evrun --checkpoint c --status a.evlog
		cmp c before
	done
	run ! evrun --checkpoint no/such/folder/c a.evlog -- touch ran
	refute [ -e ran ]
	run -66 evrun --checkpoint new no.evlog -- true
	refute [ -e new ]
}

@test "--reset-to sets a checkpoint by seq or time; --dry-run only tells" {
	numbered 5 | evappend a.evlog
	sleep 0.01
	at=$(date -u +%FT%T.%6NZ)
	numbered 5 6 | evappend a.evlog
	evrun --checkpoint c a.evlog -- true
	run -0 evrun --checkpoint c --reset-to 4 --dry-run a.evlog
	assert_output "the next event would be 4; it is 11"
	assert_equal "$(seq_of c)" 10
	run -0 evrun --checkpoint c --reset-to 4 a.evlog
	assert_output "the next event is now 4; it was 11"
	evrun --checkpoint c a.evlog -- jq .data.n | cmp - <(seq 4 10)
	evrun --checkpoint c --reset-to "$at" a.evlog
	evrun --checkpoint c a.evlog -- jq .data.n | cmp - <(seq 6 10)
	evrun --checkpoint c --reset-to 1 a.evlog
	evrun --checkpoint c a.evlog -- jq .data.n | cmp - <(seq 10)
	evrun --checkpoint c --reset-to 11 a.evlog
	run -64 evrun --checkpoint c --reset-to 12 a.evlog
	run -64 evrun --checkpoint c --reset-to someday a.evlog
	run -64 evrun --reset-to 1 a.evlog
	assert_equal "$(seq_of c)" 10
	evrun --checkpoint new --reset-to 3 a.evlog
	evrun --checkpoint new a.evlog -- jq .data.n | cmp - <(seq 3 10)
}

@test "--status tells the lag in events and seconds, as text and JSON" {
	numbered 5 | evappend a.evlog
	run -66 evrun --status --checkpoint c a.evlog
	evrun --to 3 --checkpoint c a.evlog -- true
	run -0 evrun --status --checkpoint c a.evlog
	assert_output --regexp '^at event 3 of 5, 2 behind, the oldest of them [0-9.]+ s old; written 2'
	evrun --status -o json --checkpoint c a.evlog |
		jq -e '.seq == 3 and .last == 5 and .lag.events == 2 and .lag.seconds > 0 and .lag.seconds < 100'
	evrun --checkpoint c a.evlog -- true
	run -0 evrun --status --checkpoint c a.evlog
	assert_output --partial "at event 5, the last"
	evrun --status -o json --checkpoint c a.evlog | jq -e '.lag == {events: 0, seconds: 0}'
	numbered 5 | evappend b.evlog
	run -76 evrun --status --checkpoint c b.evlog
}

# ---- Failures ----

@test "a batch that fails is tried again, and told the attempt" {
	numbered 10 | evappend a.evlog
	run -0 evrun --retry 3 --backoff 20ms --checkpoint c a.evlog -- sh -c \
		'echo $EVLOG_ATTEMPT $EVLOG_COUNT; [ $EVLOG_ATTEMPT = 3 ]'
	assert_output "$(printf '1 10\n2 10\n3 10')"
	assert_equal "$(seq_of c)" 10
}

@test "the pause before a retry doubles" {
	numbered 1 | evappend a.evlog
	start=${EPOCHREALTIME/./}
	run -1 evrun --retry 3 --backoff 50ms a.evlog -- false
	ms=$(((${EPOCHREALTIME/./} - start) / 1000))
	[ "$ms" -ge 350 ] || fail "$ms ms, not 50 + 100 + 200"
}

@test "a batch that fails is split down to the event, which ends it with 1" {
	numbered 100 | evappend a.evlog
	run -1 --separate-stderr evrun --retry 0 --checkpoint c a.evlog -- sh -c \
		'cat >in; ! grep -q "\"n\":42}" in && jq .data.n in'
	assert_equal "$stderr" "evrun: sh: exit status 1, at event 42"
	assert_equal "$output" "$(seq 41)"
	assert_equal "$(seq_of c)" 41
	evrun --retry 0 --checkpoint c a.evlog -- jq .data.n | cmp - <(seq 42 100)
}

@test "a dead letter has reason, status, attempts, the end of stderr, and the event" {
	numbered 100 | evappend a.evlog
	run -0 --separate-stderr evrun --retry 1 --backoff 1ms --checkpoint c \
		--dead-letter dead.evlog a.evlog -- sh -c \
		'cat >in; if grep -q "\"n\":[47]2}" in; then echo "no ${EVLOG_FROM}" >&2; exit 3; fi; jq .data.n in'
	assert_equal "$output" "$(seq 100 | grep -v '[47]2')"
	assert_equal "$(tail -n 1 <<<"$stderr")" \
		"evrun: 2 events could not be processed; see dead.evlog"
	assert_equal "$(seq_of c)" 100
	run -0 jq -c '[.type, .subject, .causationid, .data.reason, .data.status,
		.data.attempts > 2, .data.stderr[-6:], .data.command[0], .data.event.data.n]' \
		<(evcat dead.evlog)
	assert_line --index 0 '["evlog.deadletter","s0","42","exit status 3",3,true,"no 42\n","sh",42]'
	assert_line --index 1 '["evlog.deadletter","s2","72","exit status 3",3,true,"no 72\n","sh",72]'
	evcat --from 42 --to 42 a.evlog | cmp - <(evcat -c 1 dead.evlog |
		sed 's/.*"event"://; s/}}$//')
}

@test "stderr of any bytes, and much of it, makes a letter of valid JSON" {
	numbered 1 | evappend a.evlog
	run -0 evrun -q --retry 0 --dead-letter dead.evlog a.evlog -- sh -c \
		'seq 2000 >&2; printf "\377\376 \\ \" \001 end" >&2; kill -9 $$'
	run -0 jq -r '[.data.signal, .data.stderr[-3:], (.data.stderr | length > 1500 and length < 2100)] | @csv' \
		<(evcat dead.evlog)
	assert_output '9,"end",true'
	assert_equal "$(evcat -o data dead.evlog | jq -r .reason)" "killed by signal 9 (Killed)"
}

@test "dead letters are delivered again, through the upcasters" {
	printf '{"type":"Old","id":"1","data":{"a":1}}\n{"type":"New","id":"2","data":{"b":2}}\n' |
		evappend a.evlog
	echo 'upcast.Old = function(e) e.type = "New"; e.data = {b = "bad"}; return e end' >u.lua
	run -0 evrun -q --retry 0 --batch 1 --upcast u.lua --dead-letter dead.evlog a.evlog -- \
		jq -e '.data.b | numbers'
	assert_equal "$(evcat -o data dead.evlog | jq -c .event.data)" '{"a":1}'
	echo 'upcast.Old = function(e) e.type = "New"; e.data = {b = e.data.a}; return e end' >u.lua
	evrun --dead-letters --upcast u.lua --checkpoint d dead.evlog -- \
		jq -c '[.seq, .type, .id, .data.b]' | cmp - <(echo '["0000000000000001","New","1",1]')
	run -65 evreplay --dead-letters a.evlog
	assert_output --partial "event 1: not a dead letter"
}

@test "a letter is appended once, though the event comes again after a kill" {
	numbered 5 | evappend a.evlog
	cat >fails <<-'E'
		#!/bin/sh
		grep -q '"n":3}' && exit 1
		[ $EVLOG_FROM != 4 ] || [ -e again ] || { touch again; kill -9 $PPID; sleep 10; }
	E
	chmod +x fails
	for f in 1 2; do
		run evrun -q --batch 1 --retry 0 --checkpoint c --dead-letter dead.evlog a.evlog -- ./fails
		# as if it had been killed between the letter and the checkpoint
		[ $f = 2 ] || evrun --to 2 --checkpoint e a.evlog -- true
		[ $f = 2 ] || cp e c
	done
	assert_equal "$status" 0
	assert_equal "$(evcat dead.evlog | wc -l)" 1
}

@test "status 75 and 69 mean that a service is away: no splitting, no letter" {
	numbered 10 | evappend a.evlog
	for s in 75 69; do
		rm -f tries
		run -$s evrun --retry 2 --backoff 1ms --checkpoint c --dead-letter d.evlog a.evlog -- \
			sh -c "echo \$EVLOG_COUNT >>tries; exit $s"
		assert_equal "$(xargs <tries)" "10 10 10"
		assert_equal "$(evcat d.evlog | wc -l)" 0
		refute [ -e c ]
	done
}

@test "a COMMAND that cannot be run ends with 69, and nothing is lost" {
	numbered 3 | evappend a.evlog
	run -69 evrun --checkpoint c --dead-letter d.evlog a.evlog -- ./nosuch
	assert_output --partial "./nosuch: No such file"
	touch plain
	run -69 evrun a.evlog -- ./plain
	evrun --checkpoint c a.evlog -- wc -l | cmp - <(echo 3)
	run -64 evrun a.evlog --
	run -64 evrun --batch 3 a.evlog
	run -64 evrun --emit b.evlog a.evlog -- cat
	run -64 evrun --linger 10 a.evlog -- cat
}

@test "--timeout ends a run with all its processes; it has failed" {
	numbered 1 | evappend a.evlog
	run -1 evrun --retry 0 --timeout 200ms a.evlog -- sh -c 'sleep 30 & echo $! >pid; wait'
	assert_output --partial "timed out, at event 1"
	until_ is_dead "$(cat pid)"
}

@test "SIGTERM lets the batch at work finish, and keeps it" {
	numbered 30 | evappend a.evlog
	evrun -v --batch 10 --checkpoint c a.evlog -- sh -c \
		'touch began; while [ ! -e go ]; do sleep 0.02; done; jq .data.n >>out' 2>err 3>&- &
	until_ [ -e began ]
	kill $!
	sleep 0.1
	touch go
	wait $!
	assert_equal "$(cat out)" "$(seq 10)"
	assert_equal "$(seq_of c)" 10
	evrun --checkpoint c a.evlog -- jq .data.n | cmp - <(seq 11 30)
}

@test "a signal between the events of a block loses none of those that are selected" {
	need_shim
	local k
	seq 40 | jq -c '{type: "T\(. % 2)", data: {n: .}}' | evappend --segment-size 1K a.evlog
	for k in $(seq 1 3 40); do
		rm -f c out
		FAULT_DO=term FAULT_NAME=pread FAULT_AT=$k LD_PRELOAD=$EVLOG_BUILD/fault-shim.so \
			evrun -t T1 --batch 100 --checkpoint c a.evlog -- sh -c 'cat >>out'
		evrun -t T1 --batch 100 --checkpoint c a.evlog -- sh -c 'cat >>out'
		cmp <(jq .data.n out) <(seq 1 2 40) || fail "at pread $k"
	done
}

@test "a second signal ends the batch at once, with 75, and it comes again" {
	numbered 30 | evappend a.evlog
	evrun --batch 10 --checkpoint c a.evlog -- sh -c 'touch began; sleep 30' 2>err 3>&- &
	until_ [ -e began ]
	kill $!
	sleep 0.2
	kill $!
	status=0
	wait $! || status=$?
	assert_equal "$status $(cat err)" "75 evrun: interrupted before the current batch was finished; it will be delivered again"
	refute [ -e c ]
}

@test "COMMAND dies with evrun" {
	numbered 3 | evappend a.evlog
	evrun a.evlog -- sh -c 'echo $$ >pid; exec sleep 30' 3>&- &
	until_ [ -s pid ]
	kill -9 $!
	until_ is_dead "$(cat pid)"
}

@test "a second consumer with the same checkpoint is refused with 75 while the first lives" {
	numbered 3 | evappend a.evlog
	evrun -f --batch 1 --checkpoint c a.evlog -- cat >out 3>&- &
	until_ bash -c '[ "$(jq .seq c)" = 3 ] && [ "$(wc -l <out)" = 3 ]'
	run -75 evrun --checkpoint c a.evlog -- cat
	assert_output --partial "another consumer"
	run -75 evrun --checkpoint c --reset-to 1 a.evlog
	evrun --status --checkpoint c a.evlog
	kill $!
	wait $!
	evrun --checkpoint c a.evlog -- cat
}

@test "-f goes on as events come; --linger fills batches" {
	evappend a.evlog </dev/null
	evrun -f --linger 2000 --batch 6 --checkpoint c a.evlog -- sh -c \
		'echo $EVLOG_COUNT >>counts' 3>&- &
	for i in 1 2 3 4 5 6; do
		numbered 1 $i | evappend a.evlog
	done
	until_ bash -c '[ "$(jq .seq c 2>/dev/null)" = 6 ]'
	assert_equal "$(cat counts)" 6
	kill $!
	wait $!
	evrun -f --checkpoint c a.evlog -- sh -c 'echo $EVLOG_COUNT >>counts' 3>&- &
	numbered 1 7 | evappend a.evlog
	until_ bash -c '[ "$(jq .seq c 2>/dev/null)" = 7 ]'
	numbered 1 8 | evappend a.evlog
	until_ bash -c '[ "$(jq .seq c 2>/dev/null)" = 8 ]'
	kill $!
	wait $!
	assert_equal "$(xargs <counts)" "6 1 1"
}

@test "damage: what stands before it is dealt with, the checkpoint says so, 65" {
	numbered 10 | evappend a.evlog
	numbered 10 11 | evappend a.evlog
	numbered 10 21 | evappend a.evlog
	size=$(stat -c %s a.evlog/0*.zst)
	damage "$(echo a.evlog/0*.zst)" $((size / 2))
	run -65 --separate-stderr evrun --checkpoint c a.evlog -- jq .data.n
	assert_equal "$output" "$(seq 10)"
	assert_equal "$(seq_of c)" 10
}

# ---- Several consumers at once ----

@test "-j: all events once, those of a subject in order" {
	numbered 5000 | evappend a.evlog
	evrun -j 4 --batch 50 --checkpoint c a.evlog -- sh -c \
		'sleep 0.0$((EVLOG_FROM % 3)); flock out.lock sh -c "jq -r \"[.subject, .data.n] | @tsv\" >>out"'
	assert_equal "$(wc -l <out)" 5000
	for s in 0 1 2 3 4 5 6; do
		grep "^s$s" out | cut -f 2 | sort -nc
	done
	assert_equal "$(seq_of c)" 5000
}

@test "-j: the checkpoint is never past an event that was not dealt with" {
	numbered 2000 | evappend a.evlog
	run -1 evrun -j 3 --retry 0 --batch 20 --checkpoint c a.evlog -- sh -c \
		'cat >in.$$; ! grep -q "\"n\":1234}" in.$$ && jq .data.n in.$$ >>done'
	at=$(seq_of c)
	[ "$at" -lt 1234 ]
	seq "$at" | comm -23 <(seq "$at" | sort) <(sort -u done) | { ! grep .; }
	rm in.*
	evrun -j 3 --checkpoint c a.evlog -- jq .data.n >>done
	sort -nu done | cmp - <(seq 2000)
}

@test "--shard: parts that share nothing and lack nothing, stable, with checkpoints of their own" {
	numbered 700 | evappend a.evlog
	for i in 1 2 3; do
		evrun --shard $i/3 --key data.n --checkpoint c$i a.evlog -- \
			sh -c 'jq .data.n; echo $EVLOG_SHARD >shard' >part$i
		assert_equal "$(cat shard)" $i/3
		[ "$(wc -l <part$i)" -gt 150 ]
	done
	sort -n part? | cmp - <(seq 700)
	assert_equal "$(jq -r .part c2)" "2/3 data.n"
	run -76 evrun --shard 1/3 --key data.n --checkpoint c2 a.evlog -- true
	run -76 evrun --checkpoint c2 a.evlog -- true
	evrun --shard 2/3 -j 2 --key data.n a.evlog -- jq .data.n | sort -n | cmp - <(sort -n part2)
	for bad in 0/3 4/3 1 1/0 x/2 1/2x; do
		run -64 evrun --shard $bad a.evlog -- true
	done
	# the part of a key is a promise: evrun(1)
	run -0 bash -c "evrun --shard 1/2 a.evlog -- jq -r .subject | sort -u | xargs"
	assert_output "s1 s2 s3"
}

# ---- Which log and selection a checkpoint belongs to ----

@test "another selection, upcaster or key under one checkpoint is 76, until it is accepted" {
	numbered 20 | evappend a.evlog
	echo 'upcast.T1 = function(e) return e end' >u.lua
	echo 'upcast.T2 = function(e) return e end' >v.lua
	options=('' '-t T1' '-t T2' '-t T1 -t T2' '-F -t T1' '-s s1' '-s s1 -t T1' '--source /a' '--id 3' '--upcast u.lua'
		'--upcast v.lua' '-t T1 --upcast u.lua' '--key type' '-j 2 --key data.n')
	for i in "${!options[@]}"; do
		# the same, and others
		for away in 0 5 $([ "${SAN:-}" ] || echo 1 8); do
			was=${options[i]} is=${options[(i + away) % ${#options[@]}]}
			rm -f c
			# shellcheck disable=SC2086 # options are words
			run -0 evrun --checkpoint c --to 10 $was a.evlog -- true
			if [ "$was" = "$is" ]; then
				# shellcheck disable=SC2086
				run -0 evrun --checkpoint c $is a.evlog -- true
				continue
			fi
			# shellcheck disable=SC2086
			run -76 evrun --checkpoint c $is a.evlog -- true
			assert_output --partial "; use --accept-change to continue after event 10"
			assert_equal "$(seq_of c)" 10
			# shellcheck disable=SC2086
			run -0 evrun --checkpoint c --accept-change $is a.evlog -- true
			assert_equal "$(seq_of c)" 20
			# shellcheck disable=SC2086
			run -0 evrun --checkpoint c $is a.evlog -- true
		done
	done
}

@test "the order of -t and the like, bounds, batches and workers are no other selection" {
	numbered 20 | evappend a.evlog
	evrun --checkpoint c -t T1 -t T2 -s s1 -s s2 -s s1 --since 2020-01-01 --to 5 a.evlog -- true
	run -0 evrun --checkpoint c -t T2 -t T1 -s s2 -s s1 --since 2021-01-01 --batch 2 -j 3 --to 9 a.evlog -- true
	run -0 evrun --checkpoint c -t T2 -t T1 -s s2 -s s1 -E --since 2020-01-01 a.evlog -- true
	assert_equal "$(seq_of c)" 20
}

@test "an old checkpoint without a selection is accepted and completed; --reset-to keeps it" {
	numbered 20 | evappend a.evlog
	evrun --checkpoint c -t T1 --to 5 a.evlog -- true
	jq -c 'del(.selection)' c >old && cp old c
	run -0 evrun --checkpoint c -t T2 --to 5 a.evlog -- true
	assert_equal "$(jq -c .selection c)" '{"type":["T2"]}'
	run -0 evrun --checkpoint c --reset-to 3 a.evlog
	run -76 evrun --checkpoint c a.evlog -- true
	assert_output --partial 'c: the checkpoint is for {"type":["T2"]}, not for all events; use --accept-change'
	# more than a checkpoint should hold
	many=$(for i in $(seq 3000); do printf ' --id a%d' "$i"; done)
	# shellcheck disable=SC2086
	run -0 evrun --checkpoint d $many a.evlog -- true
	# shellcheck disable=SC2086
	run -0 evrun --checkpoint d $many a.evlog -- true
	# shellcheck disable=SC2086
	run -76 evrun --checkpoint d $many --id b a.evlog -- true
}

@test "-E --reset-to goes by the event's time, and a selection there is refused" {
	for t in 03 01 02; do
		printf '{"type":"T","time":"2026-11-%sT00:00:00Z"}\n' $t
	done | evappend a.evlog
	evrun --checkpoint c a.evlog -- true
	run -0 evrun --checkpoint c -E --reset-to 2026-11-03 a.evlog
	assert_output "the next event is now 1; it was 4"
	run -0 evrun --checkpoint c -E --reset-to 2026-11-04 a.evlog
	assert_output "the next event is now 4; it was 1"
	run -0 evrun --checkpoint c --reset-to 2026-11-04 a.evlog
	assert_output "the next event is now 1; it was 4"
	run -64 evrun --checkpoint c -E --reset-to 2 a.evlog
	for option in '-t T' '-s x' '--source x' '--id x' '-w x' '--from 2' '--to 2' '-n 1' '-c 1' '-f' '-m' '--since 2020-01-01' \
		'-j 2' '--batch 2' '--linger 1' '--retry 1' '--backoff 1s' '--timeout 1s' '--emit x' '--dead-letter x' \
		'--key type' '--shard 1/2' '--accept-change' '--upcast u.lua' '--dead-letters' '--dry-run' '--no-index' \
		'--await 1' '--reset-to 1' '-F'; do
		echo 'upcast.T = function(e) return e end' >u.lua
		# shellcheck disable=SC2086
		run -64 evrun --checkpoint c --status $option a.evlog
		# shellcheck disable=SC2086
		[ "$option" = '--timeout 1s' ] || run -64 evrun --checkpoint c --await 2 $option a.evlog
	done
	for option in '-o json' '-o text' '--status -o xml' '--dry-run'; do
		# shellcheck disable=SC2086
		run -64 evrun --checkpoint c $option a.evlog
	done
	run -64 evrun --checkpoint c --reset-to 1 -o json a.evlog
	run -64 evrun --checkpoint c --reset-to end -E a.evlog
	for aside in '-- true' '--reset-to end'; do
		# shellcheck disable=SC2086
		run -64 evrun --checkpoint sqlite:t.db a.evlog $aside
	done
	run -64 evrun --await 1 a.evlog
	run -64 evrun --await 1 --checkpoint c a.evlog b.evlog
}

@test "--reset-to end: only what is appended from now on" {
	numbered 10 | evappend a.evlog
	run -0 evrun --checkpoint c --reset-to end a.evlog
	assert_output "the next event is now 11; it was 1"
	evrun --checkpoint c a.evlog -- false
	numbered 2 | evappend a.evlog
	evrun --checkpoint c a.evlog -- jq .data.n | cmp - <(seq 2)
	evrun --checkpoint c --to 3 --reset-to 1 a.evlog && fail "--to had no effect"
	evappend e.evlog </dev/null
	run -0 evrun --checkpoint d --reset-to end --dry-run e.evlog
	assert_output "the next event would be 1; it is 1"
}

@test "--await: until a consumer or a table is there, or 75" {
	numbered 10 | evappend a.evlog
	numbered 9 20 | evappend b.evlog
	run -75 evrun --await 1 --timeout 50ms --checkpoint c a.evlog
	assert_output "evrun: c: the checkpoint does not exist or is still empty"
	evrun --to 4 --checkpoint c a.evlog -- true
	run -0 evrun --await 4 --timeout 50ms --checkpoint c a.evlog
	run -75 evrun --await 5 --timeout 50ms --checkpoint c a.evlog
	assert_output "evrun: c: still at event 4"
	run -75 evrun --await 11 --timeout 50ms --checkpoint c a.evlog
	assert_output "evrun: a.evlog: event 11 has not been appended yet"
	run -75 timeout 5 evrun --await 5 --timeout 0s --checkpoint c a.evlog
	run -76 evrun --await 4 --checkpoint c b.evlog
	run -66 evrun --await 4 --checkpoint c none.evlog
	(sleep 0.3 && numbered 1 | evappend a.evlog && evrun --checkpoint c a.evlog -- true) 3>&- &
	run -0 evrun --await 11 --checkpoint c a.evlog
	wait
	run -75 evrun --await 1 --timeout 50ms --checkpoint sqlite:t.db a.evlog
	assert_output "evrun: t.db: there is no table state of evfold yet"
	evcat --to 4 a.evlog | evappend --replica part.evlog
	evfold -k subject -o sqlite:t.db n='count()' part.evlog
	run -75 evrun --await 1 --timeout 50ms --checkpoint sqlite:t.db:other a.evlog
	run -75 evrun --await 5 --timeout 50ms --checkpoint sqlite:t.db a.evlog
	assert_output "evrun: sqlite:t.db: still at event 4"
	run -0 evrun --await 4 --timeout 50ms --checkpoint sqlite:t.db a.evlog
	run -76 evrun --await 4 --checkpoint sqlite:t.db b.evlog
	run -0 evrun --status --checkpoint sqlite:t.db:state a.evlog
	assert_output --regexp '^at event 4 of 11, 7 behind, the oldest of them [0-9.]+ s old$'
	evrun --status -o json --checkpoint sqlite:t.db a.evlog | jq -e '[.seq, .lag.events, has("written")] == [4, 7, false]'
	# a table of a file or a pipe has a seq, but no place in any log
	evcat a.evlog >file
	evfold -k subject -o sqlite:f.db n='count()' file
	for aside in '--await 1' --status; do
		# shellcheck disable=SC2086
		run -76 evrun $aside --checkpoint sqlite:f.db a.evlog
		assert_output "evrun: f.db: the table state was not folded from a log directory, so that it has no place in a.evlog"
	done
	# whoever holds the database does not make it wait longer than asked
	sqlite3 t.db 'PRAGMA journal_mode = DELETE'
	(echo 'begin exclusive;'; sleep 3; echo 'commit;') | sqlite3 t.db 3>&- &
	sleep 0.3
	run -75 timeout 2 evrun --await 4 --timeout 300ms --checkpoint sqlite:t.db a.evlog
	wait
	run -0 evrun --await 4 --timeout 300ms --checkpoint sqlite:t.db a.evlog
	# a writer was killed, and left a journal
	python3 - <<-'END' || :
		import os, sqlite3
		db = sqlite3.connect("t.db", isolation_level=None)
		db.execute("PRAGMA journal_mode = DELETE")
		db.execute("PRAGMA cache_size = 1")
		db.execute("BEGIN")
		db.execute("CREATE TABLE big (x)")
		for n in range(2000):
		    db.execute("INSERT INTO big VALUES (?)", ("x" * 1000,))
		os.kill(os.getpid(), 9)
	END
	run -0 evrun --await 4 --timeout 300ms --checkpoint sqlite:t.db a.evlog
	run -74 evrun --status --checkpoint sqlite:a.evlog a.evlog
	assert_output "evrun: a.evlog: unable to open database file"
	echo no database >junk.db
	run -65 evrun --await 4 --checkpoint sqlite:junk.db a.evlog
}

# ---- Workers ----

@test "-j 8 --batch 1: no worker waits for another one's turn" {
	numbered 64 | sed 's/"s[0-9]"/"k&/; s/"k"s\([0-9]\)".*"id":"\([0-9]*\)"/"k\2","id":"\2"/' | evappend a.evlog
	[ "$(evcat a.evlog | jq -r .subject | sort -u | wc -l)" -eq 64 ]
	# each run waits until six are at work, so that fewer at once never end
	cat >wait.sh <<-'SH'
		mkdir -p at && touch "at/$EVLOG_FROM"
		for i in $(seq 200); do
			[ "$(ls at | wc -l)" -lt 6 ] && [ ! -e enough ] || { touch enough; rm "at/$EVLOG_FROM"; exit 0; }
			sleep 0.05
		done
		exit 1
	SH
	run -0 evrun --retry 0 -j 8 --batch 1 --checkpoint c a.evlog -- sh wait.sh
	[ -e enough ]
	assert_equal "$(seq_of c)" 64
}

@test "a part with more events than a batch is dealt with batch by batch" {
	for i in {1..50}; do echo '{"type":"T","subject":"one","data":'"$i"'}'; done | evappend a.evlog
	evrun -j 4 --batch 3 --checkpoint c a.evlog -- sh -c 'echo $EVLOG_COUNT >>counts; cat >>all'
	cmp all <(evcat a.evlog)
	[ "$(sort -n counts | tail -n 1)" -eq 3 ]
	[ "$(wc -l <counts)" -le 20 ]
}

@test "with workers the checkpoint moves up to the first event that is not done" {
	numbered 40 | evappend a.evlog
	# rounds are of 4 events: that from 21 on is never done, as event 23 hangs
	evrun --retry 0 -j 4 --batch 1 --checkpoint c a.evlog -- sh -c '
		grep -q "\"n\":23}" && exec sleep 60; exit 0' &
	pid=$!
	until_ sh -c 'n=$(jq .seq c) && [ "${n:-0}" -ge 21 ]' 2>/dev/null
	kill -9 $pid
	[ "$(seq_of c)" -lt 23 ]
	run -0 evrun -j 4 --batch 10 --checkpoint c a.evlog -- sh -c 'cat >>rest'
	assert_equal "$(seq_of c)" 40
	for n in $(seq 23 40); do grep -q "\"n\":$n}" rest || fail "$n"; done
}

# ---- How a command ends, and what it prints ----

@test "SIGCHLD ignored by whoever starts evrun hides nothing" {
	numbered 5 | evappend a.evlog
	ignoring() { python3 -c 'import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execvp(sys.argv[1], sys.argv[1:])' "$@"; }
	run -0 ignoring evrun --checkpoint c --dead-letter d.evlog a.evlog -- sh -c 'cat >got'
	assert_equal "$(wc -l <got)" 5
	[ "$(evcat d.evlog | wc -l)" -eq 0 ]
	run -1 ignoring evrun --retry 0 a.evlog -- sh -c 'exit 3'
	assert_output --partial "exit status 3"
	run -0 ignoring evappend --replica b.evlog -- evcat a.evlog
	[ "$(evcat b.evlog | wc -l)" -eq 5 ]
}

@test "--timeout holds while the command chatters, and while stderr takes nothing" {
	echo '{"type":"T"}' | evappend a.evlog
	for command in 'yes >&2' 'yes >&2 & sleep 60' 'trap "" TERM; yes >&2'; do
		for err in /dev/null pipe; do
			rm -rf c d.evlog pipe
			mkfifo pipe
			sleep 60 <>pipe & # keeps it open without reading
			holder=$!
			status=0
			timeout -k 1 20 evrun -q --retry 0 --timeout 300ms --checkpoint c --dead-letter d.evlog a.evlog \
				-- sh -c "$command" 2>$err || status=$?
			kill $holder
			[ "$status" -eq 0 ] || fail "$command, stderr $err: $status"
			assert_equal "$(evcat d.evlog | jq -r .data.reason)" "timed out"
			evcat d.evlog | jq -e '.data.stderr | test("y\ny\n")'
		done
	done
}

@test "jq as the manual writes it fails where an event in the middle of a batch does" {
	printf '{"type":"T","data":%s}\n' 1 '"x"' 3 | evappend a.evlog
	run -1 evrun --retry 0 --checkpoint c a.evlog -- jq -n 'inputs | .data + 1'
	assert_output --partial "exit status 5, at event 2"
	assert_equal "$(seq_of c)" 1
	run -1 evrun --retry 0 --checkpoint d --emit b.evlog a.evlog -- jq -nc 'inputs | {type: "B", data: (.data + 1)}'
	assert_equal "$(seq_of d)" 1
}

# Rules that turn each event into two, whose subjects are s and more; the COMMAND `except`
# fails at a batch with a line that matches its argument, and otherwise keeps it in `got`.
doubled() {
	echo 'upcast["*"] = function(e)
		return {e, {type = "More", subject = "more", data = e.data}}
	end' >u.lua
	printf '#!/bin/sh\ncat >part.$$; grep -q "$1" part.$$ && exit 1; cat part.$$ >>got\n' >except
	chmod +x except
}

@test "no event is lost between a map and dead letters, whatever the input is" {
	numbered 3000 | evappend a.evlog
	doubled
	evcat a.evlog >all
	mkfifo fifo
	for input in a.evlog all - fifo; do
		rm -rf dead.evlog got
		[ $input != fifo ] || cat all >fifo &
		run -0 --separate-stderr evrun --upcast u.lua --batch 100 --retry 0 \
			--dead-letter dead.evlog $input -- ./except '"n":150}' < <(cat all)
		assert_equal "$stderr" "evrun: 1 event could not be processed; see dead.evlog"
		jq .data.n got | cmp - <(seq 3000 | grep -vx 150 | sed p)
		evcat -o data dead.evlog | jq -c .event | cmp - <(sed -n 150p all)
	done
}

@test "a dead letter has its own event, even if others have the same seq" {
	for log in a b; do
		numbered 5 $([ $log = a ] || echo 100) | evappend $log.evlog
	done
	cat <(evcat a.evlog) <(evcat b.evlog) >both
	doubled
	run -0 evrun -q --upcast u.lua --retry 0 --dead-letter dead.evlog both -- ./except '"n":102}'
	evcat -o data dead.evlog | jq -c .event | cmp - <(evcat --from 3 -c 1 b.evlog)
	jq .data.n got | cmp - <(printf '%d\n' 1 2 3 4 5 100 101 103 104 | sed p)
}

@test "events of different logs are different events, even if they have the same seq" {
	numbered 5 | evappend a.evlog
	numbered 5 100 | evappend b.evlog
	doubled
	for map in "" "--upcast u.lua"; do
		for input in "-m a.evlog b.evlog" "-m -j 3 a.evlog b.evlog" -; do
			rm -rf dead.evlog
			# shellcheck disable=SC2086 # words
			run -0 evrun -q --retry 0 --batch 1 $map --dead-letter dead.evlog $input -- \
				sh -c '[ $(jq .data.n | sort -u | wc -l) = 1 ] && exit 1; echo "several at once"' \
				< <(paste -d '\n' <(evcat a.evlog) <(evcat b.evlog))
			assert_output ""
			evcat -o data dead.evlog | jq .event.data.n | sort -n | cmp - <(seq 5; seq 100 104)
			evreplay --dead-letters dead.evlog | wc -l | cmp - <(echo 10)
		done
	done
}

@test "an event that becomes lines of different keys has one dead letter" {
	numbered 20 | evappend a.evlog
	doubled
	run -0 evrun -q --upcast u.lua -j 4 --retry 0 --dead-letter dead.evlog a.evlog -- \
		./except '"n":7}'
	evcat -o data dead.evlog | jq .event.data.n | cmp - <(echo 7)
}

@test "a dead letter of an event from a dead letter has that event, not the letter" {
	numbered 3 | evappend a.evlog
	evrun -q --retry 0 --dead-letter one.evlog a.evlog -- false
	evrun -q --retry 0 --dead-letter two.evlog --dead-letters one.evlog -- false
	diff <(evreplay --dead-letters two.evlog | jq 'del(.logtime)') <(evreplay --dead-letters one.evlog | jq 'del(.logtime)')
	doubled
	rm -r two.evlog
	evrun -q --retry 0 --dead-letter two.evlog --dead-letters --upcast u.lua one.evlog -- false
	diff <(evreplay --dead-letters two.evlog | jq 'del(.logtime)') <(evreplay --dead-letters one.evlog | jq 'del(.logtime)')
}

@test "a letter without an event, only a line, counts as what it is in its own log" {
	numbered 300 | evappend a.evlog
	deep=$(printf '%0511d' 0 | tr 0 '[')$(printf '%0511d' 0 | tr 0 ']')
	for i in 1 2; do echo "{\"type\":\"t\",\"data\":$deep}"; done | evappend a.evlog
	evrun -q --from 301 --retry 0 --dead-letter dead.evlog a.evlog -- false
	evcat -o data dead.evlog | jq -e .line
	run -1 evrun --dead-letters --batch 1 --checkpoint c dead.evlog -- sh -c '[ $EVLOG_FROM = 1 ]'
	assert_output --partial "at event 2"
	assert_equal "$(seq_of c)" 1
}

@test "selections apply to what an event has become; --count counts that" {
	numbered 100 | evappend a.evlog
	doubled
	evrun --upcast u.lua -t More --from 11 -c 20 a.evlog -- cat |
		cmp - <(evcat --upcast u.lua -t More --from 11 -c 20 a.evlog)
	evrun --upcast u.lua -c 5 --batch 1 a.evlog -- cat | cmp - <(evcat --upcast u.lua -c 5 a.evlog)
	echo 'upcast["*"] = function(e) e.time = "2030-01-01T00:00:00Z"; return e end' >t.lua
	evrun --upcast t.lua -E --since 2030-01-01 -s s3 a.evlog -- jq .data.n |
		cmp - <(evcat -s s3 a.evlog | jq .data.n)
	run -64 evrun --upcast u.lua -n 5 a.evlog -- cat
	assert_output --partial "--last cannot be combined with"
	run -64 evrun --dead-letters -n 5 a.evlog -- cat
}

@test "slow rules that drop everything hold up neither the checkpoint nor a signal" {
	numbered 5000 | evappend a.evlog
	echo 'upcast["*"] = function(e) local n = 0; for i = 1, 200000 do n = n + i % 7 end end' >slow.lua
	run -137 timeout --foreground -s KILL 2 evrun --upcast slow.lua --checkpoint c a.evlog -- false
	[ "$(seq_of c)" -gt 0 ]
	[ "$(seq_of c)" -lt 5000 ]
	run -0 timeout --preserve-status -k 2 1 evrun --upcast slow.lua --checkpoint c a.evlog -- false
}

@test "a letter is appended once, though the checkpoint was reset, then lost, and the next run killed" {
	numbered 5 | evappend a.evlog
	evrun --checkpoint c --reset-to 1 a.evlog
	cat >fails <<-'E'
		#!/bin/sh
		grep -q '"n":3}' && exit 1
		[ $EVLOG_FROM != 2 ] || ! [ -e kill ] || { rm kill; kill -9 $PPID; sleep 10; }
	E
	chmod +x fails
	evrun -q --batch 1 --retry 0 --checkpoint c --dead-letter dead.evlog a.evlog -- ./fails
	rm c
	touch kill
	run evrun -q --batch 1 --retry 0 --checkpoint c --dead-letter dead.evlog a.evlog -- ./fails
	assert_equal "$(seq_of c)" 1
	evrun -q --batch 1 --retry 0 --checkpoint c --dead-letter dead.evlog a.evlog -- ./fails
	assert_equal "$(seq_of c)" 5
	assert_equal "$(evcat dead.evlog | wc -l)" 1
}

@test "an event that fits into no dead letter stops the consumer, which never passes it" {
	{
		numbered 3
		printf '{"type":"big","id":"4","data":"%s"}\n' "$(head -c 67108700 /dev/zero | tr '\0' x)"
		numbered 3 5
	} | evappend --max-line 70M a.evlog
	for batch in 1 2 100; do
		rm -rf c runs
		run -1 evrun --max-line 70M --batch $batch --retry 0 --checkpoint c --dead-letter dead.evlog \
			a.evlog -- sh -c 'echo run >>runs; cat >part; ! grep -q big part'
		assert_output "evrun: sh: exit status 1, at event 4, which is too large for a dead letter; to skip it, use --reset-to 5"
		assert_equal "$(seq_of c)" 3
		[ $batch != 1 ] || assert_equal "$(wc -l <runs)" 4
		assert_equal "$(evcat dead.evlog)" ""
	done
	evrun --checkpoint c --reset-to 5 --max-line 70M a.evlog
	evrun --max-line 70M --checkpoint c a.evlog -- jq .data.n | cmp - <(seq 5 7)
}

@test "-j: all events before the one that fails are processed" {
	printf '{"type":"T","subject":"slow","data":%d}\n' 1 2 3 4 | evappend b.evlog
	echo '{"type":"T","subject":"other","data":5}' | evappend b.evlog
	run -1 evrun -j 2 --batch 1 --retry 0 --checkpoint c b.evlog -- sh -c 'n=$(jq .data); [ $n != 5 ] && sleep 0.1 && echo $n'
	assert_output "$(seq 4)
evrun: sh: exit status 1, at event 5"
	assert_equal "$(seq_of c)" 4
	numbered 60 | evappend a.evlog
	cat >fails <<-'E'
		#!/bin/sh
		n=$(jq -s '.[-1].data.n')
		[ $n = 30 ] && exit 1
		sleep 0.03
		[ $n = "$1" ] && exit 1
		echo $n >>done
		echo "{\"type\":\"Out\",\"data\":$n}"
	E
	chmod +x fails
	for other in 0 23; do
		first=$((other ? other : 30))
		for emit in "" "--emit out.evlog"; do
			rm -rf c done out.evlog
			# shellcheck disable=SC2086 # words
			run -1 evrun -j 4 --batch 1 --retry 0 --checkpoint c $emit a.evlog -- ./fails $other
			assert_output --partial "exit status 1, at event $first"
			seq $((first - 1)) | cmp - <(sort -nu done | head -n $((first - 1)))
			[ "$emit" ] || [ "$(wc -l <done)" -lt 50 ]
			[ -z "$emit" ] || evcat -o data out.evlog | sort -n | cmp - <(seq $((first - 1)))
			assert_equal "$(seq_of c)" $((first - 1))
		done
	done
}

@test "-j: status 75 ends it without more runs" {
	numbered 60 | evappend a.evlog
	run -75 evrun -j 4 --batch 1 --retry 0 --checkpoint c a.evlog -- sh -c \
		'grep -q "\"n\":10}" && exit 75; sleep 0.1; echo run >>runs'
	[ "$(wc -l <runs)" -lt 20 ]
}

@test "--dead-letters: what is no letter is an error, after the letters before it" {
	while read -r data; do
		printf '{"type":"L","data":{"event":{"type":"A"}}}\n{"type":"L"%s}\n' "${data:+,\"data\":$data}" >letters
		run -65 --separate-stderr evreplay -q --dead-letters letters
		assert_output '{"type":"A"}'
		assert_equal "$stderr" "evreplay: event 0: not a dead letter: there is no event in its data"
	done <<-'EOF'

		[]
		{}
		{"event":1}
		{"event":"{}"}
		{"line":1}
		{"line":"*"}
		{"line":"YQ"}
		{"line":"YQpi"}
	EOF
	# a line that could not be parsed is delivered as it was
	echo '{"type":"L","data":{"line":"bm8ganNvbg=="}}' >letters
	run -0 evreplay -q --dead-letters letters
	assert_output "no json"
}

@test "-j: keys are divided evenly, and stay with a worker only while it has them" {
	# of so many events in rounds of so many, how many each worker has
	for n in {1..24}; do echo "{\"type\":\"T\",\"subject\":\"k$n\"}"; done | evappend a.evlog
	evrun -j 8 --batch 1 a.evlog -- sh -c 'cat >/dev/null; echo $EVLOG_WORKER' | sort -n | uniq -c >counts
	awk '{ print $1 }' counts | cmp - <(printf '3\n%.0s' {1..8})
	# one key has half of all events: the other worker has the rest
	for n in {1..200}; do echo "{\"type\":\"T\",\"subject\":\"$((n % 2 ? 0 : n))\"}"; done | evappend b.evlog
	evrun -j 2 --batch 5 b.evlog -- sh -c 'jq -r .subject | sed "s/^/$EVLOG_WORKER /"' |
		awk '{ n[$1 " " ($2 == 0)]++ } END { for (k in n) print k, n[k] }' | sort | cmp - <(printf '1 1 100\n2 0 100\n')
}

@test "-j: rounds that become free at the same time are filled at once" {
	# an event that takes long, and three rounds of the other worker
	for _ in $(seq 20); do
		echo '{"type":"Slow","subject":"slow"}'
		for _ in $(seq 59); do echo '{"type":"T","subject":"other"}'; done
	done | evappend a.evlog
	run -0 timeout 8 evrun -j 2 --batch 10 a.evlog -- sh -c 'grep -q Slow && sleep 0.1; true'
}

@test "--key subject is the default, in checkpoints of all versions" {
	numbered 20 | evappend a.evlog
	evrun --checkpoint new -t T1 --to 10 a.evlog -- true
	evrun --checkpoint long -F $(printf -- '-t %04000d ' 1 2) --to 10 a.evlog -- true
	for key in "" "--key subject" "--key /subject"; do
		# as versions before 0.1.0 recorded it
		for old in '"type":["T1"]' '"type":["T1"],"key":"subject"' '"type":["T1"],"key":"/subject"'; do
			sed "s|\"selection\":{.*}|\"selection\":{$old}|" new >c
			grep -qF "$old}" c
			# shellcheck disable=SC2086 # words
			run -0 evrun --checkpoint c -t T1 $key a.evlog -- true
			assert_equal "$(seq_of c)" 20
			assert_equal "$(jq -c .selection c)" '{"type":["T1"]}'
		done
		cp long c
		# shellcheck disable=SC2046,SC2086
		run -0 evrun --checkpoint c -F $(printf -- '-t %04000d ' 1 2) $key a.evlog -- true
	done
	cp new c
	run -76 evrun --checkpoint c -t T1 --key type a.evlog -- true
}

@test "events that have been removed from a log: a consumer is told, or refused if it needs them" {
	seq 60 | sed 's/.*/{"type":"N","data":&}/' | evappend -q whole.evlog
	evcat -o zst --from 31 whole.evlog | evappend -q --replica trimmed.evlog
	run -0 --separate-stderr evrun --checkpoint new trimmed.evlog -- jq -c .data
	assert_equal "$output" "$(seq 31 60)"
	assert_equal "$stderr" "evrun: trimmed.evlog: begins with event 31; those before it have been removed"
	local at removed
	for at in 1 10 29; do
		removed="events $((at + 1)) to 30 have been removed"
		[ $at != 29 ] || removed="event 30 has been removed"
		evrun -q --checkpoint p$at --to $at whole.evlog -- cat >/dev/null
		run -76 evrun --checkpoint p$at trimmed.evlog -- cat
		assert_output "evrun: trimmed.evlog: begins with event 31; $removed"
	done
	for at in 30 31 45; do
		evrun -q --checkpoint p$at --to $at whole.evlog -- cat >/dev/null
		run -0 evrun --checkpoint p$at trimmed.evlog -- jq -c .data
		assert_output "$(seq $((at + 1)) 60)"
	done
}

@test "--reset-to before the first event that a log has kept is refused" {
	cp -r "$BATS_TEST_DIRNAME/golden/1.0/trimmed.evlog" t.evlog
	first=$(evcat -c 1 t.evlog 2>/dev/null | cut -c 9-24 | sed 's/^0*//')
	run -64 evrun --checkpoint c --reset-to $((first - 1)) t.evlog
	assert_output "evrun: --reset-to $((first - 1)): the log begins with event $first; those before it have been removed"
	run -0 evrun --checkpoint c --reset-to $first t.evlog
	run -0 evrun -c 1 t.evlog -- cat
}

@test "a rule that cannot go on ends a consumer after the events before it" {
	numbered 6 | evappend a.evlog
	cat >u.lua <<-'END'
		local seen = 0
		upcast["*"] = function(e)
		    if e.data.n == 4 then seen = seen + 1 end
		    return e
		end
	END
	run -65 --separate-stderr evrun --checkpoint c --upcast u.lua a.evlog -- jq .data.n
	assert_output "$(seq 3)"
	[[ $stderr == *"'seen', defined outside of the functions, has changed"* ]]
	run -0 evrun --status --checkpoint c a.evlog
	assert_output --partial "at event 3 of 6"
}
