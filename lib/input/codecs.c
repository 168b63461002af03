/*
 * codecs.c - the compressions that are read by their own libraries.
 *
 * libarchive reads all of them too, but it does not check gzip's checksum, drops what
 * follows the end of most, and does not deliver what it has decompressed before damage.
 * zlib and libzstd are linked; the others are loaded when a file needs them.
 */
#include "base/library.h"
#include "input/codec.h"

#include <bzlib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

static int begins_with(const unsigned char *p, size_t n, const char *magic, size_t len)
{
	size_t m = n < len ? n : len;

	return memcmp(p, magic, m) ? 0 : m == len ? 1 : -1;
}

static unsigned int at_most(size_t n)
{
	return n < UINT32_MAX / 2 ? (unsigned int)n : UINT32_MAX / 2;
}

/* ---- gzip: RFC 1952 ---- */

static int gzip_begins(const unsigned char *p, size_t n)
{
	return begins_with(p, n, "\x1f\x8b", 2);
}

static bool gzip_begin(void **state)
{
	z_stream *z = *state;

	if (z)
		return inflateReset(z) == Z_OK;
	z = calloc(1, sizeof *z);
	if (!z)
		return false;
	if (inflateInit2(z, 16 + MAX_WBITS) != Z_OK) { /* 16: gzip, and its checks */
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

/* On an error, libzstd and liblz4 do not say what they had made in the same call.  So
 * they are given one block at a time: they ask for a block and the header of the next,
 * and get the block first. */
struct blockwise {
	void *context;
	size_t hint; /* bytes that are asked for */
};

static size_t block_most(const struct blockwise *b, size_t next_header, size_t n)
{
	size_t most = b->hint > next_header ? b->hint - next_header : b->hint;

	return n < most ? n : most ? most : 1;
}

/* zstd and lz4 have the same skippable frames; an evlog segment begins with one. */
static int skippable_begins(const unsigned char *p, size_t n)
{
	if (n && (p[0] & 0xf0) != 0x50)
		return 0;
	return n < 2 ? -1 : begins_with(p + 1, n - 1, "\x2a\x4d\x18", 3);
}

static int zstd_begins(const unsigned char *p, size_t n)
{
	int r = begins_with(p, n, "\x28\xb5\x2f\xfd", 4);

	return r ? r : skippable_begins(p, n);
}

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

/* ---- Libraries that are loaded ---- */

#define LZMA(X)                                                                          \
	X(lzma_stream_decoder)                                                           \
	X(lzma_alone_decoder)                                                            \
	X(lzma_code)                                                                     \
	X(lzma_end)
#define BZIP2(X)                                                                         \
	X(BZ2_bzDecompressInit)                                                          \
	X(BZ2_bzDecompress)                                                              \
	X(BZ2_bzDecompressEnd)
#define LZ4(X)                                                                           \
	X(LZ4F_createDecompressionContext)                                               \
	X(LZ4F_freeDecompressionContext)                                                 \
	X(LZ4F_resetDecompressionContext)                                                \
	X(LZ4F_decompress)                                                               \
	X(LZ4F_isError)                                                                  \
	X(LZ4F_getErrorName)

#define POINTER(name) __typeof__(name) *name;
#define NAME(name)    #name,
#define LIBRARY(lib, SYMBOLS, soname)                                                    \
	static struct {                                                                  \
		SYMBOLS(POINTER)                                                         \
	} lib;                                                                           \
	static bool lib##_loaded;                                                        \
	static void lib##_open(void)                                                     \
	{                                                                                \
		static const char *const symbols[] = {SYMBOLS(NAME)};                    \
		lib##_loaded = library_load(                                             \
		    soname, symbols, sizeof symbols / sizeof *symbols, &lib);            \
	}                                                                                \
	static bool lib##_load(void)                                                     \
	{                                                                                \
		static pthread_once_t once = PTHREAD_ONCE_INIT;                          \
		pthread_once(&once, lib##_open);                                         \
		return lib##_loaded;                                                     \
	}

LIBRARY(lzma, LZMA, "liblzma.so.5")
LIBRARY(bzip2, BZIP2, "libbz2.so.1")
LIBRARY(lz4, LZ4, "liblz4.so.1")

/* Some libraries do not tell a checksum that does not fit from other damage.  It stands
 * at the end of the data, with no more than a few numbers after it. */
static enum step bad_or_wrong(const struct flow *f)
{
	return f->in_len < 64 ? STEP_WRONG : STEP_BAD;
}

/* ---- xz, and lzma alone ---- */

#define LZMA_MEMORY (UINT64_C(1) << 30) /* xz -9 takes 65 MiB; a damaged size more */

static int xz_begins(const unsigned char *p, size_t n)
{
	return begins_with(p, n,
	    "\xfd"
	    "7zXZ",
	    6);
}

/* No magic: as liblzma and file(1), by settings and sizes that are likely. */
static int lzma_begins(const unsigned char *p, size_t n)
{
	static const unsigned char unknown[] = {255, 255, 255, 255, 255, 255, 255, 255};

	if (n < 13)
		return n && p[0] != 0x5d ? 0 : -1;
	uint32_t dictionary = (uint32_t)p[1] | (uint32_t)p[2] << 8 |
			      (uint32_t)p[3] << 16 | (uint32_t)p[4] << 24;
	return p[0] == 0x5d && dictionary >= 4096 && !(dictionary & 0xfff) &&
	       (memcmp(p + 5, unknown, 8) == 0 || !(p[10] | p[11] | p[12]));
}

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

	return z && lzma.lzma_stream_decoder(z, LZMA_MEMORY, 0) == LZMA_OK;
}

static bool lzma_begin(void **state)
{
	lzma_stream *z = lzma_state(state);

	return z && lzma.lzma_alone_decoder(z, LZMA_MEMORY) == LZMA_OK;
}

static enum step lzma_step(void *state, struct flow *f, const char **why)
{
	lzma_stream *z = state;

	z->next_in = (const uint8_t *)f->in;
	z->avail_in = f->in_len;
	z->next_out = (uint8_t *)f->out;
	z->avail_out = f->out_len;
	lzma_ret r = lzma.lzma_code(z, LZMA_RUN);
	f->in_len = z->avail_in;
	f->out_len = z->avail_out;
	switch (r) {
	case LZMA_OK:
	case LZMA_BUF_ERROR: return STEP_MORE;
	case LZMA_STREAM_END: return STEP_END;
	case LZMA_MEM_ERROR: return STEP_NOMEMORY;
	case LZMA_MEMLIMIT_ERROR: *why = "it needs more than 1 GiB of memory"; break;
	case LZMA_OPTIONS_ERROR: *why = "unknown options"; break;
	default: break;
	}
	return bad_or_wrong(f);
}

static void lzma_stop(void *state)
{
	lzma.lzma_end(state);
	free(state);
}

/* ---- bzip2 ---- */

/* More than its magic, which is text: a first block, or the end of no block. */
static int bzip2_begins(const unsigned char *p, size_t n)
{
	int level = begins_with(p, n, "BZh", 3);

	if (level <= 0)
		return level;
	if (n < 10)
		return n > 3 && (p[3] < '1' || p[3] > '9') ? 0 : -1;
	return p[3] >= '1' && p[3] <= '9' &&
	       (memcmp(p + 4, "1AY&SY", 6) == 0 ||
		   memcmp(p + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0);
}

static bool bzip2_begin(void **state)
{
	bz_stream *z = *state;

	if (z)
		bzip2.BZ2_bzDecompressEnd(z);
	else if (!(z = malloc(sizeof *z)))
		return false;
	*z = (bz_stream){0};
	*state = z;
	return bzip2.BZ2_bzDecompressInit(z, 0, 0) == BZ_OK;
}

static enum step bzip2_step(void *state, struct flow *f, const char **why)
{
	bz_stream *z = state;

	z->next_in = (char *)(uintptr_t)f->in;
	z->avail_in = at_most(f->in_len);
	z->next_out = f->out;
	z->avail_out = at_most(f->out_len);
	int r = bzip2.BZ2_bzDecompress(z);
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
	bzip2.BZ2_bzDecompressEnd(state);
	free(state);
}

/* ---- lz4 ---- */

static int lz4_begins(const unsigned char *p, size_t n)
{
	int r = begins_with(p, n, "\x04\x22\x4d\x18", 4);

	return r ? r : skippable_begins(p, n);
}

static bool lz4_begin(void **state)
{
	struct blockwise *b = *state;
	LZ4F_dctx *context;

	if (!b && !(b = *state = calloc(1, sizeof *b)))
		return false;
	b->hint = 0;
	if (b->context) {
		lz4.LZ4F_resetDecompressionContext(b->context);
		return true;
	}
	if (lz4.LZ4F_isError(lz4.LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
		return false;
	b->context = context;
	return true;
}

static enum step lz4_step(void *state, struct flow *f, const char **why)
{
	struct blockwise *b = state;
	size_t in = block_most(b, 4, f->in_len), out = f->out_len;

	size_t r = lz4.LZ4F_decompress(b->context, f->out, &out, f->in, &in, NULL);
	if (lz4.LZ4F_isError(r)) {
		*why = lz4.LZ4F_getErrorName(r);
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

	lz4.LZ4F_freeDecompressionContext(b->context);
	free(b);
}

static const struct codec gzip_codec = {
    "gzip", NULL, NULL, true, gzip_begins, gzip_begin, gzip_step, gzip_end};
static const struct codec zstd_codec = {
    "zstd", NULL, NULL, true, zstd_begins, zstd_begin, zstd_step, zstd_end};
static const struct codec xz_codec = {
    "xz", "liblzma", lzma_load, true, xz_begins, xz_begin, lzma_step, lzma_stop};
static const struct codec lz4_codec = {
    "lz4", "liblz4", lz4_load, true, lz4_begins, lz4_begin, lz4_step, lz4_end};
static const struct codec bzip2_codec = {"bzip2", "libbz2", bzip2_load, false,
    bzip2_begins, bzip2_begin, bzip2_step, bzip2_end};
static const struct codec lzma_codec = {
    "lzma", "liblzma", lzma_load, false, lzma_begins, lzma_begin, lzma_step, lzma_stop};

const struct codec *const codecs[] = {
    &gzip_codec, &zstd_codec, &xz_codec, &lz4_codec, &bzip2_codec, &lzma_codec, NULL};
