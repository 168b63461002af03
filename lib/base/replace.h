/* replace.h - files replaced whole: a reader sees the old one or the new one. */
#ifndef BASE_REPLACE_H
#define BASE_REPLACE_H

#include <stdio.h>

/* Write to f; what goes wrong there is told at the end. */
struct replacement {
	FILE *f;
	char *temporary; /* beside the file */
	const char *path;
};

/* 0, or -1 with errno.  The path must live as long. */
int replacement_begin(struct replacement *r, const char *path);

/* Syncs it, gives it the file's name, and syncs that.  0; -1 with errno: the file is as
 * it was, or is the new one whole. */
int replacement_end(struct replacement *r);

/* Leaves the file as it was. */
void replacement_drop(struct replacement *r);

#endif
