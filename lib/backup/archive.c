/*
 * archive.c - writes a log as a tar file: its segments, up to the end of the last commit,
 * and head.  Unpacked, it is a log; every tool reads it as it is.
 */
#include "backup/share.h"
#include "backup/verify.h"
#include "base/error.h"
#include "base/options.h"
#include "base/os.h"
#include "input/tar.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct archive {
	struct log log;
	struct log_end end;
	struct block_codec *codec;
	struct tar_member *member;
	char (*name)[SEGMENT_NAME_SIZE];
	size_t n;
	unsigned char head[HEAD_SIZE];
};

/* Writes what head says of the end. */
static void head_write_at(struct archive *a, const struct segment *s,
    const struct merkle *tree, const struct block *last)
{
	struct head h = a->log.head;

	memcpy(h.id, s->header.id, ID_SIZE);
	os_boot_id(h.boot_id);
	h.generation = 1;
	h.segment = s->first_seq;
	h.committed = h.durable = a->end.offset;
	h.last_block = a->end.block;
	h.last_logtime = last->offset ? last->last_logtime : s->header.last_logtime;
	uint64_t epoch = last->offset ? last->epoch : s->header.epoch;
	if (epoch > h.epoch) /* head may not know the last commits */
		h.epoch = epoch;
	h.flags &= HEAD_COPY;
	h.tree = *tree;
	merkle_root(tree, h.root);
	head_encode(a->head + HEAD_SLOT, &h);
	h.generation++;
	head_encode(a->head, &h);
}

static void member_add(
    struct archive *a, const struct segment *s, uint64_t size, const struct stat *st)
{
	struct tar_member *t = &a->member[a->n];

	segment_name(a->name[a->n], s->first_seq);
	*t = (struct tar_member){.name = a->name[a->n],
	    .size = size,
	    .time = (int64_t)os_modified(st).tv_sec * 1000000,
	    .fd = -1,
	    .dir_fd = a->log.dir_fd,
	    .file = a->name[a->n],
	    .inode = (uint64_t)st->st_ino};
	a->n++;
}

/* Checks a segment, and adds it. */
static int segment_take(struct archive *a, struct segment *s,
    const struct segment_header *next, evlog_error *err)
{
	const bool sealed = segment_is_sealed(s);
	uint64_t limit = sealed ? s->header.seal.end
			 : next ? share_limit(s, next)
				: a->end.offset;
	struct merkle tree = s->header.tree;
	struct block last = {0};
	struct stat st;

	if (sealed && !next)
		return error_set(err, EVLOG_EBUSY,
		    "%s: a segment was sealed meanwhile; try again", a->log.path);
	if (!tree_has_root(&tree, s->header.root))
		return segment_damaged(
		    s, 0, s->first_seq, 0, "its header contradicts itself", err);
	int r = blocks_verify(s, a->codec, s->header.size, limit, &tree, &last, err);
	if (!r && next)
		r = successor_check(&a->log, s, next, &last, err);
	if (!r && !next && (tree.n != a->end.seq || !tree_has_root(&tree, a->end.root)))
		r = segment_damaged(s, a->end.block, s->first_seq, a->end.seq,
		    "head says something else of its end", err);
	if (!r && fstat(s->fd, &st) < 0)
		r = error_sys(err, "%s", s->path);
	if (r)
		return r;
	member_add(a, s, sealed ? (uint64_t)st.st_size : limit, &st);
	if (!next)
		head_write_at(a, s, &tree, &last);
	return 0;
}

static int segments_take(struct archive *a, uint64_t since, evlog_error *err)
{
	const struct share h = {.log = &a->log};
	const struct log *l = &a->log;
	struct segment s, next = {.fd = -1};
	size_t i = 0;

	if (l->segments[0] > l->first)
		return segment_missing(l->path, l->first, l->segments[0] - 1, err);
	while (i + 1 < l->n && l->segments[i + 1] <= a->end.segment &&
	       l->segments[i + 1] <= since + 1)
		i++;
	int r = share_open(&h, i, &s, err);
	for (bool more = true; !r && more; i++) {
		more = i + 1 < l->n && l->segments[i + 1] <= a->end.segment;
		if (more)
			r = share_open(&h, i + 1, &next, err);
		if (!r)
			r = segment_take(a, &s, more ? &next.header : NULL, err);
		segment_close(&s);
		s = next;
		next = (struct segment){.fd = -1};
	}
	segment_close(&s);
	segment_close(&next);
	return r;
}

static int prepare(
    struct archive *a, const char *log, uint64_t max_line, evlog_error *err)
{
	a->codec = block_codec_new(0);
	if (!a->codec)
		return error_memory(err);
	block_codec_limit(a->codec, max_line);
	int r = log_open(&a->log, log, false, err);
	if (!r)
		r = log_survey_sound(&a->log, a->codec, &a->end, err);
	if (r)
		return r;
	a->member = calloc(a->log.n + 1, sizeof *a->member);
	a->name = calloc(a->log.n + 1, sizeof *a->name);
	return a->member && a->name ? 0 : error_memory(err);
}

int evlog_archive(const char *log, uint64_t since, uint64_t max_line,
    evlog_write_fn *write, void *arg, evlog_error *err)
{
	struct archive a = {.log = {.dir_fd = -1, .head_fd = -1}};

	OWN_ERROR(err);
	NEED(log && write, err);
	int r = prepare(&a, log, max_line, err);
	if (!r && since > a.end.seq)
		r = error_set(err, EVLOG_EMISMATCH, "%s: ends with event %llu", log,
		    (unsigned long long)a.end.seq);
	if (!r)
		r = segments_take(&a, since, err);
	if (!r) {
		a.member[a.n] = (struct tar_member){.name = "head",
		    .size = sizeof a.head,
		    .time = evlog_now(),
		    .fd = -1,
		    .p = (const char *)a.head};
		r = tar_write(log, a.member, a.n + 1, write, arg, err);
	}
	r = trimmed_meanwhile(&a.log, r, err);
	free(a.member);
	free(a.name);
	log_close(&a.log);
	block_codec_free(a.codec);
	return r;
}
