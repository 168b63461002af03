/* tree.h - the inside of a value, for value.c and patch.c alone. */
#ifndef JSON_TREE_H
#define JSON_TREE_H

#include "json/value.h"

struct member {
	struct view key;     /* plain bytes, owned */
	struct value *value; /* NULL: deleted */
};

struct value {
	enum json_type type;
	size_t n, cap; /* slots used and had, deleted ones included */
	size_t live;   /* members of an object that are not deleted */
	union {
		char *text; /* number, string (raw, with quotes): n bytes */
		struct value **items;
		struct member *members;
	};
	union {
		uint32_t *index;    /* 1 + slot of a member, by hash of its key */
		struct value *next; /* while it is being freed */
	};
	uint32_t index_mask; /* places in it, less one */
	bool held;	     /* slots stay where they are: they may be put back */
};

struct value *value_new(enum json_type type);

/* A scalar with its text copied. */
struct value *value_text(enum json_type type, const char *p, size_t len);

/* How much memory and how many levels a value takes, the `depth` around it included.
 * false: no memory to find out. */
struct value_extent {
	size_t bytes;
	unsigned depth;
};
bool value_measure(const struct value *v, unsigned depth, struct value_extent *x);

bool value_is_container(const struct value *v);

/* A walk over a tree, or two at once: the containers that it is in, outermost first.
 * Zero-initialise; free `at`. */
struct levels {
	struct level {
		const struct value *v;
		struct value *other; /* what corresponds to it elsewhere */
		size_t i;	     /* the slot after that of the last child delivered */
		size_t done;
	} * at;
	size_t n, cap;
};

/* NULL: no memory.  The levels move. */
struct level *level_push(struct levels *s, const struct value *v, struct value *other);

/* The next child of a level, which is in slot i - 1; NULL: there is none left. */
const struct value *level_next(struct level *l);

/* Where a member's value stands; NULL: there is none. */
struct value **value_member(const struct value *o, struct view key);

/* These two take v over, also when there is no memory for it (or v is NULL): false. */
bool value_member_set(struct value *o, struct view key, struct value *v);
bool value_item_insert(struct value *a, size_t at, struct value *v);

/* The same, but that v is not freed.  The member must not be there; if it was deleted, it
 * is `back` in its slot, else it comes last. */
bool value_item_add(struct value *a, size_t at, struct value *v);
bool value_member_add(
    struct value *o, struct view key, struct value *v, size_t *slot, bool *back);

void value_member_delete(struct value *o, struct view key);

/* Take a value out, and put it back where it was, when all that was done to the container
 * since has been undone; it is held meanwhile.  They need no memory.  A member is taken
 * out with its key, which is then the caller's. */
struct value *value_item_take(struct value *a, size_t at);
void value_item_return(struct value *a, size_t at, struct value *v);
struct member value_member_take(struct value *o, size_t slot);
void value_member_return(struct value *o, size_t slot, struct member m);

/* Takes out the member that was added last. */
struct value *value_member_pop(struct value *o);

#endif
