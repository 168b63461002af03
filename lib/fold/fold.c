/*
 * fold.c - events into state: for each event its key's group, for each reducer the
 * value at its path.
 *
 * An event's top-level members are walked once; what no path begins with is skipped.
 */
#include "fold/fold.h"
#include "base/error.h"
#include "base/glob.h"
#include "event/stamp.h"

#include <inttypes.h>
#include <stdlib.h>

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
	buf_printf(&f->identity, "reducer %s\n", text);
	return 0;
}

int evlog_fold_program(
    evlog_fold *f, const char *path, const struct evlog_limits *limits, evlog_error *err)
{
	program_close(f->program);
	return program_open(&f->program, path, limits, err);
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

void evlog_fold_undo(evlog_fold *f)
{
	f->undo = true;
}

int evlog_fold_key(evlog_fold *f, const char *path, evlog_error *err)
{
	free(f->key);
	f->key = NULL;
	buf_printf(&f->identity, "key %s\n", path);
	return json_path_parse(&f->key, path, err);
}

/* ---- Looking into an event ---- */

static int want(
    evlog_fold *f, const struct json_path *path, size_t *slot, evlog_error *err)
{
	return !path || look_add(&f->look, path, &f->slots, slot) ? 0 : error_memory(err);
}

int fold_ready(evlog_fold *f, evlog_error *err)
{
	int r = 0;

	if (f->ready)
		return 0;
	f->ready = true;
	if (f->n == 0 && !f->program) {
		f->plain = true;
		r = evlog_fold_reducer(f, "merge(data)", err);
	}
	if (!r)
		r = want(f, f->key, &f->key_slot, err);
	for (size_t i = 0; i < f->n && !r; i++) {
		struct reducer *x = &f->reducers[i];
		r = want(f, x->path, &x->slot, err);
		for (size_t k = 0; k < x->n_filters && !r; k++)
			r = want(f, x->filters[k].path, &x->filters[k].slot, err);
	}
	f->room = calloc(f->slots + 1, sizeof *f->room);
	f->met = calloc(f->slots + 1, sizeof *f->met);
	return r ? r : f->room && f->met ? 0 : error_memory(err);
}

static bool filter_holds(evlog_fold *f, const struct filter *filter)
{
	struct json_text v = f->found[filter->slot];
	bool hit = false;

	if (v.p) {
		f->scratch.len = 0;
		if (json_type_of(v) == JSON_STRING)
			json_unescape(&f->scratch, v);
		else
			buf_add(&f->scratch, v.p, v.len);
		hit =
		    glob_match(filter->glob, (struct view){f->scratch.p, f->scratch.len});
	}
	return hit != filter->negated;
}

/* ---- Folding ---- */

/* The key that a program gives, in canonical form, in scratch; empty: none. */
static int program_key_of(
    evlog_fold *f, const struct evlog_event *e, struct view *key, evlog_error *err)
{
	struct buf *given = &f->row;

	int r = program_key(f->program, e, given, err);
	f->scratch.len = 0;
	if (!r && given->len &&
	    !value_canonical(&f->scratch, (struct json_text){given->p, given->len}))
		r = error_memory(err);
	*key = (struct view){f->scratch.p, f->scratch.len};
	return r;
}

bool fold_key_of(struct json_text v, struct buf *room, struct view *key)
{
	size_t start = room->len;

	*key = (struct view){"", 0};
	if (!v.p)
		return true;
	enum json_type type = json_type_of(v);
	if (type == JSON_NULL || type == JSON_ARRAY || type == JSON_OBJECT)
		return true;
	*key = (struct view){v.p, v.len};
	if (type == JSON_STRING && !memchr(v.p, '\\', v.len))
		return true;
	bool good = value_canonical(room, v);
	*key = (struct view){room->p + start, room->len - start};
	return good && !room->failed;
}

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
	struct json_text v = r->path ? f->found[r->slot] : event;
	bool failed = false;

	for (size_t k = 0; k < r->n_filters; k++) {
		bool holds = filter_holds(f, &r->filters[k]);
		if (f->scratch.failed)
			return error_memory(err);
		if (!holds)
			return 0;
	}
	if (!v.p)
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

/* What a program says is an event's fault names the event. */
static int blame(const struct evlog_event *e, int code, evlog_error *err)
{
	evlog_error why = *err;

	if (code != EVLOG_EDATA)
		return code;
	return error_set(err, code, "event %" PRIu64 ": %s", e->seq, why.text);
}

static int key_of(
    evlog_fold *f, const struct evlog_event *e, struct view *key, evlog_error *err)
{
	*key = (struct view){"", 0};
	f->scratch.len = 0;
	if (f->key)
		return fold_key_of(f->found[f->key_slot], &f->scratch, key)
			   ? 0
			   : error_memory(err);
	return fold_keyed(f) ? blame(e, program_key_of(f, e, key, err), err) : 0;
}

/* What goes on from a snapshot must not count an event twice. */
static int track(evlog_fold *f, const struct evlog_event *e, evlog_error *err)
{
	if (!f->tracked)
		return 0;
	if (e->seq == 0)
		return error_set(err, EVLOG_EDATA,
		    "an event without seq: what is folded on must come from a log");
	if (e->seq < f->at_seq ||
	    (e->seq == f->at_seq && !(f->shared && e->seq > f->began)))
		return error_set(err, EVLOG_EMISMATCH,
		    "event %" PRIu64 " comes behind event %" PRIu64
		    ", which is folded already; go on with --from %" PRIu64,
		    e->seq, f->at_seq, f->at_seq + 1);
	f->at_seq = e->seq;
	return 0;
}

int fold_apply(evlog_fold *f, const struct evlog_event *e, struct view key, uint64_t hash,
    evlog_error *err)
{
	bool made;
	int r = 0;

	f->folded++;
	for (size_t i = 0; i < f->slots; i++)
		f->met[i] += f->found[i].p != NULL;
	if (key.len == 0 && fold_keyed(f)) {
		f->keyless++;
		return f->strict ? error_set(err, EVLOG_EDATA,
				       "event %" PRIu64 ": it has no key", e->seq)
				 : 0;
	}
	struct group *g = group_of(&f->groups, key, hash, f->n, &made);
	if (!g)
		return error_memory(err);
	g->owner = f;
	if (made && f->table)
		r = fold_table_load(f, g, err);
	if (f->table && !g->is_changed) {
		g->is_changed = true;
		g->next_changed = f->changed;
		f->changed = g;
	}
	if (f->program && !r)
		r = blame(e,
		    program_event(f->program, &g->state, g->key, e, f->undo, err), err);
	for (size_t i = 0; i < f->n && !r; i++)
		r = reduce(f, i, g, (struct json_text){e->line, e->len}, e, err);
	if (!r && e->seq)
		g->seq = e->seq;
	f->last = r ? NULL : g;
	return r;
}

int fold_no_json(const struct evlog_event *e, evlog_error *err)
{
	return error_set(
	    err, EVLOG_EDATA, "event %" PRIu64 ": its line is not valid JSON", e->seq);
}

int evlog_fold_event(evlog_fold *f, const struct evlog_event *e, evlog_error *err)
{
	struct view key;
	int r = fold_ready(f, err);

	f->last = NULL;
	if (!r)
		r = track(f, e, err);
	if (r)
		return r;
	f->found = f->room;
	if (!look_at(&f->look, (struct json_text){e->line, e->len}, f->found, f->slots))
		return fold_no_json(e, err);
	r = key_of(f, e, &key, err);
	return r ? r : fold_apply(f, e, key, hash_table(key.p, key.len), err);
}

void evlog_fold_through(evlog_fold *f, const unsigned char hash[HASH_SIZE])
{
	buf_add(&f->identity, hash, HASH_SIZE);
	f->shared = true;
}

void evlog_fold_track(evlog_fold *f)
{
	f->tracked = true;
}

uint64_t evlog_fold_seq(const evlog_fold *f)
{
	return f->at_seq;
}

void evlog_fold_counts(const evlog_fold *f, uint64_t *keyless, uint64_t *unusable)
{
	*keyless = f->keyless;
	*unusable = f->unusable;
}

/* Whether some path of a reducer pointed to nothing in every event. */
static bool has_missed(const evlog_fold *f, const struct reducer *r)
{
	bool missed = r->path && f->met[r->slot] == 0;

	for (size_t i = 0; i < r->n_filters; i++)
		missed |= f->met[r->filters[i].slot] == 0;
	return missed;
}

const char *evlog_fold_missed(const evlog_fold *f, size_t *i, uint64_t *events)
{
	*events = f->folded;
	for (; f->folded && *i < f->n; ++*i)
		if (has_missed(f, &f->reducers[*i]))
			return f->reducers[(*i)++].text;
	return NULL;
}

/* ---- Writing ---- */

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

/* {"key":KEY,"seq":SEQ,"state":STATE}; without keys the state alone, or in `changes`
 * {"seq":SEQ,"state":STATE}. */
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
	if (!alone && g->seq)
		buf_printf(b, "\"seq\":%" PRIu64 ",\"state\":", g->seq);
	else if (!alone)
		buf_puts(b, "\"seq\":null,\"state\":");
	int r = state_write(f, g, b, err);
	if (r == EVLOG_EDATA && g) {
		evlog_error why = *err;
		error_set(err, r, "the state%s%.*s behind event %" PRIu64 ": %s",
		    g->key.len ? " of key " : "", (int)g->key.len, g->key.p, g->seq,
		    why.text);
	}
	buf_puts(b, alone ? "\n" : "}\n");
	return r ? r : b->failed ? error_memory(err) : 0;
}

static int row_put(
    const struct buf *b, evlog_write_fn *write, void *arg, evlog_error *err)
{
	return write(arg, b->p, b->len) < 0 ? error_sys(err, "standard output") : 0;
}

int evlog_fold_write(evlog_fold *f, evlog_write_fn *write, void *arg, evlog_error *err)
{
	struct groups *g = &f->groups;
	int r = fold_ready(f, err);

	if (!r && !fold_keyed(f)) {
		r = row_write(f, g->n ? g->at[0] : NULL, false, &f->row, err);
		return r ? r : row_put(&f->row, write, arg, err);
	}
	groups_sort(g);
	/* a program's state may be none in JSON: then nothing is printed */
	for (size_t i = 0; f->program && i < g->n && !r; i++)
		if (g->at[i]->state)
			r = row_write(f, g->at[i], false, &f->row, err);
	for (size_t i = 0; i < g->n && !r; i++) {
		if (f->program && !g->at[i]->state)
			continue; /* a key all of whose events failed */
		r = row_write(f, g->at[i], false, &f->row, err);
		if (!r)
			r = row_put(&f->row, write, arg, err);
	}
	return r;
}

/* The state in scratch, and its hash; never 0, which is that of none. */
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
	struct group *g = f->last;
	uint64_t hash;

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
	struct view v = program_emitted(f->program);

	*p = v.p;
	*len = f->last ? v.len : 0;
}

bool evlog_fold_may_stop(const evlog_fold *f)
{
	return f->program && program_may_stop(f->program);
}

bool evlog_fold_stopped(const evlog_fold *f)
{
	return f->program && program_stopped(f->program);
}

void evlog_fold_free(evlog_fold *f)
{
	if (!f)
		return;
	fold_table_close(f);
	fold_pool_free(f);
	groups_free(&f->groups, f->n);
	for (size_t i = 0; i < f->n; i++)
		reducer_free(&f->reducers[i]);
	program_close(f->program);
	free(f->reducers);
	look_free(&f->look);
	free(f->room);
	free(f->met);
	free(f->key);
	buf_free(&f->identity);
	buf_free(&f->scratch);
	buf_free(&f->row);
	buf_free(&f->stop);
	free(f);
}
