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
#include "json/path.h"
#include "replay/rules.h"
#include "script/lua.h"

#include <lauxlib.h>
#include <stdlib.h>

struct evlog_checker {
	struct rules rules; /* first */
	struct buf event;   /* without its stamp */
};

int evlog_checker_open(evlog_checker **out, const char *path,
    const struct evlog_limits *limits, evlog_error *err)
{
	OWN_ERROR(err);
	NEED(out, err);
	*out = NULL;
	NEED(path, err);
	struct evlog_checker *c = calloc(1, sizeof *c);
	if (!c)
		return error_memory(err);
	c->rules.table = "check";
	c->rules.sample = "check[\"TYPE\"] = function(e) ... end";
	int r = rules_open(&c->rules, path, limits, err);
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
	rules_close(&c->rules);
	buf_free(&c->event);
	free(c);
}

/* Pushes the rule for an event; nil: there is none. */
static void rule_push(lua_State *L, struct json_text event)
{
	struct json_text type = json_top_string(event.p, event.len, "type");

	rules_push(L);
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

	OWN_ERROR(err);
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
	return rules_run(&c->rules, apply, &event, err);
}
