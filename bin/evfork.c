/* evfork - make a branch of a log. */
#include "cli.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

enum { AT = CLI_OWN };

static const struct cli_option options[] = {
    {0, NULL, NULL, "Where to fork"},
    {AT, "at", "N", "after event N (default: after the last one)"},
    {'U', "until", "TIME", "after the last event before TIME"},
    {0, NULL, NULL, "General"},
    CLI_LINES,
    CLI_COMMON,
    {0},
};

static const struct cli_tool tool = {
    .name = "evfork",
    .operands = "LOG FORK",
    .summary = "Make a log with the same events as LOG up to a point, which goes on by "
	       "itself.",
    .notes = "LOG is not changed.  FORK shares the files of old events, and takes little "
	     "space.\n"
	     "\n"
	     "  evfork orders.evlog what-if.evlog\n"
	     "  evfork --at 1000 orders.evlog what-if.evlog\n"
	     "  evfork --until yesterday orders.evlog what-if.evlog\n"
	     "  evdiff orders.evlog what-if.evlog\n",
    .options = options,
};

static void say_done(const struct evlog_forked *done)
{
	if (done->at.seq)
		cli_say("forked after event %" PRIu64 ", root %.16s...; %" PRIu64
			" segment%s shared, %" PRIu64 " copied (%" PRIu64
			" bytes), %" PRIu64 " event%s written again",
		    done->at.seq, done->at.root, done->linked, cli_plural(done->linked),
		    done->copied, done->bytes, done->written, cli_plural(done->written));
	else
		cli_say("the log has no events, and the fork has none");
}

int main(int argc, char **argv)
{
	struct evlog_fork_options o = {.size = sizeof o};
	struct evlog_forked done;
	evlog_error err;
	int id;

	cli_begin(&tool);
	while ((id = cli_getopt(&tool, argc, argv)) != -1) {
		switch (id) {
		case AT: o.at = cli_number("at", optarg, 1, CLI_SEQ_MAX); break;
		case 'U':
			o.has_until = true;
			if (evlog_time_parse(optarg, evlog_now(), EVLOG_UNTIL, &o.until,
				NULL, &err) < 0)
				cli_usage("%s", err.text);
			break;
		}
	}
	if (argc - optind != 2)
		cli_usage(argc == optind       ? "no LOG given"
			  : argc - optind == 1 ? "no FORK given: the path of the new log"
					       : "only LOG and FORK can be given");
	if (!*argv[optind + 1])
		cli_usage("FORK must not be empty");
	if (o.at && o.has_until)
		cli_usage("--at cannot be combined with --until");
	o.max_line = cli.max_line;
	int r = evlog_fork(argv[optind], argv[optind + 1], &o, &done, &err);
	if (r < 0)
		cli_say("%s", err.text);
	else if (cli.verbose)
		say_done(&done);
	return cli_end(r < 0 ? cli_status(r) : CLI_OK);
}
