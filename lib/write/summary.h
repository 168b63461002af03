/* summary.h - makes summaries of the blocks that were written before. */
#ifndef WRITE_SUMMARY_H
#define WRITE_SUMMARY_H

#include "format/segment.h"

/* Appends to `out` the summary, as an extension, of the block that is to be written at
 * h->committed, if it has one.  Reads the blocks of `seg` that it is about; if that
 * fails, there is none, because it only saves time. */
void summary_make(struct segment *seg, const struct head *h, struct block_codec *codec,
    struct buf *out);

#endif
