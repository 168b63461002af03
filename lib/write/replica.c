/*
 * replica.c - appends lines that are stamped already (evappend --replica).
 *
 * Each must follow the one before it.  A sender that was cut off may send lines again
 * that the log has; they are compared with the log and skipped.
 */
#include "base/error.h"
#include "write/writer.h"

#include <inttypes.h>
#include <stdio.h>

int replica_follows(const struct evlog_writer *w, const struct intake_event *e,
    const char *name, uint64_t line_no, evlog_error *err)
{
	const struct pending *last = w->next.n		   ? &w->next.at[w->next.n - 1]
				     : w->committing.begun ? &w->committing.last
							   : NULL;

	if (!w->o.replica || !last)
		return 0;
	if (e->seq != last->seq + 1)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s:%" PRIu64 ": event %" PRIu64 ", but %" PRIu64 " was expected",
		    name, line_no, e->seq, last->seq + 1);
	if (e->logtime < last->logtime)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s:%" PRIu64 ": event %" PRIu64
		    " has an earlier logtime than the event before it",
		    name, line_no, e->seq);
	return 0;
}

/* shares: the event before it was compared, and is the same. */
static int differs(
    const struct evlog_writer *w, const struct pending *p, bool shares, evlog_error *err)
{
	char common[96];

	snprintf(common, sizeof common,
	    shares ? "; the last event that they share is %" PRIu64
		   : "; evdiff finds the last event that they share",
	    p->seq - 1);
	return error_set(err, EVLOG_EMISMATCH,
	    "%s:%" PRIu64 ": event %" PRIu64 " differs from the one in %s%s", p->name,
	    p->line_no, p->seq, w->log.path, common);
}

/* Compares `lines` with the pending lines from *i on, and advances *i.  Returns
 * EVLOG_EMISMATCH at a difference. */
static int lines_compare(const struct evlog_writer *w, struct evlog_lines lines,
    const uint64_t *skipped, size_t *i, evlog_error *err)
{
	struct evlog_event e;

	for (; *i < w->now.n && evlog_lines_take(&lines, &e); ++*i) {
		const struct pending *p = &w->now.at[*i];
		if (e.len == p->len - 1 &&
		    memcmp(e.line, w->now.raw.p + p->offset, e.len) == 0)
			continue;
		return differs(w, p, *i || *skipped, err);
	}
	return 0;
}

/* Skips the pending lines that the log has. */
static int pass_over(struct evlog_writer *w, uint64_t *skipped, evlog_error *err)
{
	const char *path = w->log.path;
	struct evlog_selection sel;
	struct evlog_lines lines;
	evlog_stream *s;
	size_t i = 0;

	evlog_selection_init(&sel);
	sel.from = w->now.at[0].seq;
	sel.to = w->now.at[w->now.n - 1].seq;
	int r = evlog_stream_open(&s, &path, 1, &sel, err);
	if (r)
		return r;
	while ((r = evlog_stream_next(s, &lines, err)) == 0)
		if ((r = lines_compare(w, lines, skipped, &i, err)) != 0)
			break;
	evlog_stream_close(s);
	if (r < 0)
		return r;
	*skipped += i;
	batch_drop(&w->now, i);
	return 0;
}

int replica_compare(struct evlog_writer *w, uint64_t *skipped, evlog_error *err)
{
	const struct head *h = &w->log.head;
	int r = 0;

	if (w->now.n && w->now.at[0].seq <= h->tree.n)
		r = pass_over(w, skipped, err);
	if (r || w->now.n == 0)
		return r;
	if (w->now.at[0].seq != h->tree.n + 1)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s:%" PRIu64 ": event %" PRIu64
		    ", but the next event of %s is %" PRIu64,
		    w->now.at[0].name, w->now.at[0].line_no, w->now.at[0].seq,
		    w->log.path, h->tree.n + 1);
	if (w->now.at[0].logtime < h->last_logtime)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s:%" PRIu64
		    ": its logtime is earlier than that of the last event in %s",
		    w->now.at[0].name, w->now.at[0].line_no, w->log.path);
	return 0;
}
