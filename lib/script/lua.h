/* lua.h - values between JSON and Lua, and exact decimals in Lua. */
#ifndef SCRIPT_LUA_H
#define SCRIPT_LUA_H

#include "json/decimal.h"
#include "json/scan.h"

#include <lauxlib.h>
#include <lua.h>

/* All of these raise Lua errors: call them in protected mode. */

/* Makes `null`, `array` and the metatables. */
void lua_json_open(lua_State *L);

/* Pushes the value of a valid JSON text.  Integers of 64 bits and numbers that a double
 * holds exactly as written become Lua's, others decimals.  Objects and arrays keep a copy
 * of their text, and are converted when, and as far as, they are touched. */
void lua_json_push(lua_State *L, struct json_text v);

/* Pushes an event, as the one at hand until sandbox's event_text is cleared: its members
 * are found without looking through its text again. */
void lua_json_push_event(lua_State *L, struct json_text event);

/* The text of a member of the event at hand; p NULL: it has none. */
struct json_text lua_json_event_member(lua_State *L, struct view name);

/* The same, of what was written `exact`: {"$decimal":1.5} is a decimal, {"$array":[]} a
 * marked array, and other names that begin with a dollar have one more. */
void lua_json_push_exact(lua_State *L, struct json_text v);

/* Adds the value at `index` as JSON, the members of objects in the order of their names.
 * Raises an error for what JSON does not have.  exact: so that lua_json_push_exact gives
 * the same value again, decimals too. */
void lua_json_write(lua_State *L, int index, struct buf *out, bool exact);

/* Whether a table is marked as an array. */
bool lua_json_is_array(lua_State *L, int index);

/* How many keys a table has, its content looked at as it is, and the largest that is an
 * index; 0: none is.  *dense: they are 1 to n. */
size_t lua_json_keys(lua_State *L, int index, size_t *largest, bool *dense);

/* Whether a table's keys are 1 to *n; its length says nothing if it has holes. */
bool lua_json_is_list(lua_State *L, int index, size_t *n);

/* Converts all of a table's own level, if it is one that was not touched yet. */
void lua_json_whole(lua_State *L, int index);

/* table.sort, but stable, and the same at each run. */
int lua_stable_sort(lua_State *L);

/* Replaces the functions of Lua's libraries whose work no hook sees by ones that count
 * it; the libraries are open. */
void lua_counted_open(lua_State *L);

/* Some of them. */
extern const luaL_Reg lua_patterns[], lua_tables[];

/* What string.gmatch and pairs return: they have states of their own. */
int lua_gmatch_step(lua_State *L);
int lua_pairs_step(lua_State *L);

/* pairs and next in the order of keys. */
void lua_pairs_open(lua_State *L);

/* Opens Lua's libraries, without what a program must not have. */
void lua_base_open(lua_State *L);

/* A double as the shortest text that is read as the same one; false: it is none. */
bool lua_float_write(lua_Number v, char text[40]);

/* A double as a whole number over a power of ten, if that is short; false: it is not. */
bool lua_float_split(lua_Number v, int64_t *whole, unsigned *places);

/* `decimal("39.11")`: its arithmetic is exact. */
void lua_decimal_open(lua_State *L);

/* Pushes a decimal, and takes it over. */
void lua_decimal_push(lua_State *L, struct decimal *d);

/* Charges what it takes to write a decimal. */
void lua_decimal_spend(lua_State *L, const struct decimal *d);

/* The decimal at `index`; NULL if it is none. */
const struct decimal *lua_decimal_at(lua_State *L, int index);

#endif
