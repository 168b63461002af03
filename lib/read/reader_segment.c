/*
 * reader_segment.c - opens one segment after the other: finds where its committed bytes
 * end, and checks that it continues the one before it.
 */
#include "base/error.h"
#include "read/reader_internal.h"

#include <inttypes.h>
#include <sys/stat.h>

size_t segment_index(const struct log_reader *r, uint64_t seq)
{
	size_t i = r->log.n;

	while (i > 1 && r->log.segments[i - 1] > seq)
		i--;
	return i - 1;
}

/* The successor cannot say where the open segment ends.  Going forwards, read all of it:
 * the successor is reported when its turn comes. */
static int successor_bad(struct log_reader *r, int why, evlog_error *err)
{
	struct stat st;

	if (r->reverse)
		return why;
	if (fstat(r->seg.fd, &st) < 0)
		return error_sys(err, "%s", r->seg.path);
	r->limit =
	    segment_is_sealed(&r->seg) ? r->seg.header.seal.end : (uint64_t)st.st_size;
	return 0;
}

void verdict_keep(struct log_reader *r, const evlog_error *err)
{
	if (r->verdict.code == 0)
		r->verdict = *err;
}

/* The last segment has been sealed since its end was found, or head is older than it.
 * Either way it must have a successor. */
static int sealed_since(struct log_reader *r, evlog_error *err)
{
	evlog_error missing;

	log_end_of_seal(&r->seg, &r->end);
	int res = log_list_again(&r->log, err);
	if (!res && r->log.first > r->seg.first_seq)
		return reader_removed(r, err);
	if (!res && r->log.n)
		r->at_segment = segment_index(r, r->seg.first_seq);
	if (res || r->log.n == 0 || r->log.segments[r->log.n - 1] > r->end.segment)
		return res;
	segment_missing(r->log.path, r->end.seq + 1, 0, &missing);
	verdict_keep(r, &missing);
	return 0;
}

/* The ids of a log may differ, but its roots are one chain: checks that the open segment
 * ends with the root with which its successor begins. */
static int chain_check(struct log_reader *r, uint64_t last_block,
    const struct segment_header *next, evlog_error *err)
{
	struct segment *s = &r->seg;
	struct block b;
	int res = 0;

	if (segment_is_sealed(s))
		memcpy(b.root, s->header.seal.root, HASH_SIZE);
	else if (last_block)
		res = segment_block(s, last_block, r->limit, 0, &b, err);
	else
		memcpy(b.root, s->header.root, HASH_SIZE);
	if (!res && memcmp(b.root, next->root, HASH_SIZE) == 0)
		return 0;
	return res && res != EVLOG_EDAMAGED
		   ? res
		   : segment_damaged(s, 0, s->first_seq, next->first_seq - 1,
			 "the segment belongs to another log", err);
}

int reader_limit(struct log_reader *r, uint64_t *last_block, evlog_error *err)
{
	uint64_t first = r->seg.first_seq;
	struct segment next;
	int res;

	if (first == r->end.segment) {
		if (segment_is_sealed(&r->seg) && (res = sealed_since(r, err)) != 0)
			return res;
		r->limit = r->end.offset;
		*last_block = r->end.block;
		return 0;
	}
	if (r->at_segment + 1 >= r->log.n)
		return successor_bad(r,
		    segment_missing(r->log.path, r->end.segment, r->end.seq, err), err);
	bool sealed = segment_is_sealed(&r->seg);
	bool ours = memcmp(r->seg.header.id, r->log.id, ID_SIZE) == 0;
	if (sealed && ours) {
		segment_extent(&r->seg, NULL, &r->limit, last_block);
		return 0;
	}
	res = log_segment(&r->log, r->log.segments[r->at_segment + 1], NULL, &next, err);
	if (res == EVLOG_EDAMAGED && sealed) { /* that is said when it is its turn */
		segment_extent(&r->seg, NULL, &r->limit, last_block);
		segment_close(&next);
		return 0;
	}
	/* the first one that was kept knows only the root of what is in the archive */
	bool joined = sealed && next.header.flags & SEGMENT_TRIMMED;
	if (!res && next.header.previous != first && !joined)
		res = segment_damaged(&next, 0, first, 0,
		    "the segment before it is missing or is a different one", err);
	if (!res)
		segment_extent(&r->seg, &next.header, &r->limit, last_block);
	if (!res && !ours)
		res = chain_check(r, *last_block, &next.header, err);
	segment_close(&next);
	return res == EVLOG_EDAMAGED && ours ? successor_bad(r, res, err) : res;
}

int reader_removed(const struct log_reader *r, evlog_error *err)
{
	return error_set(err, EVLOG_EMISMATCH,
	    "%s: the events before event %" PRIu64
	    " were removed while they were being read",
	    r->log.path, r->log.first);
}

int reader_lost(struct log_reader *r, uint64_t first, evlog_error *err)
{
	const uint64_t before = r->log.first;
	struct stat st;

	int res = log_list_again(&r->log, err);
	if (!res && log_has(&r->log, first) && log_segment_stat(&r->log, first, &st) == 0)
		return 0;
	if (!res && r->log.first > first) {
		res = reader_removed(r, err);
		r->log.first = before; /* what was read so far began there */
		return res;
	}
	return res ? res : segment_missing(r->log.path, first, 0, err);
}

int reader_segment(
    struct log_reader *r, size_t index, uint64_t *last_block, evlog_error *err)
{
	segment_close(&r->seg);
	index_close(&r->index);
	r->at_segment = index;
	if (readahead_enter(r))
		return reader_limit(r, last_block, err);
	uint64_t first = r->log.segments[index];
	int res = log_segment(
	    &r->log, first, first == r->end.segment ? r->log.id : NULL, &r->seg, err);
	if (res == EVLOG_ENOINPUT) {
		if ((res = reader_lost(r, first, err)) != 0)
			return res;
		r->at_segment = segment_index(r, first);
		res = log_segment(&r->log, first,
		    first == r->end.segment ? r->log.id : NULL, &r->seg, err);
	}
	if (!res)
		res = reader_limit(r, last_block, err);
	if (res || !segment_is_sealed(&r->seg) ||
	    !(r->skipping || scope_has_ids(r, first)))
		return res;
	res = reader_index(r, &r->seg, &r->index, err);
	r->unindexed |= res == EVLOG_END;
	return res < 0 ? res : 0;
}

int reader_enter(struct log_reader *r, size_t index, evlog_error *err)
{
	uint64_t last_block = 0;

	if (index >= r->log.n)
		return segment_missing(r->log.path, r->next_seq, r->end.seq, err);
	int res = reader_segment(r, index, &last_block, err);
	r->salvaging = false;
	r->tried = 0;
	r->at = r->seg.header.size;
	if (res)
		return res;
	if (!r->anywhere && r->seg.first_seq != r->next_seq &&
	    !log_has(&r->log, r->seg.header.previous))
		return segment_missing(
		    r->log.path, r->next_seq, r->seg.first_seq - 1, err);
	if (!r->anywhere && r->seg.first_seq != r->next_seq)
		return segment_damaged(&r->seg, 0, r->next_seq, r->seg.first_seq - 1,
		    "events are missing at the end of the segment before it", err);
	if (!r->anywhere && r->rooted &&
	    memcmp(r->seg.header.root, r->root, HASH_SIZE) != 0)
		return segment_damaged(&r->seg, 0, r->next_seq, 0,
		    "the segment does not continue the log", err);
	r->next_seq = r->seg.first_seq;
	r->epoch = r->seg.header.epoch;
	r->anywhere = false;
	r->run = r->n_gaps = 0;
	if (r->index.open)
		return 0;
	if (r->bounds.from > r->next_seq || r->bounds.since != EVLOG_TIME_MIN)
		res = segment_seek(r, err);
	return res ? res : summaries_load(r, last_block, err);
}
