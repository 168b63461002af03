/* stamp.h - the 66 bytes that begin every stored line:
 * {"seq":"0000000000000042","logtime":"2026-11-23T05:00:00.123456Z", */
#ifndef EVENT_STAMP_H
#define EVENT_STAMP_H

#include "evlog.h"
#include "json/scan.h"

#define STAMP_SIZE 66
#define STAMP_SEQ  24 /* of them up to the seq's last digit */
#define SEQ_MAX                                                                          \
	UINT64_C(9007199254740991) /* 2^53 - 1: 16 digits, exact in JSON readers */

void stamp_write(char out[STAMP_SIZE], uint64_t seq, int64_t logtime);

/* The form of a stamp, all zero: room for one. */
extern const char stamp_blank[STAMP_SIZE + 1];

/* Writes the seq into a copy of another stamp. */
void stamp_copy(char out[STAMP_SIZE], const char stamp[STAMP_SIZE], uint64_t seq);

/* Makes the seq of a stamp, which is not the last one, the next. */
void stamp_next(char stamp[STAMP_SIZE]);

/* Reads a stamp; false if the line does not begin with exactly one. */
bool stamp_read(const char *line, size_t len, uint64_t *seq, int64_t *logtime);

/* The two parts of a stamp that is known to be one. */
uint64_t stamp_seq(const char *line);

/* The instant that an event's time (valid JSON) is; false if it is no RFC 3339 time. */
bool time_of(struct json_text value, int64_t *time);

#define TIME_LONGEST 1024 /* characters of a time that has escapes */

/* Of what time_of has read: time_digits.  The view is into the value, or into `plain`. */
struct view time_rest(struct json_text value, char plain[TIME_LONGEST]);

/* Fills event from a line: by its stamp, else by its seq and logtime members. */
void event_from_line(struct evlog_event *event, const char *line, size_t len);

#endif
