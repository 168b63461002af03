/* log.h - a log directory: what is in it, and where its committed end is. */
#ifndef RECOVER_LOG_H
#define RECOVER_LOG_H

#include "format/segment.h"

/* An open log directory.  Segments are named by their first seqs, ascending. */
struct log {
	char *path;
	int dir_fd, head_fd; /* head_fd -1: there is no head */
	enum head_state state;
	struct head head;
	unsigned char log_id[LOG_ID_SIZE]; /* a reader's: head's, or the last segment's */
	uint64_t *segments;
	size_t n;
};

/* Opens the directory and head (O_RDWR if writable).  EVLOG_ENOINPUT: there is no
 * such directory.  head is not read yet. */
int log_open(struct log *l, const char *path, bool writable, evlog_error *err);
void log_close(struct log *l);

/* Whether a segment with this first seq was listed; and the first of those listed that
 * begins after `first`; 1 if there is none, so that one less is 0, "unknown". */
bool log_has(const struct log *l, uint64_t first);
uint64_t log_after(const struct log *l, uint64_t first);

/* Lists the segments again. */
int log_list(struct log *l, evlog_error *err);

/* Whether the directory has neither head nor segments, but other things: *empty is
 * set when it has nothing at all. */
int log_is_foreign(struct log *l, bool *foreign, bool *empty, evlog_error *err);

/* Where the committed bytes of a log end. */
struct log_end {
	uint64_t segment; /* first seq of the last segment that counts */
	uint64_t offset;  /* behind its last committed byte */
	uint64_t block;	  /* offset of its last block; 0: it has none */
	uint64_t seq;	  /* the last one */
	unsigned char root[HASH_SIZE];
};

void log_end_of_head(const struct head *h, struct log_end *e);
void log_end_of_seal(const struct segment *s, struct log_end *e);

/* Finds it for a reader: head and segments have been read.  *verdict gets EVLOG_EDAMAGED
 * if head is not whole, which ends no reading. */
int log_end_find(struct log *l, struct block_codec *c, struct log_end *e,
    evlog_error *verdict, evlog_error *err);

/* The tail of a segment, walked block by block from a position that is known good. */
struct tail {
	uint64_t end;	     /* behind the last whole commit */
	uint64_t last_block; /* offset of that commit's last block; 0: none */
	uint64_t parsed;   /* the first byte that does not parse: X of evlog-format(5) */
	uint64_t attested; /* the most that a valid header says is synced */
	uint64_t size;	   /* of the file */
	int64_t last_logtime;
	uint64_t epoch;
	struct merkle tree; /* after `end`; only tree.n if hashing was not asked for */
	unsigned char root[HASH_SIZE];
	bool nothing;	  /* no block header of this segment after the start */
	bool full_length; /* what stands at `parsed` is whole in length, yet bad, and
			     no sector of it is zero: no crash makes that */
	char why[128];	  /* why it does not parse */
};

/* Walks from t->end (fill end, last_block, tree, last_logtime, epoch, root before).
 * With `s` NULL lines are not hashed and roots not compared.  Only system errors
 * are errors. */
int tail_scan(struct segment *seg, struct block_codec *c, bool roots, struct tail *t,
    evlog_error *err);

/* Whether a segment with a bad header is one whose creation broke off: shorter than a
 * header can be, and without any block.  (Nor may there be a segment behind it.) */
int segment_is_unfinished(struct segment *seg, bool *unfinished, evlog_error *err);

/* Finds the next valid block header of this segment at or behind `offset`: its offset
 * or `limit`. */
int tail_resync(struct segment *seg, uint64_t offset, uint64_t limit, struct block *b,
    uint64_t *found, evlog_error *err);

#endif
