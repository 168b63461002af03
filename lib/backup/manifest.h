/* manifest.h - what a point consists of, as JSON. */
#ifndef BACKUP_MANIFEST_H
#define BACKUP_MANIFEST_H

#include "backup/point.h"

/* Appends the manifest of a point. */
void manifest_write(struct buf *b, const struct point *p);

/* Reads one into a zeroed point; path: for messages.  EVLOG_EDAMAGED: it contradicts
 * itself.  EVLOG_ENEWER: a newer version wrote it.  The caller frees the point. */
int manifest_read(
    struct point *p, const char *path, const char *text, size_t n, evlog_error *err);

/* Says why a point is damaged.  Returns EVLOG_EDAMAGED. */
int point_is_bad(const char *path, const char *why, evlog_error *err);

#endif
