/* decimal.h - exact decimal numbers of any size, without binary floats. */
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

/* Sets d to a JSON number.  Returns false and leaves d unchanged if the number has an
 * exponent or digits beyond 10,000, or, with *failed set, if out of memory. */
bool decimal_set(struct decimal *d, struct json_text number, bool *failed);

/* Whether a number written without an exponent would have more than 400 zeros: more than
 * any binary float, and much longer than its text.  Sets *failed if out of memory. */
bool decimal_is_long(struct json_text number, bool *failed);

/* Appends a number that decimal_set refuses, or that is long, in one form for each value:
 * no zeros at either end, and an exponent.  A number whose exponent has more than 8
 * digits is appended as it is. */
void decimal_write_far(struct buf *b, struct json_text number);

/* Like decimal_set, for the output of decimal_write: arithmetic may have exceeded the
 * limits of decimal_set. */
bool decimal_restore(struct decimal *d, struct json_text number, bool *failed);

/* Whether it has at most 10,000 digits and at most 10,000 decimal places. */
bool decimal_fits(const struct decimal *d);

/* sum += x.  Returns false if out of memory; sum is then unchanged. */
bool decimal_add(struct decimal *sum, const struct decimal *x);

/* Returns <0, 0 or >0.  Sets *failed if out of memory. */
int decimal_compare(const struct decimal *a, const struct decimal *b, bool *failed);

/* Appends d as a JSON number without an exponent or trailing zeros after the point. */
void decimal_write(struct buf *b, const struct decimal *d);

/* out = a * b; out may be a or b.  Returns false and leaves out unchanged if the result
 * has more than 10,000 digits or, with *failed set, if out of memory. */
bool decimal_multiply(
    struct decimal *out, const struct decimal *a, const struct decimal *b, bool *failed);

/* out = a / b; b must not be 0.  Rounds half to even to 34 significant digits, like IEEE
 * 754 decimal128, or to an integer if that has more digits; exact if 34 digits suffice.
 * Returns false if out of memory. */
bool decimal_divide(
    struct decimal *out, const struct decimal *a, const struct decimal *b);

/* Rounds half to even to this many decimal places.  Returns false if out of memory. */
bool decimal_round(struct decimal *d, unsigned places);

/* The bytes of memory it uses in addition to the struct. */
size_t decimal_size(const struct decimal *d);

void decimal_negate(struct decimal *d);
bool decimal_is_zero(const struct decimal *d);
void decimal_free(struct decimal *d);

#endif
