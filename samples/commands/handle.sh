#!/usr/bin/env bash
# Handles the command on standard input: reads the events of the order, decides by rules.lua,
# and appends the result if nobody else has appended to this order in the meantime.
# Otherwise the decision may be wrong by now, so everything is done again.
#
# usage: handle.sh LOG <COMMAND     {"type":...,"subject":...,"id":...,"data":...}
#
# Status 0: done, or done before; 65: refused.
set -euo pipefail
log=$1
command=$(cat)
subject=$(jq -r .subject <<<"$command")
rules=$(dirname "$0")/rules.lua

while true; do
	history=$(evcat -F -s "$subject" "$log")
	last=$(tail -n 1 <<<"$history" | cut -c 9-24) # each line has its seq there
	decision=$(evfold -p "$rules" -o events <<<"$history"$'\n'"$command")
	status=0
	evappend --expect-subject "$subject=${last:-0}" "$log" <<<"$decision" || status=$?
	[ $status = 1 ] || exit $status
done
