/*
 * recovery.h - decides what is committed, torn or damaged: the rules of evlog-format(5),
 * "Torn or damaged", in the same order.
 *
 * recover/ finds out what a log directory contains and where its committed end is.  It
 * must not know who reads or writes.
 *
 * One walk starts where head ends, and judges one segment after the other.  A reader asks
 * it where the log ends.  A writer, which holds the lock, acts on each verdict before it
 * takes the next step.  Neither has rules of its own.
 */
#ifndef RECOVER_RECOVERY_H
#define RECOVER_RECOVERY_H

#include "recover/log.h"

/* Where to begin, in the segment that head names or, if head is lost, in the last one. */
enum recovery_start {
	RECOVERY_AT_END,    /* at the committed end recorded in head */
	RECOVERY_AT_HEADER, /* after the segment header: head is old, or lost */
	RECOVERY_UNSYNCED,  /* the same; a restart lost what --no-sync left in memory */
	RECOVERY_AT_NEXT,   /* at the next segment: this one is poisoned */
};

struct recovery {
	/* Set by the caller. */
	struct log *log; /* with head read */
	struct block_codec *codec;
	struct segment *seg; /* open; recovery_step closes it to open the next one */
	bool writer; /* has the lock; opens segments for writing, scans sealed ones too */
	bool listed; /* log->segments is up to date */

	/* Set by recovery_begin and each step. */
	enum recovery_start start;
	bool from_header; /* the scan began after the segment header */
	bool unfinished;  /* this segment was never completely created: it has no tail */
	bool sealed; /* whether the last segment judged is sealed, and its first seq */
	uint64_t first_seq;
	bool judged;	  /* the next step goes to the next segment */
	uint64_t known;	  /* offset where the scan began */
	uint64_t durable; /* bytes attested to be durable: D of evlog-format(5) */
	struct tail tail; /* tail.end is the end of what is kept: C of evlog-format(5) */
};

/* Decides where to begin, given the boot id of the running machine. */
void recovery_begin(struct recovery *r, const unsigned char boot_id[16]);

/* Skips the first segment, which is as head describes it: the first step goes to the
 * next. */
void recovery_pass(struct recovery *r);

/*
 * Scans and judges the next segment.
 *
 * Returns EVLOG_OK if there is one, described by r->seg and r->tail.  If *verdict is
 * EVLOG_EDAMAGED, it is damaged; if its code is 0, everything up to tail.end is kept, and
 * what follows, if anything, is torn.  If r->unfinished is set, there is no tail.
 *
 * Returns EVLOG_END if there is no further segment.  *verdict is EVLOG_EDAMAGED if there
 * should be one, or if the next one does not continue the log.
 *
 * Any other result is a system error, and says nothing about the log.
 */
int recovery_step(struct recovery *r, evlog_error *verdict, evlog_error *err);

/* Raises *durable to the size of r->seg that the header of the next segment attests, if
 * that is larger.  Returns EVLOG_EDAMAGED if that header names another predecessor.  The
 * segments must have been listed. */
int recovery_attested(const struct recovery *r, uint64_t *durable, evlog_error *err);

/* Lists the segments, unless that has been done. */
int recovery_list(struct recovery *r, evlog_error *err);

/* Writes a message on the events of head after `kept`: "events 5 to 9, appended with
 * --no-sync, did not survive the machine's restart". */
void recovery_lost(uint64_t kept, const struct head *h, char *text, size_t size);

#endif
