/*
 * archive.h - archives, and the rarer compressions, by libarchive.
 *
 * libarchive ends where the archive's own mark is; what follows may only be zero bytes,
 * and that is seen to here, as far as it can be told.
 */
#ifndef UNPACK_ARCHIVE_H
#define UNPACK_ARCHIVE_H

#include "input/stage.h"

/* A stage that decompresses lzip, or compress(1)'s .Z. */
int archive_filter_new(struct stage **s, struct stage *below, evlog_error *err);

/* A stage whose bytes are those of one member after the other, beginning with none.
 * fd: the regular file that `below` reads, which allows formats that are read by going
 * back and forth; -1: there is none. */
int archive_new(struct stage **s, struct stage *below, int fd, evlog_error *err);

/* Goes to the next regular file.  *member: its name; NULL: it is no archive after all.
 * EVLOG_END: there is none. */
int archive_next(struct stage *s, const char **member, evlog_error *err);

#endif
