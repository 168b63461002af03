/* block_encoder.h - encodes the blocks of a commit with several threads. */
#ifndef WRITE_BLOCK_ENCODER_H
#define WRITE_BLOCK_ENCODER_H

#include "recover/log.h"
#include "write/batch.h"

/* Keeps threads' codecs and buffers from one commit to the next. */
struct block_encoder;

/* threads 0: one.  Returns NULL if out of memory. */
struct block_encoder *block_encoder_new(unsigned threads, int level);
void block_encoder_free(struct block_encoder *s);

/* How many bytes of lines to gather for the next block. */
size_t block_encoder_gather(const struct block_encoder *s);

/* What the blocks of a commit have in common. */
struct block_encoder_kind {
	bool replica;		   /* lines are stamped already */
	uint32_t flags;		   /* of each block */
	struct view cursor;	   /* the extension for the last block */
	const unsigned char *root; /* that the log must have after it; NULL: any */
	uint64_t synced_upto;
};

/* EVLOG_EMISMATCH: the root would be another one; the last block was not written.
 *
 * Stamps, hashes and compresses the first n events of b, and writes their blocks to `seg`
 * after *h.  Updates *h, which the caller records once the blocks are synced.  After a
 * failure, blocks may have been written. */
int block_encoder_write(struct block_encoder *s, struct batch *b, size_t n,
    const struct block_encoder_kind *kind, struct segment *seg, struct head *h,
    evlog_error *err);

#endif
