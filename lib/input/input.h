/* input.h - the parts of an input of lines. */
#ifndef INPUT_INPUT_H
#define INPUT_INPUT_H

#include "base/buf.h"
#include "base/process.h"
#include "evlog.h"

#include <sys/types.h>

#define INPUT_CHUNK (128u << 10) /* bytes read at once */
#define INPUT_LOOK  (4u << 10)	 /* bytes that tell a file's kind */

struct stage;

struct evlog_input {
	int fd;
	char *path;
	struct buf name;       /* path, and the member in parentheses */
	struct stage *top;     /* delivers the bytes; NULL: they are plain, from fd */
	struct stage *archive; /* whose members are read; NULL: it is none */
	char head[8];	       /* first bytes of a pipe, already read */
	size_t head_len;
	struct buf data;       /* unread bytes are [start, data.len) */
	size_t start, scanned; /* no newline in [start, scanned) */
	size_t max_line;
	uint64_t line;
	bool eof;      /* of the member, or of the plain bytes */
	bool done;     /* of everything */
	bool ended;    /* read(2) has said so */
	bool skipping; /* behind a line that was too long */
	bool pollable; /* reading may have to wait */
	bool salvage;  /* lines that may be wrong are delivered too */
	bool begun;    /* bytes of this member were delivered */
	bool unknown;  /* a pipe whose first bytes have not been looked at */
	const volatile sig_atomic_t *stop;
	struct process process; /* whose output it is */
};

/* ---- raw.c ---- */

bool input_stopped(const struct evlog_input *in);

/* Reads, and waits for it; 0: the end, or a stop. */
ssize_t input_read(struct evlog_input *in, void *p, size_t n);

/* The name that messages say: of a member of in->path, or NULL. */
int input_name(struct evlog_input *in, const char *member, evlog_error *err);

/* Text, unless it is a compressed file or an archive that looks like it: every other
 * format has a control byte at its beginning. */
bool input_is_plain(const char *p, size_t n);

/* ---- command.c ---- */

/* Starts a command whose output in->fd then delivers. */
int input_command_start(struct evlog_input *in, const char *const *command,
    const char *const *env, evlog_error *err);

/* At the end of a command's output: whether that was all of it. */
int input_command_end(struct evlog_input *in, evlog_error *err);

/* ---- unpack.c ---- */

/* Takes what in->fd delivers for a compressed file or an archive, and goes to its first
 * member. */
int unpack_open(struct evlog_input *in, evlog_error *err);

/* Goes to the next regular file of the archive; in->done if there is none. */
int unpack_next(struct evlog_input *in, evlog_error *err);

/* Reads some more behind in->data; in->eof if the member has no more. */
int unpack_more(struct evlog_input *in, evlog_error *err);

/* Whether unpack_more is likely to have bytes without waiting for a pipe. */
bool unpack_ready(struct evlog_input *in);

void unpack_close(struct evlog_input *in);

#endif
