/*
 * restore.c - makes a log again from a folder of backups.
 *
 * All segments of the point are copied, and checked: the hashes of the copies, all lines,
 * and the roots.  If only events up to an earlier one are wanted, what was restored is
 * then forked there.
 */
#include "backup/saving.h"
#include "backup/share.h"
#include "backup/verify.h"
#include "base/error.h"
#include "base/file.h"
#include "base/options.h"
#include "base/os.h"
#include "read/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct restore {
	const char *log;
	struct evlog_restore_options o;
	struct store store;
	struct store_point at;
	struct point point;
	size_t from, upto; /* which segments of the point are restored */
	struct block_codec *codec;
	int dir_fd;	 /* the folder in which the log is made, */
	const char *dir; /* and its name */
	struct tip tip;	 /* how far it is restored */
	size_t damaged;	 /* segments that a drill has found, and what is wrong with the */
	evlog_error first;   /* first of them */
	bool gone, too_long; /* some were removed from the log, or are not damaged */
	bool placed;	     /* a part of it has its name */
	bool old;	     /* there are newer points, which may be of another branch; */
	uint64_t epoch;	     /* the highest one of this point and the newest */
	struct saving saving; /* files that were saved along with it */
	struct evlog_restored done;
};

/* ---- Segments ---- */

static int segment_copy(
    struct restore *t, const struct stored_segment *g, evlog_error *err)
{
	const struct permissions mode = {t->point.mode | 0600, (gid_t)-1, 0};
	int fd;

	int r = segment_fetch(&t->store, g, t->dir_fd, t->dir, &fd, err);
	if (r)
		return r;
	if (permissions_give(fd, mode) < 0 || os_sync_data(fd) < 0)
		r = error_sys(err, "%s", t->dir);
	close(fd);
	return r;
}

/* Checks a segment that was copied, and that it goes on from the one before it. */
static int segment_check(struct restore *t, struct segment *s,
    const struct stored_segment *g, evlog_error *err)
{
	const uint64_t end = segment_is_sealed(s) ? s->header.seal.end : g->size;
	struct tip *tip = &t->tip;
	struct block last = {0};

	const bool begins = g == t->point.segment + t->from;

	if (begins && g->first > 1 && !(s->header.flags & SEGMENT_TRIMMED))
		return segment_missing(t->store.path, 1, g->first - 1, err);
	if (!begins && (s->header.tree.n != tip->seq ||
			   memcmp(s->header.root, tip->root, HASH_SIZE) != 0))
		return segment_damaged(s, 0, g->first, g->last,
		    "it does not continue the segment before it", err);
	*tip = (struct tip){.segment = g->first,
	    .size = end,
	    .logtime = s->header.last_logtime,
	    .epoch = s->header.epoch,
	    .tree = s->header.tree};
	if (!tree_has_root(&tip->tree, s->header.root) || s->header.size > end)
		return segment_damaged(
		    s, 0, g->first, g->last, "its header contradicts itself", err);
	int r = blocks_verify(s, t->codec, s->header.size, end, &tip->tree, &last, err);
	if (r)
		return r;
	tip->seq = tip->tree.n;
	merkle_root(&tip->tree, tip->root);
	if (last.offset) {
		tip->block = last.offset;
		tip->logtime = last.last_logtime;
		tip->epoch = last.epoch;
	}
	if (tip->seq != g->last || memcmp(tip->root, g->root, HASH_SIZE) != 0 ||
	    segment_is_sealed(s) != g->sealed ||
	    (!g->sealed && memcmp(g->id, s->header.id, ID_SIZE) != 0) ||
	    (!g->sealed && last.offset && !(last.flags & BLOCK_COMMIT)))
		return segment_damaged(s, tip->block, g->first, g->last,
		    "the point says something else of it", err);
	return 0;
}

/* Checks what the point says of the first event. */
static int lineage_check(struct restore *t, struct segment *s, evlog_error *err)
{
	unsigned char lineage[HASH_SIZE];
	struct log l = {.dir_fd = t->dir_fd, .path = (char *)(uintptr_t)t->dir};

	if (t->tip.seq == 0)
		return 0;
	int r = log_lineage(&l, s, t->codec, lineage, err);
	if (!r && memcmp(lineage, t->point.lineage, HASH_SIZE) != 0)
		r = error_set(err, EVLOG_EDAMAGED,
		    "%s/%s: damaged: its first event is another one", t->store.path,
		    t->at.name);
	return r;
}

static int segment_restore(
    struct restore *t, const struct stored_segment *g, evlog_error *err)
{
	struct segment s;

	int r = segment_copy(t, g, err);
	if (r)
		return r;
	r = segment_open(&s, t->dir_fd, t->dir, g->first, NULL, false, err);
	if (r == EVLOG_EDAMAGED)
		r = segment_damaged(&s, 0, g->first, g->last, err->reason, err);
	if (!r)
		r = segment_check(t, &s, g, err);
	if (!r && g == t->point.segment + t->from)
		r = lineage_check(t, &s, err);
	segment_close(&s);
	return r;
}

/* The log is whole: it ends as it did. */
static int whole_end(struct restore *t, evlog_error *err)
{
	const struct permissions mode = {t->point.mode | 0600, (gid_t)-1, 0};
	const struct tip *tip = &t->tip;
	struct head h = t->point.head;

	if (tip->size != h.committed || tip->block != h.last_block ||
	    tip->epoch > h.epoch)
		return error_set(err, EVLOG_EDAMAGED,
		    "%s/%s: damaged: it says something else of where the log ends",
		    t->store.path, t->at.name);
	h.last_logtime = tip->logtime;
	h.epoch = t->epoch;
	h.durable = h.committed;
	return head_make(t->dir_fd, t->dir, mode, &h, err);
}

static bool is_part(const struct restore *t)
{
	return t->o.has_until || t->old || (t->o.at && t->o.at < t->point.head.tree.n);
}

static int segment_drop(
    struct restore *t, const struct stored_segment *g, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(name, g->first);
	return unlinkat(t->dir_fd, name, 0) < 0 && errno != ENOENT
		   ? error_sys(err, "%s/%s", t->dir, name)
		   : 0;
}

/* A drill goes on behind damage, so that all of it is known. */
static int drill_go_on(struct restore *t, const struct stored_segment *g,
    const evlog_error *why, evlog_error *err)
{
	if (why->code != EVLOG_EDAMAGED) {
		*err = *why;
		return why->code;
	}
	t->gone |= g < t->point.segment + t->point.trimmed;
	t->too_long |= strstr(why->text, "--max-line") != NULL;
	if (t->damaged++ == 0)
		t->first = *why;
	else if (t->o.say)
		t->o.say(t->o.arg, why->text);
	t->tip = (struct tip){.seq = g->last};
	memcpy(t->tip.root, g->root, HASH_SIZE);
	return 0;
}

static int drill_failed(const struct restore *t, evlog_error *err)
{
	char more[64] = "";

	if (t->damaged > 1)
		snprintf(more, sizeof more, "; and %zu more segments are damaged",
		    t->damaged - 1);
	return error_set(err, EVLOG_EDAMAGED, "%.500s%s%s", t->first.text, more,
	    t->gone ? "; the log does not have all of these events any more: put back "
		      "such files from another copy"
	    : t->too_long ? ""
			  : "; remove such files, and the next backup stores them again");
}

/* Whether the moment up to which to restore is before the first event that the log still
 * has. */
static int is_before_first(struct restore *t, bool *before, evlog_error *err)
{
	const struct stored_segment *g = &t->point.segment[t->point.trimmed];
	char name[STORE_NAME_SIZE];
	struct segment s;
	struct block b;

	*before = false;
	if (!t->o.has_until || t->point.trimmed == 0)
		return 0;
	piece_name(name, g, 0);
	const enum store_kind kind = g->sealed ? STORE_SEGMENT : STORE_TAIL;
	int r = segment_open_named(&s, t->store.fd[kind], t->store.path,
	    strchr(name, '/') + 1, g->first, NULL, false, err);
	if (!r)
		r = segment_block(&s, s.header.size, INT64_MAX, 0, &b, err);
	*before = !r && b.first_logtime >= t->o.until;
	segment_close(&s);
	/* what is damaged or missing is said when it is restored */
	return r == EVLOG_EDAMAGED || r == EVLOG_ENOINPUT ? 0 : r;
}

/* Decides which segments to restore: those that the log has, or only what was removed
 * from it if an event of that is wanted. */
static int range_find(struct restore *t, evlog_error *err)
{
	const struct point *p = &t->point;
	bool before;

	int r = is_before_first(t, &before, err);
	if (r)
		return r;
	t->from = p->trimmed;
	t->upto = p->n;
	if (before)
		t->upto = p->trimmed;
	while (t->o.at && t->o.at < p->head.tree.n &&
	       p->segment[t->upto - 1].first > t->o.at)
		t->upto--;
	if (t->upto <= t->from || (t->o.drill && !is_part(t)))
		t->from = 0;
	return 0;
}

static int segments_restore(struct restore *t, evlog_error *err)
{
	const struct share share = {.log = &(struct log){.path = t->store.path},
	    .dir_fd = t->dir_fd,
	    .dir = t->dir,
	    .mode = {t->point.mode | 0600, (gid_t)-1, 0}};
	evlog_error why;
	int r = 0;

	for (size_t i = t->from; !r && i < t->upto; i++) {
		const struct stored_segment *g = &t->point.segment[i];
		r = segment_restore(t, g, t->o.drill ? &why : err);
		if (r && t->o.drill)
			r = drill_go_on(t, g, &why, err);
		/* it needs room for one segment only, if nobody wants to see the log */
		if (!r && t->o.drill && (i < t->point.trimmed || !t->o.check) &&
		    !is_part(t))
			r = segment_drop(t, g, err);
	}
	if (!r && t->damaged)
		r = drill_failed(t, err);
	if (r)
		return r;
	return t->upto < t->point.n
		   ? tip_go_on(&share, &t->tip, t->epoch, t->point.lineage, err)
		   : whole_end(t, err);
}

/* ---- The log ---- */

/* Forks what was restored, at the event that is wanted. */
static int fork_there(struct restore *t, const char *to, evlog_error *err)
{
	const struct evlog_fork_options o = {.size = sizeof o,
	    .at = t->o.at,
	    .has_until = t->o.has_until,
	    .until = t->o.until,
	    .max_line = t->o.max_line};
	struct evlog_forked forked;

	int r = evlog_fork(t->dir, to, &o, &forked, err);
	if (!r) {
		t->done.at = forked.at;
		t->done.forked = true;
	}
	return r;
}

static int check(struct restore *t, const char *log, evlog_error *err)
{
	int r = t->o.check ? t->o.check(t->o.arg, log, err) : 0;

	if (!r && t->o.with)
		r = saving_run(&t->saving, err);
	return r;
}

/* Gives the part the log's name, or removes it after a drill. */
static int part_end(struct restore *t, int fd, const char *part, evlog_error *err)
{
	if (t->o.drill)
		return log_discard(fd, part) == 0
			   ? 0
			   : error_sys(err, "%s: cannot be removed", part);
	if (fchmod(fd, t->point.dir_mode | 0700) < 0) {
		int r = error_sys(err, "%s", part);
		log_discard(fd, part);
		return r;
	}
	int r = log_rename(fd, part, t->log, err);
	t->placed = !r;
	return r;
}

/* Makes a part of the log, beside the whole one. */
static int part_make(struct restore *t, evlog_error *err)
{
	char *part;

	if (asprintf(&part, "%s-part", t->dir) < 0)
		return error_memory(err);
	int r = fork_there(t, part, err);
	int fd = r ? -1 : open(part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!r && fd < 0)
		r = error_sys(err, "%s", part);
	if (!r)
		r = check(t, part, err);
	if (!r)
		r = part_end(t, fd, part, err);
	else if (fd >= 0)
		log_discard(fd, part);
	if (fd >= 0)
		close(fd);
	free(part);
	return r ? r : EVLOG_WAIT;
}

/* Makes the whole log.  EVLOG_WAIT: it is to be removed, although nothing is wrong. */
static int fill(int dir_fd, const char *dir, void *arg, evlog_error *err)
{
	struct restore *t = arg;
	t->dir_fd = dir_fd;
	t->dir = dir;
	if (fchmod(dir_fd, 0700) < 0)
		return error_sys(err, "%s", dir);
	int r = range_find(t, err);
	if (!r)
		r = segments_restore(t, err);
	if (r)
		return r;
	if (is_part(t))
		return part_make(t, err);
	position_set(&t->done.at, t->point.head.id, t->tip.seq, t->tip.root);
	r = check(t, dir, err);
	if (!r && fchmod(dir_fd, t->point.dir_mode | 0700) < 0)
		r = error_sys(err, "%s", dir);
	return r ? r : t->o.drill ? EVLOG_WAIT : 0;
}

/* ---- The interface ---- */

/* What is restored from an older point goes another way than the newer ones, so it gets a
 * higher epoch. */
static int epoch_find(
    struct restore *t, const struct store_point *newest, bool old, evlog_error *err)
{
	struct point p = {0};

	t->old = old;
	t->epoch = t->point.head.epoch;
	int r = old ? point_read(&p, &t->store, newest, err) : 0;
	if (p.head.epoch > t->epoch)
		t->epoch = p.head.epoch;
	point_free(&p);
	if (r < 0 && err->sys != ENOMEM) { /* nothing can be compared with it */
		if (t->o.say)
			t->o.say(t->o.arg, err->text);
		r = 0;
	}
	return r;
}

static int point_choose(struct restore *t, evlog_error *err)
{
	struct store_points points;

	int r = store_list(&t->store, &points, err);
	if (r)
		return r;
	const char *slash = t->o.point ? strrchr(t->o.point, '/') : NULL;
	const char *name = slash ? slash + 1 : t->o.point;
	size_t i = 0;
	while (
	    name && i < points.n && strcmp(strchr(points.at[i].name, '/') + 1, name) != 0)
		i++;
	if (i < points.n)
		t->at = points.at[i];
	else
		r = error_set(err, EVLOG_ENOINPUT,
		    t->o.point ? "%s: has no point %s" : "%s: no backup is complete yet",
		    t->store.path, t->o.point);
	if (!r)
		r = point_read(&t->point, &t->store, &t->at, err);
	if (!r)
		r = epoch_find(t, &points.at[0], i > 0, err);
	free(points.at);
	if (!r && t->o.at > t->point.head.tree.n)
		r = error_set(err, EVLOG_EMISMATCH, "%s/%s: ends with event %" PRIu64,
		    t->store.path, t->at.name, t->point.head.tree.n);
	if (!r && t->o.at && t->o.at < t->point.segment[0].first)
		r = error_set(err, EVLOG_EMISMATCH,
		    "%s/%s: begins with event %" PRIu64
		    "; the events before it were removed",
		    t->store.path, t->at.name, t->point.segment[0].first);
	return r;
}

/* Says what was saved along with it, if that is not asked for. */
static void saved_say(const struct restore *t)
{
	struct buf b = {0};

	if (t->o.with && t->point.files && t->done.at.seq < t->point.head.tree.n &&
	    t->o.say)
		t->o.say(t->o.arg,
		    "the files that were saved are those of the whole "
		    "backup, not of the event up to which it was restored");
	if (t->o.with || !t->point.files || !t->o.say || t->o.drill)
		return;
	buf_puts(&b, "the backup also has ");
	for (size_t i = 0; i < t->point.files; i++)
		buf_printf(&b, "%s%s", i ? ", " : "", t->point.file[i].name);
	buf_puts(&b, ": --with FOLDER restores them");
	buf_putc(&b, '\0');
	if (!b.failed)
		t->o.say(t->o.arg, b.p);
	buf_free(&b);
}

/* Refuses to make something in the folder of the backups. */
static int place_refuse(struct restore *t, const char *path, evlog_error *err)
{
	struct stat dir, store;
	int parent;

	int r = parent_open(path, &parent, err);
	if (r)
		return r;
	if (fstat(parent, &dir) < 0 || stat(t->store.path, &store) < 0)
		r = error_sys(err, "%s", path);
	else if (dir.st_ino == store.st_ino && dir.st_dev == store.st_dev)
		r = error_set(err, EVLOG_ECREATE,
		    "%s: is in the folder of the backups; choose another place", path);
	close(parent);
	return r;
}

static int prepare(struct restore *t, const char *dest, evlog_error *err)
{
	struct stat st;

	t->codec = block_codec_new(0);
	if (!t->codec)
		return error_memory(err);
	block_codec_limit(t->codec, t->o.max_line);
	int r = store_open(&t->store, dest, 0, err);
	if (!r && !t->o.drill && lstat(t->log, &st) == 0)
		r = error_set(err, EVLOG_ECREATE, "%s: exists already", t->log);
	if (!r)
		r = place_refuse(t, t->log, err);
	if (!r && t->o.with)
		r = place_refuse(t, t->o.with, err);
	if (!r)
		r = point_choose(t, err);
	t->saving = (struct saving){.store = &t->store,
	    .at = &t->at,
	    .point = &t->point,
	    .folder = t->o.with,
	    .fd = -1};
	if (!r && t->o.with)
		r = saving_check(&t->saving, err);
	return r;
}

int evlog_restore(const char *dest, const char *log,
    const struct evlog_restore_options *o, struct evlog_restored *done, evlog_error *err)
{
	struct restore t = {.log = log, .store.fd = {-1, -1, -1}};

	OWN_ERROR(err);
	NEED(dest && *dest && log && *log, err);
	int r = options_take(
	    &t.o, sizeof t.o, END_OF(struct evlog_restore_options, arg), o, err);
	if (r)
		return r;
	REFUSE(t.o.at && t.o.has_until, "at and until exclude each other", err);
	REFUSE(t.o.drill && t.o.with, "a drill leaves nothing", err);
	r = prepare(&t, dest, err);
	if (!r)
		r = log_place(log, fill, &t, err);
	if (r == EVLOG_END)
		r = error_set(err, EVLOG_ECREATE, "%s: exists already", log);
	if (r == EVLOG_WAIT)
		r = 0;
	if (r < 0 && t.saving.begun && !t.placed)
		saving_undo(&t.saving);
	if (r < 0 && t.placed) {
		char why[sizeof err->text];
		memcpy(why, err->text, sizeof why);
		snprintf(err->text, sizeof err->text, "%.200s is restored; but %.500s",
		    log, why);
	}
	if (!r) {
		saved_say(&t);
		point_describe(&t.point, t.at.name, &t.done.point);
		memcpy(t.done.at.lineage, t.done.point.lineage, sizeof t.done.at.lineage);
		if (done)
			*done = t.done;
	}
	point_free(&t.point);
	store_close(&t.store);
	block_codec_free(t.codec);
	return r;
}
