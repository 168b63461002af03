/*
 * readahead.c - puts blocks into the decoder pool ahead of their turn: those of the open
 * segment and, if an index says which are wanted, those of the next one.
 */
#include "read/reader_internal.h"

#define RUN 4 /* blocks in a row that are wanted: so will be the next ones */

/* Whether blocks are skipped by their headers, so that it is unknown which will be
 * wanted. */
static bool is_hopping(const struct log_reader *r)
{
	return r->skipping && !r->index.open && r->run < RUN;
}

bool readahead_has(const struct log_reader *r, const struct block *b)
{
	const struct block *first = r->pool ? decoder_pool_first(r->pool) : NULL;

	return first && first->segment == b->segment && first->offset == b->offset;
}

size_t header_ahead(const struct log_reader *r)
{
	return is_hopping(r)			   ? r->hop
	       : r->index.open && r->bounds.wanted ? SPARSE
						   : STREAM;
}

size_t hop_after(const struct block *b)
{
	return b->packed_size < SMALL ? SPARSE : b->header_size;
}

static void next_close(struct log_reader *r)
{
	segment_close(&r->next);
	index_close(&r->next_index);
}

/* Continues in the next segment, if that is sealed: only then does it record its own
 * end. */
static bool next_enter(struct log_reader *r)
{
	size_t i = r->at_segment + 1;
	evlog_error ignored;

	if (!r->index.open || r->ahead_next)
		return false;
	while (i < r->log.n && scope_excludes(r, i))
		i++;
	if (i >= r->log.n || r->log.segments[i] >= r->end.segment)
		return false;
	next_close(r);
	if (log_segment(&r->log, r->log.segments[i], NULL, &r->next, &ignored) ||
	    !segment_is_sealed(&r->next) ||
	    reader_index(r, &r->next, &r->next_index, &ignored)) {
		next_close(r);
		return false; /* reported when its turn comes */
	}
	r->ahead_next = true;
	r->ahead_at = r->next.header.size;
	r->ahead_seq = r->next.first_seq;
	return true;
}

bool readahead_enter(struct log_reader *r)
{
	bool there = r->ahead_next && r->next.first_seq == r->log.segments[r->at_segment];

	r->ahead_next = false;
	if (there) {
		r->seg = r->next;
		r->index = r->next_index;
		r->next = (struct segment){.fd = -1};
		r->next_index = (struct index){0};
	} else if (r->pool) {
		decoder_pool_clear(r->pool);
		next_close(r);
	}
	return there;
}

/* Puts in the next block; false if there is none. */
static bool block_ahead(struct log_reader *r)
{
	struct segment *seg = r->ahead_next ? &r->next : &r->seg;
	const struct index *index = r->ahead_next ? &r->next_index : &r->index;
	uint64_t limit = r->ahead_next ? seg->header.seal.end : r->limit;
	const char *packed;
	evlog_error ignored;
	struct block b;
	bool outside;

	if (index->open)
		index_next(
		    &r->bounds, index, &seg->header.seal, &r->ahead_at, &r->ahead_seq);
	if (r->ahead_at >= limit)
		return next_enter(r);
	if (segment_block(seg, r->ahead_at, limit, header_ahead(r), &b, &ignored) ||
	    b.raw_size > BLOCK_RAW_PLAIN || block_beyond(&r->bounds, &b))
		return false; /* reported when its turn comes */
	if (!index->open && (block_is_outside(r, &b, &outside, &ignored) || outside))
		return false; /* the run ends */
	r->ahead_at = block_end(&b);
	r->ahead_seq = block_last_seq(&b) + 1;
	return segment_bytes(seg, b.offset + b.header_size, b.packed_size, 0, &packed,
		   &ignored) == 0 &&
	       packed && decoder_pool_put(r->pool, &b, packed);
}

void readahead_fill(struct log_reader *r)
{
	if (r->threads < 2 || r->packed || is_hopping(r) ||
	    (!r->pool && r->limit - r->at < 2 * STREAM))
		return;
	if (!r->pool && !(r->pool = decoder_pool_new(r->threads - 1, r->bounds.select)))
		r->threads = 1;
	if (!r->pool)
		return;
	if (!decoder_pool_first(r->pool)) {
		r->ahead_next = false;
		r->ahead_at = r->at;
		r->ahead_seq = r->next_seq;
	}
	while (decoder_pool_has_room(r->pool) && block_ahead(r))
		;
}

void readahead_close(struct log_reader *r)
{
	decoder_pool_free(r->pool);
	next_close(r);
}
