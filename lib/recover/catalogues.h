/* catalogues.h - the catalogues of a log that can be used. */
#ifndef RECOVER_CATALOGUES_H
#define RECOVER_CATALOGUES_H

#include "format/catalogue.h"
#include "recover/log.h"

struct catalogues {
	struct catalogue *at; /* ascending */
	size_t n;
};

/* Opens those that say the same of the names of the segments as the list, which must be
 * up to date, and whose last root is the one with which the next segment begins: so they
 * are of these events.  Others are left out, like damaged ones, and those that overlap
 * another.  keep: keep their files open. */
int catalogues_open(
    struct catalogues *set, const struct log *l, bool keep, evlog_error *err);
void catalogues_close(struct catalogues *set);

/* Gets what is said of the segment with this first seq; NULL: nothing. */
const struct catalogue_segment *catalogues_find(
    struct catalogues *set, uint64_t first_seq, struct catalogue **of);

/* Whether the file of a segment is the one that is described, as far as its size shows
 * that: whoever rewrites a segment removes its catalogue first. */
bool catalogue_segment_is(const struct catalogue_segment *s, int dir_fd);

#endif
