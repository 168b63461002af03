/* find.h - finds a short text in a long one. */
#ifndef JSON_FIND_H
#define JSON_FIND_H

#include "base/buf.h"

/* Returns where `needle`, which must not be empty, begins first in [p, end), or `end`.
 * Several times as fast as memmem. */
const char *text_find(struct view needle, const char *p, const char *end);

#endif
