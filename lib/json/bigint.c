/* bigint.c - integers of any size, by libtommath. */
#include "json/bigint.h"

#include <stdlib.h>

/* Text is read and written so many digits at a time: as many as a mp_digit holds. */
#if MP_DIGIT_BIT >= 60
#define CHUNK	   18
#define CHUNK_UNIT UINT64_C(1000000000000000000)
#elif MP_DIGIT_BIT >= 28
#define CHUNK	   8
#define CHUNK_UNIT 100000000
#else
#error "libtommath was built with very small digits"
#endif

mp_int *big_new(void)
{
	mp_int *b = malloc(sizeof *b);

	if (b && mp_init(b) == MP_OKAY)
		return b;
	free(b);
	return NULL;
}

mp_int *big_copy(const mp_int *from)
{
	mp_int *b = malloc(sizeof *b);

	if (b && mp_init_copy(b, from) == MP_OKAY)
		return b;
	free(b);
	return NULL;
}

void big_free(mp_int *b)
{
	if (b)
		mp_clear(b);
	free(b);
}

mp_int *big_of_int128(__int128 v)
{
	unsigned __int128 rest = v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;
	unsigned char bytes[16];
	mp_int *b = big_new();

	for (int i = 15; i >= 0; i--, rest >>= 8)
		bytes[i] = (unsigned char)rest;
	if (b && mp_from_ubin(b, bytes, sizeof bytes) == MP_OKAY &&
	    (v >= 0 || mp_neg(b, b) == MP_OKAY))
		return b;
	big_free(b);
	return NULL;
}

mp_int *big_read(const char *digits, size_t n)
{
	mp_int *b = big_new();
	bool good = b != NULL;

	for (size_t i = 0; i < n && good;) {
		mp_digit chunk = 0, unit = 1;
		do {
			chunk = chunk * 10 + (mp_digit)(digits[i] - '0');
			unit *= 10;
		} while (++i < n && unit < CHUNK_UNIT);
		good =
		    mp_mul_d(b, unit, b) == MP_OKAY && mp_add_d(b, chunk, b) == MP_OKAY;
	}
	if (good)
		return b;
	big_free(b);
	return NULL;
}

void big_write(struct buf *out, const mp_int *v)
{
	mp_int *rest = big_copy(v);
	struct buf chunks = {0}; /* the last digits come first */
	mp_digit chunk;
	bool good = rest && mp_abs(rest, rest) == MP_OKAY;

	while (good && !mp_iszero(rest)) {
		good = mp_div_d(rest, CHUNK_UNIT, rest, &chunk) == MP_OKAY;
		buf_add(&chunks, (const char *)&chunk, sizeof chunk);
	}
	big_free(rest);
	bool first = true;
	for (size_t at = chunks.len; at && !chunks.failed && good; first = false) {
		at -= sizeof chunk;
		memcpy(&chunk, chunks.p + at, sizeof chunk);
		buf_printf(out, "%0*llu", first ? 0 : CHUNK, (unsigned long long)chunk);
	}
	out->failed |= chunks.failed || !good;
	buf_free(&chunks);
}

mp_int *big_power(unsigned n)
{
	mp_int *b = big_of_int128(1);
	bool good = b != NULL;
	unsigned bit = 1;

	while (bit <= n / 2)
		bit *= 2;
	for (; good && bit; bit /= 2)
		good = mp_sqr(b, b) == MP_OKAY &&
		       (!(n & bit) || mp_mul_d(b, 10, b) == MP_OKAY);
	if (good)
		return b;
	big_free(b);
	return NULL;
}

bool big_shift(mp_int *b, unsigned n)
{
	mp_int *factor = n ? big_power(n) : NULL;
	bool good = n == 0 || (factor && mp_mul(b, factor, b) == MP_OKAY);

	big_free(factor);
	return good;
}
