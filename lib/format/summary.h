/* summary.h - summaries: filters over many small blocks, so that a search in a segment
 * that is not sealed need not read the header of each. */
#ifndef FORMAT_SUMMARY_H
#define FORMAT_SUMMARY_H

#include "format/filter.h"

#define SUMMARY_SPAN (256u << 10) /* the first block in each so many bytes has one */

/* Whether a block at `offset` has a summary; before: the offset of the block before it,
 * 0 if there is none. */
static inline bool summary_is_due(uint64_t offset, uint64_t before)
{
	return before && offset / SUMMARY_SPAN != before / SUMMARY_SPAN;
}

/* The summary in a block header: of the blocks from `distance` bytes before that block up
 * to it, without it. */
struct summary {
	uint32_t distance;
	uint32_t kinds;	    /* of keys in the filter */
	struct view filter; /* of their lines; empty: it excludes nothing */
};

/* Gets the summary from the extensions of a block header.  Returns false if there is
 * none. */
bool summary_find(struct view extensions, struct summary *s);

/* Appends a summary as an extension. */
void summary_write(const struct summary *s, struct buf *out);

#endif
