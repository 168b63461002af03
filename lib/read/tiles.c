/* tiles.c - the tree after any event, from the tiles of its segment and a few lines. */
#include "base/error.h"
#include "read/reader_internal.h"

/* Appends tiles [from, to) of the open segment, which has no index, from its block
 * headers. Returns EVLOG_END if they are not all there. */
static int tiles_of_blocks(
    struct log_reader *r, uint64_t from, uint64_t to, struct buf *out, evlog_error *err)
{
	struct segment *s = &r->seg;
	uint64_t have = 0;
	struct block b;
	const char *p;

	for (uint64_t at = s->header.size; at < r->limit && have < to;
	     at = block_end(&b)) {
		int res = segment_block(s, at, r->limit, SPARSE, &b, err);
		if (!res)
			res = segment_bytes(s, at, b.header_size, 0, &p, err);
		if (res || !p)
			return res == EVLOG_EDAMAGED || !res ? EVLOG_END : res;
		struct view rest = block_extensions(p, &b);
		struct extension x;
		while (extension_next(&rest, &x)) {
			if (x.type != EXTENSION_TILES || x.bytes.len % HASH_SIZE)
				continue;
			for (size_t i = 0; i < x.bytes.len; i += HASH_SIZE, have++)
				if (have >= from && have < to)
					buf_add(out, x.bytes.p + i, HASH_SIZE);
		}
	}
	if (out->failed)
		return error_memory(err);
	return have >= to ? 0 : EVLOG_END;
}

int log_reader_tiles(
    struct log_reader *r, uint64_t from, uint64_t to, struct buf *out, evlog_error *err)
{
	struct index x;

	if (!segment_is_sealed(&r->seg))
		return tiles_of_blocks(r, from, to, out, err);
	int res = index_open(&x, &r->seg, NULL, err);
	if (res)
		return res;
	res = index_tiles(&x, from, to, out, err);
	index_close(&x);
	return res;
}
