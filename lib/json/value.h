/* value.h - JSON as a tree, for values that are changed: merge and patch. */
#ifndef JSON_VALUE_H
#define JSON_VALUE_H

#include "json/scan.h"

struct value;

/* Builds the tree of a valid JSON text; NULL if out of memory.  If an object repeats a
 * name, the last member counts. */
struct value *value_parse(struct json_text text);
struct value *value_copy(const struct value *v);
void value_free(struct value *v);

/* Writes v without white space, members in the order in which they were first set. */
void value_write(struct buf *b, const struct value *v);

/* Writes any JSON text so that equal values give equal bytes: strings with the fewest
 * escapes, members sorted, numbers as plain decimals, or with an exponent if that would
 * take more than 400 zeros.  Returns false if out of memory. */
bool value_canonical(struct buf *b, struct json_text text);

/* Compares values: numbers as numbers, objects regardless of the order of their members.
 * If out of memory, sets *failed, and the result means nothing. */
bool value_equal(const struct value *a, const struct value *b, bool *failed);

/* The same for the texts of scalars.  Arrays and objects are equal only if their bytes
 * are. */
bool value_texts_equal(struct json_text a, struct json_text b, bool *failed);

/* Applies a merge patch (RFC 7396) to *target, which may be NULL.  Returns false if out
 * of memory. */
bool value_merge(struct value **target, const struct value *patch);

/* Applies a patch (RFC 6902) to *target, completely or not at all.  Returns NULL, or what
 * is wrong with the patch.  Sets *failed if out of memory. */
const char *value_patch(struct value **target, const struct value *patch, bool *failed);

#endif
