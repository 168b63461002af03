/* part.c - looks up units in one worker's share of a round. */
#include "run/consumer.h"

struct view part_lines(const struct part *p, size_t from, size_t to)
{
	size_t start = from < p->n ? p->unit[from].at : p->lines.len;
	size_t end = to < p->n ? p->unit[to].at : p->lines.len;

	return (struct view){p->lines.p + start, end - start};
}

size_t part_after(const struct part *p, uint64_t number)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (p->unit[middle].number <= number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t part_end(const struct round *r, const struct part *p)
{
	return r->limit == UINT64_MAX ? p->n : part_after(p, r->limit);
}
