/*
 * check.c - what events must look like: Lua rules for each event type.
 *
 * A rule gets an event, and refuses it with an error, or by returning false or nil and
 * perhaps a reason; a rule that returns nothing at all accepts it.  The rule "*" is for
 * types without a rule of their own.  What a rule changes in its event is lost.
 */
#include "base/error.h"
#include "base/options.h"
#include "event/stamp.h"
#include "fold/program.h"
#include "json/path.h"
#include "script/constants.h"
#include "script/lua.h"
#include "script/sandbox.h"

#include <lauxlib.h>
#include <stdlib.h>

struct evlog_checker {
	struct sandbox box; /* first */
	char *path;
	struct buf text;
	struct buf event; /* without its stamp */
};

static const char rules_key; /* its address is a registry key */

static int define(lua_State *L)
{
	lua_newtable(L);
	lua_setglobal(L, "check");
	return 0;
}

static int look(lua_State *L)
{
	if (constants_handlers(L, "check", &rules_key) == 0)
		luaL_error(
		    L, "no rules found; define check[\"TYPE\"] = function(e) ... end");
	lua_rawgetp(L, LUA_REGISTRYINDEX, &rules_key);
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
		if (lua_type(L, -2) == LUA_TSTRING &&
		    strcmp(lua_tostring(L, -2), "*") != 0 &&
		    strchr(lua_tostring(L, -2), '*'))
			luaL_error(L,
			    "check[\"%s\"]: a rule is for one type, or \"*\" for the "
			    "others",
			    lua_tostring(L, -2));
	lua_pop(L, 1);
	constants_make(L);
	return 0;
}

int evlog_checker_open(evlog_checker **out, const char *path,
    const struct evlog_limits *limits, evlog_error *err)
{
	OWN_ERROR(err);
	NEED(out, err);
	*out = NULL;
	NEED(path, err);
	struct evlog_checker *c = calloc(1, sizeof *c);
	int r = c ? program_text(path, &c->text, err) : error_memory(err);
	if (!r)
		r = (c->path = strdup(path)) ? 0 : error_memory(err);
	if (!r)
		r = sandbox_open(&c->box, limits, err);
	if (!r)
		r = sandbox_run(&c->box, define, NULL, err);
	if (!r)
		r = sandbox_load(&c->box, c->path, c->text.p, c->text.len, err);
	if (!r && (r = sandbox_run(&c->box, look, NULL, err)) != 0) {
		evlog_error why = *err;
		error_set(err, r, "%s: %s", path, why.text);
	}
	if (r)
		evlog_checker_close(c);
	else
		*out = c;
	return r;
}

void evlog_checker_close(evlog_checker *c)
{
	if (!c)
		return;
	sandbox_close(&c->box);
	buf_free(&c->text);
	buf_free(&c->event);
	free(c->path);
	free(c);
}

/* Pushes the rule for an event; nil: there is none. */
static void rule_push(lua_State *L, struct json_text event)
{
	struct json_text type = json_top_string(event.p, event.len, "type");

	lua_rawgetp(L, LUA_REGISTRYINDEX, &rules_key);
	lua_pushnil(L);
	if (type.p) {
		lua_pop(L, 1);
		lua_json_push(L, type);
		lua_rawget(L, -2);
	}
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		lua_getfield(L, -1, "*");
	}
}

static int apply(lua_State *L)
{
	const struct json_text *event = lua_touserdata(L, 1);

	rule_push(L, *event);
	if (lua_isnil(L, -1))
		return 0;
	int rule = lua_gettop(L);
	lua_json_push(L, *event);
	lua_call(L, 1, LUA_MULTRET);
	if (lua_gettop(L) < rule || lua_toboolean(L, rule))
		return 0; /* it returned nothing, or something that is true */
	lua_settop(L, rule + 1);
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		lua_pushliteral(L, "refused");
	}
	sandbox_text(L, -1);
	return lua_error(L);
}

int evlog_check(void *checker, const char *line, size_t len, evlog_error *err)
{
	struct evlog_checker *c = checker;
	struct json_text event = {line, len};
	uint64_t seq;
	int64_t logtime;

	NEED(c && line, err);
	if (stamp_read(line, len, &seq, &logtime)) {
		c->event.len = 0;
		buf_putc(&c->event, '{');
		buf_add(&c->event, line + STAMP_SIZE, len - STAMP_SIZE);
		if (c->event.failed)
			return error_memory(err);
		event = (struct json_text){c->event.p, c->event.len};
	}
	REFUSE(!json_is_valid(event) || json_type_of(event) != JSON_OBJECT,
	    "it is not a JSON object", err);
	int r = sandbox_run(&c->box, apply, &event, err);
	if (r == EVLOG_EPROGRAM) { /* out of steps or memory: it is the event's fault */
		r = EVLOG_EDATA;
		if (err)
			err->code = r;
	}
	return r;
}
