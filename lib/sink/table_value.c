/* table_value.c - JSON values as the values of SQL. */
#include "sink/table_value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_NUMBER_MAX 16 /* a longer number is a text where it is a key */

bool value_bind_text(sqlite3_stmt *s, int i, const char *p, size_t len)
{
	return sqlite3_bind_text64(
		   s, i, p ? p : "", len, SQLITE_TRANSIENT, SQLITE_UTF8) == SQLITE_OK;
}

/* Whether a double is this integer, written without an exponent. */
static bool double_is(double d, const char *integer)
{
	char text[320]; /* DBL_MAX has 309 digits */

	return isfinite(d) && snprintf(text, sizeof text, "%.0f", d) > 0 &&
	       strcmp(text, integer) == 0;
}

/* Binds a number, in canonical form, as an INTEGER or a REAL.  false: neither holds it.
 */
static bool bind_number(sqlite3_stmt *s, int i, const char *number)
{
	char *end;

	if (strpbrk(number, "eE"))
		return false;
	errno = 0;
	long long integer = strtoll(number, &end, 10);
	if (*end == '\0' && errno == 0) {
		sqlite3_bind_int64(s, i, integer);
		return true;
	}
	bool fraction = strchr(number, '.') != NULL;
	double d = strtod(number, NULL);
	if (fraction ? !isfinite(d) || d == 0 : !double_is(d, number))
		return false;
	sqlite3_bind_double(s, i, d);
	return true;
}

bool value_bind(sqlite3_stmt *s, int i, struct json_text v, struct buf *room)
{
	enum json_type type = json_type_of(v);

	room->len = 0;
	switch (type) {
	case JSON_NULL: return sqlite3_bind_null(s, i) == SQLITE_OK;
	case JSON_FALSE:
	case JSON_TRUE: return sqlite3_bind_int64(s, i, type == JSON_TRUE) == SQLITE_OK;
	case JSON_STRING:
		json_unescape(room, v);
		return !room->failed && value_bind_text(s, i, room->p, room->len);
	case JSON_NUMBER:
		if (!value_canonical(room, v))
			return false;
		buf_putc(room, '\0');
		if (room->failed)
			return false;
		if (bind_number(s, i, room->p))
			return true;
		break;
	default: break;
	}
	return value_bind_text(s, i, v.p, v.len);
}

bool value_bind_key(sqlite3_stmt *s, int i, struct view key, struct buf *room)
{
	struct json_text v = {key.p, key.len};
	enum json_type type = json_type_of(v);

	if (key.len &&
	    (type == JSON_STRING || (type == JSON_NUMBER && key.len <= KEY_NUMBER_MAX)))
		return value_bind(s, i, v, room);
	return value_bind_text(s, i, key.p, key.len);
}
