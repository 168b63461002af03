/*
 * codecs.c - decompresses xz, lzma, bzip2 and lz4.
 *
 * libarchive could read these too, but for most of them it silently drops any data after
 * the end, and it does not deliver what it had decompressed before damage.
 */
#include "unpack/codecs.h"
#include "input/codec.h"
#include "input/magic.h"

#include <bzlib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Some libraries report a checksum mismatch like any other damage.  A checksum is at the
 * end of the data, with only a few numbers after it, so an error close to the end of the
 * input is taken for a mismatch. */
static enum step bad_or_wrong(const struct flow *f)
{
	return f->in_len < 64 ? STEP_WRONG : STEP_BAD;
}

/* ---- xz, and lzma alone ---- */

#define LZMA_MEMORY (UINT64_C(1) << 30) /* limits damaged sizes; xz -9 takes 65 MiB */

static lzma_stream *lzma_state(void **state)
{
	static const lzma_stream fresh = LZMA_STREAM_INIT;
	lzma_stream *z = *state;

	if (!z && (z = *state = malloc(sizeof *z)))
		*z = fresh;
	return z;
}

static bool xz_begin(void **state)
{
	lzma_stream *z = lzma_state(state);

	return z && lzma_stream_decoder(z, LZMA_MEMORY, 0) == LZMA_OK;
}

static bool lzma_begin(void **state)
{
	lzma_stream *z = lzma_state(state);

	return z && lzma_alone_decoder(z, LZMA_MEMORY) == LZMA_OK;
}

static enum step lzma_step(void *state, struct flow *f, const char **why)
{
	lzma_stream *z = state;

	z->next_in = (const uint8_t *)f->in;
	z->avail_in = f->in_len;
	z->next_out = (uint8_t *)f->out;
	z->avail_out = f->out_len;
	lzma_ret r = lzma_code(z, LZMA_RUN);
	f->in_len = z->avail_in;
	f->out_len = z->avail_out;
	switch (r) {
	case LZMA_OK:
	case LZMA_BUF_ERROR: return STEP_MORE;
	case LZMA_STREAM_END: return STEP_END;
	case LZMA_MEM_ERROR: return STEP_NOMEMORY;
	case LZMA_MEMLIMIT_ERROR:
		*why = "more than 1 GiB of memory would be needed";
		break;
	case LZMA_OPTIONS_ERROR: *why = "unknown options"; break;
	default: break;
	}
	return bad_or_wrong(f);
}

static void lzma_stop(void *state)
{
	lzma_end(state);
	free(state);
}

/* ---- bzip2 ---- */

static bool bzip2_begin(void **state)
{
	bz_stream *z = *state;

	if (z)
		BZ2_bzDecompressEnd(z);
	else if (!(z = malloc(sizeof *z)))
		return false;
	*z = (bz_stream){0};
	*state = z;
	return BZ2_bzDecompressInit(z, 0, 0) == BZ_OK;
}

static enum step bzip2_step(void *state, struct flow *f, const char **why)
{
	bz_stream *z = state;

	z->next_in = (char *)(uintptr_t)f->in;
	z->avail_in = at_most(f->in_len);
	z->next_out = f->out;
	z->avail_out = at_most(f->out_len);
	int r = BZ2_bzDecompress(z);
	f->in_len -= (size_t)(z->next_in - f->in);
	f->out_len -= (size_t)(z->next_out - f->out);
	switch (r) {
	case BZ_OK: return STEP_MORE;
	case BZ_STREAM_END: return STEP_END;
	case BZ_MEM_ERROR: return STEP_NOMEMORY;
	default: (void)why; return bad_or_wrong(f);
	}
}

static void bzip2_end(void *state)
{
	BZ2_bzDecompressEnd(state);
	free(state);
}

/* ---- lz4 ---- */

static bool lz4_begin(void **state)
{
	struct blockwise *b = *state;
	LZ4F_dctx *context;

	if (!b && !(b = *state = calloc(1, sizeof *b)))
		return false;
	b->hint = 0;
	if (b->context) {
		LZ4F_resetDecompressionContext(b->context);
		return true;
	}
	if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
		return false;
	b->context = context;
	return true;
}

static enum step lz4_step(void *state, struct flow *f, const char **why)
{
	struct blockwise *b = state;
	size_t in = block_most(b, 4, f->in_len), out = f->out_len;

	size_t r = LZ4F_decompress(b->context, f->out, &out, f->in, &in, NULL);
	if (LZ4F_isError(r)) {
		*why = LZ4F_getErrorName(r);
		return strcmp(*why, "ERROR_allocation_failed") == 0 ? STEP_NOMEMORY
								    : bad_or_wrong(f);
	}
	f->in_len -= in;
	f->out_len -= out;
	b->hint = r;
	return r ? STEP_MORE : STEP_END;
}

static void lz4_end(void *state)
{
	struct blockwise *b = state;

	LZ4F_freeDecompressionContext(b->context);
	free(b);
}

static const struct codec codecs[] = {
    {"xz", true, xz_begins, xz_begin, lzma_step, lzma_stop},
    {"lz4", true, lz4_begins, lz4_begin, lz4_step, lz4_end},
    {"bzip2", false, bzip2_begins, bzip2_begin, bzip2_step, bzip2_end},
    {"lzma", false, lzma_begins, lzma_begin, lzma_step, lzma_stop},
};

const struct codec *codec_named(const char *name)
{
	for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++)
		if (strcmp(codecs[i].name, name) == 0)
			return &codecs[i];
	return NULL;
}
