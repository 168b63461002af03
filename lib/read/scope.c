/*
 * scope.c - which sealed segments, and which of their blocks, need not be read, because a
 * catalogue says that they cannot have what is wanted.
 */
#include "base/error.h"
#include "read/reader_internal.h"

#include <errno.h>
#include <stdlib.h>

/* What one of the catalogues says. */
struct scope_part {
	unsigned char found[CATALOGUE_MOST / 8]; /* bit i: segment i may have some */
	bool by_id;				 /* ids are wanted: only in these */
	uint32_t *blocks; /* ascending, counted over all segments */
	size_t n, cap;
};

struct scope {
	struct catalogues set;
	struct scope_part *part; /* one for each catalogue */
};

static int number_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Gets the blocks that may have one of the ids.  Returns EVLOG_END if the catalogue is
 * damaged; then every block may. */
static int ids_find(struct scope_part *p, struct catalogue *c, const uint64_t *key,
    size_t n, evlog_error *err)
{
	struct id_search s;
	uint32_t block;

	for (size_t i = 0; i < n; i++) {
		int r = id_search_begin(c, &s, id_fingerprint(key[i], 0), ID_SOURCE)
			    ? 0
			    : EVLOG_EDAMAGED;
		while (!r && (r = id_search_next(c, &s, &block)) == 0) {
			if (p->n == p->cap &&
			    !array_grow(&p->blocks, &p->cap, sizeof *p->blocks))
				return error_memory(err);
			p->blocks[p->n++] = block;
		}
		if (r != EVLOG_END)
			return EVLOG_END;
	}
	if (p->n)
		qsort(p->blocks, p->n, sizeof *p->blocks, number_compare);
	p->by_id = true;
	return 0;
}

/* The first of the blocks from number `from` on. */
static size_t block_find(const struct scope_part *p, uint32_t from)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (p->blocks[middle] < from)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool times_outside(const struct bounds *b, const struct catalogue_segment *s)
{
	return (b->event_since != EVLOG_TIME_MIN && s->greatest_time < b->event_since) ||
	       (b->event_until != EVLOG_TIME_MAX && s->least_time >= b->event_until);
}

static int part_make(
    struct scope_part *p, struct catalogue *c, const struct bounds *b, evlog_error *err)
{
	const struct filter_wanted *w = b->wanted;
	int r = 0;

	if (!w || !catalogue_match(c, w, p->found))
		memset(p->found, 0xff, sizeof p->found);
	if (w && w->of[KEY_ID].n)
		r = ids_find(p, c, w->of[KEY_ID].key, w->of[KEY_ID].n, err);
	for (uint32_t i = 0; i < c->n; i++) {
		const struct catalogue_segment *s = &c->at[i];
		size_t at = p->by_id ? block_find(p, s->base) : 0;
		bool none =
		    p->by_id && (at == p->n || p->blocks[at] >= s->base + s->blocks);
		if (none || times_outside(b, s))
			p->found[i / 8] &= (unsigned char)~(1u << i % 8);
	}
	return r < 0 ? r : 0;
}

int scope_make(struct log_reader *r, evlog_error *err)
{
	const struct bounds *b = &r->bounds;
	int res = 0;

	if (r->log.n_catalogues == 0 || (!b->wanted && b->event_since == EVLOG_TIME_MIN &&
					    b->event_until == EVLOG_TIME_MAX))
		return 0;
	struct scope *s = calloc(1, sizeof *s);
	if (!s || !(s->part = calloc(r->log.n_catalogues, sizeof *s->part))) {
		free(s);
		return error_memory(err);
	}
	r->scope = s;
	res = catalogues_open(&s->set, &r->log, false, err);
	for (size_t i = 0; i < s->set.n && !res; i++) {
		res = part_make(&s->part[i], &s->set.at[i], b, err);
		catalogue_release(&s->set.at[i]);
	}
	/* what only saves time is done without, unless memory is out */
	return res && err->sys != ENOMEM ? 0 : res;
}

void scope_free(struct scope *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->set.n; i++)
		free(s->part[i].blocks);
	free(s->part);
	catalogues_close(&s->set);
	free(s);
}

/* What is said of the segment with this first seq, by which catalogue; NULL: nothing. */
static const struct catalogue_segment *said(struct log_reader *r, uint64_t first_seq,
    struct scope_part **part, struct catalogue **c)
{
	if (!r->scope)
		return NULL;
	const struct catalogue_segment *s = catalogues_find(&r->scope->set, first_seq, c);
	if (s)
		*part = &r->scope->part[*c - r->scope->set.at];
	return s;
}

const struct catalogue_segment *scope_excludes(struct log_reader *r, size_t index)
{
	struct scope_part *p;
	struct catalogue *c;
	const struct catalogue_segment *s = said(r, r->log.segments[index], &p, &c);

	if (!s || r->log.segments[index] >= r->end.segment)
		return NULL;
	size_t i = (size_t)(s - c->at);
	return p->found[i / 8] & 1u << i % 8 ? NULL : s;
}

bool scope_has_ids(struct log_reader *r, uint64_t first_seq)
{
	struct scope_part *p;
	struct catalogue *c;

	return said(r, first_seq, &p, &c) && p->by_id;
}

/* Leaves only the blocks that may have the wanted ids. */
static void scope_narrow(struct log_reader *r, const struct segment *seg, struct index *x)
{
	struct scope_part *p;
	struct catalogue *c;
	const struct catalogue_segment *s = said(r, seg->first_seq, &p, &c);

	if (!s || !p->by_id || !x->found || s->blocks != x->blocks ||
	    memcmp(s->root, seg->header.seal.root, HASH_SIZE) != 0 ||
	    !catalogue_segment_is(s, r->log.dir_fd))
		return;
	for (uint32_t i = 0, at = (uint32_t)block_find(p, s->base); i < x->blocks; i++) {
		bool in = at < p->n && p->blocks[at] == s->base + i;
		while (at < p->n && p->blocks[at] <= s->base + i)
			at++;
		if (!in)
			x->found[i / 8] &= (unsigned char)~(1u << i % 8);
	}
}

int reader_index(
    struct log_reader *r, const struct segment *seg, struct index *x, evlog_error *err)
{
	int res = index_open(x, seg, r->bounds.wanted, err);

	if (!res)
		scope_narrow(r, seg, x);
	return res;
}
