/* merkle.h - the tree of RFC 6962, kept as its frontier. */
#ifndef STORE_MERKLE_H
#define STORE_MERKLE_H

#include "base/hash.h"

#include <stdbool.h>

#define MERKLE_MAX 53 /* hashes of a frontier: one a set bit of a seq */

/* The roots of the perfect subtrees of the first n leaves, largest first: one for
 * each bit set in n. */
struct merkle {
	uint64_t n;
	unsigned char at[MERKLE_MAX][HASH_SIZE];
};

/* How many hashes the frontier of n leaves has. */
unsigned merkle_count(uint64_t n);

/* The leaf of a line. */
int merkle_leaf(
    struct sha256 *s, const char *line, size_t len, unsigned char leaf[HASH_SIZE]);

int merkle_add_leaf(
    struct merkle *m, struct sha256 *s, const unsigned char leaf[HASH_SIZE]);

/* Adds the leaf of a line (without its newline).  0, or -1 if hashing failed. */
int merkle_add(struct merkle *m, struct sha256 *s, const char *line, size_t len);

/* Adds each line of p[0..len), whole lines with their newlines. */
int merkle_add_lines(struct merkle *m, struct sha256 *s, const char *p, size_t len);

/* The root of all n leaves; of none: SHA-256 of nothing. */
int merkle_root(const struct merkle *m, struct sha256 *s, unsigned char root[HASH_SIZE]);

#endif
