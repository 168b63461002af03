/* bignum.h - the big integers of libcrypto, loaded when a decimal has more digits than
 * fit into 128 bits: that takes a millisecond, and is rare. */
#ifndef JSON_BIGNUM_H
#define JSON_BIGNUM_H

#include <openssl/bn.h>

#define BIGNUMS(X)                                                                       \
	X(new)                                                                           \
	X(dup)                                                                           \
	X(bin2bn)                                                                        \
	X(dec2bn)                                                                        \
	X(free)                                                                          \
	X(CTX_new)                                                                       \
	X(CTX_free)                                                                      \
	X(add)                                                                           \
	X(add_word)                                                                      \
	X(bn2dec)                                                                        \
	X(cmp)                                                                           \
	X(div)                                                                           \
	X(exp)                                                                           \
	X(is_negative)                                                                   \
	X(is_odd)                                                                        \
	X(is_zero)                                                                       \
	X(lshift1)                                                                       \
	X(mul)                                                                           \
	X(num_bits)                                                                      \
	X(set_negative)                                                                  \
	X(set_word)

struct bignums {
#define X(name) __typeof__(BN_##name) *name;
	BIGNUMS(X)
#undef X
	__typeof__(CRYPTO_free) *release;
};

/* NULL: it cannot be loaded. */
const struct bignums *bn(void);

#endif
