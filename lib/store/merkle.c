/*
 * merkle.c - the Merkle tree of RFC 6962 section 2.1.
 *
 * leaf = SHA-256(0x00 line), node = SHA-256(0x01 left right), split at the largest
 * power of two below n.  A leaf is added as a binary counter is incremented: each
 * carry joins two equal subtrees.  The root joins the frontier from its smallest end.
 */
#include "store/merkle.h"

#include <string.h>

unsigned merkle_count(uint64_t n)
{
	return (unsigned)__builtin_popcountll(n);
}

static int node_hash(struct sha256 *s, const unsigned char *left,
    const unsigned char *right, unsigned char out[HASH_SIZE])
{
	unsigned char node[1 + 2 * HASH_SIZE] = {1};

	memcpy(node + 1, left, HASH_SIZE);
	memcpy(node + 1 + HASH_SIZE, right, HASH_SIZE);
	return sha256_parts(s, &(struct hash_part){node, sizeof node}, 1, out);
}

int merkle_leaf(
    struct sha256 *s, const char *line, size_t len, unsigned char leaf[HASH_SIZE])
{
	const struct hash_part parts[] = {{"\0", 1}, {line, len}};

	return sha256_parts(s, parts, 2, leaf);
}

int merkle_add_leaf(
    struct merkle *m, struct sha256 *s, const unsigned char leaf[HASH_SIZE])
{
	unsigned char h[HASH_SIZE];
	unsigned top = merkle_count(m->n);

	memcpy(h, leaf, HASH_SIZE);
	for (uint64_t carry = m->n; carry & 1; carry >>= 1)
		if (node_hash(s, m->at[--top], h, h) < 0)
			return -1;
	memcpy(m->at[top], h, HASH_SIZE);
	m->n++;
	return 0;
}

int merkle_add(struct merkle *m, struct sha256 *s, const char *line, size_t len)
{
	unsigned char leaf[HASH_SIZE];

	if (merkle_leaf(s, line, len, leaf) < 0)
		return -1;
	return merkle_add_leaf(m, s, leaf);
}

int merkle_add_lines(struct merkle *m, struct sha256 *s, const char *p, size_t len)
{
	const char *end = p + len;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = nl ? (size_t)(nl - p) : (size_t)(end - p);
		if (merkle_add(m, s, p, n) < 0)
			return -1;
		p += n + 1;
	}
	return 0;
}

int merkle_root(const struct merkle *m, struct sha256 *s, unsigned char root[HASH_SIZE])
{
	unsigned top = merkle_count(m->n);

	if (top == 0)
		return sha256_parts(s, NULL, 0, root);
	memcpy(root, m->at[--top], HASH_SIZE);
	while (top > 0)
		if (node_hash(s, m->at[--top], root, root) < 0)
			return -1;
	return 0;
}
