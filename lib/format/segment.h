/* segment.h - segment files: names, headers, reading blocks. */
#ifndef FORMAT_SEGMENT_H
#define FORMAT_SEGMENT_H

#include "format/head.h"

#define SEGMENT_SUFFIX	  ".ndjson.zst"
#define SEGMENT_NAME_SIZE 28 /* 0000000000000001.ndjson.zst and a NUL */
#define SEGMENT_NONE	  UINT64_MAX
#define SEGMENT_TAG	  "evlogSEG" /* the first 8 bytes of its header's frame */

/* Part of a log (evcat -o zst): seqs may have gaps.  Never found in a log directory. */
#define SEGMENT_EXTRACT 1u

/* Rewritten after it was full: records its own end, and an index follows its blocks. */
#define SEGMENT_SEALED 2u

/* The first segment that was kept: the events before it were removed on purpose. */
#define SEGMENT_TRIMMED 4u
#define SEGMENT_FLAGS	(SEGMENT_EXTRACT | SEGMENT_SEALED | SEGMENT_TRIMMED)

#define SEGMENT_VERSION 2 /* what is written; 1 is that of evlog 0.1 */

/* What the header of a sealed segment records about its end. */
struct seal {
	uint64_t end;	/* offset after its last block */
	uint64_t block; /* offset of its last block */
	uint64_t last_seq;
	unsigned char root[HASH_SIZE]; /* after last_seq */
};

/* A segment header.  It also records where the committed bytes of its predecessor end. */
struct segment_header {
	uint32_t version, size, flags;
	uint32_t extensions;	   /* bytes of them, before the checksum */
	bool read_only;		   /* has features that forbid appending and rewriting */
	unsigned char id[ID_SIZE]; /* its blocks repeat it */
	unsigned char lineage[HASH_SIZE]; /* leaf hash of event 1; zeros: not known */
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
#define SEGMENT_HEADER	   (SEGMENT_HEADER_MIN + HASH_SIZE) /* without hashes, seal */
#define SEGMENT_HEADER_MAX (1u << 20)			    /* of a sealed segment */
#define SEGMENT_ACTIVE_MAX (4u << 10) /* of one that is not sealed */

void segment_name(char out[SEGMENT_NAME_SIZE], uint64_t first_seq);

/* The first seq in a segment's file name; 0 if it is not a segment's name. */
uint64_t segment_name_read(const char *name);

/* The size of the header, from its version, flags, tree.n and extensions. */
uint32_t segment_header_size(const struct segment_header *h);

/* Appends the header, in the current version and with these extensions, and sets h->size,
 * h->version and h->extensions. */
void segment_header_encode(
    struct buf *out, struct segment_header *h, struct view extensions);

/* Returned by segment_header_decode for an intact header with unknown version, flags or
 * extensions. */
extern const char segment_newer[];

/* Returns NULL, or what is wrong.  Sets h->size, to 0 on failure; then, too, h->flags has
 * SEGMENT_EXTRACT if it is an intact header of an extract. */
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

/* Gets 16 decimal digits.  false: they are not. */
#define SEQ_DIGITS 16
bool seq_digits_read(const char *p, uint64_t *seq);

/* Opens a segment of the log in dir_fd and reads its header.  Returns EVLOG_EDAMAGED if
 * the header is damaged or does not have this id (NULL: any); then the segment is open
 * all the same, with header.size 0.  After any other failure it is closed. */
int segment_open(struct segment *s, int dir_fd, const char *dir, uint64_t first_seq,
    const unsigned char *id, bool writable, evlog_error *err);

/* The same for one whose file has another name. */
int segment_open_named(struct segment *s, int dir_fd, const char *dir, const char *name,
    uint64_t first_seq, const unsigned char *id, bool writable, evlog_error *err);
void segment_close(struct segment *s);

static inline bool segment_is_sealed(const struct segment *s)
{
	return s->header.size && (s->header.flags & SEGMENT_SEALED);
}

/* Reads the header of an open segment again; id and result as above. */
int segment_header_read(struct segment *s, const unsigned char *id, evlog_error *err);

/* Gets the extensions of the header, valid until the next bytes of the segment are
 * read. */
int segment_extensions(struct segment *s, struct view *extensions, evlog_error *err);

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
