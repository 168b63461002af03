/* evreplay - deliver events again, in order and in their time, or to a command. */
#include "cli.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	SPEED = CLI_OWN,
	MAX_GAP,
	RATE,
	BATCH,
	LINGER,
	CHECKPOINT,
	ACCEPT_CHANGE,
	EMIT,
	LINE_BY_LINE,
	RETRY,
	BACKOFF,
	TIMEOUT,
	DEAD_LETTER,
	DEAD_LETTERS,
	KEY,
	SHARD,
	STATUS,
	RESET_TO,
	DRY_RUN,
	UPCAST_LINT
};

static const struct cli_option options[] = {
    CLI_SELECTION,
    CLI_FOLLOW,
    CLI_UPCASTING,
    {DEAD_LETTERS, "dead-letters", NULL, "deliver the events in the dead letters of LOG"},
    {0, NULL, NULL, "Pace"},
    {SPEED, "speed", "X",
	"1: original speed, 10: ten times as fast, 0: no pauses (default)"},
    {MAX_GAP, "max-gap", "SPAN", "longest pause, such as 2s or 500ms"},
    {RATE, "rate", "N", "at most N events per second"},
    {0, NULL, NULL, "To a COMMAND"},
    {BATCH, "batch", "N", "events for each run of COMMAND (default: 1000)"},
    {LINGER, "linger", "MS", "with --follow, wait up to MS for a batch to fill"},
    {CHECKPOINT, "checkpoint", "FILE",
	"continue from the position in FILE, and update it"},
    {ACCEPT_CHANGE, "accept-change", NULL, "accept a --checkpoint of another selection"},
    {EMIT, "emit", "LOG", "append the events that COMMAND prints, exactly once"},
    {LINE_BY_LINE, "line-by-line", NULL,
	"COMMAND answers each event with one line, which may be blank"},
    {RETRY, "retry", "N", "retry a failed batch N times (default: 2)"},
    {BACKOFF, "backoff", "SPAN",
	"pause before the first retry, then doubled (default: 200ms)"},
    {TIMEOUT, "timeout", "SPAN", "end a run that takes longer, and treat it as failed"},
    {DEAD_LETTER, "dead-letter", "LOG",
	"append events that keep failing to LOG; continue"},
    {'j', "threads", "N", "run N COMMANDs at once; events of a key stay in order"},
    {KEY, "key", "PATH", "path of the key (default: subject)"},
    {SHARD, "shard", "I/N", "only shard I of N, divided by key"},
    {0, NULL, NULL, "Instead of delivering"},
    {STATUS, "status", NULL, "show how far the --checkpoint is behind LOG"},
    {'o', "output", "FORM", "format of --status: text (default) or json"},
    {RESET_TO, "reset-to", "WHERE", "set the --checkpoint to this seq or time"},
    {DRY_RUN, "dry-run", NULL, "only show what --reset-to would do"},
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
    .operands = "LOG... [-- COMMAND [ARG...]]",
    .summary = "Deliver the events of logs to standard output, in order and at a chosen\n"
	       "pace, or in batches to the standard input of COMMAND.",
    .notes =
	"COMMAND must exit with status 0 once it has processed a batch; 69 or 75 mean "
	"that\n"
	"a service is unavailable.  EVLOG_FROM, EVLOG_TO, EVLOG_COUNT, EVLOG_ATTEMPT "
	"and\n"
	"EVLOG_SHARD are in its environment.  On SIGTERM or SIGINT, evreplay exits with\n"
	"status 0 after a whole line or once the current batches are done.\n"
	"\n"
	"  evreplay -f -t OrderCreated --checkpoint c.pos --emit LOG LOG -- ./credit\n",
    .options = options,
};

struct replay {
	struct evlog_selection sel;
	struct evlog_pace_options pace;
	struct evlog_consumer_options consumer;
	evlog_dead_letters *letters;
	const char *reset_to;
	bool dead_letters, status, json, dry, lint, paced, consuming;
};

/* ---- To standard output ---- */

static const volatile sig_atomic_t *stop;

static int64_t clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Sleeps until `due`, at most 0.1 s at a time: a signal between the check of `stop` and
 * the sleep must not go unnoticed for long. */
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

static void deliver(const struct evlog_pace_options *o, struct evlog_pace *pace,
    struct evlog_lines *lines, uint64_t *events)
{
	struct evlog_event e;

	if (o->speed <= 0 && o->rate <= 0) {
		cli_out_safe(lines->p, lines->len, "\n");
		return;
	}
	while (!*stop && evlog_lines_take(lines, &e)) {
		sleep_until(evlog_pace_due(o, pace, &e, clock_now()));
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

	if (p->lint && p->sel.map != evlog_upcast)
		cli_usage("--upcast-lint needs --upcast FILE");
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
	p->sel.map = evlog_upcast;
	return status ? status : found;
}

/* ---- To a command ---- */

static void notice(void *arg, const char *text)
{
	(void)arg;
	if (!cli.quiet)
		cli_say("%s", text);
}

static void show_progress(void *arg, const evlog_stream *s, uint64_t events)
{
	(void)arg;
	cli_progress(s, events);
}

static int to_command(struct replay *p, char **logs, int n)
{
	struct evlog_consumer_options *c = &p->consumer;
	struct evlog_consumed done;
	evlog_error err;

	c->say = notice;
	c->progress = show_progress;
	int r =
	    evlog_consume(c, (const char *const *)logs, (size_t)n, &p->sel, &done, &err);
	cli_progress_clear();
	if (done.dead && !cli.quiet)
		cli_say("%" PRIu64 " event%s could not be processed; see %s", done.dead,
		    cli_plural(done.dead), c->dead_letter);
	if (done.uncaused && !cli.quiet)
		cli_say("%" PRIu64 " emitted event%s could not be assigned a cause; see "
			"--line-by-line",
		    done.uncaused, cli_plural(done.uncaused));
	if (cli.verbose && c->emit)
		cli_say("%" PRIu64 " event%s emitted", done.emitted,
		    cli_plural(done.emitted));
	if (cli.verbose)
		cli_say("%" PRIu64 " event%s processed in %" PRIu64 " run%s", done.events,
		    cli_plural(done.events), done.runs, cli_plural(done.runs));
	if (r < 0)
		cli_say("%s", err.text);
	return cli_status(r);
}

/* ---- Checkpoints ---- */

static int show_status(const struct replay *p, const char *log)
{
	struct evlog_lag lag;
	evlog_error err;
	char written[28], text[512];

	if (evlog_checkpoint_lag(
		&lag, p->consumer.checkpoint, log, p->sel.max_line, &err) < 0)
		cli_fail(&err);
	/* the log may hold any time: integers could overflow */
	double seconds = lag.oldest == EVLOG_TIME_MAX || lag.oldest == EVLOG_TIME_MIN
			     ? 0
			     : ((double)evlog_now() - (double)lag.oldest) / 1e6;
	evlog_time_format(lag.written, written);
	if (p->json)
		snprintf(text, sizeof text,
		    "{\"log\":\"%s\",\"seq\":%" PRIu64 ",\"last\":%" PRIu64
		    ",\"lag\":{\"events\":%" PRIu64
		    ",\"seconds\":%.3f},\"written\":\"%s\"}\n",
		    lag.at.log, lag.at.seq, lag.last, lag.events, seconds, written);
	else if (lag.events)
		snprintf(text, sizeof text,
		    "at event %" PRIu64 " of %" PRIu64 ", %" PRIu64
		    " behind, the oldest of them %.3f s old; written %s\n",
		    lag.at.seq, lag.last, lag.events, seconds, written);
	else
		snprintf(text, sizeof text,
		    "at event %" PRIu64 ", the last; written %s\n", lag.at.seq, written);
	cli_outs(text);
	return CLI_OK;
}

static int reset(const struct replay *p, const char *log)
{
	struct evlog_reset_options o = {.size = sizeof o,
	    .event_time = p->sel.event_time,
	    .max_line = p->sel.max_line,
	    .dry = p->dry};
	uint64_t from, to;
	evlog_error err;
	char text[200];

	if (strspn(p->reset_to, "0123456789") == strlen(p->reset_to))
		o.seq = cli_number("reset-to", p->reset_to, 1, UINT64_C(1) << 53);
	if (o.seq && p->sel.event_time)
		cli_usage("--event-time needs a time in --reset-to, not a seq");
	if (!o.seq && evlog_time_parse(p->reset_to, evlog_now(), EVLOG_SINCE, &o.time,
			  &o.digits, &err) < 0)
		cli_usage("--reset-to: neither a seq nor a time: %s", err.text);
	if (evlog_checkpoint_reset(p->consumer.checkpoint, log, &o, &from, &to, &err) < 0)
		cli_fail(&err);
	snprintf(text, sizeof text, "the next event %s %" PRIu64 "; it %s %" PRIu64 "\n",
	    p->dry ? "would be" : "is now", to, p->dry ? "is" : "was", from);
	cli_outs(text);
	return CLI_OK;
}

/* ---- Options ---- */

static int64_t span(const char *option, const char *text)
{
	int64_t us;
	evlog_error err;

	if (evlog_span_parse(text, &us, &err) < 0)
		cli_usage("--%s %s", option, err.text);
	return us;
}

static void shard(struct evlog_consumer_options *c, const char *text)
{
	int end = 0;

	if (sscanf(text, "%9u/%9u%n", &c->shard, &c->shards, &end) != 2 || text[end] ||
	    c->shard < 1 || c->shard > c->shards || c->shards > 100000)
		cli_usage("--shard %s: must be I/N, such as 2/8", text);
}

static void option_take(struct replay *p, int id, const char *arg)
{
	struct evlog_consumer_options *c = &p->consumer;

	p->consuming |=
	    id >= BATCH && id <= SHARD && id != CHECKPOINT && id != DEAD_LETTERS;
	p->paced |= id >= SPEED && id <= RATE;
	switch (id) {
	case 'f': p->sel.follow = true; break;
	case 'o':
		p->json = strcmp(arg, "json") == 0;
		if (!p->json && strcmp(arg, "text") != 0)
			cli_usage("--output %s: must be text or json", arg);
		break;
	case 'j': c->workers = (unsigned)cli_number("threads", arg, 1, 256); break;
	case CLI_UPCAST: cli_upcast(&p->sel, arg); break;
	case SPEED: p->pace.speed = cli_real("speed", arg); break;
	case MAX_GAP:
		p->pace.max_gap = span("max-gap", arg);
		p->pace.max_gap = p->pace.max_gap ? p->pace.max_gap : -1;
		break;
	case RATE: p->pace.rate = cli_real("rate", arg); break;
	case BATCH: c->batch = cli_number("batch", arg, 1, 1000000); break;
	case LINGER:
		c->linger = 1000 * (int64_t)cli_number("linger", arg, 0, 3600000);
		break;
	case CHECKPOINT: c->checkpoint = arg; break;
	case ACCEPT_CHANGE: c->accept_change = true; break;
	case EMIT: c->emit = arg; break;
	case LINE_BY_LINE: c->line_by_line = true; break;
	case RETRY: c->retry = (unsigned)cli_number("retry", arg, 0, 1000000); break;
	case BACKOFF: c->backoff = span("backoff", arg); break;
	case TIMEOUT: c->timeout = span("timeout", arg); break;
	case DEAD_LETTER: c->dead_letter = arg; break;
	case DEAD_LETTERS: p->dead_letters = true; break;
	case KEY: c->key = arg; break;
	case SHARD: shard(c, arg); break;
	case STATUS: p->status = true; break;
	case RESET_TO: p->reset_to = arg; break;
	case DRY_RUN: p->dry = true; break;
	case UPCAST_LINT: p->lint = true; break;
	}
}

/* Exits if options do not go together. */
static void options_check(const struct replay *p, int logs)
{
	const struct evlog_consumer_options *c = &p->consumer;
	const struct evlog_selection *s = &p->sel;
	bool aside = p->status || p->reset_to;

	if (c->command && !*c->command)
		cli_usage("no COMMAND given after --");
	if (logs == 0)
		cli_usage("no LOG given");
	if (aside && (!c->checkpoint || logs != 1))
		cli_usage("--status and --reset-to need --checkpoint FILE and one LOG");
	if (aside && c->command)
		cli_usage("--status and --reset-to cannot be combined with a COMMAND");
	if (aside &&
	    (s->types || s->subjects || s->sources || s->ids || s->wheres || s->from ||
		s->to || s->last || s->count || s->follow || s->merge ||
		s->since != EVLOG_TIME_MIN || s->until != EVLOG_TIME_MAX))
		cli_usage("--status and --reset-to cannot be combined with a selection");
	if (p->dry && !p->reset_to)
		cli_usage("--dry-run needs --reset-to");
	if (!c->command && !aside && (p->consuming || c->checkpoint))
		cli_usage("no COMMAND given; put it at the end, after --");
	if (c->command && p->paced)
		cli_usage(
		    "--speed, --max-gap and --rate cannot be combined with a COMMAND");
	if (c->command && s->last && (s->map || p->dead_letters))
		cli_usage("--last cannot be combined with a COMMAND and --upcast or "
			  "--dead-letters; without the COMMAND, it can: put another "
			  "evreplay - -- COMMAND after a pipe");
	if (c->accept_change && !c->checkpoint)
		cli_usage("--accept-change needs --checkpoint FILE");
	if (c->line_by_line && !c->emit)
		cli_usage("--line-by-line needs --emit LOG");
	if (c->emit && !c->checkpoint)
		cli_usage("--emit needs --checkpoint FILE");
	if (c->checkpoint && logs != 1)
		cli_usage("--checkpoint needs a single LOG");
	if (c->checkpoint && (p->sel.last || p->sel.count))
		cli_usage("--last and --count cannot be combined with --checkpoint");
}

int main(int argc, char **argv)
{
	struct replay p = {.pace = {.size = sizeof p.pace},
	    .consumer = {.size = sizeof p.consumer, .retry = 2, .backoff = 200000}};
	evlog_map_fn *map;
	void *map_arg;
	evlog_error err;
	int id, status;

	cli_begin(&tool);
	p.consumer.command = (const char *const *)cli_command(&argc, argv);
	evlog_selection_init(&p.sel);
	while ((id = cli_getopt(&tool, argc, argv)) != -1)
		if (!cli_select(&p.sel, id, optarg))
			option_take(&p, id, optarg);
	p.pace.event_time = p.sel.event_time; /* applies to the pace too */
	if (p.sel.since != EVLOG_TIME_MIN || p.sel.until != EVLOG_TIME_MAX ||
	    !p.sel.event_time)
		cli_select_check(&p.sel);
	options_check(&p, argc - optind);
	p.sel.stop = stop = cli_stoppable();
	p.sel.max_line = cli.max_line;
	map = p.sel.map;
	map_arg = p.sel.map_arg;
	if (p.dead_letters) {
		if (evlog_dead_letters_new(&p.letters, map, map_arg, &err) < 0)
			cli_fail(&err);
		p.sel.map = evlog_dead_letter_unwrap;
		p.sel.map_arg = p.letters;
	}
	if (p.status)
		status = show_status(&p, argv[optind]);
	else if (p.reset_to)
		status = reset(&p, argv[optind]);
	else if (p.consumer.command)
		status = to_command(&p, argv + optind, argc - optind);
	else
		status = to_stdout(&p, argv + optind, argc - optind);
	p.sel.map = map;
	p.sel.map_arg = map_arg;
	evlog_dead_letters_free(p.letters);
	cli_upcast_free(&p.sel);
	cli_select_free(&p.sel);
	return cli_end(status);
}
