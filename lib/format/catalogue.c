/*
 * catalogue.c - reads and writes catalogues.
 *
 * After a header come pages with a checksum each, so that a question reads only a few:
 * the filters of all segments on edge, one row for each bit; then the buckets of the ids,
 * and the ids, sorted by fingerprint.
 */
#include "format/catalogue.h"
#include "base/error.h"
#include "base/file.h"
#include "event/stamp.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TAG	    "evlogCAT"
#define VERSION	    2
#define SUFFIX	    ".catalogue"
#define FIXED	    72 /* bytes of a header before the segments */
#define ENTRY	    96 /* bytes of a segment */
#define BODY	    (CATALOGUE_PAGE - 8)
#define BUCKETS	    (BODY / 4) /* in a page */
#define FEW	    128	       /* ids in a bucket, at least; up to twice as many */
#define ROWS_MOST   (1u << 27)
#define BLOCKS_MOST (1u << 24)

_Static_assert(
    FIXED == 8 + 2 * 4 + 2 * 8 + 2 * 4 + 2 * 8 + 4 * 4, "evlog-format(5), Catalogues");
_Static_assert(ENTRY == 7 * 8 + 2 * 4 + HASH_SIZE, "evlog-format(5), Catalogues");

void catalogue_name(char out[CATALOGUE_NAME_SIZE], uint64_t first, uint64_t last)
{
	snprintf(
	    out, CATALOGUE_NAME_SIZE, "%016" PRIu64 "-%016" PRIu64 SUFFIX, first, last);
}

bool catalogue_name_read(const char *name, uint64_t *first, uint64_t *last)
{
	char again[CATALOGUE_NAME_SIZE];

	if (sscanf(name, "%16" SCNu64 "-%16" SCNu64, first, last) != 2 || *first == 0 ||
	    *first > *last || *last > SEQ_MAX)
		return false;
	catalogue_name(again, *first, *last);
	return strcmp(again, name) == 0;
}

/* ---- The layout ---- */

static uint64_t pages_of(uint64_t n, uint64_t each)
{
	return n / each + (n % each != 0);
}

static uint64_t rows_each(const struct catalogue *c)
{
	return BODY * 8 / c->columns;
}

/* Computes the rest from n, rows, ids and the segments, except for id_pages. */
static void layout(struct catalogue *c)
{
	c->columns = 1;
	while (c->columns < c->n)
		c->columns *= CATALOGUE_STEP;
	c->bucket_bits = 0;
	while (c->ids >> (c->bucket_bits + 1) >= FEW)
		c->bucket_bits++;
	c->code = id_code_for(c->ids, c->blocks);
	c->pages_at = FIXED + (uint64_t)c->n * ENTRY + 8;
	c->buckets_at = pages_of(c->rows, rows_each(c));
	c->ids_at =
	    c->buckets_at + pages_of((UINT64_C(1) << c->bucket_bits) + 1, BUCKETS);
}

static uint64_t pages_all(const struct catalogue *c)
{
	return c->ids_at + c->id_pages;
}

static uint64_t page_sum(const struct catalogue *c, uint64_t no, const unsigned char *p)
{
	return hash64(p, BODY) + no + c->sum;
}

/* ---- Reading ---- */

static const char *segments_take(struct catalogue *c, const unsigned char *p)
{
	uint64_t next = c->first;
	uint32_t base = 0;

	for (uint32_t i = 0; i < c->n; i++, p += ENTRY) {
		struct catalogue_segment *s = &c->at[i];
		s->first_seq = get64(p);
		s->last_seq = get64(p + 8);
		s->size = get64(p + 16);
		s->first_logtime = (int64_t)get64(p + 24);
		s->last_logtime = (int64_t)get64(p + 32);
		s->least_time = (int64_t)get64(p + 40);
		s->greatest_time = (int64_t)get64(p + 48);
		s->blocks = get32(p + 56);
		s->base = base;
		memcpy(s->root, p + 64, HASH_SIZE);
		if (s->first_seq != next || s->last_seq < s->first_seq ||
		    s->last_seq > c->last || s->blocks == 0 ||
		    s->blocks > BLOCKS_MOST - base)
			return "impossible segments";
		base += s->blocks;
		next = s->last_seq + 1;
	}
	c->blocks = base;
	return next == c->last + 1 ? NULL : "impossible segments";
}

/* The sum that makes pages belong to a header: that of the header as it was before the
 * number of id pages was known. */
static uint64_t header_sum(unsigned char *p, size_t n)
{
	uint32_t id_pages = get32(p + 68);

	put32(p + 68, 0);
	uint64_t sum = hash64(p, n);
	put32(p + 68, id_pages);
	return sum;
}

/* Decodes the n bytes of a header.  Returns NULL, or what is wrong. */
static const char *header_take(struct catalogue *c, unsigned char *p, size_t n)
{
	if (get64(p + n - 8) != hash64(p, n - 8))
		return "the checksum does not match";
	const char *why = segments_take(c, p + FIXED);
	if (why)
		return why;
	c->sum = header_sum(p, n - 8);
	c->kinds = get32(p + 36);
	c->rows = get64(p + 40);
	c->ids = get64(p + 48);
	if (c->rows > ROWS_MOST || (c->rows & (c->rows - 1)) || c->ids > UINT32_MAX)
		return "impossible sizes";
	layout(c);
	c->id_pages = get32(p + 68);
	return get32(p + 56) == c->columns && get32(p + 60) == c->bucket_bits &&
		       get32(p + 64) == c->code.block_bits
		   ? NULL
		   : "impossible sizes";
}

static int header_read(struct catalogue *c, evlog_error *err)
{
	unsigned char p[FIXED];
	struct stat st;

	if (fstat(c->fd, &st) < 0 || file_pread(c->fd, p, FIXED, 0) != FIXED ||
	    memcmp(p, TAG, 8) != 0 || get32(p + 8) != VERSION ||
	    understood(get32(p + 12), 0, (struct view){NULL, 0}) == UNDERSTOOD_NOT ||
	    get64(p + 16) != c->first || get64(p + 24) != c->last || get32(p + 32) == 0 ||
	    get32(p + 32) > CATALOGUE_MOST)
		return EVLOG_END;
	c->n = get32(p + 32);
	size_t size = FIXED + (size_t)c->n * ENTRY + 8;
	unsigned char *all = malloc(size);
	c->at = calloc(c->n, sizeof *c->at);
	if (!all || !c->at) {
		free(all);
		return error_memory(err);
	}
	bool whole = file_pread(c->fd, all, size, 0) == (ssize_t)size &&
		     memcmp(all, p, FIXED) == 0 && !header_take(c, all, size) &&
		     (uint64_t)st.st_size == c->pages_at + pages_all(c) * CATALOGUE_PAGE;
	free(all);
	return whole ? 0 : EVLOG_END;
}

static int file_open(struct catalogue *c)
{
	char name[CATALOGUE_NAME_SIZE];

	catalogue_name(name, c->first, c->last);
	c->fd = openat(c->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	return c->fd < 0 ? -1 : 0;
}

int catalogue_open(
    struct catalogue *c, int dir_fd, uint64_t first, uint64_t last, evlog_error *err)
{
	*c = (struct catalogue){.fd = -1, .dir_fd = dir_fd, .first = first, .last = last};
	c->page.no = c->ids_page.no = UINT64_MAX;
	if (file_open(c) < 0)
		return errno == ENOENT || errno == ELOOP ? EVLOG_END
							 : error_sys(err, "a catalogue");
	int r = header_read(c, err);
	if (r)
		catalogue_close(c);
	return r;
}

void catalogue_release(struct catalogue *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void catalogue_close(struct catalogue *c)
{
	catalogue_release(c);
	free(c->at);
	*c = (struct catalogue){.fd = -1};
}

/* Gets the body of a page, valid until the next call; NULL if damaged or unreadable. */
static const unsigned char *page_get(struct catalogue *c, uint64_t no)
{
	struct catalogue_page *page = no < c->ids_at ? &c->page : &c->ids_page;

	if (page->no == no)
		return page->p;
	page->no = UINT64_MAX;
	if (c->fd < 0 && file_open(c) < 0)
		return NULL;
	if (file_pread(c->fd, page->p, CATALOGUE_PAGE,
		c->pages_at + no * CATALOGUE_PAGE) != CATALOGUE_PAGE ||
	    get64(page->p + BODY) != page_sum(c, no, page->p))
		return NULL;
	page->no = no;
	return page->p;
}

bool catalogue_row(struct catalogue *c, uint64_t r, unsigned char row[CATALOGUE_MOST / 8])
{
	const unsigned char *p = page_get(c, r / rows_each(c));
	uint64_t bit = r % rows_each(c) * c->columns;

	if (!p)
		return false;
	if (c->columns < 8)
		row[0] = p[bit / 8] >> bit % 8 & 1;
	else
		memcpy(row, p + bit / 8, c->columns / 8);
	return true;
}

/* Clears the bits of segments that cannot have any of the keys. */
static bool keys_match(struct catalogue *c, const uint64_t *key, size_t n,
    unsigned char found[CATALOGUE_MOST / 8])
{
	unsigned char any[CATALOGUE_MOST / 8] = {0}, all[CATALOGUE_MOST / 8],
					   row[CATALOGUE_MOST / 8];
	size_t width = (c->columns + 7) / 8;

	for (size_t i = 0; i < n; i++) {
		memset(all, 0xff, width);
		for (uint32_t probe = 0; probe < FILTER_PROBES; probe++) {
			if (!catalogue_row(
				c, filter_probe(key[i], probe) & (c->rows - 1), row))
				return false;
			for (size_t k = 0; k < width; k++)
				all[k] &= row[k];
		}
		for (size_t k = 0; k < width; k++)
			any[k] |= all[k];
	}
	for (size_t k = 0; k < width; k++)
		found[k] &= any[k];
	return true;
}

bool catalogue_match(struct catalogue *c, const struct filter_wanted *w,
    unsigned char found[CATALOGUE_MOST / 8])
{
	memset(found, 0xff, CATALOGUE_MOST / 8);
	for (enum key_kind kind = 0; c->rows && kind < KEY_KINDS; kind++)
		if (kind != KEY_ID && c->kinds & KEY_IN(kind) && w->of[kind].n &&
		    !keys_match(c, w->of[kind].key, w->of[kind].n, found))
			return false;
	return true;
}

/* Gets the page in which the ids of bucket b begin. */
static bool bucket_page(struct catalogue *c, uint64_t b, uint64_t *page)
{
	const unsigned char *p = page_get(c, c->buckets_at + b / BUCKETS);

	if (p)
		*page = get32(p + b % BUCKETS * 4);
	return p && *page <= c->id_pages;
}

int id_next(
    struct catalogue *c, struct id_walk *w, uint64_t *fingerprint, uint32_t *block)
{
	while (w->page < c->id_pages) {
		const unsigned char *p = page_get(c, c->ids_at + w->page);
		if (!p)
			return EVLOG_EDAMAGED;
		if (!w->begun)
			id_first(p, &w->at);
		if (!w->begun && w->from)
			id_seek(&c->code, p, &w->at, w->from);
		w->begun = true;
		int r = id_take(&c->code, p, &w->at, fingerprint, block);
		if (r != EVLOG_END)
			return r || *block >= c->blocks ? EVLOG_EDAMAGED : 0;
		w->begun = false;
		w->page++;
	}
	return EVLOG_END;
}

bool id_search_begin(
    struct catalogue *c, struct id_search *s, uint64_t fingerprint, unsigned ignored)
{
	uint64_t bucket = fingerprint >> (ID_BITS - c->bucket_bits);

	*s = (struct id_search){.fingerprint = fingerprint,
	    .ignored = ignored,
	    .walk.from = fingerprint >> ignored << ignored};
	return bucket_page(c, bucket, &s->walk.page);
}

int id_search_next(struct catalogue *c, struct id_search *s, uint32_t *block)
{
	uint64_t found;
	int r;

	while ((r = id_next(c, &s->walk, &found, block)) == 0) {
		if (found >> s->ignored == s->fingerprint >> s->ignored)
			return 0;
		if (found >> s->ignored > s->fingerprint >> s->ignored)
			break;
	}
	s->walk.page = c->id_pages;
	return r ? r : EVLOG_END;
}

/* ---- Writing ---- */

/* A page being filled with numbers of equal width. */
struct filling {
	int fd;
	const struct catalogue *c;
	uint64_t no;
	unsigned char p[CATALOGUE_PAGE + 8];
	unsigned bits; /* filled */
	bool failed;
};

static void page_put(struct filling *f)
{
	put64(f->p + BODY, page_sum(f->c, f->no, f->p));
	f->failed |= file_pwrite(f->fd, f->p, CATALOGUE_PAGE,
			 f->c->pages_at + f->no * CATALOGUE_PAGE) < 0;
	f->no++;
	f->bits = 0;
	memset(f->p, 0, sizeof f->p);
}

/* Adds a number of up to 57 bits. */
static void number_put(struct filling *f, uint64_t v, unsigned width)
{
	if (f->bits + width > BODY * 8)
		page_put(f);
	unsigned char *p = f->p + f->bits / 8;
	put64(p, get64(p) | v << f->bits % 8);
	f->bits += width;
}

static void filling_end(struct filling *f)
{
	if (f->bits)
		page_put(f);
}

static int header_put(int fd, struct catalogue *c)
{
	size_t size = (size_t)c->pages_at;
	unsigned char *p = calloc(1, size);

	if (!p)
		return -1;
	unsigned char *e = p + FIXED;
	memcpy(p, TAG, 8);
	put32(p + 8, VERSION);
	put64(p + 16, c->first);
	put64(p + 24, c->last);
	put32(p + 32, c->n);
	put32(p + 36, c->kinds);
	put64(p + 40, c->rows);
	put64(p + 48, c->ids);
	put32(p + 56, c->columns);
	put32(p + 60, c->bucket_bits);
	put32(p + 64, c->code.block_bits);
	put32(p + 68, c->id_pages);
	for (uint32_t i = 0; i < c->n; i++, e += ENTRY) {
		const struct catalogue_segment *s = &c->at[i];
		put64(e, s->first_seq);
		put64(e + 8, s->last_seq);
		put64(e + 16, s->size);
		put64(e + 24, (uint64_t)s->first_logtime);
		put64(e + 32, (uint64_t)s->last_logtime);
		put64(e + 40, (uint64_t)s->least_time);
		put64(e + 48, (uint64_t)s->greatest_time);
		put32(e + 56, s->blocks);
		memcpy(e + 64, s->root, HASH_SIZE);
	}
	c->sum = header_sum(p, size - 8);
	put64(p + size - 8, hash64(p, size - 8));
	int r = file_pwrite(fd, p, size, 0);
	free(p);
	return r;
}

/* Writes the rows.  Returns false if there is one that could not be had. */
static bool rows_put(struct filling *f, const struct catalogue_source *from)
{
	const struct catalogue *c = f->c;
	unsigned char row[CATALOGUE_MOST / 8];

	for (uint64_t r = 0; r < c->rows; r++) {
		if (!from->row(from->arg, r, row))
			return false;
		if (c->columns < 8) {
			number_put(f, row[0] & 1, 1);
			continue;
		}
		if (f->bits + c->columns > BODY * 8)
			page_put(f);
		memcpy(f->p + f->bits / 8, row, c->columns / 8);
		f->bits += c->columns;
	}
	filling_end(f);
	return true;
}

/* Writes the buckets and the ids side by side. */
static bool ids_put(
    struct filling *buckets, struct filling *ids, const struct catalogue_source *from)
{
	const struct catalogue *c = ids->c;
	const unsigned rest = ID_BITS - c->bucket_bits;
	uint64_t begun = 0, fingerprint; /* buckets */
	struct id_place at = {0};
	uint32_t block;

	for (uint64_t i = 0; i < c->ids; i++) {
		if (!from->id(from->arg, &fingerprint, &block))
			return false;
		if (!id_put(&c->code, ids->p, &at, fingerprint, block)) {
			page_put(ids);
			at = (struct id_place){0};
			id_put(&c->code, ids->p, &at, fingerprint, block);
		}
		for (; begun <= fingerprint >> rest; begun++)
			number_put(buckets, ids->no - c->ids_at, 32);
	}
	if (at.n)
		page_put(ids);
	for (; begun <= UINT64_C(1) << c->bucket_bits; begun++)
		number_put(buckets, ids->no - c->ids_at, 32);
	filling_end(buckets);
	return true;
}

int catalogue_write(int fd, struct catalogue *c, const struct catalogue_source *from)
{
	c->blocks = 0;
	for (uint32_t i = 0; i < c->n; i++)
		c->blocks += c->at[i].blocks;
	layout(c);
	assert(c->n <= CATALOGUE_MOST);
	c->id_pages = 0;
	if (header_put(fd, c) < 0) /* its sum is in the pages */
		return -1;
	struct filling rows = {.fd = fd, .c = c},
		       ids = {.fd = fd, .c = c, .no = c->ids_at},
		       buckets = {.fd = fd, .c = c, .no = c->buckets_at};
	if (!rows_put(&rows, from) || !ids_put(&buckets, &ids, from))
		return 1;
	c->id_pages = (uint32_t)(ids.no - c->ids_at);
	return rows.failed || buckets.failed || ids.failed || header_put(fd, c) < 0 ? -1
										    : 0;
}
