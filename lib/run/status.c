/* status.c - shows how far a consumer is behind its log, and resets its checkpoint. */
#include "base/error.h"
#include "base/hash.h"
#include "base/options.h"
#include "base/time.h"
#include "read/reader.h"
#include "read/root_tracker.h"
#include "run/consumer.h"
#include "sink/table.h"

#include <inttypes.h>

/* Gets the first event at or after both a seq and a time; e->line is not valid.  Returns
 * EVLOG_END if there is none. */
static int first_find(const char *log, uint64_t from, int64_t since,
    struct evlog_digits digits, bool event_time, uint64_t max_line, struct evlog_event *e,
    evlog_error *err)
{
	struct evlog_selection sel;
	struct evlog_lines lines;
	evlog_stream *s;

	evlog_selection_init(&sel);
	sel.max_line = max_line;
	sel.from = from;
	sel.since = since;
	sel.since_digits = digits;
	sel.event_time = event_time;
	int r = evlog_stream_open(&s, &log, 1, &sel, err);
	if (!r)
		r = evlog_stream_next(s, &lines, err);
	if (!r)
		evlog_lines_take(&lines, e);
	evlog_stream_close(s);
	return r;
}

/* Gets the last seq of a log; 0 if it is empty. */
static int last_find(const char *log, uint64_t max_line, uint64_t *seq, evlog_error *err)
{
	struct bounds b = {.max_line = max_line, BOUNDS_ANY_TIME};
	const unsigned char *root;
	struct log_reader *r;

	int res = log_reader_open(&r, log, &b, false, false, err);
	if (!res)
		log_reader_end(r, seq, &root);
	log_reader_close(r);
	return res;
}

/* Compares lag->at with the log. */
static int lag_measure(
    struct evlog_lag *lag, const char *log, uint64_t max_line, evlog_error *err)
{
	const struct evlog_digits none = {0};
	uint64_t seq = lag->at.seq;
	struct evlog_event e;

	int r = evlog_position_check(log, &lag->at, max_line, err);
	if (!r)
		r = last_find(log, max_line, &lag->last, err);
	if (r)
		return r;
	lag->events = lag->last > seq ? lag->last - seq : 0;
	r = lag->events
		? first_find(log, seq + 1, EVLOG_TIME_MIN, none, false, max_line, &e, err)
		: EVLOG_END;
	if (!r)
		lag->oldest = e.logtime;
	return r < 0 ? r : 0;
}

/* Gets the place of a log in a checkpoint.  A single one is taken to be that, unless it
 * is certainly of another log; whether it fits is found out later. */
static int place_choose(const char *checkpoint, struct checkpoint *c, const char *log,
    uint64_t max_line, struct evlog_position **at, evlog_error *err)
{
	struct log_identity who;

	int r = log_identify(log, max_line, &who, err);
	if (r)
		return r;
	*at = c->place;
	if (c->places == 1 && (!*c->place->lineage || hash_is_none(who.lineage)))
		return 0;
	*at = place_of(c, &who, true);
	*at = *at ? *at : place_of(c, &who, false);
	return *at ? 0
		   : error_set(err, EVLOG_EMISMATCH, "%s: no place in %s is recorded",
			 checkpoint, log);
}

int evlog_checkpoint_lag(struct evlog_lag *lag, const char *checkpoint, const char *log,
    uint64_t max_line, evlog_error *err)
{
	struct checkpoint c;

	OWN_ERROR(err);
	NEED(lag && checkpoint && log, err);
	*lag = (struct evlog_lag){.written = EVLOG_TIME_MIN, .oldest = EVLOG_TIME_MAX};
	int r = checkpoint_read(checkpoint, &c, err);
	if (r == EVLOG_END)
		return error_set(err, EVLOG_ENOINPUT,
		    "%s: the checkpoint does not exist or is still empty", checkpoint);
	struct evlog_position *at = NULL;
	if (!r)
		r = place_choose(checkpoint, &c, log, max_line, &at, err);
	if (!r) {
		lag->at = *at;
		lag->written = c.written;
		lag->resharded = c.resharded;
		lag->generation = c.generation;
		lag->taking = c.takeovers > 0;
		memcpy(lag->part, c.part, sizeof lag->part);
		r = replaced_check(&c, checkpoint, err);
	}
	checkpoint_free(&c);
	return r ? r : lag_measure(lag, log, max_line, err);
}

int evlog_table_lag(struct evlog_lag *lag, const char *file, const char *table,
    const char *log, uint64_t max_line, evlog_error *err)
{
	OWN_ERROR(err);
	NEED(lag && file && table && log, err);
	*lag = (struct evlog_lag){.written = EVLOG_TIME_MIN, .oldest = EVLOG_TIME_MAX};
	int r = table_place(file, table, &lag->at, err);
	if (r == EVLOG_END)
		return error_set(err, EVLOG_ENOINPUT,
		    "%s: there is no table %s of evfold yet", file, table);
	if (!r && !*lag->at.root)
		r = error_set(err, EVLOG_EMISMATCH,
		    "%s: the table %s was not folded from a log directory, so that it "
		    "has no place in %s",
		    file, table, log);
	return r ? r : lag_measure(lag, log, max_line, err);
}

/* Gets the position from which the next event is `next`. */
static int place_before(const char *log, uint64_t next, uint64_t max_line,
    struct evlog_position *at, evlog_error *err)
{
	struct evlog_position none = {0};
	struct root_tracker t;

	int r = root_tracker_begin(&t, log, max_line, &none, err);
	if (!r)
		r = position_tree(log, next - 1, max_line, &t.tree, err);
	if (!r)
		r = root_tracker_to(&t, next - 1, at, err);
	root_tracker_end(&t);
	return r;
}

/* Checks that the events before `next` are there, or at least the place behind them. */
static int begins_before(
    const char *log, uint64_t next, uint64_t max_line, evlog_error *err)
{
	const struct evlog_digits none = {0};
	struct evlog_event e;

	int r = first_find(log, 0, EVLOG_TIME_MIN, none, false, max_line, &e, err);
	if (r || e.seq <= next)
		return r == EVLOG_END ? 0 : r;
	return error_set(err, EVLOG_EUSAGE,
	    "--reset-to %" PRIu64 ": the log begins with event %" PRIu64
	    "; those before it have been removed",
	    next, e.seq);
}

int evlog_checkpoint_reset(const char *checkpoint, const char *log,
    const struct evlog_reset_options *given, uint64_t *from, uint64_t *to,
    evlog_error *err)
{
	struct evlog_reset_options o;
	struct checkpoint_file file = {.fd = -1};
	struct evlog_event e;
	struct checkpoint c;
	uint64_t last;

	OWN_ERROR(err);
	NEED(checkpoint && log && from && to, err);
	int r = options_take(
	    &o, sizeof o, END_OF(struct evlog_reset_options, dry), given, err);
	if (r)
		return r;
	r = o.dry ? checkpoint_read(checkpoint, &c, err)
		  : checkpoint_open(&file, checkpoint, &c, err);
	if (r < 0)
		return r;
	bool fresh = r == EVLOG_END;
	struct evlog_position *at = NULL;
	if (fresh)
		r = checkpoint_begin(&c, 1, err);
	checkpoint_pass(&c, true); /* what others have processed comes again, too */
	if (!r)
		r = replaced_check(&c, checkpoint, err);
	if (!r)
		r = place_choose(checkpoint, &c, log, o.max_line, &at, err);
	*from = r ? 0 : at->seq + 1;
	if (!r)
		r = last_find(log, o.max_line, &last, err);
	*to = r ? 0 : o.end ? last + 1 : o.seq;
	if (!r && *to == 0) {
		r = first_find(
		    log, 1, o.time, o.digits, o.event_time, o.max_line, &e, err);
		*to = r == 0 ? e.seq : last + 1;
		r = r == EVLOG_END ? 0 : r;
	}
	if (!r && *to > last + 1)
		r = error_set(err, EVLOG_EUSAGE,
		    "--reset-to %" PRIu64 ": the last event of the log is %" PRIu64, *to,
		    last);
	if (!r && *to > 1 && last)
		r = begins_before(log, *to, o.max_line, err);
	if (!r)
		r = place_before(log, *to, o.max_line, at, err);
	/* logs may have cursors of a checkpoint that was lost, with any number of resets
	 */
	c.generation = fresh ? (uint64_t)evlog_now() : c.generation + 1;
	c.emitted = (struct evlog_position){0};
	if (!r && !o.dry)
		r = checkpoint_write(&file, &c, err);
	checkpoint_free(&c);
	checkpoint_close(&file);
	return r;
}
