/*
 * index.c - what stands behind the blocks of a sealed segment: an index, searched where
 * it is mapped, and the seek table of zstd's seekable format.  The bytes are those of
 * evlog(5), "The index".
 */
#include "store/index.h"
#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC	   0x184d2a5cu
#define TAG	   "evlogIDX"
#define FIXED	   64
#define ENTRY	   56
#define SEEK_MAGIC 0x184d2a5eu
#define SEEK_TAG   0x8f92eab1u

/* ---- Writing ---- */

void index_frame(struct index_builder *x, size_t packed, size_t raw)
{
	unsigned char entry[8];

	put32(entry, (uint32_t)packed);
	put32(entry + 4, (uint32_t)raw);
	buf_add(&x->seek, entry, sizeof entry);
	x->frames++;
}

void index_block(struct index_builder *x, const struct block *b, struct view filter)
{
	unsigned char entry[ENTRY];
	size_t start = x->filters.len;

	buf_add(&x->filters, filter.p, filter.len);
	put64(entry, b->offset);
	put64(entry + 8, b->first_seq);
	put64(entry + 16, (uint64_t)b->first_logtime);
	put64(entry + 24, (uint64_t)b->last_logtime);
	put64(entry + 32, (uint64_t)b->least_time);
	put64(entry + 40, (uint64_t)b->greatest_time);
	put32(entry + 48, (uint32_t)start);
	put32(entry + 52, (uint32_t)(x->filters.len - start));
	buf_add(&x->table, entry, sizeof entry);
	x->blocks++;
	index_frame(x, b->header_size, 0);
	index_frame(x, b->packed_size, b->raw_size);
}

static void seek_table_write(struct index_builder *x, struct buf *out)
{
	unsigned char head[8], foot[9] = {0};

	put32(head, SEEK_MAGIC);
	put32(head + 4, (uint32_t)(x->seek.len + sizeof foot));
	put32(foot, x->frames);
	put32(foot + 5, SEEK_TAG);
	buf_add(out, head, sizeof head);
	buf_add(out, x->seek.p, x->seek.len);
	buf_add(out, foot, sizeof foot);
}

void index_write(struct index_builder *x, const struct segment_header *h, struct buf *out)
{
	unsigned char p[FIXED] = {0}, sum[8];
	size_t start = out->len;
	size_t size = FIXED + x->table.len + sizeof sum + x->filters.len;

	put32(p, MAGIC);
	put32(p + 4, (uint32_t)(size - 8));
	memcpy(p + 8, TAG, 8);
	put32(p + 16, 1);
	put32(p + 20, x->blocks);
	memcpy(p + 24, h->log_id, LOG_ID_SIZE);
	put64(p + 40, h->first_seq);
	put64(p + 48, x->filters.len);
	put64(p + 56, hash64(x->filters.p, x->filters.len));
	buf_add(out, p, sizeof p);
	buf_add(out, x->table.p, x->table.len);
	if (out->failed)
		return;
	put64(sum, hash64(out->p + start, out->len - start));
	buf_add(out, sum, sizeof sum);
	buf_add(out, x->filters.p, x->filters.len);
	index_frame(x, size, 0);
	seek_table_write(x, out);
	out->failed |= x->table.failed || x->filters.failed || x->seek.failed;
}

void index_builder_free(struct index_builder *x)
{
	buf_free(&x->table);
	buf_free(&x->filters);
	buf_free(&x->seek);
	*x = (struct index_builder){0};
}

/* ---- Reading ---- */

/* Whether the n bytes at p are the index of this segment, whole. */
static bool index_check(
    struct index *x, const struct segment *s, const unsigned char *p, size_t n)
{
	if (n < FIXED + 8 || get32(p) != MAGIC || memcmp(p + 8, TAG, 8) != 0 ||
	    get32(p + 16) != 1)
		return false;
	uint64_t size = (uint64_t)get32(p + 4) + 8, filters = get64(p + 48);
	uint64_t table = (uint64_t)get32(p + 20) * ENTRY;
	if (size > n || filters > size || table > size || table == 0 ||
	    FIXED + table + 8 + filters != size ||
	    memcmp(p + 24, s->header.log_id, LOG_ID_SIZE) != 0 ||
	    get64(p + 40) != s->first_seq)
		return false;
	x->blocks = get32(p + 20);
	x->table = p + FIXED;
	x->filters = (const char *)p + FIXED + table + 8;
	if (get64(p + FIXED + table) != hash64(p, (size_t)(FIXED + table)) ||
	    get64(p + 56) != hash64(x->filters, (size_t)filters))
		return false;
	for (uint32_t i = 0; i < x->blocks; i++) {
		const unsigned char *e = x->table + (size_t)i * ENTRY;
		if ((uint64_t)get32(e + 48) + get32(e + 52) > filters ||
		    get64(e) >= s->header.seal.end)
			return false;
	}
	return true;
}

int index_open(struct index *x, const struct segment *s, evlog_error *err)
{
	uint64_t at = s->header.seal.end;
	size_t page = (size_t)sysconf(_SC_PAGESIZE), skip = (size_t)(at % page);
	struct stat st;

	*x = (struct index){0};
	if (fstat(s->fd, &st) < 0)
		return error_sys(err, "%s", s->path);
	if ((uint64_t)st.st_size <= at || (uint64_t)st.st_size - at > UINT32_MAX)
		return EVLOG_END;
	size_t size = (size_t)((uint64_t)st.st_size - at) + skip;
	void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, s->fd, (off_t)(at - skip));
	if (map == MAP_FAILED)
		return error_sys(err, "%s", s->path);
	x->map = map;
	x->map_size = size;
	if (index_check(x, s, (const unsigned char *)map + skip, size - skip))
		return 0;
	index_close(x);
	return EVLOG_END;
}

void index_close(struct index *x)
{
	if (x->map)
		munmap(x->map, x->map_size);
	*x = (struct index){0};
}

bool index_ends(const struct index *x, struct index_builder *frames)
{
	const unsigned char *p = x->table - FIXED;
	const unsigned char *end = (const unsigned char *)x->map + x->map_size;
	size_t size = (size_t)get32(p + 4) + 8, left = (size_t)(end - p) - size;
	struct buf want = {0};

	index_frame(frames, size, 0);
	seek_table_write(frames, &want);
	bool same = !want.failed && !frames->seek.failed && want.len == left &&
		    memcmp(p + size, want.p, left) == 0;
	buf_free(&want);
	return same;
}

void index_entry(const struct index *x, uint32_t i, struct block *b)
{
	const unsigned char *e = x->table + (size_t)i * ENTRY;

	*b = (struct block){.offset = get64(e),
	    .first_seq = get64(e + 8),
	    .first_logtime = (int64_t)get64(e + 16),
	    .last_logtime = (int64_t)get64(e + 24),
	    .least_time = (int64_t)get64(e + 32),
	    .greatest_time = (int64_t)get64(e + 40)};
}

bool index_match(const struct index *x, uint32_t i, const struct filter_wanted *w)
{
	const unsigned char *e = x->table + (size_t)i * ENTRY;

	return filter_match((struct view){x->filters + get32(e + 48), get32(e + 52)}, w);
}

uint32_t index_find(const struct index *x, uint64_t seq)
{
	uint32_t low = 0, high = x->blocks;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		if (get64(x->table + (size_t)middle * ENTRY + 8) <= seq)
			low = middle;
		else
			high = middle;
	}
	return low;
}
