# fault.bats - what was acknowledged is there, whole, once, in order, whatever fails.
# The drivers are in fault/, which make torture runs in full; here, a part of each.

load common

setup() {
	common_setup
}

fault() { harness "fault/$1.py" "${@:2}"; }

# The shim is preloaded, which a sanitizer's runtime will not have.
need_shim() {
	[ -e "$EVLOG_BUILD/fault-shim.so" ] || skip "no shim with a sanitizer"
}

@test "killed at random over 200 times: the acknowledged is there, the rest by whole commits" {
	slow
	fault kill random
}

@test "killed while commits run beside reading: the same" {
	EVLOG_KILLS=5 fault kill stream
}

@test "one of three writers killed: the others neither wait nor lose" {
	slow
	fault kill crowd
}

@test "killed before and after calls: readable, appendable, nothing acknowledged is lost" {
	need_shim
	EVLOG_FAULT_STEP=4 fault calls kills
}

@test "calls that fail, or do less: said, with the right status, and nothing is lost" {
	need_shim
	EVLOG_FAULT_STEP=40 fault calls errors
}

@test "allocations that fail: said, with the right status, and nothing is lost" {
	need_shim
	EVLOG_FAULT_STEP=400 fault calls memory
}

@test "the disk states that a power cut may leave: acknowledged is there, nothing falsely damaged" {
	need_shim
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
