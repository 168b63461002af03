/* reader_internal.h - shared by the files that make up a log reader. */
#ifndef READ_READER_INTERNAL_H
#define READ_READER_INTERNAL_H

#include "format/index.h"
#include "read/decoder_pool.h"
#include "read/reader.h"
#include "recover/catalogues.h"

#define SMALL  (4u << 10)   /* blocks below this are read many at a time */
#define SPARSE (24u << 10)  /* read-ahead if few blocks are wanted, or many small ones */
#define STREAM (384u << 10) /* read-ahead if all are wanted */

/* A part of a segment that has nothing that is wanted, up to the block at `to`. */
struct gap {
	uint64_t from, to; /* offsets */
	uint64_t seq;	   /* of the block at `to` */
};

struct log_reader {
	struct log log;
	struct bounds bounds;
	bool reverse, salvage;
	struct block_codec *codec;

	struct log_end end;
	unsigned char lineage[HASH_SIZE]; /* zeros: not asked for yet, or not known */

	struct scope *scope; /* what catalogues rule out; NULL: nothing */
	bool skipping;	     /* a bound may rule out blocks */
	size_t run;	     /* blocks in a row that were not ruled out */
	size_t hop;	     /* bytes to read with a header when skipping blocks */
	bool unindexed;	     /* an index that was needed is missing */
	struct segment seg;  /* fd -1: none open */
	struct index index;  /* of seg, if sealed and skipping */
	size_t at_segment;   /* position of seg in log.segments */
	uint64_t at;	     /* next block; backwards, the one to read; 0: none left */
	size_t back;	     /* bytes to read at once, going backwards; 0: not begun */
	uint64_t limit;	     /* end of the committed bytes in seg */
	bool salvaging;	     /* in seg after damage: deliver whatever is intact */
	uint64_t tried;	     /* bytes of seg tried and found damaged */
	uint64_t next_seq;   /* of the block at `at`, when going forwards */
	uint64_t epoch;	     /* of the block before it, like root */
	unsigned char root[HASH_SIZE];
	bool rooted;		 /* epoch and root are known */
	uint64_t emitted;	 /* last seq delivered */
	struct block carried;	 /* for cursors: the last block delivered */
	bool finished, anywhere; /* anywhere: next_seq is not yet known */

	unsigned threads;
	struct decoder_pool *pool; /* NULL: not yet created, or one thread is enough */
	uint64_t ahead_at;	   /* offset after the last block put in the pool, */
	uint64_t ahead_seq;	   /* the seq there, */
	bool ahead_next;	   /* and whether they are in `next` */
	struct segment next;	   /* the segment after seg; fd -1: not open */
	struct index next_index;

	struct gap *gaps; /* of seg, by summaries; the last one comes next */
	size_t n_gaps, cap_gaps;

	struct packed_block *packed; /* where to put a block as it is; NULL: decompress */
	struct buf lines, cursors;
	evlog_error verdict; /* code 0: none */
	uint64_t done, total;
};

/* ---- reader_segment.c ---- */

/* The index in log.segments of the segment that contains, or would contain, a seq. */
size_t segment_index(const struct log_reader *r, uint64_t seq);

/* Finds where the committed bytes of the open segment end. */
int reader_limit(struct log_reader *r, uint64_t *last_block, evlog_error *err);

/* A segment of the list is not there.  Lists again: 0: now it is, in the archive;
 * EVLOG_EMISMATCH: it was removed from the beginning of the log; else EVLOG_EDAMAGED. */
int reader_lost(struct log_reader *r, uint64_t first, evlog_error *err);
int reader_removed(const struct log_reader *r, evlog_error *err);

/* Opens log.segments[index] and finds its committed end. */
int reader_segment(
    struct log_reader *r, size_t index, uint64_t *last_block, evlog_error *err);

/* The same when going forwards; checks that it continues what came before. */
int reader_enter(struct log_reader *r, size_t index, evlog_error *err);

/* Keeps the first problem, to be reported at the end. */
void verdict_keep(struct log_reader *r, const evlog_error *err);

/* ---- salvage.c ---- */

/* After damage, with --salvage: delivers the next intact lines of this segment, or moves
 * to the next one.  lines->len can be 0 although more follows. */
int salvage_next(struct log_reader *r, struct evlog_lines *lines, evlog_error *err);

/* ---- scope.c ---- */

/* Asks the catalogues for what the bounds want. */
int scope_make(struct log_reader *r, evlog_error *err);
void scope_free(struct scope *s);

/* Gets what is said of log.segments[index] if it has nothing that is wanted; otherwise
 * NULL. */
const struct catalogue_segment *scope_excludes(struct log_reader *r, size_t index);

/* Whether it is known which blocks of a segment may have the wanted ids. */
bool scope_has_ids(struct log_reader *r, uint64_t first_seq);

/* Opens the index of a sealed segment, for what is wanted.  EVLOG_END: it has none. */
int reader_index(
    struct log_reader *r, const struct segment *seg, struct index *x, evlog_error *err);

/* ---- carried.c ---- */

/* Adds to the lines of block b, which has just been read, what a compressed stream must
 * carry: its cursors, and whether its commit goes on. */
int lines_carry(struct log_reader *r, const struct block *b, struct evlog_lines *lines,
    evlog_error *err);

/* ---- bounds.c ---- */

/* Whether a block starts after `to` or `until`. */
bool block_beyond(const struct bounds *b, const struct block *k);

/* Trims the lines of block k to the bounds of seq and logtime. */
void lines_trim(const struct bounds *b, const struct block *k, struct evlog_lines *l);

/* ---- backward.c ---- */

/* Start reading backwards, and get the lines of the next block that has some. */
int reverse_begin(struct log_reader *r, evlog_error *err);
int reverse_next(struct log_reader *r, struct evlog_lines *lines, evlog_error *err);

/* ---- skip.c ---- */

/* Whether a block's header or filter rules it out. */
int block_is_outside(
    struct log_reader *r, const struct block *b, bool *outside, evlog_error *err);

/* Moves *at and *seq to the next block that the index does not rule out, or to the end of
 * the segment.  Returns false if they are there already. */
bool index_next(const struct bounds *b, const struct index *x, const struct seal *seal,
    uint64_t *at, uint64_t *seq);

/* Use r->index to move to the next (or previous) block that it does not rule out, or to
 * the segment's end (or out of it). */
void index_skip(struct log_reader *r);
void index_skip_back(struct log_reader *r);

/* ---- summaries.c ---- */

/* Finds what summaries rule out of the open segment, which has no index, between r->at
 * and the last block. */
int summaries_load(struct log_reader *r, uint64_t last_block, evlog_error *err);

/* Moves to the end of the part that is ruled out, if r->at is in one. */
void summaries_skip(struct log_reader *r);

/* Backwards: the same, after block b. */
int summaries_skip_back(struct log_reader *r, const struct block *b, evlog_error *err);

/* ---- readahead.c ---- */

/* Fills the pool with the blocks that will be delivered next. */
void readahead_fill(struct log_reader *r);

/* If log.segments[at_segment] is already open in `next`, makes it the open segment and
 * returns true.  Otherwise empties the pool. */
bool readahead_enter(struct log_reader *r);
void readahead_close(struct log_reader *r);

/* Whether b is the first block of the pool: then it is wanted. */
bool readahead_has(const struct log_reader *r, const struct block *b);

/* How many bytes to read along with a header: few if the next blocks will likely be
 * skipped. */
size_t header_ahead(const struct log_reader *r);

/* The same when skipping block b: enough for the next header's extensions, or, if blocks
 * are small, for several blocks. */
size_t hop_after(const struct block *b);

/* Without an index: moves close to the first block that from and since do not rule
 * out. */
int segment_seek(struct log_reader *r, evlog_error *err);

#endif
