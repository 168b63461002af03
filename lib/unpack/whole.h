/* whole.h - whether a zip or 7z file is whole: libarchive reads the parts that it finds,
 * and says nothing of the rest. */
#ifndef UNPACK_WHOLE_H
#define UNPACK_WHOLE_H

#include "evlog.h"

#define WHOLE_ANY UINT64_MAX

/* `format` as archive_format(3) says it; of others nothing is looked at.  *entries: how
 * many there must be, or WHOLE_ANY. */
int whole_check(
    int fd, int format, const char *name, uint64_t *entries, evlog_error *err);

#endif
