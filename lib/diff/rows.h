/* rows.h - the states of one operand, in the order of their keys' values. */
#ifndef DIFF_ROWS_H
#define DIFF_ROWS_H

#include "diff/operand.h"

/* Where a row is in the kept lines of an operand that had to be sorted. */
struct place {
	size_t key, key_len; /* in `keys` */
	uint64_t offset, line;
	size_t len;
};

struct rows {
	struct diff_operand *operand;
	bool keyed; /* else each line is a state */
	bool has;   /* the row at hand, until the next call: */
	struct json_text key, state;
	struct view value; /* the key, written as all keys that equal it are */

	uint64_t line;
	struct buf canonical, last;
	bool unordered;
	struct buf keys;
	struct place *sorted; /* NULL: they come in order */
	size_t n, cap, next;
};

/* Looks through both operands, and sorts one whose keys do not ascend.  EVLOG_EDATA: a
 * key is there twice. */
int rows_open(struct rows *a, struct rows *b, evlog_error *err);

/* Goes to the next row; !has: there is none. */
int rows_next(struct rows *r, evlog_error *err);
void rows_free(struct rows *r);

#endif
