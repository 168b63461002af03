/* cursor_set.h - the latest cursor of each consumer in a log, or in a part of it. */
#ifndef RECOVER_CURSOR_SET_H
#define RECOVER_CURSOR_SET_H

#include "format/cursor.h"
#include "recover/log.h"

/* The latest cursor of each consumer, as extensions of a header.  Zero-initialise. */
struct cursor_set {
	struct buf bytes; /* the extensions, in the order in which they were added */
	struct {
		size_t offset; /* in bytes */
		bool replaced; /* a later one counts */
	} * at;
	size_t n, cap, replaced;
	size_t *slot, slots; /* open addressing by name: 1 + index in at; 0: free */
	bool failed;	     /* out of memory */
	bool full;	     /* some are left out: a header has no room for more */
	bool all;	     /* those of all segments so far; else only of some */
	bool partial;	     /* a block that goes beyond the end may have more */
};

/* Adds the cursors among the extensions, which replace earlier ones of the same
 * consumers. */
void cursor_set_take(struct cursor_set *set, struct view extensions);

/* Adds those that a segment has of events up to `last`; `limit` is where its committed
 * bytes end.  all is set, or stays, if the segment's header says so, or if it is the
 * first one. */
int cursor_set_load(struct cursor_set *set, struct segment *s, uint64_t limit,
    uint64_t last, evlog_error *err);

/* Adds those of the segments of the log before the one with event `first`.  The segments
 * must have been listed. */
int cursor_set_before(
    struct cursor_set *set, const struct log *l, uint64_t first, evlog_error *err);

/* Writes the extensions for a header.  Check failed and full after it. */
void cursor_set_write(struct cursor_set *set, struct buf *out);
void cursor_set_free(struct cursor_set *set);

/* Whether a header has the latest cursors of all segments up to its own. */
bool cursors_are_all(struct view extensions);

#endif
