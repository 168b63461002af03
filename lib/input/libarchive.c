/* libarchive.c - libarchive, loaded when a file asks for it. */
#include "input/libarchive.h"
#include "base/library.h"

#include <pthread.h>

#define SONAME "libarchive.so.13" /* since 3.0, of 2011 */

static struct libarchive functions;
static bool loaded;

static void load(void)
{
#define X(name) #name,
	static const char *const symbols[] = {LIBARCHIVE(X)};
#undef X

	loaded =
	    library_load(SONAME, symbols, sizeof symbols / sizeof *symbols, &functions);
}

const struct libarchive *libarchive(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	return loaded ? &functions : NULL;
}
