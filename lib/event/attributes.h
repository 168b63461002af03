/* attributes.h - the rules of CloudEvents 1.0.2 for an event's members. */
#ifndef EVENT_ATTRIBUTES_H
#define EVENT_ATTRIBUTES_H

#include "json/scan.h"

/* Checks one member of an event: its name, and its value by that name.  NULL if it is
 * good; else what is wrong, with the name (in scratch, or constant).  *at is the
 * byte to point to.  A null value is good: as if absent. */
const char *attribute_check(
    const struct json_member *m, struct buf *scratch, const char **at);

/* Whether plain bytes are a URI-reference of RFC 3986 (by its characters). */
bool attribute_is_uri(struct view v);

#endif
