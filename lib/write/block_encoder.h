/* block_encoder.h - the blocks of a commit. */
#ifndef WRITE_BLOCK_ENCODER_H
#define WRITE_BLOCK_ENCODER_H

#include "recover/log.h"
#include "write/batch.h"

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
