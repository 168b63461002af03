/* segment.h - a segment file: its header, and walking its blocks. */
#ifndef FORMAT_SEGMENT_H
#define FORMAT_SEGMENT_H

#include "format/head.h"

#define SEGMENT_NAME_SIZE 28 /* 0000000000000001.ndjson.zst and a NUL */
#define SEGMENT_NONE	  UINT64_MAX

/* A part of a log (evcat -o zst): seqs may have gaps; never in a log directory. */
#define SEGMENT_EXTRACT 1u

/* Written again when it was full: it knows its own end, and has an index behind it. */
#define SEGMENT_SEALED 2u

/* What a sealed segment's header says of its end. */
struct seal {
	uint64_t end;	/* behind its last block */
	uint64_t block; /* offset of its last block */
	uint64_t last_seq;
	unsigned char root[HASH_SIZE]; /* after last_seq */
};

/* A segment header.  It attests its predecessor whole. */
struct segment_header {
	uint32_t size, flags;
	unsigned char log_id[LOG_ID_SIZE];
	uint64_t first_seq;
	uint64_t epoch;
	int64_t last_logtime;	 /* before the first event */
	uint64_t previous;	 /* first seq of the predecessor, or SEGMENT_NONE */
	uint64_t previous_size;	 /* where its committed bytes end */
	uint64_t previous_block; /* offset of its last block; 0: it has none */
	unsigned char root[HASH_SIZE];
	struct merkle tree; /* before the first event: tree.n + 1 == first_seq */
	struct seal seal;   /* with SEGMENT_SEALED */
};

#define SEGMENT_SEAL	   56 /* bytes of a header, when it is sealed */
#define SEGMENT_HEADER_MAX (SEGMENT_HEADER_MIN + MERKLE_MAX * HASH_SIZE + SEGMENT_SEAL)

void segment_name(char out[SEGMENT_NAME_SIZE], uint64_t first_seq);

/* The first seq that a file's name says; 0 if it is not a segment's name. */
uint64_t segment_name_read(const char *name);

/* Its size, by flags and tree.n. */
uint32_t segment_header_size(const struct segment_header *h);
void segment_header_encode(struct buf *out, struct segment_header *h);

/* NULL, or what is wrong; h->size is then its size. */
const char *segment_header_decode(
    struct segment_header *h, const unsigned char *p, size_t n);

/* An open segment and a window on its bytes. */
struct segment {
	int fd;
	uint64_t first_seq;
	char *path; /* for messages */
	struct segment_header header;
	struct buf window;
	uint64_t window_at;
};

/* Opens a segment of the log in dir_fd and reads its header.  EVLOG_EDAMAGED: the header
 * is not whole, or not of the log with this id (NULL: of any); the segment is open all
 * the same, and header.size is 0. */
int segment_open(struct segment *s, int dir_fd, const char *dir, uint64_t first_seq,
    const unsigned char *log_id, bool writable, evlog_error *err);
void segment_close(struct segment *s);

static inline bool segment_is_sealed(const struct segment *s)
{
	return s->header.size && (s->header.flags & SEGMENT_SEALED);
}

/* Where the committed bytes of a segment that has a successor end, and its last block:
 * it says so itself, or the successor does. */
void segment_extent(const struct segment *s, const struct segment_header *successor,
    uint64_t *end, uint64_t *last_block);

/* A view of n bytes at offset, which live until the next call; *p is NULL if the file
 * ends before.  `ahead`: how much more is likely to be wanted. */
int segment_bytes(struct segment *s, uint64_t offset, size_t n, size_t ahead,
    const char **p, evlog_error *err);

/* The first offset from this one on, up to limit, at which the file may have bytes and no
 * hole: a file may be very long and have none. */
uint64_t segment_data(const struct segment *s, uint64_t offset, uint64_t limit);

/* Reads the block header at `offset`, not reaching beyond `limit`.  EVLOG_EDAMAGED,
 * with the reason in err->reason, if there is none of this log and segment. */
int segment_block(struct segment *s, uint64_t offset, uint64_t limit, size_t ahead,
    struct block *b, evlog_error *err);

/* Reads a block's lines into `lines`. */
int segment_unpack(struct segment *s, struct block_codec *c, const struct block *b,
    struct buf *lines, evlog_error *err);

/* EVLOG_EDAMAGED with "dir/file is missing (events first to last)"; last 0: "from first
 * on". */
int segment_missing(const char *dir, uint64_t first, uint64_t last, evlog_error *err);

/* EVLOG_EDAMAGED with "file: damaged at byte N (events from S on): reason". */
int segment_damaged(const struct segment *s, uint64_t offset, uint64_t seq,
    uint64_t last_seq, const char *reason, evlog_error *err);

#endif
