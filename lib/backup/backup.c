/*
 * backup.c - adds a point to a folder of backups.
 *
 * It begins from the newest point there, the base: a sealed segment whose file is still
 * the one that was stored is not read again, and of a segment that is not sealed only the
 * bytes after those that were stored.
 */
#include "backup/backup.h"
#include "backup/keep.h"
#include "backup/share.h"
#include "backup/verify.h"
#include "base/error.h"
#include "base/options.h"
#include "base/os.h"
#include "read/reader.h"
#include "recover/cursor_set.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MINUTE INT64_C(60000000)

/* ---- The base ---- */

/* Whether the log has the last event of the base, by the block that ends there. */
static bool base_is_near(struct backup *b)
{
	const struct head *h = &b->base.head;
	evlog_error ignored;
	struct segment s;
	struct block last;

	if (!h->last_block || !log_has(&b->log, h->segment))
		return false;
	int r = segment_open(
	    &s, b->log.dir_fd, b->log.path, h->segment, h->id, false, &ignored);
	if (!r && segment_is_sealed(&s))
		r = EVLOG_END;
	if (!r)
		r = segment_block(&s, h->last_block, h->committed, 0, &last, &ignored);
	segment_close(&s);
	return !r && block_end(&last) == h->committed &&
	       block_last_seq(&last) == h->tree.n &&
	       memcmp(last.root, h->root, HASH_SIZE) == 0;
}

static int base_differs(
    struct backup *b, const struct log_identity *who, evlog_error *err)
{
	const bool same = hash_is_none(who->lineage) || hash_is_none(b->base.lineage) ||
			  memcmp(who->lineage, b->base.lineage, HASH_SIZE) == 0;
	char text[512];

	if (!same)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: has backups of another log, with another first event; choose "
		    "another folder for %s",
		    b->store.path, b->path);
	if (b->log.head.epoch <= b->base.head.epoch)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: has a backup up to event %" PRIu64
		    ", after which %s went another way, or to which it has not come; "
		    "choose another folder for it",
		    b->store.path, b->base.head.tree.n, b->path);
	snprintf(text, sizeof text,
	    "%s: went another way before event %" PRIu64
	    ", up to which the last backup in %s goes: from now on, backups are those of "
	    "this log",
	    b->path, b->base.head.tree.n, b->store.path);
	backup_say(b, text);
	point_free(&b->base);
	return 0;
}

/* Checks that the log has the events of the base.  If it is a fork made since, goes on
 * without the base. */
static int base_check(struct backup *b, evlog_error *err)
{
	const struct head *h = &b->base.head;
	struct evlog_position at = {0};
	struct log_identity who;
	evlog_error why;

	int r = log_identify(b->path, b->o.max_line, &who, err);
	if (r)
		return r;
	memcpy(b->now.lineage, who.lineage, HASH_SIZE);
	r = removed_note(b, who.lineage, err);
	if (r)
		return r;
	if (base_is_near(b))
		return 0;
	if (b->base.n == 0 || h->tree.n == 0)
		return 0;
	position_set(&at, h->id, h->tree.n, h->root);
	r = evlog_position_check(b->path, &at, b->o.max_line, &why);
	if (r == EVLOG_EMISMATCH)
		return base_differs(b, &who, err);
	if (r)
		*err = why;
	return r;
}

/* Takes the newest point that is not damaged. */
static int base_find(struct backup *b, evlog_error *err)
{
	int r = store_list(&b->store, &b->points, err);

	for (size_t i = 0; !r && i < b->points.n; i++) {
		r = point_read(&b->base, &b->store, &b->points.at[i], err);
		if (r != EVLOG_EDAMAGED && r != EVLOG_ENOINPUT)
			break;
		backup_say(b, err->text);
		b->damaged = true;
		r = 0;
	}
	return r ? r : base_check(b, err);
}

/* ---- The point ---- */

static void cursor_add(struct buf *out, const struct cursor *c)
{
	char hex[2 * HASH_SIZE + 1];

	buf_puts(out, out->len ? ",\n{\"name\":" : "\n{\"name\":");
	json_escape(out, (struct view){c->name, strlen(c->name)});
	buf_printf(out, ",\"seq\":%" PRIu64, c->seq);
	hash_hex(c->root, hex);
	buf_printf(out, ",\"root\":\"%s\"", hex);
	hash_hex(c->lineage, hex);
	if (!hash_is_none(c->lineage))
		buf_printf(out, ",\"lineage\":\"%s\"", hex);
	buf_putc(out, '}');
}

/* Notes how far the consumers have come that append to this log. */
static int cursors_note(struct backup *b, evlog_error *err)
{
	struct cursor_set set = {0};
	struct buf bytes = {0};
	struct extension x;
	struct segment s;
	struct cursor c;

	int r = cursor_set_before(&set, &b->log, b->end.segment, err);
	if (!r)
		r = segment_open(
		    &s, b->log.dir_fd, b->log.path, b->end.segment, NULL, false, err);
	if (!r) {
		r = cursor_set_load(&set, &s, b->end.offset, UINT64_MAX, err);
		segment_close(&s);
	}
	cursor_set_write(&set, &bytes);
	struct view rest = {bytes.p, bytes.len};
	while (!r && extension_next(&rest, &x))
		if (extension_is_cursor(&x) && cursor_decode(&c, &x) != UNDERSTOOD_WRONG)
			cursor_add(&b->now.cursors, &c);
	if (!r && (bytes.failed || b->now.cursors.failed))
		r = error_memory(err);
	buf_free(&bytes);
	cursor_set_free(&set);
	return r;
}

static int head_note(struct backup *b, evlog_error *err)
{
	struct head *h = &b->now.head;

	h->segment = b->end.segment;
	h->committed = b->end.offset;
	h->last_block = b->end.block;
	if (b->log.head.epoch > h->epoch) /* head may not know the last commits */
		h->epoch = b->log.head.epoch;
	h->flags = b->log.head.flags & HEAD_COPY;
	memcpy(h->root, b->end.root, HASH_SIZE);
	int r = b->has_tree
		    ? 0
		    : position_tree(b->path, b->end.seq, b->o.max_line, &h->tree, err);
	if (!r && (h->tree.n != b->end.seq || !tree_has_root(&h->tree, h->root)))
		r = error_set(err, EVLOG_EDAMAGED,
		    "%s: damaged: its events up to %" PRIu64
		    " do not have the root that it records",
		    b->path, b->end.seq);
	return r ? r : cursors_note(b, err);
}

/* Adds the point, if all that it needs is there, and is there still. */
static int point_add(struct backup *b, struct evlog_point *made, evlog_error *err)
{
	struct store *s = &b->store;
	const uint64_t before = s->bytes;
	evlog_error why;

	int r = store_sync(s, err);
	if (r)
		return r;
	b->now.time = evlog_now();
	if (b->points.n && b->now.time <= b->points.at[0].time) {
		char text[512];
		snprintf(text, sizeof text,
		    "%s: the newest point was made in the future; is the clock right?",
		    b->store.path);
		if (b->points.at[0].time - b->now.time > MINUTE)
			backup_say(b, text);
		b->now.time = b->points.at[0].time + 1;
	}
	r = point_write(&b->now, s, b->saved.member, made->file, err);
	if (!r)
		r = store_sync(s, err);
	if (!r && segments_are_whole(&b->now, b->now.trimmed, s, &why) < 0) {
		store_remove(s, made->file, NULL);
		r = error_set(err, EVLOG_EBUSY,
		    "%s; another process removes what is not "
		    "needed: try again",
		    why.text);
	}
	if (!r && s->added && s->added(s->arg, made->file, s->bytes - before) < 0)
		r = error_sys(err, "%s", made->file);
	return r;
}

void point_describe(const struct point *p, const char *file, struct evlog_point *out)
{
	*out = (struct evlog_point){.seq = p->head.tree.n,
	    .first = p->segment[0].first,
	    .begins = p->segment[p->trimmed].first,
	    .time = p->time,
	    .saved = p->files};
	hash_hex(p->head.root, out->root);
	if (!hash_is_none(p->lineage))
		hash_hex(p->lineage, out->lineage);
	snprintf(out->file, sizeof out->file, "%s", file);
}

static int prune(struct backup *b, evlog_error *err)
{
	if (b->damaged || b->lost) {
		backup_say(b,
		    "a file of the backups is damaged or missing, so nothing is removed");
		return 0;
	}
	int r =
	    store_prune(&b->store, &b->now, b->o.keep, b->o.keep_within, b->o.grace, err);

	if (r != EVLOG_END)
		return r;
	backup_say(b, err->text);
	return 0;
}

/* The new point is there, but what only the backups have is not. */
static int lost_say(const struct backup *b, evlog_error *err)
{
	return error_set(err, EVLOG_EDAMAGED,
	    "%s/%s: missing; %s does not have these events any more, so put it back from "
	    "another copy, or give up all that was removed with --drop-trimmed; what the "
	    "log has is backed up",
	    b->store.path, b->missing, b->path);
}

/* ---- The interface ---- */

static int prepare(struct backup *b, const char *dest, evlog_error *err)
{
	struct stat st;

	b->codec = block_codec_new(0);
	if (!b->codec)
		return error_memory(err);
	block_codec_limit(b->codec, b->o.max_line);
	int r = log_open(&b->log, b->path, false, err);
	if (!r && fstat(b->log.dir_fd, &st) < 0)
		r = error_sys(err, "%s", b->path);
	if (!r)
		r = place_check(&b->log, dest, err);
	if (r)
		return r;
	b->now.dir_mode = st.st_mode & 0777;
	struct permissions mode = log_permissions(&b->log);
	b->now.mode = mode.mode ? mode.mode : 0600;
	/* nobody may read a backup who may not read the log */
	r = store_open(&b->store, dest, b->now.dir_mode | 0700, err);
	b->store.mode = (struct permissions){b->now.mode & 0444, mode.gid, 0};
	b->store.added = b->o.added;
	b->store.arg = b->o.arg;
	/* what was saved along with it must not be ahead of the log */
	if (!r)
		r = saved_take(
		    &b->saved, &b->now, &b->store, b->o.with, b->o.n_with, err);
	return r ? r : log_survey_sound(&b->log, b->codec, &b->end, err);
}

int evlog_backup(const char *log, const char *dest, const struct evlog_backup_options *o,
    struct evlog_point *made, evlog_error *err)
{
	struct backup b = {
	    .path = log, .log = {.dir_fd = -1, .head_fd = -1}, .store.fd = {-1, -1, -1}};
	struct evlog_point point = {0};

	OWN_ERROR(err);
	NEED(log && dest && *dest, err);
	int r = options_take(
	    &b.o, sizeof b.o, END_OF(struct evlog_backup_options, arg), o, err);
	if (r)
		return r;
	REFUSE(b.o.n_with && !b.o.with, "n_with without with", err);
	REFUSE(b.o.keep_within < 0 || b.o.grace < 0, "a span is negative", err);
	r = prepare(&b, dest, err);
	if (!r)
		r = base_find(&b, err);
	if (!r)
		r = segments_store(&b, err);
	if (!r)
		r = head_note(&b, err);
	if (!r)
		r = point_add(&b, &point, err);
	if (!r && (b.o.keep || b.o.keep_within))
		r = prune(&b, err);
	if (!r && made) {
		point_describe(&b.now, point.file, made);
		made->files = b.store.files;
		made->bytes = b.store.bytes;
	}
	if (!r && b.lost)
		r = lost_say(&b, err);
	if (r < 0 && b.log.dir_fd >= 0 && !*point.file)
		r = trimmed_meanwhile(&b.log, r, err);
	if (r == EVLOG_ENOINPUT && b.log.n) /* a file of the log */
		r = err->code = EVLOG_EDAMAGED;
	saved_free(&b.saved, &b.store);
	point_free(&b.base);
	point_free(&b.removed);
	point_free(&b.now);
	free(b.points.at);
	store_close(&b.store);
	log_close(&b.log);
	block_codec_free(b.codec);
	return r;
}

int evlog_backup_newest(const char *dest, struct evlog_point *point, evlog_error *err)
{
	struct store_points points = {0};
	struct store s;
	struct point p;

	OWN_ERROR(err);
	NEED(dest && *dest && point, err);
	int r = store_open(&s, dest, 0, err);
	if (!r)
		r = store_list(&s, &points, err);
	if (!r && points.n == 0)
		r = EVLOG_END;
	if (!r)
		r = point_read(&p, &s, &points.at[0], err);
	if (!r) {
		point_describe(&p, points.at[0].name, point);
		r = point_is_whole(&p, &s, err);
		point_free(&p);
	}
	free(points.at);
	store_close(&s);
	return r;
}
