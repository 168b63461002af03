# make bench with little data: checks that it runs, not how fast.
load common
setup() { common_setup; }

# Prints how many workloads ran; none may have failed.
measure() {
	# its status says the same, but not which
	"$BATS_TEST_DIRNAME"/bench/run --events 2000 --runs 1 --json "$@" >rows.json || [ $? = 1 ]
	run -0 jq -c '.rows[] | select(.failed)' rows.json
	assert_output ""
	run -0 jq '[.rows[].work // empty] | unique | length' rows.json
}

@test "each workload runs, and what its peers compute is the same" {
	unset EVLOG_CORPORA
	measure
	assert_output 12
	run -0 jq '[.rows[].scaled // empty] | length' rows.json
	assert_output 4
	run -0 jq -r '.missing["Windows events"]' rows.json
	assert_output --partial EVLOG_CORPORA
}

@test "so does each of the Windows events, whose log is made of the objects as they are" {
	corpora
	export EVLOG_CORPORA
	measure --only windows
	assert_output 3
}

@test "the same arguments make the same events, and more events begin with those of fewer" {
	events() { "$BATS_TEST_DIRNAME"/bench/events "$@"; }
	events 2000 >a
	events 2000 | cmp - a
	events 1000 --subjects 41 | cmp - <(head -n 1000 a)
	run ! cmp -s <(events 2000 2) a
	evappend --replica log.evlog <(events 2000 --stamped)
	evcat log.evlog | cut -b 67- | cmp - <(cut -b 2- a)
}
