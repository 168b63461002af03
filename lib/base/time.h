/* time.h - RFC 3339 and human times, in microseconds since 1970. */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads an RFC 3339 date-time (section 5.6; a space for the T is not taken), and
 * nothing behind it.  A leap second is taken as the second after it; digits beyond
 * the microsecond are checked and dropped. */
bool time_rfc3339(const char *p, size_t len, int64_t *t);

/* Reads exactly what evlog_time_format writes. */
bool time_stamp_read(const char p[27], int64_t *t);

/* Writes 27 characters, no NUL. */
void time_stamp_write(char p[27], int64_t t);

#endif
