/*
 * id_code.c - encodes and decodes ids in a page; the bits are specified in
 * evlog-format(5), "Catalogues".
 *
 * The high parts of the fingerprints are in unary and grow from the front, so that
 * counting zeros finds those of one high part; the rest has a fixed width and grows from
 * the back.  (Elias, "Efficient Storage and Retrieval by Content and Address of Static
 * Files", 1974.)
 */
#include "format/id_code.h"
#include "base/buf.h"
#include "evlog.h"

#include <assert.h>

#define HIGH	 56 /* the bit at which high parts begin; before: how many ids, the base */
#define ALL_BITS (ID_BODY * 8)

uint64_t id_fingerprint(uint64_t id_key, uint64_t source_key)
{
	return id_key >> (64 - ID_BITS + ID_SOURCE) << ID_SOURCE |
	       source_key >> (64 - ID_SOURCE);
}

struct id_code id_code_for(uint64_t ids, uint64_t blocks)
{
	struct id_code c = {0};

	while (c.low_bits < ID_BITS && ids << (c.low_bits + 1) <= UINT64_C(1) << ID_BITS)
		c.low_bits++;
	while (blocks > UINT64_C(1) << c.block_bits)
		c.block_bits++;
	return c;
}

/* The bit at which the rest of id i begins. */
static unsigned rest_at(const struct id_code *c, unsigned i)
{
	return ALL_BITS - (i + 1) * (c->low_bits + c->block_bits);
}

/* The 57 bits or more from one on, the low ones first; what would be after the page is
 * zeros. */
static uint64_t bits_at(const unsigned char *body, unsigned bit)
{
	unsigned from = bit / 8 <= ID_BODY - 8 ? bit / 8 : ID_BODY - 8;

	return bit < ALL_BITS ? get64(body + from) >> (bit - 8 * from) : 0;
}

static void bits_put(unsigned char *body, unsigned bit, uint64_t v, unsigned width)
{
	unsigned char *p = body + bit / 8;

	/* by bytes, because the page may end behind it */
	for (unsigned in = bit % 8, left = in + width; width && left; p++, in = 0) {
		*p |= (unsigned char)(v << in);
		v >>= 8 - in;
		left -= left < 8 ? left : 8;
	}
}

bool id_put(const struct id_code *c, unsigned char body[ID_BODY], struct id_place *at,
    uint64_t fingerprint, uint32_t block)
{
	uint64_t base = at->n ? at->base : fingerprint;
	uint64_t high = (fingerprint - base) >> c->low_bits, zeros = high - at->high;
	unsigned bit = at->n ? at->bit : HIGH, rest = rest_at(c, at->n);
	const uint64_t low = (UINT64_C(1) << c->low_bits) - 1;

	assert(fingerprint >= base && high >= at->high && fingerprint >> ID_BITS == 0);
	if (zeros >= ALL_BITS || bit + zeros + 1 > rest || rest > ALL_BITS)
		return false;
	bit += (unsigned)zeros;
	body[bit / 8] |= (unsigned char)(1u << bit % 8);
	bits_put(body, rest, (fingerprint - base) & low, c->low_bits);
	bits_put(body, rest + c->low_bits, block, c->block_bits);
	*at =
	    (struct id_place){.n = at->n + 1, .bit = bit + 1, .high = high, .base = base};
	put64(body, at->n | base << 16 | (uint64_t)body[7] << 56);
	return true;
}

void id_first(const unsigned char body[ID_BODY], struct id_place *at)
{
	*at = (struct id_place){
	    .bit = HIGH, .base = get64(body) >> 16 & ((UINT64_C(1) << ID_BITS) - 1)};
}

void id_seek(const struct id_code *c, const unsigned char body[ID_BODY],
    struct id_place *at, uint64_t fingerprint)
{
	uint64_t wanted =
	    fingerprint > at->base ? (fingerprint - at->base) >> c->low_bits : 0;
	unsigned ids = get16(body);

	/* 32 bits at a time, as long as all of them are of lesser high parts */
	while (at->n < ids && at->bit + 32 <= ALL_BITS) {
		unsigned ones =
		    (unsigned)__builtin_popcount((uint32_t)bits_at(body, at->bit));
		if (at->high + (32 - ones) >= wanted)
			return;
		at->high += 32 - ones;
		at->n += ones;
		at->bit += 32;
	}
}

int id_take(const struct id_code *c, const unsigned char body[ID_BODY],
    struct id_place *at, uint64_t *fingerprint, uint32_t *block)
{
	const unsigned rest = rest_at(c, at->n);
	uint64_t v = 0;

	if (at->n >= get16(body))
		return EVLOG_END;
	while (at->bit < rest && rest < ALL_BITS + 1 &&
	       !(v = bits_at(body, at->bit) & UINT32_MAX)) {
		at->bit += 32;
		at->high += 32;
	}
	if (!v)
		return EVLOG_EDAMAGED;
	unsigned zeros = (unsigned)__builtin_ctzll(v);
	at->high += zeros;
	at->bit += zeros + 1;
	v = bits_at(body, rest);
	*fingerprint = at->base + (at->high << c->low_bits) +
		       (v & ((UINT64_C(1) << c->low_bits) - 1));
	v = bits_at(body, rest + c->low_bits);
	*block = (uint32_t)(v & ((UINT64_C(1) << c->block_bits) - 1));
	at->n++;
	return at->bit > rest || *fingerprint >> ID_BITS ? EVLOG_EDAMAGED : 0;
}
