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
#include "fold/fold.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#define THREADS_FROM 3 /* chunks; for fewer, threads do not pay */
#define AHEAD	     8 /* events to prefetch ahead, for memory that is in no cache */

struct item {
	struct evlog_event e;
	struct view key; /* in the lines, or p is an offset in keys; empty: none */
	bool canonical;	 /* p is such an offset */
	bool bad;	 /* the line is not JSON */
	uint64_t hash;
};

struct chunk {
	struct buf lines, keys;
	struct item *items;
	struct json_text *found; /* `slots` for each item */
	size_t n, cap;
	uint64_t first;	 /* events before this chunk */
	unsigned folded; /* parts that have folded it */
	bool scanned, failed;
};

struct part {
	evlog_fold *f;
	uint64_t next; /* next chunk to fold */
	bool busy;
	uint64_t fault_at; /* number of the event where it ended; UINT64_MAX: none */
	evlog_error fault; /* code 0: the program stopped there, */
	struct buf stop;   /* at this line */
};

struct pool {
	evlog_fold *f;
	struct part *parts;
	unsigned n_parts;
	pthread_t *threads;
	unsigned wanted, running;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct chunk *ring;
	uint64_t size, filled, scanning;
	uint64_t events;
	bool ended;
};

/* ---- The two kinds of work: scanning and folding ---- */

static bool chunk_grow(struct chunk *c, size_t slots)
{
	size_t cap = c->cap ? c->cap * 2 : 1024;
	struct item *items = realloc(c->items, cap * sizeof *items);

	if (items)
		c->items = items;
	struct json_text *found =
	    items ? realloc(c->found, (cap * slots + 1) * sizeof *found) : NULL;
	if (!found)
		return false;
	c->found = found;
	c->cap = cap;
	return true;
}

static bool item_look(const evlog_fold *f, struct chunk *c, struct item *it)
{
	struct json_text *found = c->found + c->n * f->slots;
	size_t start = c->keys.len;

	it->bad = !path_trie_match(
	    &f->trie, (struct json_text){it->e.line, it->e.len}, found, f->slots);
	it->canonical = false;
	it->key = (struct view){"", 0};
	if (f->key && !it->bad && !fold_key_of(found[f->key_slot], &c->keys, &it->key))
		return false;
	it->hash = hash_table(it->key.p, it->key.len);
	if (c->keys.len > start) { /* an offset, because keys may move */
		it->canonical = true;
		it->key = (struct view){(const char *)(uintptr_t)start, it->key.len};
	}
	return true;
}

static void chunk_scan(const evlog_fold *f, struct chunk *c)
{
	struct evlog_lines rest = {.p = c->lines.p, .len = c->lines.len};

	c->n = 0;
	for (struct item it; !c->failed && evlog_lines_take(&rest, &it.e);) {
		if ((c->n == c->cap && !chunk_grow(c, f->slots)) || !item_look(f, c, &it))
			c->failed = true;
		else
			c->items[c->n++] = it;
	}
	for (size_t i = 0; i < c->n; i++)
		if (c->items[i].canonical)
			c->items[i].key.p = c->keys.p + (uintptr_t)c->items[i].key.p;
}

/* Folds an event of this part; returns false if the part ends there. */
static bool item_fold(struct part *p, struct chunk *c, size_t i)
{
	struct item *it = &c->items[i];
	evlog_fold *f = p->f;

	f->found = c->found + i * f->slots;
	int r = it->bad ? fold_no_json(&it->e, &p->fault)
			: fold_apply(f, &it->e, it->key, it->hash, &p->fault);
	if (r == 0 && !fold_stopped(f))
		return true;
	p->fault_at = c->first + i;
	if (r == 0) {
		p->fault = (evlog_error){0};
		buf_add(&p->stop, it->e.line, it->e.len);
	}
	return false;
}

/* Whether event i exists and belongs to this part. */
static bool is_mine(
    const struct pool *pool, const struct part *p, const struct chunk *c, size_t i)
{
	return i < c->n && c->items[i].hash % pool->n_parts == (size_t)(p - pool->parts);
}

static void part_fold(const struct pool *pool, struct part *p, struct chunk *c)
{
	if (p->fault_at != UINT64_MAX)
		return;
	if (c->failed) {
		p->fault_at = c->first;
		error_memory(&p->fault);
		return;
	}
	for (size_t i = 0; i < c->n; i++) {
		if (is_mine(pool, p, c, i + 2 * AHEAD))
			group_expect(&p->f->groups, c->items[i + 2 * AHEAD].hash);
		if (is_mine(pool, p, c, i + AHEAD))
			group_fetch(&p->f->groups, c->items[i + AHEAD].hash, p->f->n);
		if (is_mine(pool, p, c, i) && !item_fold(p, c, i))
			return;
	}
}

/* ---- Distributing the work ---- */

struct work {
	struct chunk *chunk;
	struct part *part; /* NULL: scan the chunk */
};

/* Picks work, preferring folding, which frees chunks.  Called with the lock held. */
static bool work_take(struct pool *pool, struct work *w)
{
	for (unsigned i = 0; i < pool->n_parts; i++) {
		struct part *p = &pool->parts[i];
		struct chunk *c = &pool->ring[p->next % pool->size];
		if (!p->busy && p->next < pool->scanning && c->scanned) {
			p->busy = true;
			*w = (struct work){c, p};
			return true;
		}
	}
	if (pool->scanning == pool->filled)
		return false;
	*w = (struct work){&pool->ring[pool->scanning++ % pool->size], NULL};
	return true;
}

/* Does the work, releasing the lock meanwhile. */
static void work_do(struct pool *pool, const struct work *w)
{
	pthread_mutex_unlock(&pool->lock);
	if (w->part)
		part_fold(pool, w->part, w->chunk);
	else
		chunk_scan(pool->f, w->chunk);
	pthread_mutex_lock(&pool->lock);
	if (w->part) {
		w->part->busy = false;
		w->part->next++;
		w->chunk->folded++;
	} else {
		w->chunk->scanned = true;
	}
	pthread_cond_broadcast(&pool->changed);
}

static bool all_done(const struct pool *pool)
{
	for (unsigned i = 0; i < pool->n_parts; i++)
		if (pool->parts[i].next < pool->filled)
			return false;
	return true;
}

static void *worker(void *arg)
{
	struct pool *pool = arg;
	struct work w;

	pthread_mutex_lock(&pool->lock);
	while (!pool->ended || !all_done(pool)) {
		if (work_take(pool, &w))
			work_do(pool, &w);
		else
			pthread_cond_wait(&pool->changed, &pool->lock);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* Works, or waits for other threads, until `done`. */
static void work_until(struct pool *pool, bool (*done)(const struct pool *pool))
{
	struct work w;

	while (!done(pool)) {
		if (work_take(pool, &w))
			work_do(pool, &w);
		else
			pthread_cond_wait(&pool->changed, &pool->lock);
	}
}

/* ---- Parts ---- */

/* Makes a fold that shares everything that is only read. */
static evlog_fold *part_new(const evlog_fold *f, evlog_error *err)
{
	evlog_fold *part = calloc(1, sizeof *part);

	if (!part) {
		error_memory(err);
		return NULL;
	}
	*part = *f;
	part->groups = (struct groups){0};
	part->scratch = part->row = (struct buf){0};
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
	free(part);
}

/* Lets the threads finish their work, and joins them. */
static void pool_stop(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->ended = true;
	pthread_cond_broadcast(&pool->changed);
	work_until(pool, all_done);
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->running; i++)
		pthread_join(pool->threads[i], NULL);
	pool->running = 0;
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
	for (uint64_t i = 0; i < pool->size; i++) {
		buf_free(&pool->ring[i].lines);
		buf_free(&pool->ring[i].keys);
		free(pool->ring[i].items);
		free(pool->ring[i].found);
	}
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->lock);
	free(pool->ring);
	free(pool->threads);
	free(pool->parts);
	free(pool);
	f->pool = NULL;
}

static int pool_new(evlog_fold *f, evlog_error *err)
{
	struct pool *pool = calloc(1, sizeof *pool);

	if (!pool)
		return error_memory(err);
	f->pool = pool;
	pool->f = f;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->changed, NULL);
	unsigned n = fold_keyed(f) ? f->threads : 1;
	pool->wanted = f->threads - 1;
	pool->parts = calloc(n, sizeof *pool->parts);
	pool->threads = calloc(f->threads, sizeof *pool->threads);
	pool->ring = calloc(2 * f->threads + 2, sizeof *pool->ring);
	if (!pool->parts || !pool->threads || !pool->ring)
		return error_memory(err);
	pool->size = 2 * f->threads + 2;
	pool->n_parts = n;
	for (unsigned i = 0; i < pool->n_parts; i++) {
		struct part *p = &pool->parts[i];
		p->fault_at = UINT64_MAX;
		p->f = i ? part_new(f, err) : f;
		if (!p->f)
			return err->code;
	}
	return 0;
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
		*part = f->pool ? f->pool->parts[hash % f->pool->n_parts].f : f;
	return r;
}

bool fold_is_busy(const evlog_fold *f)
{
	return f->pool && !f->pool->ended;
}

/* ---- The interface ---- */

static bool has_room(const struct pool *pool)
{
	const struct chunk *c = &pool->ring[pool->filled % pool->size];

	return pool->filled < pool->size || c->folded == pool->n_parts;
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
	while (pool->running < pool->wanted &&
	       thread_start(&pool->threads[pool->running], worker, pool) == 0)
		pool->running++;
	pool->wanted = pool->running; /* continue with those that started */
}

static int fold_one(evlog_fold *f, const struct evlog_event *e, evlog_error *err)
{
	int r = fold_event(f, e, err);

	return r < 0 && f->emitter ? emitter_failed(f, e, err) : r;
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
	REFUSE(f->over, f->over, err);
	REFUSE(fold_divides(f), "with threads, fold lines instead of events", err);
	return fold_one(f, e, err);
}

int evlog_fold_lines(evlog_fold *f, const struct evlog_lines *lines, evlog_error *err)
{
	evlog_fold *ignored;

	OWN_ERROR(err);
	NEED(f && lines, err);
	REFUSE(f->over, f->over, err);
	REFUSE(lines->len && lines->p[lines->len - 1] != '\n',
	    "the last line has no newline", err);
	int r = fold_ready(f, err);
	if (!r)
		r = fold_part_of(f, 0, &ignored, err);
	if (r || !f->pool)
		return r ? r : one_by_one(f, *lines, err);
	struct pool *pool = f->pool;
	pthread_mutex_lock(&pool->lock);
	if (pool->filled >= THREADS_FROM)
		threads_start(pool);
	work_until(pool, has_room);
	bool over = has_fault(pool);
	struct chunk *c = &pool->ring[pool->filled % pool->size];
	pthread_mutex_unlock(&pool->lock);
	if (over)
		return EVLOG_END;
	c->lines.len = c->keys.len = 0;
	buf_add(&c->lines, lines->p, lines->len);
	if (c->lines.failed)
		return error_memory(err);
	c->scanned = c->failed = false;
	c->folded = 0;
	c->first = pool->events;
	for (const char *p = c->lines.p, *end = p + c->lines.len; p < end; pool->events++)
		p = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
	pthread_mutex_lock(&pool->lock);
	pool->filled++;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
	return 0;
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
	NEED(f && stopped_at, err);
	REFUSE(f->over, f->over, err);
	struct pool *pool = f->pool;
	f->over = "evlog_fold_finish has been called";
	*stopped_at = (struct evlog_lines){.p = f->stop.p, .len = f->stop.len};
	if (!pool)
		return fold_stopped(f) ? EVLOG_END : 0;
	pool_stop(pool);
	f->found = NULL;
	f->last = NULL;
	if (f->tracked && pool->filled) {
		const struct chunk *last = &pool->ring[(pool->filled - 1) % pool->size];
		f->at_seq = last->n ? last->items[last->n - 1].e.seq : f->at_seq;
	}
	struct part *fault = first_fault(pool);
	if (fault && fault->fault.code) {
		*err = fault->fault;
		return err->code;
	}
	if (fault) {
		*stopped_at =
		    (struct evlog_lines){.p = fault->stop.p, .len = fault->stop.len};
		return fault->stop.failed ? error_memory(err) : EVLOG_END;
	}
	return parts_gather(f, pool, err);
}
