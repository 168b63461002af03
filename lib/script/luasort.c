/*
 * luasort.c - table.sort for programs: a stable merge sort.
 *
 * Lua's own is a quicksort that derives pivots from the clock and an address if the input
 * is unbalanced, so that elements that compare equal end up in a different order in each
 * run.  This one sorts positions and compares values in a copy of the table: whatever the
 * function returns, the sort ends and the table keeps its elements.
 */
#include "script/bounds.h"
#include "script/lua.h"
#include "script/sandbox.h"

#include <lauxlib.h>
#include <limits.h>
#include <string.h>

/* Stack slots. */
enum { TABLE = 1, FUNCTION, COPY };

static bool less(lua_State *L, uint32_t x, uint32_t y)
{
	bool plain = lua_isnil(L, FUNCTION);

	sandbox_spend(L, 1);
	if (!plain)
		lua_pushvalue(L, FUNCTION);
	lua_rawgeti(L, COPY, x);
	lua_rawgeti(L, COPY, y);
	if (!plain)
		lua_call(L, 2, 1);
	bool is_less = plain ? lua_compare(L, -2, -1, LUA_OPLT) : lua_toboolean(L, -1);
	lua_settop(L, COPY + 1);
	return is_less;
}

/* Merges from[0..middle) and from[middle..n), each sorted. */
static void merge(
    lua_State *L, const uint32_t *from, uint32_t *to, size_t middle, size_t n)
{
	size_t i = 0, j = middle;

	if (middle >= n || !less(L, from[middle], from[middle - 1])) {
		memcpy(to, from, n * sizeof *to);
		return;
	}
	for (size_t k = 0; k < n; k++)
		if (j < n && (i == middle || less(L, from[j], from[i])))
			to[k] = from[j++];
		else
			to[k] = from[i++];
}

/* Returns the sorted positions, which are in a or in b. */
static uint32_t *positions_sort(lua_State *L, uint32_t *a, uint32_t *b, size_t n)
{
	for (size_t width = 1; width < n; width *= 2) {
		for (size_t i = 0; i < n; i += 2 * width) {
			size_t run = n - i < 2 * width ? n - i : 2 * width;
			merge(L, a + i, b + i, width < run ? width : run, run);
		}
		uint32_t *swap = a;
		a = b;
		b = swap;
	}
	return a;
}

int lua_stable_sort(lua_State *L)
{
	luaL_checktype(L, TABLE, LUA_TTABLE);
	lua_json_whole(L, TABLE);
	lua_Integer n = luaL_len(L, TABLE);
	if (n < 2)
		return 0;
	luaL_argcheck(L, n < INT_MAX, TABLE, "array too big");
	if (!lua_isnoneornil(L, FUNCTION))
		luaL_checktype(L, FUNCTION, LUA_TFUNCTION);
	lua_settop(L, FUNCTION);
	sandbox_spend(L, (uint64_t)n);
	lua_createtable(L, (int)n, 0);
	uint32_t *room = lua_newuserdatauv(L, 2 * (size_t)n * sizeof *room, 0);
	for (lua_Integer i = 1; i <= n; i++) {
		lua_geti(L, TABLE, i);
		lua_rawseti(L, COPY, i);
		room[i - 1] = (uint32_t)i;
	}
	const uint32_t *sorted = positions_sort(L, room, room + n, (size_t)n);
	for (lua_Integer i = 1; i <= n; i++) {
		lua_rawgeti(L, COPY, sorted[i - 1]);
		lua_seti(L, TABLE, i);
	}
	return 0;
}
