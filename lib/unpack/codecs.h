/*
 * codecs.h - the compressions that the helper decompresses.
 *
 * unpack/ is the program evlog-unpack, and not part of the library: it reads hostile
 * bytes by other libraries, in a process of its own.  It knows stages and frames
 * (input/), and neither logs nor events.
 */
#ifndef UNPACK_CODECS_H
#define UNPACK_CODECS_H

/* NULL: it is none of its own. */
const struct codec *codec_named(const char *name);

#endif
