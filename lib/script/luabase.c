/* luabase.c - Lua's libraries as programs get them: nothing shows an address, loads code,
 * gives random numbers, or lets a program continue after reaching a limit. */
#include "script/bounds.h"
#include "script/constants.h"
#include "script/lua.h"
#include "script/sandbox.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#define FORMAT_STEPS 20 /* charged for each number formatted */

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
			return luaL_error(L, "string.format: %%p is not allowed: "
					     "addresses differ from run to run");
		p += p < end;
	}
	for (int i = 2; i <= lua_gettop(L); i++)
		if (sandbox_shows_address(L, i)) {
			lua_pushstring(L, luaL_typename(L, i));
			lua_replace(L, i);
		}
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

/* Upvalue: a function that accesses its first argument raw. */
static int with_whole(lua_State *L)
{
	lua_json_whole(L, 1);
	constants_content(L, 1);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

/* The same for a function that respects metamethods. */
static int with_converted(lua_State *L)
{
	lua_json_whole(L, 1);
	return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* Raises an error again if it ended the run, so that no program can catch it. */
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

/* Lua's own xpcall calls the handler inside the error, without the counting hook if the
 * error came from there, and again for each error in the handler.  This one calls it
 * afterwards, like any other function. */
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

/* Checks the metatable at 3. */
static void methods_check(lua_State *L)
{
	static const char *const names[] = {"__gc", "__mode"};

	for (int i = 0; i < 2; i++) {
		lua_pushstring(L, names[i]);
		if (lua_rawget(L, 3) != LUA_TNIL)
			luaL_error(L,
			    "%s is not allowed: programs must not depend on when memory "
			    "is freed",
			    names[i]);
		lua_pop(L, 1);
	}
}

/* Sets a copy, so that nothing can be added to the metatable later. */
static int careful_setmetatable(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_json_whole(L, 1);
	lua_settop(L, 2);
	if (sandbox_is_locked(L, 1) || constants_are(L, 1))
		return luaL_error(
		    L, "setmetatable: the metatable of this table cannot be changed");
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
		return luaL_error(L,
		    "rawset: only a state can be changed; everything else is constant");
	lua_rawset(L, 1);
	return 1;
}

/* Replaces a field of the table on top by a closure with the old function as its
 * upvalue. */
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

void lua_base_open(lua_State *L)
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
	/* Error messages name a function after the first place found to hold it, in no
	 * fixed order.  So let Lua search only the libraries, where a program cannot add
	 * names. */
	lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	lua_pushnil(L);
	lua_setfield(L, -2, LUA_GNAME);
	lua_pop(L, 1);
	lua_pairs_open(L);
	lua_register(L, "tostring", plain_tostring);
}
