/* cursor.h - how far a consumer has read in a log.  It is kept in the log that the
 * consumer writes to, in the header of the last block of a commit, so that events and
 * position become durable together. */
#ifndef FORMAT_CURSOR_H
#define FORMAT_CURSOR_H

#include "format/block.h"

#define CURSOR_NAME_MAX 255
#define CURSORS_GATHER	(16u << 10) /* bytes of cursors to gather for a block, */
#define CURSORS_MOST	29000u	    /* for which any header has room */
#define CURSOR_FIXED	100	    /* bytes before the name */
#define CURSOR_FIXED_1	64	    /* the same in a cursor of evlog 0.1 */

/* Fields that some consumers add, by their tags.  A tag of EXTENSION_INCOMPATIBLE or more
 * must be understood. */
enum cursor_field {
	CURSOR_FOLD = 1,     /* hash of the fold: program, key and upcasters; 32 bytes */
	CURSOR_DUE = 2,	     /* a time, i64, and a seq, u64 */
	CURSOR_SEQUENCE = 3, /* of the stream that is read, u64 */
	CURSOR_PARTIAL = 4,  /* some events after the seq were processed, too; 0 bytes */
};
#define CURSOR_HAS(field) (1u << (field))

struct cursor {
	char name[CURSOR_NAME_MAX + 1]; /* of the consumer */
	unsigned char id[ID_SIZE];	/* of the active segment of the log being read, */
	unsigned char lineage[HASH_SIZE]; /* and its lineage; zeros: not known */
	uint64_t seq;			  /* the last event processed */
	uint64_t generation;		  /* changes each time the consumer is reset */
	unsigned char root[HASH_SIZE];	  /* of the log being read, after seq */

	unsigned has; /* CURSOR_HAS of the fields that are there */
	unsigned char fold[HASH_SIZE];
	int64_t due;
	uint64_t due_seq, sequence;
};

/* Whether an extension is a cursor, of any version. */
static inline bool extension_is_cursor(const struct extension *x)
{
	return x->type == EXTENSION_CURSOR || x->type == EXTENSION_CURSOR_1;
}

/* Appends the extensions that are cursors to `out`. */
void cursors_copy(struct buf *out, struct view extensions);

/* Appends the cursor as an extension of a header; see evlog-format(5), "Cursors". */
void cursor_encode(struct buf *out, const struct cursor *c);

/* Decodes a cursor.  Returns UNDERSTOOD, UNDERSTOOD_NOT if it has a field that must be
 * understood and is not, or UNDERSTOOD_WRONG if it is not a cursor. */
enum understood cursor_decode(struct cursor *c, const struct extension *x);

/* Whether two cursors are of the same consumer: they have the same name, and have read
 * the same log, as far as that is known without its roots. */
bool cursor_same(const struct cursor *a, const struct cursor *b);

#endif
