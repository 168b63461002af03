/* find.c - finds a short text in a long one. */
#include "json/find.h"
#include "json/vector.h"

/* Looks for two bytes of the needle at 64 places at once.  Needs 63 bytes behind the
 * needle's place.  Returns NULL if it is at none of them. */
static inline const char *block_find(struct view needle, const char *p)
{
	size_t n = needle.len, a = n > 3,
	       b = n - 1 - a; /* inside of quotes, if it has some */
	uint64_t m =
	    block_mask(p + a, 0, needle.p[a]) & block_mask(p + b, 0, needle.p[b]);

	for (; m; m &= m - 1) {
		const char *hit = p + __builtin_ctzll(m);
		if (memcmp(hit, needle.p, n) == 0)
			return hit;
	}
	return NULL;
}

const char *text_find(struct view needle, const char *p, const char *end)
{
	const size_t need = 63 + needle.len;
	const char *hit = NULL;

	if ((size_t)(end - p) < need) {
		hit = memmem(p, (size_t)(end - p), needle.p, needle.len);
		return hit ? hit : end;
	}
	for (; !hit && (size_t)(end - p) >= need; p += 64)
		hit = block_find(needle, p);
	if (!hit && (size_t)(end - p) >= needle.len)
		hit = block_find(needle, end - need); /* some of it again */
	return hit ? hit : end;
}
