/*
 * dedup.c - which of the last events have this source and id, and the same bytes?
 *
 * A ring of the window's events, oldest overwritten, and an open-addressing table from
 * the hash of source and id to a place in the ring.  Hashes are SHA-256 cut to 128
 * bits: two different events are never taken for one, not even on purpose.
 */
#include "base/error.h"
#include "store/writer.h"

#include <stdlib.h>

struct entry {
	unsigned char key[16], body[16];
};

struct dedup {
	uint64_t window, seen; /* seen: events of the log taken in, by seq */
	struct entry *ring;
	uint64_t added, kept;  /* entries ever put into the ring, and committed */
	uint64_t *table, mask; /* 1 + number of the entry; 0: free, stale ones stay */
	struct buf id, source;
	uint64_t stale;
};

struct dedup *dedup_new(uint64_t window)
{
	struct dedup *d = calloc(1, sizeof *d);
	uint64_t size = 1024;

	if (!d || window > UINT64_C(1) << 32) {
		free(d);
		return NULL;
	}
	while (size < window * 4)
		size *= 2;
	d->window = window;
	d->mask = size - 1;
	d->ring = malloc(window * sizeof *d->ring);
	d->table = calloc(size, sizeof *d->table);
	if (!d->ring || !d->table) {
		dedup_free(d);
		return NULL;
	}
	return d;
}

void dedup_free(struct dedup *d)
{
	if (!d)
		return;
	buf_free(&d->id);
	buf_free(&d->source);
	free(d->ring);
	free(d->table);
	free(d);
}

static struct entry *entry_of(struct dedup *d, uint64_t number)
{
	return &d->ring[number % d->window];
}

/* Still in the window, and not overwritten. */
static bool is_live(const struct dedup *d, uint64_t number)
{
	return number < d->added && d->added - number <= d->window;
}

static void table_put(struct dedup *d, uint64_t number)
{
	uint64_t i = get64(entry_of(d, number)->key) & d->mask;

	while (d->table[i])
		i = (i + 1) & d->mask;
	d->table[i] = number + 1;
	d->stale++;
}

/* Stale places are only swept out when they get many: amortised constant. */
static void entry_add(struct dedup *d, const struct entry *e)
{
	uint64_t number = d->added++;

	*entry_of(d, number) = *e;
	if (d->stale * 2 > d->mask) {
		memset(d->table, 0, (d->mask + 1) * sizeof *d->table);
		d->stale = 0;
		uint64_t first = d->added > d->window ? d->added - d->window : 0;
		for (uint64_t n = first; n < number; n++)
			table_put(d, n);
	}
	table_put(d, number);
}

static struct entry *entry_find(struct dedup *d, const unsigned char key[16])
{
	for (uint64_t i = get64(key) & d->mask; d->table[i]; i = (i + 1) & d->mask) {
		uint64_t number = d->table[i] - 1;
		if (is_live(d, number) && memcmp(entry_of(d, number)->key, key, 16) == 0)
			return entry_of(d, number);
	}
	return NULL;
}

/* The body is the line behind its stamp: what the producer wrote, completed. */
static int entry_hash(
    struct dedup *d, const char *line, size_t len, struct entry *e, evlog_error *err)
{
	struct json_text text = {line, len}, found;
	unsigned char h[HASH_SIZE];

	d->id.len = d->source.len = 0;
	if (json_top_find(text, (struct view){"id", 2}, &found))
		json_unescape(&d->id, found);
	if (json_top_find(text, (struct view){"source", 6}, &found))
		json_unescape(&d->source, found);
	if (d->id.failed || d->source.failed)
		return error_memory(err);
	const struct hash_part key[] = {
	    {d->source.p, d->source.len}, {"\0", 1}, {d->id.p, d->id.len}};
	const struct hash_part body = {line + STAMP_SIZE, len - STAMP_SIZE};
	sha256(key, 3, h);
	memcpy(e->key, h, 16);
	sha256(&body, 1, h);
	memcpy(e->body, h, 16);
	return 0;
}

int dedup_catch_up(struct dedup *d, const char *path, uint64_t last, evlog_error *err)
{
	struct evlog_selection sel;
	struct evlog_lines lines;
	struct evlog_event event;
	struct entry e;
	evlog_stream *s;

	if (d->seen >= last)
		return 0;
	evlog_selection_init(&sel);
	sel.from = d->seen + 1;
	if (last > d->window && sel.from < last - d->window + 1)
		sel.from = last - d->window + 1;
	sel.to = last;
	int r = evlog_stream_open(&s, &path, 1, &sel, err);
	if (r)
		return r;
	while (!r && (r = evlog_stream_next(s, &lines, err)) == 0)
		while (!r && evlog_lines_take(&lines, &event)) {
			r = entry_hash(d, event.line, event.len, &e, err);
			if (!r)
				entry_add(d, &e);
			d->seen = event.seq;
		}
	evlog_stream_close(s);
	if (r == EVLOG_END)
		r = d->seen == last ? 0
				    : error_set(err, EVLOG_EDAMAGED,
					  "%s: its events could not all be read", path);
	d->kept = d->added;
	return r;
}

int dedup_ask(struct dedup *d, const char *line, size_t len, enum dedup_verdict *verdict,
    evlog_error *err)
{
	struct entry e, *old;

	int r = entry_hash(d, line, len, &e, err);
	if (r)
		return r;
	old = entry_find(d, e.key);
	if (!old)
		entry_add(d, &e);
	*verdict = !old					? DEDUP_NEW
		   : memcmp(old->body, e.body, 16) == 0 ? DEDUP_SAME
							: DEDUP_CONFLICT;
	return 0;
}

void dedup_keep(struct dedup *d, uint64_t last)
{
	d->kept = d->added;
	d->seen = last;
}

/* What the ring overwrote is lost: begin anew from the log. */
void dedup_forget(struct dedup *d)
{
	if (d->added == d->kept)
		return;
	memset(d->table, 0, (d->mask + 1) * sizeof *d->table);
	d->stale = d->added = d->kept = d->seen = 0;
}
