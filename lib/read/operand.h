/* operand.h - one operand of a stream: a log, or a file of events, either way. */
#ifndef READ_OPERAND_H
#define READ_OPERAND_H

#include "base/spool.h"
#include "event/select.h"
#include "read/reader.h"

struct operand {
	const char *path;
	const struct evlog_selection *sel;
	struct select select;
	struct filter_wanted wanted; /* what the log's filters are asked for */
	struct log_reader *log;	     /* or */
	evlog_input *input;
	struct buf gathered;	 /* lines of a file */
	struct buf mapped;	 /* what stands in the place of lines */
	struct spool spool;	 /* a file read backwards */
	bool spooled, drained;	 /* ... through the spool; all of it is in there */
	struct evlog_lines rest; /* read and not yet looked at */
	struct evlog_lines run;	 /* wanted, and not yet delivered (merge) */
	bool ended;
	int wait_ms;	     /* how long the next read of a pipe may wait */
	evlog_error failure; /* comes after what was gathered; code 0: none */
	evlog_error verdict; /* of a salvaged file */
};

/* Opens a log directory, or anything evlog_input_open takes.  `to` and `from`, if not
 * 0, narrow the selection. */
int operand_open(struct operand *s, const char *path, const struct evlog_selection *sel,
    uint64_t from, uint64_t to, evlog_error *err);

/* The next wanted lines; backwards, one at a time.  0, EVLOG_END, EVLOG_WAIT, error. */
int operand_next(struct operand *s, struct evlog_lines *run, evlog_error *err);

/* Looks for what came since EVLOG_END. */
int operand_refresh(struct operand *s, evlog_error *err);

/* What went wrong without ending the reading. */
/* No more comes from it; the error is its verdict. */
void operand_end(struct operand *s, const evlog_error *why);

int operand_verdict(const struct operand *s, evlog_error *err);
void operand_close(struct operand *s);

/* Takes the last line off lines, which has at least one. */
struct evlog_lines last_line(struct evlog_lines *lines);

#endif
