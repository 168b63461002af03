/*
 * fold.c - events into state: for each event its key's group, for each reducer the
 * value at its path.
 *
 * An event's top-level members are walked once; what no path begins with is skipped.
 */
#include "base/error.h"
#include "base/hash.h"
#include "event/stamp.h"
#include "fold/reducer.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>

/* A top-level member that some path begins with, in the event at hand. */
struct want {
	struct view name;
	struct json_text found;
	bool has;
};

struct group {
	struct view key; /* canonical JSON text, owned */
	uint64_t hash, seq;
	struct accumulator at[];
};

struct evlog_fold {
	struct reducer *reducers;
	size_t n;
	bool plain; /* no reducer was given: merge(data), unnamed */
	bool ready, strict;
	struct json_path *key;
	struct want *wants;
	size_t n_wants;
	struct group **groups; /* in order of appearance */
	size_t n_groups, cap_groups;
	uint32_t *table; /* 1 + index of a group */
	size_t mask;
	struct buf scratch;
	uint64_t keyless, unusable;
};

int evlog_fold_new(evlog_fold **f, evlog_error *err)
{
	*f = calloc(1, sizeof **f);
	return *f ? 0 : error_memory(err);
}

bool evlog_fold_is_reducer(const char *word)
{
	return reducer_is(word);
}

void evlog_fold_strict(evlog_fold *f)
{
	f->strict = true;
}

int evlog_fold_reducer(evlog_fold *f, const char *text, evlog_error *err)
{
	struct reducer *more = realloc(f->reducers, (f->n + 1) * sizeof *more);

	if (!more)
		return error_memory(err);
	f->reducers = more;
	int r = reducer_parse(&more[f->n], text, err);
	if (r)
		return r;
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(more[i].name, more[f->n].name) == 0) {
			reducer_free(&more[f->n]);
			return error_set(err, EVLOG_EUSAGE,
			    "%s: there is a reducer named %s already", text,
			    more[i].name);
		}
	f->n++;
	return 0;
}

int evlog_fold_key(evlog_fold *f, const char *path, evlog_error *err)
{
	free(f->key);
	f->key = NULL;
	return json_path_parse(&f->key, path, err);
}

/* ---- Looking into an event ---- */

static int want_add(evlog_fold *f, const struct json_path *path, evlog_error *err)
{
	if (!path || path->n == 0)
		return 0;
	for (size_t i = 0; i < f->n_wants; i++)
		if (view_compare(f->wants[i].name, path->step[0]) == 0)
			return 0;
	struct want *more = realloc(f->wants, (f->n_wants + 1) * sizeof *more);
	if (!more)
		return error_memory(err);
	f->wants = more;
	more[f->n_wants++] = (struct want){.name = path->step[0]};
	return 0;
}

static int make_ready(evlog_fold *f, evlog_error *err)
{
	int r = 0;

	f->ready = true;
	if (f->n == 0) {
		f->plain = true;
		r = evlog_fold_reducer(f, "merge(data)", err);
	}
	if (!r)
		r = want_add(f, f->key, err);
	for (size_t i = 0; i < f->n && !r; i++) {
		r = want_add(f, f->reducers[i].path, err);
		for (size_t k = 0; k < f->reducers[i].n_filters && !r; k++)
			r = want_add(f, f->reducers[i].filters[k].path, err);
	}
	return r;
}

static void wants_find(evlog_fold *f, struct json_text event)
{
	struct json_walk w;
	struct json_member m;
	size_t left = f->n_wants;

	for (size_t i = 0; i < f->n_wants; i++)
		f->wants[i].has = false;
	json_walk_begin(&w, event);
	while (left && json_walk_next(&w, &m))
		for (size_t i = 0; i < f->n_wants; i++)
			if (!f->wants[i].has && json_key_is(&m, f->wants[i].name)) {
				f->wants[i].has = true;
				f->wants[i].found = m.value;
				left--;
				break;
			}
}

static bool find(const evlog_fold *f, const struct json_path *path,
    struct json_text event, struct json_text *found)
{
	if (path->n == 0) {
		*found = event;
		return true;
	}
	for (size_t i = 0; i < f->n_wants; i++) {
		const struct want *w = &f->wants[i];
		if (view_compare(w->name, path->step[0]) == 0)
			return w->has && json_path_find_from(path, 1, w->found, found);
	}
	return false;
}

static bool filter_holds(
    evlog_fold *f, const struct filter *filter, struct json_text event)
{
	struct json_text v;
	bool hit = false;

	if (find(f, filter->path, event, &v)) {
		f->scratch.len = 0;
		if (json_type_of(v) == JSON_STRING)
			json_unescape(&f->scratch, v);
		else
			buf_add(&f->scratch, v.p, v.len);
		buf_putc(&f->scratch, '\0');
		hit = !f->scratch.failed && strlen(f->scratch.p) == f->scratch.len - 1 &&
		      fnmatch(filter->glob, f->scratch.p, 0) == 0;
	}
	return hit != filter->negated;
}

/* ---- Groups ---- */

static bool table_grow(evlog_fold *f)
{
	size_t places = f->table ? (f->mask + 1) * 2 : 1024;
	uint32_t *table = calloc(places, sizeof *table);

	if (!table)
		return false;
	for (size_t i = 0; i < f->n_groups; i++) {
		size_t k = f->groups[i]->hash & (places - 1);
		while (table[k])
			k = (k + 1) & (places - 1);
		table[k] = (uint32_t)i + 1;
	}
	free(f->table);
	f->table = table;
	f->mask = places - 1;
	return true;
}

static struct group *group_add(evlog_fold *f, struct view key, uint64_t hash)
{
	if (f->n_groups == f->cap_groups) {
		size_t cap = f->cap_groups ? f->cap_groups * 2 : 64;
		struct group **more = realloc(f->groups, cap * sizeof *more);
		if (!more)
			return NULL;
		f->groups = more;
		f->cap_groups = cap;
	}
	size_t size = sizeof(struct group) + f->n * sizeof(struct accumulator);
	struct group *g = calloc(1, size + key.len + 1);
	if (!g)
		return NULL;
	char *copy = (char *)g + size;
	if (key.len)
		memcpy(copy, key.p, key.len);
	g->key = (struct view){copy, key.len};
	g->hash = hash;
	f->groups[f->n_groups++] = g;
	return g;
}

static struct group *group_of(evlog_fold *f, struct view key)
{
	uint64_t hash = hash64(key.p, key.len);

	if ((f->n_groups + 1) * 2 > f->mask && !table_grow(f))
		return NULL;
	size_t k = hash & f->mask;
	for (; f->table[k]; k = (k + 1) & f->mask) {
		struct group *g = f->groups[f->table[k] - 1];
		if (g->hash == hash && view_compare(g->key, key) == 0)
			return g;
	}
	struct group *g = group_add(f, key, hash);
	if (g)
		f->table[k] = (uint32_t)f->n_groups;
	return g;
}

/* The key of an event, in canonical form, in scratch; false: it has none. */
static bool key_of(evlog_fold *f, struct json_text event, struct view *key)
{
	struct json_text v;

	*key = (struct view){"", 0};
	if (!f->key)
		return true;
	if (!find(f, f->key, event, &v))
		return false;
	enum json_type type = json_type_of(v);
	if (type == JSON_NULL || type == JSON_ARRAY || type == JSON_OBJECT)
		return false;
	f->scratch.len = 0;
	if (type == JSON_STRING && !memchr(v.p, '\\', v.len))
		buf_add(&f->scratch, v.p, v.len);
	else if (!value_canonical(&f->scratch, v))
		f->scratch.failed = true;
	*key = (struct view){f->scratch.p, f->scratch.len};
	return true;
}

/* ---- Folding ---- */

static int refuse(const struct reducer *r, const struct evlog_event *e, const char *why,
    evlog_error *err)
{
	return error_set(
	    err, EVLOG_EDATA, "event %" PRIu64 ": %s: %s", e->seq, r->name, why);
}

static int reduce(evlog_fold *f, size_t i, struct group *g, struct json_text event,
    const struct evlog_event *e, evlog_error *err)
{
	const struct reducer *r = &f->reducers[i];
	struct json_text v = event;
	bool failed = false;

	for (size_t k = 0; k < r->n_filters; k++)
		if (!filter_holds(f, &r->filters[k], event))
			return 0;
	if (r->path && !find(f, r->path, event, &v))
		return f->strict && r->func != FUNC_COUNT
			   ? refuse(r, e, "nothing stands at the path", err)
			   : 0;
	const char *why = accumulate(r, &g->at[i], v, &failed);
	if (failed)
		return error_memory(err);
	if (!why)
		return 0;
	f->unusable++;
	return f->strict ? refuse(r, e, why, err) : 0;
}

int evlog_fold_event(evlog_fold *f, const struct evlog_event *e, evlog_error *err)
{
	struct json_text event = {e->line, e->len};
	struct view key;
	int r = f->ready ? 0 : make_ready(f, err);

	if (r)
		return r;
	wants_find(f, event);
	if (!key_of(f, event, &key)) {
		f->keyless++;
		return f->strict ? error_set(err, EVLOG_EDATA,
				       "event %" PRIu64 ": it has no key", e->seq)
				 : 0;
	}
	struct group *g = f->scratch.failed ? NULL : group_of(f, key);
	if (!g)
		return error_memory(err);
	if (e->seq)
		g->seq = e->seq;
	for (size_t i = 0; i < f->n && !r; i++)
		r = reduce(f, i, g, event, e, err);
	return r;
}

void evlog_fold_counts(const evlog_fold *f, uint64_t *keyless, uint64_t *unusable)
{
	*keyless = f->keyless;
	*unusable = f->unusable;
}

/* ---- Writing ---- */

static int group_order(const void *a, const void *b)
{
	const struct group *const *x = a, *const *y = b;

	return view_compare((*x)->key, (*y)->key);
}

static void state_write(const evlog_fold *f, const struct group *g, struct buf *b)
{
	const struct accumulator none = {0};

	if (f->plain) {
		accumulator_write(b, &f->reducers[0], g ? &g->at[0] : &none);
		return;
	}
	for (size_t i = 0; i < f->n; i++) {
		buf_putc(b, i ? ',' : '{');
		json_escape(
		    b, (struct view){f->reducers[i].name, strlen(f->reducers[i].name)});
		buf_putc(b, ':');
		accumulator_write(b, &f->reducers[i], g ? &g->at[i] : &none);
	}
	buf_putc(b, '}');
}

static void row_write(const evlog_fold *f, const struct group *g, struct buf *b)
{
	buf_puts(b, "{\"key\":");
	buf_add(b, g->key.p, g->key.len);
	if (g->seq)
		buf_printf(b, ",\"seq\":%" PRIu64, g->seq);
	else
		buf_puts(b, ",\"seq\":null");
	buf_puts(b, ",\"state\":");
	state_write(f, g, b);
	buf_puts(b, "}\n");
}

int evlog_fold_write(evlog_fold *f, evlog_write_fn *write, void *arg, evlog_error *err)
{
	struct buf b = {0};
	int r = f->ready ? 0 : make_ready(f, err);

	if (!r && !f->key) {
		state_write(f, f->n_groups ? f->groups[0] : NULL, &b);
		buf_putc(&b, '\n');
		if (b.failed)
			r = error_memory(err);
		else if (write(arg, b.p, b.len) < 0)
			r = error_sys(err, "standard output");
	}
	if (f->key && f->n_groups)
		qsort(f->groups, f->n_groups, sizeof *f->groups, group_order);
	for (size_t i = 0; f->key && i < f->n_groups && !r; i++) {
		b.len = 0;
		row_write(f, f->groups[i], &b);
		if (b.failed)
			r = error_memory(err);
		else if (write(arg, b.p, b.len) < 0)
			r = error_sys(err, "standard output");
	}
	buf_free(&b);
	return r;
}

void evlog_fold_free(evlog_fold *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n_groups; i++) {
		for (size_t k = 0; k < f->n; k++)
			accumulator_free(&f->groups[i]->at[k]);
		free(f->groups[i]);
	}
	for (size_t i = 0; i < f->n; i++)
		reducer_free(&f->reducers[i]);
	free(f->reducers);
	free(f->groups);
	free(f->table);
	free(f->wants);
	free(f->key);
	buf_free(&f->scratch);
	free(f);
}
