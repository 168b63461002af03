/* reducer.c - parsing reducers, and what each does with a value. */
#include "fold/reducer.h"
#include "base/error.h"
#include "base/hash.h"
#include "event/stamp.h"

#include <ctype.h>
#include <stdlib.h>

static const char *const names[] = {"count", "sum", "min", "max", "avg", "first", "last",
    "list", "set", "merge", "patch"};

/* ---- Grammar: [NAME=]FUNC[(PATH)][{FILTER}] ---- */

static int func_find(const char *p, size_t n)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strlen(names[i]) == n && memcmp(names[i], p, n) == 0)
			return (int)i;
	return -1;
}

static size_t word_length(const char *p)
{
	size_t n = 0;

	while (isalnum((unsigned char)p[n]) || p[n] == '_' || p[n] == '-')
		n++;
	return n;
}

bool reducer_is(const char *word)
{
	size_t n = word_length(word);

	if (n && word[n] == '=') {
		const char *func = word + n + 1;
		size_t m = word_length(func);
		return m && (func[m] == '(' || func[m] == '{' ||
				(func[m] == '\0' && func_find(func, m) >= 0));
	}
	return n && (word[n] == '(' || word[n] == '{') && func_find(word, n) >= 0;
}

static int bad(evlog_error *err, const char *text, const char *at, const char *why)
{
	return error_set(err, EVLOG_EUSAGE, "%s: at character %d: %s", text,
	    (int)(at - text) + 1, why);
}

static char *word_copy(const char *p, size_t n)
{
	char *copy = malloc(n + 1);

	if (copy) {
		memcpy(copy, p, n);
		copy[n] = '\0';
	}
	return copy;
}

static int path_parse(struct json_path **path, const char *p, size_t n, evlog_error *err)
{
	char *copy = word_copy(p, n);

	if (!copy)
		return error_memory(err);
	int r = json_path_parse(path, copy, err);
	free(copy);
	return r;
}

static int body_parse(
    struct reducer *r, const char *text, const char *p, evlog_error *err)
{
	size_t n = word_length(p);
	int func = func_find(p, n), res = 0;

	if (func < 0)
		return bad(err, text, p,
		    "unknown function; use count, sum, min, max, avg, first, last, list, "
		    "set, merge or patch");
	r->func = (enum func)func;
	if (!r->name && !(r->name = word_copy(p, n)))
		return error_memory(err);
	p += n;
	if (*p == '(') {
		n = strcspn(++p, ")");
		if (!p[n])
			return bad(err, text, p + n, "')' is missing");
		if (n)
			res = path_parse(&r->path, p, n, err);
		p += n + 1;
	}
	if (!res && *p == '{')
		res = where_add_braced(&r->where, text, p + 1, &p, err);
	if (res)
		return res;
	if (*p)
		return bad(err, text, p, "unexpected text after the reducer");
	if (!r->path && r->func != FUNC_COUNT)
		return bad(err, text, p,
		    "this function needs a path in parentheses, such as "
		    "sum(data.amount)");
	return 0;
}

int reducer_parse(struct reducer *r, const char *text, evlog_error *err)
{
	size_t n = word_length(text);
	const char *body = text;

	*r = (struct reducer){0};
	if (n && text[n] == '=') {
		r->name = word_copy(text, n);
		if (!r->name)
			return error_memory(err);
		body = text + n + 1;
	}
	int res = body_parse(r, text, body, err);
	if (!res && !(r->text = strdup(text)))
		res = error_memory(err);
	if (res)
		reducer_free(r);
	return res;
}

void reducer_free(struct reducer *r)
{
	where_free(&r->where);
	free(r->path);
	free(r->text);
	free(r->name);
	buf_free(&r->label);
	*r = (struct reducer){0};
}

/* ---- Sets: a hash table of canonical texts ---- */

struct seen {
	struct buf canonical; /* each after its length in 8 bytes */
	size_t *at;	      /* 1 + offset; 0: free */
	size_t n, mask;
};

static bool seen_grow(struct seen *s)
{
	size_t places = s->at ? (s->mask + 1) * 2 : 16;
	size_t *at = calloc(places, sizeof *at);

	if (!at)
		return false;
	for (size_t i = 0; s->at && i <= s->mask; i++) {
		if (!s->at[i])
			continue;
		const char *p = s->canonical.p + s->at[i] - 1;
		size_t k = hash_table(p + 8, get64(p)) & (places - 1);
		while (at[k])
			k = (k + 1) & (places - 1);
		at[k] = s->at[i];
	}
	free(s->at);
	s->at = at;
	s->mask = places - 1;
	return true;
}

/* Returns 1 if the value is new, 0 if it was there, -1 if out of memory. */
static int seen_add(struct seen *s, struct json_text value)
{
	char length[8] = {0};
	size_t start = s->canonical.len;

	if ((s->n + 1) * 2 > s->mask && !seen_grow(s))
		return -1;
	buf_add(&s->canonical, length, 8);
	if (!value_canonical(&s->canonical, value))
		return -1;
	size_t len = s->canonical.len - start - 8;
	put64(s->canonical.p + start, len);
	size_t k = hash_table(s->canonical.p + start + 8, len) & s->mask;
	for (; s->at[k]; k = (k + 1) & s->mask) {
		const char *old = s->canonical.p + s->at[k] - 1;
		if (memcmp(old, s->canonical.p + start, 8 + len) == 0) {
			s->canonical.len = start;
			return 0;
		}
	}
	s->at[k] = start + 1;
	s->n++;
	return 1;
}

/* ---- Values ---- */

enum { KIND_NONE, KIND_NUMBER, KIND_STRING, KIND_TIME };

static const char too_big[] =
    "a number with more than 10000 digits or too large an exponent";

static void text_set(struct buf *b, struct json_text v)
{
	b->len = 0;
	buf_add(b, v.p, v.len);
}

static const char *add_number(struct collected *a, struct json_text v, bool *failed)
{
	struct decimal d = {0};

	if (json_type_of(v) != JSON_NUMBER)
		return "not a number";
	if (!decimal_set(&d, v, failed))
		return *failed ? NULL : too_big;
	*failed = !decimal_add(&a->number, &d);
	decimal_free(&d);
	a->count++;
	return NULL;
}

static int kind_of(struct json_text v, int64_t *time)
{
	if (json_type_of(v) == JSON_NUMBER)
		return KIND_NUMBER;
	if (json_type_of(v) != JSON_STRING)
		return KIND_NONE;
	return time_of(v, time) ? KIND_TIME : KIND_STRING;
}

static int string_compare(struct json_text x, struct json_text y, bool *failed)
{
	struct buf a = {0}, b = {0};

	json_unescape(&a, x);
	json_unescape(&b, y);
	*failed = a.failed || b.failed;
	int c = view_compare((struct view){a.p, a.len}, (struct view){b.p, b.len});
	buf_free(&a);
	buf_free(&b);
	return c;
}

/* Compares all digits of both times. */
static int time_compare(int64_t t, struct json_text x, int64_t u, struct json_text y)
{
	char plain_x[TIME_LONGEST], plain_y[TIME_LONGEST];

	return t != u ? (t > u) - (t < u)
		      : view_compare(time_rest(x, plain_x), time_rest(y, plain_y));
}

/* The first value decides what is compared: numbers, times, or other strings. */
static const char *take_extreme(
    struct collected *a, struct json_text v, int sign, bool *failed)
{
	struct json_text old = {a->text.p, a->text.len};
	struct decimal d = {0};
	int64_t t = 0;
	int kind = kind_of(v, &t), c;

	if (kind == KIND_NONE)
		return "neither a number nor a string";
	if (a->count && kind == KIND_TIME && a->kind == KIND_STRING)
		kind = KIND_STRING;
	if (a->count && kind != a->kind)
		return "not of the same kind as the first value";
	if (kind == KIND_NUMBER && !decimal_set(&d, v, failed))
		return *failed ? NULL : too_big;
	if (a->count == 0)
		c = -sign;
	else if (kind == KIND_NUMBER)
		c = decimal_compare(&d, &a->number, failed);
	else if (kind == KIND_TIME)
		c = time_compare(t, v, a->time, old);
	else
		c = string_compare(v, old, failed);
	a->count++;
	a->kind = kind;
	if (!*failed && c * sign < 0) {
		decimal_free(&a->number);
		a->number = d;
		a->time = t;
		text_set(&a->text, v);
	} else {
		decimal_free(&d);
	}
	return NULL;
}

static const char *take_listed(
    const struct reducer *r, struct collected *a, struct json_text v, bool *failed)
{
	if (r->func == FUNC_SET) {
		if (!a->seen && !(a->seen = calloc(1, sizeof *a->seen))) {
			*failed = true;
			return NULL;
		}
		int fresh = seen_add(a->seen, v);
		*failed = fresh < 0;
		if (fresh <= 0)
			return NULL;
	}
	if (a->text.len)
		buf_putc(&a->text, ',');
	buf_add(&a->text, v.p, v.len);
	return NULL;
}

static const char *take_tree(
    const struct reducer *r, struct collected *a, struct json_text v, bool *failed)
{
	struct value *patch = value_parse(v);
	const char *why = NULL;

	if (!patch) {
		*failed = true;
		return NULL;
	}
	if (r->func == FUNC_MERGE)
		*failed = !value_merge(&a->tree, patch);
	else
		why = value_patch(&a->tree, patch, failed);
	value_free(patch);
	return why;
}

/* ---- Words ---- */

size_t accumulator_size(enum func func)
{
	switch (func) {
	case FUNC_COUNT: return sizeof(uint64_t);
	case FUNC_SUM: return sizeof(struct sum);
	case FUNC_FIRST:
	case FUNC_LAST: return sizeof(struct accumulator);
	default: return sizeof(uint64_t);
	}
}

struct view word_view(const struct accumulator *a)
{
	return a->word.size == WORD_OWNED ? (struct view){a->owned.p, a->owned.len}
					  : (struct view){a->word.inside, a->word.size};
}

static bool word_set(struct accumulator *a, struct json_text v)
{
	const bool owned = a->word.size == WORD_OWNED;

	if (!owned && v.len <= WORD_INSIDE) {
		memcpy(a->word.inside, v.p, v.len);
		a->word.size = (unsigned char)v.len;
		return true;
	}
	if (v.len > UINT32_MAX / 2)
		return false;
	if (!owned || a->owned.cap < v.len) {
		char *p = realloc(owned ? a->owned.p : NULL, 2 * v.len);
		if (!p)
			return false;
		a->owned.p = p;
		a->owned.cap = (uint32_t)(2 * v.len);
		a->owned.size = WORD_OWNED;
	}
	memcpy(a->owned.p, v.p, v.len);
	a->owned.len = (uint32_t)v.len;
	return true;
}

/* ---- Sums ---- */

/* Reads a number of at most 18 digits, without an exponent, as units / 10^scale. */
static bool units_read(struct json_text t, int64_t *units, uint32_t *scale)
{
	const char *p = t.p, *end = t.p + t.len, *point = NULL;
	const bool minus = *p == '-';
	uint64_t n = 0;

	if (t.len > 19u + minus)
		return false;
	for (p += minus; p < end; p++) {
		if (*p == '.')
			point = p;
		else if (*p < '0' || *p > '9')
			return false;
		else
			n = n * 10 + (uint64_t)(*p - '0');
	}
	if (n >= UINT64_C(1000000000000000000))
		return false;
	*units = minus ? -(int64_t)n : (int64_t)n;
	*scale = point ? (uint32_t)(end - point - 1) : 0;
	return true;
}

/* Multiplies by 10^n.  false: that does not fit. */
static bool units_shift(int64_t *units, uint32_t n)
{
	while (n && !__builtin_mul_overflow(*units, 10, units))
		n--;
	return n == 0;
}

static struct decimal sum_decimal(const struct sum *s)
{
	return s->scale == SUM_LARGE
		   ? *s->large
		   : (struct decimal){.small = s->units, .scale = s->scale};
}

/* Adds units / 10^scale.  false: that does not fit, and nothing is changed. */
static bool units_add(struct sum *s, int64_t units, uint32_t scale)
{
	int64_t sum = s->units;

	if (s->scale == SUM_LARGE ||
	    !(scale <= s->scale ? units_shift(&units, s->scale - scale)
				: units_shift(&sum, scale - s->scale)) ||
	    __builtin_add_overflow(sum, units, &sum))
		return false;
	s->units = sum;
	if (scale > s->scale)
		s->scale = scale;
	return true;
}

/* Makes it a decimal. */
static bool sum_enlarge(struct sum *s)
{
	if (s->scale == SUM_LARGE)
		return true;
	struct decimal *d = calloc(1, sizeof *d);
	if (!d)
		return false;
	*d = sum_decimal(s);
	*s = (struct sum){.large = d, .scale = SUM_LARGE};
	return true;
}

static const char *sum_add(struct sum *s, struct json_text v, bool *failed)
{
	struct decimal d = {0};
	int64_t units;
	uint32_t scale;

	if (json_type_of(v) != JSON_NUMBER)
		return "not a number";
	if (units_read(v, &units, &scale) && units_add(s, units, scale))
		return NULL;
	if (!decimal_set(&d, v, failed))
		return *failed ? NULL : too_big;
	*failed = !sum_enlarge(s) || !decimal_add(s->large, &d);
	decimal_free(&d);
	return NULL;
}

bool sum_restore(struct accumulator *a, struct json_text number, bool *failed)
{
	if (units_read(number, &a->sum.units, &a->sum.scale))
		return true;
	*failed = !sum_enlarge(&a->sum);
	return !*failed && decimal_restore(a->sum.large, number, failed);
}

/* ---- Accumulating ---- */

struct collected *accumulator_collected(struct accumulator *a)
{
	if (!a->collected)
		a->collected = calloc(1, sizeof *a->collected);
	return a->collected;
}

static const char *collect(
    const struct reducer *r, struct accumulator *a, struct json_text v, bool *failed)
{
	struct collected *c = accumulator_collected(a);
	const char *why = NULL;

	if (!c) {
		*failed = true;
		return NULL;
	}
	switch (r->func) {
	case FUNC_AVG: why = add_number(c, v, failed); break;
	case FUNC_MIN: why = take_extreme(c, v, 1, failed); break;
	case FUNC_MAX: why = take_extreme(c, v, -1, failed); break;
	case FUNC_MERGE:
	case FUNC_PATCH: why = take_tree(r, c, v, failed); break;
	default: why = take_listed(r, c, v, failed);
	}
	*failed |= c->text.failed;
	return why;
}

const char *accumulate(
    const struct reducer *r, struct accumulator *a, struct json_text v, bool *failed)
{
	*failed = false;
	if (json_type_of(v) == JSON_NULL && r->func >= FUNC_SUM && r->func <= FUNC_AVG)
		return NULL; /* null counts as absent */
	switch (r->func) {
	case FUNC_COUNT: a->count += !r->path || json_type_of(v) != JSON_NULL; break;
	case FUNC_SUM: return sum_add(&a->sum, v, failed);
	case FUNC_FIRST: *failed = !a->word.size && !word_set(a, v); break;
	case FUNC_LAST: *failed = !word_set(a, v); break;
	default: return collect(r, a, v, failed);
	}
	return NULL;
}

static void average_write(struct buf *b, const struct collected *a)
{
	struct decimal n = {.small = (__int128)a->count}, average = {0};

	if (!a->count)
		buf_puts(b, "null");
	else if (decimal_divide(&average, &a->number, &n))
		decimal_write(b, &average);
	else
		b->failed = true;
	decimal_free(&average);
}

static void text_write(
    struct buf *b, const char *before, struct view v, const char *after)
{
	buf_puts(b, before);
	buf_add(b, v.p, v.len);
	buf_puts(b, after);
}

static void collected_write(
    struct buf *b, const struct reducer *r, const struct collected *c)
{
	const struct view text = {c->text.p, c->text.len};

	switch (r->func) {
	case FUNC_AVG: average_write(b, c); break;
	case FUNC_LIST:
	case FUNC_SET: text_write(b, "[", text, "]"); break;
	case FUNC_MERGE:
	case FUNC_PATCH:
		if (c->tree)
			value_write(b, c->tree);
		else
			buf_puts(b, "null");
		break;
	default: text_write(b, text.len ? "" : "null", text, "");
	}
}

void accumulator_write(
    struct buf *b, const struct reducer *r, const struct accumulator *a)
{
	static const struct collected none;
	struct decimal sum;

	switch (r->func) {
	case FUNC_COUNT: buf_number(b, a->count); break;
	case FUNC_SUM:
		sum = sum_decimal(&a->sum);
		decimal_write(b, &sum);
		break;
	case FUNC_FIRST:
	case FUNC_LAST:
		text_write(b, a->word.size ? "" : "null", word_view(a), "");
		break;
	default: collected_write(b, r, a->collected ? a->collected : &none);
	}
}

static void collected_free(struct collected *c)
{
	if (!c)
		return;
	decimal_free(&c->number);
	buf_free(&c->text);
	value_free(c->tree);
	if (c->seen) {
		buf_free(&c->seen->canonical);
		free(c->seen->at);
		free(c->seen);
	}
	free(c);
}

void accumulator_free(const struct reducer *r, struct accumulator *a)
{
	switch (r->func) {
	case FUNC_COUNT: break;
	case FUNC_SUM:
		if (a->sum.scale == SUM_LARGE) {
			decimal_free(a->sum.large);
			free(a->sum.large);
		}
		break;
	case FUNC_FIRST:
	case FUNC_LAST:
		if (a->word.size == WORD_OWNED)
			free(a->owned.p);
		break;
	default: collected_free(a->collected);
	}
}
