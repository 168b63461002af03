/* archive.c - the events that were removed from a log, in a folder of backups. */
#include "recover/archive.h"

#include "base/error.h"
#include "base/file.h"
#include "base/os.h"
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
	bool joined;	 /* they lead to the log, without a fault */
	uint64_t end;	 /* the last event that the log does not have */
	int64_t removed; /* logtime of the last event that is not here, either */
};

/* Whether the first n bytes of a path name a folder of backups. */
static bool is_store(const char *path, size_t n)
{
	struct stat st;
	char *folder;

	if (asprintf(&folder, "%.*s/segments", (int)n, path) < 0)
		return false;
	bool is = stat(folder, &st) == 0 && S_ISDIR(st.st_mode);
	free(folder);
	return is;
}

size_t archive_in_path(const char *path)
{
	const char *p = path;
	size_t first = 0;
	struct stat st;

	if (!strstr(path, ARCHIVE_SEPARATOR) || lstat(path, &st) == 0)
		return 0;
	while ((p = strstr(p, ARCHIVE_SEPARATOR)) != NULL) {
		size_t n = (size_t)(p - path);
		if (n && is_store(path, n))
			return n;
		first = first ? first : n;
		p++;
	}
	return first;
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
	DIR *d = folder_list(a->fd);
	struct dirent *e;
	int r = 0;

	if (!d)
		return error_sys(err, "%s", a->path);
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

/* A segment that may come next. */
struct candidate {
	struct archived is;
	struct segment_header header; /* size 0: there is none */
	struct timespec stored;
};

/* Of those that lead to the log, one that was stored later is better: that is the one
 * that the newest point names.  A drill finds what is wrong with it. */
static bool is_better(const struct candidate *a, const struct candidate *than)
{
	const bool trimmed = a->header.flags & SEGMENT_TRIMMED;

	if (!than->header.size || trimmed != !!(than->header.flags & SEGMENT_TRIMMED))
		return !than->header.size || trimmed;
	if (a->stored.tv_sec != than->stored.tv_sec)
		return a->stored.tv_sec > than->stored.tv_sec;
	if (a->stored.tv_nsec != than->stored.tv_nsec)
		return a->stored.tv_nsec > than->stored.tv_nsec;
	return memcmp(a->is.hash, than->is.hash, HASH_SIZE) > 0;
}

/* Makes a file the candidate if it leads to this root, and is better.  EVLOG_EDAMAGED,
 * EVLOG_ENEWER: it cannot be read. */
static int consider(const struct archive *a, const struct archived *g,
    const unsigned char root[HASH_SIZE], struct candidate *best, evlog_error *err)
{
	struct candidate one = {.is = *g};
	struct segment s;
	struct stat st;

	int r = archived_open(a, g, NULL, &s, err);
	if (r == EVLOG_EDAMAGED)
		r = segment_damaged(&s, 0, g->first, g->last, err->reason, err);
	/* was just removed, or is no file that a backup has made */
	if (r == EVLOG_ENOINPUT || (r && err->sys == ELOOP) || r == EVLOG_EPERM)
		return 0;
	bool does = !r && segment_is_sealed(&s) && s.header.seal.last_seq == g->last &&
		    memcmp(s.header.seal.root, root, HASH_SIZE) == 0;
	if (does && fstat(s.fd, &st) == 0) {
		one.header = s.header;
		one.stored = os_modified(&st);
		if (is_better(&one, best))
			*best = one;
	}
	segment_close(&s);
	return r;
}

/* Finds the segment before `next`.  EVLOG_END: there is none. */
static int step(struct archive *a, struct segment_header *next, evlog_error *err)
{
	const struct archived key = {.last = next->tree.n};
	struct archived *g =
	    a->n && key.last ? bsearch(&key, a->there, a->n, sizeof key, by_last) : NULL;
	struct candidate best = {.header.size = 0};
	evlog_error why;
	int r = 0;

	while (g && g > a->there && g[-1].last == key.last)
		g--;
	for (; g && g < a->there + a->n && g->last == key.last; g++) {
		int res = consider(a, g, next->root, &best, &why);
		if (res != EVLOG_EDAMAGED && res != EVLOG_ENEWER && res) {
			*err = why;
			return res;
		}
		if (res && !r)
			*err = why;
		r = r ? r : res;
	}
	if (!best.header.size) /* damage must not pass for what was given up */
		return r ? r : EVLOG_END;
	a->at[a->chosen++] = best.is;
	*next = best.header;
	return 0;
}

int archive_join(struct archive *a, const char *log, const struct segment_header *next,
    evlog_error *err)
{
	struct segment_header h = *next;

	if (a->joined && a->end == next->tree.n)
		return 0;
	free(a->at);
	a->at = NULL;
	a->joined = false;
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
	a->removed = h.last_logtime;
	/* what was given up goes from the beginning on */
	if (r == EVLOG_END && a->chosen && h.tree.n && a->there[0].last <= h.tree.n)
		return error_set(err, EVLOG_EDAMAGED,
		    "%s: the events up to %" PRIu64
		    " are missing, or some of them are; see evrestore --drill",
		    a->path, h.tree.n);
	if (r == EVLOG_END && a->chosen == 0)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: has no events that end with event %" PRIu64
		    ", before which %s begins",
		    a->path, a->end, log);
	a->joined = r == EVLOG_END;
	return a->joined ? 0 : r;
}

size_t archive_count(const struct archive *a)
{
	return a->chosen;
}

uint64_t archive_first(const struct archive *a, size_t i)
{
	return a->at[i].first;
}

int64_t archive_removed(const struct archive *a)
{
	return a->removed;
}

void archive_get(
    const struct archive *a, size_t i, uint64_t *last, unsigned char hash[HASH_SIZE])
{
	*last = a->at[i].last;
	memcpy(hash, a->at[i].hash, HASH_SIZE);
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
