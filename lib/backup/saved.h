/* saved.h - files that are saved along with a log: checkpoints, snapshots, tables. */
#ifndef BACKUP_SAVED_H
#define BACKUP_SAVED_H

#include "backup/point.h"

struct saved {
	struct tar_member *member; /* for point_write */
	struct store_file *copy;   /* of a database; fd -1: none */
	size_t n;
};

/* Opens the files, adds them to the point, and copies what is a database of SQLite, so
 * that it is consistent. EVLOG_EUSAGE: two of them have one name. */
int saved_take(struct saved *v, struct point *p, struct store *s, const char *const *path,
    size_t n, evlog_error *err);
void saved_free(struct saved *v, struct store *s);

#endif
