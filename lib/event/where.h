/* where.h - conditions on the content of events: -w, and the braces of reducers. */
#ifndef EVENT_WHERE_H
#define EVENT_WHERE_H

#include "evlog.h"
#include "json/decimal.h"
#include "json/path.h"

enum condition_op {
	CONDITION_HAS,	 /* PATH */
	CONDITION_LACKS, /* !PATH */
	CONDITION_EQUAL, /* PATH=VALUE, and so on */
	CONDITION_UNEQUAL,
	CONDITION_LESS,
	CONDITION_AT_MOST,
	CONDITION_GREATER,
	CONDITION_AT_LEAST,
};

/* PATH OP VALUE. */
struct condition {
	char *name; /* PATH, as it was given */
	struct json_path *path;
	struct view quoted; /* the last name of the path as JSON writes it without
			       escapes; allocated; p NULL: it may be an index */
	enum condition_op op;
	enum {
		VALUE_NONE,
		VALUE_GLOB,   /* texts, and the JSON text of other values */
		VALUE_TEXT,   /* a string that was quoted: literally, with strings only */
		VALUE_NUMBER, /* with numbers only, exactly */
		VALUE_TIME,   /* with strings that are times, by the moment */
	} kind;
	char *text; /* VALUE, without quotes and escapes */
	size_t len;
	bool is_plain; /* VALUE_GLOB: it has nothing that a glob gives a meaning to */
	struct decimal number;
	int64_t time;
	bool is_seq;	     /* the path is `seq`, a number that is stored as a string */
	size_t slot;	     /* for a caller that finds the values of all paths at once */
	uint64_t asked, met; /* how often where_holds looked for the path, and found it */
};

/* Conditions that must all hold.  Zero-initialise. */
struct where {
	struct condition *at;
	size_t n, cap;
};

/* Adds what a FILTER says: conditions, separated by commas.  EVLOG_EUSAGE: it is not a
 * FILTER; the message says where. */
int where_add(struct where *w, const char *filter, evlog_error *err);

/* The same for one that ends with a closing brace, in a longer text, from `at` on.  *end
 * is after the brace. */
int where_add_braced(struct where *w, const char *text, const char *at, const char **end,
    evlog_error *err);

void where_free(struct where *w);

/* Adds what where_holds has counted for the same conditions. */
void where_count(struct where *total, const struct where *part);

/* Says what may be a mistake: a path at which where_holds never found anything, although
 * it looked and something had to be there; and `other`, the number of values of a kind
 * that could not be compared. */
void where_remark(const struct where *w, uint64_t other,
    void (*say)(void *arg, const char *text), void *arg);

/* What a check of conditions needs and finds out.  Zero-initialise. */
struct where_scratch {
	struct buf text;
	uint64_t other; /* values of a kind that VALUE cannot be compared with */
	bool failed;	/* out of memory */
};
void where_scratch_free(struct where_scratch *s);

/* Whether a condition holds for the value at its path; v.p is NULL if there is none. */
bool condition_holds(
    const struct condition *c, struct json_text v, struct where_scratch *s);

/* Whether all conditions hold for a JSON text. */
bool where_holds(struct where *w, struct json_text event, struct where_scratch *s);

#endif
