/* emitter.h - appends what a fold's program emits to a log, each event exactly once. */
#ifndef FOLD_EMITTER_H
#define FOLD_EMITTER_H

#include "base/buf.h"
#include "evlog.h"
#include "json/scan.h"

struct emitter;

void emitter_free(struct emitter *m);

/* Takes what the program has emitted at `e`, unless the log has it already.  EVLOG_EDATA:
 * these are not events, or they are too large; then nothing was taken. */
int emitter_take(evlog_fold *f, const struct evlog_event *e, evlog_error *err);

/* To be called if an event cannot be folded: makes a dead letter of it, unless the log of
 * dead letters has it already.  If there is no such log, or the letter would be too
 * large, or the program cannot go on, returns the error; then the fold is where it was
 * before the event, and what was emitted up to there can be committed. */
int emitter_failed(evlog_fold *f, const struct evlog_event *e, evlog_error *err);

/* Says why a snapshot is not used. */
void emitter_unsaved(const struct emitter *m, const evlog_error *why);

/* Appends members for the first line of a snapshot: where the logs are. */
void emitter_save(const struct emitter *m, struct buf *b);

/* Checks that the logs still have what such a line says, and the one that is folded `at`,
 * the place of the snapshot.  EVLOG_EMISMATCH: one does not. */
int emitter_check(const struct emitter *m, struct json_text header,
    const struct evlog_position *at, evlog_error *err);

#endif
