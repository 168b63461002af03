/*
 * catalogue.c - makes catalogues of sealed segments: one for each segment, and, when
 * there are enough of one size, a larger one in place of them.
 *
 * Like sealing, this needs no lock, because sealed segments do not change.  Whoever does
 * change one removes its catalogue first.
 */
#include "base/error.h"
#include "base/file.h"
#include "base/os.h"
#include "recover/catalogues.h"
#include "write/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STREAM	   (384u << 10) /* bytes to read ahead */
#define BLOCK_BITS 24		/* of a number in `ids` */
#define WORK_NAME  "new-catalogue"
#define LOCK_NAME  "catalogue-lock" /* there while somebody makes catalogues */

/* ---- The file ---- */

static int unlink_one(
    const struct log *l, uint64_t first, uint64_t last, evlog_error *err)
{
	char name[CATALOGUE_NAME_SIZE];

	catalogue_name(name, first, last);
	return unlinkat(l->dir_fd, name, 0) < 0 && errno != ENOENT
		   ? error_sys(err, "%s/%s", l->path, name)
		   : 0;
}

/* Writes a catalogue.  The caller has the lock.  EVLOG_END: done without it, because its
 * source is damaged, or there is too much for one. */
static int file_make(const struct log *l, struct catalogue *c,
    const struct catalogue_source *from, evlog_error *err)
{
	char name[CATALOGUE_NAME_SIZE];
	struct stat head;
	int fd;

	if (fstatat(l->dir_fd, "head", &head, AT_SYMLINK_NOFOLLOW) < 0)
		return error_sys(err, "%s/head", l->path);
	const struct permissions p = permissions_of(&head);
	unlinkat(l->dir_fd, WORK_NAME, 0); /* perhaps of somebody else, who was killed */
	int r = work_file_open(l, WORK_NAME, &fd, err);
	if (r)
		return r;
	catalogue_name(name, c->first, c->last);
	int written = catalogue_write(fd, c, from);
	if (written < 0 || (!written && (permissions_give(fd, p) < 0 || os_sync(fd) < 0)))
		r = error_sys(err, "%s/" WORK_NAME, l->path);
	else if (written)
		r = EVLOG_END;
	else if (renameat(l->dir_fd, WORK_NAME, l->dir_fd, name) < 0)
		r = error_sys(err, "%s/%s", l->path, name);
	if (r)
		unlinkat(l->dir_fd, WORK_NAME, 0);
	close(fd);
	return r;
}

int catalogues_remove(const struct log *l, uint64_t first, evlog_error *err)
{
	struct log fresh = {.dir_fd = l->dir_fd, .path = l->path};
	bool any = false;

	int r = log_list(&fresh, err);
	for (size_t i = 0; i < fresh.n_catalogues && !r; i++) {
		const struct catalogue_span *s = &fresh.catalogues[i];
		if (first < s->first || first > s->last)
			continue;
		r = unlink_one(l, s->first, s->last, err);
		any = true;
	}
	free(fresh.segments);
	free(fresh.catalogues);
	if (!r && any && os_sync(l->dir_fd) < 0)
		r = error_sys(err, "%s", l->path);
	return r;
}

/* ---- Of one segment ---- */

struct collected {
	uint64_t *ids; /* fingerprint, then the number of the block */
	size_t n, cap, at;
	struct filter_keys keys;
	struct buf filter;
};

static bool collected_row(void *arg, uint64_t r, unsigned char row[CATALOGUE_MOST / 8])
{
	const struct collected *x = arg;

	row[0] = (unsigned char)x->filter.p[r / 8] >> r % 8 & 1;
	return true;
}

static bool collected_id(void *arg, uint64_t *fingerprint, uint32_t *block)
{
	struct collected *x = arg;
	uint64_t v = x->ids[x->at++];

	*fingerprint = v >> BLOCK_BITS;
	*block = (uint32_t)(v & ((1u << BLOCK_BITS) - 1));
	return true;
}

/* Sorts by one byte after the other. */
static bool ids_sort(struct collected *x)
{
	uint64_t *other = malloc((x->n + 1) * sizeof *other);

	if (!other)
		return false;
	for (unsigned shift = 0; shift < 64; shift += 8) {
		size_t start[257] = {0};
		for (size_t i = 0; i < x->n; i++)
			start[(x->ids[i] >> shift & 0xff) + 1]++;
		if (x->n && start[(x->ids[0] >> shift & 0xff) + 1] == x->n)
			continue; /* it is the same in all */
		for (size_t k = 1; k < 257; k++)
			start[k] += start[k - 1];
		for (size_t i = 0; i < x->n; i++)
			other[start[x->ids[i] >> shift & 0xff]++] = x->ids[i];
		for (size_t i = 0; i < x->n; i++)
			x->ids[i] = other[i];
	}
	free(other);
	return true;
}

static bool line_collect(
    struct collected *x, uint32_t block, const char *line, size_t len)
{
	uint64_t key[KEY_KINDS];

	filter_line_keys(&x->keys, line, len, KEYS_ALL, key);
	for (enum key_kind kind = 0; kind < KEY_KINDS; kind++)
		if (key[kind] && kind != KEY_ID)
			filter_add(&x->keys, key[kind]);
	if (!key[KEY_ID])
		return !x->keys.failed;
	if (x->n == x->cap && !array_grow(&x->ids, &x->cap, sizeof *x->ids))
		return false;
	x->ids[x->n++] =
	    id_fingerprint(key[KEY_ID], key[KEY_SOURCE]) << BLOCK_BITS | block;
	return !x->keys.failed;
}

static void block_note(struct catalogue_segment *s, const struct block *b)
{
	if (s->blocks++ == 0) {
		s->first_logtime = b->first_logtime;
		s->least_time = b->least_time;
		s->greatest_time = b->greatest_time;
	}
	s->last_logtime = b->last_logtime;
	if (b->least_time < s->least_time)
		s->least_time = b->least_time;
	if (b->greatest_time > s->greatest_time)
		s->greatest_time = b->greatest_time;
}

static int segment_collect(struct collected *x, struct segment *seg,
    struct block_codec *codec, struct catalogue_segment *s, evlog_error *err)
{
	uint64_t at = seg->header.size, end = seg->header.seal.end;
	struct evlog_event event;
	struct buf lines = {0};
	struct block b;
	int r = 0;

	while (at < end) {
		r = segment_block(seg, at, end, STREAM, &b, err);
		if (!r)
			r = segment_unpack(seg, codec, &b, &lines, err);
		struct evlog_lines rest = {.p = lines.p, .len = lines.len};
		while (!r && evlog_lines_take(&rest, &event))
			if (!line_collect(x, s->blocks, event.line, event.len))
				r = error_memory(err);
		if (!r && s->blocks + 1 >= 1u << BLOCK_BITS)
			r = EVLOG_END; /* done without */
		if (r)
			break;
		block_note(s, &b);
		at = block_end(&b);
	}
	buf_free(&lines);
	return r;
}

/* The largest power of two up to n, but at least FILTER_LEAST. */
static size_t filter_most(uint64_t n)
{
	size_t most = FILTER_LEAST;

	while (2 * most <= n)
		most *= 2;
	return most;
}

static int catalogue_make(
    const struct log *l, uint64_t first, struct block_codec *codec, evlog_error *err)
{
	struct collected x = {0};
	struct catalogue_segment s = {.first_seq = first};
	struct segment seg;
	struct stat st;

	int r = segment_open(&seg, l->dir_fd, l->path, first, NULL, false, err);
	if (!r && (!segment_is_sealed(&seg) || seg.header.version < SEGMENT_VERSION))
		r = EVLOG_END;
	if (!r && fstat(seg.fd, &st) < 0)
		r = error_sys(err, "%s", seg.path);
	if (!r)
		r = segment_collect(&x, &seg, codec, &s, err);
	if (!r && !ids_sort(&x))
		r = error_memory(err);
	if (!r) {
		/* a byte for each event, so that it stays small */
		s.last_seq = seg.header.seal.last_seq;
		filter_write_up_to(
		    &x.keys, filter_most(s.last_seq - first + 1), &x.filter);
		s.size = (uint64_t)st.st_size;
		memcpy(s.root, seg.header.seal.root, HASH_SIZE);
		struct catalogue c = {.first = first,
		    .last = s.last_seq,
		    .n = 1,
		    .at = &s,
		    .kinds = FILTER_KINDS,
		    .rows = x.filter.len * 8,
		    .ids = x.n};
		struct catalogue_source from = {&x, collected_row, collected_id};
		r = x.filter.failed ? error_memory(err) : file_make(l, &c, &from, err);
	}
	segment_close(&seg);
	free(x.ids);
	filter_free(&x.keys);
	buf_free(&x.filter);
	return r;
}

/* ---- Of several ---- */

struct merge {
	struct catalogue *of[CATALOGUE_STEP];
	struct {
		struct id_walk walk;
		uint64_t fingerprint;
		uint32_t base, block;
		bool there;
	} id[CATALOGUE_STEP];
};

static bool merged_row(void *arg, uint64_t r, unsigned char row[CATALOGUE_MOST / 8])
{
	struct merge *m = arg;
	unsigned char one[CATALOGUE_MOST / 8];
	uint32_t columns = m->of[0]->columns;

	memset(row, 0, CATALOGUE_MOST / 8);
	for (uint32_t i = 0; i < CATALOGUE_STEP; i++) {
		struct catalogue *c = m->of[i];
		if (!catalogue_row(c, r & (c->rows - 1), one))
			return false;
		if (columns == 1)
			row[i / 8] |= (unsigned char)(one[0] << i % 8);
		else
			memcpy(row + i * columns / 8, one, columns / 8);
	}
	return true;
}

static bool id_advance(struct merge *m, uint32_t i)
{
	int r = id_next(m->of[i], &m->id[i].walk, &m->id[i].fingerprint, &m->id[i].block);

	m->id[i].there = r == 0;
	return r == 0 || r == EVLOG_END;
}

static bool merged_id(void *arg, uint64_t *fingerprint, uint32_t *block)
{
	struct merge *m = arg;
	uint32_t least = CATALOGUE_STEP;

	for (uint32_t i = 0; i < CATALOGUE_STEP; i++)
		if (m->id[i].there &&
		    (least == CATALOGUE_STEP ||
			m->id[i].fingerprint < m->id[least].fingerprint))
			least = i;
	if (least == CATALOGUE_STEP)
		return false;
	*fingerprint = m->id[least].fingerprint;
	*block = m->id[least].base + m->id[least].block;
	return id_advance(m, least);
}

/* Fills in what the catalogues have together.  Returns false if they cannot be merged. */
static bool merge_begin(struct merge *m, struct catalogue *c)
{
	uint64_t blocks = 0;

	c->kinds = FILTER_KINDS;
	c->rows = 1;
	for (uint32_t i = 0; i < CATALOGUE_STEP; i++) {
		const struct catalogue *of = m->of[i];
		m->id[i].base = (uint32_t)blocks;
		if (of->rows == 0 || !id_advance(m, i))
			return false;
		memcpy(c->at + c->n, of->at, of->n * sizeof *of->at);
		c->n += of->n;
		c->ids += of->ids;
		c->kinds &= of->kinds;
		c->rows = of->rows > c->rows ? of->rows : c->rows;
		blocks += of->blocks;
	}
	return c->ids <= UINT32_MAX && blocks < UINT64_C(1) << BLOCK_BITS;
}

/* Makes one catalogue of CATALOGUE_STEP that follow each other, and removes them. */
static int catalogues_merge(
    const struct log *l, struct catalogue *first, evlog_error *err)
{
	struct merge *m = calloc(1, sizeof *m);
	struct catalogue c = {.first = first[0].first,
	    .last = first[CATALOGUE_STEP - 1].last,
	    .at = calloc(CATALOGUE_MOST, sizeof *c.at)};
	struct catalogue_source from = {m, merged_row, merged_id};
	int r = 0;

	for (uint32_t i = 0; m && i < CATALOGUE_STEP; i++)
		m->of[i] = &first[i];
	if (!m || !c.at)
		r = error_memory(err);
	else if (!merge_begin(m, &c))
		r = EVLOG_END;
	else
		r = file_make(l, &c, &from, err);
	if (!r && os_sync(l->dir_fd) < 0)
		r = error_sys(err, "%s", l->path);
	for (uint32_t i = 0; i < CATALOGUE_STEP; i++) {
		catalogue_release(&first[i]);
		if (!r)
			r = unlink_one(l, first[i].first, first[i].last, err);
	}
	free(c.at);
	free(m);
	return r;
}

/* Whether this many catalogues from `c` on are of one size, and follow each other. */
static bool is_run(const struct catalogues *set, size_t at)
{
	const struct catalogue *c = &set->at[at];

	if (at + CATALOGUE_STEP > set->n || c->n >= CATALOGUE_MOST)
		return false;
	for (size_t i = 1; i < CATALOGUE_STEP; i++)
		if (c[i].n != c->n || c[i].first != c[i - 1].last + 1)
			return false;
	return true;
}

/* ---- A log ---- */

/* Removes what cannot be used: damaged, not of these segments, or inside another. */
static int useless_remove(const struct log *l, struct catalogues *set, evlog_error *err)
{
	struct catalogue *c;
	int r = 0;

	for (size_t i = 0; i < l->n_catalogues && !r; i++) {
		const struct catalogue_span *s = &l->catalogues[i];
		bool good = catalogues_find(set, s->first, &c) && c->last == s->last;
		for (uint32_t k = 0; good && k < c->n; k++)
			good = catalogue_segment_is(&c->at[k], l->dir_fd);
		if (!good)
			r = unlink_one(l, s->first, s->last, err);
	}
	return r;
}

/* Lists the log again and opens its catalogues. */
static int list_again(struct log *l, struct catalogues *set, evlog_error *err)
{
	catalogues_close(set);
	int r = log_list(l, err);
	return r ? r : catalogues_open(set, l, false, err);
}

/* Makes up to CATALOGUE_STEP that are missing, from segment *i of the list on. */
static int some_make(struct log *l, struct catalogues *set, size_t *i,
    struct block_codec *codec, evlog_error *err)
{
	struct catalogue *of;
	evlog_error why;
	unsigned made = 0;
	int r = 0;

	for (; !r && made < CATALOGUE_STEP && *i + 1 < l->n &&
	       l->segments[*i] < l->head.segment;
	     ++*i) {
		if (catalogues_find(set, l->segments[*i], &of))
			continue;
		r = catalogue_make(l, l->segments[*i], codec, &why);
		made += r == 0;
		if (r == EVLOG_EIO)
			*err = why;
		else
			r = 0; /* of damage, others tell */
	}
	return r;
}

/* Merges all runs. */
static int runs_merge(struct log *l, struct catalogues *set, evlog_error *err)
{
	int r = list_again(l, set, err);

	for (size_t i = 0; !r && i < set->n; i++) {
		if (!is_run(set, i))
			continue;
		r = catalogues_merge(l, &set->at[i], err);
		if (r == EVLOG_END) { /* they cannot be merged */
			i += CATALOGUE_STEP - 1;
			r = 0;
		} else if (!r) {
			r = list_again(l, set, err);
			i = SIZE_MAX; /* perhaps it completes a larger run */
		}
	}
	return r;
}

static int update_locked(struct log *l, struct block_codec *codec, evlog_error *err)
{
	struct catalogues set = {0};
	size_t i = 0;

	int r = list_again(l, &set, err);
	if (!r)
		r = useless_remove(l, &set, err);
	if (!r)
		r = list_again(l, &set, err);
	while (!r && i + 1 < l->n && l->segments[i] < l->head.segment) {
		r = some_make(l, &set, &i, codec, err);
		if (!r)
			r = runs_merge(l, &set, err);
	}
	catalogues_close(&set);
	return r;
}

/* If two processes did this at once, each would merge around what the other one has not
 * made yet. */
int catalogues_update(struct log *l, struct block_codec *codec, evlog_error *err)
{
	struct stat head;
	int fd;

	int r = work_file_open(l, LOCK_NAME, &fd, err);
	if (r) /* another process has it, or another user had, and was killed */
		return r == EVLOG_END || r == EVLOG_EPERM ? 0 : r;
	if (fstatat(l->dir_fd, "head", &head, AT_SYMLINK_NOFOLLOW) == 0)
		permissions_give(fd, permissions_of(&head));
	r = update_locked(l, codec, err);
	unlinkat(l->dir_fd, LOCK_NAME, 0);
	close(fd);
	return r;
}
