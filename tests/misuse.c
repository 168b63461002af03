/*
 * misuse.c - callers that break the rules of evlog.h, for library.bats: each gets
 * EVLOG_EUSAGE, or nothing, and never a crash.
 *
 * A row is a call, what is wrong with it, and the result that it must have.  It runs in a
 * process of its own, once with an error object and once without.  Works in the current
 * directory.
 */
#include "evlog.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG	"a.evlog"
#define USAGE	EVLOG_EUSAGE
#define A_WHILE 60 /* seconds */

static unsigned rows, bad;
static evlog_error error, *err; /* for the calls; NULL every second time */

/* ---- Rows ---- */

#define ROW(wrong, expected, ...)                                                        \
	do {                                                                             \
		rows++;                                                                  \
		for (int bare = 0; bare < 2; bare++)                                     \
			if (in_child(bare))                                              \
				judge(expected, __VA_ARGS__);                            \
			else                                                             \
				outcome(#__VA_ARGS__, wrong, expected, bare);            \
	} while (0)

/* For what returns no code: true as it should be. */
#define TRUE(wrong, ...) ROW(wrong, 1, (int)(__VA_ARGS__))

static bool in_child(bool bare)
{
	error = (evlog_error){0};
	err = bare ? NULL : &error;
	fflush(stdout);
	pid_t pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (pid == 0)
		alarm(A_WHILE);
	return pid == 0;
}

/* Ends a row: without what exit does, since rows leave things open on purpose. */
_Noreturn static void end(int status)
{
#ifdef COVERAGE
	void __gcov_dump(void);
	__gcov_dump(); /* what the row has run counts */
#endif
	fflush(stdout);
	_exit(status);
}

_Noreturn static void judge(int expected, int got)
{
	if (got != expected)
		printf("  result %d: %s\n", got, error.text);
	else if (err && got < 0 && (error.code != got || !*error.reason || !*error.text))
		printf("  result %d, but code %d: %s\n", got, error.code, error.text);
	else
		end(0);
	end(1);
}

static void outcome(const char *call, const char *wrong, int expected, bool bare)
{
	int status;

	while (wait(&status) < 0 && errno == EINTR)
		;
	if (status == 0)
		return;
	bad++;
	printf("%s: %s%s: expected %d, ", call, wrong,
	    bare ? ", without an error object" : "", expected);
	if (WIFSIGNALED(status))
		printf("but it was killed by signal %d\n", WTERMSIG(status));
	else
		printf("exit status %d\n", WEXITSTATUS(status));
}

/* Options with a size that cannot be. */
#define SIZES(type, ...)                                                                 \
	do {                                                                             \
		static union {                                                           \
			struct type options;                                             \
			char room[2 * sizeof(struct type)];                              \
		} all;                                                                   \
		const struct type *o = &all.options;                                     \
		const size_t size = sizeof all.options;                                  \
		ROW("size is 0", USAGE, __VA_ARGS__);                                    \
		all.options.size = sizeof(size_t);                                       \
		ROW("size is smaller than any version's", USAGE, __VA_ARGS__);           \
		all.options.size = SIZE_MAX;                                             \
		ROW("size is SIZE_MAX", USAGE, __VA_ARGS__);                             \
		all.options.size = sizeof all;                                           \
		all.room[size] = 1;                                                      \
		ROW("an option of a later version is used", USAGE, __VA_ARGS__);         \
	} while (0)

/* ---- What the calls need ---- */

static const char *const path = LOG, *const nowhere = NULL;
static const char event[] = "{\"type\":\"t\",\"subject\":\"s\",\"data\":{\"n\":1}}";
static const char stamped[] =
    "{\"seq\":\"0000000000000001\",\"logtime\":\"2026-01-01T00:00:00.000000Z\","
    "\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/a\",\"type\":\"t\","
    "\"subject\":\"s\"}\n";
static const struct evlog_lines lines = {.p = stamped, .len = sizeof stamped - 1};
static const struct evlog_lines half = {.p = stamped, .len = sizeof stamped - 2};
static const struct evlog_event one = {stamped, sizeof stamped - 2, 1, 0};
static struct evlog_position at;
static struct evlog_ack ack;
static char *text;
static size_t room, len;
static const char *p;
static int64_t t;
static uint64_t n;

static int discard(void *arg, const char *bytes, size_t size)
{
	(void)arg;
	(void)bytes;
	(void)size;
	return 0;
}

/* Exits unless that went well: it is not what is tested. */
static void must(int r)
{
	if (r == 0)
		return;
	printf("  cannot begin: %d\n", r);
	end(2);
}

static void file_write(const char *name, const char *content)
{
	FILE *f = fopen(name, "w");

	must(!f || fputs(content, f) < 0 || fclose(f) != 0);
}

static evlog_input *input(void)
{
	const struct evlog_input_options o = {.size = sizeof o, .max_line = UINT64_MAX};
	evlog_input *in;

	must(evlog_input_open(&in, "f", &o, NULL));
	return in;
}

static evlog_writer *writer(void)
{
	struct evlog_writer_options o = {.size = sizeof o, .threads = 2};
	evlog_writer *w;

	must(evlog_writer_open(&w, LOG, &o, NULL));
	return w;
}

static evlog_writer *writer_begun(void)
{
	evlog_writer *w = writer();

	must(evlog_writer_add(w, event, strlen(event), "f", 1, NULL));
	evlog_writer_begin(w);
	return w;
}

/* Whether opening with these options has this result. */
static int write_with(struct evlog_writer_options o)
{
	evlog_writer *w = (evlog_writer *)&o;

	o.size = sizeof o;
	int r = evlog_writer_open(&w, LOG, &o, err);
	if (r && w)
		return -100;
	evlog_writer_close(w);
	return r;
}

static int add(const char *line, size_t size)
{
	evlog_writer *w = writer();

	int r = evlog_writer_add(w, line, size, "f", 1, err);
	if (r && evlog_writer_pending(w))
		return -100;
	evlog_writer_close(w);
	return r;
}

/* A commit fails, and is begun again with more: all is there, in its order. */
static bool begin_after_failure(void)
{
	struct evlog_writer_options o = {
	    .size = sizeof o, .expect = true, .expect_seq = 1};
	const char *log = err ? "b.evlog" : "c.evlog";
	struct evlog_lines got = {.p = NULL, .len = 0};
	struct evlog_event e;
	evlog_writer *other, *w;
	evlog_stream *s;

	must(evlog_writer_open(&other, log, NULL, NULL));
	must(evlog_writer_open(&w, log, &o, NULL));
	must(evlog_writer_add(w, "{\"type\":\"first\"}", 16, "f", 1, NULL));
	evlog_writer_begin(w);
	must(evlog_writer_end(w, &ack, err) != EVLOG_ECONFLICT);
	must(evlog_writer_add(other, "{\"type\":\"zero\"}", 15, "f", 1, NULL));
	must(evlog_writer_commit(other, &ack, NULL));
	must(evlog_writer_add(w, "{\"type\":\"second\"}", 17, "f", 2, NULL));
	for (int i = 0; i < 2; i++) {
		evlog_writer_begin(w);
		must(evlog_writer_end(w, &ack, err));
	}
	evlog_writer_close(w);
	evlog_writer_close(other);
	must(evlog_stream_open(&s, &log, 1, NULL, NULL));
	for (size_t i = 0; i < 3; i += evlog_lines_take(&got, &e)) {
		while (!got.len)
			must(evlog_stream_next(s, &got, NULL));
		if (i &&
		    !memmem(got.p, got.len, i == 1 ? "first" : "second", 5 + (i > 1)))
			return false;
	}
	return true;
}

static struct evlog_selection everything(void)
{
	struct evlog_selection sel;

	evlog_selection_init(&sel);
	return sel;
}

static evlog_stream *stream_of(const char *name, struct evlog_selection sel)
{
	evlog_stream *s;

	must(evlog_stream_open(&s, &name, 1, &sel, NULL));
	return s;
}

static int read_all(evlog_stream *s, unsigned *events)
{
	struct evlog_lines got;
	struct evlog_event e;
	int r;

	*events = 0;
	while ((r = evlog_stream_next(s, &got, err)) == 0)
		while (evlog_lines_take(&got, &e))
			++*events;
	return r;
}

/* What a stream of this selection comes to: an error, or how many events it has.  Times
 * that are 0 are no bounds. */
static int read_with(struct evlog_selection sel)
{
	evlog_stream *s = (evlog_stream *)&sel;
	unsigned events;

	sel.size = sizeof sel;
	sel.since = sel.since ? sel.since : EVLOG_TIME_MIN;
	sel.until = sel.until ? sel.until : EVLOG_TIME_MAX;
	int r = evlog_stream_open(&s, &path, 1, &sel, err);
	if (r)
		return s ? -100 : r;
	r = read_all(s, &events);
	evlog_stream_close(s);
	return r == EVLOG_END ? (int)events : r;
}

#define READ(...) read_with((struct evlog_selection){__VA_ARGS__})

/* The result of the second call after the end, or after an error. */
static int next_again(const char *name)
{
	evlog_stream *s = stream_of(name, everything());
	struct evlog_lines got;
	unsigned events;
	int r = read_all(s, &events), again = evlog_stream_next(s, &got, err);

	return again != r ? -100 : evlog_stream_next(s, &got, err);
}

/* What comes of a file that begins like bzip2, unpacked by this program. */
static int unpack_by(const char *program)
{
	evlog_input *in;

	must(evlog_set_unpacker(program, err));
	int r = evlog_input_open(&in, "packed", NULL, err);
	if (r)
		return r;
	r = evlog_input_next(in, -1, &p, &len, err);
	evlog_input_close(in);
	return r;
}

/* Nothing is done before the first event; in the end, all but the headers of files. */
static bool progress(void)
{
	evlog_stream *s = stream_of(LOG, everything());
	uint64_t done = 1, total = 0;
	unsigned events;

	evlog_stream_progress(s, &done, &total);
	bool good = done == 0 && total > 0;
	must(read_all(s, &events) != EVLOG_END);
	evlog_stream_progress(s, &done, &n);
	evlog_stream_close(s);
	return good && done > total / 2 && done <= total && n == total;
}

static int input_again(const char *command)
{
	const char *const argv[] = {"sh", "-c", command, NULL};
	evlog_input *in;
	int r;

	must(evlog_input_command(&in, argv, NULL, NULL, NULL));
	while ((r = evlog_input_next(in, -1, &p, &len, err)) == 0)
		;
	int again = evlog_input_next(in, 0, &p, &len, err);
	evlog_input_close(in);
	return again == r ? again : -100;
}

static int maps(void *arg, const struct evlog_lines *given, evlog_write_fn *put, void *to,
    evlog_error *e)
{
	(void)given;
	(void)e;
	switch (*(int *)arg) {
	case 0: put(to, "{\"type\":\"a\"}", 12); return 0;
	default: return *(int *)arg;
	}
}

static int map_with(int behaviour)
{
	return READ(.map = maps, .map_arg = &behaviour);
}

static evlog_fold *fold(const char *reducer, unsigned threads)
{
	evlog_fold *f;

	must(evlog_fold_new(&f, NULL));
	must(evlog_fold_key(f, "subject", NULL));
	if (reducer)
		must(evlog_fold_reducer(f, reducer, NULL));
	evlog_fold_threads(f, threads);
	return f;
}

static evlog_fold *fold_unkeyed(void)
{
	evlog_fold *f;

	must(evlog_fold_new(&f, NULL));
	return f;
}

static evlog_fold *fold_begun(unsigned threads)
{
	evlog_fold *f = fold("n=count()", threads);

	must(evlog_fold_lines(f, &lines, NULL));
	return f;
}

static evlog_fold *fold_done(unsigned threads)
{
	evlog_fold *f = fold_begun(threads);
	struct evlog_lines stopped;

	must(evlog_fold_finish(f, &stopped, NULL));
	return f;
}

/* One that has failed at an event, which its reducer cannot use. */
static evlog_fold *fold_failed(unsigned threads)
{
	evlog_fold *f = fold("n=count()", 0);

	must(evlog_fold_reducer(f, "s=sum(type)", NULL));
	evlog_fold_strict(f);
	evlog_fold_set_rollback(f); /* which is for programs */
	evlog_fold_threads(f, threads);
	int r = evlog_fold_lines(f, &lines, NULL);
	if (r == 0)
		r = evlog_fold_finish(f, NULL, NULL);
	must(r == EVLOG_EDATA ? 0 : -1);
	return f;
}

static evlog_fold *fold_programmed(void)
{
	evlog_fold *f = fold(NULL, 0);

	must(evlog_fold_program(f, "p.lua", NULL, NULL));
	return f;
}

/* Whether setters that return nothing do nothing once the fold has begun. */
static bool setters_late(void)
{
	evlog_fold *f = fold_begun(0);
	unsigned char hash[32] = {0};

	evlog_fold_strict(f);
	evlog_fold_set_rollback(f);
	evlog_fold_set_upcaster_hash(f, hash);
	evlog_fold_require_ascending(f);
	evlog_fold_threads(f, 4);
	must(evlog_fold_event(f, &one, NULL)); /* seq 1 again */
	return evlog_fold_seq(f) == 0;
}

/* Whether getters say nothing while threads fold. */
static bool getters_early(void)
{
	evlog_fold *f = fold_begun(2);
	uint64_t keyless = 1, unusable = 1;
	size_t i = 0;

	evlog_fold_counts(f, &keyless, &unusable);
	evlog_fold_emitted(f, &p, &len);
	return !keyless && !unusable && !len && !evlog_fold_stopped(f) &&
	       !evlog_fold_missed(f, &i, &n);
}

static int load(evlog_fold *f)
{
	return evlog_fold_load(f, "snapshot", &at, err);
}

static int table(evlog_fold *f)
{
	struct evlog_table_options o = {.size = sizeof o, .file = "db", .name = "t"};

	return evlog_fold_table(f, &o, &at, err);
}

static int emit(evlog_fold *f)
{
	struct evlog_fold_log_options o = {
	    .size = sizeof o, .path = "emitted", .name = "n", .source = LOG};

	return evlog_fold_log(f, &o, &at, err);
}

static evlog_fold *fold_of_table(void)
{
	evlog_fold *f = fold("n=count()", 0);

	must(table(f) < 0);
	return f;
}

static evlog_fold *load_failed(void)
{
	evlog_fold *f = fold("other=count()", 0);

	must(load(f) != EVLOG_EMISMATCH);
	return f;
}

static evlog_packer *packer(void)
{
	evlog_packer *k;

	must(evlog_packer_new(&k, 0, discard, NULL, NULL));
	must(evlog_packer_add(k, &lines, NULL));
	return k;
}

static evlog_packer *packer_ended(void)
{
	evlog_packer *k = packer();

	must(evlog_packer_end(k, NULL));
	return k;
}

static evlog_upcaster *upcaster(void)
{
	evlog_upcaster *u;

	must(evlog_upcaster_open(&u, "u.lua", NULL, NULL));
	return u;
}

static evlog_dead_letters *letters(void)
{
	evlog_dead_letters *d;

	must(evlog_dead_letters_new(&d, NULL, NULL, NULL));
	return d;
}

/* When the second of two events, a second apart, is due. */
static int64_t pace(double speed, int64_t max_gap, double rate, int64_t now)
{
	const struct evlog_pace_options o = {
	    .size = sizeof o, .speed = speed, .max_gap = max_gap, .rate = rate};
	struct evlog_event first = one, second = one;
	struct evlog_pace state = {0};

	second.logtime = 1000000;
	evlog_pace_due(&o, &state, &first, now);
	return evlog_pace_due(&o, &state, &second, now);
}

static const char *const command[] = {"cat", NULL};

static int consume_with(struct evlog_consumer_options o, struct evlog_selection sel)
{
	o.size = sizeof o;
	o.command = command;
	must(!freopen("/dev/null", "w", stderr) || dup2(fileno(stderr), 1) < 0);
	return evlog_consume(&o, &path, 1, &sel, NULL, err);
}

static int due_with(struct evlog_due_options o)
{
	o.size = sizeof o;
	return evlog_due(LOG, &o, NULL, err);
}
#define DUE(...) due_with((struct evlog_due_options){__VA_ARGS__})

#define CONSUME(...)                                                                     \
	consume_with((struct evlog_consumer_options){__VA_ARGS__}, everything())

static int consume_mapped(int behaviour)
{
	struct evlog_selection sel = everything();

	sel.map = maps;
	sel.map_arg = &behaviour;
	return consume_with((struct evlog_consumer_options){0}, sel);
}

static int position_with(struct evlog_position place)
{
	return evlog_position_check(LOG, &place, 0, err);
}

static bool time_is(int64_t when, const char *expected)
{
	char out[28];

	evlog_time_format(when, out);
	return strcmp(out, expected) == 0;
}

/* ---- The rows, in the order of evlog.h ---- */

static void rows_times(void)
{
	ROW("text NULL", USAGE, evlog_time_parse(NULL, 0, EVLOG_SINCE, &t, NULL, err));
	ROW("time NULL", USAGE, evlog_time_parse("now", 0, EVLOG_SINCE, NULL, NULL, err));
	ROW("before all time", USAGE,
	    evlog_time_parse("-2h", INT64_MIN, EVLOG_SINCE, &t, NULL, err));
	ROW("before all time", USAGE,
	    evlog_time_parse("2h ago", INT64_MIN, EVLOG_SINCE, &t, NULL, err));
	ROW("after all time", USAGE,
	    evlog_time_parse("+2h", INT64_MAX, EVLOG_SINCE, &t, NULL, err));
	ROW("before all time", USAGE,
	    evlog_time_parse("yesterday", INT64_MIN, EVLOG_SINCE, &t, NULL, err));
	ROW("after all time", USAGE,
	    evlog_time_parse("tomorrow", INT64_MAX, EVLOG_UNTIL, &t, NULL, err));
	ROW("too many digits", USAGE,
	    evlog_time_parse("@99999999999999999999", 0, EVLOG_SINCE, &t, NULL, err));
	ROW("text NULL", USAGE, evlog_span_parse(NULL, &t, err));
	ROW("result NULL", USAGE, evlog_span_parse("1s", NULL, err));
	ROW("too long", USAGE, evlog_span_parse("9999999999999y", &t, err));
	TRUE("out NULL", (evlog_time_format(0, NULL), 1));
	TRUE("the least time", time_is(INT64_MIN, "0000-01-01T00:00:00.000000Z"));
	TRUE("the greatest time", time_is(INT64_MAX, "9999-12-31T23:59:59.999999Z"));
}

static void rows_input(void)
{
	evlog_input *in = NULL;
	const char *const empty[] = {NULL};

	ROW("in NULL", USAGE, evlog_input_open(NULL, "f", NULL, err));
	ROW("path NULL", USAGE, evlog_input_open(&in, NULL, NULL, err));
	ROW("no such file", EVLOG_ENOINPUT, evlog_input_open(&in, "", NULL, err));
	SIZES(evlog_input_options, evlog_input_open(&in, "f", o, err));
	ROW("in NULL", USAGE, evlog_input_command(NULL, command, NULL, NULL, err));
	ROW("command NULL", USAGE, evlog_input_command(&in, NULL, NULL, NULL, err));
	ROW("command empty", USAGE, evlog_input_command(&in, empty, NULL, NULL, err));
	SIZES(evlog_input_options, evlog_input_command(&in, command, NULL, o, err));
	ROW("in NULL", USAGE, evlog_input_next(NULL, 0, &p, &len, err));
	ROW("line NULL", USAGE, evlog_input_next(input(), 0, NULL, &len, err));
	ROW("len NULL", USAGE, evlog_input_next(input(), 0, &p, NULL, err));
	ROW("max_line UINT64_MAX", 0,
	    evlog_input_next(input(), INT32_MIN, &p, &len, err));
	ROW("after the end", EVLOG_END, input_again("echo 1"));
	ROW("after an error", EVLOG_EDATA, input_again("echo 1; exit 65"));
	ROW("after an error", EVLOG_EAWAY, input_again("printf 1; exit 3"));
	ROW("no such program", EVLOG_EAWAY, unpack_by("none"));
	ROW("not a program", EVLOG_EAWAY, unpack_by("f"));
	ROW("a program that unpacks nothing", EVLOG_EDATA, unpack_by("/bin/true"));
	ROW("not bzip2", EVLOG_EDATA, unpack_by(NULL));
	TRUE("in NULL", evlog_input_name(NULL) == NULL);
	const char *frame;
	size_t frame_len;
	TRUE("in NULL", !evlog_input_frame(NULL, &frame, &frame_len));
	TRUE("p NULL", !evlog_input_frame(in, NULL, &frame_len));
	TRUE("none were asked for", !evlog_input_frame(in, &frame, &frame_len));
	TRUE("in NULL", evlog_input_line(NULL) == 0);
	TRUE("in NULL", (evlog_input_close(NULL), 1));
}

/* Passes a frame to a replica that does not exist yet. */
static int frame_to_replica(const char *frame, size_t bytes, evlog_error *why)
{
	const struct evlog_writer_options o = {.size = sizeof o, .replica = true};
	evlog_writer *w;

	must(evlog_writer_open(&w, "absent", &o, NULL));
	int r = evlog_writer_frame(w, frame, bytes, why);
	if (evlog_writer_reindex(w, NULL) || evlog_writer_seal(w, true, NULL))
		r = EVLOG_EIO;
	evlog_writer_close(w);
	return r;
}

static void rows_writer_open(void)
{
	const char frame[16] = "P*M\x18\x08\0\0\0evlogBLK", other[16] = {0};
	const struct evlog_expectation none[2] = {{"s", 0}, {NULL, 0}};
	const struct evlog_absence absent[] = {{"type=a", 0}, {NULL, 0}},
				   broken[] = {{"=", 0}};
	evlog_writer *w;

	ROW("w NULL", USAGE, evlog_writer_open(NULL, LOG, NULL, err));
	ROW("path NULL", USAGE, evlog_writer_open(&w, NULL, NULL, err));
	ROW("path empty", EVLOG_ECREATE, evlog_writer_open(&w, "", NULL, err));
	SIZES(evlog_writer_options, evlog_writer_open(&w, LOG, o, err));
#define WRITE(...) write_with((struct evlog_writer_options){__VA_ARGS__})
	ROW("no such level", USAGE, WRITE(.level = 1000));
	ROW("no such level", USAGE, WRITE(.level = INT32_MIN));
	ROW("a fast level", 0, WRITE(.level = -1000));
	ROW("many threads", 0, WRITE(.threads = UINT32_MAX));
	ROW("never full", 0, WRITE(.segment_size = UINT64_MAX));
	ROW("negative", USAGE, WRITE(.lock_wait_ms = -1));
	ROW("negative", USAGE, WRITE(.lock_wait_ms = INT64_MIN));
	ROW("for ever", 0, WRITE(.lock_wait_ms = INT64_MAX));
	ROW("more than permissions", USAGE, WRITE(.mode = 0777777));
	ROW("set-user-ID", USAGE, WRITE(.mode = 04644));
	ROW("more than it can have", USAGE,
	    WRITE(.dedup = true, .dedup_window = UINT64_MAX));
	ROW("no dedup", USAGE, WRITE(.dedup_window = 1));
	ROW("no dedup", USAGE, WRITE(.dedup_by_id = true));
	ROW("no array", USAGE, WRITE(.n_expect_subjects = 1));
	ROW("a subject NULL", USAGE,
	    WRITE(.expect_subjects = none, .n_expect_subjects = 2));
	ROW("no array", USAGE, WRITE(.n_expect_none = 1));
	ROW("a filter NULL", USAGE, WRITE(.expect_none = absent, .n_expect_none = 2));
	ROW("not a filter", USAGE, WRITE(.expect_none = broken, .n_expect_none = 1));
	ROW("any length", 0, WRITE(.max_event = UINT64_MAX));
	ROW("neither or both", USAGE, WRITE(.strict = true, .no_sync = true));
	ROW("no members", USAGE, WRITE(.text = true, .id_from = "id"));
	ROW("no type", USAGE, WRITE(.id_from = "id"));
	ROW("no path", USAGE, WRITE(.type = "t", .require = true));
	ROW("not a path", USAGE, WRITE(.type_from = "a..b"));
	ROW("an empty type", USAGE, WRITE(.type = ""));
	ROW("not a URI", USAGE, WRITE(.source = "a b"));
	ROW("replica and text", USAGE, WRITE(.replica = true, .text = true));
	ROW("replica and promote", USAGE, WRITE(.replica = true, .promote = true));
	ROW("replica and dedup", USAGE, WRITE(.replica = true, .dedup = true));
	ROW("replica and type", USAGE, WRITE(.replica = true, .type = "t"));
	ROW("w NULL", USAGE, evlog_writer_frame(NULL, frame, sizeof frame, err));
	ROW("not a replica", USAGE,
	    evlog_writer_frame(writer(), frame, sizeof frame, err));
	ROW("p NULL", USAGE, frame_to_replica(NULL, sizeof frame, err));
	ROW("too short", USAGE, frame_to_replica(frame, 15, err));
	ROW("another frame", 0, frame_to_replica(other, sizeof other, err));
	ROW("only a tag", EVLOG_EDATA, frame_to_replica(frame, sizeof frame, err));
	TRUE("w NULL", evlog_writer_input_end(NULL, true) == 0);
	TRUE("not a replica", evlog_writer_input_end(writer(), false) == 0);
}

static void rows_writer(void)
{
	evlog_writer *w = writer();
	struct evlog_missed missed[5];
	const char two[] = "{\"type\":\"t\",\n\"data\":1}";

	ROW("w NULL", USAGE, evlog_writer_add(NULL, event, 1, "f", 1, err));
	ROW("line NULL", USAGE, evlog_writer_add(w, NULL, 0, "f", 1, err));
	ROW("name NULL", USAGE, evlog_writer_add(w, event, strlen(event), NULL, 1, err));
	ROW("empty", EVLOG_EDATA, add("", 0));
	ROW("a newline inside", EVLOG_EDATA, add(two, strlen(two)));
	ROW("a newline at the end", EVLOG_EDATA, add("{\"type\":\"t\"}\n", 13));
	ROW("a NUL inside", EVLOG_EDATA, add("{\"type\":\"t\0\"}", 13));
	ROW("a NUL at the end", EVLOG_EDATA, add("{\"type\":\"t\"}\0", 13));
	TRUE("w NULL", evlog_writer_pending(NULL) == 0);
	TRUE("w NULL", !evlog_writer_full(NULL));
	ROW("w NULL", USAGE, evlog_writer_commit(NULL, &ack, err));
	ROW("ack NULL", USAGE, evlog_writer_commit(w, NULL, err));
	ROW("a commit was begun", USAGE, evlog_writer_commit(writer_begun(), &ack, err));
	TRUE("w NULL", (evlog_writer_begin(NULL), 1));
	TRUE("begun twice", (w = writer_begun(), evlog_writer_begin(w),
				evlog_writer_end(w, &ack, err) == 0 &&
				    evlog_writer_end(w, &ack, err) == EVLOG_END));
	TRUE("after a commit that failed", begin_after_failure());
	ROW("w NULL", USAGE, evlog_writer_end(NULL, &ack, err));
	ROW("ack NULL", USAGE, evlog_writer_end(writer_begun(), NULL, err));
	ROW("nothing was begun", EVLOG_END, evlog_writer_end(w, &ack, err));
	ROW("w NULL", USAGE, evlog_writer_seal(NULL, true, err));
	ROW("a commit was begun", USAGE, evlog_writer_seal(writer_begun(), true, err));
	ROW("w NULL", USAGE, evlog_writer_reindex(NULL, err));
	ROW("a commit was begun", USAGE, evlog_writer_reindex(writer_begun(), err));
	TRUE("w NULL", evlog_writer_missed(NULL, missed) == 0);
	TRUE("out NULL", evlog_writer_missed(w, NULL) == 0);
	TRUE("w NULL", evlog_writer_extension(NULL) == NULL);
	TRUE("w NULL", !evlog_writer_created(NULL));
	TRUE("w NULL", (evlog_writer_close(NULL), 1));
	TRUE("a commit was begun", (evlog_writer_close(writer_begun()), 1));
	evlog_writer_close(w);
}

static void rows_stream_open(void)
{
	const char *const paths[] = {LOG, NULL};
	const char *globs[] = {"t", NULL};
	const struct evlog_digits digits = {NULL, 1}, some = {"5", 1};
	evlog_stream *s;

	ROW("s NULL", USAGE, evlog_stream_open(NULL, paths, 1, NULL, err));
	ROW("paths NULL", USAGE, evlog_stream_open(&s, NULL, 1, NULL, err));
	ROW("no paths", USAGE, evlog_stream_open(&s, paths, 0, NULL, err));
	ROW("a path NULL", USAGE, evlog_stream_open(&s, paths, 2, NULL, err));
	ROW("path empty", EVLOG_ENOINPUT,
	    evlog_stream_open(&s, &(const char *){""}, 1, NULL, err));
	SIZES(evlog_selection, evlog_stream_open(&s, paths, 1, o, err));
	ROW("from > to", 0, READ(.from = 3, .to = 2));
	ROW("from beyond the end", 0, READ(.from = UINT64_MAX));
	ROW("to beyond the end", 3, READ(.to = UINT64_MAX));
	ROW("count UINT64_MAX", 3, READ(.count = UINT64_MAX));
	ROW("last UINT64_MAX", 3, READ(.last = UINT64_MAX));
	ROW("both UINT64_MAX", 3, READ(.last = UINT64_MAX, .count = UINT64_MAX));
	ROW("since > until", 0, READ(.since = 2, .until = 1));
	ROW("since the end of time", 0, READ(.since = INT64_MAX, .since_digits = some));
	ROW("until the end of time", 3, READ(.until_digits = some));
	ROW("digits NULL", USAGE, READ(.since_digits = digits));
	ROW("digits NULL", USAGE, READ(.until_digits = digits));
	ROW("type NULL", USAGE, READ(.types = 1));
	ROW("subject NULL", USAGE, READ(.subjects = 1));
	ROW("source NULL", USAGE, READ(.sources = 1));
	ROW("id NULL", USAGE, READ(.ids = SIZE_MAX));
	ROW("one type NULL", USAGE, READ(.type = globs, .types = 2));
	ROW("one id NULL", USAGE, READ(.id = globs, .ids = 2));
	ROW("an empty type", 0, READ(.type = &(const char *){""}, .types = 1));
	ROW("4 billion threads", 3, READ(.threads = UINT32_MAX));
	ROW("max_line UINT64_MAX", 3, READ(.max_line = UINT64_MAX));
	ROW("follow backwards", USAGE, READ(.follow = true, .reverse = true));
	ROW("a map that puts half a line", USAGE, map_with(0));
	ROW("a map that returns nonsense", USAGE, map_with(77));
	ROW("a map that fails without a reason", -3, map_with(-3));
	ROW("map_arg NULL", USAGE, READ(.map = evlog_upcast));
	ROW("map_arg NULL", USAGE, READ(.map = evlog_dead_letter_unwrap));
}

static void rows_stream(void)
{
	evlog_stream *s = stream_of(LOG, everything());
	struct evlog_selection following = everything();
	struct evlog_lines got;

	following.follow = true;
	ROW("s NULL", USAGE, evlog_stream_next(NULL, &got, err));
	ROW("lines NULL", USAGE, evlog_stream_next(s, NULL, err));
	ROW("after the end", EVLOG_END, next_again(LOG));
	ROW("after an error", EVLOG_EDATA, next_again("bad"));
	ROW("s NULL", USAGE, evlog_stream_wait(NULL, 0, err));
	ROW("it does not follow", USAGE, evlog_stream_wait(s, 0, err));
	ROW("for ever", 0, evlog_stream_wait(stream_of(LOG, following), -1, err));
	ROW("INT_MAX ms", 0,
	    evlog_stream_wait(stream_of(LOG, following), INT32_MAX, err));
	TRUE("s NULL", evlog_stream_fd(NULL) == -1);
	TRUE("s NULL", (evlog_stream_remarks(NULL, NULL, NULL), 1));
	TRUE("say NULL", (evlog_stream_remarks(s, NULL, NULL), 1));
	TRUE("s NULL", (evlog_stream_progress(NULL, &n, &n), n == 0));
	TRUE("done NULL", (evlog_stream_progress(s, NULL, &n), 1));
	TRUE("of all", progress());
	TRUE("total NULL", (evlog_stream_progress(s, &n, NULL), 1));
	TRUE("s NULL", evlog_stream_unindexed(NULL) == NULL);
	TRUE("s NULL", (evlog_stream_close(NULL), 1));
	ROW("s NULL", USAGE, evlog_stream_position(NULL, &at, err));
	ROW("at NULL", USAGE, evlog_stream_position(s, NULL, err));
	ROW("a file", USAGE,
	    evlog_stream_position(stream_of("f", everything()), &at, err));
	ROW("backwards", USAGE,
	    (following.follow = false, following.reverse = true,
		evlog_stream_position(stream_of(LOG, following), &at, err)));
	ROW("nothing was delivered", EVLOG_END, evlog_stream_position(s, &at, err));
	struct evlog_selection placeless = everything();
	placeless.last = 1;
	ROW("the last ones", USAGE,
	    evlog_stream_position(stream_of(LOG, placeless), &at, err));
	placeless.last = 0;
	placeless.salvage = true;
	ROW("salvaging", USAGE,
	    evlog_stream_position(stream_of(LOG, placeless), &at, err));
	evlog_stream_close(s);
}

static void rows_events(void)
{
	struct evlog_lines some = lines, nothing = {0};
	struct evlog_event e, empty = {NULL, 0, 0, 0};

	TRUE("lines NULL", !evlog_lines_take(NULL, &e));
	TRUE("event NULL", !evlog_lines_take(&some, NULL));
	TRUE("no lines", !evlog_lines_take(&nothing, &e));
	TRUE("event NULL", !evlog_event_member(NULL, "id", &p, &len));
	TRUE("an empty event", !evlog_event_member(&empty, "id", &p, &len));
	TRUE("name NULL", !evlog_event_member(&one, NULL, &p, &len));
	TRUE("p NULL", !evlog_event_member(&one, "id", NULL, &len));
	TRUE("len NULL", !evlog_event_member(&one, "id", &p, NULL));
	error.code = USAGE; /* these have no error object */
#define STRING(e, name, buf, cap, len) evlog_event_string(e, name, buf, cap, len) == USAGE
	TRUE("event NULL", STRING(NULL, "id", &text, &room, &len));
	TRUE("name NULL", STRING(&one, NULL, &text, &room, &len));
	TRUE("buf NULL", STRING(&one, "id", NULL, &room, &len));
	TRUE("cap NULL", STRING(&one, "id", &text, NULL, &len));
	TRUE("len NULL", STRING(&one, "id", &text, &room, NULL));
	TRUE("an empty event",
	    evlog_event_string(&empty, "id", &text, &room, &len) == EVLOG_END);
	TRUE("p NULL", evlog_json_string(NULL, 0, &text, &room, &len) == USAGE);
	TRUE("buf NULL", evlog_json_string("\"\"", 2, NULL, &room, &len) == USAGE);
	TRUE("cap NULL", evlog_json_string("\"\"", 2, &text, NULL, &len) == USAGE);
	TRUE("len NULL", evlog_json_string("\"\"", 2, &text, &room, NULL) == USAGE);
	TRUE("not a string", evlog_json_string("1", 1, &text, &room, &len) == USAGE);
	TRUE("half a string", evlog_json_string("\"", 1, &text, &room, &len) == USAGE);
	TRUE("an escape is cut off",
	    evlog_json_string("\"\\u12\"", 6, &text, &room, &len) == 0);
	TRUE("an escape has no end",
	    evlog_json_string("\"\\\"", 3, &text, &room, &len) == 0);
	TRUE("event NULL", evlog_event_time(NULL) == EVLOG_TIME_MIN);
	TRUE("an empty event", evlog_event_time(&empty) == EVLOG_TIME_MIN);
	ROW("p NULL", USAGE, evlog_json_pretty(NULL, 0, discard, NULL, err));
	ROW("write NULL", USAGE, evlog_json_pretty("1", 1, NULL, NULL, err));
	ROW("not JSON", EVLOG_EDATA, evlog_json_pretty("[\"", 2, discard, NULL, err));
}

static void rows_positions(void)
{
	struct evlog_position place = {.seq = 1, .hashes = 1};

	ROW("path NULL", USAGE, evlog_position_check(NULL, &place, 0, err));
	ROW("at NULL", USAGE, evlog_position_check(LOG, NULL, 0, err));
	ROW("path NULL", USAGE, evlog_position_find(NULL, 1, &at, 0, err));
	ROW("at NULL", USAGE, evlog_position_find(LOG, 1, NULL, 0, err));
	ROW("seq 0", USAGE, evlog_position_find(LOG, 0, &at, 0, err));
	ROW("beyond the end", EVLOG_END,
	    evlog_position_find(LOG, UINT64_MAX >> 11, &at, 0, err));
	ROW("not a frontier", EVLOG_EMISMATCH, position_with(place));
	place.hashes = UINT32_MAX;
	ROW("4 billion hashes", USAGE, position_with(place));
	place.seq = UINT64_MAX;
	place.hashes = 64;
	ROW("64 hashes", USAGE, position_with(place));
	place.hashes = 0;
	ROW("beyond the end", EVLOG_EMISMATCH, position_with(place));
	memset(place.log, 'a', sizeof place.log);
	ROW("an id without an end", USAGE, position_with(place));
	place.log[0] = '\0';
	memset(place.root, 'a', sizeof place.root);
	ROW("a root without an end", USAGE, position_with(place));
}

static void rows_packer(void)
{
	evlog_packer *k;
	const struct evlog_lines plain = {.p = "{\"type\":\"t\"}\n", .len = 13};

	ROW("k NULL", USAGE, evlog_packer_new(NULL, 0, discard, NULL, err));
	ROW("write NULL", USAGE, evlog_packer_new(&k, 0, NULL, NULL, err));
	ROW("no such level", USAGE, evlog_packer_new(&k, 1000, discard, NULL, err));
	ROW("k NULL", USAGE, evlog_packer_add(NULL, &lines, err));
	ROW("lines NULL", USAGE, evlog_packer_add(packer(), NULL, err));
	struct evlog_lines with = lines;
	with.cursors_len = 10;
	ROW("cursors NULL", USAGE, evlog_packer_add(packer(), &with, err));
	with.cursors = "0123456789";
	ROW("no cursors", USAGE, evlog_packer_add(packer(), &with, err));
	ROW("k NULL", USAGE,
	    evlog_packer_follow(NULL, stream_of(LOG, everything()), err));
	ROW("s NULL", USAGE, evlog_packer_follow(packer(), NULL, err));
	ROW("no stamp", EVLOG_EDATA, evlog_packer_add(packer(), &plain, err));
	ROW("a seq twice", 0, evlog_packer_add(packer(), &lines, err));
	ROW("after the end", USAGE, evlog_packer_add(packer_ended(), &lines, err));
	ROW("k NULL", USAGE, evlog_packer_end(NULL, err));
	ROW("twice", USAGE, evlog_packer_end(packer_ended(), err));
	ROW("k NULL", USAGE, evlog_packer_flush(NULL, err));
	ROW("nothing", 0, evlog_packer_flush(packer(), err));
	ROW("after the end", USAGE, evlog_packer_flush(packer_ended(), err));
	TRUE("k NULL", (evlog_packer_free(NULL), 1));
}

static void rows_fold_set(void)
{
	evlog_fold *f = fold("n=count()", 0);
	unsigned char hash[32] = {0};

	ROW("f NULL", USAGE, evlog_fold_new(NULL, err));
	TRUE("word NULL", !evlog_fold_is_reducer(NULL));
	ROW("f NULL", USAGE, evlog_fold_reducer(NULL, "count()", err));
	ROW("text NULL", USAGE, evlog_fold_reducer(f, NULL, err));
	ROW("the same name", USAGE, evlog_fold_reducer(f, "n=count()", err));
	ROW("the fold has begun", USAGE,
	    evlog_fold_reducer(fold_begun(0), "count()", err));
	ROW("beside a program", USAGE,
	    evlog_fold_reducer(fold_programmed(), "count()", err));
	ROW("f NULL", USAGE, evlog_fold_program(NULL, "p.lua", NULL, err));
	ROW("path NULL", USAGE, evlog_fold_program(fold(NULL, 0), NULL, NULL, err));
	ROW("beside reducers", USAGE, evlog_fold_program(f, "p.lua", NULL, err));
	ROW("the fold has begun", USAGE,
	    evlog_fold_program(fold_begun(0), "p.lua", NULL, err));
	SIZES(evlog_limits, evlog_fold_program(fold(NULL, 0), "p.lua", o, err));
	const struct evlog_limits most = {sizeof most, UINT64_MAX, UINT64_MAX};
	ROW("no limits", 0, evlog_fold_program(fold(NULL, 0), "p.lua", &most, err));
	const struct evlog_limits least = {sizeof least, 1, 1};
	ROW("no room", EVLOG_EIO,
	    evlog_fold_program(fold(NULL, 0), "p.lua", &least, err));
	ROW("f NULL", USAGE, evlog_fold_key(NULL, "subject", err));
	ROW("path NULL", USAGE, evlog_fold_key(f, NULL, err));
	ROW("not a path", USAGE, evlog_fold_key(fold_unkeyed(), "a..b", err));
	ROW("the fold has begun", USAGE, evlog_fold_key(fold_begun(0), "subject", err));
	ROW("a second key", USAGE, evlog_fold_key(fold("n=count()", 0), "type", err));
	TRUE("f NULL", (evlog_fold_set_rollback(NULL), 1));
	TRUE("f NULL", (evlog_fold_strict(NULL), 1));
	TRUE("f NULL", (evlog_fold_set_upcaster_hash(NULL, hash), 1));
	TRUE("hash NULL", (evlog_fold_set_upcaster_hash(f, NULL), 1));
	TRUE("f NULL", (evlog_fold_require_ascending(NULL), 1));
	TRUE("f NULL", (evlog_fold_threads(NULL, 1), 1));
	TRUE("the fold has begun", setters_late());
	evlog_fold_free(f);
}

static void rows_fold_events(void)
{
	evlog_fold *f = fold("n=count()", 0);
	struct evlog_event empty = {NULL, 0, 0, 0};
	struct evlog_lines stopped;
	evlog_stream *s = stream_of(LOG, everything());

	ROW("f NULL", USAGE, evlog_fold_event(NULL, &one, err));
	ROW("event NULL", USAGE, evlog_fold_event(f, NULL, err));
	ROW("an empty event", USAGE, evlog_fold_event(f, &empty, err));
	ROW("with threads", USAGE, evlog_fold_event(fold("n=count()", 4), &one, err));
	ROW("threads fold lines", USAGE, evlog_fold_event(fold_begun(4), &one, err));
	ROW("after the end", USAGE, evlog_fold_event(fold_done(0), &one, err));
	ROW("f NULL", USAGE, evlog_fold_lines(NULL, &lines, err));
	ROW("lines NULL", USAGE, evlog_fold_lines(f, NULL, err));
	ROW("half a line", USAGE, evlog_fold_lines(f, &half, err));
	ROW("half a line", USAGE, evlog_fold_lines(fold("n=count()", 4), &half, err));
	ROW("4 billion threads", 0,
	    evlog_fold_lines(fold("n=count()", UINT32_MAX), &lines, err));
	ROW("after the end", USAGE, evlog_fold_lines(fold_done(0), &lines, err));
	ROW("after the end", USAGE, evlog_fold_lines(fold_done(4), &lines, err));
	ROW("f NULL", USAGE, evlog_fold_next(NULL, s, &n, err));
	ROW("s NULL", USAGE, evlog_fold_next(f, NULL, &n, err));
	ROW("n NULL", 0, evlog_fold_next(fold("n=count()", 0), s, NULL, err));
	ROW("4 billion threads", 0,
	    evlog_fold_next(fold("n=count()", UINT32_MAX), s, &n, err));
	ROW("after the end", USAGE, evlog_fold_next(fold_done(0), s, &n, err));
	ROW("after the end", USAGE, evlog_fold_next(fold_done(4), s, &n, err));
	ROW("f NULL", USAGE, evlog_fold_finish(NULL, &stopped, err));
	ROW("stopped_at NULL", 0, evlog_fold_finish(fold_begun(0), NULL, err));
	ROW("stopped_at NULL", 0, evlog_fold_finish(fold_begun(4), NULL, err));
	for (unsigned i = 0; i <= 4; i += 4) {
		ROW("it has failed", USAGE, evlog_fold_event(fold_failed(i), &one, err));
		ROW("it has failed", USAGE,
		    evlog_fold_lines(fold_failed(i), &lines, err));
		ROW("it has failed", USAGE, evlog_fold_next(fold_failed(i), s, &n, err));
		ROW("it has failed", USAGE, evlog_fold_finish(fold_failed(i), NULL, err));
		ROW("it has failed", USAGE,
		    evlog_fold_write(fold_failed(i), discard, NULL, err));
		ROW("it has failed", USAGE,
		    evlog_fold_write_change(fold_failed(i), discard, NULL, err));
		ROW("it has failed", USAGE,
		    evlog_fold_save(fold_failed(i), "failed.snapshot", &at, err));
	}
	ROW("twice", USAGE, evlog_fold_finish(fold_done(0), &stopped, err));
	ROW("twice", USAGE, evlog_fold_finish(fold_done(4), &stopped, err));
	ROW("f NULL", USAGE, evlog_fold_write(NULL, discard, NULL, err));
	ROW("write NULL", USAGE, evlog_fold_write(f, NULL, NULL, err));
	ROW("threads fold", USAGE, evlog_fold_write(fold_begun(4), discard, NULL, err));
	ROW("before any event", 0, evlog_fold_write(f, discard, NULL, err));
	ROW("f NULL", USAGE, evlog_fold_write_change(NULL, discard, NULL, err));
	ROW("write NULL", USAGE, evlog_fold_write_change(f, NULL, NULL, err));
	ROW("threads fold", USAGE,
	    evlog_fold_write_change(fold_begun(4), discard, NULL, err));
	ROW("after threads", 0,
	    evlog_fold_write_change(fold_done(4), discard, NULL, err));
	TRUE("f NULL", (evlog_fold_emitted(NULL, &p, &len), len == 0));
	TRUE("p NULL", (evlog_fold_emitted(f, NULL, &len), 1));
	TRUE("len NULL", (evlog_fold_emitted(f, &p, NULL), 1));
	TRUE("no program", (evlog_fold_emitted(fold_done(0), &p, &len), len == 0));
	TRUE("f NULL", !evlog_fold_stopped(NULL));
	TRUE("f NULL", !evlog_fold_may_stop(NULL));
	TRUE("f NULL", (n = 1, evlog_fold_counts(NULL, &n, &n), n == 0));
	TRUE("keyless NULL", (evlog_fold_counts(f, NULL, &n), 1));
	TRUE("unusable NULL", (evlog_fold_counts(f, &n, NULL), 1));
	TRUE("f NULL", evlog_fold_missed(NULL, &len, &n) == NULL);
	TRUE("i NULL", evlog_fold_missed(f, NULL, &n) == NULL);
	TRUE("events NULL", evlog_fold_missed(f, &len, NULL) == NULL);
	TRUE(
	    "i beyond the end", (len = SIZE_MAX, evlog_fold_missed(f, &len, &n) == NULL));
	TRUE("f NULL", evlog_fold_seq(NULL) == 0);
	TRUE("threads fold", getters_early());
	TRUE("f NULL", (evlog_fold_free(NULL), 1));
	TRUE("threads fold", (evlog_fold_free(fold_begun(4)), 1));
	evlog_fold_free(f);
	evlog_stream_close(s);
}

static void rows_fold_kept(void)
{
	evlog_fold *f = fold("n=count()", 0);
	struct evlog_position wrong = {.hashes = 7};
	const struct evlog_table_options nameless = {
	    .size = sizeof nameless, .file = "db"};

	ROW("f NULL", USAGE, evlog_fold_load(NULL, "snapshot", &at, err));
	ROW("path NULL", USAGE, evlog_fold_load(f, NULL, &at, err));
	ROW("at NULL", USAGE, evlog_fold_load(f, "snapshot", NULL, err));
	ROW("the fold has begun", USAGE, load(fold_begun(0)));
	ROW("threads fold", USAGE, load(fold_begun(4)));
	ROW("twice", USAGE, (f = fold("n=count()", 4), must(load(f)), load(f)));
	ROW("after a table", USAGE, load(fold_of_table()));
	ROW("going on after it has failed", USAGE,
	    evlog_fold_event(load_failed(), &one, err));
	ROW("f NULL", USAGE, evlog_fold_save(NULL, "s", &at, err));
	ROW("path NULL", USAGE, evlog_fold_save(f, NULL, &at, err));
	ROW("at NULL", USAGE, evlog_fold_save(f, "s", NULL, err));
	ROW("not a position", USAGE, evlog_fold_save(f, "s", &wrong, err));
	ROW("threads fold", USAGE, evlog_fold_save(fold_begun(4), "s", &at, err));
	ROW("f NULL", USAGE, table(NULL));
	ROW("at NULL", USAGE, evlog_fold_table(f, &nameless, NULL, err));
	ROW("no options", USAGE, evlog_fold_table(f, NULL, &at, err));
	ROW("name NULL", USAGE, evlog_fold_table(f, &nameless, &at, err));
	SIZES(evlog_table_options, evlog_fold_table(f, o, &at, err));
	ROW("the fold has begun", USAGE, table(fold_begun(0)));
	ROW("threads fold", USAGE, table(fold_begun(4)));
	ROW("twice", USAGE, table(fold_of_table()));
	ROW("f NULL", USAGE, evlog_fold_table_commit(NULL, &at, err));
	ROW("at NULL", USAGE, evlog_fold_table_commit(fold_of_table(), NULL, err));
	ROW("no table", USAGE, evlog_fold_table_commit(f, &at, err));
	ROW("not a position", USAGE,
	    evlog_fold_table_commit(fold_of_table(), &wrong, err));
	evlog_fold_free(f);
}

/* A fold with a program, and, if `emitting`, a log. */
static evlog_fold *fold_of_program(bool emitting)
{
	evlog_fold *f = fold(NULL, 0);

	must(evlog_fold_program(f, "p.lua", NULL, NULL));
	if (emitting)
		must(emit(f) < 0);
	return f;
}

static void rows_fold_log(void)
{
	evlog_fold *f = fold_of_program(false);
	struct evlog_position wrong = {.hashes = 7};
	struct evlog_fold_log_options right = {
	    .size = sizeof right, .path = "emitted", .name = "n", .source = LOG};
	struct evlog_fold_log_options none = right, longest = right;
	char many[300];

	memset(many, 'x', sizeof many);
	many[299] = '\0';
	longest.name = many;
	ROW("f NULL", USAGE, evlog_fold_log(NULL, &right, &at, err));
	ROW("at NULL", USAGE, evlog_fold_log(f, &right, NULL, err));
	ROW("no options", USAGE, evlog_fold_log(f, NULL, &at, err));
	none.path = NULL;
	ROW("path NULL", USAGE, evlog_fold_log(f, &none, &at, err));
	none = right;
	none.name = NULL;
	ROW("name NULL", USAGE, evlog_fold_log(f, &none, &at, err));
	none.name = "";
	ROW("name empty", USAGE, evlog_fold_log(f, &none, &at, err));
	ROW("name too long", USAGE, evlog_fold_log(f, &longest, &at, err));
	none = right;
	none.source = NULL;
	ROW("source NULL", USAGE, evlog_fold_log(f, &none, &at, err));
	SIZES(
	    evlog_fold_log_options, evlog_fold_log(fold_of_program(false), o, &at, err));
	ROW("no program", USAGE, emit(fold("n=count()", 0)));
	ROW("threads", USAGE,
	    (f = fold_of_program(false), evlog_fold_threads(f, 4), emit(f)));
	ROW("the fold has begun", USAGE, emit(fold_begun(0)));
	ROW("after a table", USAGE, emit(fold_of_table()));
	ROW("twice", USAGE, emit(fold_of_program(true)));
	ROW("a table after it", USAGE, table(fold_of_program(true)));
	ROW("f NULL", USAGE, evlog_fold_log_commit(NULL, &at, err));
	ROW("at NULL", USAGE, evlog_fold_log_commit(fold_of_program(true), NULL, err));
	ROW("no log", USAGE, evlog_fold_log_commit(f, &at, err));
	ROW("nothing to commit", 0,
	    evlog_fold_log_commit(fold_of_program(true), &wrong, err));
	ROW("f NULL", 0, (int)evlog_fold_log_pending(NULL));
	ROW("no log", 0, (int)evlog_fold_log_pending(f));
	TRUE("counts NULL", (evlog_fold_log_counted(f, NULL), true));
	evlog_fold_free(f);
}

static void rows_upcast(void)
{
	evlog_upcaster *u;
	unsigned char hash[32];
	struct evlog_route route = {0};

	ROW("u NULL", USAGE, evlog_upcaster_open(NULL, "u.lua", NULL, err));
	ROW("path NULL", USAGE, evlog_upcaster_open(&u, NULL, NULL, err));
	ROW("a directory", EVLOG_EIO, evlog_upcaster_open(&u, ".", NULL, err));
	ROW("no rules", EVLOG_EDATA, evlog_upcaster_open(&u, "empty", NULL, err));
	SIZES(evlog_limits, evlog_upcaster_open(&u, "u.lua", o, err));
	TRUE("u NULL", (evlog_upcaster_close(NULL), 1));
	TRUE("u NULL", (evlog_upcaster_hash(NULL, hash), 1));
	TRUE("hash NULL", (evlog_upcaster_hash(upcaster(), NULL), 1));
	ROW("u NULL", USAGE, evlog_upcast(NULL, &lines, discard, NULL, err));
	ROW("lines NULL", USAGE, evlog_upcast(upcaster(), NULL, discard, NULL, err));
	ROW("put NULL", USAGE, evlog_upcast(upcaster(), &lines, NULL, NULL, err));
	ROW("half a line", 0, evlog_upcast(upcaster(), &half, discard, NULL, err));
	ROW("u NULL", USAGE, evlog_upcast_look(NULL, &lines, err));
	ROW("lines NULL", USAGE, evlog_upcast_look(upcaster(), NULL, err));
	TRUE("u NULL", !evlog_upcast_route(NULL, &route));
	TRUE("route NULL", !evlog_upcast_route(upcaster(), NULL));
	TRUE("nothing was noted", !evlog_upcast_route(upcaster(), &route));
}

static void rows_replay(void)
{
	const struct evlog_pace_options o = {.size = sizeof o}, unsized = {0};
	struct evlog_pace state = {0};

	TRUE("pace NULL", evlog_pace_due(&o, NULL, &one, 5) == 5);
	TRUE("event NULL", evlog_pace_due(&o, &state, NULL, 5) == 5);
	TRUE("size is 0", evlog_pace_due(&unsized, &state, &one, 5) == 5);
	TRUE("options NULL", evlog_pace_due(NULL, &state, &one, 5) == 5);
	TRUE("speed NaN", pace(NAN, 0, 0, 5) == 5);
	TRUE("speed negative", pace(-1, 0, 0, 5) == 5);
	TRUE("speed infinite", pace(INFINITY, 0, 0, 5) == 5);
	TRUE("speed minus infinity", pace(-INFINITY, 0, 0, 5) == 5);
	TRUE("hardly any speed", pace(1e-320, 0, 0, 5) > 5);
	TRUE("max_gap negative", pace(1, INT64_MIN, 0, 5) == 5);
	TRUE("rate NaN", pace(1, 0, NAN, 5) == 1000005);
	TRUE("rate negative", pace(1, 0, -1, 5) == 1000005);
	TRUE("rate infinite", pace(0, 0, INFINITY, 5) == 5);
	TRUE("hardly any rate", pace(0, 0, 1e-320, 5) > 5);
	TRUE("the least now", pace(0, 0, 1, INT64_MIN) == INT64_MIN + 1000000);
	TRUE("the greatest now", pace(1, 0, 0, INT64_MAX) == INT64_MAX);
	ROW("d NULL", USAGE, evlog_dead_letters_new(NULL, NULL, NULL, err));
	ROW("letters NULL", USAGE,
	    evlog_dead_letter_unwrap(NULL, &lines, discard, NULL, err));
	ROW("lines NULL", USAGE,
	    evlog_dead_letter_unwrap(letters(), NULL, discard, NULL, err));
	ROW("put NULL", USAGE,
	    evlog_dead_letter_unwrap(letters(), &lines, NULL, NULL, err));
	ROW("not a letter", EVLOG_EDATA,
	    evlog_dead_letter_unwrap(letters(), &lines, discard, NULL, err));
	TRUE("d NULL", (evlog_dead_letters_free(NULL), 1));
}

static void rows_due(void)
{
	const struct evlog_due_options good = {.size = sizeof good, .deliver = discard};

	ROW("log NULL", USAGE, evlog_due(NULL, &good, NULL, err));
	ROW("options NULL", USAGE, evlog_due(LOG, NULL, NULL, err));
	ROW("counts NULL", 0, evlog_due(LOG, &good, NULL, err));
	ROW("deliver NULL", USAGE, DUE(.name = "n"));
	ROW("deliver NULL, with list", USAGE,
	    DUE(.emit = "d.evlog", .name = "n", .list = true));
	ROW("name NULL", USAGE, DUE(.emit = "d.evlog"));
	ROW("name empty", USAGE, DUE(.emit = "d.evlog", .name = ""));
	ROW("list and follow", USAGE,
	    DUE(.deliver = discard, .list = true, .follow = true));
	SIZES(evlog_due_options, evlog_due(LOG, o, NULL, err));
}

static int fork_fresh(const struct evlog_fork_options *o)
{
	must(system("rm -rf fork") != 0);
	return evlog_fork(LOG, "fork", o, NULL, err);
}

static void rows_fork(void)
{
	const struct evlog_fork_options good = {.size = sizeof good};
	const struct evlog_fork_options both = {
	    .size = sizeof both, .at = 1, .has_until = true, .until = 1};
	const struct evlog_fork_options late = {.size = sizeof late, .at = UINT64_MAX};

	ROW("log NULL", USAGE, evlog_fork(NULL, "fork", &good, NULL, err));
	ROW("fork NULL", USAGE, evlog_fork(LOG, NULL, &good, NULL, err));
	ROW("fork empty", USAGE, evlog_fork(LOG, "", &good, NULL, err));
	ROW("at and until", USAGE, evlog_fork(LOG, "fork", &both, NULL, err));
	ROW("at is too late", EVLOG_EMISMATCH, evlog_fork(LOG, "fork", &late, NULL, err));
	ROW("fork is the log", EVLOG_ECREATE, evlog_fork(LOG, LOG, &good, NULL, err));
	ROW("options and done NULL", 0, fork_fresh(NULL));
	SIZES(evlog_fork_options, fork_fresh(o));
}

static int restore_fresh(const struct evlog_restore_options *o)
{
	must(system("rm -rf restored") != 0);
	return evlog_restore("dest", "restored", o, NULL, err);
}

static int sink(void *arg, const char *bytes, size_t n_bytes)
{
	(void)arg, (void)bytes, (void)n_bytes;
	return 0;
}

static void rows_backup(void)
{
	static const char *const with[] = {"none"};
	const struct evlog_backup_options good = {.size = sizeof good};
	const struct evlog_backup_options no_with = {.size = sizeof good, .n_with = 1};
	const struct evlog_backup_options missing = {
	    .size = sizeof good, .with = with, .n_with = 1};
	const struct evlog_backup_options negative = {.size = sizeof good, .grace = -1};
	const struct evlog_trim_options before = {.size = sizeof before, .before = 1};
	const struct evlog_trim_options far = {.size = sizeof far, .before = UINT64_MAX};
	const struct evlog_trim_options beyond = {
	    .size = sizeof beyond, .before = 1000000};
	const struct evlog_trim_options bad_backup = {
	    .size = sizeof before, .before = 1, .backup = &no_with};
	const struct evlog_restore_options whole = {.size = sizeof whole};
	const struct evlog_restore_options both = {
	    .size = sizeof whole, .at = 1, .has_until = true};
	const struct evlog_restore_options late = {
	    .size = sizeof whole, .at = UINT64_MAX};
	const struct evlog_restore_options leaves = {
	    .size = sizeof whole, .drill = true, .with = "saved"};
	const struct evlog_restore_options none = {.size = sizeof whole, .point = "none"};
	struct evlog_point point = {0};
	uint64_t events;

	ROW("log NULL", USAGE, evlog_backup(NULL, "dest", &good, NULL, err));
	ROW("dest NULL", USAGE, evlog_backup(LOG, NULL, &good, NULL, err));
	ROW("dest empty", USAGE, evlog_backup(LOG, "", &good, NULL, err));
	ROW("with NULL", USAGE, evlog_backup(LOG, "dest", &no_with, NULL, err));
	ROW("with is missing", EVLOG_ENOINPUT,
	    evlog_backup(LOG, "dest", &missing, NULL, err));
	ROW("grace is negative", USAGE, evlog_backup(LOG, "dest", &negative, NULL, err));
	ROW("dest is the log", EVLOG_EDATA, evlog_backup(LOG, LOG, &good, NULL, err));
	ROW("options and made NULL", 0, evlog_backup(LOG, "dest", NULL, NULL, err));
	SIZES(evlog_backup_options, evlog_backup(LOG, "dest", o, NULL, err));
	ROW("trim: log NULL", USAGE, evlog_trim(NULL, "dest", &before, NULL, err));
	ROW("trim: dest NULL", USAGE, evlog_trim(LOG, NULL, &before, NULL, err));
	ROW("trim: options NULL", USAGE, evlog_trim(LOG, "dest", NULL, NULL, err));
	ROW("trim: no such event", USAGE, evlog_trim(LOG, "dest", &far, NULL, err));
	ROW("trim: beyond the end", EVLOG_EMISMATCH,
	    evlog_trim(LOG, "dest", &beyond, NULL, err));
	ROW("trim: with NULL", USAGE, evlog_trim(LOG, "dest", &bad_backup, NULL, err));
	ROW("trim: no log", EVLOG_ENOINPUT,
	    evlog_trim("none", "dest", &before, NULL, err));
	ROW("trim: done NULL", 0, evlog_trim(LOG, "dest", &before, NULL, err));
	SIZES(evlog_trim_options, evlog_trim(LOG, "dest", o, NULL, err));
	must(evlog_path_is_log(NULL));
	must(evlog_path_is_log("-"));
	must(evlog_path_is_log("none::none"));
	must(!evlog_path_is_log("dest::" LOG));
	ROW("newest: dest NULL", USAGE, evlog_backup_newest(NULL, &point, err));
	ROW("newest: point NULL", USAGE, evlog_backup_newest("dest", NULL, err));
	ROW("newest: no folder", EVLOG_ENOINPUT,
	    evlog_backup_newest("none", &point, err));
	ROW("lag: log NULL", USAGE, evlog_backup_lag(NULL, &point, 0, &events, err));
	ROW("lag: point NULL", USAGE, evlog_backup_lag(LOG, NULL, 0, &events, err));
	ROW("lag: events NULL", USAGE, evlog_backup_lag(LOG, &point, 0, NULL, err));
	ROW("wait: log NULL", USAGE, evlog_backup_wait(NULL, 0, 0, 1, NULL, err));
	ROW("wait: span is negative", USAGE, evlog_backup_wait(LOG, 0, 0, -1, NULL, err));
	ROW("wait: no log", EVLOG_ENOINPUT,
	    evlog_backup_wait("none", 0, 0, 1, NULL, err));
	ROW("wait: no time", 0, evlog_backup_wait(LOG, 0, 0, 0, NULL, err));
	ROW("archive: log NULL", USAGE, evlog_archive(NULL, 0, 0, sink, NULL, err));
	ROW("archive: write NULL", USAGE, evlog_archive(LOG, 0, 0, NULL, NULL, err));
	ROW("archive: since is late", EVLOG_EMISMATCH,
	    evlog_archive(LOG, UINT64_MAX, 0, sink, NULL, err));
	ROW("archive", 0, evlog_archive(LOG, 0, 0, sink, NULL, err));
	ROW("restore: dest NULL", USAGE,
	    evlog_restore(NULL, "restored", &whole, NULL, err));
	ROW("restore: log NULL", USAGE, evlog_restore("dest", NULL, &whole, NULL, err));
	ROW("restore: log empty", USAGE, evlog_restore("dest", "", &whole, NULL, err));
	ROW("restore: at and until", USAGE, restore_fresh(&both));
	ROW("restore: at is too late", EVLOG_EMISMATCH, restore_fresh(&late));
	ROW("restore: a drill leaves files", USAGE, restore_fresh(&leaves));
	ROW("restore: no such point", EVLOG_ENOINPUT, restore_fresh(&none));
	ROW("restore: log exists", EVLOG_ECREATE,
	    evlog_restore("dest", LOG, &whole, NULL, err));
	ROW("restore: options and done NULL", 0, restore_fresh(NULL));
	ROW("repair: log NULL", USAGE, evlog_repair("dest", NULL, NULL, NULL, err));
	ROW("repair: log empty", USAGE, evlog_repair("dest", "", NULL, NULL, err));
	ROW("repair: from nothing", USAGE, evlog_repair(NULL, LOG, NULL, NULL, err));
	ROW("repair: no log", EVLOG_ENOINPUT,
	    evlog_repair("dest", "none", NULL, NULL, err));
	ROW("repair: no folder", EVLOG_ENOINPUT,
	    evlog_repair("none", LOG, NULL, NULL, err));
	ROW("repair: nothing to do", 0, evlog_repair("dest", LOG, NULL, NULL, err));
	SIZES(evlog_repair_options, evlog_repair("dest", LOG, o, NULL, err));
	SIZES(evlog_restore_options, restore_fresh(o));
}

static int refuse(void *arg, const char *line, size_t size, evlog_error *why)
{
	(void)arg, (void)line, (void)size, (void)why;
	return EVLOG_EDATA;
}

static void rows_test(void)
{
	const struct evlog_fold_test_options good = {.size = sizeof good,
						 .program = "p.lua"},
					     none = {.size = sizeof none};
	struct evlog_fold_tested done;

	FILE *f = fopen("cases", "w");
	fputs("{\"when\":{},\"then\":[]}\n", f);
	fclose(f);
	ROW("file NULL", USAGE, evlog_fold_test(NULL, &good, &done, err));
	ROW("options NULL", USAGE, evlog_fold_test("cases", NULL, &done, err));
	ROW("done NULL", USAGE, evlog_fold_test("cases", &good, NULL, err));
	ROW("program NULL", USAGE, evlog_fold_test("cases", &none, &done, err));
	ROW("tell NULL", 0, evlog_fold_test("cases", &good, &done, err));
	SIZES(evlog_fold_test_options, evlog_fold_test("cases", o, &done, err));
}

static void rows_check(void)
{
	evlog_checker *c = NULL;

	ROW("c NULL", USAGE, evlog_checker_open(NULL, "c.lua", NULL, err));
	ROW("path NULL", USAGE, evlog_checker_open(&c, NULL, NULL, err));
	ROW("no such file", EVLOG_ENOINPUT, evlog_checker_open(&c, "none", NULL, err));
	TRUE("c NULL", (evlog_checker_close(NULL), 1));
	FILE *f = fopen("c.lua", "w");
	fputs("check.A = function(e) return false end", f);
	fclose(f);
	must(evlog_checker_open(&c, "c.lua", NULL, NULL));
	ROW("c NULL", USAGE, evlog_check(NULL, "{}", 2, err));
	ROW("line NULL", USAGE, evlog_check(c, NULL, 2, err));
	ROW("half a line", USAGE, evlog_check(c, "{", 1, err));
	ROW("an array", USAGE, evlog_check(c, "[]", 2, err));
	ROW("refused", EVLOG_EDATA, evlog_check(c, "{\"type\":\"A\"}", 12, err));
	ROW("accepted", 0, evlog_check(c, "{\"type\":\"B\"}", 12, err));
	evlog_checker_close(c);
	ROW("check with replica", USAGE, WRITE(.replica = true, .check = refuse));
}

static void rows_trace(void)
{
	const char *const paths[] = {LOG, NULL};
	struct evlog_trace_node node;
	evlog_trace *trace = NULL;

	ROW("trace NULL", USAGE, evlog_trace_open(NULL, paths, 1, NULL, 1, NULL, err));
	ROW("paths NULL", USAGE, evlog_trace_open(&trace, NULL, 1, NULL, 1, NULL, err));
	ROW("no paths", USAGE, evlog_trace_open(&trace, paths, 0, NULL, 1, NULL, err));
	ROW("a path NULL", USAGE, evlog_trace_open(&trace, paths, 2, NULL, 1, NULL, err));
	ROW("neither id nor seq", USAGE,
	    evlog_trace_open(&trace, paths, 1, NULL, 0, NULL, err));
	ROW("both", USAGE, evlog_trace_open(&trace, paths, 1, "a", 1, NULL, err));
	ROW("no such seq", EVLOG_END,
	    evlog_trace_open(&trace, paths, 1, NULL, UINT64_MAX, NULL, err));
	SIZES(evlog_trace_options, evlog_trace_open(&trace, paths, 1, NULL, 1, o, err));
	TRUE("trace NULL", !evlog_trace_next(NULL, &node));
	TRUE("trace NULL", (evlog_trace_close(NULL), 1));
	must(evlog_trace_open(&trace, paths, 1, NULL, 1, NULL, NULL));
	TRUE("node NULL", !evlog_trace_next(trace, NULL));
	evlog_trace_close(trace);
}

static void rows_consumer(void)
{
	const char *const none[] = {NULL}, *const paths[] = {LOG, NULL};
	const struct evlog_consumer_options good = {.size = sizeof good,
						.command = command},
					    empty = {.size = sizeof empty,
						.command = none},
					    null = {.size = sizeof null};
	struct evlog_selection sel = everything();
	const char *globs[] = {NULL};

	ROW("options NULL", USAGE, evlog_consume(NULL, paths, 1, NULL, NULL, err));
	ROW("command NULL", USAGE, evlog_consume(&null, paths, 1, NULL, NULL, err));
	ROW("command empty", USAGE, evlog_consume(&empty, paths, 1, NULL, NULL, err));
	ROW("paths NULL", USAGE, evlog_consume(&good, NULL, 1, NULL, NULL, err));
	ROW("no paths", USAGE, evlog_consume(&good, paths, 0, NULL, NULL, err));
	ROW("a path NULL", USAGE, evlog_consume(&good, paths, 2, NULL, NULL, err));
	ROW("the path NULL", USAGE, evlog_consume(&good, &nowhere, 1, NULL, NULL, err));
	SIZES(evlog_consumer_options, evlog_consume(o, paths, 1, NULL, NULL, err));
	SIZES(evlog_selection, evlog_consume(&good, paths, 1, o, NULL, err));
	sel.type = globs;
	sel.types = 1;
	ROW("type NULL", USAGE, consume_with((struct evlog_consumer_options){0}, sel));
	ROW("type NULL, with a checkpoint", USAGE,
	    consume_with((struct evlog_consumer_options){.checkpoint = "c"}, sel));
	sel = everything();
	sel.map = evlog_dead_letter_unwrap;
	ROW("map_arg NULL", USAGE,
	    consume_with((struct evlog_consumer_options){.checkpoint = "c"}, sel));
	sel.map = evlog_upcast;
	ROW("map_arg NULL", USAGE,
	    consume_with((struct evlog_consumer_options){.checkpoint = "c2"}, sel));
	sel = everything();
	sel.reverse = true;
	ROW("backwards, with a checkpoint", USAGE,
	    consume_with((struct evlog_consumer_options){.checkpoint = "c"}, sel));
	sel = everything();
	sel.map = maps;
	sel.last = 1;
	ROW("last with a map", USAGE,
	    consume_with((struct evlog_consumer_options){0}, sel));
	ROW("the map puts a line without newline", USAGE, consume_mapped(0));
	ROW("the map returns 3", USAGE, consume_mapped(3));
	ROW("the map fails without a reason", EVLOG_EDATA, consume_mapped(EVLOG_EDATA));
	ROW("the map asks for pauses", 0, consume_mapped(EVLOG_WAIT));
	ROW("not a path", USAGE, CONSUME(.key = "a..b"));
	ROW("shard 0 of 2", USAGE, CONSUME(.shards = 2));
	ROW("shard 3 of 2", USAGE, CONSUME(.shards = 2, .shard = 3));
	ROW("4 billion workers", USAGE, CONSUME(.workers = UINT32_MAX));
	ROW("negative", USAGE, CONSUME(.linger = -1));
	ROW("negative", USAGE, CONSUME(.backoff = INT64_MIN));
	ROW("negative", USAGE, CONSUME(.timeout = -1));
	ROW("as many parts as there can be", 0,
	    CONSUME(.workers = 1024, .shards = 100000, .shard = 100000));
	ROW("all that can be", 0,
	    CONSUME(.linger = INT64_MAX, .backoff = INT64_MAX, .timeout = INT64_MAX,
		.batch = UINT64_MAX, .retry = UINT32_MAX));
	ROW("emit without a checkpoint", USAGE, CONSUME(.emit = "e.evlog"));
	ROW("line_by_line without emit", USAGE, CONSUME(.line_by_line = true));
	ROW("accept_change without a checkpoint", USAGE, CONSUME(.accept_change = true));
	ROW("shard 2^22 of 2^22, which 1024 workers multiply to 2^32", USAGE,
	    CONSUME(.workers = 1024, .shards = 1u << 22, .shard = 1u << 22));
}

static void rows_checkpoint(void)
{
	struct evlog_lag lag;
	struct evlog_reset_options far = {.size = sizeof far, .seq = UINT64_MAX};
	struct evlog_reset_options digits = {.size = sizeof digits, .digits = {NULL, 1}};

	ROW("lag NULL", USAGE, evlog_checkpoint_lag(NULL, "c", LOG, 0, err));
	ROW("checkpoint NULL", USAGE, evlog_checkpoint_lag(&lag, NULL, LOG, 0, err));
	ROW("lag NULL", USAGE, evlog_table_lag(NULL, "t", "state", LOG, 0, err));
	ROW("file NULL", USAGE, evlog_table_lag(&lag, NULL, "state", LOG, 0, err));
	ROW("table NULL", USAGE, evlog_table_lag(&lag, "t", NULL, LOG, 0, err));
	ROW("log NULL", USAGE, evlog_table_lag(&lag, "t", "state", NULL, 0, err));
	ROW("no such table", EVLOG_ENOINPUT,
	    evlog_table_lag(&lag, "none", "state", LOG, 0, err));
	ROW("log NULL", USAGE, evlog_checkpoint_lag(&lag, "c", NULL, 0, err));
	ROW("no checkpoint", EVLOG_ENOINPUT,
	    evlog_checkpoint_lag(&lag, "none", LOG, 0, err));
	ROW("checkpoint NULL", USAGE,
	    evlog_checkpoint_reset(NULL, LOG, NULL, &n, &n, err));
	ROW("log NULL", USAGE, evlog_checkpoint_reset("r", NULL, NULL, &n, &n, err));
	ROW("from NULL", USAGE, evlog_checkpoint_reset("r", LOG, NULL, NULL, &n, err));
	ROW("to NULL", USAGE, evlog_checkpoint_reset("r", LOG, NULL, &n, NULL, err));
	ROW("beyond the end", USAGE, evlog_checkpoint_reset("r", LOG, &far, &n, &n, err));
	ROW("digits NULL", USAGE, evlog_checkpoint_reset("r", LOG, &digits, &n, &n, err));
	SIZES(evlog_reset_options, evlog_checkpoint_reset("r", LOG, o, &n, &n, err));

	const char *const none[] = {"none"}, *const files[] = {"r1", "r2", NULL};
	struct evlog_reshard_options shards = {.size = sizeof shards,
	    .from = none,
	    .from_count = 1,
	    .to = files,
	    .to_count = 2};
	ROW("log NULL", USAGE, evlog_checkpoint_reshard(NULL, &shards, err));
	ROW("options NULL", USAGE, evlog_checkpoint_reshard(LOG, NULL, err));
	ROW("no receivers", EVLOG_ENOINPUT, evlog_checkpoint_reshard(LOG, &shards, err));
	shards.to_count = 3;
	ROW("a file NULL", USAGE, evlog_checkpoint_reshard(LOG, &shards, err));
	shards.to_count = 1;
	ROW("as many", USAGE, evlog_checkpoint_reshard(LOG, &shards, err));
	shards.to_count = 257;
	ROW("too many", USAGE, evlog_checkpoint_reshard(LOG, &shards, err));
	shards.to_count = 0;
	ROW("none", USAGE, evlog_checkpoint_reshard(LOG, &shards, err));
	shards.to = NULL;
	ROW("to NULL", USAGE, evlog_checkpoint_reshard(LOG, &shards, err));
}

static void rows_diff(void)
{
	const struct evlog_diff_options most = {
	    .size = sizeof most, .threads = UINT32_MAX, .max_line = UINT64_MAX};

	ROW("a NULL", USAGE, evlog_diff(NULL, NULL, LOG, NULL, err));
	ROW("b NULL", USAGE, evlog_diff(NULL, LOG, NULL, NULL, err));
	ROW("standard input twice", USAGE, evlog_diff(NULL, "-", "-", NULL, err));
	ROW("all that can be", 0, evlog_diff(&most, LOG, "f", NULL, err));
	struct evlog_diff_options less = {.size = sizeof less, .n_ignore = 1};
	ROW("ignore NULL", USAGE,
	    (less.ignore_stamp = true, evlog_diff(&less, LOG, LOG, NULL, err)));
	less.ignore = &nowhere;
	ROW("a path NULL", USAGE, evlog_diff(&less, LOG, LOG, NULL, err));
	less.ignore = &path;
	ROW("ignore alone", USAGE,
	    (less.ignore_stamp = false, evlog_diff(&less, LOG, LOG, NULL, err)));
	less.n_ignore = SIZE_MAX;
	ROW("too many", USAGE,
	    (less.ignore_stamp = true, evlog_diff(&less, LOG, LOG, NULL, err)));
	SIZES(evlog_diff_options, evlog_diff(o, LOG, LOG, NULL, err));
}

int main(void)
{
	if (access("Makefile", F_OK) == 0) {
		fputs("It leaves files: run it in an empty folder.\n", stderr);
		return 64;
	}
	evlog_writer *w = writer();
	evlog_fold *f = fold("n=count()", 0);

	for (int i = 0; i < 3; i++)
		must(evlog_writer_add(w, event, strlen(event), "f", 1, NULL));
	must(evlog_writer_commit(w, &ack, NULL));
	evlog_writer_close(w);
	must(evlog_fold_event(f, &one, NULL));
	must(evlog_fold_save(f, "snapshot", &at, NULL));
	evlog_fold_free(f);
	file_write("f", stamped);
	file_write("bad", "{\"type\":\"t\"}\nno JSON\n{\"type\":\"t\"}\n");
	file_write("empty", "");
	file_write("packed", "BZh91AY&SY, and so on, but no more than that");
	file_write("p.lua", "function on.t(state) state.n = 1 end");
	file_write("u.lua", "upcast['t'] = function(e) e.type = 'u' return e end");
	rows_times();
	rows_input();
	rows_writer_open();
	rows_writer_open();
	rows_stream_open();
	rows_stream();
	rows_events();
	rows_positions();
	rows_packer();
	rows_fold_set();
	rows_fold_events();
	rows_fold_kept();
	rows_fold_log();
	rows_upcast();
	rows_replay();
	rows_due();
	rows_fork();
	rows_backup();
	rows_trace();
	rows_check();
	rows_test();
	rows_consumer();
	rows_checkpoint();
	rows_diff();
	rows_writer(); /* the last, because it appends */
	if (!bad)
		printf("%u cases, all refused\n", rows);
	return bad != 0;
}
