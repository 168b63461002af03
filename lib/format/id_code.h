/* id_code.h - how a page of a catalogue has ids: their fingerprints, which ascend, in an
 * Elias-Fano code, each with the number of a block. */
#ifndef FORMAT_ID_CODE_H
#define FORMAT_ID_CODE_H

#include <stdbool.h>
#include <stdint.h>

/* The fingerprint of an id: 35 bits of the id, then 2 of the source. */
#define ID_BITS	  37
#define ID_SOURCE 2 /* bits */
uint64_t id_fingerprint(uint64_t id_key, uint64_t source_key);

#define ID_BODY 1016 /* bytes of a page */

/* The widths, which depend on how many ids and blocks there are. */
struct id_code {
	unsigned low_bits;   /* of a fingerprint */
	unsigned block_bits; /* of the number of a block */
};

/* ids: at most UINT32_MAX; blocks: at most 2^24. */
struct id_code id_code_for(uint64_t ids, uint64_t blocks);

/* A place in a page.  Zero-initialise to write. */
struct id_place {
	unsigned n;    /* ids before it */
	unsigned bit;  /* of the high parts */
	uint64_t high; /* the high part there, */
	uint64_t base; /* counted from the first fingerprint of the page */
};

/* Adds an id to a page, which is all zeros at first.  The fingerprints ascend.  Returns
 * false if there is no room. */
bool id_put(const struct id_code *c, unsigned char body[ID_BODY], struct id_place *at,
    uint64_t fingerprint, uint32_t block);

/* Goes to the first id of a page. */
void id_first(const unsigned char body[ID_BODY], struct id_place *at);

/* Goes on, as far as that is quick, over ids of a page with a lesser fingerprint. */
void id_seek(const struct id_code *c, const unsigned char body[ID_BODY],
    struct id_place *at, uint64_t fingerprint);

/* Takes the next id.  Returns EVLOG_END after the last one, EVLOG_EDAMAGED if the page
 * cannot be right. */
int id_take(const struct id_code *c, const unsigned char body[ID_BODY],
    struct id_place *at, uint64_t *fingerprint, uint32_t *block);

#endif
