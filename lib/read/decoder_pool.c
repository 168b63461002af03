/*
 * decoder_pool.c - blocks decompressed before their turn.  A ring of blocks: the caller
 * puts them in and takes them out in order, threads do any of them that nobody has begun.
 */
#include "read/decoder_pool.h"

#include <pthread.h>
#include <stdlib.h>

#define SLOTS 4 /* for each thread */

enum state { WAITING, WORKING, DONE };

struct slot {
	struct block b;
	struct buf packed, lines;
	enum state state;
	const char *why; /* what is wrong with it */
	bool failed;
};

struct ahead {
	struct slot *slot;
	size_t slots, first, n;	   /* of a ring */
	size_t begun;		   /* so many, from the first on, are not WAITING */
	struct block_codec *codec; /* the caller's */
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	pthread_t *threads;
	unsigned running;
	bool ending;
};

static struct slot *slot_at(const struct ahead *a, size_t i)
{
	return &a->slot[(a->first + i) % a->slots];
}

/* With the lock held, which is given up meanwhile: does the next block that waits. */
static void do_next(struct ahead *a, struct block_codec *c)
{
	struct slot *s = slot_at(a, a->begun++);

	s->state = WORKING;
	pthread_mutex_unlock(&a->lock);
	s->why = block_unpack(c, &s->b, s->packed.p, &s->lines, &s->failed);
	pthread_mutex_lock(&a->lock);
	s->state = DONE;
	pthread_cond_signal(&a->done);
}

static void *work(void *arg)
{
	struct ahead *a = arg;
	struct block_codec *c = block_codec_new(0);

	pthread_mutex_lock(&a->lock);
	while (c && !a->ending) {
		if (a->begun < a->n)
			do_next(a, c);
		else
			pthread_cond_wait(&a->work, &a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	block_codec_free(c);
	return NULL;
}

struct ahead *ahead_new(unsigned threads)
{
	struct ahead *a = calloc(1, sizeof *a);

	if (!a)
		return NULL;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->work, NULL);
	pthread_cond_init(&a->done, NULL);
	a->slots = (size_t)threads * SLOTS;
	a->slot = calloc(a->slots, sizeof *a->slot);
	a->threads = calloc(threads, sizeof *a->threads);
	a->codec = block_codec_new(0);
	if (!a->slot || !a->threads || !a->codec) {
		ahead_free(a);
		return NULL;
	}
	while (a->running < threads &&
	       pthread_create(&a->threads[a->running], NULL, work, a) == 0)
		a->running++;
	return a;
}

void ahead_free(struct ahead *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->ending = true;
	pthread_cond_broadcast(&a->work);
	pthread_mutex_unlock(&a->lock);
	while (a->running)
		pthread_join(a->threads[--a->running], NULL);
	for (size_t i = 0; a->slot && i < a->slots; i++) {
		buf_free(&a->slot[i].packed);
		buf_free(&a->slot[i].lines);
	}
	pthread_cond_destroy(&a->done);
	pthread_cond_destroy(&a->work);
	pthread_mutex_destroy(&a->lock);
	block_codec_free(a->codec);
	free(a->threads);
	free(a->slot);
	free(a);
}

bool ahead_has_room(const struct ahead *a)
{
	return a->n < a->slots;
}

bool ahead_put(struct ahead *a, const struct block *b, const char *packed)
{
	struct slot *s = slot_at(a, a->n);

	s->packed.len = 0;
	buf_add(&s->packed, packed, b->packed_size);
	if (s->packed.failed) {
		s->packed.failed = false;
		return false;
	}
	s->b = *b;
	s->state = WAITING;
	pthread_mutex_lock(&a->lock);
	a->n++;
	pthread_cond_signal(&a->work);
	pthread_mutex_unlock(&a->lock);
	return true;
}

const struct block *ahead_first(const struct ahead *a)
{
	return a->n ? &slot_at(a, 0)->b : NULL;
}

/* With the lock held: waits for the first, doing what waits meanwhile. */
static struct slot *first_done(struct ahead *a)
{
	struct slot *s = slot_at(a, 0);

	while (s->state != DONE)
		if (a->begun < a->n)
			do_next(a, a->codec);
		else
			pthread_cond_wait(&a->done, &a->lock);
	return s;
}

static void first_drop(struct ahead *a)
{
	a->first = (a->first + 1) % a->slots;
	a->n--;
	a->begun--;
}

const char *ahead_take(struct ahead *a, struct buf *lines, bool *failed)
{
	pthread_mutex_lock(&a->lock);
	struct slot *s = first_done(a);
	struct buf taken = s->lines;
	const char *why = s->why;
	*failed = s->failed;
	s->lines = *lines;
	*lines = taken;
	first_drop(a);
	pthread_mutex_unlock(&a->lock);
	return why;
}

void ahead_clear(struct ahead *a)
{
	pthread_mutex_lock(&a->lock);
	while (a->n) {
		first_done(a);
		first_drop(a);
	}
	pthread_mutex_unlock(&a->lock);
}
