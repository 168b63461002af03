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
	uint32_t *index;     /* 1 + slot of a member, by hash of its key */
	uint32_t index_mask; /* places in it, less one */
};

struct value *value_new(enum json_type type);

/* A scalar with its text copied. */
struct value *value_text(enum json_type type, const char *p, size_t len);

/* How much memory and how many levels a value takes, the `depth` around it included. */
struct value_extent {
	size_t bytes;
	unsigned depth;
};
void value_measure(const struct value *v, unsigned depth, struct value_extent *x);

/* Where a member's value stands; NULL: there is none. */
struct value **value_member(const struct value *o, struct view key);

/* These two take v over, also when there is no memory for it (or v is NULL): false. */
bool value_member_set(struct value *o, struct view key, struct value *v);
bool value_item_insert(struct value *a, size_t at, struct value *v);

void value_member_delete(struct value *o, struct view key);
void value_item_delete(struct value *a, size_t at);

#endif
