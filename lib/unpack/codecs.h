/*
 * codecs.h - the compressions that evlog-unpack reads without libarchive.
 *
 * unpack/ is linked into evlog-unpack only, never into the library: it parses hostile
 * bytes with other projects' libraries, in a process of its own.  It uses the stages and
 * frames of input/; it must not know about logs or events.
 */
#ifndef UNPACK_CODECS_H
#define UNPACK_CODECS_H

/* Returns NULL if libarchive has to read this kind. */
const struct codec *codec_named(const char *name);

#endif
