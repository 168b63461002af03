/*
 * table.c - a fold's groups as a table of SQLite, kept in step with a log.
 *
 * Beside the table, for people: key, seq, state (JSON) and perhaps a column a reducer,
 * there are evlog_exact_TABLE, what each group knows, and a row in evlog_positions, how
 * far the table has come.  All three change in one transaction, so that a fold that was
 * killed goes on exactly where its table is.  Groups are read when their key is met.
 */
#include "base/error.h"
#include "fold/fold.h"
#include "json/path.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#define BUSY_MS	       60000 /* how long to wait for another writer */
#define KEY_NUMBER_MAX 16    /* a longer number is a text where it is a key */

struct table {
	struct fold_sink sink; /* first */
	sqlite3 *db;
	char *file, *plain_name, *plain_exact;
	struct buf name, exact;	  /* quoted */
	struct buf text;	  /* of the statement at hand */
	bool columns, fresh;	  /* fresh: everything there is to be replaced */
	bool unbound;		  /* a value was not, for want of memory */
	struct evlog_position at; /* what evlog_positions says, if we are alone */
	char fold[65];
	sqlite3_stmt *load, *insert, *update, *insert_exact;
};

static struct table *table_of(const evlog_fold *f)
{
	return (struct table *)f->sink;
}

/* ---- Statements ---- */

static int failed(const struct table *t, evlog_error *err)
{
	int code = sqlite3_errcode(t->db);

	return error_set(err,
	    code == SQLITE_CANTOPEN			     ? EVLOG_ECREATE
	    : code == SQLITE_READONLY || code == SQLITE_PERM ? EVLOG_EPERM
	    : code == SQLITE_NOMEM			     ? EVLOG_EIO
	    : code == SQLITE_BUSY || code == SQLITE_LOCKED   ? EVLOG_EBUSY
	    : code == SQLITE_CONSTRAINT || code == SQLITE_NOTADB ||
		    code == SQLITE_ERROR || code == SQLITE_CORRUPT
		? EVLOG_EDATA
		: EVLOG_EIO,
	    "%s: %s", t->file, sqlite3_errmsg(t->db));
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
	return sqlite3_exec(t->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0
								       : failed(t, err);
}

/* Runs what was put together in t->text. */
static int run_text(struct table *t, evlog_error *err)
{
	buf_putc(&t->text, '\0');
	int r = t->text.failed ? error_memory(err) : run(t, t->text.p, err);
	t->text.len = 0;
	return r;
}

/* What cannot be bound, for want of memory, is told by the step behind it. */
static void bind_text(struct table *t, sqlite3_stmt *s, int i, const char *p, size_t len)
{
	if (sqlite3_bind_text64(s, i, p ? p : "", len, SQLITE_TRANSIENT, SQLITE_UTF8) !=
	    SQLITE_OK)
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

static void column_text(sqlite3_stmt *s, int i, char *out, size_t size)
{
	const unsigned char *p = sqlite3_column_text(s, i);

	snprintf(out, size, "%s", p ? (const char *)p : "");
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
		column_text(s, 0, at->log, sizeof at->log);
		at->seq = (uint64_t)sqlite3_column_int64(s, 1);
		column_text(s, 2, at->root, sizeof at->root);
		column_text(s, 3, fold, 65);
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
	    "%s: the table %s is there, and not made by evfold", t->file,
	    there ? t->plain_name : t->plain_exact);
}

static int look(evlog_fold *f, struct table *t, bool rebuild, struct evlog_position *at,
    evlog_error *err)
{
	char mine[65];

	int r = position_read(t, at, t->fold, err);
	if (r < 0)
		return r;
	t->at = *at;
	t->fresh = rebuild || r == EVLOG_END;
	if (r == EVLOG_END) {
		r = must_be_new(t, err);
		return r ? r : EVLOG_END;
	}
	r = fold_identity(f, mine, err);
	if (!r && !rebuild && strcmp(t->fold, mine) != 0)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: the table %s was made by another program, reducers, key or "
		    "columns; --rebuild makes it anew",
		    t->file, t->plain_name);
	if (rebuild)
		*at = (struct evlog_position){0};
	return r;
}

/* ---- Loading ---- */

/* Takes what the table says that a group knows; anybody may have written that. */
static int exact_restore(
    evlog_fold *f, struct group *g, sqlite3_stmt *s, evlog_error *err)
{
	struct json_fault fault;
	struct json_text exact;

	if (sqlite3_column_type(s, 1) == SQLITE_NULL)
		return error_set(err, EVLOG_EDATA, "nothing is kept");
	const char *p = (const char *)sqlite3_column_text(s, 1);
	if (!p)
		return error_memory(err);
	if (!json_scan(p, (size_t)sqlite3_column_bytes(s, 1), JSON_DEPTH_MOST, &exact,
		NULL, &fault))
		return error_set(err, EVLOG_EDATA, "%s", fault.reason);
	return group_restore(f, g, exact, err);
}

static int table_load(evlog_fold *f, struct group *g, evlog_error *err)
{
	struct table *t = table_of(f);
	evlog_error why;

	if (t->fresh)
		return 0;
	if (!t->load) {
		buf_puts(&t->text, "SELECT seq, exact FROM ");
		buf_add(&t->text, t->exact.p, t->exact.len);
		buf_puts(&t->text, " WHERE key = ?");
		int r = prepare(t, &t->load, err);
		if (r)
			return r;
	}
	bind_text(t, t->load, 1, g->key.p, g->key.len);
	int r = row_next(t, t->load, err);
	if (r == 1) {
		g->seq = (uint64_t)sqlite3_column_int64(t->load, 0);
		g->stored = true;
		r = exact_restore(f, g, t->load, &why);
		if (r == EVLOG_EDATA) /* not the event's fault */
			r = error_set(err, EVLOG_EDAMAGED,
			    "%s: the state of key %.*s: %s; --rebuild makes the table "
			    "anew",
			    t->file, (int)g->key.len, g->key.p, why.text);
		else if (r && err)
			*err = why;
	}
	sqlite3_reset(t->load);
	return r;
}

/* ---- Opening ---- */

static void table_free(struct table *t)
{
	if (!t)
		return;
	sqlite3_finalize(t->load);
	sqlite3_finalize(t->insert);
	sqlite3_finalize(t->update);
	sqlite3_finalize(t->insert_exact);
	sqlite3_close(t->db);
	free(t->file);
	free(t->plain_name);
	free(t->plain_exact);
	buf_free(&t->name);
	buf_free(&t->exact);
	buf_free(&t->text);
	free(t);
}

static int columns_check(const evlog_fold *f, evlog_error *err)
{
	static const char *const taken[] = {"key", "seq", "state"};

	if (f->program || f->plain)
		return error_set(err, EVLOG_EUSAGE, "columns are made of reducers");
	for (size_t i = 0; i < f->n; i++)
		for (size_t k = 0; k < 3; k++)
			if (strcasecmp(f->reducers[i].name, taken[k]) == 0)
				return error_set(err, EVLOG_EUSAGE,
				    "%s: a table has a column of this name already",
				    f->reducers[i].name);
	return 0;
}

static int open_database(
    struct table *t, const char *file, const char *name, evlog_error *err)
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
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	/* the name of a file, whatever it is to SQLite: ":memory:", "file:..." */
	char *path = NULL;
	if (asprintf(&path, "%s%s", *file == '/' ? "" : "./", file) < 0)
		return error_memory(err);
	int opened = sqlite3_open_v2(path, &t->db, flags, NULL);
	free(path);
	if (opened != SQLITE_OK)
		return t->db ? failed(t, err) : error_memory(err);
	/* somebody else may have written its schema */
	sqlite3_db_config(t->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(t->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	/* SQLite opens for reading what it fails to open for writing, whatever the cause
	 */
	if (sqlite3_db_readonly(t->db, "main") == 1 && access(file, W_OK) == 0)
		return error_set(err, EVLOG_EIO, "%s: cannot open for writing", file);
	sqlite3_extended_result_codes(t->db, 0);
	sqlite3_busy_timeout(t->db, BUSY_MS);
	return run(t, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL", err);
}

static void table_close(evlog_fold *f)
{
	table_free(table_of(f));
	f->sink = NULL;
}

int evlog_fold_table(evlog_fold *f, const char *file, const char *name, bool columns,
    bool rebuild, struct evlog_position *at, evlog_error *err)
{
	*at = (struct evlog_position){0};
	if (f->sink)
		return error_set(err, EVLOG_EUSAGE, "a fold keeps one table");
	struct table *t = calloc(1, sizeof *t);
	if (!t)
		return error_memory(err);
	t->sink = (struct fold_sink){table_load, table_close};
	t->columns = columns;
	f->sink = &t->sink;
	f->tracked = true;
	int r = fold_ready(f, err);
	if (!r && columns) {
		buf_puts(&f->identity, "columns 2\n"); /* 1 bound other values */
		r = columns_check(f, err);
	}
	if (!r)
		r = open_database(t, file, name, err);
	if (!r)
		r = look(f, t, rebuild, at, err);
	f->at_seq = f->began = at->seq;
	return r;
}

/* ---- Making it ---- */

/* Only where every value has that type: a declared type converts values, and NUMERIC
 * would round the digits that bind_number keeps as a text. */
static const char *column_type(const struct reducer *r)
{
	switch (r->func) {
	case FUNC_COUNT: return " INTEGER";
	case FUNC_LIST:
	case FUNC_SET: return " TEXT";
	default: return "";
	}
}

static void columns_add(const evlog_fold *f, struct buf *b)
{
	for (size_t i = 0; table_of(f)->columns && i < f->n; i++) {
		const char *name = f->reducers[i].name;
		buf_puts(b, ", ");
		quote(b, name, strlen(name));
		buf_puts(b, column_type(&f->reducers[i]));
	}
}

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
static int make(evlog_fold *f, struct table *t, evlog_error *err)
{
	struct buf sql = {0}, *b = &t->text;
	bool same = false;

	buf_printf(&sql, "CREATE TABLE %.*s (key PRIMARY KEY NOT NULL, seq INTEGER, ",
	    (int)t->name.len, t->name.p);
	buf_puts(&sql, "state TEXT NOT NULL");
	columns_add(f, &sql);
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

static int statements_make(evlog_fold *f, struct table *t, evlog_error *err)
{
	struct buf *b = &t->text;
	int r;

	buf_puts(b, "INSERT INTO ");
	buf_add(b, t->name.p, t->name.len);
	buf_puts(b, " VALUES (?, ?, ?");
	for (size_t i = 0; t->columns && i < f->n; i++)
		buf_puts(b, ", ?");
	buf_putc(b, ')');
	if ((r = prepare(t, &t->insert, err)) != 0)
		return r;
	buf_puts(b, "UPDATE ");
	buf_add(b, t->name.p, t->name.len);
	buf_puts(b, " SET seq = ?2, state = ?3");
	for (size_t i = 0; t->columns && i < f->n; i++) {
		buf_puts(b, ", ");
		quote(b, f->reducers[i].name, strlen(f->reducers[i].name));
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

/* Whether a double is this integer, written without an exponent. */
static bool double_is(double d, const char *integer)
{
	char text[320]; /* DBL_MAX has 309 digits */

	return isfinite(d) && snprintf(text, sizeof text, "%.0f", d) > 0 &&
	       strcmp(text, integer) == 0;
}

/* A number as an INTEGER or a REAL.  false: neither holds it.  An integer is never
 * rounded, since it may be an id; a fraction is the nearest REAL. */
static bool bind_number(
    struct table *t, sqlite3_stmt *s, int i, struct json_text v, struct buf *room)
{
	char *end;

	room->len = 0;
	if (!value_canonical(room, v) || (buf_putc(room, '\0'), room->failed)) {
		t->unbound = true;
		return true;
	}
	if (strpbrk(room->p, "eE"))
		return false;
	errno = 0;
	long long integer = strtoll(room->p, &end, 10);
	if (*end == '\0' && errno == 0) {
		sqlite3_bind_int64(s, i, integer);
		return true;
	}
	bool fraction = strchr(room->p, '.') != NULL;
	double d = strtod(room->p, NULL);
	if (fraction ? !isfinite(d) || d == 0 : !double_is(d, room->p))
		return false;
	sqlite3_bind_double(s, i, d);
	return true;
}

/* A JSON value as what SQL has. */
static void bind_json(
    struct table *t, sqlite3_stmt *s, int i, struct json_text v, struct buf *room)
{
	enum json_type type = json_type_of(v);

	switch (type) {
	case JSON_NULL: sqlite3_bind_null(s, i); return;
	case JSON_FALSE:
	case JSON_TRUE: sqlite3_bind_int64(s, i, type == JSON_TRUE); return;
	case JSON_STRING:
		room->len = 0;
		json_unescape(room, v);
		bind_text(t, s, i, room->p, room->len);
		return;
	case JSON_NUMBER:
		if (bind_number(t, s, i, v, room))
			return;
		break;
	default: break;
	}
	bind_text(t, s, i, v.p, v.len);
}

/* A key: booleans and long numbers stay texts. */
static void bind_key(struct table *t, sqlite3_stmt *s, struct view key, struct buf *room)
{
	struct json_text v = {key.p, key.len};
	enum json_type type = json_type_of(v);

	if (key.len &&
	    (type == JSON_STRING || (type == JSON_NUMBER && key.len <= KEY_NUMBER_MAX)))
		bind_json(t, s, 1, v, room);
	else
		bind_text(t, s, 1, key.p, key.len);
}

static void bind_columns(evlog_fold *f, sqlite3_stmt *s, const struct group *g)
{
	for (size_t i = 0; table_of(f)->columns && i < f->n; i++) {
		f->row.len = 0;
		accumulator_write(&f->row, &f->reducers[i], &g->at[i]);
		bind_json(table_of(f), s, (int)i + 4,
		    (struct json_text){f->row.p, f->row.len}, &f->scratch);
	}
}

/* true and "true", say: two keys that SQL cannot tell apart. */
static int key_taken(evlog_fold *f, const struct group *g, evlog_error *err)
{
	struct json_text key = {g->key.p, g->key.len};
	struct buf *other = &f->scratch;

	other->len = 0;
	if (json_type_of(key) == JSON_STRING)
		json_unescape(other, key);
	else
		json_escape(other, g->key);
	if (other->failed)
		return error_memory(err);
	return error_set(err, EVLOG_EDATA,
	    "%s: the keys %.*s and %.*s would be the same row of the table %s; change "
	    "one "
	    "of them, by --upcast for instance",
	    table_of(f)->file, (int)g->key.len, g->key.p, (int)other->len, other->p,
	    table_of(f)->plain_name);
}

static int row_store(evlog_fold *f, struct group *g, evlog_error *err)
{
	struct table *t = table_of(f);
	sqlite3_stmt *s = g->stored ? t->update : t->insert;

	bind_key(t, s, g->key, &f->scratch);
	sqlite3_bind_int64(s, 2, (sqlite3_int64)g->seq);
	f->row.len = 0;
	int r = state_write(f, g, &f->row, err);
	bind_text(t, s, 3, f->row.p, f->row.len);
	bind_columns(f, s, g);
	if (!r && (f->row.failed || f->scratch.failed))
		r = error_memory(err);
	if (!r)
		r = step(t, s, err);
	if (r && sqlite3_extended_errcode(t->db) == SQLITE_CONSTRAINT_PRIMARYKEY)
		r = key_taken(f, g, err);
	if (!r && g->stored && sqlite3_changes(t->db) != 1)
		r = error_set(err, EVLOG_EDATA,
		    "%s: the row of key %.*s is gone; --rebuild makes the table anew",
		    t->file, (int)g->key.len, g->key.p);
	return r;
}

static int exact_store(evlog_fold *f, struct group *g, evlog_error *err)
{
	struct table *t = table_of(f);

	f->row.len = 0;
	int r = group_save(f, g, &f->row, err);
	if (r)
		return r;
	bind_text(t, t->insert_exact, 1, g->key.p, g->key.len);
	sqlite3_bind_int64(t->insert_exact, 2, (sqlite3_int64)g->seq);
	bind_text(t, t->insert_exact, 3, f->row.p, f->row.len);
	return step(t, t->insert_exact, err);
}

static int position_store(
    evlog_fold *f, const struct evlog_position *at, evlog_error *err)
{
	struct table *t = table_of(f);
	char fold[65];
	sqlite3_stmt *s;

	int r = fold_identity(f, fold, err);
	buf_puts(
	    &t->text, "INSERT OR REPLACE INTO evlog_positions VALUES (?, ?, ?, ?, ?)");
	if (!r)
		r = prepare(t, &s, err);
	if (r)
		return r;
	bind_text(t, s, 1, t->plain_name, strlen(t->plain_name));
	bind_text(t, s, 2, at->log, strlen(at->log));
	sqlite3_bind_int64(s, 3, (sqlite3_int64)at->seq);
	bind_text(t, s, 4, at->root, strlen(at->root));
	bind_text(t, s, 5, fold, 64);
	r = step(t, s, err);
	sqlite3_finalize(s);
	return r;
}

/* Whether nobody else has written the table since it was looked at. */
static int alone(struct table *t, evlog_error *err)
{
	struct evlog_position at = {0};
	char fold[65] = "";

	int r = position_read(t, &at, fold, err);
	if (r < 0)
		return r;
	if (at.seq == t->at.seq && strcmp(at.log, t->at.log) == 0 &&
	    strcmp(at.root, t->at.root) == 0 && strcmp(fold, t->fold) == 0)
		return 0;
	return error_set(err, EVLOG_EBUSY,
	    "%s: another evfold has changed the table meanwhile", t->file);
}

static int all_store(evlog_fold *f, const struct evlog_position *at, evlog_error *err)
{
	struct table *t = table_of(f);
	int r = alone(t, err);

	if (!r && t->fresh)
		r = make(f, t, err);
	if (!r && !t->insert)
		r = statements_make(f, t, err);
	for (struct group *g = f->changed; g && !r; g = g->next_changed) {
		if (f->program && !g->state)
			continue;
		r = row_store(f, g, err);
		if (!r)
			r = exact_store(f, g, err);
	}
	return r ? r : position_store(f, at, err);
}

int evlog_fold_table_commit(
    evlog_fold *f, const struct evlog_position *at, evlog_error *err)
{
	struct table *t = table_of(f);

	int r = run(t, "BEGIN IMMEDIATE", err);
	if (r)
		return r;
	r = all_store(f, at, err);
	if (!r)
		r = run(t, "COMMIT", err);
	if (r) {
		sqlite3_exec(t->db, "ROLLBACK", NULL, NULL, NULL);
		return r;
	}
	t->at = *at;
	t->fresh = false;
	r = fold_identity(f, t->fold, err);
	for (struct group *g = f->changed, *next; g; g = next) {
		next = g->next_changed;
		g->next_changed = NULL;
		g->is_changed = false;
		g->stored = g->stored || !f->program || g->state;
	}
	f->changed = NULL;
	return r;
}
