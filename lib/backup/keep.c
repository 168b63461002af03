/* keep.c - removes old points, and what no point needs any more. */
#include "backup/keep.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

/* The names of the files that points need, sorted up to `sorted`. */
struct needed {
	struct store_name {
		char text[STORE_NAME_SIZE];
	} * at;
	size_t n, cap, sorted;
};

struct pruning {
	struct store *s;
	struct needed needed;
	int64_t before; /* what is older may be removed */
	bool removed;	/* a point was */
};

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool is_needed(const struct needed *n, const char *name)
{
	return n->sorted && bsearch(name, n->at, n->sorted, sizeof *n->at, by_name);
}

static int need(struct needed *n, const struct point *p, evlog_error *err)
{
	for (size_t i = 0; i < p->n; i++)
		for (size_t j = 0; j < p->segment[i].n; j++) {
			struct store_name name;
			piece_name(name.text, &p->segment[i], j);
			if (is_needed(n, name.text))
				continue;
			if (n->n == n->cap && !array_grow(&n->at, &n->cap, sizeof *n->at))
				return error_memory(err);
			n->at[n->n++] = name;
		}
	if (n->n)
		qsort(n->at, n->n, sizeof *n->at, by_name);
	n->sorted = n->n;
	return 0;
}

static bool is_old(const struct pruning *k, const struct stat *st)
{
	return (int64_t)st->st_mtime < k->before / 1000000;
}

/* The name of a point without the mark that it is expired; false: it has none. */
static bool is_expired(const char *name, char point[STORE_NAME_SIZE])
{
	size_t n = strlen(name), mark = strlen(STORE_EXPIRED);

	snprintf(point, STORE_NAME_SIZE, "%s", name);
	if (n <= mark || strcmp(name + n - mark, STORE_EXPIRED) != 0)
		return false;
	point[n - mark] = '\0';
	return true;
}

static int expired_remove(
    void *arg, const char *name, const struct stat *st, evlog_error *err)
{
	struct pruning *k = arg;
	char point[STORE_NAME_SIZE];

	if (!is_old(k, st) || !is_expired(name, point))
		return 0;
	k->removed = true;
	return store_remove(k->s, name, err);
}

/* Notes what a point needs, even if it is expired. */
static int point_note(
    void *arg, const char *name, const struct stat *st, evlog_error *err)
{
	struct pruning *k = arg;
	struct store_point at;
	struct point p;
	char plain[STORE_NAME_SIZE];

	(void)st;
	is_expired(name, plain);
	if (!store_point_read(plain, &at.size, &at.time, at.hash))
		return 0;
	snprintf(at.name, sizeof at.name, "%s", name);
	int r = point_read(&p, k->s, &at, err);
	if (r == EVLOG_ENOINPUT) /* another process has removed it */
		return 0;
	if (!r) {
		r = need(&k->needed, &p, err);
		point_free(&p);
	}
	return r;
}

static int file_remove(
    void *arg, const char *name, const struct stat *st, evlog_error *err)
{
	struct pruning *k = arg;
	const char *base = strchr(name, '/') + 1;
	uint64_t a, b;
	unsigned char hash[HASH_SIZE];

	bool ours = store_name_read(name, STORE_SEGMENT, &a, &b, hash) ||
		    store_name_read(name, STORE_TAIL, &a, &b, hash) ||
		    strncmp(base, STORE_NEW, strlen(STORE_NEW)) == 0;
	return ours && is_old(k, st) && !is_needed(&k->needed, name)
		   ? store_remove(k->s, name, err)
		   : 0;
}

static int points_expire(
    struct store *s, uint64_t keep, int64_t within, int64_t now, evlog_error *err)
{
	struct store_points points;

	int r = store_list(s, &points, err);
	if (r)
		return r;
	for (size_t i = 1; !r && i < points.n; i++)
		if (i >= keep && (!within || points.at[i].time < now - within))
			r = store_expire(s, points.at[i].name, err);
	free(points.at);
	return r;
}

int store_prune(struct store *s, const struct point *newest, uint64_t keep,
    int64_t within, int64_t grace, evlog_error *err)
{
	const int64_t now = evlog_now();
	struct pruning k = {.s = s, .before = now - grace};

	/* the new point must be as good as those that go */
	int r = point_is_whole(newest, s, err);
	if (!r)
		r = points_expire(s, keep, within, now, err);
	if (!r)
		r = store_walk(s, STORE_POINT, expired_remove, &k, err);
	if (!r) /* their names must not come back without their files */
		r = store_sync(s, err);
	if (!r && k.removed) {
		r = store_walk(s, STORE_POINT, point_note, &k, err);
		if (r == EVLOG_EDAMAGED || r == EVLOG_ENEWER) {
			char why[sizeof err->text];
			memcpy(why, err->text, sizeof why);
			error_set(err, EVLOG_EDAMAGED,
			    "%.500s; so no files are removed: remove this point", why);
			r = EVLOG_END;
		}
		for (int i = 0; !r && i < STORE_KINDS; i++)
			r = store_walk(s, (enum store_kind)i, file_remove, &k, err);
	}
	free(k.needed.at);
	return r;
}
