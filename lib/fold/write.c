/* write.c - writes the states of a fold as JSON, one row for each key. */
#include "base/error.h"
#include "base/options.h"
#include "fold/fold.h"

#include <inttypes.h>

int state_write(evlog_fold *f, const struct group *g, struct buf *b, evlog_error *err)
{
	const struct accumulator none = {0};

	if (f->program)
		return program_write(
		    g ? g->owner->program : f->program, g ? g->state : 0, false, b, err);
	for (size_t i = 0; i < f->n; i++) {
		if (!f->plain) {
			const char *name = f->reducers[i].name;
			buf_putc(b, i ? ',' : '{');
			json_escape(b, (struct view){name, strlen(name)});
			buf_putc(b, ':');
		}
		accumulator_write(b, &f->reducers[i], g ? &g->at[i] : &none);
	}
	if (!f->plain)
		buf_putc(b, '}');
	return b->failed ? error_memory(err) : 0;
}

/* Writes {"key":KEY,"seq":SEQ,"state":STATE}; without keys only the state, or, for
 * `changes`, {"seq":SEQ,"state":STATE}. */
static int row_write(
    evlog_fold *f, const struct group *g, bool changes, struct buf *b, evlog_error *err)
{
	bool alone = !fold_keyed(f) && !changes;

	b->len = 0;
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

static int row_put(
    const struct buf *b, evlog_write_fn *write, void *arg, evlog_error *err)
{
	return write(arg, b->p, b->len) < 0 ? error_sys(err, "output") : 0;
}

int evlog_fold_write(evlog_fold *f, evlog_write_fn *write, void *arg, evlog_error *err)
{
	OWN_ERROR(err);
	NEED(f && write, err);
	REFUSE(fold_is_busy(f), FOLD_BUSY, err);
	struct groups *g = &f->groups;
	int r = fold_ready(f, err);
	if (!r && !fold_keyed(f)) {
		r = row_write(f, g->n ? g->at[0] : NULL, false, &f->row, err);
		return r ? r : row_put(&f->row, write, arg, err);
	}
	groups_sort(g);
	/* if a program's state cannot be written as JSON, print nothing */
	for (size_t i = 0; f->program && i < g->n && !r; i++)
		if (g->at[i]->state)
			r = row_write(f, g->at[i], false, &f->row, err);
	for (size_t i = 0; i < g->n && !r; i++) {
		if (f->program && !g->at[i]->state)
			continue; /* all events of this key failed */
		r = row_write(f, g->at[i], false, &f->row, err);
		if (!r)
			r = row_put(&f->row, write, arg, err);
	}
	return r;
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
	REFUSE(fold_is_busy(f), FOLD_BUSY, err);
	struct group *g = f->last;
	if (!g)
		return 0;
	int r = state_hash(f, g, &hash, err);
	if (r || hash == g->shown)
		return r;
	g->shown = hash;
	r = row_write(f, g, true, &f->row, err);
	return r ? r : row_put(&f->row, write, arg, err);
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
