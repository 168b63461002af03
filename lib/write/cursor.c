/* cursor.c - finds the latest cursor of a consumer in a log, and prepares the one for the
 * next commit. */
#include "base/error.h"
#include "base/file.h"
#include "base/os.h"
#include "read/reader.h"
#include "write/writer.h"

#include <inttypes.h>

enum { FARTHER_BACK = 2 };

/* Whether `found` is the cursor that is looked for.  One of evlog 0.1 does not have the
 * lineage of its log; then the root decides. */
static int cursor_is(const struct evlog_writer *w, const struct cursor *want,
    const struct cursor *found, bool *same, evlog_error *err)
{
	struct evlog_position at = {0};

	*same = cursor_same(want, found);
	if (*same || !w->cursor_source || strcmp(want->name, found->name) != 0 ||
	    !hash_is_none(found->lineage))
		return 0;
	position_set(&at, found->id, found->seq, found->root);
	int r = evlog_position_check(w->cursor_source, &at, w->max_line, err);
	*same = r == 0;
	return r == EVLOG_EMISMATCH ? 0 : r;
}

/* Looks for the cursor among extensions.  Returns 0 and fills in *c, or FARTHER_BACK. */
static int extensions_search(const struct evlog_writer *w, struct view extensions,
    struct cursor *c, evlog_error *err)
{
	struct cursor found, latest;
	struct extension x;
	bool there = false, same;

	while (extension_next(&extensions, &x)) {
		if (!extension_is_cursor(&x))
			continue;
		enum understood u = cursor_decode(&found, &x);
		if (u == UNDERSTOOD_WRONG)
			continue;
		int r = cursor_is(w, c, &found, &same, err);
		if (r)
			return r;
		if (same && u == UNDERSTOOD_NOT)
			return error_set(err, EVLOG_ENEWER,
			    "%s: the cursor of %s was written by a newer evlog",
			    w->log.path, c->name);
		if (same)
			latest = found;
		there |= same;
	}
	if (there)
		*c = latest;
	return there ? 0 : FARTHER_BACK;
}

/* Searches a segment backwards, from the block at `at`, as long as blocks have events
 * after `behind`.  Returns EVLOG_END if no cursor was found and earlier segments need not
 * be searched, FARTHER_BACK if they must be. */
static int blocks_search(struct evlog_writer *w, struct segment *s, uint64_t at,
    uint64_t limit, uint64_t behind, struct cursor *c, evlog_error *err)
{
	struct block b;
	const char *p;
	int r = FARTHER_BACK;

	while (at && r == FARTHER_BACK) {
		r = segment_block(s, at, limit, 0, &b, err);
		if (r == EVLOG_EDAMAGED)
			return segment_damaged(s, at, s->first_seq, 0, err->reason, err);
		if (r)
			return r;
		if (block_last_seq(&b) <= behind)
			return EVLOG_END;
		r = segment_bytes(s, at, b.header_size, 0, &p, err);
		if (!r)
			r = extensions_search(w, block_extensions(p, &b), c, err);
		limit = at;
		at -= b.back;
	}
	return r;
}

/* The header of a sealed segment has the cursors, in place of its blocks; mostly those of
 * all segments before it, too. */
static int header_search(
    struct evlog_writer *w, struct segment *s, struct cursor *c, evlog_error *err)
{
	struct view extensions;

	int r = segment_extensions(s, &extensions, err);
	if (!r)
		r = extensions_search(w, extensions, c, err);
	return r == FARTHER_BACK && cursors_are_all(extensions) ? EVLOG_END : r;
}

/* Gets the latest cursor of c's consumer from blocks with events after `behind`, up to
 * the end that head records.  active: the segment that head names.  Returns EVLOG_END if
 * there is none. */
static int cursor_find(struct evlog_writer *w, struct segment *active,
    const struct head *h, uint64_t behind, struct cursor *c, evlog_error *err)
{
	struct segment_header header = active->header;
	struct segment s;

	int r = blocks_search(w, active, h->last_block, h->committed, behind, c, err);
	while (r == FARTHER_BACK && header.previous != SEGMENT_NONE &&
	       !(header.flags & SEGMENT_TRIMMED) && header.first_seq - 1 > behind) {
		uint64_t end, last;
		r = segment_open(
		    &s, w->log.dir_fd, w->log.path, header.previous, NULL, false, err);
		if (!r && segment_is_sealed(&s) && s.header.version > 1) {
			r = header_search(w, &s, c, err);
		} else if (!r) {
			segment_extent(&s, &header, &end, &last);
			r = blocks_search(w, &s, last, end, behind, c, err);
		}
		header = s.header;
		segment_close(&s);
	}
	/* a trimmed log has the cursors of what was removed in its first header */
	if (r == FARTHER_BACK && header.flags & SEGMENT_TRIMMED &&
	    header.first_seq == active->first_seq)
		r = header_search(w, active, c, err);
	return r == FARTHER_BACK ? EVLOG_END : r;
}

/* The same without the lock, so that others can append while a long log is searched. Sets
 * *looked to the last event that was searched; to 0 if that failed, because whatever is
 * wrong will be found and reported with the lock. */
static int cursor_probe(struct evlog_writer *w, struct cursor *c, uint64_t *looked)
{
	struct segment active;
	struct head h;
	enum head_state state;
	evlog_error ignored;

	*looked = 0;
	if (head_read(w->log.head_fd, &h, &state, true, w->log.path, &ignored) ||
	    state != HEAD_WHOLE)
		return EVLOG_END;
	int r = segment_open(
	    &active, w->log.dir_fd, w->log.path, h.segment, h.id, false, &ignored);
	if (!r && !segment_is_sealed(&active))
		r = cursor_find(w, &active, &h, 0, c, &ignored);
	else if (!r)
		r = EVLOG_EBUSY; /* head is old */
	segment_close(&active);
	if (r == 0 || r == EVLOG_END)
		*looked = h.tree.n;
	return r == 0 ? 0 : EVLOG_END;
}

int cursor_prepare(struct evlog_writer *w, evlog_error *err)
{
	struct cursor now = w->cursor;

	w->extension.len = 0;
	if (w->o.replica)
		return carry_cursors(w, &w->extension, err);
	if (!*w->cursor.name)
		return 0;
	int r = cursor_find(w, &w->seg, &w->log.head, w->looked, &now, err);
	/* sealing moves a cursor to the header of its segment, so ours may be found
	 * again */
	bool ours = r == 0 && now.seq == w->left.seq &&
		    now.generation == w->left.generation &&
		    memcmp(now.root, w->left.root, HASH_SIZE) == 0 &&
		    now.due == w->left.due && now.due_seq == w->left.due_seq;
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
	struct cursor probed = w->cursor;
	uint64_t looked;
	int found = cursor_probe(w, &probed, &looked);

	int r = writer_lock(w, err);
	if (r)
		return r;
	r = recover(w, err);
	if (!r)
		r = segment_ensure(w, err);
	const struct head *h = &w->log.head;
	if (looked > h->tree.n) /* it was lost in a power cut */
		looked = 0;
	if (!r)
		r = cursor_find(w, &w->seg, h, looked, &w->cursor, err);
	if (r == EVLOG_END && looked && found == 0) {
		w->cursor = probed;
		r = 0;
	}
	cursor_left(w);
	return writer_unlock(w, r, err);
}
