/* ignored.c - copies an event without the members that do not count. */
#include "diff/ignored.h"
#include "base/error.h"
#include "event/stamp.h"

#include <inttypes.h>
#include <stdlib.h>

int ignored_parse(struct ignored *x, const char *const *paths, size_t n, evlog_error *err)
{
	while (x->n < n) {
		int r = json_path_parse(&x->at[x->n], paths[x->n], err);
		if (r)
			return r;
		if (x->at[x->n++]->n == 0)
			return error_set(err, EVLOG_EUSAGE, "\"%s\" is the whole event",
			    paths[x->n - 1]);
	}
	return 0;
}

void ignored_free(struct ignored *x)
{
	for (size_t i = 0; i < x->n; i++)
		free(x->at[i]);
	buf_free(&x->text);
}

/* Whether a member, or element `number` of an array, is what a step says. */
static bool step_is(
    struct view step, const struct json_member *m, bool array, size_t number)
{
	size_t i = 0;

	return array ? json_index(step, &i) && i == number : json_key_is(m, step);
}

/* The paths of the set `in` that lead to the member, or element, at this depth.  Sets
 * *all if one of them ends there; then the others are looked up below it, for x->met. */
static uint64_t paths_through(struct ignored *x, const struct json_member *m, bool array,
    size_t number, size_t depth, uint64_t in, bool *all)
{
	uint64_t through = 0;
	struct json_text found;

	*all = false;
	for (size_t i = 0; i < x->n; i++) {
		const uint64_t bit = UINT64_C(1) << i;
		if (!(in & bit) || !step_is(x->at[i]->step[depth], m, array, number))
			continue;
		through |= bit;
		*all |= x->at[i]->n == depth + 1;
		if (json_path_find_from(x->at[i], depth + 1, m->value, &found))
			x->met |= bit;
	}
	return through;
}

/* Copies an object or an array without what is at the ends of the paths in the set `in`.
 * This goes no deeper than the paths do. */
static void copy(struct ignored *x, struct json_text v, size_t depth, uint64_t in)
{
	const bool array = json_type_of(v) == JSON_ARRAY;
	const char *mark = array ? "[" : "{";
	unsigned stamp = depth ? 0 : x->stamp;
	struct json_walk w;
	struct json_member m;
	bool all;

	json_walk_begin(&w, v);
	for (size_t number = 0; json_walk_next(&w, &m); number++) {
		uint64_t through = paths_through(x, &m, array, number, depth, in, &all);
		if (all || number < stamp)
			continue;
		buf_puts(&x->text, mark);
		mark = ",";
		if (!array) {
			buf_putc(&x->text, '"');
			buf_add(&x->text, m.key.p, m.key.len);
			buf_puts(&x->text, "\":");
		}
		enum json_type type = json_type_of(m.value);
		if (through && (type == JSON_OBJECT || type == JSON_ARRAY))
			copy(x, m.value, depth + 1, through);
		else
			buf_add(&x->text, m.value.p, m.value.len);
	}
	if (*mark != ',')
		buf_puts(&x->text, mark);
	buf_putc(&x->text, array ? ']' : '}');
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
	copy(x, v, 0, UINT64_MAX);
	*rest = (struct view){x->text.p, x->text.len};
	return x->text.failed ? error_memory(err) : 0;
}
