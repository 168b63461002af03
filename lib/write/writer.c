/*
 * writer.c - opens a log for appending, and checks and completes the lines that will make
 * up the next commit.
 */
#include "write/writer.h"
#include "base/error.h"
#include "base/options.h"
#include "base/os.h"
#include "event/attributes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define SEGMENT_FULL (64u << 20)
#define ENOUGH	     (4u << 20)	 /* start a commit if no other is running, */
#define FULL	     (12u << 20) /* wait for the running one to be written, */
#define SYNCING	     (4u << 20)	 /* and add no more than this while it syncs */

/* ---- Opening ---- */

/* "/" and the name of the log without .evlog, as a URI-reference. */
static char *default_source(const char *path)
{
	struct buf b = {0};
	char *real = realpath(path, NULL);
	const char *name = real ? strrchr(real, '/') : NULL;
	size_t n;

	name = name ? name + 1 : path;
	n = strlen(name);
	if (n > 6 && strcmp(name + n - 6, ".evlog") == 0)
		n -= 6;
	buf_putc(&b, '/');
	for (size_t i = 0; i < n; i++) {
		struct view c = {name + i, 1};
		if (name[i] != '%' && attribute_is_uri(c))
			buf_putc(&b, name[i]);
		else
			buf_printf(&b, "%%%02X", (unsigned char)name[i]);
	}
	buf_putc(&b, '\0');
	free(real);
	if (b.failed) {
		buf_free(&b);
		return NULL;
	}
	return b.p;
}

/* Why the options make no sense; NULL: they do. */
static const char *options_wrong(const struct evlog_writer_options *o)
{
	bool from = o->type_from || o->subject_from || o->time_from || o->id_from ||
		    o->source_from;

	for (size_t i = 0; i < o->n_expect_subjects; i++)
		if (!o->expect_subjects || !o->expect_subjects[i].subject)
			return "an expected subject is NULL";
	return !block_level_exists(o->level) ? "there is no such level"
	       : o->lock_wait_ms < 0	     ? "lock_wait_ms must not be negative"
	       : o->mode & ~0777u	     ? "mode must not be greater than 0777"
	       : o->dedup_window > DEDUP_MOST
		   ? "dedup_window must not be greater than 4294967294"
	       : !o->dedup && (o->dedup_window || o->dedup_by_id)
		   ? "dedup_window and dedup_by_id need dedup"
	       : o->strict && o->no_sync ? "strict and no_sync exclude each other"
	       : o->text && from	 ? "text has no members that a path could find"
	       : from && !o->type_from && !o->type ? "a path needs type or type_from"
	       : o->require && !from		   ? "require needs a path"
	       : o->replica && o->promote ? "replica and promote exclude each other"
	       : o->replica && (o->text || from || o->type || o->subject || o->source ||
				   o->dedup || o->check)
		   ? "replica excludes dedup, check, and all that completes an event"
		   : NULL;
}

int evlog_writer_open(evlog_writer **out, const char *path,
    const struct evlog_writer_options *given, evlog_error *err)
{
	struct evlog_writer_options sound;

	OWN_ERROR(err);
	NEED(out, err);
	*out = NULL;
	NEED(path, err);
	int r = options_take(&sound, sizeof sound,
	    END_OF(struct evlog_writer_options, require), given, err);
	if (r)
		return r;
	const char *wrong = options_wrong(&sound);
	REFUSE(wrong, wrong, err);
	if ((r = absences_parse(&sound, err)) != 0)
		return r;
	if (archive_in_path(path) && evlog_path_is_log(path))
		return error_set(err, EVLOG_EUSAGE, "%s: can only be read; append to %s",
		    path, log_path(path));
	struct evlog_writer *w = calloc(1, sizeof *w);
	if (!w)
		return error_memory(err);
	w->o = sound;
	const struct evlog_writer_options *o = &w->o;
	w->log.dir_fd = w->log.head_fd = w->seg.fd = w->lock_fd = -1;
	if (!w->o.max_event || w->o.max_event > EVLOG_MAX_EVENT)
		w->o.max_event = EVLOG_MAX_EVENT;
	/* it must be able to read what it writes */
	w->max_line = w->o.max_event > EVLOG_MAX_LINE ? w->o.max_event : EVLOG_MAX_LINE;
	if (!w->o.segment_size)
		w->o.segment_size = SEGMENT_FULL;
	os_boot_id(w->boot_id);
	r = intake_init(&w->intake, o, "/", err);
	if (!r)
		r = writer_log_open(w, path, err);
	if (!r) {
		w->codec = block_codec_new(o->level);
		if (w->codec)
			block_codec_limit(w->codec, w->max_line);
		w->encoder = block_encoder_new(o->threads, o->level);
		w->source = default_source(path);
		if (o->dedup)
			w->dedup = dedup_new(o->dedup_window, o->dedup_by_id);
		if (!w->codec || !w->encoder || !w->source || (o->dedup && !w->dedup))
			r = error_memory(err);
	}
	if (!r && !o->source)
		w->intake.source = w->source;
	if (r) {
		evlog_writer_close(w);
		return r;
	}
	*out = w;
	return 0;
}

void evlog_writer_close(evlog_writer *w)
{
	struct evlog_ack unheard;

	if (!w)
		return;
	evlog_writer_end(w, &unheard, NULL);
	evlog_writer_seal(w, true, NULL);
	intake_free(&w->intake);
	dedup_free(w->dedup);
	block_codec_free(w->codec);
	block_encoder_free(w->encoder);
	segment_close(&w->seg);
	if (w->lock_fd >= 0)
		close(w->lock_fd);
	log_close(&w->log);
	batch_free(&w->next);
	batch_free(&w->now);
	carry_free(&w->told);
	carry_free(&w->carried);
	buf_free(&w->origin.cursors);
	free(w->probe);
	buf_free(&w->rejected);
	buf_free(&w->extension);
	free(w->source);
	free(w);
}

/* ---- What waits for a commit ---- */

static int where(evlog_error *err, const char *name, uint64_t line)
{
	char reason[256];

	if (!err)
		return EVLOG_EDATA;
	memcpy(reason, err->reason, sizeof reason);
	return error_at(err, name, line, err->column ? err->column : 1, "%s", reason);
}

static int too_long(
    struct evlog_writer *w, const char *name, uint64_t line_no, evlog_error *err)
{
	return error_at(err, name, line_no, 1,
	    "the event would be longer than %" PRIu64 " bytes (--max-line)",
	    w->o.max_event);
}

int writer_complete(struct evlog_writer *w, const char *line, size_t len,
    const char *name, uint64_t line_no, struct buf *out, evlog_error *err)
{
	struct intake_event e;

	int r = intake_line(&w->intake, line, len, out, &e, err);
	return r == EVLOG_EDATA ? where(err, name, line_no) : r;
}

/* Shows an event, without its stamp, to the caller's check. */
static int checked(struct evlog_writer *w, size_t start, const char *name,
    uint64_t line_no, evlog_error *err)
{
	char *event = w->next.raw.p + start + STAMP_SIZE - 1, before = *event;
	evlog_error why = {0};

	*event = '{'; /* where the stamp ends with a comma */
	int r =
	    w->o.check(w->o.check_arg, event, w->next.raw.len - start - STAMP_SIZE, &why);
	*event = before;
	if (r == EVLOG_EDATA)
		return error_at(err, name, line_no, 1, "%s", why.text);
	if (r && err)
		*err = why;
	return r;
}

int evlog_writer_add(evlog_writer *w, const char *line, size_t len, const char *name,
    uint64_t line_no, evlog_error *err)
{
	struct intake_event e;

	NEED(w && line && name, err);
	struct buf *raw = &w->next.raw;
	size_t start = raw->len;
	if (!w->o.text && memchr(line, '\n', len))
		return error_at(err, name, line_no, 1, "it is more than one line");
	if (w->o.replica)
		carry_expect(w);
	int r = intake_line(&w->intake, line, len, raw, &e, err);
	if (r == EVLOG_EDATA)
		return where(err, name, line_no);
	if (!r && raw->len - start > w->o.max_event + 1)
		r = too_long(w, name, line_no, err);
	if (!r && w->o.check)
		r = checked(w, start, name, line_no, err);
	if (!r)
		r = replica_follows(w, &e, name, line_no, err);
	if (!r && w->o.replica)
		r = carry_line(w, e.seq, name, line_no, err);
	if (!r && w->o.atomic && raw->len > ATOMIC_MAX)
		r = error_set(err, EVLOG_EDATA,
		    "%s:%" PRIu64 ": a commit cannot be larger than 64 MiB", name,
		    line_no);
	if (!r && !batch_add(&w->next, start, &e, name, line_no))
		r = error_memory(err);
	if (r)
		raw->len = start;
	else if (w->o.replica)
		carry_added(w);
	return r;
}

size_t evlog_writer_missed(const evlog_writer *w, struct evlog_missed out[FROM_COUNT])
{
	size_t n = 0;

	for (int i = 0; w && out && i < FROM_COUNT; i++) {
		const struct intake_path *p = &w->intake.from[i];
		if (p->path)
			out[n++] = (struct evlog_missed){
			    from_name[i], p->text, w->intake.wrapped, p->missed};
	}
	return n;
}

const char *evlog_writer_extension(const evlog_writer *w)
{
	return w && *w->intake.extension ? w->intake.extension : NULL;
}

bool evlog_writer_created(const evlog_writer *w)
{
	return w && w->created;
}

size_t evlog_writer_pending(const evlog_writer *w)
{
	if (!w)
		return 0;
	const struct batch *b = &w->next;
	/* a replica waits for the rest of a commit */
	size_t n = w->o.replica && b->whole < b->n ? b->at[b->whole].offset : b->raw.len;
	return n + (w->committing.begun ? 0 : w->now.raw.len);
}

bool evlog_writer_full(evlog_writer *w)
{
	if (!w)
		return false;
	struct committing *c = &w->committing;
	size_t have = w->next.raw.len;
	if (w->o.atomic || (w->o.replica && w->next.whole == 0))
		return false;
	if (w->o.replica && w->told.bytes > CURSORS_GATHER)
		return true;
	if (have < ENOUGH)
		return false;
	if (w->o.threads > 1 && (!c->begun || atomic_load(&c->done)))
		return true;
	if (have < FULL || !c->begun)
		return have >= FULL;
	/* it needs the processors until it has written, but not while it syncs */
	while (!c->write_phase_seen && sem_wait(&c->written) == 0)
		c->write_phase_seen = true;
	return atomic_load(&c->done) || have >= FULL + SYNCING;
}
