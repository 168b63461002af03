/*
 * recovery.h - what is committed, torn or damaged: the rules of evlog-format(5), "Torn or
 * damaged", in its order.
 *
 * A reader asks them where the log ends.  A writer, which holds the lock, acts on what
 * they say before it appends.  Neither has rules of its own.
 */
#ifndef RECOVER_RECOVERY_H
#define RECOVER_RECOVERY_H

#include "recover/log.h"

/* ---- Where to begin ---- */

enum recovery_start {
	RECOVERY_AT_END,    /* at the committed end that head gives */
	RECOVERY_AT_HEADER, /* at the end of the segment's header: head is older, or lost
			     */
	RECOVERY_UNSYNCED,  /* there too: the page cache that --no-sync relied on is gone
			     */
	RECOVERY_AT_NEXT,   /* at the next segment: this one is poisoned */
};

/* In the segment that head names or, if head is lost, in the last one.  boot_id: that of
 * the running machine. */
enum recovery_start recovery_start(
    const struct log *l, const struct segment *seg, const unsigned char boot_id[16]);

/* ---- The verdict ---- */

/* After tail_scan; `durable` is the most that anything else attests, D of the page.
 * EVLOG_OK: what is before t->end is kept, and what is after it, if anything, is torn.
 * EVLOG_EDAMAGED: err says where, and why. */
int recovery_verdict(
    struct segment *seg, const struct tail *t, uint64_t durable, evlog_error *err);

/* ---- The next segment ---- */

/* Opens the segment `first`, which must continue a log with this root.  *unfinished: it
 * is the log's last, and its creation broke off; it is open then, and to be passed over,
 * or taken away.  EVLOG_EDAMAGED: it does not continue the log, or its header is bad. */
int recovery_successor(const struct log *l, uint64_t first,
    const unsigned char root[HASH_SIZE], bool writable, struct segment *seg,
    bool *unfinished, evlog_error *err);

#endif
