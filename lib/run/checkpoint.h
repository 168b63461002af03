/* checkpoint.h - the file that says how far a consumer has come. */
#ifndef RUN_CHECKPOINT_H
#define RUN_CHECKPOINT_H

#include "evlog.h"

#include <sys/types.h>

struct checkpoint {
	struct evlog_position at; /* seq 0: before all events; log "": of no log yet */
	uint64_t generation;	  /* how often it was set by hand */
	struct evlog_position
	    emitted; /* what was appended with --emit; log "": nothing */
	int64_t written;
	char part[300];	 /* which part of the events: I/N PATH; "": all */
	char *selection; /* which events are taken: a JSON object; NULL: not known.  What
			  * was read is for checkpoint_free */
};

/* An open file, and the lock on it.  Zero-initialise, then fd = -1. */
struct checkpoint_file {
	const char *path;
	int fd;
	bool made;   /* by us, and nothing was written to it yet */
	mode_t mode; /* of a new file; 0: what umask says */
};

/* Reads the file; EVLOG_END: there is none, or nothing in it yet. */
int checkpoint_read(const char *path, struct checkpoint *c, evlog_error *err);

/* Takes the file for this process until it is closed, and reads it.  EVLOG_EBUSY: another
 * one has it.  EVLOG_END: it is new. */
int checkpoint_open(
    struct checkpoint_file *f, const char *path, struct checkpoint *c, evlog_error *err);

/* Replaces the file: temporary, fsync, rename; the lock goes over to the new one. */
int checkpoint_write(
    struct checkpoint_file *f, const struct checkpoint *c, evlog_error *err);

void checkpoint_free(struct checkpoint *c);
void checkpoint_close(struct checkpoint_file *f);

#endif
