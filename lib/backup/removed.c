/*
 * removed.c - what the backups keep of events that were removed from the log.
 *
 * Each point lists it, from the point before.  If that does not list all, because points
 * were lost or damaged, or files came from another folder of backups, the segments
 * themselves say what leads to the log, by their roots.
 */
#include "backup/backup.h"
#include "backup/share.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* How many of the base's segments are before the log and lead to it; 0 if they do not, or
 * if one of them was not sealed, so that nobody could read it before the log. */
static size_t base_leads(const struct backup *b, const struct segment_header *next)
{
	const struct point *base = &b->base;
	bool sealed = true;
	size_t n = 0;

	for (; n < base->n && base->segment[n].first < b->log.first; n++)
		sealed &= base->segment[n].sealed;
	return n && sealed && base->segment[n - 1].last + 1 == b->log.first &&
		       memcmp(base->segment[n - 1].root, next->root, HASH_SIZE) == 0
		   ? n
		   : 0;
}

static int archived_add(struct point *p, struct archive *a, size_t i, evlog_error *err)
{
	struct stored_segment *g = point_segment(p);
	struct piece *piece = g ? segment_piece(g) : NULL;
	struct segment s;
	struct stat st;

	if (!piece)
		return error_memory(err);
	int r = archive_segment(a, archive_first(a, i), NULL, &s, err);
	if (r)
		return r;
	g->sealed = true;
	g->first = s.first_seq;
	archive_get(a, i, &g->last, piece->hash);
	memcpy(g->root, s.header.seal.root, HASH_SIZE);
	r = fstat(s.fd, &st) < 0 ? error_sys(err, "%s", s.path) : 0;
	g->size = piece->size = r ? 0 : (uint64_t)st.st_size;
	segment_close(&s);
	return r;
}

/* Finds what leads to the log by the roots. */
static int archive_find(struct backup *b, const struct segment_header *next,
    struct point *found, evlog_error *err)
{
	struct archive *a;

	int r = archive_open(&a, b->store.path, strlen(b->store.path), err);
	if (r)
		return r;
	r = archive_join(a, b->path, next, err);
	if (r == EVLOG_EDAMAGED || r == EVLOG_ENEWER) { /* what is behind it is there */
		backup_say(b, err->text);
		b->damaged = true;
		r = 0;
	}
	for (size_t i = 0; !r && i < archive_count(a); i++)
		r = archived_add(found, a, i, err);
	archive_close(a);
	return r == EVLOG_EMISMATCH ? 0 : r;
}

/* Neither the base nor any other file leads to the log. */
static int nothing_leads(struct backup *b, evlog_error *err)
{
	const uint64_t end = b->base.head.tree.n, first = b->log.first;
	char text[512];

	if (b->base.n == 0 || b->base.segment[0].first >= first) {
		snprintf(text, sizeof text,
		    "%s: begins with event %" PRIu64
		    ", and %s does not have the events before it",
		    b->path, first, b->store.path);
		if (b->base.n == 0) /* later backups do not repeat that */
			backup_say(b, text);
		return 0;
	}
	if (end + 1 < first)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: begins with event %" PRIu64 ", and %s ends with event %" PRIu64
		    ": what lies between was removed; choose another folder for it",
		    b->path, first, b->store.path, end);
	return error_set(err, EVLOG_EMISMATCH,
	    "%s: begins with event %" PRIu64 ", and %s has other events before it, or "
	    "has them only in pieces, from before "
	    "the segment was sealed; choose another folder for it",
	    b->path, first, b->store.path);
}

/* Takes them over, but not what was given up. */
static int removed_take(
    struct backup *b, const struct stored_segment *from, size_t n, evlog_error *err)
{
	int r = 0;

	for (size_t i = 0; !r && i < n; i++) {
		if (from[i].first < b->now.dropped)
			continue;
		if (!b->lost && !segment_is_stored(&b->store, &from[i])) {
			b->lost = true;
			piece_name(b->missing, &from[i], 0);
		}
		r = segment_take(&b->removed, &from[i], err);
	}
	return r;
}

int removed_note(
    struct backup *b, const unsigned char lineage[HASH_SIZE], evlog_error *err)
{
	const struct share h = {.log = &b->log};
	struct point *base = &b->base, found = {0};
	struct segment s;

	if (b->log.first == 1)
		return 0;
	/* a log that was restored from an older point may begin earlier again */
	b->now.dropped = b->o.drop_trimmed || base->dropped > b->log.first
			     ? b->log.first
			     : base->dropped;
	int r = share_open(&h, 0, &s, err);
	size_t n = r ? 0 : base_leads(b, &s.header);
	const uint64_t least = b->now.dropped > 1 ? b->now.dropped : 1;
	const uint64_t from = n ? base->segment[0].first : b->log.first;
	if (!r && from > least)
		r = archive_find(b, &s.header, &found, err);
	segment_close(&s);
	bool farther = found.n && found.segment[0].first < from;
	if (!r && !n && !farther && !b->o.drop_trimmed)
		r = nothing_leads(b, err);
	if (!r)
		r = removed_take(b, farther ? found.segment : base->segment,
		    farther ? found.n : n, err);
	point_free(&found);
	bool same = hash_is_none(lineage) || hash_is_none(base->lineage) ||
		    memcmp(lineage, base->lineage, HASH_SIZE) == 0;
	if (!r && base->n && same && base->head.tree.n + 1 < b->log.first)
		point_free(base); /* nothing in the log can be compared with it */
	return r;
}
