/* tree.c - the tree of effects: its nodes, level by level, and their order. */
#include "base/error.h"
#include "trace/trace.h"

#include <inttypes.h>
#include <stdlib.h>

static bool is_before(struct spot a, struct spot b)
{
	return a.logtime != b.logtime ? a.logtime < b.logtime
				      : a.log != b.log || a.seq < b.seq;
}

bool is_rather(struct spot a, struct spot b, struct spot effect)
{
	bool before = is_before(a, effect);

	if (before != is_before(b, effect))
		return before;
	if (a.logtime == b.logtime && a.log != b.log)
		return a.log == effect.log;
	return before == is_before(b, a);
}

/* ---- Nodes ---- */

int node_push(struct evlog_trace *t, const struct node *n, evlog_error *err)
{
	if (t->n == t->cap && !array_grow(&t->at, &t->cap, sizeof *t->at))
		return error_memory(err);
	t->at[t->n++] = *n;
	return 0;
}

int node_add(struct evlog_trace *t, const struct node *n, evlog_error *err)
{
	if (t->n < t->o.most)
		return node_push(t, n, err);
	t->full = true;
	return EVLOG_END;
}

/* Where a node is, or whose child it is: for sorting. */
struct place {
	struct spot spot;
	uint32_t parent, node;
};

#define DIFFERENCE(a, b) (((a) > (b)) - ((a) < (b)))

static int places_compare(const void *x, const void *y)
{
	const struct place *a = x, *b = y;
	int d = DIFFERENCE(a->spot.log, b->spot.log);

	return d ? d : DIFFERENCE(a->spot.seq, b->spot.seq);
}

static int children_compare(const void *x, const void *y)
{
	const struct place *a = x, *b = y;
	int d = DIFFERENCE(a->parent, b->parent);

	if (!d)
		d = DIFFERENCE(a->spot.logtime, b->spot.logtime);
	return d ? d : places_compare(x, y);
}

static struct place place_of(const struct evlog_trace *t, size_t i)
{
	return (struct place){t->at[i].spot, t->at[i].parent, (uint32_t)i};
}

int places_sort(struct evlog_trace *t, evlog_error *err)
{
	struct place *p = realloc(t->place, (t->n + 1) * sizeof *p);

	if (!p)
		return error_memory(err);
	t->place = p;
	t->placed = t->n;
	for (size_t i = 0; i < t->n; i++)
		p[i] = place_of(t, i);
	qsort(p, t->n, sizeof *p, places_compare);
	return 0;
}

uint32_t node_at(const struct evlog_trace *t, const struct spot *spot)
{
	const struct place key = {.spot = *spot}, *p = NULL;

	if (t->placed)
		p = bsearch(&key, t->place, t->placed, sizeof key, places_compare);
	return p ? p->node : NONE;
}

static bool is_below(const struct evlog_trace *t, uint32_t node, uint32_t above)
{
	while (node != NONE && node != above)
		node = t->at[node].parent;
	return node != NONE;
}

/* ---- Levels ---- */

/* A level: all events that have the id of one of its nodes. */
struct level {
	struct named {
		const char *id;
		uint32_t node; /* NONE: it is not in the tree */
		struct spot spot;
	} * at;
	size_t n, cap;
	bool only_look; /* whether there is anything below it */
};

static int named_compare(const void *x, const void *y)
{
	const struct named *a = x, *b = y;

	return strcmp(a->id, b->id);
}

/* The cause of an event; NULL: it is not among these. */
static const struct named *cause_of(
    const struct level *l, const char *id, struct spot effect)
{
	const struct named *best = NULL;
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(l->at[middle].id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < l->n && strcmp(l->at[low].id, id) == 0; low++) {
		const struct named *x = &l->at[low];
		if (!best || is_rather(x->spot, best->spot, effect))
			best = x;
	}
	return best;
}

static int named_take(struct evlog_trace *t, struct search *s, const struct spot *spot,
    const struct evlog_event *e, const char *text, evlog_error *err)
{
	struct level *l = s->arg;

	(void)e;
	if (l->n == l->cap && !array_grow(&l->at, &l->cap, sizeof *l->at))
		return error_memory(err);
	l->at[l->n++] = (struct named){text, node_at(t, spot), *spot};
	return 0;
}

static int effect_take(struct evlog_trace *t, struct search *s, const struct spot *spot,
    const struct evlog_event *e, const char *text, evlog_error *err)
{
	const struct level *l = s->arg;
	const struct named *cause = cause_of(l, text, *spot);
	uint32_t parent = cause ? cause->node : NONE;
	uint32_t known = node_at(t, spot);

	if (parent == NONE) /* another event with that id has caused it */
		return 0;
	if (known != NONE) {
		if (!l->only_look && is_below(t, parent, known))
			trace_say(t, "event %" PRIu64 " of %s is among its own effects",
			    spot->seq, t->paths[spot->log]);
		return 0;
	}
	if (l->only_look)
		return EVLOG_END;
	struct node n = node_of(t, spot, e);
	n.parent = parent;
	return t->texts.failed ? error_memory(err) : node_add(t, &n, err);
}

/* Finds the effects of nodes [from, to).  EVLOG_END: as effect_take. */
static int level_search(
    struct evlog_trace *t, size_t from, size_t to, bool only_look, evlog_error *err)
{
	struct level l = {.only_look = only_look};
	struct gathered ids;
	struct search s = {
	    .kind = KEY_ID, .member = "id", .found = named_take, .arg = &l};

	int r = gather(t, from, to, false, &ids, err);
	s.text = ids.text;
	s.n = ids.n;
	if (!r && s.n)
		r = search(t, &s, err);
	if (!r && l.n)
		qsort(l.at, l.n, sizeof *l.at, named_compare);
	s.kind = KEY_CAUSATION;
	s.member = "causationid";
	s.found = effect_take;
	if (!r && s.n)
		r = search(t, &s, err);
	free(l.at);
	gathered_free(&ids);
	return r;
}

int descend(struct evlog_trace *t, size_t from, evlog_error *err)
{
	int r = 0;

	for (unsigned depth = 0; from < t->n && !r && !t->full; depth++) {
		size_t to = t->n;
		r = places_sort(t, err);
		if (!r)
			r = level_search(t, from, to, depth == t->o.depth, err);
		if (depth == t->o.depth) {
			if (r == EVLOG_END)
				trace_say(t,
				    "there are further effects; --depth shows more of "
				    "them");
			return r < 0 ? r : 0;
		}
		from = to;
	}
	return r < 0 ? r : 0;
}

/* ---- Links ---- */

int nodes_link(struct evlog_trace *t, size_t from, evlog_error *err)
{
	struct level l = {.at = malloc((t->n - from + 1) * sizeof *l.at)};

	if (!l.at)
		return error_memory(err);
	for (size_t i = from; i < t->n; i++)
		if (t->at[i].id)
			l.at[l.n++] = (struct named){
			    text_at(t, t->at[i].id), (uint32_t)i, t->at[i].spot};
	qsort(l.at, l.n, sizeof *l.at, named_compare);
	for (size_t i = from; i < t->n; i++) {
		struct node *n = &t->at[i];
		const struct named *cause =
		    n->cause ? cause_of(&l, text_at(t, n->cause), n->spot) : NULL;
		if (cause && !is_below(t, cause->node, (uint32_t)i))
			n->parent = cause->node;
	}
	free(l.at);
	return 0;
}

int children_sort(struct evlog_trace *t, evlog_error *err)
{
	struct place *p = malloc((t->n + 1) * sizeof *p);

	if (!p)
		return error_memory(err);
	for (size_t i = 0; i < t->n; i++)
		p[i] = place_of(t, i);
	qsort(p, t->n, sizeof *p, children_compare);
	t->root = NONE;
	for (size_t i = t->n; i-- > 0;) {
		uint32_t *first =
		    p[i].parent == NONE ? &t->root : &t->at[p[i].parent].first;
		t->at[p[i].node].next = *first;
		*first = p[i].node;
	}
	free(p);
	t->next = t->root;
	return 0;
}
