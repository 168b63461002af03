/*
 * recovery.h - what is committed, torn or damaged: the rules of evlog-format(5), "Torn or
 * damaged", in its order.
 *
 * One walk follows what head records, segment by segment, and judges each.  A reader asks
 * it where the log ends.  A writer, which holds the lock, acts on each verdict before it
 * takes the next step.  Neither has rules of its own.
 */
#ifndef RECOVER_RECOVERY_H
#define RECOVER_RECOVERY_H

#include "recover/log.h"

/* Where to begin, in the segment that head names or, if head is lost, in the last one. */
enum recovery_start {
	RECOVERY_AT_END,    /* at the committed end that head gives */
	RECOVERY_AT_HEADER, /* at the end of the header: head is older, or lost */
	RECOVERY_UNSYNCED,  /* there too: what --no-sync left in the page cache is gone */
	RECOVERY_AT_NEXT,   /* at the next segment: this one is poisoned */
};

struct recovery {
	/* set by the caller */
	struct log *log; /* head has been read */
	struct block_codec *codec;
	struct segment *seg; /* open; a step to the next segment closes it */
	bool writer; /* holds the lock: segments are opened for writing, and read whole */
	bool listed; /* log->segments is what is there now */

	/* found by recovery_begin and each step */
	enum recovery_start start;
	bool from_header;   /* the scan began at the end of the segment's header */
	bool unfinished;    /* the creation of this segment broke off: it has no tail */
	bool sealed;	    /* the last one that was judged, */
	uint64_t first_seq; /* which begins here */
	bool judged;	    /* the next step goes on to the next segment */
	uint64_t known;	    /* where the scan began */
	uint64_t durable;   /* the bytes attested to be durable: D of the page */
	struct tail tail;   /* tail.end is the end of what is kept: C of the page */
};

/* Decides where to begin.  boot_id: that of the running machine. */
void recovery_begin(struct recovery *r, const unsigned char boot_id[16]);

/* Leaves the first segment as head describes it: the first step goes to the next one. */
void recovery_pass(struct recovery *r);

/*
 * Scans the next segment.  EVLOG_OK: r->seg and r->tail say what is there; *verdict has
 * code EVLOG_EDAMAGED if the segment is damaged, and 0 if all up to tail.end is kept and
 * what follows, if anything, is torn.  EVLOG_END: there is no further segment; *verdict
 * is EVLOG_EDAMAGED if there should be, or if it does not continue the log.  Anything
 * else is a system error: nothing is known.
 */
int recovery_step(struct recovery *r, evlog_error *verdict, evlog_error *err);

/* What the header of the next segment attests of r->seg raises *durable.  EVLOG_EDAMAGED:
 * it names another predecessor.  The segments are listed. */
int recovery_attested(const struct recovery *r, uint64_t *durable, evlog_error *err);

/* Lists the segments, once. */
int recovery_list(struct recovery *r, evlog_error *err);

/* "events 5 to 9, appended with --no-sync, did not survive the machine's restart": those
 * of head after `kept`. */
void recovery_lost(uint64_t kept, const struct head *h, char *text, size_t size);

#endif
