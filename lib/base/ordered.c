/*
 * ordered.c - jobs that any thread may do, and that are taken in order.
 *
 * They are in a ring: first those that are done or being done, then those that wait.
 */
#include "base/ordered.h"
#include "base/thread.h"

#include <assert.h>
#include <stdlib.h>

struct worker {
	struct ordered *of;
	unsigned number;
	pthread_t id;
};

struct ordered {
	ordered_fn *run;
	void *arg;
	char *jobs; /* of `size` bytes each */
	bool *is_done;
	size_t size, room;
	size_t first, n, begun; /* the ring; begun: how many, from the first on */
	struct worker *workers;
	unsigned running;
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	bool ending;
};

static size_t index_at(const struct ordered *q, size_t i)
{
	return (q->first + i) % q->room;
}

static void *job_at(const struct ordered *q, size_t i)
{
	return q->jobs + index_at(q, i) * q->size;
}

/* Does the next job that waits.  Called with the lock held; releases it meanwhile. */
static void do_next(struct ordered *q, unsigned worker)
{
	size_t i = index_at(q, q->begun);
	void *job = job_at(q, q->begun++);

	pthread_mutex_unlock(&q->lock);
	q->run(q->arg, job, worker);
	pthread_mutex_lock(&q->lock);
	q->is_done[i] = true;
	pthread_cond_signal(&q->done);
}

static void *work(void *arg)
{
	const struct worker *me = arg;
	struct ordered *q = me->of;

	pthread_mutex_lock(&q->lock);
	while (!q->ending) {
		if (q->begun < q->n)
			do_next(q, me->number);
		else
			pthread_cond_wait(&q->work, &q->lock);
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

struct ordered *ordered_new(
    unsigned threads, size_t room, size_t size, ordered_fn *run, void *arg)
{
	struct ordered *q = calloc(1, sizeof *q);

	if (!q)
		return NULL;
	*q = (struct ordered){.run = run, .arg = arg, .size = size, .room = room};
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->work, NULL);
	pthread_cond_init(&q->done, NULL);
	q->jobs = calloc(room, size);
	q->is_done = calloc(room, sizeof *q->is_done);
	q->workers = calloc(threads + 1, sizeof *q->workers);
	if (!q->jobs || !q->is_done || !q->workers) {
		ordered_free(q, NULL);
		return NULL;
	}
	while (q->running < threads) {
		struct worker *w = &q->workers[q->running];
		*w = (struct worker){.of = q, .number = q->running + 1};
		if (thread_start(&w->id, work, w) != 0)
			break; /* fewer will do */
		q->running++;
	}
	return q;
}

void ordered_free(struct ordered *q, void (*job_free)(void *job))
{
	if (!q)
		return;
	pthread_mutex_lock(&q->lock);
	q->ending = true;
	pthread_cond_broadcast(&q->work);
	pthread_mutex_unlock(&q->lock);
	while (q->running)
		pthread_join(q->workers[--q->running].id, NULL);
	for (size_t i = 0; job_free && i < q->room; i++)
		job_free(q->jobs + i * q->size);
	pthread_cond_destroy(&q->work);
	pthread_cond_destroy(&q->done);
	pthread_mutex_destroy(&q->lock);
	free(q->workers);
	free(q->is_done);
	free(q->jobs);
	free(q);
}

void *ordered_place(struct ordered *q)
{
	return q->n < q->room ? job_at(q, q->n) : NULL;
}

void ordered_give(struct ordered *q)
{
	pthread_mutex_lock(&q->lock);
	q->is_done[index_at(q, q->n++)] = false;
	pthread_cond_signal(&q->work);
	pthread_mutex_unlock(&q->lock);
}

void *ordered_first(struct ordered *q)
{
	return q->n ? job_at(q, 0) : NULL;
}

void *ordered_take(struct ordered *q)
{
	assert(q->n);
	pthread_mutex_lock(&q->lock);
	while (!q->is_done[q->first])
		if (q->begun < q->n)
			do_next(q, 0);
		else
			pthread_cond_wait(&q->done, &q->lock);
	pthread_mutex_unlock(&q->lock);
	return job_at(q, 0);
}

void ordered_drop(struct ordered *q)
{
	pthread_mutex_lock(&q->lock);
	q->first = (q->first + 1) % q->room;
	q->n--;
	q->begun--;
	if (q->n == 0)
		q->first = 0; /* so that not all places are used, if few are needed */
	pthread_mutex_unlock(&q->lock);
}
