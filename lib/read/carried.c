/* carried.c - what a compressed stream must carry of the log beside its lines. */
#include "base/error.h"
#include "format/cursor.h"
#include "read/reader_internal.h"

/* Whether there are cursors in the commit that block b belongs to, from that block on.
 * If they cannot be read, there may be some. */
static bool commit_has_cursors(struct log_reader *r, struct block b)
{
	evlog_error ignored;
	const char *p;

	for (;;) {
		int res =
		    segment_bytes(&r->seg, b.offset, b.header_size, 0, &p, &ignored);
		if (res < 0 || !p)
			return true;
		r->cursors.len = 0;
		cursors_copy(&r->cursors, block_extensions(p, &b));
		if (r->cursors.len || r->cursors.failed)
			return true;
		if (b.flags & BLOCK_COMMIT)
			return false;
		if (segment_block(&r->seg, block_end(&b), r->limit, 0, &b, &ignored) < 0)
			return true;
	}
}

/* Whether the block after b is beyond the bounds. */
static bool is_last(struct log_reader *r, const struct block *b)
{
	evlog_error ignored;
	struct block next;

	return (r->bounds.to || r->bounds.until != EVLOG_TIME_MAX) &&
	       segment_block(&r->seg, block_end(b), r->limit, 0, &next, &ignored) == 0 &&
	       block_beyond(&r->bounds, &next);
}

void log_reader_cut(struct log_reader *r, struct evlog_lines *lines)
{
	lines->cursors = NULL;
	lines->cursors_len = 0;
	lines->partial = commit_has_cursors(r, r->carried);
}

int lines_carry(struct log_reader *r, const struct block *b, struct evlog_lines *lines,
    evlog_error *err)
{
	const char *p;

	r->carried = *b;
	lines->partial = !(b->flags & BLOCK_COMMIT);
	if (lines->p + lines->len != r->lines.p + r->lines.len ||
	    (lines->partial && is_last(r, b))) {
		log_reader_cut(r, lines);
		return 0;
	}
	if (b->header_size == BLOCK_HEADER)
		return 0;
	int res = segment_bytes(&r->seg, b->offset, b->header_size, 0, &p, err);
	if (!res && !p)
		res = segment_damaged(&r->seg, b->offset, b->first_seq, 0,
		    "a block header is missing", err);
	if (res)
		return res;
	r->cursors.len = 0;
	cursors_copy(&r->cursors, block_extensions(p, b));
	lines->cursors = r->cursors.p;
	lines->cursors_len = r->cursors.len;
	return r->cursors.failed ? error_memory(err) : 0;
}
