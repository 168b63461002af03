/*
 * slab.c - an allocator for small pieces.
 *
 * Lua tells the size of a piece when it frees it, so pieces need no headers and free ones
 * are in lists by size: the next event reuses what is still in the cache.  Slabs are only
 * freed at the end.
 */
#include "script/slab.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SLAB_SIZE 65536

struct piece {
	struct piece *next;
};

struct slab {
	struct slab *next;
	_Alignas(SLAB_UNIT) char data[SLAB_SIZE];
};

static size_t class_of(size_t size)
{
	return (size + SLAB_UNIT - 1) / SLAB_UNIT;
}

static bool slab_add(struct slabs *s)
{
	struct slab *fresh = malloc(sizeof *fresh);

	if (!fresh)
		return false;
	fresh->next = s->all;
	s->all = fresh;
	s->next = fresh->data;
	s->left = SLAB_SIZE;
	return true;
}

static void *piece_take(struct slabs *s, size_t size)
{
	size_t class = class_of(size), whole = class * SLAB_UNIT;
	struct piece *p = s->unused[class];

	if (p) {
		s->unused[class] = p->next;
		return p;
	}
	if (s->left < whole && !slab_add(s))
		return NULL;
	s->next += whole;
	s->left -= whole;
	return s->next - whole;
}

static void piece_give(struct slabs *s, void *old, size_t had)
{
	struct piece *p = old;

	if (had > SLAB_MOST) {
		free(old);
	} else if (old) {
		p->next = s->unused[class_of(had)];
		s->unused[class_of(had)] = p;
	}
}

void *slab_resize(struct slabs *s, void *old, size_t had, size_t wanted)
{
	if (had > SLAB_MOST && wanted > SLAB_MOST)
		return realloc(old, wanted);
	if (old && wanted && wanted <= SLAB_MOST && class_of(had) == class_of(wanted))
		return old;
	void *p = wanted == 0		? NULL
		  : wanted <= SLAB_MOST ? piece_take(s, wanted)
					: malloc(wanted);
	if (p && old)
		memcpy(p, old, had < wanted ? had : wanted);
	if (p || wanted == 0)
		piece_give(s, old, had);
	return p;
}

void slabs_free(struct slabs *s)
{
	while (s->all) {
		struct slab *next = s->all->next;
		free(s->all);
		s->all = next;
	}
	*s = (struct slabs){0};
}
