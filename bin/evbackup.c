/* evbackup - back up a log. */
#include "cli.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WITH = CLI_OWN, KEEP, KEEP_WITHIN, GRACE, STATUS };

static const struct cli_option options[] = {
    {0, NULL, NULL, "Backup"},
    {WITH, "with", "FILE...",
	"save FILE, too: a checkpoint, a database; repeat for more"},
    {STATUS, "status", NULL, "show the newest point of DEST"},
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
    .operands = "LOG DEST, or --status DEST",
    .summary = "Back up LOG to the folder DEST, whose files never change: only what is "
	       "new is copied.",
    .notes = "The path of each new file in DEST is printed, the point last.\n"
	     "\n"
	     "  evbackup orders.evlog backup\n"
	     "  evbackup --with mail.pos --keep-within 30d orders.evlog backup\n"
	     "  evbackup orders.evlog backup | rclone copy --files-from - backup "
	     "remote:backup\n"
	     "  evbackup --status backup\n"
	     "  evrestore backup orders.evlog\n",
    .options = options,
};

#define DAY INT64_C(86400000000)

static int added(void *arg, const char *file, uint64_t bytes)
{
	(void)arg;
	(void)bytes;
	cli_outs(file);
	cli_outs("\n");
	cli_flush();
	return 0;
}

static int back_up(struct evlog_backup_options *o, const char *log, const char *dest)
{
	struct evlog_point made;
	evlog_error err;

	int r = evlog_backup(log, dest, o, &made, &err);
	if (r < 0)
		cli_say("%s", err.text);
	else if (cli.verbose)
		cli_say("up to event %" PRIu64 ", root %.16s...; %" PRIu64
			" new file%s, %" PRIu64 " bytes",
		    made.seq, made.root, made.files, cli_plural(made.files), made.bytes);
	return r < 0 ? cli_status(r) : CLI_OK;
}

static int show_status(const char *dest)
{
	struct evlog_point p;
	evlog_error err;
	char time[28], text[1024];

	int r = evlog_backup_newest(dest, &p, &err);
	if (r < 0)
		cli_fail(&err);
	if (r == EVLOG_END) {
		cli_say("%s: no backup is complete yet", dest);
		return CLI_NO;
	}
	evlog_time_format(p.time, time);
	int64_t age = evlog_now() - p.time;
	snprintf(text, sizeof text,
	    "{\"seq\":%" PRIu64 ",\"age\":%.3f,\"time\":\"%s\",\"root\":\"%s\","
	    "\"point\":\"%s\",\"saved\":%zu}\n",
	    p.seq, age > 0 ? (double)age / 1e6 : 0, time, p.root, p.file, p.saved);
	cli_outs(text);
	return CLI_OK;
}

int main(int argc, char **argv)
{
	struct evlog_backup_options o = {
	    .size = sizeof o, .grace = DAY, .added = added, .say = cli_notice};
	const char **with = NULL;
	bool status = false;
	int id;

	cli_begin(&tool);
	while ((id = cli_getopt(&tool, argc, argv)) != -1) {
		switch (id) {
		case WITH:
			with = cli_resize(with, (o.n_with + 1) * sizeof *with);
			with[o.n_with++] = optarg;
			break;
		case KEEP: o.keep = cli_number("keep", optarg, 1, UINT64_MAX); break;
		case KEEP_WITHIN:
			o.keep_within = cli_span("keep-within", optarg);
			if (!o.keep_within)
				cli_usage("--keep-within 0 would keep nothing");
			break;
		case GRACE: o.grace = cli_span("grace", optarg); break;
		case STATUS: status = true; break;
		}
	}
	int n = argc - optind;
	if (status && n != 1)
		cli_usage("--status takes DEST only");
	if (!status && n != 2)
		cli_usage(n == 0   ? "no LOG given"
			  : n == 1 ? "no DEST given: the folder for the backups"
				   : "only LOG and DEST can be given");
	if (!*argv[optind] || !*argv[argc - 1])
		cli_usage("LOG and DEST must not be empty");
	o.with = with;
	o.max_line = cli.max_line;
	int r = status ? show_status(argv[optind])
		       : back_up(&o, argv[optind], argv[optind + 1]);
	free(with);
	return cli_end(r);
}
