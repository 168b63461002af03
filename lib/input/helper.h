/*
 * helper.h - unpacks through a separate program, evlog-unpack.
 *
 * Archives, and compressions other than gzip and zstd, are read by large libraries, and
 * the data may come from anywhere.  So they run in a process that can open no file, reach
 * no network and take only so much memory.
 */
#ifndef INPUT_HELPER_H
#define INPUT_HELPER_H

#include "input/input.h"
#include "input/stage.h"

/* Starts the helper and creates a stage over in->top that decompresses `kind`, or, for
 * HELPER_ARCHIVE, delivers the members of an archive; call helper_next first.  If in->top
 * reads a regular file, the helper gets the file, and in->top is not read any more.
 * Returns EVLOG_EAWAY if evlog-unpack is not installed; after a failure *s is NULL. */
int helper_new(
    struct stage **s, struct evlog_input *in, const char *kind, evlog_error *err);

#define HELPER_ARCHIVE "archive"
#define HELPER_PACK    "pack" /* makes a tar file of what in->top describes */

/* Goes to the next regular file in the archive.  *member is its name, valid until the
 * next call, or NULL if the input is not an archive after all.  Returns EVLOG_END if
 * there is no further file. */
int helper_next(struct stage *s, const char **member, evlog_error *err);

#endif
