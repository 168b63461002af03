/*
 * manifest.c - what a point consists of, in memory and as JSON.
 *
 * The manifest is a JSON object, and a later version may add members to it:
 *
 *   evlog, version   "point", 1
 *   time             when it was made
 *   seq, root        the last event, and the root after it
 *   frontier         the hashes of the tree there
 *   lineage          leaf hash of event 1; missing if it is not known
 *   head             what head records: segment, id, epoch, committed, block,
 *                    logtime, copy
 *   mode, directory  permissions, in octal
 *   segments         file, root and bytes of each segment that is sealed; of the
 *                    others first, last, root, id, bytes and pieces
 *   trimmed          the same for segments that were removed from the log before
 *   dropped          missing, or the event before which all were given up
 *   cursors          how far each consumer has come that appends to this log
 *   files            name, bytes and mode of what was saved along with it
 */
#include "backup/manifest.h"
#include "base/error.h"
#include "event/stamp.h"
#include "json/members.h"
#include "json/path.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- In memory ---- */

void point_free(struct point *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->segment[i].piece);
	for (size_t i = 0; i < p->files; i++)
		free(p->file[i].name);
	free(p->segment);
	free(p->file);
	buf_free(&p->cursors);
	*p = (struct point){0};
}

struct stored_segment *point_segment(struct point *p)
{
	if (p->n == p->cap && !array_grow(&p->segment, &p->cap, sizeof *p->segment))
		return NULL;
	p->segment[p->n] = (struct stored_segment){0};
	return &p->segment[p->n++];
}

struct piece *segment_piece(struct stored_segment *s)
{
	if (s->n == s->cap && !array_grow(&s->piece, &s->cap, sizeof *s->piece))
		return NULL;
	s->piece[s->n] = (struct piece){0};
	return &s->piece[s->n++];
}

void piece_name(char out[STORE_NAME_SIZE], const struct stored_segment *s, size_t i)
{
	store_name(out, s->sealed ? STORE_SEGMENT : STORE_TAIL, s->first,
	    s->sealed ? s->last : s->piece[i].offset, s->piece[i].hash);
}

/* ---- Writing ---- */

static void hex_add(struct buf *b, const char *before, const unsigned char *p, size_t n)
{
	char hex[2 * HASH_SIZE + 1];

	hex_write(hex, p, n);
	buf_printf(b, "%s\"%s\"", before, hex);
}

static void time_add(struct buf *b, const char *before, int64_t time)
{
	char text[28];

	evlog_time_format(time, text);
	buf_printf(b, "%s\"%s\"", before, text);
}

static void segment_add(struct buf *b, const struct stored_segment *s)
{
	char name[STORE_NAME_SIZE];

	if (s->sealed) {
		piece_name(name, s, 0);
		buf_printf(b, "{\"file\":\"%s\",\"bytes\":%" PRIu64, name, s->size);
		buf_printf(b, ",\"mark\":\"%s\"", s->mark);
		hex_add(b, ",\"root\":", s->root, HASH_SIZE);
		buf_putc(b, '}');
		return;
	}
	buf_printf(b, "{\"first\":%" PRIu64 ",\"last\":%" PRIu64 ",\"bytes\":%" PRIu64,
	    s->first, s->last, s->size);
	hex_add(b, ",\"root\":", s->root, HASH_SIZE);
	hex_add(b, ",\"id\":", s->id, ID_SIZE);
	for (size_t i = 0; i < s->n; i++) {
		piece_name(name, s, i);
		buf_printf(b, "%s{\"file\":\"%s\",\"bytes\":%" PRIu64 "}",
		    i ? "," : ",\"pieces\":[", name, s->piece[i].size);
	}
	buf_puts(b, s->n ? "]}" : "}");
}

static void segments_add(
    struct buf *b, const char *name, const struct stored_segment *s, size_t n)
{
	buf_printf(b, ",\n\"%s\":[", name);
	for (size_t i = 0; i < n; i++) {
		buf_puts(b, i ? ",\n" : "\n");
		segment_add(b, &s[i]);
	}
	buf_putc(b, ']');
}

static void head_add(struct buf *b, const struct head *h)
{
	buf_printf(b, "{\"segment\":%" PRIu64, h->segment);
	hex_add(b, ",\"id\":", h->id, ID_SIZE);
	buf_printf(b,
	    ",\"epoch\":%" PRIu64 ",\"committed\":%" PRIu64 ",\"block\":%" PRIu64,
	    h->epoch, h->committed, h->last_block);
	if (h->last_logtime != EVLOG_TIME_MIN)
		time_add(b, ",\"logtime\":", h->last_logtime);
	buf_puts(b, h->flags & HEAD_COPY ? ",\"copy\":true}" : "}");
}

void manifest_write(struct buf *b, const struct point *p)
{
	const struct head *h = &p->head;

	time_add(b, "{\"evlog\":\"point\",\"version\":1,\n\"time\":", p->time);
	buf_printf(b, ",\n\"seq\":%" PRIu64, h->tree.n);
	hex_add(b, ",\"root\":", h->root, HASH_SIZE);
	buf_puts(b, ",\n\"frontier\":[");
	for (unsigned i = 0; i < merkle_count(h->tree.n); i++)
		hex_add(b, i ? ",\n" : "", h->tree.at[i], HASH_SIZE);
	buf_putc(b, ']');
	if (!hash_is_none(p->lineage))
		hex_add(b, ",\n\"lineage\":", p->lineage, HASH_SIZE);
	buf_puts(b, ",\n\"head\":");
	head_add(b, h);
	buf_printf(b, ",\n\"mode\":\"%04o\",\"directory\":\"%04o\"", (unsigned)p->mode,
	    (unsigned)p->dir_mode);
	if (p->dropped)
		buf_printf(b, ",\n\"dropped\":%" PRIu64, p->dropped);
	if (p->trimmed)
		segments_add(b, "trimmed", p->segment, p->trimmed);
	segments_add(b, "segments", p->segment + p->trimmed, p->n - p->trimmed);
	buf_puts(b, ",\n\"cursors\":[");
	buf_add(b, p->cursors.p, p->cursors.len);
	buf_puts(b, "],\n\"files\":[");
	for (size_t i = 0; i < p->files; i++) {
		buf_puts(b, i ? ",\n{\"name\":" : "\n{\"name\":");
		json_escape(b, (struct view){p->file[i].name, strlen(p->file[i].name)});
		buf_printf(b, ",\"bytes\":%" PRIu64 ",\"mode\":\"%04o\"}",
		    p->file[i].size, (unsigned)p->file[i].mode);
	}
	buf_puts(b, "]}\n");
}

/* ---- Reading ---- */

static bool hex_of(
    struct json_text object, const char *name, unsigned char *out, size_t n)
{
	struct json_text v;

	return json_top_find(object, (struct view){name, strlen(name)}, &v) &&
	       v.len == 2 * n + 2 && *v.p == '"' && hex_read(out, v.p + 1, n);
}

static bool object_of(struct json_text object, const char *name, struct json_text *v)
{
	return json_top_find(object, (struct view){name, strlen(name)}, v) &&
	       *v->p == '{';
}

/* Begins to walk an array; one that is missing is empty.  false: it is not an array. */
static bool array_of(struct json_text object, const char *name, struct json_walk *w)
{
	struct json_text v = {"[]", 2};

	if (json_top_find(object, (struct view){name, strlen(name)}, &v) && *v.p != '[')
		return false;
	json_walk_begin(w, v);
	return true;
}

static bool mode_of(struct json_text object, const char *name, mode_t *mode)
{
	struct json_text v;

	*mode = 0;
	if (!json_top_find(object, (struct view){name, strlen(name)}, &v) || v.len != 6 ||
	    *v.p != '"')
		return false;
	for (int i = 1; i < 5; i++) {
		if (v.p[i] < '0' || v.p[i] > '7')
			return false;
		*mode = *mode << 3 | (mode_t)(v.p[i] - '0');
	}
	*mode &= 0777;
	return true;
}

/* failed: set if out of memory, here and below. */
static bool sealed_read(struct json_text v, struct stored_segment *s, bool *failed)
{
	char name[STORE_NAME_SIZE];
	struct piece *piece = segment_piece(s);

	s->sealed = true;
	*failed |= !piece;
	if (!piece || !json_string_of(v, "file", name, sizeof name, failed) ||
	    !store_name_read(name, STORE_SEGMENT, &s->first, &s->last, piece->hash) ||
	    !json_number_of(v, "bytes", &s->size) ||
	    !json_string_of(v, "mark", s->mark, sizeof s->mark, failed))
		return false;
	piece->size = s->size;
	return true;
}

static bool piece_read(struct json_text v, struct stored_segment *s, bool *failed)
{
	const uint64_t at =
	    s->n ? s->piece[s->n - 1].offset + s->piece[s->n - 1].size : 0;
	struct piece *piece = segment_piece(s);
	char name[STORE_NAME_SIZE];
	uint64_t first;

	*failed |= !piece;
	return piece && json_string_of(v, "file", name, sizeof name, failed) &&
	       store_name_read(name, STORE_TAIL, &first, &piece->offset, piece->hash) &&
	       json_number_of(v, "bytes", &piece->size) && first == s->first &&
	       piece->offset == at && piece->size && piece->size <= s->size - at;
}

static bool unsealed_read(struct json_text v, struct stored_segment *s, bool *failed)
{
	struct json_walk w;
	struct json_member m;

	if (!json_number_of(v, "first", &s->first) ||
	    !json_number_of(v, "last", &s->last) ||
	    !json_number_of(v, "bytes", &s->size) || !hex_of(v, "id", s->id, ID_SIZE) ||
	    s->size > INT64_MAX || !array_of(v, "pieces", &w))
		return false;
	while (json_walk_next(&w, &m))
		if (*m.value.p != '{' || !piece_read(m.value, s, failed))
			return false;
	return s->n && s->piece[s->n - 1].offset + s->piece[s->n - 1].size == s->size;
}

static bool segment_read(
    struct json_text v, struct point *p, struct stored_segment *s, bool *failed)
{
	const struct stored_segment *before = p->n > 1 ? s - 1 : NULL;
	struct json_text file;

	bool sealed = json_top_find(v, (struct view){"file", 4}, &file);
	return (sealed ? sealed_read(v, s, failed) : unsealed_read(v, s, failed)) &&
	       hex_of(v, "root", s->root, HASH_SIZE) && s->first && s->first <= SEQ_MAX &&
	       s->size <= INT64_MAX && s->last <= SEQ_MAX && s->last + 1 >= s->first &&
	       (!before ||
		   (before->last + 1 == s->first && before->last >= before->first));
}

static bool segments_read(
    struct json_text v, const char *name, struct point *p, bool *failed)
{
	struct json_walk w;
	struct json_member m;

	if (!array_of(v, name, &w))
		return false;
	while (json_walk_next(&w, &m)) {
		struct stored_segment *s = point_segment(p);
		*failed |= !s;
		if (!s || *m.value.p != '{' || !segment_read(m.value, p, s, failed))
			return false;
	}
	return true;
}

static bool saved_read(struct json_text v, struct point *p, bool *failed)
{
	struct json_walk w;
	struct json_member m;
	size_t cap = 0;

	if (!array_of(v, "files", &w))
		return false;
	while (json_walk_next(&w, &m)) {
		struct saved_file f = {0};
		char name[256];
		if (*m.value.p != '{' ||
		    !json_string_of(m.value, "name", name, sizeof name, failed) ||
		    !json_number_of(m.value, "bytes", &f.size) ||
		    !mode_of(m.value, "mode", &f.mode) || !*name || strchr(name, '/') ||
		    *name == '.')
			return false;
		f.name = strdup(name);
		if (!f.name ||
		    (p->files == cap && !array_grow(&p->file, &cap, sizeof f))) {
			free(f.name);
			*failed = true;
			return false;
		}
		p->file[p->files++] = f;
	}
	return true;
}

static bool frontier_read(struct json_text v, struct head *h)
{
	unsigned char root[HASH_SIZE];
	struct json_walk w;
	struct json_member m;
	unsigned n = 0;

	if (!array_of(v, "frontier", &w))
		return false;
	for (; json_walk_next(&w, &m); n++)
		if (n == MERKLE_MAX || m.value.len != 2 * HASH_SIZE + 2 ||
		    !hex_read(h->tree.at[n], m.value.p + 1, HASH_SIZE))
			return false;
	if (h->tree.n > SEQ_MAX || n != merkle_count(h->tree.n))
		return false;
	merkle_root(&h->tree, root);
	return memcmp(root, h->root, HASH_SIZE) == 0;
}

static bool head_of(struct json_text v, struct head *h)
{
	struct json_text object, copy, logtime;

	h->last_logtime = EVLOG_TIME_MIN;
	if (!object_of(v, "head", &object) ||
	    !json_number_of(object, "segment", &h->segment) ||
	    !hex_of(object, "id", h->id, ID_SIZE) ||
	    !json_number_of(object, "epoch", &h->epoch) || h->epoch > SEQ_MAX ||
	    !json_number_of(object, "committed", &h->committed) ||
	    !json_number_of(object, "block", &h->last_block))
		return false;
	if (json_top_find(object, (struct view){"copy", 4}, &copy) && *copy.p == 't')
		h->flags |= HEAD_COPY;
	return !json_top_find(object, (struct view){"logtime", 7}, &logtime) ||
	       time_of(logtime, &h->last_logtime);
}

static bool parts_read(struct json_text v, struct point *p, bool *failed)
{
	struct head *h = &p->head;
	struct json_text time, lineage, cursors, dropped;

	if (!json_number_of(v, "seq", &h->tree.n) ||
	    !hex_of(v, "root", h->root, HASH_SIZE) || !frontier_read(v, h) ||
	    !head_of(v, h) || !json_top_find(v, (struct view){"time", 4}, &time) ||
	    !time_of(time, &p->time) || !mode_of(v, "mode", &p->mode) ||
	    !mode_of(v, "directory", &p->dir_mode) ||
	    (json_top_find(v, (struct view){"lineage", 7}, &lineage) &&
		!hex_of(v, "lineage", p->lineage, HASH_SIZE)) ||
	    (json_top_find(v, (struct view){"dropped", 7}, &dropped) &&
		!json_number_of(v, "dropped", &p->dropped)) ||
	    !segments_read(v, "trimmed", p, failed))
		return false;
	p->trimmed = p->n;
	if (!segments_read(v, "segments", p, failed) || p->n == p->trimmed ||
	    p->dropped > p->segment[p->trimmed].first || !saved_read(v, p, failed))
		return false;
	if (json_top_find(v, (struct view){"cursors", 7}, &cursors) && cursors.len > 2)
		buf_add(&p->cursors, cursors.p + 1, cursors.len - 2);
	*failed |= p->cursors.failed;
	const struct stored_segment *last = &p->segment[p->n - 1];
	return !*failed && last->last == h->tree.n && last->first == h->segment &&
	       memcmp(last->root, h->root, HASH_SIZE) == 0 && !last->sealed &&
	       last->size == h->committed && memcmp(last->id, h->id, ID_SIZE) == 0;
}

int point_is_bad(const char *path, const char *why, evlog_error *err)
{
	return error_set(err, EVLOG_EDAMAGED, "%s: damaged: %s", path, why);
}

int manifest_read(
    struct point *p, const char *path, const char *text, size_t n, evlog_error *err)
{
	struct json_text v, kind;
	struct json_fault fault;
	bool failed = false;
	uint64_t version;

	if (!json_scan(text, n, JSON_DEPTH, &v, NULL, &fault)) {
		if (!fault.reason)
			return error_memory(err);
		return point_is_bad(path, "its manifest is not JSON", err);
	}
	if (*v.p != '{' || !json_top_find(v, (struct view){"evlog", 5}, &kind) ||
	    kind.len != 7 || memcmp(kind.p, "\"point\"", 7) != 0 ||
	    !json_number_of(v, "version", &version))
		return point_is_bad(path, "it is not a point of evbackup", err);
	if (version != 1)
		return error_set(
		    err, EVLOG_ENEWER, "%s: written by a newer version of evlog", path);
	if (parts_read(v, p, &failed))
		return 0;
	return failed ? error_memory(err)
		      : point_is_bad(path, "its manifest contradicts itself", err);
}
