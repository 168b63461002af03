/* root_tracker.h - computes the root of a log after any event that a reader has
 * passed. */
#ifndef READ_ROOT_TRACKER_H
#define READ_ROOT_TRACKER_H

#include "format/merkle.h"
#include "read/reader.h"

/* A tree, and leaves that it has not been moved over yet. */
struct root_tracker {
	const char *path;  /* of the log */
	uint64_t max_line; /* as in struct bounds */
	struct log_identity who;
	struct merkle tree; /* up to the last root_tracker_to */
	unsigned char (*leaf)[HASH_SIZE];
	size_t first, n, cap; /* leaves after tree.n: leaf[first..n) */
	uint64_t seen;	      /* the last seq added */
};

/* Starts at `at`, a position in this log.  If that has no hashes, the tree is made when
 * the first lines come, from the lines before them in their segment.  `path` must outlive
 * it. */
int root_tracker_begin(struct root_tracker *t, const char *path, uint64_t max_line,
    const struct evlog_position *at, evlog_error *err);
void root_tracker_end(struct root_tracker *t);

/* Adds stored lines, in order and without gaps. */
int root_tracker_lines(
    struct root_tracker *t, const struct evlog_lines *lines, evlog_error *err);

/* Gets the position after event `seq`, which must be at or after the last one asked for
 * and at most `seen`. */
int root_tracker_to(
    struct root_tracker *t, uint64_t seq, struct evlog_position *at, evlog_error *err);

#endif
