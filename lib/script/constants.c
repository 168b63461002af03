/*
 * constants.c - makes everything that a program defines at load time constant.
 *
 * Keys are divided among threads, and a fold continues from a snapshot: results would
 * depend on both if a program kept anything outside of its states.  So after loading,
 * everything that its functions can reach is searched.  The content of a table moves to
 * another table, reachable only through __index, so that writing raises an error; the
 * table keeps its identity.  Variables that functions share (upvalues) cannot be locked:
 * after each run they are compared, and restored if changed.
 */
#include "script/constants.h"
#include "script/lua.h"

#include <lauxlib.h>

/* Its address is the registry key of the list of variables: three entries (function,
 * index, value) for each. */
static const char list_key;

/* Stack slots. */
enum { QUEUE = 1, SEEN, LIST };

struct search {
	lua_Integer queued, done;
	lua_Integer variables; /* entries of the list */
};

size_t constants_handlers(lua_State *L, const char *name, const void *key)
{
	size_t n = 0;

	sandbox_global(L, name);
	if (!lua_istable(L, -1))
		luaL_error(L, "%s is a %s, not a table", name, luaL_typename(L, -1));
	lua_newtable(L);
	for (lua_pushnil(L); lua_next(L, -3); n++) {
		if (!lua_isfunction(L, -1) || lua_type(L, -2) != LUA_TSTRING)
			luaL_error(L,
			    "%s: the value at %s is not a function with an event type as "
			    "its key",
			    name, (sandbox_text(L, -2), lua_tostring(L, -1)));
		const char *type = lua_tostring(L, -2);
		if (strcmp(type, "*") != 0 && strchr(type, '*'))
			luaL_error(L,
			    "%s[\"%s\"]: no pattern; \"*\" alone stands for all other "
			    "types",
			    name, type);
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, -4);
	}
	lua_rawsetp(L, LUA_REGISTRYINDEX, key);
	return n;
}

/* Upvalue: the content. */
static int constant_len(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)lua_rawlen(L, lua_upvalueindex(1)));
	return 1;
}

/* Upvalues: the table, and its own __index, a function. */
static int constant_index(lua_State *L)
{
	lua_pushvalue(L, lua_upvalueindex(2));
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushvalue(L, 2);
	lua_call(L, 2, 1);
	return 1;
}

/* ---- Searching ---- */

/* Pops a value and queues it, unless it was queued before or cannot contain anything. */
static void queue(lua_State *L, struct search *q)
{
	int type = lua_type(L, -1);
	bool is = type == LUA_TTABLE || type == LUA_TFUNCTION;

	if (is) {
		lua_pushvalue(L, -1);
		is = lua_rawget(L, SEEN) == LUA_TNIL;
		lua_pop(L, 1);
	}
	if (!is) {
		lua_pop(L, 1);
		return;
	}
	lua_pushvalue(L, -1);
	lua_pushboolean(L, 1);
	lua_rawset(L, SEEN);
	lua_rawseti(L, QUEUE, ++q->queued);
}

/* Lists a variable once, even if several functions share it.  The function is below its
 * value on the stack. */
static void variable_list(lua_State *L, struct search *q, int i)
{
	void *id = lua_upvalueid(L, -2, i);

	if (lua_rawgetp(L, SEEN, id) == LUA_TNIL) {
		lua_pushvalue(L, -3);
		lua_rawseti(L, LIST, ++q->variables);
		lua_pushinteger(L, i);
		lua_rawseti(L, LIST, ++q->variables);
		lua_pushvalue(L, -2);
		lua_rawseti(L, LIST, ++q->variables);
		lua_pushboolean(L, 1);
		lua_rawsetp(L, SEEN, id);
	}
	lua_pop(L, 1);
}

/* Lists and queues the upvalues of the function on top.  C functions with state are
 * iterators, which nothing may keep. */
static void function_look(lua_State *L, struct search *q)
{
	lua_CFunction c = lua_tocfunction(L, -1);

	if (c && (c == lua_gmatch_step || c == lua_pairs_step))
		luaL_error(L, "an iterator is stored outside of the functions; create it "
			      "where it is used");
	for (int i = 1; !c && lua_getupvalue(L, -1, i); i++) {
		variable_list(L, q, i);
		queue(L, q);
	}
}

/* Moves the content of the table on top to a new table, which is pushed, and queues
 * it. */
static void content_take(lua_State *L, struct search *q)
{
	int table = lua_gettop(L);
	size_t n = lua_rawlen(L, table);

	lua_createtable(L, n < INT32_MAX ? (int)n : 0, 0);
	for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
		lua_pushvalue(L, -2);
		queue(L, q);
		lua_pushvalue(L, -1);
		queue(L, q);
		lua_pushvalue(L, -2);
		lua_pushvalue(L, -2);
		lua_rawset(L, table + 1);
	}
	for (lua_pushnil(L); lua_next(L, table);) {
		lua_pop(L, 1);
		lua_pushvalue(L, -1);
		lua_pushnil(L);
		lua_rawset(L, table);
	}
}

/* Pushes a copy of the metatable at `own` (0: none) and queues its content. */
static void metatable_copy(lua_State *L, struct search *q, int own)
{
	lua_newtable(L);
	if (!own)
		return;
	int copy = lua_gettop(L);
	for (lua_pushnil(L); lua_next(L, own);) {
		lua_pushvalue(L, -1);
		queue(L, q);
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, copy);
	}
}

/* Keys that are not in the content are looked up by the table's own metatable, at `meta`:
 * the content gets its __index. */
static void content_chain(lua_State *L, int table, int content, int meta)
{
	lua_pushliteral(L, "__index");
	if (lua_rawget(L, meta) == LUA_TNIL) {
		lua_pop(L, 1);
		return;
	}
	if (lua_isfunction(L, -1)) {
		lua_pushvalue(L, table);
		lua_insert(L, -2);
		lua_pushcclosure(L, constant_index, 2);
	}
	lua_createtable(L, 0, 1);
	lua_insert(L, -2);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, content);
}

/* Makes the table at `table` read-only.  Its content is at `content`, its own metatable
 * at `own`, or 0. */
static void table_lock(lua_State *L, struct search *q, int table, int content, int own)
{
	bool is_array = own && lua_json_is_array(L, table);

	metatable_copy(L, q, is_array ? 0 : own);
	int meta = lua_gettop(L);
	if (is_array) {
		lua_pushvalue(L, own);
		lua_setmetatable(L, content);
	} else {
		content_chain(L, table, content, meta);
	}
	lua_pushvalue(L, content);
	lua_setfield(L, meta, "__index");
	lua_pushcfunction(L, constant_set);
	lua_setfield(L, meta, "__newindex");
	lua_pushliteral(L, "__len");
	if (lua_rawget(L, meta) == LUA_TNIL) {
		lua_pushvalue(L, content);
		lua_pushcclosure(L, constant_len, 1);
		lua_setfield(L, meta, "__len");
	}
	lua_pop(L, 1);
	if (!own || is_array) {
		lua_pushboolean(L, false);
		lua_setfield(L, meta, "__metatable");
	}
	lua_pushvalue(L, content);
	constants_content_put(L, meta);
	lua_pushvalue(L, meta);
	lua_setmetatable(L, table);
}

/* Locks the table on top, unless it is locked already, as libraries and globals are. */
static void table_look(lua_State *L, struct search *q)
{
	int table = lua_gettop(L), own = 0;

	lua_json_whole(L, table);
	if (lua_getmetatable(L, table)) {
		own = table + 1;
		if (sandbox_is_locked(L, table) && !lua_json_is_array(L, table))
			return;
	}
	lua_pushvalue(L, table);
	content_take(L, q);
	table_lock(L, q, table, lua_gettop(L), own);
}

void constants_make(lua_State *L)
{
	struct search q = {.queued = 0};

	lua_settop(L, 0);
	for (int i = QUEUE; i <= LIST; i++)
		lua_newtable(L);
	lua_pushglobaltable(L);
	for (lua_pushnil(L); lua_next(L, LIST + 1);)
		queue(L, &q);
	while (q.done < q.queued) {
		lua_settop(L, LIST);
		luaL_checkstack(L, 20, NULL);
		if (lua_rawgeti(L, QUEUE, ++q.done) == LUA_TFUNCTION)
			function_look(L, &q);
		else
			table_look(L, &q);
	}
	lua_settop(L, LIST);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &list_key);
	sandbox_of(L)->variables = q.variables;
}

/* ---- After each run ---- */

/* Whether the two values on top are identical: NaN equals NaN, 0.0 and -0.0 differ. */
static bool is_same(lua_State *L)
{
	if (lua_type(L, -1) != LUA_TNUMBER || lua_type(L, -2) != LUA_TNUMBER)
		return lua_rawequal(L, -1, -2);
	if (lua_isinteger(L, -1) || lua_isinteger(L, -2))
		return lua_isinteger(L, -1) && lua_isinteger(L, -2) &&
		       lua_tointeger(L, -1) == lua_tointeger(L, -2);
	lua_Number a = lua_tonumber(L, -1), b = lua_tonumber(L, -2);
	return memcmp(&a, &b, sizeof a) == 0;
}

bool constants_kept(struct sandbox *s, const char **name)
{
	lua_State *L = s->L;
	bool kept = true;

	if (s->variables == 0)
		return true;
	lua_settop(L, 0);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &list_key);
	for (lua_Integer i = 1; i <= s->variables; i += 3) {
		lua_rawgeti(L, 1, i);
		lua_rawgeti(L, 1, i + 1);
		int n = (int)lua_tointeger(L, -1);
		lua_rawgeti(L, 1, i + 2);
		const char *found = lua_getupvalue(L, 2, n);
		if (!is_same(L)) {
			if (kept)
				*name = found;
			kept = false;
			lua_pushvalue(L, 4);
			lua_setupvalue(L, 2, n);
		}
		lua_settop(L, 1);
	}
	return kept;
}
