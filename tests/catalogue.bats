# Catalogues: which sealed segments need not be opened, and where an id is.

load common

# log.evlog: 21,000 events in 300 segments and an active one, with catalogues of 256, 16 and
# one segment.
setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	local i
	for ((i = 0; i < 301; i++)); do
		events $((70 * i + 1)) 70 >part
		evappend --quiet --segment-size 1 log.evlog part
	done
	evappend --reindex log.evlog
}

setup() {
	common_setup
	cp -r "$BATS_FILE_TMPDIR/log.evlog" .
}

# events FROM N: with ids that repeat in other sources, subjects of up to 9 events, and a
# type for some.
events() {
	seq "$1" $(($1 + $2 - 1)) | awk '{
		printf "{\"type\":\"%s\",\"subject\":\"s%d\",\"id\":\"%d\",\"source\":\"/p%d\",", $1 % 5000 ? "Often" : "Rare", $1 / 9, $1 % 10000, $1 / 10000
		printf "\"time\":\"2026-11-%02dT%02d:00:00Z\",\"data\":%d}\n", 1 + $1 / 1000, $1 % 24, $1 }'
}

# The same question with catalogues, with --no-index, and without catalogues.
same() {
	evcat "$@" log.evlog >with
	evcat --no-index "$@" log.evlog | cmp - with
	[ -d bare.evlog ] || {
		cp -r log.evlog bare.evlog
		rm bare.evlog/*.catalogue
	}
	evcat "$@" bare.evlog | cmp - with
	assert_equal "$(wc -l <with)" "$expected"
}

@test "there is one catalogue for 256 segments, one for 16 of the rest, and one for each other" {
	assert_equal "$(ls log.evlog | grep -c catalogue)" 15
	ls log.evlog | sort | grep catalogue | tr -- -. '  ' |
		awk 'NR == 1 { next_one = 1 } { if ($1 + 0 != next_one) exit 1; next_one = $2 + 1; print ($2 - $1 + 1) / 70 }' |
		sort -rn | uniq -c | awk '{ print $1 "x" $2 }' | xargs >sizes
	assert_equal "$(cat sizes)" "1x256 2x16 12x1"
}

@test "the answers are those without catalogues, in both directions" {
	expected=9 same -s s1000
	expected=18 same -s s1000 -s s2000
	expected=0 same -s none
	expected=4 same -t Rare
	expected=1 same -t Rare -s s1111
	expected=3 same --id 777
	expected=3 same --id 700
	expected=5 same --id 700 --id 5000
	expected=0 same --id none
	expected=1 same --id 700 --source /p2
	expected=1 same -n 1 -s s3
	expected=9 same -r -s s1000
	expected=4 same -r -t Rare
	expected=1 same -r --id 700 -n 1
	expected=9 same -E --since 2026-11-05T03:00:00Z --until 2026-11-05T04:00:00Z -t Often -c 9
	expected=2 same -t Rare --from 7000 --to 17000
	expected=1 same -t Rare --since "$(evcat --from 12000 -c 1 log.evlog | jq -r .logtime)" -c 1
}

@test "only the segments that have the answer are opened" {
	command -v strace >/dev/null || skip "needs strace"
	for question in "-s s1000" "--id 777" "-s none" "--id none" "-n 1 -s s3" "-r -t Rare"; do
		traced -f -e trace=openat -o calls evcat $question log.evlog
		run -0 grep -c 'ndjson.zst' calls
		((output <= 24)) || fail "$question: $output segments opened"
	done
}

@test "an id is looked for in the active segment with few reads" {
	command -v strace >/dev/null || skip "needs strace"
	while read -r event; do
		evappend --no-sync many.evlog <<<"$event"
	done < <(events 1 300)
	traced -f -c -e trace=pread64 -o calls evcat --id 77 many.evlog
	(($(awk '/pread64/ { print $4 }' calls) < 60))
}

@test "--expect-subject: searched before the lock is taken, and after it only what is new" {
	for ((i = 1; i <= 40; i++)); do
		evappend --expect-subject "new$i=0" log.evlog <<<"{\"type\":\"A\",\"subject\":\"new$i\"}" &
		evappend --expect-subject "new$i=0" log.evlog <<<"{\"type\":\"B\",\"subject\":\"new$i\"}" &
		((i % 5)) || wait
	done 2>/dev/null
	wait
	assert_equal "$(evcat -s 'new*' log.evlog | wc -l)" 40
	run -0 evappend --expect-subject s1000=9008 log.evlog /dev/null
	run -1 evappend --expect-subject s1000=9007 log.evlog /dev/null
	assert_output --partial "the last seq of subject s1000 is 9008, not 9007"
}

@test "damaged, cut or lost: done without, and made again" {
	evcat -s s1000 --id 700 log.evlog >want
	local all
	all=$(cd log.evlog && ls ./*.catalogue)
	for f in $all; do
		size=$(stat -c %s "log.evlog/$f")
		for at in 3 35 70 $((size / 3)) $((size - 300)) $((size - 3)); do
			cp "log.evlog/$f" kept
			printf '\xa5\x5a' | dd of="log.evlog/$f" bs=1 seek="$at" conv=notrunc status=none
			evcat -s s1000 --id 700 log.evlog | cmp - want
			evcat -s s1000 log.evlog | wc -l | grep -qx 9
			truncate -s "$at" "log.evlog/$f"
			evcat --id 700 log.evlog | wc -l | grep -qx 3
			cp kept "log.evlog/$f"
		done
	done
	(cd log.evlog && md5sum ./*.catalogue) >sums
	truncate -s 100 "log.evlog/$(head -n 1 <<<"$all")"
	rm "log.evlog/$(tail -n 1 <<<"$all")"
	evappend --reindex log.evlog
	(cd log.evlog && md5sum --quiet -c ../sums)
}

@test "before a segment is rewritten, its catalogue is removed" {
	command -v strace >/dev/null || skip "needs strace"
	first=log.evlog/0000000000000001.ndjson.zst
	truncate -s $(($(stat -c %s $first) - 3)) $first # the index is damaged
	expected=9 same -s s1
	traced -f -e trace=renameat,renameat2,unlinkat,fsync -o calls evappend --reindex log.evlog
	awk '/unlinkat.*catalogue/ && !gone { gone = NR } /fsync/ && gone && !synced { synced = NR }
		/renameat.*"0000000000000001.ndjson.zst"/ { renamed = NR }
		END { exit !(gone && gone < synced && synced < renamed) }' calls
	rm -rf bare.evlog
	expected=9 same -s s1
	assert_equal "$(ls log.evlog | grep -c catalogue)" 15
}

@test "a segment that is not the one in the catalogue is read all the same" {
	cp -r log.evlog other.evlog
	# the same events, in another segment of another size
	rm other.evlog/*.catalogue
	first=0000000000000001.ndjson.zst
	cp log.evlog/$first kept
	printf 'x' >>log.evlog/$first
	expected=9 same -s s1
}

@test "two processes make them at the same time" {
	rm log.evlog/*.catalogue
	evappend --reindex log.evlog &
	evappend --reindex log.evlog
	wait
	evappend --reindex log.evlog
	expected=9 same -s s1000
	assert_equal "$(ls log.evlog | grep -c catalogue)" 15
	run ! ls log.evlog/new-catalogue
}

# asks FILE OPTION...: which of the events in a file --dedup skips, as words: new, same or
# other content.
asks() {
	rm -rf try.evlog refused
	cp -r log.evlog try.evlog
	touch refused
	evappend --reject refused --ack "${@:2}" try.evlog "$1" 2>/dev/null >acks || [ $? = 65 ]
	echo "$(($(evcat try.evlog | wc -l) - 21070)) $(jq -s 'map(.skipped) | add // 0' acks) $(wc -l <refused)"
}

@test "--dedup: new, the same and other events, wherever they are, and in the same input" {
	events 1 21070 >old
	shuf -n 300 --random-source=old old >same
	sed 's/"data":/"data":1/' same | shuf -n 100 --random-source=old >other
	events 25001 200 | sed 's|"source":"/p|"source":"/new|' >new
	assert_equal "$(asks same --dedup)" "0 300 0"
	assert_equal "$(asks other --dedup)" "0 0 100"
	assert_equal "$(asks new --dedup)" "200 0 0"
	cat new same other new other same | shuf --random-source=old >all
	assert_equal "$(asks all --dedup)" "200 800 200"
	assert_equal "$(asks all --dedup=id)" "200 1000 0"
	assert_equal "$(asks old --dedup)" "0 21070 0"
	# the same without catalogues, and with some
	rm log.evlog/*-000000000001792*.catalogue
	assert_equal "$(asks all --dedup)" "200 800 200"
	rm log.evlog/*.catalogue
	assert_equal "$(asks all --dedup)" "200 800 200"
}

@test "--dedup=N: only the last N events count" {
	events 1 21070 >old
	for n in 1 70 71 500 5000 21069 21070 30000; do
		((want = n < 21070 ? n : 21070))
		((near = n < 600 ? n : 600))
		tail -n $near old >near
		assert_equal "$(asks near --dedup=$n --atomic)" "0 $near 0"
		head -n 1 old >first
		assert_equal "$(asks first --dedup=$n)" "$((n < 21070)) $((n >= 21070)) 0"
	done
}

@test "--dedup: a damaged catalogue is done without, whatever was damaged" {
	events 1 21070 | shuf -n 200 --random-source=<(yes) >same
	for f in log.evlog/*.catalogue; do
		size=$(stat -c %s "$f")
		for at in 30 100 $((size / 2)) $((size * 9 / 10)) $((size - 200)); do
			cp "$f" kept
			printf '\xa5\x5a\x33' | dd of="$f" bs=1 seek="$at" conv=notrunc status=none
			[ "$f" != log.evlog/0000000000000001-0000000000017920.catalogue ] && ((at > 100)) && {
				cp kept "$f"
				break
			}
			assert_equal "$(asks same --dedup)" "0 200 0"
			cp kept "$f"
		done
	done
	truncate -s 70000 log.evlog/0000000000000001-0000000000017920.catalogue
	assert_equal "$(asks same --dedup)" "0 200 0"
	# the segment behind it is another one
	assert_equal "$(asks same --dedup)" "0 200 0"
}

@test "--dedup: an event of which only the leaf is left is the same, or it is another" {
	PYTHONPATH=$BATS_TEST_DIRNAME python3 -c '
import format as f
lines = [f.stamped(n, f.numbered(n)) for n in range(1, 9)]
for n in (2, 5):
    print("{" + f.numbered(n).decode())
    lines[n - 1] = f.stamped(n, b"\"id\":\"e%d\",\"source\":\"/shop\"}" % n, f.leaf(lines[n - 1]))
f.log_make("leaves.evlog", [{"blocks": [(4, lines)]}])' >originals
	run -0 evappend --dedup --ack leaves.evlog originals
	assert_output --partial '"skipped":2'
	sed 's/"n":/"n":1/' originals >others
	run -65 evappend --dedup leaves.evlog others
	assert_output --partial "different content"
	run -0 evappend --dedup=id leaves.evlog others
	# sealed, too
	evappend --segment-size 1 leaves.evlog < <(orders)
	evappend --reindex leaves.evlog
	run -0 evappend --dedup --ack leaves.evlog originals
	assert_output --partial '"skipped":2'
	run -65 evappend --dedup leaves.evlog others
}

@test "--dedup=N: a damaged catalogue before the window keeps nobody waiting" {
	first=$(ls log.evlog/*.catalogue | head -n 1)
	printf '\xa5\x5a' | dd of="$first" bs=1 seek=$(($(stat -c %s "$first") - 300)) conv=notrunc status=none
	for n in 1 70 2000; do
		run -0 timeout 20 evappend -q --dedup=$n log.evlog <<<"{\"type\":\"T\",\"id\":\"new$n\"}"
	done
}

@test "catalogues of another log, whose files are replaced, are not believed" {
	rm -r log.evlog
	for ((i = 0; i < 20; i++)); do
		events $((70 * i + 1)) 70 >part
		evappend --quiet --segment-size 1 log.evlog part
		sed 's/"id":"/&other/' part >other
		evappend --quiet --segment-size 1 other.evlog other
	done
	events 1 1400 | sed 's/"id":"/&other/' >others
	cp other.evlog/*.zst other.evlog/head log.evlog/
	assert_equal "$(evcat --id other77 log.evlog | wc -l)" 1
	run -0 evappend --dedup --ack log.evlog others
	assert_output --partial '"skipped":1400'
}

@test "a log is indexed, searched and read with few descriptors" {
	rm log.evlog/*.catalogue
	run -0 bash -c 'ulimit -n 40 && evappend --reindex log.evlog'
	assert_equal "$(ls log.evlog | grep -c catalogue)" 15
	for i in {1..8}; do cp -r log.evlog copy$i.evlog; done
	run -0 bash -c 'ulimit -n 64 && evcat -m -t Rare copy*.evlog'
	assert_equal "${#lines[@]}" 32
}

@test "many events with one id, and many that conflict, in time that grows with them" {
	seq 30000 | sed 's/.*/{"type":"T","id":"same","source":"\/s","data":&}/' >same
	evappend same.evlog same
	run -65 timeout 20 evappend --dedup same.evlog <<<'{"type":"T","id":"same","source":"/s","data":0}'
	events 1 6000 | sed 's/"data":/"data":1/' >conflicts
	run -65 timeout 60 evappend --quiet --dedup --reject refused log.evlog conflicts
	assert_equal "$(wc -l <refused)" 6000
}

@test "--dedup: a segment that is not as its catalogue says is read all the same" {
	local segment=log.evlog/0000000000000071.ndjson.zst
	events 71 70 >same
	cp -r log.evlog whole.evlog
	printf x >>$segment # behind its index
	assert_equal "$(asks same --dedup)" "0 70 0"
	truncate -s -4 $segment # into its index
	assert_equal "$(asks same --dedup)" "0 70 0"
	rm -r log.evlog
	mv whole.evlog log.evlog
	printf '\xa5' | dd of=$segment bs=1 seek=800 conv=notrunc status=none # a block
	head -n 1 same >one
	run -65 evappend --dedup log.evlog one
	assert_output --partial "damaged at byte"
	assert_equal "$(evcat -n 1 log.evlog | cut -c 1-24)" '{"seq":"0000000000021070'
}

@test "--dedup: blocks that are not those of the catalogue are not looked up by their number" {
	# the same events in larger and in smaller blocks
	seq 3000 | awk '{ printf "{\"type\":\"T\",\"id\":\"%d\",\"source\":\"/x\",\"data\":\"%0300d\"}\n", $1, $1 * 7919 % 10007 }' >in
	evappend -q a.evlog in
	for from in $(seq 1 250 2751); do
		evcat --from "$from" --to $((from + 249)) a.evlog | evappend -q --replica b.evlog
	done
	for log in a b; do
		evappend -q --segment-size 1 $log.evlog <<<'{"type":"Next","id":"n"}'
		evappend -q --reindex $log.evlog
	done
	cp b.evlog/0000000000000001.ndjson.zst a.evlog/
	run -0 --separate-stderr evappend --ack --dedup a.evlog in
	assert_equal "$(jq -s 'map(.skipped) | add' <<<"$output")" 3000
}

@test "--dedup=N: events that have left the window in the same run are stored again" {
	# each third comes again after 40, and each seventh after 400 events; commits at pauses
	seq 1 6000 | awk '{
		print ($1 % 3 == 0 && $1 > 40 ? $1 - 40 : $1 % 7 == 0 && $1 > 400 ? $1 - 400 : $1) }' >ids
	awk '{ printf "{\"type\":\"T\",\"id\":\"%d\",\"source\":\"/x\"}\n", $1 }' ids >in
	{
		for from in 1 1501 3001 4501; do
			sed -n "$from,$((from + 1499))p" in
			sleep 0.4
		done
	} | evappend --dedup=100 --ack --linger 0 new.evlog >acks
	[ "$(wc -l <acks)" -ge 4 ]
	python3 - ids <<'EOF' >want
import sys
log = []
for id in open(sys.argv[1]).read().split():
    if id not in log[-100:]:
        log.append(id)
print("\n".join(log))
EOF
	evcat new.evlog | sed 's/.*"id":"\([0-9]*\)".*/\1/' | cmp - want
	[ "$(wc -l <want)" -lt 6000 ]
}
