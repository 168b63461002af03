/* select.h - finding the wanted events in a block of lines. */
#ifndef EVENT_SELECT_H
#define EVENT_SELECT_H

#include "base/buf.h"
#include "event/where.h"
#include "evlog.h"

/* A selection prepared for use, with scratch memory. */
struct select {
	const struct evlog_selection *sel;
	bool members; /* a filter needs the members */
	bool stamps;  /* a bound needs seq or logtime */
	struct buf
	    needle; /* a text found in every wanted line without escapes; empty: none */
	struct buf scratch;
	struct where where; /* conditions on the content */
	struct where_scratch compared;
	bool failed;  /* out of memory */
	uint64_t bad; /* seq of a line that was examined and is not JSON; */
	bool has_bad; /* needed because seq may be 0 */
};

/* Whether `glob` is a pattern in this selection; otherwise it matches a single text. */
bool select_is_pattern(const struct evlog_selection *sel, const char *glob);

/* EVLOG_EUSAGE, if a selection makes no sense. */
int select_check(const struct evlog_selection *sel, evlog_error *err);

/* The bounds for logtimes, which are whole microseconds: rounded up. */
int64_t select_since(const struct evlog_selection *sel);
int64_t select_until(const struct evlog_selection *sel);

/* EVLOG_EUSAGE: a condition is not one.  Free it after a failure, too. */
int select_init(struct select *s, const struct evlog_selection *sel, evlog_error *err);
void select_free(struct select *s);

/* Whether the event is wanted, ignoring count and last. */
bool select_event(struct select *s, const struct evlog_event *event);

/* Takes from the front of *rest the next run of wanted lines, as long as possible without
 * copying.  Returns false if there is none.  Stops at a line that is not JSON: then
 * s->has_bad is set, and *rest starts after that line. */
bool select_lines(struct select *s, struct evlog_lines *rest, struct evlog_lines *run);

#endif
