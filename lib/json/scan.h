/* scan.h - JSON texts validated and looked into where they stand: zero copy. */
#ifndef JSON_SCAN_H
#define JSON_SCAN_H

#include "base/buf.h"

#define JSON_DEPTH 512 /* levels of an event */
#define JSON_DEPTH_MOST                                                                  \
	1024 /* of what evlog writes around values of events: states,                    \
	      * snapshots, dead letters */

enum json_type {
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

/* A value's text, as it stands: a string with its quotes. */
struct json_text {
	const char *p;
	size_t len;
};

/* A member of an object: the key without its quotes, escapes unresolved. */
struct json_member {
	struct view key;
	bool escaped; /* the key has escapes */
	struct json_text value;
};

/* Top-level members, in order.  Zero-initialise; may be used again and again. */
struct json_members {
	struct json_member *at;
	size_t n, cap;
};

struct json_fault {
	size_t offset;	    /* of the byte where the text stops being JSON */
	const char *reason; /* NULL: no memory */
};

/* Checks that p[0..len) is one JSON text by RFC 8259, in UTF-8 without lone
 * surrogates, nested `depth` (JSON_DEPTH_MOST or less) deep at most, white space around
 * it allowed.  *value is the text without that white space.  If it is an object and
 * members is not NULL, its members are listed there (views into p).
 * true, or false and *fault.  Time is linear, the C stack constant. */
bool json_scan(const char *p, size_t len, unsigned depth, struct json_text *value,
    struct json_members *members, struct json_fault *fault);

void json_members_free(struct json_members *m);

/* Whether v is one JSON text as above, of JSON_DEPTH levels or less, and nothing else. */
bool json_is_valid(struct json_text v);

/* Of a valid, trimmed value. */
enum json_type json_type_of(struct json_text v);

/* Walks the members of a valid object, or the elements of a valid array (then key
 * is empty).  Start with json_walk_begin; the texts are views.  On text that is not
 * valid JSON the walk stays inside it and ends; what it delivers then is arbitrary, but
 * for strings, which have both quotes.  json_walk_ended tells whether the container was
 * closed, after the walk has delivered its last. */
struct json_walk {
	const char *p, *end;
	bool object;
};
void json_walk_begin(struct json_walk *w, struct json_text container);
bool json_walk_next(struct json_walk *w, struct json_member *m);
static inline bool json_walk_ended(const struct json_walk *w)
{
	return w->p < w->end && *w->p == (w->object ? '}' : ']');
}

/* The same in two steps, so that a value can be walked instead of passed over: the name,
 * and where the value begins (its length is 0); then json_walk_value, or a walk into an
 * object or array, to its end, and out of it. */
bool json_walk_name(struct json_walk *w, struct json_member *m);
bool json_walk_value(struct json_walk *w, struct json_member *m);
void json_walk_into(struct json_walk *inner, const struct json_walk *w);
bool json_walk_out(
    struct json_walk *w, const struct json_walk *inner, struct json_member *m);

/* Whether a key is `name`, its escapes resolved.  Most are told apart by their length or
 * first byte. */
bool json_escaped_key_is(const struct json_member *m, struct view name);

static inline bool json_key_is(const struct json_member *m, struct view name)
{
	if (m->escaped)
		return json_escaped_key_is(m, name);
	return m->key.len == name.len &&
	       (name.len == 0 ||
		   (*m->key.p == *name.p && memcmp(m->key.p, name.p, name.len) == 0));
}

/* Adds the content of a valid string (text with its quotes) to b, escapes resolved. */
void json_unescape(struct buf *b, struct json_text string);

/* Adds bytes of UTF-8 as a JSON string, quotes included; escapes only what must be. */
void json_escape(struct buf *b, struct view s);

/* Four hexadecimal digits; -1 if they are not. */
int json_hex4(const char *p, const char *end);

/* The vectorised primitive under json_scan: the first byte in [p, end) that is a
 * quote, a backslash, below 0x20 or above 0x7f; else end. */
const char *json_plain_end(const char *p, const char *end);

/* "sse2", "neon" or "portable". */
const char *json_scan_kind(void);

#endif
