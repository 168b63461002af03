/* summary.c - encodes and decodes summaries; the bytes are specified in evlog-format(5),
 * "Filters". */
#include "format/summary.h"
#include "format/extension.h"

#define FIXED 8 /* bytes before the filter */

bool summary_find(struct view extensions, struct summary *s)
{
	struct extension x;

	while (extension_next(&extensions, &x)) {
		if (x.type != EXTENSION_SUMMARY || x.bytes.len < FIXED)
			continue;
		s->distance = get32(x.bytes.p);
		s->kinds = get32(x.bytes.p + 4);
		s->filter = (struct view){x.bytes.p + FIXED, x.bytes.len - FIXED};
		if (s->filter.len & (s->filter.len - 1))
			s->filter.len = 0;
		return true;
	}
	return false;
}

void summary_write(const struct summary *s, struct buf *out)
{
	unsigned char p[FIXED];
	size_t begun = extension_begin(out, EXTENSION_SUMMARY);

	put32(p, s->distance);
	put32(p + 4, s->kinds);
	buf_add(out, p, sizeof p);
	buf_add(out, s->filter.p, s->filter.len);
	extension_end(out, begun);
}
