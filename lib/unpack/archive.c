/* archive.c - archives, and the rarer compressions, by libarchive. */
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
	int fd;		    /* -1: what is below cannot go back */
	bool filter;	    /* decompresses; else the members of an archive */
	evlog_error failed; /* what is below has failed; code 0: it has not */
	uint64_t given;	    /* bytes given to libarchive, or where it went to */
	uint64_t used;	    /* after the last byte that is not zero */
	int64_t size;	    /* of the member; < 0: not known */
	int64_t at;	    /* bytes of the member so far */
	bool checked;	    /* whole_check has looked at it, */
	uint64_t entries;   /* and says that there are so many; or WHOLE_ANY */
	uint64_t met;	    /* entries so far */
};

/* ---- What libarchive reads ---- */

/* The next bytes from below, all that are there.  0, or 1 at the end. */
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

/* What libarchive warns of is damage, unless it is about the character set of a name. */
static bool harmless(const struct reading *r, int result)
{
	const char *why = archive_error_string(r->a);

	return result == ARCHIVE_OK ||
	       (result == ARCHIVE_WARN && why && strstr(why, "be converted"));
}

/* ---- Bytes ---- */

static int other_data(const struct reading *r, evlog_error *err)
{
	return error_set(err, EVLOG_EDATA, "%s: other data follows the end of the %s",
	    r->s.name, r->filter ? "compressed data" : "archive");
}

/* At the end: reads what is below to its end, too, and whether there is anything. */
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

/* A tar file ends with blocks of zeros: without one it was cut between two members. */
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
			    "%s: truncated, or a file with holes", s->name);
		if (res == ARCHIVE_EOF)
			return 0;
		if (res == ARCHIVE_OK && n && offset != r->at)
			return error_set(err, EVLOG_EDATA,
			    "%s: a file with holes cannot be read", s->name);
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

/* Zip does not check an entry's kind: if what is no regular file has data, its kind is
 * damaged.  A symbolic link's data is its target. */
static int kind_check(struct reading *r, struct archive_entry *e, evlog_error *err)
{
	const char *target = archive_entry_symlink(e);
	const char *path = archive_entry_pathname(e);

	if ((archive_format(r->a) & ARCHIVE_FORMAT_BASE_MASK) != ARCHIVE_FORMAT_ZIP)
		return 0;
	if (archive_entry_size(e) <= 0 && !(target && strchr(target, '\n')))
		return 0;
	return error_set(err, EVLOG_EDATA,
	    "%s: damaged: %s has data, but is no regular file", r->s.name,
	    path ? path : "?");
}

/* The end of the archive.  Some formats keep a directory at their end, and are read by
 * going back and forth: whole.c looks at two of these. */
static int end_check(struct reading *r, evlog_error *err)
{
	if (r->entries != WHOLE_ANY && r->met != r->entries)
		return error_set(err, EVLOG_EDATA,
		    "%s: damaged: %" PRIu64 " of %" PRIu64 " entries were found",
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
/* those that people put logs into, and whose end can be told */
static support_fn *const seekable_too[] = {archive_read_support_format_raw,
    archive_read_support_format_empty, archive_read_support_format_tar,
    archive_read_support_format_7zip, archive_read_support_format_zip, NULL};

/* false: no memory.  A format may be supported less well, with a warning. */
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
