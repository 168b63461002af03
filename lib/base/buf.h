/* buf.h - a growing byte buffer, and little-endian numbers. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Zero-initialise.  Once memory fails, `failed` is set, further additions do
 * nothing, and the content is kept: check once, at the end. */
struct buf {
	char *p;
	size_t len, cap;
	bool failed;
};

/* Makes room for n more bytes behind len.  false: no memory. */
bool buf_reserve(struct buf *b, size_t n);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buf_free(struct buf *b);

/* Makes an array larger, whose pointer is at `array` (NULL at first), with room for *cap
 * elements of `size` bytes.  false: no memory, and it is as it was. */
bool array_grow(void *array, size_t *cap, size_t size);

/* A view of bytes that somebody else owns. */
struct view {
	const char *p;
	size_t len;
};

static inline bool view_is(struct view v, const char *s)
{
	return v.len == strlen(s) && memcmp(v.p, s, v.len) == 0;
}

/* Bytewise, as memcmp, a prefix before what it begins. */
int view_compare(struct view a, struct view b);

static inline void put32(void *p, uint32_t v)
{
	unsigned char *b = p;
	for (int i = 0; i < 4; i++)
		b[i] = (unsigned char)(v >> (8 * i));
}

static inline void put64(void *p, uint64_t v)
{
	put32(p, (uint32_t)v);
	put32((char *)p + 4, (uint32_t)(v >> 32));
}

static inline uint32_t get32(const void *p)
{
	const unsigned char *b = p;
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
	       (uint32_t)b[3] << 24;
}

static inline uint64_t get64(const void *p)
{
	return get32(p) | (uint64_t)get32((const char *)p + 4) << 32;
}

#endif
