/*
 * log.c - a sink that is a log.
 *
 * How far the reader has come is a cursor in the header of the commit's last block, so
 * that it becomes durable with the events.
 */
#include "sink/log.h"
#include "base/error.h"
#include "base/hash.h"
#include "read/reader.h"
#include "write/writer.h"

#include <stdlib.h>
#include <sys/stat.h>

_Static_assert(LOG_SINK_MOST == ATOMIC_MAX, "what is put is one atomic commit");

struct log_sink {
	struct sink sink; /* first */
	struct log_sink_options o;
	evlog_writer *w;
	struct evlog_ack ack;	 /* of the last commit */
	struct log_identity who; /* lineage: zeros until it is asked for, or not known */
};

static struct log_sink *sink_of(const struct sink *s)
{
	return (struct log_sink *)(uintptr_t)s;
}

static void say(const struct log_sink *l, const char *text)
{
	if (l->o.say)
		l->o.say(l->o.arg, text);
}

static int sink_log_where(struct sink *s, struct evlog_position *at, evlog_error *err)
{
	const struct log_sink *l = sink_of(s);
	const struct cursor *c = &l->o.cursor;

	(void)err;
	if (!l->o.found)
		return EVLOG_END;
	position_set(at, c->id, c->seq, c->root);
	at->hashes = 0;
	return 0;
}

static int sink_log_begin(struct sink *s, evlog_error *err)
{
	(void)s;
	(void)err;
	return 0;
}

static int sink_log_put(struct sink *s, const struct sink_item *item, evlog_error *err)
{
	return evlog_writer_add(
	    sink_of(s)->w, item->value.p, item->value.len, item->name, item->number, err);
}

/* The cursor that goes with the next commit. */
static int cursor_set(
    struct log_sink *l, const struct evlog_position *at, evlog_error *err)
{
	struct cursor *c = &l->w->cursor;

	*c = l->o.cursor;
	c->seq = at->seq;
	if (*at->log)
		hex_read(c->id, at->log, ID_SIZE);
	if (*at->lineage)
		hex_read(c->lineage, at->lineage, HASH_SIZE);
	if (!hex_read(c->root, at->root, HASH_SIZE))
		return error_set(err, EVLOG_EINTERNAL, "%s: no root at event %llu",
		    l->sink.name, (unsigned long long)at->seq);
	return 0;
}

static int sink_log_commit(
    struct sink *s, const struct evlog_position *at, evlog_error *err)
{
	struct log_sink *l = sink_of(s);
	evlog_error unsealed;
	int r = 0;

	if (evlog_writer_pending(l->w) == 0)
		return EVLOG_END;
	if (at && *l->o.cursor.name)
		r = cursor_set(l, at, err);
	if (r)
		return r;
	r = evlog_writer_commit(l->w, &l->ack, err);
	if (l->ack.recovered)
		say(l, l->ack.notice);
	if (r == EVLOG_EUNRECORDED) { /* it is durable: do not commit it again */
		say(l, err->text);
		r = 0;
	}
	if (!r && at && *l->o.cursor.name) {
		l->o.cursor = l->w->cursor;
		l->o.found = true;
	}
	if (!r && evlog_writer_seal(l->w, false, &unsealed) < 0)
		say(l, unsealed.text);
	return r;
}

static void sink_log_cancel(struct sink *s)
{
	(void)s; /* what is pending is dropped with the writer */
}

static void sink_log_close(struct sink *s)
{
	struct log_sink *l = sink_of(s);

	evlog_writer_close(l->w);
	free(l);
}

int log_sink_open(struct sink **s, struct log_sink_options *o, evlog_error *err)
{
	static const struct sink_kind kind = {sink_log_where, NULL, sink_log_begin,
	    sink_log_put, sink_log_commit, sink_log_cancel, sink_log_close};
	struct evlog_writer_options options = {.size = sizeof options,
	    .atomic = true,
	    .lock_wait_ms = 60000,
	    .no_create = o->no_create,
	    .mode = o->mode};
	struct log_sink *l = calloc(1, sizeof *l);

	*s = NULL;
	o->found = false;
	if (!l)
		return error_memory(err);
	l->sink = (struct sink){&kind, o->path};
	int r = evlog_writer_open(&l->w, o->path, &options, err);
	if (!r && *o->cursor.name) {
		l->w->cursor = o->cursor;
		l->w->cursor_source = o->source;
		r = writer_cursor(l->w, err);
		o->found = r == 0;
		if (o->found)
			o->cursor = l->w->cursor;
		r = r == EVLOG_END ? 0 : r;
	}
	l->o = *o;
	if (r)
		sink_log_close(&l->sink);
	else
		*s = &l->sink;
	return r;
}

bool log_sinks_are_one(const struct sink *a, const struct sink *b)
{
	struct stat x, y;

	return fstat(sink_of(a)->w->log.dir_fd, &x) == 0 &&
	       fstat(sink_of(b)->w->log.dir_fd, &y) == 0 && x.st_ino == y.st_ino &&
	       x.st_dev == y.st_dev;
}

void log_sink_set_generation(struct sink *s, uint64_t generation)
{
	sink_of(s)->o.cursor.generation = generation;
}

void log_sink_set_fold(struct sink *s, const unsigned char fold[HASH_SIZE])
{
	struct cursor *c = &sink_of(s)->o.cursor;

	c->has |= CURSOR_HAS(CURSOR_FOLD);
	memcpy(c->fold, fold, HASH_SIZE);
}

void log_sink_set_partial(struct sink *s, bool partial)
{
	struct cursor *c = &sink_of(s)->o.cursor;

	if (partial)
		c->has |= CURSOR_HAS(CURSOR_PARTIAL);
	else
		c->has &= ~CURSOR_HAS(CURSOR_PARTIAL);
}

void log_sink_set_due(struct sink *s, int64_t due, uint64_t seq)
{
	struct cursor *c = &sink_of(s)->o.cursor;

	c->has |= CURSOR_HAS(CURSOR_DUE);
	c->due = due;
	c->due_seq = seq;
}

int log_sink_complete(struct sink *s, const char *line, size_t len, const char *name,
    uint64_t number, struct buf *out, evlog_error *err)
{
	return writer_complete(sink_of(s)->w, line, len, name, number, out, err);
}

size_t log_sink_pending(const struct sink *s)
{
	return evlog_writer_pending(sink_of(s)->w);
}

size_t log_sink_events(const struct sink *s)
{
	return sink_of(s)->w->next.n;
}

void log_sink_keep(struct sink *s, size_t n)
{
	batch_keep(&sink_of(s)->w->next, n);
}

void log_sink_end(struct sink *s, struct evlog_position *at)
{
	struct log_sink *l = sink_of(s);
	const struct head *h = &l->w->log.head;

	position_set(at, h->id, h->tree.n, h->root);
	if (hash_is_none(l->who.lineage) && h->tree.n &&
	    log_identify(l->o.path, l->w->max_line, &l->who, NULL))
		l->who = (struct log_identity){0};
	position_lineage(at, &l->who);
}
