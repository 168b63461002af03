/*
 * unit.c - what only C can reach, for unit.bats: each command prints what one part of the
 * library makes of its arguments.
 */
#include "base/error.h"
#include "base/glob.h"
#include "base/os.h"
#include "base/time.h"
#include "json/decimal.h"
#include "json/path.h"
#include "json/value.h"
#include "format/id_code.h"
#include "format/merkle.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct json_text text_of(const char *s)
{
	return (struct json_text){s, strlen(s)};
}

static void print(struct buf *b)
{
	if (b->failed)
		exit(2);
	printf("%.*s\n", (int)b->len, b->p);
	buf_free(b);
}

/* unit merkle N: the root of the first N leaves of the usual example for RFC 6962. */
static int merkle(int n)
{
	static const struct {
		const char *p;
		size_t len;
	} leaves[] = {
	    {"", 0},
	    {"\x00", 1},
	    {"\x10", 1},
	    {"\x20\x21", 2},
	    {"\x30\x31", 2},
	    {"\x40\x41\x42\x43", 4},
	    {"\x50\x51\x52\x53\x54\x55\x56\x57", 8},
	    {"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16},
	};
	struct merkle m = {0};
	unsigned char root[HASH_SIZE], leaf[HASH_SIZE];
	char hex[65];

	for (int i = 0; i < n; i++) {
		merkle_leaf(leaves[i].p, leaves[i].len, false, leaf);
		merkle_add_leaf(&m, leaf, NULL);
	}
	merkle_root(&m, root);
	hash_hex(root, hex);
	puts(hex);
	return 0;
}

static int sum(int n, char **args)
{
	struct decimal total = {0}, x = {0};
	struct buf b = {0};
	bool failed;

	for (int i = 0; i < n; i++)
		if (!decimal_set(&x, text_of(args[i]), &failed) ||
		    !decimal_add(&total, &x))
			return 1;
	decimal_write(&b, &total);
	print(&b);
	decimal_free(&total);
	decimal_free(&x);
	return 0;
}

/* unit quotient A B, unit product A B, unit round A PLACES */
static int arithmetic(const char *what, const char *a, const char *b)
{
	struct decimal x = {0}, y = {0};
	struct buf out = {0};
	bool failed;

	if (!decimal_set(&x, text_of(a), &failed) ||
	    !decimal_set(&y, text_of(b), &failed))
		return 1;
	if (!(*what == 'q'     ? decimal_divide(&x, &x, &y)
		: *what == 'p' ? decimal_multiply(&x, &x, &y, &failed)
			       : decimal_round(&x, (unsigned)atoi(b))))
		return 1;
	decimal_write(&out, &x);
	print(&out);
	decimal_free(&x);
	decimal_free(&y);
	return 0;
}

static int compare(const char *a, const char *b)
{
	struct decimal x = {0}, y = {0};
	bool failed;

	if (!decimal_set(&x, text_of(a), &failed) ||
	    !decimal_set(&y, text_of(b), &failed))
		return 1;
	int c = decimal_compare(&x, &y, &failed);
	puts(failed ? "failed" : c < 0 ? "<" : c > 0 ? ">" : "=");
	decimal_free(&x);
	decimal_free(&y);
	return 0;
}

/* unit merge TARGET PATCH, unit patch TARGET PATCH */
static int change(bool merge, const char *target, const char *patch)
{
	struct value *t = value_parse(text_of(target)), *p = value_parse(text_of(patch));
	const char *why = NULL;
	struct buf b = {0}, before = {0};
	bool failed;

	if (!t || !p)
		return 2;
	value_write(&before, t);
	if (merge && !value_merge(&t, p))
		return 2;
	if (!merge)
		why = value_patch(&t, p, &failed);
	value_write(&b, t);
	if (why && (b.len != before.len || memcmp(b.p, before.p, b.len) != 0))
		printf("changed: ");
	if (why)
		printf("error: %s\n", why);
	else
		print(&b);
	buf_free(&b);
	buf_free(&before);
	value_free(t);
	value_free(p);
	return 0;
}

static int canonical(const char *text)
{
	struct buf b = {0};

	if (!value_canonical(&b, text_of(text)))
		return 2;
	print(&b);
	return 0;
}

/* unit time|until TEXT NOW: the time, and the digits after the microsecond. */
static int when(const char *text, const char *now, enum evlog_edge edge)
{
	struct evlog_digits digits;
	int64_t t;
	evlog_error err;
	char out[28];

	if (evlog_time_parse(text, strtoll(now, NULL, 10), edge, &t, &digits, &err) < 0) {
		puts(err.text);
		return 1;
	}
	evlog_time_format(t, out);
	printf("%s%s%.*s\n", out, digits.n ? " " : "", (int)digits.n, digits.p);
	return 0;
}

/* unit times EDGE <TEXTS: the time of each line, or "-". */
static int times(enum evlog_edge edge)
{
	struct evlog_digits digits;
	int64_t t;
	evlog_error err;
	char line[200], out[28];

	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = '\0';
		bool good = evlog_time_parse(line, 0, edge, &t, &digits, &err) == 0;
		if (good)
			evlog_time_format(t, out);
		puts(good ? out : "-");
	}
	return 0;
}

static int span(const char *text)
{
	int64_t t;
	evlog_error err;

	if (evlog_span_parse(text, &t, &err) < 0)
		return 1;
	printf("%" PRId64 "\n", t);
	return 0;
}

static int path(const char *text, const char *value)
{
	struct json_path *p;
	struct json_text found;
	evlog_error err;

	if (json_path_parse(&p, text, &err) < 0) {
		puts(err.text);
		return 1;
	}
	bool hit = json_path_find(p, text_of(value), &found);
	if (hit)
		printf("%.*s\n", (int)found.len, found.p);
	else
		puts("(none)");
	free(p);
	return 0;
}

/* unit glob PATTERN TEXT: the result is its status. */
static int glob(const char *pattern, const char *text)
{
	return !glob_match(pattern, (struct view){text, strlen(text)});
}

static void random_text(uint64_t *seed, const char *const *from, size_t n, char *out)
{
	size_t len = 8;

	for (*out = '\0'; len; len--) {
		*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		if ((*seed >> 60) < 4)
			break;
		strcat(out, from[(*seed >> 33) % n]);
	}
}

/* unit globs N: compares N random patterns and texts with fnmatch(3) in a UTF-8
 * locale. */
static int globs(int n)
{
	static const char *const items[] = {"a", "b", "é", "*", "*", "?", "[ab]", "[!aé]",
	    "[a-b", "]", "[", "\\", "-", "[]a]", "[[:alpha:]]", "[]-é]", "[\\]b]", "^",
	    "!", "[^b]", "[!"};
	static const char *const letters[] = {
	    "a", "b", "é", "a", "b", "]", "[", "-", "\\", "^", "!"};
	char pattern[128], text[64];
	uint64_t seed = 20261123;

	if (!setlocale(LC_ALL, "C.UTF-8"))
		return 2;
	for (int i = 0; i < n; i++) {
		random_text(&seed, items, sizeof items / sizeof *items, pattern);
		random_text(&seed, letters, sizeof letters / sizeof *letters, text);
		bool ascii = !strstr(text, "é");
		if (!ascii && strstr(pattern, "[:alpha:]"))
			continue; /* our classes are ASCII only */
		bool ours = glob(pattern, text) == 0, theirs = !fnmatch(pattern, text, 0);
		/* glibc falls back to bytes if characters do not match: its ?? matches
		 * é */
		if (ours != theirs && (ours || ascii))
			printf("%s  %s  %d, not %d\n", pattern, text, ours, theirs);
	}
	return 0;
}

/* ---- Callers that break the rules ---- */

static int fold_dropped(const char *log)
{
	struct evlog_selection sel;
	struct evlog_lines lines;
	evlog_error err = {0};
	evlog_stream *s;
	evlog_fold *f;
	int r;

	evlog_selection_init(&sel);
	if (evlog_fold_new(&f, &err) || evlog_fold_key(f, "subject", &err) ||
	    evlog_fold_reducer(f, "n=count()", &err) ||
	    evlog_stream_open(&s, &log, 1, &sel, &err))
		return 1;
	evlog_fold_threads(f, 4);
	while ((r = evlog_stream_next(s, &lines, &err)) == 0)
		if (evlog_fold_lines(f, &lines, &err))
			return 1;
	evlog_stream_close(s);
	evlog_fold_free(f); /* without evlog_fold_finish */
	return r != EVLOG_END;
}

static int begin_nothing(const char *log)
{
	struct evlog_writer_options o = {.size = sizeof o, .threads = 2};
	struct evlog_ack ack;
	evlog_error err = {0};
	evlog_writer *w;

	if (evlog_writer_open(&w, log, &o, &err))
		return 1;
	evlog_writer_begin(w); /* nothing is pending */
	int r = evlog_writer_end(w, &ack, &err);
	evlog_writer_close(w);
	return r != EVLOG_END;
}

static int shard_wrong(const char *log)
{
	static const char *const command[] = {"true", NULL};
	struct evlog_selection sel;
	evlog_error err = {0};
	int bad = 0;

	evlog_selection_init(&sel);
	for (unsigned i = 0; i < 4; i++) {
		struct evlog_consumer_options c = {.size = sizeof c,
		    .command = command,
		    .shard = i,
		    .shards = 2,
		    .checkpoint = "pos"};
		int r = evlog_consume(&c, &log, 1, &sel, NULL, &err);
		bad |= (i == 0 || i == 3) ? r != EVLOG_EUSAGE : i == 1 && r != 0;
	}
	return bad;
}

static int misuse(const char *what, const char *log)
{
	return strcmp(what, "fold") == 0    ? fold_dropped(log)
	       : strcmp(what, "begin") == 0 ? begin_nothing(log)
					    : shard_wrong(log);
}

/* unit confine: tries what a confined process must not be able to do. */
static uint64_t draw(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 24 ^ *seed << 13;
}

/* Reads a page from the first id that id_seek leaves on, and compares. */
static bool page_is(const struct id_code *c, const unsigned char *body,
    const uint64_t *fingerprint, const uint32_t *block, unsigned n, uint64_t from)
{
	struct id_place at;
	uint64_t f = 0;
	uint32_t b;
	int r;

	id_first(body, &at);
	id_seek(c, body, &at, from);
	if (at.n > n || (at.n && fingerprint[at.n - 1] >= from))
		return false; /* it went too far */
	for (unsigned i = at.n; (r = id_take(c, body, &at, &f, &b)) == 0; i++)
		if (i >= n || f != fingerprint[i] || b != block[i])
			return false;
	return r == EVLOG_END && at.n == n;
}

/* Pages of random ids, which come back as they were; and random bytes, which must do no
 * harm. */
static int id_pages(int rounds)
{
	unsigned char body[ID_BODY];
	uint64_t seed = 7, f[ID_BODY * 8], found;
	uint32_t b[ID_BODY * 8], block;

	for (int round = 0; round < rounds; round++) {
		uint64_t ids = UINT64_C(1) << draw(&seed) % 32, last = 0;
		struct id_code c = id_code_for(ids, UINT64_C(1) << draw(&seed) % 25);
		uint64_t gap = (UINT64_C(1) << ID_BITS) / ids >> draw(&seed) % 3;
		struct id_place at = {0};
		unsigned n = 0;
		memset(body, 0, sizeof body);
		for (;; n++) {
			bool jump = draw(&seed) % 40 == 0;
			f[n] = last + draw(&seed) % (jump ? 30 * gap + 1 : 2 * gap + 1);
			b[n] = (uint32_t)(draw(&seed) & ((1u << c.block_bits) - 1));
			if (f[n] >> ID_BITS || !id_put(&c, body, &at, f[n], b[n]))
				break;
			last = f[n];
		}
		if (n == 0)
			continue;
		bool good =
		    page_is(&c, body, f, b, n, 0) && page_is(&c, body, f, b, n, last + 1);
		for (unsigned k = 0; good && k < 50; k++)
			good = page_is(
			    &c, body, f, b, n, f[draw(&seed) % n] + draw(&seed) % 3);
		if (!good)
			return puts("not what was put into the page");
		for (unsigned k = 0; k < 20; k++)
			body[draw(&seed) % (k < 10 ? 8 : ID_BODY)] =
			    (unsigned char)draw(&seed);
		id_first(body, &at);
		id_seek(&c, body, &at, f[n / 2]);
		for (unsigned k = 0; id_take(&c, body, &at, &found, &block) == 0; k++)
			if (k > ID_BODY * 8)
				return puts("an endless page");
	}
	puts("good");
	return 0;
}

static int confine(void)
{
	pid_t parent = getppid();
	char byte;

	os_confine(64u << 20);
	if (open("/etc/passwd", O_RDONLY) >= 0)
		return puts("opens files");
	if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || socket(AF_UNIX, SOCK_STREAM, 0) >= 0)
		return puts("makes sockets");
	if (fork() >= 0)
		return puts("makes processes");
	if (kill(parent, 0) == 0 || syscall(SYS_tgkill, parent, parent, 0) == 0)
		return puts("sends signals");
	void *volatile most = malloc(128u << 20);
	if (most)
		return puts("takes any memory");
	if (read(0, &byte, 1) < 0 || !malloc(1u << 20))
		return puts("cannot do its work");
	puts("confined");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "confine") == 0)
		return confine();
	const char *what = argc > 2 ? argv[1] : "";

	if (strcmp(what, "merkle") == 0)
		return merkle(atoi(argv[2]));
	if (strcmp(what, "sum") == 0)
		return sum(argc - 2, argv + 2);
	if (strcmp(what, "canonical") == 0)
		return canonical(argv[2]);
	if (strcmp(what, "span") == 0)
		return span(argv[2]);
	if (strcmp(what, "times") == 0)
		return times(strcmp(argv[2], "until") == 0 ? EVLOG_UNTIL : EVLOG_SINCE);
	if (strcmp(what, "ids") == 0)
		return id_pages(atoi(argv[2]));
	if (strcmp(what, "globs") == 0)
		return globs(atoi(argv[2]));
	if (argc != 4)
		return 64;
	if (strcmp(what, "misuse") == 0)
		return misuse(argv[2], argv[3]);
	if (strcmp(what, "quotient") == 0 || strcmp(what, "product") == 0 ||
	    strcmp(what, "round") == 0)
		return arithmetic(what, argv[2], argv[3]);
	if (strcmp(what, "compare") == 0)
		return compare(argv[2], argv[3]);
	if (strcmp(what, "merge") == 0 || strcmp(what, "patch") == 0)
		return change(*what == 'm', argv[2], argv[3]);
	if (strcmp(what, "time") == 0 || strcmp(what, "until") == 0)
		return when(argv[2], argv[3], *what == 'u' ? EVLOG_UNTIL : EVLOG_SINCE);
	if (strcmp(what, "path") == 0)
		return path(argv[2], argv[3]);
	if (strcmp(what, "glob") == 0)
		return glob(argv[2], argv[3]);
	return 64;
}
