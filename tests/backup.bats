# evbackup and evrestore.
load common
setup() { common_setup; }

newest() { evbackup --status "$1" | jq -r .point; }

# same_log A B: the same events, cursors and end, and both can be appended to.
same_log() {
	cmp <(evcat -q "$1" -o zst | zstd -dcq 2>/dev/null || true) <(evcat -q "$2" -o zst | zstd -dcq 2>/dev/null || true)
	cmp <(evcat -q "$1") <(evcat -q "$2")
}

@test "a log of any kind and version: what is restored is the same log, and goes on" {
	local log kinds=0 at
	for log in $(some "$BATS_TEST_DIRNAME"/golden/{0.1,1.0}/*.evlog); do
		rm -rf a.evlog b.evlog dest
		cp -r "$log" a.evlog
		if ! evcat -q a.evlog >all 2>err; then # damaged, or from elsewhere
			run evbackup a.evlog dest
			[ "$status" != 0 ]
			[ "$(ls dest/points 2>/dev/null)" = "" ]
			continue
		fi
		sums a.evlog >before
		evbackup a.evlog dest >files
		[ "$(tail -n 1 files | cut -c 1-7)" = points/ ]
		(cd dest && find . -type f | cut -c 3- | sort) | cmp - <(sort files)
		sums a.evlog | cmp - before
		evrestore dest b.evlog
		same_log a.evlog b.evlog
		(cd a.evlog && cksum -- *.zst) | cmp - <(cd b.evlog && cksum -- *.zst) ||
			# an active segment may have remains after its end
			cmp <(evcat -q a.evlog) <(evcat -q b.evlog)
		evappend -q a.evlog <<<'{"type":"New","id":"n","source":"/x"}' && evappend -q b.evlog <<<'{"type":"New","id":"n","source":"/x"}'
		evcat -n 1 b.evlog | grep -q New
		kinds=$((kinds + 1))
	done
	[ $kinds -ge 6 ]
}

@test "only what is new is stored, and the names of new files are printed, the point last" {
	segmented a.evlog 50
	run -0 evbackup a.evlog dest
	assert_equal "${#lines[@]}" 6
	assert_line --index 0 --regexp '^segments/0000000000000001-0000000000000010-[0-9a-f]{64}\.ndjson\.zst$'
	assert_line --index 4 --regexp '^tails/0000000000000041-0000000000000000-[0-9a-f]{64}$'
	assert_line --index 5 --regexp '^points/0000000000000050-[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-[0-9a-f]{64}\.tar$'
	(cd dest && sha256sum segments/* tails/* points/*) | while read -r sum name; do
		[[ $name == *$sum* ]]
	done
	sums dest >before
	numbered 1 51 | evappend -q a.evlog
	run -0 evbackup a.evlog dest
	assert_equal "${#lines[@]}" 2
	assert_line --index 0 --regexp '^tails/0000000000000041-'
	sums dest >after
	assert_equal "$(comm -23 <(sort before) <(sort after))" ""
	run -0 evbackup a.evlog dest # nothing is new, but the point
	assert_equal "${#lines[@]}" 1
	segmented a.evlog 10 10 52 # begins another segment, so that the last one is sealed
	run -0 evbackup a.evlog dest
	assert_line --index 0 --regexp '^segments/0000000000000041-0000000000000051-'
	assert_equal "${#lines[@]}" 3
}

@test "each point can be restored, and every event of each; many small backups make few files" {
	local i seq n
	for i in $(seq 30); do
		numbered 1 "$i" | evappend -q a.evlog
		evbackup -q a.evlog dest >/dev/null
	done
	n=$(tar -xOf "dest/$(newest dest)" manifest.json | jq '.segments[0].pieces | length')
	[ "$n" -le 8 ]
	evcat a.evlog >all
	for point in $(some dest/points/*); do
		seq=$((10#$(basename "$point" | cut -c 1-16)))
		rm -rf b.evlog
		evrestore --point "$(basename "$point")" dest b.evlog
		head -n "$seq" all | cmp - <(evcat b.evlog)
	done
	for i in 1 7 29; do
		rm -rf b.evlog
		evrestore --to "$i" dest b.evlog
		head -n "$i" all | cmp - <(evcat b.evlog)
		evappend -q b.evlog <<<'{"type":"New"}'
	done
	run -76 evrestore --to 31 dest c.evlog
	assert_output --regexp "ends with event 30"
	[ ! -e c.evlog ]
}

@test "up to a time: each segment, and inside" {
	local at
	for i in 1 2 3 4 5 6; do
		numbered 5 $((5 * i - 4)) | evappend -q --segment-size "$((i % 2 ? 1 : 100000))" a.evlog
		sleep 0.01
	done
	evbackup -q a.evlog dest >/dev/null
	for at in 1 5 6 11 14 20 25 30; do
		rm -rf b.evlog
		until=$(evcat --from $((at)) --to $((at)) a.evlog | jq -r .logtime)
		run evrestore --until "$until" dest b.evlog
		evcat --until "$until" a.evlog >wanted
		if [ -s wanted ]; then
			assert_success
			evcat b.evlog | cmp - wanted
		else
			[ "$status" = 76 ]
			[ ! -e b.evlog ]
		fi
	done
}

@test "a whole restored log is the same log: consumers, snapshots, tables and cursors go on" {
	segmented a.evlog 30
	evrun -q --checkpoint c.pos --emit out.evlog a.evlog -- sh -c 'jq -c "{type:\"Seen\",data:.data}"'
	evfold -q --snapshot f.snap 'n=count()' a.evlog >/dev/null
	evfold -q -o sqlite:read.db:t -k subject 'n=count()' a.evlog
	evbackup -q --with c.pos --with f.snap --with read.db a.evlog dest >/dev/null
	evbackup -q out.evlog out.dest >/dev/null
	numbered 5 31 | evappend -q a.evlog
	evbackup -q a.evlog dest >/dev/null
	rm -rf a.evlog out.evlog c.pos f.snap read.db
	evrestore -q dest a.evlog
	evrestore -q out.dest out.evlog
	first=$(ls dest/points | head -n 1)
	evrestore -q --point "$first" --with saved dest early.evlog
	assert_equal "$(cd saved && echo *)" "c.pos f.snap read.db"
	mv saved/* .
	evrun -q --checkpoint c.pos --emit out.evlog a.evlog -- sh -c 'jq -c "{type:\"Seen\",data:.data}"'
	assert_equal "$(evcat out.evlog | jq -c .data.n | tr '\n' ' ')" "$(seq -s ' ' 35) "
	assert_equal "$(evfold -q --snapshot f.snap 'n=count()' a.evlog)" '{"n":35}'
	evfold -q -o sqlite:read.db:t -k subject 'n=count()' a.evlog
	assert_equal "$(evfold -k subject 'n=count()' a.evlog | jq -s 'map(.state.n) | add')" 35
	run evrun -q --checkpoint c.pos --emit out.evlog early.evlog -- true # it is behind the checkpoint
	[ "$status" = 76 ]
}

@test "a restore without a checkpoint that was lost: each output once" {
	segmented a.evlog 20
	evrun -q --checkpoint c.pos --emit out.evlog a.evlog -- sh -c 'jq -c "{type:\"Seen\",data:.data}"'
	evbackup -q a.evlog dest >/dev/null
	evbackup -q out.evlog out.dest >/dev/null
	rm -rf a.evlog out.evlog c.pos
	evrestore -q dest a.evlog
	evrestore -q out.dest out.evlog
	numbered 3 21 | evappend -q a.evlog
	evrun -q --checkpoint c.pos --emit out.evlog a.evlog -- sh -c 'jq -c "{type:\"Seen\",data:.data}"'
	assert_equal "$(evcat out.evlog | jq -c .data.n | tr '\n' ' ')" "$(seq -s ' ' 23) "
}

@test "another log, or one that went another way, is refused; a fork made on purpose is not" {
	segmented a.evlog 20
	evbackup -q a.evlog dest >/dev/null
	numbered 3 | evappend -q other.evlog
	run -76 evbackup other.evlog dest
	assert_output --regexp "another log"
	evfork --at 10 a.evlog b.evlog
	cp -r a.evlog old.evlog
	numbered 5 21 | evappend -q a.evlog
	evbackup -q a.evlog dest >/dev/null
	run -76 evbackup old.evlog dest # an older copy
	assert_output --regexp "has a backup up to event 25"
	numbered 7 100 | evappend -q b.evlog
	run -0 evbackup b.evlog dest
	assert_output --regexp "went another way before event 25"
	evrestore dest c.evlog
	same_log b.evlog c.evlog
	run -76 evbackup a.evlog dest # it is the branch that was left
	evcat a.evlog | evappend -q --replica r.evlog
	run -76 evbackup r.evlog dest
}

@test "damage to the log is found before it is stored" {
	local file
	segmented a.evlog 30
	for file in 0000000000000001 0000000000000011 0000000000000021; do
		cp -r a.evlog b.evlog
		damage b.evlog/$file.ndjson.zst 500
		run evbackup b.evlog dest
		[ "$status" = 65 ]
		assert_equal "$(ls dest/points)" ""
		rm -rf b.evlog dest
	done
	rm a.evlog/0000000000000011.ndjson.zst
	run -65 evbackup a.evlog dest
	assert_equal "$(ls dest/points)" ""
}

@test "damage in any file of a backup is found by the drill and by a restore" {
	segmented a.evlog 30
	echo hello >saved
	evbackup -q --with saved a.evlog dest >/dev/null
	local file size at n=0
	for file in dest/*/*; do
		size=$(stat -c %s "$file")
		chmod u+w "$file"
		for at in 0 $((size / 3)) $((size / 2)) $((size - 1)); do
			cp "$file" kept
			flip "$file" "$at" $((n % 8))
			run -65 evrestore --drill dest
			assert_output --regexp "damaged"
			run -65 evrestore dest b.evlog
			[ ! -e b.evlog ]
			cat kept >"$file"
			n=$((n + 1))
		done
		truncate -s $((size - 1)) "$file"
		run -65 evrestore --drill dest
		mv "$file" away
		run evrestore --drill dest
		[ "$status" = 65 ] || [ "$status" = 66 ] # without a point there is no backup
		cp kept "$file"
	done
	evrestore --drill dest
	assert_equal "$(ls -A | grep -c new)" 0
}

@test "the drill: too old, not this log, a command that looks, and nothing is left" {
	mkdir tmp
	export TMPDIR=$PWD/tmp
	segmented a.evlog 20
	evbackup -q a.evlog dest >/dev/null
	run -0 evrestore --drill --max-age 1h --log a.evlog --check 'test "$(evcat "$1" | wc -l)" = 20' dest
	assert_output --regexp '^\{"seq":20,"age":[0-9.]+,"seconds":[0-9.]+,"root":"[0-9a-f]{64}"\}$'
	run -0 evrestore --drill --to 12 --check 'test "$(evcat "$1" | wc -l)" = 12' dest
	run -65 evrestore --drill --check 'echo no; test "$(evcat "$1" | wc -l)" = 19' dest
	assert_output --regexp "ended with status 1"
	sleep 0.1
	run -1 evrestore --drill --max-age 50ms dest
	assert_output --regexp "was made .* s ago"
	numbered 3 | evappend -q other.evlog
	run -1 evrestore --drill --log other.evlog dest
	run -66 evrestore --drill --log none.evlog dest
	run -64 evrestore --drill --check 'true' dest
	assert_output --regexp "must look at the restored log"
	for options in '--max-age 1h' '--log a.evlog' '--check $1'; do
		run -64 evrestore $options dest b.evlog
	done
	run -64 evrestore --drill --with x dest
	assert_equal "$(ls -A tmp)" ""
	run -0 evrestore --drill dest c.evlog
	[ ! -e c.evlog ]
}

@test "nothing that exists is written over" {
	numbered 3 | evappend -q a.evlog
	echo saved >pos
	evbackup -q --with pos a.evlog dest >/dev/null
	sums a.evlog >before
	run -73 evrestore dest a.evlog
	sums a.evlog | cmp - before
	mkdir empty with
	run -73 evrestore dest empty
	echo mine >with/pos
	run -73 evrestore --with with dest b.evlog
	[ ! -e b.evlog ]
	assert_equal "$(cat with/pos)" mine
	mkdir folder
	echo x >folder/file
	run -65 evbackup a.evlog folder
	assert_output --regexp "has other files"
	run -65 evbackup a.evlog a.evlog
	run -73 evbackup a.evlog a.evlog/backup
	run -66 evbackup none.evlog dest2
	[ ! -e dest2 ]
	run -66 evrestore none b.evlog
	run -66 evbackup --with none a.evlog dest
	run -64 evbackup --with pos --with ./pos a.evlog dest
	assert_equal "$(ls dest/points | wc -l)" 1
}

@test "old points expire, their files go after a grace, and what is needed stays" {
	local i
	for i in $(seq 6); do
		segmented a.evlog 10 10 $((10 * i - 9))
		evbackup -q a.evlog dest >/dev/null
	done
	run -64 evbackup --keep 0 a.evlog dest
	run -64 evbackup --keep-within 0 a.evlog dest
	evbackup -q --keep 3 a.evlog dest >/dev/null
	assert_equal "$(ls dest/points | grep -c 'tar$')" 3
	assert_equal "$(ls dest/points | grep -c 'expired$')" 4
	tails=$(ls dest/tails | wc -l)
	evbackup -q --keep 3 a.evlog dest >/dev/null
	assert_equal "$(ls dest/tails | wc -l)" "$tails" # they are kept for a day
	sleep 1.1
	evbackup -q --keep 1 --grace 1s a.evlog dest >/dev/null
	assert_equal "$(ls dest/points | grep -c 'tar$')" 1
	sleep 2.1
	touch -d '1 hour ago' dest/tails/.new-0123456789abcdef
	touch -d '1 hour ago' dest/tails/README
	evbackup -q --keep 1 --grace 1s a.evlog dest >/dev/null
	assert_equal "$(ls -A dest/tails | grep -v README | wc -l)" 1
	[ -e dest/tails/README ] # it is not ours
	evrestore dest b.evlog
	same_log a.evlog b.evlog
	evbackup -q --keep-within 1h a.evlog dest >/dev/null
	assert_equal "$(ls dest/points | grep -c 'tar$')" 2
}

@test "a point that is damaged or gone does not stop later backups" {
	segmented a.evlog 20
	evbackup -q a.evlog dest >/dev/null
	numbered 1 21 | evappend -q a.evlog
	evbackup -q a.evlog dest >/dev/null
	chmod u+w dest/*/*
	damage "dest/$(newest dest)" 600
	run -0 evbackup a.evlog dest
	assert_output --regexp "does not have the hash in its name"
	evrestore --drill dest
	rm dest/segments/*-0000000000000010-*
	run -65 evrestore --drill dest
	assert_output --regexp "is missing"
	evbackup -q a.evlog dest >/dev/null # stores it again
	evrestore --drill dest
}

@test "sealing, reindexing and appending between backups" {
	segmented a.evlog 30
	evbackup -q a.evlog dest >/dev/null
	evappend --reindex -q a.evlog
	run -0 evbackup a.evlog dest
	evrestore dest b.evlog
	same_log a.evlog b.evlog
	rm a.evlog/*.catalogue
	numbered 100 31 | evappend -q --segment-size 2000 a.evlog
	evbackup -q a.evlog dest >/dev/null
	rm -rf b.evlog
	evrestore dest b.evlog
	same_log a.evlog b.evlog
	evrestore -q dest c.evlog
	run -0 evbackup c.evlog dest # the restored log is backed up to the same folder
	assert_equal "${#lines[@]}" 1
}

@test "a backup beside a writer at full speed is always a state that was" {
	numbered 20000 >input
	(for _ in 1 2 3 4 5; do evappend -q --segment-size 20000 a.evlog input; done) 3>&- &
	writer=$!
	until_ test -e a.evlog/head
	while kill -0 $writer 2>/dev/null; do
		evbackup -q a.evlog dest >/dev/null
	done
	wait $writer
	evcat a.evlog >all
	for point in dest/points/*; do
		rm -rf b.evlog
		evrestore --point "$(basename "$point")" dest b.evlog
		evcat b.evlog | cmp - <(head -n $((10#$(basename "$point" | cut -c 1-16))) all)
	done
}

@test "a database is saved as it was between two transactions" {
	segmented a.evlog 10
	mkfifo statements
	sqlite3 x.db <statements >/dev/null 3>&- &
	exec 4>statements # it stays open, so that what is new is in its journal only
	echo 'pragma journal_mode=wal; create table t(a); insert into t values(1); insert into t values(2);' >&4
	has_two() { [ "$(sqlite3 x.db 'select count(*) from t' 2>/dev/null)" = 2 ]; }
	until_ has_two
	echo 'begin; insert into t values(3);' >&4 # is not committed
	evbackup -q --with x.db a.evlog dest >/dev/null
	exec 4>&-
	wait
	evrestore -q --with saved dest b.evlog
	assert_equal "$(sqlite3 saved/x.db 'select group_concat(a) from t')" 1,2
	assert_equal "$(ls -A dest/points | grep -c '^.new')" 0
}

@test "nobody may read a backup who may not read the log" {
	(umask 077 && numbered 3 | evappend -q a.evlog)
	(umask 022 && evbackup -q a.evlog dest >/dev/null)
	assert_equal "$(stat -c %a dest dest/points dest/tails | sort -u)" 700
	assert_equal "$(stat -c %a dest/*/* | sort -u)" 400
	(umask 022 && evrestore dest b.evlog)
	assert_equal "$(stat -c %a b.evlog b.evlog/head b.evlog/*.zst | tr '\n' ' ')" "$(stat -c %a a.evlog a.evlog/head a.evlog/*.zst | tr '\n' ' ')"
}

@test "an empty log, and one that holds nothing but its header" {
	evappend a.evlog </dev/null
	evbackup -q a.evlog dest >/dev/null
	evrestore dest b.evlog
	assert_equal "$(evcat b.evlog)" ""
	numbered 2 | evappend -q b.evlog
	evbackup -q b.evlog dest >/dev/null
	evrestore -q dest c.evlog
	same_log b.evlog c.evlog
	run -1 evbackup --status "$(mkdir -p d/segments d/tails d/points && echo d)"
	run -66 evbackup --status none
}

@test "--follow adds points as events come, says when it falls behind, and ends after a last one" {
	numbered 3 | evappend -q a.evlog
	evbackup -f --every 300ms a.evlog dest >files 2>messages 3>&- &
	follower=$!
	until_ grep -q points files
	numbered 3 4 | evappend -q a.evlog
	until_ grep -q points/0000000000000006 files
	sleep 0.7 # nothing is new: no point
	assert_equal "$(grep -c points files)" 2
	evrestore --drill --log a.evlog dest
	numbered 1 7 | evappend -q a.evlog
	kill $follower
	wait $follower
	assert_equal "$(evbackup --status a.evlog dest | jq -c '[.seq,.behind]')" "[7,0]"
	numbered 2 8 | evappend -q a.evlog
	assert_equal "$(evbackup --status a.evlog dest | jq -c '[.seq,.behind]')" "[7,2]"

	evbackup -f --every 1h --events 5 a.evlog dest >files 2>messages 3>&- &
	follower=$!
	until_ grep -q points/0000000000000009 files
	numbered 4 10 | evappend -q a.evlog
	sleep 0.5
	assert_equal "$(grep -c points files)" 1
	numbered 1 14 | evappend -q a.evlog
	until_ grep -q points/0000000000000014 files
	kill -INT $follower
	wait $follower

	evbackup -f --every 1us a.evlog dest >files 2>messages 3>&- &
	follower=$!
	until_ grep -q "falls behind" messages
	mv a.evlog b.evlog
	numbered 1 | evappend -q a.evlog
	status=0
	wait $follower || status=$?
	[ "$status" = 76 ] || [ "$status" = 66 ] # it may have looked between the two
	run -76 evbackup --status a.evlog dest
}

@test "options that contradict each other are refused" {
	numbered 1 | evappend -q a.evlog
	while read -r options; do
		# shellcheck disable=SC2086
		run evbackup $options
		[ "$status" = 64 ] || fail "$options: $status"
	done <<-EOF
		--every 1s a.evlog dest
		--events 1 a.evlog dest
		-f --every 0 a.evlog dest
		--status -f a.evlog dest
		--status --with x dest
		--grace 1s a.evlog dest
		--since 1 a.evlog dest
		-o tar a.evlog dest
		-o tar -f a.evlog
		-o tar --keep 1 a.evlog
		-o zip a.evlog
		a.evlog
		a.evlog b c
	EOF
	[ ! -e dest ]
}

@test "a log as a tar file: it is a log when unpacked, and every tool reads it as it is" {
	local tool
	segmented a.evlog 40
	evcat a.evlog >all
	evbackup -o tar a.evlog >a.tar
	mkdir b.evlog
	tar -xf a.tar -C b.evlog
	cmp <(evcat b.evlog) all
	(cd b.evlog && cksum -- *.zst) | cmp - <(cd a.evlog && cksum -- *.zst)
	evappend -q b.evlog <<<'{"type":"New"}'
	evcat a.tar | cmp - all
	evcat -s s3 a.tar | cmp - <(evcat -s s3 a.evlog)
	evcat - <a.tar | cmp - all
	evreplay a.tar | cmp - all
	evdiff a.tar a.evlog
	assert_equal "$(evfold 'n=count()' a.tar)" '{"n":40}'
	evappend --replica c.evlog a.tar
	cmp <(evcat c.evlog) all
	tar -cf by-hand.tar -C a.evlog . # with head, lock and catalogues
	evfold 'n=count()' by-hand.tar

	segmented a.evlog 20 10 41
	evbackup -o tar --since 35 a.evlog >more.tar
	assert_equal "$(tar -tf more.tar | tr '\n' ' ')" "0000000000000031.ndjson.zst 0000000000000041.ndjson.zst 0000000000000051.ndjson.zst head "
	mkdir d.evlog
	tar -xf a.tar -C d.evlog
	tar -xf more.tar -C d.evlog
	cmp <(evcat d.evlog) <(evcat a.evlog)
	run -76 evbackup -o tar --since 99 a.evlog
	damage a.evlog/0000000000000011.ndjson.zst 500
	evbackup -o tar a.evlog >bad.tar || [ $? = 65 ]
	[ ! -s bad.tar ]
}

@test "a tar file of a log beside a writer is a state that was" {
	numbered 20000 >input
	(for _ in 1 2 3 4 5; do evappend -q --segment-size 20000 a.evlog input; done) 3>&- &
	writer=$!
	until_ test -e a.evlog/head
	for i in 1 2 3 4 5 6; do
		evbackup -o tar a.evlog >$i.tar || [ $? = 75 ] # a segment was sealed: try again
		[ $? = 0 ] && evcat $i.tar >$i.all || true
	done
	wait $writer
	evcat a.evlog >all
	for i in 1 2 3 4 5 6; do
		[ ! -s $i.all ] || head -n "$(wc -l <$i.all)" all | cmp - $i.all
	done
	[ -n "$(cat ./*.all)" ]
}

@test "everything is lost, restored and goes on: nothing that a point had is missing or doubled" {
	EVLOG_DISASTERS=4 run -0 harness fault/disaster.py
	assert_line "disasters 4"
	assert_line "lost 0"
	assert_line "doubled 0"
}

@test "the same, thirty times" {
	slow
	EVLOG_DISASTERS=30 run -0 harness fault/disaster.py
	assert_line "lost 0"
}

@test "an older point, restored, is a fork: later backups go on from it" {
	segmented a.evlog 20
	evbackup -q a.evlog dest >/dev/null
	first=$(ls dest/points)
	numbered 3 21 | evappend -q a.evlog
	evbackup -q a.evlog dest >/dev/null
	evrestore -q --point "$first" dest b.evlog
	cmp <(evcat b.evlog) <(evcat --to 20 a.evlog)
	numbered 1 99 | evappend -q b.evlog
	run -0 evbackup b.evlog dest
	assert_output --regexp "went another way before event 23"
	run -76 evbackup a.evlog dest
	evrestore -q dest c.evlog
	same_log b.evlog c.evlog
}

@test "a segment that is sealed while a backup looks at the log: the point is a state that was" {
	need_shim
	local at state hits=0
	for at in $(seq 1 60); do
		rm -rf a.evlog b.evlog dest
		numbered 5 | evappend -q a.evlog
		FAULT_DO=stop FAULT_NAME=openat FAULT_AT=$at FAULT_REPORT=report LD_PRELOAD=$EVLOG_BUILD/fault-shim.so evbackup a.evlog dest >files 2>messages 3>&- &
		backup=$!
		while :; do
			state=$(sed -n 's/^State:.\(.\).*/\1/p' /proc/$backup/status 2>/dev/null || true)
			[[ $state =~ ^(T|Z|)$ ]] && break
			sleep 0.01
		done
		if [ "$state" = T ]; then
			hits=$((hits + 1))
			numbered 5 6 | evappend -q a.evlog
			numbered 5 11 | evappend -q --segment-size 1 a.evlog # seals what is before
			kill -CONT $backup
		fi
		wait $backup
		evrestore dest b.evlog
		n=$((10#$(basename dest/points/* | cut -c 1-16)))
		((n == 5 || n == 10 || n == 15))
		evcat a.evlog | head -n $n | cmp - <(evcat b.evlog)
		evappend -q b.evlog <<<'{"type":"New"}'
		evbackup -q b.evlog dest >/dev/null
		[ "$state" = T ] || break
	done
	[ "$state" != T ] && [ $hits -gt 5 ]
}

# spoil HOW FILE: one of the ways in which a file can be wrong.
spoil() {
	case $1 in
	header) damage "$2" 20 ;;
	block) damage "$2" $(($(stat -c %s "$2") / 2)) ;;
	cut) truncate -s $(($(stat -c %s "$2") * 2 / 3)) "$2" ;;
	empty) : >"$2" ;;
	lost) rm "$2" ;;
	esac
}

@test "--repair: each segment, damaged in each way, from a backup; the rest is left alone" {
	local how first
	segmented a.evlog 40
	evcat a.evlog >all
	evbackup -q a.evlog dest >/dev/null
	numbered 5 41 | evappend -q --segment-size 100000 a.evlog # is not in the backup
	evcat a.evlog >all
	evrestore --repair dest a.evlog # nothing to do
	sums a.evlog >before
	for first in 0000000000000001 0000000000000011 0000000000000031; do
		for how in header block cut empty lost; do
			cp -r a.evlog b.evlog
			spoil $how b.evlog/$first.ndjson.zst
			[ $first$how != 0000000000000031lost ] || {
				rm -rf b.evlog
				continue
			}
			if [ $first = 0000000000000031 ] && [[ $how == cut || $how == empty ]]; then
				run evrestore --repair dest b.evlog # the last events are in no backup
				[ "$status" = 65 ]
				rm -rf b.evlog
				continue
			fi
			run -0 --separate-stderr evrestore --repair dest b.evlog
			assert_output "$first.ndjson.zst"
			evcat b.evlog | cmp - all
			rm -f b.evlog/damaged-*
			comm -3 <(grep -v catalogue before) <(sums b.evlog | grep -v catalogue) | (! grep .)
			evappend -q b.evlog <<<'{"type":"New"}'
			run -0 evrestore --repair dest b.evlog
			assert_output ""
			rm -rf b.evlog
		done
	done
	assert_equal "$(ls -d ./*repair* 2>/dev/null)" ""
}

@test "--repair: two segments in a row, what is not in a backup, and what is in two" {
	segmented a.evlog 40
	evbackup -q a.evlog dest >/dev/null
	cp -r a.evlog b.evlog
	rm b.evlog/0000000000000011.ndjson.zst b.evlog/0000000000000021.ndjson.zst
	evrestore --repair dest b.evlog
	evcat b.evlog | cmp - <(evcat a.evlog)
	segmented a.evlog 30 10 41
	evcat a.evlog >all
	rm -rf b.evlog
	cp -r a.evlog b.evlog
	damage b.evlog/0000000000000001.ndjson.zst 500
	damage b.evlog/0000000000000051.ndjson.zst 500
	run -65 evrestore --repair dest b.evlog # the first one only
	assert_output --regexp "events 51 to 60: nothing has them"
	assert_line 0000000000000001.ndjson.zst
	evcat --to 50 b.evlog | cmp - <(head -n 50 all)
	chmod -R u+w dest
	damage "$(echo dest/segments/0000000000000011-*)" 500
	damage b.evlog/0000000000000011.ndjson.zst 500
	run -65 evrestore --repair dest b.evlog
	evbackup -q a.evlog dest >/dev/null
	run -65 evrestore --repair dest b.evlog # it has 51 to 60 now
	assert_line 0000000000000051.ndjson.zst
	run -0 evrestore --repair --from-log a.evlog dest b.evlog
	evcat b.evlog | cmp - all
	evfork --at 10 a.evlog f.evlog # its events 11 to 20 are other ones
	segmented f.evlog 30 10 100
	evbackup -q f.evlog f.dest >/dev/null
	damage b.evlog/0000000000000011.ndjson.zst 500
	sums b.evlog >before
	run -65 evrestore --repair f.dest b.evlog
	sums b.evlog | cmp - before
}

@test "--repair: from the lines of a replica, whose segments are other ones" {
	segmented a.evlog 40
	evrun -q --checkpoint p --emit a.evlog a.evlog -- true # a place, and nothing else
	evcat -o zst a.evlog | evappend -q --replica --segment-size 700 r.evlog
	evcat a.evlog >all
	for how in header block cut empty lost; do
		for first in 0000000000000001 0000000000000021 0000000000000031; do
			cp -r a.evlog b.evlog
			spoil $how b.evlog/$first.ndjson.zst
			run -0 --separate-stderr evrestore --repair --from-log r.evlog b.evlog
			assert_output "$first.ndjson.zst"
			evcat b.evlog | cmp - all
			evcat -s s3 b.evlog | cmp - <(evcat -s s3 a.evlog)
			evbackup -q b.evlog dest >/dev/null
			rm -rf b.evlog dest
		done
	done
	# the last segment: interrupted before head says that there is another one, and after that
	cp -r a.evlog b.evlog
	cp -r a.evlog c.evlog
	cp -r a.evlog kept.evlog
	spoil block b.evlog/0000000000000031.ndjson.zst
	cp b.evlog/0000000000000031.ndjson.zst spoiled
	evrestore -q --repair --from-log r.evlog b.evlog
	cp b.evlog/0000000000000041.ndjson.zst c.evlog
	for when in before after; do
		cp spoiled c.evlog/0000000000000031.ndjson.zst
		run -0 --separate-stderr evrestore --repair --from-log r.evlog c.evlog
		assert_output 0000000000000031.ndjson.zst
		evcat c.evlog | cmp - all
	done
	cp spoiled a.evlog/0000000000000031.ndjson.zst # as it was, with a segment that has events
	numbered 1 41 | evappend -q c.evlog
	cp c.evlog/0000000000000041.ndjson.zst a.evlog
	evrestore -q --repair --from-log r.evlog a.evlog
	assert_equal "$(evcat a.evlog | wc -l)" 41
	numbered 1 41 | evappend -q b.evlog
	evcat -n 11 b.evlog | jq .data.n | paste -sd, - | grep -q "31,32,33,34,35,36,37,38,39,40,41"
	rm -rf a.evlog b.evlog
	cp -r kept.evlog b.evlog
	spoil block b.evlog/0000000000000021.ndjson.zst
	sed 's/"n":25/"n":52/' all | jq -c . >other # a replica that went another way
	evappend -q --replica o.evlog other
	run -65 evrestore --repair --from-log o.evlog b.evlog
	assert_output --regexp "has other events than the log had"
	run -66 evrestore --repair none b.evlog
	run -66 evrestore --repair --from-log none b.evlog
	run -66 evrestore --repair --from-log r.evlog none
	rm b.evlog/0000000000000011.ndjson.zst # two in a row
	rm b.evlog/0000000000000021.ndjson.zst
	run -0 --separate-stderr evrestore --repair --from-log r.evlog b.evlog
	assert_equal "${lines[*]}" "0000000000000011.ndjson.zst 0000000000000021.ndjson.zst"
	evcat b.evlog | cmp - all
	numbered 1 99 | evappend -q b.evlog
	run -64 evrestore --repair b.evlog
	run -64 evrestore --from-log r.evlog dest b.evlog
	run -64 evrestore --repair --to 3 dest b.evlog
}

# stale: a log with 5 events and the head that it had after 3; `all`, a backup, a replica.
stale() {
	rm -rf a.evlog r.evlog dest
	for i in 1 2 3; do numbered 1 $i | evappend a.evlog; done
	cp a.evlog/head old
	for i in 4 5; do numbered 1 $i | evappend a.evlog; done
	evcat a.evlog >all
	evbackup -q a.evlog dest >/dev/null
	evcat -o zst a.evlog | evappend --replica r.evlog
	cp old a.evlog/head
}

@test "--repair where head does not record all that is committed: no event is lost" {
	local file=a.evlog/0000000000000001.ndjson.zst from at wrong
	# bytes before the end that head records, and behind it; what is said
	while IFS='|' read -r wrong said; do
		for from in "--from-log r.evlog" "dest"; do
			stale
			for at in $wrong; do damage $file "$at"; done
			sums a.evlog >before
			# shellcheck disable=SC2086 # two words
			run evrestore --repair $from a.evlog
			assert_output --partial "$said"
			if [ "$wrong" = 400 ]; then
				[ $status = 0 ]
				evcat a.evlog | cmp - all
				numbered 1 6 | evappend a.evlog
			else
				[ $status = 65 ]
				sums a.evlog | cmp - before
			fi
		done
	done <<-'END'
		400|0000000000000001.ndjson.zst
		1300|the checksum of a block
		400 1300|it may have events that head does not record
	END
	# the file is lost, and somebody has more than head records
	for from in "--from-log r.evlog" "dest"; do
		stale
		rm $file
		# shellcheck disable=SC2086 # two words
		run -65 evrestore --repair $from a.evlog
		assert_output --partial "${from#--from-log }: has events up to 5, and head records only 3"
		[ ! -e $file ]
	done
}

@test "--repair of the last segment: who reads goes on, and no consumer loses its place" {
	numbered 3 | evappend in.evlog
	emit() {
		rm -f pos
		evrun -q --checkpoint pos --emit a.evlog in.evlog -- jq -c '{type:"Out",data:{of:.id}}'
	}
	emit
	evcat a.evlog | evappend --replica plain.evlog
	evcat -o zst a.evlog | evappend --replica full.evlog
	: >followed
	evcat -f -c 4 a.evlog >followed 2>err &
	until [ "$(wc -l <followed)" = 3 ]; do sleep 0.05; done
	truncate -s -3 a.evlog/0000000000000001.ndjson.zst
	run -65 evrestore --repair --from-log plain.evlog a.evlog
	assert_output --partial "plain.evlog: does not have the place of the consumer pos, which appends to a.evlog; use a replica that was made by evcat -o zst"
	evrestore -q --repair --from-log full.evlog a.evlog
	emit
	assert_equal "$(evcat a.evlog | jq -r .data.of | xargs)" "1 2 3"
	cp -r a.evlog b.evlog
	evcat in.evlog -n 1 | evappend -q --dedup a.evlog
	wait $! || fail "$(cat err)"
	assert_equal "$(wc -l <followed)$(cat err)" 4
	# the empty segment behind it, from head alone
	local how
	for how in lost cut empty header; do
		spoil $how b.evlog/0000000000000004.ndjson.zst
		run -0 --separate-stderr evrestore --repair --from-log full.evlog b.evlog
		assert_output 0000000000000004.ndjson.zst
	done
	# what was never completely created is moved away
	numbered 1 4 | evappend b.evlog
	evcat -o zst --from 4 b.evlog | evappend --replica full.evlog
	head -c 4096 /dev/zero >b.evlog/0000000000000005.ndjson.zst
	truncate -s -3 b.evlog/0000000000000004.ndjson.zst
	run -0 --separate-stderr evrestore --repair --from-log full.evlog b.evlog
	[ -e b.evlog/damaged-0000000000000005.1 ]
	evcat b.evlog | cmp - <(evcat full.evlog)
	evappend -q b.evlog <<<'{"type":"T"}'
	assert_equal "$(evcat b.evlog | wc -l)" 5
}

@test "--repair: any segments in a row, cut in their headers or lost, from a backup and from a replica" {
	local set from how n
	for n in 1 2 3 4 5; do numbered 1 $n | evappend --segment-size 1 kept.evlog; done
	evcat kept.evlog >all
	evbackup -q kept.evlog dest >/dev/null
	evcat -o zst kept.evlog | evappend -q --replica r.evlog
	for how in cut rm; do
		for set in 5 "4 5" "3 4" "2 3 4" "3 4 5" "1 2" "1 5" "2 4" "1 2 3 4 5"; do
			for from in "--from-log r.evlog" dest; do
				rm -rf a.evlog
				cp -r kept.evlog a.evlog
				for n in $set; do
					[ $how = rm ] || truncate -s 50 "a.evlog/000000000000000$n.ndjson.zst"
					[ $how = cut ] || rm "a.evlog/000000000000000$n.ndjson.zst"
				done
				# shellcheck disable=SC2086 # two words
				evrestore -q --repair $from a.evlog >/dev/null
				cmp <(evcat a.evlog) all
				evappend -q a.evlog <<<'{"type":"T"}'
				assert_equal "$(evcat a.evlog | wc -l)" 6
			done
		done
	done
}

# ids LOG: the ids of its events, on one line.
ids() { evcat "$@" 2>/dev/null | jq -r .id | xargs; }

# seg LOG FROM N: N events, in a segment of their own.
seg() { numbered "$3" "$2" | evappend -q --segment-size 1 "$1"; }

@test "--repair where head is older than whole segments: refused, or all of it" {
	local file sums
	seg a.evlog 1 10
	seg a.evlog 11 5
	evbackup -q a.evlog dest >/dev/null # has less than the log
	cp a.evlog/head old
	cp a.evlog/0000000000000011.ndjson.zst short
	numbered 5 16 | evappend -q a.evlog
	seg a.evlog 21 5
	evcat -o zst a.evlog | evappend -q --replica r.evlog
	cp old a.evlog/head
	file=a.evlog/0000000000000011.ndjson.zst
	cp -r a.evlog b.evlog
	: >$file
	sums a.evlog >before
	run -65 evrestore --repair dest a.evlog
	assert_output --partial "events 11 to 20: nothing has them as they were"
	sums a.evlog | cmp - before
	run -65 evappend -q a.evlog <<<'{"type":"T"}'
	evrestore -q --repair --from-log r.evlog dest a.evlog
	assert_equal "$(ids a.evlog)" "$(seq -s ' ' 25)"
	# the segment that head names is as old as head: a writer must not go on there
	cp short b.evlog/0000000000000011.ndjson.zst
	run -65 evappend -q b.evlog <<<'{"type":"T"}'
	cmp short b.evlog/0000000000000011.ndjson.zst
}

@test "--repair: what is put in place must fit its neighbours" {
	seg a.evlog 1 10
	numbered 20 11 | evappend -q --segment-size 1 a.evlog
	seg a.evlog 31 10
	seg a.evlog 41 5
	# a replica of other segments, and its backup
	local from to
	while read -r from to; do
		evcat --from "$from" --to "$to" a.evlog | evappend -q --replica --segment-size 1 r.evlog
	done <<-'END'
		1 10
		11 20
		21 30
		31 45
	END
	evbackup -q r.evlog dest >/dev/null
	rm a.evlog/0000000000000011.ndjson.zst
	sums a.evlog >before
	run -65 evrestore --repair dest a.evlog
	sums a.evlog | cmp - before
	run -0 --separate-stderr evrestore --repair --from-log r.evlog dest a.evlog
	assert_output 0000000000000011.ndjson.zst
	evbackup -q a.evlog other >/dev/null
	evfork -q a.evlog fork.evlog
	evappend --reindex a.evlog
	# of a history that was given up
	rm -rf dest b.evlog r.evlog
	seg b.evlog 1 10
	evbackup -q b.evlog dest >/dev/null
	seg b.evlog 1011 5
	seg b.evlog 1016 5
	evbackup -q b.evlog dest >/dev/null
	evrestore -q --to 10 dest c.evlog
	seg c.evlog 11 10
	seg c.evlog 21 5
	evcat -o zst c.evlog | evappend -q --replica r.evlog
	spoil block c.evlog/0000000000000011.ndjson.zst
	run -65 evrestore --repair dest c.evlog
	assert_output --partial "10 events are missing"
	evrestore -q --repair --from-log r.evlog dest c.evlog
	assert_equal "$(ids c.evlog)" "$(seq -s ' ' 25)"
}

@test "--repair: where the log begins, junk among its files, and a link to it" {
	seg a.evlog 1 10
	seg a.evlog 11 10
	seg a.evlog 21 5
	local point
	point=$(evbackup -q a.evlog dest | grep points/)
	evcat -o zst a.evlog | evappend -q --replica r.evlog
	cp -r a.evlog b.evlog
	# files that are named like segments, inside of a sound one
	echo junk >a.evlog/0000000000000015.ndjson.zst
	cp a.evlog/0000000000000011.ndjson.zst sound
	run -0 --separate-stderr evrestore --repair dest a.evlog
	assert_output ""
	cmp sound a.evlog/0000000000000011.ndjson.zst
	assert_equal "$(ids a.evlog)" "$(seq -s ' ' 25)"
	[ -e a.evlog/damaged-0000000000000015.1 ]
	# the newest backup is of a trimmed log, and this one is whole
	evbackup -q --trim-before 11 a.evlog dest >/dev/null
	evrestore -q --point "${point#points/}" dest c.evlog
	rm c.evlog/0000000000000001.ndjson.zst
	run -0 --separate-stderr evrestore --repair dest c.evlog
	assert_output 0000000000000001.ndjson.zst
	assert_equal "$(ids c.evlog)" "$(seq -s ' ' 25)"
	# a link to another file system
	[ -d /dev/shm ] && [ "$(stat -c %d /dev/shm)" != "$(stat -c %d .)" ] || skip "no other file system"
	local shm
	shm=$(mktemp -d /dev/shm/evlog.XXXXXX)
	mv b.evlog "$shm/b.evlog"
	ln -s "$shm/b.evlog" b.evlog
	spoil block b.evlog/0000000000000011.ndjson.zst
	run -0 evrestore -q --repair --from-log r.evlog b.evlog
	evcat b.evlog | cmp - <(evcat r.evlog)
	rm -rf "$shm"
}

@test "--repair: places of consumers that only block headers show, or of another generation" {
	run_once() { evrun -q --batch 1 --checkpoint pos "$@" --emit a.evlog in.evlog -- jq -c '{type:"Out",id:("out"+.id)}'; }
	numbered 4 | evappend -q in.evlog
	numbered 1 9 | evappend -q a.evlog
	run_once
	evcat a.evlog | evappend -q --replica plain.evlog
	local at
	for at in 44 230; do # the header of the segment, and of its first block
		cp -r a.evlog b.evlog
		numbered 1 99 | evappend -q --segment-size 1 b.evlog
		evcat b.evlog | evappend -q --replica more.evlog
		damage b.evlog/0000000000000001.ndjson.zst $at
		run -65 evrestore --repair --from-log more.evlog b.evlog
		assert_output --partial "does not have the place of the consumer pos"
		rm -rf b.evlog more.evlog
	done
	# set back, and gone on: the replica knows only the place from before that
	evcat -o zst a.evlog | evappend -q --replica r.evlog
	evrun -q --checkpoint pos --reset-to 1 in.evlog
	run_once --to 2
	evcat a.evlog | evappend -q --replica r.evlog
	damage a.evlog/0000000000000001.ndjson.zst $(($(stat -c %s a.evlog/0000000000000001.ndjson.zst) - 9))
	run -65 evrestore --repair --from-log r.evlog a.evlog
	assert_output --partial "does not have the place of the consumer pos"
}

@test "--repair asks the backups before anything is given up that only an append may give up" {
	cp -r "$BATS_TEST_DIRNAME"/golden/1.0/unsynced.evlog a.evlog # --no-sync, and another boot
	evcat a.evlog >all
	evbackup -q a.evlog dest >/dev/null
	evcat -o zst a.evlog | evappend -q --replica r.evlog
	local from
	for from in dest "--from-log r.evlog"; do
		cp -r a.evlog b.evlog
		truncate -s -3 b.evlog/0000000000000001.ndjson.zst
		# shellcheck disable=SC2086 # two words
		evrestore -q --repair $from b.evlog
		evcat b.evlog | cmp - all
		rm -r b.evlog
	done
	# without head, nothing is changed
	rm a.evlog/head
	cp a.evlog/0000000000000001.ndjson.zst before
	for i in 1 2; do
		run -65 evrestore --repair dest a.evlog
		assert_output --partial "head: missing or damaged"
	done
	cmp before a.evlog/0000000000000001.ndjson.zst
}

# forge PYTHON: changes the manifest `m`, or the members `extra`, of the newest point of
# dest, which gets the name that its content has.
forge() {
	FORGE=$1 python3 - <<-'EOF2'
		import hashlib, io, json, os, tarfile
		top = "dest/points"
		name = sorted((n for n in os.listdir(top) if n.endswith(".tar")), key=lambda n: n.split("-")[1])[-1]
		members = {}
		with tarfile.open(f"{top}/{name}") as t:
		    for x in t.getmembers():
		        members[x.name] = t.extractfile(x).read()
		m = json.loads(members.pop("manifest.json"))
		extra = list(members.items())
		exec(os.environ["FORGE"])
		out = io.BytesIO()
		with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
		    for n, content in [("manifest.json", json.dumps(m).encode()), *extra]:
		        info = tarfile.TarInfo(n)
		        info.size = len(content)
		        t.addfile(info, io.BytesIO(content))
		os.unlink(f"{top}/{name}")
		size, time, _ = name.split("-")
		with open(f"{top}/{m['seq']:016d}-{time}-{hashlib.sha256(out.getvalue()).hexdigest()}.tar", "wb") as f:
		    f.write(out.getvalue())
	EOF2
}

@test "points with right hashes and lies in them: refused, and nothing is written anywhere" {
	local lie lies n=0
	segmented a.evlog 30
	numbered 5 31 | evappend -q a.evlog
	echo saved >pos
	echo mine >mine
	evbackup -q --with pos a.evlog good >/dev/null
	chmod -R u+w good
	mapfile -t lies <<-'EOF2'
		m["segments"].pop(0)
		m["segments"].pop(1)
		m["segments"].append(m["segments"][0])
		m["segments"][0], m["segments"][1] = m["segments"][1], m["segments"][0]
		m["segments"][-1]["id"] = "0" * 32
		m["head"]["id"] = "0" * 32
		m["head"]["id"] = m["segments"][-1]["id"] = "0" * 32
		m["head"]["epoch"] = 2**63
		m["head"]["epoch"] = -1
		m["head"]["block"] = 296
		m["head"]["committed"] += 1
		m["head"]["segment"] = 11
		m["lineage"] = "1" * 64
		del m["lineage"]
		m["root"] = "0" * 64
		m["seq"] += 1
		m["frontier"].pop()
		m["frontier"] = m["frontier"] * 30
		m["segments"][0]["root"] = "0" * 64
		m["segments"][0]["bytes"] += 1
		m["segments"][0]["file"] = "../../../mine"
		m["segments"][0]["file"] = m["segments"][1]["file"]
		m["segments"][-1]["pieces"] *= 2
		m["segments"][-1]["pieces"] = []
		m["segments"][-1]["pieces"][0]["bytes"] = 2**64 - 1
		m["segments"][-1]["bytes"] = 2**63
		m["segments"] = []
		m["version"] = 2
		m["evlog"] = "x"
		m["files"] = []
		m["files"].append({"name": "other", "bytes": 1, "mode": "0644"})
		m["files"][0]["name"] = "../mine"
		m["files"][0]["bytes"] += 1
		m["files"][0]["bytes"] = 2**64
		extra.append(("with/link", b"evil"))
		extra.append(("with/../mine", b"evil"))
		extra.append(extra[0])
		extra[0] = ("with/pos", b"")
		extra.clear()
		extra[0] = ("with/pos/x", b"saved\n")
	EOF2
	while read -r lie; do
		rm -rf dest with b.evlog
		cp -r good dest
		mkdir with
		ln -s ../mine with/link
		forge "$lie"
		run evrestore --with with dest b.evlog
		[ "$status" = 65 ] || [ "$status" = 76 ] || fail "$lie: $status $output"
		[ ! -e b.evlog ] || fail "$lie"
		assert_equal "$(ls -A with)" link
		assert_equal "$(cat mine)" mine
		if [[ $lie != *extra* && $lie != *files* ]]; then
			run evrestore --drill dest
			[ "$status" = 65 ] || [ "$status" = 76 ] || fail "$lie: drill $status"
		fi
		run evbackup --keep 1 --grace 0 a.evlog dest # goes on from it, or without it
		[ "$status" = 0 ] || [ "$status" = 65 ] || [ "$status" = 76 ] || fail "$lie: backup $status $output"
		[ "$status" != 0 ] || evrestore --drill --log a.evlog dest || fail "$lie: a false point"
		n=$((n + 1))
	done < <(some "${lies[@]}")
	[ $n -ge 13 ]
	rm -rf dest
	cp -r good dest
	forge 'm["mode"] = m["directory"] = "7777"'
	evrestore -q dest b.evlog
	assert_equal "$(stat -c %a b.evlog b.evlog/head b.evlog/0000000000000021.ndjson.zst | xargs)" "777 777 777"
}

@test "a replica that was set back and came again in other pieces is stored again" {
	numbered 600 >all
	evappend -q --replica rep <(evappend -q src <all && evcat --to 200 src)
	cp -r rep old
	evcat --from 201 --to 400 src | evappend -q --replica rep
	evbackup -q rep dest >/dev/null
	rm -rf rep
	cp -r old rep
	for part in "201 260" "261 333" "334 600"; do
		evcat --from ${part% *} --to ${part#* } src | evappend -q --replica rep
	done
	evbackup -q rep dest >/dev/null
	evrestore --drill --log rep dest
	rm -rf rep dest # the same blocks, but for a flag
	cp -r old rep
	evcat --from 201 --to 400 src | evappend -q --no-sync --replica rep
	evbackup -q rep dest >/dev/null
	rm -rf rep
	mv old rep
	evcat --from 201 --to 400 src | evappend -q --replica rep
	evbackup -q rep dest >/dev/null
	evcat --from 401 src | evappend -q --replica rep
	numbered 5000 601 | evappend -q src
	evcat --from 601 src | evappend -q --replica rep
	evbackup -q rep dest >/dev/null
	evrestore --drill --log rep dest
	assert_equal "$(evbackup --status rep dest | jq .behind)" 0
}

@test "what was restored up to any event is backed up to the same folder again" {
	local at
	segmented a.evlog 30
	evbackup -q a.evlog good >/dev/null
	for at in 1 5 10 15 29 30; do
		rm -rf dest b.evlog c.evlog
		cp -r good dest
		evrestore -q --to $at dest b.evlog
		numbered 1 77 | evappend -q b.evlog
		evbackup -q b.evlog dest >/dev/null
		evrestore -q dest c.evlog
		same_log b.evlog c.evlog
		rm -rf dest f.evlog
		cp -r good dest
		evfork --at $at a.evlog f.evlog
		numbered 1 78 | evappend -q f.evlog
		evbackup -q f.evlog dest >/dev/null
	done
}

@test "a trimmed log: its own folder; what is before its start is not there" {
	segmented a.evlog 30
	evbackup -q a.evlog dest >/dev/null
	evcat --from 11 -o zst a.evlog | evappend -q --replica t.evlog
	cp -r dest other
	run -0 evbackup t.evlog other # it has what was removed
	evbackup --status other | jq -e '.first == 1 and .begins == 11'
	evbackup -q t.evlog td >/dev/null
	evrestore -q td b.evlog
	evcat -q b.evlog | cmp - <(evcat --from 11 a.evlog)
	for at in 1 10; do
		run -76 evrestore --to $at td c.evlog
	done
	evrestore -q --to 12 td c.evlog
	evcat -q c.evlog | cmp - <(evcat --from 11 --to 12 a.evlog)
}

@test "clocks, places and leftovers" {
	segmented a.evlog 20
	numbered 2 21 | evappend -q a.evlog
	echo x >pos
	chmod 600 pos
	evbackup -q --with pos a.evlog dest >/dev/null
	assert_equal "$(stat -c %a dest/points/*)" 400
	run -73 evrestore dest dest/b.evlog
	run -73 evrestore --with dest/w dest b.evlog
	run -73 evrestore --with both dest both # a log cannot have the name of the folder
	[ ! -e both ]
	evrestore -q --with w dest b.evlog
	assert_equal "$(stat -c %a w/pos)" 600
	mkdir dest/lost+found
	evbackup -q a.evlog dest >/dev/null
	old=$(basename "$(ls dest/points/* | head -n 1)")
	run -0 evrestore --drill --point "dest/points/$old" dest
	echo hello >dest/points/junk
	mv dest/points/junk "dest/points/0000000000000099-29991130T145305.079255Z-$(sha256sum dest/points/junk | cut -c 1-64).tar"
	run -65 evrestore --drill dest
	run -0 evrestore --drill --point "$old" dest
	run -0 evbackup a.evlog dest
	assert_output --regexp "made in the future"
	run -0 evrestore --drill dest
	run -1 evrestore --drill --max-age 1h dest
	assert_output --regexp "made in the future"
	rm -rf dest/segments
	mkdir dest/segments
	run -65 evbackup --status dest
}

@test "a damaged point stops nothing but the removal of files, which is said" {
	for i in 1 2 3; do
		segmented a.evlog 10 10 $((10 * i - 9))
		evbackup -q a.evlog dest >/dev/null
	done
	chmod -R u+w dest
	damage "$(ls -d dest/points/* | head -n 2 | tail -n 1)" 600
	sleep 1.1
	evbackup -q --keep 3 --grace 1s a.evlog dest >/dev/null
	sleep 2.1
	run -0 evbackup --keep 3 --grace 1s a.evlog dest
	assert_output --regexp "no files are removed"
}
