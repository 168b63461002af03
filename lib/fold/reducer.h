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
	struct buf label;  /* {"NAME": or ,"NAME": for states */
	enum func func;
	struct json_path *path; /* NULL: the whole event (count) */
	size_t slot;		/* of the path */
	struct where where;	/* all of these must hold */
	size_t offset;		/* of what it accumulates, in a group */
};

bool reducer_is(const char *word);

/* Parses a reducer.  Returns EVLOG_EUSAGE, with the reason in err. */
int reducer_parse(struct reducer *r, const char *text, evlog_error *err);
void reducer_free(struct reducer *r);

/* What avg, min, max, list, set, merge and patch have accumulated. */
struct collected {
	uint64_t count;
	int kind;	       /* min, max: kind of the values */
	struct decimal number; /* avg; min, max of numbers */
	int64_t time;	       /* min, max of times, to the microsecond */
	/* min, max: the value; list, set: the values, separated by commas */
	struct buf text;
	struct value *tree; /* merge, patch */
	struct seen *seen;  /* set: the elements */
};

/* sum: units / 10^scale, or a decimal if that does not fit. */
#define SUM_LARGE UINT32_MAX
struct sum {
	union {
		int64_t units;
		struct decimal *large; /* scale: SUM_LARGE */
	};
	uint32_t scale;
};

/* first, last: the value, inside if it is short.  The last byte says which. */
#define WORD_INSIDE 31
#define WORD_OWNED  255
struct word {
	char inside[WORD_INSIDE];
	unsigned char size; /* 0: none; WORD_OWNED: struct long_word counts */
};
struct long_word {
	char *p;
	uint32_t len, cap;
	char unused[WORD_INSIDE - 16];
	unsigned char size;
};

/* What a reducer has accumulated.  Zero-initialise.  There is one for each group and
 * reducer, so the usual ones have no memory of their own. */
struct accumulator {
	union {
		uint64_t count;
		struct sum sum;
		struct word word;
		struct long_word owned;
		struct collected *collected; /* NULL: nothing yet */
	};
};
_Static_assert(sizeof(struct accumulator) == 32, "an accumulator is small");

/* How many bytes of an accumulator a function needs: a multiple of 8.  Only these are
 * there. */
size_t accumulator_size(enum func func);

/* What has been accumulated, for the functions that collect; NULL if out of memory. */
struct collected *accumulator_collected(struct accumulator *a);

/* The value of first or last; len 0: none. */
struct view word_view(const struct accumulator *a);

/* Sets a sum to a number that accumulator_write has written.  false: it is not one, or,
 * with *failed set, there is not enough memory. */
bool sum_restore(struct accumulator *a, struct json_text number, bool *failed);

/* Adds a value.  Returns NULL, or why it cannot be used; sets *failed if out of
 * memory. */
const char *accumulate(
    const struct reducer *r, struct accumulator *a, struct json_text value, bool *failed);

/* Appends the result as JSON. */
void accumulator_write(
    struct buf *b, const struct reducer *r, const struct accumulator *a);
void accumulator_free(const struct reducer *r, struct accumulator *a);

#endif
