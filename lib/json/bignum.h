/* bignum.h - the big integers of libcrypto, for decimals that do not fit into 128 bits.
 * The library is loaded on first use, because loading takes a millisecond and few need
 * it. */
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

/* The functions of libcrypto, or NULL if it cannot be loaded. */
const struct bignums *bn(void);

#endif
