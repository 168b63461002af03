/* bignum.c - the big integers of libcrypto, loaded on first use. */
#include "json/bignum.h"
#include "base/library.h"

#include <pthread.h>

#define TEXT_OF(x) #x
#define TEXT(x)	   TEXT_OF(x)
#define SONAME	   "libcrypto.so." TEXT(OPENSSL_SHLIB_VERSION)

static struct bignums functions;
static bool loaded;

static void load(void)
{
#define X(name) "BN_" #name,
	static const char *const symbols[] = {BIGNUMS(X) "CRYPTO_free"};
#undef X

	loaded =
	    library_load(SONAME, symbols, sizeof symbols / sizeof *symbols, &functions);
}

const struct bignums *bn(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	return loaded ? &functions : NULL;
}
