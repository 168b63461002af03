/* library.h - shared libraries loaded on first use: some take longer to load than most
 * commands take to run. */
#ifndef BASE_LIBRARY_H
#define BASE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

/* Loads a library, never to be unloaded, and stores the addresses of n symbols in
 * `functions`, an array of n function pointers.  Returns false if the library or a symbol
 * is missing. */
bool library_load(
    const char *soname, const char *const *symbols, size_t n, void *functions);

#endif
