/* stored.c - stores what a backup does not have of a log, segment by segment. */
#include "backup/backup.h"
#include "backup/share.h"
#include "backup/verify.h"
#include "base/error.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define TRIES 10

static const struct stored_segment *base_segment(const struct backup *b, uint64_t first)
{
	for (size_t i = b->base.n; i > 0; i--)
		if (b->base.segment[i - 1].first == first)
			return &b->base.segment[i - 1];
	return NULL;
}

bool segment_is_stored(const struct store *s, const struct stored_segment *g)
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

static int pieces_add(
    struct stored_segment *to, const struct stored_segment *from, evlog_error *err)
{
	for (size_t i = 0; i < from->n; i++) {
		struct piece *p = segment_piece(to);
		if (!p)
			return error_memory(err);
		*p = from->piece[i];
	}
	return 0;
}

int segment_take(struct point *p, const struct stored_segment *from, evlog_error *err)
{
	struct stored_segment *to = point_segment(p);

	if (!to)
		return error_memory(err);
	*to = *from;
	to->piece = NULL;
	to->n = to->cap = 0;
	return pieces_add(to, from, err);
}

/* Whether a segment that is not sealed is as the base has it, up to its successor. */
static bool is_unchanged(struct backup *b, const struct segment *s,
    const struct segment_header *next, const struct stored_segment *from)
{
	return from && !from->sealed && !segment_is_sealed(s) &&
	       memcmp(from->id, s->header.id, ID_SIZE) == 0 &&
	       from->size == share_limit(s, next) && from->last == next->tree.n &&
	       memcmp(from->root, next->root, HASH_SIZE) == 0 &&
	       segment_is_stored(&b->store, from);
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
	    memcmp(from->id, s->header.id, ID_SIZE) != 0 ||
	    !segment_is_stored(&b->store, from))
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
	int r = pieces_add(g, from, err);
	return r || from->last < from->first
		   ? r
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
		return segment_take(&b->now, from, err);
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
	if (r || strcmp(mark, from->mark) != 0 || !segment_is_stored(&b->store, from))
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
			r = same ? segment_take(&b->now, from, err)
				 : segment_store(b, i, err);
		const struct stored_segment *g =
		    b->now.n ? &b->now.segment[b->now.n - 1] : NULL;
		if (!r && b->now.n > 1 && g[-1].last + 1 != g->first)
			r = segment_missing(l->path, g[-1].last + 1, g->first - 1, err);
	}
	return r;
}

/* Looks again if a segment was sealed while it looked, so that a point never ends with a
 * sealed one. */
int segments_store(struct backup *b, evlog_error *err)
{
	int r = EVLOG_WAIT;

	for (int i = 0; r == EVLOG_WAIT && i < TRIES; i++) {
		r = i ? log_survey_sound(&b->log, b->codec, &b->end, err) : 0;
		for (size_t j = 0; j < b->now.n; j++)
			free(b->now.segment[j].piece);
		b->now.n = 0;
		b->now.trimmed = b->removed.n;
		for (size_t j = 0; !r && j < b->removed.n; j++)
			r = segment_take(&b->now, &b->removed.segment[j], err);
		if (!r)
			r = segments_once(b, err);
	}
	return r == EVLOG_WAIT
		   ? error_set(err, EVLOG_EBUSY,
			 "%s: is being sealed all the time; try again", b->path)
		   : r;
}
