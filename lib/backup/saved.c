/* saved.c - files that are saved along with a log: checkpoints, snapshots, tables. */
#include "backup/saved.h"
#include "base/error.h"
#include "base/file.h"
#include "base/os.h"
#include "sink/database.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char sqlite_magic[16] = "SQLite format 3";

/* Copies a database through SQLite, so that no other process changes it meanwhile. */
static int database_copy(const char *from, const char *to, evlog_error *err)
{
	sqlite3 *a = NULL, *b = NULL;

	int r = database_open(&a, from, SQLITE_OPEN_READONLY, err);
	if (!r)
		r = database_open(&b, to, SQLITE_OPEN_READWRITE, err);
	sqlite3_backup *copy = r ? NULL : sqlite3_backup_init(b, "main", a, "main");
	if (!r && !copy)
		r = database_error(b, from, err);
	if (copy) {
		sqlite3_busy_timeout(a, 5000);
		int done = sqlite3_backup_step(copy, -1);
		int ended = sqlite3_backup_finish(copy);
		if (done == SQLITE_BUSY || done == SQLITE_LOCKED)
			r = error_set(err, EVLOG_EBUSY, "%s: is locked", from);
		else if (done != SQLITE_DONE || ended != SQLITE_OK)
			r = database_error(b, from, err);
	}
	sqlite3_close(a);
	sqlite3_close(b);
	return r;
}

/* Replaces the member's bytes by those of a copy in the store's folder of points. */
static int database_take(
    struct saved *v, size_t i, struct store *s, const char *path, evlog_error *err)
{
	struct store_file *f = &v->copy[i];
	char *to = NULL;

	int r = store_begin(s, STORE_POINT, f, err);
	if (r)
		return r;
	if (asprintf(&to, "%s/points/%s", s->path, f->name) < 0)
		return error_memory(err);
	r = database_copy(path, to, err);
	free(to);
	if (!r) {
		close(v->member[i].fd);
		v->member[i].fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 3);
		if (v->member[i].fd < 0)
			r = error_sys(err, "%s", path);
	}
	return r;
}

/* Opens a file, or a copy of it if it is a database. */
static int file_take(struct saved *v, size_t i, struct store *s, const char *path,
    struct stat *st, evlog_error *err)
{
	struct tar_member *t = &v->member[i];
	char start[sizeof sqlite_magic];

	t->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (t->fd < 0)
		return error_sys(err, "%s", path);
	v->copy[i].fd = -1;
	v->n++;
	ssize_t got = file_pread(t->fd, start, sizeof start, 0);
	if (fstat(t->fd, st) < 0 || (got < 0 && S_ISREG(st->st_mode)))
		return error_sys(err, "%s", path);
	if (!S_ISREG(st->st_mode))
		return error_set(err, EVLOG_EDATA, "%s: not a regular file", path);
	const mode_t mode = st->st_mode;
	if (got == sizeof start && memcmp(start, sqlite_magic, sizeof start) == 0) {
		int r = database_take(v, i, s, path, err);
		if (r)
			return r;
	}
	if (fstat(t->fd, st) < 0)
		return error_sys(err, "%s", path);
	st->st_mode = mode;
	return 0;
}

static int one_take(
    struct saved *v, struct point *p, struct store *s, const char *path, evlog_error *err)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	const size_t i = v->n;
	struct tar_member *t = &v->member[i];
	struct stat st;
	char *name;

	if (!*base || *base == '.' || strlen(base) > 200)
		return error_set(
		    err, EVLOG_EUSAGE, "%s: not a name to save a file by", path);
	for (size_t j = 0; j < i; j++)
		if (strcmp(p->file[j].name, base) == 0)
			return error_set(err, EVLOG_EUSAGE,
			    "%s: another file of this name is to be saved", path);
	int r = file_take(v, i, s, path, &st, err);
	if (r)
		return r;
	t->size = (uint64_t)st.st_size;
	t->time = (int64_t)os_modified(&st).tv_sec * 1000000;
	if (asprintf(&name, "with/%s", base) < 0)
		return error_memory(err);
	t->name = name;
	p->file[i] = (struct saved_file){
	    .name = strdup(base), .size = t->size, .mode = st.st_mode & 0777};
	p->files = i + 1;
	return p->file[i].name ? 0 : error_memory(err);
}

int saved_take(struct saved *v, struct point *p, struct store *s, const char *const *path,
    size_t n, evlog_error *err)
{
	int r = 0;

	*v = (struct saved){0};
	if (n == 0)
		return 0;
	v->member = calloc(n, sizeof *v->member);
	v->copy = calloc(n, sizeof *v->copy);
	p->file = calloc(n, sizeof *p->file);
	if (!v->member || !v->copy || !p->file)
		r = error_memory(err);
	for (size_t i = 0; !r && i < n; i++)
		r = one_take(v, p, s, path[i], err);
	if (r)
		saved_free(v, s);
	return r;
}

void saved_free(struct saved *v, struct store *s)
{
	for (size_t i = 0; i < v->n; i++) {
		if (v->member[i].fd >= 0)
			close(v->member[i].fd);
		free((char *)(uintptr_t)v->member[i].name);
		store_drop(s, &v->copy[i]);
	}
	free(v->member);
	free(v->copy);
	*v = (struct saved){0};
}
