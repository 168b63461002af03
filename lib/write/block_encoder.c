/*
 * block_encoder.c - encodes the blocks of a commit: stamps, hashes and compresses several
 * at a time in threads, and writes them in order.
 */
#include "write/block_encoder.h"
#include "base/error.h"
#include "base/file.h"
#include "write/summary.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define WINDOW	64 /* blocks */
#define THREADS 4
#define THREADED                                                                         \
	(64u << 10) /* bytes; below this, starting a thread takes longer than hashing */

/* A block being encoded. */
struct block_job {
	struct block b;
	const struct pending *events;
	const char *raw; /* their lines */
	struct view cursor;
	struct filter_keys keys;
	struct buf extensions;
	struct buf tiles; /* that its lines complete, */
	size_t tiles_at;  /* and where they belong in extensions */
	struct buf out;	  /* room for the header, then the frame */
	bool failed;
};

struct thread {
	struct block_encoder *of;
	struct block_codec *codec;
	pthread_t id;
};

struct block_encoder {
	size_t gather;
	struct block_job at[WINDOW];
	size_t n;
	struct merkle *tree;
	atomic_size_t job; /* the next job: 0 hashes all blocks, i packs at[i - 1] */
	struct thread thread[THREADS];
	unsigned threads;
};

struct block_encoder *block_encoder_new(unsigned threads, int level)
{
	struct block_encoder *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->gather = BLOCK_RAW;
	s->threads = threads < 1 ? 1 : threads > THREADS ? THREADS : threads;
	for (unsigned i = 0; i < s->threads; i++) {
		s->thread[i] = (struct thread){.of = s, .codec = block_codec_new(level)};
		if (!s->thread[i].codec) {
			block_encoder_free(s);
			return NULL;
		}
	}
	return s;
}

void block_encoder_free(struct block_encoder *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < WINDOW; i++) {
		filter_free(&s->at[i].keys);
		buf_free(&s->at[i].extensions);
		buf_free(&s->at[i].tiles);
		buf_free(&s->at[i].out);
	}
	for (size_t i = 0; i < THREADS; i++)
		block_codec_free(s->thread[i].codec);
	free(s);
}

size_t block_encoder_gather(const struct block_encoder *s)
{
	return s->gather;
}

/* ---- Jobs ---- */

static void hash_all(struct block_encoder *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct block_job *m = &s->at[i];
		m->tiles.len = 0;
		merkle_add_lines(
		    s->tree, m->raw, m->b.raw_size, m->b.flags & BLOCK_LEAVES, &m->tiles);
		merkle_root(s->tree, m->b.root);
	}
}

static void keys_gather(struct block_job *m)
{
	filter_clear(&m->keys);
	for (uint32_t i = 0; i < m->b.count; i++) {
		const struct pending *p = &m->events[i];
		if (!p->keys_known)
			filter_add_lines(
			    &m->keys, m->raw + (p->offset - m->events->offset), p->len);
		for (enum key_kind kind = 0; kind < KEY_KINDS; kind++)
			if (p->key[kind])
				filter_add(&m->keys, p->key[kind]);
	}
}

/* Makes room for the tiles, which another thread computes meanwhile. */
static void tiles_reserve(struct block_job *m)
{
	uint64_t n = merkle_tiles(m->b.first_seq - 1, block_last_seq(&m->b));
	struct buf *x = &m->extensions;

	if (n == 0)
		return;
	size_t begun = extension_begin(x, EXTENSION_TILES);
	m->tiles_at = x->len;
	if (buf_reserve(x, n * HASH_SIZE))
		x->len += n * HASH_SIZE;
	extension_end(x, begun);
}

static bool pack(struct block_job *m, struct block_codec *codec)
{
	size_t packed;

	keys_gather(m);
	m->extensions.len = 0;
	filter_extend(&m->keys, &m->extensions);
	tiles_reserve(m);
	buf_add(&m->extensions, m->cursor.p, m->cursor.len);
	m->b.header_size = BLOCK_HEADER + (uint32_t)m->extensions.len;
	m->out.len = 0;
	if (m->keys.failed || m->extensions.failed ||
	    !buf_reserve(&m->out, m->b.header_size))
		return false;
	m->out.len = m->b.header_size;
	if (block_pack(codec, m->raw, m->b.raw_size, &m->out, &packed) < 0)
		return false;
	m->b.packed_size = (uint32_t)packed;
	m->b.packed_hash = hash64(m->out.p + m->b.header_size, packed);
	return true;
}

static void *work(void *arg)
{
	struct thread *t = arg;
	struct block_encoder *s = t->of;
	size_t job;

	while ((job = atomic_fetch_add(&s->job, 1)) <= s->n) {
		struct block_job *m = &s->at[job ? job - 1 : 0];
		if (job == 0)
			hash_all(s);
		else
			m->failed = !pack(m, t->codec);
	}
	return NULL;
}

/* Returns false if out of memory. */
static bool make_all(struct block_encoder *s, size_t bytes)
{
	unsigned most = bytes < THREADED ? 1 : s->threads, n = 1;
	bool good = true;

	atomic_store(&s->job, 0);
	while (n < most && n <= s->n &&
	       pthread_create(&s->thread[n].id, NULL, work, &s->thread[n]) == 0)
		n++;
	work(&s->thread[0]);
	while (n > 1)
		pthread_join(s->thread[--n].id, NULL);
	for (size_t i = 0; i < s->n; i++)
		good &= !s->at[i].failed;
	return good;
}

/* ---- Blocks ---- */

static void times_find(struct block *b, const struct pending *p)
{
	b->least_time = EVLOG_TIME_MAX;
	b->greatest_time = EVLOG_TIME_MIN;
	for (uint32_t k = 0; k < b->count; k++) {
		int64_t t = p[k].time;
		if (t == EVLOG_TIME_MIN)
			continue;
		if (t < b->least_time)
			b->least_time = t;
		if (t > b->greatest_time)
			b->greatest_time = t;
	}
}

/* Fills in m for events [i, i + count) of the batch, which follow event `last`. */
static void describe(struct block_job *m, const struct batch *batch, size_t i,
    size_t count, uint64_t last, const struct block_encoder_kind *kind,
    const struct head *h)
{
	const struct pending *p = &batch->at[i];
	char *raw = batch->raw.p, stamp[STAMP_SIZE];
	int64_t now = h->last_logtime;

	m->events = p;
	m->raw = raw + p->offset;
	m->b = (struct block){.segment = h->segment,
	    .epoch = h->epoch,
	    .first_seq = last + 1,
	    .count = (uint32_t)count,
	    .flags = kind->flags | (p->leaf ? BLOCK_LEAVES : 0),
	    .synced_upto = kind->synced_upto,
	    .first_logtime = kind->replica ? p[0].logtime : now,
	    .last_logtime = kind->replica ? p[count - 1].logtime : now};
	memcpy(m->b.id, h->id, ID_SIZE);
	times_find(&m->b, p);
	if (kind->replica)
		return;
	stamp_write(stamp, last, now);
	for (size_t k = 0; k < count; k++) {
		stamp_next(stamp);
		memcpy(raw + p[k].offset, stamp, STAMP_SIZE);
	}
}

/* Prepares the next blocks of the first n events, from *i on.  Returns their bytes. */
static size_t window_begin(struct block_encoder *s, const struct batch *batch, size_t *i,
    size_t n, const struct block_encoder_kind *kind, struct head *h)
{
	uint64_t last = h->tree.n;
	size_t all = 0, bytes;

	s->tree = &h->tree;
	for (s->n = 0; s->n < WINDOW && *i < n; s->n++) {
		struct block_job *m = &s->at[s->n];
		size_t count = batch_block(batch, *i, n, s->gather, &bytes);
		describe(m, batch, *i, count, last, kind, h);
		m->b.raw_size = (uint32_t)bytes;
		*i += count;
		m->cursor = (struct view){kind->cursor.p, *i == n ? kind->cursor.len : 0};
		m->b.flags |= *i == n ? BLOCK_COMMIT : 0;
		last += count;
		all += bytes;
	}
	return all;
}

/* Adds the summary of the blocks before, if this block has one and there is room. */
static int summary_add(struct block_job *m, struct segment *seg, const struct head *h,
    struct block_codec *codec, evlog_error *err)
{
	size_t before = m->extensions.len, frame = m->b.packed_size;

	summary_make(seg, h, codec, &m->extensions);
	size_t added = m->extensions.len - before;
	if (m->extensions.failed)
		return error_memory(err);
	if (!added)
		return 0;
	if (m->b.header_size + added > BLOCK_HEADER_MAX) {
		m->extensions.len = before;
		return 0;
	}
	if (!buf_reserve(&m->out, added))
		return error_memory(err);
	char *p = m->out.p + m->b.header_size;
	memmove(p + added, p, frame);
	m->out.len += added;
	m->b.header_size += (uint32_t)added;
	return 0;
}

static int block_put(struct block_job *m, const struct block_encoder_kind *kind,
    struct segment *seg, struct head *h, struct block_codec *codec, evlog_error *err)
{
	struct block *b = &m->b;

	assert(m->out.len && h->last_block <= h->committed);
	assert(b->header_size <= BLOCK_HEADER_MAX);
	if (m->tiles.failed)
		return error_memory(err);
	if (b->flags & BLOCK_COMMIT && kind->root &&
	    memcmp(b->root, kind->root, HASH_SIZE) != 0)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: the stream is damaged, or of another log: with its events up to "
		    "%llu, the root would not be the one it attests",
		    seg->path, (unsigned long long)block_last_seq(b));
	if (m->tiles.len)
		memcpy(m->extensions.p + m->tiles_at, m->tiles.p, m->tiles.len);
	int r = summary_add(m, seg, h, codec, err);
	if (r)
		return r;
	b->offset = h->committed;
	b->back = (uint32_t)(h->committed - h->last_block);
	block_header_write((unsigned char *)m->out.p, b,
	    (struct view){m->extensions.p, m->extensions.len});
	if (file_pwrite(seg->fd, m->out.p, m->out.len, b->offset) < 0)
		return error_sys(err, "%s", seg->path);
	h->last_block = b->offset;
	h->committed += m->out.len;
	h->last_logtime = b->last_logtime;
	memcpy(h->root, b->root, HASH_SIZE);
	return 0;
}

int block_encoder_write(struct block_encoder *s, struct batch *b, size_t n,
    const struct block_encoder_kind *kind, struct segment *seg, struct head *h,
    evlog_error *err)
{
	int64_t now = evlog_now();
	size_t i = 0;
	int r = 0;

	if (now > h->last_logtime && !kind->replica)
		h->last_logtime = now;
	while (i < n && !r) {
		size_t bytes = window_begin(s, b, &i, n, kind, h);
		if (!make_all(s, bytes))
			return error_memory(err);
		for (size_t k = 0; k < s->n && !r; k++) {
			r = block_put(&s->at[k], kind, seg, h, s->thread[0].codec, err);
			s->gather = block_gather(s->gather, &s->at[k].b);
		}
	}
	return r;
}
