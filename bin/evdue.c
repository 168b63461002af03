/* evdue - deliver events when their time has come. */
#include "cli.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { EMIT = CLI_OWN, NAME, CHECKPOINT, LIST, ACCEPT_TRIMMED };

static const struct cli_option options[] = {
    {0, NULL, NULL, "Input"},
    CLI_FOLLOW,
    {CLI_NO_INDEX, "no-index", NULL, "read all of LOG instead of using its indexes"},
    CLI_LINES,
    {0, NULL, NULL, "Output"},
    {EMIT, "emit", "LOG", "append to this log, each event exactly once"},
    {NAME, "name", "NAME", "name of the cursor in that log (default: evdue)"},
    {CHECKPOINT, "checkpoint", "FILE",
	"remember in FILE what waits and what was delivered"},
    {ACCEPT_TRIMMED, "accept-trimmed", NULL,
	"begin with what is left of a log that was trimmed"},
    {LIST, "list", NULL, "print the events that wait, and change nothing"},
    {0, NULL, NULL, "General"},
    CLI_COMMON,
    {0},
};

static const struct cli_tool tool = {
    .name = "evdue",
    .operands = "LOG",
    .summary = "Deliver the events of a log when the time in their attribute \"due\" has "
	       "come.",
    .notes =
	"An event whose attribute \"cancels\" is the id of one that waits, appended "
	"before its\n"
	"time, takes it out.  What is delivered has neither of them, the id ID/due, and "
	"the\n"
	"causationid ID.\n"
	"\n"
	"  echo "
	"'{\"type\":\"Remind\",\"subject\":\"anna\",\"due\":\"2030-01-01T09:00:00Z\"}' "
	"|\n"
	"      evappend LOG\n"
	"  evdue --list LOG\n"
	"  evdue -f --emit LOG LOG\n"
	"  evdue --checkpoint due.db LOG | ./send\n",
    .options = options,
};

static int deliver(void *arg, const char *p, size_t len)
{
	(void)arg;
	if (p)
		cli_out_safe(p, len, "\n");
	else
		cli_flush();
	return 0;
}

static void options_check(const struct evlog_due_options *o, int logs)
{
	if (logs == 0)
		cli_usage("no LOG given");
	if (logs > 1)
		cli_usage("only one LOG can be given");
	if (o->name && !o->emit)
		cli_usage("--name needs --emit LOG");
	if (o->name && !*o->name)
		cli_usage("--name: must not be empty");
	if (o->list && o->follow)
		cli_usage("--list cannot be combined with --follow");
}

int main(int argc, char **argv)
{
	struct evlog_due_options o = {
	    .size = sizeof o, .deliver = deliver, .say = cli_notice};
	struct evlog_due_counts done = {0};
	evlog_error err;
	int id;

	cli_begin(&tool);
	while ((id = cli_getopt(&tool, argc, argv)) != -1) {
		switch (id) {
		case 'f': o.follow = true; break;
		case CLI_NO_INDEX: o.no_index = true; break;
		case EMIT: o.emit = optarg; break;
		case NAME: o.name = optarg; break;
		case CHECKPOINT: o.checkpoint = optarg; break;
		case LIST: o.list = true; break;
		case ACCEPT_TRIMMED: o.accept_trimmed = true; break;
		}
	}
	argc = optind + cli_archives(argv + optind, argc - optind);
	options_check(&o, argc - optind);
	if (!o.name)
		o.name = "evdue";
	o.max_line = cli.max_line;
	if (!o.list) /* a part of the list would be wrong */
		o.stop = cli_stoppable();
	int r = evlog_due(argv[optind], &o, &done, &err);
	cli_flush();
	if (r < 0)
		cli_say("%s", err.text);
	if (cli.verbose && !o.list)
		cli_say("%" PRIu64 " event%s delivered", done.delivered,
		    cli_plural(done.delivered));
	if (cli.verbose && o.list)
		cli_say("%" PRIu64 " event%s pending", done.pending,
		    cli_plural(done.pending));
	return cli_end(r < 0	      ? cli_status(r)
		       : done.refused ? cli_status(EVLOG_EDATA)
				      : CLI_OK);
}
