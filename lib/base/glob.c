/* glob.c - patterns for UTF-8 text. */
#include "base/glob.h"

#include <stdint.h>

#define NO_CHARACTER 0x110000 /* + a byte that is not UTF-8 and matches itself */

bool glob_is_pattern(const char *glob)
{
	return strpbrk(glob, "*?[\\") != NULL;
}

/* Decodes the character at p and returns the position after it.  A pattern has no `end`:
 * its NUL is not a continuation byte, so decoding stops there. */
static const char *character(const char *p, const char *end, uint32_t *c)
{
	static const unsigned char lead[] = {0x7f, 0x1f, 0x0f, 0x07};
	unsigned char first = (unsigned char)*p;
	int more = first < 0xc0 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;

	*c = first & lead[more];
	if ((first >= 0x80 && first < 0xc0) || first >= 0xf8 || (end && end - p <= more))
		more = -1;
	for (int i = 1; i <= more; i++) {
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			more = -1;
		*c = *c << 6 | ((unsigned char)p[i] & 0x3f);
	}
	if (more < 0)
		*c = NO_CHARACTER + first;
	return p + 1 + (more > 0 ? more : 0);
}

/* Matches a [:class:] at p and returns the position after it, or p if there is none. */
static const char *class_match(const char *p, uint32_t c, bool *hit)
{
	static const struct {
		const char *name, *ranges;
	} classes[] = {{"[:alnum:]", "09AZaz"}, {"[:alpha:]", "AZaz"},
	    {"[:blank:]", "\t\t  "}, {"[:cntrl:]", "\1\x1f\x7f\x7f"}, {"[:digit:]", "09"},
	    {"[:graph:]", "!~"}, {"[:lower:]", "az"}, {"[:print:]", " ~"},
	    {"[:punct:]", "!/:@[`{~"}, {"[:space:]", "\t\r  "}, {"[:upper:]", "AZ"},
	    {"[:xdigit:]", "09AFaf"}};

	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
		size_t n = strlen(classes[i].name);
		if (strncmp(p, classes[i].name, n) != 0)
			continue;
		for (const char *r = classes[i].ranges; *r; r += 2)
			*hit |= c >= (unsigned char)r[0] && c <= (unsigned char)r[1];
		return p + n;
	}
	return p;
}

/* Reads one character of a bracket, perhaps after a backslash.  NULL: the pattern
 * ends. */
static const char *bound(const char *p, uint32_t *c)
{
	p += *p == '\\';
	return *p ? character(p, NULL, c) : NULL;
}

/* Matches a bracket, p being after its `[`, and returns the position after its `]`, or
 * NULL if there is none. */
static const char *bracket_match(const char *p, uint32_t c, bool *hit)
{
	bool negated = *p == '!' || *p == '^', found = false;
	uint32_t low, high;

	p += negated;
	for (const char *first = p; *p != ']' || p == first;) {
		const char *q = class_match(p, c, &found);
		if (q > p) {
			p = q;
			continue;
		}
		if (!(p = bound(p, &low)))
			return NULL;
		high = low;
		if (p[0] == '-' && p[1] && p[1] != ']' && !(p = bound(p + 1, &high)))
			return NULL;
		found |= low <= c && c <= high;
	}
	*hit = found != negated;
	return p + 1;
}

/* Matches c against the pattern item at p and returns the position after the item. */
static const char *item_match(const char *p, uint32_t c, bool *hit)
{
	uint32_t wanted;

	*hit = *p == '?';
	if (*p == '?')
		return p + 1;
	if (*p == '[') {
		const char *end = bracket_match(p + 1, c, hit);
		if (end)
			return end;
	}
	p += *p == '\\';
	if (!*p)
		return p; /* a backslash before nothing matches nothing */
	p = character(p, NULL, &wanted);
	*hit = wanted == c;
	return p;
}

/* On a mismatch only the last star needs to take more text: whatever an earlier star
 * could take instead, the last one can take too. */
bool glob_match(const char *glob, struct view text)
{
	const char *t = text.p, *end = text.p + text.len;
	const char *star = NULL,
		   *mark = NULL; /* after the star; where the rest was last tried */
	uint32_t c;
	bool hit;

	for (;;) {
		if (*glob == '*') {
			star = ++glob;
			mark = t;
			if (!*star)
				return true;
			continue;
		}
		if (t == end)
			return !*glob;
		const char *next = character(t, end, &c);
		const char *rest = glob;
		hit = false;
		if (*glob)
			rest = item_match(glob, c, &hit);
		if (hit) {
			glob = rest;
			t = next;
			continue;
		}
		if (!star)
			return false;
		t = mark = character(mark, end, &c);
		glob = star;
	}
}
