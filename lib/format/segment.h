/* segment.h - segment files: names, headers, reading blocks. */
#ifndef FORMAT_SEGMENT_H
#define FORMAT_SEGMENT_H

#include "format/head.h"

#define SEGMENT_NAME_SIZE 28 /* 0000000000000001.ndjson.zst and a NUL */
#define SEGMENT_NONE	  UINT64_MAX

/* Part of a log (evcat -o zst): seqs may have gaps.  Never found in a log directory. */
#define SEGMENT_EXTRACT 1u

/* Rewritten after it was full: records its own end, and an index follows its blocks. */
#define SEGMENT_SEALED 2u

/* What the header of a sealed segment records about its end. */
struct seal {
	uint64_t end;	/* offset after its last block */
	uint64_t block; /* offset of its last block */
	uint64_t last_seq;
	unsigned char root[HASH_SIZE]; /* after last_seq */
};

/* A segment header.  It also records where the committed bytes of its predecessor end. */
struct segment_header {
	uint32_t size, flags;
	unsigned char log_id[LOG_ID_SIZE];
	uint64_t first_seq;
	uint64_t epoch;
	int64_t last_logtime;	 /* of the last event before first_seq */
	uint64_t previous;	 /* first seq of the predecessor, or SEGMENT_NONE */
	uint64_t previous_size;	 /* where its committed bytes end */
	uint64_t previous_block; /* offset of its last block; 0: none */
	unsigned char root[HASH_SIZE];
	struct merkle tree; /* before the first event: tree.n + 1 == first_seq */
	struct seal seal;   /* if SEGMENT_SEALED */
};

#define SEGMENT_SEAL	   56 /* bytes that the seal takes in a header */
#define SEGMENT_HEADER_MAX (SEGMENT_HEADER_MIN + MERKLE_MAX * HASH_SIZE + SEGMENT_SEAL)

void segment_name(char out[SEGMENT_NAME_SIZE], uint64_t first_seq);

/* The first seq in a segment's file name; 0 if it is not a segment's name. */
uint64_t segment_name_read(const char *name);

/* The size of the header, from its flags and tree.n. */
uint32_t segment_header_size(const struct segment_header *h);
/* Appends the header and sets h->size. */
void segment_header_encode(struct buf *out, struct segment_header *h);

/* Returns NULL, or what is wrong.  Sets h->size, to 0 on failure. */
const char *segment_header_decode(
    struct segment_header *h, const unsigned char *p, size_t n);

/* An open segment with a window on its bytes. */
struct segment {
	int fd;
	uint64_t first_seq;
	char *path; /* for messages */
	struct segment_header header;
	struct buf window;
	uint64_t window_at;
};

/* Opens a segment of the log in dir_fd and reads its header.  Returns EVLOG_EDAMAGED if
 * the header is damaged or is not of the log with this id (NULL: any log); then the
 * segment is open all the same, with header.size 0.  After any other failure it is
 * closed. */
int segment_open(struct segment *s, int dir_fd, const char *dir, uint64_t first_seq,
    const unsigned char *log_id, bool writable, evlog_error *err);
void segment_close(struct segment *s);

static inline bool segment_is_sealed(const struct segment *s)
{
	return s->header.size && (s->header.flags & SEGMENT_SEALED);
}

/* Gets the end of the committed bytes, and the last block, of a segment that has a
 * successor: from its seal, or else from the successor's header. */
void segment_extent(const struct segment *s, const struct segment_header *successor,
    uint64_t *end, uint64_t *last_block);

/* Gets a view of n bytes at offset, valid until the next call; *p is NULL if the file
 * ends before that.  `ahead`: how many more bytes to read along. */
int segment_bytes(struct segment *s, uint64_t offset, size_t n, size_t ahead,
    const char **p, evlog_error *err);

/* The first offset in [offset, limit) that is not in a hole, or limit.  Skipping holes
 * matters because a damaged file can be very long and empty. */
uint64_t segment_data(const struct segment *s, uint64_t offset, uint64_t limit);

/* Reads the block header at `offset`, without reading beyond `limit`.  Returns
 * EVLOG_EDAMAGED, with the reason in err->reason, if there is no header of this log and
 * segment; EVLOG_ENEWER if its version or flags are unknown. */
int segment_block(struct segment *s, uint64_t offset, uint64_t limit, size_t ahead,
    struct block *b, evlog_error *err);

/* Reads and decompresses a block into `lines`. */
int segment_unpack(struct segment *s, struct block_codec *c, const struct block *b,
    struct buf *lines, evlog_error *err);

/* Sets "dir/file is missing (events first to last)" and returns EVLOG_EDAMAGED.  If last
 * is 0, the text says "from first on". */
int segment_missing(const char *dir, uint64_t first, uint64_t last, evlog_error *err);

/* Sets "file: damaged at byte N (events S to T): reason" and returns EVLOG_EDAMAGED. */
int segment_damaged(const struct segment *s, uint64_t offset, uint64_t seq,
    uint64_t last_seq, const char *reason, evlog_error *err);

#endif
