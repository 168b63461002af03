/* decimal.h - exact decimal numbers of any size: no binary floats. */
#ifndef JSON_DECIMAL_H
#define JSON_DECIMAL_H

#include "json/scan.h"

/* coefficient / 10^scale.  Up to 37 digits in `small`; beyond, in `big` (a BIGNUM of
 * libcrypto).  Zero-initialised it is 0. */
struct decimal {
	__int128 small;
	void *big; /* NULL: small counts */
	unsigned scale;
};

#define DECIMAL_EXPONENT_MAX 10000

/* Sets d to a JSON number.  false: its exponent or its digits are beyond 10,000 or, with
 * *failed, there is no memory; d is as it was. */
bool decimal_set(struct decimal *d, struct json_text number, bool *failed);

/* sum += x.  false: no memory; sum is as it was. */
bool decimal_add(struct decimal *sum, const struct decimal *x);

/* <0, 0, >0.  *failed: no memory. */
int decimal_compare(const struct decimal *a, const struct decimal *b, bool *failed);

/* Writes d as a JSON number without exponent or trailing zeros behind the point. */
void decimal_write(struct buf *b, const struct decimal *d);

/* Writes d / n, rounded half to even to 34 significant digits, as IEEE 754's decimal128
 * has; exact where these suffice. */
void decimal_write_quotient(struct buf *b, const struct decimal *d, uint64_t n);
void decimal_free(struct decimal *d);

#endif
