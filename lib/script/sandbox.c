/*
 * sandbox.c - Lua without what would make two runs differ.
 *
 * Lua walks tables in an order that changes from run to run, and shows addresses; so
 * pairs, next, tostring, string.format and table.sort are replaced.  Finalizers and weak
 * tables would show when memory is collected: setmetatable refuses them.  Globals belong
 * to the program, and are constants once it is loaded: what changes is a state.
 */
#include "script/sandbox.h"
#include "base/error.h"
#include "base/thread.h"
#include "script/bounds.h"
#include "script/constants.h"
#include "script/lua.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_STEPS    2	/* instructions that a key takes which is put in order, */
#define FORMAT_STEPS 20 /* and a number that is printed */

/* Their addresses, in the registry: the program's globals; what next works on. */
static const char globals_key, next_table, next_keys;

struct sandbox *sandbox_of(lua_State *L)
{
	struct sandbox *s;

	memcpy(&s, lua_getextraspace(L), sizeof s);
	return s;
}

/* ---- Keys in order ---- */

struct key {
	int type;
	lua_Number number;
	lua_Integer integer;
	struct view string;
};

static struct key key_at(lua_State *L, int index)
{
	struct key k = {.type = lua_type(L, index)};

	if (k.type == LUA_TNUMBER) {
		k.number = lua_tonumber(L, index);
		k.integer = lua_tointeger(L, index);
	} else if (k.type == LUA_TSTRING) {
		k.string.p = lua_tolstring(L, index, &k.string.len);
	} else if (k.type == LUA_TBOOLEAN) {
		k.integer = lua_toboolean(L, index);
	} else {
		luaL_error(L, "a table with a %s as key has no order to walk it in",
		    lua_typename(L, k.type));
	}
	return k;
}

/* Booleans, numbers, strings. */
static int key_order(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	if (x->type == LUA_TSTRING)
		return view_compare(x->string, y->string);
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return (x->integer > y->integer) - (x->integer < y->integer);
}

static void key_push(lua_State *L, const struct key *k)
{
	if (k->type == LUA_TSTRING)
		lua_pushlstring(L, k->string.p, k->string.len);
	else if (k->type == LUA_TBOOLEAN)
		lua_pushboolean(L, (int)k->integer);
	else if ((lua_Number)k->integer == k->number)
		lua_pushinteger(L, k->integer);
	else
		lua_pushnumber(L, k->number);
}

/* Charges what it takes to put n keys in order that have so many bytes of text. */
static void keys_spend(lua_State *L, size_t n, size_t bytes)
{
	size_t rounds = 1;

	for (size_t i = n; i > 1; i /= 2)
		rounds++;
	sandbox_spend(L, n * KEY_STEPS + bytes / 64 * rounds);
}

/* The number of keys of the table at 1; an error if one has no order. */
static size_t keys_count(lua_State *L)
{
	size_t n = 0, bytes = 0;
	int bad = LUA_TNONE;

	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1), n++) {
		int type = lua_type(L, -2);
		if (type == LUA_TSTRING)
			bytes += lua_rawlen(L, -2);
		if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TBOOLEAN &&
		    type > bad)
			bad = type; /* the same one, whatever the order */
	}
	if (bad != LUA_TNONE)
		luaL_error(L, "a table with a %s as key has no order to walk it in",
		    lua_typename(L, bad));
	keys_spend(L, n, bytes);
	return n;
}

/* Pushes a list of the keys of the table at 1, sorted. */
static void keys_sorted(lua_State *L)
{
	size_t n = keys_count(L), i = 0;

	/* half of it in place of what qsort takes for itself */
	struct key *keys = lua_newuserdatauv(L, 2 * (n + 1) * sizeof *keys, 0);
	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1))
		keys[i++] = key_at(L, -2);
	qsort(keys, n, sizeof *keys, key_order);
	lua_createtable(L, (int)n, 0);
	for (i = 0; i < n; i++) {
		key_push(L, &keys[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_remove(L, -2);
}

/* Upvalues: the keys, and how many were given. */
int sandbox_pairs_step(lua_State *L)
{
	lua_Integer i = lua_tointeger(L, lua_upvalueindex(2));

	luaL_checktype(L, 1, LUA_TTABLE);
	constants_content(L, 1);
	for (;;) {
		if (lua_rawgeti(L, lua_upvalueindex(1), ++i) == LUA_TNIL)
			return 1;
		lua_pushvalue(L, -1);
		if (lua_rawget(L, 1) != LUA_TNIL)
			break; /* else it was taken out meanwhile */
		lua_pop(L, 2);
	}
	lua_pushinteger(L, i);
	lua_replace(L, lua_upvalueindex(2));
	return 2;
}

static int sorted_pairs(lua_State *L)
{
	luaL_checkany(L, 1);
	if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
		lua_pushvalue(L, 1);
		lua_call(L, 1, 3);
		return 3;
	}
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_json_whole(L, 1);
	lua_settop(L, 1);
	lua_pushvalue(L, 1);
	constants_content(L, 1);
	keys_sorted(L);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, sandbox_pairs_step, 2);
	lua_pushvalue(L, 2);
	lua_pushnil(L);
	return 3;
}

/* Pushes the least key of the table at 1; nil: it has none. */
static void first_key(lua_State *L)
{
	struct key best = {0};
	bool found = false;

	keys_count(L);
	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
		struct key k = key_at(L, -2);
		if (!found || key_order(&k, &best) < 0) {
			best = k;
			found = true;
		}
	}
	if (found)
		key_push(L, &best);
	else
		lua_pushnil(L);
}

/* Whether what next has put in order last is the table at 1, and where it is in it has
 * the key at 2.  Pushes the keys. */
static bool is_next(lua_State *L)
{
	struct sandbox *s = sandbox_of(L);

	lua_rawgetp(L, LUA_REGISTRYINDEX, &next_keys);
	if (!s->next_valid)
		return false;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &next_table);
	lua_rawgeti(L, -2, s->next_at);
	bool same = lua_rawequal(L, -2, 1) && lua_rawequal(L, -1, 2);
	lua_pop(L, 2);
	return same;
}

/* Puts the keys of the table at 1 in order, and pushes them; next_at is that of the last
 * key up to the one at 2. */
static void next_begin(lua_State *L)
{
	struct sandbox *s = sandbox_of(L);
	struct key after = key_at(L, 2);

	keys_sorted(L);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &next_keys);
	lua_pushvalue(L, 1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &next_table);
	s->next_valid = true;
	lua_Integer low = 0, high = (lua_Integer)lua_rawlen(L, -1);
	while (low < high) {
		lua_Integer middle = low + (high - low + 1) / 2;
		lua_rawgeti(L, -1, middle);
		struct key k = key_at(L, -1);
		lua_pop(L, 1);
		if (key_order(&k, &after) <= 0)
			low = middle;
		else
			high = middle - 1;
	}
	s->next_at = low;
}

/* The least key after the one given.  What is put in order for the second key serves for
 * the others: keys that are added meanwhile are not met. */
static int sorted_next(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_json_whole(L, 1);
	constants_content(L, 1);
	lua_settop(L, 2);
	if (lua_isnil(L, 2)) {
		first_key(L);
	} else {
		struct sandbox *s = sandbox_of(L);
		if (!is_next(L)) {
			lua_settop(L, 2);
			next_begin(L);
		}
		do { /* but for those that were taken out */
			lua_settop(L, 3);
			if (lua_rawgeti(L, 3, ++s->next_at) == LUA_TNIL)
				break;
			lua_pushvalue(L, -1);
		} while (lua_rawget(L, 1) == LUA_TNIL);
		lua_settop(L, 4);
	}
	if (lua_isnil(L, -1))
		return 1;
	lua_pushvalue(L, -1);
	lua_rawget(L, 1);
	return 2;
}

/* ---- No addresses ---- */

static bool shows_address(lua_State *L, int index)
{
	int type = lua_type(L, index);

	if (type != LUA_TTABLE && type != LUA_TFUNCTION && type != LUA_TUSERDATA)
		return false;
	if (luaL_getmetafield(L, index, "__tostring") == LUA_TNIL)
		return true;
	lua_pop(L, 1);
	return false;
}

void sandbox_text(lua_State *L, int index)
{
	if (shows_address(L, index))
		lua_pushstring(L, luaL_typename(L, index));
	else
		luaL_tolstring(L, index, NULL);
}

static int plain_tostring(lua_State *L)
{
	luaL_checkany(L, 1);
	sandbox_text(L, 1);
	return 1;
}

/* Upvalue: string.format. */
static int plain_format(lua_State *L)
{
	size_t len;
	const char *p = luaL_checklstring(L, 1, &len), *end = p + len;

	for (int i = 1; i <= lua_gettop(L); i++)
		if (lua_type(L, i) == LUA_TSTRING)
			sandbox_spend(L, lua_rawlen(L, i) / 8);
	while ((p = memchr(p, '%', (size_t)(end - p))) != NULL && p + 1 < end) {
		sandbox_spend(L, FORMAT_STEPS);
		p += 1 + strspn(p + 1, "-+ #0123456789.");
		if (*p == 'p')
			return luaL_error(L, "string.format: %%p is not the same twice");
		p += p < end;
	}
	for (int i = 2; i <= lua_gettop(L); i++)
		if (shows_address(L, i)) {
			lua_pushstring(L, luaL_typename(L, i));
			lua_replace(L, i);
		}
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

/* ---- The rest of the libraries ---- */

/* Upvalue: a function that looks into its first argument as it is. */
static int with_whole(lua_State *L)
{
	lua_json_whole(L, 1);
	constants_content(L, 1);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

/* The same for one that heeds metamethods. */
static int with_converted(lua_State *L)
{
	lua_json_whole(L, 1);
	return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* Whether a table is one of ours, or frozen. */
bool sandbox_is_locked(lua_State *L, int index)
{
	if (luaL_getmetafield(L, index, "__metatable") == LUA_TNIL)
		return false;
	bool locked = lua_isboolean(L, -1);
	lua_pop(L, 1);
	return locked;
}

/* Passes an error on that ends the event, whoever catches it. */
static void end_stays(lua_State *L, int r)
{
	struct sandbox *s = sandbox_of(L);

	if (bounds_exhausted(s, r))
		s->exhausted = true;
	if (s->exhausted || s->left == 0)
		lua_error(L);
}

static int bounded_pcall(lua_State *L)
{
	luaL_checkany(L, 1);
	lua_pushboolean(L, 1);
	lua_insert(L, 1);
	int r = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
	end_stays(L, r);
	if (r == LUA_OK)
		return lua_gettop(L);
	lua_pushboolean(L, 0);
	lua_insert(L, -2);
	return 2;
}

/* Lua's own calls the handler where the error is, without the hook that counts if that is
 * where the error comes from, and once more for each error of the handler.  Here it is
 * called afterwards, as any other function. */
static int bounded_xpcall(lua_State *L)
{
	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_pushboolean(L, 1);
	lua_pushvalue(L, 1);
	lua_rotate(L, 3, 2); /* f, handler, true, f, arguments */
	int r = lua_pcall(L, lua_gettop(L) - 4, LUA_MULTRET, 0);
	end_stays(L, r);
	if (r == LUA_OK)
		return lua_gettop(L) - 2;
	lua_pushboolean(L, 0);
	lua_replace(L, 3);
	lua_pushvalue(L, 2);
	lua_insert(L, -2);
	end_stays(L, lua_pcall(L, 1, 1, 0));
	return 2;
}

/* Of the metatable at 3. */
static void methods_check(lua_State *L)
{
	static const char *const names[] = {"__gc", "__mode"};

	for (int i = 0; i < 2; i++) {
		lua_pushstring(L, names[i]);
		if (lua_rawget(L, 3) != LUA_TNIL)
			luaL_error(
			    L, "%s: when memory is freed cannot be seen", names[i]);
		lua_pop(L, 1);
	}
}

/* What is set is a copy, so that nothing can be put into it later. */
static int careful_setmetatable(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_json_whole(L, 1);
	lua_settop(L, 2);
	if (sandbox_is_locked(L, 1) || constants_are(L, 1))
		return luaL_error(L, "setmetatable: this table's cannot be changed");
	if (!lua_isnil(L, 2)) {
		luaL_checktype(L, 2, LUA_TTABLE);
		lua_newtable(L);
		lua_pushvalue(L, 2);
		constants_content(L, -1);
		lua_insert(L, 3); /* 2, its content, the copy */
		methods_check(L);
		for (lua_pushnil(L); lua_next(L, 3);) {
			sandbox_spend(L, 1);
			lua_pushvalue(L, -2);
			lua_insert(L, -2);
			lua_rawset(L, 4);
		}
		lua_pushvalue(L, 2);
		lua_setfield(L, 4, "__metatable");
	}
	lua_setmetatable(L, 1);
	lua_settop(L, 1);
	return 1;
}

static int careful_rawset(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_json_whole(L, 1);
	lua_settop(L, 3);
	if (constants_are(L, 1) || (sandbox_is_locked(L, 1) && !lua_json_is_array(L, 1)))
		return luaL_error(L, "rawset: what is not in a state is constant");
	lua_rawset(L, 1);
	return 1;
}

/* Replaces a field of the table on top by a closure that has the old one. */
static void wrap(lua_State *L, const char *name, lua_CFunction fn)
{
	lua_getfield(L, -1, name);
	lua_pushcclosure(L, fn, 1);
	lua_setfield(L, -2, name);
}

static void take_out(lua_State *L, const char *const *names)
{
	for (; *names; names++) {
		lua_pushnil(L);
		lua_setfield(L, -2, *names);
	}
}

static void libraries_open(lua_State *L)
{
	static const luaL_Reg libraries[] = {{LUA_GNAME, luaopen_base},
	    {LUA_TABLIBNAME, luaopen_table}, {LUA_STRLIBNAME, luaopen_string},
	    {LUA_MATHLIBNAME, luaopen_math}, {LUA_UTF8LIBNAME, luaopen_utf8}};
	static const char *const base[] = {"load", "loadfile", "dofile", "require",
	    "collectgarbage", "print", "warn", NULL};
	static const char *const math[] = {"random", "randomseed", NULL};
	static const char *const string[] = {"dump", NULL};

	for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
		luaL_requiref(L, libraries[i].name, libraries[i].func, 1);
		lua_pop(L, 1);
	}
	lua_pushglobaltable(L);
	take_out(L, base);
	lua_register(L, "pcall", bounded_pcall);
	lua_register(L, "xpcall", bounded_xpcall);
	lua_register(L, "setmetatable", careful_setmetatable);
	lua_register(L, "rawset", careful_rawset);
	wrap(L, "ipairs", with_converted);
	wrap(L, "rawget", with_whole);
	wrap(L, "rawlen", with_whole);
	lua_getfield(L, -1, "math");
	take_out(L, math);
	lua_pop(L, 1);
	lua_getfield(L, -1, "string");
	take_out(L, string);
	wrap(L, "format", plain_format);
	lua_pop(L, 1);
	lua_pop(L, 1);
	lua_counted_open(L);
	/* messages name a function by the first place that has it, in any order: only the
	 * libraries are looked through, where a program cannot give it another name */
	lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	lua_pushnil(L);
	lua_setfield(L, -2, LUA_GNAME);
	lua_pop(L, 1);
	lua_register(L, "pairs", sorted_pairs);
	lua_register(L, "next", sorted_next);
	lua_register(L, "tostring", plain_tostring);
}

/* ---- Globals ---- */

/* Upvalue: the table that has them. */
static int global_set(lua_State *L)
{
	if (!sandbox_of(L)->loading)
		return luaL_error(L,
		    "'%s' is no local variable: what changes is kept in the state",
		    lua_tostring(L, 2));
	lua_rawset(L, lua_upvalueindex(1));
	return 0;
}

/* The program's globals: a table that stays empty, so that each assignment is seen. */
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

/* Replaces a global table by an empty one through which it is read. */
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

/* The methods of strings are string's. */
static void strings_freeze(lua_State *L)
{
	lua_pushliteral(L, "");
	lua_getmetatable(L, -1);
	lua_pushboolean(L, false);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 2);
}

void sandbox_global(lua_State *L, const char *name)
{
	lua_pushglobaltable(L);
	lua_pushstring(L, name);
	lua_rawget(L, -2);
	lua_remove(L, -2);
}

void sandbox_define(lua_State *L, const char *name, lua_CFunction fn)
{
	lua_register(L, name, fn);
}

/* ---- Opening and running ---- */

static int prepare(lua_State *L)
{
	static const char *const libraries[] = {"string", "table", "math", "utf8"};

	libraries_open(L);
	lua_json_open(L);
	lua_decimal_open(L);
	strings_freeze(L);
	for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
		library_freeze(L, libraries[i]);
	globals_make(L);
	return 0;
}

/* What is thrown becomes a text that shows no address. */
static int message_of(lua_State *L)
{
	if (!lua_isstring(L, 1) && shows_address(L, 1))
		lua_pushfstring(L, "an error that is a %s", luaL_typename(L, 1));
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
		    "more than %zu bytes of memory for one event",
		    bounds_share(s->memory));
	return error_set(err, EVLOG_EDATA, "more than %zu bytes of memory", s->memory);
}

/* The message of what was thrown.  A program's __tostring may run, within the budget. */
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
		r = error_set(err, EVLOG_EDATA,
		    "'%s' is set outside of the functions, and has changed: what changes "
		    "is kept in the state",
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

/* Lua calls itself and C up to 200 times on the stack of C: one that is too small for
 * that, as after `ulimit -s 64`, is not used. */
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

/* States are old and many, events are new and soon forgotten: generations are made for
 * that, where the incremental collector would walk all states again and again.  Before
 * 5.4.4 they have bugs (lua.org/bugs.html). */
static void collector_choose(lua_State *L)
{
#if LUA_VERSION_RELEASE_NUM >= 50404
	lua_gc(L, LUA_GCGEN, 0, 0);
#else
	(void)L;
#endif
}

int sandbox_open(struct sandbox *s, const struct evlog_limits *limits, evlog_error *err)
{
	*s = (struct sandbox){.memory = limits->memory, .steps = limits->steps};
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

/* Compiles a text, with a line of Lua put before its first one; pushes the function.  A
 * first line with #! stays as an empty one.  false: the message is on the stack. */
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
		return 0; /* it defines the name itself */
	lua_dump(L, dump_add, &n->shadowed, 1);
	if (n->plain.failed || n->shadowed.failed)
		sandbox_no_memory(L);
	n->names = view_compare((struct view){n->plain.p, n->plain.len},
		       (struct view){n->shadowed.p, n->shadowed.len}) != 0;
	return 0;
}

/* A constant that is known when it is compiled takes no place: with one of this name put
 * before it, a program compiles to the same code, unless it means the global. */
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
