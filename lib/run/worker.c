/*
 * worker.c - runs the command over the batches of one worker.
 *
 * A batch that fails is retried, then split in half, and so on, down to single events.
 * Only whole batches and single events are retried: the ranges between only serve to find
 * the events that fail.  If the command reports that a service is unavailable, any range
 * is retried, and none is split.
 */
#include "base/error.h"
#include "base/os.h"
#include "event/stamp.h"
#include "run/consumer.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKOFF_MOST 30000000 /* us */
#define GRACE	     5000000  /* us between SIGTERM and SIGKILL */
#define UNAVAILABLE  69	      /* EX_UNAVAILABLE of sysexits(3) */
#define TEMPFAIL     75	      /* EX_TEMPFAIL */

/* ---- Starting ---- */

/* Returns a temporary file that contains the lines, at its start, or -1 with errno. */
static int input_make(struct view lines)
{
	int fd = os_memory_file();

	if (fd >= 0 &&
	    (file_write(fd, lines.p, lines.len) < 0 || lseek(fd, 0, SEEK_SET) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int run_start(
    struct consumer *c, struct worker *w, struct part *p, evlog_error *err)
{
	const struct range *range = &w->stack[w->depth - 1];
	struct view lines = part_lines(p, w->from, range->to);
	char from[48], to[48], count[48], attempt[48], shard[64], worker[48];

	sprintf(from, "EVLOG_FROM=%" PRIu64, p->unit[w->from].seq);
	sprintf(to, "EVLOG_TO=%" PRIu64, p->unit[range->to - 1].seq);
	sprintf(count, "EVLOG_COUNT=%zu", lines_count(lines));
	sprintf(attempt, "EVLOG_ATTEMPT=%u", range->tries + w->tries + 1);
	sprintf(shard, "EVLOG_SHARD=%u/%u", c->o->shards ? c->o->shard : 1,
	    c->o->shards ? c->o->shards : 1);
	sprintf(worker, "EVLOG_WORKER=%u", w->number + 1);
	const char *env[] = {from, to, count, attempt, shard, worker, NULL};

	int in = input_make(lines);
	w->out = in >= 0 && c->emit ? os_memory_file() : -1;
	if (in < 0 || (c->emit && w->out < 0)) {
		int r = error_sys(err, "temporary file");
		if (in >= 0)
			close(in);
		return r;
	}
	c->done.runs++;
	int r =
	    process_start(&w->process, c->o->command, env, in, w->out, c->dead != NULL);
	int why = errno;
	close(in);
	if (r == 0) {
		w->deadline = c->o->timeout ? clock_us() + c->o->timeout : INT64_MAX;
		w->timed_out = w->flooded = false;
		w->kill_at = INT64_MAX;
		return 0;
	}
	if (w->out >= 0)
		close(w->out);
	w->out = -1;
	errno = why;
	error_sys(err, "%s", c->o->command[0]);
	if (why == ENOENT || why == EACCES || why == ENOEXEC || why == ENOTDIR)
		err->code = EVLOG_EAWAY;
	return err->code;
}

/* ---- Judging ---- */

static void reason_write(const struct worker *w, char *reason, size_t room)
{
	int status = w->process.status;

	if (w->timed_out)
		snprintf(reason, room, "timed out");
	else if (w->flooded)
		snprintf(reason, room, "its output: more than %u MiB", OUTPUT_MOST >> 20);
	else if (WIFSIGNALED(status))
		snprintf(reason, room, "killed by signal %d (%s)", WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else
		snprintf(reason, room, "exit status %d", WEXITSTATUS(status));
}

/* Returns EVLOG_EBUSY or EVLOG_EAWAY if the command reports, by its exit status, that a
 * service is unavailable; otherwise 0. */
static int service_away(const struct worker *w)
{
	int status = w->process.status;

	if (w->timed_out || !WIFEXITED(status))
		return 0;
	return WEXITSTATUS(status) == TEMPFAIL	    ? EVLOG_EBUSY
	       : WEXITSTATUS(status) == UNAVAILABLE ? EVLOG_EAWAY
						    : 0;
}

/* Marks the current range, which ends at unit `to`, as done. */
static void range_next(struct worker *w, struct part *p, size_t to)
{
	p->done = w->from = to;
	w->depth--;
	w->tries = 0;
	w->due = 0;
}

/* Makes the first half of the current range the current one. */
static void range_split(struct worker *w)
{
	struct range *whole = &w->stack[w->depth - 1];
	size_t middle = w->from + (whole->to - w->from) / 2;

	whole->tries += w->tries;
	w->stack[w->depth] = (struct range){middle, whole->tries};
	w->depth++;
	w->tries = 0;
	w->due = 0;
}

/* Ends the consumer, because the command reports that a service is unavailable. */
static void away_give_up(struct consumer *c, int code, const struct part *p,
    const struct worker *w, const char *reason)
{
	evlog_error why;
	char from[300];

	event_name(c, &p->unit[w->from], from, sizeof from);
	error_set(&why, code, "%s: %s; gave up after attempt %u at the batch from %s",
	    c->o->command[0], reason, w->tries, from);
	consumer_fail(c, 0, &why);
}

/* Decides what follows a failed run: a retry, a split, or that the event or the service
 * is given up.  away: as from service_away. */
static int run_failed(struct consumer *c, struct worker *w, struct part *p,
    const char *reason, int away, evlog_error *err)
{
	struct range *range = &w->stack[w->depth - 1];
	bool single = range->to - w->from == 1;
	bool whole = w->depth == 1 && w->from == w->batch;
	unsigned tries = ++w->tries;

	if ((single || whole || away) && tries <= c->o->retry) {
		int64_t pause = c->o->backoff;
		for (unsigned i = 1; i < tries && pause < BACKOFF_MOST; i++)
			pause *= 2;
		w->due = clock_us() + (pause > BACKOFF_MOST ? BACKOFF_MOST : pause);
		return 0;
	}
	if (!single && !away) {
		range_split(w);
		return 0;
	}
	if (away) {
		away_give_up(c, away, p, w, reason);
		return 0;
	}
	int r = unit_give_up(c, round_at(c, w->round), p, w->from, range->tries + tries,
	    reason, &w->process, err);
	if (!r)
		range_next(w, p, range->to);
	return r < 0 ? r : 0;
}

/* Decides what follows a run that has ended. */
static int run_judge(
    struct consumer *c, struct worker *w, struct part *p, evlog_error *err)
{
	char reason[sizeof(evlog_error)];
	int r = 0, away = service_away(w);
	size_t to = w->stack[w->depth - 1].to;
	bool good = !w->timed_out && WIFEXITED(w->process.status) &&
		    WEXITSTATUS(w->process.status) == 0;

	if (w->process.lost)
		return error_set(err, EVLOG_EINTERNAL,
		    "%s: its exit status was lost: something else in this process waited "
		    "for it",
		    c->o->command[0]);
	reason_write(w, reason, sizeof reason);
	if (good && c->emit) {
		evlog_error why;
		r = output_take(c, p, w->from, to, w->out, &why);
		if (r == EVLOG_EDATA) {
			snprintf(reason, sizeof reason, "its output: %s", why.text);
			good = false;
		} else if (r) {
			*err = why;
			return r;
		}
	}
	if (w->out >= 0)
		close(w->out);
	w->out = -1;
	if (!good)
		return run_failed(c, w, p, reason, away, err);
	range_next(w, p, to);
	return 0;
}

/* ---- A turn ---- */

/* Ends a run that takes too long or has printed too much. */
static void run_watch(struct worker *w)
{
	int64_t now = clock_us();
	struct stat st;

	if (w->out >= 0 && fstat(w->out, &st) == 0 && st.st_size > OUTPUT_MOST) {
		w->flooded = true;
		process_kill(&w->process, SIGKILL);
	}
	if (now >= w->kill_at) {
		process_kill(&w->process, SIGKILL);
		w->kill_at = INT64_MAX;
	}
	if (now >= w->deadline) {
		w->timed_out = true;
		w->deadline = INT64_MAX;
		w->kill_at = now + GRACE;
		process_kill(&w->process, SIGTERM);
	}
}

/* Begins a batch with the first unit of p that is not done, up to unit `end` and to the
 * event that fails. */
static void batch_begin(
    const struct consumer *c, struct worker *w, const struct part *p, size_t end)
{
	size_t n = 1;

	while (n < c->o->batch && p->done + n < end &&
	       p->unit[p->done + n].number < c->fail_at)
		n++;
	w->batch = w->from = p->done;
	w->tries = 0;
	w->depth = 1;
	w->due = 0;
	w->stack[0] = (struct range){p->done + n, 0};
}

/* Makes sure that the worker has a current range; if its batch is done, begins the next
 * one, in this round or a later one.  Returns false if there is none, or none may be
 * begun. */
static bool batch_find(struct consumer *c, struct worker *w)
{
	for (; w->round < c->filled; w->round++, w->started = false) {
		const struct round *r = round_at(c, w->round);
		const struct part *p = &r->part[w->number];
		size_t end = part_end(r, p);
		if (w->started && w->depth)
			return true;
		if (p->done < end) {
			if (p->unit[p->done].number >= c->fail_at)
				return false;
			if (c->stopping && (w->round > c->last || !c->emit))
				return false;
			w->started = true;
			batch_begin(c, w, p, end);
			if (w->round > c->last)
				c->last = w->round;
			return true;
		}
		if (end < p->n) /* the rest is for the next pass */
			return false;
	}
	return false;
}

/* Whether the next run of the current range may be started, now or when it is due. */
static bool may_start(const struct consumer *c, const struct worker *w)
{
	const struct part *p = &c->rounds[w->round % ROUNDS].part[w->number];

	if (c->stopping && w->tries) /* do not retry any more */
		return false;
	return p->unit[w->from].number < c->fail_at;
}

int worker_look(struct consumer *c, struct worker *w, evlog_error *err)
{
	if (!w->process.pid)
		return 0;
	process_look(&w->process);
	if (!w->process.pid)
		return run_judge(c, w, &round_at(c, w->round)->part[w->number], err);
	run_watch(w);
	return 0;
}

int worker_start(struct consumer *c, struct worker *w, evlog_error *err)
{
	if (w->process.pid)
		return 0;
	if (!batch_find(c, w) || !may_start(c, w) || (w->due && clock_us() < w->due))
		return 0;
	return run_start(c, w, &round_at(c, w->round)->part[w->number], err);
}

void worker_abandon(struct worker *w)
{
	process_kill(&w->process, SIGKILL);
	process_wait(&w->process);
	if (w->out >= 0)
		close(w->out);
	w->out = -1;
}

int64_t worker_due(const struct consumer *c, const struct worker *w)
{
	if (w->process.pid == 0)
		return w->started && w->depth && w->due && may_start(c, w) ? w->due
									   : INT64_MAX;
	return w->deadline < w->kill_at ? w->deadline : w->kill_at;
}
