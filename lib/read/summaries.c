/*
 * summaries.c - goes over many small blocks at once that have nothing that is wanted.
 *
 * In a segment that is not sealed, some blocks have a summary of the blocks before them.
 * They form a chain, which is walked from the last block on: unlike a search for bytes
 * that look like a header, that cannot be led astray by what an event contains.
 */
#include "base/error.h"
#include "format/summary.h"
#include "read/reader_internal.h"

#define STEP (64u << 10) /* bytes to read when going back block by block */

/* Gets the header of the block at `at`, and its summary; s->distance is 0 if it has
 * none. */
static int summary_get(struct log_reader *r, uint64_t at, uint64_t limit, struct block *b,
    struct summary *s, evlog_error *err)
{
	const struct segment *seg = &r->seg;
	const char *p;

	*s = (struct summary){0};
	int res = segment_block(&r->seg, at, limit, SMALL, b, err);
	if (!res)
		res = segment_bytes(&r->seg, at, b->header_size, 0, &p, err);
	if (!res && summary_find(block_extensions(p, b), s) &&
	    (s->distance > at || at - s->distance < seg->header.size))
		s->distance = 0; /* it lies */
	return res;
}

static bool rules_out(const struct log_reader *r, const struct summary *s)
{
	return s->distance && !filter_match(s->filter, s->kinds, r->bounds.wanted);
}

static int gap_add(
    struct log_reader *r, uint64_t from, const struct block *b, evlog_error *err)
{
	size_t n = r->n_gaps;

	if (n && r->gaps[n - 1].from == b->offset) {
		r->gaps[n - 1].from = from;
		return 0;
	}
	if (n == r->cap_gaps && !array_grow(&r->gaps, &r->cap_gaps, sizeof *r->gaps))
		return error_memory(err);
	r->gaps[r->n_gaps++] =
	    (struct gap){.from = from, .to = b->offset, .seq = b->first_seq};
	return 0;
}

int summaries_load(struct log_reader *r, uint64_t last_block, evlog_error *err)
{
	uint64_t at = last_block;
	struct summary s;
	struct block b;
	const char *p;
	int res = 0;

	r->n_gaps = 0;
	if (!r->bounds.wanted || !r->skipping || r->limit - r->at < SUMMARY_SPAN)
		return 0;
	while (at > r->at && !res) {
		res = summary_get(r, at, r->limit, &b, &s, err);
		if (res)
			break;
		uint64_t before = at - (s.distance ? s.distance : b.back);
		if (!s.distance && (b.back == at || summary_is_due(at, before)))
			break; /* the chain ends: an earlier evlog has written this */
		if (rules_out(r, &s))
			res = gap_add(r, before, &b, err);
		if (!res && !s.distance && before < r->seg.window_at)
			res = segment_bytes(&r->seg, before > STEP ? before - STEP : 0,
			    before > STEP ? STEP : before, BLOCK_HEADER_MAX, &p, err);
		at = before;
	}
	/* of damage, and of what is too new, the walk tells when it gets there */
	return res == EVLOG_EDAMAGED || res == EVLOG_ENEWER ? 0 : res;
}

void summaries_skip(struct log_reader *r)
{
	const struct gap *x;

	while (r->n_gaps && r->gaps[r->n_gaps - 1].to <= r->at)
		r->n_gaps--;
	x = r->n_gaps ? &r->gaps[r->n_gaps - 1] : NULL;
	if (!x || x->from > r->at || x->seq < r->next_seq)
		return;
	r->done += x->to - r->at;
	r->at = x->to;
	r->next_seq = x->seq;
	r->rooted = false;
	if (r->pool) /* by their own filters, they could not be ruled out */
		decoder_pool_clear(r->pool);
}

int summaries_skip_back(struct log_reader *r, const struct block *b, evlog_error *err)
{
	uint64_t at = b->offset;
	struct summary s;
	struct block first;

	if (!r->bounds.wanted || !r->skipping || r->index.open)
		return 0;
	int res = summary_get(r, at, block_end(b), &first, &s, err);
	if (res || !rules_out(r, &s))
		return res;
	res = segment_block(&r->seg, at - s.distance, at, SMALL, &first, err);
	if (res || block_last_seq(&first) >= b->first_seq)
		return res == EVLOG_EDAMAGED || !res ? 0 : res; /* it lies */
	r->emitted = first.first_seq;
	r->done += at - first.offset;
	r->limit = first.offset;
	r->at = first.offset - first.back;
	return 0;
}
