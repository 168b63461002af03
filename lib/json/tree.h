/* tree.h - the internals of struct value, for value.c and patch.c only. */
#ifndef JSON_TREE_H
#define JSON_TREE_H

#include "json/value.h"

struct member {
	struct view key;     /* unescaped, owned */
	struct value *value; /* NULL: deleted */
};

struct value {
	enum json_type type;
	size_t n, cap; /* slots used and allocated, with deleted members */
	size_t live;   /* members of an object, without deleted ones */
	union {
		char *text; /* number, or string with its quotes and escapes: n bytes */
		struct value **items;
		struct member *members;
	};
	union {
		uint32_t *index;    /* hash table of 1 + slot of a member, by key */
		struct value *next; /* list link while it is being freed */
	};
	uint32_t index_mask; /* places in the index, less one */
	bool held;	     /* slots must not move: members may be put back */
};

struct value *value_new(enum json_type type);

/* Makes a scalar from a copy of its text.  NULL: out of memory. */
struct value *value_text(enum json_type type, const char *p, size_t len);

/* Adds to x->bytes the memory that v takes, and raises x->depth to its levels plus
 * `depth`.  Returns false if out of memory. */
struct value_extent {
	size_t bytes;
	unsigned depth;
};
bool value_measure(const struct value *v, unsigned depth, struct value_extent *x);

/* A walk over one tree, or two in parallel: the stack of open containers, outermost
 * first.  Zero-initialise; free `at` at the end. */
struct levels {
	struct level {
		const struct value *v;
		struct value *other; /* the corresponding container in the other tree */
		size_t i;	     /* the slot after that of the last child */
		size_t done;
	} * at;
	size_t n, cap;
};

/* Pushes a container; NULL if out of memory.  Invalidates pointers to levels. */
struct level *level_push(struct levels *s, const struct value *v, struct value *other);

/* The next child of a level (its slot is i - 1), or NULL after the last. */
const struct value *level_next(struct level *l);

/* The place of a member's value, or NULL if there is no such member. */
struct value **value_member(const struct value *o, struct view key);

/* Takes ownership of v.  If out of memory, or if v is NULL, frees it and returns false.
 */
bool value_member_set(struct value *o, struct view key, struct value *v);

/* The same, except that v stays the caller's if out of memory.  The member must not
 * exist; if it was deleted, it returns to its old slot and *back is set, else it is added
 * last. */
bool value_item_add(struct value *a, size_t at, struct value *v);
bool value_member_add(
    struct value *o, struct view key, struct value *v, size_t *slot, bool *back);

void value_member_delete(struct value *o, struct view key);

/* Take a value out, and put it back in its place after all later changes to the container
 * have been undone.  The container is held meanwhile.  They never run out of memory.  A
 * member is taken with its key, which the caller then owns. */
struct value *value_item_take(struct value *a, size_t at);
void value_item_return(struct value *a, size_t at, struct value *v);
struct member value_member_take(struct value *o, size_t slot);
void value_member_return(struct value *o, size_t slot, struct member m);

/* Takes out the member added last. */
struct value *value_member_pop(struct value *o);

#endif
