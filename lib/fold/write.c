/* write.c - writes the states of a fold as JSON, one row for each key. */
#include "base/error.h"
#include "base/options.h"
#include "base/ordered.h"
#include "fold/fold.h"

#include <inttypes.h>

#define AHEAD 16  /* groups to prefetch ahead */
#define RANGE 256 /* groups that a thread writes at once; one if there are no others */

int state_write(evlog_fold *f, const struct group *g, struct buf *b, evlog_error *err)
{
	const struct accumulator none = {0};

	if (f->program)
		return program_write(g ? fold_owner(f, g)->program : f->program,
		    g ? g->state : 0, false, b, err);
	for (size_t i = 0; i < f->n; i++) {
		const struct buf *label = &f->reducers[i].label;
		if (!f->plain)
			buf_add(b, label->p, label->len);
		accumulator_write(
		    b, &f->reducers[i], g ? group_at(g, &f->reducers[i]) : &none);
	}
	if (!f->plain)
		buf_putc(b, '}');
	return b->failed ? error_memory(err) : 0;
}

/* Appends {"key":KEY,"seq":SEQ,"state":STATE}; without keys only the state, or, for
 * `changes`, {"seq":SEQ,"state":STATE}. */
static int row_add(
    evlog_fold *f, const struct group *g, bool changes, struct buf *b, evlog_error *err)
{
	bool alone = !fold_keyed(f) && !changes;

	if (fold_keyed(f)) {
		buf_puts(b, "{\"key\":");
		buf_add(b, g->key.p, g->key.len);
		buf_putc(b, ',');
	} else if (!alone) {
		buf_putc(b, '{');
	}
	if (!alone && g->seq) {
		buf_puts(b, "\"seq\":");
		buf_number(b, g->seq);
		buf_puts(b, ",\"state\":");
	} else if (!alone)
		buf_puts(b, "\"seq\":null,\"state\":");
	int r = state_write(f, g, b, err);
	if ((r == EVLOG_EDATA || r == EVLOG_EPROGRAM) && g) {
		evlog_error why = *err;
		error_set(err, r, "the state%s%.*s after event %" PRIu64 ": %s",
		    g->key.len ? " of key " : "", (int)g->key.len, g->key.p, g->seq,
		    why.text);
	}
	buf_puts(b, alone ? "\n" : "}\n");
	return r ? r : b->failed ? error_memory(err) : 0;
}

static int rows_put(
    const struct buf *b, evlog_write_fn *write, void *arg, evlog_error *err)
{
	return write(arg, b->p, b->len) < 0 ? error_sys(err, "output") : 0;
}

/* A single row. */
static int row_write(evlog_fold *f, const struct group *g, bool changes,
    evlog_write_fn *write, void *arg, evlog_error *err)
{
	f->row.len = 0;
	int r = row_add(f, g, changes, &f->row, err);
	return r ? r : rows_put(&f->row, write, arg, err);
}

/* ---- Many rows: threads write ranges of them ---- */

struct range {
	size_t from, to; /* of the sorted groups */
	struct buf text;
	int r;
	evlog_error err;
};

static void range_write(void *arg, void *job, unsigned worker)
{
	evlog_fold *f = arg;
	struct range *x = job;

	(void)worker;
	buf_clear(&x->text);
	x->r = 0;
	for (size_t i = x->from; i < x->to && !x->r; i++) {
		const struct group *g = f->groups.at[i];
		if (i + AHEAD < f->groups.n)
			group_prefetch(f->groups.at[i + AHEAD], f->size);
		if (!f->program || g->state) /* else all events of this key failed */
			x->r = row_add(f, g, false, &x->text, &x->err);
	}
}

static void range_free(void *job)
{
	struct range *x = job;

	buf_free(&x->text);
}

static int ranges_write(evlog_fold *f, evlog_write_fn *write, void *arg, evlog_error *err)
{
	/* a program belongs to one thread */
	unsigned others = f->threads && !f->program ? f->threads - 1 : 0;
	size_t given = 0, n = f->groups.n;
	struct range *x;
	int r = 0;

	if (n < 32 * RANGE)
		others = 0;
	const size_t range = others ? RANGE : 1;
	struct ordered *q =
	    ordered_new(others, 2 * (size_t)others + 1, sizeof *x, range_write, f);
	if (!q)
		return error_memory(err);
	while (!r && (given < n || ordered_first(q))) {
		while (given < n && (x = ordered_place(q)) != NULL) {
			x->from = given;
			x->to = given = n - given > range ? given + range : n;
			ordered_give(q);
		}
		x = ordered_take(q);
		r = x->r;
		if (r)
			*err = x->err;
		else if (x->text.len)
			r = rows_put(&x->text, write, arg, err);
		ordered_drop(q);
	}
	ordered_free(q, range_free);
	return r;
}

int evlog_fold_write(evlog_fold *f, evlog_write_fn *write, void *arg, evlog_error *err)
{
	OWN_ERROR(err);
	NEED(f && write, err);
	REFUSE(fold_unsettled(f), fold_unsettled(f), err);
	struct groups *g = &f->groups;
	int r = fold_ready(f, err);
	if (!r && !fold_keyed(f))
		return row_write(f, g->n ? g->at[0] : NULL, false, write, arg, err);
	if (!r && !groups_sort(g))
		r = error_memory(err);
	/* if a program's state cannot be written as JSON, print nothing */
	for (size_t i = 0; f->program && i < g->n && !r; i++) {
		f->row.len = 0;
		if (g->at[i]->state)
			r = row_add(f, g->at[i], false, &f->row, err);
	}
	return r ? r : ranges_write(f, write, arg, err);
}

/* Writes the state to scratch and hashes it.  The hash is never 0, which means none. */
static int state_hash(
    evlog_fold *f, const struct group *g, uint64_t *hash, evlog_error *err)
{
	f->scratch.len = 0;
	int r = state_write(f, g, &f->scratch, err);
	*hash = hash_table(f->scratch.p, f->scratch.len) | 1;
	return r;
}

int fold_shown(evlog_fold *f, struct group *g, evlog_error *err)
{
	return state_hash(f, g, &g->shown, err);
}

int evlog_fold_write_change(
    evlog_fold *f, evlog_write_fn *write, void *arg, evlog_error *err)
{
	uint64_t hash;

	OWN_ERROR(err);
	NEED(f && write, err);
	REFUSE(fold_unsettled(f), fold_unsettled(f), err);
	struct group *g = f->last;
	if (!g)
		return 0;
	int r = state_hash(f, g, &hash, err);
	if (r || hash == g->shown)
		return r;
	g->shown = hash;
	return row_write(f, g, true, write, arg, err);
}

void evlog_fold_emitted(const evlog_fold *f, const char **p, size_t *len)
{
	struct view v = {"", 0};

	if (!p || !len)
		return;
	if (f && f->program && !fold_is_busy(f) && f->last)
		v = program_emitted(f->program);
	*p = v.p;
	*len = v.len;
}
