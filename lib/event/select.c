/* select.c - finding the wanted events in a block of lines. */
#include "event/select.h"
#include "base/error.h"
#include "base/glob.h"
#include "event/stamp.h"
#include "json/find.h"
#include "json/scan.h"

bool select_is_pattern(const struct evlog_selection *sel, const char *glob)
{
	return !sel->fixed && glob_is_pattern(glob);
}

/* If a filter asks for a single plain text, lines are searched for its bytes before any
 * member is examined.  Returns false if there is no such text. */
static bool needle_set(struct select *s, const char *const *globs, size_t n)
{
	if (n != 1 || select_is_pattern(s->sel, globs[0]))
		return false;
	buf_printf(&s->needle, "\"%s\"", globs[0]);
	if (s->needle.failed)
		s->needle.len = 0;
	return true;
}

static bool texts_are_whole(const char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!texts || !texts[i])
			return false;
	return true;
}

int select_check(const struct evlog_selection *sel, evlog_error *err)
{
	if (!texts_are_whole(sel->type, sel->types) ||
	    !texts_are_whole(sel->subject, sel->subjects) ||
	    !texts_are_whole(sel->source, sel->sources) ||
	    !texts_are_whole(sel->id, sel->ids) ||
	    !texts_are_whole(sel->where, sel->wheres) ||
	    (sel->since_digits.n && !sel->since_digits.p) ||
	    (sel->until_digits.n && !sel->until_digits.p))
		return error_set(err, EVLOG_EUSAGE, "a text of the selection is NULL");
	if (sel->follow && sel->reverse)
		return error_set(
		    err, EVLOG_EUSAGE, "follow and reverse exclude each other");
	return 0;
}

int select_init(struct select *s, const struct evlog_selection *sel, evlog_error *err)
{
	bool times = sel->since != EVLOG_TIME_MIN || sel->until != EVLOG_TIME_MAX;
	int r = 0;

	*s = (struct select){.sel = sel};
	s->stamps = sel->from || sel->to || (times && !sel->event_time);
	s->members = sel->types || sel->subjects || sel->sources || sel->ids ||
		     (times && sel->event_time);
	(void)(needle_set(s, sel->id, sel->ids) ||
	       needle_set(s, sel->subject, sel->subjects) ||
	       needle_set(s, sel->source, sel->sources) ||
	       needle_set(s, sel->type, sel->types));
	for (size_t i = 0; i < sel->wheres && !r; i++)
		r = where_add(&s->where, sel->where[i], err);
	return r;
}

void select_free(struct select *s)
{
	buf_free(&s->needle);
	buf_free(&s->scratch);
	where_free(&s->where);
	where_scratch_free(&s->compared);
}

/* The unescaped content of a string member, in scratch. */
static struct view plain_string(struct select *s, struct json_text text)
{
	s->scratch.len = 0;
	json_unescape(&s->scratch, text);
	s->failed |= s->scratch.failed;
	if (s->scratch.failed || !s->scratch.len)
		return (struct view){"", 0};
	return (struct view){s->scratch.p, s->scratch.len};
}

static bool any_match(
    struct select *s, const char *const *globs, size_t n, const struct json_member *m)
{
	if (json_type_of(m->value) != JSON_STRING)
		return false;
	struct view v = plain_string(s, m->value);
	for (size_t i = 0; i < n; i++)
		if (select_is_pattern(s->sel, globs[i]) ? glob_match(globs[i], v)
							: view_is(v, globs[i]))
			return true;
	return false;
}

/* Compares an event's time (t to the microsecond) with a bound: <0, 0 or >0. */
static int time_against(
    struct json_text value, int64_t t, int64_t bound, struct evlog_digits digits)
{
	char plain[TIME_LONGEST];

	return t != bound ? (t > bound) - (t < bound)
			  : view_compare(time_rest(value, plain),
				(struct view){digits.p, digits.n});
}

static bool time_match(const struct select *s, const struct json_member *m)
{
	const struct evlog_selection *sel = s->sel;
	int64_t t;

	if (!time_of(m->value, &t))
		return false;
	return (sel->since == EVLOG_TIME_MIN ||
		   time_against(m->value, t, sel->since, sel->since_digits) >= 0) &&
	       (sel->until == EVLOG_TIME_MAX ||
		   time_against(m->value, t, sel->until, sel->until_digits) < 0);
}

int64_t select_since(const struct evlog_selection *sel)
{
	return sel->since + (sel->since_digits.n > 0 && sel->since < EVLOG_TIME_MAX);
}

int64_t select_until(const struct evlog_selection *sel)
{
	return sel->until + (sel->until_digits.n > 0 && sel->until < EVLOG_TIME_MAX);
}

/* Walks the top-level members once and stops as soon as every filter is decided. */
static bool members_match(struct select *s, const struct evlog_event *event)
{
	const struct evlog_selection *sel = s->sel;
	bool times = sel->event_time &&
		     (sel->since != EVLOG_TIME_MIN || sel->until != EVLOG_TIME_MAX);
	struct {
		const char *name;
		const char *const *globs;
		size_t n;
		bool wanted;
	} filters[] = {
	    {"type", sel->type, sel->types, sel->types > 0},
	    {"subject", sel->subject, sel->subjects, sel->subjects > 0},
	    {"source", sel->source, sel->sources, sel->sources > 0},
	    {"id", sel->id, sel->ids, sel->ids > 0},
	    {"time", NULL, 0, times},
	};
	enum { N = sizeof filters / sizeof *filters };
	int left = 0;
	struct json_walk w;
	struct json_member m;

	for (int i = 0; i < N; i++)
		left += filters[i].wanted;
	json_walk_begin(&w, (struct json_text){event->line, event->len});
	while (left && json_walk_next(&w, &m))
		for (int i = 0; i < N; i++) {
			if (!filters[i].wanted ||
			    !json_key_is(&m,
				(struct view){filters[i].name, strlen(filters[i].name)}))
				continue;
			if (!(filters[i].globs
				    ? any_match(s, filters[i].globs, filters[i].n, &m)
				    : time_match(s, &m)))
				return false;
			filters[i].wanted = false;
			left--;
			break;
		}
	if (left && !json_walk_ended(&w)) {
		s->has_bad = true;
		s->bad = event->seq;
	}
	return left == 0;
}

bool select_event(struct select *s, const struct evlog_event *event)
{
	const struct evlog_selection *sel = s->sel;

	if (s->stamps) {
		if ((sel->from || sel->to) &&
		    (event->seq < sel->from || event->seq == 0 ||
			(sel->to && event->seq > sel->to)))
			return false;
		bool times = sel->since != EVLOG_TIME_MIN || sel->until != EVLOG_TIME_MAX;
		if (times && !sel->event_time &&
		    (event->logtime == EVLOG_TIME_MIN ||
			event->logtime < select_since(sel) ||
			event->logtime >= select_until(sel)))
			return false;
	}
	if (s->members && !members_match(s, event))
		return false;
	bool holds = s->where.n == 0 ||
		     where_holds(&s->where, (struct json_text){event->line, event->len},
			 &s->compared);
	s->failed |= s->compared.failed;
	return holds;
}

/* The length of the whole lines at the front that have neither the needle nor an escape,
 * which could hide it.  *hit caches where the needle is next. */
static size_t hopeless(const struct select *s, struct evlog_lines lines, const char **hit)
{
	if (!s->needle.len || !lines.len)
		return 0;
	const char *p = lines.p, *end = p + lines.len;
	if (!*hit || *hit < p)
		*hit = text_find((struct view){s->needle.p, s->needle.len}, p, end);
	const char *escape = memchr(p, '\\', (size_t)(*hit - p));
	const char *hope = escape ? escape : *hit;
	if (hope == end)
		return lines.len;
	const char *nl = memrchr(p, '\n', (size_t)(hope - p));
	return nl ? (size_t)(nl + 1 - p) : 0;
}

/* The lines that match next, without their cursors. */
static bool run_find(struct select *s, struct evlog_lines *rest, struct evlog_lines *run)
{
	struct evlog_lines left = *rest;
	struct evlog_event event;
	struct view line;
	const char *hit = NULL;

	*run = (struct evlog_lines){.leaves = rest->leaves};
	if (!rest->len)
		return false;
	if (!s->stamps && !s->members && !s->where.n) {
		*run = *rest;
		rest->len = 0;
		return true;
	}
	while (!s->has_bad) {
		size_t skip = hopeless(s, left, &hit);
		if (skip && run->p)
			return true;
		left.p += skip;
		left.len -= skip;
		if (!line_take(&left, &line))
			break;
		if (s->stamps)
			event_from_line(&event, line.p, line.len);
		else
			event_begin(&event, line.p, line.len);
		if (select_event(s, &event)) {
			if (!run->p)
				run->p = event.line;
			run->len = (size_t)(left.p - run->p);
			*rest = left;
		} else {
			*rest = left; /* it is not looked at again */
			if (run->p && !s->has_bad)
				return true;
		}
	}
	if (!run->p || s->has_bad)
		*rest = left;
	return run->p != NULL;
}

bool select_lines(struct select *s, struct evlog_lines *rest, struct evlog_lines *run)
{
	const char *end = rest->len ? rest->p + rest->len : NULL;
	bool found = run_find(s, rest, run);
	bool last = found && run->p + run->len == end; /* with it, they became durable */

	run->cursors = last ? rest->cursors : NULL;
	run->cursors_len = last ? rest->cursors_len : 0;
	run->partial = last && rest->partial;
	return found;
}
