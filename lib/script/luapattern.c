/*
 * luapattern.c - string.find, match, gmatch and gsub, charging for each step.
 *
 * A pattern can backtrack for hours, and no hook sees it.  This matcher follows the Lua
 * 5.4 manual (6.4.1) and charges its work to the budget.  Its recursion is as deep as the
 * pattern, and limited.
 */
#include "script/bounds.h"
#include "script/lua.h"

#include <ctype.h>
#include <lauxlib.h>
#include <string.h>

#define DEPTH_MOST   200
#define GROUPS_MOST  32
#define WORK_A_STEP  4	  /* characters examined for one instruction */
#define WORK_COUNTED 8000 /* charged at once */

#define OPEN	 (-1) /* lengths of groups that have none */
#define POSITION (-2)

struct group {
	const char *at;
	ptrdiff_t len;
};

struct matcher {
	lua_State *L;
	struct view subject, pattern;
	const char *end, *pattern_end;
	struct group group[GROUPS_MOST];
	unsigned groups, depth;
	size_t work;
};

static const char *match(struct matcher *m, const char *s, const char *p);

static void work_count(struct matcher *m, size_t n)
{
	m->work += n;
	if (m->work >= WORK_COUNTED) {
		size_t steps = m->work / WORK_A_STEP;
		m->work = 0;
		sandbox_spend(m->L, steps);
	}
}

/* ---- One character ---- */

/* The end of a single-character item: x, %x or [set]. */
static const char *item_end(struct matcher *m, const char *p)
{
	const char *end = m->pattern_end;

	if (*p == '%') {
		if (p + 1 == end)
			luaL_error(m->L, "malformed pattern (ends with '%%')");
		return p + 2;
	}
	if (*p++ != '[')
		return p;
	p += p < end && *p == '^';
	for (const char *first = p; p < end && (p == first || *p != ']'); p++)
		p += *p == '%' && p + 1 < end;
	if (p >= end)
		luaL_error(m->L, "malformed pattern (missing ']')");
	return p + 1;
}

static bool class_has(unsigned char class, unsigned char c)
{
	bool is;

	switch (tolower(class)) {
	case 'a': is = isalpha(c); break;
	case 'c': is = iscntrl(c); break;
	case 'd': is = isdigit(c); break;
	case 'g': is = isgraph(c); break;
	case 'l': is = islower(c); break;
	case 'p': is = ispunct(c); break;
	case 's': is = isspace(c); break;
	case 'u': is = isupper(c); break;
	case 'w': is = isalnum(c); break;
	case 'x': is = isxdigit(c); break;
	case 'z': is = c == '\0'; break; /* from Lua 5.1 */
	default: return class == c;
	}
	return is != !!isupper(class);
}

/* p is after the opening bracket, end is the closing one. */
static bool set_has(const char *p, const char *end, unsigned char c)
{
	bool has = true;

	if (*p == '^') {
		has = false;
		p++;
	}
	for (; p < end; p++) {
		unsigned char first = (unsigned char)*p;
		if (first == '%') {
			if (class_has((unsigned char)*++p, c))
				return has;
		} else if (p[1] == '-' && p + 2 < end) {
			p += 2;
			if (first <= c && c <= (unsigned char)*p)
				return has;
		} else if (first == c) {
			return has;
		}
	}
	return !has;
}

/* Whether the character at s matches the item from p to `end`. */
static bool item_has(struct matcher *m, const char *s, const char *p, const char *end)
{
	work_count(m, (size_t)(end - p));
	if (s >= m->end)
		return false;
	switch (*p) {
	case '.': return true;
	case '%': return class_has((unsigned char)p[1], (unsigned char)*s);
	case '[': return set_has(p + 1, end - 1, (unsigned char)*s);
	default: return *p == *s;
	}
}

/* ---- Repeated items ---- */

static const char *longest_first(
    struct matcher *m, const char *s, const char *p, const char *end)
{
	ptrdiff_t n = 0;

	while (item_has(m, s + n, p, end))
		n++;
	for (; n >= 0; n--) {
		const char *e = match(m, s + n, end + 1);
		if (e)
			return e;
	}
	return NULL;
}

static const char *shortest_first(
    struct matcher *m, const char *s, const char *p, const char *end)
{
	for (;; s++) {
		const char *e = match(m, s, end + 1);
		if (e || !item_has(m, s, p, end))
			return e;
	}
}

/* ---- Groups ---- */

static const char *group_open(
    struct matcher *m, const char *s, const char *p, ptrdiff_t len)
{
	if (m->groups == GROUPS_MOST)
		luaL_error(m->L, "too many captures");
	m->group[m->groups++] = (struct group){s, len};
	const char *e = match(m, s, p);
	if (!e)
		m->groups--;
	return e;
}

static const char *group_close(struct matcher *m, const char *s, const char *p)
{
	unsigned i = m->groups;

	while (i > 0 && m->group[i - 1].len != OPEN)
		i--;
	if (i == 0)
		luaL_error(m->L, "invalid pattern capture");
	struct group *g = &m->group[i - 1];
	g->len = s - g->at;
	const char *e = match(m, s, p);
	if (!e)
		g->len = OPEN;
	return e;
}

/* %1: the same text as the group. */
static const char *same_again(struct matcher *m, const char *s, unsigned char digit)
{
	int i = digit - '1';

	if (i < 0 || i >= (int)m->groups || m->group[i].len == OPEN)
		luaL_error(m->L, "invalid capture index %%%d", i + 1);
	size_t len = m->group[i].len == POSITION ? SIZE_MAX : (size_t)m->group[i].len;
	if ((size_t)(m->end - s) < len)
		return NULL;
	work_count(m, len / WORK_A_STEP + 1);
	return memcmp(m->group[i].at, s, len) == 0 ? s + len : NULL;
}

/* %bxy */
static const char *balanced(struct matcher *m, const char *s, const char *p)
{
	size_t open = 1;

	if (p + 1 >= m->pattern_end)
		luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
	if (s >= m->end || *s != p[0])
		return NULL;
	for (const char *at = s + 1; at < m->end; at++) {
		work_count(m, 1);
		if (*at == p[1]) {
			if (--open == 0)
				return at + 1;
		} else if (*at == p[0]) {
			open++;
		}
	}
	return NULL;
}

/* %f[set] */
static bool at_frontier(struct matcher *m, const char *s, const char *p, const char **end)
{
	if (p >= m->pattern_end || *p != '[')
		luaL_error(m->L, "missing '[' after '%%f' in pattern");
	*end = item_end(m, p);
	work_count(m, (size_t)(*end - p));
	unsigned char before = s == m->subject.p ? '\0' : (unsigned char)s[-1];
	unsigned char after = s == m->end ? '\0' : (unsigned char)*s;
	return !set_has(p + 1, *end - 1, before) && set_has(p + 1, *end - 1, after);
}

/* ---- The rest ---- */

enum { MORE = 1, OVER };

/* Handles %b, %f and %1 to %9.  MORE: matched, *s and *p are after it; OVER: does not
 * match; 0: none of these. */
static int special(struct matcher *m, const char **s, const char **p)
{
	unsigned char c = *p + 1 < m->pattern_end ? (unsigned char)(*p)[1] : '\0';
	const char *end;

	if (c == 'f') {
		if (!at_frontier(m, *s, *p + 2, &end))
			return OVER;
		*p = end;
		return MORE;
	}
	if (c != 'b' && !isdigit(c))
		return 0;
	*s = c == 'b' ? balanced(m, *s, *p + 2) : same_again(m, *s, c);
	*p += c == 'b' ? 4 : 2;
	return *s ? MORE : OVER;
}

/* Recurses only where backtracking may be needed. */
static const char *match_items(struct matcher *m, const char *s, const char *p)
{
	while (p < m->pattern_end) {
		int r = *p == '%' ? special(m, &s, &p) : 0;
		if (r == OVER)
			return NULL;
		if (r == MORE)
			continue;
		if (*p == '(')
			return p + 1 < m->pattern_end && p[1] == ')'
				   ? group_open(m, s, p + 2, POSITION)
				   : group_open(m, s, p + 1, OPEN);
		if (*p == ')')
			return group_close(m, s, p + 1);
		if (*p == '$' && p + 1 == m->pattern_end)
			return s == m->end ? s : NULL;
		const char *end = item_end(m, p), *e;
		char suffix = end < m->pattern_end ? *end : '\0';
		if (suffix == '*')
			return longest_first(m, s, p, end);
		if (suffix == '-')
			return shortest_first(m, s, p, end);
		bool has = item_has(m, s, p, end);
		if (suffix == '+')
			return has ? longest_first(m, s + 1, p, end) : NULL;
		if (suffix == '?' && has && (e = match(m, s + 1, end + 1)) != NULL)
			return e;
		if (suffix != '?' && !has)
			return NULL;
		s += suffix != '?';
		p = end + (suffix == '?');
	}
	return s;
}

static const char *match(struct matcher *m, const char *s, const char *p)
{
	if (m->depth == DEPTH_MOST)
		luaL_error(m->L, "pattern too complex");
	m->depth++;
	work_count(m, 1);
	const char *e = match_items(m, s, p);
	m->depth--;
	return e;
}

static void matcher_init(
    struct matcher *m, lua_State *L, struct view subject, struct view pattern)
{
	m->L = L;
	m->subject = subject;
	m->pattern = pattern;
	m->end = subject.p + subject.len;
	m->pattern_end = pattern.p + pattern.len;
	m->work = 0;
	m->groups = m->depth = 0;
}

static const char *match_at(struct matcher *m, const char *s)
{
	m->groups = m->depth = 0;
	return match(m, s, m->pattern.p);
}

/* Charges the rest of the work. */
static void matcher_done(struct matcher *m)
{
	sandbox_spend(m->L, m->work / WORK_A_STEP + 1);
	m->work = 0;
}

/* Pushes group i, from 0; without groups, group 0 is the whole match. */
static void group_push(struct matcher *m, unsigned i, const char *s, const char *e)
{
	if (i >= m->groups) {
		if (i != 0)
			luaL_error(m->L, "invalid capture index %%%d", (int)i + 1);
		lua_pushlstring(m->L, s, (size_t)(e - s));
		return;
	}
	const struct group *g = &m->group[i];
	if (g->len == OPEN)
		luaL_error(m->L, "unfinished capture");
	if (g->len == POSITION)
		lua_pushinteger(m->L, g->at - m->subject.p + 1);
	else
		lua_pushlstring(m->L, g->at, (size_t)g->len);
}

/* If s is NULL, the whole match does not stand in for missing groups. */
static int groups_push(struct matcher *m, const char *s, const char *e)
{
	unsigned n = m->groups == 0 && s ? 1 : m->groups;

	luaL_checkstack(m->L, (int)n, "too many captures");
	for (unsigned i = 0; i < n; i++)
		group_push(m, i, s, e);
	return (int)n;
}

/* ---- What programs call ---- */

static struct view argument(lua_State *L, int index)
{
	struct view v;

	v.p = luaL_checklstring(L, index, &v.len);
	return v;
}

/* The start position, from 0; can be after the end. */
static size_t start_of(lua_State *L, int index, size_t len)
{
	lua_Integer i = luaL_optinteger(L, index, 1);

	if (i > 0)
		return (size_t)i - 1;
	return i == 0 || i < -(lua_Integer)len ? 0 : len - (size_t)-i;
}

static bool is_plain(struct view pattern)
{
	for (size_t i = 0; i < pattern.len; i++)
		if (pattern.p[i] && strchr("^$*+?.([%-", pattern.p[i]))
			return false;
	return true;
}

static int find_plain(lua_State *L, struct view s, struct view text, size_t start)
{
	sandbox_spend(L, (s.len - start) / 16 + 1);
	const char *at = memmem(s.p + start, s.len - start, text.p, text.len);
	if (!at) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushinteger(L, at - s.p + 1);
	lua_pushinteger(L, at - s.p + (lua_Integer)text.len);
	return 2;
}

/* Removes a leading ^. */
static bool is_anchored(struct view *pattern)
{
	bool anchored = pattern->len && *pattern->p == '^';

	pattern->p += anchored;
	pattern->len -= anchored;
	return anchored;
}

static int look_for(lua_State *L, bool positions)
{
	struct view s = argument(L, 1), pattern = argument(L, 2);
	size_t start = start_of(L, 3, s.len);
	struct matcher m;

	if (start > s.len) {
		lua_pushnil(L);
		return 1;
	}
	if (positions && (lua_toboolean(L, 4) || is_plain(pattern)))
		return find_plain(L, s, pattern, start);
	bool anchored = is_anchored(&pattern);
	matcher_init(&m, L, s, pattern);
	for (const char *at = s.p + start; at <= m.end; at++) {
		const char *e = match_at(&m, at);
		if (e) {
			matcher_done(&m);
			if (!positions)
				return groups_push(&m, at, e);
			lua_pushinteger(L, at - s.p + 1);
			lua_pushinteger(L, e - s.p);
			return groups_push(&m, NULL, NULL) + 2;
		}
		if (anchored)
			break;
	}
	matcher_done(&m);
	lua_pushnil(L);
	return 1;
}

static int pattern_find(lua_State *L)
{
	return look_for(L, true);
}

static int pattern_match(lua_State *L)
{
	return look_for(L, false);
}

/* Upvalues: subject, pattern, next position, end of the last match (-1: none). */
int lua_gmatch_step(lua_State *L)
{
	struct view s = argument(L, lua_upvalueindex(1));
	struct view pattern = argument(L, lua_upvalueindex(2));
	lua_Integer start = lua_tointeger(L, lua_upvalueindex(3));
	lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
	struct matcher m;

	matcher_init(&m, L, s, pattern);
	for (; start <= (lua_Integer)s.len; start++) {
		const char *e = match_at(&m, s.p + start);
		if (!e || e - s.p == last)
			continue;
		lua_pushinteger(L, e - s.p);
		lua_copy(L, -1, lua_upvalueindex(3));
		lua_copy(L, -1, lua_upvalueindex(4));
		matcher_done(&m);
		return groups_push(&m, s.p + start, e);
	}
	matcher_done(&m);
	return 0;
}

static int pattern_gmatch(lua_State *L)
{
	struct view s = argument(L, 1);
	size_t start = start_of(L, 3, s.len);

	(void)argument(L, 2);
	lua_settop(L, 2);
	lua_pushinteger(L, (lua_Integer)(start > s.len ? s.len + 1 : start));
	lua_pushinteger(L, -1);
	lua_pushcclosure(L, lua_gmatch_step, 4);
	return 1;
}

/* ---- gsub ---- */

/* Adds a replacement text, in which %0 to %9 are the match and its groups. */
static void text_add(struct matcher *m, luaL_Buffer *b, const char *s, const char *e)
{
	size_t len;
	const char *p = lua_tolstring(m->L, 3, &len), *end = p + len, *percent;

	for (; (percent = memchr(p, '%', (size_t)(end - p))) != NULL; p = percent + 2) {
		luaL_addlstring(b, p, (size_t)(percent - p));
		char c = percent + 1 < end ? percent[1] : '\0';
		if (c == '%') {
			luaL_addchar(b, '%');
		} else if (c == '0') {
			luaL_addlstring(b, s, (size_t)(e - s));
		} else if (isdigit((unsigned char)c)) {
			group_push(m, (unsigned)(c - '1'), s, e);
			luaL_tolstring(m->L, -1, NULL);
			lua_remove(m->L, -2);
			luaL_addvalue(b);
		} else {
			luaL_error(m->L, "invalid use of '%%' in replacement string");
		}
	}
	luaL_addlstring(b, p, (size_t)(end - p));
}

/* Adds the replacement for a match.  Returns false if that is the match itself. */
static bool replacement_add(
    struct matcher *m, luaL_Buffer *b, const char *s, const char *e)
{
	lua_State *L = m->L;

	switch (lua_type(L, 3)) {
	case LUA_TFUNCTION:
		lua_pushvalue(L, 3);
		lua_call(L, groups_push(m, s, e), 1);
		break;
	case LUA_TTABLE:
		group_push(m, 0, s, e);
		lua_gettable(L, 3);
		break;
	default: text_add(m, b, s, e); return true;
	}
	if (!lua_toboolean(L, -1)) {
		lua_pop(L, 1);
		luaL_addlstring(b, s, (size_t)(e - s));
		return false;
	}
	if (!lua_isstring(L, -1))
		luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
	luaL_addvalue(b);
	return true;
}

static int pattern_gsub(lua_State *L)
{
	struct view s = argument(L, 1), pattern = argument(L, 2);
	int type = lua_type(L, 3);
	lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)s.len + 1), n = 0;
	const char *at = s.p, *last = NULL;
	struct matcher m;
	luaL_Buffer b;
	bool changed = false;

	luaL_argexpected(L,
	    type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
		type == LUA_TTABLE,
	    3, "string/function/table");
	bool anchored = is_anchored(&pattern);
	matcher_init(&m, L, s, pattern);
	luaL_buffinit(L, &b);
	while (n < most) {
		const char *e = match_at(&m, at);
		if (e && e != last) {
			n++;
			work_count(&m, WORK_A_STEP);
			changed |= replacement_add(&m, &b, at, e);
			at = last = e;
		} else if (at < m.end) {
			luaL_addchar(&b, *at);
			at++;
		} else {
			break;
		}
		if (anchored)
			break;
	}
	matcher_done(&m);
	if (changed) {
		luaL_addlstring(&b, at, (size_t)(m.end - at));
		luaL_pushresult(&b);
	} else {
		lua_pushvalue(L, 1);
	}
	lua_pushinteger(L, n);
	return 2;
}

const luaL_Reg lua_patterns[] = {{"find", pattern_find}, {"match", pattern_match},
    {"gmatch", pattern_gmatch}, {"gsub", pattern_gsub}, {NULL, NULL}};
