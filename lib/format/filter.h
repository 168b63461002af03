/* filter.h - which types and subjects a block may hold: a Bloom filter. */
#ifndef FORMAT_FILTER_H
#define FORMAT_FILTER_H

#include "base/buf.h"

#define FILTER_EXTENSION 3 /* its type in a block header */
#define FILTER_PROBES	 8
#define FILTER_LEAST	 8 /* bytes */

enum filter_kind { FILTER_TYPE, FILTER_SUBJECT };

/* The key that stands for a type or subject (plain bytes). */
uint64_t filter_key(enum filter_kind kind, struct view text);

/* A set of keys.  Zero-initialise. */
struct filter_keys {
	uint64_t *slot; /* open addressing; 0: empty */
	size_t n, cap;
	struct buf scratch;
	bool failed; /* no memory */
};

/* Adds a key that is not 0, or those of whole stored lines. */
void filter_add(struct filter_keys *k, uint64_t key);
void filter_add_lines(struct filter_keys *k, const char *p, size_t len);
void filter_clear(struct filter_keys *k);
void filter_free(struct filter_keys *k);

/* Adds the filter of these keys to out: evlog-format(5), "Filters".  Its size is a power
 * of two, or 0. */
void filter_write(const struct filter_keys *k, struct buf *out);

/* The same as an extension of a block header. */
void filter_extend(const struct filter_keys *k, struct buf *out);

/* The filter among extensions; empty: there is none. */
struct view filter_find(struct view extensions);

/* The same filter in another size, in out; both are powers of two.  Smaller, it knows
 * less.  An empty one knows nothing: all bits are set. */
void filter_resize(struct view filter, unsigned char *out, size_t size);

/* Bit number `this`, modulo those of a filter, is set for a key, for i < FILTER_PROBES.
 */
uint32_t filter_probe(uint64_t key, uint32_t i);

/* Keys that are looked for: one of the types, if there are any, and one of the subjects.
 */
struct filter_wanted {
	uint64_t *type, *subject;
	size_t types, subjects;
};

/* false: no line behind this filter has them.  An empty one knows nothing. */
bool filter_match(struct view filter, const struct filter_wanted *w);

#endif
