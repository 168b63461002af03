#!/usr/bin/env bash
# Fills the outbox of two shops, a and b: orders, and then what became of their payments.
#
# usage: orders.sh N FOLDER
set -euo pipefail
for ((n = 1; n <= $1; n++)); do
	shop=$([ $((n % 2)) = 0 ] && echo a || echo b)
	file=$(printf '%s/%s-%03d.ndjson' "$2" "$shop" "$n")
	paid=$([ $((n % 7)) = 0 ] && echo PaymentFailed || echo PaymentCaptured)
	for type in OrderPlaced $paid; do
		echo "{\"type\":\"$type\",\"id\":\"$n-$type\",\"source\":\"/shop/$shop\",\"subject\":\"order-$n\",\"data\":{\"amount\":$((n * 10))}}"
	done >"$file"
done
