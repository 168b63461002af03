/*
 * head.c - the commit record: two slots of 2,048 bytes, written in turn.  The bytes are
 * specified in evlog-format(5), "Head".
 */
#include "format/head.h"
#include "base/error.h"
#include "base/file.h"
#include "event/stamp.h"

#include <time.h>

#define TAG	 "evlogHD2" /* its last byte is the version */
#define PATIENCE 2

_Static_assert(HEAD_SLOT == 2048 && HEAD_SIZE == 4096, "evlog-format(5), Head");
_Static_assert(112 + HASH_SIZE + MERKLE_MAX * HASH_SIZE + 8 <= HEAD_SLOT,
    "a slot holds the longest frontier");

void head_encode(unsigned char p[HEAD_SLOT], const struct head *h)
{
	memset(p, 0, HEAD_SLOT);
	memcpy(p, TAG, 8);
	put64(p + 8, h->generation);
	memcpy(p + 16, h->id, ID_SIZE);
	memcpy(p + 32, h->boot_id, 16);
	put64(p + 48, h->epoch);
	put64(p + 56, h->segment);
	put64(p + 64, h->committed);
	put64(p + 72, h->durable);
	put64(p + 80, h->last_block);
	put64(p + 88, h->tree.n);
	put64(p + 96, (uint64_t)h->last_logtime);
	put32(p + 104, h->flags);
	put32(p + 108, merkle_count(h->tree.n));
	memcpy(p + 112, h->root, HASH_SIZE);
	memcpy(p + 144, h->tree.at, merkle_count(h->tree.n) * HASH_SIZE);
	put64(p + HEAD_SLOT - 8, hash64(p, HEAD_SLOT - 8));
}

static bool slot_is_whole(const unsigned char *p)
{
	return memcmp(p, TAG, 7) == 0 &&
	       get64(p + HEAD_SLOT - 8) == hash64(p, HEAD_SLOT - 8);
}

/* Whether a slot is intact, but has an unknown version, or flags that forbid reading. */
static bool slot_is_newer(const unsigned char *p)
{
	uint32_t flags = get32(p + 104);

	if (!slot_is_whole(p))
		return false;
	if (p[7] == '1')
		return (flags & ~(uint32_t)HEAD_FLAGS_1) != 0;
	return p[7] != TAG[7] ||
	       understood(flags, HEAD_FLAGS, (struct view){NULL, 0}) == UNDERSTOOD_NOT;
}

static bool slot_read(const unsigned char *p, struct head *h)
{
	if (!slot_is_whole(p) || slot_is_newer(p))
		return false;
	h->generation = get64(p + 8);
	memcpy(h->id, p + 16, ID_SIZE);
	memcpy(h->boot_id, p + 32, 16);
	h->epoch = get64(p + 48);
	h->segment = get64(p + 56);
	h->committed = get64(p + 64);
	h->durable = get64(p + 72);
	h->last_block = get64(p + 80);
	h->tree.n = get64(p + 88);
	h->last_logtime = (int64_t)get64(p + 96);
	h->flags = get32(p + 104);
	memcpy(h->root, p + 112, HASH_SIZE);
	if (h->tree.n > SEQ_MAX || get32(p + 108) != merkle_count(h->tree.n) ||
	    h->segment == 0 || h->segment > h->tree.n + 1 || h->durable > h->committed ||
	    h->committed < SEGMENT_HEADER_MIN || h->committed > INT64_MAX ||
	    h->epoch > SEQ_MAX || h->generation > INT64_MAX ||
	    (h->last_block &&
		(h->last_block < SEGMENT_HEADER_MIN || h->last_block >= h->committed)))
		return false;
	memcpy(h->tree.at, p + 144, merkle_count(h->tree.n) * HASH_SIZE);
	return true;
}

/* Two valid slots must be of the same log. */
static enum head_state slots_read(const unsigned char *p, struct head *h)
{
	struct head a, b;
	bool good_a = slot_read(p, &a), good_b = slot_read(p + HEAD_SLOT, &b);

	if (!good_a && !good_b)
		return HEAD_LOST;
	bool newer_a = good_a && (!good_b || a.generation > b.generation);
	*h = newer_a ? a : b;
	if (!good_a || !good_b || memcmp(a.id, b.id, ID_SIZE) != 0)
		return HEAD_HALF;
	return HEAD_WHOLE;
}

int head_read(int fd, struct head *h, enum head_state *state, bool patient,
    const char *path, evlog_error *err)
{
	unsigned char p[HEAD_SIZE], before[HEAD_SIZE] = {0};
	int same = 0; /* consecutive reads with the same bytes: nobody is writing */

	*state = HEAD_LOST;
	for (int tries = patient ? 20 : 1; tries > 0 && *state != HEAD_WHOLE; tries--) {
		memset(p, 0, sizeof p);
		if (file_pread(fd, p, sizeof p, 0) < 0)
			return error_sys(err, "%s/head", path);
		same = memcmp(p, before, sizeof p) == 0 ? same + 1 : 0;
		memcpy(before, p, sizeof p);
		if (same == PATIENCE)
			tries = 1;
		if (slot_is_newer(p) || slot_is_newer(p + HEAD_SLOT))
			return error_set(err, EVLOG_ENEWER,
			    "%s/head: unknown version or flags; reading it needs a newer "
			    "evlog",
			    path);
		*state = slots_read(p, h);
		if (*state != HEAD_WHOLE && tries > 1)
			nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	return 0;
}

int head_write(int fd, const struct head *h, const char *path, evlog_error *err)
{
	unsigned char slot[HEAD_SLOT];
	struct head again;

	head_encode(slot, h);
	if (!slot_read(slot, &again))
		return error_set(err, EVLOG_EINTERNAL,
		    "%s/head: not written, since nobody could read it", path);
	if (file_pwrite(fd, slot, HEAD_SLOT, h->generation % 2 * HEAD_SLOT) < 0)
		return error_sys(err, "%s/head", path);
	return 0;
}
