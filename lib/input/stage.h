/*
 * stage.h - bytes on their way from a file to the lines.
 *
 * A stage makes bytes from those of the stage below it: the lowest reads the file, others
 * decompress, or take the members out of an archive.
 */
#ifndef INPUT_STAGE_H
#define INPUT_STAGE_H

#include "base/buf.h"
#include "evlog.h"

struct stage {
	struct stage *below; /* NULL: this one reads the file */
	const char *name;    /* for messages; not owned */

	/* Sets p and len; len 0 is the end.  An error may come with bytes, which were
	 * made before it. */
	int (*read)(struct stage *s, evlog_error *err);
	bool (*ready)(struct stage *s); /* more is made without reading; or NULL */
	void (*close)(struct stage *s); /* frees s, not what is below */

	const char *p; /* what was made and not taken yet */
	size_t len;
	bool end;
	bool wrong;	  /* the error shows that what was made before may be wrong */
	evlog_error late; /* comes after p; code 0: none */
	struct buf held;  /* a look ahead over several reads */
};

/* Makes more if there is nothing: len 0 is then the end.  An error is final: it comes
 * again at the next call. */
int stage_fill(struct stage *s, evlog_error *err);

/* Makes n bytes ready, or fewer where the bytes or, if `line`, the first line ends. */
int stage_look(struct stage *s, size_t n, bool line, evlog_error *err);

void stage_take(struct stage *s, size_t n);

/* Whether stage_fill is likely to have bytes without reading the file. */
bool stage_ready(struct stage *s);

/* Whether an error of this stage or one below shows that bytes it has made may be wrong.
 */
bool stage_is_wrong(const struct stage *s);

/* Frees s and those below it, down to `last`, which is kept. */
void stage_close(struct stage *s, const struct stage *last);

#endif
