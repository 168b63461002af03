/*
 * raw.c - reads the descriptor of an input, and recognises plain text.
 */
#include "base/error.h"
#include "input/decode.h"
#include "input/input.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define STOP_MS 200 /* check for a stop at least this often */

bool input_stopped(const struct evlog_input *in)
{
	return in->stop && *in->stop;
}

ssize_t input_read(struct evlog_input *in, void *p, size_t n)
{
	struct pollfd ready = {.fd = in->fd, .events = POLLIN};

	while (!input_stopped(in)) {
		ssize_t r = in->pollable && in->stop ? poll(&ready, 1, STOP_MS) : 1;
		if (r == 0)
			continue;
		if (r > 0) {
			r = read(in->fd, p, n);
			in->ended = r == 0;
		}
		if (r >= 0 || errno != EINTR)
			return r;
	}
	return 0;
}

int input_name(struct evlog_input *in, const char *member, evlog_error *err)
{
	in->name.len = 0;
	if (member)
		buf_printf(&in->name, "%s(%s)", in->path, member);
	else
		buf_printf(&in->name, "%s", in->path);
	return in->name.failed ? error_memory(err) : 0;
}

bool input_is_plain(const char *p, size_t n)
{
	if (codec_of(p, n, false, NULL))
		return false;
	if (n > 68 && memcmp(p, "!<arch>\n", 8) == 0 && memcmp(p + 66, "`\n", 2) == 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] < ' ' && !strchr("\t\n\v\f\r\033", p[i]))
			return false;
	return memchr(p, '\0', n) == NULL;
}
