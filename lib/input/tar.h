/*
 * tar.h - makes tar archives, and gets the members of archives as they are.
 *
 * Both go through evlog-unpack (input/helper.h), so that only that program needs
 * libarchive.
 */
#ifndef INPUT_TAR_H
#define INPUT_TAR_H

#include "evlog.h"

/* A member of an archive that is to be made. */
struct tar_member {
	const char *name;
	uint64_t size; /* in bytes */
	int64_t time;  /* of its last change */
	int fd;	       /* its bytes are the first ones of this file; */
	int dir_fd;    /* or, if fd is -1, those of `file` in this folder, which is not */
	const char *file; /* opened before it is its turn, and must have this size, */
	uint64_t inode;	  /* or, if that is not 0, be this file, and not be shorter; */
	const char *p;	  /* or, if that is NULL, too, here */
};

/* Writes a tar file (pax) with these members in this order.  name: for messages.
 * EVLOG_EAWAY: evlog-unpack is missing.  EVLOG_EBUSY: a file does not have its size any
 * more. */
int tar_write(const char *name, const struct tar_member *member, size_t n,
    evlog_write_fn *write, void *arg, evlog_error *err);

struct evlog_input;

/* Opens an archive.  Close it with evlog_input_close. */
int tar_open(struct evlog_input **in, const char *path, evlog_error *err);

/* Goes to the next member.  *name is valid until the next call.  Returns EVLOG_END if
 * there is none. */
int tar_next(struct evlog_input *in, const char **name, evlog_error *err);

/* Gets more bytes of the member; *len 0: it ends here. */
int tar_read(struct evlog_input *in, const char **p, size_t *len, evlog_error *err);

#endif
