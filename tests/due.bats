# evdue: events that wait for their due times, and those that cancel them.
load common
setup() { common_setup; }

# in_ SECONDS: that moment, from now
in_() { date -u -d "@$(awk -v now="$(date +%s.%N)" -v s="$1" 'BEGIN { printf "%.6f", now + s }')" +%Y-%m-%dT%H:%M:%S.%6NZ; }
# after TIME: sleeps until that moment, and a little longer
after() { sleep "$(awk -v now="$(date +%s.%N)" -v then="$(date -d "$1" +%s.%N)" 'BEGIN { d = then - now + 0.1; print d < 0 ? 0 : d }')"; }
ids() { jq -r .id | paste -sd ' ' -; }
past=2020-01-01T00:00:00Z
future=2200-01-01T00:00:00Z

@test "what is due is delivered without stamp and due, with an id and causes of its own" {
	evappend a.evlog <<-END
		{"type":"A","id":"a","due":"$past","subject":"s","data":{"due":1,"id":[2]},"x":"y"}
		{"type":"B","id":"b\"\\\\","due":"2020-01-01T00:00:00+01:00","correlationid":"c","causationid":"d"}
		{"type":"C","id":"c","due":"$future"}
		{"type":"D","id":"d"}
	END
	run -0 evdue a.evlog
	assert_output '{"id":"b\"\\/due","causationid":"b\"\\","specversion":"1.0","source":"/a","type":"B","correlationid":"c"}
{"id":"a/due","causationid":"a","correlationid":"a","specversion":"1.0","source":"/a","type":"A","subject":"s","data":{"due":1,"id":[2]},"x":"y"}'
	evdue a.evlog | evappend b.evlog
	run -0 evdue b.evlog
	assert_output ""
	assert_equal "$(evcat b.evlog | ids)" 'b"\/due a/due'
	# what waits, as it is stored, and in that order
	evdue --list a.evlog | cmp - <(evcat --from 2 --to 2 a.evlog; evcat --to 1 a.evlog; evcat --from 3 --to 3 a.evlog)
}

@test "a correlationid that is no text is replaced" {
	local c
	for c in 5 null true; do
		rm -rf a.evlog
		echo "{\"type\":\"A\",\"id\":\"a\",\"due\":\"$past\",\"correlationid\":$c}" | evappend a.evlog
		evdue --emit a.evlog a.evlog
		run -0 evcat -n 1 -o pretty a.evlog
		assert_equal "$(grep -c correlationid <<<"$output")" 1
		assert_line --partial '"correlationid": "a"'
	done
}

@test "the moments at which events are due" {
	local due want
	while IFS=$'\t' read -r due want; do
		rm -rf a.evlog
		printf '{"type":"A","id":"a","due":%s}\n' "$due" | evappend a.evlog
		case $want in
		now) run -0 --separate-stderr evdue a.evlog && [ "$(ids <<<"$output")" = a/due ] ;;
		later) run -0 --separate-stderr evdue a.evlog && [ "$output$stderr" = "" ] && [ "$(evdue --list a.evlog | ids)" = a ] ;;
		none) run -0 --separate-stderr evdue a.evlog && [ "$output$stderr" = "" ] && [ "$(evdue --list a.evlog)" = "" ] ;;
		never)
			run -65 --separate-stderr evdue a.evlog
			[ "$output" = "" ] && [[ $stderr == *"a.evlog: event 1 is never delivered: its due is not a time"* ]]
			run -65 evdue -q --list a.evlog
			assert_output ""
			;;
		esac || fail "$due: $want"
	done <<-END
		"$past"	now
		"1969-12-31T23:59:59.9Z"	now
		"0001-01-01T00:00:00Z"	now
		"2016-12-31t23:59:60z"	now
		"$future"	later
		"2199-12-31T23:00:00-01:00"	later
		"9999-12-31T23:59:59.9999999Z"	later
		null	none
		"2020-01-01"	never
		"yesterday"	never
		"2020-01-01 00:00:00Z"	never
		"2020-02-30T00:00:00Z"	never
		1577836800	never
		true	never
		"-"	never
	END
}

@test "an event that cancels another before its time takes it out, however late evdue runs" {
	# first what waits, then what cancels it
	local name waits cancels want
	while IFS='|' read -r name waits cancels want; do
		rm -rf a.evlog
		due=$(in_ 4)
		{ echo "${waits//SOON/$due}"; echo "$cancels"; } | evappend a.evlog
		[[ $waits != *SOON* ]] || after "$due"
		assert_equal "$name: $(evdue a.evlog | ids)" "$name: $want"
		assert_equal "$name: $(evdue --no-index a.evlog | ids)" "$name: $want"
		evdue --emit out.evlog --name "$name" a.evlog || [ "$name $?" = "number 65" ]
		assert_equal "$name: $(evcat -t "${name//[^a-z]/}" out.evlog | ids)" "$name: $want"
	done <<-END
		before|{"type":"before","id":"a","due":"SOON"}|{"type":"C","cancels":"a"}|
		escaped|{"type":"escaped","id":"\\u0061","due":"SOON"}|{"type":"C","cancels":"\\u0061"}|
		another|{"type":"another","id":"a","due":"$past"}|{"type":"C","cancels":"b"}|a/due
		late|{"type":"late","id":"a","due":"$past"}|{"type":"C","cancels":"a"}|a/due
		number|{"type":"number","id":"1","due":"$past"}|{"type":"C","cancels":1}|1/due
	END
	# two of that id; one that cancels and waits itself; one that cancels what comes later
	due=$(in_ 4)
	evappend b.evlog <<-END
		{"type":"C","cancels":"z"}
		{"type":"A","id":"x","due":"$due"}
		{"type":"A","id":"x","source":"/other","due":"$due"}
		{"type":"A","id":"y","due":"$due","cancels":"x"}
		{"type":"A","id":"z","due":"$due"}
	END
	after "$due"
	assert_equal "$(evdue b.evlog | ids)" "y/due z/due"
}

@test "to the microsecond: later digits round up, and a cancel at the very moment is too late" {
	printf '{"type":"A","id":"a","due":"2200-01-01T00:00:00.%s"}\n' 0000001Z 000001Z 00000100Z 0000009999Z | evappend r.evlog
	evdue --checkpoint c r.evlog
	assert_equal "$(sqlite3 c 'SELECT due % 1000000 FROM evlog_timers ORDER BY seq' | paste -sd ' ' -)" "1 1 1 1"
	stamped() { echo "{\"seq\":\"000000000000000$1\",\"logtime\":\"2026-11-01T00:00:0$2Z\",\"specversion\":\"1.0\",\"source\":\"/x\",\"type\":\"A\",\"id\":\"$3\",$4}"; }
	{
		stamped 1 1.000000 a '"due":"2026-11-01T00:00:02Z"'
		stamped 2 1.000000 b '"due":"2026-11-01T00:00:02.0000001Z"'
		stamped 3 2.000000 c '"cancels":"a"'
		stamped 4 2.000000 d '"cancels":"b"'
	} | evappend --replica a.evlog
	assert_equal "$(evdue a.evlog | ids)" a/due
}

@test "more late events than one step delivers: each once, whatever is killed between steps" {
	echo '{"type":"A","id":"x","due":"2024-01-01T00:00:00Z"}' | evappend a.evlog
	evdue --emit out.evlog --checkpoint c a.evlog
	seq 25000 | sed 's/.*/{"type":"A","id":"&","due":"2023-01-01T00:00:00Z"}/' | evappend a.evlog
	for keep in yes no; do
		cp -r out.evlog "$keep.evlog"
		cp c "c.$keep"
		evdue --emit "$keep.evlog" --checkpoint "c.$keep" a.evlog &
		until [ "$(evcat "$keep.evlog" | wc -l)" -gt 1 ]; do :; done
		kill -9 $! 2>/dev/null || true
		wait $! || true
		[ $keep = yes ] || rm "c.$keep"* # a cache, which is made again
		evdue --emit "$keep.evlog" --checkpoint "c.$keep" a.evlog
		evcat "$keep.evlog" | ids | tr ' ' '\n' | tail -n +2 | cmp - <(seq 25000 | sed 's,$,/due,')
	done
}

@test "--emit: each exactly once, in the order of due times, whatever is run again" {
	for i in 5 3 4 1 2; do echo "{\"type\":\"A\",\"id\":\"$i\",\"due\":\"202$i-01-01T00:00:00Z\"}"; done | evappend a.evlog
	for i in 1 2 3; do
		run -0 evdue --emit out.evlog a.evlog
		assert_output ""
		assert_equal "$(evcat out.evlog | ids)" "1/due 2/due 3/due 4/due 5/due"
	done
	# what comes later, and was due before
	echo "{\"type\":\"A\",\"id\":\"6\",\"due\":\"$past\"}" | evappend a.evlog
	evdue -v --emit out.evlog a.evlog 2>err
	assert_equal "$(cat err)" "evdue: 1 event delivered"
	# another name is another cursor
	evdue --emit out.evlog --name second a.evlog
	assert_equal "$(evcat out.evlog | wc -l)" 12
	# into the log itself
	evdue --emit a.evlog a.evlog
	evdue --emit a.evlog a.evlog
	assert_equal "$(evcat --from 7 a.evlog | ids)" "6/due 1/due 2/due 3/due 4/due 5/due"
	# a checkpoint is a cache
	for i in 7 8; do
		echo "{\"type\":\"A\",\"id\":\"$i\",\"due\":\"$past\"}" | evappend a.evlog
		evdue --emit out.evlog --checkpoint c a.evlog
	done
	rm -f c*
	evdue --emit out.evlog --checkpoint c a.evlog
	assert_equal "$(evcat --from 13 out.evlog | ids)" "7/due 8/due"
}

@test "a log of deliveries that is restored gets again what it has lost, with the same ids" {
	echo "{\"type\":\"A\",\"id\":\"1\",\"due\":\"$past\"}" | evappend a.evlog
	evdue --emit out.evlog --checkpoint c a.evlog
	cp -r out.evlog copy.evlog
	echo "{\"type\":\"A\",\"id\":\"2\",\"due\":\"$past\"}" | evappend a.evlog
	evdue --emit out.evlog --checkpoint c a.evlog
	rm -r out.evlog
	mv copy.evlog out.evlog
	run -0 evdue --emit out.evlog --checkpoint c a.evlog
	assert_output "evdue: c is not used: out.evlog was set back"
	assert_equal "$(evcat out.evlog | ids)" "1/due 2/due"
}

@test "a name that another kind of consumer has is refused" {
	numbered 3 | evappend a.evlog
	evrun --checkpoint evdue --emit out.evlog a.evlog -- cat
	run -76 evdue --emit out.evlog a.evlog
	assert_output "evdue: out.evlog: evdue is the name of another consumer; choose one with --name"
	evdue --emit out.evlog --name timers a.evlog
}

@test "--checkpoint remembers what waits and what was delivered" {
	due=$(in_ 5)
	printf '{"type":"A","id":"%s","due":"%s"}\n' a $past b "$due" c $future | evappend a.evlog
	assert_equal "$(evdue --checkpoint c.db a.evlog | ids)" a/due
	assert_equal "$(evdue --checkpoint c.db a.evlog | ids)" ""
	assert_equal "$(evdue --list --checkpoint c.db a.evlog | ids)" "b c"
	echo '{"type":"X","cancels":"c"}' | evappend a.evlog
	assert_equal "$(evdue --list --checkpoint c.db a.evlog | ids)" "b"
	after "$due"
	assert_equal "$(evdue --checkpoint c.db a.evlog | ids)" b/due
	# on a replica it goes on; on another log it is refused
	evcat -o zst a.evlog | evappend --replica r.evlog
	echo "{\"type\":\"A\",\"id\":\"d\",\"due\":\"$past\"}" | evappend r.evlog
	assert_equal "$(evdue --checkpoint c.db r.evlog | ids)" d/due
	run -76 evdue --checkpoint c.db a.evlog
	assert_output --partial "a.evlog"
	numbered 9 | evappend b.evlog
	run -76 evdue --checkpoint c.db b.evlog
	run -66 evdue --list --checkpoint none b.evlog
	assert_output "evdue: none: no such file"
	[ ! -e none ]
	run -66 evdue --checkpoint new no.evlog
}

@test "two at once with one cursor: one goes on, and nothing comes twice" {
	printf '{"type":"A","id":"p","due":"%s"}\n{"type":"A","id":"q","due":"%s"}\n' $past "$(in_ 5)" | evappend a.evlog
	evdue --emit out.evlog a.evlog
	evdue -f --emit out.evlog a.evlog 2>err1 3>&- &
	evdue -f --emit out.evlog a.evlog 2>err2 3>&- &
	until_ eval 'evcat out.evlog | grep -q q/due'
	sleep 0.3
	echo "{\"type\":\"A\",\"id\":\"r\",\"due\":\"$past\"}" | evappend a.evlog
	until_ eval 'evcat out.evlog | grep -q r/due'
	sleep 0.3
	kill %1 %2 2>/dev/null || :
	wait || :
	assert_equal "$(evcat out.evlog | ids)" "p/due q/due r/due"
	cat err1 err2 | grep -q "another consumer named evdue has already appended"
}

@test "a cancelling event counts even if head does not record it" {
	need_shim
	while read -r out fault; do
		rm -rf a.evlog out.evlog
		due=$(in_ 5)
		printf '{"type":"A","id":"p","due":"%s"}\n{"type":"A","id":"q","due":"%s"}\n' $past "$due" | evappend a.evlog
		evdue -f --emit "$out" a.evlog 3>&- &
		until_ eval 'evcat $out 2>/dev/null | grep -q p/due'
		# shellcheck disable=SC2086
		echo '{"type":"C","id":"c","cancels":"q"}' | env $fault LD_PRELOAD="$EVLOG_BUILD/fault-shim.so" evappend --ack a.evlog || :
		after "$due"
		sleep 0.5
		kill $!
		wait $!
		assert_equal "$fault $out $(evcat a.evlog | grep -c cancels)" "$fault $out 1"
		assert_equal "$fault $out $(evcat "$out" | grep -c q/due)" "$fault $out 0"
	done <<-'END'
		out.evlog FAULT_NAME=pwrite FAULT_AT=2 FAULT_DO=28
		a.evlog FAULT_NAME=pwrite,fdatasync,fsync FAULT_AT=3 FAULT_DO=kill
	END
}

@test "a checkpoint of one use is not believed in another; what was cancelled is not cancelled again" {
	echo '{"type":"A","id":"1","due":"2020-01-01T00:00:00Z"}' | evappend a.evlog
	evdue --emit out.evlog --checkpoint c a.evlog
	echo '{"type":"A","id":"2","due":"2019-01-01T00:00:00Z"}' | evappend a.evlog
	assert_equal "$(evdue --checkpoint c a.evlog | ids)" 2/due
	evdue --emit out.evlog --checkpoint c a.evlog
	assert_equal "$(evcat out.evlog | ids)" "1/due 2/due"
	printf '{"type":"R","id":"r","cancels":"r","due":"%s"}\n' "$(in_ 5)" $future | evappend b.evlog
	assert_equal "$(evdue --list b.evlog | wc -l)" 1
	rm -r b.evlog
	due=$(in_ 0.5)
	{ printf '{"type":"R","id":"r","cancels":"x","due":"%s"}\n' "$due"; printf '{"type":"R","id":"x","due":"%s"}\n' $future; } | evappend b.evlog
	after "$due"
	evdue --emit b.evlog b.evlog
	assert_equal "$(evdue --list --emit b.evlog b.evlog | ids) $(evcat -n 1 b.evlog | jq .cancels)" "x null"
}

@test "a file that is no checkpoint is refused, whatever is in it" {
	printf '{"type":"A","id":"a","due":"%s"}\n{"type":"B","id":"b","due":"%s"}\n' $past $future | evappend a.evlog
	evdue --checkpoint good a.evlog
	# what evdue must say to a checkpoint that was changed so: a status, or any of these
	local sql want
	while IFS='|' read -r want sql; do
		rm -f bad
		sqlite3 good ".backup bad"
		sqlite3 bad "$sql"
		for more in "" "--emit out.evlog" "--list"; do
			cp bad try
			# shellcheck disable=SC2086
			run --separate-stderr timeout 20 evdue $more --checkpoint try a.evlog
			[[ $status =~ ^(65|76|0)$ ]] || fail "$sql: $more: status $status: $stderr"
			[ "$status" = 0 ] || [[ $stderr == "evdue: "* ]] || fail "$sql: $stderr"
			[ "$more" ] || [[ " $want " == *" $status "* ]] || fail "$sql: status $status, not $want"
			# nothing of it is delivered, unless it looks like an event that is due
			[ "$more" ] || [ "$status" = 0 ] || [[ $sql == *TRIGGER* ]] || [ "$output" = "" ] || fail "$sql: $output"
			rm -f try-wal try-shm
		done
	done <<-'END'
		65|UPDATE evlog_timers SET due = 'x'
		65|UPDATE evlog_timers SET due = -1, line = 'no JSON'
		65|UPDATE evlog_timers SET due = -1, line = '{}'
		65|UPDATE evlog_timers SET due = -1, line = x'00ff'
		65|UPDATE evlog_timers SET due = -1, line = '[1]'
		65|UPDATE evlog_timers SET due = -1, line = '{"id":1}'
		65|UPDATE evlog_timers SET due = -1, seq = 99
		65|UPDATE evlog_timers SET due = 1.5
		65|UPDATE evlog_timers SET due = 9e99
		65|UPDATE evlog_timers SET seq = -7, due = -1
		76|UPDATE evlog_due SET seq = 99
		76|UPDATE evlog_due SET seq = -1
		76|UPDATE evlog_due SET root = 'x', log = 'y'
		76|UPDATE evlog_due SET root = printf('%.*c', 9999, 'a')
		0|UPDATE evlog_due SET due = 'x', due_seq = NULL
		0|UPDATE evlog_due SET due = 9223372036854775807
		0|DELETE FROM evlog_due
		65|DROP TABLE evlog_due; CREATE TABLE evlog_due (x)
		65 0|DROP TABLE evlog_timers; CREATE TABLE evlog_timers (seq, due, id, line)
		65|DROP TABLE evlog_timers; CREATE VIEW evlog_timers AS SELECT 1 AS seq, 0 AS due, 'a' AS id, '{"id":"a"}' AS line; CREATE TRIGGER evlog_timers_t INSTEAD OF DELETE ON evlog_timers BEGIN SELECT 1; END
		65|CREATE TRIGGER evlog_timers_t BEFORE DELETE ON evlog_timers BEGIN SELECT RAISE(IGNORE); END; UPDATE evlog_timers SET due = -1
		0|CREATE TRIGGER evlog_timers_t AFTER DELETE ON evlog_timers BEGIN INSERT INTO evlog_timers VALUES (old.seq, old.due, old.id, old.line); END; UPDATE evlog_timers SET due = -1
	END
	sqlite3 other "CREATE TABLE t (x)"
	run -65 evdue --checkpoint other a.evlog
	assert_output "evdue: other: a database of something else; choose another file"
	echo "no database at all, but a text" >text
	run -65 evdue --checkpoint text a.evlog
	assert_output "evdue: text: file is not a database; remove it to have the log read again"
	for n in 100 1000 5000 9000; do
		cp good try
		damage try $n
		run timeout 20 evdue --checkpoint try a.evlog
		[[ $status =~ ^(65|76|0)$ ]] || fail "damaged at $n: status $status: $output"
		rm -f try-wal try-shm
	done
}

@test "-f delivers when the time comes, what is appended meanwhile, and ends on SIGTERM" {
	printf '{"type":"A","id":"a","due":"%s"}\n' "$(in_ 10)" | evappend a.evlog
	evdue -f --checkpoint c a.evlog >out 3>&- &
	until_ test -s c-wal
	run -75 evdue --checkpoint c a.evlog
	assert_output "evdue: c: in use by another process; one at a time can deliver what is due"
	assert_equal "$(evdue --list --checkpoint c a.evlog | ids)" a
	[ ! -s out ]
	printf '{"type":"A","id":"%s","due":"%s"}\n' b "$(in_ 0.5)" c $past d $future | evappend a.evlog
	until_ eval '[ "$(wc -l <out)" = 3 ]'
	assert_equal "$(ids <out)" "c/due b/due a/due"
	kill $!
	wait $!
	assert_equal "$(evdue --checkpoint c a.evlog | ids)" ""
	assert_equal "$(evdue --list --checkpoint c a.evlog | ids)" d
	# two of one name: one goes on, the other is told
	evdue -f --emit out.evlog a.evlog 3>&- &
	until_ eval 'evcat out.evlog 2>/dev/null | grep -q c/due'
	evdue --emit out.evlog a.evlog
	echo "{\"type\":\"A\",\"id\":\"e\",\"due\":\"$past\"}" | evappend a.evlog
	until_ eval 'evcat out.evlog | grep -q e/due'
	kill %%
	wait %%
	assert_equal "$(evcat out.evlog | ids)" "c/due b/due a/due e/due"
}

@test "while a commit is under way, nothing is delivered" {
	printf '{"type":"A","id":"a","due":"%s"}\n' $past | evappend a.evlog
	python3 -c '
import fcntl, struct, time
f = open("a.evlog/head", "r+b")
fcntl.fcntl(f, 37, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 0, 0, 0))  # F_OFD_SETLK, as a writer marks itself
print("locked", flush=True)
time.sleep(5)' >locked 3>&- &
	until_ test -s locked
	started=$(date +%s%N)
	assert_equal "$(evdue a.evlog | ids)" a/due
	[ $(($(date +%s%N) - started)) -gt 300000000 ]
	wait
}

@test "the index finds what waits, and what cancels it" {
	for i in $(seq 40); do
		numbered 2000 $((i * 2000))
		[ $((i % 10)) != 3 ] || echo "{\"type\":\"A\",\"id\":\"w$i\",\"due\":\"$past\"}"
		[ $i != 20 ] || echo "{\"type\":\"A\",\"id\":\"x\",\"due\":\"$future\"}"
		[ $i != 31 ] || echo '{"type":"C","cancels":"x"}'
	done >events
	split -l 4000 events part.
	for p in part.*; do evappend --segment-size 1 a.evlog "$p"; done
	assert_equal "$(evdue a.evlog | ids)" "w3/due w13/due w23/due w33/due"
	assert_equal "$(evdue --list a.evlog | ids)" "w3 w13 w23 w33"
	cmp <(evdue a.evlog) <(evdue --no-index a.evlog)
	command -v strace >/dev/null || return 0
	[ -z "${SAN:-}${COVERAGE:-}" ] || return 0
	for o in --checkpoint=c --no-index; do
		traced -f -e trace=pread64 -o "$o" evdue "$o" a.evlog
		awk '/pread64/ { n += $NF } END { print n }' "./$o" >>read
	done
	cat read
	(($(sed -n 1p read) * 3 < $(sed -n 2p read) * 2))
}

@test "a line that is not JSON, in a forged log, does not stop the others" {
	harness fault/forge.py line f.evlog '"id":"9","due":"2020-01-01T00:00:00Z","cancels":"1","data":['
	run -65 --separate-stderr evdue f.evlog
	assert_equal "$(ids <<<"$output")" 1/due
	assert_equal "$stderr" "evdue: f.evlog: event 3 is never delivered: it is not JSON"
}

@test "events that were removed before they were read are missed, and that is refused" {
	numbered 1 | evappend a.evlog
	evdue --checkpoint c a.evlog
	cp c d
	numbered 8 2 | evappend a.evlog
	evcat -o zst --from 2 a.evlog | evappend --replica two.evlog
	evdue --checkpoint c two.evlog
	evcat -o zst --from 3 a.evlog | evappend --replica three.evlog
	run -76 evdue --checkpoint d three.evlog
	assert_output --partial "three.evlog"
}

@test "what is due before the first event that was kept is not known, and that is said" {
	cp -r "$BATS_TEST_DIRNAME/golden/1.0/trimmed.evlog" t.evlog
	run -0 evdue t.evlog
	assert_output --regexp '^evdue: t.evlog: begins with event [0-9]+; what was due among those before it is not known$'
	run -76 evdue --emit out.evlog t.evlog
	assert_output --partial "what waits among those before it is not known: name the folder of backups"
	run -0 evdue --emit out.evlog --accept-trimmed t.evlog
}

@test "an event that waits is delivered, whatever was removed from the log meanwhile" {
	due=$(date -u -d '2 seconds' +%FT%TZ)
	echo "{\"type\":\"R\",\"id\":\"w1\",\"due\":\"$due\"}" | evappend -q a.evlog
	numbered 5 | evappend -q --segment-size 1 a.evlog
	evdue --emit out.evlog a.evlog
	evdue --emit with.evlog --checkpoint c a.evlog
	numbered 1 6 | evappend -q --segment-size 1 a.evlog
	evbackup -q --trim-before 7 a.evlog dest >/dev/null
	until [[ $(date -u +%FT%TZ) > $due ]]; do sleep 0.2; done
	run -76 evdue --emit out.evlog a.evlog
	run -0 evdue --emit with.evlog --checkpoint c a.evlog
	run -0 evdue --emit out.evlog dest a.evlog
	for log in out.evlog with.evlog; do
		assert_equal "$(evcat $log | jq -r .id)" w1/due
	done
}

@test "a clock that is set, kills, lost checkpoints, restored logs: once, or cancelled, never early" {
	need_shim
	for s in 1 2; do
		EVLOG_SEED=$s run -0 harness fault/due.py $([ "${EVLOG_SLOW:-}" ] && echo 100 || echo 30)
		assert_output --partial "delivered "
	done
}

@test "cancelled at about the time that it is due: the log decides" {
	run -0 harness fault/due.py race
	assert_output --regexp 'cancelled [1-9]'
}

@test "10^5 events that wait take little memory" {
	slow
	seq 100000 | awk '{ printf "{\"type\":\"A\",\"id\":\"%d\",\"due\":\"2100-01-01T%02d:%02d:00Z\",\"data\":{\"n\":%d,\"pad\":\"%0200d\"}}\n", $1, $1 % 24, $1 % 60, $1, $1 }' |
		evappend a.evlog
	(
		[ "${SAN:-}" ] || ulimit -d 64000
		evdue --checkpoint c a.evlog
		evdue -v --checkpoint c --list a.evlog >list 2>err
	)
	assert_equal "$(cat err) $(wc -l <list)" "evdue: 100000 events pending 100000"
	evdue --list --checkpoint c a.evlog | jq -r .due | LC_ALL=C sort -c
}

@test "bad use" {
	numbered 1 | evappend a.evlog
	while read -r args; do
		# shellcheck disable=SC2086
		run -64 evdue $args </dev/null
	done <<-'END'
		--list
		a.evlog b.evlog
		--name x a.evlog
		--list -f a.evlog
		--emit out.evlog --name= a.evlog
		-t A a.evlog
	END
	run -64 evdue --emit out.evlog --name "$(printf 'x%.0s' {1..256})" a.evlog
	run -66 evdue -
	run -66 evdue --list --emit out.evlog a.evlog
	[ ! -e out.evlog ]
	echo x >file
	run -66 evdue file
}

@test "what cancels by a number cancels nothing, and is reported once" {
	echo '{"type":"P","id":"17","due":"2020-01-01T00:00:00Z"}' >in
	printf '{"type":"C","id":"c%s","cancels":%s}\n' 1 17 2 null 3 true >>in
	evappend a.evlog in
	run -65 --separate-stderr evdue --checkpoint c --emit out.evlog a.evlog
	assert_equal "$stderr" "$(printf 'evdue: a.evlog: event %d cancels nothing: its cancels is not text\n' 2 4)"
	run -0 --separate-stderr evdue --checkpoint c --emit out.evlog a.evlog
	assert_equal "$stderr" ""
	assert_equal "$(evcat out.evlog | ids)" 17/due
}
