/* position.c - places in a log, told by its id, a seq and the root after that event. */
#include "base/error.h"
#include "store/source.h"

#include <inttypes.h>
#include <stdio.h>

static void hex(char *out, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", p[i]);
}

void position_set(struct evlog_position *at, const unsigned char *log_id, uint64_t seq,
    const unsigned char *root)
{
	hex(at->log, log_id, LOG_ID_SIZE);
	hash_hex(root, at->root);
	at->seq = seq;
}

static struct bounds only(uint64_t seq)
{
	return (struct bounds){.from = seq,
	    .to = seq,
	    .since = EVLOG_TIME_MIN,
	    .until = EVLOG_TIME_MAX,
	    .event_since = EVLOG_TIME_MIN,
	    .event_until = EVLOG_TIME_MAX};
}

/* The root after an event inside a block: the segment's lines up to there, hashed. */
static int root_inside(
    const char *path, uint64_t seq, unsigned char root[HASH_SIZE], evlog_error *err)
{
	struct bounds b = only(seq);
	struct sha256 *sha = sha256_new();
	struct evlog_lines lines;
	struct log_reader *r;
	struct merkle tree;

	int res = log_reader_open(&r, path, &b, false, false, err);
	if (!res) {
		tree = *log_reader_tree(r);
		b.from = tree.n + 1;
		log_reader_close(r);
		res = log_reader_open(&r, path, &b, false, false, err);
	}
	while (!res && (res = log_reader_next(r, &lines, err)) == 0)
		if (!sha || merkle_add_lines(&tree, sha, lines.p, lines.len) < 0)
			res = error_memory(err);
	if (res == EVLOG_END)
		res = sha && merkle_root(&tree, sha, root) == 0 ? 0 : error_memory(err);
	log_reader_close(r);
	sha256_free(sha);
	return res;
}

/* The log's id and the root after event `seq`; EVLOG_END: it has no such event. */
static int position_find(
    const char *path, uint64_t seq, struct evlog_position *at, evlog_error *err)
{
	struct bounds b = only(seq);
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
		res = root_inside(path, seq, inside, err);
		root = inside;
	}
	if (res == 0 || res == EVLOG_END)
		position_set(at, id, seq, root);
	log_reader_close(r);
	return res;
}

int evlog_position_check(
    const char *path, const struct evlog_position *at, evlog_error *err)
{
	struct evlog_position there = {0};

	int r = position_find(path, at->seq ? at->seq : 1, &there, err);
	if (r < 0)
		return r;
	if (*at->log && strcmp(there.log, at->log) != 0)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: another log: its id is %s, not %s", path, there.log, at->log);
	if (at->seq && r == EVLOG_END)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: an older state of the log: it ends before event %" PRIu64, path,
		    at->seq);
	if (at->seq && *at->root && strcmp(there.root, at->root) != 0)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: the log has gone another way before event %" PRIu64, path,
		    at->seq);
	return 0;
}
