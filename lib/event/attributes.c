/*
 * attributes.c - what CloudEvents 1.0.2 requires of the members of an event (spec.md,
 * "Context Attributes" and "Type System"; formats/json-format.md).
 */
#include "event/attributes.h"

#include <ctype.h>

static bool name_is_valid(struct view name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!(name.p[i] >= 'a' && name.p[i] <= 'z') &&
		    !(name.p[i] >= '0' && name.p[i] <= '9'))
			return false;
	return name.len > 0;
}

/* Whether all eight bytes are in 0x20 to 0x7e. */
static bool bytes_plain(uint64_t x)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);

	return !(((x - ones * 0x20) | (x + ones) | x) & ones * 0x80);
}

/* Strings must not contain U+0000-1F, U+007F-9F, noncharacters (type String). */
static bool string_is_clean(struct view s)
{
	const unsigned char *p = (const unsigned char *)s.p, *end = p + s.len;

	while (end - p >= 8 && bytes_plain(get64(p)))
		p += 8;
	for (; p < end; p++) {
		if (*p < 0x20 || *p == 0x7f)
			return false;
		if (*p < 0x80)
			continue;
		if (*p == 0xc2 && p[1] < 0xa0)
			return false;
		if (*p == 0xef && p[1] == 0xb7 && p[2] >= 0x90 && p[2] <= 0xaf)
			return false; /* U+FDD0-FDEF */
		if (*p == 0xef && p[1] == 0xbf && p[2] >= 0xbe)
			return false; /* U+FFFE, U+FFFF */
		if (*p >= 0xf0 && (p[1] & 0x0f) == 0x0f && p[2] == 0xbf && p[3] >= 0xbe)
			return false; /* U+xFFFE, U+xFFFF of the other planes */
	}
	return true;
}

/* The characters of a URI in RFC 3986, except the percent sign, as sets of 64. */
static bool is_uri_character(unsigned char c)
{
	static const uint64_t sets[4] = {0xafffffda00000000, 0x47fffffeafffffff};

	return sets[c / 64] >> c % 64 & 1;
}

bool attribute_is_uri(struct view v)
{
	for (size_t i = 0; i < v.len; i++) {
		unsigned char c = (unsigned char)v.p[i];
		if (c == '%') {
			if (v.len - i < 3 || !isxdigit((unsigned char)v.p[i + 1]) ||
			    !isxdigit((unsigned char)v.p[i + 2]))
				return false;
		} else if (!is_uri_character(c)) {
			return false;
		}
	}
	return true;
}

static bool uri_is_absolute(struct view v)
{
	size_t i = 0;

	if (!v.len || !isalpha((unsigned char)*v.p))
		return false;
	while (i < v.len && (isalnum((unsigned char)v.p[i]) || strchr("+-.", v.p[i])))
		i++;
	return i < v.len && v.p[i] == ':';
}

static size_t media_token(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && (isalnum((unsigned char)p[i]) ||
			    (p[i] && strchr("!#$%&'*+-.^_`{|}~", p[i]))))
		i++;
	return i;
}

/* type "/" subtype, perhaps with parameters after a semicolon (RFC 2046, RFC 2045
 * 5.1). */
static bool is_media_type(struct view v)
{
	size_t i = media_token(v.p, v.len);

	if (i == 0 || i == v.len || v.p[i] != '/')
		return false;
	size_t n = media_token(v.p + i + 1, v.len - i - 1);
	i += 1 + n;
	while (i < v.len && v.p[i] == ' ')
		i++;
	return n > 0 && (i == v.len || v.p[i] == ';');
}

static bool is_int32(struct json_text v)
{
	int64_t n = 0;
	bool minus = *v.p == '-';

	if (v.len > 11)
		return false;
	for (size_t i = minus; i < v.len; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return false;
		n = n * 10 + (v.p[i] - '0');
	}
	return n <= (int64_t)INT32_MAX + minus;
}

static bool is_base64(struct view s)
{
	size_t pad = 0;

	for (size_t i = 0; i < s.len; i++) {
		bool digit =
		    isalnum((unsigned char)s.p[i]) || s.p[i] == '+' || s.p[i] == '/';
		pad += s.p[i] == '=';
		if (!digit && s.p[i] != '=')
			return false;
		if (digit && pad)
			return false;
	}
	return s.len % 4 == 0 && pad <= 2;
}

/* A perfect hash: the length and second letter of each name give it a place of its
 * own. */
#define PLACE(len, second) (((len) + (second)) % 32)

enum attribute attribute_of(struct view name)
{
	static const struct {
		unsigned char len, attribute;
		char name[16];
	} names[32] = {
	    [PLACE(2, 'd')] = {2, ATTR_ID, "id"},
	    [PLACE(3, 'e')] = {3, ATTR_SEQ, "seq"},
	    [PLACE(4, 'a')] = {4, ATTR_DATA, "data"},
	    [PLACE(4, 'i')] = {4, ATTR_TIME, "time"},
	    [PLACE(4, 'y')] = {4, ATTR_TYPE, "type"},
	    [PLACE(6, 'o')] = {6, ATTR_SOURCE, "source"},
	    [PLACE(7, 'o')] = {7, ATTR_LOGTIME, "logtime"},
	    [PLACE(7, 'u')] = {7, ATTR_SUBJECT, "subject"},
	    [PLACE(10, 'a')] = {10, ATTR_DATASCHEMA, "dataschema"},
	    [PLACE(11, 'a')] = {11, ATTR_DATA_BASE64, "data_base64"},
	    [PLACE(11, 'p')] = {11, ATTR_SPECVERSION, "specversion"},
	    [PLACE(15, 'a')] = {15, ATTR_DATACONTENTTYPE, "datacontenttype"},
	};

	if (name.len < 2 || name.len > 16)
		return ATTR_EXTENSION;
	unsigned place = PLACE((unsigned)name.len, (unsigned char)name.p[1]);
	if (name.len != names[place].len ||
	    memcmp(name.p, names[place].name, name.len) != 0)
		return ATTR_EXTENSION;
	return (enum attribute)names[place].attribute;
}

bool attribute_is_documented(struct view name)
{
	static const char names[] =
	    /* extensions of CloudEvents 1.0.2 (cloudevents/extensions) */
	    " authclaims authid authtype causationid correlationid datacategory"
	    " dataclassification dataref dataregulation deprecated deprecationfrom"
	    " deprecationmigration deprecationsunset expirytime partitionkey recordedtime"
	    " sampledrate sequence sequencetype severitynumber severitytext traceparent"
	    " tracestate"
	    /* ours */
	    " cancels due ";

	for (const char *p = names; (p = memmem(p, strlen(p), name.p, name.len)); p++)
		if (p[-1] == ' ' && p[name.len] == ' ')
			return true;
	return false;
}

static bool must_be_string(enum attribute a)
{
	return a != ATTR_EXTENSION && a != ATTR_SEQ && a != ATTR_LOGTIME;
}

static const char *check_string(enum attribute a, struct view s)
{
	if (a == ATTR_DATA_BASE64)
		return is_base64(s) ? NULL : "not valid base64 (RFC 4648)";
	if (!string_is_clean(s))
		return "attributes must not contain control characters or noncharacters";
	switch (a) {
	case ATTR_SPECVERSION: return view_is(s, "1.0") ? NULL : "must be \"1.0\"";
	case ATTR_ID:
	case ATTR_TYPE:
	case ATTR_SUBJECT: return s.len ? NULL : "must not be empty";
	case ATTR_SOURCE:
		if (s.len == 0)
			return "must not be empty";
		return attribute_is_uri(s) ? NULL : "not a URI-reference (RFC 3986)";
	case ATTR_DATASCHEMA:
		return uri_is_absolute(s) && attribute_is_uri(s)
			   ? NULL
			   : "not an absolute URI (RFC 3986)";
	case ATTR_DATACONTENTTYPE:
		return view_is(s, "application/json") || is_media_type(s)
			   ? NULL
			   : "not a media type (RFC 2046)";
	default: return NULL;
	}
}

static const char *check_value(
    enum attribute a, const struct json_member *m, struct buf *scratch)
{
	struct view s = {m->value.p + 1, m->value.len - 2};

	switch (json_type_of(m->value)) {
	case JSON_NULL: return NULL;
	case JSON_STRING: break;
	case JSON_TRUE:
	case JSON_FALSE: return must_be_string(a) ? "must be a string" : NULL;
	case JSON_NUMBER:
		if (must_be_string(a))
			return "must be a string";
		return is_int32(m->value) ? NULL
					  : "a number in an attribute must be a 32-bit "
					    "integer; put other numbers in data";
	default:
		return must_be_string(a)
			   ? "must be a string"
			   : "an attribute cannot be an object or array; put it in data";
	}
	if (memchr(s.p, '\\', s.len)) {
		scratch->len = 0;
		json_unescape(scratch, m->value);
		if (scratch->failed)
			return "out of memory";
		s = (struct view){scratch->p, scratch->len};
	}
	return check_string(a, s);
}

const char *attribute_check(
    enum attribute a, const struct json_member *m, struct buf *scratch, const char **at)
{
	*at = m->value.p;
	if (a == ATTR_DATA)
		return NULL;
	if (a == ATTR_EXTENSION && !name_is_valid(m->key)) {
		*at = m->key.p - 1;
		return m->escaped ? "an attribute name must not contain escapes"
				  : "an attribute name must consist of a-z and 0-9; put "
				    "other members in data";
	}
	return check_value(a, m, scratch);
}

const char *attribute_check_again(struct attribute_memo valid[ATTR_COUNT],
    enum attribute a, const struct json_member *m, struct buf *scratch, const char **at)
{
	const bool alike = a == ATTR_SOURCE || a == ATTR_TYPE || a == ATTR_SPECVERSION ||
			   a == ATTR_DATACONTENTTYPE || a == ATTR_DATASCHEMA;
	struct attribute_memo *last = &valid[a];
	const struct json_text v = m->value;

	if (alike && last->len == v.len && memcmp(last->text, v.p, v.len) == 0)
		return NULL;
	const char *why = attribute_check(a, m, scratch, at);
	if (alike && !why && v.len <= sizeof last->text) {
		memcpy(last->text, v.p, v.len);
		last->len = v.len;
	}
	return why;
}
