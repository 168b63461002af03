/*
 * archive.h - archives, and the rarer compressions, by libarchive.
 *
 * libarchive ends where the archive's own mark is; what follows may only be zero bytes,
 * and that is seen to here, as far as it can be told.
 */
#ifndef INPUT_ARCHIVE_H
#define INPUT_ARCHIVE_H

#include "input/stage.h"

/* Whether data that begins so is compressed in a way that libarchive reads, and not
 * decode.c: lzip, compress(1). */
bool archive_is_filter(const char *p, size_t n);

/* A stage that decompresses it. */
int archive_filter_new(struct stage **s, struct stage *below, evlog_error *err);

/* A stage whose bytes are those of one member after the other, beginning with none.
 * seekable: the file `fd` is regular, which allows more formats. */
int archive_new(
    struct stage **s, struct stage *below, bool seekable, int fd, evlog_error *err);

/* Goes to the next regular file.  *member: its name; NULL: it is no archive after all.
 * EVLOG_END: there is none. */
int archive_next(struct stage *s, const char **member, evlog_error *err);

#endif
