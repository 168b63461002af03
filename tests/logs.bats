# evrun with several logs: a place in each of them.
load common
setup() { common_setup; }

# two FIRST...: appends five events from each FIRST on, in turns to a.evlog and b.evlog.
two() {
	local log=b first
	for first; do
		log=$([ $log = a ] && echo b || echo a)
		seq "$first" $((first + 4)) |
			jq -c '{type: "T\(. % 2)", subject: "s\(. % 3)", data: {n: .}}' | evappend $log.evlog
	done
}

places() { jq -c '[.places[].seq]' "$1"; }

@test "each log has a place, whatever the order of the operands" {
	two 10 20 30 40
	evrun -m --checkpoint c --batch 7 a.evlog b.evlog -- jq .data.n >out
	cmp out <(seq 10 14; seq 20 24; seq 30 34; seq 40 44)
	assert_equal "$(places c)" "[10,10]"
	two 50 60
	evrun -m --checkpoint c b.evlog a.evlog -- jq .data.n >out
	cmp out <(seq 50 54; seq 60 64)
	evrun --checkpoint c a.evlog b.evlog -- jq .data.n >out
	refute [ -s out ]
	mv a.evlog z.evlog # the path is nothing by which a log is known
	evrun --checkpoint c z.evlog b.evlog -- jq .data.n >out
	refute [ -s out ]
}

@test "without -m, one log after the other" {
	two 10 20 30 40
	evrun --checkpoint c a.evlog b.evlog -- jq .data.n | cmp - <(seq 10 14; seq 30 34; seq 20 24; seq 40 44)
	rm c
	run -1 evrun --retry 0 --batch 1 -t T1 --checkpoint c a.evlog b.evlog -- sh -c '! grep "\"n\":41"'
	assert_line "evrun: sh: exit status 1, at event 7 of b.evlog"
	assert_equal "$(places c)" "[9,4]"
}

@test "a place is behind what is done, however a run ends, and before what is not" {
	two 10 20 30 40 50 60
	# fails at 42, in b.evlog: what is before it, in the order of logtimes, is done
	local options
	for options in "--batch 1" "--batch 100" "-j 3 --batch 2" "--batch 3 -t T* -s s*"; do
		rm -f c
		# shellcheck disable=SC2086
		run -1 evrun --retry 0 -m --checkpoint c $options a.evlog b.evlog -- \
			sh -c 'in=$(cat); case $in in *"{\"n\":42}"*) exit 1; esac; echo "$in" | sed "s,.*\"n\":\([0-9]*\).*,\1,"'
		assert_line --partial "exit status 1, at event 8 of b.evlog"
		[[ $options = -j* ]] || assert_equal "$(places c)" "[10,7]"
		# shellcheck disable=SC2086
		evrun -m --checkpoint c $options a.evlog b.evlog -- sed 's,.*"n":\([0-9]*\).*,\1,' >out
		for n in $(seq 42 44) $(seq 50 54) $(seq 60 64); do grep -qx "$n" out; done
		[[ $options = -j* ]] || assert_equal "$(grep -c . out)" 13
	done
}

@test "what is not selected is passed in each log" {
	two 10 20 30 40
	evrun -m --checkpoint c -w 'data.n>=41' a.evlog b.evlog -- jq .data.n | cmp - <(seq 41 44)
	assert_equal "$(places c)" "[10,10]"
}

@test "-f delivers what comes into any of them" {
	two 10 20
	evrun -f -m --checkpoint c a.evlog b.evlog -- sh -c 'jq .data.n >>out' 3>&- &
	until_ grep -qsx 24 out
	two 30 40
	until_ grep -qx 44 out
	kill $!
	wait $!
	cmp out <(seq 10 14; seq 20 24; seq 30 34; seq 40 44)
	assert_equal "$(places c)" "[10,10]"
}

@test "an empty log is followed, too, and keeps its place when it is filled" {
	two 10
	evappend b.evlog </dev/null
	evrun -m --checkpoint c b.evlog a.evlog -- jq .data.n | cmp - <(seq 10 14)
	# the place before all events fits either log, but the other one fits only a.evlog
	evrun -m --checkpoint c a.evlog b.evlog -- false
	two 30 40
	evrun -m --checkpoint c a.evlog b.evlog -- jq .data.n | cmp - <(seq 30 34; seq 40 44)
	assert_equal "$(places c)" "[10,5]"
}

@test "logs that do not fit the checkpoint: 76, and nothing is delivered" {
	two 10 20
	cp -R a.evlog old.evlog
	two 30 40
	seq 5 | jq -c '{type: "T", data: {n: .}}' | evappend c.evlog
	evrun -m --checkpoint pos a.evlog b.evlog -- true
	cp pos before
	local row logs says
	while IFS='|' read -r logs says; do
		# shellcheck disable=SC2086
		run -76 evrun -m --checkpoint pos $logs -- touch delivered
		assert_output --partial "$says"
	done <<-'END'
		a.evlog b.evlog c.evlog|no place in c.evlog is recorded; use --accept-change
		a.evlog c.evlog|no place in c.evlog is recorded
		b.evlog|a place is recorded in another log, which is not given
		c.evlog|no place in c.evlog is recorded
		old.evlog b.evlog|old.evlog
	END
	refute [ -e delivered ]
	cmp pos before
	cp -R a.evlog copy.evlog
	evrun -m --checkpoint pos copy.evlog b.evlog -- true # it has the same history
	# and the checkpoint of a single log
	evrun --checkpoint one a.evlog -- true
	run -76 evrun -m --checkpoint one a.evlog b.evlog -- true
	assert_output --partial "no place in b.evlog is recorded"
}

@test "--accept-change takes a log in, from its first event, and lets one go" {
	two 10 20
	evrun --checkpoint pos a.evlog -- true
	evrun -m --accept-change --checkpoint pos a.evlog b.evlog -- jq .data.n | cmp - <(seq 20 24)
	assert_equal "$(places pos)" "[5,5]"
	evrun --accept-change --checkpoint pos b.evlog -- true
	assert_equal "$(jq .seq pos)" 5
	evrun --checkpoint pos b.evlog -- false # there is nothing to do
}

@test "what has no place, or would have two: 64" {
	two 10 20
	cp -R a.evlog copy.evlog
	run -64 evrun -m --checkpoint c a.evlog b.evlog a.evlog -- true
	assert_output --partial "they are the same log"
	run -64 evrun -m --checkpoint c a.evlog copy.evlog -- true
	run -64 evrun -m --checkpoint c --emit out.evlog a.evlog b.evlog -- true
	assert_output --partial "merge them into one first"
	evcat a.evlog >file
	run evrun -m --checkpoint c file b.evlog -- true
	assert_failure
	run evrun -m --checkpoint c - b.evlog -- true <file
	assert_failure
	refute [ -e c ]
	refute [ -e out.evlog ]
}

@test "--status tells each log, --await and --reset-to are for one" {
	two 10 20
	evrun -m --checkpoint c a.evlog b.evlog -- true
	two 30 40
	run evrun --status --checkpoint c b.evlog a.evlog
	assert_line -n 0 --regexp '^b.evlog: at event 5 of 10, 5 behind'
	assert_line -n 1 --regexp '^a.evlog: at event 5 of 10, 5 behind'
	assert_equal "$(evrun --status -o json --checkpoint c a.evlog b.evlog | jq -c '[.seq, .last, .lag.events]' | sort -u)" "[5,10,5]"
	evrun --await 5 --checkpoint c b.evlog
	run -75 evrun --await 6 --timeout 50ms --checkpoint c b.evlog
	evrun --reset-to 3 --checkpoint c b.evlog
	assert_equal "$(places c)" "[5,2]"
	evrun -m --checkpoint c a.evlog b.evlog -- jq .data.n | cmp - <(seq 22 24; seq 30 34; seq 40 44)
	run -64 evrun --reset-to 3 --checkpoint c a.evlog b.evlog
	run -64 evrun --await 3 --checkpoint c a.evlog b.evlog
	evappend c.evlog </dev/null
	evcat a.evlog | evappend c.evlog
	run -76 evrun --status --checkpoint c c.evlog
	assert_output --partial "no place in c.evlog is recorded"
}

@test "dead letters of several logs, each event at least once" {
	two 10 20 30
	evrun --retry 0 -m --checkpoint c --batch 4 --dead-letter dead.evlog a.evlog b.evlog -- \
		sh -c 'cat >in; ! grep -q "\"n\":22" in && jq .data.n in' >out
	cmp <(sort out) <(seq 10 14; seq 20 21; seq 23 24; seq 30 34)
	assert_equal "$(evcat dead.evlog | jq -c .data.event.data.n)" 22
}

@test "a hundred logs" {
	for i in $(seq 100); do echo "{\"type\":\"T\",\"data\":$i}" | evappend "$i.evlog"; done
	evrun -m --checkpoint c ./*.evlog -- jq .data | cmp - <(seq 100)
	echo '{"type":"T","data":101}' | evappend 50.evlog
	evrun -m --checkpoint c ./*.evlog -- jq .data | cmp - <(echo 101)
}

@test "-f -m ends at damage in one of the logs, in each tool, instead of waiting for more" {
	two 10 20
	local file
	file=$(echo a.evlog/*.zst)
	damage "$file" $(($(stat -c %s "$file") / 2))
	local tool
	for tool in evcat "evreplay --speed 0" evrun "evrun --checkpoint c"; do
		# shellcheck disable=SC2086
		run -65 timeout --foreground 20 $tool -f -m b.evlog a.evlog $([[ $tool != evrun* ]] || echo -- cat)
		assert_output --partial "damaged"
	done
	run -65 --separate-stderr timeout --foreground 20 evcat -f -m --salvage -c 5 b.evlog a.evlog
	assert_equal "$(grep -c '"n":' <<<"$output")" 5
}

@test "--reset-to does not take a checkpoint to another log" {
	two 10 20
	evrun --checkpoint c a.evlog -- true
	cp c before
	run -76 evrun --reset-to 1 --checkpoint c b.evlog
	assert_output "evrun: c: no place in b.evlog is recorded"
	cmp c before
}
