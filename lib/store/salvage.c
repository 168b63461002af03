/* salvage.c - behind damage: whatever is whole. */
#include "base/error.h"
#include "store/reading.h"

#include <sys/stat.h>

/* In the open segment: the next thing at or behind r->at that is whole, a
 * block or a bare frame whose header is not.  EVLOG_END: nothing more in here. */
static int whole_next(struct log_reader *r, evlog_error *err)
{
	struct stat st;
	const char *p;
	struct block b;

	if (fstat(r->seg.fd, &st) < 0)
		return error_sys(err, "%s", r->seg.path);
	uint64_t limit = (uint64_t)st.st_size;
	while (r->at < limit) {
		evlog_error ignored;
		if (segment_block(&r->seg, r->at, limit, STREAM, &b, &ignored) == 0) {
			int res =
			    segment_unpack(&r->seg, r->codec, &b, &r->lines, &ignored);
			if (res != EVLOG_EDAMAGED) {
				r->at = block_end(&b);
				if (err)
					*err = ignored;
				return res;
			}
		}
		size_t left =
		    limit - r->at < (64u << 20) ? (size_t)(limit - r->at) : 64u << 20;
		int res =
		    segment_bytes(&r->seg, r->at, left < 4 ? left : 4, STREAM, &p, err);
		if (res)
			return res;
		if (p && left > 9 && get32(p) == 0xfd2fb528u) {
			res = segment_bytes(&r->seg, r->at, left, 0, &p, err);
			bool failed = false;
			size_t size = p && !res ? block_unpack_bare(r->codec, p, left,
						      &r->lines, &failed)
						: 0;
			if (failed)
				return error_memory(err);
			if (size) {
				r->at += size;
				return 0;
			}
		}
		r->at++;
	}
	return EVLOG_END;
}

/* Takes off what was delivered already (a duplicated block), line by line. */
static void lines_after(struct evlog_lines *lines, uint64_t seq)
{
	struct evlog_lines rest = *lines;
	struct evlog_event e;

	while (evlog_lines_take(&rest, &e) && e.seq <= seq)
		*lines = rest;
}

int salvage_next(struct log_reader *r, struct evlog_lines *lines, evlog_error *err)
{
	struct block all = {.first_seq = 1, .count = 1, .first_logtime = EVLOG_TIME_MIN};
	struct evlog_event e;
	int res = r->seg.fd >= 0 ? whole_next(r, err) : EVLOG_END;

	lines->len = 0;
	if (res == EVLOG_END) {
		if (r->at_segment + 1 >= r->log.n ||
		    r->log.segments[r->at_segment] >= r->end.segment) {
			r->finished = true;
			return 0;
		}
		r->anywhere = true;
		res = reader_enter(r, r->at_segment + 1, err);
		if (res == EVLOG_EDAMAGED) {
			verdict_keep(r, err);
			r->salvaging = true;
			return 0;
		}
		return res;
	}
	if (res)
		return res;
	*lines = (struct evlog_lines){r->lines.p, r->lines.len};
	lines_after(lines, r->emitted);
	struct evlog_lines rest = *lines;
	while (evlog_lines_take(&rest, &e)) {
		r->emitted = e.seq;
		r->next_seq = e.seq + 1;
	}
	all.last_logtime = EVLOG_TIME_MAX;
	all.count = (uint32_t)-1;
	lines_trim(&r->bounds, &all, lines);
	return 0;
}
