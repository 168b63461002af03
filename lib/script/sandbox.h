/* sandbox.h - Lua 5.4 in which results depend only on the input (no clock, no random
 * numbers, no files, tables walked in the order of their keys), with limits.
 *
 * script/ embeds Lua: the sandbox, its limits, JSON and decimals in it.  It must not know
 * about folds or logs. */
#ifndef SCRIPT_SANDBOX_H
#define SCRIPT_SANDBOX_H

#include "base/buf.h"
#include "evlog.h"
#include "json/scan.h"
#include "script/slab.h"

#include <lua.h>
#include <time.h>

struct sandbox {
	lua_State *L;
	struct slabs slabs;
	size_t used, memory;   /* bytes used by Lua and decimals, and their limit */
	size_t settled;	       /* bytes in use after the last full collection */
	size_t limit;	       /* bytes that this run may use */
	size_t outside;	       /* bytes of output that this run has written */
	size_t uncollected;    /* bytes of decimals not yet reported to the collector */
	size_t fresh;	       /* bytes allocated since memory was last short */
	size_t longest;	       /* longest string, which one instruction may go through */
	uint64_t moved;	       /* bytes that this run allocated in large pieces */
	struct timespec begun; /* start of this run, if the hook has read the clock; */
	struct timespec spent; /* the thread's processor time then */
	size_t refused;	       /* size of the last refused allocation; 0: none since */
	bool capped;	       /* it was refused because of the limit */
	bool exhausted;	       /* collecting garbage no longer helps */
	bool late;	       /* this run has taken too long */
	int every;	       /* instructions between calls of the hook */
	uint64_t steps;	       /* instructions that a run may take */
	uint64_t left;	       /* and how many are left */
	lua_Integer next_at;   /* index of the key that next returned last, */
	bool next_valid;       /* if it has been used in this run */
	lua_Integer variables; /* entries in the list of constants.c */
	bool loading;	       /* only then can globals be set */
	struct buf scratch;
	struct json_members event; /* of the current event; views into its text in Lua */
	const char *event_text;	   /* NULL: there is no current event */
};

/* After a failure, sandbox_close is still needed. */
int sandbox_open(struct sandbox *s, const struct evlog_limits *given, evlog_error *err);
void sandbox_close(struct sandbox *s);

/* Runs the text of a program, which defines its functions.  Returns EVLOG_EDATA, with its
 * message, file and line in err, if the program fails. */
int sandbox_load(
    struct sandbox *s, const char *path, const char *text, size_t len, evlog_error *err);

/* Finds out, without running it, whether a program refers to a global by name. */
int sandbox_names(struct sandbox *s, const char *text, size_t len, const char *global,
    bool *names, evlog_error *err);

/* Calls fn(L) in protected mode with `arg` as a light userdata.  Returns 0, or
 * EVLOG_EDATA with the message.  Everything that can run out of memory must be called
 * this way. */
int sandbox_run(struct sandbox *s, lua_CFunction fn, void *arg, evlog_error *err);

/* ---- state.c ---- */

/* The sandbox that a state belongs to. */
struct sandbox *sandbox_of(lua_State *L);

/* Pushes the global that the program defined, or nil. */
void sandbox_global(lua_State *L, const char *name);

/* Whether Lua prints a value with its address, which differs from run to run. */
bool sandbox_shows_address(lua_State *L, int index);

/* Pushes a value as text that shows no address. */
void sandbox_text(lua_State *L, int index);

/* Whether a table is one of evlog's, or frozen, so that programs cannot see or change its
 * metatable. */
bool sandbox_is_locked(lua_State *L, int index);

/* Makes a C function a global. */
void sandbox_define(lua_State *L, const char *name, lua_CFunction fn);

#endif
