/*
 * mapping.c - converts stored events, and selects what they have become.
 *
 * The consumer calls the map itself, for one event after another, rather than giving it
 * to the stream.  So it knows which lines an event has become, and still has the event as
 * it was stored, which can be a line of a pipe and is never read again.
 */
#include "base/error.h"
#include "run/consumer.h"

#include <errno.h>
#include <inttypes.h>

int mapping_begin(struct mapping *m, struct evlog_selection *sel, evlog_error *err)
{
	const struct evlog_dead_letters *letters = sel->map_arg;

	m->map = sel->map;
	m->arg = sel->map_arg;
	m->unwrapping = m->map == evlog_dead_letter_unwrap && letters;
	if (m->unwrapping) {
		m->map = letters->map;
		m->arg = letters->map_arg;
	}
	m->used = m->unwrapping || m->map;
	m->left = UINT64_MAX;
	if (!m->used)
		return 0;
	m->wanted = *sel;
	m->wanted.from = m->wanted.to = 0; /* the stream applies these bounds */
	if (!sel->event_time) {
		m->wanted.since = EVLOG_TIME_MIN;
		m->wanted.until = EVLOG_TIME_MAX;
	} else {
		sel->event_time = false;
		sel->since = EVLOG_TIME_MIN;
		sel->until = EVLOG_TIME_MAX;
	}
	if (sel->count)
		m->left = sel->count;
	if (sel->last && sel->last < m->left)
		m->left = sel->last; /* backwards, these are the first */
	sel->types = sel->subjects = sel->sources = sel->ids = sel->wheres = 0;
	sel->count = sel->last = 0;
	return select_init(&m->select, &m->wanted, err);
}

void mapping_end(struct mapping *m)
{
	select_free(&m->select);
	buf_free(&m->letters.room);
	buf_free(&m->stored);
	buf_free(&m->lines);
}

static int lines_add(void *arg, const char *p, size_t len)
{
	struct buf *b = arg;

	buf_add(b, p, len);
	errno = ENOMEM;
	return b->failed ? -1 : 0;
}

/* Calls a map.  Sets *lines to what it puts, which is added to room, unless the lines
 * stay as they are; then returns 1, or EVLOG_WAIT. */
static int map_call(evlog_map_fn *map, void *arg, struct evlog_lines *lines,
    struct buf *room, evlog_error *err)
{
	evlog_error why = {0};

	room->len = 0;
	int r = map(arg, lines, lines_add, room, &why);
	if (r < 0 && why.code != r)
		error_set(&why, r, "the map has failed without a reason");
	if (r > EVLOG_WAIT)
		r = error_set(&why, EVLOG_EUSAGE, "the map has returned %d", r);
	if (r == 0 && room->len && room->p[room->len - 1] != '\n')
		r = error_set(
		    &why, EVLOG_EUSAGE, "the map has put a line without its newline");
	if (r < 0)
		*err = why;
	else if (room->failed)
		return error_memory(err);
	if (r == 0)
		*lines = (struct evlog_lines){.p = room->p, .len = room->len};
	return r;
}

int mapping_call(
    struct mapping *m, const struct evlog_event *e, struct mapped *out, evlog_error *err)
{
	struct evlog_lines lines = {.p = e->line, .len = e->len + 1};
	int r = 1;

	if (m->unwrapping)
		r = map_call(
		    evlog_dead_letter_unwrap, &m->letters, &lines, &m->stored, err);
	out->stored = (struct view){lines.p, lines.len ? lines.len - 1 : 0};
	out->changed = false;
	if (r >= 0 && m->map && lines.len) {
		r = map_call(m->map, m->arg, &lines, &m->lines, err);
		out->changed = r == 0;
	}
	out->lines = lines;
	return r == 0 ? 1 : r;
}

int mapping_selects(struct mapping *m, const struct evlog_event *e, evlog_error *err)
{
	bool wanted = select_event(&m->select, e);

	if (m->select.failed)
		return error_memory(err);
	if (!m->select.has_bad)
		return wanted;
	m->select.has_bad = false;
	return error_set(err, EVLOG_EDATA, "event %" PRIu64 ": not valid JSON", e->seq);
}
