/* keep.c - a fold whose states are kept in a sink, and brought up to date there. */
#include "base/error.h"
#include "base/options.h"
#include "fold/fold.h"
#include "sink/table.h"

#include <stdlib.h>

/* Only where every value has that type: a declared type converts values, and NUMERIC
 * would round digits that would otherwise be kept as text. */
static const char *column_type(const struct reducer *r)
{
	switch (r->func) {
	case FUNC_COUNT: return " INTEGER";
	case FUNC_LIST:
	case FUNC_SET: return " TEXT";
	default: return "";
	}
}

/* A column for each reducer. */
static int columns_make(evlog_fold *f, struct table_options *o, evlog_error *err)
{
	struct table_column *column = calloc(f->n + 1, sizeof *column);

	o->column = column;
	if (!column)
		return error_memory(err);
	if (f->program || f->plain)
		return error_set(err, EVLOG_EUSAGE, "--columns needs reducers");
	for (o->columns = 0; o->columns < f->n; o->columns++) {
		const struct reducer *r = &f->reducers[o->columns];
		column[o->columns] = (struct table_column){r->name, column_type(r)};
	}
	f->columns = true;
	buf_puts(&f->identity, "columns 2\n"); /* 1 bound other values */
	return 0;
}

int evlog_fold_table(evlog_fold *f, const struct evlog_table_options *given,
    struct evlog_position *at, evlog_error *err)
{
	struct evlog_table_options wanted;
	char identity[65];

	OWN_ERROR(err);
	NEED(f && at, err);
	*at = (struct evlog_position){0};
	int r = options_take(&wanted, sizeof wanted,
	    END_OF(struct evlog_table_options, rebuild), given, err);
	if (r)
		return r;
	NEED(wanted.file && wanted.name, err);
	REFUSE(f->ready, FOLD_SET, err);
	struct table_options o = {
	    .file = wanted.file, .name = wanted.name, .rebuild = wanted.rebuild};
	f->tracked = true;
	r = fold_ready(f, err);
	if (!r && wanted.columns)
		r = columns_make(f, &o, err);
	if (!r)
		r = fold_identity(f, identity, err);
	o.fold = identity;
	if (!r)
		r = table_open(&f->sink, &o, err);
	free((void *)(uintptr_t)o.column);
	if (!r)
		r = f->sink->kind->where(f->sink, at, err);
	f->at_seq = f->began = at->seq;
	if (r < 0)
		f->over = "evlog_fold_table has failed";
	return r;
}

/* The values of a group's columns; their text is in `text`. */
static int columns_write(evlog_fold *f, const struct group *g, struct buf *text,
    struct json_text *column, evlog_error *err)
{
	text->len = 0;
	for (size_t i = 0; i < f->n; i++) {
		size_t start = text->len;
		accumulator_write(text, &f->reducers[i], group_at(g, &f->reducers[i]));
		column[i].len = text->len - start;
	}
	if (text->failed)
		return error_memory(err);
	for (size_t i = 0, at = 0; i < f->n; at += column[i++].len)
		column[i].p = text->p + at;
	return 0;
}

static int group_put(evlog_fold *f, const struct group *g, struct buf *exact,
    struct buf *text, struct json_text *column, evlog_error *err)
{
	struct sink_item item = {
	    .key = g->key, .seq = g->seq, .stored = g->stored, .column = column};
	int r = 0;

	f->row.len = exact->len = 0;
	if (f->columns)
		r = columns_write(f, g, text, column, err);
	if (!r)
		r = state_write(f, g, &f->row, err);
	if (!r)
		r = group_save(f, g, exact, err);
	if (!r && (f->row.failed || exact->failed))
		r = error_memory(err);
	item.value = (struct view){f->row.p, f->row.len};
	item.exact = (struct view){exact->p, exact->len};
	return r ? r : f->sink->kind->put(f->sink, &item, err);
}

/* All that has changed since the last commit. */
static int changes_put(evlog_fold *f, evlog_error *err)
{
	struct json_text *column = calloc(f->n + 1, sizeof *column);
	struct buf exact = {0}, text = {0};
	int r = column ? f->sink->kind->begin(f->sink, err) : error_memory(err);

	for (size_t i = 0; i < f->n_changed && !r; i++)
		if (!f->program || f->changed[i]->state)
			r = group_put(f, f->changed[i], &exact, &text, column, err);
	buf_free(&exact);
	buf_free(&text);
	free(column);
	return r;
}

int evlog_fold_table_commit(
    evlog_fold *f, const struct evlog_position *at, evlog_error *err)
{
	OWN_ERROR(err);
	NEED(f && at, err);
	REFUSE(!f->sink, "it has no table", err);
	REFUSE(fold_unsettled(f), fold_unsettled(f), err);
	REFUSE(!position_is_sound(at), "it is not a position", err);
	int r = changes_put(f, err);
	if (!r)
		r = f->sink->kind->commit(f->sink, at, err);
	if (r) {
		f->sink->kind->cancel(f->sink);
		return r;
	}
	for (size_t i = 0; i < f->n_changed; i++) {
		struct group *g = f->changed[i];
		g->is_changed = false;
		g->stored = g->stored || !f->program || g->state;
	}
	f->n_changed = 0;
	return 0;
}
