/*
 * scan.c - strict JSON without a tree.
 *
 * One state machine over the text: what may come next is either a value or what
 * follows one, and one bit a level says whether that level is an object.  Most bytes
 * of events are inside strings, so the one loop that matters finds the end of a run
 * of plain ASCII, 16 bytes at a time with SSE2 or NEON, 8 with plain 64-bit words.
 */
#include "json/scan.h"

#include <stdlib.h>

#if defined(__SSE2__) && !defined(JSON_PORTABLE)
#include <emmintrin.h>
#define VECTOR_KIND "sse2"
typedef __m128i vector;
#define VECTOR_STEP 1 /* bits of the mask a byte */

static inline vector vector_load(const char *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline uint64_t vector_mask(vector hit)
{
	return (uint64_t)(unsigned)_mm_movemask_epi8(hit);
}

/* Signed comparison: bytes above 0x7f are negative, and so below 0x20 too. */
static inline uint64_t special_mask(const char *p)
{
	vector v = vector_load(p);
	vector quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
	vector slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
	vector other = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));

	return vector_mask(_mm_or_si128(_mm_or_si128(quote, slash), other));
}

static inline uint64_t bracket_mask(const char *p)
{
	vector v = vector_load(p);
	vector low = _mm_or_si128(v, _mm_set1_epi8(0x20)); /* [ as {, ] as } */
	vector quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
	vector open = _mm_cmpeq_epi8(low, _mm_set1_epi8('{'));
	vector close = _mm_cmpeq_epi8(low, _mm_set1_epi8('}'));

	return vector_mask(_mm_or_si128(_mm_or_si128(quote, open), close));
}

static inline uint64_t quote_mask(const char *p)
{
	vector v = vector_load(p);
	vector quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
	vector slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));

	return vector_mask(_mm_or_si128(quote, slash));
}

#elif defined(__ARM_NEON) && !defined(JSON_PORTABLE)
#include <arm_neon.h>
#define VECTOR_KIND "neon"
typedef uint8x16_t vector;
#define VECTOR_STEP 4

static inline vector vector_load(const char *p)
{
	return vld1q_u8((const uint8_t *)p);
}

/* NEON has no movemask: narrowing by four bits leaves a nibble a byte. */
static inline uint64_t vector_mask(vector hit)
{
	uint8x8_t nibbles = vshrn_n_u16(vreinterpretq_u16_u8(hit), 4);

	return vget_lane_u64(vreinterpret_u64_u8(nibbles), 0);
}

static inline uint64_t special_mask(const char *p)
{
	vector v = vector_load(p);
	vector quote = vceqq_u8(v, vdupq_n_u8('"'));
	vector slash = vceqq_u8(v, vdupq_n_u8('\\'));
	vector other = vcltq_s8(vreinterpretq_s8_u8(v), vdupq_n_s8(0x20));

	return vector_mask(vorrq_u8(vorrq_u8(quote, slash), other));
}

static inline uint64_t bracket_mask(const char *p)
{
	vector v = vector_load(p);
	vector low = vorrq_u8(v, vdupq_n_u8(0x20));
	vector quote = vceqq_u8(v, vdupq_n_u8('"'));
	vector open = vceqq_u8(low, vdupq_n_u8('{'));
	vector close = vceqq_u8(low, vdupq_n_u8('}'));

	return vector_mask(vorrq_u8(vorrq_u8(quote, open), close));
}

static inline uint64_t quote_mask(const char *p)
{
	vector v = vector_load(p);
	vector quote = vceqq_u8(v, vdupq_n_u8('"'));
	vector slash = vceqq_u8(v, vdupq_n_u8('\\'));

	return vector_mask(vorrq_u8(quote, slash));
}

#else
#define VECTOR_KIND "portable"
#endif

static inline bool is_special(unsigned char c)
{
	return c == '"' || c == '\\' || c < 0x20 || c > 0x7f;
}

static inline bool is_bracket(unsigned char c)
{
	return c == '"' || (c | 0x20) == '{' || (c | 0x20) == '}';
}

static inline bool is_quote(unsigned char c)
{
	return c == '"' || c == '\\';
}

#ifdef VECTOR_STEP

#define FIND(name, mask, test)                                                           \
	static inline const char *name(const char *p, const char *end)                   \
	{                                                                                \
		for (; end - p >= 16; p += 16) {                                         \
			uint64_t m = mask(p);                                            \
			if (m)                                                           \
				return p + __builtin_ctzll(m) / VECTOR_STEP;             \
		}                                                                        \
		while (p < end && !test((unsigned char)*p))                              \
			p++;                                                             \
		return p;                                                                \
	}

#else

/* The high bit of each byte of x that equals c; exact in its lowest hit, which is
 * all that is asked of it ("Bit Twiddling Hacks", haszero). */
#define ONES		  UINT64_C(0x0101010101010101)
#define HIGHS		  UINT64_C(0x8080808080808080)
#define BYTES_ZERO(x)	  (((x)-ONES) & ~(x)&HIGHS)
#define BYTES_EQUAL(x, c) BYTES_ZERO((x) ^ (ONES * (c)))

static inline uint64_t word_load(const char *p)
{
	return get64(p);
}

static inline uint64_t special_mask(const char *p)
{
	uint64_t x = word_load(p);
	uint64_t control = (x - ONES * 0x20) & ~x & HIGHS;

	return BYTES_EQUAL(x, '"') | BYTES_EQUAL(x, '\\') | control | (x & HIGHS);
}

static inline uint64_t bracket_mask(const char *p)
{
	uint64_t x = word_load(p), low = x | ONES * 0x20;

	return BYTES_EQUAL(x, '"') | BYTES_EQUAL(low, '{') | BYTES_EQUAL(low, '}');
}

static inline uint64_t quote_mask(const char *p)
{
	uint64_t x = word_load(p);

	return BYTES_EQUAL(x, '"') | BYTES_EQUAL(x, '\\');
}

#define FIND(name, mask, test)                                                           \
	static inline const char *name(const char *p, const char *end)                   \
	{                                                                                \
		for (; end - p >= 8; p += 8) {                                           \
			uint64_t m = mask(p);                                            \
			if (m)                                                           \
				return p + __builtin_ctzll(m) / 8;                       \
		}                                                                        \
		while (p < end && !test((unsigned char)*p))                              \
			p++;                                                             \
		return p;                                                                \
	}

#endif

FIND(find_special, special_mask, is_special)
FIND(find_bracket, bracket_mask, is_bracket)
FIND(find_quote, quote_mask, is_quote)

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
	bool escaped; /* the last string had escapes */
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

/* One sequence of UTF-8 above ASCII, by the table of RFC 3629 section 4: no overlong
 * forms, no surrogates, nothing above U+10FFFF. */
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

/* Four hexadecimal digits; -1 if they are not. */
static int hex4(const char *p, const char *end)
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
	int unit = hex4(start + 2, s->end);
	if (unit < 0)
		return fail(s, start, "invalid \\u escape");
	s->p += 6;
	if (unit < 0xd800 || unit > 0xdfff)
		return true;
	if (unit > 0xdbff || s->end - s->p < 6 || s->p[0] != '\\' || s->p[1] != 'u')
		return fail(s, start, "lone surrogate");
	unit = hex4(s->p + 2, s->end);
	if (unit < 0xdc00 || unit > 0xdfff)
		return fail(s, start, "lone surrogate");
	s->p += 6;
	return true;
}

/* At the opening quote; ends behind the closing one. */
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
		return fail(s, p, "a digit is missing");
	if (*digits == '0' && p - digits > 1)
		return fail(s, digits, "number with a leading zero");
	if (p < s->end && *p == '.') {
		digits = ++p;
		p = skip_digits(p, s->end);
		if (p == digits)
			return fail(s, p, "a digit is missing");
	}
	if (p < s->end && (*p | 0x20) == 'e') {
		p++;
		if (p < s->end && (*p == '+' || *p == '-'))
			p++;
		digits = p;
		p = skip_digits(p, s->end);
		if (p == digits)
			return fail(s, p, "a digit is missing");
	}
	s->p = p;
	return true;
}

static bool scan_word(struct scan *s, const char *word, size_t n)
{
	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		return fail(s, s->p, "not a JSON value");
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
	default: return fail(s, s->p, "not a JSON value");
	}
}

static struct json_member *member_add(struct json_members *m)
{
	if (m->n == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 32;
		struct json_member *at = realloc(m->at, cap * sizeof *at);
		if (!at)
			return NULL;
		m->at = at;
		m->cap = cap;
	}
	return &m->at[m->n++];
}

/* At a key; ends at its value.  Lists it when it is a top-level one. */
static inline bool scan_key(struct scan *s, struct json_members *list)
{
	const char *start = s->p;

	if (s->p == s->end)
		return fail(s, s->p, "unterminated object");
	if (*s->p != '"')
		return fail(s, s->p, "a member's name in quotes is missing");
	if (!scan_string(s))
		return false;
	size_t len = (size_t)(s->p - start) - 2;
	bool escaped = s->escaped;
	skip_space(s);
	if (s->p == s->end || *s->p != ':')
		return fail(s, s->p, "':' is missing behind a member's name");
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

/* The state machine.  `levels` has a bit a level, set for an object. */
static bool scan_text(struct scan *s, struct json_members *list)
{
	uint64_t levels[JSON_DEPTH / 64];
	unsigned depth = 0;
	bool object = false;

value:
	if (s->p == s->end)
		return fail(s, s->p, depth ? "the text ends too early" : "no JSON value");
	if (*s->p == '{' || *s->p == '[') {
		if (depth == JSON_DEPTH)
			return fail(s, s->p, "nested more than 512 deep");
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
		    s, s->p, object ? "',' or '}' is missing" : "',' or ']' is missing");
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

bool json_scan(const char *p, size_t len, struct json_text *value,
    struct json_members *members, struct json_fault *fault)
{
	struct scan s = {.p = p, .end = p + len};

	if (members)
		members->n = 0;
	skip_space(&s);
	value->p = s.p;
	bool good = scan_text(&s, members);
	if (good) {
		value->len = (size_t)(s.p - value->p);
		skip_space(&s);
		if (s.p != s.end)
			good = fail(&s, s.p, "something follows the JSON value");
	}
	if (!good)
		*fault = (struct json_fault){(size_t)(s.p - p), s.reason};
	return good;
}

void json_members_free(struct json_members *m)
{
	free(m->at);
	*m = (struct json_members){0};
}

/* ---- Looking into valid text ---- */

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

/* At an opening quote; behind the closing one, or end. */
static inline const char *skip_string(const char *p, const char *end)
{
	for (p++;;) {
		p = find_quote(p, end);
		if (p == end)
			return end;
		if (*p == '"')
			return p + 1;
		p = end - p < 2 ? end : p + 2;
	}
}

static const char *skip_container(const char *p, const char *end)
{
	size_t depth = 0;

	for (;;) {
		p = find_bracket(p, end);
		if (p == end)
			return end;
		if (*p == '"') {
			p = skip_string(p, end);
			continue;
		}
		depth += (*p | 0x20) == '{' ? 1 : (size_t)-1;
		p++;
		if (depth == 0)
			return p;
	}
}

static const char *skip_value(const char *p, const char *end)
{
	if (p == end)
		return end;
	if (*p == '"')
		return skip_string(p, end);
	if (*p == '{' || *p == '[')
		return skip_container(p, end);
	while (p < end && *p != ',' && *p != '}' && *p != ']' && (unsigned char)*p > ' ')
		p++;
	return p;
}

static inline const char *skip_blank(const char *p, const char *end)
{
	while (p < end && (unsigned char)*p <= ' ')
		p++;
	return p;
}

void json_walk_begin(struct json_walk *w, struct json_text container)
{
	*w = (struct json_walk){
	    .p = container.p + (container.len > 0),
	    .end = container.p + container.len,
	    .object = container.len && *container.p == '{',
	};
}

bool json_walk_next(struct json_walk *w, struct json_member *m)
{
	const char *p = skip_blank(w->p, w->end), *start;

	if (p < w->end && *p == ',')
		p = skip_blank(p + 1, w->end);
	if (p == w->end || *p == '}' || *p == ']')
		return false;
	m->key = (struct view){NULL, 0};
	m->escaped = false;
	if (w->object) {
		if (*p != '"')
			return false;
		start = p;
		p = skip_string(p, w->end);
		if (p - start < 2)
			return false;
		m->key = (struct view){start + 1, (size_t)(p - start) - 2};
		m->escaped = m->key.len && memchr(m->key.p, '\\', m->key.len);
		p = skip_blank(p, w->end);
		if (p < w->end && *p == ':')
			p = skip_blank(p + 1, w->end);
	}
	start = p;
	p = skip_value(p, w->end);
	if (p == start)
		return false;
	m->value = (struct json_text){start, (size_t)(p - start)};
	w->p = p;
	return true;
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

/* At a backslash of a valid string; behind the escape. */
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
	int high = hex4(p + 2, end);
	if (high < 0)
		return end;
	p += 6;
	unsigned c = (unsigned)high;
	if (high >= 0xd800 && high <= 0xdbff && end - p >= 6) {
		int low = hex4(p + 2, end);
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

bool json_key_is(const struct json_member *m, struct view name)
{
	if (!m->escaped)
		return m->key.len == name.len && memcmp(m->key.p, name.p, name.len) == 0;
	struct buf b = {0};
	unescape(&b, m->key.p, m->key.p + m->key.len);
	bool same = !b.failed && b.len == name.len &&
		    (b.len == 0 || memcmp(b.p, name.p, b.len) == 0);
	buf_free(&b);
	return same;
}

void json_escape(struct buf *b, struct view s)
{
	const char *p = s.p, *end = s.p + s.len;

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
