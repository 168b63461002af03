/*
 * repair_check.c - which segments of a log that is repaired are sound, and which of those
 * that were made for it are what is wanted.
 */
#include "backup/repair_internal.h"
#include "backup/verify.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>

int range_find(struct repair *t, uint64_t first, struct range *g, evlog_error *err)
{
	const struct head *h = &t->log->head;
	struct segment next;
	int r = 0;

	*g = (struct range){.first = first};
	for (size_t i = 0; i < t->log->n && !r && !g->next; i++) {
		uint64_t after = t->log->segments[i];
		if (after <= first)
			continue;
		if (!g->own)
			g->own = after - 1;
		r = segment_open(
		    &next, t->log->dir_fd, t->log->path, after, NULL, false, err);
		if (!r && tree_has_root(&next.header.tree, next.header.root)) {
			g->next = after;
			g->successor = next.header;
		}
		segment_close(&next);
		if (r == EVLOG_EDAMAGED || r == EVLOG_ENOINPUT)
			r = 0;
	}
	g->last = g->next ? g->next - 1 : h->tree.n;
	memcpy(g->root, g->next ? g->successor.root : h->root, HASH_SIZE);
	if (!g->own || g->own > g->last)
		g->own = g->last;
	return r;
}

/* Checks an open segment; moves the tip to its end.  end: where it ends if it is not
 * sealed; 0: that is not known.  EVLOG_EDAMAGED: it is not sound. */
static int segment_check(struct repair *t, struct segment *s, uint64_t end,
    const struct range *g, evlog_error *err)
{
	const struct tip *before = &t->tip;
	struct tip tip = {.segment = s->first_seq,
	    .size = segment_is_sealed(s) ? s->header.seal.end : end,
	    .logtime = s->header.last_logtime,
	    .epoch = s->header.epoch,
	    .tree = s->header.tree};
	struct block last = {0};

	if (!tree_has_root(&tip.tree, s->header.root) ||
	    (t->known && (tip.tree.n != before->seq ||
			     memcmp(s->header.root, before->root, HASH_SIZE) != 0)))
		return segment_damaged(s, 0, s->first_seq, 0,
		    "it does not continue the segment before it", err);
	if (tip.size < s->header.size)
		return segment_damaged(
		    s, 0, s->first_seq, 0, "where it ends is not known", err);
	int r =
	    blocks_verify(s, t->codec, s->header.size, tip.size, &tip.tree, &last, err);
	if (r)
		return r;
	tip.seq = tip.tree.n;
	merkle_root(&tip.tree, tip.root);
	if (last.offset) {
		tip.block = last.offset;
		tip.logtime = last.last_logtime;
		tip.epoch = last.epoch;
	}
	/* a later segment may be missing, so this one may end before that */
	if (tip.seq > g->last || (tip.seq > g->own && tip.seq != g->last) ||
	    (tip.seq == g->last && memcmp(tip.root, g->root, HASH_SIZE) != 0))
		return segment_damaged(s, 0, s->first_seq, g->own,
		    "what comes after it says something else of its end", err);
	if (tip.seq == g->last && g->next)
		r = successor_check(t->log, s, &g->successor, &last, err);
	if (r)
		return r;
	t->tip = tip;
	t->known = true;
	return 0;
}

/* Where an unsealed segment of the log ends; 0: not known. */
static uint64_t own_end(
    const struct repair *t, const struct segment *s, const struct range *g)
{
	if (!g->next)
		return s->first_seq == t->log->head.segment ? t->log->head.committed : 0;
	return g->successor.previous == s->first_seq ? g->successor.previous_size : 0;
}

int own_check(struct repair *t, const struct range *g, evlog_error *err)
{
	struct segment s;

	int r =
	    segment_open(&s, t->log->dir_fd, t->log->path, g->first, NULL, false, err);
	if (r == EVLOG_ENOINPUT)
		return segment_missing(
		    t->log->path, g->first, g->own >= g->first ? g->own : 0, err);
	if (r == EVLOG_EDAMAGED)
		r = segment_damaged(&s, 0, g->first, 0, err->reason, err);
	if (!r)
		r = segment_check(t, &s, own_end(t, &s, g), g, err);
	segment_close(&s);
	return r;
}

/* A copy of the first segment from before the log was trimmed does not begin it. */
static int was_whole(struct repair *t, evlog_error *err)
{
	char text[512];

	snprintf(text, sizeof text,
	    "%s: its first segment is only in a copy from before the log was trimmed; "
	    "without the damaged file, all events from there on can be put back",
	    t->log->path);
	repair_say(t, text);
	return error_set(err, EVLOG_EDAMAGED, "it is from before the log was trimmed");
}

int made_check(struct repair *t, const struct range *g,
    const struct stored_segment *stored, evlog_error *err)
{
	const struct tip tip = t->tip;
	const bool known = t->known;
	struct range all = *g;
	struct segment s;
	int r = 0;

	all.own = all.last;
	for (uint64_t first = g->first; !r && first <= g->last; first = t->tip.seq + 1) {
		r = segment_open(&s, t->folder_fd, t->folder, first, NULL, false, err);
		uint64_t end = !stored ? 0
			       : first == t->log->head.segment && !g->next
				   ? t->log->head.committed
				   : stored++->size;
		if (!r)
			r = segment_check(t, &s, end, &all, err);
		if (!r && first == t->log->first && first > 1 &&
		    !(s.header.flags & SEGMENT_TRIMMED))
			r = was_whole(t, err);
		if (!r && t->tip.seq < first)
			r = segment_damaged(&s, 0, first, 0, "it has no event", err);
		segment_close(&s);
	}
	if (r) {
		t->tip = tip;
		t->known = known;
	}
	return r;
}
