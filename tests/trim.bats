# evbackup --trim-before: what is removed from a log, and who reads it from the backups.
load common
setup() { common_setup; }

# The first event of a log.
begins() { evcat -q -c 1 "$1" | cut -c 9-24 | sed 's/^0*//'; }

ends() { evcat -q -n 1 "$1" | cut -c 9-24 | sed 's/^0*//'; }

# as_before WHOLE DEST LOG: both together have the events of WHOLE, and then only those of
# trimming.
as_before() {
	local n
	n=$(evcat "$1" | wc -l)
	cmp <(evcat "$1") <(evcat -c "$n" "$2" "$3")
	assert_equal "$(evcat --from $((n + 1)) "$2" "$3" | jq -r .type | sort -u)" org.evlog.trimmed
}

@test "whole segments before an event are removed, and both together are the log" {
	segmented w.evlog 40
	numbered 5 41 | evappend -q --segment-size 1 w.evlog
	local at
	for at in $(some 1 2 10 11 12 20 21 25 30 31 40 41 45 46); do
		rm -rf a.evlog dest
		cp -r w.evlog a.evlog
		run -0 --separate-stderr evbackup --trim-before $at a.evlog dest
		[[ ${lines[-1]} == points/* ]]
		# segments begin at 1, 11, 21, 31, 41; the active one is ended if it has earlier ones
		first=$(((at - 1) / 10 * 10 + 1))
		[ $at -lt 46 ] || first=46
		assert_equal "$(begins a.evlog)" $first
		assert_equal "$(evcat -q a.evlog | wc -l)" $((45 - first + 1 + (first > 1)))
		if [ $first = 1 ]; then
			assert_regex "$stderr" "^evbackup: nothing was removed: "
			evcat a.evlog | cmp - <(evcat w.evlog)
		else
			assert_equal "$stderr" "evbackup: removed $((first - 1)) events; a.evlog begins with event $first"
			as_before w.evlog dest a.evlog
			evcat -n 1 a.evlog | jq -c '[.type, .data.first, .data.backup]' | grep -qx "\\[\"org.evlog.trimmed\",$first,45\\]"
		fi
		! compgen -G 'a.evlog/seal-*' >/dev/null
		# a second call has nothing to do, and says nothing twice
		run -0 --separate-stderr evbackup --trim-before $at a.evlog dest
		assert_regex "$stderr" "^evbackup: nothing was removed: "
		assert_equal "$(evcat -q -t org.evlog.trimmed a.evlog | wc -l)" $((first > 1))
		evappend -q a.evlog <<<'{"type":"New"}'
		evcat -q -n 1 a.evlog | grep -q New
		run -0 evrestore --drill --log a.evlog dest
	done
}

@test "again and again: the roots go on, and the backups still have everything" {
	local i
	for i in 1 2 3 4 5 6 7 8; do
		numbered 10 $((i * 10)) | evappend -q --segment-size 1 a.evlog
		evcat -o zst a.evlog 2>/dev/null >stream
		evappend -q --replica whole.evlog <stream 2>/dev/null ||
			evcat -q a.evlog | evappend -q --replica whole.evlog
		evbackup -q --trim-before $((i * 8)) a.evlog dest >/dev/null
	done
	evcat -q a.evlog | evappend -q --replica whole.evlog
	[ "$(begins a.evlog)" -gt 50 ]
	cmp <(evcat whole.evlog) <(evcat dest a.evlog)
	# no root can be made without all leaves
	evbackup -q whole.evlog other >/dev/null
	assert_equal "$(evbackup --status dest | jq -r .root)" "$(evbackup --status other | jq -r .root)"
	run -0 evbackup --status dest
	assert_equal "$(jq -c '[.first, .begins]' <<<"$output")" "[1,$(begins a.evlog)]"
	run -0 evdiff dest::a.evlog whole.evlog
}

@test "what is read through both: any selection, direction and number of threads, as of the whole log" {
	segmented w.evlog 200 20
	cp -r w.evlog a.evlog
	evbackup -q --trim-before 121 a.evlog dest >/dev/null
	[ "$(begins a.evlog)" = 121 ]
	local options
	while read -r options; do
		# shellcheck disable=SC2086 # words
		cmp <(evcat $options w.evlog) <(evcat $options dest a.evlog)
		# shellcheck disable=SC2086
		cmp <(evcat $options w.evlog) <(evcat $options dest::a.evlog)
	done <<-'END'
		--to 200
		--to 200 -n 3
		--to 200 -n 100
		-c 5
		--to 200 --reverse
		--reverse --from 119 --to 122
		--from 20 --to 20
		--from 120 --to 121
		-t T1
		-s s3 -j 1
		-s s3 -n 2
		-w data.n=57
		-w data.n>117 -j 2
		--id 33
		--no-index -t T2
	END
	local mid
	for mid in 5 119 121 199; do
		at=$(evcat --from $mid --to $mid w.evlog | jq -r .logtime)
		cmp <(evcat --since "$at" --to 200 w.evlog) <(evcat --since "$at" --to 200 dest a.evlog)
		cmp <(evcat --until "$at" w.evlog) <(evcat --until "$at" dest a.evlog)
	done
	assert_equal "$(evfold -k type 'n=count()' w.evlog)" "$(evfold -k type 'n=count()' dest a.evlog | grep -v org.evlog)"
	assert_equal "$(evreplay dest a.evlog | wc -l)" 201
	run -0 evtrace 5 dest a.evlog
	assert_regex "$output" 'dest::a.evlog:5 .*<--'
}

@test "a fold of what is left is refused, unless it says what is meant" {
	segmented a.evlog 40
	evfold --snapshot early 'n=count()' 'sum=sum(data.n)' a.evlog >/dev/null
	numbered 10 41 | evappend -q --segment-size 1 a.evlog
	evbackup -q --trim-before 31 a.evlog dest >/dev/null
	run -76 evfold 'n=count()' a.evlog
	assert_output --regexp "begins with event 31; .*Name the folder of backups"
	run -0 evfold 'n=count()' 'sum=sum(data.n)' dest a.evlog
	assert_output '{"n":51,"sum":1275}'
	run -0 evfold --snapshot early 'n=count()' 'sum=sum(data.n)' a.evlog
	assert_output '{"n":51,"sum":1275}'
	run -0 evfold --snapshot late 'n=count()' 'sum=sum(data.n)' dest a.evlog
	assert_output '{"n":51,"sum":1275}'
	numbered 1 52 | evappend -q a.evlog
	run -0 evfold --snapshot late 'n=count()' 'sum=sum(data.n)' a.evlog
	assert_output '{"n":52,"sum":1327}'
	run -0 evfold -o sqlite:t.db 'n=count()' dest a.evlog
	run -0 evfold -o sqlite:t.db 'n=count()' a.evlog
	run -0 bash -c 'evcat -q a.evlog | evfold "n=count()"'
	assert_output '{"n":22}'
}

@test "a folder of backups is named before its log" {
	segmented a.evlog 30
	segmented b.evlog 30
	evbackup -q --trim-before 21 a.evlog dest >/dev/null
	evbackup -q --trim-before 21 b.evlog other >/dev/null
	local tool
	for tool in evcat evreplay "evfold n=count()"; do
		run -64 $tool dest
		assert_output --regexp "dest: a folder of backups: name its log after it, or restore it with evrestore"
		run -64 $tool a.evlog dest
		run -64 $tool dest -
		evcat -q a.evlog >file
		run -64 $tool dest file
		# that of another log
		run -76 $tool other a.evlog
		assert_output --regexp "has no events that end with event 20, before which a.evlog begins"
		run -66 $tool nothing::a.evlog
		run -66 $tool dest::nothing
	done
	# several logs, each with its own
	assert_equal "$(evcat dest a.evlog other b.evlog | wc -l)" 62
	assert_equal "$(evcat -m dest a.evlog other b.evlog | wc -l)" 62
	# before anything was removed, it changes nothing
	segmented c.evlog 5
	evbackup -q c.evlog cd >/dev/null
	cmp <(evcat cd c.evlog) <(evcat c.evlog)
	# a log may be named like that
	mkdir x
	cp -r c.evlog x::c.evlog
	cmp <(evcat x::c.evlog) <(evcat c.evlog)
}

@test "when to trim: a seq, or a time that has passed" {
	segmented a.evlog 40
	local wrong
	for wrong in 0 '' soon 2999-01-01 'in 3 days' -1; do
		run -64 evbackup --trim-before "$wrong" a.evlog dest
	done
	[ ! -e dest ]
	run -64 evbackup --trim-before 3 --trim-before 4 a.evlog dest
	run -64 evbackup --trim-before 3 -f a.evlog dest
	run -64 evbackup --trim-before 3 -o tar a.evlog
	run -64 evbackup --trim-before 3 --status a.evlog dest
	run -76 evbackup --trim-before 42 a.evlog dest
	assert_output --regexp "ends with event 40"
	run -0 evbackup --trim-before "1 hour ago" a.evlog dest
	assert_equal "$(begins a.evlog)" 1
	at=$(evcat --from 25 --to 25 a.evlog | jq -r .logtime)
	run -0 evbackup -q --trim-before "$at" a.evlog dest
	assert_equal "$(begins a.evlog)" 21
	sleep 0.01
	run -0 evbackup -q --trim-before "$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)" a.evlog dest
	assert_equal "$(begins a.evlog)" 42
	evcat -q a.evlog | jq -e '.data.first == 42'
	# what a trim says is not trimmed by itself, or a call every night would say so every night
	for at in "0 seconds ago" 43; do
		run -0 evbackup --trim-before "$at" a.evlog dest
		assert_output --partial "nothing"
		assert_equal "$(evcat -q a.evlog | jq -c '[.seq, .data.first]')" '["0000000000000042",42]'
	done
	echo '{"type":"T"}' | evappend a.evlog
	evbackup -q --trim-before 44 a.evlog dest
	assert_equal "$(begins a.evlog)" 44
	run -66 evbackup --trim-before 3 nothing dest
}

@test "nothing is removed that the backups do not hold" {
	segmented a.evlog 40
	evbackup -q a.evlog dest >/dev/null
	sums a.evlog >before
	local file byte
	for file in dest/segments/*; do
		cp "$file" kept
		chmod u+w "$file"
		for byte in $(some 3 40 500 $(($(stat -c %s kept) - 1))); do
			cp kept "$file"
			flip "$file" "$byte" 2
			run -65 evbackup --trim-before 35 a.evlog dest
			assert_output --regexp "nothing was removed"
		done
		cp kept "$file"
	done
	for file in dest/segments/*; do # one that is missing is simply stored again
		mv "$file" kept
		run -0 evbackup -q a.evlog dest
		cmp kept "$file"
	done
	chmod -R u+w dest
	rm -r dest
	mkdir dest
	segmented b.evlog 10
	evbackup -q b.evlog dest >/dev/null
	run -76 evbackup --trim-before 35 a.evlog dest # of another log
	evcat a.evlog >/dev/null
	cmp <(evcat --to 40 a.evlog) <(evcat a.evlog)
}

@test "a log that is a copy, damaged, or not ours is not trimmed" {
	python3 "$BATS_TEST_DIRNAME/format.py" copy
	run -77 evbackup --trim-before 2 copy.evlog dest
	segmented a.evlog 40
	cp -r a.evlog bad.evlog
	damage bad.evlog/0000000000000011.ndjson.zst 600
	run -65 evbackup --trim-before 35 bad.evlog other
	(cd a.evlog && ls -- *.zst) | (cd bad.evlog && xargs ls) # all of it is there
}

@test "expectations about what was removed: nobody knows (76)" {
	segmented a.evlog 40
	evbackup -q --trim-before 21 a.evlog dest >/dev/null
	local e=$'{"type":"X","subject":"new"}'
	# event 20 and before are not there; s0 to s6 are the subjects of the rest
	for seq in 0 1 20; do
		run -76 evappend --expect-subject gone=$seq a.evlog <<<"$e"
		assert_output --regexp "have been removed, so that nobody knows whether one of them has the subject gone; nothing was appended.  To ask only about later ones: --expect-none 20:subject=gone"
	done
	run -76 evappend --expect-none 0:subject=gone a.evlog <<<"$e"
	run -76 evappend --expect-none 19:subject=gone a.evlog <<<"$e"
	run -1 evappend --expect-subject s1=8 a.evlog <<<"$e" # a later one has it
	run -1 evappend --expect-none 0:subject=s1 a.evlog <<<"$e"
	run -1 evappend --expect-subject gone=21 a.evlog <<<"$e"
	assert_equal "$(ends a.evlog)" 41
	run -0 evappend --expect-none 20:subject=gone a.evlog <<<"$e"
	run -0 evappend --expect-subject s1=36 a.evlog <<<"$e"
	run -0 evappend --expect-subject new=43 a.evlog <<<"$e"
	run -0 evappend --expect 44 a.evlog <<<"$e"
}

@test "--dedup says what it no longer knows" {
	segmented a.evlog 40
	evbackup -q --trim-before 21 a.evlog dest >/dev/null
	numbered 5 31 >again
	numbered 2 1 >old
	run -0 evappend --dedup a.evlog again
	assert_output --regexp "skipped: 5 events already in the log"
	assert_output --regexp "dedup: the events up to 20 were removed from the log, and were not compared"
	run -0 evappend --dedup=10 a.evlog <<<'{"type":"A"}'
	refute_output --partial removed
	run -0 evappend --dedup a.evlog old
	assert_equal "$(ends a.evlog)" 44
	run -0 evappend -q --dedup a.evlog old
	assert_output ""
}

@test "consumers: one that needs what was removed is told, and goes on through the backups" {
	segmented a.evlog 40
	evrun -q --checkpoint early --to 10 a.evlog -- cat >/dev/null
	evrun -q --checkpoint late --to 35 a.evlog -- cat >/dev/null
	evrun -q --checkpoint emitting --emit out.evlog --to 25 a.evlog -- jq -c '{type:"Out",data:.data}'
	evbackup -q --trim-before 31 a.evlog dest >/dev/null
	run -76 evrun --checkpoint early a.evlog -- cat
	assert_output --regexp "events 11 to 30 have been removed"
	run -0 evrun --checkpoint early dest a.evlog -- jq -c 'select(.data.n).data.n'
	assert_output "$(seq 11 40)"
	run -0 evrun --checkpoint late a.evlog -- jq -c 'select(.data.n).data.n'
	assert_output "$(seq 36 40)"
	run -0 --separate-stderr evrun --checkpoint new dest::a.evlog -- jq -c 'select(.data.n).data.n'
	assert_output "$(seq 1 40)"
	assert_equal "$stderr" ""
	run -76 evrun --checkpoint emitting --emit out.evlog a.evlog -- jq -c '{type:"Out",data:.data}'
	run -0 evrun --checkpoint emitting --emit out.evlog dest a.evlog -- jq -c '{type:"Out",data:.data}'
	assert_equal "$(evcat out.evlog | jq -c 'select(.data.n).data.n')" "$(seq 1 40)"
	numbered 1 41 | evappend -q a.evlog
	rm early # the checkpoints are lost; --emit knows its place from its output
	run -0 evrun --checkpoint emitting --emit out.evlog a.evlog -- jq -c '{type:"Out",data:.data}'
	assert_equal "$(evcat out.evlog | jq -c 'select(.data.n).data.n')" "$(seq 1 41)"
}

@test "the cursors of consumers that append to the log outlive what is removed" {
	segmented src.evlog 60
	local i
	# out.evlog gets cursors of two consumers, early and often
	evrun -q --checkpoint one --emit out.evlog --to 7 src.evlog -- jq -c '{type:"One",data:.data}'
	for i in 10 20 30 40; do
		evrun -q --checkpoint two --emit out.evlog --to $i src.evlog -- jq -c '{type:"Two",data:.data}'
		numbered 3 900 | evappend -q --segment-size 1 out.evlog
	done
	rm one two
	for i in 5 12 25 30 "$(ends out.evlog)"; do
		evbackup -q --trim-before "$i" out.evlog dest >/dev/null
	done
	[ "$(begins out.evlog)" -gt 30 ]
	# `one` has appended nothing for a long time, and `two` goes on where it was
	evrun -q --checkpoint one --emit out.evlog src.evlog -- jq -c '{type:"One",data:.data}'
	evrun -q --checkpoint two --emit out.evlog src.evlog -- jq -c '{type:"Two",data:.data}'
	assert_equal "$(evcat -t One dest out.evlog | jq .data.n)" "$(seq 60)"
	assert_equal "$(evcat -t Two dest out.evlog | jq .data.n)" "$(seq 60)"
	# the checkpoints know what they appended, and that was removed since
	for i in 1 2 3; do
		numbered 5 900 | evappend -q --segment-size 1 out.evlog
	done
	evbackup -q --trim-before $(($(ends out.evlog) - 3)) out.evlog dest >/dev/null
	numbered 1 61 | evappend -q src.evlog
	evrun -q --checkpoint one --emit out.evlog src.evlog -- jq -c '{type:"One",data:.data}'
	assert_equal "$(evcat -t One dest out.evlog | jq .data.n)" "$(seq 61)"
	evrun -q --checkpoint two --emit out.evlog src.evlog -- jq -c '{type:"Two",data:.data}'
	assert_equal "$(evcat -t Two dest out.evlog | jq .data.n)" "$(seq 61)"
	rm one two
	# a fork that ends before the event of the last trim knows the places, too
	for i in 1 2 3; do
		numbered 5 900 | evappend -q --segment-size 1 out.evlog
	done
	i=$(ends out.evlog)
	evbackup -q --trim-before $((i - 7)) out.evlog dest >/dev/null
	evfork -q --at $((i - 5)) out.evlog fork.evlog
	evrun -q --checkpoint one --emit fork.evlog src.evlog -- jq -c '{type:"One",data:.data}'
	evrun -q --checkpoint two --emit fork.evlog src.evlog -- jq -c '{type:"Two",data:.data}'
	assert_equal "$(evcat -q -t One -t Two fork.evlog | wc -l)" 0
	rm -r out.evlog one two
	evbackup -q src.evlog srcdest >/dev/null
	evrestore -q dest out.evlog
	evrun -q --checkpoint two --emit out.evlog src.evlog -- jq -c '{type:"Two",data:.data}'
	evrun -q --checkpoint one --emit out.evlog src.evlog -- jq -c '{type:"One",data:.data}'
	assert_equal "$(evcat -t One dest out.evlog | jq .data.n)" "$(seq 61)"
	assert_equal "$(evcat -t Two dest out.evlog | jq .data.n)" "$(seq 61)"
}

@test "processes and evdue go on, and begin anew through the backups" {
	segmented a.evlog 40
	echo '{"type":"Later","id":"l1","due":"2020-01-01T00:00:00Z","data":{}}' | evappend -q --segment-size 1 a.evlog
	echo 'for i = 0, 2 do on["T" .. i] = function(s, e) emit{type="Seen", data={n=e.data.n}} end end' >p.lua
	evfold --program p.lua --key type -o log:seen.evlog a.evlog
	evdue --emit due.evlog --checkpoint d a.evlog
	numbered 5 42 | evappend -q --segment-size 1 a.evlog
	evbackup -q --trim-before 44 a.evlog dest >/dev/null
	[ "$(begins a.evlog)" = 42 ]
	run -76 evfold --program p.lua --key type -o log:seen.evlog a.evlog
	run -0 evfold --program p.lua --key type -o log:seen.evlog dest a.evlog
	assert_equal "$(evcat -t Seen seen.evlog | jq .data.n)" "$(seq 40; seq 42 46)"
	run -0 evdue --emit due.evlog --checkpoint d a.evlog
	assert_equal "$(evcat due.evlog | wc -l)" 1
	run -0 evdue --emit anew.evlog dest a.evlog
	assert_equal "$(evcat anew.evlog | wc -l)" 1
}

@test "what was removed is not believed to have been there in another log, or an older one" {
	segmented src.evlog 20
	consume() { evrun -q --checkpoint "$1" --emit "$2" --to "$3" src.evlog -- jq -c '{type:"One",data:.data}'; }
	outgrow() { # the log begins after what a checkpoint says that it has appended
		segmented "$1" 40 10 900
		evbackup -q --trim-before "$(ends "$1")" "$1" "$1.dest" >/dev/null
	}
	consume c out.evlog 10
	cp -r out.evlog old.evlog
	consume c out.evlog 20
	mkdir elsewhere
	consume elsewhere/c other.evlog 20
	for log in old other out; do
		outgrow $log.evlog
	done
	run -76 consume c old.evlog 20
	run -76 consume c other.evlog 20
	run -0 consume c out.evlog 20
	assert_equal "$(evcat -t One out.evlog.dest out.evlog | jq .data.n)" "$(seq 20)"
}

@test "a process and evdue go on with what they keep, though what they appended was removed" {
	segmented a.evlog 40
	echo '{"type":"Later","id":"l1","due":"2020-01-01T00:00:00Z","data":{}}' | evappend -q --segment-size 1 a.evlog
	echo '{"type":"Later","id":"l2","due":"2999-01-01T00:00:00Z","data":{}}' | evappend -q --segment-size 1 a.evlog
	echo 'for i = 0, 2 do on["T" .. i] = function(s, e) emit{type="Seen", data={n=e.data.n}} end end' >p.lua
	evfold --program p.lua --key type -o log:seen.evlog --snapshot s a.evlog
	evdue --emit due.evlog --checkpoint d a.evlog
	cp s s.old
	cp d d.old
	for log in seen due; do
		segmented $log.evlog 30 10 900
		evbackup -q --trim-before "$(ends $log.evlog)" $log.evlog $log.dest >/dev/null
	done
	# the log that they read no longer has what they have seen
	numbered 5 43 | evappend -q --segment-size 1 a.evlog
	evbackup -q --trim-before 44 a.evlog dest >/dev/null
	for i in 1 2; do # the second time, from older ones
		run -0 --separate-stderr evfold --program p.lua --key type -o log:seen.evlog --snapshot s a.evlog
		assert_equal "$stderr" ""
		assert_equal "$(evcat -q -t Seen seen.dest seen.evlog | jq .data.n)" "$(seq 40; seq 43 47)"
		run -0 evdue --emit due.evlog --checkpoint d a.evlog
		assert_equal "$(evcat -q -t Later due.evlog | wc -l)" 0
		run -0 evdue --list --checkpoint d a.evlog
		assert_output --partial l2
		refute_output --partial l1
		[ $i = 2 ] || { mv s.old s && mv d.old d; }
	done
}

@test "what was removed can be restored, as long as the backups keep it" {
	segmented a.evlog 45
	cp -r a.evlog w.evlog
	evbackup -q --trim-before 31 a.evlog dest >/dev/null
	local at
	for at in $(some 1 9 10 11 20 29 30 31 32 40 41 45 46); do
		rm -rf b.evlog
		evrestore -q --to $at dest b.evlog
		first=1
		[ $at -le 30 ] || first=31
		cmp <(evcat -q b.evlog) <(evcat --from $first --to $at dest a.evlog)
		[ $at -gt 45 ] || cmp <(evcat -q b.evlog) <(evcat --from $first --to $at w.evlog)
		evappend -q b.evlog <<<'{"type":"New"}'
	done
	for at in 11 20 21 30 31 40 41; do
		rm -rf b.evlog
		t=$(evcat --from $at --to $at w.evlog | jq -r .logtime)
		evrestore -q --until "$t" dest b.evlog 2>err || { cat err; false; }
		first=1
		[ "$(evcat --until "$t" w.evlog | wc -l)" -le 30 ] || first=31
		cmp <(evcat -q b.evlog) <(evcat --until "$t" --from $first w.evlog)
	done
	rm -rf b.evlog
	evrestore -q dest b.evlog
	cmp <(evcat -q b.evlog) <(evcat -q a.evlog)
	as_before w.evlog dest b.evlog
	evbackup -q b.evlog dest >/dev/null
	# an older point is the log before that
	evrestore -q --point "$(basename "$(ls dest/points/*50-* | head -n 1)")" dest old.evlog
	cmp <(evcat old.evlog) <(evcat w.evlog)
}

@test "a log whose trimming was interrupted before anything was removed is as it was" {
	segmented w.evlog 60
	cp -r w.evlog a.evlog
	cp -r w.evlog b.evlog
	evbackup -q --trim-before 31 a.evlog dest >/dev/null
	cp a.evlog/0000000000000031.ndjson.zst b.evlog
	cmp <(evcat b.evlog) <(evcat w.evlog)
	cmp <(evcat --reverse b.evlog) <(evcat --reverse w.evlog)
	run -0 evfold 'n=count()' b.evlog
	assert_output '{"n":60}'
	evfork -q b.evlog f.evlog
	evfork -q --at 35 b.evlog g.evlog
	cmp <(evcat f.evlog) <(evcat w.evlog)
	cmp <(evcat g.evlog) <(evcat --to 35 w.evlog)
	evbackup -q b.evlog fresh >/dev/null
	evrestore -q fresh r.evlog
	cmp <(evcat r.evlog) <(evcat w.evlog)
	run -0 evrestore --drill --log b.evlog fresh
	evbackup -o tar b.evlog >b.tar
	cmp <(evcat b.tar) <(evcat w.evlog)
	evcat -o zst b.evlog | evappend -q --replica s.evlog
	run -0 evrestore --repair fresh b.evlog
	evappend -q --reindex b.evlog
	numbered 5 61 | evappend -q --segment-size 1 b.evlog
	evcat --from 40 --to 40 w.evlog | jq -c 'del(.seq, .logtime)' | evappend -q --dedup b.evlog
	assert_equal "$(ends b.evlog)" 65
	cmp <(evcat --to 60 b.evlog) <(evcat w.evlog)
	evbackup -q --trim-before 31 b.evlog fresh >/dev/null
	assert_equal "$(begins b.evlog)" 31
	cmp <(evcat --to 60 fresh b.evlog) <(evcat w.evlog)
}

@test "a drill compares what was removed with the log and its backups together" {
	segmented a.evlog 40
	evcat a.evlog | evappend --replica other.evlog
	evbackup -q --trim-before 21 a.evlog dest >/dev/null
	local n
	for n in 1 5 10 19 20 21 35 41; do
		run -0 evrestore --drill --to $n --log a.evlog dest
		run -0 evrestore --drill --to $n --log dest::a.evlog dest
	done
	# one with another past
	evcat other.evlog | cut -c 67- | sed 's/^/{/; s/T/U/' | evappend third.evlog
	evbackup -q --trim-before 21 third.evlog dest3 >/dev/null
	run -1 evrestore --drill --to 5 --log third.evlog dest
	run -1 evrestore --drill --to 41 --log third.evlog dest
	run -0 evrestore --drill --to 5 --log other.evlog dest
}

@test "a drill reads what was removed, too: a flipped bit is found" {
	segmented a.evlog 40
	evbackup -q --trim-before 31 a.evlog dest >/dev/null
	run -0 evrestore --drill --log a.evlog --check 'test "$(evcat -q "$1" | wc -l)" = 11' dest
	local file size byte
	for file in dest/segments/*; do
		case $file in *0000000000000031-*) continue ;; esac
		chmod u+w "$file"
		size=$(stat -c %s "$file")
		for byte in $(some 0 9 100 $((size / 2)) $((size - 1))); do
			flip "$file" "$byte" 5
			run -65 evrestore --drill dest
			assert_output --partial "$(basename "$file")"
			flip "$file" "$byte" 5
		done
		mv "$file" kept
		run -65 evrestore --drill dest
		run -65 evbackup --status dest
		mv kept "$file"
	done
	run -0 evrestore --drill dest
	# it goes on behind the first, so that all are known
	for file in dest/segments/*; do
		chmod u+w "$file"
		flip "$file" 500 1
	done
	run -65 evrestore --drill dest
	assert_output --regexp "and 3 more segments are damaged; the log does not have all of these events any more: put back such files from another copy"
	for file in dest/segments/*; do
		assert_output --partial "$(basename "$file")"
	done
	compgen -G '*.new-*' && false
	true
}

@test "--keep keeps what was removed, and --drop-trimmed does not" {
	segmented a.evlog 40
	evbackup -q --trim-before 31 a.evlog dest >/dev/null
	cp -r dest other
	for _ in 1 2 3; do
		evbackup -q --keep 1 --grace 0 a.evlog dest >/dev/null
	done
	assert_equal "$(ls dest/points/*.tar | wc -l)" 1
	assert_equal "$(evcat dest a.evlog | wc -l)" 41
	run -64 evbackup --drop-trimmed --status dest
	sleep 1.1
	evbackup -q --drop-trimmed --keep 1 --grace 0 a.evlog dest >/dev/null
	sleep 1.1
	evbackup -q --keep 1 --grace 0 a.evlog dest >/dev/null
	evbackup --status dest | jq -e '.first == 31 and .begins == 31'
	run -76 evcat dest a.evlog
	run -76 evrestore --to 30 dest b.evlog
	assert_output --regexp "begins with event 31; the events before it were removed"
	run -0 evrestore --drill --log a.evlog dest
	# plain retention, in one call
	segmented p.evlog 40
	evbackup -q --trim-before 31 --drop-trimmed p.evlog pd >/dev/null
	evbackup --status pd | jq -e '.first == 31'
}

@test "another folder of backups goes on if it has everything before, and only then" {
	segmented a.evlog 30
	evbackup -q a.evlog lags >/dev/null
	segmented a.evlog 10 10 31
	evbackup -q a.evlog has >/dev/null
	evbackup -q --trim-before 31 a.evlog dest >/dev/null
	run -0 evbackup a.evlog has
	evbackup --status has | jq -e '.first == 1 and .begins == 31'
	assert_equal "$(evcat has a.evlog | wc -l)" 41
	# it has up to 30, but as pieces of a segment, which nobody could read before the log
	run -76 evbackup a.evlog lags
	assert_output --regexp "lags has other events before it, or has them only in pieces"
	segmented b.evlog 30
	evbackup -q b.evlog behind >/dev/null
	segmented b.evlog 20 10 31
	evbackup -q --trim-before 41 b.evlog dest2 >/dev/null
	run -76 evbackup b.evlog behind
	assert_output --regexp "begins with event 41, and behind ends with event 30: what lies between was removed"
	evbackup -q b.evlog fresh >/dev/null
	evbackup --status fresh | jq -e '.first == 41'
}

@test "a fork keeps what its log gives up, and a replica goes on" {
	segmented a.evlog 40
	evfork -q a.evlog f.evlog
	evcat -o zst a.evlog | evappend -q --replica r.evlog
	cp -r a.evlog w.evlog
	evbackup -q --trim-before 31 a.evlog dest >/dev/null
	cmp <(evcat f.evlog) <(evcat w.evlog)
	evbackup -q --trim-before 21 f.evlog fdest >/dev/null
	evcat -q a.evlog | jq -e 'select(.type == "org.evlog.trimmed").data.first == 31'
	# it has all that is missing
	evcat -q -o zst a.evlog | evappend -q --replica r.evlog
	cmp <(evcat r.evlog) <(evcat dest a.evlog)
	# a fresh one begins where the log does, or with the backups
	evcat -q -o zst a.evlog | evappend -q --replica s.evlog
	cmp <(evcat -q s.evlog) <(evcat -q a.evlog)
	evcat -o zst dest a.evlog | evappend -q --replica t.evlog
	cmp <(evcat t.evlog) <(evcat dest a.evlog)
	# the trimmed log can be forked at any event
	local at
	for at in $(some 31 35 40 41); do
		rm -rf g.evlog
		evfork -q --at $at a.evlog g.evlog
		cmp <(evcat -q g.evlog) <(evcat -q --to $at a.evlog)
	done
	run -76 evfork --at 29 a.evlog h.evlog
}

@test "whoever reads while events are removed is told (76), or has all that it needs" {
	numbered 20000 | evappend -q --segment-size 20000 a.evlog
	[ "$(ls a.evlog/*.zst | wc -l)" -gt 3 ] || segmented a.evlog 5 1 20001
	last=$(ends a.evlog)
	second=$(ls a.evlog/*.zst | sed -n 3p | tr -dc 0-9 | cut -c 1-16 | sed 's/^0*//')
	# a reader that is stopped in the first segment
	mkfifo pipe
	timeout 60 evcat -j 1 a.evlog >pipe 2>err &
	reader=$!
	exec 7<pipe
	head -c 1000 <&7 >/dev/null
	# a follower that has read everything
	timeout 60 evcat -q -f a.evlog >followed 2>ferr &
	follower=$!
	until_ has_lines followed "$last"
	evbackup -q --trim-before "$last" a.evlog dest >/dev/null
	evappend -q a.evlog <<<'{"type":"New"}'
	cat <&7 >rest
	exec 7<&-
	wait $reader && status=0 || status=$?
	if [ "$status" != 0 ]; then
		assert_equal "$status" 76
		assert_equal "$(tail -n 1 err)" "evcat: a.evlog: the events before event $(begins a.evlog) were removed while they were being read"
	else
		[ "$(tail -n 1 rest | cut -c 9-24 | sed 's/^0*//')" -ge "$last" ]
	fi
	until_ grep -q New followed
	kill $follower
	wait $follower || true
	assert_equal "$(wc -l <followed)" "$(ends a.evlog)"
	assert_equal "$(cat ferr)" ""
	[ "$second" -gt 1 ]
}

@test "others append, seal and index meanwhile: nothing is lost" {
	numbered 50 | evappend -q --segment-size 1 a.evlog
	echo 50 >n
	(
		for ((i = 51; i < 400; i += 7)); do
			numbered 7 $i | evappend -q --segment-size 300 a.evlog || exit 1
			echo $((i + 6)) >new
			mv new n
		done
	) &
	writer=$!
	(while [ ! -e done ]; do evappend -q --reindex a.evlog || exit 1; done) &
	indexer=$!
	while kill -0 $writer 2>/dev/null; do
		evbackup -q --trim-before $(($(cat n) - 20)) a.evlog dest >/dev/null || {
			[ $? = 75 ]
		}
	done
	wait $writer
	touch done
	wait $indexer
	evcat dest a.evlog | jq 'select(.data.n).data.n' | cmp - <(seq "$(cat n)")
	[ "$(begins a.evlog)" -gt 200 ]
	evcat -q a.evlog >/dev/null
	run -0 evrestore --drill --log a.evlog dest
}

@test "a trimmed log is repaired from its backups, and stays trimmed" {
	segmented a.evlog 60
	evbackup -q a.evlog early >/dev/null
	evbackup -q --trim-before 31 a.evlog dest >/dev/null
	cp -r a.evlog good.evlog
	# a copy from before that would leave a log that begins with nothing
	damage a.evlog/0000000000000031.ndjson.zst 600
	run -65 evrestore --repair early a.evlog
	assert_output --partial "only in a copy from before the log was trimmed"
	assert_equal "$(begins a.evlog 2>/dev/null || true)" ""
	rm -r a.evlog
	cp -r good.evlog a.evlog
	local segment
	for segment in 31 41; do
		file=a.evlog/00000000000000$segment.ndjson.zst
		for how in header block gone; do
			case $how in
			header) damage $file 20 ;;
			block) damage $file 600 ;;
			gone) rm $file ;;
			esac
			run evcat -q a.evlog
			[ "$status" != 0 ]
			run -0 evrestore --repair dest a.evlog
			cmp <(evcat -q a.evlog) <(evcat -q good.evlog)
			assert_equal "$(begins a.evlog)" 31
			rm -r a.evlog
			cp -r good.evlog a.evlog
		done
	done
}

@test "a rotten or lost point does not cost what only the backups have" {
	segmented w.evlog 40
	local how
	for how in damage lose; do
		rm -rf a.evlog dest
		cp -r w.evlog a.evlog
		evbackup -q --trim-before 31 --keep 1 --grace 0 a.evlog dest >/dev/null
		sleep 1.1
		for point in dest/points/*; do
			chmod u+w "$point"
			if [ $how = damage ]; then damage "$point" 600; else rm "$point"; fi
		done
		for _ in 1 2 3; do
			run -0 evbackup --keep 1 --grace 0 a.evlog dest
			sleep 1.1
		done
		as_before w.evlog dest a.evlog
		run -0 evrestore --drill --log a.evlog dest
		evbackup --status dest | jq -e '.first == 1'
		rm -rf b.evlog
		evrestore -q --to 15 dest b.evlog
		cmp <(evcat b.evlog) <(evcat --to 15 w.evlog)
	done
}

@test "what is missing or damaged in the backups does not pass for what was given up" {
	segmented w.evlog 60
	cp -r w.evlog a.evlog
	evbackup -q --trim-before 41 a.evlog dest >/dev/null
	local file how
	for file in dest/segments/*; do
		case $file in *0000000000000041-* | *0000000000000051-*) continue ;; esac
		for how in header block gone; do
			cp "$file" kept
			chmod u+w "$file"
			case $how in
			header) damage "$file" 20 ;;
			block) damage "$file" 500 ;;
			gone) rm "$file" ;;
			esac
			case $how/$file in
			# nothing says that there was anything before
			gone/*0000000000000031-*) statuses="76" ;;
			gone/*0000000000000001-*) statuses="0" ;;
			*) statuses="65" ;;
			esac
			for tool in "evcat -q" "evcat -q --reverse" evreplay "evrun -q --checkpoint c"; do
				rm -f c
				command=()
				[[ $tool != evrun* ]] || command=(-- cat)
				run $tool dest a.evlog "${command[@]}"
				[ "$status" = $statuses ] || fail "$how $file: $tool: $status"
			done
			cp kept "$file"
		done
	done
	evcat dest a.evlog | head -n 60 | cmp - <(evcat w.evlog)
}

@test "a removed segment that the backups lose is told, and the log is still backed up" {
	segmented a.evlog 40
	evbackup -q --trim-before 31 a.evlog dest >/dev/null
	mv dest/segments/*0011-* kept
	numbered 5 41 | evappend -q a.evlog
	run -65 evbackup --keep 1 --grace 0 a.evlog dest
	assert_output --regexp "/segments/0000000000000011-.*: missing; a.evlog does not have these events any more"
	assert_equal "$(evbackup --status dest 2>&1 | grep -c missing)" 1
	evrestore -q dest b.evlog
	cmp <(evcat -q b.evlog) <(evcat -q a.evlog)
	cp kept "dest/segments/$(evbackup --status dest 2>&1 | sed 's/.*segments.//; s/: missing.*//')"
	run -0 evbackup a.evlog dest
	run -0 evrestore --drill --log a.evlog dest
	rm dest/segments/*0011-*
	run -0 evbackup --drop-trimmed a.evlog dest
	run -0 evbackup --status dest
}

@test "of a segment that is stored twice, the one that a drill looks at is read" {
	segmented a.evlog 80
	evbackup -q a.evlog dest >/dev/null
	evbackup -q --trim-before 31 a.evlog dest >/dev/null
	evbackup -q --trim-before 61 a.evlog dest >/dev/null
	[ "$(ls dest/segments/*0031-*0040-* | wc -l)" = 2 ]
	local file bad=0
	for file in dest/segments/*0031-*0040-*; do
		cp "$file" kept
		chmod u+w "$file"
		damage "$file" 600
		run evcat dest a.evlog
		read=$status
		run -$read evrestore --drill dest
		[ $read = 0 ] || bad=$((bad + 1))
		cp kept "$file"
	done
	assert_equal $bad 1
}

@test "followers of both go on through many trims" {
	segmented a.evlog 60
	evbackup -q a.evlog dest >/dev/null
	timeout 60 evcat -q -f dest a.evlog >cat 2>errors &
	timeout 60 evrun -q -f --checkpoint c dest a.evlog -- cat >run 2>>errors &
	timeout 60 evcat -q -f a.evlog >plain 2>>errors &
	until_ has_lines cat 60
	until_ has_lines run 60
	until_ has_lines plain 60
	local i
	for i in 1 2 3 4; do
		numbered 20 $((1000 + i * 20)) | evappend -q --segment-size 1 a.evlog
		# in the last two rounds, also the segment that they have open
		evbackup -q --trim-before $(($(ends a.evlog) - 2 + 3 * (i > 2))) a.evlog dest >/dev/null
	done
	# and in one more, what they have read is gone before they see that it is
	for file in cat run plain; do
		until_ has_lines $file "$(ends a.evlog)"
	done
	local pids
	pids=$(pgrep -P "$(jobs -p | paste -sd ,)")
	# shellcheck disable=SC2086 # words
	kill -STOP $pids
	evbackup -q --trim-before $(($(ends a.evlog) + 1)) a.evlog dest >/dev/null
	# shellcheck disable=SC2086
	kill -CONT $pids
	for file in cat run plain; do
		until_ has_lines $file "$(ends a.evlog)"
	done
	kill %1 %2 %3
	wait || true
	evcat dest a.evlog | cmp - cat
	evcat dest a.evlog | cmp - run
	evcat dest a.evlog | cmp - plain
	assert_equal "$(cat errors)" ""
}

@test "after an interrupted trim, one that goes less far succeeds, too" {
	segmented w.evlog 60
	cp -r w.evlog a.evlog
	cp -r w.evlog b.evlog
	evbackup -q --trim-before 41 a.evlog dest >/dev/null
	cp a.evlog/0000000000000041.ndjson.zst b.evlog
	evbackup -q --trim-before 31 b.evlog fresh >/dev/null
	assert_equal "$(begins b.evlog)" 31
	as_before w.evlog fresh b.evlog
	evbackup -q --trim-before 41 b.evlog fresh >/dev/null
	assert_equal "$(begins b.evlog)" 41
	as_before w.evlog fresh b.evlog
}

@test "killed before any removal: the next call completes it, and says it once" {
	need_shim
	segmented w.evlog 40
	local at said=0
	for at in $(some 1 2 3 4 5 6 7 8 9 10); do
		rm -rf a.evlog dest
		cp -r w.evlog a.evlog
		FAULT_DO=kill FAULT_NAME=unlinkat FAULT_AT=$at LD_PRELOAD=$EVLOG_BUILD/fault-shim.so evbackup -q --trim-before 31 a.evlog dest >/dev/null 2>&1 || true
		[ "$(begins a.evlog)" != 1 ] || said=$((said + $(evcat -t org.evlog.trimmed a.evlog | wc -l)))
		evbackup -q --trim-before 31 a.evlog dest >/dev/null
		assert_equal "$(evcat -q -t org.evlog.trimmed a.evlog | wc -l)" 1
		as_before w.evlog dest a.evlog
	done
	[ $said -gt 0 ] # some were killed between the event and the removal
}

@test "stopped anywhere while another process trims: all of it, or told why not" {
	need_shim
	segmented w.evlog 60
	evbackup -q w.evlog wd >/dev/null
	local n tool status
	for n in $(some 2 3 4 5 6 7 9 12 15 20 26); do
		for tool in "evcat -q -j 1 a.evlog" "evcat -q -j 1 dest a.evlog" "evbackup -q a.evlog dest" "evfork -q a.evlog f.evlog" "evbackup -o tar a.evlog"; do
			rm -rf a.evlog dest f.evlog
			cp -r w.evlog a.evlog
			cp -r wd dest
			FAULT_DO=stop FAULT_NAME=openat FAULT_AT=$n LD_PRELOAD=$EVLOG_BUILD/fault-shim.so timeout 60 $tool >out 2>err &
			until_ stopped_or_gone $!
			evbackup -q --trim-before 51 a.evlog dest >/dev/null
			pkill -CONT -P $! || true
			wait $! && status=0 || status=$?
			case $tool/$status in
			"evcat -q -j 1 a.evlog/76") grep -q "were removed while they were being read" err || fail "$(cat err)" ;;
			"evcat -q -j 1 dest a.evlog/0") head -n 60 out | cmp - <(evcat w.evlog) ;;
			evbackup*/75 | evfork*/75) grep -q "try again" err ;;
			*/0) ;;
			*) fail "$n $tool: $status $(cat err)" ;;
			esac
			[ ! -e f.evlog ] || evcat -q f.evlog >/dev/null
			as_before w.evlog dest a.evlog
		done
	done
}

@test "a path that is for reading both is not written to, and :: may be in names" {
	segmented a.evlog 40
	evbackup -q --trim-before 31 a.evlog my::dest >/dev/null
	assert_equal "$(evcat my::dest a.evlog | wc -l)" 41
	assert_equal "$(evcat my::dest::a.evlog | wc -l)" 41
	run -64 evappend my::dest::a.evlog <<<'{"type":"X"}'
	assert_output --partial "can only be read; append to a.evlog"
	[ ! -e my::dest::a.evlog ]
	ln -s nowhere "my::dest/segments/$(basename "$(ls -d my::dest/segments/*0030-*)" | tr 0-9 1-90 | sed 's/^.*-/0000000000000021-0000000000000030-/')" || true
	assert_equal "$(evcat my::dest a.evlog | wc -l)" 41
}

@test "backups to a folder that had nothing for a while: what it had is kept when it is back" {
	segmented a.evlog 40
	evbackup -q --trim-before 21 a.evlog dest >/dev/null
	mv dest remote
	run -0 evbackup a.evlog dest
	assert_output --regexp "a.evlog: begins with event 21, and dest does not have the events before it"
	cp -an remote/. dest/
	local i
	for i in 1 2 3; do
		evappend -q a.evlog <<<'{"type":"New"}'
		run -0 evbackup --keep 1 --grace 0 a.evlog dest
		sleep 1.1
	done
	assert_equal "$(evcat dest a.evlog | wc -l)" 44
	evbackup --status dest | jq -e '.first == 1'
	evrestore -q --to 5 dest b.evlog
	# what was given up does not come back
	evbackup -q --drop-trimmed a.evlog dest >/dev/null
	evappend -q a.evlog <<<'{"type":"New"}'
	run -0 evbackup a.evlog dest
	refute_output --partial "does not have"
	evbackup --status dest | jq -e '.first == 21'
}

@test "points of before, and nothing after the log was trimmed: the files say what leads to it" {
	numbered 5 1 | evappend -q a.evlog
	evbackup -q a.evlog dest >/dev/null
	numbered 5 6 | evappend -q a.evlog
	numbered 10 11 | evappend -q --segment-size 1 a.evlog
	evbackup -q --trim-before 11 a.evlog dest >/dev/null
	rm -f $(ls dest/points/* | tail -n 2)
	run -0 evbackup a.evlog dest
	evbackup --status dest | jq -e '.first == 1 and .begins == 11'
	run -0 evrestore --drill --log a.evlog dest
	# two folders, of which one has what the other lacks
	numbered 10 30 | evappend -q --segment-size 1 a.evlog
	evbackup -q --trim-before 22 a.evlog other >/dev/null
	cp -an other/segments/. dest/segments/
	run -0 evbackup --keep 1 --grace 0 a.evlog dest
	evbackup --status dest | jq -e '.first == 1'
	evcat dest a.evlog >/dev/null
}

@test "more cursors than fit: refused before anything is said or done" {
	numbered 1 1 | evappend -q in.evlog
	long=$(printf 'x%.0s' $(seq 240))
	local i
	for i in $(seq 100); do
		evrun -q --checkpoint "$long-$i.pos" --emit out.evlog in.evlog -- jq -nc 'inputs | {type: "E"}'
	done
	numbered 3 1 | evappend -q --segment-size 1 out.evlog
	numbered 3 4 | evappend -q --segment-size 1 out.evlog
	run -65 evbackup --trim-before 101 out.evlog dest
	assert_output --partial "more cursors than fit into its headers"
	assert_equal "$(evcat -t org.evlog.trimmed out.evlog | wc -l)" 0
	assert_equal "$(begins out.evlog)" 1
}
