/* story.c - events that belong to the same story, though the tree does not lead to them.
 */
#include "base/error.h"
#include "trace/trace.h"

#include <stdlib.h>

static int story_take(struct evlog_trace *t, struct search *s, const struct spot *spot,
    const struct evlog_event *e, const char *text, evlog_error *err)
{
	(void)s;
	(void)text;
	if (node_at(t, spot) != NONE)
		return 0;
	struct node n = node_of(t, spot, e);
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
		size_t to = t->n;
		struct gathered causes;
		r = gather(t, from, to, true, &causes, err);
		if (!r)
			r = story_search(t, KEY_ID, "id", causes.text, causes.n, err);
		gathered_free(&causes);
		from = to;
	}
	return r;
}

int story_add(struct evlog_trace *t, evlog_error *err)
{
	size_t from = t->n;

	int r = story_gather(t, err);
	if (!r)
		r = story_climb(t, from, err);
	if (r < 0 || from == t->n)
		return r;
	r = nodes_link(t, from, err);
	return r ? r : descend(t, from, err);
}
