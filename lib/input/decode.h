/*
 * decode.h - compressed streams.
 *
 * A stream consists of members (gzip's word; zstd and lz4 call them frames, xz and bzip2
 * streams), and may end with zero bytes.  Any other data after a member is an error.  So
 * is a checksum that does not match, but by then the bytes before it have been delivered.
 */
#ifndef INPUT_DECODE_H
#define INPUT_DECODE_H

#include "input/stage.h"

struct codec;

/* Returns the codec of data that begins with these bytes, or NULL.  Sets *more, unless it
 * is NULL, if more bytes are needed to decide.  pipe: consider only codecs whose first
 * bytes cannot be text. */
const struct codec *codec_of(const char *p, size_t n, bool pipe, bool *more);

/* Creates a stage that decompresses `below`, which it does not own.  NULL after a
 * failure. */
int decoder_new(
    struct stage **s, const struct codec *codec, struct stage *below, evlog_error *err);

#endif
