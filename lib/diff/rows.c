/*
 * rows.c - the states of one operand, in the order of their keys.
 *
 * evfold prints keys in canonical form and sorts by their bytes; such files are merged as
 * they are read.  Other programs write "caf\u00e9" or 1.0 and sort by that, so a key may
 * come where a merge does not expect it.  So both operands are read through first, and
 * one that is not in order is sorted by an index of its keys in memory.
 */
#include "diff/rows.h"
#include "base/error.h"
#include "base/file.h"
#include "json/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* Finds a member; if the name is repeated, the last one counts. */
static bool member_last(
    struct json_text object, const char *name, struct json_text *found)
{
	const struct view wanted = {name, strlen(name)};
	struct json_walk w;
	struct json_member m;

	found->p = NULL;
	json_walk_begin(&w, object);
	while (w.object && json_walk_next(&w, &m))
		if (json_key_is(&m, wanted))
			*found = m.value;
	return found->p != NULL;
}

/* Sets key, state and value from a line. */
static int row_set(struct rows *r, struct json_text text, evlog_error *err)
{
	r->has = true;
	r->line++;
	r->state = text;
	if (!r->keyed)
		return 0;
	if (!member_last(text, "key", &r->key) || !member_last(text, "state", &r->state))
		return error_at(err, r->operand->path, r->line, 1,
		    "expected {\"key\":...,\"state\":...}");
	r->value = (struct view){r->key.p, r->key.len};
	if (json_type_of(r->key) == JSON_STRING && !memchr(r->key.p, '\\', r->key.len))
		return 0;
	r->canonical.len = 0;
	if (!value_canonical(&r->canonical, r->key))
		return error_memory(err);
	r->value = (struct view){r->canonical.p, r->canonical.len};
	return 0;
}

/* Reads the next row in the operand's own order, and notes if it is out of order. */
static int row_read(struct rows *r, evlog_error *err)
{
	struct evlog_event e;
	int res = diff_operand_next(r->operand, &e, err);

	r->has = false;
	if (res)
		return res == EVLOG_END ? 0 : res;
	res = row_set(r, (struct json_text){e.line, e.len}, err);
	if (res || !r->keyed)
		return res;
	const struct view last = {r->last.p, r->last.len};
	r->unordered |= r->line > 1 && view_compare(last, r->value) >= 0;
	r->last.len = 0;
	buf_add(&r->last, r->value.p, r->value.len);
	return r->last.failed ? error_memory(err) : 0;
}

/* ---- Sorting ---- */

static int place_add(struct rows *r, uint64_t offset, size_t len, evlog_error *err)
{
	if (r->n == r->cap && !array_grow(&r->sorted, &r->cap, sizeof *r->sorted))
		return error_memory(err);
	r->sorted[r->n++] =
	    (struct place){r->keys.len, r->value.len, offset, r->line, len};
	buf_add(&r->keys, r->value.p, r->value.len);
	return r->keys.failed ? error_memory(err) : 0;
}

static int place_order(const void *a, const void *b, void *keys)
{
	const struct place *x = a, *y = b;
	const char *p = keys;
	int c = view_compare(
	    (struct view){p + x->key, x->key_len}, (struct view){p + y->key, y->key_len});

	return c ? c : (x->line > y->line) - (x->line < y->line);
}

static int twice_check(const struct rows *r, evlog_error *err)
{
	for (size_t i = 1; i < r->n; i++) {
		const struct place *x = &r->sorted[i - 1], *y = &r->sorted[i];
		if (x->key_len == y->key_len &&
		    memcmp(r->keys.p + x->key, r->keys.p + y->key, x->key_len) == 0)
			return error_at(err, r->operand->path, y->line, 1,
			    "the key %.*s is already in line %" PRIu64, (int)y->key_len,
			    r->keys.p + y->key, x->line);
	}
	return 0;
}

static int rows_sort(struct rows *r, evlog_error *err)
{
	bool keep = !r->operand->kept;
	uint64_t offset = 0;
	int res = 0;

	while (!res && (res = row_read(r, err)) == 0 && r->has) {
		size_t len = r->operand->line.len;
		if (keep)
			res = diff_operand_keep(r->operand, err);
		if (!res)
			res = place_add(r, offset, len, err);
		offset += len;
	}
	if (res)
		return res;
	qsort_r(r->sorted, r->n, sizeof *r->sorted, place_order, r->keys.p);
	return twice_check(r, err);
}

/* ---- Opening ---- */

static int look(struct rows *r, evlog_error *err)
{
	int res = row_read(r, err);

	return res || !r->has || r->operand->regular ? res
						     : diff_operand_keep(r->operand, err);
}

static int begin(struct rows *r, evlog_error *err)
{
	int res = diff_operand_reopen(r->operand, err);

	r->line = 0;
	if (!res && r->unordered)
		res = rows_sort(r, err);
	r->unordered = false;
	return res;
}

int rows_open(struct rows *a, struct rows *b, evlog_error *err)
{
	int r = 0;

	if (!a->keyed)
		return 0;
	/* in turns, because one process may be writing both */
	a->has = a->operand->kind != OPERAND_EMPTY;
	b->has = b->operand->kind != OPERAND_EMPTY;
	while (!r && (a->has || b->has)) {
		if (a->has)
			r = look(a, err);
		if (!r && b->has)
			r = look(b, err);
	}
	if (!r && a->operand->kind != OPERAND_EMPTY)
		r = begin(a, err);
	if (!r && b->operand->kind != OPERAND_EMPTY)
		r = begin(b, err);
	return r;
}

/* ---- Reading ---- */

static int sorted_next(struct rows *r, evlog_error *err)
{
	struct buf *line = &r->operand->line;

	r->has = false;
	if (r->next == r->n)
		return 0;
	const struct place *at = &r->sorted[r->next++];
	line->len = 0;
	if (!buf_reserve(line, at->len))
		return error_memory(err);
	ssize_t n = file_pread(r->operand->kept_fd, line->p, at->len, at->offset);
	if (n >= 0 && (size_t)n < at->len)
		errno = EIO;
	if (n < 0 || (size_t)n < at->len)
		return error_sys(err, "temporary file");
	line->len = at->len;
	r->line = at->line - 1;
	return row_set(r, (struct json_text){line->p, line->len - 1}, err);
}

int rows_next(struct rows *r, evlog_error *err)
{
	if (r->sorted)
		return sorted_next(r, err);
	int res = row_read(r, err);
	if (!res && r->unordered)
		return error_set(err, EVLOG_EDATA,
		    "%s: the file changed while it was being compared; try again",
		    r->operand->path);
	return res;
}

void rows_free(struct rows *r)
{
	buf_free(&r->canonical);
	buf_free(&r->last);
	buf_free(&r->keys);
	free(r->sorted);
}
