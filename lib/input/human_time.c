/*
 * human_time.c - parses times and spans as people write them.
 *
 * The grammar is the part of systemd.time(7) that is useful for logs, plus RFC 3339,
 * which that page does not include.
 */
#include "base/error.h"
#include "base/options.h"
#include "base/time.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define SECOND INT64_C(1000000)
#define DAY    (86400 * SECOND)

/* Reads digits with an optional fraction, in a unit of `scale` microseconds.  Returns the
 * end, or NULL if there are no digits or the number is too large. */
static const char *number_read(const char *p, int64_t scale, int64_t *out)
{
	int64_t whole = 0, fraction = 0, unit = scale;
	const char *start = p;

	for (; isdigit((unsigned char)*p); p++) {
		if (whole > (INT64_MAX / 16 - 9) / 10)
			return NULL;
		whole = whole * 10 + (*p - '0');
	}
	if (p == start || whole > INT64_MAX / 16 / scale)
		return NULL;
	if (*p == '.' && isdigit((unsigned char)p[1]))
		for (p++; isdigit((unsigned char)*p); p++)
			fraction += (*p - '0') * (unit /= 10);
	*out = whole * scale + fraction;
	return p;
}

static int64_t unit_of(const char *p, size_t n)
{
	static const struct {
		const char *names;
		int64_t scale;
	} units[] = {
	    {" us usec ", 1},
	    {" ms msec ", 1000},
	    {" s sec second seconds ", SECOND},
	    {" m min minute minutes ", 60 * SECOND},
	    {" h hr hour hours ", 3600 * SECOND},
	    {" d day days ", DAY},
	    {" w week weeks ", 7 * DAY},
	    {" M month months ", 2629800 * SECOND}, /* 30.44 days, as in systemd */
	    {" y year years ", 31557600 * SECOND},
	};
	char word[16];

	if (n == 0)
		return SECOND;
	if (n > sizeof word - 3)
		return 0;
	word[0] = ' ';
	memcpy(word + 1, p, n);
	memcpy(word + 1 + n, " ", 2);
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (strstr(units[i].names, word))
			return units[i].scale;
	return 0;
}

/* Reads a span such as "2h 30min", up to the end of the text or to a word that does not
 * follow a number.  Returns where it ended, or NULL. */
static const char *span_read(const char *p, int64_t *span)
{
	const char *good = NULL;

	*span = 0;
	for (;;) {
		int64_t v;
		while (*p == ' ')
			p++;
		const char *q = p;
		while (isdigit((unsigned char)*q) || *q == '.')
			q++;
		if (q == p)
			return good;
		const char *u = q;
		while (*u == ' ')
			u++;
		size_t n = 0;
		while (isalpha((unsigned char)u[n]))
			n++;
		if (n == 3 && memcmp(u, "ago", 3) == 0)
			n = 0;
		int64_t scale = unit_of(u, n);
		if (!scale || number_read(p, scale, &v) != q || *span > INT64_MAX / 16)
			return NULL;
		*span += v;
		p = good = n ? u + n : q;
	}
}

int evlog_span_parse(const char *text, int64_t *microseconds, evlog_error *err)
{
	NEED(text && microseconds, err);
	const char *end = span_read(text, microseconds);

	if (!end || *end)
		return error_set(err, EVLOG_EUSAGE,
		    "%s: not a duration; try 1.5s, 300ms, 2h30min", text);
	return 0;
}

/* ---- Local times ---- */

/* Gets the seconds by which local time is ahead of UTC at t.  Returns false if that is
 * unknown. */
static bool offset_at(int64_t t, int64_t *offset)
{
	time_t s = (time_t)t;
	struct tm tm;

	if (!localtime_r(&s, &tm))
		return false;
	*offset = time_days(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday) * 86400 +
		  tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec - t;
	return true;
}

/* Finds the first second in (low, high] whose offset differs from that at `low`. */
static int64_t jump_find(int64_t low, int64_t high)
{
	int64_t before = 0, offset = 0;

	offset_at(low, &before);
	while (high - low > 1) {
		int64_t middle = low + (high - low) / 2;
		if (offset_at(middle, &offset) && offset == before)
			low = middle;
		else
			high = middle;
	}
	return high;
}

/* Finds the second at which the local clock shows `local`, a local time counted as if it
 * were UTC.  If the clock shows it twice, `later` selects which; if never, the result is
 * the second at which the clock jumps over it.  Assumes that no offset exceeds 26 hours
 * or lasts less than an hour. */
static bool local_find(int64_t local, bool later, int64_t *t)
{
	const int64_t reach = INT64_C(26) * 3600, step = 3600;
	int64_t last = 0, offset = 0;
	bool found = false, jumped = false;
	int64_t jump = 0;

	tzset();
	for (int64_t at = local - reach; at <= local + reach; at += step) {
		if (!offset_at(at, &offset))
			return false;
		int64_t candidate = local - offset, shown;
		if (offset_at(candidate, &shown) && shown == offset &&
		    (!found || (candidate > *t) == later)) {
			*t = candidate;
			found = true;
		}
		if (at > local - reach && offset > last && !jumped) {
			jump = jump_find(at - step, at);
			jumped = jump + last <= local && local < jump + offset;
		}
		last = offset;
	}
	if (!found && jumped)
		*t = jump;
	return found || jumped;
}

/* Reads 2026-11-23[ 05:00[:00[.5]]] as local time. */
static bool local_read(const char *text, bool later, int64_t *t, struct view *digits_left)
{
	int64_t days, seconds = 0, fraction = 0;
	size_t n = strlen(text);
	char clock[9] = "00:00:00";

	if (n < 10 || !time_date_read(text, &days))
		return false;
	if (n > 10) {
		if ((text[10] != ' ' && text[10] != 'T') || n < 16 || (n > 16 && n < 19))
			return false;
		memcpy(clock, text + 11, n == 16 ? 5 : 8);
		if (n > 19) {
			const char *p = text + 20;
			int64_t unit = SECOND;
			if (text[19] != '.' || !*p)
				return false;
			for (; isdigit((unsigned char)*p); p++)
				fraction += (*p - '0') * (unit /= 10);
			if (*p)
				return false;
			*digits_left = time_digits(text, n);
		}
	}
	if (!time_clock_read(clock, &seconds))
		return false;
	bool leap = clock[6] == '6';
	if (!local_find(days * 86400 + seconds - leap, later, t))
		return false;
	*t = (*t + leap) * SECOND;
	if (leap && !time_leap_allowed(*t))
		return false;
	*t += fraction;
	return true;
}

static bool midnight(int64_t now, int days, bool later, int64_t *t)
{
	int64_t s = now / SECOND - (now % SECOND < 0), offset;

	tzset();
	if (!offset_at(s, &offset))
		return false;
	int64_t local = s + offset;
	int64_t day = local / 86400 - (local % 86400 < 0) + days;
	if (!local_find(day * 86400, later, t))
		return false;
	return !__builtin_mul_overflow(*t, SECOND, t);
}

static bool word_read(const char *text, int64_t now, bool later, int64_t *t)
{
	if (strcmp(text, "now") == 0)
		*t = now;
	else if (strcmp(text, "today") == 0)
		return midnight(now, 0, later, t);
	else if (strcmp(text, "yesterday") == 0)
		return midnight(now, -1, later, t);
	else if (strcmp(text, "tomorrow") == 0)
		return midnight(now, 1, later, t);
	else
		return false;
	return true;
}

static bool relative_read(const char *text, int64_t now, int64_t *t)
{
	bool sign = *text == '+' || *text == '-';
	int64_t span;
	const char *end = span_read(text + sign, &span);

	if (!end)
		return false;
	while (*end == ' ')
		end++;
	if (sign ? *end != '\0' : strcmp(end, "ago") != 0)
		return false;
	return *text == '+' ? !__builtin_add_overflow(now, span, t)
			    : !__builtin_sub_overflow(now, span, t);
}

/* Reads @[-]1700000000[.5].  Times before 1970 may not have digits beyond
 * microseconds. */
static bool epoch_read(const char *text, int64_t *t, struct view *digits_left)
{
	bool minus = text[1] == '-';
	const char *p = text + 1 + minus, *end = number_read(p, SECOND, t);

	if (!end || *end)
		return false;
	const char *point = strchr(p, '.');
	if (point)
		*digits_left = time_digits_after(point + 1, strlen(point + 1));
	if (minus)
		*t = -*t;
	return !minus || !digits_left->len;
}

int evlog_time_parse(const char *text, int64_t now, enum evlog_edge edge, int64_t *t,
    struct evlog_digits *digits, evlog_error *err)
{
	bool later = edge == EVLOG_UNTIL;
	struct view left = {"", 0};
	bool good;

	NEED(text && t, err);
	size_t n = strlen(text);
	if (*text == '@') {
		good = epoch_read(text, t, &left);
	} else if (time_rfc3339(text, n, t)) {
		left = time_digits(text, n);
		good = true;
	} else {
		good = word_read(text, now, later, t) ||
		       local_read(text, later, t, &left) || relative_read(text, now, t);
	}
	if (!good)
		return error_set(err, EVLOG_EUSAGE,
		    "%s: not a time; try 2026-11-23, \"2026-11-23 05:00\", "
		    "2026-11-23T05:00:00Z, yesterday, -2h, \"30min ago\", @1700000000",
		    text);
	if (digits)
		*digits = (struct evlog_digits){left.p, left.len};
	else
		*t += left.len > 0;
	return 0;
}
