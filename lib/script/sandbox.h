/* sandbox.h - Lua 5.4 where nothing depends on anything but the input: no clock, no
 * random numbers, no files, tables walked in the order of their keys; and with bounds. */
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
	size_t used, memory;   /* bytes that Lua and decimals have, and may have */
	size_t settled;	       /* bytes in use after all garbage was collected */
	size_t limit;	       /* of it, in this run */
	size_t outside;	       /* bytes of what this run has written */
	size_t uncollected;    /* bytes of decimals that the collector was not told of */
	size_t fresh;	       /* bytes had since memory was last short */
	size_t longest;	       /* piece of text that an instruction may go through */
	uint64_t moved;	       /* bytes of large pieces that this run has had */
	struct timespec begun; /* this run, if the hook has looked at the clock; */
	struct timespec spent; /* the thread's time then */
	size_t refused;	       /* what was asked for and not had; 0: nothing since */
	bool capped;	       /* ... because of the cap */
	bool exhausted;	       /* refused again: no collection of garbage helps */
	bool late;	       /* this run takes too long */
	int every;	       /* instructions between calls of the hook */
	uint64_t steps;	       /* instructions that a call may take */
	uint64_t left;	       /* and what is left of them */
	lua_Integer next_at;   /* of the keys that next works on, */
	bool next_valid;       /* if it does in this run */
	lua_Integer variables; /* constants.c: entries of its list */
	bool loading;	       /* globals can be set only then */
	struct buf scratch;
	struct json_members event; /* of the event at hand, in its text in Lua */
	const char *event_text;	   /* NULL: none is */
};

int sandbox_open(struct sandbox *s, const struct evlog_limits *limits, evlog_error *err);
void sandbox_close(struct sandbox *s);

/* Runs the text of a program, which defines its functions.  EVLOG_EDATA: err has its
 * message, with file and line. */
int sandbox_load(
    struct sandbox *s, const char *path, const char *text, size_t len, evlog_error *err);

/* Whether the text of a program uses a global by its name, run or not. */
int sandbox_names(struct sandbox *s, const char *text, size_t len, const char *global,
    bool *names, evlog_error *err);

/* Calls fn(L) in protected mode with `arg` as a light userdata.  0, or EVLOG_EDATA and
 * the message.  Whatever may run out of memory must run so. */
int sandbox_run(struct sandbox *s, lua_CFunction fn, void *arg, evlog_error *err);

/* ---- state.c ---- */

/* The sandbox that a state belongs to. */
struct sandbox *sandbox_of(lua_State *L);

/* Pushes what the program defined under a name; nil if nothing. */
void sandbox_global(lua_State *L, const char *name);

/* Whether a value as Lua prints it shows an address, which no two runs have in common. */
bool sandbox_shows_address(lua_State *L, int index);

/* Pushes a value as text that shows no address. */
void sandbox_text(lua_State *L, int index);

/* Whether a table is one of ours, or frozen, whose metatable programs can neither see nor
 * change. */
bool sandbox_is_locked(lua_State *L, int index);

/* Makes a function of C known to programs. */
void sandbox_define(lua_State *L, const char *name, lua_CFunction fn);

#endif
