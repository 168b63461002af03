/* path_trie.c - finds the values at several paths of an event in one walk. */
#include "fold/path_trie.h"
#include "json/vector.h"

#include <stdlib.h>

bool path_trie_add(
    struct path_trie *at, const struct json_path *path, size_t *slots, size_t *slot)
{
	at->stamped |= path->n && (view_is(path->step[0], "seq") ||
				      view_is(path->step[0], "logtime"));
	for (size_t i = 0; i < path->n; i++) {
		struct path_trie *next = NULL;
		for (size_t k = 0; k < at->n; k++)
			if (view_equal(at->below[k].name, path->step[i]))
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

/* ---- Guessing the next name ---- */

/* The guess for the member of this number; NULL: none is kept. */
static struct path_guess *guess_of(
    struct path_guesses *all, const struct path_trie *l, unsigned level, size_t index)
{
	if (level >= GUESS_LEVELS || index >= GUESSES)
		return NULL;
	if (all->of[level] != l) {
		memset(all->at[level], 0, sizeof all->at[level]);
		all->of[level] = l;
	}
	return &all->at[level][index];
}

/* Whether the text at p is the guessed one, and a value follows. */
static inline bool guess_holds(const struct path_guess *g, const char *p, const char *end)
{
	uint64_t word, other = 0;

	if (!g || !g->len || end - p <= (ptrdiff_t)sizeof g->text)
		return false;
	for (size_t i = 0; i < GUESS_WORDS; i++) {
		memcpy(&word, p + i * sizeof word, sizeof word);
		other |= (word ^ g->text[i]) & g->mask[i];
	}
	return !other && (unsigned char)p[g->len] > ' ';
}

static void guess_note(struct path_guess *g, const char *from,
    const struct json_member *m, const struct path_trie *step)
{
	size_t len = (size_t)(m->value.p - from);

	if (!g)
		return;
	*g = (struct path_guess){.step = step};
	if (m->escaped || len > sizeof g->text)
		return;
	g->len = len;
	memcpy(g->text, from, len);
	memset(g->mask, 0xff, len);
}

/* ---- The walk ---- */

/* Gets the value of a member, which is mostly a string without escapes. */
static inline bool member_value(struct json_walk *w, struct json_member *m)
{
	const char *p = m->value.p;

	if (p < w->end && *p == '"') {
		const char *quote = find_quote(p + 1, w->end);
		if (quote < w->end && *quote == '"') {
			w->p = quote + 1;
			m->value.len = (size_t)(w->p - p);
			return true;
		}
	}
	return json_walk_value(w, m);
}

struct search {
	struct path_guesses *guesses;
	struct json_text *found;
};

/* Gets the next member and where its value begins, and the step that it is.  Returns
 * false at the end. */
static inline bool member_next(const struct path_trie *l, struct json_walk *w,
    struct json_member *m, struct path_guess *g, size_t index,
    const struct path_trie **step)
{
	const char *from = w->p;

	if (guess_holds(g, from, w->end)) {
		w->p = from + g->len;
		m->value = (struct json_text){w->p, 0};
		*step = g->step;
		return true;
	}
	if (!json_walk_name(w, m))
		return false;
	*step = step_of(l, w->object, m, index);
	guess_note(g, from, m, *step);
	return true;
}

/* Walks a container to its end; the event itself only until all its steps are found,
 * since its names are unique.  Returns false if it is not valid. */
static bool walk(
    const struct path_trie *l, struct json_walk *w, struct search *s, unsigned level)
{
	struct json_member m;
	struct json_walk inner;
	size_t left = level ? SIZE_MAX : l->n;
	const struct path_trie *step;

	for (size_t index = 0; left; index++) {
		struct path_guess *g =
		    w->object ? guess_of(s->guesses, l, level, index) : NULL;
		if (!member_next(l, w, &m, g, index, &step))
			break;
		bool deeper = step && step->n && m.value.p < w->end &&
			      (*m.value.p == '{' || *m.value.p == '[');
		if (step && level) /* the last member of a name counts */
			forget(step, s->found);
		if (deeper) {
			json_walk_into(&inner, w);
			if (!walk(step, &inner, s, level + 1))
				return false;
		}
		if (!(deeper ? json_walk_out(w, &inner, &m) : member_value(w, &m)))
			return false;
		if (step && step->slot)
			s->found[step->slot - 1] = m.value;
		left -= step != NULL;
	}
	return left == 0 || json_walk_ended(w);
}

bool path_trie_match(const struct path_trie *root, struct json_text event, size_t stamp,
    struct path_guesses *guesses, struct json_text *found, size_t slots)
{
	struct search s = {guesses, found};
	struct json_walk w;

	for (size_t i = 0; i < slots; i++)
		found[i] = (struct json_text){NULL, 0};
	if (root->slot)
		found[root->slot - 1] = event;
	json_walk_begin(&w, event);
	if (stamp && !root->stamped)
		w.p = event.p + stamp - 1; /* the comma */
	bool good = w.object && walk(root, &w, &s, 0);
	for (size_t i = 0; i < slots && good; i++)
		good = !found[i].p || json_is_valid(found[i]);
	return good;
}
