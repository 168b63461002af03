/* reader.h - reading the events of a log directory block by block, in either direction.
 *
 * read/ turns logs and files into streams of lines: readers, merging, following, salvage,
 * positions.  It must not know about the write lock. */
#ifndef READ_READER_H
#define READ_READER_H

#include "event/select.h"
#include "format/filter.h"
#include "read/packed.h"
#include "recover/log.h"

/* What to read.  Bounds of seq and logtime are applied to each line; event times, types
 * and subjects only rule out whole blocks. */
struct bounds {
	uint64_t from, to; /* 0: no bound */
	int64_t since, until;
	int64_t event_since, event_until;
	uint64_t max_line; /* blocks with a longer line are refused; 0: EVLOG_MAX_LINE */
	unsigned threads;  /* for decompressing, if forwards; 0: one */
	const struct filter_wanted *wanted;   /* keys; NULL: any */
	const struct evlog_selection *select; /* lines that it does not want may be left
					       out; NULL: none */
	const struct log *listed; /* has the segments there are; NULL: list them */
	bool cursors;		  /* get those of each block */
	bool no_index;		  /* use neither indexes nor catalogues */
};

/* In an initialiser: events of any time. */
#define BOUNDS_ANY_TIME                                                                  \
	.since = EVLOG_TIME_MIN, .until = EVLOG_TIME_MAX, .event_since = EVLOG_TIME_MIN, \
	.event_until = EVLOG_TIME_MAX

struct log_reader;

/* Opens a log.  *b is copied, but b->wanted must outlive the reader.  After a failure *r
 * is NULL. */
int log_reader_open(struct log_reader **r, const char *path, const struct bounds *b,
    bool reverse, bool salvage, evlog_error *err);

/* Gets the lines of the next block that has some within the bounds.  Backwards too, lines
 * are in ascending order.  Returns EVLOG_END at the committed end or at a bound.  The
 * lines are valid until the next call. */
int log_reader_next(struct log_reader *r, struct evlog_lines *lines, evlog_error *err);

/* The same, forwards, but a block of which every line is wanted may be delivered as it is
 * stored: then p->there is set, and lines->len is 0. */
int log_reader_next_packed(struct log_reader *r, struct packed_block *p,
    struct evlog_lines *lines, evlog_error *err);

/* Checks whether the log has grown, so that log_reader_next can continue after EVLOG_END.
 * Returns EVLOG_EMISMATCH if the path now has another log, or an older state of this
 * one, or if the log was removed. */
int log_reader_refresh(struct log_reader *r, evlog_error *err);

/* Whether a commit is under way: 1 or 0; -1 with errno.  Whatever is committed after a 0
 * gets its logtime after that. */
int log_reader_is_busy(const struct log_reader *r);

/* Adds a log to a watch (base/os.h): its head, which a commit writes last.  false: it
 * cannot be watched. */
bool log_watch(int watch, const char *path);

/* Whether a `to` or `until` bound was passed, so that nothing more can follow. */
bool log_reader_finished(const struct log_reader *r);

/* Gets the first problem that did not stop reading: damage that salvage skipped, or a
 * damaged head.  Returns its code, or 0. */
int log_reader_verdict(const struct log_reader *r, evlog_error *err);

/* Whether a sealed segment had to be searched block by block because its index is missing
 * or damaged. */
bool log_reader_unindexed(const struct log_reader *r);

/* Says that only these lines of the block delivered last will be used: they have no
 * cursors, and are partial if their commit has any. */
void log_reader_cut(struct log_reader *r, struct evlog_lines *lines);

/* Tells the packer what was before the first event that a forward reader, just opened,
 * will read. */
int log_reader_origin(struct log_reader *r, evlog_packer *k, evlog_error *err);

/* The first event that was kept, if older ones were removed that are within the bounds;
 * else 0. */
uint64_t log_reader_trimmed(const struct log_reader *r);

/* Bytes of segments passed, and in total. */
void log_reader_progress(const struct log_reader *r, uint64_t *done, uint64_t *total);

/* Gets the last committed seq and the root after it. */
void log_reader_end(
    const struct log_reader *r, uint64_t *seq, const unsigned char **root);

/* Gets how far a forward reader has come: the id of the log, the last seq passed, and the
 * root after it; seq is 0 if no block was passed. */
void log_reader_position(const struct log_reader *r, const unsigned char **id,
    uint64_t *seq, const unsigned char **root);

/* Fills *at; without lineage and frontier. */
void position_set(struct evlog_position *at, const unsigned char *id, uint64_t seq,
    const unsigned char *root);

/* Gets the id of the log at `path` and the root after event `seq`.  May have to read that
 * segment; refuses blocks with a line longer than max_line, as in struct bounds.  Returns
 * EVLOG_END if there is no such event. */
int position_find(const char *path, uint64_t seq, uint64_t max_line,
    struct evlog_position *at, evlog_error *err);

/* The same as evlog_position_check, for a log to which events were appended up to that
 * place: if the place is among those that were removed from its beginning, sets *removed
 * and returns 0.  Then only the log's cursors can tell what it had. */
int position_check_appended(const char *path, const struct evlog_position *at,
    uint64_t max_line, bool *removed, evlog_error *err);

/* By what a log is known: the id of its active segment, and its lineage, the leaf of its
 * first event, which replicas, restores and forks share; zeros if that is not known. */
struct log_identity {
	unsigned char id[ID_SIZE], lineage[HASH_SIZE];
};

/* Adds the lineage to a position, unless it is not known. */
void position_lineage(struct evlog_position *at, const struct log_identity *who);

/* Gets the identity of the log at `path`; max_line as above. */
int log_identify(
    const char *path, uint64_t max_line, struct log_identity *who, evlog_error *err);
int log_reader_identify(struct log_reader *r, struct log_identity *who, evlog_error *err);

/* Gets the tree after event `seq`, by reading its segment up to there; max_line as above.
 * Returns EVLOG_EMISMATCH if the log ends before that. */
int position_tree(const char *path, uint64_t seq, uint64_t max_line, struct merkle *tree,
    evlog_error *err);

/* Appends tiles [from, to) of the current segment to out, counted from the first that is
 * completed in it.  They may be false.  Returns EVLOG_END if they are not there. */
int log_reader_tiles(
    struct log_reader *r, uint64_t from, uint64_t to, struct buf *out, evlog_error *err);

/* The tree before the first event of the current segment. */
const struct merkle *log_reader_tree(const struct log_reader *r);

/* Calls `each` with the last seq and the root of each segment except the last.  A result
 * other than 0 ends the walk and is returned. */
int log_reader_segments(struct log_reader *r,
    int (*each)(void *arg, uint64_t seq, const unsigned char root[HASH_SIZE]), void *arg,
    evlog_error *err);

/* The same for each block within the bounds, in order, without decompressing. */
int log_reader_roots(struct log_reader *r,
    int (*each)(void *arg, uint64_t seq, const unsigned char root[HASH_SIZE]), void *arg,
    evlog_error *err);

/* Adds what was counted where lines were left out. */
void log_reader_count(const struct log_reader *r, struct select *total);

void log_reader_close(struct log_reader *r);

#endif
