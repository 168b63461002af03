/* rules.c - Lua rules for each event type: what --upcast and --check have in common. */
#include "replay/rules.h"
#include "base/error.h"
#include "fold/program.h"
#include "script/constants.h"

#include <lauxlib.h>

static const char rules_key; /* its address is a registry key */

static struct rules *rules_of(lua_State *L)
{
	return (struct rules *)sandbox_of(L); /* the first member */
}

static int define(lua_State *L)
{
	lua_newtable(L);
	lua_setglobal(L, rules_of(L)->table);
	return 0;
}

static int look(lua_State *L)
{
	const struct rules *r = rules_of(L);

	if (constants_handlers(L, r->table, &rules_key) == 0)
		luaL_error(L, "no rules found; define %s", r->sample);
	constants_make(L);
	return 0;
}

int rules_open(struct rules *r, const char *path, const struct evlog_limits *limits,
    evlog_error *err)
{
	int res = program_text(path, &r->text, err);

	if (!res)
		res = sandbox_open(&r->box, limits, err);
	if (!res)
		res = sandbox_run(&r->box, define, NULL, err);
	if (!res)
		res = sandbox_load(&r->box, path, r->text.p, r->text.len, err);
	if (!res && (res = sandbox_run(&r->box, look, NULL, err)) != 0) {
		evlog_error why = *err;
		error_set(err, res, "%s: %s", path, why.text);
	}
	return res;
}

void rules_close(struct rules *r)
{
	sandbox_close(&r->box);
	buf_free(&r->text);
}

void rules_push(lua_State *L)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &rules_key);
}

int rules_run(struct rules *r, lua_CFunction fn, void *arg, evlog_error *err)
{
	int res = sandbox_run(&r->box, fn, arg, err);

	if (res == EVLOG_EPROGRAM)
		res = err->code = EVLOG_EDATA;
	return res;
}
