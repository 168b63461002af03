/*
 * luastring.c - functions of Lua's string, utf8 and base libraries that charge for their
 * work.
 *
 * Most call Lua's own after charging the budget for the bytes that they go through, or
 * the values that they return.
 */
#include "script/bounds.h"
#include "script/lua.h"

#include <lauxlib.h>

#define VALUES_FEW 100

enum kind {
	WORK,  /* takes a few nanoseconds for each byte of its arguments */
	VALUES /* returns a value for each byte of a range */
};

struct counted {
	const char *library, *name;
	enum kind kind;
};

static const struct counted all[] = {{"string", "lower", WORK}, {"string", "upper", WORK},
    {"string", "reverse", WORK}, {"string", "pack", WORK}, {"string", "unpack", WORK},
    {"string", "packsize", WORK}, {"string", "byte", VALUES}, {"string", "char", WORK},
    {"utf8", "len", WORK}, {"utf8", "offset", WORK}, {"utf8", "codepoint", VALUES},
    {"utf8", "char", WORK}, {LUA_GNAME, "tonumber", WORK}};

/* The number of arguments plus the bytes of the strings among them. */
static size_t arguments_size(lua_State *L)
{
	int n = lua_gettop(L);
	size_t size = (size_t)n;

	for (int i = 1; i <= n; i++)
		if (lua_type(L, i) == LUA_TSTRING)
			size += lua_rawlen(L, i);
	return size;
}

static int own_call(lua_State *L)
{
	return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static int work_call(lua_State *L)
{
	sandbox_spend(L, arguments_size(L) / 16);
	int n = own_call(L);
	if (n > VALUES_FEW) /* string.unpack */
		sandbox_many(L, (uint64_t)n);
	return n;
}

/* The length of a range as string.byte and utf8.codepoint take it, from 1. */
static size_t range_size(lua_State *L)
{
	size_t len = lua_rawlen(L, 1);
	lua_Integer from = luaL_optinteger(L, 2, 1), to = luaL_optinteger(L, 3, from);

	from = from < 0 ? from + (lua_Integer)len + 1 : from;
	to = to < 0 ? to + (lua_Integer)len + 1 : to;
	from = from < 1 ? 1 : from;
	to = to > (lua_Integer)len ? (lua_Integer)len : to;
	return to < from ? 0 : (size_t)(to - from) + 1;
}

static int values_call(lua_State *L)
{
	if (lua_type(L, 1) == LUA_TSTRING)
		sandbox_many(L, range_size(L));
	return own_call(L);
}

/* string.rep(text, n [, between]) */
static int text_repeat(lua_State *L)
{
	size_t len, gap;
	const char *text = luaL_checklstring(L, 1, &len);
	lua_Integer n = luaL_checkinteger(L, 2);
	const char *between = luaL_optlstring(L, 3, "", &gap);
	luaL_Buffer b;

	if (n <= 0 || len + gap == 0) {
		lua_pushliteral(L, "");
		return 1;
	}
	if ((uint64_t)n > (size_t)LUA_MAXINTEGER / (len + gap))
		return luaL_error(L, "resulting string too large");
	size_t unit = len + gap, size = (size_t)n * unit - gap, have = len;
	sandbox_room(L, size);
	sandbox_spend_bytes(L, size);
	char *p = luaL_buffinitsize(L, &b, size);
	memcpy(p, text, len);
	if (n > 1) { /* double what is there */
		memcpy(p + len, between, gap);
		for (have = unit; have < size; have *= 2)
			memcpy(p + have, p, have < size - have ? have : size - have);
	}
	luaL_pushresultsize(&b, size);
	return 1;
}

/* ---- utf8.codes ---- */

/* Upvalue: Lua's step function, which skips all continuation bytes. */
static int codes_step(lua_State *L)
{
	size_t len;
	const char *s = luaL_checklstring(L, 1, &len);
	lua_Integer at = lua_tointeger(L, 2);
	size_t from = at > 0 && (size_t)at < len ? (size_t)at : 0, n = from;

	while (n < len && ((unsigned char)s[n] & 0xC0) == 0x80)
		n++;
	sandbox_spend(L, (n - from) / 16);
	return own_call(L);
}

/* Upvalue: Lua's function. */
static int codes(lua_State *L)
{
	if (own_call(L) != 3)
		return luaL_error(L, "utf8.codes");
	lua_pushvalue(L, -3);
	lua_pushcclosure(L, codes_step, 1);
	lua_replace(L, -4);
	return 3;
}

/* ---- Opening ---- */

static void replace(lua_State *L, const char *library, const char *name, lua_CFunction fn)
{
	lua_getglobal(L, library);
	lua_getfield(L, -1, name);
	lua_pushcclosure(L, fn, 1);
	lua_setfield(L, -2, name);
	lua_pop(L, 1);
}

static void set_all(lua_State *L, const char *library, const luaL_Reg *functions)
{
	lua_getglobal(L, library);
	luaL_setfuncs(L, functions, 0);
	lua_pop(L, 1);
}

void lua_counted_open(lua_State *L)
{
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		replace(L, all[i].library, all[i].name,
		    all[i].kind == VALUES ? values_call : work_call);
	replace(L, "string", "rep", text_repeat);
	replace(L, "utf8", "codes", codes);
	set_all(L, "string", lua_patterns);
	set_all(L, "table", lua_tables);
}
