/* archive.c - the events that were removed from a log, in a folder of backups. */
#include "recover/archive.h"

#include "base/error.h"
#include "event/stamp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct archived {
	uint64_t first, last;
	unsigned char hash[HASH_SIZE];
};

struct archive {
	char *path; /* of the folder with the segments */
	int fd;
	struct archived *there; /* all, by the last seq */
	size_t n, cap;
	struct archived *at; /* those that lead to the log */
	size_t chosen;
	uint64_t end; /* the last event that the log does not have */
};

size_t archive_in_path(const char *path)
{
	const char *p = strstr(path, ARCHIVE_SEPARATOR);
	struct stat st;

	return p && p > path && lstat(path, &st) < 0 ? (size_t)(p - path) : 0;
}

/* ---- Names ---- */

bool archive_stem_read(
    const char *p, uint64_t *first, uint64_t *last, unsigned char hash[HASH_SIZE])
{
	const char *second = p + SEQ_DIGITS + 1, *third = second + SEQ_DIGITS + 1;

	return seq_digits_read(p, first) && second[-1] == '-' &&
	       seq_digits_read(second, last) && third[-1] == '-' &&
	       hex_read(hash, third, HASH_SIZE);
}

static void name_write(char *out, size_t size, const struct archived *s)
{
	char hex[2 * HASH_SIZE + 1];

	hash_hex(s->hash, hex);
	snprintf(out, size, "%016" PRIu64 "-%016" PRIu64 "-%s" SEGMENT_SUFFIX, s->first,
	    s->last, hex);
}

/* ---- Opening ---- */

static int by_last(const void *a, const void *b)
{
	const struct archived *x = a, *y = b;

	return (x->last > y->last) - (x->last < y->last);
}

static int list(struct archive *a, evlog_error *err)
{
	int fd = dup(a->fd), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		r = error_sys(err, "%s", a->path);
		if (fd >= 0)
			close(fd);
		return r;
	}
	for (errno = 0; !r && (e = readdir(d)) != NULL; errno = 0) {
		struct archived s;
		if (strlen(e->d_name) != ARCHIVE_STEM + strlen(SEGMENT_SUFFIX) ||
		    strcmp(e->d_name + ARCHIVE_STEM, SEGMENT_SUFFIX) != 0 ||
		    !archive_stem_read(e->d_name, &s.first, &s.last, s.hash) ||
		    s.first == 0 || s.first > s.last || s.last > SEQ_MAX)
			continue;
		if (a->n == a->cap && !array_grow(&a->there, &a->cap, sizeof s))
			r = error_memory(err);
		else
			a->there[a->n++] = s;
	}
	if (!r && errno)
		r = error_sys(err, "%s", a->path);
	closedir(d);
	if (a->n)
		qsort(a->there, a->n, sizeof *a->there, by_last);
	return r;
}

int archive_open(struct archive **out, const char *path, size_t n, evlog_error *err)
{
	struct archive *a = calloc(1, sizeof *a);

	*out = a;
	if (!a || asprintf(&a->path, "%.*s/segments", (int)n, path) < 0) {
		free(a);
		*out = NULL;
		return error_memory(err);
	}
	a->fd = open(a->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = 0;
	if (a->fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		r = error_set(
		    err, EVLOG_ENOINPUT, "%.*s: not a folder of backups", (int)n, path);
	else if (a->fd < 0)
		r = error_sys(err, "%s", a->path);
	if (r) {
		archive_close(a);
		*out = NULL;
	}
	return r;
}

void archive_close(struct archive *a)
{
	if (!a)
		return;
	if (a->fd >= 0)
		close(a->fd);
	free(a->path);
	free(a->there);
	free(a->at);
	free(a);
}

/* ---- The segments that lead to the log ---- */

static int archived_open(const struct archive *a, const struct archived *g,
    const unsigned char *id, struct segment *s, evlog_error *err)
{
	char name[ARCHIVE_STEM + sizeof SEGMENT_SUFFIX];

	name_write(name, sizeof name, g);
	return segment_open_named(s, a->fd, a->path, name, g->first, id, false, err);
}

/* Whether a segment leads to this root; gets its header then. */
static int leads(const struct archive *a, const struct archived *g,
    const unsigned char root[HASH_SIZE], struct segment_header *h, bool *does,
    evlog_error *err)
{
	struct segment s;

	*does = false;
	int r = archived_open(a, g, NULL, &s, err);
	if (r == EVLOG_ENOINPUT) /* was just removed */
		return 0;
	if (!r)
		*does = segment_is_sealed(&s) && s.header.seal.last_seq == g->last &&
			memcmp(s.header.seal.root, root, HASH_SIZE) == 0;
	if (*does)
		*h = s.header;
	segment_close(&s);
	return r == EVLOG_EDAMAGED || r == EVLOG_ENEWER ? 0 : r;
}

/* Finds the segment before `next`.  EVLOG_END: there is none. */
static int step(struct archive *a, struct segment_header *next, evlog_error *err)
{
	const struct archived key = {.last = next->tree.n};
	struct archived *g =
	    a->n && key.last ? bsearch(&key, a->there, a->n, sizeof key, by_last) : NULL;
	struct segment_header h;
	bool found = false;
	int r = 0;

	while (g && g > a->there && g[-1].last == key.last)
		g--;
	for (; g && g < a->there + a->n && g->last == key.last; g++) {
		r = leads(a, g, next->root, &h, &found, err);
		if (r || found)
			break;
	}
	if (r || !found)
		return r ? r : EVLOG_END;
	a->at[a->chosen++] = *g;
	*next = h;
	return 0;
}

int archive_join(struct archive *a, const char *log, const struct segment_header *next,
    evlog_error *err)
{
	struct segment_header h = *next;

	if (a->chosen && a->end == next->tree.n)
		return 0;
	free(a->at);
	a->at = NULL;
	a->n = a->chosen = 0;
	a->end = next->tree.n;
	int r = list(a, err);
	if (r)
		return r;
	a->at = malloc((a->n + 1) * sizeof *a->at);
	if (!a->at)
		return error_memory(err);
	/* each step leads to an earlier event, so there are at most a->n */
	while (!r)
		r = step(a, &h, err);
	for (size_t i = 0; i < a->chosen / 2; i++) {
		struct archived swap = a->at[i];
		a->at[i] = a->at[a->chosen - 1 - i];
		a->at[a->chosen - 1 - i] = swap;
	}
	if (r == EVLOG_END && a->chosen == 0)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: has no events that end with event %" PRIu64
		    ", before which %s begins",
		    a->path, a->end, log);
	return r == EVLOG_END ? 0 : r;
}

size_t archive_count(const struct archive *a)
{
	return a->chosen;
}

uint64_t archive_first(const struct archive *a, size_t i)
{
	return a->at[i].first;
}

bool archive_has(const struct archive *a, uint64_t seq)
{
	return seq <= a->end;
}

static const struct archived *chosen(const struct archive *a, uint64_t first)
{
	size_t low = 0, high = a->chosen;

	while (low + 1 < high) {
		size_t middle = low + (high - low) / 2;
		if (a->at[middle].first <= first)
			low = middle;
		else
			high = middle;
	}
	return a->chosen && a->at[low].first == first ? &a->at[low] : NULL;
}

int archive_segment(const struct archive *a, uint64_t first, const unsigned char *id,
    struct segment *s, evlog_error *err)
{
	const struct archived *g = chosen(a, first);

	*s = (struct segment){.fd = -1, .first_seq = first};
	return g ? archived_open(a, g, id, s, err)
		 : error_set(err, EVLOG_ENOINPUT,
		       "%s: has no segment that begins with event %" PRIu64, a->path,
		       first);
}

int archive_stat(const struct archive *a, uint64_t first, struct stat *st)
{
	char name[ARCHIVE_STEM + sizeof SEGMENT_SUFFIX];
	const struct archived *g = chosen(a, first);

	if (!g) {
		errno = ENOENT;
		return -1;
	}
	name_write(name, sizeof name, g);
	return fstatat(a->fd, name, st, AT_SYMLINK_NOFOLLOW);
}
