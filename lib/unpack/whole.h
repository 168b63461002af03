/* whole.h - checks that a zip or 7z file is complete: libarchive reads the parts that it
 * finds, and ignores the rest. */
#ifndef UNPACK_WHOLE_H
#define UNPACK_WHOLE_H

#include "evlog.h"

#define WHOLE_ANY UINT64_MAX

/* Checks the file.  `format` is what archive_format(3) returns; formats other than zip
 * and 7z are not checked.  Sets *entries to the number of entries the archive must have,
 * or to WHOLE_ANY. */
int whole_check(
    int fd, int format, const char *name, uint64_t *entries, evlog_error *err);

#endif
