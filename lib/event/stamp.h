/* stamp.h - the 66 bytes that begin every stored line:
 * {"seq":"0000000000000042","logtime":"2026-11-23T05:00:00.123456Z", */
#ifndef EVENT_STAMP_H
#define EVENT_STAMP_H

#include "base/hash.h"
#include "evlog.h"
#include "json/scan.h"

#define STAMP_SIZE 66
#define STAMP_SEQ  24 /* up to the last digit of seq */
#define SEQ_MAX                                                                          \
	UINT64_C(9007199254740991) /* 2^53 - 1: 16 digits, exact in JSON readers */

void stamp_write(char out[STAMP_SIZE], uint64_t seq, int64_t logtime);

/* A stamp with all digits zero, as a placeholder. */
extern const char stamp_blank[STAMP_SIZE + 1];

/* Copies a stamp with another seq. */
void stamp_copy(char out[STAMP_SIZE], const char stamp[STAMP_SIZE], uint64_t seq);

/* Increments the seq of a stamp, which must not be the last. */
void stamp_next(char stamp[STAMP_SIZE]);

/* Reads a stamp; false if the line does not begin with exactly one. */
bool stamp_read(const char *line, size_t len, uint64_t *seq, int64_t *logtime);

/* Gets the leaf of a line that is only its leaf, in a block that may have such lines: the
 * stamp, and "leafhash":"HEX64", right after it.  Returns false if the line does not have
 * this form. */
bool leafhash_read(const char *line, size_t len, unsigned char leaf[HASH_SIZE]);

/* Gets an event's time (valid JSON) as an instant; false if it is not an RFC 3339
 * time. */
bool time_of(struct json_text value, int64_t *time);

#define TIME_LONGEST 1024 /* limit on the characters of a time that has escapes */

/* time_digits of a value accepted by time_of.  The view is into the value or `plain`. */
struct view time_rest(struct json_text value, char plain[TIME_LONGEST]);

/* Takes the first line, without its newline.  Returns false if there is none. */
static inline bool line_take(struct evlog_lines *lines, struct view *line)
{
	if (lines->len == 0)
		return false;
	const char *nl = memchr(lines->p, '\n', lines->len);
	size_t len = nl ? (size_t)(nl - lines->p) : lines->len;
	*line = (struct view){lines->p, len};
	lines->p += len + (nl != NULL);
	lines->len -= len + (nl != NULL);
	return true;
}

/* Counts lines; each must end with a newline. */
size_t lines_count(struct view lines);

/* Fills event from a line: from its stamp, else from its members seq and logtime. */
void event_from_line(struct evlog_event *event, const char *line, size_t len);

/* The same, but without reading a stamp's logtime.  Returns the size of the stamp; 0: the
 * line has none. */
size_t event_begin(struct evlog_event *event, const char *line, size_t len);

#endif
