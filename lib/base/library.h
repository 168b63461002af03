/* library.h - shared libraries that are loaded when they are needed: some take longer to
 * load than most commands run, and few commands need them. */
#ifndef BASE_LIBRARY_H
#define BASE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

/* Loads a library, for good, and puts the addresses of n symbols into `functions`, which
 * has as many pointers.  false: it, or one of them, is not there. */
bool library_load(
    const char *soname, const char *const *symbols, size_t n, void *functions);

#endif
