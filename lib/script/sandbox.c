/*
 * sandbox.c - Lua without anything that makes two runs differ.
 *
 * Lua walks tables in an order that changes from run to run, and shows addresses; so
 * pairs, next, tostring, string.format and table.sort are replaced.  Finalizers and weak
 * tables would show when memory is collected: setmetatable refuses them.  Globals belong
 * to the program and become constant once it is loaded: what changes belongs in a state.
 */
#include "script/sandbox.h"
#include "base/error.h"
#include "base/options.h"
#include "base/thread.h"
#include "script/bounds.h"
#include "script/constants.h"
#include "script/lua.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

/* Its address is the registry key of the program's globals. */
static const char globals_key;

/* ---- Globals ---- */

/* Upvalue: the table of globals. */
static int global_set(lua_State *L)
{
	if (!sandbox_of(L)->loading)
		return luaL_error(L,
		    "'%s' is not a local variable; keep what changes in the state",
		    lua_tostring(L, 2));
	lua_rawset(L, lua_upvalueindex(1));
	return 0;
}

/* Makes the program's globals: a table that stays empty, so that every assignment is
 * noticed. */
static void globals_make(lua_State *L)
{
	lua_newtable(L);
	lua_createtable(L, 0, 3);
	lua_pushglobaltable(L);
	lua_setfield(L, -2, "__index");
	lua_pushglobaltable(L);
	lua_pushcclosure(L, global_set, 1);
	lua_setfield(L, -2, "__newindex");
	lua_pushboolean(L, false);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_pushvalue(L, -1);
	lua_setglobal(L, "_G");
	lua_rawsetp(L, LUA_REGISTRYINDEX, &globals_key);
}

/* Replaces a global table by an empty one that reads from it. */
static void library_freeze(lua_State *L, const char *name)
{
	lua_pushglobaltable(L);
	lua_newtable(L);
	lua_createtable(L, 0, 3);
	lua_getfield(L, -3, name);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, constant_set);
	lua_setfield(L, -2, "__newindex");
	lua_pushboolean(L, false);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_setfield(L, -2, name);
	lua_pop(L, 1);
}

/* Hides the metatable of strings, whose methods are those of `string`. */
static void strings_freeze(lua_State *L)
{
	lua_pushliteral(L, "");
	lua_getmetatable(L, -1);
	lua_pushboolean(L, false);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 2);
}

/* ---- Opening and running ---- */

static int prepare(lua_State *L)
{
	static const char *const libraries[] = {"string", "table", "math", "utf8"};

	lua_base_open(L);
	lua_json_open(L);
	lua_decimal_open(L);
	strings_freeze(L);
	for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
		library_freeze(L, libraries[i]);
	globals_make(L);
	return 0;
}

/* Converts what was thrown to a text without an address. */
static int message_of(lua_State *L)
{
	if (!lua_isstring(L, 1) && sandbox_shows_address(L, 1))
		lua_pushfstring(
		    L, "the error is a %s, not a string", luaL_typename(L, 1));
	else
		luaL_tolstring(L, 1, NULL);
	return 1;
}

static int exhausted(struct sandbox *s, evlog_error *err)
{
	bounds_recover(s);
	if (!s->capped)
		return error_memory(err);
	if (s->limit < s->memory)
		return error_set(err, EVLOG_EDATA,
		    "one event needs more than %zu bytes of memory",
		    bounds_share(s->memory));
	return error_set(err, EVLOG_EPROGRAM,
	    "the program needs more than %zu bytes of memory", s->memory);
}

/* Gets the message of what was thrown.  This may run the program's __tostring, within the
 * budget. */
static const char *thrown_text(lua_State *L)
{
	if (lua_type(L, -1) != LUA_TSTRING) {
		lua_pushcfunction(L, message_of);
		lua_insert(L, -2);
		(void)lua_pcall(L, 1, 1, 0);
	}
	return lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1)
					      : "an error without a message";
}

static int run_here(struct sandbox *s, lua_CFunction fn, void *arg, evlog_error *err)
{
	lua_State *L = s->L;

	bounds_begin(s);
	s->next_valid = false;
	lua_settop(L, 0);
	lua_pushcfunction(L, fn);
	lua_pushlightuserdata(L, arg);
	int r = lua_pcall(L, 1, 0, 0);
	const char *name, *text = "";
	if (r != LUA_OK && !bounds_exhausted(s, r))
		text = thrown_text(L);
	if (bounds_exhausted(s, r))
		r = exhausted(s, err);
	else if (r != LUA_OK)
		r = error_set(err, EVLOG_EDATA, "%s", text);
	if (!constants_kept(s, &name) && !r)
		r = error_set(err, EVLOG_EPROGRAM,
		    "'%s', defined outside of the functions, has changed; keep what "
		    "changes in the state",
		    name);
	return r;
}

struct run {
	struct sandbox *s;
	lua_CFunction fn;
	void *arg;
	evlog_error *err;
	int result;
};

static void *run_there(void *arg)
{
	struct run *r = arg;

	r->result = run_here(r->s, r->fn, r->arg, r->err);
	return NULL;
}

/* Lua nests up to 200 calls on the C stack.  If this thread's stack is too small for
 * that, as after `ulimit -s 64`, run on another thread. */
int sandbox_run(struct sandbox *s, lua_CFunction fn, void *arg, evlog_error *err)
{
	/* cppcheck-suppress ctuuninitvar ; err is only written to */
	struct run r = {s, fn, arg, err, 0};
	pthread_t id;

	if (thread_is_roomy())
		return run_here(s, fn, arg, err);
	int failed = thread_start(&id, run_there, &r);
	if (failed)
		return error_set(
		    err, EVLOG_EIO, "cannot start a thread: %s", strerror(failed));
	pthread_join(id, NULL);
	return r.result;
}

/* States are old and many, events are new and short-lived.  The generational collector
 * suits that; the incremental one would walk all states again and again.  It has bugs
 * before 5.4.4 (lua.org/bugs.html). */
static void collector_choose(lua_State *L)
{
#if LUA_VERSION_RELEASE_NUM >= 50404
	lua_gc(L, LUA_GCGEN, 0, 0);
#else
	(void)L;
#endif
}

/* What a program may use if nothing else is said: as evfold(1) has it. */
#define MEMORY_USUAL ((size_t)1 << 30)
#define STEPS_USUAL  10000000

int sandbox_open(struct sandbox *s, const struct evlog_limits *given, evlog_error *err)
{
	struct evlog_limits limits;
	int r = options_take(
	    &limits, sizeof limits, END_OF(struct evlog_limits, steps), given, err);

	*s = (struct sandbox){
	    .memory = limits.memory ? (size_t)limits.memory : MEMORY_USUAL,
	    .steps = limits.steps ? limits.steps : STEPS_USUAL};
	if (r)
		return r;
	s->fresh = SIZE_MAX;
	s->limit = s->memory;
	s->L = lua_newstate(bounds_allocate, s);
	if (!s->L)
		return error_memory(err);
	collector_choose(s->L);
	memcpy(lua_getextraspace(s->L), &s, sizeof s);
	return sandbox_run(s, prepare, NULL, err);
}

struct source_text {
	const char *path, *text;
	size_t len;
};

/* Compiles a text with `before` inserted at its start, and pushes the function.  A first
 * line with #! becomes empty.  On failure returns false and pushes the message. */
static bool compile(lua_State *L, const struct source_text *t, const char *before)
{
	struct buf *b = &sandbox_of(L)->scratch;
	const char *p = t->text, *end = t->text + t->len;

	for (; p < end && *t->text == '#' && *p != '\n'; p++)
		;
	b->len = 0;
	buf_puts(b, before);
	buf_add(b, p, (size_t)(end - p));
	if (b->failed)
		sandbox_no_memory(L);
	lua_pushfstring(L, "@%s", t->path);
	bool good = luaL_loadbufferx(L, b->p, b->len, lua_tostring(L, -1), "t") == LUA_OK;
	lua_remove(L, -2);
	return good;
}

static int load(lua_State *L)
{
	if (!compile(L, lua_touserdata(L, 1), ""))
		return lua_error(L);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &globals_key);
	lua_setupvalue(L, -2, 1);
	lua_call(L, 0, 0);
	return 0;
}

int sandbox_load(
    struct sandbox *s, const char *path, const char *text, size_t len, evlog_error *err)
{
	struct source_text t = {path, text, len};

	s->loading = true;
	int r = sandbox_run(s, load, &t, err);
	s->loading = false;
	return r;
}

/* ---- Which globals a program uses ---- */

struct naming {
	struct source_text t;
	const char *global;
	struct buf plain, shadowed;
	bool names;
};

static int dump_add(lua_State *L, const void *p, size_t len, void *to)
{
	struct buf *b = to;

	(void)L;
	buf_add(b, p, len);
	return b->failed;
}

static int naming_look(lua_State *L)
{
	struct naming *n = lua_touserdata(L, 1);
	char before[64];

	snprintf(before, sizeof before, "local %s <const> = 0 ", n->global);
	if (!compile(L, &n->t, ""))
		return lua_error(L);
	lua_dump(L, dump_add, &n->plain, 1);
	if (!compile(L, &n->t, before))
		return 0; /* the program defines the name itself */
	lua_dump(L, dump_add, &n->shadowed, 1);
	if (n->plain.failed || n->shadowed.failed)
		sandbox_no_memory(L);
	n->names = view_compare((struct view){n->plain.p, n->plain.len},
		       (struct view){n->shadowed.p, n->shadowed.len}) != 0;
	return 0;
}

/* A compile-time constant takes no register.  So with one of this name inserted first, a
 * program compiles to the same code unless it refers to the global. */
int sandbox_names(struct sandbox *s, const char *text, size_t len, const char *global,
    bool *names, evlog_error *err)
{
	struct naming n = {.t = {"", text, len}, .global = global};

	int r = sandbox_run(s, naming_look, &n, err);
	*names = n.names;
	buf_free(&n.plain);
	buf_free(&n.shadowed);
	return r;
}

void sandbox_close(struct sandbox *s)
{
	if (s->L)
		lua_close(s->L);
	slabs_free(&s->slabs);
	buf_free(&s->scratch);
	json_members_free(&s->event);
	*s = (struct sandbox){0};
}
