/*
 * unpacked.c - replaces input/helper.c in test programs: it unpacks in the same process,
 * because they unpack many thousands of files, most of them damaged.
 */
#include "input/helper.h"
#include "input/codec.h"
#include "input/decode.h"
#include "unpack/archive.h"
#include "unpack/codecs.h"

#include <string.h>

int helper_new(
    struct stage **s, struct evlog_input *in, const char *kind, evlog_error *err)
{
	const struct codec *codec = codec_named(kind);
	bool own = !in->top->below && !in->pollable;

	if (strcmp(kind, HELPER_ARCHIVE) == 0)
		return archive_new(s, in->top, own ? in->fd : -1, err);
	return codec ? decoder_new(s, codec, in->top, err)
		     : archive_filter_new(s, in->top, err);
}

int helper_next(struct stage *s, const char **member, evlog_error *err)
{
	return archive_next(s, member, err);
}
