/* replace.h - files replaced whole: a reader sees the old one or the new one. */
#ifndef BASE_REPLACE_H
#define BASE_REPLACE_H

#include "evlog.h"

#include <stdio.h>
#include <sys/types.h>

/* Write to f; what goes wrong there is told at the end. */
struct replacement {
	FILE *f;
	char *temporary;  /* beside the file */
	const char *path; /* as it was given, */
	char *file;	  /* and what it is, symbolic links followed */
};

/* Whether there is nothing at `path`, or a regular file: a device, a pipe or a folder is
 * never replaced.  EVLOG_ECREATE: it is something else. */
int replacement_check(const char *path, evlog_error *err);

/* The path must live as long.  A file that is replaced keeps its mode and, where this
 * process may give them, its owner and group; another one gets `mode`, or, with 0, what
 * umask says. */
int replacement_begin(
    struct replacement *r, const char *path, mode_t mode, evlog_error *err);

/* Syncs it, gives it the file's name, and syncs that.  On failure the file is as it was,
 * or is the new one whole. */
int replacement_end(struct replacement *r, evlog_error *err);

/* Leaves the file as it was. */
void replacement_drop(struct replacement *r);

#endif
