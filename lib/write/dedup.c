/*
 * dedup.c - finds out which events are in the log already: the same source and id, and
 * the same content.
 *
 * It keeps an entry for each event, or for those of a window, in a ring, whose oldest
 * entry is overwritten, and an open-addressing table that maps the hash of source and id
 * to an entry.  Hashes are SHA-256 truncated to 128 bits, so different events never
 * compare equal, not even if somebody tries to make them.  An event takes 32 bytes, plus
 * 8 to 16 in the table.
 */
#include "base/error.h"
#include "write/writer.h"

#include <stdlib.h>

#define FEW 1024

struct entry {
	unsigned char key[16], body[16];
};

struct dedup {
	uint64_t window; /* 0: all events */
	uint64_t seen;	 /* last seq of the log that was taken in */
	bool slid;	 /* the log has more events than the window */
	struct entry *ring;
	uint64_t size;	       /* capacity of the ring; at most the window */
	uint64_t added, kept;  /* entries ever put into the ring; committed */
	uint32_t *table;       /* 1 + index in the ring; 0: free; stale ones stay */
	uint64_t mask, filled; /* slots of the table minus 1, and slots in use */
	struct buf id, source;
};

struct dedup *dedup_new(uint64_t window)
{
	struct dedup *d = calloc(1, sizeof *d);

	if (d)
		d->window = window;
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

bool dedup_has_slid(const struct dedup *d)
{
	return d->slid;
}

/* The number of entries in the ring. */
static uint64_t entries(const struct dedup *d)
{
	return d->added < d->size ? d->added : d->size;
}

static void table_put(struct dedup *d, uint32_t place)
{
	uint64_t i = get64(d->ring[place].key) & d->mask;

	while (d->table[i])
		i = (i + 1) & d->mask;
	d->table[i] = place + 1;
	d->filled++;
}

static void table_fill(struct dedup *d)
{
	uint64_t n = entries(d);

	memset(d->table, 0, (d->mask + 1) * sizeof *d->table);
	d->filled = 0;
	for (uint64_t i = 0; i < n; i++)
		table_put(d, (uint32_t)i);
}

/* Doubles the ring, up to the window.  Grows the table first: if the ring then fails to
 * grow, the table is still large enough. */
static bool grow(struct dedup *d)
{
	uint64_t most = d->window ? d->window : DEDUP_MOST,
		 size = d->size ? 2 * d->size : FEW;
	uint64_t places = 4 * FEW;

	size = size > most ? most : size;
	while (places < 2 * size)
		places *= 2;
	if (places != d->mask + 1) {
		uint32_t *table = realloc(d->table, places * sizeof *table);
		if (!table)
			return false;
		d->table = table;
		d->mask = places - 1;
		table_fill(d);
	}
	struct entry *ring = realloc(d->ring, size * sizeof *ring);
	if (!ring)
		return false;
	d->ring = ring;
	d->size = size;
	return true;
}

/* Adds an entry.  Returns false if out of memory.  Rebuilds the table when it has many
 * slots whose entries were overwritten. */
static bool entry_add(struct dedup *d, const struct entry *e)
{
	bool full = d->added >= d->size;

	if (full && d->size < (d->window ? d->window : DEDUP_MOST)) {
		if (!grow(d))
			return false;
	} else if (full && !d->window) {
		return false;
	} else if (full) {
		d->slid = true;
	}
	uint32_t place = (uint32_t)(d->added++ % d->size);
	d->ring[place] = *e;
	if (d->filled >= d->mask / 4 * 3)
		table_fill(d);
	else
		table_put(d, place);
	return true;
}

static struct entry *entry_find(struct dedup *d, const unsigned char key[16])
{
	if (!d->table)
		return NULL;
	for (uint64_t i = get64(key) & d->mask; d->table[i]; i = (i + 1) & d->mask) {
		struct entry *e = &d->ring[d->table[i] - 1];
		if (memcmp(e->key, key, 16) == 0)
			return e;
	}
	return NULL;
}

/* The body is the line after its stamp: what the producer wrote, completed. */
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

int dedup_catch_up(
    struct dedup *d, const char *path, uint64_t last, uint64_t max_line, evlog_error *err)
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
	sel.max_line = max_line;
	if (d->window && last > d->window && sel.from < last - d->window + 1) {
		sel.from = last - d->window + 1;
		d->slid = true;
	}
	sel.to = last;
	int r = evlog_stream_open(&s, &path, 1, &sel, err);
	if (r)
		return r;
	while (!r && (r = evlog_stream_next(s, &lines, err)) == 0)
		while (!r && evlog_lines_take(&lines, &event)) {
			r = entry_hash(d, event.line, event.len, &e, err);
			if (!r && !entry_add(d, &e))
				r = error_memory(err);
			d->seen = event.seq;
		}
	evlog_stream_close(s);
	if (r == EVLOG_END)
		r = d->seen == last
			? 0
			: error_set(err, EVLOG_EDAMAGED,
			      "%s: --dedup could not read all events of the log", path);
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
	if (!old && !entry_add(d, &e))
		return error_memory(err);
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

/* The ring may have overwritten older entries, so read the log again. */
void dedup_forget(struct dedup *d)
{
	if (d->added == d->kept)
		return;
	d->added = d->kept = d->seen = 0;
	table_fill(d);
}
