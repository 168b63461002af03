/*
 * flips.c - what the library makes of damaged files, for damage.bats.
 *
 *   flips make FORMAT FILTER FILE <LINES   makes a file with libarchive, or ends with 3
 *   flips bits FILE <LINES                 flips every bit, one after the other
 *   flips unchecked FILE <LINES            the same for a format without checksums
 *   flips cuts FILE <LINES                 cuts the file to every shorter length
 *   flips tails FILE <LINES                appends other bytes
 *
 * With EVLOG_STEP=N, only every N-th bit or length.
 * Each damaged file must give exactly LINES, or an error; lines delivered before a cut
 * must be right.  Prints what did not, and exits with 1 then.
 */
#include "base/buf.h"
#include "base/file.h"
#include "evlog.h"

#include <archive.h>
#include <archive_entry.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static struct buf want, file;
static int fd;
static char path[64];
static bool unchecked;
static unsigned long wrong, loud, silent;

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void read_all(FILE *f, struct buf *b)
{
	char p[4096];
	size_t n;

	while ((n = fread(p, 1, sizeof p, f)) > 0)
		buf_add(b, p, n);
	if (ferror(f) || b->failed)
		die("reading");
}

/* ---- Making ---- */

static void member_add(struct archive *a, const char *name, const char *p, size_t n)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, name);
	archive_entry_set_size(e, (int64_t)n);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_mtime(e, 1700000000, 0);
	if (archive_write_header(a, e) < ARCHIVE_WARN ||
	    archive_write_data(a, p, n) != (la_ssize_t)n) {
		fprintf(stderr, "%s\n", archive_error_string(a));
		exit(3);
	}
	archive_entry_free(e);
}

/* raw: all lines in one; else one member for each line. */
static int make(const char *format, const char *filter, const char *to)
{
	struct archive *a = archive_write_new();
	bool stored = strcmp(format, "zip-stored") == 0;
	bool raw = strcmp(format, "raw") == 0;
	const char *p = want.p, *end = want.p + want.len;

	if (archive_write_set_format_by_name(a, stored ? "zip" : format) != ARCHIVE_OK ||
	    (*filter && archive_write_add_filter_by_name(a, filter) != ARCHIVE_OK) ||
	    (stored && archive_write_zip_set_compression_store(a) != ARCHIVE_OK) ||
	    (raw && archive_write_set_bytes_in_last_block(a, 1) != ARCHIVE_OK) ||
	    archive_write_open_filename(a, to) != ARCHIVE_OK) {
		fprintf(stderr, "%s\n", archive_error_string(a));
		return 3;
	}
	for (int i = 0; p < end; i++) {
		const char *nl = raw ? end - 1 : memchr(p, '\n', (size_t)(end - p));
		char name[] = "a.ndjson";
		name[0] = (char)('a' + i);
		member_add(a, name, p, (size_t)(nl + 1 - p));
		p = nl + 1;
	}
	return archive_write_free(a) == ARCHIVE_OK ? 0 : 3;
}

/* ---- Reading ---- */

/* Reads the file as the tools do.  Returns EVLOG_END or an error. */
static int lines_read(struct buf *got, evlog_error *err)
{
	const char *paths[] = {path};
	struct evlog_selection sel = {0};
	struct evlog_lines lines;
	evlog_stream *s;

	evlog_selection_init(&sel);
	got->len = 0;
	int r = evlog_stream_open(&s, paths, 1, &sel, err);
	while (!r)
		if ((r = evlog_stream_next(s, &lines, err)) == 0)
			buf_add(got, lines.p, lines.len);
	evlog_stream_close(s);
	return r;
}

static size_t step = 1; /* of bits and cuts; EVLOG_STEP */

static void file_put(const char *p, size_t n)
{
	if (ftruncate(fd, 0) < 0 || file_pwrite(fd, p, n, 0) < 0)
		die("memfd");
}

/* prefix: lines delivered before an error must be right too. */
static void judge(bool prefix, const char *what, uint64_t at)
{
	static struct buf got;
	evlog_error err = {0};
	int r = lines_read(&got, &err);

	bool begins =
	    got.len <= want.len && memcmp(got.p ? got.p : "", want.p, got.len) == 0;
	bool good = r == EVLOG_END     ? unchecked || (begins && got.len == want.len)
		    : r == EVLOG_EDATA ? begins || !prefix
				       : false;
	if (r == EVLOG_EDATA)
		loud++;
	else
		silent++;
	if (good)
		return;
	if (++wrong <= 10)
		printf("%s %" PRIu64 ": result %d (%s), %zu bytes: %.*s\n", what, at, r,
		    r < 0 ? err.text : "", got.len, (int)(got.len < 300 ? got.len : 300),
		    got.p);
}

static void bits(void)
{
	for (uint64_t i = 0; i < file.len * 8; i += step) {
		char c = (char)(file.p[i / 8] ^ (1 << i % 8));
		if (file_pwrite(fd, &c, 1, i / 8) < 0)
			die("memfd");
		judge(false, "bit", i);
		if (file_pwrite(fd, &file.p[i / 8], 1, i / 8) < 0)
			die("memfd");
	}
}

static void cuts(void)
{
	for (size_t i = file.len - 1; i > 0; i = i > step ? i - step : 0) {
		file_put(file.p, i);
		judge(true, "cut at", i);
	}
}

static void tails(void)
{
	static const char zeros[1024], line[] = "{\"type\":\"X\",\"id\":\"more\"}\n";
	struct {
		const char *what, *p;
		size_t n;
		bool good; /* may be ignored */
	} tail[] = {
	    {"zeros", zeros, 64, true},
	    {"many zeros", zeros, sizeof zeros, true},
	    {"a newline", "\n", 1, false},
	    {"four bytes", "abc\n", 4, false},
	    {"a line", line, sizeof line - 1, false},
	    {"itself", file.p, file.len, false},
	};

	for (size_t i = 0; i < sizeof tail / sizeof *tail; i++) {
		static struct buf got;
		evlog_error err = {0};
		file_put(file.p, file.len);
		if (file_pwrite(fd, tail[i].p, tail[i].n, file.len) < 0)
			die("memfd");
		int r = lines_read(&got, &err);
		bool once = got.len >= want.len && memcmp(got.p, want.p, want.len) == 0;
		bool twice = got.len == 2 * want.len && once &&
			     memcmp(got.p + want.len, want.p, want.len) == 0;
		if (r == EVLOG_EDATA ||
		    (r == EVLOG_END && once && got.len == want.len && tail[i].good) ||
		    (r == EVLOG_END && twice && tail[i].p == file.p))
			continue;
		wrong++;
		printf(
		    "followed by %s: result %d, %zu bytes\n", tail[i].what, r, got.len);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	const char *every = getenv("EVLOG_STEP");

	if (every && atoi(every) > 0)
		step = (size_t)atoi(every);
	read_all(stdin, &want);
	if (strcmp(what, "make") == 0 && argc == 5)
		return make(argv[2], argv[3], argv[4]);
	if (argc != 3)
		return 64;
	FILE *f = fopen(argv[2], "re");
	if (!f)
		die(argv[2]);
	read_all(f, &file);
	fclose(f);
	fd = memfd_create("damaged", MFD_CLOEXEC);
	if (fd < 0)
		die("memfd");
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	file_put(file.p, file.len);
	judge(true, "undamaged", 0);
	if (loud) {
		puts("the undamaged file is refused");
		return 1;
	}
	unchecked = strcmp(what, "unchecked") == 0;
	if (strcmp(what, "bits") == 0 || unchecked)
		bits();
	else if (strcmp(what, "cuts") == 0)
		cuts();
	else if (strcmp(what, "tails") == 0)
		tails();
	else
		return 64;
	printf("%lu wrong, %lu refused, %lu harmless\n", wrong, loud, silent);
	buf_free(&want);
	buf_free(&file);
	return wrong ? 1 : 0;
}
