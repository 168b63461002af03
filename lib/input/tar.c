/* tar.c - makes tar archives, and gets the members of archives as they are. */
#include "input/tar.h"
#include "base/error.h"
#include "base/file.h"
#include "input/frames.h"
#include "input/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Making one ---- */

/* The lowest stage: what the helper makes a tar file of. */
struct members {
	struct stage s;
	const struct tar_member *member;
	size_t n, at;	 /* at: the next member */
	uint64_t done;	 /* bytes of the member before that, */
	int fd;		 /* and its file, if it has one; */
	bool opened;	 /* it is to be closed */
	struct buf head; /* what describes a member */
	char piece[FRAME_MOST];
};

static int has_changed(const struct tar_member *t, evlog_error *err)
{
	return error_set(
	    err, EVLOG_EBUSY, "%s: was changed meanwhile; try again", t->name);
}

static void file_leave(struct members *m)
{
	if (m->opened)
		close(m->fd);
	m->opened = false;
	m->fd = -1;
}

static int file_enter(struct members *m, const struct tar_member *t, evlog_error *err)
{
	struct stat st;

	m->fd = t->fd;
	if (t->fd >= 0 || !t->file)
		return 0;
	m->fd = openat(t->dir_fd, t->file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (m->fd < 0)
		return errno == ENOENT ? has_changed(t, err)
				       : error_sys(err, "%s", t->name);
	m->opened = true;
	if (fstat(m->fd, &st) < 0)
		return error_sys(err, "%s", t->name);
	bool same =
	    t->inode ? t->inode == (uint64_t)st.st_ino && (uint64_t)st.st_size >= t->size
		     : (uint64_t)st.st_size == t->size;
	return same ? 0 : has_changed(t, err);
}

/* Describes the next member, or the end. */
static int member_describe(struct members *m, evlog_error *err)
{
	static const struct tar_member end = {.name = "", .fd = -1};
	const struct tar_member *t = m->at < m->n ? &m->member[m->at] : &end;
	size_t n = strlen(t->name);
	char fixed[PACKED_FIXED];

	put64(fixed, t->size);
	put64(fixed + 8, (uint64_t)t->time);
	put32(fixed + 16, (uint32_t)n);
	m->head.len = 0;
	buf_add(&m->head, fixed, sizeof fixed);
	buf_add(&m->head, t->name, n);
	m->at++;
	m->done = 0;
	m->s.p = m->head.p;
	m->s.len = m->head.len;
	file_leave(m);
	return m->head.failed ? error_memory(err) : file_enter(m, t, err);
}

static int members_read(struct stage *s, evlog_error *err)
{
	struct members *m = (struct members *)s;
	const struct tar_member *t = m->at ? &m->member[m->at - 1] : NULL;

	if (m->at > m->n)
		return 0;
	if (!t || m->done == t->size)
		return member_describe(m, err);
	uint64_t left = t->size - m->done;
	size_t n = left < sizeof m->piece ? (size_t)left : sizeof m->piece;
	s->p = t->p ? t->p + m->done : m->piece;
	if (m->fd >= 0) {
		ssize_t r = file_pread(m->fd, m->piece, n, m->done);
		if (r < 0)
			return error_sys(err, "%s", t->name);
		if ((size_t)r < n)
			return has_changed(t, err);
		s->p = m->piece;
	}
	s->len = n;
	m->done += n;
	return 0;
}

static void members_close(struct stage *s)
{
	struct members *m = (struct members *)s;

	file_leave(m);
	buf_free(&m->head);
	free(m);
}

static int members_new(
    struct evlog_input *in, const struct tar_member *member, size_t n, evlog_error *err)
{
	struct members *m = calloc(1, sizeof *m);

	if (!m)
		return error_memory(err);
	m->s = (struct stage){
	    .name = in->path, .read = members_read, .close = members_close};
	m->member = member;
	m->fd = -1;
	m->n = n;
	in->top = &m->s;
	return 0;
}

static int pass_on(
    struct evlog_input *in, evlog_write_fn *write, void *arg, evlog_error *err)
{
	struct stage *s = in->top;
	int r;

	while ((r = stage_fill(s, err)) == 0 && s->len) {
		if (write(arg, s->p, s->len) < 0)
			return error_sys(err, "%s", in->path);
		stage_take(s, s->len);
	}
	return r;
}

int tar_write(const char *name, const struct tar_member *member, size_t n,
    evlog_write_fn *write, void *arg, evlog_error *err)
{
	const struct evlog_input_options o = {0};
	struct evlog_input *in = input_new(name, &o);
	struct stage *made;

	int r = in ? members_new(in, member, n, err) : error_memory(err);
	if (!r)
		r = helper_new(&made, in, HELPER_PACK, err);
	if (!r) {
		in->top = made;
		r = pass_on(in, write, arg, err);
	}
	evlog_input_close(in);
	return r;
}

/* ---- Reading one ---- */

int tar_open(struct evlog_input **out, const char *path, evlog_error *err)
{
	const struct evlog_input_options o = {0};
	struct evlog_input *in = input_new(path, &o);
	struct stat st;
	int r = 0;

	*out = NULL;
	if (!in)
		return error_memory(err);
	in->fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (in->fd < 0 || fstat(in->fd, &st) < 0)
		r = error_sys(err, "%s", path);
	else if (!S_ISREG(st.st_mode))
		r = error_set(err, EVLOG_EDATA, "%s: not a regular file", path);
	if (!r)
		r = input_members(in, err);
	if (r)
		evlog_input_close(in);
	else
		*out = in;
	return r;
}

int tar_next(struct evlog_input *in, const char **name, evlog_error *err)
{
	int r = helper_next(in->archive, name, err);

	return r || *name ? r
			  : error_set(err, EVLOG_EDATA, "%s: not an archive", in->path);
}

int tar_read(struct evlog_input *in, const char **p, size_t *len, evlog_error *err)
{
	struct stage *s = in->archive;

	stage_take(s, s->len); /* what the call before this one has got */
	int r = stage_fill(s, err);
	*p = s->p;
	*len = r ? 0 : s->len;
	return r;
}
