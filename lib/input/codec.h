/* codec.h - what decode.c must know of a compression. */
#ifndef INPUT_CODEC_H
#define INPUT_CODEC_H

#include <stdbool.h>
#include <stddef.h>

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
	const char *library; /* NULL: linked */
	bool (*load)(void);  /* false: the library cannot be loaded */
	bool pipe;	     /* its first bytes cannot be text */

	/* 1: data begins so; 0: it does not; -1: needs more bytes. */
	int (*begins)(const unsigned char *p, size_t n);

	/* Begins a member: *state is NULL, or that of the last one.  false: no memory. */
	bool (*begin)(void **state);

	/* Moves on by at least one byte if that is possible.  *why: what is wrong. */
	enum step (*step)(void *state, struct flow *f, const char **why);
	void (*end)(void *state);
};

/* NULL-terminated. */
extern const struct codec *const codecs[];

#endif
