/* spool.c - lines kept aside and read back from last to first. */
#include "base/spool.h"
#include "base/file.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SPOOL_MEMORY (4u << 20)
#define SPOOL_WINDOW (256u << 10)

void spool_init(struct spool *s)
{
	*s = (struct spool){.fd = -1};
}

static int spool_flush(struct spool *s)
{
	if (s->fd < 0 && (s->fd = os_nameless_file()) < 0)
		return -1;
	if (file_pwrite(s->fd, s->mem.p, s->mem.len, s->size) < 0)
		return -1;
	s->size += s->mem.len;
	s->mem.len = 0;
	return 0;
}

int spool_add(struct spool *s, const char *p, size_t n)
{
	if (s->mem.len + n > SPOOL_MEMORY && s->mem.len && spool_flush(s) < 0)
		return -1;
	buf_add(&s->mem, p, n);
	if (s->mem.failed)
		errno = ENOMEM;
	return s->mem.failed ? -1 : 0;
}

/* Moves the window towards the start of the file, keeping the unread bytes. */
static int spool_fill(struct spool *s)
{
	size_t n = s->window < SPOOL_WINDOW ? (size_t)s->window : SPOOL_WINDOW;

	if (!buf_reserve(&s->mem, n)) {
		errno = ENOMEM;
		return -1;
	}
	memmove(s->mem.p + n, s->mem.p, s->mem.len);
	ssize_t got = file_pread(s->fd, s->mem.p, n, s->window - n);
	if (got != (ssize_t)n) {
		if (got >= 0)
			errno = EIO;
		return -1;
	}
	s->window -= n;
	s->mem.len += n;
	return 0;
}

int spool_take_last(struct spool *s, struct view *line)
{
	if (!s->reading) {
		s->reading = true;
		if (s->fd >= 0 && s->mem.len && spool_flush(s) < 0)
			return -1;
		s->window = s->size;
	}
	for (;;) {
		struct buf *m = &s->mem;
		char *nl = m->len > 1 ? memrchr(m->p, '\n', m->len - 1) : NULL;
		if (nl || (s->window == 0 && m->len)) {
			size_t start = nl ? (size_t)(nl + 1 - m->p) : 0;
			*line = (struct view){m->p + start, m->len - start};
			m->len = start;
			return 0;
		}
		if (s->window == 0)
			return 1;
		if (spool_fill(s) < 0)
			return -1;
	}
}

void spool_free(struct spool *s)
{
	buf_free(&s->mem);
	if (s->fd >= 0)
		close(s->fd);
	spool_init(s);
}
