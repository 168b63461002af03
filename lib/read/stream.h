/* stream.h - a stream that begins at another place in each of its operands. */
#ifndef READ_STREAM_H
#define READ_STREAM_H

#include "evlog.h"
#include "read/packed.h"

/* The same as evlog_stream_open, but from[i] is the first seq to read of operand i; 0: as
 * the selection says.  The selection must not have `last`.
 * The arguments are not checked. */
int stream_open_from(evlog_stream **s, const char *const *paths, size_t n,
    const struct evlog_selection *sel, const uint64_t *from, evlog_error *err);

/* The same as evlog_stream_next, but a block of which every line is wanted may be
 * delivered as it is stored: then p->there is set, and lines->len is 0. */
int stream_next_packed(
    evlog_stream *s, struct packed_block *p, struct evlog_lines *lines, evlog_error *err);

#endif
