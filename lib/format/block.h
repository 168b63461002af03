/* block.h - blocks: a header, then a zstd frame of whole lines.
 *
 * format/ encodes and decodes what is on disk, as specified in evlog-format(5): blocks,
 * segments, head, indexes, filters, the Merkle tree.  It must not know about policy or
 * locks. */
#ifndef FORMAT_BLOCK_H
#define FORMAT_BLOCK_H

#include "base/buf.h"
#include "base/hash.h"
#include "evlog.h"
#include "format/extension.h"

#define BLOCK_RAW	 (128u << 10) /* gather lines up to this size, */
#define BLOCK_RAW_DENSE	 (1u << 20)   /* or up to this if they compress well */
#define BLOCK_RAW_PLAIN	 (4u << 20)   /* limit; a very long line has a block of its own */
#define BLOCK_RAW_MAX	 (1u << 30)   /* a longer line gets a block of its own */
#define BLOCK_HEADER	 168	      /* without extensions */
#define BLOCK_HEADER_MAX (64u << 10)
#define BLOCK_MAGIC	 0x184d2a5bu /* of the skippable frame that holds the header */
#define BLOCK_TAG	 "evlogBLK"  /* its first 8 bytes */
#define FRAME_MAGIC	 0xfd2fb528u /* of the frame of lines (RFC 8878) */

#define ID_SIZE 16 /* of a segment */

enum block_flag {
	BLOCK_COMMIT = 1,   /* the last block of a commit */
	BLOCK_UNSYNCED = 2, /* written with --no-sync: may not be durable */
	BLOCK_LEAVES = 4,   /* may have lines that are only their leaves */
};
#define BLOCK_FLAGS_1 (BLOCK_COMMIT | BLOCK_UNSYNCED) /* those of version 1 */
#define BLOCK_FLAGS   (BLOCK_FLAGS_1 | BLOCK_LEAVES)

#define BLOCK_VERSION 2 /* what is written; 1 is that of evlog 0.1 */

/* A decoded block header. */
struct block {
	uint64_t offset;      /* of the header in the segment */
	uint32_t header_size; /* with extensions and checksum */
	uint32_t flags;
	bool read_only;		   /* has features that forbid appending and rewriting */
	unsigned char id[ID_SIZE]; /* of the segment it was written for, */
	uint64_t segment;	   /* and its first seq */
	uint64_t epoch;
	uint64_t first_seq;
	uint32_t count;
	uint32_t raw_size;
	uint32_t packed_size; /* of the zstd frame */
	uint32_t back;	      /* distance to the previous block or segment start */
	uint64_t packed_hash; /* XXH3 of the zstd frame */
	int64_t first_logtime, last_logtime;
	int64_t least_time, greatest_time; /* of the events' time */
	uint64_t synced_upto;		   /* bytes of the segment known durable */
	unsigned char root[HASH_SIZE];	   /* of the log after this block */
};

static inline uint64_t block_end(const struct block *b)
{
	return b->offset + b->header_size + b->packed_size;
}

static inline uint64_t block_last_seq(const struct block *b)
{
	return b->first_seq + b->count - 1;
}

/* How much to gather for the block after b, for which it was `now` (BLOCK_RAW at first).
 * Reading one event decompresses its block, so blocks are small; but lines that compress
 * well decompress fast, and shrink more in larger blocks. */
size_t block_gather(size_t now, const struct block *b);

/* Writes b->header_size bytes: BLOCK_HEADER plus the extensions. */
void block_header_write(
    unsigned char *out, const struct block *b, struct view extensions);

/* The extensions of block b, whose header is at p. */
static inline struct view block_extensions(const char *p, const struct block *b)
{
	return (struct view){p + BLOCK_HEADER - 8, b->header_size - BLOCK_HEADER};
}

/* The size of the header at p, from its first 8 bytes; 0 if there is no header at p. */
uint32_t block_header_size(const unsigned char *p);

/* Whether the n bytes at p begin with a plausible header.  Does not verify its
 * checksum. */
bool block_header_plausible(const unsigned char *p, size_t n);

/* Returned by block_header_read for an intact header with unknown version, flags or
 * extensions. */
extern const char block_newer[];

/* Decodes a whole header of n bytes.  Returns NULL, or what is wrong. */
const char *block_header_read(struct block *b, const unsigned char *p, size_t n);

/* Whether zstd has such a level; 0: the default. */
bool block_level_exists(int level);

/* Compresses and decompresses; reusable, but not by two threads at once.  level 0: the
 * default.  NULL: out of memory. */
struct block_codec;
struct block_codec *block_codec_new(int level);
void block_codec_free(struct block_codec *c);

/* Limits what is decompressed to a line of max_line bytes (0: EVLOG_MAX_LINE), or to
 * BLOCK_RAW_PLAIN if that is more: a few bytes can decompress to very many. */
void block_codec_limit(struct block_codec *c, uint64_t max_line);

/* Appends the compressed frame of raw[0..n) to out; *size is its length.  Returns 0 or
 * -1. */
int block_pack(
    struct block_codec *c, const char *raw, size_t n, struct buf *out, size_t *size);

/* Checks a frame against its header and decompresses it into out, replacing its content.
 * Returns NULL, or what is wrong; sets *failed if out of memory, which says nothing about
 * the block. */
const char *block_unpack(struct block_codec *c, const struct block *b, const char *packed,
    struct buf *out, bool *failed);

/* For salvage: the largest size that the frame at p can have, given its first n bytes; 0
 * if it is not a frame of lines. */
size_t block_frame_most(const struct block_codec *c, const char *p, size_t n);

/* For salvage: decompresses the frame at p into out if it is whole, has a checksum and
 * contains stamped lines.  Returns its compressed size, or 0; sets *failed if out of
 * memory. */
size_t block_unpack_bare(
    struct block_codec *c, const char *p, size_t n, struct buf *out, bool *failed);

#endif
