/*
 * commit.c - a commit: with the lock held, settle, check what was expected, stamp, hash,
 * compress, write, sync, and tell head.
 */
#include "base/error.h"
#include "base/file.h"
#include "event/select.h"
#include "store/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADED (64u << 10) /* bytes */

/* ---- Conditions ---- */

static int unmet(
    evlog_error *err, const char *path, const char *what, uint64_t is, uint64_t expected)
{
	return error_set(err, EVLOG_EUNMET,
	    "%s: %s is %" PRIu64 ", not %" PRIu64 "; nothing was appended", path, what,
	    is, expected);
}

/* The seq of the last event of o.expect_subject; only from the expected one on, since
 * an earlier one is a "no" all the same. */
static int subject_last(struct evlog_writer *w, uint64_t *last, evlog_error *err)
{
	const char *path = w->log.path, *want = w->o.expect_subject;
	struct evlog_selection sel;
	struct evlog_lines lines;
	struct evlog_event event;
	evlog_stream *s;
	char *text = NULL;
	size_t cap = 0, len;

	*last = 0;
	evlog_selection_init(&sel);
	sel.from = w->o.expect_subject_seq;
	sel.subject = (const char **)&want;
	sel.subjects = !select_is_pattern(want);
	int r = evlog_stream_open(&s, &path, 1, &sel, err);
	if (r)
		return r;
	while (!r && (r = evlog_stream_next(s, &lines, err)) == 0)
		while (!r && evlog_lines_take(&lines, &event)) {
			int found =
			    evlog_event_string(&event, "subject", &text, &cap, &len);
			if (found < 0)
				r = error_memory(err);
			if (found == 0 && len == strlen(want) &&
			    memcmp(text, want, len) == 0)
				*last = event.seq;
		}
	free(text);
	evlog_stream_close(s);
	return r == EVLOG_END ? 0 : r;
}

static int expectations_check(struct evlog_writer *w, evlog_error *err)
{
	const struct head *h = &w->log.head;
	uint64_t last;

	if (w->met)
		return 0;
	if (w->o.expect && h->tree.n != w->o.expect_seq)
		return unmet(
		    err, w->log.path, "the last seq", h->tree.n, w->o.expect_seq);
	if (w->o.expect_subject) {
		int r = subject_last(w, &last, err);
		if (r)
			return r;
		if (last == 0 && w->o.expect_subject_seq)
			return error_set(err, EVLOG_EUNMET,
			    "%s: event %" PRIu64 " is not one of the subject, nor is any "
			    "behind it; nothing was appended",
			    w->log.path, w->o.expect_subject_seq);
		if (last != w->o.expect_subject_seq)
			return unmet(err, w->log.path, "the subject's last seq", last,
			    w->o.expect_subject_seq);
	}
	w->met = true;
	return 0;
}

/* Takes out of what waits the events that the log has already.  Stops before one with
 * the same id and other bytes: *stop is its index, else w->n. */
static int dedup_pending(
    struct evlog_writer *w, uint64_t *skipped, size_t *stop, evlog_error *err)
{
	size_t kept = 0, raw = 0;
	enum dedup_verdict verdict;
	int r = dedup_catch_up(w->dedup, w->log.path, w->log.head.tree.n, w->sha, err);

	*stop = w->n;
	for (size_t i = 0; i < w->n && !r; i++) {
		struct pending p = w->at[i];
		r = dedup_ask(
		    w->dedup, w->raw.p + p.offset, p.len - 1, w->sha, &verdict, err);
		if (!r && verdict == DEDUP_CONFLICT) {
			*stop = i;
			break;
		}
		if (verdict == DEDUP_SAME) {
			++*skipped;
			continue;
		}
		memmove(w->raw.p + raw, w->raw.p + p.offset, p.len);
		p.offset = raw;
		raw += p.len;
		w->at[kept++] = p;
	}
	if (r)
		return r;
	/* what stands behind a conflict waits for the next commit */
	size_t rest = *stop;
	*stop = kept;
	for (size_t i = rest; i < w->n; i++) {
		struct pending p = w->at[i];
		memmove(w->raw.p + raw, w->raw.p + p.offset, p.len);
		p.offset = raw;
		raw += p.len;
		w->at[kept++] = p;
	}
	w->n = kept;
	w->raw.len = raw;
	return 0;
}

/* ---- Writing ---- */

/* How many events from `i` on make a block, and their bytes. */
static size_t block_extent(
    const struct evlog_writer *w, size_t i, size_t n, size_t *bytes)
{
	size_t count = 0;

	*bytes = 0;
	while (i + count < n) {
		size_t len = w->at[i + count].len;
		if (count && *bytes + len > BLOCK_RAW)
			break;
		*bytes += len;
		count++;
	}
	return count;
}

static void block_describe(
    struct evlog_writer *w, const struct head *h, size_t i, size_t count, struct block *b)
{
	*b = (struct block){.segment = h->segment,
	    .epoch = h->epoch,
	    .first_seq = h->tree.n + 1,
	    .count = (uint32_t)count,
	    .flags = w->o.no_sync ? BLOCK_UNSYNCED : 0,
	    .offset = h->committed,
	    .back = (uint32_t)(h->committed - h->last_block),
	    .synced_upto = w->log.head.durable,
	    .least_time = EVLOG_TIME_MAX,
	    .greatest_time = EVLOG_TIME_MIN};
	memcpy(b->log_id, h->log_id, LOG_ID_SIZE);
	for (size_t k = i; k < i + count; k++) {
		int64_t t = w->at[k].time;
		if (t == EVLOG_TIME_MIN)
			continue;
		if (t < b->least_time)
			b->least_time = t;
		if (t > b->greatest_time)
			b->greatest_time = t;
	}
}

/* What the header of a block with these lines carries: a filter, and a cursor with a
 * commit.  0 or -1. */
static int extensions_make(
    struct evlog_writer *w, const char *raw, size_t bytes, bool commit)
{
	w->header.len = 0;
	filter_clear(&w->keys);
	filter_add_lines(&w->keys, raw, bytes);
	filter_extend(&w->keys, &w->header);
	if (commit)
		buf_add(&w->header, w->extension.p, w->extension.len);
	return w->header.failed || w->keys.failed ? -1 : 0;
}

/* The tree over a block's lines, hashed while they are compressed. */
struct hashing {
	struct merkle *tree;
	struct sha256 *sha;
	const char *raw;
	size_t bytes;
	unsigned char *root;
	int result;
	pthread_t thread;
	bool threaded;
};

static void *hash_lines(void *arg)
{
	struct hashing *h = arg;

	h->result = merkle_add_lines(h->tree, h->sha, h->raw, h->bytes);
	if (h->result == 0)
		h->result = merkle_root(h->tree, h->sha, h->root);
	return NULL;
}

/* A thread takes longer to start than a few lines to hash. */
static void hashing_begin(struct hashing *h)
{
	h->threaded =
	    h->bytes >= THREADED && pthread_create(&h->thread, NULL, hash_lines, h) == 0;
	if (!h->threaded)
		hash_lines(h);
}

static int hashing_end(struct hashing *h)
{
	if (h->threaded)
		pthread_join(h->thread, NULL);
	return h->result;
}

/* Stamps events [i, i + count), hashes, compresses and writes them as one block behind
 * *h, and moves *h on. */
static int block_write(struct evlog_writer *w, struct head *h, size_t i, size_t count,
    size_t bytes, bool commit, int64_t now, struct buf *out, evlog_error *err)
{
	const struct pending *p = &w->at[i];
	char *raw = w->raw.p + p->offset, stamp[STAMP_SIZE];
	struct hashing hashing = {&h->tree, w->sha, raw, bytes, h->root, 0, 0, false};
	struct block b;
	size_t packed = 0;

	if (extensions_make(w, raw, bytes, commit) < 0)
		return error_memory(err);
	struct view extensions = {w->header.p, w->header.len};
	block_describe(w, h, i, count, &b);
	b.header_size = BLOCK_HEADER + (uint32_t)extensions.len;
	b.first_logtime = w->o.replica ? p[0].logtime : now;
	b.last_logtime = w->o.replica ? p[count - 1].logtime : now;
	stamp_write(stamp, 0, now);
	for (size_t k = 0; k < count && !w->o.replica; k++)
		stamp_copy(w->raw.p + p[k].offset, stamp, h->tree.n + 1 + k);
	out->len = 0;
	if (!buf_reserve(out, b.header_size))
		return error_memory(err);
	out->len = b.header_size;
	hashing_begin(&hashing);
	int failed = block_pack(w->codec, raw, bytes, out, &packed);
	if (hashing_end(&hashing) < 0 || failed)
		return error_memory(err);
	b.raw_size = (uint32_t)bytes;
	b.packed_size = (uint32_t)packed;
	b.packed_hash = hash64(out->p + b.header_size, packed);
	b.flags |= commit ? BLOCK_COMMIT : 0;
	memcpy(b.root, h->root, HASH_SIZE);
	block_header_write((unsigned char *)out->p, &b, extensions);
	if (file_pwrite(w->seg.fd, out->p, out->len, h->committed) < 0)
		return error_sys(err, "%s", w->seg.path);
	h->last_block = h->committed;
	h->committed += out->len;
	h->last_logtime = b.last_logtime;
	return 0;
}

static int blocks_write(
    struct evlog_writer *w, struct head *h, size_t n, evlog_error *err)
{
	int64_t now = evlog_now();
	struct buf out = {0};
	size_t i = 0, bytes;
	int r = 0;

	if (now < h->last_logtime)
		now = h->last_logtime;
	while (i < n && !r) {
		size_t count = block_extent(w, i, n, &bytes);
		r = block_write(w, h, i, count, bytes, i + count == n, now, &out, err);
		i += count;
	}
	buf_free(&out);
	return r;
}

/* A write failed: the file gets back its committed length.  Poison if not even that
 * can be done. */
static void write_undo(struct evlog_writer *w)
{
	struct head *h = &w->log.head;
	evlog_error ignored;

	if (ftruncate(w->seg.fd, (off_t)h->committed) == 0 && fsync(w->seg.fd) == 0)
		return;
	h->flags |= HEAD_POISONED;
	head_commit(w, true, &ignored);
}

/* fdatasync failed: the pages are marked clean and may be lost, so that nothing can
 * ever be built on this segment. */
static int sync_failed(struct evlog_writer *w, evlog_error *err)
{
	evlog_error ignored;
	int r = error_sys(
	    err, "%s: cannot sync; the events are not acknowledged", w->seg.path);

	w->log.head.flags |= HEAD_POISONED;
	head_commit(w, true, &ignored);
	return r < 0 ? EVLOG_EIO : r;
}

/* Writes the first n events that wait as one commit, and syncs. */
static int commit_write(struct evlog_writer *w, size_t n, evlog_error *err)
{
	struct head next = w->log.head;

	if (next.tree.n + n > SEQ_MAX)
		return error_set(err, EVLOG_EIO, "%s: the log is full", w->log.path);
	int r = blocks_write(w, &next, n, err);
	if (r) {
		write_undo(w);
		return r;
	}
	next.flags = w->o.no_sync ? HEAD_UNSYNCED : 0;
	if (!w->o.no_sync) {
		if (file_sync(w->seg.fd) < 0)
			return sync_failed(w, err);
		next.durable = next.committed;
	}
	/* What is durable now is not taken back if head cannot be told: head may have it
	 * all the same.  It is not acknowledged, and the next writer keeps it or not,
	 * whole. */
	w->log.head = next;
	return head_commit(w, w->o.strict, err);
}

static bool must_roll(const struct evlog_writer *w)
{
	const struct head *h = &w->log.head;

	return (h->flags & HEAD_POISONED) || segment_is_sealed(&w->seg) ||
	       (h->committed >= w->o.segment_size && h->last_block);
}

/* Drops event i, of which the log has another version. */
static int conflict(
    struct evlog_writer *w, size_t i, struct evlog_ack *ack, evlog_error *err)
{
	struct pending p = w->at[i];

	w->rejected.len = 0;
	buf_putc(&w->rejected, '{');
	buf_add(&w->rejected, w->raw.p + p.offset + STAMP_SIZE, p.len - STAMP_SIZE - 1);
	if (w->rejected.failed)
		return error_memory(err);
	ack->rejected_name = p.name;
	ack->rejected = w->rejected.p;
	ack->rejected_len = w->rejected.len;

	w->raw.len -= p.len;
	memmove(w->raw.p + p.offset, w->raw.p + p.offset + p.len, w->raw.len - p.offset);
	memmove(&w->at[i], &w->at[i + 1], (w->n - i - 1) * sizeof p);
	w->n--;
	for (size_t k = i; k < w->n; k++)
		w->at[k].offset -= p.len;
	return error_at(err, p.name, p.line_no, 1,
	    "id: the log has an event of this source and id with other content "
	    "(--dedup)");
}

/* ---- A commit ---- */

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

/* All of it that needs the lock. */
static int commit_locked(struct evlog_writer *w, struct evlog_ack *ack, evlog_error *err)
{
	size_t n = w->n;

	int r = settle(w, err);
	if (!r && w->dedup)
		r = dedup_pending(w, &ack->skipped, &n, err);
	bool clash = !r && n < w->n;
	if (!r && clash && w->o.atomic) {
		dedup_forget(w->dedup);
		return conflict(w, n, ack, err);
	}
	if (!r && w->o.replica) {
		r = replica_settle(w, &ack->skipped, err);
		n = w->n;
	}
	/* all of it is there already: whatever was expected then, it has been done */
	bool repeated = ack->skipped && n == 0 && !clash;
	if (!r && !repeated)
		r = expectations_check(w, err);
	if (!r && n && must_roll(w))
		r = segment_roll(w, err);
	if (!r)
		r = segment_ensure(w, err);
	if (!r)
		r = cursor_prepare(w, err);
	ack->from = w->log.head.tree.n + 1;
	if (!r && n)
		r = commit_write(w, n, err);
	if (w->dedup && r)
		dedup_forget(w->dedup);
	if (r)
		return r;
	if (w->dedup)
		dedup_keep(w->dedup, w->log.head.tree.n);
	cursor_left(w);
	ack->to = w->log.head.tree.n;
	hash_hex(w->log.head.root, ack->root);
	writer_drop(w, n);
	return clash ? conflict(w, 0, ack, err) : 0;
}

int evlog_writer_commit(evlog_writer *w, struct evlog_ack *ack, evlog_error *err)
{
	*ack = (struct evlog_ack){.from = 1};
	int r = writer_lock(w, err);
	if (r)
		return r;
	w->notice[0] = '\0';
	r = commit_locked(w, ack, err);
	ack->settled = w->notice[0] != '\0';
	memcpy(ack->notice, w->notice, sizeof ack->notice);
	if (file_unlock(w->log.head_fd) < 0 && !r)
		r = error_sys(err, "%s/head: cannot unlock", w->log.path);
	return r;
}
