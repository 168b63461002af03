/* causes.c - finds the event of a batch that caused an event printed by the command. */
#include "run/causes.h"
#include "base/hash.h"
#include "event/stamp.h"
#include "json/path.h"

#include <stdlib.h>
#include <string.h>

struct cause {
	uint64_t hash; /* of the id, escapes resolved */
	const char *line;
	size_t len;
};

static struct view line_of(struct view lines, size_t number)
{
	const char *p = lines.p, *end = p + lines.len;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		if (number-- == 0)
			return (struct view){p, (size_t)(nl - p)};
		p = nl + 1;
	}
	return (struct view){NULL, 0};
}

/* ---- By id ---- */

/* Appends the text of a string, with its escapes resolved, to room; the view is valid
 * until room changes. */
static struct view plain(struct buf *room, struct json_text v)
{
	size_t start = room->len;

	json_unescape(room, v);
	return (struct view){room->p + start, room->len - start};
}

/* Whether two strings are equal, even if they are escaped differently. */
static bool same_text(struct buf *room, struct json_text a, struct json_text b)
{
	room->len = 0;
	size_t n = plain(room, a).len;
	size_t m = plain(room, b).len;
	return !room->failed && n == m &&
	       (n == 0 || memcmp(room->p, room->p + n, n) == 0);
}

static uint64_t id_hash(struct buf *room, struct json_text id)
{
	room->len = 0;
	struct view text = plain(room, id);
	return hash_table(text.len ? text.p : "", text.len);
}

static int cause_order(const void *a, const void *b)
{
	const struct cause *x = a, *y = b;

	if (x->hash != y->hash)
		return (x->hash > y->hash) - (x->hash < y->hash);
	return (x->line > y->line) - (x->line < y->line);
}

static int causes_list(struct causes *all)
{
	struct evlog_lines left = {.p = all->lines.p, .len = all->lines.len};
	struct evlog_event e;

	all->listed = true;
	while (evlog_lines_take(&left, &e)) {
		struct json_text id = json_top_string(e.line, e.len, "id");
		if (!id.p)
			continue;
		if (all->n == all->cap &&
		    !array_grow(&all->at, &all->cap, sizeof *all->at))
			return -1;
		all->at[all->n++] =
		    (struct cause){id_hash(&all->room, id), e.line, e.len};
	}
	if (all->n)
		qsort(all->at, all->n, sizeof *all->at, cause_order);
	return all->room.failed ? -1 : 0;
}

/* Gets the first event of the batch with this id; cause->p is NULL if there is none.
 * Returns 0, or -1 if out of memory. */
static int cause_named(struct causes *all, struct json_text id, struct view *cause)
{
	size_t low = 0, high;

	*cause = (struct view){NULL, 0};
	if (!all->listed && causes_list(all) < 0)
		return -1;
	uint64_t hash = id_hash(&all->room, id);
	for (high = all->n; low < high;) {
		size_t middle = low + (high - low) / 2;
		if (all->at[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < all->n && all->at[low].hash == hash && !cause->p; low++) {
		const struct cause *c = &all->at[low];
		if (same_text(&all->room, id, json_top_string(c->line, c->len, "id")))
			*cause = (struct view){c->line, c->len};
	}
	return all->room.failed ? -1 : 0;
}

/* ---- Filling in ---- */

/* Gets the cause of an event; cause->p is NULL if there is none, or if it is the event
 * itself.  Returns 0, or -1 if out of memory. */
static int cause_find(
    struct causes *all, size_t number, const char *line, size_t len, struct view *cause)
{
	struct json_text named = json_top_string(line, len, "causationid");
	struct json_text own = json_top_string(line, len, "id"), id;

	*cause = (struct view){NULL, 0};
	if (named.p && cause_named(all, named, cause) < 0)
		return -1;
	const char *nl = memchr(all->lines.p, '\n', all->lines.len);
	if (!cause->p && nl + 1 == all->lines.p + all->lines.len)
		*cause = (struct view){all->lines.p, all->lines.len - 1};
	if (!cause->p && all->by_line)
		*cause = line_of(all->lines, number);
	id = cause->p ? json_top_string(cause->p, cause->len, "id") : own;
	if (!id.p || (own.p && same_text(&all->room, id, own)))
		*cause = (struct view){NULL, 0};
	return all->room.failed ? -1 : 0;
}

int causes_fill(struct causes *all, size_t number, struct buf *out, size_t start)
{
	const char *line = out->p + start;
	size_t len = out->len - start - 1;
	struct buf fill = {0};
	struct view cause;

	struct json_text causation = json_top_string(line, len, "causationid");
	struct json_text correlation = json_top_string(line, len, "correlationid");
	if (causation.p && correlation.p)
		return 0;
	if (cause_find(all, number, line, len, &cause) < 0)
		return -1;
	all->uncaused += !cause.p && !causation.p;
	if (!cause.p)
		return 0;
	struct json_text id = json_top_string(cause.p, cause.len, "id");
	struct json_text theirs = json_top_string(cause.p, cause.len, "correlationid");
	if (!theirs.p)
		theirs = id;
	if (!causation.p)
		buf_printf(&fill, "\"causationid\":%.*s,", (int)id.len, id.p);
	if (!correlation.p)
		buf_printf(&fill, "\"correlationid\":%.*s,", (int)theirs.len, theirs.p);
	bool good = !fill.failed && buf_reserve(out, fill.len);
	if (good && fill.len) {
		char *at = out->p + start + STAMP_SIZE;
		memmove(at + fill.len, at, len + 1 - STAMP_SIZE);
		memcpy(at, fill.p, fill.len);
		out->len += fill.len;
	}
	buf_free(&fill);
	return good ? 0 : -1;
}

void causes_free(struct causes *all)
{
	free(all->at);
	buf_free(&all->room);
}
