/*
 * trim.c - removes from a log what its backups hold.
 *
 * First everything that can fail without harm: a new segment is begun if that helps,
 * the log is backed up, and the hashes of what is to be removed are compared.  Then the
 * mark in the first segment that stays, the event, and the removal (write/trim.h).
 */
#include "write/trim.h"
#include "backup/point.h"
#include "backup/share.h"
#include "base/error.h"
#include "base/options.h"
#include "read/reader.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LOCK_WAIT 60000 /* ms */
#define TRIMMED	  "org.evlog.trimmed"

struct trim {
	const char *path, *dest;
	struct evlog_trim_options o;
	struct evlog_backup_options backup;
	evlog_writer *w;
	struct log log;		       /* as it was before */
	struct point point;	       /* the backup before it */
	uint64_t first;		       /* with which the log begins now */
	uint64_t keep;		       /* with which it is to begin */
	bool last;		       /* that is the active segment */
	unsigned char root[HASH_SIZE]; /* before it */
	struct evlog_trimmed done;
};

/* ---- What to remove ---- */

/* Whether an event from `from` to `to` (0: the last) meets a condition. */
static int any_find(struct trim *t, uint64_t from, uint64_t to, const char *where,
    bool *there, evlog_error *err)
{
	struct evlog_selection sel;
	struct evlog_lines lines;
	evlog_stream *s;

	evlog_selection_init(&sel);
	sel.from = from;
	sel.to = to;
	sel.where = &where;
	sel.wheres = 1;
	sel.max_line = t->backup.max_line;
	int r = evlog_stream_open(&s, &t->path, 1, &sel, err);
	if (r)
		return r;
	r = evlog_stream_next(s, &lines, err);
	*there = r == 0;
	evlog_stream_close(s);
	return r == EVLOG_END ? 0 : r;
}

/* If nothing would be removed but the events that earlier calls have appended, all of it
 * stays.  Otherwise, each call would remove the event of the last one, and append another
 * one. */
static int others_find(struct trim *t, evlog_error *err)
{
	bool others = true;
	int r = 0;

	if (t->done.wanted > 1)
		r = any_find(t, 0, t->done.wanted - 1, "type!=" TRIMMED, &others, err);
	if (!r && !others)
		t->done.wanted = 1;
	return r;
}

/* Finds the first event that must stay. */
static int wanted_find(struct trim *t, evlog_error *err)
{
	struct bounds b = {.max_line = t->backup.max_line, BOUNDS_ANY_TIME};
	const unsigned char *root;
	struct evlog_lines lines;
	struct evlog_event e;
	struct log_reader *r;
	uint64_t end;

	if (t->o.before)
		b.from = t->o.before;
	else
		b.since = t->o.time;
	int res = log_reader_open(&r, t->path, &b, false, false, err);
	if (res)
		return res;
	log_reader_end(r, &end, &root);
	t->done.wanted = t->o.before;
	if (t->o.before > end + 1)
		res = error_set(
		    err, EVLOG_EMISMATCH, "%s: ends with event %" PRIu64, t->path, end);
	if (!t->o.before) {
		t->done.wanted = end + 1;
		res = log_reader_next(r, &lines, err);
		if (!res && evlog_lines_take(&lines, &e))
			t->done.wanted = e.seq;
	}
	log_reader_close(r);
	return res == 0 || res == EVLOG_END ? others_find(t, err) : res;
}

/* Chooses the segment with which the log is to begin: the last one that begins with a
 * wanted event or before it, if all before it are sealed. */
static int keep_find(struct trim *t, const struct log *l, evlog_error *err)
{
	struct segment s;

	t->first = t->keep = l->segments[0];
	t->last = l->n == 1;
	for (size_t i = 0; i < l->n && l->segments[i] <= t->done.wanted; i++) {
		int r = log_segment(l, l->segments[i], NULL, &s, err);
		bool sealed = !r && segment_is_sealed(&s);
		if (!r) {
			t->keep = l->segments[i];
			t->last = i + 1 == l->n;
			memcpy(t->root, s.header.root, HASH_SIZE);
		}
		segment_close(&s);
		if (r)
			return r == EVLOG_ENOINPUT
				   ? segment_missing(l->path, l->segments[i], 0, err)
				   : r;
		if (!sealed)
			break;
	}
	return 0;
}

/* ---- Whether the backup has it ---- */

static int not_stored(const struct trim *t, uint64_t first, evlog_error *err)
{
	return error_set(err, EVLOG_EDAMAGED,
	    "%s: does not hold the events from %" PRIu64
	    " on as %s has them; nothing was removed",
	    t->dest, first, t->path);
}

static int stored_check(struct trim *t, const struct store *s,
    const struct stored_segment *g, evlog_error *err)
{
	char name[STORE_NAME_SIZE], path[2 * STORE_NAME_SIZE];
	unsigned char hash[HASH_SIZE];

	if (!g->sealed)
		return not_stored(t, g->first, err);
	piece_name(name, g, 0);
	int fd = openat(s->fd[STORE_SEGMENT], strchr(name, '/') + 1,
	    O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, "%s/%s", s->path, name);
	snprintf(path, sizeof path, "%.150s/%s", s->path, name);
	int r = bytes_hash(fd, path, 0, g->size, hash, err);
	close(fd);
	return r || memcmp(hash, g->piece[0].hash, HASH_SIZE) == 0
		   ? r
		   : error_set(err, EVLOG_EDAMAGED,
			 "%s: damaged: its content does not have the hash in its name; "
			 "nothing was removed",
			 path);
}

static int point_check(struct trim *t, evlog_error *err)
{
	struct store_point at = {0};
	struct store s;
	uint64_t next = t->first;

	snprintf(at.name, sizeof at.name, "%s", t->done.point.file);
	if (!store_point_read(at.name, &at.size, &at.time, at.hash))
		return error_set(err, EVLOG_EINTERNAL, "%s: not a point", at.name);
	int r = store_open(&s, t->dest, 0, err);
	if (!r)
		r = point_read(&t->point, &s, &at, err);
	const struct point *p = &t->point;
	const struct stored_segment *g = p->segment + p->trimmed;
	for (; !r && g < p->segment + p->n && g->first < t->keep; g++) {
		r = g->first == next ? stored_check(t, &s, g, err)
				     : not_stored(t, next, err);
		next = g->last + 1;
		if (!r && next == t->keep && memcmp(g->root, t->root, HASH_SIZE) != 0)
			r = not_stored(t, g->first, err);
	}
	if (!r && next != t->keep)
		r = not_stored(t, next, err);
	store_close(&s);
	return r;
}

/* ---- The steps ---- */

static int back_up(struct trim *t, evlog_error *err)
{
	return evlog_backup(t->path, t->dest, &t->backup, &t->done.point, err);
}

/* Whether the log has the event already: an earlier call was interrupted after it. */
static int event_find(struct trim *t, bool *there, evlog_error *err)
{
	char where[80];

	snprintf(where, sizeof where, "type=" TRIMMED ",data.first=%" PRIu64, t->keep);
	return any_find(t, t->keep, 0, where, there, err);
}

static int event_append(struct trim *t, evlog_error *err)
{
	bool there;
	char hex[2 * HASH_SIZE + 1];
	struct buf line = {0};
	struct evlog_ack ack;

	int r = event_find(t, &there, err);
	if (r || there)
		return r;
	hash_hex(t->root, hex);
	buf_printf(&line,
	    "{\"type\":\"" TRIMMED "\",\"data\":{\"first\":%" PRIu64
	    ",\"root\":\"%s\",\"backup\":%" PRIu64 ",\"cursors\":[",
	    t->keep, hex, t->point.head.tree.n);
	for (size_t i = 0; i < t->point.cursors.len; i++)
		if (t->point.cursors.p[i] != '\n') /* between tokens; never in a string */
			buf_putc(&line, t->point.cursors.p[i]);
	buf_puts(&line, "]}}");
	r = line.failed ? error_memory(err)
			: evlog_writer_add(t->w, line.p, line.len, "evbackup", 1, err);
	buf_free(&line);
	return r ? r : evlog_writer_commit(t->w, &ack, err);
}

static int writer_get(struct trim *t, evlog_error *err)
{
	const struct evlog_writer_options o = {
	    .size = sizeof o, .no_create = true, .lock_wait_ms = LOCK_WAIT};

	return evlog_writer_open(&t->w, t->path, &o, err);
}

/* Finds what to remove, and whether all of it is in the backup. */
static int prepare(struct trim *t, evlog_error *err)
{
	struct log *l = &t->log;

	int r = wanted_find(t, err);
	if (!r)
		r = writer_get(t, err);
	if (!r)
		r = trim_roll(t->w, t->done.wanted, err);
	if (!r)
		r = log_open(l, t->path, false, err);
	if (!r)
		r = log_list_again(l, err);
	if (!r && l->n == 0)
		r = segment_missing(t->path, 1, 0, err);
	if (!r)
		r = back_up(t, err);
	if (!r)
		r = keep_find(t, l, err);
	return r ? r : point_check(t, err);
}

static int trim(struct trim *t, evlog_error *err)
{
	const bool any = t->keep > t->first;
	int r = 0;

	/* the mark counts only after the removal; what can fail for good comes first */
	if (any && !t->last)
		r = trim_mark(t->w, t->keep, err);
	if (!r && any)
		r = event_append(t, err);
	if (!r && any && t->last) /* which could not be sealed before that */
		r = trim_roll(t->w, SEQ_MAX, err);
	if (!r && any && t->last)
		r = trim_mark(t->w, t->keep, err);
	if (!r) /* also what an interrupted call has left */
		r = trim_remove(t->w, t->keep, err);
	if (!r && any) {
		t->done.removed = t->keep - t->first;
		r = back_up(t, err);
	}
	t->done.first = t->keep;
	return r;
}

int evlog_trim(const char *log, const char *dest, const struct evlog_trim_options *o,
    struct evlog_trimmed *done, evlog_error *err)
{
	struct trim t = {.path = log, .dest = dest, .log = {.dir_fd = -1, .head_fd = -1}};

	OWN_ERROR(err);
	NEED(log && *log && dest && *dest && o, err);
	int r = options_take(
	    &t.o, sizeof t.o, END_OF(struct evlog_trim_options, backup), o, err);
	if (!r)
		r = options_take(&t.backup, sizeof t.backup,
		    END_OF(struct evlog_backup_options, arg), t.o.backup, err);
	if (r)
		return r;
	REFUSE(t.o.before > SEQ_MAX, "there is no such event", err);
	r = prepare(&t, err);
	if (!r)
		r = trim(&t, err);
	if (t.log.dir_fd >= 0 && !t.done.removed)
		r = trimmed_meanwhile(&t.log, r, err);
	if (!r && done)
		*done = t.done;
	log_close(&t.log);
	evlog_writer_close(t.w);
	point_free(&t.point);
	return r;
}
