/* options.c - what public functions check before they believe their caller. */
#include "base/options.h"
#include "base/error.h"

#include <string.h>

int options_take(
    void *ours, size_t size, size_t least, const void *given, evlog_error *err)
{
	size_t theirs;

	memset(ours, 0, size);
	memcpy(ours, &size, sizeof size);
	if (!given)
		return 0;
	memcpy(&theirs, given, sizeof theirs);
	if (theirs < least || theirs > 64 * size)
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

int options_bad(const char *function, const char *why, evlog_error *err)
{
	return error_set(err, EVLOG_EUSAGE, "%s: bad use: %s", function, why);
}

bool position_is_sound(const struct evlog_position *at)
{
	return memchr(at->log, '\0', sizeof at->log) &&
	       memchr(at->lineage, '\0', sizeof at->lineage) &&
	       memchr(at->root, '\0', sizeof at->root) &&
	       (!at->hashes ||
		   (at->hashes <= sizeof at->frontier / sizeof *at->frontier &&
		       at->hashes == (unsigned)__builtin_popcountll(at->seq)));
}
