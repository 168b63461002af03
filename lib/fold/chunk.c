/* chunk.c - finds keys and values in the events of a block. */
#include "fold/chunk.h"
#include "base/error.h"
#include "event/stamp.h"

#include <stdlib.h>

bool chunk_init(struct chunk *c, unsigned parts)
{
	c->start = calloc(parts + 1, sizeof *c->start);
	return c->start != NULL;
}

void chunk_free(struct chunk *c)
{
	packed_free(&c->packed);
	buf_free(&c->lines);
	buf_free(&c->keys);
	free(c->items);
	free(c->found);
	free(c->order);
	free(c->start);
}

static bool chunk_grow(struct chunk *c, size_t slots)
{
	size_t cap = c->cap ? c->cap * 2 : 512;
	struct item *items = realloc(c->items, cap * sizeof *items);

	if (items)
		c->items = items;
	struct json_text *found =
	    items ? realloc(c->found, (cap * slots + 1) * sizeof *found) : NULL;
	if (found)
		c->found = found;
	uint32_t *order = found ? realloc(c->order, cap * sizeof *order) : NULL;
	if (!order)
		return false;
	c->order = order;
	c->cap = cap;
	return true;
}

/* Adds an event.  Returns false if out of memory. */
static bool item_add(struct chunk *c, const evlog_fold *f, struct view line)
{
	size_t start = c->keys.len;

	if (c->n == c->cap && !chunk_grow(c, f->slots))
		return false;
	struct item *it = &c->items[c->n];
	struct json_text *found = c->found + c->n * f->slots;
	size_t stamp = event_begin(&it->e, line.p, line.len);
	it->bad = !path_trie_match(&f->trie, (struct json_text){line.p, line.len}, stamp,
	    &c->guesses, found, f->slots);
	it->key = (struct view){"", 0};
	if (f->key && !it->bad && !fold_key_of(found[f->key_slot], &c->keys, &it->key))
		return false;
	it->hash = hash_table(it->key.p, it->key.len);
	it->canonical = c->keys.len > start;
	if (it->canonical) /* for now an offset, because keys may move */
		it->key.p = (const char *)(uintptr_t)start;
	c->n++;
	return true;
}

/* Lists the items of each part. */
static void chunk_divide(struct chunk *c, unsigned parts)
{
	size_t sum = 0;

	memset(c->start, 0, (parts + 1) * sizeof *c->start);
	for (size_t i = 0; i < c->n; i++)
		c->start[part_of(c->items[i].hash, parts)]++;
	for (unsigned p = 0; p <= parts; p++) {
		sum += c->start[p];
		c->start[p] = sum; /* for now, where its items end */
	}
	for (size_t i = c->n; i--;)
		c->order[--c->start[part_of(c->items[i].hash, parts)]] = (uint32_t)i;
}

static int chunk_unpack(struct chunk *c, struct block_codec **codec)
{
	if (!*codec)
		*codec = block_codec_new(0);
	return *codec ? packed_unpack(&c->packed, *codec, &c->lines, &c->why)
		      : error_memory(&c->why);
}

void chunk_scan(
    struct chunk *c, const evlog_fold *f, unsigned parts, struct block_codec **codec)
{
	c->n = 0;
	buf_clear(&c->keys);
	c->failed = c->packed.there && chunk_unpack(c, codec) != 0;
	struct evlog_lines rest = {.p = c->lines.p, .len = c->lines.len};
	struct view line;
	while (!c->failed && line_take(&rest, &line))
		if (!item_add(c, f, line))
			c->failed = error_memory(&c->why) != 0;
	for (size_t i = 0; i < c->n; i++)
		if (c->items[i].canonical)
			c->items[i].key.p = c->keys.p + (uintptr_t)c->items[i].key.p;
	if (!c->failed)
		chunk_divide(c, parts);
}
