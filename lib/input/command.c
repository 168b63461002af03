/*
 * command.c - runs a command and reads lines from its output.
 */
#include "base/error.h"
#include "base/os.h"
#include "input/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int input_command_start(struct evlog_input *in, const char *const *command,
    const char *const *env, evlog_error *err)
{
	int end[2], r = 0;

	if (!process_can_wait())
		return error_set(err, EVLOG_EUSAGE,
		    "%s: its exit status would be lost, because SIGCHLD is ignored",
		    command[0]);
	if (os_pipe(end) < 0)
		return error_sys(err, "a pipe");
	in->fd = end[0];
	if (process_start(&in->process, command, env, -1, end[1], false) < 0)
		r = error_set(err, EVLOG_EAWAY, "%s: %s", command[0], strerror(errno));
	close(end[1]);
	return r;
}

/* Maps an exit status, as in sysexits(3), to our code. */
static int code_of_status(int status)
{
	switch (status) {
	case 64: return EVLOG_EUSAGE;
	case 65: return EVLOG_EDATA;
	case 66: return EVLOG_ENOINPUT;
	case 76: return EVLOG_EMISMATCH;
	case 77: return EVLOG_EPERM;
	default: return EVLOG_EAWAY;
	}
}

int input_command_end(struct evlog_input *in, evlog_error *err)
{
	int status;

	if (!in->process.pid)
		return 0;
	process_wait(&in->process);
	status = in->process.status;
	if (in->process.lost)
		return error_set(err, EVLOG_EINTERNAL,
		    "%s: its exit status was lost: something else in this process waited "
		    "for it",
		    in->path);
	if (WIFSIGNALED(status))
		return error_set(err, EVLOG_EAWAY, "%s: killed by signal %d", in->path,
		    WTERMSIG(status));
	if (WEXITSTATUS(status))
		return error_set(err, code_of_status(WEXITSTATUS(status)),
		    "%s: exit status %d", in->path, WEXITSTATUS(status));
	return 0;
}
