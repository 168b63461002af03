/* buf.h - growing byte buffers, views, little-endian numbers.
 *
 * base/ holds what any program needs: bytes, files, hashes, threads, processes, and in
 * os.h all that differs between systems.  It must not know about events or JSON. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Zero-initialise.  If memory runs out, `failed` is set, the content so far is kept, and
 * further additions do nothing: one check at the end is enough. */
struct buf {
	char *p;
	size_t len, cap;
	bool failed;
};

/* Makes room for n more bytes after len.  Returns false if out of memory. */
bool buf_reserve(struct buf *b, size_t n);

static inline void buf_add(struct buf *b, const void *p, size_t n)
{
	if (n == 0 || (b->cap - b->len < n && !buf_reserve(b, n)))
		return;
	memcpy(b->p + b->len, p, n);
	b->len += n;
}

/* Empties it, for another use. */
static inline void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

static inline void buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

static inline void buf_putc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_number(struct buf *b, uint64_t n); /* in decimal */
void buf_printf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buf_free(struct buf *b);

/* Doubles the capacity *cap (in elements of `size` bytes) of an array; `array` points to
 * the pointer to it, NULL at first.  Returns false, and changes nothing, if out of
 * memory. */
bool array_grow(void *array, size_t *cap, size_t size);

/* Bytes owned by somebody else. */
struct view {
	const char *p;
	size_t len;
};

static inline bool view_is(struct view v, const char *s)
{
	return v.len == strlen(s) && memcmp(v.p, s, v.len) == 0;
}

static inline bool view_equal(struct view a, struct view b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* Compares bytewise, as memcmp does; a prefix comes before the longer view. */
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

static inline uint16_t get16(const void *p)
{
	const unsigned char *b = p;

	return (uint16_t)(b[0] | b[1] << 8);
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
