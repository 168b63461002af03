/*
 * input.c - splits files, pipes, compressed files and archives into lines.
 *
 * Bytes come from one of two sources: read(2) if the input is plain, and unpack.c if a
 * regular file does not look like text.  A pipe is only decompressed if its first bytes
 * are unambiguous, because recognising any other format could mean waiting for more bytes
 * than have been sent.
 */
#include "input/input.h"
#include "base/error.h"
#include "base/file.h"
#include "base/options.h"
#include "input/decode.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Bytes ---- */

static int bytes_plain(struct evlog_input *in, evlog_error *err)
{
	ssize_t r;

	if (in->head_len) {
		buf_add(&in->data, in->head, in->head_len);
		in->head_len = 0;
		return in->data.failed ? error_memory(err) : 0;
	}
	if (!buf_reserve(&in->data, INPUT_CHUNK))
		return error_memory(err);
	r = input_read(in, in->data.p + in->data.len, in->data.cap - in->data.len);
	if (r < 0)
		return error_sys(err, "%s", in->path);
	if (r == 0)
		in->eof = in->done = true;
	in->data.len += (size_t)r;
	return 0;
}

/* Moves the unread bytes to the front of in->data, and reads more after them. */
static int bytes_more(struct evlog_input *in, evlog_error *err)
{
	if (in->start) {
		memmove(in->data.p, in->data.p + in->start, in->data.len - in->start);
		in->data.len -= in->start;
		in->moved += in->start;
		in->scanned -= in->start;
		in->start = 0;
	}
	return in->top ? unpack_more(in, err) : bytes_plain(in, err);
}

/* ---- Opening ---- */

static int open_regular(struct evlog_input *in, evlog_error *err)
{
	char p[INPUT_LOOK];
	off_t at = lseek(in->fd, 0, SEEK_CUR);
	ssize_t n = at < 0 ? -1 : file_pread(in->fd, p, sizeof p, (uint64_t)at);

	if (n < 0)
		return error_sys(err, "%s", in->path);
	return input_is_plain(p, (size_t)n) ? 0 : unpack_open(in, err);
}

/* Reads more of a pipe's first bytes, until they show what it is. */
static int pipe_look(struct evlog_input *in, evlog_error *err)
{
	ssize_t r =
	    input_read(in, in->head + in->head_len, sizeof in->head - in->head_len);

	if (r < 0)
		return error_sys(err, "%s", in->path);
	in->head_len += (size_t)r;
	bool more;
	const struct codec *codec = codec_of(in->head, in->head_len, true, &more);
	in->unknown = !codec && more && r > 0 && in->head_len < sizeof in->head;
	return codec ? unpack_open(in, err) : 0;
}

static int input_start(struct evlog_input *in, const char *path, evlog_error *err)
{
	struct stat st;

	in->fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
					: open(path, O_RDONLY | O_CLOEXEC);
	if (in->fd < 0 || fstat(in->fd, &st) < 0)
		return error_sys(err, "%s", in->path);
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return error_sys(err, "%s", in->path);
	}
	if (S_ISREG(st.st_mode))
		return open_regular(in, err);
	in->pollable = in->unknown = true;
	return 0;
}

struct evlog_input *input_new(const char *name, const struct evlog_input_options *o)
{
	struct evlog_input *in = calloc(1, sizeof *in);

	if (in) {
		in->fd = -1;
		in->max_line = o->max_line && o->max_line < EVLOG_MAX_EVENT
				   ? o->max_line
				   : EVLOG_MAX_EVENT;
		in->salvage = o->salvage;
		in->stop = o->stop;
		in->noting = o->frames;
		in->path = strdup(name);
	}
	if (in && in->path && input_name(in, NULL, NULL) == 0)
		return in;
	evlog_input_close(in);
	return NULL;
}

int evlog_input_open(evlog_input **out, const char *path,
    const struct evlog_input_options *o, evlog_error *err)
{
	struct evlog_input_options options;

	OWN_ERROR(err);
	NEED(out, err);
	*out = NULL;
	NEED(path, err);
	int r = options_take(
	    &options, sizeof options, END_OF(struct evlog_input_options, stop), o, err);
	if (r)
		return r;
	const char *name = strcmp(path, "-") == 0 ? "(standard input)" : path;
	struct evlog_input *in = input_new(name, &options);
	r = in ? input_start(in, path, err) : error_memory(err);
	if (r)
		evlog_input_close(in);
	else
		*out = in;
	return r;
}

int evlog_input_command(evlog_input **out, const char *const *command,
    const char *const *env, const struct evlog_input_options *o, evlog_error *err)
{
	static const char *const no_env[] = {NULL};
	struct evlog_input_options options;

	OWN_ERROR(err);
	NEED(out, err);
	*out = NULL;
	NEED(command && *command, err);
	int r = options_take(
	    &options, sizeof options, END_OF(struct evlog_input_options, stop), o, err);
	if (r)
		return r;
	struct evlog_input *in = input_new(command[0], &options);
	r = in ? input_command_start(in, command, env ? env : no_env, err)
	       : error_memory(err);
	if (r) {
		evlog_input_close(in);
		return r;
	}
	in->pollable = in->unknown = true;
	*out = in;
	return 0;
}

/* ---- Lines ---- */

/* Waits up to wait_ms for input.  Returns false if there is none. */
static bool input_ready(struct evlog_input *in, int wait_ms)
{
	struct pollfd p = {.fd = in->fd, .events = POLLIN};
	int64_t deadline = file_clock() + (int64_t)wait_ms * 1000000;

	if (!in->pollable || wait_ms < 0 || (in->head_len && !in->unknown) ||
	    unpack_ready(in))
		return true;
	for (;;) {
		int r = poll(&p, 1, wait_ms);
		if (r >= 0 || errno != EINTR)
			return r != 0;
		int64_t left = (deadline - file_clock()) / 1000000;
		wait_ms = left > 0 ? (int)left : 0;
	}
}

static void line_trim(struct evlog_input *in, const char **line, size_t *len)
{
	if (*len && (*line)[*len - 1] == '\r')
		--*len;
	if (++in->line == 1 && *len >= 3 && memcmp(*line, "\xef\xbb\xbf", 3) == 0) {
		*line += 3;
		*len -= 3;
	}
}

static int line_too_long(struct evlog_input *in, evlog_error *err)
{
	in->line++;
	return error_at(err, in->name.p, in->line, in->max_line + 1,
	    "the line is longer than %zu bytes (--max-line)", in->max_line);
}

static bool is_blank(const char *line, size_t len)
{
	while (len && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	return len == 0;
}

/* Takes the line that ends at `end`.  Returns EVLOG_WAIT if it is to be skipped: it is
 * blank, or the tail of a line that was too long. */
static int line_take(struct evlog_input *in, size_t end, bool newline, const char **line,
    size_t *len, evlog_error *err)
{
	*line = in->data.p + in->start;
	*len = end - in->start;
	in->line_at = in->moved + in->start;
	in->start = in->scanned = end + newline;
	if (in->skipping) {
		in->skipping = false;
		return EVLOG_WAIT;
	}
	if (*len > in->max_line + 1 || (*len > in->max_line && (*line)[*len - 1] != '\r'))
		return line_too_long(in, err);
	line_trim(in, line, len);
	return is_blank(*line, *len) ? EVLOG_WAIT : 0;
}

static int line_next(
    evlog_input *in, int wait_ms, const char **line, size_t *len, evlog_error *err)
{
	for (;;) {
		int r = EVLOG_WAIT;
		size_t unread = in->data.len - in->start;
		char *nl = unread ? memchr(in->data.p + in->scanned, '\n',
					in->data.len - in->scanned)
				  : NULL;
		if (nl) {
			r = line_take(
			    in, (size_t)(nl - in->data.p), true, line, len, err);
		} else if (in->ended && in->process.pid) {
			/* if the command failed, its last line may be incomplete */
			if ((r = input_command_end(in, err)) == 0)
				continue;
			in->start = in->scanned = in->data.len;
			in->eof = in->done = true;
			return r;
		} else if (in->eof && unread) {
			r = line_take(in, in->data.len, false, line, len, err);
		} else if (in->done) {
			return EVLOG_END;
		} else if (in->eof) {
			in->skipping = false;
			if ((r = unpack_next(in, err)) == 0)
				continue;
		} else if (unread > in->max_line + 1) {
			in->start = in->scanned = in->data.len;
			if (!in->skipping)
				r = line_too_long(in, err);
			in->skipping = true;
		} else {
			in->scanned = in->data.len;
			if (!input_ready(in, wait_ms))
				return EVLOG_WAIT;
			r = in->unknown ? pipe_look(in, err) : bytes_more(in, err);
			if (r == 0)
				continue;
		}
		if (r < 0 && input_stopped(in))
			return EVLOG_END; /* a stop looks like damage to an archive */
		if (r < 0 && in->ended && in->process.pid)
			continue; /* report that the command failed instead */
		if (r != EVLOG_WAIT)
			return r;
	}
}

/* Drops the notes that have been taken. */
static void notes_drop(struct evlog_input *in)
{
	if (in->noted == 0)
		return;
	in->notes.len -= in->noted;
	memmove(in->notes.p, in->notes.p + in->noted, in->notes.len);
	in->noted = 0;
}

int evlog_input_next(
    evlog_input *in, int wait_ms, const char **line, size_t *len, evlog_error *err)
{
	OWN_ERROR(err);
	NEED(in && line && len, err);
	if (in->failure.code) {
		*err = in->failure;
		return err->code;
	}
	notes_drop(in);
	int r = line_next(in, wait_ms, line, len, err);
	if (r == EVLOG_END)
		in->line_at = UINT64_MAX;
	if (r < 0 && !(r == EVLOG_EDATA && err->line))
		in->failure = *err;
	return r;
}

bool evlog_input_frame(evlog_input *in, const char **p, size_t *len)
{
	if (!in || !p || !len)
		return false;
	size_t left = in->notes.len - in->noted;
	const char *next = in->notes.p + in->noted;
	if (left < 16 || get64(next) > in->line_at || left - 16 < get32(next + 12))
		return false;
	*p = next + 8;
	*len = 8 + (size_t)get32(next + 12);
	in->noted += 8 + *len;
	return true;
}

const char *evlog_input_name(const evlog_input *in)
{
	return in ? in->name.p : NULL;
}

uint64_t evlog_input_line(const evlog_input *in)
{
	return in ? in->line : 0;
}

void evlog_input_close(evlog_input *in)
{
	if (!in)
		return;
	process_kill(&in->process, SIGKILL);
	process_wait(&in->process);
	unpack_close(in);
	if (in->fd >= 0)
		close(in->fd);
	buf_free(&in->name);
	buf_free(&in->data);
	buf_free(&in->notes);
	free(in->path);
	free(in);
}
