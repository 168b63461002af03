/*
 * probe.c - reads and appends to logs on command, in one process, because there are too
 * many replayed disk states to start a process for each.
 *
 * A command is a line on standard input:
 *
 *   - "read PATH";
 *   - "append PATH LINE": answers with from, to and root, and the notice as message;
 *   - "twice PATH LINE": tries a commit that fails again; the message has what failed.
 *     If BETWEEN is set in the environment, it is run by the shell before that;
 *   - "seal PATH": as evappend --reindex.
 *
 * The answer is a line "CODE SIZE MESSAGE", and SIZE bytes.
 */
#include "evlog.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *out;
static size_t used, size;

static void keep(const char *p, size_t n)
{
	while (used + n > size) {
		size = size ? size * 2 : 1 << 20;
		out = realloc(out, size);
		if (!out)
			abort();
	}
	memcpy(out + used, p, n);
	used += n;
}

static void answer(int code, const char *text)
{
	printf("%d %zu %s\n", code, used, text);
	fwrite(out, 1, used, stdout);
	fflush(stdout);
	used = 0;
}

static void read_all(const char *path)
{
	struct evlog_selection sel;
	struct evlog_lines lines;
	evlog_stream *s;
	evlog_error err = {0};

	evlog_selection_init(&sel);
	int r = evlog_stream_open(&s, &path, 1, &sel, &err);
	while (!r && (r = evlog_stream_next(s, &lines, &err)) == 0)
		keep(lines.p, lines.len);
	evlog_stream_close(s);
	answer(r == EVLOG_END ? 0 : r, r < 0 ? err.text : "");
}

static void append(const char *path, const char *line, bool twice)
{
	struct evlog_writer_options o = {.size = sizeof o, .lock_wait_ms = 1000};
	struct evlog_ack ack = {0};
	evlog_writer *w;
	evlog_error err = {0};
	char text[160];

	int r = evlog_writer_open(&w, path, &o, &err);
	if (!r)
		r = evlog_writer_add(w, line, strlen(line), "probe", 1, &err);
	int first = r ? 0 : (r = evlog_writer_commit(w, &ack, &err));
	if (first < 0 && twice) {
		const char *between = getenv("BETWEEN");
		if (between && system(between) != 0)
			abort();
		r = evlog_writer_commit(w, &ack, &err);
		snprintf(ack.notice, sizeof ack.notice, "first %d", first);
		snprintf(
		    err.text, sizeof err.text, "first %d, then %s", first, err.reason);
	}
	evlog_writer_close(w);
	if (!r) {
		int n = snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64 " %s",
		    ack.from, ack.to, ack.root);
		keep(text, (size_t)n);
	}
	answer(r, r ? err.text : ack.notice);
}

static void seal(const char *path)
{
	struct evlog_writer_options o = {
	    .size = sizeof o, .lock_wait_ms = 1000, .no_create = true};
	struct evlog_ack ack = {0};
	evlog_writer *w;
	evlog_error err = {0};

	int r = evlog_writer_open(&w, path, &o, &err);
	if (!r)
		r = evlog_writer_commit(w, &ack, &err);
	if (!r)
		r = evlog_writer_reindex(w, &err);
	evlog_writer_close(w);
	answer(r, r ? err.text : "");
}

int main(void)
{
	static char line[65536];

	while (fgets(line, sizeof line, stdin)) {
		char *word = strtok(line, " \n"), *path = strtok(NULL, " \n");
		char *rest = strtok(NULL, "\n");
		if (!word || !path)
			return 2;
		if (strcmp(word, "read") == 0)
			read_all(path);
		else if (strcmp(word, "seal") == 0)
			seal(path);
		else
			append(path, rest ? rest : "", strcmp(word, "twice") == 0);
	}
	return 0;
}
