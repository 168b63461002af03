/*
 * consumer.h - the inside of a consumer.
 *
 * Events come in rounds, a batch for each worker; the events of one key always go to the
 * same worker.  A worker runs COMMAND over its part, and what fails again and again it
 * splits, down to the event that fails.  What a round has brought (lines to emit, dead
 * letters) is kept, in the order of the rounds, together with the place reached.
 */
#ifndef RUN_CONSUMER_H
#define RUN_CONSUMER_H

#include "base/file.h"
#include "base/process.h"
#include "read/reader.h"
#include "read/root_tracker.h"
#include "run/checkpoint.h"
#include "sink/log.h"

#include <time.h>

#define ROUNDS	    3		/* at work, or read ahead */
#define ROUND_BYTES (8u << 20)	/* of lines */
#define OUTPUT_MOST (60u << 20) /* bytes that COMMAND may emit at once */

/* The events of one seq: upcasting may have made several lines of it. */
struct unit {
	uint64_t seq;
	size_t at; /* its first line's place in the part's lines */
};

/* What one worker gets of a round. */
struct part {
	struct buf lines;
	struct unit *unit;
	size_t n, cap;
	size_t from;	   /* where the pass begins */
	size_t done;	   /* so many units were dealt with */
	struct buf out;	   /* lines to emit, */
	uint64_t uncaused; /* and how many of them have no cause */
};

struct letter {
	uint64_t seq;
	size_t at, len; /* its line, in the round's letters */
};

struct round {
	struct part *part; /* one for each worker */
	size_t bytes;
	uint64_t end;	/* all events up to there were in it, or in one before */
	uint64_t limit; /* a pass deals with units up to this seq; UINT64_MAX: all */
	size_t pass;	/* units of a pass; 0: all */
	size_t events;	/* that have been counted as dealt with */
	struct letter *letter;
	size_t letters, cap;
	struct buf texts;
};

/* A range of units still to be tried, behind the one at work. */
struct range {
	size_t to;
	unsigned tries; /* how often its events were tried as part of a longer one */
};

struct worker {
	unsigned number;
	struct process process;
	int out;	/* what COMMAND prints with --emit */
	uint64_t round; /* the one that it works on next */
	bool started;	/* on that */
	size_t batch;	/* the batch begins with this unit, */
	size_t from;	/* the range at work: units [from, stack[depth - 1].to) */
	struct range stack[64];
	unsigned depth;
	unsigned tries; /* of this very range */
	int64_t due;	/* when the next try may start; 0: at once */
	int64_t deadline, kill_at;
	bool timed_out;
};

struct consumer {
	const struct evlog_consumer_options *o;
	struct evlog_consumed done;
	const char *const *paths;
	size_t n_paths;
	struct evlog_selection sel;
	evlog_map_fn *map; /* the user's */
	void *map_arg;
	evlog_stream *stream;
	struct evlog_lines rest;
	bool ended, paused, yielded, failed, stopping;
	int64_t turn; /* when reading began */

	char name[CURSOR_NAME_MAX + 1];
	struct json_path *key;
	struct buf key_room;
	struct worker *worker;
	unsigned workers;
	struct pollfd *fds; /* room for what is waited for */
	struct round rounds[ROUNDS];
	uint64_t first, filled, last; /* rounds: at work; [first, filled) are whole; when
					 stopping, those up to `last` are finished */
	int64_t opened;		      /* when the first event of the round came */

	bool tracking;
	struct root_tracker track;
	struct checkpoint_file file;
	struct checkpoint mark;
	struct buf selected;   /* mark.selection */
	bool dirty;	       /* mark is ahead of the file */
	int64_t marked;	       /* when it was written */
	uint64_t seen, before; /* last seq that was read, and that before its lines */
	uint64_t clear;	       /* all events up to there are in rounds, or not wanted */
	uint64_t kept;	       /* what the mark says */

	struct sink *emit, *dead; /* logs; NULL: none */
	uint64_t dead_upto; /* dead letters up to this event were put there before */
	evlog_error why;    /* why it failed */
};

static inline struct round *round_at(struct consumer *c, uint64_t number)
{
	return &c->rounds[number % ROUNDS];
}

static inline int64_t clock_us(void)
{
	return file_clock() / 1000;
}

/* ---- part.c ---- */

/* The lines of units [from, to). */
struct view part_lines(const struct part *p, size_t from, size_t to);

/* The first unit of a part after `seq`. */
size_t part_after(const struct part *p, uint64_t seq);

/* Where the units of this pass end in a part. */
size_t part_end(const struct round *r, const struct part *p);

/* ---- selected.c ---- */

/* Adds which events are taken, and of what shape and key, as a JSON object and a NUL. */
int selected_text(const struct consumer *c, struct buf *b, evlog_error *err);

/* ---- consumer_begin.c ---- */

/* Opens the checkpoint and the logs to append to, and sets c->sel.from to the first event
 * that is not done. */
int consumer_begin(struct consumer *c, evlog_error *err);

/* ---- pass.c ---- */

/* Begins the next pass of a round, after the one that is over. */
void pass_begin(struct consumer *c, struct round *r);

/* Ends a round's pass, which has brought more than a commit may have and of which nothing
 * was kept, and begins it anew with half the units.  If all of it comes from one event,
 * that becomes a dead letter, or sets c->failed. */
int pass_split(struct consumer *c, uint64_t number, evlog_error *err);

/* ---- worker.c ---- */

/* Judges what has ended.  An event that cannot be dealt with sets c->failed.  Only what
 * is wrong with us is an error. */
int worker_look(struct consumer *c, struct worker *w, evlog_error *err);

/* Starts the next run, if there is one and it may be started. */
int worker_start(struct consumer *c, struct worker *w, evlog_error *err);

/* Ends what it runs at once. */
void worker_abandon(struct worker *w);

/* When it must be looked at again, if nothing ends: on clock_us(); INT64_MAX: never. */
int64_t worker_due(const struct worker *w);

/* ---- consumer_commit.c ---- */

/* Adds what COMMAND printed, from the file `fd`, to p->out as events caused by units
 * [from, to).  EVLOG_EDATA: it is not, and p->out is as it was. */
int output_take(
    struct consumer *c, struct part *p, size_t from, size_t to, int fd, evlog_error *err);

/* Makes a dead letter of unit `i`. */
int letter_add(struct consumer *c, struct round *r, const struct part *p, size_t i,
    unsigned tries, const char *reason, const struct process *process, evlog_error *err);

/* Appends the round's letters up to event `seq`, and the lines to emit, and moves the
 * cursors and the mark there.  now: the checkpoint is written at once, if it is what says
 * how far the consumer is; else soon. */
int consumer_commit(
    struct consumer *c, struct round *r, uint64_t seq, bool now, evlog_error *err);

/* Writes the checkpoint, if it is not as the mark is; `now`: whenever that was. */
int mark_write(struct consumer *c, bool now, evlog_error *err);

#endif
