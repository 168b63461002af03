/* position.c - positions in a log: its id, a seq, and the root after that event. */
#include "base/error.h"
#include "base/options.h"
#include "read/operand.h"

#include <inttypes.h>
#include <stdio.h>

void position_set(struct evlog_position *at, const unsigned char *log_id, uint64_t seq,
    const unsigned char *root)
{
	hex_write(at->log, log_id, LOG_ID_SIZE);
	hash_hex(root, at->root);
	at->seq = seq;
}

static struct bounds only(uint64_t from, uint64_t to, uint64_t max_line)
{
	return (struct bounds){.from = from,
	    .max_line = max_line,
	    .to = to,
	    .since = EVLOG_TIME_MIN,
	    .until = EVLOG_TIME_MAX,
	    .event_since = EVLOG_TIME_MIN,
	    .event_until = EVLOG_TIME_MAX};
}

static int ends_before(const char *path, uint64_t seq, evlog_error *err)
{
	return error_set(err, EVLOG_EMISMATCH,
	    "%s: an older copy of the log: it ends before event %" PRIu64, path, seq);
}

int position_id(const char *path, uint64_t max_line, unsigned char log_id[LOG_ID_SIZE],
    evlog_error *err)
{
	struct bounds b = only(1, 1, max_line);
	const unsigned char *id, *root;
	struct log_reader *r;
	uint64_t seq;

	int res = log_reader_open(&r, path, &b, false, false, err);
	if (res)
		return res;
	log_reader_position(r, &id, &seq, &root);
	memcpy(log_id, id, LOG_ID_SIZE);
	log_reader_close(r);
	return 0;
}

int position_tree(const char *path, uint64_t seq, uint64_t max_line, struct merkle *tree,
    evlog_error *err)
{
	struct bounds b = only(seq, seq, max_line);
	struct evlog_lines lines;
	struct log_reader *r;

	*tree = (struct merkle){0};
	int res = log_reader_open(&r, path, &b, false, false, err);
	if (!res && seq) {
		*tree = *log_reader_tree(r);
		b.from = tree->n + 1;
		log_reader_close(r);
		res = log_reader_open(&r, path, &b, false, false, err);
	}
	while (!res && seq && (res = log_reader_next(r, &lines, err)) == 0)
		merkle_add_lines(tree, lines.p, lines.len);
	log_reader_close(r);
	if ((!res || res == EVLOG_END) && tree->n != seq)
		return ends_before(path, seq, err);
	return res == EVLOG_END ? 0 : res;
}

/* The root after an event in the middle of a block: hashes the segment's lines up to
 * there. */
static int root_inside(const char *path, uint64_t seq, uint64_t max_line,
    unsigned char root[HASH_SIZE], evlog_error *err)
{
	struct merkle tree;

	int res = position_tree(path, seq, max_line, &tree, err);
	if (!res)
		merkle_root(&tree, root);
	return res;
}

/* Whether the frontier of `at` and the lines after it give the root in the next block's
 * header, so that only that block is read.  Returns EVLOG_END if there is no next
 * block. */
static int frontier_check(const char *path, const struct evlog_position *at,
    uint64_t max_line, evlog_error *err)
{
	struct bounds b = only(at->seq + 1, 0, max_line);
	struct merkle tree = {.n = at->seq};
	unsigned char root[HASH_SIZE];
	const unsigned char *id, *there;
	struct log_reader *r = NULL;
	struct evlog_lines lines = {0};
	uint64_t seq;

	memcpy(tree.at, at->frontier, at->hashes * HASH_SIZE);
	int res = log_reader_open(&r, path, &b, false, false, err);
	if (!res)
		res = log_reader_next(r, &lines, err);
	if (!res) {
		merkle_add_lines(&tree, lines.p, lines.len);
		merkle_root(&tree, root);
		log_reader_position(r, &id, &seq, &there);
		if (seq != tree.n || memcmp(there, root, HASH_SIZE) != 0)
			res = error_set(err, EVLOG_EMISMATCH,
			    "%s: the log has diverged: its events up to %" PRIu64
			    " are not those recorded earlier",
			    path, at->seq);
	}
	log_reader_close(r);
	return res;
}

int position_find(const char *path, uint64_t seq, uint64_t max_line,
    struct evlog_position *at, evlog_error *err)
{
	struct bounds b = only(seq, seq, max_line);
	unsigned char inside[HASH_SIZE];
	const unsigned char *id, *root;
	struct evlog_lines lines;
	struct log_reader *r;
	uint64_t end;

	int res = log_reader_open(&r, path, &b, false, false, err);
	if (res)
		return res;
	res = log_reader_next(r, &lines, err);
	log_reader_position(r, &id, &end, &root);
	if (!res && end != seq) {
		res = root_inside(path, seq, max_line, inside, err);
		root = inside;
	}
	if (res == 0 || res == EVLOG_END)
		position_set(at, id, seq, root);
	log_reader_close(r);
	return res;
}

static int id_check(const char *path, const struct evlog_position *at, uint64_t max_line,
    evlog_error *err)
{
	unsigned char id[LOG_ID_SIZE];
	char text[2 * LOG_ID_SIZE + 1];

	int r = position_id(path, max_line, id, err);
	if (r)
		return r;
	hex_write(text, id, LOG_ID_SIZE);
	if (*at->log && strcmp(text, at->log) != 0)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: not the same log: its id is %s, not %s", path, text, at->log);
	return 0;
}

int evlog_position_check(const char *path, const struct evlog_position *at,
    uint64_t max_line, evlog_error *err)
{
	struct evlog_position there = {0};

	OWN_ERROR(err);
	NEED(path && at, err);
	REFUSE(!position_is_sound(at), "it is not a position", err);
	int r = id_check(path, at, max_line, err);
	if (r || at->seq == 0)
		return r;
	if (at->hashes && (r = frontier_check(path, at, max_line, err)) != EVLOG_END)
		return r;
	r = position_find(path, at->seq, max_line, &there, err);
	if (r == EVLOG_END)
		return ends_before(path, at->seq, err);
	if (!r && *at->root && strcmp(there.root, at->root) != 0)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: the log has diverged: its events up to %" PRIu64
		    " are not those recorded earlier",
		    path, at->seq);
	return r;
}
