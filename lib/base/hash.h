/* hash.h - SHA-256 by nettle, XXH3 by libxxhash. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_SIZE 32

/* SHA-256 of parts after each other. */
struct hash_part {
	const void *p;
	size_t len;
};
void sha256(const struct hash_part *parts, size_t n, unsigned char out[HASH_SIZE]);

/* XXH3, 64 bits. */
uint64_t hash64(const void *p, size_t n);

/* The same with a seed that each process draws anew: for tables in memory, so that nobody
 * can choose keys that meet in one place.  Not for what is written or documented. */
uint64_t hash_table(const void *p, size_t n);

/* 64 lower-case digits and a NUL. */
void hash_hex(const unsigned char h[HASH_SIZE], char out[65]);

#endif
