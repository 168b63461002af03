/* position.c - positions in a log: its id, a seq, and the root after that event. */
#include "base/error.h"
#include "base/options.h"
#include "read/operand.h"

#include <inttypes.h>
#include <stdio.h>

void position_set(struct evlog_position *at, const unsigned char *id, uint64_t seq,
    const unsigned char *root)
{
	hex_write(at->log, id, ID_SIZE);
	at->lineage[0] = '\0';
	hash_hex(root, at->root);
	at->seq = seq;
}

void position_lineage(struct evlog_position *at, const struct log_identity *who)
{
	if (!hash_is_none(who->lineage))
		hash_hex(who->lineage, at->lineage);
}

static struct bounds only(uint64_t from, uint64_t to, uint64_t max_line)
{
	return (struct bounds){
	    .from = from, .max_line = max_line, .to = to, BOUNDS_ANY_TIME};
}

static int ends_before(const char *path, uint64_t seq, evlog_error *err)
{
	return error_set(err, EVLOG_EMISMATCH,
	    "%s: an older copy of the log: it ends before event %" PRIu64
	    "; if it was restored, see AFTER A RESTORE in evrestore(1)",
	    path, seq);
}

int log_identify(
    const char *path, uint64_t max_line, struct log_identity *who, evlog_error *err)
{
	struct bounds b = only(1, 1, max_line);
	struct log_reader *r;

	int res = log_reader_open(&r, path, &b, false, false, err);
	if (res)
		return res;
	res = log_reader_identify(r, who, err);
	log_reader_close(r);
	return res;
}

/* Adds the lines of events tree->n + 1 to `to`. */
static int lines_hash(const char *path, uint64_t to, uint64_t max_line,
    struct merkle *tree, evlog_error *err)
{
	struct bounds b = only(tree->n + 1, to, max_line);
	struct evlog_lines lines;
	struct log_reader *r;

	if (tree->n == to)
		return 0;
	int res = log_reader_open(&r, path, &b, false, false, err);
	while (!res && (res = log_reader_next(r, &lines, err)) == 0)
		merkle_add_lines(tree, lines.p, lines.len, lines.leaves, NULL);
	log_reader_close(r);
	return res == EVLOG_END ? 0 : res;
}

/* The same for tree->n + 1 to `seq`, and on to the end of the block that has this event:
 * there, the root must be the one in the block's header.  Returns EVLOG_END if not. */
static int lines_check(const char *path, uint64_t seq, uint64_t max_line,
    struct merkle *tree, evlog_error *err)
{
	struct bounds b = only(tree->n + 1, 0, max_line);
	struct merkle on = *tree;
	unsigned char root[HASH_SIZE];
	const unsigned char *id, *there = NULL;
	struct evlog_lines lines, part;
	struct evlog_event e;
	struct log_reader *r;
	uint64_t end = tree->n;

	int res = log_reader_open(&r, path, &b, false, false, err);
	while (!res && end < seq && (res = log_reader_next(r, &lines, err)) == 0) {
		log_reader_position(r, &id, &end, &there);
		for (part = lines; evlog_lines_take(&part, &e) && e.seq <= seq;)
			merkle_add_lines(tree, e.line, e.len + 1, lines.leaves, NULL);
		merkle_add_lines(&on, lines.p, lines.len, lines.leaves, NULL);
	}
	merkle_root(&on, root);
	if (!res &&
	    (on.n != end || tree->n != seq || memcmp(root, there, HASH_SIZE) != 0))
		res = EVLOG_END;
	log_reader_close(r);
	return res;
}

/* Gets the tree after `seq` from the tiles of its segment, so that only the lines of a
 * few blocks are hashed.  Returns EVLOG_END if that does not pay, if there are no tiles,
 * or if they are false. */
static int tree_of_tiles(const char *path, uint64_t seq, uint64_t max_line,
    const struct merkle *start, struct log_reader *r, struct merkle *tree,
    evlog_error *err)
{
	uint64_t first = start->n / TILE_LEAVES + (start->n % TILE_LEAVES != 0);
	uint64_t last = (seq - 1) / TILE_LEAVES; /* a line must be left to check */
	struct buf tiles = {0};

	if (last < first + 2)
		return EVLOG_END;
	*tree = *start;
	uint64_t partial = start->n % TILE_LEAVES != 0; /* the first one began before */
	int res = log_reader_tiles(r, partial, partial + last - first, &tiles, err);
	if (!res)
		res = lines_hash(path, first * TILE_LEAVES, max_line, tree, err);
	if (!res && tree->n != first * TILE_LEAVES)
		res = EVLOG_END;
	for (size_t i = 0; !res && i < tiles.len; i += HASH_SIZE)
		merkle_add_tile(tree, (const unsigned char *)tiles.p + i);
	buf_free(&tiles);
	return res ? res : lines_check(path, seq, max_line, tree, err);
}

int position_tree(const char *path, uint64_t seq, uint64_t max_line, struct merkle *tree,
    evlog_error *err)
{
	struct bounds b = only(seq, seq, max_line);
	struct merkle start;
	struct log_reader *r;

	*tree = (struct merkle){0};
	int res = log_reader_open(&r, path, &b, false, false, err);
	if (res || seq == 0) {
		log_reader_close(r);
		return res;
	}
	start = *log_reader_tree(r);
	res = tree_of_tiles(path, seq, max_line, &start, r, tree, err);
	log_reader_close(r);
	if (res != EVLOG_END)
		return res;
	*tree = start;
	res = lines_hash(path, seq, max_line, tree, err);
	return !res && tree->n != seq ? ends_before(path, seq, err) : res;
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

/* How many of the first events of the log are those of `at`, as far as its frontier
 * shows. */
static uint64_t common_events(
    const char *path, const struct evlog_position *at, uint64_t max_line)
{
	struct evlog_position there;
	struct merkle tree = {0};
	unsigned char root[HASH_SIZE];
	char text[2 * HASH_SIZE + 1];
	uint64_t common = 0;

	for (unsigned i = 0; i < at->hashes; i++) {
		uint64_t left = at->seq - tree.n; /* the largest subtree comes first */
		tree.n += UINT64_C(1) << (63 - __builtin_clzll(left));
		memcpy(tree.at[i], at->frontier[i], HASH_SIZE);
		merkle_root(&tree, root);
		hash_hex(root, text);
		if (position_find(path, tree.n, max_line, &there, NULL) ||
		    strcmp(there.root, text) != 0)
			break;
		common = tree.n;
	}
	return common;
}

/* Whether the log begins with the same event, as far as that is known. */
static int lineage_check(const char *path, const struct evlog_position *at,
    uint64_t max_line, evlog_error *err)
{
	struct log_identity who;
	char lineage[2 * HASH_SIZE + 1];
	int r = log_identify(path, max_line, &who, err);

	if (r || !*at->lineage || hash_is_none(who.lineage))
		return r;
	hash_hex(who.lineage, lineage);
	return strcmp(lineage, at->lineage) == 0
		   ? 0
		   : error_set(err, EVLOG_EMISMATCH,
			 "%s: not the same log: its first event is another one", path);
}

/* The log does not have the root of `at`: says why, as far as that is known.
 * shorter: it ends before at->seq. */
static int mismatch(const char *path, const struct evlog_position *at, bool shorter,
    uint64_t max_line, evlog_error *err)
{
	char same[64] = "";

	int r = lineage_check(path, at, max_line, err);
	if (r)
		return r;
	if (shorter)
		return ends_before(path, at->seq, err);
	uint64_t common = common_events(path, at, max_line);
	if (common)
		snprintf(
		    same, sizeof same, "; the first %" PRIu64 " are the same", common);
	return error_set(err, EVLOG_EMISMATCH,
	    "%s: the log has diverged: its events up to %" PRIu64
	    " are not those recorded earlier%s",
	    path, at->seq, same);
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
	if (!res && log_reader_trimmed(r))
		res = EVLOG_END; /* what follows event at->seq was removed */
	if (!res)
		res = log_reader_next(r, &lines, err);
	if (!res) {
		merkle_add_lines(&tree, lines.p, lines.len, lines.leaves, NULL);
		merkle_root(&tree, root);
		log_reader_position(r, &id, &seq, &there);
		if (seq != tree.n || memcmp(there, root, HASH_SIZE) != 0)
			res = mismatch(path, at, false, max_line, err);
	}
	log_reader_close(r);
	return res;
}

static int was_removed(const char *path, uint64_t seq, uint64_t first, evlog_error *err)
{
	if (seq + 1 == first - 1)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: begins with event %" PRIu64 "; event %" PRIu64
		    " has been removed",
		    path, first, first - 1);
	return error_set(err, EVLOG_EMISMATCH,
	    "%s: begins with event %" PRIu64 "; events %" PRIu64 " to %" PRIu64
	    " have been removed",
	    path, first, seq + 1, first - 1);
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
	uint64_t first = log_reader_trimmed(r);
	bool start = first && seq == first - 1;
	if (first && seq < first - 1)
		res = was_removed(path, seq, first, err);
	if (!res && !start)
		res = log_reader_next(r, &lines, err);
	log_reader_position(r, &id, &end, &root);
	if (start) {
		merkle_root(log_reader_tree(r), inside);
		root = inside;
		end = seq;
	}
	if (!res && end != seq) {
		res = root_inside(path, seq, max_line, inside, err);
		root = inside;
	}
	if (res == 0 || res == EVLOG_END)
		position_set(at, id, seq, root);
	log_reader_close(r);
	return res;
}

/* Whether the log has the same root at the same seq.  The ids of its segments say
 * nothing: a replica, a restore and a fork have others. */
static int root_check(const char *path, const struct evlog_position *at,
    uint64_t max_line, evlog_error *err)
{
	struct evlog_position there = {0};
	int r = EVLOG_END;

	if (at->hashes)
		r = frontier_check(path, at, max_line, err);
	if (r != EVLOG_END)
		return r;
	r = position_find(path, at->seq, max_line, &there, err);
	if (r == EVLOG_END)
		return mismatch(path, at, true, max_line, err);
	if (!r && *at->root && strcmp(there.root, at->root) != 0)
		return mismatch(path, at, false, max_line, err);
	return r;
}

int evlog_position_check(const char *path, const struct evlog_position *at,
    uint64_t max_line, evlog_error *err)
{
	struct log_identity who;
	char id[2 * ID_SIZE + 1];

	OWN_ERROR(err);
	NEED(path && at, err);
	REFUSE(!position_is_sound(at), "it is not a position", err);
	if (at->seq && *at->root)
		return root_check(path, at, max_line, err);
	int r = log_identify(path, max_line, &who, err);
	if (r || at->seq == 0)
		return r;
	hex_write(id, who.id, ID_SIZE);
	if (*at->log && strcmp(id, at->log) != 0)
		return error_set(err, EVLOG_EMISMATCH,
		    "%s: not the same log: its id is %s, not %s", path, id, at->log);
	return root_check(path, at, max_line, err);
}

/* Whether a place is before the end of what was removed from a log. */
static bool is_removed(const char *path, uint64_t seq, uint64_t max_line)
{
	struct bounds b = only(seq, seq, max_line);
	struct log_reader *r;
	evlog_error ignored;

	if (log_reader_open(&r, path, &b, false, false, &ignored))
		return false;
	uint64_t first = log_reader_trimmed(r);
	log_reader_close(r);
	return first && seq < first - 1;
}

int position_check_appended(const char *path, const struct evlog_position *at,
    uint64_t max_line, bool *removed, evlog_error *err)
{
	int r = evlog_position_check(path, at, max_line, err);

	*removed = r == EVLOG_EMISMATCH && at->seq && is_removed(path, at->seq, max_line);
	return *removed ? lineage_check(path, at, max_line, err) : r;
}

int evlog_position_find(const char *path, uint64_t seq, struct evlog_position *at,
    uint64_t max_line, evlog_error *err)
{
	struct log_identity who;

	OWN_ERROR(err);
	NEED(path && at, err);
	REFUSE(!seq, "there is no event 0", err);
	*at = (struct evlog_position){0};
	int r = position_find(path, seq, max_line, at, err);
	if (!r)
		r = log_identify(path, max_line, &who, err);
	if (!r)
		position_lineage(at, &who);
	return r;
}
