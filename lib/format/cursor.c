/* cursor.c - a consumer's cursor, stored as a block header extension. */
#include "format/cursor.h"

#include <string.h>

void cursor_encode(struct buf *out, const struct cursor *c)
{
	unsigned char p[8 + CURSOR_FIXED] = {CURSOR_EXTENSION};
	size_t name = strlen(c->name);

	put32(p + 4, (uint32_t)(CURSOR_FIXED + name));
	memcpy(p + 8, c->log_id, LOG_ID_SIZE);
	put64(p + 24, c->seq);
	put64(p + 32, c->generation);
	memcpy(p + 40, c->root, HASH_SIZE);
	buf_add(out, p, sizeof p);
	buf_add(out, c->name, name);
}

bool cursor_decode(struct cursor *c, const unsigned char *p, size_t n)
{
	const unsigned char *end = p + n;
	size_t name = strlen(c->name), size;

	for (; end - p >= 8; p += 8 + size) {
		size = get32(p + 4);
		if (size > (size_t)(end - p) - 8)
			return false;
		if ((get32(p) & 0xffff) != CURSOR_EXTENSION ||
		    size != CURSOR_FIXED + name ||
		    memcmp(p + 8, c->log_id, LOG_ID_SIZE) != 0 ||
		    memcmp(p + 8 + CURSOR_FIXED, c->name, name) != 0)
			continue;
		c->seq = get64(p + 24);
		c->generation = get64(p + 32);
		memcpy(c->root, p + 40, HASH_SIZE);
		return true;
	}
	return false;
}
