/*
 * time.c - RFC 3339 and human times.
 *
 * The grammar of human times is that of systemd.time(7), as far as a log needs it,
 * plus RFC 3339, which that page does not list.
 */
#include "base/time.h"
#include "base/error.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define SECOND	 INT64_C(1000000)
#define DAY	 (86400 * SECOND)
#define EARLIEST (INT64_C(-62167219200) * SECOND)     /* 0000-01-01 */
#define LATEST	 (INT64_C(253402300800) * SECOND - 1) /* end of 9999 */

/* Days since 1970-01-01 in the proleptic Gregorian calendar, by counting from
 * March so that the leap day is a year's last. */
static int64_t days_of(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

static void civil_of(int64_t days, int *year, int *month, int *day)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t doe = days - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t m = (5 * doy + 2) / 153;

	*day = (int)(doy - (153 * m + 2) / 5 + 1);
	*month = (int)(m < 10 ? m + 3 : m - 9);
	*year = (int)(yoe + era * 400 + (*month <= 2));
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month == 2 && leap ? 29 : days[month - 1];
}

/* n digits at p as a number; -1 if they are not digits. */
static int digits(const char *p, int n)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		v = v * 10 + (p[i] - '0');
	}
	return v;
}

/* YYYY-MM-DD, and the days since 1970. */
static bool date_read(const char *p, int64_t *days)
{
	int year = digits(p, 4), month = digits(p + 5, 2), day = digits(p + 8, 2);

	if (year < 0 || p[4] != '-' || p[7] != '-' || month < 1 || month > 12 ||
	    day < 1 || day > days_in_month(year, month))
		return false;
	*days = days_of(year, month, day);
	return true;
}

/* HH:MM:SS; 60 seconds are for leap_allowed to judge. */
static bool clock_read(const char *p, int64_t *seconds)
{
	int h = digits(p, 2), m = digits(p + 3, 2), s = digits(p + 6, 2);

	if (h < 0 || h > 23 || p[2] != ':' || m < 0 || m > 59 || p[5] != ':' || s < 0 ||
	    s > 60)
		return false;
	*seconds = h * 3600 + m * 60 + s;
	return true;
}

/* Whether second 60 of a day that is given as UTC comes before t: the last of a month
 * (RFC 3339, 5.7). */
static bool leap_allowed(int64_t t)
{
	int year, month, day;

	t /= SECOND; /* of what follows it */
	civil_of(t / 86400, &year, &month, &day);
	return t % 86400 == 0 && day == 1;
}

/* Digits after the microsecond, without zeros at the end. */
static struct view digits_after(const char *p, size_t n)
{
	size_t len = 0;

	while (len < n && isdigit((unsigned char)p[len]))
		len++;
	while (len > 0 && (len <= 6 || p[len - 1] == '0'))
		len--;
	return len ? (struct view){p + 6, len - 6} : (struct view){"", 0};
}

struct view time_digits(const char *p, size_t len)
{
	return len > 20 && p[19] == '.' ? digits_after(p + 20, len - 20)
					: (struct view){"", 0};
}

bool time_rfc3339(const char *p, size_t len, int64_t *t)
{
	int64_t days, seconds, fraction = 0, offset = 0;
	size_t i = 19;

	if (len < 20 || !date_read(p, &days) || (p[10] | 32) != 't' ||
	    !clock_read(p + 11, &seconds))
		return false;
	if (p[i] == '.') {
		int64_t unit = SECOND / 10;
		size_t first = ++i;
		for (; i < len && p[i] >= '0' && p[i] <= '9'; i++, unit /= 10)
			fraction += (p[i] - '0') * unit;
		if (i == first)
			return false;
	}
	if (i + 1 == len && (p[i] | 32) == 'z') {
		offset = 0;
	} else if (i + 6 == len && (p[i] == '+' || p[i] == '-') && p[i + 3] == ':') {
		int h = digits(p + i + 1, 2), m = digits(p + i + 4, 2);
		if (h < 0 || h > 23 || m < 0 || m > 59)
			return false;
		offset = (p[i] == '-' ? -1 : 1) * (h * 3600 + m * 60);
	} else {
		return false;
	}
	*t = days * DAY + (seconds - offset) * SECOND;
	if (p[17] == '6' && !leap_allowed(*t))
		return false;
	*t += fraction;
	return true;
}

bool time_stamp_read(const char p[27], int64_t *t)
{
	int64_t days, seconds;
	int micro = digits(p + 20, 6);

	if (p[10] != 'T' || p[19] != '.' || p[26] != 'Z' || micro < 0 || p[17] == '6' ||
	    !date_read(p, &days) || !clock_read(p + 11, &seconds))
		return false;
	*t = days * DAY + seconds * SECOND + micro;
	return true;
}

static void put_digits(char *p, int n, int64_t v)
{
	while (n-- > 0) {
		p[n] = (char)('0' + v % 10);
		v /= 10;
	}
}

void time_stamp_write(char p[27], int64_t t)
{
	int year, month, day;

	t = t < EARLIEST ? EARLIEST : t > LATEST ? LATEST : t;
	int64_t days = t / DAY - (t % DAY < 0);
	int64_t rest = t - days * DAY;
	civil_of(days, &year, &month, &day);
	memcpy(p, "0000-00-00T00:00:00.000000Z", 27);
	put_digits(p, 4, year);
	put_digits(p + 5, 2, month);
	put_digits(p + 8, 2, day);
	put_digits(p + 20, 6, rest % SECOND);
	rest /= SECOND;
	put_digits(p + 11, 2, rest / 3600);
	put_digits(p + 14, 2, rest / 60 % 60);
	put_digits(p + 17, 2, rest % 60);
}

void evlog_time_format(int64_t t, char out[28])
{
	time_stamp_write(out, t);
	out[27] = '\0';
}

int64_t evlog_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * SECOND + t.tv_nsec / 1000;
}

/* ---- Human times ---- */

/* Digits with an optional fraction as microseconds of a unit of `scale`
 * microseconds; NULL: none there, or too large. */
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
	    {" M month months ", 2629800 * SECOND}, /* 30.44 days, as systemd */
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

/* Reads "2h 30min" up to its end or a word that is no unit behind a number. */
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
	const char *end = span_read(text, microseconds);

	if (!end || *end)
		return error_set(err, EVLOG_EUSAGE,
		    "%s: not a length of time; try 1.5s, 300ms, 2h30min", text);
	return 0;
}

/* ---- Local times ---- */

/* Seconds by which the local clock is ahead of UTC, at t.  false: none can be told. */
static bool offset_at(int64_t t, int64_t *offset)
{
	time_t s = (time_t)t;
	struct tm tm;

	if (!localtime_r(&s, &tm))
		return false;
	*offset = days_of(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday) * 86400 +
		  tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec - t;
	return true;
}

/* The first second after `low`, up to `high`, that has not the offset of `low`. */
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

/* The second at which the local clock shows `local`, which counts as if it were UTC.  It
 * may show it twice: then the earlier or the later.  If it never shows it, the second at
 * which it jumps over it.  No offset is greater than 26 hours, and none lasts for less
 * than an hour. */
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

/* 2026-11-23[ 05:00[:00[.5]]] in the local time zone. */
static bool local_read(const char *text, bool later, int64_t *t, struct view *digits_left)
{
	int64_t days, seconds = 0, fraction = 0;
	size_t n = strlen(text);
	char clock[9] = "00:00:00";

	if (n < 10 || !date_read(text, &days))
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
	if (!clock_read(clock, &seconds))
		return false;
	bool leap = clock[6] == '6';
	if (!local_find(days * 86400 + seconds - leap, later, t))
		return false;
	*t = (*t + leap) * SECOND;
	if (leap && !leap_allowed(*t))
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
	*t *= SECOND;
	return true;
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
	if (sign && !*end)
		*t = *text == '-' ? now - span : now + span;
	else if (!sign && strcmp(end, "ago") == 0)
		*t = now - span;
	else
		return false;
	return true;
}

/* @[-]1700000000[.5]; before 1970 to the microsecond. */
static bool epoch_read(const char *text, int64_t *t, struct view *digits_left)
{
	bool minus = text[1] == '-';
	const char *p = text + 1 + minus, *end = number_read(p, SECOND, t);

	if (!end || *end)
		return false;
	const char *point = strchr(p, '.');
	if (point)
		*digits_left = digits_after(point + 1, strlen(point + 1));
	if (minus)
		*t = -*t;
	return !minus || !digits_left->len;
}

int evlog_time_parse(const char *text, int64_t now, enum evlog_edge edge, int64_t *t,
    struct evlog_digits *digits, evlog_error *err)
{
	bool later = edge == EVLOG_UNTIL;
	struct view left = {"", 0};
	size_t n = strlen(text);
	bool good;

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
