/* path.h - paths into a JSON value: a.b, or the JSON Pointer /a/b. */
#ifndef JSON_PATH_H
#define JSON_PATH_H

#include "evlog.h"
#include "json/scan.h"

/* The steps of a path, with the escapes of RFC 6901 resolved.  One allocation. */
struct json_path {
	size_t n;
	struct view step[];
};

/* Parses a.b.c or /a/b/c; "" is the whole value.  The caller frees *path with free(). */
int json_path_parse(struct json_path **path, const char *text, evlog_error *err);

/* Finds the value at the path in a valid JSON text; false if there is none.  If an object
 * repeats a name, the last member counts, as in most parsers.  A number without leading
 * zeros selects an element of an array, from 0. */
bool json_path_find(
    const struct json_path *path, struct json_text value, struct json_text *found);

/* The same, skipping the first `from` steps. */
bool json_path_find_from(const struct json_path *path, size_t from,
    struct json_text value, struct json_text *found);

/* Finds a top-level member of an event.  Their names are unique, so this stops at the
 * first. */
bool json_top_find(struct json_text object, struct view name, struct json_text *found);

/* The same, with the quotes, if the member is a string and stands for a text; otherwise
 * .p is NULL. */
struct json_text json_top_string(const char *line, size_t len, const char *name);

/* Reads a step as an array index; false if it is not one. */
bool json_index(struct view step, size_t *index);

#endif
