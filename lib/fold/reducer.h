/* reducer.h - what is computed of events: NAME=FUNC(PATH){FILTER}. */
#ifndef FOLD_REDUCER_H
#define FOLD_REDUCER_H

#include "json/decimal.h"
#include "json/path.h"
#include "json/value.h"

enum func {
	FUNC_COUNT,
	FUNC_SUM,
	FUNC_MIN,
	FUNC_MAX,
	FUNC_AVG,
	FUNC_FIRST,
	FUNC_LAST,
	FUNC_LIST,
	FUNC_SET,
	FUNC_MERGE,
	FUNC_PATCH,
};

struct filter {
	struct json_path *path;
	size_t slot; /* of the path */
	char *glob;
	bool negated;
};

struct reducer {
	char *text, *name; /* text: as it was given */
	enum func func;
	struct json_path *path; /* NULL: the event itself (count) */
	size_t slot;		/* of the path */
	struct filter *filters; /* all must hold */
	size_t n_filters;
};

bool reducer_is(const char *word);

/* Reads one.  EVLOG_EUSAGE: err says what is wrong. */
int reducer_parse(struct reducer *r, const char *text, evlog_error *err);
void reducer_free(struct reducer *r);

/* What a reducer has of the values so far.  Zero-initialise. */
struct accumulator {
	uint64_t count;
	int kind;	       /* min, max: of what */
	struct decimal number; /* sum, avg; min, max of numbers */
	int64_t time;	       /* min, max of times, cut to the microsecond */
	struct buf
	    text; /* min, max, first, last: the value; list, set: joined by commas */
	struct value *tree; /* merge, patch */
	struct seen *seen;  /* set: what it has */
};

/* Takes in a value.  NULL, or why it cannot be used; *failed: no memory. */
const char *accumulate(
    const struct reducer *r, struct accumulator *a, struct json_text value, bool *failed);

/* Writes the result. */
void accumulator_write(
    struct buf *b, const struct reducer *r, const struct accumulator *a);
void accumulator_free(struct accumulator *a);

#endif
