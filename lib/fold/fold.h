/* fold.h - the inside of a fold: what it computes, and a group of it for each key. */
#ifndef FOLD_FOLD_H
#define FOLD_FOLD_H

#include "fold/program.h"
#include "fold/reducer.h"

/* A key, and what has become of its events. */
struct group {
	struct view key; /* canonical JSON text, owned; empty for the only group */
	uint64_t hash, seq;
	uint64_t shown; /* hash of the state that was shown last */
	uint32_t state; /* a program's; 0: none yet */
	struct accumulator at[];
};

struct groups {
	struct group **at; /* in order of appearance, until they are sorted */
	size_t n, cap;
	uint32_t *table; /* 1 + index of a group, by the hash of its key */
	size_t mask;
};

/* The group of a key, made with n accumulators if there is none.  NULL: no memory. */
struct group *group_of(struct groups *g, struct view key, size_t n);
void groups_sort(struct groups *g);
void groups_free(struct groups *g, size_t n);

/* A top-level member that some path begins with, in the event at hand. */
struct want {
	struct view name;
	struct json_text found;
	bool has;
};

struct evlog_fold {
	struct reducer *reducers; /* or */
	size_t n;
	struct program *program;
	bool plain; /* neither was given: merge(data), unnamed */
	bool ready, strict, undo;
	struct json_path *key;
	struct want *wants;
	size_t n_wants;
	struct groups groups;
	struct group *last; /* of the last event; NULL: it has none */
	struct buf scratch, row;
	uint64_t keyless, unusable;
};

static inline bool fold_keyed(const evlog_fold *f)
{
	return f->key || (f->program && program_has_key(f->program));
}

/* Adds a group's state as JSON.  g NULL: of no events at all. */
int state_write(evlog_fold *f, const struct group *g, struct buf *b, evlog_error *err);

#endif
