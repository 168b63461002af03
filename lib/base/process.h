/* process.h - starting a command on given files, and watching it. */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_TAIL 2048 /* bytes kept of the end of stderr */

struct process {
	pid_t pid;    /* 0: not running */
	int exit_fd;  /* readable once it has ended; -1: must be polled */
	int error_fd; /* reads its stderr; -1: it shares ours */
	bool blocked; /* our stderr is full: its output waits in error_fd */
	int status;   /* as from waitpid(2), once it has ended */
	bool lost;    /* it has ended, but its status is unknown */
	char tail[PROCESS_TAIL];
	size_t tail_len;
	bool tail_cut; /* the tail is not all of its stderr */
};

/* Starts argv[0], found in PATH, in a process group of its own; it dies with this
 * process.  `env` is a NULL-terminated list of NAME=value added to our environment.  in,
 * out: its standard input and output, or -1 to share ours.  catch_error: copy its stderr
 * to ours and keep its tail.  Returns 0, or -1 with errno if it could not be started. */
int process_start(struct process *p, const char *const *argv, const char *const *env,
    int in, int out, bool catch_error);

/* Copies what our stderr takes at once of the command's, and checks whether it has ended;
 * if so, pid becomes 0.  Blocks for at most 500 ms. */
void process_look(struct process *p);

/* Whether waitpid(2) reports the status of a child: not while SIGCHLD is ignored. */
bool process_can_wait(void);

/* Blocks until it has ended. */
void process_wait(struct process *p);

/* Sends a signal to the whole group. */
void process_kill(const struct process *p, int signal);

#endif
