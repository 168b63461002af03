/* dedup.h - the parts of deduplication: keys, and blocks in which an event may be. */
#ifndef WRITE_DEDUP_H
#define WRITE_DEDUP_H

#include "format/index.h"
#include "recover/catalogues.h"

/* Source and id of an event.  Zero-initialise. */
struct dedup_key {
	struct buf id, source;
	uint64_t hash;	      /* of both */
	uint64_t fingerprint; /* in catalogues */
};

int dedup_key_get(struct dedup_key *k, const char *line, size_t len, evlog_error *err);
void dedup_key_free(struct dedup_key *k);

/* The hash alone; `scratch` is a set without keys. */
uint64_t dedup_line_hash(struct filter_keys *scratch, const char *line, size_t len);

/* The lines that were read last, with a table of them. */
struct dedup_block {
	uint64_t max_line;
	struct block_codec *codec; /* NULL: none yet */
	struct segment seg;
	struct index index;
	uint64_t segment; /* the lines are block `number` of it; 0: of none */
	uint32_t number;
	bool there, leaves;
	uint64_t upto; /* seq of the last line */
	struct buf lines;
	uint32_t *table; /* 1 + offset in lines; 0: free */
	size_t slots;
	struct filter_keys scratch;
	struct dedup_key key;
};

void dedup_block_init(struct dedup_block *b);
void dedup_block_close(struct dedup_block *b); /* it can be used again */
void dedup_block_free(struct dedup_block *b);

/* Reads a block, whose number is counted over all segments of the catalogue.
 * EVLOG_EDAMAGED: the catalogue does not fit the segment, or it cannot be read. */
int dedup_block_read(struct dedup_block *b, const struct log *l,
    const struct catalogue *c, uint32_t number, evlog_error *err);

/* Reads the lines from event `seq` to the end of its block. */
int dedup_lines_read(
    struct dedup_block *b, const struct log *l, uint64_t seq, evlog_error *err);

/* Gets the next line in the block with this key; *at is 0 at first.  EVLOG_END: there is
 * none. */
int dedup_block_find(struct dedup_block *b, const struct dedup_key *key, uint64_t *at,
    struct evlog_event *line, evlog_error *err);

/* Whether a line has this key. */
int dedup_key_is(struct dedup_block *scratch, const struct dedup_key *key,
    const char *line, size_t len, bool *same, evlog_error *err);

#endif
