/* dead_letter.c - takes the events out of dead letters, to deliver them again. */
#include "replay/dead_letter.h"
#include "base/error.h"
#include "base/options.h"
#include "event/stamp.h"
#include "json/path.h"

#include <inttypes.h>
#include <nettle/base64.h>
#include <stdlib.h>

/* Appends the line that a letter holds if it could not be parsed: unchanged, with its own
 * stamp. */
static bool line_add(struct buf *out, struct json_text data)
{
	struct base64_decode_ctx ctx;
	struct json_text text;
	size_t size;

	if (!json_top_find(data, (struct view){"line", 4}, &text) || *text.p != '"' ||
	    !buf_reserve(out, BASE64_DECODE_LENGTH(text.len)))
		return false;
	base64_decode_init(&ctx);
	if (!base64_decode_update(
		&ctx, &size, (uint8_t *)out->p + out->len, text.len - 2, text.p + 1) ||
	    !base64_decode_final(&ctx) || memchr(out->p + out->len, '\n', size))
		return false;
	out->len += size;
	buf_putc(out, '\n');
	return true;
}

/* Appends the event in a letter with the letter's stamp, since its place is now in this
 * log.  Returns false if it is not a letter. */
static bool letter_open(struct buf *out, const struct evlog_event *e)
{
	struct json_text letter = {e->line, e->len}, data, event;
	uint64_t seq;
	int64_t t;

	if (!json_top_find(letter, (struct view){"data", 4}, &data) || *data.p != '{')
		return false;
	if (!json_top_find(data, (struct view){"event", 5}, &event))
		return line_add(out, data);
	if (*event.p != '{')
		return false;
	if (stamp_read(e->line, e->len, &seq, &t)) {
		buf_add(out, e->line, STAMP_SIZE);
		size_t skip = stamp_read(event.p, event.len, &seq, &t) ? STAMP_SIZE : 1;
		buf_add(out, event.p + skip, event.len - skip);
	} else {
		buf_add(out, event.p, event.len);
	}
	buf_putc(out, '\n');
	return true;
}

int evlog_dead_letters_new(
    evlog_dead_letters **d, evlog_map_fn *map, void *arg, evlog_error *err)
{
	NEED(d, err);
	*d = calloc(1, sizeof **d);
	if (!*d)
		return error_memory(err);
	(*d)->map = map;
	(*d)->map_arg = arg;
	return 0;
}

int evlog_dead_letter_unwrap(void *arg, const struct evlog_lines *lines,
    evlog_write_fn *put, void *to, evlog_error *err)
{
	struct evlog_dead_letters *l = arg;
	struct evlog_event e;
	int r = 0;

	OWN_ERROR(err);
	NEED(l && lines && put, err);
	struct buf *out = &l->room;
	struct evlog_lines left = *lines;
	out->len = 0;
	while (!r && evlog_lines_take(&left, &e))
		if (!letter_open(out, &e))
			r = error_set(err, EVLOG_EDATA,
			    "event %" PRIu64
			    ": not a dead letter: there is no event in its data",
			    e.seq);
	if (out->failed) {
		buf_free(out);
		return error_memory(err);
	}
	struct evlog_lines events = {.p = out->p, .len = out->len};
	int mapped = l->map && out->len ? l->map(l->map_arg, &events, put, to, err) : 1;
	if (mapped > 0 && put(to, out->p, out->len) < 0)
		return error_memory(err);
	return mapped < 0 ? mapped : r;
}

void evlog_dead_letters_free(evlog_dead_letters *d)
{
	if (d)
		buf_free(&d->room);
	free(d);
}
