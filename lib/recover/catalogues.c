/* catalogues.c - the catalogues of a log that can be used. */
#include "recover/catalogues.h"
#include "base/error.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Whether the segments in the catalogue are those of the list, with another one after
 * them. */
static bool is_of(const struct catalogue *c, const struct log *l)
{
	bool same = log_has(l, c->first);

	for (uint32_t i = 0; i < c->n && same; i++)
		same = log_after(l, c->at[i].first_seq) == c->at[i].last_seq + 1;
	return same;
}

/* Whether the root after a catalogue is that of the segment after it, whose header is
 * attested by what follows.  Returns EVLOG_END if not. */
static int root_check(const struct catalogue *c, const struct log *l, evlog_error *err)
{
	struct segment next;

	int r = segment_open(&next, l->dir_fd, l->path, c->last + 1, NULL, false, err);
	bool same = !r && memcmp(next.header.root, c->at[c->n - 1].root, HASH_SIZE) == 0;
	segment_close(&next);
	return same || (r && r != EVLOG_EDAMAGED && r != EVLOG_ENOINPUT) ? r : EVLOG_END;
}

int catalogues_open(
    struct catalogues *set, const struct log *l, bool keep, evlog_error *err)
{
	*set = (struct catalogues){0};
	if (l->n_catalogues == 0)
		return 0;
	set->at = calloc(l->n_catalogues, sizeof *set->at);
	if (!set->at)
		return error_memory(err);
	for (size_t i = 0; i < l->n_catalogues; i++) {
		const struct catalogue_span *s = &l->catalogues[i];
		struct catalogue *c = &set->at[set->n];
		if (set->n && s->first <= c[-1].last)
			continue;
		int r = catalogue_open(c, l->dir_fd, s->first, s->last, err);
		if (r == EVLOG_END)
			continue;
		if (!r)
			r = is_of(c, l) ? root_check(c, l, err) : EVLOG_END;
		if (!keep)
			catalogue_release(c);
		if (!r)
			set->n++;
		else
			catalogue_close(c);
		if (r < 0) {
			catalogues_close(set);
			return r;
		}
	}
	return 0;
}

void catalogues_close(struct catalogues *set)
{
	for (size_t i = 0; i < set->n; i++)
		catalogue_close(&set->at[i]);
	free(set->at);
	*set = (struct catalogues){0};
}

static int seq_against_catalogue(const void *key, const void *element)
{
	const struct catalogue *c = element;
	uint64_t seq = *(const uint64_t *)key;

	return seq < c->first ? -1 : seq > c->last;
}

static int seq_against_segment(const void *key, const void *element)
{
	const struct catalogue_segment *s = element;
	uint64_t seq = *(const uint64_t *)key;

	return seq < s->first_seq ? -1 : seq > s->last_seq;
}

const struct catalogue_segment *catalogues_find(
    struct catalogues *set, uint64_t first_seq, struct catalogue **of)
{
	struct catalogue *c = set->n ? bsearch(&first_seq, set->at, set->n,
					   sizeof *set->at, seq_against_catalogue)
				     : NULL;
	const struct catalogue_segment *s =
	    c ? bsearch(&first_seq, c->at, c->n, sizeof *c->at, seq_against_segment)
	      : NULL;

	*of = c;
	return s && s->first_seq == first_seq ? s : NULL;
}

bool catalogue_segment_is(const struct catalogue_segment *s, int dir_fd)
{
	char name[SEGMENT_NAME_SIZE];
	struct stat st;

	segment_name(name, s->first_seq);
	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && (uint64_t)st.st_size == s->size;
}
