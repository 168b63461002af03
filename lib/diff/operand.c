/* operand.c - one operand of a comparison: a log, a file of events, or of states. */
#include "diff/operand.h"
#include "base/error.h"
#include "base/file.h"
#include "base/os.h"
#include "event/stamp.h"
#include "json/path.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static enum diff_operand_kind kind_of(const char *line, size_t len)
{
	struct json_text text = {line, len}, found;
	const struct view key = {"key", 3}, state = {"state", 5}, type = {"type", 4},
			  spec = {"specversion", 11}, seq = {"seq", 3};

	if (*line != '{')
		return OPERAND_STATE;
	if (json_top_find(text, key, &found) && json_top_find(text, state, &found))
		return OPERAND_STATES;
	if (json_top_find(text, type, &found) &&
	    (json_top_find(text, spec, &found) || json_top_find(text, seq, &found)))
		return OPERAND_EVENTS;
	return OPERAND_STATE;
}

/* Reads the next line that is not blank into s->line, and validates it. */
static int line_read(struct diff_operand *s, evlog_error *err)
{
	struct json_fault fault = {0};
	struct json_text value;
	const char *p;
	size_t len;

	int r = evlog_input_next(s->input, -1, &p, &len, err);
	if (r)
		return r;
	if (!json_scan(p, len, JSON_DEPTH_MOST, &value, NULL, &fault)) {
		if (!fault.reason)
			return error_memory(err);
		return error_at(err, evlog_input_name(s->input),
		    evlog_input_line(s->input), fault.offset + 1, "%s", fault.reason);
	}
	s->line.len = 0;
	buf_add(&s->line, value.p, value.len);
	buf_putc(&s->line, '\n');
	return s->line.failed ? error_memory(err) : 0;
}

static int kept_open(struct diff_operand *s, evlog_error *err)
{
	s->kept_fd = os_nameless_file();
	if (s->kept_fd < 0)
		return error_sys(err, "temporary file");
	os_descriptor_path(s->kept_fd, s->kept_path, sizeof s->kept_path);
	return 0;
}

int diff_operand_keep(struct diff_operand *s, evlog_error *err)
{
	int r = s->kept_fd < 0 ? kept_open(s, err) : 0;

	if (r)
		return r;
	if (file_pwrite(s->kept_fd, s->line.p, s->line.len, s->kept) < 0)
		return error_sys(err, "temporary file");
	s->kept += s->line.len;
	return 0;
}

/* Copies a pipe to an unlinked file, and reads that instead. */
static int pipe_keep(struct diff_operand *s, evlog_error *err)
{
	int r = kept_open(s, err);

	while (!r && (r = line_read(s, err)) == 0)
		r = diff_operand_keep(s, err);
	return r == EVLOG_END ? diff_operand_reopen(s, err) : r;
}

static int file_open(struct diff_operand *s, bool keep, evlog_error *err)
{
	struct stat st;

	s->regular =
	    strcmp(s->path, "-") != 0 && stat(s->path, &st) == 0 && S_ISREG(st.st_mode);
	int r = evlog_input_open(&s->input, s->path, &s->lines_of, err);
	if (!r && keep && !s->regular)
		r = pipe_keep(s, err);
	if (!r)
		r = line_read(s, err);
	s->peeked = r == 0;
	s->kind = r == 0 ? kind_of(s->line.p, s->line.len - 1) : OPERAND_EMPTY;
	return r == EVLOG_END ? 0 : r;
}

int diff_operand_open(struct diff_operand *s, const struct diff *d, const char *path,
    uint64_t from, bool keep, evlog_error *err)
{
	*s = (struct diff_operand){.path = path, .kept_fd = -1};
	s->lines_of.size = sizeof s->lines_of;
	s->lines_of.max_line = d->o.max_line ? d->o.max_line : EVLOG_MAX_LINE;
	s->directory = evlog_path_is_log(path);
	if (!s->directory)
		return file_open(s, keep, err);
	s->kind = OPERAND_EVENTS;
	evlog_selection_init(&s->sel);
	s->sel.from = from;
	s->sel.threads = d->o.threads;
	s->sel.max_line = s->lines_of.max_line;
	return evlog_stream_open(&s->stream, &s->path, 1, &s->sel, err);
}

int diff_operand_reopen(struct diff_operand *s, evlog_error *err)
{
	if (s->directory) {
		evlog_stream_close(s->stream);
		s->lines.len = 0;
		return evlog_stream_open(&s->stream, &s->path, 1, &s->sel, err);
	}
	evlog_input_close(s->input);
	s->input = NULL;
	s->peeked = false;
	if (s->kept_fd >= 0 && lseek(s->kept_fd, 0, SEEK_SET) < 0)
		return error_sys(err, "temporary file");
	return evlog_input_open(
	    &s->input, s->kept_fd >= 0 ? s->kept_path : s->path, &s->lines_of, err);
}

int diff_operand_next(struct diff_operand *s, struct evlog_event *event, evlog_error *err)
{
	while (s->directory && !evlog_lines_take(&s->lines, event)) {
		int r = evlog_stream_next(s->stream, &s->lines, err);
		if (r)
			return r;
	}
	if (s->directory)
		return 0;
	int r = s->peeked ? 0 : line_read(s, err);
	s->peeked = false;
	if (r)
		return r;
	event_from_line(event, s->line.p, s->line.len - 1);
	return 0;
}

void diff_operand_close(struct diff_operand *s)
{
	evlog_stream_close(s->stream);
	evlog_input_close(s->input);
	buf_free(&s->line);
	if (s->kept_fd >= 0)
		close(s->kept_fd);
	*s = (struct diff_operand){.kept_fd = -1};
}
