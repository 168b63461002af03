/* writer.h - the writer's parts: creating, recovering, rolling, deduplicating. */
#ifndef WRITE_WRITER_H
#define WRITE_WRITER_H

#include "format/cursor.h"
#include "recover/recovery.h"
#include "write/batch.h"
#include "write/block_encoder.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/types.h>

#define ATOMIC_MAX (64u << 20) /* bytes of the lines of an atomic commit */

struct dedup;
struct sealing;

/* A commit that a thread runs while more is added. */
struct committing {
	pthread_t thread;
	bool begun, threaded;
	sem_t written;	       /* posted when all but syncing is done; */
	bool write_phase_seen; /* evlog_writer_full has waited for that */
	atomic_bool done;      /* evlog_writer_end would not wait */
	struct pending last;   /* of its batch */
	struct evlog_ack ack;
	evlog_error err;
	int result;
};

/* A commit that failed after its last byte was written: the log may have it all the same,
 * if it could neither be taken back nor its segment be marked as poisoned. */
struct doubt {
	size_t n; /* events of the batch; 0: there is no doubt */
	uint64_t first, last;
	unsigned char root[HASH_SIZE]; /* after `last` */
};

struct evlog_writer {
	struct evlog_writer_options o;
	uint64_t max_line; /* of the log, where it reads in it */
	struct log log;
	struct timespec
	    folder_seen;    /* as the folder was when its segments were looked at */
	struct segment seg; /* the active one; fd -1: not open */
	struct intake intake;
	char *source;	   /* the default one */
	struct batch next; /* what waits; */
	struct batch now;  /* what is being committed, and, */
	struct committing
	    committing;	     /* while that is begun, all but next, intake and o */
	struct doubt doubt;  /* of the first events of `now` */
	struct buf rejected; /* what dedup refused */
	struct block_codec *codec;
	struct block_encoder *encoder;
	struct dedup *dedup;
	unsigned char boot_id[16];
	bool rolled;			  /* a segment became full: it is to be sealed */
	struct sealing *sealing;	  /* NULL: none is going on */
	bool created;			  /* by this writer */
	bool locked, expectation_checked; /* all of them, and they held */
	struct cursor cursor;		  /* goes with each commit, if it has a name */
	struct cursor left;		  /* as this writer, or the log, had it last, */
	uint64_t looked;		  /* with the log's last seq then */
	struct buf extension;		  /* of that cursor */
	char notice[512];		  /* what recovering did */
};

/* Makes a new log in a temporary directory and renames it into place, so that no
 * other process ever sees half of one.  0 too if somebody else was faster. */
int log_create(const char *path, mode_t mode, evlog_error *err);

/* Mode and group of a new file; mode 0: what umask says. */
struct permissions {
	mode_t mode;
	gid_t gid; /* (gid_t)-1: that of the process */
};

/* Those of a log's files, as head has them: what is added to a log that several share
 * must not be closed to the others by one's umask. */
struct permissions log_permissions(const struct log *l);

/* Gives them to a file, the group only if this process may.  0, or -1 with errno. */
int permissions_give(int fd, struct permissions p);

/* Head's first record of a log without one that can be read. */
int head_create(struct evlog_writer *w, evlog_error *err);

/* With the lock held: reads head, and brings the log into a state that can be appended
 * to.  EVLOG_EDAMAGED: nothing was changed. */
int recover(struct evlog_writer *w, evlog_error *err);

/* With the lock held: makes a new segment behind head.committed and the active one. */
int segment_roll(struct evlog_writer *w, evlog_error *err);

/* Writes a new segment's file in dir_fd: header, sync, sync of the directory; also with
 * --no-sync, since its header attests what stands before it.  replace: under a name that
 * is taken, by a rename. */
int segment_create(int dir_fd, const char *dir, struct permissions mode,
    struct segment_header *h, bool replace, evlog_error *err);

/* Makes head's epoch one more than this: something is cut off, or replaced. */
int epoch_raise(struct evlog_writer *w, uint64_t epoch, evlog_error *err);

/* Next generation of head, from w->log.head. */
int head_commit(struct evlog_writer *w, bool sync, evlog_error *err);

/* Opens w->seg at the segment that head names, or checks that it still is the one. */
int segment_ensure(struct evlog_writer *w, evlog_error *err);

int writer_lock(struct evlog_writer *w, evlog_error *err);

/* With the lock held: looks whether the cursor is where it was left, and makes the
 * extension that moves it. */
int cursor_prepare(struct evlog_writer *w, evlog_error *err);

/* The cursor is in the log. */
void cursor_left(struct evlog_writer *w);

/* Takes the lock and looks for w->cursor, as the log has it: EVLOG_END: it has not.  From
 * then on commits are refused with EVLOG_EMISMATCH when somebody else has moved it. */
int writer_cursor(struct evlog_writer *w, evlog_error *err);

/* What evlog_writer_add makes of a line: adds the whole event, with a blank stamp and a
 * newline, to out. */
int writer_complete(struct evlog_writer *w, const char *line, size_t len,
    const char *name, uint64_t line_no, struct buf *out, evlog_error *err);

/* ---- Replicas ---- */

/* Whether a stamped line follows the last one that waits; EVLOG_EMISMATCH. */
int replica_follows(const struct evlog_writer *w, const struct intake_event *e,
    const char *name, uint64_t line_no, evlog_error *err);

/* With the lock held: compares what waits with the events of the same seqs that the log
 * has, takes these out, and looks whether the rest continues the log.  EVLOG_EMISMATCH.
 */
int replica_compare(struct evlog_writer *w, uint64_t *skipped, evlog_error *err);

/* ---- Deduplication ---- */

/* window: how many of the last events it knows; 0: all.  NULL: no memory, or too many. */
struct dedup *dedup_new(uint64_t window);
void dedup_free(struct dedup *d);

/* Whether there were more events than the window holds. */
bool dedup_has_slid(const struct dedup *d);

/* Takes in the events of the log that it has not seen, up to `last`. */
int dedup_catch_up(struct dedup *d, const char *path, uint64_t last, uint64_t max_line,
    evlog_error *err);

enum dedup_verdict { DEDUP_NEW, DEDUP_SAME, DEDUP_CONFLICT };

/* Asks for a line (stamped or not), and remembers it if it is new. */
int dedup_ask(struct dedup *d, const char *line, size_t len, enum dedup_verdict *verdict,
    evlog_error *err);

/* Forgets what was asked since the last call of this or of dedup_catch_up: the commit
 * that was to hold it failed.  Or keeps it: the log now ends at `last`. */
void dedup_keep(struct dedup *d, uint64_t last);
void dedup_forget(struct dedup *d);

#endif
