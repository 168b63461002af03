/* diff.c - what two operands are, and which comparison fits. */
#include "base/error.h"
#include "diff/operand.h"

#include <sys/stat.h>

static bool is_state(const struct side *s)
{
	return s->kind == SIDE_STATE || s->kind == SIDE_STATES;
}

static int sides_diff(
    struct evlog_diff *d, struct side *a, struct side *b, evlog_error *err)
{
	bool states = is_state(a) || is_state(b);
	bool events = a->kind == SIDE_EVENTS || b->kind == SIDE_EVENTS;

	if (states && events)
		return error_set(err, EVLOG_EDATA,
		    "%s and %s: one holds events, the other a state", a->path, b->path);
	if (states && d->by_id)
		return error_set(
		    err, EVLOG_EUSAGE, "--by-id compares events, not states");
	if (events && d->only_states)
		return error_set(
		    err, EVLOG_EUSAGE, "--output patch is of states, not events");
	if (states)
		return diff_states(d, a, b, err);
	return d->by_id ? diff_by_id(d, a, b, err) : diff_logs(d, a, b, err);
}

static bool is_directory(const char *path)
{
	struct stat st;

	return strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int evlog_diff(
    struct evlog_diff *d, const char *path_a, const char *path_b, evlog_error *err)
{
	struct side a = {.kept_fd = -1}, b = {.kept_fd = -1};
	int r = 0;

	d->same = d->only_a = d->only_b = d->changed = d->prefix = 0;
	d->states = false;
	if (!d->by_id && is_directory(path_a) && is_directory(path_b))
		r = diff_prefix(path_a, path_b, &d->prefix, err);
	d->same = d->prefix;
	uint64_t from = d->prefix ? d->prefix + 1 : 0;
	if (!r)
		r = side_open(&a, d, path_a, from, d->by_id, err);
	if (!r)
		r = side_open(&b, d, path_b, from, false, err);
	if (!r)
		r = sides_diff(d, &a, &b, err);
	side_close(&a);
	side_close(&b);
	return r;
}
