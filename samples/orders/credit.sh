#!/usr/bin/env bash
# The customer service, which evrun runs for each batch of orders.  It finds what it has
# reserved in its own answers in the log, so there is no other state that a kill could leave
# behind or ahead of the log.  The snapshot only saves reading all answers again.
#
# usage: credit.sh LOG     LOG has the customers' limits and its own answers
#
# If one part of the pipe is killed, the whole must fail: half an answer is useless.
set -euo pipefail
{
	evfold -q --snapshot credit.state -k data.customer 'limit=last(data.limit)' \
		'reserved=sum(data.amount){type=CreditReserved}' "$1"
	cat
} | evfold -p credit.lua -o events
