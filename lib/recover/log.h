/* log.h - a log directory: its files, and where its committed bytes end. */
#ifndef RECOVER_LOG_H
#define RECOVER_LOG_H

#include "recover/archive.h"

/* An open log directory.  Segments are named by their first seqs, ascending. */
struct log {
	char *path;
	int dir_fd, head_fd; /* head_fd -1: there is no head file */
	enum head_state state;
	struct head head;
	unsigned char id[ID_SIZE]; /* from head, or from the last segment */
	uint64_t *segments;
	size_t n;
	struct catalogue_span {
		uint64_t first, last; /* seqs */
	} * catalogues;		      /* by first, the longest first */
	size_t n_catalogues;
	uint64_t first;	 /* seq of the first event that was kept: 1, unless trimmed; */
	int64_t removed; /* then the logtime of the last event that was not */
	struct archive *archive; /* what was removed; NULL: not known */
};

/* Opens the directory and head (O_RDWR if writable), but does not read head.  Returns
 * EVLOG_ENOINPUT if there is no such directory; call log_close all the same. */
int log_open(struct log *l, const char *path, bool writable, evlog_error *err);
void log_close(struct log *l);

/* The same to read a log; the path may also be DEST::LOG, where DEST is a folder of
 * backups.  Then the log begins with the events that were removed from it, as far as they
 * are there. */
int log_open_through(struct log *l, const char *path, evlog_error *err);

/* The part of such a path that names the log itself. */
const char *log_path(const char *path);

/* Opens a segment for reading, like segment_open. */
int log_segment(const struct log *l, uint64_t first, const unsigned char *id,
    struct segment *s, evlog_error *err);
int log_segment_stat(const struct log *l, uint64_t first, struct stat *st);

/* Whether its path names another directory by now, or the directory was removed.  A log
 * that was moved is still the same one, as long as nothing takes its place. */
bool log_is_replaced(const struct log *l);

/* log_has: whether a segment with this first seq was listed.  log_after: the first one
 * listed that begins after `first`; 1 if there is none, so that one less is 0,
 * "unknown". */
bool log_has(const struct log *l, uint64_t first);
uint64_t log_after(const struct log *l, uint64_t first);

/* Lists the segments and catalogues, replacing the previous lists. */
int log_list(struct log *l, evlog_error *err);

/* The same for a log that was just opened, from another list of this directory. */
int log_list_copy(struct log *l, const struct log *from, evlog_error *err);

/* If event 1 is not there, finds the first segment that was kept, and drops those before
 * it from the list; puts those of the archive in their place.  Sets l->first, to 1 if no
 * segment says that it was the first to be kept; then those before it are missing. */
int log_first(struct log *l, evlog_error *err);

/* Both. */
int log_list_again(struct log *l, evlog_error *err);

/* Sets *foreign if the directory has neither head nor segments, and *empty if it has
 * nothing at all.  Call log_list first. */
int log_is_foreign(struct log *l, bool *foreign, bool *empty, evlog_error *err);

/* Gets the lineage of a log with at least one event: the leaf of event 1, or zeros if
 * that is not known.  seg: an open segment of it. */
int log_lineage(struct log *l, struct segment *seg, struct block_codec *c,
    unsigned char lineage[HASH_SIZE], evlog_error *err);

/* Where the committed bytes of a log end. */
struct log_end {
	uint64_t segment; /* first seq of the last segment that counts */
	uint64_t offset;  /* offset after its last committed byte */
	uint64_t block;	  /* offset of its last block; 0: it has none */
	uint64_t seq;	  /* last committed seq */
	unsigned char root[HASH_SIZE];
};

void log_end_of_head(const struct head *h, struct log_end *e);
void log_end_of_seal(const struct segment *s, struct log_end *e);

/* Reads head, lists the segments of a log that was just opened, and finds the committed
 * end for a reader.  listed: has the segments there are; NULL: list them.  Damage to head
 * does not stop reading: *verdict is set to EVLOG_EDAMAGED. */
int log_survey(struct log *l, const struct log *listed, struct block_codec *c,
    struct log_end *e, evlog_error *verdict, evlog_error *err);

/* The tail of a segment, scanned block by block from an offset known to be good. */
struct tail {
	uint64_t end;	     /* offset after the last whole commit */
	uint64_t last_block; /* offset of that commit's last block; 0: none */
	uint64_t parsed;     /* offset where parsing failed: X of evlog-format(5) */
	uint64_t attested; /* the largest synced size that a valid block header attests */
	uint64_t size;	   /* of the file */
	int64_t last_logtime;
	uint64_t epoch;
	struct merkle tree; /* after `end`; only tree.n unless roots are computed */
	unsigned char root[HASH_SIZE];
	bool nothing;	  /* there is no block header of this segment after the start */
	bool full_length; /* the block at `parsed` is complete in length, yet bad, and no
			     sector of it is zero: no crash leaves that */
	char why[128];	  /* why parsing failed */
};

/* Scans from t->end to the end of the segment; the caller fills end, last_block, tree,
 * last_logtime, epoch and root.  If `roots`, hashes the lines and compares the roots.
 * Damage is not an error: *t describes it. */
int tail_scan(struct segment *seg, struct block_codec *c, bool roots, struct tail *t,
    evlog_error *err);

/* Whether a segment with a bad header was never completely created: it is shorter than
 * the largest header and contains no block.  The caller checks that no segment follows
 * it. */
int segment_is_unfinished(struct segment *seg, bool *unfinished, evlog_error *err);

/* Finds the next valid block header of this segment at or after `offset`.  Sets *found to
 * its offset, or to `limit` if there is none. */
int tail_resync(struct segment *seg, uint64_t offset, uint64_t limit, struct block *b,
    uint64_t *found, evlog_error *err);

#endif
