/* content.c - read-only tables: their content is in another table. */
#include "script/constants.h"

#include <lauxlib.h>

/* Its address is the key, in such a table's metatable, of the content. */
static const char content_key;

bool constants_are(lua_State *L, int index)
{
	if (lua_type(L, index) != LUA_TTABLE || !lua_getmetatable(L, index))
		return false;
	bool is = lua_rawgetp(L, -1, &content_key) != LUA_TNIL;
	lua_pop(L, 2);
	return is;
}

void constants_content(lua_State *L, int index)
{
	index = lua_absindex(L, index);
	if (lua_type(L, index) != LUA_TTABLE || !lua_getmetatable(L, index))
		return;
	if (lua_rawgetp(L, -1, &content_key) != LUA_TNIL)
		lua_copy(L, -1, index);
	lua_pop(L, 2);
}

int constant_set(lua_State *L)
{
	return luaL_error(L, "only a state can be changed; everything else is constant");
}

void constants_content_put(lua_State *L, int metatable)
{
	lua_rawsetp(L, metatable, &content_key);
}
