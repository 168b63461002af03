/*
 * vector.h - the inner loops of the scanner: they find the first byte of a kind, 16 bytes
 * at a time with SSE2 or NEON, otherwise (or with JSON_PORTABLE) 8 at a time in 64-bit
 * words.
 *
 *
 *   find_special  a quote, a backslash, below 0x20, above 0x7f: ends plain text
 *   find_bracket  a quote, or one of [ ] { }: changes the depth
 *   find_quote    a quote or a backslash: ends a valid string
 *
 * And block_mask marks every byte of a kind among 64.
 */
#ifndef JSON_VECTOR_H
#define JSON_VECTOR_H

#include "base/buf.h"

#if defined(__SSE2__) && !defined(JSON_PORTABLE)
#include <emmintrin.h>
#define VECTOR_KIND "sse2"
typedef __m128i vector;
#define VECTOR_STEP 1 /* mask bits for each byte */

static inline vector vector_load(const char *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline uint64_t vector_mask(vector hit)
{
	return (uint64_t)(unsigned)_mm_movemask_epi8(hit);
}

/* The comparison is signed, so bytes above 0x7f count as below 0x20 too. */
static inline uint64_t special_mask(const char *p)
{
	vector v = vector_load(p);
	vector quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
	vector slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
	vector other = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));

	return vector_mask(_mm_or_si128(_mm_or_si128(quote, slash), other));
}

static inline uint64_t bracket_mask(const char *p)
{
	vector v = vector_load(p);
	vector low = _mm_or_si128(v, _mm_set1_epi8(0x20)); /* [ becomes {, ] becomes } */
	vector quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
	vector open = _mm_cmpeq_epi8(low, _mm_set1_epi8('{'));
	vector close = _mm_cmpeq_epi8(low, _mm_set1_epi8('}'));

	return vector_mask(_mm_or_si128(_mm_or_si128(quote, open), close));
}

static inline uint64_t quote_mask(const char *p)
{
	vector v = vector_load(p);
	vector quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
	vector slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));

	return vector_mask(_mm_or_si128(quote, slash));
}

#define EQUAL_STEP 16
static inline uint64_t equal_mask(const char *p, char bits, char c)
{
	vector v = _mm_or_si128(vector_load(p), _mm_set1_epi8(bits));

	return vector_mask(_mm_cmpeq_epi8(v, _mm_set1_epi8(c)));
}

#elif defined(__ARM_NEON) && !defined(JSON_PORTABLE)
#include <arm_neon.h>
#define VECTOR_KIND "neon"
typedef uint8x16_t vector;
#define VECTOR_STEP 4

static inline vector vector_load(const char *p)
{
	return vld1q_u8((const uint8_t *)p);
}

/* NEON has no movemask: narrowing by four bits leaves a nibble for each byte. */
static inline uint64_t vector_mask(vector hit)
{
	uint8x8_t nibbles = vshrn_n_u16(vreinterpretq_u16_u8(hit), 4);

	return vget_lane_u64(vreinterpret_u64_u8(nibbles), 0);
}

static inline uint64_t special_mask(const char *p)
{
	vector v = vector_load(p);
	vector quote = vceqq_u8(v, vdupq_n_u8('"'));
	vector slash = vceqq_u8(v, vdupq_n_u8('\\'));
	vector other = vcltq_s8(vreinterpretq_s8_u8(v), vdupq_n_s8(0x20));

	return vector_mask(vorrq_u8(vorrq_u8(quote, slash), other));
}

static inline uint64_t bracket_mask(const char *p)
{
	vector v = vector_load(p);
	vector low = vorrq_u8(v, vdupq_n_u8(0x20));
	vector quote = vceqq_u8(v, vdupq_n_u8('"'));
	vector open = vceqq_u8(low, vdupq_n_u8('{'));
	vector close = vceqq_u8(low, vdupq_n_u8('}'));

	return vector_mask(vorrq_u8(vorrq_u8(quote, open), close));
}

static inline uint64_t quote_mask(const char *p)
{
	vector v = vector_load(p);
	vector quote = vceqq_u8(v, vdupq_n_u8('"'));
	vector slash = vceqq_u8(v, vdupq_n_u8('\\'));

	return vector_mask(vorrq_u8(quote, slash));
}

/* Three pairwise additions gather one bit for each byte. */
#define EQUAL_STEP  16
static inline uint64_t equal_mask(const char *p, char bits, char c)
{
	static const uint8_t place[16] = {
	    1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
	vector v = vorrq_u8(vector_load(p), vdupq_n_u8((uint8_t)bits));
	vector hit = vandq_u8(vceqq_u8(v, vdupq_n_u8((uint8_t)c)), vld1q_u8(place));
	uint8x8_t sum = vpadd_u8(vget_low_u8(hit), vget_high_u8(hit));

	sum = vpadd_u8(sum, sum);
	sum = vpadd_u8(sum, sum);
	return vget_lane_u16(vreinterpret_u16_u8(sum), 0);
}

#else
#define VECTOR_KIND "portable"
#endif

static inline bool is_special(unsigned char c)
{
	return c == '"' || c == '\\' || c < 0x20 || c > 0x7f;
}

static inline bool is_bracket(unsigned char c)
{
	return c == '"' || (c | 0x20) == '{' || (c | 0x20) == '}';
}

static inline bool is_quote(unsigned char c)
{
	return c == '"' || c == '\\';
}

#ifdef VECTOR_STEP

#define FIND(name, mask, test)                                                           \
	static inline const char *name(const char *p, const char *end)                   \
	{                                                                                \
		for (; end - p >= 16; p += 16) {                                         \
			uint64_t m = mask(p);                                            \
			if (m)                                                           \
				return p + __builtin_ctzll(m) / VECTOR_STEP;             \
		}                                                                        \
		while (p < end && !test((unsigned char)*p))                              \
			p++;                                                             \
		return p;                                                                \
	}

#else

/* Sets the high bit of each byte of x that equals c.  Only the lowest hit is exact, and
 * only that one is used ("Bit Twiddling Hacks", haszero). */
#define ONES		  UINT64_C(0x0101010101010101)
#define HIGHS		  UINT64_C(0x8080808080808080)
#define BYTES_ZERO(x)	  (((x)-ONES) & ~(x)&HIGHS)
#define BYTES_EQUAL(x, c) BYTES_ZERO((x) ^ (ONES * (c)))

static inline uint64_t word_load(const char *p)
{
	return get64(p);
}

static inline uint64_t special_mask(const char *p)
{
	uint64_t x = word_load(p);
	uint64_t control = (x - ONES * 0x20) & ~x & HIGHS;

	return BYTES_EQUAL(x, '"') | BYTES_EQUAL(x, '\\') | control | (x & HIGHS);
}

static inline uint64_t bracket_mask(const char *p)
{
	uint64_t x = word_load(p), low = x | ONES * 0x20;

	return BYTES_EQUAL(x, '"') | BYTES_EQUAL(low, '{') | BYTES_EQUAL(low, '}');
}

static inline uint64_t quote_mask(const char *p)
{
	uint64_t x = word_load(p);

	return BYTES_EQUAL(x, '"') | BYTES_EQUAL(x, '\\');
}

/* Exact in every byte.  The multiplication gathers the high bits. */
#define EQUAL_STEP	  8
static inline uint64_t equal_mask(const char *p, char bits, char c)
{
	uint64_t x = (word_load(p) | ONES * (uint8_t)bits) ^ ONES * (uint8_t)c;
	uint64_t hit = ~(((x & ~HIGHS) + ~HIGHS) | x) & HIGHS;

	return (hit >> 7) * UINT64_C(0x0102040810204080) >> 56;
}

#define FIND(name, mask, test)                                                           \
	static inline const char *name(const char *p, const char *end)                   \
	{                                                                                \
		for (; end - p >= 8; p += 8) {                                           \
			uint64_t m = mask(p);                                            \
			if (m)                                                           \
				return p + __builtin_ctzll(m) / 8;                       \
		}                                                                        \
		while (p < end && !test((unsigned char)*p))                              \
			p++;                                                             \
		return p;                                                                \
	}

#endif

FIND(find_special, special_mask, is_special)
FIND(find_bracket, bracket_mask, is_bracket)
FIND(find_quote, quote_mask, is_quote)

/* One bit for each of 64 bytes, the lowest for the first: whether the byte equals c after
 * or-ing it with `bits`. */
static inline uint64_t block_mask(const char *p, char bits, char c)
{
	uint64_t m = 0;

#pragma GCC unroll 8
	for (unsigned i = 0; i < 64; i += EQUAL_STEP)
		m |= equal_mask(p + i, bits, c) << i;
	return m;
}

#endif
