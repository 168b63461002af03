/* ignored.c - copies an event without the members that do not count. */
#include "diff/ignored.h"
#include "base/error.h"
#include "event/stamp.h"

#include <inttypes.h>
#include <stdlib.h>

int ignored_parse(struct ignored *x, const char *const *paths, size_t n, evlog_error *err)
{
	for (; x->n < n; x->n++) {
		int r = json_path_parse(&x->at[x->n], paths[x->n], err);
		if (r)
			return r;
		if (x->at[x->n]->n == 0)
			return error_set(
			    err, EVLOG_EUSAGE, "\"%s\" is the whole event", paths[x->n]);
	}
	return 0;
}

void ignored_free(struct ignored *x)
{
	for (size_t i = 0; i < x->n; i++)
		free(x->at[i]);
	buf_free(&x->text);
}

/* The paths of the set `in` whose step at this depth is the member.  Sets *all if the
 * member is the end of one of them. */
static uint64_t paths_through(
    struct ignored *x, const struct json_member *m, size_t depth, uint64_t in, bool *all)
{
	uint64_t through = 0;

	*all = false;
	for (size_t i = 0; i < x->n; i++) {
		const uint64_t bit = UINT64_C(1) << i;
		if (!(in & bit) || !json_key_is(m, x->at[i]->step[depth]))
			continue;
		through |= bit;
		if (x->at[i]->n == depth + 1) {
			x->met |= bit;
			*all = true;
		}
	}
	return through;
}

/* Copies an object without the members at the ends of the paths in the set `in`.  This
 * goes no deeper than the paths do. */
static void object_copy(struct ignored *x, struct json_text v, size_t depth, uint64_t in)
{
	struct json_walk w;
	struct json_member m;
	const char *mark = "{";
	unsigned stamp = depth ? 0 : x->stamp;
	bool all;

	json_walk_begin(&w, v);
	while (json_walk_next(&w, &m)) {
		uint64_t through = paths_through(x, &m, depth, in, &all);
		bool stamped = stamp > 0;
		stamp -= stamped;
		if (all || stamped)
			continue;
		buf_puts(&x->text, mark);
		mark = ",";
		buf_putc(&x->text, '"');
		buf_add(&x->text, m.key.p, m.key.len);
		buf_puts(&x->text, "\":");
		if (through && json_type_of(m.value) == JSON_OBJECT)
			object_copy(x, m.value, depth + 1, through);
		else
			buf_add(&x->text, m.value.p, m.value.len);
	}
	buf_puts(&x->text, *mark == '{' ? "{}" : "}");
}

int ignored_apply(
    struct ignored *x, const struct evlog_event *e, struct view *rest, evlog_error *err)
{
	struct json_fault fault;
	struct json_text v;
	uint64_t seq;
	int64_t time;

	x->text.len = 0;
	x->stamp = stamp_read(e->line, e->len, &seq, &time) ? 2 : 0;
	if (!json_scan(e->line, e->len, JSON_DEPTH, &v, NULL, &fault) ||
	    json_type_of(v) != JSON_OBJECT)
		return error_set(
		    err, EVLOG_EDATA, "event %" PRIu64 ": not a JSON object", e->seq);
	object_copy(x, v, 0, UINT64_MAX);
	*rest = (struct view){x->text.p, x->text.len};
	return x->text.failed ? error_memory(err) : 0;
}
