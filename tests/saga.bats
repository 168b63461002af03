# The saga in the samples, in broker and in mediator topology.
load common
setup() { samples_setup; }

@test "in the broker each order goes its way by events, and no limit is exceeded" {
	tells orders/broker
	assert_line '["order-1","OrderCreated","CreditReserved","StockReserved","PaymentRequested","PaymentTimedOut","PaymentCaptured","TimerStopped","OrderApproved"]'
	assert_line '["order-2","OrderCreated","CreditLimitExceeded","OrderCancelled"]'
	assert_line '["order-5","OrderCreated","CreditReserved","OutOfStock","CreditReleased","OrderCancelled"]'
	assert_line '["order-7","OrderCreated","CreditReserved","StockReserved","PaymentRequested","PaymentTimedOut","PaymentTimedOut","PaymentFailed","StockReleased","CreditReleased","OrderCancelled"]'
	assert_line --regexp '^\["ada",100(\.00)?,100(\.00)?,0\]$' # jq 1.7 keeps 100.00
	assert_line --regexp '^\["bob",200(\.00)?,200(\.00)?,120\.50?\]$'
}

@test "in the mediator each service gets its commands, and all is of one order's story" {
	tells orders/mediator
	assert_line '["order-2","ReserveCredit","ReserveStock","ReleaseStock","CancelOrder"]'
	assert_line '["order-5","ReserveCredit","ReserveStock","ReleaseCredit","CancelOrder"]'
	assert_line '["order-6","ReserveCredit","ReserveStock","RequestPayment","PaymentTimedOut","StopTimer","ApproveOrder"]'
	assert_line '["order-7","ReserveCredit","ReserveStock","RequestPayment","PaymentTimedOut","ReleaseStock","ReleaseCredit","CancelOrder"]'
	assert_equal "$(tail -n 13 <<<"$output" | xargs)" "CancelOrder CreditReleased CreditReserved OrderCancelled PaymentTimedOut PaymentTimedOut ReleaseCredit ReleaseStock RequestPayment ReserveCredit ReserveStock StockReleased StockReserved"
}

@test "broker and mediator come to the same states" {
	run -0 "$samples/orders/broker" a
	run -0 "$samples/orders/mediator" b
	run -0 evdiff a/states.ndjson b/states.ndjson
	assert_output ""
	assert_equal "$(jq -r .state.status a/states.ndjson | xargs)" "approved cancelled cancelled approved cancelled approved cancelled"
}

# Late enough that each has made progress, and early enough that each is killed.
pauses() { [ -n "${SAN:-}" ] && echo 0.12 || echo 0.05; }

@test "processors killed at random: broker and mediator decide 40 orders as they should" {
	[ -z "${COVERAGE:-}" ] || skip "killed processes are not counted"
	export EVLOG_ORDERS=40 EVLOG_BATCH=10 EVLOG_PAUSE=$(pauses) EVLOG_KILLS=1
	for i in 1 2 3; do # on a busy machine, one may finish before it is killed
		mkdir $i
		run --separate-stderr env PYTHONDONTWRITEBYTECODE=1 bash -c "cd $i && python3 '$BATS_TEST_DIRNAME/fault/saga.py'"
		[[ $output == *"too few"* ]] || break
	done
	assert_success
	assert_line "orders 40"
	assert_line "lost 0"
	assert_line "doubled 0"
}

@test "processors killed at random: broker and mediator decide 300 orders as they should" {
	slow
	export EVLOG_ORDERS=300 EVLOG_BATCH=10 EVLOG_KILLS=10
	run -0 harness fault/saga.py
	assert_line "orders 300"
	assert_line "lost 0"
	assert_line "doubled 0"
}
