/* hash.c - SHA-256 by libcrypto, XXH3 by libxxhash. */
#include "base/hash.h"

/* SHA256_Init and its like: libcrypto would rather have EVP used, but its context takes a
 * millisecond to make, as long as all else that a short command does, and half as long
 * again for a short line; these need no memory, and do not fail. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <xxhash.h>

void sha256(const struct hash_part *parts, size_t n, unsigned char out[HASH_SIZE])
{
	SHA256_CTX c;

	SHA256_Init(&c);
	for (size_t i = 0; i < n; i++)
		SHA256_Update(&c, parts[i].p, parts[i].len);
	SHA256_Final(out, &c);
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
