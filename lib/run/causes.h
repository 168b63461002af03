/* causes.h - finds the event of a batch that caused an event printed by the command. */
#ifndef RUN_CAUSES_H
#define RUN_CAUSES_H

#include "base/buf.h"
#include "json/scan.h"

/* Set lines and by_line, zero-initialise the rest. */
struct causes {
	struct view lines; /* the events of the batch */
	bool by_line;	   /* line N of the output is caused by line N of the batch */
	size_t uncaused;   /* events that neither name a cause nor were given one */
	struct cause *at;  /* the events by the hash of their ids, once `listed` */
	size_t n, cap;
	bool listed;
	struct buf room;
};

/*
 * Adds to the event at out->p + start, which is the last one in `out`, its causationid
 * and its correlationid, unless it has them.  The causationid is the id of its cause; the
 * correlationid is that of its cause or, if the cause has none, the id of the cause.
 *
 * The cause is the event of the batch that the causationid of the event names; otherwise
 * the only event of the batch; otherwise, if `by_line`, the event on line `number` of the
 * batch, counted from 0.  An event is never its own cause.
 *
 * Returns 0, or -1 if out of memory.
 */
int causes_fill(struct causes *all, size_t number, struct buf *out, size_t start);
void causes_free(struct causes *all);

#endif
