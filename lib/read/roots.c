/* roots.c - the roots of segments and blocks, read without decompressing lines. */
#include "read/reader_internal.h"

int log_reader_segments(struct log_reader *r,
    int (*each)(void *arg, uint64_t seq, const unsigned char root[HASH_SIZE]), void *arg,
    evlog_error *err)
{
	int res = 0;

	for (size_t i = 1; i < r->log.n && !res; i++) {
		struct segment seg;
		if (r->log.segments[i] > r->end.segment)
			break;
		res = log_segment(&r->log, r->log.segments[i], NULL, &seg, err);
		if (!res)
			res = each(arg, seg.first_seq - 1, seg.header.root);
		segment_close(&seg);
	}
	return res;
}

int log_reader_roots(struct log_reader *r,
    int (*each)(void *arg, uint64_t seq, const unsigned char root[HASH_SIZE]), void *arg,
    evlog_error *err)
{
	struct block b;
	int res = 0;

	while (!res) {
		if (r->at >= r->limit) {
			if (r->log.segments[r->at_segment] == r->end.segment)
				return 0;
			res = reader_enter(r, r->at_segment + 1, err);
			continue;
		}
		res = segment_block(&r->seg, r->at, r->limit, r->hop, &b, err);
		if (res || block_beyond(&r->bounds, &b))
			return res;
		r->hop = hop_after(&b);
		r->at = block_end(&b);
		r->next_seq = block_last_seq(&b) + 1;
		res = each(arg, block_last_seq(&b), b.root);
	}
	return res;
}
