/*
 * whole.c - checks that a zip or 7z file is complete.
 *
 * Both have a directory at or near their end.  libarchive looks for that of a zip in the
 * last 16 KiB of the file, and for its entries after that.  So it misses an entry with a
 * damaged signature, bytes after the directory, an archive before the last one, and one
 * of two entries that point to the same place.  This file checks that the directory ends
 * where the file does, begins where its end record says, and has as many entries as that
 * says.
 */
#include "unpack/whole.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"

#include <archive.h>
#include <stdlib.h>
#include <sys/stat.h>

#define END_SIZE     22u /* of the end record of a zip, without its comment */
#define END_LONGEST  (END_SIZE + 65535u)
#define ENTRY_SIZE   46u /* of an entry, without its name and other variable parts */
#define LOCATOR_SIZE 20u
#define END64_SIZE   56u

struct directory {
	uint64_t entries, size, offset;
	uint64_t end; /* where it must end in the file */
};

static int not_whole(const char *name, const char *why, evlog_error *err)
{
	return error_set(err, EVLOG_EDATA, "%s: damaged: %s", name, why);
}

/* Returns 1, 0 if the file is too short, or -1 with errno. */
static int piece(int fd, char *p, size_t n, uint64_t at)
{
	ssize_t r = file_pread(fd, p, n, at);

	return r < 0 ? -1 : (size_t)r == n;
}

/* In zip64, a further record between the directory and the end record describes the
 * directory. */
static int directory64(int fd, struct directory *d)
{
	bool needed =
	    d->entries == 0xffff || d->size == UINT32_MAX || d->offset == UINT32_MAX;
	char p[END64_SIZE];

	int r =
	    d->end < LOCATOR_SIZE ? 0 : piece(fd, p, LOCATOR_SIZE, d->end - LOCATOR_SIZE);
	if (r < 0)
		return r;
	if (r == 0 || memcmp(p, "PK\6\7", 4) != 0)
		return !needed;
	uint64_t at = get64(p + 8);
	r = at <= d->end ? piece(fd, p, sizeof p, at) : 0;
	if (r <= 0 || memcmp(p, "PK\6\6", 4) != 0 ||
	    get64(p + 4) != d->end - LOCATOR_SIZE - at - 12)
		return r < 0 ? r : 0;
	*d = (struct directory){get64(p + 32), get64(p + 40), get64(p + 48), at};
	return 1;
}

/* Finds the last end record whose comment ends at the end of the file, not counting zero
 * bytes there. */
static int directory_find(int fd, uint64_t size, struct directory *d)
{
	size_t n = size < END_LONGEST ? (size_t)size : END_LONGEST, used;
	char *p = malloc(n + 1);
	int r = p ? piece(fd, p, n, size - n) : -1;

	for (used = n; r > 0 && used && !p[used - 1];)
		used--;
	bool found = false;
	for (size_t i = n; r > 0 && !found && i-- > 0;) {
		if (n - i < END_SIZE || memcmp(p + i, "PK\5\6", 4) != 0)
			continue;
		size_t end = i + END_SIZE + get16(p + i + 20);
		found = end <= n && end >= used;
		*d = (struct directory){get16(p + i + 10), get32(p + i + 12),
		    get32(p + i + 16), size - n + i};
	}
	free(p);
	if (r <= 0 || !found)
		return r < 0 ? r : 0;
	return directory64(fd, d);
}

static int zip_check(
    int fd, uint64_t size, const char *name, uint64_t *entries, evlog_error *err)
{
	struct directory d;
	char p[ENTRY_SIZE];
	int r = directory_find(fd, size, &d);

	if (r > 0 && (d.offset > d.end || d.end - d.offset != d.size))
		r = 0;
	uint64_t at = d.offset;
	for (uint64_t i = 0; r > 0 && i < d.entries; i++) {
		r = d.end - at < sizeof p ? 0 : piece(fd, p, sizeof p, at);
		if (r > 0 && memcmp(p, "PK\1\2", 4) != 0)
			r = 0;
		uint64_t n = ENTRY_SIZE;
		if (r > 0)
			n += get16(p + 28) + get16(p + 30) + get16(p + 32);
		if (r > 0 && n > d.end - at)
			r = 0;
		at += n;
	}
	if (r < 0)
		return error_sys(err, "%s", name);
	if (r == 0 || at != d.end)
		return not_whole(name,
		    "the zip directory is incomplete, or followed by other data", err);
	*entries = d.entries;
	return 0;
}

/* Only zero bytes may follow. */
static int zeros_check(
    int fd, uint64_t at, uint64_t size, const char *name, evlog_error *err)
{
	char p[4096];

	while (at < size) {
		ssize_t n = file_pread(fd, p, sizeof p, at);
		if (n < 0)
			return error_sys(err, "%s", name);
		if (n == 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			if (p[i])
				return not_whole(
				    name, "unexpected data after the archive", err);
		at += (uint64_t)n;
	}
	return 0;
}

/* The first 32 bytes of a 7z file, which have a checksum, record where it ends. */
static int sevenzip_check(int fd, uint64_t size, const char *name, evlog_error *err)
{
	char p[32];
	int r = piece(fd, p, sizeof p, 0);

	if (r < 0)
		return error_sys(err, "%s", name);
	if (r == 0 || memcmp(p, "7z\xbc\xaf\x27\x1c", 6) != 0)
		return not_whole(name,
		    "the 7z archive does not start at the beginning of the file", err);
	uint64_t offset = get64(p + 12), length = get64(p + 20);
	if (offset > size || length > size || offset + length + sizeof p > size)
		return not_whole(name, "truncated", err);
	return zeros_check(fd, offset + length + sizeof p, size, name, err);
}

int whole_check(int fd, int format, const char *name, uint64_t *entries, evlog_error *err)
{
	struct stat st;

	*entries = WHOLE_ANY;
	format &= ARCHIVE_FORMAT_BASE_MASK;
	if (format != ARCHIVE_FORMAT_ZIP && format != ARCHIVE_FORMAT_7ZIP)
		return 0;
	if (fstat(fd, &st) < 0)
		return error_sys(err, "%s", name);
	return format == ARCHIVE_FORMAT_ZIP
		   ? zip_check(fd, (uint64_t)st.st_size, name, entries, err)
		   : sevenzip_check(fd, (uint64_t)st.st_size, name, err);
}
