/* evreplay - deliver events again, in order and in their time. */
#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SPEED = CLI_OWN, MAX_GAP, RATE, UPCAST_LINT };

static const struct cli_option options[] = {
    CLI_SELECTION,
    CLI_FOLLOW,
    CLI_UPCASTING,
    CLI_UNWRAPPING,
    {0, NULL, NULL, "Pace"},
    {SPEED, "speed", "X",
	"1: original speed, 10: ten times as fast, 0: no pauses (default)"},
    {MAX_GAP, "max-gap", "SPAN", "longest pause, such as 2s or 500ms"},
    {RATE, "rate", "N", "at most N events per second"},
    {0, NULL, NULL, "Instead of delivering"},
    {UPCAST_LINT, "upcast-lint", NULL,
	"show the types in LOG and the rules that apply to each"},
    CLI_PROGRESSING,
    {0, NULL, NULL, "General"},
    CLI_LINES,
    CLI_COMMON,
    {0},
};

static const struct cli_tool tool = {
    .name = "evreplay",
    .operands = "LOG...",
    .summary = "Deliver the events of logs to standard output, in order and at a chosen\n"
	       "pace.",
    .notes = "On SIGTERM or SIGINT, evreplay exits with status 0 after a whole line.\n"
	     "evrun hands events to a command, and remembers how far it has come.\n"
	     "\n"
	     "  evreplay -E --speed 10 --max-gap 2s LOG\n"
	     "  evreplay --rate 100 -t OrderPaid LOG | ./charge\n",
    .options = options,
};

struct replay {
	struct evlog_selection sel;
	struct evlog_pace_options pace;
	bool dead_letters, lint, paced;
};

/* ---- To standard output ---- */

static const volatile sig_atomic_t *stop;

/* Sleeps until `due`, at most 0.1 s at a time: a signal between the check of `stop` and
 * the sleep must not go unnoticed for long. */
static void sleep_until(int64_t due)
{
	int64_t left = due - cli_clock();

	if (left > 0)
		cli_flush();
	for (; left > 0 && !*stop; left = due - cli_clock()) {
		int64_t nap = left > 100000 ? 100000 : left;
		nanosleep(&(struct timespec){.tv_nsec = (long)nap * 1000}, NULL);
	}
}

static void deliver(const struct evlog_pace_options *o, struct evlog_pace *pace,
    struct evlog_lines *lines, uint64_t *events)
{
	struct evlog_event e;

	if (o->speed <= 0 && o->rate <= 0) {
		cli_out_safe(lines->p, lines->len, "\n");
		return;
	}
	while (!*stop && evlog_lines_take(lines, &e)) {
		sleep_until(evlog_pace_due(o, pace, &e, cli_clock()));
		if (*stop)
			return;
		cli_out_safe(e.line, e.len, "");
		cli_outs("\n");
		++*events;
	}
}

/* Delivers events, or, if u is not NULL, only examines them. */
static int replay(evlog_stream *s, const struct evlog_pace_options *o, evlog_upcaster *u)
{
	struct evlog_pace pace = {0};
	struct evlog_lines lines;
	evlog_error err;
	uint64_t events = 0;
	int r = 0;

	while (!*stop &&
	       ((r = evlog_stream_next(s, &lines, &err)) == 0 || r == EVLOG_WAIT)) {
		if (r == 0 && u && evlog_upcast_look(u, &lines, &err) < 0)
			cli_fail(&err);
		if (r == 0 && !u)
			deliver(o, &pace, &lines, &events);
		if (r == 0 && !cli.out_tty)
			cli_progress(s, events);
		if (r == 0)
			continue;
		cli_flush();
		if (evlog_stream_wait(s, 500, &err) < 0)
			cli_fail(&err);
	}
	if (r >= 0)
		return CLI_OK;
	cli_flush();
	cli_say("%s", err.text);
	return cli_status(r);
}

/* Prints a line for each route through the rules: how many events, the types, the first
 * event. */
static int lint_print(evlog_upcaster *u)
{
	struct evlog_route route = {0};
	char text[64];
	int status = CLI_OK;

	while (evlog_upcast_route(u, &route)) {
		snprintf(text, sizeof text, "%10" PRIu64 "  %s", route.count,
		    route.failed ? "FAIL  " : "ok    ");
		cli_outs(text);
		cli_out_safe(route.text, strlen(route.text), "");
		snprintf(
		    text, sizeof text, "  (first at event %" PRIu64 ")\n", route.first);
		cli_outs(route.failed ? text : "\n");
		if (route.failed)
			status = CLI_NO;
	}
	return status;
}

static int to_stdout(struct replay *p, char **logs, int n)
{
	evlog_upcaster *u = p->lint ? p->sel.map_arg : NULL;
	evlog_stream *s;
	evlog_error err;

	if (p->lint)
		p->sel.map = NULL;
	if (evlog_stream_open(&s, (const char *const *)logs, (size_t)n, &p->sel, &err) <
	    0)
		cli_fail(&err);
	cli_trimmed(s);
	int status = replay(s, &p->pace, u);
	cli_remarks(s);
	evlog_stream_close(s);
	if (!u)
		return status;
	int found = lint_print(u);
	return status ? status : found;
}

/* ---- Options ---- */

static void option_take(struct replay *p, int id, const char *arg)
{
	p->paced |= id >= SPEED && id <= RATE;
	switch (id) {
	case 'f': p->sel.follow = true; break;
	case CLI_UPCAST: cli_upcast(&p->sel, arg); break;
	case CLI_DEAD_LETTERS: p->dead_letters = true; break;
	case SPEED: p->pace.speed = cli_real("speed", arg); break;
	case MAX_GAP:
		p->pace.max_gap = cli_span("max-gap", arg);
		p->pace.max_gap = p->pace.max_gap ? p->pace.max_gap : -1;
		break;
	case RATE: p->pace.rate = cli_real("rate", arg); break;
	case UPCAST_LINT: p->lint = true; break;
	}
}

/* Until this version, evreplay ran commands.  Becomes evrun, which takes the same
 * options, if it is asked for that. */
static void hand_over(char **argv)
{
	char path[4096];
	bool asked = false, quiet = false;

	for (char **a = argv + 1; *a && strcmp(*a, "--") != 0; a++)
		quiet |= strcmp(*a, "-q") == 0 || strcmp(*a, "--quiet") == 0;
	for (char **a = argv + 1; *a && !asked; a++)
		asked = strcmp(*a, "--") == 0 || strncmp(*a, "--checkpoint", 12) == 0;
	if (!asked)
		return;
	if (!quiet)
		cli_say("running a command is the task of evrun now; the next version "
			"of evreplay will refuse it");
	ssize_t n = readlink("/proc/self/exe", path, sizeof path);
	char *slash = n > 0 ? memrchr(path, '/', (size_t)n) : NULL;
	if (slash && slash + sizeof "/evrun" <= path + sizeof path) {
		strcpy(slash, "/evrun");
		execv(path, argv);
	}
	execvp("evrun", argv);
	cli_say("evrun: %s", strerror(errno));
	exit(CLI_AWAY);
}

int main(int argc, char **argv)
{
	struct replay p = {.pace = {.size = sizeof p.pace}};
	int id;

	cli_begin(&tool);
	hand_over(argv);
	evlog_selection_init(&p.sel);
	while ((id = cli_getopt(&tool, argc, argv)) != -1)
		if (!cli_select(&p.sel, id, optarg))
			option_take(&p, id, optarg);
	p.pace.event_time = p.sel.event_time; /* applies to the pace too */
	if (p.sel.since != EVLOG_TIME_MIN || p.sel.until != EVLOG_TIME_MAX ||
	    !p.sel.event_time)
		cli_select_check(&p.sel);
	if (optind == argc)
		cli_usage("no LOG given");
	argc = optind + cli_archives(argv + optind, argc - optind);
	if (p.lint && !p.sel.map)
		cli_usage("--upcast-lint needs --upcast FILE");
	if (p.lint && (p.dead_letters || p.paced))
		cli_usage(
		    "--upcast-lint cannot be combined with --dead-letters or a pace");
	p.sel.stop = stop = cli_stoppable();
	p.sel.max_line = cli.max_line;
	if (p.dead_letters)
		cli_dead_letters(&p.sel);
	if (!p.paced)
		cli_pipe_grow();
	int status = to_stdout(&p, argv + optind, argc - optind);
	cli_upcast_free();
	cli_select_free(&p.sel);
	return cli_end(status);
}
