/* causes.h - which event of a batch has caused a line that the command printed. */
#ifndef RUN_CAUSES_H
#define RUN_CAUSES_H

#include "base/buf.h"
#include "json/scan.h"

/* Zero-initialise, but for `lines` and `by_line`. */
struct causes {
	struct view lines; /* the events of the batch */
	bool by_line;	   /* line N of the output is caused by line N of the events */
	size_t uncaused;   /* lines that were given no cause, and name none */
	struct cause *at;  /* sorted, once they were listed */
	size_t n, cap;
	bool listed;
	struct buf room;
};

/* Gives the event at `start` of out, the last one in there, what it lacks: causationid,
 * the id of its cause; correlationid, the one of its cause, or else its cause's id.  Its
 * cause is the event of the batch that its own causationid names; else the batch's only
 * event; else, by line, event `number`, from 0.  An event is never its own cause.  0, or
 * -1: no memory. */
int causes_fill(struct causes *all, size_t number, struct buf *out, size_t start);
void causes_free(struct causes *all);

/* The text of a member that is a string, quotes included; .p is NULL if there is none. */
struct json_text text_member(const char *line, size_t len, const char *name);

/* Lines, each with its newline. */
size_t lines_count(struct view lines);

#endif
