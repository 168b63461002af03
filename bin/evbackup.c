/* evbackup - back up a log. */
#include "cli.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	WITH = CLI_OWN,
	EVERY,
	EVENTS,
	KEEP,
	KEEP_WITHIN,
	GRACE,
	STATUS,
	SINCE,
	TRIM_BEFORE,
	DROP_TRIMMED
};

static const struct cli_option options[] = {
    {0, NULL, NULL, "Backup"},
    {WITH, "with", "FILE...",
	"save FILE, too: a checkpoint, a database; repeat for more"},
    {STATUS, "status", NULL, "show the newest point of DEST, and how far LOG is ahead"},
    {'f', "follow", NULL, "go on: add points as events are appended"},
    {EVERY, "every", "SPAN", "with --follow: after SPAN (default: 1min)"},
    {EVENTS, "events", "N", "with --follow: earlier if there are N new events"},
    {'o', "output", "FORM", "tar: write LOG to standard output as a tar file"},
    {SINCE, "since", "N", "with --output: only segments with events after event N"},
    {0, NULL, NULL, "Old events"},
    {TRIM_BEFORE, "trim-before", "WHEN",
	"remove events before WHEN, a seq or a time, once DEST holds them"},
    {DROP_TRIMMED, "drop-trimmed", NULL, "do not keep in DEST what was removed from LOG"},
    {0, NULL, NULL, "Old points"},
    {KEEP, "keep", "N", "remove points but the newest N"},
    {KEEP_WITHIN, "keep-within", "SPAN", "remove points older than SPAN (30d)"},
    {GRACE, "grace", "SPAN",
	"how long to keep the files of removed points (default: 1d)"},
    {0, NULL, NULL, "General"},
    CLI_LINES,
    CLI_COMMON,
    {0},
};

static const struct cli_tool tool = {
    .name = "evbackup",
    .operands = "LOG DEST, --status [LOG] DEST, or --output tar LOG",
    .summary = "Back up LOG to the folder DEST, whose files never change: only what is "
	       "new is copied.",
    .notes = "The path of each new file in DEST is printed, the point last.\n"
	     "\n"
	     "  evbackup orders.evlog backup\n"
	     "  evbackup --with mail.pos --keep-within 30d orders.evlog backup\n"
	     "  evbackup orders.evlog backup | rclone copy --files-from - backup "
	     "remote:backup\n"
	     "  evbackup --follow --every 5s orders.evlog backup\n"
	     "  evbackup --status orders.evlog backup\n"
	     "  evbackup --trim-before '90 days ago' orders.evlog backup\n"
	     "  evcat backup orders.evlog\n"
	     "  evbackup -o tar orders.evlog | ssh host 'cat > orders.tar'\n"
	     "  evrestore backup orders.evlog\n",
    .options = options,
};

#define DAY  INT64_C(86400000000)
#define HOUR (DAY / 24)

struct wanted {
	struct evlog_backup_options o;
	bool status, follow, tar;
	uint64_t since;
	const char *trim_before; /* NULL: remove nothing */
	int64_t every;		 /* 0: the default */
	uint64_t events;
	int64_t pruned; /* when old points were removed, by cli_clock */
	bool late;	/* that backups fall behind was said */
};

static int added(void *arg, const char *file, uint64_t bytes)
{
	(void)arg;
	(void)bytes;
	cli_outs(file);
	cli_outs("\n");
	cli_flush();
	return 0;
}

static int back_up(const struct evlog_backup_options *o, const char *log,
    const char *dest, struct evlog_point *made)
{
	evlog_error err;

	int r = evlog_backup(log, dest, o, made, &err);
	if (r < 0)
		cli_say("%s", err.text);
	else if (cli.verbose)
		cli_say("up to event %" PRIu64 ", root %.16s...; %" PRIu64
			" new file%s, %" PRIu64 " bytes",
		    made->seq, made->root, made->files, cli_plural(made->files),
		    made->bytes);
	return r;
}

/* ---- Following ---- */

/* Old points are removed once in an hour: that reads all those that stay. */
static int follow_once(
    struct wanted *w, const char *log, const char *dest, struct evlog_point *made)
{
	struct evlog_backup_options o = w->o;
	int64_t begun = cli_clock();

	if (w->pruned && begun - w->pruned < HOUR)
		o.keep = 0, o.keep_within = 0;
	else
		w->pruned = begun;
	int r = back_up(&o, log, dest, made);
	int64_t took = cli_clock() - begun;
	bool late = !r && took > w->every;
	if (late && !w->late)
		cli_say("falls behind: a backup took %.1f s, and one is due every %.1f s",
		    (double)took / 1e6, (double)w->every / 1e6);
	w->late = late;
	return r;
}

static int follow(struct wanted *w, const char *log, const char *dest)
{
	const volatile sig_atomic_t *stop = cli_stoppable();
	struct evlog_point made = {0};
	int64_t last = cli_clock();
	evlog_error err;

	int r = follow_once(w, log, dest, &made);
	for (bool ending = false; !ending && (r >= 0 || r == EVLOG_EBUSY);) {
		ending = *stop; /* then only what is there already is waited for */
		r = evlog_backup_wait(
		    log, made.seq, w->events, ending ? 0 : w->every, stop, &err);
		if (r < 0)
			cli_say("%s", err.text);
		if (r == 0 || (r == EVLOG_END && !ending && cli_clock() - last > HOUR)) {
			last = cli_clock();
			r = follow_once(w, log, dest, &made);
		}
	}
	return r < 0 ? cli_status(r) : CLI_OK;
}

/* ---- The rest ---- */

static int show_status(const char *log, const char *dest)
{
	struct evlog_point p;
	evlog_error err;
	char time[28], text[1024], behind[40] = "";
	uint64_t events;

	int r = evlog_backup_newest(dest, &p, &err);
	if (r == 0 && log) {
		r = evlog_backup_lag(log, &p, cli.max_line, &events, &err);
		snprintf(
		    behind, sizeof behind, "\"behind\":%" PRIu64 ",", r ? 0 : events);
	}
	if (r < 0)
		cli_fail(&err);
	if (r == EVLOG_END) {
		cli_say("%s: no backup is complete yet", dest);
		return CLI_NO;
	}
	evlog_time_format(p.time, time);
	int64_t age = evlog_now() - p.time;
	snprintf(text, sizeof text,
	    "{\"first\":%" PRIu64 ",\"begins\":%" PRIu64 ",\"seq\":%" PRIu64
	    ",%s\"age\":%.3f,\"time\":\"%s\",\"root\":\"%s\","
	    "\"point\":\"%s\",\"saved\":%zu}\n",
	    p.first, p.begins, p.seq, behind, (double)age / 1e6, time, p.root, p.file,
	    p.saved);
	cli_outs(text);
	return CLI_OK;
}

/* ---- Removing old events ---- */

static void trimmed_say(const char *log, const struct evlog_trimmed *d)
{
	if (d->removed)
		cli_say("removed %" PRIu64 " event%s; %s begins with event %" PRIu64,
		    d->removed, cli_plural(d->removed), log, d->first);
	else if (d->wanted <= d->first)
		cli_say(
		    "nothing was removed: %s begins with event %" PRIu64, log, d->first);
	else
		cli_say("nothing was removed: the events from %" PRIu64 " to %" PRIu64
			" are in one segment with later ones",
		    d->first, d->wanted - 1);
}

static struct evlog_trim_options trim_options(const struct wanted *w)
{
	struct evlog_trim_options o = {.size = sizeof o, .backup = &w->o};
	const char *when = w->trim_before;
	evlog_error err;

	if (*when && strspn(when, "0123456789") == strlen(when)) {
		o.before = cli_number("trim-before", when, 1, CLI_SEQ_MAX);
		return o;
	}
	if (*when == '-' && strspn(when + 1, "0123456789") == strlen(when + 1))
		cli_usage("--trim-before %s: name the unit, as in %sd", when, when);
	if (evlog_time_parse(when, evlog_now(), EVLOG_UNTIL, &o.time, NULL, &err) < 0)
		cli_usage("--trim-before: neither a seq nor a time: %s", err.text);
	if (o.time > evlog_now())
		cli_usage("--trim-before %s: is in the future", when);
	return o;
}

static int trim(const struct wanted *w, const char *log, const char *dest)
{
	const struct evlog_trim_options o = trim_options(w);
	struct evlog_trimmed done;
	evlog_error err;

	int r = evlog_trim(log, dest, &o, &done, &err);
	if (r < 0)
		cli_say("%s", err.text);
	else if (!cli.quiet)
		trimmed_say(log, &done);
	return cli_status(r);
}

static int write_tar(const char *log, uint64_t since)
{
	evlog_error err;

	int r = evlog_archive(log, since, cli.max_line, cli_out_fn, NULL, &err);
	if (r < 0)
		cli_say("%s", err.text);
	return cli_status(r);
}

static void take(struct wanted *w, const char ***with, int id)
{
	switch (id) {
	case WITH:
		*with = cli_resize(*with, (w->o.n_with + 1) * sizeof **with);
		(*with)[w->o.n_with++] = optarg;
		break;
	case 'f': w->follow = true; break;
	case EVERY:
		w->every = cli_span("every", optarg);
		if (!w->every)
			cli_usage("--every 0 would never wait");
		break;
	case EVENTS: w->events = cli_number("events", optarg, 1, CLI_SEQ_MAX); break;
	case KEEP: w->o.keep = cli_number("keep", optarg, 1, UINT64_MAX); break;
	case KEEP_WITHIN:
		w->o.keep_within = cli_span("keep-within", optarg);
		if (!w->o.keep_within)
			cli_usage("--keep-within 0 would keep nothing");
		break;
	case GRACE: w->o.grace = cli_span("grace", optarg); break;
	case STATUS: w->status = true; break;
	case TRIM_BEFORE: w->trim_before = optarg; break;
	case DROP_TRIMMED: w->o.drop_trimmed = true; break;
	case 'o':
		if (strcmp(optarg, "tar") != 0)
			cli_usage("--output %s: not a form of output; tar is", optarg);
		w->tar = true;
		break;
	case SINCE: w->since = cli_number("since", optarg, 1, CLI_SEQ_MAX); break;
	}
}

static void usage_check(const struct wanted *w, int n)
{
	if (!w->follow && (w->every || w->events))
		cli_usage("--every and --events need --follow");
	if (w->status && (w->follow || w->o.n_with || w->o.keep || w->o.keep_within ||
			     w->trim_before || w->o.drop_trimmed))
		cli_usage("--status only looks: no other option applies");
	if (w->follow && w->trim_before)
		cli_usage("--trim-before cannot be combined with --follow");
	if (w->o.grace >= 0 && !w->o.keep && !w->o.keep_within)
		cli_usage("--grace needs --keep or --keep-within");
	if (w->since && !w->tar)
		cli_usage("--since needs --output tar");
	if (w->tar && (w->status || w->follow || w->o.n_with || w->o.keep ||
			  w->o.keep_within || w->trim_before || w->o.drop_trimmed))
		cli_usage("only --since can be combined with --output tar");
	if (n == 0)
		cli_usage("no LOG given");
	if (w->tar && n > 1)
		cli_usage("--output tar takes LOG only, and writes to standard output");
	if (w->tar && cli.out_tty)
		cli_usage("a tar file is not for a terminal: redirect standard output");
	if (n == 1 && !w->status && !w->tar)
		cli_usage("no DEST given: the folder for the backups");
	if (n > 2)
		cli_usage("only LOG and DEST can be given");
}

int main(int argc, char **argv)
{
	struct wanted w = {.o = {.size = sizeof w.o, .added = added, .say = cli_notice}};
	const char **with = NULL;
	struct evlog_point made;
	int id;

	cli_begin(&tool);
	w.o.grace = -1;
	while ((id = cli_getopt(&tool, argc, argv)) != -1)
		take(&w, &with, id);
	usage_check(&w, argc - optind);
	const char *log = argc - optind == 2 ? argv[optind] : NULL;
	const char *dest = argv[argc - 1];
	if (!*dest || (log && !*log))
		cli_usage("LOG and DEST must not be empty");
	w.o.with = with;
	w.o.max_line = cli.max_line;
	w.o.grace = w.o.grace < 0 ? DAY : w.o.grace;
	w.every = w.every ? w.every : INT64_C(60000000);
	int status;
	if (w.status)
		status = show_status(log, dest);
	else if (w.tar)
		status = write_tar(dest, w.since);
	else if (w.trim_before)
		status = trim(&w, log, dest);
	else if (w.follow)
		status = follow(&w, log, dest);
	else
		status = cli_status(back_up(&w.o, log, dest, &made));
	free(with);
	return cli_end(status);
}
