/*
 * bounds.c - limits on what a program may use.
 *
 * A hook counts instructions, and C functions charge for their work.  Some instructions
 * take time in proportion to their operands: comparing or concatenating long strings,
 * passing on 100,000 arguments, growing a table.  If they allocate memory, that is
 * counted; for the rest, processor time is limited, generously.  Once a limit is reached,
 * nothing of the program runs any more: pcall and xpcall pass the error on.
 */
#include "script/bounds.h"

#include <lauxlib.h>

#define HOOK_EVERY     1000	/* instructions between calls of the hook */
#define LARGE	       1024	/* pieces of memory from this size on are charged, */
#define BYTES_A_STEP   64	/* an instruction for each of so many bytes */
#define STEPS_A_SECOND 10000000 /* for the time limit; really 20 to 100 times as many */
#define SHARE_LEAST    (64u << 20) /* one run may always add this much, */
#define SHARE	       8	   /* or this part of all memory */
#define TIMED_BYTES    (64u << 20) /* bytes that may pass between looks at the clock */

/* ---- Instructions ---- */

static void steps_count(lua_State *L, lua_Debug *ar);

/* Instructions until the next call of the hook. */
static int hook_every(const struct sandbox *s)
{
	size_t n = s->longest ? TIMED_BYTES / s->longest : HOOK_EVERY;

	return n > HOOK_EVERY ? HOOK_EVERY : n ? (int)n : 1;
}

static void budget_end(struct sandbox *s)
{
	s->left = 0;
	lua_sethook(s->L, steps_count, LUA_MASKCOUNT, 1);
}

static uint64_t moved_most(const struct sandbox *s)
{
	return s->steps < UINT64_MAX / BYTES_A_STEP ? s->steps * BYTES_A_STEP
						    : UINT64_MAX;
}

static double seconds_most(const struct sandbox *s)
{
	double n = (double)s->steps / STEPS_A_SECOND;

	return n < 1 ? 1 : n;
}

/* Pushes the current position in the program, as luaL_where does. */
static void push_where(lua_State *L)
{
	lua_Debug ar;

	for (int level = 0; lua_getstack(L, level, &ar); level++) {
		lua_getinfo(L, "Sl", &ar);
		if (ar.currentline > 0) {
			lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
			return;
		}
	}
	lua_pushliteral(L, "");
}

/* Raises the error that says which budget was spent, and makes every later instruction
 * fail too. */
static void budget_error(lua_State *L)
{
	struct sandbox *s = sandbox_of(L);

	budget_end(s);
	push_where(L);
	if (s->late)
		lua_pushfstring(L, "%stoo much processor time (more than %d s)",
		    lua_tostring(L, -1), (int)seconds_most(s));
	else if (s->moved > moved_most(s))
		lua_pushfstring(L, "%stoo much memory allocated (more than %I bytes)",
		    lua_tostring(L, -1), (LUAI_UACINT)moved_most(s));
	else
		lua_pushfstring(L, "%stoo many instructions (more than %I)",
		    lua_tostring(L, -1), (LUAI_UACINT)s->steps);
	lua_error(L);
}

void sandbox_spend(lua_State *L, uint64_t steps)
{
	struct sandbox *s = sandbox_of(L);

	if (s->left > steps)
		s->left -= steps;
	else
		budget_error(L);
}

void sandbox_spend_bytes(lua_State *L, size_t bytes)
{
	sandbox_spend(L, bytes / BYTES_A_STEP);
}

static double between(struct timespec a, struct timespec b)
{
	return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

/* Compares the thread's processor time.  Reading that is slow, so the wall clock is read
 * first. */
static bool is_late(struct sandbox *s)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (s->begun.tv_sec == 0) {
		s->begun = now;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &s->spent);
		return false;
	}
	if (between(s->begun, now) < seconds_most(s))
		return false;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return between(s->spent, now) >= seconds_most(s);
}

static void steps_count(lua_State *L, lua_Debug *ar)
{
	struct sandbox *s = sandbox_of(L);

	(void)ar;
	if (s->left && is_late(s)) {
		s->late = true;
		budget_error(L);
	}
	sandbox_spend(L, (uint64_t)s->every);
}

static void hook_set(struct sandbox *s)
{
	s->every = hook_every(s);
	lua_sethook(s->L, steps_count, LUA_MASKCOUNT, s->every);
}

/* From now on one instruction may go through that many bytes: makes the hook run more
 * often. */
static void longest_note(struct sandbox *s, size_t bytes)
{
	if (bytes <= s->longest)
		return;
	s->longest = bytes;
	if (s->L && s->left && hook_every(s) < s->every)
		hook_set(s);
}

void sandbox_many(lua_State *L, uint64_t values)
{
	sandbox_spend(L, values + 1);
	longest_note(sandbox_of(L), values * BYTES_A_STEP);
}

void bounds_begin(struct sandbox *s)
{
	s->left = s->steps;
	s->exhausted = s->capped = s->late = false;
	s->refused = s->outside = 0;
	s->moved = 0;
	s->begun.tv_sec = 0;
	size_t share = bounds_share(s->memory);
	size_t grown = s->used > s->settled ? s->used - s->settled : 0;
	if (grown > share / 2 && grown > s->settled / 2) {
		lua_gc(s->L, LUA_GCCOLLECT, 0); /* garbage of earlier runs */
		s->settled = s->used;
	}
	s->limit = s->used < s->memory - share ? s->used + share : s->memory;
	hook_set(s);
}

/* ---- Memory ---- */

size_t bounds_share(size_t memory)
{
	size_t share = memory / SHARE < SHARE_LEAST ? SHARE_LEAST : memory / SHARE;

	return share < memory ? share : memory;
}

static bool has_room(const struct sandbox *s, size_t more)
{
	size_t had = s->used + s->outside;

	return had <= s->limit && more <= s->limit - had;
}

/* After a refusal, Lua collects garbage and tries again, except for the buffers of its
 * libraries.  If it was refused twice, or soon after the last time, collecting does not
 * help. */
static void refuse(struct sandbox *s, size_t wanted, bool capped)
{
	if (!s->exhausted)
		s->capped = capped;
	s->exhausted |=
	    s->refused != 0 || (capped && s->fresh < bounds_share(s->memory) / 4);
	s->refused = wanted;
	s->fresh = 0;
}

static void take(struct sandbox *s, size_t wanted, size_t more)
{
	s->used += more;
	s->fresh = s->fresh > SIZE_MAX - more ? SIZE_MAX : s->fresh + more;
	if (wanted < LARGE)
		return;
	s->moved += wanted;
	if (s->moved > moved_most(s) && s->left)
		budget_end(s);
}

void *bounds_allocate(void *arg, void *old, size_t had, size_t wanted)
{
	struct sandbox *s = arg;
	bool is_text = !old && had == LUA_TSTRING;

	had = old ? had : 0;
	if (wanted == 0) {
		s->used -= had;
		return slab_resize(&s->slabs, old, had, 0);
	}
	size_t more = wanted > had ? wanted - had : 0;
	bool capped = more && (s->exhausted || !has_room(s, more));
	void *p = capped ? NULL : slab_resize(&s->slabs, old, had, wanted);
	if (!p && !more)
		return old; /* a failed shrink: keep the larger piece */
	if (!p) {
		refuse(s, wanted, capped);
		return NULL;
	}
	if (more && s->refused && s->refused != wanted)
		s->exhausted = true; /* Lua has not asked for the refused size again */
	if (more)
		s->refused = 0;
	if (!more)
		s->used -= had - wanted;
	else
		take(s, wanted, more);
	if (is_text)
		longest_note(s, wanted);
	return p;
}

void sandbox_room(lua_State *L, size_t bytes)
{
	struct sandbox *s = sandbox_of(L);

	if (has_room(s, bytes))
		return;
	if (s->fresh >= bounds_share(s->memory) / 4) {
		s->fresh = 0;
		lua_gc(L, LUA_GCCOLLECT, 0);
		if (has_room(s, bytes))
			return;
	}
	s->exhausted = s->capped = true;
	luaL_error(L, "not enough memory");
}

int sandbox_no_memory(lua_State *L)
{
	sandbox_of(L)->exhausted = true;
	sandbox_of(L)->capped = false;
	return luaL_error(L, "not enough memory");
}

bool bounds_exhausted(const struct sandbox *s, int status)
{
	return status == LUA_ERRMEM || s->exhausted || s->refused;
}

void bounds_recover(struct sandbox *s)
{
	lua_settop(s->L, 0);
	lua_gc(s->L, LUA_GCCOLLECT, 0);
	s->fresh = SIZE_MAX;
}
