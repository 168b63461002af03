# hostile.bats - hostile surroundings: disks, permissions, limits, other processes,
# clocks, files of the wrong kind, and texts that attack the terminal.

load common

setup() {
	common_setup
}

need_mounts() {
	unshare -rm true 2>/dev/null || skip "no mount namespaces here"
}

# ---- Disks ----

@test "a full disk: 74, what was acknowledged is there, and the log goes on when there is room" {
	need_mounts
	numbered 20000 >in
	head -c 400000 /dev/urandom | base64 -w 300 | sed 's/.*/{"type":"R","data":"&"}/' >noise
	run -0 unshare -rm bash -e <<-'SH'
		mkdir disk
		mount -t tmpfs -o size=512k none disk
		head -c 200000 /dev/zero >disk/ballast
		status=0
		evappend --ack disk/a.evlog in noise noise noise >acks 2>err || status=$?
		[ $status = 74 ]
		grep -q "No space left on device" err
		acked=$(tail -n 1 acks | jq .to)
		[ "$(evcat disk/a.evlog | wc -l)" = "${acked:-0}" ]
		zstd -tq disk/a.evlog/*.zst
		# still full: refused again, and nothing changes
		! evappend disk/a.evlog noise 2>>err
		[ "$(evcat disk/a.evlog | wc -l)" = "${acked:-0}" ]
		rm disk/ballast
		echo '{"type":"z"}' | evappend disk/a.evlog
		[ "$(evcat disk/a.evlog | wc -l)" = $((acked + 1)) ]
		# a new log where there is no room for one leaves nothing behind
		dd if=/dev/zero of=disk/ballast bs=1k status=none 2>/dev/null || true
		! echo '{"type":"z"}' | evappend disk/b.evlog 2>>err
		[ "$(ls disk)" = "$(printf 'a.evlog\nballast')" ]
	SH
}

@test "a read-only file system: read, and refused without harm" {
	need_mounts
	numbered 5 >in
	run -0 unshare -rm bash -e <<-'SH'
		mkdir disk
		mount -t tmpfs none disk
		evappend disk/a.evlog in
		mount -o remount,ro disk
		[ "$(evcat disk/a.evlog | wc -l)" = 5 ]
		status=0
		evappend disk/a.evlog in 2>err || status=$?
		[ $status = 74 ] || [ $status = 77 ]
		grep -q "Read-only file system" err
		status=0
		evappend disk/b.evlog in 2>err || status=$?
		[ $status = 73 ] || [ $status = 77 ]
	SH
}

@test "no permission: 77, to read as to append" {
	[ "$(id -u)" = 0 ] || skip "needs root, to be somebody else"
	command -v setpriv >/dev/null || skip "no setpriv"
	chmod 755 "$BATS_TEST_TMPDIR"
	numbered 5 | evappend a.evlog
	chmod 600 a.evlog/*
	nobody="setpriv --reuid=65534 --regid=65534 --clear-groups env LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}"
	# shellcheck disable=SC2086
	$nobody test -x "$EVLOG_BUILD/evcat" || skip "the build cannot be reached by others"
	# shellcheck disable=SC2086
	run -77 $nobody evcat a.evlog
	assert_output --partial "Permission denied"
	chmod 644 a.evlog/*
	# shellcheck disable=SC2086
	run -0 $nobody evcat a.evlog
	# shellcheck disable=SC2086
	run -77 $nobody evappend a.evlog <<<'{"type":"T"}'
	# shellcheck disable=SC2086
	run -77 $nobody evappend "$PWD/new.evlog" <<<'{"type":"T"}'
	[ "$(evcat a.evlog | wc -l)" -eq 5 ]
}

@test "what root writes into the log of somebody else does not keep its owner out" {
	[ "$(id -u)" = 0 ] || skip "needs root, to be somebody else"
	command -v setpriv >/dev/null || skip "no setpriv"
	mkdir open
	chmod 755 "$BATS_TEST_TMPDIR"
	chown 65534:65534 open
	as() { setpriv --reuid=65534 --regid=65534 --clear-groups env LD_LIBRARY_PATH="${LD_LIBRARY_PATH:-}" "$@"; }
	as test -x "$EVLOG_BUILD/evcat" || skip "the build cannot be reached by others"
	numbered 5 | as evappend -q open/a.evlog
	numbered 5 6 | evappend -q --segment-size 1 open/a.evlog # begins a segment, seals, and makes a catalogue
	numbered 1 11 | as evappend -q --segment-size 1 open/a.evlog
	evcat -o zst open/a.evlog | evappend -q --replica r.evlog
	truncate -s -3 open/a.evlog/0000000000000011.ndjson.zst
	evrestore -q --repair --from-log r.evlog open/a.evlog
	numbered 1 12 | as evappend -q open/a.evlog
	assert_equal "$(evcat open/a.evlog | wc -l)" 12
	[ -z "$(find open/a.evlog ! -user 65534)" ] || fail "$(ls -l open/a.evlog)"
	# a fork and a backup belong to whoever makes them
	evfork -q open/a.evlog fork.evlog
	evbackup -q open/a.evlog dest >/dev/null
	[ -z "$(find fork.evlog dest -user 65534 ! -links +1)" ]
}

@test "a file-size limit: 74, and the log goes on without it" {
	numbered 5 | evappend a.evlog
	head -c 300000 /dev/urandom | base64 -w 300 | sed 's/.*/{"type":"R","data":"&"}/' >noise
	run -74 bash -c 'ulimit -f 64; evappend a.evlog noise'
	assert_output --partial "File too large"
	[ "$(evcat a.evlog | wc -l)" -eq 5 ]
	run -0 evappend a.evlog noise
}

@test "/dev/full: 74 from every tool that prints" {
	[ -c /dev/full ] || skip "no /dev/full"
	numbered 2000 | evappend a.evlog
	numbered 3 | evappend b.evlog
	for command in "evcat a.evlog" "evcat -o pretty a.evlog" "evcat -o zst a.evlog" "evcat -r a.evlog" \
		"evreplay a.evlog" "evfold a.evlog" "evfold -k subject a.evlog" "evdiff a.evlog b.evlog" \
		"evdiff -o stat a.evlog b.evlog" "evcat --help" "evfold --version" "evappend --ack a.evlog f"; do
		echo '{"type":"T"}' >f
		run -74 bash -c "$command >/dev/full"
		assert_output --partial "No space left on device"
	done
	# it was durable all the same, and is there
	[ "$(evcat a.evlog | wc -l)" -eq 2001 ]
}

@test "a closed pipe ends a reader at once, and costs no appended event" {
	numbered 50000 | evappend a.evlog
	run -0 bash -c 'evcat a.evlog | head -n 1 | jq -r .seq; [ "${PIPESTATUS[0]}" = 141 ]'
	assert_output 0000000000000001
	numbered 10 >f
	bash -c 'trap "" PIPE; evappend --ack a.evlog f 2>err; echo $? >status' | true
	[ "$(evcat a.evlog | wc -l)" -ge 50000 ]
	[ $(($(evcat a.evlog | wc -l) - 50000)) -eq 0 ] || [ "$(evcat a.evlog | wc -l)" -eq 50010 ]
}

# ---- Other processes ----

@test "the lock's holder stopped: others wait, then 75; when it goes on, all is well" {
	need_shim
	numbered 1 | evappend a.evlog
	numbered 100 2 >f
	holder_stop f
	run -75 timeout 10 evappend --wait 0.3 a.evlog <<<'{"type":"T"}'
	assert_output --partial "another process is appending"
	run -0 bash -c 'evcat a.evlog | wc -l'
	assert_output 1
	kill -CONT $holder
	wait $holder
	run -0 jq .to ack
	assert_output 101
	run -0 evappend a.evlog <<<'{"type":"T"}'
	[ "$(evcat a.evlog | wc -l)" -eq 102 ]
}

@test "the lock's holder dies: the next one has the lock at once" {
	need_shim
	numbered 1 | evappend a.evlog
	numbered 100 2 >f
	holder_stop f
	kill -KILL $holder
	wait $holder || true
	[ ! -s ack ]
	run -0 timeout 5 evappend --wait 2 --ack a.evlog <<<'{"type":"T"}'
	[ "$(evcat a.evlog | wc -l)" -eq 102 ] || [ "$(evcat a.evlog | wc -l)" -eq 2 ]
}

@test "what a dead writer left stays readable while the next one recovers, at each call that changes something" {
	need_shim
	local calls=fcntl,pwrite,fdatasync,fsync,ftruncate,unlinkat
	numbered 1 | evappend left.evlog
	cp left.evlog/head head
	numbered 1 2 | evappend left.evlog
	cp head left.evlog/head
	cp -r left.evlog torn.evlog
	head -c 100 torn.evlog/*.zst >>torn.evlog/0000000000000001.ndjson.zst
	cp -r left.evlog next.evlog
	numbered 1 3 | evappend --segment-size 1 next.evlog
	cp head next.evlog/head
	for log in left torn next; do
		at=1
		last=no
		until [ $last = yes ]; do
			rm -rf a.evlog
			cp -r $log.evlog a.evlog
			run -0 evcat -q a.evlog
			before=${#lines[@]}
			FAULT_DO=stop FAULT_NAME=$calls FAULT_AT=$at LD_PRELOAD=$EVLOG_BUILD/fault-shim.so \
				evappend -q a.evlog 3>&- <<<'{"type":"T"}' &
			until grep -q '^State:.[TZ]' /proc/$!/status 2>err; do [ -s err ] && break || sleep 0.01; done
			run -0 evcat -q a.evlog
			[ ${#lines[@]} -ge "$before" ]
			kill -KILL $! 2>err || true
			wait $! && last=yes || last=no # there was no such call any more
			run -0 evcat -q a.evlog
			[ ${#lines[@]} -ge "$before" ]
			at=$((at + 1))
		done
		[ "$before" -ge 2 ]
		[ $at -gt 8 ]
		[ ${#lines[@]} -gt "$before" ]
	done
}

@test "a reader that stops at any call, while a writer records what a dead one left, sees it" {
	need_shim
	numbered 1 | evappend left.evlog
	cp left.evlog/head head
	numbered 1 2 | evappend left.evlog
	cp head left.evlog/head
	for at in $(seq 1 12); do
		rm -rf a.evlog
		cp -r left.evlog a.evlog
		FAULT_DO=stop FAULT_NAME=pread,fstatat,fcntl FAULT_AT=$at LD_PRELOAD=$EVLOG_BUILD/fault-shim.so \
			evcat a.evlog >seen 3>&- &
		reader=$!
		until grep -q '^State:.[TZ]' /proc/$reader/status 2>err; do [ -s err ] && break || sleep 0.01; done
		# it has recovered, and has written a commit that it has not synced
		FAULT_DO=stop FAULT_NAME=fdatasync FAULT_AT=3 LD_PRELOAD=$EVLOG_BUILD/fault-shim.so \
			evappend -q a.evlog 3>&- <<<'{"type":"T"}' &
		until grep -q '^State:.T' /proc/$!/status; do sleep 0.01; done
		[ "$(evcat a.evlog | wc -l)" = 2 ]
		kill -CONT $reader 2>err || true
		wait $reader
		[ "$(wc -l <seen)" = 2 ]
		kill -KILL $!
		wait $! || true
	done
}

@test "a log that is moved, removed or exchanged while a writer has it: no event is lost silently" {
	numbered 1 | evappend a.evlog
	mkfifo p
	evappend --ack a.evlog p >acks 2>err &
	writer=$!
	exec 9>p
	numbered 1 2 >&9
	for _ in {1..100}; do [ -s acks ] && break || sleep 0.05; done
	mv a.evlog b.evlog
	numbered 1 3 >&9
	for _ in {1..100}; do [ "$(wc -l <acks)" -ge 2 ] && break || sleep 0.05; done
	# it goes where the directory went
	[ "$(evcat b.evlog | wc -l)" -eq 3 ]
	# the active segment is exchanged by another file of the same name: seen, not written past
	cp b.evlog/0000000000000001.ndjson.zst copy
	mv copy b.evlog/0000000000000001.ndjson.zst
	numbered 1 4 >&9
	for _ in {1..100}; do [ "$(wc -l <acks)" -ge 3 ] && break || sleep 0.05; done
	[ "$(evcat b.evlog | wc -l)" -eq 4 ]
	# it vanishes
	rm b.evlog/0000000000000001.ndjson.zst
	numbered 1 5 >&9
	exec 9>&-
	status=0
	wait $writer || status=$?
	[ "$status" -ne 0 ]
	[ "$(wc -l <acks)" -eq 3 ]
	[ -s err ]
}

# ---- The clock ----

@test "the clock steps back, and to the far ends: logtime never falls, and all is readable" {
	need_shim
	at() { FAULT_CLOCK=$1 LD_PRELOAD=$EVLOG_BUILD/fault-shim.so evappend a.evlog "$2"; }
	for i in 1 2 3 4 5 6; do numbered 1 $i >f$i; done
	at 0 f1
	at -86400 f2
	at -3000000000 f3
	at 86400 f4
	at 0 f5
	at 300000000000 f6
	run -0 bash -c 'evcat a.evlog | jq -r .logtime | sort -c'
	run -0 bash -c 'evcat a.evlog | wc -l'
	assert_output 6
	run -0 bash -c 'evcat a.evlog | evappend --replica b.evlog && evdiff a.evlog b.evlog'
	run -0 bash -c 'evcat --until 2100-01-01T00:00:00Z a.evlog | wc -l'
	assert_output 5
	FAULT_CLOCK=-90000000000 LD_PRELOAD=$EVLOG_BUILD/fault-shim.so evappend c.evlog f1
	run -0 evcat c.evlog
	run -0 bash -c 'evcat c.evlog | evappend --replica d.evlog'
}

# ---- Files of the wrong kind ----

@test "head or a segment that is a link, a pipe, a directory or a device: refused, without waiting" {
	numbered 5 | evappend --segment-size 1 good.evlog
	numbered 5 6 | evappend --segment-size 1 good.evlog
	for name in head 0000000000000001.ndjson.zst 0000000000000006.ndjson.zst; do
		for kind in link pipe directory device dangling; do
			rm -rf a.evlog other
			cp -r good.evlog a.evlog
			mv a.evlog/$name other
			case $kind in
			link) ln -s ../other a.evlog/$name ;;
			pipe) mkfifo a.evlog/$name ;;
			directory) mkdir a.evlog/$name ;;
			device) mknod a.evlog/$name c 1 5 2>/dev/null || continue ;;
			dangling) ln -s nowhere a.evlog/$name ;;
			esac
			before=$(sha256sum other)
			run timeout 10 evcat a.evlog
			[ "$status" -ne 0 ] && [ "$status" -ne 124 ] && [ "$status" -lt 128 ] || fail "evcat, $name a $kind: $status"
			[[ $output == *"a.evlog"* ]] || fail "evcat, $name a $kind: $output"
			[ $name = head ] || [[ $kind == link || $kind == dangling ]] ||
				[[ $output == *"not a regular file"* ]] || fail "evcat, $name a $kind: $output"
			run timeout 10 evappend a.evlog <<<'{"type":"T"}'
			if [ $name != 0000000000000001.ndjson.zst ]; then
				[ "$status" -ne 0 ] && [ "$status" -ne 124 ] && [ "$status" -lt 128 ] || fail "evappend, $name a $kind: $status"
			fi
			[ "$before" = "$(sha256sum other)" ] || fail "$name: what a $kind leads to was changed"
		done
	done
}

@test "a log reached by a symbolic link is the log" {
	numbered 5 | evappend a.evlog
	ln -s a.evlog b.evlog
	numbered 1 6 | evappend b.evlog
	[ "$(evcat b.evlog | wc -l)" -eq 6 ]
	[ -d a.evlog ] && [ -L b.evlog ]
}

# ---- The terminal ----

# Prints what a terminal would get that is not printable, except newlines and our own
# colours.
leaks() {
	sed -E 's/\x1b\[[0-9;]*m//g' | tr -d '\r\n\t' | LC_ALL=C grep -aoP '[\x00-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\xd8\x9c'
}

@test "nothing hostile in events, names or messages reaches a terminal" {
	command -v script >/dev/null || skip "no script(1)"
	python3 - >evil <<-'PY'
		import json
		bad = [chr(c) for c in [*range(1, 32), *range(0x7f, 0xa0), 0x61c, 0x200e, 0x200f, 0x2028, 0x2029,
		       *range(0x202a, 0x202f), *range(0x2066, 0x206a)]]
		for ascii in True, False:
		    for c in bad:
		        d = {"m" + c: "v" + c + "[31m", "n": [c], "k": c + "k"}
		        print(json.dumps({"type": "T", "subject": "s", "source": "/", "id": "%x" % ord(c) + str(ascii), "data": d}, ensure_ascii=ascii))
	PY
	run -0 evappend a.evlog evil
	evil=$'e\x1b]0;x\x07\xc2\x9b31m\xe2\x80\xaevil'
	cp -r a.evlog "$evil.evlog"
	cp evil "$evil"
	evfold -k data.k n=last\(data\) a.evlog >"$evil.state"
	evfold a.evlog >"$evil.other"
	echo '{}' >none
	export EVIL=$evil
	while IFS= read -r command; do
		script -qec "$command" /dev/null </dev/null >shown 2>&1 || true
		[ -s shown ] || fail "$command: nothing was shown"
		run leaks <shown
		[ -z "$output" ] || fail "$command: $(printf %s "$output" | od -c | head -n 3)"
	done <<-'EOF2'
		evcat a.evlog
		evcat -o ndjson a.evlog
		evcat -o pretty a.evlog
		evcat -o data a.evlog
		evcat -r "$EVIL.evlog"
		evcat "$EVIL.none"
		evcat "$EVIL"
		evcat "--$EVIL"
		evcat --since "$EVIL" a.evlog
		evappend "$EVIL.evlog" "$EVIL.none"
		evappend a.evlog "$EVIL.state"
		evappend --type "$EVIL" a.evlog evil
		evappend --expect-subject "$EVIL=5" a.evlog evil
		evappend --ack "$EVIL.evlog" evil
		evreplay a.evlog
		evfold a.evlog
		evfold -k data.k "n=last(data)" a.evlog
		evfold "n=$EVIL(data)" a.evlog
		evfold "$EVIL.none"
		evdiff "$EVIL.state" "$EVIL.other"
		evdiff "$EVIL.other" /dev/null
		evdiff "$EVIL" a.evlog
		evdiff "$EVIL.state" /dev/null
		evdiff "$EVIL.other" none
		evdiff -o json "$EVIL" a.evlog
		evdiff -o json "$EVIL.state" /dev/null
		evdiff -o json "$EVIL.other" none
		evdiff -o patch /dev/null "$EVIL.state"
		evdiff -o patch none "$EVIL.other"
	EOF2
}

# ---- Files made or read by others ----

@test "sealing keeps owner, group and mode, or leaves the segment as it is" {
	[ "$(id -u)" = 0 ] || skip "only root can be others"
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" 2>/dev/null || true
	as() { setpriv --reuid="$1" --regid="$1" --groups=3000 "${@:2}"; }
	as 1000 true || skip "no setpriv"
	mkdir shared && chgrp 3000 shared && chmod 777 shared && cd shared
	umask 007
	echo '{"type":"T"}' >in && chmod 644 in
	as 1000 evappend g.evlog in 2>message || skip "others cannot get here: $(cat message)"
	chgrp -R 3000 g.evlog && chmod 770 g.evlog && chmod 660 g.evlog/*
	for i in 1 2 3; do
		as 1001 evappend --segment-size 1 g.evlog in
	done
	for who in 1000 1002; do
		assert_equal "$(as $who evcat g.evlog | wc -l)" 4
	done
	assert_equal "$(stat -c '%u %g %a' g.evlog/0000000000000001.ndjson.zst)" "1000 3000 660"
	# what bob began is of the log's group and mode too
	assert_equal "$(stat -c '%g %a' g.evlog/*.zst | sort -u)" "3000 660"
	run as 1001 evappend --reindex g.evlog
	assert_equal "$status" 77
	assert_output --partial "not sealed, because its owner and group could not be preserved"
	run -0 evappend --reindex g.evlog
	assert_equal "$(stat -c '%u' g.evlog/0000000000000001.ndjson.zst)" 1000
	assert_equal "$(as 1002 evcat g.evlog | wc -l)" 4
}

@test "a file of another name is not emptied by sealing" {
	echo "do not lose this" >victim
	echo '{"type":"T"}' | evappend a.evlog
	ln victim a.evlog/seal-0000000000000001
	echo '{"type":"T"}' | evappend -q --segment-size 1 a.evlog
	assert_equal "$(cat victim)" "do not lose this"
	run -77 evappend --reindex a.evlog
	assert_output --partial "seal-0000000000000001: not a regular file, or it has another name"
	assert_equal "$(cat victim)" "do not lose this"
	rm a.evlog/seal-0000000000000001
	run -0 evappend --reindex a.evlog
	# a symbolic link is not followed
	echo '{"type":"T"}' | evappend b.evlog
	ln -s ../victim b.evlog/seal-0000000000000001
	echo '{"type":"T"}' | evappend -q --segment-size 1 b.evlog
	assert_equal "$(cat victim)" "do not lose this"
}

@test "what is added to a log has the mode of the log, whatever the umask" {
	numbered 5 | (umask 022; evappend a.evlog)
	umask 077
	for i in 1 2 3; do numbered 1 "$i" | evappend --segment-size 1 a.evlog; done
	printf 'half a block' >>"$(ls a.evlog/*.zst | tail -n 1)"
	numbered 1 | evappend -q a.evlog
	assert_equal "$(stat -c %a a.evlog/[!l]* | sort -u)" 644
	assert_equal "$(stat -c %a a.evlog/lock)" 600
	ls a.evlog/torn-*
	evrun -q --retry 0 --checkpoint c --dead-letter d.evlog a.evlog -- false
	assert_equal "$(stat -c %a c d.evlog/[!l]* | sort -u)" 644
	assert_equal "$(stat -c %a d.evlog)" 755
	# and nothing is opened to others that was closed
	numbered 5 | evappend b.evlog
	(umask 022; numbered 1 | evappend --segment-size 1 b.evlog)
	assert_equal "$(stat -c %a b.evlog/* | sort -u)" 600
}

@test "a snapshot or checkpoint replaces regular files only, and the file that a link leads to" {
	numbered 5 | evappend a.evlog
	mkfifo pipe
	mkdir folder
	for path in pipe folder /dev/null; do
		before=$(stat -c '%F %i' "$path")
		run -73 timeout 10 evfold --snapshot $path 'n=count()' a.evlog
		assert_output --partial "$path: not a regular file"
		run -73 timeout 10 evrun --checkpoint $path a.evlog -- true
		assert_output --partial "$path: not a regular file"
		assert_equal "$(stat -c '%F %i' "$path")" "$before"
	done
	mkdir there
	for name in snap pos; do ln -s there/$name $name; : >there/$name; done
	rm there/snap there/pos
	touch there/pos && rm there/pos
	evfold --snapshot there/snap 'n=count()' a.evlog
	chmod 640 there/snap
	numbered 1 | evappend a.evlog
	evfold --snapshot snap 'n=count()' a.evlog
	evrun --checkpoint there/pos --to 3 a.evlog -- true
	evrun --checkpoint pos a.evlog -- true
	[ -L snap ] && [ -L pos ] && [ -f there/snap ]
	assert_equal "$(jq .seq there/pos)" 6
	assert_equal "$(stat -c %a there/snap)" 640
	chmod 4755 there/snap
	numbered 1 | evappend a.evlog
	evfold --snapshot snap 'n=count()' a.evlog
	assert_equal "$(stat -c %a there/snap)" 755
}

@test "--reset-to --dry-run makes nothing, deletes nothing and takes no lock" {
	numbered 5 | evappend a.evlog
	run -0 evrun --checkpoint c --reset-to 3 --dry-run a.evlog
	assert_output "the next event would be 3; it is 1"
	[ ! -e c ]
	: >c
	run -0 evrun --checkpoint c --reset-to 3 --dry-run a.evlog
	[ -e c ]
	# an empty file that was there is left, too, where nothing is written to it
	run -76 evrun --checkpoint c b.evlog -- true || run -66 evrun --checkpoint c b.evlog -- true
	[ -e c ]
}

@test "the name of a database is a path, whatever SQLite would take it for" {
	numbered 5 | evappend a.evlog
	for name in 'file:x.db' 'file:y.db?mode=memory'; do
		evfold -k subject -o "sqlite:$name" 'n=count()' a.evlog || fail "$name"
	done
	[ -e file:x.db ] && [ -e 'file:y.db?mode=memory' ]
}

@test "--reject writes valid JSON, whatever a file is called" {
	for name in $'bad\xff\xfename' $'tab\tquote"back\\slash' $'\xc3' 'é' $'line\nbreak'; do
		rm -f aside
		echo nonsense >"$name"
		run -65 evappend -q --reject aside a.evlog "$name"
		run -0 jq -e '.input | type == "string"' aside
		python3 -c 'import json, sys; json.loads(open("aside", "rb").read().decode("utf-8"))'
	done
}

@test "an event nested as deep as one may be is no poison for what is written around it" {
	deep() { printf '{"type":"T","subject":"s","id":"%s","data":%s1%s}\n' "$1" "$(printf '[%.0s' $(seq "$2"))" "$(printf ']%.0s' $(seq "$2"))"; }
	{ deep a 509; deep b 510; deep c 511; echo '{"type":"T","subject":"s","id":"d","data":1}'; } | evappend a.evlog
	run -65 evappend a.evlog < <(deep e 512)
	# dead letters
	run -0 evrun -q --retry 0 --checkpoint c --dead-letter d.evlog a.evlog -- false
	assert_equal "$(evcat d.evlog | wc -l)" 4
	evrun --dead-letters d.evlog -- cat >again
	cut -b 67- again | cmp - <(evcat a.evlog | cut -b 67-)
	# snapshots and tables go on, and states are compared
	for reducer in 'x=list(data)' 'x=last(data)' 'x=merge(data)' 'x=set(data)' 'merge(data)'; do
		rm -rf s t.db b.evlog
		evcat --to 3 a.evlog | evappend --replica b.evlog
		evfold -k subject --snapshot s "$reducer" b.evlog >one
		evfold -k subject -o sqlite:t.db "$reducer" b.evlog
		evcat --from 4 a.evlog | evappend --replica b.evlog
		evfold -k subject --snapshot s "$reducer" b.evlog >two
		evfold -k subject "$reducer" b.evlog | cmp - two
		evfold -k subject -o sqlite:t.db "$reducer" b.evlog
		assert_equal "$(sqlite3 t.db 'select state from state')" "$(sed 's/.*"state"://; s/}$//' two)"
		run -0 evdiff two two
		run -1 evdiff one two
	done
}

@test "the deepest values take no room on the C stack" {
	deep() { printf '{"type":"T","subject":"s","data":%s%s%s}\n' "$(printf '{"a":[%.0s' $(seq 255))" "$1" "$(printf ']}%.0s' $(seq 255))"; }
	{ deep 1; deep 2; } | evappend a.evlog
	for reducer in 'merge(data)' 'x=list(data)' 'x=set(data)' 'x=last(data)' 'x=min(data)'; do
		for j in 1 3; do
			run -0 bash -c "ulimit -s 96; evfold -q -j $j -k subject '$reducer' a.evlog >big.$j"
		done
		cmp big.1 big.3
		evcat --to 1 a.evlog | evfold -q -k subject "$reducer" >one
		run bash -c "ulimit -s 96; evdiff one big.1"
		[ "$status" -le 1 ] || fail "$reducer: evdiff $status"
		rm -rf t.db s
		run -0 bash -c "ulimit -s 96; evfold -q -j 1 -k subject -o sqlite:t.db '$reducer' a.evlog && evfold -q --snapshot s '$reducer' a.evlog && evfold -q --snapshot s '$reducer' a.evlog"
	done
	printf '{"type":"P","data":[{"op":"add","path":"","value":%s},{"op":"copy","from":"","path":"/b"},{"op":"test","path":"/b","value":%s}]}\n' \
		"$(deep 1)" "$(deep 1)" | evappend -q b.evlog || true
	run -0 bash -c "ulimit -s 96; evfold -q 'patch(data)' b.evlog"
}

# ---- Logs with false content ----

@test "logs with right checksums and lies in them: refused or read, never fatal, no event twice" {
	EVLOG_FORGE_SECONDS=${EVLOG_FORGE_SECONDS:-10} harness fault/forge.py 60
}

@test "logs of known kinds that crashed, hung or filled the memory: the verdict of each" {
	EVLOG_FORGE_SECONDS=${EVLOG_FORGE_SECONDS:-10} harness fault/forge.py kinds
}

@test "a line in a log that is not JSON: who looks into it says so, after all before it; --salvage leaves it out" {
	echo 'upcast["none"] = function(e) return e end' >u.lua
	numbers() { jq '.data.n // .n' <<<"$output" | xargs; }
	# what follows the stamp, and what is wrong with it
	while IFS=$'\t' read -r text wrong; do
		rm -rf bad.evlog
		harness fault/forge.py line bad.evlog "$text"
		run -0 evcat bad.evlog
		assert_equal "${#lines[@]}" 4
		while IFS='|' read -r options before rest; do
			# shellcheck disable=SC2086 # options are words
			run -65 --separate-stderr evcat $options bad.evlog
			assert_equal "$(numbers)" "$before"
			[[ $stderr == "evcat: event 3: not valid JSON"?(": $wrong") ]] || fail "$options: $stderr"
			# shellcheck disable=SC2086
			run -65 --separate-stderr evcat --salvage $options bad.evlog
			assert_equal "$(numbers)" "$rest"
			[[ $stderr == "evcat: event 3: not valid JSON"?(": $wrong") ]] || fail "$options: $stderr"
		done <<-'END'
			-o data|1 2|1 2 4
			-o data -r|4|4 2 1
			-o data -n 3|4|1 2 4
			-o data --upcast u.lua|1 2|1 2 4
			-t T*|1 2|1 2 4
			-r -t T*|4|4 2 1
		END
		for options in "-j 1" "-j 2" "-j 1 -k data.n" "-j 2 -k data.n"; do
			# shellcheck disable=SC2086
			run -65 evfold $options 'n=count(data.n)' bad.evlog
			assert_output "evfold: event 3: not valid JSON"
		done
	done <<-'EOF'
		"specversion":"1.0","id":"1","source":"/x","type":"	unterminated string
		"specversion":"1.0","id":"1","source":"/x\	unterminated string
		"data":[	unexpected end of text
		"data":{"a":[{}	unterminated array
		"data":{"a":["	unterminated string
		"data":	unexpected end of text
		"type	unterminated string
		type:"T"}	expected a member name in quotes
	EOF
}

@test "a segment cut short while its index is searched: no signal" {
	head -c 3000000 /dev/urandom | base64 -w 300 |
		awk '{ printf "{\"type\":\"T\",\"subject\":\"s%d\",\"data\":\"%s\"}\n", NR % 5, $0 }' >in
	evappend a.evlog in
	evappend --segment-size 1 a.evlog <<<'{"type":"T"}'
	mkfifo out
	timeout 20 evcat -j1 -s s1 a.evlog >out 2>err &
	reader=$!
	exec 9<out
	head -c 1000 <&9 >first
	: >a.evlog/0000000000000001.ndjson.zst
	cat <&9 >rest
	exec 9<&-
	status=0
	wait $reader || status=$?
	# it may have read all of it before
	[ "$status" -eq 65 ] || [ "$status" -eq 0 ] || fail "$status: $(cat err)"
}
