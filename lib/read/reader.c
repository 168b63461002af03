/*
 * reader.c - the events of a log directory.
 *
 * A reader takes no lock and writes nothing.  What head records is committed.  If head
 * may be out of date (the machine has rebooted since, or one of its slots is damaged),
 * complete commits after it count too, because the next writer will keep them.
 *
 * To find an event, the names of the segments say which one has it; inside, the reader
 * hops from block header to block header.  Backwards, each header says how far back the
 * previous one is.
 */
#include "base/error.h"
#include "base/file.h"
#include "base/os.h"
#include "event/stamp.h"
#include "read/reader_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* ---- Forwards ---- */

/* Gets the header of the block at r->at. */
static int block_read(struct log_reader *r, struct block *b, evlog_error *err)
{
	const struct block *first;

	readahead_fill(r);
	first = r->pool ? decoder_pool_first(r->pool) : NULL;
	if (first && first->segment == r->seg.first_seq && first->offset == r->at) {
		*b = *first;
		return 0;
	}
	return segment_block(&r->seg, r->at, r->limit, header_ahead(r), b, err);
}

/* Gets that block's lines. */
static int block_lines(struct log_reader *r, const struct block *b, evlog_error *err)
{
	bool failed;

	if (!readahead_has(r, b))
		return segment_unpack(&r->seg, r->codec, b, &r->lines, err);
	const char *why = decoder_pool_take(r->pool, &r->lines, &failed);
	if (failed)
		return error_memory(err);
	return why ? segment_damaged(&r->seg, b->offset + b->header_size, b->first_seq,
			 block_last_seq(b), why, err)
		   : 0;
}

/* Whether all lines of a block are wanted as they are, and it is not very large. */
static bool block_is_plain(const struct log_reader *r, const struct block *b)
{
	const struct bounds *w = &r->bounds;

	return w->from <= b->first_seq && (!w->to || block_last_seq(b) <= w->to) &&
	       w->since == EVLOG_TIME_MIN && w->until == EVLOG_TIME_MAX && !w->select &&
	       !w->cursors && b->raw_size <= BLOCK_RAW_DENSE;
}

/* Gets a block as it is stored. */
static int block_packed(struct log_reader *r, const struct block *b, evlog_error *err)
{
	const char *frame;
	int res = segment_bytes(
	    &r->seg, b->offset + b->header_size, b->packed_size, 0, &frame, err);

	if (res)
		return res;
	if (!frame)
		return segment_damaged(&r->seg, b->offset + b->header_size, b->first_seq,
		    block_last_seq(b), "the file ends within a block", err);
	r->packed->there = packed_set(r->packed, b, frame, r->seg.path);
	return r->packed->there ? 0 : error_memory(err);
}

/* Gets its lines, and what they carry. */
static int block_deliver(struct log_reader *r, const struct block *b,
    struct evlog_lines *lines, evlog_error *err)
{
	int res = block_lines(r, b, err);

	if (res)
		return res;
	*lines = (struct evlog_lines){
	    .p = r->lines.p, .len = r->lines.len, .leaves = b->flags & BLOCK_LEAVES};
	lines_trim(&r->bounds, b, lines);
	return r->bounds.cursors ? lines_carry(r, b, lines, err) : 0;
}

static int block_next(struct log_reader *r, struct evlog_lines *lines, evlog_error *err)
{
	struct block b;
	bool outside;

	lines->len = 0;
	if (r->index.open) {
		index_skip(r);
		if (r->at >= r->limit)
			return 0;
	} else {
		summaries_skip(r);
	}
	int res = block_read(r, &b, err);
	if (res == EVLOG_EDAMAGED)
		return segment_damaged(&r->seg, r->at, r->next_seq, 0, err->reason, err);
	if (res)
		return res;
	if (b.first_seq != r->next_seq)
		return segment_damaged(&r->seg, r->at, r->next_seq, b.first_seq - 1,
		    "events are missing before this block", err);
	if (b.epoch < r->epoch)
		return segment_damaged(&r->seg, r->at, r->next_seq, 0,
		    "the block is older than the block before it", err);
	if (block_beyond(&r->bounds, &b)) {
		r->finished = true;
		return 0;
	}
	r->epoch = b.epoch;
	r->hop = hop_after(&b);
	outside = false;
	if (!readahead_has(r, &b) && (res = block_is_outside(r, &b, &outside, err)) != 0)
		return res;
	r->run = outside ? 0 : r->run + 1;
	if (!outside) {
		res = r->packed && block_is_plain(r, &b)
			  ? block_packed(r, &b, err)
			  : block_deliver(r, &b, lines, err);
		if (res)
			return res;
		r->emitted = block_last_seq(&b);
	}
	r->done += block_end(&b) - b.offset;
	r->at = block_end(&b);
	r->next_seq = block_last_seq(&b) + 1;
	/* only now, because a damaged block does not count; one that is delivered as it
	 * is stored is checked by whoever decompresses it */
	memcpy(r->root, b.root, HASH_SIZE);
	r->rooted = true;
	return 0;
}

/* Goes over segments from `index` on that need not be read, as if they had been. */
static size_t skip_forward(struct log_reader *r, size_t index)
{
	const struct catalogue_segment *s;

	while (index + 1 < r->log.n && (s = scope_excludes(r, index)) != NULL &&
	       (r->anywhere || s->first_seq == r->next_seq)) {
		r->next_seq = s->last_seq + 1;
		memcpy(r->root, s->root, HASH_SIZE);
		r->rooted = true;
		r->anywhere = false;
		r->done += s->size;
		index++;
	}
	return index;
}

static bool has_packed(const struct log_reader *r)
{
	return r->packed && r->packed->there;
}

static int forward_next(struct log_reader *r, struct evlog_lines *lines, evlog_error *err)
{
	lines->len = 0;
	while (!r->finished && lines->len == 0 && !has_packed(r)) {
		int res = 0;
		if (r->bounds.to && !r->anywhere && r->next_seq > r->bounds.to) {
			r->finished = true;
			break;
		}
		if (r->salvaging) {
			res = salvage_next(r, lines, err);
		} else if (r->at < r->limit) {
			res = block_next(r, lines, err);
		} else if (r->log.segments[r->at_segment] == r->end.segment) {
			if (!r->anywhere && r->next_seq != r->end.seq + 1)
				res = segment_damaged(&r->seg, r->at, r->next_seq,
				    r->end.seq, "events are missing at the end", err);
			else
				return EVLOG_END;
		} else {
			res = reader_enter(r, skip_forward(r, r->at_segment + 1), err);
		}
		if (res == EVLOG_EDAMAGED && r->salvage && !r->salvaging) {
			verdict_keep(r, err);
			r->salvaging = true;
			continue;
		}
		if (res)
			return res;
	}
	return lines->len || has_packed(r) ? 0 : EVLOG_END;
}

/* Bisects for the segment to start in: the last one before whose first event all logtimes
 * are earlier than `since`. */
static int since_segment(struct log_reader *r, size_t *index, evlog_error *err)
{
	size_t low = *index, high = r->log.n;
	struct segment seg;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		int res = log_segment(&r->log, r->log.segments[middle], NULL, &seg, err);
		int64_t before = seg.header.last_logtime;
		segment_close(&seg);
		if (res == EVLOG_EDAMAGED)
			return 0; /* start at the beginning; reading will report the
				     damage */
		if (res == EVLOG_ENOINPUT) { /* it is in the archive by now, or lost */
			*index = 0;
			return reader_lost(r, r->log.segments[middle], err);
		}
		if (res)
			return res;
		if (before < r->bounds.since)
			low = middle;
		else
			high = middle;
	}
	*index = low;
	return 0;
}

static int forward_begin(struct log_reader *r, evlog_error *err)
{
	size_t index = r->bounds.from ? segment_index(r, r->bounds.from) : 0;
	int res = 0;

	while (r->log.n > 1 && r->log.segments[r->log.n - 1] > r->end.segment)
		r->log.n--;
	if (index >= r->log.n)
		index = r->log.n - 1;
	if (r->bounds.since != EVLOG_TIME_MIN)
		res = since_segment(r, &index, err);
	r->anywhere = index > 0 || r->bounds.from >= r->log.segments[0];
	r->next_seq = r->log.first;
	if (!res)
		res = reader_enter(r, skip_forward(r, index), err);
	if (res == EVLOG_EDAMAGED && r->salvage) {
		verdict_keep(r, err);
		r->salvaging = true;
		res = 0;
	}
	return res;
}

/* Whether keys are wanted that filters have. */
static bool wants_keys(const struct filter_wanted *w)
{
	bool any = false;

	for (enum key_kind kind = 0; w && kind < KEY_KINDS; kind++)
		any |= kind != KEY_ID && w->of[kind].n;
	return any;
}

/* ---- The interface ---- */

int log_reader_open(struct log_reader **out, const char *path, const struct bounds *b,
    bool reverse, bool salvage, evlog_error *err)
{
	struct log_reader *r = calloc(1, sizeof *r);

	*out = NULL;
	if (!r)
		return error_memory(err);
	r->bounds = *b;
	r->reverse = reverse;
	r->threads = reverse || salvage ? 1 : b->threads;
	r->salvage = salvage;
	r->seg.fd = r->next.fd = -1;
	r->skipping =
	    !salvage && !b->no_index &&
	    (b->from || b->since != EVLOG_TIME_MIN || wants_keys(b->wanted) ||
		b->event_since != EVLOG_TIME_MIN || b->event_until != EVLOG_TIME_MAX);
	r->codec = block_codec_new(0);
	if (r->codec)
		block_codec_limit(r->codec, b->max_line);
	int res = r->codec ? log_open_through(&r->log, path, err) : error_memory(err);
	if (!res)
		res = log_survey(&r->log, b->listed, r->codec, &r->end, &r->verdict, err);
	if (!res && !salvage && !b->no_index)
		res = scope_make(r, err);
	if (!res)
		res = reverse ? reverse_begin(r, err) : forward_begin(r, err);
	if (res) {
		log_reader_close(r);
		return res;
	}
	*out = r;
	return 0;
}

int log_reader_next(struct log_reader *r, struct evlog_lines *lines, evlog_error *err)
{
	return r->reverse ? reverse_next(r, lines, err) : forward_next(r, lines, err);
}

int log_reader_next_packed(struct log_reader *r, struct packed_block *p,
    struct evlog_lines *lines, evlog_error *err)
{
	r->packed = p;
	int res = log_reader_next(r, lines, err);
	r->packed = NULL;
	return res;
}

static int another_log(const struct log_reader *r, evlog_error *err)
{
	return error_set(err, EVLOG_EMISMATCH,
	    "%s: the log was cut, replaced or removed while it was being followed "
	    "(up to event %" PRIu64 ")",
	    r->log.path, r->end.seq);
}

/* Whether the block that was last is still in its place, or is sealed by now. */
static int end_check(const struct log_reader *r, evlog_error *err)
{
	struct segment seg;
	struct block b;

	if (r->end.block == 0)
		return 0;
	int res = log_segment(&r->log, r->end.segment, r->log.id, &seg, err);
	if (!res && segment_is_sealed(&seg)) {
		memcpy(b.root, r->end.root, HASH_SIZE);
		if (seg.header.seal.last_seq < r->end.seq)
			res = another_log(r, err);
	} else if (!res) {
		res = segment_block(&seg, r->end.block, r->end.offset, 0, &b, err);
	}
	if (res == EVLOG_EDAMAGED || res == EVLOG_ENOINPUT ||
	    (!res && memcmp(b.root, r->end.root, HASH_SIZE) != 0))
		res = another_log(r, err);
	segment_close(&seg);
	return res;
}

int log_reader_refresh(struct log_reader *r, evlog_error *err)
{
	struct head h;
	enum head_state state;
	uint64_t ignored;

	if (r->log.head_fd < 0)
		return 0;
	if (log_is_replaced(&r->log))
		return another_log(r, err);
	int res = head_read(r->log.head_fd, &h, &state, true, r->log.path, err);
	if (res || state == HEAD_LOST)
		return res;
	/* head can be older than what was read, after a power cut or if a slot is
	 * damaged */
	if (h.tree.n < r->log.head.tree.n ||
	    (r->end.block == 0 && memcmp(h.id, r->log.id, ID_SIZE) != 0) ||
	    (h.tree.n == r->end.seq && memcmp(h.root, r->end.root, HASH_SIZE) != 0))
		return another_log(r, err);
	if (h.tree.n <= r->end.seq)
		return 0;
	uint64_t current = r->log.segments[r->at_segment];
	res = log_list_again(&r->log, err);
	bool removed = !res && r->log.first > current;
	if (!res && !removed)
		res = end_check(r, err);
	if (res)
		return res;
	r->log.head = h;
	memcpy(r->log.id, h.id, ID_SIZE);
	log_end_of_head(&r->log.head, &r->end);
	while (r->log.n > 1 && r->log.segments[r->log.n - 1] > r->end.segment)
		r->log.n--;
	if (r->log.n == 0)
		return error_set(err, EVLOG_EDAMAGED,
		    "%s: the segments of the log are missing; see RECOVERY in evlog(7)",
		    r->log.path);
	r->seg.window.len =
	    0;	     /* bytes read after the old end may never have been committed */
	if (removed) /* the open segment: fine if all of it was read */
		return r->log.first <= r->next_seq ? reader_enter(r, 0, err)
						   : reader_removed(r, err);
	/* keep the open file: the one of that name may have been sealed, which moves
	 * blocks */
	r->at_segment = segment_index(r, current);
	return reader_limit(r, &ignored, err);
}

int log_reader_is_busy(const struct log_reader *r)
{
	return r->log.head_fd < 0 ? 0 : os_is_locked(r->log.head_fd, HEAD_SIZE);
}

bool log_watch(int watch, const char *path)
{
	char head[4096];
	int n = snprintf(head, sizeof head, "%s/head", log_path(path));

	return n < (int)sizeof head && os_watch_add(watch, head) == 0;
}

bool log_reader_finished(const struct log_reader *r)
{
	return r->finished;
}

int log_reader_verdict(const struct log_reader *r, evlog_error *err)
{
	if (r->verdict.code && err)
		*err = r->verdict;
	return r->verdict.code;
}

void log_reader_progress(const struct log_reader *r, uint64_t *done, uint64_t *total)
{
	struct stat st;

	*done = r->done;
	*total = 0;
	for (size_t i = 0; i < r->log.n; i++)
		if (log_segment_stat(&r->log, r->log.segments[i], &st) == 0)
			*total += (uint64_t)st.st_size;
}

void log_reader_end(const struct log_reader *r, uint64_t *seq, const unsigned char **root)
{
	*seq = r->end.seq;
	*root = r->end.root;
}

void log_reader_position(const struct log_reader *r, const unsigned char **id,
    uint64_t *seq, const unsigned char **root)
{
	*id = r->log.id;
	*seq = r->rooted ? r->next_seq - 1 : 0;
	*root = r->root;
}

int log_reader_identify(struct log_reader *r, struct log_identity *who, evlog_error *err)
{
	int res = 0;

	if (hash_is_none(r->lineage) && r->end.seq && r->seg.fd >= 0)
		res = log_lineage(&r->log, &r->seg, r->codec, r->lineage, err);
	memcpy(who->id, r->log.id, ID_SIZE);
	memcpy(who->lineage, r->lineage, HASH_SIZE);
	return res;
}

const struct merkle *log_reader_tree(const struct log_reader *r)
{
	return &r->seg.header.tree;
}

uint64_t log_reader_trimmed(const struct log_reader *r)
{
	const struct bounds *b = &r->bounds;
	bool wanted = b->from < r->log.first && b->since <= r->log.removed &&
		      (!r->reverse || (r->at_segment == 0 && r->at == 0));

	return r->log.first > 1 && wanted ? r->log.first : 0;
}

bool log_reader_unindexed(const struct log_reader *r)
{
	return r->unindexed;
}

void log_reader_count(const struct log_reader *r, struct select *total)
{
	if (r->pool)
		decoder_pool_count(r->pool, total);
}

void log_reader_close(struct log_reader *r)
{
	if (!r)
		return;
	readahead_close(r);
	scope_free(r->scope);
	segment_close(&r->seg);
	index_close(&r->index);
	block_codec_free(r->codec);
	buf_free(&r->lines);
	buf_free(&r->cursors);
	free(r->gaps);
	log_close(&r->log);
	free(r);
}
