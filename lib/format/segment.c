/*
 * segment.c - segment files: names, headers, reading blocks.  The bytes are specified in
 * evlog-format(5), "Segment".
 */
#include "format/segment.h"
#include "base/error.h"
#include "base/file.h"
#include "base/os.h"
#include "event/stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0x184d2a5du
#define MANY  (1u << 20)

#define SEGMENT_FIRST 2048 /* bytes read at first: nearly all headers are shorter */

_Static_assert(SEGMENT_HEADER_MIN == 8 + 8 + 2 * 4 + ID_SIZE + 7 * 8 + HASH_SIZE + 8,
    "evlog-format(5), Segment header, version 1");
_Static_assert(
    SEGMENT_HEADER == SEGMENT_HEADER_MIN + HASH_SIZE, "evlog-format(5), Segment header");
_Static_assert(SEGMENT_SEAL == 3 * 8 + HASH_SIZE, "evlog-format(5), Segment header");
_Static_assert(
    SEGMENT_HEADER + MERKLE_MAX * HASH_SIZE + SEGMENT_SEAL <= SEGMENT_ACTIVE_MAX,
    "a header holds the longest frontier");

const char segment_newer[] = "unknown version, flags or extensions in the segment "
			     "header; reading it needs a newer "
			     "evlog";

void segment_name(char out[SEGMENT_NAME_SIZE], uint64_t first_seq)
{
	snprintf(out, SEGMENT_NAME_SIZE, "%016" PRIu64 SEGMENT_SUFFIX, first_seq);
}

bool seq_digits_read(const char *p, uint64_t *seq)
{
	*seq = 0;
	for (int i = 0; i < SEQ_DIGITS; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		*seq = *seq * 10 + (uint64_t)(p[i] - '0');
	}
	return true;
}

uint64_t segment_name_read(const char *name)
{
	uint64_t seq;

	return seq_digits_read(name, &seq) &&
		       strcmp(name + SEQ_DIGITS, SEGMENT_SUFFIX) == 0 && seq <= SEQ_MAX
		   ? seq
		   : 0;
}

/* The size of a header up to its extensions. */
static uint32_t fixed_size(const struct segment_header *h)
{
	return (h->version == 1 ? SEGMENT_HEADER_MIN : SEGMENT_HEADER) +
	       (uint32_t)merkle_count(h->tree.n) * HASH_SIZE +
	       (h->flags & SEGMENT_SEALED ? SEGMENT_SEAL : 0);
}

uint32_t segment_header_size(const struct segment_header *h)
{
	return fixed_size(h) + h->extensions;
}

void segment_header_encode(
    struct buf *out, struct segment_header *h, struct view extensions)
{
	size_t hashes = merkle_count(h->tree.n) * HASH_SIZE;

	h->version = SEGMENT_VERSION;
	h->extensions = (uint32_t)extensions.len;
	h->size = segment_header_size(h);
	if (!buf_reserve(out, h->size))
		return;
	unsigned char *p = (unsigned char *)out->p + out->len;
	put32(p, MAGIC);
	put32(p + 4, h->size - 8);
	memcpy(p + 8, SEGMENT_TAG, 8);
	put32(p + 16, h->version);
	put32(p + 20, h->flags);
	memcpy(p + 24, h->id, ID_SIZE);
	put64(p + 40, h->first_seq);
	put64(p + 48, h->epoch);
	put64(p + 56, (uint64_t)h->last_logtime);
	put64(p + 64, h->previous);
	put64(p + 72, h->previous_size);
	put64(p + 80, h->previous_block);
	put64(p + 88, (uint64_t)h->tree.n);
	memcpy(p + 96, h->root, HASH_SIZE);
	memcpy(p + 128, h->lineage, HASH_SIZE);
	memcpy(p + 160, h->tree.at, hashes);
	unsigned char *end = p + 160 + hashes;
	if (h->flags & SEGMENT_SEALED) {
		put64(end, h->seal.end);
		put64(end + 8, h->seal.block);
		put64(end + 16, h->seal.last_seq);
		memcpy(end + 24, h->seal.root, HASH_SIZE);
		end += SEGMENT_SEAL;
	}
	if (extensions.len)
		memcpy(end, extensions.p, extensions.len);
	end += extensions.len;
	put64(end, hash64(p, (size_t)(end - p)));
	out->len += h->size;
}

static const char *seal_decode(struct segment_header *h, const unsigned char *p)
{
	h->seal.end = get64(p);
	h->seal.block = get64(p + 8);
	h->seal.last_seq = get64(p + 16);
	memcpy(h->seal.root, p + 24, HASH_SIZE);
	if (h->seal.last_seq < h->first_seq || h->seal.last_seq > SEQ_MAX ||
	    h->seal.block < h->size || h->seal.block >= h->seal.end ||
	    h->seal.end > INT64_MAX)
		return "impossible values in the segment header";
	return NULL;
}

/* Whether the predecessor in a header comes before it and has an end and last block where
 * a segment can have them.  This makes every walk from header to header descend.  The
 * first segment that was kept has no predecessor any more, or names one that is gone. */
static bool previous_possible(const struct segment_header *h)
{
	if (h->previous == SEGMENT_NONE)
		return (h->first_seq == 1 || h->flags & SEGMENT_TRIMMED) &&
		       h->previous_size == SEGMENT_NONE &&
		       h->previous_block == SEGMENT_NONE;
	return h->previous > 0 && h->previous < h->first_seq &&
	       h->previous_size >= SEGMENT_HEADER_MIN && h->previous_size <= INT64_MAX &&
	       (h->previous_block == 0 || (h->previous_block >= SEGMENT_HEADER_MIN &&
					      h->previous_block < h->previous_size));
}

/* How much to read for the header that begins with these SEGMENT_HEADER_MIN bytes; 0 if
 * none does. */
static uint32_t header_claims(const unsigned char *p)
{
	uint32_t size = get32(p + 4);

	if (get32(p) != MAGIC || memcmp(p + 8, SEGMENT_TAG, 8) != 0 ||
	    size < SEGMENT_HEADER_MIN - 8 || size > SEGMENT_HEADER_MAX - 8)
		return 0;
	return size + 8;
}

/* Decodes the fields of a header whose checksum, version and flags are right. */
static const char *header_take(
    struct segment_header *h, const unsigned char *p, uint32_t size)
{
	const unsigned char *hashes = p + (h->version == 1 ? 128 : 160);

	h->tree.n = get64(p + 88);
	h->extensions = 0;
	if (h->tree.n >= SEQ_MAX || size < fixed_size(h))
		return "impossible values in the segment header";
	h->extensions = size - fixed_size(h);
	memcpy(h->id, p + 24, ID_SIZE);
	h->first_seq = get64(p + 40);
	h->epoch = get64(p + 48);
	h->last_logtime = (int64_t)get64(p + 56);
	h->previous = get64(p + 64);
	h->previous_size = get64(p + 72);
	h->previous_block = get64(p + 80);
	memcpy(h->root, p + 96, HASH_SIZE);
	if (h->version == 1)
		memset(h->lineage, 0, HASH_SIZE);
	else
		memcpy(h->lineage, p + 128, HASH_SIZE);
	memcpy(h->tree.at, hashes, merkle_count(h->tree.n) * HASH_SIZE);
	if (h->first_seq != h->tree.n + 1 || h->epoch > SEQ_MAX ||
	    !previous_possible(h) || (h->version == 1 && h->extensions))
		return "impossible values in the segment header";
	h->size = size;
	return h->flags & SEGMENT_SEALED
		   ? seal_decode(h, hashes + merkle_count(h->tree.n) * HASH_SIZE)
		   : NULL;
}

const char *segment_header_decode(
    struct segment_header *h, const unsigned char *p, size_t n)
{
	h->size = 0;
	uint32_t size = n < SEGMENT_HEADER_MIN ? 0 : header_claims(p);
	if (!size || size > n)
		return "the segment header is missing";
	if (get64(p + size - 8) != hash64(p, size - 8))
		return "the checksum of the segment header does not match";
	h->version = get32(p + 16);
	h->flags = get32(p + 20);
	if (h->version < 1 || h->version > SEGMENT_VERSION ||
	    (h->version == 1 && h->flags & ~(SEGMENT_EXTRACT | SEGMENT_SEALED)) ||
	    understood(h->flags, SEGMENT_FLAGS, (struct view){0}) == UNDERSTOOD_NOT)
		return segment_newer;
	if (h->flags & SEGMENT_EXTRACT)
		return "this is an extract (evcat -o zst of a part), not a segment of a "
		       "log; read it with evcat FILE";
	const char *why = header_take(h, p, size);
	if (!why) {
		struct view extensions = {
		    (const char *)p + size - 8 - h->extensions, h->extensions};
		enum understood u = understood(h->flags, SEGMENT_FLAGS, extensions);
		h->read_only = u == UNDERSTOOD_READ;
		if (u == UNDERSTOOD_NOT)
			why = segment_newer;
		else if (u == UNDERSTOOD_WRONG)
			why = "impossible extensions in the segment header";
	}
	h->size = why ? 0 : size;
	return why;
}

void segment_extent(const struct segment *s, const struct segment_header *successor,
    uint64_t *end, uint64_t *last_block)
{
	bool sealed = segment_is_sealed(s);

	*end = sealed ? s->header.seal.end : successor->previous_size;
	*last_block = sealed ? s->header.seal.block : successor->previous_block;
}

static void range_write(char out[64], uint64_t first, uint64_t last)
{
	if (last)
		snprintf(out, 64, "events %" PRIu64 " to %" PRIu64, first, last);
	else
		snprintf(out, 64, "events %" PRIu64 " and later", first);
}

int segment_missing(const char *dir, uint64_t first, uint64_t last, evlog_error *err)
{
	char range[64], name[SEGMENT_NAME_SIZE];

	range_write(range, first, last);
	segment_name(name, first);
	return error_set(err, EVLOG_EDAMAGED,
	    "%s/%s is missing (%s); see --salvage, and RECOVERY in evlog(7)", dir, name,
	    range);
}

int segment_damaged(const struct segment *s, uint64_t offset, uint64_t seq,
    uint64_t last_seq, const char *reason, evlog_error *err)
{
	char range[64], why[256];

	snprintf(why, sizeof why, "%s", reason); /* `reason` may be err->reason */
	range_write(range, seq, last_seq);
	error_set(err, EVLOG_EDAMAGED,
	    "%s: damaged at byte %" PRIu64 " (%s): %s; see RECOVERY in evlog(7)", s->path,
	    offset, range, why);
	if (err)
		memcpy(err->reason, why, sizeof why);
	return EVLOG_EDAMAGED;
}

static int open_regular(
    struct segment *s, int dir_fd, const char *name, bool writable, evlog_error *err)
{
	struct stat st;
	int flags = (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;

	s->fd = openat(dir_fd, name, flags);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return error_sys(err, "%s", s->path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EVLOG_EDAMAGED, "%s: not a regular file", s->path);
	return 0;
}

/* Reads up to n bytes from the start of the file into the segment's window. */
static int start_load(struct segment *s, size_t n, evlog_error *err)
{
	s->window.len = 0;
	if (!buf_reserve(&s->window, n))
		return error_memory(err);
	ssize_t got = file_pread(s->fd, s->window.p, n, 0);
	if (got < 0)
		return error_sys(err, "%s", s->path);
	s->window.len = (size_t)got;
	return 0;
}

/* Reads the whole header into the segment's window. */
static int header_load(struct segment *s, evlog_error *err)
{
	int r = start_load(s, SEGMENT_FIRST, err);
	if (r || s->window.len < SEGMENT_FIRST)
		return r;
	uint32_t size = header_claims((const unsigned char *)s->window.p);
	return size > SEGMENT_FIRST ? start_load(s, size, err) : 0;
}

int segment_header_read(struct segment *s, const unsigned char *id, evlog_error *err)
{
	int r = header_load(s, err);
	if (r)
		return r;
	const char *why = segment_header_decode(
	    &s->header, (const unsigned char *)s->window.p, s->window.len);
	if (why == segment_newer)
		return error_set(err, EVLOG_ENEWER, "%s: %s", s->path, why);
	if (!why && s->header.first_seq != s->first_seq) {
		why = "the header belongs to another segment";
	} else if (!why && id && memcmp(s->header.id, id, ID_SIZE) != 0) {
		why = "the segment belongs to another log";
	}
	if (why)
		s->header.size = 0;
	s->window.len = 0; /* what follows the header may still change */
	return why ? segment_damaged(s, 0, s->first_seq, 0, why, err) : 0;
}

int segment_extensions(struct segment *s, struct view *extensions, evlog_error *err)
{
	const struct segment_header *h = &s->header;
	const char *p;

	*extensions = (struct view){NULL, 0};
	if (!h->extensions)
		return 0;
	int r = segment_bytes(s, h->size - 8 - h->extensions, h->extensions, 0, &p, err);
	if (!r && p)
		*extensions = (struct view){p, h->extensions};
	return r;
}

int segment_open(struct segment *s, int dir_fd, const char *dir, uint64_t first_seq,
    const unsigned char *id, bool writable, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(name, first_seq);
	return segment_open_named(s, dir_fd, dir, name, first_seq, id, writable, err);
}

int segment_open_named(struct segment *s, int dir_fd, const char *dir, const char *name,
    uint64_t first_seq, const unsigned char *id, bool writable, evlog_error *err)
{
	size_t n = strlen(dir) + strlen(name) + 2;

	*s = (struct segment){.fd = -1, .first_seq = first_seq};
	s->path = malloc(n);
	if (!s->path)
		return error_memory(err);
	snprintf(s->path, n, "%s/%s", dir, name);
	int r = open_regular(s, dir_fd, name, writable, err);
	if (!r)
		r = segment_header_read(s, id, err);
	if (r && r != EVLOG_EDAMAGED) {
		int keep = errno;
		segment_close(s);
		errno = keep;
	}
	return r;
}

void segment_close(struct segment *s)
{
	if (s->fd >= 0)
		close(s->fd);
	buf_free(&s->window);
	free(s->path);
	s->path = NULL;
	s->fd = -1;
}

/* Whether the file can have n bytes at offset.  Large n are checked against the file's
 * size before memory is allocated, because a damaged header may claim anything. */
static int bytes_there(
    const struct segment *s, uint64_t offset, size_t n, bool *there, evlog_error *err)
{
	struct stat st;

	*there = offset <= INT64_MAX;
	if (!*there || n <= MANY)
		return 0;
	if (fstat(s->fd, &st) < 0)
		return error_sys(err, "%s", s->path);
	*there = offset <= (uint64_t)st.st_size && n <= (uint64_t)st.st_size - offset;
	return 0;
}

int segment_bytes(struct segment *s, uint64_t offset, size_t n, size_t ahead,
    const char **p, evlog_error *err)
{
	uint64_t in = offset - s->window_at; /* only valid if offset is in the window */

	*p = NULL;
	if (offset < s->window_at || in > s->window.len || n > s->window.len - in) {
		size_t want = n + ahead;
		bool there;
		int r = bytes_there(s, offset, n, &there, err);
		if (r || !there)
			return r;
		s->window.len = 0;
		if (!buf_reserve(&s->window, want))
			return error_memory(err);
		ssize_t got = file_pread(s->fd, s->window.p, want, offset);
		if (got < 0)
			return error_sys(err, "%s", s->path);
		s->window_at = offset;
		s->window.len = (size_t)got;
		if ((size_t)got < n)
			return 0;
	}
	*p = s->window.p + (offset - s->window_at);
	return 0;
}

uint64_t segment_data(const struct segment *s, uint64_t offset, uint64_t limit)
{
	return os_data_next(s->fd, offset, limit);
}

static int block_bad(
    const struct segment *s, uint64_t offset, const char *why, evlog_error *err)
{
	error_set(err, EVLOG_EDAMAGED, "%s: damaged at byte %" PRIu64 ": %s", s->path,
	    offset, why);
	if (err)
		snprintf(err->reason, sizeof err->reason, "%s", why);
	return EVLOG_EDAMAGED;
}

/* Whether the header's link back can point to a block or the start of the segment. */
static bool back_possible(const struct segment *s, const struct block *b)
{
	return b->back == b->offset ||
	       (b->back < b->offset && b->offset - b->back >= s->header.size);
}

int segment_block(struct segment *s, uint64_t offset, uint64_t limit, size_t ahead,
    struct block *b, evlog_error *err)
{
	const char *p, *why;
	int r;

	if ((r = segment_bytes(s, offset, BLOCK_HEADER, ahead, &p, err)) != 0)
		return r;
	if (!p)
		return block_bad(s, offset, "the file ends within a block header", err);
	uint32_t size = block_header_size((const unsigned char *)p);
	if (!size || offset > limit || size > limit - offset)
		return block_bad(s, offset, "a block header is missing", err);
	if (size > BLOCK_HEADER) {
		if ((r = segment_bytes(s, offset, size, ahead, &p, err)) != 0)
			return r;
		if (!p)
			return block_bad(
			    s, offset, "the file ends within a block header", err);
	}
	why = block_header_read(b, (const unsigned char *)p, size);
	b->offset = offset;
	if (why == block_newer)
		return error_set(err, EVLOG_ENEWER, "%s: at byte %" PRIu64 ": %s",
		    s->path, offset, why);
	if (!why && memcmp(b->id, s->header.id, ID_SIZE) != 0 && s->header.size)
		why = "the block belongs to another log";
	if (!why && b->segment != s->first_seq)
		why = "the block belongs to another segment";
	if (!why && b->packed_size > limit - offset - size)
		why = "the block is truncated";
	if (!why && !back_possible(s, b))
		why = "impossible link to the previous block";
	return why ? block_bad(s, offset, why, err) : 0;
}

int segment_unpack(struct segment *s, struct block_codec *c, const struct block *b,
    struct buf *lines, evlog_error *err)
{
	const char *p, *why;
	bool failed = false;
	uint64_t at = b->offset + b->header_size;

	int r = segment_bytes(s, at, b->packed_size, BLOCK_HEADER + 512, &p, err);
	if (r)
		return r;
	why = p ? block_unpack(c, b, p, lines, &failed) : "the file ends within a block";
	if (failed)
		return error_memory(err);
	if (why)
		return segment_damaged(s, at, b->first_seq, block_last_seq(b), why, err);
	return 0;
}
