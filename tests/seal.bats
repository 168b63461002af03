# Sealed segments: small blocks are merged, and an index and a seek table added; and which
# blocks the index and filters rule out.
load common
setup() { common_setup; }

# sealed LOG: how many of its segments are sealed.
sealed() {
	local n=0 f
	for f in "$1"/*.zst; do
		[ "$(od -An -tu4 -j20 -N4 "$f")" -eq 2 ] && n=$((n + 1))
	done
	echo $n
}

# one_by_one LOG N SIZE [FROM]: appends each event with its own evappend.
one_by_one() {
	numbered "$2" "${4:-1}" >"$1.events"
	while read -r line; do
		echo "$line" | evappend --segment-size "$3" "$1"
	done <"$1.events"
}

@test "all segments but the active one are sealed; zstd and evcat read the same lines" {
	one_by_one a.evlog 90 3000
	segments=(a.evlog/*.zst)
	[ ${#segments[@]} -gt 4 ]
	assert_equal "$(sealed a.evlog)" $((${#segments[@]} - 1))
	evcat a.evlog >lines
	cut -d, -f3- lines | grep -c . | grep -qx 90
	zstdcat a.evlog/*.zst | cmp - lines
	run -0 zstd -tq a.evlog/*.zst
	run -0 zstd -l a.evlog/*.zst
	evcat -r a.evlog | tac | cmp - lines
	evappend --replica b.evlog lines
	run -0 evdiff a.evlog b.evlog
	assert_equal "$(ls a.evlog | grep -c seal- || true)" 0
}

@test "a log written event by event is as small as one written at once" {
	[ "${SAN:-}" != thread ] || skip "it starts 500 processes"
	numbered 500 | jq -c '.data.text = ("word \(.data.n * 7919 % 1000) " * 3)' >in
	while read -r line; do echo "$line" | evappend --no-sync a.evlog; done <in
	evcat a.evlog >lines
	evappend --replica b.evlog lines
	for log in a b; do numbered 1 | evappend --segment-size 1 $log.evlog; done
	one=$(stat -c %s a.evlog/0000000000000001.ndjson.zst)
	all=$(stat -c %s b.evlog/0000000000000001.ndjson.zst)
	[ $((one * 100)) -le $((all * 103)) ] || { echo "$one against $all"; false; }
}

@test "the seek table is that of zstd's seekable format: its sums are the file's" {
	one_by_one a.evlog 40 2000
	python3 - a.evlog/0000000000000001.ndjson.zst <<-'END'
		import struct, subprocess, sys
		p = open(sys.argv[1], "rb").read()
		n, bits, magic = struct.unpack("<IBI", p[-9:])
		assert magic == 0x8F92EAB1 and bits == 0
		size = 8 * n + 9
		assert struct.unpack("<II", p[-size - 8:-size]) == (0x184D2A5E, size)
		at = 0
		for i in range(n):
		    packed, raw = struct.unpack("<II", p[len(p) - size + 8 * i:][:8])
		    frame = p[at:at + packed]
		    out = subprocess.run(["zstd", "-dcq"], input=frame, stdout=subprocess.PIPE, check=True).stdout
		    assert len(out) == raw, (i, len(out), raw)
		    at += packed
		assert at == len(p) - size - 8, "the frames fill the file"
	END
}

# Every selection gives the same events as a search of all lines, whatever the index says.
@test "what index and filters pass over is nothing that is wanted" {
	numbered 3000 | jq -c --unbuffered '.subject = "s\(.data.n * .data.n % 211)" | .type = "T\(.data.n % 13)"
		| if .data.n % 100 == 0 then .subject = "quo\"te\u00e4" else . end' >in
	split -l 150 in part.
	for f in part.*; do evappend --segment-size 6000 a.evlog "$f"; done
	[ "$(sealed a.evlog)" -gt 3 ]
	evcat a.evlog >lines
	same() {
		jq -c "select($1)" lines | cut -c1-30 >want
		shift
		evcat "$@" a.evlog | cut -c1-30 | cmp - want
		evcat -r "$@" a.evlog | tac | cut -c1-30 | cmp - want
		evcat -n 3 "$@" a.evlog | cut -c1-30 | cmp - <(tail -n 3 want)
		evcat -c 3 "$@" a.evlog | cut -c1-30 | cmp - <(head -n 3 want)
	}
	for s in s0 s1 s25 s36 s100 s200 s210 none; do
		same ".subject == \"$s\"" -s $s
		same ".subject == \"$s\" and .type == \"T5\"" -s $s -t T5
		same ".subject == \"$s\" and .data.n > 900 and .data.n <= 2100" -s $s --from 901 --to 2100
	done
	for t in T0 T7 T12 T13; do same ".type == \"$t\"" -t $t; done
	same '.subject == "s1" or .subject == "s4"' -s s1 -s s4
	same '.subject == "quo\"teä"' -s 'quo"teä'
	same '(.subject // "" | startswith("s1")) and .type == "T1"' -s 's1*' -t T1
	for n in 1 2 149 150 151 1000 2999 3000 3001; do
		same ".data.n >= $n" --from $n
		same ".data.n <= $n" --to $n
	done
	since=$(sed -n 1500p lines | jq -r .logtime)
	same ".logtime >= \"$since\"" --since "$since"
	same ".logtime < \"$since\"" --until "$since"
}

@test "one subject among many is found by reading its blocks only" {
	numbered 20000 | jq -c '.subject = if .data.n == 7000 then "rare" elif .data.n == 8000 then "rare[0]*" else "s\(.data.n)" end' >in
	split -l 2500 in part.
	for f in part.*; do evappend --segment-size 10000 a.evlog "$f"; done
	[ "$(sealed a.evlog)" -gt 5 ]
	read_bytes() { traced -e trace=pread64 evcat "$@" a.evlog 2>&1 >/dev/null | sed -n 's/.*= //p' | awk '{ n += $1 } END { print n + 0 }'; }
	all=$(read_bytes)
	for way in "-s rare" "-s rare -n 1" "-s rare -r" "-F -s rare[0]*" "-s rare[0]* -F -r"; do
		# shellcheck disable=SC2086 # words on purpose
		some=$(read_bytes $way)
		[ $((some * 2)) -lt "$all" ] || { echo "$way: $some of $all bytes"; false; }
	done
	assert_equal "$(evcat -s rare a.evlog | jq .data.n)" 7000
	assert_equal "$(evcat -F -s 'rare[0]*' a.evlog | jq .data.n)" 8000
}

@test "an index that is damaged or missing is done without, said with -v, and made anew by --reindex" {
	one_by_one a.evlog 60 3000
	evcat -s s3 a.evlog >want
	run -0 --separate-stderr evcat -v -s s3 a.evlog
	[ -z "$stderr" ]
	segment=a.evlog/0000000000000001.ndjson.zst
	at=$(grep -abo evlogIDX $segment | cut -d: -f1)
	cp $segment whole
	for change in "+8" "+20" "+70" "+130" cut; do
		cp whole $segment
		if [ $change = cut ]; then
			truncate -s $at $segment
		else
			damage $segment $((at + change))
		fi
		evcat -s s3 a.evlog | cmp - want
		run -0 --separate-stderr evcat -v -s s3 a.evlog
		assert_equal "$stderr" "evcat: a.evlog: searched slowly, because the index of a segment is damaged or missing; run evappend --reindex"
		run -0 evappend --reindex a.evlog
		assert_output ""
		cmp $segment whole
	done
	evcat -s s3 a.evlog | cmp - want
	run -66 evappend --reindex none.evlog
	run -64 evappend --reindex a.evlog in
}

@test "a segment that is damaged is not sealed, and says so; what is whole in it stays" {
	numbered 40 | evappend a.evlog
	numbered 40 41 | evappend a.evlog
	cp -r a.evlog b.evlog
	damage a.evlog/0000000000000001.ndjson.zst 400
	sum=$(sha256sum <a.evlog/0000000000000001.ndjson.zst)
	run -0 --separate-stderr evappend --segment-size 1 a.evlog < <(numbered 1 81)
	[[ $stderr == *"0000000000000001.ndjson.zst: damaged at byte "* ]]
	assert_equal "$(sha256sum <a.evlog/0000000000000001.ndjson.zst)" "$sum"
	run -65 evappend --reindex a.evlog
	run -65 evcat a.evlog
	run -0 evappend --segment-size 1 b.evlog < <(numbered 1 81)
	assert_equal "$(sealed b.evlog)" 1
}

@test "a reader that has the segment open, and a follower, are undisturbed by its sealing" {
	numbered 3 | evappend a.evlog
	(timeout 60 evcat -f --to 120 a.evlog >followed) 3>&- &
	pid=$!
	(for _ in {1..60}; do evcat a.evlog | jq -es 'map(.data.n) == [range(1; length + 1)]' || echo bad; done >seen) 3>&- &
	reader=$!
	for i in {4..120}; do numbered 1 "$i" | evappend --segment-size 2000 a.evlog; done
	wait $pid
	wait $reader
	jq .data.n followed | cmp - <(seq 120)
	run ! grep -v true seen
}

@test "a slow reader meets its last segment sealed, and reads to its end" {
	numbered 400 | evappend --segment-size 2000 a.evlog
	# it has looked where the log ends, and opens that segment later
	evcat a.evlog a.evlog | { read -r line; echo "$line"; sleep 2; cat; } >out 3>&- &
	pid=$!
	until [ -s out ]; do sleep 0.1; done
	for i in {401..440}; do numbered 1 "$i" | evappend --segment-size 2000 a.evlog; done
	wait $pid
	[ "$(wc -l <out)" -ge 800 ]
	jq -es 'map(.data.n) as $n | [range(1; ($n | length))] | all($n[.] == $n[. - 1] + 1 or $n[.] == 1)' out
}

@test "killed while it seals, again and again: the log reads the same, and is sealed in the end" {
	[ "${SAN:-}" != thread ] || skip "what is killed reports no race"
	numbered 300 | evappend a.evlog
	for i in {301..330}; do numbered 1 "$i" | evappend a.evlog; done
	cp -r a.evlog start.evlog
	evcat a.evlog >lines
	calls=$(traced -c evappend --reindex a.evlog 2>&1 | awk '$NF == "total" { print $4 }')
	[ -n "$calls" ]
	for call in openat ftruncate fchmod pwrite64 fsync renameat close; do
		for when in 1 2 4; do
			rm -rf a.evlog
			cp -r start.evlog a.evlog
			echo '{"type":"T0","data":{"n":331}}' | traced -o /dev/null -e inject=$call:signal=KILL:when=$when \
				evappend --segment-size 1 a.evlog || true
			evcat a.evlog | sed -n 1,330p | cmp - lines
			[ "$(evcat a.evlog | wc -l)" -le 331 ]
			echo '{"type":"T0","data":{"n":332}}' | evappend --segment-size 1 a.evlog
			evcat a.evlog | sed -n 1,330p | cmp - lines
			evappend --reindex a.evlog
			[ "$(sealed a.evlog)" -ge 1 ]
			zstdcat a.evlog/*.zst | cmp - <(evcat a.evlog)
		done
	done
}

@test "any head of before the seal, or none: all is read, and the next append goes on" {
	numbered 1 >head.events
	for i in {1..40}; do
		numbered 1 "$i" | evappend --segment-size 1500 a.evlog
		cp a.evlog/head "head.$i"
	done
	evcat a.evlog >lines
	[ "$(sealed a.evlog)" -gt 3 ]
	for i in {1..39} none; do
		rm -rf b.evlog
		cp -r a.evlog b.evlog
		if [ $i = none ]; then rm b.evlog/head; else cp "head.$i" b.evlog/head; fi
		evcat b.evlog 2>/dev/null | cmp - lines || [ $i = none ]
		numbered 1 41 | evappend -q b.evlog
		assert_equal "$(evcat b.evlog | jq .data.n | tr '\n' ' ')" "$(seq 41 | tr '\n' ' ')"
	done
	# a sealed one had something behind it
	rm -rf b.evlog
	mkdir b.evlog
	cp a.evlog/0000000000000001.ndjson.zst b.evlog
	cp head.1 b.evlog/head
	n=$(zstdcat b.evlog/*.zst | wc -l)
	for way in --reverse --from=2 --last=100 --count=100; do
		run -65 --separate-stderr evcat $way b.evlog
		assert_equal "$stderr" "evcat: b.evlog/$(printf %016d $((n + 1))).ndjson.zst is missing (events $((n + 1)) and later); see --salvage, and RECOVERY in evlog(7)"
	done
	run -65 evappend b.evlog head.events
	# only sealed segments, as an archive keeps them
	mkdir c.evlog
	for f in a.evlog/*.zst; do [ "$f" = "${f%/*}/$(ls a.evlog | grep zst | tail -n 1)" ] || cp "$f" c.evlog; done
	run -65 evcat c.evlog
	n=$({ evcat -q c.evlog 2>/dev/null || true; } | wc -l)
	[ "$n" -gt 20 ]
	{ evcat c.evlog 2>/dev/null || true; } | cmp - <(head -n "$n" lines)
	numbered 1 $((n + 1)) | evappend -q c.evlog
	assert_equal "$(evcat c.evlog | jq .data.n | tail -n 1)" $((n + 1))
}

@test "consumers go on where they were when the segment with their cursor is sealed" {
	numbered 60 | evappend a.evlog
	evrun --batch 5 --to 20 --checkpoint c --emit b.evlog a.evlog -- jq -c '{type: "Out", data: .data.n}'
	for i in {1..30}; do numbered 1 "$i" | evappend --segment-size 1500 b.evlog; done
	[ "$(sealed b.evlog)" -gt 1 ]
	rm c
	run -0 evrun --batch 5 --checkpoint c --emit b.evlog a.evlog -- jq -c '{type: "Out", data: .data.n}'
	assert_output --partial "continuing after event 20"
	evcat -t Out -o data b.evlog | cmp - <(seq 60)
	# sealed while it runs: that is no other consumer of its name
	rm -r b.evlog c
	run -0 evrun --batch 3 --checkpoint c --emit b.evlog a.evlog -- sh -c \
		'echo "{\"type\":\"Other\"}" | evappend --segment-size 500 b.evlog; jq -c "{type: \"Out\", data: .data.n}"'
	evcat -t Out -o data b.evlog | cmp - <(seq 60)
	[ "$(sealed b.evlog)" -gt 1 ]
}

@test "blocks decompressed ahead, of this segment and the next: nothing changes, damaged or not" {
	"$BATS_TEST_DIRNAME/bench/events" 120000 --subjects 300 | split -l 15000 - part.
	for f in part.*; do evappend --segment-size 600K a.evlog "$f"; done
	[ "$(sealed a.evlog)" -gt 5 ]
	both() {
		for options in "-s order-17" "-s order-17 -s order-18 -t OrderShipped" "-s none" "--from 40000 -s order-1" "-t InvoiceSent -c 9000"; do
			for j in 1 2; do
				status=0
				# shellcheck disable=SC2086 # words on purpose
				evcat -j $j $options "$1" >out.$j 2>err.$j || status=$?
				echo $status >>err.$j
			done
			cmp out.1 out.2 && cmp err.1 err.2 || fail "$options"
		done
	}
	both a.evlog
	evcat a.evlog | grep '"subject":"order-17",' | cmp - <(evcat -j 2 -s order-17 a.evlog)
	for segment in $(cd a.evlog && ls 0*.zst | sed -n '2p;4,5p'); do
		for at in 40 300000 -3000 gone; do
			rm -rf b.evlog && cp -r a.evlog b.evlog
			if [ $at = gone ]; then
				rm "b.evlog/$segment"
			else
				size=$(stat -c %s "b.evlog/$segment")
				damage "b.evlog/$segment" $(((at + size) % size))
			fi
			both b.evlog
		done
	done
}

@test "--reindex refuses what would have no effect, and obeys the rest" {
	numbered 10 | evappend -z 1 a.evlog
	cp -r a.evlog b.evlog
	for option in --ack --type=T --text --reject=r --check=c --atomic --expect=10 --expect-none=0:type=X \
		--expect-subject=s1=1 --dedup --replica --linger=1 --source=/x; do
		run -64 evappend --reindex "$option" a.evlog
		assert_output --partial "--reindex appends nothing: give only LOG, and options about the log"
	done
	run -64 evappend --reindex a.evlog /dev/null
	diff -r a.evlog b.evlog
	numbered 1 | evappend -z 1 --segment-size 1 a.evlog
	sum=$(fingerprint a.evlog)
	printf 'x' | dd of=a.evlog/0000000000000001.ndjson.zst bs=1 seek=$(($(stat -c %s a.evlog/0000000000000001.ndjson.zst) - 20)) conv=notrunc status=none
	run -0 evappend --reindex --segment-size 1 -z 1 -j 1 --wait 1 --strict -v a.evlog
	assert_equal "$(fingerprint a.evlog)" "$sum"
}
