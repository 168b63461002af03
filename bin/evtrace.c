/* evtrace - show the causes and effects of an event. */
#include "cli.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = CLI_OWN };

static const struct cli_option options[] = {
    {0, NULL, NULL, "Input"},
    {DEPTH, "depth", "N", "most causes upwards, and levels downwards (default: 100)"},
    {'c', "count", "N", "most events to show (default: 10000)"},
    {CLI_NO_INDEX, "no-index", NULL, "read all of the logs instead of using indexes"},
    CLI_LINES,
    {0, NULL, NULL, "Output"},
    {'o', "output", "FORM", "text (default), json, dot or mermaid"},
    CLI_COLORED,
    {0, NULL, NULL, "General"},
    CLI_COMMON,
    {0},
};

static const struct cli_tool tool = {
    .name = "evtrace",
    .operands = "ID|SEQ LOG...",
    .summary = "Show the tree of causes and effects of an event, across logs.",
    .notes = "A number is the seq of an event of the first LOG; anything else is an id.  "
	     "Write "
	     "an\n"
	     "id that is a number in quotes, as in JSON.\n"
	     "\n"
	     "  evtrace 17 orders.evlog\n"
	     "  evtrace e5c2 orders.evlog mails.evlog\n"
	     "  evtrace -o dot 17 orders.evlog | dot -Tsvg > 17.svg\n",
    .options = options,
};

/* ---- Text ---- */

static void color(const char *code)
{
	if (cli.color) {
		cli_outs("\033[");
		cli_outs(code);
		cli_outs("m");
	}
}

static void safe(const char *text)
{
	cli_out_safe(text, strlen(text), "");
}

static void print_time(int64_t t)
{
	char text[28] = "-";

	if (t != EVLOG_TIME_MIN)
		evlog_time_format(t, text);
	cli_outs(text);
}

/* How long after its cause an event came, in a unit that is easy to read. */
static void print_span(int64_t us)
{
	static const struct {
		double us;
		const char *unit;
	} units[] = {
	    {86400e6, "d"}, {3600e6, "h"}, {60e6, "min"}, {1e6, "s"}, {1e3, "ms"}};
	char text[40];
	double size = us < 0 ? -(double)us : (double)us;
	size_t i = 0, n = sizeof units / sizeof *units;

	while (i < n && size < units[i].us)
		i++;
	if (i < n)
		snprintf(text, sizeof text, "%+.*f %s", size / units[i].us < 10,
		    (double)us / units[i].us, units[i].unit);
	else
		snprintf(text, sizeof text, "%+" PRId64 " us", us);
	cli_outs(text);
}

/* Which of the levels above have more to come. */
static bool *open_levels;
static size_t levels;

static void print_lines(const struct evlog_trace_node *n)
{
	if (n->depth >= levels) {
		levels = 2 * ((size_t)n->depth + 8);
		open_levels = cli_resize(open_levels, levels * sizeof *open_levels);
	}
	open_levels[n->depth] = !n->last;
	color("2");
	for (unsigned i = 1; i <= n->depth; i++)
		cli_outs(i == n->depth	  ? n->last ? "└─ " : "├─ "
			 : open_levels[i] ? "│  "
					  : "   ");
	color("0");
}

static void print_text(const struct evlog_trace_node *n)
{
	char seq[24];

	print_lines(n);
	color(n->asked ? "1;36" : "36");
	safe(*n->type ? n->type : "-");
	color("0");
	if (*n->subject) {
		cli_outs("  ");
		color("33");
		safe(n->subject);
		color("0");
	}
	cli_outs("  ");
	safe(n->log);
	snprintf(seq, sizeof seq, ":%" PRIu64 "  ", n->seq);
	cli_outs(seq);
	if (n->after != EVLOG_TIME_MIN)
		print_span(n->after);
	else
		print_time(n->logtime);
	if (n->asked)
		cli_outs("  <--");
	if (n->after == EVLOG_TIME_MIN && *n->cause) {
		cli_outs("  (caused by ");
		safe(n->cause);
		cli_outs(", which is not shown)");
	}
	cli_outs("\n");
}

/* ---- For programs ---- */

static void json_string(const char *text)
{
	char escape[8];

	cli_outs("\"");
	for (const char *p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;
		if (c == '"' || c == '\\' || c < ' ')
			snprintf(escape, sizeof escape, c < ' ' ? "\\u%04x" : "\\%c", c);
		else
			snprintf(escape, sizeof escape, "%c", c);
		cli_outs(escape);
	}
	cli_outs("\"");
}

static void json_member(const char *name, const char *text)
{
	if (!*text)
		return;
	cli_outs(",\"");
	cli_outs(name);
	cli_outs("\":");
	json_string(text);
}

static void print_json(const struct evlog_trace_node *n)
{
	char text[100];

	snprintf(text, sizeof text, "{\"depth\":%u,\"log\":", n->depth);
	cli_outs(text);
	json_string(n->log);
	snprintf(text, sizeof text, ",\"seq\":%" PRIu64 ",\"logtime\":\"", n->seq);
	cli_outs(text);
	print_time(n->logtime);
	cli_outs("\"");
	json_member("type", n->type);
	json_member("subject", n->subject);
	json_member("id", n->id);
	json_member("causationid", n->cause);
	json_member("correlationid", n->correlation);
	if (n->after != EVLOG_TIME_MIN) {
		snprintf(text, sizeof text, ",\"after\":%s%" PRIu64 ".%06" PRIu64,
		    n->after < 0 ? "-" : "",
		    (uint64_t)(n->after < 0 ? -n->after : n->after) / 1000000,
		    (uint64_t)(n->after < 0 ? -n->after : n->after) % 1000000);
		cli_outs(text);
	}
	cli_outs(n->asked ? ",\"asked\":true}\n" : "}\n");
}

/* Prints a text that may be part of a label, in quotes, of dot and of mermaid: what means
 * something to them becomes an entity of HTML. */
static void label(const char *text)
{
	char entity[12];

	for (const char *p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;
		if (c >= 0x80 || (c > ' ' && !strchr("\"\\&<>#;`[]{}()|", c)))
			snprintf(entity, sizeof entity, "%c", c);
		else
			snprintf(entity, sizeof entity, "&#%u;", c < ' ' ? 32u : c);
		cli_outs(entity);
	}
}

static void print_node(const struct evlog_trace_node *n, const char *before,
    const char *line, const char *after)
{
	char text[40];

	snprintf(text, sizeof text, "  n%zu", n->number);
	cli_outs(text);
	cli_outs(before);
	label(*n->type ? n->type : "-");
	cli_outs(line);
	if (*n->subject) {
		label(n->subject);
		cli_outs(line);
	}
	label(n->log);
	snprintf(text, sizeof text, ":%" PRIu64, n->seq);
	cli_outs(text);
	cli_outs(after);
}

static void print_dot(const struct evlog_trace_node *n)
{
	char text[80];

	print_node(n, " [label=\"", "\\n", n->asked ? "\",style=bold];\n" : "\"];\n");
	if (n->parent == SIZE_MAX)
		return;
	snprintf(text, sizeof text, "  n%zu -> n%zu [label=\"", n->parent, n->number);
	cli_outs(text);
	print_span(n->after);
	cli_outs("\"];\n");
}

static void print_mermaid(const struct evlog_trace_node *n)
{
	char text[80];

	print_node(n, "[\"", "<br>", n->asked ? "\"]:::asked\n" : "\"]\n");
	if (n->parent == SIZE_MAX)
		return;
	snprintf(text, sizeof text, "  n%zu -->|\"", n->parent);
	cli_outs(text);
	print_span(n->after);
	snprintf(text, sizeof text, "\"| n%zu\n", n->number);
	cli_outs(text);
}

/* ---- Options ---- */

static const struct form {
	const char *name, *begin, *end;
	void (*print)(const struct evlog_trace_node *n);
} forms[] = {
    {"text", "", "", print_text},
    {"json", "", "", print_json},
    {"dot", "digraph {\n  node [shape=box];\n", "}\n", print_dot},
    {"mermaid", "flowchart TD\n  classDef asked stroke-width:3px\n", "", print_mermaid},
};

static const struct form *form_of(const char *name)
{
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
		if (strcmp(name, forms[i].name) == 0)
			return &forms[i];
	cli_usage("--output %s: must be text, json, dot or mermaid", name);
}

/* Sets the id, which the caller frees, or the seq. */
static void event_of(const char *text, char **id, uint64_t *seq)
{
	size_t cap = 0, len;

	*id = NULL;
	*seq = 0;
	if (*text && strspn(text, "0123456789") == strlen(text)) {
		*seq = cli_number("SEQ", text, 1, UINT64_C(1) << 53);
		return;
	}
	if (*text == '"' && evlog_json_string(text, strlen(text), id, &cap, &len) == 0) {
		*id = cli_resize(*id, len + 1);
		(*id)[len] = '\0';
		return;
	}
	free(*id);
	*id = cli_resize(NULL, strlen(text) + 1);
	strcpy(*id, text);
}

int main(int argc, char **argv)
{
	struct evlog_trace_options o = {.size = sizeof o, .say = cli_notice};
	const struct form *form = forms;
	struct evlog_trace_node node;
	evlog_trace *trace;
	evlog_error err;
	uint64_t seq;
	char *event;
	int id;

	cli_begin(&tool);
	while ((id = cli_getopt(&tool, argc, argv)) != -1) {
		switch (id) {
		case DEPTH:
			o.depth = (unsigned)cli_number("depth", optarg, 1, 1000000);
			break;
		case 'c': o.most = cli_number("count", optarg, 1, 100000000); break;
		case CLI_NO_INDEX: o.no_index = true; break;
		case 'o': form = form_of(optarg); break;
		}
	}
	if (argc - optind < 2)
		cli_usage(argc == optind ? "no ID or SEQ given" : "no LOG given");
	if (!*argv[optind])
		cli_usage("the ID is empty");
	event_of(argv[optind], &event, &seq);
	argc = optind + 1 + cli_archives(argv + optind + 1, argc - optind - 1);
	o.max_line = cli.max_line;
	int r = evlog_trace_open(&trace, (const char *const *)argv + optind + 1,
	    (size_t)(argc - optind - 1), event, seq, &o, &err);
	if (r < 0)
		cli_fail(&err);
	if (r == EVLOG_END)
		cli_say("%s: no such event", argv[optind]);
	if (r == 0)
		cli_outs(form->begin);
	while (r == 0 && evlog_trace_next(trace, &node))
		form->print(&node);
	if (r == 0)
		cli_outs(form->end);
	evlog_trace_close(trace);
	free(event);
	free(open_levels);
	return cli_end(r == 0 ? CLI_OK : CLI_NO);
}
