/* checkpoint.h - the file that records how far a consumer has come. */
#ifndef RUN_CHECKPOINT_H
#define RUN_CHECKPOINT_H

#include "evlog.h"

#include <sys/types.h>

#define PLACES_MOST    256
#define PART_SIZE      300 /* as in struct evlog_lag */
#define TAKEOVERS_MOST 16

/* Where the receivers were that these have taken over from: an event of their shard I is
 * done if it is not after place I - 1. */
struct takeover {
	struct evlog_position *place;
	size_t shards;
	uint64_t last; /* the highest seq of the places */
};

struct checkpoint {
	/* One for each log that is read.  seq 0: before all events; log "": no log yet.
	 */
	struct evlog_position *place;
	size_t places;
	/* 0; one more each time that the checkpoint is reset.  If a reset creates it: the
	 * time in microseconds, because cursors of an earlier one may exist. */
	uint64_t generation;
	/* The end of the emit log after the last commit; log "": there was none. */
	struct evlog_position emitted;
	int64_t written;      /* when the file was written; EVLOG_TIME_MIN: unknown */
	char part[PART_SIZE]; /* the shard, as "I/N PATH"; "": all events */
	/* 0; else its receivers were replaced by so many others, and it is not to be used
	 * any more. */
	uint64_t resharded;
	struct takeover *takeover; /* those that are not passed yet */
	size_t takeovers;
	char *selection; /* a JSON object (selected.c); NULL: unknown */
};

/* An open checkpoint, which is locked.  Zero-initialise, then set fd to -1. */
struct checkpoint_file {
	const char *path;
	int fd;
	bool made;   /* this process has created it, and not written to it yet */
	mode_t mode; /* of a new file; 0: as umask says */
};

/* Reads a checkpoint without locking it.  Call checkpoint_free afterwards.  Returns
 * EVLOG_END if the file does not exist or is empty; it has no place then. */
int checkpoint_read(const char *path, struct checkpoint *c, evlog_error *err);

/* Opens the file, creating it with f->mode if it does not exist, locks it until
 * checkpoint_close, and reads it as checkpoint_read does.  `path` must outlive f. Returns
 * EVLOG_END if it is new or empty, EVLOG_EBUSY if another process has locked it. */
int checkpoint_open(
    struct checkpoint_file *f, const char *path, struct checkpoint *c, evlog_error *err);

/* Replaces the file atomically and durably, with the present time as `written`.  The lock
 * is held on the new file, too. */
int checkpoint_write(
    struct checkpoint_file *f, const struct checkpoint *c, evlog_error *err);

/* Makes room for places, all before the first event. */
int checkpoint_begin(struct checkpoint *c, size_t places, evlog_error *err);

/* Adds a copy of a takeover. */
int checkpoint_take_over(
    struct checkpoint *c, const struct takeover *t, evlog_error *err);

/* Drops the takeovers that lie behind the place; `all`: all of them. */
void checkpoint_pass(struct checkpoint *c, bool all);

/* Frees what checkpoint_read or checkpoint_open has allocated; *c is then empty. */
void checkpoint_free(struct checkpoint *c);

/* Releases the lock.  Removes the file if this process has created it and written nothing
 * to it. */
void checkpoint_close(struct checkpoint_file *f);

#endif
