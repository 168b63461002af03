/* extension.c - classes of flags, and extensions of block and segment headers. */
#include "format/extension.h"

bool extension_next(struct view *rest, struct extension *x)
{
	const unsigned char *p = (const unsigned char *)rest->p;

	if (rest->len < EXTENSION_HEADER || get32(p + 4) > rest->len - EXTENSION_HEADER)
		return false;
	x->type = get16(p);
	x->bytes = (struct view){rest->p + EXTENSION_HEADER, get32(p + 4)};
	rest->p += EXTENSION_HEADER + x->bytes.len;
	rest->len -= EXTENSION_HEADER + x->bytes.len;
	return true;
}

size_t extension_begin(struct buf *out, uint16_t type)
{
	unsigned char p[EXTENSION_HEADER] = {
	    (unsigned char)type, (unsigned char)(type >> 8)};
	size_t begun = out->len;

	buf_add(out, p, sizeof p);
	return begun;
}

void extension_end(struct buf *out, size_t begun)
{
	if (!out->failed)
		put32(
		    out->p + begun + 4, (uint32_t)(out->len - begun - EXTENSION_HEADER));
}

enum understood understood(uint32_t flags, uint32_t known, struct view extensions)
{
	enum understood u = flags & ~known & FLAGS_INCOMPATIBLE ? UNDERSTOOD_NOT
			    : flags & ~known & FLAGS_READ_ONLY	? UNDERSTOOD_READ
								: UNDERSTOOD;
	struct extension x;

	while (extension_next(&extensions, &x)) {
		if (x.type >= EXTENSION_INCOMPATIBLE)
			u = UNDERSTOOD_NOT;
		else if (x.type >= EXTENSION_READ_ONLY && u == UNDERSTOOD)
			u = UNDERSTOOD_READ;
	}
	return extensions.len && u != UNDERSTOOD_NOT ? UNDERSTOOD_WRONG : u;
}
