/* dedup_block.c - the blocks in which an event may be, as a catalogue says. */
#include "base/error.h"
#include "event/stamp.h"
#include "json/path.h"
#include "write/dedup.h"

#include <stdlib.h>

static uint64_t hash_of(uint64_t id_key, uint64_t source_key)
{
	return id_key ^ source_key >> 7;
}

int dedup_key_get(struct dedup_key *k, const char *line, size_t len, evlog_error *err)
{
	struct json_text text = {line, len}, found;

	k->id.len = k->source.len = 0;
	if (json_top_find(text, (struct view){"id", 2}, &found))
		json_unescape(&k->id, found);
	if (json_top_find(text, (struct view){"source", 6}, &found))
		json_unescape(&k->source, found);
	if (k->id.failed || k->source.failed)
		return error_memory(err);
	uint64_t id = filter_key(KEY_ID, (struct view){k->id.p, k->id.len});
	uint64_t source =
	    filter_key(KEY_SOURCE, (struct view){k->source.p, k->source.len});
	k->hash = hash_of(id, source);
	k->fingerprint = id_fingerprint(id, source);
	return 0;
}

void dedup_key_free(struct dedup_key *k)
{
	buf_free(&k->id);
	buf_free(&k->source);
}

static bool texts_same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->p, b->p, a->len) == 0);
}

uint64_t dedup_line_hash(struct filter_keys *scratch, const char *line, size_t len)
{
	uint64_t key[KEY_KINDS];

	filter_line_keys(scratch, line, len, KEY_IN(KEY_ID) | KEY_IN(KEY_SOURCE), key);
	return hash_of(key[KEY_ID], key[KEY_SOURCE]);
}

void dedup_block_init(struct dedup_block *b)
{
	*b = (struct dedup_block){.seg.fd = -1};
}

void dedup_block_close(struct dedup_block *b)
{
	segment_close(&b->seg);
	index_close(&b->index);
	b->there = false;
}

void dedup_block_free(struct dedup_block *b)
{
	dedup_block_close(b);
	block_codec_free(b->codec);
	buf_free(&b->lines);
	free(b->table);
	filter_free(&b->scratch);
	dedup_key_free(&b->key);
}

static int does_not_fit(const struct catalogue_segment *s, evlog_error *err)
{
	return error_set(err, EVLOG_EDAMAGED, "the catalogue does not fit segment %llu",
	    (unsigned long long)s->first_seq);
}

/* Opens the segment, and its index, if it has one. */
static int segment_enter(struct dedup_block *b, const struct log *l,
    const struct catalogue_segment *s, evlog_error *err)
{
	if (b->seg.fd >= 0 && b->seg.first_seq == s->first_seq)
		return 0;
	dedup_block_close(b);
	int r = segment_open(&b->seg, l->dir_fd, l->path, s->first_seq, NULL, false, err);
	if (!r && (!segment_is_sealed(&b->seg) || !catalogue_segment_is(s, l->dir_fd) ||
		      memcmp(b->seg.header.seal.root, s->root, HASH_SIZE) != 0))
		r = does_not_fit(s, err);
	if (!r)
		r = index_open(&b->index, &b->seg, NULL, err);
	if (r == EVLOG_END)
		r = 0;
	if (r)
		dedup_block_close(b);
	return r == EVLOG_ENOINPUT ? does_not_fit(s, err) : r;
}

/* Gets the header of block i: by the index, or else by going over those before it. */
static int header_find(struct dedup_block *b, const struct catalogue_segment *s,
    uint32_t i, struct block *k, evlog_error *err)
{
	uint64_t at = b->seg.header.size, end = b->seg.header.seal.end;
	uint32_t from = 0;
	int r = 0;

	if (i >= s->blocks || (b->index.open && b->index.blocks != s->blocks))
		return does_not_fit(s, err);
	if (b->index.open) {
		index_entry(&b->index, i, k);
		at = k->offset;
		from = i;
	}
	for (; from <= i && !r; from++) {
		if (at >= end)
			return does_not_fit(s, err);
		r = segment_block(&b->seg, at, end, 0, k, err);
		if (!r)
			at = block_end(k);
	}
	return r;
}

/* Enters all lines into the table. */
static bool table_fill(struct dedup_block *b, size_t count)
{
	struct evlog_lines rest = {.p = b->lines.p, .len = b->lines.len};
	struct evlog_event e;
	size_t slots = 64;

	while (slots < 2 * count)
		slots *= 2;
	free(b->table);
	b->slots = slots;
	b->table = calloc(slots, sizeof *b->table);
	while (b->table && evlog_lines_take(&rest, &e)) {
		uint64_t i = dedup_line_hash(&b->scratch, e.line, e.len) & (slots - 1);
		while (b->table[i])
			i = (i + 1) & (slots - 1);
		b->table[i] = (uint32_t)(e.line - b->lines.p) + 1;
		b->upto = e.seq;
	}
	return b->table && !b->scratch.failed;
}

int dedup_block_read(struct dedup_block *b, const struct log *l,
    const struct catalogue *c, uint32_t number, evlog_error *err)
{
	const struct catalogue_segment *s = c->at;
	struct block k;

	while (number >= s->base + s->blocks) /* id_search_next has checked it */
		s++;
	number -= s->base;
	if (b->there && b->segment == s->first_seq && b->number == number)
		return 0;
	if (!b->codec) {
		b->codec = block_codec_new(0);
		if (!b->codec)
			return error_memory(err);
		block_codec_limit(b->codec, b->max_line);
	}
	int r = segment_enter(b, l, s, err);
	if (!r)
		r = header_find(b, s, number, &k, err);
	b->there = false;
	if (!r)
		r = segment_unpack(&b->seg, b->codec, &k, &b->lines, err);
	if (!r && !table_fill(b, k.count))
		r = error_memory(err);
	if (r)
		return r;
	b->there = true;
	b->segment = s->first_seq;
	b->number = number;
	b->leaves = k.flags & BLOCK_LEAVES;
	return 0;
}

int dedup_lines_read(
    struct dedup_block *b, const struct log *l, uint64_t seq, evlog_error *err)
{
	const char *path = l->path;
	struct evlog_selection sel;
	struct evlog_lines lines;
	evlog_stream *s;

	b->there = false;
	evlog_selection_init(&sel);
	sel.from = seq;
	sel.max_line = b->max_line;
	int r = evlog_stream_open(&s, &path, 1, &sel, err);
	if (r)
		return r;
	r = evlog_stream_next(s, &lines, err);
	if (r == EVLOG_END)
		r = error_set(err, EVLOG_EDAMAGED,
		    "%s: --dedup could not read all events of the log", path);
	if (!r) {
		b->lines.len = 0;
		buf_add(&b->lines, lines.p, lines.len);
		b->leaves = lines.leaves;
		b->segment = 0;
		b->there = !b->lines.failed && table_fill(b, lines.len / STAMP_SIZE + 1);
		r = b->there ? 0 : error_memory(err);
	}
	evlog_stream_close(s);
	return r;
}

int dedup_key_is(struct dedup_block *scratch, const struct dedup_key *key,
    const char *line, size_t len, bool *same, evlog_error *err)
{
	int r = dedup_key_get(&scratch->key, line, len, err);

	*same = !r && texts_same(&scratch->key.id, &key->id) &&
		texts_same(&scratch->key.source, &key->source);
	return r;
}

int dedup_block_find(struct dedup_block *b, const struct dedup_key *key, uint64_t *at,
    struct evlog_event *line, evlog_error *err)
{
	bool same = false;

	while (b->there && b->table[(key->hash + *at) & (b->slots - 1)]) {
		size_t offset = b->table[(key->hash + *at) & (b->slots - 1)] - 1;
		struct evlog_lines rest = {
		    .p = b->lines.p + offset, .len = b->lines.len - offset};
		evlog_lines_take(&rest, line);
		++*at;
		int r = dedup_key_is(b, key, line->line, line->len, &same, err);
		if (r || same)
			return r;
	}
	return EVLOG_END;
}
