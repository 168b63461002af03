/* luajson_write.c - writes Lua values as JSON: states, events, what is emitted. */
#include "script/bounds.h"
#include "script/constants.h"
#include "script/lua.h"
#include "script/sandbox.h"

#include <lauxlib.h>
#include <stdlib.h>

#define COUNTED	      4096 /* bytes written between charges */
#define VALUES_A_STEP 4	   /* converted values for one instruction */

struct written {
	struct buf *out;
	size_t counted; /* bytes charged to the sandbox */
	bool exact;
	unsigned depth;
};

static void write_value(lua_State *L, int index, struct written *w);

/* Charges what was written as the program's memory. */
static void written_count(lua_State *L, struct written *w)
{
	size_t more = w->out->len - w->counted;

	sandbox_room(L, more);
	sandbox_of(L)->outside += more;
	w->counted = w->out->len;
}

/* Called before adding a text of len bytes, each of which may become six. */
static void text_room(lua_State *L, struct written *w, size_t len)
{
	if (w->out->len - w->counted + len < COUNTED)
		return;
	written_count(L, w);
	sandbox_room(L, len);
}

static int name_order(const void *a, const void *b)
{
	return view_compare(*(const struct view *)a, *(const struct view *)b);
}

/* With `exact`, names with a single leading dollar sign are reserved. */
static void dollar_double(struct buf *b, size_t start)
{
	buf_putc(b, '"');
	if (!b->failed) {
		memmove(b->p + start + 2, b->p + start + 1, b->len - start - 2);
		b->p[start + 1] = '$';
	}
}

static void write_object(lua_State *L, int index, size_t n, struct written *w)
{
	/* twice the size, to charge for the memory that qsort allocates */
	struct view *names = lua_newuserdatauv(L, 2 * n * sizeof *names, 0);
	size_t i = 0;

	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING)
			luaL_error(L,
			    "a table with the key %s is neither an object nor an array",
			    (sandbox_text(L, -2), lua_tostring(L, -1)));
		names[i].p = lua_tolstring(L, -2, &names[i].len);
		i++;
	}
	qsort(names, n, sizeof *names, name_order);
	for (i = 0; i < n; i++) {
		buf_puts(w->out, i ? "," : "{");
		text_room(L, w, names[i].len);
		size_t start = w->out->len;
		json_escape(w->out, names[i]);
		if (w->exact && names[i].len && *names[i].p == '$')
			dollar_double(w->out, start);
		buf_putc(w->out, ':');
		lua_pushlstring(L, names[i].p, names[i].len);
		lua_rawget(L, index);
		write_value(L, lua_gettop(L), w);
		lua_pop(L, 1);
	}
	buf_putc(w->out, '}');
	lua_pop(L, 1);
}

static void write_array(lua_State *L, int index, size_t n, struct written *w)
{
	for (size_t i = 0; i < n; i++) {
		buf_putc(w->out, i ? ',' : '[');
		lua_rawgeti(L, index, (lua_Integer)i + 1);
		write_value(L, lua_gettop(L), w);
		lua_pop(L, 1);
	}
	buf_puts(w->out, n ? "]" : "[]");
}

/* Counts the keys, since the length of a table with holes means nothing. */
static void write_table(lua_State *L, int index, struct written *w)
{
	size_t largest;
	bool dense;

	if (++w->depth > JSON_DEPTH)
		luaL_error(L,
		    "a table is nested more than %d levels deep, or contains itself",
		    JSON_DEPTH);
	luaL_checkstack(L, 10, NULL);
	lua_json_whole(L, index);
	constants_content(L, index);
	bool marked = lua_json_is_array(L, index);
	if (!marked && lua_getmetatable(L, index))
		luaL_error(L, "a table with a metatable cannot be stored");
	size_t n = lua_json_keys(L, index, &largest, &dense);
	sandbox_spend(L, n / VALUES_A_STEP + 1);
	text_room(L, w, n);
	bool tagged = marked && w->exact;
	if (dense && (n || marked)) {
		buf_puts(w->out, tagged ? "{\"$array\":" : "");
		write_array(L, index, n, w);
		buf_puts(w->out, tagged ? "}" : "");
	} else if (marked || largest)
		luaL_error(L, "an array has holes, or keys other than 1 to %I",
		    (LUAI_UACINT)largest);
	else if (n)
		write_object(L, index, n, w);
	else
		buf_puts(w->out, "{}");
	w->depth--;
}

static void write_number(lua_State *L, int index, struct written *w)
{
	char text[40];

	if (lua_isinteger(L, index))
		buf_printf(w->out, "%lld", (long long)lua_tointeger(L, index));
	else if (lua_float_write(lua_tonumber(L, index), text))
		buf_puts(w->out, text);
	else
		luaL_error(L, "infinity and NaN cannot be written as JSON");
}

static void write_userdata(lua_State *L, int index, struct written *w)
{
	const struct decimal *d = lua_decimal_at(L, index);

	if (!d)
		luaL_error(L, "a userdata that is not a decimal cannot be stored");
	lua_decimal_spend(L, d);
	text_room(L, w, 3 * decimal_size(d) + d->scale);
	if (w->exact)
		buf_puts(w->out, "{\"$decimal\":");
	decimal_write(w->out, d);
	if (w->exact)
		buf_putc(w->out, '}');
}

static void write_value(lua_State *L, int index, struct written *w)
{
	struct view s;

	switch (lua_type(L, index)) {
	case LUA_TBOOLEAN:
		buf_puts(w->out, lua_toboolean(L, index) ? "true" : "false");
		break;
	case LUA_TNUMBER: write_number(L, index, w); break;
	case LUA_TSTRING:
		s.p = lua_tolstring(L, index, &s.len);
		text_room(L, w, s.len);
		json_escape(w->out, s);
		break;
	case LUA_TTABLE: write_table(L, index, w); break;
	case LUA_TNIL:
	case LUA_TLIGHTUSERDATA: buf_puts(w->out, "null"); break;
	case LUA_TUSERDATA: write_userdata(L, index, w); break;
	default: luaL_error(L, "a %s cannot be stored", luaL_typename(L, index));
	}
}

void lua_json_write(lua_State *L, int index, struct buf *out, bool exact)
{
	struct written w = {.out = out, .counted = out->len, .exact = exact};
	struct json_fault fault;
	struct json_text value;
	size_t start = out->len;

	lua_pushvalue(L, index); /* may be replaced */
	write_value(L, lua_gettop(L), &w);
	lua_pop(L, 1);
	if (out->failed)
		sandbox_no_memory(L);
	written_count(L, &w);
	/* a Lua string may hold any bytes */
	if (!json_scan(
		out->p + start, out->len - start, JSON_DEPTH, &value, NULL, &fault))
		luaL_error(L, "a string that is not UTF-8");
}
