/* intake.h - a line of input checked and completed to an event. */
#ifndef EVENT_INTAKE_H
#define EVENT_INTAKE_H

#include "event/stamp.h"
#include "json/path.h"

/* Where the attributes of what is wrapped come from. */
enum from { FROM_TYPE, FROM_SUBJECT, FROM_TIME, FROM_ID, FROM_SOURCE, FROM_COUNT };
extern const char *const from_name[FROM_COUNT];

struct intake {
	bool text, replica;
	const char *type, *source, *subject; /* plain text, as the user gave them */
	bool require; /* a path that points to nothing makes a bad line */
	struct intake_path {
		const char *text; /* NULL: it was not given */
		struct json_path *path;
		uint64_t missed; /* lines in which it points to nothing */
	} from[FROM_COUNT];
	uint64_t wrapped;   /* lines */
	char extension[48]; /* the first name, in shorthand, of neither an attribute nor
			     * an extension that is documented; empty: none */
	struct json_members members; /* scratch, as the rest */
	struct buf value, string;
	uint64_t id_time; /* UUIDv7: milliseconds of the last one */
	unsigned char id_random[1024];
	size_t id_left;
};

/* What the writer wants to know of an event. */
struct intake_event {
	struct view type, subject; /* in the line of input, or of `in`; subject empty: it
				      has none; type empty: they are not told */
	int64_t time;		   /* EVLOG_TIME_MIN: none */
	uint64_t seq;		   /* replica: as stamped */
	int64_t logtime;
};

/* The strings of `o` must outlive the intake.  EVLOG_EUSAGE for a bad option. */
int intake_init(struct intake *in, const struct evlog_writer_options *o,
    const char *default_source, evlog_error *err);

/* Appends the event made of a line to `out`, stamp (blank, or the replica's) first,
 * newline last.  EVLOG_EDATA: err->reason and err->column say why not; `out` is as
 * it was. */
int intake_line(struct intake *in, const char *line, size_t len, struct buf *out,
    struct intake_event *event, evlog_error *err);

void intake_free(struct intake *in);

#endif
