/* state_codec.c - saves and restores everything in a group, so that folding can continue
 * as if it had not stopped.  The printed state is not enough: an average, for example,
 * lacks its count. */
#include "base/error.h"
#include "event/stamp.h"
#include "fold/fold.h"
#include "json/decimal.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- Writing ---- */

static void save(struct buf *b, const struct reducer *r, const struct accumulator *at)
{
	static const struct collected none;
	struct view word;

	switch (r->func) {
	case FUNC_COUNT:
	case FUNC_SUM:
	case FUNC_LIST:
	case FUNC_SET:
		accumulator_write(b, r, at);
		return; /* their results are complete */
	case FUNC_FIRST:
	case FUNC_LAST: /* [VALUE], or [] */
		word = word_view(at);
		buf_putc(b, '[');
		buf_add(b, word.p, word.len);
		buf_putc(b, ']');
		return;
	default: break;
	}
	const struct collected *a = at->collected ? at->collected : &none;
	switch (r->func) {
	case FUNC_AVG:
		buf_putc(b, '[');
		decimal_write(b, &a->number);
		buf_printf(b, ",%" PRIu64 "]", a->count);
		break;
	case FUNC_MIN:
	case FUNC_MAX:
		if (a->count)
			buf_printf(b, "[%d,", a->kind);
		else
			buf_putc(b, '[');
		buf_add(b, a->text.p, a->text.len);
		buf_putc(b, ']');
		break;
	default: /* merge, patch */
		buf_putc(b, '[');
		if (a->tree)
			value_write(b, a->tree);
		buf_putc(b, ']');
	}
}

int group_save(evlog_fold *f, const struct group *g, struct buf *b, evlog_error *err)
{
	if (f->program)
		return program_write(f->program, g->state, true, b, err);
	for (size_t i = 0; i < f->n; i++) {
		buf_putc(b, i ? ',' : '[');
		save(b, &f->reducers[i], group_at(g, &f->reducers[i]));
	}
	buf_putc(b, ']');
	return b->failed ? error_memory(err) : 0;
}

/* ---- Reading ---- */

static bool number_restore(struct json_text v, uint64_t *n)
{
	char text[24], *end;

	if (v.len >= sizeof text || json_type_of(v) != JSON_NUMBER)
		return false;
	memcpy(text, v.p, v.len);
	text[v.len] = '\0';
	*n = strtoull(text, &end, 10);
	return *end == '\0';
}

/* [KIND,VALUE], or [] */
static bool extreme_restore(
    const struct reducer *r, struct accumulator *a, struct json_text v, bool *failed)
{
	struct json_walk w;
	struct json_member m;
	uint64_t kind;

	json_walk_begin(&w, v);
	if (!json_walk_next(&w, &m))
		return true;
	return number_restore(m.value, &kind) && json_walk_next(&w, &m) &&
	       accumulate(r, a, m.value, failed) == NULL && a->collected &&
	       (uint64_t)a->collected->kind == kind;
}

/* Adds the elements, as if they came from events. */
static bool elements_restore(
    const struct reducer *r, struct accumulator *a, struct json_text v, bool *failed)
{
	struct json_walk w;
	struct json_member m;
	bool good = true;

	json_walk_begin(&w, v);
	while (good && !*failed && json_walk_next(&w, &m)) {
		if (r->func >= FUNC_MERGE) {
			struct collected *c = accumulator_collected(a);
			if (c && c->tree)
				return false;
			*failed = !c || !(c->tree = value_parse(m.value));
		} else
			good = accumulate(r, a, m.value, failed) == NULL;
	}
	return good;
}

static bool restore(
    const struct reducer *r, struct accumulator *a, struct json_text v, bool *failed)
{
	struct json_walk w;
	struct json_member sum, n;
	enum json_type type = json_type_of(v);

	*failed = false;
	if (r->func == FUNC_COUNT)
		return number_restore(v, &a->count);
	if (r->func == FUNC_SUM)
		return type == JSON_NUMBER && sum_restore(a, v, failed);
	if (type != JSON_ARRAY)
		return false;
	if (r->func == FUNC_MIN || r->func == FUNC_MAX)
		return extreme_restore(r, a, v, failed);
	if (r->func != FUNC_AVG)
		return elements_restore(r, a, v, failed);
	struct collected *c = accumulator_collected(a);
	*failed = !c;
	json_walk_begin(&w, v);
	return c && json_walk_next(&w, &sum) && json_walk_next(&w, &n) &&
	       json_type_of(sum.value) == JSON_NUMBER &&
	       decimal_restore(&c->number, sum.value, failed) &&
	       number_restore(n.value, &c->count);
}

int group_restore(evlog_fold *f, struct group *g, struct json_text v, evlog_error *err)
{
	struct json_walk w;
	struct json_member m;
	size_t i = 0;
	bool failed = false, good = true;

	if (f->program)
		return program_restore(f->program, &g->state, v, err);
	if (json_type_of(v) != JSON_ARRAY)
		return error_set(err, EVLOG_EDATA,
		    "the number of values is not the number of reducers");
	json_walk_begin(&w, v);
	while (good && !failed && json_walk_next(&w, &m)) {
		good = i < f->n && restore(&f->reducers[i], group_at(g, &f->reducers[i]),
				       m.value, &failed);
		i++;
	}
	if (failed)
		return error_memory(err);
	return good && i == f->n
		   ? 0
		   : error_set(err, EVLOG_EDATA, "not a state of these reducers");
}
