/*
 * sink.h - where the results of reading a log are kept, together with how far the reading
 * has come.
 *
 * sink/ has one file for each kind: a table of SQLite, and a log, which takes what a
 * consumer emits and its dead letters.  Results and position become durable together, so
 * that whoever was killed goes on exactly where its sink is.  A sink must not know what
 * computes the results: folds and consumers come after it.
 */
#ifndef SINK_SINK_H
#define SINK_SINK_H

#include "base/buf.h"
#include "evlog.h"
#include "json/scan.h"

/* What is put into a sink.  A log takes `value` only, an event. */
struct sink_item {
	struct view value; /* an event, or the state of a key, as JSON */
	const char *name;  /* what the value is, and its number, for messages */
	uint64_t number;
	/* of a state: */
	struct view key;		/* canonical JSON text */
	uint64_t seq;			/* of the key's last event */
	bool stored;			/* the sink has this key */
	struct view exact;		/* all that is needed to go on from it */
	const struct json_text *column; /* a value for each column of the sink */
};

struct sink {
	const struct sink_kind *kind;
	const char *name; /* for messages */
};

/* Results are 0 or negative, with the reason in err; EVLOG_END where that is said. */
struct sink_kind {
	/* Where the sink is.  EVLOG_END: nothing was committed to it yet; *at is as it
	 * was. */
	int (*where)(struct sink *s, struct evlog_position *at, evlog_error *err);

	/* Gets what was put for a key, as `seq` and `exact` of item, which live until the
	 * next call.  EVLOG_END: nothing.  NULL: the sink cannot say. */
	int (*get)(struct sink *s, struct sink_item *item, evlog_error *err);

	/* Begins a transaction.  EVLOG_EBUSY: another process has changed the sink. */
	int (*begin)(struct sink *s, evlog_error *err);
	int (*put)(struct sink *s, const struct sink_item *item, evlog_error *err);

	/* Makes durable all that was put, and that the sink is at this position now, or
	 * neither.  at NULL: it is at none. */
	int (*commit)(struct sink *s, const struct evlog_position *at, evlog_error *err);

	/* Drops what was put, at the latest when the sink is closed.  To be called if
	 * begin, put or commit has failed; nothing may be put after that into a log. */
	void (*cancel)(struct sink *s);
	void (*close)(struct sink *s);
};

#endif
