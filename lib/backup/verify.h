/* verify.h - checks all lines of a segment against the roots in its blocks. */
#ifndef BACKUP_VERIFY_H
#define BACKUP_VERIFY_H

#include "recover/log.h"

/* Decompresses and hashes the blocks from offset `at`, where the log's tree is *tree, up
 * to `limit`.  Moves *tree, and gets the last block, unless there is none.
 * EVLOG_EDAMAGED: a block is not as it was written. */
int blocks_verify(struct segment *s, struct block_codec *c, uint64_t at, uint64_t limit,
    struct merkle *tree, struct block *last, evlog_error *err);

/* Whether the tree has this root. */
bool tree_has_root(const struct merkle *tree, const unsigned char root[HASH_SIZE]);

#endif
