# Every sample runs, and its claims are true.
load common
setup() { samples_setup; }

@test "the quickstart ends with what changed between two states" {
	run -0 "$samples/orders/quickstart"
	assert_output --partial '"key":"order-19","seq":13,"state":{"paid":0.1,"events":6,"last":"PaymentReversed"}'
	assert_output --partial '~ "order-17" /status: "approved" -> "shipped"'
	refute_output --partial "quickstart:"
	assert_equal "$(ls temporary)" ""
}

@test "the bank's balances are exact, before the reversal, after it, and at the end" {
	tells bank/bank
	assert_line '{"key":"ann","seq":8,"state":{"balance":100.15,"owner":"Ann Weber","transfers":{"t1":-150.05,"t2":-900}}}'
	assert_line '{"key":"bob","seq":10,"state":{"balance":130.25,"owner":"Bob Silva","transfers":{"t1":150.05,"t2":900}}}'
	assert_line '{"key":"ann","seq":11,"state":{"balance":1000.15,"owner":"Ann Weber","transfers":{"t1":-150.05}}}'
	assert_line '{"key":"bob","seq":12,"state":{"balance":-769.75,"owner":"Bob Silva","transfers":{"t1":150.05}}}'
	assert_line '{"key":"bob","seq":13,"state":{"balance":30.35,"owner":"Bob Silva","transfers":{"t1":150.05}}}'
	assert_line '{"in":2080.4,"out":1049.9}'
	assert_line '{"there":1030.5}' # 2080.40 - 1049.90
}

@test "the bank says which event made a balance negative, and what differs between two days" {
	run -0 "$samples/bank/bank"
	assert_line '["0000000000000012","2026-11-12T09:10:00Z","TransferReversed",{"transfer":"t2","reason":"wrong account"}]'
	assert_line '~ "ann" /balance: 100.15 -> 1000.15'
	assert_line '~ "ann" /transfers/t2: -900 -> (none)'
	assert_line '~ "bob" /balance: 130.25 -> -769.75'
	assert_line '~ "bob" /transfers/t2: 900 -> (none)'
	assert_equal "$(grep -c '^[-+~] ' <<<"$output")" 4
	assert_line '{"key":"ann","patch":[{"op":"replace","path":"/balance","value":1000.15},{"op":"remove","path":"/transfers/t2"}]}'
	assert_line '{"key":"bob","patch":[{"op":"replace","path":"/balance","value":-769.75},{"op":"remove","path":"/transfers/t2"}]}'
}

@test "a folder is kept, and refused when it is there already" {
	run -0 "$samples/bank/bank" here
	assert_equal "$(evcat here/bank.evlog | wc -l)" 13
	run -1 "$samples/bank/bank" here
	assert_output --partial "here"
	assert_equal "$(evcat here/bank.evlog | wc -l)" 13
}

@test "what was reversed cannot be reversed again: the bank's fold fails, and says where" {
	run -0 "$samples/bank/bank" here
	cd here
	evappend --atomic bank.evlog reversal.ndjson
	run -65 evfold -k subject -p accounts.lua bank.evlog
	assert_output --regexp '^evfold: event 14: accounts\.lua:[0-9]+: .*nil'
}

@test "the read models say what SQL is asked, also after more events" {
	tells orders/readmodel
	assert_line --regexp '^│ ada +│ 2 +│ 39\.2 +│$'
	assert_line --regexp '^│ bob +│ 1 +│ 250(\.0)? +│$'
	assert_line --regexp '^│ order-17 +│ approved +│ 39\.1 +│$'
	assert_line --regexp '^│ order-18 +│ cancelled +│ 0 +│$'
	assert_line --regexp '^│ order-19 +│ approved +│ 0\.1 +│$'
	assert_line --regexp '^│ order-18 +│ \["OrderShipped when cancelled"\] +│$'
	assert_line --regexp '^│ ada +│ 39\.2 +│ 48\.3 +│$'
}

@test "the mended program differs in one key; its table is refused, made anew, and is its fold" {
	run -0 "$samples/orders/readmodel" shop
	assert_line '~ "order-17" /paid: 48.2 -> 30'
	assert_equal "$(grep -c '^[-+~] ' <<<"$output")" 1
	assert_line 'evfold: shop.db: the table orders was made with a different program, reducers, key or columns; use --rebuild to create it again'
	assert_line 'status 76'
	assert_line --regexp '^│ order-17 +│ shipped +│ 30 +│$'

	cd shop
	sqlite3 shop.db "SELECT json_object('key', key, 'seq', seq, 'state', json(state)) FROM orders ORDER BY key" >table.ndjson
	run -0 cmp table.ndjson new.ndjson
}

# An order without an amount still counts: the state machine only looks at types.
@test "the order's state machine: what leads on leads on, and all else is noted" {
	local to_approved='OrderCreated CreditReserved OrderApproved' path events want
	while IFS=: read -r path want; do
		# shellcheck disable=SC2086 # words on purpose
		events=$(printf '{"type":"%s","data":{}}\n' $path)
		run -0 evfold -p "$samples/orders/state.lua" <<<"$events"
		assert_equal "$path: $(jq -r '[.status] + .odd | join(", ")' <<<"$output")" "$path: $want"
	done <<-END
		OrderCreated:pending
		OrderCreated OrderCancelled:cancelled
		OrderCreated CreditReserved:reserved
		OrderCreated CreditReserved OrderCancelled:cancelled
		OrderCreated CreditLimitExceeded:refused
		OrderCreated CreditLimitExceeded OrderCancelled:cancelled
		$to_approved:approved
		$to_approved OrderCancelled:cancelled
		$to_approved OrderShipped:shipped
		$to_approved InvoiceSent:approved
		$to_approved OrderShipped OrderCancelled:shipped, OrderCancelled when shipped
		OrderShipped:new, OrderShipped when new
		OrderCreated OrderCreated:pending, OrderCreated when pending
		OrderCreated OrderApproved:pending, OrderApproved when pending
		OrderCreated CreditLimitExceeded OrderApproved:refused, OrderApproved when refused
		OrderCreated CreditReserved OrderShipped:reserved, OrderShipped when reserved
	END
}

@test "commands: what is refused leaves no trace, and what is asked again is done once" {
	tells commands/commands
	assert_equal "$(grep -c '^status 65$' <<<"$output")" 3
	assert_equal "$(grep -c '^evfold: event 0: ' <<<"$output")" 3
	assert_line '["PaymentTaken","c5",{"amount":0.1}]'
	assert_line "status 0"
	assert_line "4"
	assert_equal "$(grep -c '^\["order-17","shipped",39.1,4\]$' <<<"$output")" 2
	assert_equal "$(grep -c '^\["order-18","placed",20,5\]$' <<<"$output")" 2
}

# client N: two payments of 2.50, then the parcel; writes the result of each to a file.
client() {
	local n type status
	for n in 1 2 3; do
		type=TakePayment
		[ $n -lt 3 ] || type=ShipOrder
		status=0
		printf '{"type":"%s","subject":"order-1","id":"c%d-%d","data":{"amount":2.50}}' $type "$1" $n |
			"$samples/commands/handle.sh" orders.evlog 2>>stderr || status=$?
		echo "$status c$1-$n" >>results
	done
}

@test "commands: 8 handlers at once on one order take what is owed, and all that they have said is so" {
	local n
	evappend orders.evlog </dev/null
	"$samples/commands/handle.sh" orders.evlog <<<'{"type":"PlaceOrder","subject":"order-1","id":"c0","data":{"total":30.00}}'
	for n in {1..8}; do
		client "$n" 3>&- &
	done
	wait
	echo '{"type":"ShipOrder","subject":"order-1","id":"c9","data":{}}' |
		"$samples/commands/handle.sh" orders.evlog || assert_equal $? 65

	assert_equal "$(wc -l <results)" 24
	assert_equal "$(cut -d' ' -f1 results | sort -u | xargs)" "0 65"
	run grep -c 'nothing was appended' stderr
	refute_output 0

	# each accepted command is in the log, once, and no other; c9 only if no parcel was sent before
	evcat orders.evlog | jq -r 'select(.type != "OrderPlaced" and .causationid != "c9") | .causationid' | sort >logged
	sed -n 's/^0 //p' results | sort >accepted
	run -0 cmp logged accepted
	assert_equal "$(evcat -t PaymentTaken orders.evlog | wc -l)" 12
	assert_equal "$(evcat -n 1 orders.evlog | jq -r .type)" OrderShipped
	assert_equal "$(evcat -t OrderShipped orders.evlog | wc -l)" 1
}

@test "a replica takes over: the same orders, each mail once, the same table" {
	tells failover/failover
	assert_line "dead"
	assert_line "the same orders"
	assert_line "each mail once"
	assert_line "the same table"
	assert_line "status 76"
	assert_line "the last event that they share is N"
	assert_line "a replica"
	assert_line "there is something"
	assert_line "0"
}

@test "a log that is lost is made anew from its replica, and a root proves that it is the same" {
	tells recovery/recovery
	assert_line "proven"
	assert_line "the same"
	assert_line "forged"
	assert_line "status 66" # the log has been deleted
	assert_equal "$(grep -c '^order-' <<<"$output")" 2
	assert_equal "$(tail -n 1 <<<"$output")" order-19
}

@test "what the shop knows of users it knows while their service is down, and no password" {
	run -0 "$samples/users/users" here
	assert_line "status 66"
	assert_equal "$(grep -c '^Hill Lane 3, Ulm$' <<<"$output")" 2
	assert_line "Mill Road 12, Bonn"
	assert_equal "$(tail -n 2 <<<"$output" | jq -c .state)" \
		$'{"name":"Ada Weber","address":"Mill Road 12, Bonn"}\n{}'
	assert_equal "$(evcat here/known.evlog | jq -r '.data | keys[]' | sort -u | xargs)" "address name"
	assert_equal "$(evcat here/known.evlog | wc -l)" 4
	tells users/users
}

@test "timelines of what if differ from what happened just where they should, and leave no trace" {
	tells whatif/whatif
	assert_line '{"key":"bob","seq":6,"state":{"day":"2026-11-03","owes":24,"today":12}}'
	assert_line '~ "bob" /owes: 24 -> 16'
	assert_line '~ "bob" /owes: 24 -> 22'
	assert_line '~ "bob" /owes: 24 -> 17.5'
	assert_line '~ "ann" /owes: 11.85 -> 8'
	assert_line '~ "cat" /owes: 2.05 -> 4.85'
	assert_equal "$(grep -c '^[-+~] ' <<<"$output")" 12
	assert_line '{"tariff":37.9}'
	assert_line '{"cheaper":29.9}'
	assert_line '{"rule":"10.00-0.18","earned":670,"stay":27,"leave":13}'
	# the four timelines are those of a tariff computed here
	run -0 "$samples/whatif/whatif" here
	for rule in 12.00-0.15 8.00-0.15 15.00-0.12 10.00-0.18; do
		evcat here/month.evlog | jq -sc --argjson most "${rule%-*}" --argjson each "${rule#*-}" '
			group_by(.subject)[] | [.[0].subject, (group_by(.time[:10]) |
				map([(map(1 + $each * .data.minutes) | add), $most] | min) | add)] |
			"\(.[0]) \(.[1] * 100 | round)"' >want
		jq -c '"\(.key) \(.state.owes * 100 | round)"' "here/$rule.timeline" | sort >got
		cmp <(sort want) got
	done
	assert_equal "$(tail -n 1 <<<"$output")" "the same"
}

@test "in the clean room the service says what it said then, and mended only the alarm that was missing" {
	tells cleanroom/cleanroom
	assert_equal "$(grep -c '^\["room-1","2026-11-05T20:20:00Z",8.9\]$' <<<"$output")" 2
	assert_line "the same"
	assert_equal "$(grep '^> \[' <<<"$output")" '> ["room-2","2026-11-05T20:31:00Z",11.7]'
	refute_line --partial '< ["'
}

@test "merchants: a verdict comes of many facts, once each, and names its cause" {
	run -0 "$samples/merchants/merchants" here
	assert_line '["casino","MerchantBecameIneligible",{"clearance of f1":true}]'
	assert_equal "$(tail -n 1 <<<"$output")" '["FraudSuspected","2026-11-06T07:00:00Z",{"case":"f1"}]'
	assert_equal "$(evcat here/verdicts.evlog | jq -r '.subject + " " + .type[14:]' | xargs)" \
		"bakery Eligible casino Eligible casino Ineligible casino Eligible"
	tells merchants/merchants
}

# transferred CLIENTS TRANSFERS: the sample, and what must hold of it
transferred() {
	CLIENTS=$1 TRANSFERS=$2 run -0 "$samples/bank/transfer" here
	assert_line "nothing else was said"
	assert_equal "$(tail -n 1 <<<"$output")" "[1000,0]"
	sent=$(evcat -t TransferSent here/bank.evlog | wc -l)
	assert_equal "$((sent + $(grep -c 'has too little' here/said)))" $(($1 * $2))
	assert_line --regexp "^ +$sent 2$"
	[ "$sent" -gt $(($1 * $2 / 2)) ]
}

@test "the bank's transfers, by 4 clients at once: none is lost, or half made" {
	transferred 4 5
	# a request that is repeated has no effect
	request=$(evcat -t TransferSent -n 1 here/bank.evlog | jq -c '{type: "Transfer", id: .causationid, data: {from: .subject, to: "acc-1", amount: 1}}')
	before=$(evcat here/bank.evlog | wc -l)
	run -0 here/transfer.sh here/bank.evlog <<<"$request"
	assert_equal "$(evcat here/bank.evlog | wc -l)" "$before"
	for data in '"from":"acc-1","to":"acc-2","amount":1000.01' '"from":"acc-1","to":"acc-2","amount":-1' '"from":"acc-1","to":"acc-2","amount":0'; do
		run -65 here/transfer.sh here/bank.evlog <<<"{\"type\":\"Transfer\",\"id\":\"x\",\"data\":{$data}}"
	done
	for request in '{"type":"Deposited","id":"x","subject":"acc-1","data":{"amount":5}}' \
		'{"type":"Transfer","data":{"from":"acc-1","to":"acc-2","amount":1}}' \
		'{"type":"Transfer","id":"x","data":{"from":"acc-1","to":"acc-1","amount":1}}'; do
		run -64 here/transfer.sh here/bank.evlog <<<"$request"
	done
	assert_equal "$(evcat here/bank.evlog | wc -l)" "$before"
	# an account that has no events yet
	richest=$(evfold -k subject -p here/total.lua here/bank.evlog | jq -r 'select(.state.balance[.key] >= 1).key' | head -n 1 || :)
	run -0 here/transfer.sh here/bank.evlog <<<"{\"type\":\"Transfer\",\"id\":\"y\",\"data\":{\"from\":\"${richest:-acc-1}\",\"to\":\"new\",\"amount\":0.01}}"
}

@test "the bank's transfers, by 8 clients at once, two hundred" {
	slow
	transferred 8 25
}

@test "each address is registered once, however many want it at once" {
	tells registration/registration
	run -0 "$samples/registration/registration" here
	assert_equal "$(evcat here/names.evlog | wc -l)" 1
	assert_equal "$(grep -c '^status 1$' <<<"$output")" 2
	assert_equal "$(evcat -w 'data.address="bob@example.com"' here/users.evlog | wc -l)" 1
	assert_line "ada@example.com: somebody has this address"
	assert_equal "$(tail -n 3 <<<"$output" | xargs)" '[user-9,UserRegistered] [user-9,UserLeft] [user-10,UserRegistered]'
	# an address is text, whatever is in it
	for n in 1 2; do
		for address in '*' 'a,b=c' '"quoted"' 'Zoë' '5'; do
			run here/register.sh here/users.evlog "u$n" "$address"
			assert_equal "$address $status" "$address $((n == 1 ? 0 : 65))"
		done
	done
	run -64 here/register.sh here/users.evlog "" free@example.com
	run -64 here/register.sh here/users.evlog u3 ""
	# who leaves twice leaves
	for n in 1 2; do
		echo '{"type":"UserLeft","subject":"u1","data":{"address":"5"}}' | evappend here/users.evlog
	done
	run -0 here/register.sh here/users.evlog u3 5
	run -65 here/register.sh here/users.evlog u4 5
}

# unit FILE: the unit, with the paths of this test
unit() {
	sed -e "s,/usr/local/bin/,$EVLOG_BUILD/," -e "s,/usr/local/lib/shop/,$PWD/," \
		-e "s,/var/lib/shop/,$PWD/,g" "$BATS_TEST_DIRNAME/../samples/systemd/$1"
}

@test "reminders come when they are due, unless they were cancelled or put off" {
	tells reminders/reminders
	assert_line "To anna: Buy tea."
	assert_line '["2200-05-01T10:00:00+02:00","anna","Begin with the tax return."]'
	assert_line '["egg/due","egg","The egg is done."]'
	assert_equal "$(tail -1 <<<"$output") $(grep -c dentist <<<"$output")" "true 3"
}

@test "the systemd units are valid, and keep in what they start" {
	command -v systemd-analyze >/dev/null || skip "no systemd"
	echo 'exit 0' >send-mails
	chmod +x send-mails
	for file in "$samples"/systemd/*.service; do
		file=${file##*/}
		unit "$file" >"$file"
		# no messages: what systemd does not know, it only warns of
		run -0 systemd-analyze verify --man=no "./$file"
		assert_output ""
		run -0 systemd-analyze security --offline=true --threshold=25 "./$file"
	done
}

@test "what the systemd units start runs until SIGTERM, and does its work" {
	echo 'jq -r .subject >>sent' >send-mails
	echo 'function on.OrderPaid(s, e) emit{type="Ship", subject=e.subject} end' >saga.lua
	for n in 1 2 3; do
		echo "{\"type\":\"OrderPaid\",\"subject\":\"order-$n\",\"id\":\"$n\",\"due\":\"2020-01-01T00:00:00Z\"}"
	done | evappend orders.evlog
	chmod +x send-mails
	sed -i '1i #!/bin/sh' send-mails
	for file in shop-mails.service shop-saga.service shop-timers.service; do
		line=$(unit $file | sed -e ':a' -e '/\\$/N; s/\\\n//; ta' | sed -n 's/^ExecStart=//p')
		# shellcheck disable=SC2086
		$line 3>&- &
		for _ in {1..100}; do
			case $file in
			shop-mails.service) [ "$(wc -l 2>/dev/null <sent)" = 3 ] && break ;;
			shop-saga.service) [ "$(evcat -t Ship orders.evlog | wc -l)" = 3 ] && break ;;
			*) [ "$(evcat -w '!due' -t OrderPaid orders.evlog | wc -l)" = 3 ] && break ;;
			esac
			sleep 0.05
		done
		kill $!
		wait $! || fail "$file: status $?"
	done
	run -0 evcat -t Ship -o data orders.evlog
	[ "$(evcat -t Ship orders.evlog | wc -l)" -eq 3 ]
	[ "$(evcat -w '!due' -t OrderPaid orders.evlog | wc -l)" -eq 3 ]
	run -0 cat sent
	assert_output "$(printf 'order-%d\n' 1 2 3)"
}
