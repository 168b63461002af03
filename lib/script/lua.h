/* lua.h - converts values between JSON and Lua, and adds exact decimals to Lua. */
#ifndef SCRIPT_LUA_H
#define SCRIPT_LUA_H

#include "json/decimal.h"
#include "json/scan.h"

#include <lauxlib.h>
#include <lua.h>

/* All of these raise Lua errors: call them in protected mode. */

/* Defines `null`, `array` and the metatables. */
void lua_json_open(lua_State *L);

/* Pushes the value of a valid JSON text.  64-bit integers, and numbers that a double
 * represents exactly as written, become Lua numbers; others become decimals.  Objects and
 * arrays keep a copy of their text and are converted when, and as far as, they are
 * used. */
void lua_json_push(lua_State *L, struct json_text v);

/* Pushes an event as the current one, until the sandbox's event_text is cleared: its
 * members are found without scanning its text again. */
void lua_json_push_event(lua_State *L, struct json_text event);

/* The text of a member of the current event; p is NULL if there is none. */
struct json_text lua_json_event_member(lua_State *L, struct view name);

/* The same for text written with `exact`: {"$decimal":1.5} is a decimal, {"$array":[]} a
 * marked array, and other names that begin with a dollar sign have an extra one. */
void lua_json_push_exact(lua_State *L, struct json_text v);

/* Appends the value at `index` as JSON, with members sorted by name.  Raises an error for
 * what JSON cannot express.  exact: lua_json_push_exact restores the same value, with its
 * decimals. */
void lua_json_write(lua_State *L, int index, struct buf *out, bool exact);

/* Whether a table is marked as an array. */
bool lua_json_is_array(lua_State *L, int index);

/* The number of keys in a table, without converting or looking through it.  *largest is
 * the largest index among them, or 0; *dense: they are exactly 1 to n. */
size_t lua_json_keys(lua_State *L, int index, size_t *largest, bool *dense);

/* Whether a table's keys are exactly 1 to *n.  Its length does not say so if it has
 * holes. */
bool lua_json_is_list(lua_State *L, int index, size_t *n);

/* Converts the top level of a table that still holds JSON text; leaves other tables
 * alone. */
void lua_json_whole(lua_State *L, int index);

/* A table.sort that is stable, so that every run gives the same order. */
int lua_stable_sort(lua_State *L);

/* Replaces library functions whose work no hook sees by versions that charge for it.  The
 * libraries must be open. */
void lua_counted_open(lua_State *L);

/* Some of those functions. */
extern const luaL_Reg lua_patterns[], lua_tables[];

/* What string.gmatch and pairs return: iterators with state. */
int lua_gmatch_step(lua_State *L);
int lua_pairs_step(lua_State *L);

/* Replaces pairs and next by versions that follow the order of keys. */
void lua_pairs_open(lua_State *L);

/* Opens Lua's libraries, without what programs must not have. */
void lua_base_open(lua_State *L);

/* Writes a double as the shortest text that reads back the same; false if it is not
 * finite. */
bool lua_float_write(lua_Number v, char text[40]);

/* Splits a double into a whole number over a power of ten; false if it is too long for
 * that. */
bool lua_float_split(lua_Number v, int64_t *whole, unsigned *places);

/* Defines decimal("39.11"), with exact arithmetic. */
void lua_decimal_open(lua_State *L);

/* Pushes a decimal, taking ownership of it. */
void lua_decimal_push(lua_State *L, struct decimal *d);

/* Charges for writing a decimal. */
void lua_decimal_spend(lua_State *L, const struct decimal *d);

/* The decimal at `index`, or NULL. */
const struct decimal *lua_decimal_at(lua_State *L, int index);

#endif
