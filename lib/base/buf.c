/* buf.c - a growing byte buffer. */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool buf_reserve(struct buf *b, size_t n)
{
	assert(b->len <= b->cap);
	if (b->cap - b->len >= n && b->p)
		return true;
	if (b->failed || n > SIZE_MAX / 4 - b->len) {
		b->failed = true;
		return false;
	}
	size_t cap = b->cap < 64 ? 64 : b->cap;
	while (cap < b->len + n)
		cap += cap / 2;
	char *p = realloc(b->p, cap);
	if (!p) {
		b->failed = true;
		return false;
	}
	b->p = p;
	b->cap = cap;
	return true;
}

bool array_grow(void *array, size_t *cap, size_t size)
{
	size_t more = *cap ? *cap * 2 : 4;
	void *old, *p;

	memcpy(&old, array, sizeof old); /* copied, since it may point to any type */
	if (more > SIZE_MAX / 2 / size || !(p = realloc(old, more * size)))
		return false;
	memcpy(array, &p, sizeof p);
	*cap = more;
	return true;
}

void buf_number(struct buf *b, uint64_t n)
{
	char text[20], *end = text + sizeof text, *p = end;

	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	buf_add(b, p, (size_t)(end - p));
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	int n = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (n < 0 || !buf_reserve(b, (size_t)n + 1)) {
		b->failed = true;
		return;
	}
	va_start(ap, format);
	vsnprintf(b->p + b->len, (size_t)n + 1, format, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){0};
}

int view_compare(struct view a, struct view b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n ? memcmp(a.p, b.p, n) : 0;
	return c ? c : (a.len > b.len) - (a.len < b.len);
}
