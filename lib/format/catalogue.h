/* catalogue.h - a catalogue of sealed segments: which of them may have certain keys, and
 * in which block each id is.  It is derived from them; evlog-format(5), "Catalogues",
 * specifies the bytes. */
#ifndef FORMAT_CATALOGUE_H
#define FORMAT_CATALOGUE_H

#include "format/filter.h"
#include "format/id_code.h"
#include "format/segment.h"

#define CATALOGUE_NAME_SIZE 56	 /* FIRST-LAST.catalogue and a NUL */
#define CATALOGUE_MOST	    256u /* segments */
#define CATALOGUE_STEP	    16u	 /* so many of one size make one of the next */

void catalogue_name(char out[CATALOGUE_NAME_SIZE], uint64_t first, uint64_t last);

/* Gets the first and last seq in a catalogue's name.  false: it is not such a name. */
bool catalogue_name_read(const char *name, uint64_t *first, uint64_t *last);

/* What a catalogue says of a segment. */
struct catalogue_segment {
	uint64_t first_seq, last_seq;
	uint64_t size;			     /* bytes of its file */
	int64_t first_logtime, last_logtime; /* of its events, and their times: */
	int64_t least_time, greatest_time;
	uint32_t blocks, base; /* base: blocks of the segments before it */
	unsigned char root[HASH_SIZE];
};

/* ---- Reading ---- */

#define CATALOGUE_PAGE (ID_BODY + 8) /* bytes, of which the last 8 are a checksum */

/* An open catalogue.  Its pages are read when they are needed. */
struct catalogue {
	int fd, dir_fd; /* fd -1: not open now; it is opened again for a page */
	uint64_t first, last;
	uint32_t n, blocks; /* segments; blocks of all of them */
	struct catalogue_segment *at;
	uint32_t kinds;	  /* of keys in the filters */
	uint32_t columns; /* bits of a row, one for each segment; a power of two */
	uint64_t rows;	  /* bits of a filter, a power of two; 0: there are none */
	uint64_t ids;
	struct id_code code;
	unsigned bucket_bits;
	uint64_t pages_at;	     /* offset of the first page: rows, */
	uint64_t buckets_at, ids_at; /* and the numbers of the first of these */
	uint32_t id_pages;
	uint64_t sum;		/* of the header without id_pages */
	struct catalogue_page { /* those that were read last: of the ids, and of the rest
				 */
		uint64_t no;
		unsigned char p[CATALOGUE_PAGE];
	} ids_page, page;
};

/* Opens a catalogue.  EVLOG_END: there is none, or it is damaged; other errors say
 * nothing about it.  catalogue_release closes only its descriptor. */
int catalogue_open(
    struct catalogue *c, int dir_fd, uint64_t first, uint64_t last, evlog_error *err);
void catalogue_release(struct catalogue *c);
void catalogue_close(struct catalogue *c);

/* Sets bit i of `found` if segment i may have what is wanted, except for ids.  Returns
 * false if that cannot be read. */
bool catalogue_match(struct catalogue *c, const struct filter_wanted *w,
    unsigned char found[CATALOGUE_MOST / 8]);

/* A walk over ids.  Zero-initialise to get all of them. */
struct id_walk {
	uint64_t from; /* those with a lesser fingerprint may be left out */
	uint64_t page; /* counted from the first of the ids */
	bool begun;    /* `at` is in it */
	struct id_place at;
};

/* Gets the next id; they ascend by fingerprint, then block.  EVLOG_END: there is none.
 * EVLOG_EDAMAGED: the catalogue is damaged. */
int id_next(
    struct catalogue *c, struct id_walk *w, uint64_t *fingerprint, uint32_t *block);

/* Where to look for an id. */
struct id_search {
	uint64_t fingerprint;
	unsigned ignored; /* so many low bits of it do not count */
	struct id_walk walk;
};

/* Begins a search; ignored: ID_SOURCE if the source does not count, else 0.  Returns
 * false if the catalogue is damaged. */
bool id_search_begin(
    struct catalogue *c, struct id_search *s, uint64_t fingerprint, unsigned ignored);

/* Gets the next block that may have the id, counted over all segments.  EVLOG_END: there
 * is none.  EVLOG_EDAMAGED: the catalogue is damaged. */
int id_search_next(struct catalogue *c, struct id_search *s, uint32_t *block);

/* Gets row r of the filters, `columns` bits.  Returns false if it cannot be read. */
bool catalogue_row(
    struct catalogue *c, uint64_t r, unsigned char row[CATALOGUE_MOST / 8]);

/* ---- Writing ---- */

/* Where the writer gets its content.  Both return false on failure. */
struct catalogue_source {
	void *arg;
	/* Gets row r of the filters. */
	bool (*row)(void *arg, uint64_t r, unsigned char row[CATALOGUE_MOST / 8]);
	/* Gets the next id; they ascend by fingerprint, then block. */
	bool (*id)(void *arg, uint64_t *fingerprint, uint32_t *block);
};

/* Writes a catalogue to fd.  c: first, last, n, at, kinds, rows and ids are set.  Returns
 * 0; -1 with errno; or 1 if the source has failed, or there is too much for one. */
int catalogue_write(int fd, struct catalogue *c, const struct catalogue_source *from);

#endif
