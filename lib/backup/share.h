/* share.h - gives the directory of a new log the segments of another one. */
#ifndef BACKUP_SHARE_H
#define BACKUP_SHARE_H

#include "write/writer.h"

struct share {
	const struct log *log;	 /* whose segments they are */
	int dir_fd;		 /* the new directory, */
	const char *dir;	 /* and its name, for messages */
	struct permissions mode; /* of files that are copied */
	uint64_t linked, copied; /* segments */
	uint64_t bytes;		 /* that were copied */
};

/* Where what is shared ends. */
struct tip {
	uint64_t seq;
	uint64_t segment, size, block; /* as in the header of the segment after it */
	int64_t logtime;
	uint64_t epoch;
	struct merkle tree;
	unsigned char root[HASH_SIZE];
};

/* Whether the tree at the tip is that of the events before it. */
bool tip_has_root(const struct tip *t);

/* Creates a segment after the tip, with an id of its own and a higher epoch than the tip
 * and than `epoch`, and head, so that the new log can go on by itself. */
int tip_go_on(const struct share *at, const struct tip *t, uint64_t epoch,
    const unsigned char lineage[HASH_SIZE], evlog_error *err);

/* Lists an open log and finds its end.  EVLOG_EDAMAGED: a reader would go on, but this
 * log is not to be copied as it is. */
int log_survey_sound(
    struct log *l, struct block_codec *c, struct log_end *end, evlog_error *err);

/* Turns an error into EVLOG_EBUSY if the first segments of the log were removed since
 * they were listed: they may be what was not found.  Returns r, or that. */
int trimmed_meanwhile(const struct log *l, int r, evlog_error *err);

/* Refuses a new name in the folder of the log: whatever is there is removed with it. */
int place_check(const struct log *l, const char *path, evlog_error *err);

/* Opens a segment that the log has listed.  EVLOG_EDAMAGED: its header is damaged. */
int share_open(const struct share *h, size_t i, struct segment *s, evlog_error *err);

/* Where the committed bytes of a segment end that has a successor. */
uint64_t share_limit(const struct segment *s, const struct segment_header *next);

/* Checks that a segment ends with this block, as its successor says.  EVLOG_EDAMAGED: it
 * does not. */
int successor_check(const struct log *l, const struct segment *s,
    const struct segment_header *next, const struct block *last, evlog_error *err);

/* Shares a whole segment.  A file of a sealed segment is only ever replaced, never
 * written to, so the new directory has it under a second name, and it is not read; it is
 * copied where that cannot be, and so is one that is not sealed.  EVLOG_EDAMAGED: it is
 * missing something, or its successor says something else of it, or what would be copied
 * is damaged. */
int share_whole(struct share *h, struct segment *s, const struct segment_header *next,
    evlog_error *err);

/* Copies a segment that is not sealed, with committed bytes up to `limit`, up to the last
 * block that ends a commit at event `upto` or before it.  Gets that block; its offset is
 * 0 if there is none, and then nothing is copied. */
int share_part(struct share *h, struct segment *s, uint64_t limit, uint64_t upto,
    struct block *cut, evlog_error *err);

/* Links the catalogues of events up to `upto`.  They are derived, so a log can do without
 * them. */
void share_catalogues(const struct share *h, uint64_t upto);

#endif
