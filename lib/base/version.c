/* version.c - which version of the library this is. */
#include "evlog.h"

const char *evlog_version(void)
{
	return EVLOG_VERSION;
}
