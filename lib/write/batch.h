/* batch.h - events that wait for a commit, or are being committed. */
#ifndef WRITE_BATCH_H
#define WRITE_BATCH_H

#include "event/intake.h"
#include "format/filter.h"

/* One event; offsets into raw. */
struct pending {
	size_t offset, len;	/* with stamp and newline */
	uint64_t type, subject; /* keys; subject 0: none; type 0: they are not known */
	int64_t time;
	uint64_t seq; /* replica */
	int64_t logtime;
	const char *name;
	uint64_t line_no;
};

/* Zero-initialise. */
struct batch {
	struct buf raw;	     /* lines with room for their stamps */
	struct pending *at;  /* those that are left */
	struct pending *all; /* and what was dropped before them */
	size_t n, cap;
	char **names; /* of inputs, that the events point to */
	size_t n_names;
};

void batch_free(struct batch *b);

/* Adds an event whose line is the end of raw, from `start` on.  false: no memory, and raw
 * is as before it. */
bool batch_add(struct batch *b, size_t start, const struct intake_event *e,
    const char *name, uint64_t line_no);

/* Takes the first n events out, in no time: their bytes stay until all are. */
void batch_drop(struct batch *b, size_t n);

/* How many events from `i` on, of n, make a block of `size` bytes at most, or of one
 * event; and their bytes. */
size_t batch_block(const struct batch *b, size_t i, size_t n, size_t size, size_t *bytes);

/* Moves what makes whole blocks of that size to `to`, which is empty; the rest stays,
 * unless it is all there is, or there is no memory for it. */
void batch_split(struct batch *b, size_t size, struct batch *to);

#endif
