/*
 * backup.c - adds a point to a folder of backups.
 *
 * It begins from the newest point there, the base: a sealed segment whose file is still
 * the one that was stored is not read again, and of a segment that is not sealed only the
 * bytes after those that were stored.
 */
#include "backup/keep.h"
#include "backup/saved.h"
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

#define TRIES  10
#define MINUTE INT64_C(60000000)

struct backup {
	const char *path;
	struct evlog_backup_options o;
	struct store store;
	struct log log;
	struct log_end end;
	struct block_codec *codec;
	struct store_points points;
	struct point base; /* n 0: none */
	struct point now;
	struct saved saved;
	bool has_tree; /* now.head.tree is known */
};

static void say(const struct backup *b, const char *text)
{
	if (b->o.say)
		b->o.say(b->o.arg, text);
}

static int log_begin(struct backup *b, evlog_error *err)
{
	evlog_error verdict = {0};

	int r = log_survey(&b->log, NULL, b->codec, &b->end, &verdict, err);
	if (!r && verdict.code) {
		*err = verdict;
		r = verdict.code;
	}
	return r;
}

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
		    "%s: has backups of another log, whose first event is another one; "
		    "choose "
		    "another folder for %s",
		    b->store.path, b->path);
	if (b->log.head.epoch <= b->base.head.epoch)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: has a backup up to event %" PRIu64
		    ", after which %s went another way, or to which it has not come; "
		    "choose "
		    "another folder for it",
		    b->store.path, b->base.head.tree.n, b->path);
	snprintf(text, sizeof text,
	    "%s: went another way before event %" PRIu64
	    ", up to which the last backup in %s goes: from now on, backups are those of "
	    "this log",
	    b->path, b->base.head.tree.n, b->store.path);
	say(b, text);
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
	if (b->base.n && b->base.segment[0].first < b->log.first)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: begins with event %" PRIu64
		    ", and %s has earlier ones; choose another folder for it",
		    b->path, b->log.first, b->store.path);
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
		say(b, err->text);
		r = 0;
	}
	return r ? r : base_check(b, err);
}

static const struct stored_segment *base_segment(const struct backup *b, uint64_t first)
{
	for (size_t i = b->base.n; i > 0; i--)
		if (b->base.segment[i - 1].first == first)
			return &b->base.segment[i - 1];
	return NULL;
}

static bool has_all(const struct store *s, const struct stored_segment *g)
{
	char name[STORE_NAME_SIZE];

	for (size_t i = 0; i < g->n; i++) {
		piece_name(name, g, i);
		if (!store_has(s, name, g->piece[i].size))
			return false;
	}
	return g->n > 0;
}

/* ---- Segments ---- */

/* Writes what changes when a segment's file is replaced. */
static int mark_write(
    const struct log *l, uint64_t first, char mark[MARK_SIZE], evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE];
	struct stat st;

	segment_name(name, first);
	if (fstatat(l->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? segment_missing(l->path, first, 0, err)
				       : error_sys(err, "%s/%s", l->path, name);
	struct timespec t = os_modified(&st);
	snprintf(mark, MARK_SIZE, "%" PRIu64 "-%" PRIu64 "-%" PRIu64 ".%09ld",
	    (uint64_t)st.st_ino, (uint64_t)st.st_size, (uint64_t)t.tv_sec, t.tv_nsec);
	return 0;
}

/* Takes over what the base has of a segment. */
static int segment_take(
    struct backup *b, const struct stored_segment *from, evlog_error *err)
{
	struct stored_segment *to = point_segment(&b->now);

	if (!to)
		return error_memory(err);
	*to = *from;
	to->piece = NULL;
	to->n = to->cap = 0;
	for (size_t i = 0; i < from->n; i++) {
		struct piece *p = segment_piece(to);
		if (!p)
			return error_memory(err);
		*p = from->piece[i];
	}
	return 0;
}

/* Whether a segment that is not sealed is as the base has it, up to its successor. */
static bool is_unchanged(struct backup *b, const struct segment *s,
    const struct segment_header *next, const struct stored_segment *from)
{
	return from && !from->sealed && !segment_is_sealed(s) &&
	       memcmp(from->id, s->header.id, ID_SIZE) == 0 &&
	       from->size == share_limit(s, next) && from->last == next->tree.n &&
	       memcmp(from->root, next->root, HASH_SIZE) == 0 && has_all(&b->store, from);
}

static int sealed_store(struct backup *b, struct segment *s, struct stored_segment *g,
    struct block *last, evlog_error *err)
{
	const struct seal *seal = &s->header.seal;
	struct merkle tree = s->header.tree;
	struct piece *p = segment_piece(g);
	struct stat st;

	if (!p)
		return error_memory(err);
	int r = mark_write(&b->log, s->first_seq, g->mark, err);
	if (!r)
		r = blocks_verify(
		    s, b->codec, s->header.size, seal->end, &tree, last, err);
	if (r)
		return r;
	if (last->offset != seal->block || tree.n != seal->last_seq ||
	    memcmp(last->root, seal->root, HASH_SIZE) != 0)
		return segment_damaged(s, seal->block, seal->last_seq, 0,
		    "its header says something else of its end", err);
	if (fstat(s->fd, &st) < 0)
		return error_sys(err, "%s", s->path);
	g->sealed = true;
	g->last = tree.n;
	g->size = p->size = (uint64_t)st.st_size;
	memcpy(g->root, seal->root, HASH_SIZE);
	return store_put(
	    &b->store, STORE_SEGMENT, g->first, g->last, s->fd, 0, g->size, p->hash, err);
}

/* Whether what the base has of a segment that is not sealed can be gone on from: gets the
 * tree there. */
static bool can_go_on(struct backup *b, struct segment *s, uint64_t limit,
    const struct stored_segment *from, struct merkle *tree)
{
	const struct head *h = &b->base.head;
	struct block last;
	evlog_error ignored;

	if (!from || from->sealed || from->size > limit || h->segment != from->first ||
	    memcmp(from->id, s->header.id, ID_SIZE) != 0 || !has_all(&b->store, from))
		return false;
	if (from->last < from->first) {
		if (from->size != s->header.size ||
		    memcmp(from->root, s->header.root, HASH_SIZE) != 0)
			return false;
	} else if (segment_block(s, h->last_block, limit, 0, &last, &ignored) != 0 ||
		   block_end(&last) != from->size ||
		   block_last_seq(&last) != from->last ||
		   memcmp(last.root, from->root, HASH_SIZE) != 0) {
		return false;
	}
	*tree = h->tree;
	return true;
}

/* Gives up small pieces before the new one, so that there are never many: those that
 * are not larger than it.  Gets where the new one begins.  EVLOG_END: they are not what
 * the log has there. */
static int pieces_merge(struct stored_segment *g, const struct segment *s, uint64_t limit,
    uint64_t *begin, evlog_error *err)
{
	unsigned char hash[HASH_SIZE];

	*begin = g->size;
	while (g->n && limit > g->size && g->piece[g->n - 1].size <= limit - *begin) {
		const struct piece *p = &g->piece[g->n - 1];
		int r = bytes_hash(s->fd, s->path, p->offset, p->size, hash, err);
		if (r)
			return r;
		if (memcmp(hash, p->hash, HASH_SIZE) != 0)
			return EVLOG_END;
		*begin = p->offset;
		g->n--;
	}
	return 0;
}

static int tail_store(struct backup *b, struct segment *s, uint64_t limit,
    struct stored_segment *g, struct merkle *tree, struct block *last, evlog_error *err)
{
	uint64_t begin, at = g->size ? g->size : s->header.size;

	int r = blocks_verify(s, b->codec, at, limit, tree, last, err);
	if (!r)
		r = pieces_merge(g, s, limit, &begin, err);
	if (r || begin == limit)
		return r;
	struct piece *p = segment_piece(g);
	if (!p)
		return error_memory(err);
	p->offset = begin;
	p->size = limit - begin;
	g->size = limit;
	g->last = tree->n;
	return store_put(&b->store, STORE_TAIL, g->first, begin, s->fd, begin,
	    limit - begin, p->hash, err);
}

/* Begins with the pieces that the base has of a segment. */
static int pieces_take(struct backup *b, struct segment *s, uint64_t limit,
    const struct stored_segment *from, struct stored_segment *g, struct block *last,
    evlog_error *err)
{
	g->size = from->size;
	for (size_t i = 0; i < from->n; i++) {
		struct piece *p = segment_piece(g);
		if (!p)
			return error_memory(err);
		*p = from->piece[i];
	}
	return from->last < from->first
		   ? 0
		   : segment_block(s, b->base.head.last_block, limit, 0, last, err);
}

static int unsealed_store(struct backup *b, struct segment *s, uint64_t limit,
    const struct stored_segment *from, struct stored_segment *g, struct block *last,
    evlog_error *err)
{
	struct merkle tree = s->header.tree;
	int r = 0;

	memcpy(g->id, s->header.id, ID_SIZE);
	g->last = tree.n;
	if (can_go_on(b, s, limit, from, &tree))
		r = pieces_take(b, s, limit, from, g, last, err);
	if (!r)
		r = tail_store(b, s, limit, g, &tree, last, err);
	if (r == EVLOG_END) { /* the same events in other bytes: store them all again */
		g->n = 0;
		g->size = 0;
		g->last = s->header.tree.n;
		*last = (struct block){0};
		tree = s->header.tree;
		r = tail_store(b, s, limit, g, &tree, last, err);
	}
	if (r)
		return r;
	g->last = tree.n;
	merkle_root(&tree, g->root);
	b->now.head.tree = tree;
	b->has_tree = s->first_seq == b->end.segment;
	return 0;
}

/* Notes what head would say if this segment is the last one. */
static int end_note(struct backup *b, struct segment *s, const struct stored_segment *g,
    const struct block *last, evlog_error *err)
{
	struct head *h = &b->now.head;

	memcpy(h->id, s->header.id, ID_SIZE);
	h->last_logtime = last->offset ? last->last_logtime : s->header.last_logtime;
	h->epoch = last->offset ? last->epoch : s->header.epoch;
	if (g->last != b->end.seq || memcmp(g->root, b->end.root, HASH_SIZE) != 0)
		return segment_damaged(s, b->end.block, g->first, b->end.seq,
		    "head says something else of its end", err);
	return 0;
}

/* Stores segment i of the list. */
static int segment_store(struct backup *b, size_t i, evlog_error *err)
{
	const struct share h = {.log = &b->log};
	const bool is_last = i + 1 == b->log.n || b->log.segments[i + 1] > b->end.segment;
	const struct stored_segment *from = base_segment(b, b->log.segments[i]);
	struct segment s, next = {.fd = -1};
	struct block last = {0};

	int r = share_open(&h, i, &s, err);
	if (!r && !is_last)
		r = share_open(&h, i + 1, &next, err);
	if (!r && !is_last && is_unchanged(b, &s, &next.header, from)) {
		segment_close(&next);
		segment_close(&s);
		return segment_take(b, from, err);
	}
	struct stored_segment *g = point_segment(&b->now);
	if (!r && !g)
		r = error_memory(err);
	if (!r)
		g->first = s.first_seq;
	if (!r && is_last && segment_is_sealed(&s)) /* since the end was found */
		r = EVLOG_WAIT;
	if (!r && !tree_has_root(&s.header.tree, s.header.root))
		r = segment_damaged(
		    &s, 0, g->first, 0, "its header contradicts itself", err);
	if (!r && b->now.n > 1 && memcmp(g[-1].root, s.header.root, HASH_SIZE) != 0)
		r = error_set(err, EVLOG_EDAMAGED,
		    "%s: the newest point says something else of events up to %" PRIu64
		    " than the log; remove that point, and try again",
		    b->store.path, g[-1].last);
	if (!r && segment_is_sealed(&s))
		r = sealed_store(b, &s, g, &last, err);
	else if (!r)
		r = unsealed_store(b, &s,
		    is_last ? b->end.offset : share_limit(&s, &next.header), from, g,
		    &last, err);
	if (!r && !is_last)
		r = successor_check(&b->log, &s, &next.header, &last, err);
	if (!r && is_last)
		r = end_note(b, &s, g, &last, err);
	segment_close(&next);
	segment_close(&s);
	return r;
}

/* Whether the log's file of a sealed segment is still the one that the base has. */
static int is_same(struct backup *b, size_t i, const struct stored_segment *from,
    bool *same, evlog_error *err)
{
	const struct share h = {.log = &b->log};
	char mark[MARK_SIZE];
	struct segment s;

	*same = false;
	int r = mark_write(&b->log, from->first, mark, err);
	if (r || strcmp(mark, from->mark) != 0 || !has_all(&b->store, from))
		return r;
	r = share_open(&h, i, &s, err);
	*same = !r && segment_is_sealed(&s) && s.header.seal.last_seq == from->last &&
		memcmp(s.header.seal.root, from->root, HASH_SIZE) == 0;
	segment_close(&s);
	return r;
}

static int segments_once(struct backup *b, evlog_error *err)
{
	const struct log *l = &b->log;
	int r = 0;

	if (l->segments[0] > l->first)
		return segment_missing(l->path, l->first, l->segments[0] - 1, err);
	for (size_t i = 0; !r && i < l->n && l->segments[i] <= b->end.segment; i++) {
		const struct stored_segment *from = base_segment(b, l->segments[i]);
		bool same = from && from->sealed && l->segments[i] < b->end.segment;
		if (same)
			r = is_same(b, i, from, &same, err);
		if (!r)
			r = same ? segment_take(b, from, err) : segment_store(b, i, err);
		const struct stored_segment *g =
		    b->now.n ? &b->now.segment[b->now.n - 1] : NULL;
		if (!r && b->now.n > 1 && g[-1].last + 1 != g->first)
			r = segment_missing(l->path, g[-1].last + 1, g->first - 1, err);
	}
	return r;
}

/* Looks again if a segment was sealed while it looked, so that a point never ends with a
 * sealed one. */
static int segments_store(struct backup *b, evlog_error *err)
{
	int r = EVLOG_WAIT;

	for (int i = 0; r == EVLOG_WAIT && i < TRIES; i++) {
		r = i ? log_begin(b, err) : 0;
		for (size_t j = 0; j < b->now.n; j++)
			free(b->now.segment[j].piece);
		b->now.n = 0;
		if (!r)
			r = segments_once(b, err);
	}
	return r == EVLOG_WAIT
		   ? error_set(err, EVLOG_EBUSY,
			 "%s: is being sealed all the time; try again", b->path)
		   : r;
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
			say(b, text);
		b->now.time = b->points.at[0].time + 1;
	}
	r = point_write(&b->now, s, b->saved.member, made->file, err);
	if (!r)
		r = store_sync(s, err);
	if (!r && point_is_whole(&b->now, s, &why) < 0) {
		store_remove(s, made->file, NULL);
		r = error_set(err, EVLOG_EBUSY,
		    "%s; another process removes what is not "
		    "needed: try again",
		    why.text);
	}
	if (!r && s->added && s->added(s->arg, made->file, 0) < 0)
		r = error_sys(err, "%s", made->file);
	return r;
}

void point_describe(const struct point *p, const char *file, struct evlog_point *out)
{
	*out = (struct evlog_point){
	    .seq = p->head.tree.n, .time = p->time, .saved = p->files};
	hash_hex(p->head.root, out->root);
	if (!hash_is_none(p->lineage))
		hash_hex(p->lineage, out->lineage);
	snprintf(out->file, sizeof out->file, "%s", file);
}

static int prune(struct backup *b, evlog_error *err)
{
	int r =
	    store_prune(&b->store, &b->now, b->o.keep, b->o.keep_within, b->o.grace, err);

	if (r != EVLOG_END)
		return r;
	say(b, err->text);
	return 0;
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
	b->store.mode = (struct permissions){b->now.mode & 0444, mode.gid};
	b->store.added = b->o.added;
	b->store.arg = b->o.arg;
	/* what was saved along with it must not be ahead of the log */
	if (!r)
		r = saved_take(
		    &b->saved, &b->now, &b->store, b->o.with, b->o.n_with, err);
	return r ? r : log_begin(b, err);
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
		char file[sizeof point.file];
		memcpy(file, point.file, sizeof file);
		point_describe(&b.now, file, made);
		made->files = b.store.files;
		made->bytes = b.store.bytes;
	}
	saved_free(&b.saved, &b.store);
	point_free(&b.base);
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
