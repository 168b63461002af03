/* value.c - JSON as a tree. */
#include "base/hash.h"
#include "json/decimal.h"
#include "json/path.h"
#include "json/tree.h"

#include <stdlib.h>
#include <sys/types.h>

#define INDEX_FROM 12 /* an object with more members than this gets a hash index */

struct value *value_new(enum json_type type)
{
	struct value *v = calloc(1, sizeof *v);

	if (v)
		v->type = type;
	return v;
}

static bool is_container(const struct value *v)
{
	return v->type == JSON_ARRAY || v->type == JSON_OBJECT;
}

/* Puts v on the list of values to be freed.  The link shares memory with the index, so
 * the index is freed first. */
static void doom(struct value **list, struct value *v)
{
	if (!v)
		return;
	free(v->index);
	v->next = *list;
	*list = v;
}

void value_free(struct value *v)
{
	struct value *list = NULL;

	doom(&list, v);
	while ((v = list) != NULL) {
		list = v->next;
		for (size_t i = 0; v->type == JSON_ARRAY && i < v->n; i++)
			doom(&list, v->items[i]);
		for (size_t i = 0; v->type == JSON_OBJECT && i < v->n; i++) {
			doom(&list, v->members[i].value);
			free((char *)v->members[i].key.p);
		}
		if (v->type == JSON_ARRAY)
			free(v->items);
		else if (v->type == JSON_OBJECT)
			free(v->members);
		else
			free(v->text);
		free(v);
	}
}

struct value *value_text(enum json_type type, const char *p, size_t len)
{
	struct value *v = value_new(type);

	if (!v)
		return NULL;
	v->text = malloc(len ? len : 1);
	if (!v->text) {
		free(v);
		return NULL;
	}
	memcpy(v->text, p, len);
	v->n = len;
	return v;
}

/* ---- Objects ---- */

static void index_put(struct value *o, size_t slot)
{
	const struct view *k = &o->members[slot].key;
	uint32_t i = (uint32_t)hash_table(k->p, k->len) & o->index_mask;

	while (o->index[i])
		i = (i + 1) & o->index_mask;
	o->index[i] = (uint32_t)slot + 1;
}

/* Rebuilds the index with room to grow, and drops deleted members unless the object is
 * held. */
static bool index_build(struct value *o)
{
	size_t out = 0, places = 64;

	for (size_t i = 0; i < o->n; i++) {
		if (o->members[i].value || o->held)
			o->members[out++] = o->members[i];
		else
			free((char *)o->members[i].key.p);
	}
	o->n = out;
	while (places < (o->n + 1) * 4)
		places *= 2;
	free(o->index);
	o->index = calloc(places, sizeof *o->index);
	if (!o->index)
		return false;
	o->index_mask = (uint32_t)places - 1;
	for (size_t i = 0; i < o->n; i++)
		index_put(o, i);
	return true;
}

/* The slot of a key, deleted or not; -1 if there is none. */
static ssize_t slot_find(const struct value *o, struct view key)
{
	if (!o->index) {
		for (size_t i = 0; i < o->n; i++)
			if (view_equal(o->members[i].key, key))
				return (ssize_t)i;
		return -1;
	}
	uint32_t i = (uint32_t)hash_table(key.p, key.len) & o->index_mask;
	for (; o->index[i]; i = (i + 1) & o->index_mask)
		if (view_equal(o->members[o->index[i] - 1].key, key))
			return (ssize_t)o->index[i] - 1;
	return -1;
}

struct value **value_member(const struct value *o, struct view key)
{
	ssize_t slot = slot_find(o, key);

	return slot >= 0 && o->members[slot].value ? &o->members[slot].value : NULL;
}

static bool member_append(struct value *o, struct view key, struct value *v)
{
	if (o->n == o->cap && !array_grow(&o->members, &o->cap, sizeof *o->members))
		return false;
	char *copy = malloc(key.len ? key.len : 1);
	if (!copy)
		return false;
	if (key.len)
		memcpy(copy, key.p, key.len);
	struct member *m = &o->members[o->n++];
	m->key.p = copy;
	m->key.len = key.len;
	m->value = v;
	o->live++;
	if (o->n <= INDEX_FROM)
		return true;
	if (o->index && o->n * 2 <= o->index_mask) {
		index_put(o, o->n - 1);
		return true;
	}
	if (index_build(o))
		return true;
	free(copy);
	o->n--;
	o->live--;
	return false;
}

void value_member_delete(struct value *o, struct view key)
{
	ssize_t slot = slot_find(o, key);

	if (slot < 0 || !o->members[slot].value)
		return;
	value_free(o->members[slot].value);
	o->members[slot].value = NULL;
	o->live--;
	if (o->index)
		return;
	free((char *)o->members[slot].key.p);
	memmove(&o->members[slot], &o->members[slot + 1],
	    (o->n - (size_t)slot - 1) * sizeof *o->members);
	o->n--;
}

bool value_member_add(
    struct value *o, struct view key, struct value *v, size_t *slot, bool *back)
{
	ssize_t was = slot_find(o, key);

	*back = was >= 0;
	if (*back) { /* deleted earlier: it returns to its slot */
		o->members[was].value = v;
		o->live++;
	} else if (!member_append(o, key, v)) {
		return false;
	}
	*slot = *back ? (size_t)was : o->n - 1;
	return true;
}

bool value_member_set(struct value *o, struct view key, struct value *v)
{
	struct value **old = v ? value_member(o, key) : NULL;
	size_t slot;
	bool back;

	if (!v)
		return false;
	if (old) {
		value_free(*old);
		*old = v;
		return true;
	}
	if (!value_member_add(o, key, v, &slot, &back)) {
		value_free(v);
		return false;
	}
	return true;
}

/* ---- Arrays ---- */

/* Like value_member_set, for an item. */
static bool item_insert(struct value *a, size_t at, struct value *v)
{
	bool good = v && value_item_add(a, at, v);

	if (!good)
		value_free(v);
	return good;
}

bool value_item_add(struct value *a, size_t at, struct value *v)
{
	if (a->n == a->cap && !array_grow(&a->items, &a->cap, sizeof *a->items))
		return false;
	memmove(&a->items[at + 1], &a->items[at], (a->n - at) * sizeof *a->items);
	a->items[at] = v;
	a->n++;
	return true;
}

/* ---- Taking out and putting back ---- */

struct value *value_item_take(struct value *a, size_t at)
{
	struct value *v = a->items[at];

	memmove(&a->items[at], &a->items[at + 1], (a->n - at - 1) * sizeof *a->items);
	a->n--;
	return v;
}

void value_item_return(struct value *a, size_t at, struct value *v)
{
	memmove(&a->items[at + 1], &a->items[at], (a->n - at) * sizeof *a->items);
	a->items[at] = v;
	a->n++;
}

struct member value_member_take(struct value *o, size_t slot)
{
	struct member *m = &o->members[slot], taken = *m;

	o->live--;
	if (o->index) { /* the key stays, in case the member returns */
		taken.key = (struct view){NULL, 0};
		m->value = NULL;
		return taken;
	}
	memmove(m, m + 1, (o->n - slot - 1) * sizeof *m);
	o->n--;
	return taken;
}

void value_member_return(struct value *o, size_t slot, struct member m)
{
	struct member *at = &o->members[slot];

	o->live++;
	if (!m.key.p) {
		at->value = m.value;
		return;
	}
	memmove(at + 1, at, (o->n - slot) * sizeof *at);
	*at = m;
	o->n++;
	if (o->index) /* it got an index since; without memory it has none */
		(void)index_build(o);
}

struct value *value_member_pop(struct value *o)
{
	struct member *last = &o->members[o->n - 1];
	struct value *v = last->value;

	if (o->index) { /* the last key ends its probe chain, so no tombstone */
		uint32_t i =
		    (uint32_t)hash_table(last->key.p, last->key.len) & o->index_mask;
		while (o->index[i] != o->n)
			i = (i + 1) & o->index_mask;
		o->index[i] = 0;
	}
	free((char *)last->key.p);
	o->n--;
	o->live--;
	return v;
}

/* ---- Walking: without recursion, because the C stack may be small ---- */

struct level *level_push(struct levels *s, const struct value *v, struct value *other)
{
	if (s->n == s->cap && !array_grow(&s->at, &s->cap, sizeof *s->at))
		return NULL;
	struct level *l = &s->at[s->n++];
	*l = (struct level){.v = v, .other = other};
	return l;
}

const struct value *level_next(struct level *l)
{
	const struct value *v = l->v, *child = NULL;

	while (!child && l->i < v->n) {
		child = v->type == JSON_ARRAY ? v->items[l->i] : v->members[l->i].value;
		l->i++;
	}
	return child;
}

/* ---- Reading ---- */

/* A container that is being parsed. */
struct reading {
	struct json_walk w;
	struct value *v;
};

struct readings {
	struct reading *at;
	size_t n, cap;
};

static bool reading_push(struct readings *s, struct json_text text, struct value *v)
{
	if (s->n == s->cap && !array_grow(&s->at, &s->cap, sizeof *s->at))
		return false;
	struct reading *r = &s->at[s->n++];
	r->v = v;
	json_walk_begin(&r->w, text);
	return true;
}

static struct value *shallow(struct json_text text)
{
	enum json_type type = json_type_of(text);

	return type == JSON_ARRAY || type == JSON_OBJECT
		   ? value_new(type)
		   : value_text(type, text.p, text.len);
}

/* Adds a member or element to the container being parsed. */
static bool child_add(
    struct value *to, const struct json_member *m, struct value *child, struct buf *room)
{
	struct view name = m->key;

	if (to->type == JSON_ARRAY)
		return item_insert(to, to->n, child);
	if (m->escaped) {
		room->len = 0;
		json_unescape(room, (struct json_text){m->key.p - 1, m->key.len + 2});
		name = (struct view){room->p, room->len};
	}
	if (!room->failed)
		return value_member_set(to, name, child);
	value_free(child);
	return false;
}

struct value *value_parse(struct json_text text)
{
	struct value *root = shallow(text);
	struct readings s = {0};
	struct json_member m;
	struct buf room = {0};
	bool good = root && (!is_container(root) || reading_push(&s, text, root));

	while (good && s.n) {
		struct reading *r = &s.at[s.n - 1];
		if (!json_walk_next(&r->w, &m)) {
			s.n--;
			continue;
		}
		struct value *child = shallow(m.value);
		good = child_add(r->v, &m, child, &room) &&
		       (!is_container(child) || reading_push(&s, m.value, child));
	}
	free(s.at);
	buf_free(&room);
	if (good)
		return root;
	value_free(root);
	return NULL;
}

static struct value *shallow_copy(const struct value *v)
{
	return is_container(v) ? value_new(v->type) : value_text(v->type, v->text, v->n);
}

struct value *value_copy(const struct value *v)
{
	struct value *root = shallow_copy(v);
	struct levels s = {0};
	bool good = root && (!is_container(v) || level_push(&s, v, root));

	while (good && s.n) {
		struct level *l = &s.at[s.n - 1];
		const struct value *child = level_next(l);
		if (!child) {
			s.n--;
			continue;
		}
		struct value *copy = shallow_copy(child);
		good = l->v->type == JSON_ARRAY ? item_insert(l->other, l->other->n, copy)
						: value_member_set(l->other,
						      l->v->members[l->i - 1].key, copy);
		if (good && is_container(child))
			good = level_push(&s, child, copy) != NULL;
	}
	free(s.at);
	if (good)
		return root;
	value_free(root);
	return NULL;
}

bool value_measure(const struct value *v, unsigned depth, struct value_extent *x)
{
	struct levels s = {0};
	bool good = true;

	for (;;) {
		x->bytes += sizeof *v + (is_container(v) ? 0 : v->n);
		if (is_container(v))
			good = level_push(&s, v, NULL) != NULL;
		if (good && depth + s.n > x->depth)
			x->depth = depth + (unsigned)s.n;
		while (good && s.n && !(v = level_next(&s.at[s.n - 1])))
			s.n--;
		if (!good || !s.n)
			break;
		const struct level *l = &s.at[s.n - 1];
		if (l->v->type == JSON_OBJECT)
			x->bytes +=
			    sizeof *l->v->members + l->v->members[l->i - 1].key.len;
	}
	free(s.at);
	return good;
}

/* ---- Writing ---- */

typedef void scalar_fn(struct buf *b, const struct value *v);

static void scalar_as_it_is(struct buf *b, const struct value *v)
{
	buf_add(b, v->text, v->n);
}

static void members_sort(const struct value *v);

static void tree_write(
    struct buf *b, const struct value *v, scalar_fn *scalar, bool sorted)
{
	struct levels s = {0};

	for (;;) {
		if (sorted && v->type == JSON_OBJECT)
			members_sort(v);
		if (!is_container(v))
			scalar(b, v);
		else if (level_push(&s, v, NULL))
			buf_putc(b, v->type == JSON_ARRAY ? '[' : '{');
		else
			b->failed = true;
		while (s.n && !(v = level_next(&s.at[s.n - 1])))
			buf_putc(b, s.at[--s.n].v->type == JSON_ARRAY ? ']' : '}');
		if (!s.n || b->failed)
			break;
		struct level *l = &s.at[s.n - 1];
		if (l->done++)
			buf_putc(b, ',');
		if (l->v->type == JSON_OBJECT) {
			json_escape(b, l->v->members[l->i - 1].key);
			buf_putc(b, ':');
		}
	}
	free(s.at);
}

void value_write(struct buf *b, const struct value *v)
{
	tree_write(b, v, scalar_as_it_is, false);
}

static int member_order(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return view_compare(x->key, y->key);
}

static void number_canonical(struct buf *b, struct json_text t)
{
	struct decimal d = {0};
	bool failed = false, far = decimal_is_long(t, &b->failed);

	if (!far && decimal_set(&d, t, &failed))
		decimal_write(b, &d);
	else
		decimal_write_far(b, t);
	b->failed |= failed;
	decimal_free(&d);
}

static void scalar_canonical(struct buf *b, const struct value *v)
{
	struct json_text t = {v->text, v->n};
	struct buf plain = {0};

	if (v->type == JSON_NUMBER) {
		number_canonical(b, t);
	} else if (v->type == JSON_STRING) {
		json_unescape(&plain, t);
		json_escape(b, (struct view){plain.p, plain.len});
		b->failed |= plain.failed;
		buf_free(&plain);
	} else {
		buf_add(b, v->text, v->n);
	}
}

/* Sorts in place and leaves the index stale: the tree is only written, then freed. */
static void members_sort(const struct value *v)
{
	if (v->n)
		qsort(v->members, v->n, sizeof *v->members, member_order);
}

bool value_canonical(struct buf *b, struct json_text text)
{
	struct value *v = value_parse(text);

	if (!v)
		return false;
	tree_write(b, v, scalar_canonical, true);
	value_free(v);
	return !b->failed;
}

/* ---- Equality ---- */

/* Compares what was written to two buffers, and frees them. */
static bool written_equal(struct buf *x, struct buf *y, bool *failed)
{
	bool same = view_equal((struct view){x->p, x->len}, (struct view){y->p, y->len});

	*failed |= x->failed || y->failed;
	buf_free(x);
	buf_free(y);
	return same;
}

/* Compares two numbers that are too long for decimals. */
static bool far_equal(struct json_text a, struct json_text b, bool *failed)
{
	struct buf x = {0}, y = {0};

	decimal_write_far(&x, a);
	decimal_write_far(&y, b);
	return written_equal(&x, &y, failed);
}

static bool numbers_equal(struct json_text a, struct json_text b, bool *failed)
{
	struct decimal x = {0}, y = {0};
	bool no_memory = false;
	bool far_a = !decimal_set(&x, a, &no_memory) && !no_memory;
	*failed |= no_memory;
	bool far_b = !decimal_set(&y, b, &no_memory) && !no_memory;
	*failed |= no_memory;
	bool same = far_a == far_b && (far_a ? far_equal(a, b, &no_memory)
					     : decimal_compare(&x, &y, &no_memory) == 0);

	*failed |= no_memory;
	decimal_free(&x);
	decimal_free(&y);
	return same;
}

static bool strings_equal(struct json_text a, struct json_text b, bool *failed)
{
	struct buf x = {0}, y = {0};

	json_unescape(&x, a);
	json_unescape(&y, b);
	return written_equal(&x, &y, failed);
}

bool value_texts_equal(struct json_text a, struct json_text b, bool *failed)
{
	enum json_type type = json_type_of(a);

	if (a.len == b.len && memcmp(a.p, b.p, a.len) == 0)
		return true;
	if (type != json_type_of(b))
		return false;
	if (type == JSON_NUMBER)
		return numbers_equal(a, b, failed);
	return type == JSON_STRING && strings_equal(a, b, failed);
}

/* What in the other tree corresponds to the last child of a level; NULL: nothing. */
static struct value *counterpart(const struct level *l)
{
	if (l->v->type == JSON_ARRAY)
		return l->other->items[l->i - 1];
	struct value **y = value_member(l->other, l->v->members[l->i - 1].key);
	return y ? *y : NULL;
}

static bool same_size(const struct value *a, const struct value *b)
{
	return a->type == JSON_ARRAY ? a->n == b->n : a->live == b->live;
}

bool value_equal(const struct value *a, const struct value *b, bool *failed)
{
	struct levels s = {0};
	bool same = true;

	for (;;) {
		if (a->type != b->type)
			same = false;
		else if (!is_container(a))
			same = value_texts_equal((struct json_text){a->text, a->n},
			    (struct json_text){b->text, b->n}, failed);
		else if (!same_size(a, b))
			same = false;
		else if (!level_push(&s, a, (struct value *)(uintptr_t)b))
			*failed = true;
		while (same && !*failed && s.n && !(a = level_next(&s.at[s.n - 1])))
			s.n--;
		if (!same || *failed || !s.n)
			break;
		b = counterpart(&s.at[s.n - 1]);
		if (!b) {
			same = false;
			break;
		}
	}
	free(s.at);
	return same;
}
