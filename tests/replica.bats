# Replicas of compressed streams: evcat -o zst A | evappend --replica B.

load common

# a.evlog has 60 numbers.  out.evlog has what a consumer made of them, one event for each,
# in commits of several events.
setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	for i in 0 10 20 30 40 50; do
		seq $((i + 1)) $((i + 10)) | sed 's/.*/{"type":"N","data":&}/' | evappend a.evlog
	done
	for n in 25 30 60; do
		evcat --to $n a.evlog | evappend --replica in.evlog
		consume out.evlog in.evlog
	done
	cp -r out.evlog sealed.evlog
	evappend --segment-size 1 sealed.evlog <<<'{"type":"End","data":61}'
	evappend --reindex sealed.evlog
}

setup() {
	common_setup
	a=$BATS_FILE_TMPDIR/a.evlog
	out=$BATS_FILE_TMPDIR/out.evlog
	sealed=$BATS_FILE_TMPDIR/sealed.evlog
}

# consume LOG FROM: a consumer of FROM whose checkpoint is lost goes on emitting to LOG.
consume() {
	rm -f lost
	evrun -q --checkpoint lost --emit "$1" "$2" -- \
		sed -u 's/.*"data":\([0-9]*\).*/{"type":"Out","data":\1}/'
}

# The numbers of a promoted replica, to which the consumer goes on emitting.
promoted() {
	consume "$1" "$a" 2>/dev/null
	evcat -t Out -o data "$1"
}

# send [EVCAT-OPTION...] LOG REPLICA
send() {
	evcat -o zst "${@:1:$#-1}" | evappend --quiet --replica "${@: -1}"
}

@test "a stream carries the root, the lineage and the cursors; plain lines do not" {
	send "$out" b.evlog
	run -0 evdiff "$out" b.evlog
	assert_equal "$(promoted b.evlog)" "$(seq 60)"
	evcat "$out" | evappend --replica plain.evlog
	run -0 evdiff "$out" plain.evlog
	assert_equal "$(promoted plain.evlog)" "$(seq 60; seq 60)"
}

@test "wherever a stream ends, a promoted replica has each output once" {
	local refused=0
	for log in "$out" "$sealed"; do
		for n in 1 5 9 10 16 20 30 31 40 59 60; do
			for how in "--to $n" "-c $n"; do
				rm -rf b.evlog
				send $how "$log" b.evlog 2>error || {
					grep -q "in the middle of a commit" error
					((refused += 1))
				}
				assert_equal "$(promoted b.evlog)" "$(seq 60)"
			done
		done
	done
	((refused > 20 && refused < 44)) || fail "$refused"
	# without cursors, there is no harm in it
	send --to 7 "$a" c.evlog
	assert_equal "$(evcat c.evlog | wc -l)" 7
}

@test "a stream that breaks off at any byte gives whole commits, and can be sent again" {
	evcat -o zst "$out" >stream
	local size
	size=$(stat -c %s stream)
	for ((n = 100; n < size; n += 61)); do
		rm -rf b.evlog
		head -c $n stream | evappend --replica b.evlog 2>/dev/null && [ "$n" -lt 200 ] || true
		[ -d b.evlog ] || continue
		cp -r b.evlog c.evlog
		assert_equal "$(promoted c.evlog)" "$(seq 60)"
		run -0 evappend --replica b.evlog stream
		run -0 evdiff "$out" b.evlog
		assert_equal "$(promoted b.evlog)" "$(seq 60)"
		rm -rf c.evlog
	done
}

@test "what is sent again, or from an earlier event, moves no place back" {
	send "$out" b.evlog
	send --to 30 "$out" b.evlog
	send --from 12 "$out" b.evlog
	assert_equal "$(promoted b.evlog)" "$(seq 60)"
	run -0 evdiff "$out" b.evlog
}

@test "a follower keeps a replica in step, commit by commit" {
	cp -r "$out" x.evlog
	(timeout 20 evcat -f -o zst x.evlog | evappend --replica b.evlog) 3>&- &
	for n in 1 2 3; do
		evappend x.evlog <<<"{\"type\":\"More\",\"data\":$n}"
		for _ in {1..100}; do
			[ "$(evcat -n 1 -o data -t More b.evlog 2>/dev/null)" = $n ] && break
			sleep 0.1
		done
		assert_equal "$(evcat -n 1 -o data -t More b.evlog)" $n
	done
	kill %1
	wait %1 || true
	assert_equal "$(promoted b.evlog)" "$(seq 60)"
}

@test "a trimmed log gives a replica that begins where it does" {
	send --from 31 "$out" b.evlog
	run -0 --separate-stderr evcat b.evlog
	assert_equal "$output" "$(evcat --from 31 "$out")"
	assert_equal "$stderr" "evcat: b.evlog: begins with event 31; those before it have been removed"
	assert_equal "$(promoted b.evlog 2>/dev/null)" "$(seq 31 60)"
	# without any event, too; then it grows like any other
	send --from 61 "$out" c.evlog
	assert_equal "$(promoted c.evlog)" ""
	evcat -o zst --from 31 "$out" | evappend --quiet --replica d.evlog -
	for log in b c d; do
		evappend -q --segment-size 1 $log.evlog < <(orders)
		evappend -q --segment-size 1 $log.evlog < <(orders)
		evappend -q --reindex $log.evlog
	done
	send b.evlog e.evlog
	run -0 evdiff b.evlog e.evlog
	assert_equal "$(evcat -q --from 61 e.evlog | wc -l)" 10
}

@test "-- COMMAND: a trimmed log, and one whose connection breaks" {
	send --from 31 "$out" t.evlog
	run -0 evappend --quiet --replica b.evlog -- evcat -q -o zst t.evlog
	run -0 evdiff t.evlog b.evlog
	cat >part <<-EOF
		echo x >>tries
		evcat -o zst --from \$EVLOG_FROM "$out" >all
		head -c \$((400 * \$(wc -l <tries))) all
		[ \$((400 * \$(wc -l <tries))) -ge \$(stat -c %s all) ]
	EOF
	run -0 evappend --quiet --replica c.evlog -- bash part
	run -0 evdiff "$out" c.evlog
	assert_equal "$(promoted c.evlog)" "$(seq 60)"
}

@test "a stream that ends in a commit of many blocks is whole only if no place comes after it" {
	# one commit of four blocks or more, with a place and without one
	seq 1500 | awk '{ printf "{\"type\":\"Big\",\"data\":\"%d%s\"}\n", $1, sprintf("%0250d", 0) }' >big
	evappend -q source.evlog <<<'{"type":"N"}'
	evrun -q --checkpoint c --emit placed.evlog source.evlog -- cat big
	evappend -q plain.evlog big
	for log in placed plain; do
		evappend -q $log.evlog <<<'{"type":"Last"}'
		for to in 1 300 700 1499 1500 1501; do
			run evappend -q --replica $log-$to.evlog < <(evcat -o zst --to $to $log.evlog)
			[ $log = placed ] && ((to < 1500)) && expected=65 || expected=0
			assert_equal "$log $to $status" "$log $to $expected"
			[ $expected = 65 ] || assert_equal "$(evcat $log-$to.evlog | wc -l)" $to
		done
	done
}

@test "a stream of another log is refused by its root, even where all lines continue" {
	evcat --to 30 "$out" | sed 's/"data":7}/"data":8}/' | evappend --replica b.evlog
	run -76 send --from 31 "$out" b.evlog
	assert_output --partial "the stream is damaged, or of another log"
	assert_equal "$(evcat b.evlog | wc -l)" 30
	# plain lines cannot show it
	run -0 evappend --replica b.evlog <(evcat --from 31 "$out")
}

@test "the files of a log are a stream, too; an extract carries only lines" {
	cat "$sealed"/*.zst | evappend --quiet --replica b.evlog
	run -0 evdiff "$sealed" b.evlog
	assert_equal "$(promoted b.evlog)" "$(seq 60)"
	run -76 send -t Out --from 10 "$out" c.evlog
	run -0 send -t Out "$out" d.evlog
	run -0 evdiff "$out" d.evlog
}

@test "lines that are only their leaves are taken over, and nothing else is" {
	python3 "$BATS_TEST_DIRNAME/format.py" golden
	send leaves.evlog b.evlog
	run -0 evdiff leaves.evlog b.evlog
	assert_equal "$(evcat b.evlog)" "$(evcat leaves.evlog)"
	send b.evlog c.evlog
	run -0 evdiff leaves.evlog c.evlog
	run -65 evappend --replica d.evlog < <(evcat leaves.evlog)
	assert_output --partial "replicate evcat -o zst instead"
}

@test "a follower keeps a replica in step with plain lines, too, whose compression is zstd" {
	(
		for n in 1 2 3; do
			zstd -q <<<"{\"type\":\"T\",\"data\":$n}"
			sleep 1
		done
		touch ended
		sleep 20
	) 3>&- | evappend --ack b.evlog 3>&- >acks &
	for _ in {1..50}; do [ -e ended ] && break || sleep 0.1; done
	assert_equal "$(wc -l <acks)" 3
	kill %1
}

@test "sealing a trimmed log keeps the places of what was removed" {
	send --from 61 "$out" b.evlog # no event, but the place of the consumer
	for ((i = 0; i < 3; i++)); do evappend --segment-size 1 b.evlog < <(orders); done
	evappend --reindex b.evlog
	for from in 61 62 66; do
		rm -rf c.evlog
		send -q --from $from b.evlog c.evlog
		assert_equal "$(promoted c.evlog 2>/dev/null)" ""
	done
	cat b.evlog/*.zst | evappend --quiet --replica d.evlog
	assert_equal "$(promoted d.evlog 2>/dev/null)" ""
	assert_equal "$(promoted b.evlog 2>/dev/null)" ""
}

@test "a replica is not created by a stream that never came" {
	send --from 31 "$out" t.evlog
	evcat -q -o zst t.evlog >stream
	cat >command <<-'EOT'
		echo x >>tries
		[ "$(wc -l <tries)" = 1 ] && exit 255
		exec evcat -q -o zst t.evlog
	EOT
	run -0 evappend --quiet --replica b.evlog -- bash command
	run -0 evdiff t.evlog b.evlog
	run -65 evappend --replica c.evlog < <(head -c 300 stream)
	assert [ ! -e c.evlog ]
	run -0 evappend --quiet --replica c.evlog <stream
	run -0 evdiff t.evlog c.evlog
	# a plain stream without events does create it
	run -0 evappend --replica d.evlog </dev/null
	run -0 evcat d.evlog
	assert_output ""
}

@test "each bit of the stream's headers is believed only with its checksum" {
	evcat -o zst --to 25 "$out" >stream # one commit, with one cursor
	python3 - <<-'EOT'
		import re, subprocess, shutil
		p = open("stream", "rb").read()
		for at in [m.start() + i for m in re.finditer(rb"evlog(SEG|BLK)", p) for i in range(-8, 20)]:
		    q = bytearray(p)
		    q[at] ^= 1 << at % 8
		    shutil.rmtree("f.evlog", True)
		    r = subprocess.run(["evappend", "--replica", "f.evlog"], input=bytes(q), stderr=subprocess.PIPE)
		    assert r.returncode in (0, 65, 76), (at, r)
		    if r.returncode == 0:
		        whole = subprocess.run(["evcat", "-o", "zst", "f.evlog"], stdout=subprocess.PIPE).stdout
		        assert b"lost" in whole, at  # the consumer's name
	EOT
}

@test "headers belong to the lines that follow them, in a file as in a pipe" {
	evcat --to 30 "$out" | zstd -q >mixed
	evcat -o zst --from 31 "$out" >>mixed
	run -0 evappend --quiet --replica b.evlog mixed
	run -0 evappend --quiet --replica c.evlog < <(cat mixed)
	run -0 evdiff b.evlog c.evlog
	run -0 evdiff "$out" b.evlog
	# two streams of a large log; the second header comes while the first part is committed
	numbered 60000 | evappend --atomic big.evlog
	numbered 10 60001 | evappend big.evlog
	evcat -o zst --to 60000 big.evlog >one
	evcat -o zst --from 60001 big.evlog >two
	run -0 evappend --quiet -j 4 --replica d.evlog one two
	run -0 evdiff big.evlog d.evlog
}

@test "many consumers: their places are taken over by a replica of a sealed replica" {
	local i log
	emit() { # emit NUMBER TYPE LOG
		name=$(printf '%0190d' "$1")
		rm -f "$name"
		evrun -q --checkpoint "$name" --to 1 --emit "$3" "$a" -- sed -u "s/.*/{\"type\":\"$2\",\"data\":1}/"
	}
	for ((i = 0; i < 90; i++)); do
		emit $i Out many.evlog
	done
	send many.evlog b.evlog
	evappend --segment-size 1 b.evlog < <(orders)
	evappend --reindex b.evlog
	send b.evlog c.evlog
	for log in b.evlog c.evlog; do
		for i in 0 44 89; do
			emit $i Twice $log 2>/dev/null
		done
		run ! grep -q Twice <(evcat "$log")
	done
}

@test "the blocks of a replica are whole, however fast its events come" {
	python3 -c '
import random
for i in range(40000): print("{\"type\":\"T\",\"data\":\"%0200x\"}" % random.getrandbits(800))' >events
	evappend -q a.evlog events
	evcat a.evlog >plain
	blocks() { grep -abo evlogBLK $1/0000000000000001.ndjson.zst | wc -l; }
	for j in 1 2 3; do
		rm -rf b.evlog
		evappend -q -j$j --replica b.evlog plain
		assert_equal "$(blocks b.evlog)" "$(blocks a.evlog)"
	done
}
