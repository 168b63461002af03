/* database.c - opening databases of SQLite, and what its errors mean here. */
#include "sink/database.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int database_error(sqlite3 *db, const char *file, evlog_error *err)
{
	int code = db ? sqlite3_errcode(db) : SQLITE_NOMEM;

	if (code == SQLITE_NOMEM)
		return error_memory(err);
	return error_set(err,
	    code == SQLITE_CANTOPEN			     ? EVLOG_ECREATE
	    : code == SQLITE_READONLY || code == SQLITE_PERM ? EVLOG_EPERM
	    : code == SQLITE_BUSY || code == SQLITE_LOCKED   ? EVLOG_EBUSY
	    : code == SQLITE_CONSTRAINT || code == SQLITE_NOTADB ||
		    code == SQLITE_ERROR || code == SQLITE_CORRUPT
		? EVLOG_EDATA
		: EVLOG_EIO,
	    "%s: %s", file ? file : "temporary file", sqlite3_errmsg(db));
}

void database_text(sqlite3_stmt *s, int column, char *out, size_t size)
{
	const unsigned char *p = sqlite3_column_text(s, column);

	snprintf(out, size, "%s", p ? (const char *)p : "");
}

int database_run(sqlite3 *db, const char *file, const char *sql, evlog_error *err)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK
		   ? 0
		   : database_error(db, file, err);
}

int database_open(sqlite3 **db, const char *file, int flags, evlog_error *err)
{
	/* the name of a file, whatever it is to SQLite: ":memory:", "file:..." */
	char *path = NULL;
	*db = NULL;
	if (asprintf(&path, "%s%s", !file || *file == '/' ? "" : "./", file ? file : "") <
	    0)
		return error_memory(err);
	int opened = sqlite3_open_v2(path, db, flags, NULL);
	free(path);
	if (opened != SQLITE_OK)
		return database_error(*db, file, err);
	/* somebody else may have written its schema */
	sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(*db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_extended_result_codes(*db, 0);
	/* SQLite opens for reading what it fails to open for writing, whatever the cause
	 */
	if (file && flags & SQLITE_OPEN_CREATE && sqlite3_db_readonly(*db, "main") == 1 &&
	    access(file, W_OK) == 0)
		return error_set(err, EVLOG_EIO, "%s: cannot open for writing", file);
	return 0;
}
