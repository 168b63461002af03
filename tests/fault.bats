# fault.bats - what was acknowledged is there, whole, once, in order, whatever fails.
# The drivers are in fault/, which make torture runs in full; here, a part of each.

load common

setup() {
	common_setup
}

fault() {
	PYTHONDONTWRITEBYTECODE=1 python3 "$BATS_TEST_DIRNAME/fault/$1.py" "${@:2}" 2>&1 || {
		local status=$?
		echo "fault/$1.py ${*:2}: status $status"
		return 1
	}
}

# The shim is preloaded, which a sanitizer's runtime will not have.
need_shim() {
	[ -e "$EVLOG_BUILD/fault-shim.so" ] || skip "no shim with a sanitizer"
}

@test "killed at random over 200 times: the acknowledged is there, the rest by whole commits" {
	slow
	fault kill random
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
