/* hash.h - SHA-256 from nettle, XXH3 from libxxhash. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdbool.h>
#include <nettle/sha2.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_SIZE 32

/* SHA-256 of the parts, concatenated. */
struct hash_part {
	const void *p;
	size_t len;
};
void sha256(const struct hash_part *parts, size_t n, unsigned char out[HASH_SIZE]);

/* The same for bytes that come in pieces. */
struct sha256_stream {
	struct sha256_ctx state;
};
void sha256_begin(struct sha256_stream *s);
void sha256_add(struct sha256_stream *s, const void *p, size_t n);
void sha256_end(struct sha256_stream *s, unsigned char out[HASH_SIZE]);

/* XXH3, 64 bits, no seed. */
uint64_t hash64(const void *p, size_t n);

/* XXH3 with a random seed for each process: for tables in memory, so that nobody can
 * choose keys that collide.  Never write the result to a file. */
uint64_t hash_table(const void *p, size_t n);

/* Writes 64 lower-case digits and a NUL. */
void hash_hex(const unsigned char h[HASH_SIZE], char out[65]);

/* Writes n bytes as 2n lower-case digits and a NUL. */
void hex_write(char *out, const unsigned char *p, size_t n);

/* Whether all bytes are zero, which stands for no hash. */
bool hash_is_none(const unsigned char h[HASH_SIZE]);

/* Reads n bytes from 2n digits.  false: there are others among them. */
bool hex_read(unsigned char *out, const char *digits, size_t n);

#endif
