/* blocks.h - the blocks of a commit. */
#ifndef STORE_BLOCKS_H
#define STORE_BLOCKS_H

#include "store/batch.h"
#include "store/log.h"

/* What makes them: threads, and what these keep from one commit to the next. */
struct blocks;

/* NULL: no memory.  threads 0: one. */
struct blocks *blocks_new(unsigned threads, int level);
void blocks_free(struct blocks *s);

/* How large the next ones are to be. */
size_t blocks_gather(const struct blocks *s);

/* What a commit's blocks have in common. */
struct blocks_kind {
	bool replica;	    /* lines are stamped */
	uint32_t flags;	    /* of each */
	struct view cursor; /* an extension of the last one */
	uint64_t synced_upto;
};

/* Stamps the first n events of b, hashes, compresses and writes them to `seg`, behind *h,
 * and moves *h on: to be told when they are synced. */
int blocks_write(struct blocks *s, struct batch *b, size_t n,
    const struct blocks_kind *kind, struct segment *seg, struct head *h,
    evlog_error *err);

#endif
