/*
 * decoder_pool.c - decompresses blocks ahead of their turn.  The blocks are in a ring:
 * the caller adds and takes them in order, and threads decompress any that is not begun.
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
	const char *why; /* what is wrong with the block */
	bool failed;
};

struct decoder_pool {
	struct slot *slot;
	size_t slots, first, n;	   /* the ring */
	size_t begun;		   /* blocks, from the first on, that are not WAITING */
	struct block_codec *codec; /* of the caller's thread */
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	pthread_t *threads;
	unsigned running;
	bool ending;
};

static struct slot *slot_at(const struct decoder_pool *a, size_t i)
{
	return &a->slot[(a->first + i) % a->slots];
}

/* Decompresses the next waiting block.  Called with the lock held; releases it
 * meanwhile. */
static void do_next(struct decoder_pool *a, struct block_codec *c)
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
	struct decoder_pool *a = arg;
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

struct decoder_pool *decoder_pool_new(unsigned threads)
{
	struct decoder_pool *a = calloc(1, sizeof *a);

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
		decoder_pool_free(a);
		return NULL;
	}
	while (a->running < threads &&
	       pthread_create(&a->threads[a->running], NULL, work, a) == 0)
		a->running++;
	return a;
}

void decoder_pool_free(struct decoder_pool *a)
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

bool decoder_pool_has_room(const struct decoder_pool *a)
{
	return a->n < a->slots;
}

bool decoder_pool_put(struct decoder_pool *a, const struct block *b, const char *packed)
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

const struct block *decoder_pool_first(const struct decoder_pool *a)
{
	return a->n ? &slot_at(a, 0)->b : NULL;
}

/* Waits until the first block is done, and decompresses others instead of idling.  Called
 * with the lock held. */
static struct slot *first_done(struct decoder_pool *a)
{
	struct slot *s = slot_at(a, 0);

	while (s->state != DONE)
		if (a->begun < a->n)
			do_next(a, a->codec);
		else
			pthread_cond_wait(&a->done, &a->lock);
	return s;
}

static void first_drop(struct decoder_pool *a)
{
	a->first = (a->first + 1) % a->slots;
	a->n--;
	a->begun--;
}

const char *decoder_pool_take(struct decoder_pool *a, struct buf *lines, bool *failed)
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

void decoder_pool_clear(struct decoder_pool *a)
{
	pthread_mutex_lock(&a->lock);
	while (a->n) {
		first_done(a);
		first_drop(a);
	}
	pthread_mutex_unlock(&a->lock);
}
