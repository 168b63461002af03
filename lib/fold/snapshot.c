/*
 * snapshot.c - saves a fold's groups in a file, so that the next fold can continue from
 * there.
 *
 * The file has lines of JSON: first {"evlog":"snapshot
 * 1","log":ID,"seq":N,"root":ROOT,"fold":HASH}; then, sorted by key,
 * {"key":KEY,"seq":SEQ,"state":STATE} for each group; last {"groups":COUNT,"hash":HASH},
 * where HASH is an XXH3 over the hashes of the lines.
 */
#include "base/error.h"
#include "base/options.h"
#include "base/replace.h"
#include "fold/fold.h"
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

static bool text_is(struct json_text line, const char *name, const char *text)
{
	struct json_text v;
	size_t n = strlen(text);

	return json_top_find(line, (struct view){name, strlen(name)}, &v) &&
	       v.len == n + 2 && memcmp(v.p + 1, text, n) == 0;
}

static bool text_take(struct json_text line, const char *name, char *out, size_t size)
{
	struct json_text v;

	if (!json_top_find(line, (struct view){name, strlen(name)}, &v) || v.len < 2 ||
	    v.len - 2 >= size || *v.p != '"')
		return false;
	memcpy(out, v.p + 1, v.len - 2);
	out[v.len - 2] = '\0';
	return true;
}

static bool number_take(struct json_text line, const char *name, uint64_t *n)
{
	struct json_text v;
	char text[24];

	if (!json_top_find(line, (struct view){name, strlen(name)}, &v) ||
	    v.len >= sizeof text)
		return false;
	memcpy(text, v.p, v.len);
	text[v.len] = '\0';
	*n = strtoull(text, NULL, 10);
	return true;
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

static int header_take(
    struct reading *r, struct json_text line, struct evlog_position *at, evlog_error *err)
{
	char hash[65];

	text_take(line, "lineage", at->lineage, sizeof at->lineage);
	if (!text_is(line, "evlog", "snapshot 1") ||
	    !text_take(line, "log", at->log, sizeof at->log) ||
	    !text_take(line, "root", at->root, sizeof at->root) ||
	    !number_take(line, "seq", &at->seq))
		return broken(r, "not a snapshot, or written by another version", err);
	int res = fold_identity(r->f, hash, err);
	if (!res && !text_is(line, "fold", hash))
		res = error_set(err, EVLOG_EMISMATCH,
		    "%s: made with a different program, reducers or key; use --rebuild "
		    "to create it again",
		    r->path);
	return res;
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
	struct group *g = group_of(&part->groups, text, hash, part->n, &made);
	if (!g)
		return error_memory(err);
	g->owner = part;
	r->groups++;
	number_take(line, "seq", &g->seq);
	res = group_restore(part, g, state, &why);
	if (res == EVLOG_EDATA)
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
	else if (!number_take(line, "groups", &groups) || groups != r->groups)
		res = broken(r, "damaged: it has not as many groups as it says", err);
	else if (!text_is(line, "hash", text))
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
	REFUSE(f->ready, FOLD_SET, err);
	int r = snapshot_read(f, path, at, err);
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
	    ",\"root\":\"%s\",\"fold\":\"%s\"}",
	    at->log, at->lineage, at->seq, at->root, fold);
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
		r = group_save(g->owner, g, b, err);
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
	REFUSE(fold_is_busy(f), FOLD_BUSY, err);
	REFUSE(!position_is_sound(at), "it is not a position", err);
	int r = fold_ready(f, err);
	if (r)
		return r;
	if ((r = replacement_begin(&out, path, 0, err)) != 0)
		return r;
	groups_sort(&f->groups);
	r = lines_write(f, out.f, at, err);
	if (!r)
		return replacement_end(&out, err);
	replacement_drop(&out);
	return r;
}
