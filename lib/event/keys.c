/* keys.c - the attributes by which events are found. */
#include "event/keys.h"

static const struct {
	struct view name;
	bool presence; /* any value, or none: the key has no text */
} extractors[KEY_KINDS] = {
    [KEY_TYPE] = {{"type", 4}, false},
    [KEY_SUBJECT] = {{"subject", 7}, false},
    [KEY_SOURCE] = {{"source", 6}, false},
    [KEY_ID] = {{"id", 2}, false},
    [KEY_CAUSATION] = {{"causationid", 11}, false},
    [KEY_CORRELATION] = {{"correlationid", 13}, false},
    [KEY_DUE] = {{"due", 3}, true},
};

enum key_kind key_kind_of(const struct json_member *m)
{
	enum key_kind kind = 0;

	while (kind < KEY_KINDS && !json_key_is(m, extractors[kind].name))
		kind++;
	return kind;
}

bool key_is_presence(enum key_kind kind)
{
	return extractors[kind].presence;
}
