/* fold.c - creating and freeing a fold, and its counts. */
#include "fold/fold.h"
#include "base/error.h"
#include "base/options.h"

#include <stdlib.h>

int evlog_fold_new(evlog_fold **f, evlog_error *err)
{
	NEED(f, err);
	*f = calloc(1, sizeof **f);
	return *f ? 0 : error_memory(err);
}

const char *fold_unsettled(const evlog_fold *f)
{
	return fold_is_busy(f) ? "threads are folding; call evlog_fold_finish first"
	       : f->failed     ? FOLD_FAILED
			       : NULL;
}

uint64_t evlog_fold_seq(const evlog_fold *f)
{
	return f ? f->at_seq : 0;
}

void evlog_fold_counts(const evlog_fold *f, uint64_t *keyless, uint64_t *unusable)
{
	if (!keyless || !unusable)
		return;
	bool known = f && !fold_is_busy(f);
	*keyless = known ? f->keyless : 0;
	*unusable = known ? f->unusable + f->compared.other : 0;
}

/* Whether a path of the reducer has found nothing in any event. */
static bool has_missed(const evlog_fold *f, const struct reducer *r)
{
	bool missed = r->path && f->met[r->slot] == 0;

	for (size_t i = 0; i < r->where.n; i++)
		missed |= r->where.at[i].op != CONDITION_LACKS &&
			  f->met[r->where.at[i].slot] == 0;
	return missed;
}

const char *evlog_fold_missed(const evlog_fold *f, size_t *i, uint64_t *events)
{
	if (!f || !i || !events || fold_is_busy(f))
		return NULL;
	*events = f->folded;
	for (; f->folded && *i < f->n; ++*i)
		if (has_missed(f, &f->reducers[*i]))
			return f->reducers[(*i)++].text;
	return NULL;
}

void evlog_fold_free(evlog_fold *f)
{
	if (!f)
		return;
	if (f->sink)
		f->sink->kind->close(f->sink);
	emitter_free(f->emitter);
	fold_pool_free(f);
	groups_free(&f->groups, f->reducers, f->n);
	for (size_t i = 0; i < f->n; i++)
		reducer_free(&f->reducers[i]);
	program_close(f->program);
	free(f->reducers);
	path_trie_free(&f->trie);
	free(f->room);
	free(f->met);
	free(f->changed);
	free(f->key);
	buf_free(&f->identity);
	buf_free(&f->scratch);
	where_scratch_free(&f->compared);
	buf_free(&f->row);
	buf_free(&f->stop);
	free(f);
}
