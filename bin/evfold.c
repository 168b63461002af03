/* evfold - fold events into state. */
#include "cli.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { STRICT = CLI_OWN };

static const struct cli_option options[] = {
    {'k', "key", "PATH",
	"one state for each value found here, such as subject or data.customer"},
    {'o', "output", "FORM", "state: the state at the end of the input (default)"},
    {STRICT, "strict", NULL, "what a reducer cannot use is an error, not passed over"},
    CLI_PROGRESSING,
    {0, NULL, NULL, "General"},
    CLI_LINES,
    CLI_COMMON,
    {0},
};

static const struct cli_tool tool = {
    .name = "evfold",
    .operands = "[REDUCER...] [LOG|FILE...]",
    .summary = "Fold events, from standard input if no LOG or FILE is given, into state.",
    .notes =
	"A REDUCER is NAME=FUNC(PATH){FILTER}: FUNC is count, sum, min, max, avg, "
	"first,\n"
	"last, list, set, merge (RFC 7396) or patch (RFC 6902), PATH is a.b or /a/b,\n"
	"FILTER is PATH=GLOB or PATH!=GLOB, several joined by commas.  Without any:\n"
	"merge(data).  Numbers are exact decimals: 0.1 + 0.2 is 0.3.\n"
	"\n"
	"  evfold -k subject n=count 'paid=sum(data.amount){type=PaymentCaptured}' LOG\n",
    .options = options,
};

static int fold(evlog_fold *f, evlog_stream *s)
{
	struct evlog_lines lines;
	struct evlog_event e;
	evlog_error err;
	uint64_t events = 0;
	int r;

	while ((r = evlog_stream_next(s, &lines, &err)) == 0 || r == EVLOG_WAIT) {
		if (r == EVLOG_WAIT) {
			if (evlog_stream_wait(s, &err) < 0)
				cli_fail(&err);
			continue;
		}
		while (evlog_lines_take(&lines, &e)) {
			if (evlog_fold_event(f, &e, &err) < 0)
				cli_fail(&err);
			events++;
		}
		cli_progress(s, events);
	}
	if (r < 0)
		cli_fail(&err); /* half a state would pass for a whole one */
	return CLI_OK;
}

static void say_counts(const evlog_fold *f)
{
	uint64_t keyless, unusable;

	evlog_fold_counts(f, &keyless, &unusable);
	if (keyless && !cli.quiet)
		cli_say("left out: %" PRIu64 " event%s without the key", keyless,
		    cli_plural(keyless));
	if (unusable && !cli.quiet)
		cli_say("passed over: %" PRIu64 " value%s that a reducer cannot use",
		    unusable, cli_plural(unusable));
}

static int write_state(void *arg, const char *p, size_t len)
{
	(void)arg;
	cli_out_safe(p, len, "\n");
	return 0;
}

_Noreturn static void wrong(const evlog_error *err)
{
	if (err->code == EVLOG_EUSAGE)
		cli_usage("%s", err->text);
	cli_fail(err);
}

int main(int argc, char **argv)
{
	static const char *const standard_input[] = {"-"};
	struct evlog_selection sel;
	const char **logs;
	evlog_stream *s;
	evlog_fold *f;
	evlog_error err;
	size_t n = 0;
	int id;

	cli_begin(&tool);
	evlog_selection_init(&sel);
	if (evlog_fold_new(&f, &err) < 0)
		cli_fail(&err);
	while ((id = cli_getopt(&tool, argc, argv)) != -1) {
		if (id == 'k' && evlog_fold_key(f, optarg, &err) < 0)
			wrong(&err);
		if (id == 'o' && strcmp(optarg, "state") != 0)
			cli_usage("--output %s: not state", optarg);
		if (id == STRICT)
			evlog_fold_strict(f);
	}
	sel.max_line = cli.max_line;
	logs = calloc((size_t)argc, sizeof *logs);
	if (!logs) {
		cli_say("out of memory");
		return CLI_IO;
	}
	for (int i = optind; i < argc; i++) {
		if (!evlog_fold_is_reducer(argv[i]))
			logs[n++] = argv[i];
		else if (evlog_fold_reducer(f, argv[i], &err) < 0)
			wrong(&err);
	}
	if (evlog_stream_open(&s, n ? logs : standard_input, n ? n : 1, &sel, &err) < 0)
		cli_fail(&err);
	int status = fold(f, s);
	evlog_stream_close(s);
	if (evlog_fold_write(f, write_state, NULL, &err) < 0)
		cli_fail(&err);
	say_counts(f);
	evlog_fold_free(f);
	free(logs);
	return cli_end(status);
}
