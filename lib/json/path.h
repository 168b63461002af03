/* path.h - where in a value something stands: a.b, or the JSON Pointer /a/b. */
#ifndef JSON_PATH_H
#define JSON_PATH_H

#include "evlog.h"
#include "json/scan.h"

/* A path's steps, escapes of RFC 6901 resolved.  One allocation. */
struct json_path {
	size_t n;
	struct view step[];
};

/* Reads a.b.c or /a/b/c ("": the whole value).  *path is malloc'd: free() it. */
int json_path_parse(struct json_path **path, const char *text, evlog_error *err);

/* The value at the path in a valid value; false if there is none.  Where an object
 * has a member twice, the last counts, as for most parsers.  An array's element is
 * named by its index, from 0, without leading zero. */
bool json_path_find(
    const struct json_path *path, struct json_text value, struct json_text *found);

/* The same for the path without its first `from` steps. */
bool json_path_find_from(const struct json_path *path, size_t from,
    struct json_text value, struct json_text *found);

/* The top-level member of an event; its names are unique, so the first counts. */
bool json_top_find(struct json_text object, struct view name, struct json_text *found);

/* Array index of a pointer's step: false if it is not one. */
bool json_index(struct view step, size_t *index);

#endif
