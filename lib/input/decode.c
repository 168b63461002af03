/* decode.c - decompresses streams of one or more members. */
#include "input/decode.h"
#include "base/error.h"
#include "input/codec.h"

#include <stdlib.h>

#define ROOM (128u << 10)

struct decoder {
	struct stage s;
	const struct codec *codec;
	void *state;
	bool inside;  /* in a member; false: between two */
	bool any;     /* a member has begun */
	bool pending; /* the codec may have more output for the input it already has */
	char out[ROOM];
};

static int fault(
    const struct decoder *d, const char *what, const char *why, evlog_error *err)
{
	return error_set(err, EVLOG_EDATA, "%s: the %s data is %s%s%s", d->s.name,
	    d->codec->name, what, why ? ": " : "", why ? why : "");
}

/* After the last member, only zero bytes may follow. */
static int padding_check(struct decoder *d, evlog_error *err)
{
	struct stage *below = d->s.below;

	while (below->len) {
		for (size_t i = 0; i < below->len; i++)
			if (below->p[i])
				return fault(d, "followed by unexpected data", NULL, err);
		stage_take(below, below->len);
		int r = stage_fill(below, err);
		if (r)
			return r;
	}
	return 0;
}

/* Begins the next member.  Returns EVLOG_END if there is none. */
static int member_next(struct decoder *d, evlog_error *err)
{
	struct stage *below = d->s.below;
	int r = stage_look(below, 16, false, err);

	if (r)
		return r;
	if (!below->len)
		return EVLOG_END;
	if (d->any &&
	    d->codec->begins((const unsigned char *)below->p, below->len) == 0) {
		r = padding_check(d, err);
		return r ? r : EVLOG_END;
	}
	if (!d->codec->begin(&d->state))
		return error_memory(err);
	d->inside = d->any = true;
	return 0;
}

static int member_step(struct decoder *d, evlog_error *err)
{
	struct stage *s = &d->s, *below = s->below;
	struct flow f = {below->p, below->len, d->out, sizeof d->out};
	const char *why = NULL;

	enum step step = d->codec->step(d->state, &f, &why);
	bool idle = f.in_len == below->len && f.out_len == sizeof d->out;
	stage_take(below, below->len - f.in_len);
	s->p = d->out;
	s->len = sizeof d->out - f.out_len;
	d->pending = step == STEP_MORE && f.out_len == 0;
	d->inside = step != STEP_END;
	if (step == STEP_NOMEMORY)
		return error_memory(err);
	s->wrong = step == STEP_WRONG;
	if (step == STEP_BAD || step == STEP_WRONG)
		return fault(d, "damaged", why, err);
	if (step == STEP_MORE && idle && below->end)
		return fault(d, "truncated", NULL, err);
	if (step == STEP_MORE && idle && below->len)
		return fault(d, "damaged", NULL, err);
	return 0;
}

static int decoder_read(struct stage *s, evlog_error *err)
{
	struct decoder *d = (struct decoder *)s;

	for (;;) {
		int r = d->inside ? 0 : member_next(d, err);
		if (r)
			return r == EVLOG_END ? 0 : r;
		if (!d->pending && (r = stage_fill(s->below, err)) != 0)
			return r;
		r = member_step(d, err);
		if (r || s->len)
			return r;
	}
}

static bool decoder_ready(struct stage *s)
{
	return ((const struct decoder *)s)->pending;
}

static void decoder_close(struct stage *s)
{
	struct decoder *d = (struct decoder *)s;

	if (d->state)
		d->codec->end(d->state);
	free(d);
}

int decoder_new(
    struct stage **s, const struct codec *codec, struct stage *below, evlog_error *err)
{
	*s = NULL;
	struct decoder *d = calloc(1, sizeof *d);
	if (!d)
		return error_memory(err);
	d->codec = codec;
	d->s = (struct stage){.below = below,
	    .name = below->name,
	    .read = decoder_read,
	    .ready = decoder_ready,
	    .close = decoder_close};
	*s = &d->s;
	return 0;
}
