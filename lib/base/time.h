/* time.h - RFC 3339, in microseconds since 1970. */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads an RFC 3339 date-time (section 5.6; a space for the T is not taken), and
 * nothing behind it.  A leap second, which is the last of a month in UTC, is taken as
 * the second after it.  *t is cut to the microsecond: time_digits has the rest. */
bool time_rfc3339(const char *p, size_t len, int64_t *t);

/* Of what time_rfc3339 has read: the digits after the microsecond, without zeros at the
 * end.  Of the same microsecond, view_compare says which time is the earlier. */
struct view time_digits(const char *p, size_t len);

/* The same of the digits of a fraction of a second, up to the first that is none. */
struct view time_digits_after(const char *p, size_t n);

/* Days since 1970-01-01 in the proleptic Gregorian calendar. */
int64_t time_days(int year, int month, int day);

/* Reads exactly what evlog_time_format writes. */
bool time_stamp_read(const char p[27], int64_t *t);

/* Its parts: YYYY-MM-DD as days since 1970; HH:MM:SS, of which second 60 is for the third
 * to judge: whether t, in UTC, is just after the end of a month (RFC 3339, 5.7). */
bool time_date_read(const char *p, int64_t *days);
bool time_clock_read(const char *p, int64_t *seconds);
bool time_leap_allowed(int64_t t);

/* Writes 27 characters, no NUL. */
void time_stamp_write(char p[27], int64_t t);

#endif
