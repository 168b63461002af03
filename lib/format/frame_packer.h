/* frame_packer.h - what a compressed stream carries beside its lines. */
#ifndef FORMAT_FRAME_PACKER_H
#define FORMAT_FRAME_PACKER_H

#include "format/segment.h"

/* Says what is known of the log before the first line: the tree of n events, the logtime
 * of event n, the lineage, and the latest cursors, as extensions.  If the first line is
 * event n + 1, the stream is the log from there on.  Otherwise, it is an extract. */
int packer_origin(evlog_packer *k, const struct merkle *tree, int64_t logtime,
    const unsigned char lineage[HASH_SIZE], struct view cursors, evlog_error *err);

/* Says that there may be gaps, so that the stream is an extract from its beginning. */
void packer_extract(evlog_packer *k);

#endif
