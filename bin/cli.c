/* cli.c - what the tools share: options, output, messages, exit status. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define OPTIONS_MAX 64

struct cli cli;

static struct {
	char p[64 << 10];
	size_t len;
} out;

/* ---- Messages ---- */

/* Finds what could make a terminal do more than print: control characters, and marks that
 * reorder text.  Returns the length of the one at p and sets *code, or returns 0 if it is
 * harmless. */
static size_t harmful(const unsigned char *p, size_t len, unsigned *code)
{
	*code = *p;
	if (*p < 0x20 || *p == 0x7f)
		return 1;
	if (*p < 0x80)
		return 0;
	if (*p == 0xc2 && len > 1 && p[1] >= 0x80 && p[1] < 0xa0) {
		*code = p[1];
		return 2;
	}
	if (*p == 0xd8 && len > 1 && p[1] == 0x9c) {
		*code = 0x61c;
		return 2;
	}
	if (*p == 0xe2 && len > 2 && (p[1] == 0x80 || p[1] == 0x81)) {
		*code = 0x2000u + ((p[1] & 1u) << 6) + (p[2] & 63u);
		if ((*code >= 0x200e && *code <= 0x200f) ||
		    (*code >= 0x2028 && *code <= 0x202e) ||
		    (*code >= 0x2066 && *code <= 0x2069))
			return 3;
	}
	return 0;
}

/* The length of a character, or 0: bytes that are not UTF-8 are shown one by one. */
static size_t utf8_length(const unsigned char *p, size_t len)
{
	size_t n = *p < 0x80 ? 1 : *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : *p >= 0xc2 ? 2 : 0;

	if (n > len || *p > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static void put_safe(
    const char *text, size_t len, const char *keep, void (*put)(const char *, size_t))
{
	const unsigned char *p = (const unsigned char *)text;
	char escape[16];
	unsigned code;

	for (size_t i = 0; i < len;) {
		size_t whole = utf8_length(p + i, len - i);
		size_t bad = whole ? harmful(p + i, len - i, &code) : 1;
		if (bad && !(p[i] && p[i] < 0x80 && strchr(keep, p[i]))) {
			int n = whole ? snprintf(escape, sizeof escape, "\\u%04x", code)
				      : snprintf(escape, sizeof escape, "\\x%02x", p[i]);
			put(escape, (size_t)n);
		} else {
			put(text + i, whole ? whole : 1);
		}
		i += bad ? bad : whole;
	}
}

static void put_err(const char *p, size_t len)
{
	fwrite(p, 1, len, stderr);
}

static void say(const char *format, va_list ap)
{
	char text[2048];

	cli_progress_clear();
	vsnprintf(text, sizeof text, format, ap);
	fprintf(stderr, "%s: ", cli.tool->name);
	put_safe(text, strlen(text), "", put_err);
	fputc('\n', stderr);
}

void cli_say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(format, ap);
	va_end(ap);
}

void cli_usage(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(format, ap);
	va_end(ap);
	fprintf(stderr, "Try '%s --help'.\n", cli.tool->name);
	exit(CLI_USAGE);
}

int cli_status(int code)
{
	switch (code) {
	case EVLOG_OK:
	case EVLOG_END: return CLI_OK;
	case EVLOG_ECONFLICT: return CLI_NO;
	case EVLOG_EUSAGE: return CLI_USAGE;
	case EVLOG_EDATA:
	case EVLOG_ENEWER:
	case EVLOG_EPROGRAM:
	case EVLOG_EDAMAGED: return CLI_DATA;
	case EVLOG_ENOINPUT: return CLI_NOINPUT;
	case EVLOG_EAWAY: return CLI_AWAY;
	case EVLOG_ECREATE: return CLI_CREATE;
	case EVLOG_EUNRECORDED:
	case EVLOG_EIO: return CLI_IO;
	case EVLOG_EBUSY: return CLI_AGAIN;
	case EVLOG_EMISMATCH: return CLI_MISMATCH;
	case EVLOG_EPERM: return CLI_PERMISSION;
	default: return CLI_INTERNAL;
	}
}

void cli_fail(const evlog_error *err)
{
	cli_flush();
	cli_say("%s", err->text);
	exit(cli_status(err->code));
}

char **cli_command(int *argc, char **argv)
{
	for (int i = 1; i < *argc; i++)
		if (strcmp(argv[i], "--") == 0) {
			argv[i] = NULL;
			*argc = i;
			return argv + i + 1;
		}
	return NULL;
}

/* ---- Output ---- */

static void write_all(const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			cli_say("standard output: %s", strerror(errno));
			_exit(CLI_IO);
		}
		p += n;
		len -= (size_t)n;
	}
}

void cli_flush(void)
{
	size_t len = out.len;

	out.len = 0;
	write_all(out.p, len);
}

void cli_out(const char *p, size_t len)
{
	if (len == 0)
		return;
	if (len > sizeof out.p - out.len)
		cli_flush();
	if (len > sizeof out.p) {
		write_all(p, len);
		return;
	}
	memcpy(out.p + out.len, p, len);
	out.len += len;
}

void cli_outs(const char *s)
{
	cli_out(s, strlen(s));
}

int cli_out_fn(void *arg, const char *p, size_t len)
{
	(void)arg;
	cli_out(p, len);
	return 0;
}

void cli_out_safe(const char *p, size_t len, const char *keep)
{
	if (cli.out_tty)
		put_safe(p, len, keep, cli_out);
	else
		cli_out(p, len);
}

int cli_end(int status)
{
	cli_progress_clear();
	cli_flush();
	if (close(STDOUT_FILENO) < 0 && errno != EBADF) {
		cli_say("standard output: %s", strerror(errno));
		return CLI_IO;
	}
	return status;
}

/* ---- Options ---- */

#ifndef O_PATH
#define O_PATH (O_RDONLY | O_DIRECTORY)
#endif

/* If a standard descriptor is closed, the next file opened, such as a log, would get its
 * number and be written to.  So open something on it whose use fails. */
static void standards_take(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/", fd == STDIN_FILENO ? O_PATH : O_RDONLY | O_DIRECTORY) < 0)
			_exit(CLI_IO);
}

void cli_begin(const struct cli_tool *tool)
{
	static char message[1 << 14]; /* so that each message is a single write */
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	standards_take();
	setvbuf(stderr, message, _IOLBF, sizeof message);
	signal(SIGXFSZ, SIG_IGN); /* exceeding a file-size limit is an error to report */
	signal(SIGCHLD, SIG_DFL); /* if ignored, it would hide how a command ended */
	cli.tool = tool;
	cli.out_tty = isatty(STDOUT_FILENO);
	cli.err_tty = isatty(STDERR_FILENO);
	cli.color =
	    cli.out_tty && !(no_color && *no_color) && term && strcmp(term, "dumb");
	cli.progress = cli.err_tty;
	cli.started = evlog_now();
}

/* Exits after printing with stdio. */
_Noreturn static void printed_exit(void)
{
	if (fflush(stdout) == 0)
		exit(CLI_OK);
	cli_say("standard output: %s", strerror(errno));
	_exit(CLI_IO);
}

static void help(const struct cli_tool *t)
{
	char left[64];

	printf("Usage: %s [OPTION...] %s\n%s\n", t->name, t->operands, t->summary);
	for (const struct cli_option *o = t->options; o->help; o++) {
		if (!o->name) {
			printf("\n%s:\n", o->help);
			continue;
		}
		int n = o->id < 256
			    ? snprintf(left, sizeof left, "  -%c, --%s", o->id, o->name)
			    : snprintf(left, sizeof left, "      --%s", o->name);
		if (o->arg)
			snprintf(left + n, sizeof left - (size_t)n, "%s%s",
			    *o->arg == '[' ? "" : " ", o->arg);
		printf(strlen(left) > 27 ? "%s\n%28s%s\n" : "%-28s%.0s%s\n", left, "",
		    o->help);
	}
	if (t->notes)
		printf("\n%s", t->notes);
	printed_exit();
}

static bool common_option(int id, const char *arg)
{
	switch (id) {
	case 'q': cli.quiet = true; return true;
	case 'v': cli.verbose = true; return true;
	case 'h': help(cli.tool); return true;
	case 'V':
		printf("%s (evlog) %s\n", cli.tool->name, EVLOG_VERSION);
		printed_exit();
	case CLI_PROGRESS: cli.progress = cli.err_tty; return true;
	case CLI_NO_PROGRESS: cli.progress = false; return true;
	case CLI_MAX_LINE:
		cli.max_line = cli_size("max-line", arg, EVLOG_MAX_EVENT);
		return true;
	case CLI_COLOR:
		if (strcmp(arg, "always") == 0)
			cli.color = true;
		else if (strcmp(arg, "never") == 0)
			cli.color = false;
		else if (strcmp(arg, "auto") != 0)
			cli_usage("--color %s: must be auto, always or never", arg);
		return true;
	default: return false;
	}
}

/* How many long options start with a word such as --so. */
static size_t beginnings(const struct option *longs, const char *word)
{
	size_t len = strcspn(word + 2, "="), n = 0;

	for (; longs->name; longs++)
		n += strncmp(longs->name, word + 2, len) == 0;
	return n;
}

/* Refuses a second value for an option that has one, rather than ignoring the first. */
static void twice_refuse(const struct cli_tool *tool, int id)
{
	static bool given[OPTIONS_MAX];
	size_t i = 0;

	while (tool->options[i].id != id || !tool->options[i].name)
		i++;
	const struct cli_option *o = &tool->options[i];
	if (given[i] && o->arg && !strstr(o->arg, "..."))
		cli_usage("--%s: given twice", o->name);
	given[i] = true;
}

int cli_getopt(const struct cli_tool *tool, int argc, char **argv)
{
	static struct option longs[OPTIONS_MAX];
	static char shorts[3 * OPTIONS_MAX];
	size_t n = 0;
	char *s = shorts;

	if (!longs[0].name) {
		*s++ = ':';
		for (const struct cli_option *o = tool->options; o->help; o++) {
			int has = !o->arg	   ? no_argument
				  : *o->arg == '[' ? optional_argument
						   : required_argument;
			if (!o->name || n + 1 == OPTIONS_MAX)
				continue;
			longs[n++] = (struct option){o->name, has, NULL, o->id};
			if (o->id < 256) {
				*s++ = (char)o->id;
				if (has != no_argument)
					*s++ = ':';
			}
		}
	}
	for (;;) {
		int id = getopt_long(argc, argv, shorts, longs, NULL);
		if (id == ':')
			cli_usage("%s: a value is required", argv[optind - 1]);
		if (id == '?' && strncmp(argv[optind - 1], "--", 2) != 0)
			cli_usage("-%c: unknown option", optopt);
		if (id == '?' && optopt)
			cli_usage("%s: this option takes no value", argv[optind - 1]);
		if (id == '?')
			cli_usage("%s: %s", argv[optind - 1],
			    beginnings(longs, argv[optind - 1]) > 1 ? "ambiguous option"
								    : "unknown option");
		if (id >= 0)
			twice_refuse(tool, id);
		if (id < 0 || !common_option(id, optarg))
			return id;
	}
}

void *cli_resize(void *p, size_t size)
{
	void *more = realloc(p, size);

	if (!more) {
		cli_say("out of memory");
		exit(CLI_IO);
	}
	return more;
}

static void add_glob(const char *const **list, size_t *n, const char *glob)
{
	const char **all = cli_resize((void *)(uintptr_t)*list, (*n + 1) * sizeof *all);

	all[(*n)++] = glob;
	*list = all;
}

static void time_option(
    const char *text, enum evlog_edge edge, int64_t *t, struct evlog_digits *digits)
{
	evlog_error err;

	if (evlog_time_parse(text, evlog_now(), edge, t, digits, &err) < 0)
		cli_usage("%s", err.text);
}

bool cli_select(struct evlog_selection *sel, int id, const char *arg)
{
	switch (id) {
	case CLI_FROM: sel->from = cli_number("from", arg, 1, CLI_SEQ_MAX); break;
	case CLI_TO: sel->to = cli_number("to", arg, 1, CLI_SEQ_MAX); break;
	case 'S': time_option(arg, EVLOG_SINCE, &sel->since, &sel->since_digits); break;
	case 'U': time_option(arg, EVLOG_UNTIL, &sel->until, &sel->until_digits); break;
	case 'E': sel->event_time = true; break;
	case 't': add_glob(&sel->type, &sel->types, arg); break;
	case 's': add_glob(&sel->subject, &sel->subjects, arg); break;
	case CLI_SOURCE: add_glob(&sel->source, &sel->sources, arg); break;
	case CLI_ID: add_glob(&sel->id, &sel->ids, arg); break;
	case 'w': add_glob(&sel->where, &sel->wheres, arg); break;
	case 'F': sel->fixed = true; break;
	case 'n': sel->last = cli_number("last", arg, 1, CLI_SEQ_MAX); break;
	case 'c': sel->count = cli_number("count", arg, 1, CLI_SEQ_MAX); break;
	case 'm': sel->merge = true; break;
	case 'f': sel->follow = true; break;
	case 'r': sel->reverse = true; break;
	case CLI_SALVAGE: sel->salvage = true; break;
	case CLI_NO_INDEX: sel->no_index = true; break;
	default: return false;
	}
	return true;
}

void cli_select_check(const struct evlog_selection *sel)
{
	if (sel->follow && sel->reverse)
		cli_usage("--follow and --reverse cannot be combined");
	if (sel->event_time && sel->since == EVLOG_TIME_MIN &&
	    sel->until == EVLOG_TIME_MAX)
		cli_usage("--event-time needs --since or --until");
}

void cli_select_free(struct evlog_selection *sel)
{
	free((void *)(uintptr_t)sel->type);
	free((void *)(uintptr_t)sel->subject);
	free((void *)(uintptr_t)sel->source);
	free((void *)(uintptr_t)sel->id);
	free((void *)(uintptr_t)sel->where);
}

int64_t cli_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

unsigned cli_cores(void)
{
#ifdef __linux__ /* the cores that this process may use */
	cpu_set_t set;
	return sched_getaffinity(0, sizeof set, &set) < 0 ? 1 : (unsigned)CPU_COUNT(&set);
#else
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : (unsigned)n;
#endif
}

/* ---- Signals ---- */

static volatile sig_atomic_t stop_asked;

static void on_stop(int sig)
{
	(void)sig;
	if (stop_asked < 2)
		stop_asked++;
}

const volatile sig_atomic_t *cli_stoppable(void)
{
	struct sigaction a = {.sa_handler = on_stop};

	sigemptyset(&a.sa_mask);
	sigaction(SIGTERM, &a, NULL);
	sigaction(SIGINT, &a, NULL);
	return &stop_asked;
}

/* ---- Progress ---- */

void cli_progress(const evlog_stream *s, uint64_t events)
{
	uint64_t done = 0, total = 0;

	if (!cli.progress || cli.quiet)
		return;
	int64_t now = evlog_now();
	if (now - cli.started < 1000000 || now - cli.shown < 200000)
		return;
	cli.shown = now;
	if (s)
		evlog_stream_progress(s, &done, &total);
	fputs("\r\033[K", stderr);
	if (total)
		fprintf(stderr, "%3.0f%%", 100.0 * (double)done / (double)total);
	if (events)
		fprintf(stderr, "  %" PRIu64 " events, %.0f/s", events,
		    (double)events / ((double)(now - cli.started) / 1e6));
	fflush(stderr);
}

void cli_progress_clear(void)
{
	if (!cli.shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	cli.shown = 0;
}

void cli_notice(void *arg, const char *text)
{
	(void)arg;
	if (!cli.quiet)
		cli_say("%s", text);
}

void cli_remarks(evlog_stream *s)
{
	evlog_stream_remarks(s, cli_notice, NULL);
}

void cli_pipe_grow(void)
{
#ifdef F_SETPIPE_SZ
	(void)fcntl(STDOUT_FILENO, F_SETPIPE_SZ, 1 << 20); /* not a pipe: no matter */
#endif
}

void cli_trimmed(const evlog_stream *s)
{
	uint64_t first;
	const char *path = evlog_stream_trimmed(s, &first);

	if (path && !cli.quiet)
		cli_say("%s: begins with event %" PRIu64
			"; those before it have been removed",
		    path, first);
}
