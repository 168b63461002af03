/* options.h - structs of options that begin with their size, and may be of another
 * version of evlog.h than the library. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include "evlog.h"

/* Fills in our struct of `size` bytes from the caller's; given NULL: all is zero.
 * EVLOG_EUSAGE: he has not set its size, or uses what this version does not know. */
int options_take(void *ours, size_t size, const void *given, evlog_error *err);

/* EVLOG_EUSAGE, if something that a public function needs is not there. */
#define NEED(that, err)                                                                  \
	if (!(that))                                                                     \
	return options_bad(__func__, #that, err)

int options_bad(const char *function, const char *needed, evlog_error *err);

#endif
