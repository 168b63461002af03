# kill.bats - kill -9 at any moment, and faults at every system call: what was
# acknowledged is there, whole, once, in order; the rest by whole commits; and the next
# append works.  The drivers are in kill.py; EVLOG_SEED=N repeats a run.

load common

setup() {
	common_setup
	slow
}

check() {
	PYTHONDONTWRITEBYTECODE=1 python3 "$BATS_TEST_DIRNAME/kill.py" "$1" 2>&1 || {
		local status=$?
		echo "kill.py $1: status $status"
		return 1
	}
}

# strace may be missing, or ptrace forbidden.
need_strace() {
	command -v strace >/dev/null || skip "strace is not installed"
	strace -qq -o /dev/null -e trace=none true 2>/dev/null || skip "strace cannot trace here"
}

@test "killed at random over 200 times: the acknowledged is there, the rest by whole commits" {
	check random
}

@test "one of three writers killed: the others neither wait nor lose" {
	check crowd
}

@test "killed at each system call in turn: readable, appendable, nothing acknowledged is lost" {
	need_strace
	check calls
}

@test "each sync, write and truncation failing in turn: 74, and the log stays usable" {
	need_strace
	check errors
}
