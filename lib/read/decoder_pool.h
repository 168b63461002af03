/* decoder_pool.h - blocks decompressed before their turn, on several threads, taken in
 * order. */
#ifndef READ_DECODER_POOL_H
#define READ_DECODER_POOL_H

#include "format/block.h"

struct ahead;

/* `threads` beside the caller's, which helps where it would wait.  NULL: no memory. */
struct ahead *ahead_new(unsigned threads);
void ahead_free(struct ahead *a);

bool ahead_has_room(const struct ahead *a);

/* Hands in the next block, with its frame, which is copied.  false: no memory. */
bool ahead_put(struct ahead *a, const struct block *b, const char *packed);

/* The block that was handed in first; NULL: there is none. */
const struct block *ahead_first(const struct ahead *a);

/* Takes that one: its lines are exchanged with *lines.  Returns what block_unpack does.
 */
const char *ahead_take(struct ahead *a, struct buf *lines, bool *failed);

/* Drops all that was handed in. */
void ahead_clear(struct ahead *a);

#endif
