/* operand.h - one operand of a comparison, line by line. */
#ifndef DIFF_OPERAND_H
#define DIFF_OPERAND_H

#include "base/buf.h"
#include "evlog.h"
#include "json/scan.h"

enum diff_operand_kind { OPERAND_EMPTY, OPERAND_EVENTS, OPERAND_STATES, OPERAND_STATE };

struct diff_operand {
	const char *path;
	bool directory;
	enum diff_operand_kind kind;
	evlog_stream *stream; /* of a directory, or */
	evlog_input *input;
	struct evlog_selection sel;
	struct evlog_lines lines;
	struct buf line; /* the last one of a file, with its newline */
	bool peeked;	 /* it has not been taken yet */
	bool regular;	 /* a file that can be opened again */
	int kept_fd;	 /* lines in a temporary file, to be read again; -1: none */
	uint64_t kept;	 /* bytes of them */
	char kept_path[32];
	uint64_t max_line;
};

/* Opens an operand and finds by its first line what it is.  `from`: a directory's first
 * seq, or 0.  keep: it must be possible to open it again. */
int diff_operand_open(struct diff_operand *s, const struct evlog_diff *d,
    const char *path, uint64_t from, bool keep, evlog_error *err);

/* Adds the line at hand to those that are kept, which diff_operand_reopen then goes back
 * to. */
int diff_operand_keep(struct diff_operand *s, evlog_error *err);

/* Starts from the beginning again (a regular file, or what was kept). */
int diff_operand_reopen(struct diff_operand *s, evlog_error *err);

/* The next line, as an event.  It lives until the next call. */
int diff_operand_next(
    struct diff_operand *s, struct evlog_event *event, evlog_error *err);
void diff_operand_close(struct diff_operand *s);

/* diff of states: logs.c and states.c share what evlog_diff gives them. */
int diff_logs(struct evlog_diff *d, struct diff_operand *a, struct diff_operand *b,
    evlog_error *err);
int diff_ignoring_stamps(struct evlog_diff *d, struct diff_operand *a,
    struct diff_operand *b, evlog_error *err);
int diff_states(struct evlog_diff *d, struct diff_operand *a, struct diff_operand *b,
    evlog_error *err);

/* Calls d->report; an error if it fails. */
int diff_report(
    struct evlog_diff *d, const struct evlog_difference *difference, evlog_error *err);

/* The seq up to which two log directories are the same, by their segments' and
 * blocks' roots: a lower
 * bound, found without reading an event. */
int diff_prefix(const char *a, const char *b, uint64_t *seq, evlog_error *err);

#endif
