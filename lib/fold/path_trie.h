/* path_trie.h - finds the values at several paths of an event in one walk. */
#ifndef FOLD_PATH_TRIE_H
#define FOLD_PATH_TRIE_H

#include "json/path.h"

/* A step shared by one or more paths, and the steps after it.  Zero-initialise the
 * root. */
struct path_trie {
	struct view name; /* a view into the first path with this step */
	size_t index;	  /* the name as an array index, or SIZE_MAX */
	size_t slot;	  /* 1 + the slot for the value here; 0: not wanted */
	struct path_trie *below;
	size_t n;
};

/* Adds a path, which must outlive the trie.  *slot is the slot of an equal path, or a new
 * one; *slots is their number.  Returns false if out of memory. */
bool path_trie_add(
    struct path_trie *root, const struct json_path *path, size_t *slots, size_t *slot);

/* Fills found[0..slots) from an event's line; p is NULL if there is no value.  Values
 * found are valid JSON.  Returns false if the line is not, as far as it was examined. */
bool path_trie_match(const struct path_trie *root, struct json_text event,
    struct json_text *found, size_t slots);

void path_trie_free(struct path_trie *root);

#endif
