/*
 * emitter.c - appends what a fold's program emits to a log, each event exactly once.
 *
 * A cursor in that log, which becomes durable together with the events, says up to which
 * event of the folded log they are there.  The states are not stored: they are folded
 * again from the first event, silently up to the cursor.  What a program emits depends on
 * the events alone, so nothing is emitted twice, and nothing is left out.
 */
#include "fold/emitter.h"
#include "base/error.h"
#include "base/options.h"
#include "fold/fold.h"
#include "fold/snapshot_line.h"
#include "json/path.h"
#include "read/reader.h"
#include "sink/letter.h"
#include "sink/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define EVENT_MOST  (48u << 20) /* bytes that may be emitted at one event */
#define LINEAGE_HEX 16		/* digits of the lineage in an id */

struct emitter {
	struct evlog_fold_log_options o;
	char *path, *name, *source, *dead_path;
	struct sink *log, *dead;  /* dead NULL: a failing program ends the fold */
	uint64_t done, dead_done; /* they have all up to these events */
	struct log_identity who;  /* of the source */
	struct buf start;	  /* of a line with an id: {"id":"NAME/LINEAGE/ */
	uint64_t last, number;	  /* the last event, how many it has emitted, */
	size_t last_at;		  /* how many were pending before it, */
	size_t last_bytes;	  /* and how many bytes that was */
	struct buf line;
	struct evlog_fold_log_counts counts;
};

/* ---- Taking what is emitted ---- */

/* Makes the beginning of the ids: the process and the log that it folds. */
static int start_make(struct emitter *m, evlog_error *err)
{
	char lineage[2 * HASH_SIZE + 1];

	if (hash_is_none(m->who.lineage)) { /* the log was empty when it was opened */
		int r = log_identify(m->source, m->o.max_line, &m->who, err);
		if (r)
			return r;
	}
	hash_hex(m->who.lineage, lineage);
	buf_puts(&m->start, "{\"id\":");
	json_escape(&m->start, (struct view){m->name, strlen(m->name)});
	if (m->start.failed)
		return error_memory(err);
	m->start.len--; /* the quote */
	buf_printf(&m->start, "/%.*s/", LINEAGE_HEX, lineage);
	return 0;
}

/* The members that an emitted event gets unless it has them. */
struct fill {
	struct json_text cause, correlation; /* .p NULL: none */
};

static void fill_make(struct fill *fill, const struct evlog_event *e)
{
	fill->cause = json_top_string(e->line, e->len, "id");
	fill->correlation = json_top_string(e->line, e->len, "correlationid");
	if (!fill->correlation.p)
		fill->correlation = fill->cause;
}

/* Whether an event has a member, whatever it is: what is no good is refused later. */
static bool has(const char *line, size_t len, const char *name)
{
	struct json_text v;

	return json_top_find(
	    (struct json_text){line, len}, (struct view){name, strlen(name)}, &v);
}

static void member_add(
    struct buf *b, const char *name, struct json_text v, const char *line, size_t len)
{
	if (!v.p || has(line, len, name))
		return;
	buf_putc(b, '"');
	buf_puts(b, name);
	buf_puts(b, "\":");
	buf_add(b, v.p, v.len);
	buf_putc(b, ',');
}

/* Puts an event, without newline, into the log. */
static int line_put(struct emitter *m, const struct fill *fill, const char *p, size_t len,
    evlog_error *err)
{
	struct buf *b = &m->line;
	char number[48]; /* the end of its id */

	m->number++;
	b->len = 0;
	if (has(p, len, "id")) {
		buf_putc(b, '{');
	} else {
		buf_add(b, m->start.p, m->start.len);
		sprintf(number, "%" PRIu64 "/%" PRIu64 "\",", m->last, m->number);
		buf_puts(b, number);
	}
	member_add(b, "causationid", fill->cause, p, len);
	member_add(b, "correlationid", fill->correlation, p, len);
	buf_add(b, p + 1, len - 1);
	if (b->failed || m->start.failed)
		return error_memory(err);
	struct sink_item item = {
	    .value = {b->p, b->len}, .name = "emitted event", .number = m->number};
	return m->log->kind->put(m->log, &item, err);
}

int emitter_take(evlog_fold *f, const struct evlog_event *e, evlog_error *err)
{
	struct emitter *m = f->emitter;
	struct view lines = program_emitted(f->program);
	const char *p = lines.p, *end = p + lines.len;
	size_t had = log_sink_events(m->log);
	struct fill fill;

	if (e->seq <= m->done || !lines.len)
		return 0;
	if (e->seq != m->last) { /* an upcaster makes several events of one */
		m->last = e->seq;
		m->last_at = had;
		m->last_bytes = log_sink_pending(m->log);
		m->number = 0;
	}
	int r = m->start.len ? 0 : start_make(m, err);
	fill_make(&fill, e);
	while (p < end && !r) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		r = line_put(m, &fill, p, (size_t)(nl - p), err);
		if (!r && log_sink_pending(m->log) - m->last_bytes > EVENT_MOST)
			r = error_set(
			    err, EVLOG_EDATA, "emits more than %u MiB", EVENT_MOST >> 20);
		p = nl + 1;
	}
	if (r)
		log_sink_keep(m->log, had);
	return r;
}

void emitter_unsaved(const struct emitter *m, const evlog_error *why)
{
	evlog_error text;

	error_set(
	    &text, why->code, "%.700s; folding from the first event instead", why->text);
	if (m->o.say)
		m->o.say(m->o.arg, text.text);
}

static int letter_put(
    struct emitter *m, const struct evlog_event *e, const char *reason, evlog_error *err)
{
	const char *command[] = {m->name, NULL};
	size_t had = log_sink_events(m->dead), bytes = log_sink_pending(m->dead);

	m->line.len = 0;
	letter_write(&m->line, &(struct letter_facts){.line = {e->line, e->len},
				   .reason = reason,
				   .command = command,
				   .status = -1});
	struct sink_item item = {
	    .value = {m->line.p, m->line.len}, .name = "dead letter", .number = e->seq};
	int r =
	    m->line.failed ? error_memory(err) : m->dead->kind->put(m->dead, &item, err);
	if (!r && log_sink_pending(m->dead) - bytes > EVENT_MOST)
		r = error_set(
		    err, EVLOG_EDATA, "%.700s; too large for a dead letter", reason);
	if (r)
		log_sink_keep(m->dead, had);
	m->counts.dead += !r;
	return r;
}

int emitter_failed(evlog_fold *f, const struct evlog_event *e, evlog_error *err)
{
	struct emitter *m = f->emitter;
	evlog_error why = *err;
	int r = why.code;

	if (m->dead && why.code == EVLOG_EDATA)
		r = e->seq <= m->dead_done ? 0 : letter_put(m, e, why.text, err);
	if (r) { /* as if it had not come */
		f->at_seq = e->seq - 1;
		if (m->last == e->seq)
			log_sink_keep(m->log, m->last_at);
	}
	return r;
}

/* ---- Committing ---- */

/* Commits what was put, if anything, and the place `at`. */
static int put_commit(struct sink *s, const struct evlog_position *at, evlog_error *err)
{
	int r = s ? s->kind->commit(s, at, err) : 0;

	return r == EVLOG_END ? 0 : r;
}

int evlog_fold_log_commit(
    evlog_fold *f, const struct evlog_position *at, evlog_error *err)
{
	OWN_ERROR(err);
	NEED(f && at, err);
	REFUSE(!f->emitter, "it has no log", err);
	REFUSE(f->over, f->over, err);
	if (evlog_fold_log_pending(f) == 0)
		return 0;
	REFUSE(!position_is_sound(at) || at->seq < f->at_seq,
	    "it is not a position after the last event", err);
	struct emitter *m = f->emitter;
	size_t events = log_sink_events(m->log);
	int r = put_commit(m->dead, at, err);
	if (!r)
		r = put_commit(m->log, at, err);
	if (r) /* it may have been written: do not commit it again */
		f->over = "evlog_fold_log_commit has failed";
	else
		m->counts.emitted += events;
	return r;
}

size_t evlog_fold_log_pending(const evlog_fold *f)
{
	const struct emitter *m = f ? f->emitter : NULL;

	return m && m->log
		   ? log_sink_pending(m->log) + (m->dead ? log_sink_pending(m->dead) : 0)
		   : 0;
}

void evlog_fold_log_counted(const evlog_fold *f, struct evlog_fold_log_counts *counts)
{
	if (counts)
		*counts = f && f->emitter ? f->emitter->counts
					  : (struct evlog_fold_log_counts){0};
}

static void place_add(struct sink *log, const char *name, struct buf *b)
{
	struct evlog_position end;

	log_sink_end(log, &end);
	buf_printf(b, ",\"%s\":{\"log\":\"%s\",\"seq\":%" PRIu64 ",\"root\":\"%s\"}",
	    name, end.log, end.seq, end.root);
}

void emitter_save(const struct emitter *m, struct buf *b)
{
	buf_puts(b, ",\"process\":");
	json_escape(b, (struct view){m->name, strlen(m->name)});
	place_add(m->log, "emitted", b);
	if (m->dead)
		place_add(m->dead, "letters", b);
}

/* Checks that a log still has the place that a snapshot names.  attested: the log's
 * cursor says that it had it, if it was removed since. */
static int place_check(const struct emitter *m, const char *path, struct json_text header,
    const char *name, bool attested, evlog_error *err)
{
	struct evlog_position end = {0};
	struct json_text v;
	bool removed;

	if (!json_top_find(header, (struct view){name, strlen(name)}, &v) ||
	    *v.p != '{' || !line_position(v, &end))
		return error_set(
		    err, EVLOG_EMISMATCH, "it does not say what is in %s", path);
	return attested
		   ? position_check_appended(path, &end, m->o.max_line, &removed, err)
		   : evlog_position_check(path, &end, m->o.max_line, err);
}

int emitter_check(const struct emitter *m, struct json_text header,
    const struct evlog_position *at, evlog_error *err)
{
	struct buf name = {0};
	struct json_text v;
	int r = 0;

	json_escape(&name, (struct view){m->name, strlen(m->name)});
	if (name.failed)
		r = error_memory(err);
	else if (!json_top_find(header, (struct view){"process", 7}, &v) ||
		 v.len != name.len || memcmp(v.p, name.p, name.len) != 0)
		r = error_set(
		    err, EVLOG_EMISMATCH, "it does not say what %s has emitted", m->name);
	buf_free(&name);
	if (!r)
		r = evlog_position_check(m->source, at, m->o.max_line, err);
	if (!r)
		r = place_check(m, m->path, header, "emitted", at->seq <= m->done, err);
	if (!r && m->dead)
		r = place_check(m, m->dead_path, header, "letters", false, err);
	return r;
}

/* ---- Opening ---- */

/* Opens a log to append to.  Gets the place that its cursor records; `at` is as it was if
 * there is none.  *changed: that cursor is of another fold. */
static int outlet_open(struct emitter *m, struct sink **s, const char *path,
    const unsigned char *fold, struct evlog_position *at, bool *changed, evlog_error *err)
{
	struct log_sink_options o = {.path = path,
	    .source = m->source,
	    .say = m->o.say,
	    .arg = m->o.arg,
	    .cursor = {.has = CURSOR_HAS(CURSOR_FOLD)}};

	memcpy(o.cursor.name, m->name, strlen(m->name) + 1);
	memcpy(o.cursor.id, m->who.id, ID_SIZE);
	memcpy(o.cursor.lineage, m->who.lineage, HASH_SIZE);
	memcpy(o.cursor.fold, fold, HASH_SIZE);
	int r = log_sink_open(s, &o, err);
	if (r)
		return r;
	*changed = o.found && (!(o.cursor.has & CURSOR_HAS(CURSOR_FOLD)) ||
				  memcmp(o.cursor.fold, fold, HASH_SIZE) != 0);
	log_sink_set_fold(*s, fold);
	r = (*s)->kind->where(*s, at, err);
	return r == EVLOG_END ? 0 : r;
}

static int another_fold(const struct emitter *m, const char *path,
    const struct evlog_position *at, evlog_error *err)
{
	return error_set(err, EVLOG_EMISMATCH,
	    "%s: %s has appended with a different program, key, upcaster or limits, "
	    "up to event %" PRIu64
	    "; use --accept-change to continue after that event with this one",
	    path, m->name, at->seq);
}

/* EVLOG_EUSAGE: a name cannot be part of an id. */
static int name_check(const char *name, evlog_error *err)
{
	struct json_fault fault;
	struct json_text v;
	struct buf text = {0};
	size_t n = strlen(name);
	bool sound = n > 0 && n <= CURSOR_NAME_MAX;

	for (size_t i = 0; i < n; i++)
		sound = sound && (unsigned char)name[i] >= ' ' && name[i] != 0x7F;
	json_escape(&text, (struct view){name, n});
	int r = text.failed ? error_memory(err) : 0;
	sound = sound && !r && json_scan(text.p, text.len, 1, &v, NULL, &fault) &&
		json_is_valid(v);
	buf_free(&text);
	REFUSE(!r && !sound,
	    "a name must have from 1 to 255 bytes of UTF-8, without control characters",
	    err);
	return r;
}

static int logs_open(evlog_fold *f, struct evlog_position *at, evlog_error *err)
{
	struct emitter *m = f->emitter;
	struct evlog_position letters = {0};
	unsigned char fold[HASH_SIZE];
	char hex[65];
	bool changed = false, letters_changed = false;

	int r = fold_identity(f, hex, err);
	hex_read(fold, hex, HASH_SIZE);
	if (!r)
		r = log_identify(m->source, m->o.max_line, &m->who, err);
	if (!r)
		r = outlet_open(m, &m->log, m->path, fold, at, &changed, err);
	if (!r && changed && !m->o.accept_change)
		return another_fold(m, m->path, at, err);
	if (!r && m->dead_path)
		r = outlet_open(
		    m, &m->dead, m->dead_path, fold, &letters, &letters_changed, err);
	if (!r && letters_changed && !m->o.accept_change)
		return another_fold(m, m->dead_path, &letters, err);
	if (!r && m->dead && log_sinks_are_one(m->log, m->dead))
		return error_set(err, EVLOG_EUSAGE,
		    "%s: dead letters need a log of their own", m->dead_path);
	if (!r)
		r = evlog_position_check(m->source, at, m->o.max_line, err);
	if (!r)
		r = evlog_position_check(m->source, &letters, m->o.max_line, err);
	m->done = at->seq;
	/* another program may fail at other events */
	m->dead_done = letters_changed ? 0 : letters.seq;
	return r;
}

static bool text_copy(char **copy, const char *text)
{
	*copy = text ? strdup(text) : NULL;
	return *copy || !text;
}

int evlog_fold_log(evlog_fold *f, const struct evlog_fold_log_options *given,
    struct evlog_position *at, evlog_error *err)
{
	struct evlog_fold_log_options o;

	OWN_ERROR(err);
	NEED(f && at, err);
	*at = (struct evlog_position){0};
	int r = options_take(
	    &o, sizeof o, END_OF(struct evlog_fold_log_options, arg), given, err);
	if (r)
		return r;
	NEED(o.path && o.source && o.name, err);
	REFUSE(f->ready, FOLD_SET, err);
	REFUSE(!f->program, "only a program emits events", err);
	REFUSE(f->threads > 1, "with threads, nothing is emitted", err);
	if ((r = name_check(o.name, err)) != 0)
		return r;
	struct emitter *m = calloc(1, sizeof *m);
	if (!m)
		return error_memory(err);
	f->emitter = m;
	f->tracked = true;
	f->rollback |= o.dead_letter != NULL;
	/* what fails depends on these */
	buf_printf(&f->identity, "process %" PRIu64 " %" PRIu64 " %d\n",
	    program_limits(f->program)->memory, program_limits(f->program)->steps,
	    f->strict);
	m->o = o;
	bool copied = text_copy(&m->path, o.path) && text_copy(&m->name, o.name) &&
		      text_copy(&m->source, o.source) &&
		      text_copy(&m->dead_path, o.dead_letter);
	r = copied ? fold_ready(f, err) : error_memory(err);
	if (!r)
		r = logs_open(f, at, err);
	if (r)
		f->over = "evlog_fold_log has failed";
	return r ? r : at->seq ? 0 : EVLOG_END;
}

void emitter_free(struct emitter *m)
{
	if (!m)
		return;
	if (m->log)
		m->log->kind->close(m->log);
	if (m->dead)
		m->dead->kind->close(m->dead);
	buf_free(&m->start);
	buf_free(&m->line);
	free(m->path);
	free(m->name);
	free(m->source);
	free(m->dead_path);
	free(m);
}
