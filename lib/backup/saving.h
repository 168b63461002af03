/* saving.h - restores the files that were saved along with a log. */
#ifndef BACKUP_SAVING_H
#define BACKUP_SAVING_H

#include "backup/point.h"

struct saving {
	const struct store *store;
	const struct store_point *at;
	struct point *point;
	const char *folder;	 /* that they are written to */
	struct saved_file *file; /* that is being written; NULL: none */
	int fd;			 /* -1: none */
	uint64_t done;		 /* bytes of it */
	bool begun, made;	 /* made: the folder did not exist */
};

/* Refuses if one of them exists already. */
int saving_check(struct saving *v, evlog_error *err);

/* Writes all of them, durably. */
int saving_run(struct saving *v, evlog_error *err);

/* Removes what was written, if not all of it could be, or the log could not get its
 * name. */
void saving_undo(struct saving *v);

#endif
