/*
 * table.c - states as a table of SQLite.
 *
 * The table is for people: it has key, seq, state (JSON) and perhaps further columns.
 * Beside it there are evlog_exact_TABLE, all that is needed to go on from each state, and
 * a row in evlog_positions, which says how far the table has come.  All three change in
 * one transaction.
 */
#include "sink/table.h"
#include "base/error.h"
#include "sink/database.h"
#include "sink/table_value.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUSY_MS 60000 /* how long to wait for another writer; */
#define LOOK_MS 100   /* just to see where a table is */

struct table {
	struct sink sink; /* first */
	sqlite3 *db;
	char *file, *plain_name, *plain_exact;
	struct buf name, exact; /* quoted */
	struct buf text;	/* of the statement at hand */
	struct buf room;	/* of a value to be bound */
	char **column_name;
	const char **column_type;
	size_t columns;
	bool fresh;		  /* everything there is to be replaced */
	bool unbound;		  /* there was no memory to bind a value */
	struct evlog_position at; /* what evlog_positions says, if we are alone */
	char fold[65];		  /* what computes the states, */
	char was[65];		  /* and what evlog_positions says of that */
	sqlite3_stmt *load, *insert, *update, *insert_exact;
};

static struct table *table_of(struct sink *s)
{
	return (struct table *)s;
}

/* ---- Statements ---- */

static int failed(const struct table *t, evlog_error *err)
{
	return database_error(t->db, t->file, err);
}

static void quote(struct buf *b, const char *p, size_t len)
{
	buf_putc(b, '"');
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '"')
			buf_putc(b, '"');
		buf_putc(b, p[i]);
	}
	buf_putc(b, '"');
}

static int prepare(struct table *t, sqlite3_stmt **s, evlog_error *err)
{
	buf_putc(&t->text, '\0');
	if (t->text.failed)
		return error_memory(err);
	int r = sqlite3_prepare_v2(t->db, t->text.p, -1, s, NULL);
	t->text.len = 0;
	return r == SQLITE_OK ? 0 : failed(t, err);
}

static int run(struct table *t, const char *sql, evlog_error *err)
{
	return database_run(t->db, t->file, sql, err);
}

/* Runs what was put together in t->text. */
static int run_text(struct table *t, evlog_error *err)
{
	buf_putc(&t->text, '\0');
	int r = t->text.failed ? error_memory(err) : run(t, t->text.p, err);
	t->text.len = 0;
	return r;
}

/* If there is no memory to bind a value, the next step says so. */
static void bind_text(struct table *t, sqlite3_stmt *s, int i, const char *p, size_t len)
{
	if (!value_bind_text(s, i, p, len))
		t->unbound = true;
}

/* 1: a row; 0: no more. */
static int row_next(struct table *t, sqlite3_stmt *s, evlog_error *err)
{
	if (t->unbound)
		return error_memory(err);
	int r = sqlite3_step(s);
	return r == SQLITE_ROW ? 1 : r == SQLITE_DONE ? 0 : failed(t, err);
}

/* Runs a statement whose rows nobody wants. */
static int step(struct table *t, sqlite3_stmt *s, evlog_error *err)
{
	int r = row_next(t, s, err);

	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return r;
}

/* ---- What is there ---- */

static int table_exists(struct table *t, const char *name, bool *there, evlog_error *err)
{
	sqlite3_stmt *s;

	buf_puts(&t->text, "SELECT 1 FROM sqlite_master WHERE name = ? COLLATE NOCASE");
	int r = prepare(t, &s, err);
	if (r)
		return r;
	bind_text(t, s, 1, name, strlen(name));
	r = row_next(t, s, err);
	*there = r == 1;
	sqlite3_finalize(s);
	return r < 0 ? r : 0;
}

/* Where the table is; EVLOG_END: evfold knows of none by this name. */
static int position_read(
    struct table *t, struct evlog_position *at, char fold[65], evlog_error *err)
{
	sqlite3_stmt *s;
	bool known;

	int r = table_exists(t, "evlog_positions", &known, err);
	if (r || !known)
		return r ? r : EVLOG_END;
	buf_puts(
	    &t->text, "SELECT log, seq, root, fold FROM evlog_positions WHERE name = ?");
	if ((r = prepare(t, &s, err)) != 0)
		return r;
	bind_text(t, s, 1, t->plain_name, strlen(t->plain_name));
	r = row_next(t, s, err);
	if (r == 1) {
		database_text(s, 0, at->log, sizeof at->log);
		at->seq = (uint64_t)sqlite3_column_int64(s, 1);
		database_text(s, 2, at->root, sizeof at->root);
		database_text(s, 3, fold, 65);
	}
	sqlite3_finalize(s);
	return r < 0 ? r : r ? 0 : EVLOG_END;
}

/* A table that evfold does not know of must not be there. */
static int must_be_new(struct table *t, evlog_error *err)
{
	bool there, exact = false;
	int r = table_exists(t, t->plain_name, &there, err);

	if (!r && !there)
		r = table_exists(t, t->plain_exact, &exact, err);
	if (r || (!there && !exact))
		return r;
	return error_set(err, EVLOG_ECREATE,
	    "%s: the table %s already exists and was not made by evfold; choose another "
	    "name",
	    t->file, there ? t->plain_name : t->plain_exact);
}

/* Finds out where the table is, and whether it may be gone on with. */
static int look(struct table *t, bool rebuild, evlog_error *err)
{
	int r = position_read(t, &t->at, t->was, err);

	if (r < 0)
		return r;
	t->fresh = rebuild || r == EVLOG_END;
	if (r == EVLOG_END)
		return must_be_new(t, err);
	if (!rebuild && strcmp(t->was, t->fold) != 0)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: the table %s was made with a different program, reducers, key "
		    "or columns; use --rebuild to create it again",
		    t->file, t->plain_name);
	return 0;
}

static int table_where(struct sink *s, struct evlog_position *at, evlog_error *err)
{
	const struct table *t = table_of(s);

	(void)err;
	if (!t->fresh)
		*at = t->at;
	return t->fresh ? EVLOG_END : 0;
}

/* ---- Reading a state ---- */

/* Takes what a row says, which anybody may have written: the caller checks `exact`. */
static int row_take(struct table *t, struct sink_item *item, evlog_error *err)
{
	item->seq = (uint64_t)sqlite3_column_int64(t->load, 0);
	item->exact = (struct view){NULL, 0};
	if (sqlite3_column_type(t->load, 1) == SQLITE_NULL)
		return 0;
	const char *p = (const char *)sqlite3_column_text(t->load, 1);
	t->room.len = 0;
	if (p)
		buf_add(&t->room, p, (size_t)sqlite3_column_bytes(t->load, 1));
	if (!p || t->room.failed)
		return error_memory(err);
	item->exact = (struct view){t->room.p ? t->room.p : "", t->room.len};
	return 0;
}

static int table_get(struct sink *s, struct sink_item *item, evlog_error *err)
{
	struct table *t = table_of(s);

	if (t->fresh)
		return EVLOG_END;
	if (!t->load) {
		buf_puts(&t->text, "SELECT seq, exact FROM ");
		buf_add(&t->text, t->exact.p, t->exact.len);
		buf_puts(&t->text, " WHERE key = ?");
		int r = prepare(t, &t->load, err);
		if (r)
			return r;
	}
	bind_text(t, t->load, 1, item->key.p, item->key.len);
	int r = row_next(t, t->load, err);
	if (r == 1)
		r = row_take(t, item, err);
	else if (r == 0)
		r = EVLOG_END;
	sqlite3_reset(t->load); /* until then it holds the database as it is */
	return r;
}

/* ---- Opening ---- */

static void table_close(struct sink *s)
{
	struct table *t = table_of(s);

	sqlite3_finalize(t->load);
	sqlite3_finalize(t->insert);
	sqlite3_finalize(t->update);
	sqlite3_finalize(t->insert_exact);
	sqlite3_close(t->db);
	for (size_t i = 0; i < t->columns; i++)
		free(t->column_name[i]);
	free(t->column_name);
	free(t->column_type);
	free(t->file);
	free(t->plain_name);
	free(t->plain_exact);
	buf_free(&t->name);
	buf_free(&t->exact);
	buf_free(&t->text);
	buf_free(&t->room);
	free(t);
}

static int columns_take(struct table *t, const struct table_options *o, evlog_error *err)
{
	static const char *const taken[] = {"key", "seq", "state"};

	t->column_name = calloc(o->columns + 1, sizeof *t->column_name);
	t->column_type = calloc(o->columns + 1, sizeof *t->column_type);
	if (!t->column_name || !t->column_type)
		return error_memory(err);
	for (size_t i = 0; i < o->columns; i++) {
		for (size_t k = 0; k < 3; k++)
			if (strcasecmp(o->column[i].name, taken[k]) == 0)
				return error_set(err, EVLOG_EUSAGE,
				    "%s: every table already has a column of this name; "
				    "name the reducer differently",
				    o->column[i].name);
		t->column_type[i] = o->column[i].type;
		if (!(t->column_name[i] = strdup(o->column[i].name)))
			return error_memory(err);
		t->columns++;
	}
	return 0;
}

static int open_database(
    struct table *t, const char *file, const char *name, int flags, evlog_error *err)
{
	t->file = strdup(file);
	t->plain_name = strdup(name);
	quote(&t->name, name, strlen(name));
	if (asprintf(&t->plain_exact, "evlog_exact_%s", name) < 0)
		t->plain_exact = NULL;
	if (t->plain_exact)
		quote(&t->exact, t->plain_exact, strlen(t->plain_exact));
	if (!t->file || !t->plain_name || !t->plain_exact || t->exact.failed ||
	    t->name.failed)
		return error_memory(err);
	int r = database_open(&t->db, file, flags, err);
	if (r)
		return r;
	sqlite3_busy_timeout(t->db, flags & SQLITE_OPEN_CREATE ? BUSY_MS : LOOK_MS);
	if (!(flags & SQLITE_OPEN_CREATE))
		return 0;
	return run(t, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL", err);
}

/* ---- Making it ---- */

/* Whether the table was made by this very statement. */
static int made_so(struct table *t, const char *sql, bool *same, evlog_error *err)
{
	sqlite3_stmt *s;

	buf_puts(&t->text, "SELECT 1 FROM sqlite_master WHERE name = ? AND sql = ?");
	int r = prepare(t, &s, err);
	if (r)
		return r;
	bind_text(t, s, 1, t->plain_name, strlen(t->plain_name));
	bind_text(t, s, 2, sql, strlen(sql));
	r = row_next(t, s, err);
	*same = r == 1;
	sqlite3_finalize(s);
	return r < 0 ? r : 0;
}

/* Makes the tables, empty.  One of the same columns is emptied: it may have indexes. */
static int make(struct table *t, evlog_error *err)
{
	struct buf sql = {0}, *b = &t->text;
	bool same = false;

	buf_printf(&sql, "CREATE TABLE %.*s (key PRIMARY KEY NOT NULL, seq INTEGER, ",
	    (int)t->name.len, t->name.p);
	buf_puts(&sql, "state TEXT NOT NULL");
	for (size_t i = 0; i < t->columns; i++) {
		buf_puts(&sql, ", ");
		quote(&sql, t->column_name[i], strlen(t->column_name[i]));
		buf_puts(&sql, t->column_type[i]);
	}
	buf_puts(&sql, ")");
	buf_putc(&sql, '\0');
	int r = sql.failed ? error_memory(err) : made_so(t, sql.p, &same, err);
	if (!r && same)
		buf_printf(b, "DELETE FROM %.*s; ", (int)t->name.len, t->name.p);
	else if (!r)
		buf_printf(b, "DROP TABLE IF EXISTS %.*s; %s; ", (int)t->name.len,
		    t->name.p, sql.p);
	buf_printf(b,
	    "DROP TABLE IF EXISTS %.*s; CREATE TABLE %.*s (key TEXT PRIMARY KEY, "
	    "seq INTEGER, exact TEXT) WITHOUT ROWID; CREATE TABLE IF NOT EXISTS "
	    "evlog_positions (name TEXT PRIMARY KEY, log TEXT, seq INTEGER, root TEXT, "
	    "fold TEXT)",
	    (int)t->exact.len, t->exact.p, (int)t->exact.len, t->exact.p);
	buf_free(&sql);
	return r ? r : run_text(t, err);
}

static int statements_make(struct table *t, evlog_error *err)
{
	struct buf *b = &t->text;
	int r;

	buf_puts(b, "INSERT INTO ");
	buf_add(b, t->name.p, t->name.len);
	buf_puts(b, " VALUES (?, ?, ?");
	for (size_t i = 0; i < t->columns; i++)
		buf_puts(b, ", ?");
	buf_putc(b, ')');
	if ((r = prepare(t, &t->insert, err)) != 0)
		return r;
	buf_puts(b, "UPDATE ");
	buf_add(b, t->name.p, t->name.len);
	buf_puts(b, " SET seq = ?2, state = ?3");
	for (size_t i = 0; i < t->columns; i++) {
		buf_puts(b, ", ");
		quote(b, t->column_name[i], strlen(t->column_name[i]));
		buf_printf(b, " = ?%zu", i + 4);
	}
	buf_puts(b, " WHERE key = ?1");
	if ((r = prepare(t, &t->update, err)) != 0)
		return r;
	buf_puts(b, "INSERT OR REPLACE INTO ");
	buf_add(b, t->exact.p, t->exact.len);
	buf_puts(b, " VALUES (?, ?, ?)");
	return prepare(t, &t->insert_exact, err);
}

/* ---- Writing ---- */

/* Two keys that SQL cannot tell apart: true and "true", for instance. */
static int key_taken(struct table *t, struct view taken, evlog_error *err)
{
	struct json_text key = {taken.p, taken.len};
	struct buf *other = &t->room;

	other->len = 0;
	if (json_type_of(key) == JSON_STRING)
		json_unescape(other, key);
	else
		json_escape(other, taken);
	if (other->failed)
		return error_memory(err);
	return error_set(err, EVLOG_EDATA,
	    "%s: the keys %.*s and %.*s would share a row of the table %s; change one of "
	    "them, for example with --upcast",
	    t->file, (int)taken.len, taken.p, (int)other->len, other->p, t->plain_name);
}

static int row_store(struct table *t, const struct sink_item *item, evlog_error *err)
{
	sqlite3_stmt *s = item->stored ? t->update : t->insert;
	bool bound = value_bind_key(s, 1, item->key, &t->room);

	sqlite3_bind_int64(s, 2, (sqlite3_int64)item->seq);
	bind_text(t, s, 3, item->value.p, item->value.len);
	for (size_t i = 0; i < t->columns; i++)
		bound = value_bind(s, (int)i + 4, item->column[i], &t->room) && bound;
	t->unbound |= !bound;
	int r = step(t, s, err);
	if (r && sqlite3_extended_errcode(t->db) == SQLITE_CONSTRAINT_PRIMARYKEY)
		r = key_taken(t, item->key, err);
	if (!r && item->stored && sqlite3_changes(t->db) != 1)
		r = error_set(err, EVLOG_EDATA,
		    "%s: the row of key %.*s is missing; use --rebuild to create the "
		    "table again",
		    t->file, (int)item->key.len, item->key.p);
	return r;
}

static int table_put(struct sink *s, const struct sink_item *item, evlog_error *err)
{
	struct table *t = table_of(s);
	int r = row_store(t, item, err);

	if (r)
		return r;
	bind_text(t, t->insert_exact, 1, item->key.p, item->key.len);
	sqlite3_bind_int64(t->insert_exact, 2, (sqlite3_int64)item->seq);
	bind_text(t, t->insert_exact, 3, item->exact.p, item->exact.len);
	return step(t, t->insert_exact, err);
}

static int position_store(
    struct table *t, const struct evlog_position *at, evlog_error *err)
{
	sqlite3_stmt *s;

	buf_puts(
	    &t->text, "INSERT OR REPLACE INTO evlog_positions VALUES (?, ?, ?, ?, ?)");
	int r = prepare(t, &s, err);
	if (r)
		return r;
	bind_text(t, s, 1, t->plain_name, strlen(t->plain_name));
	bind_text(t, s, 2, at->log, strlen(at->log));
	sqlite3_bind_int64(s, 3, (sqlite3_int64)at->seq);
	bind_text(t, s, 4, at->root, strlen(at->root));
	bind_text(t, s, 5, t->fold, 64);
	r = step(t, s, err);
	sqlite3_finalize(s);
	return r;
}

/* Whether nobody else has written the table since we last did or looked. */
static int alone(struct table *t, evlog_error *err)
{
	struct evlog_position at = {0};
	char fold[65] = "";

	int r = position_read(t, &at, fold, err);
	if (r < 0)
		return r;
	if (at.seq == t->at.seq && strcmp(at.log, t->at.log) == 0 &&
	    strcmp(at.root, t->at.root) == 0 && strcmp(fold, t->was) == 0)
		return 0;
	return error_set(err, EVLOG_EBUSY,
	    "%s: another evfold changed the table at the same time; run this one again",
	    t->file);
}

static int table_begin(struct sink *s, evlog_error *err)
{
	struct table *t = table_of(s);
	int r = run(t, "BEGIN IMMEDIATE", err);

	if (!r)
		r = alone(t, err);
	if (!r && t->fresh)
		r = make(t, err);
	if (!r && !t->insert)
		r = statements_make(t, err);
	return r;
}

static int table_commit(struct sink *s, const struct evlog_position *at, evlog_error *err)
{
	struct table *t = table_of(s);
	int r = position_store(t, at, err);

	if (!r)
		r = run(t, "COMMIT", err);
	if (r)
		return r;
	t->at = *at;
	t->fresh = false;
	memcpy(t->was, t->fold, sizeof t->was);
	return 0;
}

static void table_cancel(struct sink *s)
{
	struct table *t = table_of(s);

	if (!sqlite3_get_autocommit(t->db))
		sqlite3_exec(t->db, "ROLLBACK", NULL, NULL, NULL);
}

int table_open(struct sink **s, const struct table_options *o, evlog_error *err)
{
	static const struct sink_kind kind = {table_where, table_get, table_begin,
	    table_put, table_commit, table_cancel, table_close};
	struct table *t = calloc(1, sizeof *t);

	*s = NULL;
	if (!t)
		return error_memory(err);
	t->sink.kind = &kind;
	snprintf(t->fold, sizeof t->fold, "%s", o->fold);
	int r = columns_take(t, o, err);
	if (!r)
		r = open_database(
		    t, o->file, o->name, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);
	if (!r)
		r = look(t, o->rebuild, err);
	t->sink.name = t->file;
	if (r)
		table_close(&t->sink);
	else
		*s = &t->sink;
	return r;
}

int table_place(
    const char *file, const char *name, struct evlog_position *at, evlog_error *err)
{
	struct table *t;
	char fold[65];

	if (access(file, F_OK) < 0)
		return errno == ENOENT ? EVLOG_END : error_sys(err, "%s", file);
	if (!(t = calloc(1, sizeof *t)))
		return error_memory(err);
	/* to write, because a killed writer may have left a journal to be rolled back */
	int r = open_database(t, file, name, SQLITE_OPEN_READWRITE, err);
	if (r == EVLOG_ECREATE) /* nothing was to be created */
		r = err->code = EVLOG_EIO;
	if (!r)
		r = position_read(t, at, fold, err);
	table_close(&t->sink);
	return r;
}
