/* keys.c - the attributes by which events are found. */
#include "event/keys.h"

static const struct {
	struct view name;
	enum key_kind kind;
} extractors[] = {
    {{"type", 4}, KEY_TYPE},
    {{"subject", 7}, KEY_SUBJECT},
    {{"source", 6}, KEY_SOURCE},
    {{"id", 2}, KEY_ID},
    {{"causationid", 11}, KEY_CAUSATION},
    {{"correlationid", 13}, KEY_CORRELATION},
    {{"due", 3}, KEY_TIMER},
    {{"cancels", 7}, KEY_TIMER},
};

enum key_kind key_kind_of(const struct json_member *m)
{
	for (size_t i = 0; i < sizeof extractors / sizeof *extractors; i++)
		if (json_key_is(m, extractors[i].name))
			return extractors[i].kind;
	return KEY_KINDS;
}

bool key_is_presence(enum key_kind kind)
{
	return kind == KEY_DUE || kind == KEY_TIMER;
}
