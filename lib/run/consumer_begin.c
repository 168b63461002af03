/*
 * consumer_begin.c - finds out where a consumer continues, and opens the logs that it
 * appends to.
 *
 * The checkpoint says where, but it is written after the --emit log is committed.  After
 * a crash, the cursor in that log may be further, and is followed.  A cursor is ignored
 * if the checkpoint was reset after it was written, that is, if their generations differ.
 * If the checkpoint is new, every cursor counts, because the old one may have been lost.
 * The new one takes over the highest generation, so that they count next time, too.
 *
 * The cursor in the --dead-letter log only prevents letters from being appended twice.
 */
#include "base/error.h"
#include "json/path.h"
#include "read/stream.h"
#include "run/consumer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void say(struct consumer *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct consumer *c, const char *format, ...)
{
	evlog_error text;
	va_list ap;

	if (!c->o->say)
		return;
	va_start(ap, format);
	vsnprintf(text.text, sizeof text.text, format, ap);
	va_end(ap);
	c->o->say(c->o->arg, text.text);
}

/* ---- Checks ---- */

void part_write(char part[PART_SIZE], size_t shard, size_t shards, const char *key)
{
	*part = '\0';
	if (shards > 1)
		snprintf(part, PART_SIZE, "%zu/%zu %s", shard, shards, key);
}

/* Checks that the checkpoint, unless it is new (fresh), is for this shard, and records
 * the shard in the mark. */
static int part_check(struct consumer *c, bool fresh, evlog_error *err)
{
	char part[PART_SIZE];

	part_write(part, c->o->shard, c->o->shards, c->o->key ? c->o->key : "subject");
	if (!fresh && strcmp(part, c->mark.part) != 0)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: the checkpoint is for %s%s, not for %s%s", c->o->checkpoint,
		    *c->mark.part ? "shard " : "all events", c->mark.part,
		    *part ? "shard " : "all events", part);
	memcpy(c->mark.part, part, sizeof part);
	return 0;
}

int replaced_check(const struct checkpoint *c, const char *checkpoint, evlog_error *err)
{
	return !c->resharded ? 0
			     : error_set(err, EVLOG_EMISMATCH,
				   "%s: its events are processed by %" PRIu64
				   " other receivers since --reshard",
				   checkpoint, c->resharded);
}

/* Checks that what others have processed is still in the log. */
static int takeovers_check(
    const struct checkpoint *c, const char *log, uint64_t max_line, evlog_error *err)
{
	for (size_t i = 0; i < c->takeovers; i++)
		for (size_t k = 0; k < c->takeover[i].shards; k++) {
			const struct evlog_position *at = &c->takeover[i].place[k];
			int r = at->seq > c->place->seq
				    ? evlog_position_check(log, at, max_line, err)
				    : 0;
			if (r)
				return r;
		}
	return 0;
}

static const char *selection_name(const char *text)
{
	return strcmp(text, "{}") == 0 ? "all events" : text;
}

/* Whether the key is the default, however it is written. */
static bool key_is_default(const struct consumer *c)
{
	return c->key->n == 1 && view_is(c->key->step[0], "subject");
}

/* Returns 1 if the text from a checkpoint is that of this selection, otherwise 0.  Old
 * versions recorded the default key if it was given as an option. */
static int selection_fits(const struct consumer *c, const char *was, evlog_error *err)
{
	static const char *const keys[] = {"subject", "/subject"};
	struct buf old = {0};
	int r = 0;

	bool fits = strcmp(was, c->selected.p) == 0;
	for (int i = 0; i < 2 && !r && !fits && key_is_default(c); i++) {
		old.len = 0;
		r = selected_text(c, keys[i], &old, err);
		fits = !r && strcmp(was, old.p) == 0;
	}
	buf_free(&old);
	return r ? r : fits;
}

/* Checks that the checkpoint is for this selection, unless --accept-change is given, and
 * records the selection in the mark.  Checkpoints written by old versions have none. */
static int selection_check(struct consumer *c, bool fresh, evlog_error *err)
{
	int r = selected_text(c, key_is_default(c) ? NULL : c->o->key, &c->selected, err);
	char *was = c->mark.selection;

	if (r)
		return r;
	int fits = was ? selection_fits(c, was, err) : 1;
	if (fits < 0)
		return fits;
	if (!fits && c->mark.takeovers)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: the checkpoint is for %.250s; that can be changed once event "
		    "%" PRIu64 " has been passed, which was processed before --reshard",
		    c->o->checkpoint, selection_name(was), c->mark.takeover->last);
	if (!fits && !c->o->accept_change)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: the checkpoint is for %.250s, not for %.250s; use "
		    "--accept-change to continue after event %" PRIu64,
		    c->o->checkpoint, selection_name(was), selection_name(c->selected.p),
		    c->mark.place[0].seq);
	c->dirty |= !fresh && (!was || strcmp(was, c->selected.p) != 0);
	free(was);
	c->mark.selection = c->selected.p;
	return 0;
}

/* ---- Logs to append to ---- */

int cursor_name(char name[CURSOR_NAME_MAX + 1], const char *checkpoint, const char *part,
    evlog_error *err)
{
	const char *slash = strrchr(checkpoint, '/');
	const char *base = slash ? slash + 1 : checkpoint;

	int n =
	    snprintf(name, CURSOR_NAME_MAX + 1, "%s%s%s", base, *part ? "#" : "", part);
	if (n < 1 || n > CURSOR_NAME_MAX)
		return error_set(err, EVLOG_EUSAGE,
		    "%s: not a usable name for a checkpoint: empty or too long",
		    checkpoint);
	return 0;
}

/* The permissions of the log's head, for new files: whoever may read or write the log may
 * do the same with its checkpoint and its dead letters.  Of several logs, what all of
 * them permit.  Returns 0 if one has no head. */
static mode_t log_mode(const struct consumer *c)
{
	mode_t mode = 0666;
	char head[4096];
	struct stat st;

	for (size_t i = 0; i < c->n_paths; i++) {
		int n = snprintf(head, sizeof head, "%s/head", log_path(c->paths[i]));
		bool there = n < (int)sizeof head && stat(head, &st) == 0;
		mode &= there ? st.st_mode : 0;
	}
	return mode;
}

/* Opens the log o->path.  Sets *upto to the seq of this consumer's cursor in it; to 0 if
 * there is none, or it is to be ignored.  fresh: the checkpoint is new. */
static int outlet_open(struct consumer *c, struct sink **s, struct log_sink_options *o,
    bool fresh, uint64_t *upto, evlog_error *err)
{
	o->say = c->o->say;
	o->arg = c->o->arg;
	if (c->tracking && c->n_paths == 1) {
		const struct log_identity *who = &c->source[0].track.who;
		memcpy(o->cursor.name, c->name, sizeof c->name);
		memcpy(o->cursor.id, who->id, ID_SIZE);
		memcpy(o->cursor.lineage, who->lineage, HASH_SIZE);
		o->source = c->paths[0];
	}
	int r = log_sink_open(s, o, err);
	if (!r && o->found && o->cursor.has & CURSOR_HAS(CURSOR_FOLD))
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: %s is the name of a process of evfold there; choose another "
		    "name for the checkpoint",
		    o->path, c->name);
	if (!r && o->found && fresh && o->cursor.has & CURSOR_HAS(CURSOR_PARTIAL))
		return error_set(err, EVLOG_EMISMATCH,
		    "%s is new, but the lost one knew which events after %" PRIu64
		    " were processed before --reshard, which makes it again if the old "
		    "checkpoints are still there",
		    c->o->checkpoint, o->cursor.seq);
	*upto = !r && o->found && (fresh || o->cursor.generation == c->mark.generation)
		    ? o->cursor.seq
		    : 0;
	if (*upto && o->cursor.generation > c->mark.generation)
		c->mark.generation = o->cursor.generation; /* of the one that was lost */
	return r;
}

/* Moves the mark to the cursor of the emit log, which is further than the checkpoint. */
static int cursor_follow(struct consumer *c, uint64_t seq, bool fresh, evlog_error *err)
{
	int r = c->emit->kind->where(c->emit, c->mark.place, err);

	if (r)
		return r;
	c->dirty = true;
	if (fresh)
		say(c,
		    "%s is new, but %s already has its events: continuing after event "
		    "%" PRIu64,
		    c->o->checkpoint, c->o->emit, seq);
	return evlog_position_check(c->paths[0], c->mark.place, c->sel.max_line, err);
}

/* What the checkpoint has emitted last was removed from the log since: the cursor there
 * must be as far, or the log is another one. */
static int cursor_attest(
    const struct consumer *c, const struct log_sink_options *emit, evlog_error *err)
{
	const struct cursor *at = &emit->cursor;

	if (emit->found &&
	    (at->generation != c->mark.generation || at->seq >= c->mark.place[0].seq))
		return 0;
	return evlog_position_check(c->o->emit, &c->mark.emitted, c->sel.max_line, err);
}

static int outlets_open(struct consumer *c, bool fresh, evlog_error *err)
{
	struct log_sink_options emit = {.path = c->o->emit};
	struct log_sink_options dead = {.path = c->o->dead_letter, .mode = log_mode(c)};
	uint64_t emitted = 0;
	int r = 0;

	if (emit.path)
		r = outlet_open(c, &c->emit, &emit, fresh, &emitted, err);
	if (!r && c->emitted_removed)
		r = cursor_attest(c, &emit, err);
	if (!r && dead.path)
		r = outlet_open(c, &c->dead, &dead, fresh, &c->dead_upto, err);
	if (!r && c->emit && c->dead && log_sinks_are_one(c->emit, c->dead))
		return error_set(err, EVLOG_EUSAGE,
		    "%s: dead letters need a log of their own", c->o->dead_letter);
	if (!r && emitted && emitted > c->mark.place[0].seq)
		r = cursor_follow(c, emitted, fresh, err);
	if (c->emit)
		log_sink_set_generation(c->emit, c->mark.generation);
	if (c->dead)
		log_sink_set_generation(c->dead, c->mark.generation);
	return r;
}

/* ---- Beginning ---- */

/* Opens and checks the checkpoint.  Sets *fresh if it is new. */
static int begin_tracking(struct consumer *c, bool *fresh, evlog_error *err)
{
	c->file.mode = log_mode(c);
	int r = checkpoint_open(&c->file, c->o->checkpoint, &c->mark, err);

	*fresh = r == EVLOG_END;
	if (r < 0)
		return r;
	if (c->mark.takeovers && c->n_paths > 1)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: other logs can be added once event %" PRIu64
		    " has been passed, which was processed before --reshard",
		    c->o->checkpoint, c->mark.takeover->last);
	r = places_take(c, *fresh, err);
	if (!r)
		r = replaced_check(&c->mark, c->o->checkpoint, err);
	if (!r)
		r = takeovers_check(&c->mark, c->paths[0], c->sel.max_line, err);
	if (!r && *c->mark.emitted.log && c->o->emit)
		r = position_check_appended(c->o->emit, &c->mark.emitted, c->sel.max_line,
		    &c->emitted_removed, err);
	if (!r)
		r = part_check(c, *fresh, err);
	if (!r)
		r = selection_check(c, *fresh, err);
	if (!r)
		r = cursor_name(c->name, c->o->checkpoint, c->mark.part, err);
	c->tracking = true;
	return r;
}

int consumer_begin(struct consumer *c, evlog_error *err)
{
	bool fresh = true;
	int r = c->o->checkpoint ? begin_tracking(c, &fresh, err) : 0;

	if (!r)
		r = outlets_open(c, fresh, err);
	for (size_t i = 0; c->tracking && i < c->n_paths && !r; i++) {
		struct source *s = &c->source[i];
		s->seen = s->before = s->clear = c->mark.place[i].seq;
		r = root_tracker_begin(
		    &s->track, c->paths[i], c->sel.max_line, &c->mark.place[i], err);
	}
	return r;
}

int consumer_open(struct consumer *c, evlog_error *err)
{
	uint64_t first, *from = calloc(c->n_paths, sizeof *from);

	if (!from)
		return error_memory(err);
	for (size_t i = 0; c->tracking && i < c->n_paths; i++)
		from[i] = c->mark.place[i].seq + 1;
	int r = stream_open_from(&c->stream, c->paths, c->n_paths, &c->sel, from, err);
	free(from);
	const char *path = r ? NULL : evlog_stream_trimmed(c->stream, &first);
	if (path)
		say(c,
		    "%s: begins with event %" PRIu64
		    "; those before it have been removed",
		    path, first);
	return r;
}

void consumer_tell(struct consumer *c)
{
	const struct select *mapped = &c->mapping.select;

	if (!c->o->say)
		return;
	evlog_stream_remarks(c->stream, c->o->say, c->o->arg);
	where_remark(&mapped->where, mapped->compared.other, c->o->say, c->o->arg);
}
