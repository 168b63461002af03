/*
 * merkle.c - the Merkle tree of RFC 6962, section 2.1.
 *
 * A leaf is SHA-256(0x00 line), a node SHA-256(0x01 left right), split at the largest
 * power of two below n.  Adding a leaf works like incrementing a binary counter: each
 * carry joins two equal subtrees.  The root joins the frontier from its smallest end.
 */
#include "format/merkle.h"
#include "event/stamp.h"

#include <assert.h>
#include <string.h>

unsigned merkle_count(uint64_t n)
{
	return (unsigned)__builtin_popcountll(n);
}

static void node_hash(
    const unsigned char *left, const unsigned char *right, unsigned char out[HASH_SIZE])
{
	unsigned char node[1 + 2 * HASH_SIZE] = {1};

	memcpy(node + 1, left, HASH_SIZE);
	memcpy(node + 1 + HASH_SIZE, right, HASH_SIZE);
	sha256(&(struct hash_part){node, sizeof node}, 1, out);
}

void merkle_leaf(const char *line, size_t len, bool leaves, unsigned char leaf[HASH_SIZE])
{
	if (leaves && leafhash_read(line, len, leaf))
		return;
	sha256((struct hash_part[]){{"\0", 1}, {line, len}}, 2, leaf);
}

/* Adds the root of a perfect subtree of 2^level leaves: like incrementing a binary
 * counter, each carry joins two equal subtrees.  tile: gets the one of TILE_LEVEL. */
static bool subtree_add(struct merkle *m, unsigned level, const unsigned char *root,
    unsigned char tile[HASH_SIZE])
{
	unsigned char h[HASH_SIZE];
	unsigned top = merkle_count(m->n), at = level;

	assert(m->n < (UINT64_C(1) << MERKLE_MAX) - (UINT64_C(1) << level));
	memcpy(h, root, HASH_SIZE);
	for (uint64_t carry = m->n >> level; carry & 1; carry >>= 1) {
		node_hash(m->at[--top], h, h);
		if (++at == TILE_LEVEL && tile)
			memcpy(tile, h, HASH_SIZE);
	}
	memcpy(m->at[top], h, HASH_SIZE);
	m->n += UINT64_C(1) << level;
	return at >= TILE_LEVEL;
}

bool merkle_add_leaf(
    struct merkle *m, const unsigned char leaf[HASH_SIZE], unsigned char tile[HASH_SIZE])
{
	return subtree_add(m, 0, leaf, tile);
}

void merkle_add_tile(struct merkle *m, const unsigned char tile[HASH_SIZE])
{
	assert(m->n % TILE_LEAVES == 0);
	subtree_add(m, TILE_LEVEL, tile, NULL);
}

void merkle_add_lines(
    struct merkle *m, const char *p, size_t len, bool leaves, struct buf *tiles)
{
	unsigned char leaf[HASH_SIZE], tile[HASH_SIZE];
	const char *end = p + len;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = nl ? (size_t)(nl - p) : (size_t)(end - p);
		merkle_leaf(p, n, leaves, leaf);
		if (merkle_add_leaf(m, leaf, tile) && tiles)
			buf_add(tiles, tile, HASH_SIZE);
		p += n + 1;
	}
}

void merkle_root(const struct merkle *m, unsigned char root[HASH_SIZE])
{
	unsigned top = merkle_count(m->n);

	if (top == 0) {
		sha256(NULL, 0, root);
		return;
	}
	memcpy(root, m->at[--top], HASH_SIZE);
	while (top > 0)
		node_hash(m->at[--top], root, root);
}
