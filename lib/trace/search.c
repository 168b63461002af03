/* search.c - finds events in all logs by their ids, causes and stories. */
#include "base/error.h"
#include "json/path.h"
#include "read/reader.h"
#include "trace/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void trace_say(const struct evlog_trace *t, const char *format, ...)
{
	char text[700];
	va_list args;

	if (!t->o.say)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	t->o.say(t->o.arg, text);
}

/* Copies the text of a string member.  0: there is none, or it has a NUL. */
static size_t text_take(
    struct evlog_trace *t, const struct evlog_event *e, const char *name)
{
	struct json_text v = json_top_string(e->line, e->len, name);
	size_t at = t->texts.len;

	if (!v.p)
		return 0;
	json_unescape(&t->texts, v);
	if (t->texts.failed || memchr(t->texts.p + at, '\0', t->texts.len - at)) {
		t->texts.len = at;
		return 0;
	}
	buf_putc(&t->texts, '\0');
	return at;
}

struct node node_of(
    struct evlog_trace *t, const struct spot *spot, const struct evlog_event *e)
{
	return (struct node){.spot = *spot,
	    .id = text_take(t, e, "id"),
	    .type = text_take(t, e, "type"),
	    .subject = text_take(t, e, "subject"),
	    .cause = text_take(t, e, "causationid"),
	    .correlation = text_take(t, e, "correlationid"),
	    .parent = NONE,
	    .first = NONE,
	    .next = NONE};
}

static int texts_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Shows an event to the search. */
static int line_show(struct evlog_trace *t, struct search *s, uint32_t log,
    const struct evlog_event *e, evlog_error *err)
{
	const struct spot spot = {e->logtime, log, e->seq};
	size_t had = t->texts.len;
	const char **wanted = NULL;

	if (s->n == 0)
		return e->seq == s->seq ? s->found(t, s, &spot, e, NULL, err) : 0;
	size_t at = text_take(t, e, s->member);
	const char *text = text_at(t, at);
	if (at)
		wanted = bsearch(&text, s->text, s->n, sizeof *s->text, texts_compare);
	int r = t->texts.failed ? error_memory(err) : 0;
	t->texts.len = had; /* what is found takes its own */
	return r || !wanted ? r : s->found(t, s, &spot, e, *wanted, err);
}

int log_search(struct evlog_trace *t, struct search *s, uint32_t log, evlog_error *err)
{
	struct filter_wanted wanted = {.of[KEY_TYPE] = {.n = 0}};
	struct bounds b = {.from = s->seq,
	    .to = s->seq,
	    BOUNDS_ANY_TIME,
	    .max_line = t->o.max_line,
	    .no_index = t->o.no_index};
	struct log_reader *reader = NULL;
	struct evlog_lines lines;
	struct evlog_event e;
	int r, found = 0;

	uint64_t *key = malloc((s->n + 1) * sizeof *key);
	if (!key)
		return error_memory(err);
	for (size_t i = 0; i < s->n; i++)
		key[i] =
		    filter_key(s->kind, (struct view){s->text[i], strlen(s->text[i])});
	wanted.of[s->kind].key = key;
	wanted.of[s->kind].n = s->n;
	if (s->n && !t->o.no_index)
		b.wanted = &wanted;
	r = log_reader_open(&reader, t->paths[log], &b, false, false, err);
	while (!r && (r = log_reader_next(reader, &lines, err)) == 0) {
		while (!found && evlog_lines_take(&lines, &e))
			found = line_show(t, s, log, &e, err);
		r = found;
		if (!r && t->o.stop && *t->o.stop)
			r = error_set(err, EVLOG_EBUSY, "interrupted");
	}
	log_reader_close(reader);
	free(key);
	return found ? found : r < 0 ? r : 0;
}

int search(struct evlog_trace *t, struct search *s, evlog_error *err)
{
	int r = 0;

	if (s->n)
		qsort(s->text, s->n, sizeof *s->text, texts_compare);
	for (uint32_t i = 0; i < t->n_paths && !r; i++)
		r = log_search(t, s, i, err);
	return r;
}

int gather(const struct evlog_trace *t, size_t from, size_t to, bool causes,
    struct gathered *g, evlog_error *err)
{
	*g = (struct gathered){.text = malloc((to - from + 1) * sizeof *g->text)};
	for (size_t i = from; i < to; i++) {
		size_t at = causes ? t->at[i].cause : t->at[i].id;
		if (at)
			buf_add(&g->bytes, text_at(t, at), strlen(text_at(t, at)) + 1);
	}
	if (!g->text || g->bytes.failed)
		return error_memory(err);
	for (size_t at = 0; at < g->bytes.len; at += strlen(g->bytes.p + at) + 1)
		g->text[g->n++] = g->bytes.p + at;
	return 0;
}

void gathered_free(struct gathered *g)
{
	free(g->text);
	buf_free(&g->bytes);
}
