/* cli.h - what the tools share: options, output, messages, exit status. */
#ifndef CLI_H
#define CLI_H

#include "evlog.h"

#include <stdio.h>

/* sysexits(3), as far as evlog uses them. */
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

/* An option, or (name NULL) the heading of the options that follow it.  `id` is its
 * letter, or a number above 255 for one without.  An option with a value is refused when
 * it is given twice, unless `arg` ends in "...": then all values count, and the help says
 * how. */
struct cli_option {
	int id;
	const char *name, *arg, *help;
};

/* --help, the completions and getopt_long all come from this. */
struct cli_tool {
	const char *name;
	const char *operands; /* as in the usage line */
	const char *summary;
	const char *notes;		  /* last lines of --help */
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
	CLI_MAX_LINE,
	CLI_UPCAST,
	CLI_OWN = 512, /* a tool's own begin here */
};

#define CLI_SELECTION                                                                    \
	{0, NULL, NULL, "Selection"}, {CLI_FROM, "from", "N", "from this seq on"},       \
	    {CLI_TO, "to", "N", "up to this seq, included"},                             \
	    {'S', "since", "TIME", "from this time on"},                                 \
	    {'U', "until", "TIME", "before this time"},                                  \
	    {'E', "event-time", NULL,                                                    \
		"--since and --until mean the event's time, not the log's"},             \
	    {'t', "type", "GLOB...", "only this type (given twice: either)"},            \
	    {'s', "subject", "GLOB...", "only this subject (given twice: either)"},      \
	    {CLI_SOURCE, "source", "GLOB...", "only this source (given twice: either)"}, \
	    {CLI_ID, "id", "ID...", "only this id (given twice: either)"},               \
	    {'F', "fixed-strings", NULL,                                                 \
		"take types, subjects, sources and ids literally"},                      \
	    {'n', "last", "N", "the last N that match"},                                 \
	    {'c', "count", "N", "the first N that match"},                               \
	{                                                                                \
		'm', "merge", NULL, "several logs as one stream, by logtime"             \
	}

#define CLI_UPCASTING                                                                    \
	{                                                                                \
		CLI_UPCAST, "upcast", "FILE",                                            \
		    "bring old events into new shapes by the Lua rules in FILE"          \
	}

#define CLI_THREADED                                                                     \
	{                                                                                \
		'j', "threads", "N", "use N threads (default: one a core)"               \
	}
#define CLI_FOLLOW                                                                       \
	{                                                                                \
		'f', "follow", NULL, "go on as events are appended"                      \
	}
#define CLI_REVERSE                                                                      \
	{                                                                                \
		'r', "reverse", NULL, "newest first"                                     \
	}

#define CLI_COMMON                                                                       \
	{'q', "quiet", NULL, "say nothing but errors"},                                  \
	    {'v', "verbose", NULL, "say more"}, {'h', "help", NULL, "show this help"},   \
	{                                                                                \
		'V', "version", NULL, "show the version"                                 \
	}

#define CLI_COLORED                                                                      \
	{                                                                                \
		CLI_COLOR, "color", "WHEN", "auto, always or never"                      \
	}
#define CLI_PROGRESSING                                                                  \
	{CLI_PROGRESS, "progress", NULL, "show progress on a terminal"},                 \
	{                                                                                \
		CLI_NO_PROGRESS, "no-progress", NULL, "do not"                           \
	}

#define CLI_LINES                                                                        \
	{                                                                                \
		CLI_MAX_LINE, "max-line", "BYTES",                                       \
		    "longest line of a FILE (default: 64 MiB)"                           \
	}

/* "1 event", "2 events": cli_plural(n) is what the word ends with. */
#define cli_plural(n) ((n) == 1 ? "" : "s")

/* State of the process that every tool has. */
struct cli {
	const struct cli_tool *tool;
	bool quiet, verbose;
	bool out_tty, err_tty, color, progress;
	uint64_t max_line;	/* 0: the default */
	int64_t started, shown; /* for progress */
};

extern struct cli cli;

void cli_begin(const struct cli_tool *tool);

/* Next option: its id, or -1; optarg and optind as getopt_long.  Options that every tool
 * has are dealt with; a wrong one ends the program with 64. */
int cli_getopt(const struct cli_tool *tool, int argc, char **argv);

/* What stands behind the first "--", which is cut off *argc; NULL: there is none. */
char **cli_command(int *argc, char **argv);

/* Takes a selection option; false: it is none.  A wrong value ends the program. */
bool cli_select(struct evlog_selection *sel, int id, const char *arg);

/* --upcast (upcast.c), and the end of it, if it was given. */
void cli_upcast(struct evlog_selection *sel, const char *path);
void cli_upcast_free(struct evlog_selection *sel);

/* Checks that the selection makes sense; ends the program if not. */
void cli_select_check(const struct evlog_selection *sel);

void cli_select_free(struct evlog_selection *sel);

uint64_t cli_number(const char *option, const char *text, uint64_t min, uint64_t max);
/* Bytes, with K, M or G behind them as multiples of 1024 (KiB or KB as well). */
uint64_t cli_size(const char *option, const char *text, uint64_t max);
double cli_real(const char *option, const char *text);

/* Messages to stderr, with the tool's name, control characters escaped. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
int cli_status(int code);

/* As realloc(3), but ends the program where there is no memory. */
void *cli_resize(void *p, size_t size);

/* Says the error, and ends with its status. */
_Noreturn void cli_fail(const evlog_error *err);

/* Buffered standard output.  A write that fails ends the program with 74; a closed
 * pipe kills it, as it kills cat. */
void cli_out(const char *p, size_t len);
void cli_outs(const char *s);
int cli_out_fn(void *arg, const char *p, size_t len); /* an evlog_write_fn */

/* The same, control characters and what else could harm a terminal escaped there.
 * keep: those that are let through, such as "\n\t". */
void cli_out_safe(const char *p, size_t len, const char *keep);
void cli_flush(void);

/* How many cores this process may use. */
unsigned cli_cores(void);

/* From here on SIGINT and SIGTERM do not end the process: this counts them. */
const volatile sig_atomic_t *cli_stoppable(void);

/* Flushes and closes stdout, and returns the status to end with. */
int cli_end(int status);

/* Lines that cannot be appended, put aside in a file (reject.c). */
struct cli_reject {
	const char *path; /* NULL: nothing is put aside */
	int fd;
	bool unsynced;
};

/* All return 0, or -1 with errno.  Adds a record of a line, as evappend(1) tells: where
 * it stood, what is wrong, itself; and makes durable what was added. */
int cli_reject_open(struct cli_reject *r);
int cli_reject(struct cli_reject *r, const evlog_error *why, const char *name,
    const char *line, size_t len);
int cli_reject_sync(struct cli_reject *r);

/* Syncs a file, and the folder that holds it, so that its name is durable too.  What
 * cannot be synced, such as a pipe, need not be. */
int cli_sync(int fd, const char *path);

/* A line on stderr, now and then: how much of the logs has been read (s may be NULL), and
 * how many events were dealt with (0: not counted). */
void cli_progress(const evlog_stream *s, uint64_t events);
void cli_progress_clear(void);

#endif
