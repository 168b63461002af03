/*
 * evlog.h - an event store for the shell: the public interface.
 *
 * Every function that can fail returns 0 (EVLOG_OK) or a negative EVLOG_E...,
 * those that deliver things also 1 (EVLOG_END).  The last parameter is an
 * error object of the caller's; it is written only on failure.  The library
 * never prints, never exits, and keeps no state that its callers could notice.  An
 * object may be used by one thread at a time.
 *
 * Times are microseconds since 1970-01-01T00:00:00Z.  A `seq` is the number of
 * an event in its log, counted from 1; 0 stands for "none".
 */
#ifndef EVLOG_H
#define EVLOG_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EVLOG_VERSION "0.1.0"

/* The version of the library that is linked, which may be another than the header's. */
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
	EVLOG_EBUSY = -7,      /* the lock was not had in time */
	EVLOG_EMISMATCH = -8,  /* the log is not the one that was expected */
	EVLOG_EPERM = -9,      /* not permitted */
	EVLOG_ECONFLICT = -10, /* the expectation does not hold; nothing was written */
	EVLOG_EINTERNAL = -11,
	EVLOG_ENEWER = -12,	 /* the log was written by a newer version */
	EVLOG_EAWAY = -13,	 /* a service is away */
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

/* Takes bytes; returns 0, or -1 with errno set if they could not be written. */
typedef int evlog_write_fn(void *arg, const char *p, size_t len);

/* ---- Times and globs -------------------------------------------------- */

#define EVLOG_TIME_MIN INT64_MIN
#define EVLOG_TIME_MAX INT64_MAX

/* Decimal digits of a time after the microsecond, the last of them not 0.  They are part
 * of the text that was read.  n is 0: there are none. */
struct evlog_digits {
	const char *p;
	size_t n;
};

/* What a time bounds.  A local clock that is set back shows some times twice: of these,
 * it is the earlier for EVLOG_SINCE and the later for EVLOG_UNTIL, so that all of them
 * are between the two.  A time that the clock jumps over is the moment of the jump. */
enum evlog_edge { EVLOG_SINCE, EVLOG_UNTIL };

/* Reads RFC 3339, a date with or without a time in TZ, now, today, yesterday,
 * tomorrow, -2h, +15min, "2h30min ago", @1700000000[.5] (the grammar of
 * systemd.time(7), and RFC 3339).  `now` is what relative times start from.  *time is cut
 * to the microsecond, and *digits has the rest; without `digits` it is rounded up. */
int evlog_time_parse(const char *text, int64_t now, enum evlog_edge edge, int64_t *time,
    struct evlog_digits *digits, evlog_error *err);

/* Reads a span such as 1.5s, 2h30min, 300ms (seconds if there is no unit). */
int evlog_span_parse(const char *text, int64_t *microseconds, evlog_error *err);

int64_t evlog_now(void);

/* Writes YYYY-MM-DDTHH:MM:SS.ffffffZ and a NUL to out; 27 characters.
 * `t` is brought into the years 0000 to 9999. */
void evlog_time_format(int64_t t, char out[28]);

/* ---- Input: lines from files, pipes, compressed files and archives ----- */

typedef struct evlog_input evlog_input;

/* Opens `path` ("-": standard input) for reading line by line.  A regular file
 * is recognised by its content: plain, compressed, or an archive, whose members
 * are read one after the other; a pipe may be plain, or zstd, gzip, xz or lz4.
 * Checksums are checked, and what follows the end is an error unless it is another
 * compressed member or zero bytes (evappend(1), COMPRESSED INPUT).
 * A line longer than `max_line` bytes is an error. */
int evlog_input_open(
    evlog_input **in, const char *path, size_t max_line, evlog_error *err);

/* Archives, and compressions other than zstd and gzip, are unpacked by the program
 * evlog-unpack, which can open no file and reach no network.  It is looked for beside the
 * running program, in ../libexec from there, and where evlog was installed.  This names it
 * instead; NULL: as before.  The path is copied; it counts for the whole process, and for
 * what is opened from then on.  Any thread may call this. */
int evlog_set_unpacker(const char *path, evlog_error *err);

/* The same of what a command prints.  `env` are settings (NAME=value) beside ours, NULL
 * behind the last.  A command that fails ends its output with an error, which says how,
 * and with the last whole line: EVLOG_EUSAGE, EDATA, ENOINPUT, EMISMATCH or EPERM if its
 * exit status says so (sysexits(3)), else EVLOG_EAWAY: another try may help. */
int evlog_input_command(evlog_input **in, const char *const *command,
    const char *const *env, size_t max_line, evlog_error *err);

/* Delivers the next line that is not blank, without its end (LF or CRLF; the last may
 * have none), a leading byte order mark taken off.  The view lives until the next call.
 * wait_ms < 0 waits for ever; else EVLOG_WAIT says that no whole line came in
 * time.  EVLOG_EDATA with err->line set is a line that is too long: the next
 * call goes on behind it.  Other errors are final. */
int evlog_input_next(
    evlog_input *in, int wait_ms, const char **line, size_t *len, evlog_error *err);

/* Before the first line is asked for: a file or member whose checksum does not fit is
 * delivered all the same, up to the error, though some of its lines are wrong.  Without
 * this it is delivered only if it is longer than 1 MiB, or comes through a pipe. */
void evlog_input_salvage(evlog_input *in);

/* Once *stop is set (by a signal handler), the input is at its end. */
void evlog_input_stop(evlog_input *in, const volatile sig_atomic_t *stop);

/* Where the last line came from: the path, with an archive's member in
 * parentheses, and its number from 1 (counted for each member). */
const char *evlog_input_name(const evlog_input *in);
uint64_t evlog_input_line(const evlog_input *in);
void evlog_input_close(evlog_input *in);

/* ---- Appending --------------------------------------------------------- */

typedef struct evlog_writer evlog_writer;

#define EVLOG_MAX_EVENT (UINT64_C(512) << 20) /* no stored line is longer */

/* A subject, and the seq that its last event must have; 0: it must have none. */
struct evlog_expectation {
	const char *subject;
	uint64_t seq;
};

struct evlog_writer_options {
	int level;	       /* zstd level; 0: the default, 1 */
	unsigned threads;      /* that compress, and more to commit; 0: one, none */
	uint64_t segment_size; /* a segment ends once it has this size; 0: 64 MiB */
	int64_t lock_wait_ms;  /* how long to wait for the lock */
	bool no_create;	       /* fail if the log does not exist */
	bool strict;	       /* sync head too: two syncs a commit */
	bool no_sync;	       /* sync nothing: the page cache's promise only */
	bool force;	       /* append on network file systems too */
	unsigned mode;	       /* permissions of a new log's files; 0: what umask says */

	bool atomic; /* one commit: pending events may reach 64 MiB */
	bool expect; /* only if the last seq is expect_seq */
	uint64_t expect_seq;
	const struct evlog_expectation *expect_subjects; /* all of them; not copied */
	size_t n_expect_subjects;
	bool dedup;	       /* skip events that the log has */
	uint64_t dedup_window; /* ... among its last so many; 0: among all of them */
	bool replica;	       /* lines are stamped: keep them as they are */
	uint64_t max_event;    /* bytes of a stored line at most; 0: 512 MiB */

	bool text;	     /* a line is text, wrapped as a string */
	const char *type;    /* wrap any value, with this type */
	const char *source;  /* default: "/" and the log's name */
	const char *subject; /* for events that have none */
	const char *type_from, *subject_from, *time_from, *id_from, *source_from;
	bool require; /* a line in which one of these points to nothing is a bad line */
};

/* How often a path of the options, such as subject_from, pointed to nothing. */
struct evlog_missed {
	const char *attribute, *path;
	uint64_t lines, missed; /* that were wrapped, and of those without a value */
};

/* What a commit has made durable. */
struct evlog_ack {
	uint64_t from, to; /* seqs; from > to: nothing was appended */
	uint64_t skipped;  /* events that --dedup found in the log already */
	char root[65];	   /* RFC 6962 root after `to`, hexadecimal */
	/* EVLOG_EDATA: the offender's input, and the event as it would have been stored,
	 * without stamp; both live until the next call. */
	const char *rejected_name, *rejected;
	size_t rejected_len;
	bool slid;	  /* the log has more events than dedup_window: the others were
			   * not compared */
	bool recovered;	  /* the log had a torn tail, which was cut off; */
	char notice[512]; /* and this says so */
};

/* Opens a log for appending and creates it if absent.  The options are copied,
 * their strings are not: they must outlive the writer. */
int evlog_writer_open(evlog_writer **w, const char *path,
    const struct evlog_writer_options *o, evlog_error *err);

/* Checks one line of input, completes it to an event, and keeps it for the next
 * commit.  `name` and `line_no` say where it came from, for messages.  EVLOG_EDATA: it is
 * no event, err says why, and nothing was kept. */
int evlog_writer_add(evlog_writer *w, const char *line, size_t len, const char *name,
    uint64_t line_no, evlog_error *err);

/* What was seen of the lines so far that their producer may not have meant: how often the
 * paths of the options pointed to nothing (returns how many paths there are), and the
 * name of a member, in shorthand, that is stored as an extension attribute though
 * CloudEvents documents none of that name; NULL: none.  The name lives as long as the
 * writer. */
size_t evlog_writer_missed(const evlog_writer *w, struct evlog_missed out[5]);
const char *evlog_writer_extension(const evlog_writer *w);

/* Whether evlog_writer_open has made the log. */
bool evlog_writer_created(const evlog_writer *w);

/* Bytes kept for the next commit, and whether it is time for evlog_writer_begin: they are
 * enough for threads that are idle, or all that is to be kept.  _full may wait for the
 * commit that was begun, until there is nothing left of it but to sync. */
size_t evlog_writer_pending(const evlog_writer *w);
bool evlog_writer_full(evlog_writer *w);

/* Takes the lock, recovers what a dead writer left, stamps, writes and syncs all
 * that was kept, and gives the lock back.  When it returns EVLOG_OK, *ack is
 * durable.
 *
 * EVLOG_EUNRECORDED: the events are durable and readers see them, but the file head could
 * not be written.  *ack is valid, nothing is pending any more, and the next commit of any
 * process records them.  Do not append them again.
 *
 * EVLOG_EDATA (dedup: the same id with other bytes): the events before the offending one
 * are committed, ack tells which, the offender was dropped, and calling again commits the
 * rest.
 *
 * Any other failure: nothing was acknowledged, and the events are still pending.  Calling
 * again is safe: if the log turns out to have them after all (a sync failed, and nothing
 * could be taken back), they are acknowledged, not appended a second time. */
int evlog_writer_commit(evlog_writer *w, struct evlog_ack *ack, evlog_error *err);

/* The same of whole blocks, by threads of its own if there may be more than one, while
 * more lines are added: until evlog_writer_end has told what came of it, only
 * evlog_writer_add, _pending (of the rest) and _full may be called.  It waits; EVLOG_END:
 * none was begun. */
void evlog_writer_begin(evlog_writer *w);
int evlog_writer_end(evlog_writer *w, struct evlog_ack *ack, evlog_error *err);

/* Seals the segments that became full: small blocks are merged and an index is made (see
 * evlog-format(5)), which takes a second or two for 64 MiB and needs no lock.  Call it
 * when what was committed is acknowledged: a thread does it beside what comes next,
 * unless `wait`, and the error is that of the one before.  evlog_writer_close waits for
 * it, without a word.  What cannot be sealed stays as it is, and loses nothing. */
int evlog_writer_seal(evlog_writer *w, bool wait, evlog_error *err);

/* The same for all segments that are not sealed, or whose index is damaged, once the log
 * was recovered by a commit, be it of nothing. */
int evlog_writer_reindex(evlog_writer *w, evlog_error *err);

/* Drops what was not committed. */
void evlog_writer_close(evlog_writer *w);

/* ---- Reading ----------------------------------------------------------- */

struct evlog_lines;

/* Is given whole lines, and puts others in their place, each with its newline and a stamp
 * as theirs.  1: they stay as they are; EVLOG_WAIT: the same, and evlog_stream_next
 * returns EVLOG_WAIT once, so that the caller can see to other things. */
typedef int evlog_map_fn(void *arg, const struct evlog_lines *lines, evlog_write_fn *put,
    void *to, evlog_error *err);

/* Which events.  Zero-initialise, then evlog_selection_init. */
struct evlog_selection {
	uint64_t from, to;    /* seq range, both included; 0: no bound */
	int64_t since, until; /* since included, until not */
	/* What since and until have after the microsecond; must outlive the selection. */
	struct evlog_digits since_digits, until_digits;
	bool event_time; /* since and until speak of the event's time */
	const char **type, **subject, **source,
	    **id; /* globs (evcat(1)); each matches any */
	size_t types, subjects, sources, ids;
	bool fixed;	      /* these are texts, not globs */
	uint64_t last, count; /* the last, the first so many; 0: all */
	bool reverse;	      /* newest first */
	bool follow;	      /* wait for more */
	bool merge;	      /* by logtime, then operand, then seq */
	bool salvage;	      /* go on behind damage; the end is still an error */
	bool json;	      /* lines of logs are looked into: each is checked */
	uint64_t max_line;    /* bytes of a line at most; 0: 64 MiB */
	unsigned threads;     /* that decompress logs, going forwards; 0: one */
	const volatile sig_atomic_t *stop; /* not NULL: end when it is set */
	evlog_map_fn *map; /* not NULL: sees all lines before types and such are asked */
	void *map_arg;
};

#define EVLOG_MAX_LINE (UINT64_C(64) << 20)

void evlog_selection_init(struct evlog_selection *sel);

/* Whole lines, each with its newline, in a buffer that lives until the next
 * call on the stream. */
struct evlog_lines {
	const char *p;
	size_t len;
};

/* A look at one line; views into it. */
struct evlog_event {
	const char *line; /* without newline */
	size_t len;
	uint64_t seq;	 /* 0: the event has none */
	int64_t logtime; /* EVLOG_TIME_MIN: none */
};

typedef struct evlog_stream evlog_stream;

/* Opens operands (log directories, files, archives, "-") as one stream, in
 * the order given or, with sel->merge, merged.  `paths` and `sel` must outlive
 * the stream. */
int evlog_stream_open(evlog_stream **s, const char *const *paths, size_t n,
    const struct evlog_selection *sel, evlog_error *err);

/* Delivers the next selected lines, at least one.  EVLOG_END at the end, or when
 * sel->stop is set.  EVLOG_WAIT: there is nothing now, but there may be more; write out
 * what you hold back, then call evlog_stream_wait.  EVLOG_EDAMAGED and EVLOG_EDATA come
 * after all events before the damage were delivered; with sel->salvage at the very
 * end, and the message is that of the first damage. */
int evlog_stream_next(evlog_stream *s, struct evlog_lines *lines, evlog_error *err);

/* Waits until there may be more, a signal comes, or so many milliseconds (500 at most)
 * have passed. */
int evlog_stream_wait(evlog_stream *s, int wait_ms, evlog_error *err);

/* What can be polled for reading instead of waiting; -1: nothing. */
int evlog_stream_fd(const evlog_stream *s);

/* A place in a log: its id, a seq, and the root after that event. */
struct evlog_position {
	char log[33]; /* hexadecimal; empty: not known, the events came through a pipe */
	uint64_t seq; /* 0: before all events */
	char root[65];
	/* The frontier there (evlog-format(5)), from which what follows can be hashed; a
	 * hash for each bit set in seq, or none. */
	unsigned hashes;
	unsigned char frontier[53][32];
};

/* The place after what the stream of one log, going forwards, has delivered: never after
 * an event that is still to come or that an error held back, though its block was read.
 * EVLOG_END: it has delivered nothing. */
int evlog_stream_position(
    const evlog_stream *s, struct evlog_position *at, evlog_error *err);

/* Whether the log at `path` is the one that a position is of, as it was there.  Of its
 * blocks, none is read with a line of more than `max_line` bytes; 0: 64 MiB.
 * EVLOG_EMISMATCH: it is another one, or an older state of it, and err says so. */
int evlog_position_check(const char *path, const struct evlog_position *at,
    uint64_t max_line, evlog_error *err);

/* Compressed bytes read so far and in all, of the log directories, for a progress
 * line. */
void evlog_stream_progress(const evlog_stream *s, uint64_t *done, uint64_t *total);

/* A log whose index lacks or is damaged, so that blocks of it were searched which it
 * would have ruled out; NULL: there is none.  evlog_writer_reindex makes it anew. */
const char *evlog_stream_unindexed(const evlog_stream *s);
void evlog_stream_close(evlog_stream *s);

/* Takes the first line off `lines`; false if none is left. */
bool evlog_lines_take(struct evlog_lines *lines, struct evlog_event *event);

/* The raw JSON text of a top-level member of an event; false if it has none.
 * The view is into the line. */
bool evlog_event_member(
    const struct evlog_event *event, const char *name, const char **p, size_t *len);

/* A member of string type as plain bytes, escapes resolved, in `buf` (malloc'd,
 * grown as needed, *cap its size; the caller frees it).  1: no such member or
 * not a string. */
int evlog_event_string(const struct evlog_event *event, const char *name, char **buf,
    size_t *cap, size_t *len);

/* The same for any JSON string text, quotes included: resolves its escapes. */
int evlog_json_string(const char *p, size_t n, char **buf, size_t *cap, size_t *len);

/* The event's `time`; EVLOG_TIME_MIN if it has none. */
int64_t evlog_event_time(const struct evlog_event *event);

/* Rewrites a JSON text with two blanks of indentation a level, into `write`. */
int evlog_json_pretty(
    const char *p, size_t len, evlog_write_fn *write, void *arg, evlog_error *err);

/* ---- A compressed stream that is itself a valid segment ----------------- */

typedef struct evlog_packer evlog_packer;

/* Packs stamped lines with consecutive seqs into a segment written to `write`. */
int evlog_packer_new(
    evlog_packer **k, int level, evlog_write_fn *write, void *arg, evlog_error *err);
int evlog_packer_add(evlog_packer *k, const struct evlog_lines *lines, evlog_error *err);
int evlog_packer_end(evlog_packer *k, evlog_error *err);
void evlog_packer_free(evlog_packer *k);

/* ---- Folding ------------------------------------------------------------ */

typedef struct evlog_fold evlog_fold;

int evlog_fold_new(evlog_fold **f, evlog_error *err);

/* Whether a word has the form of a reducer: NAME=FUNC... or FUNC(...). */
bool evlog_fold_is_reducer(const char *word);

/* NAME=FUNC(PATH){FILTER}.  EVLOG_EUSAGE: err says what is wrong, and where. */
int evlog_fold_reducer(evlog_fold *f, const char *text, evlog_error *err);

/* Reducers in Lua, from a file: instead of others. */
struct evlog_limits {
	size_t memory;	/* bytes that all states together may take */
	uint64_t steps; /* instructions that one event may take */
};
int evlog_fold_program(
    evlog_fold *f, const char *path, const struct evlog_limits *limits, evlog_error *err);

/* An event that a program fails at leaves its key's state as it was; takes time. */
void evlog_fold_set_rollback(evlog_fold *f);

/* One state for each value found at this path. */
int evlog_fold_key(evlog_fold *f, const char *path, evlog_error *err);

/* What a reducer cannot use is an error instead of being passed over. */
void evlog_fold_strict(evlog_fold *f);

/* Folds one event.  The line must be valid JSON.  EVLOG_EDATA: the program or, if strict,
 * a reducer cannot do with it; go on only after evlog_fold_set_rollback. */
int evlog_fold_event(evlog_fold *f, const struct evlog_event *event, evlog_error *err);

/* The same for whole lines, on several threads, if evlog_fold_threads asked for them
 * before the first: the result is the same.  Seqs are not watched.  EVLOG_END: it is
 * over, and evlog_fold_finish, which must be called at the end, says why: an error, or
 * EVLOG_END and the line of the event at which the program stopped. */
void evlog_fold_threads(evlog_fold *f, unsigned n);
int evlog_fold_lines(evlog_fold *f, const struct evlog_lines *lines, evlog_error *err);
int evlog_fold_finish(evlog_fold *f, struct evlog_lines *stopped_at, evlog_error *err);

/* Events without the key, and values passed over. */
void evlog_fold_counts(const evlog_fold *f, uint64_t *keyless, uint64_t *unusable);

/* A reducer, as it was given, of which some path pointed to nothing in any of so many
 * events; NULL: there is none left.  Begin with *i 0. */
const char *evlog_fold_missed(const evlog_fold *f, size_t *i, uint64_t *events);

/* Writes the state: with a key a line a key, {"key":...,"seq":...,"state":...},
 * sorted by the key's bytes; else the state alone, and a newline. */
int evlog_fold_write(evlog_fold *f, evlog_write_fn *write, void *arg, evlog_error *err);

/* The events come through a program with this hash (evlog_upcaster_hash): what is kept is
 * of that program too, and several events may have the same seq. */
void evlog_fold_set_upcaster_hash(evlog_fold *f, const unsigned char hash[32]);

/* From now on the events' seqs must ascend: EVLOG_EMISMATCH if one was folded already. */
void evlog_fold_require_ascending(evlog_fold *f);

/* Begins where a snapshot ended, which *at then tells.  EVLOG_END: there is no such file,
 * begin with the first event. EVLOG_EMISMATCH: it is of another program, key or reducers;
 * EVLOG_EDAMAGED: it is not whole. */
int evlog_fold_load(
    evlog_fold *f, const char *path, struct evlog_position *at, evlog_error *err);

/* Writes a snapshot, which replaces the file when it is whole and durable. */
int evlog_fold_save(
    evlog_fold *f, const char *path, const struct evlog_position *at, evlog_error *err);

/* The same with a table of an SQLite database, which is read as keys are met: columns
 * key, seq, state and, if asked for, one for each reducer.  Positions are watched.
 * EVLOG_END: there is no such table, or it is to be rebuilt: begin with the first event.
 */
int evlog_fold_table(evlog_fold *f, const char *file, const char *name, bool columns,
    bool rebuild, struct evlog_position *at, evlog_error *err);

/* Writes what has changed since the last time, and the position, in one transaction. */
int evlog_fold_table_commit(
    evlog_fold *f, const struct evlog_position *at, evlog_error *err);

/* The seq of the last event that was folded, if they are watched. */
uint64_t evlog_fold_seq(const evlog_fold *f);

/* Writes a line with the state of the last event's key, if that event changed it. */
int evlog_fold_write_change(
    evlog_fold *f, evlog_write_fn *write, void *arg, evlog_error *err);

/* The lines that a program emitted for the last event; they live until the next. */
void evlog_fold_emitted(const evlog_fold *f, const char **p, size_t *len);

/* Whether the program called stop() at the last event. */
bool evlog_fold_stopped(const evlog_fold *f);

/* Whether the program uses stop by this name, called or not. */
bool evlog_fold_may_stop(const evlog_fold *f);
void evlog_fold_free(evlog_fold *f);

/* ---- Replaying ---------------------------------------------------------- */

/* Rules in Lua that make new shapes of events out of old ones (evreplay(1), UPCASTING).
 */
typedef struct evlog_upcaster evlog_upcaster;

/* `limits` may be NULL. */
int evlog_upcaster_open(evlog_upcaster **u, const char *path,
    const struct evlog_limits *limits, evlog_error *err);
void evlog_upcaster_close(evlog_upcaster *u);

/* SHA-256 of its text. */
void evlog_upcaster_hash(const evlog_upcaster *u, unsigned char hash[32]);

/* For evlog_selection: map, with the upcaster as map_arg. */
int evlog_upcast(void *upcaster, const struct evlog_lines *lines, evlog_write_fn *put,
    void *to, evlog_error *err);

/* Notes which rules the events go through, and at which they fail. */
int evlog_upcast_look(
    evlog_upcaster *u, const struct evlog_lines *lines, evlog_error *err);

/* What was noted, one after the other: zero-initialise, and call until it is false. */
struct evlog_route {
	const void *before;
	const char *text;      /* the types, or what is wrong */
	uint64_t count, first; /* events, and the seq of the first */
	bool failed;
};
bool evlog_upcast_route(evlog_upcaster *u, struct evlog_route *route);

struct evlog_pace {
	double speed;	 /* 1: as it happened; 0: as fast as possible */
	int64_t max_gap; /* no pause is longer; < 0: no such limit */
	double rate;	 /* events a second at most; 0: any */
	bool event_time; /* by the event's time, else by logtime */
	int64_t started; /* zero-initialise these: they belong to evlog_pace_due */
	int64_t previous, due;
	bool timed; /* previous is the time of an event */
	uint64_t delivered;
};

/* When, on the clock that gave `now`, this event is due. */
int64_t evlog_pace_due(
    struct evlog_pace *pace, const struct evlog_event *event, int64_t now);

/* A consumer: a command that is run over one batch of events after the other, as
 * evreplay(1) says.  Zero-initialise.  Spans are microseconds. */
struct evlog_consumer {
	const char *const *command; /* as for execvp(3) */
	const char *checkpoint;	    /* file that says how far it came; NULL: none */
	bool accept_change;	    /* it may be of another selection, upcaster or key */
	const char *emit, *dead_letter; /* logs; NULL: none */
	const char *key;		/* path; NULL: subject */
	uint64_t batch;			/* events of a run; 0: 1000 */
	int64_t linger;			/* how long a batch waits to be filled */
	unsigned workers;		/* runs at once; 0: 1 */
	unsigned shard, shards;		/* part `shard`, from 1, of so many; 0: all */
	unsigned retry;			/* how often what failed is tried again */
	int64_t backoff, timeout;	/* 0: no timeout */
	bool line_by_line;		/* COMMAND prints a line, perhaps blank, for each
					 * that it gets: the one has caused the other */
	void (*say)(void *arg, const char *text); /* notices; may be NULL */
	void (*progress)(void *arg, const evlog_stream *s, uint64_t events);
	void *arg;
	/* Results: events dealt with, runs, lines emitted, those of them without a cause,
	 * dead letters. */
	uint64_t events, runs, emitted, uncaused, dead;
};

/* Runs it until the end of the logs, or sel->stop: then the batches at work are finished;
 * set to 2 or more they are ended at once.  `sel` must outlive the call. EVLOG_ECONFLICT:
 * the command fails at an event.  EVLOG_EBUSY, EVLOG_EAWAY: it says that a service is
 * away, by its status; or (EBUSY) another consumer has the checkpoint.  EVLOG_EMISMATCH:
 * the logs are not those of the checkpoint. */
int evlog_consume(struct evlog_consumer *c, const char *const *paths, size_t n,
    const struct evlog_selection *sel, evlog_error *err);

/* How far a consumer is behind. */
struct evlog_lag {
	struct evlog_position at;
	char part[300];	       /* "I/N PATH", or empty */
	int64_t written;       /* when the checkpoint was; EVLOG_TIME_MIN: never */
	uint64_t last, events; /* the log's last seq, and events behind the checkpoint */
	int64_t oldest; /* logtime of the first of them; EVLOG_TIME_MAX: there is none */
};

/* `max_line`: as for evlog_position_check.  EVLOG_EMISMATCH: the checkpoint is of another
 * log. */
int evlog_checkpoint_lag(struct evlog_lag *lag, const char *checkpoint, const char *log,
    uint64_t max_line, evlog_error *err);

/* Sets a checkpoint so that the next event is the first one from `seq` on or, with seq 0,
 * from this logtime on, or (event_time) with this `time` or a later one; `digits` is
 * what it has after the microsecond.  `max_line`: as for evlog_position_check.  `dry`:
 * only tells.  *from and *to: the next event, before and then. */
int evlog_checkpoint_reset(const char *checkpoint, const char *log, uint64_t seq,
    int64_t time, struct evlog_digits digits, bool event_time, uint64_t max_line,
    bool dry, uint64_t *from, uint64_t *to, evlog_error *err);

/* For evlog_selection: instead of dead letters, the events in them.  The arg is one of
 * these; `map`, if there is one, gets them next.  Free room.p at the end. */
struct evlog_dead_letters {
	evlog_map_fn *map;
	void *map_arg;
	struct {
		char *p;
		size_t len, cap;
		bool failed;
	} room;
};
int evlog_dead_letter_unwrap(void *letters, const struct evlog_lines *lines,
    evlog_write_fn *put, void *to, evlog_error *err);

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

struct evlog_diff {
	bool ignore_stamp; /* compare events whatever their seq and logtime */
	bool only_states;  /* refuse events */
	uint64_t max_line; /* bytes of a line at most; 0: 64 MiB */
	unsigned threads;  /* that decompress each log; 0: one */
	int (*report)(
	    void *arg, const struct evlog_difference *d); /* 0, or -1 and errno */
	void *arg;
	/* Results: */
	bool states; /* they were states, not logs */
	uint64_t same, only_a, only_b, changed;
	uint64_t prefix; /* logs: they agree up to this seq */
};

/* Compares two operands, each a log, a file of events, or a state.  `same` counts
 * what both have (events, or keys).  Returns 0 whether they differ or not. */
int evlog_diff(struct evlog_diff *d, const char *a, const char *b, evlog_error *err);

#ifdef __cplusplus
}
#endif

#endif
