/*
 * checkpoint.c - the file that records how far a consumer has come: a JSON object with
 * one member per line.
 *
 *   log, seq, root   id of the log, the last event that is done, the root after it
 *   frontier         the hashes needed to compute later roots from there
 *   places           instead of these, if several logs are read, or a member follows that
 *                    evlog 0.1 does not know: objects with them
 *   taken            the places of the receivers that these have taken over from: an
 *                    array for each time; missing once they lie behind
 *   resharded        to how many receivers: this checkpoint is not to be used any more
 *   part             the shard, as "I/N PATH"; missing for all events
 *   selection        which events are processed (selected.c)
 *   generation       changes each time that it is reset (--reset-to); missing for 0
 *   emitted          log, seq, root and lineage after the last commit to the --emit log
 *   written          when the file was written
 *
 * A lock on the file keeps a second consumer out.  The lock belongs to the inode, but
 * each write replaces the file.  So a process that gets the lock checks that the path
 * still leads to the inode that it has locked.
 */
#include "run/checkpoint.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/replace.h"
#include "event/stamp.h"
#include "json/members.h"
#include "json/path.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST	 (2u << 20) /* bytes of a checkpoint */
#define PATIENCE 500	    /* ms to wait for the lock */

/* ---- Reading ---- */

static bool frontier_of(struct json_text object, struct evlog_position *at)
{
	struct json_text v;
	struct json_walk w;
	struct json_member m;

	at->hashes = 0;
	if (!json_top_find(object, (struct view){"frontier", 8}, &v))
		return true;
	if (json_type_of(v) != JSON_ARRAY)
		return false;
	json_walk_begin(&w, v);
	while (json_walk_next(&w, &m)) {
		if (m.value.len != 66 || *m.value.p != '"' || at->hashes == 53 ||
		    !hex_read(at->frontier[at->hashes], m.value.p + 1, HASH_SIZE))
			return false;
		at->hashes++;
	}
	return at->hashes == (unsigned)__builtin_popcountll(at->seq);
}

static bool position_of(struct json_text object, struct evlog_position *at, bool *failed)
{
	unsigned char bytes[32];

	json_string_of(object, "lineage", at->lineage, sizeof at->lineage, failed);
	return json_string_of(object, "log", at->log, sizeof at->log, failed) &&
	       strlen(at->log) == 32 && hex_read(bytes, at->log, 16) &&
	       json_number_of(object, "seq", &at->seq) &&
	       json_string_of(object, "root", at->root, sizeof at->root, failed) &&
	       strlen(at->root) == 64 && hex_read(bytes, at->root, 32) &&
	       frontier_of(object, at);
}

/* failed: the reason may be that there is no memory. */
static int damaged(const char *path, bool failed, evlog_error *err)
{
	if (failed)
		return error_memory(err);
	return error_set(err, EVLOG_EDATA, "%s: not a checkpoint, or damaged", path);
}

/* Reads the places of an array of at most `most`.  Returns how many there are; 0: it is
 * not such an array. */
static size_t array_of(
    struct json_text array, struct evlog_position *place, size_t most, bool *failed)
{
	struct json_walk w;
	struct json_member m;
	size_t n = 0;

	if (json_type_of(array) != JSON_ARRAY)
		return 0;
	json_walk_begin(&w, array);
	for (; json_walk_next(&w, &m); n++)
		if (n == most || *m.value.p != '{' ||
		    !position_of(m.value, &place[n], failed))
			return 0;
	return n;
}

/* Reads the place, or the places, into c->place, which has room for PLACES_MOST. */
static bool places_of(struct json_text object, struct checkpoint *c, bool *failed)
{
	struct json_text places;

	c->places = 1;
	if (!json_top_find(object, (struct view){"places", 6}, &places))
		return position_of(object, c->place, failed);
	c->places = array_of(places, c->place, PLACES_MOST, failed);
	return c->places > 0;
}

static int takeovers_of(
    const char *path, struct json_text object, struct checkpoint *c, evlog_error *err)
{
	struct evlog_position *room;
	struct json_text taken;
	struct json_walk w;
	struct json_member m;
	bool failed = false;
	int r = 0;

	if (!json_top_find(object, (struct view){"taken", 5}, &taken))
		return 0;
	if (json_type_of(taken) != JSON_ARRAY || c->places != 1)
		return damaged(path, false, err);
	if (!(room = calloc(EVLOG_RECEIVERS_MOST, sizeof *room)))
		return error_memory(err);
	json_walk_begin(&w, taken);
	while (!r && json_walk_next(&w, &m)) {
		struct takeover t = {
		    room, array_of(m.value, room, EVLOG_RECEIVERS_MOST, &failed), 0};
		r = t.shards && !failed && c->takeovers < TAKEOVERS_MOST
			? checkpoint_take_over(c, &t, err)
			: damaged(path, failed, err);
	}
	free(room);
	return r;
}

static int parse(
    const char *path, const char *p, size_t n, struct checkpoint *c, evlog_error *err)
{
	struct json_text object, emitted, written, selection;
	struct json_fault fault;

	if (n == 0)
		return EVLOG_END;
	if (!(c->place = calloc(PLACES_MOST, sizeof *c->place)))
		return error_memory(err);
	bool good = json_scan(p, n, JSON_DEPTH, &object, NULL, &fault);
	bool failed = !good && !fault.reason;
	if (!good || *object.p != '{' || !places_of(object, c, &failed) ||
	    !json_number_if_any(object, "generation", &c->generation) ||
	    !json_number_if_any(object, "resharded", &c->resharded) ||
	    !json_string_if_any(object, "part", c->part, sizeof c->part, &failed) ||
	    (json_top_find(object, (struct view){"emitted", 7}, &emitted) &&
		(*emitted.p != '{' || !position_of(emitted, &c->emitted, &failed))) ||
	    failed)
		return damaged(path, failed, err);
	if (json_top_find(object, (struct view){"selection", 9}, &selection) &&
	    !(c->selection = strndup(selection.p, selection.len)))
		return error_memory(err);
	c->written = EVLOG_TIME_MIN;
	if (json_top_find(object, (struct view){"written", 7}, &written))
		time_of(written, &c->written);
	return takeovers_of(path, object, c, err);
}

static int fd_read(int fd, const char *path, struct checkpoint *c, evlog_error *err)
{
	struct stat st;
	int r;

	*c = (struct checkpoint){0};
	if (fstat(fd, &st) < 0)
		return error_sys(err, "%s", path);
	if (st.st_size > MOST)
		return error_set(err, EVLOG_EDATA, "%s: not a checkpoint", path);
	char *text = malloc((size_t)st.st_size + 1);
	if (!text)
		return error_memory(err);
	ssize_t n = file_pread(fd, text, (size_t)st.st_size, 0);
	if (n < 0)
		r = error_sys(err, "%s", path);
	else
		r = parse(path, text, (size_t)n, c, err);
	free(text);
	if (r)
		checkpoint_free(c);
	return r;
}

int checkpoint_read(const char *path, struct checkpoint *c, evlog_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	*c = (struct checkpoint){0};
	if (fd < 0)
		return errno == ENOENT ? EVLOG_END : error_sys(err, "%s", path);
	int r = fd_read(fd, path, c, err);
	close(fd);
	return r;
}

/* ---- The lock ---- */

static int lock_drop(struct checkpoint_file *f, int r)
{
	close(f->fd);
	f->fd = -1;
	return r;
}

/* Opens and locks the file.  Returns 1 if another process has created or replaced it
 * meanwhile: try again. */
static int lock_try(struct checkpoint_file *f, evlog_error *err)
{
	struct stat ours, there = {0};

	int r = replacement_check(f->path, err);
	if (r)
		return r;
	f->fd = open(f->path, O_RDWR | O_CLOEXEC);
	f->made = f->fd < 0 && errno == ENOENT;
	if (f->made) {
		f->fd = open(f->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (f->fd < 0 && errno == EEXIST)
			return 1;
		if (f->fd >= 0 && f->mode && fchmod(f->fd, f->mode) < 0) {
			error_sys(err, "%s", f->path);
			unlink(f->path);
			return lock_drop(f, err->code);
		}
	}
	if (f->fd < 0)
		return error_sys(err, "%s", f->path);
	/* after a consumer was killed, its child holds the lock until it calls exec */
	if (file_lock(f->fd, PATIENCE) < 0) {
		if (errno == EAGAIN || errno == EACCES)
			return lock_drop(
			    f, error_set(err, EVLOG_EBUSY,
				   "%s: this checkpoint is in use by another consumer",
				   f->path));
		return lock_drop(f, error_sys(err, "%s: cannot lock", f->path));
	}
	if (fstat(f->fd, &ours) < 0 || (stat(f->path, &there) < 0 && errno != ENOENT))
		return lock_drop(f, error_sys(err, "%s", f->path));
	if (ours.st_ino != there.st_ino || ours.st_dev != there.st_dev)
		return lock_drop(f, 1);
	return 0;
}

int checkpoint_open(
    struct checkpoint_file *f, const char *path, struct checkpoint *c, evlog_error *err)
{
	int r;

	*f = (struct checkpoint_file){.path = path, .fd = -1, .mode = f->mode};
	while ((r = lock_try(f, err)) == 1)
		;
	if (!r)
		r = fd_read(f->fd, path, c, err);
	if (r < 0)
		checkpoint_close(f);
	return r;
}

int checkpoint_begin(struct checkpoint *c, size_t places, evlog_error *err)
{
	struct evlog_position *place = calloc(places, sizeof *place);

	if (!place)
		return error_memory(err);
	free(c->place);
	c->place = place;
	c->places = places;
	return 0;
}

int checkpoint_take_over(
    struct checkpoint *c, const struct takeover *from, evlog_error *err)
{
	struct takeover *all = realloc(c->takeover, (c->takeovers + 1) * sizeof *all);
	struct takeover t = {.shards = from->shards};

	if (!all)
		return error_memory(err);
	c->takeover = all;
	if (!(t.place = malloc(t.shards * sizeof *t.place)))
		return error_memory(err);
	memcpy(t.place, from->place, t.shards * sizeof *t.place);
	for (size_t i = 0; i < t.shards; i++) {
		t.place[i].hashes = 0; /* nobody continues there */
		if (t.place[i].seq > t.last)
			t.last = t.place[i].seq;
	}
	all[c->takeovers++] = t;
	return 0;
}

void checkpoint_pass(struct checkpoint *c, bool all)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->takeovers; i++)
		if (all || c->takeover[i].last <= c->place[0].seq)
			free(c->takeover[i].place);
		else
			c->takeover[kept++] = c->takeover[i];
	c->takeovers = kept;
}

void checkpoint_free(struct checkpoint *c)
{
	checkpoint_pass(c, true);
	free(c->takeover);
	free(c->place);
	free(c->selection);
	*c = (struct checkpoint){0};
}

void checkpoint_close(struct checkpoint_file *f)
{
	struct stat st;

	if (f->fd < 0)
		return;
	if (f->made && fstat(f->fd, &st) == 0 && st.st_size == 0)
		unlink(f->path);
	close(f->fd);
	f->fd = -1;
}

/* ---- Writing ---- */

static void position_add(struct buf *b, const struct evlog_position *at)
{
	buf_printf(b, "\"log\":\"%s\",\n \"seq\":%" PRIu64 ",\n \"root\":\"%s\"", at->log,
	    at->seq, at->root);
	if (*at->lineage)
		buf_printf(b, ",\n \"lineage\":\"%s\"", at->lineage);
	for (unsigned i = 0; i < at->hashes; i++) {
		char text[65];
		hash_hex(at->frontier[i], text);
		buf_printf(b, "%s\"%s\"", i ? ",\n  " : ",\n \"frontier\":[", text);
	}
	buf_puts(b, at->hashes ? "]" : "");
}

static void places_add(struct buf *b, const struct evlog_position *at, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_puts(b, i ? ",\n{" : "[{");
		position_add(b, &at[i]);
		buf_putc(b, '}');
	}
	buf_putc(b, ']');
}

static void text_add(struct buf *b, const struct checkpoint *c)
{
	char now[28];

	buf_putc(b, '{');
	if (c->places > 1 || c->takeovers || c->resharded) {
		buf_puts(b, "\"places\":");
		places_add(b, c->place, c->places);
	} else {
		position_add(b, c->place);
	}
	for (size_t i = 0; i < c->takeovers; i++) {
		buf_puts(b, i ? ",\n " : ",\n \"taken\":[");
		places_add(b, c->takeover[i].place, c->takeover[i].shards);
	}
	buf_puts(b, c->takeovers ? "]" : "");
	if (c->resharded)
		buf_printf(b, ",\n \"resharded\":%" PRIu64, c->resharded);
	if (*c->part) {
		buf_puts(b, ",\n \"part\":");
		json_escape(b, (struct view){c->part, strlen(c->part)});
	}
	if (c->selection)
		buf_printf(b, ",\n \"selection\":%s", c->selection);
	if (c->generation)
		buf_printf(b, ",\n \"generation\":%" PRIu64, c->generation);
	if (*c->emitted.log) {
		buf_puts(b, ",\n \"emitted\":{");
		position_add(b, &c->emitted);
		buf_putc(b, '}');
	}
	evlog_time_format(evlog_now(), now);
	buf_printf(b, ",\n \"written\":\"%s\"}\n", now);
}

int checkpoint_write(
    struct checkpoint_file *f, const struct checkpoint *c, evlog_error *err)
{
	struct replacement new;
	struct buf text = {0};

	text_add(&text, c);
	int r = text.failed ? error_memory(err)
			    : replacement_begin(&new, f->path, f->mode, err);
	if (r) {
		buf_free(&text);
		return r;
	}
	fwrite(text.p, 1, text.len, new.f); /* replacement_end reports errors */
	buf_free(&text);
	int fd = fcntl(fileno(new.f), F_DUPFD_CLOEXEC, 3);
	if (fd < 0 || file_lock(fd, 0) < 0) {
		r = error_sys(err, "%s: cannot lock", f->path);
		if (fd >= 0)
			close(fd);
		replacement_drop(&new);
		return r;
	}
	if ((r = replacement_end(&new, err)) != 0) {
		close(fd);
		return r;
	}
	close(f->fd);
	f->fd = fd;
	f->made = false;
	return 0;
}
