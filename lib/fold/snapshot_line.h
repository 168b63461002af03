/* snapshot_line.h - reads the members of a snapshot's lines. */
#ifndef FOLD_SNAPSHOT_LINE_H
#define FOLD_SNAPSHOT_LINE_H

#include "evlog.h"
#include "json/scan.h"

/* Whether a member is this string, which needs no escapes. */
bool line_text_is(struct json_text line, const char *name, const char *text);

/* Gets a position; false: a member of it is not there, or not what it must be. */
bool line_position(struct json_text object, struct evlog_position *at);

#endif
