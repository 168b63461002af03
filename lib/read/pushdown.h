/* pushdown.h - what conditions rule out before any line is looked at. */
#ifndef READ_PUSHDOWN_H
#define READ_PUSHDOWN_H

#include "event/where.h"
#include "read/reader.h"

/* Narrows bounds of seqs and times to what conditions allow, and adds the keys that they
 * ask for to `wanted`, one of each kind that has none yet.  The caller frees those.  What
 * is left is still to be compared with the conditions. */
int where_push_down(const struct where *w, struct bounds *b, struct filter_wanted *wanted,
    evlog_error *err);

#endif
