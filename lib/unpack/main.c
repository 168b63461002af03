/*
 * main.c - evlog-unpack unpacks archives and compressed files for evlog's tools, which
 * start it and read its output (input/frames.h).  It is a process of its own because the
 * data may come from anywhere: before it reads any, it gives up files, network and
 * processes.
 */
#include "base/error.h"
#include "base/os.h"
#include "input/codec.h"
#include "input/decode.h"
#include "input/frames.h"
#include "unpack/archive.h"
#include "unpack/codecs.h"
#include "unpack/pack.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* xz -9 takes 65 MiB, lzip up to 512; the libraries need some more */
#define MEMORY ((1024u + 256u) << 20)

enum { DONE = 0, USAGE = 64, FAILED = 74 };

/* ---- Frames ---- */

/* Writes a frame.  Exits if nobody reads it any more. */
static void frame(enum frame kind, const char *p, size_t n)
{
	unsigned char header[FRAME_HEADER] = {(unsigned char)kind};

	put32(header + 1, (uint32_t)n);
	struct iovec part[] = {
	    {header, sizeof header}, {.iov_base = (void *)(uintptr_t)p, .iov_len = n}};
	while (part[0].iov_len + part[1].iov_len) {
		ssize_t r = writev(STDOUT_FILENO, part, 2);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			_exit(FAILED);
		for (int i = 0; i < 2; i++) {
			size_t done =
			    (size_t)r < part[i].iov_len ? (size_t)r : part[i].iov_len;
			part[i].iov_base = (char *)part[i].iov_base + done;
			part[i].iov_len -= done;
			r -= (ssize_t)done;
		}
	}
}

static void data(const char *p, size_t n)
{
	for (size_t m; n; p += m, n -= m) {
		m = n < FRAME_MOST ? n : FRAME_MOST;
		frame(FRAME_DATA, p, m);
	}
}

static void fault(const evlog_error *err, bool wrong)
{
	enum frame kind = err->code != EVLOG_EDATA ? FRAME_FAILED
			  : wrong		   ? FRAME_WRONG
						   : FRAME_BAD;

	if (err->sys == ENOMEM)
		frame(FRAME_NO_MEMORY, NULL, 0);
	else
		frame(kind, err->reason, strlen(err->reason));
}

/* ---- Input ---- */

struct source {
	struct stage s;
	char data[FRAME_MOST];
};

static ssize_t input(void *p, size_t n)
{
	ssize_t r;

	while ((r = read(STDIN_FILENO, p, n)) < 0 && errno == EINTR)
		;
	return r;
}

static int own_read(struct stage *s, evlog_error *err)
{
	struct source *o = (struct source *)s;
	ssize_t r = input(o->data, sizeof o->data);

	if (r < 0)
		return error_sys(err, "%s", s->name);
	s->p = o->data;
	s->len = (size_t)r;
	return 0;
}

/* Reads exactly n bytes.  Exits if the caller has gone. */
static void take(void *p, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = input((char *)p + done, n - done);
		if (r <= 0)
			_exit(FAILED);
		done += (size_t)r;
	}
}

static int fed_read(struct stage *s, evlog_error *err)
{
	struct source *f = (struct source *)s;
	unsigned char size[4];

	(void)err;
	frame(FRAME_WANT, NULL, 0);
	take(size, sizeof size);
	uint32_t n = get32(size);
	if (n > sizeof f->data)
		_exit(FAILED);
	take(f->data, n);
	s->p = f->data;
	s->len = n;
	return 0;
}

static void source_close(struct stage *s)
{
	(void)s;
}

/* ---- Output ---- */

static int pass_on(struct stage *s, evlog_error *err)
{
	int r;

	while ((r = stage_fill(s, err)) == 0 && !s->end) {
		data(s->p, s->len);
		stage_take(s, s->len);
	}
	return r;
}

static int members(struct stage *s, evlog_error *err)
{
	const char *name;
	int r;

	while ((r = archive_next(s, &name, err)) == 0) {
		s->name = s->below->name;
		size_t n = name ? strlen(name) : 0;
		frame(name ? FRAME_MEMBER : FRAME_NO_MEMBER, name,
		    n < FRAME_MOST / 2 ? n : FRAME_MOST / 2);
		if ((r = pass_on(s, err)) != 0)
			break;
		frame(FRAME_DATA, NULL, 0);
	}
	return r == EVLOG_END ? 0 : r;
}

static int unpack(const char *kind, bool own, struct source *source, evlog_error *err)
{
	bool archive = strcmp(kind, "archive") == 0;
	const struct codec *codec = codec_named(kind);
	struct stage *s;

	/* the caller puts the name before the message */
	source->s = (struct stage){
	    .name = "", .read = own ? own_read : fed_read, .close = source_close};
	int r = archive ? archive_new(&s, &source->s, own ? STDIN_FILENO : -1, err)
		: strcmp(kind, "pack") == 0 ? pack_new(&s, &source->s, err)
		: codec			    ? decoder_new(&s, codec, &source->s, err)
					    : archive_filter_new(&s, &source->s, err);
	if (r) {
		fault(err, false);
		return FAILED;
	}
	r = archive ? members(s, err) : pass_on(s, err);
	if (r)
		fault(err, stage_is_wrong(s));
	else
		frame(FRAME_END, NULL, 0);
	stage_close(s, NULL);
	return r ? FAILED : DONE;
}

int main(int argc, char **argv)
{
	static struct source source;
	evlog_error err = {0};

	if (argc != 4) {
		fputs("evlog-unpack: not for use by hand; evlog's tools start it to "
		      "unpack archives and compressed files\n",
		    stderr);
		return USAGE;
	}
	os_close_from(3);
	if (strcmp(argv[1], FRAMES_VERSION) != 0) {
		static const char why[] =
		    ": evlog-unpack is of another version than evlog";
		frame(FRAME_FAILED, why, sizeof why - 1);
		return FAILED;
	}
	setlocale(LC_CTYPE, "C.UTF-8"); /* for the names of members */
	tzset(); /* zip stores local times, and the zone file cannot be read later */
	os_confine(MEMORY);
	return unpack(argv[2], strcmp(argv[3], "own") == 0, &source, &err);
}
