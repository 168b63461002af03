/*
 * trace.c - the causes and effects of an event, across logs.
 *
 * From the event that is asked for, it climbs to the first cause, one search for an id
 * after the other.  From there it goes down level by level: two searches of each log find
 * the effects of all events of a level.  What belongs to the same story (correlationid)
 * but is not among these, because a cause is missing, is added as a tree of its own.
 */
#include "trace/trace.h"
#include "base/error.h"
#include "base/options.h"

#include <inttypes.h>
#include <stdlib.h>

#define DEPTH 100
#define MOST  10000

/* ---- Climbing ---- */

struct candidates {
	struct node best;
	size_t n;
	struct spot effect;
	size_t had; /* bytes of texts before */
};

static int candidate_take(struct evlog_trace *t, struct search *s,
    const struct spot *spot, const struct evlog_event *e, const char *text,
    evlog_error *err)
{
	struct candidates *c = s->arg;

	(void)text;
	if (c->n++ && !is_rather(*spot, c->best.spot, c->effect))
		return 0;
	t->texts.len = c->had; /* those of the one before it */
	c->best = node_of(t, spot, e);
	return t->texts.failed ? error_memory(err) : 0;
}

/* Finds an event by its id.  EVLOG_END: there is none. */
static int id_find(
    struct evlog_trace *t, const char *id, struct candidates *c, evlog_error *err)
{
	char *copy = strdup(id); /* the texts move */
	const char *text[] = {copy};
	struct search s = {.kind = KEY_ID,
	    .member = "id",
	    .text = text,
	    .n = 1,
	    .found = candidate_take,
	    .arg = c};

	c->n = 0;
	c->had = t->texts.len;
	int r = copy ? search(t, &s, err) : error_memory(err);
	free(copy);
	return r ? r : c->n ? 0 : EVLOG_END;
}

/* Finds the first cause of the event that is asked for.  The nodes are those on the way.
 */
static int climb(struct evlog_trace *t, evlog_error *err)
{
	int r = node_push(t, &t->asked, err);

	while (!r) {
		const struct node *top = &t->at[t->n - 1];
		struct candidates c = {.effect = top->spot};
		if (!top->cause)
			return 0;
		if (t->n > t->o.depth) {
			trace_say(
			    t, "there are earlier causes; --depth shows more of them");
			return 0;
		}
		r = id_find(t, text_at(t, top->cause), &c, err);
		if (r == EVLOG_END) {
			trace_say(t,
			    "%s, the cause of event %" PRIu64 " of %s, is not there",
			    text_at(t, top->cause), top->spot.seq,
			    t->paths[top->spot.log]);
			return 0;
		}
		for (size_t i = 0; i < t->n && !r; i++)
			if (spots_same(t->at[i].spot, c.best.spot)) {
				trace_say(t,
				    "event %" PRIu64 " of %s is among its own causes",
				    top->spot.seq, t->paths[top->spot.log]);
				return 0;
			}
		if (!r)
			r = node_push(t, &c.best, err);
	}
	return r;
}

/* ---- The interface ---- */

static int asked_take(struct evlog_trace *t, struct search *s, const struct spot *spot,
    const struct evlog_event *e, const char *text, evlog_error *err)
{
	size_t *n = s->arg;

	(void)text;
	if ((*n)++ == 0)
		t->asked = node_of(t, spot, e);
	return t->texts.failed ? error_memory(err) : 0;
}

/* Finds the event that is asked for: by its id, or by its seq in the first log. */
static int asked_find(
    struct evlog_trace *t, const char *id, uint64_t seq, evlog_error *err)
{
	const char *text[] = {id};
	size_t n = 0;
	struct search s = {.kind = KEY_ID,
	    .member = "id",
	    .text = text,
	    .n = id != NULL,
	    .seq = id ? 0 : seq,
	    .found = asked_take,
	    .arg = &n};

	int r = id ? search(t, &s, err) : log_search(t, &s, 0, err);
	if (!r && n > 1)
		trace_say(t,
		    "%zu events have the id %s; this is about event %" PRIu64 " of %s", n,
		    id, t->asked.spot.seq, t->paths[t->asked.spot.log]);
	return r ? r : n ? 0 : EVLOG_END;
}

static int trace_make(
    struct evlog_trace *t, const char *id, uint64_t seq, evlog_error *err)
{
	int r = asked_find(t, id, seq, err);

	if (!r)
		r = climb(t, err);
	if (r == 0) {
		t->at[0] =
		    t->at[t->n - 1]; /* the first cause; the others are found again */
		t->n = 1;
		r = descend(t, 0, err);
	}
	if (!r && !t->full)
		r = story_add(t, err);
	if (r == EVLOG_END && !t->full)
		return r;
	if (r >= 0 && t->full)
		trace_say(t, "there are more than %zu events; --count shows more of them",
		    t->o.most);
	return r < 0 ? r : children_sort(t, err);
}

int evlog_trace_open(evlog_trace **out, const char *const *paths, size_t n,
    const char *id, uint64_t seq, const struct evlog_trace_options *given,
    evlog_error *err)
{
	struct evlog_trace_options o = {0};

	OWN_ERROR(err);
	NEED(out, err);
	*out = NULL;
	NEED(paths && n, err);
	for (size_t i = 0; i < n; i++)
		NEED(paths[i], err);
	REFUSE(!id == !seq, "it needs either an id or a seq", err);
	REFUSE(n > UINT32_MAX - 1, "there are too many logs", err);
	int r = given ? options_take(&o, sizeof o,
			    END_OF(struct evlog_trace_options, arg), given, err)
		      : 0;
	if (r)
		return r;
	o.depth = o.depth ? o.depth : DEPTH;
	o.most = o.most && o.most < NONE ? o.most : MOST;
	evlog_trace *t = calloc(1, sizeof *t);
	if (!t)
		return error_memory(err);
	t->o = o;
	t->paths = paths;
	t->n_paths = (uint32_t)n;
	buf_putc(&t->texts, '\0');
	r = t->texts.failed ? error_memory(err) : trace_make(t, id, seq, err);
	if (r)
		evlog_trace_close(t);
	else
		*out = t;
	return r;
}

/* The node after this one: its first child, or what follows it or one above it. */
static uint32_t node_after(const struct evlog_trace *t, uint32_t i)
{
	if (t->at[i].first != NONE)
		return t->at[i].first;
	while (i != NONE && t->at[i].next == NONE)
		i = t->at[i].parent;
	return i == NONE ? NONE : t->at[i].next;
}

bool evlog_trace_next(evlog_trace *t, struct evlog_trace_node *out)
{
	if (!t || !out || t->next == NONE)
		return false;
	struct node *n = &t->at[t->next];
	const struct node *cause = n->parent == NONE ? NULL : &t->at[n->parent];
	n->depth = cause ? cause->depth + 1 : 0;
	*out = (struct evlog_trace_node){.number = t->next,
	    .parent = cause ? n->parent : SIZE_MAX,
	    .depth = n->depth,
	    .last = n->next == NONE,
	    .asked = spots_same(n->spot, t->asked.spot),
	    .log = t->paths[n->spot.log],
	    .seq = n->spot.seq,
	    .logtime = n->spot.logtime,
	    .after = cause ? n->spot.logtime - cause->spot.logtime : EVLOG_TIME_MIN,
	    .id = text_at(t, n->id),
	    .type = text_at(t, n->type),
	    .subject = text_at(t, n->subject),
	    .cause = text_at(t, n->cause),
	    .correlation = text_at(t, n->correlation)};
	t->next = node_after(t, t->next);
	return true;
}

void evlog_trace_close(evlog_trace *t)
{
	if (!t)
		return;
	buf_free(&t->texts);
	free(t->at);
	free(t->place);
	free(t);
}
