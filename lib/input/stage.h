/*
 * stage.h - the stages between a file and its lines.
 *
 * A stage produces bytes from those of the stage below it.  The lowest one reads the
 * file; the others decompress, or extract the members of an archive.
 */
#ifndef INPUT_STAGE_H
#define INPUT_STAGE_H

#include "base/buf.h"
#include "evlog.h"

struct stage {
	struct stage *below; /* NULL: this one reads the file */
	const char *name;    /* for messages; not owned */

	/* Sets p and len; len 0 means the end.  An error may come together with bytes
	 * that were produced before it. */
	int (*read)(struct stage *s, evlog_error *err);
	bool (*ready)(struct stage *s); /* can produce more without reading; or NULL */
	void (*close)(struct stage *s); /* frees s, but not `below` */

	const char *p; /* bytes not taken yet */
	size_t len;
	bool end;
	bool wrong;	   /* the error means that bytes already delivered may be wrong */
	evlog_error late;  /* error to report after p; code 0: none */
	struct buf held;   /* used by stage_look to join several reads */
	struct buf *notes; /* gets the frames in which evlog describes a log; or NULL */
};

/* Reads more if no bytes are left; len 0 then means the end.  An error is final: each
 * further call returns it again. */
int stage_fill(struct stage *s, evlog_error *err);

/* Makes n bytes available without taking them; fewer at the end, or if `line` and they
 * contain a newline. */
int stage_look(struct stage *s, size_t n, bool line, evlog_error *err);

void stage_take(struct stage *s, size_t n);

/* Whether stage_fill can probably deliver bytes without reading the file. */
bool stage_ready(struct stage *s);

/* Whether an error of this stage or one below means that bytes already delivered may be
 * wrong. */
bool stage_is_wrong(const struct stage *s);

/* Frees s and the stages below it, down to but not including `last`. */
void stage_close(struct stage *s, const struct stage *last);

#endif
