/* patch.c - applies a merge patch (RFC 7396) or a patch (RFC 6902) to a value. */
#include "json/path.h"
#include "json/tree.h"

#include <stdlib.h>

/* ---- RFC 7396 ---- */

/* The object that an object in the patch is merged into, made if necessary. */
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

#define VALUE_MOST (64u << 20) /* bytes that copies may make a value take */

static const char no_memory[] = "out of memory";
static const char too_deep[] = "the result would be nested more than 512 levels deep";
static const char too_large[] = "the result would be larger than 64 MiB";

/* A change to a container, recorded so that it can be undone. */
struct change {
	enum {
		ITEM_IN,
		ITEM_OUT,
		MEMBER_IN,
		MEMBER_BACK,
		MEMBER_OUT,
		ITEM_SET,
		MEMBER_SET,
		ROOT_SET
	} what;
	struct value *in;
	size_t at;	     /* index of an item, or slot of a member */
	struct member taken; /* what was there before; its key, if any, is owned */
	bool moved;	     /* the value is also elsewhere in the tree */
};

/* A patch being applied. */
struct work {
	struct value *root;
	size_t bytes; /* memory, with all copies so far; 0: not yet measured */
	struct change *change;
	size_t n, cap;
};

/* The place that a pointer names: its container and last step. */
struct place {
	struct json_path *path;
	struct value **slot;  /* the value there, or NULL */
	struct value *parent; /* NULL: the pointer is "" */
	struct view step;
	size_t index; /* in an array; n for "-" */
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
		return "a JSON Pointer must be empty or begin with /";
	if (json_path_parse(&p->path, pointer, NULL) < 0)
		return "not a JSON Pointer";
	for (size_t i = 0; i < p->path->n; i++) {
		p->parent = p->slot ? *p->slot : NULL;
		p->step = p->path->step[i];
		if (!p->parent)
			return "no value at a pointer in the patch";
		p->slot = child_find(p->parent, p->step);
	}
	if (p->parent && p->parent->type == JSON_ARRAY) {
		if (view_is(p->step, "-"))
			p->index = p->parent->n;
		else if (!json_index(p->step, &p->index) || p->index > p->parent->n)
			return "no such array index";
	} else if (p->parent && p->parent->type != JSON_OBJECT) {
		return "a pointer in the patch goes into a value that is neither an "
		       "object nor an array";
	}
	return NULL;
}

/* No result may be nested deeper than an event can be, or what is printed is
 * unreadable. */
static const char *place_check(const struct place *p, const struct value *v)
{
	struct value_extent x = {0};

	if (!value_measure(v, (unsigned)p->path->n, &x))
		return no_memory;
	return p->path->n <= JSON_DEPTH && x.depth <= JSON_DEPTH ? NULL : too_deep;
}

/* Reserves room before the change is made, so that recording it cannot fail. */
static bool change_room(struct work *w)
{
	return w->n < w->cap || array_grow(&w->change, &w->cap, sizeof *w->change);
}

static void change_add(struct work *w, struct change c)
{
	if (c.in)
		c.in->held = true;
	w->change[w->n++] = c;
}

/* The index or slot of a value in its container. */
static size_t slot_of(const struct place *p)
{
	const struct value *in = p->parent;

	if (in->type == JSON_ARRAY)
		return (size_t)(p->slot - in->items);
	return (size_t)((const char *)p->slot - (const char *)in->members) /
	       sizeof *in->members;
}

/* Replaces a value. */
static void place_set(struct work *w, struct place *p, struct value *v, bool moved)
{
	struct change c = {.what = ROOT_SET, .taken.value = *p->slot, .moved = moved};

	if (p->parent) {
		c.what = p->parent->type == JSON_ARRAY ? ITEM_SET : MEMBER_SET;
		c.in = p->parent;
		c.at = slot_of(p);
	}
	change_add(w, c);
	*p->slot = v;
}

/* Takes ownership of v, unless it was moved: then the tree owns it already. */
static const char *place_add(struct work *w, struct place *p, struct value *v, bool moved)
{
	struct value *in = p->parent;
	const char *why = !v || !change_room(w) ? no_memory : place_check(p, v);
	if (why) {
		if (!moved)
			value_free(v);
		return why;
	}
	if (p->slot && (!in || in->type == JSON_OBJECT)) {
		place_set(w, p, v, moved);
		return NULL;
	}
	struct change c = {.what = ITEM_IN, .in = in, .at = p->index, .moved = moved};
	bool back = false;
	bool good = in->type == JSON_ARRAY
			? value_item_add(in, p->index, v)
			: value_member_add(in, p->step, v, &c.at, &back);
	if (!good) {
		if (!moved)
			value_free(v);
		return no_memory;
	}
	if (in->type == JSON_OBJECT)
		c.what = back ? MEMBER_BACK : MEMBER_IN;
	change_add(w, c);
	return NULL;
}

/* moved: the value will be added elsewhere. */
static const char *place_remove(struct work *w, struct place *p, bool moved)
{
	if (!p->slot)
		return "no value at a pointer in the patch";
	if (!p->parent)
		return "the whole value cannot be removed";
	if (!change_room(w))
		return no_memory;
	struct change c = {.in = p->parent, .at = slot_of(p), .moved = moved};
	if (p->parent->type == JSON_ARRAY) {
		c.what = ITEM_OUT;
		c.taken.value = value_item_take(p->parent, c.at);
	} else {
		c.what = MEMBER_OUT;
		c.taken = value_member_take(p->parent, c.at);
	}
	change_add(w, c);
	return NULL;
}

static const char *place_replace(struct work *w, struct place *p, struct value *v)
{
	const char *why = !v || !change_room(w) ? no_memory
			  : !p->slot		? "no value at a pointer in the patch"
						: place_check(p, v);
	if (why)
		value_free(v);
	else
		place_set(w, p, v, false);
	return why;
}

/* ---- Undoing ---- */

/* Undoes one change and frees the value that it added, unless that returns to its old
 * place. */
static void change_undo(struct work *w, struct change *c)
{
	struct value *came = NULL;

	switch (c->what) {
	case ITEM_IN: came = value_item_take(c->in, c->at); break;
	case MEMBER_IN: came = value_member_pop(c->in); break;
	case MEMBER_BACK: came = value_member_take(c->in, c->at).value; break;
	case ITEM_OUT: value_item_return(c->in, c->at, c->taken.value); return;
	case MEMBER_OUT: value_member_return(c->in, c->at, c->taken); return;
	case ITEM_SET:
		came = c->in->items[c->at];
		c->in->items[c->at] = c->taken.value;
		break;
	case MEMBER_SET:
		came = c->in->members[c->at].value;
		c->in->members[c->at].value = c->taken.value;
		break;
	case ROOT_SET:
		came = w->root;
		w->root = c->taken.value;
		break;
	}
	if (!c->moved)
		value_free(came);
}

/* Makes a change final: frees what it removed, unless that was moved elsewhere. */
static void change_keep(struct change *c)
{
	bool out = c->what == ITEM_OUT || c->what == MEMBER_OUT;

	free((char *)c->taken.key.p);
	if (!(out && c->moved))
		value_free(c->taken.value);
}

static void changes_end(struct work *w, bool undo)
{
	while (undo && w->n) {
		struct change *c = &w->change[w->n - 1];
		if (c->in)
			c->in->held = false;
		change_undo(w, c);
		w->n--;
	}
	for (size_t i = 0; i < w->n; i++)
		if (w->change[i].in)
			w->change[i].in->held = false;
	for (size_t i = 0; i < w->n; i++)
		change_keep(&w->change[i]);
	free(w->change);
}

/* Gets a string member of an operation, unescaped and NUL-terminated. */
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

/* A limit is needed because a few copies of copies make a huge value. */
static const char *copy_check(struct work *w, const struct value *v)
{
	struct value_extent whole = {.bytes = w->bytes}, part = {0};

	if ((w->bytes == 0 && !value_measure(w->root, 0, &whole)) ||
	    !value_measure(v, 0, &part))
		return no_memory;
	w->bytes = whole.bytes + part.bytes;
	return w->bytes <= VALUE_MOST ? NULL : too_large;
}

/* For move and copy: takes out or copies the value at `from`. */
static const char *op_source(
    struct work *w, const struct value *op, const char *path, bool move, struct value **v)
{
	struct buf from = {0};
	struct place p = {0};
	const char *why = NULL;

	if (!op_text(op, "from", &from))
		why = "an operation has no \"from\"";
	else if (move && begins_with(path, from.p))
		why = "a value cannot be moved into itself";
	else
		why = place_find(&p, &w->root, from.p);
	if (!why && !p.slot)
		why = "no value at a pointer in the patch";
	if (!why && !move)
		why = copy_check(w, *p.slot);
	if (!why && !move && !(*v = value_copy(*p.slot)))
		why = no_memory;
	if (!why && move) {
		*v = *p.slot;
		why = p.parent ? place_remove(w, &p, true) : NULL;
	}
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
			why = "an operation has no \"value\"";
		else if (!(v = value_copy(*given)))
			why = no_memory;
	}
	if (!why)
		why = place_find(&p, &w->root, path);
	if (why) {
		if (!move)
			value_free(v);
	} else if (strcmp(name, "remove") == 0) {
		why = place_remove(w, &p, false);
	} else if (strcmp(name, "replace") == 0) {
		why = place_replace(w, &p, v);
	} else if (strcmp(name, "test") == 0) {
		bool failed = false;
		if (!p.slot || !value_equal(*p.slot, v, &failed))
			why = "a \"test\" operation failed";
		if (failed)
			why = no_memory;
		value_free(v);
	} else if (move || copy || strcmp(name, "add") == 0) {
		why = move && p.slot && *p.slot == v ? NULL : place_add(w, &p, v, move);
	} else {
		value_free(v);
		why = "unknown operation in \"op\"";
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
			why = "an operation is not an object";
		else if (!op_text(op, "op", &name))
			why = "an operation has no \"op\"";
		else if (!op_text(op, "path", &path))
			why = "an operation has no \"path\"";
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
		return "a patch must be an array of operations";
	work.root = *target ? *target : value_text(JSON_NULL, "null", 4);
	*failed = !work.root;
	if (*failed)
		return NULL;
	why = patch_apply(&work, patch);
	changes_end(&work, why != NULL);
	*failed = why == no_memory;
	if (!why)
		*target = work.root;
	else if (!*target)
		value_free(work.root);
	return why;
}
