/*
 * committed_end.c - finds where the committed bytes of a log end, for a reader.
 *
 * Usually head records it.  Head may not know the end if the machine was restarted since,
 * if one of its records is damaged, or if a writer died before it wrote head.  Then the
 * whole commits after it count, too, because the next writer will keep them.
 */
#include "base/error.h"
#include "base/file.h"
#include "base/os.h"
#include "recover/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#define TRIES 10 /* writers may keep changing the log meanwhile */

void log_end_of_head(const struct head *h, struct log_end *e)
{
	e->segment = h->segment;
	e->offset = h->committed;
	e->block = h->last_block;
	e->seq = h->tree.n;
	memcpy(e->root, h->root, HASH_SIZE);
}

void log_end_of_seal(const struct segment *s, struct log_end *e)
{
	const struct seal *seal = &s->header.seal;

	e->segment = s->first_seq;
	e->offset = seal->end;
	e->block = seal->block;
	e->seq = seal->last_seq;
	memcpy(e->root, seal->root, HASH_SIZE);
}

/* Sets *left if there are bytes after the end that head records, and nobody is writing
 * them: the writer died, or head's last record was lost with its file system, which needs
 * no reboot.  Sets *old if head has been written since it was read: the bytes may be of a
 * commit that somebody else has read already. */
static int left_behind(
    const struct log *l, const struct log_end *e, bool *left, bool *old, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE];
	enum head_state state;
	struct stat st;
	struct head now;

	*left = *old = false;
	segment_name(name, e->segment);
	if (fstatat(l->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_sys(err, "%s/%s", l->path, name);
	if ((uint64_t)st.st_size <= e->offset && l->segments[l->n - 1] <= e->segment)
		return 0;
	int writing = os_is_locked(l->head_fd, HEAD_SIZE);
	if (writing < 0)
		return error_sys(err, "%s/head", l->path);
	int res = head_read(l->head_fd, &now, &state, true, l->path, err);
	*old = !res && (state != HEAD_WHOLE || now.generation != l->head.generation);
	*left = !res && !*old && !writing;
	return res;
}

/* Moves the end to what a step of the walk has found.  Syncs it first: an event that
 * somebody has read must not be missing after a power cut. */
static int end_take(const struct recovery *w, struct log_end *e, evlog_error *err)
{
	const struct tail *t = &w->tail;

	if (t->end > w->known && !segment_is_sealed(w->seg) &&
	    os_sync_data(w->seg->fd) < 0)
		return error_sys(err, "%s", w->seg->path);
	e->segment = w->seg->first_seq;
	e->offset = t->end;
	e->block = t->last_block;
	e->seq = t->tree.n;
	memcpy(e->root, t->root, HASH_SIZE);
	return 0;
}

static void verdict_add(evlog_error *verdict, const evlog_error *found)
{
	if (!verdict->code)
		*verdict = *found;
}

/* Looks for whole commits after what head knows, in this segment and later ones. */
static int end_extend(struct log *l, struct block_codec *c, struct log_end *e,
    const unsigned char boot_id[16], evlog_error *verdict, evlog_error *err)
{
	struct segment seg;
	struct recovery w = {.log = l, .codec = c, .seg = &seg, .listed = true};
	evlog_error found;

	int res = segment_open(&seg, l->dir_fd, l->path, e->segment, l->id, false, err);
	if (res) {
		segment_close(&seg); /* reading finds and reports it again */
		return res == EVLOG_EDAMAGED || res == EVLOG_ENOINPUT ? 0 : res;
	}
	recovery_begin(&w, boot_id);
	while ((res = recovery_step(&w, &found, err)) == 0) {
		verdict_add(verdict, &found);
		if (w.unfinished)
			l->n--; /* the next writer removes it */
		else if ((res = end_take(&w, e, err)) != 0)
			break;
	}
	segment_close(&seg);
	if (res != EVLOG_END)
		return res;
	verdict_add(verdict, &found);
	if (w.start == RECOVERY_UNSYNCED && e->seq < l->head.tree.n && !verdict->code) {
		recovery_lost(e->seq, &l->head, found.reason, sizeof found.reason);
		error_set(verdict, EVLOG_EDAMAGED, "%s: %s", l->path, found.reason);
	}
	return 0;
}

/* Head is lost: begin at the last segment.  The log id comes from the last one with an
 * intact header. */
static int end_without_head(struct log *l, struct log_end *e, evlog_error *err)
{
	struct segment seg;
	int res = EVLOG_EDAMAGED;

	e->segment = l->segments[l->n - 1];
	for (size_t i = l->n; i > 0 && res == EVLOG_EDAMAGED; i--) {
		res = segment_open(
		    &seg, l->dir_fd, l->path, l->segments[i - 1], NULL, false, err);
		if (!res)
			memcpy(l->id, seg.header.id, ID_SIZE);
		segment_close(&seg);
	}
	return res == EVLOG_EDAMAGED ? 0 : res;
}

/* Finds the end once; sets *walked if a writer may have changed what was examined. */
static int end_find(struct log *l, struct block_codec *c, struct log_end *e, bool *walked,
    evlog_error *verdict, evlog_error *err)
{
	const struct head *h = &l->head;
	unsigned char boot_id[16];

	*walked = true;
	os_boot_id(boot_id);
	if (l->state == HEAD_LOST) {
		int res = end_without_head(l, e, err);
		if (res)
			return res;
		error_set(verdict, EVLOG_EDAMAGED,
		    "%s/head: missing or damaged; all complete commits are read, and the "
		    "next append restores it",
		    l->path);
		return end_extend(l, c, e, boot_id, verdict, err);
	}
	log_end_of_head(h, e);
	memcpy(l->id, h->id, ID_SIZE);
	if (l->state == HEAD_HALF && boot_is(h->boot_id, boot_id)) /* else: power cut */
		error_set(verdict, EVLOG_EDAMAGED,
		    "%s/head: one of its two records is damaged; all complete commits "
		    "are read, and the next append repairs it",
		    l->path);
	if (l->state == HEAD_WHOLE && boot_is(h->boot_id, boot_id)) {
		bool left, old;
		int res = left_behind(l, e, &left, &old, err);
		*walked = left || old;
		if (res || !left)
			return res;
	}
	return end_extend(l, c, e, boot_id, verdict, err);
}

/* Sets *came if a writer may have begun a commit while the blocks after head's end were
 * walked: blocks of such a commit must not count. */
static int writer_came(struct log *l, bool *came, evlog_error *err)
{
	struct head now;
	enum head_state state;

	*came = false;
	if (l->head_fd < 0)
		return 0;
	int locked = os_is_locked(l->head_fd, HEAD_SIZE);
	if (locked < 0)
		return error_sys(err, "%s/head", l->path);
	int res = head_read(l->head_fd, &now, &state, true, l->path, err);
	if (res)
		return res;
	unsigned char boot_id[16];
	os_boot_id(boot_id);
	bool changed = state != l->state ||
		       (state != HEAD_LOST && now.generation != l->head.generation);
	/* before it writes a block, a writer puts the current boot id into head */
	*came =
	    changed || (locked && state != HEAD_LOST && boot_is(now.boot_id, boot_id));
	if (changed) {
		l->head = now;
		l->state = state;
	}
	return *came ? log_list_again(l, err) : 0;
}

static int end_settle(struct log *l, struct block_codec *c, struct log_end *e,
    evlog_error *verdict, evlog_error *err)
{
	const evlog_error before = *verdict;
	bool walked, came = true;
	int res = 0;

	for (int i = 0; came && !res && i < TRIES; i++) {
		if (l->n == 0) /* a list that was made again */
			return error_set(
			    err, EVLOG_EDAMAGED, "%s: its segments are missing", l->path);
		*verdict = before;
		res = end_find(l, c, e, &walked, verdict, err);
		came = false;
		if (!res && walked)
			res = writer_came(l, &came, err);
		if (res == EVLOG_ENOINPUT && i + 1 < TRIES) { /* recovery removed it */
			came = true;
			res = log_list_again(l, err);
		}
	}
	/* a busy log: what its head said a moment ago */
	if (!res && came && l->state == HEAD_WHOLE)
		log_end_of_head(&l->head, e);
	return res;
}

int log_survey(struct log *l, const struct log *listed, struct block_codec *c,
    struct log_end *e, evlog_error *verdict, evlog_error *err)
{
	int res = 0;

	if (l->head_fd >= 0)
		res = head_read(l->head_fd, &l->head, &l->state, true, l->path, err);
	if (!res)
		res = listed ? log_list_copy(l, listed, err) : log_list(l, err);
	if (!res)
		res = log_first(l, err);
	if (res)
		return res;
	if (l->n == 0)
		return error_set(err, l->head_fd < 0 ? EVLOG_ENOINPUT : EVLOG_EDAMAGED,
		    l->head_fd < 0 ? "%s: not a log: it has no head and no segments"
				   : "%s: the log has a head but no segments; see "
				     "RECOVERY in evlog(7)",
		    l->path);
	return end_settle(l, c, e, verdict, err);
}
