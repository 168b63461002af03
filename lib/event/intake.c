/*
 * intake.c - what people pipe in, made an event.
 *
 * Four kinds of input: a CloudEvent (it has specversion), checked and kept; shorthand
 * (it has not), completed; any JSON value, wrapped as data; and text, wrapped as
 * a string.  What the producer wrote stays as it was, byte for byte.
 */
#include "event/intake.h"
#include "base/error.h"
#include "base/file.h"
#include "base/time.h"
#include "event/attributes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const struct view SEQ = {"seq", 3}, LOGTIME = {"logtime", 7};

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
	if (json_scan(quoted.p, quoted.len, &text, NULL, &fault)) {
		struct json_member m = {.key = {name, strlen(name)}, .value = text};
		why = attribute_check(&m, &scratch, &at);
	}
	buf_free(&quoted);
	buf_free(&scratch);
	return why ? error_set(err, EVLOG_EUSAGE, "%s %s: %s", option, value, why) : 0;
}

static int paths_parse(
    struct intake *in, const struct evlog_writer_options *o, evlog_error *err)
{
	const struct {
		const char *text;
		struct json_path **path;
	} from[] = {
	    {o->type_from, &in->type_from},
	    {o->subject_from, &in->subject_from},
	    {o->time_from, &in->time_from},
	    {o->id_from, &in->id_from},
	    {o->source_from, &in->source_from},
	};

	for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
		int r =
		    from[i].text ? json_path_parse(from[i].path, from[i].text, err) : 0;
		if (r)
			return r;
	}
	return 0;
}

int intake_init(struct intake *in, const struct evlog_writer_options *o,
    const char *default_source, evlog_error *err)
{
	*in = (struct intake){.text = o->text,
	    .replica = o->replica,
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
	free(in->type_from);
	free(in->subject_from);
	free(in->time_from);
	free(in->id_from);
	free(in->source_from);
	json_members_free(&in->members);
	buf_free(&in->value);
	buf_free(&in->string);
}

/* ---- Parts ---- */

static int bad(evlog_error *err, size_t column, const char *format, const char *name,
    const char *why)
{
	error_set(err, EVLOG_EDATA, format, name, why);
	if (err)
		err->column = column + 1;
	return EVLOG_EDATA;
}

/* A UUID of version 7 (RFC 9562, 5.7), quoted.  Random bytes are fetched by the
 * kilobyte. */
static int add_id(struct intake *in, struct buf *out, evlog_error *err)
{
	uint64_t ms = (uint64_t)(evlog_now() / 1000);
	unsigned char u[16];

	if (in->id_left < 10) {
		if (file_random(in->id_random, sizeof in->id_random) < 0)
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

static void add_stamp(struct buf *out)
{
	char stamp[STAMP_SIZE];

	stamp_write(stamp, 0, 0);
	buf_add(out, stamp, STAMP_SIZE);
}

/* ---- Wrapping ---- */

/* Adds ,"name":"value" with the value found at path: a string as it stands, a number
 * as its text.  1 if there is nothing there. */
static int add_from(struct intake *in, struct buf *out, const char *name,
    const struct json_path *path, struct json_text data, const char *line,
    struct intake_event *event, evlog_error *err)
{
	struct json_text found;
	const char *at;

	if (!path || !json_path_find(path, data, &found))
		return 1;
	in->value.len = 0;
	switch (json_type_of(found)) {
	case JSON_NULL: return 1;
	case JSON_STRING: buf_add(&in->value, found.p, found.len); break;
	case JSON_NUMBER:
		buf_putc(&in->value, '"');
		buf_add(&in->value, found.p, found.len);
		buf_putc(&in->value, '"');
		break;
	default:
		return bad(err, (size_t)(found.p - line), "%s: %s", name,
		    "neither a string nor a number");
	}
	if (in->value.failed)
		return error_memory(err);
	struct json_member m = {.key = {name, strlen(name)}};
	m.value = (struct json_text){in->value.p, in->value.len};
	const char *why = attribute_check(&m, &in->string, &at);
	if (why)
		return bad(err, (size_t)(found.p - line), "%s: %s", name, why);
	if (strcmp(name, "time") == 0)
		time_rfc3339(in->value.p + 1, in->value.len - 2, &event->time);
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

	add_stamp(out);
	buf_puts(out, "\"specversion\":\"1.0\"");
	if ((r = add_from(in, out, "id", in->id_from, data, line, event, err)) == 1) {
		buf_puts(out, ",\"id\":");
		r = add_id(in, out, err);
	}
	if (r)
		return r;
	r = add_from(in, out, "source", in->source_from, data, line, event, err);
	if (r < 0)
		return r;
	if (r)
		add_option(out, "source", in->source);
	r = add_from(in, out, "type", in->type_from, data, line, event, err);
	if (r < 0)
		return r;
	if (r && !in->type)
		return bad(err, (size_t)(data.p - line), "%s: %s", "type",
		    "nothing stands where --type-from points (--type gives a default)");
	if (r)
		add_option(out, "type", in->type);
	r = add_from(in, out, "subject", in->subject_from, data, line, event, err);
	if (r < 0)
		return r;
	if (r && in->subject)
		add_option(out, "subject", in->subject);
	r = add_from(in, out, "time", in->time_from, data, line, event, err);
	if (r < 0)
		return r;
	buf_puts(out, ",\"data\":");
	buf_add(out, data.p, data.len);
	buf_putc(out, '}');
	return 0;
}

/* ---- Events ---- */

/* Where the members with meaning stand; NULL: absent, or null. */
struct known {
	const struct json_member *specversion, *id, *source, *type, *time, *subject;
	const struct json_member *data, *data_base64;
};

static bool is_null(const struct json_member *m)
{
	return json_type_of(m->value) == JSON_NULL;
}

static void known_find(struct known *k, const struct json_members *list)
{
	const struct {
		const char *name;
		const struct json_member **at;
	} names[] = {
	    {"specversion", &k->specversion},
	    {"id", &k->id},
	    {"source", &k->source},
	    {"type", &k->type},
	    {"time", &k->time},
	    {"subject", &k->subject},
	    {"data", &k->data},
	    {"data_base64", &k->data_base64},
	};

	*k = (struct known){0};
	for (size_t i = 0; i < list->n; i++)
		for (size_t j = 0; j < sizeof names / sizeof *names; j++) {
			const char *n = names[j].name;
			if (json_key_is(&list->at[i], (struct view){n, strlen(n)})) {
				/* data: null is not the same as no data */
				if (!is_null(&list->at[i]) || j == 6)
					*names[j].at = &list->at[i];
				break;
			}
		}
}

static int member_compare(const void *a, const void *b)
{
	const struct json_member *x = *(const struct json_member *const *)a;
	const struct json_member *y = *(const struct json_member *const *)b;
	int c = view_compare(x->key, y->key);

	return c ? c : (x->key.p > y->key.p) - (x->key.p < y->key.p);
}

/* The later of two members with one name; NULL if there is none.  Names with escapes
 * cannot stand in an event, so bytes are enough. */
static const struct json_member *duplicate_find(
    const struct json_members *list, bool *failed)
{
	const struct json_member **sorted, *twin = NULL;

	*failed = false;
	if (list->n <= 24) {
		for (size_t i = 1; i < list->n; i++)
			for (size_t j = 0; j < i; j++)
				if (view_compare(list->at[i].key, list->at[j].key) == 0)
					return &list->at[i];
		return NULL;
	}
	sorted = malloc(list->n * sizeof *sorted);
	*failed = !sorted;
	if (!sorted)
		return NULL;
	for (size_t i = 0; i < list->n; i++)
		sorted[i] = &list->at[i];
	qsort(sorted, list->n, sizeof *sorted, member_compare);
	for (size_t i = 1; i < list->n && !twin; i++)
		if (view_compare(sorted[i - 1]->key, sorted[i]->key) == 0)
			twin = sorted[i];
	free(sorted);
	return twin;
}

static int members_check(struct intake *in, const char *line, evlog_error *err)
{
	const struct json_members *list = &in->members;
	const char *at;
	char name[48];
	bool failed;

	for (size_t i = 0; i < list->n; i++) {
		const struct json_member *m = &list->at[i];
		snprintf(name, sizeof name, "%.*s",
		    m->key.len > 40 ? 40 : (int)m->key.len, m->key.p);
		const char *why = attribute_check(m, &in->string, &at);
		if (!why && m->escaped) {
			at = m->key.p - 1;
			why = "an attribute's name is written without escapes";
		}
		if (why)
			return bad(err, (size_t)(at - line), "%s: %s", name, why);
	}
	const struct json_member *twin = duplicate_find(list, &failed);
	if (failed)
		return error_memory(err);
	if (twin) {
		snprintf(name, sizeof name, "%.*s",
		    twin->key.len > 40 ? 40 : (int)twin->key.len, twin->key.p);
		return bad(err, (size_t)(twin->key.p - 1 - line), "%s: %s", name,
		    "the member is given twice");
	}
	return 0;
}

static int known_check(
    const struct known *k, struct json_text event, const char *line, evlog_error *err)
{
	size_t start = (size_t)(event.p - line);
	const char *lack = !k->type ? "type" : NULL;

	if (k->specversion && !lack)
		lack = !k->id ? "id" : !k->source ? "source" : NULL;
	if (lack && k->specversion)
		return bad(err, start, "%s: %s", lack,
		    "a CloudEvent (with specversion) must have it");
	if (lack)
		return bad(err, start, "%s: %s", lack,
		    "an event must have it (--type or --type-from wraps other JSON)");
	if (k->data && k->data_base64)
		return bad(err, (size_t)(k->data_base64->key.p - 1 - line), "%s: %s",
		    "data_base64", "an event has data or data_base64, not both");
	return 0;
}

/* Whether a member is left out of the stored line: it is stamped anew, or is null
 * where the event is completed. */
static bool is_replaced(const struct json_member *m)
{
	if (json_key_is(m, SEQ) || json_key_is(m, LOGTIME))
		return true;
	return is_null(m) && (view_is(m->key, "id") || view_is(m->key, "source") ||
				 view_is(m->key, "specversion"));
}

/* The producer's members from the first to the last, without those replaced. */
static void add_members(
    const struct json_members *list, struct json_text event, struct buf *out)
{
	size_t i = 0;
	bool first = true;

	while (i < list->n) {
		if (is_replaced(&list->at[i])) {
			i++;
			continue;
		}
		size_t last = i;
		while (last + 1 < list->n && !is_replaced(&list->at[last + 1]))
			last++;
		const char *start = list->at[i].key.p - 1;
		const char *end = list->at[last].value.p + list->at[last].value.len;
		if (last + 1 == list->n)
			end = event.p + event.len - 1;
		if (!first)
			buf_putc(out, ',');
		buf_add(out, start, (size_t)(end - start));
		first = false;
		i = last + 1;
	}
	buf_putc(out, '}');
}

static int add_completed(struct intake *in, struct json_text event, const struct known *k,
    struct buf *out, evlog_error *err)
{
	add_stamp(out);
	if (!k->specversion)
		buf_puts(out, "\"specversion\":\"1.0\",");
	if (!k->id) {
		buf_puts(out, "\"id\":");
		int r = add_id(in, out, err);
		if (r)
			return r;
		buf_putc(out, ',');
	}
	if (!k->source) {
		buf_puts(out, "\"source\":");
		add_source(in, out);
		buf_putc(out, ',');
	}
	if (!k->subject && in->subject) {
		buf_puts(out, "\"subject\":");
		json_escape(out, (struct view){in->subject, strlen(in->subject)});
		buf_putc(out, ',');
	}
	add_members(&in->members, event, out);
	return 0;
}

static int add_event(struct intake *in, struct json_text value, const char *line,
    struct buf *out, struct intake_event *event, evlog_error *err)
{
	struct known k;

	if (json_type_of(value) != JSON_OBJECT)
		return bad(err, (size_t)(value.p - line), "%s%s",
		    "an event is a JSON object",
		    " (--type or --type-from wraps other JSON, --text wraps text)");
	int r = members_check(in, line, err);
	if (r)
		return r;
	known_find(&k, &in->members);
	if ((r = known_check(&k, value, line, err)) != 0)
		return r;
	if (k.time)
		time_rfc3339(k.time->value.p + 1, k.time->value.len - 2, &event->time);
	if (!in->replica)
		return add_completed(in, value, &k, out, err);
	if (!k.specversion || !stamp_read(line, value.len, &event->seq, &event->logtime))
		return bad(err, 0, "%s%s", "--replica takes only stored lines",
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
	bool wrap = in->type_from || (in->type && !in->replica);

	*event = (struct intake_event){.time = EVLOG_TIME_MIN};
	if (in->text) {
		in->members.n = 0;
		struct buf quoted = {0};
		json_escape(&quoted, (struct view){line, len});
		bool good = !quoted.failed &&
			    json_scan(quoted.p, quoted.len, &value, NULL, &fault);
		int r = quoted.failed ? error_memory(err)
			: good	      ? add_wrapped(in, value, value.p, out, event, err)
			       : bad(err, fault.offset - 1, "%s%s", fault.reason, "");
		buf_free(&quoted);
		return finish(out, start, r, err);
	}
	if (!json_scan(line, len, &value, wrap ? NULL : &in->members, &fault)) {
		if (!fault.reason)
			return error_memory(err);
		return bad(err, fault.offset, "%s%s", fault.reason, "");
	}
	if (in->replica && value.p != line)
		return bad(err, 0, "%s%s", "--replica takes only stored lines",
		    ", as evcat prints them");
	int r = wrap ? add_wrapped(in, value, line, out, event, err)
		     : add_event(in, value, line, out, event, err);
	return finish(out, start, r, err);
}
