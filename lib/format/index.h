/* index.h - what stands behind the blocks of a sealed segment: where they are, and which
 * types and subjects they may hold. */
#ifndef FORMAT_INDEX_H
#define FORMAT_INDEX_H

#include "format/filter.h"
#include "format/segment.h"

/* ---- Writing ---- */

/* Zero-initialise. */
struct index_builder {
	struct buf table, seek;
	struct buf filters, sizes; /* of the blocks, and the size of each */
	uint32_t blocks, frames;
};

/* A frame of the file, for the seek table: its size, and that of what it holds. */
void index_frame(struct index_builder *x, size_t packed, size_t raw);

/* A block, and its filter. */
void index_block(struct index_builder *x, const struct block *b, struct view filter);

/* Adds the index and the seek table to out. */
void index_write(
    struct index_builder *x, const struct segment_header *h, struct buf *out);
void index_builder_free(struct index_builder *x);

/* ---- Reading ---- */

/* An index: its table, and where its rows are. */
struct index {
	bool open;		  /* false: there is none */
	int fd;			  /* the segment's */
	uint64_t at, rows;	  /* where the index begins in it, and its rows */
	uint32_t size;		  /* what follows its first 8 bytes */
	unsigned char *table;	  /* all that stands before the rows, */
	unsigned char *rows_read; /* and the last group that was read */
	uint32_t blocks, bits;	  /* a row for each bit of a filter, */
	uint32_t group;		  /* so many with one checksum */
	size_t width;		  /* bytes of a row: a bit for each block */
	unsigned char *found; /* a row of those that may hold what is wanted; NULL: all */
};

/* Reads the index of a sealed segment, and looks for what is wanted (NULL: all).  The
 * segment must stay open as long as the index.
 * EVLOG_END: there is no index, or it is damaged where it was looked at. */
int index_open(struct index *x, const struct segment *s, const struct filter_wanted *w,
    evlog_error *err);
void index_close(struct index *x);

/* Whether all of it is whole, and behind it stands the seek table of these frames, and
 * nothing else. */
bool index_ends(const struct index *x, struct index_builder *frames);

/* What the table says of block i: offset, first_seq and the times. */
void index_entry(const struct index *x, uint32_t i, struct block *b);

/* Whether block i may hold what was wanted. */
bool index_match(const struct index *x, uint32_t i);

/* The first block from i on that may; if none, x->blocks or more. */
uint32_t index_next_match(const struct index *x, uint32_t i);

/* The last block that begins at or before this seq. */
uint32_t index_find(const struct index *x, uint64_t seq);

#endif
