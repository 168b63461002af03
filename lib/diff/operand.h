/* operand.h - one operand of a comparison, read line by line. */
#ifndef DIFF_OPERAND_H
#define DIFF_OPERAND_H

#include "base/buf.h"
#include "diff/ignored.h"
#include "evlog.h"
#include "json/scan.h"

enum diff_operand_kind { OPERAND_EMPTY, OPERAND_EVENTS, OPERAND_STATES, OPERAND_STATE };

/* A comparison: what is asked for, and what was found so far. */
struct diff {
	struct evlog_diff_options o;
	struct evlog_compared *found;
	struct ignored ignored;
};

struct diff_operand {
	const char *path;
	bool directory;
	enum diff_operand_kind kind;
	evlog_stream *stream; /* of a directory; else */
	evlog_input *input;
	struct evlog_selection sel;
	struct evlog_lines lines;
	struct buf line; /* the current line of a file, with its newline */
	bool peeked;	 /* it has been read, but not taken */
	bool regular;	 /* a file that can be reopened */
	int kept_fd;	 /* temporary file of lines to read again; -1: none */
	uint64_t kept;	 /* its size in bytes */
	char kept_path[32];
	struct evlog_input_options lines_of; /* a file */
};

/* Opens an operand and determines its kind from its first line.  `from`: first seq to
 * read of a directory, or 0.  keep: it must be possible to reopen it. */
int diff_operand_open(struct diff_operand *s, const struct diff *d, const char *path,
    uint64_t from, bool keep, evlog_error *err);

/* Appends the current line to those kept, which diff_operand_reopen then reads. */
int diff_operand_keep(struct diff_operand *s, evlog_error *err);

/* Starts again from the beginning of a directory, a regular file, or what was kept. */
int diff_operand_reopen(struct diff_operand *s, evlog_error *err);

/* Gets the next line as an event, valid until the next call. */
int diff_operand_next(
    struct diff_operand *s, struct evlog_event *event, evlog_error *err);
void diff_operand_close(struct diff_operand *s);

/* The comparisons, in logs.c and states.c.  They count in d and report each
 * difference. */
int diff_logs(
    struct diff *d, struct diff_operand *a, struct diff_operand *b, evlog_error *err);
int diff_ignoring_stamps(
    struct diff *d, struct diff_operand *a, struct diff_operand *b, evlog_error *err);
int diff_states(
    struct diff *d, struct diff_operand *a, struct diff_operand *b, evlog_error *err);

/* Counts a difference and calls d->o.report.  Returns an error if that fails. */
int diff_report(
    struct diff *d, const struct evlog_difference *difference, evlog_error *err);

/* A lower bound for the seq up to which two log directories are equal, found by comparing
 * roots of segments and blocks, without reading an event. */
int diff_prefix(const char *a, const char *b, uint64_t *seq, evlog_error *err);

#endif
