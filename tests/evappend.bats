# evappend: kinds of input, what is refused, conditions, acknowledgements.
load common
setup() { common_setup; }

stored() { evcat -o ndjson "$1" | cut -c 67-; }

@test "a log is made when it is absent, and --no-create refuses that" {
	run -66 evappend --no-create a.evlog </dev/null
	assert_output --partial "a.evlog: no such log"
	[ ! -e a.evlog ]
	run -0 evappend a.evlog </dev/null
	run -0 ls a.evlog
	assert_output "0000000000000001.ndjson.zst
head
lock"
	run -0 evappend --no-create a.evlog < <(orders)
}

@test "an empty directory becomes a log, one with other things is left alone" {
	mkdir empty other
	touch other/file
	run -0 evappend empty < <(orders)
	run -73 evappend other < <(orders)
	assert_output --partial ": not a log, and not empty; choose a new or empty directory"
	run -0 ls other
	assert_output file
	run -73 evappend other/file < <(orders)
	assert_output --partial "not a log directory"
}

@test "a CloudEvent is kept byte for byte behind its stamp" {
	line='{ "specversion" : "1.0","id":"x\u0041","source":"/s","type":"T", "data": {"n":1.50e1,"s":"\/"} }'
	run -0 evappend a.evlog <<<"$line"
	run -0 stored a.evlog
	assert_output '"specversion" : "1.0","id":"x\u0041","source":"/s","type":"T", "data": {"n":1.50e1,"s":"\/"} }'
	run -0 bash -c 'evcat a.evlog | jq -r "[.seq, .id] | @tsv"'
	assert_output $'0000000000000001\txA'
}

@test "shorthand is completed: specversion, a UUIDv7, the log's name as source" {
	run -0 evappend "my orders.evlog" <<<'{"type":"T"}'
	run -0 evcat "my orders.evlog"
	assert_output --regexp '^\{"seq":"0000000000000001","logtime":"20[0-9T:.-]{24}Z","specversion":"1.0","id":"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}","source":"/my%20orders","type":"T"\}$'
}

@test "null attributes are as if absent, data null is kept" {
	run -0 evappend a.evlog <<<'{"id":null,"type":"T","subject":null,"data":null,"specversion":null,"source":null}'
	run -0 bash -c 'evcat a.evlog | jq -c "[(.id|length), .source, .specversion, has(\"data\")]"'
	assert_output '[36,"/a","1.0",true]'
	run -0 bash -c 'evcat a.evlog | grep -o "\"id\"" | wc -l'
	assert_output 1
}

@test "seq and logtime of the input are dropped, wherever they stand" {
	run -0 evappend a.evlog <<-'EOF'
		{"type":"T","seq":"9","id":"1","logtime":"x","source":"/s"}
		{"logtime":"2020-01-01T00:00:00Z","seq":"0000000000000007","type":"T","id":"2","source":"/s"}
		{"type":"T","id":"3","source":"/s", "seq" : "9" }
	EOF
	run -0 stored a.evlog
	assert_output '"specversion":"1.0","type":"T","id":"1","source":"/s"}
"specversion":"1.0","type":"T","id":"2","source":"/s"}
"specversion":"1.0","type":"T","id":"3","source":"/s"}'
	run -0 bash -c 'evcat a.evlog | jq -r .seq'
	assert_output '0000000000000001
0000000000000002
0000000000000003'
}

@test "any JSON value is wrapped with --type, blank around it taken off" {
	run -0 evappend --type T --subject s a.evlog <<-'EOF'
		{"a": 1}
		[1, 2]
		"text"
		  12.50  
		null
	EOF
	run -0 bash -c 'evcat a.evlog | jq -c "[.type,.subject,.data]"'
	# later versions of jq keep 12.50 as it is
	assert_output --regexp '^\["T","s",\{"a":1\}\]
\["T","s",\[1,2\]\]
\["T","s","text"\]
\["T","s",12.50?\]
\["T","s",null\]$'
	run -0 evcat -o data a.evlog
	assert_output '{"a": 1}
[1, 2]
"text"
12.50
null'
}

@test "attributes come from where the --...-from options point, numbers as their text" {
	run -0 evappend --type-from kind --subject-from /who/id --time-from when --id-from n \
		--source-from where a.evlog <<<'{"kind":"T\u00e9","who":{"id":17.0},"when":"2026-01-02T03:04:05+01:00","n":5,"where":"/x"}'
	run -0 bash -c 'evcat a.evlog | jq -c "[.type,.subject,.time,.id,.source]"'
	assert_output '["Té","17.0","2026-01-02T03:04:05+01:00","5","/x"]'
}

@test "what --...-from does not find is left out; a type must be there, or --type" {
	run -0 evappend --type D --type-from kind --subject-from who a.evlog <<<'{"x":1}'
	run -0 bash -c 'evcat a.evlog | jq -c "[.type,has(\"subject\")]"'
	assert_output '["D",false]'
	run -65 evappend --type-from kind a.evlog <<<'{"x":1}'
	assert_output --partial "(standard input):1:1: type: no value at the path of --type-from"
	run -65 evappend --type-from kind a.evlog <<<'{"kind":[1]}'
	assert_output --partial "(standard input):1:9: type: must be a string or a number"
	run -65 evappend --type T --time-from t a.evlog <<<'{"t":"yesterday"}'
	assert_output --partial "1:6: time: not an RFC 3339 time"
}

@test "--text wraps lines as strings, and evcat -o data gives them back" {
	printf 'plain\nwith "quotes" and \\\ttab\n\xc3\xa9\x01\n' >text
	run -0 evappend --text a.evlog text
	evcat -o data a.evlog | cmp - text
	run -0 bash -c 'evcat a.evlog | jq -r .type | sort -u'
	assert_output text
	run -65 evappend --text a.evlog <<<$'bad \xff byte'
	assert_output --partial ":1:5: invalid UTF-8"
}

@test "blank lines are skipped, CRLF ends a line, a BOM is skipped, the last newline may lack" {
	printf '\xef\xbb\xbf{"type":"A"}\r\n\r\n   \n\n{"type":"B"}' >in
	run -0 evappend a.evlog in
	run -0 evappend a.evlog - <in
	run -0 bash -c 'evcat a.evlog | jq -r .type'
	assert_output 'A
B
A
B'
}

@test "every kind of bad line is refused with line, column and reason, status 65, and nothing of it is stored" {
	deep=$(printf '[%.0s' {1..512})
	while IFS=$'\t' read -r line message; do
		rm -rf a.evlog
		printf '{"type":"first"}\n%b\n{"type":"third"}\n' "$line" >in
		run -65 evappend a.evlog in
		[[ $output == *"in:2:$message"* ]] || fail "$line: $output"
		assert_output --partial "1 event appended before that, up to seq 1"
		run -0 bash -c 'evcat a.evlog | jq -r .type'
		assert_output first
	done <<-EOF
		{"type":"T"	12: unterminated object
		{"type":"T",}	13: expected a member name in quotes
		{'type':"T"}	2: expected a member name in quotes
		not json	1: expected a JSON value
		{"type":"T"} x	14: unexpected text after the JSON value
		[1]	1: an event must be a JSON object
		"text"	1: an event must be a JSON object
		{"subject":"s"}	1: type: missing; to wrap other JSON as an event
		{"type":"T","type":"U"}	13: type: the member occurs twice
		{"type":"T","data":1,"data":2}	22: data: the member occurs twice
		{"type":"\\\\ud800"}	10: lone surrogate
		{"type":"T","subject":"\\\\ud800x"}	24: lone surrogate
		{"type":"a\\xffb"}	11: invalid UTF-8
		{"type":"a\\xc0\\xafb"}	11: invalid UTF-8
		{"type":"T","data":$deep	531: nested more than 512 levels deep
		{"type":""}	9: type: must not be empty
		{"type":5}	9: type: must be a string
		{"type":"T","id":""}	18: id: must not be empty
		{"type":"T","subject":""}	23: subject: must not be empty
		{"type":"T","source":"a b"}	22: source: not a URI-reference
		{"type":"T","source":"%zz"}	22: source: not a URI-reference
		{"type":"T","time":"lunch"}	20: time: not an RFC 3339 time
		{"type":"T","time":"2026-11-23 05:00:00Z"}	20: time: not an RFC 3339 time
		{"type":"T","dataschema":"x"}	26: dataschema: not an absolute URI
		{"type":"T","datacontenttype":"xyz"}	31: datacontenttype: not a media type
		{"type":"T","Camel":1}	13: Camel: an attribute name must consist of a-z and 0-9
		{"type":"T","my.ext":1}	13: my.ext: an attribute name must consist of a-z and 0-9
		{"type":"T","ext":1.5}	19: ext: a number in an attribute must be a 32-bit integer; put other numbers in data
		{"type":"T","ext":2147483648}	19: ext: a number in an attribute must be a 32-bit integer; put other numbers in data
		{"type":"T","ext":{}}	19: ext: an attribute cannot be an object or array
		{"type":"T","ext":"a\\\\u0001"}	19: ext: attributes must not contain control characters or noncharacters
		{"type":"T","ext":"\\\\uffff"}	19: ext: attributes must not contain control characters or noncharacters
		{"type":"T","ext":"\\\\u0085"}	19: ext: attributes must not contain control characters or noncharacters
		{"type":"T","ext":"\\\\ufdd0"}	19: ext: attributes must not contain control characters or noncharacters
		{"type":"T","ext":"\\\\ud83f\\\\udffe"}	19: ext: attributes must not contain control characters or noncharacters
		{"type":"T","ext":-12345678901}	19: ext: a number in an attribute must be a 32-bit integer; put other numbers in data
		{"type":"T","ext":1e3}	19: ext: a number in an attribute must be a 32-bit integer; put other numbers in data
		{"type":"T","source":"%4"}	22: source: not a URI-reference
		{"type":"T","datacontenttype":"a/b  c"}	31: datacontenttype: not a media type
		{"type":"T","a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"b":2}	109: b: the member occurs twice
		{"type":"T","data_base64":"Y*=="}	27: data_base64: not valid base64
		{"type":"T","data_base64":"YQ=Y"}	27: data_base64: not valid base64
		{"type":"T","data":1,"data_base64":"YQ=="}	22: data_base64: an event cannot have both data and data_base64
		{"type":"T","data_base64":"Y"}	27: data_base64: not valid base64
		{"type":"T","specversion":"0.9","id":"1","source":"/"}	27: specversion: must be "1.0"
		{"type":"T","specversion":"1.0","source":"/"}	1: id: missing, but required in a CloudEvent (an event with specversion)
		{"type":"T","specversion":"1.0","id":"1"}	1: source: missing, but required in a CloudEvent (an event with specversion)
		{"\\\\u0074ype":"T"}	2: \\u0074ype: an attribute name must not contain escapes
		{"type":"T","ctl":"a\\x01"}	21: control character in a string
	EOF
}

@test "attributes that look odd, and are good, are kept" {
	while read -r line; do
		rm -rf a.evlog
		echo "$line" >f
		run -0 evappend a.evlog f
		run -0 evcat a.evlog
		[[ $output == *"${line#*\"T\",}" ]] || fail "$line: $output"
	done <<-'EOF'
		{"type":"T","ext":-2147483648}
		{"type":"T","ext":"\u00a0\ufdcf\ufffd\ud83f\udffd"}
		{"type":"T","datacontenttype":"text/plain  ; charset=utf-8"}
		{"type":"T","source":"%4a?x=[1]"}
		{"type":"T","data_base64":"YWI="}
	EOF
}

@test "a path that ends with slashes is the same log" {
	echo '{"type":"T"}' >f
	run -0 evappend a.evlog// f
	run -0 evappend a.evlog f
	[ "$(evcat a.evlog/ | wc -l)" -eq 2 ]
}

@test "a line over --max-line is refused, and one that makes too long an event" {
	line='{"type":"T","data":"'$(printf 'x%.0s' {1..100})'"}'
	run -65 evappend --max-line ${#line} a.evlog <<<"$line"
	assert_output --partial "the event would be longer than ${#line} bytes"
	run -0 evappend --max-line 1000 a.evlog <<<"$line"
	stored=$(evcat a.evlog)
	run -0 evappend --max-line ${#stored} --replica c.evlog <<<"$stored"
	run -65 evappend --max-line $((${#line} - 1)) a.evlog <<<"$line"
	assert_output --partial "the line is longer than $((${#line} - 1)) bytes"
	# far longer than what is read at once, and good lines around it
	{ echo '{"type":"A"}'; head -c 3000000 /dev/zero | tr '\0' x; echo; echo '{"type":"B"}'; } >in
	run -65 evappend --max-line 1000 --reject bad b.evlog in
	run -0 bash -c 'evcat b.evlog | jq -r .type'
	assert_output 'A
B'
	run -0 jq -c '[.line,.reason]' bad
	assert_output '[2,"the line is longer than 1000 bytes (--max-line)"]'
}

@test "--reject puts bad lines aside with input, line, column, reason and text, and ends with 65" {
	printf '{"type":"A"}\nbad \xff\n{"type":"B"}\n{}\n' >in
	run -65 evappend --reject bad a.evlog in
	assert_output "evappend: rejected: 2 lines, written to bad"
	run -0 bash -c 'evcat a.evlog | jq -r .type'
	assert_output 'A
B'
	run -0 jq -c '[.input,.line,.column,.reason,(.text|@base64d|length)]' bad
	assert_line --index 0 '["in",2,1,"expected a JSON value",5]'
	assert_line --index 1 --partial '["in",4,1,"type: missing; to wrap other JSON as an event'
	run -0 bash -c 'jq -j .text bad | head -c 8 | base64 -d'
	assert_equal "$(jq -r .text bad | head -n 1 | base64 -d | od -An -tx1)" " 62 61 64 20 ff"
}

@test "--atomic is all or nothing" {
	{ orders; echo bad; } >in
	run -65 evappend --atomic a.evlog in
	assert_output --partial "nothing was appended (--atomic)"
	run -0 evcat a.evlog
	assert_output ""
	run -0 --separate-stderr evappend --atomic --ack a.evlog < <(numbered 30000)
	assert_equal "${#lines[@]}" 1
	run -0 jq -c '[.from,.to]' <<<"$output"
	assert_output '[1,30000]'
}

@test "--ack tells ranges and the root, once for each commit" {
	run -0 evappend --ack a.evlog < <(orders)
	assert_output --regexp '^\{"from":1,"to":5,"skipped":0,"root":"[0-9a-f]{64}"\}$'
	run -0 evappend --ack a.evlog < <(orders)
	assert_output --partial '{"from":6,"to":10,'
	run -0 evappend --ack a.evlog </dev/null
	assert_output ""
}

@test "a commit comes when the input pauses, and --linger waits for more" {
	{ orders; sleep 0.4; orders; } | evappend --ack a.evlog >acks
	run -0 jq -c '[.from,.to]' acks
	assert_output '[1,5]
[6,10]'
	{ orders; sleep 0.2; orders; } | evappend --ack --linger 2000 b.evlog >acks
	run -0 jq -c '[.from,.to]' acks
	assert_output '[1,10]'
}

@test "half a line in a pipe does not hold back the whole ones before it" {
	{ printf '{"type":"A"}\n{"type'; sleep 0.5; evcat a.evlog | wc -l >seen; printf '":"B"}\n'; } | evappend a.evlog
	run -0 cat seen
	assert_output 1
	run -0 bash -c 'evcat a.evlog | wc -l'
	assert_output 2
}

@test "--expect appends only if the last seq is the expected one" {
	run -1 evappend --expect 1 a.evlog < <(orders)
	assert_output --partial "the last seq is 0, not 1; nothing was appended"
	run -0 evappend --expect 0 a.evlog < <(orders)
	run -1 evappend --expect 0 a.evlog < <(orders)
	run -0 evappend --expect 5 a.evlog < <(orders)
	run -0 bash -c 'evcat a.evlog | wc -l'
	assert_output 10
	run -1 evappend --expect 3 a.evlog </dev/null
}

@test "--expect-subject looks at the subject's last event alone" {
	orders | evappend a.evlog
	run -0 evappend --expect-subject order-99=0 a.evlog <<<'{"type":"T","subject":"order-99"}'
	run -1 evappend --expect-subject order-99=0 a.evlog <<<'{"type":"T","subject":"order-99"}'
	assert_output --partial "the last seq of subject order-99 is 6, not 0"
	run -0 evappend --expect-subject order-18=4 a.evlog <<<'{"type":"T","subject":"order-18"}'
	run -1 evappend --expect-subject order-18=4 a.evlog <<<'{"type":"T"}'
	run -1 evappend --expect-subject order-17=3 a.evlog <<<'{"type":"T"}'
	run -1 evappend --expect-subject order-17=6 a.evlog <<<'{"type":"T"}'
	run -0 evappend --expect-subject 'with=sign=0' a.evlog <<<'{"type":"T"}'
	run -64 evappend --expect-subject order-17 a.evlog <<<'{"type":"T"}'
}

@test "--expect-subject given twice: each must hold, in whatever order" {
	orders | evappend a.evlog # order-17: 5, order-18: 4
	echo '{"type":"T"}' >in
	while read -r status a b; do
		run "-$status" evappend --expect-subject "$a" --expect-subject "$b" a.evlog in
		run "-$status" evappend --expect-subject "$b" --expect-subject "$a" a.evlog in
	done <<-'END'
		1 order-17=5 order-18=3
		1 order-17=4 order-18=4
		1 order-17=5 order-99=1
		1 order-17=0 order-99=0
		0 order-17=5 order-18=4
		0 order-17=5 order-99=0
	END
	[ "$(evcat a.evlog | wc -l)" -eq 9 ]
	run -1 evappend --expect 8 --expect-subject order-17=5 a.evlog in
	run -0 evappend --expect 9 --expect-subject order-17=5 --expect-subject order-18=4 a.evlog in
	run -1 evappend --expect-subject x=0 --expect-subject y=2 new.evlog in
	run -64 evappend --expect-subject x=0 --expect-subject x=2 new.evlog in
	[ ! -e new.evlog ]
}

@test "of several that expect the same, exactly one appends" {
	evappend a.evlog </dev/null
	for i in {1..8}; do
		(echo '{"type":"T"}' | evappend -q --expect 0 a.evlog 2>/dev/null && echo 0 || echo $?) >status.$i 3>&- &
	done
	wait
	run -0 bash -c 'sort status.* | uniq -c | tr -s " "'
	assert_output ' 1 0
 7 1'
}

@test "--dedup skips what is there with the same bytes, and counts it" {
	run -0 evappend --dedup a.evlog < <(orders)
	{ orders; echo '{"type":"New","id":"n"}'; } >in
	run -0 evappend --dedup --ack a.evlog in
	assert_output --partial '{"from":6,"to":6,"skipped":5,'
	assert_output --partial "skipped: 5 events already in the log"
	{ orders; orders; } >twice
	run -0 evappend -q --dedup --ack a.evlog twice
	assert_output --partial '{"from":7,"to":6,"skipped":10,'
}

@test "--dedup: the same id with other bytes is an error that names the line; what is before it stays" {
	orders | evappend a.evlog
	printf '%s\n' '{"type":"A","id":"x1"}' '{"type":"Other","subject":"order-17","id":"e3"}' '{"type":"B","id":"x2"}' >in
	run -65 evappend --dedup a.evlog in
	assert_output --partial "in:2:1: id: the log already has an event with this source and id but different content"
	run -0 bash -c 'evcat a.evlog | jq -r .type | tail -n 1'
	assert_output A
	run -65 evappend --dedup --reject bad a.evlog in
	run -0 bash -c 'evcat a.evlog | jq -r .type | tail -n 2'
	assert_output 'A
B'
	run -0 jq -c '[.line,(.text|@base64d|fromjson|.id)]' bad
	assert_output '[2,"e3"]'
	run -65 evappend --dedup --atomic a.evlog < <(echo '{"type":"C","id":"x3"}'; cat in)
	run -0 bash -c 'evcat a.evlog | jq -r .type | tail -n 1'
	assert_output B
}

@test "--dedup without WINDOW compares with all of the log, however long" {
	numbered 250000 | sed 's/}$/,"source":"\/s"}/' >in
	run -0 evappend --dedup a.evlog in
	assert_output ""
	run -0 evappend --dedup a.evlog in
	assert_output "evappend: skipped: 250000 events already in the log"
	# what the input itself has twice, in one commit or several
	cat in in | evappend --dedup -q b.evlog
	cmp <(evcat b.evlog | cut -b 67-) <(evcat a.evlog | cut -b 67-)
	[ "$(evcat a.evlog | wc -l)" -eq 250000 ]
}

@test "--dedup=WINDOW says when there were more events than it compared with" {
	numbered 10 | sed 's/}$/,"source":"\/s"}/' >in
	run -0 evappend --dedup=10 a.evlog in
	assert_output ""
	run -0 evappend --dedup=10 a.evlog in
	assert_output "evappend: skipped: 10 events already in the log"
	run -0 evappend --dedup=9 a.evlog <<<'{"type":"T","id":"new"}'
	assert_output "evappend: --dedup=9: older events of the log were not compared"
	run -0 evappend -q --dedup=9 a.evlog <<<'{"type":"T","id":"newer"}'
	assert_output ""
	# so many in one run that the window slides over its own events
	run -0 evappend --dedup=9 c.evlog in
	assert_output ""
	run -0 evappend --dedup=8 d.evlog in
	assert_output "evappend: --dedup=8: older events of the log were not compared"
	for window in 1 7 1000 1024 1025 5000; do
		numbered 3000 >many
		evappend -q "--dedup=$window" d.evlog many
		tail -n 1 many >last
		run -0 evappend -q --ack "--dedup=$window" d.evlog last
		assert_output --partial '"skipped":1'
		rm -r d.evlog
	done
}

@test "--dedup looks back WINDOW events and no further" {
	numbered 10 | evappend a.evlog
	run -0 evappend -q --dedup=3 --ack a.evlog < <(numbered 1 8)
	assert_output --partial '"skipped":1'
	run -0 evappend -q --dedup=3 --ack a.evlog < <(numbered 1 2)
	assert_output --partial '{"from":11,"to":11,"skipped":0'
}

@test "--dedup checks the id before the expectation: a repeated command succeeds" {
	run -0 evappend --dedup --expect 0 a.evlog < <(orders)
	run -0 evappend -q --dedup --expect 0 a.evlog < <(orders)
	{ orders; echo '{"type":"New"}'; } >in
	run -1 evappend -q --dedup --expect 0 a.evlog in
	run -0 bash -c 'evcat a.evlog | wc -l'
	assert_output 5
}

@test "--replica takes exactly the next lines, and nothing else" {
	orders | evappend a.evlog
	evcat a.evlog >lines
	run -0 evappend --replica b.evlog lines
	evcat b.evlog | cmp - lines
	run -76 evappend --replica b.evlog < <(sed 's/"0000000000000005"/"0000000000000007"/;5!d' lines)
	assert_output --partial "event 7, but the next event of b.evlog is 6"
	sed 3d lines >gap
	run -76 evappend --replica c.evlog gap
	assert_output --partial "gap:3: event 4, but 3 was expected"
	run -65 evappend --replica d.evlog < <(orders)
	assert_output --partial "--replica accepts only stored events"
	sed '2s/logtime":"2/logtime":"1/' lines >back
	run -76 evappend --replica e.evlog back
	assert_output --partial "earlier logtime"
}

@test "--replica compares the lines that the log has, and passes over them" {
	numbered 300 | evappend --segment-size 2000 a.evlog
	evcat a.evlog >lines
	for n in 1 7 299 300; do
		head -n $n lines | evappend --replica b$n.evlog
		run -0 evappend --replica b$n.evlog lines
		assert_output "evappend: skipped: $n event$([ $n = 1 ] || echo s) already in the log"
		run -0 evappend --quiet --replica b$n.evlog <(tail -n 20 lines)
		assert_output ""
		run -0 evdiff a.evlog b$n.evlog
	done
	# one byte of one event, anywhere before the end: refused, whatever is new behind it
	head -n 200 lines | evappend --replica c.evlog
	cp -r c.evlog before.evlog
	for n in 1 100 200; do
		sed "${n}s/\"n\":/\"N\":/" lines >other
		run -76 evappend --replica c.evlog other
		assert_output --partial "other:$n: event $n differs from the one in c.evlog"
		run -0 evdiff before.evlog c.evlog
	done
}

@test "--replica -- COMMAND: run again from where it broke off, in the middle of a line too" {
	numbered 2000 | evappend a.evlog
	cat >part <<-'END'
		echo "$EVLOG_FROM" >>from
		evcat --from "$EVLOG_FROM" a.evlog >rest
		n=$((RANDOM * 8 % 60000))
		head -c $n rest
		[ $n -ge $(stat -c %s rest) ] || exit 255
	END
	run -0 evappend --replica b.evlog -- bash part
	assert_line --regexp '^evappend: bash: exit status 255, after event [0-9]+; starting it again$'
	run -0 evdiff a.evlog b.evlog
	[ "$(wc -l <from)" -gt 3 ]
	assert_equal "$(sort -n from)" "$(cat from)" # events that the replica has are not asked for again
	# compressed on the way, and killed
	run -0 evappend --quiet --replica c.evlog -- bash -c \
		'[ -e once ] || { evcat -o zst a.evlog | head -c 5000; touch once; kill -9 $$; }
		 evcat --from $EVLOG_FROM -o zst a.evlog'
	assert_output ""
	run -0 evdiff a.evlog c.evlog
}

@test "--replica -- COMMAND ends where another try is of no use" {
	orders | evappend a.evlog
	orders | evappend b.evlog
	run -76 evappend --replica b.evlog -- sh -c 'evcat --from $EVLOG_FROM a.evlog'
	assert_output --partial "sh:1: event 5 differs from the one in b.evlog"
	for status in 64 65 66 76 77; do
		run -$status evappend --replica c.evlog -- sh -c "evcat --to 3 a.evlog; exit $status"
		assert_output --partial "sh: exit status $status"
		assert_equal "$(evcat c.evlog | wc -l)" 3
	done
	run -69 evappend --replica c.evlog -- ./not-there
	run -64 evappend --replica c.evlog --
	run -64 evappend --replica c.evlog lines -- cat
	run -64 evappend --replica --atomic c.evlog -- cat
	# without --replica these are files
	evcat -o data a.evlog >./-x
	run -0 evappend -t T d.evlog -- -x
	assert_equal "$(evcat d.evlog | wc -l)" 5
}

@test "a leap second is the last of a month in UTC" {
	for t in 2016-12-31T23:59:60Z 2016-12-31T18:59:60.25-05:00 2015-07-01T01:59:60+02:00; do
		echo "{\"type\":\"T\",\"time\":\"$t\"}" | evappend leap.evlog
	done
	for t in 2016-12-31T12:00:60Z 2016-12-31T23:59:60+01:00 2016-12-30T23:59:60Z 2016-12-31T23:00:60Z; do
		echo "{\"type\":\"T\",\"time\":\"$t\"}" >in
		run -65 evappend leap.evlog in
		assert_output --partial "in:1:20: time: not an RFC 3339 time: a leap second must be the last second of a month in UTC"
		echo "{\"t\":\"$t\"}" >in
		run -65 evappend -t T --time-from t leap.evlog in
		assert_output --partial "a leap second must be the last second of a month in UTC"
	done
	[ "$(evcat leap.evlog | wc -l)" -eq 3 ]
	run -0 bash -c 'evcat -E --since 2017-01-01T00:00:00Z --until 2017-01-01T00:00:00.1Z leap.evlog | wc -l'
	assert_output 1
}

@test "FILE operands may be plain, in any compression, and in archives" {
	orders >orders.ndjson
	gzip -k orders.ndjson
	xz -k orders.ndjson
	zstd -q orders.ndjson
	bzip2 -k orders.ndjson 2>/dev/null || python3 -c 'import bz2;open("orders.ndjson.bz2","wb").write(bz2.compress(open("orders.ndjson","rb").read()))'
	numbered 3 >n.ndjson
	mkdir dir && cp orders.ndjson dir/a && gzip -c n.ndjson >dir/b
	tar cf both.tar orders.ndjson n.ndjson
	tar czf dir.tar.gz dir
	python3 -c 'import zipfile; z=zipfile.ZipFile("both.zip","w",zipfile.ZIP_DEFLATED); z.write("orders.ndjson"); z.write("n.ndjson")'
	mv orders.ndjson.gz misleading.txt
	while read -r file n; do
		rm -rf a.evlog
		run -0 evappend a.evlog "$file"
		run -0 bash -c 'evcat a.evlog | wc -l'
		assert_output "$n" || fail "$file"
	done <<-EOF
		orders.ndjson 5
		misleading.txt 5
		orders.ndjson.xz 5
		orders.ndjson.zst 5
		orders.ndjson.bz2 5
		both.tar 8
		dir.tar.gz 8
		both.zip 8
	EOF
	for pipe in "gzip -c" "xz -c" "zstd -qc" "cat"; do
		rm -rf a.evlog
		$pipe orders.ndjson | evappend a.evlog
		run -0 bash -c 'evcat a.evlog | wc -l'
		assert_output 5
	done
}

@test "a bad line in an archive is named by archive, member and line" {
	echo bad >m.ndjson
	tar cf a.tar m.ndjson
	run -65 evappend a.evlog a.tar
	assert_output --partial "a.tar(m.ndjson):1:1: expected a JSON value"
}

@test "a cut-off compressed file is an error, and what came whole stays" {
	numbered 20000 | gzip -c >whole.gz
	head -c 100000 whole.gz >cut.gz
	run -65 evappend a.evlog cut.gz
	assert_output --partial "cut.gz"
	assert_output --partial " appended before that, up to seq "
	run -0 bash -c '[ "$(evcat a.evlog | wc -l)" -gt 0 ]'
}

@test "a missing file is 66, a directory as FILE is an error, and what came before stays" {
	orders >in
	run -66 evappend a.evlog in nothere
	assert_output --partial "nothere: No such file or directory"
	run -0 bash -c 'evcat a.evlog | wc -l'
	assert_output 5
	run -74 evappend a.evlog /
}

@test "wrong options end with 64 and say where to look" {
	orders | evappend a.evlog
	for args in "" "--nonsense a.evlog" "--expect x a.evlog" "--strict --no-sync a.evlog" \
		"--text --type-from a a.evlog" "--subject-from a a.evlog" "--replica --dedup a.evlog" \
		"--level 99 a.evlog" "--expect" "--type-from a..b a.evlog" "--source a%zz a.evlog"; do
		# shellcheck disable=SC2086
		run -64 evappend $args </dev/null
		assert_output --partial "evappend: "
	done
	run -0 bash -c 'evcat a.evlog | wc -l'
	assert_output 5
}

@test "the lock is waited for, then 75" {
	orders | evappend a.evlog
	python3 - <<-'EOF' 3>&- &
		import fcntl, struct, time
		f = open("a.evlog/head", "r+b")
		fcntl.fcntl(f, 37, struct.pack("hhqqixxxx", fcntl.F_WRLCK, 0, 0, 0, 0))
		open("locked", "w").close()
		time.sleep(3)
	EOF
	until [ -e locked ]; do sleep 0.05; done
	run -75 evappend --wait 0.3 a.evlog < <(orders)
	assert_output --partial "another process is appending; gave up waiting for the lock after 0.3 s"
	run -0 evcat a.evlog # readers need no lock
	run -0 evappend --wait 20 a.evlog < <(orders)
	wait
}

@test "logtime never goes backwards, whatever the clock" {
	orders | evappend a.evlog
	sed 's/"logtime":"20/"logtime":"29/' < <(evcat a.evlog) | evappend --replica b.evlog
	orders | evappend b.evlog
	run -0 bash -c 'evcat b.evlog | cut -c 38-41 | uniq -c | tr -s " "'
	assert_output ' 10 2926'
}

@test "the levels --strict and --no-sync store the same, and sync as they say" {
	command -v strace >/dev/null || skip "no strace"
	evappend a.evlog </dev/null
	count() { traced -f -e trace=fdatasync,fsync -o trace evappend "$@" a.evlog < <(orders) && grep -c sync trace; }
	run count
	assert_output 1
	run count --strict
	assert_output 2
	run count --no-sync
	assert_output 0
	run -0 bash -c 'evcat a.evlog | wc -l'
	assert_output 15
}

@test "a full disk is said, ends with 74, and the log stays usable" {
	unshare -Urm true 2>/dev/null || skip "no user namespaces"
	mkdir small
	run -0 unshare -Urm bash -c '
		mount -t tmpfs -o size=300k none small && cd small
		seq 40000 | sha256sum >/dev/null
		for i in {1..100}; do head -c 30000 /dev/urandom | base64 -w0 | sed "s/.*/{\"type\":\"T\",\"data\":\"&\"}/"; echo; done |
			evappend --ack a.evlog >acks; echo "status $?"
		acked=$(tail -n 1 acks | jq .to)
		[ "$(evcat a.evlog | wc -l)" = "${acked:-0}" ] && echo "all acknowledged are there"
		zstd -qt a.evlog/*.zst && echo intact
		echo "{\"type\":\"small\"}" | evappend a.evlog && evcat -n 1 a.evlog | jq -r .type'
	assert_output --partial "No space left on device"
	assert_output --partial "status 74"
	assert_output --partial "all acknowledged are there"
	assert_output --partial intact
	assert_line small
}

@test "no permission is 77" {
	[ "$(id -u)" != 0 ] || command -v setpriv >/dev/null || skip "root, and no setpriv"
	dir=$(mktemp -d) # accessible to other users, unlike the tests' own
	chmod 755 "$dir"
	orders | evappend "$dir/a.evlog"
	chmod -R a-w "$dir"
	as_nobody() {
		if [ "$(id -u)" = 0 ]; then
			setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
		else
			"$@"
		fi
	}
	cp "$EVLOG_BUILD/evappend" "$EVLOG_BUILD/evcat" . && chmod u+w "$dir"
	mkdir "$dir/bin" && cp evappend evcat "$dir/bin" && chmod -R a+rX "$dir/bin" && chmod u-w "$dir"
	run -77 as_nobody "$dir/bin/evappend" "$dir/a.evlog" < <(orders)
	run -77 as_nobody "$dir/bin/evappend" "$dir/b.evlog" < <(orders)
	assert_output --partial "Permission denied"
	run -0 as_nobody "$dir/bin/evcat" "$dir/a.evlog" # reading needs read permission only
	chmod -R u+w "$dir" && rm -rf "$dir"
}

@test "a time written with escapes is found by --event-time" {
	echo '{"type":"a","id":"1","time":"2026-11-01T00:00:00\u002B01:00"}' | evappend a.evlog
	echo '{"t":"2026-11-01T00:00:00\u002B01:00"}' | evappend --type T --time-from t a.evlog
	run -0 bash -c 'evcat -E --since 2026-10-31T22:00:00Z --until 2026-11-01T00:00:00Z a.evlog | wc -l'
	assert_output 2
	run -0 evcat -E --since 2026-11-01T00:00:00Z a.evlog
	assert_output ""
}

@test "closed standard descriptors: nothing is written into the log's files" {
	orders | evappend a.evlog
	echo bad >bad
	orders >good
	before=$(fingerprint a.evlog)
	run ! bash -c 'evappend a.evlog bad >&- 2>&-'
	[ "$before" = "$(fingerprint a.evlog)" ]
	run -74 bash -c 'evappend --ack a.evlog good <&- >&-'
	run -0 bash -c 'evcat a.evlog | wc -l'
	assert_output 10
	run ! bash -c 'evappend a.evlog <&- >&- 2>&-'
	run -0 evcat -c 1 a.evlog
}

@test "--subject goes where subject is null, once" {
	echo '{"type":"a","subject":null,"data":1}' | evappend --subject x a.evlog
	run -0 evcat a.evlog
	refute_output --partial null
	run -0 bash -c 'evcat -s x a.evlog | evappend --replica b.evlog'
}

@test "events are committed before an input is opened that may wait" {
	echo '{"type":"a"}' >f
	mkfifo pipe
	evappend a.evlog f pipe &
	for _ in {1..100}; do
		[ -e a.evlog ] && [ "$(evcat a.evlog | wc -l)" = 1 ] && break
		sleep 0.1
	done
	evcat a.evlog >seen
	echo '{"type":"b"}' >pipe
	wait $!
	run -0 jq -r .type seen
	assert_output a
	run -0 jq -r .type <(evcat a.evlog)
	assert_output $'a\nb'
}

@test "--linger counts from the first event that waits" {
	for _ in 1 2 3 4 5 6; do echo '{"type":"a"}'; sleep 0.15; done | evappend --linger 300 --ack a.evlog >acks
	[ "$(wc -l <acks)" -gt 1 ]
}

@test "text that begins like an archive is text" {
	printf '070707 is a number, and this is a text that goes on for longer than the header of a cpio\nb\n' >t1
	printf '!<arch>\nis not always the beginning of an archive, however much it may look like one here\n' >t2
	printf 'BZh9 either\n' >t3
	run -0 evappend --text a.evlog t1 t2 t3
	evcat -o data a.evlog | cmp - <(cat t1 t2 t3)
}

@test "what cannot be appended makes no log" {
	run -1 evappend --expect 5 a.evlog < <(orders)
	run -1 evappend --expect-subject s=5 a.evlog < <(orders)
	run -64 evappend --subject '' a.evlog < <(orders)
	[ ! -e a.evlog ]
	orders | evappend a.evlog
	run -1 evappend --expect-subject order-17=6 a.evlog < <(orders)
	assert_output --partial "neither event 6 nor any later one has the subject order-17; nothing was appended"
}

@test "--reject cuts long names between characters" {
	printf '{"a%s":1,"type":"a"}\n' "$(printf 'é%.0s' {1..30})" >in
	run -65 evappend --reject bad a.evlog in
	run -0 evappend --type R b.evlog bad
}

@test "what --reject puts aside is durable before anything behind it is acknowledged" {
	command -v strace >/dev/null || skip "no strace"
	[ -z "${COVERAGE:-}" ] || skip "gcov writes files, too"
	echo '{"type":"a"}' >good
	echo nothing >bad
	run -65 traced -f -y -e trace=fsync,write -o trace evappend --ack --reject aside a.evlog good bad good
	order=$(awk '/fsync.*\/aside>/ { print "aside" } /fsync.*'"${PWD##*/}"'>\)/ { print "name" } / write\(1</ { print "ack" }' trace)
	[[ $order == *$'aside\nname\nack' ]] || fail "$order"
}

@test "--dedup --atomic --reject counts what was skipped" {
	orders | evappend --source /a a.evlog
	{ orders; orders | head -n 1 | sed 's/ada/eve/'; orders | sed 's/"e/"f/'; } >in
	run -65 evappend --source /a --dedup --atomic --reject bad a.evlog in
	assert_output --partial "skipped: 5 events"
	[ "$(evcat a.evlog | wc -l)" -eq 10 ]
}

@test "with an older head, and a segment missing between, evappend appends nothing" {
	for i in 1 2 3; do
		echo "{\"type\":\"T\",\"data\":\"$i$(head -c 500 /dev/urandom | base64 -w0)\"}" | evappend --segment-size 600 a.evlog
		[ $i != 1 ] || cp a.evlog/head old
	done
	cp -r a.evlog b.evlog
	cp old a.evlog/head && rm a.evlog/0000000000000002.*
	rm b.evlog/0000000000000002.* && cp old b.evlog/head
	for log in a b; do
		before=$(fingerprint $log.evlog)
		run -65 evappend $log.evlog <<<'{"type":"T"}'
		assert_output --partial "/0000000000000002.ndjson.zst is missing (events 2 to 2)"
		[ "$(fingerprint $log.evlog)" = "$before" ]
	done
}

@test "commits beside reading: each line is there once, in order; -j 1 stores the same" {
	awk 'BEGIN { for (i = 1; i <= 200000; i++)
		printf "{\"type\":\"T\",\"id\":\"%d\",\"source\":\"/s\",\"data\":{\"n\":%d,\"pad\":\"%0150d\"}}\n", i, i, i * 7919 }' >f
	evappend --ack a.evlog f >acks
	[ "$(wc -l <acks)" -gt 2 ]
	evcat a.evlog | grep -o '"n":[0-9]*' | cut -d : -f 2 | cmp - <(seq 200000)
	evappend -j 1 b.evlog f
	cmp <(evcat a.evlog | cut -b 67-) <(evcat b.evlog | cut -b 67-)
	cmp <(zstd -lv a.evlog/*.zst | grep '^Number') <(zstd -lv b.evlog/*.zst | grep '^Number')
}

# ---- Probable mistakes ----

@test "a path that points to nothing in any line is said; with --require such a line is bad" {
	printf '{"id":{"orig_h":"a%d"},"n":%d,"at":"2026-11-01T00:00:0%dZ","t":"X"}\n' 1 1 1 2 2 2 3 3 3 >in
	while read -r option path; do
		run -0 evappend -t zeek "$option" "$path" x.evlog in
		assert_output "evappend: $option $path: no value there in any of 3 lines"
		run -0 evappend -q -t zeek "$option" "$path" x.evlog in
		assert_output ""
		run -65 evappend -t zeek --require "$option" "$path" y.evlog in
		name=${option#--} name=${name%-from}
		assert_line --index 0 "evappend: in:1:1: $name: no value at $path, the path of $option (--require)"
		run -0 evappend -t zeek "$option" n z.evlog in || [ "$option" = --time-from ]
		refute_output --partial "no value"
	done <<-'END'
		--subject-from orig_h
		--id-from id.orig_x
		--type-from id.t
		--time-from when
		--source-from /id/source
	END
	# in some lines only: no word, but with --require the first of them
	echo '{"id":{}}' >>in
	run -0 evappend -t zeek --subject-from id.orig_h w.evlog in
	assert_output ""
	run -65 evappend -t zeek --require --subject-from id.orig_h w.evlog in
	assert_output --partial "in:4:1: subject: no value at id.orig_h"
	run -65 evappend -q -t zeek --require --subject-from id.orig_h --reject bad w.evlog in
	run -0 jq .line bad
	assert_output 4
	run -64 evappend --require -t x w.evlog in
}

@test "a member that is no attribute, in shorthand, is told of once, with what to do" {
	printf '{"type":"Paid","amount":100}\n{"type":"Paid","currency":"EUR","amount":5}\n' >in
	run -0 evappend a.evlog in
	assert_output 'evappend: "amount" is stored as an extension attribute; if it is content, put it in data'
	run -0 evappend -q a.evlog in
	assert_output ""
	# what CloudEvents documents, or evlog uses; and whole CloudEvents, which mean what they say
	for name in sequence recordedtime partitionkey traceparent tracestate correlationid causationid expirytime dataref \
		sampledrate severitytext authtype due cancels; do
		run -0 evappend a.evlog <<<'{"type":"Paid","'$name'":"2026-11-01T00:00:00Z"}'
		assert_output "" || fail "$name"
	done
	run -0 evappend a.evlog <<<'{"specversion":"1.0","id":"1","source":"/s","type":"Paid","amount":100}'
	assert_output ""
	run -0 evappend -t Paid a.evlog <<<'{"amount":100}'
	assert_output ""
	for value in 1.5 3000000000 '{}' '[1]'; do
		run -65 evappend a.evlog <<<'{"type":"Paid","amount":'"$value"'}'
		assert_output --regexp "; put (it|other numbers) in data"
	done
}

@test "a FILE that is not there makes no log; a new log is told of on a terminal" {
	echo '{"type":"a"}' >good
	mkdir folder
	run -66 evappend new.evlog nosuch
	run -66 evappend new.evlog nosuch good
	run -66 evappend new.evlog good/nosuch
	run -74 evappend new.evlog folder
	[ ! -e new.evlog ]
	run -0 evappend new.evlog good
	assert_output ""
	run -0 script -qec "evappend typo.evlog good" /dev/null
	assert_output --partial "evappend: typo.evlog: created a new log"
	run -0 script -qec "evappend typo.evlog good" /dev/null
	assert_output ""
	run -0 script -qec "evappend -q other.evlog good" /dev/null
	assert_output ""
}

@test "--expect-none: appended only if no event after seq N meets the filter" {
	numbered 10 | evappend a.evlog
	# each line: whether it holds, and N:FILTER
	while read -r holds expectation; do
		before=$(evcat a.evlog | wc -l)
		status=0
		echo '{"type":"X"}' | evappend --expect-none "$expectation" a.evlog 2>err || status=$?
		assert_equal "$status $expectation" "$([ $holds = yes ] && echo 0 || echo 1) $expectation"
		assert_equal "$(evcat a.evlog | wc -l)" $((before + (status == 0)))
		[ $holds = yes ] || assert_equal "$(cat err)" "evappend: a.evlog: event $holds meets ${expectation#*:}; nothing was appended"
	done <<-'END'
		5 4:data.n=5
		yes 5:data.n=5
		yes 0:data.n=99
		1 0:subject=s1
		8 1:subject=s1
		yes 8:subject=s1
		3 2:type=T0
		6 3:type=T0,data.n>=4
		yes 6:type=T0,data.n<9
		7 0:id="7"
		yes 7:id="7"
		1 0:data
		yes 0:nothing
		yes 0:data.n:5=x
	END
	run -1 evappend --expect-none 99:type=T0 a.evlog <<<'{"type":"X"}'
	assert_output --regexp 'the last seq is [0-9]+, so that there is no event 99; nothing was appended$'
	# all must hold, beside others
	run -1 evappend --expect-none 0:data.n=99 --expect-none 0:data.n=3 a.evlog <<<'{"type":"X"}'
	assert_output --partial "event 3 meets data.n=3"
	run -1 evappend --expect-none 0:data.n=99 --expect-subject s3=4 a.evlog <<<'{"type":"X"}'
	run -0 evappend --expect-none 0:data.n=99 --expect-subject s3=10 a.evlog <<<'{"type":"X"}'
	# a log that is not there: nothing meets anything, but there is no event 1
	run -1 evappend --expect-none 1:type=T0 new.evlog <<<'{"type":"X"}'
	[ ! -e new.evlog ]
	run -0 evappend --expect-none 0:type=T0 new.evlog <<<'{"type":"X"}'
	for bad in type=T0 :type=T0 1: 1:= x:type=T0 '1:a>b'; do
		run -64 evappend --expect-none "$bad" a.evlog <<<'{"type":"X"}'
	done
}

@test "--expect-none: of clients at once, one succeeds" {
	evappend a.evlog </dev/null
	for n in 1 2 3 4 5 6 7 8; do
		echo "{\"type\":\"Registered\",\"data\":{\"email\":\"ann@example.com\",\"n\":$n}}" |
			evappend --expect-none 0:type=Registered,data.email=ann@example.com a.evlog 2>/dev/null 3>&- && echo $n >>won &
	done
	wait
	[ "$(wc -l <won)" -eq 1 ]
	[ "$(evcat a.evlog | wc -l)" -eq 1 ]
}

# One waits for the lock after it has searched; then what the lock's holder appends is there.
@test "--expect-none: what is appended between the search and the lock counts" {
	need_shim
	numbered 3 | evappend a.evlog
	numbered 1 77 >f
	holder_stop f
	echo '{"type":"X"}' | evappend --expect-none 3:data.n=77 a.evlog 2>err 3>&- &
	waits=$!
	until find /proc/$waits/fd -lname '*/a.evlog/lock' | grep -q .; do
		kill -0 $waits
		sleep 0.05
	done
	kill -CONT $holder
	wait $holder
	wait $waits && status=0 || status=$?
	assert_equal "$status $(cat err)" "1 evappend: a.evlog: event 4 meets data.n=77; nothing was appended"
	[ "$(evcat a.evlog | wc -l)" -eq 4 ]
}

@test "--expect-none in a trimmed log is refused if nobody knows" {
	log=$BATS_TEST_DIRNAME/golden/1.0/trimmed.evlog
	cp -r "$log" t.evlog
	chmod -R u+w t.evlog
	first=$(evcat -c 1 t.evlog 2>/dev/null | cut -c 9-24 | sed 's/^0*//')
	run -76 evappend --expect-none 0:type=None t.evlog <<<'{"type":"X"}'
	assert_output --partial "the events from 1 up to $((first - 1)) have been removed, so that nobody knows"
	run -0 evappend --expect-none $((first - 1)):type=None t.evlog <<<'{"type":"X"}'
}

@test "long lines do not stay in memory, one for each block that is being made" {
	[ -z "${SAN:-}${COVERAGE:-}" ] || skip "needs memory of its own"
	python3 -c '
import json, random
for i in range(40): print(json.dumps({"type": "t", "data": "%x" % random.getrandbits(24 << 20)}))' >long.ndjson
	run -0 python3 -c '
import resource, subprocess
subprocess.run(["evappend", "-q", "-j1", "a.evlog", "long.ndjson"], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)'
	[ "$output" -lt 90 ]
}
