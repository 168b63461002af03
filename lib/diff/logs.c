/*
 * logs.c - compares two logs: seq by seq, or event by event regardless of seq.
 *
 * Two log directories need not be read where they are equal.  A root covers all events up
 * to it, so the last seq with equal roots is found by bisection, first among the seqs at
 * which both have the end of a segment, then of a block.
 */
#include "base/error.h"
#include "base/hash.h"
#include "diff/operand.h"
#include "event/stamp.h"
#include "read/reader.h"

#include <errno.h>
#include <stdlib.h>

int diff_report(
    struct diff *d, const struct evlog_difference *difference, evlog_error *err)
{
	switch (difference->side) {
	case EVLOG_ONLY_A: d->found->only_a++; break;
	case EVLOG_ONLY_B: d->found->only_b++; break;
	case EVLOG_CHANGED: break; /* counted once for each key */
	case EVLOG_CHANGED_END: d->found->changed++; break;
	}
	if (d->o.report && d->o.report(d->o.arg, difference) < 0)
		return error_sys(err, "output");
	return 0;
}

/* ---- The common prefix, by comparing roots ---- */

struct root {
	uint64_t seq;
	unsigned char hash[HASH_SIZE];
};

struct roots {
	struct root *at;
	size_t n, cap;
	evlog_error *err;
};

static int root_add(void *arg, uint64_t seq, const unsigned char hash[HASH_SIZE])
{
	struct roots *r = arg;

	if (r->n == r->cap && !array_grow(&r->at, &r->cap, sizeof *r->at))
		return error_memory(r->err);
	r->at[r->n].seq = seq;
	memcpy(r->at[r->n++].hash, hash, HASH_SIZE);
	return 0;
}

/* Reads the roots of segments or of blocks within these seqs. */
static int roots_read(struct roots *r, const char *path, bool segments, uint64_t from,
    uint64_t to, evlog_error *err)
{
	const struct bounds within = {.from = from, .to = to, BOUNDS_ANY_TIME};
	struct log_reader *log;

	int res = log_reader_open(&log, path, &within, false, false, err);
	if (!res && segments)
		res = log_reader_segments(log, root_add, r, err);
	else if (!res)
		res = log_reader_roots(log, root_add, r, err);
	log_reader_close(log);
	return res;
}

/* Keeps only the seqs that both have. */
static void roots_align(struct roots *a, struct roots *b)
{
	size_t i = 0, j = 0, n = 0;

	while (i < a->n && j < b->n) {
		if (a->at[i].seq < b->at[j].seq) {
			i++;
		} else if (a->at[i].seq > b->at[j].seq) {
			j++;
		} else {
			a->at[n] = a->at[i++];
			b->at[n++] = b->at[j++];
		}
	}
	a->n = b->n = n;
}

/* Moves *same to the last seq with equal roots, and *other to the first with different
 * roots, if there is one. */
static int prefix_narrow(const char *path_a, const char *path_b, bool segments,
    uint64_t *same, uint64_t *other, evlog_error *err)
{
	struct roots a = {.err = err}, b = {.err = err};
	uint64_t from = *same ? *same + 1 : 0;
	size_t low = 0, high;

	int r = roots_read(&a, path_a, segments, from, *other, err);
	if (!r)
		r = roots_read(&b, path_b, segments, from, *other, err);
	if (r == EVLOG_EDAMAGED)
		r = 0; /* roots before the damage still count; reading will report it */
	roots_align(&a, &b);
	high = a.n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (memcmp(a.at[middle].hash, b.at[middle].hash, HASH_SIZE) == 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < a.n)
		*other = a.at[low].seq;
	if (low)
		*same = a.at[low - 1].seq;
	free(a.at);
	free(b.at);
	return r;
}

int diff_prefix(const char *path_a, const char *path_b, uint64_t *seq, evlog_error *err)
{
	uint64_t other = 0;

	*seq = 0;
	int r = prefix_narrow(path_a, path_b, true, seq, &other, err);
	return r ? r : prefix_narrow(path_a, path_b, false, seq, &other, err);
}

/* ---- Comparing by seq ---- */

/* The current event of an operand.  Events of a file without seq are numbered. */
struct cursor {
	struct diff_operand *operand;
	struct evlog_event e;
	uint64_t counted;
	bool has;
};

static int cursor_next(struct cursor *c, evlog_error *err)
{
	int r = diff_operand_next(c->operand, &c->e, err);

	c->has = r == 0;
	if (r == 0 && c->e.seq == 0)
		c->e.seq = ++c->counted;
	return r == EVLOG_END ? 0 : r;
}

static int line_report(
    struct diff *d, enum evlog_side side, const struct evlog_event *e, evlog_error *err)
{
	struct evlog_difference x = {.side = side};

	if (side == EVLOG_ONLY_A) {
		x.a = e->line;
		x.a_len = e->len;
	} else {
		x.b = e->line;
		x.b_len = e->len;
	}
	return diff_report(d, &x, err);
}

static bool same_line(const struct evlog_event *a, const struct evlog_event *b)
{
	return a->len == b->len && memcmp(a->line, b->line, a->len) == 0;
}

int diff_logs(
    struct diff *d, struct diff_operand *sa, struct diff_operand *sb, evlog_error *err)
{
	struct cursor a = {.operand = sa, .counted = d->found->prefix},
		      b = {.operand = sb};
	bool parted = false;
	int r = cursor_next(&a, err);

	b.counted = d->found->prefix;
	if (!r)
		r = cursor_next(&b, err);
	while (!r && (a.has || b.has)) {
		bool take_a = a.has && (!b.has || a.e.seq <= b.e.seq);
		bool take_b = b.has && (!a.has || b.e.seq <= a.e.seq);
		if (take_a && take_b && same_line(&a.e, &b.e)) {
			d->found->same++;
			if (!parted)
				d->found->prefix = a.e.seq;
		} else {
			parted = true;
			if (take_a)
				r = line_report(d, EVLOG_ONLY_A, &a.e, err);
			if (take_b && !r)
				r = line_report(d, EVLOG_ONLY_B, &b.e, err);
		}
		if (take_a && !r)
			r = cursor_next(&a, err);
		if (take_b && !r)
			r = cursor_next(&b, err);
	}
	return r;
}

/* ---- Comparing regardless of seq ---- */

/* How many more events with some content A has than B.  The hash is of everything after
 * the stamp, which includes id and source. */
struct tally {
	unsigned char hash[16];
	int64_t left;
};

struct tallies {
	struct tally *at;
	size_t n, mask;
};

static struct tally *tally_find(struct tallies *t, const unsigned char hash[16])
{
	size_t i = get64(hash) & t->mask;

	while (t->at[i].left != INT64_MIN && memcmp(t->at[i].hash, hash, 16) != 0)
		i = (i + 1) & t->mask;
	return &t->at[i];
}

static bool tallies_grow(struct tallies *t)
{
	struct tallies old = *t;
	size_t places = old.at ? (old.mask + 1) * 2 : 1024;

	t->at = malloc(places * sizeof *t->at);
	if (!t->at) {
		*t = old;
		return false;
	}
	t->mask = places - 1;
	for (size_t i = 0; i < places; i++)
		t->at[i].left = INT64_MIN; /* unused */
	for (size_t i = 0; old.at && i <= old.mask; i++)
		if (old.at[i].left != INT64_MIN)
			*tally_find(t, old.at[i].hash) = old.at[i];
	free(old.at);
	return true;
}

/* What of an event counts: everything after the stamp but the ignored members. */
static int counting(
    struct diff *d, const struct evlog_event *e, struct hash_part *body, evlog_error *err)
{
	struct view rest;
	uint64_t seq;
	int64_t time;
	int r = 0;

	if (d->ignored.n) {
		r = ignored_apply(&d->ignored, e, &rest, err);
		*body = (struct hash_part){rest.p, r ? 0 : rest.len};
	} else {
		size_t skip = stamp_read(e->line, e->len, &seq, &time) ? STAMP_SIZE : 0;
		*body = (struct hash_part){e->line + skip, e->len - skip};
	}
	return r;
}

static int tally_of(struct diff *d, struct tallies *t, const struct evlog_event *e,
    struct tally **tally, evlog_error *err)
{
	unsigned char hash[HASH_SIZE];
	struct hash_part body;

	int r = counting(d, e, &body, err);
	if (r)
		return r;
	if ((t->n + 1) * 2 > t->mask && !tallies_grow(t))
		return error_memory(err);
	sha256(&body, 1, hash);
	*tally = tally_find(t, hash);
	if ((*tally)->left == INT64_MIN) {
		memcpy((*tally)->hash, hash, 16);
		(*tally)->left = 0;
		t->n++;
	}
	return 0;
}

static int ignore_stamp(struct diff *d, struct tallies *t, struct diff_operand *a,
    struct diff_operand *b, evlog_error *err)
{
	struct evlog_event e;
	struct tally *tally;
	int r;

	while ((r = diff_operand_next(a, &e, err)) == 0) {
		if ((r = tally_of(d, t, &e, &tally, err)) != 0)
			return r;
		tally->left++;
	}
	if (r == EVLOG_END)
		r = diff_operand_reopen(a, err);
	/* what B has is subtracted; any excess is only in B */
	while (!r && (r = diff_operand_next(b, &e, err)) == 0) {
		if ((r = tally_of(d, t, &e, &tally, err)) != 0)
			return r;
		if (tally->left > 0) {
			tally->left--;
			d->found->same++;
		} else {
			r = line_report(d, EVLOG_ONLY_B, &e, err);
		}
	}
	if (r == EVLOG_END)
		r = 0;
	while (!r && (r = diff_operand_next(a, &e, err)) == 0) {
		if ((r = tally_of(d, t, &e, &tally, err)) != 0)
			return r;
		if (tally->left > 0) {
			tally->left--;
			r = line_report(d, EVLOG_ONLY_A, &e, err);
		}
	}
	return r == EVLOG_END ? 0 : r;
}

int diff_ignoring_stamps(
    struct diff *d, struct diff_operand *a, struct diff_operand *b, evlog_error *err)
{
	struct tallies t = {0};
	int r = ignore_stamp(d, &t, a, b, err);

	free(t.at);
	return r;
}
