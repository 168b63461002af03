/*
 * repair.c - replaces what is damaged or missing in a log by what a backup or a replica
 * has of it.
 *
 * With the lock held, it walks over the segments and checks each of them: all lines, and
 * that it continues the one before it.  What is not sound is taken from a backup or made
 * again (remake.c) in a folder beside the log, checked against what comes before it
 * and after it, and renamed into place.  A damaged file stays in the log under another
 * name.
 */
#include "backup/repair_internal.h"
#include "base/error.h"
#include "base/file.h"
#include "base/options.h"
#include "base/os.h"
#include "write/sealer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- What is committed ---- */

/* Whether the files may have commits that head does not record. */
static int behind_find(struct repair *t, evlog_error *err)
{
	const struct log *l = t->log;
	bool unfinished;
	struct segment s;
	struct stat st;
	int r = 0;

	t->behind = log_segment_stat(l, l->head.segment, &st) == 0 &&
		    (uint64_t)st.st_size > l->head.committed;
	for (size_t i = 0; i < l->n && !t->behind && !r; i++) {
		if (l->segments[i] <= l->head.segment)
			continue;
		r = segment_open(
		    &s, l->dir_fd, l->path, l->segments[i], NULL, false, err);
		if (r == EVLOG_EDAMAGED) { /* of one with a sound header, more is known */
			r = segment_is_unfinished(&s, &unfinished, err);
			t->behind = !r && !unfinished;
		}
		segment_close(&s);
	}
	return r;
}

/* Makes head record all that is committed, as a writer does; EVLOG_EDAMAGED: that cannot
 * be found out. */
static int settle(struct repair *t, evlog_error *err)
{
	int r = recover(t->w, err);

	if (t->w->notice[0])
		repair_say(t, t->w->notice);
	t->w->notice[0] = '\0';
	return r;
}

/* Finds out what is committed.  Nothing that a writer would give up is given up before
 * the backups have been asked: what was appended by --no-sync, before the machine was
 * restarted, and what nothing attests if head is lost. */
static int committed_find(struct repair *t, evlog_error *err)
{
	struct log *l = t->log;
	const struct head *h = &l->head;
	bool settled = false;

	int r = head_read(l->head_fd, &l->head, &l->state, false, l->path, err);
	if (!r && l->state == HEAD_LOST)
		return error_set(err, EVLOG_EDAMAGED,
		    "%s/head: missing or damaged; the next append restores it if the "
		    "last segment is sound, else restore the log",
		    l->path);
	bool unsynced = h->durable < h->committed && !boot_is(h->boot_id, t->w->boot_id);
	if (!r && !unsynced) {
		r = settle(t, err);
		settled = r == 0;
	}
	if (!r || r == EVLOG_EDAMAGED)
		r = head_read(l->head_fd, &l->head, &l->state, false, l->path, err);
	if (!r)
		r = log_list_again(l, err);
	return r || settled ? r : behind_find(t, err);
}

/* ---- Making a segment anew ---- */

/* Makes the folder, beside the log itself if LOG is a link. */
static int folder_make(struct repair *t, evlog_error *err)
{
	struct stat log, made;

	if (t->folder_fd >= 0)
		return 0;
	char *path = realpath(t->log->path, NULL);
	if (!path || asprintf(&t->folder, "%s.repair-XXXXXX", path) < 0)
		t->folder = NULL;
	free(path);
	if (!t->folder)
		return error_sys(err, "%s", t->log->path);
	if (folder_temporary(t->folder) == 0)
		t->folder_fd = open(t->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->folder_fd < 0 || fstat(t->folder_fd, &made) < 0 ||
	    fstat(t->log->dir_fd, &log) < 0)
		return error_sys(err, "%s", t->folder);
	return made.st_dev == log.st_dev
		   ? 0
		   : error_set(err, EVLOG_EIO,
			 "%s: is a file system of its own; repair a copy of it",
			 t->log->path);
}

static void folder_remove(struct repair *t)
{
	char text[512];

	if (t->folder_fd < 0)
		return;
	if (log_discard(t->folder_fd, t->folder) < 0) {
		snprintf(text, sizeof text, "%s: cannot be removed", t->folder);
		repair_say(t, text);
	}
	close(t->folder_fd);
}

/* Appends the bytes of the log's own file that the backup does not have. */
static int own_append(
    struct repair *t, uint64_t first, uint64_t from, int to, evlog_error *err)
{
	const uint64_t end = t->log->head.committed;
	char name[SEGMENT_NAME_SIZE], piece[16384];

	segment_name(name, first);
	int fd = openat(t->log->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int r = 0;
	for (uint64_t at = from; !r && fd >= 0 && at < end;) {
		size_t most = end - at < sizeof piece ? (size_t)(end - at) : sizeof piece;
		ssize_t n = file_pread(fd, piece, most, at);
		if (n < 0 || (n > 0 && file_pwrite(to, piece, (size_t)n, at) < 0))
			r = error_sys(err, "%s/%s", t->log->path, name);
		if (n <= 0)
			break; /* what is missing is found by the check */
		at += (uint64_t)n;
	}
	if (fd >= 0)
		close(fd);
	return r;
}

/* Copies what a point has of a segment to the folder. */
static int stored_copy(struct repair *t, const struct stored_segment *g, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE];
	int fd;

	segment_name(name, g->first);
	unlinkat(t->folder_fd, name, 0);
	int r = segment_fetch(&t->store, g, t->folder_fd, t->folder, &fd, err);
	if (r)
		return r;
	if (g->first == t->log->head.segment)
		r = own_append(t, g->first, g->size, fd, err);
	if (!r &&
	    (permissions_give(fd, log_permissions(t->log)) < 0 || os_sync_data(fd) < 0))
		r = error_sys(err, "%s/%s", t->folder, name);
	close(fd);
	return r;
}

/* Takes the segments from `from` on from a point, up to the end of the range. */
static int run_copy(struct repair *t, const struct point *p, size_t from,
    const struct range *g, evlog_error *err)
{
	int r = 0;

	folder_empty(t);
	for (size_t i = from; i < p->n && !r && p->segment[i].first <= g->last; i++)
		r = stored_copy(t, &p->segment[i], err);
	return r ? r : made_check(t, g, p->segment + from, err);
}

/* Takes what is wanted from the newest point that has all of it. */
static int from_store(struct repair *t, const struct range *g, evlog_error *err)
{
	int r = EVLOG_EDAMAGED;

	for (size_t i = 0; r == EVLOG_EDAMAGED && i < t->points.n; i++) {
		struct point p;
		int res = point_read(&p, &t->store, &t->points.at[i], err);
		if (res == EVLOG_EDAMAGED || res == EVLOG_ENOINPUT)
			continue;
		for (size_t j = 0; !res && j < p.n && r == EVLOG_EDAMAGED; j++)
			if (p.segment[j].first == g->first)
				r = run_copy(t, &p, j, g, err);
		point_free(&p);
		if (res)
			return res;
		if (r == EVLOG_ENOINPUT) /* the run has a gap */
			r = EVLOG_EDAMAGED;
	}
	return r;
}

/* ---- Putting it in place ---- */

/* Removes files in the range that are not a part of what was made: their headers cannot
 * be read, or are not those of this log. */
static int others_remove(struct repair *t, uint64_t first, uint64_t last,
    const struct log *made, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE];
	int r = 0;

	for (size_t i = 0; i < t->log->n && !r; i++) {
		uint64_t other = t->log->segments[i];
		if (other <= first || other > last || (made && log_has(made, other)))
			continue;
		segment_name(name, other);
		r = segment_aside(t, name, other, err);
		if (!r && unlinkat(t->log->dir_fd, name, 0) < 0)
			r = error_sys(err, "%s/%s", t->log->path, name);
	}
	if (!r && os_sync(t->log->dir_fd) < 0)
		r = error_sys(err, "%s", t->log->path);
	return r ? r : log_list_again(t->log, err);
}

static int one_put(struct repair *t, uint64_t first, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(name, first);
	int r = catalogues_remove(t->log, first, err);
	if (!r)
		r = segment_aside(t, name, first, err);
	if (!r && renameat(t->folder_fd, name, t->log->dir_fd, name) < 0)
		r = error_sys(err, "%s/%s", t->log->path, name);
	if (!r && os_sync(t->log->dir_fd) < 0)
		r = error_sys(err, "%s", t->log->path);
	if (!r && t->o.repaired && t->o.repaired(t->o.arg, name) < 0)
		r = error_sys(err, "%s", name);
	t->done.segments += !r;
	return r;
}

/* Gives the segments that were made for these events their names in the log. */
static int put_in_place(struct repair *t, uint64_t first, uint64_t last, evlog_error *err)
{
	struct log made = {.dir_fd = t->folder_fd, .path = t->folder};

	int r = log_list(&made, err);
	for (size_t i = 0; i < made.n && !r; i++)
		if (made.segments[i] >= first &&
		    (made.segments[i] <= last || made.segments[i] == first))
			r = one_put(t, made.segments[i], err);
	if (!r)
		r = others_remove(t, first, last, &made, err);
	free(made.segments);
	free(made.catalogues);
	return r;
}

/* Whether a result only means that there is nothing to repair with. */
static bool is_lack(int r)
{
	return r == EVLOG_EDAMAGED || r == EVLOG_EMISMATCH || r == EVLOG_END ||
	       r == EVLOG_ENOINPUT || r == EVLOG_EDATA;
}

/* Whether the last segment must be left as it is, because the log may have had events
 * that head does not record. */
static bool end_unsure(struct repair *t, uint64_t last)
{
	char text[512] = "";
	uint64_t stored = t->points.n ? t->points.at[0].size : 0;
	const char *who = stored > last ? t->store.path : t->o.replica;

	if (t->behind)
		repair_say(t,
		    "it may have events that head does not record, so it is left as it "
		    "is; evcat --salvage prints what is sound");
	else if (stored > last || t->replica_end > last)
		snprintf(text, sizeof text,
		    "%.200s: has events up to %" PRIu64 ", and head records only %" PRIu64
		    "; if they were not given up on purpose, restore the log from there",
		    who, stored > last ? stored : t->replica_end, last);
	if (*text)
		repair_say(t, text);
	return t->behind || *text;
}

/* Repairs a segment that is not sound.  EVLOG_EDAMAGED: there is nothing to do that
 * with. */
static int segment_repair(struct repair *t, const struct range *g, evlog_error *err)
{
	int r = folder_make(t, err), res = EVLOG_EDAMAGED;
	struct range made = *g;

	if (r)
		return r;
	if (!g->next && end_unsure(t, g->last))
		return EVLOG_EDAMAGED;
	if (g->last < g->first) /* the last segment, without events */
		res = from_head(t, g, err);
	else if (t->points.n)
		res = from_store(t, g, err);
	if (is_lack(res) && t->o.replica && g->last >= g->first) {
		made = *g;
		res = from_replica(t, &made, err);
		if (!res)
			res = made_check(t, &made, NULL, err);
		if (!res && made.last == t->log->head.tree.n && !g->next)
			res = next_begin(t, &made, err);
		if (is_lack(res))
			repair_say(t, err->text);
	}
	if (is_lack(res))
		return EVLOG_EDAMAGED;
	return res ? res : put_in_place(t, g->first, made.last, err);
}

/* Goes on behind a segment that cannot be repaired. */
static void pass_by(struct repair *t, const struct range *g)
{
	char text[512];

	t->done.lost += g->own + 1 - g->first;
	t->known = false;
	t->tip = (struct tip){.seq = g->own};
	snprintf(text, sizeof text,
	    "%s: events %" PRIu64 " to %" PRIu64 ": nothing has them as they were",
	    t->log->path, g->first, g->own);
	repair_say(t, text);
}

/* Looks at one segment, and repairs it if need be.  Sets *first to the next one; 0: there
 * is none. */
static int step(struct repair *t, uint64_t *first, evlog_error *err)
{
	const struct head *h = &t->log->head;
	struct range g;

	int r = range_find(t, *first, &g, err);
	if (!r && !g.next && *first > h->segment) {
		*first = 0; /* the last one, if head is behind, is judged by settle */
		return 0;
	}
	if (!r)
		r = own_check(t, &g, err);
	if (!r && t->tip.seq > g.own)
		r = others_remove(t, *first, t->tip.seq, NULL, err);
	if (r == EVLOG_EDAMAGED) {
		repair_say(t, err->text);
		r = segment_repair(t, &g, err);
	}
	if (r == EVLOG_EDAMAGED) {
		pass_by(t, &g);
		r = 0;
	}
	if (g.next || t->tip.seq < h->tree.n)
		*first = t->tip.seq + 1;
	else /* the last segment may have no events */
		*first = *first < h->segment && h->segment > h->tree.n ? h->segment : 0;
	return r;
}

static int walk(struct repair *t, evlog_error *err)
{
	uint64_t first = t->log->first;
	int r = 0;

	t->tip.seq = first - 1;
	t->known = first == 1;
	merkle_root(&t->tip.tree, t->tip.root);
	t->tip.logtime = EVLOG_TIME_MIN;
	while (!r && first)
		r = step(t, &first, err);
	return r;
}

/* Whether the log's first file is there, and does not say that the log begins with it. */
static int begins_otherwise(struct repair *t, bool *otherwise, evlog_error *err)
{
	struct segment s;

	int r = segment_open(
	    &s, t->log->dir_fd, t->log->path, t->log->segments[0], NULL, false, err);
	*otherwise = !r && !(s.header.flags & SEGMENT_TRIMMED);
	segment_close(&s);
	return r == EVLOG_EDAMAGED ? 0 : r;
}

/* If the log no longer says with which event it begins, takes that from the newest point.
 */
static int first_find(struct repair *t, evlog_error *err)
{
	struct log *l = t->log;
	bool otherwise;
	struct point p;
	char text[512];

	if (l->first > 1 || l->n == 0 || l->segments[0] == 1)
		return 0;
	int r = begins_otherwise(t, &otherwise, err);
	for (size_t i = 0; !r && i < t->points.n; i++) {
		r = point_read(&p, &t->store, &t->points.at[i], err);
		if (r == EVLOG_EDAMAGED || r == EVLOG_ENOINPUT) {
			r = 0;
			continue;
		}
		if (r)
			return r;
		uint64_t first = p.segment[p.trimmed].first;
		if (first < l->segments[0] || (first == l->segments[0] && !otherwise))
			l->first = first;
		point_free(&p);
		break;
	}
	if (!r && l->first > 1) {
		snprintf(text, sizeof text,
		    "%.200s: taken to begin with event %" PRIu64
		    ", as in the newest backup",
		    l->path, l->first);
		repair_say(t, text);
	}
	return r;
}

static int repair_locked(struct repair *t, evlog_error *err)
{
	int r = committed_find(t, err);

	if (!r)
		r = first_find(t, err);
	if (!r)
		r = walk(t, err);
	if (!r && !t->done.lost) /* then readers and the next append agree */
		r = settle(t, err);
	return r;
}

static int prepare(struct repair *t, const char *dest, const char *log, evlog_error *err)
{
	const struct evlog_writer_options o = {.size = sizeof o,
	    .no_create = true,
	    .replica = true, /* also of a log that is a copy */
	    .lock_wait_ms = 10000,
	    .max_event = t->o.max_line};

	t->codec = block_codec_new(0);
	if (!t->codec)
		return error_memory(err);
	block_codec_limit(t->codec, t->o.max_line);
	int r = dest ? store_open(&t->store, dest, 0, err) : 0;
	if (!r && dest)
		r = store_list(&t->store, &t->points, err);
	if (!r && t->o.replica)
		r = replica_open(t, err);
	if (!r)
		r = evlog_writer_open(&t->w, log, &o, err);
	if (!r)
		t->log = &t->w->log;
	return r;
}

int evlog_repair(const char *dest, const char *log, const struct evlog_repair_options *o,
    struct evlog_repaired *done, evlog_error *err)
{
	struct repair t = {.store.fd = {-1, -1, -1}, .folder_fd = -1};

	OWN_ERROR(err);
	NEED(log && *log, err);
	int r = options_take(
	    &t.o, sizeof t.o, END_OF(struct evlog_repair_options, arg), o, err);
	if (r)
		return r;
	REFUSE(!dest && !t.o.replica, "it needs a backup or a replica", err);
	r = prepare(&t, dest, log, err);
	if (!r)
		r = writer_lock(t.w, err);
	if (!r)
		r = writer_unlock(t.w, repair_locked(&t, err), err);
	folder_remove(&t);
	if (!r && t.done.lost)
		r = error_set(err, EVLOG_EDAMAGED,
		    "%s: still damaged: %" PRIu64 " %s missing", log, t.done.lost,
		    t.done.lost == 1 ? "event is" : "events are");
	if (done)
		*done = t.done;
	free(t.folder);
	free(t.points.at);
	evlog_writer_close(t.w);
	store_close(&t.store);
	block_codec_free(t.codec);
	return r;
}
