/* decode.c - decompresses streams of one or more members. */
#include "input/decode.h"
#include "base/error.h"
#include "input/codec.h"

#include <stdlib.h>

#define ROOM	   (128u << 10)
#define LOOK	   16	       /* bytes that show what a member is */
#define NOTE_MOST  (1u << 20)  /* bytes of a frame that is noted, */
#define NOTES_MOST (64u << 20) /* and of all that have not been taken */

struct decoder {
	struct stage s;
	const struct codec *codec;
	void *state;
	bool inside;  /* in a member; false: between two */
	bool any;     /* a member has begun */
	bool pending; /* the codec may have more output for the input it already has */
	bool noting;  /* this member is a frame to be noted */
	uint64_t produced;
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

/* Whether a member is a skippable frame (RFC 8878) with the header of a segment or of a
 * block; see evlog-format(5). */
static bool is_note(const char *p, size_t n)
{
	return n >= 16 && (get32(p) & 0xfffffff0u) == 0x184d2a50u &&
	       get32(p + 4) <= NOTE_MOST &&
	       (memcmp(p + 8, "evlogSEG", 8) == 0 || memcmp(p + 8, "evlogBLK", 8) == 0);
}

/* A note is the offset in the output where the frame stands, and the frame. */
static void note_begin(struct buf *notes, uint64_t offset)
{
	unsigned char p[8];

	put64(p, offset);
	buf_add(notes, p, sizeof p);
}

/* Begins the next member.  Returns EVLOG_END if there is none. */
static int member_next(struct decoder *d, evlog_error *err)
{
	struct stage *below = d->s.below;
	int r = stage_look(below, LOOK, false, err);

	if (r)
		return r;
	if (!below->len)
		return EVLOG_END;
	if (d->any &&
	    d->codec->begins((const unsigned char *)below->p, below->len) == 0) {
		r = padding_check(d, err);
		return r ? r : EVLOG_END;
	}
	if (d->s.notes && d->s.notes->len > NOTES_MOST)
		return fault(d, "damaged", "too many headers without a line", err);
	if (!d->codec->begin(&d->state))
		return error_memory(err);
	d->inside = d->any = true;
	d->noting = d->s.notes && is_note(below->p, below->len);
	if (d->noting)
		note_begin(d->s.notes, d->produced);
	return 0;
}

static int member_step(struct decoder *d, evlog_error *err)
{
	struct stage *s = &d->s, *below = s->below;
	struct flow f = {below->p, below->len, d->out, sizeof d->out};
	const char *why = NULL;

	enum step step = d->codec->step(d->state, &f, &why);
	bool idle = f.in_len == below->len && f.out_len == sizeof d->out;
	if (d->noting && s->notes)
		buf_add(s->notes, below->p, below->len - f.in_len);
	if (s->notes && s->notes->failed)
		return error_memory(err);
	d->produced += sizeof d->out - f.out_len;
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

/* Decompresses a little.  Returns EVLOG_END if there is nothing more. */
static int decoder_step(struct decoder *d, evlog_error *err)
{
	int r = d->inside ? 0 : member_next(d, err);

	if (!r && !d->pending)
		r = stage_fill(d->s.below, err);
	return r ? r : member_step(d, err);
}

static int decoder_read(struct stage *s, evlog_error *err)
{
	int r = 0;

	while (!r && !s->len)
		r = decoder_step((struct decoder *)s, err);
	return r == EVLOG_END ? 0 : r;
}

/* The bytes below may be the end of a member, which produces nothing, so this has to
 * decompress them. */
static bool decoder_ready(struct stage *s)
{
	struct decoder *d = (struct decoder *)s;
	evlog_error why;
	int r = 0;

	while (!r && !s->len && !d->pending && s->below->len >= (d->inside ? 1 : LOOK))
		r = decoder_step(d, &why);
	s->end = r == EVLOG_END;
	if (r < 0)
		s->late = why;
	return s->len || s->end || s->late.code || d->pending ||
	       (!s->below->len && stage_ready(s->below));
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
	    .notes = below->notes,
	    .read = decoder_read,
	    .ready = decoder_ready,
	    .close = decoder_close};
	*s = &d->s;
	return 0;
}
