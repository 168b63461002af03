/*
 * expectations.c - checks what must hold for a commit: the last seq of the log, the last
 * event of subjects, and that no event meets a condition.
 *
 * What is there already is searched without the lock, so that others can append
 * meanwhile; with the lock, only what has come since.
 */
#include "base/error.h"
#include "base/options.h"
#include "event/where.h"
#include "read/reader.h"
#include "write/writer.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- Searching ---- */

/* What is asked for may have been removed from the log. */
static int not_known(const struct evlog_writer *w, const struct evlog_selection *sel,
    uint64_t first, evlog_error *err)
{
	const uint64_t from = sel->from ? sel->from : 1;

	return error_set(err, EVLOG_EMISMATCH,
	    "%s: the events from %" PRIu64 " up to %" PRIu64
	    " have been removed, so that nobody knows whether one of them %s %.200s; "
	    "nothing was appended.  To ask only about later ones: --expect-none "
	    "%" PRIu64 ":%s%.200s",
	    w->log.path, from, first - 1, sel->wheres ? "meets" : "has the subject",
	    sel->wheres ? *sel->where : *sel->subject, first - 1,
	    sel->wheres ? "" : "subject=", sel->wheres ? *sel->where : *sel->subject);
}

/* Gets the seq of the first event of a selection, in the order of reading; 0: there is
 * none. */
static int first_seq(
    struct evlog_writer *w, struct evlog_selection *sel, uint64_t *seq, evlog_error *err)
{
	const char *path = w->log.path;
	struct evlog_lines lines;
	struct evlog_event e;
	evlog_stream *s;
	uint64_t first;

	*seq = 0;
	sel->count = 1;
	sel->max_line = w->max_line;
	int r = evlog_stream_open(&s, &path, 1, sel, err);
	if (r)
		return r;
	r = evlog_stream_next(s, &lines, err);
	if (!r && evlog_lines_take(&lines, &e))
		*seq = e.seq;
	if (r >= 0 && *seq == 0 && evlog_stream_trimmed(s, &first) && first > sel->from)
		r = not_known(w, sel, first, err);
	evlog_stream_close(s);
	return r == EVLOG_END ? 0 : r;
}

/* Gets the seq of the last event of a subject among events from..to; 0: none has it.
 * to 0: up to the end. */
static int subject_last(struct evlog_writer *w, const char *subject, uint64_t from,
    uint64_t to, uint64_t *last, evlog_error *err)
{
	struct evlog_selection sel;

	evlog_selection_init(&sel);
	sel.from = from;
	sel.to = to;
	sel.reverse = true;
	sel.subject = &subject;
	sel.subjects = 1;
	sel.fixed = true;
	return first_seq(w, &sel, last, err);
}

/* Gets the seq of the first event from..to that meets a FILTER; 0: none does.  to 0: up
 * to the end.  EVLOG_EMISMATCH: some of these events have been removed. */
static int absence_look(struct evlog_writer *w, const char *where, uint64_t from,
    uint64_t to, uint64_t *seq, evlog_error *err)
{
	struct evlog_selection sel;

	evlog_selection_init(&sel);
	sel.from = from;
	sel.to = to;
	sel.where = &where;
	sel.wheres = 1;
	return first_seq(w, &sel, seq, err);
}

/* ---- Judging ---- */

static int subject_check(struct evlog_writer *w, size_t i, evlog_error *err)
{
	const struct evlog_expectation *x = &w->o.expect_subjects[i];
	uint64_t end = w->log.head.tree.n, from = x->seq, last = 0;
	bool probed = w->probed && w->probed <= end; /* else events were lost */
	int r = 0;

	if (probed && from <= w->probed)
		from = w->probed + 1;
	if (from <= end)
		r = subject_last(w, x->subject, from, 0, &last, err);
	if (probed && last == 0)
		last = w->probe[i];
	if (r || last == x->seq)
		return r;
	if (last == 0)
		return error_set(err, EVLOG_ECONFLICT,
		    "%s: neither event %" PRIu64
		    " nor any later one has the subject %.200s; nothing was appended",
		    w->log.path, x->seq, x->subject);
	return error_set(err, EVLOG_ECONFLICT,
	    "%s: the last seq of subject %.200s is %" PRIu64 ", not %" PRIu64
	    "; nothing was appended",
	    w->log.path, x->subject, last, x->seq);
}

static int absence_check(struct evlog_writer *w, size_t i, evlog_error *err)
{
	const struct evlog_absence *x = &w->o.expect_none[i];
	uint64_t end = w->log.head.tree.n, from = x->seq + 1, seq = 0;
	bool probed = w->probed && w->probed <= end; /* else events were lost */
	int r = 0;

	if (x->seq > end)
		return error_set(err, EVLOG_ECONFLICT,
		    "%s: the last seq is %" PRIu64 ", so that there is no event %" PRIu64
		    "; nothing was appended",
		    w->log.path, end, x->seq);
	if (probed)
		seq = w->probe[w->o.n_expect_subjects + i];
	if (probed && from <= w->probed)
		from = w->probed + 1;
	if (!seq && from <= end)
		r = absence_look(w, x->where, from, 0, &seq, err);
	return r || !seq ? r
			 : error_set(err, EVLOG_ECONFLICT,
			       "%s: event %" PRIu64 " meets %.200s; nothing was appended",
			       w->log.path, seq, x->where);
}

int absences_parse(const struct evlog_writer_options *o, evlog_error *err)
{
	int r = 0;

	NEED(o->expect_none || !o->n_expect_none, err);
	for (size_t i = 0; i < o->n_expect_none && !r; i++) {
		struct where w = {0};
		NEED(o->expect_none[i].where, err);
		r = where_add(&w, o->expect_none[i].where, err);
		where_free(&w);
	}
	return r;
}

/* ---- All of them ---- */

/* Looks for subjects and absences, up to the event that w->probed says.  Whatever is
 * wrong will be found, and reported, with the lock. */
void expectations_probe(struct evlog_writer *w)
{
	const struct evlog_writer_options *o = &w->o;
	size_t n = o->n_expect_subjects + o->n_expect_none;
	enum head_state state;
	evlog_error ignored;
	struct head h;
	int r = 0;

	if (n == 0 || w->expectation_checked || w->probed || w->absent ||
	    head_read(w->log.head_fd, &h, &state, true, w->log.path, &ignored) ||
	    state != HEAD_WHOLE || h.tree.n == 0)
		return;
	free(w->probe);
	w->probe = calloc(n, sizeof *w->probe);
	uint64_t *at = w->probe;
	/* an earlier event than the expected one fails the expectation anyway */
	for (size_t i = 0; i < o->n_expect_subjects && at && !r; i++, at++) {
		const struct evlog_expectation *x = &o->expect_subjects[i];
		if (x->seq <= h.tree.n)
			r = subject_last(w, x->subject, x->seq, h.tree.n, at, &ignored);
	}
	for (size_t i = 0; i < o->n_expect_none && at && !r; i++, at++) {
		const struct evlog_absence *x = &o->expect_none[i];
		if (x->seq < h.tree.n)
			r = absence_look(w, x->where, x->seq + 1, h.tree.n, at, &ignored);
	}
	w->probed = w->probe && !r ? h.tree.n : 0;
}

int expectations_check(struct evlog_writer *w, evlog_error *err)
{
	const struct head *h = &w->log.head;
	int r = 0;

	if (w->expectation_checked)
		return 0;
	if (w->o.expect && h->tree.n != w->o.expect_seq)
		return error_set(err, EVLOG_ECONFLICT,
		    "%s: the last seq is %" PRIu64 ", not %" PRIu64
		    "; nothing was appended",
		    w->log.path, h->tree.n, w->o.expect_seq);
	for (size_t i = 0; i < w->o.n_expect_subjects && !r; i++)
		r = subject_check(w, i, err);
	for (size_t i = 0; i < w->o.n_expect_none && !r; i++)
		r = absence_check(w, i, err);
	w->expectation_checked = !r;
	return r;
}
