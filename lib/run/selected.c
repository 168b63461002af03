/*
 * selected.c - describes, for the checkpoint, which events a consumer processes.
 *
 * Events before the checkpoint are never delivered again.  So a consumer that continues
 * with another selection would silently miss events that the old one has skipped.  Bounds
 * such as --since are not recorded: they only say where a run begins and ends, and one
 * that is relative to the current time differs from run to run.
 */
#include "base/error.h"
#include "base/hash.h"
#include "json/path.h"
#include "run/consumer.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST 4096 /* bytes; of a longer description, only the hash is recorded */

static int text_order(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void name_add(struct buf *b, const char *name)
{
	buf_putc(b, b->len ? ',' : '{');
	json_escape(b, (struct view){name, strlen(name)});
	buf_putc(b, ':');
}

static void string_add(struct buf *b, const char *text)
{
	json_escape(b, (struct view){text, strlen(text)});
}

/* Adds a member that is a set of strings, unless it is empty: sorted, without duplicates.
 * Returns false if out of memory. */
static bool set_add(struct buf *b, const char *name, const char *const *texts, size_t n)
{
	const char **sorted = malloc((n + 1) * sizeof *sorted);

	if (!sorted)
		return false;
	for (size_t i = 0; i < n; i++)
		sorted[i] = texts[i];
	if (n) {
		qsort(sorted, n, sizeof *sorted, text_order);
		name_add(b, name);
	}
	for (size_t i = 0; i < n; i++) {
		if (i && strcmp(sorted[i], sorted[i - 1]) == 0)
			continue;
		buf_putc(b, i ? ',' : '[');
		string_add(b, sorted[i]);
	}
	buf_puts(b, n ? "]" : "");
	free(sorted);
	return true;
}

/* Adds what converts the events: --dead-letters, and the hash of the upcaster. */
static void map_add(struct buf *b, const struct mapping *m)
{
	unsigned char hash[HASH_SIZE] = {0};
	char hex[65];

	if (m->unwrapping) {
		name_add(b, "dead-letters");
		buf_puts(b, "true");
	}
	if (m->map == evlog_upcast) {
		evlog_upcaster_hash(m->arg, hash);
		hash_hex(hash, hex);
		name_add(b, "upcast");
		string_add(b, hex);
	}
}

int selected_text(
    const struct consumer *c, const char *key, struct buf *b, evlog_error *err)
{
	const struct mapping *m = &c->mapping;
	const struct evlog_selection *s = m->used ? &m->wanted : &c->sel;
	unsigned char hash[HASH_SIZE];
	char hex[65];

	bool good = set_add(b, "type", s->type, s->types) &&
		    set_add(b, "subject", s->subject, s->subjects) &&
		    set_add(b, "source", s->source, s->sources) &&
		    set_add(b, "id", s->id, s->ids) &&
		    set_add(b, "where", s->where, s->wheres);
	if (s->fixed && b->len) {
		name_add(b, "fixed");
		buf_puts(b, "true");
	}
	map_add(b, m);
	if (key) {
		name_add(b, "key");
		string_add(b, key);
	}
	buf_puts(b, b->len ? "}" : "{}");
	if (good && !b->failed && b->len > LONGEST) {
		sha256(&(struct hash_part){b->p, b->len}, 1, hash);
		hash_hex(hash, hex);
		b->len = 0;
		buf_printf(b, "{\"sha256\":\"%s\"}", hex);
	}
	buf_putc(b, '\0');
	return good && !b->failed ? 0 : error_memory(err);
}
