#!/usr/bin/env bash
# A shop.  Appends what is in its outbox, as often as it takes.
#
# usage: produce.sh LOG FILE...
set -euo pipefail
log=$1
shift
for file in "$@"; do
	until evappend -q --dedup "$log" "$file"; do
		sleep 0.1
	done
	sleep 0.02 # so that it takes a while
done
