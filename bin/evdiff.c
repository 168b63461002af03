/* evdiff - compare two logs, or two states. */
#include "cli.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

enum { BY_ID = CLI_OWN, IGNORE };

static const struct cli_option options[] = {
    {BY_ID, "by-id", NULL, "compare events regardless of seq and logtime"},
    {IGNORE, "ignore", "PATH...",
	"as --by-id, whatever is at PATH, such as time; repeat for more"},
    {'o', "output", "FORM",
	"text (default), json, patch (RFC 6902, states only) or stat (counts)"},
    CLI_THREADED,
    CLI_COLORED,
    {0, NULL, NULL, "General"},
    CLI_LINES,
    CLI_COMMON,
    {0},
};

static const struct cli_tool tool = {
    .name = "evdiff",
    .operands = "A B",
    .summary = "Compare two logs, or two states as evfold prints them.",
    .notes = "Logs: '<' is an event only in A, '>' only in B.  States: '-' is a key only "
	     "in A,\n"
	     "'+' only in B, '~' a change.  Status 0: no differences.  1: they differ.\n",
    .options = options,
};

static void color(const char *code)
{
	if (!cli.color)
		return;
	cli_outs("\033[");
	cli_outs(code);
	cli_outs("m");
}

static void print_line(char mark, const char *code, const char *p, size_t len)
{
	const char prefix[] = {mark, ' '};

	color(code);
	cli_out(prefix, 2);
	cli_out_safe(p, len, "");
	color("0");
	cli_outs("\n");
}

/* - "key" STATE, + "key" STATE, ~ "key" /path: OLD -> NEW */
static void print_state(const struct evlog_difference *x)
{
	static const char *const marks[] = {"- ", "+ ", "~ "}, *const codes[] = {
								   "31", "32", "33"};

	color(codes[x->side]);
	cli_outs(marks[x->side]);
	color("0");
	cli_out_safe(x->key, x->key_len, "");
	if (x->side != EVLOG_CHANGED) {
		cli_outs(x->key_len ? " " : "");
		cli_out_safe(x->a ? x->a : x->b, x->a ? x->a_len : x->b_len, "");
		cli_outs("\n");
		return;
	}
	if (x->path_len > 2) {
		cli_outs(x->key_len ? " " : "");
		cli_out_safe(x->path + 1, x->path_len - 2, ""); /* without the quotes */
	}
	cli_outs(x->key_len || x->path_len > 2 ? ": " : "");
	color("31");
	cli_out_safe(x->a ? x->a : "(none)", x->a ? x->a_len : 6, "");
	color("0");
	cli_outs(" -> ");
	color("32");
	cli_out_safe(x->b ? x->b : "(none)", x->b ? x->b_len : 6, "");
	color("0");
	cli_outs("\n");
}

/* The comparison, and the state of a patch being printed. */
struct printer {
	struct evlog_diff_options o;
	struct evlog_compared found;
	bool begun;
};

/* Says where two logs part before the first event that differs. */
static int print_text(void *arg, const struct evlog_difference *x)
{
	const struct printer *p = arg;
	char text[64];

	if (x->side == EVLOG_CHANGED_END)
		return 0;
	if (p->found.states) {
		print_state(x);
		return 0;
	}
	if (p->found.only_a + p->found.only_b == 1 && !p->o.ignore_stamp) {
		snprintf(
		    text, sizeof text, "= the same up to %" PRIu64 "\n", p->found.prefix);
		color("36");
		cli_outs(text);
		color("0");
	}
	if (x->side == EVLOG_ONLY_A)
		print_line('<', "31", x->a, x->a_len);
	else
		print_line('>', "32", x->b, x->b_len);
	return 0;
}

/* Prints a member unless it is absent.  Returns the separator for the next one. */
static const char *print_member(
    const char *mark, const char *name, const char *p, size_t len)
{
	if (!p)
		return mark;
	cli_outs(mark);
	cli_outs("\"");
	cli_outs(name);
	cli_outs("\":");
	cli_out_safe(p, len, "");
	return ",";
}

static int print_json(void *arg, const struct evlog_difference *x)
{
	(void)arg;
	if (x->side == EVLOG_CHANGED_END)
		return 0;
	const char *mark = print_member("{", "key", x->key, x->key_len);
	if (x->side == EVLOG_CHANGED)
		mark = print_member(mark, "path", x->path, x->path_len);
	mark = print_member(mark, "a", x->a, x->a_len);
	print_member(mark, "b", x->b, x->b_len);
	cli_outs("}\n");
	return 0;
}

/* Prints an operation of RFC 6902. */
static void print_operation(const struct evlog_difference *x)
{
	const char *op = !x->a ? "\"add\"" : x->b ? "\"replace\"" : "\"remove\"";

	print_member("{", "op", op, strlen(op));
	print_member(",", "path", x->path, x->path_len);
	print_member(",", "value", x->b, x->b_len);
	cli_outs("}");
}

static int print_patch(void *arg, const struct evlog_difference *x)
{
	struct printer *p = arg;

	if (x->side != EVLOG_CHANGED_END) {
		if (!p->begun)
			print_member("{", "key", x->key, x->key_len);
		cli_outs(p->begun ? "," : x->key ? ",\"patch\":[" : "[");
		print_operation(x);
	}
	p->begun = x->side == EVLOG_CHANGED;
	if (!p->begun)
		cli_outs(x->key ? "]}\n" : "]\n");
	return 0;
}

static void print_stat(const struct printer *p)
{
	const struct evlog_compared *d = &p->found;
	char text[160];

	snprintf(text, sizeof text,
	    "same %" PRIu64 "\nonly in A %" PRIu64 "\nonly in B %" PRIu64 "\n", d->same,
	    d->only_a, d->only_b);
	cli_outs(text);
	if (d->states)
		snprintf(text, sizeof text, "changed %" PRIu64 "\n", d->changed);
	else if (!p->o.ignore_stamp)
		snprintf(text, sizeof text, "the same up to %" PRIu64 "\n", d->prefix);
	else
		return;
	cli_outs(text);
}

static const struct form {
	const char *name;
	int (*report)(void *arg, const struct evlog_difference *x);
} forms[] = {
    {"text", print_text}, {"json", print_json}, {"patch", print_patch}, {"stat", NULL}};

static const struct form *form_of(const char *name)
{
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
		if (strcmp(name, forms[i].name) == 0)
			return &forms[i];
	cli_usage("--output %s: must be text, json, patch or stat", name);
}

static void ignore_add(struct evlog_diff_options *o, const char *path)
{
	static const char *ignored[64];

	if (o->n_ignore == sizeof ignored / sizeof *ignored)
		cli_usage("--ignore: at most 64 paths");
	ignored[o->n_ignore++] = path;
	o->ignore = ignored;
	o->ignore_stamp = true;
}

/* A path that no event has may be a mistake. */
static void unmet_say(const struct evlog_diff_options *o, uint64_t unmet)
{
	for (size_t i = 0; i < o->n_ignore && !cli.quiet; i++)
		if (unmet >> i & 1)
			cli_say("--ignore: no event has anything at %s", o->ignore[i]);
}

int main(int argc, char **argv)
{
	const struct form *form = &forms[0];
	struct printer p = {.o = {.size = sizeof p.o}};
	struct evlog_diff_options *o = &p.o;
	const struct evlog_compared *found = &p.found;
	evlog_error err;
	int id;

	cli_begin(&tool);
	while ((id = cli_getopt(&tool, argc, argv)) != -1) {
		if (id == BY_ID)
			o->ignore_stamp = true;
		if (id == IGNORE)
			ignore_add(o, optarg);
		if (id == 'j')
			o->threads = (unsigned)cli_number("threads", optarg, 1, 256);
		if (id == 'o')
			form = form_of(optarg);
	}
	if (argc - optind != 2)
		cli_usage("give two operands to compare, A and B");
	if (strcmp(argv[optind], "-") == 0 && strcmp(argv[optind + 1], "-") == 0)
		cli_usage("only one of A and B can be standard input");
	o->max_line = cli.max_line;
	if (!o->threads)
		o->threads = cli_cores();
	o->only_states = form->report == print_patch;
	o->report = cli.quiet ? NULL : form->report;
	o->arg = &p;
	if (evlog_diff(o, argv[optind], argv[optind + 1], &p.found, &err) < 0)
		cli_fail(&err);
	if (!form->report && !cli.quiet)
		print_stat(&p);
	if (!found->states)
		unmet_say(o, found->unmet);
	return cli_end(
	    found->only_a || found->only_b || found->changed ? CLI_NO : CLI_OK);
}
