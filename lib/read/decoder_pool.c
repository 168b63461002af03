/*
 * decoder_pool.c - decompresses blocks ahead of their turn, and drops the lines that are
 * not wanted.
 */
#include "read/decoder_pool.h"
#include "base/ordered.h"

#include <stdlib.h>

#define ROOM 4 /* blocks for each thread */

struct job {
	struct block b;
	struct buf packed, lines;
	const char *why; /* what is wrong with the block */
	bool failed;
};

/* What a thread works with. */
struct decoder {
	struct block_codec *codec;
	struct select select;
};

struct decoder_pool {
	struct ordered *queue;
	struct decoder *decoder; /* of the worker with that number */
	unsigned decoders;
	bool selecting;
};

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

static void decode(void *arg, void *job, unsigned worker)
{
	const struct decoder_pool *a = arg;
	struct decoder *d = &a->decoder[worker];
	struct job *j = job;

	j->why = block_unpack(d->codec, &j->b, j->packed.p, &j->lines, &j->failed);
	if (!j->why && !j->failed && a->selecting)
		unwanted_drop(&d->select, &j->lines);
}

static bool decoder_init(struct decoder *d, const struct evlog_selection *sel)
{
	evlog_error ignored;

	d->codec = block_codec_new(0);
	return d->codec && (!sel || !select_init(&d->select, sel, &ignored));
}

struct decoder_pool *decoder_pool_new(unsigned threads, const struct evlog_selection *sel)
{
	struct decoder_pool *a = calloc(1, sizeof *a);
	bool good = true;

	if (!a)
		return NULL;
	a->selecting = sel != NULL;
	a->decoder = calloc(threads + 1, sizeof *a->decoder);
	while (a->decoder && good && a->decoders <= threads)
		good = decoder_init(&a->decoder[a->decoders++], sel);
	if (a->decoder && good)
		a->queue = ordered_new(
		    threads, (size_t)threads * ROOM, sizeof(struct job), decode, a);
	if (!a->queue) {
		decoder_pool_free(a);
		return NULL;
	}
	return a;
}

static void job_free(void *job)
{
	struct job *j = job;

	buf_free(&j->packed);
	buf_free(&j->lines);
}

void decoder_pool_free(struct decoder_pool *a)
{
	if (!a)
		return;
	ordered_free(a->queue, job_free);
	for (unsigned i = 0; i < a->decoders; i++) {
		block_codec_free(a->decoder[i].codec);
		select_free(&a->decoder[i].select);
	}
	free(a->decoder);
	free(a);
}

void decoder_pool_count(struct decoder_pool *a, struct select *total)
{
	decoder_pool_clear(a); /* none of the threads is counting */
	for (unsigned i = 0; a->selecting && i < a->decoders; i++) {
		const struct select *s = &a->decoder[i].select;
		total->compared.other += s->compared.other;
		where_count(&total->where, &s->where);
	}
}

bool decoder_pool_has_room(const struct decoder_pool *a)
{
	return ordered_place(a->queue) != NULL;
}

bool decoder_pool_put(struct decoder_pool *a, const struct block *b, const char *packed)
{
	struct job *j = ordered_place(a->queue);

	j->packed.len = 0;
	buf_add(&j->packed, packed, b->packed_size);
	if (j->packed.failed) {
		j->packed.failed = false;
		return false;
	}
	j->b = *b;
	ordered_give(a->queue);
	return true;
}

const struct block *decoder_pool_first(const struct decoder_pool *a)
{
	const struct job *j = ordered_first(a->queue);

	return j ? &j->b : NULL;
}

const char *decoder_pool_take(struct decoder_pool *a, struct buf *lines, bool *failed)
{
	struct job *j = ordered_take(a->queue);
	struct buf taken = j->lines;
	const char *why = j->why;

	*failed = j->failed;
	j->lines = *lines;
	*lines = taken;
	ordered_drop(a->queue);
	return why;
}

void decoder_pool_clear(struct decoder_pool *a)
{
	while (ordered_first(a->queue)) {
		ordered_take(a->queue);
		ordered_drop(a->queue);
	}
}
