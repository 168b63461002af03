/* glob.h - patterns for UTF-8 text, independent of the locale. */
#ifndef BASE_GLOB_H
#define BASE_GLOB_H

#include "base/buf.h"

/* Whether the pattern has a metacharacter; without one it matches a single text. */
bool glob_is_pattern(const char *glob);

/* Whether the pattern matches the whole text, like fnmatch(3) without flags, but on UTF-8
 * characters: `*` matches any text, `?` one character, `[a-z]` and `[!a-z]` by code
 * point, `[[:digit:]]` and the like in ASCII only; a backslash quotes the next character.
 * A `[` without its `]` stands for itself.  Takes constant stack, and time up to the
 * product of the lengths. */
bool glob_match(const char *glob, struct view text);

#endif
