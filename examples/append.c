/*
 * append.c - append events to a log, then read them back.
 *
 *     append LOG SUBJECT TEXT...
 *
 * Appends one event for each TEXT, all in one commit, and prints the events of SUBJECT.
 */
#include <evlog.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const evlog_error *err)
{
	fprintf(stderr, "append: %s\n", err->text);
	return 1;
}

static int append(const char *log, const char *subject, char **text, evlog_error *err)
{
	/* each line is a text, whatever is in it; without .text it would be JSON */
	struct evlog_writer_options options = {.size = sizeof options,
	    .lock_wait_ms = 10000,
	    .atomic = true,
	    .text = true,
	    .type = "Noted",
	    .subject = subject};
	struct evlog_ack ack;
	evlog_writer *writer;

	int r = evlog_writer_open(&writer, log, &options, err);
	for (int i = 0; !r && text[i]; i++)
		r = evlog_writer_add(
		    writer, text[i], strlen(text[i]), "argument", (uint64_t)i + 1, err);
	if (!r)
		r = evlog_writer_commit(writer, &ack, err);
	if (r == EVLOG_EUNRECORDED) /* durable all the same: do not append it again */
		r = 0;
	if (!r) /* they are on disk now */
		printf("appended events %llu to %llu, root %s\n",
		    (unsigned long long)ack.from, (unsigned long long)ack.to, ack.root);
	evlog_writer_close(writer);
	return r;
}

static int print(const char *log, const char *subject, evlog_error *err)
{
	struct evlog_selection wanted;
	struct evlog_lines lines;
	evlog_stream *stream;

	evlog_selection_init(&wanted);
	wanted.subject = &subject;
	wanted.subjects = 1;
	wanted.fixed = true; /* a text, not a pattern */
	int r = evlog_stream_open(&stream, &log, 1, &wanted, err);
	while (!r && (r = evlog_stream_next(stream, &lines, err)) == 0)
		fwrite(lines.p, 1, lines.len, stdout);
	evlog_stream_close(stream);
	if (ferror(stdout) || fflush(stdout) != 0) {
		perror("append: standard output");
		exit(74);
	}
	return r == EVLOG_END ? 0 : r;
}

int main(int argc, char **argv)
{
	evlog_error err;

	if (argc < 4) {
		fprintf(stderr, "usage: append LOG SUBJECT TEXT...\n");
		return 64;
	}
	if (append(argv[1], argv[2], argv + 3, &err) < 0 ||
	    print(argv[1], argv[2], &err) < 0)
		return fail(&err);
	return 0;
}
