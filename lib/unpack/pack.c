/* pack.c - makes tar files with libarchive. */
#include "unpack/pack.h"
#include "base/error.h"
#include "input/frames.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>

#define NAME_MOST 4096

struct packing {
	struct stage s;
	struct archive *a;
	struct archive_entry *entry;
	struct buf made;
	uint64_t left; /* bytes of the member that are yet to come */
	bool ended;
};

static int failed(struct packing *k, evlog_error *err)
{
	const char *why = archive_error_string(k->a);

	if (k->made.failed || archive_errno(k->a) == ENOMEM)
		return error_memory(err);
	return error_set(err, EVLOG_EDATA, "%s: cannot be packed: %s", k->s.name,
	    why ? why : "libarchive gives no reason");
}

static la_ssize_t callback_write(struct archive *a, void *arg, const void *p, size_t n)
{
	struct packing *k = arg;

	(void)a;
	buf_add(&k->made, p, n);
	return k->made.failed ? -1 : (la_ssize_t)n;
}

static int member_begin(struct packing *k, const char *name, size_t n, uint64_t size,
    int64_t time, evlog_error *err)
{
	char text[NAME_MOST + 1];

	memcpy(text, name, n);
	text[n] = '\0';
	archive_entry_clear(k->entry);
	archive_entry_set_pathname(k->entry, text);
	archive_entry_set_filetype(k->entry, AE_IFREG);
	archive_entry_set_perm(k->entry, 0644);
	archive_entry_set_size(k->entry, (la_int64_t)size);
	archive_entry_set_mtime(k->entry, (time_t)(time / 1000000), 0);
	k->left = size;
	return archive_write_header(k->a, k->entry) == ARCHIVE_OK ? 0 : failed(k, err);
}

/* Reads what describes the next member. */
static int member_next(struct packing *k, evlog_error *err)
{
	struct stage *below = k->s.below;

	int r = stage_look(below, PACKED_FIXED, false, err);
	if (r)
		return r;
	if (below->len < PACKED_FIXED)
		return error_set(err, EVLOG_EDATA, "%s: cut off", k->s.name);
	uint64_t size = get64(below->p), time = get64(below->p + 8);
	size_t n = get32(below->p + 16);
	stage_take(below, PACKED_FIXED);
	if (n == 0) {
		k->ended = true;
		return archive_write_close(k->a) == ARCHIVE_OK ? 0 : failed(k, err);
	}
	if (n > NAME_MOST || size > INT64_MAX)
		return error_set(err, EVLOG_EDATA, "%s: no such member", k->s.name);
	r = stage_look(below, n, false, err);
	if (r)
		return r;
	if (below->len < n)
		return error_set(err, EVLOG_EDATA, "%s: cut off", k->s.name);
	r = member_begin(k, below->p, n, size, (int64_t)time, err);
	stage_take(below, n);
	return r;
}

static int member_take(struct packing *k, evlog_error *err)
{
	struct stage *below = k->s.below;

	int r = stage_fill(below, err);
	if (r)
		return r;
	size_t n = below->len < k->left ? below->len : (size_t)k->left;
	if (n == 0)
		return error_set(err, EVLOG_EDATA, "%s: cut off", k->s.name);
	if (archive_write_data(k->a, below->p, n) != (la_ssize_t)n)
		return failed(k, err);
	stage_take(below, n);
	k->left -= n;
	return 0;
}

static int packing_read(struct stage *s, evlog_error *err)
{
	struct packing *k = (struct packing *)s;
	int r = 0;

	k->made.len = 0;
	while (!r && !k->made.len && !k->ended)
		r = k->left ? member_take(k, err) : member_next(k, err);
	s->p = k->made.p;
	s->len = r ? 0 : k->made.len;
	return r;
}

static void packing_close(struct stage *s)
{
	struct packing *k = (struct packing *)s;

	archive_entry_free(k->entry);
	archive_write_free(k->a);
	buf_free(&k->made);
	free(k);
}

int pack_new(struct stage **s, struct stage *below, evlog_error *err)
{
	struct packing *k = calloc(1, sizeof *k);
	int r = 0;

	*s = NULL;
	if (!k)
		return error_memory(err);
	k->s = (struct stage){.below = below,
	    .name = below->name,
	    .read = packing_read,
	    .close = packing_close};
	k->a = archive_write_new();
	k->entry = archive_entry_new();
	if (!k->a || !k->entry)
		r = error_memory(err);
	else if (archive_write_set_format_pax_restricted(k->a) != ARCHIVE_OK ||
		 archive_write_set_bytes_in_last_block(k->a, 1) != ARCHIVE_OK ||
		 archive_write_open(k->a, k, NULL, callback_write, NULL) != ARCHIVE_OK)
		r = failed(k, err);
	if (r)
		packing_close(&k->s);
	else
		*s = &k->s;
	return r;
}
