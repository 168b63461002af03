/*
 * where.c - parses and checks conditions.
 *
 *     FILTER    = condition *("," condition)
 *     condition = ["!"] PATH / PATH OP VALUE
 *     OP        = "=" / "!=" / "<" / "<=" / ">" / ">="
 *
 * PATH and VALUE are JSON strings, or text without any of ,=<>!{}() in it.  Spaces around
 * them do not count.
 */
#include "event/where.h"
#include "base/error.h"
#include "base/glob.h"
#include "base/time.h"
#include "json/find.h"
#include "json/scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPECIAL ",=<>!{}()"

/* ---- Parsing ---- */

struct parser {
	const char *text; /* for messages: the whole of it, */
	const char *p;	  /* and how far it is parsed */
	bool braced;
	evlog_error *err;
};

static int bad(const struct parser *s, const char *at, const char *why)
{
	return error_set(s->err, EVLOG_EUSAGE, "%s: at character %d: %s", s->text,
	    (int)(at - s->text) + 1, why);
}

static void spaces_skip(struct parser *s)
{
	s->p += strspn(s->p, " \t");
}

/* Takes a JSON string. */
static int quoted_take(struct parser *s, struct buf *out)
{
	const char *end = s->p + 1;

	while (*end && *end != '"')
		end += *end == '\\' && end[1] ? 2 : 1;
	struct json_text string = {s->p, (size_t)(end + 1 - s->p)};
	if (!*end || !json_is_valid(string))
		return bad(s, s->p, "this is not a JSON string");
	json_unescape(out, string);
	if (!out->failed && memchr(out->p ? out->p : "", '\0', out->len))
		return bad(s, s->p, "a NUL cannot be searched for");
	s->p = end + 1;
	return 0;
}

/* Takes text up to one of `stop` or the end, without the spaces before that. */
static void plain_take(struct parser *s, const char *stop, struct buf *out)
{
	size_t n = strcspn(s->p, stop);

	const char *p = s->p;
	s->p += n;
	while (n && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	buf_add(out, p, n);
}

/* Makes a string of what was taken; frees the buffer. */
static int text_keep(struct parser *s, struct buf *b, char **text, size_t *len)
{
	buf_putc(b, '\0');
	if (b->failed) {
		buf_free(b);
		return error_memory(s->err);
	}
	*text = b->p;
	*len = b->len - 1;
	return 0;
}

/* Sets c->quoted, if the last step is certainly the name of a member. */
static int name_quote(struct parser *s, struct condition *c)
{
	struct buf b = {0};
	struct view last =
	    c->path->n ? c->path->step[c->path->n - 1] : (struct view){NULL, 0};

	if (last.len == 0 || c->is_seq || (*last.p >= '0' && *last.p <= '9'))
		return 0;
	json_escape(&b, last);
	if (b.failed)
		return error_memory(s->err);
	c->quoted = (struct view){b.p, b.len};
	return 0;
}

static int path_take(struct parser *s, struct condition *c)
{
	const char *at = s->p;
	struct buf b = {0};
	size_t len;

	int r = *at == '"' ? quoted_take(s, &b) : (plain_take(s, SPECIAL, &b), 0);
	if (!r && b.len == 0 && !b.failed)
		r = bad(s, at, "a path is missing, such as data.amount");
	if (r) {
		buf_free(&b);
		return r;
	}
	if ((r = text_keep(s, &b, &c->name, &len)) != 0)
		return r;
	r = json_path_parse(&c->path, c->name, s->err);
	c->is_seq = !r && c->path->n == 1 && view_is(c->path->step[0], "seq");
	return r ? r : name_quote(s, c);
}

static bool op_take(struct parser *s, enum condition_op *op)
{
	static const struct {
		const char *text;
		enum condition_op op;
	} ops[] = {{"!=", CONDITION_UNEQUAL}, {"<=", CONDITION_AT_MOST},
	    {">=", CONDITION_AT_LEAST}, {"=", CONDITION_EQUAL}, {"<", CONDITION_LESS},
	    {">", CONDITION_GREATER}};

	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
		size_t n = strlen(ops[i].text);
		if (strncmp(s->p, ops[i].text, n) != 0)
			continue;
		*op = ops[i].op;
		s->p += n;
		return true;
	}
	return false;
}

/* Decides what an unquoted VALUE is. */
static int value_classify(struct parser *s, struct condition *c, const char *at)
{
	struct json_text text = {c->text, c->len};
	bool failed = false;

	c->kind = VALUE_GLOB;
	c->is_plain = !glob_is_pattern(c->text);
	if (c->len && json_is_valid(text) && json_type_of(text) == JSON_NUMBER) {
		c->kind = VALUE_NUMBER;
		if (decimal_set(&c->number, text, &failed))
			return 0;
		return failed ? error_memory(s->err)
			      : bad(s, at, "a number of that size cannot be compared");
	}
	if (time_rfc3339(c->text, c->len, &c->time))
		c->kind = VALUE_TIME;
	return 0;
}

static int value_take(struct parser *s, struct condition *c)
{
	const char *at = s->p;
	const bool quoted = *at == '"';
	struct buf b = {0};
	int r = 0;

	if (quoted)
		r = quoted_take(s, &b);
	else
		plain_take(s, s->braced ? ",}" : ",", &b);
	for (size_t i = 0; !quoted && i < b.len && !r; i++)
		if (strchr(SPECIAL, b.p[i]) && !(b.p[i] == '!' && i && b.p[i - 1] == '['))
			r = bad(s, at + i,
			    "write a value with one of ,=<>!{}() as a JSON string");
	if (r) {
		buf_free(&b);
		return r;
	}
	if ((r = text_keep(s, &b, &c->text, &c->len)) != 0)
		return r;
	c->kind = VALUE_TEXT;
	if (!quoted && (r = value_classify(s, c, at)) != 0)
		return r;
	if (c->kind <= VALUE_TEXT && c->op >= CONDITION_LESS)
		return bad(
		    s, at, "less and greater need a number, or a time of RFC 3339");
	return 0;
}

static int condition_take(struct parser *s, struct condition *c)
{
	bool lacks = *s->p == '!';

	s->p += lacks;
	spaces_skip(s);
	int r = path_take(s, c);
	if (r)
		return r;
	spaces_skip(s);
	const char *at = s->p;
	if (!op_take(s, &c->op)) {
		c->op = lacks ? CONDITION_LACKS : CONDITION_HAS;
		return 0;
	}
	if (lacks)
		return bad(s, at, "a path with ! before it takes no value");
	spaces_skip(s);
	return value_take(s, c);
}

static void condition_free(struct condition *c)
{
	free(c->name);
	free(c->path);
	free((char *)(uintptr_t)c->quoted.p);
	free(c->text);
	decimal_free(&c->number);
}

static int parse(struct where *w, struct parser *s)
{
	for (;;) {
		struct condition c = {0};
		spaces_skip(s);
		int r = condition_take(s, &c);
		spaces_skip(s);
		if (!r && *s->p != ',' && *s->p != (s->braced ? '}' : '\0'))
			r = bad(s, s->p,
			    *s->p ? "expected =, !=, <, <=, >, >= or a comma"
				  : "'}' is missing");
		if (!r && w->n == w->cap && !array_grow(&w->at, &w->cap, sizeof *w->at))
			r = error_memory(s->err);
		if (r) {
			condition_free(&c);
			return r;
		}
		w->at[w->n++] = c;
		if (*s->p != ',')
			return 0;
		s->p++;
	}
}

int where_add(struct where *w, const char *filter, evlog_error *err)
{
	struct parser s = {.text = filter, .p = filter, .err = err};

	return parse(w, &s);
}

int where_add_braced(
    struct where *w, const char *text, const char *at, const char **end, evlog_error *err)
{
	struct parser s = {.text = text, .p = at, .braced = true, .err = err};
	int r = parse(w, &s);

	*end = r ? at : s.p + 1;
	return r;
}

void where_free(struct where *w)
{
	for (size_t i = 0; i < w->n; i++)
		condition_free(&w->at[i]);
	free(w->at);
	*w = (struct where){0};
}

void where_count(struct where *total, const struct where *part)
{
	for (size_t i = 0; i < total->n && i < part->n; i++) {
		total->at[i].asked += part->at[i].asked;
		total->at[i].met += part->at[i].met;
	}
}

void where_remark(const struct where *w, uint64_t other,
    void (*say)(void *arg, const char *text), void *arg)
{
	char text[512];
	size_t i = 0;

	while (i < w->n &&
	       (!w->at[i].asked || w->at[i].met || w->at[i].op == CONDITION_LACKS))
		i++;
	if (i < w->n) {
		snprintf(text, sizeof text, "--where: no event has anything at %s",
		    w->at[i].name);
		say(arg, text);
	}
	if (other) {
		snprintf(text, sizeof text,
		    "--where: %" PRIu64 " value%s of another kind could not be compared",
		    other, other == 1 ? "" : "s");
		say(arg, text);
	}
}

/* ---- Checking ---- */

void where_scratch_free(struct where_scratch *s)
{
	buf_free(&s->text);
}

/* The text of a string; else the JSON text. */
static struct view text_of(struct json_text v, struct where_scratch *s)
{
	if (json_type_of(v) != JSON_STRING)
		return (struct view){v.p, v.len};
	if (!memchr(v.p, '\\', v.len))
		return (struct view){v.p + 1, v.len - 2};
	s->text.len = 0;
	json_unescape(&s->text, v);
	s->failed |= s->text.failed;
	return s->text.len ? (struct view){s->text.p, s->text.len} : (struct view){"", 0};
}

/* A stored seq, `"0000000000000042"`, as a number. */
static struct json_text seq_number(struct json_text v)
{
	const char *p = v.p + 1, *end = v.p + v.len - 1;

	if (json_type_of(v) != JSON_STRING || p == end)
		return v;
	for (const char *q = p; q < end; q++)
		if (*q < '0' || *q > '9')
			return v;
	while (end - p > 1 && *p == '0')
		p++;
	return (struct json_text){p, (size_t)(end - p)};
}

static bool number_compare(
    const struct condition *c, struct json_text v, struct where_scratch *s, int *order)
{
	struct decimal d = {0};
	bool failed = false; /* is set anew by each call */

	if (c->is_seq)
		v = seq_number(v);
	bool good = json_type_of(v) == JSON_NUMBER && decimal_set(&d, v, &failed);
	if (good)
		*order = decimal_compare(&d, &c->number, &failed);
	s->failed |= failed;
	decimal_free(&d);
	return good;
}

static bool time_compare(
    const struct condition *c, struct json_text v, struct where_scratch *s, int *order)
{
	int64_t t;

	if (json_type_of(v) != JSON_STRING)
		return false;
	struct view text = text_of(v, s);
	if (!time_rfc3339(text.p, text.len, &t))
		return false;
	*order = t != c->time ? (t > c->time) - (t < c->time)
			      : view_compare(time_digits(text.p, text.len),
				    time_digits(c->text, c->len));
	return true;
}

/* Compares with a value.  Returns false if it is of a kind that cannot be compared. */
static bool compare(
    const struct condition *c, struct json_text v, struct where_scratch *s, int *order)
{
	switch (c->kind) {
	case VALUE_NUMBER: return number_compare(c, v, s, order);
	case VALUE_TIME: return time_compare(c, v, s, order);
	case VALUE_TEXT:
		if (json_type_of(v) != JSON_STRING)
			return false;
		*order = view_compare(text_of(v, s), (struct view){c->text, c->len});
		return true;
	default:
		*order = !(c->is_plain
			       ? view_equal(text_of(v, s), (struct view){c->text, c->len})
			       : glob_match(c->text, text_of(v, s)));
		return true;
	}
}

static bool order_fits(enum condition_op op, int order)
{
	switch (op) {
	case CONDITION_EQUAL: return order == 0;
	case CONDITION_UNEQUAL: return order != 0;
	case CONDITION_LESS: return order < 0;
	case CONDITION_AT_MOST: return order <= 0;
	case CONDITION_GREATER: return order > 0;
	default: return order >= 0;
	}
}

bool condition_holds(
    const struct condition *c, struct json_text v, struct where_scratch *s)
{
	int order = 0;

	if (c->op == CONDITION_HAS || c->op == CONDITION_LACKS)
		return (v.p != NULL) == (c->op == CONDITION_HAS);
	if (!v.p)
		return c->op == CONDITION_UNEQUAL;
	if (!compare(c, v, s, &order)) {
		s->other++;
		return false;
	}
	return order_fits(c->op, order);
}

/* Finds the value at a path of an event, whose members have different names. */
static bool value_find(
    const struct json_path *path, struct json_text event, struct json_text *v)
{
	*v = event;
	if (path->n == 0)
		return true;
	return json_top_find(event, path->step[0], v) &&
	       json_path_find_from(path, 1, *v, v);
}

/* The string or number that begins at p, in a text without backslashes; else p NULL. */
static struct json_text scalar_at(const char *p, const char *end)
{
	const char *q = p;

	if (p < end && *p == '"' && (q = memchr(p + 1, '"', (size_t)(end - p - 1))))
		return (struct json_text){p, (size_t)(q + 1 - p)};
	while (q && q < end && *q && strchr("+-.0123456789Ee", *q))
		q++;
	return (struct json_text){q > p ? p : NULL, q ? (size_t)(q - p) : 0};
}

/* Whether a condition certainly does not hold, as a search for the last name of its path
 * can tell: no member of that name, at any depth, has a value for which it holds.  Says
 * no until the path has been met, because a path that is never met deserves a remark. */
static bool is_hopeless(
    const struct condition *c, struct json_text event, struct where_scratch *s)
{
	const char *at = event.p, *end = at + event.len;

	if (!c->met || !c->quoted.p || c->kind == VALUE_NONE ||
	    c->op == CONDITION_UNEQUAL)
		return false;
	/* from the next byte on: its first quote may be the last one of another string */
	while ((at = text_find(c->quoted, at, end)) < end) {
		int order;
		const char *p = json_blank_skip(at++ + c->quoted.len, end);
		if (p == end || *p != ':')
			continue; /* it is a value */
		struct json_text v = scalar_at(json_blank_skip(p + 1, end), end);
		if (!v.p || !compare(c, v, s, &order) || order_fits(c->op, order))
			return false;
	}
	return !memchr(event.p, '\\', event.len);
}

bool where_holds(struct where *w, struct json_text event, struct where_scratch *s)
{
	for (size_t i = 0; i < w->n; i++) {
		struct condition *c = &w->at[i];
		struct json_text v = {NULL, 0};
		if (is_hopeless(c, event, s)) {
			c->asked++;
			return false;
		}
		bool met = value_find(c->path, event, &v);
		if (!met)
			v = (struct json_text){NULL, 0};
		c->asked++;
		c->met += met;
		if (!condition_holds(c, v, s))
			return false;
	}
	return true;
}
