/* carry.h - appends what a log has to a replica of it. */
#ifndef BACKUP_CARRY_H
#define BACKUP_CARRY_H

#include "read/reader.h"

/* Appends all that a reader, which gets cursors, has to a writer for a replica.  Gets how
 * many events that were, and how many were dropped at the end because their commit was
 * not complete.  name: of the log that is read, for messages. */
int carry_all(struct log_reader *r, evlog_writer *w, const char *name, uint64_t *written,
    size_t *dropped, evlog_error *err);

#endif
