/* verify.c - checks all lines of a segment against the roots in its blocks. */
#include "backup/verify.h"
#include "base/error.h"

#define AHEAD (256u << 10) /* to read along */

bool tree_has_root(const struct merkle *tree, const unsigned char root[HASH_SIZE])
{
	unsigned char own[HASH_SIZE];

	merkle_root(tree, own);
	return memcmp(own, root, HASH_SIZE) == 0;
}

/* Checks the block at `at`, and moves the tree to its end.  EVLOG_EDAMAGED: only the
 * reason is set. */
static int block_verify(struct segment *s, struct block_codec *c, uint64_t at,
    uint64_t limit, struct merkle *tree, struct buf *lines, struct block *b,
    evlog_error *err)
{
	int r = segment_block(s, at, limit, AHEAD, b, err);

	if (r)
		return r;
	if (b->first_seq != tree->n + 1)
		return error_set(
		    err, EVLOG_EDAMAGED, "the block does not continue the log");
	if ((r = segment_unpack(s, c, b, lines, err)) != 0)
		return r;
	merkle_add_lines(tree, lines->p, lines->len, b->flags & BLOCK_LEAVES, NULL);
	return tree->n == block_last_seq(b) && tree_has_root(tree, b->root)
		   ? 0
		   : error_set(err, EVLOG_EDAMAGED, "the block's root does not match");
}

int blocks_verify(struct segment *s, struct block_codec *c, uint64_t at, uint64_t limit,
    struct merkle *tree, struct block *last, evlog_error *err)
{
	struct buf lines = {0};
	int r = 0;

	while (!r && at < limit) {
		uint64_t seq = tree->n + 1;
		r = block_verify(s, c, at, limit, tree, &lines, last, err);
		if (r == EVLOG_EDAMAGED)
			r = segment_damaged(s, at, seq, 0, err->reason, err);
		at = block_end(last);
	}
	buf_free(&lines);
	return r;
}
