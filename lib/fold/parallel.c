/*
 * parallel.c - a fold on several cores, with the same result as on one.
 *
 * Lines come in chunks.  Any thread may scan a chunk, to find keys and the values at the
 * paths.  Keys are divided among parts; each part is a fold of its own and takes the
 * chunks in order, so the events of a key are folded in order.  Only one thread at a time
 * works on a part.  The thread that brings the lines also works if the others have fallen
 * behind.
 */
#include "base/error.h"
#include "base/options.h"
#include "base/thread.h"
#include "event/stamp.h"
#include "fold/chunk.h"
#include "read/stream.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#define THREADS_FROM 3 /* chunks; for fewer, threads do not pay */
#define AHEAD	     8 /* events to prefetch ahead, for memory that is in no cache */
#define TURNS	     4 /* chunks in the ring, for each thread */

/* A chunk in the ring. */
struct turn {
	struct chunk chunk;
	uint64_t first;	 /* what the number of its first event is counted as */
	unsigned folded; /* parts that have folded it */
	bool scanned;
};

struct part {
	evlog_fold *f;
	uint64_t next; /* next chunk to fold */
	bool busy;
	uint64_t fault_at; /* number of the event where it ended; UINT64_MAX: none */
	evlog_error fault; /* code 0: the program stopped there, */
	struct buf stop;   /* at this line */
};

struct worker {
	struct pool *pool;
	struct block_codec *codec; /* NULL: not needed yet */
	pthread_t id;
};

struct pool {
	evlog_fold *f;
	struct part *parts;
	unsigned n_parts;
	struct worker *workers; /* the first is whoever brings the lines */
	unsigned wanted, running;
	pthread_mutex_t lock;
	pthread_cond_t work,
	    done; /* work: for workers; done: for whoever brings the lines */
	struct turn *ring;
	uint64_t size, filled, scanning;
	bool ended;
};

static struct turn *turn_at(const struct pool *pool, uint64_t i)
{
	return &pool->ring[i % pool->size];
}

/* ---- Folding ---- */

/* Folds an event of this part; returns false if the part ends there. */
static bool item_fold(struct part *p, struct turn *t, size_t i)
{
	struct chunk *c = &t->chunk;
	struct item *it = &c->items[i];
	evlog_fold *f = p->f;

	f->found = c->found + i * f->slots;
	int r = it->bad ? fold_no_json(&it->e, &p->fault)
			: fold_apply(f, &it->e, it->key, it->hash, &p->fault);
	if (r == 0 && !fold_stopped(f))
		return true;
	p->fault_at = t->first + i;
	if (r == 0) {
		p->fault = (evlog_error){0};
		buf_add(&p->stop, it->e.line, it->e.len);
	}
	return false;
}

static void part_fold(const struct pool *pool, struct part *p, struct turn *t)
{
	const struct chunk *c = &t->chunk;

	if (p->fault_at != UINT64_MAX)
		return;
	if (c->failed) {
		p->fault_at = t->first;
		p->fault = c->why;
		return;
	}
	const size_t *start = &c->start[p - pool->parts];
	const uint32_t *at = c->order + start[0], *end = c->order + start[1];
	for (; at < end; at++) {
		if (end - at > 2 * AHEAD)
			group_expect(&p->f->groups, c->items[at[2 * AHEAD]].hash);
		if (end - at > AHEAD)
			group_fetch(&p->f->groups, c->items[at[AHEAD]].hash, p->f->size);
		if (!item_fold(p, t, *at))
			return;
	}
}

/* ---- Distributing the work ---- */

/* Wakes a worker, and whoever brings the lines, to look for work. */
static void wake(struct pool *pool)
{
	pthread_cond_signal(&pool->work);
	pthread_cond_signal(&pool->done);
}

static bool part_has_work(const struct pool *pool, const struct part *p)
{
	return p->next < pool->scanning && turn_at(pool, p->next)->scanned;
}

/* Folds what is scanned for a part.  Called with the lock held, as the next ones are;
 * they release it while they work. */
static void part_work(struct pool *pool, struct part *p)
{
	p->busy = true;
	while (part_has_work(pool, p)) {
		struct turn *t = turn_at(pool, p->next);
		pthread_mutex_unlock(&pool->lock);
		part_fold(pool, p, t);
		pthread_mutex_lock(&pool->lock);
		p->next++;
		if (++t->folded == pool->n_parts)
			pthread_cond_signal(&pool->done);
	}
	p->busy = false;
}

static void scan_work(struct worker *me)
{
	struct pool *pool = me->pool;
	struct turn *t = turn_at(pool, pool->scanning++);

	if (pool->scanning < pool->filled)
		wake(pool);
	pthread_mutex_unlock(&pool->lock);
	chunk_scan(&t->chunk, pool->f, pool->n_parts, &me->codec);
	pthread_mutex_lock(&pool->lock);
	t->scanned = true;
	wake(pool);
}

/* Folds if possible, which frees chunks; else scans.  Returns false if there is nothing
 * to do. */
static bool work_once(struct worker *me)
{
	struct pool *pool = me->pool;

	for (unsigned i = 0; i < pool->n_parts; i++) {
		struct part *p = &pool->parts[i];
		if (!p->busy && part_has_work(pool, p)) {
			pthread_cond_signal(&pool->work); /* there may be more */
			part_work(pool, p);
			return true;
		}
	}
	if (pool->scanning == pool->filled)
		return false;
	scan_work(me);
	return true;
}

static bool all_done(const struct pool *pool)
{
	for (unsigned i = 0; i < pool->n_parts; i++)
		if (pool->parts[i].next < pool->filled)
			return false;
	return true;
}

static void *work(void *arg)
{
	struct worker *me = arg;
	struct pool *pool = me->pool;

	pthread_mutex_lock(&pool->lock);
	while (!pool->ended || !all_done(pool))
		if (!work_once(me))
			pthread_cond_wait(&pool->work, &pool->lock);
	pthread_cond_broadcast(&pool->work); /* the others are done, too */
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* Whoever brings the lines works, or waits, until something is the case. */
static void work_until(struct pool *pool, bool (*is_so)(const struct pool *pool))
{
	while (!is_so(pool))
		if (!work_once(&pool->workers[0]))
			pthread_cond_wait(&pool->done, &pool->lock);
}

/* ---- Parts ---- */

/* Makes a fold that shares everything that is only read. */
static evlog_fold *part_new(const evlog_fold *f, unsigned number, evlog_error *err)
{
	evlog_fold *part = calloc(1, sizeof *part);

	if (!part) {
		error_memory(err);
		return NULL;
	}
	*part = *f;
	part->number = (uint16_t)number;
	part->groups = (struct groups){0};
	part->scratch = part->row = (struct buf){0};
	part->compared = (struct where_scratch){0};
	part->program = NULL;
	part->pool = NULL;
	part->met = calloc(f->slots + 1, sizeof *part->met);
	if (!part->met) {
		free(part);
		error_memory(err);
		return NULL;
	}
	if (f->program && program_again(&part->program, f->program, err) != 0) {
		free(part->met);
		free(part);
		return NULL;
	}
	return part;
}

static void part_free(evlog_fold *part)
{
	groups_free(&part->groups, part->reducers, part->n);
	program_close(part->program);
	free(part->met);
	buf_free(&part->scratch);
	buf_free(&part->row);
	where_scratch_free(&part->compared);
	free(part);
}

/* Lets the threads finish their work, and joins them. */
static void pool_stop(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->ended = true;
	work_until(pool, all_done);
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	while (pool->running)
		pthread_join(pool->workers[pool->running--].id, NULL);
}

void fold_pool_free(evlog_fold *f)
{
	struct pool *pool = f->pool;

	if (!pool)
		return;
	if (pool->running) /* the fold was not finished */
		pool_stop(pool);
	for (unsigned i = 0; i < pool->n_parts; i++) {
		if (i && pool->parts[i].f)
			part_free(pool->parts[i].f);
		buf_free(&pool->parts[i].stop);
	}
	for (uint64_t i = 0; i < pool->size; i++)
		chunk_free(&pool->ring[i].chunk);
	for (unsigned i = 0; pool->workers && i < f->threads; i++)
		block_codec_free(pool->workers[i].codec);
	pthread_cond_destroy(&pool->work);
	pthread_cond_destroy(&pool->done);
	pthread_mutex_destroy(&pool->lock);
	free(pool->ring);
	free(pool->workers);
	free(pool->parts);
	free(pool);
	f->pool = NULL;
}

/* Fills f->pool. */
static int pool_init(evlog_fold *f, evlog_error *err)
{
	struct pool *pool = f->pool;
	unsigned n = fold_keyed(f) ? f->threads : 1;

	pool->f = f;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	pthread_cond_init(&pool->done, NULL);
	pool->wanted = f->threads - 1;
	pool->parts = calloc(n, sizeof *pool->parts);
	pool->workers = calloc(f->threads, sizeof *pool->workers);
	pool->ring = calloc(TURNS * f->threads, sizeof *pool->ring);
	if (!pool->parts || !pool->workers || !pool->ring)
		return error_memory(err);
	pool->size = TURNS * f->threads;
	pool->n_parts = n;
	for (unsigned i = 0; i < f->threads; i++)
		pool->workers[i].pool = pool;
	for (uint64_t i = 0; i < pool->size; i++)
		if (!chunk_init(&pool->ring[i].chunk, n))
			return error_memory(err);
	for (unsigned i = 0; i < pool->n_parts; i++) {
		struct part *p = &pool->parts[i];
		p->fault_at = UINT64_MAX;
		p->f = i ? part_new(f, i, err) : f;
		if (!p->f)
			return err->code;
	}
	return 0;
}

static int pool_new(evlog_fold *f, evlog_error *err)
{
	f->pool = calloc(1, sizeof *f->pool);
	if (!f->pool)
		return error_memory(err);
	int r = pool_init(f, err);
	if (r)
		fold_pool_free(f);
	return r;
}

/* Whether the fold can be divided among threads. */
static bool fold_divides(const evlog_fold *f)
{
	return f->threads > 1 && !f->sink && !f->rollback && (!f->program || f->key);
}

int fold_part_of(evlog_fold *f, uint64_t hash, evlog_fold **part, evlog_error *err)
{
	int r = fold_divides(f) && !f->pool ? pool_new(f, err) : 0;

	if (!r)
		*part = f->pool ? f->pool->parts[part_of(hash, f->pool->n_parts)].f : f;
	return r;
}

evlog_fold *fold_owner(evlog_fold *f, const struct group *g)
{
	return f->pool ? f->pool->parts[g->part].f : f;
}

bool fold_is_busy(const evlog_fold *f)
{
	return f->pool && !f->pool->ended;
}

/* ---- The interface ---- */

static bool has_room(const struct pool *pool)
{
	return pool->filled < pool->size ||
	       turn_at(pool, pool->filled)->folded == pool->n_parts;
}

/* After a fault or a stop, no later event counts, so reading can end. */
static bool has_fault(const struct pool *pool)
{
	for (unsigned i = 0; i < pool->n_parts; i++)
		if (!pool->parts[i].busy && pool->parts[i].fault_at != UINT64_MAX)
			return true;
	return false;
}

static void threads_start(struct pool *pool)
{
	while (pool->running < pool->wanted) {
		struct worker *w = &pool->workers[pool->running + 1];
		if (thread_start(&w->id, work, w) != 0)
			break;
		pool->running++;
	}
	pool->wanted = pool->running; /* continue with those that started */
}

/* Waits for a chunk that can be filled.  NULL: the fold has ended. */
static struct chunk *turn_wait(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	if (pool->filled >= THREADS_FROM)
		threads_start(pool);
	work_until(pool, has_room);
	bool over = has_fault(pool);
	pthread_mutex_unlock(&pool->lock);
	return over ? NULL : &turn_at(pool, pool->filled)->chunk;
}

/* Whether the fold has ended before what was read last, once all is folded that was
 * given. */
static bool ended_earlier(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	work_until(pool, all_done);
	bool ended = has_fault(pool);
	pthread_mutex_unlock(&pool->lock);
	return ended;
}

static void turn_give(struct pool *pool)
{
	struct turn *t = turn_at(pool, pool->filled);

	t->scanned = false;
	t->folded = 0;
	t->first = pool->filled << 32;
	pthread_mutex_lock(&pool->lock);
	pool->filled++;
	pthread_cond_signal(&pool->work);
	pthread_mutex_unlock(&pool->lock);
}

static int fold_one(evlog_fold *f, const struct evlog_event *e, evlog_error *err)
{
	int r = fold_event(f, e, err);

	if (r < 0 && f->emitter)
		r = emitter_failed(f, e, err);
	/* what was counted of the event cannot be told from what was not */
	f->failed |= r < 0 && !(r == EVLOG_EDATA && f->rollback && f->program);
	return r;
}

static int one_by_one(evlog_fold *f, struct evlog_lines lines, evlog_error *err)
{
	struct evlog_event e;
	int r = 0;

	while (!r && !fold_stopped(f) && evlog_lines_take(&lines, &e)) {
		r = fold_one(f, &e, err);
		if (!r && fold_stopped(f)) {
			buf_add(&f->stop, e.line, e.len);
			r = f->stop.failed ? error_memory(err) : EVLOG_END;
		}
	}
	f->failed |= r < 0; /* the lines behind it are lost */
	return r;
}

void evlog_fold_threads(evlog_fold *f, unsigned n)
{
	if (f && !f->ready)
		f->threads = n < THREADS_MOST ? n : THREADS_MOST;
}

bool evlog_fold_stopped(const evlog_fold *f)
{
	return f && !fold_is_busy(f) && fold_stopped(f);
}

int evlog_fold_event(evlog_fold *f, const struct evlog_event *e, evlog_error *err)
{
	OWN_ERROR(err);
	NEED(f && e && e->line, err);
	REFUSE(fold_closed(f), fold_closed(f), err);
	REFUSE(fold_divides(f), "with threads, fold lines instead of events", err);
	return fold_one(f, e, err);
}

/* Gets ready for the next lines; then f->pool says whether threads fold them. */
static int lines_begin(evlog_fold *f, evlog_error *err)
{
	evlog_fold *ignored;
	int r = fold_ready(f, err);

	return r ? r : fold_part_of(f, 0, &ignored, err);
}

int evlog_fold_lines(evlog_fold *f, const struct evlog_lines *lines, evlog_error *err)
{
	OWN_ERROR(err);
	NEED(f && lines, err);
	REFUSE(lines->len && lines->p[lines->len - 1] != '\n',
	    "the last line has no newline", err);
	REFUSE(fold_closed(f), fold_closed(f), err);
	int r = lines_begin(f, err);
	if (r || !f->pool)
		return r ? r : one_by_one(f, *lines, err);
	struct chunk *c = turn_wait(f->pool);
	if (!c)
		return EVLOG_END;
	c->packed.there = false;
	buf_clear(&c->lines);
	buf_add(&c->lines, lines->p, lines->len);
	f->failed |= c->lines.failed;
	if (c->lines.failed)
		return error_memory(err);
	turn_give(f->pool);
	return 0;
}

int evlog_fold_next(evlog_fold *f, evlog_stream *s, uint64_t *n, evlog_error *err)
{
	struct evlog_lines lines;

	OWN_ERROR(err);
	NEED(f && s, err);
	REFUSE(fold_closed(f), fold_closed(f), err);
	int r = lines_begin(f, err);
	if (n)
		*n = 0;
	if (r)
		return r;
	struct chunk *c = f->pool ? turn_wait(f->pool) : NULL;
	if (f->pool && !c)
		return EVLOG_END;
	r = c ? stream_next_packed(s, &c->packed, &lines, err)
	      : evlog_stream_next(s, &lines, err);
	if (r < 0 && c && ended_earlier(f->pool))
		return EVLOG_END;
	if (r)
		return r;
	if (c && c->packed.there)
		turn_give(f->pool);
	else
		r = evlog_fold_lines(f, &lines, err);
	if (n && !r)
		*n = c && c->packed.there
			 ? c->packed.b.count
			 : lines_count((struct view){lines.p, lines.len});
	return r;
}

/* The part that ended at the earliest event, or NULL. */
static struct part *first_fault(struct pool *pool)
{
	struct part *first = NULL;

	for (unsigned i = 0; i < pool->n_parts; i++)
		if (pool->parts[i].fault_at != UINT64_MAX &&
		    (!first || pool->parts[i].fault_at < first->fault_at))
			first = &pool->parts[i];
	return first;
}

static int parts_gather(evlog_fold *f, struct pool *pool, evlog_error *err)
{
	for (unsigned i = 1; i < pool->n_parts; i++) {
		evlog_fold *part = pool->parts[i].f;
		if (!groups_move(&f->groups, &part->groups))
			return error_memory(err);
		f->keyless += part->keyless;
		f->unusable += part->unusable + part->compared.other;
		f->folded += part->folded;
		for (size_t k = 0; k < f->slots; k++)
			f->met[k] += part->met[k];
	}
	return 0;
}

int evlog_fold_finish(evlog_fold *f, struct evlog_lines *stopped_at, evlog_error *err)
{
	OWN_ERROR(err);
	struct evlog_lines unwanted;
	NEED(f, err);
	REFUSE(fold_closed(f), fold_closed(f), err);
	struct pool *pool = f->pool;
	if (!stopped_at)
		stopped_at = &unwanted;
	f->over = "evlog_fold_finish has been called";
	*stopped_at = (struct evlog_lines){.p = f->stop.p, .len = f->stop.len};
	if (!pool)
		return fold_stopped(f) ? EVLOG_END : 0;
	pool_stop(pool);
	f->found = NULL;
	f->last = NULL;
	if (f->tracked && pool->filled) {
		const struct chunk *last = &turn_at(pool, pool->filled - 1)->chunk;
		f->at_seq = last->n ? last->items[last->n - 1].e.seq : f->at_seq;
	}
	struct part *fault = first_fault(pool);
	if (fault && fault->fault.code) {
		f->failed = true;
		*err = fault->fault;
		return err->code;
	}
	if (fault) {
		*stopped_at =
		    (struct evlog_lines){.p = fault->stop.p, .len = fault->stop.len};
		return fault->stop.failed ? error_memory(err) : EVLOG_END;
	}
	int r = parts_gather(f, pool, err);
	f->failed |= r < 0;
	return r;
}
