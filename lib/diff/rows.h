/* rows.h - the states of one operand, in the order of their keys. */
#ifndef DIFF_ROWS_H
#define DIFF_ROWS_H

#include "diff/operand.h"

/* The position of a row among the kept lines of an operand that had to be sorted. */
struct place {
	size_t key, key_len; /* in `keys` */
	uint64_t offset, line;
	size_t len;
};

struct rows {
	struct diff_operand *operand;
	bool keyed; /* otherwise each line is a state */
	bool has;   /* there is a current row, valid until the next call: */
	struct json_text key, state;
	struct view value; /* the key in canonical form */

	uint64_t line;
	struct buf canonical, last;
	bool unordered;
	struct buf keys;
	struct place *sorted; /* NULL: rows come in order */
	size_t n, cap, next;
};

/* Reads through both operands, and sorts one whose keys do not ascend.  Returns
 * EVLOG_EDATA if a key occurs twice. */
int rows_open(struct rows *a, struct rows *b, evlog_error *err);

/* Moves to the next row; r->has is false after the last. */
int rows_next(struct rows *r, evlog_error *err);
void rows_free(struct rows *r);

#endif
