/*
 * snapshot.c - saves a fold's groups in a file, so that the next fold can continue from
 * there.
 *
 * The file has lines of JSON: first {"evlog":"snapshot
 * 1","log":ID,"seq":N,"root":ROOT,"fold":HASH}, and, if the fold emits into a log,
 * "process":NAME and "emitted":{"log":ID,"seq":N,"root":ROOT}, which is a place in that
 * log, and the same for its dead letters, as "letters"; then, sorted by key,
 * {"key":KEY,"seq":SEQ,"state":STATE} for each group; last
 * {"groups":COUNT,"hash":HASH}, where HASH is an XXH3 over the hashes of the lines.
 */
#include "base/error.h"
#include "base/options.h"
#include "base/replace.h"
#include "fold/fold.h"
#include "fold/snapshot_line.h"
#include "json/members.h"
#include "json/path.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- Lines and their hash ---- */

static uint64_t hash_on(uint64_t hash, const char *p, size_t len)
{
	uint64_t both[2] = {hash, hash64(p, len)};

	return hash64(both, sizeof both);
}

/* ---- Reading ---- */

struct reading {
	evlog_fold *f;
	const char *path;
	uint64_t line, hash, groups;
	bool ended;
};

static int broken(const struct reading *r, const char *why, evlog_error *err)
{
	return error_set(err, EVLOG_EDAMAGED,
	    "%s: line %" PRIu64 ": %s; use --rebuild to create it again", r->path,
	    r->line, why);
}

/* The snapshot of a process is only a cache: it counts if the log that is folded is still
 * as it was, and the others have all that was emitted before it was written. */
static int emitted_check(const struct reading *r, struct json_text line,
    const struct evlog_position *at, evlog_error *err)
{
	evlog_error why;

	int res = emitter_check(r->f->emitter, line, at, &why);
	if (res == EVLOG_EMISMATCH)
		return error_set(err, res, "%.200s: %.500s", r->path, why.text);
	if (res && err)
		*err = why;
	return res;
}

static int header_take(
    struct reading *r, struct json_text line, struct evlog_position *at, evlog_error *err)
{
	char hash[65];

	if (!line_text_is(line, "evlog", "snapshot 1") || !line_position(line, at))
		return broken(r, "not a snapshot, or written by another version", err);
	int res = fold_identity(r->f, hash, err);
	if (!res && !line_text_is(line, "fold", hash))
		res = error_set(err, EVLOG_EMISMATCH,
		    "%s: made with a different program, reducers or key%s", r->path,
		    r->f->emitter ? "" : "; use --rebuild to create it again");
	return res || !r->f->emitter ? res : emitted_check(r, line, at, err);
}

static int group_take(struct reading *r, struct json_text line, evlog_error *err)
{
	struct json_text key = {"", 0}, state;
	evlog_error why;
	evlog_fold *part;
	bool made;

	if (!json_top_find(line, (struct view){"state", 5}, &state) ||
	    (fold_keyed(r->f) && !json_top_find(line, (struct view){"key", 3}, &key)))
		return broken(r, "expected {\"key\":...,\"seq\":...,\"state\":...}", err);
	struct view text = {key.p, key.len};
	uint64_t hash = hash_table(text.p, text.len);
	int res = fold_part_of(r->f, hash, &part, err);
	if (res)
		return res;
	struct group *g = group_of(&part->groups, text, hash, part->size, &made);
	if (!g)
		return error_memory(err);
	g->part = part->number;
	r->groups++;
	json_number_of(line, "seq", &g->seq);
	res = group_restore(part, g, state, &why);
	if (res == EVLOG_EDATA || res == EVLOG_EPROGRAM)
		return broken(r, why.text, err);
	if (res && err)
		*err = why;
	return res ? res : fold_shown(part, g, err);
}

static int line_take(struct reading *r, const char *p, size_t len,
    struct evlog_position *at, evlog_error *err)
{
	struct json_fault fault = {0};
	struct json_text line, found;
	uint64_t groups = 0;
	char text[17];
	int res = 0;

	if (!json_scan(p, len, JSON_DEPTH_MOST, &line, NULL, &fault))
		return fault.reason ? broken(r, fault.reason, err) : error_memory(err);
	snprintf(text, sizeof text, "%016" PRIx64, r->hash);
	if (r->ended)
		return broken(r, "unexpected line after the end", err);
	if (r->line == 1)
		res = header_take(r, line, at, err);
	else if (!json_top_find(line, (struct view){"groups", 6}, &found))
		res = group_take(r, line, err);
	else if (!json_number_of(line, "groups", &groups) || groups != r->groups)
		res = broken(r, "damaged: it has not as many groups as it says", err);
	else if (!line_text_is(line, "hash", text))
		res = broken(r, "damaged: the hash of the lines does not match", err);
	else
		r->ended = true;
	r->hash = hash_on(r->hash, p, len);
	return res;
}

static int snapshot_read(
    evlog_fold *f, const char *path, struct evlog_position *at, evlog_error *err)
{
	struct reading r = {.f = f, .path = path};
	evlog_input *in;
	const char *p;
	size_t len;
	int res = fold_ready(f, err);

	*at = (struct evlog_position){0};
	if (!res && access(path, F_OK) < 0 && errno == ENOENT)
		return EVLOG_END;
	if (!res)
		res = replacement_check(path, err);
	if (!res)
		res = evlog_input_open(&in, path, NULL, err);
	if (res)
		return res;
	while (!res && (res = evlog_input_next(in, -1, &p, &len, err)) == 0) {
		r.line++;
		res = line_take(&r, p, len, at, err);
	}
	if (res == EVLOG_END)
		res =
		    r.ended ? 0 : broken(&r, "truncated: the last line is missing", err);
	evlog_input_close(in);
	f->at_seq = f->began = at->seq;
	return res;
}

int evlog_fold_load(
    evlog_fold *f, const char *path, struct evlog_position *at, evlog_error *err)
{
	OWN_ERROR(err);
	NEED(f && path && at, err);
	REFUSE(f->ready && !(f->emitter && !f->at_seq), FOLD_SET, err);
	int r = snapshot_read(f, path, at, err);
	if (r == EVLOG_EMISMATCH && f->emitter) { /* nothing was loaded: do without */
		emitter_unsaved(f->emitter, err);
		*at = (struct evlog_position){0};
		f->at_seq = f->began = 0;
		return EVLOG_END;
	}
	if (r < 0)
		f->over = "evlog_fold_load has failed";
	return r;
}

/* ---- Writing ---- */

static int line_write(FILE *out, const struct buf *b, uint64_t *hash, evlog_error *err)
{
	if (b->failed)
		return error_memory(err);
	*hash = hash_on(*hash, b->p, b->len);
	fwrite(b->p, 1, b->len, out);
	fputc('\n', out);
	return 0;
}

static int lines_write(
    evlog_fold *f, FILE *out, const struct evlog_position *at, evlog_error *err)
{
	struct buf *b = &f->row;
	uint64_t hash = 0, n = 0;
	char fold[65];
	int r = fold_identity(f, fold, err);

	b->len = 0;
	buf_printf(b,
	    "{\"evlog\":\"snapshot 1\",\"log\":\"%s\",\"lineage\":\"%s\",\"seq\":%" PRIu64
	    ",\"root\":\"%s\",\"fold\":\"%s\"",
	    at->log, at->lineage, at->seq, at->root, fold);
	if (f->emitter)
		emitter_save(f->emitter, b);
	buf_putc(b, '}');
	if (!r)
		r = line_write(out, b, &hash, err);
	for (size_t i = 0; i < f->groups.n && !r; i++) {
		const struct group *g = f->groups.at[i];
		if (f->program && !g->state)
			continue;
		b->len = 0;
		buf_putc(b, '{');
		if (fold_keyed(f)) {
			buf_puts(b, "\"key\":");
			buf_add(b, g->key.p, g->key.len);
			buf_putc(b, ',');
		}
		buf_printf(b, "\"seq\":%" PRIu64 ",\"state\":", g->seq);
		r = group_save(fold_owner(f, g), g, b, err);
		buf_putc(b, '}');
		if (!r)
			r = line_write(out, b, &hash, err);
		n++;
	}
	b->len = 0;
	buf_printf(b, "{\"groups\":%" PRIu64 ",\"hash\":\"%016" PRIx64 "\"}", n, hash);
	return r ? r : line_write(out, b, &hash, err);
}

int evlog_fold_save(
    evlog_fold *f, const char *path, const struct evlog_position *at, evlog_error *err)
{
	struct replacement out;

	OWN_ERROR(err);
	NEED(f && path && at, err);
	REFUSE(fold_unsettled(f), fold_unsettled(f), err);
	REFUSE(!position_is_sound(at), "it is not a position", err);
	REFUSE(evlog_fold_log_pending(f), "what was emitted is not committed", err);
	int r = fold_ready(f, err);
	if (r)
		return r;
	if ((r = replacement_begin(&out, path, 0, err)) != 0)
		return r;
	r = groups_sort(&f->groups) ? lines_write(f, out.f, at, err) : error_memory(err);
	if (!r)
		return replacement_end(&out, err);
	replacement_drop(&out);
	return r;
}
