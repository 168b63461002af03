/*
 * luatable.c - functions of Lua's table library that charge for going through a table.
 *
 * Lua's own go as far as __len says, and no hook sees how long that takes.
 */
#include "script/bounds.h"
#include "script/lua.h"

#include <lauxlib.h>
#include <limits.h>

#define ELEMENTS_A_STEP 4

static void elements_count(lua_State *L, lua_Unsigned n)
{
	sandbox_spend(L, n / ELEMENTS_A_STEP + 1);
}

static bool has_method(lua_State *L, int index, const char *name)
{
	return luaL_getmetafield(L, index, name) != LUA_TNIL;
}

/* Checks for a table, or something with the metamethods of one. */
static void table_check(lua_State *L, int index, bool read, bool written, bool measured)
{
	int top = lua_gettop(L);

	if (lua_type(L, index) != LUA_TTABLE &&
	    !((!read || has_method(L, index, "__index")) &&
		(!written || has_method(L, index, "__newindex")) &&
		(!measured || has_method(L, index, "__len"))))
		luaL_checktype(L, index, LUA_TTABLE);
	lua_settop(L, top);
	lua_json_whole(L, index);
}

/* table.insert(t, [at,] value) */
static int table_insert(lua_State *L)
{
	int top = lua_gettop(L);

	table_check(L, 1, true, true, true);
	lua_Integer end = (lua_Integer)((lua_Unsigned)luaL_len(L, 1) + 1), at = end;
	if (top != 2 && top != 3)
		return luaL_error(L, "wrong number of arguments to 'insert'");
	if (top == 3) {
		at = luaL_checkinteger(L, 2);
		luaL_argcheck(L, (lua_Unsigned)at - 1u < (lua_Unsigned)end, 2,
		    "position out of bounds");
		elements_count(L, (lua_Unsigned)end - (lua_Unsigned)at);
		for (lua_Integer i = end; i > at; i--) {
			lua_geti(L, 1, i - 1);
			lua_seti(L, 1, i);
		}
	}
	lua_seti(L, 1, at);
	return 0;
}

/* table.remove(t [, at]) */
static int table_remove(lua_State *L)
{
	table_check(L, 1, true, true, true);
	lua_Integer len = luaL_len(L, 1), at = luaL_optinteger(L, 2, len);

	if (!lua_isnone(L, 2)) /* 1 to len + 1, or len if that is 0 */
		luaL_argcheck(L,
		    (lua_Unsigned)len + 1u - (lua_Unsigned)at <= (lua_Unsigned)len ||
			at == len,
		    2, "position out of bounds");
	if (at < len)
		elements_count(L, (lua_Unsigned)len - (lua_Unsigned)at);
	lua_geti(L, 1, at);
	for (; at < len; at++) {
		lua_geti(L, 1, at + 1);
		lua_seti(L, 1, at);
	}
	lua_pushnil(L);
	lua_seti(L, 1, at);
	return 1;
}

/* table.move(from, first, last, at [, to]) */
static int table_move(lua_State *L)
{
	lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
	lua_Integer at = luaL_checkinteger(L, 4);
	int to = lua_isnoneornil(L, 5) ? 1 : 5;

	table_check(L, 1, true, false, false);
	table_check(L, to, false, true, false);
	if (last >= first) {
		luaL_argcheck(L, first > 0 || last < LUA_MAXINTEGER + first, 3,
		    "too many elements to move");
		lua_Integer n = last - first + 1;
		luaL_argcheck(
		    L, at <= LUA_MAXINTEGER - n + 1, 4, "destination wrap around");
		elements_count(L, (lua_Unsigned)n);
		bool same = to == 1 || lua_compare(L, 1, to, LUA_OPEQ);
		bool upwards = at > last || at <= first || !same;
		for (lua_Integer k = 0; k < n; k++) {
			lua_Integer i = upwards ? k : n - 1 - k;
			lua_geti(L, 1, first + i);
			lua_seti(L, to, at + i);
		}
	}
	lua_pushvalue(L, to);
	return 1;
}

/* table.concat(t [, between [, first [, last]]]) */
static int table_concat(lua_State *L)
{
	size_t len;

	table_check(L, 1, true, false, true);
	lua_Integer last = luaL_len(L, 1);
	const char *between = luaL_optlstring(L, 2, "", &len);
	lua_Integer i = luaL_optinteger(L, 3, 1);
	last = luaL_optinteger(L, 4, last);
	luaL_Buffer b;
	luaL_buffinit(L, &b);
	while (i <= last) {
		sandbox_spend(L, 1);
		lua_geti(L, 1, i);
		if (!lua_isstring(L, -1))
			return luaL_error(L,
			    "invalid value (%s) at index %I in table for 'concat'",
			    luaL_typename(L, -1), (LUAI_UACINT)i);
		luaL_addvalue(&b);
		if (i == last)
			break;
		i++;
		luaL_addlstring(&b, between, len);
	}
	luaL_pushresult(&b);
	return 1;
}

/* table.unpack(t [, first [, last]]) */
static int table_unpack(lua_State *L)
{
	lua_Integer first = luaL_optinteger(L, 2, 1);

	if (lua_istable(L, 1))
		lua_json_whole(L, 1);
	lua_Integer last =
	    lua_isnoneornil(L, 3) ? luaL_len(L, 1) : luaL_checkinteger(L, 3);
	if (first > last)
		return 0;
	lua_Unsigned n = (lua_Unsigned)last - (lua_Unsigned)first;
	if (n >= INT_MAX)
		return luaL_error(L, "too many results to unpack");
	sandbox_many(L, ++n);
	if (!lua_checkstack(L, (int)n))
		return luaL_error(L, "too many results to unpack");
	for (lua_Unsigned i = 0; i < n; i++)
		lua_geti(L, 1, (lua_Integer)((lua_Unsigned)first + i));
	return (int)n;
}

const luaL_Reg lua_tables[] = {{"insert", table_insert}, {"remove", table_remove},
    {"move", table_move}, {"concat", table_concat}, {"unpack", table_unpack},
    {"sort", lua_stable_sort}, {NULL, NULL}};
