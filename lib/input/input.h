/* input.h - shared by the files that make up an input of lines.
 *
 * input/ turns files, pipes, archives and commands into lines, and parses the times that
 * people write.  It must not know what a line means. */
#ifndef INPUT_INPUT_H
#define INPUT_INPUT_H

#include "base/buf.h"
#include "base/process.h"
#include "evlog.h"

#include <sys/types.h>

#define INPUT_CHUNK (128u << 10) /* bytes read at once */
#define INPUT_LOOK  (4u << 10)	 /* enough of a file to recognise its format */

struct stage;

struct evlog_input {
	int fd;
	char *path;
	struct buf name;   /* path, with the member in parentheses */
	struct stage *top; /* delivers the bytes; NULL: they are plain and come from fd */
	struct stage *archive; /* delivers its members, if it is an archive; else NULL */
	char head[8];	       /* first bytes of a pipe, already read */
	size_t head_len;
	struct buf data;       /* unread bytes are [start, data.len) */
	size_t start, scanned; /* no newline in [start, scanned) */
	size_t max_line;
	uint64_t line;
	bool eof;	  /* end of the member, or of plain input */
	bool done;	  /* end of everything */
	bool ended;	  /* read(2) has returned 0 */
	bool skipping;	  /* to the end of a line that was too long */
	bool pollable;	  /* reading may block */
	bool salvage;	  /* deliver lines that may be wrong, too */
	bool begun;	  /* bytes of this member have been delivered */
	bool unknown;	  /* a pipe whose format is not known yet */
	bool noting;	  /* note the frames in which evlog describes a log, */
	struct buf notes; /* here; those from noted on have not been taken */
	size_t noted;
	uint64_t moved;	     /* bytes that were in `data` before what is there now */
	uint64_t line_at;    /* offset of the last line; UINT64_MAX: there are no more */
	evlog_error failure; /* the error that ended it; code 0: none */
	const volatile sig_atomic_t *stop;
	struct process process; /* the command whose output this is */
};

/* Makes an input without a file yet, fd -1; name: for messages.  NULL: out of memory. */
struct evlog_input *input_new(const char *name, const struct evlog_input_options *o);

/* ---- raw.c ---- */

bool input_stopped(const struct evlog_input *in);

/* Reads up to n bytes, waiting for them.  Returns 0 at the end or if stopped; -1 with
 * errno. */
ssize_t input_read(struct evlog_input *in, void *p, size_t n);

/* Sets the name for messages: in->path, with the name of a member unless that is NULL. */
int input_name(struct evlog_input *in, const char *member, evlog_error *err);

/* Whether this looks like text: not compressed, and free of the control bytes that every
 * other format has near its beginning. */
bool input_is_plain(const char *p, size_t n);

/* ---- command.c ---- */

/* Starts a command and sets in->fd to read its output. */
int input_command_start(struct evlog_input *in, const char *const *command,
    const char *const *env, evlog_error *err);

/* At the end of a command's output: waits for it, and returns an error unless it
 * succeeded. */
int input_command_end(struct evlog_input *in, evlog_error *err);

/* ---- unpack.c ---- */

/* Opens in->fd as a compressed file or an archive, and goes to its first member. */
int unpack_open(struct evlog_input *in, evlog_error *err);

/* Opens in->fd as an archive whose members are delivered as they are, by in->archive. */
int input_members(struct evlog_input *in, evlog_error *err);

/* Goes to the next regular file of the archive; sets in->done if there is none. */
int unpack_next(struct evlog_input *in, evlog_error *err);

/* Appends more bytes to in->data; sets in->eof at the end of the member. */
int unpack_more(struct evlog_input *in, evlog_error *err);

/* Whether unpack_more is likely to have bytes without waiting for a pipe. */
bool unpack_ready(struct evlog_input *in);

void unpack_close(struct evlog_input *in);

#endif
