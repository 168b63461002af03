/*
 * sealer.c - seals a segment that is full and has a successor: writes it again with small
 * blocks merged, large ones copied, and an index and a seek table after them.
 *
 * It does not need the lock of the log, because nobody writes to such a segment any more.
 * The new file is written next to the old one, read back, checked against the root that
 * the successor attests, synced, and renamed over the old one.  At any moment one of the
 * two has the segment's name, and both are right.  A lock on the new file prevents two
 * processes from doing the same work.
 */
#include "base/error.h"
#include "base/file.h"
#include "base/os.h"
#include "read/reader_internal.h"
#include "write/sealer.h"
#include "write/segment_file.h"
#include "write/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct sealer {
	const struct log *log;
	bool trimmed;	     /* the new file is to begin the log */
	struct segment old;  /* read from */
	struct segment made; /* written to */
	struct segment_header successor;
	char name[SEGMENT_LOCK_NAME]; /* of the new file, until it is renamed */
	struct block_codec *codec;
	struct block gathered; /* small blocks to be merged; count 0: none */
	struct buf raw;	       /* their lines */
	struct buf lines, packed, filter, carried, out; /* scratch */
	struct cursor_set cursors;			/* for the header */
	struct cursor_set moved; /* of the blocks that go into the next one */
	struct buf extensions;	 /* of the new header */
	struct filter_keys keys;
	struct index_builder index;
	size_t gather; /* how many bytes of lines to merge */
	bool merged;   /* some blocks were merged, not copied */
	uint64_t at;   /* offset of the next block */
};

static int too_many_cursors(const struct sealer *s, evlog_error *err)
{
	return error_set(err, EVLOG_EDATA,
	    "%s: not sealed: there are more cursors than fit into its headers",
	    s->old.path);
}

/* Gets those of all events before a segment with which the log is to begin.  Its first
 * blocks keep them, because its header is to have those as of its end. */
static int cursors_before(struct sealer *s, evlog_error *err)
{
	int r = cursor_set_before(&s->cursors, s->log, s->old.first_seq, err);

	s->cursors.all = true;
	s->out.len = 0;
	cursor_set_write(&s->cursors, &s->out);
	cursor_set_take(&s->moved, (struct view){s->out.p, s->out.len});
	if (!r && s->out.failed)
		r = error_memory(err);
	return r;
}

/* Gets the cursors for the new header: those of the segment, and of the header of the one
 * before it if that has all. */
static int cursors_load(struct sealer *s, uint64_t limit, evlog_error *err)
{
	const struct segment_header *h = &s->old.header;
	struct segment before;
	struct view extensions = {NULL, 0};
	int r = s->trimmed ? cursors_before(s, err) : 0;

	if (!r && !s->trimmed && h->previous != SEGMENT_NONE &&
	    !(h->flags & SEGMENT_TRIMMED)) {
		r = segment_open(
		    &before, s->log->dir_fd, s->log->path, h->previous, NULL, false, err);
		if (!r)
			r = segment_extensions(&before, &extensions, err);
		if (!r && cursors_are_all(extensions)) {
			cursor_set_take(&s->cursors, extensions);
			s->cursors.all = true;
		}
		segment_close(&before);
		if (r == EVLOG_EDAMAGED || r == EVLOG_ENOINPUT)
			r = 0; /* they are searched for in the blocks, then */
	}
	if (!r)
		r = cursor_set_load(&s->cursors, &s->old, limit, UINT64_MAX, err);
	s->extensions.len = 0;
	cursor_set_write(&s->cursors, &s->extensions);
	if (!r && s->extensions.failed)
		r = error_memory(err);
	if (!r && s->cursors.full)
		r = too_many_cursors(s, err);
	return r;
}

/* Takes the filter and the cursors from the header of a block. */
static int extensions_take(struct sealer *s, const struct block *b, evlog_error *err)
{
	const char *p;

	s->filter.len = 0;
	if (b->header_size == BLOCK_HEADER)
		return 0;
	int r = segment_bytes(&s->old, b->offset, b->header_size, 0, &p, err);
	if (r)
		return r;
	uint32_t kinds;
	struct view filter = filter_find(block_extensions(p, b), &kinds);
	if (kinds == FILTER_KINDS) /* else it is made again */
		buf_add(&s->filter, filter.p, filter.len);
	cursor_set_take(&s->moved, block_extensions(p, b));
	struct view rest = block_extensions(p, b);
	struct extension x;
	while (extension_next(&rest, &x))
		if (x.type == EXTENSION_TILES)
			buf_add(&s->index.tiles, x.bytes.p, x.bytes.len);
	return s->filter.failed || s->index.tiles.failed ? error_memory(err) : 0;
}

/* Makes the filter of the gathered lines. */
static int filter_make(struct sealer *s, evlog_error *err)
{
	s->filter.len = 0;
	filter_clear(&s->keys);
	filter_add_lines(&s->keys, s->raw.p, s->raw.len);
	filter_write(&s->keys, &s->filter);
	return s->keys.failed || s->filter.failed ? error_memory(err) : 0;
}

/* ---- Writing ---- */

/* Takes cursors for the header of the next block; what has no room stays for the one
 * after it. */
static int carried_take(struct sealer *s, evlog_error *err)
{
	size_t end = 0;
	struct extension x;

	s->carried.len = 0;
	cursor_set_write(&s->moved, &s->carried);
	cursor_set_free(&s->moved);
	if (s->carried.len == 0)
		return s->carried.failed ? error_memory(err) : 0;
	struct view rest = {s->carried.p, s->carried.len};
	while (extension_next(&rest, &x) && s->carried.len - rest.len <= CURSORS_MOST)
		end = s->carried.len - rest.len;
	rest = (struct view){s->carried.p + end, s->carried.len - end};
	cursor_set_take(&s->moved, rest);
	if (s->carried.failed || s->moved.failed)
		return error_memory(err);
	s->carried.len = end;
	return 0;
}

/* Writes *b with `packed` as its frame.  Its root stays that of the last block merged
 * into it. */
static int block_put(
    struct sealer *s, struct block *b, const char *packed, evlog_error *err)
{
	struct view filter = {s->filter.p, s->filter.len};
	struct seal *seal = &s->made.header.seal;

	int r = carried_take(s, err);
	if (r)
		return r;
	b->header_size = BLOCK_HEADER + (uint32_t)s->carried.len;
	s->out.len = 0;
	if (!buf_reserve(&s->out, b->header_size + b->packed_size))
		return error_memory(err);
	b->offset = s->at;
	b->back = (uint32_t)(s->at - seal->block);
	b->flags &= BLOCK_COMMIT | BLOCK_LEAVES;
	memcpy(b->id, s->made.header.id, ID_SIZE);
	b->synced_upto = s->at;
	b->packed_hash = hash64(packed, b->packed_size);
	block_header_write(
	    (unsigned char *)s->out.p, b, (struct view){s->carried.p, s->carried.len});
	s->out.len = b->header_size;
	buf_add(&s->out, packed, b->packed_size);
	if (file_pwrite(s->made.fd, s->out.p, s->out.len, s->at) < 0)
		return error_sys(err, "%s", s->made.path);
	index_block(&s->index, b, filter);
	s->gather = block_gather(s->gather, b);
	seal->block = s->at;
	seal->last_seq = block_last_seq(b);
	s->at += s->out.len;
	return 0;
}

static int gathered_put(struct sealer *s, evlog_error *err)
{
	struct block *b = &s->gathered;
	size_t size;

	if (b->count == 0)
		return 0;
	s->merged = true;
	s->packed.len = 0;
	if (block_pack(s->codec, s->raw.p, s->raw.len, &s->packed, &size) < 0)
		return error_memory(err);
	int r = filter_make(s, err);
	b->raw_size = (uint32_t)s->raw.len;
	b->packed_size = (uint32_t)size;
	if (!r)
		r = block_put(s, b, s->packed.p, err);
	b->count = 0;
	s->raw.len = 0;
	return r;
}

static int gather(struct sealer *s, const struct block *b, evlog_error *err)
{
	struct block *g = &s->gathered;

	buf_add(&s->raw, s->lines.p, s->lines.len);
	if (s->raw.failed)
		return error_memory(err);
	if (g->count == 0) {
		*g = *b;
		return 0;
	}
	g->count += b->count;
	g->flags = b->flags; /* whether it ends a commit */
	g->epoch = b->epoch;
	memcpy(g->root, b->root, HASH_SIZE);
	g->last_logtime = b->last_logtime;
	if (b->least_time < g->least_time)
		g->least_time = b->least_time;
	if (b->greatest_time > g->greatest_time)
		g->greatest_time = b->greatest_time;
	return 0;
}

/* Copies a block that is large enough. */
static int block_copy(struct sealer *s, const struct block *b, evlog_error *err)
{
	struct block copy = *b;
	const char *packed;

	int r = segment_bytes(
	    &s->old, b->offset + b->header_size, b->packed_size, 0, &packed, err);
	if (!r && (!packed || hash64(packed, b->packed_size) != b->packed_hash))
		return segment_damaged(&s->old, b->offset, b->first_seq,
		    block_last_seq(b), "the checksum of a block does not match", err);
	return r ? r : block_put(s, &copy, packed, err);
}

/* Processes the block at `at` of the old file. */
static int block_take(
    struct sealer *s, uint64_t at, uint64_t limit, struct block *b, evlog_error *err)
{
	int r = segment_block(&s->old, at, limit, STREAM, b, err);

	if (r == EVLOG_EDAMAGED)
		return segment_damaged(
		    &s->old, at, s->made.header.seal.last_seq + 1, 0, err->reason, err);
	if (!r && b->read_only)
		return error_set(err, EVLOG_ENEWER,
		    "%s: not sealed: it has features of a newer evlog", s->old.path);
	/* a line that looks as if only its leaf was left must stay an ordinary one */
	const bool other = (s->gathered.flags ^ b->flags) & BLOCK_LEAVES;
	const bool full =
	    s->raw.len + b->raw_size > s->gather || s->moved.bytes.len > CURSORS_GATHER;
	if (!r && (full || other))
		r = gathered_put(s, err);
	if (!r)
		r = extensions_take(s, b, err);
	if (r)
		return r;
	if (s->gathered.count == 0 && b->raw_size >= s->gather / 2 && s->filter.len)
		return block_copy(s, b, err);
	r = segment_unpack(&s->old, s->codec, b, &s->lines, err);
	return r ? r : gather(s, b, err);
}

/* Makes sure that there are tiles of all leaves: hashes the lines if the blocks did not
 * have them, as in a segment of evlog 0.1. */
static int tiles_complete(struct sealer *s, evlog_error *err)
{
	const struct segment_header *h = &s->made.header;
	struct merkle tree = s->old.header.tree;
	struct buf *tiles = &s->index.tiles;
	uint64_t limit, ignored, at = s->old.header.size;
	struct block b;

	if (tiles->len == merkle_tiles(h->tree.n, h->seal.last_seq) * HASH_SIZE)
		return 0;
	tiles->len = 0;
	segment_extent(&s->old, &s->successor, &limit, &ignored);
	while (at < limit) {
		int r = segment_block(&s->old, at, limit, STREAM, &b, err);
		if (!r)
			r = segment_unpack(&s->old, s->codec, &b, &s->lines, err);
		if (r)
			return r;
		merkle_add_lines(
		    &tree, s->lines.p, s->lines.len, b.flags & BLOCK_LEAVES, tiles);
		at = block_end(&b);
	}
	return tiles->failed ? error_memory(err) : 0;
}

/* Writes the index and seek table, and finally the header. */
static int rest_put(struct sealer *s, evlog_error *err)
{
	struct segment_header *h = &s->made.header;

	if (s->index.blocks == 0)
		return segment_damaged(&s->old, s->old.header.size, h->first_seq, 0,
		    "it has no blocks", err);
	int r = tiles_complete(s, err);
	if (r)
		return r;
	h->seal.end = s->at;
	s->index.kinds = FILTER_KINDS;
	memcpy(h->seal.root, s->successor.root, HASH_SIZE);
	s->out.len = 0;
	index_write(&s->index, h, &s->out);
	if (s->out.failed)
		return error_memory(err);
	if (file_pwrite(s->made.fd, s->out.p, s->out.len, s->at) < 0)
		return error_sys(err, "%s", s->made.path);
	s->out.len = 0;
	segment_header_encode(
	    &s->out, h, (struct view){s->extensions.p, s->extensions.len});
	if (s->out.failed)
		return error_memory(err);
	if (file_pwrite(s->made.fd, s->out.p, s->out.len, 0) < 0 ||
	    os_sync(s->made.fd) < 0)
		return error_sys(err, "%s", s->made.path);
	return 0;
}

static int segment_rewrite(struct sealer *s, evlog_error *err)
{
	struct segment_header *h = &s->made.header;
	uint64_t limit, ignored, at = s->old.header.size;
	struct block b;
	int r = 0;

	segment_extent(&s->old, &s->successor, &limit, &ignored);
	*h = s->old.header;
	h->version = SEGMENT_VERSION;
	h->flags |= SEGMENT_SEALED;
	if (s->trimmed) {
		h->flags |= SEGMENT_TRIMMED;
		h->previous = h->previous_size = h->previous_block = SEGMENT_NONE;
	}
	h->seal = (struct seal){.last_seq = h->tree.n};
	if (h->tree.n && hash_is_none(h->lineage))
		memcpy(h->lineage, s->successor.lineage, HASH_SIZE);
	if ((r = cursors_load(s, limit, err)) != 0)
		return r;
	h->extensions = (uint32_t)s->extensions.len;
	h->size = segment_header_size(h);
	index_frame(&s->index, h->size, 0);
	if (s->old.header.flags & SEGMENT_TRIMMED && !segment_is_sealed(&s->old)) {
		/* the new header has those as of the end; the first block keeps these */
		struct view before;
		if ((r = segment_extensions(&s->old, &before, err)) != 0)
			return r;
		cursor_set_take(&s->moved, before);
	}
	s->at = h->size;
	s->gather = BLOCK_RAW;
	while (!r && at < limit)
		if ((r = block_take(s, at, limit, &b, err)) == 0)
			at = block_end(&b);
	if (!r)
		r = gathered_put(s, err);
	if (!r && s->moved.n)
		r = too_many_cursors(s, err);
	return r ? r : rest_put(s, err);
}

/* Checks, without decompressing, that copied blocks are intact and follow each other. */
static int copies_scan(struct sealer *s, struct tail *t, evlog_error *err)
{
	struct segment *made = &s->made;
	const char *packed;
	struct block b;
	int r = 0;

	made->window.len = 0;
	t->size = made->header.seal.end;
	for (t->parsed = t->end; t->parsed < t->size; t->parsed = block_end(&b)) {
		r = segment_block(made, t->parsed, t->size, STREAM, &b, err);
		if (!r)
			r = segment_bytes(made, b.offset + b.header_size, b.packed_size,
			    0, &packed, err);
		if (r)
			return r;
		if (!packed || hash64(packed, b.packed_size) != b.packed_hash ||
		    b.first_seq != t->tree.n + 1)
			return error_set(err, EVLOG_EDAMAGED,
			    "%s: not sealed: what was read back is not what was written",
			    s->old.path);
		t->tree.n = block_last_seq(&b);
		memcpy(t->root, b.root, HASH_SIZE);
	}
	t->end = t->parsed;
	return 0;
}

/* Reads the new file back and checks that it ends where the successor begins.  If blocks
 * were merged, hashes every line. */
static int rewrite_check(struct sealer *s, evlog_error *err)
{
	struct segment_header *h = &s->made.header;
	const char *why = NULL;

	int r = segment_header_read(&s->made, h->id, err);
	struct tail t = {.end = h->size, .tree = h->tree};
	if (!r)
		r = s->merged ? tail_scan(&s->made, s->codec, true, &t, err)
			      : copies_scan(s, &t, err);
	if (r)
		return r;
	if (t.parsed < t.size)
		why = t.why;
	if (!why && (t.end != h->seal.end || t.tree.n + 1 != s->successor.first_seq ||
			memcmp(t.root, s->successor.root, HASH_SIZE) != 0))
		why = "it does not lead to the segment after it";
	if (why)
		return error_set(
		    err, EVLOG_EDAMAGED, "%s: not sealed: %s", s->old.path, why);
	return 0;
}

/* ---- Files ---- */

/* Gives the new file the owner, group and mode of the old one.  If that is not permitted,
 * returns EVLOG_WAIT with *err set, and the segment is not sealed: others might lose
 * access to the log. */
static int owner_keep(
    struct sealer *s, const struct stat *old, const struct stat *ours, evlog_error *err)
{
	bool same = ours->st_uid == old->st_uid && ours->st_gid == old->st_gid;

	if (same || fchown(s->made.fd, old->st_uid, old->st_gid) == 0)
		return fchmod(s->made.fd, old->st_mode & 0777) < 0
			   ? error_sys(err, "%s", s->made.path)
			   : 0;
	if (errno != EPERM)
		return error_sys(err, "%s", s->made.path);
	unlinkat(s->log->dir_fd, s->name, 0);
	error_set(err, EVLOG_EPERM,
	    "%s: not sealed, because its owner and group could not be preserved",
	    s->old.path);
	return EVLOG_WAIT;
}

/* Opens and locks the new file.  Returns EVLOG_END if another process is sealing this
 * segment. */
static int made_open(struct sealer *s, evlog_error *err)
{
	size_t n = strlen(s->log->path) + sizeof s->name + 1;
	struct stat old, ours, named;
	int dir_fd = s->log->dir_fd;

	segment_lock_name(s->name, s->old.first_seq);
	s->made = (struct segment){.fd = -1, .first_seq = s->old.first_seq};
	s->made.path = malloc(n);
	if (!s->made.path)
		return error_memory(err);
	snprintf(s->made.path, n, "%s/%s", s->log->path, s->name);
	if (fstat(s->old.fd, &old) < 0)
		return error_sys(err, "%s", s->old.path);
	/* a second name of the old file, if a power cut interrupted a rename */
	if (fstatat(dir_fd, s->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	    named.st_ino == old.st_ino && unlinkat(dir_fd, s->name, 0) < 0)
		return error_sys(err, "%s", s->made.path);
	int r = work_file_open(s->log, s->name, &s->made.fd, err);
	if (r)
		return r;
	if (fstat(s->made.fd, &ours) < 0)
		return error_sys(err, "%s", s->made.path);
	return owner_keep(s, &old, &ours, err);
}

static int made_rename(struct sealer *s, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(name, s->old.first_seq);
	int r = catalogues_remove(s->log, s->old.first_seq, err);
	if (r)
		return r;
	if (renameat(s->log->dir_fd, s->name, s->log->dir_fd, name) < 0)
		return error_sys(err, "%s", s->old.path);
	if (os_sync(s->log->dir_fd) < 0)
		return error_sys(err, "%s", s->log->path);
	return 0;
}

static void sealer_free(struct sealer *s)
{
	segment_close(&s->old);
	segment_close(&s->made);
	block_codec_free(s->codec);
	buf_free(&s->raw);
	buf_free(&s->lines);
	buf_free(&s->packed);
	buf_free(&s->filter);
	buf_free(&s->carried);
	buf_free(&s->out);
	cursor_set_free(&s->cursors);
	cursor_set_free(&s->moved);
	buf_free(&s->extensions);
	filter_free(&s->keys);
	index_builder_free(&s->index);
}

static bool segment_is_gone(const struct log *l, uint64_t first)
{
	struct stat st;

	return log_segment_stat(l, first, &st) < 0 && errno == ENOENT;
}

/* Opens the segment, and reads its successor's header. */
static int old_open(struct sealer *s, uint64_t first, uint64_t next, evlog_error *err)
{
	const struct log *l = s->log;
	struct segment successor = {.fd = -1};

	int r = segment_open(&s->old, l->dir_fd, l->path, first, NULL, false, err);
	if (!r)
		r = segment_open(&successor, l->dir_fd, l->path, next, NULL, false, err);
	s->successor = successor.header;
	segment_close(&successor);
	if (r == EVLOG_ENOINPUT && segment_is_gone(l, first))
		return EVLOG_END; /* removed from the beginning of the log */
	/* the log is to begin with the successor: this one is sealed, and will be removed
	 */
	bool marked = !r && s->successor.flags & SEGMENT_TRIMMED;
	if (marked && !s->trimmed)
		return EVLOG_END;
	if (!r && !marked && s->successor.previous != first)
		r = segment_damaged(&s->old, 0, first, 0,
		    "the segment after it does not continue it", err);
	return r;
}

/* Whether a sealed segment has an intact index and seek table. */
static bool is_indexed(struct segment *s)
{
	struct index_builder frames = {0};
	uint64_t at = s->header.size, end = s->header.seal.end;
	evlog_error ignored;
	struct index x;
	struct block b;

	int r = index_open(&x, s, NULL, &ignored);
	if (r)
		return false;
	index_frame(&frames, at, 0);
	while (!r && at < end) {
		r = segment_block(s, at, end, 0, &b, &ignored);
		if (r)
			break;
		index_frame(&frames, b.header_size, 0);
		index_frame(&frames, b.packed_size, b.raw_size);
		at = block_end(&b);
	}
	bool whole = !r && index_ends(&x, &frames);
	index_builder_free(&frames);
	index_close(&x);
	return whole;
}

/* Whether nothing is left to do for a segment.  A sealed segment of an earlier version
 * stays as it is, unless its index is to be made again. */
static bool is_done(struct sealer *s, bool reindex)
{
	if (s->trimmed)
		return s->old.header.flags & SEGMENT_TRIMMED;
	return segment_is_sealed(&s->old) &&
	       (!reindex ||
		   (s->old.header.version == SEGMENT_VERSION && is_indexed(&s->old)));
}

int segment_seal(
    const struct seal_how *how, uint64_t first, uint64_t next, evlog_error *err)
{
	const struct log *l = how->log;
	struct sealer s = {
	    .log = l, .trimmed = how->trimmed, .old.fd = -1, .made.fd = -1};

	int r = old_open(&s, first, next, err);
	if (!r && is_done(&s, how->reindex))
		r = EVLOG_END;
	if (!r)
		r = made_open(&s, err);
	bool made = !r;
	if (!r)
		r = segment_file_check(l, &s.old, err);
	if (!r) {
		s.codec = block_codec_new(how->level);
		if (s.codec)
			block_codec_limit(s.codec, how->max_line);
		r = s.codec ? segment_rewrite(&s, err) : error_memory(err);
	}
	if (!r)
		r = rewrite_check(&s, err);
	if (!r)
		r = made_rename(&s, err);
	else if (made)
		unlinkat(l->dir_fd, s.name, 0);
	sealer_free(&s);
	return r;
}
