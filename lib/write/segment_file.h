/*
 * segment_file.h - who replaces or removes the file of a segment.
 *
 * Whoever does that holds the lock on a work file (write/work_file.c) that is named after
 * the segment, and checks that the segment's name is still that of the file it has read.
 */
#ifndef WRITE_SEGMENT_FILE_H
#define WRITE_SEGMENT_FILE_H

#include "recover/log.h"

#define SEGMENT_LOCK_NAME 32

void segment_lock_name(char out[SEGMENT_LOCK_NAME], uint64_t first);

/* EVLOG_END: an open segment was replaced, or removed, before the lock was taken. */
int segment_file_check(const struct log *l, const struct segment *s, evlog_error *err);

/* Removes the file of a segment; fine if there is none.  EVLOG_END: another process has
 * the lock. */
int segment_file_remove(const struct log *l, uint64_t first, evlog_error *err);

/* Removes work files that were left over for segments before `first`, which are not there
 * any more. */
int segment_locks_remove(const struct log *l, uint64_t first, evlog_error *err);

#endif
