/* log.h - a sink that is a log: what a consumer emits, or its dead letters. */
#ifndef SINK_LOG_H
#define SINK_LOG_H

#include "format/cursor.h"
#include "sink/sink.h"

#include <sys/types.h>

#define LOG_SINK_MOST (64u << 20) /* bytes of the events of a commit */

struct log_sink_options {
	const char *path;
	mode_t mode;	/* of the files of a new log; 0: as umask says */
	bool no_create; /* there must be such a log */

	/* The reader's name, and the id and lineage of the log that it reads; name "":
	 * nothing is recorded of how far it has come.  The cursor that the log has is in
	 * `cursor` after opening, if `found`. */
	struct cursor cursor;
	const char *source; /* path of the log that it reads */
	bool found;

	/* Is told what recovery did, and what could not be done after a commit. */
	void (*say)(void *arg, const char *text);
	void *arg;
};

/* Opens the log, or makes it. */
int log_sink_open(struct sink **s, struct log_sink_options *o, evlog_error *err);

/* Whether two sinks are the same log, by whatever paths. */
bool log_sinks_are_one(const struct sink *a, const struct sink *b);

/* For the cursors to come: the reader was reset so often; it is this fold; it has
 * delivered what was due up to then, and up to this event. */
void log_sink_set_generation(struct sink *s, uint64_t generation);
void log_sink_set_fold(struct sink *s, const unsigned char fold[HASH_SIZE]);
/* Only the reader's checkpoint knows all that it has done, or that is over. */
void log_sink_set_partial(struct sink *s, bool partial);
void log_sink_set_due(struct sink *s, int64_t due, uint64_t seq);

/* Makes of a line the event that would be put, as writer_complete. */
int log_sink_complete(struct sink *s, const char *line, size_t len, const char *name,
    uint64_t number, struct buf *out, evlog_error *err);

/* Bytes, and events, that were put and not committed yet. */
size_t log_sink_pending(const struct sink *s);
size_t log_sink_events(const struct sink *s);

/* Drops what was put after the first n of these events. */
void log_sink_keep(struct sink *s, size_t n);

/* Where that log was after the last commit; before the first one, when its cursor was
 * looked for. */
void log_sink_end(struct sink *s, struct evlog_position *at);

#endif
