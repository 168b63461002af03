/* letter.h - makes dead letters; replay/dead_letter.h takes events out of them. */
#ifndef SINK_LETTER_H
#define SINK_LETTER_H

#include "base/buf.h"

struct letter_facts {
	struct view line; /* of the event that failed, as it was stored */
	const char *reason;
	const char *const *command; /* what failed, ends with NULL */
	int status, signal;	    /* its exit status, -1: none; its signal, 0: none */
	unsigned attempts;	    /* 0: this and `error` do not apply */
	struct view error;	    /* the end of its stderr */
};

/* Appends a dead letter, to be completed as an event; see evrun(1). */
void letter_write(struct buf *out, const struct letter_facts *l);

#endif
