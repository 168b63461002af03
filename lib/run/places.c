/*
 * places.c - which place of a checkpoint is that of which log.
 *
 * A log is known by its first event (the lineage), or, if it has none yet, by its id: not
 * by its path, nor by its position among the operands.
 */
#include "base/error.h"
#include "base/hash.h"
#include "run/consumer.h"

#include <stdlib.h>
#include <string.h>

/* Whether a place was recorded for this log.  sure: by its first event, or by its id;
 * otherwise a place before all events fits, too. */
static bool is_of(
    const struct evlog_position *at, const struct log_identity *who, bool sure)
{
	unsigned char bytes[HASH_SIZE];

	if (!hash_is_none(who->lineage) && *at->lineage)
		return hex_read(bytes, at->lineage, HASH_SIZE) &&
		       memcmp(bytes, who->lineage, HASH_SIZE) == 0;
	if (hex_read(bytes, at->log, ID_SIZE) && memcmp(bytes, who->id, ID_SIZE) == 0)
		return true;
	return !sure && at->seq == 0;
}

struct evlog_position *place_of(
    const struct checkpoint *c, const struct log_identity *who, bool sure)
{
	for (size_t i = 0; i < c->places; i++)
		if (is_of(&c->place[i], who, sure))
			return &c->place[i];
	return NULL;
}

/* Moves the places from the checkpoint that are of one of the logs to c->next, in the
 * order of the logs.  found[i]: log i has one. */
static void places_assign(struct consumer *c, bool *found)
{
	for (int sure = 1; sure >= 0; sure--)
		for (size_t i = 0; i < c->n_paths; i++) {
			struct evlog_position *at =
			    found[i] ? NULL
				     : place_of(&c->mark, &c->source[i].track.who, sure);
			if (!at)
				continue;
			c->next[i] = *at;
			found[i] = true;
			*at = c->mark.place[--c->mark.places];
		}
}

/* Finds the places of several logs among those of the checkpoint.  A log that has none,
 * and a place without log, need --accept-change. */
static int places_match(struct consumer *c, evlog_error *err)
{
	bool *found = calloc(c->n_paths, sizeof *found);
	int r = found ? 0 : error_memory(err);

	if (!r)
		places_assign(c, found);
	for (size_t i = 0; i < c->n_paths && !r; i++) {
		c->dirty |= !found[i];
		if (!found[i] && !c->o->accept_change)
			r = error_set(err, EVLOG_EMISMATCH,
			    "%s: no place in %s is recorded; use --accept-change to "
			    "begin with its first event",
			    c->o->checkpoint, c->paths[i]);
	}
	free(found);
	c->dirty |= c->mark.places != 0;
	if (!r && c->mark.places && !c->o->accept_change)
		r = error_set(err, EVLOG_EMISMATCH,
		    "%s: a place is recorded in another log, which is not given (its "
		    "id is %s); use --accept-change to forget that",
		    c->o->checkpoint, c->mark.place->log);
	return r;
}

static int same_log(struct consumer *c, size_t i, evlog_error *err)
{
	const struct log_identity *who = &c->source[i].track.who;

	for (size_t k = 0; k < i; k++) {
		const struct log_identity *other = &c->source[k].track.who;
		if (memcmp(who->id, other->id, ID_SIZE) == 0 ||
		    (!hash_is_none(who->lineage) &&
			memcmp(who->lineage, other->lineage, HASH_SIZE) == 0))
			return error_set(err, EVLOG_EUSAGE,
			    "%s and %s begin with the same event: they are the same log, "
			    "or copies or forks of one, and cannot share a checkpoint",
			    c->paths[k], c->paths[i]);
	}
	return 0;
}

int places_take(struct consumer *c, bool fresh, evlog_error *err)
{
	size_t n = c->n_paths;
	bool single = n == 1 && c->mark.places <= 1;
	int r = 0;

	c->source = calloc(n, sizeof *c->source);
	c->next = calloc(n, sizeof *c->next);
	if (!c->source || !c->next)
		return error_memory(err);
	for (size_t i = 0; i < n && !r; i++) {
		r = log_identify(
		    c->paths[i], c->sel.max_line, &c->source[i].track.who, err);
		r = r ? r : same_log(c, i, err);
	}
	if (!r && !fresh && single)
		c->next[0] = c->mark.place[0];
	else if (!r && !fresh)
		r = places_match(c, err);
	for (size_t i = 0; i < n && !r && !fresh; i++)
		r = evlog_position_check(c->paths[i], &c->next[i], c->sel.max_line, err);
	if (!r)
		r = checkpoint_begin(&c->mark, n, err);
	if (!r)
		memcpy(c->mark.place, c->next, n * sizeof *c->next);
	return r;
}
