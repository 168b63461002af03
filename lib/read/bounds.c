/* bounds.c - what lies outside a reader's bounds of seq and logtime. */
#include "event/stamp.h"
#include "read/reader_internal.h"

bool block_beyond(const struct bounds *b, const struct block *k)
{
	return (b->to && k->first_seq > b->to) ||
	       (b->until != EVLOG_TIME_MAX && k->first_logtime >= b->until);
}

void lines_trim(const struct bounds *b, const struct block *k, struct evlog_lines *l)
{
	bool inside = (!b->from || k->first_seq >= b->from) &&
		      (!b->to || block_last_seq(k) <= b->to) &&
		      (b->since == EVLOG_TIME_MIN || k->first_logtime >= b->since) &&
		      (b->until == EVLOG_TIME_MAX || k->last_logtime < b->until);
	struct evlog_lines rest = *l;
	struct evlog_event e;
	const char *start = NULL, *end = l->p;

	if (inside)
		return;
	while (evlog_lines_take(&rest, &e)) {
		if ((b->from && e.seq < b->from) || e.logtime < b->since)
			continue;
		if ((b->to && e.seq > b->to) || e.logtime >= b->until)
			break;
		if (!start)
			start = e.line;
		end = rest.p;
	}
	l->p = start;
	l->len = start ? (size_t)(end - start) : 0;
}
