/* states.c - compares two states: key by key, and within a key member by member. */
#include "base/error.h"
#include "diff/rows.h"
#include "json/path.h"
#include "json/value.h"

#include <stdio.h>
#include <stdlib.h>

/* The context of a comparison within one key. */
struct walk {
	struct diff *d;
	struct view key;
	struct buf path; /* JSON Pointer to the current place */
	struct buf text; /* the same as a JSON string */
	bool changed;
};

static int report(struct walk *w, enum evlog_side side, const struct json_text *a,
    const struct json_text *b, evlog_error *err)
{
	w->changed |= side == EVLOG_CHANGED;
	w->text.len = 0;
	json_escape(&w->text, (struct view){w->path.p, w->path.len});
	if (w->text.failed)
		return error_memory(err);
	struct evlog_difference x = {.side = side,
	    .key = w->key.p,
	    .key_len = w->key.len,
	    .path = w->text.p,
	    .path_len = w->text.len,
	    .a = a ? a->p : NULL,
	    .a_len = a ? a->len : 0,
	    .b = b ? b->p : NULL,
	    .b_len = b ? b->len : 0};
	return diff_report(w->d, &x, err);
}

static void path_push(struct walk *w, struct view step)
{
	buf_putc(&w->path, '/');
	for (size_t i = 0; i < step.len; i++) {
		if (step.p[i] == '~')
			buf_puts(&w->path, "~0");
		else if (step.p[i] == '/')
			buf_puts(&w->path, "~1");
		else
			buf_putc(&w->path, step.p[i]);
	}
}

/* ---- Objects ---- */

struct entry {
	struct view key; /* unescaped; owned if it had escapes */
	bool owned;
	size_t order;
	struct json_text value;
};

struct entries {
	struct entry *at;
	size_t n, cap;
};

static int entry_order(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int c = view_compare(x->key, y->key);

	return c ? c : (x->order > y->order) - (x->order < y->order);
}

static void entries_free(struct entries *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->at[i].owned)
			free((char *)e->at[i].key.p);
	free(e->at);
}

static bool entry_add(struct entries *e, const struct json_member *m)
{
	if (e->n == e->cap && !array_grow(&e->at, &e->cap, sizeof *e->at))
		return false;
	struct entry *x = &e->at[e->n];
	*x = (struct entry){.key = m->key, .order = e->n, .value = m->value};
	if (m->escaped) {
		struct buf b = {0};
		json_unescape(&b, (struct json_text){m->key.p - 1, m->key.len + 2});
		if (b.failed) {
			buf_free(&b);
			return false;
		}
		x->key = (struct view){b.p, b.len};
		x->owned = b.p != NULL;
	}
	e->n++;
	return true;
}

/* Lists the members of an object by name, or the elements of an array by index.  If a
 * name is repeated, the last one counts. */
static bool entries_list(struct entries *e, struct json_text container)
{
	struct json_walk w;
	struct json_member m;
	size_t out = 0;

	json_walk_begin(&w, container);
	while (json_walk_next(&w, &m))
		if (!entry_add(e, &m))
			return false;
	if (!w.object)
		return true;
	if (e->n)
		qsort(e->at, e->n, sizeof *e->at, entry_order);
	for (size_t i = 0; i < e->n; i++) {
		if (out && view_equal(e->at[out - 1].key, e->at[i].key)) {
			struct entry old = e->at[out - 1];
			e->at[out - 1] = e->at[i];
			e->at[i] = old; /* freed with the rest */
			if (old.owned)
				free((char *)old.key.p);
			e->at[i].owned = false;
		} else if (out++ != i) {
			e->at[out - 1] = e->at[i];
			e->at[i].owned = false;
		}
	}
	e->n = out;
	return true;
}

/* ---- Two values ---- */

/* Two containers of the same type that are being compared.  They are on an explicit
 * stack, because the C stack may be small. */
struct pair {
	struct entries a, b;
	bool object;
	size_t i, j; /* object: next entries; array: i is the steps done */
	size_t path; /* length of the path to the containers */
};

struct pairs {
	struct pair *at;
	size_t n, cap;
};

static int pair_push(struct pairs *s, const struct walk *w, struct json_text a,
    struct json_text b, evlog_error *err)
{
	if (s->n == s->cap && !array_grow(&s->at, &s->cap, sizeof *s->at))
		return error_memory(err);
	struct pair *p = &s->at[s->n++];
	*p = (struct pair){.object = json_type_of(a) == JSON_OBJECT, .path = w->path.len};
	return entries_list(&p->a, a) && entries_list(&p->b, b) ? 0 : error_memory(err);
}

static void pair_pop(struct pairs *s, struct walk *w)
{
	struct pair *p = &s->at[--s->n];

	w->path.len = p->path;
	entries_free(&p->a);
	entries_free(&p->b);
}

/* Gets the next members of two objects, by name; *x or *y is NULL if one is missing.
 * Returns false after the last. */
static bool members_next(struct pair *p, struct view *step, const struct json_text **x,
    const struct json_text **y)
{
	const struct entries *a = &p->a, *b = &p->b;

	if (p->i == a->n && p->j == b->n)
		return false;
	int c = p->i == a->n   ? 1
		: p->j == b->n ? -1
			       : view_compare(a->at[p->i].key, b->at[p->j].key);
	*step = c <= 0 ? a->at[p->i].key : b->at[p->j].key;
	*x = c <= 0 ? &a->at[p->i].value : NULL;
	*y = c >= 0 ? &b->at[p->j].value : NULL;
	p->i += c <= 0;
	p->j += c >= 0;
	return true;
}

/* The same for two arrays, by index.  Removals go from the end, so that indexes stay
 * valid. */
static bool elements_next(struct pair *p, char index[24], struct view *step,
    const struct json_text **x, const struct json_text **y)
{
	const struct entries *a = &p->a, *b = &p->b;
	size_t n = a->n > b->n ? a->n : b->n, done = p->i++;

	if (done >= n)
		return false;
	size_t i = done < b->n ? done : n - 1 - (done - b->n);
	int len = snprintf(index, 24, "%zu", i);
	*step = (struct view){index, (size_t)len};
	*x = i < a->n ? &a->at[i].value : NULL;
	*y = i < b->n ? &b->at[i].value : NULL;
	return true;
}

/* Compares two values: reports them, or pushes them to compare their contents. */
static int value_diff(struct walk *w, struct pairs *s, struct json_text a,
    struct json_text b, evlog_error *err)
{
	enum json_type type = json_type_of(a);
	bool failed = false;

	bool same = value_texts_equal(a, b, &failed);
	if (failed)
		return error_memory(err);
	if (same)
		return 0;
	if (type != json_type_of(b) || (type != JSON_OBJECT && type != JSON_ARRAY))
		return report(w, EVLOG_CHANGED, &a, &b, err);
	return pair_push(s, w, a, b, err);
}

static int values_diff(
    struct walk *w, struct json_text a, struct json_text b, evlog_error *err)
{
	const struct json_text *x = NULL, *y = NULL;
	struct pairs s = {0};
	struct view step;
	char index[24];

	int r = value_diff(w, &s, a, b, err);
	while (!r && s.n) {
		struct pair *p = &s.at[s.n - 1];
		w->path.len = p->path;
		if (!(p->object ? members_next(p, &step, &x, &y)
				: elements_next(p, index, &step, &x, &y))) {
			pair_pop(&s, w);
			continue;
		}
		path_push(w, step);
		if (w->path.failed)
			r = error_memory(err);
		else
			r = x && y ? value_diff(w, &s, *x, *y, err)
				   : report(w, EVLOG_CHANGED, x, y, err);
	}
	while (s.n)
		pair_pop(&s, w);
	free(s.at);
	return r;
}

/* ---- Rows ---- */

static int rows_diff(
    struct walk *w, const struct rows *a, const struct rows *b, evlog_error *err)
{
	w->key = (struct view){a->key.p, a->key.len};
	w->path.len = 0;
	w->changed = false;
	int r = values_diff(w, a->state, b->state, err);
	if (r)
		return r;
	if (w->changed)
		return report(w, EVLOG_CHANGED_END, NULL, NULL, err);
	w->d->found->same++;
	return 0;
}

static int row_only(
    struct walk *w, const struct rows *row, enum evlog_side side, evlog_error *err)
{
	w->key = (struct view){row->key.p, row->key.len};
	w->path.len = 0;
	return report(w, side, side == EVLOG_ONLY_A ? &row->state : NULL,
	    side == EVLOG_ONLY_B ? &row->state : NULL, err);
}

/* Merges two operands in the order of their keys. */
static int merge(struct walk *w, struct rows *a, struct rows *b, evlog_error *err)
{
	int r = rows_next(a, err);

	if (!r)
		r = rows_next(b, err);
	while (!r && (a->has || b->has)) {
		int c = !a->has	   ? 1
			: !b->has  ? -1
			: a->keyed ? view_compare(a->value, b->value)
				   : 0;
		if (c == 0)
			r = rows_diff(w, a, b, err);
		else
			r = row_only(
			    w, c < 0 ? a : b, c < 0 ? EVLOG_ONLY_A : EVLOG_ONLY_B, err);
		if (c <= 0 && !r)
			r = rows_next(a, err);
		if (c >= 0 && !r)
			r = rows_next(b, err);
	}
	return r;
}

int diff_states(
    struct diff *d, struct diff_operand *sa, struct diff_operand *sb, evlog_error *err)
{
	bool keyed = sa->kind == OPERAND_STATES || sb->kind == OPERAND_STATES;
	struct rows a = {.operand = sa, .keyed = keyed},
		    b = {.operand = sb, .keyed = keyed};
	struct walk w = {.d = d};

	d->found->states = true;
	int r = rows_open(&a, &b, err);
	if (!r)
		r = merge(&w, &a, &b, err);
	rows_free(&a);
	rows_free(&b);
	buf_free(&w.path);
	buf_free(&w.text);
	return r;
}
