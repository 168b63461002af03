/* cursor_set.c - the latest cursor of each consumer, for the header of a sealed segment,
 * so that nobody has to search the blocks for it. */
#include "recover/cursor_set.h"
#include "base/error.h"

#include <stdlib.h>

#define STREAM	 (384u << 10) /* bytes to read ahead */
#define ALL_MOST (SEGMENT_HEADER_MAX / 2)

/* The hash of what makes two cursors those of one consumer, as far as both have it. */
static uint64_t name_hash(const struct cursor *c)
{
	return hash_table(c->name, strlen(c->name));
}

static struct extension extension_at(const struct cursor_set *set, size_t i)
{
	const char *p = set->bytes.p + set->at[i].offset;
	struct view rest = {p, set->bytes.len - set->at[i].offset};
	struct extension x = {0};

	extension_next(&rest, &x);
	return x;
}

/* The slot of a consumer's cursor, or the free one where it belongs. */
static size_t slot_of(const struct cursor_set *set, const struct cursor *c)
{
	size_t slot = name_hash(c) & (set->slots - 1);
	struct cursor other;

	for (; set->slot[slot]; slot = (slot + 1) & (set->slots - 1)) {
		struct extension x = extension_at(set, set->slot[slot] - 1);
		if (cursor_decode(&other, &x) != UNDERSTOOD_WRONG &&
		    cursor_same(c, &other))
			break;
	}
	return slot;
}

static bool slots_grow(struct cursor_set *set)
{
	struct cursor c;

	free(set->slot);
	set->slots = set->slots ? 2 * set->slots : 64;
	set->slot = calloc(set->slots, sizeof *set->slot);
	for (size_t i = 0; set->slot && i < set->n; i++) {
		struct extension x = extension_at(set, i);
		if (set->at[i].replaced || cursor_decode(&c, &x) == UNDERSTOOD_WRONG)
			continue;
		set->slot[slot_of(set, &c)] = i + 1;
	}
	return set->slot != NULL;
}

static void add(struct cursor_set *set, const struct extension *x);

/* Removes what was replaced, so that memory grows with the consumers only. */
static void squeeze(struct cursor_set *set)
{
	struct cursor_set kept = {.all = set->all, .partial = set->partial};

	for (size_t i = 0; i < set->n; i++) {
		struct extension x = extension_at(set, i);
		if (!set->at[i].replaced)
			add(&kept, &x);
	}
	kept.failed |= set->failed;
	kept.full |= set->full;
	cursor_set_free(set);
	*set = kept;
}

/* Adds a cursor, or replaces an earlier one of the same consumer. */
static void add(struct cursor_set *set, const struct extension *x)
{
	struct cursor c;

	if (set->bytes.len > ALL_MOST && set->replaced)
		squeeze(set);
	set->full |= set->bytes.len > ALL_MOST;
	if (set->failed || set->full || cursor_decode(&c, x) == UNDERSTOOD_WRONG)
		return;
	if ((2 * (set->n + 1) > set->slots && !slots_grow(set)) ||
	    (set->n == set->cap && !array_grow(&set->at, &set->cap, sizeof *set->at))) {
		set->failed = true;
		return;
	}
	size_t slot = slot_of(set, &c);
	if (set->slot[slot]) {
		set->at[set->slot[slot] - 1].replaced = true;
		set->replaced++;
	}
	set->at[set->n].offset = extension_begin(&set->bytes, x->type);
	set->at[set->n].replaced = false;
	buf_add(&set->bytes, x->bytes.p, x->bytes.len);
	extension_end(&set->bytes, set->at[set->n].offset);
	set->slot[slot] = ++set->n;
	set->failed |= set->bytes.failed;
	if (!set->failed && set->replaced > 1000 && set->replaced > set->n / 2)
		squeeze(set);
}

void cursor_set_take(struct cursor_set *set, struct view extensions)
{
	struct extension x;

	while (extension_next(&extensions, &x))
		if (extension_is_cursor(&x))
			add(set, &x);
}

bool cursors_are_all(struct view extensions)
{
	struct extension x;

	while (extension_next(&extensions, &x))
		if (x.type == EXTENSION_CURSORS_ALL)
			return true;
	return false;
}

int cursor_set_load(struct cursor_set *set, struct segment *s, uint64_t limit,
    uint64_t last, evlog_error *err)
{
	struct view extensions;
	struct block b;
	const char *p;

	int r = segment_extensions(s, &extensions, err);
	if (r)
		return r;
	bool sealed = segment_is_sealed(s) && s->header.version > 1;
	bool whole = sealed && s->header.seal.last_seq <= last;
	set->all |= s->first_seq == 1 || cursors_are_all(extensions);
	if (whole || !sealed) /* else they are of events that are to come */
		cursor_set_take(set, extensions);
	if (whole)
		return 0;
	for (uint64_t at = s->header.size; at < limit; at = block_end(&b)) {
		r = segment_block(s, at, limit, STREAM, &b, err);
		if (r == EVLOG_EDAMAGED)
			return segment_damaged(s, at, s->first_seq, 0, err->reason, err);
		if (!r && block_last_seq(&b) > last) {
			/* a merged block has those of several commits */
			set->partial |=
			    sealed && b.first_seq <= last && b.header_size > BLOCK_HEADER;
			break;
		}
		if (!r && b.header_size > BLOCK_HEADER)
			r = segment_bytes(s, at, b.header_size, 0, &p, err);
		if (r)
			return r;
		if (b.header_size > BLOCK_HEADER)
			cursor_set_take(set, block_extensions(p, &b));
	}
	return 0;
}

static int nth_open(struct segment *s, const struct log *l, size_t i, evlog_error *err)
{
	return log_segment(l, l->segments[i], NULL, s, err);
}

/* Adds those of segment i, which is not the last. */
static int nth_load(
    struct cursor_set *set, const struct log *l, size_t i, evlog_error *err)
{
	struct segment s, next = {.fd = -1};
	uint64_t limit, ignored;

	int r = nth_open(&s, l, i, err);
	if (!r && !segment_is_sealed(&s))
		r = nth_open(&next, l, i + 1, err);
	if (!r) {
		segment_extent(&s, &next.header, &limit, &ignored);
		r = cursor_set_load(set, &s, limit, UINT64_MAX, err);
	}
	segment_close(&next);
	segment_close(&s);
	return r;
}

int cursor_set_before(
    struct cursor_set *set, const struct log *l, uint64_t first, evlog_error *err)
{
	size_t from, to = 0;
	bool all = false;
	int r = 0;

	while (to + 1 < l->n && l->segments[to + 1] <= first)
		to++;
	/* begin with the last segment whose header has all */
	for (from = to; from > 0 && !r && !all; from--) {
		struct view extensions = {NULL, 0};
		struct segment s;
		r = nth_open(&s, l, from - 1, err);
		if (!r)
			r = segment_extensions(&s, &extensions, err);
		all = !r && cursors_are_all(extensions);
		segment_close(&s);
	}
	for (; from < to && !r; from++)
		r = nth_load(set, l, from, err);
	return r;
}

void cursor_set_write(struct cursor_set *set, struct buf *out)
{
	if (set->replaced)
		squeeze(set);
	set->full |= set->bytes.len > ALL_MOST;
	buf_add(out, set->bytes.p, set->bytes.len);
	if (set->all)
		extension_end(out, extension_begin(out, EXTENSION_CURSORS_ALL));
	out->failed |= set->failed;
}

void cursor_set_free(struct cursor_set *set)
{
	buf_free(&set->bytes);
	free(set->at);
	free(set->slot);
	*set = (struct cursor_set){0};
}
