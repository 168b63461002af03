/* program.h - reducers in Lua: a function for each type of event, a state for each key.
 */
#ifndef FOLD_PROGRAM_H
#define FOLD_PROGRAM_H

#include "base/buf.h"
#include "base/hash.h"
#include "evlog.h"
#include "json/scan.h"

struct program;

/* Reads and runs the program in a file, which defines init, key, and functions in `on`.
 * EVLOG_EDATA: it has an error, and err says in which line. */
int program_open(struct program **p, const char *path, const struct evlog_limits *limits,
    evlog_error *err);
/* Reads the text of a program. */
int program_text(const char *path, struct buf *text, evlog_error *err);

/* The same program once more, with states of its own. */
int program_again(struct program **p, const struct program *other, evlog_error *err);
void program_close(struct program *p);

/* SHA-256 of its text. */
const unsigned char *program_hash(const struct program *p);

/* States are numbered from 1.  0: there is none yet. */

/* Calls on[TYPE](state, event) and, before a key's first event, init(key).  `key` is JSON
 * text, empty for the only state.  EVLOG_EDATA: what it emitted for this event is
 * dropped, and with `undo` the state is what it was. */
int program_event(struct program *p, uint32_t *state, struct view key,
    const struct evlog_event *e, bool undo, evlog_error *err);

/* The key that key(e) gives: JSON text of a string, number or boolean in *out, which is
 * left empty if it gives none. */
bool program_has_key(const struct program *p);
int program_key(
    struct program *p, const struct evlog_event *e, struct buf *out, evlog_error *err);

/* Adds a state as JSON; exact: as program_restore takes it. */
int program_write(
    struct program *p, uint32_t state, bool exact, struct buf *out, evlog_error *err);
int program_restore(
    struct program *p, uint32_t *state, struct json_text exact, evlog_error *err);

/* Lines of the events that the last program_event emitted; and whether it was the last
 * that the program wants. */
struct view program_emitted(const struct program *p);
bool program_stopped(const struct program *p);

/* Whether it calls stop by this name, somewhere. */
bool program_may_stop(const struct program *p);

#endif
