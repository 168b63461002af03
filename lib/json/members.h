/* members.h - reads members of an object into variables. */
#ifndef JSON_MEMBERS_H
#define JSON_MEMBERS_H

#include "json/scan.h"

/* Gets a member that is an integer from 0 to UINT64_MAX, in decimal digits.  false: it is
 * missing, or something else, and *n is 0. */
bool json_number_of(struct json_text object, const char *name, uint64_t *n);

/* Gets a member that is a string without NUL and shorter than `room`.  false: it is
 * missing, or something else, and *out is empty.  Sets *failed if out of memory, and
 * leaves it alone otherwise. */
bool json_string_of(
    struct json_text object, const char *name, char *out, size_t room, bool *failed);

/* The same for members that may be missing: that is not wrong. */
bool json_number_if_any(struct json_text object, const char *name, uint64_t *n);
bool json_string_if_any(
    struct json_text object, const char *name, char *out, size_t room, bool *failed);

#endif
