/* select.h - which events of a run of lines are wanted. */
#ifndef EVENT_SELECT_H
#define EVENT_SELECT_H

#include "base/buf.h"
#include "evlog.h"

/* A selection made ready: which globs are plain text, scratch. */
struct select {
	const struct evlog_selection *sel;
	bool members; /* a filter looks at members */
	bool stamps;  /* a bound looks at seq or logtime */
	struct buf
	    needle; /* bytes of each line that is wanted and has no escape; or none */
	struct buf scratch;
	bool failed;  /* no memory */
	uint64_t bad; /* a line that had to be looked into is not JSON: its seq, */
	bool has_bad; /* which may be 0 */
};

/* Whether what a selection asks for is a pattern: else it is met by one text only. */
bool select_is_pattern(const struct evlog_selection *sel, const char *glob);

/* The bounds of times that have whole microseconds, as logtimes do: rounded up. */
int64_t select_since(const struct evlog_selection *sel);
int64_t select_until(const struct evlog_selection *sel);

void select_init(struct select *s, const struct evlog_selection *sel);
void select_free(struct select *s);

/* Whether one event is wanted, whatever count and last say. */
bool select_event(struct select *s, const struct evlog_event *event);

/* Takes from the front of *rest the next run of wanted lines, as long as it gets
 * without copying; false if none is left, or before a line that is not JSON: s->has_bad
 * is then set, and *rest is what follows that line. */
bool select_lines(struct select *s, struct evlog_lines *rest, struct evlog_lines *run);

#endif
