/* cursor.c - a consumer's cursor, stored as an extension of a header. */
#include "format/cursor.h"

#include <string.h>

_Static_assert(CURSOR_FIXED == ID_SIZE + HASH_SIZE + 8 + 8 + HASH_SIZE + 4,
    "evlog-format(5), Cursors");
_Static_assert(CURSOR_FIXED_1 == ID_SIZE + 8 + 8 + HASH_SIZE,
    "evlog-format(5), Cursors, of version 1");

static void field_add(struct buf *out, enum cursor_field field, const void *p, size_t len)
{
	size_t begun = extension_begin(out, (uint16_t)field);

	buf_add(out, p, len);
	extension_end(out, begun);
}

void cursors_copy(struct buf *out, struct view extensions)
{
	struct extension x;

	while (extension_next(&extensions, &x))
		if (extension_is_cursor(&x))
			buf_add(out, x.bytes.p - EXTENSION_HEADER,
			    EXTENSION_HEADER + x.bytes.len);
}

void cursor_encode(struct buf *out, const struct cursor *c)
{
	unsigned char p[CURSOR_FIXED], number[16];
	size_t name = strlen(c->name), begun = extension_begin(out, EXTENSION_CURSOR);

	memcpy(p, c->id, ID_SIZE);
	memcpy(p + 16, c->lineage, HASH_SIZE);
	put64(p + 48, c->seq);
	put64(p + 56, c->generation);
	memcpy(p + 64, c->root, HASH_SIZE);
	put32(p + 96, (uint32_t)name);
	buf_add(out, p, sizeof p);
	buf_add(out, c->name, name);
	if (c->has & CURSOR_HAS(CURSOR_FOLD))
		field_add(out, CURSOR_FOLD, c->fold, HASH_SIZE);
	put64(number, (uint64_t)c->due);
	put64(number + 8, c->due_seq);
	if (c->has & CURSOR_HAS(CURSOR_DUE))
		field_add(out, CURSOR_DUE, number, 16);
	put64(number, c->sequence);
	if (c->has & CURSOR_HAS(CURSOR_SEQUENCE))
		field_add(out, CURSOR_SEQUENCE, number, 8);
	if (c->has & CURSOR_HAS(CURSOR_PARTIAL))
		field_add(out, CURSOR_PARTIAL, NULL, 0);
	extension_end(out, begun);
}

static enum understood fields_decode(struct cursor *c, struct view rest)
{
	struct extension x;

	while (extension_next(&rest, &x)) {
		const unsigned char *p = (const unsigned char *)x.bytes.p;
		const size_t sizes[] = {0, HASH_SIZE, 16, 8, 0};
		if (x.type >= EXTENSION_INCOMPATIBLE)
			return UNDERSTOOD_NOT;
		if (x.type == 0 || x.type > CURSOR_PARTIAL)
			continue;
		if (x.bytes.len != sizes[x.type])
			return UNDERSTOOD_WRONG;
		c->has |= CURSOR_HAS(x.type);
		if (x.type == CURSOR_FOLD) {
			memcpy(c->fold, p, HASH_SIZE);
		} else if (x.type == CURSOR_DUE) {
			c->due = (int64_t)get64(p);
			c->due_seq = get64(p + 8);
		} else if (x.type == CURSOR_SEQUENCE) {
			c->sequence = get64(p);
		}
	}
	return rest.len ? UNDERSTOOD_WRONG : UNDERSTOOD;
}

static bool name_take(struct cursor *c, struct view name)
{
	if (name.len == 0 || name.len > CURSOR_NAME_MAX || memchr(name.p, '\0', name.len))
		return false;
	memcpy(c->name, name.p, name.len);
	return true;
}

enum understood cursor_decode(struct cursor *c, const struct extension *x)
{
	const unsigned char *p = (const unsigned char *)x->bytes.p;
	size_t n = x->bytes.len, name;

	*c = (struct cursor){0};
	if (x->type == EXTENSION_CURSOR_1 && n > CURSOR_FIXED_1) {
		memcpy(c->id, p, ID_SIZE);
		c->seq = get64(p + 16);
		c->generation = get64(p + 24);
		memcpy(c->root, p + 32, HASH_SIZE);
		p += CURSOR_FIXED_1;
		n -= CURSOR_FIXED_1;
		return name_take(c, (struct view){(const char *)p, n}) ? UNDERSTOOD
								       : UNDERSTOOD_WRONG;
	}
	if (x->type != EXTENSION_CURSOR || n < CURSOR_FIXED ||
	    (name = get32(p + 96)) > n - CURSOR_FIXED)
		return UNDERSTOOD_WRONG;
	memcpy(c->id, p, ID_SIZE);
	memcpy(c->lineage, p + 16, HASH_SIZE);
	c->seq = get64(p + 48);
	c->generation = get64(p + 56);
	memcpy(c->root, p + 64, HASH_SIZE);
	p += CURSOR_FIXED;
	if (!name_take(c, (struct view){(const char *)p, name}))
		return UNDERSTOOD_WRONG;
	return fields_decode(
	    c, (struct view){(const char *)p + name, n - CURSOR_FIXED - name});
}

bool cursor_same(const struct cursor *a, const struct cursor *b)
{
	bool known = !hash_is_none(a->lineage) && !hash_is_none(b->lineage);

	return strcmp(a->name, b->name) == 0 &&
	       (known ? memcmp(a->lineage, b->lineage, HASH_SIZE) == 0
		      : memcmp(a->id, b->id, ID_SIZE) == 0);
}
