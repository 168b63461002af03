/* store.c - the folder that backups are in. */
#include "backup/store.h"
#include "base/error.h"
#include "base/file.h"
#include "base/os.h"
#include "recover/archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PIECE (256u << 10)

static const struct {
	const char *folder, *suffix;
} kinds[STORE_KINDS] = {{"segments", ".ndjson.zst"}, {"tails", ""}, {"points", ".tar"}};

/* ---- Names ---- */

void store_name(char out[STORE_NAME_SIZE], enum store_kind kind, uint64_t a, uint64_t b,
    const unsigned char hash[HASH_SIZE])
{
	char hex[2 * HASH_SIZE + 1];

	hash_hex(hash, hex);
	snprintf(out, STORE_NAME_SIZE, "%s/%016" PRIu64 "-%016" PRIu64 "-%s%s",
	    kinds[kind].folder, a, b, hex, kinds[kind].suffix);
}

/* What is after the folder of a kind, if it ends as that kind does and has this length
 * before that; else NULL. */
static const char *stem_of(const char *name, enum store_kind kind, size_t length)
{
	size_t folder = strlen(kinds[kind].folder);

	if (strncmp(name, kinds[kind].folder, folder) != 0 || name[folder] != '/')
		return NULL;
	name += folder + 1;
	return strlen(name) == length + strlen(kinds[kind].suffix) &&
		       strcmp(name + length, kinds[kind].suffix) == 0
		   ? name
		   : NULL;
}

bool store_name_read(const char *name, enum store_kind kind, uint64_t *a, uint64_t *b,
    unsigned char hash[HASH_SIZE])
{
	const char *p = stem_of(name, kind, ARCHIVE_STEM);

	return p && archive_stem_read(p, a, b, hash);
}

#define TIME_TEXT 23 /* 20261130T145305.079255Z */

void store_point_name(char out[STORE_NAME_SIZE], uint64_t size, int64_t time,
    const unsigned char hash[HASH_SIZE])
{
	char hex[2 * HASH_SIZE + 1], t[28];

	evlog_time_format(time, t);
	hash_hex(hash, hex);
	snprintf(out, STORE_NAME_SIZE,
	    "points/%016" PRIu64 "-%.4s%.2s%.5s%.2s%.10s-%s.tar", size, t, t + 5, t + 8,
	    t + 14, t + 17, hex);
}

bool store_point_read(
    const char *name, uint64_t *size, int64_t *time, unsigned char hash[HASH_SIZE])
{
	const char *p = stem_of(name, STORE_POINT, 16 + 1 + TIME_TEXT + 1 + 64);
	char t[32], again[STORE_NAME_SIZE];
	evlog_error ignored;

	if (!p || !seq_digits_read(p, size) || !hex_read(hash, p + 41, HASH_SIZE))
		return false;
	const char *u = p + 17;
	snprintf(
	    t, sizeof t, "%.4s-%.2s-%.5s:%.2s:%.10s", u, u + 4, u + 6, u + 11, u + 13);
	if (evlog_time_parse(t, 0, EVLOG_SINCE, time, NULL, &ignored) < 0)
		return false;
	store_point_name(again, *size, *time, hash);
	return strcmp(again, name) == 0;
}

/* ---- Opening ---- */

static int folder_open(
    struct store *s, int top, enum store_kind kind, mode_t make, evlog_error *err)
{
	const char *name = kinds[kind].folder;

	if (make && mkdirat(top, name, make) < 0 && errno != EEXIST)
		return error_sys(err, "%s/%s", s->path, name);
	s->fd[kind] = openat(top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->fd[kind] >= 0)
		return 0;
	return errno == ENOENT ? error_set(err, EVLOG_ENOINPUT,
				     "%s: not a folder of backups", s->path)
			       : error_sys(err, "%s/%s", s->path, name);
}

/* Whether a folder may become a store: it is empty, or it is one, perhaps in part. */
static int folder_check(int top, const char *path, evlog_error *err)
{
	DIR *d = folder_list(top);
	struct dirent *e;
	bool other = false;

	if (!d)
		return error_sys(err, "%s", path);
	while (!other && (errno = 0, e = readdir(d)) != NULL) {
		other = *e->d_name != '.' && strcmp(e->d_name, "lost+found") != 0;
		for (int i = 0; i < STORE_KINDS; i++)
			other = other && strcmp(e->d_name, kinds[i].folder) != 0;
	}
	int r = !other && errno ? error_sys(err, "%s", path) : 0;
	closedir(d);
	return other ? error_set(err, EVLOG_EDATA,
			   "%s: has other files; choose a folder for backups only", path)
		     : r;
}

int store_open(struct store *s, const char *path, mode_t make, evlog_error *err)
{
	int r = 0, parent = -1;

	*s = (struct store){.path = strdup(path), .fd = {-1, -1, -1}};
	if (!s->path)
		return error_memory(err);
	if (make) {
		r = parent_open(path, &parent, err);
		if (!r && mkdir(path, make) < 0 && errno != EEXIST) {
			r = error_sys(err, "%s", path);
			r = err->code = r == EVLOG_EPERM ? r : EVLOG_ECREATE;
		} else if (!r && os_sync(parent) < 0) {
			r = error_sys(err, "%s", path);
		}
		if (parent >= 0)
			close(parent);
	}
	int top = r ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!r && top < 0)
		r = error_sys(err, "%s", path);
	if (!r && make)
		r = folder_check(top, path, err);
	for (int i = 0; !r && i < STORE_KINDS; i++)
		r = folder_open(s, top, (enum store_kind)i, make, err);
	if (!r && make && os_sync(top) < 0)
		r = error_sys(err, "%s", path);
	if (top >= 0)
		close(top);
	if (r)
		store_close(s);
	return r;
}

void store_close(struct store *s)
{
	for (int i = 0; i < STORE_KINDS; i++)
		if (s->fd[i] >= 0)
			close(s->fd[i]);
	free(s->path);
	*s = (struct store){.fd = {-1, -1, -1}};
}

/* ---- Files ---- */

/* The name in its folder. */
static const char *base_of(const char *name)
{
	return strchr(name, '/') + 1;
}

static enum store_kind kind_of(const char *name)
{
	return *name == 's' ? STORE_SEGMENT : *name == 't' ? STORE_TAIL : STORE_POINT;
}

bool store_has(const struct store *s, const char *name, uint64_t bytes)
{
	struct stat st;

	return fstatat(s->fd[kind_of(name)], base_of(name), &st, AT_SYMLINK_NOFOLLOW) ==
		   0 &&
	       S_ISREG(st.st_mode) && (uint64_t)st.st_size == bytes;
}

int store_begin(
    struct store *s, enum store_kind kind, struct store_file *f, evlog_error *err)
{
	*f = (struct store_file){.fd = -1, .kind = kind};
	for (int i = 0; f->fd < 0 && i < 100; i++) {
		unsigned char random[8];
		char hex[2 * sizeof random + 1];
		if (os_random(random, sizeof random) < 0)
			break;
		hex_write(hex, random, sizeof random);
		snprintf(f->name, sizeof f->name, STORE_NEW "%s", hex);
		f->fd = openat(s->fd[kind], f->name,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (f->fd < 0 && errno != EEXIST)
			break;
	}
	return f->fd < 0 ? error_sys(err, "%s/%s", s->path, kinds[kind].folder) : 0;
}

int store_keep(struct store *s, struct store_file *f, const char *name, evlog_error *err)
{
	struct stat st;

	if (permissions_give(f->fd, s->mode) < 0 || os_sync_data(f->fd) < 0 ||
	    fstat(f->fd, &st) < 0 ||
	    renameat(s->fd[f->kind], f->name, s->fd[f->kind], base_of(name)) < 0) {
		int r = error_sys(err, "%s/%s", s->path, name);
		store_drop(s, f);
		return r;
	}
	close(f->fd);
	f->fd = -1;
	s->fresh[f->kind] = true;
	s->files++;
	s->bytes += (uint64_t)st.st_size;
	if (f->kind == STORE_POINT) /* it counts once its name is durable */
		return 0;
	return s->added && s->added(s->arg, name, (uint64_t)st.st_size) < 0
		   ? error_sys(err, "%s", name)
		   : 0;
}

void store_drop(struct store *s, struct store_file *f)
{
	if (f->fd < 0)
		return;
	close(f->fd);
	f->fd = -1;
	unlinkat(s->fd[f->kind], f->name, 0);
}

/* Reads n bytes of a file into the hash, and copies them, unless `to` is -1. */
static int bytes_pass(int fd, const char *name, uint64_t offset, uint64_t n, int to,
    uint64_t there, unsigned char hash[HASH_SIZE], evlog_error *err)
{
	struct sha256_stream sum;
	char *piece = malloc(PIECE);
	int res = piece ? 0 : error_memory(err);

	sha256_begin(&sum);
	for (uint64_t at = 0; !res && at < n;) {
		size_t most = n - at < PIECE ? (size_t)(n - at) : PIECE;
		ssize_t r = file_pread(fd, piece, most, offset + at);
		if (r < 0 ||
		    (to >= 0 && file_pwrite(to, piece, (size_t)r, there + at) < 0))
			res = error_sys(err, "%s", name);
		else if (r == 0)
			res = error_set(err, EVLOG_EDATA, "%s: cut off", name);
		if (res)
			break;
		sha256_add(&sum, piece, (size_t)r);
		at += (uint64_t)r;
	}
	sha256_end(&sum, hash);
	free(piece);
	return res;
}

int bytes_hash(int fd, const char *name, uint64_t offset, uint64_t n,
    unsigned char hash[HASH_SIZE], evlog_error *err)
{
	return bytes_pass(fd, name, offset, n, -1, 0, hash, err);
}

int store_put(struct store *s, enum store_kind kind, uint64_t a, uint64_t b, int fd,
    uint64_t offset, uint64_t n, unsigned char hash[HASH_SIZE], evlog_error *err)
{
	char name[STORE_NAME_SIZE];
	unsigned char copied[HASH_SIZE];
	struct store_file f;

	int r = bytes_hash(fd, s->path, offset, n, hash, err);
	if (r)
		return r;
	store_name(name, kind, a, b, hash);
	if (store_has(
		s, name, n)) /* so that nobody takes it for one that is not needed */
		return utimensat(s->fd[kind], base_of(name), NULL, AT_SYMLINK_NOFOLLOW) <
			       0
			   ? error_sys(err, "%s/%s", s->path, name)
			   : 0;
	r = store_begin(s, kind, &f, err);
	if (!r)
		r = bytes_pass(fd, s->path, offset, n, f.fd, 0, copied, err);
	if (!r && memcmp(copied, hash, HASH_SIZE) != 0)
		r = error_set(err, EVLOG_EDAMAGED,
		    "%s/%s: what was read is not the same twice", s->path, name);
	if (!r)
		return store_keep(s, &f, name, err);
	store_drop(s, &f);
	return r;
}

int store_get(const struct store *s, const char *name, uint64_t n, int to,
    uint64_t offset, unsigned char hash[HASH_SIZE], evlog_error *err)
{
	int fd = openat(s->fd[kind_of(name)], base_of(name),
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int r = 0;

	if (fd < 0 && errno == ENOENT)
		return error_set(err, EVLOG_EDAMAGED, "%s/%s: is missing", s->path, name);
	if (fd < 0 || fstat(fd, &st) < 0)
		r = error_sys(err, "%s/%s", s->path, name);
	else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != n)
		r = error_set(err, EVLOG_EDAMAGED,
		    "%s/%s: damaged: it is not as long as it was", s->path, name);
	if (!r)
		r = bytes_pass(fd, name, 0, n, to, offset, hash, err);
	if (fd >= 0)
		close(fd);
	return r;
}

int store_sync(struct store *s, evlog_error *err)
{
	for (int i = 0; i < STORE_KINDS; i++) {
		if (s->fresh[i] && os_sync(s->fd[i]) < 0)
			return error_sys(err, "%s/%s", s->path, kinds[i].folder);
		s->fresh[i] = false;
	}
	return 0;
}

/* ---- Points ---- */

static int newest_first(const void *a, const void *b)
{
	const struct store_point *x = a, *y = b;

	return x->time != y->time ? (x->time < y->time) - (x->time > y->time)
				  : strcmp(y->name, x->name);
}

int store_walk(const struct store *s, enum store_kind kind,
    int (*each)(void *arg, const char *name, const struct stat *st, evlog_error *err),
    void *arg, evlog_error *err)
{
	DIR *d = folder_list(s->fd[kind]);
	struct dirent *e;
	struct stat st;
	int r = 0;

	if (!d)
		return error_sys(err, "%s/%s", s->path, kinds[kind].folder);
	while (!r && (errno = 0, e = readdir(d)) != NULL) {
		char name[STORE_NAME_SIZE];
		int n =
		    snprintf(name, sizeof name, "%s/%s", kinds[kind].folder, e->d_name);
		if (n < 0 || (size_t)n >= sizeof name)
			continue;
		if (fstatat(s->fd[kind], e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno != ENOENT) /* else another process has removed it */
				r = error_sys(err, "%s/%s", s->path, name);
		} else if (S_ISREG(st.st_mode)) {
			r = each(arg, name, &st, err);
		}
	}
	if (!r && errno)
		r = error_sys(err, "%s/%s", s->path, kinds[kind].folder);
	closedir(d);
	return r;
}

static int point_list(
    void *arg, const char *name, const struct stat *st, evlog_error *err)
{
	struct store_points *points = arg;
	struct store_point p;

	(void)st;
	if (!store_point_read(name, &p.size, &p.time, p.hash))
		return 0;
	snprintf(p.name, sizeof p.name, "%s", name);
	if (points->n == points->cap && !array_grow(&points->at, &points->cap, sizeof p))
		return error_memory(err);
	points->at[points->n++] = p;
	return 0;
}

int store_list(const struct store *s, struct store_points *points, evlog_error *err)
{
	*points = (struct store_points){0};
	int r = store_walk(s, STORE_POINT, point_list, points, err);
	if (r) {
		free(points->at);
		points->at = NULL;
	} else if (points->n) {
		qsort(points->at, points->n, sizeof *points->at, newest_first);
	}
	return r;
}

int store_remove(struct store *s, const char *name, evlog_error *err)
{
	enum store_kind kind = kind_of(name);

	if (unlinkat(s->fd[kind], base_of(name), 0) < 0 && errno != ENOENT)
		return error_sys(err, "%s/%s", s->path, name);
	s->fresh[kind] = true;
	return 0;
}

int store_expire(struct store *s, const char *name, evlog_error *err)
{
	char gone[STORE_NAME_SIZE];
	int fd = s->fd[STORE_POINT];

	snprintf(gone, sizeof gone, "%s" STORE_EXPIRED, base_of(name));
	/* first the time, from which on it is kept for a while */
	if (utimensat(fd, base_of(name), NULL, AT_SYMLINK_NOFOLLOW) < 0 ||
	    renameat(fd, base_of(name), fd, gone) < 0)
		return errno == ENOENT ? 0 : error_sys(err, "%s/%s", s->path, name);
	s->fresh[STORE_POINT] = true;
	return 0;
}
