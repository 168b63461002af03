/* decimal.h - exact decimal numbers of any size: no binary floats. */
#ifndef JSON_DECIMAL_H
#define JSON_DECIMAL_H

#include "json/scan.h"

/* coefficient / 10^scale.  Up to 37 digits in `small`; beyond, in `big` (of
 * json/bigint.h).  Zero-initialised it is 0. */
struct decimal {
	__int128 small;
	void *big; /* a mp_int; NULL: small counts */
	unsigned scale;
};

#define DECIMAL_EXPONENT_MAX 10000

/* Sets d to a JSON number.  false: its exponent or its digits are beyond 10,000 or, with
 * *failed, there is no memory; d is as it was. */
bool decimal_set(struct decimal *d, struct json_text number, bool *failed);

/* Whether a number has more than 400 zeros when it is written without an exponent: more
 * than any binary float, and much more than its text.  *failed: no memory. */
bool decimal_is_long(struct json_text number, bool *failed);

/* Adds a number that decimal_set does not take, or that is long, so that equal ones are
 * the same bytes: without zeros at its ends, and with an exponent.  One whose exponent
 * has more than 8 digits is added as it is. */
void decimal_write_far(struct buf *b, struct json_text number);

/* As decimal_set, for what arithmetic made of such numbers and decimal_write wrote, which
 * may be beyond its bounds. */
bool decimal_restore(struct decimal *d, struct json_text number, bool *failed);

/* Whether it has at most 10,000 digits, and as many places. */
bool decimal_fits(const struct decimal *d);

/* sum += x.  false: no memory; sum is as it was. */
bool decimal_add(struct decimal *sum, const struct decimal *x);

/* <0, 0, >0.  *failed: no memory. */
int decimal_compare(const struct decimal *a, const struct decimal *b, bool *failed);

/* Writes d as a JSON number without exponent or trailing zeros behind the point. */
void decimal_write(struct buf *b, const struct decimal *d);

/* out = a * b; out may be one of them.  false: more than 10,000 digits or, with *failed,
 * there is no memory; out is as it was. */
bool decimal_multiply(
    struct decimal *out, const struct decimal *a, const struct decimal *b, bool *failed);

/* out = a / b, b not 0, rounded half to even to 34 significant digits, as IEEE 754's
 * decimal128 has, or to a whole number if that has more; exact where these suffice.
 * false: no memory. */
bool decimal_divide(
    struct decimal *out, const struct decimal *a, const struct decimal *b);

/* To so many places behind the point, half to even.  false: no memory. */
bool decimal_round(struct decimal *d, unsigned places);

/* Bytes of memory that it has besides itself. */
size_t decimal_size(const struct decimal *d);

void decimal_negate(struct decimal *d);
bool decimal_is_zero(const struct decimal *d);
void decimal_free(struct decimal *d);

#endif
