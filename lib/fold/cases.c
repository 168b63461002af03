/*
 * cases.c - tests of a program: given some events, when one more comes, then it emits
 * these, has this state, or fails.
 *
 * What nobody has to write down is tested with each case, too: a program gives the same
 * when it runs again, when it goes on from a snapshot, and whatever the order of the
 * members in its events.
 */
#include "base/error.h"
#include "base/options.h"
#include "event/stamp.h"
#include "fold/fold.h"
#include "json/path.h"
#include "json/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SHOWN 300 /* bytes of a value in a message */

enum way { PLAIN, AGAIN, SAVED, TURNED, WAYS };

static const char *const way_name[WAYS] = {
    [AGAIN] = "it gives something else when it runs again",
    [SAVED] = "it gives something else when it goes on from a snapshot",
    [TURNED] =
	"it gives something else when the members of the events have another order",
};

/* A case, as texts; .p NULL: it has no such member. */
enum part { NAME, GIVEN, WHEN, THEN, STATE, ERROR, PARTS };

static const struct {
	const char *name;
	enum json_type type; /* STATE: any */
} parts[PARTS] = {
    [NAME] = {"name", JSON_STRING},
    [GIVEN] = {"given", JSON_ARRAY},
    [WHEN] = {"when", JSON_OBJECT},
    [THEN] = {"then", JSON_ARRAY},
    [STATE] = {"state", JSON_NULL},
    [ERROR] = {"error", JSON_STRING},
};

struct outcome {
	struct buf emitted; /* an array */
	struct buf state;   /* JSON; empty: there is none */
	struct buf error;   /* empty: none */
};

struct cases {
	struct evlog_fold_test_options o;
	struct json_text part[PARTS];
	struct outcome plain, other;
	struct buf line, name, why;
	char *snapshot; /* the path of a temporary one */
};

/* ---- One run of a case ---- */

/* Appends a value with the members of all objects in the opposite order. */
static void turn(struct buf *b, struct json_text v)
{
	struct json_walk w;
	struct json_member m;
	struct buf all = {0}, one = {0};
	bool object = json_type_of(v) == JSON_OBJECT;

	if (!object && json_type_of(v) != JSON_ARRAY) {
		buf_add(b, v.p, v.len);
		return;
	}
	json_walk_begin(&w, v);
	while (json_walk_next(&w, &m)) {
		one.len = 0;
		if (object)
			buf_printf(&one, "\"%.*s\":", (int)m.key.len, m.key.p);
		turn(&one, m.value);
		if (all.len)
			buf_putc(object ? &one : &all, ',');
		if (object) { /* before those that were there */
			buf_add(&one, all.p, all.len);
			all.len = 0;
		}
		buf_add(&all, one.p, one.len);
		b->failed |= one.failed;
	}
	buf_putc(b, object ? '{' : '[');
	buf_add(b, all.p, all.len);
	buf_putc(b, object ? '}' : ']');
	b->failed |= all.failed;
	buf_free(&all);
	buf_free(&one);
}

/* Folds an event, which gets a seq and a logtime if it has none. */
static int event_fold(struct cases *c, evlog_fold *f, struct json_text text, uint64_t seq,
    enum way way, evlog_error *err)
{
	struct evlog_event e = {.seq = seq, .logtime = (int64_t)seq * 1000000};
	struct buf turned = {0}, *b = &c->line;
	char stamp[STAMP_SIZE];
	struct json_text v;
	struct json_walk w;
	struct json_member m;

	if (way == TURNED) {
		turn(&turned, text);
		text = (struct json_text){turned.p, turned.len};
	}
	b->len = 0;
	json_walk_begin(&w, text);
	if (json_walk_next(&w, &m) && !json_top_find(text, (struct view){"seq", 3}, &v) &&
	    !json_top_find(text, (struct view){"logtime", 7}, &v)) {
		stamp_write(stamp, seq, e.logtime);
		buf_add(b, stamp, STAMP_SIZE);
		text.p++;
		text.len--;
	}
	buf_add(b, text.p, text.len);
	int r = b->failed || turned.failed ? error_memory(err) : 0;
	buf_free(&turned);
	e.line = b->p;
	e.len = b->len;
	return r ? r : evlog_fold_event(f, &e, err);
}

static int fold_open(const struct cases *c, evlog_fold **f, evlog_error *err)
{
	int r = evlog_fold_new(f, err);

	if (!r)
		r = evlog_fold_program(*f, c->o.program, c->o.limits, err);
	if (!r && c->o.key)
		r = evlog_fold_key(*f, c->o.key, err);
	if (!r)
		evlog_fold_set_rollback(*f);
	return r;
}

/* Replaces the fold by one that has its states from a snapshot. */
static int fold_reopen(struct cases *c, evlog_fold **f, uint64_t seq, evlog_error *err)
{
	struct evlog_position at = {.seq = seq};

	memset(at.log, '0', sizeof at.log - 1);
	memset(at.root, '0', sizeof at.root - 1);
	int r = evlog_fold_save(*f, c->snapshot, &at, err);
	evlog_fold_free(*f);
	*f = NULL;
	if (!r)
		r = fold_open(c, f, err);
	return r ? r : evlog_fold_load(*f, c->snapshot, &at, err);
}

/* Notes what came of the last event. */
static int outcome_take(evlog_fold *f, struct outcome *o, evlog_error *err)
{
	const char *p, *end;
	size_t len;

	buf_putc(&o->emitted, '[');
	evlog_fold_emitted(f, &p, &len);
	for (end = p + len; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		if (o->emitted.len > 1)
			buf_putc(&o->emitted, ',');
		buf_add(&o->emitted, p, (size_t)(nl - p));
		p = nl + 1;
	}
	buf_putc(&o->emitted, ']');
	int r = f->last ? state_write(f, f->last, &o->state, err) : 0;
	return r || !o->emitted.failed ? r : error_memory(err);
}

/* Runs a case.  EVLOG_EDATA: it fails before the event that it is about. */
static int case_run(struct cases *c, enum way way, struct outcome *o, evlog_error *err)
{
	evlog_fold *f = NULL;
	struct json_walk w;
	struct json_member m;
	uint64_t seq = 0;

	o->emitted.len = o->state.len = o->error.len = 0;
	int r = fold_open(c, &f, err);
	if (!r && c->part[GIVEN].p) {
		json_walk_begin(&w, c->part[GIVEN]);
		while (!r && json_walk_next(&w, &m))
			r = event_fold(c, f, m.value, ++seq, way, err);
	}
	if (r == EVLOG_EDATA || r == EVLOG_EPROGRAM) {
		evlog_error why = *err;
		r = error_set(
		    err, EVLOG_EDATA, "given event %" PRIu64 ": %s", seq, why.text);
	}
	if (!r && way == SAVED)
		r = fold_reopen(c, &f, seq, err);
	if (!r) {
		r = event_fold(c, f, c->part[WHEN], seq + 1, way, err);
		if (r == EVLOG_EDATA || r == EVLOG_EPROGRAM) {
			buf_puts(&o->error, err->text);
			r = o->error.failed ? error_memory(err) : 0;
		} else if (!r) {
			r = outcome_take(f, o, err);
		}
	}
	evlog_fold_free(f);
	return r;
}

/* ---- Judging ---- */

/* Whether two texts, which may be empty, are the same JSON value. */
static bool is_same(struct json_text x, struct json_text y, bool *failed)
{
	if (!x.len || !y.len)
		return x.len == y.len;
	struct value *a = value_parse(x), *b = value_parse(y);
	bool same = a && b && value_equal(a, b, failed);
	*failed |= !a || !b;
	value_free(a);
	value_free(b);
	return same;
}

static struct json_text text_of(const struct buf *b)
{
	return (struct json_text){b->p, b->len};
}

static bool outcomes_same(const struct outcome *x, const struct outcome *y, bool *failed)
{
	return x->error.len == y->error.len &&
	       (x->error.len == 0 || memcmp(x->error.p, y->error.p, x->error.len) == 0) &&
	       is_same(text_of(&x->emitted), text_of(&y->emitted), failed) &&
	       is_same(text_of(&x->state), text_of(&y->state), failed);
}

static void show(struct buf *b, const char *p, size_t len)
{
	buf_add(b, p, len < SHOWN ? len : SHOWN);
	buf_puts(b, len < SHOWN ? "" : "...");
}

static void differ(
    struct cases *c, const char *what, struct json_text want, const struct buf *got)
{
	buf_puts(&c->why, c->why.len ? "; " : "");
	buf_puts(&c->why, what);
	buf_puts(&c->why, " should be ");
	show(&c->why, want.p, want.len);
	buf_puts(&c->why, ", but is ");
	if (got->len)
		show(&c->why, got->p, got->len);
	else
		buf_puts(&c->why, "nothing");
}

/* Compares a result with a part of the case, if it has that. */
static int result_check(
    struct cases *c, enum part part, const struct buf *got, evlog_error *err)
{
	struct json_text want = c->part[part];
	bool failed = false;

	if (!want.p)
		return 0;
	bool same = is_same(want, text_of(got), &failed);
	if (failed)
		return error_memory(err);
	if (!same)
		differ(c, part == THEN ? "what it emits" : "the state", want, got);
	return 0;
}

/* Compares the error with the one that is expected, which may be a part of it. */
static int error_check(struct cases *c, evlog_error *err)
{
	const struct buf *got = &c->plain.error;
	struct buf want = {0};

	if (!c->part[ERROR].p) {
		if (got->len) {
			buf_puts(&c->why, "it fails: ");
			buf_add(&c->why, got->p, got->len);
		}
		return 0;
	}
	json_unescape(&want, c->part[ERROR]);
	bool there = !want.failed && got->len &&
		     (want.len == 0 || memmem(got->p, got->len, want.p, want.len));
	if (!there)
		differ(c, "its error", c->part[ERROR], got);
	int r = want.failed ? error_memory(err) : 0;
	buf_free(&want);
	return r;
}

/* Runs a case in every way.  c->why is what is wrong with it. */
static int case_judge(struct cases *c, evlog_error *err)
{
	c->why.len = 0;
	int r = case_run(c, PLAIN, &c->plain, err);
	if (!r)
		r = error_check(c, err);
	if (!r && !c->plain.error.len)
		r = result_check(c, THEN, &c->plain.emitted, err);
	if (!r && !c->plain.error.len)
		r = result_check(c, STATE, &c->plain.state, err);
	for (enum way way = AGAIN; way < WAYS && !r && !c->why.len; way++) {
		r = case_run(c, way, &c->other, err);
		bool failed = false;
		if (!r && !outcomes_same(&c->plain, &c->other, &failed))
			buf_puts(&c->why, way_name[way]);
		if (failed)
			r = error_memory(err);
	}
	if (r == EVLOG_EDATA) { /* what is given is not what the program can fold */
		buf_puts(&c->why, err->text);
		r = 0;
	}
	return r || !c->why.failed ? r : error_memory(err);
}

/* ---- Reading cases ---- */

/* What is wrong with a case; NULL: nothing. */
static const char *parts_take(struct cases *c, struct json_text v)
{
	struct json_walk w;
	struct json_member m;

	memset(c->part, 0, sizeof c->part);
	if (json_type_of(v) != JSON_OBJECT)
		return "a case must be an object";
	json_walk_begin(&w, v);
	while (json_walk_next(&w, &m)) {
		enum part i = 0;
		while (i < PARTS && !json_key_is(&m, (struct view){parts[i].name,
							 strlen(parts[i].name)}))
			i++;
		if (i == PARTS)
			return "a case has name, given, when, then, state and error, and "
			       "nothing else";
		if (c->part[i].p)
			return "a member is there twice";
		if (i != STATE && json_type_of(m.value) != parts[i].type)
			return "given and then must be arrays, when an object, name and "
			       "error "
			       "strings";
		c->part[i] = m.value;
	}
	if (!c->part[WHEN].p)
		return "when is missing: the event that the case is about";
	if (!c->part[THEN].p && !c->part[STATE].p && !c->part[ERROR].p)
		return "then, state or error is missing: there is nothing to check";
	if (c->part[ERROR].p && (c->part[THEN].p || c->part[STATE].p))
		return "error excludes then and state";
	for (struct json_walk g = {0}; c->part[GIVEN].p;) {
		if (!g.p)
			json_walk_begin(&g, c->part[GIVEN]);
		if (!json_walk_next(&g, &m))
			break;
		if (json_type_of(m.value) != JSON_OBJECT)
			return "given must have events only";
	}
	return NULL;
}

static int case_take(struct cases *c, const char *file, uint64_t line, const char *p,
    size_t len, struct evlog_fold_tested *done, evlog_error *err)
{
	struct json_fault fault = {0};
	struct json_text v;

	if (!json_scan(p, len, JSON_DEPTH, &v, NULL, &fault))
		return fault.reason ? error_at(err, file, line, fault.offset + 1, "%s",
					  fault.reason)
				    : error_memory(err);
	const char *wrong = parts_take(c, v);
	if (wrong)
		return error_at(err, file, line, 1, "%s", wrong);
	int r = case_judge(c, err);
	c->name.len = 0;
	if (c->part[NAME].p)
		json_unescape(&c->name, c->part[NAME]);
	buf_putc(&c->name, '\0');
	buf_putc(&c->why, '\0');
	if (!r && (c->name.failed || c->why.failed))
		r = error_memory(err);
	if (r)
		return r;
	bool passed = c->why.len == 1;
	*(passed ? &done->passed : &done->failed) += 1;
	if (c->o.tell)
		c->o.tell(c->o.arg, line, c->name.p, passed ? NULL : c->why.p);
	return 0;
}

static int cases_read(
    struct cases *c, const char *file, struct evlog_fold_tested *done, evlog_error *err)
{
	struct evlog_input_options o = {.size = sizeof o, .max_line = EVLOG_MAX_LINE};
	evlog_input *in;
	const char *line;
	size_t len;

	int r = evlog_input_open(&in, file, &o, err);
	if (r)
		return r;
	while ((r = evlog_input_next(in, -1, &line, &len, err)) == 0 || r == EVLOG_WAIT) {
		if (r == 0 && (r = case_take(c, file, evlog_input_line(in), line, len,
				   done, err)) < 0)
			break;
	}
	evlog_input_close(in);
	return r < 0 ? r : 0;
}

int evlog_fold_test(const char *file, const struct evlog_fold_test_options *given,
    struct evlog_fold_tested *done, evlog_error *err)
{
	struct cases c = {.part = {{0}}};
	evlog_fold *f = NULL;

	OWN_ERROR(err);
	NEED(file && done, err);
	*done = (struct evlog_fold_tested){0};
	int r = options_take(
	    &c.o, sizeof c.o, END_OF(struct evlog_fold_test_options, arg), given, err);
	if (r)
		return r;
	NEED(c.o.program, err);
	r = fold_open(&c, &f, err); /* is it a program at all? */
	evlog_fold_free(f);
	const char *tmp = getenv("TMPDIR");
	if (!r && asprintf(&c.snapshot, "%s/evlog-test.XXXXXX", tmp ? tmp : "/tmp") < 0) {
		c.snapshot = NULL;
		r = error_memory(err);
	}
	int fd = r ? -1 : mkstemp(c.snapshot);
	if (!r && fd < 0)
		r = error_sys(err, "%s", c.snapshot);
	if (fd >= 0)
		close(fd);
	if (!r)
		r = cases_read(&c, file, done, err);
	if (fd >= 0)
		unlink(c.snapshot);
	free(c.snapshot);
	if (!r && done->passed + done->failed == 0)
		r = error_set(err, EVLOG_EDATA, "%s: there is no case in it", file);
	struct buf *const all[] = {&c.plain.emitted, &c.plain.state, &c.plain.error,
	    &c.other.emitted, &c.other.state, &c.other.error, &c.line, &c.name, &c.why};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		buf_free(all[i]);
	return r;
}
