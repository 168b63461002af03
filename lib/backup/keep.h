/* keep.h - removes old points, and what no point needs any more. */
#ifndef BACKUP_KEEP_H
#define BACKUP_KEEP_H

#include "backup/point.h"

/* Keeps the newest `keep` points and those that are not older than `within` (0: does not
 * apply), and always the newest one, `newest`.  The others are marked as expired.  Those
 * that have been for `grace` are removed, and then all files that no point needs and that
 * are older than that.  EVLOG_END: a point is damaged, so that it is not known what
 * it needs: nothing but points was removed, and err says so. */
int store_prune(struct store *s, const struct point *newest, uint64_t keep,
    int64_t within, int64_t grace, evlog_error *err);

#endif
