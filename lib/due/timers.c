/*
 * timers.c - the events that wait for their due times.
 *
 * There are few of them compared with the events of a log, but there may be millions, so
 * they are in a database and not in memory.
 */
#include "due/timers.h"
#include "base/error.h"
#include "sink/database.h"
#include "sink/table_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUSY_MS 1000 /* how long to wait for another process */

enum statement { ADD, CANCEL, REMOVE, LATE, LATER, PLACE, NOTE, STATEMENTS };

static const char *const sql[STATEMENTS] = {
    [ADD] = "INSERT OR REPLACE INTO evlog_timers VALUES (?, ?, ?, ?)",
    [CANCEL] = "DELETE FROM evlog_timers WHERE id = ? AND due > ?",
    [REMOVE] = "DELETE FROM evlog_timers WHERE (due, seq) <= (?, ?) AND seq <= ?",
    [LATE] = "SELECT seq, due, line FROM evlog_timers WHERE (due, seq) <= (?, ?) "
	     "ORDER BY seq",
    [LATER] = "SELECT seq, due, line FROM evlog_timers WHERE (due, seq) > (?, ?) "
	      "ORDER BY due, seq",
    [PLACE] = "SELECT log, lineage, seq, root, due, due_seq, emitted_log, emitted_seq, "
	      "emitted_root, emitted_upto FROM evlog_due",
    [NOTE] = "INSERT OR REPLACE INTO evlog_due VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
};

/* Times are microseconds since 1970. */
#define TABLES                                                                           \
	"CREATE TABLE IF NOT EXISTS evlog_timers (seq INTEGER PRIMARY KEY, due INTEGER " \
	"NOT NULL, id TEXT NOT NULL, line TEXT NOT NULL);"                               \
	"CREATE INDEX IF NOT EXISTS evlog_timers_due ON evlog_timers (due, seq);"        \
	"CREATE INDEX IF NOT EXISTS evlog_timers_id ON evlog_timers (id);"               \
	"CREATE TABLE IF NOT EXISTS evlog_due (one INTEGER PRIMARY KEY, log TEXT, "      \
	"lineage TEXT, seq INTEGER, root TEXT, due INTEGER, due_seq INTEGER, "           \
	"emitted_log TEXT, emitted_seq INTEGER, emitted_root TEXT, "                     \
	"emitted_upto INTEGER)"

struct timers {
	sqlite3 *db;
	char *file; /* NULL: nothing is kept */
	sqlite3_stmt *of[STATEMENTS];
	enum statement listing;
	bool look; /* file is another process's */
};

static int failed(const struct timers *t, evlog_error *err)
{
	evlog_error why;
	int r = database_error(t->db, t->file, &why);

	*err = why;
	if (r == EVLOG_EBUSY)
		error_set(err, r,
		    "%s: in use by another process; one at a time can deliver what is "
		    "due",
		    t->file);
	if (r == EVLOG_EDATA)
		error_set(
		    err, r, "%.600s; remove it to have the log read again", why.text);
	return r;
}

/* ---- Statements ---- */

static int run(const struct timers *t, const char *text, evlog_error *err)
{
	return sqlite3_exec(t->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0
									: failed(t, err);
}

/* Runs a statement without rows.  bound: all values could be bound. */
static int finish(struct timers *t, sqlite3_stmt *s, bool bound, evlog_error *err)
{
	int r = !bound				 ? error_memory(err)
		: sqlite3_step(s) == SQLITE_DONE ? 0
						 : failed(t, err);
	sqlite3_reset(s);
	return r;
}

static bool bind_number(sqlite3_stmt *s, int i, int64_t n)
{
	return sqlite3_bind_int64(s, i, n) == SQLITE_OK;
}

static bool bind_string(sqlite3_stmt *s, int i, const char *text)
{
	return value_bind_text(s, i, text, strlen(text));
}

/* ---- Opening ---- */

/* Copies what another process has committed. */
static int copy(struct timers *t, const char *file, evlog_error *err)
{
	sqlite3 *from;
	int r = database_open(&from, file, SQLITE_OPEN_READONLY, err);

	if (r == EVLOG_ECREATE && access(file, F_OK) < 0)
		r = error_set(err, EVLOG_ENOINPUT, "%s: no such file", file);
	if (!r) {
		sqlite3_busy_timeout(from, BUSY_MS);
		sqlite3_backup *b = sqlite3_backup_init(t->db, "main", from, "main");
		int copied = b ? sqlite3_backup_step(b, -1) : SQLITE_ERROR;
		if (b)
			sqlite3_backup_finish(b);
		if (copied == SQLITE_BUSY || copied == SQLITE_LOCKED)
			r = error_set(err, EVLOG_EBUSY, "%s: in use", file);
		else if (copied != SQLITE_DONE)
			r = database_error(b ? t->db : from, file, err);
	}
	sqlite3_close(from);
	return r;
}

/* EVLOG_EDATA: the database has other tables. */
static int foreign_refuse(struct timers *t, evlog_error *err)
{
	sqlite3_stmt *s = NULL;
	int r = 0;

	int stepped =
	    sqlite3_prepare_v2(t->db,
		"SELECT 1 FROM sqlite_master WHERE name NOT GLOB 'evlog_due*' AND name "
		"NOT GLOB 'evlog_timers*' AND name NOT GLOB 'sqlite_*'",
		-1, &s, NULL) == SQLITE_OK
		? sqlite3_step(s)
		: SQLITE_ERROR;
	if (stepped == SQLITE_ROW)
		r = error_set(err, EVLOG_EDATA,
		    "%s: a database of something else; choose another file", t->file);
	else if (stepped != SQLITE_DONE)
		r = failed(t, err);
	sqlite3_finalize(s);
	return r;
}

int timers_open(struct timers **out, const char *file, bool look, evlog_error *err)
{
	struct timers *t = *out = calloc(1, sizeof *t);

	if (!t || (file && !(t->file = strdup(file))))
		return error_memory(err);
	t->look = look || !file;
	int r = database_open(&t->db, t->look ? NULL : file,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);
	if (!r && look && file)
		r = copy(t, file, err);
	if (r)
		return r;
	sqlite3_busy_timeout(t->db, BUSY_MS);
	/* what is not kept need not be safe either */
	const char *mode = t->look
			       ? "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF"
			       : "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL";
	if ((r = foreign_refuse(t, err)) != 0)
		return r;
	r = run(t, mode, err);
	if (!r)
		r = run(t, "BEGIN IMMEDIATE; " TABLES, err);
	for (int i = 0; i < STATEMENTS && !r; i++)
		if (sqlite3_prepare_v3(t->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
			&t->of[i], NULL) != SQLITE_OK)
			r = failed(t, err);
	return r;
}

void timers_close(struct timers *t)
{
	if (!t)
		return;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(t->of[i]);
	sqlite3_close(t->db);
	free(t->file);
	free(t);
}

/* ---- The place ---- */

int timers_place(struct timers *t, struct due_place *p, evlog_error *err)
{
	sqlite3_stmt *s = t->of[PLACE];

	*p = (struct due_place){.reached = {EVLOG_TIME_MIN, 0}};
	int stepped = sqlite3_step(s);
	if (stepped == SQLITE_ROW) {
		database_text(s, 0, p->read.log, sizeof p->read.log);
		database_text(s, 1, p->read.lineage, sizeof p->read.lineage);
		p->read.seq = (uint64_t)sqlite3_column_int64(s, 2);
		database_text(s, 3, p->read.root, sizeof p->read.root);
		p->reached.due = sqlite3_column_int64(s, 4);
		p->reached.seq = (uint64_t)sqlite3_column_int64(s, 5);
		database_text(s, 6, p->emitted.log, sizeof p->emitted.log);
		p->emitted.seq = (uint64_t)sqlite3_column_int64(s, 7);
		database_text(s, 8, p->emitted.root, sizeof p->emitted.root);
		p->emitted_upto = (uint64_t)sqlite3_column_int64(s, 9);
	}
	int r = stepped == SQLITE_ROW	 ? 0
		: stepped == SQLITE_DONE ? EVLOG_END
					 : failed(t, err);
	sqlite3_reset(s);
	return r;
}

static bool place_bind(sqlite3_stmt *s, const struct due_place *p)
{
	return bind_string(s, 1, p->read.log) && bind_string(s, 2, p->read.lineage) &&
	       bind_number(s, 3, (int64_t)p->read.seq) &&
	       bind_string(s, 4, p->read.root) && bind_number(s, 5, p->reached.due) &&
	       bind_number(s, 6, (int64_t)p->reached.seq) &&
	       bind_string(s, 7, p->emitted.log) &&
	       bind_number(s, 8, (int64_t)p->emitted.seq) &&
	       bind_string(s, 9, p->emitted.root) &&
	       bind_number(s, 10, (int64_t)p->emitted_upto);
}

int timers_commit(struct timers *t, const struct due_place *place, evlog_error *err)
{
	sqlite3_stmt *s = t->of[NOTE];

	if (t->look)
		return 0;
	int r = finish(t, s, place_bind(s, place), err);
	for (int i = 0; i < STATEMENTS && !r; i++)
		sqlite3_reset(t->of[i]);
	return r ? r : run(t, "COMMIT; BEGIN IMMEDIATE", err);
}

int timers_clear(struct timers *t, evlog_error *err)
{
	return run(t, "DELETE FROM evlog_timers; DELETE FROM evlog_due", err);
}

/* ---- Timers ---- */

int timers_add(struct timers *t, const struct due_at *at, struct view id,
    struct view line, evlog_error *err)
{
	sqlite3_stmt *s = t->of[ADD];

	return finish(t, s,
	    bind_number(s, 1, (int64_t)at->seq) && bind_number(s, 2, at->due) &&
		value_bind_text(s, 3, id.p, id.len) &&
		value_bind_text(s, 4, line.p, line.len),
	    err);
}

int timers_cancel(struct timers *t, struct view id, int64_t time, evlog_error *err)
{
	sqlite3_stmt *s = t->of[CANCEL];

	return finish(
	    t, s, value_bind_text(s, 1, id.p, id.len) && bind_number(s, 2, time), err);
}

int timers_remove(struct timers *t, uint64_t seq, const struct due_at *at,
    size_t *removed, evlog_error *err)
{
	sqlite3_stmt *s = t->of[REMOVE];
	int r = finish(t, s,
	    bind_number(s, 1, at->due) && bind_number(s, 2, (int64_t)at->seq) &&
		bind_number(s, 3, (int64_t)seq),
	    err);

	if (!r && removed)
		*removed = (size_t)sqlite3_changes(t->db);
	return r;
}

static int list(
    struct timers *t, enum statement which, const struct due_at *at, evlog_error *err)
{
	sqlite3_stmt *s = t->of[which];

	t->listing = which;
	sqlite3_reset(s);
	return bind_number(s, 1, at->due) && bind_number(s, 2, (int64_t)at->seq)
		   ? 0
		   : error_memory(err);
}

int timers_late(struct timers *t, const struct due_at *reached, evlog_error *err)
{
	return list(t, LATE, reached, err);
}

int timers_later(struct timers *t, const struct due_at *reached, evlog_error *err)
{
	return list(t, LATER, reached, err);
}

/* Anybody may have written the file. */
static int row_take(
    struct timers *t, sqlite3_stmt *s, struct timer *timer, evlog_error *err)
{
	if (sqlite3_column_type(s, 0) != SQLITE_INTEGER ||
	    sqlite3_column_type(s, 1) != SQLITE_INTEGER ||
	    sqlite3_column_type(s, 2) != SQLITE_TEXT || sqlite3_column_int64(s, 0) <= 0)
		return error_set(
		    err, EVLOG_EDATA, "%s: not what evdue has written", t->file);
	const char *p = (const char *)sqlite3_column_text(s, 2);
	if (!p)
		return error_memory(err);
	*timer = (struct timer){
	    .at = {sqlite3_column_int64(s, 1), (uint64_t)sqlite3_column_int64(s, 0)},
	    .line = {p, (size_t)sqlite3_column_bytes(s, 2)},
	};
	return 0;
}

int timers_next(struct timers *t, struct timer *timer, evlog_error *err)
{
	sqlite3_stmt *s = t->of[t->listing];
	int r = sqlite3_step(s);

	if (r == SQLITE_ROW)
		return row_take(t, s, timer, err);
	r = r == SQLITE_DONE ? EVLOG_END : failed(t, err);
	sqlite3_reset(s);
	return r;
}
