/* path_trie.c - finds the values at several paths of an event in one walk. */
#include "fold/path_trie.h"

#include <stdlib.h>

bool path_trie_add(
    struct path_trie *at, const struct json_path *path, size_t *slots, size_t *slot)
{
	for (size_t i = 0; i < path->n; i++) {
		struct path_trie *next = NULL;
		for (size_t k = 0; k < at->n; k++)
			if (view_compare(at->below[k].name, path->step[i]) == 0)
				next = &at->below[k];
		if (!next) {
			struct path_trie *more =
			    realloc(at->below, (at->n + 1) * sizeof *more);
			if (!more)
				return false;
			at->below = more;
			next = &more[at->n++];
			*next =
			    (struct path_trie){.name = path->step[i], .index = SIZE_MAX};
			json_index(path->step[i], &next->index);
		}
		at = next;
	}
	if (!at->slot)
		at->slot = ++*slots;
	*slot = at->slot - 1;
	return true;
}

void path_trie_free(struct path_trie *l)
{
	for (size_t i = 0; i < l->n; i++)
		path_trie_free(&l->below[i]);
	free(l->below);
	*l = (struct path_trie){0};
}

static void forget(const struct path_trie *l, struct json_text *found)
{
	if (l->slot)
		found[l->slot - 1].p = NULL;
	for (size_t i = 0; i < l->n; i++)
		forget(&l->below[i], found);
}

static inline const struct path_trie *step_of(
    const struct path_trie *l, bool object, const struct json_member *m, size_t index)
{
	for (size_t i = 0; i < l->n; i++)
		if (object ? json_key_is(m, l->below[i].name)
			   : l->below[i].index == index)
			return &l->below[i];
	return NULL;
}

/* Walks a container to its end; the event itself only until all its steps are found,
 * since its names are unique.  Returns false if it is not valid. */
static bool walk(
    const struct path_trie *l, struct json_walk *w, struct json_text *found, bool event)
{
	struct json_member m;
	struct json_walk inner;
	size_t index = 0, left = event ? l->n : SIZE_MAX;

	for (; left && json_walk_name(w, &m); index++) {
		const struct path_trie *step = step_of(l, w->object, &m, index);
		bool deeper = step && step->n && m.value.p < w->end &&
			      (*m.value.p == '{' || *m.value.p == '[');
		if (step && !event) /* the last member of a name counts */
			forget(step, found);
		if (deeper) {
			json_walk_into(&inner, w);
			if (!walk(step, &inner, found, false))
				return false;
		}
		if (!(deeper ? json_walk_out(w, &inner, &m) : json_walk_value(w, &m)))
			return false;
		if (step && step->slot)
			found[step->slot - 1] = m.value;
		left -= step != NULL;
	}
	return left == 0 || json_walk_ended(w);
}

bool path_trie_match(const struct path_trie *root, struct json_text event,
    struct json_text *found, size_t slots)
{
	struct json_walk w;

	for (size_t i = 0; i < slots; i++)
		found[i] = (struct json_text){NULL, 0};
	if (root->slot)
		found[root->slot - 1] = event;
	json_walk_begin(&w, event);
	bool good = w.object && walk(root, &w, found, true);
	for (size_t i = 0; i < slots && good; i++)
		good = !found[i].p || json_is_valid(found[i]);
	return good;
}
