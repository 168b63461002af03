/* operand.h - one operand of a stream: a log, or a file of events, read forwards or
 * backwards. */
#ifndef READ_OPERAND_H
#define READ_OPERAND_H

#include "base/spool.h"
#include "event/select.h"
#include "read/reader.h"

struct operand {
	const char *path;
	size_t number; /* in the stream, from 0 */
	const struct evlog_selection *sel;
	struct select select;
	struct filter_wanted wanted; /* what to ask the log's filters for */
	struct log_reader *log;	     /* either this */
	struct packed_block
	    *packed; /* where it may put a block as it is; NULL: nowhere */
	evlog_input *input;
	struct buf gathered;	 /* lines of a file, or the valid lines of a block */
	struct buf mapped;	 /* output of sel->map */
	struct spool spool;	 /* holds a file that is read backwards */
	bool spooled, drained;	 /* uses the spool; everything is in it */
	struct evlog_lines rest; /* read, not yet searched */
	struct evlog_lines
	    singly;		/* of a block that failed: to be converted one by one */
	struct evlog_lines run; /* wanted, not yet delivered (merge) */
	bool ended;
	int wait_ms;	     /* limit for the next read of a pipe */
	evlog_error failure; /* to be reported after the lines before it; code 0: none */
	evlog_error verdict; /* the first error that did not stop reading */
};

/* Opens a log directory, or anything that evlog_input_open takes.  `from` and `to`, if
 * not 0, narrow the selection.  After a failure, operand_close is still needed. */
int operand_open(struct operand *s, const char *path, const struct evlog_selection *sel,
    uint64_t from, uint64_t to, evlog_error *err);

/* Gets the next wanted lines; backwards, one line at a time.  Returns 0, EVLOG_END,
 * EVLOG_WAIT or an error. */
int operand_next(struct operand *s, struct evlog_lines *run, evlog_error *err);

/* After EVLOG_END: checks whether a log has grown. */
int operand_refresh(struct operand *s, evlog_error *err);

/* Ends the operand; `why` becomes its verdict unless it has one. */
void operand_end(struct operand *s, const evlog_error *why);

/* Gets the first error that did not stop reading, if any.  Returns its code or 0. */
int operand_verdict(const struct operand *s, evlog_error *err);
void operand_close(struct operand *s);

/* At the end of the stream, once: completes what `select` has counted. */
void operand_count(struct operand *s);

/* Removes the last line from lines, which must have one, and returns it. */
struct evlog_lines last_line(struct evlog_lines *lines);

#endif
