/* salvage.c - finds whatever is intact after damage. */
#include "base/error.h"
#include "read/reader_internal.h"

#include <sys/stat.h>

#define FRAME_HEADER 18 /* longest header of a zstd frame */

/* A candidate that turns out damaged costs time, and a crafted file can nest very many.
 * The bytes tried in vain are limited to TRIED_FREE plus TRIED_EACH times the bytes
 * passed. */
#define TRIED_FREE (64u << 20)
#define TRIED_EACH 16

static bool may_try(const struct log_reader *r, uint64_t size)
{
	return r->tried + size <= TRIED_FREE + TRIED_EACH * r->at;
}

/* Moves r->at to the next place before limit where a block or a frame may start. */
static int start_find(struct log_reader *r, uint64_t limit, evlog_error *err)
{
	const char *p;

	while ((r->at = segment_data(&r->seg, r->at, limit)) + 4 <= limit) {
		uint64_t in = r->at - r->seg.window_at;
		bool inside = r->at >= r->seg.window_at && in + 4 <= r->seg.window.len;
		size_t n = inside ? r->seg.window.len - (size_t)in : 4;
		int res = segment_bytes(&r->seg, r->at, n, STREAM, &p, err);
		if (res || !p)
			return res ? res : EVLOG_END;
		n = r->seg.window.len - (size_t)(p - r->seg.window.p);
		size_t i = 0;
		while (i + 4 <= n && get32(p + i) != BLOCK_MAGIC &&
		       get32(p + i) != FRAME_MAGIC)
			i++;
		r->at += i;
		if (i + 4 <= n)
			return r->at + 4 <= limit ? 0 : EVLOG_END;
	}
	return EVLOG_END;
}

/* Reads the block at r->at.  Returns EVLOG_END if there is no intact one. */
static int whole_block(
    struct log_reader *r, uint64_t limit, struct evlog_lines *lines, evlog_error *err)
{
	evlog_error why;
	struct block b;

	if (segment_block(&r->seg, r->at, limit, STREAM, &b, &why) != 0 ||
	    !may_try(r, b.packed_size))
		return EVLOG_END;
	int res = segment_unpack(&r->seg, r->codec, &b, &r->lines, &why);
	if (res == EVLOG_EDAMAGED) {
		r->tried += b.packed_size;
		return EVLOG_END;
	}
	r->at = block_end(&b);
	lines->leaves = b.flags & BLOCK_LEAVES;
	if (res && err)
		*err = why;
	return res;
}

/* Reads the frame at r->at, whose header is lost.  Returns EVLOG_END if there is no
 * intact one. */
static int whole_frame(struct log_reader *r, uint64_t limit, evlog_error *err)
{
	bool failed = false;
	uint64_t left = limit - r->at;
	const char *p;

	size_t n = left < FRAME_HEADER ? (size_t)left : FRAME_HEADER;
	int res = segment_bytes(&r->seg, r->at, n, STREAM, &p, err);
	if (res || !p)
		return res ? res : EVLOG_END;
	size_t most = block_frame_most(r->codec, p, n);
	n = left < most ? (size_t)left : most;
	if (n == 0 || !may_try(r, n))
		return EVLOG_END;
	res = segment_bytes(&r->seg, r->at, n, STREAM, &p, err);
	if (res || !p)
		return res ? res : EVLOG_END;
	size_t size = block_unpack_bare(r->codec, p, n, &r->lines, &failed);
	if (failed)
		return error_memory(err);
	r->tried += size ? 0 : n;
	r->at += size;
	return size ? 0 : EVLOG_END;
}

/* Reads the next intact block, or frame with a damaged header, at or after r->at in the
 * open segment.  Returns EVLOG_END if there is none. */
static int whole_next(struct log_reader *r, struct evlog_lines *lines, evlog_error *err)
{
	struct stat st;
	int res;

	if (fstat(r->seg.fd, &st) < 0)
		return error_sys(err, "%s", r->seg.path);
	uint64_t limit = (uint64_t)st.st_size;
	while ((res = start_find(r, limit, err)) == 0) {
		lines->leaves = false;
		res = whole_block(r, limit, lines, err);
		if (res == EVLOG_END)
			res = whole_frame(r, limit, err);
		if (res != EVLOG_END)
			return res;
		r->at++;
	}
	return res;
}

/* Removes lines that were delivered already (a duplicated block), and lines whose seq
 * belongs to the next segment. */
static void lines_within(struct evlog_lines *lines, uint64_t after, uint64_t before)
{
	struct evlog_lines rest = *lines;
	struct evlog_event e;

	while (evlog_lines_take(&rest, &e) && e.seq <= after)
		*lines = rest;
	for (rest = *lines; evlog_lines_take(&rest, &e);)
		if (e.seq >= before) {
			lines->len = (size_t)(e.line - lines->p);
			return;
		}
}

int salvage_next(struct log_reader *r, struct evlog_lines *lines, evlog_error *err)
{
	struct block all = {.first_seq = 1, .count = 1, .first_logtime = EVLOG_TIME_MIN};
	struct evlog_event e;
	int res = r->seg.fd >= 0 ? whole_next(r, lines, err) : EVLOG_END;

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
	lines->p = r->lines.p;
	lines->len = r->lines.len;
	lines_within(lines, r->emitted,
	    r->at_segment + 1 < r->log.n ? r->log.segments[r->at_segment + 1]
					 : UINT64_MAX);
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
