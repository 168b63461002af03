/* archive.c - reads archives, and the rarer compressions, with libarchive. */
#include "unpack/archive.h"
#include "base/error.h"
#include "unpack/whole.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct reading {
	struct stage s;
	struct archive *a;
	int fd;	     /* -1: `below` cannot seek */
	bool filter; /* a decompressor; false: delivers the members of an archive */
	evlog_error failed; /* error of the stage below; code 0: none */
	uint64_t given;	    /* offset in `below` after the bytes given to libarchive */
	uint64_t used;	    /* offset after the last byte that is not zero */
	int64_t size;	    /* of the member; < 0: unknown */
	int64_t at;	    /* bytes of the member so far */
	bool checked;	    /* whole_check was called, */
	uint64_t entries;   /* and found this many entries, or WHOLE_ANY */
	uint64_t met;	    /* entries read so far */
};

/* ---- What libarchive reads ---- */

/* Takes all bytes that `below` has ready, and records where the last one that is not zero
 * was.  Returns EVLOG_END at the end. */
static int below_next(struct reading *r, const char **p, size_t *len, evlog_error *err)
{
	struct stage *below = r->s.below;
	int res = stage_fill(below, err);

	if (res)
		return res;
	*p = below->p;
	*len = below->len;
	stage_take(below, *len);
	for (size_t i = *len; i > 0; i--)
		if ((*p)[i - 1]) {
			if (r->given + i > r->used)
				r->used = r->given + i;
			break;
		}
	r->given += *len;
	return *len ? 0 : EVLOG_END;
}

static la_ssize_t callback_read(struct archive *a, void *arg, const void **p)
{
	struct reading *r = arg;
	const char *bytes = "";
	size_t len = 0;

	if (below_next(r, &bytes, &len, &r->failed) < 0) {
		archive_set_error(a, EIO, "%s", r->failed.reason);
		return -1;
	}
	*p = bytes;
	return (la_ssize_t)len;
}

static la_int64_t callback_seek(
    struct archive *a, void *arg, la_int64_t offset, int whence)
{
	struct reading *r = arg;
	struct stage *below = r->s.below;
	off_t to = lseek(r->fd, offset, whence);

	if (to < 0) {
		error_sys(&r->failed, "%s", below->name);
		archive_set_error(a, errno, "%s", strerror(errno));
		return ARCHIVE_FATAL;
	}
	below->len = 0;
	below->end = false;
	r->given = (uint64_t)to;
	return to;
}

/* ---- Errors ---- */

static int failed(struct reading *r, evlog_error *err)
{
	const char *why = archive_error_string(r->a);

	r->s.wrong = why && strcasestr(why, "crc");
	if (r->failed.code) {
		*err = r->failed;
		return err->code;
	}
	if (archive_errno(r->a) == ENOMEM)
		return error_memory(err);
	if (!why)
		why = "damaged or truncated (libarchive gives no reason)";
	bool said = strcasestr(why, "truncated") || strcasestr(why, "damaged") ||
		    strcasestr(why, "support") || strcasestr(why, "encrypt");
	return error_set(err, EVLOG_EDATA, "%s: %s%.*s", r->s.name,
	    said ? "" : "damaged: ", (int)strcspn(why, "\n"), why);
}

/* A warning of libarchive means damage, except if it is about the character set of a
 * name. */
static bool harmless(const struct reading *r, int result)
{
	const char *why = archive_error_string(r->a);

	return result == ARCHIVE_OK ||
	       (result == ARCHIVE_WARN && why && strstr(why, "be converted"));
}

/* ---- Bytes ---- */

static int other_data(const struct reading *r, evlog_error *err)
{
	return error_set(err, EVLOG_EDATA, "%s: unexpected data after the end of the %s",
	    r->s.name, r->filter ? "compressed data" : "archive");
}

/* Reads `below` to its end.  If `exact`, data that libarchive has not used is an error,
 * unless it is zero bytes. */
static int rest_check(struct reading *r, bool exact, evlog_error *err)
{
	la_int64_t taken = archive_filter_bytes(r->a, r->filter ? -1 : 0);
	const char *p;
	size_t len;
	int res;

	while ((res = below_next(r, &p, &len, err)) == 0)
		;
	if (res < 0)
		return res;
	return exact && taken >= 0 && r->used > (uint64_t)taken ? other_data(r, err) : 0;
}

/* A tar file ends with blocks of zeros.  One without any was cut off between two
 * members. */
static int tar_check(struct reading *r, evlog_error *err)
{
	la_int64_t taken = archive_filter_bytes(r->a, 0);
	int res = rest_check(r, true, err);

	if (!res && taken >= 0 && r->used &&
	    (r->used + 511) / 512 + 1 > (uint64_t)taken / 512)
		return error_set(err, EVLOG_EDATA,
		    "%s: truncated: the tar file has no end mark", r->s.name);
	return res;
}

static int reading_read(struct stage *s, evlog_error *err)
{
	struct reading *r = (struct reading *)s;
	const void *p = NULL;
	size_t n = 0;
	la_int64_t offset = r->at;

	for (;;) {
		int res = archive_read_data_block(r->a, &p, &n, &offset);
		if (res == ARCHIVE_EOF && r->filter)
			return rest_check(r, true, err);
		if (res == ARCHIVE_EOF && r->size >= 0 && r->at != r->size)
			return error_set(err, EVLOG_EDATA,
			    "%s: truncated, or a sparse file, which is not supported",
			    s->name);
		if (res == ARCHIVE_EOF)
			return 0;
		if (res == ARCHIVE_OK && n && offset != r->at)
			return error_set(err, EVLOG_EDATA,
			    "%s: sparse files are not supported", s->name);
		if (res == ARCHIVE_OK || res == ARCHIVE_WARN) {
			s->p = p;
			s->len = p ? n : 0;
			r->at += (int64_t)s->len;
		}
		if (res != ARCHIVE_OK)
			return failed(r, err);
		if (s->len)
			return 0;
	}
}

/* ---- Members ---- */

/* The kind of a zip entry has no checksum: an entry that has data but is not a regular
 * file is damaged.  A symbolic link's data is its target. */
static int kind_check(struct reading *r, struct archive_entry *e, evlog_error *err)
{
	const char *target = archive_entry_symlink(e);
	const char *path = archive_entry_pathname(e);

	if ((archive_format(r->a) & ARCHIVE_FORMAT_BASE_MASK) != ARCHIVE_FORMAT_ZIP)
		return 0;
	if (archive_entry_size(e) <= 0 && !(target && strchr(target, '\n')))
		return 0;
	return error_set(err, EVLOG_EDATA,
	    "%s: damaged: %s has data but is not a regular file", r->s.name,
	    path ? path : "?");
}

/* Checks the end of an archive.  Formats with a directory at their end are read by
 * seeking, so what libarchive has used says nothing; whole.c checks two of them. */
static int end_check(struct reading *r, evlog_error *err)
{
	if (r->entries != WHOLE_ANY && r->met != r->entries)
		return error_set(err, EVLOG_EDATA,
		    "%s: damaged: only %" PRIu64 " of %" PRIu64 " entries were found",
		    r->s.name, r->met, r->entries);
	if ((archive_format(r->a) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR)
		return tar_check(r, err);
	return r->fd < 0 ? rest_check(r, false, err) : 0;
}

int archive_next(struct stage *s, const char **member, evlog_error *err)
{
	struct reading *r = (struct reading *)s;
	struct archive_entry *e;

	s->len = 0;
	s->end = false;
	r->at = 0;
	s->name = s->below->name;
	for (;;) {
		int res = archive_read_next_header(r->a, &e);
		if (!r->checked && r->fd >= 0 && res != ARCHIVE_FATAL) {
			int w = whole_check(
			    r->fd, archive_format(r->a), s->name, &r->entries, err);
			if (w)
				return w;
			r->checked = true;
		}
		if (res == ARCHIVE_EOF) {
			res = end_check(r, err);
			return res ? res : EVLOG_END;
		}
		if (!harmless(r, res))
			return failed(r, err);
		r->met++;
		r->size = archive_entry_size_is_set(e) ? archive_entry_size(e) : -1;
		*member = archive_format(r->a) == ARCHIVE_FORMAT_RAW
			      ? NULL
			      : archive_entry_pathname(e);
		if (archive_entry_filetype(e) == AE_IFREG || !*member)
			break;
		if ((res = kind_check(r, e, err)) != 0)
			return res;
	}
	if (!*member && archive_format(r->a) != ARCHIVE_FORMAT_RAW)
		*member = "?";
	return 0;
}

/* ---- Opening ---- */

static void reading_close(struct stage *s)
{
	struct reading *r = (struct reading *)s;

	if (r->a)
		archive_read_free(r->a);
	free(r);
}

typedef int support_fn(struct archive *);

static support_fn *const filters[] = {archive_read_support_format_raw,
    archive_read_support_format_empty, archive_read_support_filter_compress,
    archive_read_support_filter_lzip, NULL};
static support_fn *const streamed[] = {archive_read_support_format_raw,
    archive_read_support_format_empty, archive_read_support_format_tar, NULL};
/* formats that people use for logs, and whose end can be checked */
static support_fn *const seekable_too[] = {archive_read_support_format_raw,
    archive_read_support_format_empty, archive_read_support_format_tar,
    archive_read_support_format_7zip, archive_read_support_format_zip, NULL};

/* Returns false if out of memory.  A warning means only that a format has limited
 * support. */
static bool kinds_support(const struct reading *r)
{
	support_fn *const *kinds = r->filter	? filters
				   : r->fd >= 0 ? seekable_too
						: streamed;

	while (*kinds && (*kinds)(r->a) > ARCHIVE_FAILED)
		kinds++;
	return !*kinds;
}

static int reading_new(
    struct stage **s, struct stage *below, bool filter, int fd, evlog_error *err)
{
	struct reading *r = calloc(1, sizeof *r);
	int res = 0;

	*s = NULL;
	if (!r)
		return error_memory(err);
	*r = (struct reading){
	    .filter = filter, .fd = fd, .size = -1, .entries = WHOLE_ANY};
	r->s = (struct stage){.below = below,
	    .name = below->name,
	    .read = reading_read,
	    .close = reading_close};
	r->a = archive_read_new();
	if (!r->a || !kinds_support(r))
		res = error_memory(err);
	if (!res && fd >= 0)
		archive_read_set_seek_callback(r->a, callback_seek);
	if (!res) {
		archive_read_set_callback_data(r->a, r);
		archive_read_set_read_callback(r->a, callback_read);
		if (archive_read_open1(r->a) != ARCHIVE_OK)
			res = failed(r, err);
	}
	if (res)
		reading_close(&r->s);
	else
		*s = &r->s;
	return res;
}

int archive_filter_new(struct stage **s, struct stage *below, evlog_error *err)
{
	struct archive_entry *e;
	int r = reading_new(s, below, true, -1, err);

	if (r)
		return r;
	struct reading *made = (struct reading *)*s;
	int res = archive_read_next_header(made->a, &e);
	if (res == ARCHIVE_OK || res == ARCHIVE_EOF)
		return 0;
	r = failed(made, err);
	reading_close(*s);
	*s = NULL;
	return r;
}

int archive_new(struct stage **s, struct stage *below, int fd, evlog_error *err)
{
	return reading_new(s, below, false, fd, err);
}
