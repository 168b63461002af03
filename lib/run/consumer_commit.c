/* consumer_commit.c - what runs produce: takes the events that the command prints, writes
 * dead letters, and commits both together with the position reached. */
#include "base/error.h"
#include "base/hash.h"
#include "event/stamp.h"
#include "json/path.h"
#include "run/causes.h"
#include "run/consumer.h"
#include "sink/letter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Output of the command ---- */

static int output_read(int fd, struct buf *text, evlog_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_sys(err, "output");
	if (st.st_size > OUTPUT_MOST)
		return error_set(err, EVLOG_EDATA, "more than %u MiB", OUTPUT_MOST >> 20);
	if (!buf_reserve(text, (size_t)st.st_size + 1))
		return error_memory(err);
	ssize_t n = file_pread(fd, text->p, (size_t)st.st_size, 0);
	if (n < 0)
		return error_sys(err, "output");
	text->len = (size_t)n;
	return 0;
}

static bool is_blank(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r')
			return false;
	return true;
}

/* Appends the events in `text`, completed and with their causes, to out.  Blank lines are
 * skipped, but count for --line-by-line. */
static int lines_complete(struct consumer *c, struct causes *all, const struct buf *text,
    struct buf *out, evlog_error *err)
{
	const char *p = text->p, *end = p + text->len;
	size_t number = 0, events = lines_count(all->lines);

	for (; p < end; number++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((nl ? nl : end) - p), start = out->len;
		if (!is_blank(p, n)) {
			int r = log_sink_complete(c->emit, p, n - (p[n - 1] == '\r'),
			    "line", number + 1, out, err);
			if (r)
				return r;
			if (causes_fill(all, number, out, start) < 0)
				return error_memory(err);
		}
		p += n + 1;
	}
	if (all->by_line && number != events)
		return error_set(err, EVLOG_EDATA,
		    "%zu line%s for %zu event%s (--line-by-line needs one for each)",
		    number, number == 1 ? "" : "s", events, events == 1 ? "" : "s");
	return 0;
}

int output_take(
    struct consumer *c, struct part *p, size_t from, size_t to, int fd, evlog_error *err)
{
	struct causes all = {
	    .lines = part_lines(p, from, to), .by_line = c->o->line_by_line};
	struct buf text = {0};
	size_t start = p->out.len;

	int r = output_read(fd, &text, err);
	if (!r)
		r = lines_complete(c, &all, &text, &p->out, err);
	if (!r && p->out.len - start > LOG_SINK_MOST)
		r = error_set(
		    err, EVLOG_EDATA, "more than %u MiB of events", LOG_SINK_MOST >> 20);
	if (r)
		p->out.len = start;
	else
		p->uncaused += all.uncaused;
	causes_free(&all);
	buf_free(&text);
	return r;
}

/* ---- Dead letters ---- */

/* Adds a dead letter to the round, as the event that will be in the log.  Returns
 * EVLOG_EDATA if it is too large. */
static int letter_add(struct consumer *c, struct round *r, const struct part *p, size_t i,
    unsigned tries, const char *reason, const struct process *process, evlog_error *err)
{
	const struct unit *u = &p->unit[i];
	struct view line = part_lines(p, i, i + 1);
	struct buf text = {0};
	size_t at = r->texts.len;

	line.len--; /* newline */
	if (u->stored_len)
		line = (struct view){p->stored.p + u->stored_at, u->stored_len};
	letter_write(&text,
	    &(struct letter_facts){.line = line,
		.reason = reason,
		.command = c->o->command,
		.status = WIFEXITED(process->status) ? WEXITSTATUS(process->status) : -1,
		.signal = WIFEXITED(process->status) ? 0 : WTERMSIG(process->status),
		.attempts = tries,
		.error = {process->tail, process->tail_len}});
	int res = text.failed ? error_memory(err)
			      : log_sink_complete(c->dead, text.p, text.len,
				    "dead letter", u->seq, &r->texts, err);
	buf_free(&text);
	if (!res && r->texts.len - at > LOG_SINK_MOST)
		res = error_set(err, EVLOG_EDATA, "too large");
	if (!res && r->letters == r->cap &&
	    !array_grow(&r->letter, &r->cap, sizeof *r->letter))
		res = error_memory(err);
	if (res)
		r->texts.len = at;
	else
		r->letter[r->letters++] = (struct letter){
		    u->number, u->seq, at, r->texts.len - at - 1 /* newline */};
	return res;
}

void consumer_fail(struct consumer *c, uint64_t number, const evlog_error *why)
{
	if (number >= c->fail_at)
		return;
	c->failed = true;
	c->fail_at = number;
	c->why = *why;
}

void event_name(const struct consumer *c, const struct unit *u, char *text, size_t room)
{
	bool several = c->n_paths > 1;

	snprintf(text, room, "event %" PRIu64 "%s%.200s", u->seq, several ? " of " : "",
	    several ? c->paths[u->source] : "");
}

int unit_give_up(struct consumer *c, struct round *r, const struct part *p, size_t i,
    unsigned tries, const char *reason, const struct process *process, evlog_error *err)
{
	const struct unit *u = &p->unit[i];
	char at[300] = "an event without seq", next[100] = "";
	evlog_error why;

	int res = c->dead ? letter_add(c, r, p, i, tries, reason, process, err) : 1;
	if (!res || (res < 0 && res != EVLOG_EDATA))
		return res;
	if (u->seq)
		event_name(c, u, at, sizeof at);
	if (res < 0)
		snprintf(next, sizeof next, ", which is too large for a dead letter");
	if (res < 0 && u->seq)
		snprintf(next + strlen(next), sizeof next - strlen(next),
		    "; to skip it, use --%s %" PRIu64, c->tracking ? "reset-to" : "from",
		    u->seq + 1);
	error_set(
	    &why, EVLOG_ECONFLICT, "%s: %s, at %s%s", c->o->command[0], reason, at, next);
	consumer_fail(c, u->number, &why);
	return 1;
}

/* ---- Committing ---- */

/* A cursor is a place in one log. */
static bool has_cursors(const struct consumer *c)
{
	return c->tracking && c->n_paths == 1;
}

/* Commits what was put into s, with the cursor at `at` if there are cursors.  Returns
 * EVLOG_END if there was nothing to commit. */
static int outlet_commit(
    struct consumer *c, struct sink *s, const struct evlog_position *at, evlog_error *err)
{
	return s->kind->commit(s, has_cursors(c) ? at : NULL, err);
}

static int letter_order(const void *a, const void *b)
{
	const struct letter *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* Puts the round's letters up to the event with this number into their log.  If they do
 * not fit into one commit, commits the first of them, with the cursor at the last one
 * committed. */
static int letters_add(
    struct consumer *c, struct round *r, uint64_t number, evlog_error *err)
{
	struct evlog_position at = {0};
	int res = 0;
	size_t i = 0;

	if (r->letters)
		qsort(r->letter, r->letters, sizeof *r->letter, letter_order);
	for (; i < r->letters && r->letter[i].number <= number && !res; i++) {
		const struct letter *l = &r->letter[i];
		if (i && l->number == l[-1].number)
			continue; /* its lines were in several parts */
		if (l->seq && l->seq <= c->dead_upto) {
			c->done.dead++; /* it was put there before a restart */
			continue;
		}
		size_t pending = log_sink_pending(c->dead);
		if (pending && pending + l->len > LOG_SINK_MOST / 2) {
			if (has_cursors(c))
				res = root_tracker_to(
				    &c->source[0].track, r->letter[i - 1].seq, &at, err);
			if (!res)
				res = outlet_commit(c, c->dead, &at, err);
		}
		if (!res)
			res = c->dead->kind->put(c->dead,
			    &(struct sink_item){.value = {r->texts.p + l->at, l->len},
				.name = "dead letter",
				.number = i + 1},
			    err);
		c->done.dead += !res;
	}
	r->letters -= i;
	if (i)
		memmove(r->letter, r->letter + i, r->letters * sizeof *r->letter);
	return res;
}

/* Puts the round's events into the emit log and commits them with the cursor at `at`. */
static int emit_commit(struct consumer *c, struct round *r,
    const struct evlog_position *at, evlog_error *err)
{
	for (unsigned i = 0; i < c->workers; i++) {
		struct buf *out = &r->part[i].out;
		const char *p = out->p, *end = p + out->len;
		for (uint64_t n = 1; p < end; n++) {
			const char *nl = memchr(p, '\n', (size_t)(end - p));
			int res = c->emit->kind->put(c->emit,
			    &(struct sink_item){.value = {p, (size_t)(nl - p)},
				.name = "output",
				.number = n},
			    err);
			if (res)
				return res;
			c->done.emitted++;
			p = nl + 1;
		}
		out->len = 0;
		c->done.uncaused += r->part[i].uncaused;
		r->part[i].uncaused = 0;
	}
	int res = outlet_commit(c, c->emit, at, err);
	if (!res)
		log_sink_end(c->emit, &c->mark.emitted);
	return res == EVLOG_END ? 0 : res;
}

/* How far source `i` is done when the events of r up to this number are: the last of them
 * that comes from it, or further if the whole round is done. */
static uint64_t place_seq(
    const struct consumer *c, const struct round *r, uint64_t number, size_t i)
{
	uint64_t seq = c->mark.place[i].seq;

	if (!r)
		return c->source[i].clear;
	if (number == r->end)
		return r->clear[i];
	for (unsigned k = 0; k < c->workers; k++) {
		const struct part *p = &r->part[k];
		size_t n = part_after(p, number);
		while (n && p->unit[n - 1].source != i)
			n--;
		if (n && p->unit[n - 1].seq > seq)
			seq = p->unit[n - 1].seq;
	}
	return seq;
}

/* Gets the places, one for each source, into `at`. */
static int places_find(struct consumer *c, const struct round *r, uint64_t number,
    struct evlog_position *at, evlog_error *err)
{
	int res = 0;

	for (size_t i = 0; i < c->n_paths && c->tracking && !res; i++)
		res = root_tracker_to(
		    &c->source[i].track, place_seq(c, r, number, i), &at[i], err);
	return res;
}

/* Whether some events after `seq` were processed by others. */
static bool takes_over(const struct checkpoint *mark, uint64_t seq)
{
	for (size_t i = 0; i < mark->takeovers; i++)
		if (mark->takeover[i].last > seq)
			return true;
	return false;
}

int consumer_commit(
    struct consumer *c, struct round *r, uint64_t number, bool now, evlog_error *err)
{
	int res = 0;

	if (r)
		res = letters_add(c, r, number, err);
	if (!res)
		res = places_find(c, r, number, c->next, err);
	if (!res && r && c->dead) {
		res = outlet_commit(c, c->dead, c->next, err);
		res = res == EVLOG_END ? 0 : res;
	}
	if (!res && c->emit)
		log_sink_set_partial(c->emit, takes_over(&c->mark, c->next->seq));
	if (!res && r && c->emit)
		res = emit_commit(c, r, c->next, err);
	if (res)
		return res;
	c->kept = number;
	if (!c->tracking)
		return 0;
	memcpy(c->mark.place, c->next, c->n_paths * sizeof *c->next);
	checkpoint_pass(&c->mark, false);
	c->dirty = true;
	/* the cursor in the emit log says where to continue: the file can wait */
	return mark_write(c, now && !c->emit, err);
}

int mark_write(struct consumer *c, bool now, evlog_error *err)
{
	int64_t time = clock_us();

	if (!c->dirty || (!now && time - c->marked < 1000000))
		return 0;
	int r = checkpoint_write(&c->file, &c->mark, err);
	c->dirty = r != 0;
	c->marked = time;
	return r;
}
