/*
 * luajson.c - converts values between JSON and Lua.
 *
 * An object or array of an event becomes an empty table with its JSON text hidden under a
 * key that programs cannot write.  Reading a member looks it up in the text.  A table
 * that is walked, measured or written to is first converted by one level, and is an
 * ordinary table from then on.
 */
#include "base/error.h"
#include "script/bounds.h"
#include "script/constants.h"
#include "script/lua.h"
#include "script/sandbox.h"

#include <errno.h>
#include <float.h>
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>

#define LONG 4096 /* longer text is converted rather than searched each time */

/* Their addresses are keys: in an unconverted table, of its text; in the registry, of the
 * metatables.  Nested tables that were read are kept in the outer table, under the
 * address of their text. */
static const char text_key;
static const char object_key, array_key, marked_key;

/* ---- Numbers ---- */

static bool number_is_plain(const char *p, const char *end)
{
	for (p += *p == '-'; p < end; p++)
		if (*p < '0' || *p > '9')
			return false;
	return true;
}

/* A double holds 15 digits exactly; with more, it is tried out. */
static bool double_holds(struct json_text v, lua_Number d)
{
	struct decimal x = {0}, y = {0};
	char text[40];
	int digits = 0;
	bool failed;

	for (size_t i = 0; i < v.len && (v.p[i] | 0x20) != 'e'; i++)
		digits += v.p[i] >= '0' && v.p[i] <= '9' && (digits || v.p[i] != '0');
	if (digits <= DBL_DIG && fabs(d) > DBL_MIN && isfinite(d))
		return true;
	bool same = lua_float_write(d, text) && decimal_set(&x, v, &failed) &&
		    decimal_set(&y, (struct json_text){text, strlen(text)}, &failed) &&
		    decimal_compare(&x, &y, &failed) == 0 && !failed;
	decimal_free(&x);
	decimal_free(&y);
	return same;
}

static void decimal_push_text(lua_State *L, struct json_text v)
{
	struct decimal d = {0};
	bool failed;

	if (!decimal_set(&d, v, &failed))
		(void)(failed ? sandbox_no_memory(L)
			      : luaL_error(L, "a number with more than 10000 digits or "
					      "too large an exponent"));
	lua_decimal_push(L, &d);
}

static void number_push(lua_State *L, struct json_text v)
{
	char text[32];

	if (v.len >= sizeof text) {
		decimal_push_text(L, v);
		return;
	}
	memcpy(text, v.p, v.len);
	text[v.len] = '\0';
	if (number_is_plain(v.p, v.p + v.len)) {
		errno = 0;
		long long i = strtoll(text, NULL, 10);
		if (errno == 0)
			lua_pushinteger(L, i);
		else
			decimal_push_text(L, v);
		return;
	}
	lua_Number d = strtod(text, NULL);
	if (double_holds(v, d))
		lua_pushnumber(L, d);
	else
		decimal_push_text(L, v);
}

/* ---- From JSON ---- */

/* Pushes a string, given as text with its quotes. */
static void string_push(lua_State *L, const char *p, size_t len, bool escaped)
{
	struct buf *b = &sandbox_of(L)->scratch;

	if (!escaped) {
		lua_pushlstring(L, p + 1, len - 2);
		return;
	}
	b->len = 0;
	json_unescape(b, (struct json_text){p, len});
	if (b->failed)
		sandbox_no_memory(L);
	lua_pushlstring(L, b->p, b->len);
}

static void container_push(lua_State *L, struct json_text v)
{
	lua_createtable(L, 0, 2); /* its text, and one nested table */
	lua_pushlstring(L, v.p, v.len);
	lua_rawsetp(L, -2, &text_key);
	lua_rawgetp(L, LUA_REGISTRYINDEX, *v.p == '{' ? &object_key : &array_key);
	lua_setmetatable(L, -2);
}

void lua_json_push(lua_State *L, struct json_text v)
{
	switch (json_type_of(v)) {
	case JSON_NULL: lua_pushlightuserdata(L, NULL); break;
	case JSON_FALSE: lua_pushboolean(L, 0); break;
	case JSON_TRUE: lua_pushboolean(L, 1); break;
	case JSON_NUMBER: number_push(L, v); break;
	case JSON_STRING: string_push(L, v.p, v.len, memchr(v.p, '\\', v.len)); break;
	case JSON_ARRAY:
	case JSON_OBJECT: container_push(L, v);
	}
}

static struct json_text text_at(lua_State *L, int index)
{
	struct json_text v = {0};

	if (lua_rawgetp(L, index, &text_key) == LUA_TSTRING)
		v.p = lua_tolstring(L, -1, &v.len); /* the table keeps it alive */
	lua_pop(L, 1);
	return v;
}

void lua_json_whole(lua_State *L, int index)
{
	struct json_text v = {0};
	struct json_walk w;
	struct json_member m;
	lua_Integer n = 0;

	index = lua_absindex(L, index);
	if (lua_istable(L, index))
		v = text_at(L, index);
	if (!v.p)
		return;
	if (v.p == sandbox_of(L)->event_text)
		sandbox_of(L)->event_text = NULL; /* the text is about to be freed */
	luaL_checkstack(L, 8, NULL);
	sandbox_spend_bytes(L, v.len);
	lua_rawgetp(L, index, &text_key); /* keeps the text alive */
	json_walk_begin(&w, v);
	while (json_walk_next(&w, &m)) {
		if (w.object)
			string_push(L, m.key.p - 1, m.key.len + 2, m.escaped);
		else
			lua_pushinteger(L, ++n);
		if (lua_rawgetp(L, index, m.value.p) == LUA_TNIL) {
			lua_pop(L, 1);
			lua_json_push(L, m.value);
		} else {
			lua_pushnil(L);
			lua_rawsetp(L, index, m.value.p);
		}
		lua_rawset(L, index);
	}
	lua_pushnil(L);
	lua_rawsetp(L, index, &text_key);
	if (w.object)
		lua_pushnil(L);
	else
		lua_rawgetp(L, LUA_REGISTRYINDEX, &marked_key);
	lua_setmetatable(L, index);
	lua_pop(L, 1);
}

/* ---- The current event ---- */

static void member_list(lua_State *L, struct json_members *list, struct json_member m)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 16;
		sandbox_room(L, (cap - list->cap) * sizeof *list->at);
		struct json_member *more = realloc(list->at, cap * sizeof *more);
		if (!more)
			sandbox_no_memory(L);
		sandbox_of(L)->used += (cap - list->cap) * sizeof *more;
		list->at = more;
		list->cap = cap;
	}
	list->at[list->n++] = m;
}

void lua_json_push_event(lua_State *L, struct json_text event)
{
	struct sandbox *s = sandbox_of(L);
	struct json_walk w;
	struct json_member m;

	container_push(L, event);
	event = text_at(L, lua_gettop(L));
	s->event.n = 0;
	s->event_text = event.p;
	json_walk_begin(&w, event);
	while (json_walk_next(&w, &m))
		member_list(L, &s->event, m);
}

/* Searches from the end; the order does not matter, since the names in an event are
 * unique. */
struct json_text lua_json_event_member(lua_State *L, struct view name)
{
	const struct json_members *list = &sandbox_of(L)->event;

	for (size_t i = list->n; i-- > 0;)
		if (json_key_is(&list->at[i], name))
			return list->at[i].value;
	return (struct json_text){0};
}

/* ---- Reading members ---- */

static struct json_text member_of(struct json_text object, struct view name)
{
	struct json_text found = {0};
	struct json_walk w;
	struct json_member m;

	json_walk_begin(&w, object);
	while (json_walk_next(&w, &m))
		if (json_key_is(&m, name))
			found = m.value; /* the last one counts */
	return found;
}

/* __index of an object: gets one member without converting the others. */
static int object_index(lua_State *L)
{
	struct json_text v = text_at(L, 1), found;
	struct view name;

	if (!v.p || lua_type(L, 2) != LUA_TSTRING)
		return 0;
	if (v.len > LONG && v.p != sandbox_of(L)->event_text) {
		lua_json_whole(L, 1);
		lua_settop(L, 2);
		lua_rawget(L, 1);
		return 1;
	}
	name.p = lua_tolstring(L, 2, &name.len);
	if (v.p == sandbox_of(L)->event_text)
		sandbox_spend(L, sandbox_of(L)->event.n / 16);
	else
		sandbox_spend_bytes(L, v.len);
	found = v.p == sandbox_of(L)->event_text ? lua_json_event_member(L, name)
						 : member_of(v, name);
	if (!found.p || (lua_rawgetp(L, 1, found.p) != LUA_TNIL))
		return found.p != NULL;
	lua_json_push(L, found);
	if (*found.p == '{' || *found.p == '[') {
		lua_pushvalue(L, -1);
		lua_rawsetp(L, 1, found.p);
	}
	return 1;
}

static int array_index(lua_State *L)
{
	lua_json_whole(L, 1);
	lua_settop(L, 2);
	lua_rawget(L, 1);
	return 1;
}

static int whole_newindex(lua_State *L)
{
	lua_json_whole(L, 1);
	lua_rawset(L, 1);
	return 0;
}

static int whole_len(lua_State *L)
{
	lua_json_whole(L, 1);
	lua_pushinteger(L, (lua_Integer)lua_rawlen(L, 1));
	return 1;
}

/* ---- Kinds of tables ---- */

bool lua_json_is_array(lua_State *L, int index)
{
	bool same = false;

	lua_pushvalue(L, index);
	constants_content(L, -1);
	if (lua_getmetatable(L, -1)) {
		lua_rawgetp(L, LUA_REGISTRYINDEX, &marked_key);
		same = lua_rawequal(L, -1, -2);
		lua_pop(L, 2);
	}
	lua_pop(L, 1);
	return same;
}

size_t lua_json_keys(lua_State *L, int index, size_t *largest, bool *dense)
{
	size_t n = 0, indices = 0;

	*largest = 0;
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1), n++) {
		lua_Integer i = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
		if (i > 0) {
			indices++;
			*largest = (size_t)i > *largest ? (size_t)i : *largest;
		}
	}
	*dense = n == indices && n == *largest;
	return n;
}

bool lua_json_is_list(lua_State *L, int index, size_t *n)
{
	size_t largest;
	bool dense;

	index = lua_absindex(L, index);
	lua_json_whole(L, index);
	lua_pushvalue(L, index);
	constants_content(L, -1);
	*n = lua_json_keys(L, lua_gettop(L), &largest, &dense);
	lua_pop(L, 1);
	return dense;
}

/* ---- Text written with `exact` ---- */

/* The value of an object's only member, if it has this name. */
static bool tagged(struct json_text v, const char *name, struct json_text *value)
{
	struct json_walk w;
	struct json_member m;

	json_walk_begin(&w, v);
	if (!w.object || !json_walk_next(&w, &m) || !view_is(m.key, name))
		return false;
	*value = m.value;
	return true;
}

static void elements_push(lua_State *L, struct json_text v)
{
	struct json_walk w;
	struct json_member m;
	lua_Integer n = 0;

	lua_newtable(L);
	json_walk_begin(&w, v);
	while (json_walk_next(&w, &m)) {
		if (!w.object)
			lua_pushinteger(L, ++n);
		else if (m.key.len && *m.key.p == '$') /* drop the extra one: it stands
							  for the opening quote */
			string_push(L, m.key.p, m.key.len + 1, m.escaped);
		else
			string_push(L, m.key.p - 1, m.key.len + 2, m.escaped);
		lua_json_push_exact(L, m.value);
		lua_rawset(L, -3);
	}
}

void lua_json_push_exact(lua_State *L, struct json_text v)
{
	struct json_text inner;
	struct decimal d = {0};
	bool failed;

	luaL_checkstack(L, 6, NULL);
	if (*v.p != '{' && *v.p != '[') {
		lua_json_push(L, v);
	} else if (tagged(v, "$decimal", &inner)) {
		if (json_type_of(inner) != JSON_NUMBER ||
		    !decimal_restore(&d, inner, &failed))
			luaL_error(L, "not a decimal");
		lua_decimal_push(L, &d);
	} else if (tagged(v, "$array", &inner)) {
		elements_push(L, inner);
		lua_rawgetp(L, LUA_REGISTRYINDEX, &marked_key);
		lua_setmetatable(L, -2);
	} else {
		elements_push(L, v);
	}
}

/* ---- What programs see ---- */

/* array{...} marks a table as an array, even if it is empty. */
static int array_make(lua_State *L)
{
	if (lua_isnone(L, 1))
		lua_newtable(L);
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_json_whole(L, 1);
	lua_settop(L, 1);
	if (constants_are(L, 1))
		return luaL_error(
		    L, "array: only a state can be changed; everything else is constant");
	lua_rawgetp(L, LUA_REGISTRYINDEX, &marked_key);
	lua_setmetatable(L, 1);
	return 1;
}

static int null_tostring(lua_State *L)
{
	lua_pushliteral(L, "null");
	return 1;
}

/* Makes a metatable in the registry that programs can neither see nor change. */
static void metatable_make(lua_State *L, const void *key, const luaL_Reg *methods)
{
	lua_newtable(L);
	luaL_setfuncs(L, methods, 0);
	lua_pushboolean(L, false);
	lua_setfield(L, -2, "__metatable");
	lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void lua_json_open(lua_State *L)
{
	static const luaL_Reg object[] = {{"__index", object_index},
	    {"__newindex", whole_newindex}, {"__len", whole_len}, {NULL, NULL}};
	static const luaL_Reg array[] = {{"__index", array_index},
	    {"__newindex", whole_newindex}, {"__len", whole_len}, {NULL, NULL}};
	static const luaL_Reg marked[] = {{NULL, NULL}};
	static const luaL_Reg null[] = {{"__tostring", null_tostring}, {NULL, NULL}};
	static const char null_key;

	metatable_make(L, &object_key, object);
	metatable_make(L, &array_key, array);
	metatable_make(L, &marked_key, marked);
	metatable_make(L, &null_key, null);
	lua_pushlightuserdata(L, NULL);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &null_key);
	lua_setmetatable(L, -2);
	lua_setglobal(L, "null");
	sandbox_define(L, "array", array_make);
}
