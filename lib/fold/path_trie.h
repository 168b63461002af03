/* path_trie.h - what stands at several paths of an event, found in one walk. */
#ifndef FOLD_PATH_TRIE_H
#define FOLD_PATH_TRIE_H

#include "json/path.h"

/* A step of one or more paths, and the steps behind it.  Zero-initialise the root. */
struct path_trie {
	struct view name; /* a view into the path that brought it */
	size_t index;	  /* the same as an array's index; SIZE_MAX: it is none */
	size_t slot;	  /* 1 + where to put what stands here; 0: nobody asks */
	struct path_trie *below;
	size_t n;
};

/* Adds a path, which must live as long; *slot, below *slots, is that of the same path
 * before, or the next.  false: no memory. */
bool path_trie_add(
    struct path_trie *root, const struct json_path *path, size_t *slots, size_t *slot);

/* Fills found[0..slots) from an event's line; p NULL: nothing stands there.  What is
 * found is valid JSON.  false: the line is not, as far as it was looked at. */
bool path_trie_match(const struct path_trie *root, struct json_text event,
    struct json_text *found, size_t slots);

void path_trie_free(struct path_trie *root);

#endif
