/* reader_internal.h - the parts of a log reader: going on, and passing over. */
#ifndef READ_READER_INTERNAL_H
#define READ_READER_INTERNAL_H

#include "format/index.h"
#include "read/decoder_pool.h"
#include "read/reader.h"

#define SMALL  (4u << 10)   /* bytes of a block: many of them are read at once */
#define SPARSE (24u << 10)  /* for a block here and there, or many small ones */
#define STREAM (384u << 10) /* and when reading all */

struct log_reader {
	struct log log;
	struct bounds bounds;
	bool reverse, salvage;
	struct block_codec *codec;

	struct log_end end;

	bool skipping;	    /* there is a bound for which blocks are passed over */
	size_t hop;	    /* how much is read behind a header, to pass over it */
	bool unindexed;	    /* an index that would have told which is not there */
	struct segment seg; /* fd -1: none open */
	struct index index; /* of seg, if it is sealed and blocks are passed over */
	size_t at_segment;  /* which of log.segments it is */
	uint64_t at;	/* next block; going backwards: the one to read; 0: none left */
	uint64_t limit; /* end of the committed bytes in seg */
	bool salvaging; /* in seg, behind damage: whatever is whole counts */
	uint64_t tried; /* bytes of it that were tried, and were not whole */
	uint64_t next_seq; /* that of the block at `at`, going forwards */
	uint64_t epoch;	   /* of the block before it, and the root after that */
	unsigned char root[HASH_SIZE];
	bool rooted;		 /* both are known */
	uint64_t emitted;	 /* last seq delivered */
	bool finished, anywhere; /* anywhere: next_seq is not known yet */

	unsigned threads;
	struct decoder_pool *pool; /* NULL: not yet, or one thread is enough */
	uint64_t ahead_at;	   /* behind the last block handed in, */
	uint64_t ahead_seq;	   /* and the seq there, */
	bool ahead_next;	   /* in `next` */
	struct segment
	    next; /* the one behind seg, and its index; fd -1: it is not open */
	struct index next_index;

	struct buf lines;
	evlog_error verdict; /* code 0: none */
	uint64_t done, total;
};

/* ---- reader_segment.c ---- */

/* The segment that a seq is in, or would be. */
size_t segment_index(const struct log_reader *r, uint64_t seq);

/* Finds where the committed bytes of the open segment end. */
int reader_limit(struct log_reader *r, uint64_t *last_block, evlog_error *err);

/* Opens the segment at `index` of the log's, and finds its committed end. */
int reader_segment(
    struct log_reader *r, size_t index, uint64_t *last_block, evlog_error *err);

/* The same, going forwards: what stands before it must lead there. */
int reader_enter(struct log_reader *r, size_t index, evlog_error *err);

/* Keeps the first thing that was found wrong, for the end. */
void verdict_keep(struct log_reader *r, const evlog_error *err);

/* ---- salvage.c ---- */

/* Behind damage, with --salvage: the lines of whatever is whole in this segment, then of
 * the next one; none where there are more to come. */
int salvage_next(struct log_reader *r, struct evlog_lines *lines, evlog_error *err);

/* ---- bounds.c ---- */

/* Whether a block begins behind `to` or `until`. */
bool block_beyond(const struct bounds *b, const struct block *k);

/* Cuts lines outside the seq and logtime bounds off both ends of a block's lines. */
void lines_trim(const struct bounds *b, const struct block *k, struct evlog_lines *l);

/* ---- backward.c ---- */

/* Going backwards: begins, and the lines of the next block that has any. */
int reverse_begin(struct log_reader *r, evlog_error *err);
int reverse_next(struct log_reader *r, struct evlog_lines *lines, evlog_error *err);

/* ---- skip.c ---- */

/* Whether the index, or the header of a block, rules it out by times, types and subjects.
 */
int block_is_outside(
    struct log_reader *r, const struct block *b, bool *outside, evlog_error *err);

/* Moves a place to the next block that the index of a segment with this seal does not
 * rule out, or to the segment's end.  false: it is there. */
bool index_next(const struct bounds *b, const struct index *x, const struct seal *seal,
    uint64_t *at, uint64_t *seq);

/* With r->index: goes to the next block that it does not rule out, or to the segment's
 * end; or back, or out of the segment. */
void index_skip(struct log_reader *r);
void index_skip_back(struct log_reader *r);

/* ---- readahead.c ---- */

/* Hands in what follows, as far as it will be delivered. */
void readahead_fill(struct log_reader *r);

/* Whether the segment to be opened, log.segments[at_segment], was opened to look ahead:
 * it is the open one then.  If not, what was handed in is dropped. */
bool readahead_enter(struct log_reader *r);
void readahead_close(struct log_reader *r);

/* How much is read behind a header: what follows is wanted, too, or it is not. */
size_t header_ahead(const struct log_reader *r);

/* The same going from this header to the next one: its extensions, or, where blocks are
 * small, many of them. */
size_t hop_after(const struct block *b);

/* Without an index: goes near the first block that from and since do not rule out. */
int segment_seek(struct log_reader *r, evlog_error *err);

#endif
