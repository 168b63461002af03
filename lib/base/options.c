/* options.c - structs of options that begin with their size. */
#include "base/options.h"
#include "base/error.h"

#include <string.h>

int options_take(void *ours, size_t size, const void *given, evlog_error *err)
{
	size_t theirs;

	memset(ours, 0, size);
	memcpy(ours, &size, sizeof size);
	if (!given)
		return 0;
	memcpy(&theirs, given, sizeof theirs);
	if (theirs < sizeof theirs || theirs > 64 * size)
		return error_set(err, EVLOG_EUSAGE,
		    "options without their size: set .size to sizeof of the struct");
	for (size_t i = size; i < theirs; i++)
		if (((const char *)given)[i])
			return error_set(err, EVLOG_EUSAGE,
			    "an option that evlog " EVLOG_VERSION
			    " does not know: the program was built for a newer version");
	memcpy(ours, given, theirs < size ? theirs : size);
	memcpy(ours, &size, sizeof size);
	return 0;
}

int options_bad(const char *function, const char *needed, evlog_error *err)
{
	return error_set(err, EVLOG_EUSAGE, "%s: bad use: it needs %s", function, needed);
}
