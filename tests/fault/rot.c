/*
 * rot.c - flips every bit of a log, or cuts its files to every length, and reads it each
 * time.
 *
 *
 *   rot near|flips|salvage|reverse|cuts LOG RANGES STEP
 *
 * LOG is modified in place and restored at the end.  Each line of RANGES is a range of
 * bytes that are damaged together: FILE START END FIRST LAST SEQ FROM SOUND.  The block
 * there produces bytes [FIRST, LAST) of the output (FIRST == LAST: a header, or head);
 * the output of its segment starts at FROM, with event SEQ.  SOUND 1: an index, so that
 * the log itself is not damaged.  "near" reads only from SEQ on, "flips" the whole log.
 * STEP 0 flips all eight bits of each byte, STEP N one bit of every N-th byte.  Prints
 * how many were tried, and what was wrong with the first few.
 */
#include "evlog.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct range {
	char file[64];
	size_t start, end, first, last, seq, from;
	int sound;
};

static char *whole;    /* all lines */
static char *reversed; /* the same, newest first */
static size_t whole_len;
static const char *log_path;
static uint64_t tried, wrong;

/* ---- Reading ---- */

struct seen {
	char *p;
	size_t len, cap;
	int code;
	char text[768];
};

static void read_log(struct seen *s, uint64_t from, bool salvage, bool reverse)
{
	struct evlog_selection sel;
	struct evlog_lines lines;
	evlog_stream *stream;
	evlog_error err = {0};

	s->len = 0;
	if (!s->p && !(s->p = malloc(s->cap = 1 << 20)))
		abort();
	evlog_selection_init(&sel);
	sel.from = from;
	sel.salvage = salvage;
	sel.reverse = reverse;
	int r = evlog_stream_open(&stream, &log_path, 1, &sel, &err);
	while (!r && (r = evlog_stream_next(stream, &lines, &err)) == 0) {
		if (s->len + lines.len > s->cap) {
			s->cap = 2 * (s->len + lines.len);
			s->p = realloc(s->p, s->cap);
			if (!s->p)
				abort();
		}
		memcpy(s->p + s->len, lines.p, lines.len);
		s->len += lines.len;
	}
	evlog_stream_close(stream);
	s->code = r;
	snprintf(s->text, sizeof s->text, "%s", r < 0 ? err.text : "");
}

static bool is_part(const struct seen *s, const char *from, size_t len)
{
	return s->len == len && memcmp(s->p, from, len) == 0;
}

/* ---- Verdicts ---- */

static bool forward_right(const struct seen *s, const struct range *g)
{
	bool head = strcmp(g->file, "head") == 0;

	return is_part(s, whole, head || g->sound ? whole_len : g->first);
}

static bool near_right(const struct seen *s, const struct range *g)
{
	if (strcmp(g->file, "head") == 0)
		return is_part(s, whole, whole_len);
	return is_part(s, whole + g->from, (g->sound ? whole_len : g->first) - g->from);
}

static bool salvage_right(const struct seen *s, const struct range *g)
{
	size_t behind = whole_len - g->last;

	if (is_part(s, whole, whole_len)) /* damage to a header loses no event */
		return true;
	return s->len == g->first + behind && memcmp(s->p, whole, g->first) == 0 &&
	       memcmp(s->p + g->first, whole + g->last, behind) == 0;
}

static bool reverse_right(const struct seen *s, const struct range *g)
{
	if (strcmp(g->file, "head") == 0 || g->sound)
		return is_part(s, reversed, whole_len);
	/* the next segment's header is read first: it records where this one ends */
	return s->len <= whole_len - g->first && memcmp(s->p, reversed, s->len) == 0 &&
	       (s->len == whole_len - g->last || g->first == g->last);
}

static void judge(const struct seen *s, const struct range *g, size_t at, int bit,
    bool (*right)(const struct seen *, const struct range *))
{
	tried++;
	bool said =
	    g->sound ? s->code == EVLOG_END : s->code == EVLOG_EDAMAGED && *s->text;
	if (said && right(s, g))
		return;
	if (wrong++ < 10)
		printf("wrong %s byte %zu bit %d: code %d, %zu bytes of %zu: %s\n",
		    g->file, at, bit, s->code, s->len, whole_len, s->text);
}

/* ---- Damage ---- */

static int file_open(const struct range *g)
{
	char path[4200];

	snprintf(path, sizeof path, "%s/%s", log_path, g->file);
	int fd = open(path, O_RDWR);
	if (fd < 0) {
		perror(path);
		exit(2);
	}
	return fd;
}

static void byte_put(int fd, size_t at, unsigned char c)
{
	if (pwrite(fd, &c, 1, (off_t)at) != 1)
		abort();
}

static void flip_all(const struct range *g, size_t step, const char *mode)
{
	static struct seen s;
	bool salvage = strcmp(mode, "salvage") == 0,
	     reverse = strcmp(mode, "reverse") == 0;
	bool near = strcmp(mode, "near") == 0;
	int fd = file_open(g);

	for (size_t at = g->start; at < g->end; at++) {
		unsigned char c;
		if (step && at % step != 0)
			continue;
		if (pread(fd, &c, 1, (off_t)at) != 1)
			abort();
		int from = step ? (int)(at / step % 8) : 0, to = step ? from + 1 : 8;
		for (int bit = from; bit < to; bit++) {
			byte_put(fd, at, c ^ (unsigned char)(1 << bit));
			read_log(&s, near ? g->seq : 0, salvage, reverse);
			judge(&s, g, at, bit,
			    near      ? near_right
			    : salvage ? salvage_right
			    : reverse ? reverse_right
				      : forward_right);
		}
		byte_put(fd, at, c);
	}
	close(fd);
}

/* Tries every length from the range's last byte down to its first. */
static void cut_all(const struct range *g, size_t step)
{
	static struct seen s;
	size_t n = g->end - g->start;
	char *keep = malloc(n);
	int fd = file_open(g);
	off_t size = lseek(fd, 0, SEEK_END);
	char *tail = malloc((size_t)size);

	if (!keep || !tail || pread(fd, tail, (size_t)size, 0) != size)
		abort();
	for (size_t at = g->end; at-- > g->start;) {
		if (step && at % step != 0)
			continue;
		if (ftruncate(fd, (off_t)at) < 0)
			abort();
		read_log(&s, 0, false, false);
		judge(&s, g, at, -1, forward_right);
	}
	if (pwrite(fd, tail, (size_t)size, 0) != size)
		abort();
	free(keep);
	free(tail);
	close(fd);
}

/* ---- Running it all ---- */

static void reverse_make(void)
{
	size_t end = whole_len, out = 0;

	reversed = malloc(whole_len + 1);
	if (!reversed)
		abort();
	while (end) {
		const char *nl = memrchr(whole, '\n', end - 1);
		size_t start = nl ? (size_t)(nl - whole) + 1 : 0;
		memcpy(reversed + out, whole + start, end - start);
		out += end - start;
		end = start;
	}
}

int main(int argc, char **argv)
{
	struct range g;
	struct seen s = {0};

	if (argc != 5)
		return 2;
	log_path = argv[2];
	size_t step = strtoul(argv[4], NULL, 10);
	FILE *f = fopen(argv[3], "r");
	read_log(&s, 0, false, false);
	if (!f || s.code != EVLOG_END) {
		fprintf(stderr, "%s: %s\n", log_path, s.text);
		return 2;
	}
	whole = s.p;
	whole_len = s.len;
	reverse_make();
	while (fscanf(f, "%63s %zu %zu %zu %zu %zu %zu %d", g.file, &g.start, &g.end,
		   &g.first, &g.last, &g.seq, &g.from, &g.sound) == 8)
		if (strcmp(argv[1], "cuts") == 0)
			cut_all(&g, step);
		else
			flip_all(&g, step, argv[1]);
	fclose(f);
	printf("tried %" PRIu64 "\nwrong %" PRIu64 "\n", tried, wrong);
	return wrong || !tried;
}
