/* snapshot_line.c - reads the members of a snapshot's lines. */
#include "fold/snapshot_line.h"
#include "json/members.h"
#include "json/path.h"

bool line_text_is(struct json_text line, const char *name, const char *text)
{
	struct json_text v;
	size_t n = strlen(text);

	return json_top_find(line, (struct view){name, strlen(name)}, &v) &&
	       v.len == n + 2 && memcmp(v.p + 1, text, n) == 0;
}

/* Gets a member; false: it is not there, or not a string that fits. */
static bool text_take(struct json_text line, const char *name, char *out, size_t size)
{
	struct json_text v;

	if (!json_top_find(line, (struct view){name, strlen(name)}, &v) || v.len < 2 ||
	    v.len - 2 >= size || *v.p != '"')
		return false;
	memcpy(out, v.p + 1, v.len - 2);
	out[v.len - 2] = '\0';
	return true;
}

bool line_position(struct json_text object, struct evlog_position *at)
{
	text_take(object, "lineage", at->lineage, sizeof at->lineage);
	return text_take(object, "log", at->log, sizeof at->log) &&
	       text_take(object, "root", at->root, sizeof at->root) &&
	       json_number_of(object, "seq", &at->seq);
}
