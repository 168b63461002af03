/* merkle.h - the Merkle tree of RFC 6962, stored as its frontier. */
#ifndef FORMAT_MERKLE_H
#define FORMAT_MERKLE_H

#include "base/buf.h"
#include "base/hash.h"

#include <stdbool.h>

#define MERKLE_MAX 53 /* hashes in a frontier: at most one for each bit of a seq */

/* The roots of the perfect subtrees of the first n leaves, largest first: one for each
 * bit set in n. */
struct merkle {
	uint64_t n;
	unsigned char at[MERKLE_MAX][HASH_SIZE];
};

/* The number of hashes in the frontier of n leaves. */
unsigned merkle_count(uint64_t n);

/* Gets the leaf of a line, without its newline.  All code that hashes lines comes here.
 * leaves: the line is in a block with BLOCK_LEAVES, where a line of which only the leaf
 * is left says so after its stamp: "leafhash":"HEX64",  */
void merkle_leaf(
    const char *line, size_t len, bool leaves, unsigned char leaf[HASH_SIZE]);

/* A tile is the root of 256 leaves of which the first is leaf 256 k + 1. */
#define TILE_LEVEL  8
#define TILE_LEAVES (1u << TILE_LEVEL)

/* Adds a leaf.  Returns whether it completes a tile, and gets the tile, unless that is
 * NULL. */
bool merkle_add_leaf(
    struct merkle *m, const unsigned char leaf[HASH_SIZE], unsigned char tile[HASH_SIZE]);

/* Adds the leaves of a tile; m->n must be a multiple of TILE_LEAVES. */
void merkle_add_tile(struct merkle *m, const unsigned char tile[HASH_SIZE]);

/* How many tiles the leaves after `n`, up to `last`, complete. */
static inline uint64_t merkle_tiles(uint64_t n, uint64_t last)
{
	return last / TILE_LEAVES - n / TILE_LEAVES;
}

/* Adds each line of p[0..len): whole lines with their newlines.  Appends the tiles that
 * they complete to `tiles`, unless that is NULL. */
void merkle_add_lines(
    struct merkle *m, const char *p, size_t len, bool leaves, struct buf *tiles);

/* The root of all n leaves; for n == 0, SHA-256 of the empty string. */
void merkle_root(const struct merkle *m, unsigned char root[HASH_SIZE]);

#endif
