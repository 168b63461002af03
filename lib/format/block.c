/*
 * block.c - blocks: a skippable frame with the header, then a zstd frame of lines.  The
 * bytes are specified in evlog-format(5), "Block".
 */
#include "format/block.h"
#include "event/stamp.h"

#include <stdlib.h>
#define ZSTD_STATIC_LINKING_ONLY /* for ZSTD_d_forceIgnoreChecksum */
#include <zstd.h>

#define MIN_FRAME 9 /* bytes of the smallest zstd frame with a checksum */
#define DENSE	  12
#define LEVEL	  1 /* on lines full of identifiers, smaller than level 3, and faster */

_Static_assert(BLOCK_HEADER == 8 + 8 + 2 * 4 + ID_SIZE + 3 * 8 + 4 * 4 + 8 + 4 * 8 + 8 +
				   HASH_SIZE + 8,
    "evlog-format(5), Block");

const char block_newer[] = "unknown version, flags or extensions in a block header; "
			   "reading it needs a newer evlog";

size_t block_gather(size_t now, const struct block *b)
{
	if (b->raw_size < BLOCK_RAW / 2)
		return now; /* too small to tell */
	return b->raw_size / b->packed_size < DENSE ? BLOCK_RAW : BLOCK_RAW_DENSE;
}

void block_header_write(unsigned char *p, const struct block *b, struct view extensions)
{
	uint32_t end = b->header_size - 8;

	put32(p, BLOCK_MAGIC);
	put32(p + 4, end);
	memcpy(p + 8, BLOCK_TAG, 8);
	put32(p + 16, BLOCK_VERSION);
	put32(p + 20, b->flags);
	memcpy(p + 24, b->id, ID_SIZE);
	put64(p + 40, b->segment);
	put64(p + 48, b->epoch);
	put64(p + 56, b->first_seq);
	put32(p + 64, b->count);
	put32(p + 68, b->raw_size);
	put32(p + 72, b->packed_size);
	put32(p + 76, b->back);
	put64(p + 80, b->packed_hash);
	put64(p + 88, (uint64_t)b->first_logtime);
	put64(p + 96, (uint64_t)b->last_logtime);
	put64(p + 104, (uint64_t)b->least_time);
	put64(p + 112, (uint64_t)b->greatest_time);
	put64(p + 120, b->synced_upto);
	memcpy(p + 128, b->root, HASH_SIZE);
	if (extensions.len)
		memcpy(p + 160, extensions.p, extensions.len);
	put64(p + end, hash64(p, end));
}

uint32_t block_header_size(const unsigned char *p)
{
	uint32_t size = get32(p + 4);

	if (get32(p) != BLOCK_MAGIC || size < BLOCK_HEADER - 8 ||
	    size > BLOCK_HEADER_MAX - 8)
		return 0;
	return size + 8;
}

/* Whether the version, the flags and the extensions are known, as far as they must be. */
static enum understood header_understood(const unsigned char *p, size_t n)
{
	uint32_t version = get32(p + 16), flags = get32(p + 20);
	struct view extensions = {(const char *)p + BLOCK_HEADER - 8, n - BLOCK_HEADER};

	if (version < 1 || version > BLOCK_VERSION ||
	    (version == 1 && flags & ~(uint32_t)BLOCK_FLAGS_1))
		return UNDERSTOOD_NOT;
	return understood(flags, BLOCK_FLAGS, extensions);
}

static const char *header_values_check(const struct block *b)
{
	if (b->count == 0 || b->first_seq == 0 || b->first_seq > SEQ_MAX ||
	    b->count - 1 > SEQ_MAX - b->first_seq || b->epoch > SEQ_MAX ||
	    b->raw_size > BLOCK_RAW_MAX || b->raw_size / STAMP_SIZE < b->count ||
	    b->packed_size < MIN_FRAME ||
	    b->packed_size > ZSTD_compressBound(b->raw_size) || b->back == 0 ||
	    b->last_logtime < b->first_logtime)
		return "impossible values in a block header";
	return NULL;
}

/* Decodes the fields of a header without checking them. */
static void header_take(struct block *b, const unsigned char *p)
{
	b->flags = get32(p + 20);
	memcpy(b->id, p + 24, ID_SIZE);
	b->segment = get64(p + 40);
	b->epoch = get64(p + 48);
	b->first_seq = get64(p + 56);
	b->count = get32(p + 64);
	b->raw_size = get32(p + 68);
	b->packed_size = get32(p + 72);
	b->back = get32(p + 76);
	b->packed_hash = get64(p + 80);
	b->first_logtime = (int64_t)get64(p + 88);
	b->last_logtime = (int64_t)get64(p + 96);
	b->least_time = (int64_t)get64(p + 104);
	b->greatest_time = (int64_t)get64(p + 112);
	b->synced_upto = get64(p + 120);
	memcpy(b->root, p + 128, HASH_SIZE);
}

bool block_header_plausible(const unsigned char *p, size_t n)
{
	struct block b;

	if (n < BLOCK_HEADER)
		return false;
	uint32_t size = block_header_size(p);
	if (!size || size > n)
		return false;
	enum understood u = header_understood(p, size);
	if (u == UNDERSTOOD_NOT)
		return true; /* may be of a newer version */
	header_take(&b, p);
	return u != UNDERSTOOD_WRONG && !header_values_check(&b);
}

const char *block_header_read(struct block *b, const unsigned char *p, size_t n)
{
	if (n < BLOCK_HEADER || block_header_size(p) != n ||
	    memcmp(p + 8, BLOCK_TAG, 8) != 0)
		return "a block header is missing";
	if (get64(p + n - 8) != hash64(p, n - 8))
		return "the checksum of a block header does not match";
	enum understood u = header_understood(p, n);
	if (u == UNDERSTOOD_NOT)
		return block_newer;
	b->header_size = (uint32_t)n;
	b->read_only = u == UNDERSTOOD_READ;
	header_take(b, p);
	return u == UNDERSTOOD_WRONG ? "impossible extensions in a block header"
				     : header_values_check(b);
}

/* ---- Frames ---- */

struct block_codec {
	ZSTD_CCtx *pack; /* created on first use, like unpack */
	ZSTD_DCtx *unpack;
	int level;
	size_t most; /* limit on the bytes decompressed */
};

bool block_level_exists(int level)
{
	return level >= ZSTD_minCLevel() && level <= ZSTD_maxCLevel();
}

struct block_codec *block_codec_new(int level)
{
	struct block_codec *c = calloc(1, sizeof *c);

	if (c) {
		c->level = level;
		c->most = BLOCK_RAW_MAX;
	}
	return c;
}

void block_codec_limit(struct block_codec *c, uint64_t max_line)
{
	if (!max_line)
		max_line = EVLOG_MAX_LINE;
	c->most = max_line < BLOCK_RAW_PLAIN ? BLOCK_RAW_PLAIN
		  : max_line < BLOCK_RAW_MAX ? (size_t)max_line + 1
					     : BLOCK_RAW_MAX;
}

void block_codec_free(struct block_codec *c)
{
	if (!c)
		return;
	ZSTD_freeCCtx(c->pack);
	ZSTD_freeDCtx(c->unpack);
	free(c);
}

static bool set(struct block_codec *c, ZSTD_cParameter what, int value)
{
	return !ZSTD_isError(ZSTD_CCtx_setParameter(c->pack, what, value));
}

/* By default, parameters that were measured on lines like these: most of what repeats is
 * longer than 7 bytes, and a small table stays in the cache.  n: bytes to compress. */
static bool pack_ready(struct block_codec *c, size_t n)
{
	if (!c->pack) {
		c->pack = ZSTD_createCCtx();
		if (!c->pack ||
		    !set(c, ZSTD_c_compressionLevel, c->level ? c->level : LEVEL) ||
		    !set(c, ZSTD_c_checksumFlag, 1) ||
		    (!c->level && !set(c, ZSTD_c_minMatch, 7)))
			return false;
	}
	return c->level || set(c, ZSTD_c_hashLog, n > BLOCK_RAW ? 13 : 12);
}

int block_pack(
    struct block_codec *c, const char *raw, size_t n, struct buf *out, size_t *size)
{
	size_t bound = ZSTD_compressBound(n);

	if (!pack_ready(c, n) || !buf_reserve(out, bound))
		return -1;
	size_t r = ZSTD_compress2(c->pack, out->p + out->len, bound, raw, n);
	if (ZSTD_isError(r))
		return -1;
	out->len += r;
	*size = r;
	return 0;
}

/* hashed: the packed bytes are known to be those that were written, so that the frame's
 * own checksum, of all that comes out, is left out.  Where zstd cannot do that, it is
 * not.
 */
static bool unpack_ready(struct block_codec *c, bool hashed)
{
	if (!c->unpack)
		c->unpack = ZSTD_createDCtx();
	if (c->unpack)
		(void)ZSTD_DCtx_setParameter(c->unpack, ZSTD_d_forceIgnoreChecksum,
		    hashed ? ZSTD_d_ignoreChecksum : ZSTD_d_validateChecksum);
	return c->unpack != NULL;
}

/* Whether these are `count` lines whose stamps have consecutive seqs from `seq`. */
static bool stamps_follow(const char *p, size_t n, uint64_t seq, uint32_t count)
{
	char stamp[STAMP_SIZE];
	const char *end = p + n;

	stamp_copy(stamp, stamp_blank, seq);
	for (; p < end && count; count--, stamp_next(stamp)) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl || nl - p < STAMP_SIZE || memcmp(p, stamp, STAMP_SEQ) != 0)
			return false;
		p = nl + 1;
	}
	return p == end && count == 0;
}

const char *block_unpack(struct block_codec *c, const struct block *b, const char *packed,
    struct buf *out, bool *failed)
{
	*failed = false;
	if (hash64(packed, b->packed_size) != b->packed_hash)
		return "the checksum of a block does not match";
	if (get32(packed) != FRAME_MAGIC) /* zstd would also accept its pre-0.8 formats */
		return "a zstd frame is missing";
	if (b->raw_size > c->most)
		return "a block is larger than --max-line allows";
	if (ZSTD_getFrameContentSize(packed, b->packed_size) != b->raw_size ||
	    ZSTD_findFrameCompressedSize(packed, b->packed_size) != b->packed_size)
		return "the sizes of a block do not match its header";
	out->len = 0;
	if (!unpack_ready(c, true) || !buf_reserve(out, b->raw_size)) {
		*failed = true;
		return "out of memory";
	}
	size_t r =
	    ZSTD_decompressDCtx(c->unpack, out->p, b->raw_size, packed, b->packed_size);
	if (ZSTD_isError(r))
		return ZSTD_getErrorName(r);
	out->len = r;
	if (r != b->raw_size || !stamps_follow(out->p, r, b->first_seq, b->count))
		return "the lines of a block do not match its header";
	return NULL;
}

/* Whether these are stamped lines with ascending seqs. */
static bool stamps_ascend(const char *p, size_t n)
{
	uint64_t seq, before = 0;
	const char *end = p + n;
	int64_t t;

	for (; p < end; before = seq) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl || !stamp_read(p, (size_t)(nl - p), &seq, &t) || seq <= before)
			return false;
		p = nl + 1;
	}
	return true;
}

size_t block_frame_most(const struct block_codec *c, const char *p, size_t n)
{
	if (n < MIN_FRAME || get32(p) != FRAME_MAGIC ||
	    !(p[4] & 4)) /* 4: has a checksum */
		return 0;
	unsigned long long raw = ZSTD_getFrameContentSize(p, n);
	if (raw > c->most || raw <= STAMP_SIZE)
		return 0;
	return ZSTD_compressBound((size_t)raw);
}

size_t block_unpack_bare(
    struct block_codec *c, const char *p, size_t n, struct buf *out, bool *failed)
{
	*failed = false;
	if (!block_frame_most(c, p, n))
		return 0;
	size_t raw = (size_t)ZSTD_getFrameContentSize(p, n);
	size_t size = ZSTD_findFrameCompressedSize(p, n);
	if (ZSTD_isError(size) || size > ZSTD_compressBound(raw))
		return 0;
	out->len = 0;
	if (!unpack_ready(c, false) || !buf_reserve(out, raw)) {
		*failed = true;
		return 0;
	}
	size_t r = ZSTD_decompressDCtx(c->unpack, out->p, raw, p, size);
	if (ZSTD_isError(r) || r != raw || !stamps_ascend(out->p, r))
		return 0;
	out->len = r;
	return size;
}
