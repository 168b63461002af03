/*
 * scan.c - a strict JSON validator that builds no tree.
 *
 * It is one state machine: what comes next is either a value or what may follow one, and
 * one bit for each level says whether that level is an object.  Most bytes of an event
 * are inside strings, so the loop that matters is the one that finds the end of plain
 * ASCII (vector.h).
 */
#include "json/scan.h"
#include "json/vector.h"

#include <stdlib.h>

const char *json_plain_end(const char *p, const char *end)
{
	return find_special(p, end);
}

const char *json_scan_kind(void)
{
	return VECTOR_KIND;
}

/* ---- Validation ---- */

struct scan {
	const char *p, *end;
	const char *reason;
	unsigned depth; /* levels allowed */
	bool escaped;	/* the last string had escapes */
};

static bool fail(struct scan *s, const char *at, const char *reason)
{
	s->p = at;
	s->reason = reason;
	return false;
}

static inline void skip_space(struct scan *s)
{
	while (s->p < s->end &&
	       (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

/* Scans a character above ASCII by the table in RFC 3629, section 4: no overlong forms,
 * no surrogates, nothing above U+10FFFF. */
static bool scan_utf8(struct scan *s)
{
	const unsigned char *p = (const unsigned char *)s->p;
	size_t left = (size_t)(s->end - s->p), n;
	unsigned char low = 0x80, high = 0xbf, c = *p;

	if (c >= 0xc2 && c <= 0xdf)
		n = 2;
	else if (c >= 0xe0 && c <= 0xef)
		n = 3;
	else if (c >= 0xf0 && c <= 0xf4)
		n = 4;
	else
		return fail(s, s->p, "invalid UTF-8");
	if (c == 0xe0)
		low = 0xa0;
	else if (c == 0xed)
		high = 0x9f;
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;
	if (left < n || p[1] < low || p[1] > high)
		return fail(s, s->p, "invalid UTF-8");
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return fail(s, s->p, "invalid UTF-8");
	s->p += n;
	return true;
}

int json_hex4(const char *p, const char *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int c = p[i] | 0x20;
		if (p[i] >= '0' && p[i] <= '9')
			v = v << 4 | (p[i] - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (c - 'a' + 10);
		else
			return -1;
	}
	return v;
}

static bool scan_escape(struct scan *s)
{
	const char *start = s->p;

	s->escaped = true;
	if (s->end - start < 2)
		return fail(s, s->end, "unterminated string");
	switch (start[1]) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't': s->p += 2; return true;
	case 'u': break;
	default: return fail(s, start, "invalid escape");
	}
	int unit = json_hex4(start + 2, s->end);
	if (unit < 0)
		return fail(s, start, "invalid \\u escape");
	s->p += 6;
	if (unit < 0xd800 || unit > 0xdfff)
		return true;
	if (unit > 0xdbff || s->end - s->p < 6 || s->p[0] != '\\' || s->p[1] != 'u')
		return fail(s, start, "lone surrogate");
	unit = json_hex4(s->p + 2, s->end);
	if (unit < 0xdc00 || unit > 0xdfff)
		return fail(s, start, "lone surrogate");
	s->p += 6;
	return true;
}

/* Starts at the opening quote, ends after the closing one. */
static inline bool scan_string(struct scan *s)
{
	s->escaped = false;
	s->p++;
	for (;;) {
		s->p = find_special(s->p, s->end);
		if (s->p == s->end)
			return fail(s, s->p, "unterminated string");
		unsigned char c = (unsigned char)*s->p;
		if (c == '"') {
			s->p++;
			return true;
		}
		if (c == '\\') {
			if (!scan_escape(s))
				return false;
		} else if (c < 0x20) {
			return fail(s, s->p, "control character in a string");
		} else if (!scan_utf8(s)) {
			return false;
		}
	}
}

static inline const char *skip_digits(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

static bool scan_number(struct scan *s)
{
	const char *p = s->p + (*s->p == '-'), *digits = p;

	p = skip_digits(p, s->end);
	if (p == digits)
		return fail(s, p, "expected a digit");
	if (*digits == '0' && p - digits > 1)
		return fail(s, digits, "a number must not have a leading zero");
	if (p < s->end && *p == '.') {
		digits = ++p;
		p = skip_digits(p, s->end);
		if (p == digits)
			return fail(s, p, "expected a digit");
	}
	if (p < s->end && (*p | 0x20) == 'e') {
		p++;
		if (p < s->end && (*p == '+' || *p == '-'))
			p++;
		digits = p;
		p = skip_digits(p, s->end);
		if (p == digits)
			return fail(s, p, "expected a digit");
	}
	s->p = p;
	return true;
}

static bool scan_word(struct scan *s, const char *word, size_t n)
{
	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		return fail(s, s->p, "expected a JSON value");
	s->p += n;
	return true;
}

static inline bool scan_scalar(struct scan *s)
{
	switch (*s->p) {
	case '"': return scan_string(s);
	case 't': return scan_word(s, "true", 4);
	case 'f': return scan_word(s, "false", 5);
	case 'n': return scan_word(s, "null", 4);
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9': return scan_number(s);
	default: return fail(s, s->p, "expected a JSON value");
	}
}

static struct json_member *member_add(struct json_members *m)
{
	if (m->n == m->cap && !array_grow(&m->at, &m->cap, sizeof *m->at))
		return NULL;
	return &m->at[m->n++];
}

/* Starts at a key, ends at its value.  Adds the member to `list` unless that is NULL. */
static inline bool scan_key(struct scan *s, struct json_members *list)
{
	const char *start = s->p;

	if (s->p == s->end)
		return fail(s, s->p, "unterminated object");
	if (*s->p != '"')
		return fail(s, s->p, "expected a member name in quotes");
	if (!scan_string(s))
		return false;
	size_t len = (size_t)(s->p - start) - 2;
	bool escaped = s->escaped;
	skip_space(s);
	if (s->p == s->end || *s->p != ':')
		return fail(s, s->p, "expected ':' after a member name");
	s->p++;
	skip_space(s);
	if (!list)
		return true;
	struct json_member *m = member_add(list);
	if (!m)
		return fail(s, s->p, NULL);
	*m = (struct json_member){
	    .key = {start + 1, len}, .escaped = escaped, .value = {s->p, 0}};
	return true;
}

/* The state machine.  `levels` has one bit for each level, set for an object. */
static bool scan_text(struct scan *s, struct json_members *list)
{
	uint64_t levels[JSON_DEPTH_MOST / 64];
	unsigned depth = 0;
	bool object = false;

value:
	if (s->p == s->end)
		return fail(s, s->p, depth ? "unexpected end of text" : "no JSON value");
	if (*s->p == '{' || *s->p == '[') {
		if (depth == s->depth)
			return fail(s, s->p,
			    s->depth == JSON_DEPTH_MOST
				? "nested more than 1024 levels deep"
				: "nested more than 512 levels deep");
		object = *s->p++ == '{';
		uint64_t bit = UINT64_C(1) << (depth % 64);
		levels[depth / 64] = object
					 ? (depth % 64 ? levels[depth / 64] : 0) | bit
					 : (depth % 64 ? levels[depth / 64] : 0) & ~bit;
		depth++;
		skip_space(s);
		if (s->p < s->end && *s->p == (object ? '}' : ']'))
			goto close;
		if (!object)
			goto value;
		goto key;
	}
	if (!scan_scalar(s))
		return false;

after:
	if (depth == 0)
		return true;
	if (depth == 1 && object && list)
		list->at[list->n - 1].value.len =
		    (size_t)(s->p - list->at[list->n - 1].value.p);
	skip_space(s);
	if (s->p == s->end)
		return fail(
		    s, s->p, object ? "unterminated object" : "unterminated array");
	if (*s->p == ',') {
		s->p++;
		skip_space(s);
		if (!object)
			goto value;
		goto key;
	}
	if (*s->p != (object ? '}' : ']'))
		return fail(
		    s, s->p, object ? "expected ',' or '}'" : "expected ',' or ']'");
close:
	s->p++;
	depth--;
	if (depth)
		object = levels[(depth - 1) / 64] >> ((depth - 1) % 64) & 1;
	goto after;

key:
	if (!scan_key(s, depth == 1 ? list : NULL))
		return false;
	goto value;
}

bool json_scan(const char *p, size_t len, unsigned depth, struct json_text *value,
    struct json_members *members, struct json_fault *fault)
{
	struct scan s = {.p = p, .end = p + len, .depth = depth};

	if (members)
		members->n = 0;
	skip_space(&s);
	value->p = s.p;
	bool good = scan_text(&s, members);
	if (good) {
		value->len = (size_t)(s.p - value->p);
		skip_space(&s);
		if (s.p != s.end)
			good = fail(&s, s.p, "unexpected text after the JSON value");
	}
	if (!good)
		*fault = (struct json_fault){(size_t)(s.p - p), s.reason};
	return good;
}

/* A number without an exponent, as most are. */
static bool is_plain_number(const char *p, const char *end)
{
	p += *p == '-';
	const char *digits = p;
	p = skip_digits(p, end);
	if (p == digits || (*digits == '0' && p - digits > 1))
		return false;
	if (p < end && *p == '.') {
		digits = p + 1;
		p = skip_digits(digits, end);
		if (p == digits)
			return false;
	}
	return p == end;
}

bool json_is_valid(struct json_text v)
{
	const char *end = v.p + v.len;
	struct json_text value;
	struct json_fault fault;

	if (v.len >= 2 && *v.p == '"' && end[-1] == '"' &&
	    find_special(v.p + 1, end - 1) == end - 1)
		return true;
	if (v.len && *v.p <= '9' && is_plain_number(v.p, end))
		return true;
	return json_scan(v.p, v.len, JSON_DEPTH, &value, NULL, &fault) &&
	       value.len == v.len;
}

void json_members_free(struct json_members *m)
{
	free(m->at);
	*m = (struct json_members){0};
}
