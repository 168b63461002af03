/* value.h - JSON as a tree, where it must be changed: merge and patch. */
#ifndef JSON_VALUE_H
#define JSON_VALUE_H

#include "json/scan.h"

struct value;

/* The tree of a valid JSON text; NULL: no memory.  Where an object has a member twice,
 * the last counts. */
struct value *value_parse(struct json_text text);
struct value *value_copy(const struct value *v);
void value_free(struct value *v);

/* Writes v without white space; members in the order they were first set. */
void value_write(struct buf *b, const struct value *v);

/* Writes any JSON text so that equal values give equal bytes: strings with the fewest
 * escapes, numbers as plain decimals or, where that takes more than 400 zeros, with an
 * exponent, members sorted.  false: no memory. */
bool value_canonical(struct buf *b, struct json_text text);

/* By value: numbers as numbers, objects whatever the order of their members.  *failed is
 * set if there is no memory; then the answer means nothing. */
bool value_equal(const struct value *a, const struct value *b, bool *failed);

/* The same for scalars as texts; an array or an object is only equal to its own bytes. */
bool value_texts_equal(struct json_text a, struct json_text b, bool *failed);

/* RFC 7396: applies a merge patch to *target (NULL: nothing yet).  false: no memory. */
bool value_merge(struct value **target, const struct value *patch);

/* RFC 6902: applies a patch to *target, all of it or nothing.  NULL, or what is wrong;
 * *failed: there is no memory. */
const char *value_patch(struct value **target, const struct value *patch, bool *failed);

#endif
