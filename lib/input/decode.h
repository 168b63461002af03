/*
 * decode.h - compressed streams.
 *
 * Each is a sequence of members (gzip's word; frames of zstd and lz4, streams of xz and
 * bzip2), with zero bytes after the last.  Anything else after a member is an error, and
 * so is a checksum that does not fit: the bytes before it have been delivered.
 */
#ifndef INPUT_DECODE_H
#define INPUT_DECODE_H

#include "input/stage.h"

struct codec;

/* The codec of data that begins with these bytes; NULL: none.  *more, if not NULL: more
 * bytes are needed to tell.  pipe: only those whose first bytes cannot be text. */
const struct codec *codec_of(const char *p, size_t n, bool pipe, bool *more);

/* A stage that decompresses `below`. */
int decoder_new(
    struct stage **s, const struct codec *codec, struct stage *below, evlog_error *err);

#endif
