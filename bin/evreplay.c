/* evreplay - deliver events again, in order and in their time. */
#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SPEED = CLI_OWN, MAX_GAP, RATE };

static const struct cli_option options[] = {
    CLI_SELECTION,
    CLI_FOLLOW,
    {0, NULL, NULL, "Pace"},
    {SPEED, "speed", "X",
	"1: as it happened, 10: ten times as fast, 0: at once (default)"},
    {MAX_GAP, "max-gap", "SPAN", "no pause is longer, such as 2s or 500ms"},
    {RATE, "rate", "N", "at most N events a second"},
    CLI_PROGRESSING,
    {0, NULL, NULL, "General"},
    CLI_LINES,
    CLI_COMMON,
    {0},
};

static const struct cli_tool tool = {
    .name = "evreplay",
    .operands = "LOG...",
    .summary =
	"Deliver the events of logs to standard output, in order and in their time.",
    .notes = "--speed goes by the log's time or, with --event-time, the event's.  "
	     "SIGTERM and\n"
	     "SIGINT end it behind a whole line, with status 0.\n",
    .options = options,
};

static const volatile sig_atomic_t *stop;

static int64_t clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Sleeps until `due`, at most a tenth of a second at a time, so that a signal between
 * the look at `stop` and the sleep is not missed for long. */
static void sleep_until(int64_t due)
{
	int64_t left = due - clock_now();

	if (left > 0)
		cli_flush();
	for (; left > 0 && !*stop; left = due - clock_now()) {
		int64_t nap = left > 100000 ? 100000 : left;
		nanosleep(&(struct timespec){.tv_nsec = (long)nap * 1000}, NULL);
	}
}

static void deliver(struct evlog_pace *pace, struct evlog_lines *lines, uint64_t *events)
{
	struct evlog_event e;

	if (pace->speed <= 0 && pace->rate <= 0) {
		cli_out_safe(lines->p, lines->len, "\n");
		return;
	}
	while (!*stop && evlog_lines_take(lines, &e)) {
		sleep_until(evlog_pace_due(pace, &e, clock_now()));
		if (*stop)
			return;
		cli_out_safe(e.line, e.len, "");
		cli_outs("\n");
		++*events;
	}
}

static int replay(evlog_stream *s, struct evlog_pace *pace)
{
	struct evlog_lines lines;
	evlog_error err;
	uint64_t events = 0;
	int r = 0;

	while (!*stop &&
	       ((r = evlog_stream_next(s, &lines, &err)) == 0 || r == EVLOG_WAIT)) {
		if (r == 0) {
			deliver(pace, &lines, &events);
			if (!cli.out_tty)
				cli_progress(s, events);
			continue;
		}
		cli_flush();
		if (evlog_stream_wait(s, &err) < 0)
			cli_fail(&err);
	}
	if (r >= 0)
		return CLI_OK;
	cli_flush();
	cli_say("%s", err.text);
	return cli_status(r);
}

int main(int argc, char **argv)
{
	struct evlog_selection sel;
	struct evlog_pace pace = {.max_gap = -1};
	evlog_stream *s;
	evlog_error err;
	int id;

	cli_begin(&tool);
	evlog_selection_init(&sel);
	while ((id = cli_getopt(&tool, argc, argv)) != -1) {
		if (id == 'E')
			pace.event_time = true; /* of the pace too */
		if (cli_select(&sel, id, optarg))
			continue;
		if (id == SPEED)
			pace.speed = cli_real("speed", optarg);
		else if (id == RATE)
			pace.rate = cli_real("rate", optarg);
		else if (id == MAX_GAP &&
			 evlog_span_parse(optarg, &pace.max_gap, &err) < 0)
			cli_usage("--max-gap %s", err.text);
	}
	if (sel.since != EVLOG_TIME_MIN || sel.until != EVLOG_TIME_MAX || !sel.event_time)
		cli_select_check(&sel);
	if (optind == argc)
		cli_usage("which log?");
	sel.stop = stop = cli_stoppable();
	sel.max_line = cli.max_line;
	if (evlog_stream_open(&s, (const char *const *)argv + optind,
		(size_t)(argc - optind), &sel, &err) < 0)
		cli_fail(&err);
	int status = replay(s, &pace);
	evlog_stream_close(s);
	cli_select_free(&sel);
	return cli_end(status);
}
