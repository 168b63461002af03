/* spool.h - lines kept aside, in memory and then in an unlinked temporary file, to
 * be read back from the last to the first: how a pipe is read backwards. */
#ifndef BASE_SPOOL_H
#define BASE_SPOOL_H

#include "base/buf.h"

struct spool {
	struct buf mem;	 /* while small; then the window of the reading side */
	int fd;		 /* -1: all is in mem */
	uint64_t size;	 /* bytes in the file */
	uint64_t window; /* offset of mem in the file, when reading */
	bool reading;
};

void spool_init(struct spool *s);

/* Adds bytes.  0, or -1 with errno. */
int spool_add(struct spool *s, const char *p, size_t n);

/* The last line not yet taken, with its newline; lines only, added with theirs.
 * 0, 1 when none is left, -1 with errno.  The view lives until the next call. */
int spool_take_last(struct spool *s, struct view *line);
void spool_free(struct spool *s);

#endif
