#!/usr/bin/env bash
# The customer service, as evreplay runs it for each batch of orders.  What it has
# reserved is known from its own answers in the log; so there is no state beside the log
# that a kill could leave behind or ahead of it.  The snapshot only spares it to read
# them all again.
#
# usage: credit.sh LOG     LOG has the customers' limits and its own answers
#
# A part of the pipe that was killed must fail the whole: half an answer is none.
set -euo pipefail
{
	evfold -q --snapshot credit.state -k data.customer 'limit=last(data.limit)' \
		'reserved=sum(data.amount){type=CreditReserved}' "$1"
	cat
} | evfold -p credit.lua -o events
