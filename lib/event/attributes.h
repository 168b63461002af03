/* attributes.h - the rules of CloudEvents 1.0.2 for an event's members. */
#ifndef EVENT_ATTRIBUTES_H
#define EVENT_ATTRIBUTES_H

#include "json/scan.h"

enum attribute {
	ATTR_EXTENSION, /* any other name */
	ATTR_ID,
	ATTR_SEQ,
	ATTR_DATA,
	ATTR_TIME,
	ATTR_TYPE,
	ATTR_SOURCE,
	ATTR_LOGTIME,
	ATTR_SUBJECT,
	ATTR_DATASCHEMA,
	ATTR_DATA_BASE64,
	ATTR_SPECVERSION,
	ATTR_DATACONTENTTYPE,
	ATTR_COUNT,
};

/* Which attribute a name (plain bytes) is. */
enum attribute attribute_of(struct view name);

/* Checks one member of an event, of attribute a: its name, and its value.  NULL if it is
 * good; else what is wrong, with the name (in scratch, or constant).  *at is the
 * byte to point to.  A null value is good: as if absent.  Whether a time is one, time_of
 * tells (event/stamp.h). */
const char *attribute_check(
    enum attribute a, const struct json_member *m, struct buf *scratch, const char **at);

/* Whether plain bytes are a URI-reference of RFC 3986 (by its characters). */
bool attribute_is_uri(struct view v);

/* Whether an extension's name is one that CloudEvents documents, or one of ours. */
bool attribute_is_documented(struct view name);

#endif
