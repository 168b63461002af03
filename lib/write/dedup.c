/*
 * dedup.c - finds out which events are in the log already: the same source and id, and
 * the same content.
 *
 * A hash of source and id tells where such an event may be; then it is read and compared,
 * so the answer is exact.  Of the events in catalogues, those say in which block.  Only
 * of the rest are the hashes kept in memory, in the order of their seqs, with an
 * open-addressing table from hash to event: 8 bytes each, plus 8 to 16 in the table.
 */
#include "write/dedup.h"
#include "base/error.h"
#include "read/reader.h"
#include "write/writer.h"

#include <assert.h>
#include <stdlib.h>

#define FEW	1024
#define REFRESH (64u << 10) /* events after which newer catalogues are looked for */

/* Where one of the pending events may be. */
struct candidate {
	uint32_t event, catalogue, block;
};

struct dedup {
	uint64_t window; /* 0: all events */
	bool by_id;	 /* the same source and id is enough */
	bool slid;	 /* the log has more events than the window */
	uint64_t
	    forgotten;	/* the last event of the window that the log has lost; 0: none */
	struct log log; /* its lists of segments and catalogues */
	struct catalogues set;
	uint64_t distrusted; /* no catalogue is used from this seq on; 0: all are */

	uint64_t *hash;	 /* hash i is that of event base + 1 + i */
	uint32_t *chain; /* 1 + index of the one before it that is the same; 0: none */
	size_t chain_cap;
	uint64_t base;
	size_t n, cap, kept; /* kept: those that are in the log; then the pending ones: */
	struct view *line;   /* their lines, which the caller keeps */
	size_t lines, lines_cap;
	size_t refreshed; /* n when catalogues were last looked for */
	bool begun;
	uint32_t *table; /* 1 + index in `hash`; 0: free */
	uint64_t mask;	 /* slots minus 1 */

	struct candidate *candidate; /* by event, then catalogue; from next on */
	size_t candidates, candidates_cap, next;
	struct dedup_key key; /* of the event that is asked about */
	struct buf leaf_line;
	struct dedup_block block;
};

struct dedup *dedup_new(uint64_t window, bool by_id)
{
	struct dedup *d = calloc(1, sizeof *d);

	if (d) {
		d->window = window;
		d->by_id = by_id;
		dedup_block_init(&d->block);
	}
	return d;
}

void dedup_free(struct dedup *d)
{
	if (!d)
		return;
	dedup_block_free(&d->block);
	catalogues_close(&d->set);
	free(d->log.segments);
	free(d->log.catalogues);
	dedup_key_free(&d->key);
	buf_free(&d->leaf_line);
	free(d->hash);
	free(d->chain);
	free(d->line);
	free(d->table);
	free(d->candidate);
	free(d);
}

bool dedup_has_slid(const struct dedup *d)
{
	return d->slid;
}

uint64_t dedup_forgotten(const struct dedup *d)
{
	return d->forgotten;
}

/* ---- The table ---- */

static void table_put(struct dedup *d, size_t i)
{
	uint64_t slot = d->hash[i] & d->mask;

	while (d->table[slot] && d->hash[d->table[slot] - 1] != d->hash[i])
		slot = (slot + 1) & d->mask;
	d->chain[i] = d->table[slot];
	d->table[slot] = (uint32_t)i + 1;
}

/* Makes a table for the hashes, which is at most half full. */
static bool table_make(struct dedup *d)
{
	uint64_t slots = 4 * FEW;

	while (slots < 2 * (d->n + 1))
		slots *= 2;
	uint32_t *table = calloc(slots, sizeof *table);
	if (!table)
		return false;
	free(d->table);
	d->table = table;
	d->mask = slots - 1;
	for (size_t i = 0; i < d->n; i++)
		table_put(d, i);
	return true;
}

/* Drops the first n. */
static bool hashes_drop(struct dedup *d, size_t n)
{
	if (n == 0)
		return true;
	memmove(d->hash, d->hash + n, (d->n - n) * sizeof *d->hash);
	d->base += n;
	d->n -= n;
	d->kept -= n;
	return table_make(d);
}

static bool hash_add(struct dedup *d, uint64_t hash)
{
	/* of a window, those that have left it are dropped now and then */
	if (d->window && d->n >= 2 * d->window + FEW && d->kept > d->window &&
	    !hashes_drop(d, d->kept - (size_t)d->window))
		return false;
	if (d->n >= DEDUP_MOST ||
	    (d->n == d->cap && !array_grow(&d->hash, &d->cap, sizeof *d->hash)) ||
	    (d->n >= d->chain_cap &&
		!array_grow(&d->chain, &d->chain_cap, sizeof *d->chain)))
		return false;
	d->hash[d->n++] = hash;
	if (!d->table || 2 * d->n > d->mask + 1)
		return table_make(d);
	table_put(d, d->n - 1);
	return true;
}

/* The first seq in the window, if one more event is to come. */
static uint64_t window_begin(const struct dedup *d)
{
	uint64_t next = d->base + d->n + 1;

	return d->window && next > d->window ? next - d->window : 1;
}

/* Reads the events up to `last` that the table does not have.  listed: the list of
 * segments is the latest. */
static int events_read(struct dedup *d, uint64_t last, bool listed, evlog_error *err)
{
	const char *path = d->log.path;
	const struct bounds b = {.from = d->base + d->n + 1,
	    .to = last,
	    BOUNDS_ANY_TIME,
	    .max_line = d->block.max_line,
	    .listed = listed ? &d->log : NULL};
	struct evlog_lines lines;
	struct evlog_event event;
	struct log_reader *reader;

	if (d->base + d->n >= last)
		return 0;
	int r = log_reader_open(&reader, path, &b, false, false, err);
	if (r)
		return r;
	while (!r && (r = log_reader_next(reader, &lines, err)) == 0)
		while (!r && evlog_lines_take(&lines, &event)) {
			if (event.seq != d->base + d->n + 1)
				r = EVLOG_END;
			else if (!hash_add(d, dedup_line_hash(&d->block.scratch,
						  event.line, event.len)))
				r = error_memory(err);
		}
	log_reader_close(reader);
	if (r == EVLOG_END)
		r = d->base + d->n == last
			? 0
			: error_set(err, EVLOG_EDAMAGED,
			      "%s: --dedup could not read all events of the log", path);
	d->kept = d->n;
	return r;
}

/* ---- Catalogues ---- */

/* Keeps the catalogues that have all events from the window's first on, without a gap,
 * and returns the last event that they have. */
static uint64_t covered(struct dedup *d, uint64_t last)
{
	uint64_t begin = d->window && last >= d->window ? last - d->window + 1 : 1;
	struct catalogues *set = &d->set;
	size_t from = 0, n;

	if (begin < d->log.first)
		begin = d->log.first;
	uint64_t upto = begin - 1;
	while (from < set->n && set->at[from].last < begin)
		catalogue_close(&set->at[from++]);
	for (n = from; n < set->n && set->at[n].first <= upto + 1; n++)
		if (d->distrusted && set->at[n].last >= d->distrusted)
			break;
		else
			upto = set->at[n].last;
	while (set->n > n)
		catalogue_close(&set->at[--set->n]);
	set->n -= from;
	if (from)
		memmove(set->at, set->at + from, set->n * sizeof *set->at);
	return upto < last ? upto : last;
}

/* Opens the catalogues again, and drops the hashes of what they have. */
static int refresh(struct dedup *d, uint64_t last, evlog_error *err)
{
	catalogues_close(&d->set);
	dedup_block_close(&d->block);
	int r = log_list_again(&d->log, err);
	if (!r)
		r = catalogues_open(&d->set, &d->log, true, err);
	if (r)
		return r;
	assert(d->n == d->kept);
	uint64_t upto = covered(d, last);
	bool again = !d->begun || upto < d->base || upto > d->base + d->kept;
	if (again) {
		d->base = upto;
		d->n = d->kept = 0;
	}
	if (!(again ? table_make(d) : hashes_drop(d, (size_t)(upto - d->base))))
		return error_memory(err);
	d->begun = true;
	d->refreshed = d->n;
	return 0;
}

int dedup_catch_up(struct dedup *d, const struct log *l, uint64_t last, uint64_t max_line,
    evlog_error *err)
{
	bool due = !d->begun || d->n > d->refreshed + REFRESH;
	int r = 0;

	d->log.path = l->path;
	d->log.dir_fd = l->dir_fd;
	d->block.max_line = max_line;
	if (due) {
		d->distrusted = 0;
		r = refresh(d, last, err);
	}
	return r ? r : events_read(d, last, due, err);
}

/* ---- Candidates ---- */

/* A pending event to be looked for. */
struct sought {
	uint64_t fingerprint;
	uint32_t event;
};

static int sought_compare(const void *a, const void *b)
{
	const struct sought *x = a, *y = b;

	return (x->fingerprint > y->fingerprint) - (x->fingerprint < y->fingerprint);
}

static int candidate_compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->event != y->event)
		return x->event < y->event ? -1 : 1;
	return (x->catalogue > y->catalogue) - (x->catalogue < y->catalogue);
}

/* Asks one catalogue for all events, in its own order, so that each page is read once.
 * Returns EVLOG_EDAMAGED if it cannot be read. */
static int catalogue_ask(struct dedup *d, uint32_t catalogue, const struct sought *s,
    size_t n, evlog_error *err)
{
	struct catalogue *c = &d->set.at[catalogue];
	struct id_search search;
	uint32_t block;

	for (size_t i = 0; i < n; i++) {
		if (!id_search_begin(c, &search, s[i].fingerprint, 0))
			return EVLOG_EDAMAGED;
		int r;
		while ((r = id_search_next(c, &search, &block)) == 0) {
			if (d->candidates == d->candidates_cap &&
			    !array_grow(
				&d->candidate, &d->candidates_cap, sizeof *d->candidate))
				return error_memory(err);
			d->candidate[d->candidates++] =
			    (struct candidate){s[i].event, catalogue, block};
		}
		if (r != EVLOG_END)
			return r;
	}
	return 0;
}

/* Does without a catalogue that proved to be damaged, and those after it.  Returns
 * EVLOG_WAIT: everything is to be asked again. */
static int distrust(struct dedup *d, uint32_t catalogue, evlog_error *err)
{
	uint64_t last = d->base + d->kept;

	d->distrusted = d->set.at[catalogue].last;
	dedup_forget(d);
	int r = refresh(d, last, err);
	if (!r)
		r = events_read(d, last, true, err);
	return r ? r : EVLOG_WAIT;
}

static int candidates_find(struct dedup *d, struct sought *s, size_t n, evlog_error *err)
{
	d->candidates = d->next = 0;
	if (n)
		qsort(s, n, sizeof *s, sought_compare);
	for (uint32_t i = 0; i < d->set.n; i++) {
		int r = catalogue_ask(d, i, s, n, err);
		if (r)
			return r == EVLOG_EDAMAGED ? distrust(d, i, err) : r;
	}
	if (d->candidates)
		qsort(
		    d->candidate, d->candidates, sizeof *d->candidate, candidate_compare);
	return 0;
}

int dedup_begin(struct dedup *d, const struct view *lines, size_t n, evlog_error *err)
{
	struct sought *s = calloc(n + 1, sizeof *s);
	int r = s ? 0 : error_memory(err);

	for (size_t i = 0; i < n && !r && d->set.n; i++) {
		r = dedup_key_get(&d->key, lines[i].p, lines[i].len, err);
		s[i] = (struct sought){d->key.fingerprint, (uint32_t)i};
	}
	if (!r)
		r = candidates_find(d, s, d->set.n ? n : 0, err);
	free(s);
	return r;
}

/* ---- Comparing ---- */

static bool bodies_same(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len &&
	       memcmp(a + STAMP_SIZE, b + STAMP_SIZE, a_len - STAMP_SIZE) == 0;
}

/* Whether the content of which only the leaf is left was this one. */
static int leaf_compare(struct dedup *d, const struct evlog_event *stored,
    const unsigned char leaf[HASH_SIZE], struct view line, bool *same, evlog_error *err)
{
	unsigned char own[HASH_SIZE];

	d->leaf_line.len = 0;
	buf_add(&d->leaf_line, stored->line, STAMP_SIZE);
	buf_add(&d->leaf_line, line.p + STAMP_SIZE, line.len - STAMP_SIZE);
	if (d->leaf_line.failed)
		return error_memory(err);
	merkle_leaf(d->leaf_line.p, d->leaf_line.len, false, own);
	*same = memcmp(own, leaf, HASH_SIZE) == 0;
	return 0;
}

/* Looks for the event among the lines that were read last. */
static int block_ask(
    struct dedup *d, struct view line, enum dedup_verdict *verdict, evlog_error *err)
{
	uint64_t begin = window_begin(d), at = 0;
	unsigned char leaf[HASH_SIZE];
	struct evlog_event stored;
	int r = 0;

	while (!r && *verdict != DEDUP_SAME &&
	       (r = dedup_block_find(&d->block, &d->key, &at, &stored, err)) == 0) {
		bool same = bodies_same(stored.line, stored.len, line.p, line.len);
		if (stored.seq < begin)
			continue;
		if (d->block.leaves && leafhash_read(stored.line, stored.len, leaf))
			r = leaf_compare(d, &stored, leaf, line, &same, err);
		*verdict = same || d->by_id ? DEDUP_SAME : DEDUP_CONFLICT;
	}
	return r == EVLOG_END ? 0 : r;
}

/* Compares with the pending event i, or the one in the log of that hash. */
static int hash_ask(struct dedup *d, size_t i, struct view line,
    enum dedup_verdict *verdict, evlog_error *err)
{
	if (i < d->kept) {
		int r = dedup_lines_read(&d->block, &d->log, d->base + 1 + i, err);
		return r ? r : block_ask(d, line, verdict, err);
	}
	struct view other = d->line[i - d->kept];
	bool same;
	int r = dedup_key_is(&d->block, &d->key, other.p, other.len, &same, err);
	if (r || !same)
		return r;
	same = d->by_id || bodies_same(other.p, other.len, line.p, line.len);
	*verdict = same ? DEDUP_SAME : DEDUP_CONFLICT;
	return 0;
}

/* Gets the events of this hash that are in the window, the newest first.  Returns how
 * many there are; `which`, unless it is NULL, has room for them. */
static size_t chain_get(const struct dedup *d, uint32_t *which)
{
	uint64_t begin = window_begin(d), slot = d->key.hash & d->mask;
	size_t n = 0;

	if (!d->table)
		return 0;
	while (d->table[slot] && d->hash[d->table[slot] - 1] != d->key.hash)
		slot = (slot + 1) & d->mask;
	for (uint32_t i = d->table[slot]; i && d->base + i >= begin; i = d->chain[i - 1])
		if (which)
			which[n++] = i - 1;
		else
			n++;
	return n;
}

/* Compares with them, the oldest first, because what is read goes on to the end of a
 * block, and may have several. */
static int hashes_ask(
    struct dedup *d, struct view line, enum dedup_verdict *verdict, evlog_error *err)
{
	size_t n = chain_get(d, NULL);
	uint32_t *which = n ? malloc(n * sizeof *which) : NULL;
	uint64_t read = 0; /* up to this seq */
	int r = 0;

	if (n && !which)
		return error_memory(err);
	chain_get(d, which);
	while (n && !r && *verdict != DEDUP_SAME) {
		uint32_t i = which[--n];
		if (i < d->kept && d->base + 1 + i <= read)
			continue;
		r = hash_ask(d, i, line, verdict, err);
		if (i < d->kept)
			read = d->block.upto;
	}
	free(which);
	return r;
}

/* Reads the blocks that catalogues named for this event.  EVLOG_WAIT: one of them does
 * not fit its segment; everything is to be asked again. */
static int candidates_ask(struct dedup *d, uint32_t event, struct view line,
    enum dedup_verdict *verdict, evlog_error *err)
{
	while (d->next < d->candidates && d->candidate[d->next].event < event)
		d->next++;
	for (size_t i = d->next; i < d->candidates && d->candidate[i].event == event &&
				 *verdict != DEDUP_SAME;
	     i++) {
		const struct candidate *c = &d->candidate[i];
		int r = dedup_block_read(
		    &d->block, &d->log, &d->set.at[c->catalogue], c->block, err);
		if (r == EVLOG_EDAMAGED)
			return distrust(d, c->catalogue, err);
		if (!r)
			r = block_ask(d, line, verdict, err);
		if (r)
			return r;
	}
	return 0;
}

int dedup_ask(struct dedup *d, uint32_t event, const char *p, size_t len,
    enum dedup_verdict *verdict, evlog_error *err)
{
	const struct view line = {p, len};

	*verdict = DEDUP_NEW;
	d->slid |= window_begin(d) > 1;
	if (window_begin(d) < d->log.first)
		d->forgotten = d->log.first - 1;
	int r = dedup_key_get(&d->key, p, len, err);
	/* events that come again mostly come in the same order */
	if (!r)
		r = block_ask(d, line, verdict, err);
	if (!r && *verdict != DEDUP_SAME)
		r = hashes_ask(d, line, verdict, err);
	if (!r && *verdict != DEDUP_SAME)
		r = candidates_ask(d, event, line, verdict, err);
	return r;
}

int dedup_add(struct dedup *d, const char *line, size_t len, evlog_error *err)
{
	if (d->lines == d->lines_cap &&
	    !array_grow(&d->line, &d->lines_cap, sizeof *d->line))
		return error_memory(err);
	if (!hash_add(d, d->key.hash))
		return error_memory(err);
	d->line[d->lines++] = (struct view){line, len};
	return 0;
}

void dedup_keep(struct dedup *d, uint64_t last)
{
	d->kept = d->n;
	d->lines = 0;
	d->begun &= d->base + d->kept == last; /* else read it again */
}

void dedup_forget(struct dedup *d)
{
	if (d->n == d->kept)
		return;
	d->n = d->kept;
	d->lines = 0;
	d->begun &= table_make(d); /* else read it again */
}
