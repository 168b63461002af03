/* reader.h - the events of a log directory, block by block, either way. */
#ifndef READ_READER_H
#define READ_READER_H

#include "format/filter.h"
#include "recover/log.h"

/* Where to read: seq and logtime bounds, met exactly; event times, met by blocks. */
struct bounds {
	uint64_t from, to; /* 0: none */
	int64_t since, until;
	int64_t event_since, event_until;
	uint64_t max_line; /* no block of a longer line is read; 0: EVLOG_MAX_LINE */
	unsigned threads;  /* that decompress, going forwards; 0: one */
	const struct filter_wanted
	    *wanted; /* types and subjects, met by blocks; NULL: any */
};

struct log_reader;

int log_reader_open(struct log_reader **r, const char *path, const struct bounds *b,
    bool reverse, bool salvage, evlog_error *err);

/* The lines of the next block that has any within the bounds (in order also when
 * going backwards: the block's lines are then the caller's to reverse).  EVLOG_END at the
 * committed end, or at a bound. */
int log_reader_next(struct log_reader *r, struct evlog_lines *lines, evlog_error *err);

/* Looks whether the log has grown, so that log_reader_next goes on behind EVLOG_END.
 * EVLOG_EMISMATCH: it is another log now, or an older state of it. */
int log_reader_refresh(struct log_reader *r, evlog_error *err);

/* Whether a `to` or `until` bound was passed: nothing more can come. */
bool log_reader_finished(const struct log_reader *r);

/* 0, or what salvage went around, or that head is damaged. */
int log_reader_verdict(const struct log_reader *r, evlog_error *err);

/* Whether a sealed segment had to be searched block by block, for lack of its index. */
bool log_reader_unindexed(const struct log_reader *r);

/* Bytes of segments read over, and in all. */
void log_reader_progress(const struct log_reader *r, uint64_t *done, uint64_t *total);

/* The last seq and root of what is committed. */
void log_reader_end(
    const struct log_reader *r, uint64_t *seq, const unsigned char **root);

/* How far it came, going forwards: the id of the log, the last seq that it passed, and
 * the root after that; seq is 0 if it passed no block. */
void log_reader_position(const struct log_reader *r, const unsigned char **log_id,
    uint64_t *seq, const unsigned char **root);

void position_set(struct evlog_position *at, const unsigned char *log_id, uint64_t seq,
    const unsigned char *root);

/* The id of the log at `path`, and the root after event `seq`, for which its segment may
 * have to be read, but no block of a longer line than max_line (as in struct bounds).
 * EVLOG_END: it has no such event. */
int position_find(const char *path, uint64_t seq, uint64_t max_line,
    struct evlog_position *at, evlog_error *err);

/* The id of the log at `path`. */
int position_id(const char *path, uint64_t max_line, unsigned char log_id[LOG_ID_SIZE],
    evlog_error *err);

/* The tree of a log after event `seq`, for which its segment up to there is read, as
 * above.  EVLOG_EMISMATCH: the log ends before it. */
int position_tree(const char *path, uint64_t seq, uint64_t max_line, struct merkle *tree,
    evlog_error *err);

/* The tree before the first event of the segment that it is in. */
const struct merkle *log_reader_tree(const struct log_reader *r);

/* Calls back for the last seq and root of each segment but the last. */
int log_reader_segments(struct log_reader *r,
    int (*each)(void *arg, uint64_t seq, const unsigned char root[HASH_SIZE]), void *arg,
    evlog_error *err);

/* The same of each block within its bounds, in order, without reading lines. */
int log_reader_roots(struct log_reader *r,
    int (*each)(void *arg, uint64_t seq, const unsigned char root[HASH_SIZE]), void *arg,
    evlog_error *err);

const char *log_reader_path(const struct log_reader *r);
void log_reader_close(struct log_reader *r);

#endif
