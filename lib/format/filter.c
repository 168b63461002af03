/*
 * filter.c - Bloom filters: which keys a block may contain.
 *
 * A filter has 16 or more bits for each key and 8 probes by double hashing (Kirsch and
 * Mitzenmacher, "Less Hashing, Same Performance", 2006).  False hits: 0.06 % at 16 bits,
 * 0.004 % at 24, up to 0.8 % in the smallest.  Sizes are powers of two so that an index
 * can bring all filters to one size.  The bytes are specified in evlog-format(5),
 * "Filters".
 */
#include "format/filter.h"
#include "base/hash.h"
#include "format/extension.h"
#include "json/scan.h"

#include <stdlib.h>

#define BITS 16		 /* for each key, at least */
#define MOST (32u << 10) /* bytes of a filter: it must fit into a block header */

uint64_t filter_key(enum key_kind kind, struct view text)
{
	uint64_t key = hash64(text.p, text.len) + (uint64_t)kind;

	return key ? key : 1;
}

/* ---- The keys of a block ---- */

static size_t slot_of(const struct filter_keys *k, uint64_t key)
{
	size_t i = key & (k->cap - 1);

	while (k->slot[i] && k->slot[i] != key)
		i = (i + 1) & (k->cap - 1);
	return i;
}

static bool keys_grow(struct filter_keys *k)
{
	struct filter_keys more = {.cap = k->cap ? 2 * k->cap : 64};

	more.slot = calloc(more.cap, sizeof *more.slot);
	if (!more.slot)
		return false;
	for (size_t i = 0; i < k->cap; i++)
		if (k->slot[i])
			more.slot[slot_of(&more, k->slot[i])] = k->slot[i];
	free(k->slot);
	k->slot = more.slot;
	k->cap = more.cap;
	return true;
}

void filter_add(struct filter_keys *k, uint64_t key)
{
	if (2 * (k->n + 1) > k->cap && !keys_grow(k)) {
		k->failed = true;
		return;
	}
	size_t i = slot_of(k, key);
	k->n += k->slot[i] == 0;
	k->slot[i] = key;
}

/* The key of a member; 0: it has none. */
static uint64_t member_key(
    struct filter_keys *k, enum key_kind kind, const struct json_member *m)
{
	struct view text = {m->value.p + 1, m->value.len - 2};

	if (key_is_presence(kind)) {
		text = (struct view){"", 0};
	} else if (json_type_of(m->value) != JSON_STRING) {
		return 0;
	} else if (memchr(text.p, '\\', text.len)) {
		k->scratch.len = 0;
		json_unescape(&k->scratch, m->value);
		k->failed |= k->scratch.failed;
		text = (struct view){k->scratch.p, k->scratch.len};
	}
	return filter_key(kind, text);
}

void filter_line_keys(struct filter_keys *k, const char *line, size_t len, uint32_t kinds,
    uint64_t key[KEY_KINDS])
{
	uint32_t left = kinds; /* of two members, the first counts */
	struct json_member m;
	struct json_walk w;

	memset(key, 0, KEY_KINDS * sizeof *key);
	json_walk_begin(&w, (struct json_text){line, len});
	while (left && json_walk_next(&w, &m)) {
		enum key_kind kind = key_kind_of(&m);
		if (!(left & KEY_IN(kind)))
			continue;
		key[kind] = member_key(k, kind, &m);
		left &= ~KEY_IN(kind);
	}
}

static void line_add(struct filter_keys *k, const char *line, size_t len)
{
	uint64_t key[KEY_KINDS];

	filter_line_keys(k, line, len, FILTER_KINDS, key);
	for (enum key_kind kind = 0; kind < KEY_KINDS; kind++)
		if (key[kind])
			filter_add(k, key[kind]);
}

void filter_add_lines(struct filter_keys *k, const char *p, size_t len)
{
	const char *end = p + len;

	while (p < end && !k->failed) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		line_add(k, p, (size_t)((nl ? nl : end) - p));
		p = nl ? nl + 1 : end;
	}
}

void filter_clear(struct filter_keys *k)
{
	if (k->n)
		memset(k->slot, 0, k->cap * sizeof *k->slot);
	k->n = 0;
}

void filter_free(struct filter_keys *k)
{
	free(k->slot);
	buf_free(&k->scratch);
	*k = (struct filter_keys){0};
}

/* ---- The filter ---- */

uint32_t filter_probe(uint64_t key, uint32_t i)
{
	return (uint32_t)key + i * ((uint32_t)(key >> 32) | 1);
}

void filter_write(const struct filter_keys *k, struct buf *out)
{
	filter_write_up_to(k, MOST, out);
}

void filter_write_up_to(const struct filter_keys *k, size_t most, struct buf *out)
{
	size_t size = k->n ? FILTER_LEAST : 0;

	while (size * 8 < k->n * BITS && size < most)
		size *= 2;
	if (!buf_reserve(out, size))
		return;
	unsigned char *p = (unsigned char *)out->p + out->len;
	memset(p, 0, size);
	out->len += size;
	for (size_t s = 0; s < k->cap && size; s++)
		for (uint32_t i = 0; k->slot[s] && i < FILTER_PROBES; i++) {
			size_t bit = filter_probe(k->slot[s], i) & (size * 8 - 1);
			p[bit / 8] |= (unsigned char)(1u << bit % 8);
		}
}

void filter_extend(const struct filter_keys *k, struct buf *out)
{
	unsigned char kinds[4];
	size_t begun = extension_begin(out, EXTENSION_FILTER);

	put32(kinds, FILTER_KINDS);
	buf_add(out, kinds, sizeof kinds);
	filter_write(k, out);
	extension_end(out, begun);
}

struct view filter_find(struct view extensions, uint32_t *kinds)
{
	struct view filter = {NULL, 0};
	struct extension x;

	*kinds = FILTER_KINDS_1;
	while (extension_next(&extensions, &x)) {
		if (x.type == EXTENSION_FILTER && x.bytes.len >= 4) {
			*kinds = get32(x.bytes.p);
			filter = (struct view){x.bytes.p + 4, x.bytes.len - 4};
			break;
		}
		if (x.type == EXTENSION_FILTER_1)
			filter = x.bytes;
	}
	if (filter.len & (filter.len - 1))
		filter.len = 0;
	return filter;
}

void filter_resize(struct view filter, unsigned char *out, size_t size)
{
	size_t most = filter.len > size ? filter.len : size;

	memset(out, filter.len ? 0 : 0xff, size);
	for (size_t i = 0; filter.len && i < most; i++)
		out[i % size] |= (unsigned char)filter.p[i % filter.len];
}

static bool filter_has(struct view filter, uint64_t key)
{
	const unsigned char *p = (const unsigned char *)filter.p;

	for (uint32_t i = 0; i < FILTER_PROBES; i++) {
		size_t bit = filter_probe(key, i) & (filter.len * 8 - 1);
		if (!(p[bit / 8] & 1u << bit % 8))
			return false;
	}
	return true;
}

static bool filter_has_any(struct view filter, const uint64_t *key, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (filter_has(filter, key[i]))
			return true;
	return n == 0;
}

bool filter_match(struct view filter, uint32_t kinds, const struct filter_wanted *w)
{
	bool match = true;

	for (enum key_kind kind = 0; filter.len && match && kind < KEY_KINDS; kind++)
		if (kinds & KEY_IN(kind))
			match = filter_has_any(filter, w->of[kind].key, w->of[kind].n);
	return match;
}
