/* packed.c - blocks that are delivered as they are stored. */
#include "read/packed.h"
#include "base/error.h"
#include "format/segment.h"

bool packed_set(
    struct packed_block *p, const struct block *b, const char *frame, const char *path)
{
	p->b = *b;
	p->frame.len = p->path.len = 0;
	buf_add(&p->frame, frame, b->packed_size);
	buf_add(&p->path, path, strlen(path) + 1);
	bool failed = p->frame.failed || p->path.failed;
	p->frame.failed = p->path.failed = false;
	return !failed;
}

int packed_unpack(const struct packed_block *p, struct block_codec *c, struct buf *lines,
    evlog_error *err)
{
	const struct segment at = {.path = p->path.p};
	bool failed = false;
	const char *why = block_unpack(c, &p->b, p->frame.p, lines, &failed);

	if (failed)
		return error_memory(err);
	return why ? segment_damaged(&at, p->b.offset + p->b.header_size, p->b.first_seq,
			 block_last_seq(&p->b), why, err)
		   : 0;
}

void packed_free(struct packed_block *p)
{
	buf_free(&p->frame);
	buf_free(&p->path);
}
