/* cursor.h - how far a consumer has come in one log, kept in the log that it emits into:
 * in the header of the last block of a commit, so that both are durable together. */
#ifndef FORMAT_CURSOR_H
#define FORMAT_CURSOR_H

#include "format/block.h"

#define CURSOR_NAME_MAX	 255
#define CURSOR_EXTENSION 2 /* its type in a block header */
#define CURSOR_FIXED	 (LOG_ID_SIZE + 8 + 8 + HASH_SIZE) /* bytes before the name */

struct cursor {
	char name[CURSOR_NAME_MAX + 1];	   /* of the consumer */
	unsigned char log_id[LOG_ID_SIZE]; /* of the log that it reads */
	uint64_t seq;			   /* the last event that was dealt with */
	uint64_t generation; /* one more each time the consumer was told to begin anew */
	unsigned char root[HASH_SIZE]; /* of the log that it reads, there */
};

/* Adds a cursor as an extension of a block header: evlog-format(5), "Cursor". */
void cursor_encode(struct buf *out, const struct cursor *c);

/* The cursor with c's name and log_id among extensions: fills in the rest, or false. */
bool cursor_decode(struct cursor *c, const unsigned char *p, size_t n);

#endif
