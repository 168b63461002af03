/* filter.h - Bloom filters: which types and subjects a block may contain. */
#ifndef FORMAT_FILTER_H
#define FORMAT_FILTER_H

#include "base/buf.h"

#define FILTER_EXTENSION 3 /* type of the extension in a block header */
#define FILTER_PROBES	 8
#define FILTER_LEAST	 8 /* bytes */

enum filter_kind { FILTER_TYPE, FILTER_SUBJECT };

#define FILTER_KINDS_1 (1u << FILTER_TYPE | 1u << FILTER_SUBJECT) /* of evlog 0.1 */

/* The key of a type or subject given in plain bytes. */
uint64_t filter_key(enum filter_kind kind, struct view text);

/* A set of keys.  Zero-initialise. */
struct filter_keys {
	uint64_t *slot; /* open addressing; 0: empty */
	size_t n, cap;
	struct buf scratch;
	bool failed; /* out of memory */
};

/* Add a key, which must not be 0, or the keys of whole stored lines. */
void filter_add(struct filter_keys *k, uint64_t key);
void filter_add_lines(struct filter_keys *k, const char *p, size_t len);
void filter_clear(struct filter_keys *k);
void filter_free(struct filter_keys *k);

/* Appends the filter of these keys to out; see evlog-format(5), "Filters".  Its size is a
 * power of two, or 0 if there are no keys. */
void filter_write(const struct filter_keys *k, struct buf *out);

/* The same as an extension of a block header. */
void filter_extend(const struct filter_keys *k, struct buf *out);

/* Finds the filter among extensions; empty if there is none. */
struct view filter_find(struct view extensions);

/* Writes the filter to out in another size; both are powers of two.  A smaller one has
 * more false hits.  An empty filter excludes nothing, so it becomes all ones. */
void filter_resize(struct view filter, unsigned char *out, size_t size);

/* The bit that probe i < FILTER_PROBES of a key sets, modulo the bits of the filter. */
uint32_t filter_probe(uint64_t key, uint32_t i);

/* What a search wants: one of these types, if any are given, and one of these
 * subjects. */
struct filter_wanted {
	uint64_t *type, *subject;
	size_t types, subjects;
};

/* Returns false if no line of the block can match.  An empty filter excludes nothing. */
bool filter_match(struct view filter, const struct filter_wanted *w);

#endif
