/*
 * evlog.h - an event store for the shell: the public interface of the library.
 *
 * See libevlog(3) for an introduction and a first program.  Here, each function is
 * described where it is declared.  The following rules apply to all of them:
 *
 * Results.  Functions that can fail return EVLOG_OK (0) or a negative EVLOG_E...; those
 * that deliver something may also return EVLOG_END or EVLOG_WAIT, which are positive.
 * Each comment lists the codes that have a specific meaning for that function.  Any
 * function may also return EVLOG_EIO (a system call failed or, if err.sys is ENOMEM,
 * there is not enough memory), EVLOG_EPERM, or EVLOG_EUSAGE (see below).
 *
 * Errors.  The last parameter is an error object that the caller provides, or NULL.
 * What it contains has a meaning only if the function has failed.
 *
 * Options.  A struct of options begins with its size, so that later versions can add
 * members.  Set size to the size of the struct, and every member that you do not use to
 * zero:
 *
 *	struct evlog_writer_options options = {.size = sizeof options, .atomic = true};
 *
 * A program built with an older header works with a newer library.  A program built with
 * a newer header works with an older library unless it uses something that the library
 * does not know; then it gets EVLOG_EUSAGE.  NULL instead of options selects all
 * defaults.  Numbers, flags and pointers are copied; what the pointers point to is not,
 * and must outlive the object that the options are for.
 *
 * Ownership.  An object that a function returns through a pointer to a pointer belongs
 * to the caller, who releases it with the _close or _free function of its type; these
 * functions accept NULL, too.  If opening fails, the pointer is set to NULL.  A view (a
 * pointer and a length) is valid until the next call on the same object, unless a
 * comment says otherwise.
 *
 * Bad use.  These mistakes give EVLOG_EUSAGE with the reason, and change nothing: NULL
 * where an object, a path, a callback or a place for results is required; options whose
 * size is not set; a value that makes no sense; a call at the wrong time.  Functions
 * that return no code then do nothing, and return false, NULL, 0 or whatever else means
 * "none".  Asking for more threads than are useful is not an error: fewer are used.
 *
 * Threads.  An object may be used by one thread at a time; different objects are
 * independent.  After fork(2), only one of the two processes may continue to use an
 * object.
 *
 * The library never prints and never exits.  Strings are UTF-8 with a NUL at the end.
 * Times are microseconds since 1970-01-01T00:00:00Z, without leap seconds.  A seq is the
 * number of an event in its log, counted from 1; 0 stands for "none".
 */
#ifndef EVLOG_H
#define EVLOG_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EVLOG_VERSION "0.2.0"

/* The version of the library that is linked, which may differ from the header's. */
const char *evlog_version(void);

/* ---- Results ---------------------------------------------------------- */

enum evlog_result {
	EVLOG_OK = 0,
	EVLOG_END = 1,		 /* nothing more to deliver */
	EVLOG_WAIT = 2,		 /* nothing yet: the input pauses */
	EVLOG_EUSAGE = -1,	 /* the caller asked for something that makes no sense */
	EVLOG_EDATA = -2,	 /* input that is not what it should be */
	EVLOG_EDAMAGED = -3,	 /* a log's bytes are not those that were written */
	EVLOG_ENOINPUT = -4,	 /* no such log or file */
	EVLOG_ECREATE = -5,	 /* cannot create */
	EVLOG_EIO = -6,		 /* a system call failed, or there is no memory */
	EVLOG_EBUSY = -7,	 /* another process has the lock, or was faster */
	EVLOG_EMISMATCH = -8,	 /* the log is not the one that was expected */
	EVLOG_EPERM = -9,	 /* not permitted */
	EVLOG_ECONFLICT = -10,	 /* the expectation does not hold; nothing was written */
	EVLOG_EINTERNAL = -11,	 /* an internal error */
	EVLOG_ENEWER = -12,	 /* the log was written by a newer version */
	EVLOG_EAWAY = -13,	 /* a service or a helper program is not available */
	EVLOG_EUNRECORDED = -14, /* a commit is durable, but head does not record it */
	EVLOG_EPROGRAM = -15,	 /* a program in Lua cannot go on: see evlog_fold_event */
};

typedef struct evlog_error {
	int code;	  /* an EVLOG_E... */
	int sys;	  /* errno, where a system call failed; else 0 */
	uint64_t line;	  /* line of the input, from 1; 0: does not apply */
	uint64_t column;  /* byte in that line, from 1; 0: does not apply */
	char reason[256]; /* what is wrong, mostly without saying where */
	char text[768];	  /* the whole message, without newline */
} evlog_error;

/* Receives bytes that the library writes; a call may end inside a line.  arg is the
 * pointer that was passed along with the function.  Returns 0, or -1 with errno set if
 * they could not be written. */
typedef int evlog_write_fn(void *arg, const char *p, size_t len);

/* ---- Times ------------------------------------------------------------ */

#define EVLOG_TIME_MIN INT64_MIN
#define EVLOG_TIME_MAX INT64_MAX

/* The decimal digits of a time after the microsecond, without trailing zeros.  They are
 * part of the text that was read.  If n is 0, there are none. */
struct evlog_digits {
	const char *p;
	size_t n;
};

/* Which end of a range a time is.  When the local clock is set back, it shows some times
 * twice: EVLOG_SINCE means the earlier moment and EVLOG_UNTIL the later, so that the
 * range includes both.  A time that the clock skips means the moment of the jump. */
enum evlog_edge { EVLOG_SINCE, EVLOG_UNTIL };

/*
 * Parses a time: RFC 3339, a date in TZ with or without a time of day, now, today,
 * yesterday, tomorrow, -2h, +15min, "2h30min ago", @1700000000[.5] (the grammar is that
 * of systemd.time(7), plus RFC 3339).
 *
 * now: the moment from which relative times count.  *time: the result, truncated to the
 * microsecond.  digits: receives the digits after that; if it is NULL, the time is
 * rounded up instead.  EVLOG_EUSAGE: the text is not a time.
 */
int evlog_time_parse(const char *text, int64_t now, enum evlog_edge edge, int64_t *time,
    struct evlog_digits *digits, evlog_error *err);

/* Parses a span such as 1.5s, 2h30min or 300ms; a number without a unit is in seconds.
 * EVLOG_EUSAGE: the text is not a span. */
int evlog_span_parse(const char *text, int64_t *microseconds, evlog_error *err);

/* The current time of the system's clock. */
int64_t evlog_now(void);

/* Writes YYYY-MM-DDTHH:MM:SS.ffffffZ and a NUL.  A time outside the years 0000 to 9999
 * is written as the nearest time within them. */
void evlog_time_format(int64_t t, char out[28]);

/* ---- Input: lines from files, pipes, compressed files and archives ----- */

typedef struct evlog_input evlog_input;

#define EVLOG_MAX_EVENT (UINT64_C(512) << 20) /* no stored line is longer */

struct evlog_input_options {
	size_t size;
	uint64_t max_line; /* in bytes; a longer line is an error; 0: EVLOG_MAX_EVENT */

	/* Deliver a file or member whose checksum does not match, up to the error, even
	 * though some of its lines are wrong.  Otherwise it is delivered only if it is
	 * longer than 1 MiB, or comes through a pipe. */
	bool salvage;

	const volatile sig_atomic_t
	    *stop;   /* the input ends once this is set; NULL: never */
	bool frames; /* keep what evlog_input_frame gets */
};

/*
 * Opens a file for reading line by line.
 *
 * path: "-" is standard input.  A regular file is recognised by its content: plain,
 * compressed, or an archive, whose members are read one after the other; a pipe may be
 * plain, or compressed with zstd, gzip, xz or lz4.  Checksums are verified, and data
 * after the end is an error unless it is another compressed member or zero bytes; see
 * COMPRESSED INPUT in evappend(1).
 *
 * EVLOG_ENOINPUT: there is no such file.  EVLOG_EDATA: it is damaged.  EVLOG_EAWAY:
 * evlog-unpack, which such a file needs, is missing.
 */
int evlog_input_open(evlog_input **in, const char *path,
    const struct evlog_input_options *o, evlog_error *err);

/*
 * Runs a command, and opens its output as an input.
 *
 * command: the command and its arguments, as for execvp(3), ending with NULL.  env:
 * variables (NAME=value) in addition to those of the calling process, ending with NULL;
 * or NULL.
 *
 * If the command fails, an error that says how comes after the last whole line:
 * EVLOG_EUSAGE, EVLOG_EDATA, EVLOG_ENOINPUT, EVLOG_EMISMATCH or EVLOG_EPERM if that is
 * what its exit status means (sysexits(3)), otherwise EVLOG_EAWAY, which means that
 * another try may help.
 */
int evlog_input_command(evlog_input **in, const char *const *command,
    const char *const *env, const struct evlog_input_options *o, evlog_error *err);

/*
 * Gets the next frame in which a compressed log describes itself: the header of a segment
 * or of a block (evlog-format(5)).  It is valid until the next call of evlog_input_next.
 * evlog_writer_frame understands it.
 *
 * false: there is no other one between the last line and the one before it, or after the
 * last line of all.
 */
bool evlog_input_frame(evlog_input *in, const char **p, size_t *len);

/*
 * Delivers the next line that is not blank, without its end (LF or CRLF; the last line
 * may have none) and without a leading byte order mark.
 *
 * wait_ms: how long to wait for a whole line; negative: forever.
 *
 * EVLOG_END: there are no more lines.  EVLOG_WAIT: none came in time.  EVLOG_EDATA with
 * err->line: the line is too long; the next call continues after it.  Any other error is
 * final: further calls return it again.
 */
int evlog_input_next(
    evlog_input *in, int wait_ms, const char **line, size_t *len, evlog_error *err);

/* Where the last line came from: the path, with an archive's member in parentheses, and
 * the line's number, counted from 1 in each member.  The name is valid until the next
 * line is read. */
const char *evlog_input_name(const evlog_input *in);
uint64_t evlog_input_line(const evlog_input *in);

/* Closes the input, and ends the command if it is still running. */
void evlog_input_close(evlog_input *in);

/*
 * Sets the path of evlog-unpack, the program that unpacks archives and compressions
 * other than zstd and gzip; it can open no file and reach no network.  By default, it is
 * looked for next to the running program, in ../libexec from there, and where evlog was
 * installed.
 *
 * path: copied; NULL: the default again.  It applies to the whole process, and to
 * everything that is opened afterwards.  Any thread may call this function.
 */
int evlog_set_unpacker(const char *path, evlog_error *err);

/* ---- Appending --------------------------------------------------------- */

typedef struct evlog_writer evlog_writer;

/* A subject, and the seq that its last event must have; 0: the subject must have no
 * event. */
struct evlog_expectation {
	const char *subject;
	uint64_t seq;
};

/* Event `seq` is there, or seq is 0, and no event after it meets the FILTER `where`; see
 * evcat(1), Filters. */
struct evlog_absence {
	const char *where;
	uint64_t seq;
};

struct evlog_writer_options {
	size_t size;
	int level;	  /* the zstd level, which may be negative; 0: level 1 */
	unsigned threads; /* to compress with; if 2 or more, another commits; 0: one */
	uint64_t segment_size; /* a segment ends once it has this many bytes; 0: 64 MiB */
	int64_t lock_wait_ms;  /* how long to wait for the lock; 0: not at all */
	bool no_create;	       /* fail if the log does not exist */
	bool strict;	       /* sync head too: two syncs for each commit */
	bool no_sync;	       /* sync nothing: a power cut may lose commits */
	bool force;	       /* append on network file systems, too */
	unsigned mode; /* of a new log's files, up to 0777; 0: as the umask says */

	bool atomic; /* everything in one commit: up to 64 MiB may be pending */
	bool expect; /* commit only if the last seq is expect_seq */
	uint64_t expect_seq;
	const struct evlog_expectation *expect_subjects; /* commit only if all hold */
	size_t n_expect_subjects;
	bool dedup;	       /* skip events that the log has (same source and id) */
	uint64_t dedup_window; /* ... among this many of its last events; 0: all */
	bool replica; /* lines are already stamped: store them unchanged (see below) */
	uint64_t max_event; /* longest stored line, in bytes; 0: EVLOG_MAX_EVENT */

	bool text;	    /* lines are text: wrap each one as a string */
	const char *type;   /* wrap any JSON value as the data of an event of this type */
	const char *source; /* NULL: "/" and the log's name */
	const char *subject; /* for events that have none */
	/* Where in the wrapped value to find these attributes. */
	const char *type_from, *subject_from, *time_from, *id_from, *source_from;
	bool require;	  /* refuse a line in which one of the paths points to nothing */
	bool dedup_by_id; /* with dedup: skip such an event even if its content differs */
	const struct evlog_absence *expect_none; /* commit only if all hold */
	size_t n_expect_none;

	/* Is shown each event as it would be stored, without its stamp, before it is
	 * added. EVLOG_EDATA refuses it, for the reason in err.  evlog_check does this
	 * with rules in Lua.  NULL: none.  Not with replica. */
	int (*check)(void *arg, const char *line, size_t len, evlog_error *err);
	void *check_arg;

	/* Append to a log that is marked as a copy of another one, too: from its first
	 * commit on, which may be empty, it is one of its own.  Not with replica. */
	bool promote;
};

/* What a commit has made durable. */
struct evlog_ack {
	uint64_t from, to; /* seqs; from > to: nothing was appended */
	uint64_t skipped;  /* events that dedup or replica found in the log already */
	char root[65];	   /* of the Merkle tree (RFC 6962) after `to`, hexadecimal */

	/* With EVLOG_EDATA: the input of the event that was refused, and the event as it
	 * would have been stored, without its stamp; valid until the next call. */
	const char *rejected_name, *rejected;
	size_t rejected_len;

	uint64_t forgotten; /* dedup did not compare with the events up to this one,
			       because they were removed from the log; 0: it did */
	bool slid;	    /* the log has more events than dedup_window */
	bool recovered;	    /* the remains of a dead writer were recovered */
	char notice[512];   /* ... and this says what they were */
};

/*
 * Opens a log for appending, and creates it if it does not exist.  Takes no lock.
 *
 * EVLOG_ENOINPUT: with no_create, there is no log.  EVLOG_ECREATE: it cannot be created.
 * EVLOG_EDATA: the path is something other than a log.  EVLOG_ENEWER: the log was
 * written by a newer version.  EVLOG_EUSAGE: the options contradict each other.
 */
int evlog_writer_open(evlog_writer **w, const char *path,
    const struct evlog_writer_options *o, evlog_error *err);

/*
 * Checks a line, completes it to an event, and keeps it for the next commit.
 *
 * line: without its newline.  name, line_no: where it came from, for messages; the name
 * is copied.
 *
 * EVLOG_EDATA: it is not an event, or (without options.text) it is more than one line;
 * err says why, and nothing was kept.
 */
int evlog_writer_add(evlog_writer *w, const char *line, size_t len, const char *name,
    uint64_t line_no, evlog_error *err);

/*
 * For a replica that reads compressed streams (evcat -o zst).  evlog_writer_frame takes
 * what evlog_input_frame gets, before the lines that come after it are added.  A commit
 * then ends only where one of the replicated log ends, and has the same cursors; lines
 * may be only their leaves; roots are compared; and a line that is in no block is
 * refused.  Lines of a stream without frames are stored alone.  A log that does not exist
 * is created by the first commit, and begins where a trimmed log begins.
 *
 * EVLOG_EDATA: the frame is damaged.  EVLOG_ENEWER: a newer version wrote it.
 *
 * evlog_writer_input_end must be called at the end of each stream.  whole: false if it
 * has broken off, or is yet to begin; then an absent log stays absent if there is no
 * event.  It drops the events of a commit that is incomplete, and returns how many they
 * were.
 */
int evlog_writer_frame(evlog_writer *w, const char *p, size_t len, evlog_error *err);
size_t evlog_writer_input_end(evlog_writer *w, bool whole);

/* How many bytes are pending; and whether it is time to commit them, because there are
 * enough of them for the idle threads, or as many as may be pending.  evlog_writer_full
 * may wait until nothing is left to do but sync for a commit that was begun. */
size_t evlog_writer_pending(const evlog_writer *w);
bool evlog_writer_full(evlog_writer *w);

/*
 * Takes the lock, recovers what a dead writer left, stamps, writes and syncs everything
 * that is pending, and releases the lock.  If the result is EVLOG_OK, the events in *ack
 * are durable.
 *
 * EVLOG_EUNRECORDED: the events are durable and readers see them, but the file head could
 * not be written.  *ack is valid, nothing is pending any more, and the next commit of any
 * process records them.  Do not append them again.
 *
 * EVLOG_EDATA: with dedup, the log already has an event with the same source and id but
 * different content.  The new event was dropped, and the events before it are committed,
 * as *ack says; call again for the rest.
 *
 * EVLOG_EBUSY: the lock was not free in time.  EVLOG_ECONFLICT: the expectation does not
 * hold.  EVLOG_EMISMATCH: with replica, the log has other events; or the log was removed,
 * or another one has its path.  EVLOG_EDAMAGED: the log is damaged in a place that must
 * be intact for an append.
 *
 * After one of these four errors, or any error not named here, nothing was acknowledged
 * and the events are still pending.  Calling again is safe: if the log has them after
 * all (a sync failed, and they could not be taken back), they are acknowledged, not
 * appended a second time.
 */
int evlog_writer_commit(evlog_writer *w, struct evlog_ack *ack, evlog_error *err);

/*
 * evlog_writer_begin starts a commit, in a thread of its own if options.threads allows
 * that, so that the caller can continue.  It takes the pending events that fill whole
 * blocks or, after a failure, the events that failed.  Until evlog_writer_end has
 * returned the result, only these functions may be called: evlog_writer_add,
 * evlog_writer_pending (which counts the rest), evlog_writer_full, and
 * evlog_writer_close (which waits for the commit).
 *
 * evlog_writer_end waits for the commit, and returns what evlog_writer_commit would.
 * EVLOG_END: no commit was begun.
 */
void evlog_writer_begin(evlog_writer *w);
int evlog_writer_end(evlog_writer *w, struct evlog_ack *ack, evlog_error *err);

/*
 * Seals the segments that have become full: small blocks are merged, and an index is
 * made (evlog-format(5), Sealing).  This takes a second or two for 64 MiB, and needs no
 * lock.  Call it after each commit that was acknowledged.
 *
 * wait: return only when it is done.  Otherwise a thread does it in the background, and
 * the error is that of the previous time; evlog_writer_close waits for the thread, and
 * reports nothing.
 *
 * What cannot be sealed stays as it is, and nothing is lost.
 */
int evlog_writer_seal(evlog_writer *w, bool wait, evlog_error *err);

/* Seals all segments that are full and not sealed, or whose index is damaged.  Call it
 * after a commit, which may be empty. */
int evlog_writer_reindex(evlog_writer *w, evlog_error *err);

/* How often a path of the options, such as subject_from, pointed to nothing. */
struct evlog_missed {
	const char *attribute, *path;
	uint64_t lines, missed; /* lines wrapped, and those of them without a value */
};

/* What was seen in the lines so far that their producer may not have intended.  _missed
 * fills in one element for each path of the options, and returns their number.
 * _extension returns the name of a member of a shorthand line that is stored as an
 * extension attribute although neither CloudEvents nor evlog documents one of that name;
 * NULL: there is none.  The strings are valid as long as the writer. */
size_t evlog_writer_missed(const evlog_writer *w, struct evlog_missed out[5]);
const char *evlog_writer_extension(const evlog_writer *w);

/* Whether evlog_writer_open created the log. */
bool evlog_writer_created(const evlog_writer *w);

/* Waits for what was begun, and drops what is pending. */
void evlog_writer_close(evlog_writer *w);

/* ---- Reading ----------------------------------------------------------- */

/* Whole lines, each with its newline. */
struct evlog_lines {
	const char *p;
	size_t len;
	/* Which operand of the stream they come from, counted from 0.  Always 0 if the
	 * last N events are read forwards. */
	size_t operand;
	bool leaves; /* a line may be only its leaf: evlog-format(5), "The line" */
	/* If cursors were asked for: more lines of the same commit follow; or they would,
	 * and cursors with them, if the selection did not end here. */
	bool partial;
	/* The cursors that became durable with these lines, as extensions of a block
	 * header, if they were asked for; only evlog_packer_add needs them. */
	const char *cursors;
	size_t cursors_len;
};

/* One event, as a view of its line. */
struct evlog_event {
	const char *line; /* without newline */
	size_t len;
	uint64_t seq;	 /* 0: the event has none */
	int64_t logtime; /* EVLOG_TIME_MIN: none */
};

/*
 * Receives whole lines, and may replace them by passing others to `put`, with `to` as
 * its arg; each of these must have a newline, and the stamp of the line that it is made
 * from.
 *
 * EVLOG_OK: what was put replaces the lines.  1: they stay as they are.  EVLOG_WAIT:
 * they stay, and evlog_stream_next returns EVLOG_WAIT once, so that the caller can do
 * something else.  Negative: the stream ends with this error.  Any other result, or an
 * incomplete line passed to `put`, ends it with EVLOG_EUSAGE.
 */
typedef int evlog_map_fn(void *arg, const struct evlog_lines *lines, evlog_write_fn *put,
    void *to, evlog_error *err);

#define EVLOG_MAX_LINE (UINT64_C(64) << 20)

/* Which events to read, and how.  Initialise it with evlog_selection_init.  Bounds that
 * exclude each other select nothing.  follow and reverse cannot be combined. */
struct evlog_selection {
	size_t size;
	uint64_t from, to;    /* range of seqs, both included; 0: no bound */
	int64_t since, until; /* range of times, until not included */
	struct evlog_digits since_digits,
	    until_digits; /* their digits after the microsecond */
	bool event_time;  /* compare since and until with the event's time */
	/* Globs, as in evcat(1).  An event must match one string of each list that is
	 * given; types, subjects, sources and ids are the lengths of the lists. */
	const char *const *type, *const *subject, *const *source, *const *id;
	size_t types, subjects, sources, ids;
	bool fixed;	      /* the strings are literal, not globs */
	uint64_t last, count; /* only this many, from the end or the start; 0: all */
	bool reverse;	      /* newest first */
	bool follow;	      /* at the end, wait for more */
	bool merge;	      /* several operands: by logtime, then operand, then seq */
	bool salvage;	      /* carry on after damage, and report it at the end */
	bool json;	   /* check that each line is JSON; required to look into lines */
	uint64_t max_line; /* refuse longer lines, in bytes; 0: EVLOG_MAX_LINE */
	unsigned threads;  /* that decompress logs, going forwards; 0: one */
	const volatile sig_atomic_t *stop; /* the stream ends once this is set; or NULL */
	evlog_map_fn *map; /* receives all lines before the globs are matched; or NULL */
	void *map_arg;
	bool cursors;  /* also get the cursors of a log, for evlog_packer_add */
	bool no_index; /* do without what is derived: indexes, filters, catalogues */
	/* Conditions as in evcat(1), Filters; an event must meet all of them. */
	const char *const *where;
	size_t wheres;
};

static inline void evlog_selection_init(struct evlog_selection *s)
{
	memset(s, 0, sizeof *s);
	s->size = sizeof *s;
	s->since = EVLOG_TIME_MIN;
	s->until = EVLOG_TIME_MAX;
}

typedef struct evlog_stream evlog_stream;

/*
 * Opens operands as one stream, one after the other or, with merge, merged.
 *
 * paths: log directories, files, archives, or "-"; n of them.  They must outlive the
 * stream.  sel: copied, but its strings are not; NULL: all events.
 *
 * EVLOG_ENOINPUT: an operand does not exist.  EVLOG_EDAMAGED, EVLOG_EDATA: no part of it
 * can be read.  EVLOG_ENEWER: it was written by a newer version.  EVLOG_EUSAGE: the
 * selection is impossible for such an operand (reading a pipe backwards, for instance).
 */
int evlog_stream_open(evlog_stream **s, const char *const *paths, size_t n,
    const struct evlog_selection *sel, evlog_error *err);

/*
 * Delivers the next selected lines, at least one.
 *
 * EVLOG_END: there are no more, or sel->stop is set.  EVLOG_WAIT: there is nothing now,
 * but there may be more; flush your output, then call evlog_stream_wait.  This happens
 * when a pipe pauses, with follow, and with a map that returns it.  EVLOG_EDAMAGED,
 * EVLOG_EDATA: there is damage.  This is returned after all events before the damage or,
 * with salvage, at the very end; the message is then about the first damage.
 * EVLOG_EMISMATCH: while it was being followed, the log was cut, replaced by another one,
 * or removed.  Any error is final, like EVLOG_END: further calls return it again.
 */
int evlog_stream_next(evlog_stream *s, struct evlog_lines *lines, evlog_error *err);

/* Waits until there may be more, a signal comes, or wait_ms milliseconds have passed.
 * The maximum is 500, which a negative value also selects.  EVLOG_EUSAGE: the stream
 * does not follow, and evlog_stream_next has not returned EVLOG_WAIT. */
int evlog_stream_wait(evlog_stream *s, int wait_ms, evlog_error *err);

/* At the end of a stream, in any case: says what its conditions (sel->where) have met
 * that may be a mistake: a path at which no event had anything, and how many values were
 * of another kind than the one to compare with.  Calls `say` once for each remark, with a
 * text without newline that is valid during the call. */
void evlog_stream_remarks(
    evlog_stream *s, void (*say)(void *arg, const char *text), void *arg);

/* A descriptor that becomes readable when there may be more; -1: there is none. */
int evlog_stream_fd(const evlog_stream *s);

/* Compressed bytes of the log directories: those read so far, and the total. */
void evlog_stream_progress(const evlog_stream *s, uint64_t *done, uint64_t *total);

/* The path of a log whose index is missing or damaged, so that blocks had to be searched
 * that it would have excluded; NULL: there is none.  evlog_writer_reindex rebuilds the
 * index. */
const char *evlog_stream_unindexed(const evlog_stream *s);

/* The path of a log that is selected from its beginning, but has lost it: its oldest
 * events were removed on purpose, and *first is the seq of the first that was kept. NULL:
 * there is none. */
const char *evlog_stream_trimmed(const evlog_stream *s, uint64_t *first);
void evlog_stream_close(evlog_stream *s);

/*
 * Whether a path names a directory, which functions read as a log, not a file of events.
 * Whether it is a log, evlog_stream_open says.
 *
 * Every function that reads a log also takes a path of the form DEST::LOG, unless
 * something has that name: the log then begins with the events that were removed from it,
 * as far as the folder of backups DEST has them.
 */
bool evlog_path_is_log(const char *path);

/* Takes the first line off `lines`.  false: there is none left. */
bool evlog_lines_take(struct evlog_lines *lines, struct evlog_event *event);

/* Gets the JSON text of a top-level member of an event, as a view into its line.  false:
 * it has no such member, and *p and *len are unchanged.  The line must be JSON: see
 * evlog_selection.json.  To get a member of a member, pass the text as the line of
 * another struct evlog_event; a text that is not an object has no members. */
bool evlog_event_member(
    const struct evlog_event *event, const char *name, const char **p, size_t *len);

/*
 * evlog_event_string gets the text of a member that is a string, with its escapes
 * resolved.  evlog_json_string does the same for any JSON string, which is passed with
 * its quotes.
 *
 * *buf, *cap: set them to NULL and 0 before the first call.  The buffer is allocated and
 * grown as needed; the caller frees it with free(3).  *len: the length of the text,
 * which does not end with a NUL.
 *
 * EVLOG_EIO: there is not enough memory.  1: there is no such member, or it is not a
 * string.  evlog_json_string: EVLOG_EUSAGE: it is not a string.
 */
int evlog_event_string(const struct evlog_event *event, const char *name, char **buf,
    size_t *cap, size_t *len);
int evlog_json_string(const char *p, size_t n, char **buf, size_t *cap, size_t *len);

/* The event's `time`; EVLOG_TIME_MIN if it has none. */
int64_t evlog_event_time(const struct evlog_event *event);

/* Writes a JSON text with each member on a line of its own, indented by two blanks per
 * level.  EVLOG_EDATA: it is not JSON. */
int evlog_json_pretty(
    const char *p, size_t len, evlog_write_fn *write, void *arg, evlog_error *err);

/* ---- Places in a log --------------------------------------------------- */

/* A place in a log: a seq, and the root of the Merkle tree after that event.  It belongs
 * to every log that has the same root there: replicas, restores and forks, too.  The
 * struct contains no pointers.  It is enough to store seq and root, but without hashes,
 * checking the position reads more of the log. */
struct evlog_position {
	char log[33];	  /* the id that the log had, hexadecimal; empty: no log, the
			     events came through a pipe */
	char lineage[65]; /* the leaf of the log's first event; empty: not known */
	uint64_t seq;	  /* 0: before all events */
	char root[65];	  /* empty: the log must have the same id instead */
	/* The frontier there (evlog-format(5)), from which hashing can continue: one hash
	 * for each bit set in seq, or none. */
	unsigned hashes;
	unsigned char frontier[53][32];
};

/* Gets the place that a stream has reached, if it reads a single log directory forwards,
 * without last and salvage: all events up to at->seq were delivered or are not selected,
 * and those that are still to come, or that an error held back, are after it.
 * EVLOG_END: nothing has been read yet. */
int evlog_stream_position(
    const evlog_stream *s, struct evlog_position *at, evlog_error *err);

/*
 * Checks that the log at `path` is the one to which a position belongs, and that it is
 * unchanged up to there.
 *
 * max_line: refuse to read blocks with longer lines; 0: EVLOG_MAX_LINE.
 *
 * EVLOG_EMISMATCH: it is another one, or an older state of it, and err says which.
 */
int evlog_position_check(const char *path, const struct evlog_position *at,
    uint64_t max_line, evlog_error *err);

/* Gets the place after event `seq` of the log at `path`, which may have to be read for
 * that.  max_line: as above.  EVLOG_END: there is no such event. */
int evlog_position_find(const char *path, uint64_t seq, struct evlog_position *at,
    uint64_t max_line, evlog_error *err);

/* ---- A compressed stream that is itself a valid segment ----------------- */

typedef struct evlog_packer evlog_packer;

/*
 * Packs stamped lines into a segment (evlog-format(5)) that is written as it grows.  If
 * their seqs do not count from 1 without gaps, it is an extract, which is read as a
 * file.
 *
 * level: the zstd level; 0: level 1.  evlog_packer_end writes what is pending; call it
 * once, at the end.  After that, or after an error, nothing can be added.
 */
int evlog_packer_new(
    evlog_packer **k, int level, evlog_write_fn *write, void *arg, evlog_error *err);

/*
 * Call this before evlog_packer_add if all lines come from this stream, which has just
 * been opened.  If it reads a single log forwards, without gaps, then the result is not
 * an extract, wherever it begins: it has the tree and the cursors of the log before that,
 * and with evlog_selection.cursors those that come with its events.
 */
int evlog_packer_follow(evlog_packer *k, evlog_stream *s, evlog_error *err);
int evlog_packer_add(evlog_packer *k, const struct evlog_lines *lines, evlog_error *err);

/* Writes what is pending, so that whoever reads the stream has all lines up to here. */
int evlog_packer_flush(evlog_packer *k, evlog_error *err);
int evlog_packer_end(evlog_packer *k, evlog_error *err);
void evlog_packer_free(evlog_packer *k);

/* ---- Folding ------------------------------------------------------------ */

typedef struct evlog_fold evlog_fold;

/* Limits of a program in Lua. */
struct evlog_limits {
	size_t size;
	uint64_t memory; /* bytes that all states together may take; 0: 1 GiB */
	uint64_t steps;	 /* instructions that one event may take; 0: 10,000,000 */
};

/* Creates a fold.  The functions that follow, up to evlog_fold_threads, define what it
 * computes: reducers or a program; with neither, it merges the data of the events.  Call
 * them first: after an event, or after evlog_fold_load, _table, _write or _save, they
 * are bad use (see above). */
int evlog_fold_new(evlog_fold **f, evlog_error *err);

/* Whether a word has the form of a reducer: NAME=FUNC... or FUNC(...). */
bool evlog_fold_is_reducer(const char *word);

/* Adds a reducer, NAME=FUNC(PATH){FILTER}; evfold(1) lists the functions, such as count,
 * sum, min, max and last.  The state becomes an object with one member for each reducer.
 * Sums are exact decimals.  EVLOG_EUSAGE: it is not a reducer, and err says where it is
 * wrong; or there is already one of this name. */
int evlog_fold_reducer(evlog_fold *f, const char *text, evlog_error *err);

/* Loads a program in Lua, which is used instead of reducers.  limits: NULL: the
 * defaults.  EVLOG_EDATA: it is not a valid program. */
int evlog_fold_program(
    evlog_fold *f, const char *path, const struct evlog_limits *limits, evlog_error *err);

/* Keeps one state for each value found at this path.  EVLOG_EUSAGE: it is not a path, or
 * there is a key already. */
int evlog_fold_key(evlog_fold *f, const char *path, evlog_error *err);

/* If the program fails at an event, the state of its key stays as it was, so that the
 * fold can continue.  This takes time. */
void evlog_fold_set_rollback(evlog_fold *f);

/* Makes these an error: a value that a reducer cannot use, a path at which a reducer
 * finds no value, and an event without a key.  Otherwise they are skipped; the first and
 * the last are counted (evlog_fold_counts). */
void evlog_fold_strict(evlog_fold *f);

/* Says that the events come through an upcaster with this hash (evlog_upcaster_hash):
 * snapshots and tables then belong to this upcaster, too, and several events may have
 * the same seq. */
void evlog_fold_set_upcaster_hash(evlog_fold *f, const unsigned char hash[32]);

/* Requires the seqs of the events to ascend: an event that was folded already gives
 * EVLOG_EMISMATCH. */
void evlog_fold_require_ascending(evlog_fold *f);

/* Sets how many threads fold the lines that are passed to evlog_fold_lines; the result
 * is the same.  After this, evlog_fold_event may not be called, nor any other function
 * between evlog_fold_lines and evlog_fold_finish. */
void evlog_fold_threads(evlog_fold *f, unsigned n);

/* Folds one event.  EVLOG_EDATA: the line is not JSON, the program cannot process it, or,
 * after evlog_fold_strict, a reducer cannot.  EVLOG_EPROGRAM: the states need more memory
 * than they may have, or the program has changed what must not change.
 *
 * A fold that has failed at an event takes no more events, and its states can neither be
 * written nor saved, because a part of that event may have been counted.  But if a
 * program failed with EVLOG_EDATA here, after evlog_fold_set_rollback, the fold can
 * continue. */
int evlog_fold_event(evlog_fold *f, const struct evlog_event *event, evlog_error *err);

/*
 * Folds whole lines.  EVLOG_END: the fold has ended, and evlog_fold_finish says why.
 * After an error, the lines behind the event that failed are not folded, so the fold
 * cannot continue.
 *
 * evlog_fold_finish must be called once, after the last lines, also if EVLOG_END was
 * returned.  With threads, an error at an event may be returned only here.  EVLOG_END:
 * the program stopped at an event, whose line is in *stopped_at, which is valid as long
 * as the fold; stopped_at may be NULL.
 */
int evlog_fold_lines(evlog_fold *f, const struct evlog_lines *lines, evlog_error *err);

/* Gets the next events of a stream and folds them: faster than evlog_stream_next and
 * evlog_fold_lines, since the threads of the fold also decompress, unless the stream has
 * to look at the lines: leave sel.json false, as the fold checks them itself.  Returns
 * what evlog_stream_next does, or an error of the fold; EVLOG_END: the stream or the fold
 * has ended.  *n, unless n is NULL, becomes how many events it got.  The position of the
 * stream is only that of the fold after evlog_fold_finish. */
int evlog_fold_next(evlog_fold *f, evlog_stream *s, uint64_t *n, evlog_error *err);

int evlog_fold_finish(evlog_fold *f, struct evlog_lines *stopped_at, evlog_error *err);

/* Writes the state: with keys, one line for each, {"key":...,"seq":...,"state":...},
 * sorted by the bytes of the keys; otherwise the state alone, and a newline.  seq is the
 * last event of that key, or null if its events have no seq.  To look into the states,
 * collect what is written; evlog_lines_take and evlog_event_member read it. */
int evlog_fold_write(evlog_fold *f, evlog_write_fn *write, void *arg, evlog_error *err);

/* Writes a line with the state of the last event's key, if that event changed it. */
int evlog_fold_write_change(
    evlog_fold *f, evlog_write_fn *write, void *arg, evlog_error *err);

/* Gets the lines that the program emitted at the last event; they are valid until the
 * next event. */
void evlog_fold_emitted(const evlog_fold *f, const char **p, size_t *len);

/* Whether the program called stop() at the last event; and whether it uses stop at all.
 */
bool evlog_fold_stopped(const evlog_fold *f);
bool evlog_fold_may_stop(const evlog_fold *f);

/* How many events had no key, and how many values were skipped; neither may be NULL. */
void evlog_fold_counts(const evlog_fold *f, uint64_t *keyless, uint64_t *unusable);

/* Returns the text of a reducer that has a path which pointed to nothing in all of
 * *events events; NULL: there are no more.  Set *i to 0 and call it until it returns
 * NULL. */
const char *evlog_fold_missed(const evlog_fold *f, size_t *i, uint64_t *events);

/* The seq of the last event that was folded, if seqs must ascend; otherwise 0. */
uint64_t evlog_fold_seq(const evlog_fold *f);

/*
 * evlog_fold_load takes the states from a snapshot.  evlog_fold_save writes a snapshot,
 * which replaces the file once it is complete and durable.
 *
 * at: the place up to which events are in the snapshot.
 *
 * evlog_fold_load: EVLOG_END: there is no such file; begin with the first event.
 * EVLOG_EMISMATCH: it was made with another program, key or reducers; but after
 * evlog_fold_log, that, or that the log does not have all that was emitted up to there,
 * is said, and gives EVLOG_END.  EVLOG_EDAMAGED: it is incomplete or damaged.  After an
 * error of evlog_fold_load or evlog_fold_table, the fold accepts no events.
 */
int evlog_fold_load(
    evlog_fold *f, const char *path, struct evlog_position *at, evlog_error *err);
int evlog_fold_save(
    evlog_fold *f, const char *path, const struct evlog_position *at, evlog_error *err);

struct evlog_table_options {
	size_t size;
	const char *file; /* the SQLite database, created if it does not exist */
	const char *name; /* of the table */
	bool columns;	  /* add a column for each reducer to key, seq and state */
	bool rebuild;	  /* replace what is there */
};

/*
 * Keeps the states in a table of an SQLite database.  A state is read when an event with
 * its key comes.  evlog_fold_table_commit writes the states that have changed since the
 * last commit, together with the place that they have reached, in one transaction.
 *
 * evlog_fold_table: *at: the place that the table has reached.  EVLOG_END: there is no
 * such table yet, or it is to be rebuilt; begin with the first event.  EVLOG_EMISMATCH:
 * it was made with another program, key, reducers or columns.  EVLOG_ECREATE: there is a
 * table of this name that was not made by evlog.
 *
 * evlog_fold_table_commit: EVLOG_EBUSY: another process has changed the table, or has the
 * database locked for more than a minute.
 */
int evlog_fold_table(evlog_fold *f, const struct evlog_table_options *o,
    struct evlog_position *at, evlog_error *err);
int evlog_fold_table_commit(
    evlog_fold *f, const struct evlog_position *at, evlog_error *err);

struct evlog_fold_log_options {
	size_t size;
	const char *path;	 /* the log to append to, created if it does not exist */
	const char *name;	 /* of the process */
	const char *source;	 /* the log directory that is folded */
	const char *dead_letter; /* a log for the events at which the program fails; NULL:
				    none */
	bool accept_change;	 /* another program, key or upcaster takes over */
	uint64_t max_line;	 /* as for evlog_position_check */
	void (*say)(void *arg, const char *text); /* is told what is worth knowing; or
						     NULL */
	void *arg;
};

struct evlog_fold_log_counts {
	uint64_t emitted; /* events committed, */
	uint64_t dead;	  /* and events at which the program failed */
};

/*
 * Appends what the program emits to a log, each event exactly once.  A cursor in that log
 * says up to which event of `source` this has been done.  Call it after what defines the
 * fold, and before evlog_fold_load; then fold `source` from its first event, or from what
 * evlog_fold_load gives, one event after the other.  What is emitted up to the cursor is
 * dropped, because it is in the log already.
 *
 * An event that the program emits gets, unless it has them, an id made of the name of the
 * process, the lineage of `source`, the seq of the event at which it was emitted, and a
 * number; and the causationid and correlationid that follow from that event.
 *
 * evlog_fold_log: *at: the place of the cursor.  EVLOG_END: there is none yet.
 * EVLOG_EMISMATCH: it is of another fold, or `source` is not the log that was folded.
 *
 * evlog_fold_log_commit: makes what was emitted durable; at: the place after the last
 * event that was folded.  Call it before evlog_fold_log_pending, the bytes that wait for
 * a commit, exceeds 16 MiB; before evlog_fold_save; and at the end.  If it fails, the
 * fold accepts no more events.  EVLOG_EMISMATCH: another process of this name has
 * appended meanwhile.
 *
 * With dead_letter, evlog_fold_event returns 0 for an event at which the program fails,
 * and the state of its key stays as it was.  After an error of evlog_fold_event, what was
 * emitted before can still be committed, at the event before.
 */
int evlog_fold_log(evlog_fold *f, const struct evlog_fold_log_options *o,
    struct evlog_position *at, evlog_error *err);
int evlog_fold_log_commit(
    evlog_fold *f, const struct evlog_position *at, evlog_error *err);
size_t evlog_fold_log_pending(const evlog_fold *f);
void evlog_fold_log_counted(const evlog_fold *f, struct evlog_fold_log_counts *counts);

void evlog_fold_free(evlog_fold *f);

struct evlog_fold_test_options {
	size_t size;
	const char *program; /* the file */
	const char *key;     /* a path; NULL: none, or what the program says */
	const struct evlog_limits *limits; /* NULL: the defaults */

	/* Is told of each case: its line, its name, which may be empty, and what is
	 * wrong; NULL: it passed.  Or NULL. */
	void (*tell)(void *arg, uint64_t line, const char *name, const char *wrong);
	void *arg;
};

struct evlog_fold_tested {
	uint64_t passed, failed; /* cases */
};

/* Tests a program with the cases in a file; see TESTS in evfold(1).  EVLOG_EDATA: a line
 * is not a case, there is none, or the program is not valid. */
int evlog_fold_test(const char *file, const struct evlog_fold_test_options *o,
    struct evlog_fold_tested *done, evlog_error *err);

/* ---- Upcasting ---------------------------------------------------------- */

/* Rules in Lua that convert old events to new shapes; see UPCASTING in evreplay(1). */
typedef struct evlog_upcaster evlog_upcaster;

/* limits: NULL: the defaults.  EVLOG_EDATA: the rules are not valid. */
int evlog_upcaster_open(evlog_upcaster **u, const char *path,
    const struct evlog_limits *limits, evlog_error *err);
void evlog_upcaster_close(evlog_upcaster *u);

/* SHA-256 of the text of the rules. */
void evlog_upcaster_hash(const evlog_upcaster *u, unsigned char hash[32]);

/* The map for evlog_selection, with the upcaster as map_arg. */
int evlog_upcast(void *upcaster, const struct evlog_lines *lines, evlog_write_fn *put,
    void *to, evlog_error *err);

/* Notes which rules the events go through, and at which they fail, without delivering
 * them. */
int evlog_upcast_look(
    evlog_upcaster *u, const struct evlog_lines *lines, evlog_error *err);

/* What was noted, one route per call: zero-initialise the struct, and call
 * evlog_upcast_route until it returns false. */
struct evlog_route {
	const void *before;
	const char *text;      /* the types, or what is wrong */
	uint64_t count, first; /* events, and the seq of the first */
	bool failed;
};
bool evlog_upcast_route(evlog_upcaster *u, struct evlog_route *route);

/* ---- Checking ------------------------------------------------------------ */

/* Rules in Lua that say what events must look like; see CHECKING in evappend(1). */
typedef struct evlog_checker evlog_checker;

/* limits: NULL: the defaults.  EVLOG_EDATA: the rules are not valid. */
int evlog_checker_open(evlog_checker **c, const char *path,
    const struct evlog_limits *limits, evlog_error *err);
void evlog_checker_close(evlog_checker *c);

/* Checks an event; its stamp, if it has one, is not shown to the rules.  EVLOG_EDATA: a
 * rule refuses it; err->text says why, and does not name
 * the event.  EVLOG_EUSAGE: it is not a JSON object. */
int evlog_check(void *checker, const char *line, size_t len, evlog_error *err);

/* ---- Replaying ---------------------------------------------------------- */

struct evlog_pace_options {
	size_t size;
	double speed;	 /* 1: as it happened; 2: twice as fast; 0: as fast as possible */
	int64_t max_gap; /* the longest pause, in microseconds; 0: no limit */
	double rate;	 /* the most events per second; 0: no limit */
	bool event_time; /* use the event's time instead of its logtime */
};

/* The progress of a replay.  Zero-initialise it; only evlog_pace_due uses its members.
 */
struct evlog_pace {
	int64_t started; /* on the caller's clock */
	int64_t previous, due;
	bool timed; /* previous is the time of an event */
	uint64_t delivered;
};

/* When this event is due, on the clock that gave `now`.  Call it once for each event.  A
 * speed or rate that is negative or not a number counts as 0; with bad use it is due
 * now. */
int64_t evlog_pace_due(const struct evlog_pace_options *o, struct evlog_pace *pace,
    const struct evlog_event *event, int64_t now);

typedef struct evlog_dead_letters evlog_dead_letters;

/* Delivers the events inside dead letters instead of the letters: use
 * evlog_dead_letter_unwrap as the map of evlog_selection, and the object as its map_arg.
 * map, arg: the map that receives these events next; or NULL. */
int evlog_dead_letters_new(
    evlog_dead_letters **d, evlog_map_fn *map, void *arg, evlog_error *err);
int evlog_dead_letter_unwrap(void *letters, const struct evlog_lines *lines,
    evlog_write_fn *put, void *to, evlog_error *err);
void evlog_dead_letters_free(evlog_dead_letters *d);

/* ---- Consumers ---------------------------------------------------------- */

/* A consumer runs a command for one batch of events after another; see CONSUMERS in
 * evrun(1).  Spans are in microseconds. */
struct evlog_consumer_options {
	size_t size;
	const char *const *command; /* as for execvp(3) */
	const char *checkpoint;	    /* the file that records its places; NULL: none */
	bool accept_change; /* ... may be of another selection, upcaster or key, and of
			     * more or fewer logs */
	const char *emit, *dead_letter; /* logs; NULL: none; emit needs a checkpoint and a
					 * single log */
	const char *key;		/* a path; NULL: subject */
	uint64_t batch;			/* most events per run; 0: 1000 */
	int64_t linger;			/* how long a batch waits to be filled */
	unsigned workers;		/* runs at the same time, 1024 at most; 0: 1 */
	unsigned shard, shards; /* part shard of shards, from 1, 100000 at most; 0: all */
	unsigned retry;		/* how often a failed batch is retried */
	int64_t backoff; /* pause before the first retry; doubled each time, up to 30 s */
	int64_t timeout; /* of a run; 0: none */
	bool line_by_line; /* the command prints a line, perhaps blank, for each
			    * line that it reads, which is its cause; needs emit */
	void (*say)(void *arg, const char *text); /* receives notices; or NULL */
	void (*progress)(void *arg, const evlog_stream *s, uint64_t events); /* or NULL */
	void *arg;
};

/* What a consumer has done.  It is filled in even if it fails. */
struct evlog_consumed {
	uint64_t events;   /* events that are done */
	uint64_t runs;	   /* runs of the command */
	uint64_t emitted;  /* lines that it emitted */
	uint64_t uncaused; /* ... and those of them without a cause */
	uint64_t dead;	   /* dead letters */
};

/*
 * Runs a consumer until the end of the logs, or until sel->stop is set.  Then the
 * current batches are finished; if it is set to 2 or more, they are ended at once.
 *
 * paths, sel: as for evlog_stream_open; with a checkpoint, all must be log directories,
 * 256 at most, no two of them with the same first event, and reverse, last and count are
 * not allowed, and with a map, last only together with reverse.  The map is called for
 * one event at a time.  done: may be NULL.
 *
 * EVLOG_ECONFLICT: the command fails at an event, and err says which.  EVLOG_EAWAY,
 * EVLOG_EBUSY: the exit status of the command says that a service is not available, or
 * (EVLOG_EBUSY) another consumer is using the checkpoint.  EVLOG_EMISMATCH: the logs are
 * not those of the checkpoint.
 */
int evlog_consume(const struct evlog_consumer_options *o, const char *const *paths,
    size_t n, const struct evlog_selection *sel, struct evlog_consumed *done,
    evlog_error *err);

/* How far a consumer is behind. */
struct evlog_lag {
	struct evlog_position at;
	char part[300];	     /* "I/N PATH", or empty */
	uint64_t resharded;  /* not 0: it was replaced by so many others */
	uint64_t generation; /* one more each time that it is reset, or divided anew */
	bool taking;	     /* it knows which events after `at` others have processed */
	int64_t written;     /* when the checkpoint was written; EVLOG_TIME_MIN: never */
	uint64_t last;	     /* the last seq of the log */
	uint64_t events;     /* after the checkpoint */
	int64_t oldest; /* logtime of the first of them; EVLOG_TIME_MAX: there is none */
};

/* Compare a checkpoint, or a table that evlog_fold_table keeps in the SQLite database
 * `file`, with its log.  Nothing is locked, so it may be in use.  max_line: as for
 * evlog_position_check.  EVLOG_ENOINPUT: there is no such checkpoint or table, or it was
 * not committed yet.  EVLOG_EMISMATCH: it is of other logs; or
 * resharded, taking, generation, part and `at` are set, and it was replaced by others. */
int evlog_checkpoint_lag(struct evlog_lag *lag, const char *checkpoint, const char *log,
    uint64_t max_line, evlog_error *err);
int evlog_table_lag(struct evlog_lag *lag, const char *file, const char *table,
    const char *log, uint64_t max_line, evlog_error *err);

struct evlog_reset_options {
	size_t size;
	uint64_t seq;		    /* of the next event; 0: find it otherwise */
	int64_t time;		    /* the first event with this logtime or a later one */
	struct evlog_digits digits; /* of time, after the microsecond */
	bool event_time;	    /* the first one with this `time` or a later one */
	uint64_t max_line;	    /* as for evlog_position_check */
	bool dry;		    /* change nothing */
	bool end;		    /* after the last event, whatever time says */
};

/* Sets a checkpoint, or the place of this log in one of several.  *from, *to: the seq of
 * the next event, before and after the change.  EVLOG_EUSAGE: the log ends before that
 * event.  EVLOG_EBUSY: a consumer is running. */
int evlog_checkpoint_reset(const char *checkpoint, const char *log,
    const struct evlog_reset_options *o, uint64_t *from, uint64_t *to, evlog_error *err);

#define EVLOG_RECEIVERS_MOST 256

struct evlog_reshard_options {
	size_t size;
	const char *const *from; /* checkpoints of shards 1 to from_count of as many, */
	size_t from_count;
	const char *const *to; /* and the files for those of 1 to to_count */
	size_t to_count;
	const char
	    *key; /* by which the events are divided; NULL: that of the receivers */
	const char *emit, *dead_letter; /* the receivers' logs; NULL: they have none */
	uint64_t max_line;		/* as for evlog_position_check */
};

/* Divides the events of a log among another number of receivers, at most
 * EVLOG_RECEIVERS_MOST.  All of them must have ended.  No event is lost or processed
 * again, and those of a key stay in order.  The old checkpoints stay, and are refused
 * from then on.  If this is interrupted, the same call completes it.
 *
 * EVLOG_EBUSY: a receiver is running, or was killed and has not recorded its place.
 * EVLOG_EMISMATCH: the checkpoints do not fit each other, or the log.  EVLOG_ENOINPUT:
 * one is missing.  EVLOG_ECREATE: one of the new ones exists. */
int evlog_checkpoint_reshard(
    const char *log, const struct evlog_reshard_options *o, evlog_error *err);

/* ---- Timers -------------------------------------------------------------- */

/* An event with the attribute `due` waits until that time, unless an event whose
 * `cancels` is its id is appended before; see evdue(1). */
struct evlog_due_options {
	size_t size;
	const char
	    *emit; /* the log to append to, each event exactly once; NULL: deliver */
	const char *name; /* of the cursor there, up to 255 bytes; needed with emit */
	const char *checkpoint; /* a file that remembers what waits; NULL: none.  Without
				 * emit, it also remembers what was delivered. */
	uint64_t max_line;	/* as for evlog_position_check */
	bool follow;		/* go on until *stop is set */
	bool list;	     /* deliver what waits, as it is stored, and change nothing */
	bool no_index;	     /* read all */
	bool accept_trimmed; /* with emit, begin with what is left of a log */
	const volatile sig_atomic_t *stop; /* or NULL */

	/* Gets lines, each with its newline, and (NULL, 0) when what it got must be
	 * written out.  arg is its first argument. */
	evlog_write_fn *deliver;
	void (*say)(void *arg, const char *text); /* receives notices; or NULL */
	void *arg;
};

/* What was done.  It is filled in after a failure, too. */
struct evlog_due_counts {
	uint64_t delivered;
	uint64_t refused; /* events that can never be delivered, or cancel nothing because
			     their `cancels` is not text; `say` was told why */
	uint64_t pending; /* that were listed */
};

/*
 * Delivers the events of a log that are due, in the order of their due times.
 *
 * counts: or NULL.  EVLOG_EMISMATCH: the log is not the one of the checkpoint or of the
 * cursor, or events that may wait were removed from it (evbackup(1)).  EVLOG_EBUSY: the
 * checkpoint is in use, or a log is locked for too long.
 */
int evlog_due(const char *log, const struct evlog_due_options *o,
    struct evlog_due_counts *counts, evlog_error *err);

/* ---- Forks --------------------------------------------------------------- */

/* A fork is a log that has the same events as another one up to a point, and goes on by
 * itself; see evfork(1). */
struct evlog_fork_options {
	size_t size;
	uint64_t at;	   /* the last event that it has; 0: the last one there is */
	bool has_until;	   /* instead: the last one before this moment */
	int64_t until;	   /* microseconds since 1970, compared with logtimes */
	uint64_t max_line; /* as for evlog_position_check */
};

/* What was done. */
struct evlog_forked {
	struct evlog_position at; /* the last event that it has; seq 0: none */
	uint64_t linked, copied;  /* segments */
	uint64_t bytes;		  /* that were copied */
	uint64_t written;	  /* events that were written again */
};

/*
 * Makes a fork of the log, at a path that does not exist.  The log is not changed. Sealed
 * segments get a second name (a hard link) if both are on one file system that has such
 * links; they are not read, and whoever may write one may write the other.
 *
 * done: or NULL; filled in if the result is EVLOG_OK.  EVLOG_ECREATE: `fork` exists, or
 * cannot be created.  EVLOG_EMISMATCH: the log does not have that event, or it is not
 * known how far each consumer that appends to it had come then.  EVLOG_EDAMAGED: the log
 * is damaged where it was read, or its segments do not fit each other.  After an error
 * nothing is left of the fork, unless its name could not be synced; err says so.
 */
int evlog_fork(const char *log, const char *fork, const struct evlog_fork_options *o,
    struct evlog_forked *done, evlog_error *err);

/* ---- Backups ------------------------------------------------------------- */

/* A folder of backups has files that never change, and a point for each backup: the state
 * of a log at one moment, which shares files with other points; see evbackup(1). */
struct evlog_point {
	uint64_t first, seq; /* the first and the last event that it has; seq 0: none */
	uint64_t begins;  /* the first event that the log had: the events before it were
			     removed from it, and only the folder has them */
	char root[65];	  /* after it, hexadecimal */
	char lineage[65]; /* leaf hash of event 1; empty: not known */
	int64_t time;	  /* when it was made */
	char file[160];	  /* its file in the folder */
	size_t saved;	  /* files that were saved along with the log */
	uint64_t files, bytes; /* that were new in the folder */
};

struct evlog_backup_options {
	size_t size;
	/* Files to save along with the log: checkpoints, snapshots, databases of SQLite.
	 * They are read before the log is. */
	const char *const *with;
	size_t n_with;
	/* Afterwards, remove points but the newest `keep` ones and those that are not
	 * older than keep_within; if both are 0, remove none.  What no point needs any
	 * more is removed, too, `grace` after that. */
	uint64_t keep;
	int64_t keep_within, grace;
	bool drop_trimmed; /* from now on, do not keep what was removed from the log */
	uint64_t max_line; /* as for evlog_position_check */
	/* Is told each new file, as a path in the folder, once it is durable; the point
	 * comes last.  Returns 0, or -1 with errno to end the backup.  NULL: nobody. */
	int (*added)(void *arg, const char *file, uint64_t bytes);
	void (*say)(void *arg, const char *text); /* receives notices; or NULL */
	void *arg;
};

/*
 * Backs up a log to a folder, which is created if it does not exist.  Copies what the
 * folder does not have, after decompressing it and comparing its roots.
 *
 * made: or NULL.  EVLOG_EMISMATCH: the folder has backups of another log, or the log went
 * another way since the last one.  EVLOG_EDAMAGED: what is to be copied is damaged.
 * EVLOG_EBUSY: another process has removed files from the folder meanwhile; try again.
 * After an error the folder has no new point; other new files do no harm.
 */
int evlog_backup(const char *log, const char *dest, const struct evlog_backup_options *o,
    struct evlog_point *made, evlog_error *err);

struct evlog_trim_options {
	size_t size;
	uint64_t before; /* remove events before this one; 0: before `time` instead */
	int64_t time;	 /* microseconds since 1970, compared with logtimes */
	const struct evlog_backup_options *backup; /* how to back up; NULL: as it is */
};

struct evlog_trimmed {
	uint64_t wanted;	  /* events before this one were to be removed; 1: none */
	uint64_t first;		  /* the event with which the log begins now */
	uint64_t removed;	  /* how many events were removed */
	struct evlog_point point; /* the last one that was made */
};

/*
 * Removes the oldest events from a log, which backups keep.  Only whole segments are
 * removed, and never one with events from `before` on; if the active one has older
 * events, a new one is begun, so that a later call can remove those.
 *
 * Backs up the log, and reads again what is to be removed; notes in the first segment
 * that stays that the log begins there; appends an event of the type org.evlog.trimmed;
 * removes the others; backs up again.  Nothing is lost if that is interrupted, and the
 * next call completes it.
 *
 * done: or NULL.  EVLOG_EMISMATCH: the log ends before that event, or the folder has
 * backups of another log.  EVLOG_EDAMAGED: the log or its backup is damaged. EVLOG_EBUSY:
 * another process has the lock, or is at work on a segment; try again.  EVLOG_EPERM: the
 * log is a copy of another one, or only its owner can rewrite a segment.
 */
int evlog_trim(const char *log, const char *dest, const struct evlog_trim_options *o,
    struct evlog_trimmed *done, evlog_error *err);

/* Gets the newest point in a folder.  EVLOG_END: there is none.  EVLOG_ENOINPUT: there is
 * no such folder.  EVLOG_EDAMAGED: the point is damaged. */
int evlog_backup_newest(const char *dest, struct evlog_point *point, evlog_error *err);

/* Gets how many events a log has that a point does not have.  EVLOG_EMISMATCH: it does
 * not have those of the point.  max_line: as for evlog_position_check. */
int evlog_backup_lag(const char *log, const struct evlog_point *point, uint64_t max_line,
    uint64_t *events, evlog_error *err);

/*
 * Waits until it is time for another backup: until `span` microseconds have passed, or,
 * if `events` is not 0, the log has so many events after event `seq`.
 *
 * stop: ends the wait once it is set; or NULL.  EVLOG_END: the wait is over, and the log
 * still ends with event `seq`.  EVLOG_EMISMATCH: the log was removed or replaced.
 */
int evlog_backup_wait(const char *log, uint64_t seq, uint64_t events, int64_t span,
    const volatile sig_atomic_t *stop, evlog_error *err);

/*
 * Writes a log as a tar file (pax), after checking it as evlog_backup does.  Unpacked
 * into a new directory it is a log, and every function that reads files reads it as it
 * is.
 *
 * since: leave out segments with no events after this one, so that the tar file can be
 * unpacked over an earlier one; 0: none.  EVLOG_EBUSY: a segment was replaced meanwhile;
 * what was written is to be thrown away.  EVLOG_EMISMATCH: the log ends before `since`.
 */
int evlog_archive(const char *log, uint64_t since, uint64_t max_line,
    evlog_write_fn *write, void *arg, evlog_error *err);

struct evlog_restore_options {
	size_t size;
	uint64_t at;	   /* restore up to this event only; 0: all */
	bool has_until;	   /* instead: up to the last event before this moment */
	int64_t until;	   /* microseconds since 1970, compared with logtimes */
	const char *point; /* the name of a point in points/; NULL: the newest */
	const char *with;  /* a folder for the files that were saved; NULL: leave them */
	bool drill;	   /* do all of it, but leave nothing */
	uint64_t max_line; /* as for evlog_position_check */
	/* Looks at the log that was restored, before it gets its name.  Returns 0, or an
	 * error, after which nothing is left.  NULL: nobody does. */
	int (*check)(void *arg, const char *log, evlog_error *err);
	void (*say)(void *arg, const char *text); /* receives notices; or NULL */
	void *arg;
};

/* What was done. */
struct evlog_restored {
	struct evlog_point point;
	struct evlog_position at; /* the last event that was restored; seq 0: none */
	bool forked; /* it is a fork: not the last event of the newest point */
};

/*
 * Restores a log from a folder of backups, at a path that does not exist.  All is checked
 * that is restored: the hashes of the files, all lines, and the roots.  The newest point
 * as a whole is the same log as before; an older one, or an earlier event, is a fork.
 *
 * done: or NULL.  EVLOG_ENOINPUT: there is no such folder, no such point, or none at all.
 * EVLOG_ECREATE: `log` exists, or cannot be created, or a saved file exists.
 * EVLOG_EMISMATCH: the point does not have that event, or the places of consumers are not
 * known there (evlog_fork).  EVLOG_EDAMAGED: the backup is damaged.  After an error
 * nothing is left of the log.
 */
int evlog_restore(const char *dest, const char *log,
    const struct evlog_restore_options *o, struct evlog_restored *done, evlog_error *err);

struct evlog_repair_options {
	size_t size;
	const char *replica; /* a log with the same events; NULL: none */
	uint64_t max_line;   /* as for evlog_position_check */
	/* Is told each file of the log that was replaced.  Returns 0, or -1 with errno.
	 * NULL: nobody. */
	int (*repaired)(void *arg, const char *file);
	void (*say)(void *arg, const char *text); /* is told what is damaged; or NULL */
	void *arg;
};

/* What was done.  It is filled in after a failure, too. */
struct evlog_repaired {
	uint64_t segments; /* that were replaced */
	uint64_t lost;	   /* events that nothing has as they were */
};

/*
 * Checks all of a log, and replaces segments that are damaged or missing by those of a
 * backup, or makes them again from the lines of a replica.  Whatever replaces them is
 * checked against the roots in the log.  A damaged file stays in the log's directory as
 * damaged-FIRST.N.  Nobody can append meanwhile.
 *
 * dest: a folder of backups; NULL: none, then options.replica must be given.  done: or
 * NULL.  EVLOG_EDAMAGED: the log is still damaged.
 */
int evlog_repair(const char *dest, const char *log, const struct evlog_repair_options *o,
    struct evlog_repaired *done, evlog_error *err);

/* ---- Tracing ------------------------------------------------------------- */

/* The causes and effects of an event, across logs: see evtrace(1). */
typedef struct evlog_trace evlog_trace;

struct evlog_trace_options {
	size_t size;
	unsigned depth;	   /* most causes upwards, and levels downwards; 0: 100 */
	size_t most;	   /* most events; 0: 10000 */
	uint64_t max_line; /* as for evlog_position_check */
	bool no_index;	   /* read all */
	const volatile sig_atomic_t *stop;	  /* give up once this is set; or NULL */
	void (*say)(void *arg, const char *text); /* receives notices; or NULL */
	void *arg;
};

/* An event in the tree.  The texts are without escapes, empty if there is no such
 * attribute, and valid as long as the trace. */
struct evlog_trace_node {
	size_t number, parent; /* a number for each; SIZE_MAX: its cause is not there */
	unsigned depth;	       /* of a root: 0 */
	bool last;	       /* of its siblings */
	bool asked;	       /* it is the one that was asked for */
	const char *log;       /* its path */
	uint64_t seq;
	int64_t logtime, after; /* after: since its cause; EVLOG_TIME_MIN: none */
	const char *id, *type, *subject, *cause, *correlation;
};

/*
 * Searches logs for an event, its causes and their effects.
 *
 * paths: n log directories, which must outlive the trace.  id: of the event; or NULL,
 * then seq is its number in the first log.  EVLOG_END: there is no such event.
 * EVLOG_EBUSY: *stop was set.
 */
int evlog_trace_open(evlog_trace **t, const char *const *paths, size_t n, const char *id,
    uint64_t seq, const struct evlog_trace_options *o, evlog_error *err);

/* Gets one event after the other: each before its effects, and those in the order of
 * time.  false: there are no more. */
bool evlog_trace_next(evlog_trace *t, struct evlog_trace_node *node);
void evlog_trace_close(evlog_trace *t);

/* ---- Comparing ---------------------------------------------------------- */

enum evlog_side {
	EVLOG_ONLY_A,
	EVLOG_ONLY_B,
	EVLOG_CHANGED,
	EVLOG_CHANGED_END, /* the previous change was the last one of its key */
};

/* One difference, as JSON texts; NULL: absent.  Between two logs: a line of one of them.
 * Between two states: a key (if there are keys), and as path a JSON string that contains
 * a JSON Pointer into the state of that key.  The changes of a key can be applied one
 * after the other, in the order in which they are reported. */
struct evlog_difference {
	enum evlog_side side;
	const char *key, *path, *a, *b;
	size_t key_len, path_len, a_len, b_len;
};

struct evlog_diff_options {
	size_t size;
	bool ignore_stamp; /* compare events whatever their seq and logtime */
	bool only_states;  /* refuse events */
	uint64_t max_line; /* refuse longer lines, in bytes; 0: EVLOG_MAX_LINE */
	unsigned threads;  /* that decompress each log; 0: one */
	/* Receives each difference; returns 0, or -1 with errno set to end the
	 * comparison.  May be NULL. */
	int (*report)(void *arg, const struct evlog_difference *d);
	void *arg;
	/* Paths of members that do not count, at most 64; needs ignore_stamp.  What is
	 * left of an event must be the same text. */
	const char *const *ignore;
	size_t n_ignore;
};

struct evlog_compared {
	bool states;   /* the operands were states, not logs */
	uint64_t same; /* events, or keys */
	uint64_t only_a, only_b, changed;
	uint64_t prefix; /* logs: they agree up to this seq */
	uint64_t unmet;	 /* bit i: no event has the member ignore[i] */
};

/* Compares two operands, each a log, a file of events, or a state.  Returns EVLOG_OK
 * whether they differ or not; the result is in *found, which may be NULL.  EVLOG_EDATA:
 * one holds events and the other states. */
int evlog_diff(const struct evlog_diff_options *o, const char *a, const char *b,
    struct evlog_compared *found, evlog_error *err);

#ifdef __cplusplus
}
#endif

#endif
