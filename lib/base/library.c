/* library.c - shared libraries loaded on first use. */
#include "base/library.h"

#include <dlfcn.h>
#include <string.h>

bool library_load(
    const char *soname, const char *const *symbols, size_t n, void *functions)
{
	void *library = dlopen(soname, RTLD_LAZY | RTLD_LOCAL);

	for (size_t i = 0; i < n; i++) {
		void *symbol = library ? dlsym(library, symbols[i]) : NULL;
		if (!symbol)
			return false;
		memcpy((char *)functions + i * sizeof symbol, &symbol, sizeof symbol);
	}
	return true;
}
