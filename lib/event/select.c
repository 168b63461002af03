/* select.c - filters over runs of lines. */
#include "event/select.h"
#include "event/stamp.h"
#include "json/scan.h"

#include <fnmatch.h>

void evlog_selection_init(struct evlog_selection *sel)
{
	*sel = (struct evlog_selection){.since = EVLOG_TIME_MIN, .until = EVLOG_TIME_MAX};
}

void select_init(struct select *s, const struct evlog_selection *sel)
{
	bool times = sel->since != EVLOG_TIME_MIN || sel->until != EVLOG_TIME_MAX;

	*s = (struct select){.sel = sel};
	s->stamps = sel->from || sel->to || (times && !sel->event_time);
	s->members = sel->types || sel->subjects || sel->sources || sel->ids ||
		     (times && sel->event_time);
}

void select_free(struct select *s)
{
	buf_free(&s->scratch);
}

bool select_is_pattern(const char *glob)
{
	return strpbrk(glob, "*?[\\") != NULL;
}

static bool glob_match(const char *glob, struct view v)
{
	if (!select_is_pattern(glob))
		return view_is(v, glob);
	return memchr(v.p, '\0', v.len) == NULL && fnmatch(glob, v.p, 0) == 0;
}

/* The content of a string member, NUL-terminated in scratch. */
static struct view plain_string(struct select *s, struct json_text text)
{
	s->scratch.len = 0;
	json_unescape(&s->scratch, text);
	buf_putc(&s->scratch, '\0');
	s->failed |= s->scratch.failed;
	if (s->scratch.failed)
		return (struct view){"", 0};
	return (struct view){s->scratch.p, s->scratch.len - 1};
}

static bool any_match(
    struct select *s, const char **globs, size_t n, const struct json_member *m)
{
	if (json_type_of(m->value) != JSON_STRING)
		return false;
	struct view v = plain_string(s, m->value);
	for (size_t i = 0; i < n; i++)
		if (glob_match(globs[i], v))
			return true;
	return false;
}

static bool time_match(const struct select *s, const struct json_member *m)
{
	int64_t t;

	if (!time_of(m->value, &t))
		return false;
	return t >= s->sel->since && t < s->sel->until;
}

/* One walk over the top-level members, ended as soon as all filters had their say. */
static bool members_match(struct select *s, const struct evlog_event *event)
{
	const struct evlog_selection *sel = s->sel;
	bool times = sel->event_time &&
		     (sel->since != EVLOG_TIME_MIN || sel->until != EVLOG_TIME_MAX);
	struct {
		const char *name;
		const char **globs;
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
		    (event->logtime == EVLOG_TIME_MIN || event->logtime < sel->since ||
			event->logtime >= sel->until))
			return false;
	}
	return !s->members || members_match(s, event);
}

bool select_lines(struct select *s, struct evlog_lines *rest, struct evlog_lines *run)
{
	struct evlog_lines left = *rest;
	struct evlog_event event;

	if (!s->stamps && !s->members) {
		*run = *rest;
		rest->len = 0;
		return run->len > 0;
	}
	*run = (struct evlog_lines){NULL, 0};
	while (evlog_lines_take(&left, &event)) {
		if (select_event(s, &event)) {
			if (!run->p)
				run->p = event.line;
			run->len = (size_t)(left.p - run->p);
			*rest = left;
		} else if (run->p) {
			return true;
		} else {
			*rest = left;
		}
	}
	return run->p != NULL;
}
