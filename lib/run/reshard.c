/*
 * reshard.c - divides the events of a log among another number of receivers.
 *
 * The new receivers begin with the first event that one of the old ones has not passed,
 * and skip what the old ones have done (struct takeover).  Each step may be the last one:
 * first the old checkpoints are marked as replaced, so that nobody continues with them,
 * then the new ones are written.  If that is interrupted, the same call completes it.
 */
#include "base/error.h"
#include "base/options.h"
#include "run/consumer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A checkpoint of a receiver, which is locked. */
struct receiver {
	struct checkpoint_file file;
	struct checkpoint mark;
	bool fresh; /* there is none yet */
};

struct reshard {
	const struct evlog_reshard_options *o;
	const char *log;
	struct receiver *old, *new;
	char key[300]; /* of the old ones */
};

/* ---- The old checkpoints ---- */

/* Checks that a checkpoint is that of receiver i of n, and that its key is that of the
 * others. */
static int part_fits(struct reshard *s, size_t i, size_t n, evlog_error *err)
{
	const struct receiver *r = &s->old[i];
	const char *part = r->mark.part, *key = strchr(part, ' ');
	char shard[64];

	snprintf(shard, sizeof shard, "%zu/%zu ", i + 1, n);
	bool fits = n == 1 ? !*part : strncmp(part, shard, strlen(shard)) == 0;
	if (!fits)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: the checkpoint is for %s%s, not for shard %zu/%zu", r->file.path,
		    *part ? "shard " : "all events", part, i + 1, n);
	if (i > 0 && strcmp(s->key, key + 1) != 0)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: its key is %s, that of others is %s", r->file.path, key + 1,
		    s->key);
	if (i == 0 && n > 1)
		snprintf(s->key, sizeof s->key, "%s", key + 1);
	return 0;
}

/* Gets the key by which a single receiver's events are divided from now on: the one that
 * its selection names.  Of a long selection only the hash is known. */
static int key_find(struct reshard *s, evlog_error *err)
{
	const char *text = s->old->mark.selection, *given = s->o->key;
	struct json_text selection = {text, strlen(text)}, key;
	struct buf b = {0};

	bool hashed = json_top_find(selection, (struct view){"sha256", 6}, &key);
	if (hashed)
		buf_puts(&b, given ? given : "");
	else if (json_top_find(selection, (struct view){"key", 3}, &key))
		json_unescape(&b, key);
	else
		buf_puts(&b, "subject");
	buf_putc(&b, '\0');
	if (!b.failed)
		snprintf(s->key, sizeof s->key, "%s", b.p);
	bool failed = b.failed;
	buf_free(&b);
	if (failed)
		return error_memory(err);
	return *s->key
		   ? 0
		   : error_set(err, EVLOG_EUSAGE,
			 "%s: the selection is too long to be recorded; give the --key",
			 s->old->file.path);
}

/* Checks that a log has no cursor of the receiver that is further than its checkpoint.
 * *there: it has one that is as far. */
static int outlet_check(struct reshard *s, const struct receiver *r, const char *log,
    bool *there, evlog_error *err)
{
	struct log_sink_options o = {.path = log, .source = s->log, .no_create = true};
	struct log_identity who;
	struct sink *sink = NULL;

	int res = log_identify(s->log, s->o->max_line, &who, err);
	if (!res)
		res = cursor_name(o.cursor.name, r->file.path, r->mark.part, err);
	if (res)
		return res;
	memcpy(o.cursor.id, who.id, ID_SIZE);
	memcpy(o.cursor.lineage, who.lineage, HASH_SIZE);
	res = log_sink_open(&sink, &o, err);
	if (sink)
		sink->kind->close(sink);
	if (!res && o.found && o.cursor.generation == r->mark.generation &&
	    o.cursor.seq > r->mark.place->seq)
		return error_set(err, EVLOG_EBUSY,
		    "%s: the receiver was killed before it could record its place, which "
		    "%s has; start it once more, and end it with SIGTERM",
		    r->file.path, log);
	*there = !res && o.found &&
		 (o.cursor.generation != r->mark.generation ||
		     o.cursor.seq == r->mark.place->seq);
	return res;
}

static int old_check(struct reshard *s, size_t i, evlog_error *err)
{
	const struct receiver *r = &s->old[i];
	const struct evlog_reshard_options *o = s->o;
	bool removed = false, there;

	if (r->fresh)
		return error_set(err, EVLOG_ENOINPUT,
		    "%s: the checkpoint does not exist or is still empty", r->file.path);
	if (r->mark.places != 1)
		return error_set(err, EVLOG_EUSAGE,
		    "%s: a checkpoint of several logs cannot be divided anew",
		    r->file.path);
	int res = part_fits(s, i, o->from_count, err);
	if (res)
		return res;
	if (r->mark.resharded && r->mark.resharded != o->to_count)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: --reshard %" PRIu64 " has begun, and must be finished first",
		    r->file.path, r->mark.resharded);
	if (!r->mark.selection)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: an older version wrote this checkpoint, without the selection; "
		    "start the receiver once more, and end it",
		    r->file.path);
	if (strcmp(r->mark.selection, s->old->mark.selection) != 0)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: its selection is not that of %s", r->file.path,
		    s->old->file.path);
	if (*r->mark.emitted.log && !o->emit)
		return error_set(err, EVLOG_EUSAGE,
		    "%s: the receiver emits events; say to which log, with --emit",
		    r->file.path);
	res = evlog_position_check(s->log, r->mark.place, o->max_line, err);
	if (!res && *r->mark.emitted.log)
		res = position_check_appended(
		    o->emit, &r->mark.emitted, o->max_line, &removed, err);
	if (!res && o->emit)
		res = outlet_check(s, r, o->emit, &there, err);
	if (!res && removed && !there) /* the cursor would attest what was removed */
		res = evlog_position_check(o->emit, &r->mark.emitted, o->max_line, err);
	return res || !o->dead_letter ? res
				      : outlet_check(s, r, o->dead_letter, &there, err);
}

/* ---- The new ones ---- */

/* Whether the same places were taken over before. */
static bool is_known(const struct checkpoint *c, const struct takeover *t)
{
	for (size_t i = 0; i < c->takeovers; i++) {
		const struct takeover *k = &c->takeover[i];
		bool same = k->shards == t->shards;
		for (size_t j = 0; same && j < t->shards; j++)
			same = k->place[j].seq == t->place[j].seq;
		if (same)
			return true;
	}
	return false;
}

/* Checks that each old receiver knows what the others know to be done, unless it is past
 * that.  One that was reset does not. */
static int takeovers_agree(
    const struct reshard *s, const struct checkpoint *c, evlog_error *err)
{
	if (c->takeovers >= TAKEOVERS_MOST)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: the receivers were divided too often; let them pass event "
		    "%" PRIu64 " first",
		    s->old->file.path, c->takeover->last);
	for (size_t i = 0; i < s->o->from_count; i++)
		for (size_t k = 0; k < c->takeovers; k++) {
			const struct receiver *r = &s->old[i];
			const struct takeover *t = &c->takeover[k];
			if (r->mark.place->seq < t->last && !is_known(&r->mark, t))
				return error_set(err, EVLOG_EMISMATCH,
				    "%s: it was reset, and has to pass event %" PRIu64
				    " first",
				    r->file.path, t->last);
		}
	return 0;
}

/* Makes what all new receivers have in common: they begin at the lowest place, and what
 * the old ones know to be done is done for all, because it says of which keys. */
static int successor_make(struct reshard *s, struct checkpoint *c, evlog_error *err)
{
	size_t n = s->o->from_count;
	struct takeover t = {.place = calloc(n, sizeof *t.place), .shards = n};
	int r = t.place ? checkpoint_begin(c, 1, err) : error_memory(err);

	for (size_t i = 0; i < n && !r; i++) {
		const struct checkpoint *old = &s->old[i].mark;
		t.place[i] = *old->place;
		if (i == 0 || old->place->seq < c->place->seq)
			*c->place = *old->place;
		if (old->emitted.seq > c->emitted.seq)
			c->emitted = old->emitted;
		if (old->generation >= c->generation)
			c->generation = old->generation + 1;
		for (size_t k = 0; k < old->takeovers && !r; k++)
			if (!is_known(c, &old->takeover[k]))
				r = checkpoint_take_over(c, &old->takeover[k], err);
	}
	if (!r)
		r = takeovers_agree(s, c, err);
	if (!r)
		r = checkpoint_take_over(c, &t, err);
	if (!r)
		checkpoint_pass(c, false);
	free(t.place);
	c->selection = s->old->mark.selection; /* which it does not own */
	return r;
}

/* Checks that a new checkpoint may be written.  Sets *done if an earlier call has done
 * it. */
static int new_check(const struct reshard *s, size_t i, struct checkpoint *next,
    bool *done, evlog_error *err)
{
	const struct receiver *r = &s->new[i];

	part_write(next->part, i + 1, s->o->to_count, s->key);
	bool later = r->mark.generation >= next->generation;
	*done = !r->fresh && !r->mark.resharded && s->old->mark.resharded && later &&
		strcmp(r->mark.part, next->part) == 0;
	if (*done || r->fresh || (r->mark.resharded && !later))
		return 0;
	if (r->mark.resharded)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: --reshard %" PRIu64 " has begun later, and must be finished "
		    "first",
		    r->file.path, r->mark.resharded);
	return error_set(err, EVLOG_ECREATE,
	    "%s: there is such a checkpoint already; if it is not needed, remove it",
	    r->file.path);
}

/* ---- Both ---- */

static int receivers_open(
    struct receiver *r, const char *const *paths, size_t n, mode_t mode, evlog_error *err)
{
	for (size_t i = 0; i < n; i++) {
		r[i].file.mode = mode;
		int res = checkpoint_open(&r[i].file, paths[i], &r[i].mark, err);
		r[i].fresh = res == EVLOG_END;
		if (res < 0)
			return res;
	}
	return 0;
}

static void receivers_close(struct receiver *r, size_t n)
{
	for (size_t i = 0; i < n && r; i++) {
		checkpoint_close(&r[i].file);
		checkpoint_free(&r[i].mark);
	}
	free(r);
}

static struct receiver *receivers_new(size_t n)
{
	struct receiver *r = calloc(n, sizeof *r);

	for (size_t i = 0; i < n && r; i++)
		r[i].file.fd = -1;
	return r;
}

/* Marks the old checkpoints as replaced, then writes the new ones. */
static int replace(struct reshard *s, struct checkpoint *next, evlog_error *err)
{
	int r = 0;
	bool done;

	for (size_t i = 0; i < s->o->to_count && !r; i++)
		r = new_check(s, i, next, &done, err);
	for (size_t i = 0; i < s->o->from_count && !r; i++) {
		struct receiver *old = &s->old[i];
		if (old->mark.resharded)
			continue;
		old->mark.resharded = s->o->to_count;
		r = checkpoint_write(&old->file, &old->mark, err);
	}
	for (size_t i = 0; i < s->o->to_count && !r; i++) {
		r = new_check(s, i, next, &done, err);
		if (!r && !done)
			r = checkpoint_write(&s->new[i].file, next, err);
	}
	return r;
}

static int reshard(struct reshard *s, evlog_error *err)
{
	const struct evlog_reshard_options *o = s->o;
	struct checkpoint next = {0};
	struct stat st;
	int r = receivers_open(s->old, o->from, o->from_count, 0, err);

	if (!r && fstat(s->old->file.fd, &st) < 0)
		r = error_sys(err, "%s", s->old->file.path);
	for (size_t i = 0; i < o->from_count && !r; i++)
		s->old[i].file.mode = st.st_mode & 0666;
	if (!r)
		r = receivers_open(s->new, o->to, o->to_count, st.st_mode & 0666, err);
	for (size_t i = 0; i < o->from_count && !r; i++)
		r = old_check(s, i, err);
	if (!r && o->from_count == 1)
		r = key_find(s, err);
	if (!r && o->key && strcmp(o->key, s->key) != 0)
		r = error_set(err, EVLOG_EUSAGE, "--key %s: the events are divided by %s",
		    o->key, s->key);
	if (!r)
		r = successor_make(s, &next, err);
	if (!r)
		r = replace(s, &next, err);
	next.selection = NULL;
	checkpoint_free(&next);
	return r;
}

int evlog_checkpoint_reshard(
    const char *log, const struct evlog_reshard_options *given, evlog_error *err)
{
	struct evlog_reshard_options o;
	struct reshard s = {.o = &o, .log = log};

	OWN_ERROR(err);
	NEED(log, err);
	int r = options_take(
	    &o, sizeof o, END_OF(struct evlog_reshard_options, max_line), given, err);
	if (r)
		return r;
	NEED(o.from && o.to, err);
	REFUSE(!o.from_count || !o.to_count || o.from_count > EVLOG_RECEIVERS_MOST ||
		   o.to_count > EVLOG_RECEIVERS_MOST,
	    "there are from 1 to 256 receivers", err);
	for (size_t i = 0; i < o.from_count; i++)
		NEED(o.from[i], err);
	for (size_t i = 0; i < o.to_count; i++)
		NEED(o.to[i], err);
	REFUSE(o.from_count == o.to_count, "there are so many receivers already", err);
	s.old = receivers_new(o.from_count);
	s.new = receivers_new(o.to_count);
	r = s.old && s.new ? reshard(&s, err) : error_memory(err);
	receivers_close(s.old, o.from_count);
	receivers_close(s.new, o.to_count);
	return r;
}
