/* magic.c - recognises compressed data by its first bytes. */
#include "input/magic.h"

#include <stdint.h>
#include <string.h>

static int begins_with(const unsigned char *p, size_t n, const char *magic, size_t len)
{
	size_t m = n < len ? n : len;

	return memcmp(p, magic, m) ? 0 : m == len ? 1 : -1;
}

int gzip_begins(const unsigned char *p, size_t n)
{
	return begins_with(p, n, "\x1f\x8b", 2);
}

/* zstd and lz4 share their skippable frames; an evlog segment begins with one. */
static int skippable_begins(const unsigned char *p, size_t n)
{
	if (n && (p[0] & 0xf0) != 0x50)
		return 0;
	return n < 2 ? -1 : begins_with(p + 1, n - 1, "\x2a\x4d\x18", 3);
}

int zstd_begins(const unsigned char *p, size_t n)
{
	int r = begins_with(p, n, "\x28\xb5\x2f\xfd", 4);

	return r ? r : skippable_begins(p, n);
}

int xz_begins(const unsigned char *p, size_t n)
{
	return begins_with(p, n,
	    "\xfd"
	    "7zXZ",
	    6);
}

/* lzma has no magic.  Like liblzma and file(1), look for plausible settings and sizes. */
int lzma_begins(const unsigned char *p, size_t n)
{
	static const unsigned char unknown[] = {255, 255, 255, 255, 255, 255, 255, 255};

	if (n < 13)
		return n && p[0] != 0x5d ? 0 : -1;
	uint32_t dictionary = (uint32_t)p[1] | (uint32_t)p[2] << 8 |
			      (uint32_t)p[3] << 16 | (uint32_t)p[4] << 24;
	return p[0] == 0x5d && dictionary >= 4096 && !(dictionary & 0xfff) &&
	       (memcmp(p + 5, unknown, 8) == 0 || !(p[10] | p[11] | p[12]));
}

/* The magic alone is text, so also require a first block, or the end of an empty
 * stream. */
int bzip2_begins(const unsigned char *p, size_t n)
{
	int level = begins_with(p, n, "BZh", 3);

	if (level <= 0)
		return level;
	if (n < 10)
		return n > 3 && (p[3] < '1' || p[3] > '9') ? 0 : -1;
	return p[3] >= '1' && p[3] <= '9' &&
	       (memcmp(p + 4, "1AY&SY", 6) == 0 ||
		   memcmp(p + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0);
}

int lz4_begins(const unsigned char *p, size_t n)
{
	int r = begins_with(p, n, "\x04\x22\x4d\x18", 4);

	return r ? r : skippable_begins(p, n);
}

int lzip_begins(const unsigned char *p, size_t n)
{
	int version_0 = begins_with(p, n, "LZIP\0", 5);

	return version_0 ? version_0 : begins_with(p, n, "LZIP\1", 5);
}

int compress_begins(const unsigned char *p, size_t n)
{
	return begins_with(p, n, "\x1f\x9d", 2);
}
