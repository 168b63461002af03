/* members.c - reads members of an object into variables. */
#include "json/members.h"
#include "json/path.h"

#include <errno.h>
#include <stdlib.h>

bool json_number_of(struct json_text object, const char *name, uint64_t *n)
{
	struct json_text v;
	char text[24], *end;

	*n = 0;
	if (!json_top_find(object, (struct view){name, strlen(name)}, &v))
		return false;
	if (v.len >= sizeof text || *v.p < '0' || *v.p > '9')
		return false;
	memcpy(text, v.p, v.len);
	text[v.len] = '\0';
	errno = 0;
	*n = strtoull(text, &end, 10);
	return !*end && !errno;
}

bool json_string_of(
    struct json_text object, const char *name, char *out, size_t room, bool *failed)
{
	struct buf b = {0};
	struct json_text v;

	*out = '\0';
	if (!json_top_find(object, (struct view){name, strlen(name)}, &v) ||
	    json_type_of(v) != JSON_STRING)
		return false;
	json_unescape(&b, v);
	*failed |= b.failed;
	bool good = !b.failed && b.len < room && (!b.len || !memchr(b.p, '\0', b.len));
	if (good && b.len)
		memcpy(out, b.p, b.len);
	out[good ? b.len : 0] = '\0';
	buf_free(&b);
	return good;
}

bool json_number_if_any(struct json_text object, const char *name, uint64_t *n)
{
	struct json_text v;

	*n = 0;
	return !json_top_find(object, (struct view){name, strlen(name)}, &v) ||
	       json_number_of(object, name, n);
}

bool json_string_if_any(
    struct json_text object, const char *name, char *out, size_t room, bool *failed)
{
	struct json_text v;

	*out = '\0';
	return !json_top_find(object, (struct view){name, strlen(name)}, &v) ||
	       json_string_of(object, name, out, room, failed);
}
