/* evcat - print events. */
#include "cli.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHECK = CLI_OWN };

static const struct cli_option options[] = {
    CLI_SELECTION,
    CLI_REVERSE,
    CLI_FOLLOW,
    {CHECK, "check", "FILE", "print only events that the Lua rules in FILE refuse"},
    {0, NULL, NULL, "Output"},
    {'o', "output", "FORM",
	"ndjson, pretty, data or zst (default on a terminal: a summary)"},
    {'z', "level", "N", "zstd level of -o zst (default: 1)"},
    CLI_UPCASTING,
    CLI_THREADED,
    {CLI_SALVAGE, "salvage", NULL, "skip what is damaged and print the rest"},
    CLI_COLORED,
    CLI_PROGRESSING,
    {0, NULL, NULL, "General"},
    CLI_LINES,
    CLI_COMMON,
    {0},
};

static const struct cli_tool tool = {
    .name = "evcat",
    .operands = "LOG...",
    .summary = "Print the events of logs, of files of events, or of standard input (-).",
    .notes = "TIME is 2026-11-23, \"2026-11-23 05:00\", 2026-11-23T05:00:00Z, yesterday, "
	     "-2h,\n"
	     "\"30min ago\" or @1700000000.\n"
	     "Status 65: the log is damaged; everything before the damage was printed.\n",
    .options = options,
};

enum form { READABLE, NDJSON, PRETTY, DATA, ZST };

struct cat {
	enum form form;
	evlog_checker *checker; /* NULL: print all */
	uint64_t refused;
	evlog_packer *packer;
	char *text;
	size_t cap;
};

static enum form form_of(const char *name)
{
	static const char *const names[] = {"ndjson", "pretty", "data", "zst"};

	for (int i = 0; i < 4; i++)
		if (strcmp(name, names[i]) == 0)
			return (enum form)(NDJSON + i);
	cli_usage("--output %s: must be ndjson, pretty, data or zst", name);
}

/* ---- Forms ---- */

static void color(const char *code)
{
	if (!cli.color)
		return;
	cli_outs("\033[");
	cli_outs(code);
	cli_outs("m");
}

static void print_string(struct cat *c, const struct evlog_event *e, const char *name)
{
	size_t len;

	if (evlog_event_string(e, name, &c->text, &c->cap, &len) == 0)
		cli_out_safe(c->text, len, "");
	else
		cli_outs("-");
}

static void print_time(int64_t t)
{
	char text[64] = "-";
	time_t s = (time_t)(t / 1000000 - (t % 1000000 < 0));
	struct tm tm;

	if (t != EVLOG_TIME_MIN && localtime_r(&s, &tm)) {
		size_t n = strftime(text, sizeof text, "%F %T", &tm);
		snprintf(text + n, sizeof text - n, ".%03d",
		    (int)((t - (int64_t)s * 1000000) / 1000));
	}
	cli_outs(text);
}

static void print_readable(struct cat *c, const struct evlog_event *e)
{
	char seq[24];
	const char *p;
	size_t n;

	snprintf(seq, sizeof seq, "%6" PRIu64, e->seq);
	color("2");
	cli_outs(e->seq ? seq : "     -");
	cli_outs("  ");
	print_time(e->logtime);
	color("0");
	cli_outs("  ");
	color("1;36");
	print_string(c, e, "type");
	color("0");
	cli_outs("  ");
	color("33");
	print_string(c, e, "subject");
	color("0");
	if (evlog_event_member(e, "data", &p, &n) ||
	    evlog_event_member(e, "data_base64", &p, &n)) {
		cli_outs("  ");
		cli_out_safe(p, n, "");
	}
	cli_outs("\n");
}

/* Whether data is plain text rather than a JSON string, as --text marks it. */
static bool is_text(struct cat *c, const struct evlog_event *e)
{
	size_t len;

	return evlog_event_string(e, "datacontenttype", &c->text, &c->cap, &len) == 0 &&
	       strncmp(c->text, "text/", 5) == 0;
}

static void print_data(struct cat *c, const struct evlog_event *e)
{
	const char *p;
	size_t n;
	evlog_error err;

	if (!evlog_event_member(e, "data", &p, &n))
		return;
	if (*p == '"' && is_text(c, e)) {
		if (evlog_json_string(p, n, &c->text, &c->cap, &n) < 0) {
			err.code = EVLOG_EIO;
			snprintf(err.text, sizeof err.text, "out of memory");
			cli_fail(&err);
		}
		p = c->text;
	}
	cli_out_safe(p, n, "\n\t");
	cli_outs("\n");
}

static int out_safe_fn(void *arg, const char *p, size_t n)
{
	(void)arg;
	cli_out_safe(p, n, "\n");
	return 0;
}

static void print_pretty(const struct evlog_event *e)
{
	evlog_error err;

	if (evlog_json_pretty(e->line, e->len, out_safe_fn, NULL, &err) < 0)
		cli_fail(&err);
	cli_outs("\n");
}

static void print(struct cat *c, struct evlog_lines *lines)
{
	struct evlog_event e;
	evlog_error err;

	if (c->form == NDJSON) {
		cli_out_safe(lines->p, lines->len, "\n");
		return;
	}
	if (c->form == ZST) {
		if (evlog_packer_add(c->packer, lines, &err) < 0)
			cli_fail(&err);
		return;
	}
	while (evlog_lines_take(lines, &e)) {
		if (c->form == READABLE)
			print_readable(c, &e);
		else if (c->form == DATA)
			print_data(c, &e);
		else
			print_pretty(&e);
	}
}

/* Prints the events that the rules refuse, and says why. */
static void print_refused(struct cat *c, struct evlog_lines *lines)
{
	struct evlog_event e;
	evlog_error why;

	while (evlog_lines_take(lines, &e)) {
		int r = evlog_check(c->checker, e.line, e.len, &why);
		if (r == 0)
			continue;
		if (r != EVLOG_EDATA)
			cli_fail(&why);
		c->refused++;
		if (!cli.quiet && e.seq)
			cli_say("event %" PRIu64 ": %s", e.seq, why.text);
		else if (!cli.quiet)
			cli_say("an event without seq: %s", why.text);
		print(c, &(struct evlog_lines){.p = e.line, .len = e.len + 1});
	}
}

static int cat(struct cat *c, evlog_stream *s)
{
	struct evlog_lines lines;
	evlog_error err;
	int r;

	while ((r = evlog_stream_next(s, &lines, &err)) == 0 || r == EVLOG_WAIT) {
		if (r == 0) {
			if (c->checker)
				print_refused(c, &lines);
			else
				print(c, &lines);
			if (!cli.out_tty)
				cli_progress(s, 0);
			continue;
		}
		if (c->packer && evlog_packer_flush(c->packer, &err) < 0)
			cli_fail(&err);
		cli_flush();
		if (evlog_stream_wait(s, 500, &err) < 0)
			cli_fail(&err);
	}
	const char *unindexed = cli.verbose ? evlog_stream_unindexed(s) : NULL;
	if (unindexed)
		cli_say("%s: searched slowly, because the index of a segment is damaged "
			"or missing; run evappend --reindex",
		    unindexed);
	cli_trimmed(s);
	cli_remarks(s);
	evlog_error end;
	if (c->packer && evlog_packer_end(c->packer, &end) < 0)
		cli_fail(&end);
	if (r == EVLOG_END)
		return c->refused ? CLI_NO : CLI_OK;
	cli_flush();
	cli_say("%s", err.text);
	return cli_status(r);
}

int main(int argc, char **argv)
{
	struct evlog_selection sel;
	struct cat c = {0};
	evlog_stream *s;
	evlog_error err;
	const char *form = NULL, *rules = NULL;
	int id, level = 0;

	cli_begin(&tool);
	evlog_selection_init(&sel);
	while ((id = cli_getopt(&tool, argc, argv)) != -1) {
		if (cli_select(&sel, id, optarg))
			continue;
		if (id == CLI_UPCAST)
			cli_upcast(&sel, optarg);
		else if (id == 'j')
			sel.threads = (unsigned)cli_number("threads", optarg, 1, 256);
		else if (id == CHECK)
			rules = optarg;
		else if (id == 'o')
			form = optarg;
		else if (id == 'z')
			level = (int)cli_number("level", optarg, 1, 22);
	}
	cli_select_check(&sel);
	sel.max_line = cli.max_line;
	if (!sel.threads)
		sel.threads = cli_cores();
	if (optind == argc)
		cli_usage("no LOG given");
	c.form = form ? form_of(form) : cli.out_tty ? READABLE : NDJSON;
	if (c.form == READABLE)
		tzset();
	if (!sel.count && !sel.last)
		cli_pipe_grow();
	sel.cursors = c.form == ZST;
	sel.json = rules || (c.form != NDJSON && c.form != ZST);
	if (c.form == ZST && rules)
		cli_usage("--output zst cannot be combined with --check");
	if (c.form == ZST && sel.map)
		cli_usage("--output zst cannot be combined with --upcast");
	if (c.form == ZST && cli.out_tty)
		cli_usage("refusing to print compressed data to a terminal; redirect the "
			  "output");
	if (rules && evlog_checker_open(&c.checker, rules, NULL, &err) < 0)
		cli_fail(&err);
	if (c.form == ZST &&
	    evlog_packer_new(&c.packer, level, cli_out_fn, NULL, &err) < 0)
		cli_fail(&err);
	int n = cli_archives(argv + optind, argc - optind);
	if (evlog_stream_open(
		&s, (const char *const *)argv + optind, (size_t)n, &sel, &err) < 0)
		cli_fail(&err);
	if (c.packer && evlog_packer_follow(c.packer, s, &err) < 0)
		cli_fail(&err);
	int status = cat(&c, s);
	evlog_stream_close(s);
	evlog_packer_free(c.packer);
	evlog_checker_close(c.checker);
	free(c.text);
	cli_upcast_free();
	cli_select_free(&sel);
	return cli_end(status);
}
