/* value.c - JSON as a tree. */
#include "json/tree.h"
#include "base/hash.h"
#include "json/decimal.h"
#include "json/path.h"

#include <stdlib.h>

#define INDEX_FROM 12 /* an object with more members gets a hash index */

struct value *value_new(enum json_type type)
{
	struct value *v = calloc(1, sizeof *v);

	if (v)
		v->type = type;
	return v;
}

void value_free(struct value *v)
{
	if (!v)
		return;
	switch (v->type) {
	case JSON_ARRAY:
		for (size_t i = 0; i < v->n; i++)
			value_free(v->items[i]);
		free(v->items);
		break;
	case JSON_OBJECT:
		for (size_t i = 0; i < v->n; i++) {
			value_free(v->members[i].value);
			free((char *)v->members[i].key.p);
		}
		free(v->members);
		break;
	default: free(v->text);
	}
	free(v->index);
	free(v);
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
	uint32_t i = (uint32_t)hash64(k->p, k->len) & o->index_mask;

	while (o->index[i])
		i = (i + 1) & o->index_mask;
	o->index[i] = (uint32_t)slot + 1;
}

/* Drops deleted members and builds the index anew, with room to grow. */
static bool index_build(struct value *o)
{
	size_t out = 0, places = 64;

	for (size_t i = 0; i < o->n; i++) {
		if (o->members[i].value)
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

/* The slot of a key, deleted or not; -1 if it has none. */
static ssize_t slot_find(const struct value *o, struct view key)
{
	if (!o->index) {
		for (size_t i = 0; i < o->n; i++)
			if (view_compare(o->members[i].key, key) == 0)
				return (ssize_t)i;
		return -1;
	}
	uint32_t i = (uint32_t)hash64(key.p, key.len) & o->index_mask;
	for (; o->index[i]; i = (i + 1) & o->index_mask)
		if (view_compare(o->members[o->index[i] - 1].key, key) == 0)
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
	if (o->n == o->cap) {
		size_t cap = o->cap ? o->cap * 2 : 4;
		struct member *more = realloc(o->members, cap * sizeof *more);
		if (!more)
			return false;
		o->members = more;
		o->cap = cap;
	}
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

bool value_member_set(struct value *o, struct view key, struct value *v)
{
	ssize_t slot = slot_find(o, key);

	if (!v)
		return false;
	if (slot >= 0 && o->members[slot].value) {
		value_free(o->members[slot].value);
		o->members[slot].value = v;
		return true;
	}
	if (slot >= 0) { /* deleted: it comes back where it was */
		o->members[slot].value = v;
		o->live++;
		return true;
	}
	if (!member_append(o, key, v)) {
		value_free(v);
		return false;
	}
	return true;
}

/* ---- Arrays ---- */

bool value_item_insert(struct value *a, size_t at, struct value *v)
{
	if (!v)
		return false;
	if (a->n == a->cap) {
		size_t cap = a->cap ? a->cap * 2 : 4;
		struct value **more = realloc(a->items, cap * sizeof *more);
		if (!more) {
			value_free(v);
			return false;
		}
		a->items = more;
		a->cap = cap;
	}
	memmove(&a->items[at + 1], &a->items[at], (a->n - at) * sizeof *a->items);
	a->items[at] = v;
	a->n++;
	return true;
}

void value_item_delete(struct value *a, size_t at)
{
	value_free(a->items[at]);
	memmove(&a->items[at], &a->items[at + 1], (a->n - at - 1) * sizeof *a->items);
	a->n--;
}

/* ---- Reading and writing ---- */

static bool parse_members(struct value *v, struct json_text text)
{
	struct json_walk w;
	struct json_member m;
	struct buf key = {0};
	bool good = true;

	json_walk_begin(&w, text);
	while (good && json_walk_next(&w, &m)) {
		struct value *child = value_parse(m.value);
		if (!w.object) {
			good = child && value_item_insert(v, v->n, child);
			continue;
		}
		struct view name = m.key;
		if (m.escaped) {
			key.len = 0;
			json_unescape(
			    &key, (struct json_text){m.key.p - 1, m.key.len + 2});
			name = (struct view){key.p, key.len};
		}
		good = child && !key.failed && value_member_set(v, name, child);
	}
	buf_free(&key);
	return good;
}

struct value *value_parse(struct json_text text)
{
	enum json_type type = json_type_of(text);

	if (type != JSON_ARRAY && type != JSON_OBJECT)
		return value_text(type, text.p, text.len);
	struct value *v = value_new(type);
	if (v && !parse_members(v, text)) {
		value_free(v);
		return NULL;
	}
	return v;
}

struct value *value_copy(const struct value *v)
{
	if (v->type != JSON_ARRAY && v->type != JSON_OBJECT)
		return value_text(v->type, v->text, v->n);
	struct value *copy = value_new(v->type);
	bool good = copy != NULL;
	for (size_t i = 0; i < v->n && good; i++) {
		bool array = v->type == JSON_ARRAY;
		const struct value *child = array ? v->items[i] : v->members[i].value;
		if (!child) /* deleted */
			continue;
		good = array
			   ? value_item_insert(copy, copy->n, value_copy(child))
			   : value_member_set(copy, v->members[i].key, value_copy(child));
	}
	if (good)
		return copy;
	value_free(copy);
	return NULL;
}

void value_measure(const struct value *v, unsigned depth, struct value_extent *x)
{
	x->bytes += sizeof *v;
	if (v->type != JSON_ARRAY && v->type != JSON_OBJECT) {
		x->bytes += v->n;
		return;
	}
	if (++depth > x->depth)
		x->depth = depth;
	for (size_t i = 0; i < v->n; i++) {
		if (v->type == JSON_ARRAY) {
			value_measure(v->items[i], depth, x);
		} else if (v->members[i].value) {
			x->bytes += sizeof *v->members + v->members[i].key.len;
			value_measure(v->members[i].value, depth, x);
		}
	}
}

void value_write(struct buf *b, const struct value *v)
{
	bool first = true;

	if (v->type == JSON_ARRAY) {
		buf_putc(b, '[');
		for (size_t i = 0; i < v->n; i++) {
			if (i)
				buf_putc(b, ',');
			value_write(b, v->items[i]);
		}
		buf_putc(b, ']');
	} else if (v->type == JSON_OBJECT) {
		buf_putc(b, '{');
		for (size_t i = 0; i < v->n; i++) {
			if (!v->members[i].value)
				continue;
			if (!first)
				buf_putc(b, ',');
			first = false;
			json_escape(b, v->members[i].key);
			buf_putc(b, ':');
			value_write(b, v->members[i].value);
		}
		buf_putc(b, '}');
	} else {
		buf_add(b, v->text, v->n);
	}
}

static int member_order(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return view_compare(x->key, y->key);
}

static void number_canonical(struct buf *b, struct json_text t)
{
	struct decimal d = {0};
	bool failed;

	if (decimal_set(&d, t, &failed))
		decimal_write(b, &d);
	else
		decimal_write_far(b, t);
	b->failed |= failed;
	decimal_free(&d);
}

static void write_canonical(struct buf *b, struct value *v)
{
	struct json_text t = {v->text, v->n};

	switch (v->type) {
	case JSON_NUMBER: number_canonical(b, t); break;
	case JSON_STRING: {
		struct buf plain = {0};
		json_unescape(&plain, t);
		json_escape(b, (struct view){plain.p, plain.len});
		b->failed |= plain.failed;
		buf_free(&plain);
		break;
	}
	case JSON_ARRAY:
		buf_putc(b, '[');
		for (size_t i = 0; i < v->n; i++) {
			if (i)
				buf_putc(b, ',');
			write_canonical(b, v->items[i]);
		}
		buf_putc(b, ']');
		break;
	case JSON_OBJECT:
		if (v->n)
			qsort(v->members, v->n, sizeof *v->members, member_order);
		buf_putc(b, '{');
		for (size_t i = 0; i < v->n; i++) {
			if (i)
				buf_putc(b, ',');
			json_escape(b, v->members[i].key);
			buf_putc(b, ':');
			write_canonical(b, v->members[i].value);
		}
		buf_putc(b, '}');
		break;
	default: buf_add(b, v->text, v->n);
	}
}

bool value_canonical(struct buf *b, struct json_text text)
{
	struct value *v = value_parse(text);

	if (!v)
		return false;
	write_canonical(b, v);
	value_free(v);
	return !b->failed;
}

/* ---- Equality ---- */

/* Of two numbers that are too long for decimals. */
static bool far_equal(struct json_text a, struct json_text b, bool *failed)
{
	struct buf x = {0}, y = {0};

	decimal_write_far(&x, a);
	decimal_write_far(&y, b);
	*failed = x.failed || y.failed;
	bool same =
	    view_compare((struct view){x.p, x.len}, (struct view){y.p, y.len}) == 0;
	buf_free(&x);
	buf_free(&y);
	return same;
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
	*failed |= x.failed || y.failed;
	bool same =
	    view_compare((struct view){x.p, x.len}, (struct view){y.p, y.len}) == 0;
	buf_free(&x);
	buf_free(&y);
	return same;
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

bool value_equal(const struct value *a, const struct value *b, bool *failed)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case JSON_ARRAY:
		if (a->n != b->n)
			return false;
		for (size_t i = 0; i < a->n; i++)
			if (!value_equal(a->items[i], b->items[i], failed))
				return false;
		return true;
	case JSON_OBJECT:
		if (a->live != b->live)
			return false;
		for (size_t i = 0; i < a->n; i++) {
			const struct value *x = a->members[i].value;
			struct value **y = x ? value_member(b, a->members[i].key) : NULL;
			if (x && (!y || !value_equal(x, *y, failed)))
				return false;
		}
		return true;
	default:
		return value_texts_equal((struct json_text){a->text, a->n},
		    (struct json_text){b->text, b->n}, failed);
	}
}
