/* spool.h - lines kept in memory, then in an unlinked temporary file, and read back from
 * last to first: this is how a pipe is read backwards. */
#ifndef BASE_SPOOL_H
#define BASE_SPOOL_H

#include "base/buf.h"

struct spool {
	struct buf mem;	 /* while writing, the unflushed end; then the reader's window */
	int fd;		 /* -1: everything is in mem */
	uint64_t size;	 /* bytes in the file */
	uint64_t window; /* while reading, offset of mem in the file */
	bool reading;
};

void spool_init(struct spool *s);

/* Adds bytes.  Returns 0, or -1 with errno. */
int spool_add(struct spool *s, const char *p, size_t n);

/* Takes the last remaining line, with its newline.  Each line must have been added with
 * one.  Returns 0, 1 if none is left, -1 with errno.  The view is valid until the next
 * call. */
int spool_take_last(struct spool *s, struct view *line);
void spool_free(struct spool *s);

#endif
