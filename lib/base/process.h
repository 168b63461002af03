/* process.h - a command with files for its input and output, watched. */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_TAIL 2048 /* bytes of the end of stderr that are kept */

struct process {
	pid_t pid;    /* 0: none is running */
	int exit_fd;  /* readable once it has ended; -1: it must be asked */
	int error_fd; /* its stderr comes here; -1: it has ours */
	bool blocked; /* our stderr takes no more for now: what comes waits in error_fd */
	int status;   /* as of waitpid(2), once it has ended */
	bool lost;    /* nobody can say with what status it ended */
	char tail[PROCESS_TAIL];
	size_t tail_len;
	bool tail_cut; /* there was more before it */
};

/* Starts argv[0], found in PATH, in a process group of its own, which dies with us. `env`
 * are settings (NAME=value) beside ours, NULL behind the last.  in, out: its standard
 * input and output; -1: ours.  catch_error: its stderr is passed on to ours, and its end
 * kept. 0, or -1 and errno: it could not be started. */
int process_start(struct process *p, const char *const *argv, const char *const *env,
    int in, int out, bool catch_error);

/* Takes some of its stderr, as far as ours takes it at once, and looks whether it has
 * ended, which makes pid 0.  Never waits for longer than 500 ms. */
void process_look(struct process *p);

/* Whether the exit status of a child can be asked for: not while SIGCHLD is ignored. */
bool process_can_wait(void);

/* Waits until it has ended. */
void process_wait(struct process *p);

/* Sends a signal to the whole group. */
void process_kill(const struct process *p, int signal);

#endif
