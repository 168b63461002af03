/* groups.c - the groups of a fold, found by their keys. */
#include "fold/fold.h"

#include <stdlib.h>

static bool table_grow(struct groups *g)
{
	size_t places = g->table ? (g->mask + 1) * 2 : 1024;
	uint32_t *table = calloc(places, sizeof *table);

	if (!table)
		return false;
	for (size_t i = 0; i < g->n; i++) {
		size_t k = g->at[i]->hash & (places - 1);
		while (table[k])
			k = (k + 1) & (places - 1);
		table[k] = (uint32_t)i + 1;
	}
	free(g->table);
	g->table = table;
	g->mask = places - 1;
	return true;
}

static struct group *group_add(struct groups *g, struct view key, uint64_t hash, size_t n)
{
	if (g->n == g->cap) {
		size_t cap = g->cap ? g->cap * 2 : 64;
		struct group **more = realloc(g->at, cap * sizeof *more);
		if (!more)
			return NULL;
		g->at = more;
		g->cap = cap;
	}
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
	if ((g->n + 1) * 2 > g->mask && !table_grow(g))
		return NULL;
	size_t k = hash & g->mask;
	for (; g->table[k]; k = (k + 1) & g->mask) {
		struct group *there = g->at[g->table[k] - 1];
		if (there->hash == hash && view_compare(there->key, key) == 0)
			return there;
	}
	struct group *fresh = group_add(g, key, hash, n);
	*made = fresh != NULL;
	if (fresh)
		g->table[k] = (uint32_t)g->n;
	return fresh;
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

/* The table is of no use any more: it is made anew when it is wanted. */
void groups_sort(struct groups *g)
{
	if (g->n)
		qsort(g->at, g->n, sizeof *g->at, group_order);
	free(g->table);
	g->table = NULL;
	g->mask = 0;
}

void groups_free(struct groups *g, size_t n)
{
	for (size_t i = 0; i < g->n; i++) {
		for (size_t k = 0; k < n; k++)
			accumulator_free(&g->at[i]->at[k]);
		free(g->at[i]);
	}
	free(g->at);
	free(g->table);
	*g = (struct groups){0};
}
