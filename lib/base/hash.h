/* hash.h - SHA-256 by libcrypto, XXH3 by libxxhash. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_SIZE 32

/* A reusable SHA-256: EVP with a digest fetched once (an unfetched one costs
 * twice the hashing of a short line).  NULL: no memory, or no SHA-256. */
struct sha256;
struct sha256 *sha256_new(void);
void sha256_free(struct sha256 *s);

/* SHA-256 of up to three parts after each other; len 0 for none.  0, or -1. */
struct hash_part {
	const void *p;
	size_t len;
};
int sha256_parts(struct sha256 *s, const struct hash_part *parts, size_t n,
    unsigned char out[HASH_SIZE]);

/* XXH3, 64 bits. */
uint64_t hash64(const void *p, size_t n);

/* 64 lower-case digits and a NUL. */
void hash_hex(const unsigned char h[HASH_SIZE], char out[65]);

#endif
