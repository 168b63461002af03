/*
 * frames.h - what evlog-unpack and its caller say to each other.
 *
 * The helper is started as `evlog-unpack KIND own|fed`: KIND is `archive`, or the name of
 * a compression.  With `own`, its standard input is the file itself; with `fed`, a
 * channel. It answers with frames: a byte that says what it is, the length of the rest in
 * 4 bytes, little endian, and the rest.  FRAME_END is the last frame of all that was
 * sound: output that ends without it, or without FRAME_BAD and such, is not all there is.
 *
 * A helper that is fed asks for each piece: FRAME_WANT is answered with a length in 4
 * bytes and so many bytes; none means the end.  The helper takes all of a piece before it
 * writes again, so that the two never wait for each other.
 */
#ifndef INPUT_FRAMES_H
#define INPUT_FRAMES_H

#define FRAME_HEADER 5
#define FRAME_MOST   (128u << 10) /* bytes of the rest, and of a piece */

enum frame {
	FRAME_WANT = 'W',      /* input */
	FRAME_MEMBER = 'M',    /* the rest is a member's name; its data follows */
	FRAME_NO_MEMBER = 'R', /* it is no archive after all; data follows */
	FRAME_DATA = 'D',      /* of no bytes: the member ends */
	FRAME_END = '.',
	/* These are the last frame, too; the rest says what is wrong. */
	FRAME_BAD = 'E',       /* the data is */
	FRAME_WRONG = 'X',     /* so may be what was delivered of it */
	FRAME_FAILED = 'S',    /* a system call has failed */
	FRAME_NO_MEMORY = 'N', /* without a rest */
};

#endif
