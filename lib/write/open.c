/* open.c - opens the log directory of a writer, or creates it. */
#include "base/error.h"
#include "base/os.h"
#include "write/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

static int dir_open(struct evlog_writer *w, const char *path, evlog_error *err)
{
	bool foreign, empty;

	int r = log_open(&w->log, path, true, err);
	if (r == 0 && w->log.head_fd < 0) {
		r = log_list(&w->log, err);
		if (!r)
			r = log_is_foreign(&w->log, &foreign, &empty, err);
		if (!r && !foreign)
			return head_create(w, err);
		if (!r && !empty)
			return error_set(err, EVLOG_ECREATE,
			    "%s: not a log, and not empty; choose a new or empty "
			    "directory",
			    path);
		if (!r)
			r = EVLOG_ENOINPUT;
	}
	if (r == EVLOG_ENOINPUT && err && err->sys == ENOTDIR)
		return error_set(
		    err, EVLOG_ECREATE, "%s: exists and is not a log directory", path);
	return r;
}

/* A seq that an expectation says exists; 0: none does. */
static uint64_t seq_expected(const struct evlog_writer_options *o)
{
	for (size_t i = 0; i < o->n_expect_subjects; i++)
		if (o->expect_subjects[i].seq)
			return o->expect_subjects[i].seq;
	for (size_t i = 0; i < o->n_expect_none; i++)
		if (o->expect_none[i].seq)
			return o->expect_none[i].seq;
	return o->expect_seq;
}

static int remote_check(const struct evlog_writer *w, evlog_error *err)
{
	if (w->o.force || !os_is_remote(w->log.head_fd))
		return 0;
	return error_set(err, EVLOG_EPERM,
	    "%s: on a network file system, where locks can be lost; append anyway with "
	    "--force",
	    w->log.path);
}

int writer_create(struct evlog_writer *w, evlog_error *err)
{
	const struct origin *origin = w->origin.known ? &w->origin : NULL;
	char *path = w->log.path;

	if (origin && !origin->all && w->now.n == 0)
		return error_set(err, EVLOG_EDATA,
		    "%s: not created: the stream has no event, and not the places of all "
		    "consumers; let it begin at another event",
		    path);
	w->log.path = NULL;
	log_close(&w->log);
	int r = log_create(path, w->o.mode, origin, err);
	if (r) {
		w->log.path = path;
		return r;
	}
	r = dir_open(w, path, err);
	free(path);
	w->absent = r != 0;
	w->created = !r;
	return r ? r : remote_check(w, err);
}

int writer_log_open(struct evlog_writer *w, const char *path, evlog_error *err)
{
	int r = dir_open(w, path, err);

	if (r == EVLOG_ENOINPUT && w->o.no_create)
		return error_set(err, r, "%s: no such log", path);
	uint64_t expected = seq_expected(&w->o);
	if (r == EVLOG_ENOINPUT && expected)
		return error_set(err, EVLOG_ECONFLICT,
		    "%s: no such log: the last seq is 0, not %" PRIu64
		    "; nothing was appended",
		    path, expected);
	if (r == EVLOG_ENOINPUT) {
		w->absent = true;
		return w->o.replica ? 0 : writer_create(w, err);
	}
	return r ? r : remote_check(w, err);
}
