# fault.bats - acknowledged events are present, complete, once and in order, whatever
# fails.  The drivers are in fault/.  make torture runs them in full, this file a part of
# each.

load common

setup() {
	common_setup
}

fault() { harness "fault/$1.py" "${@:2}"; }

# part OF GCOV: one of how many faults is tried; with gcov, more of those that nothing else
# reaches.
part() {
	EVLOG_FAULT_STEP=$([ "${COVERAGE:-}" ] && echo "$2" || echo "$1")
	export EVLOG_FAULT_STEP
}

# What is killed leaves no counters for gcov.
counts_not() { [ -z "${COVERAGE:-}" ] || skip "gcov sees nothing of it"; }

@test "killed at random: the acknowledged is there, the rest by whole commits" {
	slow
	EVLOG_KILLS=60 fault kill random
}

@test "killed while commits run beside reading: the same" {
	counts_not
	EVLOG_KILLS=5 fault kill stream
}

@test "one of three writers killed: the others neither wait nor lose" {
	slow
	fault kill crowd
}

@test "killed before and after calls: readable, appendable, nothing acknowledged is lost" {
	need_shim
	counts_not
	EVLOG_FAULT_STEP=47 fault calls kills signals
}

@test "calls that fail, or do less: said, with the right status, and nothing is lost" {
	need_shim
	part 301 101
	fault calls errors
}

@test "allocations that fail: said, with the right status, and nothing is lost" {
	need_shim
	part 400 31
	fault calls memory
}

@test "the disk states that a power cut may leave: acknowledged is there, nothing falsely damaged" {
	need_shim
	counts_not
	EVLOG_SEED=1 fault power 3000
}

@test "bits, lengths and sectors: damage is found, said, and never spreads" {
	EVLOG_SEED=1 fault rot 64 29
}

@test "a sync that fails poisons the segment: the next commit begins another" {
	need_shim
	echo '{"type":"a"}' >f
	evappend a.evlog f
	LD_PRELOAD=$EVLOG_BUILD/fault-shim.so FAULT_NAME=fdatasync FAULT_AT=1 FAULT_DO=5 run -74 evappend --ack a.evlog f
	assert_output --partial "cannot sync; the events are not acknowledged"
	[ "$(evcat a.evlog | wc -l)" -eq 1 ]
	run -0 evappend a.evlog f
	[ -e a.evlog/0000000000000002.ndjson.zst ]
	[ "$(evcat a.evlog | wc -l)" -eq 2 ]
}

# twice NAMES AT [STICKY]: one commit, called again if it fails.  The AT-th of the calls in
# NAMES fails, and all after it, unless STICKY is empty.
twice() {
	echo "twice a.evlog {\"type\":\"T\",\"data\":2}" |
		LD_PRELOAD=$EVLOG_BUILD/fault-shim.so FAULT_NAME=$1 FAULT_AT=$2 FAULT_DO=5 FAULT_STICKY=${3-1} "$EVLOG_BUILD/fault-probe"
}

@test "a commit that head does not record is durable, acknowledged, and never doubled" {
	need_shim
	# the names of the calls that fail, from which on, for ever or once; the first result,
	# and the second; what the second process must do
	while read -r names at sticky results; do
		rm -rf a.evlog
		echo '{"type":"T","data":1}' | evappend a.evlog
		run -0 twice "$names" "$at" "${sticky#once}"
		assert_output --regexp "^${results%%,*} .*${results#*,}"
		evcat a.evlog | jq -c .data | tr '\n' ' ' >seen
		[[ $(cat seen) == "1 2 " || ($results == -6* && $(cat seen) == "1 ") ]] || fail "$names $at: $(cat seen)"
		echo '{"type":"T","data":3}' | evappend a.evlog
		assert_equal "$(evcat a.evlog | jq -c .data | tr '\n' ' ')" "$(cat seen)3 "
	done <<-'END'
		pwrite 2 1 -6,first -14, then Input/output error
		pwrite 2 once 0,first -14
		fdatasync 1 once 0,first -6
		fdatasync,pwrite 2 1 -6,first -6, then
		fdatasync,pwrite,ftruncate 2 1 -6,first -6, then
	END
}

@test "a commit that failed, but that another process has found: acknowledged, and not doubled" {
	need_shim
	# what another process does between the two tries; the result; what is in the log then
	while IFS='#' read -r between result data; do
		rm -rf a.evlog
		echo '{"type":"T","data":1}' | evappend a.evlog
		BETWEEN="unset LD_PRELOAD; { $between; } 2>/dev/null" run -0 twice fdatasync,pwrite,ftruncate 2
		assert_output --regexp "^$result"
		assert_equal "$(evcat a.evlog | jq -c .data | tr '\n' ' ')" "$data "
	done <<-'END'
		echo '{"type":"T","data":3}' | evappend a.evlog#0 [0-9]* first -6#1 2 3
		evappend a.evlog </dev/null#0 [0-9]* first -6#1 2
		evcat a.evlog >all#-6 0 first -6, then#1 2
		truncate -s -1 a.evlog/0*.zst; echo '{"type":"T","data":3}' | evappend a.evlog#-6 0 first -6, then#1 3
	END
}

@test "evappend: head cannot be written: the events are durable, and it says so" {
	need_shim
	echo '{"type":"a"}' >f
	for options in "" --strict --no-sync; do
		evappend a.evlog f
		export LD_PRELOAD=$EVLOG_BUILD/fault-shim.so FAULT_NAME=pwrite FAULT_AT=2 FAULT_DO=5 FAULT_STICKY=1
		# shellcheck disable=SC2086 # options are words
		run -0 --separate-stderr evappend --ack $options a.evlog f
		unset LD_PRELOAD
		n=$(jq .to <<<"$output")
		[[ $stderr == *"/head: Input/output error; event $n is stored, but head does not record it until the next append"* ]] || fail "$stderr"
		[ "$(evcat a.evlog | wc -l)" -eq "$n" ]
	done
	# more to append, and head still cannot be written: what is there is told
	evappend a.evlog f
	mkfifo pipe
	{ cat f; sleep 0.3; cat f; } >pipe &
	LD_PRELOAD=$EVLOG_BUILD/fault-shim.so run -74 evappend a.evlog - <pipe
	assert_output --partial "1 event appended before that, up to seq 8"
	run -0 evappend --ack a.evlog f
	[ "$(evcat a.evlog | wc -l)" -eq 9 ]
}
