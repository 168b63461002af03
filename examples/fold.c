/*
 * fold.c - a fold of one's own: how many events there are of each type.
 *
 *     fold LOG...
 *
 * For sums, counts and the like there is evlog_fold_new, which does what evfold(1) does.
 * This is how to begin where that ends.
 */
#include <evlog.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tally {
	char *type;
	unsigned long events;
};

struct tallies {
	struct tally *at;
	size_t n;
};

static struct tally *tally_of(struct tallies *t, const char *type, size_t len)
{
	for (size_t i = 0; i < t->n; i++)
		if (strlen(t->at[i].type) == len && memcmp(t->at[i].type, type, len) == 0)
			return &t->at[i];
	struct tally *more = realloc(t->at, (t->n + 1) * sizeof *more);
	if (!more)
		abort();
	t->at = more;
	more[t->n] = (struct tally){.type = strndup(type, len)};
	if (!more[t->n].type)
		abort();
	return &more[t->n++];
}

int main(int argc, char **argv)
{
	struct evlog_selection wanted;
	struct tallies tallies = {0};
	struct evlog_lines lines;
	struct evlog_event event;
	evlog_stream *stream;
	evlog_error err;
	char *type = NULL; /* grown as it is needed, and ours to free */
	size_t room = 0, len;

	if (argc < 2) {
		fprintf(stderr, "usage: fold LOG...\n");
		return 64;
	}
	evlog_selection_init(&wanted);
	wanted.json = true; /* we look into the lines, so each is checked first */
	int r = evlog_stream_open(
	    &stream, (const char *const *)argv + 1, (size_t)argc - 1, &wanted, &err);
	while (r == 0) {
		r = evlog_stream_next(stream, &lines, &err);
		while (r == 0 && evlog_lines_take(&lines, &event))
			if (evlog_event_string(&event, "type", &type, &room, &len) == 0)
				tally_of(&tallies, type, len)->events++;
		if (r == EVLOG_WAIT) /* a pipe pauses */
			r = evlog_stream_wait(stream, -1, &err);
	}
	evlog_stream_close(stream);
	if (r < 0) /* print nothing: a part of the answer is a wrong one */
		fprintf(stderr, "fold: %s\n", err.text);
	for (size_t i = 0; i < tallies.n; i++) {
		if (r == EVLOG_END)
			printf("%s\t%lu\n", tallies.at[i].type, tallies.at[i].events);
		free(tallies.at[i].type);
	}
	free(tallies.at);
	free(type);
	if (ferror(stdout) || fflush(stdout) != 0) {
		perror("fold: standard output");
		return 74;
	}
	return r < 0;
}
