/*
 * decoder_pool.c - decompresses blocks ahead of their turn, and drops the lines that are
 * not wanted.  The blocks are in a ring: the caller adds and takes them in order, and
 * threads do any that is not begun.
 */
#include "read/decoder_pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 4 /* for each thread */

enum state { WAITING, WORKING, DONE };

struct slot {
	struct block b;
	struct buf packed, lines;
	enum state state;
	const char *why; /* what is wrong with the block */
	bool failed;
};

/* A thread, and what it works with. */
struct decoder {
	struct decoder_pool *of;
	struct block_codec *codec;
	struct select select;
	pthread_t id;
};

struct decoder_pool {
	struct slot *slot;
	size_t slots, first, n; /* the ring */
	size_t begun;		/* blocks, from the first on, that are not WAITING */
	bool selecting;
	struct decoder *decoder;    /* the first is the caller's */
	unsigned decoders, running; /* running: without the caller's */
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	bool ending;
};

static struct slot *slot_at(const struct decoder_pool *a, size_t i)
{
	return &a->slot[(a->first + i) % a->slots];
}

/* Drops the lines that are not wanted.  What comes from a line on that cannot be examined
 * is kept, so that the caller comes to it. */
static void unwanted_drop(struct select *s, struct buf *lines)
{
	struct evlog_lines rest = {.p = lines->p, .len = lines->len}, run;
	size_t kept = 0;
	bool found = true;

	while (found && rest.len) {
		const struct evlog_lines before = rest;
		found = select_lines(s, &rest, &run);
		if (s->has_bad || s->failed) {
			s->has_bad = s->failed = s->compared.failed = false;
			run = before;
			found = true;
			rest.len = 0;
		}
		if (found)
			memmove(lines->p + kept, run.p, run.len);
		kept += found ? run.len : 0;
	}
	lines->len = kept;
}

/* Does the next waiting block.  Called with the lock held; releases it meanwhile. */
static void do_next(struct decoder_pool *a, struct decoder *d)
{
	struct slot *s = slot_at(a, a->begun++);

	s->state = WORKING;
	pthread_mutex_unlock(&a->lock);
	s->why = block_unpack(d->codec, &s->b, s->packed.p, &s->lines, &s->failed);
	if (!s->why && !s->failed && a->selecting)
		unwanted_drop(&d->select, &s->lines);
	pthread_mutex_lock(&a->lock);
	s->state = DONE;
	pthread_cond_signal(&a->done);
}

static void *work(void *arg)
{
	struct decoder *d = arg;
	struct decoder_pool *a = d->of;

	pthread_mutex_lock(&a->lock);
	while (!a->ending) {
		if (a->begun < a->n)
			do_next(a, d);
		else
			pthread_cond_wait(&a->work, &a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

static bool decoder_init(
    struct decoder_pool *a, struct decoder *d, const struct evlog_selection *sel)
{
	evlog_error ignored;

	*d = (struct decoder){.of = a, .codec = block_codec_new(0)};
	return d->codec && (!sel || !select_init(&d->select, sel, &ignored));
}

struct decoder_pool *decoder_pool_new(unsigned threads, const struct evlog_selection *sel)
{
	struct decoder_pool *a = calloc(1, sizeof *a);
	bool good = true;

	if (!a)
		return NULL;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->work, NULL);
	pthread_cond_init(&a->done, NULL);
	a->selecting = sel != NULL;
	a->slots = (size_t)threads * SLOTS;
	a->slot = calloc(a->slots, sizeof *a->slot);
	a->decoder = calloc(threads + 1, sizeof *a->decoder);
	while (a->decoder && good && a->decoders <= threads)
		good = decoder_init(a, &a->decoder[a->decoders++], sel);
	if (!a->slot || !a->decoder || !good) {
		decoder_pool_free(a);
		return NULL;
	}
	while (a->running < threads && pthread_create(&a->decoder[a->running + 1].id,
					   NULL, work, &a->decoder[a->running + 1]) == 0)
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
		pthread_join(a->decoder[a->running--].id, NULL);
	for (size_t i = 0; a->slot && i < a->slots; i++) {
		buf_free(&a->slot[i].packed);
		buf_free(&a->slot[i].lines);
	}
	for (unsigned i = 0; i < a->decoders; i++) {
		block_codec_free(a->decoder[i].codec);
		select_free(&a->decoder[i].select);
	}
	pthread_cond_destroy(&a->work);
	pthread_cond_destroy(&a->done);
	pthread_mutex_destroy(&a->lock);
	free(a->decoder);
	free(a->slot);
	free(a);
}

void decoder_pool_count(struct decoder_pool *a, struct select *total)
{
	pthread_mutex_lock(&a->lock);
	for (unsigned i = 0; a->selecting && i < a->decoders; i++) {
		const struct select *s = &a->decoder[i].select;
		total->compared.other += s->compared.other;
		where_count(&total->where, &s->where);
	}
	pthread_mutex_unlock(&a->lock);
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
			do_next(a, &a->decoder[0]);
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
