# evreplay: order, pace, and a clean end.
load common
setup() {
	common_setup
	# a second apart, three times, then five
	for t in 0 1 2 3 8; do
		printf '{"type":"T","id":"%d","source":"/s","time":"2026-11-01T00:00:0%dZ"}\n' $t $t
	done | evappend a.evlog
}

# Prints how many milliseconds a command takes.
took() {
	local start=${EPOCHREALTIME/./}
	"$@" >out
	echo $(((${EPOCHREALTIME/./} - start) / 1000))
}

# At least as long as required, and shorter than without the option under test (8 s).
at_least() { [ "$1" -ge "$2" ] && [ "$1" -lt 7000 ] || fail "$1 ms, not at least $2"; }

@test "without a pace it delivers what evcat prints, with the same selection" {
	evreplay a.evlog | cmp - <(evcat a.evlog)
	evreplay --from 2 -c 2 a.evlog | cmp - <(evcat --from 2 -c 2 a.evlog)
	evreplay -n 2 a.evlog | cmp - <(evcat -n 2 a.evlog)
}

@test "--speed keeps the distances of the events' time, divided" {
	ms=$(took evreplay -E --speed 10 a.evlog)
	at_least "$ms" 780
	evcat a.evlog | cmp - out
}

@test "--max-gap caps a pause" {
	ms=$(took evreplay -E --speed 1 --max-gap 100ms a.evlog)
	at_least "$ms" 380
}

@test "--rate is at most so many a second" {
	ms=$(took evreplay --rate 20 a.evlog)
	at_least "$ms" 190
}

@test "--speed goes by logtime without -E" {
	echo '{"type":"T"}' | evappend b.evlog
	sleep 0.4
	echo '{"type":"T"}' | evappend b.evlog
	ms=$(took evreplay --speed 1 b.evlog)
	at_least "$ms" 390
}

@test "an event is out before the pause that follows it" {
	(evreplay -E --speed 2 a.evlog >slow) 3>&- &
	sleep 0.25
	run -0 wc -l <slow
	assert_output 1
	kill %1
	wait || true
}

@test "SIGTERM and SIGINT end it behind a whole line, with status 0" {
	for signal in TERM INT; do
		python3 - $signal <<-'EOF'
			import signal, subprocess, sys, time
			p = subprocess.Popen(["evreplay", "-E", "--speed", "1", "a.evlog"], stdout=subprocess.PIPE)
			time.sleep(1.3)
			p.send_signal(getattr(signal, "SIG" + sys.argv[1]))
			start = time.time()
			out = p.communicate()[0]
			assert p.returncode == 0, p.returncode
			assert time.time() - start < 1, "took its time"
			assert out.count(b"\n") == 2 and out.endswith(b"\n"), out
		EOF
	done
}

@test "SIGTERM ends a follower that waits" {
	python3 - <<-'EOF'
		import signal, subprocess, time
		p = subprocess.Popen(["evreplay", "-f", "a.evlog"], stdout=subprocess.PIPE)
		time.sleep(0.5)
		p.terminate()
		out = p.communicate(timeout=5)[0]
		assert p.returncode == 0 and out.count(b"\n") == 5, (p.returncode, out)
	EOF
}

@test "damage is said and ends with 65 here too" {
	cp -r a.evlog d.evlog
	damage d.evlog/0000000000000001.ndjson.zst 400
	run -65 evreplay d.evlog
	assert_output --partial "damaged at byte"
}

@test "wrong options end with 64" {
	for args in "" "--speed -1 a.evlog" "--speed x a.evlog" "--max-gap 3parsecs a.evlog" "--rate nan a.evlog"; do
		# shellcheck disable=SC2086
		run -64 evreplay $args
	done
}

@test "SIGTERM ends it while it waits for a pipe's first bytes, and inside compressed ones" {
	mkfifo p
	sleep 20 >p &
	# in the foreground: the SIGCONT for the group may keep LeakSanitizer waiting
	run -0 timeout --foreground -k 5 --preserve-status 0.5 evreplay - <p
	kill %1
	{ numbered 5 | zstd -q; sleep 20; } >p &
	run -0 timeout --foreground -k 5 --preserve-status 0.5 evreplay - <p
	kill %2
}

@test "absurd speeds and rates wait for ever instead of not at all" {
	numbered 2 | evappend s.evlog
	run -124 timeout --foreground 0.5 evreplay --rate 1e-300 s.evlog
	numbered 1 >x
	sleep 0.01
	evappend s.evlog x
	run -124 timeout --foreground 0.5 evreplay --speed 1e-300 s.evlog
}

@test "evreplay still runs a COMMAND, and says that evrun does it" {
	run -0 --separate-stderr evreplay --batch 3 --checkpoint c.pos a.evlog -- wc -l
	assert_output "$(printf '%s\n' 3 2)"
	assert_equal "$stderr" "evreplay: running a command is the task of evrun now; the next version of evreplay will refuse it"
	run -0 --separate-stderr evreplay --status --checkpoint=c.pos a.evlog
	assert_output --partial "at event 5, the last"
	run -0 --separate-stderr evreplay -q --batch 3 a.evlog -- wc -l
	assert_equal "$stderr" ""
	run -64 evreplay a.evlog --
	mkdir -p alone path
	cp "$(command -v evreplay)" alone
	ln -s "$(command -v evrun)" path
	PATH=path:$PATH run -0 alone/evreplay a.evlog -- wc -l
	PATH=/nowhere run -69 alone/evreplay a.evlog -- wc -l
	assert_line "evreplay: evrun: No such file or directory"
	for option in '--batch 3' '--emit b.evlog' '-j 3' '--retry 1'; do
		# shellcheck disable=SC2086
		run -64 evreplay $option a.evlog
	done
	for option in '' '--dead-letters --upcast u.lua' '--upcast u.lua --speed 1' '--upcast u.lua --rate 1'; do
		echo "upcast.T = function(e) return e end" >u.lua
		# shellcheck disable=SC2086
		run -64 evreplay --upcast-lint $option a.evlog
	done
}

# Simulates a slow disk: much time passes between the end of a run and its commit.
@test "a run finds in the --emit log all that the runs before it have brought" {
	cat >last <<-'END'
		last=$(evcat -n 1 emitted.evlog | cut -c 9-24)
		echo "{\"type\":\"R\",\"data\":\"${last:-0}\"}"
	END
	evappend emitted.evlog </dev/null
	traced -o /dev/null -e trace=fdatasync -e inject=fdatasync:delay_exit=50000 \
		evrun --batch 1 --checkpoint c.pos --emit emitted.evlog a.evlog -- sh last
	run -0 evcat -o data emitted.evlog
	assert_output "$(printf '"%s"\n' 0 000000000000000{1..4})"
}

@test "-E: an event without a time, wherever it stands, makes no pause" {
	a='{"type":"T","time":"2026-11-01T00:00:00Z"}' b='{"type":"T","time":"2026-11-01T00:00:00.1Z"}' none='{"type":"T"}'
	for order in "$none $a $b" "$a $none $b" "$none $none $a" "$a $b $none" "$none $none"; do
		printf '%s\n' $order >f
		run -0 timeout 5 evreplay -E --speed 1 f
		assert_output "$(cat f)"
	done
}
