/*
 * skip.c - which blocks need not be read: judged by their seqs and times, and by the
 * filters of types and subjects in their headers or in a sealed segment's index.
 */
#include "read/reader_internal.h"

static bool block_outside(const struct bounds *b, const struct block *k)
{
	if (b->from && block_last_seq(k) < b->from)
		return true;
	if (b->since != EVLOG_TIME_MIN && k->last_logtime < b->since)
		return true;
	if (b->event_since != EVLOG_TIME_MIN && k->greatest_time < b->event_since)
		return true;
	return b->event_until != EVLOG_TIME_MAX && k->least_time >= b->event_until;
}

int block_is_outside(
    struct log_reader *r, const struct block *b, bool *outside, evlog_error *err)
{
	const struct filter_wanted *w = r->bounds.wanted;
	uint32_t kinds;
	const char *p;

	*outside = block_outside(&r->bounds, b);
	if (*outside || !w || !r->skipping || b->header_size == BLOCK_HEADER)
		return 0;
	int res = segment_bytes(&r->seg, b->offset, b->header_size, 0, &p, err);
	if (!res && p) {
		struct view filter = filter_find(block_extensions(p, b), &kinds);
		*outside = !filter_match(filter, kinds, w);
	}
	return res;
}

/* Whether block i may contain wanted events. */
static bool index_admits(const struct bounds *bounds, const struct index *x,
    const struct seal *seal, uint32_t i)
{
	struct block b, next = {.first_seq = seal->last_seq + 1};

	if (!index_match(x, i))
		return false;
	index_entry(x, i, &b);
	if (i + 1 < x->blocks)
		index_entry(x, i + 1, &next);
	b.count = (uint32_t)(next.first_seq - b.first_seq);
	return !block_outside(bounds, &b);
}

bool index_next(const struct bounds *bounds, const struct index *x,
    const struct seal *seal, uint64_t *at, uint64_t *seq)
{
	uint32_t i = index_next_match(x, index_find(x, *seq));
	struct block b = {.offset = seal->end, .first_seq = seal->last_seq + 1};

	while (i < x->blocks && !index_admits(bounds, x, seal, i))
		i = index_next_match(x, i + 1);
	if (i < x->blocks)
		index_entry(x, i, &b);
	if (b.first_seq <= *seq || b.offset <= *at)
		return false;
	*at = b.offset;
	*seq = b.first_seq;
	return true;
}

void index_skip(struct log_reader *r)
{
	const struct seal *seal = &r->seg.header.seal;
	uint64_t from = r->at;

	if (!index_next(&r->bounds, &r->index, seal, &r->at, &r->next_seq))
		return;
	r->rooted = r->at == seal->end;
	if (r->rooted)
		memcpy(r->root, seal->root, HASH_SIZE);
	r->done += r->at - from;
}

/* Bisects the segment's bytes, looking for a block header after each middle. */
int segment_seek(struct log_reader *r, evlog_error *err)
{
	uint64_t low = r->at, high = r->limit, found;
	struct block b;

	while (low < high && high - low > STREAM) {
		uint64_t middle = low + (high - low) / 2;
		int res = tail_resync(&r->seg, middle, high, &b, &found, err);
		if (res)
			return res;
		bool before = found < high &&
			      ((r->bounds.from && block_last_seq(&b) < r->bounds.from) ||
				  b.last_logtime < r->bounds.since);
		if (!before) {
			high = middle;
			continue;
		}
		low = block_end(&b);
		r->next_seq = block_last_seq(&b) + 1;
		r->epoch = b.epoch;
		memcpy(r->root, b.root, HASH_SIZE);
		r->rooted = true;
	}
	r->done += low - r->at;
	r->at = low;
	return 0;
}

void index_skip_back(struct log_reader *r)
{
	const struct seal *seal = &r->seg.header.seal;
	uint32_t i = index_find(&r->index, r->emitted - 1), last = i;
	struct block b;

	while (i > 0 && !index_admits(&r->bounds, &r->index, seal, i))
		i--;
	bool none = i == 0 && !index_admits(&r->bounds, &r->index, seal, i);
	if (i == last && !none)
		return;
	index_entry(&r->index, none ? 0 : i + 1, &b);
	r->done += r->limit - b.offset;
	r->emitted = b.first_seq;
	r->limit = b.offset;
	index_entry(&r->index, i, &b);
	r->at = none ? 0 : b.offset;
}
