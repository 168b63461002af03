/* magic.h - recognises compressed data by its first bytes.
 *
 * Each function returns 1 if data that begins with these n bytes is of its kind, 0 if
 * not, and -1 if more bytes are needed to decide. */
#ifndef INPUT_MAGIC_H
#define INPUT_MAGIC_H

#include <stddef.h>

int gzip_begins(const unsigned char *p, size_t n);
int zstd_begins(const unsigned char *p, size_t n);
int xz_begins(const unsigned char *p, size_t n);
int lz4_begins(const unsigned char *p, size_t n);
int bzip2_begins(const unsigned char *p, size_t n);
int lzma_begins(const unsigned char *p, size_t n);
int lzip_begins(const unsigned char *p, size_t n);
int compress_begins(const unsigned char *p, size_t n);

#endif
