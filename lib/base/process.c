/* process.c - starting a command on given files, and watching it. */
#include "base/process.h"
#include "base/file.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOKS	 64 /* reads of a command's stderr before returning to the caller */
#define PATIENCE 500000000 /* ns to wait for a slow stderr */

/* ---- Starting ---- */

/* Runs in the child, with the signal settings that a shell would give.  Returns on
 * failure. */
static void become(const char *const *argv, const char *const *env, int in, int out,
    int error, pid_t parent)
{
	sigset_t none;

	setpgid(0, 0);
	os_die_with_parent(SIGTERM);
	if (getppid() != parent)
		_exit(1); /* the parent died before the call above */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	if ((in >= 0 && dup2(in, 0) < 0) || (out >= 0 && dup2(out, 1) < 0) ||
	    (error >= 0 && dup2(error, 2) < 0))
		return;
	for (; *env; env++)
		if (putenv((char *)*env) != 0)
			return;
	execvp(argv[0], (char *const *)argv);
}

/* If the child fails before or in exec, it sends errno through a pipe that exec would
 * close. */
static pid_t child_start(
    const char *const *argv, const char *const *env, int in, int out, int error)
{
	int told[2], why = 0;
	pid_t parent = getpid();

	if (os_pipe(told) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		become(argv, env, in, out, error, parent);
		why = errno;
		_exit(write(told[1], &why, sizeof why) == sizeof why ? 127 : 126);
	}
	if (pid < 0)
		why = errno;
	close(told[1]);
	if (pid > 0) {
		ssize_t n;
		while ((n = read(told[0], &why, sizeof why)) < 0 && errno == EINTR)
			;
		if (n == sizeof why)
			waitpid(pid, NULL, 0);
		else
			why = 0;
	}
	close(told[0]);
	errno = why;
	return why ? -1 : pid;
}

int process_start(struct process *p, const char *const *argv, const char *const *env,
    int in, int out, bool catch_error)
{
	int error[2] = {-1, -1};

	*p = (struct process){.exit_fd = -1, .error_fd = -1};
	if (catch_error && os_pipe(error) < 0)
		return -1;
	bool ready = error[0] < 0 || fcntl(error[0], F_SETFL, O_NONBLOCK) == 0;
	pid_t pid = ready ? child_start(argv, env, in, out, error[1]) : -1;
	if (error[1] >= 0)
		close(error[1]);
	if (pid < 0) {
		int why = errno;
		if (error[0] >= 0)
			close(error[0]);
		errno = why;
		return -1;
	}
	p->pid = pid;
	p->error_fd = error[0];
	p->exit_fd = os_process_watch(pid);
	return 0;
}

/* ---- Watching ---- */

static void tail_add(struct process *p, const char *text, size_t n)
{
	if (n > PROCESS_TAIL) {
		text += n - PROCESS_TAIL;
		n = PROCESS_TAIL;
		p->tail_cut = true;
	}
	if (p->tail_len + n > PROCESS_TAIL) {
		size_t gone = p->tail_len + n - PROCESS_TAIL;
		memmove(p->tail, p->tail + gone, p->tail_len - gone);
		p->tail_len -= gone;
		p->tail_cut = true;
	}
	memcpy(p->tail + p->tail_len, text, n);
	p->tail_len += n;
}

/* Whether our stderr becomes writable within `ms` milliseconds. */
static bool stderr_takes(int ms)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

	return poll(&p, 1, ms) != 0; /* on a poll error, the write will fail */
}

/* Copies the command's stderr.  While it runs, copies only what our stderr takes at once,
 * and a bounded number of reads, so that the caller can watch the time.  After it has
 * ended, copies what is there without waiting for EOF, since other processes may hold the
 * pipe open; what a slow stderr does not take in time is lost. */
static void error_take(struct process *p, bool ended)
{
	char text[PIPE_BUF];
	int64_t until = ended ? file_clock() + PATIENCE : 0;
	ssize_t n = -1;

	p->blocked = false;
	for (int i = 0; p->error_fd >= 0 && i < (ended ? 16 * LOOKS : LOOKS); i++) {
		int64_t left = ended ? until - file_clock() : 0;
		bool takes = stderr_takes(left > 0 ? (int)(left / 1000000) : 0);
		if (!takes && !ended) {
			p->blocked = true;
			return;
		}
		n = read(p->error_fd, text, sizeof text);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		tail_add(p, text, (size_t)n);
		if (takes && file_write(STDERR_FILENO, text, (size_t)n) < 0)
			continue; /* our stderr is closed; drain the pipe anyway */
	}
	if (p->error_fd >= 0 && n == 0) {
		close(p->error_fd);
		p->error_fd = -1;
	}
}

void process_look(struct process *p)
{
	if (p->pid == 0)
		return;
	pid_t ended = waitpid(p->pid, &p->status, WNOHANG);
	bool running = ended == 0 || (ended < 0 && errno == EINTR);
	error_take(p, !running);
	if (running)
		return;
	p->lost = ended < 0; /* somebody else has reaped it */
	if (p->exit_fd >= 0)
		close(p->exit_fd);
	if (p->error_fd >= 0)
		close(p->error_fd);
	p->exit_fd = p->error_fd = -1;
	p->pid = 0;
}

bool process_can_wait(void)
{
	struct sigaction a;

	return sigaction(SIGCHLD, NULL, &a) == 0 && a.sa_handler != SIG_IGN &&
	       !(a.sa_flags & SA_NOCLDWAIT);
}

void process_wait(struct process *p)
{
	siginfo_t ended;

	while (p->pid) {
		waitid(P_PID, (id_t)p->pid, &ended, WEXITED | WNOWAIT);
		process_look(p);
	}
}

void process_kill(const struct process *p, int signal)
{
	if (p->pid)
		kill(-p->pid, signal);
}
