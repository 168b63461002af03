/* share.c - gives the directory of a new log the segments of another one. */
#include "backup/share.h"
#include "backup/verify.h"
#include "base/error.h"
#include "base/file.h"
#include "base/os.h"
#include "format/catalogue.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define AHEAD (256u << 10) /* to read along */

int log_survey_sound(
    struct log *l, struct block_codec *c, struct log_end *end, evlog_error *err)
{
	evlog_error verdict = {0};

	int r = log_survey(l, NULL, c, end, &verdict, err);
	if (!r && verdict.code) {
		*err = verdict;
		r = verdict.code;
	}
	return r;
}

int trimmed_meanwhile(const struct log *l, int r, evlog_error *err)
{
	struct log fresh = {.dir_fd = l->dir_fd, .path = l->path};

	if (r != EVLOG_ENOINPUT && r != EVLOG_EDAMAGED && r != EVLOG_EMISMATCH)
		return r;
	bool trimmed =
	    l->n && log_list_again(&fresh, NULL) == 0 && fresh.first > l->first;
	free(fresh.segments);
	free(fresh.catalogues);
	return trimmed ? error_set(err, EVLOG_EBUSY,
			     "%s: its first events were removed meanwhile; try again",
			     l->path)
		       : r;
}

int place_check(const struct log *l, const char *path, evlog_error *err)
{
	struct stat st, dir;
	int fd;

	int r = parent_open(path, &fd, err);
	if (r)
		return r;
	if (fstat(fd, &dir) < 0 || fstat(l->dir_fd, &st) < 0)
		r = error_sys(err, "%s", path);
	else if (dir.st_ino == st.st_ino && dir.st_dev == st.st_dev)
		r = error_set(
		    err, EVLOG_ECREATE, "%s: is in the folder of the log itself", path);
	close(fd);
	return r;
}

int share_open(const struct share *h, size_t i, struct segment *s, evlog_error *err)
{
	const struct log *l = h->log;

	int r = segment_open(s, l->dir_fd, l->path, l->segments[i], NULL, false, err);
	return r == EVLOG_EDAMAGED
		   ? segment_damaged(s, 0, s->first_seq, 0, err->reason, err)
		   : r;
}

uint64_t share_limit(const struct segment *s, const struct segment_header *next)
{
	uint64_t limit, ignored;

	segment_extent(s, next, &limit, &ignored);
	return limit;
}

/* Copies the first n bytes of a segment. */
static int segment_copy(
    struct share *h, const struct segment *s, uint64_t n, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(name, s->first_seq);
	int fd = openat(
	    h->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return error_sys(err, "%s/%s", h->dir, name);
	int bad = permissions_give(fd, h->mode);
	if (!bad && os_clone(s->fd, fd) == 0)
		bad = ftruncate(fd, (off_t)n);
	else if (!bad)
		bad = file_copy(s->fd, fd, n);
	if (!bad)
		bad = os_sync_data(fd);
	int r = bad ? error_sys(err, "%s/%s", h->dir, name) : 0;
	close(fd);
	h->copied++;
	h->bytes += n;
	return r;
}

/* Compares the checksums of all blocks before `limit` with events up to `upto`, and their
 * seqs.  Gets the last one that ends a commit; offset 0: none. */
static int blocks_check(
    struct segment *s, uint64_t limit, uint64_t upto, struct block *cut, evlog_error *err)
{
	uint64_t seq = s->first_seq;
	struct block b;
	const char *p;

	*cut = (struct block){0};
	for (uint64_t at = s->header.size; at < limit; at = block_end(&b)) {
		int r = segment_block(s, at, limit, AHEAD, &b, err);
		if (r == EVLOG_EDAMAGED)
			return segment_damaged(s, at, seq, 0, err->reason, err);
		if (!r && b.first_seq != seq)
			return segment_damaged(
			    s, at, seq, 0, "the block does not continue the log", err);
		if (!r && block_last_seq(&b) > upto)
			break;
		if (!r)
			r = segment_bytes(
			    s, at + b.header_size, b.packed_size, AHEAD, &p, err);
		if (r)
			return r;
		if (!p || hash64(p, b.packed_size) != b.packed_hash)
			return segment_damaged(s, at, seq, block_last_seq(&b),
			    "the checksum of a block does not match", err);
		if (b.flags & BLOCK_COMMIT)
			*cut = b;
		seq += b.count;
	}
	return 0;
}

/* Gives a sealed segment a second name, or copies it. */
static int segment_link(struct share *h, struct segment *s, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE];
	struct block ignored;
	struct stat st;

	if (fstat(s->fd, &st) < 0)
		return error_sys(err, "%s", s->path);
	if ((uint64_t)st.st_size < s->header.seal.end)
		return segment_damaged(s, (uint64_t)st.st_size, s->first_seq,
		    s->header.seal.last_seq, "the file is cut off", err);
	segment_name(name, s->first_seq);
	if (linkat(h->log->dir_fd, name, h->dir_fd, name, 0) == 0) {
		h->linked++;
		return 0;
	}
	int r = blocks_check(s, s->header.seal.end, SEQ_MAX, &ignored, err);
	return r ? r : segment_copy(h, s, (uint64_t)st.st_size, err);
}

/* Gets the last block of a segment, and what its header or its seal says of it. */
static int last_find(
    struct segment *s, uint64_t limit, struct block *last, evlog_error *err)
{
	const struct seal *seal = &s->header.seal;

	if (!segment_is_sealed(s))
		return blocks_check(s, limit, SEQ_MAX, last, err);
	int r = segment_block(s, seal->block, seal->end, 0, last, err);
	if (!r &&
	    (block_end(last) != seal->end || block_last_seq(last) != seal->last_seq ||
		memcmp(last->root, seal->root, HASH_SIZE) != 0))
		r = error_set(
		    err, EVLOG_EDAMAGED, "its header says something else of it");
	return r == EVLOG_EDAMAGED
		   ? segment_damaged(s, seal->block, seal->last_seq, 0, err->reason, err)
		   : r;
}

int successor_check(const struct log *l, const struct segment *s,
    const struct segment_header *next, const struct block *last, evlog_error *err)
{
	if (next->previous > s->first_seq && next->previous < next->first_seq)
		return segment_missing(
		    l->path, block_last_seq(last) + 1, next->tree.n, err);
	/* what it says of a sealed one is how that was before */
	bool sealed = segment_is_sealed(s);
	bool there = sealed || (next->previous_block == last->offset &&
				   next->previous_size == block_end(last));
	/* one that is to begin the log, once this one is removed, does not name it */
	bool named =
	    next->previous == s->first_seq || (sealed && next->flags & SEGMENT_TRIMMED);
	if (there && named && block_last_seq(last) == next->tree.n &&
	    memcmp(last->root, next->root, HASH_SIZE) == 0)
		return 0;
	return error_set(err, EVLOG_EDAMAGED,
	    "%s/%016" PRIu64 ".ndjson.zst: damaged: it does not continue the segment "
	    "before it; see RECOVERY in evlog(7)",
	    l->path, next->first_seq);
}

int share_whole(struct share *h, struct segment *s, const struct segment_header *next,
    evlog_error *err)
{
	uint64_t limit = share_limit(s, next);
	struct block last;

	int r = last_find(s, limit, &last, err);
	if (!r)
		r = successor_check(h->log, s, next, &last, err);
	if (r)
		return r;
	return segment_is_sealed(s) ? segment_link(h, s, err)
				    : segment_copy(h, s, limit, err);
}

int share_part(struct share *h, struct segment *s, uint64_t limit, uint64_t upto,
    struct block *cut, evlog_error *err)
{
	int r = blocks_check(s, limit, upto, cut, err);

	return r || !cut->offset ? r : segment_copy(h, s, block_end(cut), err);
}

void share_catalogues(const struct share *h, uint64_t upto)
{
	char name[CATALOGUE_NAME_SIZE];

	for (size_t i = 0; i < h->log->n_catalogues; i++) {
		const struct catalogue_span *c = &h->log->catalogues[i];
		if (c->last > upto)
			continue;
		catalogue_name(name, c->first, c->last);
		(void)!linkat(h->log->dir_fd, name, h->dir_fd, name, 0);
	}
}

/* ---- The tip ---- */

bool tip_has_root(const struct tip *t)
{
	return t->tree.n == t->seq && tree_has_root(&t->tree, t->root);
}

int tip_go_on(const struct share *at, const struct tip *t, uint64_t epoch,
    const unsigned char lineage[HASH_SIZE], evlog_error *err)
{
	struct segment_header h = {.first_seq = t->seq + 1,
	    .last_logtime = t->logtime,
	    .previous = t->segment,
	    .previous_size = t->size,
	    .previous_block = t->block,
	    .tree = t->tree};

	if (!tip_has_root(t))
		return error_set(err, EVLOG_EDAMAGED,
		    "%s: damaged: its events up to %" PRIu64
		    " do not have the root that it records",
		    at->log->path, t->seq);
	memcpy(h.root, t->root, HASH_SIZE);
	memcpy(h.lineage, lineage, HASH_SIZE);
	int r =
	    epoch_next(at->log->path, t->epoch > epoch ? t->epoch : epoch, &h.epoch, err);
	if (!r && os_random(h.id, ID_SIZE) < 0)
		r = error_sys(err, "random bytes");
	if (!r)
		r = segment_create(at->dir_fd, at->dir, at->mode, &h,
		    (struct view){NULL, 0}, false, err);
	return r ? r : log_end_at(at->dir_fd, at->dir, at->mode, &h, err);
}
