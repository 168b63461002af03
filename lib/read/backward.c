/*
 * backward.c - reads a log backwards: each block header says how far back the previous
 * one is.
 */
#include "base/error.h"
#include "read/reader_internal.h"

#include <inttypes.h>

int reverse_begin(struct log_reader *r, evlog_error *err)
{
	size_t index;

	while (r->log.n > 1 && r->log.segments[r->log.n - 1] > r->end.segment)
		r->log.n--;
	index = r->bounds.to ? segment_index(r, r->bounds.to) : r->log.n - 1;
	int res = reader_segment(r, index, &r->at, err);
	if (res)
		return res;
	/* start one seq after the last block: each block must end where the next
	 * begins */
	if (r->seg.first_seq == r->end.segment)
		r->emitted = r->end.seq + 1;
	else if (segment_is_sealed(&r->seg))
		r->emitted = r->seg.header.seal.last_seq + 1;
	else
		r->emitted = r->log.segments[index + 1];
	return 0;
}

/* Reads the window so that it also covers bytes before the block at r->at. */
static int window_back(struct log_reader *r, evlog_error *err)
{
	/* little for the last event, more for whoever goes on */
	const size_t most = r->back ? r->back : SPARSE;
	uint64_t from = r->limit > most ? r->limit - most : 0;
	const char *p;

	if (from > r->at)
		from = r->at;
	if (r->at >= r->seg.window_at && r->limit <= r->seg.window_at + r->seg.window.len)
		return 0;
	if (r->at >= r->limit || r->limit - r->at > STREAM)
		return 0;
	r->back = most < STREAM / 4 ? 4 * most : STREAM;
	return segment_bytes(&r->seg, from, (size_t)(r->limit - from), 0, &p, err);
}

/* Moves to the previous segment, which must be the one named in this one's header.
 * Returns EVLOG_END if there is none. */
static int segment_back(struct log_reader *r, evlog_error *err)
{
	const struct segment_header *h = &r->seg.header;

	if (r->seg.first_seq == r->log.first)
		return EVLOG_END;
	if (r->at_segment == 0)
		return segment_missing(
		    r->log.path, r->log.first, r->seg.first_seq - 1, err);
	if (h->previous > r->log.segments[r->at_segment - 1] &&
	    h->previous < r->seg.first_seq)
		return segment_missing(
		    r->log.path, h->previous, r->seg.first_seq - 1, err);
	size_t index = r->at_segment - 1;
	const struct catalogue_segment *s;
	while (index > 0 && (s = scope_excludes(r, index)) != NULL &&
	       s->last_seq + 1 == r->log.segments[index + 1]) {
		r->emitted = s->first_seq;
		r->done += s->size;
		index--;
	}
	return reader_segment(r, index, &r->at, err);
}

int reverse_next(struct log_reader *r, struct evlog_lines *lines, evlog_error *err)
{
	struct block b;

	lines->len = 0;
	while (!r->finished && lines->len == 0) {
		int res;
		if (r->at == 0 || r->at == SEGMENT_NONE) {
			if ((res = segment_back(r, err)) != 0)
				return res;
			continue;
		}
		if (r->index.open) {
			index_skip_back(r);
			if (r->at == 0)
				continue;
		}
		res = r->index.open ? 0 : window_back(r, err);
		if (!res)
			res = segment_block(&r->seg, r->at, r->limit, 0, &b, err);
		if (res == EVLOG_EDAMAGED)
			return segment_damaged(
			    &r->seg, r->at, r->seg.first_seq, 0, err->reason, err);
		if (res)
			return res;
		if (block_last_seq(&b) + 1 != r->emitted)
			return segment_damaged(&r->seg, r->at, block_last_seq(&b) + 1,
			    r->emitted - 1, "events are missing after this block", err);
		if ((r->bounds.from && block_last_seq(&b) < r->bounds.from) ||
		    b.last_logtime < r->bounds.since) {
			r->finished = true;
			return EVLOG_END;
		}
		bool outside = block_beyond(&r->bounds, &b);
		res = outside ? 0 : block_is_outside(r, &b, &outside, err);
		if (res)
			return res;
		if (!outside) {
			res = segment_unpack(&r->seg, r->codec, &b, &r->lines, err);
			if (res)
				return res;
			*lines = (struct evlog_lines){.p = r->lines.p,
			    .len = r->lines.len,
			    .leaves = b.flags & BLOCK_LEAVES};
			lines_trim(&r->bounds, &b, lines);
		}
		r->emitted = b.first_seq;
		r->done += block_end(&b) - b.offset;
		r->limit = r->at;
		r->at -= b.back;
		if ((res = summaries_skip_back(r, &b, err)) != 0)
			return res;
	}
	return lines->len ? 0 : EVLOG_END;
}
