/*
 * apply.c - folds an event into the states: finds the group of its key, and for each
 * reducer the value at its path.
 *
 * One walk over the event's top-level members finds all values; members that start no
 * path are skipped.
 */
#include "base/error.h"
#include "event/stamp.h"
#include "fold/fold.h"

#include <inttypes.h>

/* Gets the key that a program returns, in canonical form, in scratch; empty if it has
 * none. */
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

	for (size_t k = 0; k < r->where.n; k++) {
		const struct condition *c = &r->where.at[k];
		uint64_t other = f->compared.other;
		bool holds = condition_holds(c, f->found[c->slot], &f->compared);
		if (f->compared.failed)
			return error_memory(err);
		if (f->strict && f->compared.other > other)
			return refuse(
			    r, e, "a value of another kind than in its filter", err);
		if (!holds)
			return 0;
	}
	if (!v.p)
		return f->strict && r->func != FUNC_COUNT
			   ? refuse(r, e, "no value at its path", err)
			   : 0;
	const char *why = accumulate(r, group_at(g, r), v, &failed);
	if (failed)
		return error_memory(err);
	if (!why)
		return 0;
	f->unusable++;
	return f->strict ? refuse(r, e, why, err) : 0;
}

/* Puts the event's seq before a program's error message. */
static int blame(const struct evlog_event *e, int code, evlog_error *err)
{
	evlog_error why = *err;

	if (code != EVLOG_EDATA && code != EVLOG_EPROGRAM)
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

/* After a snapshot, no event may be counted twice. */
static int track(evlog_fold *f, const struct evlog_event *e, evlog_error *err)
{
	if (!f->tracked)
		return 0;
	if (e->seq == 0)
		return error_set(err, EVLOG_EDATA,
		    "an event has no seq; a fold can only be continued with events from "
		    "a log");
	if (e->seq < f->at_seq ||
	    (e->seq == f->at_seq && !(f->shared && e->seq > f->began)))
		return error_set(err, EVLOG_EMISMATCH,
		    "event %" PRIu64 " comes after event %" PRIu64
		    ", which is already folded; read on with evcat --from %" PRIu64,
		    e->seq, f->at_seq, f->at_seq + 1);
	f->at_seq = e->seq;
	return 0;
}

/* What the sink has for a key may have been written by anybody. */
static int exact_restore(
    evlog_fold *f, struct group *g, struct view exact, evlog_error *err)
{
	struct json_fault fault;
	struct json_text v;

	if (!exact.p)
		return error_set(err, EVLOG_EDATA, "nothing is stored for it");
	if (!json_scan(exact.p, exact.len, JSON_DEPTH_MOST, &v, NULL, &fault))
		return error_set(err, EVLOG_EDATA, "%s", fault.reason);
	return group_restore(f, g, v, err);
}

/* Restores a new group from what the sink has for its key. */
static int group_load(evlog_fold *f, struct group *g, evlog_error *err)
{
	struct sink_item item = {.key = g->key};
	evlog_error why;
	int r = f->sink->kind->get(f->sink, &item, err);

	if (r)
		return r == EVLOG_END ? 0 : r;
	g->seq = item.seq;
	g->stored = true;
	r = exact_restore(f, g, item.exact, &why);
	if (r == EVLOG_EDATA || r == EVLOG_EPROGRAM) /* not the event's fault */
		return error_set(err, EVLOG_EDAMAGED,
		    "%s: the state of key %.*s: %s; use --rebuild to create the table "
		    "again",
		    f->sink->name, (int)g->key.len, g->key.p, why.text);
	if (r && err)
		*err = why;
	return r;
}

/* What cannot be emitted is an error of the program, which must not have happened. */
static int emitted_take(
    evlog_fold *f, struct group *g, const struct evlog_event *e, evlog_error *err)
{
	evlog_error undone;
	int r = emitter_take(f, e, err);

	if (r == EVLOG_EDATA && f->rollback &&
	    program_undo(f->program, &g->state, &undone) != 0) {
		*err = undone;
		return undone.code;
	}
	return blame(e, r, err);
}

static int group_changed(evlog_fold *f, struct group *g, evlog_error *err)
{
	if (f->n_changed == f->cap_changed &&
	    !array_grow(&f->changed, &f->cap_changed, sizeof *f->changed))
		return error_memory(err);
	f->changed[f->n_changed++] = g;
	g->is_changed = true;
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
				       "event %" PRIu64 " has no value at the key's path",
				       e->seq)
				 : 0;
	}
	struct group *g = group_of(&f->groups, key, hash, f->size, &made);
	if (!g)
		return error_memory(err);
	g->part = f->number;
	if (made && f->sink)
		r = group_load(f, g, err);
	if (f->sink && !g->is_changed && !r)
		r = group_changed(f, g, err);
	if (f->program && !r)
		r = blame(e,
		    program_event(f->program, &g->state, g->key, e, f->rollback, err),
		    err);
	if (f->emitter && !r)
		r = emitted_take(f, g, e, err);
	for (size_t i = 0; i < f->n && !r; i++)
		r = reduce(f, i, g, (struct json_text){e->line, e->len}, e, err);
	if (!r && e->seq)
		g->seq = e->seq;
	f->last = r ? NULL : g;
	return r;
}

int fold_no_json(const struct evlog_event *e, evlog_error *err)
{
	return error_set(err, EVLOG_EDATA, "event %" PRIu64 ": not valid JSON", e->seq);
}

int fold_event(evlog_fold *f, const struct evlog_event *e, evlog_error *err)
{
	struct view key;
	int r = fold_ready(f, err);

	f->last = NULL;
	if (!r)
		r = track(f, e, err);
	if (r)
		return r;
	f->found = f->room;
	if (!path_trie_match(&f->trie, (struct json_text){e->line, e->len}, 0,
		&f->guesses, f->found, f->slots))
		return fold_no_json(e, err);
	r = key_of(f, e, &key, err);
	return r ? r : fold_apply(f, e, key, hash_table(key.p, key.len), err);
}

bool evlog_fold_may_stop(const evlog_fold *f)
{
	return f && f->program && program_may_stop(f->program);
}
