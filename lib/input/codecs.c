/*
 * codecs.c - the compressions of input: gzip and zstd are decompressed in this process,
 * the others by evlog-unpack.
 */
#include "input/codec.h"
#include "input/decode.h"
#include "input/magic.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

/* ---- gzip: RFC 1952 ---- */

static bool gzip_begin(void **state)
{
	z_stream *z = *state;

	if (z)
		return inflateReset(z) == Z_OK;
	z = calloc(1, sizeof *z);
	if (!z)
		return false;
	if (inflateInit2(z, 16 + MAX_WBITS) != Z_OK) { /* 16: gzip, with its checksum */
		free(z);
		return false;
	}
	*state = z;
	return true;
}

static enum step gzip_step(void *state, struct flow *f, const char **why)
{
	z_stream *z = state;

	z->next_in = (z_const Bytef *)f->in;
	z->avail_in = at_most(f->in_len);
	z->next_out = (Bytef *)f->out;
	z->avail_out = at_most(f->out_len);
	int r = inflate(z, Z_NO_FLUSH);
	f->in_len -= (size_t)((const char *)z->next_in - f->in);
	f->out_len -= (size_t)((char *)z->next_out - f->out);
	*why = z->msg;
	switch (r) {
	case Z_OK:
	case Z_BUF_ERROR: return STEP_MORE;
	case Z_STREAM_END: return STEP_END;
	case Z_MEM_ERROR: return STEP_NOMEMORY;
	default: break;
	}
	return z->msg && strstr(z->msg, " check") ? STEP_WRONG : STEP_BAD;
}

static void gzip_end(void *state)
{
	inflateEnd(state);
	free(state);
}

/* ---- zstd: RFC 8878 ---- */

static bool zstd_begin(void **state)
{
	struct blockwise *b = *state;

	if (!b && !(b = *state = calloc(1, sizeof *b)))
		return false;
	if (!b->context && !(b->context = ZSTD_createDCtx()))
		return false;
	b->hint = 0;
	return !ZSTD_isError(ZSTD_DCtx_reset(b->context, ZSTD_reset_session_only));
}

static enum step zstd_step(void *state, struct flow *f, const char **why)
{
	struct blockwise *b = state;
	ZSTD_inBuffer in = {f->in, block_most(b, 3, f->in_len), 0};
	ZSTD_outBuffer out = {f->out, f->out_len, 0};

	size_t r = ZSTD_decompressStream(b->context, &out, &in);
	f->in_len -= in.pos;
	f->out_len -= out.pos;
	if (ZSTD_isError(r)) {
		*why = ZSTD_getErrorName(r);
		switch (ZSTD_getErrorCode(r)) {
		case ZSTD_error_memory_allocation: return STEP_NOMEMORY;
		case ZSTD_error_checksum_wrong: return STEP_WRONG;
		default: return STEP_BAD;
		}
	}
	b->hint = r;
	return r ? STEP_MORE : STEP_END;
}

static void zstd_end(void *state)
{
	struct blockwise *b = state;

	ZSTD_freeDCtx(b->context);
	free(b);
}

/* ---- All kinds ---- */

static const struct codec codecs[] = {
    {"gzip", true, gzip_begins, gzip_begin, gzip_step, gzip_end},
    {"zstd", true, zstd_begins, zstd_begin, zstd_step, zstd_end},
    {.name = "xz", true, xz_begins},
    {.name = "lz4", true, lz4_begins},
    {.name = "bzip2", false, bzip2_begins},
    {.name = "lzma", false, lzma_begins},
    {.name = "lzip", false, lzip_begins},
    {.name = "compress", false, compress_begins},
};

const struct codec *codec_of(const char *p, size_t n, bool pipe, bool *more)
{
	if (more)
		*more = false;
	for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
		if (pipe && !codecs[i].pipe)
			continue;
		int r = codecs[i].begins((const unsigned char *)p, n);
		if (r > 0)
			return &codecs[i];
		if (r < 0 && more)
			*more = true;
	}
	return NULL;
}
