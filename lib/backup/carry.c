/* carry.c - appends what a log has to a replica of it. */
#include "backup/carry.h"
#include "write/writer.h"

int carry_all(struct log_reader *r, evlog_writer *w, const char *name, uint64_t *written,
    size_t *dropped, evlog_error *err)
{
	struct evlog_lines lines;
	struct evlog_event e;
	struct evlog_ack ack;
	int res;

	while ((res = log_reader_next(r, &lines, err)) == 0) {
		res = carry_lines(w, &lines, err);
		for (; !res && evlog_lines_take(&lines, &e); ++*written)
			res = evlog_writer_add(w, e.line, e.len, name, e.seq, err);
		if (!res && evlog_writer_full(w))
			res = evlog_writer_commit(w, &ack, err);
		if (res)
			return res;
	}
	if (res != EVLOG_END)
		return res;
	*dropped = evlog_writer_input_end(w, true);
	*written -= *dropped;
	return *dropped || !evlog_writer_pending(w) ? 0
						    : evlog_writer_commit(w, &ack, err);
}
