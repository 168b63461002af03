/* recovery.c - the rules of evlog-format(5), "Torn or damaged". */
#include "recover/recovery.h"
#include "base/error.h"
#include "base/file.h"

#include <string.h>

/* Whether `seg`, which head names, is the one that took the place of a poisoned segment
 * without events: head is older than that.  The new one has a higher epoch. */
static bool head_is_replaced(const struct head *h, const struct segment *seg)
{
	return (h->flags & HEAD_POISONED) && seg->header.size &&
	       seg->header.epoch > h->epoch;
}

enum recovery_start recovery_start(
    const struct log *l, const struct segment *seg, const unsigned char boot_id[16])
{
	const struct head *h = &l->head;

	if (l->state == HEAD_LOST || segment_is_sealed(seg) || head_is_replaced(h, seg))
		return RECOVERY_AT_HEADER;
	if (h->flags & HEAD_POISONED) /* the rest of it was never synced */
		return RECOVERY_AT_NEXT;
	if (h->durable < h->committed && !boot_is(h->boot_id, boot_id))
		return RECOVERY_UNSYNCED;
	return RECOVERY_AT_END;
}

int recovery_verdict(
    struct segment *seg, const struct tail *t, uint64_t durable, evlog_error *err)
{
	if (t->attested > durable)
		durable = t->attested;
	if (t->size < durable)
		return segment_damaged(seg, t->size, t->tree.n + 1, 0,
		    "the file is shorter than what was synced", err);
	if (t->parsed < durable || (t->parsed < t->size && t->full_length))
		return segment_damaged(seg, t->parsed, t->tree.n + 1, 0, t->why, err);
	return 0;
}

int recovery_successor(const struct log *l, uint64_t first,
    const unsigned char root[HASH_SIZE], bool writable, struct segment *seg,
    bool *unfinished, evlog_error *err)
{
	evlog_error why;

	*unfinished = false;
	int r = segment_open(seg, l->dir_fd, l->path, first, l->log_id, writable, &why);
	if (!r && memcmp(seg->header.root, root, HASH_SIZE) != 0)
		return segment_damaged(
		    seg, 0, first, 0, "the segment does not continue the log", err);
	if (r == EVLOG_EDAMAGED && seg->fd >= 0 && l->segments[l->n - 1] <= first) {
		r = segment_is_unfinished(seg, unfinished, err);
		if (r || *unfinished)
			return r;
		r = EVLOG_EDAMAGED;
	}
	if (r && err)
		*err = why;
	return r;
}
