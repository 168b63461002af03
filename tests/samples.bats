# Every sample runs.
load common
setup() { common_setup; }

@test "the quickstart ends with what changed between two states" {
	run -0 "$BATS_TEST_DIRNAME/../samples/orders/quickstart"
	assert_output --partial '"key":"order-19","seq":13,"state":{"paid":0.1,"events":6,"last":"PaymentReversed"}'
	assert_output --partial '~ "order-17" /status: "approved" -> "shipped"'
	refute_output --partial "quickstart:"
}
