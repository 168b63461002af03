/* batch.h - events that are pending, or being committed. */
#ifndef WRITE_BATCH_H
#define WRITE_BATCH_H

#include "event/intake.h"
#include "format/filter.h"

/* One event; offsets into raw. */
struct pending {
	size_t offset, len;	 /* with stamp and newline */
	uint64_t key[KEY_KINDS]; /* as in filters; 0: none */
	bool keys_known;
	int64_t time;
	uint64_t seq; /* for a replica; so is logtime */
	int64_t logtime;
	const char *name;
	uint64_t line_no;
};

/* Zero-initialise. */
struct batch {
	struct buf raw;	     /* lines, with room for their stamps */
	struct pending *at;  /* the remaining events, */
	struct pending *all; /* and, before them, those that were dropped */
	size_t n, cap;
	char **names; /* names of the inputs, which the events point to */
	size_t n_names;
};

void batch_free(struct batch *b);

/* Adds an event whose line is raw[start..).  Returns false if out of memory; raw is then
 * truncated to `start`. */
bool batch_add(struct batch *b, size_t start, const struct intake_event *e,
    const char *name, uint64_t line_no);

/* Drops the first n events in constant time.  Their bytes stay until all are dropped. */
void batch_drop(struct batch *b, size_t n);

/* Counts the events in [i, n) that fit into a block of `size` bytes, but at least one,
 * and their bytes. */
size_t batch_block(const struct batch *b, size_t i, size_t n, size_t size, size_t *bytes);

/* Moves the events that fill whole blocks of `size` bytes to `to`, which must be empty.
 * The rest stays, unless there is nothing else to move or no memory for it. */
void batch_split(struct batch *b, size_t size, struct batch *to);

#endif
