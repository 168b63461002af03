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
	uint64_t seq; /* for a replica; so are the next three */
	int64_t logtime;
	bool leaf;    /* may be only its leaf */
	bool partial; /* more events of the same commit follow */
	const char *name;
	uint64_t line_no;
};

/* Zero-initialise. */
struct batch {
	struct buf raw;	     /* lines, with room for their stamps */
	struct pending *at;  /* the remaining events, */
	struct pending *all; /* and, before them, those that were dropped */
	size_t n, cap;
	size_t whole; /* for a replica: up to the end of a commit */
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

/* Drops the events after the first n, and their bytes. */
void batch_keep(struct batch *b, size_t n);

/* Counts the events in [i, n) that fit into a block of `size` bytes, but at least one,
 * and their bytes.  Those that may be only their leaves have blocks of their own. */
size_t batch_block(const struct batch *b, size_t i, size_t n, size_t size, size_t *bytes);

/* How many events fill whole blocks of `size` bytes; all, if that is none. */
size_t batch_whole(const struct batch *b, size_t size);

/* Moves the first n events to `to`, which must be empty.  Returns false, and moves
 * nothing, if there is no memory for the rest. */
bool batch_cut(struct batch *b, size_t n, struct batch *to);

#endif
