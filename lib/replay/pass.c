/*
 * pass.c - the passes of a round.
 *
 * A round is dealt with in one pass, unless what it emits is more than one commit can
 * hold. Then a pass takes fewer units: all those up to a seq, whichever part they are in,
 * since the place that is kept with what they emit is a seq.
 */
#include "replay/consumer.h"

/* The first unit of a part after `seq`. */
static size_t unit_after(const struct part *p, uint64_t seq)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (p->unit[middle].seq <= seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t part_end(const struct round *r, const struct part *p)
{
	return r->limit == UINT64_MAX ? p->n : unit_after(p, r->limit);
}

/* How many units a pass up to `seq` would have. */
static size_t units_upto(const struct consumer *c, const struct round *r, uint64_t seq)
{
	size_t n = 0;

	for (unsigned i = 0; i < c->workers; i++)
		n += unit_after(&r->part[i], seq) - r->part[i].from;
	return n;
}

void pass_begin(struct consumer *c, struct round *r)
{
	uint64_t low = c->kept, high = r->end; /* low: too few units, high: enough */

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

void pass_halve(struct consumer *c, uint64_t number)
{
	struct round *r = round_at(c, number);
	size_t units = 0;

	for (unsigned i = 0; i < c->workers; i++) {
		struct worker *w = &c->worker[i];
		struct part *p = &r->part[i];
		if (w->round >= number) { /* perhaps it is ahead already */
			worker_abandon(w);
			w->round = number;
			w->started = false;
			w->depth = 0;
		}
		units += part_end(r, p) - p->from;
		p->done = p->from;
		p->out.len = p->uncaused = 0;
	}
	r->letters = r->texts.len = 0;
	r->pass = units > 1 ? units / 2 : 1;
	pass_begin(c, r);
}
