/* log.c - opens a log directory and lists its segments. */
#include "recover/log.h"
#include "base/error.h"
#include "base/file.h"
#include "format/catalogue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int log_open(struct log *l, const char *path, bool writable, evlog_error *err)
{
	*l = (struct log){.dir_fd = -1, .head_fd = -1, .state = HEAD_LOST};
	l->path = strdup(path);
	if (!l->path)
		return error_memory(err);
	for (size_t n = strlen(path); n > 1 && l->path[n - 1] == '/'; n--)
		l->path[n - 1] = '\0';
	l->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->dir_fd < 0)
		return error_sys(err, "%s", path);
	int flags = (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	l->head_fd = openat(l->dir_fd, "head", flags);
	if (l->head_fd < 0 && errno != ENOENT)
		return error_sys(err, "%s/head", path);
	return 0;
}

const char *log_path(const char *path)
{
	size_t n = archive_in_path(path);

	return n ? path + n + strlen(ARCHIVE_SEPARATOR) : path;
}

bool evlog_path_is_log(const char *path)
{
	struct stat st;

	return path && strcmp(path, "-") != 0 && stat(log_path(path), &st) == 0 &&
	       S_ISDIR(st.st_mode);
}

int log_open_through(struct log *l, const char *path, evlog_error *err)
{
	size_t n = archive_in_path(path);

	int r = log_open(l, log_path(path), false, err);
	return r || !n ? r : archive_open(&l->archive, path, n, err);
}

int log_segment(const struct log *l, uint64_t first, const unsigned char *id,
    struct segment *s, evlog_error *err)
{
	return l->archive && archive_has(l->archive, first)
		   ? archive_segment(l->archive, first, id, s, err)
		   : segment_open(s, l->dir_fd, l->path, first, id, false, err);
}

int log_segment_stat(const struct log *l, uint64_t first, struct stat *st)
{
	char name[SEGMENT_NAME_SIZE];

	if (l->archive && archive_has(l->archive, first))
		return archive_stat(l->archive, first, st);
	segment_name(name, first);
	return fstatat(l->dir_fd, name, st, AT_SYMLINK_NOFOLLOW);
}

void log_close(struct log *l)
{
	archive_close(l->archive);
	if (l->head_fd >= 0)
		close(l->head_fd);
	if (l->dir_fd >= 0)
		close(l->dir_fd);
	free(l->segments);
	free(l->catalogues);
	free(l->path);
	*l = (struct log){.dir_fd = -1, .head_fd = -1};
}

static int seq_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int directory_open(struct log *l, DIR **d, evlog_error *err)
{
	*d = folder_list(l->dir_fd);
	return *d ? 0 : error_sys(err, "%s", l->path);
}

static int segments_add(struct log *l, size_t *cap, uint64_t seq, evlog_error *err)
{
	if (l->n == *cap && !array_grow(&l->segments, cap, sizeof *l->segments))
		return error_memory(err);
	l->segments[l->n++] = seq;
	return 0;
}

static int catalogues_add(
    struct log *l, size_t *cap, struct catalogue_span span, evlog_error *err)
{
	if (l->n_catalogues == *cap &&
	    !array_grow(&l->catalogues, cap, sizeof *l->catalogues))
		return error_memory(err);
	l->catalogues[l->n_catalogues++] = span;
	return 0;
}

/* By first seq, the longest one first. */
static int span_compare(const void *a, const void *b)
{
	const struct catalogue_span *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return (x->last < y->last) - (x->last > y->last);
}

bool log_is_replaced(const struct log *l)
{
	struct stat ours, there;

	if (fstat(l->dir_fd, &ours) < 0)
		return false;
	return ours.st_nlink == 0 ||
	       (stat(l->path, &there) == 0 &&
		   (there.st_ino != ours.st_ino || there.st_dev != ours.st_dev));
}

int log_list(struct log *l, evlog_error *err)
{
	struct catalogue_span span;
	struct dirent *e;
	size_t cap = 0, cap_catalogues = 0;
	DIR *d;

	int r = directory_open(l, &d, err);
	if (r)
		return r;
	free(l->segments);
	free(l->catalogues);
	l->segments = NULL;
	l->catalogues = NULL;
	l->n = l->n_catalogues = 0;
	for (errno = 0; !r && (e = readdir(d)) != NULL; errno = 0) {
		uint64_t seq = segment_name_read(e->d_name);
		if (seq)
			r = segments_add(l, &cap, seq, err);
		else if (catalogue_name_read(e->d_name, &span.first, &span.last))
			r = catalogues_add(l, &cap_catalogues, span, err);
	}
	if (!r && errno)
		r = error_sys(err, "%s", l->path);
	closedir(d);
	if (l->n)
		qsort(l->segments, l->n, sizeof *l->segments, seq_compare);
	if (l->n_catalogues)
		qsort(
		    l->catalogues, l->n_catalogues, sizeof *l->catalogues, span_compare);
	return r;
}

int log_list_copy(struct log *l, const struct log *from, evlog_error *err)
{
	size_t n = from->n * sizeof *l->segments,
	       m = from->n_catalogues * sizeof *l->catalogues;

	l->segments = malloc(n + 1);
	l->catalogues = malloc(m + 1);
	if (!l->segments || !l->catalogues)
		return error_memory(err);
	if (n)
		memcpy(l->segments, from->segments, n);
	if (m)
		memcpy(l->catalogues, from->catalogues, m);
	l->n = from->n;
	l->n_catalogues = from->n_catalogues;
	return 0;
}

bool log_has(const struct log *l, uint64_t first)
{
	return bsearch(&first, l->segments, l->n, sizeof first, seq_compare) != NULL;
}

uint64_t log_after(const struct log *l, uint64_t first)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (l->segments[middle] > first)
			high = middle;
		else
			low = middle + 1;
	}
	return low < l->n ? l->segments[low] : 1;
}

/* Puts the segments of the archive before those of the log. */
static int archive_take(
    struct log *l, const struct segment_header *next, evlog_error *err)
{
	int r = archive_join(l->archive, l->path, next, err);
	if (r)
		return r;
	size_t n = archive_count(l->archive);
	uint64_t *all = malloc((n + l->n) * sizeof *all);
	if (!all)
		return error_memory(err);
	for (size_t i = 0; i < n; i++)
		all[i] = archive_first(l->archive, i);
	memcpy(all + n, l->segments, l->n * sizeof *all);
	free(l->segments);
	l->segments = all;
	l->n += n;
	l->first = all[0];
	l->removed = archive_removed(l->archive);
	return 0;
}

int log_first(struct log *l, evlog_error *err)
{
	bool found = false;
	struct segment s;
	int r = 0;

	l->first = 1;
	if (l->n == 0 || l->segments[0] == 1)
		return 0;
	for (size_t i = 0; i < l->n && !found && !r; i++) {
		r = segment_open(
		    &s, l->dir_fd, l->path, l->segments[i], NULL, false, err);
		found = !r && s.header.flags & SEGMENT_TRIMMED;
		if (r == EVLOG_EDAMAGED || r == EVLOG_ENOINPUT) /* just removed */
			r = 0;
		if (found) {
			l->removed = s.header.last_logtime;
			l->first = l->segments[i];
			l->n -= i;
			memmove(l->segments, l->segments + i, l->n * sizeof *l->segments);
			r = l->archive ? archive_take(l, &s.header, err) : 0;
		}
		segment_close(&s);
	}
	return r;
}

int log_list_again(struct log *l, evlog_error *err)
{
	int r = log_list(l, err);

	return r ? r : log_first(l, err);
}

int log_is_foreign(struct log *l, bool *foreign, bool *empty, evlog_error *err)
{
	struct dirent *e;
	DIR *d;

	int r = directory_open(l, &d, err);
	if (r)
		return r;
	*empty = true;
	for (errno = 0; (e = readdir(d)) != NULL; errno = 0)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			*empty = false;
	if (errno)
		r = error_sys(err, "%s", l->path);
	closedir(d);
	*foreign = l->head_fd < 0 && l->n == 0;
	return r;
}

/* The leaf of the first line of a log's first segment; zeros if it cannot be read. */
static int first_leaf(struct segment *seg, struct block_codec *c,
    unsigned char lineage[HASH_SIZE], evlog_error *err)
{
	struct buf lines = {0};
	struct block b;

	int r = segment_block(seg, seg->header.size, INT64_MAX, 0, &b, err);
	if (!r && b.first_seq == 1)
		r = segment_unpack(seg, c, &b, &lines, err);
	const char *nl = lines.len ? memchr(lines.p, '\n', lines.len) : NULL;
	if (!r && nl)
		merkle_leaf(
		    lines.p, (size_t)(nl - lines.p), b.flags & BLOCK_LEAVES, lineage);
	buf_free(&lines);
	return r;
}

int log_lineage(struct log *l, struct segment *seg, struct block_codec *c,
    unsigned char lineage[HASH_SIZE], evlog_error *err)
{
	static const unsigned char none[HASH_SIZE];
	struct segment first;
	int r;

	memcpy(lineage, seg->header.size ? seg->header.lineage : none, HASH_SIZE);
	if (!hash_is_none(lineage))
		return 0;
	if (seg->first_seq == 1 && seg->header.size) {
		r = first_leaf(seg, c, lineage, err);
	} else {
		r = log_segment(l, 1, NULL, &first, err);
		if (!r)
			r = first_leaf(&first, c, lineage, err);
		segment_close(&first);
	}
	return r == EVLOG_EDAMAGED || r == EVLOG_ENOINPUT ? 0 : r;
}
