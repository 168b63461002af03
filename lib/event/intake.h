/* intake.h - checking a line of input and completing it to an event. */
#ifndef EVENT_INTAKE_H
#define EVENT_INTAKE_H

#include "event/attributes.h"
#include "event/keys.h"
#include "event/stamp.h"
#include "json/path.h"

/* The attributes that can be taken from inside wrapped data. */
enum from { FROM_TYPE, FROM_SUBJECT, FROM_TIME, FROM_ID, FROM_SOURCE, FROM_COUNT };
extern const char *const from_name[FROM_COUNT];

struct intake {
	bool text, replica;
	bool alone;  /* replica: nobody knows whether a line may be only its leaf; */
	bool leaves; /* it may */
	const char *type, *source, *subject; /* plain text from the options */
	bool require; /* reject a line in which a path finds nothing */
	struct intake_path {
		const char *text; /* NULL: not given */
		struct json_path *path;
		uint64_t missed; /* lines in which it found nothing */
	} from[FROM_COUNT];
	uint64_t wrapped;   /* lines */
	char extension[48]; /* the first name in shorthand that is neither an attribute
			       nor a documented extension; empty: none */
	struct json_members members; /* scratch, as is the rest */
	struct buf value, string;
	struct attribute_memo valid[ATTR_COUNT];
	uint64_t id_time; /* UUIDv7: milliseconds of the last id */
	unsigned char id_random[1024];
	size_t id_left;
};

/* What the writer needs to know about an event. */
struct intake_event {
	/* The texts of its keys: views into the line or the options, p NULL: it has no
	 * such key.  Only valid if keys_known. */
	struct view key[KEY_KINDS];
	bool keys_known;
	int64_t time; /* EVLOG_TIME_MIN: none */
	uint64_t seq; /* replica: as stamped */
	int64_t logtime;
};

/* The strings of `o` must outlive the intake.  Returns EVLOG_EUSAGE for an invalid
 * option. */
int intake_init(struct intake *in, const struct evlog_writer_options *o,
    const char *default_source, evlog_error *err);

/* Makes an event of a line and appends it to `out`: the stamp (blank, or the replica's),
 * the event, a newline.  On failure `out` is unchanged; for EVLOG_EDATA, err->reason and
 * err->column say why. */
int intake_line(struct intake *in, const char *line, size_t len, struct buf *out,
    struct intake_event *event, evlog_error *err);

void intake_free(struct intake *in);

#endif
