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

/* Runs statements whose rows nobody wants. */
int database_run(sqlite3 *db, const char *file, const char *sql, evlog_error *err);

#endif
