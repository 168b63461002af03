/* pretty.c - prints JSON text with one member on each line, as jq does. */
#include "base/error.h"
#include "base/options.h"
#include "json/scan.h"

#define FULL (64u << 10) /* flushed above this: indenting can multiply the size */

struct sink {
	struct buf b;
	evlog_write_fn *write;
	void *arg;
	bool failed;
};

/* Writes nothing after memory has run out: what follows would have gaps. */
static void flush(struct sink *s)
{
	if (!s->failed && !s->b.failed && s->b.len &&
	    s->write(s->arg, s->b.p, s->b.len) < 0)
		s->failed = true;
	s->b.len = 0;
}

static void newline(struct sink *s, unsigned depth)
{
	if (s->b.len > FULL)
		flush(s);
	buf_putc(&s->b, '\n');
	for (unsigned i = 0; i < depth && i < JSON_DEPTH; i++)
		buf_puts(&s->b, "  ");
}

static const char *space_skip(const char *p, const char *end)
{
	while (p < end && (unsigned char)*p <= ' ')
		p++;
	return p;
}

/* Copies a string and returns the position after it. */
static const char *string_copy(struct buf *b, const char *p, const char *end)
{
	const char *q = p + 1;

	while (q < end && *q != '"')
		q += *q == '\\' ? 2 : 1;
	q = q < end ? q + 1 : end;
	buf_add(b, p, (size_t)(q - p));
	return q;
}

static void pretty(struct sink *s, const char *p, const char *end)
{
	struct buf *b = &s->b;
	unsigned depth = 0;

	while ((p = space_skip(p, end)) < end) {
		char c = *p;
		if (c == '"') {
			p = string_copy(b, p, end);
			continue;
		}
		p++;
		if (c == '{' || c == '[') {
			const char *next = space_skip(p, end);
			buf_putc(b, c);
			if (next < end && (*next == '}' || *next == ']')) {
				buf_putc(b, *next);
				p = next + 1;
			} else {
				newline(s, ++depth);
			}
		} else if (c == '}' || c == ']') {
			newline(s, depth ? --depth : 0);
			buf_putc(b, c);
		} else {
			buf_putc(b, c);
			if (c == ',')
				newline(s, depth);
			else if (c == ':')
				buf_putc(b, ' ');
		}
	}
}

int evlog_json_pretty(
    const char *p, size_t len, evlog_write_fn *write, void *arg, evlog_error *err)
{
	struct sink s = {.write = write, .arg = arg};
	struct json_fault fault = {0};
	struct json_text text;
	int r = 0;

	NEED(p && write, err);
	if (!json_scan(p, len, JSON_DEPTH_MOST, &text, NULL, &fault))
		return fault.reason ? error_set(err, EVLOG_EDATA, "%s", fault.reason)
				    : error_memory(err);
	pretty(&s, p, p + len);
	flush(&s);
	if (s.b.failed)
		r = error_memory(err);
	else if (s.failed)
		r = error_sys(err, "output");
	buf_free(&s.b);
	return r;
}
