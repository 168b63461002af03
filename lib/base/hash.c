/* hash.c - SHA-256 by libcrypto, XXH3 by libxxhash. */
#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <xxhash.h>

/* A library context of its own: no configuration file is read, no global state is made,
 * and a failed allocation is an error (the default context is used unchecked). */
struct sha256 {
	OSSL_LIB_CTX *library;
	EVP_MD *md;
	EVP_MD_CTX *ctx;
};

struct sha256 *sha256_new(void)
{
	struct sha256 *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->library = OSSL_LIB_CTX_new();
	s->md = s->library ? EVP_MD_fetch(s->library, "SHA256", NULL) : NULL;
	s->ctx = EVP_MD_CTX_new();
	if (!s->md || !s->ctx) {
		sha256_free(s);
		return NULL;
	}
	return s;
}

void sha256_free(struct sha256 *s)
{
	if (!s)
		return;
	EVP_MD_CTX_free(s->ctx);
	EVP_MD_free(s->md);
	OSSL_LIB_CTX_free(s->library);
	free(s);
}

int sha256_parts(struct sha256 *s, const struct hash_part *parts, size_t n,
    unsigned char out[HASH_SIZE])
{
	if (EVP_DigestInit_ex2(s->ctx, s->md, NULL) != 1)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (EVP_DigestUpdate(s->ctx, parts[i].p, parts[i].len) != 1)
			return -1;
	return EVP_DigestFinal_ex(s->ctx, out, NULL) == 1 ? 0 : -1;
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
