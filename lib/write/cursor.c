/* cursor.c - finds the latest cursor of a consumer in a log, and prepares the one for the
 * next commit. */
#include "base/error.h"
#include "base/file.h"
#include "base/os.h"
#include "write/writer.h"

#include <inttypes.h>

enum { FARTHER_BACK = 2 };

/* Searches one segment backwards, from the block at `at`, as long as blocks have events
 * after `behind`.  Returns EVLOG_END if no cursor was found and earlier segments need not
 * be searched, FARTHER_BACK if they must be. */
static int segment_search(struct segment *s, uint64_t at, uint64_t limit, uint64_t behind,
    struct cursor *c, evlog_error *err)
{
	struct block b;
	const char *p;

	while (at) {
		int r = segment_block(s, at, limit, 0, &b, err);
		if (r == EVLOG_EDAMAGED)
			return segment_damaged(s, at, s->first_seq, 0, err->reason, err);
		if (r)
			return r;
		if (block_last_seq(&b) <= behind)
			return EVLOG_END;
		if (b.header_size > BLOCK_HEADER) {
			r = segment_bytes(s, at, b.header_size, 0, &p, err);
			if (r)
				return r;
			if (cursor_decode(c, (const unsigned char *)p + BLOCK_HEADER - 8,
				b.header_size - BLOCK_HEADER))
				return 0;
		}
		limit = at;
		at -= b.back;
	}
	return FARTHER_BACK;
}

/* Gets the latest cursor with c's name and log_id from blocks with events after `behind`.
 * Returns EVLOG_END if there is none. */
static int cursor_find(
    struct evlog_writer *w, uint64_t behind, struct cursor *c, evlog_error *err)
{
	const struct head *h = &w->log.head;
	struct segment_header header = w->seg.header;
	struct segment s;

	int r = segment_search(&w->seg, h->last_block, h->committed, behind, c, err);
	while (r == FARTHER_BACK && header.previous != SEGMENT_NONE &&
	       header.first_seq - 1 > behind) {
		uint64_t end, last;
		r = segment_open(&s, w->log.dir_fd, w->log.path, header.previous,
		    h->log_id, false, err);
		if (!r) {
			segment_extent(&s, &header, &end, &last);
			r = segment_search(&s, last, end, behind, c, err);
		}
		header = s.header;
		segment_close(&s);
	}
	return r == FARTHER_BACK ? EVLOG_END : r;
}

int cursor_prepare(struct evlog_writer *w, evlog_error *err)
{
	struct cursor now = w->cursor;

	w->extension.len = 0;
	if (!*w->cursor.name)
		return 0;
	int r = cursor_find(w, w->looked, &now, err);
	/* sealing moves a cursor to the end of its segment, so ours may be found again */
	bool ours = r == 0 && now.seq == w->left.seq &&
		    now.generation == w->left.generation &&
		    memcmp(now.root, w->left.root, HASH_SIZE) == 0;
	if (r == 0 && !ours)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: another consumer named %s has already appended (it has read up "
		    "to event %" PRIu64 "); nothing was appended",
		    w->log.path, now.name, now.seq);
	cursor_encode(&w->extension, &w->cursor);
	if (w->extension.failed)
		return error_memory(err);
	return r == EVLOG_END ? 0 : r;
}

void cursor_left(struct evlog_writer *w)
{
	w->looked = w->log.head.tree.n;
	w->left = w->cursor;
}

int writer_cursor(struct evlog_writer *w, evlog_error *err)
{
	int r = writer_lock(w, err);

	if (r)
		return r;
	r = recover(w, err);
	if (!r)
		r = segment_ensure(w, err);
	if (!r)
		r = cursor_find(w, 0, &w->cursor, err);
	cursor_left(w);
	if (os_unlock(w->log.head_fd) < 0 && r >= 0)
		r = error_sys(err, "%s/head: cannot unlock", w->log.path);
	return r;
}
