/* hash.c - SHA-256 from nettle, XXH3 from libxxhash. */
#include "base/hash.h"
#include "base/file.h"
#include "base/os.h"

#include <stdatomic.h>
#include <string.h>
#include <xxhash.h>

void sha256(const struct hash_part *parts, size_t n, unsigned char out[HASH_SIZE])
{
	struct sha256_ctx c;

	sha256_init(&c);
	for (size_t i = 0; i < n; i++)
		sha256_update(&c, parts[i].len, parts[i].p);
	sha256_digest(&c, HASH_SIZE, out);
}

void sha256_begin(struct sha256_stream *s)
{
	sha256_init(&s->state);
}

void sha256_add(struct sha256_stream *s, const void *p, size_t n)
{
	sha256_update(&s->state, n, p);
}

void sha256_end(struct sha256_stream *s, unsigned char out[HASH_SIZE])
{
	sha256_digest(&s->state, HASH_SIZE, out);
}

uint64_t hash64(const void *p, size_t n)
{
	return XXH3_64bits(p, n);
}

/* The library's only global state.  It depends on nothing that was done before. */
static _Atomic uint64_t seed;

static uint64_t seed_draw(void)
{
	uint64_t fresh = 0, none = 0;

	if (os_random(&fresh, sizeof fresh) < 0) /* still hard to guess */
		fresh = (uint64_t)file_clock() ^ (uint64_t)(uintptr_t)&fresh;
	fresh |= 1;
	return atomic_compare_exchange_strong(&seed, &none, fresh) ? fresh : none;
}

uint64_t hash_table(const void *p, size_t n)
{
	uint64_t s = atomic_load_explicit(&seed, memory_order_relaxed);

	return XXH3_64bits_withSeed(p, n, s ? s : seed_draw());
}

void hex_write(char *out, const unsigned char *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * n] = '\0';
}

void hash_hex(const unsigned char h[HASH_SIZE], char out[65])
{
	hex_write(out, h, HASH_SIZE);
}

static int digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

bool hash_is_none(const unsigned char h[HASH_SIZE])
{
	static const unsigned char none[HASH_SIZE];

	return memcmp(h, none, HASH_SIZE) == 0;
}

bool hex_read(unsigned char *out, const char *digits, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int high = digit(digits[2 * i]);
		int low = high < 0 ? -1 : digit(digits[2 * i + 1]);
		if (low < 0)
			return false;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}
