/*
 * division.c - which worker gets the events of a key.
 *
 * Events of one key must not be processed at the same time, or out of order.  So a key
 * belongs to one worker as long as a round with its events may not be finished.  Rounds
 * are filled one by one, and at most ROUNDS exist at once, so that this can be told from
 * their numbers: it does not depend on timing.  A key that belongs to nobody goes to the
 * worker that was given the fewest lines in these rounds.
 */
#include "base/error.h"
#include "run/consumer.h"

#include <stdlib.h>

#define LEAST 64 /* slots; a power of two, like all sizes */

/* Whether the key of a slot still belongs to a worker. */
static bool is_bound(const struct consumer *c, const struct binding *b)
{
	return b->until > c->filled;
}

/* The slot of a key, or the one where it can be put. */
static struct binding *slot_find(const struct consumer *c, uint64_t key)
{
	const struct division *d = &c->division;
	struct binding *spare = NULL;

	for (size_t i = key & (d->size - 1);; i = (i + 1) & (d->size - 1)) {
		struct binding *b = &d->slot[i];
		if (b->until && b->key == key)
			return b;
		if (!spare && !is_bound(c, b))
			spare = b;
		if (!b->until)
			return spare;
	}
}

/* Makes room for one more key: drops those that belong to nobody any more, and enlarges
 * the table if that leaves it more than a quarter full. */
static bool division_grow(struct consumer *c)
{
	const struct division old = c->division;
	size_t bound = 0, size = LEAST;

	for (size_t i = 0; i < old.size; i++)
		bound += is_bound(c, &old.slot[i]);
	while (size < 4 * (bound + 1))
		size *= 2;
	struct binding *slot = calloc(size, sizeof *slot);
	if (!slot)
		return false;
	c->division = (struct division){.slot = slot, .size = size, .used = bound};
	for (size_t i = 0; i < old.size; i++)
		if (is_bound(c, &old.slot[i]))
			*slot_find(c, old.slot[i].key) = old.slot[i];
	free(old.slot);
	return true;
}

static unsigned least_busy(const struct consumer *c)
{
	size_t least = SIZE_MAX;
	unsigned worker = 0;

	for (unsigned i = 0; i < c->workers; i++) {
		size_t given = 0;
		for (unsigned k = 0; k < ROUNDS; k++)
			given += c->worker[i].given[k];
		if (given < least) {
			least = given;
			worker = i;
		}
	}
	return worker;
}

int division_worker(struct consumer *c, uint64_t key, unsigned *worker, evlog_error *err)
{
	struct division *d = &c->division;

	if (2 * (d->used + 1) > d->size && !division_grow(c))
		return error_memory(err);
	struct binding *b = slot_find(c, key);
	d->used += !b->until;
	if (b->key != key || !is_bound(c, b))
		*b = (struct binding){.key = key, .worker = least_busy(c)};
	b->until = c->filled + ROUNDS;
	c->worker[b->worker].given[c->filled % ROUNDS]++;
	*worker = b->worker;
	return 0;
}

void division_next(struct consumer *c)
{
	for (unsigned i = 0; i < c->workers; i++)
		c->worker[i].given[c->filled % ROUNDS] = 0;
}
