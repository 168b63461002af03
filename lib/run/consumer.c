/* consumer.c - the main loop: fills rounds with events, lets the workers process them,
 * and commits the results in order. */
#include "run/consumer.h"
#include "base/error.h"
#include "base/options.h"
#include "event/select.h"
#include "json/path.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

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

/* The number up to which everything is done in a pass that is not complete; 0: nothing
 * more can be committed yet.
 *
 * One worker: the last unit that is done.  Several workers: before the first unit that is
 * not done; but with an emit log, nothing until the pass is complete, so that the
 * order of the emitted events does not depend on timing. */
static uint64_t done_upto(const struct consumer *c, const struct round *r)
{
	uint64_t upto = UINT64_MAX;

	if (c->workers == 1)
		return r->part[0].done ? r->part[0].unit[r->part[0].done - 1].number : 0;
	if (c->emit || !c->tracking)
		return 0;
	for (unsigned i = 0; i < c->workers; i++) {
		const struct part *p = &r->part[i];
		if (p->done < p->n && p->unit[p->done].number - 1 < upto)
			upto = p->unit[p->done].number - 1;
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
		uint64_t upto = whole ? r->end : passed ? r->limit : done_upto(c, r);
		/* a round whose last pass had ended with its last event is whole, too */
		if (!whole && (done == r->events || (!passed && c->workers > 1 && !upto)))
			return 0;
		int res = consumer_commit(c, r, upto, passed || c->workers == 1, err);
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
	bool moved = false;

	if (!c->tracking || c->first != c->filled || c->opened)
		return 0;
	for (size_t i = 0; i < c->n_paths; i++)
		moved |= c->source[i].clear > c->mark.place[i].seq;
	return moved ? consumer_commit(c, NULL, c->number, false, err) : 0;
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
		c->rounds[i].clear = calloc(c->n_paths, sizeof *c->rounds[i].clear);
		if (!c->rounds[i].part || !c->rounds[i].clear)
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
		free(r->clear);
		free(r->letter);
		buf_free(&r->texts);
	}
	evlog_stream_close(c->stream);
	if (c->emit)
		c->emit->kind->close(c->emit);
	if (c->dead)
		c->dead->kind->close(c->dead);
	checkpoint_close(&c->file);
	for (size_t i = 0; i < c->n_paths && c->source; i++)
		root_tracker_end(&c->source[i].track);
	free(c->source);
	free(c->next);
	mapping_end(&c->mapping);
	if (c->mark.selection == c->selected.p)
		c->mark.selection = NULL;
	checkpoint_free(&c->mark);
	buf_free(&c->selected);
	buf_free(&c->key_room);
	free(c->division.slot);
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
	REFUSE(o->emit && n != 1, "emit needs a single log", err);
	if (o->checkpoint && n > PLACES_MOST)
		return error_set(err, EVLOG_EUSAGE,
		    "a checkpoint can be for %d logs, but %zu were given", PLACES_MOST,
		    n);
	return 0;
}

static int consume(struct consumer *c, evlog_error *err)
{
	int r = workers_make(c, err);

	if (!r)
		r = consumer_begin(c, err);
	if (!r)
		r = consumer_open(c, err);
	if (!r)
		r = work(c, err);
	if (!r)
		consumer_tell(c);
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
	r = mapping_begin(&c.mapping, &c.sel, err);
	c.sel.map = lines_see;
	c.sel.map_arg = &c;
	if (r)
		mapping_end(&c.mapping);
	else
		r = consume(&c, err);
	if (done)
		*done = c.done;
	return r;
}
