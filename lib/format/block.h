/* block.h - a block: its header, and a zstd frame of whole lines. */
#ifndef FORMAT_BLOCK_H
#define FORMAT_BLOCK_H

#include "base/buf.h"
#include "base/hash.h"
#include "evlog.h"

#define BLOCK_RAW	 (128u << 10) /* lines are gathered up to this size, */
#define BLOCK_RAW_DENSE	 (1u << 20)   /* or to this, where they are dense */
#define BLOCK_RAW_PLAIN	 (4u << 20)   /* up to this, a block is never too large to read */
#define BLOCK_RAW_MAX	 (1u << 30)   /* a single longer line is a block alone */
#define BLOCK_HEADER	 168	      /* without extensions */
#define BLOCK_HEADER_MAX (64u << 10)
#define BLOCK_MAGIC	 0x184d2a5bu /* of the skippable frame that a header is */
#define BLOCK_TAG	 "evlogBLK"  /* 8 bytes in it */
#define FRAME_MAGIC	 0xfd2fb528u /* of the lines' frame (RFC 8878) */

#define LOG_ID_SIZE 16

enum block_flag {
	BLOCK_COMMIT = 1,   /* the last block of a commit */
	BLOCK_UNSYNCED = 2, /* written with --no-sync: attests nothing */
};
#define BLOCK_FLAGS (BLOCK_COMMIT | BLOCK_UNSYNCED)

/* A block header, and where it stands. */
struct block {
	uint64_t offset;      /* of the header in the segment */
	uint32_t header_size; /* with extensions and checksum */
	uint32_t flags;
	unsigned char log_id[LOG_ID_SIZE];
	uint64_t segment; /* first seq of the segment it was written for */
	uint64_t epoch;
	uint64_t first_seq;
	uint32_t count;
	uint32_t raw_size;
	uint32_t packed_size; /* of the zstd frame */
	uint32_t back;	      /* bytes from what stands before to this header */
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

/* How much to gather for a block, BLOCK_RAW at first, behind one for which it was `now`.
 * Who wants one event has to decompress its block: that is to be quick.  But what shrinks
 * very much is decompressed fast, and shrinks more in larger blocks. */
size_t block_gather(size_t now, const struct block *b);

/* Writes the header, b->header_size bytes: BLOCK_HEADER and those of the extensions. */
void block_header_write(
    unsigned char *out, const struct block *b, struct view extensions);

/* Size of the header that begins at p, from its first 8 bytes; 0: none begins here. */
uint32_t block_header_size(const unsigned char *p);

/* Whether a header may begin at p, of which n bytes are there, by all but its checksum.
 */
bool block_header_plausible(const unsigned char *p, size_t n);

/* What block_header_read returns for a header that is whole, but of a version or with
 * flags that are unknown: neither damaged nor torn. */
extern const char block_newer[];

/* Reads a whole header of n bytes.  NULL, or what is wrong with it. */
const char *block_header_read(struct block *b, const unsigned char *p, size_t n);

/* Compresses and decompresses; reusable. */
struct block_codec;
struct block_codec *block_codec_new(int level);
void block_codec_free(struct block_codec *c);

/* Makes it refuse to decompress more than a line of so many bytes (0: EVLOG_MAX_LINE), or
 * BLOCK_RAW_PLAIN: of a few bytes zstd makes very many. */
void block_codec_limit(struct block_codec *c, uint64_t max_line);

/* Appends the frame of raw[0..n) to out; *size is what it took.  0 or -1. */
int block_pack(
    struct block_codec *c, const char *raw, size_t n, struct buf *out, size_t *size);

/* Checks the frame against its header and decompresses it into out (emptied first).
 * NULL, or what is wrong; *failed: no memory, so that nothing is known. */
const char *block_unpack(struct block_codec *c, const struct block *b, const char *packed,
    struct buf *out, bool *failed);

/* For salvage: how large the frame that begins at p, of which n bytes are there, can be;
 * 0: it is none of lines. */
size_t block_frame_most(const struct block_codec *c, const char *p, size_t n);

/* For salvage: the size of a whole, checksummed frame of lines at p, decompressed into
 * out; 0 if there is none, or (*failed) no memory. */
size_t block_unpack_bare(
    struct block_codec *c, const char *p, size_t n, struct buf *out, bool *failed);

#endif
