/*
 * stream.c - operands as one stream: one after the other, or merged by logtime.
 *
 * The last N events of a stream are the first N of the reversed stream, spooled and read
 * back from the end.  So one mechanism serves logs, files, filters and merges.
 */
#include "base/error.h"
#include "base/options.h"
#include "base/os.h"
#include "base/thread.h"
#include "format/frame_packer.h"
#include "read/operand.h"
#include "read/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MOST 500 /* ms */

struct evlog_stream {
	struct evlog_selection sel;
	struct operand *at;
	size_t n;
	size_t current;	   /* the operand being read, in order of reading */
	uint64_t left;	   /* events that --count still allows; UINT64_MAX: no limit */
	uint64_t passed;   /* of a single log: everything up to this seq was delivered, or
			      not wanted */
	struct spool last; /* the last N, delivered before anything else */
	bool has_last;
	int watch; /* -1: none, so poll */
	struct packed_block
	    *packed;	       /* where a block may be put as it is; NULL: nowhere */
	bool waiting_input;    /* the last EVLOG_WAIT came from a pipe */
	evlog_error verdict;   /* an error met while collecting the last N, */
	const char *unindexed; /* and a log without an index; */
	struct buf remarks;    /* and remarks, each with a NUL */
	bool counted;	       /* what the operands' conditions have met */
	evlog_error failure;   /* what ended the stream; code 0: nothing yet */
};

/* ---- Opening ---- */

static int sources_open(evlog_stream *s, const char *const *paths, size_t n,
    const uint64_t *from, const uint64_t *to, evlog_error *err)
{
	s->at = calloc(n ? n : 1, sizeof *s->at);
	if (!s->at)
		return error_memory(err);
	for (size_t i = 0; i < n; i++) {
		s->n++;
		int r = operand_open(&s->at[i], paths[i], &s->sel, from ? from[i] : 0,
		    to ? to[i] : 0, err);
		s->at[i].number = i;
		if (r)
			return r;
		if (s->sel.follow && !s->at[i].log)
			return error_set(err, EVLOG_EUSAGE,
			    "%s: --follow needs a log directory", paths[i]);
	}
	return 0;
}

static int stream_new(evlog_stream **out, const char *const *paths, size_t n,
    const struct evlog_selection *sel, const uint64_t *from, const uint64_t *to,
    evlog_error *err)
{
	evlog_stream *s = calloc(1, sizeof *s);

	*out = NULL;
	if (!s)
		return error_memory(err);
	s->sel = *sel;
	s->left = sel->count ? sel->count : UINT64_MAX;
	s->watch = -1;
	spool_init(&s->last);
	int r = sources_open(s, paths, n, from, to, err);
	if (r) {
		evlog_stream_close(s);
		return r;
	}
	*out = s;
	return 0;
}

static void watches_add(evlog_stream *s)
{
	s->watch = os_watch_open();
	for (size_t i = 0; i < s->n && s->watch >= 0; i++) {
		if (s->at[i].log && !log_watch(s->watch, s->at[i].path)) {
			close(s->watch);
			s->watch = -1;
		}
	}
}

/* Gets the seqs at which the logs end now, and those after them. */
static int ends_find(const char *const *paths, size_t n,
    const struct evlog_selection *sel, uint64_t *end, uint64_t *behind, evlog_error *err)
{
	evlog_stream *s;
	const unsigned char *root;

	int r = stream_new(&s, paths, n, sel, NULL, NULL, err);
	if (r)
		return r;
	for (size_t i = 0; i < n; i++) {
		log_reader_end(s->at[i].log, &end[i], &root);
		behind[i] = end[i] + 1;
		if (end[i] == 0)
			end[i] = 1; /* an empty log: 0 would be no bound */
	}
	evlog_stream_close(s);
	return 0;
}

static void remark_keep(void *arg, const char *text)
{
	buf_add(arg, text, strlen(text) + 1);
}

/* Reads the last N events into the spool of `out`, newest first. */
static int last_collect(evlog_stream *out, const char *const *paths, size_t n,
    const struct evlog_selection *sel, const uint64_t *to, evlog_error *err)
{
	struct evlog_selection backwards = *sel;
	struct evlog_lines lines;
	evlog_stream *s;

	backwards.reverse = true;
	backwards.follow = false;
	backwards.count = sel->last;
	backwards.last = 0;
	int r = stream_new(&s, paths, n, &backwards, NULL, to, err);
	while (!r) {
		r = evlog_stream_next(s, &lines, err);
		if (r == EVLOG_WAIT)
			r = evlog_stream_wait(s, 500, err);
		else if (!r && spool_add(&out->last, lines.p, lines.len) < 0)
			r = error_sys(err, "temporary file");
	}
	if (r == EVLOG_EDAMAGED || r == EVLOG_EDATA) {
		out->verdict = *err; /* reported after the events before it */
		r = EVLOG_END;
	}
	out->unindexed = s ? evlog_stream_unindexed(s) : NULL;
	evlog_stream_remarks(s, remark_keep, &out->remarks);
	evlog_stream_close(s);
	if (out->remarks.failed)
		return error_memory(err);
	return r == EVLOG_END ? 0 : r;
}

static int last_open(evlog_stream **out, const char *const *paths, size_t n,
    const struct evlog_selection *sel, evlog_error *err)
{
	uint64_t *end = calloc(2 * n + 1, sizeof *end);
	struct evlog_selection forward = *sel;
	int r = end ? 0 : error_memory(err);

	forward.last = 0;
	if (!r && sel->follow)
		r = ends_find(paths, n, &forward, end, end + n, err);
	if (!r)
		r = stream_new(
		    out, paths, sel->follow ? n : 0, &forward, end + n, NULL, err);
	if (!r) {
		(*out)->has_last = true;
		r = last_collect(*out, paths, n, sel, sel->follow ? end : NULL, err);
	}
	free(end);
	return r;
}

int stream_open_from(evlog_stream **out, const char *const *paths, size_t n,
    const struct evlog_selection *given, const uint64_t *from, evlog_error *err)
{
	struct evlog_selection sel, plain;

	*out = NULL;
	evlog_selection_init(&sel);
	int r = given ? options_take(&sel, sizeof sel,
			    END_OF(struct evlog_selection, map_arg), given, err)
		      : 0;
	if (!r)
		r = select_check(&sel, err);
	if (r)
		return r;
	if (sel.threads > THREADS_MOST)
		sel.threads = THREADS_MOST;
	if (sel.last && !sel.reverse) {
		r = last_open(out, paths, n, &sel, err);
	} else {
		plain = sel;
		if (sel.last && (!sel.count || sel.last < sel.count))
			plain.count = sel.last;
		plain.last = 0;
		r = stream_new(out, paths, n, &plain, from, NULL, err);
	}
	if (!r && sel.follow)
		watches_add(*out);
	if (r) {
		evlog_stream_close(*out);
		*out = NULL;
	}
	return r;
}

int evlog_stream_open(evlog_stream **out, const char *const *paths, size_t n,
    const struct evlog_selection *sel, evlog_error *err)
{
	OWN_ERROR(err);
	NEED(out, err);
	*out = NULL;
	NEED(paths && n, err);
	for (size_t i = 0; i < n; i++)
		NEED(paths[i], err);
	return stream_open_from(out, paths, n, sel, NULL, err);
}

void evlog_stream_close(evlog_stream *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		operand_close(&s->at[i]);
	free(s->at);
	buf_free(&s->remarks);
	spool_free(&s->last);
	if (s->watch >= 0)
		close(s->watch);
	free(s);
}

/* ---- One after the other ---- */

static struct operand *operand_current(evlog_stream *s)
{
	return &s->at[s->sel.reverse ? s->n - 1 - s->current : s->current];
}

static int chain_next(evlog_stream *s, struct evlog_lines *lines, evlog_error *err)
{
	while (s->current < s->n) {
		operand_current(s)->packed = s->packed;
		int r = operand_next(operand_current(s), lines, err);
		if (s->sel.salvage && (r == EVLOG_EDAMAGED || r == EVLOG_EDATA))
			operand_end(
			    operand_current(s), err); /* the other operands continue */
		else if (r != EVLOG_END)
			return r;
		s->current++;
	}
	return EVLOG_END;
}

/* ---- Merged ---- */

/* Without follow, the other operands continue after damage, which is reported at the end.
 * With it there is no end. */
static int run_refill(struct operand *s, evlog_error *err)
{
	if (s->run.len || s->ended)
		return 0;
	int r = operand_next(s, &s->run, err);
	if (r)
		s->run.len = 0;
	if ((r == EVLOG_EDAMAGED || r == EVLOG_EDATA) && !s->sel->follow) {
		operand_end(s, err);
		return 0;
	}
	return r == EVLOG_END ? 0 : r;
}

static bool run_first(const struct operand *s, struct evlog_event *e)
{
	struct evlog_lines peek = s->run;

	return evlog_lines_take(&peek, e);
}

/* Whether the event of operand i comes before that of operand j. */
static bool comes_before(const evlog_stream *s, size_t i, const struct evlog_event *a,
    size_t j, const struct evlog_event *b)
{
	if (a->logtime != b->logtime)
		return (a->logtime < b->logtime) != s->sel.reverse;
	return (i < j) != s->sel.reverse;
}

/* Delivers one line, from the operand whose event comes first. */
static int merge_next(evlog_stream *s, struct evlog_lines *lines, evlog_error *err)
{
	struct evlog_event best = {0}, e;
	size_t chosen = s->n;

	for (size_t i = 0; i < s->n; i++) {
		int r = run_refill(&s->at[i], err);
		if (r)
			return r;
		if (run_first(&s->at[i], &e) &&
		    (chosen == s->n || comes_before(s, i, &e, chosen, &best))) {
			chosen = i;
			best = e;
		}
	}
	if (chosen == s->n)
		return EVLOG_END;
	struct evlog_lines *run = &s->at[chosen].run;
	*lines =
	    (struct evlog_lines){.p = run->p, .len = best.len + 1, .operand = chosen};
	run->p += best.len + 1;
	run->len -= best.len + 1;
	return 0;
}

/* ---- The interface ---- */

/* Truncates lines to at most n, and returns how many there are. */
static uint64_t lines_limit(struct evlog_lines *lines, uint64_t n)
{
	const char *p = lines->p, *end = p + lines->len;
	uint64_t count = 0;

	while (p < end && count < n) {
		p = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
		count++;
	}
	lines->len = (size_t)(p - lines->p);
	return count;
}

static bool stopped(const evlog_stream *s)
{
	return s->sel.stop && *s->sel.stop;
}

static int stream_end(evlog_stream *s, evlog_error *err)
{
	if (s->verdict.code) {
		*err = s->verdict;
		return err->code;
	}
	for (size_t i = 0; i < s->n; i++) {
		int r = operand_verdict(&s->at[i], err);
		if (r)
			return r;
	}
	return EVLOG_END;
}

static bool may_grow(const evlog_stream *s)
{
	for (size_t i = 0; i < s->n && s->sel.follow; i++)
		if (s->at[i].log && !log_reader_finished(s->at[i].log))
			return true;
	return false;
}

static int last_next(evlog_stream *s, struct evlog_lines *lines, evlog_error *err)
{
	struct view line;

	int r = spool_take_last(&s->last, &line);
	if (r < 0)
		return error_sys(err, "temporary file");
	s->has_last = r == 0;
	*lines = (struct evlog_lines){.p = line.p, .len = line.len};
	return r;
}

/* Records how far a single log has been delivered.  Its reader may be further, while part
 * of a block is held back: by a selection, a count, or an error to be reported after
 * it. */
static void passed_note(evlog_stream *s, int r, struct evlog_lines lines, bool cut)
{
	const struct operand *o = &s->at[0];
	const unsigned char *id, *root;
	struct evlog_event last;

	if (s->n != 1 || !o->log || s->sel.reverse || r < 0)
		return;
	if (!o->rest.len && !o->failure.code && !o->select.has_bad && !cut) {
		log_reader_position(o->log, &id, &s->passed, &root);
	} else if (r == 0) {
		struct evlog_lines line = last_line(&lines);
		evlog_lines_take(&line, &last);
		s->passed = last.seq;
	}
}

static int stream_next(evlog_stream *s, struct evlog_lines *lines, evlog_error *err)
{
	bool cut = false;
	int r = EVLOG_END;

	if (s->left == 0 || stopped(s))
		return stream_end(s, err);
	if (s->has_last)
		r = last_next(s, lines, err);
	if (r == EVLOG_END)
		r = s->sel.merge ? merge_next(s, lines, err) : chain_next(s, lines, err);
	s->waiting_input = r == EVLOG_WAIT;
	if (r == 0 && s->left != UINT64_MAX) {
		size_t whole = lines->len;
		s->left -= lines_limit(lines, s->left);
		cut = lines->len < whole;
		if ((cut || (s->left == 0 && lines->partial)) && s->sel.cursors &&
		    s->n == 1 && s->at[0].log && !s->sel.reverse)
			log_reader_cut(s->at[0].log, lines);
	}
	passed_note(s, r, *lines, cut);
	if (r == EVLOG_END)
		return may_grow(s) ? EVLOG_WAIT : stream_end(s, err);
	return r;
}

int evlog_stream_next(evlog_stream *s, struct evlog_lines *lines, evlog_error *err)
{
	OWN_ERROR(err);
	NEED(s && lines, err);
	if (s->failure.code) {
		*err = s->failure;
		return err->code;
	}
	int r = stream_next(s, lines, err);
	if (r < 0)
		s->failure = *err;
	return r;
}

/* Whether the lines of logs are delivered as they are. */
static bool is_plain(const evlog_stream *s)
{
	const struct evlog_selection *sel = &s->sel;

	return !sel->merge && !sel->reverse && !sel->map && !sel->json && !sel->salvage &&
	       !sel->event_time && !s->has_last && s->left == UINT64_MAX &&
	       s->current < s->n && !s->at[s->current].select.members &&
	       !s->at[s->current].select.where.n;
}

int stream_next_packed(
    evlog_stream *s, struct packed_block *p, struct evlog_lines *lines, evlog_error *err)
{
	p->there = false;
	s->packed = is_plain(s) ? p : NULL;
	int r = evlog_stream_next(s, lines, err);
	s->packed = NULL;
	return r;
}

int evlog_stream_fd(const evlog_stream *s)
{
	return s ? s->watch : -1;
}

int evlog_stream_wait(evlog_stream *s, int wait_ms, evlog_error *err)
{
	OWN_ERROR(err);
	NEED(s, err);
	REFUSE(!s->sel.follow && !s->waiting_input, "there is nothing to wait for", err);
	struct pollfd p = {.fd = s->watch, .events = POLLIN};
	if (stopped(s))
		return 0;
	if (wait_ms < 0 || wait_ms > WAIT_MOST)
		wait_ms = WAIT_MOST;
	if (s->waiting_input) {
		for (size_t i = 0; i < s->n; i++)
			s->at[i].wait_ms = wait_ms;
		return 0;
	}
	if (s->watch < 0 && wait_ms > 50)
		wait_ms = 50;
	if (poll(&p, s->watch >= 0, wait_ms) > 0)
		os_watch_clear(s->watch);
	for (size_t i = 0; i < s->n; i++) {
		int r = operand_refresh(&s->at[i], err);
		if (r)
			return r;
	}
	s->current = 0;
	return 0;
}

int evlog_stream_position(
    const evlog_stream *s, struct evlog_position *at, evlog_error *err)
{
	const unsigned char *id, *root;
	struct log_identity who;
	uint64_t seq;
	int r = 0;

	OWN_ERROR(err);
	NEED(s && at, err);
	*at = (struct evlog_position){0};
	if (s->n != 1 || !s->at[0].log || s->sel.reverse || s->sel.last || s->sel.salvage)
		return error_set(err, EVLOG_EUSAGE,
		    "a position can only be given for a single log, read forwards, "
		    "without last or salvage");
	if (s->passed == 0)
		return EVLOG_END;
	log_reader_position(s->at[0].log, &id, &seq, &root);
	if (seq == s->passed)
		position_set(at, id, seq, root);
	else
		r = position_find(s->at[0].path, s->passed, s->sel.max_line, at, err);
	if (!r)
		r = log_reader_identify(s->at[0].log, &who, err);
	if (!r)
		position_lineage(at, &who);
	return r;
}

int evlog_packer_follow(evlog_packer *k, evlog_stream *s, evlog_error *err)
{
	OWN_ERROR(err);
	NEED(k && s, err);
	const struct evlog_selection *sel = &s->sel;
	if (s->n != 1 || sel->reverse || sel->salvage || sel->map || sel->types ||
	    sel->subjects || sel->sources || sel->ids || sel->wheres || sel->event_time)
		packer_extract(k);
	else if (s->at[0].log && sel->since == EVLOG_TIME_MIN)
		return log_reader_origin(s->at[0].log, k, err);
	return 0;
}

const char *evlog_stream_unindexed(const evlog_stream *s)
{
	if (!s || s->unindexed)
		return s ? s->unindexed : NULL;
	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].log && log_reader_unindexed(s->at[i].log))
			return s->at[i].path;
	return NULL;
}

/* Adds up in the first operand what the conditions of all have met. */
static void conditions_count(evlog_stream *s)
{
	for (size_t i = 0; i < s->n && !s->counted; i++) {
		operand_count(&s->at[i]);
		if (i == 0)
			continue;
		where_count(&s->at[0].select.where, &s->at[i].select.where);
		s->at[0].select.compared.other += s->at[i].select.compared.other;
	}
	s->counted = true;
}

void evlog_stream_remarks(
    evlog_stream *s, void (*say)(void *arg, const char *text), void *arg)
{
	if (!s || !say)
		return;
	for (size_t at = 0; at < s->remarks.len; at += strlen(s->remarks.p + at) + 1)
		say(arg, s->remarks.p + at);
	conditions_count(s);
	if (s->n)
		where_remark(
		    &s->at[0].select.where, s->at[0].select.compared.other, say, arg);
}

const char *evlog_stream_trimmed(const evlog_stream *s, uint64_t *first)
{
	for (size_t i = 0; s && first && i < s->n; i++)
		if (s->at[i].log && (*first = log_reader_trimmed(s->at[i].log)) != 0)
			return s->at[i].path;
	return NULL;
}

void evlog_stream_progress(const evlog_stream *s, uint64_t *done, uint64_t *total)
{
	if (!done || !total)
		return;
	*done = *total = 0;
	for (size_t i = 0; s && i < s->n; i++) {
		uint64_t d, t;
		if (!s->at[i].log)
			continue;
		log_reader_progress(s->at[i].log, &d, &t);
		*done += d;
		*total += t;
	}
}
