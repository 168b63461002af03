/*
 * recover.c - recovery by a writer: acts on what recover/recovery.h finds, with the lock
 * held, before the next append.
 *
 * Whole commits that head does not record are kept.  They are written again and synced,
 * because their writer may have died between a failed sync and its report.  Torn bytes
 * are copied to another file and then cut off.  A damaged log is left as it is.
 */
#include "base/error.h"
#include "base/file.h"
#include "base/os.h"
#include "write/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY (256u << 10)

/* Sets head to the state at the end of the segment's header. */
static void head_from_segment(struct evlog_writer *w)
{
	struct head *h = &w->log.head;
	const struct segment_header *s = &w->seg.header;

	memcpy(h->id, s->id, ID_SIZE);
	h->epoch = s->epoch;
	h->segment = s->first_seq;
	h->committed = h->durable = s->size;
	h->last_block = 0;
	h->last_logtime = s->last_logtime;
	h->tree = s->tree;
	h->flags = 0;
	memcpy(h->root, s->root, HASH_SIZE);
}

/* Copies the bytes from `from` on to another file, and keeps their holes. */
static int aside_write(struct evlog_writer *w, int fd, const char *aside, uint64_t from,
    uint64_t size, evlog_error *err)
{
	const char *p;
	int r = 0;

	if (ftruncate(fd, (off_t)(size - from)) < 0)
		return error_sys(err, "%s/%s", w->log.path, aside);
	for (uint64_t at = from; !r && (at = segment_data(&w->seg, at, size)) < size;) {
		size_t n = size - at < COPY ? (size_t)(size - at) : COPY;
		r = segment_bytes(&w->seg, at, n, 0, &p, err);
		if (!r && (!p || file_pwrite(fd, p, n, at - from) < 0))
			r = error_sys(err, "%s/%s", w->log.path, aside);
		at += n;
	}
	return r;
}

/* Copies [from, size) of the segment to a new file, durably, and sets its name. */
static int tail_aside(struct evlog_writer *w, uint64_t from, uint64_t size, char *aside,
    size_t aside_size, evlog_error *err)
{
	int fd = -1;

	for (int i = 0; i < 1000 && fd < 0; i++) {
		int n = snprintf(aside, aside_size, "torn-%016" PRIu64 "-%" PRIu64,
		    w->seg.first_seq, from);
		if (i)
			snprintf(aside + n, aside_size - (size_t)n, ".%d", i);
		fd = openat(w->log.dir_fd, aside,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	if (fd < 0 || permissions_give(fd, log_permissions(&w->log)) < 0) {
		int bad = error_sys(err, "%s/%s", w->log.path, aside);
		if (fd >= 0)
			close(fd);
		return bad;
	}
	int r = aside_write(w, fd, aside, from, size, err);
	if (!r && (os_sync_data(fd) < 0 || os_sync(w->log.dir_fd) < 0))
		r = error_sys(err, "%s/%s", w->log.path, aside);
	close(fd);
	return r;
}

static int segment_cut(struct evlog_writer *w, uint64_t size, evlog_error *err)
{
	if (ftruncate(w->seg.fd, (off_t)size) < 0 || os_sync(w->seg.fd) < 0)
		return error_sys(err, "%s", w->seg.path);
	w->seg.window.len = 0;
	return 0;
}

/* Writes [from, to) again with the same bytes, and syncs. */
static int rewrite(struct evlog_writer *w, uint64_t from, uint64_t to, evlog_error *err)
{
	const char *p;

	for (uint64_t at = from; at < to;) {
		size_t n = to - at < COPY ? (size_t)(to - at) : COPY;
		int r = segment_bytes(&w->seg, at, n, 0, &p, err);
		if (r)
			return r;
		if (!p || file_pwrite(w->seg.fd, p, n, at) < 0)
			return error_sys(err, "%s", w->seg.path);
		at += n;
	}
	if (os_sync_data(w->seg.fd) < 0)
		return error_sys(err, "%s", w->seg.path);
	return 0;
}

/* Removes a segment that was never completely created, after copying it. */
static int unfinished_remove(struct evlog_writer *w, struct recovery *v, evlog_error *err)
{
	struct stat st;
	char aside[80];
	int r;

	if (fstat(w->seg.fd, &st) < 0)
		return error_sys(err, "%s", w->seg.path);
	r = tail_aside(w, 0, (uint64_t)st.st_size, aside, sizeof aside, err);
	if (r)
		return r;
	char name[SEGMENT_NAME_SIZE];
	segment_name(name, w->seg.first_seq);
	if (unlinkat(w->log.dir_fd, name, 0) < 0)
		return error_sys(err, "%s", w->seg.path);
	snprintf(w->notice, sizeof w->notice,
	    "%.200s: an unfinished segment was moved away; its bytes are in %s",
	    w->log.path, aside);
	v->listed = false;
	segment_close(&w->seg);
	return segment_ensure(w, err);
}

/* Acts on the verdict that a segment is sound: writes again what may not have been
 * synced, cuts off what is torn, and updates head in memory. */
static int tail_recover(
    struct evlog_writer *w, const struct recovery *v, evlog_error *err)
{
	struct head *h = &w->log.head;
	const struct tail *t = &v->tail;
	char aside[80];
	int r = 0;

	if (v->from_header)
		head_from_segment(w);
	if (t->epoch > h->epoch)
		h->epoch = t->epoch;
	/* what is attested was synced; the rest may not have been */
	uint64_t unsure = v->durable > v->known ? v->durable : v->known;
	if (t->end > unsure && !segment_is_sealed(&w->seg))
		r = rewrite(w, unsure, t->end, err);
	if (!r && t->end < t->size) {
		r = tail_aside(w, t->end, t->size, aside, sizeof aside, err);
		if (!r)
			r = epoch_raise(w, h->epoch, err);
		if (!r)
			r = segment_cut(w, t->end, err);
		if (!r)
			snprintf(w->notice, sizeof w->notice,
			    "%.200s: %" PRIu64 " bytes of an unfinished append were "
			    "removed and saved in %s%s",
			    w->log.path, t->size - t->end, aside,
			    boot_is(h->boot_id, w->boot_id)
				? ""
				: " (after a power cut, one acknowledged commit may be "
				  "affected)");
	}
	if (r)
		return r;
	h->committed = h->durable = t->end;
	h->last_block = t->last_block;
	h->last_logtime = t->last_logtime;
	h->tree = t->tree;
	memcpy(h->root, t->root, HASH_SIZE);
	return 0;
}

/* Whether segments may have come or gone since the last check.  Listing a large folder
 * takes time, so there it only counts as changed if it is newer than head. */
static bool folder_changed(struct evlog_writer *w)
{
	struct stat dir, head;

	if (fstat(w->log.dir_fd, &dir) < 0 || fstat(w->log.head_fd, &head) < 0)
		return true;
	struct timespec now = os_modified(&dir), then = w->folder_seen;
	struct timespec last = os_modified(&head);
	if (now.tv_sec == then.tv_sec && now.tv_nsec == then.tv_nsec)
		return false;
	w->folder_seen = now;
	return dir.st_size <= 4096 || now.tv_sec > last.tv_sec ||
	       (now.tv_sec == last.tv_sec && now.tv_nsec > last.tv_nsec);
}

/* The segment before the active one must exist: a log that has lost it must not grow as
 * if nothing had happened.  Readers check the others. */
static int predecessor_check(struct evlog_writer *w, evlog_error *err)
{
	const struct segment_header *s = &w->seg.header;
	char name[SEGMENT_NAME_SIZE];
	struct stat st;

	if (!s->size || s->first_seq == 1 || s->flags & SEGMENT_TRIMMED)
		return 0;
	segment_name(name, s->previous);
	if (fstatat(w->log.dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (errno != ENOENT)
		return error_sys(err, "%s/%s", w->log.path, name);
	return segment_missing(w->log.path, s->previous, s->first_seq - 1, err);
}

/* Head may be an old one, so check that no segment is missing between the one it names
 * and any later one.  Gets how much of the one it names was synced, as far as a later one
 * says that. */
static int folder_check(
    struct evlog_writer *w, struct recovery *v, uint64_t *durable, evlog_error *err)
{
	*durable = 0;
	if (!folder_changed(w))
		return 0;
	int r = recovery_list(v, err);
	return r || w->log.n == 0 ? r : recovery_attested(v, durable, err);
}

/* Takes each step of the walk and acts on its verdict.  Sets *changed if head is out of
 * date. */
static int walk(
    struct evlog_writer *w, struct recovery *v, bool *changed, evlog_error *err)
{
	evlog_error verdict;
	bool synced = false;
	int r;

	while ((r = recovery_step(v, &verdict, err)) == 0 && !verdict.code) {
		*changed = true;
		/* their writers may have died before this sync; one covers all */
		bool later = w->seg.first_seq != w->log.head.segment;
		if (later && !synced && os_sync(w->log.dir_fd) < 0)
			return error_sys(err, "%s", w->log.path);
		synced = synced || later;
		r = v->unfinished ? unfinished_remove(w, v, err)
				  : tail_recover(w, v, err);
		if (r)
			return r;
	}
	if (!verdict.code)
		return r == EVLOG_END ? 0 : r;
	*err = verdict;
	return EVLOG_EDAMAGED;
}

/* No slot of head is valid: begin after the header of the last segment. */
static int head_recover(struct evlog_writer *w, struct recovery *v, evlog_error *err)
{
	int r = recovery_list(v, err);

	if (r)
		return r;
	if (w->log.n == 0)
		return error_set(err, EVLOG_EDAMAGED,
		    "%s: head is damaged and there are no segments; see RECOVERY in "
		    "evlog(7)",
		    w->log.path);
	segment_close(&w->seg);
	r = segment_open(&w->seg, w->log.dir_fd, w->log.path,
	    w->log.segments[w->log.n - 1], NULL, true, err);
	if (r)
		return r;
	w->log.head = (struct head){0};
	head_from_segment(w);
	snprintf(w->notice, sizeof w->notice,
	    "%.200s: head was missing or damaged; it was restored from the segments",
	    w->log.path);
	return 0;
}

/* What follows the committed bytes of a poisoned segment was never acknowledged.  Copy it
 * and cut it off, so that zstdcat prints exactly what the log has.  Nothing is appended
 * to the segment: the next commit starts a new one. */
static int poisoned_recover(
    struct evlog_writer *w, struct recovery *v, uint64_t size, evlog_error *err)
{
	const struct head *h = &w->log.head;
	char aside[80];

	uint64_t ignored;
	int r = folder_check(w, v, &ignored, err);
	if (r || size <= h->committed)
		return r;
	r = tail_aside(w, h->committed, size, aside, sizeof aside, err);
	if (!r && ftruncate(w->seg.fd, (off_t)h->committed) < 0)
		r = error_sys(err, "%s", w->seg.path);
	w->seg.window.len = 0;
	return r;
}

/* Whether head was written since the machine was started, or the system has no boot id.
 * If not, readers cannot tell that a block is still being written. */
static bool is_of_this_boot(const struct evlog_writer *w)
{
	bool known = boot_is(w->boot_id, w->boot_id);

	return !known || boot_is(w->log.head.boot_id, w->boot_id);
}

/* Sets *named if the file that is open as the lock still has its name.  Returns
 * EVLOG_EMISMATCH if the log itself has not. */
static int lock_check(const struct evlog_writer *w, bool *named, evlog_error *err)
{
	struct stat ours, there;

	*named = false;
	if (log_is_replaced(&w->log))
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: the log was removed, or another one has taken its place; "
		    "nothing was appended",
		    w->log.path);
	if (w->lock_fd < 0)
		return 0;
	if (fstat(w->lock_fd, &ours) < 0)
		return error_sys(err, "%s/lock", w->log.path);
	if (fstatat(w->log.dir_fd, "lock", &there, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_sys(err, "%s/lock", w->log.path);
	*named = ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
	return 0;
}

static int lock_open(struct evlog_writer *w, evlog_error *err)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	bool named;

	int r = lock_check(w, &named, err);
	if (r || named)
		return r;
	if (w->lock_fd >= 0)
		close(w->lock_fd);
	w->lock_fd = openat(w->log.dir_fd, "lock", flags);
	if (w->lock_fd < 0 && errno == ENOENT) {
		r = lock_create(w->log.dir_fd, w->log.path, err);
		if (r)
			return r;
		w->lock_fd = openat(w->log.dir_fd, "lock", flags);
	}
	return w->lock_fd < 0 ? error_sys(err, "%s/lock", w->log.path) : 0;
}

static int lock_failed(const struct evlog_writer *w, const char *name, evlog_error *err)
{
	if (errno == EAGAIN || errno == EACCES)
		return error_set(err, EVLOG_EBUSY,
		    "%s: another process is appending; gave up waiting for the lock "
		    "after %.3g s (--wait)",
		    w->log.path, (double)w->o.lock_wait_ms / 1000);
	return error_sys(err, "%s/%s: cannot lock", w->log.path, name);
}

int writer_lock(struct evlog_writer *w, evlog_error *err)
{
	bool named = false;
	int r;

	while (!named) { /* until the lock is on the file that has the name */
		if ((r = lock_open(w, err)) != 0)
			return r;
		if (file_lock(w->lock_fd, w->o.lock_wait_ms) < 0)
			return lock_failed(w, "lock", err);
		if ((r = lock_check(w, &named, err)) != 0) {
			os_unlock(w->lock_fd);
			return r;
		}
	}
	if (file_mark(w->log.head_fd, HEAD_SIZE, w->o.lock_wait_ms) == 0)
		return 0;
	r = lock_failed(w, "head", err);
	os_unlock(w->lock_fd);
	return r;
}

int writer_unlock(struct evlog_writer *w, int r, evlog_error *err)
{
	bool bad = os_unlock(w->log.head_fd) < 0;

	bad |= os_unlock(w->lock_fd) < 0;
	return bad && r >= 0 ? error_sys(err, "%s: cannot unlock", w->log.path) : r;
}

/* Whether this program may append to the log at all. */
static int appendable(const struct evlog_writer *w, evlog_error *err)
{
	const struct log *l = &w->log;
	const uint32_t unknown = l->head.flags & ~(uint32_t)HEAD_FLAGS;

	if (w->seg.header.read_only || (unknown & FLAGS_READ_ONLY))
		return error_set(err, EVLOG_ENEWER,
		    "%s: it can be read, but appending to it needs a newer evlog",
		    l->path);
	if ((l->head.flags & HEAD_COPY) && !w->o.replica && !w->o.promote)
		return error_set(err, EVLOG_EPERM,
		    "%s: a copy of another log, to which only --replica appends; if it "
		    "is to take the place of that log: --promote",
		    l->path);
	return 0;
}

/* Opens the segment where recovery begins, and checks that the one before it exists. */
static int begin(struct evlog_writer *w, struct recovery *v, evlog_error *err)
{
	struct log *l = &w->log;

	int r = head_read(l->head_fd, &l->head, &l->state, false, l->path, err);
	if (!r)
		r = l->state == HEAD_LOST ? head_recover(w, v, err)
					  : segment_ensure(w, err);
	if (!r)
		r = appendable(w, err);
	if (!r)
		r = predecessor_check(w, err);
	if (r)
		return r;
	memcpy(l->id, l->head.id, ID_SIZE);
	recovery_begin(v, w->boot_id);
	return 0;
}

static int head_record(struct evlog_writer *w, evlog_error *err)
{
	int r = 0;

	if (w->log.state == HEAD_LOST) /* write both slots */
		r = head_commit(w, !w->o.no_sync, err);
	return r ? r : head_commit(w, !w->o.no_sync, err);
}

static int log_recover(struct evlog_writer *w, evlog_error *err)
{
	struct recovery v = {
	    .log = &w->log, .codec = w->codec, .seg = &w->seg, .writer = true};
	const struct head *h = &w->log.head;
	char lost[128];
	struct stat st;

	int r = begin(w, &v, err);
	if (r)
		return r;
	if (fstat(w->seg.fd, &st) < 0)
		return error_sys(err, "%s", w->seg.path);
	bool current = w->log.state == HEAD_WHOLE && is_of_this_boot(w);
	bool plain =
	    v.start == RECOVERY_AT_END && current && (uint64_t)st.st_size == h->committed;
	bool poisoned = v.start == RECOVERY_AT_NEXT;
	bool changed = !current;
	struct head before = *h;
	uint64_t attested = 0;
	if (poisoned)
		r = poisoned_recover(w, &v, (uint64_t)st.st_size, err);
	else if (plain)
		r = folder_check(w, &v, &attested, err);
	if (plain && attested <= h->committed)
		recovery_pass(&v);
	if (!r)
		r = walk(w, &v, &changed, err);
	if (r || !changed)
		return r;
	if (v.start == RECOVERY_UNSYNCED && h->tree.n < before.tree.n) {
		recovery_lost(h->tree.n, &before, lost, sizeof lost);
		snprintf(w->notice, sizeof w->notice, "%.200s: %s", w->log.path, lost);
	}
	return head_record(w, err);
}

int recover(struct evlog_writer *w, evlog_error *err)
{
	int r = log_recover(w, err);

	if (!r && file_mark(w->log.head_fd, 0, w->o.lock_wait_ms) < 0)
		r = lock_failed(w, "head", err);
	return r;
}
