/*
 * follow.c - print what is appended to a log, as it comes.
 *
 *     follow LOG [TYPE]
 *
 * Begins with the first event, and ends with SIGINT or SIGTERM.
 */
#include <evlog.h>

#include <signal.h>
#include <stdio.h>

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

int main(int argc, char **argv)
{
	struct evlog_selection wanted;
	struct evlog_lines lines;
	struct evlog_event event;
	evlog_stream *stream;
	evlog_error err;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: follow LOG [TYPE]\n");
		return 64;
	}
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	const char *log = argv[1];
	evlog_selection_init(&wanted);
	wanted.follow = true;
	wanted.stop = &stop;
	wanted.type = (const char **)argv + 2;
	wanted.types = (size_t)argc - 2;
	int r = evlog_stream_open(&stream, &log, 1, &wanted, &err);
	while (r == 0 || r == EVLOG_WAIT) {
		r = evlog_stream_next(stream, &lines, &err);
		if (r == EVLOG_WAIT) { /* all is read: show it, then wait for more */
			if (fflush(stdout) != 0)
				break;
			r = evlog_stream_wait(stream, 500, &err);
			continue;
		}
		/* one line after the other; the views live until the next call */
		while (r == 0 && evlog_lines_take(&lines, &event))
			printf("%llu %.*s\n", (unsigned long long)event.seq,
			    (int)event.len, event.line);
	}
	evlog_stream_close(stream);
	if (r < 0)
		fprintf(stderr, "follow: %s\n", err.text);
	if (ferror(stdout) || fflush(stdout) != 0) {
		perror("follow: standard output");
		return 74;
	}
	return r < 0;
}
