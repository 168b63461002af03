/* evrestore - restore a log from its backups. */
#include "cli.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TO = CLI_OWN, WITH, POINT, DRILL, MAX_AGE, LOG, CHECK, REPAIR, FROM_LOG };

static const struct cli_option options[] = {
    {0, NULL, NULL, "What to restore"},
    {TO, "to", "N", "up to event N only"},
    {'U', "until", "TIME", "up to the last event before TIME only"},
    {POINT, "point", "NAME", "from this file of DEST/points (default: the newest)"},
    {WITH, "with", "FOLDER", "put the files that were saved with it into FOLDER"},
    {0, NULL, NULL, "Drill"},
    {DRILL, "drill", NULL, "restore and check everything, but leave nothing"},
    {MAX_AGE, "max-age", "SPAN", "end with 1 if the backup is older than SPAN (26h)"},
    {LOG, "log", "LOG", "end with 1 if LOG does not have these events"},
    {CHECK, "check", "COMMAND", "run COMMAND with sh; the restored log is \"$1\""},
    {0, NULL, NULL, "Repair"},
    {REPAIR, "repair", NULL, "replace only what is damaged or missing in LOG"},
    {FROM_LOG, "from-log", "REPLICA", "make it from the events of REPLICA, if need be"},
    {0, NULL, NULL, "General"},
    CLI_LINES,
    CLI_COMMON,
    {0},
};

static const struct cli_tool tool = {
    .name = "evrestore",
    .operands = "DEST LOG, --drill DEST [LOG], or --repair [DEST] LOG",
    .summary = "Restore LOG from the folder DEST, in which evbackup has saved it.",
    .notes = "Everything is checked before LOG gets its name.\n"
	     "\n"
	     "  evrestore backup orders.evlog\n"
	     "  evrestore --until '2026-11-30 09:00' backup before.evlog\n"
	     "  evrestore --drill --max-age 26h --log orders.evlog backup\n"
	     "  evrestore --repair backup orders.evlog\n"
	     "  evrestore --drill --check 'evfold \"n=count()\" \"$1\"' backup\n",
    .options = options,
};

#define MINUTE INT64_C(60000000)

struct wanted {
	struct evlog_restore_options o;
	const char *compare, *check, *replica;
	bool repair;
	int64_t max_age; /* 0: any */
	int verdict;	 /* of a drill: CLI_OK, or CLI_NO */
};

/* Runs the check of a drill; what it prints goes to our stderr. */
static int command_run(const char *command, const char *log)
{
	cli_flush();
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
			_exit(126);
		execl("/bin/sh", "sh", "-c", command, "sh", log, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int check(void *arg, const char *log, evlog_error *err)
{
	struct wanted *w = arg;

	int status = w->check ? command_run(w->check, log) : 0;
	if (status == 0)
		return 0;
	snprintf(err->text, sizeof err->text,
	    "the command of --check ended with status %d", status);
	return err->code = EVLOG_EDATA;
}

static void say_done(const struct evlog_restored *d, int64_t began)
{
	char time[28];

	evlog_time_format(d->point.time, time);
	if (cli.verbose)
		cli_say("up to event %" PRIu64
			"%s, root %.16s..., from the backup of %s, in %.1f s",
		    d->at.seq, d->forked ? " as a fork" : "", d->at.root, time,
		    (double)(cli_clock() - began) / 1e6);
}

/* Whether the log for comparison has the root that was restored.  If it was trimmed, its
 * oldest events are in the folder of its backups, and both are read as one. */
static int compare(const struct wanted *w, const char *dest,
    const struct evlog_position *at, evlog_error *err)
{
	evlog_error ignored;
	char *both;

	int r = evlog_position_check(w->compare, at, cli.max_line, err);
	if (r != EVLOG_EMISMATCH || asprintf(&both, "%s::%s", dest, w->compare) < 0)
		return r;
	if (evlog_position_check(both, at, cli.max_line, &ignored) == 0)
		r = 0;
	free(both);
	return r;
}

/* Judges what a drill has restored, and prints it. */
static int drill_end(const struct wanted *w, const char *dest,
    const struct evlog_restored *d, int64_t began)
{
	int64_t age = evlog_now() - d->point.time;
	int status = CLI_OK;
	char text[512], limit[32];
	evlog_error err;

	snprintf(text, sizeof text,
	    "{\"seq\":%" PRIu64 ",\"age\":%.3f,\"seconds\":%.3f,\"root\":\"%s\"}\n",
	    d->at.seq, (double)age / 1e6, (double)(cli_clock() - began) / 1e6,
	    d->at.root);
	cli_outs(text);
	if (w->max_age && age < -MINUTE) {
		cli_say("%s: was made in the future; is the clock right?", d->point.file);
		status = CLI_NO;
	}
	if (w->max_age && age > w->max_age) {
		snprintf(limit, sizeof limit, "%.0f", (double)w->max_age / 1e6);
		cli_say("%s: was made %.0f s ago, and --max-age allows %s", d->point.file,
		    (double)age / 1e6, limit);
		status = CLI_NO;
	}
	int r = w->compare ? compare(w, dest, &d->at, &err) : 0;
	if (r < 0)
		cli_say("%s", err.text);
	if (r == EVLOG_EMISMATCH)
		status = CLI_NO;
	return r < 0 && r != EVLOG_EMISMATCH ? cli_status(r) : status;
}

/* Where a drill restores to, unless LOG is given. */
static char *drill_path(void)
{
	const char *folder = getenv("TMPDIR");
	char *path = cli_resize(NULL, 4096);

	snprintf(
	    path, 4096, "%s/evrestore-drill", folder && *folder ? folder : "/var/tmp");
	return path;
}

static int restore(struct wanted *w, const char *dest, const char *log)
{
	struct evlog_restored done;
	evlog_error err;
	char *own = log ? NULL : drill_path();
	int64_t began = cli_clock();

	int r = evlog_restore(dest, log ? log : own, &w->o, &done, &err);
	free(own);
	if (r < 0) {
		cli_say("%s", err.text);
		return cli_status(r);
	}
	say_done(&done, began);
	return w->o.drill ? drill_end(w, dest, &done, began) : CLI_OK;
}

static int repaired(void *arg, const char *file)
{
	(void)arg;
	cli_outs(file);
	cli_outs("\n");
	cli_flush();
	return 0;
}

static int repair(const struct wanted *w, const char *dest, const char *log)
{
	const struct evlog_repair_options o = {.size = sizeof o,
	    .replica = w->replica,
	    .max_line = cli.max_line,
	    .repaired = repaired,
	    .say = cli_notice};
	struct evlog_repaired done;
	evlog_error err;

	int r = evlog_repair(dest, log, &o, &done, &err);
	if (r < 0)
		cli_say("%s", err.text);
	else if (cli.verbose)
		cli_say("%s is sound; %" PRIu64 " segment%s replaced", log, done.segments,
		    done.segments == 1 ? " was" : "s were");
	return cli_status(r);
}

static void take(struct wanted *w, int id)
{
	evlog_error err;

	switch (id) {
	case TO: w->o.at = cli_number("to", optarg, 1, CLI_SEQ_MAX); break;
	case 'U':
		w->o.has_until = true;
		if (evlog_time_parse(
			optarg, evlog_now(), EVLOG_UNTIL, &w->o.until, NULL, &err) < 0)
			cli_usage("%s", err.text);
		break;
	case WITH: w->o.with = optarg; break;
	case POINT: w->o.point = optarg; break;
	case DRILL: w->o.drill = true; break;
	case MAX_AGE:
		w->max_age = cli_span("max-age", optarg);
		if (!w->max_age)
			cli_usage("--max-age 0 allows nothing");
		break;
	case LOG: w->compare = optarg; break;
	case CHECK: w->check = optarg; break;
	case REPAIR: w->repair = true; break;
	case FROM_LOG: w->replica = optarg; break;
	}
}

static void usage_check(const struct wanted *w, int n)
{
	if (w->o.at && w->o.has_until)
		cli_usage("--to cannot be combined with --until");
	if (!w->o.drill && (w->max_age || w->compare || w->check))
		cli_usage("--max-age, --log and --check need --drill");
	if (w->o.drill && w->o.with)
		cli_usage("--drill leaves nothing, so --with cannot be combined with it");
	if (w->check && !strstr(w->check, "$1") && !strstr(w->check, "${1") &&
	    !strstr(w->check, "$@"))
		cli_usage("the command of --check must look at the restored log, \"$1\"");
	if (w->replica && !w->repair)
		cli_usage("--from-log needs --repair");
	if (w->repair &&
	    (w->o.drill || w->o.at || w->o.has_until || w->o.point || w->o.with))
		cli_usage("only --from-log can be combined with --repair");
	if (w->repair && w->replica && n == 1)
		return;
	if (n == 0)
		cli_usage("no DEST given: the folder with the backups");
	if (n == 1 && !w->o.drill)
		cli_usage("no LOG given: where to restore to");
	if (n > 2)
		cli_usage("only DEST and LOG can be given");
}

int main(int argc, char **argv)
{
	struct wanted w = {.o = {.size = sizeof w.o, .say = cli_notice, .check = check}};
	int id;

	cli_begin(&tool);
	w.o.arg = &w;
	while ((id = cli_getopt(&tool, argc, argv)) != -1)
		take(&w, id);
	int n = argc - optind;
	usage_check(&w, n);
	const char *log = n == 2 ? argv[optind + 1] : NULL;
	if (!*argv[optind] || (log && !*log))
		cli_usage("DEST and LOG must not be empty");
	w.o.max_line = cli.max_line;
	if (w.repair)
		return cli_end(
		    repair(&w, log ? argv[optind] : NULL, log ? log : argv[optind]));
	return cli_end(restore(&w, argv[optind], log));
}
