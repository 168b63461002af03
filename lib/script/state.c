/* state.c - what all files of the sandbox need to know about its Lua state. */
#include "script/sandbox.h"

#include <lauxlib.h>
#include <string.h>

struct sandbox *sandbox_of(lua_State *L)
{
	struct sandbox *s;

	memcpy(&s, lua_getextraspace(L), sizeof s);
	return s;
}

bool sandbox_shows_address(lua_State *L, int index)
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
	if (sandbox_shows_address(L, index))
		lua_pushstring(L, luaL_typename(L, index));
	else
		luaL_tolstring(L, index, NULL);
}

bool sandbox_is_locked(lua_State *L, int index)
{
	if (luaL_getmetafield(L, index, "__metatable") == LUA_TNIL)
		return false;
	bool locked = lua_isboolean(L, -1);
	lua_pop(L, 1);
	return locked;
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
