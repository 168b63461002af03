/* groups.c - the groups of a fold, in a hash table by key. */
#include "fold/fold.h"

#include <assert.h>
#include <stdlib.h>

#define CACHE_LINE 64

/* Skips the low bits: they are equal within a part, since parts divide keys by them. */
static struct place *place_of(const struct groups *g, uint64_t hash)
{
	return &g->table[hash >> 16 & g->mask];
}

static struct place *place_next(const struct groups *g, struct place *p)
{
	return p == &g->table[g->mask] ? g->table : p + 1;
}

static bool table_grow(struct groups *g)
{
	size_t places = 1024;

	while (places < 4 * (g->n + 1))
		places *= 2;
	struct place *table = calloc(places, sizeof *table);
	if (!table)
		return false;
	free(g->table);
	g->table = table;
	g->mask = places - 1;
	for (size_t i = 0; i < g->n; i++) {
		struct place *p = place_of(g, g->at[i]->hash);
		while (p->group)
			p = place_next(g, p);
		*p = (struct place){g->at[i]->hash, g->at[i]};
	}
	return true;
}

static struct group *group_add(struct groups *g, struct view key, uint64_t hash, size_t n)
{
	if (g->n == g->cap && !array_grow(&g->at, &g->cap, sizeof *g->at))
		return NULL;
	size_t size = sizeof(struct group) + n * sizeof(struct accumulator);
	struct group *fresh = calloc(1, size + key.len + 1);
	if (!fresh)
		return NULL;
	char *copy = (char *)fresh + size;
	if (key.len)
		memcpy(copy, key.p, key.len);
	fresh->key = (struct view){copy, key.len};
	fresh->hash = hash;
	g->at[g->n++] = fresh;
	return fresh;
}

struct group *group_of(
    struct groups *g, struct view key, uint64_t hash, size_t n, bool *made)
{
	*made = false;
	assert((g->mask & (g->mask + 1)) == 0);
	if ((g->n + 1) * 2 > g->mask && !table_grow(g))
		return NULL;
	struct place *p = place_of(g, hash);
	for (; p->group; p = place_next(g, p))
		if (p->hash == hash && view_compare(p->group->key, key) == 0)
			return p->group;
	struct group *fresh = group_add(g, key, hash, n);
	*made = fresh != NULL;
	if (fresh)
		*p = (struct place){hash, fresh};
	return fresh;
}

void group_expect(const struct groups *g, uint64_t hash)
{
	if (g->table)
		__builtin_prefetch(place_of(g, hash));
}

void group_fetch(const struct groups *g, uint64_t hash, size_t n)
{
	const struct group *there = g->table ? place_of(g, hash)->group : NULL;
	size_t size = sizeof *there + n * sizeof *there->at;

	for (size_t i = 0; there && i <= size; i += CACHE_LINE)
		__builtin_prefetch((const char *)there + i);
}

bool groups_move(struct groups *g, struct groups *from)
{
	size_t n = g->n + from->n;
	struct group **all = realloc(g->at, (n ? n : 1) * sizeof *all);

	if (!all)
		return false;
	if (from->n)
		memcpy(all + g->n, from->at, from->n * sizeof *all);
	g->at = all;
	g->n = g->cap = n;
	free(from->at);
	free(from->table);
	*from = (struct groups){0};
	return true;
}

static int group_order(const void *a, const void *b)
{
	const struct group *const *x = a, *const *y = b;

	return view_compare((*x)->key, (*y)->key);
}

/* Frees the table, which holds no order; it is rebuilt when next needed. */
void groups_sort(struct groups *g)
{
	if (g->n)
		qsort(g->at, g->n, sizeof *g->at, group_order);
	free(g->table);
	g->table = NULL;
	g->mask = 0;
}

void groups_free(struct groups *g, const struct reducer *r, size_t n)
{
	for (size_t i = 0; i < g->n; i++) {
		for (size_t k = 0; k < n; k++)
			accumulator_free(&r[k], &g->at[i]->at[k]);
		free(g->at[i]);
	}
	free(g->at);
	free(g->table);
	*g = (struct groups){0};
}
