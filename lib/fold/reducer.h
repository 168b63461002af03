/* reducer.h - reducers: NAME=FUNC(PATH){FILTER}. */
#ifndef FOLD_REDUCER_H
#define FOLD_REDUCER_H

#include "json/decimal.h"
#include "event/where.h"
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

struct reducer {
	char *text, *name; /* text: as given */
	enum func func;
	struct json_path *path; /* NULL: the whole event (count) */
	size_t slot;		/* of the path */
	struct where where;	/* all of these must hold */
};

bool reducer_is(const char *word);

/* Parses a reducer.  Returns EVLOG_EUSAGE, with the reason in err. */
int reducer_parse(struct reducer *r, const char *text, evlog_error *err);
void reducer_free(struct reducer *r);

/* What a reducer has accumulated.  Zero-initialise. */
struct accumulator {
	uint64_t count;
	int kind;	       /* min, max: kind of the values */
	struct decimal number; /* sum, avg; min, max of numbers */
	int64_t time;	       /* min, max of times, to the microsecond */
	/* min, max, first, last: the value; list, set: the values, separated by commas */
	struct buf text;
	struct value *tree; /* merge, patch */
	struct seen *seen;  /* set: the elements */
};

/* Adds a value.  Returns NULL, or why it cannot be used; sets *failed if out of
 * memory. */
const char *accumulate(
    const struct reducer *r, struct accumulator *a, struct json_text value, bool *failed);

/* Appends the result as JSON. */
void accumulator_write(
    struct buf *b, const struct reducer *r, const struct accumulator *a);
void accumulator_free(struct accumulator *a);

#endif
