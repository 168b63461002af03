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
	bool stamped; /* of the root: a path begins with seq or logtime */
};

/* Adds a path, which must outlive the trie.  *slot is the slot of an equal path, or a new
 * one; *slots is their number.  Returns false if out of memory. */
bool path_trie_add(
    struct path_trie *root, const struct json_path *path, size_t *slots, size_t *slot);

/* What the walk met in the event before, because events mostly have the same members in
 * the same order.  Zero-initialise; for one thread at a time, and one trie. */
#define GUESS_WORDS  3	/* of 8 bytes */
#define GUESSES	     24 /* of the first members of an object */
#define GUESS_LEVELS 3	/* of nesting */
struct path_guess {
	/* from the end of a value to the next one: ,"name": */
	uint64_t text[GUESS_WORDS], mask[GUESS_WORDS];
	size_t len;		      /* 0: no guess */
	const struct path_trie *step; /* NULL: no path has this name */
};
struct path_guesses {
	const struct path_trie *of[GUESS_LEVELS];
	struct path_guess at[GUESS_LEVELS][GUESSES];
};

/* Fills found[0..slots) from an event's line; p is NULL if there is no value.  Values
 * found are valid JSON.  stamp: the size of the event's stamp, which is not examined
 * unless a path begins with seq or logtime.  Returns false if the line is not JSON, as
 * far as it was examined. */
bool path_trie_match(const struct path_trie *root, struct json_text event, size_t stamp,
    struct path_guesses *guesses, struct json_text *found, size_t slots);

void path_trie_free(struct path_trie *root);

#endif
