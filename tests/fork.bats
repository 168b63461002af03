# evfork.
load common
setup() { common_setup; }

@test "a log of any kind and version, forked at each event: the same events; both go on alone" {
	local log n at kinds=0
	for log in "$BATS_TEST_DIRNAME"/golden/{0.1,1.0}/*.evlog; do
		rm -rf a.evlog
		cp -r "$log" a.evlog
		evcat -q a.evlog >all 2>err || { # damaged, or from elsewhere
			[ -s err ]
			run evfork a.evlog b.evlog
			[ "$status" != 0 ] || { evcat -q b.evlog || true; } | cmp - all
			rm -rf b.evlog
			continue
		}
		sums a.evlog >before
		n=$(wc -l <all)
		first=1
		[ "$n" = 0 ] || first=$((10#$(head -n 1 all | cut -c 9-24)))
		for at in $(seq "$first" $((1 + n / 2)) $((first + n - 1))); do
			run evfork --at "$at" a.evlog b.evlog
			if [ "$status" = 76 ]; then # inside a commit that cannot be divided
				assert_output --regexp "how far each consumer had come|no longer knows where its consumers"
				[ ! -e b.evlog ]
				continue
			fi
			assert_success
			head -n $((at - first + 1)) all | cmp - <(evcat b.evlog)
			evappend -q b.evlog <<<'{"type":"New"}'
			assert_equal "$(evcat -n 1 b.evlog | jq -r .type)" New
			rm -rf b.evlog
		done
		evfork a.evlog b.evlog
		cmp <(evcat b.evlog) all
		evappend -q --segment-size 1 b.evlog <<<'{"type":"New"}'
		evappend -q --segment-size 1 b.evlog <<<'{"type":"New"}'
		evappend -q --reindex b.evlog
		sums a.evlog | cmp - before
		rm -rf b.evlog
		kinds=$((kinds + 1))
	done
	[ $kinds -ge 20 ]
}

@test "a fork has the root of its log, at the ends of segments and inside" {
	segmented a.evlog 50
	for at in 1 9 10 11 25 40 41 49 50; do
		evfork --at $at a.evlog b.evlog
		evcat --to $at a.evlog | evappend --replica --ack c.evlog | tail -n 1 >one
		evappend --ack --expect $at b.evlog <<<'{"type":"New","id":"new","time":"2026-01-01T00:00:00Z"}' >two
		evcat --from $((at + 1)) b.evlog | evappend --replica --ack c.evlog >three
		assert_equal "$(jq -r .root two)" "$(jq -r .root three)"
		[ "$(jq .to one)" = $at ]
		rm -rf b.evlog c.evlog
	done
}

@test "sealed segments are shared, and whatever is done to one log leaves the other as it is" {
	segmented a.evlog 50
	run -0 evfork -v a.evlog b.evlog
	assert_output --regexp "^evfork: forked after event 50, root [0-9a-f]{16}\.\.\.; 4 segments shared, 1 copied \([0-9]+ bytes\), 0 events written again$"
	[ a.evlog/0000000000000001.ndjson.zst -ef b.evlog/0000000000000001.ndjson.zst ]
	[ ! a.evlog/0000000000000041.ndjson.zst -ef b.evlog/0000000000000041.ndjson.zst ]
	evfork --at 25 a.evlog c.evlog
	assert_equal "$(cd c.evlog && echo *.catalogue)" "0000000000000001-0000000000000010.catalogue 0000000000000011-0000000000000020.catalogue"
	sums a.evlog >a.before
	segmented b.evlog 60 20
	evappend -q --reindex b.evlog
	evcat b.evlog >b.events
	sums a.evlog | cmp - a.before
	segmented a.evlog 60 20
	evappend -q --reindex a.evlog
	cmp <(evcat b.evlog) b.events
	rm -r a.evlog
	cmp <(evcat b.evlog) b.events
	evcat -s s3 b.evlog | cmp - <(evcat --no-index -s s3 b.evlog)
	[ "$(wc -l <b.events)" = 110 ]
}

@test "where there are no links, or no copies inside the kernel, segments are copied otherwise" {
	need_shim
	segmented a.evlog 50
	sums a.evlog >before
	for calls in linkat linkat,copy_file_range,ioctl; do
		for error in 1 18 31 95; do # EPERM EXDEV EMLINK EOPNOTSUPP
			FAULT_NAME=$calls FAULT_AT=1 FAULT_DO=$error FAULT_STICKY=1 LD_PRELOAD=$EVLOG_BUILD/fault-shim.so \
				run -0 evfork -v a.evlog b.evlog
			assert_output --partial "0 segments shared, 5 copied"
			[ ! a.evlog/0000000000000001.ndjson.zst -ef b.evlog/0000000000000001.ndjson.zst ]
			cmp <(evcat a.evlog) <(evcat b.evlog)
			rm -r b.evlog
		done
	done
	sums a.evlog | cmp - before
}

@test "--until forks before a time; a time before all events is 76" {
	segmented a.evlog 20
	sleep 0.01
	now=$(date -u +%FT%T.%6NZ)
	sleep 0.01
	segmented a.evlog 20
	evfork --until "$now" a.evlog b.evlog
	[ "$(evcat b.evlog | wc -l)" = 20 ]
	at=$(evcat --from 15 --to 15 a.evlog | jq -r .logtime) # all of its commit is at that time
	evfork -U "$at" a.evlog c.evlog
	cmp <(evcat c.evlog) <(evcat -U "$at" a.evlog)
	[ "$(evcat c.evlog | wc -l)" = 10 ]
	run -76 evfork -U 2001-01-01 a.evlog d.evlog
	assert_output "evfork: a.evlog: has no event before that time"
	[ ! -e d.evlog ]
}

@test "--until is right if others append while it looks" {
	need_shim
	for at in 4 6 8 10 12; do
		rm -rf a.evlog b.evlog
		segmented a.evlog 30
		FAULT_NAME=open,openat,pread FAULT_AT=$at FAULT_DO=stop LD_PRELOAD=$EVLOG_BUILD/fault-shim.so \
			evfork -U tomorrow a.evlog b.evlog 3>&- &
		until grep -q '^State:.T' /proc/$!/status; do sleep 0.01; done
		numbered 10 31 | evappend -q a.evlog
		kill -CONT $!
		wait $!
		evcat a.evlog | head -n "$(evcat b.evlog | wc -l)" | cmp - <(evcat b.evlog)
		[ "$(evcat b.evlog | wc -l)" -ge 30 ]
	done
}

@test "the epoch of a fork is higher than any in its log, also if head is old" {
	numbered 2 | evappend -q a.evlog
	cp a.evlog/head old
	printf torn >>a.evlog/0000000000000001.ndjson.zst
	numbered 2 3 | evappend -q a.evlog # cuts that off, in epoch 2
	cp old a.evlog/head
	evfork a.evlog b.evlog
	cmp <(evcat a.evlog) <(evcat b.evlog)
	assert_equal "$(od -An -tu8 -j48 -N8 b.evlog/0000000000000005.ndjson.zst | xargs)" 3
}

@test "what cannot be forked is refused, and leaves nothing behind" {
	segmented a.evlog 20
	mkdir full
	touch full/x f
	while IFS='|' read -r status message command; do
		# shellcheck disable=SC2086 # words
		run "-$status" evfork $command
		assert_output --partial "$message"
	done <<-'END'
		64|no LOG given|
		64|no FORK given|a.evlog
		64|only LOG and FORK|a.evlog b.evlog c.evlog
		64|cannot be combined|--at 1 -U now a.evlog b.evlog
		64|at|--at 0 a.evlog b.evlog
		64|at|--at x a.evlog b.evlog
		64|not a time|--until sometime a.evlog b.evlog
		66|none.evlog|none.evlog b.evlog
		66|f: |f b.evlog
		66|full: not a log|full b.evlog
		73|a.evlog: exists already|a.evlog a.evlog
		73|full: exists already|a.evlog full
		73|f: exists already|a.evlog f
		73|in the folder of the log itself|a.evlog a.evlog/b.evlog
		73|none/b.evlog: cannot create|a.evlog none/b.evlog
		76|a.evlog: ends with event 20|--at 21 a.evlog b.evlog
	END
	assert_equal "$(echo *)" "a.evlog f full"
	evappend empty.evlog </dev/null
	evfork empty.evlog b.evlog
	[ "$(evcat b.evlog | wc -l)" = 0 ]
	evappend -q b.evlog <<<'{"type":"T"}'
	run -76 evfork --at 1 empty.evlog c.evlog
	run -64 evfork a.evlog ""
	assert_output --partial "FORK must not be empty"
}

@test "a fork has the permissions of its log, and whoever makes it may append to it" {
	segmented a.evlog 20
	while read -r folder files made; do
		chmod "$files" a.evlog/*
		chmod "$folder" a.evlog
		(umask 022; evfork a.evlog b.evlog)
		assert_equal "$(stat -c %a b.evlog b.evlog/head b.evlog/0000000000000021.ndjson.zst | xargs)" "$made"
		rm -rf b.evlog
	done <<-'END'
		755 644 755 644 644
		700 644 700 644 644
		555 444 755 644 644
		2770 660 2770 660 660
	END
	[ "$(id -u)" = 0 ] || skip "only root can be somebody else"
	chmod 00755 a.evlog . && chmod 644 a.evlog/* && chown -R 1000:3000 a.evlog
	mkdir -m 777 shared
	as() { setpriv --reuid="$1" --regid="$1" --groups="${2:-$1}" env "PATH=$PATH" "${@:3}"; }
	chmod 2770 a.evlog && chmod 660 a.evlog/*
	as 1000 3000 evfork a.evlog shared/b
	assert_equal "$(stat -c '%a %u %g' shared/b shared/b/head | xargs)" "2770 1000 3000 660 1000 3000"
	# somebody of another group cannot give the fork to that group, and gives it to no other
	chmod 00755 a.evlog && chmod 664 a.evlog/*
	as 1002 1002 evfork a.evlog shared/c
	assert_equal "$(stat -c '%a %g' shared/c/head | xargs)" "644 1002"
	# read-only
	chmod 555 a.evlog && chmod 444 a.evlog/*
	as 1002 1002 evfork a.evlog shared/d
	as 1002 1002 evappend -q shared/d <<<'{"type":"T"}'
	# where nobody may read the names, none can be made durable
	chmod 333 shared
	run -77 as 1002 1002 evfork a.evlog shared/e
	run -77 as 1002 1002 evappend shared/f <<<'{"type":"T"}'
	assert_equal "$(cd shared && echo *)" "b c d"
}

@test "segments that are missing, cut off or of another log are 65, and there is no fork" {
	segmented a.evlog 50
	segmented other.evlog 50 10
	numbered 10 | evappend -q u.evlog
	if [ -e "$EVLOG_BUILD/fault-shim.so" ]; then # segments that are not sealed
		for i in 2 3 4; do
			numbered 10 $((i * 10 - 9)) | FAULT_NAME=rename,renameat FAULT_AT=1 FAULT_DO=5 FAULT_STICKY=1 \
				LD_PRELOAD=$EVLOG_BUILD/fault-shim.so evappend -q --segment-size 1 u.evlog 2>err || true
		done
		[ "$(ls u.evlog/*.zst | wc -l)" = 4 ]
	fi
	while IFS='|' read -r log command; do
		rm -rf b.evlog
		cp -r "$log.evlog" b.evlog
		(cd b.evlog && eval "$command")
		run -65 evfork b.evlog c.evlog
		assert_output --partial b.evlog
		refute_output --partial .new-
		[ ! -e c.evlog ]
		run -65 evcat b.evlog
	done <<-'END'
		a|rm 0000000000000001.ndjson.zst
		a|rm 0000000000000021.ndjson.zst
		a|rm 0000000000000031.ndjson.zst
		a|rm 0000000000000041.ndjson.zst
		a|cp ../other.evlog/0000000000000011.ndjson.zst .
		a|cp ../other.evlog/0000000000000031.ndjson.zst .
		a|truncate -s 300 0000000000000011.ndjson.zst
		a|truncate -s $(($(od -An -tu8 -j224 -N8 0000000000000011.ndjson.zst) - 5)) 0000000000000011.ndjson.zst
		a|truncate -s 100 0000000000000041.ndjson.zst
		u|truncate -s 500 0000000000000001.ndjson.zst
		u|printf X | dd of=0000000000000001.ndjson.zst bs=1 seek=400 conv=notrunc status=none
	END
	[ ! -e u.evlog/0000000000000011.ndjson.zst ] || {
		rm u.evlog/0000000000000011.ndjson.zst
		run -65 evfork u.evlog c.evlog
	}
	# where a sealed segment is copied, too, because there are no links
	if [ -e "$EVLOG_BUILD/fault-shim.so" ]; then
		cp -r a.evlog b2.evlog
		printf X | dd of=b2.evlog/0000000000000011.ndjson.zst bs=1 seek=600 conv=notrunc status=none
		FAULT_NAME=linkat FAULT_AT=1 FAULT_DO=18 FAULT_STICKY=1 LD_PRELOAD=$EVLOG_BUILD/fault-shim.so \
			run -65 evfork b2.evlog c.evlog
		assert_output --partial "0000000000000011.ndjson.zst: damaged"
	fi
	for log in "$BATS_TEST_DIRNAME"/golden/*/damaged.evlog; do run -65 evfork "$log" c.evlog; done
	[ ! -e c.evlog ]
}

@test "in a fork, damage to a header costs no event before it" {
	segmented a.evlog 50
	evfork a.evlog f.evlog
	for at in 11 21 31; do
		rm -rf d.evlog
		cp -r f.evlog d.evlog
		printf ZZZ | dd of=d.evlog/00000000000000$at.ndjson.zst bs=1 seek=30 conv=notrunc status=none
		run -65 --separate-stderr evcat d.evlog
		[ ${#lines[@]} = $((at - 1)) ]
	done
}

@test "damage where the log is copied is 65; nothing is left of the fork" {
	numbered 20 | evappend -q a.evlog
	numbered 20 21 | evappend -q a.evlog
	python3 - <<-'END'
		p = "a.evlog/0000000000000001.ndjson.zst"
		data = bytearray(open(p, "rb").read())
		data[-20] ^= 1
		open(p, "wb").write(data)
	END
	run -65 evfork --at 39 a.evlog b.evlog
	assert_output --partial damaged
	[ ! -e b.evlog ]
	evfork --at 20 a.evlog b.evlog
	cmp <(evcat b.evlog) <(evcat --to 20 a.evlog)
	rm -r b.evlog
	head -c 50 /dev/zero | dd of=a.evlog/head bs=1 seek=100 conv=notrunc status=none
	head -c 50 /dev/zero | dd of=a.evlog/head bs=1 seek=2148 conv=notrunc status=none
	run -65 evfork --at 20 a.evlog b.evlog
	assert_output --partial "head: missing or damaged"
	assert_equal "$(echo *)" a.evlog
}

@test "consumers go on with a fork, each exactly once; a point inside their commits is refused" {
	numbered 12 | evappend -q in.evlog
	mkdir 1 2 # the name of the checkpoint is the name of the cursor
	tell() { evrun -q --batch 4 --checkpoint "$1" --emit "$2" "$3" -- jq -c '{type: "Out", data: .data.n}'; }
	tell 1/c out.evlog in.evlog
	[ "$(evcat out.evlog | wc -l)" = 12 ]
	numbered 8 13 | evappend -q in.evlog
	for at in 4 8 12; do
		evfork --at $at out.evlog fork.evlog
		cp 1/c 2/c
		if [ $at -lt 12 ]; then # the checkpoint is of a later place
			run -76 tell 2/c fork.evlog in.evlog
			assert_output --partial "fork.evlog: an older copy of the log: it ends before event 12"
			rm 2/c # the fork knows the place
		fi
		tell 2/c fork.evlog in.evlog
		evcat -o data fork.evlog | cmp - <(seq 20)
		rm -r fork.evlog 2/c
	done
	for at in 1 2 3 5 7 11; do
		run -76 evfork --at $at out.evlog fork.evlog
		begin=$((at / 4 * 4))
		ends="$begin or $((begin + 4))"
		[ $begin != 0 ] || ends=4
		assert_output "evfork: out.evlog: at event $at, it is not known how far each consumer had come that appends to it; choose event $ends"
		[ ! -e fork.evlog ]
	done
	# one that reads: its place fits as long as it is not after the fork point
	evfork --at 12 in.evlog fork.evlog
	tell 1/c out.evlog fork.evlog
	[ "$(evcat out.evlog | wc -l)" = 12 ]
	numbered 3 100 | evappend -q fork.evlog
	tell 1/c out.evlog fork.evlog
	assert_equal "$(evcat -n 3 -o data out.evlog | xargs)" "100 101 102"
	run -76 tell 1/c out.evlog in.evlog
}

@test "evdiff finds where two forks part" {
	segmented a.evlog 50
	evfork --at 33 a.evlog b.evlog
	numbered 5 100 | evappend -q b.evlog
	run -1 evdiff -o stat a.evlog b.evlog
	assert_line "same 33"
	assert_line "only in A 17"
	assert_line "only in B 5"
	assert_line "the same up to 33"
}

@test "a fork of a copy is an ordinary log; so is a fork of a fork" {
	segmented a.evlog 30
	evcat -o zst a.evlog | evappend -q --segment-size 200 --replica c.evlog
	evfork c.evlog d.evlog
	evappend -q d.evlog <<<'{"type":"New"}'
	evfork --at 31 d.evlog e.evlog
	evfork --at 15 e.evlog f.evlog
	for log in d e f; do # all that they have is found
		evcat $log.evlog | jq -c 'del(.seq, .logtime)' | evappend -q --dedup $log.evlog
	done
	assert_equal "$(evcat d.evlog | wc -l) $(evcat e.evlog | wc -l) $(evcat f.evlog | wc -l)" "31 31 15"
}

@test "while others append and seal, a fork is a beginning of the log" {
	numbered 1 | evappend -q a.evlog
	(for i in $(seq 2 200); do numbered 1 "$i" | evappend -q --no-sync --segment-size 2k a.evlog || exit; done) 3>&- &
	for i in $(seq 10); do
		evfork -U tomorrow a.evlog "f$i"
		evcat "f$i" >events
		n=$(wc -l <events)
		[ "$n" -ge 1 ]
		evcat -c "$n" a.evlog | cmp - events
		evappend -q "f$i" <<<'{"type":"New"}'
	done
	wait $!
	[ "$(evcat a.evlog | wc -l)" = 200 ]
	[ "$n" -gt 2 ] # it had grown
}
