/*
 * bigint.h - integers of any size, for decimals that do not fit into 128 bits, by
 * libtommath.  What is made here is freed by big_free; NULL or false: no memory.
 */
#ifndef JSON_BIGINT_H
#define JSON_BIGINT_H

#include "base/buf.h"

#include <tommath.h>

mp_int *big_new(void); /* 0 */
mp_int *big_copy(const mp_int *b);
mp_int *big_of_int128(__int128 v);
void big_free(mp_int *b); /* NULL: does nothing */

/* Reads decimal digits. */
mp_int *big_read(const char *digits, size_t n);

/* Adds the decimal digits of the absolute value; of 0, none.  b->failed: no memory. */
void big_write(struct buf *b, const mp_int *v);

/* 10^n; and b * 10^n, in place. */
mp_int *big_power(unsigned n);
bool big_shift(mp_int *b, unsigned n);

#endif
