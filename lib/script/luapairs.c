/* luapairs.c - pairs and next, in the order of keys. */
#include "script/bounds.h"
#include "script/constants.h"
#include "script/lua.h"
#include "script/sandbox.h"

#include <lauxlib.h>
#include <stdlib.h>

#define KEY_STEPS 2 /* instructions charged for sorting a key */

/* Their addresses are registry keys: of the table that next walks, and of its sorted
 * keys. */
static const char next_table, next_keys;

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
		luaL_error(L,
		    "a table with a %s as a key cannot be walked: its order would not be "
		    "defined",
		    lua_typename(L, k.type));
	}
	return k;
}

/* Booleans come first, then numbers, then strings. */
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

/* Charges for sorting n keys with that many bytes of text. */
static void keys_spend(lua_State *L, size_t n, size_t bytes)
{
	size_t rounds = 1;

	for (size_t i = n; i > 1; i /= 2)
		rounds++;
	sandbox_spend(L, n * KEY_STEPS + bytes / 64 * rounds);
}

/* The number of keys of the table at 1; raises an error if one has no order. */
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
			bad = type; /* so that the message does not depend on the order */
	}
	if (bad != LUA_TNONE)
		luaL_error(L,
		    "a table with a %s as a key cannot be walked: its order would not be "
		    "defined",
		    lua_typename(L, bad));
	keys_spend(L, n, bytes);
	return n;
}

/* Pushes a sorted list of the keys of the table at 1. */
static void keys_sorted(lua_State *L)
{
	size_t n = keys_count(L), i = 0;

	/* twice the size, to charge for the memory that qsort allocates */
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

/* Upvalues: the keys, and how many have been returned. */
int lua_pairs_step(lua_State *L)
{
	lua_Integer i = lua_tointeger(L, lua_upvalueindex(2));

	luaL_checktype(L, 1, LUA_TTABLE);
	constants_content(L, 1);
	for (;;) {
		if (lua_rawgeti(L, lua_upvalueindex(1), ++i) == LUA_TNIL)
			return 1;
		lua_pushvalue(L, -1);
		if (lua_rawget(L, 1) != LUA_TNIL)
			break; /* skip it if it was removed meanwhile */
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
	lua_pushcclosure(L, lua_pairs_step, 2);
	lua_pushvalue(L, 2);
	lua_pushnil(L);
	return 3;
}

/* Pushes the least key of the table at 1, or nil. */
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

/* Pushes the keys that next sorted last.  Returns whether they are those of the table at
 * 1 and the one returned last is the key at 2. */
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

/* Sorts the keys of the table at 1 and pushes them.  Sets next_at to the last key that is
 * at or before the key at 2. */
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

/* Returns the least key after the one given.  Keys are sorted on the second call and
 * reused after that, so keys added meanwhile are not found. */
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
		do { /* skip keys that were removed */
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

void lua_pairs_open(lua_State *L)
{
	lua_register(L, "pairs", sorted_pairs);
	lua_register(L, "next", sorted_next);
}
