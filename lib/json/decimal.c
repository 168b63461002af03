/*
 * decimal.c - exact decimal numbers.
 *
 * Amounts of money have few digits, so they are added as 128-bit integers with a
 * common scale.  Larger numbers use libtommath's integers of any size.
 */
#include "json/decimal.h"
#include "json/bigint.h"

#include <stdio.h>
#include <stdlib.h>

#define SMALL_DIGITS	 37    /* 10^37 < 2^126, so a sum of two fits */
#define DECIMAL_BITS_MAX 33219 /* of 10,000 digits */
#define DIGITS		 34
#define ZEROS		 400

static __int128 power_small(unsigned n)
{
	__int128 v = 1;

	while (n--)
		v *= 10;
	return v;
}

#define SMALL_LIMIT                                                                      \
	((__int128)UINT64_C(10000000000000000000) * 1000000000000000000) /* 10^37 */

static bool small_fits(__int128 v)
{
	return v < SMALL_LIMIT && v > -SMALL_LIMIT;
}

/* ---- Parts of a number's text ---- */

struct number {
	bool minus;
	struct buf digits; /* without leading zeros; empty: zero */
	long exponent;	   /* value = digits * 10^exponent */
};

static long exponent_read(const char *p, const char *end)
{
	bool minus = *p == '-';
	long v = 0;

	p += *p == '-' || *p == '+';
	for (; p < end && *p >= '0' && *p <= '9' && v < 100000000; p++)
		v = v * 10 + (*p - '0');
	return minus ? -v : v;
}

static bool number_read(struct number *n, struct json_text t, long most)
{
	const char *p = t.p, *end = t.p + t.len;
	bool fraction = false;
	long exponent = 0;

	*n = (struct number){.minus = *p == '-'};
	for (p += n->minus; p < end; p++) {
		if (*p == '.') {
			fraction = true;
			continue;
		}
		if ((*p | 0x20) == 'e') {
			exponent = exponent_read(p + 1, end);
			break;
		}
		n->exponent -= fraction;
		if (*p != '0' || n->digits.len)
			buf_putc(&n->digits, *p);
	}
	while (n->digits.len && n->digits.p[n->digits.len - 1] == '0') {
		n->digits.len--;
		n->exponent++;
	}
	n->exponent = n->digits.len ? n->exponent + exponent : 0;
	return !n->digits.failed && (long)n->digits.len <= most && n->exponent <= most &&
	       n->exponent >= -most;
}

/* The common case, without allocation: at most 18 digits and no exponent. */
static bool set_plain(struct decimal *d, struct json_text t)
{
	int64_t v = 0;
	unsigned scale = 0, digits = 0;
	bool minus = *t.p == '-', fraction = false;

	for (size_t i = minus; i < t.len; i++) {
		char c = t.p[i];
		if (c == '.') {
			fraction = true;
			continue;
		}
		if (c < '0' || c > '9' || ++digits > 18)
			return false;
		v = v * 10 + (c - '0');
		scale += fraction;
	}
	decimal_free(d);
	*d = (struct decimal){.small = minus ? -v : v, .scale = scale};
	return true;
}

/* ---- Big ones ---- */

static mp_int *big_of(const struct decimal *d)
{
	return d->big ? big_copy(d->big) : big_of_int128(d->small);
}

static mp_int *big_at_scale(const struct decimal *d, unsigned scale)
{
	mp_int *b = big_of(d);

	if (b && !big_shift(b, scale - d->scale)) {
		big_free(b);
		return NULL;
	}
	return b;
}

static bool set_number(struct decimal *d, struct number *n)
{
	unsigned scale = n->exponent < 0 ? (unsigned)-n->exponent : 0;
	unsigned zeros = n->exponent > 0 ? (unsigned)n->exponent : 0;
	struct decimal out = {.scale = scale};

	if (n->digits.len + zeros <= SMALL_DIGITS - 1) {
		for (size_t i = 0; i < n->digits.len; i++)
			out.small = out.small * 10 + (n->digits.p[i] - '0');
		out.small *= power_small(zeros);
		if (n->minus)
			out.small = -out.small;
	} else {
		mp_int *big = big_read(n->digits.p, n->digits.len);
		if (!big || !big_shift(big, zeros) ||
		    (n->minus && mp_neg(big, big) != MP_OKAY)) {
			big_free(big);
			return false;
		}
		out.big = big;
	}
	decimal_free(d);
	*d = out;
	return true;
}

static bool set_within(struct decimal *d, struct json_text t, long most, bool *failed)
{
	struct number n;

	*failed = false;
	if (set_plain(d, t))
		return true;
	bool usable = number_read(&n, t, most);
	*failed = n.digits.failed || (usable && !set_number(d, &n));
	buf_free(&n.digits);
	return usable && !*failed;
}

bool decimal_set(struct decimal *d, struct json_text t, bool *failed)
{
	return set_within(d, t, DECIMAL_EXPONENT_MAX, failed);
}

bool decimal_is_long(struct json_text t, bool *failed)
{
	struct number n;

	if (t.len <= ZEROS && !memchr(t.p, 'e', t.len) && !memchr(t.p, 'E', t.len))
		return false;
	(void)number_read(&n, t, 0);
	*failed |= n.digits.failed;
	bool is_long = n.exponent > ZEROS || n.exponent < -ZEROS - (long)n.digits.len;
	buf_free(&n.digits);
	return is_long;
}

void decimal_write_far(struct buf *b, struct json_text t)
{
	const char *e = memchr(t.p, 'e', t.len), *end = t.p + t.len;
	struct number n;

	if (!e)
		e = memchr(t.p, 'E', t.len);
	for (e = e ? e + 1 : end; e < end && strchr("+-0", *e); e++)
		;
	if (end - e > 8) {
		buf_add(b, t.p, t.len);
		return;
	}
	(void)number_read(&n, t, 0);
	b->failed |= n.digits.failed;
	if (n.minus && n.digits.len)
		buf_putc(b, '-');
	buf_add(b, n.digits.len ? n.digits.p : "0", n.digits.len ? n.digits.len : 1);
	if (n.exponent)
		buf_printf(b, "e%ld", n.exponent);
	buf_free(&n.digits);
}

bool decimal_restore(struct decimal *d, struct json_text t, bool *failed)
{
	return set_within(d, t, 8 * DECIMAL_EXPONENT_MAX, failed);
}

size_t decimal_size(const struct decimal *d)
{
	/* the digits, and what libtommath and malloc add to them */
	return d->big ? (size_t)mp_count_bits(d->big) / 7 + 64 : 0;
}

bool decimal_fits(const struct decimal *d)
{
	return d->scale <= DECIMAL_EXPONENT_MAX &&
	       (!d->big || mp_count_bits(d->big) <= DECIMAL_BITS_MAX);
}

static bool add_big(struct decimal *sum, const struct decimal *x, unsigned scale)
{
	mp_int *a = big_at_scale(sum, scale), *b = big_at_scale(x, scale);
	bool good = a && b && mp_add(a, b, a) == MP_OKAY;

	big_free(b);
	if (!good) {
		big_free(a);
		return false;
	}
	big_free(sum->big);
	*sum = (struct decimal){.big = a, .scale = scale};
	return true;
}

/* v *= 10^n, if that fits. */
static bool small_shift(__int128 *v, unsigned n)
{
	if (n >= SMALL_DIGITS)
		return *v == 0;
	for (; n; n--) {
		if (*v > SMALL_LIMIT / 10 || *v < -SMALL_LIMIT / 10)
			return false;
		*v *= 10;
	}
	return true;
}

bool decimal_add(struct decimal *sum, const struct decimal *x)
{
	unsigned scale = sum->scale > x->scale ? sum->scale : x->scale;
	__int128 a = sum->small, b = x->small;

	if (!sum->big && !x->big && small_shift(&a, scale - sum->scale) &&
	    small_shift(&b, scale - x->scale) && small_fits(a + b)) {
		sum->small = a + b;
		sum->scale = scale;
		return true;
	}
	return add_big(sum, x, scale);
}

int decimal_compare(const struct decimal *a, const struct decimal *b, bool *failed)
{
	unsigned scale = a->scale > b->scale ? a->scale : b->scale;
	__int128 x = a->small, y = b->small;

	*failed = false;
	if (!a->big && !b->big && small_shift(&x, scale - a->scale) &&
	    small_shift(&y, scale - b->scale))
		return (x > y) - (x < y);
	mp_int *p = big_at_scale(a, scale), *q = big_at_scale(b, scale);
	*failed = !p || !q;
	int c = *failed ? 0 : mp_cmp(p, q);
	big_free(p);
	big_free(q);
	return c;
}

/* Writes digits with a point `scale` places from the end, without trailing zeros after
 * it. */
static void digits_write(struct buf *b, bool minus, const char *digits, unsigned scale)
{
	size_t n = strlen(digits);

	while (scale && n && digits[n - 1] == '0') {
		n--;
		scale--;
	}
	if (minus && n)
		buf_putc(b, '-');
	if (n <= scale) {
		buf_putc(b, '0');
		if (n == 0)
			return;
		buf_putc(b, '.');
		for (size_t i = n; i < scale; i++)
			buf_putc(b, '0');
		buf_add(b, digits, n);
		return;
	}
	buf_add(b, digits, n - scale);
	if (scale) {
		buf_putc(b, '.');
		buf_add(b, digits + n - scale, scale);
	}
}

static void write_big(struct buf *b, const mp_int *v, unsigned scale)
{
	struct buf digits = {0};

	big_write(&digits, v);
	buf_putc(&digits, '\0');
	if (digits.failed)
		b->failed = true;
	else
		digits_write(b, mp_isneg(v), digits.p, scale);
	buf_free(&digits);
}

void decimal_write(struct buf *b, const struct decimal *d)
{
	char text[48], *p = text + sizeof text - 1;
	bool minus = d->small < 0;
	unsigned __int128 v =
	    minus ? -(unsigned __int128)d->small : (unsigned __int128)d->small;

	if (d->big) {
		write_big(b, d->big, d->scale);
		return;
	}
	*p = '\0';
	for (; v; v /= 10)
		*--p = (char)('0' + (int)(v % 10));
	if (!*p)
		buf_putc(b, '0');
	else
		digits_write(b, minus, p, d->scale);
}

static long digit_count(const mp_int *v)
{
	struct buf digits = {0};

	big_write(&digits, v);
	long n = digits.failed ? -1 : digits.len ? (long)digits.len : 1;
	buf_free(&digits);
	return n;
}

/* a /= 10^cut, rounded half to even; a must not be negative.  `more`: digits after the
 * end of a have been dropped before, so a half is more than a half. */
static bool cut_off(mp_int *a, unsigned cut, bool more)
{
	mp_int *unit = big_power(cut), *rem = big_new();
	bool good = unit && rem && mp_div(a, unit, a, rem) == MP_OKAY &&
		    mp_mul_2(rem, rem) == MP_OKAY;
	int half = good ? mp_cmp(rem, unit) : 0; /* what is cut against half a unit */
	bool up = half > 0 || (half == 0 && (more || mp_isodd(a)));

	big_free(unit);
	big_free(rem);
	return good && (!up || mp_add_d(a, 1, a) == MP_OKAY);
}

/* a / n 10^scale as an integer with DIGITS digits and its own scale.  First a quotient of
 * more digits, at least one behind the point; then those too many are cut off. */
static bool quotient(mp_int *a, const mp_int *n, unsigned *scale)
{
	mp_int *rem = big_new();
	long by = digit_count(n), of = digit_count(a), shift = DIGITS + 1 + by - of;
	bool good = rem && by > 0 && of > 0;

	if (shift < 1)
		shift = 1;
	good = good && big_shift(a, (unsigned)shift) && mp_div(a, n, a, rem) == MP_OKAY;
	if (good) {
		long digits = digit_count(a), cut = digits - DIGITS;
		good = digits > 0;
		*scale += (unsigned)shift;
		if (cut > (long)*scale)
			cut = (long)*scale;
		if (good && cut > 0) {
			good = cut_off(a, (unsigned)cut, !mp_iszero(rem));
			*scale -= (unsigned)cut;
		}
	}
	big_free(rem);
	return good;
}

/* Takes over v. */
static void set_big(struct decimal *d, mp_int *v, unsigned scale)
{
	big_free(d->big);
	*d = (struct decimal){.big = v, .scale = scale};
}

bool decimal_divide(struct decimal *out, const struct decimal *a, const struct decimal *b)
{
	mp_int *p = big_at_scale(a, a->scale > b->scale ? a->scale : b->scale);
	mp_int *q = big_of(b);
	unsigned scale = a->scale > b->scale ? a->scale - b->scale : 0;
	bool good = p && q, minus = good && mp_isneg(p) != mp_isneg(q);

	good = good && mp_abs(p, p) == MP_OKAY && mp_abs(q, q) == MP_OKAY &&
	       quotient(p, q, &scale) && (!minus || mp_neg(p, p) == MP_OKAY);
	if (good) {
		set_big(out, p, scale);
		good = decimal_round(out, DECIMAL_EXPONENT_MAX);
	} else {
		big_free(p);
	}
	big_free(q);
	return good;
}

bool decimal_multiply(
    struct decimal *out, const struct decimal *a, const struct decimal *b, bool *failed)
{
	unsigned scale = a->scale + b->scale;
	__int128 small;

	*failed = false;
	if (scale > DECIMAL_EXPONENT_MAX)
		return false;
	if (!a->big && !b->big && !__builtin_mul_overflow(a->small, b->small, &small) &&
	    small_fits(small)) {
		for (; scale && small % 10 == 0; scale--)
			small /= 10;
		decimal_free(out);
		*out = (struct decimal){.small = small, .scale = scale};
		return true;
	}
	mp_int *p = big_of(a), *q = big_of(b);
	*failed = !p || !q || mp_mul(p, q, p) != MP_OKAY;
	bool good = !*failed && mp_count_bits(p) <= DECIMAL_BITS_MAX;
	if (good)
		set_big(out, p, scale);
	else
		big_free(p);
	big_free(q);
	return good;
}

void decimal_negate(struct decimal *d)
{
	d->small = -d->small;
	if (d->big)
		(void)(mp_neg(d->big, d->big) == MP_OKAY); /* in place it cannot fail */
}

bool decimal_is_zero(const struct decimal *d)
{
	return d->big ? mp_iszero((const mp_int *)d->big) : d->small == 0;
}

bool decimal_round(struct decimal *d, unsigned places)
{
	if (d->scale <= places)
		return true;
	mp_int *a = big_of(d);
	bool minus = a && mp_isneg(a);
	bool good = a && mp_abs(a, a) == MP_OKAY &&
		    cut_off(a, d->scale - places, false) &&
		    (!minus || mp_neg(a, a) == MP_OKAY);
	if (good)
		set_big(d, a, places);
	else
		big_free(a);
	return good;
}

void decimal_free(struct decimal *d)
{
	big_free(d->big);
	*d = (struct decimal){0};
}
