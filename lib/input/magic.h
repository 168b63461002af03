/* magic.h - the bytes that compressed data begins with.
 *
 * 1: data that begins with these n bytes is of the kind; 0: it is not; -1: more bytes are
 * needed to tell. */
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
