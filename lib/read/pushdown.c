/*
 * pushdown.c - finds out which blocks cannot have events that meet conditions.
 *
 * It must never rule out an event that meets them, so whatever is in doubt is left to the
 * comparison of each line.
 */
#include "read/pushdown.h"
#include "base/error.h"
#include "base/glob.h"
#include "json/scan.h"

#include <stdlib.h>

/* ---- Keys ---- */

/* Which kind of key an event must have to meet the condition; KEY_KINDS: none. */
static enum key_kind kind_asked(const struct condition *c)
{
	struct json_member m = {
	    .key = c->path->n ? c->path->step[0] : (struct view){"", 0}};
	enum key_kind kind = key_kind_of(&m);

	if (c->op == CONDITION_LACKS || c->op == CONDITION_UNEQUAL || kind == KEY_KINDS)
		return KEY_KINDS;
	if (key_is_presence(kind))
		return kind;
	/* a glob could also mean the JSON text of a value that is not a string */
	bool text = c->kind == VALUE_TEXT ||
		    (c->kind == VALUE_GLOB && c->is_plain &&
			!json_is_valid((struct json_text){c->text, c->len}));
	return c->path->n == 1 && c->op == CONDITION_EQUAL && text ? kind : KEY_KINDS;
}

static int key_add(
    const struct condition *c, struct filter_wanted *wanted, evlog_error *err)
{
	enum key_kind kind = kind_asked(c);

	if (kind == KEY_KINDS || wanted->of[kind].n)
		return 0;
	uint64_t *key = malloc(sizeof *key);
	if (!key)
		return error_memory(err);
	*key = filter_key(kind, key_is_presence(kind) ? (struct view){"", 0}
						      : (struct view){c->text, c->len});
	wanted->of[kind].key = key;
	wanted->of[kind].n = 1;
	return 0;
}

/* ---- Bounds ---- */

static bool is_lower(enum condition_op op)
{
	return op == CONDITION_EQUAL || op == CONDITION_GREATER ||
	       op == CONDITION_AT_LEAST;
}

static bool is_upper(enum condition_op op)
{
	return op == CONDITION_EQUAL || op == CONDITION_LESS || op == CONDITION_AT_MOST;
}

/* Digits after the microsecond are left to the comparison. */
static void times_narrow(const struct condition *c, int64_t *since, int64_t *until)
{
	if (is_lower(c->op) && c->time > *since)
		*since = c->time;
	if (is_upper(c->op) && c->time < EVLOG_TIME_MAX - 1 && c->time + 1 < *until)
		*until = c->time + 1;
}

static void seqs_narrow(const struct condition *c, struct bounds *b)
{
	const struct decimal *d = &c->number;

	if (d->big || d->scale || d->small < 1 || d->small > INT64_MAX / 2)
		return;
	uint64_t n = (uint64_t)d->small;
	if (is_lower(c->op) && n > b->from)
		b->from = n;
	if (is_upper(c->op) && (!b->to || n < b->to))
		b->to = n;
}

static void bounds_narrow(const struct condition *c, struct bounds *b)
{
	if (c->path->n != 1)
		return;
	if (c->kind == VALUE_NUMBER && c->is_seq)
		seqs_narrow(c, b);
	if (c->kind == VALUE_TIME && view_is(c->path->step[0], "logtime"))
		times_narrow(c, &b->since, &b->until);
	if (c->kind == VALUE_TIME && view_is(c->path->step[0], "time"))
		times_narrow(c, &b->event_since, &b->event_until);
}

int where_push_down(const struct where *w, struct bounds *b, struct filter_wanted *wanted,
    evlog_error *err)
{
	for (size_t i = 0; i < w->n; i++) {
		bounds_narrow(&w->at[i], b);
		int r = key_add(&w->at[i], wanted, err);
		if (r)
			return r;
	}
	return 0;
}
