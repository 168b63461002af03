/*
 * unpack.c - the bytes of compressed files and archives.
 *
 * libarchive decides by content what a file is; over what it delivers there may be
 * another one, for a compressed member of an archive.
 */
#include "base/input.h"
#include "base/error.h"
#include "base/libarchive.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static la_ssize_t outer_read(struct archive *a, void *arg, const void **p)
{
	struct evlog_input *in = arg;

	*p = in->chunk;
	if (in->head_len) {
		size_t n = in->head_len;
		memcpy(in->chunk, in->head, n);
		in->head_len = 0;
		return (la_ssize_t)n;
	}
	ssize_t r = input_read(in, in->chunk, INPUT_CHUNK);
	if (r < 0) {
		in->sys = errno;
		in->la->archive_set_error(a, errno, "%s", strerror(errno));
	}
	return r;
}

static la_int64_t outer_seek(struct archive *a, void *arg, la_int64_t offset, int whence)
{
	struct evlog_input *in = arg;
	off_t r = lseek(in->fd, offset, whence);

	if (r >= 0)
		return r;
	in->sys = errno;
	in->la->archive_set_error(a, errno, "%s", strerror(errno));
	return ARCHIVE_FATAL;
}

static la_ssize_t inner_read(struct archive *a, void *arg, const void **p)
{
	struct evlog_input *in = arg;
	la_int64_t offset;
	size_t n = 0;

	for (;;) {
		int r = in->la->archive_read_data_block(in->outer, p, &n, &offset);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r < ARCHIVE_WARN) {
			in->la->archive_set_error(a, in->la->archive_errno(in->outer),
			    "%s", in->la->archive_error_string(in->outer));
			return -1;
		}
		if (n)
			return (la_ssize_t)n;
	}
}

/* false: no memory.  A format may be supported less well, with a warning. */
static bool filters_support(const struct libarchive *la, struct archive *a)
{
	bool good = a != NULL;

#define X(name) good = good && la->name(a) > ARCHIVE_FAILED;
	LIBARCHIVE_FILTERS(X)
	return good;
}

static bool formats_support(const struct libarchive *la, struct archive *a, bool seekable)
{
	bool good = true;

	LIBARCHIVE_TAR(X)
	if (seekable) {
		LIBARCHIVE_FORMATS(X)
	}
#undef X
	return good;
}

static int archive_failed(
    const struct evlog_input *in, struct archive *a, evlog_error *err)
{
	const char *why = in->la->archive_error_string(a);

	if (in->sys || !why ||
	    in->la->archive_errno(a) == ENOMEM) { /* bad data has a reason */
		errno = in->sys ? in->sys : ENOMEM;
		return error_sys(err, "%s", in->name.p);
	}
	return error_set(err, EVLOG_EDATA, "%s: %s", in->name.p, why);
}

static int inner_open(struct evlog_input *in, evlog_error *err)
{
	struct archive_entry *e;

	in->inner = in->la->archive_read_new();
	if (!filters_support(in->la, in->inner))
		return error_memory(err);
	int r = in->la->archive_read_open(in->inner, in, NULL, inner_read, NULL);
	if (r == ARCHIVE_OK)
		r = in->la->archive_read_next_header(in->inner, &e);
	if (r == ARCHIVE_EOF)
		in->eof = true;
	else if (r < ARCHIVE_WARN)
		return archive_failed(in, in->inner, err);
	return 0;
}

int unpack_next(struct evlog_input *in, evlog_error *err)
{
	struct archive_entry *e;

	if (in->inner)
		in->la->archive_read_free(in->inner);
	in->inner = NULL;
	for (;;) {
		int r = in->la->archive_read_next_header(in->outer, &e);
		if (r == ARCHIVE_EOF) {
			in->done = true;
			return 0;
		}
		if (r < ARCHIVE_WARN)
			return archive_failed(in, in->outer, err);
		if (in->la->archive_entry_filetype(e) != AE_IFDIR)
			break;
	}
	in->eof = false;
	in->line = 0;
	if (in->la->archive_format(in->outer) == ARCHIVE_FORMAT_RAW)
		return input_name(in, NULL, err);
	int r = input_name(in, in->la->archive_entry_pathname(e), err);
	return r ? r : inner_open(in, err);
}

int unpack_open(struct evlog_input *in, bool seekable, evlog_error *err)
{
	const struct libarchive *la = in->la = libarchive();

	if (!la)
		return error_set(err, EVLOG_EIO,
		    "%s: libarchive, which reads such files, cannot be loaded", in->path);
	struct archive *a = in->outer = la->archive_read_new();
	in->chunk = malloc(INPUT_CHUNK);
	if (!in->chunk || !filters_support(la, a) || !formats_support(la, a, seekable))
		return error_memory(err);
	if (seekable)
		la->archive_read_set_seek_callback(a, outer_seek);
	la->archive_read_set_callback_data(a, in);
	la->archive_read_set_read_callback(a, outer_read);
	if (la->archive_read_open1(a) != ARCHIVE_OK)
		return archive_failed(in, a, err);
	return unpack_next(in, err);
}

int unpack_more(struct evlog_input *in, evlog_error *err)
{
	struct archive *a = in->inner ? in->inner : in->outer;
	const void *p = NULL;
	size_t n = 0;
	la_int64_t offset;

	int r = in->la->archive_read_data_block(a, &p, &n, &offset);
	if (r == ARCHIVE_EOF) {
		in->eof = true;
		return 0;
	}
	if (r < ARCHIVE_WARN)
		return archive_failed(in, a, err);
	buf_add(&in->data, p, n);
	return in->data.failed ? error_memory(err) : 0;
}

void unpack_close(struct evlog_input *in)
{
	if (in->inner)
		in->la->archive_read_free(in->inner);
	if (in->outer)
		in->la->archive_read_free(in->outer);
	free(in->chunk);
}
