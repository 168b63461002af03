/*
 * remake.c - makes a segment of a log again, where no backup has it: from the lines of a
 * replica, which must have the root that is attested, or from head.
 *
 * It is made in a log of its own, in a folder beside the log that is repaired.
 */
#include "backup/carry.h"
#include "backup/repair_internal.h"
#include "backup/verify.h"
#include "base/error.h"
#include "recover/cursor_set.h"
#include "write/sealer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int replica_open(struct repair *t, evlog_error *err)
{
	const struct bounds b = {BOUNDS_ANY_TIME, .max_line = t->o.max_line};
	const unsigned char *root;
	struct log_reader *reader;

	int r = log_reader_open(&reader, t->o.replica, &b, false, false, err);
	if (r)
		return r;
	log_reader_end(reader, &t->replica_end, &root);
	r = log_reader_identify(reader, &t->replica, err);
	log_reader_close(reader);
	return r;
}

void folder_empty(struct repair *t)
{
	char name[SEGMENT_NAME_SIZE];
	struct log made = {.dir_fd = t->folder_fd, .path = t->folder};

	unlinkat(t->folder_fd, "head", 0);
	unlinkat(t->folder_fd, "lock", 0);
	if (log_list(&made, NULL) == 0)
		for (size_t i = 0; i < made.n; i++) {
			segment_name(name, made.segments[i]);
			unlinkat(t->folder_fd, name, 0);
		}
	free(made.segments);
	free(made.catalogues);
}

/* Hashes the lines that the replica has of the range: they must have the root that the
 * log attests.  If the successor says that several segments are missing, shortens the
 * range to what comes before the last one of them, with what its successor would say. */
static int lines_check(struct repair *t, struct range *g, evlog_error *err)
{
	const struct bounds b = {
	    .from = g->first, .to = g->last, BOUNDS_ANY_TIME, .max_line = t->o.max_line};
	const uint64_t split = g->successor.previous;
	struct merkle tree = t->tip.tree, part = tree;
	struct segment_header *next = &g->successor;
	struct evlog_lines lines;
	struct evlog_event e;
	struct log_reader *reader;

	int r = log_reader_open(&reader, t->o.replica, &b, false, false, err);
	while (!r && (r = log_reader_next(reader, &lines, err)) == 0)
		while (evlog_lines_take(&lines, &e)) {
			if (e.seq == split)
				part = tree;
			merkle_add_lines(&tree, e.line, e.len + 1, lines.leaves, NULL);
		}
	log_reader_close(reader);
	if (r != EVLOG_END)
		return r;
	if (tree.n != g->last || !tree_has_root(&tree, g->root))
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: has other events than the log had", t->o.replica);
	if (split == SEGMENT_NONE || split <= g->first || split > g->last)
		return 0;
	g->next = next->first_seq = split;
	g->last = split - 1;
	next->previous = g->first;
	next->tree = part;
	merkle_root(&part, next->root);
	memcpy(g->root, next->root, HASH_SIZE);
	return 0;
}

/* Appends the events of the range, from the replica, to the log in the folder. */
static int lines_take(struct repair *t, const struct range *g, evlog_error *err)
{
	const struct bounds b = {.from = g->first,
	    .to = g->last,
	    BOUNDS_ANY_TIME,
	    .max_line = t->o.max_line,
	    .cursors = true};
	const struct evlog_writer_options o = {.size = sizeof o,
	    .replica = true,
	    .no_create = true,
	    .force = true,
	    .lock_wait_ms = 1000,
	    .segment_size = UINT64_MAX,
	    .max_event = t->o.max_line ? t->o.max_line : EVLOG_MAX_LINE};
	struct log_reader *reader = NULL;
	evlog_writer *w = NULL;
	uint64_t written = 0;
	size_t dropped = 0;

	int r = log_reader_open(&reader, t->o.replica, &b, false, false, err);
	if (!r)
		r = evlog_writer_open(&w, t->folder, &o, err);
	if (!r)
		r = carry_all(reader, w, t->o.replica, &written, &dropped, err);
	if (!r && dropped)
		r = error_set(err, EVLOG_EMISMATCH,
		    "%s: a commit there goes beyond the end of this segment",
		    t->o.replica);
	log_reader_close(reader);
	evlog_writer_close(w);
	return r;
}

/* Makes the segment a log of its own, and has it sealed as if its successor were there.
 */
static int made_seal(struct repair *t, const struct range *g, evlog_error *err)
{
	struct log made = {.dir_fd = -1, .head_fd = -1};
	const struct seal_how how = {.log = &made, .max_line = t->o.max_line};
	struct permissions mode = log_permissions(t->log);
	enum head_state state;
	struct head h = {0};

	int r = log_open(&made, t->folder, false, err);
	if (!r)
		r = head_read(made.head_fd, &h, &state, false, t->folder, err);
	if (!r && (h.tree.n != g->last || memcmp(h.root, g->root, HASH_SIZE) != 0))
		r = error_set(
		    err, EVLOG_EMISMATCH, "%s: has changed meanwhile", t->o.replica);
	struct segment_header next = g->successor;
	next.flags = 0;
	next.previous = g->first;
	if (!r) {
		next.previous_size = h.committed;
		next.previous_block = h.last_block;
		next.last_logtime = h.last_logtime;
		r = segment_create(t->folder_fd, t->folder, mode, &next,
		    (struct view){NULL, 0}, false, err);
	}
	if (!r)
		r = log_list(&made, err);
	if (!r)
		r = segment_seal(&how, g->first, g->next, err);
	log_close(&made);
	return r;
}

/* Gives the log in the folder the segments before this one, which are sound. */
static int earlier_link(struct repair *t, uint64_t first, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE];

	for (size_t i = 0; i < t->log->n && t->log->segments[i] < first; i++) {
		segment_name(name, t->log->segments[i]);
		if (linkat(t->log->dir_fd, name, t->folder_fd, name, 0) < 0)
			return error_sys(err, "%s/%s", t->folder, name);
	}
	return 0;
}

/* The places of consumers that a segment of the log shows, in its header and in the
 * headers of blocks, behind damaged ones, too. */
static int cursors_shown(
    struct repair *t, uint64_t first, struct cursor_set *set, evlog_error *err)
{
	struct view extensions;
	struct segment s;
	struct block b;
	uint64_t at = 0;
	struct stat st;
	const char *p;

	int r = segment_open(&s, t->log->dir_fd, t->log->path, first, NULL, false, err);
	if (r == EVLOG_ENOINPUT)
		return 0;
	if (!r && (r = segment_extensions(&s, &extensions, err)) == 0)
		cursor_set_take(set, extensions);
	if (r == EVLOG_EDAMAGED)
		r = 0;
	if (!r && fstat(s.fd, &st) < 0)
		r = error_sys(err, "%s", s.path);
	const uint64_t size = r ? 0 : (uint64_t)st.st_size;
	while (!r && (r = tail_resync(&s, at, size, &b, &at, err)) == 0 && at < size) {
		r = segment_bytes(&s, at, b.header_size, 0, &p, err);
		if (!r && p)
			cursor_set_take(set, block_extensions(p, &b));
		at += b.header_size;
	}
	segment_close(&s);
	return r;
}

static int cursors_made(
    struct repair *t, uint64_t first, struct cursor_set *set, evlog_error *err)
{
	struct segment s;

	int r = segment_open(&s, t->folder_fd, t->folder, first, NULL, false, err);
	if (!r)
		r = cursor_set_load(set, &s, s.header.seal.end, UINT64_MAX, err);
	segment_close(&s);
	return r;
}

/* Whether the cursors have one of the same consumer that is not older. */
static bool cursors_have(struct view cursors, const struct cursor *c)
{
	struct extension x;
	struct cursor there;

	while (extension_next(&cursors, &x))
		if (cursor_decode(&there, &x) != UNDERSTOOD_WRONG &&
		    cursor_same(&there, c) &&
		    (there.generation > c->generation ||
			(there.generation == c->generation && there.seq >= c->seq &&
			    (there.due > c->due ||
				(there.due == c->due && there.due_seq >= c->due_seq)))))
			return true;
	return false;
}

/* A replica that was made from plain lines does not have the places of consumers that
 * append to the log.  They would emit events again. */
static int cursors_check(struct repair *t, const struct range *g, evlog_error *err)
{
	struct cursor_set own = {0}, made = {0};
	struct buf had = {0}, has = {0};
	struct extension x;
	struct cursor c;

	int r = cursors_made(t, g->first, &made, err);
	for (size_t i = 0; i < t->log->n && !r; i++)
		if (t->log->segments[i] >= g->first && t->log->segments[i] <= g->last)
			r = cursors_shown(t, t->log->segments[i], &own, err);
	cursor_set_write(&own, &had);
	cursor_set_write(&made, &has);
	if (!r && (had.failed || has.failed || own.failed || made.failed))
		r = error_memory(err);
	struct view rest = {had.p, had.len};
	while (!r && extension_next(&rest, &x))
		if (cursor_decode(&c, &x) != UNDERSTOOD_WRONG &&
		    !cursors_have((struct view){has.p, has.len}, &c))
			r = error_set(err, EVLOG_EMISMATCH,
			    "%s: does not have the place of the consumer %s, which "
			    "appends to %s; use a replica that was made by evcat -o zst",
			    t->o.replica, c.name, t->log->path);
	buf_free(&had);
	buf_free(&has);
	cursor_set_free(&own);
	cursor_set_free(&made);
	return r;
}

/* The last segment is made as a sealed one, which has the end that its header says, not
 * the one that head records.  This is the header of an empty segment behind it. */
static void successor_make(const struct repair *t, struct range *g)
{
	const struct head *h = &t->log->head;
	struct segment_header *next = &g->successor;

	*next = header_after(h);
	if (h->segment > h->tree.n)
		next->previous = g->first;
	memcpy(next->lineage, t->replica.lineage, HASH_SIZE);
	next->size = segment_header_size(next);
	g->next = next->first_seq;
}

/* A header, without id and lineage, of a segment behind the tip. */
static struct segment_header tip_header(const struct repair *t)
{
	const struct tip *tip = &t->tip;
	struct segment_header h = {.first_seq = tip->seq + 1,
	    .epoch = tip->epoch ? tip->epoch : 1,
	    .last_logtime = tip->logtime,
	    .previous = tip->seq ? tip->segment : SEGMENT_NONE,
	    .previous_size = tip->seq ? tip->size : SEGMENT_NONE,
	    .previous_block = tip->seq ? tip->block : SEGMENT_NONE,
	    .tree = tip->tree};

	memcpy(h.root, tip->root, HASH_SIZE);
	return h;
}

int from_head(struct repair *t, const struct range *g, evlog_error *err)
{
	struct segment_header h = tip_header(t);
	struct head *head = &t->log->head;
	struct segment last = {.fd = -1};
	int r = 0;

	if (!t->known || t->tip.seq + 1 != g->first ||
	    memcmp(t->tip.root, head->root, HASH_SIZE) != 0)
		return error_set(err, EVLOG_EDAMAGED,
		    "what comes before the last segment is not what head records");
	folder_empty(t);
	memcpy(h.id, head->id, ID_SIZE);
	h.epoch = head->epoch;
	if (t->tip.seq) {
		r = log_segment(t->log, t->tip.segment, NULL, &last, err);
		if (!r)
			r = log_lineage(t->log, &last, t->codec, h.lineage, err);
		segment_close(&last);
	}
	if (!r)
		r = segment_create(t->folder_fd, t->folder, log_permissions(t->log), &h,
		    (struct view){NULL, 0}, false, err);
	head->committed = head->durable = h.size;
	head->last_block = 0;
	return r ? r : head_commit(t->w, true, err);
}

int from_replica(struct repair *t, struct range *g, evlog_error *err)
{
	struct permissions mode = log_permissions(t->log);
	struct segment_header h = tip_header(t);

	if (!g->next && g->last >= g->first)
		successor_make(t, g);
	if (!t->known || !g->successor.size)
		return error_set(err, EVLOG_EDAMAGED,
		    "what comes before it and after it must be sound to make it from the "
		    "lines of a replica");
	folder_empty(t);
	if (t->tip.seq)
		memcpy(h.lineage, g->successor.lineage, HASH_SIZE);
	memcpy(h.id, g->successor.id, ID_SIZE); /* for those who are reading */
	int r = lines_check(t, g, err);
	if (!r)
		r = earlier_link(t, g->first, err);
	if (!r)
		r = segment_create(t->folder_fd, t->folder, mode, &h,
		    (struct view){NULL, 0}, false, err);
	if (!r)
		r = log_end_at(t->folder_fd, t->folder, mode, &h, err);
	if (!r)
		r = lines_take(t, g, err);
	if (!r)
		r = made_seal(t, g, err);
	if (!r)
		r = cursors_check(t, g, err);
	return r;
}

/* ---- The segment behind the last one ---- */

int segment_aside(struct repair *t, const char *name, uint64_t first, evlog_error *err)
{
	char other[64];

	for (int i = 1; i < 1000; i++) {
		snprintf(other, sizeof other, "damaged-%016" PRIu64 ".%d", first, i);
		if (linkat(t->log->dir_fd, name, t->log->dir_fd, other, 0) == 0 ||
		    errno == ENOENT)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return error_sys(err, "%s/%s", t->log->path, other);
}

int next_begin(struct repair *t, const struct range *g, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE];
	struct head *h = &t->log->head;
	struct range last = *g;
	struct segment_header *next = &last.successor;

	successor_make(t, &last);
	if (h->segment > h->tree.n) { /* head says nothing of the segment that was made */
		next->previous_size = t->tip.size;
		next->previous_block = t->tip.block;
	}
	/* what has the name was never completely created, or is of an interrupted call */
	segment_name(name, last.next);
	int r = segment_aside(t, name, last.next, err);
	if (!r)
		r = segment_create(t->log->dir_fd, t->log->path, log_permissions(t->log),
		    next, (struct view){NULL, 0}, true, err);
	if (r)
		return r;
	h->segment = last.next;
	h->committed = h->durable = next->size;
	h->last_block = 0;
	h->flags &= HEAD_COPY;
	return head_commit(t->w, true, err);
}
