/* libarchive.c - libarchive, loaded when a file asks for it. */
#include "base/libarchive.h"
#include "base/error.h"

#include <dlfcn.h>
#include <stdio.h>

#define SONAME "libarchive.so.13" /* since 3.0, of 2011 */

int libarchive_load(struct libarchive *la, evlog_error *err)
{
	la->handle = dlopen(SONAME, RTLD_LAZY | RTLD_LOCAL);
	bool good = la->handle != NULL;

#define X(name) good = good && (la->name = dlsym(la->handle, #name)) != NULL;
	LIBARCHIVE(X)
#undef X
	if (good)
		return 0;
	const char *why = dlerror();
	return error_set(err, EVLOG_EIO, "libarchive, which reads such a file: %s",
	    why ? why : "cannot be loaded");
}

bool libarchive_support(
    const struct libarchive *la, struct archive *a, const char *const *names)
{
	bool good = a != NULL;

	for (; *names && good; names++) {
		char symbol[64];
		int (*support)(struct archive *);
		snprintf(symbol, sizeof symbol, "archive_read_support_%s", *names);
		support = dlsym(la->handle, symbol);
		/* or less well, with a warning; or not, being older than it */
		good = !support || support(a) > ARCHIVE_FAILED;
	}
	return good;
}
