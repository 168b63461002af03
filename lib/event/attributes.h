/* attributes.h - what CloudEvents 1.0.2 requires of the members of an event.
 *
 * event/ knows what an event is: its attributes, the stamp, completing input, selecting.
 * It must not know where events are stored. */
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

/* Classifies a name given in plain bytes. */
enum attribute attribute_of(struct view name);

/* Checks the name and value of a member that is attribute a.  Returns NULL if it is
 * valid, else a constant text that says what is wrong, and *at, the byte to point to.
 * null is valid: it means absent.  Does not check times; time_of does (event/stamp.h).
 * If out of memory, the result is not NULL and scratch->failed is set. */
const char *attribute_check(
    enum attribute a, const struct json_member *m, struct buf *scratch, const char **at);

/* The last valid value of an attribute.  Zero-initialise. */
struct attribute_memo {
	size_t len; /* 0: none */
	char text[64];
};

/* The same, with one memo for each attribute: a value that is mostly like the last one is
 * not checked again. */
const char *attribute_check_again(struct attribute_memo valid[ATTR_COUNT],
    enum attribute a, const struct json_member *m, struct buf *scratch, const char **at);

/* Whether plain bytes are a URI-reference (RFC 3986), judged by their characters. */
bool attribute_is_uri(struct view v);

/* Whether an extension is documented by CloudEvents or by evlog. */
bool attribute_is_documented(struct view name);

#endif
