/* walk.c - walking through valid JSON text, and its strings. */
#include "json/scan.h"
#include "json/vector.h"

enum json_type json_type_of(struct json_text v)
{
	switch (v.len ? *v.p : 'n') {
	case '{': return JSON_OBJECT;
	case '[': return JSON_ARRAY;
	case '"': return JSON_STRING;
	case 't': return JSON_TRUE;
	case 'f': return JSON_FALSE;
	case 'n': return JSON_NULL;
	default: return JSON_NUMBER;
	}
}

/* Starts at an opening quote and returns the position after the closing one, or NULL if
 * there is none.  *escaped: the string contains escapes. */
static inline const char *skip_string(const char *p, const char *end, bool *escaped)
{
	*escaped = false;
	for (p++;;) {
		p = find_quote(p, end);
		if (p == end)
			return NULL;
		if (*p == '"')
			return p + 1;
		*escaped = true;
		p = end - p < 2 ? end : p + 2;
	}
}

/* A position in a container: how deep, and whether inside a string. */
struct nest {
	size_t depth;
	bool inside;
};

/* Each bit becomes the xor of itself and all lower bits.  On a mask of quotes, this marks
 * the insides of strings. */
static inline uint64_t prefix_xor(uint64_t m)
{
	for (unsigned n = 1; n < 64; n *= 2)
		m ^= m << n;
	return m;
}

/* Takes 64 bytes at a time and counts the brackets outside strings (Langdale, Lemire,
 * "Parsing gigabytes of JSON per second", 2019).  Returns the position after the
 * container, or where less than a block is left or a block contains a backslash. */
static const char *skip_blocks(const char *p, const char *end, struct nest *n)
{
	for (; end - p >= 64 && !block_mask(p, 0, '\\'); p += 64) {
		uint64_t in = prefix_xor(block_mask(p, 0, '"')) ^ -(uint64_t)n->inside;
		uint64_t open = block_mask(p, 0x20, '{') & ~in;
		uint64_t close = block_mask(p, 0x20, '}') & ~in;

		for (uint64_t all = open | close; all; all &= all - 1) {
			n->depth += open & all & -all ? 1 : (size_t)-1;
			if (n->depth == 0)
				return p + __builtin_ctzll(all) + 1;
		}
		n->inside = in >> 63;
	}
	return p;
}

/* Starts at an opening bracket and returns the position after its closing one, or NULL if
 * there is none. */
static const char *skip_container(const char *p, const char *end)
{
	const char *start = p;
	struct nest n = {0};
	bool escaped;

	p = skip_blocks(p, end, &n);
	if (p > start && n.depth == 0)
		return p;
	if (n.inside)
		p = skip_string(p - 1, end, &escaped);
	for (;;) {
		p = p ? find_bracket(p, end) : end;
		if (p == end)
			return NULL;
		if (*p == '"') {
			p = skip_string(p, end, &escaped);
			continue;
		}
		n.depth += (*p | 0x20) == '{' ? 1 : (size_t)-1;
		p++;
		if (n.depth == 0)
			return p;
	}
}

/* Returns the position after a value, or NULL if it does not end. */
static const char *skip_value(const char *p, const char *end)
{
	bool escaped;

	if (p == end)
		return NULL;
	if (*p == '"')
		return skip_string(p, end, &escaped);
	if (*p == '{' || *p == '[')
		return skip_container(p, end);
	while (p < end && *p != ',' && *p != '}' && *p != ']' && (unsigned char)*p > ' ')
		p++;
	return p;
}

void json_walk_begin(struct json_walk *w, struct json_text container)
{
	const char *end = container.p + container.len;
	const char *p = json_blank_skip(container.p, end);

	*w = (struct json_walk){
	    .p = p + (p < end), .end = end, .object = p < end && *p == '{'};
}

bool json_walk_name(struct json_walk *w, struct json_member *m)
{
	const char *p = json_blank_skip(w->p, w->end), *start;

	if (p < w->end && *p == ',')
		p = json_blank_skip(p + 1, w->end);
	w->p = p;
	if (p == w->end || *p == '}' || *p == ']')
		return false;
	m->key = (struct view){NULL, 0};
	m->escaped = false;
	if (w->object) {
		if (*p != '"')
			return false;
		start = p;
		p = skip_string(p, w->end, &m->escaped);
		if (!p)
			return false;
		m->key = (struct view){start + 1, (size_t)(p - start) - 2};
		p = json_blank_skip(p, w->end);
		if (p == w->end || *p != ':')
			return false;
		p = json_blank_skip(p + 1, w->end);
	}
	m->value = (struct json_text){p, 0};
	w->p = p;
	return true;
}

bool json_walk_value(struct json_walk *w, struct json_member *m)
{
	const char *p = skip_value(m->value.p, w->end);

	if (!p)
		return false;
	w->p = p;
	m->value.len = (size_t)(p - m->value.p);
	return m->value.len > 0;
}

void json_walk_into(struct json_walk *inner, const struct json_walk *w)
{
	json_walk_begin(inner, (struct json_text){w->p, (size_t)(w->end - w->p)});
}

bool json_walk_out(
    struct json_walk *w, const struct json_walk *inner, struct json_member *m)
{
	w->p = inner->p + (inner->p < inner->end);
	m->value.len = (size_t)(w->p - m->value.p);
	return m->value.len > 0;
}

bool json_walk_next(struct json_walk *w, struct json_member *m)
{
	return json_walk_name(w, m) && json_walk_value(w, m);
}

/* ---- Strings ---- */

static void add_utf8(struct buf *b, unsigned c)
{
	char out[4];
	size_t n;

	if (c < 0x80) {
		out[0] = (char)c;
		n = 1;
	} else if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 63));
		n = 2;
	} else if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 63));
		out[2] = (char)(0x80 | (c & 63));
		n = 3;
	} else {
		out[0] = (char)(0xf0 | c >> 18);
		out[1] = (char)(0x80 | (c >> 12 & 63));
		out[2] = (char)(0x80 | (c >> 6 & 63));
		out[3] = (char)(0x80 | (c & 63));
		n = 4;
	}
	buf_add(b, out, n);
}

/* Starts at a backslash in a valid string and returns the position after the escape. */
static const char *unescape_one(struct buf *b, const char *p, const char *end)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";

	if (end - p < 2)
		return end;
	const char *known = p[1] ? strchr(from, p[1]) : NULL;
	if (known) {
		buf_putc(b, to[known - from]);
		return p + 2;
	}
	int high = json_hex4(p + 2, end);
	if (high < 0)
		return end;
	p += 6;
	unsigned c = (unsigned)high;
	if (high >= 0xd800 && high <= 0xdbff && end - p >= 6) {
		int low = json_hex4(p + 2, end);
		c = 0x10000 + ((c - 0xd800) << 10) + ((unsigned)low - 0xdc00);
		p += 6;
	}
	add_utf8(b, c);
	return p;
}

static void unescape(struct buf *b, const char *p, const char *end)
{
	while (p < end) {
		const char *slash = memchr(p, '\\', (size_t)(end - p));
		if (!slash)
			slash = end;
		buf_add(b, p, (size_t)(slash - p));
		p = slash < end ? unescape_one(b, slash, end) : end;
	}
}

void json_unescape(struct buf *b, struct json_text s)
{
	if (s.len >= 2)
		unescape(b, s.p + 1, s.p + s.len - 1);
}

bool json_escaped_key_is(const struct json_member *m, struct view name)
{
	struct buf b = {0};

	unescape(&b, m->key.p, m->key.p + m->key.len);
	bool same = !b.failed && b.len == name.len &&
		    (b.len == 0 || memcmp(b.p, name.p, b.len) == 0);
	buf_free(&b);
	return same;
}

void json_escape(struct buf *b, struct view s)
{
	const char *p = s.len ? s.p : "", *end = p + s.len;

	buf_putc(b, '"');
	while (p < end) {
		const char *stop = find_special(p, end);
		while (stop < end && (unsigned char)*stop > 0x7f)
			stop = find_special(stop + 1, end);
		buf_add(b, p, (size_t)(stop - p));
		if (stop == end)
			break;
		static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
		const char *known = *stop ? strchr(from, *stop) : NULL;
		if (known)
			buf_printf(b, "\\%c", to[known - from]);
		else
			buf_printf(b, "\\u%04x", (unsigned char)*stop);
		p = stop + 1;
	}
	buf_putc(b, '"');
}
