/* setup.c - options of a fold: reducers or a program, and a key. */
#include "base/error.h"
#include "base/options.h"
#include "fold/fold.h"

#include <stdlib.h>

bool evlog_fold_is_reducer(const char *word)
{
	return word && reducer_is(word);
}

void evlog_fold_strict(evlog_fold *f)
{
	if (f && !f->ready)
		f->strict = true;
}

static int reducer_add(evlog_fold *f, const char *text, evlog_error *err)
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
			    "%s: there is already a reducer named %s; name this one "
			    "NAME=...",
			    text, more[i].name);
		}
	f->n++;
	buf_printf(&f->identity, "reducer %s\n", text);
	/* up to 0.1, all of these were globs */
	for (size_t i = 0; i < more[f->n - 1].where.n; i++)
		if (more[f->n - 1].where.at[i].kind > VALUE_GLOB) {
			buf_puts(&f->identity, "compared\n");
			break;
		}
	return 0;
}

int evlog_fold_reducer(evlog_fold *f, const char *text, evlog_error *err)
{
	NEED(f && text, err);
	REFUSE(f->ready, FOLD_SET, err);
	REFUSE(f->program, "there is a program, which takes the place of reducers", err);
	return reducer_add(f, text, err);
}

int evlog_fold_program(
    evlog_fold *f, const char *path, const struct evlog_limits *limits, evlog_error *err)
{
	struct program *program;

	OWN_ERROR(err);
	NEED(f && path, err);
	REFUSE(f->ready, FOLD_SET, err);
	REFUSE(f->n, "there are reducers, whose place a program takes", err);
	int r = program_open(&program, path, limits, err);
	if (r)
		return r;
	program_close(f->program);
	f->program = program;
	return 0;
}

void evlog_fold_set_rollback(evlog_fold *f)
{
	if (f && !f->ready)
		f->rollback = true;
}

int evlog_fold_key(evlog_fold *f, const char *path, evlog_error *err)
{
	struct json_path *key;

	NEED(f && path, err);
	REFUSE(f->ready, FOLD_SET, err);
	REFUSE(f->key, "it has a key", err);
	int r = json_path_parse(&key, path, err);
	if (r)
		return r;
	f->key = key;
	buf_printf(&f->identity, "key %s\n", path);
	return 0;
}

void evlog_fold_set_upcaster_hash(evlog_fold *f, const unsigned char hash[HASH_SIZE])
{
	if (!f || !hash || f->ready)
		return;
	buf_add(&f->identity, hash, HASH_SIZE);
	f->shared = true;
}

void evlog_fold_require_ascending(evlog_fold *f)
{
	if (f && !f->ready)
		f->tracked = true;
}

int fold_identity(const evlog_fold *f, char hex[65], evlog_error *err)
{
	unsigned char hash[HASH_SIZE];
	struct hash_part parts[] = {{f->identity.p, f->identity.len},
	    {f->program ? program_hash(f->program) : NULL, f->program ? HASH_SIZE : 0}};

	if (f->identity.failed)
		return error_memory(err);
	sha256(parts, 2, hash);
	hash_hex(hash, hex);
	return 0;
}

static int want(
    evlog_fold *f, const struct json_path *path, size_t *slot, evlog_error *err)
{
	return !path || path_trie_add(&f->trie, path, &f->slots, slot)
		   ? 0
		   : error_memory(err);
}

/* Writes what stands before the result of reducer i in a state. */
static int label_write(evlog_fold *f, size_t i, evlog_error *err)
{
	struct buf *label = &f->reducers[i].label;
	const char *name = f->reducers[i].name;

	buf_putc(label, i ? ',' : '{');
	json_escape(label, (struct view){name, strlen(name)});
	buf_putc(label, ':');
	return label->failed ? error_memory(err) : 0;
}

int fold_ready(evlog_fold *f, evlog_error *err)
{
	int r = 0;

	if (f->ready)
		return f->room && f->met ? 0 : error_memory(err);
	f->ready = true;
	if (f->n == 0 && !f->program) {
		f->plain = true;
		r = reducer_add(f, "merge(data)", err);
	}
	if (!r)
		r = want(f, f->key, &f->key_slot, err);
	for (size_t i = 0; i < f->n && !r; i++) {
		struct reducer *x = &f->reducers[i];
		x->offset = f->size;
		f->size += accumulator_size(x->func);
		r = label_write(f, i, err);
		if (!r)
			r = want(f, x->path, &x->slot, err);
		for (size_t k = 0; k < x->where.n && !r; k++)
			r = want(f, x->where.at[k].path, &x->where.at[k].slot, err);
	}
	if (r)
		return r;
	f->room = calloc(f->slots + 1, sizeof *f->room);
	f->met = calloc(f->slots + 1, sizeof *f->met);
	return f->room && f->met ? 0 : error_memory(err);
}
