/* recovery.c - the rules of evlog-format(5), "Torn or damaged", as one walk over the
 * segments. */
#include "recover/recovery.h"
#include "base/error.h"
#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- Where to begin ---- */

/* Whether `seg`, which head names, has replaced a poisoned segment without events.  If
 * so, head is older than that.  The new segment has a higher epoch. */
static bool head_is_replaced(const struct head *h, const struct segment *seg)
{
	return (h->flags & HEAD_POISONED) && seg->header.size &&
	       seg->header.epoch > h->epoch;
}

static enum recovery_start start_of(
    const struct log *l, const struct segment *seg, const unsigned char boot_id[16])
{
	const struct head *h = &l->head;

	if (l->state == HEAD_LOST || segment_is_sealed(seg) || head_is_replaced(h, seg))
		return RECOVERY_AT_HEADER;
	if (h->flags & HEAD_POISONED) /* what follows was never synced */
		return RECOVERY_AT_NEXT;
	if (h->durable < h->committed && !boot_is(h->boot_id, boot_id))
		return RECOVERY_UNSYNCED;
	return RECOVERY_AT_END;
}

static void tail_of_header(struct recovery *r)
{
	const struct segment_header *s = &r->seg->header;

	r->from_header = true;
	r->durable = s->size;
	r->tail = (struct tail){.end = s->size,
	    .last_logtime = s->last_logtime,
	    .epoch = s->epoch,
	    .tree = s->tree};
	memcpy(r->tail.root, s->root, HASH_SIZE);
}

static void tail_of_head(struct recovery *r)
{
	const struct head *h = &r->log->head;

	r->durable = h->committed;
	r->tail = (struct tail){.end = h->committed,
	    .last_block = h->last_block,
	    .last_logtime = h->last_logtime,
	    .epoch = h->epoch,
	    .tree = h->tree};
	memcpy(r->tail.root, h->root, HASH_SIZE);
}

void recovery_begin(struct recovery *r, const unsigned char boot_id[16])
{
	r->start = start_of(r->log, r->seg, boot_id);
	r->judged = r->start == RECOVERY_AT_NEXT;
	r->first_seq = r->seg->first_seq;
	r->sealed = segment_is_sealed(r->seg);
	r->from_header = r->unfinished = false;
	if (r->start == RECOVERY_AT_HEADER || r->start == RECOVERY_UNSYNCED)
		tail_of_header(r);
	else
		tail_of_head(r);
	if (r->start == RECOVERY_UNSYNCED)
		r->durable = r->log->head.durable;
	r->known = r->tail.end;
}

void recovery_pass(struct recovery *r)
{
	r->judged = true;
}

/* ---- The walk ---- */

int recovery_list(struct recovery *r, evlog_error *err)
{
	int res = r->listed ? 0 : log_list(r->log, err);

	r->listed = !res;
	return res;
}

int recovery_attested(const struct recovery *r, uint64_t *durable, evlog_error *err)
{
	const struct log *l = r->log;
	uint64_t active = r->seg->first_seq, first = log_after(l, active);
	struct segment next;

	if (first <= active)
		return 0;
	int res = segment_open(&next, l->dir_fd, l->path, first, l->id, false, err);
	if (!res && next.header.previous > active && next.header.previous < first)
		res = segment_missing(l->path, next.header.previous, first - 1, err);
	else if (!res && next.header.previous != active)
		res = segment_damaged(
		    &next, 0, first, 0, "the segment before it is a different one", err);
	else if (!res && !segment_is_sealed(r->seg) && /* else it attests itself */
		 next.header.previous_size > *durable)
		*durable = next.header.previous_size;
	else if (res == EVLOG_EDAMAGED && first == l->segments[l->n - 1])
		res = 0; /* perhaps never completely created: judged when it is next */
	segment_close(&next);
	return res;
}

/* A sealed segment is durable as a whole, and its header records where it ends. */
static void tail_of_seal(struct recovery *r)
{
	const struct seal *seal = &r->seg->header.seal;

	r->tail.end = r->tail.parsed = r->tail.size = seal->end;
	r->tail.last_block = seal->block;
	r->tail.tree.n = seal->last_seq;
	memcpy(r->tail.root, seal->root, HASH_SIZE);
}

static int segment_scan(struct recovery *r, evlog_error *err)
{
	if (segment_is_sealed(r->seg) && !r->writer) {
		tail_of_seal(r);
		return 0;
	}
	int res = tail_scan(r->seg, r->codec, r->writer, &r->tail, err);
	assert(res || (r->known <= r->tail.end && r->tail.end <= r->tail.parsed));
	if (r->tail.attested > r->durable)
		r->durable = r->tail.attested;
	return res;
}

/* ---- The verdict ---- */

static int judge(const struct recovery *r, evlog_error *verdict)
{
	const struct tail *t = &r->tail;

	if (r->log->state == HEAD_LOST && t->nothing)
		return segment_damaged(r->seg, t->end, t->tree.n + 1, 0,
		    "head is missing, and no block records where the log ends", verdict);
	if (t->size < r->durable)
		return segment_damaged(r->seg, t->size, t->tree.n + 1, 0,
		    "the file is shorter than what was synced", verdict);
	if (t->parsed < r->durable || (t->parsed < t->size && t->full_length))
		return segment_damaged(
		    r->seg, t->parsed, t->tree.n + 1, 0, t->why, verdict);
	return 0;
}

static int segment_judge(struct recovery *r, evlog_error *verdict, evlog_error *err)
{
	r->judged = true;
	r->first_seq = r->seg->first_seq;
	r->sealed = segment_is_sealed(r->seg);
	if (r->sealed)
		r->durable = r->seg->header.seal.end;
	int res = recovery_list(r, err);
	if (res)
		return res;
	if (r->log->n == 0)
		return error_set(err, EVLOG_EDAMAGED,
		    "%s: the segments of the log are missing; see RECOVERY in evlog(7)",
		    r->log->path);
	evlog_error why;
	int attested = recovery_attested(r, &r->durable, &why);
	if (attested && attested != EVLOG_EDAMAGED) {
		*err = why;
		return attested;
	}
	res = segment_scan(r, err);
	if (!res && attested)
		*verdict = why;
	else if (!res)
		judge(r, verdict);
	return res;
}

/* ---- The next segment ---- */

static int successor_find(struct recovery *r, uint64_t first, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE];
	struct stat st;

	if (first == r->first_seq) /* the segment has no events */
		return EVLOG_END;
	if (r->listed)
		return log_has(r->log, first) ? 0 : EVLOG_END;
	segment_name(name, first);
	if (fstatat(r->log->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return recovery_list(r, err); /* listing may take long: only if needed */
	return errno == ENOENT ? EVLOG_END : error_sys(err, "%s/%s", r->log->path, name);
}

/* Opens the next segment, which must continue the log.  A bad header is not damage if
 * this is the last segment and its creation was interrupted. */
static int successor_open(struct recovery *r, uint64_t first, evlog_error *err)
{
	const struct log *l = r->log;
	evlog_error ignored;

	int res = segment_open(r->seg, l->dir_fd, l->path, first, l->id, r->writer, err);
	if (!res && memcmp(r->seg->header.root, r->tail.root, HASH_SIZE) != 0)
		return segment_damaged(
		    r->seg, 0, first, 0, "the segment does not continue the log", err);
	/* a segment is sealed only after the next one was complete */
	if (res == EVLOG_EDAMAGED && r->seg->fd >= 0 && !r->sealed &&
	    l->segments[l->n - 1] <= first) {
		int bad = segment_is_unfinished(r->seg, &r->unfinished, &ignored);
		if (bad)
			*err = ignored;
		if (bad || r->unfinished)
			return bad;
	}
	if (!res)
		tail_of_header(r);
	r->known = r->tail.end;
	return res;
}

/* No segment continues the log.  A sealed segment is never the last one. */
static int walk_end(struct recovery *r, evlog_error *verdict, evlog_error *err)
{
	const struct log *l = r->log;
	bool sealed = r->sealed && l->state != HEAD_LOST;

	int res = sealed ? recovery_list(r, err) : 0;
	if (res)
		return res;
	if (sealed)
		segment_missing(l->path, r->tail.tree.n + 1,
		    log_after(l, r->tail.tree.n + 1) - 1, verdict);
	return EVLOG_END;
}

int recovery_step(struct recovery *r, evlog_error *verdict, evlog_error *err)
{
	*verdict = (evlog_error){0};
	if (!r->judged)
		return segment_judge(r, verdict, err);
	if (r->unfinished)
		return walk_end(r, verdict, err);
	uint64_t first = r->tail.tree.n + 1;
	int res = successor_find(r, first, err);
	if (res)
		return res == EVLOG_END ? walk_end(r, verdict, err) : res;
	segment_close(r->seg);
	res = successor_open(r, first, err);
	if (res == EVLOG_EDAMAGED) {
		*verdict = *err;
		return EVLOG_END;
	}
	return res || r->unfinished ? res : segment_judge(r, verdict, err);
}

void recovery_lost(uint64_t kept, const struct head *h, char *text, size_t size)
{
	snprintf(text, size,
	    "events %" PRIu64 " to %" PRIu64
	    " were appended with --no-sync and lost when the machine restarted",
	    kept + 1, h->tree.n);
}
