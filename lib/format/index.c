/*
 * index.c - what follows the blocks of a sealed segment: an index, and the seek table of
 * zstd's seekable format.  The bytes are specified in evlog-format(5), "The index".
 *
 * The table of blocks is read into memory; of the rows, only the groups that a search
 * needs.  Nothing is mapped, because the file may be truncated, or its disk fail, at any
 * time.
 */
#include "format/index.h"
#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC	   0x184d2a5cu
#define TAG	   "evlogIDX"
#define VERSION	   3
#define FIXED	   72
#define FIXED_2	   56 /* of version 2 */
#define ENTRY	   48
#define GROUP	   512 /* least bytes of rows with a common checksum */
#define SEEK_MAGIC 0x184d2a5eu
#define SEEK_TAG   0x8f92eab1u
#define MOST	   (1u << 20) /* an index of more blocks is ignored */
#define TILES	   16	      /* with a common checksum */

_Static_assert(ENTRY == 6 * 8 && FIXED == 8 + 8 + 2 * 4 + ID_SIZE + 8 + 2 * 4 + 2 * 8,
    "evlog-format(5), Index");

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
	unsigned char entry[ENTRY], size[4];

	put64(entry, b->offset);
	put64(entry + 8, b->first_seq);
	put64(entry + 16, (uint64_t)b->first_logtime);
	put64(entry + 24, (uint64_t)b->last_logtime);
	put64(entry + 32, (uint64_t)b->least_time);
	put64(entry + 40, (uint64_t)b->greatest_time);
	buf_add(&x->table, entry, sizeof entry);
	put32(size, (uint32_t)filter.len);
	buf_add(&x->sizes, size, sizeof size);
	buf_add(&x->filters, filter.p, filter.len);
	x->blocks++;
	index_frame(x, b->header_size, 0);
	index_frame(x, b->packed_size, b->raw_size);
}

/* Rows in a group, which share one checksum. */
static uint32_t group_rows(uint32_t bits, size_t width)
{
	uint32_t n = 1;

	while (n < bits && n * width < GROUP)
		n *= 2;
	return n;
}

/* The checksum of group g.  It depends on g and on the index, so that a group from
 * elsewhere does not pass. */
static uint64_t group_sum(const unsigned char *p, size_t size, size_t g, uint64_t index)
{
	return hash64(p, size) + g + index;
}

/* Transposes: bit i of byte k becomes bit k of byte i ("Hacker's Delight", 7-3). */
static uint64_t transpose8(uint64_t x)
{
	uint64_t t = (x ^ (x >> 7)) & 0x00aa00aa00aa00aa;

	x ^= t ^ (t << 7);
	t = (x ^ (x >> 14)) & 0x0000cccc0000cccc;
	x ^= t ^ (t << 14);
	t = (x ^ (x >> 28)) & 0x00000000f0f0f0f0;
	return x ^ t ^ (t << 28);
}

/* Writes the filters of eight blocks, `size` bytes each, as byte column k of the rows. */
static void column_write(unsigned char *rows, size_t width, size_t k,
    const unsigned char *filters, size_t size)
{
	unsigned char eight[8];

	for (size_t j = 0; j < size; j++) {
		for (size_t i = 0; i < 8; i++)
			eight[i] = filters[i * size + j];
		uint64_t x = transpose8(get64(eight));
		for (size_t i = 0; i < 8; i++, x >>= 8)
			rows[(8 * j + i) * width + k] = (unsigned char)x;
	}
}

/* Whether, if all filters had this size, at most one in 64 would have more than half of
 * its bits set. */
static bool is_half_empty(
    const struct index_builder *x, size_t size, unsigned char *scratch)
{
	const char *filter = x->filters.p;
	size_t filters = 0, full = 0;

	for (size_t i = 0; i < x->blocks; i++) {
		size_t len = get32(x->sizes.p + 4 * i), set = 0;
		if (len == 0)
			continue;
		filter_resize((struct view){filter, len}, scratch, size);
		for (size_t k = 0; k < size; k += 8)
			set += (size_t)__builtin_popcountll(get64(scratch + k));
		filters++;
		full += set > 4 * size;
		filter += len;
	}
	return 64 * full <= filters;
}

/* The size of the largest filter; but halved while the rows would take more bytes than
 * the filters, and more than 1/64 of the segment, because a few large filters are not
 * worth that; and while almost all would be at most half full, because more bits tell
 * little. 0: out of memory. */
static size_t filter_size(const struct index_builder *x, uint64_t segment)
{
	size_t size = FILTER_LEAST;

	for (size_t i = 0; i < x->blocks; i++)
		while (size < get32(x->sizes.p + 4 * i))
			size *= 2;
	unsigned char *scratch = malloc(size);
	if (!scratch)
		return 0;
	while (size > FILTER_LEAST &&
	       ((size * x->blocks > x->filters.len && size * x->blocks > segment / 64) ||
		   is_half_empty(x, size / 2, scratch)))
		size /= 2;
	free(scratch);
	return size;
}

/* Turns filters into rows: a row has one bit of the filters of all blocks, side by
 * side. */
static bool rows_make(struct index_builder *x, size_t size, size_t width, struct buf *out)
{
	const char *filter = x->filters.p;
	unsigned char *eight = malloc(8 * size);

	if (!eight || !buf_reserve(out, 8 * size * width)) {
		free(eight);
		return false;
	}
	for (size_t k = 0; k < width; k++) {
		memset(eight, 0, 8 * size);
		for (size_t i = 8 * k; i < 8 * k + 8 && i < x->blocks; i++) {
			size_t len = get32(x->sizes.p + 4 * i);
			filter_resize(
			    (struct view){filter, len}, eight + i % 8 * size, size);
			filter += len;
		}
		column_write((unsigned char *)out->p, width, k, eight, size);
	}
	out->len = 8 * size * width;
	free(eight);
	return true;
}

static void rows_write(
    struct buf *out, const struct buf *rows, size_t group, uint64_t index)
{
	unsigned char sum[8];

	for (size_t at = 0; at < rows->len; at += group) {
		const unsigned char *p = (const unsigned char *)rows->p + at;
		put64(sum, group_sum(p, group, at / group, index));
		buf_add(out, p, group);
		buf_add(out, sum, sizeof sum);
	}
}

/* Writes the tiles like rows, TILES in a group; the last group may have fewer. */
static void tiles_write(struct buf *out, const struct buf *tiles, uint64_t index)
{
	const size_t group = TILES * HASH_SIZE;
	unsigned char sum[8];

	for (size_t at = 0; at < tiles->len; at += group) {
		const unsigned char *p = (const unsigned char *)tiles->p + at;
		size_t n = tiles->len - at < group ? tiles->len - at : group;
		put64(sum, group_sum(p, n, at / group, index));
		buf_add(out, p, n);
		buf_add(out, sum, sizeof sum);
	}
}

/* The bytes that so many tiles take in an index. */
static uint64_t tiles_size(uint64_t tiles)
{
	return tiles * HASH_SIZE + (tiles + TILES - 1) / TILES * 8;
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
	size_t start = out->len, table = FIXED + x->table.len + sizeof sum;
	size_t width = (x->blocks + 7) / 8, filter, group;
	struct buf rows = {0};

	out->failed |=
	    x->table.failed || x->sizes.failed || x->filters.failed || x->tiles.failed;
	if (out->failed)
		return;
	filter = filter_size(x, h->seal.end);
	group = group_rows((uint32_t)filter * 8, width) * width;
	if (!filter || !rows_make(x, filter, width, &rows)) {
		out->failed = true;
		return;
	}
	size_t tiles = x->tiles.len / HASH_SIZE;
	size_t size =
	    table + rows.len + rows.len / group * sizeof sum + (size_t)tiles_size(tiles);
	put32(p, MAGIC);
	put32(p + 4, (uint32_t)(size - 8));
	memcpy(p + 8, TAG, 8);
	put32(p + 16, VERSION);
	memcpy(p + 24, h->id, ID_SIZE);
	put64(p + 40, h->first_seq);
	put32(p + 48, x->blocks);
	put32(p + 52, x->kinds);
	put64(p + 56, filter * 8);
	put64(p + 64, tiles);
	buf_add(out, p, sizeof p);
	buf_add(out, x->table.p, x->table.len);
	if (!out->failed) {
		put64(sum, hash64(out->p + start, out->len - start));
		buf_add(out, sum, sizeof sum);
		rows_write(out, &rows, group, get64(sum));
		tiles_write(out, &x->tiles, get64(sum));
	}
	buf_free(&rows);
	index_frame(x, size, 0);
	seek_table_write(x, out);
	out->failed |= x->seek.failed;
}

void index_builder_free(struct index_builder *x)
{
	buf_free(&x->table);
	buf_free(&x->sizes);
	buf_free(&x->filters);
	buf_free(&x->seek);
	buf_free(&x->tiles);
	*x = (struct index_builder){0};
}

/* ---- Reading ---- */

/* Whether the entries are of blocks in this segment, in ascending order.  A walk along
 * them then always makes progress, whatever else is wrong. */
static bool entries_ascend(const struct index *x, const struct segment *s)
{
	const struct seal *seal = &s->header.seal;
	struct block b,
	    before = {.offset = s->header.size - 1, .first_seq = s->first_seq - 1};

	for (uint32_t i = 0; i < x->blocks; i++, before = b) {
		index_entry(x, i, &b);
		if (b.offset <= before.offset || b.first_seq <= before.first_seq)
			return false;
	}
	index_entry(x, 0, &b);
	return b.offset == s->header.size && b.first_seq == s->first_seq &&
	       before.offset == seal->block && before.first_seq <= seal->last_seq;
}

/* Decodes the fields before the table.  Returns how many blocks there are; 0 if p is not
 * an index of this segment. */
static uint32_t fixed_take(
    struct index *x, const struct segment *s, const unsigned char *p, uint64_t *bits)
{
	uint32_t version = get32(p + 16);

	if (get32(p) != MAGIC || memcmp(p + 8, TAG, 8) != 0 ||
	    memcmp(p + 24, s->header.id, ID_SIZE) != 0 || get64(p + 40) != s->first_seq)
		return 0;
	if (version == 2) {
		x->fixed = FIXED_2;
		x->kinds = FILTER_KINDS_1;
		*bits = get64(p + 48);
		return get32(p + 20);
	}
	if (version != VERSION ||
	    understood(get32(p + 20), 0, (struct view){NULL, 0}) == UNDERSTOOD_NOT)
		return 0;
	x->fixed = FIXED;
	x->kinds = get32(p + 52);
	x->tiles = get64(p + 64);
	*bits = get64(p + 56);
	return get32(p + 48);
}

/* Whether p can be the start of this segment's index, with n bytes in the file from
 * there. */
static bool fixed_check(
    struct index *x, const struct segment *s, const unsigned char *p, uint64_t n)
{
	uint64_t size = (uint64_t)get32(p + 4) + 8, bits;
	uint32_t blocks = fixed_take(x, s, p, &bits);
	uint64_t table = (uint64_t)blocks * ENTRY;

	if (blocks == 0 || blocks > MOST || size > n || x->fixed + table + 8 > size ||
	    bits < 8 * FILTER_LEAST || bits > UINT32_MAX || (bits & (bits - 1)) ||
	    x->tiles > size / HASH_SIZE)
		return false;
	x->size = (uint32_t)size - 8;
	x->blocks = blocks;
	x->bits = (uint32_t)bits;
	x->width = ((size_t)x->blocks + 7) / 8;
	x->group = group_rows(x->bits, x->width);
	x->rows = x->at + x->fixed + table + 8;
	x->tiles_at = x->rows + bits / x->group * (x->group * x->width + 8);
	return x->tiles_at - x->at + tiles_size(x->tiles) == size;
}

/* Reads all but the rows.  Returns EVLOG_END if it is not a valid index of this
 * segment. */
static int table_read(
    struct index *x, const struct segment *s, uint64_t n, evlog_error *err)
{
	unsigned char p[FIXED];

	if (n < FIXED + 8)
		return EVLOG_END;
	ssize_t got = file_pread(x->fd, p, sizeof p, x->at);
	if (got < 0)
		return error_sys(err, "%s", s->path);
	if (got < FIXED || !fixed_check(x, s, p, n))
		return EVLOG_END;
	size_t table = (size_t)(x->rows - x->at);
	x->table = malloc(table + x->group * x->width + 8);
	if (!x->table)
		return error_memory(err);
	x->rows_read = x->table + table;
	got = file_pread(x->fd, x->table, table, x->at);
	if (got < 0)
		return error_sys(err, "%s", s->path);
	bool whole = (size_t)got == table && memcmp(x->table, p, x->fixed) == 0 &&
		     get64(x->rows_read - 8) == hash64(x->table, table - 8);
	return whole && entries_ascend(x, s) ? 0 : EVLOG_END;
}

/* Reads the rows of group g, valid until the next call; NULL if damaged or unreadable. */
static const unsigned char *group_at(const struct index *x, size_t g)
{
	size_t size = x->group * x->width;
	unsigned char *p = x->rows_read;

	if (file_pread(x->fd, p, size + 8, x->rows + g * (size + 8)) !=
	    (ssize_t)(size + 8))
		return NULL;
	return get64(p + size) == group_sum(p, size, g, get64(p - 8)) ? p : NULL;
}

/* Adds the blocks that may contain a key to *found; row is scratch.  false: damaged. */
static bool key_find(
    const struct index *x, uint64_t key, unsigned char *row, unsigned char *found)
{
	memset(row, 0xff, x->width);
	for (uint32_t i = 0; i < FILTER_PROBES; i++) {
		uint32_t bit = filter_probe(key, i) % x->bits;
		const unsigned char *p = group_at(x, bit / x->group);
		if (!p)
			return false;
		p += bit % x->group * x->width;
		for (size_t k = 0; k < x->width; k++)
			row[k] &= p[k];
	}
	for (size_t k = 0; k < x->width; k++)
		found[k] |= row[k];
	return true;
}

/* Keeps in x->found only blocks that may contain one of the keys; with no keys, keeps
 * all. */
static bool keys_find(struct index *x, const uint64_t *key, size_t n, unsigned char *row,
    unsigned char *any)
{
	bool whole = true;

	memset(any, n ? 0 : 0xff, x->width);
	for (size_t i = 0; i < n && whole; i++)
		whole = key_find(x, key[i], row, any);
	for (size_t k = 0; k < x->width; k++)
		x->found[k] &= any[k];
	return whole;
}

/* Returns EVLOG_END if a row that is needed is damaged. */
static int index_search(struct index *x, const struct filter_wanted *w, evlog_error *err)
{
	unsigned char *row = malloc(3 * x->width);

	if (!row)
		return error_memory(err);
	x->found = memset(row, 0xff, x->width);
	row += x->width;
	bool whole = true;
	for (enum key_kind kind = 0; whole && kind < KEY_KINDS; kind++)
		if (x->kinds & KEY_IN(kind))
			whole = keys_find(
			    x, w->of[kind].key, w->of[kind].n, row, row + x->width);
	return whole ? 0 : EVLOG_END;
}

int index_open(struct index *x, const struct segment *s, const struct filter_wanted *w,
    evlog_error *err)
{
	uint64_t at = s->header.seal.end;
	struct stat st;

	*x = (struct index){.fd = s->fd, .at = at};
	if (fstat(s->fd, &st) < 0)
		return error_sys(err, "%s", s->path);
	int r = (uint64_t)st.st_size <= at
		    ? EVLOG_END
		    : table_read(x, s, (uint64_t)st.st_size - at, err);
	if (!r && w)
		r = index_search(x, w, err);
	x->open = !r;
	if (r)
		index_close(x);
	return r;
}

int index_tiles(
    const struct index *x, uint64_t from, uint64_t to, struct buf *out, evlog_error *err)
{
	unsigned char p[TILES * HASH_SIZE + 8];

	if (from > to || to > x->tiles)
		return EVLOG_END;
	for (uint64_t g = from / TILES; g * TILES < to; g++) {
		uint64_t left = x->tiles - g * TILES;
		size_t size = (left < TILES ? (size_t)left : TILES) * HASH_SIZE;
		if (file_pread(x->fd, p, size + 8, x->tiles_at + g * sizeof p) !=
			(ssize_t)(size + 8) ||
		    get64(p + size) !=
			group_sum(p, size, (size_t)g, get64(x->rows_read - 8)))
			return EVLOG_END;
		uint64_t first = from > g * TILES ? from - g * TILES : 0;
		uint64_t last = to - g * TILES < TILES ? to - g * TILES : TILES;
		buf_add(out, p + first * HASH_SIZE, (size_t)(last - first) * HASH_SIZE);
	}
	return out->failed ? error_memory(err) : 0;
}

void index_close(struct index *x)
{
	free(x->table);
	free(x->found);
	*x = (struct index){0};
}

/* Whether the file has exactly these bytes from `at` to its end. */
static bool file_ends_with(int fd, uint64_t at, const struct buf *want)
{
	char *there = malloc(want->len + 1);
	ssize_t n = there ? file_pread(fd, there, want->len + 1, at) : -1;
	bool same = n == (ssize_t)want->len && memcmp(there, want->p, want->len) == 0;

	free(there);
	return same;
}

bool index_ends(const struct index *x, struct index_builder *frames)
{
	size_t size = (size_t)x->size + 8;
	struct buf want = {0};

	for (size_t g = 0; g < x->bits / x->group; g++)
		if (!group_at(x, g))
			return false;
	int bad = index_tiles(x, 0, x->tiles, &want, NULL);
	want.len = 0;
	index_frame(frames, size, 0);
	seek_table_write(frames, &want);
	bool same = !bad && !want.failed && !frames->seek.failed &&
		    file_ends_with(x->fd, x->at + size, &want);
	buf_free(&want);
	return same;
}

void index_entry(const struct index *x, uint32_t i, struct block *b)
{
	const unsigned char *e = x->table + x->fixed + (size_t)i * ENTRY;

	*b = (struct block){.offset = get64(e),
	    .first_seq = get64(e + 8),
	    .first_logtime = (int64_t)get64(e + 16),
	    .last_logtime = (int64_t)get64(e + 24),
	    .least_time = (int64_t)get64(e + 32),
	    .greatest_time = (int64_t)get64(e + 40)};
}

bool index_match(const struct index *x, uint32_t i)
{
	return !x->found || (x->found[i / 8] & 1u << i % 8);
}

uint32_t index_next_match(const struct index *x, uint32_t i)
{
	while (i < x->blocks && !index_match(x, i))
		i = x->found[i / 8] >> i % 8 ? i + 1 : (i | 7) + 1;
	return i;
}

uint32_t index_find(const struct index *x, uint64_t seq)
{
	uint32_t low = 0, high = x->blocks;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		if (get64(x->table + x->fixed + (size_t)middle * ENTRY + 8) <= seq)
			low = middle;
		else
			high = middle;
	}
	return low;
}
