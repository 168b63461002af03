/*
 * archive.h - the events that were removed from a log, in a folder of backups.
 *
 * Its folder "segments" has sealed segments, named FIRST-LAST-HASH.ndjson.zst; perhaps
 * those of several branches, and several times the same events.  Which ones come before
 * the log is decided by their roots, so nothing else there needs to be believed.
 */
#ifndef RECOVER_ARCHIVE_H
#define RECOVER_ARCHIVE_H

#include "format/segment.h"

#include <sys/stat.h>

struct archive;

#define ARCHIVE_SEPARATOR "::"

/* The length of DEST in a path of the form DEST::LOG; 0: it has another form, or there is
 * something of this name. */
size_t archive_in_path(const char *path);

#define ARCHIVE_STEM (2 * SEQ_DIGITS + 2 + 2 * HASH_SIZE)

/* Reads FIRST-LAST-HASH.  false: it is something else. */
bool archive_stem_read(
    const char *p, uint64_t *first, uint64_t *last, unsigned char hash[HASH_SIZE]);

/* Opens a folder of backups, the first n bytes of `path`.  EVLOG_ENOINPUT: it is none. */
int archive_open(struct archive **a, const char *path, size_t n, evlog_error *err);
void archive_close(struct archive *a);

/* Chooses the segments that lead to a log: `next` is the header of its first one.
 * EVLOG_EMISMATCH: none does.  EVLOG_EDAMAGED: one that may is damaged, or events are
 * missing between those that are there. */
int archive_join(struct archive *a, const char *log, const struct segment_header *next,
    evlog_error *err);

/* How many those are, and their first seqs, ascending. */
size_t archive_count(const struct archive *a);
uint64_t archive_first(const struct archive *a, size_t i);

/* Gets the rest of the name of one. */
void archive_get(
    const struct archive *a, size_t i, uint64_t *last, unsigned char hash[HASH_SIZE]);

/* The logtime of the last event before those. */
int64_t archive_removed(const struct archive *a);

/* Whether the log begins after this event, so that its segment is here. */
bool archive_has(const struct archive *a, uint64_t seq);

/* The same as segment_open; and fstat. */
int archive_segment(const struct archive *a, uint64_t first, const unsigned char *id,
    struct segment *s, evlog_error *err);
int archive_stat(const struct archive *a, uint64_t first, struct stat *st);

#endif
