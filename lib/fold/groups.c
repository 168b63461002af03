/* groups.c - the groups of a fold: in a hash table by key, and sorted by key. */
#include "fold/fold.h"

#include <assert.h>
#include <stdlib.h>

#define CACHE_LINE 64

/* ---- Finding ---- */

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
	struct place *old = g->table;
	size_t places = old ? 2 * (g->mask + 1) : 1024;
	struct place *table = aligned_alloc(CACHE_LINE, places * sizeof *table);

	if (!table)
		return false;
	/* not calloc: the first access to most pages is a read, for which the kernel
	 * would map a page that it has to replace at the first write, on all cores */
	memset(table, 0, places * sizeof *table);
	g->table = table;
	g->mask = places - 1;
	for (size_t i = 0; old && i < places / 2; i++) {
		struct place *p = place_of(g, old[i].hash);
		if (!old[i].group)
			continue;
		while (p->group)
			p = place_next(g, p);
		*p = old[i];
	}
	free(old);
	return true;
}

/* ---- Memory: groups stay until all are freed ---- */

#define SLAB_FIRST (4u << 10)
#define SLAB	   (256u << 10)

struct slab {
	struct slab *next;
	_Alignas(8) char data[]; /* used from its end */
};

/* Memory for a group, zeroed.  NULL: there is none. */
static void *slab_take(struct groups *g, size_t size)
{
	size = (size + 7) & ~(size_t)7;
	if (g->left < size) {
		size_t room = (g->slabs ? SLAB : SLAB_FIRST) - sizeof(struct slab);
		if (room < size)
			room = size;
		struct slab *fresh = calloc(1, sizeof *fresh + room);
		if (!fresh)
			return NULL;
		fresh->next = g->slabs;
		g->slabs = fresh;
		g->left = room;
	}
	g->left -= size;
	return g->slabs->data + g->left;
}

static struct group *group_add(struct groups *g, struct view key, size_t size)
{
	if (g->n == g->cap && !array_grow(&g->at, &g->cap, sizeof *g->at))
		return NULL;
	struct group *fresh = slab_take(g, sizeof *fresh + size + key.len);
	if (!fresh)
		return NULL;
	char *copy = fresh->at + size;
	if (key.len)
		memcpy(copy, key.p, key.len);
	fresh->key = (struct view){copy, key.len};
	g->at[g->n++] = fresh;
	return fresh;
}

struct group *group_of(
    struct groups *g, struct view key, uint64_t hash, size_t size, bool *made)
{
	*made = false;
	assert((g->mask & (g->mask + 1)) == 0);
	assert(g->table || g->n == 0);
	if ((g->n + 1) * 4 > g->mask * 3 && !table_grow(g))
		return NULL;
	struct place *p = place_of(g, hash);
	for (; p->group; p = place_next(g, p))
		if (p->hash == hash && view_equal(p->group->key, key))
			return p->group;
	struct group *fresh = group_add(g, key, size);
	*made = fresh != NULL;
	if (fresh)
		*p = (struct place){hash, fresh};
	return fresh;
}

void group_prefetch(const struct group *group, size_t size)
{
	for (size_t i = 0; i <= sizeof *group + size; i += CACHE_LINE)
		__builtin_prefetch((const char *)group + i);
}

void group_expect(const struct groups *g, uint64_t hash)
{
	if (g->table)
		__builtin_prefetch(place_of(g, hash));
}

void group_fetch(const struct groups *g, uint64_t hash, size_t size)
{
	const struct group *there = g->table ? place_of(g, hash)->group : NULL;

	if (there)
		group_prefetch(there, size);
}

bool groups_move(struct groups *g, struct groups *from)
{
	size_t n = g->n + from->n;
	struct group **all = realloc(g->at, (n ? n : 1) * sizeof *all);
	struct slab **last = &g->slabs;

	if (!all)
		return false;
	if (from->n)
		memcpy(all + g->n, from->at, from->n * sizeof *all);
	g->at = all;
	g->n = g->cap = n;
	while (*last)
		last = &(*last)->next;
	*last = from->slabs;
	free(from->at);
	free(from->table);
	free(g->table);
	g->table = NULL;
	g->mask = 0;
	*from = (struct groups){0};
	return true;
}

/* ---- Sorting ---- */

/* A group, with eight bytes of its key, from where not all keys are equal, as a number:
 * numbers compare as those bytes do, and a key that has ended comes first. */
struct entry {
	uint64_t bytes;
	struct group *group;
};

/* How many bytes all keys begin with. */
static size_t common_length(const struct groups *g)
{
	struct view first = g->at[0]->key;
	size_t n = first.len;

	for (size_t i = 1; i < g->n && n; i++) {
		struct view key = g->at[i]->key;
		size_t same = 0;
		while (same < n && same < key.len && first.p[same] == key.p[same])
			same++;
		n = same;
	}
	return n;
}

static uint64_t bytes_of(struct view key, size_t from)
{
	uint64_t v = 0;

	for (size_t i = from; i < from + 8; i++)
		v = v << 8 | (i < key.len ? (unsigned char)key.p[i] : 0);
	return v;
}

/* Sorts by the numbers, a byte at a time from the lowest; returns which of the two arrays
 * has the result. */
static struct entry *radix_sort(struct entry *a, struct entry *b, size_t n)
{
	for (unsigned shift = 0; shift < 64; shift += 8) {
		size_t count[256] = {0}, sum = 0;
		for (size_t i = 0; i < n; i++)
			count[a[i].bytes >> shift & 255]++;
		if (count[a[0].bytes >> shift & 255] == n)
			continue;
		for (unsigned c = 0; c < 256; c++) {
			size_t here = count[c];
			count[c] = sum;
			sum += here;
		}
		for (size_t i = 0; i < n; i++)
			b[count[a[i].bytes >> shift & 255]++] = a[i];
		struct entry *other = a;
		a = b;
		b = other;
	}
	return a;
}

static int entry_order(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return view_compare(x->group->key, y->group->key);
}

bool groups_sort(struct groups *g)
{
	if (g->n < 2)
		return true;
	struct entry *room = malloc(2 * g->n * sizeof *room);
	if (!room)
		return false;
	size_t from = common_length(g);
	for (size_t i = 0; i < g->n; i++)
		room[i] = (struct entry){bytes_of(g->at[i]->key, from), g->at[i]};
	struct entry *e = radix_sort(room, room + g->n, g->n);
	for (size_t i = 0, end; i < g->n; i = end) {
		for (end = i + 1; end < g->n && e[end].bytes == e[i].bytes; end++)
			;
		if (end - i > 1)
			qsort(e + i, end - i, sizeof *e, entry_order);
	}
	for (size_t i = 0; i < g->n; i++)
		g->at[i] = e[i].group;
	free(room);
	return true;
}

void groups_free(struct groups *g, const struct reducer *r, size_t n)
{
	for (size_t k = 0; k < n; k++)
		for (size_t i = 0; r[k].func != FUNC_COUNT && i < g->n; i++)
			accumulator_free(&r[k], group_at(g->at[i], &r[k]));
	while (g->slabs) {
		struct slab *next = g->slabs->next;
		free(g->slabs);
		g->slabs = next;
	}
	free(g->at);
	free(g->table);
	*g = (struct groups){0};
}
