/*
 * frame_packer.c - compresses lines to a stream that is itself a valid segment.
 *
 * If it is of a log, without gaps, it is the log from its first event on.  Anything else
 * is an extract: its header says so, its seqs may have gaps, and its tree counts only the
 * lines in it.
 */
#include "base/error.h"
#include "base/file.h"
#include "base/options.h"
#include "base/os.h"
#include "event/stamp.h"
#include "format/frame_packer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct evlog_packer {
	evlog_write_fn *write;
	void *arg;
	struct block_codec *codec;
	struct segment_header header;
	struct merkle tree;
	struct merkle origin; /* before the first line, unless it is an extract */
	int64_t origin_logtime;
	unsigned char lineage[HASH_SIZE];
	struct buf cursors; /* up to the origin */
	struct buf raw, out;
	bool begun, ended, extract;
	bool leaves, partial; /* of the lines in raw: as in struct evlog_lines */
	uint64_t first, last; /* seqs in raw */
	uint32_t count;
	int64_t first_logtime, last_logtime, least_time, greatest_time;
	uint64_t offset, previous;
};

int evlog_packer_new(
    evlog_packer **out, int level, evlog_write_fn *write, void *arg, evlog_error *err)
{
	NEED(out, err);
	*out = NULL;
	NEED(write, err);
	REFUSE(!block_level_exists(level), "there is no such level", err);
	evlog_packer *k = calloc(1, sizeof *k);
	if (!k)
		return error_memory(err);
	k->write = write;
	k->arg = arg;
	k->codec = block_codec_new(level);
	if (!k->codec) {
		evlog_packer_free(k);
		return error_memory(err);
	}
	if (os_random(k->header.id, ID_SIZE) < 0) {
		evlog_packer_free(k);
		return error_sys(err, "random bytes");
	}
	*out = k;
	return 0;
}

void evlog_packer_free(evlog_packer *k)
{
	if (!k)
		return;
	block_codec_free(k->codec);
	buf_free(&k->cursors);
	buf_free(&k->raw);
	buf_free(&k->out);
	free(k);
}

static int packer_write(evlog_packer *k, evlog_error *err)
{
	if (k->out.failed)
		return error_memory(err);
	if (k->write(k->arg, k->out.p, k->out.len) < 0)
		return error_sys(err, "output");
	k->offset += k->out.len;
	k->out.len = 0;
	return 0;
}

int packer_origin(evlog_packer *k, const struct merkle *tree, int64_t logtime,
    const unsigned char lineage[HASH_SIZE], struct view cursors, evlog_error *err)
{
	if (k->begun || k->ended)
		return options_bad(
		    "evlog_packer_follow", "lines were added already", err);
	k->origin = *tree;
	k->origin_logtime = logtime;
	memcpy(k->lineage, lineage, HASH_SIZE);
	k->cursors.len = 0;
	buf_add(&k->cursors, cursors.p, cursors.len);
	return k->cursors.failed ? error_memory(err) : 0;
}

void packer_extract(evlog_packer *k)
{
	k->extract = true;
}

/* Begins a segment with event `first`: the log from there on, if that is where the lines
 * began, and else an extract, whose tree has only its own lines. */
static int header_write(evlog_packer *k, uint64_t first, evlog_error *err)
{
	struct segment_header *h = &k->header;
	bool whole = !k->begun && !k->extract && first == k->origin.n + 1;

	h->first_seq = first;
	h->epoch = 1;
	h->last_logtime = whole && first > 1 ? k->origin_logtime : EVLOG_TIME_MIN;
	h->previous = h->previous_size = h->previous_block = SEGMENT_NONE;
	h->flags = !whole ? SEGMENT_EXTRACT : first > 1 ? SEGMENT_TRIMMED : 0;
	h->tree = whole ? k->origin : (struct merkle){0};
	memset(h->lineage, 0, HASH_SIZE);
	if (whole && first > 1)
		memcpy(h->lineage, k->lineage, HASH_SIZE);
	merkle_root(&h->tree, h->root);
	k->begun = true;
	k->tree = h->tree;
	k->offset = k->previous = 0;
	segment_header_encode(
	    &k->out, h, (struct view){k->cursors.p, whole ? k->cursors.len : 0});
	return packer_write(k, err);
}

/* Writes the block of what was added, with these cursors. */
static int block_flush(evlog_packer *k, struct view cursors, evlog_error *err)
{
	struct block b = {.header_size = BLOCK_HEADER + (uint32_t)cursors.len,
	    .flags = BLOCK_UNSYNCED | (k->partial ? 0 : BLOCK_COMMIT) |
		     (k->leaves ? BLOCK_LEAVES : 0),
	    .segment = k->header.first_seq,
	    .epoch = 1,
	    .first_seq = k->first,
	    .count = k->count,
	    .raw_size = (uint32_t)k->raw.len,
	    .back = (uint32_t)(k->offset - k->previous),
	    .first_logtime = k->first_logtime,
	    .last_logtime = k->last_logtime,
	    .least_time = k->least_time,
	    .greatest_time = k->greatest_time,
	    .synced_upto = k->header.size};
	size_t packed;

	if (k->count == 0)
		return 0;
	memcpy(b.id, k->header.id, ID_SIZE);
	merkle_add_lines(&k->tree, k->raw.p, k->raw.len, k->leaves, NULL);
	merkle_root(&k->tree, b.root);
	if (!buf_reserve(&k->out, b.header_size))
		return error_memory(err);
	k->out.len = b.header_size;
	if (block_pack(k->codec, k->raw.p, k->raw.len, &k->out, &packed) < 0)
		return error_memory(err);
	b.packed_size = (uint32_t)packed;
	b.packed_hash = hash64(k->out.p + b.header_size, packed);
	block_header_write((unsigned char *)k->out.p, &b, cursors);
	k->previous = k->offset;
	k->raw.len = 0;
	k->count = 0;
	return packer_write(k, err);
}

static void times_note(evlog_packer *k, const struct evlog_event *e)
{
	int64_t t = evlog_event_time(e);

	if (k->count == 0) {
		k->first = e->seq;
		k->first_logtime = e->logtime;
		k->least_time = EVLOG_TIME_MAX;
		k->greatest_time = EVLOG_TIME_MIN;
	}
	k->last_logtime = e->logtime;
	if (t == EVLOG_TIME_MIN)
		return;
	if (t < k->least_time)
		k->least_time = t;
	if (t > k->greatest_time)
		k->greatest_time = t;
}

static int lines_add(evlog_packer *k, const struct evlog_lines *lines, evlog_error *err)
{
	struct evlog_lines rest = *lines;
	struct evlog_event e;
	uint64_t seq;
	int64_t t;
	int r = 0;

	while (!r && evlog_lines_take(&rest, &e)) {
		if (!stamp_read(e.line, e.len, &seq, &t) || e.len > BLOCK_RAW_MAX - 1)
			return error_set(err, EVLOG_EDATA,
			    "-o zst needs events from a log, which have seq and logtime");
		if (k->begun && e.logtime < k->last_logtime && e.seq == k->last + 1)
			return error_set(err, EVLOG_EDATA,
			    "-o zst: event %" PRIu64
			    " has an earlier logtime than the one "
			    "before it",
			    e.seq);
		bool restart = !k->begun || (e.seq != k->last + 1 &&
						!(k->header.flags & SEGMENT_EXTRACT));
		bool full = k->raw.len + e.len + 1 > BLOCK_RAW_DENSE ||
			    e.logtime < k->last_logtime || lines->leaves != k->leaves;
		if (k->count && (restart || full))
			r = block_flush(k, (struct view){NULL, 0}, err);
		if (!r && restart)
			r = header_write(k, e.seq, err);
		k->leaves = lines->leaves;
		k->partial = true; /* unless this is the last line */
		times_note(k, &e);
		buf_add(&k->raw, e.line, e.len);
		buf_putc(&k->raw, '\n');
		k->count++;
		k->last = e.seq;
	}
	if (!r && k->raw.failed)
		r = error_memory(err);
	k->partial = lines->partial && !(k->header.flags & SEGMENT_EXTRACT);
	if (!r && lines->cursors_len && !(k->header.flags & SEGMENT_EXTRACT))
		r = block_flush(
		    k, (struct view){lines->cursors, lines->cursors_len}, err);
	return r;
}

int evlog_packer_add(evlog_packer *k, const struct evlog_lines *lines, evlog_error *err)
{
	NEED(k && lines, err);
	REFUSE(k->ended, "it has ended, or failed", err);
	REFUSE(
	    lines->cursors_len &&
		(lines->cursors_len > BLOCK_HEADER_MAX - BLOCK_HEADER ||
		    !lines->cursors ||
		    understood(0, 0, (struct view){lines->cursors, lines->cursors_len}) !=
			UNDERSTOOD),
	    "these are not cursors", err);
	int r = lines_add(k, lines, err);
	k->ended = r != 0;
	return r;
}

int evlog_packer_flush(evlog_packer *k, evlog_error *err)
{
	NEED(k, err);
	REFUSE(k->ended, "it has ended, or failed", err);
	int r = block_flush(k, (struct view){NULL, 0}, err);
	k->ended = r != 0;
	return r;
}

int evlog_packer_end(evlog_packer *k, evlog_error *err)
{
	NEED(k, err);
	REFUSE(k->ended, "it has ended, or failed", err);
	k->ended = true;
	int r = k->begun ? 0 : header_write(k, k->origin.n + 1, err);

	return r ? r : block_flush(k, (struct view){NULL, 0}, err);
}
