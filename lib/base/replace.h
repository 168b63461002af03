/* replace.h - replacing a file atomically: a reader sees the old one or the new one. */
#ifndef BASE_REPLACE_H
#define BASE_REPLACE_H

#include "evlog.h"

#include <stdio.h>
#include <sys/types.h>

/* Write to f; replacement_end reports write errors. */
struct replacement {
	FILE *f;
	char *temporary;  /* in the file's folder */
	const char *path; /* as the caller gave it */
	char *file;	  /* the same with symbolic links resolved */
};

/* Returns 0 if `path` does not exist or is a regular file, EVLOG_ECREATE if it is
 * something else: a device, a pipe or a folder is never replaced. */
int replacement_check(const char *path, evlog_error *err);

/* Opens a temporary file.  `path` must stay valid until the end.  An existing file keeps
 * its mode and, if this process is allowed to set them, its owner and group; a new one
 * gets `mode`, or, if that is 0, the default under umask. */
int replacement_begin(
    struct replacement *r, const char *path, mode_t mode, evlog_error *err);

/* Syncs the temporary file, renames it to `path`, and syncs the folder.  If it fails, the
 * file is the old one or the new one, complete.  Frees r in either case. */
int replacement_end(struct replacement *r, evlog_error *err);

/* Removes the temporary file and leaves the original alone. */
void replacement_drop(struct replacement *r);

#endif
