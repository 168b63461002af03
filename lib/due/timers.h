/* timers.h - the events that wait for their due times: a table of SQLite, in a file that
 * is kept (the checkpoint), or in one that goes away. */
#ifndef DUE_TIMERS_H
#define DUE_TIMERS_H

#include "base/buf.h"
#include "evlog.h"

/* A moment, and the event that is the last of those due then. */
struct due_at {
	int64_t due; /* microseconds; EVLOG_TIME_MIN: nothing was delivered */
	uint64_t seq;
};

/* How far the log has been read, and what has been delivered. */
struct due_place {
	struct evlog_position read; /* seq 0: nothing */
	struct due_at reached;
	/* of the log that is emitted to: where it was after the last commit; seq 0: there
	 * is none */
	struct evlog_position emitted;
	uint64_t emitted_upto; /* and its cursor's seq */
};

struct timer {
	struct due_at at;
	struct view line; /* of the event, as it is stored */
};

struct timers;

/* Opens the file, or makes it.  file NULL: keep nothing.  look: another process may be
 * using the file; take what it has, and keep nothing.  Close *t after a failure, too.
 * EVLOG_EBUSY: another process is using it.  EVLOG_EDATA: it is something else. */
int timers_open(struct timers **t, const char *file, bool look, evlog_error *err);
void timers_close(struct timers *t);

/* What the last commit said.  EVLOG_END: there was none. */
int timers_place(struct timers *t, struct due_place *place, evlog_error *err);

/* Removes everything. */
int timers_clear(struct timers *t, evlog_error *err);

/* Adds an event; removes those with this id that are due after `time`. */
int timers_add(struct timers *t, const struct due_at *at, struct view id,
    struct view line, evlog_error *err);
int timers_cancel(struct timers *t, struct view id, int64_t time, evlog_error *err);

/* Removes the events up to seq that are due up to `at`, in the order of (due, seq).
 * removed: gets how many; or NULL. */
int timers_remove(struct timers *t, uint64_t seq, const struct due_at *at,
    size_t *removed, evlog_error *err);

/* Begin to list: the events due up to `reached`, by seq; those due later, by (due, seq).
 * Then timers_next gets one after the other, in strictly rising order, valid until the
 * next call on t; or EVLOG_END.  EVLOG_EDATA: the file has something else. */
int timers_late(struct timers *t, const struct due_at *reached, evlog_error *err);
int timers_later(struct timers *t, const struct due_at *reached, evlog_error *err);
int timers_next(struct timers *t, struct timer *timer, evlog_error *err);

/* Makes all changes durable, and the place with them. */
int timers_commit(struct timers *t, const struct due_place *place, evlog_error *err);

#endif
