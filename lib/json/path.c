/* path.c - a.b, or the JSON Pointer /a/b (RFC 6901). */
#include "json/path.h"
#include "base/error.h"

#include <stdlib.h>
#include <sys/types.h>

/* Resolves ~1 and ~0 in place; -1 on another ~. */
static ssize_t pointer_unescape(char *p, size_t n)
{
	size_t out = 0;

	for (size_t i = 0; i < n; i++) {
		char c = p[i];
		if (c == '~') {
			if (++i == n || (p[i] != '0' && p[i] != '1'))
				return -1;
			c = p[i] == '1' ? '/' : '~';
		}
		p[out++] = c;
	}
	return (ssize_t)out;
}

int json_path_parse(struct json_path **out, const char *text, evlog_error *err)
{
	bool pointer = *text == '/';
	char sep = pointer ? '/' : '.';
	size_t len = strlen(text), steps = *text ? 1 : 0;
	const char *body = text + pointer;

	for (const char *p = body; *p; p++)
		steps += *p == sep;
	size_t head = sizeof(struct json_path) + steps * sizeof(struct view);
	struct json_path *path = malloc(head + len + 1);
	if (!path)
		return error_memory(err);
	char *copy = (char *)path + head;
	memcpy(copy, body, strlen(body) + 1);
	path->n = steps;
	for (size_t i = 0; i < steps; i++) {
		size_t n = strcspn(copy, pointer ? "/" : ".");
		char *next = copy + n + (copy[n] != '\0');
		ssize_t clean = pointer ? pointer_unescape(copy, n) : (ssize_t)n;
		if (clean < 0 || (!pointer && n == 0)) {
			free(path);
			return error_set(err, EVLOG_EUSAGE,
			    "%s: not a path; write a.b or the JSON Pointer /a/b", text);
		}
		path->step[i] = (struct view){copy, (size_t)clean};
		copy = next;
	}
	*out = path;
	return 0;
}

bool json_index(struct view step, size_t *index)
{
	size_t v = 0;

	if (step.len == 0 || step.len > 9 || (step.len > 1 && *step.p == '0'))
		return false;
	for (size_t i = 0; i < step.len; i++) {
		if (step.p[i] < '0' || step.p[i] > '9')
			return false;
		v = v * 10 + (size_t)(step.p[i] - '0');
	}
	*index = v;
	return true;
}

static bool step_find(struct view step, struct json_text in, struct json_text *found)
{
	struct json_walk w;
	struct json_member m;
	size_t index = 0;
	bool hit = false;
	enum json_type type = json_type_of(in);

	json_walk_begin(&w, in);
	if (type == JSON_OBJECT) {
		while (json_walk_next(&w, &m))
			if (json_key_is(&m, step)) {
				*found = m.value;
				hit = true;
			}
	} else if (type == JSON_ARRAY && json_index(step, &index)) {
		while (json_walk_next(&w, &m))
			if (index-- == 0) {
				*found = m.value;
				return true;
			}
	}
	return hit;
}

bool json_path_find(
    const struct json_path *path, struct json_text value, struct json_text *found)
{
	return json_path_find_from(path, 0, value, found);
}

bool json_path_find_from(const struct json_path *path, size_t from,
    struct json_text value, struct json_text *found)
{
	for (size_t i = from; i < path->n; i++)
		if (!step_find(path->step[i], value, &value))
			return false;
	*found = value;
	return true;
}

bool json_top_find(struct json_text object, struct view name, struct json_text *found)
{
	struct json_walk w;
	struct json_member m;

	json_walk_begin(&w, object);
	if (!w.object)
		return false;
	while (json_walk_next(&w, &m))
		if (json_key_is(&m, name)) {
			*found = m.value;
			return true;
		}
	return false;
}

struct json_text json_top_string(const char *line, size_t len, const char *name)
{
	struct json_text v;

	if (json_top_find(
		(struct json_text){line, len}, (struct view){name, strlen(name)}, &v) &&
	    json_type_of(v) == JSON_STRING && json_is_valid(v))
		return v;
	return (struct json_text){0};
}
