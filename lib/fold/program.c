/* program.c - programs in Lua. */
#include "fold/program.h"
#include "base/error.h"
#include "base/options.h"
#include "event/stamp.h"
#include "script/bounds.h"
#include "script/constants.h"
#include "script/lua.h"
#include "script/sandbox.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

#define EMIT_STEPS   16		 /* charged for emit, besides what it writes */
#define PROGRAM_MOST (16u << 20) /* bytes of a program's text */

struct program {
	struct sandbox box;
	unsigned char hash[HASH_SIZE];
	bool has_key, in_event, stopped;
	bool may_stop; /* its text refers to stop */
	lua_Integer states;
	struct buf emitted, before;
	size_t whole; /* length of `emitted` up to the end of an event */
	struct evlog_limits limits;
	char *path;
	struct buf text;
};

static const char states_key, on_key; /* their addresses are registry keys */

static struct program *program_of(lua_State *L)
{
	return (struct program *)sandbox_of(L); /* the first member */
}

/* ---- What programs call ---- */

static void only_in_event(lua_State *L, const char *what)
{
	if (!program_of(L)->in_event)
		luaL_error(
		    L, "%s can only be called while an event is being handled", what);
}

static int emit(lua_State *L)
{
	struct program *p = program_of(L);

	only_in_event(L, "emit");
	luaL_checktype(L, 1, LUA_TTABLE);
	if (lua_getfield(L, 1, "type") != LUA_TSTRING)
		return luaL_error(L, "emit: an event needs a type");
	sandbox_spend(L, EMIT_STEPS);
	p->emitted.len = p->whole; /* drop what a failed emit left */
	p->box.outside = p->whole;
	lua_json_write(L, 1, &p->emitted, false);
	buf_putc(&p->emitted, '\n');
	if (p->emitted.failed)
		sandbox_no_memory(L);
	p->whole = p->emitted.len;
	return 0;
}

static int stop(lua_State *L)
{
	only_in_event(L, "stop");
	program_of(L)->stopped = true;
	return 0;
}

/* ---- Opening ---- */

int program_text(const char *path, struct buf *text, evlog_error *err)
{
	FILE *f = fopen(path, "re");
	size_t n = 1;

	if (!f)
		return error_sys(err, "%s", path);
	while (n && text->len <= PROGRAM_MOST && buf_reserve(text, 65536)) {
		n = fread(text->p + text->len, 1, 65536, f);
		text->len += n;
	}
	int r = ferror(f)      ? error_sys(err, "%s", path)
		: text->failed ? error_memory(err)
		: text->len > PROGRAM_MOST
		    ? error_set(err, EVLOG_EDATA,
			  "%s: a program may not be longer than 16 MiB", path)
		    : 0;
	fclose(f);
	return r;
}

static int define(lua_State *L)
{
	sandbox_define(L, "emit", emit);
	sandbox_define(L, "stop", stop);
	lua_newtable(L);
	lua_setglobal(L, "on");
	lua_newtable(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &states_key);
	return 0;
}

static void function_check(lua_State *L, const char *name)
{
	if (!lua_isnil(L, -1) && !lua_isfunction(L, -1))
		luaL_error(L, "%s is a %s, not a function", name, luaL_typename(L, -1));
}

/* Checks what the program defined: `on`, and perhaps init and key. */
static int look(lua_State *L)
{
	struct program *p = lua_touserdata(L, 1);

	sandbox_global(L, "init");
	function_check(L, "init");
	sandbox_global(L, "key");
	function_check(L, "key");
	p->has_key = lua_isfunction(L, -1);
	if (constants_handlers(L, "on", &on_key) == 0)
		luaL_error(
		    L, "the program handles no events; define on.TYPE(state, event)");
	constants_make(L);
	return 0;
}

static int program_start(struct program *p, evlog_error *err)
{
	int r = sandbox_open(&p->box, &p->limits, err);

	if (!r)
		r = sandbox_run(&p->box, define, NULL, err);
	if (!r)
		r = sandbox_load(&p->box, p->path, p->text.p, p->text.len, err);
	if (!r && (r = sandbox_run(&p->box, look, p, err)) != 0) {
		evlog_error why = *err;
		error_set(err, r, "%s: %s", p->path, why.text);
	}
	return r;
}

int program_open(struct program **out, const char *path,
    const struct evlog_limits *limits, evlog_error *err)
{
	struct program *p = calloc(1, sizeof *p);
	int r = p ? program_text(path, &p->text, err) : error_memory(err);

	*out = NULL;
	if (!r) {
		r = options_take(&p->limits, sizeof p->limits,
		    END_OF(struct evlog_limits, steps), limits, err);
	}
	if (!r) {
		p->path = strdup(path);
		sha256(&(struct hash_part){p->text.p, p->text.len}, 1, p->hash);
		if (!p->path)
			r = error_memory(err);
	}
	if (!r)
		r = program_start(p, err);
	if (!r)
		r = sandbox_names(
		    &p->box, p->text.p, p->text.len, "stop", &p->may_stop, err);
	if (r)
		program_close(p);
	else
		*out = p;
	return r;
}

int program_again(struct program **out, const struct program *other, evlog_error *err)
{
	struct program *p = calloc(1, sizeof *p);
	int r = p ? 0 : error_memory(err);

	*out = NULL;
	if (!r) {
		p->limits = other->limits;
		p->path = strdup(other->path);
		buf_add(&p->text, other->text.p, other->text.len);
		memcpy(p->hash, other->hash, HASH_SIZE);
		r = p->path && !p->text.failed ? program_start(p, err)
					       : error_memory(err);
	}
	if (r)
		program_close(p);
	else
		*out = p;
	return r;
}

void program_close(struct program *p)
{
	if (!p)
		return;
	sandbox_close(&p->box);
	buf_free(&p->emitted);
	buf_free(&p->before);
	buf_free(&p->text);
	free(p->path);
	free(p);
}

const unsigned char *program_hash(const struct program *p)
{
	return p->hash;
}

bool program_has_key(const struct program *p)
{
	return p->has_key;
}

const struct evlog_limits *program_limits(const struct program *p)
{
	return &p->limits;
}

struct view program_emitted(const struct program *p)
{
	return (struct view){p->emitted.p, p->whole};
}

bool program_may_stop(const struct program *p)
{
	return p->may_stop;
}

bool program_stopped(const struct program *p)
{
	return p->stopped;
}

/* ---- States ---- */

static void state_set(lua_State *L, struct program *p, uint32_t *state)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &states_key);
	lua_insert(L, -2);
	lua_rawseti(L, -2, *state ? (lua_Integer)*state : p->states + 1);
	lua_pop(L, 1);
	if (*state == 0)
		*state = (uint32_t)++p->states;
}

static void state_get(lua_State *L, uint32_t state)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &states_key);
	lua_rawgeti(L, -1, state);
	lua_remove(L, -2);
}

struct job {
	struct program *p;
	uint32_t *state;
	struct view key;
	struct json_text text;
	struct buf *out;
	bool exact;
};

static int write_state(lua_State *L)
{
	struct job *j = lua_touserdata(L, 1);

	if (*j->state)
		state_get(L, *j->state);
	else
		lua_pushnil(L);
	lua_json_write(L, -1, j->out, j->exact);
	return 0;
}

int program_write(
    struct program *p, uint32_t state, bool exact, struct buf *out, evlog_error *err)
{
	struct job j = {.state = &state, .out = out, .exact = exact};

	return sandbox_run(&p->box, write_state, &j, err);
}

static int restore_state(lua_State *L)
{
	struct job *j = lua_touserdata(L, 1);

	lua_json_push_exact(L, j->text);
	state_set(L, j->p, j->state);
	return 0;
}

int program_restore(
    struct program *p, uint32_t *state, struct json_text exact, evlog_error *err)
{
	struct job j = {.p = p, .state = state, .text = exact};

	return sandbox_run(&p->box, restore_state, &j, err);
}

/* ---- Events ---- */

/* Pushes the state of a key; before its first event, the result of init(key), or {}. */
static void state_begin(lua_State *L, struct job *j)
{
	if (*j->state) {
		state_get(L, *j->state);
		return;
	}
	sandbox_global(L, "init");
	if (lua_isfunction(L, -1)) {
		if (j->key.len)
			lua_json_push(L, (struct json_text){j->key.p, j->key.len});
		else
			lua_pushnil(L);
		lua_call(L, 1, 1);
	}
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		lua_newtable(L);
	}
	lua_pushvalue(L, -1);
	state_set(L, j->p, j->state);
}

/* Pushes the function for this event's type, or the one for "*", or nil. */
static void handler_push(lua_State *L)
{
	struct json_text type = lua_json_event_member(L, (struct view){"type", 4});

	lua_rawgetp(L, LUA_REGISTRYINDEX, &on_key);
	lua_pushnil(L);
	if (type.p && json_type_of(type) == JSON_STRING) {
		lua_pop(L, 1);
		lua_json_push(L, type);
		lua_rawget(L, -2);
	}
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		lua_pushliteral(L, "*");
		lua_rawget(L, -2);
	}
	lua_remove(L, -2);
}

static int handle(lua_State *L)
{
	struct job *j = lua_touserdata(L, 1);

	lua_json_push_event(L, j->text);
	handler_push(L);
	state_begin(L, j);
	if (lua_isnil(L, -2))
		return 0;
	lua_pushvalue(L, -3);
	lua_call(L, 2, 1);
	if (!lua_isnil(L, -1)) /* it returned a new state */
		state_set(L, j->p, j->state);
	return 0;
}

int program_undo(struct program *p, uint32_t *state, evlog_error *err)
{
	struct json_text before = {p->before.p, p->before.len};
	evlog_error ignored = {0};

	p->emitted.len = p->whole = 0;
	p->stopped = false;
	if (p->before.len == 0) { /* there was no state */
		*state = 0;
		return 0;
	}
	return program_restore(p, state, before, &ignored) == 0 ? 0 : error_memory(err);
}

int program_event(struct program *p, uint32_t *state, struct view key,
    const struct evlog_event *e, bool undo, evlog_error *err)
{
	struct job j = {.p = p, .state = state, .key = key, .text = {e->line, e->len}};
	uint32_t had = *state;
	int r = 0;

	p->emitted.len = p->whole = p->before.len = 0;
	if (undo && had)
		r = program_write(p, had, true, &p->before, err);
	if (r)
		return r;
	p->in_event = true;
	r = sandbox_run(&p->box, handle, &j, err);
	p->box.event_text = NULL;
	p->in_event = false;
	if (!r && !p->emitted.failed)
		return 0;
	p->emitted.len = p->whole = 0;
	p->stopped = false;
	if (!r)
		return error_memory(err);
	if (undo && program_undo(p, state, err) != 0)
		return err->code;
	return r;
}

/* ---- Keys ---- */

static int ask_key(lua_State *L)
{
	struct job *j = lua_touserdata(L, 1);

	sandbox_global(L, "key");
	lua_json_push_event(L, j->text);
	lua_pushvalue(L, -1); /* keeps the event alive */
	lua_insert(L, 1);
	lua_call(L, 1, 1);
	if (lua_isnil(L, -1) || lua_islightuserdata(L, -1))
		return 0;
	if (lua_istable(L, -1))
		return luaL_error(L, "key(e) returned a table; it must return a string, "
				     "a number or a boolean");
	lua_json_write(L, -1, j->out, false);
	return 0;
}

int program_key(
    struct program *p, const struct evlog_event *e, struct buf *out, evlog_error *err)
{
	struct job j = {.p = p, .text = {e->line, e->len}, .out = out};

	out->len = 0;
	int r = sandbox_run(&p->box, ask_key, &j, err);
	p->box.event_text = NULL;
	return r;
}
