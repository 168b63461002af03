/*
 * receivers.c - the checkpoints of receivers that share a log: their names, and which of
 * them are there.
 */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The name of a receiver's checkpoint: % in its last component stands for the shard.  To
 * be freed. */
static char *file_of(const char *pattern, unsigned long shard, unsigned long shards)
{
	const char *slash = strrchr(pattern, '/'), *name = slash ? slash + 1 : pattern;
	char *file, *to, *past;
	size_t room = 1;

	for (const char *p = pattern; *p; p++)
		room += *p == '%' ? sizeof "65536of65536" * 2 : 1;
	to = file = cli_resize(NULL, room);
	past = file + room;
	for (const char *p = pattern; *p; p++)
		if (*p == '%' && p >= name)
			to +=
			    snprintf(to, (size_t)(past - to), "%luof%lu", shard, shards);
		else
			*to++ = *p;
	*to = '\0';
	return file;
}

bool cli_has_shard(const char *pattern)
{
	const char *slash = strrchr(pattern, '/');

	return strchr(slash ? slash : pattern, '%') != NULL;
}

static char **files_of(const char *pattern, unsigned long shards)
{
	char **names = cli_resize(NULL, shards * sizeof *names);

	for (unsigned long i = 0; i < shards; i++)
		names[i] = file_of(pattern, i + 1, shards);
	return names;
}

static void files_free(char **names, unsigned long shards)
{
	for (unsigned long i = 0; i < shards; i++)
		free(names[i]);
	free(names);
}

/* Gets what the checkpoint of a receiver says; false if there is none. */
static bool receiver_look(const char *pattern, const char *log, unsigned long shard,
    unsigned long shards, struct evlog_lag *lag)
{
	char *name = file_of(pattern, shard, shards);
	evlog_error err;

	int r = evlog_checkpoint_lag(lag, name, log, cli.max_line, &err);
	free(name);
	if (r < 0 && r != EVLOG_ENOINPUT && !lag->resharded)
		cli_fail(&err);
	return r == 0 || lag->resharded;
}

/* The checkpoints of n receivers. */
struct receivers {
	unsigned long there,
	    live;	     /* how many there are; without those that were replaced, */
	uint64_t by;	     /* by so many others */
	uint64_t generation; /* the highest; those that came later have a higher one */
};

static struct receivers receivers_look(
    const char *pattern, const char *log, unsigned long n)
{
	struct receivers r = {0};
	struct evlog_lag lag;

	/* if the first two are missing, there are none */
	for (unsigned long i = 1; i <= n && (i <= 2 || r.there); i++) {
		if (!receiver_look(pattern, log, i, n, &lag))
			continue;
		r.there++;
		r.live += !lag.resharded;
		r.by = lag.resharded ? lag.resharded : r.by;
		if (lag.generation > r.generation)
			r.generation = lag.generation;
	}
	return r;
}

/* How many receivers are to be replaced: the latest.  If these are the ones that are
 * wanted, but some are missing, those that they have replaced; 0: none are missing. */
static unsigned long receivers_find(
    const char *pattern, unsigned long want, const char *log)
{
	const struct receivers wanted = receivers_look(pattern, log, want);
	unsigned long used = wanted.live ? want : 0, latest = 0, before = 0;
	uint64_t of_latest = 0, of_before = 0;

	for (unsigned long n = 1; n <= EVLOG_RECEIVERS_MOST; n++) {
		struct receivers r = {0};
		if (n != want)
			r = receivers_look(pattern, log, n);
		if (r.live && used)
			cli_usage("--checkpoint %s: there are checkpoints of %lu "
				  "receivers and of %lu; remove those that are not used",
			    pattern, used < n ? used : n, used < n ? n : used);
		used = r.live ? n : used;
		if (r.there && (!latest || r.generation >= of_latest)) {
			latest = n;
			of_latest = r.generation;
		}
		if (r.by == want && r.generation >= of_before) {
			before = n;
			of_before = r.generation;
		}
	}
	if (wanted.live == want)
		return 0;
	if (wanted.there && wanted.generation >= of_latest)
		latest = before;
	if (!latest)
		cli_usage("--checkpoint %s: there are no such checkpoints", pattern);
	return latest;
}

void cli_reshard(
    const struct evlog_consumer_options *c, unsigned long receivers, const char *log)
{
	struct evlog_reshard_options o = {.size = sizeof o,
	    .to_count = receivers,
	    .key = c->key,
	    .emit = c->emit,
	    .dead_letter = c->dead_letter,
	    .max_line = cli.max_line};
	char text[80];
	evlog_error err;

	o.from_count = receivers_find(c->checkpoint, receivers, log);
	if (o.from_count) {
		char **from = files_of(c->checkpoint, o.from_count);
		char **to = files_of(c->checkpoint, o.to_count);
		o.from = (const char *const *)from;
		o.to = (const char *const *)to;
		if (evlog_checkpoint_reshard(log, &o, &err) < 0)
			cli_fail(&err);
		files_free(from, o.from_count);
		files_free(to, o.to_count);
	}
	for (unsigned long i = 1; i <= receivers && !cli.quiet; i++) {
		snprintf(
		    text, sizeof text, "--shard %lu/%lu --checkpoint ", i, receivers);
		cli_outs(text);
		cli_outs(c->checkpoint);
		cli_outs("\n");
	}
}

char *cli_shard_file(const struct evlog_consumer_options *c, const char *log)
{
	const char *pattern = c->checkpoint;
	struct evlog_lag lag;
	struct stat st;

	if (!cli_has_shard(pattern) || stat(pattern, &st) == 0)
		return strcpy(cli_resize(NULL, strlen(pattern) + 1), pattern);
	char *name = file_of(pattern, c->shard, c->shards);
	if (stat(name, &st) == 0 && st.st_size > 0)
		return name;
	for (unsigned long n = 1; n <= EVLOG_RECEIVERS_MOST; n++) {
		bool same = n == c->shards, there = false, taking = false;
		for (unsigned long i = 1; i <= (same ? n : 1); i++) {
			there |= receiver_look(pattern, log, i, n, &lag);
			taking |= lag.taking;
		}
		if (same ? !taking : !there)
			continue;
		cli_say("%s is new, but there are checkpoints of %lu receivers; "
			"--reshard %u divides the events anew, or makes a lost one "
			"again",
		    name, n, c->shards);
		exit(CLI_MISMATCH);
	}
	return name;
}
