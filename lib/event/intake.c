/*
 * intake.c - turns what people pipe in into events.
 *
 * Input is one of four kinds: a CloudEvent (it has specversion), checked and kept;
 * shorthand (it has none), completed; any JSON value, wrapped as data; and text, wrapped
 * as a string.  What the producer wrote is kept byte for byte.
 */
#include "event/intake.h"
#include "base/error.h"
#include "base/file.h"
#include "base/os.h"
#include "base/time.h"
#include "event/attributes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Options ---- */

static int option_check(
    const char *option, const char *name, const char *value, evlog_error *err)
{
	struct buf quoted = {0}, scratch = {0};
	struct json_text text;
	struct json_fault fault;
	const char *why = "not UTF-8", *at;

	json_escape(&quoted, (struct view){value, strlen(value)});
	if (quoted.failed)
		return error_memory(err);
	if (json_scan(quoted.p, quoted.len, JSON_DEPTH, &text, NULL, &fault)) {
		struct json_member m = {.key = {name, strlen(name)}, .value = text};
		why = attribute_check(attribute_of(m.key), &m, &scratch, &at);
	}
	bool failed = scratch.failed;
	buf_free(&quoted);
	buf_free(&scratch);
	if (failed)
		return error_memory(err);
	return why ? error_set(err, EVLOG_EUSAGE, "%s %s: %s", option, value, why) : 0;
}

static int paths_parse(
    struct intake *in, const struct evlog_writer_options *o, evlog_error *err)
{
	const char *const texts[FROM_COUNT] = {
	    [FROM_TYPE] = o->type_from,
	    [FROM_SUBJECT] = o->subject_from,
	    [FROM_TIME] = o->time_from,
	    [FROM_ID] = o->id_from,
	    [FROM_SOURCE] = o->source_from,
	};
	int r = 0;

	for (int i = 0; i < FROM_COUNT && !r; i++) {
		in->from[i].text = texts[i];
		if (texts[i])
			r = json_path_parse(&in->from[i].path, texts[i], err);
	}
	return r;
}

int intake_init(struct intake *in, const struct evlog_writer_options *o,
    const char *default_source, evlog_error *err)
{
	*in = (struct intake){.text = o->text,
	    .replica = o->replica,
	    .require = o->require,
	    .type = o->type,
	    .subject = o->subject,
	    .source = o->source ? o->source : default_source};
	if (o->text && !o->type)
		in->type = "text";
	int r = option_check("--source", "source", in->source, err);
	if (!r && o->type)
		r = option_check("--type", "type", o->type, err);
	if (!r && o->subject)
		r = option_check("--subject", "subject", o->subject, err);
	return r ? r : paths_parse(in, o, err);
}

void intake_free(struct intake *in)
{
	for (int i = 0; i < FROM_COUNT; i++)
		free(in->from[i].path);
	json_members_free(&in->members);
	buf_free(&in->value);
	buf_free(&in->string);
}

/* ---- Parts ---- */

static const char *not_a_time(struct json_text v)
{
	return v.len > 19 && memcmp(v.p + 17, ":60", 3) == 0
		   ? "not an RFC 3339 time: a leap second must be the last second of a "
		     "month in UTC"
		   : "not an RFC 3339 time";
}

static int bad(evlog_error *err, size_t column, const char *format, const char *name,
    const char *why)
{
	error_set(err, EVLOG_EDATA, format, name, why);
	if (err)
		err->column = column + 1;
	return EVLOG_EDATA;
}

/* Adds a UUID of version 7 (RFC 9562, 5.7), quoted.  Random bytes are fetched by the
 * kilobyte to save system calls. */
static int add_id(struct intake *in, struct buf *out, evlog_error *err)
{
	uint64_t ms = (uint64_t)(evlog_now() / 1000);
	unsigned char u[16];

	if (in->id_left < 10) {
		if (os_random(in->id_random, sizeof in->id_random) < 0)
			return error_sys(err, "random bytes");
		in->id_left = sizeof in->id_random;
	}
	in->id_left -= 10;
	for (int i = 0; i < 6; i++)
		u[i] = (unsigned char)(ms >> (40 - 8 * i));
	memcpy(u + 6, in->id_random + in->id_left, 10);
	u[6] = (unsigned char)(0x70 | (u[6] & 0x0f));
	u[8] = (unsigned char)(0x80 | (u[8] & 0x3f));
	static const char digits[] = "0123456789abcdef";
	char text[38], *p = text;
	*p++ = '"';
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = digits[u[i] >> 4];
		*p++ = digits[u[i] & 15];
	}
	*p++ = '"';
	buf_add(out, text, (size_t)(p - text));
	return 0;
}

static void add_source(struct intake *in, struct buf *out)
{
	json_escape(out, (struct view){in->source, strlen(in->source)});
}

static int finish(struct buf *out, size_t start, int r, evlog_error *err)
{
	if (!r && !out->failed) {
		buf_putc(out, '\n');
		if (!out->failed)
			return 0;
	}
	if (out->failed && !r)
		r = error_memory(err);
	out->len = start;
	return r;
}

/* ---- Wrapping ---- */

const char *const from_name[FROM_COUNT] = {
    [FROM_TYPE] = "type",
    [FROM_SUBJECT] = "subject",
    [FROM_TIME] = "time",
    [FROM_ID] = "id",
    [FROM_SOURCE] = "source",
};

/* Finds the value that a path points to.  Returns 1 if the option was not given, or if
 * nothing or null is there. */
static int from_find(struct intake *in, enum from from, struct json_text data,
    const char *line, struct json_text *found, evlog_error *err)
{
	struct intake_path *p = &in->from[from];

	if (!p->path)
		return 1;
	if (json_path_find(p->path, data, found) && json_type_of(*found) != JSON_NULL)
		return 0;
	p->missed++;
	if (!in->require)
		return 1;
	error_set(err, EVLOG_EDATA,
	    "%s: no value at %s, the path of --%s-from (--require)", from_name[from],
	    p->text, from_name[from]);
	if (err)
		err->column = (size_t)(data.p - line) + 1;
	return EVLOG_EDATA;
}

/* Adds ,"name":"value" with the value found at a path: a string unchanged, a number as a
 * string of its text.  Returns 1 if there is no value. */
static int add_from(struct intake *in, struct buf *out, enum from from,
    struct json_text data, const char *line, struct intake_event *event, evlog_error *err)
{
	const char *at, *name = from_name[from];
	struct json_text found;

	int r = from_find(in, from, data, line, &found, err);
	if (r)
		return r;
	in->value.len = 0;
	switch (json_type_of(found)) {
	case JSON_STRING: buf_add(&in->value, found.p, found.len); break;
	case JSON_NUMBER:
		buf_putc(&in->value, '"');
		buf_add(&in->value, found.p, found.len);
		buf_putc(&in->value, '"');
		break;
	default:
		return bad(err, (size_t)(found.p - line), "%s: %s", name,
		    "must be a string or a number");
	}
	if (in->value.failed)
		return error_memory(err);
	struct json_member m = {.key = {name, strlen(name)}};
	m.value = (struct json_text){in->value.p, in->value.len};
	const char *why = attribute_check(attribute_of(m.key), &m, &in->string, &at);
	if (in->string.failed)
		return error_memory(err);
	if (why)
		return bad(err, (size_t)(found.p - line), "%s: %s", name, why);
	if (from == FROM_TIME && !time_of(m.value, &event->time))
		return bad(
		    err, (size_t)(found.p - line), "%s: %s", name, not_a_time(m.value));
	buf_printf(out, ",\"%s\":", name);
	buf_add(out, in->value.p, in->value.len);
	return 0;
}

static void add_option(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, ",\"%s\":", name);
	json_escape(out, (struct view){value, strlen(value)});
}

static int add_wrapped(struct intake *in, struct json_text data, const char *line,
    struct buf *out, struct intake_event *event, evlog_error *err)
{
	int r;

	in->wrapped++;
	buf_add(out, stamp_blank, STAMP_SIZE);
	buf_puts(out, "\"specversion\":\"1.0\"");
	if ((r = add_from(in, out, FROM_ID, data, line, event, err)) == 1) {
		buf_puts(out, ",\"id\":");
		r = add_id(in, out, err);
	}
	if (r)
		return r;
	r = add_from(in, out, FROM_SOURCE, data, line, event, err);
	if (r < 0)
		return r;
	if (r)
		add_option(out, "source", in->source);
	r = add_from(in, out, FROM_TYPE, data, line, event, err);
	if (r < 0)
		return r;
	if (r && !in->type)
		return bad(err, (size_t)(data.p - line), "%s: %s", "type",
		    "no value at the path of --type-from; --type sets a default");
	if (r)
		add_option(out, "type", in->type);
	r = add_from(in, out, FROM_SUBJECT, data, line, event, err);
	if (r < 0)
		return r;
	if (r && in->subject)
		add_option(out, "subject", in->subject);
	r = add_from(in, out, FROM_TIME, data, line, event, err);
	if (r < 0)
		return r;
	buf_puts(out,
	    in->text ? ",\"datacontenttype\":\"text/plain\",\"data\":" : ",\"data\":");
	buf_add(out, data.p, data.len);
	buf_putc(out, '}');
	return 0;
}

/* ---- Events ---- */

/* The member for each attribute; NULL if absent or null (but data may be null). */
struct known {
	const struct json_member *at[ATTR_COUNT];
	const struct json_member *left_out[ATTR_COUNT]; /* in order, NULL-terminated */
};

static bool is_null(const struct json_member *m)
{
	return json_type_of(m->value) == JSON_NULL;
}

static int bad_member(const struct json_member *m, const char *at, const char *line,
    const char *why, evlog_error *err)
{
	char name[48];
	size_t n = m->key.len;

	if (n > 40) /* cut between characters */
		for (n = 40; n && (m->key.p[n] & 0xc0) == 0x80; n--)
			;
	snprintf(name, sizeof name, "%.*s", (int)n, m->key.p);
	return bad(err, (size_t)(at - line), "%s: %s", name, why);
}

static int member_compare(const void *a, const void *b)
{
	const struct json_member *x = *(const struct json_member *const *)a;
	const struct json_member *y = *(const struct json_member *const *)b;
	int c = view_compare(x->key, y->key);

	return c ? c : (x->key.p > y->key.p) - (x->key.p < y->key.p);
}

/* The later of two extensions with the same name; NULL if all differ. */
static const struct json_member *duplicate_find(
    const struct json_member **extensions, size_t n)
{
	if (n > 1)
		qsort(extensions, n, sizeof *extensions, member_compare);
	for (size_t i = 1; i < n; i++)
		if (view_equal(extensions[i - 1]->key, extensions[i]->key))
			return extensions[i];
	return NULL;
}

/* Whether a member is not stored: it is stamped anew, or is null where the event is
 * completed. */
static bool is_left_out(
    const struct intake *in, enum attribute a, const struct json_member *m)
{
	switch (a) {
	case ATTR_SEQ:
	case ATTR_LOGTIME: return true;
	case ATTR_ID:
	case ATTR_SOURCE:
	case ATTR_SPECVERSION: return is_null(m);
	case ATTR_SUBJECT: return in->subject && is_null(m);
	default: return false;
	}
}

/* Checks all members and finds the attributes among them. */
static int members_check(
    struct intake *in, struct known *k, const char *line, evlog_error *err)
{
	const struct json_members *list = &in->members;
	const struct json_member *few[16], **extensions = few, *twin = NULL;
	unsigned seen = 0;
	size_t n = 0, left_out = 0;
	const char *at, *why = NULL;

	if (list->n > 16 && !(extensions = malloc(list->n * sizeof *extensions)))
		return error_memory(err);
	*k = (struct known){0};
	for (size_t i = 0; i < list->n && !why && !twin; i++) {
		const struct json_member *m = &list->at[i];
		enum attribute a = attribute_of(m->key);
		why = attribute_check_again(in->valid, a, m, &in->string, &at);
		if (why)
			twin = m;
		else if (a == ATTR_EXTENSION)
			extensions[n++] = m;
		else if (seen & 1u << a)
			twin = m;
		else if (is_left_out(in, a, m))
			k->left_out[left_out++] = m;
		else if (a == ATTR_DATA || !is_null(m))
			k->at[a] = m;
		seen |= 1u << a;
	}
	if (!twin)
		twin = duplicate_find(extensions, n);
	if (extensions != few)
		free(extensions);
	if (in->string.failed)
		return error_memory(err);
	if (why)
		return bad_member(twin, at, line, why, err);
	if (twin)
		return bad_member(
		    twin, twin->key.p - 1, line, "the member occurs twice", err);
	return 0;
}

static int known_check(
    const struct known *k, struct json_text event, const char *line, evlog_error *err)
{
	size_t start = (size_t)(event.p - line);
	const char *lack = !k->at[ATTR_TYPE] ? "type" : NULL;

	if (k->at[ATTR_SPECVERSION] && !lack)
		lack = !k->at[ATTR_ID] ? "id" : !k->at[ATTR_SOURCE] ? "source" : NULL;
	if (lack && k->at[ATTR_SPECVERSION])
		return bad(err, start, "%s: %s", lack,
		    "missing, but required in a CloudEvent (an event with specversion)");
	if (lack)
		return bad(err, start, "%s: %s", lack,
		    "missing; to wrap other JSON as an event, use --type or --type-from");
	if (k->at[ATTR_DATA] && k->at[ATTR_DATA_BASE64])
		return bad(err, (size_t)(k->at[ATTR_DATA_BASE64]->key.p - 1 - line),
		    "%s: %s", "data_base64",
		    "an event cannot have both data and data_base64");
	return 0;
}

/* Adds the producer's members in order, without those left out. */
static void add_members(const struct known *k, const struct json_members *list,
    struct json_text event, struct buf *out)
{
	const struct json_member *const *skip = k->left_out;
	const struct json_member *m = list->at, *end = m + list->n;
	bool first = true;

	while (m < end) {
		if (m == *skip) {
			skip++;
			m++;
			continue;
		}
		const struct json_member *stop = *skip ? *skip : end, *last = stop - 1;
		const char *from = m->key.p - 1, *to = last->value.p + last->value.len;
		if (stop == end)
			to = event.p + event.len - 1;
		if (!first)
			buf_putc(out, ',');
		buf_add(out, from, (size_t)(to - from));
		first = false;
		m = stop;
	}
	buf_putc(out, '}');
}

static int add_completed(struct intake *in, struct json_text event, const struct known *k,
    struct buf *out, evlog_error *err)
{
	buf_add(out, stamp_blank, STAMP_SIZE);
	if (!k->at[ATTR_SPECVERSION])
		buf_puts(out, "\"specversion\":\"1.0\",");
	if (!k->at[ATTR_ID]) {
		buf_puts(out, "\"id\":");
		int r = add_id(in, out, err);
		if (r)
			return r;
		buf_putc(out, ',');
	}
	if (!k->at[ATTR_SOURCE]) {
		buf_puts(out, "\"source\":");
		add_source(in, out);
		buf_putc(out, ',');
	}
	if (!k->at[ATTR_SUBJECT] && in->subject) {
		buf_puts(out, "\"subject\":");
		json_escape(out, (struct view){in->subject, strlen(in->subject)});
		buf_putc(out, ',');
	}
	add_members(k, &in->members, event, out);
	return 0;
}

/* Gets the text of a key in its line; false if it is written with escapes. */
static bool key_tell(
    enum key_kind kind, const struct json_member *m, struct intake_event *event)
{
	struct view text = {m->value.p + 1, m->value.len - 2};

	if (key_is_presence(kind))
		text.len = 0;
	else if (json_type_of(m->value) != JSON_STRING)
		return true;
	else if (memchr(text.p, '\\', text.len))
		return false;
	event->key[kind] = text;
	return true;
}

/* Sets the keys of *event, if all are written without escapes. */
static void keys_tell(
    const struct intake *in, const struct known *k, struct intake_event *event)
{
	for (size_t i = in->members.n; i-- > 0;) { /* of two, the first counts */
		const struct json_member *m = &in->members.at[i];
		enum key_kind kind = key_kind_of(m);
		if (kind < KEY_KINDS && !key_tell(kind, m, event))
			return;
	}
	if (!in->replica && !k->at[ATTR_SUBJECT] && in->subject)
		event->key[KEY_SUBJECT] = (struct view){in->subject, strlen(in->subject)};
	if (!in->replica && !k->at[ATTR_SOURCE] && in->source)
		event->key[KEY_SOURCE] = (struct view){in->source, strlen(in->source)};
	event->keys_known = true;
}

/* Records the first member in shorthand that counts as an extension only because of its
 * name: the producer may have meant it to be in data. */
static void extension_note(struct intake *in, const struct known *k)
{
	if (*in->extension || k->at[ATTR_SPECVERSION])
		return;
	for (size_t i = 0; i < in->members.n; i++) {
		const struct json_member *m = &in->members.at[i];
		if (attribute_of(m->key) != ATTR_EXTENSION || is_null(m) ||
		    attribute_is_documented(m->key))
			continue;
		snprintf(in->extension, sizeof in->extension, "%.*s", (int)m->key.len,
		    m->key.p);
		return;
	}
}

static int add_event(struct intake *in, struct json_text value, const char *line,
    struct buf *out, struct intake_event *event, evlog_error *err)
{
	unsigned char leaf[HASH_SIZE];
	struct known k;

	if (json_type_of(value) != JSON_OBJECT)
		return bad(err, (size_t)(value.p - line), "%s%s",
		    "an event must be a JSON object",
		    "; to wrap other JSON, use --type or --type-from; to wrap text, use "
		    "--text");
	int r = members_check(in, &k, line, err);
	if (r)
		return r;
	bool gone = in->replica && (in->alone || in->leaves) &&
		    leafhash_read(line, value.len, leaf);
	if (gone && in->alone)
		return bad(err, 0, "%s%s",
		    "only the leaf of this event is left, which a line alone cannot "
		    "carry",
		    "; replicate evcat -o zst instead");
	if (!gone && (r = known_check(&k, value, line, err)) != 0)
		return r;
	if (k.at[ATTR_TIME] && !time_of(k.at[ATTR_TIME]->value, &event->time) && !gone)
		return bad(err, (size_t)(k.at[ATTR_TIME]->value.p - line), "%s: %s",
		    "time", not_a_time(k.at[ATTR_TIME]->value));
	keys_tell(in, &k, event);
	extension_note(in, &k);
	if (!in->replica)
		return add_completed(in, value, &k, out, err);
	if ((!gone && !k.at[ATTR_SPECVERSION]) ||
	    !stamp_read(line, value.len, &event->seq, &event->logtime))
		return bad(err, 0, "%s%s", "--replica accepts only stored events",
		    ", as evcat prints them");
	buf_add(out, line, value.len);
	return 0;
}

int intake_line(struct intake *in, const char *line, size_t len, struct buf *out,
    struct intake_event *event, evlog_error *err)
{
	struct json_fault fault = {0};
	struct json_text value;
	size_t start = out->len;
	bool wrap = in->from[FROM_TYPE].path || (in->type && !in->replica);

	*event = (struct intake_event){.time = EVLOG_TIME_MIN};
	if (in->text) {
		in->members.n = 0;
		struct buf quoted = {0};
		json_escape(&quoted, (struct view){line, len});
		bool good = !quoted.failed && json_scan(quoted.p, quoted.len, JSON_DEPTH,
						  &value, NULL, &fault);
		int r = quoted.failed ? error_memory(err)
			: good	      ? add_wrapped(in, value, value.p, out, event, err)
			       : bad(err, fault.offset - 1, "%s%s", fault.reason, "");
		buf_free(&quoted);
		return finish(out, start, r, err);
	}
	if (!json_scan(line, len, wrap ? JSON_DEPTH - 1 : JSON_DEPTH, &value,
		wrap ? NULL : &in->members, &fault)) {
		if (!fault.reason)
			return error_memory(err);
		return bad(err, fault.offset, "%s%s", fault.reason, "");
	}
	if (in->replica && value.p != line)
		return bad(err, 0, "%s%s", "--replica accepts only stored events",
		    ", as evcat prints them");
	int r = wrap ? add_wrapped(in, value, line, out, event, err)
		     : add_event(in, value, line, out, event, err);
	return finish(out, start, r, err);
}
