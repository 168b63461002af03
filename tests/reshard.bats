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
	assert_output "--shard 1/3 --checkpoint c-%.pos
--shard 2/3 --checkpoint c-%.pos
--shard 3/3 --checkpoint c-%.pos"
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
	assert_output --partial "c-1of3.pos is new, but there are checkpoints of 2 receivers; --reshard 3 divides the events anew, or makes a lost one again"
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
	assert_output --partial "--reshard 3 divides"
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
	run -64 reshard 3
	assert_output --partial "there are checkpoints of 2 receivers and of 3"
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
	rm c-*of2.pos c-1of3.pos c-2of3.pos
	local i
	for i in 1 2; do # 1/3 had emitted since, 2/3 had not
		run -76 receive $i/3
		assert_output --partial "--reshard 3 divides"
	done
	run -76 evrun --shard 1/3 --checkpoint c-1of3.pos --emit out.evlog a.evlog -- false
	assert_output --partial "the lost one knew which events after 100 were processed before --reshard"
}

@test "one that is lost is made again, and its receiver emits nothing twice" {
	receive 1/2 --to 90
	receive 2/2 --to 140
	reshard 3
	local i
	for i in 1 2 3; do receive $i/3 --to 120; done
	rm c-2of3.pos
	reshard 3
	for i in 1 2 3; do receive $i/3; done
	once 200
	rm c-*.pos # all that they knew is passed: the log has their places
	receive 2/3
	once 200
}

@test "it is made again from the checkpoints before it, not from older ones" {
	local i n m to=20
	for m in 3 2 1 2; do
		for i in $(seq "${n:-0}"); do receive "$i/$n" --to $((to += 15)); done
		[ ! "${n:-}" ] || reshard $m -q
		n=$m
	done
	receive 1/2 --to 130
	receive 2/2 --to 120
	rm c-2of2.pos
	reshard 2 -q
	for i in 1 2; do receive $i/2; done
	once 200
}

@test "interrupted, and begun again: from the checkpoints that were in use, not from older ones" {
	local i
	for i in 1 2 3; do receive $i/3 --to 50; done
	reshard 2 -q
	for i in 1 2; do receive $i/2 --to 80; done
	evrun -q --reshard 1 --emit out.evlog --checkpoint 'c-%.pos' a.evlog
	receive 1/1 --to 110
	mkdir kept
	cp c-?of2.pos kept
	reshard 2 -q
	cp kept/* . # as if it had been killed before it wrote these
	run -76 reshard 3
	assert_output --partial "--reshard 2 has begun"
	reshard 2 -q
	for i in 1 2; do receive $i/2 --to 150; done
	# the same if those that are wanted are the ones that were just replaced
	evrun -q --reshard 3 --emit out.evlog --checkpoint 'c-%.pos' a.evlog
	evrun -q --reshard 1 --emit out.evlog --checkpoint 'c-%.pos' a.evlog
	rm c-1of1.pos
	run -76 reshard 3
	assert_output --partial "--reshard 1 has begun later"
	reshard 1 -q
	receive 1/1
	once 200
}

@test "a log whose first events were removed since, as long as no place before that is needed" {
	receive 1/2 --to 150
	receive 2/2 --to 20
	reshard 3 -q
	local i
	for i in 1 2 3; do receive $i/3 --to 105; done
	evcat -o zst --from 101 a.evlog >stream
	mv a.evlog whole.evlog
	evappend --replica a.evlog stream
	for i in 1 2 3; do receive $i/3; done
	once 200
}

@test "a receiver that was reset goes back, whatever the others know" {
	receive 1/2
	receive 2/2 --to 20
	reshard 3 -q
	evrun --reset-to 1 --checkpoint c-1of3.pos a.evlog
	run -76 reshard 2
	assert_output --partial "c-1of3.pos: it was reset, and has to pass event 200 first"
	receive 1/3
	reshard 2 -q
	local i
	for i in 1 2; do receive $i/2; done
	cmp <(told | sort -nu) <(seq 200)
	[ "$(told | grep -c .)" -gt 230 ] # those of 1/3 came again
}

@test "another key, another log to emit to, no selection: refused" {
	evrun -q --shard 1/1 --key data.n --checkpoint 'c-%.pos' --to 90 --emit out.evlog a.evlog -- sed 's/.*/{"type":"Out"}/'
	run -64 evrun --reshard 2 --key subject --emit out.evlog --checkpoint 'c-%.pos' a.evlog
	assert_output --partial "--key subject: the events are divided by data.n"
	evappend other.evlog <<<'{"type":"T"}'
	run -76 evrun --reshard 2 --emit other.evlog --checkpoint 'c-%.pos' a.evlog
	reshard 2 -q
	receive 1/2 --key data.n
	run -64 evrun --reshard 3 --key subject --emit out.evlog --checkpoint 'c-%.pos' a.evlog
	jq 'del(.selection)' c-2of2.pos >c && mv c c-2of2.pos
	run -76 reshard 3
	assert_output --partial "an older version wrote this checkpoint"
}

@test "names: % in the last component, unless there is such a file; one name for one checkpoint" {
	mkdir d%d
	evrun -q --shard 1/2 --checkpoint 'd%d/c-%.pos' a.evlog -- true
	assert [ -e d%d/c-1of2.pos ]
	evrun -q --shard 2/2 --checkpoint x.pos a.evlog -- true
	mv x.pos x%.pos
	evrun -q --shard 2/2 --checkpoint 'x%.pos' a.evlog -- false # there is nothing to do
	local aside
	for aside in "--reset-to 5" --status "--await 5"; do
		# shellcheck disable=SC2086
		run -64 evrun $aside --checkpoint 'c-%.pos' a.evlog
		assert_output --partial "is for one checkpoint; give its name"
	done
}

@test "checkpoints that say strange things: refused, or read" {
	receive 1/2 --to 90
	receive 2/2 --to 140
	reshard 3 -q
	cp c-1of3.pos good
	local change
	while IFS= read -r change; do
		jq -c "$change" good >c-1of3.pos
		run receive 1/3
		[[ $status = 65 || $status = 76 ]] || fail "$change: status $status: $output"
	done <<-'END'
		.taken = 5
		.taken = {}
		.taken = [5]
		.taken = [[]]
		.taken[0][0] = 7
		.taken[0][0].seq = -1
		.taken[0][1].root = "00"
		.taken[0][1].seq = 130
		.taken[0] = [range(300) as $i | .taken[0][0]]
		.taken = [range(17) as $i | .taken[0]]
		.places = []
		.places += .places
		.places[0].seq = 91
		.resharded = 3
		.part = "2/3 subject"
	END
	cp good c-1of3.pos
	receive 1/3
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
