/*
 * recover.c - what a dead writer left, sorted out under the lock before the next append:
 * torn, damaged, or whole commits that head did not learn of.
 *
 * The rules are those of evlog-format(5), "Torn or damaged".  D is the most that anything
 * attests as durable, X the first byte that does not parse.  X < D: damaged, nothing
 * is changed.  X >= D: torn; kept aside, then cut.  Whole commits between are kept:
 * written again and synced, since their writer may have died between a failed sync
 * and its report.
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

/* Whether there is a segment after the active one: 0, or EVLOG_END. */
static int successor_find(struct evlog_writer *w, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE];
	struct stat st;

	if (w->log.head.tree.n + 1 == w->log.head.segment)
		return EVLOG_END;
	segment_name(name, w->log.head.tree.n + 1);
	if (fstatat(w->log.dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return errno == ENOENT ? EVLOG_END : error_sys(err, "%s/%s", w->log.path, name);
}

/* The segments of the log, read once while the lock is held: they may be many. */
static int segments_list(struct evlog_writer *w, evlog_error *err)
{
	int r = w->listed ? 0 : log_list(&w->log, err);

	w->listed = !r;
	return r;
}

/* Head as a segment's header alone tells it. */
static void head_from_segment(struct evlog_writer *w)
{
	struct head *h = &w->log.head;
	const struct segment_header *s = &w->seg.header;

	memcpy(h->log_id, s->log_id, LOG_ID_SIZE);
	h->epoch = s->epoch;
	h->segment = s->first_seq;
	h->committed = h->durable = s->size;
	h->last_block = 0;
	h->last_logtime = s->last_logtime;
	h->tree = s->tree;
	h->flags = 0;
	memcpy(h->root, s->root, HASH_SIZE);
}

/* Copies the bytes from `from` on to the file aside; where the segment has a hole, so
 * does the copy. */
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

/* Copies [from, size) of the segment aside, durably. */
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

/* Takes away a segment whose creation broke off. */
static int unfinished_remove(struct evlog_writer *w, evlog_error *err)
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
	    "%.200s: an unfinished segment was taken away; its bytes are in %s",
	    w->log.path, aside);
	segment_close(&w->seg);
	w->listed = false;
	return 0;
}

static int tail_recover(
    struct evlog_writer *w, struct tail *t, uint64_t durable, evlog_error *err)
{
	struct head *h = &w->log.head;
	char aside[80];

	int r = recovery_verdict(&w->seg, t, durable, err);
	if (r)
		return r;
	if (t->attested > durable)
		durable = t->attested;
	/* what is attested was synced: only the rest may not have been */
	uint64_t unsure = durable > h->committed ? durable : h->committed;
	if (t->end > unsure && !segment_is_sealed(&w->seg))
		r = rewrite(w, unsure, t->end, err);
	if (!r && t->end < t->size) {
		r = tail_aside(w, t->end, t->size, aside, sizeof aside, err);
		if (!r)
			r = epoch_raise(w, t->epoch, err);
		if (!r)
			r = segment_cut(w, t->end, err);
		if (!r)
			snprintf(w->notice, sizeof w->notice,
			    "%.200s: %" PRIu64
			    " bytes of an unfinished append were cut off; "
			    "they are in %s%s",
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

/* What the header of the next segment there is attests of the active one. */
static int successor_attests(struct evlog_writer *w, uint64_t *durable, evlog_error *err)
{
	const struct head *h = &w->log.head;
	uint64_t first = w->log.segments[w->log.n - 1];
	struct segment next;

	if (first <= h->segment || segment_is_sealed(&w->seg))
		return 0;
	first = log_after(&w->log, h->segment);
	int r =
	    segment_open(&next, w->log.dir_fd, w->log.path, first, h->log_id, false, err);
	if (!r && next.header.previous > h->segment && next.header.previous < first)
		r = segment_missing(w->log.path, next.header.previous, first - 1, err);
	else if (!r && next.header.previous != h->segment)
		r = segment_damaged(
		    &next, 0, first, 0, "the segment before it is another one", err);
	else if (!r && next.header.previous_size > *durable)
		*durable = next.header.previous_size;
	else if (r == EVLOG_EDAMAGED && first == w->log.segments[w->log.n - 1])
		r = 0; /* perhaps a creation that broke off: decided when it is met */
	segment_close(&next);
	return r;
}

/* Whether segments may have come or gone since it was last looked: seen for sure in a
 * folder that is small; in a large one, listing which takes time, by its being newer than
 * head. */
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

/* The segment before the active one must be there: a log that has lost one must not grow
 * as if nothing had happened.  Readers look for the others. */
static int predecessor_check(struct evlog_writer *w, evlog_error *err)
{
	const struct segment_header *s = &w->seg.header;
	char name[SEGMENT_NAME_SIZE];
	struct stat st;

	if (!s->size || s->first_seq == 1)
		return 0;
	segment_name(name, s->previous);
	if (fstatat(w->log.dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (errno != ENOENT)
		return error_sys(err, "%s/%s", w->log.path, name);
	return segment_missing(w->log.path, s->previous, s->first_seq - 1, err);
}

/* No segment may be missing between head's and a later one: head may be an older one. */
static int folder_check(struct evlog_writer *w, evlog_error *err)
{
	uint64_t durable = 0;

	if (!folder_changed(w))
		return 0;
	int r = segments_list(w, err);
	return r || w->log.n == 0 ? r : successor_attests(w, &durable, err);
}

/* Settles the segment that w->log.head names, from head.committed on. */
static int active_recover(struct evlog_writer *w, uint64_t durable, evlog_error *err)
{
	const struct head *h = &w->log.head;
	struct tail t = {.end = h->committed,
	    .last_block = h->last_block,
	    .last_logtime = h->last_logtime,
	    .epoch = h->epoch,
	    .tree = h->tree};

	memcpy(t.root, h->root, HASH_SIZE);
	if (segment_is_sealed(&w->seg)) /* which attests itself whole */
		durable = w->seg.header.seal.end;
	int r = segments_list(w, err);
	if (!r && w->log.n == 0)
		r = error_set(
		    err, EVLOG_EDAMAGED, "%s: its segments are missing", w->log.path);
	if (!r)
		r = successor_attests(w, &durable, err);
	if (!r)
		r = tail_scan(&w->seg, w->codec, true, &t, err);
	return r ? r : tail_recover(w, &t, durable, err);
}

/* A segment behind the one that head knows: its creation, or commits in it. */
static int successor_recover(struct evlog_writer *w, evlog_error *err)
{
	uint64_t seq = w->log.head.tree.n + 1;
	bool unfinished;
	int r = segments_list(w, err);

	if (r)
		return r;
	segment_close(&w->seg);
	r = recovery_successor(
	    &w->log, seq, w->log.head.root, true, &w->seg, &unfinished, err);
	if (r)
		return r;
	if (unfinished)
		return unfinished_remove(w, err);
	head_from_segment(w);
	return active_recover(w, w->log.head.committed, err);
}

/* Takes up all segments after the active one; *any: there was one. */
static int successors_recover(struct evlog_writer *w, bool *any, evlog_error *err)
{
	int r;

	*any = false;
	while ((r = successor_find(w, err)) == 0) {
		/* their writers may have died before they did: all that is there now */
		if (!*any && os_sync(w->log.dir_fd) < 0)
			return error_sys(err, "%s", w->log.path);
		*any = true;
		r = successor_recover(w, err);
		if (!r && w->seg.fd < 0)
			r = segment_ensure(w, err);
		if (r)
			return r;
	}
	return r == EVLOG_END ? 0 : r;
}

/* No record of head is whole: the last segment's header is where to begin. */
static int head_recover(struct evlog_writer *w, uint64_t *durable, evlog_error *err)
{
	struct stat st;
	struct block b;
	uint64_t found;

	int r = segments_list(w, err);
	if (r)
		return r;
	if (w->log.n == 0)
		return error_set(err, EVLOG_EDAMAGED,
		    "%s: head is damaged and there is no segment", w->log.path);
	segment_close(&w->seg);
	r = segment_open(&w->seg, w->log.dir_fd, w->log.path,
	    w->log.segments[w->log.n - 1], NULL, true, err);
	if (r)
		return r;
	w->log.head = (struct head){0};
	head_from_segment(w);
	*durable = w->seg.header.size;
	if (fstat(w->seg.fd, &st) < 0)
		return error_sys(err, "%s", w->seg.path);
	r = tail_resync(&w->seg, *durable, (uint64_t)st.st_size, &b, &found, err);
	if (!r && found == (uint64_t)st.st_size && found > *durable)
		return segment_damaged(&w->seg, *durable, w->seg.first_seq, 0,
		    "head is lost and no block tells how far the log went", err);
	snprintf(w->notice, sizeof w->notice,
	    "%.200s: head was lost or damaged; it was made anew from the segments",
	    w->log.path);
	return r;
}

/* Whatever follows the committed bytes of a poisoned segment was never acknowledged: keep
 * it aside and cut it off, so that zstdcat prints what the log holds.  Nothing is built
 * on the segment: the next commit begins another. */
static int poisoned_recover(struct evlog_writer *w, uint64_t size, evlog_error *err)
{
	const struct head *h = &w->log.head;
	char aside[80];

	int r = folder_check(w, err);
	if (r || size <= h->committed)
		return r;
	r = tail_aside(w, h->committed, size, aside, sizeof aside, err);
	if (!r && ftruncate(w->seg.fd, (off_t)h->committed) < 0)
		r = error_sys(err, "%s", w->seg.path);
	w->seg.window.len = 0;
	return r;
}

/* Whether head was written since the machine was started, or the system cannot tell.  If
 * not, readers cannot tell either that a block is still being written. */
static bool is_of_this_boot(const struct evlog_writer *w)
{
	bool known = boot_is(w->boot_id, w->boot_id);

	return !known || boot_is(w->log.head.boot_id, w->boot_id);
}

int writer_lock(struct evlog_writer *w, evlog_error *err)
{
	if (file_lock(w->log.head_fd, w->o.lock_wait_ms) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return error_set(err, EVLOG_EBUSY,
		    "%s: the lock was not had within %.3g s; another process is "
		    "appending",
		    w->log.path, (double)w->o.lock_wait_ms / 1000);
	return error_sys(err, "%s/head: cannot lock", w->log.path);
}

int recover(struct evlog_writer *w, evlog_error *err)
{
	struct head *h = &w->log.head;
	struct stat st;
	uint64_t durable = 0, lost = 0;
	bool more = false;

	w->listed = false;
	int r = head_read(w->log.head_fd, h, &w->log.state, false, w->log.path, err);
	if (r)
		return r;
	if (w->log.state == HEAD_LOST) {
		r = head_recover(w, &durable, err);
	} else {
		r = segment_ensure(w, err);
		durable = h->committed;
	}
	if (!r)
		r = predecessor_check(w, err);
	if (r)
		return r;
	if (fstat(w->seg.fd, &st) < 0)
		return error_sys(err, "%s", w->seg.path);
	memcpy(w->log.log_id, h->log_id, LOG_ID_SIZE);
	enum recovery_start start = recovery_start(&w->log, &w->seg, w->boot_id);
	bool current = w->log.state == HEAD_WHOLE && is_of_this_boot(w);
	bool plain =
	    start == RECOVERY_AT_END && current && (uint64_t)st.st_size == h->committed;
	bool poisoned = start == RECOVERY_AT_NEXT;
	if (start == RECOVERY_UNSYNCED) {
		durable = h->durable;
		lost = h->tree.n;
		head_from_segment(w);
	} else if (start == RECOVERY_AT_HEADER) {
		head_from_segment(w);
		durable = h->committed;
	}
	if (poisoned)
		r = poisoned_recover(w, (uint64_t)st.st_size, err);
	else
		r = plain ? folder_check(w, err) : active_recover(w, durable, err);
	if (!r)
		r = successors_recover(w, &more, err);
	if (!r && w->log.state != HEAD_LOST && segment_is_sealed(&w->seg))
		return segment_missing(w->log.path, h->tree.n + 1,
		    log_after(&w->log, h->tree.n + 1) - 1, err);
	if (r || ((plain || (poisoned && current)) && !more))
		return r;
	if (h->tree.n < lost)
		snprintf(w->notice, sizeof w->notice,
		    "%.200s: events %" PRIu64 " to %" PRIu64
		    ", appended with --no-sync, did not survive the machine's restart",
		    w->log.path, h->tree.n + 1, lost);
	if (w->log.state == HEAD_LOST) /* both records */
		r = head_commit(w, !w->o.no_sync, err);
	return r ? r : head_commit(w, !w->o.no_sync, err);
}
