/*
 * carry.c - what a replica takes over from a compressed stream beside its lines: where
 * the commits of the log end, the cursors that came with them, which lines may be only
 * their leaves, and where a trimmed log begins.
 *
 * The headers of the blocks say it, before their lines come.  A commit of the replica
 * ends where a commit of the log ends, and has the cursors up to there; so what a
 * consumer appended and its place are in the replica together, or not at all.
 */
#include "base/error.h"
#include "base/options.h"
#include "write/writer.h"

#include <inttypes.h>
#include <stdlib.h>

#define COMMIT_MOST  (256u << 20) /* bytes of lines that wait for their commit to end */
#define WAITING_MOST (1u << 20)	  /* bytes of cursors that wait for their commit to end */

/* Drops the first n. */
static void carry_drop(struct carry *c, size_t n)
{
	if (n == 0)
		return;
	for (size_t i = 0; i < n; i++) {
		c->bytes -= c->at[i].cursors.len;
		buf_free(&c->at[i].cursors);
	}
	c->n -= n;
	c->taken -= n < c->taken ? n : c->taken;
	memmove(c->at, c->at + n, c->n * sizeof *c->at);
}

void carry_free(struct carry *c)
{
	if (c->n)
		carry_drop(c, c->n);
	free(c->at);
	*c = (struct carry){0};
}

static int carry_add(struct carry *c, const struct carried *one, evlog_error *err)
{
	if (c->n == c->cap && !array_grow(&c->at, &c->cap, sizeof *c->at))
		return error_memory(err);
	c->at[c->n++] = *one;
	c->bytes += one->cursors.len;
	return 0;
}

/* ---- What the headers say ---- */

static int stream_bad(const char *why, bool newer, evlog_error *err)
{
	if (newer)
		return error_set(err, EVLOG_ENEWER, "the compressed stream: %s", why);
	return error_set(err, EVLOG_EDATA, "the compressed stream is damaged: %s", why);
}

/* Keeps where a trimmed log begins. */
static int origin_told(struct evlog_writer *w, const struct segment_header *h,
    const unsigned char *p, evlog_error *err)
{
	struct view rest = {(const char *)p + h->size - 8 - h->extensions, h->extensions};
	struct origin *o = &w->origin;

	if (h->read_only)
		return stream_bad("its first header has unknown features", true, err);
	if (h->last_logtime > EVLOG_TIME_MAX)
		return stream_bad("its first header has no possible time", false, err);
	o->known = true;
	o->header = *h;
	o->cursors.len = 0;
	/* those of a sealed segment are as of its end, and its blocks have the others */
	o->all = cursors_are_all(rest);
	if (!(h->flags & SEGMENT_SEALED))
		cursors_copy(&o->cursors, rest);
	if (o->all)
		extension_end(
		    &o->cursors, extension_begin(&o->cursors, EXTENSION_CURSORS_ALL));
	return o->cursors.failed ? error_memory(err) : 0;
}

static int segment_told(
    struct evlog_writer *w, const unsigned char *p, size_t len, evlog_error *err)
{
	struct segment_header h = {0};

	const char *why = segment_header_decode(&h, p, len);
	w->extract = why && why != segment_newer && h.flags & SEGMENT_EXTRACT;
	if (why && !w->extract)
		return stream_bad(why, why == segment_newer, err);
	/* while a commit runs, it may be creating the log */
	bool begins = !w->committing.begun && w->absent && !w->origin.known &&
		      w->next.n == 0 && w->now.n == 0 && w->told.n == 0;
	return begins && h.flags & SEGMENT_TRIMMED && !w->extract
		   ? origin_told(w, &h, p, err)
		   : 0;
}

static int block_told(
    struct evlog_writer *w, const unsigned char *p, size_t len, evlog_error *err)
{
	struct carried one = {.extract = w->extract};
	struct block b;

	const char *why = block_header_read(&b, p, len);
	if (why)
		return stream_bad(why, why == block_newer, err);
	if (w->told.taken < w->told.n)
		return stream_bad(
		    "a block has fewer lines than its header says", false, err);
	one.next = b.first_seq;
	one.left = b.count;
	one.leaves = b.flags & BLOCK_LEAVES;
	one.partial = !(b.flags & BLOCK_COMMIT) && !w->extract;
	memcpy(one.root, b.root, HASH_SIZE);
	if (!w->extract)
		cursors_copy(&one.cursors, block_extensions((const char *)p, &b));
	int r = one.cursors.failed ? error_memory(err)
		: one.cursors.len > CURSORS_MOST
		    ? error_set(err, EVLOG_EDATA,
			  "event %" PRIu64 ": its block has more cursors than a replica "
			  "can take over; replicate plain lines instead",
			  b.first_seq)
		    : carry_add(&w->told, &one, err);
	if (r)
		buf_free(&one.cursors);
	return r;
}

int evlog_writer_frame(evlog_writer *w, const char *p, size_t len, evlog_error *err)
{
	OWN_ERROR(err);
	NEED(w && p, err);
	REFUSE(!w->o.replica, "only a replica takes frames", err);
	REFUSE(len < 16, "it is not a frame", err);
	const unsigned char *bytes = (const unsigned char *)p;
	w->framed = true;
	return memcmp(p + 8, SEGMENT_TAG, 8) == 0 ? segment_told(w, bytes, len, err)
	       : memcmp(p + 8, BLOCK_TAG, 8) == 0 ? block_told(w, bytes, len, err)
						  : 0;
}

int carry_lines(struct evlog_writer *w, const struct evlog_lines *lines, evlog_error *err)
{
	/* the root is not known after a part of a block */
	struct carried one = {
	    .extract = true, .leaves = lines->leaves, .partial = lines->partial};
	struct evlog_lines rest = *lines;
	struct evlog_event e;

	while (evlog_lines_take(&rest, &e))
		one.left++;
	buf_add(&one.cursors, lines->cursors, lines->cursors_len);
	int r = one.cursors.failed ? error_memory(err) : carry_add(&w->told, &one, err);
	if (r)
		buf_free(&one.cursors);
	w->framed = true;
	return r;
}

/* ---- The lines ---- */

/* The block that the next line is in; NULL: none, so it is a line alone. */
static struct carried *told_next(const struct evlog_writer *w)
{
	return w->told.taken < w->told.n ? &w->told.at[w->told.taken] : NULL;
}

void carry_expect(struct evlog_writer *w)
{
	const struct carried *told = told_next(w);

	w->intake.alone = !told;
	w->intake.leaves = told && told->leaves;
}

int carry_line(const struct evlog_writer *w, uint64_t seq, const char *name,
    uint64_t line_no, evlog_error *err)
{
	const struct carried *told = told_next(w);
	const struct batch *b = &w->next;

	if (!told && !w->framed)
		return 0;
	if (!told)
		return error_set(err, EVLOG_EDATA,
		    "%s:%" PRIu64 ": the compressed stream is damaged: event %" PRIu64
		    " is in no block",
		    name, line_no, seq);
	if (!told->extract && seq != told->next)
		return error_set(err, EVLOG_EDATA,
		    "%s:%" PRIu64 ": the compressed stream is damaged: event %" PRIu64
		    ", but the header of its block says %" PRIu64,
		    name, line_no, seq, told->next);
	if (b->whole < b->n && (b->raw.len - b->at[b->whole].offset > COMMIT_MOST ||
				   w->told.bytes > WAITING_MOST))
		return error_set(err, EVLOG_EDATA,
		    "%s:%" PRIu64 ": event %" PRIu64
		    " is in a commit of more than 256 MiB, or of too many cursors; "
		    "replicate plain lines instead",
		    name, line_no, seq);
	return 0;
}

void carry_added(struct evlog_writer *w)
{
	struct carried *told = told_next(w);
	struct batch *b = &w->next;
	struct pending *p = &b->at[b->n - 1];

	if (told) {
		p->leaf = told->leaves;
		p->partial = told->left > 1 || told->partial;
		told->next++;
		told->last = p->seq;
		if (--told->left == 0)
			w->told.taken++;
	}
	if (!p->partial)
		b->whole = b->n;
}

size_t evlog_writer_input_end(evlog_writer *w, bool whole)
{
	struct batch *b = w ? &w->next : NULL;
	struct carry *told = w ? &w->told : NULL;
	size_t kept = 0;

	if (!w || !w->o.replica)
		return 0;
	size_t dropped = b->n - b->whole;
	if (dropped)
		b->raw.len = b->at[b->whole].offset;
	b->n = b->whole;
	uint64_t last = b->n ? b->at[b->n - 1].seq : 0;
	while (kept < told->taken && told->at[kept].last <= last)
		kept++;
	while (told->n > kept) {
		told->bytes -= told->at[--told->n].cursors.len;
		buf_free(&told->at[told->n].cursors);
	}
	told->taken = kept;
	w->extract = w->framed = false;
	w->broken = !whole;
	if (w->broken && !w->committing.begun && b->n + w->now.n == 0)
		w->origin.known = false;
	return dropped;
}

/* ---- A commit ---- */

size_t carry_whole(const struct evlog_writer *w)
{
	const struct batch *b = &w->next;
	size_t bytes = 0;
	uint64_t end = 0; /* of the commits for whose cursors there is room */

	for (size_t i = 0; i < w->told.taken && !w->o.atomic; i++) {
		const struct carried *c = &w->told.at[i];
		bytes += c->cursors.len;
		if (bytes > CURSORS_GATHER && end)
			return (size_t)(end - b->at[0].seq + 1);
		if (!c->partial)
			end = c->last;
	}
	return b->whole;
}

int carry_begin(struct evlog_writer *w, evlog_error *err)
{
	uint64_t last = w->now.n ? w->now.at[w->now.n - 1].seq : 0;
	size_t n = 0;
	int r = 0;

	while (!r && n < w->told.taken && w->told.at[n].last <= last) {
		r = carry_add(&w->carried, &w->told.at[n], err);
		if (!r) { /* it has moved */
			w->told.bytes -= w->told.at[n].cursors.len;
			w->told.at[n++].cursors = (struct buf){0};
		}
	}
	carry_drop(&w->told, n);
	return r;
}

void carry_done(struct evlog_writer *w)
{
	carry_drop(&w->carried, w->carried.n);
}

int carry_cursors(struct evlog_writer *w, struct buf *out, evlog_error *err)
{
	struct cursor_set set = {0};

	for (size_t i = 0; i < w->carried.n; i++) {
		const struct carried *c = &w->carried.at[i];
		if (c->last > w->log.head.tree.n)
			cursor_set_take(
			    &set, (struct view){c->cursors.p, c->cursors.len});
	}
	cursor_set_write(&set, out);
	cursor_set_free(&set);
	if (out->len > CURSORS_MOST)
		return error_set(err, EVLOG_EDATA,
		    "%s: a commit has no room for so many cursors; %s", w->log.path,
		    w->o.atomic ? "try without --atomic"
				: "replicate plain lines instead");
	return out->failed ? error_memory(err) : 0;
}

const unsigned char *carry_root(const struct evlog_writer *w, uint64_t last)
{
	const struct carried *c = w->carried.n ? &w->carried.at[w->carried.n - 1] : NULL;

	return c && !c->extract && c->last == last ? c->root : NULL;
}
