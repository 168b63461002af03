/*
 * recovery_scan.c - scans the end of a segment, after the part that is known to be good.
 *
 * It is used where head may not know the end: by a writer that recovers what a dead
 * writer left, and by a reader after a reboot or with a damaged head.
 */
#include "base/error.h"
#include "recover/log.h"

#include <stdio.h>
#include <sys/stat.h>

#define SECTOR 512
#define SEARCH (256u << 10)

/* Whether the part of some sector that is in [from, to) is all zeros, as after a crash
 * before it was written. */
static int zero_sector(
    struct segment *seg, uint64_t from, uint64_t to, bool *zero, evlog_error *err)
{
	static const char none[SECTOR];
	const char *p;

	*zero = false;
	while (from < to && !*zero) {
		uint64_t end = (from / SECTOR + 1) * SECTOR;
		size_t n = (size_t)((end < to ? end : to) - from);
		int r = segment_bytes(seg, from, n, SEARCH, &p, err);
		if (r)
			return r;
		*zero = p && memcmp(p, none, n) == 0;
		from += n;
	}
	return 0;
}

/* How much to search at once: what is left of the window, if that is enough. */
static size_t search_size(const struct segment *seg, uint64_t offset, uint64_t limit)
{
	uint64_t n = SEARCH, in = offset - seg->window_at;

	if (offset >= seg->window_at && in < seg->window.len &&
	    seg->window.len - in >= BLOCK_HEADER_MAX + SECTOR)
		n = seg->window.len - in - BLOCK_HEADER_MAX;
	return (size_t)(limit - offset < n ? limit - offset : n);
}

/* Searches the n bytes at offset for a block header.  Returns EVLOG_END if there is
 * none. */
static int header_search(struct segment *seg, uint64_t offset, size_t n, struct block *b,
    uint64_t *found, evlog_error *err)
{
	size_t from = 0;
	evlog_error why;
	const char *p;

	for (;;) {
		/* have any header that begins here in the window as a whole */
		int r = segment_bytes(seg, offset, n, BLOCK_HEADER_MAX, &p, err);
		if (r)
			return r;
		const char *at = p ? memmem(p + from, n - from, BLOCK_TAG, 8) : NULL;
		if (!at)
			return EVLOG_END;
		from = (size_t)(at - p) + 1;
		if (at - p < 8 || !block_header_plausible((const unsigned char *)at - 8,
				      seg->window.len - (size_t)(at - 8 - seg->window.p)))
			continue;
		uint64_t start = offset + (uint64_t)(at - p) - 8;
		/* a header counts even if its block was cut off */
		r = segment_block(seg, start, INT64_MAX, 0, b, &why);
		if (r == 0)
			*found = start;
		if (r && r != EVLOG_EDAMAGED && err)
			*err = why;
		if (r != EVLOG_EDAMAGED)
			return r;
	}
}

int tail_resync(struct segment *seg, uint64_t offset, uint64_t limit, struct block *b,
    uint64_t *found, evlog_error *err)
{
	while ((offset = segment_data(seg, offset, limit)) < limit &&
	       limit - offset >= BLOCK_HEADER) {
		size_t n = search_size(seg, offset, limit);
		int r = header_search(seg, offset, n, b, found, err);
		if (r != EVLOG_END)
			return r;
		offset += n > 16 ? n - 15 : n;
	}
	*found = limit;
	return 0;
}

int segment_is_unfinished(struct segment *seg, bool *unfinished, evlog_error *err)
{
	struct stat st;
	struct block b;
	uint64_t found;

	*unfinished = false;
	if (seg->fd < 0)
		return 0;
	if (fstat(seg->fd, &st) < 0)
		return error_sys(err, "%s", seg->path);
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)SEGMENT_ACTIVE_MAX)
		return 0;
	int r = tail_resync(seg, 0, (uint64_t)st.st_size, &b, &found, err);
	*unfinished = !r && found == (uint64_t)st.st_size;
	return r;
}

/* Checks the block at t->parsed: its header, its data, and that it continues the log.
 * Returns EVLOG_EDAMAGED with the reason if not. */
static int tail_block(struct segment *seg, struct block_codec *c, bool roots,
    struct tail *t, struct merkle *tree, struct buf *lines, struct block *b,
    evlog_error *err)
{
	unsigned char root[HASH_SIZE];

	int r = segment_block(seg, t->parsed, t->size, SEARCH, b, err);
	if (r)
		return r;
	if (b->first_seq != tree->n + 1 || b->epoch < t->epoch)
		return error_set(
		    err, EVLOG_EDAMAGED, "the block does not continue the log");
	if ((r = segment_unpack(seg, c, b, lines, err)) != 0)
		return r;
	if (!roots) {
		tree->n += b->count;
		return 0;
	}
	merkle_add_lines(tree, lines->p, lines->len, b->flags & BLOCK_LEAVES, NULL);
	merkle_root(tree, root);
	if (tree->n != block_last_seq(b) || memcmp(root, b->root, HASH_SIZE) != 0)
		return error_set(err, EVLOG_EDAMAGED, "the block's root does not match");
	return 0;
}

static int tail_bad(
    struct segment *seg, struct tail *t, const char *why, evlog_error *err)
{
	struct block b;
	uint64_t at = t->parsed;
	bool zero = false;
	evlog_error ignored;

	snprintf(t->why, sizeof t->why, "%.127s", why);
	if (segment_block(seg, at, t->size, 0, &b, &ignored) == 0) {
		int r = zero_sector(seg, at, block_end(&b), &zero, err);
		if (r)
			return r;
		t->full_length = !zero;
	}
	for (;;) {
		int r = tail_resync(seg, at, t->size, &b, &at, err);
		if (r)
			return r;
		if (at >= t->size)
			return 0;
		t->nothing = false;
		if (!(b.flags & BLOCK_UNSYNCED) && b.synced_upto > t->attested)
			t->attested = b.synced_upto;
		at += b.header_size;
	}
}

int tail_scan(struct segment *seg, struct block_codec *c, bool roots, struct tail *t,
    evlog_error *err)
{
	struct merkle tree = t->tree;
	struct buf lines = {0};
	struct block b;
	struct stat st;
	uint64_t start = t->end;
	int r = 0;

	if (fstat(seg->fd, &st) < 0)
		return error_sys(err, "%s", seg->path);
	t->size = (uint64_t)st.st_size;
	if (segment_is_sealed(seg) && t->size > seg->header.seal.end)
		t->size = seg->header.seal.end; /* the index follows */
	t->parsed = t->end;
	t->full_length = t->nothing = false;
	seg->window.len = 0;
	while (!r && t->parsed < t->size) {
		evlog_error why;
		r = tail_block(seg, c, roots, t, &tree, &lines, &b, &why);
		if (r == EVLOG_EDAMAGED) {
			t->nothing = t->parsed == start;
			r = tail_bad(seg, t, why.reason, err);
			break;
		}
		if (r) {
			if (err)
				*err = why;
			break;
		}
		t->parsed = block_end(&b);
		if (!(b.flags & BLOCK_UNSYNCED) && b.synced_upto > t->attested)
			t->attested = b.synced_upto;
		if (!(b.flags & BLOCK_COMMIT))
			continue;
		t->end = t->parsed;
		t->last_block = b.offset;
		t->last_logtime = b.last_logtime;
		t->epoch = b.epoch;
		t->tree = tree;
		memcpy(t->root, b.root, HASH_SIZE);
	}
	buf_free(&lines);
	return r;
}
