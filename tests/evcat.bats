# evcat: what it selects, in which order, and how it prints.
load common
setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	orders | evappend orders.evlog
	# many segments, many blocks, a commit each hundred events
	for i in {0..19}; do
		numbered 100 $((i * 100 + 1)) >in # a file does not pause, so this is one commit
		evappend --segment-size 1000 n.evlog in
	done
	evcat n.evlog >n.ndjson
}
setup() { cd "$BATS_FILE_TMPDIR" && set -o pipefail; }

seqs() { cut -c 9-24 | sed 's/^0*//'; }

@test "the log of these tests has many segments, and reads whole" {
	run -0 bash -c 'ls n.evlog | grep -c zst'
	[ "$output" -ge 10 ]
	run -0 bash -c 'evcat n.evlog | wc -l'
	assert_output 2000
	zstdcat n.evlog/*.zst | cmp - n.ndjson
}

@test "what is printed to a pipe is what is stored, byte for byte" {
	zstdcat orders.evlog/*.zst | cmp - <(evcat orders.evlog)
}

@test "--from and --to take exactly that range, at every block and segment edge" {
	for range in "1 1" "1 100" "100 101" "101 200" "199 1301" "2000 2000" "1999 2000" "777 778"; do
		read -r from to <<<"$range"
		evcat --from "$from" --to "$to" n.evlog | cmp - <(sed -n "${from},${to}p" n.ndjson)
	done
	run -0 evcat --from 2001 n.evlog
	assert_output ""
	run -0 evcat --from 10 --to 9 n.evlog
	assert_output ""
}

@test "--since is included, --until excluded, to the microsecond, at every commit" {
	cut -c 38-64 n.ndjson | sort -u >times
	[ "$(wc -l <times)" -eq 20 ]
	while read -r t; do
		awk -v t="$t" 'substr($0, 38, 27) >= t' n.ndjson >want
		evcat --since "$t" n.evlog | cmp - want
		awk -v t="$t" 'substr($0, 38, 27) < t' n.ndjson >want
		evcat --until "$t" n.evlog | cmp - want
	done <times
	run -0 evcat --since tomorrow n.evlog
	assert_output ""
	run -0 bash -c 'evcat --until tomorrow n.evlog | wc -l'
	assert_output 2000
}

# nanos FILE: makes a log with three events in each of two microseconds, in several
# blocks.
nanos() {
	i=0
	for t in 30.681700999 30.681701001 30.6817015 30.681701500000000000001 30.681701999 30.681702; do
		i=$((i + 1))
		echo "{\"type\":\"T\",\"id\":\"$i\",\"time\":\"2018-06-11T14:37:${t}Z\"}" | evappend "$1"
	done
}

@test "--event-time compares times by all their digits; of logtimes a bound is rounded up" {
	nanos ns.evlog
	evappend --reindex ns.evlog
	ids() { evcat "$@" | jq -r .id | xargs; }
	evcat ns.evlog >ns.ndjson
	evcat -o zst ns.evlog >packed.zst
	n=0
	for operand in ns.evlog ns.ndjson packed.zst; do
		while read -r bound since until; do
			forms=("2018-06-11T14:37:${bound}Z" "2018-06-11 14:37:$bound" "@$((1528727820 + ${bound%.*})).${bound#*.}"
				"2018-06-11T16:37:${bound}000+02:00")
			# each meets each form in one of the operands or another
			n=$((n + 1))
			for t in "${forms[n % 4]}" "${forms[(n + 2) % 4]}"; do
				[ "$(ids -E --since "$t" $operand)" = "${since//_/ }" ] || fail "$operand since $t: $(ids -E --since "$t" $operand)"
				[ "$(ids -E --until "$t" $operand)" = "${until//_/ }" ] || fail "$operand until $t: $(ids -E --until "$t" $operand)"
				[ "$(ids --until "$t" -E -r $operand | tr ' ' '\n' | tac | xargs)" = "${until//_/ }" ]
			done
		done <<-'EOF'
			30.681701 2_3_4_5_6 1
			30.681701001 2_3_4_5_6 1
			30.6817010010000001 3_4_5_6 1_2
			30.6817015 3_4_5_6 1_2
			30.681701500000000000001 4_5_6 1_2_3
			30.6817015000000000000011 5_6 1_2_3_4
			30.681701999 5_6 1_2_3_4
			30.6817019999 6 1_2_3_4_5
			30.681702 6 1_2_3_4_5
		EOF
	done
	t=$(jq -r 'select(.id == "3").logtime' ns.ndjson)
	[ "$(ids --since "$t" ns.evlog)" = "3 4 5 6" ]
	[ "$(ids --since "${t%Z}001Z" ns.evlog)" = "4 5 6" ]
	[ "$(ids --until "$t" ns.evlog)" = "1 2" ]
	[ "$(ids --until "${t%Z}001Z" ns.evlog)" = "1 2 3" ]
	[ "$(ids --until "${t%Z}001Z" ns.ndjson)" = "1 2 3" ]
	[ "$(ids --since "${t%Z}001Z" ns.ndjson)" = "4 5 6" ]
}

@test "a local time that is shown twice bounds the same events whatever the order of the options" {
	for i in 03:30 04:30 05:30 06:30; do
		echo "{\"type\":\"T\",\"id\":\"$i\",\"time\":\"2023-11-05T$i:00Z\"}"
	done >havana
	export TZ=America/Havana
	for options in "--since 2023-11-05 --until 2023-11-06" "--until 2023-11-06 --since 2023-11-05"; do
		# shellcheck disable=SC2086
		run -0 bash -c "evcat -E $options havana | jq -r .id | xargs"
		assert_output "04:30 05:30 06:30"
	done
	for options in "--since 2023-11-04 --until 2023-11-05" "--until 2023-11-05 --since 2023-11-04"; do
		run -0 bash -c "evcat -E $options havana | jq -r .id | xargs"
		assert_output "03:30 04:30"
	done
}

@test "--event-time filters by the event's own time, whatever the order, both edges right" {
	run -0 bash -c 'evcat -E --since 2026-11-02T12:00:00Z --until 2026-11-03T08:00:00Z orders.evlog | jq -r .id'
	assert_output 'e3
e4'
	run -0 bash -c 'evcat -E --since "2026-11-02T13:00:00+01:00" --until 2026-11-02T12:00:00.000001Z orders.evlog | jq -r .id'
	assert_output e3
	run -64 evcat -E orders.evlog
}

@test "--type, --subject, --source and --id filter; given twice, either; globs as in sh" {
	while IFS=$'\t' read -r args want; do
		# shellcheck disable=SC2086
		run -0 bash -c "evcat $args orders.evlog | jq -r .id | tr '\n' ' '"
		assert_output "$want"
	done <<-'EOF'
		-t OrderCreated	e1 e2 
		-t 'Order*'	e1 e2 e4 
		-t OrderCancelled -t PaymentCaptured	e3 e4 e5 
		-s order-17	e1 e3 e5 
		-s 'order-1[89]'	e2 e4 
		-s order-17 -t PaymentCaptured	e3 e5 
		--source /orders	e1 e2 e3 e4 e5 
		--source '/o?ders' --id e4	e4 
		--id e1 --id e9	e1 
		-t Nothing	
		-s order	
	EOF
}

# Texts that are patterns, and other texts that they match.
@test "-F takes types, subjects, sources and ids literally, wherever it stands, in evreplay too" {
	local texts=('items[0]' items0 'a*' 'what?' 'back\slash' '[a' '!x' 'a"b' 'é*' 'trailing\' '**' 'plain')
	local member option tool i=0
	for member in type subject id source; do
		# these are in URIs too
		[ $member != source ] || texts=('a*' 'what?' '!x' '**' plain)
		for text in "${texts[@]}" ab whatx axx plainx; do
			jq -nc --arg t "$text" --arg i $((++i)) "{type: \"T\", source: \"/s\", id: \"\(\$i)\"} + {$member: \$t}"
		done >in
		evappend $member.evlog in
		option=--$member
		for tool in $(some evcat evreplay); do
			for text in "${texts[@]}"; do
				for operand in $member.evlog in; do
					$tool -F $option "$text" $operand | jq -r .$member >got
					assert_equal "$(cat got)" "$text"
					assert_equal "$($tool $option "$text" --fixed-strings $option nosuch $operand | jq -r .$member)" "$text"
				done
			done
		done
	done
	run -0 evcat -F -s 'items[[]0]' subject.evlog
	assert_output ""
	echo 'upcast.T = function(e) e.subject = "new[" .. e.subject .. "]"; return e end' >u.lua
	assert_equal "$(evcat --upcast u.lua -Fs 'new[a*]' subject.evlog | wc -l)" 1
}

@test "patterns match characters whatever the locale says" {
	printf '{"type":"T","subject":"%s"}\n' München Munchen Mxxnchen | evappend a.evlog
	for locale in C C.UTF-8 POSIX en_US.ISO-8859-1 nosuch; do
		while IFS=$'\t' read -r glob want; do
			assert_equal "$(LC_ALL=$locale evcat -s "$glob" a.evlog | jq -r .subject | xargs)" "$want"
			assert_equal "$(LC_ALL=$locale evreplay -s "$glob" a.evlog | jq -r .subject | xargs)" "$want"
			assert_equal "$(LC_ALL=$locale evfold "n=list(subject){subject=$glob}" a.evlog | jq -r '.n[]' | xargs)" "$want"
		done <<-'EOF'
			M?nchen	München Munchen
			M??nchen	Mxxnchen
			M[ü]nchen	München
			M[!u]nchen	München
			M[u-ÿ]nchen	München Munchen
			M*n	München Munchen Mxxnchen
		EOF
	done
}

@test "a filter sees through escapes in the stored bytes" {
	echo '{"type":"T\u0065st","subject":"a\"b","source":"/s","id":"1"}' | evappend esc.evlog
	run -0 bash -c 'evcat -t Test -s "a\"b" esc.evlog | wc -l'
	assert_output 1
	run -0 bash -c 'evcat -s "a\\\"b" esc.evlog | wc -l' # an escaped metacharacter
	assert_output 1
}

@test "-n gives the last N that match, -c the first, both the first of the last" {
	for n in 1 2 99 100 101 1999 2000 5000; do
		evcat -n $n n.evlog | cmp - <(tail -n $n n.ndjson)
		evcat -c $n n.evlog | cmp - <(head -n $n n.ndjson)
	done
	evcat -n 30 -t T1 n.evlog | cmp - <(grep '"type":"T1"' n.ndjson | tail -n 30)
	evcat -c 30 -s s3 n.evlog | cmp - <(grep '"subject":"s3"' n.ndjson | head -n 30)
	evcat -n 30 -c 2 n.evlog | cmp - <(tail -n 30 n.ndjson | head -n 2)
}

@test "-r is the log reversed, of a log, a file and a pipe, with every selection" {
	evcat -r n.evlog | cmp - <(tac n.ndjson)
	evcat -r n.ndjson | cmp - <(tac n.ndjson)
	evcat -r - <n.ndjson | cmp - <(tac n.ndjson)
	cat n.ndjson | evcat -r - | cmp - <(tac n.ndjson)
	evcat -r --from 150 --to 1250 -t T2 n.evlog | cmp - <(sed -n 150,1250p n.ndjson | grep '"type":"T2"' | tac)
	evcat -r -n 3 n.evlog | cmp - <(tail -n 3 n.ndjson | tac)
	evcat -r -c 3 n.evlog | cmp - <(tail -n 3 n.ndjson | tac)
	t=$(sed -n 900p n.ndjson | cut -c 38-64)
	evcat -r --since "$t" n.evlog | cmp - <(awk -v t="$t" 'substr($0, 38, 27) >= t' n.ndjson | tac)
	evcat -r --until "$t" n.evlog | cmp - <(awk -v t="$t" 'substr($0, 38, 27) < t' n.ndjson | tac)
}

@test "-n of a file larger than what is kept in memory" {
	numbered 60000 | evappend big.evlog
	evcat big.evlog >big.ndjson
	cat big.ndjson | evcat -n 50000 - | cmp - <(tail -n 50000 big.ndjson)
	cat big.ndjson | evcat -r - | cmp - <(tac big.ndjson)
}

@test "several operands are read one after the other, or with --merge by logtime" {
	cat n.ndjson <(evcat orders.evlog) | cmp - <(evcat n.evlog orders.evlog)
	evcat -r n.evlog orders.evlog | cmp - <(evcat n.evlog orders.evlog | tac)
	evcat -n 7 n.evlog orders.evlog | cmp - <(evcat n.evlog orders.evlog | tail -n 7)
	evcat -m n.evlog orders.evlog | cmp - <(cat <(evcat orders.evlog) n.ndjson)
	evcat -m -r n.evlog orders.evlog | cmp - <(cat <(evcat orders.evlog) n.ndjson | tac)
}

@test "equal logtimes are merged in the order of the operands, then by seq" {
	evcat -m n.evlog n.evlog >twice
	# within one logtime all of the first, then all of the second
	t=$(head -n 1 n.ndjson | cut -c 38-64)
	grep "$t" n.ndjson >same
	cat same same | cmp - <(grep "$t" twice)
	[ "$(wc -l <twice)" -eq 4000 ]
}

@test "an operand is known by its content: files, compressed files, archives, pipes" {
	cp n.ndjson plain && gzip -kf n.ndjson && xz -kf n.ndjson && zstd -qf n.ndjson
	tar cf n.tar n.ndjson
	for f in plain n.ndjson.gz n.ndjson.xz n.ndjson.zst n.tar; do
		evcat "$f" | cmp - n.ndjson
		evcat -t T1 --from 20 --to 40 "$f" | cmp - <(sed -n 20,40p n.ndjson | grep '"type":"T1"')
	done
	zstd -qc n.ndjson | evcat - | cmp - n.ndjson
	evcat n.evlog/0000000000000001.ndjson.zst | cmp - <(zstdcat n.evlog/0000000000000001.ndjson.zst)
}

@test "a file's events need not be stamped; --from then selects none" {
	orders | evcat - | cmp - <(orders)
	run -0 bash -c 'orders() { echo "{\"type\":\"T\"}"; }; orders | evcat --from 1 -'
	assert_output ""
}

@test "a bad line in a file is named, what stands before it is printed, status 65" {
	printf '{"type":"A"}\n{"type":\n{"type":"B"}\n' >bad
	run -65 --separate-stderr evcat bad
	assert_output '{"type":"A"}'
	[ "$stderr" = "evcat: bad:2:9: unexpected end of text" ]
	run -65 --separate-stderr evcat --salvage bad
	assert_output '{"type":"A"}
{"type":"B"}'
}

@test "-o data gives back what was wrapped" {
	run -0 evcat -o data -c 1 orders.evlog
	assert_output '{"customer":"ada","amount":39.11}'
}

@test "-o pretty is what jq prints" {
	evcat -o pretty n.evlog | cmp - <(jq . n.ndjson)
	echo '{"type":"T","data":{"a":[],"b":{},"c":[[1,{"d":"\"{[,:"}]]},"id":"1","source":"/x"}' | evappend p.evlog
	evcat -o pretty p.evlog | cmp - <(evcat p.evlog | jq .)
}

@test "-o zst is a segment: zstd takes it, evcat reads it, a log can be made of it" {
	evcat -o zst n.evlog >n.zst
	zstd -qt n.zst
	zstdcat n.zst | cmp - n.ndjson
	evcat n.zst | cmp - n.ndjson
	mkdir made.evlog && cp n.zst made.evlog/0000000000000001.ndjson.zst
	# no head yet: the next append makes one
	run -65 --separate-stderr evcat made.evlog
	assert_equal "$(wc -l <<<"$output")" 2000
	run -0 evappend made.evlog </dev/null
	assert_output --partial "head was missing or damaged; it was restored from the segments"
	evcat made.evlog | cmp - n.ndjson
	run -0 evdiff n.evlog made.evlog
	# of a part, or a selection, too
	evcat -o zst -t T1 --from 3 n.evlog | evcat - | cmp - <(evcat -t T1 --from 3 n.evlog)
	evcat -o zst -r n.evlog | evcat - | cmp - <(tac n.ndjson)
}

@test "an extract is not taken for a segment" {
	mkdir -p part.evlog
	evcat -o zst -t T1 n.evlog >part.evlog/0000000000000001.ndjson.zst
	run -65 evcat part.evlog
	assert_output --partial "an extract"
}

@test "a stream from any event on is a log that says where it begins" {
	mkdir -p later.evlog
	evcat -o zst --from 5 n.evlog >later.evlog/0000000000000005.ndjson.zst
	echo '{"type":"Next","id":"next"}' | evappend later.evlog
	run -0 --separate-stderr evcat later.evlog
	assert_equal "$stderr" "evcat: later.evlog: begins with event 5; those before it have been removed"
	cmp <(head -n -1 <<<"$output") <(evcat --from 5 n.evlog)
	run -76 evfold 'n=count()' later.evlog
	assert_output --partial "continue a snapshot of them, or fold what is left: evcat later.evlog | evfold"
}

@test "-f goes on as events are appended, across segments, and starts with what is there" {
	orders | evappend f.evlog
	timeout 10 evcat -f -c 1005 f.evlog >followed 3>&- &
	pid=$!
	sleep 0.2
	for i in {1..10}; do numbered 100 $((i * 100)) | evappend --segment-size 2000 f.evlog; done
	wait $pid
	evcat f.evlog | cmp - followed
}

@test "-f -n 2 starts with the last two, and -f with filters passes over the rest" {
	orders | evappend g.evlog
	timeout 10 evcat -f -n 2 -t 'Pay*' -c 3 g.evlog >followed 3>&- &
	pid=$!
	sleep 0.3
	orders | evappend g.evlog
	wait $pid
	run -0 jq -r '[.seq,.id]|@tsv' followed
	assert_output $'0000000000000003\te3
0000000000000005\te5
0000000000000008\te3'
}

@test "-f of two logs, merged and not, gets what comes to either" {
	for m in "" -m; do
		rm -rf x.evlog y.evlog
		orders | evappend x.evlog
		orders | evappend y.evlog
		# shellcheck disable=SC2086
		timeout 10 evcat -f $m -c 13 x.evlog y.evlog >followed 3>&- &
		pid=$!
		sleep 0.2
		echo '{"type":"X1"}' | evappend x.evlog
		echo '{"type":"Y1"}' | evappend y.evlog
		sleep 0.2
		echo '{"type":"X2"}' | evappend x.evlog
		wait $pid
		run -0 bash -c 'tail -n 3 followed | jq -r .type | sort | tr "\n" " "'
		assert_output "X1 X2 Y1 "
	done
}

@test "-f with --until ends where nothing more can come" {
	run -0 timeout 5 bash -c 'evcat -f --to 5 orders.evlog | wc -l'
	assert_output 5
}

@test "a follower of a log that was replaced by another ends with 76" {
	orders | evappend h.evlog
	timeout 10 evcat -f h.evlog >followed 2>message 3>&- &
	pid=$!
	sleep 0.3
	orders | evappend other.evlog
	cat other.evlog/head >h.evlog/head
	wait $pid && status=0 || status=$?
	assert_equal $status 76
	grep -q "the log was cut, replaced or removed while it was being followed" message
}

@test "a log that is removed, or makes room for another, is neither followed nor appended to" {
	# what is done to the log, and how follower and writer end
	while read -r how follower writer; do
		rm -rf h.evlog moved.evlog other.evlog message
		orders | evappend h.evlog
		cp -r h.evlog other.evlog
		timeout 20 evcat -f h.evlog >followed 2>message 3>&- &
		pid=$!
		mkfifo pipe
		timeout 20 evappend h.evlog <pipe 2>refused 3>&- &
		writing=$!
		exec 7>pipe
		rm pipe
		echo '{"type":"First"}' >&7
		until grep -q First followed; do sleep 0.05; done
		case $how in
		removed) rm -r h.evlog ;;
		moved) mv h.evlog moved.evlog ;;
		replaced) mv h.evlog moved.evlog && mv other.evlog h.evlog ;;
		esac
		echo '{"type":"Late"}' >&7
		exec 7>&-
		wait $writing && status=0 || status=$?
		assert_equal "$how: $status" "$how: $writer"
		[ "$status" = 0 ] || grep -q "^evappend: h.evlog: the log was removed, or another one has taken its place; nothing was appended$" refused
		if [ "$how" = moved ]; then
			until grep -q Late followed; do sleep 0.05; done
			kill -INT $pid
		fi
		wait $pid && status=0 || status=$?
		assert_equal "$how: $status" "$how: $follower"
		[ "$status" != 76 ] || grep -q "the log was cut, replaced or removed while it was being followed" message
		[ "$how" != replaced ] || [ "$(evcat h.evlog | wc -l)" -eq 5 ]
	done <<-'END'
		removed 76 76
		moved 130 0
		replaced 76 76
	END
}

@test "a follower of an empty log whose segments go away, while head goes on, ends with 65" {
	evappend gone.evlog </dev/null
	cp -r gone.evlog further.evlog
	orders | evappend further.evlog
	timeout 10 evcat -f gone.evlog >followed 2>message 3>&- &
	pid=$!
	sleep 0.3
	rm gone.evlog/0*.zst
	cat further.evlog/head >gone.evlog/head
	wait $pid && status=0 || status=$?
	assert_equal $status 65
	assert_equal "$(cat message)" "evcat: gone.evlog: the segments of the log are missing; see RECOVERY in evlog(7)"
	[ ! -s followed ]
}

@test "evcat | head dies of SIGPIPE, as cat does" {
	numbered 50000 | evappend s.evlog
	run -0 bash -c 'evcat s.evlog | head -n 1 | wc -l; echo "${PIPESTATUS[0]}"'
	assert_output '1
141'
}

@test "a full device is an error: 74" {
	[ -e /dev/full ] || skip "no /dev/full"
	run -74 bash -c 'evcat n.evlog >/dev/full'
	assert_output --partial "No space left on device"
}

@test "a missing log is 66, a folder that is no log too, wrong options 64" {
	run -66 evcat nothere.evlog
	assert_output "evcat: nothere.evlog: No such file or directory"
	mkdir -p folder
	run -66 evcat folder
	assert_output --partial "not a log"
	for args in "" "-f -r n.evlog" "-o nonsense n.evlog" "--from 0 n.evlog" "--since lunch n.evlog" "-n x n.evlog" "-f n.ndjson"; do
		# shellcheck disable=SC2086
		run -64 evcat $args
	done
}

@test "reading writes nothing and takes no lock" {
	before=$(fingerprint n.evlog)
	chmod -R a-w n.evlog
	evcat n.evlog >/dev/null
	evcat -r -n 3 n.evlog >/dev/null
	chmod -R u+w n.evlog
	[ "$before" = "$(fingerprint n.evlog)" ]
}

@test "on a terminal: a readable line an event, nothing that could harm it" {
	command -v script >/dev/null || skip "no script(1)"
	printf '{"type":"T\\u001b]0;x\\u0007","subject":"s\\u202eevil","source":"/","id":"1","data":"a\xc2\x9bb\x7f"}\n' >evil
	! evappend e.evlog evil # attributes with control characters are refused
	printf '{"type":"T","subject":"s","source":"/","id":"1","data":"a\\u001b \xc2\x9bb\x7f\xe2\x80\xae"}\n' | evappend e2.evlog
	script -qec "evcat e2.evlog" /dev/null </dev/null >shown
	grep -q 'a\\u001b \\u009bb\\u007f\\u202e' shown
	script -qec "NO_COLOR=1 evcat e2.evlog" /dev/null </dev/null >shown
	run ! grep -q $'\x1b' shown
	script -qec "evcat -o data e2.evlog" /dev/null </dev/null >shown
	LC_ALL=C run ! grep -q $'[\x1b\x7f\x9b]' shown
	script -qec "evcat $'nothere\x1b[31m'" /dev/null </dev/null >shown || true
	run ! grep -q $'\x1b\\[31m' shown
}

@test "a seq is a string of 16 digits, and nothing else" {
	echo '{"seq":100000000000000099,"type":"x"}' >f
	run -0 evcat --from 9 --to 9 f
	assert_output ""
}

@test "pretty output takes no more memory for being longer" {
	printf '{"type":"a","data":%s1%s}\n' "$(printf '[%.0s' {1..200})$(printf '1,%.0s' {1..100000})" "$(printf ']%.0s' {1..200})" | evappend p.evlog
	[ -z "$SAN" ] || skip "sanitizers take memory"
	(ulimit -v 60000; evcat -o pretty p.evlog) | jq -c . | cmp - <(evcat p.evlog)
}

@test "a line of a file is limited by --max-line" {
	{ echo '{"a":1}'; printf '{"a":"'; head -c 70000000 /dev/zero | tr '\0' x; echo '"}'; } | zstd -q >bomb.zst
	run -65 --separate-stderr evcat bomb.zst
	assert_output '{"a":1}'
	[[ $stderr == *"bomb.zst:2:67108865: the line is longer than 67108864 bytes (--max-line)" ]]
	run -0 bash -c 'evcat --max-line 80M bomb.zst | wc -c'
	assert_output 70000017
}

@test "backwards, what stands before a bad line is printed, and the status is 65" {
	printf '{"a":1}\n{"a":2}\nbad\n{"a":3}\n' >f
	run -65 --separate-stderr evcat -r f
	assert_output '{"a":2}
{"a":1}'
	[[ $stderr == *"f:3:1: expected a JSON value" ]]
	run -65 --separate-stderr evcat -n 1 f
	assert_output '{"a":2}'
}

@test "merged, damage in one log does not hide the others" {
	echo '{"type":"a"}' | evappend x.evlog
	echo '{"type":"a"}' | evappend y.evlog
	echo '{"type":"b"}' | evappend y.evlog
	damage y.evlog/0000000000000001.ndjson.zst 320
	run -65 --separate-stderr evcat -m x.evlog y.evlog
	assert_output "$(evcat x.evlog)"
	[[ $stderr == *"y.evlog/0000000000000001.ndjson.zst: damaged"* ]]
}

@test "any number of threads: the same bytes, and damage is met at the same place" {
	head -c 4000000 /dev/urandom | base64 -w 120 >in
	evappend --text a.evlog in
	[ "$(stat -c %s a.evlog/0000000000000001.ndjson.zst)" -gt 4000000 ]
	evcat -j1 a.evlog >one
	for j in 2 3 8; do
		evcat -j$j a.evlog | cmp - one
		evcat -j$j --to 31234 a.evlog | cmp - <(head -n 31234 one)
		evcat -j$j -c 40000 a.evlog | cmp - <(head -n 40000 one)
		evcat -j$j a.evlog a.evlog | cmp - <(cat one one)
		run -141 bash -c "set -o pipefail; evcat -j$j a.evlog | head -n 1 >/dev/null"
	done
	for at in 300000 1700000 3900000; do
		cp -r a.evlog b.evlog
		damage b.evlog/0000000000000001.ndjson.zst $at
		run -65 --separate-stderr evcat -j1 b.evlog
		said=$stderr
		printed=${#output}
		for j in 2 8; do
			run -65 --separate-stderr evcat -j$j b.evlog
			assert_equal "$stderr" "$said"
			assert_equal ${#output} "$printed"
		done
		rm -r b.evlog
	done
}
