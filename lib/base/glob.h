/* glob.h - patterns over texts in UTF-8, the same in every locale. */
#ifndef BASE_GLOB_H
#define BASE_GLOB_H

#include "base/buf.h"

/* Whether a pattern has a meta character; otherwise it matches one text only. */
bool glob_is_pattern(const char *glob);

/* Whether a pattern matches the whole text, as fnmatch(3) does without flags, but by
 * characters of UTF-8: `*` any text, `?` one character, `[a-z]` and `[!a-z]` by code
 * point, `[[:digit:]]` and its like in ASCII, a backslash before a character itself.  An
 * opening bracket without a closing one is itself.  The time is at most the product of
 * the lengths; the stack is constant. */
bool glob_match(const char *glob, struct view text);

#endif
