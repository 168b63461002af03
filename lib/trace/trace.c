/*
 * trace.c - the causes and effects of an event, across logs.
 *
 * trace/ follows the attributes causationid and correlationid.  It must not know how the
 * result is printed.
 *
 * From the event that is asked for, it climbs to the first cause, one search for an id
 * after the other.  From there it goes down level by level: one search of each log finds
 * the effects of all events of a level.  What belongs to the same story (correlationid)
 * but is not among these, because a cause is missing, is added as a tree of its own.
 */
#include "base/error.h"
#include "base/options.h"
#include "event/stamp.h"
#include "json/path.h"
#include "read/reader.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define DEPTH 100
#define MOST  10000
#define NONE  UINT32_MAX

struct node {
	uint32_t log; /* index in paths */
	uint64_t seq;
	int64_t logtime;
	/* texts, as offsets; 0: none */
	size_t id, type, subject, cause, correlation;
	uint32_t parent;      /* NONE: a root */
	uint32_t first, next; /* child and sibling, in the order of time; NONE: no more */
	unsigned depth;
};

struct evlog_trace {
	struct evlog_trace_options o;
	const char *const *paths;
	uint32_t n_paths;
	struct buf texts; /* each with a NUL; at 0, an empty one */
	struct node *at;
	size_t n, cap;
	struct place *place; /* of the first `placed` nodes, by log and seq */
	size_t placed;
	struct node asked;
	uint32_t root, next; /* to be delivered */
	bool full;	     /* there are more events than may be shown */
};

static void say(const struct evlog_trace *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(const struct evlog_trace *t, const char *format, ...)
{
	char text[700];
	va_list args;

	if (!t->o.say)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	t->o.say(t->o.arg, text);
}

static const char *text_at(const struct evlog_trace *t, size_t offset)
{
	return t->texts.p + offset;
}

/* ---- Searching ---- */

/* Copies the text of a string member.  0: there is none, or it has a NUL. */
static size_t text_take(
    struct evlog_trace *t, const struct evlog_event *e, const char *name)
{
	struct json_text v = json_top_string(e->line, e->len, name);
	size_t at = t->texts.len;

	if (!v.p)
		return 0;
	json_unescape(&t->texts, v);
	if (t->texts.failed || memchr(t->texts.p + at, '\0', t->texts.len - at)) {
		t->texts.len = at;
		return 0;
	}
	buf_putc(&t->texts, '\0');
	return at;
}

static struct node node_of(
    struct evlog_trace *t, uint32_t log, const struct evlog_event *e)
{
	return (struct node){.log = log,
	    .seq = e->seq,
	    .logtime = e->logtime,
	    .id = text_take(t, e, "id"),
	    .type = text_take(t, e, "type"),
	    .subject = text_take(t, e, "subject"),
	    .cause = text_take(t, e, "causationid"),
	    .correlation = text_take(t, e, "correlationid"),
	    .parent = NONE,
	    .first = NONE,
	    .next = NONE};
}

/* A search: for events of which a member is one of some texts, in order. */
struct search {
	enum key_kind kind;
	const char *member;
	const char **text;
	size_t n;
	uint64_t seq; /* or, if n is 0, for the event with this seq */
	/* gets what is found; if it returns EVLOG_END, nothing more is searched */
	int (*found)(struct evlog_trace *t, struct search *s, uint32_t log,
	    const struct evlog_event *e, const char *text, evlog_error *err);
	void *arg;
};

static int texts_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool texts_have(const struct search *s, const char *text)
{
	return bsearch(&text, s->text, s->n, sizeof *s->text, texts_compare) != NULL;
}

/* Shows an event to the search. */
static int line_show(struct evlog_trace *t, struct search *s, uint32_t log,
    const struct evlog_event *e, evlog_error *err)
{
	size_t had = t->texts.len;

	if (s->n == 0)
		return e->seq == s->seq ? s->found(t, s, log, e, NULL, err) : 0;
	size_t at = text_take(t, e, s->member);
	bool wanted = at && texts_have(s, text_at(t, at));
	int r = t->texts.failed ? error_memory(err) : 0;
	t->texts.len = had; /* what is found takes its own */
	return r || !wanted ? r : s->found(t, s, log, e, text_at(t, at), err);
}

static int log_search(
    struct evlog_trace *t, struct search *s, uint32_t log, evlog_error *err)
{
	struct filter_wanted wanted = {.of[KEY_TYPE] = {.n = 0}};
	struct bounds b = {.from = s->seq,
	    .to = s->seq,
	    .since = EVLOG_TIME_MIN,
	    .until = EVLOG_TIME_MAX,
	    .event_since = EVLOG_TIME_MIN,
	    .event_until = EVLOG_TIME_MAX,
	    .max_line = t->o.max_line,
	    .no_index = t->o.no_index};
	struct log_reader *reader = NULL;
	struct evlog_lines lines;
	struct evlog_event e;
	int r, found = 0;

	uint64_t *key = malloc((s->n + 1) * sizeof *key);
	if (!key)
		return error_memory(err);
	for (size_t i = 0; i < s->n; i++)
		key[i] =
		    filter_key(s->kind, (struct view){s->text[i], strlen(s->text[i])});
	wanted.of[s->kind].key = key;
	wanted.of[s->kind].n = s->n;
	if (s->n && !t->o.no_index)
		b.wanted = &wanted;
	r = log_reader_open(&reader, t->paths[log], &b, false, false, err);
	while (!r && (r = log_reader_next(reader, &lines, err)) == 0) {
		while (!found && evlog_lines_take(&lines, &e))
			found = line_show(t, s, log, &e, err);
		r = found;
		if (!r && t->o.stop && *t->o.stop)
			r = error_set(err, EVLOG_EBUSY, "interrupted");
	}
	log_reader_close(reader);
	free(key);
	return found ? found : r < 0 ? r : 0;
}

/* Searches all logs.  Sorts the texts. */
static int search(struct evlog_trace *t, struct search *s, evlog_error *err)
{
	int r = 0;

	if (s->n)
		qsort(s->text, s->n, sizeof *s->text, texts_compare);
	for (uint32_t i = 0; i < t->n_paths && !r; i++)
		r = log_search(t, s, i, err);
	return r;
}

/* ---- Climbing ---- */

/* Where and when an event is. */
struct spot {
	int64_t logtime;
	uint32_t log;
	uint64_t seq;
};

static struct spot spot_of(const struct node *n)
{
	return (struct spot){n->logtime, n->log, n->seq};
}

static bool spots_same(struct spot a, struct spot b)
{
	return a.log == b.log && a.seq == b.seq;
}

static bool is_before(struct spot a, struct spot b)
{
	return a.logtime != b.logtime ? a.logtime < b.logtime
				      : a.log != b.log || a.seq < b.seq;
}

/* Of several events with the id of a cause, it is the last that is before the effect; or
 * else, since the clocks of several machines differ, the first.  Whether a is rather the
 * cause than b. */
static bool is_rather(struct spot a, struct spot b, struct spot effect)
{
	bool before = is_before(a, effect);

	if (before != is_before(b, effect))
		return before;
	if (a.logtime == b.logtime && a.log != b.log)
		return a.log == effect.log;
	return before == is_before(b, a);
}

struct candidates {
	struct node best;
	size_t n;
	struct spot effect;
};

static int candidate_take(struct evlog_trace *t, struct search *s, uint32_t log,
    const struct evlog_event *e, const char *text, evlog_error *err)
{
	struct candidates *c = s->arg;
	struct spot spot = {e->logtime, log, e->seq};

	(void)text;
	if (spots_same(spot, c->effect))
		return 0;
	if (c->n++ && !is_rather(spot, spot_of(&c->best), c->effect))
		return 0;
	c->best = node_of(t, log, e);
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
	int r = copy ? search(t, &s, err) : error_memory(err);
	free(copy);
	return r ? r : c->n ? 0 : EVLOG_END;
}

/* Adds a node, however many there are. */
static int node_push(struct evlog_trace *t, const struct node *n, evlog_error *err)
{
	if (t->n == t->cap && !array_grow(&t->at, &t->cap, sizeof *t->at))
		return error_memory(err);
	t->at[t->n++] = *n;
	return 0;
}

/* Adds a node.  EVLOG_END: there are enough. */
static int node_add(struct evlog_trace *t, const struct node *n, evlog_error *err)
{
	if (t->n < t->o.most)
		return node_push(t, n, err);
	t->full = true;
	return EVLOG_END;
}

static bool is_same(const struct node *a, const struct node *b)
{
	return a->log == b->log && a->seq == b->seq;
}

/* Finds the first cause of the event that is asked for.  The nodes are those on the way.
 */
static int climb(struct evlog_trace *t, evlog_error *err)
{
	int r = node_push(t, &t->asked, err);

	while (!r) {
		const struct node *top = &t->at[t->n - 1];
		struct candidates c = {.effect = spot_of(top)};
		if (!top->cause)
			return 0;
		if (t->n > t->o.depth) {
			say(t, "there are earlier causes; --depth shows more of them");
			return 0;
		}
		r = id_find(t, text_at(t, top->cause), &c, err);
		if (r == EVLOG_END && top->id &&
		    strcmp(text_at(t, top->id), text_at(t, top->cause)) == 0) {
			say(t, "event %" PRIu64 " of %s is among its own causes",
			    top->seq, t->paths[top->log]);
			return 0;
		}
		if (r == EVLOG_END) {
			say(t, "%s, the cause of event %" PRIu64 " of %s, is not there",
			    text_at(t, top->cause), top->seq, t->paths[top->log]);
			return 0;
		}
		for (size_t i = 0; i < t->n && !r; i++)
			if (is_same(&t->at[i], &c.best)) {
				say(t, "event %" PRIu64 " of %s is among its own causes",
				    top->seq, t->paths[top->log]);
				return 0;
			}
		if (!r)
			r = node_push(t, &c.best, err);
	}
	return r;
}

/* ---- The tree ---- */

/* Where a node is, or whose child it is: for sorting. */
struct place {
	uint32_t parent, log, node;
	int64_t logtime;
	uint64_t seq;
};

#define DIFFERENCE(a, b) (((a) > (b)) - ((a) < (b)))

static int places_compare(const void *x, const void *y)
{
	const struct place *a = x, *b = y;
	int d = DIFFERENCE(a->log, b->log);

	return d ? d : DIFFERENCE(a->seq, b->seq);
}

static int children_compare(const void *x, const void *y)
{
	const struct place *a = x, *b = y;
	int d = DIFFERENCE(a->parent, b->parent);

	if (!d)
		d = DIFFERENCE(a->logtime, b->logtime);
	return d ? d : places_compare(x, y);
}

static struct place place_of(const struct evlog_trace *t, size_t i)
{
	const struct node *n = &t->at[i];

	return (struct place){n->parent, n->log, (uint32_t)i, n->logtime, n->seq};
}

/* Sorts where the nodes are. */
static int places_sort(struct evlog_trace *t, evlog_error *err)
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

/* The node of an event; NONE: it is not in the tree. */
static uint32_t node_at(const struct evlog_trace *t, uint32_t log, uint64_t seq)
{
	const struct place key = {.log = log, .seq = seq}, *p = NULL;

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
		if (!spots_same(x->spot, effect) &&
		    (!best || is_rather(x->spot, best->spot, effect)))
			best = x;
	}
	return best;
}

/* Notes an event that has the id of a node; text: one of those of the search. */
static int named_take(struct evlog_trace *t, struct search *s, uint32_t log,
    const struct evlog_event *e, const char *text, evlog_error *err)
{
	struct level *l = s->arg;
	const char **id = bsearch(&text, s->text, s->n, sizeof *s->text, texts_compare);

	if (l->n == l->cap && !array_grow(&l->at, &l->cap, sizeof *l->at))
		return error_memory(err);
	l->at[l->n++] =
	    (struct named){*id, node_at(t, log, e->seq), {e->logtime, log, e->seq}};
	return 0;
}

static int effect_take(struct evlog_trace *t, struct search *s, uint32_t log,
    const struct evlog_event *e, const char *text, evlog_error *err)
{
	const struct level *l = s->arg;
	const struct named *cause =
	    cause_of(l, text, (struct spot){e->logtime, log, e->seq});
	uint32_t parent = cause ? cause->node : NONE;
	uint32_t known = node_at(t, log, e->seq);

	if (parent == NONE) /* another event with that id has caused it */
		return 0;
	if (known != NONE && l->only_look)
		return 0;
	if (known != NONE) {
		if (!is_below(t, parent, known) && t->at[known].parent == NONE)
			t->at[known].parent = parent; /* it was alone so far */
		else if (is_below(t, parent, known))
			say(t, "event %" PRIu64 " of %s is among its own effects", e->seq,
			    t->paths[log]);
		return 0;
	}
	if (l->only_look)
		return EVLOG_END;
	struct node n = node_of(t, log, e);
	n.parent = parent;
	return t->texts.failed ? error_memory(err) : node_add(t, &n, err);
}

/* Finds the effects of nodes [from, to).  EVLOG_END: as effect_take. */
static int level_search(
    struct evlog_trace *t, size_t from, size_t to, bool only_look, evlog_error *err)
{
	struct level l = {.only_look = only_look};
	struct buf ids = {0}; /* copies: the texts move */
	const char **text = malloc((to - from + 1) * sizeof *text);
	struct search s = {
	    .kind = KEY_ID, .member = "id", .text = text, .found = named_take, .arg = &l};

	buf_add(&ids, t->texts.p, t->texts.len);
	int r = text && !ids.failed ? 0 : error_memory(err);
	for (size_t i = from; i < to && !r; i++)
		if (t->at[i].id)
			text[s.n++] = ids.p + t->at[i].id;
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
	free(text);
	buf_free(&ids);
	return r;
}

/* Finds all that follows from the nodes from `from` on. */
static int descend(struct evlog_trace *t, size_t from, evlog_error *err)
{
	int r = 0;

	for (unsigned depth = 0; from < t->n && !r && !t->full; depth++) {
		size_t to = t->n;
		r = places_sort(t, err);
		if (!r)
			r = level_search(t, from, to, depth == t->o.depth, err);
		if (depth == t->o.depth) {
			if (r == EVLOG_END)
				say(t, "there are further effects; --depth shows more of "
				       "them");
			return r < 0 ? r : 0;
		}
		from = to;
	}
	return r < 0 ? r : 0;
}

/* ---- The same story ---- */

static int story_take(struct evlog_trace *t, struct search *s, uint32_t log,
    const struct evlog_event *e, const char *text, evlog_error *err)
{
	(void)s;
	(void)text;
	if (node_at(t, log, e->seq) != NONE)
		return 0;
	struct node n = node_of(t, log, e);
	return t->texts.failed ? error_memory(err) : node_add(t, &n, err);
}

/* Adds the events of which a member is one of these texts. */
static int story_search(struct evlog_trace *t, enum key_kind kind, const char *member,
    const char **text, size_t n, evlog_error *err)
{
	struct search s = {
	    .kind = kind, .member = member, .text = text, .n = n, .found = story_take};
	int r = n ? places_sort(t, err) : 0;

	return r || !n ? r : search(t, &s, err);
}

/* Adds the events of the story. */
static int story_gather(struct evlog_trace *t, evlog_error *err)
{
	size_t at = t->asked.correlation ? t->asked.correlation : t->asked.id;
	char *id = strdup(text_at(t, at)); /* the texts move */
	const char *text[] = {id};

	int r = id ? story_search(t, KEY_CORRELATION, "correlationid", text, at != 0, err)
		   : error_memory(err);
	if (!r)
		r = story_search(t, KEY_ID, "id", text, at != 0, err);
	free(id);
	return r;
}

/* Adds the causes of the nodes from `from` on, and their causes. */
static int story_climb(struct evlog_trace *t, size_t from, evlog_error *err)
{
	int r = 0;

	for (unsigned depth = 0; from < t->n && depth < t->o.depth && !r; depth++) {
		size_t to = t->n, n = 0;
		struct buf texts = {0};
		const char **text = malloc((to - from) * sizeof *text);
		buf_add(&texts, t->texts.p, t->texts.len);
		r = text && !texts.failed ? 0 : error_memory(err);
		for (; from < to && !r; from++)
			if (t->at[from].cause)
				text[n++] = texts.p + t->at[from].cause;
		if (!r)
			r = story_search(t, KEY_ID, "id", text, n, err);
		free(text);
		buf_free(&texts);
	}
	return r;
}

/* Makes trees of the nodes from `from` on. */
static int story_link(struct evlog_trace *t, size_t from, evlog_error *err)
{
	struct level l = {.at = malloc((t->n - from + 1) * sizeof *l.at)};

	if (!l.at)
		return error_memory(err);
	for (size_t i = from; i < t->n; i++)
		if (t->at[i].id)
			l.at[l.n++] = (struct named){
			    text_at(t, t->at[i].id), (uint32_t)i, spot_of(&t->at[i])};
	qsort(l.at, l.n, sizeof *l.at, named_compare);
	for (size_t i = from; i < t->n; i++) {
		struct node *n = &t->at[i];
		const struct named *cause =
		    n->cause ? cause_of(&l, text_at(t, n->cause), spot_of(n)) : NULL;
		if (cause && !is_below(t, cause->node, (uint32_t)i))
			n->parent = cause->node;
	}
	free(l.at);
	return 0;
}

/* Adds what belongs to the same story, and is not in the tree: a cause is missing. */
static int story_add(struct evlog_trace *t, evlog_error *err)
{
	size_t from = t->n;

	int r = story_gather(t, err);
	if (!r)
		r = story_climb(t, from, err);
	if (r < 0 || from == t->n)
		return r;
	r = story_link(t, from, err);
	return r ? r : descend(t, from, err);
}

/* Links the children of each node, in the order of time. */
static int children_sort(struct evlog_trace *t, evlog_error *err)
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

/* ---- The interface ---- */

static int asked_take(struct evlog_trace *t, struct search *s, uint32_t log,
    const struct evlog_event *e, const char *text, evlog_error *err)
{
	size_t *n = s->arg;

	(void)text;
	if ((*n)++ == 0)
		t->asked = node_of(t, log, e);
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
		say(t, "%zu events have the id %s; this is about event %" PRIu64 " of %s",
		    n, id, t->asked.seq, t->paths[t->asked.log]);
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
		say(t, "there are more than %zu events; --count shows more of them",
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
	    .asked = is_same(n, &t->asked),
	    .log = t->paths[n->log],
	    .seq = n->seq,
	    .logtime = n->logtime,
	    .after = cause ? n->logtime - cause->logtime : EVLOG_TIME_MIN,
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
