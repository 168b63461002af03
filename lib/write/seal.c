/*
 * seal.c - seals the full segments of a log, in a thread beside its writer, and then
 * makes their catalogues.
 */
#include "base/error.h"
#include "base/options.h"
#include "base/os.h"
#include "write/sealer.h"
#include "write/writer.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A log being sealed while its writer goes on. */
struct sealing {
	struct log log; /* a copy; dir_fd is the writer's */
	int level;
	uint64_t max_line;
	bool all;
	pthread_t thread;
	bool threaded;
	atomic_bool done;
	int result;
	evlog_error err;
};

/* Syncs head, so that a power cut cannot bring back one from before the seal.  Uses a
 * descriptor of its own, so as not to consume an error that the writer's should
 * report. */
static int head_sync(const struct log *l, evlog_error *err)
{
	int fd = openat(l->dir_fd, "head", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 || os_sync_data(fd) < 0 ? error_sys(err, "%s/head", l->path) : 0;

	if (fd >= 0)
		close(fd);
	return r;
}

/* The first segment of the list to be sealed: with `all`, the first of all, and else the
 * one after the last that is sealed already. */
static size_t first_to_seal(const struct log *l, bool all)
{
	size_t i = l->n;

	while (i > 0 && l->segments[i - 1] >= l->head.segment)
		i--;
	for (; i > 0 && !all; i--) {
		struct segment s;
		bool sealed = segment_open(&s, l->dir_fd, l->path, l->segments[i - 1],
				  NULL, false, NULL) == 0 &&
			      segment_is_sealed(&s);
		segment_close(&s);
		if (sealed)
			return i;
	}
	return 0;
}

/* Seals the segments before the active one, the oldest first, because each header takes
 * over the cursors of the one before.  Skips those that cannot be sealed. */
static void *log_seal(void *arg)
{
	struct sealing *g = arg;
	struct log *l = &g->log;
	const struct seal_how how = {
	    .log = l, .level = g->level, .max_line = g->max_line, .reindex = g->all};
	evlog_error why;

	g->result = head_sync(l, &g->err);
	if (!g->result)
		g->result = log_list(l, &g->err);
	size_t i = g->result ? l->n : first_to_seal(l, g->all);
	for (; i + 1 < l->n && l->segments[i + 1] <= l->head.segment; i++) {
		int r = segment_seal(&how, l->segments[i], l->segments[i + 1], &why);
		if (r == EVLOG_WAIT && !g->all)
			continue; /* its owner will seal it */
		if ((r < 0 || r == EVLOG_WAIT) && g->result == 0) {
			g->result = why.code;
			g->err = why;
		}
	}
	struct block_codec *codec = block_codec_new(0);
	if (codec)
		block_codec_limit(codec, g->max_line);
	int r = codec ? catalogues_update(l, codec, &why) : error_memory(&why);
	if (r < 0 && g->result == 0) {
		g->result = why.code;
		g->err = why;
	}
	block_codec_free(codec);
	atomic_store(&g->done, true);
	return NULL;
}

static int sealing_end(struct evlog_writer *w, evlog_error *err)
{
	struct sealing *g = w->sealing;

	if (!g)
		return 0;
	if (g->threaded)
		pthread_join(g->thread, NULL);
	int r = g->result;
	if (r < 0)
		*err = g->err;
	free(g->log.segments);
	free(g->log.catalogues);
	free(g->log.path);
	free(g);
	w->sealing = NULL;
	return r < 0 ? r : 0;
}

static int sealing_begin(
    struct evlog_writer *w, bool all, bool threaded, evlog_error *err)
{
	struct sealing *g = calloc(1, sizeof *g);

	if (!g || !(g->log.path = strdup(w->log.path))) {
		free(g);
		return error_memory(err);
	}
	g->log.dir_fd = w->log.dir_fd;
	g->log.head = w->log.head;
	g->level = w->o.level;
	g->max_line = w->max_line;
	g->all = all;
	w->sealing = g;
	w->rolled = false;
	g->threaded = threaded && pthread_create(&g->thread, NULL, log_seal, g) == 0;
	if (!g->threaded)
		log_seal(g);
	return 0;
}

int evlog_writer_seal(evlog_writer *w, bool wait, evlog_error *err)
{
	int r = 0;

	OWN_ERROR(err);
	NEED(w, err);
	REFUSE(w->committing.begun, WRITER_BEGUN, err);
	if (w->sealing && !wait && !atomic_load(&w->sealing->done))
		return 0;
	r = sealing_end(w, err);
	if (!r && w->rolled)
		r = sealing_begin(w, false, !wait, err);
	return r || !wait ? r : sealing_end(w, err);
}

int evlog_writer_reindex(evlog_writer *w, evlog_error *err)
{
	OWN_ERROR(err);
	NEED(w, err);
	REFUSE(w->committing.begun, WRITER_BEGUN, err);
	int r = sealing_end(w, err);
	if (!r && !w->absent)
		r = sealing_begin(w, true, false, err);
	return r ? r : sealing_end(w, err);
}
