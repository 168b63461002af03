/* head.h - the commit record and lock of a log. */
#ifndef FORMAT_HEAD_H
#define FORMAT_HEAD_H

#include "format/block.h"
#include "format/merkle.h"

#define HEAD_SLOT 2048
#define HEAD_SIZE (2 * HEAD_SLOT)

#define SEGMENT_HEADER_MIN 136 /* bytes of a segment's header without hashes and seal */

enum head_flag {
	HEAD_POISONED = 1, /* a sync of the active segment failed: never append to it */
	HEAD_UNSYNCED = 2, /* the last commit was written with --no-sync */
};
#define HEAD_FLAGS (HEAD_POISONED | HEAD_UNSYNCED)

/* What a slot says. */
struct head {
	uint64_t generation;
	unsigned char log_id[LOG_ID_SIZE];
	unsigned char boot_id[16];
	uint64_t epoch;
	uint64_t segment;    /* first seq of the active segment */
	uint64_t committed;  /* bytes of it that are committed */
	uint64_t durable;    /* bytes of it that are synced; less with --no-sync */
	uint64_t last_block; /* offset of its last block; 0: it has none */
	int64_t last_logtime;
	uint32_t flags;
	unsigned char root[HASH_SIZE];
	struct merkle tree; /* tree.n is the last seq */
};

/* How the two slots were found. */
enum head_state {
	HEAD_WHOLE, /* both valid: *h is the newer */
	HEAD_HALF,  /* one valid: the other may have been the newer one */
	HEAD_LOST,  /* none, or no file: *h is not filled */
};

/* Reads both slots; a writer without the lock may be met in the middle of one, so
 * readers look again for up to 100 ms.  0 and *state, or a negative result. */
int head_read(int fd, struct head *h, enum head_state *state, bool patient,
    const char *path, evlog_error *err);

/* Writes the slot whose turn it is (by h->generation). */
int head_write(int fd, const struct head *h, const char *path, evlog_error *err);

void head_encode(unsigned char slot[HEAD_SLOT], const struct head *h);

#endif
