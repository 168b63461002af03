/*
 * upcast.c - converts events from old shapes to new ones, by Lua rules for each event
 * type.
 *
 * replay/ prepares events for another delivery: pace, upcasting, checking, taking them
 * out of dead letters.  It must not know about consumers.
 *
 * A rule gets an event and returns what replaces it: an event, an array of events, or
 * nil.  The result is processed again, until no rule matches its type or the type did not
 * change.  If an earlier type returns, the rules form a loop, which is an error.  The
 * rule "*" is for types without a rule, and for objects without a type; it is applied to
 * an event only once, so it may rename every type.
 */
#include "base/error.h"
#include "base/options.h"
#include "base/hash.h"
#include "event/stamp.h"
#include "json/path.h"
#include "replay/rules.h"
#include "script/bounds.h"
#include "script/constants.h"
#include "script/lua.h"
#include "script/sandbox.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <stdlib.h>

#define CHAIN 64 /* most rules applied to an event */

/* The rules that some events go through, for --upcast-lint. */
struct route {
	struct route *next;
	uint64_t count; /* of these events */
	uint64_t first; /* seq of the first one */
	uint64_t hash;	/* of text */
	bool failed;	/* the last rule failed */
	char text[];	/* types, as "A > B", and why it failed */
};

struct evlog_upcaster {
	struct rules rules; /* first */
	struct buf out;
	size_t results; /* of the current event */
	char stamp[STAMP_SIZE];
	bool stamped;	  /* the current event has this stamp */
	bool tracing;	  /* for --upcast-lint */
	struct buf trace; /* text of the current event's route */
	struct route *routes;
};

static struct evlog_upcaster *upcaster_of(lua_State *L)
{
	return (struct evlog_upcaster *)sandbox_of(L); /* the first member */
}

/* ---- Opening ---- */

int evlog_upcaster_open(evlog_upcaster **out, const char *path,
    const struct evlog_limits *limits, evlog_error *err)
{
	OWN_ERROR(err);
	NEED(out, err);
	*out = NULL;
	NEED(path, err);
	struct evlog_upcaster *u = calloc(1, sizeof *u);
	if (!u)
		return error_memory(err);
	u->rules.table = "upcast";
	u->rules.sample = "upcast[\"TYPE\"] = function(e) ... return e end";
	int r = rules_open(&u->rules, path, limits, err);
	if (r)
		evlog_upcaster_close(u);
	else
		*out = u;
	return r;
}

void evlog_upcaster_hash(const evlog_upcaster *u, unsigned char hash[HASH_SIZE])
{
	if (u && hash)
		sha256(&(struct hash_part){u->rules.text.p, u->rules.text.len}, 1, hash);
}

void evlog_upcaster_close(evlog_upcaster *u)
{
	if (!u)
		return;
	while (u->routes) {
		struct route *r = u->routes;
		u->routes = r->next;
		free(r);
	}
	rules_close(&u->rules);
	buf_free(&u->out);
	buf_free(&u->trace);
	free(u);
}

/* ---- One event ---- */

struct chain {
	const char *type[CHAIN]; /* types whose rules have been applied */
	unsigned n;
	bool starred; /* "*" was one of them */
};

#define NO_TYPE "" /* for an object whose type is not a string */

/* Whether the current object has no type, and needs none. */
static bool typeless(const struct chain *c)
{
	return c->n == 0 || strcmp(c->type[c->n - 1], NO_TYPE) == 0;
}

/* Names the last rule applied, for messages. */
static const char *rule_name(const struct chain *c)
{
	return typeless(c) ? "*" : c->type[c->n - 1];
}

static void trace(struct evlog_upcaster *u, const char *text)
{
	if (u->tracing)
		buf_puts(&u->trace, text);
}

static void remove_member(lua_State *L, int event, const char *name)
{
	lua_pushnil(L);
	lua_setfield(L, event, name);
}

/* Copies the members that the event at `event` is missing from the original, which is at
 * 1.  If an event became several, all but the first get ids of their own. */
static void complete(lua_State *L, int event, size_t nth)
{
	static const char *const names[] = {"specversion", "id", "source"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (lua_getfield(L, event, names[i]) == LUA_TNIL) {
			lua_getfield(L, 1, names[i]);
			lua_setfield(L, event, names[i]);
		}
		lua_pop(L, 1);
	}
	if (nth < 2)
		return;
	lua_getfield(L, event, "id");
	lua_getfield(L, 1, "id");
	if (lua_rawequal(L, -1, -2) && lua_isstring(L, -1)) {
		lua_pushfstring(L, "%s/%d", lua_tostring(L, -1), (int)nth);
		lua_setfield(L, event, "id");
	}
	lua_pop(L, 2);
}

/* Writes an event to which no rule applies, with the original's stamp. */
static void deliver(lua_State *L, int event)
{
	struct evlog_upcaster *u = upcaster_of(L);

	complete(L, event, ++u->results);
	if (u->stamped) {
		remove_member(L, event, "seq");
		remove_member(L, event, "logtime");
	}
	size_t start = u->out.len;
	if (u->stamped) {
		buf_add(&u->out, u->stamp, STAMP_SIZE);
		u->out.len -=
		    !u->out.failed; /* its last byte replaces the opening brace */
	}
	size_t brace = u->out.len;
	u->rules.box.outside = start;
	lua_json_write(L, event, &u->out, false);
	if (u->stamped && !u->out.failed)
		u->out.p[brace] = u->stamp[STAMP_SIZE - 1];
	buf_putc(&u->out, '\n');
	if (u->out.failed || u->trace.failed)
		sandbox_no_memory(L);
}

static void step(lua_State *L, int event, struct chain *c);

/* Processes the table that a rule returned: an event or an array of events. */
static void results(lua_State *L, int result, struct chain *c)
{
	size_t n;
	bool list =
	    lua_json_is_list(L, result, &n) && (n || lua_json_is_array(L, result));
	bool typed = lua_getfield(L, result, "type") != LUA_TNIL;

	lua_pop(L, 1);
	if (typed || (!list && typeless(c) && lua_rawlen(L, result) == 0)) {
		step(L, result, c);
		return;
	}
	if (!list)
		luaL_error(L,
		    "the rule for %s returned a table that is neither an event (it has "
		    "no type) nor an array of events",
		    rule_name(c));
	constants_content(L, result);
	for (lua_Integer i = 1; i <= (lua_Integer)n; i++) {
		if (lua_rawgeti(L, result, i) != LUA_TTABLE)
			luaL_error(L,
			    "the rule for %s returned an array that contains a %s; all "
			    "elements must be events",
			    rule_name(c), luaL_typename(L, -1));
		trace(upcaster_of(L), i > 1 ? ", " : "");
		step(L, lua_gettop(L), c);
		lua_pop(L, 1);
	}
}

/* Pushes the rule for a type; false if there is none to apply. */
static bool rule_push(lua_State *L, const char *type, struct chain *c)
{
	if (c->n && strcmp(type, c->type[c->n - 1]) == 0)
		return false; /* its rule has just been applied */
	for (unsigned i = 0; i < c->n; i++)
		if (strcmp(type, c->type[i]) == 0)
			luaL_error(L, "the rules form a loop: %s becomes %s again",
			    rule_name(c), type);
	rules_push(L);
	lua_getfield(L, -1, type);
	bool own = !lua_isnil(L, -1);
	if (!own && !c->starred) {
		lua_pop(L, 1);
		lua_getfield(L, -1, "*");
	}
	lua_remove(L, -2);
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		return false;
	}
	c->starred |= !own;
	if (c->n == CHAIN)
		luaL_error(L, "more than %d rules apply to one event", CHAIN);
	return true;
}

/* Pushes an event's type, and leaves it on the stack. */
static const char *type_push(lua_State *L, int event, const struct chain *c)
{
	if (lua_getfield(L, event, "type") == LUA_TSTRING)
		return lua_tostring(L, -1);
	if (!typeless(c))
		luaL_error(L,
		    "the rule for %s returned an event whose type is a %s, not a string",
		    rule_name(c), luaL_typename(L, -1));
	lua_pop(L, 1);
	lua_pushliteral(L, NO_TYPE);
	return lua_tostring(L, -1);
}

/* Applies the rule for an event's type, if there is one, and processes the result;
 * otherwise delivers the event. */
static void step(lua_State *L, int event, struct chain *c)
{
	bool starred = c->starred;

	luaL_checkstack(L, 10, NULL);
	const char *type = type_push(L, event, c);
	trace(upcaster_of(L), c->n ? " > " : "");
	trace(upcaster_of(L), *type ? type : "(no type)");
	if (!rule_push(L, type, c)) {
		deliver(L, event);
		lua_pop(L, 1);
		return;
	}
	c->type[c->n++] = type;
	lua_pushvalue(L, event);
	lua_call(L, 1, 1);
	if (lua_istable(L, -1))
		results(L, lua_gettop(L), c);
	else if (!lua_isnil(L, -1))
		luaL_error(L, "the rule for %s returned a %s, not an event", rule_name(c),
		    luaL_typename(L, -1));
	else
		trace(upcaster_of(L), " > nothing");
	c->n--;
	c->starred = starred;
	lua_pop(L, 2);
}

static int apply(lua_State *L)
{
	const struct evlog_event *e = lua_touserdata(L, 1);
	struct chain c = {.n = 0};

	lua_settop(L, 0);
	lua_json_push(L, (struct json_text){e->line, e->len}); /* the original */
	lua_json_push(L, (struct json_text){e->line, e->len});
	step(L, 2, &c);
	return 0;
}

/* Sets *type to nothing if there is no rule for it. */
static int is_ruled(lua_State *L)
{
	struct json_text *type = lua_touserdata(L, 1);

	rules_push(L);
	if (lua_getfield(L, -1, "*") != LUA_TNIL)
		return 0;
	lua_json_push(L, *type);
	lua_rawget(L, -3);
	if (lua_isnil(L, -1))
		*type = (struct json_text){0};
	return 0;
}

/* Returns 0 if u->out has the replacement, 1 if the event stays unchanged.  Error
 * messages do not name the event. */
static int upcast_try(struct evlog_upcaster *u, struct evlog_event *e, evlog_error *err)
{
	struct json_text type;
	uint64_t seq;
	int64_t t;

	u->out.len = u->trace.len = u->results = 0;
	if (!json_top_find(
		(struct json_text){e->line, e->len}, (struct view){"type", 4}, &type) ||
	    json_type_of(type) != JSON_STRING)
		type = (struct json_text){"\"\"", 2};
	int r = rules_run(&u->rules, is_ruled, &type, err);
	if (r || !type.p)
		return r ? r : 1;
	u->stamped = stamp_read(e->line, e->len, &seq, &t);
	if (u->stamped)
		memcpy(u->stamp, e->line, STAMP_SIZE);
	return rules_run(&u->rules, apply, e, err);
}

static int upcast_one(struct evlog_upcaster *u, struct evlog_event *e, evlog_error *err)
{
	evlog_error why = {0};
	int r = upcast_try(u, e, &why);

	if (r >= 0)
		return r;
	if (e->seq)
		return error_set(err, r, "event %" PRIu64 ": %s", e->seq, why.text);
	return error_set(err, r, "an event without seq: %s", why.text);
}

int evlog_upcast(void *arg, const struct evlog_lines *lines, evlog_write_fn *put,
    void *to, evlog_error *err)
{
	struct evlog_upcaster *u = arg;
	struct evlog_event e;
	bool changed = false;
	int r = 0;

	NEED(u && lines && put, err);
	struct evlog_lines left = *lines;
	const char *kept = lines->p; /* unchanged lines not yet written */
	while (r >= 0 && evlog_lines_take(&left, &e)) {
		r = upcast_one(u, &e, err);
		if (r == 1)
			continue;
		if (put(to, kept, (size_t)(e.line - kept)) < 0 ||
		    (r == 0 && put(to, u->out.p, u->out.len) < 0))
			return error_memory(err);
		kept = left.p;
		changed = true;
	}
	if (r < 0)
		return r;
	if (!changed)
		return 1;
	if (put(to, kept, (size_t)(left.p - kept)) < 0)
		return error_memory(err);
	return 0;
}

/* ---- Which rules the events of a log go through ---- */

/* Counts an event whose route is u->trace.  Returns 0, or -1 if out of memory. */
static int route_add(struct evlog_upcaster *u, uint64_t seq, bool failed)
{
	size_t n = u->trace.len;
	uint64_t hash = n ? hash64(u->trace.p, n) : 0;
	struct route **at = &u->routes;

	if (u->trace.failed)
		return -1;
	for (; *at; at = &(*at)->next)
		if ((*at)->hash == hash && (*at)->failed == failed)
			break;
	if (!*at) {
		*at = calloc(1, sizeof **at + n + 1);
		if (!*at)
			return -1;
		(*at)->hash = hash;
		(*at)->first = seq;
		(*at)->failed = failed;
		memcpy((*at)->text, n ? u->trace.p : "", n);
	}
	(*at)->count++;
	return 0;
}

int evlog_upcast_look(
    evlog_upcaster *u, const struct evlog_lines *lines, evlog_error *err)
{
	struct evlog_event e;
	char *type = NULL;
	size_t cap = 0, len;
	int r = 0;

	NEED(u && lines, err);
	struct evlog_lines left = *lines;
	u->tracing = true;
	while (r >= 0 && evlog_lines_take(&left, &e)) {
		evlog_error why;
		r = upcast_try(u, &e, &why);
		if (r == 1 && evlog_event_string(&e, "type", &type, &cap, &len) == 0)
			buf_add(&u->trace, type, len);
		if (r == EVLOG_EDATA)
			buf_printf(&u->trace, ": %s", why.text);
		if (r >= 0 || r == EVLOG_EDATA)
			r = route_add(u, e.seq, r == EVLOG_EDATA);
	}
	free(type);
	return r < 0 ? error_memory(err) : 0;
}

bool evlog_upcast_route(evlog_upcaster *u, struct evlog_route *out)
{
	if (!u || !out)
		return false;
	struct route *r = out->before ? ((struct route *)out->before)->next : u->routes;

	if (!r)
		return false;
	*out = (struct evlog_route){r, r->text, r->count, r->first, r->failed};
	return true;
}
