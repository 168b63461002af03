/* diff.c - determines what two operands are, and which comparison to make.
 *
 * diff/ compares two logs, or two states.  It must not know how differences are
 * printed. */
#include "base/error.h"
#include "base/options.h"
#include "diff/operand.h"

#include <sys/stat.h>

static bool is_state(const struct diff_operand *s)
{
	return s->kind == OPERAND_STATE || s->kind == OPERAND_STATES;
}

static int operands_diff(
    struct diff *d, struct diff_operand *a, struct diff_operand *b, evlog_error *err)
{
	bool states = is_state(a) || is_state(b);
	bool events = a->kind == OPERAND_EVENTS || b->kind == OPERAND_EVENTS;

	if (states && events)
		return error_set(err, EVLOG_EDATA,
		    "%s and %s: one has events, the other states; compare like with like",
		    a->path, b->path);
	if (states && d->o.ignore_stamp)
		return error_set(err, EVLOG_EUSAGE,
		    "%s is only for events, but these are states",
		    d->o.n_ignore ? "--ignore" : "--by-id");
	if (events && d->o.only_states)
		return error_set(err, EVLOG_EUSAGE,
		    "--output patch is only for states, but these are events");
	if (states)
		return diff_states(d, a, b, err);
	return d->o.ignore_stamp ? diff_ignoring_stamps(d, a, b, err)
				 : diff_logs(d, a, b, err);
}

static int compare(
    struct diff *d, const char *path_a, const char *path_b, evlog_error *err)
{
	struct diff_operand a = {.kept_fd = -1}, b = {.kept_fd = -1};
	int r = 0;

	if (!d->o.ignore_stamp && evlog_path_is_log(path_a) && evlog_path_is_log(path_b))
		r = diff_prefix(path_a, path_b, &d->found->prefix, err);
	d->found->same = d->found->prefix;
	uint64_t from = d->found->prefix ? d->found->prefix + 1 : 0;
	if (!r)
		r = diff_operand_open(&a, d, path_a, from, d->o.ignore_stamp, err);
	if (!r)
		r = diff_operand_open(&b, d, path_b, from, false, err);
	if (!r)
		r = operands_diff(d, &a, &b, err);
	diff_operand_close(&a);
	diff_operand_close(&b);
	return r;
}

int evlog_diff(const struct evlog_diff_options *o, const char *a, const char *b,
    struct evlog_compared *found, evlog_error *err)
{
	struct evlog_compared unwanted = {0};
	struct diff d = {.found = found ? found : &unwanted};

	OWN_ERROR(err);
	NEED(a && b, err);
	REFUSE(strcmp(a, "-") == 0 && strcmp(b, "-") == 0,
	    "there is only one standard input", err);
	*d.found = (struct evlog_compared){0};
	int r = options_take(
	    &d.o, sizeof d.o, END_OF(struct evlog_diff_options, arg), o, err);
	if (r)
		return r;
	REFUSE(d.o.n_ignore && !d.o.ignore_stamp, "ignore needs ignore_stamp", err);
	NEED(!d.o.n_ignore || d.o.ignore, err);
	REFUSE(d.o.n_ignore > IGNORED_MOST, "at most 64 members can be ignored", err);
	for (size_t i = 0; i < d.o.n_ignore; i++)
		NEED(d.o.ignore[i], err);
	r = ignored_parse(&d.ignored, d.o.ignore, d.o.n_ignore, err);
	if (!r)
		r = compare(&d, a, b, err);
	for (size_t i = 0; i < d.ignored.n; i++)
		d.found->unmet |= (~d.ignored.met) & UINT64_C(1) << i;
	ignored_free(&d.ignored);
	return r;
}
