/* consumer.c - the main loop: reads events into rounds, lets the workers process them,
 * and commits the results in order. */
#include "run/consumer.h"
#include "base/error.h"
#include "base/options.h"
#include "base/hash.h"
#include "event/select.h"
#include "fold/fold.h"
#include "json/path.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_MOST 50000 /* us to read before the workers are checked */

/* ---- Reading ---- */

static bool turn_is_long(const struct consumer *c)
{
	return clock_us() - c->turn > READ_MOST;
}

/* The map of the stream: it gets all lines of the log, selected or not, and adds them to
 * the root.  They may be delivered later, to check the workers first. */
static int lines_see(void *arg, const struct evlog_lines *lines, evlog_write_fn *put,
    void *to, evlog_error *err)
{
	struct consumer *c = arg;
	struct evlog_lines first = *lines;
	struct evlog_event e;

	(void)put;
	(void)to;
	if (c->tracking) {
		c->before = evlog_lines_take(&first, &e) ? e.seq - 1 : c->seen;
		int r = root_tracker_lines(&c->track, lines, err);
		c->seen = c->track.seen;
		if (r)
			return r;
	}
	c->yielded = turn_is_long(c);
	return c->yielded ? EVLOG_WAIT : 1;
}

/* The round being filled.  There is none if all are complete. */
static struct round *round_open(struct consumer *c)
{
	return round_at(c, c->filled);
}

static bool round_is_empty(const struct round *r, unsigned workers)
{
	for (unsigned i = 0; i < workers; i++)
		if (r->part[i].n)
			return false;
	return true;
}

/* Completes the round being filled, unless it is empty, so that workers may begin it. */
static void round_close(struct consumer *c)
{
	struct round *r = round_open(c);

	if (c->filled - c->first == ROUNDS || round_is_empty(r, c->workers))
		return;
	r->end = c->clear;
	pass_begin(c, r);
	c->filled++;
	c->opened = 0;
}

/* Begins the unit of the event `e`, the last one read. */
static int unit_begin(struct consumer *c, struct part *p, const struct evlog_event *e,
    const struct mapped *m, evlog_error *err)
{
	struct unit u = {.number = c->number, .seq = e->seq, .at = p->lines.len};

	if (p->n == p->cap && !array_grow(&p->unit, &p->cap, sizeof *p->unit))
		return error_memory(err);
	if (m->changed && c->dead) {
		u.stored_at = p->stored.len;
		u.stored_len = m->stored.len;
		buf_add(&p->stored, m->stored.p, m->stored.len);
		round_open(c)->bytes += m->stored.len;
	}
	p->unit[p->n++] = u;
	return p->stored.failed ? error_memory(err) : 0;
}

/* Adds a line to a part, in the unit of the event that it comes from. */
static int line_add(struct consumer *c, struct part *p, const struct evlog_event *line,
    const struct evlog_event *e, const struct mapped *m, evlog_error *err)
{
	if (p->n == 0 || p->unit[p->n - 1].number != c->number) {
		int r = unit_begin(c, p, e, m, err);
		if (r)
			return r;
	}
	buf_add(&p->lines, line->line, line->len);
	buf_putc(&p->lines, '\n');
	round_open(c)->bytes += line->len;
	if (!c->opened)
		c->opened = clock_us();
	return p->lines.failed ? error_memory(err) : 0;
}

/* Gets the number of the worker that processes an event, by the hash of its key;
 * c->workers if the event belongs to another shard. */
static int worker_of(
    struct consumer *c, const struct evlog_event *e, unsigned *worker, evlog_error *err)
{
	unsigned shards = c->o->shards ? c->o->shards : 1;
	unsigned shard = c->o->shards ? c->o->shard - 1 : 0;
	struct json_text value;
	struct view key = {NULL, 0};

	*worker = 0;
	if (shards * c->workers == 1)
		return 0;
	c->key_room.len = 0;
	if (json_path_find(c->key, (struct json_text){e->line, e->len}, &value) &&
	    !fold_key_of(value, &c->key_room, &key))
		return error_memory(err);
	uint64_t hash = key.len ? hash64(key.p, key.len) : 0;
	*worker =
	    hash % shards == shard ? (unsigned)(hash / shards % c->workers) : c->workers;
	return 0;
}

/* Adds an event, converted and selected, to the round being filled. */
static int event_add(struct consumer *c, const struct evlog_event *e, evlog_error *err)
{
	struct mapped m = {.lines = {e->line, e->len + 1}};
	struct evlog_event line;
	unsigned worker;
	int r = c->mapping.used ? mapping_call(&c->mapping, e, &m, err) : 1;

	c->yielded = r == EVLOG_WAIT;
	c->number++;
	while (r >= 0 && c->mapping.left && evlog_lines_take(&m.lines, &line)) {
		if (c->mapping.used &&
		    (r = mapping_selects(&c->mapping, &line, err)) != 1)
			continue;
		c->mapping.left -= c->mapping.left != UINT64_MAX;
		r = worker_of(c, &line, &worker, err);
		if (!r && worker < c->workers)
			r = line_add(c, &round_open(c)->part[worker], &line, e, &m, err);
	}
	return r < 0 ? r : 0;
}

/* Whether an event must go into the next round: this one has ROUND_BYTES, or a batch for
 * each worker on average.  Keys are not spread evenly, so a part may have more than a
 * batch; it is processed batch by batch. */
static bool round_is_full(struct consumer *c)
{
	struct round *r = round_open(c);
	size_t units = 0;

	for (unsigned i = 0; i < c->workers; i++)
		units += r->part[i].n;
	return r->bytes >= ROUND_BYTES || units / c->workers >= c->o->batch;
}

/* Moves events from c->rest into rounds while there is room.  Converting them may take
 * long. */
static int rest_take(struct consumer *c, evlog_error *err)
{
	struct evlog_lines next;
	struct evlog_event e;

	while (c->filled - c->first < ROUNDS && !c->yielded) {
		next = c->rest;
		if (!evlog_lines_take(&next, &e))
			return 0;
		if (round_is_full(c)) {
			round_close(c);
			continue;
		}
		int r = event_add(c, &e, err);
		if (r)
			return r;
		c->clear = e.seq;
		c->rest = next;
		c->yielded |= c->mapping.used && turn_is_long(c);
		if (c->mapping.left == 0) {
			c->ended = true;
			c->rest.len = 0;
		}
	}
	return 0;
}

/* Whether there may be something to read, and there is a place for it. */
static bool can_read(const struct consumer *c)
{
	return !c->ended && !c->paused && !c->stopping && !c->failed &&
	       c->filled - c->first < ROUNDS;
}

/* Reads until all rounds are complete, the stream pauses or ends, or the workers are to
 * be checked.  Completes the last round if nothing more is to come, or if its first event
 * has waited for as long as `linger` says. */
static int rounds_fill(struct consumer *c, evlog_error *err)
{
	int r = 0;

	c->turn = clock_us();
	c->paused = c->yielded = false;
	while (can_read(c) && !c->yielded) {
		if (c->rest.len == 0) {
			r = evlog_stream_next(c->stream, &c->rest, err);
			if (r < 0)
				return r;
			if (r)
				c->rest.len = 0;
			if (c->tracking && r)
				c->clear = c->yielded ? c->before : c->seen;
			c->ended = r == EVLOG_END;
			c->paused = r == EVLOG_WAIT && !c->yielded;
		}
		if ((r = rest_take(c, err)) != 0)
			return r;
	}
	if (c->filled - c->first == ROUNDS)
		return 0;
	int64_t waited = c->opened ? clock_us() - c->opened : 0;
	if (c->ended || (c->paused && waited >= c->o->linger))
		round_close(c);
	return 0;
}

/* ---- Committing ---- */

/* Empties a round, keeping its memory for the next one. */
static void round_clear(struct consumer *c, struct round *r)
{
	for (unsigned i = 0; i < c->workers; i++) {
		struct part *p = &r->part[i];
		p->lines.len = p->stored.len = p->out.len = 0;
		p->n = p->done = p->from = p->uncaused = 0;
	}
	r->bytes = r->letters = r->texts.len = r->events = r->pass = 0;
}

/* Counts the units that are done.  Sets *passed if the current pass is complete. */
static size_t round_done(const struct consumer *c, const struct round *r, bool *passed)
{
	size_t done = 0, all = 0;

	for (unsigned i = 0; i < c->workers; i++) {
		done += r->part[i].done;
		all += part_end(r, &r->part[i]);
	}
	*passed = done == all;
	return done;
}

/* The seq up to which everything is done in a pass that is not complete; 0: nothing more
 * can be committed yet.
 *
 * One worker: the last unit that is done.  Several workers: the seq before the first unit
 * that is not done; but with an emit log, nothing until the pass is complete, so that the
 * order of the emitted events does not depend on timing. */
static uint64_t done_upto(const struct consumer *c, const struct round *r)
{
	uint64_t upto = UINT64_MAX;

	if (c->workers == 1)
		return r->part[0].done ? r->part[0].unit[r->part[0].done - 1].seq : 0;
	if (c->emit || !c->tracking)
		return 0;
	for (unsigned i = 0; i < c->workers; i++) {
		const struct part *p = &r->part[i];
		if (p->done < p->n && p->unit[p->done].seq - 1 < upto)
			upto = p->unit[p->done].seq - 1;
	}
	return upto > c->kept && upto != UINT64_MAX ? upto : 0;
}

/* Commits what is done in the first round, and in those after it as long as each is
 * complete.  Begins the next pass if a round needs one. */
static int front_keep(struct consumer *c, evlog_error *err)
{
	bool passed = true;

	while (c->first < c->filled && passed) {
		struct round *r = round_at(c, c->first);
		size_t done = round_done(c, r, &passed);
		bool whole = passed && r->limit == UINT64_MAX;
		uint64_t seq = whole ? r->end : passed ? r->limit : done_upto(c, r);
		if (done == r->events || (!passed && c->workers > 1 && seq == 0))
			return 0;
		int res = consumer_commit(c, r, seq, passed || c->workers == 1, err);
		if (res)
			return res;
		c->done.events += done - r->events;
		r->events = done;
		if (whole) {
			round_clear(c, r);
			c->first++;
		} else if (passed) {
			pass_begin(c, r);
		}
	}
	return 0;
}

/* The emitted events of a pass go into one commit, together with the position, and the
 * size of a commit is limited.  A round that exceeds it is processed again, in several
 * passes. */
static int overflow_split(struct consumer *c, evlog_error *err)
{
	int res = 0;

	for (uint64_t n = c->first; n < c->filled && c->emit && !res; n++) {
		struct round *r = round_at(c, n);
		size_t bytes = 0;
		for (unsigned i = 0; i < c->workers; i++)
			bytes += r->part[i].out.len;
		if (bytes > LOG_SINK_MOST)
			res = pass_split(c, n, err);
	}
	return res;
}

/* If all rounds are empty, moves the mark past events that were not selected. */
static int clear_keep(struct consumer *c, evlog_error *err)
{
	if (!c->tracking || c->first != c->filled || c->clear <= c->kept ||
	    !round_is_empty(round_open(c), c->workers))
		return 0;
	return consumer_commit(c, NULL, c->clear, false, err);
}

/* ---- The loop ---- */

static bool is_busy(const struct consumer *c)
{
	for (unsigned i = 0; i < c->workers; i++)
		if (c->worker[i].process.pid)
			return true;
	return false;
}

/* How many milliseconds to wait if neither a run nor the input ends the wait; at most
 * 500. */
static int wait_ms(const struct consumer *c)
{
	int64_t due = INT64_MAX, now = clock_us();

	if (can_read(c))
		return 0;
	for (unsigned i = 0; i < c->workers; i++) {
		int64_t at = worker_due(c, &c->worker[i]);
		if (at < due)
			due = at;
		if (c->worker[i].process.pid && c->worker[i].process.exit_fd < 0)
			due = due < now + 2000 ? due : now + 2000; /* cannot be polled */
	}
	if (c->paused && c->opened && c->opened + c->o->linger < due)
		due = c->opened + c->o->linger;
	if (due <= now)
		return 0;
	return due - now > 500000 ? 500 : (int)((due - now + 999) / 1000);
}

/* Waits until a run ends or writes to stderr, there is input, a signal arrives, or
 * something is due. */
static int wait_turn(struct consumer *c, evlog_error *err)
{
	bool input = c->paused && c->filled - c->first < ROUNDS;
	struct pollfd *fds = c->fds;
	nfds_t n = 0;
	int ms = wait_ms(c);
	bool blocked = false;

	for (unsigned i = 0; i < c->workers; i++) {
		const struct process *p = &c->worker[i].process;
		if (p->pid && p->exit_fd >= 0)
			fds[n++] = (struct pollfd){.fd = p->exit_fd, .events = POLLIN};
		if (p->pid && p->error_fd >= 0 && !p->blocked)
			fds[n++] = (struct pollfd){.fd = p->error_fd, .events = POLLIN};
		blocked |= p->pid && p->blocked;
	}
	if (blocked)
		fds[n++] = (struct pollfd){.fd = STDERR_FILENO, .events = POLLOUT};
	if (input && n == 0 && ms > 0)
		return evlog_stream_wait(c->stream, ms, err);
	int fd = input ? evlog_stream_fd(c->stream) : -1;
	if (fd >= 0)
		fds[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
	else if (input && ms > 20)
		ms = 20; /* the input cannot be polled */
	poll(fds, n, ms);
	return c->paused ? evlog_stream_wait(c->stream, 0, err) : 0;
}

/* Whether all events before the one that fails are done. */
static bool is_done_before_failure(const struct consumer *c)
{
	for (uint64_t n = c->first; n < c->filled; n++)
		for (unsigned i = 0; i < c->workers; i++) {
			const struct part *p = &c->rounds[n % ROUNDS].part[i];
			if (p->done < p->n && p->unit[p->done].number < c->fail_at)
				return false;
		}
	return true;
}

/* Whether the loop is done: nothing is running, and nothing more will be started. */
static bool is_over(const struct consumer *c)
{
	if (is_busy(c))
		return false;
	if (c->failed && is_done_before_failure(c))
		return true;
	return c->stopping || (c->ended && c->first == c->filled);
}

/* Looks at sel.stop.  Once it is set, reads no further; returns EVLOG_EBUSY if it is more
 * than 1. */
static int stop_asked(struct consumer *c, evlog_error *err)
{
	int stop = c->sel.stop ? *c->sel.stop : 0;

	if (stop && !c->stopping) {
		c->stopping = true;
		round_close(c);
	}
	return stop > 1 ? error_set(err, EVLOG_EBUSY,
			      "interrupted before the current batch was finished; it "
			      "will be delivered again")
			: 0;
}

/* If reading has failed because the input is damaged or invalid, ends it, so that the
 * events before that are processed first.  Returns any other error. */
static int input_end(struct consumer *c, int r, evlog_error *err)
{
	if (r != EVLOG_EDATA && r != EVLOG_EDAMAGED)
		return r;
	c->bad = *err;
	c->ended = true;
	round_close(c);
	return 0;
}

/* Does everything that can be done without waiting. */
static int turn(struct consumer *c, evlog_error *err)
{
	int r = stop_asked(c, err);

	if (!r)
		r = input_end(c, rounds_fill(c, err), err);
	for (unsigned i = 0; i < c->workers && !r; i++)
		r = worker_look(c, &c->worker[i], err);
	/* commit before the next run starts, because it may read the emit log */
	if (!r)
		r = overflow_split(c, err);
	if (!r)
		r = front_keep(c, err);
	if (!r && c->failed && c->emit && c->workers > 1 && c->first < c->filled)
		pass_cut(c);
	for (unsigned i = 0; i < c->workers && !r; i++)
		r = worker_start(c, &c->worker[i], err);
	if (!r)
		r = clear_keep(c, err);
	if (!r && c->dirty)
		r = mark_write(c, false, err);
	if (c->o->progress)
		c->o->progress(c->o->arg, c->stream, c->done.events);
	return r;
}

/* The loop.  If an event cannot be processed, that is reported rather than what is wrong
 * with the input.  If the consumer itself cannot continue, nothing more is committed:
 * what failed may have been a commit, which must not be tried again. */
static int work(struct consumer *c, evlog_error *err)
{
	int r = 0;

	while (!r) {
		r = turn(c, err);
		if (!r && is_over(c))
			break;
		bool idle = c->first < c->filled && !is_busy(c); /* a retry may be due */
		if (!r && !(idle && wait_ms(c) == 0))
			r = input_end(c, wait_turn(c, err), err);
	}
	if (!r)
		r = mark_write(c, true, err);
	if (r || !(c->why.code || c->bad.code))
		return r;
	*err = c->why.code ? c->why : c->bad;
	return err->code;
}

/* ---- The interface ---- */

#define WORKERS_MOST 1024
#define SHARDS_MOST  100000 /* times WORKERS_MOST, they still fit into an unsigned */
#define SPAN_MOST    (INT64_C(1) << 60) /* us; 36,000 years, without overflow */

static int workers_make(struct consumer *c, evlog_error *err)
{
	c->worker = calloc(c->workers, sizeof *c->worker);
	c->fds = calloc(2 * (size_t)c->workers + 2, sizeof *c->fds);
	for (unsigned i = 0; i < ROUNDS; i++) {
		c->rounds[i].part = calloc(c->workers, sizeof *c->rounds[i].part);
		if (!c->rounds[i].part)
			return error_memory(err);
	}
	if (!c->worker || !c->fds)
		return error_memory(err);
	for (unsigned i = 0; i < c->workers; i++) {
		c->worker[i].number = i;
		c->worker[i].out = -1;
	}
	return json_path_parse(&c->key, c->o->key ? c->o->key : "subject", err);
}

static void consumer_free(struct consumer *c)
{
	for (unsigned i = 0; i < c->workers && c->worker; i++)
		worker_abandon(&c->worker[i]);
	for (unsigned k = 0; k < ROUNDS; k++) {
		struct round *r = &c->rounds[k];
		for (unsigned i = 0; i < c->workers && r->part; i++) {
			buf_free(&r->part[i].lines);
			buf_free(&r->part[i].stored);
			buf_free(&r->part[i].out);
			free(r->part[i].unit);
		}
		free(r->part);
		free(r->letter);
		buf_free(&r->texts);
	}
	evlog_stream_close(c->stream);
	if (c->emit)
		c->emit->kind->close(c->emit);
	if (c->dead)
		c->dead->kind->close(c->dead);
	checkpoint_close(&c->file);
	root_tracker_end(&c->track);
	mapping_end(&c->mapping);
	if (c->mark.selection != c->selected.p)
		free(c->mark.selection);
	buf_free(&c->selected);
	buf_free(&c->key_room);
	free(c->worker);
	free(c->fds);
	free(c->key);
}

static int options_check(
    const struct evlog_consumer_options *o, size_t n, evlog_error *err)
{
	NEED(o->command && *o->command, err);
	if (o->workers > WORKERS_MOST)
		return error_set(err, EVLOG_EUSAGE, "%u workers: there can be at most %d",
		    o->workers, WORKERS_MOST);
	if (o->shards > SHARDS_MOST)
		return error_set(err, EVLOG_EUSAGE, "%u shards: there can be at most %d",
		    o->shards, SHARDS_MOST);
	if (o->shards && (o->shard < 1 || o->shard > o->shards))
		return error_set(err, EVLOG_EUSAGE, "shard %u: must be from 1 to %u",
		    o->shard, o->shards);
	if (o->backoff < 0 || o->linger < 0 || o->timeout < 0)
		return error_set(err, EVLOG_EUSAGE, "a duration must not be negative");
	REFUSE(o->emit && !o->checkpoint, "emit needs a checkpoint", err);
	REFUSE(o->line_by_line && !o->emit, "line_by_line needs emit", err);
	REFUSE(
	    o->accept_change && !o->checkpoint, "accept_change needs a checkpoint", err);
	if (!process_can_wait())
		return error_set(err, EVLOG_EUSAGE,
		    "the exit status of commands would be lost, because SIGCHLD is "
		    "ignored");
	if (o->checkpoint && n != 1)
		return error_set(err, EVLOG_EUSAGE,
		    "a checkpoint is for a single log, but %zu were given", n);
	return 0;
}

static int consume(struct consumer *c, evlog_error *err)
{
	int r = workers_make(c, err);

	if (!r)
		r = consumer_begin(c, err);
	if (!r)
		r = evlog_stream_open(&c->stream, c->paths, c->n_paths, &c->sel, err);
	if (!r)
		r = work(c, err);
	consumer_free(c);
	return r;
}

int evlog_consume(const struct evlog_consumer_options *given, const char *const *paths,
    size_t n, const struct evlog_selection *sel, struct evlog_consumed *done,
    evlog_error *err)
{
	struct evlog_consumer_options o;
	struct consumer c = {.o = &o,
	    .paths = paths,
	    .n_paths = n,
	    .file = {.fd = -1},
	    .fail_at = UINT64_MAX};

	OWN_ERROR(err);
	if (done)
		*done = (struct evlog_consumed){0};
	NEED(paths && n, err);
	for (size_t i = 0; i < n; i++)
		NEED(paths[i], err);
	int r = options_take(
	    &o, sizeof o, END_OF(struct evlog_consumer_options, arg), given, err);
	evlog_selection_init(&c.sel);
	if (!r && sel)
		r = options_take(&c.sel, sizeof c.sel,
		    END_OF(struct evlog_selection, map_arg), sel, err);
	if (!r)
		r = select_check(&c.sel, err);
	if (!r)
		r = options_check(&o, n, err);
	if (r)
		return r;
	REFUSE(o.checkpoint && (c.sel.reverse || c.sel.last || c.sel.count),
	    "a checkpoint excludes reverse, last and count", err);
	REFUSE(c.sel.map && c.sel.last && !c.sel.reverse, "last excludes a map", err);
	o.linger = o.linger < SPAN_MOST ? o.linger : SPAN_MOST;
	o.timeout = o.timeout < SPAN_MOST ? o.timeout : SPAN_MOST;
	if (!o.batch)
		o.batch = 1000;
	c.workers = o.workers ? o.workers : 1;
	mapping_begin(&c.mapping, &c.sel);
	c.sel.map = lines_see;
	c.sel.map_arg = &c;
	r = consume(&c, err);
	if (done)
		*done = c.done;
	return r;
}
