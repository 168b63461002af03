# evdiff: two logs, two states.
load common
setup() {
	common_setup
	orders | evappend a.evlog
}

@test "a log and its replica are the same: 0, and nothing said" {
	evcat a.evlog | evappend --replica b.evlog
	run -0 evdiff a.evlog b.evlog
	assert_output ""
	run -0 evdiff a.evlog <(evcat b.evlog)
	run -0 evdiff - b.evlog < <(evcat a.evlog)
}

@test "where two logs part, then what is only in A and only in B: 1" {
	evcat a.evlog | evappend --replica b.evlog
	echo '{"type":"A","id":"a","source":"/"}' | evappend a.evlog
	printf '%s\n' '{"type":"B","id":"b","source":"/"}' '{"type":"C","id":"c","source":"/"}' | evappend b.evlog
	run -1 evdiff a.evlog b.evlog
	assert_line --index 0 "= the same up to 5"
	assert_line --index 1 "< $(evcat -n 1 a.evlog)"
	assert_line --index 2 "> $(evcat --from 6 --to 6 b.evlog)"
	assert_line --index 3 "> $(evcat --from 7 b.evlog)"
	assert_equal ${#lines[@]} 4
	run -1 evdiff -o stat a.evlog b.evlog
	assert_output "same 5
only in A 1
only in B 2
the same up to 5"
	run -1 evdiff -q a.evlog b.evlog
	assert_output ""
	# files and pipes give the same verdict
	run -1 evdiff -o stat <(evcat a.evlog) <(evcat b.evlog)
	assert_output --partial "same 5
only in A 1"
}

@test "the common prefix is found by roots: little is read of logs that part at the end" {
	command -v strace >/dev/null || skip "no strace"
	numbered 300000 | evappend big.evlog
	evcat big.evlog | evappend --replica copy.evlog
	echo '{"type":"A"}' | evappend big.evlog
	traced -e trace=pread64 -o trace evdiff big.evlog copy.evlog >/dev/null || [ $? = 1 ]
	read=$(awk '{ n += $NF } END { print n }' trace)
	size=$(cat big.evlog/*.zst copy.evlog/*.zst | wc -c)
	[ "$read" -lt $((size / 4 + 1600000)) ] || fail "$read bytes of $size were read"
	run -1 evdiff -o stat big.evlog copy.evlog
	assert_output --partial "the same up to 300000"
}

@test "a difference in the middle is found, whatever the blocks" {
	numbered 3000 | evappend x.evlog
	evcat x.evlog | sed '1500s/"n":1500/"n":9999/' >changed
	evappend --replica y.evlog changed
	run -1 evdiff x.evlog y.evlog
	assert_line --index 0 "= the same up to 1499"
	assert_equal ${#lines[@]} 3
	run -1 evdiff -o stat x.evlog y.evlog
	assert_output "same 2999
only in A 1
only in B 1
the same up to 1499"
	# the same with other blocks
	while mapfile -t -n 300 part && [ ${#part[@]} -gt 0 ]; do
		printf '%s\n' "${part[@]}" | evappend --replica z.evlog
	done <changed
	run -0 evdiff y.evlog z.evlog
	run -1 evdiff -o stat x.evlog z.evlog
	assert_output --partial "the same up to 1499"
}

@test "--by-id compares events whatever their seq and logtime" {
	{ orders | tac; } | evappend --source /a b.evlog
	orders | evappend --source /a c.evlog
	run -0 evdiff --by-id b.evlog c.evlog
	run -1 evdiff b.evlog c.evlog
	echo '{"type":"New","id":"n"}' | evappend --source /a c.evlog
	run -1 evdiff --by-id b.evlog c.evlog
	assert_output "> $(evcat -n 1 c.evlog)"
	run -1 evdiff --by-id <(evcat c.evlog) <(evcat b.evlog)
	assert_output "< $(evcat -n 1 c.evlog)"
	run -1 evdiff --by-id -o stat b.evlog c.evlog
	assert_output "same 5
only in A 0
only in B 1"
	# twice in one, once in the other
	orders | head -n 1 | evappend --source /a b.evlog
	run -1 evdiff --by-id -o stat b.evlog c.evlog
	assert_output "same 5
only in A 1
only in B 1"
}

@test "two states: keys only in one, and what changed inside the others" {
	evcat --to 2 a.evlog | evfold -k subject >before
	{ evcat a.evlog; echo '{"type":"T","subject":"order-20","data":{"a/b":[1,{"c":2}]}}'; } | evfold -k subject >after
	run -1 evdiff before after
	assert_output '~ "order-17" /amount: 39.11 -> 0.2
~ "order-18" /reason: (none) -> "no credit"
+ "order-20" {"a/b":[1,{"c":2}]}'
	run -1 evdiff after before
	assert_line '- "order-20" {"a/b":[1,{"c":2}]}'
	run -1 evdiff -o stat before after
	assert_output 'same 0
only in A 0
only in B 1
changed 2'
	run -0 evdiff before before
	run -0 evdiff before <(cat before)
}

@test "states are compared by value: numbers, escapes, the order of members" {
	echo '{"key":"k","seq":1,"state":{"n":1.0,"s":"A","o":{"x":1,"y":2}}}' >x
	echo '{"key":"k","seq":9,"state":{"o":{"y":2,"x":1e0},"s":"\u0041","n":1}}' >y
	run -0 evdiff x y
	echo '{"key":"k","seq":9,"state":{"o":{"y":2,"x":[1,2]},"s":"\u0041","a/~b":null}}' >z
	run -1 evdiff x z
	assert_output '~ "k" /a~1~0b: (none) -> null
~ "k" /n: 1.0 -> (none)
~ "k" /o/x: 1 -> [1,2]'
}

@test "a single state without keys is compared too" {
	echo '{"n":1,"l":[1,2,3]}' >x
	echo '{"n":2,"l":[9]}' >y
	run -1 evdiff x y
	assert_output '~ /l/0: 1 -> 9
~ /l/2: 3 -> (none)
~ /l/1: 2 -> (none)
~ /n: 1 -> 2'
	echo 5 >x
	echo 6 >y
	run -1 evdiff x y
	assert_output '~ 5 -> 6'
}

@test "what cannot be compared is refused" {
	evfold -k subject a.evlog >state
	run -65 evdiff a.evlog state
	assert_output --partial "one holds events, the other a state"
	run -64 evdiff a.evlog
	run -64 evdiff --by-id state state
	run -64 evdiff - -
	run -66 evdiff a.evlog nothere
	tac state >unsorted
	run -65 evdiff state unsorted
	assert_output --partial "the keys do not ascend"
	run -65 evdiff state <(echo bad)
}

@test "an empty log, an empty file" {
	evappend e.evlog </dev/null
	run -0 evdiff e.evlog /dev/null
	run -1 evdiff e.evlog a.evlog
	assert_line --index 0 "= the same up to 0"
	run -0 evdiff /dev/null /dev/null
}

@test "damage met on the way is 65, not a difference" {
	evcat a.evlog | evappend --replica b.evlog
	echo '{"type":"A"}' | evappend a.evlog
	at=$(stat -c %s b.evlog/0000000000000001.ndjson.zst)
	echo '{"type":"B"}' | evappend b.evlog
	printf xxxx | dd of=b.evlog/0000000000000001.ndjson.zst bs=1 seek=$((at + 200)) conv=notrunc status=none
	run -65 evdiff a.evlog b.evlog
	assert_output --partial "damaged at byte $((at + 168)) (events 6 to 6): checksum of a block does not match"
}

@test "a newline in a member's name forges no line" {
	echo '{"a\n- \"x\\ 1":1}' >x
	echo '{}' >y
	run -1 evdiff x y
	assert_output '~ /a\n- \"x\\ 1: 1 -> (none)'
}
