/*
 * commit.c - commits a batch: with the lock held, recovers, checks expectations, writes
 * blocks, syncs them, and records them in head.
 */
#include "base/error.h"
#include "base/file.h"
#include "base/options.h"
#include "base/os.h"
#include "read/reader.h"
#include "write/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Moves an event's line to offset `to`. */
static struct pending line_move(struct batch *b, struct pending p, size_t to)
{
	if (p.offset != to)
		memmove(b->raw.p + to, b->raw.p + p.offset, p.len);
	p.offset = to;
	return p;
}

/* Looks for the next of the pending events, from `from` on, in the catalogues. */
static int dedup_look(struct evlog_writer *w, size_t from, size_t n, evlog_error *err)
{
	const struct batch *b = &w->now;
	struct view *lines = calloc(n + 1, sizeof *lines);

	if (!lines)
		return error_memory(err);
	for (size_t i = 0; i < n; i++)
		lines[i] = (struct view){
		    b->raw.p + b->at[from + i].offset, b->at[from + i].len - 1};
	int r = dedup_begin(w->dedup, lines, n, err);
	free(lines);
	return r;
}

/* Drops the pending events that the log has already.  Stops before an event that has the
 * same id as one in the log but other content, and sets *stop to its index; else to the
 * number of events left. */
static int dedup_pass(
    struct evlog_writer *w, uint64_t *skipped, size_t *stop, evlog_error *err)
{
	/* few at first, because it may stop soon; then many, because that is fast */
	size_t few = 64, begun = 0, looked = 0;
	struct batch *b = &w->now;
	size_t i, kept = 0, to = b->n ? b->at[0].offset : 0;
	enum dedup_verdict verdict = DEDUP_NEW;
	int r = dedup_catch_up(w->dedup, &w->log, w->log.head.tree.n, w->max_line, err);

	for (i = 0; i < b->n && !r; i++) {
		if (i == looked) {
			begun = i;
			looked = b->n - i < few ? b->n : i + few;
			few = few < 1u << 14 ? 2 * few : few;
			r = dedup_look(w, begun, looked - begun, err);
			if (r)
				break;
		}
		const struct pending *p = &b->at[i];
		const char *line = b->raw.p + p->offset;
		r = dedup_ask(
		    w->dedup, (uint32_t)(i - begun), line, p->len - 1, &verdict, err);
		if (r || verdict == DEDUP_CONFLICT)
			break;
		if (verdict == DEDUP_SAME)
			continue;
		b->at[kept] = line_move(b, *p, to);
		r = dedup_add(w->dedup, b->raw.p + to, b->at[kept].len - 1, err);
		to += b->at[kept++].len;
	}
	/* what is left: the events kept, then the conflict and what follows it */
	*skipped += i - kept;
	*stop = kept;
	if (kept)
		memmove(b->at + (i - kept), b->at, kept * sizeof *b->at);
	batch_drop(b, i - kept);
	return r;
}

static int dedup_pending(
    struct evlog_writer *w, uint64_t *skipped, size_t *stop, evlog_error *err)
{
	int r;

	while ((r = dedup_pass(w, skipped, stop, err)) == EVLOG_WAIT)
		dedup_forget(w->dedup);
	return r;
}

/* A write failed: truncate the file to its committed length.  If even that fails, poison
 * the segment. */
static void write_undo(struct evlog_writer *w)
{
	struct head *h = &w->log.head;
	evlog_error ignored;

	if (ftruncate(w->seg.fd, (off_t)h->committed) == 0 && os_sync(w->seg.fd) == 0)
		return;
	h->flags |= HEAD_POISONED;
	head_commit(w, true, &ignored);
}

/* fdatasync failed: the kernel has marked the pages clean and may lose them, so nothing
 * may ever be appended to this segment.  If head cannot record that, cut the events off;
 * otherwise the next writer would keep them, though the caller was told that they
 * failed. */
static int sync_failed(
    struct evlog_writer *w, size_t n, const struct head *next, evlog_error *err)
{
	struct head *h = &w->log.head;
	evlog_error ignored;

	error_sys(err, "%s: cannot sync; the events are not acknowledged", w->seg.path);
	w->doubt = (struct doubt){.n = n, .first = h->tree.n + 1, .last = next->tree.n};
	memcpy(w->doubt.root, next->root, HASH_SIZE);
	h->flags |= HEAD_POISONED;
	if (head_commit(w, true, &ignored) < 0 &&
	    ftruncate(w->seg.fd, (off_t)h->committed) == 0)
		os_sync(w->seg.fd); /* if this fails, doubt_resolve finds out */
	if (err)
		err->code = EVLOG_EIO;
	return EVLOG_EIO;
}

/* Sets *there if the log has the commit that was in doubt; then it is acknowledged. */
static int doubt_resolve(
    struct evlog_writer *w, struct evlog_ack *ack, bool *there, evlog_error *err)
{
	struct evlog_position at = {0};
	const struct doubt d = w->doubt;

	*there = false;
	w->doubt.n = 0;
	if (d.n == 0 || w->log.head.tree.n < d.last)
		return 0;
	position_set(&at, w->log.head.id, d.last, d.root);
	int r = evlog_position_check(w->log.path, &at, w->max_line, err);
	if (r == EVLOG_EMISMATCH) /* it was lost, and other events took its place */
		return 0;
	if (r) {
		w->doubt = d;
		return r;
	}
	*there = true;
	ack->from = d.first;
	ack->to = d.last;
	hash_hex(d.root, ack->root);
	cursor_left(w);
	batch_drop(&w->now, d.n);
	return 0;
}

/* The events are in the log: readers and the next writer find them without head. */
static int unrecorded(struct evlog_writer *w, uint64_t from, evlog_error *err)
{
	char why[256];

	if (!err)
		return EVLOG_EUNRECORDED;
	snprintf(why, sizeof why, "%.255s", err->text);
	if (from == w->log.head.tree.n)
		return error_set(err, EVLOG_EUNRECORDED,
		    "%s; event %" PRIu64
		    " is stored, but head does not record it until the next append",
		    why, from);
	return error_set(err, EVLOG_EUNRECORDED,
	    "%s; events %" PRIu64 " to %" PRIu64
	    " are stored, but head does not record them until the next append",
	    why, from, w->log.head.tree.n);
}

/* Writes the first n pending events as one commit, and syncs it. */
static int commit_write(struct evlog_writer *w, size_t n, evlog_error *err)
{
	struct head next = w->log.head;

	const struct block_encoder_kind kind = {.replica = w->o.replica,
	    .flags = w->o.no_sync ? BLOCK_UNSYNCED : 0,
	    .cursor = {w->extension.p, w->extension.len},
	    .root = carry_root(w, next.tree.n + n),
	    .synced_upto = w->log.head.durable};
	int r = block_encoder_write(w->encoder, &w->now, n, &kind, &w->seg, &next, err);
	if (r) {
		write_undo(w);
		return r;
	}
	if (w->committing.begun)
		sem_post(&w->committing.written);
	next.flags &= HEAD_COPY;
	next.flags |= w->o.no_sync ? HEAD_UNSYNCED : 0;
	if (!w->o.no_sync) {
		if (os_sync_data(w->seg.fd) < 0)
			return sync_failed(w, n, &next, err);
		next.durable = next.committed;
	}
	/* The events are durable: do not roll back if the head write fails. */
	uint64_t from = w->log.head.tree.n + 1;
	w->log.head = next;
	return head_commit(w, w->o.strict, err) ? unrecorded(w, from, err) : 0;
}

static bool must_roll(const struct evlog_writer *w)
{
	const struct head *h = &w->log.head;

	return (h->flags & HEAD_POISONED) || segment_is_sealed(&w->seg) ||
	       w->seg.header.version < SEGMENT_VERSION ||
	       (h->committed >= w->o.segment_size && h->last_block);
}

/* Drops event i, of which the log has another version, and reports it. */
static int conflict(
    struct evlog_writer *w, size_t i, struct evlog_ack *ack, evlog_error *err)
{
	struct batch *b = &w->now;
	const struct pending p = b->at[i];

	w->rejected.len = 0;
	buf_putc(&w->rejected, '{');
	buf_add(&w->rejected, b->raw.p + p.offset + STAMP_SIZE, p.len - STAMP_SIZE - 1);
	if (w->rejected.failed)
		return error_memory(err);
	ack->rejected_name = p.name;
	ack->rejected = w->rejected.p;
	ack->rejected_len = w->rejected.len;
	/* dedup_pending closes the gap in raw when it runs again */
	memmove(b->at + 1, b->at, i * sizeof *b->at);
	batch_drop(b, 1);
	return error_at(err, p.name, p.line_no, 1,
	    "id: the log already has an event with this source and id but different "
	    "content (--dedup)");
}

/* ---- A commit ---- */

/* Makes a copy a log of its own. */
static int promote(struct evlog_writer *w, evlog_error *err)
{
	struct head *h = &w->log.head;

	if (!(h->flags & HEAD_COPY))
		return 0;
	h->flags &= ~(uint32_t)HEAD_COPY;
	return head_commit(w, true, err);
}

/* The part of a commit that needs the lock. */
static int commit_locked(struct evlog_writer *w, struct evlog_ack *ack, evlog_error *err)
{
	size_t n = w->now.n;
	bool there = false;

	int r = recover(w, err);
	if (!r)
		r = doubt_resolve(w, ack, &there, err);
	if (r || there)
		return r;
	if (w->dedup)
		r = dedup_pending(w, &ack->skipped, &n, err);
	bool clash = !r && n < w->now.n;
	if (!r && clash && w->o.atomic) {
		dedup_forget(w->dedup);
		return conflict(w, n, ack, err);
	}
	if (!r && w->o.replica) {
		r = replica_compare(w, &ack->skipped, err);
		n = w->now.n;
	}
	/* the log has all of it already, so an earlier attempt met the expectations */
	bool repeated = ack->skipped && n == 0 && !clash;
	if (!r && !repeated)
		r = expectations_check(w, err);
	if (!r && w->o.promote)
		r = promote(w, err);
	if (!r && w->log.head.tree.n + n > SEQ_MAX)
		r = error_set(err, EVLOG_EIO, "%s: the log is full", w->log.path);
	if (!r && n && must_roll(w))
		r = segment_roll(w, err);
	if (!r)
		r = segment_ensure(w, err);
	if (!r)
		r = cursor_prepare(w, err);
	ack->from = w->log.head.tree.n + 1;
	if (!r && n)
		r = commit_write(w, n, err);
	if (w->dedup && r && r != EVLOG_EUNRECORDED)
		dedup_forget(w->dedup);
	if (r && r != EVLOG_EUNRECORDED)
		return r;
	if (w->dedup)
		dedup_keep(w->dedup, w->log.head.tree.n);
	cursor_left(w);
	ack->to = w->log.head.tree.n;
	hash_hex(w->log.head.root, ack->root);
	batch_drop(&w->now, n);
	return clash && !r ? conflict(w, 0, ack, err) : r; /* it is first now */
}

static int commit_run(struct evlog_writer *w, struct evlog_ack *ack, evlog_error *err)
{
	*ack = (struct evlog_ack){.from = 1};
	if (w->absent && w->now.n == 0 && w->broken)
		return 0;
	int r = w->absent ? writer_create(w, err) : 0;
	if (!r) {
		expectations_probe(w);
		r = writer_lock(w, err);
	}
	if (r)
		return r;
	w->notice[0] = '\0';
	r = commit_locked(w, ack, err);
	if (w->now.n == 0)
		carry_done(w);
	ack->slid = w->dedup && dedup_has_slid(w->dedup);
	ack->forgotten = w->dedup ? dedup_forgotten(w->dedup) : 0;
	ack->recovered = w->notice[0] != '\0';
	memcpy(ack->notice, w->notice, sizeof ack->notice);
	return writer_unlock(w, r, err);
}

/* How many of the first n pending events, which fill whole blocks, a replica can commit:
 * up to the end of a commit, and more than n only if that is not to be had otherwise. */
static size_t replica_take(const struct evlog_writer *w, size_t n)
{
	size_t most = carry_whole(w), take = n < most ? n : most;

	while (take < most && take && w->next.at[take - 1].partial)
		take--;
	return take ? take : most;
}

/* Moves the first n pending events to the next commit; those of a replica only up to the
 * end of a commit.  After a failure, the events that failed come first. */
static int commit_take(struct evlog_writer *w, size_t n, evlog_error *err)
{
	if (w->o.replica && w->now.n == 0)
		n = replica_take(w, n);
	if (w->now.n == 0 && n && !batch_cut(&w->next, n, &w->now))
		return error_memory(err);
	return w->o.replica ? carry_begin(w, err) : 0;
}

int evlog_writer_commit(evlog_writer *w, struct evlog_ack *ack, evlog_error *err)
{
	OWN_ERROR(err);
	NEED(w && ack, err);
	REFUSE(w->committing.begun, WRITER_BEGUN, err);
	int r = commit_take(w, w->next.n, err);
	return r ? r : commit_run(w, ack, err);
}

/* ---- A commit while more is added ---- */

static void *commit_thread(void *arg)
{
	struct evlog_writer *w = arg;
	struct committing *c = &w->committing;

	c->result = commit_run(w, &c->ack, &c->err);
	atomic_store(&c->done, true);
	sem_post(&c->written);
	return NULL;
}

void evlog_writer_begin(evlog_writer *w)
{
	struct committing *c = w ? &w->committing : NULL;

	if (!w || c->begun || w->next.n + w->now.n == 0)
		return; /* evlog_writer_end returns EVLOG_END, or waits */
	size_t whole = batch_whole(&w->next, block_encoder_gather(w->encoder));
	c->result = commit_take(w, whole, &c->err);
	if (!c->result && w->now.n == 0)
		return; /* a replica has only a part of a commit */
	if (w->now.n)
		c->last = w->now.at[w->now.n - 1];
	c->begun = true;
	c->threaded = c->write_phase_seen = false;
	atomic_store(&c->done, false);
	sem_init(&c->written, 0, 0);
	if (c->result) {
		atomic_store(&c->done, true);
		sem_post(&c->written);
		return;
	}
	c->threaded =
	    w->o.threads > 1 && pthread_create(&c->thread, NULL, commit_thread, w) == 0;
	if (!c->threaded)
		commit_thread(w);
}

int evlog_writer_end(evlog_writer *w, struct evlog_ack *ack, evlog_error *err)
{
	NEED(w && ack, err);
	struct committing *c = &w->committing;
	if (!c->begun)
		return EVLOG_END;
	if (c->threaded)
		pthread_join(c->thread, NULL);
	sem_destroy(&c->written);
	c->begun = false;
	*ack = c->ack;
	if (c->result && err)
		*err = c->err;
	return c->result;
}
