/* scan.h - validating JSON text and looking into it without copying.
 *
 * json/ knows JSON: scanning, paths, exact decimals, trees, patches.  It must not know
 * what an event is. */
#ifndef JSON_SCAN_H
#define JSON_SCAN_H

#include "base/buf.h"

#define JSON_DEPTH 512 /* levels of nesting in an event */
#define JSON_DEPTH_MOST                                                                  \
	1024 /* in states, snapshots and dead letters, which wrap values of events */

enum json_type {
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

/* The text of a value; a string includes its quotes. */
struct json_text {
	const char *p;
	size_t len;
};

/* A member of an object: the key without its quotes and with its escapes. */
struct json_member {
	struct view key;
	bool escaped; /* the key contains escapes */
	struct json_text value;
};

/* Top-level members, in order.  Zero-initialise; can be reused for any number of
 * scans. */
struct json_members {
	struct json_member *at;
	size_t n, cap;
};

struct json_fault {
	size_t offset;	    /* of the first byte that is not valid JSON */
	const char *reason; /* NULL: out of memory */
};

/* Checks that p[0..len) is one JSON text as in RFC 8259, in UTF-8 without lone
 * surrogates, at most `depth` levels deep (JSON_DEPTH_MOST or less), perhaps with white
 * space around it.  *value is the text without that white space.  If it is an object and
 * `members` is not NULL, `members` lists its members, as views into p.  Returns false and
 * fills *fault if the check fails.  Takes linear time and constant stack. */
bool json_scan(const char *p, size_t len, unsigned depth, struct json_text *value,
    struct json_members *members, struct json_fault *fault);

void json_members_free(struct json_members *m);

/* Whether v is exactly one JSON text as above, at most JSON_DEPTH levels deep. */
bool json_is_valid(struct json_text v);

/* The type of a valid value without white space around it. */
enum json_type json_type_of(struct json_text v);

/* Walks the members of a valid object, or the elements of a valid array (their key is
 * empty).  Start with json_walk_begin; the texts are views.  On invalid JSON the walk
 * stays inside the text and ends, but what it delivers is arbitrary, except that strings
 * have both quotes.  After the last one, json_walk_ended says whether the container was
 * closed. */
struct json_walk {
	const char *p, *end;
	bool object;
};
/* Skips what may stand between values. */
static inline const char *json_blank_skip(const char *p, const char *end)
{
	while (p < end && (unsigned char)*p <= ' ')
		p++;
	return p;
}

void json_walk_begin(struct json_walk *w, struct json_text container);
bool json_walk_next(struct json_walk *w, struct json_member *m);
static inline bool json_walk_ended(const struct json_walk *w)
{
	return w->p < w->end && *w->p == (w->object ? '}' : ']');
}

/* json_walk_next in two steps, to walk into a value instead of skipping it.
 * json_walk_name gets the name and where the value begins (its length is 0).  Then call
 * json_walk_value; or, for an object or array, json_walk_into, walk `inner` to its end,
 * and json_walk_out. */
bool json_walk_name(struct json_walk *w, struct json_member *m);
bool json_walk_value(struct json_walk *w, struct json_member *m);
void json_walk_into(struct json_walk *inner, const struct json_walk *w);
bool json_walk_out(
    struct json_walk *w, const struct json_walk *inner, struct json_member *m);

/* Whether a key equals `name` once its escapes are resolved.  Most keys are told apart by
 * their length or first byte. */
bool json_escaped_key_is(const struct json_member *m, struct view name);

static inline bool json_key_is(const struct json_member *m, struct view name)
{
	if (m->escaped)
		return json_escaped_key_is(m, name);
	return m->key.len == name.len &&
	       (name.len == 0 ||
		   (*m->key.p == *name.p && memcmp(m->key.p, name.p, name.len) == 0));
}

/* Appends the content of a valid string (given with its quotes) to b, resolving
 * escapes. */
void json_unescape(struct buf *b, struct json_text string);

/* Appends UTF-8 bytes as a JSON string with quotes; escapes only what must be escaped. */
void json_escape(struct buf *b, struct view s);

/* Reads four hexadecimal digits; -1 if they are not. */
int json_hex4(const char *p, const char *end);

/* Finds the first byte in [p, end) that is a quote, a backslash, below 0x20 or above
 * 0x7f; else returns end.  Vectorised; json_scan is built on it. */
const char *json_plain_end(const char *p, const char *end);

/* The implementation in use: "sse2", "neon" or "portable". */
const char *json_scan_kind(void);

#endif
