/* operand.c - one operand of a stream: a log, or a file of events, read forwards or
 * backwards. */
#include "read/operand.h"
#include "base/error.h"
#include "json/scan.h"
#include "read/pushdown.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#define GATHER (128u << 10)

static struct bounds bounds_of(const struct evlog_selection *sel)
{
	const uint64_t few = 5000; /* for fewer events, reading ahead does not pay */
	struct bounds b = {.threads = sel->count && sel->count < few ? 1 : sel->threads,
	    .max_line = sel->max_line,
	    .cursors = sel->cursors,
	    .no_index = sel->no_index,
	    .from = sel->from,
	    .to = sel->to,
	    BOUNDS_ANY_TIME};

	if (sel->event_time && !sel->map) {
		b.event_since =
		    sel->since; /* not rounded up: the times of blocks are truncated */
		b.event_until = select_until(sel);
	} else if (!sel->event_time) {
		b.since = select_since(sel);
		b.until = select_until(sel);
	}
	return b;
}

/* Makes the keys of texts of which one must match; no keys if one of them is a
 * pattern. */
static int keys_of(struct operand *s, enum key_kind kind, const char *const *texts,
    size_t n, evlog_error *err)
{
	uint64_t *keys = NULL;

	for (size_t i = 0; i < n; i++)
		if (select_is_pattern(s->sel, texts[i]))
			return 0;
	if (n && !(keys = malloc(n * sizeof *keys)))
		return error_memory(err);
	for (size_t i = 0; i < n; i++)
		keys[i] = filter_key(kind, (struct view){texts[i], strlen(texts[i])});
	s->wanted.of[kind].key = keys;
	s->wanted.of[kind].n = n;
	return 0;
}

/* Finds out what need not be read of a log. */
static int wanted_make(struct operand *s, struct bounds *b, evlog_error *err)
{
	const struct evlog_selection *sel = s->sel;

	int r = keys_of(s, KEY_TYPE, sel->type, sel->types, err);
	if (!r)
		r = keys_of(s, KEY_SUBJECT, sel->subject, sel->subjects, err);
	if (!r)
		r = keys_of(s, KEY_SOURCE, sel->source, sel->sources, err);
	if (!r)
		r = keys_of(s, KEY_ID, sel->id, sel->ids, err);
	if (!r)
		r = where_push_down(&s->select.where, b, &s->wanted, err);
	for (enum key_kind kind = 0; kind < KEY_KINDS; kind++)
		if (s->wanted.of[kind].n)
			b->wanted = &s->wanted;
	return r;
}

int operand_open(struct operand *s, const char *path, const struct evlog_selection *sel,
    uint64_t from, uint64_t to, evlog_error *err)
{
	struct bounds b = bounds_of(sel);

	*s = (struct operand){.path = path, .sel = sel};
	spool_init(&s->spool);
	int r = select_init(&s->select, sel, err);
	if (r)
		return r;
	if (from > b.from)
		b.from = from;
	if (to && (!b.to || to < b.to))
		b.to = to;
	bool directory = evlog_path_is_log(path);
	s->spooled = sel->reverse && (!directory || sel->salvage);
	if (!directory) {
		struct evlog_input_options o = {.size = sizeof o,
		    .max_line = sel->max_line ? sel->max_line : EVLOG_MAX_LINE,
		    .salvage = sel->salvage,
		    .stop = sel->stop};
		return evlog_input_open(&s->input, path, &o, err);
	}
	s->select.stamps = false; /* the reader applies these bounds */
	r = sel->map || sel->no_index ? 0 : wanted_make(s, &b, err);
	if (r)
		return r;
	/* not of what is to be converted, checked or carried along first */
	if (!sel->map && !sel->json && !sel->cursors &&
	    (s->select.members || s->select.where.n))
		b.select = sel;
	return log_reader_open(
	    &s->log, path, &b, sel->reverse && !s->spooled, sel->salvage, err);
}

void operand_count(struct operand *s)
{
	if (s->log)
		log_reader_count(s->log, &s->select);
}

void operand_close(struct operand *s)
{
	log_reader_close(s->log);
	for (enum key_kind kind = 0; kind < KEY_KINDS; kind++)
		free(s->wanted.of[kind].key);
	evlog_input_close(s->input);
	buf_free(&s->gathered);
	buf_free(&s->mapped);
	spool_free(&s->spool);
	select_free(&s->select);
}

/* ---- Files ---- */

/* Checks that a line of a file is an event, as far as a reader depends on it. */
static int line_check(struct operand *s, const char *line, size_t len, evlog_error *err)
{
	struct json_text value;
	struct json_fault fault = {0};
	uint64_t at = evlog_input_line(s->input);
	const char *name = evlog_input_name(s->input);

	if (!json_scan(line, len, JSON_DEPTH, &value, NULL, &fault)) {
		if (!fault.reason)
			return error_memory(err);
		return error_at(err, name, at, fault.offset + 1, "%s", fault.reason);
	}
	if (json_type_of(value) != JSON_OBJECT)
		return error_at(err, name, at, (uint64_t)(value.p - line) + 1,
		    "an event must be a JSON object");
	return 0;
}

/* Reads lines until there are enough or the input pauses.  An error is kept until the
 * lines before it have been delivered. */
static int file_gather(struct operand *s, struct evlog_lines *lines, evlog_error *err)
{
	evlog_error why = {0};
	const char *line;
	size_t len;
	int r = 0;

	s->gathered.len = 0;
	while (s->gathered.len < GATHER) {
		int wait = s->gathered.len ? 0 : s->wait_ms;
		r = evlog_input_next(s->input, wait, &line, &len, &why);
		if (r == 0)
			r = line_check(s, line, len, &why);
		if (r == EVLOG_EDATA && why.line && s->sel->salvage) {
			if (s->verdict.code == 0)
				s->verdict = why;
			continue;
		}
		if (r)
			break;
		buf_add(&s->gathered, line, len);
		buf_putc(&s->gathered, '\n');
		if (s->gathered.failed)
			return error_memory(err);
	}
	s->wait_ms = 0;
	*lines = (struct evlog_lines){.p = s->gathered.p, .len = s->gathered.len};
	if (r < 0)
		*(s->gathered.len ? &s->failure : err) = why;
	return s->gathered.len ? 0 : r;
}

/* ---- Either ---- */

static int mapped_add(void *arg, const char *p, size_t len)
{
	struct buf *b = arg;

	buf_add(b, p, len);
	errno = ENOMEM;
	return b->failed ? -1 : 0;
}

/* Replaces lines by the output of sel->map.  An error is kept until the lines before it
 * have been delivered. */
static int lines_map(struct operand *s, struct evlog_lines *lines, evlog_error *err)
{
	evlog_error why;

	s->mapped.len = why.code = 0;
	int r = s->sel->map(s->sel->map_arg, lines, mapped_add, &s->mapped, &why);
	if (r < 0 && why.code != r)
		error_set(&why, r, "the map has failed without a reason");
	if (r <= 0 && s->mapped.len && s->mapped.p[s->mapped.len - 1] != '\n') {
		s->mapped.len = 0;
		r = error_set(
		    &why, EVLOG_EUSAGE, "the map has put a line without its newline");
	}
	if (r > EVLOG_WAIT)
		r = error_set(&why, EVLOG_EUSAGE, "the map has returned %d", r);
	if (r < 0)
		*err = why;
	if (r <= 0)
		*lines = (struct evlog_lines){.p = s->mapped.p, .len = s->mapped.len};
	if (r >= 0 || !lines->len)
		return r == 1 ? 0 : r;
	s->failure = *err;
	return 0;
}

static int no_json(uint64_t seq, const char *why, evlog_error *err)
{
	return error_set(err, EVLOG_EDATA, "event %" PRIu64 ": not valid JSON%s%s", seq,
	    why ? ": " : "", why ? why : "");
}

/* A line in a log is not JSON: an error, or, with --salvage, a verdict. */
static int line_bad(struct operand *s, uint64_t seq, const char *why, evlog_error *err)
{
	int r = no_json(seq, why, err);

	if (!s->sel->salvage)
		return r;
	if (s->verdict.code == 0)
		s->verdict = *err;
	return 0;
}

/* Checks that lines of a log are JSON.  The lines before a bad one are delivered
 * first. */
static int lines_check(struct operand *s, struct evlog_lines *lines, evlog_error *err)
{
	struct evlog_lines rest = *lines;
	struct json_fault fault = {0};
	struct json_text value;
	struct evlog_event e;
	bool all = true;

	s->gathered.len = 0;
	while (evlog_lines_take(&rest, &e)) {
		if (json_scan(e.line, e.len, JSON_DEPTH, &value, NULL, &fault)) {
			if (!all)
				buf_add(&s->gathered, e.line, e.len + 1);
			continue;
		}
		size_t before = (size_t)(e.line - lines->p);
		if (all)
			buf_add(&s->gathered, lines->p, before);
		all = false;
		int r = line_bad(s, e.seq, fault.reason, err);
		if (r && s->gathered.len)
			s->failure = *err;
		else if (r)
			return r;
		if (r)
			break;
	}
	if (s->gathered.failed)
		return error_memory(err);
	if (!all) {
		lines->p = s->gathered.p;
		lines->len = s->gathered.len;
	}
	return 0;
}

/* Checks and maps lines that were read. */
static int lines_convert(struct operand *s, struct evlog_lines *lines, evlog_error *err)
{
	int r = s->log && s->sel->json ? lines_check(s, lines, err) : 0;

	lines->operand = s->number;
	return r || !s->sel->map ? r : lines_map(s, lines, err);
}

static int lines_next(struct operand *s, struct evlog_lines *lines, evlog_error *err)
{
	int r = 0;

	if (s->failure.code) {
		*err = s->failure;
		s->failure.code = 0;
		return err->code;
	}
	if (s->singly.len) {
		*lines = last_line(&s->singly);
		return lines_convert(s, lines, err);
	}
	r = !s->log	? file_gather(s, lines, err)
	    : s->packed ? log_reader_next_packed(s->log, s->packed, lines, err)
			: log_reader_next(s->log, lines, err);
	if (r || (s->packed && s->packed->there))
		return r;
	struct evlog_lines block = *lines;
	r = lines_convert(s, lines, err);
	if (!s->sel->reverse || s->spooled || (r >= 0 && !s->failure.code))
		return r;
	/* backwards, the lines after the one that failed come before the error */
	s->failure.code = 0;
	s->singly = block;
	*lines = last_line(&s->singly);
	return lines_convert(s, lines, err);
}

static bool stopped(const struct operand *s)
{
	return s->sel->stop && *s->sel->stop;
}

/* Reports a line that select_lines could not parse, after the lines before it were
 * delivered. */
static int bad_line(struct operand *s, evlog_error *err)
{
	if (!s->select.has_bad)
		return 0;
	s->select.has_bad = false;
	return line_bad(s, s->select.bad, NULL, err);
}

static int forward_next(struct operand *s, struct evlog_lines *run, evlog_error *err)
{
	while (!select_lines(&s->select, &s->rest, run)) {
		int r = bad_line(s, err);
		if (!r && s->rest.len)
			continue;
		if (!r)
			r = stopped(s) ? EVLOG_END : lines_next(s, &s->rest, err);
		if (r || (s->packed && s->packed->there))
			return r;
	}
	return 0;
}

/* Reads everything into the spool, then delivers it from its end. */
static int spooled_next(struct operand *s, struct evlog_lines *run, evlog_error *err)
{
	struct evlog_lines lines;
	struct view line;

	while (!s->drained) {
		int r = forward_next(s, &lines, err);
		if (r == EVLOG_EDATA || r == EVLOG_EDAMAGED)
			s->verdict = *err; /* reported after the lines that were read */
		if (r == EVLOG_END || r == EVLOG_EDATA || r == EVLOG_EDAMAGED)
			s->drained = true;
		else if (r)
			return r;
		else if (spool_add(&s->spool, lines.p, lines.len) < 0)
			return error_sys(err, "temporary file");
	}
	int r = spool_take_last(&s->spool, &line);
	if (r < 0)
		return error_sys(err, "temporary file");
	*run = (struct evlog_lines){.p = line.p, .len = line.len};
	return r;
}

struct evlog_lines last_line(struct evlog_lines *lines)
{
	const char *nl = memrchr(lines->p, '\n', lines->len - 1);
	const char *start = nl ? nl + 1 : lines->p;
	struct evlog_lines line = {
	    .p = start, .len = (size_t)(lines->p + lines->len - start)};

	lines->len = (size_t)(start - lines->p);
	return line;
}

static int reverse_next(struct operand *s, struct evlog_lines *run, evlog_error *err)
{
	struct evlog_event event;

	for (;;) {
		while (s->rest.len) {
			struct evlog_lines line = last_line(&s->rest);
			*run = line;
			if (evlog_lines_take(&line, &event) &&
			    select_event(&s->select, &event))
				return 0;
			int bad = bad_line(s, err);
			if (bad)
				return bad;
		}
		int r = stopped(s) ? EVLOG_END : lines_next(s, &s->rest, err);
		if (r)
			return r;
	}
}

int operand_next(struct operand *s, struct evlog_lines *run, evlog_error *err)
{
	int r;

	if (s->spooled)
		r = spooled_next(s, run, err);
	else if (s->sel->reverse)
		r = reverse_next(s, run, err);
	else
		r = forward_next(s, run, err);
	/* a line that could not be examined may have been wanted */
	if (s->select.failed && (r == 0 || r == EVLOG_END))
		r = error_memory(err);
	s->ended = r == EVLOG_END;
	run->operand = s->number;
	return r;
}

int operand_refresh(struct operand *s, evlog_error *err)
{
	if (!s->log || log_reader_finished(s->log))
		return 0;
	int r = log_reader_refresh(s->log, err);
	if (!r)
		s->ended = false;
	return r;
}

void operand_end(struct operand *s, const evlog_error *why)
{
	s->ended = true;
	if (!s->verdict.code)
		s->verdict = *why;
}

int operand_verdict(const struct operand *s, evlog_error *err)
{
	if (s->log && log_reader_verdict(s->log, err))
		return err->code;
	if (s->verdict.code)
		*err = s->verdict;
	return s->verdict.code;
}
