/* version.c - the version of the library. */
#include "evlog.h"

const char *evlog_version(void)
{
	return EVLOG_VERSION;
}
