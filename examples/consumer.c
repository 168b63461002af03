/*
 * consumer.c - a consumer that remembers how far it has come.
 *
 *     consumer LOG PLACE
 *
 * Handles each event of LOG (here: prints its seq and type) and keeps its place in the
 * file PLACE, so that the next run goes on from there: every event is handled at least
 * once, and only those handled since the place was last written, twice.
 *
 * evrun(1) does this for any command; for what must happen exactly once, see its
 * --emit.
 */
#include <evlog.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The place of an earlier run: 1 if there is one, 0 if there is none, -1 if the file is
 * not what it should be. */
static int place_read(const char *path, struct evlog_position *at)
{
	unsigned long long seq;
	FILE *f = fopen(path, "r");

	memset(at, 0, sizeof *at);
	if (!f)
		return 0;
	int n = fscanf(f, "%32s %llu %64s", at->log, &seq, at->root);
	fclose(f);
	at->seq = n == 3 ? seq : 0;
	return n == 3 ? 1 : -1;
}

/* Replaces the file as a whole, so that a crash leaves the old place or the new one. */
static int place_write(const char *path, const struct evlog_position *at)
{
	char temporary[4096];

	snprintf(temporary, sizeof temporary, "%s.new", path);
	FILE *f = fopen(temporary, "w");
	if (!f)
		return -1;
	int bad = fprintf(f, "%s %llu %s\n", at->log, (unsigned long long)at->seq,
		      at->root) < 0;
	bad |= fflush(f) != 0 || fsync(fileno(f)) != 0;
	bad |= fclose(f) != 0;
	return bad || rename(temporary, path) != 0 ? -1 : 0;
}

static void handle(const struct evlog_event *event)
{
	const char *type;
	size_t len;

	if (evlog_event_member(event, "type", &type, &len))
		printf("%llu %.*s\n", (unsigned long long)event->seq, (int)len, type);
}

static int consume(
    const char *log, const char *place, struct evlog_position *at, evlog_error *err)
{
	struct evlog_selection wanted;
	struct evlog_lines lines;
	struct evlog_event event;
	evlog_stream *stream;

	evlog_selection_init(&wanted);
	wanted.from = at->seq + 1;
	wanted.json = true;
	int r = evlog_stream_open(&stream, &log, 1, &wanted, err);
	while (r == 0 && (r = evlog_stream_next(stream, &lines, err)) == 0) {
		while (evlog_lines_take(&lines, &event))
			handle(&event);
		/* first the work, then the place: never the other way round */
		if (ferror(stdout) || fflush(stdout) != 0) {
			perror("consumer: standard output");
			exit(74);
		}
		r = evlog_stream_position(stream, at, err);
		if (r == 0 && place_write(place, at) < 0) {
			perror(place);
			exit(74);
		}
	}
	evlog_stream_close(stream);
	return r == EVLOG_END ? 0 : r;
}

int main(int argc, char **argv)
{
	struct evlog_position at;
	evlog_error err;

	if (argc != 3) {
		fprintf(stderr, "usage: consumer LOG PLACE\n");
		return 64;
	}
	int known = place_read(argv[2], &at);
	if (known < 0) {
		fprintf(stderr, "consumer: %s: no place is written there\n", argv[2]);
		return 65;
	}
	/* is it the log of the last run, and not an older copy of it? */
	int r = known ? evlog_position_check(argv[1], &at, 0, &err) : 0;
	if (!r)
		r = consume(argv[1], argv[2], &at, &err);
	if (r == EVLOG_END) /* nothing new */
		r = 0;
	if (r)
		fprintf(stderr, "consumer: %s\n", err.text);
	return r == EVLOG_EMISMATCH ? 76 : r != 0;
}
