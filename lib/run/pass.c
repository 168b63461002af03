/*
 * pass.c - processes a round in several passes.
 *
 * A round takes one pass, unless it emits more than fits into one commit.  Then a pass
 * consists of fewer units: of those up to some event in all parts, because the position
 * committed with the emitted events is that of an event.
 */
#include "base/error.h"
#include "run/consumer.h"

#include <inttypes.h>

/* Counts the units of a pass that ends with the event of this number. */
static size_t units_upto(const struct consumer *c, const struct round *r, uint64_t number)
{
	size_t n = 0;

	for (unsigned i = 0; i < c->workers; i++)
		n += part_after(&r->part[i], number) - r->part[i].from;
	return n;
}

void pass_begin(struct consumer *c, struct round *r)
{
	uint64_t low = c->kept, high = r->end; /* too few units, and enough of them */

	for (unsigned i = 0; i < c->workers; i++)
		r->part[i].from = r->part[i].done;
	r->limit = UINT64_MAX;
	if (!r->pass || units_upto(c, r, r->end) <= r->pass)
		return;
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;
		if (units_upto(c, r, middle) < r->pass)
			low = middle;
		else
			high = middle;
	}
	r->limit = high;
}

/* Whether the current pass has a single event; its lines may be in several parts. */
static bool pass_is_single(const struct consumer *c, const struct round *r)
{
	uint64_t first = UINT64_MAX, last = 0;

	for (unsigned i = 0; i < c->workers; i++) {
		const struct part *p = &r->part[i];
		size_t end = part_end(r, p);
		if (end == p->from)
			continue;
		if (p->unit[p->from].number < first)
			first = p->unit[p->from].number;
		if (p->unit[end - 1].number > last)
			last = p->unit[end - 1].number;
	}
	return first == last;
}

/* Kills the runs that work on the current pass of a round, or on later rounds, and drops
 * what the pass has produced. */
static void pass_drop(struct consumer *c, struct round *r, uint64_t number)
{
	for (unsigned i = 0; i < c->workers; i++) {
		struct worker *w = &c->worker[i];
		struct part *p = &r->part[i];
		if (w->round >= number) { /* it may work on a later round already */
			worker_abandon(w);
			w->round = number;
			w->started = false;
			w->depth = 0;
		}
		p->done = p->from;
		p->out.len = p->uncaused = 0;
	}
	r->letters = r->texts.len = 0;
}

/* Gives up the event of a pass, whose lines may be in several parts. */
static int event_give_up(
    struct consumer *c, struct round *r, const char *reason, evlog_error *err)
{
	const struct process none = {0};
	int res = 0;

	for (unsigned i = 0; i < c->workers && !res; i++) {
		struct part *p = &r->part[i];
		size_t end = part_end(r, p);
		if (p->from < end && r->letters == 0)
			res = unit_give_up(c, r, p, p->from, 1, reason, &none, err);
		if (!res)
			p->done = end;
	}
	return res < 0 ? res : 0;
}

int pass_split(struct consumer *c, uint64_t number, evlog_error *err)
{
	const char *reason = "its output: more than 64 MiB of events";
	struct round *r = round_at(c, number);
	bool single = pass_is_single(c, r);
	size_t units = 0;

	pass_drop(c, r, number);
	for (unsigned i = 0; i < c->workers; i++)
		units += part_end(r, &r->part[i]) - r->part[i].from;
	if (!single) {
		r->pass = units / 2;
		pass_begin(c, r);
		return 0;
	}
	return event_give_up(c, r, reason, err);
}

void pass_cut(struct consumer *c)
{
	struct round *r = round_at(c, c->first);
	bool fails = false;

	for (unsigned i = 0; i < c->workers; i++) {
		const struct part *p = &r->part[i];
		fails |=
		    p->done < part_end(r, p) && p->unit[p->done].number == c->fail_at;
	}
	if (!fails)
		return;
	pass_drop(c, r, c->first);
	r->limit = c->fail_at - 1;
}
