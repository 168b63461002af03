/*
 * due.c - delivers events when their due times have come.
 *
 * due/ knows which events of a log wait, and when each is delivered or cancelled.  It
 * must not know what becomes of them.
 *
 * What has been delivered is said by a cursor (N, T, S): the events with seq up to N of
 * which (due, seq) is at most (T, S), unless they were cancelled.  A step raises either N
 * or (T, S), never both, so that whoever knows the cursor can tell of each event whether
 * it was delivered.  An event that is read when T is beyond its due time already is
 * delivered by a step that raises N; one that has waited, by a step that raises (T, S).
 *
 * Which events are cancelled depends on the log alone.  An event with a logtime before a
 * moment may still be written when that moment has come, so what is due then is delivered
 * only once no commit is under way and everything has been read.
 */
#include "base/error.h"
#include "base/file.h"
#include "base/options.h"
#include "base/os.h"
#include "base/time.h"
#include "due/timers.h"
#include "json/path.h"
#include "read/reader.h"
#include "sink/log.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STEP_EVENTS 10000      /* delivered at once, */
#define STEP_BYTES  (8u << 20) /* at most */
#define WAIT_MOST   500	       /* ms; a clock that is set is noticed after that */
#define LOCKED_MOST 60000000   /* us to wait for a commit */
#define KEEP_EVERY  1000000    /* us between checkpoints while nothing is delivered */

struct due {
	struct evlog_due_options o;
	const char *path;
	struct log_reader *reader;
	struct timers *timers;
	struct sink *log; /* NULL: deliver by o.deliver */
	struct log_identity who;
	uint64_t key; /* in the indexes, of events that matter here */
	struct filter_wanted wanted;
	uint64_t done; /* N of the cursor: nothing after it has been delivered */
	struct due_place place;
	uint64_t kept;	    /* what the last checkpoint had read, */
	int64_t kept_at;    /* and when it was made */
	struct buf id, out; /* scratch */
	int watch;	    /* -1: none */
	struct evlog_due_counts counts;
	uint64_t delivered; /* in this step, which is not committed yet */
};

static void say(const struct due *d, const char *text)
{
	if (d->o.say)
		d->o.say(d->o.arg, text);
}

static bool stopped(const struct due *d)
{
	return d->o.stop && *d->o.stop;
}

static bool is_after(struct due_at a, struct due_at b)
{
	return a.due != b.due ? a.due > b.due : a.seq > b.seq;
}

/* ---- Reading ---- */

/* Says what an event cannot do, and why. */
static void refused(struct due *d, uint64_t seq, const char *what, const char *why)
{
	evlog_error text;

	d->counts.refused++;
	error_set(&text, EVLOG_EDATA, "%s: event %" PRIu64 " %s: %.400s", d->path, seq,
	    what, why);
	say(d, text.text);
}

static const char undelivered[] = "is never delivered";

/* The moment at which a text is due: later digits round up, so that it is not early. */
static bool moment_of(struct json_text v, int64_t *due)
{
	const char *p = v.p + 1;
	size_t n = v.len - 2;

	if (json_type_of(v) != JSON_STRING || !time_rfc3339(p, n, due))
		return false;
	*due += time_digits(p, n).len > 0;
	return true;
}

static int timer_add(struct due *d, const struct evlog_event *e, struct json_text due,
    struct json_text id, evlog_error *err)
{
	struct due_at at = {.seq = e->seq};

	bool timed = moment_of(due, &at.due);
	if (e->seq <= d->done && (!timed || !is_after(at, d->place.reached)))
		return 0; /* it was delivered, or refused */
	if (!timed || !id.p) {
		refused(d, e->seq, undelivered,
		    timed ? "it has no id" : "its due is not a time as in RFC 3339");
		return 0;
	}
	d->id.len = 0;
	json_unescape(&d->id, id);
	if (d->id.failed)
		return error_memory(err);
	return timers_add(d->timers, &at, (struct view){d->id.p, d->id.len},
	    (struct view){e->line, e->len}, err);
}

static int cancel(struct due *d, struct json_text id, int64_t logtime, evlog_error *err)
{
	d->id.len = 0;
	json_unescape(&d->id, id);
	return d->id.failed ? error_memory(err)
			    : timers_cancel(d->timers, (struct view){d->id.p, d->id.len},
				  logtime, err);
}

/* Gets a member of an event; false if it has none, or null. */
static bool has(struct json_text line, const char *name, struct json_text *value)
{
	return json_top_find(line, (struct view){name, strlen(name)}, value) &&
	       json_type_of(*value) != JSON_NULL;
}

static int event_take(struct due *d, const struct evlog_event *e, evlog_error *err)
{
	const struct json_text line = {e->line, e->len};
	struct json_text due, cancels;
	bool waits = has(line, "due", &due), takes_out = has(line, "cancels", &cancels);

	if (!waits && !takes_out)
		return 0;
	if (!json_is_valid(
		line)) { /* only a log that somebody has forged has such lines */
		if (e->seq > d->done)
			refused(d, e->seq, undelivered, "it is not JSON");
		return 0;
	}
	int r = 0;
	if (takes_out && json_type_of(cancels) == JSON_STRING)
		r = cancel(d, cancels, e->logtime, err);
	else if (takes_out && e->seq > d->done)
		refused(d, e->seq, "cancels nothing", "its cancels is not text");
	if (!r && waits)
		r = timer_add(d, e, due, json_top_string(e->line, e->len, "id"), err);
	return r;
}

/* Reads all that is there. */
static int log_read(struct due *d, evlog_error *err)
{
	const unsigned char *id, *root;
	struct evlog_lines lines;
	struct evlog_event e;
	uint64_t seq;
	int r = 0;

	while (!r && !stopped(d) && (r = log_reader_next(d->reader, &lines, err)) == 0)
		while (!r && evlog_lines_take(&lines, &e))
			r = event_take(d, &e, err);
	if (r < 0)
		return r;
	log_reader_position(d->reader, &id, &seq, &root);
	if (seq > d->place.read.seq) {
		position_set(&d->place.read, id, seq, root);
		if (hash_is_none(d->who.lineage))
			r = log_reader_identify(d->reader, &d->who, err);
		position_lineage(&d->place.read, &d->who);
	}
	return r < 0 ? r : 0;
}

/* Reads what has come since, as far as head says. */
static int log_catch_up(struct due *d, evlog_error *err)
{
	int r = log_reader_refresh(d->reader, err);

	return r ? r : log_read(d, err);
}

static int reader_open(struct due *d, evlog_error *err);

/* Waits until no commit is under way, and reads all that is there: then whatever is
 * appended later has a logtime of now or later.  The log is opened again, because head
 * does not say what a writer left that died after its events were durable. */
static int log_settle(struct due *d, evlog_error *err)
{
	int busy, r = 0;

	for (unsigned waited = 0; (busy = log_reader_is_busy(d->reader)) == 1; waited++) {
		if (stopped(d))
			return 0;
		if (waited == LOCKED_MOST / 1000)
			return error_set(err, EVLOG_EBUSY,
			    "%s: another process has been appending for a minute",
			    d->path);
		usleep(1000);
	}
	if (busy < 0)
		return error_sys(err, "%s: cannot see whether it is locked", d->path);
	log_reader_close(d->reader);
	r = reader_open(d, err);
	return r ? r : log_read(d, err);
}

/* ---- Delivering ---- */

static void member_add(struct buf *b, const char *name, struct view text)
{
	buf_printf(b, "\"%s\":\"", name);
	buf_add(b, text.p, text.len);
	buf_puts(b, "\",");
}

/* Makes the event that is delivered: without its stamp and its due, with an id and a
 * cause of its own.  false: this is no event, or there is no memory. */
static bool line_make(struct due *d, struct view line)
{
	/* what it cancels, it has cancelled when it was appended */
	static const struct view left_out[] = {{"correlationid", 13}, {"seq", 3},
	    {"logtime", 7}, {"id", 2}, {"due", 3}, {"causationid", 11}, {"cancels", 7}};
	struct json_text id = json_top_string(line.p, line.len, "id");
	struct json_text correlation = json_top_string(line.p, line.len, "correlationid");
	struct view text = {id.p ? id.p + 1 : NULL, id.len - 2};
	struct buf *b = &d->out;
	struct json_walk w;
	struct json_member m;

	b->len = 0;
	if (!id.p || !json_is_valid((struct json_text){line.p, line.len}))
		return false;
	buf_puts(b, "{\"id\":\"");
	buf_add(b, text.p, text.len);
	buf_puts(b, "/due\",");
	member_add(b, "causationid", text);
	if (!correlation.p)
		member_add(b, "correlationid", text);
	json_walk_begin(&w, (struct json_text){line.p, line.len});
	while (json_walk_next(&w, &m)) {
		/* a correlationid that is a text stays */
		size_t i = correlation.p != NULL, n = sizeof left_out / sizeof *left_out;
		while (i < n && !json_key_is(&m, left_out[i]))
			i++;
		if (i < n)
			continue;
		buf_putc(b, '"');
		buf_add(b, m.key.p, m.key.len);
		buf_puts(b, "\":");
		buf_add(b, m.value.p, m.value.len);
		buf_putc(b, ',');
	}
	if (!b->failed)
		b->p[b->len - 1] = '}';
	return !b->failed;
}

/* Nothing in a file can be relied on. */
static int checkpoint_bad(const struct due *d, evlog_error *err)
{
	return error_set(err, EVLOG_EDATA,
	    "%s: not what evdue has written; remove it, and the log is read again",
	    d->o.checkpoint);
}

static int timer_deliver(struct due *d, const struct timer *t, evlog_error *err)
{
	evlog_error why;
	int r;

	if (!line_make(d, t->line))
		return d->out.failed ? error_memory(err) : checkpoint_bad(d, err);
	if (!d->log) {
		buf_putc(&d->out, '\n');
		r = d->out.failed ? error_memory(err) : 0;
		if (!r && d->o.deliver(d->o.arg, d->out.p, d->out.len) < 0)
			r = error_sys(err, "output");
		d->delivered += !r;
		return r;
	}
	struct sink_item item = {
	    .value = {d->out.p, d->out.len}, .name = "due event", .number = t->at.seq};
	r = d->log->kind->put(d->log, &item, &why);
	if (r ==
	    EVLOG_EDATA) { /* it would fail again and again, and those after it wait */
		refused(d, t->at.seq, undelivered, why.reason);
		return 0;
	}
	if (r && err)
		*err = why;
	d->delivered += !r;
	return r;
}

/* Commits a step of some events, up to event n, and `at`. */
static int step_commit(
    struct due *d, size_t events, uint64_t n, struct due_at at, evlog_error *err)
{
	struct evlog_position place = d->place.read;
	int r = 0;

	if (d->log && n < place.seq) {
		r = position_find(d->path, n, d->o.max_line, &place, err);
		if (r == EVLOG_END)
			r = error_set(err, EVLOG_EMISMATCH,
			    "%s: event %" PRIu64 " is not there any more", d->path, n);
		position_lineage(&place, &d->who);
	}
	if (d->log && !r) {
		log_sink_set_due(d->log, at.due, at.seq);
		r = d->log->kind->commit(d->log, &place, err);
	} else if (!r && d->o.deliver(d->o.arg, NULL, 0) < 0) {
		r = error_sys(err, "output");
	}
	if (r < 0)
		return r;
	d->counts.delivered += d->delivered;
	d->delivered = 0;
	if (r == 0) { /* else all of it was refused, and the log knows nothing of it */
		d->done = n;
		d->place.reached = at;
		d->place.emitted_upto = n;
	}
	if (d->log)
		log_sink_end(d->log, &d->place.emitted);
	size_t removed;
	r = timers_remove(d->timers, n, &at, &removed, err);
	if (!r && removed < events) /* they would be delivered again */
		r = checkpoint_bad(d, err);
	if (!r)
		r = timers_commit(d->timers, &d->place, err);
	d->kept = d->place.read.seq;
	return r;
}

/* What goes into a step. */
struct step {
	size_t n; /* events */
	struct due_at last;
	bool more; /* others wait */
};

/* Delivers the events listed that are due by now, as many as go into a step. */
static int listed_deliver(struct due *d, int64_t now, struct step *s, evlog_error *err)
{
	size_t bytes = 0;
	struct timer t;
	int r = 0;

	*s = (struct step){.n = 0};
	while ((r = timers_next(d->timers, &t, err)) == 0) {
		s->more = t.at.due > now || s->n == STEP_EVENTS ||
			  (s->n && bytes + t.line.len > STEP_BYTES);
		if (s->more)
			break;
		r = t.at.seq > d->place.read.seq ? checkpoint_bad(d, err)
						 : timer_deliver(d, &t, err);
		if (r)
			return r;
		s->last = t.at;
		s->n++;
		bytes += t.line.len;
	}
	return r < 0 ? r : 0;
}

/* Delivers what is due by now.  First those that T has passed already, in the order of
 * their seqs: one that is not due yet, because the clock was set back, holds up the
 * others. */
static int all_deliver(struct due *d, int64_t now, evlog_error *err)
{
	struct step s = {.more = true};
	int r = 0;

	while (s.more && !r && !stopped(d)) {
		r = timers_late(d->timers, &d->place.reached, err);
		if (!r)
			r = listed_deliver(d, now, &s, err);
		if (!r && s.more && !s.n)
			return 0; /* the first is not due yet */
		if (!r && s.n)
			r = step_commit(d, s.n, s.more ? s.last.seq : d->place.read.seq,
			    d->place.reached, err);
	}
	s.n = 1;
	while (s.n && !r && !stopped(d)) {
		r = timers_later(d->timers, &d->place.reached, err);
		if (!r)
			r = listed_deliver(d, now, &s, err);
		if (!r && s.n)
			r = step_commit(d, s.n, d->place.read.seq, s.last, err);
	}
	return r;
}

/* Gets the moment at which something may have to be delivered; EVLOG_TIME_MAX: nothing
 * waits. */
static int soonest(struct due *d, int64_t *due, evlog_error *err)
{
	struct timer t;

	*due = EVLOG_TIME_MAX;
	int r = timers_late(d->timers, &d->place.reached, err);
	if (!r)
		r = timers_next(d->timers, &t, err);
	if (r == EVLOG_END) {
		r = timers_later(d->timers, &d->place.reached, err);
		if (!r)
			r = timers_next(d->timers, &t, err);
	}
	if (!r)
		*due = t.at.due;
	return r < 0 ? r : 0;
}

static int all_list(struct due *d, evlog_error *err)
{
	/* all that is left, whatever was delivered */
	const struct due_at reached = {EVLOG_TIME_MIN, 0};
	struct timer t;

	int r = timers_later(d->timers, &reached, err);
	while (!r && (r = timers_next(d->timers, &t, err)) == 0) {
		d->out.len = 0;
		buf_add(&d->out, t.line.p, t.line.len);
		buf_putc(&d->out, '\n');
		r = d->out.failed ? error_memory(err) : 0;
		if (!r && d->o.deliver(d->o.arg, d->out.p, d->out.len) < 0)
			r = error_sys(err, "output");
		d->counts.pending += !r;
	}
	return r < 0 ? r : 0;
}

/* ---- Beginning ---- */

/* Opens the log that is emitted to, and gets the cursor from it. */
static int outlet_open(struct due *d, struct evlog_position *at, evlog_error *err)
{
	struct log_sink_options o = {.path = d->o.emit,
	    .source = d->path,
	    .no_create = d->o.list,
	    .say = d->o.say,
	    .arg = d->o.arg};

	if (strlen(d->o.name) > CURSOR_NAME_MAX)
		return error_set(err, EVLOG_EUSAGE, "the name is longer than %d bytes",
		    CURSOR_NAME_MAX);
	strcpy(o.cursor.name, d->o.name);
	memcpy(o.cursor.id, d->who.id, ID_SIZE);
	memcpy(o.cursor.lineage, d->who.lineage, HASH_SIZE);
	int r = log_sink_open(&d->log, &o, err);
	if (r || !o.found)
		return r;
	if (!(o.cursor.has & CURSOR_HAS(CURSOR_DUE)))
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: %s is the name of another consumer; choose one with --name",
		    d->o.emit, d->o.name);
	d->place.reached = (struct due_at){o.cursor.due, o.cursor.due_seq};
	r = d->log->kind->where(d->log, at, err);
	d->done = at->seq;
	return r == EVLOG_END ? 0 : r;
}

/* Whether a checkpoint is of this log, and has nothing that the log emitted to does not
 * have.  0, EVLOG_EMISMATCH, or another error. */
static int checkpoint_check(struct due *d, const struct due_place *p, evlog_error *err)
{
	if (!position_is_sound(&p->read))
		return error_set(err, EVLOG_EMISMATCH, "it says no place");
	int r = evlog_position_check(d->path, &p->read, d->o.max_line, err);
	if (r || !d->log)
		return r;
	if (p->emitted_upto > d->done || is_after(p->reached, d->place.reached) ||
	    !position_is_sound(&p->emitted))
		return error_set(err, EVLOG_EMISMATCH, "%s was set back", d->o.emit);
	/* if that was removed, the cursor says that it was there */
	bool removed;
	return position_check_appended(
	    d->o.emit, &p->emitted, d->o.max_line, &removed, err);
}

/* Uses the checkpoint, as far as it is right. */
static int checkpoint_take(struct due *d, evlog_error *err)
{
	struct due_place p;
	evlog_error text;

	int r = timers_place(d->timers, &p, err);
	if (r == EVLOG_END)
		return timers_clear(d->timers, err);
	if (!r)
		r = checkpoint_check(d, &p, err);
	if (r == EVLOG_EMISMATCH && d->log) { /* it is only a cache */
		error_set(&text, r, "%s is not used: %.500s", d->o.checkpoint, err->text);
		say(d, text.text);
		return timers_clear(d->timers, err);
	}
	if (r)
		return r;
	if (!d->log) {
		d->place = p;
		d->done = p.read.seq;
		return 0;
	}
	d->place.read = p.read;
	return timers_remove(d->timers, d->done, &d->place.reached, NULL, err);
}

static int reader_open(struct due *d, evlog_error *err)
{
	struct bounds b = {.from = d->place.read.seq + 1,
	    BOUNDS_ANY_TIME,
	    .max_line = d->o.max_line,
	    .no_index = d->o.no_index,
	    .wanted = d->o.no_index ? NULL : &d->wanted};
	evlog_error text;

	d->key = filter_key(KEY_TIMER, (struct view){"", 0});
	d->wanted.of[KEY_TIMER].key = &d->key;
	d->wanted.of[KEY_TIMER].n = 1;
	int r = log_reader_open(&d->reader, d->path, &b, false, false, err);
	uint64_t first = r ? 0 : log_reader_trimmed(d->reader);
	if (first && d->place.read.seq)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: begins with event %" PRIu64 "; events %" PRIu64 " to %" PRIu64
		    " were removed before they were read",
		    d->path, first, d->place.read.seq + 1, first - 1);
	/* what was delivered once is not delivered later, when more is known */
	if (first && d->o.emit && !d->o.accept_trimmed)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: begins with event %" PRIu64
		    "; what waits among those before it is not known: name the folder of "
		    "backups that has them before it, give the checkpoint, or begin with "
		    "what is left: --accept-trimmed",
		    d->path, first);
	if (first) {
		error_set(&text, EVLOG_EDATA,
		    "%s: begins with event %" PRIu64
		    "; what was due among those before it is not known",
		    d->path, first);
		say(d, text.text);
	}
	return r;
}

static void watch_add(struct due *d)
{
	d->watch = os_watch_open();
	if (d->watch >= 0 && !log_watch(d->watch, d->path)) {
		close(d->watch);
		d->watch = -1;
	}
}

static int begin(struct due *d, evlog_error *err)
{
	struct evlog_position at = {0};

	d->place.reached = (struct due_at){EVLOG_TIME_MIN, 0};
	int r = log_identify(d->path, d->o.max_line, &d->who, err);
	if (!r && d->o.emit)
		r = outlet_open(d, &at, err);
	if (!r)
		r = evlog_position_check(d->path, &at, d->o.max_line, err);
	if (!r)
		r = timers_open(&d->timers, d->o.checkpoint, d->o.list, err);
	if (!r)
		r = checkpoint_take(d, err);
	if (!r)
		r = reader_open(d, err);
	if (!r && d->o.follow)
		watch_add(d);
	return r;
}

/* ---- Going on ---- */

/* Makes a checkpoint if there is news, and if it is time for one. */
static int keep(struct due *d, bool now, evlog_error *err)
{
	int64_t clock = file_clock() / 1000;

	if (d->place.read.seq == d->kept || (!now && clock < d->kept_at + KEEP_EVERY))
		return 0;
	d->kept_at = clock;
	d->kept = d->place.read.seq;
	if (d->log && d->place.emitted.seq == 0) {
		log_sink_end(d->log, &d->place.emitted);
		d->place.emitted_upto = d->done;
	}
	return timers_commit(d->timers, &d->place, err);
}

/* Sleeps until the next moment, until the log grows, or for WAIT_MOST. */
static void pause_until(struct due *d, int64_t due)
{
	struct pollfd p = {.fd = d->watch, .events = POLLIN};
	int64_t now = evlog_now();
	int64_t most = d->watch < 0 ? 50 : WAIT_MOST;
	int64_t ms = due > now && due - now < most * 1000 ? (due - now + 999) / 1000
		     : due > now			  ? most
							  : 0;

	if (poll(&p, d->watch >= 0, (int)ms) > 0)
		os_watch_clear(d->watch);
}

static int run(struct due *d, evlog_error *err)
{
	int64_t now, next = EVLOG_TIME_MAX;
	int r = 0;

	do {
		now = evlog_now();
		r = log_catch_up(d, err);
		if (!r)
			r = soonest(d, &next, err);
		if (!r && next <= now) {
			r = log_settle(d, err);
			if (!r)
				r = all_deliver(d, now, err);
			if (!r)
				r = soonest(d, &next, err);
		}
		if (!r)
			r = keep(d, false, err);
		if (!r && d->o.follow && !stopped(d))
			pause_until(d, next);
	} while (!r && d->o.follow && !stopped(d));
	return r ? r : keep(d, true, err);
}

static void end(struct due *d)
{
	if (d->log)
		d->log->kind->close(d->log);
	log_reader_close(d->reader);
	timers_close(d->timers);
	if (d->watch >= 0)
		close(d->watch);
	buf_free(&d->id);
	buf_free(&d->out);
}

int evlog_due(const char *path, const struct evlog_due_options *given,
    struct evlog_due_counts *counts, evlog_error *err)
{
	struct due d = {.path = path, .watch = -1};

	OWN_ERROR(err);
	NEED(path, err);
	int r = options_take(
	    &d.o, sizeof d.o, END_OF(struct evlog_due_options, arg), given, err);
	if (r)
		return r;
	NEED(d.o.deliver || (d.o.emit && !d.o.list), err);
	REFUSE(d.o.list && d.o.follow, "list and follow exclude each other", err);
	REFUSE(d.o.emit && (!d.o.name || !*d.o.name), "it needs a name", err);
	r = begin(&d, err);
	if (!r && d.o.list) {
		r = log_read(&d, err);
		if (!r)
			r = all_list(&d, err);
	} else if (!r) {
		r = run(&d, err);
	}
	end(&d);
	if (counts)
		*counts = d.counts;
	return r;
}
