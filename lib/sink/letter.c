/* letter.c - makes dead letters: events in which an event is put aside that could not be
 * processed. */
#include "sink/letter.h"
#include "json/path.h"

#include <nettle/base64.h>

/* Appends any bytes as a JSON string.  If they are not valid UTF-8, all that are not
 * ASCII become "?". */
static void add_text(struct buf *out, const char *p, size_t n)
{
	struct json_fault fault;
	struct json_text v;
	struct buf plain = {0};
	size_t start = out->len;

	json_escape(out, (struct view){p, n});
	if (out->failed ||
	    json_scan(out->p + start, out->len - start, JSON_DEPTH, &v, NULL, &fault))
		return;
	out->len = start;
	buf_add(&plain, p, n);
	for (size_t i = 0; i < plain.len; i++)
		if (plain.p[i] & 0x80)
			plain.p[i] = '?';
	out->failed |= plain.failed;
	json_escape(out, (struct view){plain.p, plain.len});
	buf_free(&plain);
}

static void add_member(struct buf *out, const char *name, struct json_text v)
{
	if (v.p)
		buf_printf(out, "\"%s\":%.*s,", name, (int)v.len, v.p);
}

/* Appends the event as the member `event`; or, if it is not an event, or the letter would
 * be nested too deeply, as the member `line`, in base64: a consumer must be able to put
 * any line aside. */
static void add_event(struct buf *out, struct view line)
{
	struct json_text value;
	struct json_fault fault;
	size_t size = BASE64_ENCODE_RAW_LENGTH(line.len);

	if (json_scan(line.p, line.len, JSON_DEPTH - 2, &value, NULL, &fault) &&
	    json_type_of(value) == JSON_OBJECT) {
		buf_puts(out, ",\"event\":");
		buf_add(out, value.p, value.len);
		return;
	}
	buf_puts(out, ",\"line\":\"");
	if (buf_reserve(out, size)) {
		base64_encode_raw(out->p + out->len, line.len, (const uint8_t *)line.p);
		out->len += size;
	}
	buf_putc(out, '"');
}

void letter_write(struct buf *out, const struct letter_facts *l)
{
	const char *p = l->line.p;
	size_t n = l->line.len;
	struct json_text subject = json_top_string(p, n, "subject");
	struct json_text id = json_top_string(p, n, "id");
	struct json_text correlation = json_top_string(p, n, "correlationid");

	buf_puts(out, "{\"type\":\"evlog.deadletter\",");
	add_member(out, "subject", subject.len > 2 ? subject : (struct json_text){0});
	add_member(out, "causationid", id);
	add_member(out, "correlationid", correlation.p ? correlation : id);
	buf_puts(out, "\"data\":{\"reason\":");
	add_text(out, l->reason, strlen(l->reason));
	if (l->status >= 0)
		buf_printf(out, ",\"status\":%d", l->status);
	if (l->signal)
		buf_printf(out, ",\"signal\":%d", l->signal);
	if (l->attempts) {
		buf_printf(out, ",\"attempts\":%u,\"stderr\":", l->attempts);
		add_text(out, l->error.p, l->error.len);
	}
	buf_puts(out, ",\"command\":");
	for (size_t i = 0; l->command[i]; i++) {
		buf_putc(out, i ? ',' : '[');
		add_text(out, l->command[i], strlen(l->command[i]));
	}
	buf_putc(out, ']');
	add_event(out, l->line);
	buf_puts(out, "}}");
}
