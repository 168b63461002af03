/*
 * helper.h - what is unpacked by evlog-unpack, a program of its own.
 *
 * Archives, and compressions other than gzip and zstd, are read by libraries that were
 * written for other purposes, and their bytes may come from anywhere.  A process that can
 * open no file, reach no network and take no more than so much memory reads them.
 */
#ifndef INPUT_HELPER_H
#define INPUT_HELPER_H

#include "input/input.h"
#include "input/stage.h"

/* A stage over in->top that decompresses this kind, or delivers the members of an archive
 * (HELPER_ARCHIVE), beginning with none.  If in->top reads a regular file, the helper
 * gets the file, and in->top is not read any more.  EVLOG_EAWAY: there is no helper. */
int helper_new(
    struct stage **s, struct evlog_input *in, const char *kind, evlog_error *err);

#define HELPER_ARCHIVE "archive"

/* Goes to the archive's next regular file.  *member: its name, which lives until the next
 * call; NULL: it is no archive after all.  EVLOG_END: there is none. */
int helper_next(struct stage *s, const char **member, evlog_error *err);

#endif
