/* cli.h - what the tools share: options, output, messages, exit status.
 *
 * bin/ has one file for each tool, which reads options, loops over a library call, and
 * turns the result into an exit status.  It must know nothing of the library but
 * evlog.h. */
#ifndef CLI_H
#define CLI_H

#include "evlog.h"

#include <stdio.h>

/* The codes of sysexits(3) that evlog uses. */
enum cli_status {
	CLI_OK = 0,
	CLI_NO = 1,
	CLI_USAGE = 64,
	CLI_DATA = 65,
	CLI_NOINPUT = 66,
	CLI_AWAY = 69,
	CLI_INTERNAL = 70,
	CLI_CREATE = 73,
	CLI_IO = 74,
	CLI_AGAIN = 75,
	CLI_MISMATCH = 76,
	CLI_PERMISSION = 77,
};

/* An option, or, if name is NULL, the heading of those after it.  `id` is its letter, or
 * a number above 255 if it has none.  Giving an option with a value twice is an error,
 * unless `arg` ends in "...": then all values count, and the help says how. */
struct cli_option {
	int id;
	const char *name, *arg, *help;
};

/* Source of --help, the completions and getopt_long. */
struct cli_tool {
	const char *name;
	const char *operands; /* as in the usage line */
	const char *summary;
	const char *notes;		  /* end of --help */
	const struct cli_option *options; /* ends with .help == NULL */
};

enum cli_id {
	CLI_FROM = 256,
	CLI_TO,
	CLI_SOURCE,
	CLI_ID,
	CLI_COLOR,
	CLI_PROGRESS,
	CLI_NO_PROGRESS,
	CLI_SALVAGE,
	CLI_NO_INDEX,
	CLI_MAX_LINE,
	CLI_UPCAST,
	CLI_DEAD_LETTERS,
	CLI_OWN = 512, /* first id of a tool's own options */
};

#define CLI_SELECTION                                                                    \
	{0, NULL, NULL, "Selection"}, {CLI_FROM, "from", "N", "only seq N and later"},   \
	    {CLI_TO, "to", "N", "only up to and including seq N"},                       \
	    {'S', "since", "TIME", "only at or after TIME"},                             \
	    {'U', "until", "TIME", "only before TIME"},                                  \
	    {'E', "event-time", NULL,                                                    \
		"use the event's own time instead of its logtime"},                      \
	    {'t', "type", "GLOB...", "only this type; repeat for more"},                 \
	    {'s', "subject", "GLOB...", "only this subject; repeat for more"},           \
	    {CLI_SOURCE, "source", "GLOB...", "only this source; repeat for more"},      \
	    {CLI_ID, "id", "ID...", "only this id; repeat for more"},                    \
	    {'w', "where", "FILTER...",                                                  \
		"only if FILTER (data.n>=5) holds; repeat for more"},                    \
	    {'F', "fixed-strings", NULL,                                                 \
		"match types, subjects, sources and ids literally"},                     \
	    {'n', "last", "N", "only the last N that match"},                            \
	    {'c', "count", "N", "only the first N that match"},                          \
	    {CLI_NO_INDEX, "no-index", NULL, "read without indexes and catalogues"},     \
	{                                                                                \
		'm', "merge", NULL, "merge several logs by logtime"                      \
	}

#define CLI_UPCASTING                                                                    \
	{                                                                                \
		CLI_UPCAST, "upcast", "FILE",                                            \
		    "convert old events with the Lua rules in FILE"                      \
	}

#define CLI_UNWRAPPING                                                                   \
	{                                                                                \
		CLI_DEAD_LETTERS, "dead-letters", NULL,                                  \
		    "deliver the events in the dead letters of LOG"                      \
	}

#define CLI_THREADED                                                                     \
	{                                                                                \
		'j', "threads", "N", "use N threads (default: one per core)"             \
	}
#define CLI_FOLLOW                                                                       \
	{                                                                                \
		'f', "follow", NULL, "keep reading as events are appended"               \
	}
#define CLI_REVERSE                                                                      \
	{                                                                                \
		'r', "reverse", NULL, "newest events first"                              \
	}

#define CLI_COMMON                                                                       \
	{'q', "quiet", NULL, "print only errors"},                                       \
	    {'v', "verbose", NULL, "print more messages"},                               \
	    {'h', "help", NULL, "show this help"},                                       \
	{                                                                                \
		'V', "version", NULL, "show the version"                                 \
	}

#define CLI_COLORED                                                                      \
	{                                                                                \
		CLI_COLOR, "color", "WHEN", "use color: auto, always or never"           \
	}
#define CLI_PROGRESSING                                                                  \
	{CLI_PROGRESS, "progress", NULL, "show progress on a terminal"},                 \
	{                                                                                \
		CLI_NO_PROGRESS, "no-progress", NULL, "never show progress"              \
	}

#define CLI_LINES                                                                        \
	{                                                                                \
		CLI_MAX_LINE, "max-line", "BYTES",                                       \
		    "longest line accepted in a FILE (default: 64 MiB)"                  \
	}

#define CLI_SEQ_MAX UINT64_C(9007199254740991)

/* "1 event", "2 events": the ending of the word. */
#define cli_plural(n) ((n) == 1 ? "" : "s")

/* Settings and state that every tool has. */
struct cli {
	const struct cli_tool *tool;
	bool quiet, verbose;
	bool out_tty, err_tty, color, progress;
	uint64_t max_line;	/* 0: the default */
	int64_t started, shown; /* for progress */
};

extern struct cli cli;

/* Call first in main. */
void cli_begin(const struct cli_tool *tool);

/* Like getopt_long: returns the next option's id, or -1, and sets optarg and optind.
 * Handles the options that every tool has.  Exits with 64 on an invalid option. */
int cli_getopt(const struct cli_tool *tool, int argc, char **argv);

/* Returns what follows the first "--" and removes it from *argc; NULL if there is
 * none. */
char **cli_command(int *argc, char **argv);

/* Handles a selection option; returns false if it is not one.  Exits on an invalid
 * value. */
bool cli_select(struct evlog_selection *sel, int id, const char *arg);

/* Apply --upcast, and --dead-letters after it; free what they made, if they were given
 * (upcast.c). */
void cli_upcast(struct evlog_selection *sel, const char *path);
void cli_dead_letters(struct evlog_selection *sel);
void cli_upcast_free(void);

/* Exits if the selection is contradictory. */
void cli_select_check(const struct evlog_selection *sel);

void cli_select_free(struct evlog_selection *sel);

/* Parse the value of an option (values.c).  They exit if it is invalid. */
uint64_t cli_number(const char *option, const char *text, uint64_t min, uint64_t max);
/* In bytes; K, M and G are multiples of 1024 (KB and KiB as well). */
uint64_t cli_size(const char *option, const char *text, uint64_t max);
double cli_real(const char *option, const char *text);
/* In microseconds. */
int64_t cli_span(const char *option, const char *text);
/* Parses sqlite:FILE[:TABLE].  Returns FILE, to be freed; NULL if the text does not begin
 * with "sqlite:". */
char *cli_table(const char *option, const char *text, const char **table);

/* Writes a message to stderr, after the tool's name, with control characters escaped.
 * cli_usage then exits with 64. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The exit status for a result of the library. */
int cli_status(int code);

/* Like realloc(3), but exits if out of memory. */
void *cli_resize(void *p, size_t size);

/* Prints the error and exits with its status. */
_Noreturn void cli_fail(const evlog_error *err);

/* Buffered standard output.  If a write fails, the tool exits with 74; a closed pipe
 * kills it, as it kills cat. */
void cli_out(const char *p, size_t len);
void cli_outs(const char *s);
int cli_out_fn(void *arg, const char *p, size_t len); /* an evlog_write_fn */

/* The same; on a terminal, escapes control characters and whatever else could harm it,
 * except those in `keep`, such as "\n\t". */
void cli_out_safe(const char *p, size_t len, const char *keep);
void cli_flush(void);

/* Microseconds on a clock that is never set. */
int64_t cli_clock(void);

/* The number of cores that this process may use. */
unsigned cli_cores(void);

/* From this call on, SIGINT and SIGTERM do not end the process but increment this
 * counter. */
const volatile sig_atomic_t *cli_stoppable(void);

/* Flushes and closes stdout.  Returns the status to exit with. */
int cli_end(int status);

/* A file for lines that cannot be appended (reject.c). */
struct cli_reject {
	const char *path; /* NULL: not used */
	int fd;
	bool unsynced;
};

/* These return 0, or -1 with errno.  cli_reject appends a record of a line, as described
 * in evappend(1); cli_reject_sync makes records durable. */
int cli_reject_open(struct cli_reject *r);
int cli_reject(struct cli_reject *r, const evlog_error *why, const char *name,
    const char *line, size_t len);
int cli_reject_sync(struct cli_reject *r);

/* Syncs a file and its folder, so that its name is durable too.  What cannot be synced,
 * such as a pipe, is ignored. */
int cli_sync(int fd, const char *path);

/* Now and then shows on stderr how much of the logs has been read (s may be NULL), and
 * how many events were handled (0: not counted). */
void cli_progress(const evlog_stream *s, uint64_t events);
void cli_progress_clear(void);

/* Whether the file name of a checkpoint has a % for the shard (receivers.c). */
bool cli_has_shard(const char *checkpoint);

/* Gets the checkpoint of a --shard, to be freed: % stands for the shard, unless there is
 * a file of that very name.  Exits if it is new although other receivers have begun, or
 * have taken over from others: it would begin with the first event. */
char *cli_shard_file(const struct evlog_consumer_options *c, const char *log);

/* Divides the events of a log among so many receivers, and says how to start them. */
void cli_reshard(
    const struct evlog_consumer_options *c, unsigned long receivers, const char *log);

/* Runs the tests of a program for evfold --test (cases.c).  Returns the exit status. */
int cli_fold_test(const char *file, const struct evlog_fold_test_options *o);

/* Says what the library finds worth knowing, unless --quiet is given; arg is not used. */
void cli_notice(void *arg, const char *text);

/* At the end: says what in --where may be a mistake. */
void cli_remarks(evlog_stream *s);

/* Says that a log which was read from its beginning no longer has all of it. */
void cli_trimmed(const evlog_stream *s);

/* Makes a pipe at standard output larger, for a tool that writes much: the two sides take
 * turns less often. */
void cli_pipe_grow(void);

/* Joins each folder of backups with the log after it, to one operand DEST::LOG.  Returns
 * how many operands are left. */
int cli_archives(char **operand, int n);

#endif
