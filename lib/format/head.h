/* head.h - the file head: the commit record and the lock of a log. */
#ifndef FORMAT_HEAD_H
#define FORMAT_HEAD_H

#include "format/block.h"
#include "format/merkle.h"

#define HEAD_SLOT 2048
#define HEAD_SIZE (2 * HEAD_SLOT)

#define SEGMENT_HEADER_MIN 136 /* a segment header without hashes and seal */

enum head_flag {
	HEAD_POISONED = 1, /* a sync of the active segment failed: never append to it */
	HEAD_UNSYNCED = 2, /* the last commit was written with --no-sync */
	HEAD_COPY =
	    1 << 16, /* follows another log: only replicated events are appended */
};
#define HEAD_FLAGS_1 (HEAD_POISONED | HEAD_UNSYNCED) /* those of version 1 */
#define HEAD_FLAGS   (HEAD_FLAGS_1 | HEAD_COPY)

/* The content of a slot. */
struct head {
	uint64_t generation;
	unsigned char id[ID_SIZE]; /* of the active segment */
	unsigned char boot_id[16];
	uint64_t epoch;
	uint64_t segment;    /* first seq of the active segment */
	uint64_t committed;  /* committed bytes of it */
	uint64_t durable;    /* synced bytes of it; fewer with --no-sync */
	uint64_t last_block; /* offset of its last block; 0: none */
	int64_t last_logtime;
	uint32_t flags;
	unsigned char root[HASH_SIZE];
	struct merkle tree; /* tree.n is the last seq */
};

/* What was found in the two slots. */
enum head_state {
	HEAD_WHOLE, /* both valid: *h is the newer one */
	HEAD_HALF,  /* one valid: the other may have been the newer one */
	HEAD_LOST,  /* none valid, or no file: *h is not filled */
};

/* Reads both slots.  Readers take no lock, so they may catch a writer mid-slot; if
 * `patient`, retries for up to 100 ms.  Returns 0 and *state, or a negative code:
 * EVLOG_ENEWER if a slot has an unknown version or flags. */
int head_read(int fd, struct head *h, enum head_state *state, bool patient,
    const char *path, evlog_error *err);

/* Writes the slot chosen by h->generation.  Does not sync. */
int head_write(int fd, const struct head *h, const char *path, evlog_error *err);

/* Encodes a slot with its checksum. */
void head_encode(unsigned char slot[HEAD_SLOT], const struct head *h);

#endif
