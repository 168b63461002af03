/* keys.h - the attributes by which events are found: one row for each kind of key. */
#ifndef EVENT_KEYS_H
#define EVENT_KEYS_H

#include "json/scan.h"

/* The numbers are those of evlog-format(5), "Filters". */
enum key_kind {
	KEY_TYPE,
	KEY_SUBJECT,
	KEY_SOURCE,
	KEY_ID,
	KEY_CAUSATION,
	KEY_CORRELATION,
	KEY_DUE, /* of events with "due" alone; not written since there is KEY_TIMER */
	KEY_TIMER,
	KEY_KINDS,
};
#define KEY_IN(kind) (1u << (kind)) /* in a set of kinds */
#define KEYS_ALL     (KEY_IN(KEY_KINDS) - 1)

/* Gets the kind of key that a top-level member of an event is; KEY_KINDS: none. */
enum key_kind key_kind_of(const struct json_member *m);

/* Whether only the presence of such a member counts, and not its value. */
bool key_is_presence(enum key_kind kind);

#endif
