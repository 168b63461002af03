/* time.h - RFC 3339 times as microseconds since 1970. */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads an RFC 3339 date-time (section 5.6, with no space for the T) that fills all of p.
 * A leap second, allowed only at the end of a month in UTC, becomes the second after it.
 * *t is truncated to the microsecond; time_digits returns the rest. */
bool time_rfc3339(const char *p, size_t len, int64_t *t);

/* For text accepted by time_rfc3339: the fraction's digits after the microsecond, without
 * trailing zeros.  If two times share a microsecond, view_compare on these orders
 * them. */
struct view time_digits(const char *p, size_t len);

/* The same for n bytes that start with the digits of a fraction of a second. */
struct view time_digits_after(const char *p, size_t n);

/* Days since 1970-01-01 in the proleptic Gregorian calendar. */
int64_t time_days(int year, int month, int day);

/* Reads exactly the format that evlog_time_format writes. */
bool time_stamp_read(const char p[27], int64_t *t);

/* Its parts: YYYY-MM-DD as days since 1970, and HH:MM:SS as seconds, where second 60 is
 * accepted.  For that one, ask time_leap_allowed: is t, in UTC, the start of a month,
 * that is just after a possible leap second (RFC 3339, 5.7)? */
bool time_date_read(const char *p, int64_t *days);
bool time_clock_read(const char *p, int64_t *seconds);
bool time_leap_allowed(int64_t t);

/* Writes 27 characters, no NUL. */
void time_stamp_write(char p[27], int64_t t);

#endif
