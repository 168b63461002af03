/*
 * evlog.h - an event store for the shell: the public interface of the library.
 *
 * libevlog(3) has an introduction, with a program to start from; here each function is
 * described where it is declared.  These rules hold for all of them:
 *
 * Results.  Functions that can fail return EVLOG_OK (0) or a negative EVLOG_E...; those
 * that deliver things also EVLOG_END or EVLOG_WAIT, which are positive.  Each comment
 * says which codes have a meaning of their own there.  Any function may also return
 * EVLOG_EIO (a system call failed or, with err.sys == ENOMEM, there is no memory),
 * EVLOG_EPERM, and EVLOG_EUSAGE (see below).
 *
 * Errors.  The last parameter is an error object of the caller's, or NULL.  It is written
 * only if the function fails.
 *
 * Options.  A struct of options begins with its size, so that later versions can add to
 * it: set it to sizeof of the struct, and everything that you do not use to zero:
 *
 *	struct evlog_writer_options options = {.size = sizeof options, .atomic = true};
 *
 * A program built with an older header works with a newer library.  With a newer header
 * it works with an older library as long as it uses nothing that the library does not
 * know; otherwise it gets EVLOG_EUSAGE.  NULL instead of options means: all defaults.
 * Numbers, flags and pointers are copied; what the pointers point to is not, and must
 * outlive the object that the options are for.
 *
 * Ownership.  An object that a function returns through a pointer to a pointer is the
 * caller's, until he gives it to the _close or _free function of its kind; these take
 * NULL, too.  If opening fails, the pointer is NULL.  A view (a pointer and a length)
 * lives until the next call with the same object, if nothing else is said.
 *
 * Bad use.  A pointer that is NULL where an object, a path, a callback or a place for
 * results must be, options without their size, a value that makes no sense, or a call at
 * the wrong time is EVLOG_EUSAGE, with the reason, and changes nothing.  Functions that
 * return no code do nothing, and return false, NULL, 0 or whatever else means none.  More
 * threads than help are not an error: fewer are used.
 *
 * Threads.  An object may be used by one thread at a time; different objects are
 * independent.  After fork(2), only one of the two processes may go on using an object.
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

#define EVLOG_VERSION "0.1.0"

/* The version of the library that is linked, which may differ from the header's. */
const char *evlog_version(void);

/* ---- Results ---------------------------------------------------------- */

enum evlog_result {
	EVLOG_OK = 0,
	EVLOG_END = 1,	       /* nothing more to deliver */
	EVLOG_WAIT = 2,	       /* nothing yet: the input pauses */
	EVLOG_EUSAGE = -1,     /* the caller asked for something that makes no sense */
	EVLOG_EDATA = -2,      /* input that is not what it should be */
	EVLOG_EDAMAGED = -3,   /* a log's bytes are not those that were written */
	EVLOG_ENOINPUT = -4,   /* no such log or file */
	EVLOG_ECREATE = -5,    /* cannot create */
	EVLOG_EIO = -6,	       /* a system call failed, or there is no memory */
	EVLOG_EBUSY = -7,      /* another process has the lock, or was faster */
	EVLOG_EMISMATCH = -8,  /* the log is not the one that was expected */
	EVLOG_EPERM = -9,      /* not permitted */
	EVLOG_ECONFLICT = -10, /* the expectation does not hold; nothing was written */
	EVLOG_EINTERNAL = -11,
	EVLOG_ENEWER = -12,	 /* the log was written by a newer version */
	EVLOG_EAWAY = -13,	 /* a service or a helper program is not available */
	EVLOG_EUNRECORDED = -14, /* a commit is durable, but head does not record it */
};

typedef struct evlog_error {
	int code;	  /* an EVLOG_E... */
	int sys;	  /* errno, where a system call failed; else 0 */
	uint64_t line;	  /* line of the input, from 1; 0: does not apply */
	uint64_t column;  /* byte in that line, from 1; 0: does not apply */
	char reason[256]; /* what is wrong, without saying where */
	char text[768];	  /* the whole message, without newline */
} evlog_error;

/* Takes bytes that the library writes.  arg is what was given along with the function.
 * Returns 0, or -1 with errno if they could not be written. */
typedef int evlog_write_fn(void *arg, const char *p, size_t len);

/* ---- Times ------------------------------------------------------------ */

#define EVLOG_TIME_MIN INT64_MIN
#define EVLOG_TIME_MAX INT64_MAX

/* Decimal digits of a time after the microsecond, the last of them not 0.  They are part
 * of the text that was read.  n is 0: there are none. */
struct evlog_digits {
	const char *p;
	size_t n;
};

/* What a time bounds.  A local clock that is set back shows some times twice: of these,
 * EVLOG_SINCE means the earlier and EVLOG_UNTIL the later, so that all of them are
 * between the two.  A time that the clock jumps over is the moment of the jump. */
enum evlog_edge { EVLOG_SINCE, EVLOG_UNTIL };

/*
 * Reads a time: RFC 3339, a date with or without a time in TZ, now, today, yesterday,
 * tomorrow, -2h, +15min, "2h30min ago", @1700000000[.5] (the grammar is that of
 * systemd.time(7), and RFC 3339).
 *
 * now: what relative times start from.  *time: the result, cut to the microsecond.
 * digits: gets the rest; NULL: the time is rounded up instead.
 * EVLOG_EUSAGE: it is not a time.
 */
int evlog_time_parse(const char *text, int64_t now, enum evlog_edge edge, int64_t *time,
    struct evlog_digits *digits, evlog_error *err);

/* Reads a span such as 1.5s, 2h30min or 300ms; a number without a unit is in seconds.
 * EVLOG_EUSAGE: it is not a span. */
int evlog_span_parse(const char *text, int64_t *microseconds, evlog_error *err);

/* The system's clock. */
int64_t evlog_now(void);

/* Writes YYYY-MM-DDTHH:MM:SS.ffffffZ and a NUL.  A time outside of the years 0000 to 9999
 * is written as the nearest one in them. */
void evlog_time_format(int64_t t, char out[28]);

/* ---- Input: lines from files, pipes, compressed files and archives ----- */

typedef struct evlog_input evlog_input;

#define EVLOG_MAX_EVENT (UINT64_C(512) << 20) /* no stored line is longer */

struct evlog_input_options {
	size_t size;
	uint64_t max_line; /* a longer line, in bytes, is an error; 0: EVLOG_MAX_EVENT */

	/* Deliver a file or member whose checksum does not match, up to the error, though
	 * some of its lines are wrong.  Otherwise it is only delivered if it is longer
	 * than 1 MiB, or comes through a pipe. */
	bool salvage;

	const volatile sig_atomic_t
	    *stop; /* the input ends once this is set; NULL: never */
};

/*
 * Opens a file for reading line by line.
 *
 * path: "-" is standard input.  A regular file is recognised by its content: plain,
 * compressed, or an archive, whose members are read one after the other; a pipe may be
 * plain, or zstd, gzip, xz or lz4.  Checksums are compared, and what follows the end is
 * an error unless it is another compressed member or zero bytes (evappend(1), COMPRESSED
 * INPUT).
 *
 * EVLOG_ENOINPUT: there is no such file.  EVLOG_EDATA: it is damaged.  EVLOG_EAWAY:
 * evlog-unpack, which such a file needs, is missing.
 */
int evlog_input_open(evlog_input **in, const char *path,
    const struct evlog_input_options *o, evlog_error *err);

/*
 * Opens what a command prints as an input.
 *
 * command: as for execvp(3), NULL after the last.  env: settings (NAME=value) in addition
 * to ours, NULL after the last; or NULL.
 *
 * A command that fails ends its output with an error that says how, after the last whole
 * line: EVLOG_EUSAGE, EVLOG_EDATA, EVLOG_ENOINPUT, EVLOG_EMISMATCH or EVLOG_EPERM if its
 * exit status says so (sysexits(3)), else EVLOG_EAWAY: another try may help.
 */
int evlog_input_command(evlog_input **in, const char *const *command,
    const char *const *env, const struct evlog_input_options *o, evlog_error *err);

/*
 * Delivers the next line that is not blank, without its end (LF or CRLF; the last line
 * may have none) and without a leading byte order mark.
 *
 * wait_ms: how long to wait for a whole line; negative: for ever.
 *
 * EVLOG_END: there are no more lines.  EVLOG_WAIT: none came in time.  EVLOG_EDATA with
 * err->line: the line is too long; the next call goes on after it.  Any other error is
 * final, and comes again at the next call.
 */
int evlog_input_next(
    evlog_input *in, int wait_ms, const char **line, size_t *len, evlog_error *err);

/* Where the last line came from: the path, with an archive's member in parentheses, and
 * the line's number, counted from 1 in each member.  The name lives until the next line.
 */
const char *evlog_input_name(const evlog_input *in);
uint64_t evlog_input_line(const evlog_input *in);

/* Closes the input, and ends the command if it still runs. */
void evlog_input_close(evlog_input *in);

/*
 * Names the program evlog-unpack, which unpacks archives and compressions other than zstd
 * and gzip; it can open no file and reach no network.  Without this it is looked for
 * beside the running program, in ../libexec from there, and where evlog was installed.
 *
 * path: is copied; NULL: look for it again.  It holds for the whole process, for what is
 * opened afterwards; any thread may call this.
 */
int evlog_set_unpacker(const char *path, evlog_error *err);

/* ---- Appending --------------------------------------------------------- */

typedef struct evlog_writer evlog_writer;

/* A subject, and the seq that its last event must have; 0: it must have no event. */
struct evlog_expectation {
	const char *subject;
	uint64_t seq;
};

struct evlog_writer_options {
	size_t size;
	int level;	  /* of zstd, which has negative ones, too; 0: 1 */
	unsigned threads; /* that compress, and one more to commit; 0: one, and none */
	uint64_t segment_size; /* a segment ends once it has this many bytes; 0: 64 MiB */
	int64_t lock_wait_ms;  /* how long to wait for the lock; 0: not at all */
	bool no_create;	       /* fail if the log does not exist */
	bool strict;	       /* sync head too: two syncs for each commit */
	bool no_sync;	       /* sync nothing: a power cut may lose commits */
	bool force;	       /* append on network file systems, too */
	unsigned mode;	       /* of a new log's files, up to 0777; 0: as umask says */

	bool atomic; /* one commit: pending events may reach 64 MiB */
	bool expect; /* commit only if the last seq is expect_seq */
	uint64_t expect_seq;
	const struct evlog_expectation *expect_subjects; /* commit only if all hold */
	size_t n_expect_subjects;
	bool dedup;	       /* skip events that the log has (same source and id) */
	uint64_t dedup_window; /* ... among its last so many; 0: among all of them */
	bool replica;	       /* lines have their stamps: keep them as they are */
	uint64_t max_event;    /* bytes of a stored line at most; 0: EVLOG_MAX_EVENT */

	bool text;	    /* a line is text, and is wrapped as a string */
	const char *type;   /* wrap any JSON value as the data of an event of this type */
	const char *source; /* NULL: "/" and the log's name */
	const char *subject; /* of events that have none */
	/* Paths into the value that is wrapped, where these attributes are. */
	const char *type_from, *subject_from, *time_from, *id_from, *source_from;
	bool require; /* a line in which one of the paths points to nothing is bad */
};

/* What a commit has made durable. */
struct evlog_ack {
	uint64_t from, to; /* seqs; from > to: nothing was appended */
	uint64_t skipped;  /* events that dedup or replica found in the log already */
	char root[65];	   /* of the Merkle tree (RFC 6962) after `to`, hexadecimal */

	/* With EVLOG_EDATA: the input of the event that was refused, and the event as it
	 * would have been stored, without its stamp; they live until the next call. */
	const char *rejected_name, *rejected;
	size_t rejected_len;

	bool slid;	  /* the log has more events than dedup_window */
	bool recovered;	  /* something that a dead writer left was put in order; */
	char notice[512]; /* this says what */
};

/*
 * Opens a log for appending, and creates it if it does not exist.  Takes no lock.
 *
 * EVLOG_ENOINPUT: with no_create, there is no log.  EVLOG_ECREATE: it cannot be created.
 * EVLOG_EDATA: the path is something else than a log.  EVLOG_ENEWER: a newer version has
 * written it.  EVLOG_EUSAGE: the options do not go together.
 */
int evlog_writer_open(evlog_writer **w, const char *path,
    const struct evlog_writer_options *o, evlog_error *err);

/*
 * Checks a line, completes it to an event, and keeps it for the next commit.
 *
 * line: without its newline.  name, line_no: where it came from, for messages; the name
 * is copied.
 *
 * EVLOG_EDATA: it is no event, or (without options.text) more than one line; err says
 * why, and nothing was kept.
 */
int evlog_writer_add(evlog_writer *w, const char *line, size_t len, const char *name,
    uint64_t line_no, evlog_error *err);

/* How many bytes are pending; and whether it is time to commit them: they are enough for
 * threads that are idle, or all that may be pending.  evlog_writer_full may wait for the
 * commit that was begun, until nothing of it is left but to sync. */
size_t evlog_writer_pending(const evlog_writer *w);
bool evlog_writer_full(evlog_writer *w);

/*
 * Takes the lock, recovers what a dead writer left, stamps, writes and syncs all that is
 * pending, and gives the lock back.  With EVLOG_OK, *ack is durable.
 *
 * EVLOG_EUNRECORDED: the events are durable and readers see them, but the file head could
 * not be written.  *ack is valid, nothing is pending any more, and the next commit of any
 * process records them.  Do not append them again.
 *
 * EVLOG_EDATA: with dedup, the log has an event of the same source and id with other
 * content.  The events before it are committed, as *ack says; it was dropped; call again
 * for the rest.
 *
 * EVLOG_EBUSY: the lock was not free in time.  EVLOG_ECONFLICT: the expectation does not
 * hold.  EVLOG_EMISMATCH: with replica, the log has other events.  EVLOG_EDAMAGED: the
 * log is damaged where it must be whole to append.
 *
 * With these and all other failures nothing was acknowledged, and the events are still
 * pending.  Calling again is safe: if the log has them after all (a sync failed, and they
 * could not be taken back), they are acknowledged, not appended a second time.
 */
int evlog_writer_commit(evlog_writer *w, struct evlog_ack *ack, evlog_error *err);

/*
 * Commits beside the caller, in a thread of its own if options.threads allows that:
 * begins with what is pending, as far as it fills whole blocks; after a failure, with
 * the events that failed.  Until evlog_writer_end has said what came of it, only
 * evlog_writer_add, evlog_writer_pending (of the rest) and evlog_writer_full may be
 * called, and evlog_writer_close, which waits for it.
 *
 * evlog_writer_end waits for the commit, and returns what evlog_writer_commit would.
 * EVLOG_END: none was begun.
 */
void evlog_writer_begin(evlog_writer *w);
int evlog_writer_end(evlog_writer *w, struct evlog_ack *ack, evlog_error *err);

/*
 * Seals the segments that have become full: small blocks are merged, and an index is made
 * (evlog-format(5), Sealing).  That takes a second or two for 64 MiB, and needs no lock.
 * Call it after each commit that was acknowledged.
 *
 * wait: until it is done.  Otherwise a thread does it beside what comes next, and the
 * error is that of the time before; evlog_writer_close waits for it, without a word.
 *
 * What cannot be sealed stays as it is, and nothing is lost.
 */
int evlog_writer_seal(evlog_writer *w, bool wait, evlog_error *err);

/* Seals all segments that are full and not sealed, or whose index is damaged.  To be
 * called after a commit, which may be one of nothing. */
int evlog_writer_reindex(evlog_writer *w, evlog_error *err);

/* How often a path of the options, such as subject_from, pointed to nothing. */
struct evlog_missed {
	const char *attribute, *path;
	uint64_t lines, missed; /* that were wrapped, and of those without a value */
};

/* What was seen in the lines so far that their producer may not have meant.  _missed
 * fills in one element for each path of the options, and returns how many.  _extension
 * returns the name of a member, in shorthand, that is stored as an extension attribute
 * though CloudEvents documents none of that name; NULL: there is none.  The strings live
 * as long as the writer. */
size_t evlog_writer_missed(const evlog_writer *w, struct evlog_missed out[5]);
const char *evlog_writer_extension(const evlog_writer *w);

/* Whether evlog_writer_open has created the log. */
bool evlog_writer_created(const evlog_writer *w);

/* Waits for what was begun, and drops what is pending. */
void evlog_writer_close(evlog_writer *w);

/* ---- Reading ----------------------------------------------------------- */

/* Whole lines, each with its newline. */
struct evlog_lines {
	const char *p;
	size_t len;
};

/* One line; views into it. */
struct evlog_event {
	const char *line; /* without newline */
	size_t len;
	uint64_t seq;	 /* 0: the event has none */
	int64_t logtime; /* EVLOG_TIME_MIN: none */
};

/*
 * Is given whole lines, and may put others in their place, with `put` and `to`; each must
 * have a newline, and the stamp of the line that it is made of.
 *
 * EVLOG_OK: what was put replaces the lines.  1: they stay as they are.  EVLOG_WAIT: they
 * stay, and evlog_stream_next returns EVLOG_WAIT once, so that the caller can see to
 * other things.  Negative: ends the stream with this error.  Half a line that was put,
 * or any other result, ends it with EVLOG_EUSAGE.
 */
typedef int evlog_map_fn(void *arg, const struct evlog_lines *lines, evlog_write_fn *put,
    void *to, evlog_error *err);

#define EVLOG_MAX_LINE (UINT64_C(64) << 20)

/* Which events, and how.  Initialise it with evlog_selection_init.  Bounds that exclude
 * each other select nothing.  follow and reverse cannot be combined. */
struct evlog_selection {
	size_t size;
	uint64_t from, to;    /* range of seqs, both included; 0: no bound */
	int64_t since, until; /* range of times, until not included */
	struct evlog_digits since_digits,
	    until_digits; /* of these, after the microsecond */
	bool event_time; /* since and until are about the event's time, not its logtime */
	/* Globs (evcat(1)).  An event must match one of each list that is given; types
	 * and so on say how many strings a list has. */
	const char *const *type, *const *subject, *const *source, *const *id;
	size_t types, subjects, sources, ids;
	bool fixed;	      /* they are texts, not globs */
	uint64_t last, count; /* the last, or the first, so many; 0: all */
	bool reverse;	      /* newest first */
	bool follow;	      /* at the end, wait for more */
	bool merge;	      /* several operands: by logtime, then operand, then seq */
	bool salvage;	      /* go on after damage; at the end it is still an error */
	bool json;	   /* check that each line is JSON: needed to look into lines */
	uint64_t max_line; /* refuse longer lines, in bytes; 0: EVLOG_MAX_LINE */
	unsigned threads;  /* that decompress logs, going forwards; 0: one */
	const volatile sig_atomic_t *stop; /* the stream ends once this is set; or NULL */
	evlog_map_fn
	    *map; /* sees all lines before types and such are compared; or NULL */
	void *map_arg;
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
 * stream.  sel: is copied, its strings are not; NULL: all events.
 *
 * EVLOG_ENOINPUT: one of them does not exist.  EVLOG_EDAMAGED, EVLOG_EDATA: nothing of it
 * can be read.  EVLOG_ENEWER: a newer version has written it.  EVLOG_EUSAGE: a selection
 * that such an operand cannot have (a pipe backwards, for instance).
 */
int evlog_stream_open(evlog_stream **s, const char *const *paths, size_t n,
    const struct evlog_selection *sel, evlog_error *err);

/*
 * Delivers the next selected lines, at least one.
 *
 * EVLOG_END: there are no more, or sel->stop is set.  EVLOG_WAIT: there is nothing now,
 * but there may be more; write out what you hold back, then call evlog_stream_wait.
 * EVLOG_EDAMAGED, EVLOG_EDATA: after all events before the damage; with salvage at the
 * very end, and the message is about the first damage.  EVLOG_EMISMATCH: while it was
 * followed, the log was replaced by another one.  Any error is final, and comes again at
 * the next call, as EVLOG_END does.
 */
int evlog_stream_next(evlog_stream *s, struct evlog_lines *lines, evlog_error *err);

/* Waits until there may be more, a signal comes, or wait_ms milliseconds have passed: 500
 * at most, and if it is negative.  EVLOG_EUSAGE: the stream does not follow, and
 * evlog_stream_next has not returned EVLOG_WAIT. */
int evlog_stream_wait(evlog_stream *s, int wait_ms, evlog_error *err);

/* A descriptor that becomes readable when there may be more; -1: there is none. */
int evlog_stream_fd(const evlog_stream *s);

/* Compressed bytes of the log directories: read so far, and all. */
void evlog_stream_progress(const evlog_stream *s, uint64_t *done, uint64_t *total);

/* The path of a log whose index is missing or damaged, so that blocks were searched which
 * it would have ruled out; NULL: there is none.  evlog_writer_reindex makes the index. */
const char *evlog_stream_unindexed(const evlog_stream *s);
void evlog_stream_close(evlog_stream *s);

/* Takes the first line off `lines`.  false: there is none left. */
bool evlog_lines_take(struct evlog_lines *lines, struct evlog_event *event);

/* Gets the JSON text of a top-level member of an event, as a view into its line.  false:
 * it has no such member; *p and *len are as they were.  The line must be JSON: see
 * evlog_selection.json.  For a member of a member, give the text as the line of another
 * struct evlog_event; a text that is no object has no members. */
bool evlog_event_member(
    const struct evlog_event *event, const char *name, const char **p, size_t *len);

/*
 * Gets a member that is a string, as text, its escapes resolved; or makes such text of
 * any JSON string, quotes included.
 *
 * *buf, *cap: NULL and 0 at first; allocated, grown as needed, and freed by the caller
 * with free(3).  *len: how much of it is the text; there is no NUL.
 *
 * Negative: EVLOG_EIO, no memory.  1: there is no such member, or it is not a string.
 * evlog_json_string: EVLOG_EUSAGE: it is not a string.
 */
int evlog_event_string(const struct evlog_event *event, const char *name, char **buf,
    size_t *cap, size_t *len);
int evlog_json_string(const char *p, size_t n, char **buf, size_t *cap, size_t *len);

/* The event's `time`; EVLOG_TIME_MIN if it has none. */
int64_t evlog_event_time(const struct evlog_event *event);

/* Writes a JSON text with each member on a line of its own, indented by two blanks a
 * level. EVLOG_EDATA: it is not JSON. */
int evlog_json_pretty(
    const char *p, size_t len, evlog_write_fn *write, void *arg, evlog_error *err);

/* ---- Places in a log --------------------------------------------------- */

/* A place in a log: its id, a seq, and the root of the Merkle tree after that event.  It
 * has no pointers.  Storing log, seq and root is enough; without hashes, checking it
 * reads more. */
struct evlog_position {
	char log[33]; /* hexadecimal; empty: of no log, since the events came by a pipe */
	uint64_t seq; /* 0: before all events */
	char root[65];
	/* The frontier there (evlog-format(5)), from which what follows can be hashed: a
	 * hash for each bit set in seq, or none. */
	unsigned hashes;
	unsigned char frontier[53][32];
};

/* Gets the place that the stream of one log directory, going forwards, has reached: all
 * events up to at->seq were delivered or are not selected; those that are still to come,
 * or that an error held back, are after it.
 * EVLOG_END: nothing has been read yet. */
int evlog_stream_position(
    const evlog_stream *s, struct evlog_position *at, evlog_error *err);

/*
 * Looks whether the log at `path` is the one that a position is of, and still as it was
 * there.
 *
 * max_line: refuse to read blocks with longer lines; 0: EVLOG_MAX_LINE.
 *
 * EVLOG_EMISMATCH: it is another one, or an older state of it, and err says which.
 */
int evlog_position_check(const char *path, const struct evlog_position *at,
    uint64_t max_line, evlog_error *err);

/* ---- A compressed stream that is itself a valid segment ----------------- */

typedef struct evlog_packer evlog_packer;

/*
 * Packs stamped lines into a segment (evlog-format(5)) that is written as it grows.  If
 * their seqs do not go from 1 without gaps, it is an extract, which is read as a file.
 *
 * level: of zstd; 0: 1.  evlog_packer_end writes what is pending; call it once, at the
 * end.  After it, or an error, nothing can be added.
 */
int evlog_packer_new(
    evlog_packer **k, int level, evlog_write_fn *write, void *arg, evlog_error *err);
int evlog_packer_add(evlog_packer *k, const struct evlog_lines *lines, evlog_error *err);
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

/* Makes a fold.  What it computes is said by the functions that follow, up to
 * evlog_fold_threads: reducers or a program; with neither it merges the data of the
 * events.  They come first: after an event, or any of evlog_fold_load, _table, _write and
 * _save, they are bad use. */
int evlog_fold_new(evlog_fold **f, evlog_error *err);

/* Whether a word has the form of a reducer: NAME=FUNC... or FUNC(...). */
bool evlog_fold_is_reducer(const char *word);

/* Adds a reducer, NAME=FUNC(PATH){FILTER} (evfold(1)).  EVLOG_EUSAGE: it is none, and err
 * says where it is wrong; or there is one of this name. */
int evlog_fold_reducer(evlog_fold *f, const char *text, evlog_error *err);

/* Loads a program in Lua, which takes the place of reducers.  limits: NULL: the defaults.
 * EVLOG_EDATA: it is no such program. */
int evlog_fold_program(
    evlog_fold *f, const char *path, const struct evlog_limits *limits, evlog_error *err);

/* One state for each value found at this path.  EVLOG_EUSAGE: it is not a path. */
int evlog_fold_key(evlog_fold *f, const char *path, evlog_error *err);

/* An event that a program fails at leaves the state of its key as it was, so that the
 * fold can go on; this takes time. */
void evlog_fold_set_rollback(evlog_fold *f);

/* A value that a reducer cannot use is an error instead of being passed over. */
void evlog_fold_strict(evlog_fold *f);

/* The events come through an upcaster with this hash (evlog_upcaster_hash): what is kept
 * belongs to it, too, and several events may have the same seq. */
void evlog_fold_set_upcaster_hash(evlog_fold *f, const unsigned char hash[32]);

/* The seqs of the events must ascend: EVLOG_EMISMATCH if one was folded already. */
void evlog_fold_require_ascending(evlog_fold *f);

/* So many threads fold what is given to evlog_fold_lines; the result is the same.  Then
 * evlog_fold_event may not be called, and between evlog_fold_lines and evlog_fold_finish
 * no other function. */
void evlog_fold_threads(evlog_fold *f, unsigned n);

/* Folds one event, whose line must be JSON.  EVLOG_EDATA: the program, or a reducer that
 * is strict, cannot deal with it; go on only after evlog_fold_set_rollback. */
int evlog_fold_event(evlog_fold *f, const struct evlog_event *event, evlog_error *err);

/*
 * Folds whole lines.  EVLOG_END: it is over, and evlog_fold_finish says why.
 *
 * evlog_fold_finish must be called once, after the last lines.  EVLOG_END: the program
 * has stopped at an event, whose line is in *stopped_at, which lives as long as the fold.
 */
int evlog_fold_lines(evlog_fold *f, const struct evlog_lines *lines, evlog_error *err);
int evlog_fold_finish(evlog_fold *f, struct evlog_lines *stopped_at, evlog_error *err);

/* Writes the state: with a key one line for each, {"key":...,"seq":...,"state":...},
 * sorted by the bytes of the keys; otherwise the state alone, and a newline. */
int evlog_fold_write(evlog_fold *f, evlog_write_fn *write, void *arg, evlog_error *err);

/* Writes a line with the state of the last event's key, if that event has changed it. */
int evlog_fold_write_change(
    evlog_fold *f, evlog_write_fn *write, void *arg, evlog_error *err);

/* Gets the lines that a program has emitted at the last event; they live until the next.
 */
void evlog_fold_emitted(const evlog_fold *f, const char **p, size_t *len);

/* Whether the program called stop() at the last event; and whether it uses stop at all.
 */
bool evlog_fold_stopped(const evlog_fold *f);
bool evlog_fold_may_stop(const evlog_fold *f);

/* How many events had no key, and how many values were passed over. */
void evlog_fold_counts(const evlog_fold *f, uint64_t *keyless, uint64_t *unusable);

/* The text of a reducer one of whose paths pointed to nothing in all of *events events;
 * NULL: there is none left.  Begin with *i 0, and call until then. */
const char *evlog_fold_missed(const evlog_fold *f, size_t *i, uint64_t *events);

/* The seq of the last event that was folded, if they must ascend; else 0. */
uint64_t evlog_fold_seq(const evlog_fold *f);

/*
 * Takes the states of a snapshot; or writes one, which replaces the file once it is whole
 * and durable.
 *
 * at: the place up to which events are in it.
 *
 * evlog_fold_load: EVLOG_END: there is no such file; begin with the first event.
 * EVLOG_EMISMATCH: it is of another program, key or reducers.  EVLOG_EDAMAGED: it is not
 * whole.  After an error of it, or of evlog_fold_table, the fold takes no events.
 */
int evlog_fold_load(
    evlog_fold *f, const char *path, struct evlog_position *at, evlog_error *err);
int evlog_fold_save(
    evlog_fold *f, const char *path, const struct evlog_position *at, evlog_error *err);

struct evlog_table_options {
	size_t size;
	const char *file; /* the SQLite database, made if it does not exist */
	const char *name; /* of the table */
	bool columns;	  /* a column for each reducer, beside key, seq and state */
	bool rebuild;	  /* replace what is there */
};

/*
 * Keeps the states in a table of an SQLite database.  States are read as their keys are
 * met.  evlog_fold_table_commit writes those that have changed since the last time,
 * together with the place that they are of, in one transaction.
 *
 * evlog_fold_table: *at: where the table is.  EVLOG_END: there is no such table yet, or
 * it is to be rebuilt; begin with the first event.  EVLOG_EMISMATCH: it is of another
 * program, key, reducers or columns.  EVLOG_ECREATE: evlog has not made the table of this
 * name.
 *
 * evlog_fold_table_commit: EVLOG_EBUSY: another process has changed the table, or has the
 * database locked for more than a minute.
 */
int evlog_fold_table(evlog_fold *f, const struct evlog_table_options *o,
    struct evlog_position *at, evlog_error *err);
int evlog_fold_table_commit(
    evlog_fold *f, const struct evlog_position *at, evlog_error *err);

void evlog_fold_free(evlog_fold *f);

/* ---- Upcasting ---------------------------------------------------------- */

/* Rules in Lua that make new forms of events from old ones (evreplay(1), UPCASTING). */
typedef struct evlog_upcaster evlog_upcaster;

/* limits: NULL: the defaults.  EVLOG_EDATA: these are no such rules. */
int evlog_upcaster_open(evlog_upcaster **u, const char *path,
    const struct evlog_limits *limits, evlog_error *err);
void evlog_upcaster_close(evlog_upcaster *u);

/* SHA-256 of the text of the rules. */
void evlog_upcaster_hash(const evlog_upcaster *u, unsigned char hash[32]);

/* For evlog_selection: the map, with the upcaster as map_arg. */
int evlog_upcast(void *upcaster, const struct evlog_lines *lines, evlog_write_fn *put,
    void *to, evlog_error *err);

/* Notes which rules the events go through, and at which they fail, and delivers none. */
int evlog_upcast_look(
    evlog_upcaster *u, const struct evlog_lines *lines, evlog_error *err);

/* What was noted, one after the other: zero-initialise it, and call until it is false. */
struct evlog_route {
	const void *before;
	const char *text;      /* the types, or what is wrong */
	uint64_t count, first; /* events, and the seq of the first */
	bool failed;
};
bool evlog_upcast_route(evlog_upcaster *u, struct evlog_route *route);

/* ---- Replaying ---------------------------------------------------------- */

struct evlog_pace_options {
	size_t size;
	double speed;	 /* 1: as it happened; 2: twice as fast; 0: as fast as possible */
	int64_t max_gap; /* no pause is longer, in microseconds; 0: no such limit */
	double rate;	 /* events a second at most; 0: any */
	bool event_time; /* by the event's time, else by its logtime */
};

/* How a replay goes; zero-initialise it.  It belongs to evlog_pace_due. */
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

/* Delivers, instead of dead letters, the events in them: evlog_dead_letter_unwrap is the
 * map for evlog_selection, and the object its map_arg.  map, arg: get the events next; or
 * NULL. */
int evlog_dead_letters_new(
    evlog_dead_letters **d, evlog_map_fn *map, void *arg, evlog_error *err);
int evlog_dead_letter_unwrap(void *letters, const struct evlog_lines *lines,
    evlog_write_fn *put, void *to, evlog_error *err);
void evlog_dead_letters_free(evlog_dead_letters *d);

/* ---- Consumers ---------------------------------------------------------- */

/* A consumer runs a command over one batch of events after the other (evreplay(1)). Spans
 * are in microseconds. */
struct evlog_consumer_options {
	size_t size;
	const char *const *command; /* as for execvp(3) */
	const char *checkpoint;	    /* the file with its place; NULL: none */
	bool accept_change;	    /* ... may be of another selection, upcaster or key */
	const char *emit, *dead_letter; /* logs; NULL: none */
	const char *key;		/* a path; NULL: subject */
	uint64_t batch;			/* events of a run; 0: 1000 */
	int64_t linger;			/* how long a batch waits to be filled */
	unsigned workers;		/* runs at a time, 1024 at most; 0: 1 */
	unsigned shard, shards;		/* part `shard`, from 1, of so many; 0: all */
	unsigned retry;			/* how often what has failed is tried again */
	int64_t
	    backoff; /* before the first of these tries; doubled each time, up to 30 s */
	int64_t timeout;   /* of a run; 0: none */
	bool line_by_line; /* the command prints a line, perhaps blank, for each
			    * that it gets, which is its cause */
	void (*say)(void *arg, const char *text); /* is told notices; or NULL */
	void (*progress)(void *arg, const evlog_stream *s, uint64_t events); /* or NULL */
	void *arg;
};

/* What a consumer has done.  It is filled in even if it fails. */
struct evlog_consumed {
	uint64_t events;   /* that were dealt with */
	uint64_t runs;	   /* of the command */
	uint64_t emitted;  /* lines, */
	uint64_t uncaused; /* and those of them without a cause */
	uint64_t dead;	   /* dead letters */
};

/*
 * Runs a consumer until the end of the logs, or until sel->stop is set: then the batches
 * at work are finished; once it is set to 2 or more, they are ended at once.
 *
 * paths, sel: as for evlog_stream_open; with a checkpoint without reverse, last and
 * count.  done: may be NULL.
 *
 * EVLOG_ECONFLICT: the command fails at an event, and err says which.  EVLOG_EAWAY,
 * EVLOG_EBUSY: by its exit status the command says that a service is not available, or
 * (EVLOG_EBUSY) another consumer has the checkpoint.  EVLOG_EMISMATCH: the logs are not
 * those of the checkpoint.
 */
int evlog_consume(const struct evlog_consumer_options *o, const char *const *paths,
    size_t n, const struct evlog_selection *sel, struct evlog_consumed *done,
    evlog_error *err);

/* How far a consumer is behind. */
struct evlog_lag {
	struct evlog_position at;
	char part[300];	 /* "I/N PATH", or empty */
	int64_t written; /* when the checkpoint was; EVLOG_TIME_MIN: never */
	uint64_t last;	 /* seq of the log */
	uint64_t events; /* after the checkpoint */
	int64_t oldest;	 /* logtime of the first of them; EVLOG_TIME_MAX: there is none */
};

/* Compares a checkpoint with its log.  max_line: as for evlog_position_check.
 * EVLOG_EMISMATCH: the checkpoint is of another log. */
int evlog_checkpoint_lag(struct evlog_lag *lag, const char *checkpoint, const char *log,
    uint64_t max_line, evlog_error *err);

struct evlog_reset_options {
	size_t size;
	uint64_t seq;		    /* of the next event; 0: find it by its time */
	int64_t time;		    /* the first event with this logtime or a later one */
	struct evlog_digits digits; /* of time, after the microsecond */
	bool event_time;	    /* the first one with this `time` or a later one */
	uint64_t max_line;	    /* as for evlog_position_check */
	bool dry;		    /* change nothing */
};

/* Sets a checkpoint.  *from, *to: the next event, before and after.  EVLOG_EUSAGE: the
 * log ends before that event.  EVLOG_EBUSY: a consumer is running. */
int evlog_checkpoint_reset(const char *checkpoint, const char *log,
    const struct evlog_reset_options *o, uint64_t *from, uint64_t *to, evlog_error *err);

/* ---- Comparing ---------------------------------------------------------- */

enum evlog_side {
	EVLOG_ONLY_A,
	EVLOG_ONLY_B,
	EVLOG_CHANGED,
	EVLOG_CHANGED_END, /* that was the last change of its key */
};

/* One difference, in JSON texts; NULL: absent.  Of two logs: a line of one of them.  Of
 * two states: a key (if there are keys), and a string with a JSON Pointer into the state
 * of that key.  The changes of a key can be made one after the other, as they come. */
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
	/* Is told each difference; returns 0, or -1 with errno to end it.  Or NULL. */
	int (*report)(void *arg, const struct evlog_difference *d);
	void *arg;
};

struct evlog_compared {
	bool states;   /* they were states, not logs */
	uint64_t same; /* events, or keys */
	uint64_t only_a, only_b, changed;
	uint64_t prefix; /* logs: they agree up to this seq */
};

/* Compares two operands, each a log, a file of events, or a state.  Returns EVLOG_OK
 * whether they differ or not; what was found is in *found, which may be NULL.
 * EVLOG_EDATA: one holds events and the other states. */
int evlog_diff(const struct evlog_diff_options *o, const char *a, const char *b,
    struct evlog_compared *found, evlog_error *err);

#ifdef __cplusplus
}
#endif

#endif
