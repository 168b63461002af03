/* pack.h - makes tar files with libarchive. */
#ifndef UNPACK_PACK_H
#define UNPACK_PACK_H

#include "input/stage.h"

/* Creates a stage that makes a tar file (pax) of the members that `below` describes
 * (input/frames.h). */
int pack_new(struct stage **s, struct stage *below, evlog_error *err);

#endif
