/* backup.h - a backup that is being made. */
#ifndef BACKUP_BACKUP_H
#define BACKUP_BACKUP_H

#include "backup/saved.h"

struct backup {
	const char *path;
	struct evlog_backup_options o;
	struct store store;
	struct log log;
	struct log_end end;
	struct block_codec *codec;
	struct store_points points;
	struct point base; /* n 0: none */
	struct point now;
	struct saved saved;
	bool has_tree; /* now.head.tree is known */
	bool damaged;  /* a newer point than the base is */
	bool lost;     /* a file with removed events is missing: this one */
	char missing[STORE_NAME_SIZE];
	struct point
	    removed; /* what the base has of events that the log had; n 0: none */
};

static inline void backup_say(const struct backup *b, const char *text)
{
	if (b->o.say)
		b->o.say(b->o.arg, text);
}

/* Stores what the store does not have of the log, and lists in b->now what it consists
 * of. Moves b->end if the log was sealed meanwhile. */
int segments_store(struct backup *b, evlog_error *err);

/* Takes over what a point has of a segment. */
int segment_take(struct point *p, const struct stored_segment *from, evlog_error *err);

/* Whether the store has all pieces of a segment, as far as their sizes show. */
bool segment_is_stored(const struct store *s, const struct stored_segment *g);

/* Notes what the store has of events that were removed from the log, unless they were
 * given up; and forgets the base if it ends before the log begins.  EVLOG_EMISMATCH: it
 * has events before the log, but not up to its first one. */
int removed_note(
    struct backup *b, const unsigned char lineage[HASH_SIZE], evlog_error *err);

#endif
