/* patch.c - values changed by values: merge patch (RFC 7396) and patch (RFC 6902). */
#include "json/path.h"
#include "json/tree.h"

#include <stdlib.h>

/* ---- RFC 7396 ---- */

/* The object that a member of a patch, an object, goes into. */
static struct value *object_at(struct value *target, struct view key)
{
	struct value **old = value_member(target, key);

	if (old && (*old)->type == JSON_OBJECT)
		return *old;
	struct value *empty = value_new(JSON_OBJECT);
	return value_member_set(target, key, empty) ? empty : NULL;
}

static bool objects_merge(struct value *target, const struct value *patch)
{
	struct levels s = {0};
	bool good = level_push(&s, patch, target) != NULL;

	while (good && s.n) {
		struct level *l = &s.at[s.n - 1];
		const struct value *child = level_next(l);
		if (!child) {
			s.n--;
			continue;
		}
		struct view key = l->v->members[l->i - 1].key;
		if (child->type == JSON_NULL) {
			value_member_delete(l->other, key);
		} else if (child->type == JSON_OBJECT) {
			struct value *into = object_at(l->other, key);
			good = into && level_push(&s, child, into);
		} else {
			good = value_member_set(l->other, key, value_copy(child));
		}
	}
	free(s.at);
	return good;
}

bool value_merge(struct value **target, const struct value *patch)
{
	bool object = patch->type == JSON_OBJECT;

	if (object && *target && (*target)->type == JSON_OBJECT)
		return objects_merge(*target, patch);
	struct value *fresh = object ? value_new(JSON_OBJECT) : value_copy(patch);
	if (!fresh)
		return false;
	value_free(*target);
	*target = fresh;
	return !object || objects_merge(fresh, patch);
}

/* ---- RFC 6902 ---- */

#define VALUE_MOST (64u << 20) /* bytes of memory that copying may bring a value to */

static const char no_memory[] = "out of memory";
static const char too_deep[] = "the result would be nested more than 512 deep";
static const char too_large[] = "the result would be larger than 64 MiB";

/* What a patch is applied to. */
struct work {
	struct value *root;
	size_t bytes; /* with all that was copied so far; 0: not known yet */
};

/* The place a pointer names: its container and last step (n == 0: the whole). */
struct place {
	struct json_path *path;
	struct value **slot;  /* the value there; NULL: none */
	struct value *parent; /* NULL: the pointer is "" */
	struct view step;
	size_t index; /* of an array's element; n for "-" */
};

static struct value **child_find(struct value *v, struct view step)
{
	size_t i;

	if (v->type == JSON_OBJECT)
		return value_member(v, step);
	if (v->type == JSON_ARRAY && json_index(step, &i) && i < v->n)
		return &v->items[i];
	return NULL;
}

static const char *place_find(struct place *p, struct value **root, const char *pointer)
{
	*p = (struct place){.slot = root};
	if (*pointer && *pointer != '/')
		return "a pointer must be empty or begin with /";
	if (json_path_parse(&p->path, pointer, NULL) < 0)
		return "not a JSON Pointer";
	for (size_t i = 0; i < p->path->n; i++) {
		p->parent = p->slot ? *p->slot : NULL;
		p->step = p->path->step[i];
		if (!p->parent)
			return "a pointer leads to nothing";
		p->slot = child_find(p->parent, p->step);
	}
	if (p->parent && p->parent->type == JSON_ARRAY) {
		if (view_is(p->step, "-"))
			p->index = p->parent->n;
		else if (!json_index(p->step, &p->index) || p->index > p->parent->n)
			return "no such array index";
	} else if (p->parent && p->parent->type != JSON_OBJECT) {
		return "a pointer leads into a value that has no members";
	}
	return NULL;
}

/* No value may be nested deeper than an event can: what is printed must be readable. */
static const char *place_check(const struct place *p, const struct value *v)
{
	struct value_extent x = {0};

	if (!value_measure(v, (unsigned)p->path->n, &x))
		return no_memory;
	return p->path->n <= JSON_DEPTH && x.depth <= JSON_DEPTH ? NULL : too_deep;
}

static const char *place_add(struct place *p, struct value **root, struct value *v)
{
	if (!v)
		return no_memory;
	const char *why = place_check(p, v);
	if (why) {
		value_free(v);
		return why;
	}
	if (!p->parent) {
		value_free(*root);
		*root = v;
		return NULL;
	}
	bool good = p->parent->type == JSON_ARRAY
			? value_item_insert(p->parent, p->index, v)
			: value_member_set(p->parent, p->step, v);
	return good ? NULL : no_memory;
}

static const char *place_remove(struct place *p)
{
	if (!p->slot)
		return "a pointer leads to nothing";
	if (!p->parent)
		return "the whole cannot be removed";
	if (p->parent->type == JSON_ARRAY)
		value_item_delete(p->parent, p->index);
	else
		value_member_delete(p->parent, p->step);
	return NULL;
}

static const char *place_replace(struct place *p, struct value *v)
{
	if (!v)
		return no_memory;
	if (!p->slot) {
		value_free(v);
		return "a pointer leads to nothing";
	}
	const char *why = place_check(p, v);
	if (why) {
		value_free(v);
		return why;
	}
	value_free(*p->slot);
	*p->slot = v;
	return NULL;
}

/* A member of an operation, as NUL-terminated plain text. */
static bool op_text(const struct value *op, const char *name, struct buf *out)
{
	struct value **v = value_member(op, (struct view){name, strlen(name)});

	out->len = 0;
	if (!v || (*v)->type != JSON_STRING)
		return false;
	json_unescape(out, (struct json_text){(*v)->text, (*v)->n});
	buf_putc(out, '\0');
	return !out->failed && strlen(out->p) == out->len - 1;
}

static bool begins_with(const char *whole, const char *part)
{
	size_t n = strlen(part);

	return strncmp(whole, part, n) == 0 && whole[n] == '/';
}

/* A few copies of a copy are a large value. */
static const char *copy_check(struct work *w, const struct value *v)
{
	struct value_extent whole = {.bytes = w->bytes}, part = {0};

	if ((w->bytes == 0 && !value_measure(w->root, 0, &whole)) ||
	    !value_measure(v, 0, &part))
		return no_memory;
	w->bytes = whole.bytes + part.bytes;
	return w->bytes <= VALUE_MOST ? NULL : too_large;
}

/* move and copy: the value at `from`, taken out or copied. */
static const char *op_source(
    struct work *w, const struct value *op, const char *path, bool move, struct value **v)
{
	struct buf from = {0};
	struct place p = {0};
	const char *why = NULL;

	if (!op_text(op, "from", &from))
		why = "an operation lacks \"from\"";
	else if (move && begins_with(path, from.p))
		why = "a value cannot be moved into itself";
	else
		why = place_find(&p, &w->root, from.p);
	if (!why && !p.slot)
		why = "a pointer leads to nothing";
	if (!why && !move)
		why = copy_check(w, *p.slot);
	if (!why && !(*v = value_copy(*p.slot)))
		why = no_memory;
	if (!why && move && p.parent)
		why = place_remove(&p);
	free(p.path);
	buf_free(&from);
	return why;
}

static const char *op_apply(
    struct work *w, const struct value *op, const char *name, const char *path)
{
	struct value **given = value_member(op, (struct view){"value", 5}), *v = NULL;
	bool move = strcmp(name, "move") == 0, copy = strcmp(name, "copy") == 0;
	struct place p = {0};
	const char *why = NULL;

	if (move || copy) {
		why = op_source(w, op, path, move, &v);
	} else if (strcmp(name, "remove") != 0) {
		if (!given)
			why = "an operation lacks \"value\"";
		else if (!(v = value_copy(*given)))
			why = no_memory;
	}
	if (!why)
		why = place_find(&p, &w->root, path);
	if (why) {
		value_free(v);
	} else if (strcmp(name, "remove") == 0) {
		why = place_remove(&p);
	} else if (strcmp(name, "replace") == 0) {
		why = place_replace(&p, v);
	} else if (strcmp(name, "test") == 0) {
		bool failed = false;
		if (!p.slot || !value_equal(*p.slot, v, &failed))
			why = "a test failed";
		if (failed)
			why = no_memory;
		value_free(v);
	} else if (move || copy || strcmp(name, "add") == 0) {
		why = place_add(&p, &w->root, v);
	} else {
		value_free(v);
		why = "unknown operation";
	}
	free(p.path);
	return why;
}

static const char *patch_apply(struct work *w, const struct value *patch)
{
	struct buf name = {0}, path = {0};
	const char *why = NULL;

	for (size_t i = 0; i < patch->n && !why; i++) {
		const struct value *op = patch->items[i];
		if (op->type != JSON_OBJECT)
			why = "an operation is no object";
		else if (!op_text(op, "op", &name))
			why = "an operation lacks \"op\"";
		else if (!op_text(op, "path", &path))
			why = "an operation lacks \"path\"";
		else
			why = op_apply(w, op, name.p, path.p);
	}
	buf_free(&name);
	buf_free(&path);
	return why;
}

const char *value_patch(struct value **target, const struct value *patch, bool *failed)
{
	struct work work = {0};
	const char *why;

	*failed = false;
	if (patch->type != JSON_ARRAY)
		return "a patch is an array of operations";
	work.root = *target ? value_copy(*target) : value_text(JSON_NULL, "null", 4);
	*failed = !work.root;
	if (*failed)
		return NULL;
	why = patch_apply(&work, patch);
	if (why) {
		*failed = why == no_memory;
		value_free(work.root);
		return why;
	}
	value_free(*target);
	*target = work.root;
	return NULL;
}
