/* sealer.h - seals one segment. */
#ifndef WRITE_SEALER_H
#define WRITE_SEALER_H

#include "recover/log.h"

struct seal_how {
	const struct log *log;
	int level;	   /* the zstd level of blocks that are merged */
	uint64_t max_line; /* blocks with a longer line are refused */
	bool reindex;	   /* seal it again if its index is missing or damaged */
	bool trimmed;	   /* seal it again so that the log can begin with it */
};

/* Seals the segment `first`, whose successor is `next`.  Returns EVLOG_END if it is
 * sealed already or another process is sealing it; EVLOG_WAIT, with *err set, if only its
 * owner can. */
int segment_seal(
    const struct seal_how *how, uint64_t first, uint64_t next, evlog_error *err);

#endif
