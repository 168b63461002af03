/* luadecimal.c - exact decimals as Lua values: decimal("39.11") * 3. */
#include "script/bounds.h"
#include "script/lua.h"
#include "script/sandbox.h"

#include <lauxlib.h>

#define DECIMAL_TEXT  10000 /* most digits of a number that count */
#define COLLECT_AFTER 65536 /* bytes of decimals between garbage collection steps */

static const char decimal_key; /* its address is the registry key of the metatable */

/* A decimal in a Lua userdata. */
struct box {
	struct decimal d; /* must be first */
	size_t counted;	  /* bytes charged to the sandbox */
};

/* Charges the memory of a decimal to the sandbox. */
static void box_count(lua_State *L, struct box *box)
{
	struct sandbox *s = sandbox_of(L);
	size_t size = decimal_size(&box->d);

	if (size <= box->counted)
		return;
	size_t more = size - box->counted;
	sandbox_room(L, more);
	box->counted = size;
	s->used += more;
	s->uncollected += more;
	if (s->uncollected < COLLECT_AFTER)
		return;
	/* Lua collects as its own memory grows, and does not know about this memory */
	int kilobytes = (int)(s->uncollected / 1024);
	s->uncollected = 0;
	lua_gc(L, LUA_GCSTEP, kilobytes);
}

static struct box *box_push(lua_State *L)
{
	struct box *box = lua_newuserdatauv(L, sizeof *box, 0);

	*box = (struct box){.counted = 0};
	lua_rawgetp(L, LUA_REGISTRYINDEX, &decimal_key);
	lua_setmetatable(L, -2);
	return box;
}

void lua_decimal_push(lua_State *L, struct decimal *d)
{
	struct box *box = box_push(L);

	box->d = *d;
	*d = (struct decimal){0};
	box_count(L, box);
}

/* Charges for work on decimals of that many bytes, which is quadratic for large ones. */
static void bytes_spend(lua_State *L, size_t bytes)
{
	if (bytes)
		sandbox_spend(L, bytes / 4 + bytes / 32 * (bytes / 32));
}

/* The same for two decimals; different scales make the work larger. */
static void work_spend(lua_State *L, const struct decimal *a, const struct decimal *b)
{
	unsigned scales = a->scale > b->scale ? a->scale - b->scale : b->scale - a->scale;
	size_t bytes = decimal_size(a) + decimal_size(b);

	if (bytes || scales > 18)
		bytes_spend(L, bytes + scales / 2);
}

const struct decimal *lua_decimal_at(lua_State *L, int index)
{
	const struct decimal *d = NULL;

	if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index))
		return NULL;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &decimal_key);
	if (lua_rawequal(L, -1, -2))
		d = lua_touserdata(L, index - (index < 0 ? 2 : 0));
	lua_pop(L, 2);
	return d;
}

/* Gets the text of a number.  A float means its shortest text, so that 0.1 is 0.1. */
static bool number_text(lua_State *L, int index, char text[40], struct json_text *v)
{
	struct json_fault fault;

	if (lua_type(L, index) == LUA_TSTRING) {
		size_t len;
		const char *p = lua_tolstring(L, index, &len);
		return json_scan(p, len, 1, v, NULL, &fault) &&
		       json_type_of(*v) == JSON_NUMBER;
	}
	if (lua_isinteger(L, index))
		snprintf(text, 40, "%lld", (long long)lua_tointeger(L, index));
	else if (!lua_isnumber(L, index) ||
		 !lua_float_write(lua_tonumber(L, index), text))
		return false;
	*v = (struct json_text){text, strlen(text)};
	return true;
}

/* Converts the argument at `index` to a decimal in place. */
static const struct decimal *operand(lua_State *L, int index)
{
	const struct decimal *there = lua_decimal_at(L, index);
	struct decimal d = {0};
	struct json_text v;
	char text[40];
	int64_t whole;
	bool failed = false;

	if (there)
		return there;
	if (lua_type(L, index) == LUA_TNUMBER && !lua_isinteger(L, index) &&
	    lua_float_split(lua_tonumber(L, index), &whole, &d.scale)) {
		d.small = whole;
		lua_decimal_push(L, &d);
		lua_replace(L, index);
		return lua_touserdata(L, index);
	}
	if (!number_text(L, index, text, &v))
		luaL_error(L, "decimal: %s is not a number",
		    (sandbox_text(L, index), lua_tostring(L, -1)));
	if (v.len > 18)
		bytes_spend(L, v.len < DECIMAL_TEXT ? v.len / 2 : DECIMAL_TEXT / 2);
	sandbox_spend(L, v.len / 8);
	sandbox_room(L, v.len);
	if (!decimal_set(&d, v, &failed))
		(void)(failed ? sandbox_no_memory(L)
			      : luaL_error(L, "decimal: too many digits"));
	lua_decimal_push(L, &d);
	lua_replace(L, index);
	bytes_spend(L, decimal_size(lua_touserdata(L, index)));
	return lua_touserdata(L, index);
}

static int make(lua_State *L)
{
	luaL_checkany(L, 1);
	operand(L, 1);
	lua_settop(L, 1);
	return 1;
}

/* Pushes a new decimal, to be computed in place so that it is freed even if an error is
 * raised. */
static struct decimal *result_push(lua_State *L)
{
	return &box_push(L)->d;
}

static int done(lua_State *L, bool good, bool failed)
{
	if (!good && failed)
		return sandbox_no_memory(L);
	if (!good || !decimal_fits(lua_touserdata(L, -1)))
		return luaL_error(L, "decimal: too many digits");
	box_count(L, lua_touserdata(L, -1));
	return 1;
}

static int add(lua_State *L)
{
	const struct decimal *a = operand(L, 1), *b = operand(L, 2);
	work_spend(L, a, b);
	struct decimal *r = result_push(L);

	return done(L, decimal_add(r, a) && decimal_add(r, b), true);
}

static int subtract(lua_State *L)
{
	const struct decimal *a = operand(L, 1), *b = operand(L, 2);
	work_spend(L, a, b);
	struct decimal *r = result_push(L);

	bool good = decimal_add(r, b);
	decimal_negate(r);
	return done(L, good && decimal_add(r, a), true);
}

static int multiply(lua_State *L)
{
	const struct decimal *a = operand(L, 1), *b = operand(L, 2);
	work_spend(L, a, b);
	struct decimal *r = result_push(L);
	bool failed;

	bool good = decimal_multiply(r, a, b, &failed);
	return done(L, good, failed);
}

static int divide(lua_State *L)
{
	const struct decimal *a = operand(L, 1), *b = operand(L, 2);

	if (decimal_is_zero(b))
		return luaL_error(L, "decimal: division by zero");
	work_spend(L, a, b);
	struct decimal *r = result_push(L);
	return done(L, decimal_divide(r, a, b), true);
}

static int negate(lua_State *L)
{
	const struct decimal *a = operand(L, 1);
	work_spend(L, a, a);
	struct decimal *r = result_push(L);

	bool good = decimal_add(r, a);
	decimal_negate(r);
	return done(L, good, true);
}

/* d:round(places) rounds half to even. */
static int round_to(lua_State *L)
{
	const struct decimal *a = operand(L, 1);
	lua_Integer places = luaL_optinteger(L, 2, 0);
	work_spend(L, a, a);
	struct decimal *r = result_push(L);

	if (places < 0 || places > DECIMAL_EXPONENT_MAX)
		return luaL_error(L, "decimal: the number of places must be 0 or more");
	return done(L, decimal_add(r, a) && decimal_round(r, (unsigned)places), true);
}

static int compare(lua_State *L)
{
	const struct decimal *a = operand(L, 1), *b = operand(L, 2);
	bool failed;

	work_spend(L, a, b);
	int c = decimal_compare(a, b, &failed);

	if (failed)
		sandbox_no_memory(L);
	return c;
}

static int equal(lua_State *L)
{
	lua_pushboolean(L, compare(L) == 0);
	return 1;
}

static int less(lua_State *L)
{
	lua_pushboolean(L, compare(L) < 0);
	return 1;
}

static int less_equal(lua_State *L)
{
	lua_pushboolean(L, compare(L) <= 0);
	return 1;
}

void lua_decimal_spend(lua_State *L, const struct decimal *d)
{
	bytes_spend(L, decimal_size(d));
	sandbox_spend(L, d->scale / 64 + 1);
}

static int to_string(lua_State *L)
{
	struct buf *b = &sandbox_of(L)->scratch;

	const struct decimal *d = operand(L, 1);
	lua_decimal_spend(L, d);
	b->len = 0;
	decimal_write(b, d);
	if (b->failed)
		return sandbox_no_memory(L);
	lua_pushlstring(L, b->p, b->len);
	return 1;
}

static int concatenate(lua_State *L)
{
	sandbox_text(L, 1);
	sandbox_text(L, 2);
	lua_concat(L, 2);
	return 1;
}

static int collect(lua_State *L)
{
	struct box *box = lua_touserdata(L, 1);

	if (box->d.big)
		decimal_free(&box->d);
	sandbox_of(L)->used -= box->counted;
	box->counted = 0;
	return 0;
}

void lua_decimal_open(lua_State *L)
{
	static const luaL_Reg methods[] = {{"__add", add}, {"__sub", subtract},
	    {"__mul", multiply}, {"__div", divide}, {"__unm", negate}, {"__eq", equal},
	    {"__lt", less}, {"__le", less_equal}, {"__tostring", to_string},
	    {"__concat", concatenate}, {"__gc", collect}, {NULL, NULL}};
	static const luaL_Reg named[] = {{"round", round_to}, {NULL, NULL}};

	lua_newtable(L);
	luaL_setfuncs(L, methods, 0);
	lua_pushliteral(L, "decimal");
	lua_setfield(L, -2, "__name");
	lua_pushboolean(L, false);
	lua_setfield(L, -2, "__metatable");
	luaL_newlib(L, named);
	lua_setfield(L, -2, "__index");
	lua_rawsetp(L, LUA_REGISTRYINDEX, &decimal_key);
	sandbox_define(L, "decimal", make);
}
