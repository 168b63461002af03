/* writer.h - shared by the files that make up a writer.
 *
 * write/ appends to a log: batches, commits, recovery under the lock, sealing, dedup,
 * replicas.  It must not know where events come from. */
#ifndef WRITE_WRITER_H
#define WRITE_WRITER_H

#include "format/cursor.h"
#include "recover/cursor_set.h"
#include "recover/recovery.h"
#include "write/batch.h"
#include "write/block_encoder.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/types.h>

#define ATOMIC_MAX (64u << 20) /* limit for the lines of an atomic commit */

struct dedup;
struct sealing;

/* A commit that runs in a thread while more events are added. */
struct committing {
	pthread_t thread;
	bool begun, threaded;
	sem_t written;	       /* posted when everything but the sync is done; */
	bool write_phase_seen; /* evlog_writer_full has waited for it */
	atomic_bool done;      /* evlog_writer_end would return at once */
	struct pending last;   /* the last event of its batch */
	struct evlog_ack ack;
	evlog_error err;
	int result;
};

#define WRITER_BEGUN "a commit was begun; call evlog_writer_end first"

/* A commit that failed after its last byte was written.  The log may contain it all the
 * same, if it could not be cut off and its segment could not be marked as poisoned. */
struct doubt {
	size_t n; /* events of the batch in doubt; 0: none */
	uint64_t first, last;
	unsigned char root[HASH_SIZE]; /* after `last` */
};

/* What the header of a block in a compressed stream says of its lines. */
struct carried {
	uint64_t next, last; /* the next one, and the last one there was */
	uint32_t left;	     /* lines that are to come */
	bool extract;	     /* it tells nothing of a log */
	bool leaves;	     /* lines may be only their leaves */
	bool partial;	     /* the last one does not end a commit */
	unsigned char root[HASH_SIZE];
	struct buf cursors; /* the extensions */
};

/* Zero-initialise. */
struct carry {
	struct carried *at;
	size_t n, cap, taken; /* taken: all lines of the first ones have come */
	size_t bytes;	      /* of all cursors */
};

/* The first segment of a trimmed log. */
struct origin {
	bool known;
	struct segment_header header;
	struct buf cursors; /* as of its beginning, */
	bool all;	    /* of all consumers */
};

struct evlog_writer {
	struct evlog_writer_options o;
	uint64_t max_line; /* limit for lines read from this log */
	struct log log;
	int lock_fd; /* of the file "lock" */
	struct timespec
	    folder_seen;    /* when the folder was last changed, as of the last check */
	struct segment seg; /* the active segment; fd -1: not open */
	struct intake intake;
	char *source;	   /* the default source */
	struct batch next; /* pending events */
	struct batch now;  /* the events being committed */
	struct committing
	    committing;	     /* while it is begun, it owns all but next, intake and o */
	struct doubt doubt;  /* concerns the first events of `now` */
	struct buf rejected; /* the event that dedup refused */
	struct block_codec *codec;
	struct block_encoder *encoder;
	struct dedup *dedup;
	struct carry told; /* what a stream told of the lines in next, and later ones; */
	struct carry carried; /* of those in now */
	bool extract;	      /* the stream is an extract; */
	bool framed;	      /* it has headers; */
	bool broken;	      /* it has broken off, or is yet to begin */
	bool absent; /* a replica that is created when it is known where it begins */
	struct origin origin;
	unsigned char boot_id[16];
	bool rolled;		 /* a segment has become full and can be sealed */
	struct sealing *sealing; /* NULL: no sealing in progress */
	bool created;		 /* this writer has created the log */
	bool locked, expectation_checked; /* all expectations were met */
	uint64_t *probe; /* the last event of each expected subject, then the first one
			    that an absence excludes, up to the seq in */
	uint64_t probed; /* 0: they were not looked for */
	struct cursor cursor; /* written with each commit, unless its name is empty */
	const char *cursor_source; /* the log that the consumer reads; NULL: not known */
	struct cursor left;	   /* the cursor that the log last had, */
	uint64_t looked;	   /* and the log's last seq at that time */
	struct buf extension;	   /* the encoded cursor */
	char notice[512];	   /* what recovery did, for the user */
};

/* Opens the log, or creates it, unless the options forbid that.  A replica that is absent
 * stays so, until writer_create creates and opens it. */
int writer_log_open(struct evlog_writer *w, const char *path, evlog_error *err);
int writer_create(struct evlog_writer *w, evlog_error *err);

/* The mode, group and owner of a new file.  Mode 0: leave all to umask and the system. */
struct permissions {
	mode_t mode;
	gid_t gid;   /* (gid_t)-1: the group of the process */
	uid_t owner; /* if root makes the file; 0: root */
};

/* Fills the directory of a new log, whose name is temporary. */
typedef int log_fill_fn(int dir_fd, const char *dir, void *arg, evlog_error *err);

/* Makes a directory for a log, has it filled, and renames it into place, so that no
 * process ever sees half of a log.  If filling returns EVLOG_WAIT, removes the directory,
 * and returns that, or why it could not be removed.  Returns EVLOG_END if the path exists
 * by then, and is not an empty directory.  After an error nothing is left of the new one,
 * unless the name could not be synced. */
int log_place(const char *path, log_fill_fn *fill, void *arg, evlog_error *err);

/* Gives a directory its name, durably; removes it if that fails.  EVLOG_END: there is one
 * of this name. */
int log_rename(int dir_fd, const char *temporary, const char *path, evlog_error *err);

/* Removes a directory that was not given its name, and the files in it.  dir_fd -1: it
 * could not be opened, and nothing is in it.  Returns -1 with errno if it is still there.
 */
int log_discard(int dir_fd, const char *temporary);

/* The last step of filling: writes head, with both its records, and creates the file
 * lock.  Sets its generation and its boot id. */
int head_make(int dir_fd, const char *dir, struct permissions mode, struct head *h,
    evlog_error *err);

/* The same for a log that ends with this segment, in which there is nothing yet. */
int log_end_at(int dir_fd, const char *dir, struct permissions mode,
    const struct segment_header *s, evlog_error *err);

/* Fills the directory with a segment that nothing precedes.  origin: where the log
 * begins, if that is known; it may be trimmed. */
int log_first_segment(int dir_fd, const char *dir, struct permissions mode,
    const struct origin *origin, uint64_t epoch, evlog_error *err);

/* Creates a log of that kind.  Returns 0 too if another process has created it
 * meanwhile. */
int log_create(
    const char *path, mode_t mode, const struct origin *origin, evlog_error *err);

/* Gets those of head.  New files of a log get them as well, so that one user's umask does
 * not lock out others who share the log. */
struct permissions log_permissions(const struct log *l);

/* The header, without lineage, of a segment behind what head records. */
struct segment_header header_after(const struct head *h);

/* Those of a file with this status. */
struct permissions permissions_of(const struct stat *st);

/* Sets them on a file or folder; the group only if this process may, and else the other
 * group may no more than others.  Returns 0, or -1 with errno. */
int permissions_give(int fd, struct permissions p);

/* Creates an empty head file in a log that has none. */
int head_create(struct evlog_writer *w, evlog_error *err);

/* With the lock held: reads head and makes the log ready for appending.  If it returns
 * EVLOG_EDAMAGED, the damaged segment was not changed. */
int recover(struct evlog_writer *w, evlog_error *err);

/* With the lock held: creates the segment after the active one, and makes it active. */
int segment_roll(struct evlog_writer *w, evlog_error *err);

/* Creates a segment file with its header, and syncs it and the directory; even with
 * --no-sync, because the header attests the segment before it.  If `replace`, renames it
 * over an existing one. */
int segment_create(int dir_fd, const char *dir, struct permissions mode,
    struct segment_header *h, struct view extensions, bool replace, evlog_error *err);

/* Opens the directory that contains `path`. */
int parent_open(const char *path, int *fd, evlog_error *err);

/* Gets the epoch after this one.  EVLOG_EDAMAGED: there is none. */
int epoch_next(const char *path, uint64_t epoch, uint64_t *next, evlog_error *err);

/* Sets head's epoch to one more than this, because something is cut off or replaced. */
int epoch_raise(struct evlog_writer *w, uint64_t epoch, evlog_error *err);

/* Writes w->log.head as the next generation, and syncs it if `sync`. */
int head_commit(struct evlog_writer *w, bool sync, evlog_error *err);

/* Opens the segment that head names as w->seg, or checks that it still is that file. */
int segment_ensure(struct evlog_writer *w, evlog_error *err);

/* Creates the file "lock", which only those who may write head can open: whoever can open
 * a file can lock it, and keep all writers waiting. */
int lock_create(int dir_fd, const char *dir, evlog_error *err);

/* Takes the lock of the log, and marks the bytes of head: an evlog 0.1, which locks head
 * itself, is kept out by that.  Once `recover` has recorded what a dead writer left, it
 * marks what is beyond them, too, so that readers know that other bytes after the
 * committed end are a commit under way.  writer_unlock returns r, or an error if r is not
 * one. */
int writer_lock(struct evlog_writer *w, evlog_error *err);
int writer_unlock(struct evlog_writer *w, int r, evlog_error *err);

/* With the lock held: checks that the cursor in the log is the one this writer left, and
 * encodes the new one.  Returns EVLOG_EMISMATCH if somebody else has moved it. */
int cursor_prepare(struct evlog_writer *w, evlog_error *err);

/* Notes that the log now has w->cursor. */
void cursor_left(struct evlog_writer *w);

/* Takes the lock and gets w->cursor from the log; returns EVLOG_END if it has none.  From
 * then on, a commit fails with EVLOG_EMISMATCH if somebody else has moved the cursor. */
int writer_cursor(struct evlog_writer *w, evlog_error *err);

/* Appends to `out` the event that evlog_writer_add would make of a line, with a blank
 * stamp and a newline. */
int writer_complete(struct evlog_writer *w, const char *line, size_t len,
    const char *name, uint64_t line_no, struct buf *out, evlog_error *err);

/* Creates and locks a file of this name, readable for the owner only, or opens and
 * empties it.  EVLOG_END: another process has it. */
int work_file_open(const struct log *l, const char *name, int *fd, evlog_error *err);

/* ---- Catalogues ---- */

/* Makes those that are missing, of all sealed segments before the one that head names.
 * Lists the segments. */
int catalogues_update(struct log *l, struct block_codec *codec, evlog_error *err);

/* Removes those that a segment is in, and syncs the directory: call it before the segment
 * changes. */
int catalogues_remove(const struct log *l, uint64_t first, evlog_error *err);

/* ---- Replicas ---- */

/* For a replica: announces lines of a reader that gets cursors, which are to be added
 * next, with what came with them, so that commits end where those of the log do. */
int carry_lines(
    struct evlog_writer *w, const struct evlog_lines *lines, evlog_error *err);

/* Checks that a stamped line follows the last pending one; returns EVLOG_EMISMATCH if
 * not. */
int replica_follows(const struct evlog_writer *w, const struct intake_event *e,
    const char *name, uint64_t line_no, evlog_error *err);

/* With the lock held: drops the pending events that the log already has, after comparing
 * them, and checks that the rest continues the log.  Returns EVLOG_EMISMATCH if an event
 * differs or does not continue the log. */
int replica_compare(struct evlog_writer *w, uint64_t *skipped, evlog_error *err);

/* Sets what a stream has told of the next line: whether it may be only its leaf. */
void carry_expect(struct evlog_writer *w);

/* Checks a line against what a stream has told of it.  Returns EVLOG_EDATA if it is
 * another one.  carry_added notes what was told in the last pending event. */
int carry_line(const struct evlog_writer *w, uint64_t seq, const char *name,
    uint64_t line_no, evlog_error *err);
void carry_added(struct evlog_writer *w);

/* How many of the pending events make up the next commit. */
size_t carry_whole(const struct evlog_writer *w);

/* Moves what was told of the events of a commit to w->carried; and forgets it, after the
 * commit. */
int carry_begin(struct evlog_writer *w, evlog_error *err);
void carry_done(struct evlog_writer *w);

/* With the lock held: appends the cursors for the commit to `out`. */
int carry_cursors(struct evlog_writer *w, struct buf *out, evlog_error *err);

/* The root that a stream attests after event `last`, the last one of the commit; NULL: it
 * does not say. */
const unsigned char *carry_root(const struct evlog_writer *w, uint64_t last);
void carry_free(struct carry *c);

/* ---- Deduplication ---- */

#define DEDUP_MOST (UINT32_MAX - 1) /* entries; the table uses 32-bit indexes */

/* window: with how many of the last events to compare, at most DEDUP_MOST; 0: all.
 * by_id: the same source and id is enough.  Returns NULL if out of memory. */
struct dedup *dedup_new(uint64_t window, bool by_id);
void dedup_free(struct dedup *d);

/* Whether there have been more events than the window holds. */
bool dedup_has_slid(const struct dedup *d);

/* The last event that the window should hold but that was removed from the log; 0: none.
 */
uint64_t dedup_forgotten(const struct dedup *d);

/* With the lock held: gets to know the events of the log up to `last`. */
int dedup_catch_up(struct dedup *d, const struct log *l, uint64_t last, uint64_t max_line,
    evlog_error *err);

enum dedup_verdict { DEDUP_NEW, DEDUP_SAME, DEDUP_CONFLICT };

/* Begins with the next n lines of a commit (stamped or not).  EVLOG_WAIT: as below. */
int dedup_begin(struct dedup *d, const struct view *lines, size_t n, evlog_error *err);

/* Asks about line number `event` of those; they come in order.  EVLOG_WAIT: a catalogue
 * proved to be damaged; begin again, with all lines of the commit.  dedup_add adds the
 * line asked about last, if it is new; `line` is where it is kept until the end of the
 * commit. */
int dedup_ask(struct dedup *d, uint32_t event, const char *line, size_t len,
    enum dedup_verdict *verdict, evlog_error *err);
int dedup_add(struct dedup *d, const char *line, size_t len, evlog_error *err);

/* dedup_keep: the commit succeeded, and the log now ends at `last`.  dedup_forget: it
 * failed; drops the lines added since the last dedup_keep or dedup_catch_up. */
void dedup_keep(struct dedup *d, uint64_t last);
void dedup_forget(struct dedup *d);

/* ---- expectations.c ---- */

/* Checks the absences in options.  EVLOG_EUSAGE: one is NULL, or not a FILTER. */
int absences_parse(const struct evlog_writer_options *o, evlog_error *err);

/* Searches, without the lock, for what expectations_check needs to know. */
void expectations_probe(struct evlog_writer *w);

/* With the lock, checks whether a commit may be made.  EVLOG_ECONFLICT: an expectation
 * does not hold. */
int expectations_check(struct evlog_writer *w, evlog_error *err);

#endif
