/* origin.c - what a compressed stream must carry of the log before its first event. */
#include "base/error.h"
#include "base/options.h"
#include "format/frame_packer.h"
#include "read/reader_internal.h"
#include "recover/cursor_set.h"

/* Gets the logtime of event n, which is before the first one that is read. */
static int logtime_of(
    struct log_reader *r, uint64_t n, int64_t *logtime, evlog_error *err)
{
	struct bounds b = {
	    .from = n, .to = n, .max_line = r->bounds.max_line, BOUNDS_ANY_TIME};
	struct log_reader *one;
	struct evlog_lines lines;
	struct evlog_event e;

	*logtime = r->seg.header.last_logtime;
	if (n == r->seg.header.tree.n)
		return 0;
	int res = log_reader_open(&one, r->log.path, &b, false, false, err);
	if (!res)
		res = log_reader_next(one, &lines, err);
	if (!res && evlog_lines_take(&lines, &e))
		*logtime = e.logtime;
	log_reader_close(one);
	return res;
}

/* Gets the cursors up to event n: those of earlier segments, and of the blocks of the
 * open one. */
static int cursors_upto(
    struct log_reader *r, uint64_t n, struct buf *out, evlog_error *err)
{
	struct cursor_set set = {0};

	int res = cursor_set_before(&set, &r->log, n + 1, err);
	if (!res)
		res = cursor_set_load(&set, &r->seg, r->limit, n, err);
	set.all = !set.partial;
	cursor_set_write(&set, out);
	if (!res && set.full)
		res = error_set(err, EVLOG_EDATA,
		    "%s: it has more cursors than fit into a header; without -o zst, "
		    "they are left out",
		    r->log.path);
	cursor_set_free(&set);
	return res ? res : out->failed ? error_memory(err) : 0;
}

int log_reader_origin(struct log_reader *r, evlog_packer *k, evlog_error *err)
{
	uint64_t from = r->bounds.from > r->log.first ? r->bounds.from : r->log.first;
	uint64_t n = from - 1;
	struct log_identity who;
	struct merkle tree;
	struct buf cursors = {0};
	int64_t logtime;

	if (n > r->end.seq || n == 0) /* there is nothing before it */
		return 0;
	tree = r->seg.header.tree;
	int res = tree.n == n
		      ? 0
		      : position_tree(r->log.path, n, r->bounds.max_line, &tree, err);
	if (!res)
		res = log_reader_identify(r, &who, err);
	if (!res)
		res = logtime_of(r, n, &logtime, err);
	if (!res)
		res = cursors_upto(r, n, &cursors, err);
	if (!res)
		res = packer_origin(k, &tree, logtime, who.lineage,
		    (struct view){cursors.p, cursors.len}, err);
	buf_free(&cursors);
	return res;
}
