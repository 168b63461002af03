/*
 * unpack.c - unpacks compressed files and archives.
 *
 * The content decides what a file is, not its name.  Stages are stacked: the file,
 * decoders if it is compressed, the helper if that is an archive, and decoders again if
 * its members are compressed.
 */
#include "base/error.h"
#include "input/codec.h"
#include "input/decode.h"
#include "input/helper.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define DEEPEST 8	   /* nested compressions */
#define HELD	(1u << 20) /* check this much of a member before delivering any of it */

/* ---- The file ---- */

struct file_stage {
	struct stage s;
	struct evlog_input *in;
	char chunk[INPUT_CHUNK];
};

static int file_read(struct stage *s, evlog_error *err)
{
	struct file_stage *f = (struct file_stage *)s;
	ssize_t r = input_read(f->in, f->chunk, sizeof f->chunk);

	if (r < 0)
		return error_sys(err, "%s", f->in->path);
	s->p = f->chunk;
	s->len = (size_t)r;
	return 0;
}

static void file_close(struct stage *s)
{
	free(s);
}

static int file_stage_new(struct evlog_input *in, evlog_error *err)
{
	struct file_stage *f = malloc(sizeof *f);

	if (!f)
		return error_memory(err);
	f->in = in;
	f->s = (struct stage){.name = in->path,
	    .read = file_read,
	    .close = file_close,
	    .notes = in->noting ? &in->notes : NULL};
	memcpy(f->chunk, in->head, in->head_len);
	f->s.p = f->chunk;
	f->s.len = in->head_len;
	in->head_len = 0;
	in->top = &f->s;
	return 0;
}

/* ---- Opening ---- */

/* Adds a decoder on top of in->top for each nested compression. */
static int decoders_add(struct evlog_input *in, evlog_error *err)
{
	for (int depth = 0;; depth++) {
		struct stage *s = in->top;
		/* of a pipe, enough has been read, and more may not come soon */
		bool known = depth == 0 && in->pollable && !in->archive;
		int r = stage_look(s, known ? 1 : INPUT_LOOK, true, err);
		if (r)
			return r;
		const struct codec *codec = codec_of(s->p, s->len, false, NULL);
		if (!codec)
			return 0;
		if (depth == DEEPEST)
			return error_set(err, EVLOG_EDATA,
			    "%s: compressed more than %d times", s->name, DEEPEST);
		struct stage *above;
		r = codec->begin ? decoder_new(&above, codec, s, err)
				 : helper_new(&above, in, codec->name, err);
		if (r)
			return r;
		/* only what is said of the lines themselves is noted */
		s->notes = NULL;
		in->notes.len = 0;
		in->top = above;
	}
}

/* Whether a member is the head or a catalogue of a log that was archived as a directory:
 * what describes its lines, and has none. */
static int is_description(struct stage *s, bool *yes, evlog_error *err)
{
	int r = stage_look(s, 8, false, err);

	*yes = !r && s->len >= 8 &&
	       (memcmp(s->p, "evlogHD", 7) == 0 || memcmp(s->p, "evlogCAT", 8) == 0);
	return r;
}

/* Goes to the next member that may have lines. */
static int member_next(struct evlog_input *in, const char **member, evlog_error *err)
{
	bool none = true;
	int r = 0;

	while (!r && none) {
		r = helper_next(in->archive, member, err);
		if (!r)
			r = is_description(in->archive, &none, err);
	}
	return r;
}

int unpack_next(struct evlog_input *in, evlog_error *err)
{
	const char *member;

	if (!in->archive) {
		in->done = true;
		return 0;
	}
	stage_close(in->top, in->archive);
	in->top = in->archive;
	int r = member_next(in, &member, err);
	if (r) {
		in->done = r == EVLOG_END;
		return in->done ? 0 : r;
	}
	in->eof = in->begun = false;
	in->line = 0;
	r = input_name(in, member, err);
	if (r || !member)
		return r;
	in->archive->name = in->name.p;
	return decoders_add(in, err);
}

int unpack_open(struct evlog_input *in, evlog_error *err)
{
	int r = file_stage_new(in, err);

	if (!r)
		r = decoders_add(in, err);
	if (r || input_is_plain(in->top->p, in->top->len))
		return r;
	r = helper_new(&in->archive, in, HELPER_ARCHIVE, err);
	if (r)
		return r;
	in->top = in->archive;
	return unpack_next(in, err);
}

int input_members(struct evlog_input *in, evlog_error *err)
{
	int r = file_stage_new(in, err);

	if (!r)
		r = helper_new(&in->archive, in, HELPER_ARCHIVE, err);
	if (!r)
		in->top = in->archive;
	return r;
}

/* Appends at least `enough` bytes to in->data, unless the end comes first. */
static int bytes_gather(struct evlog_input *in, size_t enough, evlog_error *err)
{
	struct stage *s = in->top;
	size_t start = in->data.len;
	int r;

	do {
		r = stage_fill(s, err);
		if (r)
			return r;
		in->eof = s->end;
		buf_add(&in->data, s->p, s->len);
		stage_take(s, s->len);
		if (in->data.failed)
			return error_memory(err);
	} while (!in->eof && in->data.len - start < enough);
	return 0;
}

int unpack_more(struct evlog_input *in, evlog_error *err)
{
	size_t start = in->data.len;
	bool hold = !in->begun && !in->pollable && !in->salvage;

	in->begun = true;
	int r = bytes_gather(in, hold ? HELD : 1, err);
	if (r && hold && stage_is_wrong(in->top))
		in->data.len = start;
	/* deliver these bytes first; the error is returned again by the next call */
	return r == EVLOG_EDATA && in->data.len > start ? 0 : r;
}

bool unpack_ready(struct evlog_input *in)
{
	return in->top && stage_ready(in->top);
}

void unpack_close(struct evlog_input *in)
{
	stage_close(in->top, NULL);
}
