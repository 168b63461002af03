/*
 * trim.c - removes the oldest segments of a log.
 *
 * The first segment that is kept is marked while all others are still there.  The removal
 * of the one with which the log begins is the step that counts: from then on, the log
 * begins with the marked one, and whatever else is before it is left over.
 */
#include "write/trim.h"
#include "base/error.h"
#include "base/os.h"
#include "write/sealer.h"
#include "write/segment_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define TRIES 40 /* while another process seals a segment: */
#define PAUSE (50 * 1000000L)

static void pause_briefly(void)
{
	nanosleep(&(struct timespec){.tv_nsec = PAUSE}, NULL);
}

static int is_busy(const char *path, uint64_t first, evlog_error *err)
{
	return error_set(err, EVLOG_EBUSY,
	    "%s: another process is sealing the segment that begins with event %" PRIu64
	    "; try again",
	    path, first);
}

/* Begins a segment, with the lock held. */
static int roll_locked(struct evlog_writer *w, uint64_t before, evlog_error *err)
{
	const struct head *h = &w->log.head;

	int r = recover(w, err);
	if (!r)
		r = segment_ensure(w, err);
	if (r || !h->last_block || h->segment >= before)
		return r;
	r = segment_roll(w, err);
	return r ? r : head_commit(w, true, err);
}

int trim_roll(struct evlog_writer *w, uint64_t before, evlog_error *err)
{
	int r = writer_lock(w, err);

	if (r)
		return r;
	r = writer_unlock(w, roll_locked(w, before, err), err);
	w->rolled = true; /* an earlier one may be left unsealed */
	return r ? r : evlog_writer_seal(w, true, err);
}

/* ---- Marking ---- */

static int is_marked(const struct log *l, uint64_t first, bool *marked, evlog_error *err)
{
	struct segment s;

	int r = log_segment(l, first, NULL, &s, err);
	*marked = !r && s.header.flags & SEGMENT_TRIMMED;
	segment_close(&s);
	return r;
}

int trim_mark(struct evlog_writer *w, uint64_t first, evlog_error *err)
{
	struct log fresh = {.dir_fd = w->log.dir_fd, .path = w->log.path};
	const struct seal_how how = {
	    .log = &fresh, .level = w->o.level, .max_line = w->max_line, .trimmed = true};
	bool marked = false;

	int r = log_list_again(&fresh, err);
	for (int i = 0; !r && !marked && i < TRIES; i++) {
		if (i)
			pause_briefly();
		r = segment_seal(&how, first, log_after(&fresh, first), err);
		if (r == EVLOG_WAIT)
			r = err->code;
		if (r == 0 || r == EVLOG_END)
			r = is_marked(&fresh, first, &marked, err);
	}
	free(fresh.segments);
	free(fresh.catalogues);
	return r || marked ? r : is_busy(w->log.path, first, err);
}

/* ---- Removing ---- */

static int remove_one(const struct log *l, uint64_t first, evlog_error *err)
{
	int r = EVLOG_END;

	for (int i = 0; r == EVLOG_END && i < TRIES; i++) {
		if (i)
			pause_briefly();
		r = segment_file_remove(l, first, err);
	}
	return r == EVLOG_END ? is_busy(l->path, first, err) : r;
}

static int folder_sync(const struct log *l, evlog_error *err)
{
	return os_sync(l->dir_fd) < 0 ? error_sys(err, "%s", l->path) : 0;
}

static int remove_locked(struct evlog_writer *w, uint64_t first, evlog_error *err)
{
	struct log begins = {.dir_fd = w->log.dir_fd, .path = w->log.path};
	struct log all = begins;
	size_t i = 0;

	int r = log_list_again(&begins, err);
	if (!r)
		r = log_list(&all, err);
	/* what is left over, and then the one that makes the rest count */
	for (; !r && i < all.n && all.segments[i] <= begins.first &&
	       all.segments[i] < first;
	     i++)
		r = remove_one(&all, all.segments[i], err);
	if (!r && i)
		r = folder_sync(&all, err);
	for (; !r && i < all.n && all.segments[i] < first; i++)
		r = remove_one(&all, all.segments[i], err);
	for (size_t k = 0; !r && k < all.n_catalogues; k++)
		if (all.catalogues[k].first < first)
			r = catalogues_remove(&all, all.catalogues[k].first, err);
	if (!r)
		r = segment_locks_remove(&all, first, err);
	if (!r && i)
		r = folder_sync(&all, err);
	free(begins.segments);
	free(begins.catalogues);
	free(all.segments);
	free(all.catalogues);
	return r;
}

int trim_remove(struct evlog_writer *w, uint64_t first, evlog_error *err)
{
	int r = writer_lock(w, err);

	if (r)
		return r;
	r = writer_unlock(w, remove_locked(w, first, err), err);
	w->rolled = true; /* so that catalogues are made again */
	return r ? r : evlog_writer_seal(w, true, err);
}
