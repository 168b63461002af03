/* cursor.h - how far a consumer has read in a log.  It is kept in the log that the
 * consumer writes to, in the header of the last block of a commit, so that events and
 * position become durable together. */
#ifndef FORMAT_CURSOR_H
#define FORMAT_CURSOR_H

#include "format/block.h"

#define CURSOR_NAME_MAX	 255
#define CURSOR_EXTENSION 2 /* type of the extension in a block header */
#define CURSOR_FIXED	 (LOG_ID_SIZE + 8 + 8 + HASH_SIZE) /* bytes before the name */

struct cursor {
	char name[CURSOR_NAME_MAX + 1];	   /* of the consumer */
	unsigned char log_id[LOG_ID_SIZE]; /* of the log being read */
	uint64_t seq;			   /* the last event processed */
	uint64_t generation;	       /* incremented each time the consumer is reset */
	unsigned char root[HASH_SIZE]; /* of the log being read, after seq */
};

/* Appends the cursor as a block header extension; see evlog-format(5), "Cursor". */
void cursor_encode(struct buf *out, const struct cursor *c);

/* Finds the cursor with c's name and log_id among n bytes of extensions and fills in the
 * rest; false if there is none. */
bool cursor_decode(struct cursor *c, const unsigned char *p, size_t n);

#endif
