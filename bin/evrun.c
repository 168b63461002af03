/* evrun - hand events to a command, batch by batch. */
#include "cli.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	BATCH = CLI_OWN, /* from here to SHARD: for a COMMAND */
	LINGER,
	ACCEPT_CHANGE,
	EMIT,
	LINE_BY_LINE,
	RETRY,
	BACKOFF,
	TIMEOUT,
	DEAD_LETTER,
	KEY,
	SHARD,
	CHECKPOINT,
	STATUS,
	RESET_TO,
	DRY_RUN,
	AWAIT,
	RESHARD
};

static const struct cli_option options[] = {
    CLI_SELECTION,
    CLI_FOLLOW,
    CLI_UPCASTING,
    CLI_UNWRAPPING,
    {0, NULL, NULL, "Position"},
    {CHECKPOINT, "checkpoint", "FILE",
	"continue from the position in FILE, and update it; % stands\n"
	"                            for the --shard, such as 1of2; with\n"
	"                            sqlite:FILE[:TABLE], --status and --await look at a "
	"table"},
    {ACCEPT_CHANGE, "accept-change", NULL,
	"accept a --checkpoint of another selection, or of other logs"},
    {STATUS, "status", NULL, "show how far the --checkpoint is behind LOG"},
    {'o', "output", "FORM", "format of --status: text (default) or json"},
    {AWAIT, "await", "N", "wait until the --checkpoint has reached seq N"},
    {RESET_TO, "reset-to", "WHERE",
	"set the --checkpoint to this seq or time, or to the end"},
    {RESHARD, "reshard", "M",
	"divide the shards anew, into M: their --checkpoint has a %"},
    {DRY_RUN, "dry-run", NULL, "only show what --reset-to would do"},
    {0, NULL, NULL, "Batches"},
    {BATCH, "batch", "N", "events for each run of COMMAND (default: 1000)"},
    {LINGER, "linger", "MS", "with --follow, wait up to MS for a batch to fill"},
    {'j', "threads", "N", "run N COMMANDs at once; events of a key stay in order"},
    {KEY, "key", "PATH", "path of the key (default: subject)"},
    {SHARD, "shard", "I/N", "only shard I of N, divided by key"},
    {0, NULL, NULL, "Output"},
    {EMIT, "emit", "LOG", "append the events that COMMAND prints, exactly once"},
    {LINE_BY_LINE, "line-by-line", NULL,
	"COMMAND answers each event with one line, which may be blank"},
    {0, NULL, NULL, "Failures"},
    {RETRY, "retry", "N", "retry a failed batch N times (default: 2)"},
    {BACKOFF, "backoff", "SPAN",
	"pause before the first retry, then doubled (default: 200ms)"},
    {TIMEOUT, "timeout", "SPAN",
	"end a run that takes longer, and treat it as failed; or the\n"
	"                            patience of --await (default: 10s)"},
    {DEAD_LETTER, "dead-letter", "LOG",
	"append events that keep failing to LOG; continue"},
    CLI_PROGRESSING,
    {0, NULL, NULL, "General"},
    CLI_LINES,
    CLI_COMMON,
    {0},
};

static const struct cli_tool tool = {
    .name = "evrun",
    .operands = "LOG... -- COMMAND [ARG...]",
    .summary = "Hand the events of logs, in batches, to the standard input of COMMAND.",
    .notes =
	"COMMAND must exit with status 0 once it has processed a batch; 69 or 75 mean "
	"that\n"
	"a service is unavailable.  EVLOG_FROM, EVLOG_TO, EVLOG_COUNT, EVLOG_ATTEMPT, "
	"EVLOG_SHARD\n"
	"and EVLOG_WORKER are in its environment.  On SIGTERM or SIGINT, evrun exits "
	"with "
	"status 0\n"
	"once the current batches are done.\n"
	"\n"
	"  evrun -f --checkpoint mail.pos LOG -- ./send-mails\n"
	"  evrun -f -t OrderCreated --checkpoint c.pos --emit LOG LOG -- ./credit\n"
	"  evrun --status --checkpoint mail.pos LOG\n"
	"  evrun --await 17 --checkpoint sqlite:shop.db:orders LOG\n",
    .options = options,
};

struct run {
	struct evlog_selection sel;
	struct evlog_consumer_options consumer;
	const char *reset_to;
	uint64_t await;	   /* --await; 0: not given */
	uint64_t reshard;  /* --reshard; 0: not given */
	char *shard_file;  /* the name of --checkpoint for --shard; or NULL */
	char *database;	   /* the --checkpoint is the place of a table; NULL: it is not */
	const char *table; /* in it */
	bool dead_letters, status, dry;
	const char *form; /* of --status; NULL: the default */
	bool timed;	  /* --timeout was given */
	bool consuming;	  /* an option for the COMMAND was given */
};

/* ---- Running the command ---- */

static void show_progress(void *arg, const evlog_stream *s, uint64_t events)
{
	(void)arg;
	cli_progress(s, events);
}

static int process(struct run *p, char **logs, int n)
{
	struct evlog_consumer_options *c = &p->consumer;
	struct evlog_consumed done;
	evlog_error err;

	c->say = cli_notice;
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

/* How far the consumer, or the table, is. */
static int lag_find(
    const struct run *p, const char *log, struct evlog_lag *lag, evlog_error *err)
{
	const char *file = p->consumer.checkpoint;

	return p->database ? evlog_table_lag(
				 lag, p->database, p->table, log, p->sel.max_line, err)
			   : evlog_checkpoint_lag(lag, file, log, p->sel.max_line, err);
}

static void show_status(const struct run *p, const char *log, bool several)
{
	struct evlog_lag lag;
	evlog_error err;
	bool json = p->form && strcmp(p->form, "json") == 0;
	char written[28] = "", text[512];

	if (lag_find(p, log, &lag, &err) < 0)
		cli_fail(&err);
	/* the log may hold any time: integers could overflow */
	double seconds = lag.oldest == EVLOG_TIME_MAX || lag.oldest == EVLOG_TIME_MIN
			     ? 0
			     : ((double)evlog_now() - (double)lag.oldest) / 1e6;
	if (lag.written != EVLOG_TIME_MIN) /* a table does not say */
		evlog_time_format(lag.written, written);
	if (json)
		snprintf(text, sizeof text,
		    "{\"log\":\"%s\",\"seq\":%" PRIu64 ",\"last\":%" PRIu64
		    ",\"lag\":{\"events\":%" PRIu64 ",\"seconds\":%.3f}%s%s%s}\n",
		    lag.at.log, lag.at.seq, lag.last, lag.events, seconds,
		    *written ? ",\"written\":\"" : "", written, *written ? "\"" : "");
	else if (lag.events)
		snprintf(text, sizeof text,
		    "at event %" PRIu64 " of %" PRIu64 ", %" PRIu64
		    " behind, the oldest of them %.3f s old%s%s\n",
		    lag.at.seq, lag.last, lag.events, seconds,
		    *written ? "; written " : "", written);
	else
		snprintf(text, sizeof text, "at event %" PRIu64 ", the last%s%s\n",
		    lag.at.seq, *written ? "; written " : "", written);
	if (several && !json) {
		cli_outs(log);
		cli_outs(": ");
	}
	cli_outs(text);
}

#define PATIENCE    10000000 /* us; for --await */
#define PAUSE_FIRST 1000     /* us between two looks, */
#define PAUSE_MOST  50000    /* and after many */

/* Waits until the consumer, or the table, has reached an event. */
static int await(const struct run *p, const char *log)
{
	int64_t until = cli_clock() + (p->timed ? p->consumer.timeout : PATIENCE);
	struct evlog_position start = {.seq = 0};
	struct evlog_lag lag;
	evlog_error err;

	/* the checkpoint may come, but the log must be there */
	int r = evlog_position_check(log, &start, p->sel.max_line, &err);
	if (r < 0)
		cli_fail(&err);
	for (unsigned pause = PAUSE_FIRST;; pause *= 2) {
		r = lag_find(p, log, &lag, &err);
		if (r < 0 && r != EVLOG_ENOINPUT && r != EVLOG_EBUSY)
			cli_fail(&err);
		if (r == 0 && lag.at.seq >= p->await)
			return CLI_OK;
		int64_t left = until - cli_clock();
		if (left <= 0 || *p->sel.stop)
			break;
		pause = pause < PAUSE_MOST ? pause : PAUSE_MOST;
		usleep(left < pause ? (unsigned)left : pause);
	}
	if (r < 0)
		cli_say("%s", err.text);
	else if (lag.last < p->await)
		cli_say("%s: event %" PRIu64 " has not been appended yet", log, p->await);
	else
		cli_say(
		    "%s: still at event %" PRIu64, p->consumer.checkpoint, lag.at.seq);
	return CLI_AGAIN;
}

static int reset(const struct run *p, const char *log)
{
	struct evlog_reset_options o = {.size = sizeof o,
	    .event_time = p->sel.event_time,
	    .max_line = p->sel.max_line,
	    .dry = p->dry};
	uint64_t from, to;
	evlog_error err;
	char text[200];

	o.end = strcmp(p->reset_to, "end") == 0;
	if (strspn(p->reset_to, "0123456789") == strlen(p->reset_to))
		o.seq = cli_number("reset-to", p->reset_to, 1, UINT64_C(1) << 53);
	if ((o.seq || o.end) && p->sel.event_time)
		cli_usage("--event-time needs a time in --reset-to");
	if (!o.seq && !o.end &&
	    evlog_time_parse(
		p->reset_to, evlog_now(), EVLOG_SINCE, &o.time, &o.digits, &err) < 0)
		cli_usage(
		    "--reset-to: neither a seq nor \"end\" nor a time: %s", err.text);
	if (evlog_checkpoint_reset(p->consumer.checkpoint, log, &o, &from, &to, &err) < 0)
		cli_fail(&err);
	snprintf(text, sizeof text, "the next event %s %" PRIu64 "; it %s %" PRIu64 "\n",
	    p->dry ? "would be" : "is now", to, p->dry ? "is" : "was", from);
	cli_outs(text);
	return CLI_OK;
}

/* ---- Options ---- */

static void shard(struct evlog_consumer_options *c, const char *text)
{
	int end = 0;

	if (sscanf(text, "%9u/%9u%n", &c->shard, &c->shards, &end) != 2 || text[end] ||
	    c->shard < 1 || c->shard > c->shards || c->shards > 100000)
		cli_usage("--shard %s: must be I/N, such as 2/8", text);
}

static void option_take(struct run *p, int id, const char *arg)
{
	struct evlog_consumer_options *c = &p->consumer;

	p->consuming |= id == 'j' || id == CLI_UPCAST || id == CLI_DEAD_LETTERS ||
			(id >= BATCH && id <= SHARD && id != TIMEOUT && id != EMIT &&
			    id != DEAD_LETTER && id != KEY);
	switch (id) {
	case 'f': p->sel.follow = true; break;
	case 'o': p->form = arg; break;
	case 'j': c->workers = (unsigned)cli_number("threads", arg, 1, 256); break;
	case CLI_UPCAST: cli_upcast(&p->sel, arg); break;
	case CLI_DEAD_LETTERS: p->dead_letters = true; break;
	case BATCH: c->batch = cli_number("batch", arg, 1, 1000000); break;
	case LINGER:
		c->linger = 1000 * (int64_t)cli_number("linger", arg, 0, 3600000);
		break;
	case CHECKPOINT:
		c->checkpoint = arg;
		p->database = cli_table("checkpoint", arg, &p->table);
		break;
	case ACCEPT_CHANGE: c->accept_change = true; break;
	case EMIT: c->emit = arg; break;
	case LINE_BY_LINE: c->line_by_line = true; break;
	case RETRY: c->retry = (unsigned)cli_number("retry", arg, 0, 1000000); break;
	case BACKOFF: c->backoff = cli_span("backoff", arg); break;
	case TIMEOUT:
		p->timed = true;
		c->timeout = cli_span("timeout", arg);
		break;
	case DEAD_LETTER: c->dead_letter = arg; break;
	case KEY: c->key = arg; break;
	case SHARD: shard(c, arg); break;
	case STATUS: p->status = true; break;
	case AWAIT: p->await = cli_number("await", arg, 1, UINT64_C(1) << 53); break;
	case RESET_TO: p->reset_to = arg; break;
	case RESHARD:
		p->reshard = cli_number("reshard", arg, 1, EVLOG_RECEIVERS_MOST);
		break;
	case DRY_RUN: p->dry = true; break;
	}
}

/* Exits if options do not go together. */
static void options_check(const struct run *p, int logs)
{
	const struct evlog_consumer_options *c = &p->consumer;
	const struct evlog_selection *s = &p->sel;
	int asides = p->status + !!p->reset_to + !!p->await + !!p->reshard;
	const char *aside = p->status	  ? "--status"
			    : p->reset_to ? "--reset-to"
			    : p->reshard  ? "--reshard"
					  : "--await";

	if (c->command && !*c->command)
		cli_usage("no COMMAND given after --");
	if (logs == 0)
		cli_usage("no LOG given");
	if (asides > 1)
		cli_usage(
		    "--status, --reset-to, --reshard and --await exclude each other");
	if (asides && !c->checkpoint)
		cli_usage("%s needs --checkpoint FILE", aside);
	if (asides && logs != 1 && !p->status)
		cli_usage("%s needs a single LOG", aside);
	if (asides && c->command)
		cli_usage("%s cannot be combined with a COMMAND", aside);
	if (asides &&
	    (s->types || s->subjects || s->sources || s->ids || s->wheres || s->from ||
		s->to || s->last || s->count || s->follow || s->merge || s->no_index ||
		s->fixed || s->since != EVLOG_TIME_MIN || s->until != EVLOG_TIME_MAX))
		cli_usage("%s cannot be combined with a selection", aside);
	if (asides && (p->consuming || (p->timed && !p->await) ||
			  (!p->reshard && (c->emit || c->dead_letter || c->key))))
		cli_usage("%s cannot be combined with options for a COMMAND", aside);
	if (p->database && !p->status && !p->await)
		cli_usage("--checkpoint %s: only evfold can move a table; this is for "
			  "--status and --await",
		    c->checkpoint);
	if (p->reshard && (!cli_has_shard(c->checkpoint) || p->database))
		cli_usage(
		    "--reshard needs a --checkpoint with a %%, which stands for the "
		    "shard, such as 1of%" PRIu64,
		    p->reshard);
	if (asides && !p->reshard && !p->database && cli_has_shard(c->checkpoint) &&
	    access(c->checkpoint, F_OK) < 0)
		cli_usage("--checkpoint %s: %s is for one checkpoint; give its name",
		    c->checkpoint, aside);
	if (p->dry && !p->reset_to)
		cli_usage("--dry-run needs --reset-to");
	if (p->form && !p->status)
		cli_usage("--output needs --status");
	if (p->form && strcmp(p->form, "json") != 0 && strcmp(p->form, "text") != 0)
		cli_usage("--output %s: must be text or json", p->form);
	if (!c->command && !asides)
		cli_usage("no COMMAND given; put it at the end, after --");
	if (c->command && s->last && (s->map || p->dead_letters))
		cli_usage("--last cannot be combined with --upcast or --dead-letters; "
			  "both can be given to evreplay: put evrun - -- COMMAND after "
			  "a pipe");
	if (c->linger && !s->follow)
		cli_usage("--linger needs --follow");
	if (c->accept_change && !c->checkpoint)
		cli_usage("--accept-change needs --checkpoint FILE");
	if (c->line_by_line && !c->emit)
		cli_usage("--line-by-line needs --emit LOG");
	if (c->emit && !c->checkpoint)
		cli_usage("--emit needs --checkpoint FILE");
	if (c->emit && logs != 1)
		cli_usage("--emit needs a single LOG; to have events of several exactly "
			  "once, merge them into one first");
	if (c->checkpoint && (p->sel.last || p->sel.count))
		cli_usage("--last and --count cannot be combined with --checkpoint");
}

int main(int argc, char **argv)
{
	struct run p = {
	    .consumer = {.size = sizeof p.consumer, .retry = 2, .backoff = 200000}};
	int id, status = CLI_OK;

	cli_begin(&tool);
	p.consumer.command = (const char *const *)cli_command(&argc, argv);
	evlog_selection_init(&p.sel);
	while ((id = cli_getopt(&tool, argc, argv)) != -1)
		if (!cli_select(&p.sel, id, optarg))
			option_take(&p, id, optarg);
	if (!p.reset_to) /* which has a use of its own for --event-time */
		cli_select_check(&p.sel);
	argc = optind + cli_archives(argv + optind, argc - optind);
	options_check(&p, argc - optind);
	p.sel.stop = cli_stoppable();
	p.sel.max_line = cli.max_line;
	if (p.dead_letters)
		cli_dead_letters(&p.sel);
	if (p.consumer.shards && p.consumer.checkpoint)
		p.consumer.checkpoint = p.shard_file =
		    cli_shard_file(&p.consumer, argv[optind]);
	if (p.status) {
		for (int i = optind; i < argc; i++)
			show_status(&p, argv[i], argc - optind > 1);
	} else if (p.await)
		status = await(&p, argv[optind]);
	else if (p.reset_to)
		status = reset(&p, argv[optind]);
	else if (p.reshard)
		cli_reshard(&p.consumer, p.reshard, argv[optind]);
	else
		status = process(&p, argv + optind, argc - optind);
	free(p.database);
	free(p.shard_file);
	cli_upcast_free();
	cli_select_free(&p.sel);
	return cli_end(status);
}
