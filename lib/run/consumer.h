/*
 * consumer.h - shared by the files that make up a consumer.
 *
 * run/ runs a command over the events of a log: rounds, workers, retries, checkpoints,
 * emitted events.  It must not know how a sink stores events.
 *
 * Events are read in rounds, which have a batch for each worker on average.  All events
 * of a key go to the same worker, as long as some of them are not done.  A worker runs
 * the command over its part of a round, batch by batch.  It splits a batch that keeps
 * failing, down to the event that fails. What a round produces (events to emit, dead
 * letters) is committed in the order of the rounds, together with the position reached.
 */
#ifndef RUN_CONSUMER_H
#define RUN_CONSUMER_H

#include "base/file.h"
#include "base/process.h"
#include "event/select.h"
#include "read/reader.h"
#include "read/root_tracker.h"
#include "replay/dead_letter.h"
#include "run/checkpoint.h"
#include "sink/log.h"

#include <time.h>

#define ROUNDS	    3		/* being processed, or read ahead */
#define ROUND_BYTES (8u << 20)	/* of lines */
#define OUTPUT_MOST (60u << 20) /* bytes that one run may print with --emit */

/* One of the logs that are read, if there is a checkpoint. */
struct source {
	const char *path;
	struct root_tracker track;
	uint64_t seen;	 /* the last seq that lines_see was given, */
	uint64_t before; /* and the one before its last lines */
	uint64_t clear;	 /* each event up to this seq is in a round, or not selected */
};

/* The lines of one event: one, or those that it was converted to.  If these are of
 * different keys, they are units of several parts, with the same number. */
struct unit {
	uint64_t number; /* of the event, in the order of reading, from 1 */
	uint64_t seq;	 /* 0: it has none; then there is no checkpoint */
	size_t source;	 /* index of the log, or file, that it comes from */
	size_t at;	 /* offset of its first line in the part's lines */
	/* The event as it was stored, in the part's `stored`; stored_len 0: not kept,
	 * because there is no map or no log for dead letters. */
	size_t stored_at, stored_len;
};

/* One worker's share of a round. */
struct part {
	struct buf lines;
	struct buf stored;
	struct unit *unit;
	size_t n, cap;
	size_t from;	   /* first unit of the current pass */
	size_t done;	   /* units processed, or made into dead letters */
	struct buf out;	   /* events to emit, one per line, */
	uint64_t uncaused; /* and how many of them have no known cause */
};

/* A dead letter. */
struct letter {
	uint64_t number; /* of the event that failed, */
	uint64_t seq;	 /* and its seq, in its source */
	size_t at, len;	 /* its line in the round's texts */
};

struct round {
	struct part *part; /* one for each worker */
	size_t bytes;	   /* of lines, in all parts */
	uint64_t end; /* each event up to this number is in this round or an earlier one,
			 or not selected; */
	uint64_t *clear; /* and, for each source, each event up to this seq */
	uint64_t limit;	 /* number of the last event of the current pass; UINT64_MAX: no
			    limit */
	size_t pass;	 /* units of a pass, at least; 0: all */
	size_t events;	 /* units already added to evlog_consumed.events */
	struct letter *letter;
	size_t letters, cap;
	struct buf texts; /* the letters' lines */
};

/* A range of units to be processed.  It begins where the one above it on the stack
 * ends. */
struct range {
	size_t to;
	unsigned tries; /* how often its units were tried within a longer range */
};

/* Times are those of clock_us. */
struct worker {
	unsigned number;      /* from 0 */
	size_t given[ROUNDS]; /* lines, by the number of the round modulo ROUNDS */
	struct process process;
	int out;	/* collects what the command prints; -1: nothing does */
	uint64_t round; /* number of the round that it works on */
	bool started;	/* it has begun a batch of that round */
	size_t batch;	/* first unit of the batch */
	size_t from;	/* the current range: units [from, stack[depth - 1].to) */
	/* The ranges of the batch, the current one on top.  Each split halves a range, so
	 * 64 are enough. */
	struct range stack[64];
	unsigned depth;	  /* 0: the batch is done */
	unsigned tries;	  /* of the current range */
	int64_t due;	  /* when the next try may start; 0: at once */
	int64_t deadline; /* when the run times out, */
	int64_t kill_at;  /* and when it gets SIGKILL after that; INT64_MAX: never */
	bool timed_out;	  /* the run took too long, */
	bool flooded;	  /* or printed more than OUTPUT_MOST */
};

/* How stored events are converted and selected (mapping.c). */
struct mapping {
	bool used;	   /* otherwise the stream selects, and nothing is converted */
	bool unwrapping;   /* first, the event is taken out of a dead letter; */
	evlog_map_fn *map; /* then this converts it; NULL: nothing does */
	void *arg;
	struct evlog_dead_letters letters;
	struct evlog_selection wanted; /* what applies to the converted events */
	struct select select;
	uint64_t left; /* lines that `count` still allows; UINT64_MAX: no limit */
	struct buf stored, lines;
};

/* What an event has become; valid until the next call of the map. */
struct mapped {
	struct view stored;	  /* the event, without newline, to be converted again */
	struct evlog_lines lines; /* not selected yet */
	bool changed;		  /* they are not the stored event */
};

/* Which worker has which keys (division.c): a table with open addressing. */
struct division {
	struct binding {
		uint64_t key;	/* its hash; keys with the same one are one key */
		uint64_t until; /* number of the first round that need not go to the same
				   worker; 0: the slot was never used */
		unsigned worker;
	} * slot;
	size_t size, used; /* slots, and how many of them were ever used */
};

struct consumer {
	const struct evlog_consumer_options *o;
	struct evlog_consumed done;
	const char *const *paths;
	size_t n_paths;
	struct evlog_selection sel; /* of the stream; its map is lines_see */
	struct mapping mapping;
	evlog_stream *stream;
	struct evlog_lines rest; /* read, but not in a round yet */
	uint64_t number;	 /* of the last event put into a round */
	bool ended;		 /* there is nothing more to read */
	bool paused;		 /* there is nothing to read now */
	bool yielded;		 /* reading has taken READ_MOST */
	bool failed;		 /* an event cannot be processed: read no more, and */
	uint64_t fail_at;	 /* start no runs from this unit number on */
	bool stopping;		 /* sel.stop was set */
	int64_t turn;		 /* when this turn began to read */

	char name[CURSOR_NAME_MAX + 1]; /* in the cursors of the logs it appends to */
	struct json_path *key;
	struct buf key_room;
	struct worker *worker;
	unsigned workers;
	struct division division;
	struct pollfd *fds; /* for wait_turn */
	struct round rounds[ROUNDS];
	/* Rounds [first, filled) are complete, and `filled` is the one being filled.  No
	 * batch of a round after `last` has begun. */
	uint64_t first, filled, last;
	int64_t opened; /* when the first event of `filled` came; 0: it is empty */

	bool tracking;	       /* there is a checkpoint */
	struct source *source; /* one for each path; NULL: no checkpoint */
	struct checkpoint_file file;
	struct checkpoint
	    mark; /* what the file should contain: a place for each source */
	struct evlog_position *next; /* for consumer_commit: as mark.place */
	struct buf selected;	     /* the text of mark.selection */
	bool dirty;		     /* the file is older than mark */
	int64_t marked;		     /* when it was written */
	uint64_t kept; /* each event up to this number is recorded in `mark` */

	struct sink *emit, *dead; /* logs; NULL: none */
	bool emitted_removed;	  /* the event that mark.emitted names was removed */
	uint64_t dead_upto; /* dead letters up to this seq are in their log already */
	evlog_error bad;    /* what is wrong with the input, and */
	evlog_error why;    /* why fail_at was set; code 0: nothing */
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

/* The lines of units [from, to); valid until the part changes. */
struct view part_lines(const struct part *p, size_t from, size_t to);

/* The first unit after the event with this number; p->n if there is none. */
size_t part_after(const struct part *p, uint64_t number);

/* The first unit after the current pass of r; p->n if there is none. */
size_t part_end(const struct round *r, const struct part *p);

/* ---- mapping.c ---- */

/* Takes the map out of a selection, and everything that applies to converted events.  If
 * there is none, changes nothing.  Call mapping_end in any case. */
int mapping_begin(struct mapping *m, struct evlog_selection *sel, evlog_error *err);
void mapping_end(struct mapping *m);

/* Converts an event.  Returns 1; EVLOG_WAIT if the map asks for a pause; or an error. */
int mapping_call(
    struct mapping *m, const struct evlog_event *e, struct mapped *out, evlog_error *err);

/* Returns 1 if a converted event is selected, 0 if not, EVLOG_EDATA if it is not JSON. */
int mapping_selects(struct mapping *m, const struct evlog_event *e, evlog_error *err);

/* ---- reading.c ---- */

/* The map of the stream: it gets all lines of a log, selected or not, and adds them to
 * its root.  They may be delivered later, to check the workers first. */
int lines_see(void *consumer, const struct evlog_lines *lines, evlog_write_fn *put,
    void *to, evlog_error *err);

/* Whether there may be something to read, and there is a place for it. */
bool can_read(const struct consumer *c);

/* Reads until all rounds are complete, the stream pauses or ends, or the workers are to
 * be checked.  Completes the last round if nothing more is to come, or if its first event
 * has waited for as long as `linger` says. */
int rounds_fill(struct consumer *c, evlog_error *err);

/* Completes the round being filled, unless it is empty, so that workers may begin it. */
void round_close(struct consumer *c);

/* ---- division.c ---- */

/* Gets the worker, from 0, for an event of the round being filled.  key: the hash of its
 * key, seeded (base/hash.h). */
int division_worker(struct consumer *c, uint64_t key, unsigned *worker, evlog_error *err);

/* To be called when another round begins to be filled. */
void division_next(struct consumer *c);

/* ---- selected.c ---- */

/* Appends the selection, the upcaster and the key, if not NULL, as a JSON object, and a
 * NUL. */
int selected_text(
    const struct consumer *c, const char *key, struct buf *b, evlog_error *err);

/* ---- places.c ---- */

/* Finds the place in a checkpoint that was recorded for a log; NULL: there is none. sure:
 * for this log certainly; otherwise one before all events will do. */
struct evlog_position *place_of(
    const struct checkpoint *c, const struct log_identity *who, bool sure);

/* Makes c->source and c->next, and c->mark.place the places of the logs, in their order;
 * all are at 0 if the checkpoint is new (fresh).  Returns EVLOG_EMISMATCH if they are not
 * those of the logs. */
int places_take(struct consumer *c, bool fresh, evlog_error *err);

/* ---- consumer_begin.c ---- */

/* Checks that a checkpoint was not replaced by others. */
int replaced_check(const struct checkpoint *c, const char *checkpoint, evlog_error *err);

/* Writes which shard a receiver has, from 1: "I/N KEY", or nothing if there is only one.
 */
void part_write(char part[PART_SIZE], size_t shard, size_t shards, const char *key);

/* Makes the consumer's name in cursors: the file name of its checkpoint and, after a "#",
 * its shard. */
int cursor_name(char name[CURSOR_NAME_MAX + 1], const char *checkpoint, const char *part,
    evlog_error *err);

/*
 * Opens the checkpoint and the logs to append to, and sets c->sel.from to the first event
 * that is not done.  Call it before the stream is opened.
 *
 * Returns EVLOG_EBUSY if another consumer is using the checkpoint, EVLOG_EMISMATCH if the
 * checkpoint is for another log, shard or selection.  consumer_free in consumer.c closes
 * what was opened, also after a failure.
 */
int consumer_begin(struct consumer *c, evlog_error *err);

/* Opens the stream of events from there on.  Says so if some of them have been removed.
 */
int consumer_open(struct consumer *c, evlog_error *err);

/* At the end: says what the conditions of the selection could not be compared with. */
void consumer_tell(struct consumer *c);

/* ---- pass.c ---- */

/* Begins the next pass of a round, with the units that are not done. */
void pass_begin(struct consumer *c, struct round *r);

/* Drops everything that the current pass of a round has produced, because it does not fit
 * into one commit, and begins the pass again with half as many units.  If the pass has
 * only one event, gives that up.  Nothing of the pass may have been committed. */
int pass_split(struct consumer *c, uint64_t number, evlog_error *err);

/* If the current pass of the first round has an event that fails, begins the pass again,
 * with only the events before it, so that their output can be committed.  Nothing of the
 * pass may have been committed. */
void pass_cut(struct consumer *c);

/* ---- worker.c ---- */

/* Checks on the worker's run, if there is one.  If it has ended, decides what follows:
 * the next range, a retry, a split, a dead letter, or c->failed.  Ends it if it takes too
 * long.  Returns an error only if the consumer itself cannot continue. */
int worker_look(struct consumer *c, struct worker *w, evlog_error *err);

/* Starts the worker's next run, unless it is busy, has nothing to do before c->fail_at,
 * or has to pause before a retry.  Returns EVLOG_EAWAY if the command cannot be executed.
 */
int worker_start(struct consumer *c, struct worker *w, evlog_error *err);

/* Kills the worker's run, if there is one, waits for its end, and drops its output. */
void worker_abandon(struct worker *w);

/* When to call worker_look or worker_start even if no run has ended, on clock_us;
 * INT64_MAX: never. */
int64_t worker_due(const struct consumer *c, const struct worker *w);

/* ---- consumer_commit.c ---- */

/* Reads what the command printed for units [from, to) from the file `fd`, and appends it
 * to p->out as complete events.  Returns EVLOG_EDATA if it is not events, too large, or,
 * with --line-by-line, has the wrong number of lines.  If it fails, p->out is as
 * before. */
int output_take(
    struct consumer *c, struct part *p, size_t from, size_t to, int fd, evlog_error *err);

/* Ends the consumer because of the unit with this number, or at once if it is 0.  Runs
 * are still started for the units before it.  If one of them fails, too, that counts. */
void consumer_fail(struct consumer *c, uint64_t number, const evlog_error *why);

/* Writes how a unit's event is called in messages. */
void event_name(const struct consumer *c, const struct unit *u, char *text, size_t room);

/* Makes a dead letter of unit `i` of p, a part of r, which has failed for good.  tries:
 * how often it was tried.  process: its last run, for the status and the end of stderr.
 *
 * Returns 1 if there is no log for dead letters, or if no letter can be made of the
 * event, because it would be too large; then the consumer has failed. */
int unit_give_up(struct consumer *c, struct round *r, const struct part *p, size_t i,
    unsigned tries, const char *reason, const struct process *process, evlog_error *err);

/* Commits what a round has produced: its dead letters up to the event with this number
 * and its events to emit, each with the cursor there.  Then moves the mark there.  r
 * NULL: there is only the mark to move, past what was not selected.  now: write the
 * checkpoint at once, unless the cursor in the emit log already says how far the consumer
 * is. */
int consumer_commit(
    struct consumer *c, struct round *r, uint64_t number, bool now, evlog_error *err);

/* Writes the checkpoint if it is out of date and, unless `now`, at least a second old. */
int mark_write(struct consumer *c, bool now, evlog_error *err);

#endif
