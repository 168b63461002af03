/* summary.c - makes the summary that a block gets if it is the first one in a span. */
#include "write/summary.h"
#include "base/error.h"
#include "format/summary.h"

#define FEWEST	64	   /* blocks that are worth a filter */
#define PRELOAD (1u << 20) /* bytes; blocks in so many are read at once */
#define STREAM	(384u << 10)

/* Finds the block from which the summary counts: the one that has the summary before it,
 * or the first of the segment; and how many blocks there are from there on. */
static int covered_find(struct segment *seg, const struct head *h, struct block *first,
    uint32_t *blocks, evlog_error *err)
{
	uint64_t at = h->last_block, start = at / SUMMARY_SPAN * SUMMARY_SPAN;
	struct summary earlier;
	const char *p;
	int r = 0;

	if (start < seg->header.size)
		start = seg->header.size;
	if (h->committed - start <= PRELOAD)
		r = segment_bytes(seg, start, h->committed - start, 0, &p, err);
	for (*blocks = 1; !r; ++*blocks) {
		r = segment_block(seg, at, h->committed, 0, first, err);
		if (!r)
			r = segment_bytes(seg, at, first->header_size, 0, &p, err);
		if (r)
			break;
		uint64_t before = at - first->back;
		if (first->back == at || summary_is_due(at, before) ||
		    summary_find(block_extensions(p, first), &earlier))
			break;
		at = before;
	}
	return r;
}

/* Gathers the keys of the blocks from *b on. */
static int keys_gather(struct segment *seg, const struct head *h,
    struct block_codec *codec, struct block *b, struct filter_keys *keys,
    evlog_error *err)
{
	struct buf lines = {0};
	int r = 0;

	while (!r) {
		r = segment_unpack(seg, codec, b, &lines, err);
		if (!r)
			filter_add_lines(keys, lines.p, lines.len);
		if (r || block_end(b) >= h->committed)
			break;
		r = segment_block(seg, block_end(b), h->committed, STREAM, b, err);
	}
	buf_free(&lines);
	return !r && keys->failed ? error_memory(err) : r;
}

void summary_make(
    struct segment *seg, const struct head *h, struct block_codec *codec, struct buf *out)
{
	struct filter_keys keys = {0};
	struct buf filter = {0};
	evlog_error ignored;
	struct block b;
	uint32_t blocks;

	if (!summary_is_due(h->committed, h->last_block))
		return;
	seg->window.len = 0; /* blocks have been written since it was read */
	int r = covered_find(seg, h, &b, &blocks, &ignored);
	uint64_t first = r ? 0 : b.offset;
	if (!r && blocks >= FEWEST)
		r = keys_gather(seg, h, codec, &b, &keys, &ignored);
	if (!r)
		filter_write(&keys, &filter);
	if (!r && !filter.failed) {
		struct summary s = {.distance = (uint32_t)(h->committed - first),
		    .kinds = FILTER_KINDS,
		    .filter = {filter.p, filter.len}};
		summary_write(&s, out);
	}
	seg->window.len = 0;
	filter_free(&keys);
	buf_free(&filter);
}
