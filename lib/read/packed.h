/* packed.h - blocks that are delivered as they are stored, so that whoever uses their
 * lines decompresses them, on any thread. */
#ifndef READ_PACKED_H
#define READ_PACKED_H

#include "format/block.h"

/* Zero-initialise. */
struct packed_block {
	bool there;
	struct block b;
	struct buf frame,
	    path; /* path: of the segment's file, for messages; with a NUL */
};

/* Fills it, except for `there`.  Returns false if out of memory. */
bool packed_set(
    struct packed_block *p, const struct block *b, const char *frame, const char *path);

/* Decompresses its lines, replacing what `lines` has. */
int packed_unpack(const struct packed_block *p, struct block_codec *c, struct buf *lines,
    evlog_error *err);

void packed_free(struct packed_block *p);

#endif
