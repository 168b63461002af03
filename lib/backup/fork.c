/*
 * fork.c - makes a branch of a log: it has the same events up to a point, and goes on by
 * itself.
 *
 * backup/ makes logs out of logs.  It must not know what is in their events.
 *
 * It shares the segments up to the fork point, the last one up to the last commit that
 * ends there or before.  Then comes a segment with an id of its own and a higher epoch
 * (evlog-format(5), "The segment").  Events between that commit and the fork point are
 * appended to it, as a replica takes them over.
 */
#include "backup/carry.h"
#include "backup/share.h"
#include "base/error.h"
#include "base/options.h"
#include "base/os.h"
#include "read/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct fork {
	const char *path;
	struct evlog_fork_options o;
	struct log log;
	struct log_end end;
	struct block_codec *codec;
	struct share share;
	struct permissions dir_mode;
	uint64_t at; /* the last event of the fork */
	struct tip tip;
	uint64_t sealed; /* all segments up to this event are sealed */
	struct log_identity who;
	struct origin origin; /* if the log is trimmed, and no segment is shared */
	uint64_t origin_end;  /* the last event of its first segment, if that is sealed */
	struct evlog_forked done;
};

/* ---- Where it forks ---- */

static int was_removed(const struct fork *f, evlog_error *err)
{
	return error_set(err, EVLOG_EMISMATCH,
	    "%s: begins with event %" PRIu64 "; the events before it were removed",
	    f->path, f->log.first);
}

/* Gets the last event before a time. */
static int until_find(struct fork *f, int64_t until, evlog_error *err)
{
	struct bounds b = {BOUNDS_ANY_TIME, .max_line = f->o.max_line};
	struct evlog_lines lines;
	struct evlog_event e;
	struct log_reader *r;

	b.until = until;
	int res = log_reader_open(&r, f->path, &b, true, false, err);
	if (!res)
		res = log_reader_next(r, &lines, err);
	while (!res && evlog_lines_take(&lines, &e))
		f->at = e.seq;
	log_reader_close(r);
	if (f->at > f->end.seq) /* appended meanwhile */
		f->at = f->end.seq;
	if (res != EVLOG_END)
		return res;
	return f->log.first > 1 ? was_removed(f, err)
				: error_set(err, EVLOG_EMISMATCH,
				      "%s: has no event before that time", f->path);
}

static int point_find(struct fork *f, evlog_error *err)
{
	int r = 0;

	f->at = f->o.at ? f->o.at : f->end.seq;
	if (f->o.has_until)
		r = until_find(f, f->o.until, err);
	if (r)
		return r;
	if (f->at > f->end.seq)
		return error_set(err, EVLOG_EMISMATCH, "%s: ends with event %" PRIu64,
		    f->path, f->end.seq);
	if (f->log.first > 1 && f->at < f->log.first && f->end.seq >= f->log.first)
		return was_removed(f, err);
	return 0;
}

/* ---- What is shared ---- */

/* The state before a segment.  before: the segment before it; size 0: there is none. */
static void tip_before(
    struct fork *f, const struct segment_header *h, const struct segment_header *before)
{
	f->tip.seq = h->tree.n;
	f->tip.segment = h->previous;
	f->tip.size = h->previous_size;
	f->tip.block = h->previous_block;
	f->tip.logtime = h->last_logtime;
	f->tip.epoch = h->epoch;
	f->tip.tree = h->tree;
	memcpy(f->tip.root, h->root, HASH_SIZE);
	if (before->size && h->flags & SEGMENT_TRIMMED) { /* it does not name that */
		f->tip.segment = before->first_seq;
		f->tip.size = before->seal.end;
		f->tip.block = before->seal.block;
	}
}

static int tip_after(
    struct fork *f, const struct segment *s, const struct block *b, evlog_error *err)
{
	f->tip.seq = block_last_seq(b);
	f->tip.segment = s->first_seq;
	f->tip.size = block_end(b);
	f->tip.block = b->offset;
	f->tip.logtime = b->last_logtime;
	f->tip.epoch = b->epoch;
	memcpy(f->tip.root, b->root, HASH_SIZE);
	f->tip.tree = f->log.head.tree;
	return tip_has_root(&f->tip)
		   ? 0
		   : position_tree(f->path, f->tip.seq, f->o.max_line, &f->tip.tree, err);
}

/* Notes what a trimmed log says of its beginning. */
static int origin_note(struct fork *f, struct segment *s, evlog_error *err)
{
	struct view extensions;

	f->origin.header = s->header;
	int r = segment_extensions(s, &extensions, err);
	if (r)
		return r;
	f->origin.all = cursors_are_all(extensions);
	f->origin_end = segment_is_sealed(s) ? s->header.seal.last_seq : 0;
	/* of a sealed one, they are as of its end, and its blocks have the others */
	if (segment_is_sealed(s))
		extension_end(&f->origin.cursors,
		    extension_begin(&f->origin.cursors, EXTENSION_CURSORS_ALL));
	else if (f->origin.all)
		buf_add(&f->origin.cursors, extensions.p, extensions.len);
	return f->origin.cursors.failed ? error_memory(err) : 0;
}

/* Shares what it can of the segment that the fork point is in, or that is the last. */
static int segment_cut(
    struct fork *f, struct segment *s, uint64_t limit, evlog_error *err)
{
	struct block cut;

	if (segment_is_sealed(s)) /* its header says that it has more */
		return 0;
	int r = share_part(&f->share, s, limit, f->at, &cut, err);
	return r || !cut.offset ? r : tip_after(f, s, &cut, err);
}

static int segments_share(struct fork *f, evlog_error *err)
{
	const struct log *l = &f->log;
	struct segment_header before = {0};
	struct segment s, next = {.fd = -1};
	bool more = true;

	int r = share_open(&f->share, 0, &s, err);
	if (!r && s.first_seq > l->first)
		r = segment_missing(l->path, l->first, s.first_seq - 1, err);
	if (!r && s.header.flags & SEGMENT_TRIMMED)
		r = origin_note(f, &s, err);
	for (size_t i = 0; !r && more; i++) {
		bool last = i + 1 == l->n || l->segments[i + 1] > f->end.segment;
		tip_before(f, &s.header, &before);
		if (f->tip.seq == f->at)
			break;
		if (!last)
			r = share_open(&f->share, i + 1, &next, err);
		if (r)
			break;
		more = !last && next.header.tree.n <= f->at;
		if (more)
			r = share_whole(&f->share, &s, &next.header, err);
		else
			r = segment_cut(f, &s,
			    last ? f->end.offset : share_limit(&s, &next.header), err);
		if (more && segment_is_sealed(&s) && f->sealed == f->tip.seq)
			f->sealed = next.header.tree.n;
		before = s.header;
		segment_close(&s);
		s = next;
		next = (struct segment){.fd = -1};
	}
	segment_close(&s);
	segment_close(&next);
	return r;
}

/* ---- What goes on ---- */

/* No segment is shared: the fork begins as the log does. */
static int segment_first(struct fork *f, evlog_error *err)
{
	const struct share *at = &f->share;
	bool trimmed = f->origin.header.size;
	uint64_t epoch;

	if (trimmed && !f->origin.all)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: begins with event %" PRIu64
		    ", and no longer knows where its consumers were then; choose event "
		    "%" PRIu64 " or a later one",
		    f->path, f->log.first, f->origin_end);
	int r = epoch_next(f->path, f->log.head.epoch, &epoch, err);
	return r ? r
		 : log_first_segment(at->dir_fd, at->dir, at->mode,
		       trimmed ? &f->origin : NULL, epoch, err);
}

/* The fork point is inside a commit, or a block that was merged from several, after
 * `begin`, that moves the place of a consumer: says where else to fork. */
static int point_refuse(struct fork *f, uint64_t begin, evlog_error *err)
{
	const struct bounds b = {.from = f->at + 1,
	    BOUNDS_ANY_TIME,
	    .max_line = f->o.max_line,
	    .cursors = true};
	struct evlog_lines lines = {.partial = true};
	char before[32] = "", after[32] = "";
	struct evlog_event e;
	struct log_reader *r;
	uint64_t end = 0;

	int res = log_reader_open(&r, f->path, &b, false, false, err);
	while (!res && lines.partial && (res = log_reader_next(r, &lines, err)) == 0)
		while (evlog_lines_take(&lines, &e))
			end = e.seq;
	log_reader_close(r);
	if (res < 0)
		return res;
	if (begin >= f->log.first)
		snprintf(before, sizeof before, "%" PRIu64, begin);
	if (end)
		snprintf(after, sizeof after, "%" PRIu64, end);
	return error_set(err, EVLOG_EMISMATCH,
	    "%s: at event %" PRIu64
	    ", it is not known how far each consumer had come that appends to it; choose "
	    "event %s%s%s",
	    f->path, f->at, before, *before && *after ? " or " : "", after);
}

/* Appends events from the tip to the fork point. */
static int events_carry(
    struct fork *f, struct log_reader *r, evlog_writer *w, evlog_error *err)
{
	size_t dropped = 0;

	int res = carry_all(r, w, f->path, &f->done.written, &dropped, err);
	return !res && dropped ? point_refuse(f, f->at - dropped, err) : res;
}

static int rest_append(struct fork *f, evlog_error *err)
{
	const struct bounds b = {.from = f->tip.seq + 1,
	    .to = f->at,
	    BOUNDS_ANY_TIME,
	    .max_line = f->o.max_line,
	    .cursors = true};
	const struct evlog_writer_options o = {.size = sizeof o,
	    .replica = true,
	    .no_create = true,
	    .strict = true,
	    .force = true,
	    .lock_wait_ms = 1000,
	    .max_event = f->o.max_line ? f->o.max_line : EVLOG_MAX_LINE};
	struct log_reader *r = NULL;
	evlog_writer *w = NULL;

	if (f->tip.seq == f->at)
		return 0;
	int res = log_reader_open(&r, f->path, &b, false, false, err);
	if (!res)
		res = evlog_writer_open(&w, f->share.dir, &o, err);
	if (!res)
		res = events_carry(f, r, w, err);
	log_reader_close(r);
	evlog_writer_close(w);
	return res;
}

/* Notes the fork point.  If lines were appended to the fork, it must have their root, as
 * read back. */
static int point_note(struct fork *f, evlog_error *err)
{
	struct evlog_position there;

	position_set(&f->done.at, f->who.id, f->at, f->tip.root);
	position_lineage(&f->done.at, &f->who);
	if (f->at == f->tip.seq)
		return 0;
	int r = position_find(f->path, f->at, f->o.max_line, &f->done.at, err);
	if (!r)
		r = position_find(f->share.dir, f->at, f->o.max_line, &there, err);
	if (r == EVLOG_END)
		r = error_set(err, EVLOG_EMISMATCH,
		    "%s: event %" PRIu64 " is not there any more", f->path, f->at);
	if (r)
		return r;
	position_lineage(&f->done.at, &f->who);
	return strcmp(there.root, f->done.at.root) == 0
		   ? 0
		   : error_set(err, EVLOG_EDAMAGED,
			 "%s: damaged: a copy up to event %" PRIu64 " has another root",
			 f->path, f->at);
}

static int fill(int dir_fd, const char *dir, void *arg, evlog_error *err)
{
	struct fork *f = arg;

	f->share.dir_fd = dir_fd;
	f->share.dir = dir;
	if (fchmod(dir_fd, 0700) < 0)
		return error_sys(err, "%s", dir);
	int r = segments_share(f, err);
	if (r)
		return r;
	share_catalogues(&f->share, f->sealed);
	bool shares = f->share.linked + f->share.copied;
	r = shares ? tip_go_on(&f->share, &f->tip, f->log.head.epoch, f->who.lineage, err)
		   : segment_first(f, err);
	if (!r)
		r = rest_append(f, err);
	if (!r)
		r = point_note(f, err);
	if (!r && permissions_give(dir_fd, f->dir_mode) < 0)
		r = error_sys(err, "%s", dir);
	return r;
}

/* ---- The interface ---- */

static int prepare(struct fork *f, evlog_error *err)
{
	struct stat st;

	f->codec = block_codec_new(0);
	if (!f->codec)
		return error_memory(err);
	block_codec_limit(f->codec, f->o.max_line);
	int r = log_open(&f->log, f->path, false, err);
	if (!r)
		r = log_survey_sound(&f->log, f->codec, &f->end, err);
	if (!r)
		r = point_find(f, err);
	if (!r)
		r = log_identify(f->path, f->o.max_line, &f->who, err);
	if (r)
		return r;
	f->sealed = f->log.first - 1;
	if (fstat(f->log.dir_fd, &st) < 0)
		return error_sys(err, "%s", f->path);
	/* whoever makes the fork may append to it */
	f->dir_mode = (struct permissions){(st.st_mode & 07777) | 0700, st.st_gid, 0};
	f->share.log = &f->log;
	f->share.mode = log_permissions(&f->log);
	f->share.mode.owner = 0; /* it belongs to whoever makes it */
	f->share.mode.mode |= 0600;
	return 0;
}

/* A fork has a new name. */
static int name_check(struct fork *f, const char *fork, evlog_error *err)
{
	struct stat st;

	if (lstat(fork, &st) == 0)
		return error_set(err, EVLOG_ECREATE, "%s: exists already", fork);
	return place_check(&f->log, fork, err);
}

int evlog_fork(const char *log, const char *fork, const struct evlog_fork_options *o,
    struct evlog_forked *done, evlog_error *err)
{
	struct fork f = {.path = log, .log = {.dir_fd = -1, .head_fd = -1}};

	OWN_ERROR(err);
	NEED(log && fork && *fork, err);
	int r = options_take(
	    &f.o, sizeof f.o, END_OF(struct evlog_fork_options, max_line), o, err);
	if (r)
		return r;
	REFUSE(f.o.at && f.o.has_until, "at and until exclude each other", err);
	r = prepare(&f, err);
	if (!r)
		r = name_check(&f, fork, err);
	if (!r)
		r = log_place(fork, fill, &f, err);
	if (r == EVLOG_END)
		r = error_set(err, EVLOG_ECREATE, "%s: exists already", fork);
	r = trimmed_meanwhile(&f.log, r, err);
	if (!r && done) {
		f.done.linked = f.share.linked;
		f.done.copied = f.share.copied;
		f.done.bytes = f.share.bytes;
		*done = f.done;
	}
	log_close(&f.log);
	block_codec_free(f.codec);
	buf_free(&f.origin.cursors);
	return r;
}
