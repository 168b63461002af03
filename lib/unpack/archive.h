/*
 * archive.h - reads archives, and the rarer compressions, with libarchive.
 *
 * libarchive stops at the end mark of an archive.  Only zero bytes may follow it, which
 * is checked here as far as possible.
 */
#ifndef UNPACK_ARCHIVE_H
#define UNPACK_ARCHIVE_H

#include "input/stage.h"

/* Creates a stage that decompresses lzip or .Z, the format of compress(1). */
int archive_filter_new(struct stage **s, struct stage *below, evlog_error *err);

/* Creates a stage that delivers one member after the other; call archive_next first.  fd
 * is the regular file that `below` reads, which allows formats that need seeking; -1:
 * there is none. */
int archive_new(struct stage **s, struct stage *below, int fd, evlog_error *err);

/* Goes to the next regular file.  *member is its name, valid until the next call, or NULL
 * if the input is not an archive after all.  Returns EVLOG_END if there is no further
 * file. */
int archive_next(struct stage *s, const char **member, evlog_error *err);

#endif
