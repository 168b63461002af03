/* stage.c - the stages between a file and its lines. */
#include "input/stage.h"
#include "base/error.h"

#include <assert.h>

static int stage_read(struct stage *s, evlog_error *err)
{
	evlog_error why;

	s->len = 0;
	int r = s->read(s, &why);
	if (!s->len)
		s->p = "";
	if (r)
		s->late = why;
	s->end = !r && !s->len;
	if (!r || s->len)
		return 0;
	*err = why;
	return r;
}

int stage_fill(struct stage *s, evlog_error *err)
{
	if (s->len || s->end)
		return 0;
	if (s->late.code) {
		*err = s->late;
		return err->code;
	}
	return stage_read(s, err);
}

/* Copies the unread bytes into `held`, so that the next read does not overwrite them. */
static bool stage_hold(struct stage *s)
{
	if (s->held.p && s->p >= s->held.p && s->p < s->held.p + s->held.cap) {
		memmove(s->held.p, s->p, s->len);
		s->held.len = s->len;
	} else {
		s->held.len = 0;
		buf_add(&s->held, s->p, s->len);
	}
	return !s->held.failed;
}

int stage_look(struct stage *s, size_t n, bool line, evlog_error *err)
{
	int r = stage_fill(s, err);

	while (!r && s->len < n && !s->end && !s->late.code &&
	       !(line && memchr(s->p, '\n', s->len))) {
		if (!stage_hold(s))
			return error_memory(err);
		r = stage_read(s, err);
		buf_add(&s->held, s->p, s->len);
		if (s->held.failed)
			return error_memory(err);
		s->p = s->held.p;
		s->len = s->held.len;
		if (s->late.code)
			r = 0; /* report it after these bytes */
	}
	return r;
}

void stage_take(struct stage *s, size_t n)
{
	assert(n <= s->len);
	s->p += n;
	s->len -= n;
}

bool stage_ready(struct stage *s)
{
	if (!s || s->len || s->end || s->late.code)
		return s != NULL;
	return s->ready ? s->ready(s) : stage_ready(s->below);
}

bool stage_is_wrong(const struct stage *s)
{
	for (; s; s = s->below)
		if (s->wrong)
			return true;
	return false;
}

void stage_close(struct stage *s, const struct stage *last)
{
	while (s && s != last) {
		struct stage *below = s->below;
		buf_free(&s->held);
		s->close(s);
		s = below;
	}
}
