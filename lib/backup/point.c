/* point.c - a backup of a log at one moment, as a tar file: manifest.json first
 * (backup/manifest.c), then with/NAME for each file that was saved along with the log. */
#include "backup/manifest.h"
#include "base/error.h"
#include "base/file.h"
#include "event/stamp.h"
#include "json/members.h"
#include "json/path.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST      "manifest.json"
#define MANIFEST_MOST (256u << 20)
#define WITH	      "with/"

/* ---- Writing ---- */

struct writing {
	int fd;
	uint64_t at;
	struct sha256_stream sum;
};

static int tar_put(void *arg, const char *p, size_t n)
{
	struct writing *w = arg;

	sha256_add(&w->sum, p, n);
	if (file_pwrite(w->fd, p, n, w->at) < 0)
		return -1;
	w->at += n;
	return 0;
}

int point_write(struct point *p, struct store *s, const struct tar_member *saved,
    char name[STORE_NAME_SIZE], evlog_error *err)
{
	struct tar_member *member = calloc(p->files + 1, sizeof *member);
	unsigned char hash[HASH_SIZE];
	struct buf manifest = {0};
	struct store_file f = {.fd = -1};
	struct writing w;
	int r = 0;

	manifest_write(&manifest, p);
	if (!member || manifest.failed)
		r = error_memory(err);
	if (!r) {
		member[0] = (struct tar_member){.name = MANIFEST,
		    .size = manifest.len,
		    .time = p->time,
		    .fd = -1,
		    .p = manifest.p};
		for (size_t i = 0; i < p->files; i++)
			member[i + 1] = saved[i];
		r = store_begin(s, STORE_POINT, &f, err);
	}
	if (!r) {
		w.fd = f.fd;
		w.at = 0;
		sha256_begin(&w.sum);
		r = tar_write(s->path, member, p->files + 1, tar_put, &w, err);
		if (r)
			store_drop(s, &f);
	}
	if (!r) {
		sha256_end(&w.sum, hash);
		store_point_name(name, p->head.tree.n, p->time, hash);
		/* nobody may read a saved file here who may not read it where it was */
		const struct permissions mode = s->mode;
		for (size_t i = 0; i < p->files; i++)
			s->mode.mode &= p->file[i].mode | 0400;
		r = store_keep(s, &f, name, err);
		s->mode = mode;
	}
	free(member);
	buf_free(&manifest);
	return r;
}

/* ---- Reading ---- */

static char *path_of(const struct store *s, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", s->path, name) < 0 ? NULL : path;
}

/* Checks the hash of a point that was opened. */
static int point_check(const struct store *s, const struct store_point *at,
    const char *path, evlog_error *err)
{
	unsigned char hash[HASH_SIZE];
	struct stat st;
	int fd = openat(s->fd[STORE_POINT], strchr(at->name, '/') + 1,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0) {
		int r = error_sys(err, "%s", path);
		if (fd >= 0)
			close(fd);
		return r;
	}
	int r = bytes_hash(fd, path, 0, (uint64_t)st.st_size, hash, err);
	close(fd);
	if (!r && memcmp(hash, at->hash, HASH_SIZE) != 0)
		r = point_is_bad(
		    path, "its content does not have the hash in its name", err);
	return r;
}

/* Reads a whole member. */
static int member_read(
    struct evlog_input *in, const char *path, struct buf *out, evlog_error *err)
{
	const char *p;
	size_t n;
	int r;

	while ((r = tar_read(in, &p, &n, err)) == 0 && n) {
		if (out->len + n > MANIFEST_MOST)
			return point_is_bad(path, "its manifest is too long", err);
		buf_add(out, p, n);
		if (out->failed)
			return error_memory(err);
	}
	return r;
}

int point_read(struct point *p, const struct store *s, const struct store_point *at,
    evlog_error *err)
{
	char *path = path_of(s, at->name);
	struct evlog_input *in = NULL;
	struct buf text = {0};
	const char *name;

	*p = (struct point){0};
	if (!path)
		return error_memory(err);
	int r = point_check(s, at, path, err);
	if (!r)
		r = tar_open(&in, path, err);
	if (!r)
		r = tar_next(in, &name, err);
	if (r == EVLOG_END || (!r && strcmp(name, MANIFEST) != 0))
		r = point_is_bad(path, "it has no manifest", err);
	if (!r)
		r = member_read(in, path, &text, err);
	if (!r)
		r = manifest_read(p, path, text.p, text.len, err);
	if (!r && (p->time != at->time || p->head.tree.n != at->size))
		r = point_is_bad(path, "its manifest has another name", err);
	if (r == EVLOG_EDATA) { /* an archive that is none */
		char why[sizeof err->text];
		memcpy(why, err->text, sizeof why);
		r = error_set(err, EVLOG_EDAMAGED, "%.600s", why);
	}
	evlog_input_close(in);
	buf_free(&text);
	free(path);
	if (r)
		point_free(p);
	return r;
}

/* ---- Its files ---- */

int point_saved(const struct store *s, const struct store_point *at,
    int (*put)(
	void *arg, const char *name, const char *bytes, size_t len, evlog_error *err),
    void *arg, evlog_error *err)
{
	char *path = path_of(s, at->name);
	struct evlog_input *in = NULL;
	const char *name, *p;
	size_t n = 1;

	if (!path)
		return error_memory(err);
	int r = tar_open(&in, path, err);
	while (!r && (r = tar_next(in, &name, err)) == 0) {
		if (strncmp(name, WITH, strlen(WITH)) != 0)
			continue;
		for (n = 1; !r && n;) {
			r = tar_read(in, &p, &n, err);
			if (!r)
				r = put(arg, name + strlen(WITH), p, n, err);
		}
	}
	evlog_input_close(in);
	free(path);
	return r == EVLOG_END ? 0 : r;
}

int point_is_whole(const struct point *p, const struct store *s, evlog_error *err)
{
	return segments_are_whole(p, 0, s, err);
}

int segments_are_whole(
    const struct point *p, size_t from, const struct store *s, evlog_error *err)
{
	char name[STORE_NAME_SIZE];

	for (size_t i = from; i < p->n; i++)
		for (size_t j = 0; j < p->segment[i].n; j++) {
			piece_name(name, &p->segment[i], j);
			if (!store_has(s, name, p->segment[i].piece[j].size))
				return error_set(err, EVLOG_EDAMAGED,
				    "%s/%s: missing, or not as long as it was", s->path,
				    name);
		}
	return 0;
}

static int piece_fetch(const struct store *s, const struct stored_segment *g, size_t i,
    int to, evlog_error *err)
{
	const struct piece *p = &g->piece[i];
	unsigned char hash[HASH_SIZE];
	char name[STORE_NAME_SIZE];

	piece_name(name, g, i);
	int r = store_get(s, name, p->size, to, p->offset, hash, err);
	if (!r && memcmp(hash, p->hash, HASH_SIZE) != 0)
		r = error_set(err, EVLOG_EDAMAGED,
		    "%s/%s: damaged: its content does not have the hash in its name",
		    s->path, name);
	return r;
}

int segment_fetch(const struct store *s, const struct stored_segment *g, int dir_fd,
    const char *dir, int *fd, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE];
	int r = 0;

	segment_name(name, g->first);
	*fd = openat(
	    dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (*fd < 0)
		return error_sys(err, "%s/%s", dir, name);
	for (size_t i = 0; !r && i < g->n; i++)
		r = piece_fetch(s, g, i, *fd, err);
	if (r)
		close(*fd);
	return r;
}
