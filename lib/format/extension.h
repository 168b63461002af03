/* extension.h - the room in which the format grows: classes of flags, and extensions of
 * block and segment headers.  The rules are in evlog-format(5), "Room to grow". */
#ifndef FORMAT_EXTENSION_H
#define FORMAT_EXTENSION_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* What a program must do about a flag that it does not know, by the flag's position. */
#define FLAGS_INCOMPATIBLE 0x0000ffffu /* not read */
#define FLAGS_READ_ONLY	   0x00ff0000u /* read, but neither append to nor rewrite */
#define FLAGS_COMPATIBLE   0xff000000u /* ignore; drop it when rewriting */

/* The same for an extension of unknown type: one below EXTENSION_READ_ONLY is ignored. */
#define EXTENSION_READ_ONLY    0x4000u
#define EXTENSION_INCOMPATIBLE 0x8000u

enum extension_type {
	EXTENSION_CURSOR_1 = 2, /* as evlog 0.1 wrote them */
	EXTENSION_FILTER_1 = 3,
	EXTENSION_CURSOR = 4,
	EXTENSION_TILES = 5,
	EXTENSION_FILTER = 6,
	EXTENSION_SUMMARY = 7,
	EXTENSION_CURSORS_ALL = 8,
};

struct extension {
	uint16_t type;
	struct view bytes;
};

#define EXTENSION_HEADER 8 /* bytes before the content */

/* Takes the next extension from the front of *rest.  Returns false at the end, or if the
 * rest is not an extension; then rest->len is not 0. */
bool extension_next(struct view *rest, struct extension *x);

/* Begins an extension, whose content the caller appends to `out` before extension_end.
 * Returns where it begins. */
size_t extension_begin(struct buf *out, uint16_t type);
void extension_end(struct buf *out, size_t begun);

enum understood {
	UNDERSTOOD,	  /* all of it, or what is not may be ignored */
	UNDERSTOOD_READ,  /* enough to read it */
	UNDERSTOOD_NOT,	  /* written by a newer evlog; wins over what looks wrong */
	UNDERSTOOD_WRONG, /* the extensions do not fill their space */
};

/* How much of a structure with these flags and extensions this program understands, if it
 * knows the flags in `known`. */
enum understood understood(uint32_t flags, uint32_t known, struct view extensions);

#endif
