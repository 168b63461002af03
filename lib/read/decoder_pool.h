/* decoder_pool.h - decompresses blocks ahead on several threads; they are taken in
 * order. */
#ifndef READ_DECODER_POOL_H
#define READ_DECODER_POOL_H

#include "event/select.h"
#include "format/block.h"

struct decoder_pool;

/* Starts `threads` threads; the caller's helps when it would have to wait.  sel: lines
 * that it does not want are dropped from a block, up to the first that cannot be
 * examined; NULL: none are.  Returns NULL if out of memory. */
struct decoder_pool *decoder_pool_new(
    unsigned threads, const struct evlog_selection *sel);
void decoder_pool_free(struct decoder_pool *a);

bool decoder_pool_has_room(const struct decoder_pool *a);

/* Appends a block with a copy of its frame.  Call only if there is room.  Returns false
 * if out of memory. */
bool decoder_pool_put(struct decoder_pool *a, const struct block *b, const char *packed);

/* The block to be taken next, or NULL. */
const struct block *decoder_pool_first(const struct decoder_pool *a);

/* Takes that block and swaps its lines with *lines.  Returns what block_unpack
 * returned. */
const char *decoder_pool_take(struct decoder_pool *a, struct buf *lines, bool *failed);

/* Drops all blocks. */
void decoder_pool_clear(struct decoder_pool *a);

/* Adds what the threads' conditions have counted to `total`, which has the same ones. */
void decoder_pool_count(struct decoder_pool *a, struct select *total);

#endif
