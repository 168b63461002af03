# Laws that hold between the tools.
load common
setup() { common_setup; }

@test "what evcat prints evappend takes back" {
	orders | evappend a.evlog
	evcat a.evlog | evappend b.evlog
	cmp <(evcat a.evlog | cut -c 67-) <(evcat b.evlog | cut -c 67-)
	evcat a.evlog | evappend a.evlog # works even into itself
	run -0 bash -c 'evcat a.evlog | wc -l'
	assert_output 10
}

@test "evcat A | evappend --replica B gives the same root, at once or in parts" {
	numbered 5000 | evappend --ack a.evlog | tail -n 1 >want
	evcat a.evlog | evappend --replica --ack b.evlog | tail -n 1 >got
	cmp <(jq .root want) <(jq .root got)
	evcat --to 1234 a.evlog | evappend --replica c.evlog
	evcat --from 1235 a.evlog | evappend --replica --segment-size 1000 --ack c.evlog | tail -n 1 >got
	cmp <(jq .root want) <(jq .root got)
	cmp <(evcat a.evlog) <(evcat c.evlog)
}

@test "--merge of parts split from a log restores it" {
	for i in {1..30}; do numbered 7 $((i * 10)) | evappend a.evlog; done
	for k in 0 1 2; do
		evcat a.evlog | awk -v k=$k 'NR % 3 == k' >part.$k
	done
	# equal logtimes go by operand, then seq: sort within them
	evcat -m part.0 part.1 part.2 | sort | cmp - <(evcat a.evlog)
	# parts by time come back exactly
	split -l 21 <(evcat a.evlog) slice.
	evcat -m $(printf '%s\n' slice.* | tac) | cmp - <(evcat a.evlog)
}

@test "-r reversed is the log" {
	numbered 3000 | evappend --segment-size 5000 a.evlog
	evcat -r a.evlog | tac | cmp - <(evcat a.evlog)
}

@test "appends by 8 processes at once lose nothing, duplicate nothing, number without gaps" {
	for p in {1..8}; do
		(
			for i in {1..12}; do
				echo "{\"type\":\"single\",\"source\":\"/p$p\",\"id\":\"$i\"}" | evappend --ack a.evlog
			done
			seq 100 2099 | awk -v p=$p '{printf "{\"type\":\"stream\",\"source\":\"/p%d\",\"id\":\"%d\"}\n", p, $1}' |
				evappend --ack --segment-size 30000 a.evlog
		) >acks.$p 3>&- &
	done
	wait
	evcat a.evlog >all
	run -0 wc -l <all
	assert_output 16096
	cut -c 9-24 all | cmp - <(seq -f %016.0f 1 16096)
	run -0 bash -c "jq -r '[.source,.id]|@tsv' all | sort -u | wc -l"
	assert_output 16096
	# each process's own events are in its order
	for p in {1..8}; do
		jq -r "select(.source == \"/p$p\") | .id | tonumber" all | sort -nc
	done
	# the acknowledged ranges are disjoint and cover all
	cat acks.* | jq -r '[.from,.to]|@tsv' | sort -n |
		awk 'BEGIN { next_ = 1 } $1 != next_ { exit 1 } { next_ = $2 + 1 } END { exit next_ != 16097 }'
}

@test "a fold of a log is the fold of its replay, of its parts, and does not depend on blocks" {
	numbered 3000 | evappend a.evlog
	evcat a.evlog | while mapfile -t -n 500 part && [ ${#part[@]} -gt 0 ]; do
		printf '%s\n' "${part[@]}" | evappend --replica --segment-size 4000 b.evlog
	done
	evfold -k subject n=count 's=sum(data.n)' 'l=last(type)' a.evlog >want
	evfold -k subject n=count 's=sum(data.n)' 'l=last(type)' b.evlog | cmp - want
	evreplay a.evlog | evfold -k subject n=count 's=sum(data.n)' 'l=last(type)' | cmp - want
	evcat --to 999 b.evlog | cat - <(evcat --from 1000 a.evlog) |
		evfold -k subject n=count 's=sum(data.n)' 'l=last(type)' | cmp - want
	[ "$(wc -l <want)" -eq 7 ]
}

@test "a follower piped into a replica keeps it in step" {
	orders | evappend a.evlog
	(timeout 20 evcat -f -c 25 a.evlog | evappend --replica b.evlog) 3>&- &
	pid=$!
	for _ in {1..4}; do sleep 0.1; orders | evappend a.evlog; done
	wait $pid
	run -0 evdiff a.evlog b.evlog
}

@test "a replica is kept in step over a pipe that is broken again and again" {
	numbered 50 | evappend a.evlog
	evappend --quiet --replica b.evlog -- sh -c 'exec evcat -f --to 1050 --from $EVLOG_FROM a.evlog' 3>&- &
	pid=$!
	for i in {1..20}; do
		numbered 50 $((50 * i + 1)) | evappend --segment-size 5000 a.evlog
		sleep 0.0$((RANDOM % 90 + 10))
		pkill -9 -P $pid evcat || true
	done
	wait $pid
	run -0 evdiff a.evlog b.evlog
	assert_equal "$(evcat b.evlog | wc -l)" 1050
}

@test "the Windows events: straight from the zip, counted, given back, folded right" {
	corpora
	zip=$EVLOG_CORPORA/windows-security-events.zip
	run -0 evappend --type-from Channel --subject-from Hostname --time-from @timestamp win.evlog "$zip"
	run -0 bash -c 'zstdcat win.evlog/*.zst | wc -l'
	assert_output 40569
	run -0 bash -c 'evcat win.evlog | wc -l'
	assert_output 40569
	python3 -m zipfile -e "$zip" .
	mv ./*.json win.ndjson
	evcat -o data win.evlog | cmp - win.ndjson
	evfold -k subject n=count win.evlog >by.subject
	evfold -k type n=count win.evlog >by.type
	python3 - <<-'EOF'
		import collections, json
		for path, member in (("by.subject", "Hostname"), ("by.type", "Channel")):
		    want = collections.Counter(json.loads(line)[member] for line in open("win.ndjson"))
		    got = {r["key"]: r["state"]["n"] for r in map(json.loads, open(path))}
		    assert got == dict(want) and sum(got.values()) == 40569, (got, want)
	EOF
	# selection by an event's time agrees with jq's
	run -0 bash -c 'evcat -E --since 2020-09-04T07:07:00Z --until 2020-09-04T07:08:00Z win.evlog | wc -l'
	want=$(jq -r '.["@timestamp"]' win.ndjson | awk '$0 >= "2020-09-04T07:07:00" && $0 < "2020-09-04T07:08:00"' | wc -l)
	assert_output "$want"
	[ "$want" -gt 100 ]
}

@test "CloudEvents' own vectors: all valid accepted, all invalid refused with the reason" {
	corpora
	dir=$EVLOG_CORPORA/cloudevents/format/json
	jq -c '.tests[].event' "$dir/valid-events.json" >valid
	jq -c '.tests[].batch[]' "$dir/valid-batches.json" >>valid
	run -0 wc -l <valid
	assert_output 17
	run -0 evappend v.evlog valid
	cmp <(evcat v.evlog | cut -c 67-) <(cut -c 2- valid)
	n=0
	while IFS=$'\t' read -r id event; do
		if [ "$id" = invalidNoSpecVersion ]; then
			run -0 evappend s.evlog <<<"$event" # it is shorthand here
			continue
		fi
		run -65 evappend i.evlog <<<"$event"
		assert_output --regexp '^evappend: \(standard input\):1:[0-9]+: [a-zA-Z.]+[a-z0-9_]*: '
		n=$((n + 1))
	done < <(jq -r '.tests[] | [.id, (.event|tojson)] | @tsv' "$dir/invalid-events.json" | sed 's/\\\\/\\/g')
	assert_equal $n 24
	# batches are refused for their bad member
	while IFS=$'\t' read -r id batch; do
		run -65 evappend --atomic b.evlog < <(jq -c '.[]' <<<"$batch")
	done < <(jq -r '.tests[] | [.id, (.batch|tojson)] | @tsv' "$dir/invalid-batches.json")
	run -0 bash -c '[ ! -e b.evlog ] || evcat b.evlog'
	assert_output ""
}
