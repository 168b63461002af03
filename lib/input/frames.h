/*
 * frames.h - the protocol between evlog-unpack and the process that starts it.
 *
 * The helper is started as `evlog-unpack VERSION KIND own|fed`; KIND is `archive` or the
 * name of a compression.  With `own`, its standard input is the file itself; with `fed`,
 * a channel.  It writes frames to its standard output: a type byte, the length of the
 * body in 4 bytes, little-endian, and the body.  The last frame is FRAME_END if
 * everything was sound, or one that says what is wrong.  Output that ends without either
 * is incomplete.
 *
 * A helper that is fed asks for each piece of input with FRAME_WANT.  The answer is a
 * length in 4 bytes and that many bytes; length 0 means the end.  The helper reads the
 * whole piece before it writes again, so the two never wait for each other.
 *
 * With the KIND `pack`, it makes a tar file (pax) of its input: for each member its size
 * and the time of its last change in microseconds, 8 bytes each, the length of its name,
 * 4 bytes, all little-endian, its name, and its bytes.  A member without a name is the
 * end.
 */
#ifndef INPUT_FRAMES_H
#define INPUT_FRAMES_H

/* A helper of another version refuses to work. */
#define FRAMES_VERSION "1"

#define PACKED_FIXED 20 /* bytes before the name of a member to pack */
#define FRAME_HEADER 5
#define FRAME_MOST   (128u << 10) /* limit for a body, and for a piece of input */

enum frame {
	FRAME_WANT = 'W',      /* asks for input */
	FRAME_MEMBER = 'M',    /* a member: the body is its name; its data follows */
	FRAME_NO_MEMBER = 'R', /* not an archive after all: its data follows */
	FRAME_DATA = 'D',      /* data; without a body: end of the member */
	FRAME_END = '.',
	/* Each of these is the last frame, too; the body says what is wrong. */
	FRAME_BAD = 'E',       /* the data is damaged */
	FRAME_WRONG = 'X',     /* the same, and what was delivered may be wrong */
	FRAME_FAILED = 'S',    /* a system call failed */
	FRAME_NO_MEMORY = 'N', /* out of memory; no body */
};

#endif
