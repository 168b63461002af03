/* repair_internal.h - what the parts of a repair share. */
#ifndef BACKUP_REPAIR_INTERNAL_H
#define BACKUP_REPAIR_INTERNAL_H

#include "backup/point.h"
#include "backup/share.h"
#include "read/reader.h"

struct repair {
	struct evlog_repair_options o;
	struct store store; /* fd -1: none */
	struct store_points points;
	struct evlog_writer *w; /* has the lock */
	struct log *log;
	struct block_codec *codec;
	struct log_identity replica;
	char *folder; /* where segments are made anew; NULL: not yet */
	int folder_fd;
	uint64_t replica_end; /* its last event */
	bool known;	      /* the tree at `tip` is that of the log */
	bool behind;	      /* there may be commits that head does not record */
	struct tip tip;
	struct evlog_repaired done;
};

/* The segment that is looked at, and what is said of its end. */
struct range {
	uint64_t first;
	uint64_t next; /* the segment after it whose header is sound; 0: there is none */
	uint64_t own;  /* the last event before the file after it, whatever that is */
	uint64_t last; /* what `next`, or head, attests: the event before it, */
	unsigned char root[HASH_SIZE];	 /* and the root after that */
	struct segment_header successor; /* size 0: not known */
};

/* Finds the range that begins with event `first`. */
int range_find(struct repair *t, uint64_t first, struct range *g, evlog_error *err);

/* Checks the segment of the log with which a range begins, and moves the tip to its end.
 * EVLOG_EDAMAGED: it is not sound, or not there. */
int own_check(struct repair *t, const struct range *g, evlog_error *err);

/* Checks what was made in the folder, up to the end of the range, and moves the tip
 * there. stored: the segments of the point that it is from; NULL: it is from a replica.
 * EVLOG_EDAMAGED: it is not what is wanted, and the tip stays. */
int made_check(struct repair *t, const struct range *g,
    const struct stored_segment *stored, evlog_error *err);

/* Removes what was made in the folder. */
void folder_empty(struct repair *t);

/* Opens the replica, and gets its end and lineage. */
int replica_open(struct repair *t, evlog_error *err);

/* Makes a segment in the folder from the lines of a replica.  What comes before it and
 * after it must be known.  The caller checks what was made. */
int from_replica(struct repair *t, struct range *g, evlog_error *err);

/* Makes the last segment, which has no events, in the folder, from what head says. */
int from_head(struct repair *t, const struct range *g, evlog_error *err);

/* Begins a new segment behind the last one, which was made anew from the replica and is
 * about to take its place.  If that does not happen, the segment after it attests what it
 * had. */
int next_begin(struct repair *t, const struct range *g, evlog_error *err);

/* Gives a file of the log a second name, so that it can be looked at. */
int segment_aside(struct repair *t, const char *name, uint64_t first, evlog_error *err);

static inline void repair_say(const struct repair *t, const char *text)
{
	if (t->o.say)
		t->o.say(t->o.arg, text);
}

#endif
