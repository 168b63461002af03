/* root_tracker.h - the root of a log at any event that a reader has passed. */
#ifndef READ_ROOT_TRACKER_H
#define READ_ROOT_TRACKER_H

#include "format/merkle.h"
#include "format/segment.h"

/* Leaves that wait for the tree to be moved over them. */
struct root_tracker {
	const char *path;  /* of the log */
	uint64_t max_line; /* as in struct bounds */
	unsigned char log_id[LOG_ID_SIZE];
	struct merkle tree; /* as far as the place was moved */
	unsigned char (*leaf)[HASH_SIZE];
	size_t first, n, cap; /* those behind tree.n: leaf[first..n) */
	uint64_t seen;	      /* the last seq that was added */
};

/* `at` is where to begin, of this log, or has no hashes: then the tree is made when the
 * first lines come, from those of the segment before them.  `path` must outlive it. */
int root_tracker_begin(struct root_tracker *t, const char *path, uint64_t max_line,
    const struct evlog_position *at, evlog_error *err);
void root_tracker_end(struct root_tracker *t);

/* Takes in stored lines, in order and without gaps. */
int root_tracker_lines(
    struct root_tracker *t, const struct evlog_lines *lines, evlog_error *err);

/* The place behind event `seq`, not before the last one asked for, nor behind `seen`. */
int root_tracker_to(
    struct root_tracker *t, uint64_t seq, struct evlog_position *at, evlog_error *err);

#endif
