/* root_tracker.c - computes the root of a log after any event that a reader has
 * passed. */
#include "read/root_tracker.h"
#include "base/error.h"
#include "event/stamp.h"
#include "read/reader.h"

#include <stdlib.h>

int root_tracker_begin(struct root_tracker *t, const char *path, uint64_t max_line,
    const struct evlog_position *at, evlog_error *err)
{
	*t = (struct root_tracker){.path = path, .max_line = max_line};
	int r = log_identify(path, max_line, &t->who, err);
	if (!r && at->hashes) {
		t->tree.n = at->seq;
		memcpy(t->tree.at, at->frontier, at->hashes * HASH_SIZE);
	}
	t->seen = t->tree.n;
	return r;
}

void root_tracker_end(struct root_tracker *t)
{
	free(t->leaf);
	*t = (struct root_tracker){0};
}

static bool leaf_room(struct root_tracker *t)
{
	if (t->first && t->first == t->n)
		t->first = t->n = 0;
	if (t->n < t->cap)
		return true;
	if (t->first > t->cap / 2) {
		t->n -= t->first;
		memmove(t->leaf, t->leaf + t->first, t->n * HASH_SIZE);
		t->first = 0;
		return true;
	}
	return array_grow(&t->leaf, &t->cap, HASH_SIZE);
}

int root_tracker_lines(
    struct root_tracker *t, const struct evlog_lines *lines, evlog_error *err)
{
	struct evlog_lines left = *lines;
	struct evlog_event e;

	while (evlog_lines_take(&left, &e)) {
		if (e.seq != t->seen + 1) {
			if (t->first != t->n)
				return error_set(err, EVLOG_EINTERNAL,
				    "%s: internal error: events were skipped", t->path);
			int r =
			    position_tree(t->path, e.seq - 1, t->max_line, &t->tree, err);
			if (r)
				return r;
		}
		if (!leaf_room(t))
			return error_memory(err);
		merkle_leaf(e.line, e.len, lines->leaves, t->leaf[t->n++]);
		if (e.seq == 1)
			memcpy(t->who.lineage, t->leaf[t->n - 1], HASH_SIZE);
		t->seen = e.seq;
	}
	return 0;
}

int root_tracker_to(
    struct root_tracker *t, uint64_t seq, struct evlog_position *at, evlog_error *err)
{
	unsigned char root[HASH_SIZE];

	while (t->tree.n < seq && t->first < t->n)
		merkle_add_leaf(&t->tree, t->leaf[t->first++], NULL);
	if (t->tree.n != seq)
		return error_set(err, EVLOG_EINTERNAL,
		    "%s: internal error: no such position was passed", t->path);
	merkle_root(&t->tree, root);
	position_set(at, t->who.id, seq, root);
	position_lineage(at, &t->who);
	at->hashes = merkle_count(seq);
	memcpy(at->frontier, t->tree.at, at->hashes * HASH_SIZE);
	return 0;
}
