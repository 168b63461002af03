/*
 * block_encoder.c - encodes the blocks of a commit: threads stamp, hash and compress
 * several at a time; they are joined to the tree and written in order.
 */
#include "write/block_encoder.h"
#include "base/error.h"
#include "base/file.h"
#include "base/ordered.h"
#include "base/thread.h"
#include "write/summary.h"

#include <assert.h>
#include <stdlib.h>

#define ROOM 64 /* blocks; however many threads, so that the bytes are the same */
#define THREADED                                                                         \
	(64u << 10) /* bytes; below this, starting a thread takes longer than hashing */

/* A block being encoded. */
struct block_job {
	struct block b;
	const struct pending *events;
	char *raw;	 /* their lines, */
	bool is_stamped; /* which may have their stamps */
	struct view cursor;
	struct filter_keys keys;
	struct buf leaves; /* of the lines */
	struct buf extensions;
	struct buf tiles; /* that the lines complete, */
	size_t tiles_at;  /* and where they belong in extensions */
	struct buf out;	  /* room for the header, then the frame */
	bool failed;
};

struct block_encoder {
	size_t gather;
	int level;
	unsigned threads;
	struct block_codec **codec; /* of each thread; NULL: not needed yet */
	struct ordered *queue;	    /* NULL: not needed yet */
	bool is_threaded;	    /* the queue has threads */
};

struct block_encoder *block_encoder_new(unsigned threads, int level)
{
	struct block_encoder *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->gather = BLOCK_RAW;
	s->level = level;
	s->threads = threads < 1 ? 1 : threads > THREADS_MOST ? THREADS_MOST : threads;
	s->codec = calloc(s->threads, sizeof(struct block_codec *));
	if (s->codec)
		s->codec[0] = block_codec_new(level);
	if (!s->codec || !s->codec[0]) {
		block_encoder_free(s);
		return NULL;
	}
	return s;
}

static void job_free(void *job)
{
	struct block_job *m = job;

	filter_free(&m->keys);
	buf_free(&m->leaves);
	buf_free(&m->extensions);
	buf_free(&m->tiles);
	buf_free(&m->out);
}

void block_encoder_free(struct block_encoder *s)
{
	if (!s)
		return;
	ordered_free(s->queue, job_free);
	for (unsigned i = 0; s->codec && i < s->threads; i++)
		block_codec_free(s->codec[i]);
	free(s->codec);
	free(s);
}

size_t block_encoder_gather(const struct block_encoder *s)
{
	return s->gather;
}

/* ---- What any thread does ---- */

static void stamps_write(struct block_job *m)
{
	char stamp[STAMP_SIZE];

	stamp_write(stamp, m->b.first_seq - 1, m->b.first_logtime);
	for (uint32_t i = 0; i < m->b.count; i++) {
		stamp_next(stamp);
		memcpy(m->raw + (m->events[i].offset - m->events->offset), stamp,
		    STAMP_SIZE);
	}
}

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

/* Hashes the lines.  Returns false if out of memory. */
static bool leaves_hash(struct block_job *m)
{
	buf_clear(&m->leaves);
	if (!buf_reserve(&m->leaves, (size_t)m->b.count * HASH_SIZE))
		return false;
	for (uint32_t i = 0; i < m->b.count; i++) {
		const struct pending *p = &m->events[i];
		merkle_leaf(m->raw + (p->offset - m->events->offset), p->len - 1,
		    m->b.flags & BLOCK_LEAVES,
		    (unsigned char *)m->leaves.p + m->leaves.len);
		m->leaves.len += HASH_SIZE;
	}
	return true;
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

/* Makes room for the tiles, which are only known in the order of the blocks. */
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

/* Returns false if out of memory. */
static bool encode(struct block_job *m, struct block_codec *codec)
{
	size_t packed;

	times_find(&m->b, m->events);
	if (!m->is_stamped)
		stamps_write(m);
	if (!leaves_hash(m))
		return false;
	keys_gather(m);
	buf_clear(&m->extensions);
	filter_extend(&m->keys, &m->extensions);
	tiles_reserve(m);
	buf_add(&m->extensions, m->cursor.p, m->cursor.len);
	m->b.header_size = BLOCK_HEADER + (uint32_t)m->extensions.len;
	buf_clear(&m->out);
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

static void work(void *arg, void *job, unsigned worker)
{
	const struct block_encoder *s = arg;
	struct block_job *m = job;

	if (!s->codec[worker])
		s->codec[worker] = block_codec_new(s->level);
	m->failed = !s->codec[worker] || !encode(m, s->codec[worker]);
}

/* Gets a queue, with threads if there is enough to do for them. */
static bool queue_ready(struct block_encoder *s, size_t bytes)
{
	bool threaded = s->threads > 1 && bytes >= THREADED;

	if (s->queue && (s->is_threaded || !threaded))
		return true;
	ordered_free(s->queue, job_free);
	s->is_threaded = threaded;
	s->queue = ordered_new(
	    threaded ? s->threads - 1 : 0, ROOM, sizeof(struct block_job), work, s);
	return s->queue != NULL;
}

/* ---- In order ---- */

/* Fills in m for events [i, i + count) of the batch, which follow event `last`. */
static void describe(struct block_job *m, const struct batch *batch, size_t i,
    size_t count, uint64_t last, const struct block_encoder_kind *kind,
    const struct head *h)
{
	const struct pending *p = &batch->at[i];
	int64_t now = h->last_logtime;

	m->events = p;
	m->raw = batch->raw.p + p->offset;
	m->is_stamped = kind->replica;
	m->b = (struct block){.segment = h->segment,
	    .epoch = h->epoch,
	    .first_seq = last + 1,
	    .count = (uint32_t)count,
	    .flags = kind->flags | (p->leaf ? BLOCK_LEAVES : 0),
	    .synced_upto = kind->synced_upto,
	    .first_logtime = kind->replica ? p[0].logtime : now,
	    .last_logtime = kind->replica ? p[count - 1].logtime : now};
	memcpy(m->b.id, h->id, ID_SIZE);
}

/* Gives the next of the first n events, from *i on, for which there is room.  *last: the
 * last seq that was given. */
static void blocks_give(struct block_encoder *s, const struct batch *batch, size_t *i,
    size_t n, uint64_t *last, const struct block_encoder_kind *kind, const struct head *h)
{
	struct block_job *m;
	size_t bytes;

	while (*i < n && (m = ordered_place(s->queue)) != NULL) {
		size_t count = batch_block(batch, *i, n, s->gather, &bytes);
		describe(m, batch, *i, count, *last, kind, h);
		m->b.raw_size = (uint32_t)bytes;
		*i += count;
		*last += count;
		m->cursor = (struct view){kind->cursor.p, *i == n ? kind->cursor.len : 0};
		m->b.flags |= *i == n ? BLOCK_COMMIT : 0;
		ordered_give(s->queue);
	}
}

/* Joins the leaves of a block to the tree. */
static void leaves_join(struct block_job *m, struct merkle *tree)
{
	const unsigned char *leaf = (const unsigned char *)m->leaves.p;
	unsigned char tile[HASH_SIZE];

	buf_clear(&m->tiles);
	for (uint32_t i = 0; i < m->b.count; i++, leaf += HASH_SIZE)
		if (merkle_add_leaf(tree, leaf, tile))
			buf_add(&m->tiles, tile, HASH_SIZE);
	merkle_root(tree, m->b.root);
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
	leaves_join(m, &h->tree);
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
	uint64_t last = h->tree.n;
	struct block_job *m;
	size_t i = 0;
	int r = 0;

	if (now > h->last_logtime && !kind->replica)
		h->last_logtime = now;
	if (!queue_ready(s, b->raw.len))
		return error_memory(err);
	blocks_give(s, b, &i, n, &last, kind, h);
	while (ordered_first(s->queue)) {
		m = ordered_take(s->queue);
		if (!r)
			r = m->failed ? error_memory(err)
				      : block_put(m, kind, seg, h, s->codec[0], err);
		s->gather = r ? s->gather : block_gather(s->gather, &m->b);
		ordered_drop(s->queue);
		if (!r)
			blocks_give(s, b, &i, n, &last, kind, h);
	}
	return r;
}
