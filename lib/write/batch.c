/* batch.c - events that are pending, or being committed. */
#include "write/batch.h"

#include <stdlib.h>

static void names_free(struct batch *b)
{
	while (b->n_names)
		free(b->names[--b->n_names]);
	free(b->names);
	b->names = NULL;
}

void batch_free(struct batch *b)
{
	names_free(b);
	buf_free(&b->raw);
	free(b->all);
	*b = (struct batch){0};
}

/* Copies the input's name; the copy lives as long as its events.  NULL: out of memory. */
static const char *name_keep(struct batch *b, const char *name)
{
	if (b->n == 0)
		names_free(b);
	if (b->n_names && strcmp(b->names[b->n_names - 1], name) == 0)
		return b->names[b->n_names - 1];
	char **more = realloc(b->names, (b->n_names + 1) * sizeof *more);
	if (!more)
		return NULL;
	b->names = more;
	more[b->n_names] = strdup(name);
	return more[b->n_names] ? more[b->n_names++] : NULL;
}

static bool has_room(struct batch *b)
{
	size_t dropped = (size_t)(b->at - b->all);

	if (dropped + b->n < b->cap)
		return true;
	if (!array_grow(&b->all, &b->cap, sizeof *b->all))
		return false;
	b->at = b->all + dropped;
	return true;
}

static bool pending_add(struct batch *b, struct pending p)
{
	if (!has_room(b) || !(p.name = name_keep(b, p.name))) {
		b->raw.len = p.offset;
		return false;
	}
	b->at[b->n++] = p;
	return true;
}

bool batch_add(struct batch *b, size_t start, const struct intake_event *e,
    const char *name, uint64_t line_no)
{
	struct pending p = {.offset = start,
	    .len = b->raw.len - start,
	    .time = e->time,
	    .seq = e->seq,
	    .logtime = e->logtime,
	    .name = name,
	    .line_no = line_no};

	p.keys_known = e->keys_known;
	for (enum key_kind kind = 0; p.keys_known && kind < KEY_KINDS; kind++)
		if (e->key[kind].p && KEY_IN(kind) & FILTER_KINDS)
			p.key[kind] = filter_key(kind, e->key[kind]);
	return pending_add(b, p);
}

void batch_drop(struct batch *b, size_t n)
{
	if (n == 0)
		return;
	b->at += n;
	b->n -= n;
	if (b->n)
		return;
	b->at = b->all;
	b->raw.len = 0;
}

void batch_keep(struct batch *b, size_t n)
{
	if (n >= b->n)
		return;
	b->raw.len = b->at[n].offset;
	b->n = n;
}

size_t batch_block(const struct batch *b, size_t i, size_t n, size_t size, size_t *bytes)
{
	size_t count = 0;

	*bytes = 0;
	while (i + count < n) {
		const struct pending *p = &b->at[i + count];
		if (count && (*bytes + p->len > size || p->leaf != b->at[i].leaf))
			break;
		*bytes += p->len;
		count++;
	}
	return count;
}

size_t batch_whole(const struct batch *b, size_t size)
{
	size_t whole = 0, bytes, count;

	while (
	    (count = batch_block(b, whole, b->n, size, &bytes)) && whole + count < b->n)
		whole += count;
	return whole ? whole : b->n;
}

bool batch_cut(struct batch *b, size_t n, struct batch *to)
{
	struct batch rest = *to;

	rest.n = rest.raw.len = 0;
	rest.whole = b->whole > n ? b->whole - n : 0;
	for (size_t i = n; i < b->n; i++) {
		struct pending p = b->at[i];
		const char *line = b->raw.p + p.offset;
		p.offset = rest.raw.len;
		buf_add(&rest.raw, line, p.len);
		if (rest.raw.failed || !pending_add(&rest, p)) {
			rest.n = rest.raw.len = 0;
			rest.raw.failed = false;
			*to = rest;
			return false;
		}
	}
	if (n < b->n) {
		b->raw.len = b->at[n].offset;
		b->n = n;
	}
	*to = *b;
	*b = rest;
	return true;
}
