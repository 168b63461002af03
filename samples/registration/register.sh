#!/usr/bin/env bash
# Registers a user with an address, unless somebody has it.  The decision rests on all events
# that name the address, so it is appended only if no other such event has come since;
# otherwise it may be wrong by now, and is made again.
#
# usage: register.sh LOG USER ADDRESS     LOG must exist
#
# Status 0: done; 64: no user or no address; 65: somebody has the address.
set -euo pipefail
[ "$2" ] && [ "$3" ] || exit 64
log=$1 user=$2 address=$(jq -n --arg address "$3" '$address')
named="data.address=$address" # a quoted value is taken literally

while true; do
	seen=$(evcat -n 1 "$log" | cut -c 9-24)
	last=$(evcat -q -w "$named" "$log" | jq -rn 'last(inputs).type // "none"')
	if [ "$last" = UserRegistered ]; then
		echo "$3: somebody has this address" >&2
		exit 65
	fi
	status=0
	jq -nc --arg user "$user" '{type: "UserRegistered", subject: $user, data: {$address}}' \
		--argjson address "$address" | evappend --expect-none "${seen:-0}:$named" "$log" || status=$?
	[ $status = 1 ] || exit $status
done
