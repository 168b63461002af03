/* evappend - append events to a log. */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	ACK = CLI_OWN,
	ATOMIC,
	DEDUP,
	EXPECT,
	EXPECT_SUBJECT,
	EXPECT_NONE,
	FORCE,
	LINGER,
	MAX_LINE,
	NO_CREATE,
	NO_SYNC,
	REINDEX,
	REJECT,
	CHECK,
	REPLICA,
	PROMOTE,
	REQUIRE,
	SEGMENT_SIZE,
	STRICT,
	SUBJECT,
	SUBJECT_FROM,
	TEXT,
	TIME_FROM,
	TYPE_FROM,
	ID_FROM,
	SOURCE_FROM,
	WAIT,
};

static const struct cli_option options[] = {
    {0, NULL, NULL, "Input"},
    {'t', "type", "TYPE", "wrap each JSON value as data of this type"},
    {TYPE_FROM, "type-from", "PATH", "the same, with the type taken from PATH"},
    {SUBJECT_FROM, "subject-from", "PATH", "take the subject from PATH"},
    {TIME_FROM, "time-from", "PATH", "take the time from PATH"},
    {ID_FROM, "id-from", "PATH", "take the id from PATH"},
    {SOURCE_FROM, "source-from", "PATH", "take the source from PATH"},
    {REQUIRE, "require", NULL, "treat a line without a value at a PATH as bad"},
    {CLI_SOURCE, "source", "URI", "source of events without one (default: /LOG)"},
    {SUBJECT, "subject", "TEXT", "subject of events without one"},
    {TEXT, "text", NULL, "wrap each line of text as a string"},
    {MAX_LINE, "max-line", "BYTES", "longest line accepted (default: 16 MiB)"},
    {REJECT, "reject", "FILE", "write bad lines to FILE and continue"},
    {CHECK, "check", "FILE", "refuse lines that the Lua rules in FILE refuse"},
    {0, NULL, NULL, "Commits"},
    {ATOMIC, "atomic", NULL, "append all in one commit, or nothing (up to 64 MiB)"},
    {ACK, "ack", NULL, "print a line for each commit, once it is durable"},
    {EXPECT, "expect", "N", "append only if the last seq is N (0: LOG is empty)"},
    {EXPECT_NONE, "expect-none", "N:FILTER...",
	"append only if no event after seq N meets FILTER; repeat for more"},
    {EXPECT_SUBJECT, "expect-subject", "S=N...",
	"append only if the last event of S has seq N; repeat for more"},
    {DEDUP, "dedup", "[=N|id]",
	"skip events in LOG, or in its last N; id: by source and id"},
    {REPLICA, "replica", NULL, "append stored events unchanged; skip those in LOG"},
    {PROMOTE, "promote", NULL, "append to a copy, which is then a log of its own"},
    {LINGER, "linger", "MS", "wait up to MS for more input before a commit"},
    {0, NULL, NULL, "Durability and the log"},
    {STRICT, "strict", NULL, "sync twice per commit; no doubt after a power cut"},
    {NO_SYNC, "no-sync", NULL, "never sync; events survive only a crash of evappend"},
    {WAIT, "wait", "SECONDS", "wait at most this long for the lock (default: 60)"},
    {NO_CREATE, "no-create", NULL, "fail if LOG does not exist"},
    {FORCE, "force", NULL, "append even on a network file system"},
    {SEGMENT_SIZE, "segment-size", "BYTES",
	"start a new segment at this size (default: 64 MiB)"},
    {'z', "level", "N", "zstd level (default: 1)"},
    CLI_THREADED,
    {REINDEX, "reindex", NULL, "only seal full segments and repair indexes"},
    {0, NULL, NULL, "General"},
    CLI_PROGRESSING,
    CLI_COMMON,
    {0},
};

static const struct cli_tool tool = {
    .name = "evappend",
    .operands = "LOG [FILE... | -- COMMAND [ARG...]]",
    .summary = "Append events from FILEs or standard input to LOG, which is created if "
	       "necessary;\n"
	       "with --replica, also from COMMAND, which is restarted if it fails.",
    .notes =
	"PATH is a.b or the JSON Pointer /a/b.  A FILE may be plain, compressed, or an\n"
	"archive.  Status 0: everything is durable.  1: an expectation was not met.\n"
	"65: a line is not an event.  74: only what was acknowledged is stored.\n"
	"EVLOG_FROM tells COMMAND at which seq to start.\n"
	"\n"
	"  evappend --replica LOG -- \\\n"
	"      sh -c 'ssh HOST evcat -f -o zst --from $EVLOG_FROM LOG'\n",
    .options = options,
};

struct append {
	const char *path; /* of the log */
	struct evlog_writer_options o;
	evlog_writer *w;
	struct evlog_input_options input;
	int64_t linger;
	bool ack, reindex, committing;
	bool appending; /* an option was given that --reindex cannot obey */
	bool created_said, extension_said;
	bool slid;	    /* --dedup=N did not compare with all events */
	uint64_t forgotten; /* and --dedup not with the events up to this one */
	bool unrecorded;    /* the last commit is durable, but not recorded in head */
	struct evlog_expectation *expected;
	struct evlog_absence *absent;
	struct cli_reject reject;
	const char *rules; /* of --check; or NULL */
	evlog_checker *checker;
	int64_t pending_since; /* when the first pending event came; 0: unknown */
	uint64_t appended, skipped, rejected, last_seq;
};

/* ---- Acknowledging and rejecting ---- */

static void created_say(struct append *a)
{
	if (evlog_writer_created(a->w) && cli.err_tty && !cli.quiet && !a->created_said)
		cli_say("%s: created a new log", a->path);
	a->created_said |= evlog_writer_created(a->w);
}

static void acknowledge(struct append *a, const struct evlog_ack *ack)
{
	char line[256];

	created_say(a);
	if (ack->recovered && !cli.quiet)
		cli_say("%s", ack->notice);
	a->skipped += ack->skipped;
	a->slid |= ack->slid;
	if (ack->forgotten > a->forgotten)
		a->forgotten = ack->forgotten;
	a->last_seq = ack->to;
	if (ack->to + 1 <= ack->from && !ack->skipped)
		return;
	a->appended += ack->to + 1 - ack->from;
	if (!a->ack)
		return;
	int n = snprintf(line, sizeof line,
	    "{\"from\":%" PRIu64 ",\"to\":%" PRIu64 ",\"skipped\":%" PRIu64
	    ",\"root\":\"%s\"}\n",
	    ack->from, ack->to, ack->skipped, ack->root);
	cli_out(line, (size_t)n);
	cli_flush();
}

_Noreturn static void reject_failed(struct append *a)
{
	cli_say("%s: %s", a->reject.path, strerror(errno));
	evlog_writer_close(a->w);
	exit(CLI_IO);
}

/* Rejected lines must be durable before later events are acknowledged. */
static void reject_sync(struct append *a)
{
	if (!a->o.no_sync && cli_reject_sync(&a->reject) < 0)
		reject_failed(a);
}

/* ---- Committing ---- */

_Noreturn static void stop(struct append *a, const evlog_error *err)
{
	cli_flush();
	cli_say("%s", err->text);
	if (err->code == EVLOG_EDATA && a->o.atomic)
		cli_say("nothing was appended (--atomic)");
	else if (err->code == EVLOG_EDATA && a->appended == 0)
		cli_say("no event was appended");
	else if (err->code != EVLOG_ECONFLICT && a->appended)
		cli_say("%" PRIu64 " event%s appended before that, up to seq %" PRIu64,
		    a->appended, cli_plural(a->appended), a->last_seq);
	evlog_writer_close(a->w);
	exit(cli_status(err->code));
}

/* Puts a rejected line into the --reject FILE, or ends the program. */
static void refuse(struct append *a, const evlog_error *err, const char *name,
    const char *line, size_t len)
{
	if (!a->reject.path)
		stop(a, err);
	if (cli_reject(&a->reject, err, name, line, len) < 0)
		reject_failed(a);
	a->rejected++;
	if (cli.verbose)
		cli_say("%s", err->text);
}

static void seal(struct append *a, bool wait)
{
	evlog_error err;

	if (evlog_writer_seal(a->w, wait, &err) < 0 && !cli.quiet)
		cli_say("%s", err.text);
}

/* Handles the result of a commit.  Returns true if it is done; if not, the line that it
 * rejected was handled, and the rest is still pending. */
static bool committed(
    struct append *a, int r, const struct evlog_ack *ack, const evlog_error *err)
{
	a->unrecorded = r == EVLOG_EUNRECORDED;
	if (r == 0 || a->unrecorded || (r == EVLOG_EDATA && !a->o.atomic))
		acknowledge(a, ack);
	else if (r == EVLOG_EDATA)
		a->skipped += ack->skipped;
	if (a->unrecorded)
		cli_say("%s", err->text);
	if (r == 0 || a->unrecorded)
		return true;
	if (r != EVLOG_EDATA || !ack->rejected)
		stop(a, err);
	refuse(a, err, ack->rejected_name, ack->rejected, ack->rejected_len);
	return false;
}

/* Commits what is pending, even if that is nothing. */
static void commit_pending(struct append *a)
{
	struct evlog_ack ack;
	evlog_error err;
	int r;

	do {
		reject_sync(a);
		r = evlog_writer_commit(a->w, &ack, &err);
	} while (!committed(a, r, &ack, &err) || evlog_writer_pending(a->w));
	seal(a, false);
}

/* Waits for the commit in progress, if any. */
static void commit_end(struct append *a)
{
	struct evlog_ack ack;
	evlog_error err;

	if (!a->committing)
		return;
	a->committing = false;
	int r = evlog_writer_end(a->w, &ack, &err);
	if (committed(a, r, &ack, &err))
		seal(a, false);
	else
		commit_pending(a);
}

static void commit(struct append *a)
{
	commit_end(a);
	commit_pending(a);
}

/* Starts a commit in the background, so that reading can continue. */
static void commit_begin(struct append *a)
{
	commit_end(a);
	reject_sync(a);
	if (evlog_writer_full(a->w)) {
		evlog_writer_begin(a->w);
		a->committing = true;
	}
	cli_progress(NULL, a->appended);
}

/* Does all the work of --reindex. */
static int reindex(struct append *a)
{
	evlog_error err;

	commit(a);
	int r = evlog_writer_reindex(a->w, &err);
	if (r < 0)
		cli_say("%s", err.text);
	evlog_writer_close(a->w);
	return cli_status(r);
}

static bool is_pending(const struct append *a)
{
	return a->committing || evlog_writer_pending(a->w);
}

/* Handles a bad line.  The lines before it are committed first, so that they stay. */
static void bad_line(struct append *a, const evlog_error *err, const char *name,
    const char *line, size_t len)
{
	if (!a->reject.path && !a->o.atomic && is_pending(a))
		commit(a);
	refuse(a, err, name, line, len);
}

/* Whether opening a file may block, for example on a FIFO without a writer. */
static bool may_wait(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

/* For how many milliseconds pending lines may wait for the next one; -1: for ever. */
static int patience(struct append *a)
{
	if (a->committing)
		return 0;
	if (a->o.atomic || !evlog_writer_pending(a->w)) {
		a->pending_since = 0;
		return -1;
	}
	if (a->linger == 0)
		return 0;
	if (a->pending_since == 0)
		a->pending_since = evlog_now();
	int64_t waited = (evlog_now() - a->pending_since) / 1000;
	return waited >= 0 && waited < a->linger ? (int)(a->linger - waited) : 0;
}

/* {"type":"Paid","amount":100} is valid, but probably not what was meant: warn once. */
static void extension_say(struct append *a)
{
	const char *name = a->extension_said ? NULL : evlog_writer_extension(a->w);

	if (!name)
		return;
	a->extension_said = true;
	if (!cli.quiet)
		cli_say("\"%s\" is stored as an extension attribute; if it is content, "
			"put it in data",
		    name);
}

/* Warns about paths that found nothing in any line. */
static void missed_say(const struct append *a)
{
	struct evlog_missed m[5];
	size_t n = evlog_writer_missed(a->w, m);

	for (size_t i = 0; i < n && !cli.quiet; i++)
		if (m[i].lines && m[i].missed == m[i].lines)
			cli_say("--%s-from %s: no value there in any of %" PRIu64
				" line%s",
			    m[i].attribute, m[i].path, m[i].lines,
			    cli_plural(m[i].lines));
}

/* Checks the first FILE before a log is created for it. */
static void file_check(const char *file)
{
	struct stat st;

	int why = stat(file, &st) < 0	   ? errno
		  : S_ISDIR(st.st_mode)	   ? EISDIR
		  : access(file, R_OK) < 0 ? errno
					   : 0;
	if (why == 0)
		return;
	cli_say("%s: %s", file, strerror(why));
	cli_say("no event was appended");
	exit(why == ENOENT || why == ENOTDIR ? CLI_NOINPUT
	     : why == EACCES || why == EPERM ? CLI_PERMISSION
					     : CLI_IO);
}

/* Passes on what a compressed stream says of the next lines. */
static int frames_pass(struct append *a, evlog_input *in, evlog_error *err)
{
	const char *frame;
	size_t n;
	int r = 0;

	while (!r && a->o.replica && evlog_input_frame(in, &frame, &n))
		r = evlog_writer_frame(a->w, frame, n, err);
	return r;
}

/* Appends all lines of an input.  Returns EVLOG_END, or the error that ended it. */
static int append_lines(struct append *a, evlog_input *in, evlog_error *why)
{
	evlog_error err;
	const char *line = "";
	size_t len = 0;
	int r = 0;

	while (!r) {
		r = evlog_input_next(in, patience(a), &line, &len, &err);
		const char *name = evlog_input_name(in);
		if (r == EVLOG_WAIT && a->committing) {
			commit_end(a);
			r = 0;
		} else if (r == EVLOG_WAIT) {
			commit(a);
			r = 0;
		} else if (r == EVLOG_EDATA && err.line) {
			bad_line(a, &err, name, "", 0);
			r = 0;
		} else if (!r) {
			r = frames_pass(a, in, &err);
			if (!r)
				r = evlog_writer_add(
				    a->w, line, len, name, evlog_input_line(in), &err);
			if (r == EVLOG_EDATA && err.line) {
				bad_line(a, &err, name, line, len);
				r = 0;
			}
			extension_say(a);
			if (!r && evlog_writer_full(a->w))
				commit_begin(a);
		}
	}
	int last = r == EVLOG_END ? frames_pass(a, in, &err) : 0;
	if (last < 0)
		r = last;
	if (r < 0)
		*why = err;
	return r;
}

/* Handles the end of an input, which is EVLOG_END or an error. */
static int input_end(struct append *a, evlog_input *in, int r, evlog_error *err)
{
	size_t dropped = evlog_writer_input_end(a->w, r == EVLOG_END);

	if (r != EVLOG_END || !dropped)
		return r;
	snprintf(err->text, sizeof err->text,
	    "%s: it ends in the middle of a commit, whose %zu event%s not appended; "
	    "end it elsewhere, or send plain lines",
	    evlog_input_name(in), dropped, dropped == 1 ? " was" : "s were");
	return err->code = EVLOG_EDATA;
}

static void append_input(struct append *a, const char *path)
{
	evlog_input *in;
	evlog_error err;

	if (!a->o.atomic && is_pending(a) && may_wait(path))
		commit(a);
	int r = evlog_input_open(&in, path, &a->input, &err);
	if (!r) {
		r = append_lines(a, in, &err);
		r = input_end(a, in, r, &err);
	} else {
		evlog_writer_input_end(a->w, false);
	}
	if (r < 0) {
		if (!a->o.atomic)
			commit(a);
		stop(a, &err);
	}
	evlog_input_close(in);
}

/* Appends what COMMAND prints.  If it breaks off, runs it again from the end of the log.
 * It prints the last event again, which shows if the other log has changed. */
static void append_command(struct append *a, const char *const *command)
{
	enum { FIRST = 100, LONGEST = 30000 };
	char from[48];
	const char *env[] = {from, NULL};
	evlog_input *in;
	evlog_error err;

	evlog_writer_input_end(a->w, false); /* where it begins is not known yet */
	commit(a);
	for (int pause = FIRST;; pause = pause > LONGEST / 2 ? LONGEST : 2 * pause) {
		uint64_t last = a->last_seq;
		snprintf(from, sizeof from, "EVLOG_FROM=%" PRIu64, last ? last : 1);
		if (evlog_input_command(&in, command, env, &a->input, &err) < 0)
			stop(a, &err);
		int r = append_lines(a, in, &err);
		r = input_end(a, in, r, &err);
		evlog_input_close(in);
		commit(a);
		if (r == EVLOG_END)
			return;
		if (r != EVLOG_EAWAY)
			stop(a, &err);
		if (!cli.quiet)
			cli_say("%s, after event %" PRIu64 "; starting it again",
			    err.text, a->last_seq);
		if (a->last_seq > last)
			pause = FIRST;
		nanosleep(&(struct timespec){.tv_sec = pause / 1000,
			      .tv_nsec = pause % 1000 * 1000000L},
		    NULL);
	}
}

/* ---- Options ---- */

static void option_expect_subject(struct append *a, char *arg)
{
	size_t n = strlen(arg);

	while (n > 1 && arg[n - 1] != '=')
		n--;
	if (n < 2)
		cli_usage("--expect-subject %s: write SUBJECT=N", arg);
	uint64_t seq = cli_number("expect-subject", arg + n, 0, UINT64_C(1) << 53);
	arg[n - 1] = '\0';
	for (size_t i = 0; i < a->o.n_expect_subjects; i++)
		if (strcmp(a->expected[i].subject, arg) == 0)
			cli_usage("--expect-subject %s: given twice", arg);
	a->expected =
	    cli_resize(a->expected, (a->o.n_expect_subjects + 1) * sizeof *a->expected);
	a->expected[a->o.n_expect_subjects++] = (struct evlog_expectation){arg, seq};
	a->o.expect_subjects = a->expected;
}

static void option_expect_none(struct append *a, char *arg)
{
	size_t n = strcspn(arg, ":");

	if (!n || !arg[n] || !arg[n + 1])
		cli_usage("--expect-none %s: write N:FILTER", arg);
	arg[n] = '\0';
	uint64_t seq = cli_number("expect-none", arg, 0, UINT64_C(1) << 53);
	a->absent = cli_resize(a->absent, (a->o.n_expect_none + 1) * sizeof *a->absent);
	a->absent[a->o.n_expect_none++] = (struct evlog_absence){arg + n + 1, seq};
	a->o.expect_none = a->absent;
}

static void option_take(struct append *a, int id, char *arg)
{
	const uint64_t seqs = UINT64_C(1) << 53;
	struct evlog_writer_options *o = &a->o;

	switch (id) {
	case 't': o->type = arg; break;
	case TYPE_FROM: o->type_from = arg; break;
	case SUBJECT_FROM: o->subject_from = arg; break;
	case TIME_FROM: o->time_from = arg; break;
	case ID_FROM: o->id_from = arg; break;
	case SOURCE_FROM: o->source_from = arg; break;
	case CLI_SOURCE: o->source = arg; break;
	case SUBJECT: o->subject = arg; break;
	case TEXT: o->text = true; break;
	case MAX_LINE:
		a->input.max_line = cli_size("max-line", arg, EVLOG_MAX_EVENT);
		break;
	case REJECT: a->reject.path = arg; break;
	case CHECK: a->rules = arg; break;
	case ATOMIC: o->atomic = true; break;
	case ACK: a->ack = true; break;
	case EXPECT:
		o->expect = true;
		o->expect_seq = cli_number("expect", arg, 0, seqs);
		break;
	case EXPECT_SUBJECT: option_expect_subject(a, arg); break;
	case EXPECT_NONE: option_expect_none(a, arg); break;
	case DEDUP:
		o->dedup = true;
		if (arg && strcmp(arg, "id") == 0)
			o->dedup_by_id = true;
		else if (arg)
			o->dedup_window = cli_number("dedup", arg, 1, 1u << 30);
		break;
	case REINDEX: a->reindex = true; break;
	case REPLICA: o->replica = true; break;
	case PROMOTE: o->promote = o->no_create = true; break;
	case REQUIRE: o->require = true; break;
	case LINGER: a->linger = (int64_t)cli_number("linger", arg, 0, 3600000); break;
	case STRICT: o->strict = true; break;
	case NO_SYNC: o->no_sync = true; break;
	case WAIT: o->lock_wait_ms = (int64_t)(cli_real("wait", arg) * 1000); break;
	case NO_CREATE: o->no_create = true; break;
	case FORCE: o->force = true; break;
	case SEGMENT_SIZE:
		o->segment_size = cli_size("segment-size", arg, UINT64_C(1) << 40);
		break;
	case 'j': o->threads = (unsigned)cli_number("threads", arg, 1, 256); break;
	case 'z': o->level = (int)cli_number("level", arg, 1, 22); break;
	}
}

/* Whether an option has an effect on --reindex. */
static bool is_of_the_log(int id)
{
	switch (id) {
	case REINDEX:
	case MAX_LINE:
	case STRICT:
	case NO_SYNC:
	case WAIT:
	case NO_CREATE:
	case FORCE:
	case SEGMENT_SIZE:
	case 'j':
	case 'z': return true;
	default: return false;
	}
}

static void options_check(struct append *a, bool command)
{
	const struct evlog_writer_options *o = &a->o;
	bool from = o->type_from || o->subject_from || o->time_from || o->id_from ||
		    o->source_from;

	if (o->replica && o->promote)
		cli_usage("--promote cannot be combined with --replica: it is for a log "
			  "that takes the place of the one it was a copy of");
	if (o->strict && o->no_sync)
		cli_usage("--strict and --no-sync cannot be combined");
	if (o->text && from)
		cli_usage("--text cannot be combined with the --...-from options: text "
			  "has no members");
	if (from && !o->type_from && !o->type)
		cli_usage("--subject-from, --time-from, --id-from and --source-from need "
			  "--type or --type-from");
	if (o->require && !from)
		cli_usage("--require needs --type-from or another --...-from option");
	if (o->replica && (o->text || from || o->type || o->subject || o->source))
		cli_usage("--replica cannot be combined with --text, --type, --subject, "
			  "--source or a --...-from option");
	if (o->replica && (o->dedup || a->reject.path || a->rules))
		cli_usage("--replica cannot be combined with --dedup, --reject or "
			  "--check");
	if (o->expect || o->n_expect_subjects || o->n_expect_none)
		a->o.atomic = true;
	if (command && o->atomic)
		cli_usage(
		    "--atomic and --expect, --expect-subject and --expect-none cannot "
		    "be combined with a COMMAND");
	if (!a->input.max_line)
		a->input.max_line = o->replica ? EVLOG_MAX_EVENT : 16u << 20;
}

static void rules_open(struct append *a)
{
	evlog_error err;

	if (!a->rules)
		return;
	if (evlog_checker_open(&a->checker, a->rules, NULL, &err) < 0)
		cli_fail(&err);
	a->o.check = evlog_check;
	a->o.check_arg = a->checker;
}

int main(int argc, char **argv)
{
	struct append a = {.o = {.size = sizeof a.o, .lock_wait_ms = 60000},
	    .input = {.size = sizeof a.input}};
	evlog_error err;
	int id;

	cli_begin(&tool);
	int all = argc;
	char **command = cli_command(&argc, argv);
	while ((id = cli_getopt(&tool, argc, argv)) != -1) {
		option_take(&a, id, optarg);
		a.appending |= !is_of_the_log(id);
	}
	if (command && !a.o.replica) {
		/* without --replica, these are operands */
		memmove(command - 1, command, (size_t)(all - argc) * sizeof *command);
		argc = all - 1;
		command = NULL;
	}
	options_check(&a, command);
	if (optind == argc)
		cli_usage("no LOG given");
	if (a.reindex && (a.appending || command || optind + 1 < argc))
		cli_usage("--reindex appends nothing: give only LOG, and options about "
			  "the log");
	if (command && (!*command || optind + 1 < argc))
		cli_usage(*command ? "give either FILEs or a COMMAND, not both"
				   : "no COMMAND given after --");
	a.path = argv[optind++];
	a.o.max_event = a.input.max_line;
	a.input.frames = a.o.replica;
	if (!a.o.threads)
		a.o.threads = cli_cores();
	if (a.reject.path && cli_reject_open(&a.reject) < 0) {
		cli_say("%s: %s", a.reject.path, strerror(errno));
		exit(CLI_CREATE);
	}
	a.o.no_create |= a.reindex;
	if (optind < argc && strcmp(argv[optind], "-") != 0)
		file_check(argv[optind]);
	rules_open(&a);
	if (evlog_writer_open(&a.w, a.path, &a.o, &err) < 0)
		cli_fail(&err);
	created_say(&a);
	if (a.reindex)
		return cli_end(reindex(&a));
	if (command)
		append_command(&a, (const char *const *)command);
	else if (optind == argc)
		append_input(&a, "-");
	while (optind < argc)
		append_input(&a, argv[optind++]);
	/* even if nothing is pending: this recovers, and checks --expect */
	if (!a.unrecorded || is_pending(&a))
		commit(&a);
	missed_say(&a);
	seal(&a, true);
	evlog_writer_close(a.w);
	evlog_checker_close(a.checker);
	free(a.expected);
	free(a.absent);
	if (a.skipped && !cli.quiet && (!command || cli.verbose))
		cli_say("skipped: %" PRIu64 " event%s already in the log", a.skipped,
		    cli_plural(a.skipped));
	if (a.slid && !cli.quiet)
		cli_say("--dedup=%" PRIu64 ": older events of the log were not compared",
		    a.o.dedup_window);
	if (a.forgotten && !cli.quiet)
		cli_say("--dedup: the events up to %" PRIu64
			" were removed from the log, and were not compared",
		    a.forgotten);
	if (a.rejected && !cli.quiet)
		cli_say("rejected: %" PRIu64 " line%s, written to %s", a.rejected,
		    cli_plural(a.rejected), a.reject.path);
	if (cli.verbose)
		cli_say(
		    "appended: %" PRIu64 " event%s", a.appended, cli_plural(a.appended));
	return cli_end(a.rejected ? CLI_DATA : CLI_OK);
}
