/* slab.h - an allocator for small pieces that are allocated and freed all the time. */
#ifndef SCRIPT_SLAB_H
#define SCRIPT_SLAB_H

#include <stddef.h>

#define SLAB_UNIT 16 /* pieces are multiples of this */
#ifdef __SANITIZE_ADDRESS__
#define SLAB_MOST 0 /* the sanitizer only checks pieces of malloc */
#else
#define SLAB_MOST 1024 /* larger pieces come from malloc */
#endif

/* Zero-initialise. */
struct slabs {
	struct piece *unused[SLAB_MOST / SLAB_UNIT + 1]; /* by size */
	struct slab *all;
	char *next; /* unused rest of the last slab */
	size_t left;
};

/* Like realloc, but the caller knows the size of the old piece; wanted 0 frees it. */
void *slab_resize(struct slabs *s, void *old, size_t had, size_t wanted);

/* Frees all pieces of up to SLAB_MOST bytes. */
void slabs_free(struct slabs *s);

#endif
