/* reading.c - reads events, converts and selects them, and puts them into rounds. */
#include "base/error.h"
#include "base/hash.h"
#include "fold/fold.h"
#include "json/path.h"
#include "run/consumer.h"

#define READ_MOST 50000 /* us to read before the workers are checked */

static bool turn_is_long(const struct consumer *c)
{
	return clock_us() - c->turn > READ_MOST;
}

int lines_see(void *arg, const struct evlog_lines *lines, evlog_write_fn *put, void *to,
    evlog_error *err)
{
	struct consumer *c = arg;
	struct evlog_lines first = *lines;
	struct evlog_event e;

	(void)put;
	(void)to;
	if (c->tracking) {
		struct source *s = &c->source[lines->operand];
		s->before = evlog_lines_take(&first, &e) ? e.seq - 1 : s->seen;
		int r = root_tracker_lines(&s->track, lines, err);
		s->seen = s->track.seen;
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

void round_close(struct consumer *c)
{
	struct round *r = round_open(c);

	if (c->filled - c->first == ROUNDS || !c->opened)
		return;
	r->end = c->number;
	for (size_t i = 0; i < c->n_paths && c->tracking; i++)
		r->clear[i] = c->source[i].clear;
	pass_begin(c, r);
	c->filled++;
	c->opened = 0;
	division_next(c);
}

/* Begins the unit of the event `e`, the last one read. */
static int unit_begin(struct consumer *c, struct part *p, const struct evlog_event *e,
    const struct mapped *m, evlog_error *err)
{
	struct unit u = {.number = c->number,
	    .seq = e->seq,
	    .source = c->rest.operand,
	    .at = p->lines.len};

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

/* Whether an event was processed by a receiver that this one has taken over from. */
static bool is_taken(const struct consumer *c, uint64_t hash, uint64_t seq)
{
	for (size_t i = 0; i < c->mark.takeovers; i++) {
		const struct takeover *t = &c->mark.takeover[i];
		if (seq <= t->place[hash % t->shards].seq)
			return true;
	}
	return false;
}

/* Gets the number of the worker that processes an event; c->workers if the event belongs
 * to another shard, or was processed before the shards were divided anew. */
static int worker_of(
    struct consumer *c, const struct evlog_event *e, unsigned *worker, evlog_error *err)
{
	unsigned shards = c->o->shards ? c->o->shards : 1;
	unsigned shard = c->o->shards ? c->o->shard - 1 : 0;
	struct json_text value;
	struct view key = {NULL, 0};

	*worker = 0;
	if (shards * c->workers == 1 && !c->mark.takeovers)
		return 0;
	c->key_room.len = 0;
	if (json_path_find(c->key, (struct json_text){e->line, e->len}, &value) &&
	    !fold_key_of(value, &c->key_room, &key))
		return error_memory(err);
	uint64_t hash = key.len ? hash64(key.p, key.len) : 0;
	if (hash % shards != shard || is_taken(c, hash, e->seq)) {
		*worker = c->workers;
		return 0;
	}
	if (c->workers == 1)
		return 0;
	return division_worker(c, key.len ? hash_table(key.p, key.len) : 0, worker, err);
}

/* Adds an event, converted and selected, to the round being filled. */
static int event_add(struct consumer *c, const struct evlog_event *e, evlog_error *err)
{
	struct mapped m = {.lines = {.p = e->line, .len = e->len + 1}};
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
		if (c->tracking)
			c->source[c->rest.operand].clear = e.seq;
		c->rest = next;
		c->yielded |= c->mapping.used && turn_is_long(c);
		if (c->mapping.left == 0) {
			c->ended = true;
			c->rest.len = 0;
		}
	}
	return 0;
}

/* After the stream has paused or ended: all that it has seen is in a round, or not
 * selected.  After a signal it may end before that; and if it pauses because lines_see
 * asks for that, a single source is clear up to there, while lines of others may be held
 * back by the merge. */
static void sources_clear(struct consumer *c)
{
	if (!c->tracking || (c->sel.stop && *c->sel.stop))
		return;
	for (size_t i = 0; i < c->n_paths; i++) {
		struct source *s = &c->source[i];
		if (!c->yielded)
			s->clear = s->seen;
		else if (c->n_paths == 1)
			s->clear = s->before;
	}
}

bool can_read(const struct consumer *c)
{
	return !c->ended && !c->paused && !c->stopping && !c->failed &&
	       c->filled - c->first < ROUNDS;
}

int rounds_fill(struct consumer *c, evlog_error *err)
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
			if (r)
				sources_clear(c);
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
