#!/usr/bin/env bash
# Makes a transfer: reads the events of both accounts, decides by transfer.lua, and appends both
# sides in one commit, if nobody else has touched either account in the meantime.  Otherwise
# the decision may be wrong by now, so everything is done again.
#
# usage: transfer.sh LOG <REQUEST
#        {"type":"Transfer","id":...,"data":{"from":...,"to":...,"amount":...}}
#
# Status 0: done, or done before; 64: not a request; 65: refused.
set -euo pipefail
log=$1
request=$(cat)
jq -e '.type == "Transfer" and .id != null and .data.from != .data.to' <<<"$request" >/dev/null || exit 64
from=$(jq -r .data.from <<<"$request")
to=$(jq -r .data.to <<<"$request")
rules=$(dirname "$0")/transfer.lua

# The seq of the last event of an account that was seen; 0: there is none.
last() { jq -rn --arg account "$1" 'last(inputs | select(.subject == $account).seq) // 0' <<<"$history"; }

while true; do
	history=$(evcat -F -s "$from" -s "$to" "$log")
	decision=$(evfold -p "$rules" -o events <<<"$history"$'\n'"$request")
	status=0
	evappend --expect-subject "$from=$(last "$from")" --expect-subject "$to=$(last "$to")" \
		"$log" <<<"$decision" || status=$?
	[ $status = 1 ] || exit $status
done
