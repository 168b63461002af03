/* database.h - opening databases of SQLite, and what its errors mean here. */
#ifndef SINK_DATABASE_H
#define SINK_DATABASE_H

#include "evlog.h"

#include <sqlite3.h>

/* Opens a file, with the flags of sqlite3_open_v2.  NULL: a database of its own, which
 * goes to a temporary file where it gets large.  Close *db after a failure, too. */
int database_open(sqlite3 **db, const char *file, int flags, evlog_error *err);

/* Sets the error from the last failure of a call on this database. */
int database_error(sqlite3 *db, const char *file, evlog_error *err);

/* Copies a text of the current row; empty if it has none, cut off if it is too long. */
void database_text(sqlite3_stmt *s, int column, char *out, size_t size);

/* Runs statements whose rows nobody wants. */
int database_run(sqlite3 *db, const char *file, const char *sql, evlog_error *err);

#endif
