/* fold.h - the inside of a fold: what it computes, and a group of it for each key. */
#ifndef FOLD_FOLD_H
#define FOLD_FOLD_H

#include "fold/path_trie.h"
#include "fold/program.h"
#include "fold/reducer.h"

/* A key, and what has become of its events. */
struct group {
	struct view key; /* canonical JSON text, owned; empty for the only group */
	uint64_t hash, seq;
	uint64_t shown; /* hash of the state that was shown last */
	uint32_t state; /* a program's; 0: none yet */
	bool stored;	/* has a row in the sink */
	bool is_changed;
	struct group *next_changed; /* since the last commit of the sink */
	evlog_fold *owner;	    /* whose program has its state */
	struct accumulator at[];
};

/* What keeps the states of a fold between runs, and is kept in step with it. */
struct fold_sink {
	/* Gives a group that was just made what the sink knows of its key. */
	int (*load)(evlog_fold *f, struct group *g, evlog_error *err);
	void (*close)(evlog_fold *f);
};

/* In the table, by the hash of its key. */
struct place {
	uint64_t hash;
	struct group *group; /* NULL: none */
};

struct groups {
	struct group **at; /* in order of appearance, until they are sorted */
	size_t n, cap;
	struct place *table;
	size_t mask;
};

/* The group of a key, made with n accumulators if there is none.  NULL: no memory. */
struct group *group_of(
    struct groups *g, struct view key, uint64_t hash, size_t n, bool *made);

/* For an event to come: the first brings its place in the table near, the second, later,
 * the group there, so that nobody waits for memory when its turn comes. */
void group_expect(const struct groups *g, uint64_t hash);
void group_fetch(const struct groups *g, uint64_t hash, size_t n);

/* Moves all groups of another one here, which is then only sorted and walked.  false: no
 * memory. */
bool groups_move(struct groups *g, struct groups *from);
void groups_sort(struct groups *g);
void groups_free(struct groups *g, size_t n);

struct evlog_fold {
	struct reducer *reducers; /* or */
	size_t n;
	struct program *program;
	bool plain; /* neither was given: merge(data), unnamed */
	bool ready, strict, rollback;
	struct json_path *key;
	struct path_trie trie;
	size_t key_slot, slots;
	uint64_t *met;	 /* for each slot: events in which something stands there, */
	uint64_t folded; /* of so many */
	struct json_text *room, *found; /* in the event at hand; room: for one */
	unsigned threads;
	struct pool *pool; /* NULL: one event after the other */
	struct groups groups;
	struct group *last; /* of the last event; NULL: it has none */
	struct buf scratch, row;
	struct buf stop;	/* the line of the event at which the program stopped */
	struct buf identity;	/* what it was told to compute */
	bool tracked;		/* events come with ascending seqs, from at_seq on */
	uint64_t at_seq, began; /* the last seq; that of what was loaded */
	bool shared;		/* several events may have one seq */
	uint64_t keyless, unusable;
	struct fold_sink *sink; /* NULL: none */
	struct group *changed;	/* since the last commit of the sink */
};

static inline bool fold_keyed(const evlog_fold *f)
{
	return f->key || (f->program && program_has_key(f->program));
}

/* Before the first event: looks at what was asked for. */
int fold_ready(evlog_fold *f, evlog_error *err);

/* SHA-256 of the key, the reducers, the program: what makes a state what it is. */
int fold_identity(const evlog_fold *f, char hash[65], evlog_error *err);

/* Adds nothing and gives a view of a key's JSON text or, if it can be told otherwise too,
 * adds its canonical text and gives that.  What is no key gives an empty one.  false: no
 * memory. */
bool fold_key_of(struct json_text value, struct buf *room, struct view *key);

/* EVLOG_EDATA: the event's line, which a log has, is not JSON. */
int fold_no_json(const struct evlog_event *e, evlog_error *err);

/* Folds an event that was looked into: f->found. */
int fold_apply(evlog_fold *f, const struct evlog_event *e, struct view key, uint64_t hash,
    evlog_error *err);

/* The fold, of those that share the work, that has the keys of this hash. */
int fold_part_of(evlog_fold *f, uint64_t hash, evlog_fold **part, evlog_error *err);
void fold_pool_free(evlog_fold *f);

/* Adds all that a group knows, as JSON that group_restore takes.  EVLOG_EDATA: it is no
 * state of this fold. */
int group_save(evlog_fold *f, const struct group *g, struct buf *b, evlog_error *err);
int group_restore(evlog_fold *f, struct group *g, struct json_text v, evlog_error *err);

/* Takes note of a group's state as one that was shown. */
int fold_shown(evlog_fold *f, struct group *g, evlog_error *err);

/* Adds a group's state as JSON.  g NULL: of no events at all. */
int state_write(evlog_fold *f, const struct group *g, struct buf *b, evlog_error *err);

#endif
