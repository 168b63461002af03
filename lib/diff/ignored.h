/* ignored.h - members of events that do not count in a comparison. */
#ifndef DIFF_IGNORED_H
#define DIFF_IGNORED_H

#include "base/buf.h"
#include "json/path.h"

#define IGNORED_MOST 64

/* Zero-initialise. */
struct ignored {
	struct json_path *at[IGNORED_MOST];
	size_t n;
	uint64_t met;	/* bit i: an event had at[i] */
	unsigned stamp; /* members that are the stamp: 2 or 0 */
	struct buf text;
};

/* Parses at most IGNORED_MOST paths.  EVLOG_EUSAGE: one is not a path to a member. */
int ignored_parse(
    struct ignored *x, const char *const *paths, size_t n, evlog_error *err);
void ignored_free(struct ignored *x);

/* Gets the text of an event without its stamp and these members; valid until the next
 * call.  EVLOG_EDATA: it is not a JSON object. */
int ignored_apply(
    struct ignored *x, const struct evlog_event *e, struct view *rest, evlog_error *err);

#endif
