/* helper.c - starts evlog-unpack and speaks the caller's side of input/frames.h. */
#include "input/helper.h"
#include "base/error.h"
#include "base/os.h"
#include "input/frames.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "evlog-unpack"
#define STOP_MS 200 /* check for a stop at least this often */

struct helper {
	struct stage s;
	struct evlog_input *in;
	pid_t pid;
	int output;	    /* read its frames from here */
	int feed;	    /* write its input here; -1: it has the file itself */
	bool inside;	    /* in a member, or in compressed data */
	bool begun;	    /* a frame header was read, and the frame not yet used up: */
	enum frame kind;    /* its kind, */
	size_t left;	    /* and how many bytes of its body are unread */
	evlog_error failed; /* met where it could not be returned; code 0: none */
	evlog_error below;  /* error of the stage below; code 0: none */
	struct buf name;
	char data[FRAME_MOST];
};

/* ---- Where it is ---- */

static char *named; /* set by evlog_set_unpacker */
static pthread_mutex_t named_lock = PTHREAD_MUTEX_INITIALIZER;

int evlog_set_unpacker(const char *path, evlog_error *err)
{
	char *copy = path ? strdup(path) : NULL;

	if (path && !copy)
		return error_memory(err);
	pthread_mutex_lock(&named_lock);
	free(named);
	named = copy;
	pthread_mutex_unlock(&named_lock);
	return 0;
}

/* Looks next to the running program, as in a build directory; in the libexec directory
 * next to the program's, as in an installation; then in the configured LIBEXECDIR. */
static bool program_find(char *path, size_t size)
{
	static const char *const places[] = {
	    "%.*s/" PROGRAM, "%.*s/../libexec/" PROGRAM, LIBEXECDIR "/" PROGRAM};
	char self[4096];

	pthread_mutex_lock(&named_lock);
	bool given = named != NULL;
	if (given)
		snprintf(path, size, "%s", named);
	pthread_mutex_unlock(&named_lock);
	if (given)
		return access(path, X_OK) == 0;
	const char *slash =
	    os_program_path(self, sizeof self) ? strrchr(self, '/') : NULL;
	for (size_t i = slash ? 0 : 2; i < sizeof places / sizeof *places; i++) {
		int n = i < 2 ? snprintf(path, size, places[i], (int)(slash - self), self)
			      : snprintf(path, size, "%s", places[i]);
		if (n > 0 && (size_t)n < size && access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/* ---- Frames ---- */

static int ended_early(struct helper *h, evlog_error *err)
{
	int status = 0;
	pid_t ended = 0;

	while (h->pid && (ended = waitpid(h->pid, &status, 0)) < 0 && errno == EINTR)
		;
	if (ended)
		h->pid = 0; /* or somebody else has waited for it */
	if (WIFSIGNALED(status))
		return error_set(err, EVLOG_EDATA,
		    "%s: the program that unpacks it was killed by signal %d (%s)",
		    h->s.name, WTERMSIG(status), strsignal(WTERMSIG(status)));
	return error_set(err, EVLOG_EDATA,
	    "%s: the program that unpacks it exited early without reporting an error",
	    h->s.name);
}

/* Reads n bytes of the helper's output; if not `whole`, as many of them as are there. */
static ssize_t output_read(
    struct helper *h, void *p, size_t n, bool whole, evlog_error *err)
{
	struct pollfd ready = {.fd = h->output, .events = POLLIN};
	size_t done = 0;

	while (!input_stopped(h->in)) {
		int r = h->in->stop ? poll(&ready, 1, STOP_MS) : 1;
		ssize_t got = -1;
		if (r == 0)
			continue;
		if (r > 0)
			got = read(h->output, (char *)p + done, n - done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_sys(err, "%s", h->s.name);
		if (got == 0)
			return ended_early(h, err);
		done += (size_t)got;
		if (done == n || !whole)
			return (ssize_t)done;
	}
	return error_set(err, EVLOG_EIO, "%s: stopped", h->s.name);
}

/* Reads the header of the next frame, unless that has been done. */
static int frame_begin(struct helper *h, evlog_error *err)
{
	unsigned char p[FRAME_HEADER];

	if (h->failed.code) {
		*err = h->failed;
		return err->code;
	}
	if (h->begun)
		return 0;
	ssize_t r = output_read(h, p, sizeof p, true, err);
	if (r < 0)
		return (int)r;
	h->kind = p[0];
	h->left = get32(p + 1);
	if (h->left > FRAME_MOST || !p[0] || !strchr("WMRD.EXSN", p[0]))
		return error_set(err, EVLOG_EDATA,
		    "%s: the program that unpacks it sent an invalid reply", h->s.name);
	h->begun = true;
	return 0;
}

/* Turns a last frame that reports a failure into our error. */
static int fault(struct helper *h, evlog_error *err)
{
	char why[sizeof err->reason];
	size_t n = h->left < sizeof why - 1 ? h->left : sizeof why - 1;

	if (n && output_read(h, why, n, true, err) < 0)
		return err->code;
	why[n] = '\0';
	h->s.wrong = h->kind == FRAME_WRONG;
	if (h->below.code) {
		*err = h->below;
		return err->code;
	}
	if (h->kind == FRAME_NO_MEMORY)
		return error_set(err, EVLOG_EDATA,
		    "%s: there is not enough memory to unpack it, which may take 1.25 "
		    "GiB",
		    h->s.name);
	return error_set(err, h->kind == FRAME_FAILED ? EVLOG_EIO : EVLOG_EDATA, "%s%s",
	    h->s.name, why);
}

/* Sends the helper the next piece of the stage below.  If that stage has failed, sends
 * the end, so that the helper finishes. */
static int feed(struct helper *h, evlog_error *err)
{
	struct stage *below = h->s.below;
	char size[4];
	size_t n = 0;

	h->begun = false;
	if (h->feed < 0)
		return error_set(err, EVLOG_EDATA,
		    "%s: the program that unpacks it sent an invalid reply", h->s.name);
	if (!h->below.code && stage_fill(below, &h->below) == 0)
		n = below->len < FRAME_MOST ? below->len : FRAME_MOST;
	put32(size, (uint32_t)n);
	if (os_channel_write(h->feed, size, sizeof size) < 0 ||
	    (n && os_channel_write(h->feed, below->p, n) < 0))
		return ended_early(h, err);
	if (n)
		stage_take(below, n);
	return 0;
}

/* Gets the next frame, feeding the helper if it asks for input. */
static int frame_next(struct helper *h, evlog_error *err)
{
	for (;;) {
		int r = frame_begin(h, err);
		if (!r && h->kind == FRAME_WANT)
			r = feed(h, err);
		if (r || h->begun)
			return r;
	}
}

/* ---- The stage ---- */

static int helper_read(struct stage *s, evlog_error *err)
{
	struct helper *h = (struct helper *)s;
	int r = h->inside ? frame_next(h, err) : 0;

	if (r || !h->inside)
		return r;
	h->inside = h->kind == FRAME_DATA && h->left;
	if (h->kind == FRAME_END && !h->below.code)
		return 0;
	if (h->kind != FRAME_DATA)
		return fault(h, err);
	if (!h->left && h->below.code) { /* it ends only because what is below failed */
		*err = h->below;
		return err->code;
	}
	ssize_t n = h->left ? output_read(h, h->data, h->left, false, err) : 0;
	if (n < 0)
		return (int)n;
	s->p = h->data;
	s->len = (size_t)n;
	h->left -= (size_t)n;
	h->begun = h->left > 0;
	return 0;
}

/* Waits for the helper's next frame: it works without more input until it asks for it. */
static bool helper_ready(struct stage *s)
{
	struct helper *h = (struct helper *)s;

	if (!h->failed.code)
		frame_begin(h, &h->failed);
	return h->failed.code || h->kind != FRAME_WANT;
}

int helper_next(struct stage *s, const char **member, evlog_error *err)
{
	struct helper *h = (struct helper *)s;
	int r;

	for (s->len = 0; h->inside; s->len = 0)
		if ((r = helper_read(s, err)) != 0)
			return r;
	s->name = s->below->name;
	r = frame_next(h, err);
	if (r || (h->kind == FRAME_END && !h->below.code))
		return r ? r : EVLOG_END;
	if (h->kind != FRAME_MEMBER && h->kind != FRAME_NO_MEMBER)
		return fault(h, err);
	h->name.len = 0;
	if (!buf_reserve(&h->name, h->left + 1))
		return error_memory(err);
	if (h->left && (r = (int)output_read(h, h->name.p, h->left, true, err)) < 0)
		return r;
	h->name.p[h->left] = '\0';
	*member = h->kind == FRAME_MEMBER ? h->name.p : NULL;
	h->begun = s->end = false;
	h->inside = true;
	return 0;
}

static void helper_close(struct stage *s)
{
	struct helper *h = (struct helper *)s;

	close(h->output);
	if (h->feed >= 0)
		close(h->feed);
	/* killed only if it is ours for sure: the caller may wait for any child */
	if (h->pid && waitpid(h->pid, NULL, WNOHANG) == 0) {
		kill(h->pid, SIGKILL);
		while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	buf_free(&h->name);
	free(h);
}

/* ---- Starting ---- */

/* If in->top reads a regular file directly, returns its descriptor, positioned at the
 * first byte not taken from in->top; else -1. */
static int own_file(const struct evlog_input *in)
{
	off_t at = in->top->below || in->pollable ? -1 : lseek(in->fd, 0, SEEK_CUR);

	if (at < (off_t)in->top->len)
		return -1;
	return lseek(in->fd, at - (off_t)in->top->len, SEEK_SET) < 0 ? -1 : in->fd;
}

static int start(struct helper *h, const char *kind, evlog_error *err)
{
	char path[4096];
	int file = own_file(h->in), output[2] = {-1, -1}, channel[2] = {-1, -1};

	if (!program_find(path, sizeof path))
		return error_set(err, EVLOG_EAWAY,
		    "%s: " PROGRAM ", which unpacks such files, is not installed (make "
		    "install puts it into " LIBEXECDIR ")",
		    h->s.name);
	const char *argv[] = {
	    PROGRAM, FRAMES_VERSION, kind, file >= 0 ? "own" : "fed", NULL};
	int r = 0;
	if (os_pipe(output) < 0 || (file < 0 && os_channel(channel) < 0))
		r = error_sys(err, "%s", h->s.name);
	if (!r)
		os_pipe_widen(output[1]);
	if (!r &&
	    os_spawn(&h->pid, path, argv, file >= 0 ? file : channel[1], output[1]) < 0)
		r = error_sys(err, "%s: %s", h->s.name, path);
	if (output[1] >= 0)
		close(output[1]);
	if (channel[1] >= 0)
		close(channel[1]);
	h->output = output[0];
	h->feed = channel[0];
	if (!r && file >= 0) { /* the file is the helper's now */
		h->s.below->len = 0;
		close(h->in->fd);
		h->in->fd = -1;
	}
	return r;
}

int helper_new(
    struct stage **s, struct evlog_input *in, const char *kind, evlog_error *err)
{
	struct helper *h = calloc(1, sizeof *h);

	*s = NULL;
	if (!h)
		return error_memory(err);
	h->in = in;
	h->output = h->feed = -1;
	h->inside = strcmp(kind, HELPER_ARCHIVE) != 0;
	h->s = (struct stage){.below = in->top,
	    .name = in->top->name,
	    .read = helper_read,
	    .ready = helper_ready,
	    .close = helper_close};
	int r = start(h, kind, err);
	if (r)
		helper_close(&h->s);
	else
		*s = &h->s;
	return r;
}
