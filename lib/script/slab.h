/* slab.h - memory in small pieces, taken and given back all the time. */
#ifndef SCRIPT_SLAB_H
#define SCRIPT_SLAB_H

#include <stddef.h>

#define SLAB_UNIT 16 /* a piece is a multiple of this */
#ifdef __SANITIZE_ADDRESS__
#define SLAB_MOST 0 /* it sees misuse of malloc's pieces only */
#else
#define SLAB_MOST 1024 /* what is larger is malloc's */
#endif

/* Zero-initialise. */
struct slabs {
	struct piece *unused[SLAB_MOST / SLAB_UNIT + 1]; /* by size */
	struct slab *all;
	char *next; /* what nobody has had yet, of the last slab */
	size_t left;
};

/* realloc, but for who knows how large the piece was; wanted 0 gives it back. */
void *slab_resize(struct slabs *s, void *old, size_t had, size_t wanted);

/* Frees all pieces of up to SLAB_MOST bytes. */
void slabs_free(struct slabs *s);

#endif
