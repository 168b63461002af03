# Logs as each version of the format has written them, and what each tool says about them.
load common

setup() {
	common_setup
}

@test "a log that any version has written is still read, and appended to" {
	local log said different=""
	for log in "$BATS_TEST_DIRNAME"/golden/*/*.{evlog,ndjson.zst}; do
		said=${log%.evlog}; said=${said%.ndjson.zst}.said
		"$BATS_TEST_DIRNAME/golden/say" "$log" >now
		diff -u "$said" now || different+=" ${log#"$BATS_TEST_DIRNAME"/}"
	done
	assert_equal "$different" ""
}
