/* block_encoder.h - the blocks of a commit. */
#ifndef WRITE_BLOCK_ENCODER_H
#define WRITE_BLOCK_ENCODER_H

#include "recover/log.h"
#include "write/batch.h"

/* What makes them: threads, and what these keep from one commit to the next. */
struct block_encoder;

/* NULL: no memory.  threads 0: one. */
struct block_encoder *block_encoder_new(unsigned threads, int level);
void block_encoder_free(struct block_encoder *s);

/* How large the next ones are to be. */
size_t block_encoder_gather(const struct block_encoder *s);

/* What a commit's blocks have in common. */
struct block_encoder_kind {
	bool replica;	    /* lines are stamped */
	uint32_t flags;	    /* of each */
	struct view cursor; /* an extension of the last one */
	uint64_t synced_upto;
};

/* Stamps the first n events of b, hashes, compresses and writes them to `seg`, behind *h,
 * and moves *h on: to be told when they are synced. */
int block_encoder_write(struct block_encoder *s, struct batch *b, size_t n,
    const struct block_encoder_kind *kind, struct segment *seg, struct head *h,
    evlog_error *err);

#endif
