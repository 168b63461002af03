/* index.h - the index after the blocks of a sealed segment: where they are, and which
 * types and subjects they may contain. */
#ifndef FORMAT_INDEX_H
#define FORMAT_INDEX_H

#include "format/filter.h"
#include "format/segment.h"

/* ---- Writing ---- */

/* Zero-initialise. */
struct index_builder {
	struct buf table, seek;
	struct buf filters, sizes; /* of the blocks, and the size of each filter */
	struct buf tiles;	   /* of the segment */
	uint32_t kinds;		   /* of keys that all filters have */
	uint32_t blocks, frames;
};

/* Adds a frame of the file to the seek table: its size on disk and decompressed. */
void index_frame(struct index_builder *x, size_t packed, size_t raw);

/* Adds a block with its filter, and its two frames. */
void index_block(struct index_builder *x, const struct block *b, struct view filter);

/* Appends the index and the seek table to out. */
void index_write(
    struct index_builder *x, const struct segment_header *h, struct buf *out);
void index_builder_free(struct index_builder *x);

/* ---- Reading ---- */

/* An open index: its table in memory, its rows read on demand. */
struct index {
	bool open;		  /* false: there is no index */
	int fd;			  /* of the segment, not owned */
	uint64_t at, rows;	  /* offsets of the index and of its rows in the file */
	uint32_t size;		  /* without its first 8 bytes */
	unsigned char *table;	  /* everything before the rows, */
	unsigned char *rows_read; /* and after it the last group read */
	uint32_t blocks, bits;	  /* there is a row for each bit of a filter */
	uint32_t group;		  /* rows with a common checksum */
	uint32_t fixed;		  /* bytes before the table */
	uint32_t kinds;		  /* of keys that the filters have */
	uint64_t tiles;		  /* how many tiles there are, */
	uint64_t tiles_at;	  /* and their offset in the file */
	size_t width;		  /* bytes of a row: one bit for each block */
	unsigned char *found;	  /* a row of the blocks that match; NULL: all do */
};

/* Reads the index of a sealed segment and, unless w is NULL, searches it.  The segment
 * must stay open as long as the index.  Returns EVLOG_END if there is no index, or if a
 * part that was needed is damaged. */
int index_open(struct index *x, const struct segment *s, const struct filter_wanted *w,
    evlog_error *err);
void index_close(struct index *x);

/* Whether the whole index is intact, and followed by the seek table of these frames and
 * then the end of the file. */
bool index_ends(const struct index *x, struct index_builder *frames);

/* Appends tiles [from, to) of the segment to out.  Returns EVLOG_END if they are damaged
 * or not there. */
int index_tiles(
    const struct index *x, uint64_t from, uint64_t to, struct buf *out, evlog_error *err);

/* Gets what the table records about block i: offset, first_seq and times. */
void index_entry(const struct index *x, uint32_t i, struct block *b);

/* Whether block i may contain what was searched for. */
bool index_match(const struct index *x, uint32_t i);

/* The first such block from i on; x->blocks or more if there is none. */
uint32_t index_next_match(const struct index *x, uint32_t i);

/* The last block whose first seq is at or before `seq`. */
uint32_t index_find(const struct index *x, uint64_t seq);

#endif
