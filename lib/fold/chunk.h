/* chunk.h - the events of a block, each with its key and the values at the fold's paths;
 * found by any thread, before the events are folded in order. */
#ifndef FOLD_CHUNK_H
#define FOLD_CHUNK_H

#include "fold/fold.h"
#include "read/packed.h"

struct item {
	struct evlog_event e; /* without its logtime */
	struct view key;      /* in the lines or in the chunk's keys; empty: none */
	uint64_t hash;
	bool canonical; /* the key is in the chunk's keys */
	bool bad;	/* the line is not JSON */
};

/* Zero-initialise, except for `start`. */
struct chunk {
	struct packed_block packed; /* if it is there, the lines are still in it */
	struct buf lines, keys;
	struct path_guesses guesses;
	struct item *items;
	struct json_text *found; /* the fold's `slots` for each item */
	uint32_t *order;	 /* the items by part, */
	size_t *start;		 /* and where those of each part start, and all end */
	size_t n, cap;
	bool failed;
	evlog_error why; /* of what failed */
};

/* Makes room for this many parts.  Returns false if out of memory. */
bool chunk_init(struct chunk *c, unsigned parts);
void chunk_free(struct chunk *c);

/* Fills items, found, order and start from the block or the lines.  *codec, NULL at
 * first, belongs to the thread. */
void chunk_scan(
    struct chunk *c, const evlog_fold *f, unsigned parts, struct block_codec **codec);

/* To which of n parts the keys with a hash belong. */
static inline size_t part_of(uint64_t hash, unsigned n)
{
	return (hash & 0xffff) * n >> 16;
}

#endif
