/*
 * trace.h - the causes and effects of an event: its parts.
 *
 * trace/ follows the attributes causationid and correlationid across logs.  It must not
 * know how the result is printed.
 */
#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H

#include "base/buf.h"
#include "evlog.h"
#include "format/filter.h"

#define NONE UINT32_MAX

/* Where and when an event is. */
struct spot {
	int64_t logtime;
	uint32_t log; /* index in paths */
	uint64_t seq;
};

struct node {
	struct spot spot;
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

/* ---- search.c ---- */

static inline const char *text_at(const struct evlog_trace *t, size_t offset)
{
	return t->texts.p + offset;
}

/* A search: for events of which a member is one of some texts. */
struct search {
	enum key_kind kind;
	const char *member;
	const char **text; /* is sorted; none of them in t->texts, which moves */
	size_t n;
	uint64_t seq; /* or, if n is 0, for the event with this seq */
	/* gets what is found, and which of the texts it has; if it returns EVLOG_END,
	 * nothing more is searched */
	int (*found)(struct evlog_trace *t, struct search *s, const struct spot *spot,
	    const struct evlog_event *e, const char *text, evlog_error *err);
	void *arg;
};

/* Searches one log, or all of them.  0, EVLOG_END as above, or an error. */
int log_search(struct evlog_trace *t, struct search *s, uint32_t log, evlog_error *err);
int search(struct evlog_trace *t, struct search *s, evlog_error *err);

/* Makes a node of an event.  If memory runs out, t->texts.failed is set. */
struct node node_of(
    struct evlog_trace *t, const struct spot *spot, const struct evlog_event *e);

/* Copies of the ids of nodes [from, to), or of the ids of their causes. */
struct gathered {
	struct buf bytes;
	const char **text;
	size_t n;
};
int gather(const struct evlog_trace *t, size_t from, size_t to, bool causes,
    struct gathered *g, evlog_error *err);
void gathered_free(struct gathered *g);

void trace_say(const struct evlog_trace *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- tree.c ---- */

static inline bool spots_same(struct spot a, struct spot b)
{
	return a.log == b.log && a.seq == b.seq;
}

/* Of several events with the id of a cause, it is the last that is before the effect; or
 * else, since the clocks of several machines differ, the first.  Whether a is rather the
 * cause than b. */
bool is_rather(struct spot a, struct spot b, struct spot effect);

/* Add a node: however many there are; or, if there are enough, EVLOG_END. */
int node_push(struct evlog_trace *t, const struct node *n, evlog_error *err);
int node_add(struct evlog_trace *t, const struct node *n, evlog_error *err);

/* Notes where the nodes are, so that node_at finds them. */
int places_sort(struct evlog_trace *t, evlog_error *err);

/* The node of an event; NONE: it was not there when the places were sorted. */
uint32_t node_at(const struct evlog_trace *t, const struct spot *spot);

/* Adds all that follows from the nodes from `from` on. */
int descend(struct evlog_trace *t, size_t from, evlog_error *err);

/* Makes trees of the nodes from `from` on, as far as their causes are among them. */
int nodes_link(struct evlog_trace *t, size_t from, evlog_error *err);

/* Links the children of each node, in the order of time. */
int children_sort(struct evlog_trace *t, evlog_error *err);

/* ---- story.c ---- */

/* Adds what belongs to the same story and is not in the tree, because a cause is
 * missing. */
int story_add(struct evlog_trace *t, evlog_error *err);

#endif
