/* fold.h - the internals of a fold: what it computes, and a group for each key.
 *
 * fold/ computes states from events: reducers, programs, groups, threads, snapshots; and
 * processes, which emit events.  It must not know how a sink keeps what it gets. */
#ifndef FOLD_FOLD_H
#define FOLD_FOLD_H

#include "fold/emitter.h"
#include "fold/path_trie.h"
#include "fold/program.h"
#include "fold/reducer.h"
#include "sink/sink.h"

/* A key and the state of its events. */
struct group {
	struct view key; /* canonical JSON text, after `at`; empty for the only group */
	uint64_t seq;
	uint64_t shown; /* hash of the state last shown */
	uint32_t state; /* number of a program's state; 0: none yet */
	uint16_t part;	/* the part whose program has that state */
	bool stored;	/* has a row in the sink */
	bool is_changed;
	_Alignas(8) char at[]; /* the accumulators */
};

/* What a reducer has accumulated for a group. */
static inline struct accumulator *group_at(const struct group *g, const struct reducer *r)
{
	return (struct accumulator *)((uintptr_t)g->at + r->offset);
}

/* A place in the hash table. */
struct place {
	uint64_t hash;
	struct group *group; /* NULL: none */
};

struct groups {
	struct group **at; /* in order of creation, until sorted */
	size_t n, cap;
	struct place *table;
	size_t mask;
	struct slab *slabs; /* the memory of the groups; the newest slab first, */
	size_t left;	    /* and how much room it has */
};

/* Finds the group of a key, or makes it with `size` bytes of accumulators and sets *made.
 * NULL: out of memory. */
struct group *group_of(
    struct groups *g, struct view key, uint64_t hash, size_t size, bool *made);

/* Prefetch memory for a coming event: first its place in the table, and some events later
 * the group found there. */
void group_expect(const struct groups *g, uint64_t hash);
void group_fetch(const struct groups *g, uint64_t hash, size_t size);

/* Prefetches a group with `size` bytes of accumulators. */
void group_prefetch(const struct group *group, size_t size);

/* Moves all groups of `from` to g, which can then only be sorted and walked.  Returns
 * false if out of memory. */
bool groups_move(struct groups *g, struct groups *from);

/* Sorts by key, bytewise.  Returns false if out of memory. */
bool groups_sort(struct groups *g);
void groups_free(struct groups *g, const struct reducer *r, size_t n);

struct evlog_fold {
	struct reducer *reducers; /* either these */
	size_t n;
	size_t size; /* of the accumulators of a group, in bytes */
	struct program *program;
	bool plain; /* neither was given: merge(data), unnamed */
	bool ready; /* nothing can be set any more */
	bool strict, rollback;
	const char *over; /* why it takes no more events; NULL: it does */
	bool failed;	  /* at an event, of which a part may have been counted */
	struct json_path *key;
	struct path_trie trie;
	struct path_guesses guesses; /* of evlog_fold_event */
	size_t key_slot, slots;
	uint64_t *met;			/* for each slot, events with a value there, */
	uint64_t folded;		/* out of this many */
	struct json_text *room, *found; /* values at the slots; room: for one event */
	unsigned threads;
	struct pool *pool; /* NULL: one event after the other */
	struct groups groups;
	struct group *last; /* of the last event; NULL: none */
	struct buf scratch, row;
	struct buf stop;	/* the line of the event that stopped the program */
	struct buf identity;	/* describes what is computed */
	bool tracked;		/* seqs must ascend from at_seq */
	uint64_t at_seq, began; /* the last seq; the seq of what was loaded */
	bool shared;		/* events may share a seq */
	struct where_scratch compared;
	uint64_t keyless, unusable;
	struct emitter *emitter; /* NULL: what is emitted is only shown */
	struct sink *sink;	 /* NULL: none */
	bool columns;		 /* the sink has one for each reducer */
	struct group **changed;	 /* since the last commit of the sink */
	size_t n_changed, cap_changed;
	uint16_t number; /* of this part */
};

static inline bool fold_keyed(const evlog_fold *f)
{
	return f->key || (f->program && program_has_key(f->program));
}

/* Called before the first event: prepares paths and slots.  Later calls do nothing. */
int fold_ready(evlog_fold *f, evlog_error *err);

/* Whether threads may be folding, so that only evlog_fold_lines and evlog_fold_finish can
 * be called. */
bool fold_is_busy(const evlog_fold *f);

/* Why the states cannot be shown or kept now; NULL: they can. */
const char *fold_unsettled(const evlog_fold *f);

#define FOLD_FAILED "it has failed at an event"

/* Why it takes no more events; NULL: it does. */
static inline const char *fold_closed(const evlog_fold *f)
{
	return f->over ? f->over : f->failed ? FOLD_FAILED : NULL;
}

#define FOLD_SET "the fold has begun"

static inline bool fold_stopped(const evlog_fold *f)
{
	return f->program && program_stopped(f->program);
}

int fold_event(evlog_fold *f, const struct evlog_event *e, evlog_error *err);

/* SHA-256 of the key, the reducers and the program: a state is only valid for the same
 * fold. */
int fold_identity(const evlog_fold *f, char hash[65], evlog_error *err);

/* Gets the canonical JSON text of a key: a view of `value`, or, if it has other
 * spellings, of text appended to room.  Values that cannot be keys give an empty view.
 * Returns false if out of memory. */
bool fold_key_of(struct json_text value, struct buf *room, struct view *key);

/* Returns EVLOG_EDATA: the event's line, from a log, is not JSON. */
int fold_no_json(const struct evlog_event *e, evlog_error *err);

/* Folds an event whose values are in f->found. */
int fold_apply(evlog_fold *f, const struct evlog_event *e, struct view key, uint64_t hash,
    evlog_error *err);

/* Gets the part that has the keys with this hash; f itself if the work is not divided. */
int fold_part_of(evlog_fold *f, uint64_t hash, evlog_fold **part, evlog_error *err);
/* The part whose program has a group's state. */
evlog_fold *fold_owner(evlog_fold *f, const struct group *g);
void fold_pool_free(evlog_fold *f);

/* Appends a group's full state, as JSON for group_restore, which returns EVLOG_EDATA if
 * it is not a state of this fold. */
int group_save(evlog_fold *f, const struct group *g, struct buf *b, evlog_error *err);
int group_restore(evlog_fold *f, struct group *g, struct json_text v, evlog_error *err);

/* Marks a group's current state as shown, so that only later changes are. */
int fold_shown(evlog_fold *f, struct group *g, evlog_error *err);

/* Appends a group's state as JSON; g NULL: the state before any event. */
int state_write(evlog_fold *f, const struct group *g, struct buf *b, evlog_error *err);

#endif
