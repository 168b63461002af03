/* decoder_pool.h - blocks decompressed before their turn, on several threads, taken in
 * order. */
#ifndef READ_DECODER_POOL_H
#define READ_DECODER_POOL_H

#include "format/block.h"

struct decoder_pool;

/* `threads` beside the caller's, which helps where it would wait.  NULL: no memory. */
struct decoder_pool *decoder_pool_new(unsigned threads);
void decoder_pool_free(struct decoder_pool *a);

bool decoder_pool_has_room(const struct decoder_pool *a);

/* Hands in the next block, with its frame, which is copied.  false: no memory. */
bool decoder_pool_put(struct decoder_pool *a, const struct block *b, const char *packed);

/* The block that was handed in first; NULL: there is none. */
const struct block *decoder_pool_first(const struct decoder_pool *a);

/* Takes that one: its lines are exchanged with *lines.  Returns what block_unpack does.
 */
const char *decoder_pool_take(struct decoder_pool *a, struct buf *lines, bool *failed);

/* Drops all that was handed in. */
void decoder_pool_clear(struct decoder_pool *a);

#endif
