/* codec.h - what decode.c must know of a compression. */
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
	STEP_MORE,     /* needs input, or room */
	STEP_END,      /* of the member */
	STEP_BAD,      /* the data is damaged here */
	STEP_WRONG,    /* the data is damaged here, or anywhere before */
	STEP_NOMEMORY, /* there is no memory */
};

struct codec {
	const char *name;
	bool pipe; /* its first bytes cannot be text */

	/* 1: data begins so; 0: it does not; -1: needs more bytes. */
	int (*begins)(const unsigned char *p, size_t n);

	/* Begins a member: *state is NULL, or that of the last one.  false: no memory.
	 * NULL: the helper decompresses it (input/helper.h). */
	bool (*begin)(void **state);

	/* Moves on by at least one byte if that is possible.  *why: what is wrong. */
	enum step (*step)(void *state, struct flow *f, const char **why);
	void (*end)(void *state);
};

/* zlib and libbz2 count with 32 bits. */
static inline unsigned int at_most(size_t n)
{
	return n < UINT32_MAX / 2 ? (unsigned int)n : UINT32_MAX / 2;
}

/* On an error, libzstd and liblz4 do not say what they had made in the same call.  So
 * they are given one block at a time: they ask for a block and the header of the next,
 * and get the block first. */
struct blockwise {
	void *context;
	size_t hint; /* bytes that are asked for */
};

static inline size_t block_most(const struct blockwise *b, size_t next_header, size_t n)
{
	size_t most = b->hint > next_header ? b->hint - next_header : b->hint;

	return n < most ? n : most ? most : 1;
}

#endif
