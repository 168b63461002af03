/* hash.c - SHA-256 by nettle, XXH3 by libxxhash. */
#include "base/hash.h"

#include <nettle/sha2.h>
#include <xxhash.h>

void sha256(const struct hash_part *parts, size_t n, unsigned char out[HASH_SIZE])
{
	struct sha256_ctx c;

	sha256_init(&c);
	for (size_t i = 0; i < n; i++)
		sha256_update(&c, parts[i].len, parts[i].p);
	sha256_digest(&c, HASH_SIZE, out);
}

uint64_t hash64(const void *p, size_t n)
{
	return XXH3_64bits(p, n);
}

void hash_hex(const unsigned char h[HASH_SIZE], char out[65])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < HASH_SIZE; i++) {
		out[2 * i] = digits[h[i] >> 4];
		out[2 * i + 1] = digits[h[i] & 15];
	}
	out[64] = '\0';
}
