/* evfold - fold events into state. */
#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	STRICT = CLI_OWN,
	COLUMNS,
	SNAPSHOT,
	REBUILD,
	SKIP_ERRORS,
	NAME,
	ACCEPT_CHANGE,
	DEAD_LETTER,
	TEST,
	LUA_MEMORY,
	LUA_STEPS
};

static const struct cli_option options[] = {
    {'k', "key", "PATH",
	"one state for each value at PATH, such as subject or data.customer"},
    {'p', "program", "FILE", "fold with a Lua program: function on.TYPE(state, event)"},
    {'o', "output", "FORM",
	"state: print states at the end (default); changes: print each\n"
	"                            new state at once; events: print what the program "
	"emits;\n"
	"                            sqlite:FILE[:TABLE]: update a table with a row for "
	"each key;\n"
	"                            log:LOG: append what the program emits to LOG, "
	"exactly once"},
    {NAME, "name", "NAME",
	"name of the process in LOG (default: the program's file name)"},
    {ACCEPT_CHANGE, "accept-change", NULL,
	"continue in LOG with a changed program, key or upcaster"},
    {DEAD_LETTER, "dead-letter", "LOG",
	"append events that the program fails on to LOG; continue"},
    {COLUMNS, "columns", NULL, "add a column for each reducer to the table"},
    CLI_UPCASTING,
    CLI_FOLLOW,
    {SNAPSHOT, "snapshot", "FILE",
	"continue from the states in FILE, and save them there"},
    {REBUILD, "rebuild", NULL, "start over and replace the snapshot or table"},
    CLI_THREADED,
    {STRICT, "strict", NULL, "fail on values that a reducer cannot use"},
    {SKIP_ERRORS, "skip-errors", "FILE",
	"write events that the program fails on to FILE; continue"},
    {TEST, "test", "FILE", "test the program with the cases in FILE"},
    {LUA_MEMORY, "lua-memory", "BYTES",
	"memory limit of the program, per thread (default: 1 GiB)"},
    {LUA_STEPS, "lua-steps", "N",
	"instruction limit for one event (default: 10 million)"},
    CLI_PROGRESSING,
    {0, NULL, NULL, "General"},
    CLI_LINES,
    CLI_COMMON,
    {0},
};

static const struct cli_tool tool = {
    .name = "evfold",
    .operands = "[REDUCER...] [LOG|FILE...]",
    .summary = "Fold events into states.  Without LOG or FILE, reads standard input.",
    .notes =
	"A REDUCER is NAME=FUNC(PATH){FILTER}: FUNC is count, sum, min, max, avg, "
	"first,\n"
	"last, list, set, merge (RFC 7396) or patch (RFC 6902), PATH is a.b or /a/b,\n"
	"FILTER is as for evcat -w: PATH=VALUE, PATH>=VALUE, ...; separate several with "
	"commas.\n"
	"The default is merge(data).  Numbers are exact decimals: 0.1 + 0.2 is 0.3.\n"
	"\n"
	"  evfold -k subject n=count 'paid=sum(data.amount){type=PaymentCaptured}' LOG\n"
	"  evfold -k subject -p orders.lua LOG\n"
	"  evfold -f -k subject -p saga.lua -o log:commands.evlog LOG\n",
    .options = options,
};

enum form { STATE, CHANGES, EVENTS, TABLE, LOG };

#define COMMIT_EVERY	    10000000 /* microseconds between commits of a table */
#define COMMIT_EVERY_FOLLOW 200000
#define COMMIT_BYTES	    (16u << 20) /* of emitted events */
#define SAVE_EVERY	    30000000	/* between snapshots, with --follow, at least; */
#define SAVE_SHARE	    20		/* and this many times as long as one takes */

struct fold {
	evlog_fold *f;
	enum form form;
	const char *program, *key, *upcast, *skip_path, *snapshot, *test;
	const char *log, *name, *dead_letter; /* LOG: where it emits, and so on */
	const char *source;		      /* the log that is folded */
	bool accept_change;
	int64_t saved, cost; /* when the snapshot was written, and how long that took */
	char *database;
	const char *table;
	unsigned threads;
	bool columns, rebuild, is_log;
	struct evlog_position at; /* what the snapshot or table has */
	int64_t committed;	  /* time of the last commit */
	struct evlog_limits limits;
	FILE *skipped;
	uint64_t events, failed;
	bool strict;
	bool over, stopped; /* stopped: by the program */
};

/* ---- Output ---- */

static int write_safe(void *arg, const char *p, size_t len)
{
	(void)arg;
	cli_out_safe(p, len, "\n");
	return 0;
}

static void put_line(const char *p, size_t len)
{
	cli_out_safe(p, len, "");
	cli_outs("\n");
}

/* ---- Folding ---- */

/* Commits what was emitted, if anything was; s NULL: up to the last event folded, rather
 * than the last one read. */
static void log_commit(struct fold *o, const evlog_stream *s)
{
	struct evlog_position at;
	evlog_error err;

	if (evlog_fold_log_pending(o->f) == 0)
		return;
	int r = s ? evlog_stream_position(s, &at, &err)
		  : evlog_position_find(
			o->source, evlog_fold_seq(o->f), &at, cli.max_line, &err);
	if (r == 0)
		r = evlog_fold_log_commit(o->f, &at, &err);
	if (r < 0)
		cli_fail(&err);
	o->committed = cli_clock();
}

/* Keeps an event that the program failed on, so that it can be folded later. */
static void skip(struct fold *o, const struct evlog_event *e, const evlog_error *why)
{
	if (!o->skipped || why->code != EVLOG_EDATA) {
		log_commit(o, NULL);
		cli_fail(why);
	}
	o->failed++;
	fwrite(e->line, 1, e->len, o->skipped);
	fputc('\n', o->skipped);
	if (cli.verbose)
		cli_say("%s", why->text);
}

static void fold_event(struct fold *o, const struct evlog_event *e)
{
	evlog_error err;
	const char *p;
	size_t len;

	/* not between events that an upcaster has made of one */
	if (evlog_fold_log_pending(o->f) > COMMIT_BYTES && e->seq > evlog_fold_seq(o->f))
		log_commit(o, NULL);
	if (evlog_fold_event(o->f, e, &err) < 0) {
		skip(o, e, &err);
		return;
	}
	o->events++;
	if (o->form == EVENTS) {
		evlog_fold_emitted(o->f, &p, &len);
		cli_out_safe(p, len, "\n");
	} else if (o->form == CHANGES &&
		   evlog_fold_write_change(o->f, write_safe, NULL, &err) < 0) {
		cli_fail(&err);
	}
	if (!evlog_fold_stopped(o->f))
		return;
	if (o->form == STATE || o->form == TABLE)
		put_line(e->line, e->len);
	o->over = o->stopped = true;
}

static void skipped_sync(const struct fold *o)
{
	if (!o->skipped || o->failed == 0)
		return;
	if (fflush(o->skipped) == 0 && !ferror(o->skipped) &&
	    cli_sync(fileno(o->skipped), o->skip_path) == 0)
		return;
	cli_say("%s: %s", o->skip_path, strerror(errno));
	exit(CLI_IO);
}

/* Gets how far the stream has been folded. */
static struct evlog_position position(struct fold *o, const evlog_stream *s)
{
	struct evlog_position at = {.seq = evlog_fold_seq(o->f)};
	evlog_error err;

	if (at.seq <= o->at.seq)
		return o->at;
	if (o->is_log && evlog_stream_position(s, &at, &err) != 0)
		cli_fail(&err);
	return at;
}

/* Commits to the table, but no sooner than `every` microseconds after the last commit. */
static void commit(struct fold *o, const evlog_stream *s, int64_t every)
{
	evlog_error err;

	if (every && (cli_clock() - o->committed < every || o->rebuild))
		return;
	skipped_sync(o); /* an event counted as folded must not be lost */
	struct evlog_position at = position(o, s);
	if (evlog_fold_table_commit(o->f, &at, &err) < 0)
		cli_fail(&err);
	o->at = at;
	o->rebuild = false;
	o->committed = cli_clock();
}

static void save(struct fold *o, const evlog_stream *s)
{
	int64_t begun = cli_clock();
	evlog_error err;

	if (o->database)
		commit(o, s, 0);
	log_commit(o, s);
	if (!o->snapshot)
		return;
	skipped_sync(o);
	struct evlog_position at = position(o, s);
	if (evlog_fold_save(o->f, o->snapshot, &at, &err) < 0)
		cli_fail(&err);
	o->at = at;
	o->saved = cli_clock();
	o->cost = o->saved - begun;
}

/* Folds the next events: one at a time if results are shown at once, and whole blocks
 * otherwise.  Returns what evlog_stream_next does. */
static int fold_next(struct fold *o, evlog_stream *s, evlog_error *err)
{
	struct evlog_lines lines;
	struct evlog_event e;
	uint64_t n = 0;
	int r;

	if ((o->form == STATE || o->form == TABLE) && !o->skipped) {
		r = evlog_fold_next(o->f, s, cli.progress ? &n : NULL, err);
		o->events += n;
		return r;
	}
	r = evlog_stream_next(s, &lines, err);
	while (r == 0 && !o->over && evlog_lines_take(&lines, &e))
		fold_event(o, &e);
	return r;
}

/* What is done now and then: all that was read has been folded. */
static void keep(struct fold *o, const evlog_stream *s, bool follow, bool idle)
{
	int64_t every = follow ? COMMIT_EVERY_FOLLOW : COMMIT_EVERY;

	if (o->form == TABLE && !idle)
		commit(o, s, every);
	else if (o->form == TABLE && evlog_fold_seq(o->f) > o->at.seq)
		commit(o, s, 0);
	if (o->form != LOG)
		return;
	if (idle || cli_clock() - o->committed >= COMMIT_EVERY_FOLLOW ||
	    evlog_fold_log_pending(o->f) > COMMIT_BYTES / 4)
		log_commit(o, s);
	if (follow && o->snapshot && evlog_fold_seq(o->f) > o->at.seq &&
	    cli_clock() - o->saved > SAVE_EVERY + SAVE_SHARE * o->cost)
		save(o, s);
}

static void fold(struct fold *o, evlog_stream *s, bool follow)
{
	struct evlog_lines lines;
	evlog_error err;
	int r = 0;

	while (!o->over && ((r = fold_next(o, s, &err)) == 0 || r == EVLOG_WAIT)) {
		if (!o->over)
			keep(o, s, follow, r == EVLOG_WAIT);
		if (r == 0) {
			cli_progress(s, o->events);
			continue;
		}
		cli_flush();
		if (evlog_stream_wait(s, 500, &err) < 0)
			cli_fail(&err);
	}
	log_commit(o, o->over ? NULL : s);
	if (r < 0)
		cli_fail(&err); /* half a state could be mistaken for a whole one */
	r = evlog_fold_finish(o->f, &lines, &err);
	if (r < 0)
		cli_fail(&err);
	if (r == EVLOG_END && !o->stopped && o->form != CHANGES && o->form != EVENTS)
		put_line(lines.p, lines.len);
	o->stopped |= r == EVLOG_END;
}

/* Warns about reducers that found no value; with --strict that is an error. */
static int missed_say(const struct fold *o)
{
	uint64_t events;
	size_t i = 0;
	int status = CLI_OK;

	for (const char *text; (text = evlog_fold_missed(o->f, &i, &events)) != NULL;) {
		if (o->strict)
			status = CLI_DATA;
		if (!cli.quiet || o->strict)
			cli_say("%s: no value at its path in any of %" PRIu64 " event%s",
			    text, events, cli_plural(events));
	}
	return status;
}

static void say_counts(const evlog_fold *f)
{
	uint64_t keyless, unusable;

	evlog_fold_counts(f, &keyless, &unusable);
	if (keyless && !cli.quiet)
		cli_say("skipped: %" PRIu64 " event%s without a key", keyless,
		    cli_plural(keyless));
	if (unusable && !cli.quiet)
		cli_say("skipped: %" PRIu64 " value%s that a reducer cannot use",
		    unusable, cli_plural(unusable));
}

_Noreturn static void wrong(const evlog_error *err)
{
	if (err->code == EVLOG_EUSAGE)
		cli_usage("%s", err->text);
	cli_fail(err);
}

static void skipped_open(struct fold *o)
{
	o->skipped = fopen(o->skip_path, "ae");
	if (!o->skipped) {
		cli_say("%s: %s", o->skip_path, strerror(errno));
		exit(CLI_CREATE);
	}
}

static void emitted_say(const struct fold *o)
{
	struct evlog_fold_log_counts n;

	evlog_fold_log_counted(o->f, &n);
	if (n.dead && !cli.quiet)
		cli_say("%" PRIu64 " event%s that the program failed on; see %s", n.dead,
		    cli_plural(n.dead), o->dead_letter);
	if (o->log && cli.verbose)
		cli_say("%" PRIu64 " event%s emitted", n.emitted, cli_plural(n.emitted));
}

/* Returns the exit status. */
static int skipped_close(struct fold *o)
{
	if (!o->skipped)
		return CLI_OK;
	bool bad = ferror(o->skipped);
	if (fclose(o->skipped) != 0 || bad) {
		cli_say("%s: %s", o->skip_path, strerror(errno));
		return CLI_IO;
	}
	if (o->failed && !cli.quiet)
		cli_say("skipped: %" PRIu64
			" event%s that the program failed on, written to %s",
		    o->failed, cli_plural(o->failed), o->skip_path);
	return o->failed ? CLI_DATA : CLI_OK;
}

static void option_take(
    struct fold *o, struct evlog_selection *sel, int id, const char *arg)
{
	evlog_error err;

	switch (id) {
	case 'k':
		o->key = arg;
		if (evlog_fold_key(o->f, arg, &err) < 0)
			wrong(&err);
		break;
	case 'p': o->program = arg; break;
	case 'o':
		if (strcmp(arg, "state") == 0)
			o->form = STATE;
		else if (strcmp(arg, "changes") == 0)
			o->form = CHANGES;
		else if (strcmp(arg, "events") == 0)
			o->form = EVENTS;
		else if ((o->database = cli_table("output", arg, &o->table)))
			o->form = TABLE;
		else if (strncmp(arg, "log:", 4) == 0 && arg[4])
			o->log = arg + 4, o->form = LOG;
		else
			cli_usage(
			    "--output %s: must be state, changes, events, sqlite:FILE or "
			    "log:LOG",
			    arg);
		break;
	case CLI_UPCAST: o->upcast = arg; break;
	case 'f': sel->follow = true; break;
	case 'j': o->threads = (unsigned)cli_number("threads", arg, 1, 256); break;
	case COLUMNS: o->columns = true; break;
	case SNAPSHOT: o->snapshot = arg; break;
	case REBUILD: o->rebuild = true; break;
	case STRICT:
		o->strict = true;
		evlog_fold_strict(o->f);
		break;
	case SKIP_ERRORS: o->skip_path = arg; break;
	case NAME: o->name = arg; break;
	case ACCEPT_CHANGE: o->accept_change = true; break;
	case DEAD_LETTER: o->dead_letter = arg; break;
	case TEST: o->test = arg; break;
	case LUA_MEMORY:
		o->limits.memory = cli_size("lua-memory", arg, UINT64_C(1) << 40);
		break;
	case LUA_STEPS:
		o->limits.steps = cli_number("lua-steps", arg, 1000, UINT64_C(1) << 53);
		break;
	}
}

/* Takes the reducers and the program, and collects the operands.  Returns their
 * number. */
static size_t operands_take(struct fold *o, char **words, int n, const char **operands)
{
	size_t reducers = 0, rest = 0;
	evlog_error err;

	for (int i = 0; i < n; i++) {
		if (!evlog_fold_is_reducer(words[i]))
			operands[rest++] = words[i];
		else if (reducers++, evlog_fold_reducer(o->f, words[i], &err) < 0)
			wrong(&err);
	}
	if (o->program && reducers)
		cli_usage("reducers and --program cannot be combined");
	if (!o->program && (o->form == EVENTS || o->form == LOG))
		cli_usage("--output events and --output log need --program");
	if (o->form != LOG && (o->name || o->accept_change || o->dead_letter))
		cli_usage(
		    "--name, --accept-change and --dead-letter need --output log:LOG");
	if (o->form == LOG && o->skip_path)
		cli_usage("--output log cannot be combined with --skip-errors; use "
			  "--dead-letter LOG");
	if (o->dead_letter && o->strict)
		cli_usage(
		    "--dead-letter cannot be combined with --strict: a letter is for "
		    "what the program fails at");
	if (o->dead_letter && o->upcast)
		cli_usage(
		    "--dead-letter cannot be combined with --upcast: a letter has the "
		    "event as it was stored");
	if (o->snapshot && o->database)
		cli_usage("--snapshot cannot be combined with --output sqlite: the table "
			  "stores the states");
	if (o->rebuild && !o->snapshot && !o->database)
		cli_usage("--rebuild needs --snapshot or --output sqlite:FILE");
	if (o->columns && !o->database)
		cli_usage("--columns needs --output sqlite:FILE");
	if (!o->program && o->skip_path)
		cli_usage("--skip-errors needs --program");
	if (o->program && evlog_fold_program(o->f, o->program, &o->limits, &err) < 0)
		wrong(&err);
	if (o->skip_path)
		evlog_fold_set_rollback(o->f);
	return rest;
}

/* A file that does not exist may have been meant as a reducer. */
static void absent_check(struct fold *o, const char *word)
{
	char call[64];
	evlog_error err;

	if (strcmp(word, "-") == 0 || access(word, F_OK) == 0 || errno != ENOENT)
		return;
	int n = snprintf(call, sizeof call, "%s()", word);
	bool alone = n < (int)sizeof call && evlog_fold_is_reducer(call);
	if (alone && !strchr(word, '='))
		cli_say("%s: no such file; did you mean %s(%s)?", word, word,
		    strcmp(word, "count") == 0 ? "" : "PATH");
	else if ((alone || strpbrk(word, "({")) &&
		 evlog_fold_reducer(o->f, word, &err) == EVLOG_EUSAGE)
		cli_say("neither a file nor a valid reducer: %s", err.text);
	else
		return; /* opening it will report that */
	exit(CLI_NOINPUT);
}

/* ---- Continuing from a snapshot or table ---- */

/* Reports an unwritable folder before the work, not after it. */
static void folder_check(const char *path)
{
	char *copy = strdup(path);

	if (!copy || access(dirname(copy), W_OK | X_OK) < 0) {
		cli_say("%s: %s", path, strerror(errno));
		exit(CLI_CREATE);
	}
	free(copy);
}

/* Opens the log that the process appends to. */
static void log_open(struct fold *o)
{
	const char *slash = strrchr(o->program, '/');
	struct evlog_fold_log_options log = {.size = sizeof log,
	    .path = o->log,
	    .name = o->name ? o->name
		    : slash ? slash + 1
			    : o->program,
	    .source = o->source,
	    .dead_letter = o->dead_letter,
	    .accept_change = o->accept_change,
	    .max_line = cli.max_line,
	    .say = cli_notice};
	struct evlog_position at;
	evlog_error err;

	int r = evlog_fold_log(o->f, &log, &at, &err);
	if (r == EVLOG_EUSAGE)
		wrong(&err);
	if (r < 0)
		cli_fail(&err);
	if (cli.verbose && r == 0)
		cli_say("%s has what was emitted up to event %" PRIu64, o->log, at.seq);
}

/* Loads the stored states, checks that they are of this log, and sets where to
 * continue. */
static void resume(struct fold *o, const char *operand, struct evlog_selection *sel)
{
	struct evlog_table_options kept = {.size = sizeof kept,
	    .file = o->database,
	    .name = o->table,
	    .columns = o->columns,
	    .rebuild = o->rebuild};
	evlog_error err;
	int r = EVLOG_END;

	evlog_fold_require_ascending(o->f);
	if (o->snapshot)
		folder_check(o->snapshot);
	if (o->database)
		r = evlog_fold_table(o->f, &kept, &o->at, &err);
	else if (!o->rebuild)
		r = evlog_fold_load(o->f, o->snapshot, &o->at, &err);
	if (r == 0 && o->is_log)
		r = evlog_position_check(operand, &o->at, cli.max_line, &err);
	if (r == EVLOG_EUSAGE)
		wrong(&err);
	if (r < 0)
		cli_fail(&err);
	if (o->is_log)
		sel->from = o->at.seq + 1;
}

/* The state of some of the events must not be taken for that of all. */
static void trimmed_refuse(const evlog_stream *s)
{
	uint64_t first;
	const char *path = evlog_stream_trimmed(s, &first);

	if (!path)
		return;
	cli_say(
	    "%s: begins with event %" PRIu64
	    "; those before it have been removed.  Name the folder of backups that has "
	    "them before it, continue a snapshot of them, or fold what is left: evcat "
	    "%s | evfold",
	    path, first, path);
	exit(CLI_MISMATCH);
}

static bool is_log(const char *path)
{
	struct stat st;

	if (evlog_path_is_log(path))
		return true;
	if (stat(path, &st) == 0)
		return false;
	if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) {
		cli_say("%s: %s", path, strerror(errno));
		exit(CLI_IO);
	}
	return false; /* opening it will report the error */
}

static void upcast(struct fold *o, struct evlog_selection *sel)
{
	unsigned char hash[32];

	cli_upcast(sel, o->upcast);
	evlog_upcaster_hash(sel->map_arg, hash);
	evlog_fold_set_upcaster_hash(o->f, hash);
}

/* Runs the tests of the program, and nothing else. */
static _Noreturn void test(const struct fold *o, bool follow, int operands)
{
	const struct evlog_fold_test_options t = {
	    .size = sizeof t, .program = o->program, .key = o->key, .limits = &o->limits};

	if (!o->program)
		cli_usage("--test needs --program");
	if (operands || follow || o->form != STATE || o->upcast || o->skip_path ||
	    o->snapshot || o->rebuild || o->columns || o->strict || o->threads ||
	    o->name || o->accept_change || o->dead_letter)
		cli_usage(
		    "--test can only be combined with --program, --key, --lua-memory "
		    "and --lua-steps, and reads no log");
	exit(cli_end(cli_fold_test(o->test, &t)));
}

int main(int argc, char **argv)
{
	struct fold o = {.limits = {.size = sizeof o.limits}};
	struct evlog_selection sel;
	evlog_stream *s;
	evlog_error err;
	int id;

	cli_begin(&tool);
	evlog_selection_init(&sel);
	if (evlog_fold_new(&o.f, &err) < 0)
		cli_fail(&err);
	while ((id = cli_getopt(&tool, argc, argv)) != -1)
		option_take(&o, &sel, id, optarg);
	if (o.test)
		test(&o, sel.follow, argc - optind);
	sel.max_line = cli.max_line;
	if (o.upcast)
		upcast(&o, &sel);
	if (sel.follow)
		sel.stop = cli_stoppable(); /* on a signal, print the state so far */
	const char **logs = calloc((size_t)argc + 1, sizeof *logs);
	if (!logs) {
		cli_say("out of memory");
		exit(CLI_IO);
	}
	size_t n = operands_take(&o, argv + optind, argc - optind, logs);
	n = (size_t)cli_archives((char **)logs, (int)n);
	o.is_log = n == 1 && is_log(logs[0]);
	for (size_t i = 0; i < n; i++)
		absent_check(&o, logs[i]);
	if (n == 0)
		logs[n++] = "-";
	/* threads do not help if seqs are checked; events shown one by one need none */
	sel.threads = o.threads ? o.threads : cli_cores();
	if (!sel.follow && o.form == STATE && (!o.snapshot || o.is_log))
		evlog_fold_threads(o.f, sel.threads);
	if ((o.snapshot || o.database) && n > 1)
		cli_usage("--snapshot and --output sqlite need a single LOG or FILE");
	if (o.log && n == 1 && !o.is_log && strcmp(logs[0], "-") != 0 &&
	    access(logs[0], F_OK) < 0) {
		cli_say("%s: %s", logs[0], strerror(errno));
		exit(CLI_NOINPUT);
	}
	if (o.log && !o.is_log)
		cli_usage("--output log needs a single log directory");
	o.source = logs[0];
	if (o.log)
		log_open(&o);
	if (o.snapshot || o.database)
		resume(&o, logs[0], &sel);
	if (evlog_stream_open(&s, logs, n, &sel, &err) < 0)
		cli_fail(&err);
	trimmed_refuse(s);
	if (o.skip_path)
		skipped_open(&o);
	o.saved = cli_clock();
	fold(&o, s, sel.follow);
	int missed = o.stopped ? CLI_OK : missed_say(&o);
	if (missed)
		exit(missed);
	if (o.form == STATE && !o.stopped &&
	    evlog_fold_write(o.f, write_safe, NULL, &err) < 0)
		cli_fail(&err);
	cli_flush();
	if (!o.stopped)
		save(&o, s);
	emitted_say(&o);
	int status = skipped_close(&o);
	if (status == CLI_OK && !o.stopped && evlog_fold_may_stop(o.f))
		status = CLI_NO; /* the program never found what it looks for */
	evlog_stream_close(s);
	if (!o.stopped)
		say_counts(o.f);
	evlog_fold_free(o.f);
	free(logs);
	cli_upcast_free();
	cli_select_free(&sel);
	free(o.database);
	return cli_end(status);
}
