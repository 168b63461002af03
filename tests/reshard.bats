# evrun --reshard: another number of receivers, without losing or repeating anything.
load common

setup() {
	common_setup
	seq 200 | awk '{ printf "{\"type\":\"T\",\"subject\":\"s%d\",\"data\":{\"n\":%d}}\n", $1 % 17, $1 }' |
		evappend --segment-size 4K a.evlog
}

# What a receiver does: it tells of each event, in a log.
receive() { # I/N [OPTION...]
	evrun -q --shard "$1" --checkpoint 'c-%.pos' --batch 7 --emit out.evlog "${@:2}" a.evlog -- \
		awk '{ match($0, /"n":[0-9]+/); print "{\"type\":\"Out\",\"data\":{" substr($0, RSTART, RLENGTH) "}}" }'
}

reshard() { evrun --reshard "$1" --emit out.evlog --checkpoint 'c-%.pos' "${@:2}" a.evlog; }

told() { evcat -o data "${1-out.evlog}" | jq .n; }

# Each event of the first N was told once, and those of a subject in order.
once() {
	told >told
	cmp <(sort -n told) <(seq "$1")
	awk '{ k = $1 % 17; if ($1 <= last[k]) exit 1; last[k] = $1 }' told
}

@test "two to three to one to four receivers, each at a place of its own" {
	receive 1/2 --to 90
	receive 2/2 --to 140
	run -0 reshard 3
	assert_output "--shard 1/3 --checkpoint c-1of3.pos
--shard 2/3 --checkpoint c-2of3.pos
--shard 3/3 --checkpoint c-3of3.pos"
	receive 2/3 --to 120
	receive 1/3 --to 160
	once_each
	reshard 1 # while what the first two have done is not passed yet
	evrun -q --checkpoint c-1of1.pos --to 150 --emit out.evlog a.evlog -- \
		awk '{ match($0, /"n":[0-9]+/); print "{\"type\":\"Out\",\"data\":{" substr($0, RSTART, RLENGTH) "}}" }'
	once_each
	reshard 4
	local i
	for i in 3 1 4 2; do receive $i/4; done
	once 200
	jq -e .taken c-3of3.pos >/dev/null
	refute jq -e .taken c-1of4.pos >/dev/null # all are past it
}

# No event up to N was told twice.
once_each() { assert_equal "$(told | sort -n | uniq -d)" ""; }

@test "again and again, at random places, -j 3, with many keys and few" {
	local n=1 m i key
	for key in subject data.n; do
		rm -rf out.evlog c-*.pos
		n=1
		for m in 2 5 3 7 1 4; do
			for i in $(seq $n); do
				receive "$i/$n" --key "$key" -j 3 --to $((RANDOM % 200 + 1))
			done
			once_each
			evrun --reshard $m --key "$key" --emit out.evlog --checkpoint 'c-%.pos' -q a.evlog
			n=$m
		done
		for i in $(seq $n); do receive "$i/$n" --key "$key"; done
		cmp <(told | sort -n) <(seq 200)
	done
}

@test "old receivers are refused, and so is a new one without --reshard" {
	receive 1/2
	receive 2/2
	run -76 receive 1/3
	assert_output --partial "c-1of3.pos is new, but there is c-1of2.pos; to divide the events anew, use --reshard 3"
	reshard 3
	run -76 receive 1/2
	assert_output --partial "c-1of2.pos: its events are processed by 3 other receivers since --reshard"
	for aside in "--reset-to 5" --status "--await 5"; do
		# shellcheck disable=SC2086
		run -76 evrun $aside --checkpoint c-1of2.pos a.evlog
		assert_output --partial "by 3 other receivers since --reshard"
	done
	rm c-2of3.pos
	run -76 receive 2/3
	assert_output --partial "use --reshard 3"
	reshard 3 # makes it again
	receive 2/3
	once 200
}

@test "it says what it cannot do" {
	receive 1/2
	receive 2/2
	local row options says status
	while IFS='|' read -r status options says; do
		# shellcheck disable=SC2086
		run -"$status" evrun $options a.evlog
		assert_output --partial "$says"
	done <<-'END'
		64|--reshard 3 --checkpoint c.pos|needs a --checkpoint with a %, which stands for the shard, such as 1of3
		64|--reshard 3|--reshard needs --checkpoint FILE
		64|--reshard 0 --checkpoint c-%.pos|reshard
		64|--reshard 257 --checkpoint c-%.pos|reshard
		64|--reshard 3 --checkpoint c-%.pos|say to which log, with --emit
		64|--reshard 3 --checkpoint c-%.pos --shard 1/2|cannot be combined with options for a COMMAND
		64|--reshard 3 --checkpoint c-%.pos --status|exclude each other
		64|--reshard 3 --checkpoint x-%.pos|there are no such checkpoints
	END
	cp c-1of2.pos kept
	jq '.part = "1/2 data.n"' kept >c-1of2.pos
	run -76 reshard 3
	assert_output --partial "key"
	jq '.selection = {"type": ["T"]}' kept >c-1of2.pos
	run -76 reshard 3
	assert_output --partial "selection"
	cp kept c-1of2.pos
	mv c-2of2.pos aside
	run -66 reshard 3
	assert_output --partial "c-2of2.pos: the checkpoint does not exist"
	mv aside c-2of2.pos
	cp c-1of2.pos c-1of4.pos
	run -64 reshard 3
	assert_output --partial "there are checkpoints of 2 receivers and of 4"
	rm c-1of4.pos
	cp c-1of2.pos c-1of3.pos
	run -73 reshard 3
	assert_output --partial "c-1of3.pos: there is such a checkpoint already"
	rm c-1of3.pos
	assert_equal "$(ls c-*)" "c-1of2.pos
c-2of2.pos"
	reshard 3
}

@test "while a receiver runs, or has not recorded its place: 75" {
	receive 1/2
	evrun -q -f --shard 2/2 --checkpoint 'c-%.pos' a.evlog -- cat >/dev/null 3>&- &
	until_ [ -s c-2of2.pos ]
	run -75 reshard 3
	assert_output --partial "c-2of2.pos: this checkpoint is in use by another consumer"
	kill $!
	wait $!
	need_shim
	evrun --reset-to 1 --checkpoint c-2of2.pos a.evlog
	# killed between the commit and the checkpoint
	run -137 env FAULT_NAME=rename FAULT_AT=1 FAULT_DO=kill LD_PRELOAD="$EVLOG_BUILD/fault-shim.so" \
		evrun -q --shard 2/2 --checkpoint 'c-%.pos' --emit out.evlog a.evlog -- sed 's/.*\("data".*\)/{"type":"Out",\1/'
	run -75 reshard 3
	assert_output "evrun: c-2of2.pos: the receiver was killed before it could record its place, which out.evlog has; start it once more, and end it with SIGTERM"
	receive 2/2
	reshard 3 -q
	local i
	for i in 1 2 3; do receive $i/3; done
	once 200
}

@test "a log that no longer has what was done: 76" {
	cp -R a.evlog old.evlog
	seq 201 210 | jq -c '{type: "T", subject: "s\(. % 17)", data: {n: .}}' | evappend a.evlog
	receive 1/2 --to 100
	receive 2/2
	reshard 3
	rm -r a.evlog
	mv old.evlog a.evlog
	run -76 receive 1/3
	assert_output --partial "ends before"
	seq 901 920 | jq -c '{type: "T", subject: "s\(. % 17)", data: {n: .}}' | evappend a.evlog
	run -76 receive 1/3
	assert_output --partial "diverged"
}

@test "a new checkpoint that is lost while it is needed: 76, not twice" {
	receive 1/2 --to 90
	receive 2/2 --to 140
	reshard 3
	receive 1/3 --to 100
	rm c-*of2.pos c-1of3.pos
	run -76 receive 1/3
	assert_output --partial "the lost one knew which events after 100 were processed before --reshard"
	local i
	for i in 2 3; do receive $i/3; done
	rm c-2of3.pos # all that it knew is passed: the log has its place
	receive 2/3
	once_each
}

@test "dead letters, and receivers of a single one" {
	local refuse='{ if (/"n":(7|70|170)}/) exit 1; print > "/dev/null" }'
	evrun -q --checkpoint c-1of1.pos --retry 0 --dead-letter dead.evlog --to 60 a.evlog -- awk "$refuse"
	evrun --reshard 2 --dead-letter dead.evlog --checkpoint 'c-%.pos' -q a.evlog
	local i
	for i in 1 2; do
		evrun -q --shard $i/2 --retry 0 --checkpoint 'c-%.pos' --dead-letter dead.evlog a.evlog -- awk "$refuse"
	done
	assert_equal "$(evcat dead.evlog | jq .data.event.data.n | sort -n | xargs)" "7 70 170"
}
