/* codec.h - the interface between decode.c and a compression library. */
#ifndef INPUT_CODEC_H
#define INPUT_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flow {
	const char *in;
	size_t in_len;
	char *out;
	size_t out_len;
};

enum step {
	STEP_MORE,     /* needs more input, or more room for output */
	STEP_END,      /* the member is complete */
	STEP_BAD,      /* damaged at this point */
	STEP_WRONG,    /* damaged at this point, or anywhere before it */
	STEP_NOMEMORY, /* out of memory */
};

struct codec {
	const char *name;
	bool pipe; /* cannot be mistaken for text: recognised in a pipe, too */

	/* Returns 1 if the data is of this kind, 0 if not, -1 if more bytes are
	 * needed. */
	int (*begins)(const unsigned char *p, size_t n);

	/* Begins a member: *state is NULL, or what is left of the last one.  Returns
	 * false if out of memory.  NULL: evlog-unpack decompresses this kind
	 * (input/helper.h). */
	bool (*begin)(void **state);

	/* Consumes or produces at least one byte, if possible.  Sets *why on damage, if
	 * the library gives a reason. */
	enum step (*step)(void *state, struct flow *f, const char **why);
	void (*end)(void *state);
};

/* zlib and libbz2 take 32-bit sizes. */
static inline unsigned int at_most(size_t n)
{
	return n < UINT32_MAX / 2 ? (unsigned int)n : UINT32_MAX / 2;
}

/* When a call fails, libzstd and liblz4 do not report what the same call has produced
 * before.  So feed them one block at a time: they ask for a block plus the header of the
 * next, and get the block first. */
struct blockwise {
	void *context;
	size_t hint; /* bytes that the library has asked for */
};

static inline size_t block_most(const struct blockwise *b, size_t next_header, size_t n)
{
	size_t most = b->hint > next_header ? b->hint - next_header : b->hint;

	return n < most ? n : most ? most : 1;
}

#endif
