/* trim.h - removes the oldest segments of a log. */
#ifndef WRITE_TRIM_H
#define WRITE_TRIM_H

#include "write/writer.h"

/* Begins a new segment if the active one has events before `before`, so that they can be
 * removed once it is old enough; and seals what is full. */
int trim_roll(struct evlog_writer *w, uint64_t before, evlog_error *err);

/* Notes in the header of a sealed segment that it is to be the first one of the log, with
 * the latest cursors of all events before it.  That does not count as long as event 1, or
 * an earlier segment with this note, is there. */
int trim_mark(struct evlog_writer *w, uint64_t first, evlog_error *err);

/* Removes the segments before this one, which was marked, and those that an interrupted
 * call has left. */
int trim_remove(struct evlog_writer *w, uint64_t first, evlog_error *err);

#endif
