/*
 * repair.c - replaces what is damaged or missing in a log by what a backup or a replica
 * has of it.
 *
 * With the lock held, it walks over the segments and checks each of them: all lines, and
 * that it continues the one before it.  What is not sound is taken from a backup or made
 * again (remake.c) in a folder beside the log, checked against what comes before it and
 * after it, and renamed into place.  A damaged file stays in the log under another name.
 */
#include "backup/repair_internal.h"
#include "backup/verify.h"
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

/* ---- Checking ---- */

/* Notes what head, or the header of the next segment, says of the end of a segment. */
static int range_find(struct repair *t, uint64_t first, struct range *g, evlog_error *err)
{
	const struct head *h = &t->log->head;
	struct segment next;
	int r = 0;

	*g = (struct range){.first = first};
	for (size_t i = 0; i < t->log->n && !r && !g->next; i++) {
		uint64_t after = t->log->segments[i];
		if (after <= first || after > h->segment)
			continue;
		if (!g->own)
			g->own = after - 1;
		r = segment_open(
		    &next, t->log->dir_fd, t->log->path, after, NULL, false, err);
		if (!r && tree_has_root(&next.header.tree, next.header.root)) {
			g->next = after;
			g->successor = next.header;
		}
		segment_close(&next);
		if (r == EVLOG_EDAMAGED || r == EVLOG_ENOINPUT)
			r = 0;
	}
	g->last = g->next ? g->next - 1 : h->tree.n;
	memcpy(g->root, g->next ? g->successor.root : h->root, HASH_SIZE);
	if (!g->own)
		g->own = g->last;
	return r;
}

/* Checks an open segment; moves the tip to its end.  EVLOG_EDAMAGED: it is not sound. */
static int segment_check(
    struct repair *t, struct segment *s, const struct range *g, evlog_error *err)
{
	const bool active = s->first_seq == t->log->head.segment;
	const struct tip *before = &t->tip;
	struct tip tip = {.segment = s->first_seq,
	    .logtime = s->header.last_logtime,
	    .epoch = s->header.epoch,
	    .tree = s->header.tree};
	struct block last = {0};

	if (!tree_has_root(&tip.tree, s->header.root) ||
	    (t->known && (tip.tree.n != before->seq ||
			     memcmp(s->header.root, before->root, HASH_SIZE) != 0)))
		return segment_damaged(s, 0, s->first_seq, 0,
		    "it does not continue the segment before it", err);
	tip.size = segment_is_sealed(s) ? s->header.seal.end
		   : active		? t->log->head.committed
		   : g->successor.previous == s->first_seq && g->successor.size
		       ? share_limit(s, &g->successor)
		       : 0;
	if (tip.size < s->header.size)
		return segment_damaged(
		    s, 0, s->first_seq, 0, "where it ends is not known", err);
	int r =
	    blocks_verify(s, t->codec, s->header.size, tip.size, &tip.tree, &last, err);
	if (r)
		return r;
	tip.seq = tip.tree.n;
	merkle_root(&tip.tree, tip.root);
	if (last.offset) {
		tip.block = last.offset;
		tip.logtime = last.last_logtime;
		tip.epoch = last.epoch;
	}
	/* a later segment may be missing, so this one may end before that */
	if (tip.seq > g->own ||
	    (tip.seq == g->last && memcmp(tip.root, g->root, HASH_SIZE) != 0))
		return segment_damaged(s, 0, s->first_seq, g->own,
		    "what comes after it says something else of its end", err);
	t->tip = tip;
	t->known = true;
	return 0;
}

/* Makes head record all that is committed, as a writer does.  If that cannot be found out
 * because of damage, notes whether the files may have more than head says. */
static int settle(struct repair *t, evlog_error *err)
{
	struct log *l = t->log;
	struct stat st;

	int r = recover(t->w, err);
	if (t->w->notice[0])
		repair_say(t, t->w->notice);
	t->w->notice[0] = '\0';
	t->behind = r == EVLOG_EDAMAGED &&
		    log_segment_stat(l, l->head.segment, &st) == 0 &&
		    (uint64_t)st.st_size > l->head.committed;
	return r;
}

static int own_check(struct repair *t, const struct range *g, evlog_error *err)
{
	struct segment s;

	int r =
	    segment_open(&s, t->log->dir_fd, t->log->path, g->first, NULL, false, err);
	if (r == EVLOG_ENOINPUT)
		return segment_missing(
		    t->log->path, g->first, g->own >= g->first ? g->own : 0, err);
	if (r == EVLOG_EDAMAGED)
		r = segment_damaged(&s, 0, g->first, 0, err->reason, err);
	if (!r)
		r = segment_check(t, &s, g, err);
	segment_close(&s);
	return r;
}

/* ---- Making a segment anew ---- */

static int folder_make(struct repair *t, evlog_error *err)
{
	if (t->folder)
		return 0;
	if (asprintf(&t->folder, "%s.repair-XXXXXX", t->log->path) < 0) {
		t->folder = NULL;
		return error_memory(err);
	}
	if (folder_temporary(t->folder) == 0)
		t->folder_fd = open(t->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return t->folder_fd < 0 ? error_sys(err, "%s", t->folder) : 0;
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

/* A copy of the first segment from before the log was trimmed does not begin it. */
static int was_whole(struct repair *t, evlog_error *err)
{
	char text[512];

	snprintf(text, sizeof text,
	    "%s: its first segment is only in a copy from before the log was trimmed; "
	    "without the damaged file, all events from there on can be put back",
	    t->log->path);
	repair_say(t, text);
	return error_set(err, EVLOG_EDAMAGED, "it is from before the log was trimmed");
}

/* Checks what was made; EVLOG_EDAMAGED: it is not what is wanted. */
static int made_check(struct repair *t, const struct range *g, evlog_error *err)
{
	const struct tip tip = t->tip;
	const bool known = t->known;
	struct segment s;

	int r = segment_open(&s, t->folder_fd, t->folder, g->first, NULL, false, err);
	if (!r)
		r = segment_check(t, &s, g, err);
	if (!r && g->first == t->log->first && g->first > 1 &&
	    !(s.header.flags & SEGMENT_TRIMMED))
		r = was_whole(t, err);
	/* something must say that these are the events of this log */
	if (!r && !known && t->tip.seq != g->last)
		r = error_set(err, EVLOG_EDAMAGED, "nothing attests it");
	segment_close(&s);
	if (r) {
		t->tip = tip;
		t->known = known;
	}
	return r;
}

/* Takes a segment from the newest point that has it. */
static int from_store(struct repair *t, const struct range *g, evlog_error *err)
{
	int r = EVLOG_EDAMAGED;

	for (size_t i = 0; r == EVLOG_EDAMAGED && i < t->points.n; i++) {
		struct point p;
		int res = point_read(&p, &t->store, &t->points.at[i], err);
		if (res == EVLOG_EDAMAGED || res == EVLOG_ENOINPUT)
			continue;
		for (size_t j = 0; !res && j < p.n && r == EVLOG_EDAMAGED; j++) {
			if (p.segment[j].first != g->first)
				continue;
			r = stored_copy(t, &p.segment[j], err);
			if (!r)
				r = made_check(t, g, err);
		}
		point_free(&p);
		if (res)
			return res;
	}
	return r;
}

/* ---- Putting it in place ---- */

/* Removes segments whose events are in the one before them now: no header of theirs could
 * be read. */
static int others_remove(
    struct repair *t, uint64_t first, uint64_t last, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE];
	int r = 0;

	for (size_t i = 0; i < t->log->n && !r; i++) {
		uint64_t other = t->log->segments[i];
		if (other <= first || other > last)
			continue;
		segment_name(name, other);
		r = segment_aside(t, name, other, err);
		if (!r && unlinkat(t->log->dir_fd, name, 0) < 0)
			r = error_sys(err, "%s/%s", t->log->path, name);
	}
	return r;
}

/* Gives a segment, which has the events up to `last`, its name in the log. */
static int put_in_place(struct repair *t, uint64_t first, uint64_t last, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(name, first);
	int r = catalogues_remove(t->log, first, err);
	if (!r)
		r = segment_aside(t, name, first, err);
	if (!r && renameat(t->folder_fd, name, t->log->dir_fd, name) < 0)
		r = error_sys(err, "%s/%s", t->log->path, name);
	if (!r)
		r = others_remove(t, first, last, err);
	if (!r && os_sync(t->log->dir_fd) < 0)
		r = error_sys(err, "%s", t->log->path);
	if (!r && t->o.repaired && t->o.repaired(t->o.arg, name) < 0)
		r = error_sys(err, "%s", name);
	t->done.segments += !r;
	return r ? r : log_list_again(t->log, err);
}

/* Whether a result only means that there is nothing to repair with. */
static bool is_lack(int r)
{
	return r == EVLOG_EDAMAGED || r == EVLOG_EMISMATCH || r == EVLOG_END ||
	       r == EVLOG_ENOINPUT || r == EVLOG_EDATA;
}

/* Repairs a segment that is not sound.  EVLOG_EDAMAGED: there is nothing to do that
 * with. */
static int segment_repair(struct repair *t, const struct range *g, evlog_error *err)
{
	int r = folder_make(t, err), res = EVLOG_EDAMAGED;
	struct range made = *g;

	if (r)
		return r;
	if (!g->next && t->behind) {
		repair_say(t,
		    "it may have events that head does not record, so it is left as "
		    "it is; "
		    "evcat --salvage prints what is sound");
		return EVLOG_EDAMAGED;
	}
	if (t->points.n)
		res = from_store(t, g, err);
	if (is_lack(res) && !g->next && g->last < g->first) {
		res = from_head(t, g, err);
		if (!res)
			res = made_check(t, g, err);
	}
	if (is_lack(res) && t->o.replica) {
		res = from_replica(t, &made, err);
		made.own = made.last;
		if (!res)
			res = made_check(t, &made, err);
		if (!res && made.last == t->log->head.tree.n)
			res = next_begin(t, &made, err);
		if (is_lack(res))
			repair_say(t, err->text);
	}
	if (is_lack(res))
		return EVLOG_EDAMAGED;
	return res ? res : put_in_place(t, g->first, made.own, err);
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

static int walk(struct repair *t, evlog_error *err)
{
	const struct head *h = &t->log->head;
	uint64_t first = t->log->first;
	int r = 0;

	t->tip.seq = first - 1;
	t->known = first == 1;
	merkle_root(&t->tip.tree, t->tip.root);
	t->tip.logtime = EVLOG_TIME_MIN;
	while (!r && first <= h->tree.n + (h->segment == h->tree.n + 1)) {
		struct range g;
		r = range_find(t, first, &g, err);
		if (!r)
			r = own_check(t, &g, err);
		if (r == EVLOG_EDAMAGED) {
			repair_say(t, err->text);
			r = segment_repair(t, &g, err);
		}
		if (r == EVLOG_EDAMAGED) {
			pass_by(t, &g);
			r = 0;
		}
		/* the active segment may have no event */
		first = t->tip.seq + 1 > first ? t->tip.seq + 1 : g.last + 2;
	}
	if (!r && !t->done.lost &&
	    (t->tip.seq != h->tree.n || memcmp(t->tip.root, h->root, HASH_SIZE) != 0))
		r = error_set(err, EVLOG_EDAMAGED,
		    "%s: damaged: its events do not have the root that head records",
		    t->log->path);
	return r;
}

/* If the log no longer says with which event it begins, takes that from the newest point.
 */
static int first_find(struct repair *t, evlog_error *err)
{
	struct log *l = t->log;
	struct point p;

	if (l->first > 1 || l->n == 0 || l->segments[0] == 1)
		return 0;
	for (size_t i = 0; i < t->points.n; i++) {
		int r = point_read(&p, &t->store, &t->points.at[i], err);
		if (r == EVLOG_EDAMAGED || r == EVLOG_ENOINPUT)
			continue;
		if (r)
			return r;
		if (p.segment[p.trimmed].first <= l->segments[0])
			l->first = p.segment[p.trimmed].first;
		point_free(&p);
		break;
	}
	return 0;
}

static int repair_locked(struct repair *t, evlog_error *err)
{
	struct log *l = t->log;

	int r = settle(t, err);
	if (r == EVLOG_EDAMAGED)
		r = head_read(l->head_fd, &l->head, &l->state, false, l->path, err);
	if (!r)
		r = log_list_again(l, err);
	if (!r)
		r = first_find(t, err);
	if (!r && l->state == HEAD_LOST)
		r = error_set(err, EVLOG_EDAMAGED,
		    "%s/head: missing or damaged; the next append restores it if the "
		    "last segment is sound, else restore the log",
		    l->path);
	if (!r)
		r = walk(t, err);
	if (!r && !t->done.lost) /* and the next append will be possible */
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
		    "%s: still damaged: %" PRIu64 " events are missing", log,
		    t.done.lost);
	if (done)
		*done = t.done;
	free(t.folder);
	free(t.points.at);
	evlog_writer_close(t.w);
	store_close(&t.store);
	block_codec_free(t.codec);
	return r;
}
