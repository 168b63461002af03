/* pretty.c - a valid JSON text with a line a member, as jq prints it. */
#include "base/error.h"
#include "json/scan.h"

static void newline(struct buf *b, unsigned depth)
{
	buf_putc(b, '\n');
	while (depth--)
		buf_puts(b, "  ");
}

static const char *space_skip(const char *p, const char *end)
{
	while (p < end && (unsigned char)*p <= ' ')
		p++;
	return p;
}

/* Copies a string whole; behind it. */
static const char *string_copy(struct buf *b, const char *p, const char *end)
{
	const char *q = p + 1;

	while (q < end && *q != '"')
		q += *q == '\\' ? 2 : 1;
	q = q < end ? q + 1 : end;
	buf_add(b, p, (size_t)(q - p));
	return q;
}

static void pretty(struct buf *b, const char *p, const char *end)
{
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
				newline(b, ++depth);
			}
		} else if (c == '}' || c == ']') {
			newline(b, depth ? --depth : 0);
			buf_putc(b, c);
		} else {
			buf_putc(b, c);
			if (c == ',')
				newline(b, depth);
			else if (c == ':')
				buf_putc(b, ' ');
		}
	}
}

int evlog_json_pretty(
    const char *p, size_t len, evlog_write_fn *write, void *arg, evlog_error *err)
{
	struct buf b = {0};
	int r = 0;

	pretty(&b, p, p + len);
	if (b.failed)
		r = error_memory(err);
	else if (write(arg, b.p, b.len) < 0)
		r = error_sys(err, "standard output");
	buf_free(&b);
	return r;
}
