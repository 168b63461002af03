/* program.h - programs in Lua: a function for each type of event, a state for each
 * key. */
#ifndef FOLD_PROGRAM_H
#define FOLD_PROGRAM_H

#include "base/buf.h"
#include "base/hash.h"
#include "evlog.h"
#include "json/scan.h"

struct program;

/* Loads the program in a file, which defines `on` and perhaps init and key.  Returns
 * EVLOG_EDATA, with the line in err, if it has an error. */
int program_open(struct program **p, const char *path, const struct evlog_limits *limits,
    evlog_error *err);
/* Appends the text of a program. */
int program_text(const char *path, struct buf *text, evlog_error *err);

/* Opens the same program again, with states of its own. */
int program_again(struct program **p, const struct program *other, evlog_error *err);
void program_close(struct program *p);

/* As they were given. */
const struct evlog_limits *program_limits(const struct program *p);

/* SHA-256 of the program's text. */
const unsigned char *program_hash(const struct program *p);

/* States are numbered from 1; 0 is a state that does not exist yet. */

/* Calls on[TYPE](state, event); before the first event of a key, also init(key).  `key`
 * is JSON text, empty if there is only one state.  On EVLOG_EDATA, what was emitted for
 * this event is dropped, and with `undo` the state is restored. */
int program_event(struct program *p, uint32_t *state, struct view key,
    const struct evlog_event *e, bool undo, evlog_error *err);

/* Takes back the last program_event, which was called with `undo`. */
int program_undo(struct program *p, uint32_t *state, evlog_error *err);

/* Sets *out to the result of key(e), as the JSON text of a string, number or boolean;
 * empty if it returned nil or null. */
bool program_has_key(const struct program *p);
int program_key(
    struct program *p, const struct evlog_event *e, struct buf *out, evlog_error *err);

/* Appends a state as JSON; exact: in the form for program_restore. */
int program_write(
    struct program *p, uint32_t state, bool exact, struct buf *out, evlog_error *err);
int program_restore(
    struct program *p, uint32_t *state, struct json_text exact, evlog_error *err);

/* The events, as lines, that the last program_event emitted, and whether the program
 * asked to stop after it. */
struct view program_emitted(const struct program *p);
bool program_stopped(const struct program *p);

/* Whether the program refers to stop at all. */
bool program_may_stop(const struct program *p);

#endif
