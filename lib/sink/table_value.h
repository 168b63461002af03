/* table_value.h - JSON values as the values of SQL.  false: no memory. */
#ifndef SINK_TABLE_VALUE_H
#define SINK_TABLE_VALUE_H

#include "json/value.h"

#include <sqlite3.h>

bool value_bind_text(sqlite3_stmt *s, int i, const char *p, size_t len);

/* A number becomes an INTEGER or a REAL if one holds it: an integer is never rounded,
 * since it may be an id; a fraction becomes the nearest REAL.  Booleans become 0 and 1, a
 * string its text, and everything else JSON text.  `room` is for the conversion. */
bool value_bind(sqlite3_stmt *s, int i, struct json_text v, struct buf *room);

/* The same for a key, except that booleans and long numbers stay text. */
bool value_bind_key(sqlite3_stmt *s, int i, struct view key, struct buf *room);

#endif
