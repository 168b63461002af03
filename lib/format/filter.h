/* filter.h - Bloom filters: which types, subjects and so on a block may contain. */
#ifndef FORMAT_FILTER_H
#define FORMAT_FILTER_H

#include "base/buf.h"
#include "event/keys.h"

#define FILTER_PROBES 8
#define FILTER_LEAST  8 /* bytes */

/* The kinds of keys in filters.  Ids are not: there is one for each event. */
#define FILTER_KINDS   (KEYS_ALL & ~(KEY_IN(KEY_ID) | KEY_IN(KEY_DUE)))
#define FILTER_KINDS_1 (KEY_IN(KEY_TYPE) | KEY_IN(KEY_SUBJECT)) /* of evlog 0.1 */

/* The key of a text, given in plain bytes; for presence, the text is empty. */
uint64_t filter_key(enum key_kind kind, struct view text);

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

/* Gets the keys of a stored line, of these kinds; 0: it has none.  k: for scratch, and
 * `failed`. */
void filter_line_keys(struct filter_keys *k, const char *line, size_t len, uint32_t kinds,
    uint64_t key[KEY_KINDS]);
void filter_clear(struct filter_keys *k);
void filter_free(struct filter_keys *k);

/* Appends the filter of these keys to out; see evlog-format(5), "Filters".  Its size is a
 * power of two, or 0 if there are no keys. */
void filter_write(const struct filter_keys *k, struct buf *out);

/* The same with a limit of one's own, a power of two; that of filter_write lets it fit
 * into the header of a block. */
void filter_write_up_to(const struct filter_keys *k, size_t most, struct buf *out);

/* The same as an extension of a block header. */
void filter_extend(const struct filter_keys *k, struct buf *out);

/* Finds the filter among extensions, and which kinds of keys it has; empty if there is
 * none. */
struct view filter_find(struct view extensions, uint32_t *kinds);

/* Writes the filter to out in another size; both are powers of two.  A smaller one has
 * more false hits.  An empty filter excludes nothing, so it becomes all ones. */
void filter_resize(struct view filter, unsigned char *out, size_t size);

/* The bit that probe i < FILTER_PROBES of a key sets, modulo the bits of the filter. */
uint32_t filter_probe(uint64_t key, uint32_t i);

/* What a search wants: one of the n keys of each kind that has any. */
struct filter_wanted {
	struct {
		uint64_t *key;
		size_t n;
	} of[KEY_KINDS];
};

/* Returns false if no line of the block can match.  A filter excludes nothing if it is
 * empty, or by a kind of key that it does not have. */
bool filter_match(struct view filter, uint32_t kinds, const struct filter_wanted *w);

#endif
