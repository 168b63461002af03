/* wait.c - how far a log is ahead of its newest backup, and waiting until it is time for
 * another one. */
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/options.h"
#include "base/os.h"
#include "read/reader.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 200 /* look at least this often for a stop, or without a watch */

/* Gets the last event, as head records it; a commit that head does not record yet waits
 * for the next look. */
static int last_get(const struct log *l, uint64_t *seq, evlog_error *err)
{
	enum head_state state = HEAD_LOST;
	struct head h = {0};

	int r =
	    l->head_fd < 0 ? 0 : head_read(l->head_fd, &h, &state, true, l->path, err);
	if (!r && log_is_replaced(l))
		r = error_set(err, EVLOG_EMISMATCH,
		    "%s: the log was removed, or another one has its name", l->path);
	*seq = state == HEAD_LOST ? 0 : h.tree.n;
	return r;
}

int evlog_backup_wait(const char *log, uint64_t seq, uint64_t events, int64_t span,
    const volatile sig_atomic_t *stop, evlog_error *err)
{
	struct log l = {.dir_fd = -1, .head_fd = -1};
	const int64_t begun = file_clock();
	int watch = os_watch_open();
	uint64_t last = 0;

	OWN_ERROR(err);
	NEED(log, err);
	REFUSE(span < 0, "the span is negative", err);
	if (watch >= 0)
		log_watch(watch, log);
	int r = log_open(&l, log, false, err);
	while (!r && !(stop && *stop)) {
		int64_t passed = (file_clock() - begun) / 1000;
		r = last_get(&l, &last, err);
		bool enough = events && last >= seq && last - seq >= events;
		if (r || passed >= span || enough)
			break;
		int64_t left = (span - passed) / 1000 + 1;
		struct pollfd p = {.fd = watch, .events = POLLIN};
		/* only a number of events is worth a look at each commit */
		poll(&p, events && watch >= 0, left < LOOK_MS ? (int)left : LOOK_MS);
		if (watch >= 0)
			os_watch_clear(watch);
	}
	if (!r)
		r = last_get(&l, &last, err);
	if (watch >= 0)
		close(watch);
	log_close(&l);
	return r ? r : last == seq ? EVLOG_END : 0;
}

int evlog_backup_lag(const char *log, const struct evlog_point *point, uint64_t max_line,
    uint64_t *events, evlog_error *err)
{
	const struct bounds b = {.max_line = max_line, BOUNDS_ANY_TIME};
	struct evlog_position at = {.seq = 0};
	const unsigned char *root;
	struct log_reader *r;
	uint64_t last = 0;

	OWN_ERROR(err);
	NEED(log && point && events, err);
	at.seq = point->seq;
	memcpy(at.root, point->root, sizeof at.root);
	memcpy(at.lineage, point->lineage, sizeof at.lineage);
	memset(at.log, '0', sizeof at.log - 1); /* whatever its id: the root decides */
	int res = evlog_position_check(log, &at, max_line, err);
	if (!res)
		res = log_reader_open(&r, log, &b, false, false, err);
	if (!res) {
		log_reader_end(r, &last, &root);
		log_reader_close(r);
		*events = last > point->seq ? last - point->seq : 0;
	}
	return res;
}
