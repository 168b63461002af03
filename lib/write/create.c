/* create.c - creates logs and segments, and writes head. */
#include "base/error.h"
#include "base/file.h"
#include "base/os.h"
#include "write/writer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_SEGMENT "new-segment" /* until it replaces another */

static int create_failed(const char *path, evlog_error *err)
{
	error_sys(err, "%s: cannot create", path);
	if (err && err->code != EVLOG_EPERM)
		err->code = EVLOG_ECREATE;
	return err ? err->code : EVLOG_ECREATE;
}

int permissions_give(int fd, struct permissions p)
{
	if (p.mode == 0)
		return 0;
	/* else the owner of the log could not go on after root has written to it */
	if (p.owner && geteuid() == 0 && fchown(fd, p.owner, (gid_t)-1) < 0 &&
	    errno != EPERM && errno != EINVAL)
		return -1;
	if (p.gid != (gid_t)-1 && fchown(fd, (uid_t)-1, p.gid) < 0) {
		if (errno != EPERM)
			return -1;
		/* it has another group, which may no more than others may */
		p.mode = (p.mode & ~(mode_t)02070) | (p.mode & 07) << 3;
	}
	return fchmod(fd, p.mode);
}

/* Creates a file with this content and syncs it. */
static int file_make(int dir_fd, const char *dir, const char *name,
    struct permissions mode, const void *p, size_t n, evlog_error *err)
{
	char path[512];
	int fd = openat(
	    dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);

	snprintf(path, sizeof path, "%.400s/%.100s", dir, name);
	if (fd < 0)
		return create_failed(path, err);
	if (permissions_give(fd, mode) < 0 || file_pwrite(fd, p, n, 0) < 0 ||
	    os_sync_data(fd) < 0) {
		int r = error_sys(err, "%s", path);
		close(fd);
		unlinkat(dir_fd, name, 0);
		return r;
	}
	if (close(fd) < 0)
		return error_sys(err, "%s", path);
	return 0;
}

struct permissions permissions_of(const struct stat *st)
{
	return (struct permissions){
	    .mode = st->st_mode & 0777, .gid = st->st_gid, .owner = st->st_uid};
}

struct permissions log_permissions(const struct log *l)
{
	struct stat st;

	if (l->head_fd < 0 || fstat(l->head_fd, &st) < 0)
		return (struct permissions){0};
	return permissions_of(&st);
}

int segment_create(int dir_fd, const char *dir, struct permissions mode,
    struct segment_header *h, struct view extensions, bool replace, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE];
	struct buf b = {0};

	segment_name(name, h->first_seq);
	segment_header_encode(&b, h, extensions);
	int r = b.failed ? error_memory(err) : 0;
	if (!r && replace)
		unlinkat(dir_fd, NEW_SEGMENT, 0);
	if (!r)
		r = file_make(
		    dir_fd, dir, replace ? NEW_SEGMENT : name, mode, b.p, b.len, err);
	buf_free(&b);
	if (!r && replace && renameat(dir_fd, NEW_SEGMENT, dir_fd, name) < 0)
		r = error_sys(err, "%s/%s", dir, name);
	if (!r && os_sync(dir_fd) < 0) {
		r = error_sys(err, "%s", dir);
		if (!replace) /* nobody may append to a file whose name may be lost */
			unlinkat(dir_fd, name, 0);
	}
	return r;
}

int lock_create(int dir_fd, const char *dir, evlog_error *err)
{
	struct stat head;

	if (fstatat(dir_fd, "head", &head, AT_SYMLINK_NOFOLLOW) < 0)
		return error_sys(err, "%s/head", dir);
	int fd = openat(
	    dir_fd, "lock", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? 0 : error_sys(err, "%s/lock", dir);
	const mode_t write = head.st_mode & 0222;
	struct permissions p = permissions_of(&head);
	p.mode = 0600 | write | write << 1;
	int r = permissions_give(fd, p) < 0 ? error_sys(err, "%s/lock", dir) : 0;
	if (r)
		unlinkat(dir_fd, "lock", 0);
	close(fd);
	return r;
}

static int first_state(struct segment_header *s, const struct origin *origin,
    uint64_t epoch, evlog_error *err)
{
	*s = (struct segment_header){.first_seq = 1,
	    .epoch = epoch,
	    .last_logtime = EVLOG_TIME_MIN,
	    .previous = SEGMENT_NONE,
	    .previous_size = SEGMENT_NONE,
	    .previous_block = SEGMENT_NONE};
	if (origin) {
		const struct segment_header *o = &origin->header;
		s->flags = SEGMENT_TRIMMED;
		s->first_seq = o->first_seq;
		s->last_logtime = o->last_logtime;
		s->tree = o->tree;
		memcpy(s->lineage, o->lineage, HASH_SIZE);
	}
	merkle_root(&s->tree, s->root);
	return os_random(s->id, ID_SIZE) < 0 ? error_sys(err, "random bytes") : 0;
}

int head_make(int dir_fd, const char *dir, struct permissions mode, struct head *h,
    evlog_error *err)
{
	unsigned char slots[HEAD_SIZE];

	os_boot_id(h->boot_id);
	h->generation = 1;
	head_encode(slots + HEAD_SLOT, h);
	h->generation++;
	head_encode(slots, h);
	int r = file_make(dir_fd, dir, "head", mode, slots, sizeof slots, err);
	if (!r)
		r = lock_create(dir_fd, dir, err);
	if (!r && os_sync(dir_fd) < 0)
		r = error_sys(err, "%s", dir);
	return r;
}

int log_end_at(int dir_fd, const char *dir, struct permissions mode,
    const struct segment_header *s, evlog_error *err)
{
	struct head h = {.epoch = s->epoch,
	    .segment = s->first_seq,
	    .committed = s->size,
	    .durable = s->size,
	    .last_logtime = s->last_logtime,
	    .tree = s->tree};

	memcpy(h.root, s->root, HASH_SIZE);
	memcpy(h.id, s->id, ID_SIZE);
	return head_make(dir_fd, dir, mode, &h, err);
}

int log_first_segment(int dir_fd, const char *dir, struct permissions mode,
    const struct origin *origin, uint64_t epoch, evlog_error *err)
{
	struct view cursors = {NULL, 0};
	struct segment_header s;

	if (origin)
		cursors = (struct view){origin->cursors.p, origin->cursors.len};
	int r = first_state(&s, origin, epoch, err);
	if (!r)
		r = segment_create(dir_fd, dir, mode, &s, cursors, false, err);
	return r ? r : log_end_at(dir_fd, dir, mode, &s, err);
}

int log_discard(int dir_fd, const char *temporary)
{
	DIR *d = dir_fd < 0 ? NULL : folder_list(dir_fd);
	struct dirent *e;

	while (d && (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			unlinkat(dir_fd, e->d_name, 0);
	if (d)
		closedir(d);
	return rmdir(temporary);
}

int parent_open(const char *path, int *fd, evlog_error *err)
{
	char *copy = strdup(path);

	if (!copy)
		return error_memory(err);
	for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/';)
		copy[--n] = '\0';
	char *slash = strrchr(copy, '/');
	const char *dir = !slash ? "." : slash == copy ? "/" : copy;
	if (slash)
		*slash = '\0';
	*fd = open(slash == copy ? "/" : dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = *fd < 0 ? create_failed(path, err) : 0;
	free(copy);
	return r;
}

/* Gives a directory its name; removes it if that fails.  EVLOG_END: there is one of this
 * name. */
static int name_give(
    int dir_fd, const char *temporary, const char *path, int parent, evlog_error *err)
{
	if (rename(temporary, path) < 0) {
		int r = errno == ENOTEMPTY || errno == EEXIST ? EVLOG_END
							      : create_failed(path, err);
		log_discard(dir_fd, temporary);
		return r;
	}
	return os_sync(parent) == 0
		   ? 0
		   : error_sys(err,
			 "%s: it is there, but a power cut may take its name away", path);
}

int log_rename(int dir_fd, const char *temporary, const char *path, evlog_error *err)
{
	int parent;

	int r = parent_open(path, &parent, err);
	if (r) {
		log_discard(dir_fd, temporary);
		return r;
	}
	r = name_give(dir_fd, temporary, path, parent, err);
	close(parent);
	return r;
}

/* Makes the directory, has it filled, and gives it its name. */
static int directory_make(const char *path, char *temporary, int parent,
    log_fill_fn *fill, void *arg, evlog_error *err)
{
	if (folder_temporary(temporary) < 0)
		return create_failed(path, err);
	int fd = open(temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? create_failed(temporary, err) : fill(fd, temporary, arg, err);
	if (r && log_discard(fd, temporary) < 0 && r == EVLOG_WAIT)
		r = error_sys(err, "%s: cannot be removed", temporary);
	if (!r)
		r = name_give(fd, temporary, path, parent, err);
	if (fd >= 0)
		close(fd);
	return r;
}

int log_place(const char *given, log_fill_fn *fill, void *arg, evlog_error *err)
{
	size_t n = strlen(given);
	char *path = strdup(given), *temporary = malloc(n + 16);
	int parent = -1;

	if (!path || !temporary) {
		free(path);
		free(temporary);
		return error_memory(err);
	}
	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	snprintf(temporary, n + 16, "%s.new-XXXXXX", path);
	int r = parent_open(path, &parent, err);
	if (!r)
		r = directory_make(path, temporary, parent, fill, arg, err);
	if (parent >= 0)
		close(parent);
	free(temporary);
	free(path);
	return r;
}

struct creation {
	mode_t mode;
	const struct origin *origin;
};

static int log_fill(int dir_fd, const char *dir, void *arg, evlog_error *err)
{
	const struct creation *c = arg;

	int r = log_first_segment(
	    dir_fd, dir, (struct permissions){c->mode, (gid_t)-1, 0}, c->origin, 1, err);
	/* whoever may read its files may enter it */
	if (!r && c->mode && fchmod(dir_fd, c->mode | (c->mode & 0444) >> 2) < 0)
		r = create_failed(dir, err);
	return r;
}

int log_create(
    const char *path, mode_t mode, const struct origin *origin, evlog_error *err)
{
	struct creation c = {mode, origin};

	int r = log_place(path, log_fill, &c, err);
	return r == EVLOG_END ? 0 : r; /* another process was faster: use its log */
}

int head_create(struct evlog_writer *w, evlog_error *err)
{
	struct log *l = &w->log;

	l->head_fd = openat(l->dir_fd, "head",
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0666);
	if (l->head_fd < 0)
		return error_sys(err, "%s/head", l->path);
	return 0;
}

/* Links a poisoned segment without events to a second name, because the new segment will
 * take over its name. */
static int poisoned_aside(struct evlog_writer *w, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE], aside[64];

	segment_name(name, w->log.head.segment);
	for (int i = 1; i < 1000; i++) {
		snprintf(aside, sizeof aside, "torn-%016llu-0.%d",
		    (unsigned long long)w->log.head.segment, i);
		if (linkat(w->log.dir_fd, name, w->log.dir_fd, aside, 0) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return error_sys(err, "%s/%s", w->log.path, aside);
}

int epoch_next(const char *path, uint64_t epoch, uint64_t *next, evlog_error *err)
{
	if (epoch >= SEQ_MAX)
		return error_set(err, EVLOG_EDAMAGED,
		    "%s: damaged: the epoch that the log records is impossible", path);
	*next = epoch + 1;
	return 0;
}

int epoch_raise(struct evlog_writer *w, uint64_t epoch, evlog_error *err)
{
	return epoch_next(w->log.path, epoch, &w->log.head.epoch, err);
}

struct segment_header header_after(const struct head *h)
{
	struct segment_header s = {.first_seq = h->tree.n + 1,
	    .epoch = h->epoch,
	    .last_logtime = h->last_logtime,
	    .previous = h->segment,
	    .previous_size = h->committed,
	    .previous_block = h->last_block,
	    .tree = h->tree};

	memcpy(s.id, h->id, ID_SIZE);
	memcpy(s.root, h->root, HASH_SIZE);
	return s;
}

int segment_roll(struct evlog_writer *w, evlog_error *err)
{
	struct head *h = &w->log.head;
	struct segment_header s = header_after(h);
	int r = 0;

	if (h->tree.n)
		r = log_lineage(&w->log, &w->seg, w->codec, s.lineage, err);
	bool replace = s.first_seq == h->segment; /* poisoned before it had an event */
	if (!r && replace) { /* so that the two can be distinguished */
		r = epoch_raise(w, h->epoch, err);
		s.epoch = h->epoch;
	}
	if (r)
		return r;
	if (!(h->flags & HEAD_POISONED) && h->durable < h->committed &&
	    os_sync_data(w->seg.fd) < 0)
		return error_sys(err, "%s", w->seg.path);
	if (replace) {
		s.previous = w->seg.header.previous;
		s.previous_size = w->seg.header.previous_size;
		s.previous_block = w->seg.header.previous_block;
		r = poisoned_aside(w, err);
	}
	if (!r)
		r = segment_create(w->log.dir_fd, w->log.path, log_permissions(&w->log),
		    &s, (struct view){NULL, 0}, replace, err);
	if (r)
		return r;
	h->segment = s.first_seq;
	h->committed = h->durable = s.size;
	h->last_block = 0;
	h->flags &= HEAD_COPY;
	w->rolled = true;
	segment_close(&w->seg);
	return segment_ensure(w, err);
}

int segment_ensure(struct evlog_writer *w, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE];
	struct head *h = &w->log.head;
	struct stat a, b;

	segment_name(name, h->segment);
	if (w->seg.fd >= 0 && w->seg.first_seq == h->segment) {
		if (fstatat(w->log.dir_fd, name, &a, AT_SYMLINK_NOFOLLOW) < 0 ||
		    fstat(w->seg.fd, &b) < 0)
			return error_sys(err, "%s", w->seg.path);
		if (a.st_ino == b.st_ino && a.st_dev == b.st_dev)
			return 0;
	}
	segment_close(&w->seg);
	int r = segment_open(
	    &w->seg, w->log.dir_fd, w->log.path, h->segment, h->id, true, err);
	if (r == EVLOG_ENOINPUT)
		return segment_missing(w->log.path, h->segment,
		    h->tree.n >= h->segment ? h->tree.n : 0, err);
	return r;
}

int head_commit(struct evlog_writer *w, bool sync, evlog_error *err)
{
	struct head *h = &w->log.head;

	h->generation++;
	memcpy(h->boot_id, w->boot_id, 16);
	int r = head_write(w->log.head_fd, h, w->log.path, err);
	if (!r && sync && os_sync_data(w->log.head_fd) < 0)
		r = error_sys(err, "%s/head", w->log.path);
	return r;
}
